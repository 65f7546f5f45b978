//! How much memory the hypervisor needs for a system, estimated: its linker knows exactly, but only after everything
//! is built. The figures were taken from linked images of systems with 2 to 8 partitions on 4 and 8 cores, and rounded up.

use std::collections::BTreeSet;

use crate::model::Range;

/// Code, constants, and what every system has: stage 1, the device tree's copy, the ledger's common ranges.
const FIXED: u64 = 432 << 10;
/// A core's stack and blocks.
const CORE: u64 = 30 << 10;
/// A partition's stage-2 roots, buffers and states.
const PARTITION: u64 = 27 << 10;
/// A context's registers.
const CONTEXT: u64 = 3 << 9;
/// A virtual machine's buffers and notifications.
const MACHINE: u64 = 7 << 10;
/// A share in the ledger, with its grant and a deed.
const SHARE: u64 = 112;
/// A range of addresses in the ledger.
const RANGE: u64 = 18;
/// Ranges that a caller with a limit of pages has to itself, where it may have as many pages.
const OWN_RANGES: u64 = 1024;
/// A table of stage 2.
const TABLE: u64 = 4 << 10;
/// Bytes that a table of pages maps, and a table of those.
const BLOCK: u64 = 2 << 20;
const GIGABYTE: u64 = 1 << 30;
/// Tables of a region that is no lender's: one at each end that is no whole block.
const REGION_TABLES: u64 = 2;

/// What a partition needs of the hypervisor.
#[derive(Clone, Debug, Default)]
pub struct Needs {
    /// Its memory.
    pub memory: Vec<Range>,
    /// How many devices it has.
    pub devices: u64,
    /// Bytes of its window.
    pub window: u64,
    /// Shares that it may hold.
    pub shares: u64,
    /// Pages of each caller that has a limit of them.
    pub limits: Vec<u64>,
    /// Places of the partitions that may share memory with it, in the same list.
    pub lenders: Vec<usize>,
}

/// Bytes of memory that the hypervisor needs for so many cores and virtual machines and these partitions, about.
pub fn estimate(cores: usize, machines: usize, partitions: &[Needs]) -> u64 {
    let each = count(partitions.len());
    let shares: u64 = partitions
        .iter()
        .map(|partition| own(partition, partition.shares))
        .sum();
    let shares = shares + partitions.iter().map(|partition| partition.shares).sum::<u64>();
    let ranges: u64 = partitions
        .iter()
        .map(|partition| own(partition, OWN_RANGES))
        .sum();
    let bytes = FIXED
        + CORE * count(cores)
        + PARTITION * each
        + CONTEXT * each * count(cores)
        + MACHINE * count(machines)
        + SHARE * shares
        + RANGE * ranges
        + TABLE * tables(partitions);
    bytes.next_multiple_of(TABLE)
}

/// Bytes of tables that a partition needs because it may hold others' memory, and others its own: that is mapped by
/// pages in the tables of all of them.
pub fn sharing(partitions: &[Needs], place: usize) -> u64 {
    let more = own_tables(partitions, place).saturating_sub(end_tables(partitions, place));
    TABLE * (borrowed_tables(partitions, place) + more)
}

/// Tables for what a partition may borrow: those of pages, and one of them for each gigabyte that it has nothing in.
fn borrowed_tables(partitions: &[Needs], place: usize) -> u64 {
    let Some(partition) = partitions.get(place) else {
        return 0;
    };
    let lenders = || {
        let lenders = partition.lenders.iter();
        lenders.filter_map(|lender| partitions.get(*lender))
    };
    let own: BTreeSet<u64> = gigabytes(&partition.memory).collect();
    let all: BTreeSet<u64> = lenders().flat_map(|lender| gigabytes(&lender.memory)).collect();
    let pages: u64 = lenders().map(|lender| blocks(&lender.memory)).sum();
    pages + count(all.difference(&own).count())
}

/// Tables for a partition's own memory: all of pages where it may lend it.
fn own_tables(partitions: &[Needs], place: usize) -> u64 {
    if partitions.iter().any(|other| other.lenders.contains(&place)) {
        partitions
            .get(place)
            .map_or(0, |partition| blocks(&partition.memory))
    } else {
        end_tables(partitions, place)
    }
}

fn end_tables(partitions: &[Needs], place: usize) -> u64 {
    partitions
        .get(place)
        .map_or(0, |partition| REGION_TABLES * count(partition.memory.len()))
}

/// Tables of pages for windows, devices, and memory.
fn tables(partitions: &[Needs]) -> u64 {
    let each = partitions.iter().enumerate().map(|(place, partition)| {
        partition.window.div_ceil(BLOCK)
            + partition.devices
            + own_tables(partitions, place)
            + borrowed_tables(partitions, place)
    });
    each.sum()
}

/// What a partition's limited callers have to themselves, each at most `most`.
fn own(partition: &Needs, most: u64) -> u64 {
    partition.limits.iter().map(|pages| (*pages).min(most)).sum()
}

/// How many aligned blocks each region touches, together.
fn blocks(memory: &[Range]) -> u64 {
    let touched = |range: &Range| pieces(range, BLOCK).count();
    memory.iter().map(|range| count(touched(range))).sum()
}

/// The gigabytes that regions touch.
fn gigabytes(memory: &[Range]) -> impl Iterator<Item = u64> {
    memory.iter().flat_map(|range| pieces(range, GIGABYTE))
}

/// The numbers of the aligned pieces of this size that a range touches.
fn pieces(range: &Range, size: u64) -> std::ops::Range<u64> {
    if range.size == 0 {
        0..0
    } else {
        range.base / size..(range.end() - 1) / size + 1
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
