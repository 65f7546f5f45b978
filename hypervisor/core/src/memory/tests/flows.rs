//! What right callers do, from share to reclaim; fragments; and what quotas promise.

use super::*;
use Error::{Denied, InvalidParameters as Invalid, NoMemory};

/// One partition with a large window, and much memory.
static LARGE: Table = table(
    &[pages(RAM, 1 << 16)],
    &[partition(
        "a",
        A,
        pages(0x4000_0000, 8192),
        8,
        &[Caller::unlimited(0)],
    )],
);

type Large = Ledger<1, 8, 2048>;

#[test]
fn linux_shares_and_op_tee_retrieves() {
    for (linux, op_tee) in [V1_0, V1_1, V1_2]
        .iter()
        .flat_map(|a| [V1_0, V1_1, V1_2].map(|b| (*a, b)))
    {
        let mut bench = Bench::new();
        let empty = bench.state();
        let ranges = [(page(30), 1), (page(3), 2), (page(90), 1)];
        let handle = bench.sent(Kind::Share, &Descriptor::share(linux, &[A], &ranges));
        assert_eq!(
            bench.ports.mapped,
            BTreeMap::new(),
            "nothing is mapped before it is retrieved"
        );
        let got = bench.retrieve(0, op_tee, &Descriptor::retrieve(op_tee, A, handle).bytes());
        let expected = Answer {
            sender: 0,
            attributes: if op_tee == V1_0 { 0x2f } else { 0x6f },
            flags: 1 << 3,
            handle,
            tag: 0,
            receiver: A,
            permissions: 6,
            value: [0; 16],
            address: 0x4000_0000,
            pages: 4,
        };
        assert_eq!(got, Ok(expected));
        let mapped: Vec<_> = bench
            .ports
            .mapped
            .iter()
            .map(|(slot, page)| (slot.1, page.0, page.1))
            .collect();
        let all = Access::ReadWrite;
        assert_eq!(
            mapped,
            [
                (0, page(30), all),
                (1, page(3), all),
                (2, page(4), all),
                (3, page(90), all)
            ]
        );
        assert_eq!(bench.relinquish(0, handle, 0), Ok(()));
        assert_eq!(bench.reclaim(handle, 0), Ok(()));
        assert_eq!(bench.state(), empty);
        assert_eq!(bench.ports.cleared, []);
    }
}

/// What stock Linux sends of pages that lie apart: 4 KiB a fragment, cut between constituents.
#[test]
fn linux_sends_fragments() {
    let mut ledger = Large::new();
    let mut ports = Windows::default();
    // Scattered, and in no order: 600 different odd pages.
    let ranges: Vec<_> = (0..600)
        .map(|number| (page(number * 367 % 1201 * 2 + 1), 1))
        .collect();
    let bytes = Descriptor::share(V1_1, &[A], &ranges).bytes();
    for _ in 0..3 {
        let first = ledger.share(
            &LARGE,
            &by(0, V1_1),
            Kind::Share,
            bytes.len() as u32,
            &bytes[..4096],
            &mut ports,
        );
        let Ok(Progress::More {
            handle,
            next_offset: 4096,
        }) = first
        else {
            panic!("{first:?}")
        };
        assert_eq!(ledger.check_invariants(&LARGE), Ok(()));
        let request = Descriptor::retrieve(V1_1, A, handle).bytes();
        let mut out = [0; 128];
        out[..request.len()].copy_from_slice(&request);
        let early = ledger.retrieve(&LARGE, 0, V1_1, &mut out, request.len(), &mut ports);
        assert_eq!(early, Err(Invalid), "not all has arrived");
        let second = ledger.fragment_tx(&LARGE, &by(0, V1_1), handle, &bytes[4096..8192], &mut ports);
        assert_eq!(
            second,
            Ok(Progress::More {
                handle,
                next_offset: 8192
            })
        );
        let third = ledger.fragment_tx(&LARGE, &by(0, V1_1), handle, &bytes[8192..], &mut ports);
        assert_eq!(third, Ok(Progress::Complete(handle)));
        assert_eq!(
            ledger.fragment_tx(&LARGE, &by(0, V1_1), handle, &bytes[8192..], &mut ports),
            Err(Invalid),
            "more than all"
        );
        let got = ledger
            .retrieve(&LARGE, 0, V1_1, &mut out, request.len(), &mut ports)
            .unwrap();
        let (answer, _) = read_answer(V1_1, &out[..got.total as usize]);
        assert_eq!((answer.address, answer.pages), (0x4000_0000, 600));
        assert_eq!(ledger.check_invariants(&LARGE), Ok(()));
        for (slot, range) in ranges.iter().enumerate() {
            assert_eq!(
                ports.mapped.get(&(0, slot as u32)),
                Some(&(range.0, Access::ReadWrite))
            );
        }
        ledger
            .relinquish(&LARGE, 0, &relinquish_bytes(handle, 0, &[A]), &mut ports)
            .unwrap();
        assert_eq!(ports.mapped.len(), 0);
        ledger.reclaim(&LARGE, 0, handle, 0, &mut ports).unwrap();
        assert!(ranges.iter().all(|range| !ledger.overlaps(range.0, range.1)));
        assert_eq!(ledger.check_invariants(&LARGE), Ok(()));
    }
}

