//! Borrowers: each field of FFA_MEM_RETRIEVE_REQ and FFA_MEM_RELINQUISH wrong once (DEN0140 1.2, sections 2.4 to
//! 2.6), and what a hypervisor in the normal world asks.
use super::discovery::{RX, TX, with_version};
use super::share::{Descriptor, field, refused, relinquishment};
use super::{
    A, B, Case, Outcome, ask, bad, clause, ffa, give_back, good, halves, inside, inside_bad, inside_good,
    look, put, reclaim, right, taken, tell, wrong,
};
use crate::arch::machine::Page;
use crate::ensure;
use crate::test_sp;
use sp_rt::ffa::{self as f, Error, Regs};

const RETRIEVE: &[u32] = &[f::MEM_RETRIEVE_REQ];
const RELINQUISH: &[u32] = &[f::MEM_RELINQUISH];
const INVALID: Error = Error::INVALID_PARAMETERS;

/// These cases.
pub const CASES: &[Case] = &[
    right("retrieve-64", &[f::MEM_RETRIEVE_REQ_64], clause::RETRIEVE, || {
        with_share(|handle| {
            let got = Descriptor::retrieval(0, A, handle)
                .by(f::MEM_RETRIEVE_REQ_64)
                .of(A)?;
            let address = taken(A, &got)?;
            let [value, ..] = ask(A, test_sp::READ, [address, 0, 0, 0])?;
            ask(A, test_sp::RELINQUISH, [handle, 0, 0, 0])?;
            ensure!(value == MARK, "{value:#x}");
            Ok(())
        })
    }),
    right(
        "retrieve-response",
        &[f::MEM_RETRIEVE_REQ],
        "DEN0140 2.5",
        response,
    ),
    right("retrieve-aligned", RETRIEVE, "DEN0140 1.11.3", || {
        with_share(|handle| {
            for order in [0_u32, 1, 3, 7] {
                let flags = (1_u32 << 3 | order << 5 | 1 << 9).to_le_bytes();
                let got = Descriptor::retrieval(0, A, handle)
                    .with(field::FLAGS, &flags)
                    .of(A)?;
                let address = taken(A, &got)?;
                ask(A, test_sp::RELINQUISH, [handle, 0, 0, 0])?;
                ensure!(
                    address.is_multiple_of(4096 << order),
                    "{address:#x} for an alignment of 2^{order} pages"
                );
            }
            Ok(())
        })
    }),
    right("retrieve-alone", RETRIEVE, clause::RETRIEVE_FLAGS, || {
        // Flag bit 10: the other borrowers are not listed.
        let both = Descriptor::with_receivers(f::VERSION_1_2, &[A, B], [(PAGE.address(), 1)].into_iter());
        let handle = both.share()?;
        let flags = (1_u32 << 3 | 1 << 10).to_le_bytes();
        let got = Descriptor::retrieval(0, A, handle)
            .with(field::FLAGS, &flags)
            .of(A)?;
        give_back(A, handle, &got)?;
        reclaim(handle)?;
        ensure!(
            got.function() == f::MEM_RETRIEVE_RESP,
            "{:#x} {:#x}",
            got.x(0),
            got.x(2)
        );
        Ok(())
    }),
    wrong("retrieve-twice", RETRIEVE, clause::RETRIEVE, || {
        with_share(|handle| {
            ask(A, test_sp::RETRIEVE, [handle, 0, 0, 0])?;
            let (status, _) = tell(A, test_sp::RETRIEVE, [handle, 0, 0, 0])?;
            ask(A, test_sp::RELINQUISH, [handle, 0, 0, 0])?;
            ensure!(status == Error::DENIED, "{status:?}");
            Ok(())
        })
    }),
    // M1: only the receiver retrieves.
    wrong("retrieve-of-another", RETRIEVE, clause::RETRIEVE, || {
        with_share(|handle| {
            refused(B, &Descriptor::retrieval(0, B, handle), INVALID)?;
            // In the borrower's name.
            refused(B, &Descriptor::retrieval(0, A, handle), INVALID)
        })
    }),
    wrong("retrieve-unknown", RETRIEVE, clause::HANDLE, || {
        let old = one().share()?;
        reclaim(old)?;
        for handle in [old, 0, u64::MAX, 0x77, 1 << 63] {
            refused(A, &Descriptor::retrieval(0, A, handle), INVALID)?;
        }
        Ok(())
    }),
    wrong("retrieve-sender", RETRIEVE, clause::TRANSACTION, || {
        each(
            field::SENDER,
            &[&[1], &[1, 0x80], &[0, 0x80], &[0xff, 0xff]],
            INVALID,
        )
    }),
    wrong("retrieve-tag", RETRIEVE, clause::HANDLE, || {
        each(field::TAG, &[&[1], &[0, 0, 0, 0, 0, 0, 0, 0x80]], INVALID)
    }),
    wrong(
        "retrieve-as-another-kind",
        RETRIEVE,
        clause::RETRIEVE_FLAGS,
        || each(field::FLAGS, &[&[2 << 3], &[3 << 3]], INVALID),
    ),
    wrong(
        "retrieve-reserved-flags",
        RETRIEVE,
        clause::RETRIEVE_FLAGS,
        || each(field::FLAGS, &[&[8, 8], &[8, 0x80], &[8, 0, 0, 0x80]], INVALID),
    ),
    // Bits 8:5 without bit 9, which says that they count.
    wrong(
        "retrieve-alignment-unsaid",
        RETRIEVE,
        clause::RETRIEVE_FLAGS,
        || each(field::FLAGS, &[&[8 | 1 << 5], &[8, 1]], INVALID),
    ),
    // Memory that stays in its owner's use is not cleared.
    wrong("retrieve-cleared", RETRIEVE, clause::RETRIEVE_FLAGS, || {
        each(field::FLAGS, &[&[8 | 1], &[8 | 4]], INVALID)
    }),
    wrong("retrieve-receiver-count", RETRIEVE, clause::TRANSACTION, || {
        each(
            field::RECEIVERS,
            &[&[0], &[2], &[0xff, 0xff, 0xff, 0xff]],
            INVALID,
        )
    }),
    wrong("retrieve-receiver-size", RETRIEVE, clause::TRANSACTION, || {
        each(field::ACCESS_SIZE, &[&[0], &[8], &[24], &[64]], INVALID)
    }),
    wrong("retrieve-receiver-offset", RETRIEVE, clause::TRANSACTION, || {
        each(
            field::ACCESS_AT,
            &[&[0], &[32], &[52], &[64], &[0xf0, 0xff, 0xff, 0xff]],
            INVALID,
        )
    }),
    wrong("retrieve-reserved", RETRIEVE, clause::TRANSACTION, || {
        each(field::RESERVED, &[&[1], &[0, 0, 0, 0, 1]], INVALID)
    }),
    wrong("retrieve-for-another", RETRIEVE, clause::RECEIVER, || {
        each(field::RECEIVER, &[&[2], &[0x77], &[0, 0], &[0, 0x80]], INVALID)
    }),
    wrong("retrieve-receiver-flags", RETRIEVE, clause::RECEIVER, || {
        each(field::RECEIVER_FLAGS, &[&[1], &[2], &[0x80]], INVALID)
    }),
    wrong("retrieve-value", RETRIEVE, clause::RECEIVER, || {
        each(field::VALUE, &[&[1]], INVALID)
    }),
    wrong("retrieve-receiver-reserved", RETRIEVE, clause::RECEIVER, || {
        each(field::RECEIVER_RESERVED, &[&[1]], INVALID)
    }),
    // Where it is mapped is the SPMC's to say.
    wrong("retrieve-with-addresses", RETRIEVE, "DEN0140 1.11.3", || {
        each(field::COMPOSITE_AT, &[&[80], &[48], &[8]], INVALID)
    }),
    wrong(
        "retrieve-permissions-reserved",
        RETRIEVE,
        clause::PERMISSIONS,
        || each(field::PERMISSIONS, &[&[3], &[0x12], &[14]], INVALID),
    ),
    // Where several hold the memory, instruction access is not asked for.
    wrong("retrieve-executable", RETRIEVE, clause::PERMISSIONS, || {
        each(field::PERMISSIONS, &[&[10], &[6]], INVALID)
    }),
    wrong(
        "retrieve-attributes-reserved",
        RETRIEVE,
        clause::ATTRIBUTES,
        || {
            each(
                field::ATTRIBUTES,
                &[&[0x30], &[0x23], &[0x2d], &[0x2f, 0x80]],
                INVALID,
            )
        },
    ),
    wrong("retrieve-attributes-device", RETRIEVE, clause::ATTRIBUTES, || {
        each(field::ATTRIBUTES, &[&[0x10], &[0x1c]], Error::DENIED)
    }),
    // Less cacheable or of another shareability than what was offered.
    wrong("retrieve-attributes-other", RETRIEVE, clause::ATTRIBUTES, || {
        each(field::ATTRIBUTES, &[&[0x2e], &[0x2c]], Error::DENIED)?;
        let handle = one().with(field::ATTRIBUTES, &[0x27]).share()?;
        let more = refused(A, &Descriptor::retrieval(0, A, handle), Error::DENIED);
        reclaim(handle)?;
        more
    }),
    wrong("retrieve-lengths", RETRIEVE, clause::RETRIEVE, || {
        with_share(|handle| {
            put(A, Descriptor::retrieval(0, A, handle).bytes())?;
            for (total, fragment) in [
                (80, 48),
                (80, 81),
                (0, 0),
                (48, 48),
                (79, 79),
                (96, 96),
                (4097, 4097),
            ] {
                inside_bad(A, f::MEM_RETRIEVE_REQ, &[total, fragment], INVALID)?;
            }
            Ok(())
        })
    }),
    wrong(
        "retrieve-in-another-buffer",
        &[f::MEM_RETRIEVE_REQ, f::MEM_RETRIEVE_REQ_64],
        "DEN0140 4.1.1",
        || {
            with_share(|handle| {
                put(A, Descriptor::retrieval(0, A, handle).bytes())?;
                for function in [f::MEM_RETRIEVE_REQ, f::MEM_RETRIEVE_REQ_64] {
                    for (address, pages) in [(0x0e20_0000, 1), (0x0e20_0000, 0), (0, 1)] {
                        inside_bad(A, function, &[80, 80, address, pages], INVALID)?;
                    }
                }
                Ok(())
            })
        },
    ),
    wrong("retrieve-with-a-full-buffer", RETRIEVE, clause::RETRIEVE, || {
        with_share(|handle| {
            inside_good(A, f::PARTITION_INFO_GET, &[])?;
            let busy = refused(A, &Descriptor::retrieval(0, A, handle), Error::BUSY);
            inside_good(A, f::RX_RELEASE, &[])?;
            busy
        })
    }),
    wrong(
        "retrieve-until-the-window-is-full",
        RETRIEVE,
        clause::RETRIEVE,
        full_window,
    ),
    wrong(
        "retrieve-fragments-of-a-partition",
        &[f::MEM_FRAG_RX],
        clause::FRAGMENTS,
        || {
            with_share(|handle| {
                let [low, high] = halves(handle);
                for offset in [0, 16, 48, 4096, 0xffff_fff0] {
                    inside_bad(A, f::MEM_FRAG_RX, &[low, high, offset, 0], INVALID)?;
                }
                inside_bad(A, f::MEM_FRAG_RX, &[low, high, 0, u64::from(B) << 16], INVALID)
            })
        },
    ),
    right("relinquish", RELINQUISH, clause::RELINQUISH, || {
        with_share(|handle| {
            for _ in 0..2 {
                let [address, ..] = ask(A, test_sp::RETRIEVE, [handle, 0, 0, 0])?;
                let [value, ..] = ask(A, test_sp::READ, [address, 0, 0, 0])?;
                put(A, &relinquishment(handle, 0, &[A]))?;
                inside_good(A, f::MEM_RELINQUISH, &[])?;
                ensure!(value == MARK, "{value:#x}");
            }
            Ok(())
        })
    }),
    wrong("relinquish-not-retrieved", RELINQUISH, clause::RELINQUISH, || {
        with_share(|handle| relinquish(A, handle, 0, &[A], Error::DENIED))
    }),
    wrong("relinquish-twice", RELINQUISH, clause::RELINQUISH, || {
        with_share(|handle| {
            ask(A, test_sp::RETRIEVE, [handle, 0, 0, 0])?;
            ask(A, test_sp::RELINQUISH, [handle, 0, 0, 0])?;
            relinquish(A, handle, 0, &[A], Error::DENIED)
        })
    }),
    wrong("relinquish-unknown", RELINQUISH, clause::HANDLE, || {
        borrowed(|handle| {
            for wrong in [0, u64::MAX, handle ^ 1, handle ^ 1 << 16, handle ^ 1 << 40] {
                relinquish(A, wrong, 0, &[A], INVALID)?;
            }
            Ok(())
        })
    }),
    wrong("relinquish-of-another", RELINQUISH, clause::RELINQUISH, || {
        borrowed(|handle| {
            relinquish(B, handle, 0, &[B], INVALID)?;
            relinquish(B, handle, 0, &[A], INVALID)?;
            relinquish(A, handle, 0, &[B], INVALID)
        })
    }),
    wrong(
        "relinquish-endpoint-count",
        RELINQUISH,
        clause::RELINQUISH,
        || {
            borrowed(|handle| {
                relinquish(A, handle, 0, &[], INVALID)?;
                relinquish(A, handle, 0, &[A, B], INVALID)?;
                relinquish(A, handle, 0, &[A, A], INVALID)
            })
        },
    ),
    wrong(
        "relinquish-reserved-flags",
        RELINQUISH,
        clause::RELINQUISH,
        || {
            borrowed(|handle| {
                for flags in [4, 8, 0x8000_0000] {
                    relinquish(A, handle, flags, &[A], INVALID)?;
                }
                Ok(())
            })
        },
    ),
    wrong("relinquish-cleared-share", RELINQUISH, clause::RELINQUISH, || {
        borrowed(|handle| {
            relinquish(A, handle, 1, &[A], INVALID)?;
            ensure!(PAGE.read(0) == MARK, "it was cleared");
            Ok(())
        })
    }),
    wrong(
        "relinquish-without-buffers",
        RELINQUISH,
        clause::RELINQUISH,
        || {
            borrowed(|handle| {
                let [tx, rx, ..] = ask(A, test_sp::PLACES, [0; 4])?;
                put(A, &relinquishment(handle, 0, &[A]))?;
                inside_good(A, f::RXTX_UNMAP, &[])?;
                let refused = inside(A, f::MEM_RELINQUISH, &[])?;
                inside_good(A, f::RXTX_MAP_64, &[tx, rx, 1])?;
                ensure!(refused.function() == f::ERROR, "{:#x}", refused.x(0));
                Ok(())
            })
        },
    ),
    right("hypervisor-retrieves", RETRIEVE, "DEN0140 2.4", || {
        described(1, f::VERSION_1_2)
    }),
    right(
        "hypervisor-retrieves-in-fragments",
        &[f::MEM_RETRIEVE_REQ, f::MEM_FRAG_RX],
        clause::FRAGMENTS,
        || described(300, f::VERSION_1_2),
    ),
    right(
        "hypervisor-retrieves-64",
        &[f::MEM_RETRIEVE_REQ_64],
        "DEN0140 2.4",
        || {
            with_share(|handle| {
                TX.fill(&asked(0, handle));
                let answer = ffa(f::MEM_RETRIEVE_REQ_64, &[48, 48]);
                good(f::RX_RELEASE, &[])?;
                ensure!(
                    answer.function() == f::MEM_RETRIEVE_RESP && answer.x(1) == 112,
                    "{:#x} {}",
                    answer.x(0),
                    answer.x(1)
                );
                Ok(())
            })
        },
    ),
    right("hypervisor-retrieves-1.1", RETRIEVE, "DEN0140 2.4", || {
        with_version(f::VERSION_1_1, || described(3, f::VERSION_1_1))
    }),
    wrong("hypervisor-retrieves-unknown", RETRIEVE, "DEN0140 2.4", || {
        with_share(|handle| {
            for other in [0, handle ^ 1, handle ^ 1 << 16, u64::MAX] {
                TX.fill(&asked(0, other));
                bad(f::MEM_RETRIEVE_REQ, &[48, 48], INVALID)?;
            }
            TX.fill(&asked(A, handle));
            bad(f::MEM_RETRIEVE_REQ, &[48, 48], INVALID)?;
            bad(f::RX_RELEASE, &[], Error::DENIED)
        })
    }),
    // The normal world is a borrower of nothing: all but sender and handle is zero.
    wrong(
        "hypervisor-retrieves-as-a-borrower",
        RETRIEVE,
        "DEN0140 2.4",
        || {
            with_share(|handle| {
                let right = Descriptor::retrieval(0, A, handle);
                TX.fill(right.bytes());
                bad(f::MEM_RETRIEVE_REQ, &[80, 80], INVALID)?;
                for at in [2, 4, 16, 28, 36, 47] {
                    let mut bytes = asked(0, handle);
                    bytes[at] = 1;
                    TX.fill(&bytes);
                    bad(f::MEM_RETRIEVE_REQ, &[48, 48], INVALID)?;
                }
                Ok(())
            })
        },
    ),
    wrong(
        "hypervisor-retrieves-with-a-full-buffer",
        RETRIEVE,
        "DEN0140 2.4",
        || {
            with_share(|handle| {
                good(f::PARTITION_INFO_GET, &[])?;
                TX.fill(&asked(0, handle));
                let busy = bad(f::MEM_RETRIEVE_REQ, &[48, 48], Error::BUSY);
                good(f::RX_RELEASE, &[])?;
                busy
            })
        },
    ),
    wrong(
        "hypervisor-fragments-at-wrong-offsets",
        &[f::MEM_FRAG_RX],
        clause::FRAGMENTS,
        || {
            with_share(|handle| {
                let [low, high] = halves(handle);
                for offset in [8, 112, 128, 4096, 0xffff_fff0] {
                    bad(f::MEM_FRAG_RX, &[low, high, offset, 0], INVALID)?;
                }
                bad(f::MEM_FRAG_RX, &[low, high, 0, u64::from(A) << 16], INVALID)?;
                bad(f::MEM_FRAG_RX, &[low ^ 1, high, 0, 0], INVALID)
            })
        },
    ),
];

