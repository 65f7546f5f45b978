//! Managed exit: a partition that is told of the normal world's interrupt, and has a bound to leave
//! (DEN0077A 1.2, section 9.3.1).
use super::preemption::{LONG, finish, interrupted, start};
use super::{Case, MANAGED, MANAGED_LIMIT, Outcome, alive, clause, ffa, right, to};
use crate::arch::machine::{let_in, now, set_timer, stop_timer};
use crate::ensure;
use crate::test_sp;
use sp_rt::ffa as f;
use sp_rt::ffa::interrupt_call::MANAGED_EXIT;

/// These cases.
pub const CASES: &[Case] = &[
    right("managed-exit", &[f::DIRECT_RESP_64], clause::MANAGED_EXIT, obeyed),
    right(
        "managed-exit-not-obeyed",
        &[f::INTERRUPT, f::RUN],
        clause::MANAGED_EXIT,
        ignored,
    ),
    right(
        "managed-exit-twice-in-a-call",
        &[f::INTERRUPT, f::RUN],
        clause::MANAGED_EXIT,
        twice,
    ),
    right(
        "managed-exit-without-interrupt",
        &[f::DIRECT_RESP_64],
        clause::MANAGED_EXIT,
        none,
    ),
];

/// The timer of each try, in microseconds.
const AFTER: u64 = 1_000;
/// Microseconds that an emulated machine may be late; on a busy host it is later, and often.
const SLACK: u64 = 30_000;
const TRIES: u32 = 8;

/// The call is answered by the partition itself, which was told, and the interrupt is there.
fn obeyed() -> Outcome {
    let mut late = 0;
    for _ in 0..TRIES {
        let before = let_in();
        let began = now();
        set_timer(AFTER);
        let request = [to(MANAGED), 0, test_sp::AWAIT, u64::from(MANAGED_EXIT), u64::MAX];
        let answer = ffa(f::DIRECT_REQ_64, &request);
        let took = now() - began;
        ensure!(
            answer.function() == f::DIRECT_RESP_64 && answer.x(4) == 1,
            "after {took} us: {:#x} {:#x} {:#x}",
            answer.x(0),
            answer.x(1),
            answer.x(4)
        );
        ensure!(let_in() > before, "no interrupt behind the call");
        late += u32::from(took > AFTER + MANAGED_LIMIT + SLACK);
    }
    ensure!(late <= TRIES - 2, "{late} of {TRIES} came late");
    alive(MANAGED)
}

/// T1: one that does not leave loses the core at its bound, not before, and goes on unharmed.
fn ignored() -> Outcome {
    let mut late = 0;
    for _ in 0..TRIES {
        let began = now();
        let answer = start(MANAGED, LONG, AFTER);
        let took = now() - began;
        interrupted(&answer, MANAGED)?;
        ensure!(took >= MANAGED_LIMIT, "{took} us: before the bound");
        late += u32::from(took > AFTER + MANAGED_LIMIT + SLACK);
        let changed = finish(answer)?;
        ensure!(changed == 0, "{changed} of the partition's registers changed");
    }
    ensure!(late <= TRIES - 2, "{late} of {TRIES} came late");
    alive(MANAGED)
}

/// The bound starts anew for each interrupt of the same call.
fn twice() -> Outcome {
    let mut answer = start(MANAGED, LONG, AFTER);
    for _ in 0..3 {
        interrupted(&answer, MANAGED)?;
        let_in();
        set_timer(AFTER);
        let began = now();
        answer = ffa(f::RUN, &[answer.x(1)]);
        let took = now() - began;
        let ended = answer.function() == f::DIRECT_RESP_64;
        ensure!(ended || took >= MANAGED_LIMIT, "{took} us: before the bound");
        if ended {
            break;
        }
    }
    let changed = finish(answer)?;
    ensure!(changed == 0, "{changed} registers changed");
    alive(MANAGED)
}

/// Nothing tells a partition to leave where nothing is pending.
fn none() -> Outcome {
    stop_timer();
    let_in();
    let request = [to(MANAGED), 0, test_sp::AWAIT, u64::from(MANAGED_EXIT), 100];
    let answer = ffa(f::DIRECT_REQ_64, &request);
    ensure!(
        answer.function() == f::DIRECT_RESP_64 && answer.x(4) == 0,
        "{:#x} {:#x}",
        answer.x(0),
        answer.x(4)
    );
    Ok(())
}
