//! What is lent at the moment, in numbers: nothing at all where everyone has given back what it had.

use super::ledger::Ledger;
use super::pool::Link;
use super::share::Share;
use super::window::Grant;

/// Live transactions, unfinished ones included, and their memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Transactions that name the partition as a receiver.
    pub shares: u32,
    /// 4 KiB pages of these, as their senders announced them.
    pub pages: u64,
    /// Pages of these that the partition has retrieved.
    pub retrieved: u64,
    /// Transactions that the partition sent itself.
    pub sent: u32,
}

impl<const PARTITIONS: usize, const SHARES: usize, const RANGES: usize> Ledger<PARTITIONS, SHARES, RANGES> {
    /// What is lent to a partition, and by it. Takes time with the transactions that there are room for.
    #[must_use]
    pub fn usage(&self, partition: usize) -> Usage {
        let mut usage = Usage::default();
        for share in self.live() {
            if share.lender().is_some_and(|lender| lender.index == partition) {
                usage.sent = usage.sent.saturating_add(1);
            }
            if let Some(grant) = self.grant_of(share.grants, partition) {
                usage.shares = usage.shares.saturating_add(1);
                usage.pages = usage.pages.saturating_add(share.pages.into());
                if grant.retrieved {
                    usage.retrieved = usage.retrieved.saturating_add(share.pages.into());
                }
            }
        }
        usage
    }

    /// All transactions and their pages, each counted once; nothing is counted as retrieved or sent.
    #[must_use]
    pub fn total(&self) -> Usage {
        let mut usage = Usage::default();
        for share in self.live() {
            usage.shares = usage.shares.saturating_add(1);
            usage.pages = usage.pages.saturating_add(share.pages.into());
        }
        usage
    }

    fn live(&self) -> impl Iterator<Item = &Share> {
        let touched = 0..self.shares.touched();
        touched
            .map(|index| &self.shares[index])
            .filter(|share| share.handle != 0)
    }

    fn grant_of(&self, grants: Link, partition: usize) -> Option<&Grant> {
        let grant = self.windows.find(grants, partition)?;
        Some(self.windows.get(grant))
    }
}
