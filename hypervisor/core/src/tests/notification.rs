//! Notifications.

use std::vec::Vec;

use super::machine::{Machine, regs, run, succeeded, x};
use super::table::{A, B, C, CHAINS, VM};
use crate::api::Action;
use crate::error::Error;
use crate::function as f;
use crate::id_list::IdList;
use crate::notification::Notifications;
use crate::reply::Reply;

const CREATE: u64 = f::NOTIFICATION_BITMAP_CREATE as u64;
const DESTROY: u64 = f::NOTIFICATION_BITMAP_DESTROY as u64;
const BIND: u64 = f::NOTIFICATION_BIND as u64;
const UNBIND: u64 = f::NOTIFICATION_UNBIND as u64;
const SET: u64 = f::NOTIFICATION_SET as u64;
const GET: u64 = f::NOTIFICATION_GET as u64;
const INFO: u64 = f::NOTIFICATION_INFO_GET_64 as u64;
const INFO_32: u64 = f::NOTIFICATION_INFO_GET_32 as u64;

fn ends(sender: u16, receiver: u16) -> u64 {
    u64::from(sender) << 16 | u64::from(receiver)
}

/// The normal world has a bitmap, and bound: 0 and 40 to A, 1 for single vCPUs to A.
fn bound() -> Machine {
    let mut m = Machine::started();
    assert!(succeeded(m.normal(0, &[CREATE, 0, 4])));
    assert!(succeeded(m.normal(0, &[BIND, ends(A, 0), 0, 1, 1 << 8])));
    assert!(succeeded(m.normal(0, &[BIND, ends(A, 0), 1, 2, 0])));
    m.enter(0, A);
    m
}

#[test]
fn bitmaps_are_made_once() {
    let mut m = Machine::started();
    m.refused(0, &[DESTROY, 0], Error::Denied);
    m.refused(0, &[DESTROY, 1], Error::InvalidParameters);
    m.refused(0, &[CREATE, 0, 0], Error::InvalidParameters);
    m.refused(0, &[CREATE, 0, 5], Error::NoMemory);
    m.refused(0, &[CREATE, 0, 0xffff_ffff], Error::NoMemory);
    m.refused(0, &[CREATE, 1, 4], Error::InvalidParameters);
    m.refused(0, &[CREATE, u64::from(A), 4], Error::InvalidParameters);
    assert!(succeeded(m.normal(0, &[CREATE, 0, 4])));
    m.refused(0, &[CREATE, 0, 4], Error::Denied);
    assert!(succeeded(m.normal(0, &[DESTROY, 0])));
    m.enter(0, A);
    m.partition_refused(0, &[CREATE, 0, 4], Error::NotSupported);
    m.partition_refused(0, &[DESTROY, 0], Error::NotSupported);
}

#[test]
fn who_binds_is_the_receiver() {
    let mut m = Machine::started();
    m.refused(0, &[BIND, ends(A, 0), 0, 1, 0], Error::Denied);
    m.normal(0, &[CREATE, 0, 4]);
    for (pair, flags, low) in [
        (ends(A, B), 0, 1),
        (ends(A, A), 0, 1),
        (ends(0, 0), 0, 1),
        (ends(C, 0), 0, 1),
        (ends(0x8003, 0), 0, 1),
        (ends(A, 0), 2, 1),
        (ends(A, 0), 0, 0),
    ] {
        m.refused(0, &[BIND, pair, flags, low, 0], Error::InvalidParameters);
    }
    assert!(succeeded(m.normal(0, &[BIND, ends(A, 0), 0, 3, 0])));
    m.refused(0, &[BIND, ends(B, 0), 0, 2, 0], Error::Denied);
    m.refused(0, &[BIND, ends(A, 0), 0, 6, 0], Error::Denied);
    m.refused(0, &[UNBIND, ends(B, 0), 0, 1, 0], Error::Denied);
    m.refused(0, &[UNBIND, ends(A, 0), 0, 4, 0], Error::Denied);
    m.refused(0, &[UNBIND, ends(A, 0), 0, 0, 0], Error::InvalidParameters);
    assert!(succeeded(m.normal(0, &[UNBIND, ends(A, 0), 0, 2, 0])));
    assert!(succeeded(m.normal(0, &[BIND, ends(B, 0), 0, 2, 0])));
}

