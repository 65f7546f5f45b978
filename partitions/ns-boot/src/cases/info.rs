//! Partition information, in a buffer and in registers (DEN0077A 1.2, sections 6.2, 13.8 and 13.9).
use super::discovery::{RX, with_version};
use super::{
    A, B, Case, HIDDEN, MANAGED, NARROW, Outcome, VICTIM_1, VICTIM_2, VISIBLE, bad, clause, good, inside_bad,
    inside_good, look, right, wrong,
};
use crate::ensure;
use sp_rt::ffa::{self as f, Error};

const GET: &[u32] = &[f::PARTITION_INFO_GET];
const REGS: &[u32] = &[f::PARTITION_INFO_GET_REGS];

/// These cases.
pub const CASES: &[Case] = &[
    right("info-count", GET, clause::INFO_GET, || {
        count([0; 4], VISIBLE.len() as u64)
    }),
    right("info-count-of-a-uuid", GET, clause::INFO_GET, || {
        for target in [A, B, NARROW] {
            count(uuid(target), 1)?;
        }
        Ok(())
    }),
    right("info-count-without-buffers", GET, clause::INFO_GET, || {
        without_buffers(|| count([0; 4], VISIBLE.len() as u64))
    }),
    right("info-list", GET, clause::INFO_GET, list),
    right("info-of-a-uuid", GET, clause::INFO_GET, one),
    right("info-1.1", GET, clause::INFO_GET, || {
        with_version(f::VERSION_1_1, || {
            let answer = good(f::PARTITION_INFO_GET, &[])?;
            let properties = RX.read(0) >> 32;
            good(f::RX_RELEASE, &[])?;
            ensure!(answer.x(3) == 24, "descriptors of {} bytes", answer.x(3));
            // Bits 9 and 10 (FFA_MSG_SEND_DIRECT_REQ2) are of 1.2.
            ensure!(properties >> 9 == 0, "properties {properties:#x}");
            Ok(())
        })
    }),
    // 18.5: descriptors of 8 bytes, whose size is not told.
    right("info-1.0", GET, "18.5", || with_version(f::VERSION_1_0, list_1_0)),
    right("info-of-a-partition", GET, clause::INFO_GET, of_a_partition),
    wrong("info-unknown-uuid", GET, clause::INFO_GET, || {
        let a = uuid(A);
        for unknown in [
            [1, 2, 3, 4],
            [a[0], a[1], a[2], a[3] ^ 1],
            [a[1], a[0], a[2], a[3]],
        ] {
            refused(unknown, 0)?;
            refused(unknown, 1)?;
        }
        Ok(())
    }),
    // Policy: whom a caller may not call does not exist for it.
    wrong("info-of-whom-one-may-not-call", GET, clause::INFO_GET, || {
        refused(uuid(HIDDEN), 0)?;
        refused(uuid(HIDDEN), 1)?;
        let [a, b, c, d] = uuid(MANAGED);
        inside_bad(
            A,
            f::PARTITION_INFO_GET,
            &[a, b, c, d, 1],
            Error::INVALID_PARAMETERS,
        )
    }),
    wrong("info-reserved-flags", GET, clause::INFO_GET, || {
        for flags in [2, 3, 4, 0x8000_0000] {
            refused([0; 4], flags)?;
        }
        Ok(())
    }),
    wrong("info-full-buffer", GET, clause::INFO_GET, || {
        good(f::PARTITION_INFO_GET, &[])?;
        RX.write(0, 0x77);
        let full = bad(f::PARTITION_INFO_GET, &[], Error::BUSY);
        let first = RX.read(0);
        good(f::RX_RELEASE, &[])?;
        ensure!(first == 0x77, "the buffer was written: {first:#x}");
        full
    }),
    wrong("info-without-buffers", GET, clause::INFO_GET, || {
        without_buffers(|| bad(f::PARTITION_INFO_GET, &[], Error::BUSY))
    }),
    wrong("info-of-a-partition-full-buffer", GET, clause::INFO_GET, || {
        inside_good(A, f::PARTITION_INFO_GET, &[])?;
        let full = inside_bad(A, f::PARTITION_INFO_GET, &[], Error::BUSY);
        inside_good(A, f::RX_RELEASE, &[])?;
        full
    }),
    right("info-regs", REGS, clause::INFO_GET_REGS, || {
        let answer = good(f::PARTITION_INFO_GET_REGS, &[0, 0, 0])?;
        entries(&answer, 0, VISIBLE.len(), &VISIBLE[..5])
    }),
    right("info-regs-goes-on", REGS, clause::INFO_GET_REGS, || {
        for start in 1..VISIBLE.len() {
            let answer = good(f::PARTITION_INFO_GET_REGS, &[0, 0, start as u64])?;
            let some = &VISIBLE[start..VISIBLE.len().min(start + 5)];
            entries(&answer, start, VISIBLE.len(), some)?;
        }
        Ok(())
    }),
    right("info-regs-of-a-uuid", REGS, clause::INFO_GET_REGS, || {
        let [a, b, c, d] = uuid(B);
        let answer = good(f::PARTITION_INFO_GET_REGS, &[a | b << 32, c | d << 32, 0])?;
        entries(&answer, 0, 1, &[B])?;
        ensure!(
            answer.x(4) == 0 && answer.x(5) == 0,
            "a UUID that was asked for is told"
        );
        Ok(())
    }),
    right("info-regs-of-a-partition", REGS, clause::INFO_GET_REGS, || {
        let all = [A, B, HIDDEN, NARROW, VICTIM_1, VICTIM_2];
        let answer = inside_good(A, f::PARTITION_INFO_GET_REGS, &[0, 0, 0])?;
        let (last, size) = (answer.x(2) & 0xffff, answer.x(2) >> 48);
        ensure!(
            last == all.len() as u64 - 1 && size == 24,
            "last index {last}, size {size}"
        );
        for (n, expected) in all.into_iter().take(3).enumerate() {
            let id = answer.x(3 + 3 * n) & 0xffff;
            ensure!(id == u64::from(expected), "entry {n} is {id:#x}");
        }
        Ok(())
    }),
    wrong(
        "info-regs-start-behind-the-end",
        REGS,
        clause::INFO_GET_REGS,
        || {
            for start in [VISIBLE.len() as u64, 99, 0xffff] {
                regs_refused([0; 2], start)?;
            }
            Ok(())
        },
    ),
    wrong(
        "info-regs-start-behind-a-uuid",
        REGS,
        clause::INFO_GET_REGS,
        || {
            let [a, b, c, d] = uuid(A);
            regs_refused([a | b << 32, c | d << 32], 1)
        },
    ),
    // A tag that was never given; the first call has none.
    wrong("info-regs-wrong-tag", REGS, clause::INFO_GET_REGS, || {
        for tag in [1_u64, 0xffff] {
            for start in [0, 1] {
                let w3 = tag << 16 | start;
                let answer = super::ffa(f::PARTITION_INFO_GET_REGS, &[0, 0, w3]);
                let error = answer.success().err();
                let right = error == Some(Error::INVALID_PARAMETERS) || error == Some(Error::RETRY);
                ensure!(right, "tag {tag:#x}: {:#x} {:#x}", answer.x(0), answer.x(2));
            }
        }
        Ok(())
    }),
    wrong("info-regs-unknown-uuid", REGS, clause::INFO_GET_REGS, || {
        regs_refused([1, 2], 0)?;
        let [a, b, c, d] = uuid(HIDDEN);
        regs_refused([a | b << 32, c | d << 32], 0)
    }),
];

