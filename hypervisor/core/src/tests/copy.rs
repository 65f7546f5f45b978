//! The window as a copy: what is copied, and every wrong input refused with nothing copied or changed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::vec;
use std::vec::Vec;

use super::machine::{Machine, Recorder, mark, regs, x};
use super::memory::{ready, request, share, write};
use super::table::{A, B, C, DEVICE, NORMAL, TABLE, memory};
use crate::api::{Conduit, Event, Regs};
use crate::function as f;

const REFUSED: u64 = (-3_i64).cast_unsigned();
const UNKNOWN: u64 = u64::MAX;

/// Where A has memory of its own, and the pages that the normal world shares with it.
const OWN: u64 = memory(0) + 0x5000;
const LENT: u64 = NORMAL.base + 0x8_0000;
const WINDOW: u64 = 0x4000_0000;

/// A has retrieved two pages at the start of its window, with marks in them and in its own page; it runs on core 0.
fn retrieved() -> (Machine, u64) {
    let mut m = ready();
    let handle = share(&mut m);
    retrieve(&mut m, handle, 0);
    for (secure, page, byte) in [(false, LENT, 1), (false, LENT + 0x1000, 2), (true, OWN, 3)] {
        write(&mut m, secure, page, &[byte; 4096]);
    }
    (m, handle)
}

/// A retrieves a share, with these permissions.
fn retrieve(m: &mut Machine, handle: u64, permissions: u8) {
    let mut descriptor = request(A, handle);
    if permissions != 0 {
        descriptor[50] = permissions;
    }
    write(m, true, memory(0), &descriptor);
    let reply = regs(m.call(0, &[u64::from(f::MEM_RETRIEVE_REQ_32), 64, 64]));
    assert_eq!(reply.0[0], u64::from(f::MEM_RETRIEVE_RESP), "{:x?}", reply.0);
    m.call(0, &[u64::from(f::RX_RELEASE)]);
}

fn bytes(m: &Machine, secure: bool, page: u64) -> Vec<u8> {
    let page = m.ports.pages.get(&(secure, page));
    page.map_or_else(|| vec![0; 4096], |page| page.to_vec())
}

/// The call, with marks in the registers behind its own; they come back.
fn copy(m: &mut Machine, id: u32, parameters: [u64; 3]) -> u64 {
    let [own, window, length] = parameters;
    let mut call = Regs::new(&[u64::from(id), own, window, length]);
    for n in 8..18 {
        call.0[n] = mark(n);
    }
    let answer = regs(m.step(0, Event::Call(Conduit::Smc, call)));
    assert_eq!(answer.0[1..], call.0[1..], "only x0 is a result");
    answer.0[0]
}

/// Refused in both directions, and neither memory nor state has changed.
fn refused(m: &mut Machine, parameters: [u64; 3]) {
    for id in f::WINDOW {
        refused_as(m, id, parameters);
    }
}

fn refused_as(m: &mut Machine, id: u32, parameters: [u64; 3]) {
    let (state, pages) = (m.state(), m.ports.pages.clone());
    assert_eq!(copy(m, id, parameters), REFUSED, "{id:#x} {parameters:x?}");
    assert_eq!(state, m.state(), "{parameters:x?}");
    assert!(pages == m.ports.pages, "{parameters:x?} touched memory");
}

#[test]
fn bytes_go_both_ways_and_no_others() {
    let (mut m, _) = retrieved();
    assert_eq!(copy(&mut m, f::WINDOW_READ, [OWN + 10, WINDOW + 0x1064, 100]), 0);
    let mut expected = vec![3; 4096];
    expected[10..110].fill(2);
    assert_eq!(bytes(&m, true, OWN), expected);
    assert_eq!(bytes(&m, false, LENT + 0x1000), [2; 4096]);
    assert_eq!(copy(&mut m, f::WINDOW_WRITE, [OWN, WINDOW, 4096]), 0);
    assert_eq!(bytes(&m, false, LENT), expected);
    assert_eq!(copy(&mut m, f::WINDOW_WRITE, [OWN + 4095, WINDOW + 0x1fff, 1]), 0);
    assert_eq!(bytes(&m, false, LENT + 0x1000)[4094..], [2, 3]);
}

