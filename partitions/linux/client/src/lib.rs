//! What the GlobalPlatform client computes and reports without a TEE: expected answers, lines for `xtask`, options.

pub mod account;
pub mod expect;
pub mod figures;
pub mod lent;
pub mod options;
pub mod report;
pub mod tees;
pub mod transcript;
pub mod vectors;
