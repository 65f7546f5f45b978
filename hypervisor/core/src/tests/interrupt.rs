//! Secure interrupts whose owner does not run: it is entered at once, or the scheduler is told.

use super::machine::{FAULT, Machine, code, regs, request, run, x};
use super::table::{A, B, C, CHAINS};
use crate::api::{Action, Context, Deadline, Entry, Event, Fault, Regs};
use crate::context::State;
use crate::error::Error;
use crate::function as f;
use crate::table::Core;

const RUN: u64 = f::RUN as u64;
const RESUME: u64 = f::NORMAL_WORLD_RESUME as u64;
const INTERRUPT: u64 = f::INTERRUPT as u64;
const MSG_WAIT: u64 = f::MSG_WAIT as u64;

/// B has enabled its interrupts, 40 (core 1) and 25 (private), on a core.
fn enabled(core: Core) -> Machine {
    let mut m = Machine::started();
    m.enter(core, B);
    m.hvc(core, &[0xff03, 40, 1, 0]);
    m.hvc(core, &[0xff03, 25, 1, 0]);
    m.respond(core, B);
    m
}

#[test]
fn its_owner_is_entered_from_the_normal_world() {
    let mut m = enabled(1);
    let entered = run(m.step(1, Event::SecureInterrupt(40)));
    assert_eq!(
        entered.context,
        Context {
            partition: 1,
            home: 1
        }
    );
    let told = Regs::new(&[INTERRUPT, u64::from(B) << 16 | 1]);
    assert_eq!(
        (entered.entry, entered.deadline),
        (Entry::Answer(told), Deadline::Micros(1_000))
    );
    assert!(entered.virtual_irq && entered.hold_normal);
    assert_eq!((m.hvc(1, &[0xff04]), m.hvc(1, &[0xff08, 40, 40])), (40, 0));
    assert_eq!(m.ports.ended, [(40, 1)]);
    // It was asked nothing, and the normal world is in no call that could be answered.
    m.partition_refused(
        1,
        &[f::DIRECT_RESP_32.into(), u64::from(B) << 16, 0],
        Error::Denied,
    );
    // Nobody to yield to: it goes on at once, in what is left of its time.
    let on = run(m.call(1, &[f::YIELD.into()]));
    assert_eq!((on.context.partition, on.deadline), (1, Deadline::Keep));
    assert_eq!(x(Action::Run(on), 0), f::SUCCESS_32.into());
    assert_eq!(run(m.step(1, Event::NormalInterrupt)).entry, Entry::Resume);
    assert_eq!(x(m.call(1, &[MSG_WAIT]), 0), RESUME);
    assert_eq!(m.ports.scheduled, 0);
    assert!(matches!(m.normal(1, &request(B)), Action::Run(_)));
}

#[test]
fn another_partition_is_displaced_and_goes_on() {
    let mut m = enabled(1);
    m.enter(1, A);
    let entered = run(m.step(1, Event::SecureInterrupt(25)));
    assert_eq!((entered.context.partition, entered.context.home), (1, 1));
    let displaced = m.spmc.compartments[0].seats[1].state();
    assert_eq!(displaced, State::Displaced(1));
    m.refused(3, &[RUN, u64::from(A) << 16 | 1], Error::Busy);
    let back = run(m.call(1, &[MSG_WAIT]));
    assert_eq!((back.context.partition, back.entry), (0, Entry::Resume));
    assert!(!back.hold_normal);
    assert_eq!(x(m.respond(1, A), 0), u64::from(f::DIRECT_RESP_32));
}

#[test]
fn a_handler_that_takes_too_long_loses_the_core() {
    let mut m = enabled(1);
    m.step(1, Event::SecureInterrupt(40));
    assert_eq!(x(m.step(1, Event::Deadline), 0), RESUME);
    assert_eq!(m.spmc.compartments[1].seats[1].state(), State::Preempted(1));
    // The scheduler is told who needs cycles, once.
    assert_eq!(m.ports.scheduled, 1);
    let info = regs(m.normal(0, &[f::NOTIFICATION_INFO_GET_64.into()]));
    assert_eq!(info.0[3], u64::from(B) | 1 << 16);
    m.refused(0, &[f::NOTIFICATION_INFO_GET_64.into()], Error::NoData);
    let on = run(m.normal(1, &[RUN, u64::from(B) << 16 | 1]));
    assert_eq!(on.entry, Entry::Resume);
    assert_eq!(x(m.call(1, &[MSG_WAIT]), 0), MSG_WAIT);
}

