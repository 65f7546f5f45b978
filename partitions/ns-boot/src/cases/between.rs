//! Memory that partitions share with, lend and donate to each other (DEN0140 1.2, chapter 2): the table `ffa-memory`.
//! Loads and stores of both sides are real; what is out of somebody's reach stops the one that touches it.
use super::elsewhere::wait_off;
use super::share::{Descriptor, field, refused, relinquishment};
use super::{
    A, B, Case, Outcome, alive, ask, bad, clause, ffa, good, halves, handle_of, inside, inside_bad,
    inside_good, look, put, request_inside, right, send, taken, tell, to, wrong,
};
use crate::arch::machine::{Page, core_is_off, core_on, now, smc};
use crate::ensure;
use crate::test_sp;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use sp_rt::ffa::{self as f, Error};
use sp_rt::retrieve::{CLEAR_AFTER, KIND_LEND};

/// A third one that A may share with; so are those behind it, each of which a case stops.
const C: u16 = 0x8003;
const VICTIM: u16 = 0x8004;
const SHARE: &[u32] = &[f::MEM_SHARE];
const LEND: &[u32] = &[f::MEM_LEND];
const DONATE: &[u32] = &[f::MEM_DONATE];
const INVALID: Error = Error::INVALID_PARAMETERS;
const MARK: u64 = 0x0ddb_a11f_00d5_0001;

