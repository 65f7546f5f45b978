//! Power events: who hears of them, in which order and for how long.

use std::vec::Vec;

use super::machine::{Machine, code, regs, request, run, x};
use super::table::{A, B, C, POWER};
use crate::api::{Action, Context, Deadline, Entry, Event, Fault, Note, Regs};
use crate::context::State;
use crate::error::Error;
use crate::function as f;
use crate::table::Core;

const REQUEST: u64 = f::DIRECT_REQ_32 as u64;
const RESPONSE: u64 = f::DIRECT_RESP_32 as u64;
const RUN: u64 = f::RUN as u64;
const MSG_WAIT: u64 = f::MSG_WAIT as u64;
const FRAMEWORK: u64 = 1 << 31;
const OFF: u64 = 0x8400_0002;
const SUSPEND: u64 = 0xc400_0001;

/// A message of the SPMD, with a PSCI call's parameters behind the function.
fn spmd(m: &mut Machine, core: Core, kind: u64, first: u64) -> Action {
    m.normal(core, &[REQUEST, 0xffff_8000, FRAMEWORK | kind, first, 11, 12, 13])
}

/// What the SPMD has to be told in the end.
fn done(action: Action) {
    assert!(matches!(action, Action::Normal(_)));
    assert_eq!(regs(action).0[..4], [RESPONSE, 0x8000_ffff, FRAMEWORK | 2, 0]);
}

/// The answer of a partition to a message.
fn answer(m: &mut Machine, core: Core, id: u16, status: u64) -> Action {
    m.call(
        core,
        &[RESPONSE, u64::from(id) << 16 | 0x8000, FRAMEWORK | 2, status],
    )
}

fn machine() -> Machine {
    Machine::of(&POWER).start()
}

#[test]
fn a_core_that_goes_off_is_told_to_who_wants_it() {
    let mut m = machine();
    // B starts before A, and C did not ask.
    let first = run(spmd(&mut m, 1, 0, OFF));
    let at = |partition, home| Context { partition, home };
    assert_eq!(
        (first.context, first.deadline),
        (at(1, 1), Deadline::Micros(1_000))
    );
    assert!(first.hold_normal);
    let told = [REQUEST, 0x8000_0000 | u64::from(B), FRAMEWORK, OFF, 11, 12, 13];
    assert_eq!(first.entry, Entry::Answer(Regs::new(&told)));
    let second = run(answer(&mut m, 1, B, 0));
    assert_eq!(
        (second.context, second.deadline),
        (at(0, 1), Deadline::Micros(10_000))
    );
    // Whatever they answer: no partition keeps a core on.
    done(answer(&mut m, 1, A, 0xffff_fffd));
    assert_eq!(m.spmc.compartments[0].seats[1].state(), State::Waiting);
    // The contexts are as before when it comes back: the one that asked is told, and nobody starts anew.
    let back = run(m.step(1, Event::CoreOn));
    let told = [REQUEST, 0x8000_0000 | u64::from(A), FRAMEWORK | 1, 1];
    assert_eq!(
        (back.context, back.entry),
        (at(0, 1), Entry::Answer(Regs::new(&told)))
    );
    assert_eq!(x(answer(&mut m, 1, A, 0), 0), MSG_WAIT);
    assert!(matches!(m.normal(1, &request(A)), Action::Run(_)));
}

#[test]
fn a_suspension_is_told_before_and_after() {
    let mut m = machine();
    let told = run(spmd(&mut m, 2, 0, SUSPEND));
    assert_eq!(regs(Action::Run(told)).0[2..7], [FRAMEWORK, SUSPEND, 11, 12, 13]);
    assert_eq!(told.context.partition, 0);
    done(answer(&mut m, 2, A, 0));
    let told = run(spmd(&mut m, 2, 1, 1));
    assert_eq!(told.context.partition, 1);
    assert_eq!(regs(Action::Run(told)).0[2..4], [FRAMEWORK | 1, 1]);
    done(answer(&mut m, 2, B, 0));
    // A core that is suspended is on: it may be called.
    assert!(m.spmc.cpus[2].is_on());
}

#[test]
fn who_takes_too_long_loses_it_and_the_core_goes() {
    let mut m = machine();
    spmd(&mut m, 1, 0, OFF);
    let next = run(m.step(1, Event::Deadline));
    assert_eq!(next.context.partition, 0);
    done(m.step(1, Event::Deadline));
    let late: Vec<Note> = [1, 0].map(|partition| Note::PowerTimeout { partition }).into();
    assert_eq!(m.ports.notes, late);
    assert_eq!(m.spmc.compartments[1].seats[1].state(), State::Preempted(1));
    // Back again, a call gives it the time to finish what nobody waits for.
    assert_eq!(x(m.step(1, Event::CoreOn), 0), MSG_WAIT, "both are busy");
    let ticket = x(m.normal(1, &request(B)), 1);
    assert_eq!(run(m.normal(1, &[RUN, ticket])).entry, Entry::Resume);
    assert_eq!(
        regs(answer(&mut m, 1, B, 0)).0[..2],
        [f::INTERRUPT.into(), ticket]
    );
    assert!(matches!(run(m.normal(1, &[RUN, ticket])).entry, Entry::Answer(_)));
}

