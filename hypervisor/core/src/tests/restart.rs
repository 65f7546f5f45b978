//! Partitions that fail, and come back: who is told what, on whose time, and what is left of the last instance.

use super::machine::{FAULT, Machine, code, life, regs, request, restarts, run, state, succeeded, x};
use super::table::{A, B, BACK_OFF, BUDGET, C, CONTINUED, NORMAL, RENEWED, REPEATED, WITHIN, memory};
use crate::Life;
use crate::api::{Action, Cause, Deadline, Entry, Event, Failure, Note};
use crate::context::{State, Task};
use crate::error::Error;
use crate::function as f;
use crate::inspect::Stage;
use crate::table::Core;
use std::vec::Vec;

const RUN: u64 = f::RUN as u64;
const WAIT: u64 = f::MSG_WAIT as u64;
const ABORTED: Option<u32> = Some(Error::Aborted.code());

/// The normal world calls a partition on a core, and that fails there.
fn fail(m: &mut Machine, core: Core, id: u16) {
    m.enter(core, id);
    assert_eq!(code(m.step(core, FAULT)), ABORTED);
}

/// A request that is kept; what FFA_RUN needs.
fn parked(m: &mut Machine, core: Core, id: u16) -> u64 {
    let reply = m.normal(core, &request(id));
    assert_eq!(x(reply, 0), u64::from(f::INTERRUPT), "{reply:x?}");
    x(reply, 1)
}

/// The caller comes until a context is entered.
fn drive(m: &mut Machine, core: Core, ticket: u64) -> Action {
    for _ in 0..1000 {
        let action = m.normal(core, &[RUN, ticket]);
        if matches!(action, Action::Run(_)) {
            return action;
        }
        assert_eq!(x(action, 1), ticket, "{action:x?}");
    }
    panic!("it does not come back")
}

/// The first context of a partition's new instance is ready, on a core; returns who waits for it.
fn revive(m: &mut Machine, core: Core, id: u16) -> u64 {
    m.ports.now += u64::from(BACK_OFF) * 8;
    let ticket = parked(m, core, id);
    let entered = run(drive(m, core, ticket));
    assert_eq!(entered.context.home, 0, "the first context");
    let entry = memory(entered.context.partition) + 0x100;
    assert!(succeeded(
        m.call(core, &[u64::from(f::SECONDARY_EP_REGISTER_64), entry])
    ));
    assert_eq!(x(m.call(core, &[WAIT]), 1), ticket);
    assert_eq!(m.spmc.check_invariants(), Ok(()));
    ticket
}

/// The failures that were noted.
fn failures(m: &Machine) -> Vec<Failure> {
    let noted = m.ports.notes.iter();
    noted
        .filter_map(|note| match note {
            Note::Failed(failure) => Some(*failure),
            _ => None,
        })
        .collect()
}

#[test]
fn a_life_has_one_failure_and_the_first_one_counts() {
    let mut m = restarts();
    m.enter(0, A);
    m.enter(1, A);
    assert_eq!(code(m.step(1, FAULT)), ABORTED);
    // The other core has not heard of it, and its context gives itself up.
    assert_eq!(code(m.call(0, &[u64::from(f::ABORT_32), 0, 7])), ABORTED);
    let [failure] = failures(&m)[..] else {
        panic!("{:?}", failures(&m))
    };
    assert_eq!(
        (failure.context.partition, failure.context.home, failure.core),
        (0, 1, 1)
    );
    assert!(matches!(failure.cause, Cause::Fault(_)), "{failure:?}");
    // The next life has its own.
    revive(&mut m, 2, A);
    m.enter(0, A);
    assert_eq!(code(m.call(0, &[u64::from(f::ABORT_32), 0, 7])), ABORTED);
    assert_eq!(failures(&m).len(), 2);
    assert_eq!(failures(&m)[1].cause, Cause::Aborted(7));
}

#[test]
fn psci_ends_who_calls_it_and_is_unknown_to_the_normal_world() {
    for function in [
        f::SYSTEM_OFF,
        f::SYSTEM_RESET,
        f::SYSTEM_RESET2_32,
        f::SYSTEM_RESET2_64,
    ] {
        let mut m = restarts();
        m.refused(0, &[u64::from(function), 0, 0], Error::NotSupported);
        m.enter(0, A);
        assert_eq!(code(m.call(0, &[u64::from(function), 0, 0])), ABORTED);
        let [failure] = failures(&m)[..] else {
            panic!("{:?}", failures(&m))
        };
        assert_eq!(failure.cause, Cause::TurnedOff(function));
    }
}

