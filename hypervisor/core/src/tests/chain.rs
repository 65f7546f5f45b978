//! Partitions that call partitions: who may, who runs, what the normal world sees of it.

use super::machine::{FAULT, Machine, code, ends, mark, regs, run, state, x};
use super::table::{A, B, C, CHAINS};
use crate::api::{Action, Context, Deadline, Entry, Event, Regs};
use crate::context::State;
use crate::cpu::Mode;
use crate::error::Error;
use crate::function as f;
use crate::table::Core;

const REQUEST: u64 = f::DIRECT_REQ_32 as u64;
const RESPONSE: u64 = f::DIRECT_RESP_32 as u64;
const RUN: u64 = f::RUN as u64;
const INTERRUPT: u64 = f::INTERRUPT as u64;

fn chains() -> Machine {
    Machine::of(&CHAINS).start()
}

/// The partition that runs on a core calls another.
fn call(m: &mut Machine, core: Core, from: u16, to: u16) -> Action {
    let mut call = Regs::new(&[REQUEST, ends(from, to), 0, 30, 40, 50, 60, 70]);
    for n in 8..18 {
        call.0[n] = mark(n);
    }
    m.step(core, Event::Call(crate::api::Conduit::Smc, call))
}

/// It answers.
fn answer(m: &mut Machine, core: Core, from: u16, to: u16) -> Action {
    m.call(core, &[RESPONSE, ends(from, to), 0, 7])
}

/// The normal world calls a, a calls b, b calls c, on a core.
fn deep(core: Core) -> Machine {
    let mut m = chains();
    m.enter(core, A);
    run(call(&mut m, core, A, B));
    run(call(&mut m, core, B, C));
    m
}

/// The chain unwinds: each answers, and all wait in the end.
fn unwind(m: &mut Machine, core: Core, home: usize) {
    assert_eq!(run(answer(m, core, C, B)).context.partition, 1);
    assert_eq!(run(answer(m, core, B, A)).context.partition, 0);
    assert_eq!(x(answer(m, core, A, 0), 0), RESPONSE);
    for partition in 0..3 {
        assert_eq!(state(m, partition, home), State::Waiting);
    }
}

#[test]
fn a_partition_calls_another_and_gets_its_answer() {
    let mut m = chains();
    m.enter(2, A);
    let entered = run(call(&mut m, 2, A, B));
    assert_eq!(
        entered.context,
        Context {
            partition: 1,
            home: 2
        }
    );
    let wanted = Regs::new(&[REQUEST, ends(A, B), 0, 30, 40, 50, 60, 70]);
    assert_eq!(
        (entered.entry, entered.deadline),
        (Entry::Answer(wanted), Deadline::None)
    );
    assert_eq!(
        (state(&m, 0, 2), state(&m, 1, 2)),
        (State::Blocked, State::Running(2))
    );
    let back = run(answer(&mut m, 2, B, A));
    assert_eq!(
        back.context,
        Context {
            partition: 0,
            home: 2
        }
    );
    let got = regs(Action::Run(back));
    assert_eq!(got.0[..4], [RESPONSE, ends(B, A), 0, 7]);
    for n in 8..18 {
        assert_eq!(got.0[n], mark(n), "x8 to x17 are the caller's");
    }
    assert_eq!(
        (state(&m, 0, 2), state(&m, 1, 2)),
        (State::Running(2), State::Waiting)
    );
    assert_eq!(x(answer(&mut m, 2, A, 0), 0), RESPONSE);
}

#[test]
fn a_deep_chain_unwinds_in_order() {
    let mut m = deep(1);
    assert_eq!(
        [0, 1, 2].map(|p| state(&m, p, 1)),
        [State::Blocked, State::Blocked, State::Running(1)]
    );
    unwind(&mut m, 1, 1);
}

#[test]
fn a_chain_does_not_close_to_a_circle() {
    let mut m = deep(0);
    m.partition_refused(0, &[REQUEST, ends(C, A), 0], Error::Denied);
    m.partition_refused(0, &[REQUEST, ends(C, C), 0], Error::InvalidParameters);
    unwind(&mut m, 0, 0);
}