#[test]
fn a_partition_notifies_the_normal_world() {
    let mut m = bound();
    assert!(succeeded(m.call(0, &[SET, ends(A, 0), 0, 1, 1 << 8])));
    assert_eq!(m.ports.scheduled, 1);
    let info = regs(m.normal(1, &[INFO]));
    assert_eq!(info.0[..4], [u64::from(f::SUCCESS_64), 0, 1 << 7, 0]);
    m.refused(1, &[INFO], Error::NoData);
    let got = regs(m.normal(1, &[GET, 1 << 16, 1]));
    assert_eq!(got.0[..8], [u64::from(f::SUCCESS_32), 0, 1, 1 << 8, 0, 0, 0, 0]);
    assert_eq!(x(m.normal(1, &[GET, 1 << 16, 1]), 2), 0);
}

#[test]
fn notifications_for_one_vcpu() {
    let mut m = bound();
    assert!(succeeded(m.call(0, &[SET, ends(A, 0), 3 << 16 | 1, 2, 0])));
    assert!(succeeded(m.call(0, &[SET, ends(A, 0), 1 << 16 | 1, 2, 0])));
    let info = regs(m.normal(1, &[INFO_32]));
    assert_eq!(
        info.0[..5],
        [u64::from(f::SUCCESS_32), 0, 2 << 12 | 1 << 7, 1 << 16, 3]
    );
    assert_eq!(x(m.normal(1, &[GET, 2 << 16, 1]), 2), 0);
    assert_eq!(x(m.normal(1, &[GET, 3 << 16, 1]), 2), 2);
    m.refused(1, &[DESTROY, 0], Error::Denied);
    m.refused(1, &[UNBIND, ends(A, 0), 0, 2, 0], Error::Denied);
    assert_eq!(x(m.normal(1, &[GET, 1 << 16, 1]), 2), 2);
    assert!(succeeded(m.normal(1, &[UNBIND, ends(A, 0), 0, 2, 0])));
}

#[test]
fn wrong_sets() {
    let mut m = bound();
    let vcpu = |n: u64| n << 16 | 1;
    for (pair, flags, low, error) in [
        (ends(B, 0), 0, 1, Error::InvalidParameters),
        (ends(0, A), 0, 1, Error::InvalidParameters),
        (ends(A, A), 0, 1, Error::InvalidParameters),
        (ends(A, B), 0, 1, Error::InvalidParameters),
        (ends(A, 0x8003), 0, 1, Error::InvalidParameters),
        (ends(A, 0), 0, 0, Error::InvalidParameters),
        (ends(A, 0), 4, 1, Error::InvalidParameters),
        (ends(A, 0), 1 << 16, 1, Error::InvalidParameters),
        (ends(A, 0), vcpu(4), 2, Error::InvalidParameters),
        (ends(A, 0), vcpu(1), 1, Error::InvalidParameters),
        (ends(A, 0), 0, 2, Error::InvalidParameters),
        (ends(A, 0), 0, 4, Error::Denied),
        (ends(A, 0), 0, 5, Error::Denied),
    ] {
        m.partition_refused(0, &[SET, pair, flags, low, 0], error);
    }
    assert_eq!(m.ports.scheduled, 0);
    m.enter(1, B);
    m.partition_refused(1, &[SET, ends(B, 0), 0, 1, 0], Error::Denied);
}

