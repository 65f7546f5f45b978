//! Runtime of Bulkhead's own S-EL1 partitions: entry, stage 1, vectors, threads and FF-A calls.
//!
//! A partition links with `linker/partition.ld`, is position independent, and names its two
//! entry functions with [`entry!`]. What needs the machine is in `arch`, the only place with
//! `unsafe`; everything else is plain Rust that is tested on the host.
#![cfg_attr(not(test), no_std)]

#[cfg(feature = "fake")]
extern crate std;

pub mod bootinfo;
pub mod ffa;
pub mod paging;
pub mod retrieve;
pub mod share;
pub mod slots;

#[cfg(all(feature = "image", target_os = "none"))]
mod arch;
#[cfg(all(feature = "image", target_os = "none"))]
pub mod console;
mod lock;

#[cfg(all(feature = "image", target_os = "none"))]
pub use arch::{
    Boot, call, clock, context_index, gic, hypercall, interrupts, mailbox, panicked, park, probe, random,
    threads, window::Window,
};
pub use lock::{Locked, masked};

/// The most execution contexts that an image built with this runtime serves.
pub const MAX_CONTEXTS: usize = 8;

/// The number of threads, each with a stack of its own: two for each context.
pub const MAX_THREADS: usize = 2 * MAX_CONTEXTS;
