//! Requests from cores that their partition does not list: carried to one that it lists, and answered.

use std::vec::Vec;

use super::machine::{Machine, code, mark, regs, request, run, x};
use super::table::{A, B, C, FORWARDING, NORMAL, REPEATED};
use crate::api::{Action, Context, Deadline, Entry, Event, Fault, Regs};
use crate::context::State;
use crate::error::Error;
use crate::function as f;
use crate::table::Core;
use crate::ticket::TICKETS;

const RUN: u64 = f::RUN as u64;
const INTERRUPT: u64 = f::INTERRUPT as u64;
const RESUME: u64 = f::NORMAL_WORLD_RESUME as u64;
const MSG_WAIT: u64 = f::MSG_WAIT as u64;
const YIELD: u64 = f::YIELD as u64;
const RESPONSE: u64 = f::DIRECT_RESP_32 as u64;

fn machine() -> Machine {
    Machine::of(&FORWARDING).start()
}

/// A request from a core that is not listed: the ticket.
fn park(m: &mut Machine, core: Core, id: u16, payload: u64) -> u64 {
    let call = [f::DIRECT_REQ_32.into(), u64::from(id), 0, payload];
    let reply = regs(m.normal(core, &call));
    assert_eq!(reply.0[0], INTERRUPT);
    assert_eq!((reply.0[1] >> 16, reply.0[1] >> 15 & 1), (u64::from(id), 1));
    reply.0[1]
}

/// FFA_RUN of a ticket, or of a context.
fn come(m: &mut Machine, core: Core, name: u64) -> Action {
    m.normal(core, &[RUN, name])
}

/// The power message by which the SPMD tells that a core goes off.
fn off(m: &mut Machine, core: Core) -> Action {
    m.normal(
        core,
        &[f::DIRECT_REQ_32.into(), 0xffff_8000, 1 << 31, 0x8400_0002],
    )
}

#[test]
fn a_request_is_carried_to_a_listed_core() {
    let mut m = machine();
    let ticket = park(&mut m, 3, A, 42);
    assert_eq!(m.ports.called, [0]);
    // A core that was called is not called again, and nothing else happens meanwhile.
    assert_eq!(regs(come(&mut m, 3, ticket)).0[..2], [INTERRUPT, ticket]);
    assert_eq!(m.ports.called, [0]);
    let entered = run(m.step(0, Event::Called));
    let home = Context {
        partition: 0,
        home: 0,
    };
    assert_eq!((entered.context, entered.deadline), (home, Deadline::None));
    assert!(!entered.hold_normal);
    assert_eq!(
        regs(Action::Run(entered)).0[..4],
        [f::DIRECT_REQ_32.into(), u64::from(A), 0, 42]
    );
    assert_eq!(regs(come(&mut m, 3, ticket)).0[..2], [INTERRUPT, ticket]);
    assert_eq!(regs(m.respond(0, A)), Regs::new(&[RESUME]));
    assert_eq!(m.spmc.compartments[0].seats[0].state(), State::Waiting);
    let answer = regs(come(&mut m, 3, ticket));
    assert_eq!(answer.0[..4], [RESPONSE, u64::from(A) << 16, 0, 7]);
    assert!((8..18).all(|n| answer.0[n] == mark(n)), "the caller's own");
    m.refused(3, &[RUN, ticket], Error::InvalidParameters);
    assert_eq!(m.spmc.check_invariants(), Ok(()));
}

#[test]
fn a_long_request_and_its_answer_are_carried_whole() {
    let mut m = machine();
    let mut call = [0u64; 18];
    call[..2].copy_from_slice(&[f::DIRECT_REQ2.into(), u64::from(B)]);
    for (n, value) in call.iter_mut().enumerate().skip(4) {
        *value = n as u64;
    }
    let ticket = x(m.normal(3, &call), 1);
    let delivered = regs(m.step(0, Event::Called));
    assert_eq!(delivered.0, call);
    call[..2].copy_from_slice(&[f::DIRECT_RESP2.into(), u64::from(B) << 16]);
    assert_eq!(x(m.call(0, &call), 0), RESUME);
    assert_eq!(regs(come(&mut m, 3, ticket)).0, call);
}

