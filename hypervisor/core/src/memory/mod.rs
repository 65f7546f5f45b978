//! The ledger of memory that the normal world and partitions share with, lend or donate to partitions.
//!
//! FF-A memory management (DEN0140 1.2) with descriptors of 1.0, 1.1
//! and 1.2. All bytes that come in were copied into the hypervisor's memory before, so that each is
//! read once. Ownership is kept in ranges of pages: what it costs grows with the number of ranges, not
//! of pages. Everything is sized by the table and starts as zeros.
//!
//! - `descriptor` reads transaction and relinquish descriptors and writes the answer to a retrieve;
//! - `quota` says how much of it all each caller of a partition may use;
//! - `deeds` keeps who owns secure memory that was donated;
//! - `rights` says which permissions and attributes may be given and asked for;
//! - `constituents` reads the list of address ranges and checks who owns them;
//! - `pool` hands out entries of fixed arrays, `shift` moves those of a list;
//! - `ranges` keeps the ranges of all shares, sorted, so that no page is in two of them;
//! - `window` keeps who borrows, and where in a borrower's window what it retrieved stands;
//! - `offer` is the first fragment that a lender sends, `share` the transaction that it becomes;
//! - `ledger` and `borrow` are the calls of lenders and of borrowers, `describe` that of a hypervisor;
//! - `usage` counts what is lent at the moment;
//! - `renew` undoes what a partition did that starts anew;
//! - `invariants` says what is always true.
//!
//! What a partition offers keeps its address: the secure intermediate physical address of a page is its
//! physical one for whoever may reach it. Its tables have the places of all pages that may ever come to it, so
//! that a page only goes where they are: to the partition that has it by the table, and to those that have
//! this one as a caller with pages to share. While memory is lent or on its way to a new owner, its owner does
//! not reach it; while it is shared, it does. No borrower executes what it borrows, and no new owner what it
//! got. A partition that was stopped for good has given back all that it had borrowed, and never takes back what it
//! lent: borrowers may go on with it and relinquish it, and it stays out of everyone else's reach. One that is
//! restarted has all of its memory back, whoever had it.

mod borrow;
mod constituents;
mod deeds;
mod describe;
mod descriptor;
mod invariants;
mod ledger;
mod offer;
mod pool;
#[cfg(any(kani, test))]
#[path = "tests/proofs.rs"]
mod proofs;
mod quota;
mod ranges;
mod renew;
mod rights;
mod share;
mod shift;
mod usage;
mod window;

#[cfg(test)]
mod tests;

pub use borrow::Retrieved;
pub use ledger::{Ledger, Progress};
pub use quota::{ranges, shares};
pub use share::Kind;
pub use usage::Usage;

/// An endpoint that sends memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sender<'a> {
    /// Its ID.
    pub id: u16,
    /// The version that it negotiated.
    pub version: u32,
    /// Where its registered RX and TX buffers are, which cannot be part of a transaction.
    pub buffers: Option<[u64; 2]>,
    /// Those of a hypervisor's virtual machines: the normal world's memory is one.
    pub machines: &'a [Option<[u64; 2]>],
}

/// Bytes in a page: the granule of every address and count in FF-A.
pub const PAGE: u64 = 4096;
/// The longest fragment of a descriptor that one call may carry, in bytes.
pub const FRAGMENT: usize = 4096;