#[test]
fn its_devices_are_quiet_when_it_fails_and_when_all_of_it_is_over() {
    let mut m = restarts();
    m.enter(0, A);
    m.enter(1, A);
    assert_eq!(code(m.step(1, FAULT)), ABORTED);
    assert_eq!(m.ports.quiesced, [0]);
    // Its other context runs still.
    m.ports.now += u64::from(BACK_OFF);
    let ticket = parked(&mut m, 2, A);
    assert_eq!(x(m.normal(2, &[RUN, ticket]), 1), ticket);
    assert_eq!(m.ports.quiesced, [0]);
    assert_eq!(code(m.step(0, Event::Called)), ABORTED);
    m.normal(2, &[RUN, ticket]);
    assert_eq!(m.ports.quiesced, [0, 0]);
    // One that is not restarted, too.
    let mut m = Machine::started();
    fail(&mut m, 0, B);
    assert_eq!(m.ports.quiesced, [1]);
}

#[test]
fn failures_that_are_far_apart_are_not_counted_together() {
    let mut m = restarts();
    // More often than the limit, which is two.
    for _ in 0..4 {
        m.ports.now += u64::from(WITHIN) + 1;
        m.ports.wake = None;
        fail(&mut m, 0, A);
        assert_eq!(m.ports.wake, Some(BACK_OFF), "it rests as long as the first time");
        revive(&mut m, 0, A);
    }
    // One in time counts.
    m.ports.wake = None;
    fail(&mut m, 0, A);
    assert_eq!(m.ports.wake, Some(2 * BACK_OFF));
    revive(&mut m, 0, A);
    fail(&mut m, 0, A);
    assert_eq!(life(&m, 0), Life::Stopped);
}

#[test]
fn a_restarted_partition_serves_again() {
    let mut m = restarts();
    fail(&mut m, 0, A);
    assert_eq!(life(&m, 0), Life::Failed);
    // While it rests, everybody is told at once.
    m.refused(1, &request(A), Error::Aborted);
    assert_eq!(m.ports.wake, Some(BACK_OFF));
    let ticket = revive(&mut m, 0, A);
    assert_eq!(life(&m, 0), Life::Running);
    // All of its memory was cleared, and all of its image put back.
    let cleared: u32 = m.ports.cleared.iter().map(|(_, count)| count).sum();
    assert_eq!(cleared, 0x100);
    assert_eq!(m.ports.restored, [(0, 0), (0, 1), (0, 2)]);
    // The call that drove it is delivered to the new instance.
    let entered = run(m.normal(0, &[RUN, ticket]));
    assert_eq!(entered.context.partition, 0);
    assert_eq!(regs(Action::Run(entered)).0[..2], request(A)[..2]);
    assert_eq!(x(m.respond(0, A), 0), u64::from(f::DIRECT_RESP_32));
}

#[test]
fn contexts_start_anew_each_on_its_core() {
    let mut m = restarts();
    fail(&mut m, 2, A);
    m.ports.called.clear();
    let ticket = revive(&mut m, 1, A);
    // The first one ran on the caller's core; the others' cores are called.
    assert_eq!(m.ports.called, [1, 2, 3]);
    let started = run(m.step(2, Event::Called));
    let entry = memory(0) + 0x100;
    assert_eq!(
        (started.context.home, started.entry),
        (2, Entry::Start { pc: entry, x0: 0 })
    );
    assert_eq!(x(m.call(2, &[WAIT]), 0), u64::from(f::NORMAL_WORLD_RESUME));
    assert_eq!(state(&m, 0, 2), State::Waiting);
    // A core that was busy then starts its own for its next caller.
    let started = run(m.normal(1, &[RUN, ticket]));
    assert_eq!(started.entry, Entry::Start { pc: entry, x0: 0 });
    assert_eq!(x(m.call(1, &[WAIT]), 1), ticket);
    assert_eq!(run(m.normal(1, &[RUN, ticket])).context.home, 1);
    assert_eq!(x(m.respond(1, A), 0), u64::from(f::DIRECT_RESP_32));
    let ticket = parked(&mut m, 3, A);
    run(m.normal(3, &[RUN, ticket]));
    assert_eq!(x(m.call(3, &[WAIT]), 1), ticket);
}

