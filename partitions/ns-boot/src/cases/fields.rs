//! Each field of a descriptor that shares memory: wrong once, and what may differ (DEN0140 1.2, sections 1.10, 1.11
//! and 2.3).
use super::discovery::with_version;
use super::memory::refused;
use super::share::{Descriptor, field};
use super::{A, B, Case, HIDDEN, Outcome, ask, clause, reclaim, right, tell, wrong};
use crate::arch::machine::Page;
use crate::ensure;
use crate::test_sp;
use sp_rt::ffa::{self as f, Error};

const SHARE: &[u32] = &[f::MEM_SHARE];
const INVALID: Error = Error::INVALID_PARAMETERS;
const MAX: [u8; 4] = [0xff; 4];

/// These cases.
pub const CASES: &[Case] = &[
    wrong("share-sender", SHARE, clause::TRANSACTION, || {
        field(
            field::SENDER,
            &[&[1], &[0, 0x80], &[1, 0x80], &[0xff, 0xff]],
            INVALID,
        )
    }),
    wrong("share-attributes-device", SHARE, clause::ATTRIBUTES, || {
        field(
            field::ATTRIBUTES,
            &[&[0x10], &[0x14], &[0x18], &[0x1c]],
            Error::DENIED,
        )
    }),
    wrong("share-attributes-reserved", SHARE, clause::ATTRIBUTES, || {
        field(
            field::ATTRIBUTES,
            &[&[0x30], &[0x23], &[0x2b], &[0x2d], &[0x2f, 0x80]],
            INVALID,
        )
    }),
    // The sender's security state is the relayer's to say.
    wrong(
        "share-attributes-security-state",
        SHARE,
        clause::ATTRIBUTES,
        || field(field::ATTRIBUTES, &[&[0x6f], &[0xaf]], INVALID),
    ),
    wrong("share-attributes-unspecified", SHARE, clause::ATTRIBUTES, || {
        field(field::ATTRIBUTES, &[&[0]], INVALID)
    }),
    wrong("share-flags", SHARE, clause::FLAGS, || {
        field(field::FLAGS, &[&[4], &[8], &[0x10], &[0, 0, 0, 0x80]], INVALID)
    }),
    wrong("share-cleared", SHARE, clause::FLAGS, || {
        field(field::FLAGS, &[&[1]], INVALID)
    }),
    wrong("share-with-a-handle", SHARE, clause::TRANSACTION, || {
        field(field::HANDLE, &[&[1], &[0, 0, 0, 0, 0, 0, 0, 0x80]], INVALID)
    }),
    wrong("share-receiver-count", SHARE, clause::TRANSACTION, || {
        field(field::RECEIVERS, &[&[0], &[2], &[5], &[9], &MAX], INVALID)
    }),
    wrong("share-receiver-size", SHARE, clause::TRANSACTION, || {
        field(field::ACCESS_SIZE, &[&[0], &[8], &[24], &[48], &MAX], INVALID)
    }),
    wrong("share-receiver-offset", SHARE, clause::TRANSACTION, || {
        field(
            field::ACCESS_AT,
            &[&[0], &[16], &[32], &[52], &[0, 0xff], &[0xf0, 0xff, 0xff, 0xff]],
            INVALID,
        )
    }),
    wrong("share-reserved", SHARE, clause::TRANSACTION, || {
        field(
            field::RESERVED,
            &[&[1], &[0, 0, 0, 0, 1], &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]],
            INVALID,
        )
    }),
    wrong("share-with-nobody", SHARE, clause::RECEIVER, || {
        field(
            field::RECEIVER,
            &[&[0x77, 0x80], &[0, 0x80], &[0xff, 0x7f]],
            INVALID,
        )
    }),
    wrong("share-with-oneself", SHARE, clause::RECEIVER, || {
        field(field::RECEIVER, &[&[0, 0]], INVALID)
    }),
    // Policy: whom a caller may not call does not exist for it.
    wrong(
        "share-with-whom-one-may-not-call",
        SHARE,
        clause::RECEIVER,
        || field(field::RECEIVER, &[&HIDDEN.to_le_bytes()], INVALID),
    ),
    wrong(
        "share-permissions-unspecified",
        SHARE,
        clause::PERMISSIONS,
        || field(field::PERMISSIONS, &[&[0]], INVALID),
    ),
    wrong("share-permissions-reserved", SHARE, clause::PERMISSIONS, || {
        field(field::PERMISSIONS, &[&[3], &[0x12], &[0xf2], &[14]], INVALID)
    }),
    // The sender of a share does not speak of instruction access.
    wrong("share-permissions-executable", SHARE, clause::PERMISSIONS, || {
        field(field::PERMISSIONS, &[&[6], &[10]], INVALID)
    }),
    wrong("share-receiver-flags", SHARE, clause::RECEIVER, || {
        field(field::RECEIVER_FLAGS, &[&[1], &[2], &[0x80]], INVALID)
    }),
    wrong("share-receiver-reserved", SHARE, clause::RECEIVER, || {
        field(
            field::RECEIVER_RESERVED,
            &[&[1], &[0, 0, 0, 0, 0, 0, 0, 1]],
            INVALID,
        )
    }),
    wrong("share-composite-offset", SHARE, clause::COMPOSITE, || {
        field(
            field::COMPOSITE_AT,
            &[
                &[0],
                &[1],
                &[16],
                &[48],
                &[79],
                &[81],
                &[84],
                &[96],
                &[0, 0xff],
                &[0xf8, 0xff, 0xff, 0xff],
            ],
            INVALID,
        )
    }),
    wrong("share-page-count", SHARE, clause::COMPOSITE, || {
        field(field::PAGES, &[&[0], &[2], &MAX], INVALID)
    }),
    wrong("share-range-count", SHARE, clause::COMPOSITE, || {
        field(
            field::RANGES,
            &[&[0], &[2], &[0xff, 0xff, 0xff, 0x0f], &MAX],
            INVALID,
        )
    }),
    wrong("share-composite-reserved", SHARE, clause::COMPOSITE, || {
        field(
            field::COMPOSITE_RESERVED,
            &[&[1], &[0, 0, 0, 0, 0, 0, 0, 1]],
            INVALID,
        )
    }),
    wrong("share-range-unaligned", SHARE, clause::CONSTITUENT, || {
        field(field::ADDRESS, &[&[1], &[0, 8]], INVALID)
    }),
    wrong("share-range-wraps", SHARE, clause::CONSTITUENT, || {
        let end = [0, 0xf0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        field(field::ADDRESS, &[&end], INVALID)
    }),
    wrong("share-range-pages", SHARE, clause::CONSTITUENT, || {
        field(field::RANGE_PAGES, &[&[0], &[2]], INVALID)?;
        let both = one().with(field::RANGE_PAGES, &[0]).with(field::PAGES, &[0]);
        refused("a range of no page", &both, INVALID)?;
        let all = one().with(field::RANGE_PAGES, &MAX).with(field::PAGES, &MAX);
        refused("all pages that there are", &all, Error::DENIED)?;
        whole()
    }),
    wrong("share-range-reserved", SHARE, clause::CONSTITUENT, || {
        field(field::RANGE_RESERVED, &[&[1], &[0, 0, 0, 1]], INVALID)
    }),
    wrong("share-with-one-twice", SHARE, clause::RECEIVER, || {
        refused("A and A", &several(f::VERSION_1_2, &[A, A]), INVALID)?;
        refused("A, B and A", &several(f::VERSION_1_2, &[A, B, A]), INVALID)?;
        whole()
    }),
    wrong("share-with-two-composites", SHARE, clause::COMPOSITE, || {
        // The second receiver's descriptor is 32 bytes behind the first one's.
        let other = several(f::VERSION_1_2, &[A, B]).with(field::COMPOSITE_AT + 32, &[128]);
        refused("two composite descriptors", &other, INVALID)?;
        whole()
    }),
    wrong("share-1.0-fields", SHARE, "DEN0140 4.2.1", || {
        // Where fields of the 32-byte header and the 16-byte receiver are.
        versioned(
            f::VERSION_1_0,
            &[
                (0, &[1]),
                (2, &[0x30]),
                (3, &[1]),
                (4, &[1]),
                (8, &[1]),
                (24, &[1]),
                (28, &[0]),
                (28, &[2]),
                (32, &[0x77]),
                (34, &[3]),
                (34, &[10]),
                (35, &[1]),
                (36, &[16]),
                (36, &[64]),
                (40, &[1]),
                (48, &[2]),
                (52, &[2]),
                (56, &[1]),
                (64, &[1]),
                (72, &[0]),
                (76, &[1]),
            ],
        )
    }),
    wrong("share-1.1-fields", SHARE, clause::TRANSACTION, || {
        versioned(
            f::VERSION_1_1,
            &[
                (0, &[1]),
                (2, &[0x30]),
                (4, &[1]),
                (8, &[1]),
                (24, &[32]),
                (24, &[0]),
                (28, &[0]),
                (28, &[2]),
                (32, &[32]),
                (36, &[1]),
                (40, &[1]),
                (48, &[0x77]),
                (50, &[3]),
                (51, &[1]),
                (52, &[48]),
                (52, &[80]),
                (56, &[1]),
                (64, &[2]),
                (68, &[2]),
                (72, &[1]),
                (80, &[1]),
                (88, &[0]),
                (92, &[1]),
            ],
        )
    }),
    right("share-1.0", SHARE, "DEN0140 4.2.1", || cycle_of(f::VERSION_1_0)),
    right("share-1.1", SHARE, clause::SHARE, || cycle_of(f::VERSION_1_1)),
    right("share-in-the-short-form", SHARE, clause::RECEIVER, || {
        // 1.2 takes the 16-byte receivers of 1.1 as well.
        cycle(&several(f::VERSION_1_1, &[A]))
    }),
    right("share-time-sliced", SHARE, "DEN0140 4.1.3", || {
        cycle(&one().with(field::FLAGS, &[2]))
    }),
    right("share-other-attributes", SHARE, clause::ATTRIBUTES, || {
        for attributes in [0x27, 0x26, 0x2e] {
            let handle = one().with(field::ATTRIBUTES, &[attributes]).share()?;
            let asked = Descriptor::retrieval(0, A, handle).with(field::ATTRIBUTES, &[0, 0]);
            let got = asked.of(A)?;
            super::give_back(A, handle, &got)?;
            reclaim(handle)?;
            ensure!(
                got.function() == f::MEM_RETRIEVE_RESP,
                "{attributes:#x}: {:#x} {:#x}",
                got.x(0),
                got.x(2)
            );
        }
        Ok(())
    }),
    right("share-with-two", SHARE, clause::SHARE, || two(f::VERSION_1_2)),
    right("share-with-two-1.0", SHARE, "DEN0140 4.2.1", || {
        with_version(f::VERSION_1_0, || two(f::VERSION_1_0))
    }),
    right("share-read-only", SHARE, clause::PERMISSIONS, read_only),
];

