//! Cores that come, go, and call at once (PSCI; DEN0077A 1.2, sections 4.7 and 18.2).
use super::{A, B, Case, Outcome, ask, clause, right, send};
use crate::arch::machine::{CORES, core_index, core_is_off, core_on, now};
use crate::ensure;
use crate::test_sp;
use core::sync::atomic::{AtomicU64, Ordering};
use sp_rt::ffa;

/// These cases.
pub const CASES: &[Case] = &[
    right(
        "core-off-and-on-100-times",
        &[ffa::SECONDARY_EP_REGISTER_64, ffa::DIRECT_REQ_64],
        clause::CONTEXTS,
        off_and_on,
    ),
    right(
        "all-cores-off-and-on-at-once",
        &[ffa::SECONDARY_EP_REGISTER_64, ffa::DIRECT_REQ_64],
        clause::CONTEXTS,
        all_off_and_on,
    ),
    right(
        "all-cores-call-at-once",
        &[ffa::DIRECT_REQ_64],
        clause::DIRECT_REQ,
        all_call,
    ),
];

static RIGHT: [AtomicU64; CORES] = [const { AtomicU64::new(0) }; CORES];
static WRONG: [AtomicU64; CORES] = [const { AtomicU64::new(0) }; CORES];

fn clear() {
    for n in 0..CORES {
        RIGHT[n].store(0, Ordering::Release);
        WRONG[n].store(0, Ordering::Release);
    }
}

fn count(good: bool) {
    let counters = if good { &RIGHT } else { &WRONG };
    counters[core_index()].fetch_add(1, Ordering::AcqRel);
}

/// One call to each of two partitions, answered by the context of this core.
fn call_once(core: usize) {
    for target in [A, B] {
        let good = ask(target, test_sp::IDENTITY, [0; 4])
            .is_ok_and(|[id, context, ..]| id == u64::from(target) && context == core as u64);
        count(good);
    }
}

fn wait_off(core: usize) -> Outcome {
    let deadline = now() + 10_000_000;
    while !core_is_off(core) {
        ensure!(now() < deadline, "core {core} does not go off");
    }
    Ok(())
}

/// The contexts of a core that comes back are entered anew and answer.
fn off_and_on() -> Outcome {
    clear();
    for round in 0..100 {
        let core = 1 + round % (CORES - 1);
        ensure!(
            core_on(core, call_once),
            "round {round}: core {core} does not start"
        );
        wait_off(core)?;
    }
    let right: u64 = RIGHT.iter().map(|n| n.load(Ordering::Acquire)).sum();
    let wrong: u64 = WRONG.iter().map(|n| n.load(Ordering::Acquire)).sum();
    ensure!(right == 200 && wrong == 0, "{right} right, {wrong} wrong");
    Ok(())
}

/// Each core had so many right answers and no wrong one.
fn each_core_had(answers: u64) -> Outcome {
    for core in 0..CORES {
        let (right, wrong) = (
            RIGHT[core].load(Ordering::Acquire),
            WRONG[core].load(Ordering::Acquire),
        );
        ensure!(
            right == answers && wrong == 0,
            "core {core}: {right} right, {wrong} wrong"
        );
    }
    Ok(())
}

/// The same with all of them at the same time, while the boot core calls.
fn all_off_and_on() -> Outcome {
    clear();
    for round in 0..10 {
        for core in 1..CORES {
            ensure!(
                core_on(core, call_once),
                "round {round}: core {core} does not start"
            );
        }
        call_once(0);
        for core in 1..CORES {
            wait_off(core)?;
        }
    }
    each_core_had(20)
}

/// C1, C4: each core's calls reach its context, and the answers the caller, all at once.
fn all_call() -> Outcome {
    clear();
    for core in 1..CORES {
        ensure!(core_on(core, call_many), "core {core} does not start");
    }
    call_many(0);
    for core in 1..CORES {
        wait_off(core)?;
    }
    each_core_had(1000)
}

fn call_many(core: usize) {
    for n in 0..500 {
        for target in [A, B] {
            let words = [core as u64, n, u64::from(target), !n];
            let (answer, _) = send(target, test_sp::ECHO, words);
            count(answer.function() == ffa::DIRECT_RESP_64 && answer.0[4..8] == words);
        }
    }
}
