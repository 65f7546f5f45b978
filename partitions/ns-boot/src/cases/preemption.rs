//! Preemption by the normal world's interrupts (DEN0077A 1.2, sections 9.3 and 14.3).
use super::{A, B, Case, Outcome, alive, ask, clause, complete, ffa, right, to};
use crate::arch::machine::{core_is_off, core_on, let_in, now, set_timer, stop_timer};
use crate::ensure;
use crate::test_sp;
use core::sync::atomic::{AtomicU64, Ordering};
use sp_rt::ffa as f;

/// These cases.
pub const CASES: &[Case] = &[
    right(
        "interrupt-in-call",
        &[f::INTERRUPT, f::RUN],
        clause::INTERRUPT,
        interrupt_in_call,
    ),
    right(
        "interrupt-often",
        &[f::INTERRUPT, f::RUN],
        clause::INTERRUPT,
        interrupt_often,
    ),
    right(
        "call-another-while-preempted",
        &[f::DIRECT_REQ_64, f::INTERRUPT],
        clause::INTERRUPT,
        another_while_preempted,
    ),
    right(
        "call-again-while-preempted",
        &[f::DIRECT_REQ_64, f::INTERRUPT, f::RUN],
        clause::INTERRUPT,
        again_while_preempted,
    ),
    right("interrupt-bound", &[f::INTERRUPT], clause::INTERRUPT, bound),
    right("resume-on-another-core", &[f::RUN], clause::RUN, resume_elsewhere),
];

/// Steps that take a few hundred milliseconds here.
pub const LONG: u64 = 100_000_000;

/// Starts a long command that the timer interrupts; the answer.
pub fn start(target: u16, steps: u64, after: u64) -> sp_rt::ffa::Regs {
    set_timer(after);
    ffa(f::DIRECT_REQ_64, &[to(target), 0, test_sp::BUSY, steps])
}

/// Sends a command that the timer interrupts; what FFA_RUN is to name.
pub fn interrupted_call(target: u16, command: u64, [a, b, c, d]: [u64; 4]) -> Outcome<u64> {
    set_timer(2_000);
    let answer = ffa(f::DIRECT_REQ_64, &[to(target), 0, command, a, b, c, d]);
    interrupted(&answer, target)?;
    stop_timer();
    let_in();
    Ok(answer.x(1))
}

/// That a call was preempted, and of whom.
pub fn interrupted(answer: &f::Regs, target: u16) -> Outcome {
    let right = answer.function() == f::INTERRUPT && answer.w(1) >> 16 == u32::from(target);
    ensure!(right, "{:#x} {:#x} {:#x}", answer.x(0), answer.x(1), answer.x(2));
    Ok(())
}

/// Resumes until the command is answered.
pub fn finish(mut answer: f::Regs) -> Outcome<u64> {
    stop_timer();
    while matches!(answer.function(), f::INTERRUPT | f::YIELD) {
        let_in();
        answer = ffa(f::RUN, &[answer.x(1)]);
    }
    ensure!(
        answer.function() == f::DIRECT_RESP_64,
        "{:#x} {:#x}",
        answer.x(0),
        answer.x(2)
    );
    Ok(answer.x(4))
}

/// FFA_INTERRUPT names the context; FFA_RUN goes on where it was, all registers as they were.
fn interrupt_in_call() -> Outcome {
    let answer = start(A, LONG, 2_000);
    interrupted(&answer, A)?;
    let before = let_in();
    ensure!(before > 0, "no interrupt arrived");
    let changed = finish(answer)?;
    ensure!(changed == 0, "{changed} of the partition's registers changed");
    Ok(())
}

/// A hundred times in one call.
fn interrupt_often() -> Outcome {
    let mut answer = start(A, LONG, 500);
    let mut times = 0;
    while answer.function() == f::INTERRUPT && times < 100 {
        times += 1;
        let_in();
        set_timer(500);
        answer = ffa(f::RUN, &[answer.x(1)]);
    }
    ensure!(times >= 20, "only {times} interruptions");
    let changed = finish(answer)?;
    ensure!(changed == 0, "{changed} registers changed");
    Ok(())
}

