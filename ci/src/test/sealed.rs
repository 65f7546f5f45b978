//! What one Rust TEE seals, nobody else opens: two of one image beside each other, and, at a second start of the machine, the
//! same ones, one of them with another image.

use super::linux::{self, Done, Outcome, Run};
use super::tally::Tally;
use crate::build::{self, Built};
use crate::parts::Parts;
use crate::paths::{Paths, read, write};
use crate::{quote, stamp};
use anyhow::{Context, Result};
use bulkhead_configs::{Origin, System};
use std::time::Duration;

/// The TEE whose image is another one at the second start.
const CHANGED: &str = "vendor-a";
/// TEEC_ERROR_MAC_INVALID, by which the TEE refuses an object that is not its own.
const REFUSED: &str = "0xffff3071";
/// The verifier's, for both starts.
const NONCE: [u8; 32] = *b"what a verifier has never said..";
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
    quoted(&first, &outcome, &NONCE, None, tally)?;
    let second = build::build_with(paths, parts, changed(&first, build::load(&table)?)?, &table)?;
    let again = boot(&second, "sealed-again", &arguments.join(" "), tally);
    quoted(&first, &again, &NONCE, Some(CHANGED), tally)?;
    outcome.cases.extend(again.cases);
    outcome.notes.extend(again.notes);
    Ok(outcome)
}

/// Checks the quote that a machine gave for a nonce against the first build: it is good, or says which image is another.
/// It is never good for another nonce, nor with a log that was changed.
fn quoted(
    built: &Built,
    outcome: &Outcome,
    nonce: &[u8; 32],
    changed: Option<&str>,
    tally: &mut Tally,
) -> Result<()> {
    let expected = quote::Expected::of(&built.firmware.folder, &built.firmware.system)?;
    let key = quote::test_key(&built.firmware.system.board)?;
    let given = outcome.cases.iter().find(|case| case.name == "quote");
    let given = given.map_or("", |case| case.detail.as_str());
    let said = |quote: &str, nonce: &[u8; 32]| match quote::check(quote, nonce, &key, &expected) {
        Ok(_) => "good".to_owned(),
        Err(error) => error.to_string(),
    };
    let found = said(given, nonce);
    let right = match changed {
        None => found == "good",
        Some(name) => {
            found.starts_with("the machine runs something else: ") && found.contains(&format!("; {name} is "))
        }
    };
    let what = if changed.is_some() {
        "a machine with another image is known by its quote"
    } else {
        "a machine that runs what was built says so"
    };
    tally.note(&format!("gp: {what}"), right, &found);
    let found = said(given, &[0x5a; 32]);
    let right = found == "the quote is for another nonce: it is not of now, or not for you";
    tally.note("gp: a quote is good for its nonce alone", right, &found);
    // One bit of the last digest: behind it are its event's length of four bytes, the name and a zero.
    let name = built
        .firmware
        .system
        .partitions
        .last()
        .map_or(0, |last| last.name.len());
    let place = given.len().checked_sub(2 + 2 * (1 + name + 4) + 1);
    let mut altered = given.as_bytes().to_vec();
    if let Some(digit) = place.and_then(|place| altered.get_mut(place)) {
        *digit = if *digit == b'0' { b'1' } else { b'0' };
    }
    let found = said(&String::from_utf8_lossy(&altered), nonce);
    let right = found.starts_with("the signature is not this machine's of this log: ");
    tally.note("gp: a log that was changed is known", right, &found);
    Ok(())
}

fn boot(built: &Built, suite: &str, arguments: &str, tally: &mut Tally) -> Outcome {
    let arguments = &format!("{arguments} bulkhead.nonce={}", stamp::hex(&NONCE));
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
