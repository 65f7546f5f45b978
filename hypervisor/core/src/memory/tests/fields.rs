//! Each field of each descriptor, wrong: the error that FF-A names, and nothing changed.

use super::*;
use Error::{Denied, InvalidParameters as Invalid, NoMemory};

/// Bytes to write at an offset of a right descriptor, and what becomes of it.
pub type Case = (usize, &'static [u8], Result<(), Error>);

const MAX: &[u8] = &[0xff; 4];

/// Sends `right` once as it is, and once with each case's bytes; a refusal must change nothing.
pub fn refuse(kind: Kind, right: &Descriptor, cases: &[Case]) {
    let (mut bench, sender) = (Bench::new(), by(right.sender, right.version));
    let before = bench.state();
    for (at, patch, expected) in cases {
        let mut bytes = right.bytes();
        bytes[*at..at + patch.len()].copy_from_slice(patch);
        let got = bench.send_as(&sender, kind, &bytes);
        assert_eq!(got.map(|_| ()), *expected, "{patch:x?} at {at}");
        match got {
            Ok(Progress::Complete(handle)) => bench.reclaim_as(sender.id, handle, 0).unwrap(),
            Ok(more) => panic!("{more:?}"),
            Err(_) => {}
        }
        assert_eq!(bench.state(), before, "{patch:x?} at {at}");
    }
    assert!(bench.send_as(&sender, kind, &right.bytes()).is_ok());
}

/// The fields that all versions have at the same places.
pub const COMMON: &[Case] = &[
    (0, &[1, 0], Err(Invalid)),    // the sender is another VM
    (0, &[1, 0x80], Err(Invalid)), // or a partition
    (2, &[0, 0], Err(Invalid)),    // attributes not specified in a share
    (2, &[0x10], Err(Denied)),     // device memory
    (2, &[0x30], Err(Invalid)),    // reserved memory type
    (2, &[0x23], Err(Invalid)),    // reserved cacheability
    (2, &[0x2b], Err(Invalid)),
    (2, &[0x2d], Err(Invalid)), // reserved shareability
    (2, &[0x27], Ok(())),       // non-cacheable
    (2, &[0x2e], Ok(())),       // outer shareable
    (2, &[0x6f], Err(Invalid)), // security state: the relayer's to say
    (2, &[0xaf], Err(Invalid)),
    (2, &[0x2f, 0x80], Err(Invalid)), // reserved; in 1.0 a byte of its own
    (4, &[1], Err(Invalid)),          // clearing memory that stays in use
    (4, &[2], Ok(())),                // time slicing allowed
    (4, &[4], Err(Invalid)),
    (4, &[8], Err(Invalid)), // a kind is not the sender's to say
    (7, &[0x80], Err(Invalid)),
    (8, &[1], Err(Invalid)), // a handle
    (15, &[0x80], Err(Invalid)),
    (16, &[9; 8], Ok(())),             // any tag
    (28, &[0, 0, 0, 0], Err(Invalid)), // no receiver
    (28, &[2, 0, 0, 0], Err(Invalid)), // a second one, which the composite descriptor is not
    (28, &[5, 0, 0, 0], Err(Invalid)), // more than partitions
    (28, MAX, Err(Invalid)),
];

/// The receiver's descriptor, by offset in it. Where the composite descriptor is differs by version.
pub fn receiver_cases(at: usize, composite: u8) -> Vec<Case> {
    fn leak(bytes: [u8; 4]) -> &'static [u8] {
        Vec::from(bytes).leak()
    }
    let to = |offset: u32| leak(offset.to_le_bytes());
    let composite = u32::from(composite);
    let mut cases: Vec<Case> = Vec::from([
        (0, &[5, 0x80][..], Err(Invalid)), // nobody
        (0, &[3, 0x80], Err(Invalid)),     // does not take the normal world's calls
        (0, &[0, 0x80], Err(Invalid)),     // the SPMC
        (0, &[0, 0], Err(Invalid)),        // the sender itself
        (0, &[2, 0x80], Ok(())),
        (2, &[0], Err(Invalid)), // data access not specified
        (2, &[1], Ok(())),
        (2, &[3], Err(Invalid)), // reserved
        (2, &[6], Err(Invalid)), // a sender may not speak of execution
        (2, &[10], Err(Invalid)),
        (2, &[14], Err(Invalid)),
        (2, &[18], Err(Invalid)),
        (3, &[1], Err(Invalid)), // flags
        (3, &[0x80], Err(Invalid)),
    ]);
    for offset in [
        0,
        1,
        16,
        composite - 16,
        composite - 1,
        composite + 1,
        composite + 4,
    ] {
        cases.push((4, to(offset), Err(Invalid)));
    }
    cases.push((4, to(composite + 16), Err(Invalid)));
    cases.push((4, to(u32::MAX - 7), Err(Invalid)));
    cases
        .iter()
        .map(|(offset, patch, expected)| (at + offset, *patch, *expected))
        .collect()
}

