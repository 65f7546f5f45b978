//! The Rust TEE's logic: the message protocol of Linux's OP-TEE driver over FF-A, the memory that
//! clients share, sessions, and the services. No hardware, no `unsafe`: tested on the host.
//!
//! A request comes as a direct message ([`request`]). A *call* names a place in shared memory at
//! which a message stands ([`message`]); [`Tee::call`] copies it, checks the copy, uses only the
//! copy, and writes back nothing but the answer's fields.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod asker;
pub mod code;
pub mod copies;
pub mod given;
pub mod message;
pub mod notify;
pub mod request;
mod seal;
pub mod services;
pub mod sessions;
pub mod shares;
mod tee;

pub use tee::{Memory, Tables, Tee};
