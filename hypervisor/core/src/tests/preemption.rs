//! Interrupts of the normal world, managed exits, FFA_RUN, FFA_YIELD.

use super::machine::{Machine, code, regs, request, run, x};
use super::table::{A, B};
use crate::api::{Action, Deadline, Entry, Event, Note, Regs};
use crate::context::State;
use crate::error::Error;
use crate::function as f;

const RUN: u64 = f::RUN as u64;

fn target(id: u16, vcpu: u64) -> u64 {
    u64::from(id) << 16 | vcpu
}

#[test]
fn a_managed_exit_is_a_virtual_fiq_with_a_deadline() {
    let mut m = Machine::started();
    m.enter(0, A);
    let told = run(m.step(0, Event::NormalInterrupt));
    assert_eq!((told.virtual_irq, told.virtual_fiq), (false, true));
    assert_eq!(
        (told.entry, told.deadline),
        (Entry::Resume, Deadline::Micros(10_000))
    );
    assert!(told.hold_normal);
    // Calls on the way do not end it, nor start the time anew.
    let answered = run(m.call(0, &[u64::from(f::ID_GET)]));
    assert!(answered.hold_normal && answered.virtual_fiq);
    assert_eq!(answered.deadline, Deadline::Keep);
    assert_eq!(run(m.step(0, Event::NormalInterrupt)).deadline, Deadline::Keep);
    assert_eq!(x(m.respond(0, A), 0), u64::from(f::DIRECT_RESP_32));
    let next = m.enter(0, A);
    assert_eq!((next.virtual_fiq, next.hold_normal), (false, false));
    let counters = &m.spmc.compartments[0].counters;
    assert_eq!(counters.managed.load(core::sync::atomic::Ordering::Relaxed), 1);
    assert_eq!(counters.forced.load(core::sync::atomic::Ordering::Relaxed), 0);
}

#[test]
fn a_partition_can_ask_for_an_irq_or_for_none() {
    let mut m = Machine::started();
    m.enter(0, A);
    assert_eq!(m.hvc(0, &[0xff03, 4, 1, 0]), 0);
    let told = run(m.step(0, Event::NormalInterrupt));
    assert_eq!((told.virtual_irq, told.virtual_fiq), (true, false));
    assert_eq!(m.hvc(0, &[0xff04]), 4);
    let after = run(m.call(0, &[u64::from(f::ID_GET)]));
    assert_eq!(
        (after.virtual_irq, after.hold_normal),
        (false, true),
        "taken, but not over"
    );
    m.respond(0, A);
    m.enter(0, A);
    assert_eq!(m.hvc(0, &[0xff03, 4, 0, 0]), 0);
    assert_eq!(x(m.step(0, Event::NormalInterrupt), 0), u64::from(f::INTERRUPT));
}

#[test]
fn a_managed_exit_that_does_not_come_is_forced() {
    let mut m = Machine::started();
    m.enter(2, A);
    m.step(2, Event::NormalInterrupt);
    let reply = regs(m.step(2, Event::Deadline));
    assert_eq!(reply.0[..3], [u64::from(f::INTERRUPT), target(A, 2), 0]);
    let again = run(m.normal(2, &[RUN, target(A, 2)]));
    assert_eq!((again.entry, again.deadline), (Entry::Resume, Deadline::None));
    assert_eq!((again.virtual_fiq, again.hold_normal), (false, false));
    assert_eq!(x(m.respond(2, A), 0), u64::from(f::DIRECT_RESP_32));
}

/// One managed exit that is not finished: whether the partition was asked for it.
fn unfinished(m: &mut Machine) -> bool {
    let asked = match m.step(2, Event::NormalInterrupt) {
        Action::Run(told) => {
            assert_eq!(told.deadline, Deadline::Micros(10_000));
            assert_eq!(x(m.step(2, Event::Deadline), 0), u64::from(f::INTERRUPT));
            true
        }
        back => {
            assert_eq!(x(back, 0), u64::from(f::INTERRUPT));
            false
        }
    };
    run(m.normal(2, &[RUN, target(A, 2)]));
    asked
}

#[test]
fn who_never_finishes_a_managed_exit_is_not_asked_for_it_any_more() {
    let mut m = Machine::started();
    let lost = Note::NoManagedExit { partition: 0 };
    m.enter(2, A);
    for _ in 0..63 {
        assert!(unfinished(&mut m));
    }
    // One that is finished makes up for them.
    run(m.step(2, Event::NormalInterrupt));
    m.respond(2, A);
    m.enter(2, A);
    for _ in 0..64 {
        assert!(!m.ports.notes.contains(&lost));
        assert!(unfinished(&mut m));
    }
    for _ in 0..3 {
        assert!(!unfinished(&mut m), "it has lost that right");
    }
    // On all its cores, told once; it answers as before, and its peers are not concerned.
    assert_eq!(x(m.respond(2, A), 0), u64::from(f::DIRECT_RESP_32));
    m.enter(0, A);
    assert_eq!(x(m.step(0, Event::NormalInterrupt), 0), u64::from(f::INTERRUPT));
    assert_eq!(m.ports.notes.iter().filter(|note| **note == lost).count(), 1);
}

