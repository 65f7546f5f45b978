//! A normal world that starts anew.

use super::machine::{Machine, regs, request, run, succeeded, x};
use super::table::{A, B, NORMAL, memory};
use crate::api::{Event, Page, Ports, World};
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