#[test]
fn a_handler_that_was_late_goes_on_when_the_normal_world_has_the_core() {
    let mut m = enabled(1);
    m.step(1, Event::SecureInterrupt(40));
    m.ports.now += 1_000;
    m.step(1, Event::Deadline);
    // It has had its part of the core, and no more: its core looks at once.
    assert_eq!(m.ports.called, [1]);
    let on = run(m.step(1, Event::Called));
    assert_eq!((on.context.partition, on.context.home), (1, 1));
    assert_eq!((on.entry, on.deadline), (Entry::Resume, Deadline::Micros(1_000)));
    assert!(on.hold_normal);
    m.ports.now += 1_000;
    m.ports.called.clear();
    assert_eq!(x(m.step(1, Event::Deadline), 0), RESUME);
    // Now it has to rest.
    assert_eq!((m.ports.called.len(), m.ports.wake.is_some()), (0, true));
    assert_eq!(x(m.step(1, Event::Called), 0), RESUME);
    let rest = u64::from(m.ports.wake.take().expect("its core is woken"));
    assert!(rest >= 3 * 1_000, "{rest}");
    m.ports.now += rest;
    assert_eq!(run(m.step(1, Event::Called)).entry, Entry::Resume);
    assert_eq!(x(m.call(1, &[MSG_WAIT]), 0), RESUME);
    assert_eq!(m.spmc.compartments[1].seats[1].state(), State::Waiting);
    assert_eq!(m.spmc.check_invariants(), Ok(()));
}

#[test]
fn a_handler_that_was_late_displaces_nobody() {
    let mut m = enabled(1);
    m.step(1, Event::SecureInterrupt(40));
    m.step(1, Event::Deadline);
    m.ports.called.clear();
    m.enter(1, A);
    let on = run(m.step(1, Event::Called));
    assert_eq!((on.context.partition, on.entry), (0, Entry::Resume));
    assert_eq!(m.ports.wake, Some(1_000));
    assert_eq!(x(m.respond(1, A), 0), u64::from(f::DIRECT_RESP_32));
    let on = run(m.step(1, Event::Called));
    assert_eq!((on.context.partition, on.entry), (1, Entry::Resume));
    assert_eq!(x(m.call(1, &[MSG_WAIT]), 0), RESUME);
}

#[test]
fn a_call_to_it_gives_it_the_cycles_first() {
    let mut m = enabled(1);
    m.step(1, Event::SecureInterrupt(40));
    m.step(1, Event::Deadline);
    let ticket = x(m.normal(1, &request(B)), 1);
    assert_eq!(run(m.normal(1, &[RUN, ticket])).entry, Entry::Resume);
    assert_eq!(regs(m.call(1, &[MSG_WAIT])).0[..2], [INTERRUPT, ticket]);
    assert!(matches!(run(m.normal(1, &[RUN, ticket])).entry, Entry::Answer(_)));
    assert_eq!(x(m.respond(1, B), 0), u64::from(f::DIRECT_RESP_32));
}

#[test]
fn a_busy_owner_is_told_when_it_runs_next() {
    let mut m = enabled(1);
    m.enter(1, B);
    m.step(1, Event::NormalInterrupt);
    assert_eq!(x(m.step(1, Event::SecureInterrupt(40)), 0), RESUME);
    assert_eq!(m.ports.scheduled, 1);
    assert!(run(m.normal(1, &[RUN, u64::from(B) << 16 | 1])).virtual_irq);
}

#[test]
fn an_owner_that_did_not_enable_it_is_left_alone() {
    let mut m = Machine::started();
    assert_eq!(x(m.step(1, Event::SecureInterrupt(40)), 0), RESUME);
    m.enter(1, A);
    assert_eq!(run(m.step(1, Event::SecureInterrupt(25))).context.partition, 0);
}