#[test]
fn without_forwarding_the_call_is_denied() {
    let mut m = machine();
    m.refused(3, &request(C), Error::Denied);
    m.refused(3, &[RUN, u64::from(C) << 16], Error::Denied);
    assert!(m.ports.called.is_empty());
}

#[test]
fn wrong_requests_are_not_carried() {
    let mut m = machine();
    let id = u64::from(A);
    for (wrong, error) in [
        (
            [f::DIRECT_REQ_32.into(), 1 << 16 | id, 0],
            Error::InvalidParameters,
        ),
        ([f::DIRECT_REQ_32.into(), id, 1], Error::InvalidParameters),
        ([f::DIRECT_REQ_32.into(), id, 1 << 31], Error::InvalidParameters),
        ([f::DIRECT_REQ2.into(), id, 99], Error::InvalidParameters),
        ([RUN, id << 16 | 0x8001, 0], Error::InvalidParameters),
        ([RUN, id << 16 | 2, 0], Error::InvalidParameters),
        // A context that waits is not given another core's cycles.
        ([RUN, id << 16 | 1, 0], Error::Denied),
    ] {
        m.refused(3, &wrong, error);
    }
    assert!(m.ports.called.is_empty());
}

#[test]
fn a_call_that_comes_without_need_changes_nothing() {
    let mut m = machine();
    let before = m.state();
    for core in 0..4 {
        assert_eq!(regs(m.step(core, Event::Called)), Regs::new(&[RESUME]));
    }
    assert_eq!(before, m.state());
    m.enter(0, A);
    let on = run(m.step(0, Event::Called));
    assert_eq!(
        (on.context.partition, on.entry, on.deadline),
        (0, Entry::Resume, Deadline::Keep)
    );
}

#[test]
fn several_wait_in_their_order_and_cores_share_them() {
    let mut m = machine();
    let tickets: Vec<u64> = (0..3).map(|n| park(&mut m, 3, A, n)).collect();
    assert_eq!(m.ports.called, [0, 1]);
    assert_eq!(x(m.step(1, Event::Called), 3), 0);
    assert_eq!(x(m.step(0, Event::Called), 3), 1);
    m.respond(1, A);
    come(&mut m, 2, tickets[2]);
    assert_eq!(m.ports.called, [0, 1, 1]);
    assert_eq!(x(m.step(1, Event::Called), 3), 2);
    m.respond(1, A);
    m.respond(0, A);
    for ticket in tickets {
        assert_eq!(x(come(&mut m, 2, ticket), 0), RESPONSE);
    }
}

#[test]
fn partitions_have_their_turns() {
    let mut m = machine();
    park(&mut m, 3, B, 0);
    park(&mut m, 3, B, 0);
    park(&mut m, 3, A, 0);
    park(&mut m, 3, A, 0);
    let mut served = Vec::new();
    for _ in 0..4 {
        let entered = run(m.step(0, Event::Called));
        served.push(entered.context.partition);
        m.respond(0, [A, B][entered.context.partition]);
    }
    assert_eq!(served, [1, 0, 1, 0]);
}

#[test]
fn a_core_that_a_partition_has_is_not_disturbed() {
    let mut m = machine();
    m.enter(0, C);
    let ticket = park(&mut m, 3, A, 0);
    assert_eq!(m.ports.called, [1]);
    // It had no time to look, and calls a partition.
    m.enter(1, C);
    let on = run(m.step(1, Event::Called));
    assert_eq!((on.context.partition, on.entry), (2, Entry::Resume));
    come(&mut m, 3, ticket);
    assert_eq!(m.ports.called, [1], "no core is free");
    m.respond(0, C);
    come(&mut m, 3, ticket);
    assert_eq!(m.ports.called, [1, 0]);
    assert_eq!(run(m.step(0, Event::Called)).context.partition, 0);
}

