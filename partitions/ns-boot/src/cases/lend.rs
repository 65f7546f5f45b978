//! Lent memory, and memory that changes while it is looked at (DEN0140 1.2, sections 2.2 and 2.4).
use super::discovery::TX;
use super::share::{Descriptor, field};
use super::{A, Case, Outcome, ask, bad, clause, good, right, tell, wrong};
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
