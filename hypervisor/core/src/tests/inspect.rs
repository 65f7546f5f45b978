//! What a partition that inspects is told, and that nobody else is told anything.

use super::machine::{FAULT, Machine, mark, regs, x};
use super::memory::{ready, request, share, write};
use super::table::{A, B, PACKAGES, TABLE, memory};
use crate::api::{Conduit, Event, Fault, Regs};
use crate::function as f;
use crate::quote::{Taken, package};

const NOT_SUPPORTED: u64 = u64::MAX;
const INVALID_PARAMETER: u64 = (-3_i64).cast_unsigned();
const WAITING: u64 = 0;
const STARTING: u64 = 1;
const RUNNING: u64 = 2;
const STOPPED: u64 = 3;

/// The call from the partition on a core, with marks in x8 to x17.
fn ask(m: &mut Machine, core: u8, first: &[u64]) -> Regs {
    let mut regs = Regs::new(&[u64::from(f::INSPECT)]);
    for (to, from) in regs.0[1..].iter_mut().zip(first) {
        *to = *from;
    }
    for n in 8..18 {
        regs.0[n] = mark(n);
    }
    let before = m.state();
    let answer = super::machine::regs(m.step(core, Event::Call(Conduit::Smc, regs)));
    assert_eq!(before, m.state(), "{first:x?} changed something");
    for n in 8..18 {
        assert_eq!(answer.0[n], mark(n), "x{n}");
    }
    answer
}

/// x1 to x7 of a page that is there.
fn page(m: &mut Machine, core: u8, subject: u64, page: u64) -> [u64; 7] {
    let answer = ask(m, core, &[subject, page]);
    let [status, words @ ..] = answer.0;
    assert_eq!(status, 0, "subject {subject}, page {page}");
    words[..7].try_into().expect("seven")
}

fn text(words: &[u64; 7]) -> std::string::String {
    assert_eq!(words[4..], [0; 3]);
    let bytes: std::vec::Vec<u8> = words[..4].iter().flat_map(|word| word.to_le_bytes()).collect();
    let end = bytes
        .iter()
        .position(|byte| *byte == 0)
        .expect("zero behind a name");
    std::string::String::from_utf8(bytes[..end].into()).expect("UTF-8")
}

#[test]
fn which_package_was_taken_is_told() {
    let mut m = Machine::of(&PACKAGES).start();
    m.ports.taken.insert(1, Taken { slot: 1, version: 3 });
    m.enter(0, A);
    let words = |taken| {
        let digest = package(taken);
        let mut words = digest
            .as_chunks::<8>()
            .0
            .iter()
            .map(|word| u64::from_le_bytes(*word));
        [(); 4].map(|()| words.next().expect("four"))
    };
    let taken = page(&mut m, 0, 2, 7);
    assert_eq!(taken[..2], [1, 3]);
    assert_eq!(taken[2..6], words(Some(Taken { slot: 1, version: 3 })));
    let none = page(&mut m, 0, 3, 7);
    assert_eq!(none[..2], [0xffff_ffff, 0]);
    assert_eq!(none[2..6], words(None));
    // One that is not signed has none.
    assert_eq!(ask(&mut m, 0, &[1, 7]).0[0], INVALID_PARAMETER);
}

