//! Virtual machines of the normal world, for which a hypervisor there calls.

use std::vec::Vec;

use super::machine::{Machine, Recorder, Subject, ends, regs, run, succeeded, x};
use super::table::{A, B, C, CHAINS, NORMAL, SMALL, VM, memory};
use crate::api::{Action, Conduit, Event, Page, Ports, Regs, World};
use crate::error::Error;
use crate::function as f;
use crate::table::Core;

const MAP: u64 = f::RXTX_MAP_64 as u64;
const MAP_32: u64 = f::RXTX_MAP_32 as u64;
const UNMAP: u64 = f::RXTX_UNMAP as u64;
const ACQUIRE: u64 = f::RX_ACQUIRE as u64;
const RELEASE: u64 = f::RX_RELEASE as u64;
const VERSION: u64 = f::VERSION as u64;
const SEND: u64 = f::MSG_SEND2 as u64;
const CREATE: u64 = f::NOTIFICATION_BITMAP_CREATE as u64;
const DESTROY: u64 = f::NOTIFICATION_BITMAP_DESTROY as u64;
const BIND: u64 = f::NOTIFICATION_BIND as u64;
const UNBIND: u64 = f::NOTIFICATION_UNBIND as u64;
const SET: u64 = f::NOTIFICATION_SET as u64;
const GET: u64 = f::NOTIFICATION_GET as u64;
const INFO: u64 = f::NOTIFICATION_INFO_GET_64 as u64;
const REQUEST: u64 = f::DIRECT_REQ_32 as u64;
const RESPONSE: u64 = f::DIRECT_RESP_32 as u64;
const CREATED: u64 = 0x8000_0004;
const DESTROYED: u64 = 0x8000_0006;

/// The hypervisor's buffers, and those of machine 3: TX, then RX.
const OWN: u64 = NORMAL.base;
const BUFFERS: u64 = NORMAL.base + 0x4000;
/// IDs of the normal world that the table does not list.
const STRANGERS: [u16; 5] = [1, 2, 5, 0x100, 0x7fff];

fn normal(address: u64) -> Page {
    Page {
        world: World::Normal,
        address,
    }
}

/// A hypervisor with buffers.
fn hypervisor(version: u64) -> Machine {
    let mut m = Machine::of(&CHAINS).start();
    m.normal(0, &[VERSION, version]);
    assert!(succeeded(m.normal(0, &[MAP, OWN, OWN + 0x1000, 1])));
    m
}

/// An endpoint RX/TX descriptor, in words: the two regions start at these bytes.
struct Pair {
    words: Vec<u32>,
}

impl Pair {
    fn new(id: u16, (rx_at, tx_at): (usize, usize), tx: u64, rx: u64) -> Self {
        let mut words = std::vec![0u32; 1024];
        words[0] = id.into();
        (words[1], words[2]) = (rx_at as u32, tx_at as u32);
        for (at, address) in [(rx_at, rx), (tx_at, tx)] {
            let at = at / 4;
            (words[at], words[at + 1], words[at + 6]) = (1, 1, 1);
            (words[at + 4], words[at + 5]) = (address as u32, (address >> 32) as u32);
        }
        Self { words }
    }

    /// As most would write it, for machine 3.
    fn plain() -> Self {
        Self::new(VM, (16, 48), BUFFERS, BUFFERS + 0x1000)
    }

    fn put(&self, m: &mut Machine) {
        let bytes: Vec<u8> = self.words.iter().flat_map(|word| word.to_le_bytes()).collect();
        m.ports.write(normal(OWN), 0, &bytes);
    }
}

/// Machine 3 has buffers, too.
fn ready() -> Machine {
    let mut m = hypervisor(0x1_0002);
    Pair::plain().put(&mut m);
    assert!(succeeded(m.normal(0, &[MAP, 0, 0, 0])));
    m
}

/// A partition that has been called by machine 3 has buffers, and goes on.
fn with_partition(m: &mut Machine) {
    run(m.normal(0, &[REQUEST, ends(VM, A), 0]));
    m.call(0, &[VERSION, 0x1_0002]);
    assert!(succeeded(m.call(0, &[MAP, memory(0), memory(0) + 0x1000, 1])));
}

