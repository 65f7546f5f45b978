//! Shared memory (DEN0140 1.2, chapters 1 and 2).
use super::share::{Descriptor, field};
use super::{A, B, Case, MANAGED, Outcome, ask, bad, clause, ffa, good, right, tell, wrong};
use crate::arch::machine::Page;
use crate::ensure;
use crate::test_sp;
use sp_rt::ffa::{self as f, Error};

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
        one_page,
    ),
    right(
        "share-scattered",
        &[f::MEM_SHARE, f::MEM_FRAG_TX],
        clause::FRAGMENTS,
        scattered,
    ),
    right(
        "share-in-small-fragments",
        &[f::MEM_SHARE, f::MEM_FRAG_TX],
        clause::FRAGMENTS,
        small_fragments,
    ),
    right(
        "share-again-after-reclaim",
        &[f::MEM_SHARE, f::MEM_RECLAIM],
        clause::SHARE,
        again,
    ),
    wrong(
        "share-wrong-descriptors",
        &[f::MEM_SHARE],
        clause::SHARE,
        wrong_descriptors,
    ),
    wrong(
        "share-wrong-lengths",
        &[f::MEM_SHARE],
        clause::SHARE,
        wrong_lengths,
    ),
    wrong("share-not-mine", &[f::MEM_SHARE], clause::SHARE, not_mine),
    wrong("share-twice", &[f::MEM_SHARE], clause::SHARE, twice),
    wrong("share-overlapping", &[f::MEM_SHARE], clause::SHARE, overlapping),
    wrong(
        "retrieve-twice",
        &[f::MEM_RETRIEVE_REQ],
        clause::RETRIEVE,
        retrieve_twice,
    ),
    wrong(
        "retrieve-of-another",
        &[f::MEM_RETRIEVE_REQ],
        clause::RETRIEVE,
        retrieve_of_another,
    ),
    wrong(
        "retrieve-unknown",
        &[f::MEM_RETRIEVE_REQ],
        clause::RETRIEVE,
        retrieve_unknown,
    ),
    wrong(
        "reclaim-while-retrieved",
        &[f::MEM_RECLAIM],
        clause::RECLAIM,
        reclaim_while_retrieved,
    ),
    wrong(
        "reclaim-unknown",
        &[f::MEM_RECLAIM],
        clause::RECLAIM,
        reclaim_unknown,
    ),
    wrong(
        "relinquish-unknown",
        &[f::MEM_RELINQUISH],
        clause::RELINQUISH,
        relinquish_unknown,
    ),
    wrong(
        "fragment-unknown",
        &[f::MEM_FRAG_TX, f::MEM_FRAG_RX],
        clause::FRAGMENTS,
        fragment_unknown,
    ),
    wrong("share-until-full", &[f::MEM_SHARE], clause::SHARE, until_full),
];

static PAGE: Page = Page::new();
static OTHER: Page = Page::new();
const POOL_PAGES: usize = 1024;
static POOL: [Page; POOL_PAGES] = [const { Page::new() }; POOL_PAGES];

fn one(receiver: u16) -> Descriptor {
    Descriptor::new(receiver, [(PAGE.address(), 1)].into_iter())
}

fn handle_arguments(handle: u64) -> [u64; 3] {
    [handle & 0xffff_ffff, handle >> 32, 0]
}

fn reclaim(handle: u64) -> Outcome {
    good(f::MEM_RECLAIM, &handle_arguments(handle)).map(drop)
}

/// DEN0140 1.2, sections 2.3 to 2.7: a page appears in the borrower's window, both see what the other one
/// writes, it goes away again, and is the owner's.
fn one_page() -> Outcome {
    PAGE.write(5, 0x5555_aaaa);
    let handle = one(A).share()?;
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
    bad(
        f::MEM_RECLAIM,
        &handle_arguments(handle),
        Error::INVALID_PARAMETERS,
    )
}

/// 512 pages, no two together, in three fragments: all of them, in order, and nothing beside them.
fn scattered() -> Outcome {
    share_scattered(512, 4096)
}

/// Fragments that end anywhere between two ranges.
fn small_fragments() -> Outcome {
    share_scattered(40, 96 + 3 * 16)
}

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
    let handle = u64::from(answer.w(2)) | u64::from(answer.w(3)) << 32;
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

fn refused(what: &str, descriptor: &Descriptor) -> Outcome {
    let answer = descriptor.send(4096);
    let error = answer.success().err();
    ensure!(
        answer.function() == f::ERROR && error.is_some(),
        "{what}: {:#x} {:#x}",
        answer.x(0),
        answer.x(2)
    );
    Ok(())
}

