//! Lent memory, and memory that changes while it is looked at (DEN0140 1.2, sections 2.2 and 2.4).
use super::discovery::TX;
use super::memory::refused;
use super::share::{Descriptor, field, relinquishment};
use super::{
    A, B, Case, Outcome, Why, ask, bad, clause, good, halves, inside_bad, put, right, taken, tell, wrong,
};
use crate::arch::machine::{Page, core_is_off, core_on, now};
use crate::ensure;
use crate::test_sp;
use core::sync::atomic::{AtomicBool, Ordering};
use sp_rt::ffa::{self as f, Error};
use sp_rt::retrieve::{CLEAR_AFTER, KIND_LEND};

/// These cases.
pub const CASES: &[Case] = &[
    right(
        "lend-cleared",
        &[f::MEM_LEND, f::MEM_RETRIEVE_REQ],
        clause::LEND,
        cleared,
    ),
    right("lend-as-it-is", &[f::MEM_LEND], clause::LEND, as_it_is),
    right(
        "lend-cleared-afterwards",
        &[f::MEM_LEND, f::MEM_RELINQUISH],
        clause::LEND,
        cleared_afterwards,
    ),
    right(
        "lend-cleared-by-its-owner",
        &[f::MEM_LEND, f::MEM_RECLAIM],
        clause::LEND,
        cleared_by_owner,
    ),
    wrong(
        "lend-is-no-share",
        &[f::MEM_LEND, f::MEM_RETRIEVE_REQ],
        clause::LEND,
        no_share,
    ),
    right(
        "lend-64",
        &[f::MEM_LEND_64, f::MEM_RETRIEVE_REQ_64],
        clause::LEND,
        || {
            fill(&PAGE);
            let handle = loan().by(f::MEM_LEND_64).share()?;
            let got = asked(handle).by(f::MEM_RETRIEVE_REQ_64).of(A)?;
            let address = taken(A, &got)?;
            let result = borrower_reads(address, 3, MARK + 3);
            give_back(handle)?;
            reclaim(handle, 0)?;
            result
        },
    ),
    right("lend-to-two", &[f::MEM_LEND], clause::LEND, || {
        // Each says what it may do with it; attributes are the lender's to say then.
        fill(&PAGE);
        let both = Descriptor::with_receivers(f::VERSION_1_2, &[A, B], [(PAGE.address(), 1)].into_iter());
        let handle = both.by(f::MEM_LEND).share()?;
        let mut result = Ok(());
        for (own, other) in [(A, B), (B, A)] {
            let request = Descriptor::retrieval_of(f::VERSION_1_2, 0, &[own, other], handle);
            let address = taken(own, &request.with(field::FLAGS, &[2 << 3]).of(own)?)?;
            let [value, ..] = ask(own, test_sp::READ, [address, 0, 0, 0])?;
            ask(own, test_sp::RELINQUISH, [handle, 0, 0, 0])?;
            if value != MARK {
                result = Err(Why::new(format_args!("{own:#x} reads {value:#x}")));
            }
        }
        reclaim(handle, 0)?;
        result
    }),
    wrong(
        "lend-to-two-without-attributes",
        &[f::MEM_LEND],
        clause::ATTRIBUTES,
        || {
            let both = Descriptor::with_receivers(f::VERSION_1_2, &[A, B], [(PAGE.address(), 1)].into_iter());
            refused("two borrowers", &both.lent(), Error::INVALID_PARAMETERS)
        },
    ),
    // One borrower says them itself.
    wrong("lend-with-attributes", &[f::MEM_LEND], clause::ATTRIBUTES, || {
        each(&[
            (field::ATTRIBUTES, &[0x2f]),
            (field::ATTRIBUTES, &[0x27]),
            (field::ATTRIBUTES, &[0x30]),
        ])
    }),
    wrong("lend-fields", &[f::MEM_LEND], clause::FLAGS, || {
        each(&[
            (field::SENDER, &[1]),
            (field::FLAGS, &[4]),
            (field::FLAGS, &[0, 0, 0, 0x80]),
            (field::HANDLE, &[1]),
            (field::RECEIVERS, &[0]),
            (field::RECEIVERS, &[2]),
            (field::RECEIVER, &[0x77]),
            (field::PERMISSIONS, &[0]),
            (field::PERMISSIONS, &[3]),
            (field::PERMISSIONS, &[10]),
            (field::RECEIVER_FLAGS, &[1]),
            (field::COMPOSITE_AT, &[16]),
            (field::PAGES, &[2]),
            (field::RANGES, &[2]),
            (field::ADDRESS, &[8]),
        ])
    }),
    wrong(
        "lend-secure-memory",
        &[f::MEM_LEND, f::MEM_LEND_64],
        clause::LEND,
        || {
            for page in [0x0e10_0000, 0x0e20_0000, 0x0904_0000] {
                for function in [f::MEM_LEND, f::MEM_LEND_64] {
                    let descriptor = Descriptor::new(A, [(page, 1)].into_iter()).lent().by(function);
                    refused("somebody else's", &descriptor, Error::DENIED)?;
                }
            }
            Ok(())
        },
    ),
    wrong(
        "lend-retrieved-to-execute",
        &[f::MEM_RETRIEVE_REQ],
        clause::PERMISSIONS,
        || {
            let handle = loan().share()?;
            let got = asked(handle).with(field::PERMISSIONS, &[10]).of(A)?;
            super::give_back(A, handle, &got)?;
            reclaim(handle, 0)?;
            let error = got.success().err();
            ensure!(error == Some(Error::DENIED), "{:#x} {error:?}", got.x(0));
            Ok(())
        },
    ),
    // What a borrower may only read it does not have cleared.
    wrong(
        "lend-read-only-cleared",
        &[f::MEM_RETRIEVE_REQ, f::MEM_RELINQUISH],
        clause::RELINQUISH,
        || {
            fill(&PAGE);
            let handle = loan().with(field::PERMISSIONS, &[1]).share()?;
            let read = asked(handle).with(field::PERMISSIONS, &[1]);
            let flags = (KIND_LEND | CLEAR_AFTER).to_le_bytes();
            let got = read.with(field::FLAGS, &flags).of(A)?;
            super::give_back(A, handle, &got)?;
            let error = got.success().err();
            taken(A, &asked(handle).with(field::PERMISSIONS, &[1]).of(A)?)?;
            put(A, &relinquishment(handle, 1, &[A]))?;
            let clear = inside_bad(A, f::MEM_RELINQUISH, &[], Error::DENIED);
            give_back(handle)?;
            reclaim(handle, 0)?;
            ensure!(
                error == Some(Error::DENIED),
                "retrieved: {:#x} {error:?}",
                got.x(0)
            );
            ensure!(PAGE.read(9) == MARK + 9, "it was cleared");
            clear
        },
    ),
    right(
        "donate",
        &[f::MEM_DONATE, f::MEM_RETRIEVE_REQ],
        clause::DONATE,
        || {
            // These pages are A's from here on.
            for (page, function) in GIVEN.iter().zip([f::MEM_DONATE, f::MEM_DONATE_64]) {
                fill(page);
                let handle = gift(page).by(function).share()?;
                let address = retrieve(handle, 3 << 3)?;
                borrower_reads(address, 5, MARK + 5)?;
                bad(f::MEM_RECLAIM, &halves(handle), Error::DENIED)?;
                refused("what was given away", &gift(page), Error::DENIED)?;
                put(A, &relinquishment(handle, 0, &[A]))?;
                inside_bad(A, f::MEM_RELINQUISH, &[], Error::DENIED)?;
            }
            Ok(())
        },
    ),
    right(
        "donate-and-take-back",
        &[f::MEM_DONATE_64, f::MEM_RECLAIM],
        clause::DONATE,
        || {
            fill(&PAGE);
            let handle = gift(&PAGE).by(f::MEM_DONATE_64).share()?;
            reclaim(handle, 0)?;
            ensure!(PAGE.read(1) == MARK + 1, "{:#x}", PAGE.read(1));
            Ok(())
        },
    ),
    wrong(
        "donate-fields",
        &[f::MEM_DONATE, f::MEM_DONATE_64],
        clause::DONATE,
        || {
            let two = Descriptor::with_receivers(f::VERSION_1_2, &[A, B], [(PAGE.address(), 1)].into_iter());
            let two = two.donated().with(field::PERMISSIONS + 32, &[0]);
            refused("two receivers", &two, Error::INVALID_PARAMETERS)?;
            for function in [f::MEM_DONATE, f::MEM_DONATE_64] {
                for (at, bytes) in [
                    (field::ATTRIBUTES, 0x2f),
                    (field::FLAGS, 4),
                    (field::HANDLE, 1),
                    (field::RECEIVER, 0x77),
                    (field::PERMISSIONS, 2),
                    (field::PERMISSIONS, 1),
                    (field::PERMISSIONS, 10),
                    (field::RECEIVER_FLAGS, 1),
                    (field::PAGES, 2),
                ] {
                    let descriptor = gift(&PAGE).by(function).with(at, &[bytes]);
                    refused("a field", &descriptor, Error::INVALID_PARAMETERS)?;
                }
            }
            reclaim(loan().share()?, 0)
        },
    ),
    wrong(
        "donate-secure-memory",
        &[f::MEM_DONATE, f::MEM_DONATE_64],
        clause::DONATE,
        || {
            for page in [0x0e10_0000, 0x0e20_0000, 0x0904_0000] {
                for function in [f::MEM_DONATE, f::MEM_DONATE_64] {
                    let descriptor = Descriptor::new(A, [(page, 1)].into_iter()).donated().by(function);
                    refused("somebody else's", &descriptor, Error::DENIED)?;
                }
            }
            Ok(())
        },
    ),
    wrong(
        "share-while-it-changes",
        &[f::MEM_SHARE],
        clause::SHARE,
        while_it_changes,
    ),
];