#[test]
fn slices_are_short_and_the_normal_world_is_asked_between_them() {
    let mut m = restarts();
    m.ports.image = 10;
    fail(&mut m, 0, C);
    m.ports.now += u64::from(BACK_OFF);
    m.ports.slow = 400;
    let ticket = parked(&mut m, 0, C);
    let mut slices = 0;
    while !matches!(m.normal(0, &[RUN, ticket]), Action::Run(_)) {
        slices += 1;
        // A slice ends before the page with which its time would be over: 1 ms, of an interrupt without managed exit.
        assert!(m.ports.restored.len() <= slices * 2);
    }
    assert_eq!(slices, 4);
    let note = m.ports.notes.iter().find_map(|note| match note {
        Note::Restored {
            partition,
            slices,
            micros,
            longest,
            ..
        } => Some((*partition, *slices, *micros, *longest)),
        _ => None,
    });
    assert_eq!(note, Some((2, 5, 4_000, 800)));
}

#[test]
fn the_alarm_restarts_what_nobody_calls() {
    let mut m = restarts();
    fail(&mut m, 3, A);
    assert_eq!(m.ports.wake.take(), Some(BACK_OFF));
    // Too early: it is asked for again.
    let early = m.step(3, Event::Called);
    assert_eq!(x(early, 0), u64::from(f::NORMAL_WORLD_RESUME));
    assert_eq!(m.ports.wake.take(), Some(BACK_OFF));
    m.ports.now += u64::from(BACK_OFF);
    m.ports.slow = 500;
    let mut turns = 0;
    let entered = loop {
        match m.step(3, Event::Called) {
            Action::Run(run) => break run,
            action => assert_eq!(x(action, 0), u64::from(f::NORMAL_WORLD_RESUME)),
        }
        assert!(m.ports.wake.take().is_some());
        turns += 1;
    };
    assert_eq!(turns, 1);
    assert!(matches!(entered.entry, Entry::Start { .. }));
    // The normal world interrupts the start at once, and it goes on by the next alarm.
    assert!(m.ports.wake.take().is_some());
    assert_eq!(
        x(m.step(3, Event::NormalInterrupt), 0),
        u64::from(f::NORMAL_WORLD_RESUME)
    );
    m.ports.now += 1_000_000;
    let on = run(m.step(3, Event::Called));
    assert_eq!(on.entry, Entry::Resume);
    assert!(matches!(on.deadline, Deadline::Micros(left) if left <= 4_000_000));
    assert_eq!(x(m.call(3, &[WAIT]), 0), u64::from(f::NORMAL_WORLD_RESUME));
    assert_eq!(life(&m, 0), Life::Running);
}

#[test]
fn a_start_that_takes_too_long_is_a_failure() {
    let mut m = restarts();
    fail(&mut m, 0, A);
    m.ports.now += u64::from(BACK_OFF);
    let ticket = parked(&mut m, 0, A);
    drive(&mut m, 0, ticket);
    m.partition_refused(0, &[u64::from(f::YIELD)], Error::Denied);
    let told = m.step(0, Event::Deadline);
    assert_eq!((x(told, 0), x(told, 1)), (u64::from(f::INTERRUPT), ticket));
    assert_eq!(life(&m, 0), Life::Failed);
    assert_eq!(code(m.normal(0, &[RUN, ticket])), ABORTED);
    assert_eq!(m.spmc.check_invariants(), Ok(()));
}

#[test]
fn a_partition_is_restarted_as_often_as_the_table_says() {
    let mut m = restarts();
    for rest in [BACK_OFF, 2 * BACK_OFF] {
        fail(&mut m, 0, A);
        assert_eq!(m.ports.wake.take(), Some(rest));
        m.ports.now += u64::from(rest) - 1;
        m.refused(0, &request(A), Error::Aborted);
        let ticket = revive(&mut m, 0, A);
        run(m.normal(0, &[RUN, ticket]));
        m.respond(0, A);
        m.ports.wake = None;
    }
    fail(&mut m, 0, A);
    assert_eq!(life(&m, 0), Life::Stopped);
    assert!(m.ports.notes.contains(&Note::GivenUp { partition: 0 }));
    m.ports.now += 1_000_000_000;
    m.refused(0, &request(A), Error::Aborted);
}

