//! What seL4's root task does, whatever carries its calls: so that an image of ours does the same without seL4
//! (`partitions/sel4-stub`).
#![cfg_attr(target_os = "none", no_std)]

mod buffers;
pub mod service;
