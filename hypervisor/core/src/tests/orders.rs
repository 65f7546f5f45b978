//! Every order in which cores can meet (`cfg(loom)`): claims of contexts, the end of a partition's life, calls of other
//! cores, tickets, virtual interrupts, and whole calls of two cores for one context, for one share.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p bulkhead-core --lib orders::` runs them (`cargo xtask test --only loom`).

use loom::sync::Arc;
use loom::thread;
use std::boxed::Box;
use std::fmt::Debug;

use super::machine::{Recorder, Subject};
use super::table::{A, TABLE};
use crate::api::{Action, Conduit, Entry, Event, Regs};
use crate::context::{Kind, Seat, State, Task};
use crate::cpu::Cpu;
use crate::function as f;
use crate::life::{Life, Now};
use crate::notification::{Notifications, Wanted};
use crate::spmc::Spmc;
use crate::sync::{AtomicU32, Mutex, Ordering};
use crate::table::Core;

/// Tries the orders of what two cores do, with so many switches that nobody asked for; how many differ.
fn all_orders(switches: usize, model: impl Fn() + Sync + Send + 'static) -> usize {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(switches);
    builder.max_branches = 100_000;
    let tried = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = tried.clone();
    builder.check(move || {
        count.fetch_add(1, Ordering::Relaxed);
        model();
    });
    tried.load(Ordering::Relaxed)
}

/// As `all_orders`; the cores have something to do with each other.
fn orders(switches: usize, model: impl Fn() + Sync + Send + 'static) {
    let tried = all_orders(switches, model);
    assert!(tried > 1, "one order is no test");
}

/// Something that threads will share; loom has to know all of it before.
fn share<T: Debug>(shared: T) -> Arc<T> {
    drop(std::format!("{shared:?}"));
    Arc::new(shared)
}

fn request(source: u16) -> Task {
    Task::Request {
        source,
        kind: Kind::Plain,
    }
}

#[test]
fn one_core_claims_a_context_and_sees_what_the_last_one_did() {
    orders(3, || {
        let seat = share(Seat::new());
        seat.leave(State::Waiting);
        let claim = |core: Core| {
            let seat = seat.clone();
            move || {
                let claimed = seat.change(State::Waiting, State::Running(core));
                if claimed {
                    assert_eq!(seat.task(), Task::Cycles, "what the first owner left is not seen");
                    seat.set_task(request(u16::from(core)));
                    assert_eq!(seat.state(), State::Running(core));
                    assert_eq!(seat.task(), request(u16::from(core)), "two cores own it");
                    seat.set_task(Task::Cycles);
                    seat.leave(State::Waiting);
                }
                claimed
            }
        };
        let other = thread::spawn(claim(1));
        let here = claim(0)();
        let there = other.join().unwrap();
        assert!(here || there);
        assert_eq!((seat.state(), seat.task()), (State::Waiting, Task::Cycles));
    });
}

#[test]
fn a_context_that_is_claimed_while_its_partition_fails_is_seen_by_one_of_both() {
    orders(4, || {
        let both = share((Seat::new(), Now::new()));
        let theirs = both.clone();
        let claims = thread::spawn(move || {
            let (seat, life) = &*theirs;
            seat.change(State::Off, State::Running(1)) && life.confirmed()
        });
        let (seat, life) = &*both;
        assert!(life.end(Life::Failed));
        let seen = seat.state() != State::Off;
        let goes_on = claims.join().unwrap();
        assert!(seen || !goes_on, "it goes on, and nobody will end it");
    });
}

#[test]
fn one_core_ends_a_life() {
    orders(3, || {
        let life = share(Now::new());
        let theirs = life.clone();
        let other = thread::spawn(move || theirs.end(Life::Stopped));
        let here = life.end(Life::Failed);
        assert_ne!(here, other.join().unwrap());
    });
}

#[test]
fn a_call_of_another_core_is_not_lost() {
    orders(4, || {
        // What is to do is behind a lock, as tickets are.
        let shared = share((Cpu::new(), Mutex::new(0u32)));
        shared.0.set_on(true);
        // An earlier call is on its way already.
        assert!(shared.0.call());
        let theirs = shared.clone();
        let caller = thread::spawn(move || {
            *theirs.1.lock() += 1;
            theirs.0.call()
        });
        let (cpu, work) = &*shared;
        cpu.answer_call();
        let seen = *work.lock() == 1;
        let called = caller.join().unwrap();
        assert!(seen || called, "the work waits, and no call is on its way");
    });
}

