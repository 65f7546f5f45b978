//! How much of the ledger the callers of a partition may use.
//!
//! A caller whose pages the table limits has room of its own at that partition, which nobody else can use up:
//! the partition's `shares` transactions, as many deeds, and [`OWN_RANGES`] ranges, but none of them more often
//! than it may have pages. All other callers of a partition have its `shares` together, and the part of
//! [`COMMON_RANGES`] that its window is of all windows. What is promised so is never more than there is:
//! [`shares`] and [`ranges`] size the ledger.

use super::descriptor::index;
use super::ledger::Ledger;
use super::{PAGE, Sender};
use crate::table::{Caller, Partition, Table};

/// Most ranges that the live transactions of a caller with a limit of pages have at a partition.
pub const OWN_RANGES: u32 = 1024;
/// Ranges that all other callers of all partitions have together.
const COMMON_RANGES: usize = 4096;

/// Whether a caller has room of its own.
pub const fn limited(caller: &Caller) -> bool {
    caller.pages != u32::MAX
}

/// The room that a caller has to itself, in entries of which one has at most `most`.
const fn own(caller: &Caller, most: u32) -> usize {
    if !limited(caller) {
        0
    } else if caller.pages < most {
        caller.pages as usize
    } else {
        most as usize
    }
}

/// Live transactions that a caller has room for to itself at a partition; and deeds.
pub const fn own_shares(caller: &Caller, partition: &Partition) -> usize {
    own(caller, partition.shares as u32)
}

/// Ranges of them.
pub const fn own_ranges(caller: &Caller) -> usize {
    own(caller, OWN_RANGES)
}

/// Transactions and ranges that are room of single callers.
const fn reserved(table: &Table) -> (usize, usize) {
    let (mut place, mut shares, mut ranges) = (0usize, 0usize, 0usize);
    while place < table.partitions.len() {
        let partition = &table.partitions[place];
        let mut index = 0;
        while index < partition.callers.len() {
            shares = shares.saturating_add(own_shares(&partition.callers[index], partition));
            ranges = ranges.saturating_add(own_ranges(&partition.callers[index]));
            index += 1;
        }
        place += 1;
    }
    (shares, ranges)
}

/// Transactions that a ledger for this table has room for.
#[must_use]
pub const fn shares(table: &Table) -> usize {
    let (mut place, mut sum) = (0, reserved(table).0);
    while place < table.partitions.len() {
        sum += table.partitions[place].shares as usize;
        place += 1;
    }
    sum
}

/// Ranges that a ledger for this table has room for.
#[must_use]
pub const fn ranges(table: &Table) -> usize {
    COMMON_RANGES + reserved(table).1
}

/// What one caller has at one partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Pages of its live transactions.
    pub pages: u64,
    /// How many these are.
    pub shares: usize,
    /// Ranges of them that have arrived.
    pub ranges: usize,
}

impl<const PARTITIONS: usize, const SHARES: usize, const RANGES: usize> Ledger<PARTITIONS, SHARES, RANGES> {
    /// What the live transactions of `sender` take at a partition.
    pub(super) fn used(&self, sender: u16, partition: usize) -> Used {
        let mut used = Used::default();
        for index in 0..self.shares.touched() {
            let share = &self.shares[index];
            let theirs = share.handle != 0 && share.sender == sender;
            if theirs && self.windows.find(share.grants, partition).is_some() {
                used.pages = used.pages.saturating_add(share.pages.into());
                used.shares = used.shares.saturating_add(1);
                used.ranges = used.ranges.saturating_add(share.ranges.len());
            }
        }
        used
    }

    /// Ranges that the callers without a limit may have at this partition: its window's part of all.
    pub(super) fn range_quota(table: &Table, partition: usize) -> usize {
        let pages = |partition: &Partition| index((partition.window.size / PAGE) as u32);
        let all = table.partitions.iter().map(pages).fold(0, usize::saturating_add);
        let common = RANGES.saturating_sub(reserved(table).1);
        common
            .saturating_mul(table.partitions.get(partition).map_or(0, pages))
            .checked_div(all)
            .unwrap_or(0)
    }

    /// How many more ranges the transaction of `sender` with these grants may get.
    pub(super) fn room(&self, table: &Table, sender: u16, grants: super::pool::Link) -> usize {
        let room = |grant: usize| {
            let grant = self.windows.get(grant);
            let partition = usize::from(grant.partition);
            if !grant.limited {
                let borrower = self.windows.borrower(partition);
                return usize::from(borrower.quota.saturating_sub(borrower.ranges));
            }
            let caller = table.partitions.get(partition).and_then(|p| p.caller(sender));
            let own = caller.map_or(0, own_ranges);
            own.saturating_sub(self.used(sender, partition).ranges)
        };
        self.windows.of(grants).map(room).min().unwrap_or(0)
    }

    /// Whether one more transaction of so many pages fits what this caller may have at a partition.
    pub(super) fn fits(&self, table: &Table, caller: &Caller, partition: usize, pages: u32) -> bool {
        let Some(entry) = table.partitions.get(partition) else {
            return false;
        };
        if !limited(caller) {
            return self.windows.borrower(partition).grants < entry.shares;
        }
        let used = self.used(caller.id, partition);
        let held = self.deeds.pages(caller.id, partition);
        used.shares < own_shares(caller, entry)
            && used.pages.saturating_add(held).saturating_add(pages.into()) <= u64::from(caller.pages)
    }
}

impl Sender<'_> {
    /// Whether a registered buffer of the sender's, or of one of its machines, lies in these pages.
    pub(super) fn holds(&self, first: u64, end: u64) -> bool {
        let within = |buffer: u64| (first..end).contains(&(buffer / PAGE));
        let either = |pair: &Option<[u64; 2]>| pair.is_some_and(|[rx, tx]| within(rx) || within(tx));
        either(&self.buffers) || self.machines.iter().any(either)
    }
}