/// T1: another partition answers meanwhile on the same core, with its registers its own.
fn another_while_preempted() -> Outcome {
    // B may hold the same values of its own, from another case.
    ask(B, test_sp::CLOBBER, [0, 3, 0, 0])?;
    let answer = start(A, LONG, 2_000);
    interrupted(&answer, A)?;
    stop_timer();
    let_in();
    let result = alive(B).and_then(|()| ask(B, test_sp::CLOBBER, [0x0123_4567_89ab_cdef, 3, 0, 0]));
    let changed = finish(answer)?;
    let [seen, ..] = result?;
    ensure!(
        changed == 0 && seen == 0,
        "{changed} registers changed, {seen} seen"
    );
    Ok(())
}

/// A second call to the same context is neither lost nor mixed up: it gets a place in the queue, or
/// BUSY.
fn again_while_preempted() -> Outcome {
    let first = start(A, LONG, 2_000);
    interrupted(&first, A)?;
    stop_timer();
    let_in();
    let second = ffa(f::DIRECT_REQ_64, &[to(A), 0, test_sp::ECHO, 7, 8, 9, 10]);
    let changed = finish(first)?;
    ensure!(changed == 0, "{changed} registers changed");
    if second.function() == f::INTERRUPT {
        let (answer, _) = complete(second);
        ensure!(
            answer.0[4..8] == [7, 8, 9, 10],
            "{:#x} {:x?}",
            answer.x(0),
            &answer.0[4..8]
        );
    } else {
        let busy = second.success().err() == Some(f::Error::BUSY);
        ensure!(busy, "{:#x} {:#x}", second.x(0), second.x(2));
    }
    alive(A)
}

const TRIES: u32 = 8;

/// T1: with preemption at once, an interrupt is the normal world's at once. An emulated
/// machine's timer is late itself, on a busy host often; a call that is not preempted takes a second.
fn bound() -> Outcome {
    let mut late = 0;
    for _ in 0..TRIES {
        let began = now();
        let answer = start(A, LONG, 1_000);
        let took = now() - began;
        interrupted(&answer, A)?;
        late += u32::from(took > 30_000);
        finish(answer)?;
    }
    ensure!(
        late < TRIES,
        "{late} of {TRIES} came more than 30 ms after a timer of 1 ms"
    );
    Ok(())
}

static RESUME: AtomicU64 = AtomicU64::new(0);
static RESULT: AtomicU64 = AtomicU64::new(0);

/// A context that was preempted on one core and resumed on another is resumed, or refused; it is
/// not lost, and its values are not mixed up.
fn resume_elsewhere() -> Outcome {
    let answer = start(A, LONG, 2_000);
    interrupted(&answer, A)?;
    stop_timer();
    let_in();
    RESUME.store(answer.x(1), Ordering::Release);
    RESULT.store(u64::MAX, Ordering::Release);
    ensure!(core_on(1, resume), "core 1 does not start");
    let deadline = now() + 5_000_000;
    while RESULT.load(Ordering::Acquire) == u64::MAX || !core_is_off(1) {
        ensure!(now() < deadline, "core 1 does not come back");
    }
    let elsewhere = RESULT.load(Ordering::Acquire);
    let changed = if elsewhere & 1 << 32 != 0 {
        finish(answer)?
    } else {
        elsewhere
    };
    ensure!(changed == 0, "{changed:#x} registers changed");
    alive(A)
}

fn resume(_core: usize) {
    let mut answer = ffa(f::RUN, &[RESUME.load(Ordering::Acquire)]);
    while matches!(answer.function(), f::INTERRUPT | f::YIELD) {
        let_in();
        answer = ffa(f::RUN, &[answer.x(1)]);
    }
    let refused = answer.function() != f::DIRECT_RESP_64;
    let word = if refused {
        1 << 32 | u64::from(answer.w(2))
    } else {
        answer.x(4)
    };
    RESULT.store(word, Ordering::Release);
}