#[test]
fn a_kick_is_not_lost() {
    orders(4, || {
        // As `vgic::policy`: what pends is written first, then the mark; the owner's core takes the mark, then looks.
        let seat = share(Seat::new());
        assert!(!seat.kicked.swap(true, Ordering::AcqRel));
        let theirs = seat.clone();
        let sender = thread::spawn(move || {
            theirs.pending.fetch_or(1, Ordering::AcqRel);
            !theirs.kicked.swap(true, Ordering::AcqRel)
        });
        let taken = seat.kicked.swap(false, Ordering::AcqRel);
        let seen = seat.pending.load(Ordering::Acquire) != 0;
        let called = sender.join().unwrap();
        assert!((taken && seen) || called);
    });
}

#[test]
fn an_answer_reaches_its_caller_or_nobody() {
    orders(4, || {
        // A normal world that starts anew takes a preempted request from its caller while another core resumes it.
        let seat = share(Seat::new());
        seat.leave(State::Preempted(1));
        seat.set_task(request(0));
        let theirs = seat.clone();
        let resumes = thread::spawn(move || {
            if !theirs.change(State::Preempted(1), State::Running(1)) {
                return None;
            }
            let answered = theirs.task();
            theirs.set_task(Task::Interrupt);
            theirs.leave(State::Waiting);
            Some(answered)
        });
        seat.orphan();
        let answered = resumes.join().unwrap();
        let orphan = Task::Orphan {
            source: 0,
            kind: Kind::Plain,
        };
        assert!([Some(request(0)), Some(orphan)].contains(&answered));
        // What came behind the answer is never taken for it. (That it is what stays, loom cannot tell: it lets two relaxed
        // writes be seen in either order, also where one of them is a compare-and-swap that read what was before both.)
        assert_ne!(seat.task(), request(0));
    });
}

#[test]
fn one_core_carries_a_request_away() {
    orders(4, || {
        let seat = share(Seat::new());
        seat.set_task(request(0));
        let theirs = seat.clone();
        let forwards = thread::spawn(move || theirs.forward());
        seat.orphan();
        let forwarded = forwards.join().unwrap();
        let (source, kind) = (0, Kind::Plain);
        let task = seat.task();
        assert!(
            matches!(task, Task::Orphan { .. }) || (forwarded && task == Task::Forwarded { source, kind })
        );
    });
}

#[test]
fn a_lock_keeps_one_core_out() {
    orders(4, || {
        let shared = share((Mutex::new(()), AtomicU32::new(0)));
        let work = |wait: bool| {
            let shared = shared.clone();
            move || {
                let (lock, value) = &*shared;
                let guard = if wait { Some(lock.lock()) } else { lock.try_lock() };
                guard.is_some_and(|_guard| {
                    // Two plain steps: only the lock keeps them together.
                    let before = value.load(Ordering::Relaxed);
                    value.store(before + 1, Ordering::Relaxed);
                    true
                })
            }
        };
        let other = thread::spawn(work(false));
        let here = work(true)();
        let done = u32::from(here) + u32::from(other.join().unwrap());
        assert_eq!(shared.1.load(Ordering::Relaxed), done);
    });
}

#[test]
fn bitmaps_lose_no_notification() {
    orders(4, || {
        let bitmaps = share(Mutex::new(Notifications::new()));
        bitmaps.lock().create(1, 1).unwrap();
        let bound = bitmaps.lock().bind(0x8002, 0b11, false);
        assert!(bound.is_ok());
        let set = |bits: u64| {
            let bitmaps = bitmaps.clone();
            move || bitmaps.lock().set(0x8002, bits, None).is_ok()
        };
        let other = thread::spawn(set(0b10));
        assert!(set(0b01)());
        assert!(other.join().unwrap());
        let wanted = Wanted {
            partitions: true,
            vms: false,
            spmc: false,
            hypervisor: false,
        };
        let taken = bitmaps.lock().take(0, wanted).unwrap();
        assert_eq!(taken.partitions, 0b11);
    });
}