/// Writes a message of five bytes into a TX buffer.
fn message(m: &mut Machine, page: Page, from: u16, to: u16) {
    put_message(&mut m.ports, page, from, to);
}

fn put_message(ports: &mut Recorder, page: Page, from: u16, to: u16) {
    let mut bytes = std::vec![0; 45];
    for (to, word) in bytes[8..20]
        .chunks_exact_mut(4)
        .zip([40, ends(from, to) as u32, 5])
    {
        to.copy_from_slice(&word.to_le_bytes());
    }
    bytes[40..].copy_from_slice(b"hello");
    ports.write(page, 0, &bytes);
}

#[test]
fn its_buffers_are_registered_by_the_hypervisor() {
    // Padded to 16 bytes, packed, and TX in front of RX.
    for (places, version) in [
        ((16, 48), 0x1_0002),
        ((12, 44), 0x1_0001),
        ((0xfe0, 12), 0x1_0002),
    ] {
        for call in [MAP, MAP_32] {
            let mut m = hypervisor(version);
            Pair::new(VM, places, BUFFERS, BUFFERS + 0x1000).put(&mut m);
            assert!(succeeded(m.normal(0, &[call, 0, 0, 0])), "{places:?}");
            let buffers = m.spmc.machines[0].mailbox.lock().buffers.unwrap();
            assert_eq!(
                (buffers.tx, buffers.rx),
                (normal(BUFFERS), normal(BUFFERS + 0x1000))
            );
            m.refused(0, &[call, 0, 0, 0], Error::Denied);
            assert!(succeeded(m.normal(0, &[UNMAP, u64::from(VM) << 16])));
            m.refused(0, &[UNMAP, u64::from(VM) << 16], Error::InvalidParameters);
            assert!(succeeded(m.normal(0, &[call, 0, 0, 0])));
        }
    }
}

#[test]
fn descriptors_that_are_not_in_order() {
    let mut m = hypervisor(0x1_0002);
    // Which word, and a wrong value of it; 4 is the region of RX, 12 that of TX.
    let mut wrong = Vec::from([
        (0, 0),
        (0, u32::from(A)),
        (0, 0x8000),
        (0, 1 << 16 | u32::from(VM)),
        (1, 0),
        (1, 8),
        (1, 18),
        (2, 0xfe4),
        (2, 0xffff_fff0),
        (2, u32::MAX),
    ]);
    wrong.extend(STRANGERS.map(|id| (0, id.into())));
    for region in [4, 12] {
        for (word, value) in [
            (0, 0),
            (0, 2),
            (1, 0),
            (1, 2),
            (1, u32::MAX),
            (2, 1),
            (3, 1),
            (4, BUFFERS as u32 + 8),
            (4, 0),
            (5, 1),
            (6, 0),
            (6, 2),
            (7, 1),
        ] {
            wrong.push((region + word, value));
        }
    }
    for (word, value) in wrong {
        let mut pair = Pair::plain();
        pair.words[word] = value;
        pair.put(&mut m);
        m.refused(0, &[MAP, 0, 0, 0], Error::InvalidParameters);
    }
    // Regions that are right but for their place: over the header, and between words.
    let mut over = Pair::plain();
    over.words[1..6].copy_from_slice(&[8, 1, 1, 0, 0]);
    over.put(&mut m);
    m.refused(0, &[MAP, 0, 0, 0], Error::InvalidParameters);
    let mut between = Pair::plain();
    let region = between.words[4..12].to_vec();
    for (place, word) in (24..).zip(region) {
        between.words[place] |= word << 16;
        between.words[place + 1] |= word >> 16;
    }
    between.words[1] = 24 * 4 + 2;
    between.put(&mut m);
    m.refused(0, &[MAP, 0, 0, 0], Error::InvalidParameters);
    // It is the form of a hypervisor only as a whole.
    Pair::plain().put(&mut m);
    for call in [[MAP, 0, 0, 1], [MAP, 0, OWN, 0], [MAP, OWN, 0, 0]] {
        m.refused(0, &call, Error::InvalidParameters);
    }
    run(m.normal(0, &[REQUEST, ends(0, A), 0]));
    m.partition_refused(0, &[MAP, 0, 0, 0], Error::InvalidParameters);
}

