//! FFA_MSG_SEND2.

use super::machine::{Machine, code, ends, regs, run, succeeded};
use super::table::{A, B, C, CHAINS, COMMON, NORMAL, memory};
use crate::api::{Page, Ports, World};
use crate::error::Error;
use crate::function as f;
use crate::table::Core;

const SEND: u64 = f::MSG_SEND2 as u64;
const GET: u64 = f::NOTIFICATION_GET as u64;
const RELEASE: u64 = f::RX_RELEASE as u64;
const TX: u64 = NORMAL.base;
const MAP: u64 = f::RXTX_MAP_64 as u64;

/// A page of buffers: secure ones of a partition (TX first), or the normal world's.
fn page(party: Option<usize>, rx: bool) -> Page {
    let (world, base) = match party {
        Some(index) => (World::Secure, memory(index)),
        None => (World::Normal, TX),
    };
    Page {
        world,
        address: base + if rx { 0x1000 } else { 0 },
    }
}

/// All have negotiated a version each and registered buffers, and the normal world has a bitmap.
fn ready(versions: [u64; 4]) -> Machine {
    let mut m = Machine::of(&CHAINS).start();
    m.normal(0, &[f::VERSION.into(), versions[3]]);
    assert!(succeeded(m.normal(0, &[MAP, TX, TX + 0x1000, 1])));
    assert!(succeeded(
        m.normal(0, &[f::NOTIFICATION_BITMAP_CREATE.into(), 0, 4])
    ));
    m.enter(0, A);
    set_up(&mut m, 0, versions[0]);
    for (index, id) in [(1, B), (2, C)] {
        m.call(0, &[f::DIRECT_REQ_32.into(), ends(A, id), 0]);
        set_up(&mut m, index, versions[index]);
        m.call(0, &[f::DIRECT_RESP_32.into(), ends(id, A), 0]);
    }
    m.respond(0, A);
    m
}

fn set_up(m: &mut Machine, index: usize, version: u64) {
    m.call(0, &[f::VERSION.into(), version]);
    assert!(succeeded(
        m.call(0, &[MAP, memory(index), memory(index) + 0x1000, 1])
    ));
}

/// A message as its sender writes it.
struct Message {
    words: [u32; 6],
    uuid: [u8; 16],
}

fn message(from: u16, to: u16) -> Message {
    Message {
        words: [0, 0, 64, ends(from, to) as u32, 5, 0],
        uuid: [0; 16],
    }
}

fn put(m: &mut Machine, party: Option<usize>, message: &Message) {
    let mut bytes = std::vec![0xee; 4096];
    for (to, word) in bytes.chunks_exact_mut(4).zip(message.words) {
        to.copy_from_slice(&word.to_le_bytes());
    }
    bytes[24..40].copy_from_slice(&message.uuid);
    bytes[64..69].copy_from_slice(b"hello");
    m.ports.write(page(party, false), 0, &bytes);
}

/// What a receiver of a version finds: ends, text, and that the header is in order.
fn received(m: &mut Machine, party: Option<usize>, version: u64) -> (u32, std::vec::Vec<u8>) {
    let size = if version >= 0x1_0002 { 40 } else { 20 };
    let mut header = std::vec![0; size];
    m.ports.read(page(party, true), 0, &mut header);
    let word = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().unwrap());
    assert_eq!((word(0), word(4), word(8)), (0, 0, size as u32));
    let mut text = std::vec![0; word(16) as usize];
    m.ports.read(page(party, true), size, &mut text);
    (word(12), text)
}

#[test]
fn the_normal_world_writes_to_a_partition() {
    for (from, to) in [(0x1_0002, 0x1_0002), (0x1_0001, 0x1_0002), (0x1_0002, 0x1_0001)] {
        let mut m = ready([to, 0x1_0002, 0x1_0002, from]);
        put(&mut m, None, &message(0, A));
        assert!(succeeded(m.normal(1, &[SEND, 0, 0])));
        assert_eq!(m.ports.scheduled, 1);
        let info = regs(m.normal(0, &[f::NOTIFICATION_INFO_GET_64.into()]));
        assert_eq!(info.0[3], u64::from(A));
        assert_eq!(received(&mut m, Some(0), to), (u32::from(A), b"hello".to_vec()));
        // The buffer is the receiver's until it gives it back.
        put(&mut m, None, &message(0, A));
        m.refused(1, &[SEND, 0, 0], Error::Busy);
        let entered = m.enter(0, A);
        assert!(!entered.virtual_irq, "it has not enabled the interrupt");
        m.hvc(0, &[0xff03, 5, 1, 0]);
        assert_eq!(m.hvc(0, &[0xff04]), 5);
        let got = regs(m.call(0, &[GET, ends(0, A), 0xf]));
        // It is a hypervisor that speaks of messages of the normal world, whoever copied them.
        assert_eq!(got.0[2..8], [0, 0, 0, 0, 0, 1]);
        assert_eq!(m.hvc(0, &[0xff04]), 0xffff_ffff);
        assert_eq!(regs(m.call(0, &[GET, ends(0, A), 0xf])).0[6..8], [0, 0]);
        assert!(succeeded(m.call(0, &[RELEASE])));
        m.respond(0, A);
        assert!(succeeded(m.normal(1, &[SEND, 0, 0])));
    }
}

