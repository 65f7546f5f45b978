//! Memory that the normal world shares: what has to work, and what has to be refused whole (DEN0140 1.2).
use super::share::Descriptor;
use super::{
    A, B, Case, MANAGED, Outcome, ask, bad, clause, ffa, good, halves, handle_of, reclaim, right, tell, wrong,
};
use crate::arch::machine::Page;
use crate::ensure;
use crate::test_sp;
use sp_rt::ffa::{self as f, Error};

const SHARE: &[u32] = &[f::MEM_SHARE];

/// These cases.
pub const CASES: &[Case] = &[
    right(
        "share-one-page",
        &[
            f::MEM_SHARE,
            f::MEM_RETRIEVE_REQ,
            f::MEM_RELINQUISH,
            f::MEM_RECLAIM,
        ],
        clause::SHARE,
        || one_page(f::MEM_SHARE),
    ),
    right("share-one-page-64", &[f::MEM_SHARE_64], clause::SHARE, || {
        one_page(f::MEM_SHARE_64)
    }),
    right(
        "share-scattered",
        &[f::MEM_SHARE, f::MEM_FRAG_TX],
        clause::FRAGMENTS,
        || share_scattered(512, 4096),
    ),
    right(
        "share-in-small-fragments",
        &[f::MEM_SHARE, f::MEM_FRAG_TX],
        clause::FRAGMENTS,
        || share_scattered(40, 96 + 3 * 16),
    ),
    right(
        "share-again-after-reclaim",
        &[f::MEM_SHARE, f::MEM_RECLAIM],
        clause::RECLAIM,
        again,
    ),
    wrong(
        "share-lengths",
        &[f::MEM_SHARE, f::MEM_SHARE_64],
        clause::SHARE,
        wrong_lengths,
    ),
    wrong(
        "share-in-another-buffer",
        &[f::MEM_SHARE, f::MEM_SHARE_64],
        "DEN0140 4.1.1",
        other_buffer,
    ),
    wrong("share-secure-memory", SHARE, clause::SHARE, || {
        not_mine(&[0x0e00_0000, 0x0e10_0000, 0x0e20_0000, 0x0e30_0000, 0x0eff_f000])
    }),
    wrong("share-a-device", SHARE, clause::SHARE, || {
        not_mine(&[0x0900_0000, 0x0904_0000, 0x0800_0000, 0x080a_0000])
    }),
    wrong("share-no-memory", SHARE, clause::SHARE, || {
        not_mine(&[0, 0x3fff_f000, 0x1_0000_0000_0000, 0xffff_ffff_f000])
    }),
    // A good page and a bad one: neither is shared.
    wrong("share-some-of-another", SHARE, clause::SHARE, || {
        for pages in [[PAGE.address(), 0x0e10_0000], [0x0e10_0000, PAGE.address()]] {
            let both = Descriptor::new(A, pages.into_iter().map(|page| (page, 1)));
            refused("mine and not mine", &both, Error::DENIED)?;
        }
        reclaim(one(A).share()?)
    }),
    wrong("share-twice", SHARE, clause::SHARE, twice),
    wrong("share-overlapping-ranges", SHARE, clause::SHARE, || {
        let (first, second) = (POOL[0].address(), POOL[1].address());
        for ranges in [
            [(first, 2), (second, 1)],
            [(first, 1), (first, 1)],
            [(second, 1), (first, 2)],
        ] {
            refused(
                "overlapping",
                &Descriptor::new(A, ranges.into_iter()),
                Error::DENIED,
            )
            .or_else(|_| {
                refused(
                    "overlapping",
                    &Descriptor::new(A, ranges.into_iter()),
                    Error::INVALID_PARAMETERS,
                )
            })?;
        }
        reclaim(one(A).share()?)
    }),
    wrong("share-until-full", SHARE, clause::SHARE, until_full),
    wrong(
        "reclaim-while-retrieved",
        &[f::MEM_RECLAIM],
        clause::RECLAIM,
        while_retrieved,
    ),
    wrong("reclaim-unknown", &[f::MEM_RECLAIM], clause::RECLAIM, || {
        let old = one(A).share()?;
        reclaim(old)?;
        for handle in [0, 0x77, u64::MAX, old, 1 << 63] {
            let [low, high] = halves(handle);
            bad(f::MEM_RECLAIM, &[low, high, 0], Error::INVALID_PARAMETERS)?;
        }
        Ok(())
    }),
    wrong("reclaim-guessed", &[f::MEM_RECLAIM], clause::RECLAIM, guessed),
    wrong(
        "reclaim-reserved-flags",
        &[f::MEM_RECLAIM],
        clause::RECLAIM,
        || {
            let handle = one(A).share()?;
            let [low, high] = halves(handle);
            let mut result = Ok(());
            for flags in [4, 8, 0x8000_0000] {
                result = result.and(bad(
                    f::MEM_RECLAIM,
                    &[low, high, flags],
                    Error::INVALID_PARAMETERS,
                ));
            }
            reclaim(handle)?;
            result
        },
    ),
    wrong("fragment-unknown", &[f::MEM_FRAG_TX], clause::FRAGMENTS, || {
        for handle in [0x77, 0, u64::MAX] {
            let [low, high] = halves(handle);
            bad(f::MEM_FRAG_TX, &[low, high, 16, 0], Error::INVALID_PARAMETERS)?;
        }
        Ok(())
    }),
    // A wrong fragment ends the transmission: the pages can be shared anew.
    wrong("fragment-empty", &[f::MEM_FRAG_TX], clause::FRAGMENTS, || {
        broken_off(0)
    }),
    wrong(
        "fragment-of-half-a-range",
        &[f::MEM_FRAG_TX],
        clause::FRAGMENTS,
        || broken_off(24),
    ),
    wrong("fragment-too-long", &[f::MEM_FRAG_TX], clause::FRAGMENTS, || {
        broken_off(64)
    }),
    wrong(
        "fragment-longer-than-a-page",
        &[f::MEM_FRAG_TX],
        clause::FRAGMENTS,
        || broken_off(4112),
    ),
    wrong(
        "fragment-for-another",
        &[f::MEM_FRAG_TX],
        clause::FRAGMENTS,
        || {
            let (handle, _) = begun()?;
            let [low, high] = halves(handle);
            let mut result = Ok(());
            for id in [A, 0x8000, 7] {
                let call = [low, high, 16, u64::from(id) << 16];
                result = result.and(bad(f::MEM_FRAG_TX, &call, Error::INVALID_PARAMETERS));
            }
            // It goes on all the same.
            let rest = good(f::MEM_FRAG_TX, &[low, high, 48, 0])?;
            reclaim(handle_of(&rest))?;
            result
        },
    ),
    wrong(
        "fragment-after-the-last",
        &[f::MEM_FRAG_TX],
        clause::FRAGMENTS,
        || {
            let handle = one(A).share()?;
            let [low, high] = halves(handle);
            let result = bad(f::MEM_FRAG_TX, &[low, high, 16, 0], Error::INVALID_PARAMETERS);
            reclaim(handle)?;
            result
        },
    ),
    right(
        "fragments-given-up",
        &[f::MEM_FRAG_TX, f::MEM_RECLAIM],
        clause::FRAGMENTS,
        || {
            let (handle, page) = begun()?;
            reclaim(handle)?;
            reclaim(Descriptor::new(A, [(page, 1)].into_iter()).share()?)
        },
    ),
    wrong(
        "retrieve-unfinished",
        &[f::MEM_RETRIEVE_REQ],
        clause::RETRIEVE,
        || {
            let (handle, _) = begun()?;
            let (status, _) = tell(A, test_sp::RETRIEVE, [handle, 0, 0, 0])?;
            reclaim(handle)?;
            ensure!(status == Error::INVALID_PARAMETERS, "{status:?}");
            Ok(())
        },
    ),
];