static PAGE: Page = Page::new();

fn one() -> Descriptor {
    several(f::VERSION_1_2, &[A])
}

fn several(version: u32, receivers: &[u16]) -> Descriptor {
    Descriptor::with_receivers(version, receivers, [(PAGE.address(), 1)].into_iter())
}

/// The page is nobody else's: it can be shared and taken back.
fn whole() -> Outcome {
    reclaim(one().share()?)
}

/// A right descriptor with each of these bytes there is refused, and leaves nothing behind.
fn field(at: usize, values: &[&[u8]], expected: Error) -> Outcome {
    for bytes in values {
        let answer = one().with(at, bytes).send(4096);
        let error = answer.success().err();
        ensure!(
            answer.function() == f::ERROR && error == Some(expected),
            "{bytes:x?} at {at}: {:#x} {error:?}, not {expected:?}",
            answer.x(0)
        );
    }
    whole()
}

/// The same for a lender of another version: INVALID_PARAMETERS for each.
fn versioned(version: u32, fields: &[(usize, &[u8])]) -> Outcome {
    with_version(version, || {
        for (at, bytes) in fields {
            let answer = several(version, &[A]).with(*at, bytes).send(4096);
            let error = answer.success().err();
            ensure!(
                answer.function() == f::ERROR && error == Some(INVALID),
                "{bytes:x?} at {at}: {:#x} {error:?}",
                answer.x(0)
            );
        }
        reclaim(several(version, &[A]).share()?)
    })
}

