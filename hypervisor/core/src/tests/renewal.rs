//! A normal world that starts anew.

use super::machine::{FAULT, Machine, code, regs, request, run, succeeded, x};
use super::table::{A, B, BACK_OFF, C, NORMAL, RENEWED, memory};
use crate::Life;
use crate::api::{Action, Event, Note, Page, Ports, World};
use crate::context::State;
use crate::error::Error;
use crate::function as f;

const MAP: u64 = f::RXTX_MAP_64 as u64;
const VERSION: u64 = f::VERSION as u64;
const CREATE: u64 = f::NOTIFICATION_BITMAP_CREATE as u64;
const RUN: u64 = f::RUN as u64;
const TX: u64 = NORMAL.base;
const LENT: u64 = NORMAL.base + 0x4000;

/// A life of a kernel: version, buffers, a bitmap; the page at `LENT` shared with or lent to A.
fn live(m: &mut Machine, kind: u32) -> u64 {
    assert_eq!(x(m.normal(0, &[VERSION, 0x1_0002]), 0), 0x1_0002);
    assert!(succeeded(m.normal(0, &[MAP, TX, TX + 0x1000, 1])));
    assert!(succeeded(m.normal(0, &[CREATE, 0, 4])));
    let length = descriptor(m, kind, 0);
    let share = m.normal(0, &[kind.into(), length, length]);
    assert!(succeeded(share), "{share:x?}");
    x(share, 2) | x(share, 3) << 32
}

/// Writes a descriptor into TX, of the normal world or of A; its length.
fn descriptor(m: &mut Machine, kind: u32, handle: u64) -> u64 {
    let retrieve = handle != 0;
    let mut bytes = std::vec![0u8; 112];
    if kind == f::MEM_SHARE_32 {
        bytes[2] = 0x2f;
    }
    bytes[8..16].copy_from_slice(&handle.to_le_bytes());
    bytes[24..29].copy_from_slice(&[32, 0, 0, 0, 1]);
    bytes[32] = 48;
    bytes[48..50].copy_from_slice(&A.to_le_bytes());
    bytes[50] = 2;
    if !retrieve {
        bytes[52] = 80;
        (bytes[80], bytes[84]) = (1, 1);
        bytes[96..104].copy_from_slice(&LENT.to_le_bytes());
        bytes[104] = 1;
    }
    let page = if retrieve {
        Page {
            world: World::Secure,
            address: memory(0),
        }
    } else {
        Page {
            world: World::Normal,
            address: TX,
        }
    };
    m.ports.write(page, 0, &bytes);
    if retrieve { 80 } else { 112 }
}

/// A retrieves what has this handle.
fn retrieve(m: &mut Machine, kind: u32, handle: u64) {
    m.enter(0, A);
    m.call(0, &[VERSION, 0x1_0002]);
    m.call(0, &[MAP, memory(0), memory(0) + 0x1000, 1]);
    let length = descriptor(m, kind, handle);
    let got = m.call(0, &[f::MEM_RETRIEVE_REQ_32.into(), length, length]);
    assert_eq!(x(got, 0), f::MEM_RETRIEVE_RESP.into(), "{got:x?}");
    m.call(0, &[f::RX_RELEASE.into()]);
    m.respond(0, A);
}

#[test]
fn it_finds_everything_as_at_first() {
    for kind in [f::MEM_SHARE_32, f::MEM_LEND_32] {
        for taken in [false, true] {
            let mut m = Machine::started();
            let handle = live(&mut m, kind);
            if taken {
                retrieve(&mut m, kind, handle);
                assert_eq!(m.ports.mapped.len(), 1);
            }
            let again = live(&mut m, kind);
            assert_ne!(handle, again);
            assert!(m.ports.mapped.is_empty(), "nothing of the old shares is left");
            assert_eq!(
                m.ports.cleared,
                if taken && kind == f::MEM_LEND_32 {
                    [(LENT, 1)].to_vec()
                } else {
                    [].to_vec()
                }
            );
            m.refused(
                0,
                &[f::MEM_RECLAIM.into(), handle & 0xffff_ffff, handle >> 32, 0],
                Error::InvalidParameters,
            );
            if taken {
                // The borrower may try to give it back; it is not its any more.
                m.enter(0, A);
                let mut bytes = std::vec![0u8; 18];
                bytes[..8].copy_from_slice(&handle.to_le_bytes());
                bytes[12] = 1;
                bytes[16..].copy_from_slice(&A.to_le_bytes());
                m.ports.write(
                    Page {
                        world: World::Secure,
                        address: memory(0),
                    },
                    0,
                    &bytes,
                );
                m.partition_refused(0, &[f::MEM_RELINQUISH.into()], Error::InvalidParameters);
                m.respond(0, A);
            }
            retrieve(&mut m, kind, again);
        }
    }
}

#[test]
fn what_one_life_does_twice_is_refused() {
    let mut m = Machine::started();
    live(&mut m, f::MEM_SHARE_32);
    m.refused(0, &[MAP, TX, TX + 0x1000, 1], Error::Denied);
    m.refused(0, &[CREATE, 0, 4], Error::Denied);
    let before = m.state();
    m.normal(0, &[VERSION, 0x1_0002]);
    assert_eq!(before, m.state(), "a version asked for again changes nothing");
    // A wrong registration does not count as a new life either.
    m.refused(0, &[MAP, TX, memory(0), 1], Error::InvalidParameters);
    // Nor does that of a partition.
    m.enter(0, A);
    m.call(0, &[VERSION, 0x1_0002]);
    assert!(succeeded(m.call(0, &[MAP, memory(0), memory(0) + 0x1000, 1])));
    m.call(0, &[VERSION, 0x1_0002]);
    m.partition_refused(0, &[MAP, memory(0), memory(0) + 0x1000, 1], Error::Denied);
}

