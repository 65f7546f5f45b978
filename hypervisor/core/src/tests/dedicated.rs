//! Cores that are a partition's own: started, handed over, woken, and never given back.

use super::machine::{FAULT, Machine, code, ends, regs, run, x};
use super::table::{A, B, BACK_OFF, MENDED, OWN_CORES, memory};
use crate::api::{Action, Conduit, Context, Deadline, Entry, Event, Note, Regs, Run};
use crate::context::State;
use crate::error::Error;
use crate::function as f;
use crate::power::START_LIMIT_US;

const RUN: u64 = f::RUN as u64;
const MSG_WAIT: u64 = f::MSG_WAIT as u64;
const INTERRUPT: u64 = f::INTERRUPT as u64;

fn state(m: &Machine, home: usize) -> State {
    m.spmc.compartments[1].seats[home].state()
}

/// A has started on the boot core, and the normal world has it.
fn booted() -> Machine {
    let mut m = Machine::of(&OWN_CORES);
    let a = run(m.step(0, Event::Boot));
    assert_eq!(a.context.partition, 0, "b has no context there");
    assert_eq!(x(m.call(0, &[MSG_WAIT]), 0), MSG_WAIT);
    m
}

/// B has started on core 2, with an entry for its other core, and the normal world has the core.
fn started() -> Machine {
    let mut m = booted();
    let b = run(m.step(2, Event::CoreOn));
    assert!(matches!(b.entry, Entry::Start { pc, x0 } if pc == memory(1) && x0 != 0));
    assert!(matches!(b.deadline, Deadline::Micros(_)));
    m.call(2, &[f::SECONDARY_EP_REGISTER_64.into(), memory(1) + 8]);
    assert_eq!(x(m.call(2, &[MSG_WAIT]), 0), MSG_WAIT);
    m.spmc.settle(2);
    m
}

/// Core 2 is B's own; B takes its interrupts and waits.
fn own() -> Machine {
    let mut m = started();
    run(m.normal(2, &[RUN, ends(B, 0)]));
    for intid in [5, 25] {
        m.hvc(2, &[0xff03, intid, 1, 0]);
    }
    assert_eq!(m.call(2, &[MSG_WAIT]), Action::Idle);
    m.spmc.settle(2);
    m
}

/// The registers with which B is entered again.
fn woken(action: Action) -> Run {
    let deadline = match run(action).entry {
        Entry::Resume => Deadline::Keep,
        _ => Deadline::None,
    };
    woken_with(action, deadline)
}

fn woken_with(action: Action, deadline: Deadline) -> Run {
    let woken = run(action);
    let context = Context {
        partition: 1,
        home: 2,
    };
    assert_eq!(
        (woken.context, woken.deadline, woken.hold_normal),
        (context, deadline, true)
    );
    woken
}

#[test]
fn its_first_context_starts_with_the_first_of_its_cores() {
    let mut m = started();
    let told = |note: Note| {
        matches!(
            note,
            Note::Started { partition: 1 } | Note::Ready { partition: 1 }
        )
    };
    assert_eq!(m.ports.notes.iter().filter(|note| told(**note)).count(), 2);
    // The other one where the first said.
    let second = run(m.step(3, Event::CoreOn));
    assert_eq!(
        second.entry,
        Entry::Start {
            pc: memory(1) + 8,
            x0: 0
        }
    );
    assert_eq!(x(m.call(3, &[MSG_WAIT]), 0), MSG_WAIT);
}

#[test]
fn a_further_core_that_comes_up_first_starts_nothing() {
    let mut m = booted();
    assert_eq!(x(m.step(3, Event::CoreOn), 0), MSG_WAIT);
    m.refused(3, &[RUN, ends(B, 1)], Error::Denied);
    assert_eq!(state(&m, 3), State::Off);
}

#[test]
fn a_core_is_handed_over_on_itself_and_once() {
    let mut m = started();
    let before = m.state();
    for core in [0, 1, 3] {
        m.refused(core, &[RUN, ends(B, 0)], Error::Denied);
    }
    m.refused(2, &[RUN, ends(B, 1)], Error::Denied);
    m.refused(2, &[RUN, ends(B, 2)], Error::InvalidParameters);
    assert_eq!(m.state(), before);
    let on = woken(m.normal(2, &[RUN, ends(B, 0)]));
    assert_eq!(on.entry, Entry::Answer(Regs::new(&[RUN, ends(B, 0)])));
    m.refused(0, &[RUN, ends(B, 0)], Error::Denied);
}