/// DEN0140 1.2, chapter 1: fields that are wrong by themselves.
fn wrong_descriptors() -> Outcome {
    let cases: [(&str, usize, &[u8]); 24] = [
        ("another sender", field::SENDER, &[1]),
        ("a partition as sender", field::SENDER, &[2, 0x80]),
        ("device attributes", field::ATTRIBUTES, &[0x10]),
        ("reserved attributes", field::ATTRIBUTES + 1, &[0x80]),
        ("clear on share", field::FLAGS, &[1]),
        ("reserved flags", field::FLAGS + 3, &[0x80]),
        ("a handle", field::HANDLE, &[1]),
        ("access size 0", field::ACCESS_SIZE, &[0]),
        ("access size 24", field::ACCESS_SIZE, &[24]),
        ("no receiver", field::RECEIVERS, &[0]),
        ("two receivers", field::RECEIVERS, &[2]),
        ("many receivers", field::RECEIVERS, &[0xff, 0xff, 0xff, 0xff]),
        ("access in the header", field::ACCESS_AT, &[16]),
        ("access behind the end", field::ACCESS_AT, &[0, 0xff]),
        ("unknown receiver", field::RECEIVER, &[0x77, 0x80]),
        ("oneself as receiver", field::RECEIVER, &[0, 0]),
        ("reserved permissions", field::PERMISSIONS, &[0xf2]),
        ("executable", field::PERMISSIONS, &[0x0a]),
        ("no permissions", field::PERMISSIONS, &[0x03]),
        ("composite in the header", field::COMPOSITE_AT, &[8]),
        ("composite behind the end", field::COMPOSITE_AT, &[0, 0xff]),
        ("more pages", field::PAGES, &[2]),
        ("no range", field::RANGES, &[0]),
        ("more ranges", field::RANGES, &[0xff, 0xff, 0xff, 0x0f]),
    ];
    for (what, at, bytes) in cases {
        refused(what, &one(A).with(at, bytes))?;
    }
    refused(
        "a range of no page",
        &one(A).with(field::RANGE_PAGES, &[0]).with(field::PAGES, &[0]),
    )?;
    refused("not a page", &one(A).with(field::ADDRESS, &[8]))?;
    refused(
        "pages beyond the end",
        &one(A)
            .with(field::RANGE_PAGES, &[0xff; 4])
            .with(field::PAGES, &[0xff; 4]),
    )?;
    refused(
        "the end of the world",
        &one(A).with(field::ADDRESS, &[0, 0xf0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
    )?;
    // None of them left anything behind: the page can be shared.
    let handle = one(A).share()?;
    reclaim(handle)
}

/// DEN0140 1.2, section 4.1.2: total and fragment lengths that do not fit.
fn wrong_lengths() -> Outcome {
    let _ = one(A)
        .send(4096)
        .success()
        .map(|answer| reclaim(u64::from(answer.w(2))));
    for (total, fragment) in [
        (112, 113),
        (0, 0),
        (112, 0),
        (112, 40),
        (96, 96),
        (u64::from(u32::MAX), 4096),
        (4200, 4200),
    ] {
        let answer = ffa(f::MEM_SHARE, &[total, fragment]);
        ensure!(
            answer.function() == f::ERROR,
            "{total}/{fragment}: {:#x} {:#x}",
            answer.x(0),
            answer.x(2)
        );
    }
    // A buffer that is not TX is optional; where it is refused it is an error and nothing else.
    let answer = ffa(f::MEM_SHARE, &[112, 112, 0x0e10_0000, 1]);
    ensure!(
        answer.function() == f::ERROR,
        "a secure buffer: {:#x}",
        answer.x(0)
    );
    Ok(())
}

/// M1, M2: nobody shares what is not normal memory of its own.
fn not_mine() -> Outcome {
    for address in [
        0x0e00_0000_u64,
        0x0e10_0000,
        0x0e20_0000,
        0x0e30_0000,
        0x0900_0000,
        0x0904_0000,
        0x0800_0000,
        0,
        0x1_0000_0000_0000,
    ] {
        let descriptor = Descriptor::new(A, [(address, 1)].into_iter());
        refused("somebody else's", &descriptor)?;
    }
    // A good page and a bad one: neither is shared.
    let both = Descriptor::new(A, [(PAGE.address(), 1), (0x0e10_0000, 1)].into_iter());
    refused("mine and not mine", &both)?;
    reclaim(one(A).share()?)
}

/// A page that is shared cannot be shared again, with whomever.
fn twice() -> Outcome {
    let handle = one(A).share()?;
    let result = refused("the same receiver", &one(A)).and_then(|()| refused("another receiver", &one(B)));
    reclaim(handle)?;
    result
}

/// Ranges of one transaction must not overlap.
fn overlapping() -> Outcome {
    let (first, second) = (POOL[0].address(), POOL[1].address());
    let descriptor = Descriptor::new(A, [(first, 2), (second, 1)].into_iter());
    let answer = descriptor.send(4096);
    ensure!(answer.function() == f::ERROR, "{:#x}", answer.x(0));
    Ok(())
}

/// DEN0140 1.2, section 2.4: DENIED where it is retrieved already.
fn retrieve_twice() -> Outcome {
    let handle = one(A).share()?;
    ask(A, test_sp::RETRIEVE, [handle, 0, 0, 0])?;
    let (status, _) = tell(A, test_sp::RETRIEVE, [handle, 0, 0, 0])?;
    ask(A, test_sp::RELINQUISH, [handle, 0, 0, 0])?;
    reclaim(handle)?;
    ensure!(status == Error::DENIED, "{status:?}");
    Ok(())
}

/// M1: only the receiver retrieves.
fn retrieve_of_another() -> Outcome {
    let handle = one(A).share()?;
    let (status, _) = tell(B, test_sp::RETRIEVE, [handle, 0, 0, 0])?;
    reclaim(handle)?;
    ensure!(
        status == Error::INVALID_PARAMETERS || status == Error::DENIED,
        "{status:?}"
    );
    Ok(())
}

/// Handles that were never given, or not any more.
fn retrieve_unknown() -> Outcome {
    let old = one(A).share()?;
    reclaim(old)?;
    for handle in [old, 0, u64::MAX, 0x77] {
        let (status, _) = tell(A, test_sp::RETRIEVE, [handle, 0, 0, 0])?;
        ensure!(status == Error::INVALID_PARAMETERS, "{handle:#x}: {status:?}");
    }
    Ok(())
}

/// DEN0140 1.2, section 2.7: DENIED while a borrower has it.
fn reclaim_while_retrieved() -> Outcome {
    let handle = one(A).share()?;
    ask(A, test_sp::RETRIEVE, [handle, 0, 0, 0])?;
    bad(f::MEM_RECLAIM, &handle_arguments(handle), Error::DENIED)?;
    ask(A, test_sp::RELINQUISH, [handle, 0, 0, 0])?;
    reclaim(handle)
}

/// DEN0140 1.2, section 2.7: INVALID_PARAMETERS for unknown handles and flags.
fn reclaim_unknown() -> Outcome {
    for handle in [0, 0x77, u64::MAX] {
        bad(
            f::MEM_RECLAIM,
            &handle_arguments(handle),
            Error::INVALID_PARAMETERS,
        )?;
    }
    let handle = one(A).share()?;
    let [low, high, _] = handle_arguments(handle);
    let result = bad(
        f::MEM_RECLAIM,
        &[low, high, 0x8000_0000],
        Error::INVALID_PARAMETERS,
    );
    reclaim(handle)?;
    result
}

/// Giving back what one does not have changes nothing.
fn relinquish_unknown() -> Outcome {
    let handle = one(A).share()?;
    ask(A, test_sp::RELINQUISH, [handle, 0, 0, 0])?;
    ask(B, test_sp::RELINQUISH, [handle, 0, 0, 0])?;
    let [address, ..] = ask(A, test_sp::RETRIEVE, [handle, 0, 0, 0])?;
    ask(B, test_sp::RELINQUISH, [handle, 0, 0, 0])?;
    let [_, syndrome, ..] = ask(A, test_sp::READ, [address, 0, 0, 0])?;
    ensure!(syndrome == 0, "another partition's relinquish took it away");
    ask(A, test_sp::RELINQUISH, [handle, 0, 0, 0])?;
    reclaim(handle)
}

/// DEN0140 1.2, section 4.1.2: a fragment of no transaction.
fn fragment_unknown() -> Outcome {
    let answer = ffa(f::MEM_FRAG_TX, &[0x77, 0, 16, 0]);
    ensure!(answer.function() == f::ERROR, "{:#x}", answer.x(0));
    let answer = ffa(f::MEM_FRAG_RX, &[0x77, 0, 0, 0]);
    ensure!(answer.function() == f::ERROR, "{:#x}", answer.x(0));
    Ok(())
}

/// T2: one partition's quota of shares ends with an error, leaves the others theirs, and is whole
/// again afterwards.
fn until_full() -> Outcome {
    let mut handles = [0; 64];
    let mut count = 0;
    for (handle, page) in handles.iter_mut().zip(&POOL) {
        let answer = Descriptor::new(A, [(page.address(), 1)].into_iter()).send(4096);
        if answer.success().is_err() {
            break;
        }
        *handle = u64::from(answer.w(2)) | u64::from(answer.w(3)) << 32;
        let (status, _) = tell(A, test_sp::RETRIEVE, [*handle, 0, 0, 0])?;
        count += 1;
        if status != Error(0) {
            break;
        }
    }
    let other = Descriptor::new(MANAGED, [(OTHER.address(), 1)].into_iter()).share();
    for handle in &handles[..count] {
        ask(A, test_sp::RELINQUISH, [*handle, 0, 0, 0])?;
        reclaim(*handle)?;
    }
    reclaim(other?)?;
    ensure!(count < handles.len(), "no quota: {count} shares");
    ensure!(count >= 16, "only {count} of 16 shares");
    one_page()
}