/// What is shared can be retrieved, read, given back, and taken back.
fn cycle(descriptor: &Descriptor) -> Outcome {
    PAGE.write(3, 0x3333);
    let handle = descriptor.share()?;
    let [address, _, pages, _] = ask(A, test_sp::RETRIEVE, [handle, 0, 0, 0])?;
    let [value, ..] = ask(A, test_sp::READ, [address + 24, 0, 0, 0])?;
    ask(A, test_sp::RELINQUISH, [handle, 0, 0, 0])?;
    reclaim(handle)?;
    ensure!(pages == 1 && value == 0x3333, "{pages} pages, {value:#x}");
    Ok(())
}

/// A lender of another version, a borrower of 1.2: each reads its own format.
fn cycle_of(version: u32) -> Outcome {
    with_version(version, || cycle(&several(version, &[A])))
}

/// Both borrowers see what the owner wrote, and what the other one writes.
fn two(version: u32) -> Outcome {
    PAGE.write(0, 0x1111);
    let handle = several(version, &[A, B]).share()?;
    let mut places = [0; 2];
    for (place, (own, other)) in places.iter_mut().zip([(A, B), (B, A)]) {
        let asked = Descriptor::retrieval_of(f::VERSION_1_2, 0, &[own, other], handle);
        *place = super::taken(own, &asked.of(own)?)?;
    }
    let [value, ..] = ask(A, test_sp::READ, [places[0], 0, 0, 0])?;
    ask(B, test_sp::WRITE, [places[1] + 8, 0x2222, 0, 0])?;
    let [other, ..] = ask(A, test_sp::READ, [places[0] + 8, 0, 0, 0])?;
    for borrower in [A, B] {
        ask(borrower, test_sp::RELINQUISH, [handle, 0, 0, 0])?;
    }
    reclaim(handle)?;
    ensure!(
        value == 0x1111 && other == 0x2222 && PAGE.read(1) == 0x2222,
        "{value:#x}, {other:#x}, {:#x}",
        PAGE.read(1)
    );
    Ok(())
}

/// What is shared read-only is retrieved so at most, and a store to it faults in the borrower's hands. (The
/// store itself ends a partition: the grant is what counts here.)
fn read_only() -> Outcome {
    PAGE.write(0, 0x4444);
    let handle = one().with(field::PERMISSIONS, &[1]).share()?;
    let (status, _) = tell(A, test_sp::RETRIEVE, [handle, 0, 0, 0])?;
    let asked = Descriptor::retrieval(0, A, handle).with(field::PERMISSIONS, &[1]);
    let got = asked.of(A)?;
    let [_, access, ..] = super::look(A, 40)?;
    let address = super::taken(A, &got)?;
    let [value, syndrome, ..] = ask(A, test_sp::READ, [address, 0, 0, 0])?;
    ask(A, test_sp::RELINQUISH, [handle, 0, 0, 0])?;
    reclaim(handle)?;
    ensure!(status == Error::DENIED, "read and write: {status:?}");
    ensure!(
        value == 0x4444 && syndrome == 0,
        "{value:#x}, syndrome {syndrome:#x}"
    );
    // ID, then permissions: read, not executable.
    ensure!(
        access >> 16 & 0xff == 0b0101,
        "granted are {:#x}",
        access >> 16 & 0xff
    );
    Ok(())
}
