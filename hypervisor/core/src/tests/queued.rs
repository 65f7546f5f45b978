//! Interrupts of the normal world that are queued: they wait while a partition runs, for so long.

use core::sync::atomic::Ordering;

use super::machine::{Machine, ends, regs, run, x};
use super::table::{A, B, C, QUEUES};
use crate::api::{Action, Deadline, Entry, Event};
use crate::context::State;
use crate::function as f;
use crate::table::Core;

const RUN: u64 = f::RUN as u64;
const INTERRUPT: u64 = f::INTERRUPT as u64;
const REQUEST: u64 = f::DIRECT_REQ_32 as u64;
const RESPONSE: u64 = f::DIRECT_RESP_32 as u64;
const MSG_WAIT: u64 = f::MSG_WAIT as u64;
const RESUME: u64 = f::NORMAL_WORLD_RESUME as u64;

fn queues() -> Machine {
    Machine::of(&QUEUES).start()
}

fn call(m: &mut Machine, core: Core, from: u16, to: u16) -> Action {
    m.call(core, &[REQUEST, ends(from, to), 0])
}

fn answer(m: &mut Machine, core: Core, from: u16, to: u16) -> Action {
    m.call(core, &[RESPONSE, ends(from, to), 0])
}

#[test]
fn an_interrupt_waits_and_nobody_is_told() {
    let mut m = queues();
    assert!(!m.enter(0, B).hold_normal, "nothing waits yet");
    let on = run(m.step(0, Event::NormalInterrupt));
    assert_eq!((on.entry, on.deadline), (Entry::Resume, Deadline::Micros(3_000)));
    assert!(on.hold_normal && !on.virtual_irq && !on.virtual_fiq);
    // Neither a call nor a second look gets it more time.
    let on = run(m.call(0, &[u64::from(f::ID_GET)]));
    assert!(on.hold_normal && on.deadline == Deadline::Keep);
    assert_eq!(run(m.step(0, Event::NormalInterrupt)).deadline, Deadline::Keep);
    assert_eq!(x(m.respond(0, B), 0), RESPONSE);
    assert!(!m.enter(0, B).hold_normal, "that one is the normal world's now");
    let counters = &m.spmc.compartments[1].counters;
    assert_eq!(counters.managed.load(Ordering::Relaxed), 1);
    assert_eq!(counters.forced.load(Ordering::Relaxed), 0);
}

#[test]
fn one_that_waited_for_too_long_preempts() {
    let mut m = queues();
    m.enter(2, B);
    m.step(2, Event::NormalInterrupt);
    let left = regs(m.step(2, Event::Deadline));
    assert_eq!(left.0[..2], [INTERRUPT, ends(B, 2)]);
    // On another core, too; the next interrupt waits as long again.
    let on = run(m.normal(3, &[RUN, ends(B, 2)]));
    assert_eq!(
        (on.entry, on.hold_normal, on.deadline),
        (Entry::Resume, false, Deadline::None)
    );
    let on = run(m.step(3, Event::NormalInterrupt));
    assert_eq!(on.deadline, Deadline::Micros(3_000));
    assert_eq!(x(m.call(3, &[u64::from(f::YIELD)]), 0), u64::from(f::YIELD));
    assert!(!run(m.normal(3, &[RUN, ends(B, 2)])).hold_normal);
    assert_eq!(x(m.respond(3, B), 0), RESPONSE);
}

#[test]
fn a_partition_without_managed_exit_cannot_ask_for_one() {
    let mut m = queues();
    m.enter(0, B);
    assert_eq!(m.hvc(0, &[0xff03, 4, 1, 0]), 0);
    let on = run(m.step(0, Event::NormalInterrupt));
    assert!(on.hold_normal && !on.virtual_irq);
    assert_eq!(m.hvc(0, &[0xff04]), 0xffff_ffff);
}