static PAGE: Page = Page::new();
static OTHER: Page = Page::new();
const MARK: u64 = 0x5ec2_e700_0000_0000;
/// Flag of FFA_MEM_LEND and of FFA_MEM_RECLAIM: the memory is to be cleared first.
const CLEAR: u64 = 1;

fn fill(page: &Page) {
    for n in 0..512 {
        page.write(n, MARK + n as u64);
    }
}

/// Pages that are given away.
static GIVEN: [Page; 2] = [const { Page::new() }; 2];

fn gift(page: &Page) -> Descriptor {
    Descriptor::new(A, [(page.address(), 1)].into_iter()).donated()
}

/// What A asks for of a loan: all.
fn asked(handle: u64) -> Descriptor {
    Descriptor::retrieval(0, A, handle)
        .with(field::FLAGS, &[2 << 3])
        .with(field::ATTRIBUTES, &[0])
}

/// A loan with each of these bytes there is INVALID_PARAMETERS; the page can be lent then.
fn each(fields: &[(usize, &[u8])]) -> Outcome {
    for (at, bytes) in fields {
        let answer = loan().with(*at, bytes).send(4096);
        let error = answer.success().err();
        ensure!(
            error == Some(Error::INVALID_PARAMETERS),
            "{bytes:x?} at {at}: {:#x} {error:?}",
            answer.x(0)
        );
    }
    reclaim(loan().share()?, 0)
}

