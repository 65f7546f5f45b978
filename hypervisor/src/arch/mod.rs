//! The machine: everything that needs `unsafe` or names a register. It decides nothing.

pub mod cell;
pub mod context;
mod copy;
pub mod cpu;
pub mod exit;
pub mod fp;
pub mod gic;
pub mod guest;
pub mod logger;
pub mod percore;
pub mod random;
pub mod registers;
pub mod smc;
pub mod stage1;
pub mod stage2;
pub mod start;
pub mod timer;
pub mod uart;
pub mod vectors;
pub mod window;

/// Bytes of a page, the only granule used.
pub const PAGE: usize = 4096;