#[test]
fn preempted_at_once_it_goes_on_when_its_caller_comes() {
    let mut m = machine();
    let ticket = park(&mut m, 3, B, 0);
    m.step(0, Event::Called);
    m.ports.now = 100;
    assert_eq!(regs(m.step(0, Event::NormalInterrupt)), Regs::new(&[RESUME]));
    assert_eq!(m.spmc.compartments[1].seats[0].state(), State::Preempted(0));
    assert_eq!(x(m.step(0, Event::Called), 0), RESUME, "nobody came for it");
    // The core is the normal world's for as long as it was not; another one that is listed goes on.
    assert_eq!(regs(come(&mut m, 3, ticket)).0[..2], [INTERRUPT, ticket]);
    assert_eq!(m.ports.called, [0, 1]);
    let on = run(m.step(1, Event::Called));
    assert_eq!(
        (on.context.home, on.entry, on.deadline),
        (0, Entry::Resume, Deadline::None)
    );
    assert_eq!(x(m.respond(1, B), 0), RESUME);
    assert_eq!(x(come(&mut m, 3, ticket), 0), RESPONSE);
    assert!(matches!(m.normal(0, &request(B)), Action::Run(_)));
}

#[test]
fn the_normal_world_has_a_core_for_as_long_as_a_request_took() {
    let mut m = machine();
    off(&mut m, 1);
    off(&mut m, 2);
    let ticket = park(&mut m, 3, B, 0);
    m.step(0, Event::Called);
    m.ports.now = 100;
    m.step(0, Event::NormalInterrupt);
    for now in [100, 150, 199] {
        m.ports.now = now;
        come(&mut m, 3, ticket);
        assert_eq!(m.ports.called, [0]);
        assert_eq!(x(m.step(0, Event::Called), 0), RESUME);
    }
    m.ports.now = 200;
    come(&mut m, 3, ticket);
    assert_eq!(m.ports.called, [0, 0]);
    assert_eq!(run(m.step(0, Event::Called)).entry, Entry::Resume);
}

#[test]
fn a_managed_exit_is_its_answer() {
    let mut m = machine();
    let ticket = park(&mut m, 3, A, 0);
    m.step(0, Event::Called);
    let told = run(m.step(0, Event::NormalInterrupt));
    assert_eq!(told.deadline, Deadline::Micros(10_000));
    assert!(told.virtual_fiq && told.hold_normal);
    assert_eq!(x(m.respond(0, A), 0), RESUME);
    assert_eq!(x(come(&mut m, 3, ticket), 0), RESPONSE);
    // One that does not come costs the core.
    let ticket = park(&mut m, 3, A, 0);
    m.step(0, Event::Called);
    m.step(0, Event::NormalInterrupt);
    assert_eq!(x(m.step(0, Event::Deadline), 0), RESUME);
    come(&mut m, 3, ticket);
    assert_eq!(run(m.step(1, Event::Called)).entry, Entry::Resume);
}

#[test]
fn a_yield_is_told_once() {
    let mut m = machine();
    let ticket = park(&mut m, 3, A, 0);
    m.step(0, Event::Called);
    assert_eq!(x(m.call(0, &[YIELD]), 0), RESUME);
    assert_eq!(regs(come(&mut m, 3, ticket)).0[..2], [YIELD, ticket]);
    assert_eq!(m.ports.called, [0]);
    assert_eq!(regs(come(&mut m, 3, ticket)).0[..2], [INTERRUPT, ticket]);
    assert_eq!(m.ports.called, [0, 0]);
    assert_eq!(x(m.step(0, Event::Called), 0), f::SUCCESS_32.into());
    m.respond(0, A);
    assert_eq!(x(come(&mut m, 3, ticket), 0), RESPONSE);
}

#[test]
fn a_caller_that_has_moved_is_served_where_it_is() {
    let mut m = machine();
    // Its request waits: it is delivered there.
    let ticket = park(&mut m, 3, A, 5);
    let here = run(come(&mut m, 1, ticket));
    assert_eq!(here.context.home, 1);
    assert_eq!(x(m.respond(1, A), 0), RESPONSE);
    assert_eq!(x(m.step(0, Event::Called), 0), RESUME);
    // It was preempted: it goes on there, and the answer is in the ticket.
    let ticket = park(&mut m, 3, B, 5);
    m.step(0, Event::Called);
    m.step(0, Event::NormalInterrupt);
    let here = run(come(&mut m, 1, ticket));
    assert_eq!((here.context.home, here.entry), (0, Entry::Resume));
    assert_eq!(regs(m.respond(1, B)).0[..2], [INTERRUPT, ticket]);
    assert_eq!(x(come(&mut m, 3, ticket), 0), RESPONSE);
    // A busy core's caller moves to one that is not listed.
    m.enter(1, A);
    m.step(1, Event::NormalInterrupt);
    m.step(1, Event::Deadline);
    let ticket = x(m.normal(1, &request(A)), 1);
    assert_eq!(m.ports.called, [0, 0]);
    come(&mut m, 2, ticket);
    assert_eq!(m.ports.called, [0, 0, 0]);
    assert_eq!(run(m.step(0, Event::Called)).context.home, 0);
}