#[test]
fn a_managed_exit_goes_before_another_partitions_interrupt() {
    let mut m = enabled(1);
    m.enter(1, A);
    m.step(1, Event::NormalInterrupt);
    let on = run(m.step(1, Event::SecureInterrupt(40)));
    assert_eq!(
        (on.context.partition, on.deadline, on.hold_normal),
        (0, Deadline::Keep, true)
    );
    // Behind the answer the core looks at it, whatever the normal world does.
    assert!(m.ports.called.is_empty());
    assert_eq!(x(m.respond(1, A), 0), f::DIRECT_RESP_32.into());
    assert_eq!(core::mem::take(&mut m.ports.called), [1]);
    let entered = run(m.step(1, Event::Called));
    assert_eq!(
        (entered.context.partition, entered.virtual_irq, entered.deadline),
        (1, true, Deadline::Micros(1_000))
    );
    assert_eq!(x(m.call(1, &[MSG_WAIT]), 0), RESUME);
    assert_eq!(m.ports.scheduled, 0);
}

#[test]
fn one_that_came_while_its_owner_had_it_masked_is_next() {
    let mut m = enabled(1);
    m.enter(1, B);
    assert!(run(m.step(1, Event::SecureInterrupt(40))).virtual_irq);
    assert_eq!(x(m.respond(1, B), 0), f::DIRECT_RESP_32.into());
    assert_eq!(core::mem::take(&mut m.ports.called), [1]);
    let entered = run(m.step(1, Event::Called));
    assert_eq!((entered.context.partition, entered.virtual_irq), (1, true));
    assert_eq!((m.hvc(1, &[0xff04]), m.hvc(1, &[0xff08, 40, 40])), (40, 0));
    assert_eq!(x(m.call(1, &[MSG_WAIT]), 0), RESUME);
    assert!(m.ports.called.is_empty());
    // Where it answers away from home, the scheduler gives it cycles.
    m.enter(1, B);
    m.step(1, Event::SecureInterrupt(40));
    m.step(1, Event::NormalInterrupt);
    m.normal(3, &[RUN, u64::from(B) << 16 | 1]);
    assert_eq!(x(m.respond(3, B), 0), f::DIRECT_RESP_32.into());
    assert_eq!((m.ports.called.len(), m.ports.scheduled), (0, 1));
    // One that is dealt with is over, and a notification is the scheduler's.
    m.enter(1, B);
    assert_eq!((m.hvc(1, &[0xff04]), m.hvc(1, &[0xff03, 5, 1, 0])), (40, 0));
    m.spmc.pend_notification(1, None, &mut m.ports);
    m.ports.called.clear();
    m.respond(1, B);
    assert!(m.ports.called.is_empty());
}

#[test]
fn a_second_interrupt_does_not_nest() {
    let mut m = enabled(1);
    m.step(1, Event::SecureInterrupt(40));
    let on = run(m.step(1, Event::SecureInterrupt(25)));
    assert_eq!(
        (on.context.partition, on.entry, on.deadline),
        (1, Entry::Resume, Deadline::Keep)
    );
    assert_eq!((m.hvc(1, &[0xff04]), m.hvc(1, &[0xff04])), (40, 25));
}

#[test]
fn a_handler_that_fails_gives_the_core_back() {
    let fault = Event::Fault(Fault {
        syndrome: 0,
        address: 0,
        ipa: 0,
        pc: 0,
    });
    let mut m = enabled(1);
    m.step(1, Event::SecureInterrupt(40));
    assert_eq!(x(m.step(1, fault), 0), RESUME);
    assert_eq!(code(m.normal(1, &request(B))), Some(Error::Aborted.code()));
    let mut m = enabled(1);
    m.enter(1, A);
    m.step(1, Event::SecureInterrupt(40));
    assert_eq!(run(m.step(1, fault)).context.partition, 0);
}

