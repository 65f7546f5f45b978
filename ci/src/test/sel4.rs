//! The table of a real seL4 beside two test partitions, for the image that `SEL4_IMAGE` names.

use crate::paths::{Paths, read, write};
use crate::stamp;
use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// The table; the image and its digest are missing.
const TABLE: &str = include_str!("sel4.toml");

/// Writes the table for an image, and says where.
pub fn table(paths: &Paths, image: &Path) -> Result<PathBuf> {
    let bytes = read(image)?;
    let image = image.canonicalize();
    let image = image.context("the image that SEL4_IMAGE names has no place")?;
    let text = TABLE
        .replace("FILE", &image.display().to_string())
        .replace("DIGEST", &stamp::hex(&Sha256::digest(&bytes)));
    let table = paths.root.join("target/bulkhead/sel4.toml");
    write(&table, text.as_bytes())?;
    Ok(table)
}
