//! Restarts that nobody comes for: calls that died unanswered, and cores that are busy, or go off.

use super::machine::{FAULT, Machine, code, ends, life, regs, request, restarts, run, state, x};
use super::table::{A, B, BACK_OFF, C, MENDED, memory};
use crate::Life;
use crate::api::{Action, Entry, Event};
use crate::context::State;
use crate::error::Error;
use crate::function as f;
use crate::table::Core;
use crate::ticket::TICKETS;

const RUN: u64 = f::RUN as u64;
const WAIT: u64 = f::MSG_WAIT as u64;
const CALL: u64 = f::DIRECT_REQ_32 as u64;
const INTERRUPT: u64 = f::INTERRUPT as u64;
const ABORTED: Option<u32> = Some(Error::Aborted.code());

/// Nobody comes: the alarm of a core restarts a partition, and its first context is ready.
fn back(m: &mut Machine, core: Core, partition: usize) {
    m.ports.now += 1_000_000;
    for _ in 0..100 {
        if let Action::Run(_) = m.step(core, Event::Called) {
            let entry = memory(partition) + 0x100;
            m.call(core, &[f::SECONDARY_EP_REGISTER_64.into(), entry]);
            m.call(core, &[WAIT]);
            assert_eq!(life(m, partition), Life::Running);
            assert_eq!(m.spmc.check_invariants(), Ok(()));
            return;
        }
    }
    panic!("nobody restarts it: {:?}", life(m, partition));
}

/// C is preempted in a call on core 1, fails on core 0, and is restarted; the context on core 1 is started, too.
fn haunted() -> Machine {
    let mut m = restarts();
    m.enter(1, C);
    m.preempt(1);
    m.enter(0, C);
    assert_eq!(code(m.step(0, FAULT)), ABORTED);
    back(&mut m, 0, 2);
    run(m.step(1, Event::Called));
    m.call(1, &[WAIT]);
    assert_eq!(state(&m, 2, 1), State::Waiting);
    m
}

#[test]
fn a_restart_waits_for_no_caller_who_is_told_once() {
    let mut m = haunted();
    assert_eq!(code(m.normal(1, &[RUN, ends(C, 1)])), ABORTED);
    // From then on the name is the context's own.
    assert_eq!(x(m.normal(1, &[RUN, ends(C, 1)]), 0), RUN);
}

#[test]
fn who_comes_while_its_call_is_being_ended_comes_again_and_leaves_no_ghost() {
    let mut m = restarts();
    m.enter(1, C);
    m.preempt(1);
    m.enter(0, C);
    assert_eq!(code(m.step(0, FAULT)), ABORTED);
    // Core 2 has the context for a moment, to end it.
    let seat = |m: &Machine, from, to| assert!(m.spmc.compartments[2].seats[1].change(from, to));
    seat(&m, State::Preempted(1), State::Running(2));
    let again = m.normal(1, &[RUN, ends(C, 1)]);
    assert_eq!((x(again, 0), x(again, 1)), (INTERRUPT, ends(C, 1)));
    seat(&m, State::Running(2), State::Preempted(1));
    back(&mut m, 0, 2);
    run(m.step(1, Event::Called));
    m.call(1, &[WAIT]);
    assert_eq!(code(m.normal(1, &[RUN, ends(C, 1)])), ABORTED);
    assert_eq!(x(m.normal(1, &[RUN, ends(C, 1)]), 0), RUN);
}

#[test]
fn a_new_call_where_one_died_has_a_name_of_its_own() {
    for yields in [false, true] {
        let mut m = haunted();
        m.enter(1, C);
        let (left, id) = if yields {
            (m.call(1, &[f::YIELD.into()]), f::YIELD.into())
        } else {
            (m.preempt(1), INTERRUPT)
        };
        let ticket = x(left, 1);
        assert_eq!(x(left, 0), id);
        assert!(
            ticket & 0x8000 != 0 && ticket >> 16 == u64::from(C),
            "{ticket:#x}"
        );
        assert_eq!(m.spmc.check_invariants(), Ok(()));
        // The old caller has none of it.
        assert_eq!(code(m.normal(1, &[RUN, ends(C, 1)])), ABORTED);
        assert_eq!(run(m.normal(1, &[RUN, ticket])).context.partition, 2);
        assert_eq!(x(m.respond(1, C), 1), ticket);
        assert_eq!(regs(m.normal(1, &[RUN, ticket])).0[3], 7);
        // Behind that, calls go by the context's name again.
        m.enter(1, C);
        assert_eq!(x(m.preempt(1), 1), ends(C, 1));
    }
}

#[test]
fn a_call_without_a_name_left_is_told_so() {
    let mut m = haunted();
    m.enter(1, C);
    for _ in 0..TICKETS * 4 {
        assert_eq!(x(m.normal(1, &request(C)), 0), INTERRUPT);
    }
    assert_eq!(code(m.preempt(1)), ABORTED);
    assert_eq!(m.spmc.check_invariants(), Ok(()));
}