/// A machine whose partitions wait, made where the stack is long enough for it.
fn started() -> Arc<Box<Subject>> {
    let made = std::thread::spawn(|| Box::new(Spmc::new(&TABLE)));
    let spmc: Box<Subject> = made.join().unwrap();
    for compartment in &spmc.compartments {
        compartment
            .seats
            .iter()
            .for_each(|seat| seat.leave(State::Waiting));
        compartment.ready.store(true, Ordering::Release);
    }
    spmc.cpus.iter().for_each(|cpu| cpu.set_on(true));
    drop(std::format!(
        "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        spmc.compartments,
        spmc.cpus,
        spmc.normal,
        spmc.normal_notifications,
        spmc.machines,
        spmc.ledger.lock().sender(0),
        spmc.mends,
        spmc.halt
    ));
    Arc::new(spmc)
}

/// A core's request, the partition's answer where it was entered, and what the normal world is told in the end.
fn request_and_answer(spmc: &Subject, core: Core) -> (Option<u64>, Regs) {
    let mut ports = Recorder::default();
    let regs = Regs::new(&[f::DIRECT_REQ_64.into(), u64::from(A), 0, u64::from(core) + 7]);
    let mut action = spmc.step(core, Event::Normal(regs), &mut ports);
    let mut heard = None;
    loop {
        match action {
            Action::Normal(regs) => {
                spmc.settle(core);
                return (heard, regs);
            }
            Action::Run(run) => {
                let Entry::Answer(regs) = run.entry else {
                    panic!("{run:?}");
                };
                heard = Some(regs.0[3]);
                let answer = [f::DIRECT_RESP_64.into(), u64::from(A) << 16, 0, !regs.0[3]];
                action = spmc.step(core, Event::Call(Conduit::Smc, Regs::new(&answer)), &mut ports);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn calls_on_two_cores_share_nothing_that_is_written() {
    let tried = all_orders(2, || {
        let spmc = started();
        let theirs = spmc.clone();
        let other = thread::spawn(move || request_and_answer(&theirs, 1));
        let here = request_and_answer(&spmc, 0);
        let there = other.join().unwrap();
        for (core, (heard, regs)) in [(0u64, here), (1, there)] {
            assert_eq!((heard, regs.0[3]), (Some(core + 7), !(core + 7)));
        }
        assert_eq!(spmc.check_invariants(), Ok(()));
    });
    // loom leaves out orders that differ in nothing that any core can see: no lock, no line of memory is common.
    assert_eq!(tried, 1);
}

#[test]
fn one_core_resumes_what_was_preempted() {
    orders(2, || {
        let spmc = started();
        let mut ports = Recorder::default();
        let regs = Regs::new(&[f::DIRECT_REQ_64.into(), u64::from(A), 0, 7]);
        assert!(matches!(
            spmc.step(0, Event::Normal(regs), &mut ports),
            Action::Run(_)
        ));
        let told = spmc.step(0, Event::NormalInterrupt, &mut ports);
        let Action::Normal(told) = told else {
            panic!("{told:?}");
        };
        spmc.settle(0);
        let run = move |spmc: &Subject, core: Core| {
            let mut ports = Recorder::default();
            let regs = Regs::new(&[f::RUN.into(), told.0[1]]);
            match spmc.step(core, Event::Normal(regs), &mut ports) {
                Action::Run(_) => {
                    let answer = [f::DIRECT_RESP_64.into(), u64::from(A) << 16, 0, 9];
                    let call = Event::Call(Conduit::Smc, Regs::new(&answer));
                    let Action::Normal(regs) = spmc.step(core, call, &mut ports) else {
                        panic!("an answer goes to the normal world");
                    };
                    spmc.settle(core);
                    Some(regs.0[3])
                }
                Action::Normal(_) => None,
                other => panic!("{other:?}"),
            }
        };
        let theirs = spmc.clone();
        let other = thread::spawn(move || run(&theirs, 1));
        let answers = [run(&spmc, 0), other.join().unwrap()];
        assert!(
            answers == [Some(9), None] || answers == [None, Some(9)],
            "{answers:?}"
        );
        assert_eq!(spmc.check_invariants(), Ok(()));
    });
}