#[test]
fn pages_that_are_not_the_normal_worlds() {
    let mut m = hypervisor(0x1_0002);
    let end = NORMAL.base + NORMAL.size;
    for (tx, rx) in [
        (BUFFERS, BUFFERS),
        (BUFFERS, end),
        (memory(0), BUFFERS),
        (BUFFERS, 0x0e10_0000),
        (0x0900_0000, BUFFERS),
        (BUFFERS, !0xfff),
    ] {
        Pair::new(VM, (16, 48), tx, rx).put(&mut m);
        m.refused(0, &[MAP, 0, 0, 0], Error::InvalidParameters);
    }
    let length = share(&mut m, 0, BUFFERS);
    assert!(succeeded(m.normal(0, &[f::MEM_SHARE_64.into(), length, length])));
    for (tx, rx) in [(BUFFERS, BUFFERS + 0x1000), (BUFFERS + 0x1000, BUFFERS)] {
        Pair::new(VM, (16, 48), tx, rx).put(&mut m);
        m.refused(0, &[MAP, 0, 0, 0], Error::Denied);
    }
}

#[test]
fn its_buffers_are_lent_to_nobody() {
    let mut m = ready();
    let call = [f::MEM_SHARE_64.into(), 112, 112];
    for sender in [0, VM] {
        for page in [OWN, OWN + 0x1000, BUFFERS, BUFFERS + 0x1000] {
            share(&mut m, sender, page);
            m.refused(0, &call, Error::Denied);
        }
    }
    assert!(succeeded(m.normal(0, &[UNMAP, u64::from(VM) << 16])));
    share(&mut m, VM, BUFFERS);
    assert!(succeeded(m.normal(0, &call)));
}

#[test]
fn a_hypervisor_without_buffers_registers_none() {
    let mut m = Machine::of(&CHAINS).start();
    m.refused(0, &[MAP, 0, 0, 0], Error::InvalidParameters);
    m.normal(0, &[VERSION, 0x1_0001]);
    m.refused(0, &[MAP, 0, 0, 0], Error::InvalidParameters);
}

#[test]
fn a_hypervisor_of_1_0_lists_ranges() {
    let mut m = hypervisor(0x1_0000);
    Pair::plain().put(&mut m);
    m.refused(0, &[MAP, 0, 0, 0], Error::InvalidParameters);
    let mut pair = Pair {
        words: std::vec![0; 16],
    };
    pair.words[..3].copy_from_slice(&[VM.into(), 1, 1]);
    for (at, address) in [(3, BUFFERS + 0x1000), (7, BUFFERS)] {
        (pair.words[at], pair.words[at + 2]) = (address as u32, 1);
    }
    for (word, value) in [
        (1, 0),
        (1, 2),
        (2, 2),
        (5, 2),
        (6, 1),
        (9, 0),
        (10, 1),
        (0, 1 << 16),
    ] {
        let right = core::mem::replace(&mut pair.words[word], value);
        pair.put(&mut m);
        m.refused(0, &[MAP, 0, 0, 0], Error::InvalidParameters);
        pair.words[word] = right;
    }
    pair.put(&mut m);
    assert!(succeeded(m.normal(0, &[MAP, 0, 0, 0])));
    let buffers = m.spmc.machines[0].mailbox.lock().buffers.unwrap();
    assert_eq!(
        (buffers.tx, buffers.rx),
        (normal(BUFFERS), normal(BUFFERS + 0x1000))
    );
    // There are no such messages in 1.0.
    message(&mut m, normal(BUFFERS), VM, A);
    m.refused(0, &[SEND, u64::from(VM) << 16], Error::NotSupported);
}