static PAGE: Page = Page::new();
const MARK: u64 = 0x0b02_2044_0000_0001;
const POOL_PAGES: usize = 620;
static POOL: [Page; POOL_PAGES] = [const { Page::new() }; POOL_PAGES];
/// Memory of the normal world that nothing of it uses.
const FREE: u64 = 0x6000_0000 + 0x1000_0000;

fn one() -> Descriptor {
    Descriptor::new(A, [(PAGE.address(), 1)].into_iter())
}

/// Something with a share of the page with A, which is then taken back.
fn with_share(what: impl FnOnce(u64) -> Outcome) -> Outcome {
    PAGE.write(0, MARK);
    let handle = one().share()?;
    let result = what(handle);
    reclaim(handle)?;
    result
}

/// The same, while A has it; it has it still at the end.
fn borrowed(what: impl FnOnce(u64) -> Outcome) -> Outcome {
    with_share(|handle| {
        let [address, ..] = ask(A, test_sp::RETRIEVE, [handle, 0, 0, 0])?;
        let result = what(handle);
        let [value, syndrome, ..] = ask(A, test_sp::READ, [address, 0, 0, 0])?;
        ask(A, test_sp::RELINQUISH, [handle, 0, 0, 0])?;
        ensure!(
            value == MARK && syndrome == 0,
            "the borrower reads {value:#x}, syndrome {syndrome:#x}"
        );
        result
    })
}

