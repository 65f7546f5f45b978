//! Who may send whom which kind of message, by the table of limited callers.

use std::vec::Vec;

use super::machine::{Machine, code, ends, regs, run, succeeded};
use super::table::{A, B, C, NORMAL, POLICY, SMALL, VM, memory};
use crate::api::{Action, Page, Ports, World};
use crate::error::Error;
use crate::function as f;

const SEND: u64 = f::MSG_SEND2 as u64;
const BIND: u64 = f::NOTIFICATION_BIND as u64;
const SET: u64 = f::NOTIFICATION_SET as u64;
const MAP: u64 = f::RXTX_MAP_64 as u64;
const VERSION: u64 = f::VERSION as u64;
const INVALID: Option<Error> = Some(Error::InvalidParameters);
const DENIED: Option<Error> = Some(Error::Denied);
/// An ID that nobody has.
const NOBODY: u16 = 0x8003;

fn page(id: u16) -> Page {
    match id {
        A | B | C => Page {
            world: World::Secure,
            address: memory(usize::from(id - A).min(2)),
        },
        _ => Page {
            world: World::Normal,
            address: NORMAL.base + 0x2000 * u64::from(id),
        },
    }
}

/// Whoever calls for an endpoint, where partition n has core n and the normal world the last.
fn ask(m: &mut Machine, id: u16, call: &[u64]) -> Action {
    match id {
        A | B | C => m.call((id - A).min(2) as u8, call),
        _ => m.normal(3, call),
    }
}

/// A partition on each core but the last, everybody with buffers.
fn running() -> Machine {
    let mut m = Machine::of(&POLICY).start();
    for core in 0..3 {
        run(m.normal(core, &[f::DIRECT_REQ_32.into(), ends(VM, A)]));
    }
    for core in 1..3 {
        run(m.call(core, &[f::DIRECT_REQ_32.into(), ends(A, B)]));
    }
    run(m.call(2, &[f::DIRECT_REQ_32.into(), ends(B, C)]));
    for id in [A, B, C, 0] {
        ask(&mut m, id, &[VERSION, 0x1_0002]);
        let tx = page(id).address;
        assert!(succeeded(ask(&mut m, id, &[MAP, tx, tx + 0x1000, 1])));
    }
    for id in [VM, SMALL] {
        let mut words = [0u32; 20];
        (words[0], words[1], words[2]) = (id.into(), 16, 48);
        for (at, offset) in [(4, 0x1000), (12, 0)] {
            (words[at], words[at + 1], words[at + 6]) = (1, 1, 1);
            words[at + 4] = page(id).address as u32 + offset;
        }
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        m.ports.write(page(0), 0, &bytes);
        assert!(succeeded(m.normal(3, &[MAP, 0, 0, 0])));
        assert!(succeeded(
            m.normal(3, &[f::NOTIFICATION_BITMAP_CREATE.into(), id.into(), 2])
        ));
    }
    assert!(succeeded(
        m.normal(3, &[f::NOTIFICATION_BITMAP_CREATE.into(), 0, 4])
    ));
    m
}

/// Makes a call that is answered so; where it is refused, as a call to an endpoint that is not there, and it
/// changes nothing.
fn answered(m: &mut Machine, id: u16, to: u16, call: impl Fn(u16) -> Vec<u64>, error: Option<Error>) {
    let before = m.state();
    let action = ask(m, id, &call(to));
    let text = std::format!("{id:x} to {to:x}: {:x?}: {action:x?}", call(to));
    assert_eq!(code(action), error.map(Error::code), "{text}");
    if error.is_some() {
        assert_eq!(before, m.state(), "{text}");
    }
    if error == INVALID {
        assert_eq!(regs(action), regs(ask(m, id, &call(NOBODY))), "{text}");
        assert_eq!(before, m.state(), "{text}");
    }
}

#[test]
fn direct_requests_of_the_normal_world() {
    let short = |from| move |to| Vec::from([f::DIRECT_REQ_64.into(), ends(from, to)]);
    let long = |from| move |to| Vec::from([f::DIRECT_REQ2.into(), ends(from, to)]);
    for (from, to, one, two) in [
        (0, A, INVALID, INVALID),
        (VM, A, None, INVALID),
        (SMALL, A, INVALID, INVALID),
        (5, A, INVALID, INVALID),
        // b takes no direct messages of 1.2 from anybody; who is not listed does not hear of that.
        (0, B, INVALID, DENIED),
        (VM, B, None, DENIED),
        (SMALL, B, INVALID, INVALID),
        (VM, C, INVALID, INVALID),
        (0, C, INVALID, INVALID),
    ] {
        let mut m = Machine::of(&POLICY).start();
        answered(&mut m, from, to, long(from), two);
        answered(&mut m, from, to, short(from), one);
    }
}

