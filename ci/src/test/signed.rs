//! Packages that are signed, as they are and as somebody has changed them in flash; counters that are kept from one start of the
//! machine to the next.

use super::tally::Tally;
use crate::build::Firmware;
use crate::paths::{read, write};
use crate::progress::step;
use crate::run::machine::Machine;
use crate::run::session::{self, Log, Next, Ports, Wish};
use anyhow::{Context, Result};
use bulkhead_configs::{Partition, signed};
use std::path::PathBuf;
use std::time::Duration;

/// The table.
pub const TABLE: &str = "signed";
/// Bytes of QEMU's flash, and where the FIP begins in it.
const FLASH: usize = 64 << 20;
const FIP: usize = 0x40000;
/// Bytes of an entry of the FIP, and of what is before the first.
const ENTRY: usize = 40;
const HEAD: usize = 16;
/// Bytes of a counter's record, and of the UUID before its bits.
const RECORD: usize = 512;
const UUID: usize = 16;
const LIMIT: Duration = Duration::from_secs(60);

/// What is in flash.
struct Flash {
    bytes: Vec<u8>,
    counters: usize,
}

impl Flash {
    /// Where the package of a UUID is.
    fn package(&self, uuid: &[u8; 16]) -> Result<usize> {
        let entries = self.bytes[FIP + HEAD..].chunks_exact(ENTRY);
        let entry = entries
            .take_while(|entry| entry[..16] != [0; 16])
            .find(|entry| entry[..16] == *uuid);
        let offset = entry.and_then(|entry| entry[16..].first_chunk());
        let offset = offset.context("a package is not in the FIP")?;
        Ok(FIP + usize::try_from(u64::from_le_bytes(*offset))?)
    }

    /// Puts another package of the same length in a place.
    fn put(&mut self, uuid: &[u8; 16], package: &[u8]) -> Result<()> {
        let at = self.package(uuid)?;
        let place = self.bytes.get_mut(at..at + package.len());
        place
            .context("a package does not fit the flash")?
            .copy_from_slice(package);
        Ok(())
    }

    fn flip(&mut self, uuid: &[u8; 16], offset: usize) -> Result<()> {
        let at = self.package(uuid)? + offset;
        self.bytes[at] ^= 1;
        Ok(())
    }

    /// The counter of a package; none without a record.
    fn counter(&self, uuid: &[u8; 16]) -> Option<u32> {
        let records = self.bytes[self.counters..].chunks_exact(RECORD);
        let mut named = records.filter(|record| record[..UUID] == *uuid);
        let bits = &named.next()?[UUID..];
        Some(bits.iter().map(|byte| byte.count_zeros()).sum())
    }
}

fn partition<'a>(firmware: &'a Firmware, name: &str) -> Result<&'a Partition> {
    let found = firmware.system.partition(name);
    found.with_context(|| format!("the table has no partition `{name}`"))
}

/// The image of a partition, from the package that was built.
fn image(firmware: &Firmware, partition: &Partition) -> Result<Vec<u8>> {
    let package = read(&firmware.folder.join(partition.package_path()))?;
    let key = partition.signing_key().context("it is not signed")?;
    let opened = signed::open(&package, &key, &partition.package_uuid);
    Ok(opened
        .ok()
        .context("the package that was built cannot be opened")?
        .image
        .to_vec())
}

/// A package of a partition's image in another version, signed by its vendor for `uuid`.
fn version(firmware: &Firmware, partition: &Partition, uuid: &[u8; 16], version: u32) -> Result<Vec<u8>> {
    let image = image(firmware, partition)?;
    let manifest = read(&firmware.folder.join(format!("sp/{}.dtb", partition.name)))?;
    let seed = signed::test_seed(&partition.name);
    signed::sign(&manifest, &image, uuid, version, &seed).context("a package cannot be signed")
}

fn load(firmware: &Firmware, path: &std::path::Path) -> Result<Flash> {
    let mut bytes = read(path)?;
    bytes.resize(FLASH, 0xff);
    let counters = firmware
        .system
        .board
        .counters()
        .context("the board has no counters")?;
    Ok(Flash {
        bytes,
        counters: usize::try_from(counters.base)?,
    })
}