#[test]
fn wrong_gets() {
    let mut m = bound();
    m.refused(1, &[GET, u64::from(A), 1], Error::InvalidParameters);
    m.refused(1, &[GET, 4 << 16, 1], Error::InvalidParameters);
    m.refused(1, &[GET, 0, 0x10], Error::InvalidParameters);
    m.refused(1, &[INFO], Error::NoData);
    m.partition_refused(0, &[GET, 0, 1], Error::InvalidParameters);
    m.partition_refused(0, &[INFO], Error::NotSupported);
    // b takes none.
    m.enter(1, B);
    m.partition_refused(1, &[GET, u64::from(B), 1], Error::InvalidParameters);
}

#[test]
fn the_normal_world_notifies_a_partition() {
    let mut m = Machine::started();
    m.refused(0, &[SET, ends(0, A), 0, 8, 0], Error::Denied);
    m.enter(2, A);
    assert!(succeeded(m.call(2, &[BIND, ends(0, A), 0, 8, 0])));
    m.hvc(2, &[0xff03, 5, 1, 0]);
    m.respond(2, A);
    assert!(succeeded(m.normal(0, &[SET, ends(0, A), 0, 8, 0])));
    assert_eq!(x(m.normal(0, &[INFO]), 3), u64::from(A));
    let given = run(m.normal(2, &[u64::from(f::RUN), u64::from(A) << 16 | 2]));
    assert!(given.virtual_irq);
    assert_eq!(m.hvc(2, &[0xff04]), 5);
    // Only what is asked for is taken.
    assert_eq!(x(m.call(2, &[GET, ends(2, A), 1]), 4), 0);
    assert_eq!(x(m.call(2, &[GET, ends(2, A), 2]), 4), 8);
    m.call(2, &[u64::from(f::MSG_WAIT)]);
    // The other contexts are not told of what is gone.
    m.enter(3, A);
    assert!(!run(m.call(3, &[u64::from(f::ID_GET)])).virtual_irq);
    assert_eq!(m.hvc(3, &[0xff03, 5, 1, 0]), 0);
    assert_eq!(m.hvc(3, &[0xff04]), 0xffff_ffff);
}

#[test]
fn partitions_and_the_normal_world_have_notifications_of_their_own() {
    let mut m = Machine::of(&CHAINS).start();
    m.enter(0, A);
    // Bit 3 of both kinds, one of them for single contexts.
    assert!(succeeded(m.call(0, &[BIND, ends(C, A), 0, 8, 0])));
    assert!(succeeded(m.call(0, &[BIND, ends(0, A), 1, 8, 0])));
    m.partition_refused(0, &[BIND, ends(VM, A), 0, 8, 0], Error::Denied);
    assert!(succeeded(m.normal(1, &[SET, ends(0, A), 1, 8, 0])));
    m.refused(1, &[SET, ends(0, A), 0, 8, 0], Error::InvalidParameters);
    m.partition_refused(0, &[UNBIND, ends(0, A), 0, 8, 0], Error::Denied);
    assert!(succeeded(m.call(0, &[UNBIND, ends(C, A), 0, 8, 0])));
    assert_eq!(
        regs(m.call(0, &[GET, u64::from(A), 0xf])).0[2..8],
        [0, 0, 8, 0, 0, 0]
    );
    assert!(succeeded(m.call(0, &[UNBIND, ends(0, A), 0, 8, 0])));
}

#[test]
fn the_normal_world_cannot_delay() {
    let mut m = Machine::started();
    m.enter(2, A);
    assert!(succeeded(m.call(2, &[BIND, ends(0, A), 0, 8, 0])));
    m.refused(0, &[SET, ends(0, A), 2, 8, 0], Error::InvalidParameters);
    assert!(succeeded(m.normal(0, &[SET, ends(0, A), 0, 8, 0])));
}