/// These cases; pages that were donated stay with their new owner, all others come back.
pub const CASES: &[Case] = &[
    right(
        "partition-shares",
        &[
            f::MEM_SHARE,
            f::MEM_RETRIEVE_REQ,
            f::MEM_RELINQUISH,
            f::MEM_RECLAIM,
        ],
        clause::SHARE,
        || shares(f::MEM_SHARE),
    ),
    right(
        "partition-shares-64",
        &[f::MEM_SHARE_64, f::MEM_RETRIEVE_REQ_64],
        clause::SHARE,
        || shares(f::MEM_SHARE_64),
    ),
    right("partition-shares-with-two", SHARE, clause::SHARE, shares_with_two),
    right(
        "partition-shares-scattered",
        &[f::MEM_SHARE, f::MEM_RETRIEVE_REQ, f::MEM_FRAG_RX],
        clause::RETRIEVE,
        scattered,
    ),
    right(
        "partition-lends",
        &[f::MEM_LEND, f::MEM_RETRIEVE_REQ, f::MEM_RECLAIM],
        clause::LEND,
        || lends(f::MEM_LEND, 0),
    ),
    right("partition-lends-64", &[f::MEM_LEND_64], clause::LEND, || {
        lends(f::MEM_LEND_64, 0)
    }),
    right("partition-lends-cleared", LEND, clause::FLAGS, || {
        lends(f::MEM_LEND, 1)
    }),
    right(
        "partition-lends-cleared-afterwards",
        &[f::MEM_LEND, f::MEM_RELINQUISH],
        clause::RETRIEVE_FLAGS,
        || {
            let pages = pages(A)?;
            fill(A, pages)?;
            let handle = offered(A, &lend(B, pages, 1))?;
            let flags = KIND_LEND | CLEAR_AFTER;
            let [address, ..] = ask_for(B, A, handle, flags)?;
            let found = read(B, address)?;
            ask(B, test_sp::RELINQUISH, [handle, 0, 0, 0])?;
            take_back(A, handle, 0)?;
            let left = read(A, pages)?;
            ensure!(found == MARK && left == 0, "lent {found:#x}, left {left:#x}");
            Ok(())
        },
    ),
    right(
        "partition-reclaims-cleared",
        &[f::MEM_LEND, f::MEM_RECLAIM],
        clause::RECLAIM,
        || {
            let pages = pages(A)?;
            fill(A, pages)?;
            let handle = offered(A, &lend(B, pages, 1))?;
            take_back(A, handle, 1)?;
            let left = read(A, pages)?;
            ensure!(left == 0, "left {left:#x}");
            Ok(())
        },
    ),
    right("partition-lends-both-ways", LEND, clause::LEND, || {
        let (of_a, of_b) = (pages(A)?, pages(B)?);
        fill(A, of_a)?;
        fill(B, of_b)?;
        let (mine, yours) = (offered(A, &lend(B, of_a, 1))?, offered(B, &lend(A, of_b, 1))?);
        ask_for(B, A, mine, KIND_LEND)?;
        ask_for(A, B, yours, KIND_LEND)?;
        let (seen_by_b, seen_by_a) = (read(B, of_a)?, read(A, of_b)?);
        ask(B, test_sp::RELINQUISH, [mine, 0, 0, 0])?;
        ask(A, test_sp::RELINQUISH, [yours, 0, 0, 0])?;
        take_back(A, mine, 0)?;
        take_back(B, yours, 0)?;
        ensure!(
            seen_by_a == MARK && seen_by_b == MARK,
            "{seen_by_a:#x} {seen_by_b:#x}"
        );
        Ok(())
    }),
    right(
        "partition-donates",
        &[f::MEM_DONATE, f::MEM_RETRIEVE_REQ],
        clause::DONATE,
        donates,
    ),
    right(
        "partition-donates-64",
        &[f::MEM_DONATE_64, f::MEM_RECLAIM],
        clause::DONATE,
        || {
            // Nobody has taken it yet: its owner may have it back.
            let pages = pages(A)?;
            fill(A, pages)?;
            let handle = offered(A, &donate(B, pages).by(f::MEM_DONATE_64))?;
            take_back(A, handle, 0)?;
            let left = read(A, pages)?;
            ensure!(left == MARK, "{left:#x}");
            Ok(())
        },
    ),
    right(
        "partition-retrieves-secure",
        &[f::MEM_RETRIEVE_REQ],
        "DEN0140 1.10.4.1",
        || {
            // The NS bit is clear, the address is the owner's.
            with_share(|handle, pages| {
                let got = Descriptor::retrieval(A, B, handle).of(B)?;
                let words = look(B, 0)?;
                taken(B, &got)?;
                ask(B, test_sp::RELINQUISH, [handle, 0, 0, 0])?;
                ensure!(
                    words[0] >> 22 & 1 == 0,
                    "attributes {:#x}",
                    words[0] >> 16 & 0xffff
                );
                ensure!(words[12] == pages, "at {:#x}, not {pages:#x}", words[12]);
                Ok(())
            })
        },
    ),
    wrong("partition-shares-twice", SHARE, clause::SHARE, || {
        with_share(|_, pages| {
            refused(A, &share(B, pages, 1), Error::DENIED)?;
            refused(A, &share(C, pages, 1), Error::DENIED)?;
            refused(A, &lend(B, pages, 1), Error::DENIED)?;
            refused(A, &donate(B, pages), Error::DENIED)
        })
    }),
    wrong(
        "partition-shares-what-is-not-its-own",
        SHARE,
        clause::SHARE,
        || {
            let theirs = pages(B)?;
            for page in [
                theirs,
                0x0e00_0000,
                0x0e10_0000,
                0x0904_0000,
                0x0800_0000,
                0x6000_0000,
                0x4000_0000,
                0,
            ] {
                refused(A, &share(B, page, 1), Error::DENIED)?;
                refused(A, &lend(C, page, 1), Error::DENIED)?;
            }
            Ok(())
        },
    ),
    // The SPMC writes there.
    wrong("partition-shares-its-buffers", SHARE, clause::SHARE, || {
        let [tx, rx, ..] = ask(A, test_sp::PLACES, [0; 4])?;
        for page in [tx, rx] {
            refused(A, &share(B, page, 1), Error::DENIED)?;
            refused(A, &lend(B, page, 1), Error::DENIED)?;
        }
        Ok(())
    }),
    wrong("partition-shares-what-it-borrows", SHARE, clause::SHARE, || {
        let of_b = pages(B)?;
        let handle = offered(B, &share(A, of_b, 1))?;
        ask_for(A, B, handle, 1 << 3)?;
        let on = refused(A, &share(C, of_b, 1), Error::DENIED);
        let loan = refused(A, &lend(C, of_b, 1), Error::DENIED);
        ask(A, test_sp::RELINQUISH, [handle, 0, 0, 0])?;
        take_back(B, handle, 0)?;
        on.and(loan)
    }),
    wrong("partition-shares-with-nobody", SHARE, clause::RECEIVER, || {
        let pages = pages(A)?;
        for receiver in [0x8077, 0x8000, 0x7fff, A] {
            refused(A, &share(receiver, pages, 1), INVALID)?;
        }
        Ok(())
    }),
    // A partition's memory does not leave the secure world.
    wrong(
        "partition-shares-with-the-normal-world",
        SHARE,
        clause::RECEIVER,
        || {
            let pages = pages(A)?;
            refused(A, &share(0, pages, 1), INVALID)?;
            refused(A, &lend(0, pages, 1), INVALID)?;
            refused(A, &donate(0, pages), INVALID)
        },
    ),
    // Policy: `c` may not share with anybody, `b` with `a` only.
    wrong(
        "partition-shares-with-whom-it-may-not",
        SHARE,
        clause::RECEIVER,
        || {
            let (of_b, of_c) = (pages(B)?, pages(C)?);
            refused(C, &share(A, of_c, 1), INVALID)?;
            refused(C, &share(B, of_c, 1), INVALID)?;
            refused(B, &share(C, of_b, 1), INVALID)
        },
    ),
    wrong("partition-shares-for-another", SHARE, clause::TRANSACTION, || {
        let pages = pages(B)?;
        for sender in [B, C, 1, 0x8000] {
            let forged = share(B, pages, 1).with(field::SENDER, &sender.to_le_bytes());
            refused(A, &forged, INVALID)?;
        }
        Ok(())
    }),
    // T2: the table lets `c` hold eight pages of A's at a time.
    wrong(
        "partition-shares-more-than-its-quota",
        SHARE,
        clause::SHARE,
        || {
            let pages = pages(A)?;
            refused(A, &share(C, pages, 9), Error::NO_MEMORY)?;
            let handle = offered(A, &share(C, pages, 8))?;
            let more = refused(A, &share(C, pages + 8 * 4096, 1), Error::NO_MEMORY);
            take_back(A, handle, 0)?;
            let handle = offered(A, &share(C, pages + 8 * 4096, 1))?;
            take_back(A, handle, 0)?;
            more
        },
    ),
    wrong(
        "partition-shares-overlapping-ranges",
        SHARE,
        clause::CONSTITUENT,
        || {
            let pages = pages(A)?;
            let twice = [(pages, 2), (pages + 4096, 1)];
            let descriptor = Descriptor::new(B, twice.into_iter()).with(field::SENDER, &A.to_le_bytes());
            let got = descriptor.of(A)?;
            ensure!(got.function() == f::ERROR, "{:#x}", got.x(0));
            let handle = offered(A, &share(B, pages, 1))?;
            take_back(A, handle, 0)
        },
    ),
    wrong(
        "partition-lends-with-attributes",
        LEND,
        clause::ATTRIBUTES,
        || {
            let pages = pages(A)?;
            refused(A, &lend(B, pages, 1).with(field::ATTRIBUTES, &[0x2f]), INVALID)
        },
    ),
    wrong("partition-donates-to-two", DONATE, clause::DONATE, || {
        let pages = pages(A)?;
        let both = Descriptor::with_receivers(f::VERSION_1_2, &[B, C], [(pages, 1)].into_iter())
            .with(field::SENDER, &A.to_le_bytes())
            .with(field::PERMISSIONS, &[0])
            .with(field::PERMISSIONS + 32, &[0])
            .by(f::MEM_DONATE);
        refused(A, &both, INVALID)
    }),
    wrong(
        "partition-donates-with-permissions",
        DONATE,
        clause::PERMISSIONS,
        || {
            let pages = pages(A)?;
            for permissions in [1, 2, 6, 10] {
                refused(
                    A,
                    &donate(B, pages).with(field::PERMISSIONS, &[permissions]),
                    INVALID,
                )?;
            }
            Ok(())
        },
    ),
    wrong(
        "partition-retrieves-of-another",
        &[f::MEM_RETRIEVE_REQ],
        clause::RETRIEVE,
        || {
            with_share(|handle, _| {
                refused(C, &Descriptor::retrieval(A, C, handle), INVALID)?;
                refused(C, &Descriptor::retrieval(A, B, handle), INVALID)?;
                refused(A, &Descriptor::retrieval(A, A, handle), INVALID)
            })
        },
    ),
    wrong(
        "partition-retrieves-with-more-rights",
        &[f::MEM_RETRIEVE_REQ],
        clause::PERMISSIONS,
        || {
            let pages = pages(A)?;
            let handle = offered(A, &share(B, pages, 1).with(field::PERMISSIONS, &[1]))?;
            let write = refused(B, &Descriptor::retrieval(A, B, handle), Error::DENIED);
            let run = refused(
                B,
                &Descriptor::retrieval(A, B, handle).with(field::PERMISSIONS, &[9]),
                INVALID,
            );
            take_back(A, handle, 0)?;
            write.and(run)
        },
    ),
    // Borrowed memory is never executed.
    wrong(
        "partition-retrieves-to-execute",
        &[f::MEM_RETRIEVE_REQ],
        clause::PERMISSIONS,
        || {
            let pages = pages(A)?;
            let handle = offered(A, &lend(B, pages, 1))?;
            let asked = Descriptor::retrieval(A, B, handle)
                .with(field::FLAGS, &[2 << 3])
                .with(field::ATTRIBUTES, &[0])
                .with(field::PERMISSIONS, &[10]);
            let result = refused(B, &asked, Error::DENIED);
            take_back(A, handle, 0)?;
            result
        },
    ),
    wrong(
        "partition-reclaims-too-early",
        &[f::MEM_RECLAIM],
        clause::RECLAIM,
        || {
            with_share(|handle, _| {
                ask_for(B, A, handle, 1 << 3)?;
                let [low, high] = halves(handle);
                let early = inside_bad(A, f::MEM_RECLAIM, &[low, high, 0], Error::DENIED);
                ask(B, test_sp::RELINQUISH, [handle, 0, 0, 0])?;
                early
            })
        },
    ),
    wrong(
        "partition-reclaims-of-another",
        &[f::MEM_RECLAIM],
        clause::RECLAIM,
        || {
            with_share(|handle, _| {
                let [low, high] = halves(handle);
                inside_bad(B, f::MEM_RECLAIM, &[low, high, 0], INVALID)?;
                inside_bad(C, f::MEM_RECLAIM, &[low, high, 0], INVALID)?;
                bad(f::MEM_RECLAIM, &[low, high, 0], INVALID)
            })
        },
    ),
    wrong(
        "partition-reclaims-of-the-normal-world",
        &[f::MEM_RECLAIM],
        clause::RECLAIM,
        || {
            let handle = Descriptor::new(A, [(PAGE.address(), 1)].into_iter()).share()?;
            let [low, high] = halves(handle);
            let result = inside_bad(A, f::MEM_RECLAIM, &[low, high, 0], INVALID);
            good(f::MEM_RECLAIM, &[low, high, 0])?;
            result
        },
    ),
    // A hypervisor in the normal world learns nothing of what partitions share.
    wrong(
        "hypervisor-retrieves-of-partitions",
        &[f::MEM_RETRIEVE_REQ],
        clause::RETRIEVE,
        || {
            with_share(|handle, _| {
                let mut bytes = [0; 48];
                bytes[..2].copy_from_slice(&A.to_le_bytes());
                bytes[8..16].copy_from_slice(&handle.to_le_bytes());
                super::discovery::TX.fill(&bytes);
                bad(f::MEM_RETRIEVE_REQ, &[48, 48], INVALID)
            })
        },
    ),
    wrong(
        "partition-relinquishes-a-present",
        &[f::MEM_DONATE, f::MEM_RELINQUISH],
        clause::DONATE,
        || {
            // The sixth page of the pool is B's from here on.
            let page = pages(A)? + 5 * 4096;
            let handle = offered(A, &donate(B, page))?;
            ask_for(B, A, handle, 3 << 3)?;
            put(B, &relinquishment(handle, 0, &[B]))?;
            inside_bad(B, f::MEM_RELINQUISH, &[], INVALID)?;
            let [low, high] = halves(handle);
            let back = inside(A, f::MEM_RECLAIM, &[low, high, 0])?;
            ensure!(back.function() == f::ERROR, "{:#x}", back.x(0));
            refused(A, &share(C, page, 1), Error::DENIED)
        },
    ),
    // What a partition reaches: each of these stops the one that tries.
    wrong("owner-reads-what-it-lent", LEND, clause::LEND, || {
        let pages = pages(VICTIM)?;
        fill(VICTIM, pages)?;
        while_it_reads(VICTIM, pages, || {
            // It may be stopped before it is answered. Were nothing lent, core 1 would go on reading.
            let _ = offered(VICTIM, &lend(B, pages, 1));
            Ok(())
        })
    }),
    wrong(
        "borrower-writes-what-it-may-read",
        SHARE,
        clause::PERMISSIONS,
        || {
            let pages = pages(A)?;
            fill(A, pages)?;
            let handle = offered(A, &share(VICTIM + 1, pages, 1).with(field::PERMISSIONS, &[1]))?;
            let asked = Descriptor::retrieval(A, VICTIM + 1, handle).with(field::PERMISSIONS, &[1]);
            let address = taken(VICTIM + 1, &asked.of(VICTIM + 1)?)?;
            let seen = read(VICTIM + 1, address)?;
            stopped(VICTIM + 1, test_sp::WRITE, address)?;
            let left = read(A, pages)?;
            // What it had borrowed was taken from it.
            take_back(A, handle, 0)?;
            ensure!(
                seen == MARK && left == MARK,
                "it read {seen:#x}, left is {left:#x}"
            );
            Ok(())
        },
    ),
    wrong(
        "borrower-reads-what-it-gave-back",
        &[f::MEM_SHARE, f::MEM_RELINQUISH],
        clause::RELINQUISH,
        || {
            let pages = pages(A)?;
            let handle = offered(A, &share(VICTIM + 2, pages, 1))?;
            let [address, ..] = ask_for(VICTIM + 2, A, handle, 1 << 3)?;
            while_it_reads(VICTIM + 2, address, || {
                // It may be stopped before it hears of it.
                send(VICTIM + 2, test_sp::RELINQUISH, [handle, 0, 0, 0]);
                Ok(())
            })?;
            take_back(A, handle, 0)
        },
    ),
    wrong("third-one-reads-what-is-shared", SHARE, clause::SHARE, || {
        with_share(|handle, pages| {
            ask_for(B, A, handle, 1 << 3)?;
            let result = stopped(VICTIM + 3, test_sp::READ, pages);
            ask(B, test_sp::RELINQUISH, [handle, 0, 0, 0])?;
            result
        })
    }),
    wrong("owner-reads-what-it-donated", DONATE, clause::DONATE, || {
        let page = pages(VICTIM + 4)?;
        fill(VICTIM + 4, page)?;
        let handle = offered(VICTIM + 4, &donate(B, page))?;
        ask_for(B, VICTIM + 4, handle, 3 << 3)?;
        stopped(VICTIM + 4, test_sp::READ, page)?;
        let seen = read(B, page)?;
        ensure!(seen == MARK, "the new owner reads {seen:#x}");
        Ok(())
    }),
    // FF-A 1.3; the last case of this table, which ends `c`.
    right(
        "partition-gives-up",
        &[f::ABORT_64],
        "FF-A 1.3, FFA_ABORT",
        || {
            for _ in 0..2 {
                let answer = smc(&request_inside(C, f::ABORT_64, &[]));
                let error = answer.success().err();
                ensure!(error == Some(Error::ABORTED), "{:#x} {error:?}", answer.x(0));
            }
            alive(A)?;
            alive(B)
        },
    ),
];

