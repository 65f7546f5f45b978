//! How many random calls the models are tried with, and which ones: `cargo xtask test` says both by environment
//! variables, and a developer repeats a failure with them.

use proptest::prelude::ProptestConfig;
use proptest::test_runner::RngSeed;
use std::env;

/// A number from the environment.
fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{name} must be a number from 0 to {}, not {text}", u64::MAX)))
}

/// How many calls: `BULKHEAD_CALLS`, else `usual`.
pub fn calls(usual: usize) -> usize {
    number("BULKHEAD_CALLS").map_or(usual, |calls| calls as usize)
}

/// Where random numbers begin: `BULKHEAD_SEED`, else 0. The same number gives the same calls.
pub fn seed() -> u64 {
    number("BULKHEAD_SEED").unwrap_or(0)
}

/// For a property of sequences: as many cases of `length` calls on average as make up the calls.
pub fn property(usual: usize, length: usize) -> ProptestConfig {
    let usual = ProptestConfig {
        cases: calls(usual).div_ceil(length) as u32,
        ..ProptestConfig::default()
    };
    match number("BULKHEAD_SEED") {
        Some(seed) => ProptestConfig {
            rng_seed: RngSeed::Fixed(seed),
            ..usual
        },
        None => usual,
    }
}