/// A right retrieval with each of these bytes there is refused; without them it is not.
fn each(at: usize, values: &[&[u8]], expected: Error) -> Outcome {
    with_share(|handle| {
        for bytes in values {
            let got = Descriptor::retrieval(0, A, handle).with(at, bytes).of(A)?;
            let error = got.success().err();
            if got.function() == f::MEM_RETRIEVE_RESP {
                give_back(A, handle, &got)?;
            }
            ensure!(
                got.function() == f::ERROR && error == Some(expected),
                "{bytes:x?} at {at}: {:#x} {error:?}, not {expected:?}",
                got.x(0)
            );
        }
        let got = Descriptor::retrieval(0, A, handle).of(A)?;
        give_back(A, handle, &got)?;
        ensure!(
            got.function() == f::MEM_RETRIEVE_RESP,
            "the right one: {:#x}",
            got.x(2)
        );
        Ok(())
    })
}

fn relinquish(borrower: u16, handle: u64, flags: u32, endpoints: &[u16], expected: Error) -> Outcome {
    put(borrower, &relinquishment(handle, flags, endpoints))?;
    inside_bad(borrower, f::MEM_RELINQUISH, &[], expected)
}

/// The answer: sender, attributes with the NS bit, kind, handle, tag; the receiver with what it got; one range.
fn response() -> Outcome {
    PAGE.write(0, MARK);
    let tag = 0x1234_5678_9abc_def0_u64.to_le_bytes();
    let handle = one()
        .with(field::TAG, &tag)
        .with(field::VALUE, &[7; 16])
        .share()?;
    let asked = Descriptor::retrieval(0, A, handle)
        .with(field::TAG, &tag)
        .with(field::VALUE, &[7; 16]);
    let got = asked.of(A)?;
    let words = look(A, 0)?;
    give_back(A, handle, &got)?;
    reclaim(handle)?;
    ensure!(
        got.function() == f::MEM_RETRIEVE_RESP && got.x(1) == 112 && got.x(2) == 112,
        "{:#x} {} {}",
        got.x(0),
        got.x(1),
        got.x(2)
    );
    let expected = [
        0x2f_0000 | 1 << 22 | 1 << 35,
        handle,
        0x1234_5678_9abc_def0,
        32 | 1 << 32,
        48,
        0,
        u64::from(A) | 0b0110 << 16 | 80 << 32,
        0x0707_0707_0707_0707,
        0x0707_0707_0707_0707,
        0,
        1 | 1 << 32,
        0,
    ];
    for (n, (word, expected)) in words.iter().zip(expected).enumerate() {
        ensure!(*word == expected, "word {n} is {word:#x}, not {expected:#x}");
    }
    ensure!(
        words[12] % 4096 == 0 && words[13] == 1,
        "{:#x}, {} pages",
        words[12],
        words[13]
    );
    Ok(())
}