#[test]
fn the_table_says_who_may_call() {
    let mut m = chains();
    m.enter(0, A);
    run(call(&mut m, 0, A, C));
    // c may not call b: it is as if b did not exist.
    for to in [B, 0x8004, 0x8000, 0xffff, 0, 1] {
        m.partition_refused(0, &[REQUEST, ends(C, to), 0], Error::InvalidParameters);
    }
    // Nor as somebody else.
    for from in [A, B, 0, 0x8000] {
        m.partition_refused(0, &[REQUEST, ends(from, A), 0], Error::InvalidParameters);
    }
    m.partition_refused(0, &[REQUEST, ends(C, A), 1], Error::InvalidParameters);
    m.partition_refused(0, &[REQUEST, ends(C, A), 0x8000_0004], Error::InvalidParameters);
    // And the normal world only a.
    m.refused(1, &super::machine::request(B), Error::InvalidParameters);
    m.refused(1, &[RUN, u64::from(B) << 16 | 1], Error::InvalidParameters);
}

#[test]
fn a_partition_without_that_context_is_not_called() {
    let mut m = chains();
    m.enter(3, A);
    m.partition_refused(3, &[REQUEST, ends(A, C), 0], Error::Denied);
}

#[test]
fn only_the_one_who_is_asked_answers() {
    let mut m = deep(0);
    for to in [A, 0, C] {
        m.partition_refused(0, &[RESPONSE, ends(C, to), 0], Error::InvalidParameters);
    }
    for from in [A, B] {
        m.partition_refused(0, &[RESPONSE, ends(from, B), 0], Error::InvalidParameters);
    }
    m.partition_refused(0, &[u64::from(f::DIRECT_RESP2), ends(C, B)], Error::Denied);
    m.partition_refused(0, &[u64::from(f::MSG_WAIT)], Error::Denied);
    unwind(&mut m, 0, 0);
}

#[test]
fn extended_requests_name_a_service() {
    let mut m = chains();
    m.enter(0, A);
    let request2 = u64::from(f::DIRECT_REQ2);
    m.partition_refused(0, &[request2, ends(A, B), 1, 2], Error::InvalidParameters);
    let mut all = Regs([9; 18]);
    all.0[..4].copy_from_slice(&[request2, ends(A, B), 0, 0]);
    let entered = m.step(0, Event::Call(crate::api::Conduit::Smc, all));
    assert_eq!((run(entered).context.partition, regs(entered)), (1, all));
    m.partition_refused(0, &[RESPONSE, ends(B, A), 0], Error::Denied);
    all.0[..4].copy_from_slice(&[u64::from(f::DIRECT_RESP2), ends(B, A), 0, 0]);
    let back = m.step(0, Event::Call(crate::api::Conduit::Smc, all));
    assert_eq!((run(back).context.partition, regs(back)), (0, all));
}

#[test]
fn an_error_is_an_answer() {
    let mut m = chains();
    m.enter(0, A);
    call(&mut m, 0, A, B);
    let back = m.call(0, &[u64::from(f::ERROR), 0, Error::Retry.code().into()]);
    assert_eq!(
        (run(back).context.partition, code(back)),
        (0, Some(Error::Retry.code()))
    );
}

#[test]
fn a_chain_is_preempted_and_resumed_as_one() {
    let mut m = chains();
    m.enter(1, A);
    call(&mut m, 1, A, B);
    let left = regs(m.preempt(1));
    assert_eq!(
        left.0[..2],
        [INTERRUPT, ends(A, 1)],
        "the one that the normal world called"
    );
    assert_eq!(
        (state(&m, 0, 1), state(&m, 1, 1)),
        (State::Blocked, State::Preempted(1))
    );
    // On another core, too.
    let on = run(m.normal(3, &[RUN, ends(A, 1)]));
    assert_eq!(
        (on.context, on.entry),
        (
            Context {
                partition: 1,
                home: 1
            },
            Entry::Resume
        )
    );
    m.refused(1, &[RUN, ends(A, 1)], Error::Busy);
    assert_eq!(
        run(answer(&mut m, 3, B, A)).context,
        Context {
            partition: 0,
            home: 1
        }
    );
    assert_eq!(x(answer(&mut m, 3, A, 0), 0), RESPONSE);
}

#[test]
fn a_managed_exit_goes_down_the_chain_under_one_deadline() {
    let mut m = chains();
    m.enter(0, A);
    run(call(&mut m, 0, A, C));
    let told = run(m.step(0, Event::NormalInterrupt));
    assert_eq!(
        (told.context.partition, told.deadline),
        (2, Deadline::Micros(20_000))
    );
    assert!(told.virtual_fiq && told.hold_normal);
    let back = run(answer(&mut m, 0, C, A));
    assert_eq!((back.context.partition, back.deadline), (0, Deadline::Keep));
    assert!(back.virtual_fiq && back.hold_normal);
    // Calling on does not get it more time.
    let again = run(call(&mut m, 0, A, C));
    assert_eq!((again.context.partition, again.deadline), (2, Deadline::Keep));
    assert!(again.virtual_fiq && again.hold_normal);
    let left = regs(m.step(0, Event::Deadline));
    assert_eq!(left.0[..2], [INTERRUPT, ends(A, 0)]);
    let on = run(m.normal(0, &[RUN, ends(A, 0)]));
    assert_eq!((on.context.partition, on.hold_normal), (2, false));
    let back = run(answer(&mut m, 0, C, A));
    assert!(
        !back.hold_normal && !back.virtual_fiq,
        "the interrupt was dealt with"
    );
}