/// The UUID of a partition as the table says it: four words, of bytes in their order.
pub fn uuid(target: u16) -> [u64; 4] {
    let bytes = [
        0x5d,
        0x1a,
        0x0c,
        0x4e,
        0x00,
        (target & 0xff) as u8,
        0x4e,
        0x0b,
        0x9c,
        0x1d,
        0x8f,
        0x2e,
        0x6a,
        0x7b,
        0x3c,
        0x40,
    ];
    let word = |n: usize| u32::from_le_bytes([bytes[n], bytes[n + 1], bytes[n + 2], bytes[n + 3]]);
    [0, 4, 8, 12].map(|n| u64::from(word(n)))
}

fn count([a, b, c, d]: [u64; 4], expected: u64) -> Outcome {
    let count = good(f::PARTITION_INFO_GET, &[a, b, c, d, 1])?.x(2);
    ensure!(count == expected, "{count} partitions, not {expected}");
    // No buffer was filled for it.
    bad(f::RX_RELEASE, &[], Error::DENIED)
}

fn refused([a, b, c, d]: [u64; 4], flags: u64) -> Outcome {
    bad(
        f::PARTITION_INFO_GET,
        &[a, b, c, d, flags],
        Error::INVALID_PARAMETERS,
    )?;
    bad(f::RX_RELEASE, &[], Error::DENIED)
}

fn regs_refused([low, high]: [u64; 2], start: u64) -> Outcome {
    bad(
        f::PARTITION_INFO_GET_REGS,
        &[low, high, start],
        Error::INVALID_PARAMETERS,
    )
}

/// Without buffers; they are mapped again behind it.
fn without_buffers(what: impl FnOnce() -> Outcome) -> Outcome {
    good(f::RXTX_UNMAP, &[0])?;
    let result = what();
    good(f::RXTX_MAP_64, &[super::discovery::TX.address(), RX.address(), 1])?;
    result
}