#[test]
fn fragments_that_are_wrong() {
    let ranges = [(page(1), 1), (page(3), 1), (page(5), 1), (page(7), 1)];
    let bytes = Descriptor::share(V1_1, &[A], &ranges).bytes();
    let mut bench = Bench::new();
    let empty = bench.state();
    let total = bytes.len() as u32;
    let start = |bench: &mut Bench, sender: u16| {
        let mut bytes = bytes.clone();
        bytes[..2].copy_from_slice(&sender.to_le_bytes());
        match bench.share(&by(sender, V1_1), Kind::Share, total, &bytes[..96]) {
            Ok(Progress::More {
                handle,
                next_offset: 96,
            }) => handle,
            other => panic!("{other:?}"),
        }
    };
    let taken = Descriptor::share(V1_1, &[B], &[(page(5), 1)]);
    let other = bench.sent(Kind::Share, &taken);
    let held = bench.state();
    let fragment = |bench: &mut Bench, sender, handle, bytes: &[u8]| bench.fragment(sender, handle, bytes);
    // Each of these ends the transmission, and frees what had arrived.
    let cases: [(&[u8], Error); 6] = [
        (&[], Invalid),
        (&bytes[96..111], Invalid),
        (&[&bytes[96..], &bytes[96..112]].concat(), Invalid), // one too many
        (&[0; 48], Invalid),
        (&bytes[80..96], Invalid), // what has been sent already
        (&bytes[96..], Denied),    // lent to another
    ];
    for (bytes, error) in cases {
        let handle = start(&mut bench, 0);
        assert_eq!(fragment(&mut bench, 0, handle, bytes), Err(error));
        assert_eq!(
            fragment(&mut bench, 0, handle, bytes),
            Err(Invalid),
            "it is no more"
        );
        assert_eq!(bench.state(), held);
    }
    assert_eq!(bench.reclaim(other, 0), Ok(()));
    // A stranger's fragment does not.
    let handle = start(&mut bench, 0);
    let before = bench.state();
    assert_eq!(fragment(&mut bench, 1, handle, &bytes[96..]), Err(Invalid));
    assert_eq!(fragment(&mut bench, A, handle, &bytes[96..]), Err(Invalid));
    assert_eq!(fragment(&mut bench, 0, handle + 1, &bytes[96..]), Err(Invalid));
    assert_eq!(bench.state(), before);
    // Another VM's transmission goes on beside it, one of the same sender takes its place.
    let sender = Descriptor {
        sender: 1,
        ..Descriptor::share(V1_1, &[B], &[(page(20), 1), (page(22), 1)])
    };
    let sender = sender.bytes();
    let beside = bench.share(&by(1, V1_1), Kind::Share, sender.len() as u32, &sender[..96]);
    assert!(beside.is_ok());
    let next = start(&mut bench, 0);
    assert_eq!(
        fragment(&mut bench, 0, handle, &bytes[96..]),
        Err(Invalid),
        "the one before"
    );
    let Ok(Progress::More { handle: beside, .. }) = beside else {
        panic!()
    };
    assert_eq!(
        fragment(&mut bench, 1, beside, &sender[96..]),
        Ok(Progress::Complete(beside))
    );
    // It may be given up. Nothing is cleared, since it had not left its owner.
    assert_eq!(bench.reclaim(next, 1), Ok(()));
    assert_eq!(bench.reclaim_as(1, beside, 0), Ok(()));
    assert_eq!(bench.ports.cleared, []);
    assert_eq!(bench.state(), empty);
}

