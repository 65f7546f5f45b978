//! Memory calls as far as the dispatcher goes: buffers, lengths, who may call what. The ledger has
//! its own tests.

use std::sync::Barrier;

use super::machine::{Machine, Recorder, regs, succeeded, x};
use super::table::{A, B, C, NORMAL, memory};
use crate::api::{Conduit, Event, Fault, Regs};
use crate::error::Error;
use crate::function as f;
use crate::table::Rights;

const SHARE: u64 = f::MEM_SHARE_64 as u64;
const TX: u64 = NORMAL.base;
const LENT: u64 = NORMAL.base + 0x8_0000;

/// FF-A 1.1 descriptor: `pages` at LENT for `receiver`.
fn offer(receiver: u16, pages: u32) -> std::vec::Vec<u8> {
    let mut d = std::vec![0; 96];
    let mut put = |at: usize, bytes: &[u8]| d[at..at + bytes.len()].copy_from_slice(bytes);
    put(2, &0x2fu16.to_le_bytes());
    put(24, &16u32.to_le_bytes());
    put(28, &1u32.to_le_bytes());
    put(32, &48u32.to_le_bytes());
    put(48, &receiver.to_le_bytes());
    put(50, &[2]);
    put(52, &64u32.to_le_bytes());
    put(64, &pages.to_le_bytes());
    put(68, &1u32.to_le_bytes());
    put(80, &LENT.to_le_bytes());
    put(88, &pages.to_le_bytes());
    d
}

/// FF-A 1.1 retrieve request of `receiver`.
pub fn request(receiver: u16, handle: u64) -> std::vec::Vec<u8> {
    let mut d = offer(receiver, 0);
    d.truncate(64);
    d[4..8].copy_from_slice(&(1u32 << 3).to_le_bytes());
    d[8..16].copy_from_slice(&handle.to_le_bytes());
    d[52..56].copy_from_slice(&[0; 4]);
    d
}

pub fn write(m: &mut Machine, secure: bool, address: u64, bytes: &[u8]) {
    let page = m
        .ports
        .pages
        .entry((secure, address))
        .or_insert_with(|| std::vec![0; 4096].into());
    page[..bytes.len()].copy_from_slice(bytes);
}

/// Buffers for the normal world, and for A which runs on core 0.
pub fn ready() -> Machine {
    let mut m = Machine::started();
    m.normal(0, &[u64::from(f::VERSION), 0x1_0001]);
    m.normal(0, &[u64::from(f::RXTX_MAP_64), TX, TX + 0x1000, 1]);
    m.enter(0, A);
    m.call(0, &[u64::from(f::VERSION), 0x1_0001]);
    m.call(0, &[u64::from(f::RXTX_MAP_64), memory(0), memory(0) + 0x1000, 1]);
    m
}

/// A share to A; its handle.
pub fn share(m: &mut Machine) -> u64 {
    write(m, false, TX, &offer(A, 2));
    let reply = regs(m.normal(1, &[SHARE, 96, 96]));
    assert_eq!(reply.0[0], u64::from(f::SUCCESS_32), "{:x?}", reply.0);
    reply.0[3] << 32 | reply.0[2]
}

#[test]
fn memory_goes_to_a_partition_and_back() {
    let mut m = ready();
    let handle = share(&mut m);
    let (low, high) = (handle & 0xffff_ffff, handle >> 32);
    write(&mut m, true, memory(0), &request(A, handle));
    let reply = regs(m.call(0, &[u64::from(f::MEM_RETRIEVE_REQ_32), 64, 64]));
    assert_eq!(reply.0[0], u64::from(f::MEM_RETRIEVE_RESP), "{:x?}", reply.0);
    assert_eq!(reply.0[1], reply.0[2]);
    assert_eq!(m.ports.mapped.len(), 1);
    assert_eq!((m.ports.mapped[0].2, m.ports.mapped[0].3), (LENT, 2));
    let answer = &m.ports.pages[&(true, memory(0) + 0x1000)];
    assert_eq!(answer[8..16], handle.to_le_bytes());
    // A full RX buffer is not overwritten; nothing is retrieved then.
    m.partition_refused(0, &[u64::from(f::MEM_RETRIEVE_REQ_32), 64, 64], Error::Busy);
    assert!(succeeded(m.call(0, &[u64::from(f::RX_RELEASE)])));
    m.refused(1, &[u64::from(f::MEM_RECLAIM), low, high], Error::Denied);
    let mut done = [0; 18];
    done[..8].copy_from_slice(&handle.to_le_bytes());
    done[12] = 1;
    done[16..].copy_from_slice(&A.to_le_bytes());
    write(&mut m, true, memory(0), &done);
    assert!(succeeded(m.call(0, &[u64::from(f::MEM_RELINQUISH)])));
    assert!(m.ports.mapped.is_empty());
    assert!(succeeded(m.normal(1, &[u64::from(f::MEM_RECLAIM), low, high])));
    m.refused(
        1,
        &[u64::from(f::MEM_RECLAIM), low, high],
        Error::InvalidParameters,
    );
}

