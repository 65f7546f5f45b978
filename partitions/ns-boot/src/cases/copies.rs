//! A window that the hypervisor copies (docs/sel4.md): what is copied, and everything else that a partition might name.
use super::share::{Descriptor, field};
use super::{A, B, Case, Outcome, ask, ffa, inside, isolation, reclaim, taken};
use crate::arch::machine::Page;
use crate::ensure;
use crate::test_sp;

/// These cases, for a table in which only [`A`] has its window copied.
pub const CASES: &[Case] = &[
    isolation("window-copy-both-ways", both_ways),
    isolation("window-copy-wrong-lengths", wrong_lengths),
    isolation("window-copy-of-another-s-memory", foreign_memory),
    isolation("window-copy-of-nothing", nothing_there),
    isolation("window-copy-read-only", read_only),
    isolation("window-copy-after-relinquish", after_relinquish),
    isolation("window-copy-not-allowed", not_allowed),
];

const READ: u32 = 0xc600_0003;
const WRITE: u32 = 0xc600_0004;
const NOT_SUPPORTED: u32 = (-1_i32).cast_unsigned();
const INVALID_PARAMETER: u32 = (-3_i32).cast_unsigned();

static PAGES: [Page; 2] = [const { Page::new() }; 2];

/// What stands in each word of the shared pages.
fn mark(n: usize) -> u64 {
    0x1234_5678_0000_0000 | n as u64
}

/// With both pages shared with A and retrieved with these permissions: their place in its window, and a page of its own.
fn with(permissions: u8, what: impl Fn(u64, u64) -> Outcome) -> Outcome {
    for n in 0..512 {
        PAGES[0].write(n, mark(n));
        PAGES[1].write(n, mark(512 + n));
    }
    let ranges = PAGES.iter().map(|page| (page.address(), 1));
    let handle = Descriptor::new(A, ranges).share()?;
    let retrieval = Descriptor::retrieval(0, A, handle).with(field::PERMISSIONS, &[permissions]);
    let window = taken(A, &retrieval.of(A)?)?;
    let [_, _, own, _] = ask(A, test_sp::PLACES, [0; 4])?;
    let result = what(window, own);
    ask(A, test_sp::RELINQUISH, [handle, 0, 0, 0])?;
    reclaim(handle)?;
    result
}

/// The call of A with this answer, which has no other result.
fn copy(function: u32, arguments: [u64; 3], expected: u32) -> Outcome {
    let answer = inside(A, function, &arguments)?;
    ensure!(
        answer.w(0) == expected && answer.0[1..4] == arguments,
        "{function:#x} {arguments:x?}: {:x?}",
        &answer.0[..4]
    );
    Ok(())
}

/// Refused in both directions, and the shared pages are as they were.
fn refused(arguments: [u64; 3]) -> Outcome {
    copy(READ, arguments, INVALID_PARAMETER)?;
    copy(WRITE, arguments, INVALID_PARAMETER)?;
    unchanged()
}

fn unchanged() -> Outcome {
    for n in 0..1024 {
        let found = PAGES[n / 512].read(n % 512);
        ensure!(found == mark(n), "word {n} is {found:#x}");
    }
    Ok(())
}

fn word_of(own: u64) -> Outcome<u64> {
    Ok(ask(A, test_sp::READ, [own, 0, 0, 0])?[0])
}

fn both_ways() -> Outcome {
    with(2, |window, own| {
        copy(READ, [own, window + 0x1000, 4096], 0)?;
        for n in [0, 1, 511] {
            let found = word_of(own + 8 * n)?;
            ensure!(found == mark(512 + n as usize), "word {n}: {found:#x}");
        }
        ask(A, test_sp::WRITE, [own + 64, 0x77, 0, 0])?;
        // One word, to another place in the other page.
        copy(WRITE, [own + 64, window + 4088, 8], 0)?;
        let (last, before) = (PAGES[0].read(511), PAGES[0].read(510));
        ensure!(last == 0x77 && before == mark(510), "{last:#x} {before:#x}");
        PAGES[0].write(511, mark(511));
        unchanged()
    })
}

fn wrong_lengths() -> Outcome {
    with(2, |window, own| {
        for [from, to, length] in [
            [0, 0, 0],
            [0, 0, 4097],
            [0, 0, 1 << 32 | 8],
            [0, 0, u64::MAX],
            [8, 0, 4096],
            [0, 8, 4096],
            [4088, 0, 16],
            [0, 4088, 16],
        ] {
            refused([own + from, window + to, length])?;
        }
        Ok(())
    })
}

/// The hypervisor's, another partition's, a device's, the normal world's, its own window, none at all.
fn foreign_memory() -> Outcome {
    with(2, |window, _| {
        for page in [
            0x0e10_0000,
            0x0e00_0000,
            0x0e30_0000,
            0x0900_0000,
            0x0800_0000,
            PAGES[0].address(),
            window,
            0,
            0x1_0000_0000_0000,
            u64::MAX - 4095,
        ] {
            refused([page, window, 8])?;
        }
        Ok(())
    })
}

/// Behind what was retrieved, and where there is no window: the pages' own address, secure memory.
fn nothing_there() -> Outcome {
    with(2, |window, own| {
        for place in [
            window + 0x2000,
            window + 0x40_0000,
            window - 8,
            PAGES[0].address(),
            own,
            0x0e10_0000,
            0,
            u64::MAX - 4095,
        ] {
            refused([own, place, 8])?;
        }
        Ok(())
    })
}

fn read_only() -> Outcome {
    with(1, |window, own| {
        copy(WRITE, [own, window, 8], INVALID_PARAMETER)?;
        copy(READ, [own, window, 8], 0)?;
        unchanged()
    })
}

fn after_relinquish() -> Outcome {
    let [_, _, own, _] = ask(A, test_sp::PLACES, [0; 4])?;
    let handle = Descriptor::new(A, [(PAGES[0].address(), 1)].into_iter()).share()?;
    let window = taken(A, &Descriptor::retrieval(0, A, handle).of(A)?)?;
    copy(READ, [own, window, 8], 0)?;
    ask(A, test_sp::RELINQUISH, [handle, 0, 0, 0])?;
    for function in [READ, WRITE] {
        copy(function, [own, window, 8], INVALID_PARAMETER)?;
    }
    reclaim(handle)
}

/// For another partition, and for the normal world, there is no such call.
fn not_allowed() -> Outcome {
    with(2, |window, own| {
        for function in [READ, WRITE] {
            let answer = inside(B, function, &[0x0e30_0000, window, 8])?;
            ensure!(answer.w(0) == NOT_SUPPORTED, "{:#x}", answer.x(0));
            let answer = ffa(function, &[own, window, 8]);
            ensure!(answer.w(0) == NOT_SUPPORTED, "{:#x}", answer.x(0));
        }
        unchanged()
    })
}