static PAGE: Page = Page::new();

/// The first of a partition's own pages that nothing else uses.
fn pages(partition: u16) -> Outcome<u64> {
    let [_, _, pool, count] = ask(partition, test_sp::PLACES, [0; 4])?;
    ensure!(count >= 16, "{partition:#x} has {count} pages");
    Ok(pool)
}

fn fill(partition: u16, page: u64) -> Outcome {
    let [_, syndrome, ..] = ask(partition, test_sp::WRITE, [page, MARK, 0, 0])?;
    ensure!(syndrome == 0, "{partition:#x} writes {page:#x}: {syndrome:#x}");
    Ok(())
}

fn read(partition: u16, address: u64) -> Outcome<u64> {
    let [value, syndrome, ..] = ask(partition, test_sp::READ, [address, 0, 0, 0])?;
    ensure!(syndrome == 0, "{partition:#x} reads {address:#x}: {syndrome:#x}");
    Ok(value)
}

fn share(receiver: u16, page: u64, count: u32) -> Descriptor {
    Descriptor::new(receiver, [(page, count)].into_iter())
}

fn lend(receiver: u16, page: u64, count: u32) -> Descriptor {
    share(receiver, page, count).lent()
}

fn donate(receiver: u16, page: u64) -> Descriptor {
    share(receiver, page, 1).donated()
}