#[test]
fn lengths_end_in_their_page() {
    let (mut m, _) = retrieved();
    for [own, window, length] in [
        [0, 0, 0],
        [0, 0, 4097],
        [0, 0, 0x2000],
        [0, 0, u64::MAX],
        [0, 0, 1 << 32],
        [0, 0, (1 << 32) + 1],
        [1, 0, 4096],
        [0, 1, 4096],
        [4095, 0, 2],
        [0, 4095, 2],
        [7, 4000, 97],
    ] {
        refused(&mut m, [OWN + own, WINDOW + window, length]);
    }
}

#[test]
fn registers_behind_the_parameters_are_zero() {
    let (mut m, _) = retrieved();
    for id in f::WINDOW {
        for register in 4..8 {
            let mut call = Regs::new(&[u64::from(id), OWN, WINDOW, 16]);
            call.0[register] = 1 << 40;
            let pages = m.ports.pages.clone();
            assert_eq!(x(m.step(0, Event::Call(Conduit::Smc, call)), 0), REFUSED);
            assert!(pages == m.ports.pages);
        }
    }
}

#[test]
fn only_what_was_retrieved_is_in_the_window() {
    let (mut m, _) = retrieved();
    let end = WINDOW + TABLE.partitions[0].window.size;
    // Behind the share, at the window's last page, behind it, below it, at the pages' own address, at the top.
    for window in [
        WINDOW + 0x2000,
        end - 4096,
        end,
        WINDOW - 1,
        LENT,
        0,
        u64::MAX,
        u64::MAX - 4095,
    ] {
        refused(&mut m, [OWN, window, 1]);
    }
}

#[test]
fn memory_is_the_caller_s_own() {
    let (mut m, _) = retrieved();
    let end = memory(0) + 0x10_0000;
    // Another's, the hypervisor's, a device of its own, the normal world's, its own window, the ends of its region, the top.
    for own in [
        memory(1),
        memory(2) + 0x5000,
        TABLE.hypervisor.base,
        DEVICE.range.base,
        LENT,
        WINDOW,
        end,
        memory(0) - 1,
        0,
        u64::MAX,
        u64::MAX - 4095,
    ] {
        refused(&mut m, [own, WINDOW, 1]);
    }
    assert_eq!(copy(&mut m, f::WINDOW_READ, [end - 1, WINDOW, 1]), 0);
}

#[test]
fn what_may_only_be_read_is_not_written() {
    let mut m = ready();
    let handle = share(&mut m);
    retrieve(&mut m, handle, 1);
    refused_as(&mut m, f::WINDOW_WRITE, [OWN, WINDOW, 16]);
    assert_eq!(copy(&mut m, f::WINDOW_READ, [OWN, WINDOW, 16]), 0);
}

#[test]
fn what_was_given_back_is_out_of_reach() {
    let (mut m, handle) = retrieved();
    let mut descriptor = [0; 18];
    descriptor[..8].copy_from_slice(&handle.to_le_bytes());
    descriptor[12] = 1;
    descriptor[16..].copy_from_slice(&A.to_le_bytes());
    write(&mut m, true, memory(0), &descriptor);
    assert_eq!(
        x(m.call(0, &[u64::from(f::MEM_RELINQUISH)]), 0),
        u64::from(f::SUCCESS_32)
    );
    refused(&mut m, [OWN, WINDOW, 16]);
}

#[test]
fn a_normal_world_that_starts_anew_takes_its_memory_along() {
    let (mut m, _) = retrieved();
    m.normal(1, &[u64::from(f::VERSION), 0x1_0001]);
    let buffers = [u64::from(f::RXTX_MAP_64), NORMAL.base, NORMAL.base + 0x1000, 1];
    assert_eq!(x(m.normal(1, &buffers), 0), u64::from(f::SUCCESS_32));
    refused(&mut m, [OWN, WINDOW, 16]);
}