#[test]
fn totals_that_do_not_match() {
    // Four constituents, five pages said: seen at the last fragment. Three said: at once.
    for (said, ok) in [(5_u8, true), (3, true), (1, false), (0, false)] {
        let ranges = [(page(1), 1), (page(3), 1), (page(5), 1), (page(7), 1)];
        let mut bytes = Descriptor::share(V1_1, &[A], &ranges).bytes();
        bytes[64] = said;
        let mut bench = Bench::new();
        let empty = bench.state();
        let first = bench.share(&by(0, V1_1), Kind::Share, bytes.len() as u32, &bytes[..112]);
        assert_eq!(first.is_ok(), ok);
        if let Ok(Progress::More { handle, .. }) = first {
            assert_eq!(bench.fragment(0, handle, &bytes[112..]), Err(Invalid));
        }
        assert_eq!(bench.state(), empty);
    }
}

#[test]
fn memory_is_cleared_before_and_after() {
    let mut bench = Bench::new();
    let lend = Descriptor {
        flags: 1,
        attributes: 0x2f,
        ..Descriptor::share(V1_1, &[A, B], &[(page(4), 2)])
    };
    let handle = bench.sent(Kind::Lend, &lend);
    assert_eq!(bench.ports.cleared, []);
    let alone = 1_u32 << 10;
    let request = |id, flags| {
        Descriptor {
            flags: 2 << 3 | alone | flags,
            ..Descriptor::retrieve(V1_1, id, handle)
        }
        .bytes()
    };
    let answer = bench.retrieve(0, V1_1, &request(A, 1)).unwrap();
    assert_eq!(answer.flags, 2 << 3 | 1, "says that it was cleared");
    assert_eq!(bench.ports.cleared, [page(4), page(5)]);
    assert!(bench.retrieve(1, V1_1, &request(B, 4)).is_ok());
    assert_eq!(bench.ports.cleared.len(), 2, "cleared once: A uses it now");
    assert_eq!(bench.relinquish(0, handle, 0), Ok(()));
    // What it has had before is not cleared for it.
    let before = bench.state();
    assert_eq!(bench.retrieve(0, V1_1, &request(A, 1)), Err(Invalid));
    assert_eq!(bench.state(), before);
    assert!(bench.retrieve(0, V1_1, &request(A, 0)).is_ok());
    assert_eq!(bench.relinquish(0, handle, 0), Ok(()));
    assert_eq!(bench.ports.cleared.len(), 2);
    assert_eq!(bench.relinquish(1, handle, 0), Ok(()));
    assert_eq!(bench.ports.cleared.len(), 4, "as B wanted when it retrieved");
    assert!(bench.retrieve(1, V1_1, &request(B, 0)).is_ok());
    assert_eq!(bench.relinquish(1, handle, 0), Ok(()));
    assert_eq!(bench.ports.cleared.len(), 4, "not this time");
    assert_eq!(bench.reclaim(handle, 1), Ok(()));
    assert_eq!(bench.ports.cleared.len(), 6);
    assert_eq!(bench.ports.cleared_in_sight, []);
}

#[test]
fn donated_memory_does_not_come_back() {
    let mut bench = Bench::new();
    let mut donate = Descriptor::lend(V1_1, A, &[(page(4), 2)]);
    donate.entries[0].permissions = 0;
    let request = |handle| {
        Descriptor {
            flags: 3 << 3,
            ..Descriptor::retrieve(V1_1, A, handle)
        }
        .bytes()
    };
    let handle = bench.sent(Kind::Donate, &donate);
    assert_eq!(bench.reclaim(handle, 0), Ok(()), "nobody has taken it");
    let handle = bench.sent(Kind::Donate, &donate);
    let answer = bench.retrieve(0, V1_1, &request(handle)).unwrap();
    assert_eq!((answer.permissions, answer.flags), (6, 3 << 3));
    assert_eq!(bench.reclaim(handle, 0), Err(Denied));
    assert_eq!(bench.relinquish(0, handle, 0), Err(Denied));
    assert_eq!(
        bench.send(Kind::Donate, V1_1, &donate.bytes()),
        Err(Denied),
        "not the sender's any more"
    );
    // The partition dies: its memory goes back without what it wrote there.
    bench.ledger.release(0, &mut bench.ports);
    assert_eq!(bench.ports.cleared, [page(4), page(5)]);
    assert_eq!(bench.ports.cleared_in_sight, []);
    assert_eq!(bench.reclaim(handle, 0), Ok(()));
}