#[test]
fn another_image_is_not_started() {
    let mut m = restarts();
    fail(&mut m, 0, A);
    m.ports.spoilt = true;
    m.ports.now += u64::from(BACK_OFF);
    let ticket = parked(&mut m, 0, A);
    assert_eq!(code(m.normal(0, &[RUN, ticket])), ABORTED);
    assert_eq!(life(&m, 0), Life::Stopped);
    assert!(m.ports.notes.contains(&Note::NotRestored { partition: 0 }));
    m.refused(0, &request(A), Error::Aborted);
}

#[test]
fn a_failure_halts_every_core() {
    let mut m = restarts();
    m.enter(1, A);
    m.enter(0, B);
    m.ports.called.clear();
    assert_eq!(m.step(0, FAULT), Action::Halt(1));
    assert_eq!(m.ports.called, [1, 2, 3]);
    assert_eq!(m.step(1, Event::Called), Action::Halt(1));
    assert_eq!(m.step(2, Event::Called), Action::Halt(1));
}

#[test]
fn no_call_that_died_reaches_the_next_instance() {
    let mut m = restarts();
    // One call is preempted, another one runs, and a third one fails.
    m.enter(1, C);
    m.step(1, Event::NormalInterrupt);
    let stale = u64::from(C) << 16 | 1;
    fail(&mut m, 0, C);
    m.ports.now += u64::from(BACK_OFF) * 2;
    // Its caller has not come: it is told when it does, whatever has become of the partition.
    let ticket = parked(&mut m, 0, C);
    assert!(matches!(drive(&mut m, 0, ticket), Action::Run(_)));
    assert_eq!(state(&m, 2, 1), State::Off);
    assert_eq!(code(m.normal(3, &[RUN, stale])), ABORTED);
    // And is told once.
    assert_eq!(code(m.normal(2, &[RUN, stale])), Some(Error::Denied.code()));
}

#[test]
fn a_forwarded_call_that_died_is_answered() {
    let mut m = restarts();
    m.ports.called.clear();
    let ticket = parked(&mut m, 3, C);
    let on = m.ports.called[0];
    run(m.step(on, Event::Called));
    m.step(on, Event::NormalInterrupt);
    fail(&mut m, 1 - on, C);
    assert_eq!(code(m.normal(3, &[RUN, ticket])), ABORTED);
    assert_eq!(m.spmc.check_invariants(), Ok(()));
    // From a core that it does not list, too, it is driven and reached.
    m.ports.now += u64::from(BACK_OFF) * 2;
    m.ports.called.clear();
    let ticket = parked(&mut m, 3, C);
    m.normal(3, &[RUN, ticket]);
    assert_eq!(life(&m, 2), Life::Starting);
    assert_eq!(m.ports.called, [0]);
    run(m.step(0, Event::Called));
    let entry = memory(2) + 0x100;
    assert!(succeeded(
        m.call(0, &[u64::from(f::SECONDARY_EP_REGISTER_64), entry])
    ));
    assert_eq!(x(m.call(0, &[WAIT]), 0), u64::from(f::NORMAL_WORLD_RESUME));
    m.ports.now += 100_000;
    m.ports.called.clear();
    m.normal(3, &[RUN, ticket]);
    assert_eq!(m.ports.called, [0]);
    run(m.step(0, Event::Called));
    assert_eq!(x(m.respond(0, C), 0), u64::from(f::NORMAL_WORLD_RESUME));
    assert_eq!(x(m.normal(3, &[RUN, ticket]), 0), u64::from(f::DIRECT_RESP_32));
}