#[test]
fn the_schedule_receiver_interrupt_can_wait_for_the_core() {
    let mut m = bound();
    assert!(succeeded(m.call(0, &[SET, ends(A, 0), 2, 1, 0])));
    assert_eq!(m.ports.scheduled, 0);
    assert!(matches!(m.respond(0, A), Action::Normal(_)));
    assert_eq!(m.ports.scheduled, 1);
    m.enter(0, A);
    m.respond(0, A);
    assert_eq!(m.ports.scheduled, 1);
}

/// Contexts 0 to 3 of the normal world and its global one have something pending: seven IDs.
fn five_pending() -> Machine {
    let mut m = bound();
    for vcpu in 0..4u64 {
        m.call(0, &[SET, ends(A, 0), vcpu << 16 | 1, 2, 0]);
    }
    m.call(0, &[SET, ends(A, 0), 0, 1, 0]);
    m
}

#[test]
fn an_endpoint_with_many_contexts_has_two_lists() {
    let mut m = five_pending();
    let info = regs(m.normal(1, &[INFO]));
    assert_eq!(info.0[2], 3 << 7 | 3 << 14 | 1 << 16);
    assert_eq!(info.0[3..5], [1 << 48, 2 | 3 << 32]);
    m.refused(1, &[INFO], Error::NoData);
}

#[test]
fn lists_that_do_not_fit_are_continued() {
    let mut m = five_pending();
    assert!(succeeded(m.call(0, &[BIND, ends(0, A), 0, 1, 0])));
    assert!(succeeded(m.call(0, &[BIND, ends(0, A), 1, 2, 0])));
    m.normal(1, &[SET, ends(0, A), 0, 1, 0]);
    m.normal(1, &[SET, ends(0, A), 1, 2, 0]);
    m.normal(1, &[SET, ends(0, A), 1 << 16 | 1, 2, 0]);
    // Ten IDs fit: A's second context is left for the next call.
    let info = regs(m.normal(1, &[INFO_32]));
    assert_eq!(info.0[2], 1 | 5 << 7 | 3 << 14 | 1 << 16 | 1 << 20);
    assert_eq!(info.0[6..8], [3 | u64::from(A) << 16, u64::from(A)]);
    let rest = regs(m.normal(1, &[INFO_32]));
    assert_eq!(rest.0[2..4], [1 << 7 | 1 << 12, u64::from(A) | 1 << 16]);
    m.refused(1, &[INFO_32], Error::NoData);
}

#[test]
fn a_list_of_ids_is_full_when_its_registers_are() {
    for (wide, ids) in [(false, 10), (true, 20)] {
        let mut list = IdList::new(wide);
        for id in 0..ids {
            assert!(list.put(id, None));
        }
        assert!(!list.put(99, None));
        assert!(!list.put(99, Some(1)));
        let words = regs_of(&list);
        assert_eq!(words[2] >> 7 & 0x1f, u64::from(ids));
    }
    // Two IDs for a list with a context, one for each further one, three contexts at most.
    let mut list = IdList::new(false);
    for context in 0..7 {
        assert!(list.put(7, Some(context)));
    }
    assert!(!list.put(7, Some(7)));
    assert_eq!(regs_of(&list)[2], 3 << 7 | (3 << 12 | 3 << 14 | 1 << 16));
}

fn regs_of(list: &IdList) -> [u64; 8] {
    match list.reply(false) {
        Some(Reply::Short(words)) => words,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_no_list_had_room_for_is_told_next_time() {
    let mut bits = Notifications::new();
    bits.create(2, 2).unwrap();
    bits.bind(A, 0b1, false).unwrap();
    bits.bind(A, 0b10, true).unwrap();
    bits.set(A, 0b1, None).unwrap();
    bits.set(A, 0b10, Some(1)).unwrap();
    assert!(!bits.tell(|_| false));
    let mut told = Vec::new();
    assert!(!bits.tell(|vcpu| {
        told.push(vcpu);
        told.len() < 2
    }));
    assert!(bits.tell(|vcpu| {
        told.push(vcpu);
        true
    }));
    assert_eq!(told, [None, Some(1), Some(1)]);
}