#[test]
fn a_queued_callee_of_a_managed_exit_caller() {
    let mut m = queues();
    m.enter(0, A);
    call(&mut m, 0, A, B);
    let on = run(m.step(0, Event::NormalInterrupt));
    assert_eq!((on.deadline, on.virtual_fiq), (Deadline::Micros(3_000), false));
    // What is left of the time is the caller's, who is told.
    let told = run(answer(&mut m, 0, B, A));
    assert!(told.hold_normal && told.virtual_fiq && told.deadline == Deadline::Keep);
    // It does not get more by calling again, and who is called is not told.
    let again = run(call(&mut m, 0, A, B));
    assert!(again.hold_normal && !again.virtual_fiq && again.deadline == Deadline::Keep);
    let left = regs(m.step(0, Event::Deadline));
    assert_eq!(left.0[..2], [INTERRUPT, ends(A, 0)]);
    assert_eq!(m.spmc.compartments[1].seats[0].state(), State::Preempted(0));
    assert!(!run(m.normal(0, &[RUN, ends(A, 0)])).hold_normal);
}

#[test]
fn a_managed_exit_callee_of_a_queued_caller() {
    let mut m = queues();
    m.enter(0, C);
    let callee = run(call(&mut m, 0, C, A));
    assert_eq!(callee.context.partition, 0);
    let on = run(m.step(0, Event::NormalInterrupt));
    assert_eq!((on.deadline, on.virtual_fiq), (Deadline::Micros(2_000), false));
    let back = run(answer(&mut m, 0, A, C));
    assert!(back.hold_normal && !back.virtual_fiq && back.deadline == Deadline::Keep);
    assert_eq!(x(m.respond(0, C), 0), RESPONSE);
}

#[test]
fn the_shortest_time_of_a_chain_holds() {
    let mut m = queues();
    m.enter(0, B);
    call(&mut m, 0, B, C);
    let on = run(m.step(0, Event::NormalInterrupt));
    assert_eq!(on.deadline, Deadline::Micros(2_000));
    let mut m = queues();
    m.enter(0, A);
    call(&mut m, 0, A, B);
    call(&mut m, 0, B, C);
    let on = run(m.step(0, Event::NormalInterrupt));
    assert_eq!(on.deadline, Deadline::Micros(2_000));
    // c yields to b, and the rest of the time is b's.
    let back = run(m.call(0, &[u64::from(f::YIELD)]));
    assert_eq!(
        (back.context.partition, back.hold_normal, back.deadline),
        (1, true, Deadline::Keep)
    );
}

/// B, whose own interrupts are queued, has enabled one on core 1.
fn enabled() -> Machine {
    let mut m = queues();
    m.enter(1, B);
    m.hvc(1, &[0xff03, 40, 1, 0]);
    m.respond(1, B);
    m
}

#[test]
fn a_handler_of_a_secure_interrupt_has_its_time_too() {
    let mut m = enabled();
    let entered = run(m.step(1, Event::SecureInterrupt(40)));
    assert_eq!(
        (entered.context.partition, entered.deadline),
        (1, Deadline::Micros(3_000)),
        "the normal world does not keep it waiting"
    );
    assert!(entered.hold_normal);
    assert_eq!(run(m.step(1, Event::NormalInterrupt)).deadline, Deadline::Keep);
    assert_eq!((m.hvc(1, &[0xff04]), m.hvc(1, &[0xff08, 40, 40])), (40, 0));
    assert_eq!(x(m.call(1, &[MSG_WAIT]), 0), RESUME);
}

/// B is entered for its interrupt, when core 1 looks, and is done with it.
fn handles(m: &mut Machine) -> Action {
    assert_eq!(core::mem::take(&mut m.ports.called), [1]);
    let entered = run(m.step(1, Event::Called));
    assert_eq!((entered.context.partition, entered.virtual_irq), (1, true));
    assert_eq!((m.hvc(1, &[0xff04]), m.hvc(1, &[0xff08, 40, 40])), (40, 0));
    m.call(1, &[MSG_WAIT])
}

