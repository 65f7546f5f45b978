//! The counters of versions in the board's NOR flash: read at the start, raised when the machine is known to work.
//!
//! Flash that is written cannot be read meanwhile, by nobody. On QEMU's `virt` it is the flash from which TF-A's first stage holds
//! back cores that the normal world has not turned on yet: so counters are raised when the last core has come up.

use bulkhead_core::counter::{self, BITS, Bits, RECORD};
use bulkhead_core::table::{Range, Uuid};

use crate::arch::window;
use crate::images;
use crate::store;
use crate::table::{PARTITIONS, TABLE};

/// Commands of Intel's set (CFI 0001), for two chips of 16 bits side by side.
const PROGRAM: u32 = both(0x40);
const CLEAR_STATUS: u32 = both(0x50);
const READ: u32 = both(0xff);
/// The chips' status: ready, and an error of programming or of its voltage, or a block that is locked.
const READY: u32 = both(0x80);
const FAILED: u32 = both(0x1a);
/// How often a chip is asked whether it is ready. One takes less than a millisecond for a word.
const PATIENCE: u32 = 1_000_000;

const fn both(chip: u32) -> u32 {
    chip << 16 | chip
}

/// A package's record.
struct Record {
    address: u64,
    /// It has its UUID.
    named: bool,
    bits: Bits,
}

/// The value of a package's counter; the highest there is where there is no room for it: nothing is taken then.
pub fn value(core: usize, uuid: &Uuid) -> u32 {
    find(core, uuid).map_or(u32::MAX, |record| counter::value(&record.bits))
}

/// Raises the counters of partitions to the versions that were taken, where these run.
pub fn commit(core: usize, runs: impl Fn(usize) -> bool) {
    let _no_reader = store::lock();
    for (index, partition) in (0..PARTITIONS).zip(TABLE.partitions) {
        let counted = partition.image.signed.is_some_and(|signed| signed.counted);
        let version = images::taken(index, partition).filter(|_| counted && runs(index));
        let Some(version) = version.map(|taken| taken.version) else {
            continue;
        };
        let raised = find_unlocked(core, &partition.image.package_uuid)
            .is_some_and(|record| raise(core, &record, &partition.image.package_uuid, version));
        if !raised {
            defmt::error!("{=str}: its counter cannot be raised", partition.name);
        }
    }
}

/// Whether the counter has this value now, or a higher one.
fn raise(core: usize, record: &Record, uuid: &Uuid, version: u32) -> bool {
    if counter::value(&record.bits) >= version {
        return true;
    }
    if !record.named {
        for (place, word) in (0..).step_by(4).zip(uuid.0.as_chunks::<4>().0) {
            if !program(
                core,
                record.address.saturating_add(place),
                u32::from_le_bytes(*word),
            ) {
                return false;
            }
        }
    }
    let bits = record.address.saturating_add(counter::UUID as u64);
    counter::raise(&record.bits, version)
        .all(|(place, word)| program(core, bits.saturating_add(place as u64), word))
}

/// Writes a word whose zeros are all that it adds; whether it was written.
fn program(core: usize, address: u64, word: u32) -> bool {
    window::write_register(core, address, CLEAR_STATUS);
    window::write_register(core, address, PROGRAM);
    window::write_register(core, address, word);
    let status = (0..PATIENCE)
        .map(|_| window::read_register(core, address))
        .find(|status| status & READY == READY);
    window::write_register(core, address, READ);
    status.is_some_and(|status| status & FAILED == 0) && window::read_register(core, address) == word
}

fn find(core: usize, uuid: &Uuid) -> Option<Record> {
    let _reader = store::lock();
    find_unlocked(core, uuid)
}

/// The record of a package, or the first that nobody has.
fn find_unlocked(core: usize, uuid: &Uuid) -> Option<Record> {
    let Range { base, size } = TABLE.board.counters?;
    let records = (base..base.saturating_add(size)).step_by(RECORD);
    for address in records {
        let mut record = [0; RECORD];
        for (place, to) in (0..).step_by(4).zip(record.as_chunks_mut::<4>().0) {
            *to = window::read_register(core, address.saturating_add(place)).to_le_bytes();
        }
        let (name, bits) = record.split_first_chunk::<{ counter::UUID }>()?;
        let bits: &[u8; BITS] = bits.first_chunk()?;
        let named = *name == uuid.0;
        if named || *name == [0xff; counter::UUID] {
            return Some(Record {
                address,
                named,
                bits: *bits,
            });
        }
    }
    None
}