fn offered(sender: u16, descriptor: &Descriptor) -> Outcome<u64> {
    let got = descriptor.of(sender)?;
    ensure!(
        got.success().is_ok(),
        "{sender:#x} offers: {:#x} {:#x}",
        got.x(0),
        got.x(2)
    );
    Ok(handle_of(&got))
}

/// Has a borrower retrieve all that `sender` offered, by the partition's own words: address, ranges, pages, sum.
fn ask_for(borrower: u16, sender: u16, handle: u64, flags: u32) -> Outcome<[u64; 4]> {
    let flags = u64::from(flags) | u64::from(sender) << 32;
    ask(borrower, test_sp::RETRIEVE, [handle, flags, 0, 0])
}

fn take_back(owner: u16, handle: u64, flags: u64) -> Outcome {
    let [low, high] = halves(handle);
    inside_good(owner, f::MEM_RECLAIM, &[low, high, flags]).map(drop)
}

/// Something with a page that A shares with B, which A then takes back.
fn with_share(what: impl FnOnce(u64, u64) -> Outcome) -> Outcome {
    let pages = pages(A)?;
    fill(A, pages)?;
    let handle = offered(A, &share(B, pages, 1))?;
    let result = what(handle, pages);
    take_back(A, handle, 0)?;
    result
}

