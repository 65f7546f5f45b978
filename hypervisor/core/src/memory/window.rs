//! Who borrows what, and where it stands in the borrower's window.
//!
//! Each borrower has a compact range of non-secure intermediate physical addresses. What it retrieves of the
//! normal world's memory takes a run of free slots there, the first that is long enough, one slot a page. What
//! it retrieves of another partition's memory has no slots: it keeps its address.

use super::PAGE;
use super::pool::{Link, Node, Pool};
use super::rights::Attributes;
use crate::api::Access;
use crate::sure::Sure as _;
use crate::table::Range;

/// A run of slots in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slots {
    /// The first slot.
    pub first: u32,
    /// How many; zero while nothing is retrieved.
    pub count: u32,
}

/// One borrower of one transaction.
#[derive(Clone, Copy, Debug)]
pub struct Grant {
    /// Index of the transaction.
    pub share: u16,
    /// Index of the borrower in the table.
    pub partition: u8,
    /// What it may have at most.
    pub offered: Access,
    /// What it has, while it has retrieved the memory.
    pub access: Access,
    /// Whether the memory is cleared when the borrower gives it back.
    pub clear_after: bool,
    /// Whether the borrower has the memory.
    pub retrieved: bool,
    /// Whether the borrower has, or has had, the memory.
    pub known: bool,
    /// Whether it counts against the sender's own room at the borrower, not against the borrower's quota.
    pub limited: bool,
    /// The attributes that the borrower was told.
    pub attributes: Attributes,
    /// Where in its window the borrower sees the memory; none of it where the memory is secure.
    pub slots: Slots,
    /// The lender's implementation-defined value for this borrower.
    pub value: [u8; 16],
    /// The next borrower of the same transaction.
    next: Link,
    /// The next retrieved run of the same borrower, by ascending slot.
    above: Link,
}

impl Grant {
    /// A grant that nobody has retrieved yet.
    pub fn new(share: u16, partition: u8, limited: bool, offered: Access, value: [u8; 16]) -> Self {
        Self {
            share,
            partition,
            limited,
            offered,
            value,
            ..Self::FREE
        }
    }
}

impl Node for Grant {
    const FREE: Self = Self {
        share: 0,
        partition: 0,
        offered: Access::Read,
        access: Access::Read,
        clear_after: false,
        retrieved: false,
        known: false,
        limited: false,
        attributes: Attributes::UNSPECIFIED,
        slots: Slots { first: 0, count: 0 },
        value: [0; 16],
        next: Link::NONE,
        above: Link::NONE,
    };
    fn next(&self) -> Link {
        self.next
    }
    fn set_next(&mut self, next: Link) {
        self.next = next;
    }
}

/// What counts against one partition's quotas, and what it has retrieved.
#[derive(Clone, Copy, Debug)]
pub struct Borrower {
    /// Live transactions that name it, of callers without a limit of pages.
    pub grants: u16,
    /// Ranges of these transactions.
    pub ranges: u16,
    /// How many ranges these may be; zero while nobody has worked it out.
    pub quota: u16,
    /// Its lowest retrieved run.
    lowest: Link,
}

/// What a borrower asked for, and gets.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// The rights.
    pub access: Access,
    /// The attributes.
    pub attributes: Attributes,
    /// Whether the memory is cleared when it gives it back.
    pub clear_after: bool,
}

/// A free run of slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The run.
    pub slots: Slots,
    /// The retrieved run right below it.
    below: Link,
}

/// All grants and windows.
#[derive(Debug)]
pub struct Windows<const PARTITIONS: usize, const GRANTS: usize> {
    pool: Pool<Grant, GRANTS>,
    borrowers: [Borrower; PARTITIONS],
}

impl<const PARTITIONS: usize, const GRANTS: usize> Windows<PARTITIONS, GRANTS> {
    /// Nothing granted.
    pub const fn new() -> Self {
        let nobody = Borrower {
            grants: 0,
            ranges: 0,
            quota: 0,
            lowest: Link::NONE,
        };
        Self {
            pool: Pool::new(),
            borrowers: [nobody; PARTITIONS],
        }
    }

    /// Adds a borrower to the transaction whose grants start at `first`; false: no room is left.
    pub fn grant(&mut self, first: &mut Link, grant: Grant) -> bool {
        let Some(index) = self.pool.take(Grant {
            next: *first,
            ..grant
        }) else {
            return false;
        };
        if !grant.limited {
            let borrower = self.borrower_mut(grant.partition.into());
            borrower.grants = borrower.grants.saturating_add(1);
        }
        *first = Link::to(index);
        true
    }

    /// Ends all grants of a transaction with so many ranges. None is retrieved.
    pub fn revoke(&mut self, first: &mut Link, ranges: usize) {
        while let Some(index) = first.index() {
            *first = self.pool[index].next;
            if !self.pool[index].limited {
                let borrower = self.borrower_mut(self.pool[index].partition.into());
                borrower.grants = borrower.grants.checked_sub(1).sure("`grant` counted it");
                borrower.ranges = borrower
                    .ranges
                    .checked_sub(narrow(ranges))
                    .sure("`charge` counted them");
            }
            self.pool.give(index);
        }
    }