#[test]
fn a_preempted_call_goes_on_though_its_caller_has_moved_away() {
    let mut m = machine();
    m.enter(1, B);
    m.step(1, Event::NormalInterrupt);
    let name = u64::from(B) << 16 | 1;
    let ticket = x(come(&mut m, 3, name), 1);
    assert_ne!(ticket, name);
    assert_eq!(m.ports.called, [1]);
    assert_eq!(run(m.step(1, Event::Called)).entry, Entry::Resume);
    m.refused(3, &[RUN, name], Error::Busy);
    m.respond(1, B);
    assert_eq!(x(come(&mut m, 3, ticket), 0), RESPONSE);
}

#[test]
fn cycles_that_somebody_else_gives_do_not_take_the_answer() {
    let mut m = machine();
    let ticket = park(&mut m, 3, B, 0);
    m.step(0, Event::Called);
    m.step(0, Event::NormalInterrupt);
    run(come(&mut m, 1, u64::from(B) << 16));
    assert_eq!(x(m.respond(1, B), 0), MSG_WAIT);
    assert_eq!(x(come(&mut m, 3, ticket), 0), RESPONSE);
    // Nor can anybody adopt it.
    let ticket = park(&mut m, 3, B, 0);
    m.step(0, Event::Called);
    m.step(0, Event::NormalInterrupt);
    m.refused(3, &[RUN, u64::from(B) << 16], Error::Denied);
    come(&mut m, 3, ticket);
}

#[test]
fn it_may_call_others_on_that_core() {
    let mut m = machine();
    let ticket = park(&mut m, 3, A, 0);
    m.step(0, Event::Called);
    let ends = u64::from(A) << 16 | u64::from(B);
    let callee = run(m.call(0, &[f::DIRECT_REQ_32.into(), ends, 0]));
    assert_eq!((callee.context.partition, callee.deadline), (1, Deadline::None));
    assert_eq!(x(m.preempt(0), 0), RESUME);
    come(&mut m, 3, ticket);
    assert_eq!(run(m.step(1, Event::Called)).context.partition, 1);
    let back = u64::from(B) << 16 | u64::from(A);
    assert_eq!(run(m.call(1, &[RESPONSE, back, 0])).context.partition, 0);
    assert_eq!(x(m.respond(1, A), 0), RESUME);
    assert_eq!(x(come(&mut m, 3, ticket), 0), RESPONSE);
}

#[test]
fn a_secure_interrupt_goes_before_it() {
    let mut m = machine();
    m.enter(0, B);
    m.hvc(0, &[0xff03, 25, 1, 0]);
    m.respond(0, B);
    let ticket = park(&mut m, 3, A, 0);
    m.step(0, Event::Called);
    let entered = run(m.step(0, Event::SecureInterrupt(25)));
    assert_eq!((entered.context.partition, entered.hold_normal), (1, true));
    assert_eq!(run(m.step(0, Event::Called)).entry, Entry::Resume, "no nesting");
    let back = run(m.call(0, &[MSG_WAIT]));
    assert_eq!((back.context.partition, back.entry), (0, Entry::Resume));
    assert!(!back.hold_normal);
    assert_eq!(x(m.respond(0, A), 0), RESUME);
    assert_eq!(x(come(&mut m, 3, ticket), 0), RESPONSE);
}

