//! Memory that partitions share with, lend and donate to each other.

use super::fields::{COMMON, Case, composite_cases, receiver_cases};
use super::*;
use Error::{Denied, InvalidParameters as Invalid, NoMemory};

/// Address of a page of a partition's own memory.
fn at(partition: u64, number: u64) -> u64 {
    own(partition) + number * 4096
}

/// What a partition sends: shares say the attributes, what one borrower has alone does not.
fn offer(kind: Kind, version: u32, from: u16, to: &[u16], ranges: &[(u64, u32)]) -> Descriptor {
    let mut descriptor = Descriptor::share(version, to, ranges);
    descriptor.sender = from;
    if kind != Kind::Share && to.len() == 1 {
        descriptor.attributes = 0;
    }
    if kind == Kind::Donate {
        descriptor.entries[0].permissions = 0;
    }
    descriptor
}

/// What a borrower asks for: all that it was offered.
fn request(kind: Kind, version: u32, from: u16, id: u16, handle: u64) -> Descriptor {
    Descriptor {
        sender: from,
        flags: kind.code() << 3 | 1 << 10,
        attributes: 0,
        ..Descriptor::retrieve(version, id, handle)
    }
}

const fn index(id: u16) -> usize {
    (id - A) as usize
}

impl Bench {
    /// Offers whole descriptors that must be accepted.
    fn offered(&mut self, kind: Kind, from: u16, to: &[u16], ranges: &[(u64, u32)]) -> u64 {
        match self.try_offer(kind, from, to, ranges) {
            Ok(Progress::Complete(handle)) => handle,
            other => panic!("{other:?}"),
        }
    }

    fn try_offer(
        &mut self,
        kind: Kind,
        from: u16,
        to: &[u16],
        ranges: &[(u64, u32)],
    ) -> Result<Progress, Error> {
        let bytes = offer(kind, V1_1, from, to, ranges).bytes();
        self.send_as(&by(from, V1_1), kind, &bytes)
    }

    fn take(&mut self, kind: Kind, from: u16, id: u16, handle: u64) -> Result<Vec<(u64, u32)>, Error> {
        let bytes = request(kind, V1_1, from, id, handle).bytes();
        self.retrieve_all(index(id), V1_1, &bytes).map(|answer| answer.1)
    }

    /// Donates pages, which the receiver takes.
    fn donated(&mut self, from: u16, to: u16, ranges: &[(u64, u32)]) {
        let handle = self.offered(Kind::Donate, from, &[to], ranges);
        assert_eq!(self.take(Kind::Donate, from, to, handle), Ok(ranges.to_vec()));
        assert_eq!(self.ledger.check_invariants(&TABLE), Ok(()));
    }

    fn rights(&self, id: u16, page: u64) -> Option<Rights> {
        self.ports.reach.get(&(index(id), page)).copied()
    }
}

#[test]
fn shared_lent_and_taken_back() {
    let versions = [V1_0, V1_1, V1_2];
    let pairs = versions
        .iter()
        .flat_map(|lender| versions.map(|borrower| (*lender, borrower)));
    for (lender, borrower) in pairs {
        for kind in [Kind::Share, Kind::Lend] {
            let mut bench = Bench::new();
            let empty = bench.state();
            // The last page of the executable region and the first of the other one.
            let (code, data) = (at(0, 15), at(0, 16));
            let ranges = [(at(0, 3), 1), (code, 2)];
            let bytes = offer(kind, lender, A, &[B], &ranges).bytes();
            let Ok(Progress::Complete(handle)) = bench.send_as(&by(A, lender), kind, &bytes) else {
                panic!()
            };
            let own = (kind == Kind::Share).then_some(Rights::ReadWriteExecute);
            assert_eq!(bench.rights(A, code), own, "a loan is away at once");
            assert_eq!(
                bench.rights(B, code),
                None,
                "and in nobody's reach before it is retrieved"
            );
            let bytes = request(kind, borrower, A, B, handle).bytes();
            let got = bench.retrieve_all(1, borrower, &bytes);
            let answer = Answer {
                sender: A,
                attributes: 0x2f,
                flags: kind.code() << 3,
                handle,
                tag: 0,
                receiver: B,
                permissions: 6,
                value: [0; 16],
                address: at(0, 3),
                pages: 3,
            };
            assert_eq!(
                got,
                Ok((answer, ranges.to_vec())),
                "addresses stay, and are secure"
            );
            assert_eq!(bench.rights(B, code), Some(Rights::ReadWrite), "never executable");
            assert_eq!(bench.rights(B, data), Some(Rights::ReadWrite));
            assert_eq!(bench.rights(A, code), own);
            assert_eq!(bench.take(kind, A, B, handle), Err(Denied), "twice");
            assert_eq!(bench.reclaim_as(A, handle, 0), Err(Denied), "B has it");
            assert_eq!(bench.relinquish(1, handle, 0), Ok(()));
            assert_eq!(bench.rights(B, code), None);
            assert_eq!(bench.rights(A, code), own, "a loan stays away");
            assert_eq!(bench.reclaim_as(A, handle, 0), Ok(()));
            assert_eq!(bench.state(), empty);
            assert_eq!(bench.ports.cleared, []);
        }
    }
}

