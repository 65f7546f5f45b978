//! A package that its vendor signs with a key of its own, by `cargo xtask sign`, in place of one that is built here and signed
//! with a key that everybody knows.

use super::package;
use super::tally::Tally;
use crate::build::Firmware;
use crate::paths::{Paths, make_folder, read, write};
use crate::sign::{SignArgs, package as sign};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::PathBuf;

/// The table of which this is a variant, and the partition whose vendor signs.
pub const OF: &str = "trusted";
const VENDOR: &str = "vendor";
/// The variant's name.
const NAME: &str = "vendors";
/// How the table says that the package is built here.
const BUILT: &str = r#"image = { build = "test", signed = { by = "test", slots = 2, version = 1 } }"#;
const VERSION: u32 = 5;

/// Makes a key and a package, and writes a table that names both.
pub fn table(paths: &Paths, firmware: &Firmware) -> Result<PathBuf> {
    let folder = paths.systems.join("vendors-own");
    if folder.exists() {
        fs::remove_dir_all(&folder).context("what a vendor had cannot be removed")?;
    }
    make_folder(&folder)?;
    let partition = firmware.system.partition(VENDOR);
    let partition = partition.context("the table has no partition of a vendor")?;
    let whole = read(&firmware.folder.join(partition.package_path()))?;
    let image = package::image(&whole).context("what was built is no package")?;
    write(&folder.join("tee.bin"), &whole[image])?;
    let key = sign(&SignArgs {
        image: folder.join("tee.bin"),
        uuid: partition.package_uuid_text(),
        version: VERSION,
        key: folder.join("vendor.key"),
        make_key: true,
        out: folder.join("tee.pkg"),
    })?;
    let text = String::from_utf8(read(&paths.root.join(format!("configs/cases/{OF}.toml")))?)?;
    ensure!(
        text.contains(BUILT),
        "the table {OF} builds no package of {VENDOR}"
    );
    let image = format!(r#"image = {{ file = "tee.pkg", signed = {{ by = "{key}", slots = 2 }} }}"#);
    let text = text
        .replace(BUILT, &image)
        .replace(&format!("name = \"{OF}\""), &format!("name = \"{NAME}\""));
    let table = folder.join("table.toml");
    write(&table, text.as_bytes())?;
    Ok(table)
}

/// Whether the vendor's package was taken.
pub fn after(firmware: &Firmware, tally: &mut Tally) -> Result<()> {
    let log = read(&firmware.folder.join("cases/hypervisor.log"))?;
    let line = format!("{VENDOR}: slot a, version {VERSION}");
    let taken = String::from_utf8_lossy(&log)
        .lines()
        .any(|said| said.ends_with(&line));
    let detail = if taken { "" } else { "the log does not say it" };
    tally.note("vendors: a package by a vendor's own key is taken", taken, detail);
    Ok(())
}