#[test]
fn without_managed_exit_the_core_goes_back_at_once() {
    let mut m = Machine::started();
    m.enter(1, B);
    let reply = regs(m.step(1, Event::NormalInterrupt));
    assert_eq!(reply.0[..3], [u64::from(f::INTERRUPT), target(B, 1), 0]);
    let again = run(m.normal(1, &[RUN, target(B, 1)]));
    assert_eq!(again.entry, Entry::Resume);
    assert_eq!(x(m.respond(1, B), 3), 7);
}

#[test]
fn a_preempted_context_goes_on_on_another_core() {
    let mut m = Machine::started();
    m.enter(1, B);
    m.step(1, Event::NormalInterrupt);
    let moved = run(m.normal(3, &[RUN, target(B, 1)]));
    assert_eq!((moved.context.home, moved.entry), (1, Entry::Resume));
    assert_eq!(m.spmc.compartments[1].seats[1].state(), State::Running(3));
    let counters = &m.spmc.compartments[1].counters;
    assert_eq!(counters.migrated.load(core::sync::atomic::Ordering::Relaxed), 1);
    // Preempted there it names the same context, and answers where it runs.
    assert_eq!(x(m.step(3, Event::NormalInterrupt), 1), target(B, 1));
    m.normal(2, &[RUN, target(B, 1)]);
    assert_eq!(x(m.respond(2, B), 0), u64::from(f::DIRECT_RESP_32));
    // At home it is free again.
    assert!(matches!(m.normal(1, &request(B)), Action::Run(_)));
}

#[test]
fn a_context_runs_on_one_core() {
    let mut m = Machine::started();
    m.enter(1, B);
    m.refused(3, &[RUN, target(B, 1)], Error::Busy);
    m.step(1, Event::NormalInterrupt);
    m.normal(3, &[RUN, target(B, 1)]);
    m.refused(1, &[RUN, target(B, 1)], Error::Busy);
}

#[test]
fn contexts_that_do_not_exist_cannot_be_run() {
    let mut m = Machine::started();
    for vcpu in [4, 64, 0x3fff, 0x4000, 0x7fff, 0xffff] {
        m.refused(0, &[RUN, target(A, vcpu)], Error::InvalidParameters);
    }
    let mut m = Machine::new();
    m.step(0, Event::Boot);
    for _ in 0..3 {
        m.call(0, &[u64::from(f::MSG_WAIT)]);
    }
    m.refused(1, &[RUN, target(A, 1)], Error::Denied);
}

#[test]
fn cycles_for_a_context_that_waits() {
    let mut m = Machine::started();
    m.refused(1, &[RUN, target(A, 0)], Error::Denied);
    let given = run(m.normal(1, &[RUN, target(A, 1)]));
    assert_eq!(given.entry, Entry::Answer(Regs::new(&[RUN, target(A, 1)])));
    assert_eq!(x(m.call(1, &[u64::from(f::MSG_WAIT)]), 0), u64::from(f::MSG_WAIT));
    assert!(m.ports.notes.is_empty(), "ready is told once, at the start");
    assert!(matches!(m.normal(1, &request(A)), Action::Run(_)));
}

#[test]
fn a_yield_is_continued_by_run() {
    let mut m = Machine::started();
    m.enter(0, A);
    // Only who stands between it and its caller names it, or a time.
    for wrong in [[1, 0, 0], [0, 1, 0], [0, 0, 1]] {
        let call = [&[u64::from(f::YIELD)], &wrong[..]].concat();
        m.partition_refused(0, &call, Error::InvalidParameters);
    }
    let reply = regs(m.call(0, &[u64::from(f::YIELD)]));
    assert_eq!(reply.0[..2], [u64::from(f::YIELD), target(A, 0)]);
    let back = run(m.normal(2, &[RUN, target(A, 0)]));
    assert_eq!(back.entry, Entry::Answer(Regs::new(&[u64::from(f::SUCCESS_32)])));
    assert_eq!(x(m.respond(2, A), 0), u64::from(f::DIRECT_RESP_32));
}

#[test]
fn a_late_deadline_does_no_harm() {
    let mut m = Machine::started();
    m.enter(0, A);
    let on = run(m.step(0, Event::Deadline));
    assert_eq!((on.entry, on.deadline), (Entry::Resume, Deadline::None));
}

#[test]
fn figures_are_reported_now_and_then() {
    let mut m = Machine::started();
    for _ in 0..600 {
        m.enter(1, B);
        m.step(1, Event::NormalInterrupt);
        m.normal(1, &[RUN, target(B, 1)]);
        m.respond(1, B);
    }
    let totals: std::vec::Vec<u32> = m
        .ports
        .notes
        .iter()
        .map(|note| match *note {
            Note::Preemptions {
                partition: 1,
                total,
                forced,
                managed: 0,
                migrated: 0,
            } => {
                assert_eq!(forced + 1, total, "the one that is reported is not forced yet");
                total
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(totals, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]);
}

#[test]
fn a_stopped_partition_is_not_resumed() {
    let mut m = Machine::started();
    m.enter(1, B);
    m.step(1, Event::NormalInterrupt);
    m.spmc.stop_image(1);
    assert_eq!(
        code(m.normal(1, &[RUN, target(B, 1)])),
        Some(Error::Aborted.code())
    );
}
