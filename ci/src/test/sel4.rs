//! An seL4 beside other TEEs: the image that `SEL4_IMAGE` names, or our stand-in for it (`partitions/sel4-stub`), which
//! uses what its kernel uses and answers as our root task does.

use super::linux::{self, Run};
use super::tally::Tally;
use crate::build;
use crate::parts::Parts;
use crate::paths::{Paths, read, write};
use crate::stamp;
use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The name of the system of the bare-metal cases, and of the suite of Linux.
pub const NAME: &str = "sel4";
/// The system beside two test partitions; the image and its digest are missing.
const CASES: &str = include_str!("sel4.toml");
/// The system beside two OP-TEEs and Linux; likewise.
const PHONE: &str = include_str!("sel4-phone.toml");
const LIMIT: Duration = Duration::from_secs(10 * 60);

/// Writes the table of the bare-metal cases, and says where.
pub fn cases(paths: &Paths, parts: &Parts) -> Result<PathBuf> {
    table(paths, parts, NAME, CASES)
}

/// Boots it beside two OP-TEEs and Linux: a client of each is answered, and of its own every kind of parameter is.
pub fn linux(paths: &Paths, parts: &Parts, tally: &mut Tally) -> Result<()> {
    let table = table(paths, parts, "sel4-phone", PHONE)?;
    let built = build::build_with(paths, parts, build::load(&table)?, &table)?;
    let run = Run {
        name: NAME,
        suites: "clients,names,parameters,beside,overrun",
        arguments: "",
        sve: true,
        counting: false,
        limit: LIMIT,
        quiet: LIMIT,
    };
    linux::boot(&built, &run, tally);
    Ok(())
}

/// Writes a table for the image.
fn table(paths: &Paths, parts: &Parts, name: &str, text: &str) -> Result<PathBuf> {
    let image = match env::var_os("SEL4_IMAGE") {
        Some(image) => Path::new(&image).canonicalize(),
        None => {
            let path = paths.systems.join("sel4-stub.bin");
            write(&path, &build::sel4_stub(paths, parts)?)?;
            Ok(path)
        }
    };
    let image = image.context("the image that SEL4_IMAGE names has no place")?;
    let digest = stamp::hex(&Sha256::digest(read(&image)?));
    let text = text
        .replace("FILE", &image.display().to_string())
        .replace("DIGEST", &digest);
    let table = paths.systems.join(format!("{name}.toml"));
    write(&table, text.as_bytes())?;
    Ok(table)
}