/// T2: the window of A holds 1,024 pages: what does not fit is NO_MEMORY, and fits another time.
fn full_window() -> Outcome {
    let large = Descriptor::new(A, [(FREE, 1000)].into_iter()).share()?;
    ask(A, test_sp::BORROW, [large, 0, 0, 0])?;
    let other = Descriptor::new(A, [(FREE + 0x100_0000, 100)].into_iter()).share()?;
    ask(A, test_sp::RETRIEVE, [other, 0, 0, 0])?;
    let full = refused(A, &Descriptor::retrieval(0, A, large), Error::NO_MEMORY);
    ask(A, test_sp::RELINQUISH, [other, 0, 0, 0])?;
    let (status, _) = tell(A, test_sp::BORROW, [large, 0, 0, 0])?;
    reclaim(other)?;
    reclaim(large)?;
    ensure!(status == Error(0), "when there is room again: {status:?}");
    full
}

/// What a hypervisor asks: the fixed part, of sender and handle.
fn asked(sender: u16, handle: u64) -> [u8; 48] {
    let mut bytes = [0; 48];
    bytes[..2].copy_from_slice(&sender.to_le_bytes());
    bytes[8..16].copy_from_slice(&handle.to_le_bytes());
    bytes
}

/// A share of so many ranges is told again as it was sent, in as many fragments as it takes.
fn described(ranges: usize, version: u32) -> Outcome {
    let pages = || POOL.iter().step_by(2).take(ranges);
    let sent = Descriptor::with_receivers(version, &[A], pages().map(|page| (page.address(), 1)));
    let answer = sent.send(4096);
    ensure!(answer.success().is_ok(), "{:#x} {:#x}", answer.x(0), answer.x(2));
    let handle = super::handle_of(&answer);
    let result = compare(handle, sent.bytes());
    reclaim(handle)?;
    result
}