/// The composite descriptor and its constituents, one of two pages, by offset in it.
pub fn composite_cases(at: usize) -> Vec<Case> {
    const CASES: &[Case] = &[
        (0, &[1], Err(Invalid)), // not the sum of the constituents
        (0, &[3], Err(Invalid)),
        (0, &[0], Err(Invalid)),
        (0, MAX, Err(Invalid)),
        (4, &[0], Err(Invalid)), // count of constituents
        (4, &[2], Err(Invalid)),
        (4, MAX, Err(Invalid)),
        (8, &[1], Err(Invalid)), // reserved
        (15, &[1], Err(Invalid)),
        (16, &[1], Err(Invalid)), // not a page's address
        (17, &[8], Err(Invalid)),
        (16, &[0, 0xf0, 0xff, 0x3f], Err(Denied)), // starts below the normal world's memory
        (16, &[0, 0xf0, 0x03, 0x40], Err(Denied)), // ends in the hole
        (16, &[0, 0, 0x04, 0x40], Err(Denied)),    // in the hole
        (16, &[0, 0, 0x10, 0x0e], Err(Denied)),    // the hypervisor's own
        (16, &[0, 0, 0x20, 0x0e], Err(Denied)),    // a partition's
        (16, &[0, 0, 0x04, 0x09], Err(Denied)),    // a device
        (16, &[0, 0, 0, 0x40, 1], Err(Denied)),    // the same, far above
        (16, &[0, 0xf0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], Err(Invalid)), // wraps around
        (24, &[0], Err(Invalid)),                  // no pages
        (24, &[3], Err(Invalid)),
        (24, MAX, Err(Denied)),
        (28, &[1], Err(Invalid)), // reserved
    ];
    CASES
        .iter()
        .map(|(offset, patch, expected)| (at + offset, *patch, *expected))
        .collect()
}

#[test]
fn share_1_0() {
    let right = Descriptor::share(V1_0, &[A], &[(page(8), 2)]);
    refuse(Kind::Share, &right, COMMON);
    refuse(
        Kind::Share,
        &right,
        &[(24, &[16], Err(Invalid)), (27, &[1], Err(Invalid))],
    );
    refuse(Kind::Share, &right, &receiver_cases(32, 48));
    refuse(
        Kind::Share,
        &right,
        &[(40, &[1], Err(Invalid)), (47, &[1], Err(Invalid))],
    );
    refuse(Kind::Share, &right, &composite_cases(48));
}

/// Where the receivers' descriptors are, and how long: versions 1.1 and later.
const PLACES: &[Case] = &[
    (24, &[0], Err(Invalid)),
    (24, &[8], Err(Invalid)),
    (24, &[24], Err(Invalid)),
    (24, &[48], Err(Invalid)),
    (24, MAX, Err(Invalid)),
    (32, &[0], Err(Invalid)),
    (32, &[32], Err(Invalid)),
    (32, &[52], Err(Invalid)),
    (32, &[0xf0, 0xff, 0xff, 0xff], Err(Invalid)),
    (36, &[1], Err(Invalid)), // reserved
    (40, &[1], Err(Invalid)),
    (47, &[1], Err(Invalid)),
];

#[test]
fn share_1_1() {
    let right = Descriptor::share(V1_1, &[A], &[(page(8), 2)]);
    refuse(Kind::Share, &right, COMMON);
    refuse(Kind::Share, &right, PLACES);
    refuse(Kind::Share, &right, &[(24, &[32], Err(Invalid))]);
    refuse(Kind::Share, &right, &receiver_cases(48, 64));
    refuse(
        Kind::Share,
        &right,
        &[(56, &[1], Err(Invalid)), (63, &[1], Err(Invalid))],
    );
    refuse(Kind::Share, &right, &composite_cases(64));
}