/// Both see what the other one writes; then the page is the owner's alone.
fn shares(function: u32) -> Outcome {
    let pages = pages(A)?;
    fill(A, pages)?;
    let handle = offered(A, &share(B, pages, 2).by(function))?;
    let retrieve = if function == f::MEM_SHARE {
        f::MEM_RETRIEVE_REQ
    } else {
        f::MEM_RETRIEVE_REQ_64
    };
    let got = Descriptor::retrieval(A, B, handle).by(retrieve).of(B)?;
    let address = taken(B, &got)?;
    let seen = read(B, address)?;
    let [_, syndrome, ..] = ask(B, test_sp::WRITE, [address + 4096 + 8, 0x8888, 0, 0])?;
    let back = read(A, pages + 4096 + 8)?;
    ask(B, test_sp::RELINQUISH, [handle, 0, 0, 0])?;
    take_back(A, handle, 0)?;
    ensure!(
        seen == MARK && syndrome == 0 && back == 0x8888,
        "B reads {seen:#x}, A {back:#x}, syndrome {syndrome:#x}"
    );
    let [low, high] = halves(handle);
    inside_bad(A, f::MEM_RECLAIM, &[low, high, 0], INVALID)
}

fn shares_with_two() -> Outcome {
    let pages = pages(A)?;
    fill(A, pages)?;
    let both = Descriptor::with_receivers(f::VERSION_1_2, &[B, C], [(pages, 1)].into_iter());
    let handle = offered(A, &both)?;
    let mut seen = [0; 2];
    for (seen, [own, other]) in seen.iter_mut().zip([[B, C], [C, B]]) {
        let asked = Descriptor::retrieval_of(f::VERSION_1_2, A, &[own, other], handle);
        let address = taken(own, &asked.of(own)?)?;
        *seen = read(own, address)?;
    }
    for borrower in [B, C] {
        ask(borrower, test_sp::RELINQUISH, [handle, 0, 0, 0])?;
    }
    take_back(A, handle, 0)?;
    ensure!(seen == [MARK; 2], "{seen:x?}");
    Ok(())
}