#[test]
fn a_context_that_worked_for_the_old_one_becomes_free() {
    let mut m = Machine::started();
    live(&mut m, f::MEM_SHARE_32);
    m.enter(1, B);
    m.step(1, Event::NormalInterrupt);
    let old = x(m.normal(1, &request(B)), 1);
    live(&mut m, f::MEM_SHARE_32);
    m.refused(1, &[RUN, old], Error::InvalidParameters);
    // The first call gives it the time to finish; what it answers reaches nobody.
    let ticket = x(m.normal(1, &request(B)), 1);
    let on = run(m.normal(1, &[RUN, ticket]));
    assert_eq!(on.context.partition, 1);
    assert_eq!(
        regs(m.step(1, Event::NormalInterrupt)).0[..2],
        [f::INTERRUPT.into(), ticket]
    );
    run(m.normal(1, &[RUN, ticket]));
    assert_eq!(regs(m.respond(1, B)).0[..2], [f::INTERRUPT.into(), ticket]);
    assert_eq!(m.spmc.compartments[1].seats[1].state(), State::Waiting);
    let delivered = run(m.normal(1, &[RUN, ticket]));
    assert_eq!(regs(crate::api::Action::Run(delivered)).0[..2], request(B)[..2]);
    assert_eq!(x(m.respond(1, B), 0), f::DIRECT_RESP_32.into());
}

/// A kernel's first calls, without shares.
fn boots(m: &mut Machine) {
    m.normal(0, &[VERSION, 0x1_0002]);
    assert!(succeeded(m.normal(0, &[MAP, TX, TX + 0x1000, 1])));
}

/// A machine with a kernel, and partitions of which two start anew with it.
fn renewed() -> Machine {
    let mut m = Machine::of(&RENEWED).start();
    m.ports.image = 3;
    boots(&mut m);
    m
}

fn lives(m: &Machine) -> [Life; 3] {
    [0, 1, 2].map(|partition| m.spmc.life(partition).unwrap())
}

/// A call of the next kernel is kept until the partition is back; it is not told of any failure.
fn comes_back(m: &mut Machine, core: u8, id: u16) {
    let ticket = x(m.normal(core, &request(id)), 1);
    let entered = (0..1000).find_map(|_| match m.normal(core, &[RUN, ticket]) {
        Action::Run(entered) => Some(entered),
        kept => {
            assert_eq!(x(kept, 1), ticket, "{kept:x?}");
            None
        }
    });
    assert_eq!(
        entered.expect("it comes back").context.home,
        0,
        "the first context"
    );
    let entry = memory(entered.unwrap().context.partition) + 0x100;
    assert!(succeeded(
        m.call(core, &[f::SECONDARY_EP_REGISTER_64.into(), entry])
    ));
    assert_eq!(x(m.call(core, &[f::MSG_WAIT.into()]), 1), ticket);
    assert_eq!(m.spmc.check_invariants(), Ok(()));
}

#[test]
fn those_of_the_table_are_restarted_with_it() {
    let mut m = renewed();
    // Calls of the old kernel under way: at one that starts anew, preempted and yielded, and at one that does not.
    m.enter(1, A);
    m.step(1, Event::NormalInterrupt);
    m.enter(2, A);
    m.call(2, &[f::YIELD.into()]);
    m.enter(3, B);
    m.step(3, Event::NormalInterrupt);
    boots(&mut m);
    assert_eq!(lives(&m), [Life::Failed, Life::Running, Life::Failed]);
    let renewed = |partition| m.ports.notes.contains(&Note::Renewed { partition });
    assert_eq!([0, 1, 2].map(renewed), [true, false, true]);
    comes_back(&mut m, 0, A);
    comes_back(&mut m, 0, C);
    assert_eq!(lives(&m), [Life::Running; 3]);
    // As often as kernels come; the table's one restart after a failure is still there.
    boots(&mut m);
    comes_back(&mut m, 0, A);
    m.enter(0, A);
    assert_eq!(code(m.step(0, FAULT)), Some(Error::Aborted.code()));
    assert_eq!(lives(&m)[0], Life::Failed);
}

#[test]
fn one_that_rests_needs_not_for_the_next_kernel() {
    let mut m = renewed();
    m.enter(0, A);
    m.step(0, FAULT);
    assert_eq!(
        code(m.normal(0, &request(A))),
        Some(Error::Aborted.code()),
        "it rests"
    );
    assert!(u64::from(BACK_OFF) > 1000);
    boots(&mut m);
    comes_back(&mut m, 0, A);
}

#[test]
fn one_that_runs_for_the_old_kernel_ends_where_it_is() {
    let mut m = renewed();
    m.enter(1, A);
    m.ports.called.clear();
    boots(&mut m);
    assert!(m.ports.called.contains(&1));
    assert_eq!(code(m.step(1, Event::Called)), Some(Error::Aborted.code()));
    comes_back(&mut m, 0, A);
}

#[test]
fn chains_of_the_old_kernel_hold_nobody_up() {
    // A calls b, which goes on, or c, which starts anew as a does.
    for callee in [B, C] {
        let mut m = renewed();
        m.enter(0, A);
        let call = [f::DIRECT_REQ_32.into(), u64::from(A) << 16 | u64::from(callee), 0];
        run(m.call(0, &call));
        m.step(0, Event::NormalInterrupt);
        boots(&mut m);
        for _ in 0..4 {
            // The core is woken: what nobody waits for any more comes to its end.
            if let Action::Run(_) = m.step(0, Event::Called) {
                m.step(0, Event::NormalInterrupt);
            }
        }
        comes_back(&mut m, 1, A);
        assert_eq!(m.spmc.check_invariants(), Ok(()));
    }
}