#[test]
fn what_was_asked_for_once_in_vain_is_no_place_lost() {
    let mut bench = Bench::new();
    let share = |number: u64| Descriptor::share(V1_1, &[A], &[(page(number * 2), 1)]);
    let handles: Vec<u64> = (0..4).map(|n| bench.sent(Kind::Share, &share(n))).collect();
    for handle in &handles {
        let request = Descriptor::retrieve(V1_1, A, *handle).bytes();
        bench.retrieve(0, V1_1, &request).unwrap();
    }
    // As long as the borrower has them, they stay its own, however often they are asked for.
    for handle in [handles[0], handles[0], handles[1], handles[2]] {
        assert_eq!(bench.reclaim(handle, 0), Err(Denied));
    }
    let held = bench.state();
    assert_eq!(bench.send(Kind::Share, V1_1, &share(8).bytes()), Err(NoMemory));
    assert_eq!(bench.send(Kind::Share, V1_1, &share(0).bytes()), Err(NoMemory));
    assert_eq!(bench.state(), held);
    // The borrower dies, or gives one back: an owner that asks again gets it.
    assert_eq!(bench.relinquish(0, handles[0], 0), Ok(()));
    assert_eq!(bench.reclaim(handles[0], 0), Ok(()));
    bench.ledger.release(0, &mut bench.ports);
    // One that does not has its place, and the same pages, for the next.
    let again = bench.sent(Kind::Share, &share(1));
    assert_ne!(again, handles[1]);
    for handle in &handles[..3] {
        assert_eq!(bench.reclaim(*handle, 0), Err(Invalid));
    }
    // What was not asked for stays shared.
    let request = Descriptor::retrieve(V1_1, A, handles[3]).bytes();
    bench.retrieve(0, V1_1, &request).unwrap();
    assert_eq!(bench.relinquish(0, handles[3], 0), Ok(()));
    for handle in [again, handles[3]] {
        assert_eq!(bench.reclaim(handle, 0), Ok(()));
    }
    assert_eq!(bench.state(), Bench::new().state());
}

#[test]
fn a_stopped_partition_holds_nothing() {
    let mut bench = Bench::new();
    let mut handles = Vec::new();
    for number in 0..3 {
        let both = Descriptor::share(V1_1, &[A, B], &[(page(number * 4), 3)]);
        let handle = bench.sent(Kind::Share, &both);
        for (receiver, id) in [(0, A), (1, B)] {
            let flags = 1 << 3 | 1 << 10;
            let request = Descriptor {
                flags,
                ..Descriptor::retrieve(V1_1, id, handle)
            };
            bench.retrieve(receiver, V1_1, &request.bytes()).unwrap();
        }
        handles.push(handle);
    }
    bench.ledger.release(0, &mut bench.ports);
    bench.ledger.release(0, &mut bench.ports);
    bench.ledger.release(9, &mut bench.ports);
    assert_eq!(bench.ports.cleared, []);
    assert!(bench.ports.mapped.keys().all(|slot| slot.0 == 1));
    assert_eq!(bench.ports.mapped.len(), 9, "B has all that it had");
    for handle in handles {
        assert_eq!(bench.relinquish(0, handle, 0), Err(Denied));
        assert_eq!(bench.reclaim(handle, 0), Err(Denied), "B has it");
        assert_eq!(bench.relinquish(1, handle, 0), Ok(()));
        assert_eq!(bench.reclaim(handle, 0), Ok(()));
    }
    assert_eq!(bench.state(), Bench::new().state());
}

#[test]
fn one_partition_cannot_use_up_what_is_another_s() {
    // Shares: whatever A's callers do, D's quota of two is there.
    let mut bench = Bench::new();
    let share = |to: &[u16], number: u64| Descriptor::share(V1_1, to, &[(page(number), 1)]);
    for number in 0..4 {
        bench.sent(Kind::Share, &share(&[A], number * 2));
    }
    let before = bench.state();
    assert_eq!(
        bench.send(Kind::Share, V1_1, &share(&[A], 8).bytes()),
        Err(NoMemory)
    );
    assert_eq!(
        bench.send(Kind::Share, V1_1, &share(&[B, A], 8).bytes()),
        Err(NoMemory)
    );
    assert_eq!(bench.state(), before);
    for number in [10, 12] {
        bench.sent(Kind::Share, &share(&[D, B], number));
    }
    assert_eq!(
        bench.send(Kind::Share, V1_1, &share(&[D], 14).bytes()),
        Err(NoMemory)
    );
    bench.sent(Kind::Share, &share(&[B], 14));
    // Ranges: D's part of them is 7, in one share or several.
    let mut bench = Bench::new();
    let scattered = |to, first: u64, count: u64| {
        let ranges: Vec<_> = (0..count).map(|number| (page(first + number * 2), 1)).collect();
        Descriptor::share(V1_1, &[to], &ranges)
    };
    assert_eq!(
        bench.send(Kind::Share, V1_1, &scattered(A, 0, 29).bytes()),
        Err(NoMemory)
    );
    let all = bench.sent(Kind::Share, &scattered(A, 0, 28));
    assert_eq!(
        bench.send(Kind::Share, V1_1, &scattered(A, 1, 1).bytes()),
        Err(NoMemory)
    );
    bench.sent(Kind::Share, &scattered(D, 1, 5));
    let before = bench.state();
    assert_eq!(
        bench.send(Kind::Share, V1_1, &scattered(D, 11, 3).bytes()),
        Err(NoMemory)
    );
    assert_eq!(bench.state(), before);
    bench.sent(Kind::Share, &scattered(D, 11, 2));
    bench.sent(Kind::Share, &scattered(B, 17, 14));
    assert_eq!(bench.reclaim(all, 0), Ok(()));
    // Neighbours count once, however they are listed.
    bench.sent(
        Kind::Share,
        &Descriptor::share(V1_1, &[A], &[(page(80), 1), (page(81), 2), (page(83), 1)]),
    );
    let ranges: Vec<_> = (84..124).map(|number| (page(number), 1)).collect();
    bench.sent(Kind::Share, &Descriptor::share(V1_1, &[A], &ranges));
}