fn loan() -> Descriptor {
    Descriptor::new(A, [(PAGE.address(), 1)].into_iter()).lent()
}

fn retrieve(handle: u64, flags: u32) -> Outcome<u64> {
    let [address, _, pages, _] = ask(A, test_sp::RETRIEVE, [handle, u64::from(flags), 0, 0])?;
    ensure!(pages == 1, "{pages} pages");
    Ok(address)
}

fn give_back(handle: u64) -> Outcome {
    ask(A, test_sp::RELINQUISH, [handle, 0, 0, 0]).map(drop)
}

fn reclaim(handle: u64, flags: u64) -> Outcome {
    good(f::MEM_RECLAIM, &[handle & 0xffff_ffff, handle >> 32, flags]).map(drop)
}

fn borrower_reads(address: u64, n: u64, expected: u64) -> Outcome {
    let [value, syndrome, ..] = ask(A, test_sp::READ, [address + 8 * n, 0, 0, 0])?;
    ensure!(
        value == expected && syndrome == 0,
        "word {n}: {value:#x}, syndrome {syndrome:#x}"
    );
    Ok(())
}

/// Flag bit 0 of FFA_MEM_LEND: the borrower finds zeros, from the first word to the last.
fn cleared() -> Outcome {
    fill(&PAGE);
    let handle = loan().with(field::FLAGS, &[CLEAR as u8]).share()?;
    let address = retrieve(handle, KIND_LEND)?;
    for n in [0, 1, 255, 511] {
        borrower_reads(address, n, 0)?;
    }
    give_back(handle)?;
    // A second retrieval finds what the first one left: it was cleared once.
    PAGE.write(3, MARK);
    let address = retrieve(handle, KIND_LEND)?;
    borrower_reads(address, 3, MARK)?;
    give_back(handle)?;
    reclaim(handle, 0)
}

/// Without the flag the borrower finds what the lender left, and the lender what the borrower did.
fn as_it_is() -> Outcome {
    fill(&PAGE);
    let handle = loan().share()?;
    let address = retrieve(handle, KIND_LEND)?;
    borrower_reads(address, 511, MARK + 511)?;
    ask(A, test_sp::WRITE, [address + 16, 0x77, 0, 0])?;
    give_back(handle)?;
    reclaim(handle, 0)?;
    ensure!(
        PAGE.read(2) == 0x77,
        "what the borrower wrote is {:#x}",
        PAGE.read(2)
    );
    ensure!(PAGE.read(0) == MARK, "word 0 is {:#x}", PAGE.read(0));
    Ok(())
}