static PAGE: Page = Page::new();
static OTHER: Page = Page::new();
const POOL_PAGES: usize = 1024;
static POOL: [Page; POOL_PAGES] = [const { Page::new() }; POOL_PAGES];

fn one(receiver: u16) -> Descriptor {
    Descriptor::new(receiver, [(PAGE.address(), 1)].into_iter())
}

/// A page appears in the borrower's window, both see what the other one writes, it goes away again, and is
/// the owner's.
fn one_page(function: u32) -> Outcome {
    PAGE.write(5, 0x5555_aaaa);
    let handle = one(A).by(function).share()?;
    let [address, ranges, pages, _] = ask(A, test_sp::RETRIEVE, [handle, 0, 0, 0])?;
    ensure!(
        ranges == 1 && pages == 1 && address % 4096 == 0,
        "{ranges} ranges, {pages} pages, at {address:#x}"
    );
    let [value, syndrome, ..] = ask(A, test_sp::READ, [address + 40, 0, 0, 0])?;
    ensure!(
        value == 0x5555_aaaa && syndrome == 0,
        "read {value:#x}, syndrome {syndrome:#x}"
    );
    ask(A, test_sp::WRITE, [address + 48, 0x1234, 0, 0])?;
    ensure!(
        PAGE.read(6) == 0x1234,
        "what the borrower wrote is {:#x}",
        PAGE.read(6)
    );
    ask(A, test_sp::RELINQUISH, [handle, 0, 0, 0])?;
    reclaim(handle)?;
    let [low, high] = halves(handle);
    bad(f::MEM_RECLAIM, &[low, high, 0], Error::INVALID_PARAMETERS)
}

