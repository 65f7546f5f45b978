//! What a partition is given of secrets: its key, and random numbers (DEN0098).
use super::{A, B, Case, Outcome, ask, ffa, isolation};
use crate::ensure;
use crate::test_sp;

/// These cases.
pub const CASES: &[Case] = &[
    isolation("key-of-its-own", own_key),
    isolation("key-not-given", no_key),
    isolation("key-for-partitions-only", not_outside),
    isolation("random-differs", random),
    isolation("random-wrong", random_wrong),
];

/// Bulkhead's call for the partition's key.
const KEY: u64 = 0xc600_0001;
/// A partition to which the table `cases` gives no key.
const WITHOUT: u16 = 0x8008;
const RANDOM_64: u64 = 0xc400_0053;
const NOT_SUPPORTED: u64 = u64::MAX;
const INVALID_PARAMETERS: u64 = u64::MAX - 1;

/// x0 to x3 of a call that a partition makes.
fn call(partition: u16, function: u64, first: u64) -> Outcome<[u64; 4]> {
    ask(partition, test_sp::CALL, [function, first, 0, 0])
}

/// Property K1: the same one at each call, and none that another partition has.
fn own_key() -> Outcome {
    let [status, a @ ..] = call(A, KEY, 0)?;
    ensure!(status == 0 && a != [0; 3], "A: {status:#x} {a:x?}");
    let again = call(A, KEY, u64::from(B))?;
    ensure!(again[1..] == a, "A, asked for B's: {again:x?} {a:x?}");
    let [status, b @ ..] = call(B, KEY, 0)?;
    ensure!(status == 0, "B: {status:#x}");
    ensure!(a.iter().all(|word| !b.contains(word)), "{a:x?} {b:x?}");
    Ok(())
}

/// The table gives this one none.
fn no_key() -> Outcome {
    let answer = call(WITHOUT, KEY, u64::from(A))?;
    ensure!(answer == [NOT_SUPPORTED, u64::from(A), 0, 0], "{answer:x?}");
    Ok(())
}

/// Nobody out there has the calls.
fn not_outside() -> Outcome {
    for function in [KEY, RANDOM_64] {
        let answer = ffa(function as u32, &[64]);
        ensure!(
            answer.x(0) == NOT_SUPPORTED,
            "{function:#x}: {:x?}",
            &answer.0[..4]
        );
    }
    Ok(())
}

/// DEN0098, TRNG_RND64: no word comes twice, within a partition or between two.
fn random() -> Outcome {
    let mut seen = [0; 12];
    for (number, words) in seen.chunks_mut(3).enumerate() {
        let from = if number % 2 == 0 { A } else { B };
        let [status, all @ ..] = call(from, RANDOM_64, 192)?;
        ensure!(status == 0, "{status:#x}");
        words.copy_from_slice(&all);
    }
    for (number, word) in seen.iter().enumerate() {
        ensure!(!seen[..number].contains(word), "{word:#x} came twice");
    }
    let [status, high, middle, low] = call(A, RANDOM_64, 8)?;
    ensure!(
        status == 0 && high == 0 && middle == 0 && low < 256,
        "8 bits: {status:#x} {high:#x} {middle:#x} {low:#x}"
    );
    Ok(())
}

/// DEN0098, TRNG_RND64: 1 to 192 bits.
fn random_wrong() -> Outcome {
    for bits in [0, 193, u64::MAX] {
        let answer = call(A, RANDOM_64, bits)?;
        ensure!(
            answer == [INVALID_PARAMETERS, 0, 0, 0],
            "{bits} bits: {answer:x?}"
        );
    }
    Ok(())
}