#[test]
fn one_that_was_too_slow_with_an_interrupt_has_its_core_all_the_same() {
    let mut m = booted();
    run(m.step(2, Event::CoreOn));
    m.hvc(2, &[0xff03, 25, 1, 0]);
    m.call(2, &[MSG_WAIT]);
    m.spmc.settle(2);
    run(m.step(2, Event::SecureInterrupt(25)));
    m.step(2, Event::Deadline);
    m.spmc.settle(2);
    assert_eq!(state(&m, 2), State::Preempted(2));
    let on = woken_with(m.normal(2, &[RUN, ends(B, 0)]), Deadline::None);
    assert_eq!(on.entry, Entry::Resume);
    m.hvc(2, &[0xff04]);
    m.hvc(2, &[0xff08, 25, 25]);
    assert_eq!(m.call(2, &[MSG_WAIT]), Action::Idle);
    m.spmc.settle(2);
    // It takes its next one.
    woken(m.step(2, Event::SecureInterrupt(25)));
}

#[test]
fn the_normal_world_never_has_it_back() {
    let mut m = own();
    run(m.step(2, Event::SecureInterrupt(25)));
    // Its interrupts wait, and there is nobody to yield to.
    for event in [Event::NormalInterrupt, Event::Called] {
        assert_eq!(woken(m.step(2, event)).entry, Entry::Resume);
    }
    assert_eq!(x(m.call(2, &[f::YIELD.into()]), 0), f::SUCCESS_32.into());
    assert_eq!(state(&m, 2), State::Running(2));
    m.partition_refused(2, &[f::DIRECT_REQ_32.into(), ends(B, A)], Error::Denied);
    m.partition_refused(2, &[f::DIRECT_RESP_32.into(), ends(B, 0)], Error::Denied);
    // Nor where its owner is no more.
    assert_eq!(m.step(2, FAULT), Action::Idle);
    m.spmc.settle(2);
    assert_eq!(state(&m, 2), State::Off);
    for event in [Event::SecureInterrupt(25), Event::Called, Event::Deadline] {
        assert_eq!(m.step(2, event), Action::Idle);
    }
    m.refused(0, &[RUN, ends(B, 0)], Error::Aborted);
}

#[test]
fn its_interrupt_wakes_it() {
    let mut m = own();
    let on = woken(m.step(2, Event::SecureInterrupt(25)));
    assert!(on.virtual_irq);
    assert_eq!(on.entry, Entry::Answer(Regs::new(&[INTERRUPT, ends(B, 0)])));
    assert_eq!(m.hvc(2, &[0xff04]), 25);
    m.hvc(2, &[0xff08, 25, 25]);
    assert_eq!(m.ports.ended, [(25, 2)]);
    assert_eq!(m.call(2, &[MSG_WAIT]), Action::Idle);
    // One that came while it ran keeps it from waiting.
    woken(m.step(2, Event::SecureInterrupt(25)));
    m.hvc(2, &[0xff04]);
    m.hvc(2, &[0xff08, 25, 25]);
    assert!(run(m.step(2, Event::SecureInterrupt(25))).virtual_irq);
    assert_eq!(regs(m.call(2, &[MSG_WAIT])).0[..2], [INTERRUPT, ends(B, 0)]);
}

#[test]
fn one_that_is_masked_does_not() {
    let mut m = own();
    woken(m.step(2, Event::SecureInterrupt(25)));
    m.hvc(2, &[0xff03, 25, 0, 0]);
    assert_eq!(m.call(2, &[MSG_WAIT]), Action::Idle);
    assert_eq!(m.step(2, Event::Called), Action::Idle);
}

#[test]
fn a_notification_wakes_it() {
    let mut m = own();
    woken(m.step(2, Event::SecureInterrupt(25)));
    // B lets the normal world and a notify it.
    for (sender, bit) in [(0, 1), (A, 2)] {
        let bind = [f::NOTIFICATION_BIND.into(), ends(sender, B), 0, bit];
        assert_eq!(x(m.call(2, &bind), 0), f::SUCCESS_32.into());
    }
    m.hvc(2, &[0xff04]);
    m.hvc(2, &[0xff08, 25, 25]);
    assert_eq!(m.call(2, &[MSG_WAIT]), Action::Idle);
    let scheduled = m.ports.scheduled;
    let set = |sender, bit| [f::NOTIFICATION_SET.into(), ends(sender, B), 0, bit];
    m.normal(0, &set(0, 1));
    assert_eq!(core::mem::take(&mut m.ports.called), [2]);
    m.enter(0, A);
    // Called already.
    m.call(0, &set(A, 2));
    m.respond(0, A);
    assert!(m.ports.called.is_empty());
    let on = woken(m.step(2, Event::Called));
    assert!(on.virtual_irq);
    let got = regs(m.call(2, &[f::NOTIFICATION_GET.into(), B.into(), 0b11]));
    assert_eq!(got.0[2..6], [2, 0, 1, 0]);
    // While it runs, too; the normal world's scheduler has nothing to do with it.
    m.normal(0, &set(0, 1));
    assert_eq!(core::mem::take(&mut m.ports.called), [2]);
    assert!(woken(m.step(2, Event::Called)).virtual_irq);
    assert_eq!(m.ports.scheduled, scheduled);
    m.refused(0, &[f::NOTIFICATION_INFO_GET_64.into()], Error::NoData);
    // What B tells the normal world makes a core look that the normal world has.
    m.normal(0, &[f::NOTIFICATION_BITMAP_CREATE.into(), 0, 4]);
    m.normal(0, &[f::NOTIFICATION_BIND.into(), ends(B, 0), 0, 8]);
    m.call(2, &[f::NOTIFICATION_SET.into(), ends(B, 0), 0, 8]);
    assert_eq!(
        (m.ports.scheduled, m.ports.scheduled_on),
        (scheduled + 1, Some(0))
    );
}