#[test]
fn share_1_2() {
    let right = Descriptor::share(V1_2, &[A], &[(page(8), 2)]);
    refuse(Kind::Share, &right, COMMON);
    refuse(Kind::Share, &right, PLACES);
    refuse(Kind::Share, &right, &receiver_cases(48, 80));
    // The short form may be used as well, and the long one has a value that means nothing to us.
    refuse(
        Kind::Share,
        &right,
        &[(24, &[16], Ok(())), (56, &[1], Ok(())), (71, &[1], Ok(()))],
    );
    refuse(
        Kind::Share,
        &right,
        &[(72, &[1], Err(Invalid)), (79, &[1], Err(Invalid))],
    );
    refuse(Kind::Share, &right, &composite_cases(80));
}

#[test]
fn lend_and_donate() {
    let lend = Descriptor::lend(V1_1, A, &[(page(8), 2)]);
    let cases: &[Case] = &[
        (2, &[0x2f], Err(Invalid)), // the one borrower says which attributes it wants
        (2, &[0x10], Err(Denied)),
        (4, &[1], Ok(())), // clear first
        (4, &[4], Err(Invalid)),
        (50, &[0], Err(Invalid)),
        (50, &[1], Ok(())),
        (50, &[10], Err(Invalid)),
    ];
    refuse(Kind::Lend, &lend, cases);
    let mut donate = lend.clone();
    donate.entries[0].permissions = 0;
    let cases: &[Case] = &[
        (2, &[0x2f], Err(Invalid)),
        (4, &[1], Ok(())),
        (50, &[1], Err(Invalid)), // a new owner has all rights
        (50, &[2], Err(Invalid)),
        (50, &[4], Err(Invalid)),
    ];
    refuse(Kind::Donate, &donate, cases);
}

#[test]
fn several_borrowers() {
    let two = Descriptor::share(V1_1, &[A, B], &[(page(8), 2)]);
    let cases: &[Case] = &[
        (64, &[1, 0x80], Err(Invalid)), // the same twice
        (64, &[3, 0x80], Err(Invalid)),
        (68, &[96], Err(Invalid)), // another composite descriptor
        (68, &[0], Err(Invalid)),
        (66, &[0], Err(Invalid)),
        (66, &[1], Ok(())),
    ];
    refuse(Kind::Share, &two, cases);
    // With two borrowers, the lender has to say what attributes the memory has.
    refuse(Kind::Lend, &two, &[(2, &[0], Err(Invalid)), (4, &[1], Ok(()))]);
    let mut donate = Descriptor { attributes: 0, ..two };
    donate.entries.iter_mut().for_each(|entry| entry.permissions = 0);
    let mut bench = Bench::new();
    assert_eq!(bench.send(Kind::Donate, V1_1, &donate.bytes()), Err(Invalid));
}

#[test]
fn lengths() {
    let bytes = Descriptor::share(V1_1, &[A], &[(page(8), 2)]).bytes();
    let mut bench = Bench::new();
    let before = bench.state();
    for total in [0, 1, 48, 80, 95, 97, 112, u32::MAX] {
        let got = bench.share(&by(0, V1_1), Kind::Share, total, &bytes);
        assert_eq!(got, Err(Invalid), "total {total}");
    }
    for length in 0..bytes.len() {
        let got = bench.share(&by(0, V1_1), Kind::Share, 96, &bytes[..length]);
        // All but the constituent is a first fragment; what is shorter, or cuts it, is not.
        assert_eq!(got.is_ok(), length == 80, "length {length}");
        if let Ok(Progress::More { handle, .. }) = got {
            bench.reclaim(handle, 0).unwrap();
        }
    }
    assert_eq!(bench.state(), before);
    let long = Descriptor::share(V1_1, &[A], &[(page(0), 1); 252]).bytes();
    assert!(long.len() > 4096);
    assert_eq!(bench.send(Kind::Share, V1_1, &long), Err(Invalid));
    assert_eq!(bench.state(), before);
}

