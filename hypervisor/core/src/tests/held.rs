//! Callees that yield: their caller holds them, and runs them again; nobody else does while it can.

use super::machine::{FAULT, Machine, code, ends, mark, regs, run, succeeded, x};
use super::table::{A, B, C, CHAINS, POWER, RESTARTS};
use crate::api::{Action, Conduit, Context, Deadline, Entry, Event, Regs};
use crate::chain::HELD_US;
use crate::context::State;
use crate::error::Error;
use crate::function as f;

const REQUEST: u64 = f::DIRECT_REQ_32 as u64;
const RESPONSE: u64 = f::DIRECT_RESP_32 as u64;
const RUN: u64 = f::RUN as u64;
const YIELD: u64 = f::YIELD as u64;
const INTERRUPT: u64 = f::INTERRUPT as u64;

fn state(m: &Machine, partition: usize) -> State {
    m.spmc.compartments[partition].seats[2].state()
}

/// On core 2 the normal world has called a, a has called b, and b has yielded: a runs.
fn held() -> Machine {
    let mut m = Machine::of(&POWER).start();
    m.enter(2, A);
    run(m.call(2, &[REQUEST, ends(A, B)]));
    yields(&mut m);
    m
}

/// The partition that runs yields, and its caller hears of it.
fn yields(m: &mut Machine) -> Regs {
    let told = m.call(2, &[YIELD]);
    m.spmc.settle(2);
    regs(told)
}

fn answer(m: &mut Machine, from: u16, to: u16) -> Action {
    m.call(2, &[RESPONSE, ends(from, to), 0, 7])
}

#[test]
fn a_yield_goes_to_the_caller_who_runs_the_callee_again() {
    let mut m = Machine::of(&POWER).start();
    m.enter(2, A);
    let mut call = Regs::new(&[REQUEST, ends(A, B)]);
    for n in 8..18 {
        call.0[n] = mark(n);
    }
    run(m.step(2, Event::Call(Conduit::Smc, call)));
    let told = yields(&mut m);
    assert_eq!(told.0[..8], [YIELD, ends(B, 2), 0, 0, 0, 0, 0, 0]);
    for n in 8..18 {
        assert_eq!(told.0[n], mark(n), "x8 to x17 are the caller's");
    }
    assert_eq!(
        (state(&m, 0), state(&m, 1)),
        (State::Running(2), State::Yielded(2))
    );
    // As often as it likes.
    for _ in 0..3 {
        let on = run(m.call(2, &[RUN, ends(B, 2)]));
        assert_eq!(
            (on.context, on.deadline),
            (
                Context {
                    partition: 1,
                    home: 2
                },
                Deadline::None
            )
        );
        assert!(succeeded(Action::Run(on)));
        assert_eq!((state(&m, 0), state(&m, 1)), (State::Blocked, State::Running(2)));
        yields(&mut m);
    }
    run(m.call(2, &[RUN, ends(B, 2)]));
    let back = answer(&mut m, B, A);
    assert_eq!((run(back).context.partition, x(back, 0)), (0, RESPONSE));
    assert_eq!(x(answer(&mut m, A, 0), 0), RESPONSE);
    assert_eq!((state(&m, 0), state(&m, 1)), (State::Waiting, State::Waiting));
}

#[test]
fn the_innermost_of_a_deep_chain_yields_to_the_one_above() {
    let mut m = Machine::of(&POWER).start();
    m.enter(2, A);
    run(m.call(2, &[REQUEST, ends(A, B)]));
    run(m.call(2, &[REQUEST, ends(B, C)]));
    assert_eq!(yields(&mut m).0[..2], [YIELD, ends(C, 2)]);
    // b has no time either: a goes on, with c held by b, and b by a.
    assert_eq!(yields(&mut m).0[..2], [YIELD, ends(B, 2)]);
    m.partition_refused(2, &[RUN, ends(C, 2)], Error::Busy);
    run(m.call(2, &[RUN, ends(B, 2)]));
    assert_eq!(run(m.call(2, &[RUN, ends(C, 2)])).context.partition, 2);
    for (from, to) in [(C, B), (B, A), (A, 0)] {
        assert_eq!(x(answer(&mut m, from, to), 0), RESPONSE);
    }
}

