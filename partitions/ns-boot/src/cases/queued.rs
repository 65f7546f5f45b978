//! Interrupts of the normal world that are queued while a partition runs (DEN0077A 1.2, section 9.3.1), for so long,
//! and along chains of calls.
use super::calls::{answer_inside, request_inside};
use super::preemption::{LONG, finish, interrupted, start};
use super::{Case, Outcome, alive, complete, ffa, isolation, to};
use crate::arch::machine::{let_in, now, set_timer, smc, stop_timer};
use crate::ensure;
use crate::test_sp;
use sp_rt::ffa as f;

/// These cases.
pub const CASES: &[Case] = &[
    isolation("queued-until-it-leaves", in_time),
    isolation("queued-no-longer-than-its-time", too_long),
    isolation("queued-each-time-anew", again),
    isolation("queued-caller-of-one-at-once", || {
        chain(QUEUED, AT_ONCE, QUEUED_LIMIT)
    }),
    isolation("queued-caller-of-a-managed-exit", || {
        chain(QUEUED, MANAGED, QUEUED_LIMIT)
    }),
    isolation("managed-exit-caller-of-one-at-once", || {
        chain(MANAGED, AT_ONCE, MANAGED_LIMIT)
    }),
    isolation("managed-exit-behind-its-callee", behind),
];

/// Preempted at once.
pub const AT_ONCE: u16 = 0x8002;
/// Told, and the microseconds that it then has.
pub const MANAGED: u16 = 0x8003;
/// See [`MANAGED`].
pub const MANAGED_LIMIT: u64 = 20_000;
/// Interrupts wait while it runs, for so many microseconds.
pub const QUEUED: u16 = 0x8004;
/// See [`QUEUED`].
pub const QUEUED_LIMIT: u64 = 10_000;

/// The timer of each try, in microseconds.
const AFTER: u64 = 1_000;
/// Steps that take a few milliseconds, less than [`QUEUED_LIMIT`] and more than [`AFTER`], where a step is one
/// instruction or two of 1 ns each.
const SHORT: u64 = 2_000_000;

/// It answers by itself, and the interrupt is there behind the answer.
fn in_time() -> Outcome {
    let before = let_in();
    let began = now();
    let answer = start(QUEUED, SHORT, AFTER);
    let took = now() - began;
    ensure!(
        answer.function() == f::DIRECT_RESP_64 && answer.x(4) == 0,
        "after {took} us: {:#x} {:#x}",
        answer.x(0),
        answer.x(4)
    );
    ensure!(took > AFTER, "{took} us: too short to mean anything");
    ensure!(let_in() > before, "no interrupt behind the call");
    stop_timer();
    alive(QUEUED)
}

/// T1: one that does not leave loses the core at its bound, not before, and goes on unharmed.
fn too_long() -> Outcome {
    let began = now();
    let answer = start(QUEUED, LONG, AFTER);
    let took = now() - began;
    interrupted(&answer, QUEUED)?;
    in_bound(took, QUEUED_LIMIT)?;
    let changed = finish(answer)?;
    ensure!(changed == 0, "{changed} of the partition's registers changed");
    alive(QUEUED)
}

/// Time is the number of instructions here.
fn in_bound(took: u64, limit: u64) -> Outcome {
    ensure!(
        (AFTER + limit..AFTER + limit + 1_000).contains(&took),
        "{took} us, with a bound of {limit} us"
    );
    Ok(())
}

/// The bound starts anew for each interrupt of the same call.
fn again() -> Outcome {
    let mut answer = start(QUEUED, LONG, AFTER);
    for _ in 0..3 {
        interrupted(&answer, QUEUED)?;
        let_in();
        set_timer(AFTER);
        let began = now();
        answer = ffa(f::RUN, &[answer.x(1)]);
        in_bound(now() - began, QUEUED_LIMIT)?;
    }
    let changed = finish(answer)?;
    ensure!(changed == 0, "{changed} registers changed");
    alive(QUEUED)
}

/// Has a partition call another one that does not leave.
fn chain(caller: u16, callee: u16, limit: u64) -> Outcome {
    let ids = to(caller) << 16 | to(callee);
    let began = now();
    set_timer(AFTER);
    let answer = smc(&request_inside(
        caller,
        f::DIRECT_REQ_64,
        &[ids, 0, test_sp::BUSY, LONG],
    ));
    let took = now() - began;
    stop_timer();
    let_in();
    interrupted(&answer, caller)?;
    in_bound(took, limit)?;
    let (answer, _) = complete(answer);
    let got = answer_inside(caller, &answer)?;
    ensure!(
        got.function() == f::DIRECT_RESP_64 && got.x(4) == 0,
        "{:#x}: {} registers changed",
        got.x(0),
        got.x(4)
    );
    alive(caller)?;
    alive(callee)
}

/// The callee takes no part in managed exits, and is not preempted: its caller has the answer, and may leave.
fn behind() -> Outcome {
    let ids = to(MANAGED) << 16 | to(AT_ONCE);
    let before = let_in();
    set_timer(AFTER);
    let answer = smc(&request_inside(
        MANAGED,
        f::DIRECT_REQ_64,
        &[ids, 0, test_sp::BUSY, SHORT],
    ));
    let came = let_in() > before;
    stop_timer();
    let got = answer_inside(MANAGED, &answer)?;
    ensure!(got.function() == f::DIRECT_RESP_64, "{:#x}", got.x(0));
    ensure!(came, "no interrupt behind the call");
    Ok(())
}