#[test]
fn an_interrupt_of_its_own_waits_until_others_leave() {
    // Each way to leave the core: an answer, a yield, a preemption, a failure.
    let leave: [fn(&mut Machine) -> Action; 4] = [
        |m| m.respond(1, C),
        |m| m.call(1, &[u64::from(f::YIELD)]),
        |m| {
            m.step(1, Event::NormalInterrupt);
            m.step(1, Event::Deadline)
        },
        |m| m.step(1, super::machine::FAULT),
    ];
    for leave in leave {
        let mut m = enabled();
        m.enter(1, C);
        let on = run(m.step(1, Event::SecureInterrupt(40)));
        assert_eq!((on.context.partition, on.entry), (2, Entry::Resume));
        // Looking for something else changes nothing.
        let on = run(m.step(1, Event::Called));
        assert_eq!((on.context.partition, on.deadline), (2, Deadline::Keep));
        assert!(m.ports.called.is_empty());
        assert!(matches!(leave(&mut m), Action::Normal(_)));
        m.ports.called.retain(|core| *core == 1);
        assert_eq!(x(handles(&mut m), 0), RESUME);
        assert_eq!(m.ports.scheduled, 0);
    }
}

#[test]
fn it_waits_for_the_whole_chain_and_behind_others_handlers() {
    let mut m = enabled();
    m.enter(1, A);
    call(&mut m, 1, A, C);
    m.step(1, Event::SecureInterrupt(40));
    assert_eq!(run(answer(&mut m, 1, C, A)).context.partition, 0);
    assert!(m.ports.called.is_empty());
    assert_eq!(x(m.respond(1, A), 0), RESPONSE);
    assert_eq!(x(handles(&mut m), 0), RESUME);
}

#[test]
fn its_owner_has_it_at_once_where_it_runs_or_is_called() {
    let mut m = enabled();
    m.enter(1, B);
    assert!(run(m.step(1, Event::SecureInterrupt(40))).virtual_irq);
    assert_eq!((m.hvc(1, &[0xff04]), m.hvc(1, &[0xff08, 40, 40])), (40, 0));
    m.respond(1, B);
    m.enter(1, A);
    m.step(1, Event::SecureInterrupt(40));
    assert!(run(call(&mut m, 1, A, B)).virtual_irq);
    assert_eq!((m.hvc(1, &[0xff04]), m.hvc(1, &[0xff08, 40, 40])), (40, 0));
    answer(&mut m, 1, B, A);
    m.respond(1, A);
    // The core looks in vain.
    assert_eq!(m.ports.called, [1]);
    assert_eq!(x(m.step(1, Event::Called), 0), RESUME);
    assert_eq!(m.ports.scheduled, 0);
}

#[test]
fn the_scheduler_is_told_where_it_cannot_be_entered_then() {
    let mut m = enabled();
    m.enter(1, A);
    m.step(1, Event::SecureInterrupt(40));
    // It is called, and preempted with the interrupt masked.
    call(&mut m, 1, A, B);
    m.step(1, Event::NormalInterrupt);
    m.step(1, Event::Deadline);
    assert_eq!((m.ports.called.as_slice(), m.ports.scheduled), (&[1][..], 0));
    assert_eq!(x(m.step(1, Event::Called), 0), RESUME);
    assert_eq!(m.ports.scheduled, 1);
    assert!(run(m.normal(1, &[RUN, ends(A, 1)])).virtual_irq);
}

#[test]
fn one_that_fails_leaves_nothing_waiting() {
    let mut m = queues();
    m.enter(0, A);
    call(&mut m, 0, A, B);
    m.step(0, Event::NormalInterrupt);
    let told = run(m.step(0, super::machine::FAULT));
    assert_eq!(told.context.partition, 0);
    assert!(
        told.hold_normal && told.virtual_fiq,
        "its caller may leave in time"
    );
    assert_eq!(x(answer(&mut m, 0, A, 0), 0), RESPONSE);
    assert!(!m.enter(0, A).hold_normal);
}