#[test]
fn peers_are_told_at_once_and_served_again() {
    let mut m = restarts();
    m.enter(0, A);
    let call = [u64::from(f::DIRECT_REQ_32), u64::from(A) << 16 | u64::from(C), 0];
    run(m.call(0, &call));
    let told = m.step(0, FAULT);
    assert_eq!((run(told).context.partition, code(told)), (0, ABORTED));
    m.partition_refused(0, &call, Error::Aborted);
    m.respond(0, A);
    revive(&mut m, 1, C);
    // Its other context has not been entered yet.
    m.enter(1, A);
    m.partition_refused(1, &call, Error::Busy);
    m.respond(1, A);
    run(m.step(1, Event::Called));
    m.call(1, &[WAIT]);
    m.enter(1, A);
    assert_eq!(run(m.call(1, &call)).context.partition, 2);
}

#[test]
fn nothing_of_the_last_instance_is_left() {
    let mut m = restarts();
    m.normal(0, &[u64::from(f::NOTIFICATION_BITMAP_CREATE), 0, 4]);
    let bind = [u64::from(f::NOTIFICATION_BIND), u64::from(A) << 16, 0, 0b11];
    assert!(succeeded(m.normal(0, &bind)));
    m.enter(0, A);
    let map = [
        u64::from(f::RXTX_MAP_64),
        memory(0) + 0x2000,
        memory(0) + 0x3000,
        1,
    ];
    assert!(succeeded(m.call(0, &map)));
    assert!(succeeded(
        m.call(0, &[u64::from(f::NOTIFICATION_BIND), u64::from(A), 0, 0b1])
    ));
    m.step(0, Event::SecureInterrupt(25));
    m.step(0, FAULT);
    // One that comes while it is down stays active.
    m.step(1, Event::SecureInterrupt(40));
    assert!(m.ports.ended.is_empty());
    revive(&mut m, 2, A);
    m.ports.ended.sort_unstable();
    assert_eq!(m.ports.ended, [(25, 0), (40, 1)]);
    let a = &m.spmc.compartments[0];
    assert!(a.mailbox.lock().buffers.is_none());
    assert!(!a.notifications.lock().pending());
    assert!(a.seats.iter().all(|seat| seat.task() == Task::Cycles));
    // What the new one does as the old one did works; what others have bound to it still is.
    m.step(0, Event::Called);
    let first = m.normal(0, &request(A));
    assert!(matches!(first, Action::Run(_)));
    assert!(succeeded(m.call(0, &map)));
    assert!(succeeded(
        m.call(0, &[u64::from(f::NOTIFICATION_BIND), u64::from(A), 0, 0b1])
    ));
    let set = [u64::from(f::NOTIFICATION_SET), u64::from(A) << 16, 0, 0b1];
    assert!(succeeded(m.call(0, &set)));
    assert_eq!(NORMAL.base, 0x4000_0000);
}

#[test]
fn a_call_takes_no_longer_than_its_budget() {
    let mut m = restarts();
    m.ports.now = 1_000;
    let entered = m.enter(0, C);
    assert_eq!(entered.deadline, Deadline::Micros(BUDGET));
    // Preempted, it goes on with what is left; what passes in between does not count.
    m.ports.now += 20_000;
    assert_eq!(x(m.step(0, Event::NormalInterrupt), 0), u64::from(f::INTERRUPT));
    m.ports.now += 10_000_000;
    let name = u64::from(C) << 16;
    assert_eq!(
        run(m.normal(0, &[RUN, name])).deadline,
        Deadline::Micros(BUDGET - 20_000)
    );
    m.ports.now += 10_000;
    m.step(0, Event::NormalInterrupt);
    assert_eq!(
        run(m.normal(0, &[RUN, name])).deadline,
        Deadline::Micros(BUDGET - 30_000)
    );
    m.ports.now += 20_000;
    assert_eq!(code(m.step(0, Event::Deadline)), ABORTED);
    assert_eq!(life(&m, 2), Life::Failed);
    // Each call has its own.
    let ticket = revive(&mut m, 0, C);
    let entered = run(m.normal(0, &[RUN, ticket]));
    assert_eq!(entered.deadline, Deadline::Micros(BUDGET));
    m.ports.now += 40_000;
    m.respond(0, C);
    assert_eq!(longest(&m), 50_000, "of the call that had 20 ms, 10 ms and 20 ms");
    assert_eq!(m.enter(0, C).deadline, Deadline::Micros(BUDGET));
    m.ports.now += 40_000;
    assert_eq!(x(m.step(0, Event::NormalInterrupt), 0), u64::from(f::INTERRUPT));
    // A core that is taken too late is taken all the same.
    run(m.normal(0, &[RUN, name]));
    m.ports.now += 40_000;
    assert_eq!(code(m.step(0, Event::NormalInterrupt)), ABORTED);
    assert_eq!(longest(&m), 80_000);
}