#[test]
fn who_takes_no_part_in_managed_exits_goes_on_until_a_caller_does() {
    let mut m = chains();
    m.enter(0, A);
    assert!(run(m.step(0, Event::NormalInterrupt)).hold_normal);
    let entered = run(call(&mut m, 0, A, B));
    assert!(entered.hold_normal && !entered.virtual_fiq);
    assert_eq!(entered.deadline, Deadline::Keep);
    let told = run(answer(&mut m, 0, B, A));
    assert!(told.hold_normal && told.virtual_fiq && told.deadline == Deadline::Keep);
    assert_eq!(x(answer(&mut m, 0, A, 0), 0), RESPONSE);
    // So where it comes while the callee runs, for as long as the caller would have.
    m.enter(0, A);
    call(&mut m, 0, A, B);
    let on = run(m.step(0, Event::NormalInterrupt));
    assert!(on.hold_normal && !on.virtual_fiq && on.deadline == Deadline::Micros(10_000));
    assert_eq!(x(m.step(0, Event::Deadline), 0), INTERRUPT);
    m.normal(0, &[RUN, ends(A, 0)]);
    assert!(!run(answer(&mut m, 0, B, A)).hold_normal, "without a deadline");
    // A caller that takes no part today is as one that is preempted at once.
    assert_eq!(m.hvc(0, &[0xff03, 4, 0, 0]), 0);
    call(&mut m, 0, A, B);
    assert_eq!(x(m.step(0, Event::NormalInterrupt), 0), INTERRUPT);
}

#[test]
fn a_callee_that_fails_is_told_to_its_caller() {
    for fail in [
        FAULT,
        Event::Call(crate::api::Conduit::Smc, Regs::new(&[f::ABORT_64.into()])),
    ] {
        let mut m = deep(0);
        let back = m.step(0, fail);
        assert_eq!(
            (run(back).context.partition, code(back)),
            (1, Some(Error::Aborted.code()))
        );
        m.partition_refused(0, &[REQUEST, ends(B, C), 0], Error::Aborted);
        assert_eq!(run(answer(&mut m, 0, B, A)).context.partition, 0);
        assert_eq!(x(answer(&mut m, 0, A, 0), 0), RESPONSE);
    }
}

#[test]
fn a_caller_that_is_gone_is_skipped() {
    let mut m = deep(0);
    m.spmc.stop_image(1);
    let back = answer(&mut m, 0, C, B);
    assert_eq!(
        (run(back).context.partition, code(back)),
        (0, Some(Error::Aborted.code()))
    );
    assert_eq!(state(&m, 1, 0), State::Off);
    let mut m = deep(0);
    m.spmc.stop_image(0);
    m.spmc.stop_image(1);
    let back = answer(&mut m, 0, C, B);
    assert!(matches!(back, Action::Normal(_)));
    assert_eq!(code(back), Some(Error::Aborted.code()));
}

#[test]
fn a_callee_that_fails_while_preempted_is_told_at_the_next_run() {
    let mut m = chains();
    m.enter(0, A);
    call(&mut m, 0, A, B);
    m.preempt(0);
    m.spmc.stop_image(1);
    let back = m.normal(0, &[RUN, ends(A, 0)]);
    assert_eq!(
        (run(back).context.partition, code(back)),
        (0, Some(Error::Aborted.code()))
    );
    // And the callee of a caller that is gone still ends.
    let mut m = chains();
    m.enter(0, A);
    call(&mut m, 0, A, B);
    m.preempt(0);
    m.spmc.stop_image(0);
    assert_eq!(run(m.normal(0, &[RUN, ends(A, 0)])).context.partition, 1);
    assert_eq!(code(answer(&mut m, 0, B, A)), Some(Error::Aborted.code()));
    assert_eq!(state(&m, 1, 0), State::Waiting);
}