#[test]
fn windows_are_filled_from_below() {
    let mut bench = Bench::new();
    let send = |bench: &mut Bench, first, count| {
        bench.sent(
            Kind::Share,
            &Descriptor::share(V1_1, &[B], &[(page(first), count)]),
        )
    };
    let ask = |bench: &mut Bench, handle, flags| {
        let request = Descriptor {
            flags,
            ..Descriptor::retrieve(V1_1, B, handle)
        };
        bench
            .retrieve(1, V1_1, &request.bytes())
            .map(|answer| answer.address)
    };
    let base = 0x4000_3000;
    let aligned = |power: u32| 1 << 9 | power << 5;
    let (four, eight, five) = (
        send(&mut bench, 0, 4),
        send(&mut bench, 10, 8),
        send(&mut bench, 30, 5),
    );
    assert_eq!(ask(&mut bench, four, 0), Ok(base));
    assert_eq!(ask(&mut bench, eight, 0), Ok(base + 0x4000));
    let before = bench.state();
    assert_eq!(ask(&mut bench, five, 0), Err(NoMemory), "4 slots are left");
    assert_eq!(bench.state(), before);
    assert_eq!(bench.relinquish(1, four, 0), Ok(()));
    assert_eq!(ask(&mut bench, five, 0), Err(NoMemory), "4 and 4");
    assert_eq!(
        ask(&mut bench, four, aligned(1)),
        Err(NoMemory),
        "even pages: slots 1 and 13 are the first"
    );
    // The window starts at page 3 modulo 16: the first multiple of 8 pages is slot 5.
    assert_eq!(bench.relinquish(1, eight, 0), Ok(()));
    assert_eq!(ask(&mut bench, four, aligned(3)), Ok(0x4000_8000));
    assert_eq!(ask(&mut bench, eight, 0), Err(NoMemory), "5 below and 7 above");
    assert_eq!(
        ask(&mut bench, five, 0),
        Ok(base),
        "the gap below is just long enough"
    );
    assert_eq!(bench.relinquish(1, five, 0), Ok(()));
    assert_eq!(ask(&mut bench, five, aligned(4)), Err(NoMemory));
    assert_eq!(ask(&mut bench, five, aligned(15)), Err(NoMemory));
    // More than a window can ever hold.
    let mut bench = Bench::new();
    let all = send(&mut bench, 0, 17);
    assert_eq!(ask(&mut bench, all, 0), Err(NoMemory));
    assert_eq!(bench.reclaim(all, 0), Ok(()));
    let all = send(&mut bench, 0, 16);
    assert_eq!(ask(&mut bench, all, 0), Ok(base));
}

/// What the book says of the ledger's size: bytes of a share with its grant and a deed, of a range, and of the rest.
#[test]
fn sizes() {
    use core::mem::size_of;
    let share = size_of::<Ledger<3, 273, 4096>>() - size_of::<Ledger<3, 272, 4096>>();
    assert!(
        share <= 112,
        "a share with its grant and a deed takes {share} bytes"
    );
    let ranges = size_of::<Ledger<3, 272, 4096>>() - size_of::<Ledger<3, 272, 3072>>();
    assert_eq!(ranges, 1024 * 18, "a range with its place in the order");
    let all = size_of::<Ledger<3, 272, 4096>>();
    assert!(all <= 112 << 10, "{all} bytes");
}