/// The longest call that C has had, as who inspects is told.
fn longest(m: &Machine) -> u64 {
    m.spmc.compartments[2].longest_call()
}

#[test]
fn a_handler_that_never_ends_uses_up_the_budget_of_a_call() {
    let mut m = restarts();
    m.ports.now = 1_000;
    m.enter(0, A);
    m.hvc(0, &[0xff03, 25, 1, 0]);
    m.respond(0, A);
    let mut entered = run(m.step(0, Event::SecureInterrupt(25)));
    let mut turns = 0;
    loop {
        assert_eq!(entered.context.partition, 0);
        assert_eq!(entered.deadline, Deadline::Micros(10_000));
        turns += 1;
        m.ports.now += 10_000;
        assert_eq!(
            x(m.step(0, Event::Deadline), 0),
            u64::from(f::NORMAL_WORLD_RESUME)
        );
        if life(&m, 0) != Life::Running {
            break;
        }
        // Its core gets it when it has rested, and has the rest of the time for others.
        m.ports.now += u64::from(m.ports.wake.take().expect("its core is woken"));
        entered = run(m.step(0, Event::Called));
    }
    assert_eq!(turns, BUDGET / 10_000);
    assert_eq!(failures(&m)[0].cause, Cause::OverBudget);
    assert_eq!(m.spmc.check_invariants(), Ok(()));
}

#[test]
fn the_time_of_a_handler_is_not_the_call_s_and_its_deadline_goes_on() {
    let mut m = restarts();
    m.ports.now = 1_000;
    m.enter(0, A);
    m.hvc(0, &[0xff03, 25, 1, 0]);
    m.respond(0, A);
    m.enter(0, C);
    m.ports.now += 20_000;
    assert_eq!(run(m.step(0, Event::SecureInterrupt(25))).context.partition, 0);
    m.ports.now += 700;
    let back = run(m.call(0, &[u64::from(f::MSG_WAIT)]));
    assert_eq!(
        (back.context.partition, back.deadline),
        (2, Deadline::Micros(BUDGET - 20_000))
    );
}

/// On core 0 the normal world has called A, and A calls C, whose calls have a budget.
fn called() -> Machine {
    let mut m = restarts();
    m.ports.now = 1_000;
    m.enter(0, A);
    let call = [u64::from(f::DIRECT_REQ_32), u64::from(A) << 16 | u64::from(C), 0];
    assert_eq!(run(m.call(0, &call)).deadline, Deadline::Micros(BUDGET));
    m
}

#[test]
fn a_callee_of_a_partition_has_its_budget_and_the_caller_is_told() {
    let mut m = called();
    // What it has while it is preempted does not count, and what it had before that does.
    m.ports.now += 20_000;
    m.preempt(0);
    m.ports.now += 10_000_000;
    let on = run(m.normal(0, &[RUN, u64::from(A) << 16]));
    assert_eq!(
        (on.context.partition, on.deadline),
        (2, Deadline::Micros(BUDGET - 20_000))
    );
    m.ports.now += 30_000;
    let told = m.step(0, Event::Deadline);
    assert_eq!((run(told).context.partition, code(told)), (0, ABORTED));
    assert_eq!(life(&m, 2), Life::Failed);
    assert_eq!(x(m.respond(0, A), 0), u64::from(f::DIRECT_RESP_32));
    assert_eq!(failures(&m)[0].cause, Cause::OverBudget);
}

#[test]
fn a_callee_that_yields_and_is_run_again_has_what_is_left() {
    let mut m = called();
    m.ports.now += 30_000;
    assert_eq!(run(m.call(0, &[u64::from(f::YIELD)])).context.partition, 0);
    m.ports.now += 10_000_000;
    let again = [RUN, u64::from(C) << 16];
    assert_eq!(run(m.call(0, &again)).deadline, Deadline::Micros(BUDGET - 30_000));
    m.ports.now += 20_000;
    // Its time is over as it yields.
    let told = m.call(0, &[u64::from(f::YIELD)]);
    assert_eq!((run(told).context.partition, code(told)), (0, ABORTED));
    assert_eq!(life(&m, 2), Life::Failed);
}

