//! Paravirtual interrupts, and secure interrupts on their way to their owners.

use super::machine::{Machine, run, x};
use super::table::{A, B};
use crate::api::{Event, Note};
use crate::function as f;

const ENABLE: u64 = 0xff03;
const GET: u64 = 0xff04;
const DEACTIVATE: u64 = 0xff08;
const RECONFIGURE: u64 = 0xff09;
const NONE: u64 = 0xffff_ffff;

#[test]
fn an_interrupt_reaches_its_owner_while_it_runs() {
    let mut m = Machine::started();
    m.enter(1, B);
    assert_eq!(m.hvc(1, &[ENABLE, 40, 1, 0]), 0);
    let told = run(m.step(1, Event::SecureInterrupt(40)));
    assert!(told.virtual_irq && !told.virtual_fiq);
    assert_eq!(m.hvc(1, &[GET]), 40);
    assert!(m.ports.ended.is_empty());
    assert_eq!(m.hvc(1, &[DEACTIVATE, 40, 40]), 0);
    assert_eq!(m.ports.ended, [(40, 1)]);
    assert_eq!(m.hvc(1, &[GET]), NONE);
    assert!(!run(m.call(1, &[u64::from(f::ID_GET)])).virtual_irq);
}

#[test]
fn an_interrupt_waits_for_its_owner() {
    let mut m = Machine::started();
    m.enter(1, B);
    m.hvc(1, &[ENABLE, 40, 1, 0]);
    m.respond(1, B);
    // The normal world runs, on another core; then another partition does.
    assert_eq!(
        x(m.step(2, Event::SecureInterrupt(40)), 0),
        u64::from(f::NORMAL_WORLD_RESUME)
    );
    assert!(!m.enter(1, A).virtual_irq);
    m.respond(1, A);
    assert!(!m.enter(0, B).virtual_irq, "it is routed to core 1");
    assert!(m.enter(1, B).virtual_irq);
}

#[test]
fn private_interrupts_go_to_the_context_of_their_core() {
    let mut m = Machine::started();
    for core in [2, 3] {
        m.enter(core, B);
        m.hvc(core, &[ENABLE, 25, 1, 0]);
    }
    assert!(run(m.step(2, Event::SecureInterrupt(25))).virtual_irq);
    assert!(!run(m.call(3, &[u64::from(f::ID_GET)])).virtual_irq);
}

#[test]
fn an_interrupt_during_another_partitions_call_does_not_disturb_it() {
    let mut m = Machine::started();
    m.enter(1, A);
    let on = run(m.step(1, Event::SecureInterrupt(40)));
    assert_eq!(
        (on.context.partition, on.virtual_irq, on.virtual_fiq),
        (0, false, false)
    );
}

#[test]
fn interrupts_of_nobody_are_ended_and_told() {
    let mut m = Machine::started();
    for intid in [0, 4, 5, 41, 1019, u32::MAX] {
        m.step(0, Event::SecureInterrupt(intid));
        assert_eq!(m.ports.notes.pop(), Some(Note::UnownedInterrupt { intid }));
        assert_eq!(m.ports.ended.pop(), Some((intid, 0)));
    }
}

#[test]
fn those_of_a_stopped_partition_stay_active() {
    let mut m = Machine::started();
    m.spmc.stop_image(1);
    m.step(0, Event::SecureInterrupt(40));
    assert!(m.ports.ended.is_empty() && m.ports.notes.is_empty());
}

#[test]
fn only_owned_interrupts_can_be_used() {
    let mut m = Machine::started();
    m.enter(1, A);
    for intid in [0, 1, 2, 6, 15, 16, 17, 25, 30, 40, 64, 1020, 0xffff_ffff] {
        for call in [
            [ENABLE, intid, 1, 0],
            [DEACTIVATE, intid, intid, 0],
            [RECONFIGURE, intid, 2, 1],
        ] {
            let before = m.state();
            assert_eq!(m.hvc(1, &call), NONE, "{call:x?}");
            assert_eq!(before, m.state());
        }
    }
    assert!(m.ports.ended.is_empty());
}

#[test]
fn wrong_parameters_change_nothing() {
    let mut m = Machine::started();
    m.enter(1, B);
    for call in [
        [ENABLE, 40, 2, 0],
        [ENABLE, 40, 1, 2],
        [RECONFIGURE, 40, 0, 1],
        [RECONFIGURE, 40, 1, 1],
        [RECONFIGURE, 40, 3, 1],
        [RECONFIGURE, 40, 2, 2],
        [DEACTIVATE, 40, 41, 0],
        [DEACTIVATE, 40, 25, 0],
    ] {
        let before = m.state();
        assert_eq!(m.hvc(1, &call), NONE, "{call:x?}");
        assert_eq!(before, m.state());
    }
}

#[test]
fn what_did_not_come_is_not_deactivated() {
    let mut m = Machine::started();
    m.enter(1, B);
    assert_eq!(m.hvc(1, &[DEACTIVATE, 40, 40]), 0);
    assert_eq!(m.hvc(1, &[DEACTIVATE, 4, 4]), 0);
    assert!(m.ports.ended.is_empty());
}

#[test]
fn a_masked_interrupt_is_not_signalled() {
    let mut m = Machine::started();
    m.enter(1, B);
    m.hvc(1, &[ENABLE, 40, 1, 0]);
    m.hvc(1, &[RECONFIGURE, 40, 2, 0]);
    assert!(!run(m.step(1, Event::SecureInterrupt(40))).virtual_irq);
    assert_eq!(m.hvc(1, &[GET]), NONE);
    m.hvc(1, &[RECONFIGURE, 40, 2, 1]);
    assert_eq!(m.hvc(1, &[GET]), 40);
}

#[test]
fn other_hypercalls_are_unknown_and_ffa_works_by_hvc() {
    let mut m = Machine::started();
    m.enter(1, B);
    for id in [0, 0xff00, 0xff05, 0xff0a, 0x8400_0000] {
        assert_eq!(m.hvc(1, &[id, 40]), u64::MAX);
    }
    assert_eq!(m.hvc(1, &[u64::from(f::ID_GET)]), u64::from(f::SUCCESS_32));
}

#[test]
fn the_spmds_interrupt_message_is_answered() {
    let mut m = Machine::started();
    assert_eq!(
        x(m.normal(2, &[u64::from(f::INTERRUPT)]), 0),
        u64::from(f::NORMAL_WORLD_RESUME)
    );
}