/// How many contexts a partition has: as many as the cores that the table gives it.
fn contexts_of(partition: u16) -> u64 {
    if partition == NARROW { 2 } else { 4 }
}

/// 24 bytes each: ID, contexts, properties, UUID; in the table's order. The buffer is the caller's until it
/// gives it back.
fn list() -> Outcome {
    let answer = good(f::PARTITION_INFO_GET, &[])?;
    let (count, size) = (answer.x(2), answer.x(3));
    ensure!(
        count == VISIBLE.len() as u64 && size == 24,
        "{count} of {size} bytes"
    );
    let mut result = Ok(());
    for (n, expected) in VISIBLE.into_iter().enumerate() {
        result = result.and(entry(
            &[0, 1, 2].map(|word| RX.read(3 * n + word)),
            expected,
            true,
        ));
    }
    good(f::RX_RELEASE, &[])?;
    result
}

/// That a descriptor is of this partition; with its UUID, or none.
fn entry(words: &[u64; 3], expected: u16, with_uuid: bool) -> Outcome {
    let (id, contexts, properties) = (words[0] & 0xffff, words[0] >> 16 & 0xffff, words[0] >> 32);
    ensure!(
        id == u64::from(expected) && contexts == contexts_of(expected),
        "{id:#x} with {contexts} contexts, not {expected:#x}"
    );
    // Direct requests (bit 0), S-EL1 AArch64 (bit 8); DIRECT_REQ2 (bit 9) where the table says so.
    let needed = if expected == NARROW { 0x101 } else { 0x301 };
    let forbidden = if expected == NARROW { 0x20c } else { 0 };
    ensure!(
        properties & needed == needed && properties & forbidden == 0,
        "{expected:#x} has the properties {properties:#x}"
    );
    let [a, b, c, d] = if with_uuid { uuid(expected) } else { [0; 4] };
    ensure!(
        words[1] == a | b << 32 && words[2] == c | d << 32,
        "{expected:#x} has the UUID {:#x} {:#x}",
        words[1],
        words[2]
    );
    Ok(())
}

/// Where a UUID is asked for, it is not told again.
fn one() -> Outcome {
    for target in [B, NARROW] {
        let [a, b, c, d] = uuid(target);
        let count = good(f::PARTITION_INFO_GET, &[a, b, c, d, 0])?.x(2);
        let words = [0, 1, 2].map(|word| RX.read(word));
        good(f::RX_RELEASE, &[])?;
        ensure!(count == 1, "{count} with the UUID of {target:#x}");
        entry(&words, target, false)?;
    }
    Ok(())
}

fn list_1_0() -> Outcome {
    let answer = good(f::PARTITION_INFO_GET, &[])?;
    let words: [u64; VISIBLE.len()] = core::array::from_fn(|n| RX.read(n));
    good(f::RX_RELEASE, &[])?;
    ensure!(
        answer.x(2) == VISIBLE.len() as u64 && answer.x(3) == 0,
        "{} of {} bytes",
        answer.x(2),
        answer.x(3)
    );
    for (word, expected) in words.into_iter().zip(VISIBLE) {
        ensure!(
            word & 0xffff == u64::from(expected) && word >> 35 == 0,
            "{expected:#x} is {word:#x}"
        );
    }
    Ok(())
}

/// A partition sees itself and whom it may call, no one else.
fn of_a_partition() -> Outcome {
    let seen = [A, B, HIDDEN, NARROW, VICTIM_1, VICTIM_2];
    let answer = inside_good(A, f::PARTITION_INFO_GET, &[])?;
    let words = look(A, 0)?;
    inside_good(A, f::RX_RELEASE, &[])?;
    ensure!(answer.x(2) == seen.len() as u64, "it sees {}", answer.x(2));
    for (n, expected) in seen.into_iter().take(4).enumerate() {
        let id = words[3 * n] & 0xffff;
        ensure!(id == u64::from(expected), "entry {n} is {id:#x}");
    }
    let count = inside_good(B, f::PARTITION_INFO_GET, &[0, 0, 0, 0, 1])?.x(2);
    ensure!(count == 2, "callee sees {count}");
    Ok(())
}

/// That an answer in registers holds these entries, from index `start` of `count` on.
fn entries(answer: &f::Regs, start: usize, count: usize, some: &[u16]) -> Outcome {
    let last = (count - 1) as u64;
    let current = (start + some.len() - 1) as u64;
    let expected = last | current << 16 | 24 << 48;
    ensure!(
        answer.x(2) == expected,
        "x2 is {:#x}, not {expected:#x}",
        answer.x(2)
    );
    for (n, expected) in some.iter().enumerate() {
        let words = [0, 1, 2].map(|word| answer.x(3 + 3 * n + word));
        entry(&words, *expected, count > 1)?;
    }
    Ok(())
}