#[test]
fn a_caller_may_be_busy_for_others_meanwhile() {
    let mut m = chains();
    m.enter(0, A);
    call(&mut m, 0, A, B);
    m.step(0, Event::NormalInterrupt);
    let ticket = x(m.normal(0, &super::machine::request(A)), 1);
    assert!(ticket & 0x8000 != 0, "parked");
    assert_eq!(regs(m.normal(0, &[RUN, ticket])).0[..2], [INTERRUPT, ticket]);
    m.normal(0, &[RUN, ends(A, 0)]);
    answer(&mut m, 0, B, A);
    answer(&mut m, 0, A, 0);
    assert_eq!(run(m.normal(0, &[RUN, ticket])).context.partition, 0);
}

#[test]
fn a_start_may_call_who_has_started() {
    let mut m = Machine::of(&CHAINS);
    assert_eq!(run(m.step(0, Event::Boot)).context.partition, 1);
    // c has not started yet.
    m.partition_refused(0, &[REQUEST, ends(B, C), 0], Error::Denied);
    let next = run(m.call(0, &[u64::from(f::MSG_WAIT)]));
    assert_eq!(next.context.partition, 0);
    let entered = run(call(&mut m, 0, A, B));
    assert_eq!((entered.context.partition, entered.deadline), (1, Deadline::Keep));
    assert!(entered.hold_normal);
    m.partition_refused(
        0,
        &[f::SECONDARY_EP_REGISTER_64.into(), super::table::memory(1)],
        Error::Denied,
    );
    // It takes too long: it is stopped, and its caller has the time of a start again.
    let back = m.step(0, Event::Deadline);
    assert_eq!(
        (run(back).context.partition, code(back)),
        (0, Some(Error::Aborted.code()))
    );
    assert_eq!(run(back).deadline, Deadline::Micros(5_000_000));
    assert_eq!(run(m.call(0, &[u64::from(f::MSG_WAIT)])).context.partition, 2);
    m.call(0, &[u64::from(f::MSG_WAIT)]);
    assert_eq!(m.spmc.cpus[0].mode(), Mode::Serving);
}

#[test]
fn a_failure_calls_all_other_cores() {
    let mut m = deep(0);
    m.step(0, FAULT);
    assert_eq!(m.ports.called, [1, 2, 3]);
    // Only the first time.
    m.ports.called.clear();
    m.enter(1, A);
    let mut m = chains();
    m.enter(0, A);
    m.enter(1, A);
    m.step(0, FAULT);
    m.ports.called.clear();
    assert_eq!(code(m.step(1, Event::Called)), Some(Error::Aborted.code()));
    assert_eq!(m.ports.called, [0u8; 0]);
    assert_eq!(state(&m, 0, 1), State::Off);
}

#[test]
fn a_chain_is_cut_where_a_caller_fails_elsewhere() {
    let mut m = deep(1);
    // Another context of b fails on core 0.
    m.enter(0, A);
    run(call(&mut m, 0, A, B));
    assert_eq!(code(m.step(0, FAULT)), Some(Error::Aborted.code()));
    // c, which b had called, is left where it is, and a goes on with an error at once.
    let on = m.step(1, Event::Called);
    assert_eq!(
        (run(on).context.partition, code(on)),
        (0, Some(Error::Aborted.code()))
    );
    assert_eq!(
        [0, 1, 2].map(|p| state(&m, p, 1)),
        [State::Running(1), State::Off, State::Preempted(1)]
    );
    assert_eq!(x(answer(&mut m, 1, A, 0), 0), RESPONSE);
    // Until c has finished, it is busy.
    m.enter(1, A);
    assert_eq!(code(call(&mut m, 1, A, C)), Some(Error::Busy.code()));
    assert_eq!(x(answer(&mut m, 1, A, 0), 0), RESPONSE);
    // It does by the alarm, and its answer to b reaches nobody.
    assert!(m.ports.wake.take().is_some());
    assert_eq!(run(m.step(1, Event::Called)).entry, Entry::Resume);
    assert_eq!(x(answer(&mut m, 1, C, B), 0), u64::from(f::NORMAL_WORLD_RESUME));
    assert_eq!(state(&m, 2, 1), State::Waiting);
    assert_eq!(m.spmc.check_invariants(), Ok(()));
}

#[test]
fn a_chain_that_was_preempted_is_cut_when_it_goes_on() {
    let mut m = deep(1);
    m.step(1, Event::NormalInterrupt);
    assert_eq!(x(m.step(1, Event::Deadline), 1), ends(A, 1));
    m.enter(0, A);
    m.step(0, FAULT);
    let told = m.normal(1, &[RUN, ends(A, 1)]);
    assert_eq!(code(told), Some(Error::Aborted.code()));
    assert_eq!(
        [0, 1, 2].map(|p| state(&m, p, 1)),
        [State::Off, State::Blocked, State::Preempted(1)]
    );
    assert_eq!(m.spmc.check_invariants(), Ok(()));
}
