//! One transaction: memory that its owner shares with, lends or donates to borrowers.

use super::pool::{Link, Node};
use super::ranges::List;
use super::rights::Attributes;

/// What the owner keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// FFA_MEM_SHARE: ownership and access.
    Share,
    /// FFA_MEM_LEND: ownership.
    Lend,
    /// FFA_MEM_DONATE: nothing, once the receiver has retrieved it.
    Donate,
}

impl Kind {
    /// How the flags of a retrieve and of its answer name it (DEN0140 1.2, table 1.22, bits 4:3).
    pub fn code(self) -> u32 {
        match self {
            Self::Share => 1,
            Self::Lend => 2,
            Self::Donate => 3,
        }
    }
}

/// A partition that lends memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lender {
    /// Its ID.
    pub id: u16,
    /// Its index in the table.
    pub index: usize,
}

/// A transaction.
#[derive(Clone, Copy, Debug)]
pub struct Share {
    /// Its handle; zero: this entry is free.
    pub handle: u64,
    /// The owner's tag.
    pub tag: u64,
    /// The owner's ID.
    pub sender: u16,
    /// The owner's index in the table and one more; zero: it is of the normal world.
    pub from: u8,
    /// Its kind.
    pub kind: Kind,
    /// Whether the borrower may say which attributes it wants, or the owner has said it.
    pub attributes: Attributes,
    /// Whether the owner asked that the memory is cleared before anyone retrieves it.
    pub clear: bool,
    /// Whether that is done.
    pub cleared: bool,
    /// Pages that the owner said it sends.
    pub pages: u32,
    /// Pages that have arrived.
    pub arrived: u64,
    /// Constituents that have not arrived yet.
    pub missing: u32,
    /// Bytes of the descriptor that have arrived.
    pub offset: u32,
    /// The ranges.
    pub ranges: List,
    /// The borrowers.
    pub grants: Link,
    /// Whether there is more than one borrower.
    pub several: bool,
    /// Whether the owner has asked for it back while a borrower had it.
    pub wanted: bool,
    /// The next unused entry, while this one is unused.
    pub next: Link,
}

impl Share {
    /// Whether all of the descriptor has arrived.
    pub fn whole(&self) -> bool {
        self.missing == 0
    }

    /// The partition that owns the memory; none: it is the normal world's.
    pub fn lender(&self) -> Option<Lender> {
        let index = usize::from(self.from).checked_sub(1)?;
        Some(Lender {
            id: self.sender,
            index,
        })
    }

    /// Whether more than one endpoint can hold the memory at a time.
    pub fn held_by_several(&self) -> bool {
        self.kind == Kind::Share || self.several
    }
}

impl Node for Share {
    const FREE: Self = Self {
        handle: 0,
        tag: 0,
        sender: 0,
        from: 0,
        kind: Kind::Share,
        attributes: Attributes::UNSPECIFIED,
        clear: false,
        cleared: false,
        pages: 0,
        arrived: 0,
        missing: 0,
        offset: 0,
        ranges: List::EMPTY,
        grants: Link::NONE,
        several: false,
        wanted: false,
        next: Link::NONE,
    };
    fn next(&self) -> Link {
        self.next
    }
    fn set_next(&mut self, next: Link) {
        self.next = next;
    }
}
