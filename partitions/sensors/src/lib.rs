//! What the sensors' partition counts of its period, and how another partition asks for it. Plain Rust, tested on the
//! host; those who ask use it, too.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod page;
pub mod record;
