//! Bulkhead at S-EL2: the mechanism around `bulkhead-core`, for the one table that was compiled in.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

#[allow(unsafe_code)]
mod arch;
mod board;
mod boot;
mod console;
mod counters;
mod fatal;
mod images;
mod log;
mod machine;
mod record;
mod secrets;
mod store;
mod table;
mod trace;
