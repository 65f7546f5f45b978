//! Bulkhead's policy: events go in, actions come out. No hardware, no unsafe code.
#![no_std]
#![forbid(unsafe_code)]

pub mod api;
pub mod table;
