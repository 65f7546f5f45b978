//! What is true of a ledger between any two calls, whatever the calls were.

use super::PAGE;
use super::ledger::Ledger;
use crate::table::Table;

impl<const PARTITIONS: usize, const SHARES: usize, const RANGES: usize> Ledger<PARTITIONS, SHARES, RANGES> {
    /// Checks all invariants: for tests and fuzzers.
    ///
    /// # Errors
    /// A sentence that says which of them does not hold.
    pub fn check_invariants(&self, table: &Table) -> Result<(), &'static str> {
        self.check_ranges(table)?;
        self.check_shares()?;
        (0..PARTITIONS).try_for_each(|partition| self.check_window(table, partition))
    }

    /// Each page of normal-world memory is in one transaction at most.
    fn check_ranges(&self, table: &Table) -> Result<(), &'static str> {
        let mut end = 0;
        let mut count = 0;
        for (pages, share) in self.ranges.by_address() {
            if pages.count == 0 || (count > 0 && pages.first < end) {
                return Err("the ranges are not in ascending order, or overlap");
            }
            let size = u64::from(pages.count) * PAGE;
            if !table
                .board
                .normal
                .iter()
                .any(|range| range.contains(pages.address(), size))
            {
                return Err("a range lies outside the normal world's memory");
            }
            if self.shares[share].handle == 0 {
                return Err("a range belongs to no transaction");
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

    fn check_shares(&self) -> Result<(), &'static str> {
        let (mut shares, mut ranges, mut grants) = (0, 0, 0);
        for index in 0..SHARES {
            let share = &self.shares[index];
            if share.handle == 0 {
                continue;
            }
            shares += 1;
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
                if grant.retrieved() && (!share.whole() || grant.slots.count != share.pages) {
                    return Err("a retrieved run is not as long as the memory");
                }
            }
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
        let granted = || (0..SHARES).filter(|share| of(*share).is_some());
        let ranges: usize = granted().map(|share| self.shares[share].ranges.len()).sum();
        let quota = table
            .partitions
            .get(partition)
            .map_or((0, 0), |entry| (entry.shares, entry.window.size));
        if (granted().count(), ranges) != (usize::from(borrower.grants), usize::from(borrower.ranges)) {
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
            .filter(|grant| self.windows.get(*grant).retrieved());
        if count == retrieved.count() {
            Ok(())
        } else {
            Err("a retrieved run is not in the window's order")
        }
    }
}