#[test]
fn one_that_fails_is_aborted() {
    let mut m = machine();
    let (ticket, waits) = (park(&mut m, 3, A, 0), park(&mut m, 3, A, 0));
    m.step(0, Event::Called);
    let fault = Event::Fault(Fault {
        syndrome: 0,
        address: 0,
        ipa: 0,
        pc: 0,
    });
    assert_eq!(x(m.step(0, fault), 0), RESUME);
    assert_eq!(x(m.step(1, Event::Called), 0), RESUME);
    assert_eq!(code(come(&mut m, 3, ticket)), Some(Error::Aborted.code()));
    assert_eq!(code(come(&mut m, 3, waits)), Some(Error::Aborted.code()));
    m.refused(3, &request(A), Error::Aborted);
}

#[test]
fn a_callee_of_one_that_was_stopped_is_still_ended() {
    let mut m = machine();
    let ticket = park(&mut m, 3, A, 0);
    m.step(0, Event::Called);
    m.call(
        0,
        &[f::DIRECT_REQ_32.into(), u64::from(A) << 16 | u64::from(B), 0],
    );
    m.preempt(0);
    m.spmc.stop_image(0);
    assert_eq!(regs(come(&mut m, 3, ticket)).0[..2], [INTERRUPT, ticket]);
    assert_eq!(run(m.step(1, Event::Called)).context.partition, 1);
    let back = u64::from(B) << 16 | u64::from(A);
    assert_eq!(x(m.call(1, &[RESPONSE, back, 0]), 0), RESUME);
    assert_eq!(code(come(&mut m, 3, ticket)), Some(Error::Aborted.code()));
    assert_eq!(m.spmc.check_invariants(), Ok(()));
}

#[test]
fn where_no_listed_core_is_on_it_is_denied() {
    let mut m = machine();
    let ticket = park(&mut m, 3, A, 0);
    assert_eq!(x(off(&mut m, 0), 0), RESPONSE);
    // The call that the core did not look at is void; another one is called.
    come(&mut m, 3, ticket);
    assert_eq!(m.ports.called, [0, 1]);
    off(&mut m, 1);
    assert_eq!(code(come(&mut m, 3, ticket)), Some(Error::Denied.code()));
    m.refused(3, &[RUN, ticket], Error::InvalidParameters);
    m.refused(3, &request(A), Error::Denied);
    let mut action = m.step(1, Event::CoreOn);
    while let Action::Run(_) = action {
        action = m.call(1, &[MSG_WAIT]);
    }
    park(&mut m, 3, A, 0);
    assert_eq!(m.ports.called, [0, 1, 1]);
}

#[test]
fn a_core_that_is_called_while_it_goes_off_keeps_nobody_waiting() {
    let mut m = machine();
    let ticket = park(&mut m, 3, A, 0);
    off(&mut m, 0);
    // Who called it had looked before.
    m.spmc.cpus[0].call();
    come(&mut m, 3, ticket);
    assert_eq!(m.ports.called, [0, 1]);
}

#[test]
fn a_normal_world_that_starts_anew_has_no_tickets() {
    let mut m = machine();
    let map = [f::RXTX_MAP_64.into(), NORMAL.base, NORMAL.base + 0x1000, 1];
    m.normal(0, &[f::VERSION.into(), 0x1_0002]);
    m.normal(0, &map);
    let (first, second) = (park(&mut m, 3, A, 0), park(&mut m, 3, B, 0));
    assert_eq!(run(m.step(0, Event::Called)).context.partition, 1);
    assert_eq!(run(m.step(1, Event::Called)).context.partition, 0);
    m.step(0, Event::NormalInterrupt);
    m.normal(2, &[f::VERSION.into(), 0x1_0002]);
    m.normal(2, &map);
    m.refused(3, &[RUN, first], Error::InvalidParameters);
    m.refused(3, &[RUN, second], Error::InvalidParameters);
    // What is answered reaches nobody, and what was preempted is ended by the next who wants it.
    assert_eq!(x(m.respond(1, A), 0), RESUME);
    let ticket = x(m.normal(0, &request(B)), 1);
    assert_eq!(run(come(&mut m, 0, ticket)).entry, Entry::Resume);
    assert_eq!(regs(m.respond(0, B)).0[..2], [INTERRUPT, ticket]);
    assert!(matches!(run(come(&mut m, 0, ticket)).entry, Entry::Answer(_)));
    assert_eq!(m.spmc.check_invariants(), Ok(()));
}