#[test]
fn one_that_is_busy_or_stopped_is_passed_over() {
    let mut m = machine();
    m.enter(1, B);
    m.step(1, Event::NormalInterrupt);
    m.spmc.stop_image(0);
    done(spmd(&mut m, 1, 0, OFF));
    // What it was working at goes on elsewhere.
    assert_eq!(
        run(m.normal(2, &[RUN, u64::from(B) << 16 | 1])).entry,
        Entry::Resume
    );
}

#[test]
fn one_that_fails_does_not_keep_the_core() {
    let mut m = machine();
    spmd(&mut m, 1, 0, OFF);
    let fault = Event::Fault(Fault {
        syndrome: 0,
        address: 0,
        ipa: 0,
        pc: 0,
    });
    assert_eq!(run(m.step(1, fault)).context.partition, 0);
    done(m.call(1, &[f::ABORT_32.into(), 0, 3]));
    m.refused(0, &request(A), Error::Aborted);
    m.refused(0, &request(B), Error::Aborted);
}

#[test]
fn an_error_is_an_answer_too() {
    let mut m = machine();
    spmd(&mut m, 1, 0, SUSPEND);
    done(m.call(1, &[f::ERROR.into(), 0, 0xffff_ffff]));
}

#[test]
fn only_the_right_answer_ends_it() {
    let mut m = machine();
    spmd(&mut m, 1, 0, OFF);
    let own = u64::from(B) << 16;
    for (wrong, error) in [
        ([RESPONSE, own | 0x8000, 0, 0], Error::Denied),
        ([RESPONSE, own | 0x8000, FRAMEWORK, 0], Error::InvalidParameters),
        (
            [RESPONSE, own | 0x8000, FRAMEWORK | 5, 0],
            Error::InvalidParameters,
        ),
        ([RESPONSE, own, FRAMEWORK | 2, 0], Error::InvalidParameters),
        (
            [RESPONSE, own | 0xffff, FRAMEWORK | 2, 0],
            Error::InvalidParameters,
        ),
        (
            [RESPONSE, u64::from(A) << 16 | 0x8000, FRAMEWORK | 2, 0],
            Error::InvalidParameters,
        ),
        ([f::DIRECT_RESP2.into(), own | 0x8000, 0, 0], Error::Denied),
        ([MSG_WAIT, 0, 0, 0], Error::Denied),
        ([f::YIELD.into(), 0, 0, 0], Error::Denied),
        ([f::SUCCESS_32.into(), 0, 0, 0], Error::Denied),
        ([REQUEST, own | u64::from(C), 0, 0], Error::Denied),
    ] {
        m.partition_refused(1, &wrong, error);
    }
    assert_eq!(run(answer(&mut m, 1, B, 0)).context.partition, 0);
}

#[test]
fn interrupts_wait_until_it_is_told() {
    let mut m = machine();
    spmd(&mut m, 1, 0, OFF);
    for event in [Event::NormalInterrupt, Event::SecureInterrupt(40), Event::Called] {
        let on = run(m.step(1, event));
        assert_eq!(
            (on.context.partition, on.entry, on.deadline),
            (1, Entry::Resume, Deadline::Keep)
        );
    }
}

#[test]
fn nobody_else_sends_such_messages() {
    let mut m = machine();
    for source in [0u64, 1, 3, 0x8000, 0xffff] {
        for kind in [0, 1, 2] {
            let info = source << 16 | u64::from(A);
            m.refused(
                1,
                &[REQUEST, info, FRAMEWORK | kind, OFF],
                Error::InvalidParameters,
            );
        }
    }
    m.enter(1, A);
    let info = u64::from(A) << 16 | u64::from(C);
    m.partition_refused(1, &[REQUEST, info, FRAMEWORK, OFF], Error::InvalidParameters);
}

#[test]
fn what_the_spmd_does_not_say_is_not_supported() {
    let mut m = machine();
    for function in [0x8400_0003, 0x8400_0008, 0, OFF | 1 << 30] {
        let answer = regs(spmd(&mut m, 1, 0, function));
        assert_eq!(answer.0[..4], [RESPONSE, 0x8000_ffff, FRAMEWORK | 2, 0xffff_ffff]);
    }
    for kind in [2, 3, 4, 7, 10, 0x100] {
        assert_eq!(
            code(spmd(&mut m, 1, kind, OFF)),
            Some(Error::InvalidParameters.code())
        );
    }
    assert!(m.spmc.cpus[1].is_on());
}