#[test]
fn only_its_caller_runs_a_held_context() {
    let mut m = held();
    // No such endpoint, not its own context, one that it did not call, one that is not there.
    for (named, error) in [
        (ends(0x8006, 2), Error::InvalidParameters),
        (ends(A, 2), Error::InvalidParameters),
        (ends(0, 2), Error::InvalidParameters),
        (ends(B, 7), Error::InvalidParameters),
        (ends(B, 1), Error::Denied),
        (ends(C, 2), Error::Denied),
    ] {
        m.partition_refused(2, &[RUN, named], error);
    }
    assert_eq!(run(m.call(2, &[RUN, ends(B, 2)])).context.partition, 1);
}

#[test]
fn a_held_context_is_not_the_normal_worlds() {
    let mut m = held();
    assert_eq!(x(answer(&mut m, A, 0), 0), RESPONSE);
    for core in [0, 2] {
        m.refused(core, &[RUN, ends(B, 2)], Error::Denied);
    }
    // a is called again, and finds it where it was.
    m.enter(2, A);
    assert_eq!(run(m.call(2, &[RUN, ends(B, 2)])).context.partition, 1);
    assert_eq!(x(answer(&mut m, B, A), 0), RESPONSE);
}

#[test]
fn a_chain_is_resumed_past_the_one_that_is_held() {
    let mut m = held();
    run(m.call(2, &[REQUEST, ends(A, C)]));
    let mut left = m.step(2, Event::NormalInterrupt);
    if let Action::Run(told) = left {
        // c takes part in managed exits, and lets the time pass.
        assert_eq!((told.context.partition, told.entry), (2, Entry::Resume));
        left = m.step(2, Event::Deadline);
    }
    m.spmc.settle(2);
    assert_eq!(regs(left).0[..2], [INTERRUPT, ends(A, 2)]);
    assert_eq!(run(m.normal(2, &[RUN, ends(A, 2)])).context.partition, 2);
    assert_eq!(run(answer(&mut m, C, A)).context.partition, 0);
    assert_eq!(run(m.call(2, &[RUN, ends(B, 2)])).context.partition, 1);
}

#[test]
fn a_callee_that_stops_while_it_is_held_is_aborted() {
    let mut m = held();
    // b's context on core 1 does what it must not.
    m.enter(1, A);
    run(m.call(1, &[REQUEST, ends(A, B)]));
    assert_eq!(code(m.step(1, FAULT)), Some(Error::Aborted.code()));
    m.partition_refused(2, &[RUN, ends(B, 2)], Error::Aborted);
    assert_eq!(x(answer(&mut m, A, 0), 0), RESPONSE);
}

#[test]
fn what_a_stopped_caller_held_goes_on_for_nobody() {
    let mut m = held();
    assert_eq!(code(m.step(2, FAULT)), Some(Error::Aborted.code()));
    m.spmc.settle(2);
    assert_eq!(run(m.normal(2, &[RUN, ends(B, 2)])).context.partition, 1);
    assert_eq!(x(answer(&mut m, B, A), 0), f::MSG_WAIT.into());
    m.spmc.settle(2);
    assert_eq!(state(&m, 1), State::Waiting);
}

#[test]
fn a_request_does_not_wait_for_ever_for_a_held_context() {
    let mut m = held();
    answer(&mut m, A, 0);
    m.spmc.settle(2);
    let ticket = regs(m.normal(2, &[REQUEST, u64::from(B)]));
    assert_eq!(ticket.0[0], INTERRUPT);
    m.ports.now += HELD_US - 1;
    assert!(matches!(m.normal(2, &[RUN, ticket.0[1]]), Action::Normal(_)));
    assert_eq!(state(&m, 1), State::Yielded(2));
    m.ports.now += 1;
    // b goes on with what a asked, for nobody; then the request is delivered.
    assert_eq!(run(m.normal(2, &[RUN, ticket.0[1]])).context.partition, 1);
    assert_eq!(regs(answer(&mut m, B, A)).0[..2], [INTERRUPT, ticket.0[1]]);
    let got = regs(m.normal(2, &[RUN, ticket.0[1]]));
    assert_eq!(got.0[..2], [REQUEST, u64::from(B)]);
    assert_eq!(x(answer(&mut m, B, 0), 0), RESPONSE);
    m.spmc.settle(2);
    // a has lost it.
    m.enter(2, A);
    m.partition_refused(2, &[RUN, ends(B, 2)], Error::Denied);
}