/// Places for the composite descriptor that are wrong though all lengths and counts fit.
#[test]
fn composites_that_are_elsewhere() {
    let mut bench = Bench::new();
    let before = bench.state();
    let right = Descriptor::share(V1_2, &[A], &[(page(8), 2)]).bytes();
    let send = |bench: &mut Bench, bytes: &[u8]| bench.send(Kind::Share, V1_2, bytes);
    // Moved by 4 bytes: not aligned. By 8, and by 16: allowed.
    for (gap, expected) in [(4_u8, Err(Invalid)), (8, Ok(())), (16, Ok(()))] {
        let mut bytes = right.clone();
        bytes[52] += gap;
        bytes.splice(80..80, (0..gap).map(|_| 0xee));
        let got = send(&mut bench, &bytes);
        assert_eq!(got.map(|_| ()), expected, "{gap}");
        if let Ok(Progress::Complete(handle)) = got {
            bench.reclaim(handle, 0).unwrap();
        }
    }
    // Within the receiver's own descriptor, where its value looks like one.
    let mut bytes = right[..96].to_vec();
    bytes[52] = 56;
    bytes[56..64].copy_from_slice(&[2, 0, 0, 0, 1, 0, 0, 0]);
    bytes[80..88].copy_from_slice(&[2, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(send(&mut bench, &bytes[..88]), Err(Invalid));
    // A receiver's descriptor within the header, where the tag looks like one.
    let mut bytes = right[..48].to_vec();
    bytes[16..24].copy_from_slice(&[1, 0x80, 2, 0, 48, 0, 0, 0]);
    bytes[32] = 16;
    bytes.extend(&right[80..]);
    assert_eq!(send(&mut bench, &bytes), Err(Invalid));
    // The long form of a receiver's descriptor, from a sender that has negotiated 1.1.
    assert_eq!(bench.send(Kind::Share, V1_1, &right), Err(Invalid));
    // No constituents at all.
    let mut bytes = right[..96].to_vec();
    bytes[80..96].fill(0);
    assert_eq!(send(&mut bench, &bytes), Err(Invalid));
    assert_eq!(bench.state(), before);
}

#[test]
fn ownership() {
    let mut bench = Bench::new();
    let overlap = Descriptor::share(V1_1, &[A], &[(page(8), 2), (page(12), 1), (page(9), 1)]);
    assert_eq!(
        bench.send(Kind::Share, V1_1, &overlap.bytes()),
        Err(Invalid),
        "with itself"
    );
    let handle = bench.sent(
        Kind::Share,
        &Descriptor::share(V1_1, &[A], &[(page(8), 4), (page(20), 1)]),
    );
    let before = bench.state();
    let others = [
        (7, 2),
        (8, 1),
        (9, 1),
        (11, 1),
        (11, 2),
        (7, 6),
        (20, 1),
        (0, 64),
        (19, 2),
        (20, 2),
    ];
    for (first, count) in others {
        for kind in [Kind::Share, Kind::Lend] {
            let attributes = if kind == Kind::Share { 0x2f } else { 0 };
            let again = Descriptor {
                attributes,
                ..Descriptor::share(V1_1, &[B], &[(page(first), count)])
            };
            assert_eq!(
                bench.send(kind, V1_1, &again.bytes()),
                Err(Denied),
                "{count} from {first}"
            );
            let again = Descriptor {
                ranges: [(page(40), 1), (page(first), count), (page(45), 1)].to_vec(),
                ..again
            };
            assert_eq!(
                bench.send(kind, V1_1, &again.bytes()),
                Err(Denied),
                "{count} from {first}"
            );
        }
        assert!(bench.ledger.overlaps(page(first), count));
        assert_eq!(bench.state(), before);
    }
    for (first, count) in [(0, 8), (12, 8), (21, 43), (20, 0)] {
        assert!(!bench.ledger.overlaps(page(first), count));
    }
    assert_eq!(bench.reclaim(handle, 0), Ok(()));
    // A partition owns nothing of the normal world's memory, whatever its descriptor says.
    let stolen = Descriptor {
        sender: A,
        ..Descriptor::share(V1_1, &[C], &[(page(8), 2)])
    };
    let bytes = stolen.bytes();
    let got = bench.share(&by(A, V1_1), Kind::Share, bytes.len() as u32, &bytes);
    assert_eq!(got, Err(Denied));
}

/// Retrieves with each case's bytes over a right request; a refusal must change nothing.
fn refuse_retrieve(kind: Kind, sent: &Descriptor, receiver: usize, right: &Descriptor, cases: &[Case]) {
    let mut bench = Bench::new();
    let handle = bench.sent(kind, sent);
    let before = bench.state();
    let right = Descriptor {
        handle,
        ..right.clone()
    };
    for (at, patch, expected) in cases {
        let mut bytes = right.bytes();
        bytes[*at..at + patch.len()].copy_from_slice(patch);
        let got = bench.retrieve(receiver, right.version, &bytes);
        assert_eq!(got.map(|_| ()), *expected, "{patch:x?} at {at}");
        if expected.is_ok() {
            bench.relinquish(receiver, handle, 0).unwrap();
            // Nothing stays but that it was there.
            let after = bench.state().replace("known: true", "known: false");
            assert_eq!(after, before, "{patch:x?} at {at}");
            bench = Bench::new();
            assert_eq!(bench.sent(kind, sent), handle);
        }
        assert_eq!(bench.state(), before, "{patch:x?} at {at}");
    }
    assert!(bench.retrieve(receiver, right.version, &right.bytes()).is_ok());
}

const RETRIEVE: &[Case] = &[
    (0, &[1], Err(Invalid)),     // another sender
    (2, &[0], Ok(())),           // attributes as they are
    (2, &[0x2e], Err(Denied)),   // other shareability
    (2, &[0x27], Ok(())),        // cached less
    (2, &[0x10], Err(Denied)),   // device memory
    (2, &[0x6f], Err(Invalid)),  // security state
    (4, &[8 | 1], Err(Invalid)), // clear first, in a share
    (4, &[8 | 4], Err(Invalid)), // clear after, in a share
    (4, &[8 | 2], Ok(())),
    (4, &[0], Ok(())),        // of whatever kind it is
    (4, &[16], Err(Invalid)), // another kind
    (4, &[24], Err(Invalid)),
    (4, &[8 | 32], Err(Invalid)), // an alignment without the flag that says so
    (4, &[8 | 32, 2], Ok(())),
    (4, &[8, 2], Ok(())),
    (4, &[8, 8], Err(Invalid)), // reserved
    (7, &[0x80], Err(Invalid)),
    (8, &[9], Err(Invalid)), // another handle
    (10, &[9], Err(Invalid)),
    (15, &[0x80], Err(Invalid)),
    (16, &[1], Err(Invalid)), // another tag
    (28, &[0], Err(Invalid)),
    (28, &[2], Err(Invalid)),
    (28, MAX, Err(Invalid)),
];

#[test]
fn retrieve() {
    for (version, at) in [(V1_0, 32), (V1_1, 48), (V1_2, 48)] {
        let sent = Descriptor::share(V1_1, &[A], &[(page(8), 2)]);
        let right = Descriptor::retrieve(version, A, 0);
        refuse_retrieve(Kind::Share, &sent, 0, &right, RETRIEVE);
        let cases: &[Case] = &[
            (at, &[2, 0x80], Err(Invalid)), // on behalf of another
            (at, &[0, 0], Err(Invalid)),
            (at + 2, &[0], Ok(())), // what was offered
            (at + 2, &[1], Ok(())), // less
            (at + 2, &[3], Err(Invalid)),
            (at + 2, &[6], Err(Invalid)), // execution, in a share
            (at + 2, &[10], Err(Invalid)),
            (at + 2, &[0x22], Err(Invalid)),
            (at + 3, &[1], Err(Invalid)), // not for the caller
            (at + 3, &[2], Err(Invalid)),
            (at + 4, &[16], Err(Invalid)), // an address of its own choice
        ];
        refuse_retrieve(Kind::Share, &sent, 0, &right, cases);
        let last = at + if version == V1_2 { 24 } else { 8 };
        refuse_retrieve(Kind::Share, &sent, 0, &right, &[(last, &[1], Err(Invalid))]);
        let read_only = Descriptor {
            entries: [Entry::new(A, 1)].to_vec(),
            ..sent
        };
        let right = Descriptor {
            entries: [Entry::new(A, 1)].to_vec(),
            ..right
        };
        refuse_retrieve(Kind::Share, &read_only, 0, &right, &[(at + 2, &[2], Err(Denied))]);
    }
}

#[test]
fn retrieve_lent() {
    let sent = Descriptor::lend(V1_1, A, &[(page(8), 2)]);
    let right = Descriptor {
        flags: 2 << 3,
        ..Descriptor::retrieve(V1_1, A, 0)
    };
    let cases: &[Case] = &[
        (2, &[0x2e], Ok(())), // the borrower chooses
        (2, &[0x27], Ok(())),
        (2, &[0x18], Err(Denied)),
        (4, &[17], Err(Denied)), // only if cleared, which it is not
        (4, &[20], Ok(())),      // clear after
        (4, &[8], Err(Invalid)),
        (50, &[6], Ok(())), // says itself that it will not execute
        (50, &[10], Err(Denied)),
    ];
    refuse_retrieve(Kind::Lend, &sent, 0, &right, cases);
    let read_only = Descriptor {
        entries: [Entry::new(A, 1)].to_vec(),
        ..sent
    };
    let right = Descriptor {
        entries: [Entry::new(A, 1)].to_vec(),
        ..right
    };
    refuse_retrieve(Kind::Lend, &read_only, 0, &right, &[(4, &[20], Err(Denied))]);
}

#[test]
fn retrieve_among_several() {
    let sent = Descriptor::share(V1_2, &[A, B], &[(page(8), 2)]);
    let mut sent = Descriptor {
        attributes: 0x27,
        ..sent
    };
    sent.entries[1].value = [7; 16];
    let mut right = Descriptor {
        attributes: 0x27,
        ..Descriptor::share(V1_2, &[A, B], &[])
    };
    right.entries[0].flags = 1;
    right.entries[1].value = [7; 16];
    let cases: &[Case] = &[
        (2, &[0x2f], Err(Denied)),      // cached more
        (28, &[1], Err(Invalid)),       // the other borrower is missing
        (48, &[2, 0x80], Err(Invalid)), // or is the caller again
        (48, &[4, 0x80], Err(Invalid)), // or somebody else
        (51, &[0], Err(Invalid)),       // for the other too
        (83, &[1], Err(Invalid)),       // not for the caller
        (56, &[1], Err(Invalid)),       // values that are not the lender's
        (88, &[1], Err(Invalid)),
    ];
    refuse_retrieve(Kind::Share, &sent, 1, &right, cases);
    // Or the caller lists itself only, and says so.
    right.entries.remove(0);
    right.flags = 1 << 10;
    refuse_retrieve(Kind::Share, &sent, 1, &right, &[(5, &[0], Err(Invalid))]);
    refuse_retrieve(Kind::Lend, &sent, 1, &right, &[(50, &[6], Err(Invalid))]);
}

#[test]
fn retrieve_states() {
    let mut bench = Bench::new();
    let handle = bench.sent(Kind::Share, &Descriptor::share(V1_1, &[A], &[(page(8), 2)]));
    let request = |version, id, handle| Descriptor::retrieve(version, id, handle).bytes();
    assert_eq!(
        bench.retrieve(1, V1_1, &request(V1_1, B, handle)),
        Err(Invalid),
        "a stranger"
    );
    assert_eq!(
        bench.retrieve(1, V1_1, &request(V1_1, A, handle)),
        Err(Invalid),
        "a stranger, as A"
    );
    assert_eq!(
        bench.retrieve(9, V1_1, &request(V1_1, A, handle)),
        Err(Invalid),
        "no partition"
    );
    for other in [0, 1, handle + 1, handle ^ 1 << 16, handle | 1 << 63, u64::MAX] {
        assert_eq!(
            bench.retrieve(0, V1_1, &request(V1_1, A, other)),
            Err(Invalid),
            "handle {other:x}"
        );
    }
    let before = bench.state();
    let good = request(V1_1, A, handle);
    for length in 0..good.len() {
        assert_eq!(
            bench.retrieve(0, V1_1, &good[..length]),
            Err(Invalid),
            "length {length}"
        );
    }
    let longer = [&good[..], &[0; 16]].concat();
    assert_eq!(bench.retrieve(0, V1_1, &longer), Err(Invalid));
    let mut short = [0; 95];
    short[..good.len()].copy_from_slice(&good);
    let (ledger, ports) = (&mut bench.ledger, &mut bench.ports);
    let got = ledger.retrieve(&TABLE, 0, V1_1, &mut short, good.len(), ports);
    assert_eq!(got, Err(NoMemory), "no room for the answer");
    assert_eq!(bench.state(), before);
    assert!(bench.retrieve(0, V1_1, &good).is_ok());
    let before = bench.state();
    assert_eq!(bench.retrieve(0, V1_1, &good), Err(Denied), "twice");
    assert_eq!(bench.state(), before);
    assert_eq!(
        bench
            .ledger
            .fragment_rx(&TABLE, (0, V1_1), handle, 96, &mut [0; 64]),
        Err(Invalid)
    );
}

#[test]
fn relinquish() {
    let mut bench = Bench::new();
    let handle = bench.sent(Kind::Share, &Descriptor::share(V1_1, &[A], &[(page(8), 2)]));
    assert_eq!(bench.relinquish(0, handle, 0), Err(Denied), "not retrieved");
    bench
        .retrieve(0, V1_1, &Descriptor::retrieve(V1_1, A, handle).bytes())
        .unwrap();
    let before = bench.state();
    assert_eq!(bench.relinquish(1, handle, 0), Err(Invalid), "a stranger");
    assert_eq!(bench.relinquish(0, handle + 1, 0), Err(Invalid));
    assert_eq!(
        bench.relinquish(0, handle, 1),
        Err(Invalid),
        "clearing what is shared"
    );
    assert_eq!(bench.relinquish(0, handle, 4), Err(Invalid), "reserved");
    assert_eq!(bench.relinquish(0, handle, 1 << 31), Err(Invalid), "reserved");
    let mut call =
        |receiver, bytes: &[u8]| bench.ledger.relinquish(&TABLE, receiver, bytes, &mut bench.ports);
    for ids in [&[][..], &[B], &[0], &[A, A], &[A, B]] {
        assert_eq!(
            call(0, &relinquish_bytes(handle, 0, ids)),
            Err(Invalid),
            "{ids:x?}"
        );
    }
    let right = relinquish_bytes(handle, 2, &[A]);
    assert_eq!(call(9, &right), Err(Invalid));
    for length in 0..right.len() {
        assert_eq!(call(0, &right[..length]), Err(Invalid));
    }
    assert_eq!(bench.state(), before);
    assert_eq!(bench.relinquish(0, handle, 2), Ok(()));
    assert_eq!(bench.relinquish(0, handle, 0), Err(Denied), "twice");
    // Who may only read cannot have it cleared; who may write can.
    let lend = Descriptor::lend(V1_1, A, &[(page(20), 2)]);
    let lent = bench.sent(Kind::Lend, &lend);
    let mut request = Descriptor {
        flags: 0,
        ..Descriptor::retrieve(V1_1, A, lent)
    };
    request.entries[0].permissions = 1;
    bench.retrieve(0, V1_1, &request.bytes()).unwrap();
    assert_eq!(bench.relinquish(0, lent, 1), Err(Denied));
    assert_eq!(bench.relinquish(0, lent, 0), Ok(()));
    request.entries[0].permissions = 2;
    bench.retrieve(0, V1_1, &request.bytes()).unwrap();
    assert_eq!(bench.ports.cleared, []);
    assert_eq!(bench.relinquish(0, lent, 1), Ok(()));
    assert_eq!(bench.ports.cleared, [page(20), page(21)]);
}

#[test]
fn reclaim() {
    let mut bench = Bench::new();
    let handle = bench.sent(Kind::Share, &Descriptor::share(V1_1, &[A], &[(page(8), 2)]));
    bench
        .retrieve(0, V1_1, &Descriptor::retrieve(V1_1, A, handle).bytes())
        .unwrap();
    let before = bench.state();
    assert_eq!(bench.reclaim(handle, 0), Err(Denied), "retrieved");
    assert_eq!(bench.reclaim_as(1, handle, 0), Err(Invalid), "another VM's");
    assert_eq!(bench.reclaim_as(A, handle, 0), Err(Invalid), "the borrower");
    assert_eq!(bench.reclaim(handle, 4), Err(Invalid), "reserved");
    for other in [0, handle + 1, handle ^ 1 << 16, handle ^ 1 << 40, u64::MAX] {
        assert_eq!(bench.reclaim(other, 0), Err(Invalid));
    }
    assert_eq!(bench.state(), before);
    assert_eq!(bench.relinquish(0, handle, 0), Ok(()));
    assert_eq!(bench.ports.cleared, []);
    assert_eq!(bench.reclaim(handle, 3), Ok(()));
    assert_eq!(bench.ports.cleared, [page(8), page(9)]);
    assert_eq!(bench.reclaim(handle, 0), Err(Invalid), "twice");
    // The next transaction takes the same place, and the old handle does not open it.
    let next = bench.sent(Kind::Share, &Descriptor::share(V1_1, &[A], &[(page(8), 2)]));
    assert_ne!(next, handle);
    assert_eq!(bench.reclaim(handle, 0), Err(Invalid));
    assert_eq!(bench.reclaim(next, 0), Ok(()));
}