    /// Counts ranges that a transaction got against the quotas of its borrowers.
    pub fn charge(&mut self, first: Link, ranges: usize) {
        let mut next = first;
        while let Some(index) = next.index() {
            next = self.pool[index].next;
            if !self.pool[index].limited {
                let borrower = self.borrower_mut(self.pool[index].partition.into());
                borrower.ranges = borrower.ranges.saturating_add(narrow(ranges));
            }
        }
    }

    /// The indices of a transaction's grants.
    pub fn of(&self, first: Link) -> impl Iterator<Item = usize> {
        self.pool.list(first)
    }

    /// How many borrowers a transaction has.
    pub fn many(&self, first: Link) -> usize {
        self.of(first).fold(0, |many, _| many.saturating_add(1))
    }

    /// The grant of this transaction to this partition.
    pub fn find(&self, first: Link, partition: usize) -> Option<usize> {
        self.of(first)
            .find(|index| usize::from(self.pool[*index].partition) == partition)
    }

    /// A grant.
    pub fn get(&self, index: usize) -> &Grant {
        &self.pool[index]
    }

    /// What counts against a partition.
    pub fn borrower(&self, partition: usize) -> &Borrower {
        let borrower = self.borrowers.get(partition);
        borrower.sure("the table has as many partitions, and grants are of those only")
    }

    fn borrower_mut(&mut self, partition: usize) -> &mut Borrower {
        let borrower = self.borrowers.get_mut(partition);
        borrower.sure("as in `borrower`")
    }

    /// Keeps how many ranges of callers without a limit a partition may have.
    pub fn set_quota(&mut self, partition: usize, ranges: usize) {
        self.borrower_mut(partition).quota = narrow(ranges);
    }

    /// How many grants there are.
    pub fn used(&self) -> usize {
        self.pool.used()
    }

    /// The index of the lowest run in a partition's window.
    pub fn lowest(&self, partition: usize) -> Option<usize> {
        self.borrower(partition).lowest.index()
    }

    /// The indices of what a partition has in its window, by ascending slot.
    pub fn retrieved(&self, partition: usize) -> impl Iterator<Item = usize> {
        core::iter::successors(self.lowest(partition), |index| self.pool[*index].above.index())
    }

    /// The lowest free run of `count` slots in the window of a partition whose address is a multiple of
    /// `align` pages.
    pub fn gap(&self, partition: usize, window: Range, count: u32, align: u64) -> Option<Gap> {
        let base = window.base / PAGE;
        let (mut free, mut below) = (base, Link::NONE);
        let fits = |free: u64, end: u64| {
            let start = free.checked_next_multiple_of(align)?;
            (start.checked_add(count.into())? <= end).then_some(start.checked_sub(base)?)
        };
        for index in self.retrieved(partition) {
            let taken = self.pool[index].slots;
            let start = base.saturating_add(taken.first.into());
            if let Some(first) = fits(free, start) {
                return Some(Gap {
                    slots: Slots {
                        first: u32::try_from(first).ok()?,
                        count,
                    },
                    below,
                });
            }
            free = start.saturating_add(taken.count.into());
            below = Link::to(index);
        }
        let first = fits(free, window.end() / PAGE)?;
        Some(Gap {
            slots: Slots {
                first: u32::try_from(first).ok()?,
                count,
            },
            below,
        })
    }

    /// Marks a grant as retrieved, with these rights.
    pub fn hold(&mut self, index: usize, asked: &Asked) {
        let grant = &mut self.pool[index];
        (grant.retrieved, grant.known, grant.access) = (true, true, asked.access);
        (grant.attributes, grant.clear_after) = (asked.attributes, asked.clear_after);
    }

    /// Marks a grant as retrieved, and gives it a gap that was just found.
    pub fn retrieve(&mut self, index: usize, gap: Gap, asked: &Asked) {
        self.hold(index, asked);
        let borrower = usize::from(self.pool[index].partition);
        let place = match gap.below.index() {
            Some(below) => &mut self.pool[below].above,
            None => &mut self.borrower_mut(borrower).lowest,
        };
        let above = core::mem::replace(place, Link::to(index));
        let grant = &mut self.pool[index];
        (grant.above, grant.slots) = (above, gap.slots);
    }

    /// Forgets that the borrower has had the memory: another instance of it has not.
    pub fn forget(&mut self, index: usize) {
        self.pool[index].known = false;
    }

    /// Marks a grant as not retrieved; frees its slots, where it has some, and returns them.
    pub fn relinquish(&mut self, index: usize) -> Slots {
        let Grant {
            partition,
            slots,
            above,
            ..
        } = self.pool[index];
        if slots.count > 0 {
            self.unlink(index, usize::from(partition), above);
        }
        let grant = self.pool[index];
        self.pool[index] = Grant {
            next: grant.next,
            known: grant.known,
            ..Grant::new(
                grant.share,
                grant.partition,
                grant.limited,
                grant.offered,
                grant.value,
            )
        };
        slots
    }

    /// Takes a run out of its borrower's order.
    fn unlink(&mut self, index: usize, partition: usize, above: Link) {
        let below = self
            .retrieved(partition)
            .find(|below| self.pool[*below].above == Link::to(index));
        match below {
            Some(below) => self.pool[below].above = above,
            None => self.borrower_mut(partition).lowest = above,
        }
    }
}

fn narrow(count: usize) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}