#[test]
fn waiting_gives_the_buffer_back_unless_it_is_kept() {
    for (flags, busy) in [(0, false), (1, true)] {
        let mut m = ready([0x1_0002; 4]);
        put(&mut m, None, &message(0, A));
        m.normal(0, &[SEND, 0, 0]);
        run(m.normal(0, &[f::RUN.into(), u64::from(A) << 16]));
        m.call(0, &[f::MSG_WAIT.into(), 0, flags]);
        put(&mut m, None, &message(0, A));
        let again = m.normal(0, &[SEND, 0, 0]);
        assert_eq!(code(again), busy.then_some(Error::Busy.code()));
    }
}

#[test]
fn a_partition_writes_to_the_normal_world_and_to_another() {
    let mut m = ready([0x1_0002; 4]);
    m.enter(0, A);
    put(&mut m, Some(0), &message(A, 0));
    assert!(succeeded(m.call(0, &[SEND, 0, 2])));
    assert_eq!(m.ports.scheduled, 0, "delayed until it gives up the core");
    let mut to_c = message(A, C);
    to_c.uuid = COMMON.0;
    put(&mut m, Some(0), &to_c);
    assert!(succeeded(m.call(0, &[SEND, 0, 2])));
    m.respond(0, A);
    assert_eq!(m.ports.scheduled, 1);
    assert_eq!(
        received(&mut m, None, 0x1_0002),
        (u32::from(A) << 16, b"hello".to_vec())
    );
    assert_eq!(received(&mut m, Some(2), 0x1_0002).1, b"hello");
    assert_eq!(regs(m.normal(0, &[GET, 0, 4])).0[6], 1);
    assert!(succeeded(m.normal(0, &[RELEASE])));
    m.refused(0, &[RELEASE], Error::Denied);
}

fn refused(m: &mut Machine, core: Core, party: Option<usize>, message: &Message, w1: u64, error: Error) {
    put(m, party, message);
    match party {
        None => m.refused(core, &[SEND, w1, 0], error),
        Some(_) => m.partition_refused(core, &[SEND, w1, 0], error),
    }
}

#[test]
fn headers_that_are_not_in_order() {
    let mut m = ready([0x1_0002; 4]);
    let changes: [(usize, u32); 12] = [
        (0, 1),
        (1, 1),
        (2, 39),
        (2, 4092),
        (2, u32::MAX),
        (4, 0),
        (4, 4033),
        (4, u32::MAX),
        (5, 1),
        (3, u32::from(A) << 16),
        (3, u32::from(A) << 16 | u32::from(A)),
        (3, 0x8000),
    ];
    for (at, value) in changes {
        let mut wrong = message(0, A);
        wrong.words[at] = value;
        refused(&mut m, 0, None, &wrong, 0, Error::InvalidParameters);
    }
    for w1 in [1, 2, 3, u64::from(A)] {
        refused(
            &mut m,
            0,
            None,
            &message(0, A),
            w1 << 16,
            Error::InvalidParameters,
        );
    }
    let mut foreign = message(0, A);
    foreign.uuid = [7; 16];
    refused(&mut m, 0, None, &foreign, 0, Error::InvalidParameters);
    put(&mut m, None, &message(0, A));
    // Only a partition can delay what its receiver hears.
    for flags in [1, 2, 4, 0x8000_0000] {
        m.refused(0, &[SEND, 0, flags], Error::InvalidParameters);
    }
    let mut long = message(0, A);
    (long.words[2], long.words[4]) = (40, 4056);
    put(&mut m, None, &long);
    assert!(succeeded(m.normal(0, &[SEND, 0, 0])), "all of the page");
}

#[test]
fn who_may_write_to_whom() {
    let mut m = ready([0x1_0002; 4]);
    // b takes none; c is for partitions only; nobody has these numbers.
    for to in [B, C, 0x8000, 0x8003, 0xffff, 1] {
        refused(&mut m, 0, None, &message(0, to), 0, Error::InvalidParameters);
    }
    m.enter(0, A);
    refused(&mut m, 0, Some(0), &message(A, B), 0, Error::Denied);
    for (from, to) in [(C, A), (0, A), (A, 1), (A, 0x8003)] {
        refused(
            &mut m,
            0,
            Some(0),
            &message(from, to),
            0,
            Error::InvalidParameters,
        );
    }
    refused(
        &mut m,
        0,
        Some(0),
        &message(A, C),
        ends(A, 0),
        Error::InvalidParameters,
    );
    m.call(0, &[f::DIRECT_REQ_32.into(), ends(A, C), 0]);
    // The normal world cannot call c, so c has nothing to say to it.
    refused(&mut m, 0, Some(2), &message(C, 0), 0, Error::InvalidParameters);
}

#[test]
fn without_room_buffers_or_version() {
    let mut m = Machine::of(&CHAINS).start();
    m.refused(0, &[SEND, 0, 0], Error::NotSupported);
    m.normal(0, &[f::VERSION.into(), 0x1_0002]);
    m.refused(0, &[SEND, 0, 0], Error::InvalidParameters);
    assert!(succeeded(m.normal(0, &[MAP, TX, TX + 0x1000, 1])));
    put(&mut m, None, &message(0, A));
    m.refused(0, &[SEND, 0, 0], Error::Denied);
    // A header of 1.1 is shorter: what fits there need not fit behind one of 1.2.
    let mut m = ready([0x1_0002, 0x1_0002, 0x1_0002, 0x1_0001]);
    let mut long = message(0, A);
    (long.words[2], long.words[4]) = (20, 4076);
    put(&mut m, None, &long);
    m.refused(0, &[SEND, 0, 0], Error::NoMemory);
    m.spmc.stop_image(0);
    m.refused(0, &[SEND, 0, 0], Error::Aborted);
}
