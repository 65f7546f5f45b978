//! What is true of a ledger between any two calls, whatever the calls were.

use super::PAGE;
use super::constituents::Pages;
use super::ledger::Ledger;
use super::quota::{limited, own_ranges, own_shares};
use super::share::Share;
use crate::table::Table;

impl<const PARTITIONS: usize, const SHARES: usize, const RANGES: usize> Ledger<PARTITIONS, SHARES, RANGES> {
    /// Checks all invariants: for tests and fuzzers.
    ///
    /// # Errors
    /// A sentence that says which of them does not hold.
    pub fn check_invariants(&self, table: &Table) -> Result<(), &'static str> {
        self.check_deeds(table)?;
        self.check_ranges(table)?;
        self.check_shares()?;
        (0..PARTITIONS).try_for_each(|partition| self.check_limits(table, partition))?;
        (0..PARTITIONS).try_for_each(|partition| self.check_window(table, partition))
    }

    /// Deeds are in order, name partitions, and keep to their room.
    fn check_deeds(&self, table: &Table) -> Result<(), &'static str> {
        let mut end = 0;
        for deed in self.deeds.all() {
            if deed.count == 0 || deed.first < end {
                return Err("the deeds are not in ascending order, or overlap");
            }
            end = deed.end();
            let pages = Pages {
                first: deed.first,
                count: deed.count,
            };
            let parts = || self.deeds.parts(table, pages);
            if parts().last().is_none_or(|part| part.pages.end() != end) {
                return Err("a deed is of memory that is no partition's");
            }
            if parts().any(|part| part.home == part.owner) {
                return Err("a deed is of memory that is at home");
            }
            let (room, used) = self.deeds.room(table, deed.giver, usize::from(deed.owner));
            if used > room {
                return Err("there are more deeds than their giver may have");
            }
        }
        Ok(())
    }

    /// Each page is in one transaction at most, which its one owner has sent.
    fn check_ranges(&self, table: &Table) -> Result<(), &'static str> {
        let mut end = 0;
        let mut count = 0;
        for (pages, share) in self.ranges.by_address() {
            if pages.count == 0 || (count > 0 && pages.first < end) {
                return Err("the ranges are not in ascending order, or overlap");
            }
            if self.shares[share].handle == 0 {
                return Err("a range belongs to no transaction");
            }
            if !self.is_senders(table, &self.shares[share], pages) {
                return Err("a range is not its sender's");
            }
            end = pages.end();
            count += 1;
        }
        if count == self.ranges.used() {
            Ok(())
        } else {
            Err("a range is in use but not in the order")
        }
    }

    fn is_senders(&self, table: &Table, share: &Share, pages: Pages) -> bool {
        let size = u64::from(pages.count) * PAGE;
        match share.lender() {
            None => (table.board.normal.iter()).any(|range| range.contains(pages.address(), size)),
            Some(lender) => self.deeds.own(table, lender.index, pages, |_| true),
        }
    }

    /// No caller with a limit has more than its own room at a partition.
    fn check_limits(&self, table: &Table, partition: usize) -> Result<(), &'static str> {
        let Some(entry) = table.partitions.get(partition) else {
            return Ok(());
        };
        for caller in entry.callers.iter().filter(|caller| limited(caller)) {
            let used = self.used(caller.id, partition);
            if used.shares > own_shares(caller, entry) || used.ranges > own_ranges(caller) {
                return Err("a caller has more than its own room");
            }
            if used.pages + self.deeds.pages(caller.id, partition) > u64::from(caller.pages) {
                return Err("a caller has more pages at a partition than it may have");
            }
        }
        Ok(())
    }

    fn check_shares(&self) -> Result<(), &'static str> {
        let (mut shares, mut ranges, mut grants, mut wanted) = (0, 0, 0, 0);
        for index in 0..SHARES {
            let share = &self.shares[index];
            if share.handle == 0 {
                continue;
            }
            shares += 1;
            wanted += u16::from(share.wanted);
            ranges += share.ranges.len();
            let pages: u64 = self
                .ranges
                .list(&share.ranges)
                .map(|pages| u64::from(pages.count))
                .sum();
            if self.ranges.list(&share.ranges).count() != share.ranges.len() || pages != share.arrived {
                return Err("a transaction's ranges are not those that have arrived");
            }
            if share.whole() != (pages == u64::from(share.pages) && share.missing == 0) {
                return Err("a finished transaction lacks pages");
            }
            for grant in self.windows.of(share.grants) {
                let grant = self.windows.get(grant);
                grants += 1;
                if usize::from(grant.share) != index {
                    return Err("a grant is of another transaction");
                }
                let slots = if grant.retrieved && share.lender().is_none() {
                    share.pages
                } else {
                    0
                };
                if grant.slots.count != slots || (grant.retrieved && !share.whole()) {
                    return Err("a retrieved run is not as long as the memory");
                }
            }
        }
        if wanted != self.wanted {
            return Err("those that their owners want back are counted wrongly");
        }
        if (shares, ranges, grants) == (self.shares.used(), self.ranges.used(), self.windows.used()) {
            Ok(())
        } else {
            Err("an entry is in use but in no list")
        }
    }

    fn check_window(&self, table: &Table, partition: usize) -> Result<(), &'static str> {
        let borrower = self.windows.borrower(partition);
        let of = |share: usize| self.windows.find(self.shares[share].grants, partition);
        let common = |share: &usize| of(*share).is_some_and(|grant| !self.windows.get(grant).limited);
        let granted = || (0..SHARES).filter(|share| of(*share).is_some());
        let ranges = granted()
            .filter(common)
            .map(|share| self.shares[share].ranges.len());
        let ranges: usize = ranges.sum();
        let quota = table
            .partitions
            .get(partition)
            .map_or((0, 0), |entry| (entry.shares, entry.window.size));
        if (granted().filter(common).count(), ranges)
            != (usize::from(borrower.grants), usize::from(borrower.ranges))
        {
            return Err("a partition's quota is not what counts against it");
        }
        if borrower.grants > quota.0 || ranges > Self::range_quota(table, partition) {
            return Err("a partition is above its quota");
        }
        let (mut end, mut count) = (0, 0);
        for index in self.windows.retrieved(partition) {
            let slots = self.windows.get(index).slots;
            if u64::from(slots.first) < end {
                return Err("the runs of a window are not in ascending order, or overlap");
            }
            end = u64::from(slots.first) + u64::from(slots.count);
            count += 1;
        }
        if end * PAGE > quota.1 {
            return Err("a run lies outside the window");
        }
        let retrieved = granted()
            .filter_map(of)
            .filter(|grant| self.windows.get(*grant).slots.count > 0);
        if count == retrieved.count() {
            Ok(())
        } else {
            Err("a retrieved run is not in the window's order")
        }
    }
}