fn compare(handle: u64, sent: &[u8]) -> Outcome {
    TX.fill(&asked(0, handle));
    let mut answer = ffa(f::MEM_RETRIEVE_REQ, &[48, 48]);
    ensure!(
        answer.function() == f::MEM_RETRIEVE_RESP && answer.x(1) == sent.len() as u64,
        "{:#x} {:#x}: {} bytes of {}",
        answer.x(0),
        answer.x(2),
        answer.x(1),
        sent.len()
    );
    let (mut seen, mut here) = (0, answer.x(2) as usize);
    let result = loop {
        let same = same(seen, here, sent);
        good(f::RX_RELEASE, &[])?;
        seen += here;
        if same.is_err() || seen >= sent.len() {
            break same;
        }
        answer = next(handle, seen)?;
        here = answer.x(3) as usize;
    };
    ensure!(seen == sent.len(), "{seen} bytes were told");
    result
}

fn next(handle: u64, offset: usize) -> Outcome<Regs> {
    let [low, high] = halves(handle);
    let answer = ffa(f::MEM_FRAG_RX, &[low, high, offset as u64, 0]);
    ensure!(
        answer.function() == f::MEM_FRAG_TX && answer.x(3) > 0,
        "at {offset}: {:#x} {:#x}",
        answer.x(0),
        answer.x(2)
    );
    Ok(answer)
}

/// That RX holds the part of what was sent from `offset` on: permissions, composite and ranges.
fn same(offset: usize, length: usize, sent: &[u8]) -> Outcome {
    for at in (offset.max(48)..offset + length).step_by(8) {
        let expected: [u8; 8] = core::array::from_fn(|n| sent.get(at + n).copied().unwrap_or(0));
        let told = RX.read((at - offset) / 8);
        ensure!(
            told == u64::from_le_bytes(expected),
            "byte {at}: {told:#x}, not {:#x}",
            u64::from_le_bytes(expected)
        );
    }
    Ok(())
}
