//! Bulkhead's policy: events go in, actions come out. No hardware, no unsafe code.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(test, loom))]
extern crate std;

pub mod api;
mod budget;
mod callee;
mod chain;
mod compartment;
mod console;
mod context;
mod copy;
pub mod counter;
mod cpu;
mod decode;
mod dedicated;
pub mod derive;
pub mod digest;
mod direct;
mod discovery;
pub mod error;
mod failure;
mod forward;
pub mod function;
mod ghost;
mod id_list;
mod indirect;
mod inspect;
mod interrupt;
mod invariants;
mod lending;
mod life;
pub mod memory;
mod mend;
pub mod moment;
mod names;
mod notification;
mod notify;
pub mod package;
mod paravirtual;
mod power;
mod preemption;
pub mod quote;
mod renewal;
mod reply;
mod run;
mod rxtx;
mod service;
pub mod signature;
pub mod spmc;
pub mod start;
mod storm;
pub mod sure;
mod sync;
pub mod table;
#[cfg(test)]
mod tests;
mod ticket;
pub mod tree;
mod version;
pub mod vgic;
mod vm;

pub use life::Life;
pub use paravirtual::MAX_INTERRUPTS;
