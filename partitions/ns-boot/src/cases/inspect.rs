//! What runs here, asked by a partition that the table lets inspect, and by everyone else (docs/inspect.md).
use super::{A, B, Case, Outcome, VICTIM, ffa, inside, isolation};
use crate::ensure;

/// These cases, for a table in which only [`A`] inspects.
pub const CASES: &[Case] = &[
    isolation("inspect-partitions", partitions),
    isolation("inspect-not-allowed", not_allowed),
    isolation("inspect-not-outside", not_outside),
    isolation("inspect-no-such-page", no_such_page),
    isolation("quote-is-for-its-nonce", quote),
    isolation("quote-wrong-call", wrong_quote),
    isolation("quote-not-allowed", quote_not_allowed),
    isolation("quote-not-outside", quote_not_outside),
];

/// The case for the table in which a package was changed in flash.
pub const SPOILT: &[Case] = &[isolation("inspect-spoilt", spoilt)];

const INSPECT: u32 = 0xc600_0002;
const QUOTE: u32 = 0xc600_0005;
const NOT_SUPPORTED: u32 = (-1_i32).cast_unsigned();
const INVALID_PARAMETER: u32 = (-3_i32).cast_unsigned();
const RUNNING: u64 = 2;
const STOPPED: u64 = 3;

/// x1 to x7 of a page that is there.
fn page(subject: u64, page: u64) -> Outcome<[u64; 7]> {
    let answer = inside(A, INSPECT, &[subject, page])?;
    ensure!(
        answer.w(0) == 0,
        "subject {subject}, page {page}: {:#x}",
        answer.w(0)
    );
    Ok(core::array::from_fn(|n| answer.x(1 + n)))
}

/// Each partition has its ID, another image or the same one, and its own name; those of the table that run say so.
fn partitions() -> Outcome {
    let [version, count, ..] = page(0, 0)?;
    ensure!(
        version == 0x1_0005 && count >= 2,
        "{version:#x}, {count} partitions"
    );
    let digest = page(0, 1)?;
    ensure!(digest[..4] != [0; 4] && digest[4..] == [0; 3], "{digest:x?}");
    let mut names = [[0; 7]; 2];
    for (subject, id) in [(1, A), (2, B)] {
        let [first, cores, ..] = page(subject, 0)?;
        ensure!(
            first == u64::from(id) | RUNNING << 16,
            "subject {subject}: {first:#x}"
        );
        ensure!(cores != 0, "subject {subject} has no cores");
        let image = page(subject, 1)?;
        ensure!(image[..4] != [0; 4], "subject {subject} has no digest");
        let found = page(subject, 6)?;
        ensure!(found == image, "subject {subject}: {found:x?} was measured");
        names[subject as usize - 1] = page(subject, 2)?;
    }
    ensure!(names[0] != names[1], "one name twice: {names:x?}");
    Ok(())
}

/// For a partition that does not inspect, the call does not exist, whatever it asks for.
fn not_allowed() -> Outcome {
    for (subject, number) in [(0, 0), (1, 2), (99, 99)] {
        let answer = inside(B, INSPECT, &[subject, number])?;
        ensure!(
            answer.w(0) == NOT_SUPPORTED && answer.x(1) == subject && answer.x(2) == number,
            "{:x?}",
            &answer.0[..4]
        );
    }
    Ok(())
}

fn not_outside() -> Outcome {
    let answer = ffa(INSPECT, &[0, 0]);
    ensure!(
        answer.w(0) == NOT_SUPPORTED && answer.0[1..8] == [0; 7],
        "{:x?}",
        &answer.0[..8]
    );
    Ok(())
}

fn no_such_page() -> Outcome {
    for arguments in [
        [0, 5, 0],
        [1, 7, 0],
        [1, 99, 0],
        [99, 0, 0],
        [u64::MAX, 0, 0],
        [0, 0, 1],
    ] {
        let answer = inside(A, INSPECT, &arguments)?;
        ensure!(
            answer.w(0) == INVALID_PARAMETER && answer.0[1..4] == arguments,
            "{arguments:x?}: {:x?}",
            &answer.0[..4]
        );
    }
    Ok(())
}

/// Whose image is not the table's is stopped, and is known by the table's digest and name.
fn spoilt() -> Outcome {
    for (subject, id, state) in [(1, A, RUNNING), (2, B, RUNNING), (3, VICTIM, STOPPED)] {
        let [first, ..] = page(subject, 0)?;
        ensure!(
            first == u64::from(id) | state << 16,
            "subject {subject}: {first:#x}"
        );
    }
    const REFUSED_ONCE: u64 = 6 | 1 << 32;
    let [failure, ..] = page(3, 4)?;
    ensure!(failure == REFUSED_ONCE, "{failure:#x}");
    // What was measured is told as it was found.
    for (subject, same) in [(1, true), (2, true), (3, false)] {
        let (table, found) = (page(subject, 1)?, page(subject, 6)?);
        ensure!(
            (table == found) == same && found[..4] != [0; 4],
            "subject {subject}: {found:x?}"
        );
    }
    let [name, ..] = page(3, 2)?;
    ensure!(name == u64::from_le_bytes(*b"spoilt\0\0"), "{name:#x}");
    Ok(())
}

/// A signature for a nonce.
fn signature(nonce: u64) -> Outcome<[u64; 8]> {
    let mut words = [0; 8];
    for half in [0, 1] {
        let answer = inside(A, QUOTE, &[half, nonce, 2, 3, 4])?;
        ensure!(answer.w(0) == 0, "half {half}: {:#x}", answer.w(0));
        words[4 * half as usize..][..4].copy_from_slice(&answer.0[1..5]);
    }
    Ok(words)
}

/// The same nonce has the same signature, both halves of it, and another nonce another one.
fn quote() -> Outcome {
    let (first, again, other) = (signature(1)?, signature(1)?, signature(5)?);
    ensure!(first == again, "{first:x?} and {again:x?}");
    let differ = first.iter().zip(&other).all(|(a, b)| a != b);
    ensure!(differ && first != [0; 8], "{first:x?} and {other:x?}");
    Ok(())
}

fn wrong_quote() -> Outcome {
    for arguments in [[2, 1, 2, 3, 4, 0], [u64::MAX, 1, 2, 3, 4, 0], [0, 1, 2, 3, 4, 1]] {
        let answer = inside(A, QUOTE, &arguments)?;
        ensure!(
            answer.w(0) == INVALID_PARAMETER && answer.0[1..7] == arguments,
            "{arguments:x?}: {:x?}",
            &answer.0[..7]
        );
    }
    Ok(())
}

fn quote_not_allowed() -> Outcome {
    let answer = inside(B, QUOTE, &[0, 1, 2, 3, 4])?;
    ensure!(
        answer.w(0) == NOT_SUPPORTED && answer.0[1..6] == [0, 1, 2, 3, 4],
        "{:x?}",
        &answer.0[..6]
    );
    Ok(())
}

fn quote_not_outside() -> Outcome {
    let answer = ffa(QUOTE, &[0, 0]);
    ensure!(
        answer.w(0) == NOT_SUPPORTED && answer.0[1..8] == [0; 7],
        "{:x?}",
        &answer.0[..8]
    );
    Ok(())
}