/// The flash as its table's comments say, as a file that the machine writes to.
pub fn prepare(firmware: &Firmware) -> Result<PathBuf> {
    let mut flash = load(firmware, &firmware.flash)?;
    let of = |name| partition(firmware, name);
    let newer = of("newer")?;
    let second = newer.second_slot().context("it has one slot")?;
    flash.put(&second, &version(firmware, newer, &newer.package_uuid, 3)?)?;
    // In the middle of the image, and in the middle of the signature.
    flash.flip(&of("fallen-back")?.package_uuid, 0x4100)?;
    flash.flip(&of("forged")?.package_uuid, 0x40 + 72 + 20)?;
    // Its vendor's signature, for another of the vendor's packages.
    let swapped = of("swapped")?;
    let package = version(firmware, swapped, &of("forged")?.package_uuid, 0)?;
    flash.put(&swapped.package_uuid, &package)?;
    let (old, record) = (of("old")?, flash.counters);
    flash.bytes[record..][..UUID].copy_from_slice(&old.package_uuid);
    flash.bytes[record + UUID] = 0xf0;
    let path = firmware.folder.join("flash-signed.bin");
    write(&path, &flash.bytes)?;
    Ok(path)
}

/// What the log says of the first start, what the counters are behind it, and a second start with a package that is older than
/// what ran.
pub fn after(firmware: &Firmware, tally: &mut Tally) -> Result<()> {
    let log = log(firmware)?;
    for (name, line) in [
        ("the higher version starts", "newer: slot b, version 3"),
        (
            "a changed image is refused",
            "fallen-back: slot a is refused: the image's SHA-256 is not the signed one",
        ),
        ("the other slot starts", "fallen-back: slot b, version 1"),
        (
            "a forged signature is refused",
            "forged: slot a is refused: the package's signature is not by the table's key",
        ),
        (
            "a package for another is refused",
            "swapped: slot a is refused: the package is signed for another partition",
        ),
        (
            "an older version is refused",
            "old: slot a is refused: version 3 is below its counter, 4",
        ),
        (
            "and its partition stays stopped",
            "old: no package of it is taken; it stays stopped",
        ),
    ] {
        note(tally, name, &log, line);
    }
    let mut flash = load(firmware, &firmware.flash)?;
    let newer = partition(firmware, "newer")?;
    let counter = flash.counter(&newer.package_uuid);
    tally.note(
        "signed: the counter is raised",
        counter == Some(3),
        &format!("{counter:?}"),
    );
    let old = flash.counter(&partition(firmware, "old")?.package_uuid);
    tally.note(
        "signed: that of one that does not run is as it was",
        old == Some(4),
        &format!("{old:?}"),
    );
    let uncounted = flash.counter(&partition(firmware, "fallen-back")?.package_uuid);
    tally.note(
        "signed: one that is not counted has none",
        uncounted.is_none(),
        &format!("{uncounted:?}"),
    );
    let package = version(firmware, newer, &newer.package_uuid, 2)?;
    let second = newer.second_slot().context("it has one slot")?;
    for uuid in [newer.package_uuid, second] {
        flash.put(&uuid, &package)?;
    }
    write(&firmware.flash, &flash.bytes)?;
    let log = start_again(firmware)?;
    for (name, line) in [
        (
            "at the next start the first slot is too old",
            "newer: slot a is refused: version 2 is below its counter, 3",
        ),
        (
            "and the second",
            "newer: slot b is refused: version 2 is below its counter, 3",
        ),
        (
            "and it stays stopped",
            "newer: no package of it is taken; it stays stopped",
        ),
        ("the others start", "fallen-back: slot b, version 1"),
    ] {
        note(tally, name, &log, line);
    }
    Ok(())
}

fn note(tally: &mut Tally, name: &str, log: &str, line: &str) {
    let there = log.lines().any(|said| said.ends_with(line));
    let detail = if there { "" } else { "the log does not say it" };
    tally.note(&format!("signed: {name}"), there, detail);
}

fn log(firmware: &Firmware) -> Result<String> {
    let text = read(&firmware.folder.join("cases/hypervisor.log"))?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Starts the machine once more, until its first case has run.
fn start_again(firmware: &Firmware) -> Result<String> {
    let folder = firmware.folder.join("cases");
    let ports = Ports::open()?;
    let names = ports.names();
    let machine = Machine::of(&firmware.system, true).keeping();
    let command = machine.command(&firmware.flash, [&names[0], &names[1]]);
    let wish = Wish {
        elf: &firmware.hypervisor,
        programs: &firmware.programs,
        log: Log::of(&firmware.system),
        folder: &folder,
        limit: LIMIT,
        quiet: LIMIT,
        show_log: false,
        show_console: false,
    };
    step("starting signed packages again", || {
        session::run(command, &ports, &wish, |line| match line {
            crate::run::events::Line::Case(_) => Next::Finish,
            _ => Next::Continue,
        })
    })?;
    log(firmware)
}
