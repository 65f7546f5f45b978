//! Images, measured and given their place in memory.

use sha2::{Digest, Sha256};

use crate::model::{Origin, Partition, Range, System};
use crate::reader::{Faults, list, nearest};
use crate::report::Diagnostic;
use crate::rule::Rule;
use crate::units::{hex, show_range, show_size};

use super::Images;
use super::package::{self, MANIFEST_ROOM};
use super::signed;

/// A partition with its image.
pub struct Placed<'a> {
    /// The partition.
    pub partition: &'a Partition,
    /// SHA-256 of the image.
    pub sha256: [u8; 32],
    /// Bytes of the image.
    pub size: u64,
    /// The manifest.
    pub manifest: Vec<u8>,
    /// The package's bytes.
    pub package: Vec<u8>,
    /// Where the boot loader puts the package; the room for the image of one that the hypervisor reads itself.
    pub range: Range,
}

/// Places every partition's image, in the order of the partitions. Complete only without new faults.
pub fn images<'a>(system: &'a System, images: &Images, faults: &mut Faults) -> Vec<Placed<'a>> {
    refuse_strays(system, images, faults);
    let each = system.partitions.iter();
    each.filter_map(|partition| place(system, partition, &image(partition, images, faults)?, faults))
        .collect()
}

fn refuse_strays(system: &System, images: &Images, faults: &mut Faults) {
    let names: Vec<&str> = system
        .partitions
        .iter()
        .map(|partition| partition.name.as_str())
        .collect();
    for name in images.keys().filter(|name| !names.contains(&name.as_str())) {
        let fault = Diagnostic::new(
            Rule::StrayImage,
            format!("an image was given for `{name}`, which is no partition"),
        );
        faults.push(match nearest(name, names.iter().copied()) {
            Some(near) => fault.help(format!("did you mean `{near}`?")),
            None => fault.help(format!("the partitions are: {}", list(&names))),
        });
    }
}

/// The image that was handed in, else the file that the table names.
fn image(partition: &Partition, images: &Images, faults: &mut Faults) -> Option<Vec<u8>> {
    if let Some(image) = images.get(&partition.name) {
        return Some(image.clone());
    }
    let (label, help) = match &partition.image.origin {
        Origin::Build(_) => (
            "it is built from this".to_owned(),
            "build the image, or hand it in".to_owned(),
        ),
        Origin::File(path) => match std::fs::read(path) {
            Ok(image) => return Some(image),
            Err(error) => (
                error.to_string(),
                format!("put the image at `{}`", path.display()),
            ),
        },
    };
    let title = format!("partition `{}` has no image", partition.name);
    faults.push(
        Diagnostic::new(Rule::ImageMissing, title)
            .at(&partition.image.span, label)
            .help(help),
    );
    None
}