#[test]
fn a_managed_exit_goes_up_with_a_yield() {
    let mut m = Machine::of(&CHAINS).start();
    m.enter(2, A);
    run(m.call(2, &[REQUEST, ends(A, C)]));
    let told = run(m.step(2, Event::NormalInterrupt));
    assert!(told.virtual_fiq && told.hold_normal);
    let back = run(m.call(2, &[YIELD]));
    assert_eq!((back.context.partition, back.deadline), (0, Deadline::Keep));
    assert!(back.virtual_fiq && back.hold_normal);
}

#[test]
fn a_partition_does_not_find_a_held_context_busy_for_ever() {
    let mut m = Machine::of(&POWER).start();
    m.ports.now = 1;
    m.enter(2, A);
    run(m.call(2, &[REQUEST, ends(A, C)]));
    yields(&mut m);
    answer(&mut m, A, 0);
    m.spmc.settle(2);
    // b calls c, too, and a does not run it.
    m.enter(2, B);
    m.ports.now += HELD_US - 1;
    m.partition_refused(2, &[REQUEST, ends(B, C)], Error::Busy);
    m.ports.now += 1;
    assert_eq!(code(m.call(2, &[REQUEST, ends(B, C)])), Some(Error::Busy.code()));
    // As soon as the core is free, c goes on for nobody, and then it waits.
    m.ports.called.clear();
    answer(&mut m, B, 0);
    m.spmc.settle(2);
    assert_eq!(m.ports.called, [2]);
    assert_eq!(run(m.step(2, Event::Called)).context.partition, 2);
    answer(&mut m, C, A);
    m.spmc.settle(2);
    m.enter(2, B);
    assert_eq!(run(m.call(2, &[REQUEST, ends(B, C)])).context.partition, 2);
}

#[test]
fn a_partition_does_not_find_what_a_dead_one_held_busy_for_ever() {
    for dead_kernel in [false, true] {
        let mut m = Machine::of(&POWER).start();
        m.enter(2, A);
        run(m.call(2, &[REQUEST, ends(A, C)]));
        if dead_kernel {
            // The chain is left where it was by a kernel that is no more.
            let left = m.preempt(2);
            assert_eq!(x(left, 0), INTERRUPT);
            for _ in 0..2 {
                m.normal(0, &[f::VERSION.into(), 0x1_0002]);
                let buffers = super::table::NORMAL.base;
                m.normal(0, &[f::RXTX_MAP_64.into(), buffers, buffers + 0x1000, 1]);
            }
        } else {
            yields(&mut m);
            m.step(2, FAULT);
        }
        m.enter(2, B);
        assert_eq!(code(m.call(2, &[REQUEST, ends(B, C)])), Some(Error::Busy.code()));
        answer(&mut m, B, 0);
        m.spmc.settle(2);
        assert_eq!(run(m.step(2, Event::Called)).context.partition, 2);
        answer(&mut m, C, A);
        if dead_kernel {
            answer(&mut m, A, 0);
        }
        m.spmc.settle(2);
        m.enter(2, B);
        assert_eq!(run(m.call(2, &[REQUEST, ends(B, C)])).context.partition, 2);
    }
}

/// From a core that it does not list, too.
#[test]
fn a_carried_request_does_not_wait_for_ever_for_held_contexts() {
    let mut m = Machine::of(&RESTARTS).start();
    for core in 0..2 {
        m.enter(core, A);
        run(m.call(core, &[REQUEST, ends(A, C)]));
        run(m.call(core, &[YIELD]));
        m.call(core, &[RESPONSE, ends(A, 0)]);
    }
    let ticket = x(m.normal(3, &[REQUEST, C.into()]), 1);
    m.ports.now += HELD_US - 1;
    assert_eq!(x(m.normal(3, &[RUN, ticket]), 0), INTERRUPT);
    assert!(m.ports.called.is_empty());
    m.ports.now += 1;
    m.normal(3, &[RUN, ticket]);
    assert_eq!(m.ports.called, [0, 1]);
    assert_eq!(run(m.step(1, Event::Called)).context.partition, 2);
    m.call(1, &[RESPONSE, ends(C, A)]);
    m.ports.now += HELD_US;
    m.normal(3, &[RUN, ticket]);
    assert_eq!(run(m.step(1, Event::Called)).context.partition, 2);
    m.call(1, &[RESPONSE, ends(C, 0), 0, 7]);
    assert_eq!(x(m.normal(3, &[RUN, ticket]), 0), RESPONSE);
}
