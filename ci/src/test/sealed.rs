//! What one Rust TEE seals, nobody else opens: two of one image beside each other, and, at a second start of the machine, the
//! same ones, one of them with another image.

use super::linux::{self, Done, Outcome, Run};
use super::tally::Tally;
use crate::build::{self, Built};
use crate::parts::Parts;
use crate::paths::{Paths, read, write};
use anyhow::{Context, Result};
use bulkhead_configs::{Origin, System};
use std::time::Duration;

/// The TEE whose image is another one at the second start.
const CHANGED: &str = "vendor-a";
/// TEEC_ERROR_MAC_INVALID, by which the TEE refuses an object that is not its own.
const REFUSED: &str = "0xffff3071";
const LIMIT: Duration = Duration::from_secs(5 * 60);

/// Boots the table `two-rust` twice, and returns the cases.
pub fn test(paths: &Paths, parts: &Parts, tally: &mut Tally) -> Result<Outcome> {
    let table = paths.root.join("configs/two-rust.toml");
    let first = build::build_with(paths, parts, build::load(&table)?, &table)?;
    let mut outcome = boot(&first, "sealed", "", tally);
    let objects: Vec<&Done> = outcome
        .cases
        .iter()
        .filter(|case| case.name == "object")
        .collect();
    let said = objects.len() == first.firmware.system.partitions.len();
    tally.note("gp: each Rust TEE said its object", said, "");
    let arguments: Vec<String> = objects
        .iter()
        .map(|object| {
            let (tee, hex) = (&object.tee, &object.detail);
            let wanted = if tee == CHANGED { REFUSED } else { "made" };
            format!("bulkhead.object.{tee}={hex} bulkhead.wanted.{tee}={wanted}")
        })
        .collect();
    let second = build::build_with(paths, parts, changed(&first, build::load(&table)?)?, &table)?;
    let again = boot(&second, "sealed-again", &arguments.join(" "), tally);
    outcome.cases.extend(again.cases);
    outcome.notes.extend(again.notes);
    Ok(outcome)
}

fn boot(built: &Built, suite: &str, arguments: &str, tally: &mut Tally) -> Outcome {
    let run = Run {
        name: suite,
        suites: suite,
        arguments,
        sve: true,
        counting: false,
        limit: LIMIT,
        quiet: LIMIT,
    };
    linux::boot(built, &run, tally)
}

/// The same table with another image for one TEE: the same code with some zeros behind it, as an update would be another.
fn changed(built: &Built, mut system: System) -> Result<System> {
    let package = read(&built.firmware.folder.join(format!("sp/{CHANGED}.pkg")))?;
    let mut image = super::package::image(&package)
        .and_then(|image| package.get(image))
        .context("the package of the Rust TEE is no package")?
        .to_vec();
    image.extend([0; 16]);
    system.name = format!("{}-changed", system.name);
    let path = paths_of(built, &system.name);
    write(&path, &image)?;
    for partition in system
        .partitions
        .iter_mut()
        .filter(|partition| partition.name == CHANGED)
    {
        partition.image.origin = Origin::File(path.clone());
    }
    Ok(system)
}

/// Where the other image goes: to the folder of the system that has it.
fn paths_of(built: &Built, name: &str) -> std::path::PathBuf {
    built.firmware.folder.with_file_name(name).join("other-image.bin")
}
