//! A package in flash that somebody has changed.

use super::package;
use crate::build::Firmware;
use crate::paths::{read, write};
use anyhow::{Context, Result};
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
