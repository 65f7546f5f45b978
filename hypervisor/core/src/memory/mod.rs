//! The ledger of memory that the normal world shares with, lends or donates to partitions.
//!
//! FF-A memory management (DEN0077A 1.1, chapters 10 and 16; DEN0140 1.2) with descriptors of 1.0, 1.1
//! and 1.2. All bytes that come in were copied into the hypervisor's memory before, so that each is
//! read once. Ownership is kept in ranges of pages: what it costs grows with the number of ranges, not
//! of pages. Everything is sized by the table and starts as zeros.
//!
//! - `descriptor` reads transaction and relinquish descriptors and writes the answer to a retrieve;
//! - `rights` says which permissions and attributes may be given and asked for;
//! - `constituents` reads the list of address ranges and checks who owns them;
//! - `pool` hands out entries of fixed arrays;
//! - `ranges` keeps the ranges of all shares, sorted, so that no page is in two of them;
//! - `window` keeps who borrows, and where in a borrower's window what it retrieved stands;
//! - `offer` is the first fragment that a lender sends, `share` the transaction that it becomes;
//! - `ledger` and `borrow` are the calls of lenders and of borrowers, `describe` that of a hypervisor;
//! - `invariants` says what is always true.

mod borrow;
mod constituents;
mod describe;
mod descriptor;
mod invariants;
mod ledger;
mod offer;
mod pool;
mod ranges;
mod rights;
mod share;
mod window;

#[cfg(test)]
mod tests;

pub use borrow::Retrieved;
pub use ledger::{Ledger, Progress};
pub use share::Kind;

/// Bytes in a page: the granule of every address and count in FF-A.
pub const PAGE: u64 = 4096;
/// The longest fragment of a descriptor that one call may carry, in bytes.
pub const FRAGMENT: usize = 4096;