#[test]
fn its_buffer_is_acquired_and_released_by_the_hypervisor() {
    let mut m = ready();
    with_partition(&mut m);
    message(&mut m, page_of_a(), A, VM);
    let id = u64::from(VM);
    m.refused(1, &[RELEASE, id], Error::Denied);
    assert!(succeeded(m.normal(1, &[ACQUIRE, id])));
    m.refused(1, &[ACQUIRE, id], Error::Denied);
    m.partition_refused(0, &[SEND], Error::Busy);
    assert!(succeeded(m.normal(1, &[RELEASE, id])));
    assert!(succeeded(m.call(0, &[SEND])));
    m.refused(1, &[ACQUIRE, id], Error::Denied);
    // The hypervisor's own buffer is another one.
    m.refused(1, &[RELEASE], Error::Denied);
    m.refused(1, &[ACQUIRE, SMALL.into()], Error::InvalidParameters);
    m.refused(1, &[RELEASE, SMALL.into()], Error::InvalidParameters);
    // A partition has no virtual machines.
    m.partition_refused(0, &[RELEASE, id], Error::InvalidParameters);
    m.partition_refused(0, &[UNMAP, id << 16], Error::InvalidParameters);
    m.partition_refused(0, &[ACQUIRE, id], Error::NotSupported);
    assert!(succeeded(m.normal(1, &[RELEASE, id])));
}

fn page_of_a() -> Page {
    Page {
        world: World::Secure,
        address: memory(0),
    }
}

#[test]
fn a_virtual_machine_calls_where_the_table_lists_it() {
    let mut m = hypervisor(0x1_0002);
    for id in STRANGERS {
        m.refused(0, &[REQUEST, ends(id, A), 0], Error::InvalidParameters);
    }
    m.refused(0, &[REQUEST, ends(VM, B), 0], Error::InvalidParameters);
    m.refused(0, &[REQUEST, ends(SMALL, A), 0], Error::InvalidParameters);
    run(m.normal(0, &[REQUEST, ends(VM, A), 0]));
    m.partition_refused(0, &[RESPONSE, ends(A, 0), 0], Error::InvalidParameters);
    let back = m.call(0, &[RESPONSE, ends(A, VM), 0]);
    assert!(matches!(back, Action::Normal(_)));
    assert_eq!(x(back, 1), ends(A, VM));
}

#[test]
fn it_writes_from_its_own_buffer() {
    let mut m = ready();
    with_partition(&mut m);
    let sender = u64::from(VM) << 16;
    // In the hypervisor's buffer it is nobody's.
    message(&mut m, normal(OWN), VM, A);
    m.refused(1, &[SEND, 0], Error::InvalidParameters);
    m.refused(1, &[SEND, sender], Error::InvalidParameters);
    message(&mut m, normal(BUFFERS), VM, A);
    // For another one than it says, or by another name.
    m.refused(1, &[SEND, u64::from(SMALL) << 16], Error::InvalidParameters);
    for from in [0, SMALL, A] {
        message(&mut m, normal(BUFFERS), from, A);
        m.refused(1, &[SEND, sender], Error::InvalidParameters);
    }
    for to in [VM, SMALL, 0, B, C, 0x8003] {
        message(&mut m, normal(BUFFERS), VM, to);
        m.refused(1, &[SEND, sender], Error::InvalidParameters);
    }
    message(&mut m, normal(BUFFERS), VM, A);
    m.partition_refused(0, &[SEND, sender], Error::InvalidParameters);
    assert!(succeeded(m.normal(1, &[SEND, sender])));
    let mut got = [0; 45];
    let rx = Page {
        address: memory(0) + 0x1000,
        ..page_of_a()
    };
    m.ports.read(rx, 0, &mut got);
    assert_eq!(
        u64::from(u32::from_le_bytes([got[12], got[13], got[14], got[15]])),
        ends(VM, A)
    );
    assert_eq!(got[40..], *b"hello");
}

