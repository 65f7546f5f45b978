//! What there is of something for each core of the board.

use bulkhead_core::sure::Sure as _;

use crate::table::{CORES, TABLE};

/// Why a core's index is one of the table's.
const NUMBERED: &str = "the entry code looks a core up in the table, and one that is not there stops; the policy names cores of the table";

/// One for each core.
pub struct PerCore<T>(pub [T; CORES]);

impl<T> PerCore<T> {
    /// The one of the core with this index.
    #[inline]
    pub fn of(&self, core: usize) -> &T {
        self.0.get(core).sure(NUMBERED)
    }
}

/// The affinity of the core with this index (MPIDR_EL1's fields, as the table has them).
pub fn affinity(core: usize) -> u64 {
    *TABLE.board.cores.get(core).sure(NUMBERED)
}