#[test]
fn several_borrow() {
    let mut bench = Bench::new();
    let empty = bench.state();
    let handle = bench.offered(Kind::Lend, A, &[B, C, D], &[(at(0, 2), 2)]);
    for id in [B, C] {
        assert_eq!(
            bench.take(Kind::Lend, A, id, handle),
            Ok(Vec::from([(at(0, 2), 2)]))
        );
    }
    for (id, rights) in [
        (A, None),
        (B, Some(Rights::ReadWrite)),
        (C, Some(Rights::ReadWrite)),
        (D, None),
    ] {
        assert_eq!(bench.rights(id, at(0, 3)), rights, "{id:x}");
    }
    assert_eq!(
        bench.relinquish(3, handle, 0),
        Err(Denied),
        "D has not retrieved it"
    );
    assert_eq!(bench.relinquish(1, handle, 0), Ok(()));
    assert_eq!(bench.reclaim_as(A, handle, 0), Err(Denied), "C has it");
    assert_eq!(bench.relinquish(2, handle, 0), Ok(()));
    assert_eq!(bench.reclaim_as(A, handle, 0), Ok(()));
    assert_eq!(bench.state(), empty);
    // To one of the normal world's and one partition: there is no such thing.
    assert_eq!(
        bench.try_offer(Kind::Share, A, &[B, 0], &[(at(0, 2), 2)]),
        Err(Invalid)
    );
}

#[test]
fn donated_from_hand_to_hand() {
    let mut bench = Bench::new();
    let empty = bench.state();
    let all = [(at(0, 4), 3)];
    let handle = bench.offered(Kind::Donate, A, &[B], &all);
    assert_eq!(bench.rights(A, at(0, 4)), None, "it is away at once");
    assert_eq!(bench.reclaim_as(A, handle, 0), Ok(()), "nobody has taken it");
    assert_eq!(bench.state(), empty);
    let handle = bench.offered(Kind::Donate, A, &[B], &all);
    assert_eq!(bench.take(Kind::Donate, A, B, handle), Ok(all.to_vec()));
    assert_eq!(
        bench.rights(B, at(0, 4)),
        Some(Rights::ReadWrite),
        "not executable"
    );
    let before = bench.state();
    assert_eq!(bench.reclaim_as(A, handle, 0), Err(Invalid), "it is done");
    assert_eq!(bench.relinquish(1, handle, 0), Err(Invalid));
    assert_eq!(bench.take(Kind::Donate, A, B, handle), Err(Invalid));
    for kind in [Kind::Share, Kind::Lend, Kind::Donate] {
        assert_eq!(
            bench.try_offer(kind, A, &[B], &[(at(0, 5), 1)]),
            Err(Denied),
            "not A's any more"
        );
        assert_eq!(
            bench.try_offer(kind, A, &[B], &[(at(0, 3), 2)]),
            Err(Denied),
            "not all A's"
        );
    }
    assert_eq!(bench.state(), before);
    assert!(bench.ledger.owns(&TABLE, 1, at(0, 4)) && !bench.ledger.owns(&TABLE, 0, at(0, 4)));
    // B lends some of it, together with its own, and donates it on; C gives it back to A.
    let both = [(at(0, 6), 1), (at(1, 0), 2)];
    let handle = bench.offered(Kind::Lend, B, &[C], &both);
    assert_eq!(bench.take(Kind::Lend, B, C, handle), Ok(both.to_vec()));
    assert_eq!(bench.relinquish(2, handle, 0), Ok(()));
    assert_eq!(bench.reclaim_as(B, handle, 0), Ok(()));
    assert_eq!(bench.rights(B, at(0, 6)), Some(Rights::ReadWrite));
    assert_eq!(bench.rights(B, at(1, 0)), Some(Rights::ReadWriteExecute));
    bench.donated(B, C, &[(at(0, 5), 1)]);
    bench.donated(C, A, &[(at(0, 5), 1)]);
    assert_eq!(
        bench.rights(A, at(0, 5)),
        Some(Rights::ReadWriteExecute),
        "home again"
    );
    bench.donated(B, A, &[(at(0, 4), 1), (at(0, 6), 1)]);
    assert_eq!(bench.state(), empty);
    // What is C's by the table can come to A, but B has no tables for it.
    bench.donated(C, A, &[(at(2, 1), 2)]);
    for to in [&[B][..], &[C, B]] {
        assert_eq!(bench.try_offer(Kind::Share, A, to, &[(at(2, 1), 1)]), Err(Denied));
    }
    bench.donated(A, C, &[(at(2, 1), 2)]);
    assert_eq!(bench.state(), empty);
}