#[test]
fn a_partition_writes_to_it() {
    let mut m = ready();
    with_partition(&mut m);
    message(&mut m, page_of_a(), A, SMALL);
    m.partition_refused(0, &[SEND], Error::InvalidParameters);
    for id in STRANGERS {
        message(&mut m, page_of_a(), A, id);
        m.partition_refused(0, &[SEND], Error::InvalidParameters);
    }
    assert!(succeeded(m.normal(1, &[CREATE, VM.into(), 64])));
    message(&mut m, page_of_a(), A, VM);
    assert!(succeeded(m.call(0, &[SEND])));
    let mut got = [0; 45];
    m.ports.read(normal(BUFFERS + 0x1000), 0, &mut got);
    assert_eq!(got[40..], *b"hello");
    // The hypervisor's scheduler is told, and takes it for its machine.
    assert_eq!(m.ports.scheduled, 1);
    assert_eq!(regs(m.normal(1, &[INFO])).0[2..4], [1 << 7, VM.into()]);
    m.refused(1, &[GET, ends(0, VM), 6], Error::InvalidParameters);
    m.refused(1, &[GET, ends(0, VM), 12], Error::InvalidParameters);
    assert_eq!(x(m.normal(1, &[GET, ends(63, VM), 4]), 6), 1);
    m.partition_refused(0, &[SEND], Error::Busy);
    assert!(succeeded(m.normal(1, &[UNMAP, u64::from(VM) << 16])));
    m.partition_refused(0, &[SEND], Error::Denied);
}

#[test]
fn it_is_notified_and_notifies() {
    let mut m = hypervisor(0x1_0002);
    run(m.normal(0, &[REQUEST, ends(0, A), 0]));
    m.refused(1, &[BIND, ends(A, VM), 0, 1, 0], Error::Denied);
    assert!(succeeded(m.normal(1, &[CREATE, VM.into(), 64])));
    for (pair, flags) in [
        (ends(B, VM), 0),
        (ends(C, VM), 0),
        (ends(0, VM), 0),
        (ends(SMALL, VM), 0),
        (ends(VM, VM), 0),
        (ends(A, SMALL), 0),
        (ends(A, 5), 0),
        (ends(VM, A), 0),
        (ends(A, VM), 2),
    ] {
        m.refused(1, &[BIND, pair, flags, 1, 0], Error::InvalidParameters);
        m.refused(
            1,
            &[UNBIND, pair, 0, u64::from(flags != 0) ^ 1, 0],
            Error::InvalidParameters,
        );
    }
    assert!(succeeded(m.normal(1, &[BIND, ends(A, VM), 0, 1, 0])));
    assert!(succeeded(m.normal(1, &[BIND, ends(A, VM), 1, 2, 0])));
    // Its notifications are none of the hypervisor's.
    m.partition_refused(0, &[SET, ends(A, 0), 0, 1, 0], Error::Denied);
    m.partition_refused(
        0,
        &[SET, ends(A, VM), 64 << 16 | 1, 2, 0],
        Error::InvalidParameters,
    );
    assert!(succeeded(m.call(0, &[SET, ends(A, VM), 63 << 16 | 1, 2, 0])));
    assert!(succeeded(m.call(0, &[SET, ends(A, VM), 0, 1, 0])));
    let info = regs(m.normal(1, &[INFO]));
    assert_eq!(info.0[2], 2 << 7 | 1 << 14);
    assert_eq!(info.0[3], u64::from(VM) | u64::from(VM) << 16 | 63 << 32);
    m.refused(1, &[DESTROY, VM.into()], Error::Denied);
    m.refused(1, &[GET, ends(64, VM), 1], Error::InvalidParameters);
    m.partition_refused(0, &[GET, ends(0, VM), 1], Error::InvalidParameters);
    assert_eq!(x(m.normal(1, &[GET, ends(63, VM), 1]), 2), 3);
    assert!(succeeded(m.normal(1, &[UNBIND, ends(A, VM), 0, 3, 0])));
    assert!(succeeded(m.normal(1, &[DESTROY, VM.into()])));
    // The other way.
    assert!(succeeded(m.call(0, &[BIND, ends(VM, A), 0, 4, 0])));
    m.refused(1, &[SET, ends(0, A), 0, 4, 0], Error::Denied);
    for id in STRANGERS.into_iter().chain([SMALL, A, B]) {
        m.refused(1, &[SET, ends(id, A), 0, 4, 0], Error::InvalidParameters);
    }
    assert!(succeeded(m.normal(1, &[SET, ends(VM, A), 0, 4, 0])));
    assert_eq!(x(m.call(0, &[GET, ends(0, A), 2]), 4), 4);
}