/// So many pages, no two together, in fragments: all of them, in order, and nothing beside them.
fn share_scattered(count: usize, fragment: usize) -> Outcome {
    let pages = || POOL.iter().rev().step_by(2).take(count);
    for (n, page) in pages().enumerate() {
        page.write(0, 0xabc0_0000 + n as u64);
    }
    let descriptor = Descriptor::new(A, pages().map(|page| (page.address(), 1)));
    let answer = descriptor.send(fragment);
    ensure!(
        answer.success().is_ok(),
        "share: {:#x} {:#x}",
        answer.x(0),
        answer.x(2)
    );
    let handle = handle_of(&answer);
    let [address, ranges, got, _] = ask(A, test_sp::RETRIEVE, [handle, 0, 0, 0])?;
    ensure!(got == count as u64, "{got} pages");
    // The window shows them as one run (a borrower would have to take several ranges, too).
    if ranges == 1 {
        for n in (0..count as u64).step_by(7) {
            let [value, ..] = ask(A, test_sp::READ, [address + n * 4096, 0, 0, 0])?;
            ensure!(value == 0xabc0_0000 + n, "page {n} holds {value:#x}");
        }
    }
    ask(A, test_sp::RELINQUISH, [handle, 0, 0, 0])?;
    reclaim(handle)
}

/// Handles and windows do not wear out.
fn again() -> Outcome {
    for n in 0..300 {
        PAGE.write(0, n);
        let handle = one(A).share()?;
        let [address, ..] = ask(A, test_sp::RETRIEVE, [handle, 0, 0, 0])?;
        let [value, ..] = ask(A, test_sp::READ, [address, 0, 0, 0])?;
        ensure!(value == n, "round {n}: {value}");
        ask(A, test_sp::RELINQUISH, [handle, 0, 0, 0])?;
        ask(A, test_sp::BORROW, [handle, 0, 0, 0])?;
        reclaim(handle)?;
    }
    Ok(())
}

/// That a descriptor is refused with this status.
pub fn refused(what: &str, descriptor: &Descriptor, expected: Error) -> Outcome {
    let answer = descriptor.send(4096);
    let error = answer.success().err();
    ensure!(
        answer.function() == f::ERROR && error == Some(expected),
        "{what}: {:#x} {error:?}, not {expected:?}",
        answer.x(0)
    );
    Ok(())
}

/// Total and fragment lengths that do not fit the descriptor or each other.
fn wrong_lengths() -> Outcome {
    for function in [f::MEM_SHARE, f::MEM_SHARE_64] {
        for (total, fragment) in [
            (112, 113),
            (0, 0),
            (112, 0),
            (112, 40),
            (96, 96),
            (128, 128),
            (111, 111),
            (u64::from(u32::MAX), 4096),
            (4200, 4200),
        ] {
            super::discovery::TX.fill(one(A).bytes());
            bad(function, &[total, fragment], Error::INVALID_PARAMETERS)?;
        }
    }
    reclaim(one(A).share()?)
}

/// A buffer that is not TX is optional; here there is none.
fn other_buffer() -> Outcome {
    super::discovery::TX.fill(one(A).bytes());
    for function in [f::MEM_SHARE, f::MEM_SHARE_64] {
        for (address, pages) in [
            (0x0e10_0000, 1),
            (OTHER.address(), 1),
            (0, 1),
            (OTHER.address(), 0),
        ] {
            let call = [112, 112, address, pages];
            bad(function, &call, Error::INVALID_PARAMETERS)?;
        }
    }
    reclaim(one(A).share()?)
}

