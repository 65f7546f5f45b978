//! What somebody has changed in flash: a package, the hypervisor, its table.

use super::package;
use crate::build::Firmware;
use crate::paths::{read, write};
use crate::stamp;
use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A flash image like `flash` in which one byte of a partition's image is another one: its digest is no longer the table's.
pub fn spoil(firmware: &Firmware, flash: &Path, partition: &str) -> Result<PathBuf> {
    let package = firmware.folder.join(format!("sp/{partition}.pkg"));
    let package = read(&package).with_context(|| format!("the table has no partition `{partition}`"))?;
    let mut bytes = read(flash)?;
    let place = bytes.windows(package.len()).position(|window| window == package);
    let place = place.context("the package that is to be changed is not in the flash image")?;
    let at = place + middle_of_image(&package).context("the package that is to be changed is no package")?;
    bytes[at] ^= 1;
    let path = flash.with_extension(format!("{partition}-spoilt.bin"));
    write(&path, &bytes)?;
    Ok(path)
}

/// A flash image like `flash` in which one byte of the hypervisor is another one.
pub fn forge_hypervisor(firmware: &Firmware, flash: &Path) -> Result<PathBuf> {
    let mut bytes = read(flash)?;
    let place = hypervisor(firmware, &bytes)?;
    bytes[place.start + place.len() / 2] ^= 1;
    let path = flash.with_extension("hypervisor-forged.bin");
    write(&path, &bytes)?;
    Ok(path)
}

/// A flash image like `flash`, in which a partition's package is spoilt, with the digest of that image in the table: what
/// somebody writes who wants another image to run.
pub fn forge_digest(firmware: &Firmware, flash: &Path, partition: &str) -> Result<PathBuf> {
    let mut bytes = read(flash)?;
    let package = read(&firmware.folder.join(format!("sp/{partition}.pkg")))?;
    let mut image = package[package::image(&package).context("it is no package")?].to_vec();
    let good: [u8; 32] = Sha256::digest(&image).into();
    let middle = image.len() / 2;
    image[middle] ^= 1;
    let forged: [u8; 32] = Sha256::digest(&image).into();
    let whole = hypervisor(firmware, &bytes)?;
    let hypervisor = &mut bytes[whole];
    let windows = hypervisor.windows(good.len()).enumerate();
    let places: Vec<_> = windows
        .filter(|(_, window)| *window == good)
        .map(|(at, _)| at)
        .collect();
    // The table has its partitions in this order, and several may have the same image.
    let digest = stamp::hex(&good);
    let all = firmware.system.partitions.iter();
    let same: Vec<_> = all
        .filter(|other| other.image.signed.is_none() && firmware.digests.get(&other.name) == Some(&digest))
        .collect();
    let own = same.iter().position(|other| other.name == partition);
    let own = own.with_context(|| format!("the table has no digest of {partition}"))?;
    ensure!(
        places.len() == same.len(),
        "the hypervisor has {} digests like that of {partition}, and the table {}",
        places.len(),
        same.len()
    );
    hypervisor[places[own]..][..forged.len()].copy_from_slice(&forged);
    let path = flash.with_extension("table-forged.bin");
    write(&path, &bytes)?;
    Ok(path)
}

/// Where the hypervisor is in flash.
fn hypervisor(firmware: &Firmware, flash: &[u8]) -> Result<Range<usize>> {
    let image = read(&firmware.folder.join("bulkhead.bin"))?;
    let place = flash.windows(image.len()).position(|window| window == image);
    let place = place.context("the hypervisor that is to be changed is not in the flash image")?;
    Ok(place..place + image.len())
}

/// Where the middle of a package's image is.
fn middle_of_image(package: &[u8]) -> Option<usize> {
    let image = package::image(package)?;
    Some(image.start + image.len() / 2)
}

#[cfg(test)]
mod tests {
    use super::middle_of_image;

    #[test]
    fn an_image_is_found_in_its_package() {
        let mut package = b"SPKG".to_vec();
        for word in [2_u32, 0x1000, 10, 0x4000, 0x100] {
            package.extend(word.to_le_bytes());
        }
        assert_eq!(middle_of_image(&package), None, "cut off");
        package.resize(0x5000, 0);
        assert_eq!(middle_of_image(&package), Some(0x4080));
        package[0] = 0;
        assert_eq!(middle_of_image(&package), None, "no package");
    }
}