#[test]
fn it_has_no_more_contexts_than_the_table_says() {
    let mut m = hypervisor(0x1_0002);
    for (id, most) in [(VM, 64), (SMALL, 2)] {
        let id = u64::from(id);
        m.refused(0, &[DESTROY, id], Error::Denied);
        m.refused(0, &[CREATE, id, 0], Error::InvalidParameters);
        for contexts in [most + 1, 0x10000, 0xffff_ffff] {
            m.refused(0, &[CREATE, id, contexts], Error::NoMemory);
        }
        assert!(succeeded(m.normal(0, &[CREATE, id, most])));
        m.refused(0, &[CREATE, id, most], Error::Denied);
    }
}

#[test]
fn one_that_the_table_does_not_list_does_not_exist() {
    let mut m = ready();
    for id in STRANGERS {
        let (low, high) = (u64::from(id), u64::from(id) << 16);
        for call in [
            [UNMAP, high, 0, 0],
            [ACQUIRE, low, 0, 0],
            [RELEASE, low, 0, 0],
            [CREATE, low, 1, 0],
            [DESTROY, low, 0, 0],
            [BIND, ends(A, id), 0, 1],
            [UNBIND, ends(A, id), 0, 1],
            [SET, ends(id, A), 0, 1],
            [GET, low, 1, 0],
            [SEND, high, 0, 0],
        ] {
            m.refused(0, &call, Error::InvalidParameters);
        }
        for told in [CREATED, DESTROYED] {
            let message = [REQUEST, ends(0, A), told, 0, 0, id.into()];
            m.refused(0, &message, Error::InvalidParameters);
        }
        let length = share(&mut m, id, NORMAL.base + 0x8000);
        let call = [f::MEM_SHARE_64.into(), length, length];
        m.refused(0, &call, Error::InvalidParameters);
    }
    let length = share(&mut m, VM, NORMAL.base + 0x8000);
    assert!(succeeded(m.normal(0, &[f::MEM_SHARE_64.into(), length, length])));
}

/// Writes the descriptor of one page that somebody shares with A; its length.
fn share(m: &mut Machine, sender: u16, address: u64) -> u64 {
    let mut bytes = std::vec![0u8; 112];
    bytes[..2].copy_from_slice(&sender.to_le_bytes());
    bytes[2] = 0x2f;
    (bytes[24], bytes[28], bytes[32]) = (32, 1, 48);
    bytes[48..50].copy_from_slice(&A.to_le_bytes());
    bytes[50] = 2;
    (bytes[52], bytes[80], bytes[84]) = (80, 1, 1);
    bytes[96..104].copy_from_slice(&address.to_le_bytes());
    bytes[104] = 1;
    m.ports.write(normal(OWN), 0, &bytes);
    112
}