/// Every second page: the borrower is told each of them, and reads them where they are.
fn scattered() -> Outcome {
    let pages = pages(A)?;
    let chosen = [0_u64, 2, 4, 7].map(|n| pages + n * 4096);
    for page in chosen {
        fill(A, page)?;
    }
    let ranges = chosen.into_iter().map(|page| (page, 1));
    let handle = offered(A, &Descriptor::new(B, ranges))?;
    let [first, ranges, count, sum] = ask_for(B, A, handle, 1 << 3)?;
    // The part of the answer from the first range on, once more.
    let [low, high] = halves(handle);
    let rest = inside(B, f::MEM_FRAG_RX, &[low, high, 96, 0])?;
    let [told, ..] = look(B, 0)?;
    let _ = inside(B, f::RX_RELEASE, &[])?;
    let mut result = Ok(());
    for page in chosen {
        result = result.and(read(B, page).map(drop));
    }
    ask(B, test_sp::RELINQUISH, [handle, 0, 0, 0])?;
    take_back(A, handle, 0)?;
    ensure!(
        rest.function() == f::MEM_FRAG_TX && rest.x(3) == 64 && told == pages,
        "the rest: {:#x} {:#x} {}, at {told:#x}",
        rest.x(0),
        rest.x(2),
        rest.x(3)
    );
    ensure!(
        first == pages && ranges == 4 && count == 4 && sum == chosen.iter().sum::<u64>(),
        "{ranges} ranges of {count} pages at {first:#x}"
    );
    result
}