#[test]
fn a_flood_of_notifications_calls_it_once_for_each_look() {
    let mut m = own();
    woken(m.step(2, Event::SecureInterrupt(25)));
    let bind = [f::NOTIFICATION_BIND.into(), ends(0, B), 0, 1];
    assert_eq!(x(m.call(2, &bind), 0), f::SUCCESS_32.into());
    m.hvc(2, &[0xff04]);
    m.hvc(2, &[0xff08, 25, 25]);
    assert_eq!(m.call(2, &[MSG_WAIT]), Action::Idle);
    m.ports.called.clear();
    let flood = |m: &mut Machine| {
        for _ in 0..100 {
            m.normal(0, &[f::NOTIFICATION_SET.into(), ends(0, B), 0, 1]);
        }
        core::mem::take(&mut m.ports.called)
    };
    assert_eq!(flood(&mut m), [2]);
    assert!(woken(m.step(2, Event::Called)).virtual_irq);
    assert_eq!(flood(&mut m), [], "it has not looked yet");
    m.hvc(2, &[0xff04]);
    assert_eq!(flood(&mut m), [2]);
    assert!(woken(m.step(2, Event::Called)).virtual_irq);
    // One that lets none in is called once, and finds it when it does.
    m.hvc(2, &[0xff04]);
    m.hvc(2, &[0xff03, 5, 0, 0]);
    assert_eq!(flood(&mut m), [2]);
    assert!(!run(m.step(2, Event::Called)).virtual_irq);
    assert_eq!(flood(&mut m), []);
    let on = run(m.step(2, Event::Call(Conduit::Hvc, Regs::new(&[0xff03, 5, 1, 0]))));
    assert!(on.virtual_irq);
}

#[test]
fn it_is_no_core_for_others_work() {
    let mut m = own();
    assert_eq!(
        code(m.normal(0, &[f::DIRECT_REQ_32.into(), ends(0, B)])),
        Some(Error::Denied.code())
    );
    assert_eq!(m.spmc.check_invariants(), Ok(()));
}

#[test]
fn it_is_restarted_on_its_own_core() {
    let mut m = Machine::of(&MENDED);
    m.ports.image = 3;
    run(m.step(0, Event::Boot));
    m.call(0, &[MSG_WAIT]);
    run(m.step(2, Event::CoreOn));
    m.call(2, &[MSG_WAIT]);
    m.spmc.settle(2);
    run(m.normal(2, &[RUN, ends(B, 0)]));
    assert_eq!(m.step(2, FAULT), Action::Idle);
    assert_eq!(m.ports.wake, Some(BACK_OFF));
    // It rests; nobody else's core works on it.
    assert_eq!(m.step(2, Event::Called), Action::Idle);
    m.ports.now += u64::from(BACK_OFF);
    assert_eq!(x(m.step(0, Event::Called), 0), f::NORMAL_WORLD_RESUME.into());
    assert!(m.ports.cleared.is_empty() && m.ports.restored.is_empty());
    let entered = (0..1000)
        .map(|_| m.step(2, Event::Called))
        .find(|action| *action != Action::Idle);
    let entered = woken_with(entered.unwrap(), Deadline::Micros(START_LIMIT_US));
    assert!(matches!(entered.entry, Entry::Start { pc, .. } if pc == memory(1)));
    assert_eq!(m.ports.restored, [(1, 0), (1, 1), (1, 2)]);
    assert_eq!(m.call(2, &[MSG_WAIT]), Action::Idle);
    assert_eq!(m.spmc.life(1), Some(crate::Life::Running));
    assert_eq!(m.spmc.check_invariants(), Ok(()));
}