#[test]
fn a_partition_hears_of_virtual_machines() {
    let mut m = hypervisor(0x1_0002);
    for (message, answer) in [(CREATED, 0x8000_0005u64), (DESTROYED, 0x8000_0007)] {
        let told = run(m.normal(0, &[REQUEST, ends(0, A), message, 9, 8, VM.into()]));
        assert_eq!(regs(Action::Run(told)).0[2..6], [message, 9, 8, VM.into()]);
        for wrong in [message, answer ^ 2] {
            m.partition_refused(0, &[RESPONSE, ends(A, 0), wrong], Error::InvalidParameters);
        }
        m.partition_refused(0, &[RESPONSE, ends(A, 0), 0], Error::Denied);
        let back = m.call(0, &[RESPONSE, ends(A, 0), answer, 0]);
        assert_eq!((x(back, 0), x(back, 2)), (RESPONSE, answer));
        // From a machine, about the hypervisor or a partition, to who is not there, in no message's form.
        for (pair, message, about) in [
            (ends(VM, A), message, u64::from(VM)),
            (ends(0, A), message, 0),
            (ends(0, A), message, u64::from(A)),
            (ends(0, C), message, u64::from(VM)),
            (ends(0, 0x8003), message, u64::from(VM)),
            (ends(0, A), answer, u64::from(VM)),
            (ends(0, A), 0x8000_0000, u64::from(VM)),
            (ends(0, A), 1, u64::from(VM)),
        ] {
            m.refused(
                0,
                &[REQUEST, pair, message, 0, 0, about],
                Error::InvalidParameters,
            );
        }
        let wide = [f::DIRECT_REQ2.into(), ends(0, A), message];
        m.refused(0, &wide, Error::InvalidParameters);
    }
    // Not to who did not ask for it.
    let mut m = Machine::started();
    for id in [A, B] {
        let told = [REQUEST, ends(0, id), CREATED, 0, 0, VM.into()];
        m.refused(0, &told, Error::InvalidParameters);
    }
}

/// Machine 3 has buffers with a message and a notification pending; the other one a bitmap.
fn in_use() -> Machine {
    let mut m = ready();
    with_partition(&mut m);
    assert!(succeeded(m.normal(1, &[CREATE, VM.into(), 64])));
    assert!(succeeded(m.normal(1, &[CREATE, SMALL.into(), 2])));
    assert!(succeeded(m.normal(1, &[BIND, ends(A, VM), 1, 2, 0])));
    assert!(succeeded(m.call(0, &[SET, ends(A, VM), 9 << 16 | 1, 2, 0])));
    message(&mut m, page_of_a(), A, VM);
    assert!(succeeded(m.call(0, &[SEND])));
    m
}

/// It has nothing, so that it can get everything.
fn begins_again(m: &mut Machine) {
    m.refused(1, &[UNMAP, u64::from(VM) << 16], Error::InvalidParameters);
    m.refused(1, &[DESTROY, VM.into()], Error::Denied);
    assert_eq!(regs(m.normal(1, &[INFO])).0[2] as u32, Error::NoData.code());
    Pair::plain().put(m);
    assert!(succeeded(m.normal(1, &[MAP, 0, 0, 0])));
    assert!(succeeded(m.normal(1, &[CREATE, VM.into(), 1])));
    m.partition_refused(0, &[SET, ends(A, VM), 0, 2, 0], Error::Denied);
    assert_eq!(regs(m.normal(1, &[GET, ends(0, VM), 5])).0[2..8], [0; 6]);
}

#[test]
fn what_it_had_goes_when_it_is_destroyed() {
    let mut m = in_use();
    // Not by a message that does not arrive: c hears of no machines, b is for a only.
    for id in [B, C] {
        let told = [REQUEST, ends(0, id), DESTROYED, 0, 0, VM.into()];
        m.refused(1, &told, Error::InvalidParameters);
    }
    run(m.normal(1, &[REQUEST, ends(0, A), CREATED, 0, 0, VM.into()]));
    m.call(1, &[RESPONSE, ends(A, 0), CREATED | 1, 0]);
    assert!(m.spmc.machines[0].mailbox.lock().buffers.is_some());
    run(m.normal(1, &[REQUEST, ends(0, A), DESTROYED, 0, 0, VM.into()]));
    m.call(1, &[RESPONSE, ends(A, 0), DESTROYED | 1, 0]);
    begins_again(&mut m);
    m.refused(1, &[CREATE, SMALL.into(), 2], Error::Denied);
}

#[test]
fn what_it_had_goes_when_the_normal_world_starts_anew() {
    let mut m = in_use();
    m.normal(1, &[VERSION, 0x1_0001]);
    assert!(succeeded(m.normal(1, &[MAP, OWN, OWN + 0x1000, 1])));
    begins_again(&mut m);
    assert_eq!(m.spmc.machines[0].mailbox.lock().version(), 0x1_0001);
    assert!(succeeded(m.normal(1, &[CREATE, SMALL.into(), 2])));
}