#[test]
fn a_stopped_partition_gives_back_what_it_borrowed() {
    let mut m = ready();
    let handle = share(&mut m);
    write(&mut m, true, memory(0), &request(A, handle));
    m.call(0, &[u64::from(f::MEM_RETRIEVE_REQ_32), 64, 64]);
    m.step(
        0,
        Event::Fault(Fault {
            syndrome: 1,
            address: 2,
            ipa: 3,
            pc: 4,
        }),
    );
    assert!(m.ports.mapped.is_empty());
    assert!(succeeded(m.normal(
        1,
        &[u64::from(f::MEM_RECLAIM), handle & 0xffff_ffff, handle >> 32]
    )));
}

#[test]
fn wrong_lengths_and_buffers() {
    let mut m = ready();
    write(&mut m, false, TX, &offer(A, 2));
    for wrong in [
        [SHARE, 96, 97, 0, 0],
        [SHARE, 96, 0, 0, 0],
        [SHARE, 8192, 4097, 0, 0],
        [SHARE, 0xffff_ffff, 0xffff_ffff, 0, 0],
        [SHARE, 96, 96, TX, 1],
        [SHARE, 96, 96, TX, 0],
        [SHARE, 96, 96, 0, 1],
    ] {
        m.refused(1, &wrong, Error::InvalidParameters);
    }
    for (total, fragment) in [(64, 63), (63, 64), (4097, 4097), (0, 0)] {
        let call = [u64::from(f::MEM_RETRIEVE_REQ_64), total, fragment];
        m.partition_refused(0, &call, Error::InvalidParameters);
    }
    write(&mut m, false, TX, &offer(0x8005, 2));
    m.refused(1, &[SHARE, 96, 96], Error::InvalidParameters);
}

#[test]
fn without_buffers_there_is_nothing_to_read() {
    let mut m = Machine::started();
    m.refused(0, &[SHARE, 96, 96], Error::InvalidParameters);
    m.refused(
        0,
        &[u64::from(f::MEM_FRAG_TX), 1, 0, 16],
        Error::InvalidParameters,
    );
    m.enter(1, B);
    let fragment = [u64::from(f::MEM_FRAG_TX), 1, 0, 16, u64::from(B) << 16];
    m.partition_refused(1, &fragment, Error::InvalidParameters);
    m.partition_refused(1, &[u64::from(f::MEM_RETRIEVE_REQ_32), 64, 64], Error::Busy);
    m.partition_refused(1, &[u64::from(f::MEM_RELINQUISH)], Error::InvalidParameters);
}

#[test]
fn a_descriptor_in_two_fragments() {
    let mut m = ready();
    let whole = offer(A, 2);
    write(&mut m, false, TX, &whole[..80]);
    let more = regs(m.normal(1, &[SHARE, 96, 80]));
    assert_eq!(
        (more.0[0], more.0[3], more.0[4]),
        (u64::from(f::MEM_FRAG_RX), 80, 0)
    );
    write(&mut m, false, TX, &whole[80..]);
    let tx = u64::from(f::MEM_FRAG_TX);
    m.refused(
        1,
        &[tx, more.0[1], more.0[2], 16, 1 << 16],
        Error::InvalidParameters,
    );
    assert_eq!(
        x(m.normal(1, &[tx, more.0[1], more.0[2], 16]), 0),
        u64::from(f::SUCCESS_32)
    );
}