/// While it is lent it is the borrower's alone; then all of it is the owner's again, with what was written.
fn lends(function: u32, flags: u8) -> Outcome {
    let pages = pages(A)?;
    fill(A, pages)?;
    let handle = offered(A, &lend(B, pages, 1).by(function).with(field::FLAGS, &[flags]))?;
    let (as_share, _) = tell(B, test_sp::RETRIEVE, [handle, 1 << 3 | u64::from(A) << 32, 0, 0])?;
    let [address, ..] = ask_for(B, A, handle, KIND_LEND)?;
    let seen = read(B, address)?;
    ask(B, test_sp::WRITE, [address + 8, 0x9999, 0, 0])?;
    let [low, high] = halves(handle);
    let early = inside_bad(A, f::MEM_RECLAIM, &[low, high, 0], Error::DENIED);
    ask(B, test_sp::RELINQUISH, [handle, 0, 0, 0])?;
    take_back(A, handle, 0)?;
    let back = read(A, pages + 8)?;
    let expected = if flags == 0 { MARK } else { 0 };
    ensure!(as_share == INVALID, "retrieved as a share: {as_share:?}");
    ensure!(
        seen == expected && back == 0x9999,
        "B reads {seen:#x}, not {expected:#x}; A reads {back:#x}"
    );
    early
}