#[test]
fn a_handler_may_call_others() {
    let mut m = Machine::of(&CHAINS).start();
    m.enter(1, A);
    m.call(
        1,
        &[f::DIRECT_REQ_32.into(), u64::from(A) << 16 | u64::from(B), 0],
    );
    m.hvc(1, &[0xff03, 40, 1, 0]);
    m.call(
        1,
        &[f::DIRECT_RESP_32.into(), u64::from(B) << 16 | u64::from(A), 0],
    );
    m.respond(1, A);
    m.step(1, Event::SecureInterrupt(40));
    let ends = u64::from(B) << 16 | u64::from(C);
    let entered = run(m.call(1, &[f::DIRECT_REQ_32.into(), ends, 0]));
    assert_eq!(
        (entered.context.partition, entered.deadline, entered.hold_normal),
        (2, Deadline::Keep, true)
    );
    // The time of the interrupt is the whole chain's.
    assert_eq!(x(m.step(1, Event::Deadline), 0), RESUME);
    assert_eq!(m.spmc.compartments[2].seats[1].state(), State::Preempted(1));
    // The normal world may not call b, but its scheduler is asked to give b cycles.
    let info = regs(m.normal(0, &[f::NOTIFICATION_INFO_GET_64.into()]));
    assert_eq!(info.0[3], u64::from(B) | 1 << 16);
    assert_eq!(
        run(m.normal(1, &[RUN, u64::from(B) << 16 | 1])).context.partition,
        2
    );
    let ends = u64::from(C) << 16 | u64::from(B);
    let back = run(m.call(1, &[f::DIRECT_RESP_32.into(), ends, 0]));
    assert_eq!(back.context.partition, 1);
    assert_eq!(x(m.call(1, &[MSG_WAIT]), 0), MSG_WAIT);
    m.refused(1, &[RUN, u64::from(B) << 16 | 1], Error::InvalidParameters);
}

#[test]
fn a_private_interrupt_ends_on_the_core_where_it_came() {
    let mut m = enabled(1);
    m.enter(1, B);
    m.step(1, Event::SecureInterrupt(25));
    m.step(1, Event::NormalInterrupt);
    run(m.normal(3, &[RUN, u64::from(B) << 16 | 1]));
    assert_eq!((m.hvc(3, &[0xff04]), m.hvc(3, &[0xff08, 25, 25])), (25, 0));
    assert_eq!(m.ports.ended, [(25, 1)]);
}

#[test]
fn nobody_is_entered_during_a_start() {
    let mut m = Machine::new();
    m.step(0, Event::Boot);
    m.hvc(0, &[0xff03, 25, 1, 0]);
    assert_eq!(run(m.call(0, &[MSG_WAIT])).context.partition, 0);
    let on = run(m.step(0, Event::SecureInterrupt(25)));
    assert_eq!((on.context.partition, on.entry), (0, Entry::Resume));
}

#[test]
fn a_handler_that_was_late_ends_with_its_partition() {
    let mut m = enabled(1);
    m.step(1, Event::SecureInterrupt(40));
    m.step(1, Event::Deadline);
    m.enter(2, B);
    m.step(2, FAULT);
    assert_eq!(x(m.step(1, Event::Called), 0), RESUME);
    assert_eq!(m.spmc.check_invariants(), Ok(()));
}

#[test]
fn a_call_beneath_a_handler_is_looked_at_where_its_caller_has_failed_meanwhile() {
    let mut m = Machine::of(&CHAINS).start();
    m.enter(1, A);
    let ends = |from: u16, to: u16| u64::from(from) << 16 | u64::from(to);
    m.call(1, &[f::DIRECT_REQ_32.into(), ends(A, B), 0]);
    m.hvc(1, &[0xff03, 40, 1, 0]);
    m.call(1, &[f::DIRECT_RESP_32.into(), ends(B, A), 0]);
    let call = [u64::from(f::DIRECT_REQ_32), ends(A, C), 0];
    assert_eq!(run(m.call(1, &call)).context.partition, 2);
    assert_eq!(run(m.step(1, Event::SecureInterrupt(40))).context.partition, 1);
    m.enter(0, A);
    m.step(0, FAULT);
    assert_eq!((m.hvc(1, &[0xff04]), m.hvc(1, &[0xff08, 40, 40])), (40, 0));
    m.ports.called.clear();
    assert_eq!(run(m.call(1, &[MSG_WAIT])).context.partition, 2);
    assert_eq!(m.ports.called, [1]);
    // Its caller's caller is told, and it goes on for nobody.
    assert_eq!(x(m.step(1, Event::Called), 0), u64::from(f::ERROR));
    assert_eq!(m.spmc.check_invariants(), Ok(()));
}