/// M1, M2: nobody shares what is not normal memory of its own.
fn not_mine(pages: &[u64]) -> Outcome {
    for address in pages {
        let descriptor = Descriptor::new(A, [(*address, 1)].into_iter());
        refused("somebody else's", &descriptor, Error::DENIED)?;
    }
    reclaim(one(A).share()?)
}

/// A page that is shared cannot be shared again, with whomever.
fn twice() -> Outcome {
    let handle = one(A).share()?;
    let result = refused("the same receiver", &one(A), Error::DENIED)
        .and_then(|()| refused("another receiver", &one(B), Error::DENIED))
        .and_then(|()| refused("as a loan", &one(A).lent(), Error::DENIED))
        .and_then(|()| refused("as a present", &one(A).donated(), Error::DENIED));
    reclaim(handle)?;
    result
}

fn while_retrieved() -> Outcome {
    let handle = one(A).share()?;
    ask(A, test_sp::RETRIEVE, [handle, 0, 0, 0])?;
    let [low, high] = halves(handle);
    let early = bad(f::MEM_RECLAIM, &[low, high, 0], Error::DENIED);
    ask(A, test_sp::RELINQUISH, [handle, 0, 0, 0])?;
    reclaim(handle)?;
    early
}

/// Handles beside a live one name nothing.
fn guessed() -> Outcome {
    let handle = one(A).share()?;
    let mut result = Ok(());
    for bit in 0..64 {
        let [low, high] = halves(handle ^ 1 << bit);
        result = result.and(bad(f::MEM_RECLAIM, &[low, high, 0], Error::INVALID_PARAMETERS));
    }
    let (status, _) = tell(B, test_sp::RETRIEVE, [handle, 0, 0, 0])?;
    reclaim(handle)?;
    ensure!(
        status == Error::INVALID_PARAMETERS,
        "another borrower: {status:?}"
    );
    result
}

/// Begins a transmission of four ranges, of which one has arrived: the handle, and the first page.
fn begun() -> Outcome<(u64, u64)> {
    let pages = || POOL.iter().step_by(2).take(4);
    let descriptor = Descriptor::new(A, pages().map(|page| (page.address(), 1)));
    let all = descriptor.bytes();
    super::discovery::TX.fill(&all[..112]);
    let answer = ffa(f::MEM_SHARE, &[all.len() as u64, 112]);
    ensure!(
        answer.function() == f::MEM_FRAG_RX && answer.w(3) == 112,
        "{:#x} {:#x} {}",
        answer.x(0),
        answer.x(2),
        answer.x(3)
    );
    super::discovery::TX.fill(&all[112..]);
    let handle = u64::from(answer.w(1)) | u64::from(answer.w(2)) << 32;
    Ok((handle, POOL[0].address()))
}

/// A fragment of this length is refused, and the transmission is over.
fn broken_off(length: u64) -> Outcome {
    let (handle, page) = begun()?;
    let [low, high] = halves(handle);
    bad(f::MEM_FRAG_TX, &[low, high, length, 0], Error::INVALID_PARAMETERS)?;
    // One that is longer than a buffer was not looked at: it may go on, or be given up.
    if length > 4096 {
        return reclaim(handle);
    }
    bad(f::MEM_FRAG_TX, &[low, high, 48, 0], Error::INVALID_PARAMETERS)?;
    reclaim(Descriptor::new(A, [(page, 1)].into_iter()).share()?)
}

/// T2: one partition's quota of shares ends with an error, leaves the others theirs, and is whole
/// again afterwards.
fn until_full() -> Outcome {
    let mut handles = [0; 64];
    let mut count = 0;
    let mut last = None;
    for (handle, page) in handles.iter_mut().zip(&POOL) {
        let answer = Descriptor::new(A, [(page.address(), 1)].into_iter()).send(4096);
        last = answer.success().err();
        if last.is_some() {
            break;
        }
        *handle = handle_of(&answer);
        count += 1;
        ask(A, test_sp::RETRIEVE, [*handle, 0, 0, 0])?;
    }
    let other = Descriptor::new(MANAGED, [(OTHER.address(), 1)].into_iter()).share();
    for handle in &handles[..count] {
        ask(A, test_sp::RELINQUISH, [*handle, 0, 0, 0])?;
        reclaim(*handle)?;
    }
    reclaim(other?)?;
    ensure!(
        count == 16 && last == Some(Error::NO_MEMORY),
        "{count} of 16 shares, then {last:?}"
    );
    one_page(f::MEM_SHARE)
}