#[test]
fn borrowers_calls_are_not_the_normal_worlds() {
    let mut m = ready();
    let handle = share(&mut m);
    // A retrieve as partitions make it.
    write(&mut m, false, TX, &request(A, handle));
    m.refused(
        1,
        &[u64::from(f::MEM_RETRIEVE_REQ_32), 64, 64],
        Error::InvalidParameters,
    );
    m.refused(1, &[u64::from(f::MEM_RELINQUISH)], Error::NotSupported);
    m.refused(
        1,
        &[u64::from(f::MEM_FRAG_RX), 1, 0, 16],
        Error::InvalidParameters,
    );
}

#[test]
fn a_hypervisor_asks_what_a_handle_means() {
    let mut m = ready();
    let handle = share(&mut m);
    let (low, high) = (handle & 0xffff_ffff, handle >> 32);
    let ask = [u64::from(f::MEM_RETRIEVE_REQ_64), 48, 48];
    let mut bytes = [0; 48];
    bytes[8..16].copy_from_slice(&handle.to_le_bytes());
    write(&mut m, false, TX, &bytes);
    let reply = regs(m.normal(1, &ask));
    assert_eq!(reply.0[..4], [u64::from(f::MEM_RETRIEVE_RESP), 96, 96, 0]);
    let mut wanted = offer(A, 2);
    // Shared non-secure memory; the kind; the handle.
    wanted[2] |= 1 << 6;
    wanted[4] = 1 << 3;
    wanted[8..16].copy_from_slice(&handle.to_le_bytes());
    assert_eq!(m.ports.pages[&(false, TX + 0x1000)][..96], wanted);
    m.refused(1, &ask, Error::Busy);
    m.refused(1, &[u64::from(f::MEM_FRAG_RX), low, high, 80], Error::Busy);
    m.normal(1, &[u64::from(f::RX_RELEASE)]);
    let rest = regs(m.normal(1, &[u64::from(f::MEM_FRAG_RX), low, high, 80]));
    assert_eq!(rest.0[..5], [u64::from(f::MEM_FRAG_TX), low, high, 16, 0]);
    assert_eq!(m.ports.pages[&(false, TX + 0x1000)][..16], wanted[80..]);
    m.normal(1, &[u64::from(f::RX_RELEASE)]);
    for (at, value) in [
        (0, 1),
        (2, 1),
        (4, 1),
        (8, 0xee),
        (16, 1),
        (28, 1),
        (36, 1),
        (40, 1),
    ] {
        let mut wrong = bytes;
        wrong[at] ^= value;
        write(&mut m, false, TX, &wrong);
        m.refused(1, &ask, Error::InvalidParameters);
    }
    write(&mut m, false, TX, &bytes);
    m.refused(1, &[ask[0], 32, 32], Error::InvalidParameters);
    m.refused(1, &[ask[0], 64, 64], Error::InvalidParameters);
    m.refused(1, &[ask[0], 48, 32], Error::InvalidParameters);
    for offset in [8, 96, 97, 4096, 0xffff_ffff] {
        let more = [u64::from(f::MEM_FRAG_RX), low, high, offset];
        m.refused(1, &more, Error::InvalidParameters);
    }
}

#[test]
fn lent_pages_are_no_buffers() {
    let mut m = ready();
    share(&mut m);
    m.normal(1, &[u64::from(f::RXTX_UNMAP)]);
    m.refused(1, &[u64::from(f::RXTX_MAP_64), LENT, TX, 1], Error::Denied);
    m.refused(
        1,
        &[u64::from(f::RXTX_MAP_64), TX, LENT + 0x1000, 1],
        Error::Denied,
    );
}

/// A descriptor of FF-A 1.1 from one partition to another: a page; without it, a request.
fn between(from: u16, to: u16, page: Option<u64>, handle: u64) -> std::vec::Vec<u8> {
    let mut d = match page {
        Some(_) => offer(to, 1),
        None => request(to, handle),
    };
    d[..2].copy_from_slice(&from.to_le_bytes());
    if let Some(page) = page {
        d[80..88].copy_from_slice(&page.to_le_bytes());
    }
    d
}