/// Flag bit 2 of the retrieval: nothing is left when the borrower gives it back.
fn cleared_afterwards() -> Outcome {
    fill(&PAGE);
    let handle = loan().share()?;
    let address = retrieve(handle, KIND_LEND | CLEAR_AFTER)?;
    borrower_reads(address, 1, MARK + 1)?;
    give_back(handle)?;
    let left = (0..512).filter(|n| PAGE.read(*n) != 0).count();
    reclaim(handle, 0)?;
    ensure!(left == 0, "{left} words are left");
    Ok(())
}

/// Flag bit 0 of FFA_MEM_RECLAIM.
fn cleared_by_owner() -> Outcome {
    fill(&PAGE);
    let handle = loan().share()?;
    reclaim(handle, CLEAR)?;
    let left = (0..512).filter(|n| PAGE.read(*n) != 0).count();
    ensure!(left == 0, "{left} words are left");
    Ok(())
}

/// A loan is not retrieved as a share, not lent or shared again, not reclaimed while it is borrowed.
fn no_share() -> Outcome {
    let handle = loan().share()?;
    let (status, _) = tell(A, test_sp::RETRIEVE, [handle, 0, 0, 0])?;
    let again = loan().send(4096);
    let shared = Descriptor::new(A, [(PAGE.address(), 1)].into_iter()).send(4096);
    retrieve(handle, KIND_LEND)?;
    let early = bad(
        f::MEM_RECLAIM,
        &[handle & 0xffff_ffff, handle >> 32, 0],
        Error::DENIED,
    );
    give_back(handle)?;
    reclaim(handle, 0)?;
    early?;
    ensure!(status == Error::INVALID_PARAMETERS, "as a share: {status:?}");
    ensure!(
        again.function() == f::ERROR && shared.function() == f::ERROR,
        "lent or shared again: {:#x}, {:#x}",
        again.x(0),
        shared.x(0)
    );
    Ok(())
}

static CHANGE: AtomicBool = AtomicBool::new(false);
/// Words of the descriptor: pages and ranges of the composite, address and pages of the first range.
const COUNTS: usize = field::PAGES / 8;
const ADDRESS: usize = field::ADDRESS / 8;
const SIZE: usize = field::RANGE_PAGES / 8;

/// M3: another core changes the descriptor between right and wrong ones while it is read. Each call
/// takes one or the other as a whole: what is shared then is the lender's page and nothing else.
fn while_it_changes() -> Outcome {
    fill(&PAGE);
    fill(&OTHER);
    CHANGE.store(true, Ordering::Release);
    ensure!(core_on(1, change), "core 1 does not start");
    let result = share_meanwhile();
    CHANGE.store(false, Ordering::Release);
    let deadline = now() + 5_000_000;
    while !core_is_off(1) {
        ensure!(now() < deadline, "core 1 does not go off");
    }
    let (taken, refused) = result?;
    ensure!(
        taken > 0 && refused > 0,
        "{taken} taken, {refused} refused: nothing changed meanwhile"
    );
    reclaim(Descriptor::new(A, [(PAGE.address(), 1)].into_iter()).share()?, 0)
}

fn share_meanwhile() -> Outcome<(u32, u32)> {
    let (mut taken, mut refused) = (0, 0);
    let deadline = now() + 10_000_000;
    while (taken < 100 || refused < 3) && now() < deadline {
        let descriptor = Descriptor::new(A, [(PAGE.address(), 1)].into_iter());
        let answer = descriptor.send(4096);
        if answer.function() == f::ERROR {
            refused += 1;
            continue;
        }
        taken += 1;
        let handle = u64::from(answer.w(2)) | u64::from(answer.w(3)) << 32;
        let [address, ..] = ask(A, test_sp::RETRIEVE, [handle, 0, 0, 0])?;
        borrower_reads(address, 7, MARK + 7)?;
        give_back(handle)?;
        reclaim(handle, 0)?;
    }
    Ok((taken, refused))
}

/// Changes single words as fast as possible: the hypervisor's own memory, a page that is not
/// there, counts that do not fit, and back.
fn change(_core: usize) {
    const ONE_EACH: u64 = 1 << 32 | 1;
    let good = [(ADDRESS, PAGE.address()), (COUNTS, ONE_EACH), (SIZE, 1)];
    let wrong = [
        (ADDRESS, 0x0e10_0000),
        (ADDRESS, OTHER.address()),
        (COUNTS, 0x00ff_ffff_0000_0001),
        (SIZE, 0x10_0000),
        (ADDRESS, u64::MAX - 0xfff),
        (COUNTS, 0),
    ];
    while CHANGE.load(Ordering::Acquire) {
        for (word, value) in wrong {
            TX.write(word, value);
            for (word, value) in good {
                TX.write(word, value);
            }
        }
    }
}