#[test]
fn own_memory_in_a_transaction_is_out_of_reach() {
    let (mut m, _) = retrieved();
    // To C, which lists A as a caller.
    let mut descriptor = vec![0; 96];
    let mut put = |at: usize, bytes: &[u8]| descriptor[at..at + bytes.len()].copy_from_slice(bytes);
    for (at, bytes) in [
        (0, &A.to_le_bytes()[..]),
        (2, &0x2f_u16.to_le_bytes()),
        (24, &16_u32.to_le_bytes()),
        (28, &1_u32.to_le_bytes()),
        (32, &48_u32.to_le_bytes()),
        (48, &C.to_le_bytes()),
        (50, &[2]),
        (52, &64_u32.to_le_bytes()),
        (64, &1_u32.to_le_bytes()),
        (68, &1_u32.to_le_bytes()),
        (80, &OWN.to_le_bytes()),
        (88, &1_u32.to_le_bytes()),
    ] {
        put(at, bytes);
    }
    write(&mut m, true, memory(0), &descriptor);
    let reply = regs(m.call(0, &[u64::from(f::MEM_SHARE_64), 96, 96]));
    assert_eq!(reply.0[0], u64::from(f::SUCCESS_32), "{:x?}", reply.0);
    refused(&mut m, [OWN, WINDOW, 16]);
    assert_eq!(copy(&mut m, f::WINDOW_READ, [OWN + 0x1000, WINDOW, 16]), 0);
}

#[test]
fn for_whom_the_table_does_not_say_so_there_is_no_call() {
    let (mut m, _) = retrieved();
    m.respond(0, A);
    m.enter(0, B);
    for id in f::WINDOW {
        let pages = m.ports.pages.clone();
        let answer = regs(m.call(0, &[u64::from(id), memory(1), WINDOW, 16]));
        assert_eq!(answer.0[..4], [UNKNOWN, memory(1), WINDOW, 16]);
        assert!(pages == m.ports.pages);
    }
    m.respond(0, B);
    for id in f::WINDOW {
        assert_eq!(x(m.normal(0, &[u64::from(id), OWN, WINDOW, 16]), 0), UNKNOWN);
    }
}

#[test]
fn each_byte_is_read_once() {
    let (mut m, _) = retrieved();
    m.ports.spoils = true;
    assert_eq!(copy(&mut m, f::WINDOW_READ, [OWN, WINDOW + 96, 512]), 0);
    assert_eq!(m.ports.read, 512);
    assert_eq!(bytes(&m, true, OWN)[..512], [1; 512]);
}

/// While a partition copies on one core, another core takes the memory away: no byte is copied from then on.
#[test]
fn no_copy_outlives_what_takes_the_memory_away() {
    for round in 0..300 {
        let (m, _) = retrieved();
        let gone = Arc::new(AtomicBool::new(false));
        let ports = || Recorder {
            taken_away: Some(gone.clone()),
            ..Recorder::default()
        };
        let barrier = Barrier::new(2);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut ports = ports();
                barrier.wait();
                let id = f::WINDOW[round % 2];
                let call = Regs::new(&[u64::from(id), OWN, WINDOW, 4096]);
                loop {
                    let gone = gone.load(Ordering::SeqCst);
                    let answer = m.spmc.step(0, Event::Call(Conduit::Smc, call), &mut ports);
                    match x(answer, 0) {
                        0 => assert!(!gone, "it was copied afterwards"),
                        other => break assert_eq!(other, REFUSED),
                    }
                }
            });
            let mut ports = ports();
            barrier.wait();
            for call in [
                &[u64::from(f::VERSION), 0x1_0001][..],
                &[u64::from(f::RXTX_MAP_64), NORMAL.base, NORMAL.base + 0x1000, 1],
            ] {
                m.spmc.step(1, Event::Normal(Regs::new(call)), &mut ports);
            }
        });
        assert!(gone.load(Ordering::SeqCst));
    }
}