/// From A, which runs on core 0, to C, which then runs there and has buffers too.
fn into_c(m: &mut Machine) {
    let ends = u64::from(A) << 16 | u64::from(C);
    m.call(0, &[u64::from(f::DIRECT_REQ_32), ends, 0, 1]);
    m.call(0, &[u64::from(f::VERSION), 0x1_0001]);
    m.call(0, &[u64::from(f::RXTX_MAP_64), memory(2), memory(2) + 0x1000, 1]);
}

#[test]
fn partitions_share_memory() {
    let mut m = ready();
    let (page, buffers) = (memory(0) + 0x9000, memory(0));
    let lend = [u64::from(f::MEM_LEND_64), 96, 96];
    let offer_of = |m: &mut Machine, kind: u64, page| {
        let mut d = between(A, C, Some(page), 0);
        d[2] = if kind == lend[0] { 0 } else { 0x2f };
        write(m, true, buffers, &d);
    };
    // Its buffers are not for others, nor is anyone else's memory.
    for wrong in [
        buffers,
        buffers + 0x1000,
        memory(1),
        memory(2),
        NORMAL.base,
        0x0e10_0000,
    ] {
        offer_of(&mut m, lend[0], wrong);
        m.partition_refused(0, &lend, Error::Denied);
    }
    offer_of(&mut m, lend[0], page);
    let reply = regs(m.call(0, &lend));
    assert_eq!(reply.0[0], u64::from(f::SUCCESS_32), "{:x?}", reply.0);
    let (handle, low, high) = (reply.0[3] << 32 | reply.0[2], reply.0[2], reply.0[3]);
    assert_eq!(m.ports.reach.get(&(0, page)), Some(&None), "out of A's reach");
    // Lent memory is no buffer, and its handle is nobody else's.
    assert!(succeeded(m.call(0, &[u64::from(f::RXTX_UNMAP)])));
    let map = u64::from(f::RXTX_MAP_64);
    m.partition_refused(0, &[map, page, buffers, 1], Error::Denied);
    m.partition_refused(0, &[map, buffers, page, 1], Error::Denied);
    m.partition_refused(0, &[map, buffers, memory(2), 1], Error::InvalidParameters);
    assert!(succeeded(m.call(0, &[map, buffers, buffers + 0x1000, 1])));
    m.refused(
        1,
        &[u64::from(f::MEM_RECLAIM), low, high],
        Error::InvalidParameters,
    );
    into_c(&mut m);
    m.partition_refused(
        0,
        &[u64::from(f::MEM_RECLAIM), low, high],
        Error::InvalidParameters,
    );
    let mut ask = between(A, C, None, handle);
    (ask[2], ask[4]) = (0, 2 << 3);
    write(&mut m, true, memory(2), &ask);
    let retrieve = [u64::from(f::MEM_RETRIEVE_REQ_64), 64, 64];
    let reply = regs(m.call(0, &retrieve));
    assert_eq!(
        reply.0[..3],
        [u64::from(f::MEM_RETRIEVE_RESP), 96, 96],
        "{:x?}",
        reply.0
    );
    assert_eq!(m.ports.reach.get(&(2, page)), Some(&Some(Rights::ReadWrite)));
    let answer = &m.ports.pages[&(true, memory(2) + 0x1000)];
    assert_eq!(
        (&answer[2..4], &answer[80..88]),
        (&[0x2f, 0][..], &page.to_le_bytes()[..])
    );
    // The answer once more, from any offset; each time RX has to be free.
    let more = |offset| [u64::from(f::MEM_FRAG_RX), low, high, offset];
    m.partition_refused(0, &more(16), Error::Busy);
    assert!(succeeded(m.call(0, &[u64::from(f::RX_RELEASE)])));
    for offset in [8, 96, 4096, 0xffff_ffff] {
        m.partition_refused(0, &more(offset), Error::InvalidParameters);
    }
    let reply = regs(m.call(0, &more(80)));
    assert_eq!(
        reply.0[..4],
        [u64::from(f::MEM_FRAG_TX), low, high, 16],
        "{:x?}",
        reply.0
    );
    assert_eq!(
        m.ports.pages[&(true, memory(2) + 0x1000)][..8],
        page.to_le_bytes()
    );
    // C stops: A gets ABORTED, and its page back, cleared by its wish.
    let fault = Fault {
        syndrome: 1,
        address: 2,
        ipa: 3,
        pc: 4,
    };
    m.step(0, Event::Fault(fault));
    assert_eq!(m.ports.reach.get(&(2, page)), Some(&None));
    assert!(succeeded(m.call(0, &[u64::from(f::MEM_RECLAIM), low, high, 1])));
    assert_eq!(m.ports.cleared, [(page, 1)]);
    assert_eq!(
        m.ports.reach.get(&(0, page)),
        Some(&Some(Rights::ReadWriteExecute))
    );
}