#[test]
fn what_a_partition_cannot_offer() {
    let mut bench = Bench::new();
    bench.offered(Kind::Share, A, &[C], &[(at(0, 10), 2)]);
    let lent = bench.offered(Kind::Lend, C, &[A], &[(at(2, 0), 1)]);
    assert_eq!(bench.take(Kind::Lend, C, A, lent), Ok(Vec::from([(at(2, 0), 1)])));
    let normal = bench.sent(Kind::Donate, &{
        let mut donate = Descriptor::lend(V1_1, A, &[(page(4), 1)]);
        donate.entries[0].permissions = 0;
        donate
    });
    assert!(bench.take(Kind::Donate, 0, A, normal).is_ok());
    let before = bench.state();
    for (address, count) in [
        (page(4), 1),         // the normal world's, even if it was donated
        (page(0), 1),         // or was not
        (0x4000_0000, 1),     // where the window shows it
        (at(1, 0), 1),        // another partition's
        (at(0, 23), 2),       // partly nobody's
        (at(0, 24), 1),       // nobody's
        (own(0) - 4096, 2),   // partly below
        (0x0e10_0000, 1),     // the hypervisor's
        (0x0900_0000, 1),     // a device
        (at(2, 0), 1),        // borrowed
        (at(0, 9), 2),        // partly in another transaction
        (at(0, 11), 1),       // in another transaction
        (1 << 40, 1),         // far away
        (at(0, 0), u32::MAX), // much too long
    ] {
        for kind in [Kind::Share, Kind::Lend, Kind::Donate] {
            let got = bench.try_offer(kind, A, &[B], &[(at(0, 0), 1), (address, count)]);
            let expected = if address == at(0, 0) || count == u32::MAX {
                assert!(matches!(got, Err(Denied | Invalid | NoMemory)), "{got:?}");
                continue;
            } else {
                Err(Denied)
            };
            assert_eq!(got, expected, "{kind:?} {address:x}");
        }
    }
    // Nobody; the SPMC; oneself; one who takes no memory from B; the normal world; a virtual machine.
    for (from, to) in [(A, 0x8005), (A, 0x8000), (A, A), (B, D), (A, 0), (A, 1), (D, A)] {
        for kind in [Kind::Share, Kind::Lend, Kind::Donate] {
            let got = bench.try_offer(kind, from, &[to], &[(at(u64::from(from - A), 0), 1)]);
            assert_eq!(got, Err(Invalid), "{from:x} to {to:x}");
        }
    }
    assert_eq!(bench.state(), before);
}