fn place<'a>(
    system: &'a System,
    partition: &'a Partition,
    image: &[u8],
    faults: &mut Faults,
) -> Option<Placed<'a>> {
    let before = faults.len();
    let key = partition.signing_key();
    let vendors = match (&partition.image.origin, key) {
        (Origin::File(_), Some(key)) => Some((image, key)),
        _ => None,
    };
    let image = match vendors {
        // That it can be opened was checked with the table; the file may have been changed since.
        Some((package, key)) => signed::open(package, &key, &partition.package_uuid).ok()?.image,
        None => image,
    };
    let size = u64::try_from(image.len()).ok()?;
    let span = &partition.image.span;
    let name = &partition.name;
    if size == 0 {
        let title = format!("the image of partition `{name}` is empty");
        faults.push(
            Diagnostic::new(Rule::ImageEmpty, title)
                .at(span, "this image")
                .help("build it again"),
        );
    }
    if size > 0 && partition.image.entry >= size {
        let title = format!("the entry of partition `{name}` lies behind its image");
        let label = format!("the image has {size} bytes");
        let fault = Diagnostic::new(Rule::ImageEntry, title).at(span, label);
        faults.push(fault.help("use an entry within the image"));
    }
    let sha256: [u8; 32] = Sha256::digest(image).into();
    check_digest(partition, &sha256, faults);
    let manifest = super::manifest::manifest(system, partition);
    if manifest.len() > MANIFEST_ROOM {
        let title = format!(
            "the manifest of partition `{name}` has {} bytes; {MANIFEST_ROOM} fit",
            manifest.len()
        );
        faults.push(
            Diagnostic::new(Rule::TreeSize, title)
                .at(&partition.span, "this one")
                .help("list fewer devices"),
        );
    }
    let range = if system.takes_itself(partition) {
        room(partition, size, faults)?
    } else {
        package_range(system, partition, size, faults)?
    };
    if faults.len() != before {
        return None;
    }
    let package = match (vendors, partition.image.signed) {
        (Some((package, _)), _) => package.to_vec(),
        (None, Some(signed)) => {
            let (uuid, seed) = (&partition.package_uuid, signed::test_seed(&partition.name));
            signed::sign(&manifest, image, uuid, signed.version, &seed)?
        }
        (None, None) => package::pack(&manifest, image),
    };
    Some(Placed {
        partition,
        sha256,
        size,
        manifest,
        package,
        range,
    })
}

fn check_digest(partition: &Partition, found: &[u8; 32], faults: &mut Faults) {
    let Some(wanted) = &partition.image.sha256 else {
        return;
    };
    if wanted != found {
        let title = format!(
            "the image of partition `{}` is not the one that the table names",
            partition.name
        );
        let label = format!("the image has {}", hex(found));
        let help = "use the image that was meant, or change `sha256` if the new image is meant";
        faults.push(
            Diagnostic::new(Rule::ImageDigest, title)
                .at(&partition.image.span, label)
                .help(help),
        );
    }
}

/// The room for an image that is taken from the store: all of the first region is left for it.
fn room(partition: &Partition, size: u64, faults: &mut Faults) -> Option<Range> {
    let (home, load) = (partition.home(), partition.load());
    let room = home.end().checked_sub(load)?;
    if size > room {
        let title = format!(
            "the image of partition `{}` does not fit its first region",
            partition.name
        );
        let label = format!("it has {size} bytes, and there is room for {room}");
        let help = "give the partition more memory, or make the image smaller";
        let fault = Diagnostic::new(Rule::ImageFit, title).at(&partition.image.span, label);
        faults.push(fault.help(help));
        return None;
    }
    Some(Range {
        base: load,
        size: room,
    })
}

/// The package lies at the very top of the partition's first region; the image goes to the bottom.
fn package_range(system: &System, partition: &Partition, size: u64, faults: &mut Faults) -> Option<Range> {
    let name = &partition.name;
    let span = &partition.image.span;
    let length = package::length(size)?;
    let limit = system.board.firmware.package_size;
    if length > limit {
        let title =
            format!("the package of partition `{name}` has {length} bytes; the board's limit is {limit}");
        faults.push(
            Diagnostic::new(Rule::PackageSize, title)
                .at(span, "this image")
                .help(format!(
                    "make the image smaller by at least {} bytes",
                    length - limit
                )),
        );
        return None;
    }
    let home = partition.home();
    let needed = partition.load() - home.base + size.checked_next_multiple_of(crate::units::PAGE)? + length;
    if needed > home.size {
        let title = format!("the image of partition `{name}` and its package do not fit its first region");
        let label = format!(
            "{} needed, {} is {}",
            show_size(needed),
            show_range(home.base, home.end()),
            show_size(home.size)
        );
        let help = "give the partition more memory, or make the image smaller";
        faults.push(Diagnostic::new(Rule::ImageFit, title).at(span, label).help(help));
        return None;
    }
    Some(Range {
        base: home.end() - length,
        size: length,
    })
}