#[test]
fn each_call_of_a_partition_has_a_budget_of_its_own() {
    let mut m = called();
    for _ in 0..5 {
        m.ports.now += u64::from(BUDGET) - 1;
        let answer = [
            u64::from(f::DIRECT_RESP_32),
            u64::from(C) << 16 | u64::from(A),
            0,
            7,
        ];
        let back = run(m.call(0, &answer));
        // Nor does it cost its caller anything of its own.
        assert_eq!(
            (back.context.partition, back.deadline),
            (0, Deadline::Micros(BUDGET))
        );
        let call = [u64::from(f::DIRECT_REQ_32), u64::from(A) << 16 | u64::from(C), 0];
        assert_eq!(run(m.call(0, &call)).deadline, Deadline::Micros(BUDGET));
    }
    assert_eq!(life(&m, 2), Life::Running);
}

#[test]
fn the_next_instance_is_given_what_a_driver_says_once() {
    let mut m = Machine::of(&RENEWED).start();
    m.ports.image = 3;
    let said = [
        u64::from(f::DIRECT_REQ_32),
        C.into(),
        0,
        REPEATED.into(),
        7,
        8,
        9,
        10,
    ];
    run(m.normal(1, &said));
    m.respond(1, C);
    fail(&mut m, 0, C);
    m.ports.now += u64::from(BACK_OFF) * 2;
    // On another core than its first context's.
    let ticket = parked(&mut m, 2, C);
    run(drive(&mut m, 2, ticket));
    let entry = memory(2) + 0x100;
    assert!(succeeded(
        m.call(2, &[u64::from(f::SECONDARY_EP_REGISTER_64), entry])
    ));
    let given = m.call(2, &[WAIT]);
    assert_eq!((run(given).context.partition, run(given).context.home), (2, 0));
    assert_eq!(regs(given).0[..8], said);
    assert_eq!(life(&m, 2), Life::Running);
    // The normal world takes the core, and does not come back for it: it goes on when the core is woken.
    assert_eq!(x(m.step(2, Event::NormalInterrupt), 1), ticket);
    assert_eq!(run(m.step(2, Event::Called)).context.home, 0);
    assert_eq!(x(m.respond(2, C), 0), u64::from(f::NORMAL_WORLD_RESUME));
    // A caller has its own request answered.
    m.enter(0, C);
    assert_eq!(x(m.respond(0, C), 0), u64::from(f::DIRECT_RESP_32));
    assert_eq!(m.spmc.check_invariants(), Ok(()));
    // What the driver of a kernel that is no more has said is not repeated.
    for _ in 0..2 {
        m.normal(0, &[u64::from(f::VERSION), 0x1_0002]);
        m.normal(
            0,
            &[u64::from(f::RXTX_MAP_64), NORMAL.base, NORMAL.base + 0x1000, 1],
        );
    }
    let ticket = parked(&mut m, 0, C);
    run(drive(&mut m, 0, ticket));
    assert!(succeeded(
        m.call(0, &[u64::from(f::SECONDARY_EP_REGISTER_64), entry])
    ));
    assert_eq!(x(m.call(0, &[WAIT]), 1), ticket);
}

/// A request that goes on with what c has not finished, under a name.
fn going_on(name: u64) -> [u64; 8] {
    let kind = u64::from(f::DIRECT_REQ_32);
    [kind, C.into(), 0, CONTINUED.into(), 0, 0, 0, name]
}

/// C answers a request that it has not finished, under a name of its own; the name that the normal world sees.
fn unfinished(m: &mut Machine, core: Core, name: u64) -> u64 {
    let kind = u64::from(f::DIRECT_RESP_32);
    let answer = m.call(core, &[kind, u64::from(C) << 16, 0, 0, 1, 0, 0, name]);
    assert_eq!(x(answer, 0), kind, "{answer:x?}");
    x(answer, 7)
}