#[test]
fn who_has_waited_for_a_while_is_told_to_sleep() {
    for (version, told) in [(0x1_0001, INTERRUPT), (0x1_0002, YIELD)] {
        let mut m = machine();
        m.normal(0, &[f::VERSION.into(), version]);
        let ticket = park(&mut m, 3, A, 0);
        m.ports.now = 999;
        assert_eq!(regs(come(&mut m, 3, ticket)).0[..2], [INTERRUPT, ticket]);
        m.ports.now = 1_000;
        assert_eq!(regs(come(&mut m, 3, ticket)).0[..2], [told, ticket]);
    }
}

#[test]
fn a_full_pool_is_busy_and_drains() {
    let mut m = machine();
    let count = 4 * TICKETS as u64;
    let tickets: Vec<u64> = (0..count).map(|n| park(&mut m, 3, B, n)).collect();
    m.refused(3, &request(B), Error::Busy);
    // Other partitions have their own.
    assert!(matches!(m.normal(0, &request(A)), Action::Run(_)));
    m.respond(0, A);
    // A preempted call keeps its name where there is no room for another one.
    m.enter(2, B);
    m.step(2, Event::NormalInterrupt);
    let name = u64::from(B) << 16 | 2;
    assert_eq!(regs(come(&mut m, 3, name)).0[..2], [INTERRUPT, name]);
    for (n, ticket) in tickets.into_iter().enumerate() {
        come(&mut m, 3, ticket);
        let entered = run(m.step(1, Event::Called));
        assert_eq!(regs(Action::Run(entered)).0[3], n as u64);
        m.respond(1, B);
        assert_eq!(x(come(&mut m, 3, ticket), 0), RESPONSE);
    }
    assert_ne!(x(come(&mut m, 3, name), 1), name);
}

#[test]
fn what_a_driver_says_once_is_kept_from_any_core() {
    let mut m = machine();
    let call = [f::DIRECT_REQ_32.into(), u64::from(A), 0, REPEATED.into(), 42];
    let ticket = x(m.normal(3, &call), 1);
    assert!(m.spmc.compartments[0].repeated.lock().is_none(), "not given yet");
    assert_eq!(regs(m.step(0, Event::Called)).0[3..5], [REPEATED.into(), 42]);
    m.respond(0, A);
    assert_eq!(x(come(&mut m, 3, ticket), 0), RESPONSE);
    let kept = (*m.spmc.compartments[0].repeated.lock()).expect("it is kept");
    assert_eq!(kept.regs.0[3..5], [REPEATED.into(), 42]);
}

#[test]
fn a_late_interrupt_of_the_only_context_is_dealt_with_first() {
    let mut m = machine();
    m.enter(1, B);
    m.hvc(1, &[0xff03, 40, 1, 0]);
    m.respond(1, B);
    // Nobody else can take the request.
    off(&mut m, 0);
    off(&mut m, 2);
    m.step(1, Event::SecureInterrupt(40));
    assert_eq!(x(m.step(1, Event::Deadline), 0), RESUME);
    m.ports.called.clear();
    let ticket = park(&mut m, 3, B, 42);
    assert_eq!(m.ports.called, [1]);
    // Nobody on core 1 has to care: the request's cycles are the interrupt's, too.
    let on = run(m.step(1, Event::Called));
    assert_eq!((on.context.home, on.entry), (1, Entry::Resume));
    assert_eq!(m.hvc(1, &[0xff04]), 40);
    assert_eq!(x(m.call(1, &[MSG_WAIT]), 0), RESUME);
    assert_eq!(regs(come(&mut m, 3, ticket)).0[..2], [INTERRUPT, ticket]);
    assert_eq!(m.ports.called, [1, 1]);
    assert_eq!(regs(Action::Run(run(m.step(1, Event::Called)))).0[3], 42);
    m.respond(1, B);
    assert_eq!(x(come(&mut m, 3, ticket), 0), RESPONSE);
    assert_eq!(m.spmc.check_invariants(), Ok(()));
}