#[test]
fn the_system_and_its_partitions_are_told() {
    let mut m = Machine::started();
    m.enter(0, A);
    let [version, partitions, hypervisor, ffa, shares, pages, rest] = page(&mut m, 0, 0, 0);
    assert_eq!((version, partitions, ffa), (0x1_0005, 3, 0x1_0002));
    assert_eq!((shares, pages, rest), (0, 0, 0));
    let package = [hypervisor >> 32, hypervisor >> 16 & 0xffff, hypervisor & 0xffff];
    assert_eq!(
        package.map(|n| std::format!("{n}")).join("."),
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(page(&mut m, 0, 0, 1)[..4], [0xd1d1_d1d1_d1d1_d1d1; 4]);
    assert_eq!(text(&page(&mut m, 0, 0, 2)), TABLE.name);
    assert_eq!(text(&page(&mut m, 0, 0, 3)), TABLE.board.name);
    assert_eq!(page(&mut m, 0, 0, 4)[..4], [0xeeee_eeee_eeee_eeee; 4]);
    for (subject, partition) in (1..).zip(TABLE.partitions) {
        // As it was found, which need not be the table's.
        assert_eq!(page(&mut m, 0, subject, 6), {
            let word = subject * 0x0101_0101_0101_0101;
            [word, word, word, word, 0, 0, 0]
        });
        let figures = page(&mut m, 0, subject, 0);
        assert_eq!(
            figures,
            [
                u64::from(partition.id) | RUNNING << 16,
                partition.cores,
                0,
                0,
                0,
                0,
                0
            ]
        );
        assert_eq!(page(&mut m, 0, subject, 1)[..4], [0; 4]);
        assert_eq!(text(&page(&mut m, 0, subject, 2)), partition.name);
    }
}

#[test]
fn only_a_partition_that_inspects_is_told() {
    let mut m = Machine::started();
    m.enter(0, B);
    for first in [[0, 0], [2, 0], [9, 9]] {
        assert_eq!(ask(&mut m, 0, &first).0[..3], [NOT_SUPPORTED, first[0], first[1]]);
    }
    m.respond(0, B);
    let answer = regs(m.normal(0, &[u64::from(f::INSPECT), 0, 0]));
    assert_eq!(answer.0[..8], [NOT_SUPPORTED, 0, 0, 0, 0, 0, 0, 0]);
    // By HVC too, and with a hint that is no part of the number (SMCCC 1.3) it is another function.
    m.enter(0, A);
    assert_eq!(m.hvc(0, &[u64::from(f::INSPECT), 0, 2]), 0);
    assert_eq!(
        x(m.call(0, &[u64::from(f::INSPECT | f::SVE_HINT)]), 0),
        NOT_SUPPORTED
    );
}

#[test]
fn what_is_not_there_is_an_error_and_says_nothing() {
    let mut m = Machine::started();
    m.enter(0, A);
    for first in [
        [0, 5, 0],
        [1, 7, 0],
        [1, 15, 0],
        [1, 17, 0],
        [2, 19, 0],
        [1, u64::MAX, 0],
        [4, 0, 0],
        [1 << 32, 0, 0],
        [u64::MAX, 0, 0],
        [0, 1 << 32, 0],
        [0, 0, 1],
    ] {
        let answer = ask(&mut m, 0, &first);
        assert_eq!(answer.0[..4], [INVALID_PARAMETER, first[0], first[1], first[2]]);
        assert_eq!(answer.0[4..8], [0; 4]);
    }
    for reserved in 2..7 {
        let mut first = [0; 7];
        first[reserved] = 1 << 63;
        assert_eq!(
            ask(&mut m, 0, &first).0[0],
            INVALID_PARAMETER,
            "x{}",
            reserved + 1
        );
    }
}

#[test]
fn shares_are_counted_until_they_are_given_back() {
    let mut m = ready();
    assert_eq!(page(&mut m, 0, 1, 0)[2..], [0; 5]);
    let handle = share(&mut m);
    let (low, high) = (handle & 0xffff_ffff, handle >> 32);
    assert_eq!(page(&mut m, 0, 1, 0)[2..], [1, 2, 0, 0, 0]);
    write(&mut m, true, memory(0), &request(A, handle));
    let retrieved = m.call(0, &[u64::from(f::MEM_RETRIEVE_REQ_32), 64, 64]);
    assert_eq!(x(retrieved, 0), u64::from(f::MEM_RETRIEVE_RESP));
    assert_eq!(page(&mut m, 0, 1, 0)[2..], [1, 2, 2, 0, 0]);
    assert_eq!(page(&mut m, 0, 0, 0)[4..6], [1, 2]);
    assert_eq!(page(&mut m, 0, 2, 0)[2..], [0; 5], "the share is A's");
    let mut relinquish = [0; 24];
    relinquish[..8].copy_from_slice(&handle.to_le_bytes());
    relinquish[12..16].copy_from_slice(&1u32.to_le_bytes());
    relinquish[16..18].copy_from_slice(&A.to_le_bytes());
    m.call(0, &[u64::from(f::RX_RELEASE)]);
    write(&mut m, true, memory(0), &relinquish);
    assert_eq!(
        x(m.call(0, &[u64::from(f::MEM_RELINQUISH)]), 0),
        u64::from(f::SUCCESS_32)
    );
    assert_eq!(page(&mut m, 0, 1, 0)[2..], [1, 2, 0, 0, 0]);
    m.normal(1, &[u64::from(f::MEM_RECLAIM), low, high, 0]);
    assert_eq!(page(&mut m, 0, 1, 0)[2..], [0; 5]);
    assert_eq!(page(&mut m, 0, 0, 0)[4..6], [0, 0]);
}

/// B's lines come: how often, each for itself, and all of them; behind them is what has no line.
#[test]
fn interrupts_are_counted() {
    let mut m = Machine::started();
    for (core, intid) in [(1, 40), (1, 40), (0, 25), (2, 25), (3, 25)] {
        m.step(core, Event::SecureInterrupt(intid));
    }
    m.enter(0, A);
    assert_eq!(page(&mut m, 0, 2, 3), [5, 0, 2, 0, 0, 0, 0]);
    assert_eq!(page(&mut m, 0, 2, 16), [40, 2, 0, 0, 0, 0, 0]);
    assert_eq!(page(&mut m, 0, 2, 17), [25, 3, 0, 0, 0, 0, 0]);
    assert_eq!(page(&mut m, 0, 2, 18), [0; 7]);
    assert_eq!(page(&mut m, 0, 1, 16), [0; 7]);
    // What is held back is counted as such (40 lines of 20 us each would be another's time).
    m.respond(0, A);
    for _ in 0..100 {
        m.step(1, Event::SecureInterrupt(40));
    }
    m.enter(0, A);
    let [came, held, ..] = page(&mut m, 0, 2, 3);
    assert_eq!((came, page(&mut m, 0, 2, 16)[2]), (105, held));
    assert!(held > 40, "{held}");
}

#[test]
fn states_follow_a_partitions_life() {
    // They start in the order B, A, C.
    let mut m = Machine::new();
    m.step(0, Event::Boot);
    m.call(0, &[u64::from(f::MSG_WAIT)]);
    let state = |m: &mut Machine, subject| page(m, 0, subject, 0)[0] >> 16;
    assert_eq!(
        [1, 2, 3].map(|subject| state(&mut m, subject)),
        [STARTING, RUNNING, WAITING]
    );
    let mut m = Machine::started();
    m.enter(1, B);
    m.step(
        1,
        Event::Fault(Fault {
            syndrome: 0,
            address: 0,
            ipa: 0,
            pc: 0,
        }),
    );
    m.enter(0, A);
    assert_eq!(
        [1, 2, 3].map(|subject| state(&mut m, subject)),
        [RUNNING, STOPPED, RUNNING]
    );
    // An image that is not the table's never starts.
    let m = Machine::new();
    m.spmc.stop_image(1);
    let mut m = m.start();
    m.enter(0, A);
    assert_eq!(
        [1, 2, 3].map(|subject| state(&mut m, subject)),
        [RUNNING, STOPPED, RUNNING]
    );
}

/// Why a partition has failed last, where and when, and how often.
#[test]
fn failures_are_remembered() {
    let mut m = Machine::started();
    m.ports.now = 700;
    m.enter(0, A);
    assert_eq!(page(&mut m, 0, 2, 4), [0, 0, 700, 0, 0, 0, 0]);
    m.enter(1, B);
    m.ports.now = 900;
    m.step(1, FAULT);
    m.ports.now = 1_000;
    let fault = 1 | 1 << 16 | 1 << 32;
    assert_eq!(page(&mut m, 0, 2, 4), [fault, 900, 1_000, 1, 0, 0, 0]);
    assert_eq!(page(&mut m, 0, 1, 4)[0], 0);
    let mut m = Machine::started();
    m.enter(0, A);
    m.enter(2, B);
    m.call(2, &[u64::from(f::ABORT_32), 0, 7]);
    let aborted = 2 | 2 << 16 | 1 << 32;
    assert_eq!(page(&mut m, 0, 2, 4), [aborted, 0, 0, 7, 0, 0, 0]);
    let m = Machine::new();
    m.spmc.stop_image(1);
    let mut m = m.start();
    m.enter(0, A);
    assert_eq!(page(&mut m, 0, 2, 4)[0], 6 | 1 << 32);
}

#[test]
fn a_version_is_told_as_its_number() {
    for (text, value) in [("0", 0), ("7", 7), ("10", 10), ("65535", 65_535)] {
        assert_eq!(crate::inspect::number(text), value, "{text}");
    }
}