#[test]
fn each_field_wrong() {
    for version in [V1_0, V1_1, V1_2] {
        let (receiver, composite) = match version {
            V1_0 => (32, 48),
            V1_1 => (48, 64),
            _ => (48, 80),
        };
        // The sender's own field, and addresses, have cases of their own.
        let mut cases: Vec<Case> = COMMON.iter().filter(|case| case.0 > 1).copied().collect();
        let fields = receiver_cases(receiver, composite);
        cases.extend(fields.into_iter().filter(|case| case.0 > receiver + 1));
        let fields = composite_cases(usize::from(composite));
        cases.extend(
            fields
                .into_iter()
                .filter(|case| case.0 < usize::from(composite) + 16),
        );
        let address = usize::from(composite) + 16;
        let more: &[Case] = &[
            (0, &[0, 0], Err(Invalid)),    // sent for the normal world
            (0, &[2, 0x80], Err(Invalid)), // or for another partition
            (address, &[1], Err(Invalid)), // not a page's address
            (
                address,
                &[0, 0xf0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
                Err(Invalid),
            ), // wraps around
            (address, &[0, 0, 0x22, 0x0e], Err(Denied)), // B's
            (address + 8, &[0], Err(Invalid)), // no pages
            (address + 8, &[3], Err(Invalid)), // more than in total
            (address + 12, &[1], Err(Invalid)), // reserved
        ];
        cases.extend(more);
        super::fields::refuse(
            Kind::Share,
            &offer(Kind::Share, version, A, &[C], &[(at(0, 8), 2)]),
            &cases,
        );
    }
}

#[test]
fn each_field_of_a_retrieve_wrong() {
    let mut bench = Bench::new();
    let handle = bench.offered(Kind::Lend, A, &[B], &[(at(0, 8), 2)]);
    let right = request(Kind::Lend, V1_1, A, B, handle).bytes();
    let before = bench.state();
    let cases: &[(usize, &[u8], Error)] = &[
        (0, &[0, 0], Invalid),     // lent by the normal world
        (0, &[3, 0x80], Invalid),  // or by C
        (2, &[0x40], Invalid),     // non-secure: not the borrower's to say
        (2, &[0x10], Denied),      // as a device
        (2, &[0x3f], Invalid),     // reserved
        (4, &[0x0c, 4], Invalid),  // as shared
        (4, &[0x1c, 4], Invalid),  // as donated
        (4, &[0x11, 4], Denied),   // cleared first, which was not offered
        (5, &[0x0c], Invalid),     // reserved
        (8, &[1], Invalid),        // another handle
        (16, &[1], Invalid),       // another tag
        (28, &[0], Invalid),       // nobody
        (28, &[2], Invalid),       // one more
        (48, &[3, 0x80], Invalid), // for another
        (50, &[3], Invalid),       // reserved permissions
        (50, &[10], Denied),       // executable
        (51, &[1], Invalid),       // not for itself
        (52, &[48], Invalid),      // an address of its own choice
    ];
    for (place, patch, error) in cases {
        let mut bytes = right.clone();
        bytes[*place..place + patch.len()].copy_from_slice(patch);
        assert_eq!(
            bench.retrieve_all(1, V1_1, &bytes),
            Err(*error),
            "{patch:x?} at {place}"
        );
        assert_eq!(bench.state(), before, "{patch:x?} at {place}");
    }
    for receiver in [0, 2, 3] {
        assert_eq!(bench.retrieve_all(receiver, V1_1, &right), Err(Invalid));
    }
    assert_eq!(bench.state(), before);
    assert!(bench.retrieve_all(1, V1_1, &right).is_ok());
}

#[test]
fn pages_and_entries_are_limited() {
    // A may have ten pages at B, in three transactions.
    let mut bench = Bench::new();
    let first = bench.offered(Kind::Share, A, &[B], &[(at(0, 0), 4)]);
    let before = bench.state();
    assert_eq!(
        bench.try_offer(Kind::Lend, A, &[B], &[(at(0, 4), 7)]),
        Err(NoMemory)
    );
    assert_eq!(bench.state(), before);
    bench.offered(Kind::Lend, A, &[B], &[(at(0, 4), 5)]);
    bench.offered(Kind::Lend, A, &[B], &[(at(0, 10), 1)]);
    let full = bench.state();
    for kind in [Kind::Share, Kind::Lend, Kind::Donate] {
        assert_eq!(bench.try_offer(kind, A, &[B], &[(at(0, 20), 1)]), Err(NoMemory));
    }
    for kind in [Kind::Share, Kind::Lend] {
        assert_eq!(
            bench.try_offer(kind, A, &[C, B], &[(at(0, 20), 1)]),
            Err(NoMemory)
        );
    }
    assert_eq!(bench.state(), full);
    // The normal world has all that it was promised at B, and B at C.
    let share = |first| Descriptor::share(V1_1, &[B], &[(page(first), 1)]);
    for number in 0..3 {
        bench.sent(Kind::Share, &share(number * 2));
    }
    assert_eq!(bench.send(Kind::Share, V1_1, &share(9).bytes()), Err(NoMemory));
    for number in 0..2 {
        bench.offered(Kind::Share, B, &[C], &[(at(1, number * 2), 1)]);
    }
    assert_eq!(
        bench.try_offer(Kind::Share, B, &[C], &[(at(1, 20), 1)]),
        Err(NoMemory)
    );
    // And the other way round: those without a limit took nothing of A's at B.
    assert_eq!(bench.reclaim_as(A, first, 0), Ok(()));
    bench.offered(Kind::Share, A, &[B], &[(at(0, 0), 4)]);
    // What was donated counts until it comes back.
    let mut bench = Bench::new();
    bench.donated(A, B, &[(at(0, 0), 7)]);
    bench.offered(Kind::Share, A, &[B], &[(at(0, 8), 3)]);
    assert_eq!(
        bench.try_offer(Kind::Share, A, &[B], &[(at(0, 20), 1)]),
        Err(NoMemory)
    );
    bench.donated(B, A, &[(at(0, 3), 1)]);
    bench.offered(Kind::Share, A, &[B], &[(at(0, 20), 1)]);
    // Fragments count by what they announce.
    let mut bench = Bench::new();
    let bytes = offer(Kind::Share, V1_1, A, &[B], &[(at(0, 0), 1), (at(0, 2), 9)]).bytes();
    let part = bench.share(&by(A, V1_1), Kind::Share, 112, &bytes[..96]);
    assert!(part.is_ok());
    assert_eq!(
        bench.try_offer(Kind::Share, A, &[B], &[(at(0, 20), 1)]),
        Err(NoMemory)
    );
    // Ranges: as many as pages.
    let mut bench = Bench::new();
    let before = bench.state();
    let ranges: Vec<_> = (0..11).map(|number| (at(0, number * 2), 1)).collect();
    let mut bytes = offer(Kind::Share, V1_1, A, &[B], &ranges).bytes();
    bytes[64] = 10;
    assert_eq!(bench.send_as(&by(A, V1_1), Kind::Share, &bytes), Err(NoMemory));
    assert_eq!(bench.state(), before);
    bench.offered(Kind::Share, A, &[B], &ranges[..10]);
}

#[test]
fn deeds_are_limited() {
    // C has two shares, and so two deeds of callers without a limit.
    let mut bench = Bench::new();
    bench.donated(A, C, &[(at(0, 0), 3)]);
    bench.donated(A, C, &[(at(0, 8), 1)]);
    let third = bench.offered(Kind::Donate, A, &[C], &[(at(0, 12), 1)]);
    let before = bench.state();
    assert_eq!(bench.take(Kind::Donate, A, C, third), Err(NoMemory));
    assert_eq!(bench.state(), before);
    assert_eq!(bench.reclaim_as(A, third, 0), Ok(()));
    // The middle of the first would leave a deed more.
    let middle = bench.offered(Kind::Donate, C, &[A], &[(at(0, 1), 1)]);
    let before = bench.state();
    assert_eq!(bench.take(Kind::Donate, C, A, middle), Err(NoMemory));
    assert_eq!(bench.state(), before);
    assert_eq!(bench.reclaim_as(C, middle, 0), Ok(()));
    // What joins its neighbours is no new deed.
    bench.donated(C, A, &[(at(0, 8), 1)]);
    bench.donated(A, C, &[(at(0, 3), 2)]);
    bench.donated(C, A, &[(at(0, 2), 1)]);
    assert_eq!(bench.ledger.deeds.all().len(), 2);
}

#[test]
fn buffers_stay() {
    for kind in [Kind::Share, Kind::Lend, Kind::Donate] {
        let mut bench = Bench::new();
        let before = bench.state();
        let sender = Sender {
            buffers: Some([at(0, 4), at(0, 9)]),
            ..by(A, V1_1)
        };
        for (first, count) in [(4, 1), (9, 1), (3, 2), (4, 8), (0, 5), (0, 10)] {
            let bytes = offer(kind, V1_1, A, &[B], &[(at(0, 11), 1), (at(0, first), count)]).bytes();
            let got = bench.send_as(&sender, kind, &bytes);
            let expected = if count > 9 { NoMemory } else { Denied };
            assert_eq!(got, Err(expected), "{count} from {first}");
            assert_eq!(bench.state(), before);
        }
        let bytes = offer(kind, V1_1, A, &[B], &[(at(0, 5), 4), (at(0, 9), 1)]).bytes();
        let Ok(Progress::More { handle, .. }) = bench.share(&sender, kind, 112, &bytes[..96]) else {
            panic!()
        };
        let (ledger, ports) = (&mut bench.ledger, &mut bench.ports);
        let got = ledger.fragment_tx(&TABLE, &sender, handle, &bytes[96..], ports);
        assert_eq!(got, Err(Denied));
        assert_eq!(bench.state(), before);
        let bytes = offer(kind, V1_1, A, &[B], &[(at(0, 5), 4)]).bytes();
        assert!(bench.send_as(&sender, kind, &bytes).is_ok());
    }
    // The same goes for the normal world's, and for those of its virtual machines, whoever sends.
    let mut bench = Bench::new();
    let sender = Sender {
        buffers: Some([page(1), page(2)]),
        machines: &[None, Some([page(4), page(6)])],
        ..by(0, V1_1)
    };
    let share = |first| Descriptor::share(V1_1, &[A], &[(page(first), 1)]).bytes();
    for first in [1, 2, 4, 6] {
        assert_eq!(bench.send_as(&sender, Kind::Share, &share(first)), Err(Denied));
    }
    assert!(bench.send_as(&sender, Kind::Share, &share(3)).is_ok());
}

#[test]
fn retrieved_with_less() {
    let mut bench = Bench::new();
    let ask = |bench: &mut Bench, handle, permissions, attributes, flags| {
        let mut request = request(Kind::Lend, V1_1, A, B, handle);
        (request.attributes, request.flags) = (attributes, request.flags | flags);
        request.entries[0].permissions = permissions;
        let got = bench.retrieve_all(1, V1_1, &request.bytes());
        let rights = bench.rights(B, at(0, 4));
        if got.is_ok() {
            assert_eq!(bench.relinquish(1, handle, 0), Ok(()));
        }
        got.map(|(answer, _)| (answer.permissions, answer.attributes, rights.unwrap()))
    };
    let handle = bench.offered(Kind::Lend, A, &[B], &[(at(0, 4), 2), (at(0, 8), 1)]);
    let aligned = |power: u32| 1 << 9 | power << 5;
    let all = Ok((6, 0x2f, Rights::ReadWrite));
    assert_eq!(ask(&mut bench, handle, 2, 0, 0), all);
    assert_eq!(ask(&mut bench, handle, 0, 0, 0), all, "as offered");
    assert_eq!(ask(&mut bench, handle, 6, 0, 0), all, "execute-never may be said");
    assert_eq!(ask(&mut bench, handle, 1, 0, 0), Ok((5, 0x2f, Rights::Read)));
    assert_eq!(
        ask(&mut bench, handle, 2, 0x27, 0),
        Ok((6, 0x27, Rights::ReadWrite))
    );
    assert_eq!(ask(&mut bench, handle, 10, 0, 0), Err(Denied), "never executable");
    assert_eq!(
        ask(&mut bench, handle, 1, 0, 4),
        Err(Denied),
        "cleared by a reader"
    );
    assert_eq!(
        ask(&mut bench, handle, 2, 0, aligned(2)),
        all,
        "addresses that stay are so"
    );
    assert_eq!(ask(&mut bench, handle, 2, 0, aligned(3)), Err(Denied), "or not");
    assert_eq!(bench.reclaim_as(A, handle, 0), Ok(()));
    let mut read = offer(Kind::Lend, V1_1, A, &[B], &[(at(0, 4), 1)]);
    read.entries[0].permissions = 1;
    let Ok(Progress::Complete(handle)) = bench.send_as(&by(A, V1_1), Kind::Lend, &read.bytes()) else {
        panic!()
    };
    assert_eq!(ask(&mut bench, handle, 2, 0, 0), Err(Denied), "more than offered");
    assert_eq!(ask(&mut bench, handle, 0, 0, 0), Ok((5, 0x2f, Rights::Read)));
}

#[test]
fn cleared_before_and_after() {
    let mut bench = Bench::new();
    let pages = [at(0, 4), at(0, 5)];
    let cleared = |bench: &mut Bench, expected: &[u64], when: &str| {
        assert_eq!(bench.ports.cleared, expected, "{when}");
        assert_eq!(bench.ports.cleared_in_sight, [], "{when}");
        bench.ports.cleared.clear();
    };
    let mut lend = offer(Kind::Lend, V1_1, A, &[B], &[(at(0, 4), 2)]);
    lend.flags = 1 | 2;
    let Ok(Progress::Complete(handle)) = bench.send_as(&by(A, V1_1), Kind::Lend, &lend.bytes()) else {
        panic!()
    };
    cleared(&mut bench, &[], "not before it is retrieved");
    let mut ask = request(Kind::Lend, V1_1, A, B, handle);
    ask.flags |= 1;
    let (answer, _) = bench.retrieve_all(1, V1_1, &ask.bytes()).unwrap();
    assert_eq!(answer.flags, 2 << 3 | 1, "says that it was cleared");
    cleared(&mut bench, &pages, "before the borrower reaches it");
    assert_eq!(bench.relinquish(1, handle, 3), Ok(()));
    cleared(&mut bench, &pages, "when the borrower gives it back");
    ask.flags = 2 << 3 | 1 << 10 | 4;
    assert!(bench.retrieve_all(1, V1_1, &ask.bytes()).is_ok());
    cleared(&mut bench, &[], "once");
    assert_eq!(bench.relinquish(1, handle, 0), Ok(()));
    cleared(&mut bench, &pages, "as it wanted");
    assert_eq!(bench.reclaim_as(A, handle, 3), Ok(()));
    cleared(&mut bench, &pages, "as the lender wants");
    // A donation: the new owner does not see what was there.
    let mut donate = offer(Kind::Donate, V1_1, A, &[B], &[(at(0, 4), 2)]);
    donate.flags = 1;
    let Ok(Progress::Complete(handle)) = bench.send_as(&by(A, V1_1), Kind::Donate, &donate.bytes()) else {
        panic!()
    };
    assert!(bench.take(Kind::Donate, A, B, handle).is_ok());
    cleared(&mut bench, &pages, "before it changes hands");
    // Shared memory is its owner's to use: nobody clears it but the owner, in the end.
    let handle = bench.offered(Kind::Share, A, &[B], &[(at(0, 8), 1)]);
    let before = bench.state();
    let mut ask = request(Kind::Share, V1_1, A, B, handle);
    ask.flags |= 1;
    assert_eq!(bench.retrieve_all(1, V1_1, &ask.bytes()), Err(Invalid));
    assert_eq!(bench.state(), before);
}

#[test]
fn handles_of_others() {
    let mut bench = Bench::new();
    let handle = bench.offered(Kind::Lend, A, &[B], &[(at(0, 4), 2)]);
    let before = bench.state();
    for other in [0, 1, B, C, 0x8000, 0x8005] {
        assert_eq!(bench.reclaim_as(other, handle, 0), Err(Invalid), "{other:x}");
    }
    for other in [0, handle + 1, handle ^ 1 << 16, handle | 1 << 63, u64::MAX] {
        assert_eq!(bench.reclaim_as(A, other, 0), Err(Invalid), "{other:x}");
        assert_eq!(bench.relinquish(1, other, 0), Err(Invalid), "{other:x}");
    }
    for flags in [4, 8, 1 << 31] {
        assert_eq!(bench.reclaim_as(A, handle, flags), Err(Invalid), "{flags:x}");
    }
    for other in [0, 2, 3] {
        assert_eq!(bench.relinquish(other, handle, 0), Err(Invalid));
    }
    assert_eq!(bench.relinquish(1, handle, 0), Err(Denied), "not retrieved");
    assert_eq!(bench.state(), before);
    let bytes = offer(Kind::Lend, V1_1, A, &[C], &[(at(0, 10), 1), (at(0, 12), 1)]).bytes();
    let Ok(Progress::More { handle, .. }) = bench.share(&by(A, V1_1), Kind::Lend, 112, &bytes[..96]) else {
        panic!()
    };
    let before = bench.state();
    for other in [0, B, C] {
        assert_eq!(bench.fragment(other, handle, &bytes[96..]), Err(Invalid));
    }
    assert_eq!(
        bench.take(Kind::Lend, A, C, handle),
        Err(Invalid),
        "not all of it is there"
    );
    assert_eq!(bench.state(), before);
}

#[test]
fn fragments_both_ways() {
    let ranges: Vec<_> = (0..7).map(|number| (at(0, number * 3), 2)).collect();
    for version in [V1_0, V1_1, V1_2] {
        let mut bench = Bench::new();
        let empty = bench.state();
        let bytes = offer(Kind::Lend, version, A, &[C], &ranges).bytes();
        let start = bytes.len() - 7 * 16;
        let total = bytes.len() as u32;
        let first = bench.share(&by(A, version), Kind::Lend, total, &bytes[..start + 32]);
        let Ok(Progress::More { handle, next_offset }) = first else {
            panic!("{first:?}")
        };
        assert_eq!(next_offset as usize, start + 32);
        assert_eq!(
            bench.rights(A, at(0, 0)),
            Some(Rights::ReadWriteExecute),
            "not lent yet"
        );
        assert!(bench.fragment(A, handle, &bytes[start + 32..start + 80]).is_ok());
        assert_eq!(bench.rights(A, at(0, 0)), Some(Rights::ReadWriteExecute));
        assert_eq!(
            bench.fragment(A, handle, &bytes[start + 80..]),
            Ok(Progress::Complete(handle))
        );
        assert!(ranges.iter().all(|range| bench.rights(A, range.0).is_none()));
        let mut part = |offset: usize, length: usize| {
            let mut out = std::vec![0xa5; length];
            let got = bench
                .ledger
                .fragment_rx(&TABLE, (2, version), handle, offset, &mut out);
            got.map(|length| out[..length as usize].to_vec())
        };
        assert_eq!(part(96, 32), Err(Invalid), "not retrieved yet");
        let request = request(Kind::Lend, version, A, C, handle).bytes();
        let mut buffer = [0xa5; 112];
        buffer[..request.len()].copy_from_slice(&request);
        let (ledger, ports) = (&mut bench.ledger, &mut bench.ports);
        let got = ledger
            .retrieve(&TABLE, 2, version, &mut buffer, request.len(), ports)
            .unwrap();
        let size = if version == V1_0 { 48 } else { 64 } + if version == V1_2 { 16 } else { 0 };
        assert_eq!((got.total as usize, got.fragment), (size + 16 + 7 * 16, 112));
        let total = got.total as usize;
        let mut part = |offset: usize, length: usize| {
            let mut out = std::vec![0xa5; length];
            let got = bench
                .ledger
                .fragment_rx(&TABLE, (2, version), handle, offset, &mut out);
            got.map(|length| out[..length as usize].to_vec())
        };
        for offset in [8, 113, total, total + 16, usize::MAX] {
            assert_eq!(part(offset, 64), Err(Invalid), "{offset}");
        }
        let mut all = buffer.to_vec();
        while all.len() < total {
            all.extend(part(all.len(), 48).unwrap());
        }
        let (answer, got) = read_answer(version, &all);
        assert_eq!((answer.receiver, answer.pages, got), (C, 14, ranges.clone()));
        assert_eq!(part(0, 4096).unwrap(), all, "from any offset");
        assert_eq!(
            bench
                .ledger
                .fragment_rx(&TABLE, (1, version), handle, 0, &mut [0; 64]),
            Err(Invalid),
            "another's"
        );
        assert_eq!(bench.relinquish(2, handle, 0), Ok(()));
        assert_eq!(bench.reclaim_as(A, handle, 0), Ok(()));
        assert_eq!(bench.state(), empty);
    }
    // A donation has no second fragment: its handle is gone with the first.
    let mut bench = Bench::new();
    let handle = bench.offered(Kind::Donate, A, &[C], &[(at(0, 0), 1), (at(0, 2), 1)]);
    let before = bench.state();
    let bytes = request(Kind::Donate, V1_1, A, C, handle).bytes();
    let mut buffer = [0; 111];
    buffer[..bytes.len()].copy_from_slice(&bytes);
    let (ledger, ports) = (&mut bench.ledger, &mut bench.ports);
    let got = ledger.retrieve(&TABLE, 2, V1_1, &mut buffer, bytes.len(), ports);
    assert_eq!(got, Err(NoMemory));
    assert_eq!(bench.state(), before);
}

#[test]
fn a_partition_that_stops() {
    let mut bench = Bench::new();
    // B borrows of A, owns of A, lends to C and D, and is about to lend more.
    let borrowed = bench.offered(Kind::Lend, A, &[B], &[(at(0, 0), 1)]);
    let bytes = Descriptor {
        flags: 2 << 3 | 4,
        ..request(Kind::Lend, V1_1, A, B, borrowed)
    };
    assert!(bench.retrieve_all(1, V1_1, &bytes.bytes()).is_ok());
    bench.donated(A, B, &[(at(0, 4), 1)]);
    let lent = bench.offered(Kind::Lend, B, &[C], &[(at(1, 0), 1)]);
    assert_eq!(bench.take(Kind::Lend, B, C, lent), Ok(Vec::from([(at(1, 0), 1)])));
    let bytes = offer(Kind::Lend, V1_1, B, &[C], &[(at(1, 4), 1), (at(1, 6), 1)]).bytes();
    assert!(bench.share(&by(B, V1_1), Kind::Lend, 112, &bytes[..96]).is_ok());
    bench.ledger.release(1, &mut bench.ports);
    bench.ledger.release(1, &mut bench.ports);
    assert_eq!(bench.ledger.check_invariants(&TABLE), Ok(()));
    assert_eq!(
        bench.rights(B, at(0, 0)),
        None,
        "what it borrowed is out of its reach"
    );
    assert_eq!(bench.ports.cleared, [at(0, 0)], "as it had asked for");
    assert_eq!(bench.reclaim_as(A, borrowed, 0), Ok(()));
    assert!(bench.ledger.owns(&TABLE, 1, at(0, 4)), "what it got is its own");
    assert!(
        !bench.ledger.overlaps(at(1, 4), 1),
        "what was not sent yet is forgotten"
    );
    assert_eq!(
        bench.rights(C, at(1, 0)),
        Some(Rights::ReadWrite),
        "its borrower goes on"
    );
    assert_eq!(bench.relinquish(2, lent, 0), Ok(()));
    assert_eq!(bench.rights(C, at(1, 0)), None);
}

#[test]
fn a_partition_that_starts_anew() {
    let mut bench = Bench::new();
    // B borrows of A, owns of A, lends and shares to C and D, and has given C some memory of its own.
    let borrowed = bench.offered(Kind::Lend, A, &[B], &[(at(0, 0), 1)]);
    assert!(bench.take(Kind::Lend, A, B, borrowed).is_ok());
    bench.donated(A, B, &[(at(0, 4), 2)]);
    let lent = bench.offered(Kind::Lend, B, &[C], &[(at(1, 0), 1)]);
    assert!(bench.take(Kind::Lend, B, C, lent).is_ok());
    bench.donated(B, C, &[(at(1, 8), 2)]);
    bench.ports.cleared.clear();
    bench.ledger.renew(&TABLE, 1, &mut bench.ports);
    assert_eq!(bench.ledger.check_invariants(&TABLE), Ok(()));
    // What it had of others is theirs again, and cleared where it owned it.
    assert_eq!(bench.rights(B, at(0, 0)), None);
    assert_eq!(bench.reclaim_as(A, borrowed, 0), Ok(()));
    assert!(bench.ledger.owns(&TABLE, 0, at(0, 4)));
    assert_eq!(bench.rights(A, at(0, 5)), Some(Rights::ReadWriteExecute));
    assert_eq!(bench.rights(B, at(0, 4)), None);
    // What others had of it is its own.
    assert_eq!(bench.rights(C, at(1, 0)), None);
    assert_eq!(bench.rights(C, at(1, 9)), None);
    assert_eq!(bench.rights(B, at(1, 0)), Some(Rights::ReadWriteExecute));
    assert_eq!(bench.rights(B, at(1, 9)), Some(Rights::ReadWriteExecute));
    assert_eq!(bench.reclaim_as(B, lent, 0), Err(Invalid));
    assert_eq!(bench.ports.cleared, [at(0, 4), at(0, 5), at(1, 8), at(1, 9)]);
    assert_eq!(bench.ledger.usage(1), crate::memory::Usage::default());
}

#[test]
fn a_new_kernel_ends_what_the_last_one_had_sent_and_nothing_else() {
    let mut bench = Bench::new();
    let between = bench.offered(Kind::Share, A, &[B], &[(at(0, 2), 1)]);
    bench.take(Kind::Share, A, B, between).unwrap();
    assert_eq!(bench.ledger.usage(index(A)).sent, 1);
    let told = bench.ledger.describe(&TABLE, V1_1, between, 0, &mut [0; 64]);
    assert_eq!(told, Err(Invalid), "nothing of it is the normal world's");
    let before = bench.state();
    let normal = |kind: Kind, number| {
        let shared = Descriptor::share(V1_1, &[A], &[(page(number), 1)]);
        match kind {
            Kind::Share => shared,
            _ => Descriptor {
                attributes: 0,
                ..shared
            },
        }
    };
    let lent = bench.sent(Kind::Lend, &normal(Kind::Lend, 4));
    let mut donation = normal(Kind::Donate, 8);
    donation.entries[0].permissions = 0;
    let donated = bench.sent(Kind::Donate, &donation);
    bench.sent(Kind::Share, &normal(Kind::Share, 12));
    for (kind, handle) in [(Kind::Lend, lent), (Kind::Donate, donated)] {
        let bytes = Descriptor {
            flags: kind.code() << 3 | 1 << 10,
            attributes: 0,
            ..Descriptor::retrieve(V1_1, A, handle)
        };
        bench.retrieve(0, V1_1, &bytes.bytes()).unwrap();
    }
    bench.ledger.forget_normal(&mut bench.ports);
    assert_eq!(bench.ports.cleared, [page(4)], "a borrower had it to itself");
    assert_eq!(
        bench.reclaim(donated, 0),
        Err(Denied),
        "what it owns by now stays its own"
    );
    bench.ledger.release(0, &mut bench.ports);
    assert_eq!(bench.reclaim(donated, 0), Ok(()));
    bench.ports.cleared.clear();
    assert_eq!(bench.state(), before);
    assert_eq!(bench.relinquish(1, between, 0), Ok(()));
}
