//! Where images come from, and that files are the ones that the table names.

use std::path::Path;

use sha2::{Digest, Sha256};

use crate::draft::{Draft, Image, Partition, Tee};
use crate::emit::OWN;
use crate::reader::Faults;
use crate::report::Diagnostic;
use crate::resolve::beside;
use crate::rule::Rule;
use crate::source::At;
use crate::units::hex;

/// The largest file that is read as an image, in bytes. What a board takes is less and checked later.
const MAX_BYTES: u64 = 256 << 20;

/// Checks every partition's image.
pub fn check(table: &Path, draft: &Draft, faults: &mut Faults) {
    for partition in &draft.partitions {
        let Some(image) = &partition.image else { continue };
        entry(partition, image, faults);
        settings(partition, image, faults);
        match (&image.build, &image.file) {
            (Some(build), None) => {
                kind(partition, build, faults);
                own_symbols(partition, image, faults);
            }
            (None, Some(file)) => named(table, partition, image, file, faults),
            (Some(_), Some(_)) => faults.push(origin(
                partition,
                image,
                "has two origins",
                "remove one of the two",
            )),
            (None, None) => {
                faults.push(origin(
                    partition,
                    image,
                    "has no origin",
                    "write `build = …`, or `file = …` and `sha256 = …`",
                ));
            }
        }
    }
}

/// Where it is entered; that this is within the image can be seen when there is one.
fn entry(partition: &Partition, image: &Image, faults: &mut Faults) {
    let Some(entry) = image
        .entry
        .as_ref()
        .filter(|entry| !entry.value.is_multiple_of(4))
    else {
        return;
    };
    let title = format!("the entry of {} is not at an instruction", partition.title());
    let fault =
        Diagnostic::new(Rule::ImageEntry, title).at(&entry.span, format!("this is {:#x}", entry.value));
    faults.push(fault.help("use a multiple of 4"));
}

/// Settings are variables of OP-TEE's build that nothing else decides, each once.
fn settings(partition: &Partition, image: &Image, faults: &mut Faults) {
    let built = image
        .build
        .as_ref()
        .is_some_and(|build| build.value == Tee::Optee);
    for (number, setting) in image.settings.iter().enumerate() {
        let (variable, value) = setting.value.split_once('=').unwrap_or((&setting.value, ""));
        let earlier = image.settings.iter().take(number);
        let again = earlier.filter_map(|setting| setting.value.split_once('='));
        let plain = |text: &str| {
            !text.is_empty()
                && text
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
        };
        let (what, help) = if !built {
            ("is for an image that is no OP-TEE built here", "remove it")
        } else if !variable.starts_with("CFG_") || !plain(variable) || !plain(value) {
            (
                "is not of the form `CFG_NAME=value`",
                "write letters, digits, `_` and `-` only",
            )
        } else if OWN.contains(&variable) {
            ("is the table's own to decide", "remove it")
        } else if again.map(|(other, _)| other).any(|other| other == variable) {
            ("is there twice", "remove one of the two")
        } else {
            continue;
        };
        let title = format!("a setting of {} {what}", partition.title());
        let fault = Diagnostic::new(Rule::ImageSettings, title).at(&setting.span, "this setting");
        faults.push(fault.help(help));
    }
}

fn origin(partition: &Partition, image: &Image, what: &str, help: &str) -> Diagnostic {
    let title = format!("the image of {} {what}", partition.title());
    Diagnostic::new(Rule::ImageOrigin, title)
        .at(&image.span, "this image")
        .help(help)
}

/// What is built has to be what the partition is said to be.
fn kind(partition: &Partition, build: &At<Tee>, faults: &mut Faults) {
    let Some(tee) = partition.tee.as_ref().filter(|tee| tee.value != build.value) else {
        return;
    };
    let title = format!(
        "{} is `{}` but its image is built as `{}`",
        partition.title(),
        tee.value.word(),
        build.value.word()
    );
    let fault = Diagnostic::new(Rule::ImageOrigin, title)
        .at(&build.span, "this is built")
        .at(&tee.span, "this is said");
    faults.push(fault.help(format!(
        "write `tee = \"{}\"`, or `image = {{ build = \"{}\" }}`",
        build.value.word(),
        tee.value.word()
    )));
}

/// What is built here has its symbols from the build.
fn own_symbols(partition: &Partition, image: &Image, faults: &mut Faults) {
    if let Some(symbols) = &image.symbols {
        let title = format!(
            "the image of {} names symbols, which its build makes",
            partition.title()
        );
        let fault = Diagnostic::new(Rule::ImageOrigin, title).at(&symbols.span, "these");
        faults.push(fault.help("remove `symbols`"));
    }
}

fn named(table: &Path, partition: &Partition, image: &Image, file: &At<String>, faults: &mut Faults) {
    let path = beside(table, &file.value);
    let content = match read(&path) {
        Ok(content) => content,
        Err(why) => {
            let title = format!("the image of {} cannot be read", partition.title());
            let fault = Diagnostic::new(Rule::ImageMissing, title).at(&file.span, why);
            faults.push(fault.help(format!("put the image at `{}`", path.display())));
            return;
        }
    };
    if content.is_empty() {
        let title = format!("the image of {} is empty", partition.title());
        let fault = Diagnostic::new(Rule::ImageEmpty, title).at(&file.span, "this file has no byte");
        faults.push(fault.help("put the image in its place"));
        return;
    }
    if image.signed.is_none() {
        digest(partition, image, &content, faults);
    }
    if let Some(symbols) = &image.symbols
        && let Err(why) = read(&beside(table, &symbols.value))
    {
        let title = format!("the symbols of {} cannot be read", partition.title());
        let fault = Diagnostic::new(Rule::ImageMissing, title).at(&symbols.span, why);
        faults.push(fault.help("put the ELF file there, or remove `symbols`"));
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let meta = std::fs::metadata(path).map_err(|error| error.to_string())?;
    if !meta.is_file() {
        return Err("this is not a file".to_owned());
    }
    if meta.len() > MAX_BYTES {
        return Err(format!("the file has {} bytes", meta.len()));
    }
    std::fs::read(path).map_err(|error| error.to_string())
}

fn digest(partition: &Partition, image: &Image, content: &[u8], faults: &mut Faults) {
    let found: [u8; 32] = Sha256::digest(content).into();
    match &image.sha256 {
        None if image.has_digest => {}
        None => {
            let help = format!("add `sha256 = \"{}\"` if this file is meant", hex(&found));
            faults.push(origin(partition, image, "is a file without a digest", &help));
        }
        Some(wanted) if wanted.value != found => {
            let title = format!(
                "the image of {} is not the one that the table names",
                partition.title()
            );
            let label = format!("the file has {}", hex(&found));
            let fault = Diagnostic::new(Rule::ImageDigest, title).at(&wanted.span, label);
            faults.push(
                fault.help(
                    "put the image that was meant in its place, or change `sha256` if this one is meant",
                ),
            );
        }
        Some(_) => {}
    }
}