#[test]
fn direct_requests_of_partitions() {
    let short = |from| move |to| Vec::from([f::DIRECT_REQ_64.into(), ends(from, to)]);
    let long = |from| move |to| Vec::from([f::DIRECT_REQ2.into(), ends(from, to)]);
    let mut m = running();
    for (from, to, one, two) in [
        (A, B, None, DENIED),
        (A, C, INVALID, INVALID),
        (B, A, INVALID, INVALID),
        (B, C, None, INVALID),
        // On core 2 all three are in one chain, which does not close.
        (C, A, INVALID, DENIED),
        (C, B, INVALID, INVALID),
    ] {
        if one.is_some() {
            answered(&mut m, from, to, short(from), one);
        }
        answered(&mut m, from, to, long(from), two);
    }
    // What may be called is entered where it waits.
    assert!(matches!(
        m.call(0, &[f::DIRECT_REQ_64.into(), ends(A, B)]),
        Action::Run(run) if run.context.partition == 1
    ));
}

#[test]
fn indirect_messages() {
    for (from, to, error) in [
        (0, A, INVALID),
        (VM, A, INVALID),
        (SMALL, A, None),
        (C, A, INVALID),
        (B, A, INVALID),
        (0, B, None),
        (VM, B, None),
        (SMALL, B, INVALID),
        (A, B, INVALID),
        (A, C, INVALID),
        (B, C, None),
        (VM, C, INVALID),
        // What comes back from who lists the receiver.
        (A, 0, None),
        (A, VM, None),
        (A, SMALL, None),
        (B, VM, None),
        (B, SMALL, INVALID),
        (C, 0, None),
        (C, VM, INVALID),
        (A, 5, INVALID),
    ] {
        let mut m = running();
        let write = |m: &mut Machine, to| {
            let mut bytes = [0; 48];
            for (to, word) in bytes[8..20]
                .chunks_exact_mut(4)
                .zip([40, ends(from, to) as u32, 5])
            {
                to.copy_from_slice(&word.to_le_bytes());
            }
            m.ports.write(page(from), 0, &bytes);
        };
        let sender = if from < A { u64::from(from) << 16 } else { 0 };
        write(&mut m, to);
        let before = m.state();
        let is = ask(&mut m, from, &[SEND, sender]);
        assert_eq!(code(is), error.map(Error::code), "{from:x} to {to:x}");
        if error.is_some() {
            assert_eq!(before, m.state());
            write(&mut m, NOBODY);
            assert_eq!(regs(is), regs(ask(&mut m, from, &[SEND, sender])));
        }
    }
}

#[test]
fn notifications() {
    for (from, to, error) in [
        (0, A, INVALID),
        (VM, A, None),
        (SMALL, A, None),
        (C, A, INVALID),
        (B, A, INVALID),
        // b takes none from anybody.
        (VM, B, DENIED),
        (A, B, DENIED),
        (C, B, INVALID),
        (A, C, None),
        (B, C, INVALID),
        (VM, C, INVALID),
        (A, 0, None),
        (A, VM, None),
        (B, 0, None),
        (C, 0, None),
        (B, SMALL, INVALID),
        (A, 5, INVALID),
    ] {
        let mut m = running();
        let bind = |to| Vec::from([BIND, ends(from, to), 0, 1, 0]);
        let set = |to| Vec::from([SET, ends(from, to), 0, 1, 0]);
        let before = m.state();
        let bound = ask(&mut m, to, &bind(to));
        assert_eq!(code(bound), error.map(Error::code), "{from:x} to {to:x}");
        if error.is_some() {
            assert_eq!(before, m.state());
        }
        answered(&mut m, from, to, set, error);
    }
}

#[test]
fn properties_are_what_the_caller_may_use() {
    let mut m = running();
    for (id, seen) in [
        // What its machines may use, too; and who wants to hear of them.
        (0, [(A, 0x5cf), (B, 0x5c7), (C, 0x542)].as_slice()),
        (A, [(A, 0x70f), (B, 0x503), (C, 0x50a)].as_slice()),
        (B, [(B, 0x507), (C, 0x507)].as_slice()),
        (C, [(A, 0x702), (C, 0x70f)].as_slice()),
    ] {
        let told = regs(ask(&mut m, id, &[f::PARTITION_INFO_GET_REGS.into()]));
        assert_eq!(told.0[2] & 0xffff, seen.len() as u64 - 1, "{id:x}");
        let count = [f::PARTITION_INFO_GET.into(), 0, 0, 0, 0, 1];
        assert_eq!(regs(ask(&mut m, id, &count)).0[2], seen.len() as u64);
        assert!(succeeded(ask(&mut m, id, &[f::PARTITION_INFO_GET.into()])));
        let mut page = page(id);
        page.address += 0x1000;
        for (n, (partition, properties)) in seen.iter().enumerate() {
            let entry = told.0[3 + 3 * n];
            assert_eq!(entry as u16, *partition, "{id:x}");
            assert_eq!(entry >> 32, *properties, "{id:x} sees {partition:x}");
            let mut bytes = [0; 8];
            m.ports.read(page, 24 * n, &mut bytes);
            assert_eq!(u64::from_le_bytes(bytes), entry);
        }
    }
}