/// What a core of the normal world does at random, for itself and for its machines; what a runs there.
fn storm(spmc: &Subject, core: Core) -> usize {
    let (mut ports, mut random, mut good) = (Recorder::default(), u64::from(core) + 1, 0);
    let mut below = move |n: usize| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % n
    };
    for _ in 0..20_000 {
        let id = [VM, SMALL][below(2)];
        let (low, high) = (u64::from(id), u64::from(id) << 16);
        let own = OWN + 0x1_0000 * u64::from(core);
        let calls = [
            [VERSION, 0x1_0002, 0, 0, 0, 0],
            [MAP, own, own + 0x1000, 1, 0, 0],
            [MAP, 0, 0, 0, 0, 0],
            [UNMAP, high, 0, 0, 0, 0],
            [ACQUIRE, low, 0, 0, 0, 0],
            [RELEASE, low, 0, 0, 0, 0],
            [RELEASE, 0, 0, 0, 0, 0],
            [SEND, high, 0, 0, 0, 0],
            [SEND, 0, 0, 0, 0, 0],
            [CREATE, low, 2, 0, 0, 0],
            [DESTROY, low, 0, 0, 0, 0],
            [BIND, ends(A, id), 0, 1, 0, 0],
            [SET, ends(id, A), 0, 1, 0, 0],
            [GET, low, 5, 0, 0, 0],
            [INFO, 0, 0, 0, 0, 0],
            [f::MEM_SHARE_64.into(), 112, 112, 0, 0, 0],
            [REQUEST, ends(0, A), DESTROYED, 0, 0, low],
        ];
        // Each core has pages of its own here: what it writes others do not see, but the policy does not know.
        let call = calls[below(calls.len())];
        let page = normal(own);
        match call[0] {
            MAP => {
                let buffers = BUFFERS + 0x2000 * (low - 3);
                let words = Pair::new(id, (16, 48), buffers, buffers + 0x1000).words;
                let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
                ports.write(page, 0, &bytes);
            }
            SEND => {
                for (from, page) in [
                    (0, page),
                    (VM, normal(BUFFERS)),
                    (SMALL, normal(BUFFERS + 0x2000)),
                ] {
                    put_message(&mut ports, page, from, A);
                }
            }
            _ => {}
        }
        let mut action = spmc.step(core, Event::Normal(Regs::new(&call)), &mut ports);
        let inside = below(6);
        put_message(&mut ports, page_of_a(), A, id);
        for n in 0.. {
            let Action::Run(run) = action else { break };
            assert_eq!(run.context.partition, 0);
            let call = [
                [SEND, 0, 0, 0],
                [SET, ends(A, id), 0, 1],
                [RELEASE, 0, 0, 0],
                [BIND, ends(id, A), 0, 1],
                [MAP, memory(0), memory(0) + 0x1000, 1],
                [RESPONSE, ends(A, 0), DESTROYED | 1, 0],
            ][if n == 0 { inside } else { 5 }];
            action = spmc.step(core, Event::Call(Conduit::Smc, Regs::new(&call)), &mut ports);
        }
        spmc.settle(core);
        good += usize::from(succeeded(action));
    }
    good
}

#[test]
fn all_cores_ask_for_machines_at_once() {
    let mut m = Machine::of(&CHAINS).start();
    run(m.normal(0, &[REQUEST, ends(0, A)]));
    m.call(0, &[VERSION, 0x1_0002]);
    m.call(0, &[RESPONSE, ends(A, 0)]);
    let spmc = &*m.spmc;
    let good: Vec<usize> = std::thread::scope(|scope| {
        let cores: Vec<_> = (0..4)
            .map(|core| scope.spawn(move || storm(spmc, core)))
            .collect();
        cores.into_iter().map(|core| core.join().unwrap()).collect()
    });
    assert!(good.iter().all(|good| *good > 1000), "{good:?}");
    assert_eq!(m.spmc.check_invariants(), Ok(()));
}
