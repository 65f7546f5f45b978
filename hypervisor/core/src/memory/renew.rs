//! A partition that starts anew: what its last instance borrowed, lent, gave and was given is undone.

use super::PAGE;
use super::deeds::Part;
use super::ledger::Ledger;
use crate::api::{Ports, World};
use crate::table::{Partition, Rights, Table};

impl<const PARTITIONS: usize, const SHARES: usize, const RANGES: usize> Ledger<PARTITIONS, SHARES, RANGES> {
    /// Leaves nothing of a partition's last instance but what others have offered it, which the next one may
    /// retrieve as the last one did. What it had lent or donated is taken from whoever has it; memory that it
    /// was given goes back, cleared, to the partition that the table gives it to. None of its contexts runs,
    /// and its own memory is cleared before one does.
    pub fn renew(&mut self, table: &Table, partition: usize, ports: &mut impl Ports) {
        self.release(partition, ports);
        for index in 0..self.shares.touched() {
            let share = &self.shares[index];
            if share.handle == 0 {
                continue;
            }
            let own = share.lender().is_some_and(|lender| lender.index == partition);
            let meets = share.lender().is_some() && self.is_at_home(table, partition, index);
            if own || meets {
                self.take_back(table, index, ports);
            } else if let Some(grant) = self.windows.find(share.grants, partition) {
                self.windows.forget(grant);
            }
        }
        while let Some(part) = self.deeds.of_either(table, partition) {
            self.undo(table, part, ports);
        }
    }

    /// Whether any of a transaction's memory is the partition's by the table.
    fn is_at_home(&self, table: &Table, partition: usize, index: usize) -> bool {
        let mut ranges = self.ranges.list(&self.shares[index].ranges);
        ranges.any(|pages| {
            let mut parts = self.deeds.parts(table, pages);
            parts.any(|part| part.home == partition)
        })
    }

    /// Ends a transaction between partitions, whoever has the memory: its sender has it again.
    fn take_back(&mut self, table: &Table, index: usize, ports: &mut impl Ports) {
        for borrower in 0..PARTITIONS {
            let grant = self.windows.find(self.shares[index].grants, borrower);
            if let Some(grant) = grant.filter(|grant| self.windows.get(*grant).retrieved) {
                self.unmap(borrower, index, grant, ports);
            }
        }
        self.give_back(table, index, ports);
        self.close(index);
    }

    /// Gives memory that was donated back to the partition that the table gives it to.
    fn undo(&mut self, table: &Table, part: Part, ports: &mut impl Ports) {
        let (address, count) = (part.pages.address(), part.pages.count);
        ports.set_secure(part.owner, address, count, None);
        ports.clear(World::Secure, address, count);
        self.deeds.cut(part.pages);
        if let Some(rights) = table.partitions.get(part.home).and_then(|p| rights(p, address)) {
            ports.set_secure(part.home, address, count, Some(rights));
        }
    }
}

/// What a partition may do with a page that the table gives it.
fn rights(partition: &Partition, address: u64) -> Option<Rights> {
    let region = (partition.memory.iter()).find(|region| region.range.contains(address, PAGE))?;
    Some(region.rights)
}