#[test]
fn a_new_owner_uses_what_it_got() {
    let mut m = ready();
    let page = memory(0) + 0x9000;
    let mut d = between(A, C, Some(page), 0);
    (d[2], d[50]) = (0, 0);
    write(&mut m, true, memory(0), &d);
    let reply = regs(m.call(0, &[u64::from(f::MEM_DONATE_64), 96, 96]));
    let handle = reply.0[3] << 32 | reply.0[2];
    into_c(&mut m);
    let mut ask = between(A, C, None, handle);
    (ask[2], ask[4], ask[50]) = (0, 3 << 3, 2);
    write(&mut m, true, memory(2), &ask);
    let reply = regs(m.call(0, &[u64::from(f::MEM_RETRIEVE_REQ_64), 64, 64]));
    assert_eq!(reply.0[0], u64::from(f::MEM_RETRIEVE_RESP), "{:x?}", reply.0);
    // Buffers may lie in it now, those of the one who gave it may not.
    assert!(succeeded(m.call(0, &[u64::from(f::RX_RELEASE)])));
    assert!(succeeded(m.call(0, &[u64::from(f::RXTX_UNMAP)])));
    let map = [u64::from(f::RXTX_MAP_64), page, memory(2), 1];
    assert!(succeeded(m.call(0, &map)));
    let ends = u64::from(C) << 16 | u64::from(A);
    m.call(0, &[u64::from(f::DIRECT_RESP_32), ends, 0, 0]);
    assert!(succeeded(m.call(0, &[u64::from(f::RXTX_UNMAP)])));
    let map = [u64::from(f::RXTX_MAP_64), page, memory(0), 1];
    m.partition_refused(0, &map, Error::InvalidParameters);
}

/// Two cores of a partition make the same call at once, each with its own copy of the buffer: how each is answered.
fn at_once(m: &Machine, call: &[u64], buffer: &[u8]) -> [Regs; 2] {
    let barrier = Barrier::new(2);
    let work = |core| {
        let mut ports = Recorder::default();
        let page = ports.pages.entry((true, memory(0)));
        page.or_insert_with(|| std::vec![0; 4096].into())[..buffer.len()].copy_from_slice(buffer);
        barrier.wait();
        let event = Event::Call(Conduit::Smc, Regs::new(call));
        regs(m.spmc.step(core, event, &mut ports))
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(|| work(1));
        [work(0), other.join().unwrap()]
    })
}

#[test]
fn one_of_two_cores_lends_and_one_takes_back() {
    let mut m = ready();
    m.enter(1, A);
    let mut lend = between(A, C, Some(memory(0) + 0x9000), 0);
    lend[2] = 0;
    for _ in 0..200 {
        let answers = at_once(&m, &[u64::from(f::MEM_LEND_64), 96, 96], &lend);
        let taken = |regs: &&Regs| regs.0[0] == u64::from(f::SUCCESS_32);
        let denied = |regs: &&Regs| regs.0[2] as u32 == Error::Denied.code();
        let one = answers.iter().find(taken).expect("one of them lends it");
        assert_eq!(answers.iter().filter(denied).count(), 1, "{answers:x?}");
        let reclaim = [u64::from(f::MEM_RECLAIM), one.0[2], one.0[3]];
        let answers = at_once(&m, &reclaim, &[]);
        let gone = |regs: &&Regs| regs.0[2] as u32 == Error::InvalidParameters.code();
        assert_eq!(answers.iter().filter(taken).count(), 1, "{answers:x?}");
        assert_eq!(answers.iter().filter(gone).count(), 1, "{answers:x?}");
        assert_eq!(m.spmc.check_invariants(), Ok(()));
    }
}