#[test]
fn unfinished_work_of_the_last_instance_is_not_taken_for_the_new_one_s() {
    let mut m = Machine::of(&RENEWED).start();
    m.ports.image = 3;
    m.enter(0, C);
    let old = unfinished(&mut m, 0, 2);
    assert_eq!(old, 2, "the first instance's names are seen as they are");
    // Another caller waits for its context with one: so it is kept, until there is a new instance.
    m.enter(1, C);
    assert_eq!(x(m.preempt(1), 0), u64::from(f::INTERRUPT));
    let waits = x(m.normal(1, &going_on(old)), 1);
    fail(&mut m, 0, C);
    m.ports.now += u64::from(BACK_OFF) * 2;
    assert_eq!(
        code(m.normal(2, &going_on(old))),
        ABORTED,
        "nothing is kept of it"
    );
    let ticket = revive(&mut m, 0, C);
    assert_eq!(code(m.normal(1, &[RUN, waits])), ABORTED);
    run(m.normal(0, &[RUN, ticket]));
    // The new instance gives the same name.
    let new = unfinished(&mut m, 0, 2);
    assert_eq!(new, 1 << 16 | 2);
    for stale in [old, 2 << 16 | 2] {
        assert_eq!(code(m.normal(0, &going_on(stale))), ABORTED, "{stale:#x}");
        assert_eq!(state(&m, 2, 0), State::Waiting);
    }
    assert_eq!(regs(m.normal(0, &going_on(new))).0[..8], going_on(2));
    // What is finished is nobody's name, nor is what an error says.
    let kind = u64::from(f::DIRECT_RESP_32);
    let done = m.call(0, &[kind, u64::from(C) << 16, 0, 0, 0, 0, 0, 2]);
    assert_eq!(x(done, 7), 2);
    m.enter(0, C);
    let failed = m.call(0, &[kind, u64::from(C) << 16, 0, 5, 1, 0, 0, 2]);
    assert_eq!(x(failed, 7), 2);
    assert_eq!(m.spmc.check_invariants(), Ok(()));
}

#[test]
fn a_service_s_own_words_are_neither_kept_nor_named() {
    let mut m = Machine::of(&RENEWED).start();
    m.ports.image = 3;
    fail(&mut m, 0, C);
    let ticket = revive(&mut m, 0, C);
    run(m.normal(0, &[RUN, ticket]));
    m.respond(0, C);
    // x3 is a half of the service's UUID there, and the answer's words are all its own.
    let request = [u64::from(f::DIRECT_REQ2), C.into(), 0, 0, 7];
    run(m.normal(0, &request));
    let words = [0, 0, 1, 0, 0, 2];
    let mut answer = [0; 8];
    answer[..2].copy_from_slice(&[u64::from(f::DIRECT_RESP2), u64::from(C) << 16]);
    answer[2..].copy_from_slice(&words);
    assert_eq!(regs(m.call(0, &answer)).0[4..8], answer[4..8]);
    assert!(m.spmc.compartments[2].repeated.lock().is_none());
    // A name that has no room for an instance is left as it is.
    m.enter(0, C);
    assert_eq!(unfinished(&mut m, 0, 1 << 31 | 2), 1 << 31 | 2);
}

#[test]
fn one_that_has_failed_too_often_is_given_up() {
    let mut m = restarts();
    assert_eq!(m.spmc.compartments[0].stage(), Stage::Running);
    for _ in 0..2 {
        fail(&mut m, 0, A);
        assert_eq!(m.spmc.compartments[0].stage(), Stage::Restarting);
        let ticket = revive(&mut m, 0, A);
        run(m.normal(0, &[RUN, ticket]));
        m.respond(0, A);
    }
    fail(&mut m, 0, A);
    assert_eq!(life(&m, 0), Life::Stopped);
    assert_eq!(m.spmc.compartments[0].stage(), Stage::GivenUp);
}

#[test]
fn an_instance_that_says_it_cannot_start_has_failed() {
    let mut m = restarts();
    fail(&mut m, 0, C);
    m.ports.now += u64::from(BACK_OFF) * 2;
    let ticket = parked(&mut m, 0, C);
    run(drive(&mut m, 0, ticket));
    let no = u64::from(Error::NoMemory.code());
    m.call(0, &[u64::from(f::ERROR), 0, no]);
    assert_eq!(life(&m, 2), Life::Failed);
    assert_eq!(failures(&m)[1].cause, Cause::StartFailed);
    revive(&mut m, 0, C);
    assert_eq!(life(&m, 2), Life::Running);
}