#[test]
fn a_new_kernel_has_no_calls_that_died() {
    let mut m = haunted();
    for map in 0..2 {
        m.normal(0, &[f::VERSION.into(), 0x1_0002]);
        let buffers = super::table::NORMAL.base + 0x2000 * map;
        m.normal(0, &[f::RXTX_MAP_64.into(), buffers, buffers + 0x1000, 1]);
    }
    assert_eq!(x(m.normal(1, &[RUN, ends(C, 1)]), 0), RUN);
}

#[test]
fn a_caller_of_what_died_goes_on_with_that() {
    let mut m = restarts();
    m.enter(1, A);
    run(m.call(1, &[CALL, ends(A, C), 0]));
    m.preempt(1);
    m.enter(0, C);
    assert_eq!(code(m.step(0, FAULT)), ABORTED);
    back(&mut m, 0, 2);
    assert_eq!(state(&m, 0, 1), State::Preempted(1));
    let on = m.normal(1, &[RUN, ends(A, 1)]);
    assert_eq!((run(on).context.partition, code(on)), (0, ABORTED));
    assert_eq!(x(m.respond(1, A), 0), f::DIRECT_RESP_32.into());
    // That was said once.
    m.enter(1, A);
    m.preempt(1);
    assert_eq!(run(m.normal(1, &[RUN, ends(A, 1)])).entry, Entry::Resume);
}

#[test]
fn who_waits_in_the_middle_of_a_chain_is_taken_out_of_it() {
    let mut m = restarts();
    m.enter(1, A);
    run(m.call(1, &[CALL, ends(A, C), 0]));
    m.preempt(1);
    m.enter(2, A);
    assert_eq!(code(m.step(2, FAULT)), ABORTED);
    m.ports.called.clear();
    back(&mut m, 2, 0);
    // C finishes for nobody, on the core where that is.
    assert!(m.ports.called.contains(&1));
    assert_eq!(run(m.step(1, Event::Called)).context.partition, 2);
    let done = m.call(1, &[f::DIRECT_RESP_32.into(), ends(C, A), 0, 7]);
    assert_eq!(x(done, 0), f::NORMAL_WORLD_RESUME.into());
    assert_eq!(state(&m, 2, 1), State::Waiting);
    // The caller of all is told when it comes.
    assert_eq!(code(m.normal(3, &[RUN, ends(A, 1)])), ABORTED);
    assert_eq!(m.spmc.check_invariants(), Ok(()));
}

#[test]
fn a_ticket_of_a_call_that_died_tells_of_it() {
    let mut m = restarts();
    m.ports.called.clear();
    let ticket = x(m.normal(3, &request(C)), 1);
    let on = m.ports.called[0];
    run(m.step(on, Event::Called));
    m.preempt(on);
    m.enter(1 - on, C);
    m.step(1 - on, FAULT);
    back(&mut m, 0, 2);
    assert_eq!(code(m.normal(3, &[RUN, ticket])), ABORTED);
    m.refused(3, &[RUN, ticket], Error::InvalidParameters);
}

#[test]
fn a_core_that_is_always_busy_restarts_as_soon_as_the_normal_world_has_it() {
    let mut m = restarts();
    m.enter(0, C);
    m.step(0, FAULT);
    m.ports.now += u64::from(BACK_OFF) * 2;
    for _ in 0..3 {
        // It is woken only while a context runs, and has the normal world for a moment.
        m.enter(0, A);
        m.ports.called.clear();
        assert_eq!(run(m.step(0, Event::Called)).entry, Entry::Resume);
        m.respond(0, A);
        assert_eq!(m.ports.called, [0]);
    }
    run(m.step(0, Event::Called));
    assert_eq!(life(&m, 2), Life::Starting);
}

#[test]
fn a_core_that_goes_off_hands_its_restarts_on() {
    let mut m = restarts();
    m.enter(0, C);
    m.step(0, FAULT);
    m.ports.called.clear();
    let off = [CALL, 0xffff_8000, 1 << 31, 0x8400_0002];
    m.normal(0, &off);
    assert_eq!(m.ports.called, [1]);
    back(&mut m, 1, 2);
    // Where none is left, the first one that comes up.
    run(m.step(1, Event::Called));
    m.call(1, &[WAIT]);
    m.enter(1, C);
    m.step(1, FAULT);
    for core in [2, 3, 1] {
        m.ports.called.clear();
        m.normal(core, &off);
    }
    assert!(m.ports.called.is_empty());
    m.ports.wake = None;
    m.step(1, Event::CoreOn);
    assert!(m.ports.wake.is_some());
    back(&mut m, 1, 2);
}

#[test]
fn who_has_a_core_of_its_own_is_restarted_before_that_is_handed_over() {
    let mut m = Machine::of(&MENDED);
    m.ports.image = 3;
    run(m.step(0, Event::Boot));
    m.call(0, &[WAIT]);
    run(m.step(2, Event::CoreOn));
    m.step(2, FAULT);
    assert_eq!(life(&m, 1), Life::Failed);
    m.ports.now += 1_000_000;
    // Not on others' time.
    m.step(0, Event::Called);
    assert_eq!(life(&m, 1), Life::Failed);
    back(&mut m, 2, 1);
    let own = m.normal(2, &[RUN, ends(B, 0)]);
    assert_eq!((run(own).context.partition, x(own, 0)), (1, RUN));
}