/// The last page of the pool is B's from here on: B may lend it, A may not reclaim it.
fn donates() -> Outcome {
    let page = pages(A)? + 15 * 4096;
    fill(A, page)?;
    let handle = offered(A, &donate(B, page))?;
    ask_for(B, A, handle, 3 << 3)?;
    let seen = read(B, page)?;
    let [low, high] = halves(handle);
    let back = inside(A, f::MEM_RECLAIM, &[low, high, 0])?;
    refused(A, &share(B, page, 1), Error::DENIED)?;
    ensure!(
        seen == MARK && back.function() == f::ERROR,
        "B reads {seen:#x}; the giver reclaims: {:#x}",
        back.x(0)
    );
    let handle = offered(B, &share(A, page, 1))?;
    ask_for(A, B, handle, 1 << 3)?;
    let seen = read(A, page)?;
    ask(A, test_sp::RELINQUISH, [handle, 0, 0, 0])?;
    take_back(B, handle, 0)?;
    ensure!(seen == MARK, "what B shares of it A reads as {seen:#x}");
    Ok(())
}

/// A partition that touches what is out of its reach is stopped; its peers go on.
fn stopped(victim: u16, command: u64, address: u64) -> Outcome {
    let answer = ffa(f::DIRECT_REQ_64, &[to(victim), 0, command, address, 0xbad]);
    let error = answer.success().err();
    ensure!(
        error == Some(Error::ABORTED),
        "{victim:#x} went on: {:#x} {:#x}, syndrome {:#x}",
        answer.x(0),
        answer.x(4),
        answer.x(5)
    );
    alive(A)?;
    alive(B)
}

/// What core 1 has a partition read, and the answer: x0 and x2.
static WATCHED: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];
static SEEN: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];
static STARTED: AtomicBool = AtomicBool::new(false);
/// Reads of a watcher: a second and more, if nothing stops it.
const READS: u64 = 200_000_000;

fn watch(_core: usize) {
    let [partition, address] = [0, 1].map(|n: usize| WATCHED[n].load(Ordering::Acquire));
    STARTED.store(true, Ordering::Release);
    let (answer, _) = send(partition as u16, test_sp::WATCH, [address, READS, 0, 0]);
    SEEN[0].store(answer.x(0), Ordering::Release);
    SEEN[1].store(answer.x(2), Ordering::Release);
}

/// Takes a page away while a partition reads it on core 1: that core has to forget it at once, and the partition is
/// stopped; its peers go on.
fn while_it_reads(victim: u16, address: u64, take: impl FnOnce() -> Outcome) -> Outcome {
    WATCHED[0].store(u64::from(victim), Ordering::Release);
    WATCHED[1].store(address, Ordering::Release);
    STARTED.store(false, Ordering::Release);
    ensure!(core_on(1, watch), "core 1 does not start");
    while !STARTED.load(Ordering::Acquire) {
        core::hint::spin_loop();
    }
    let reading = now() + 20_000;
    while now() < reading {}
    let running = !core_is_off(1);
    let taken = take();
    wait_off(1)?;
    taken?;
    let [function, status] = [0, 1].map(|n: usize| SEEN[n].load(Ordering::Acquire) as u32);
    ensure!(running, "core 1 was done before: {function:#x} {status:#x}");
    ensure!(
        function == f::ERROR && status == Error::ABORTED.0.cast_unsigned(),
        "core 1 went on reading: {function:#x} {status:#x}"
    );
    alive(A)?;
    alive(B)
}
