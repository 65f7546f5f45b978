//! How much memory the hypervisor needs for a system, estimated: its linker knows exactly, but only after everything
//! is built. The figures were taken from linked images of systems with 2 to 8 partitions on 4 and 8 cores, and rounded up.

/// Code, constants, and what every system has: stage 1, the device tree's copy, the ledger's ranges.
const FIXED: u64 = 368 << 10;
/// A core's stack and blocks.
const CORE: u64 = 30 << 10;
/// A partition's stage-2 roots, buffers and states.
const PARTITION: u64 = 25 << 10;
/// A context's registers.
const CONTEXT: u64 = 3 << 9;
/// A share in the ledger.
const SHARE: u64 = 96;
/// A table of stage 2.
const TABLE: u64 = 4 << 10;
/// Bytes that a table of pages maps.
const BLOCK: u64 = 2 << 20;
/// Tables of a region: one at each end that is no whole block.
const REGION_TABLES: u64 = 2;

/// What a system has of each.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Cores of the board.
    pub cores: u64,
    /// Partitions.
    pub partitions: u64,
    /// Regions of all partitions.
    pub regions: u64,
    /// Devices of all partitions.
    pub devices: u64,
    /// Shares of all partitions.
    pub shares: u64,
    /// Bytes of all windows.
    pub windows: u64,
}

/// Bytes of memory that the hypervisor needs, about.
pub fn estimate(counts: Counts) -> u64 {
    let tables = counts.windows.div_ceil(BLOCK) + REGION_TABLES * counts.regions + counts.devices;
    let bytes = FIXED
        + CORE * counts.cores
        + PARTITION * counts.partitions
        + CONTEXT * counts.partitions * counts.cores
        + SHARE * counts.shares
        + TABLE * tables;
    bytes.next_multiple_of(TABLE)
}
