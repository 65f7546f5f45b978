//! Tests of the dispatcher: a machine without hardware, and events as the shell makes them.

mod agree;
mod agree_parties;
pub mod amount;
mod boot;
mod chain;
mod concurrent;
mod conformance;
mod conformance_holds;
mod conformance_page;
mod console;
mod copy;
mod dedicated;
mod direct;
mod discovery;
#[allow(dead_code)] // The book reads more of a row.
mod errors;
mod forward;
mod ghost;
mod held;
mod in_place;
mod indirect;
mod inspect;
mod interrupt;
mod lives;
pub mod machine;
mod memory;
mod model;
mod notification;
mod once;
#[cfg(loom)]
mod orders;
mod paravirtual;
mod policy;
mod power;
mod preemption;
mod queued;
mod quote;
mod random;
mod renewal;
mod restart;
mod runtime;
mod rxtx;
mod service;
mod storm;
pub mod table;
mod ticket;
mod version;
mod vm;

use crate::function;
