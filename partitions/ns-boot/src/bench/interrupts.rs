//! Interrupts: how long until the handler of a secure one runs, whatever has the core when it comes; and what
//! preemption by the normal world's costs.
use super::{call, report, smallest};
use crate::arch::clock::ticks;
use crate::arch::machine::{counter, let_in, now, set_timer, sleep_until, stop_timer};
use crate::cases::gic::{LOOKS, VIRTUAL, set_register, start};
use crate::cases::preemption::{finish, interrupted};
use crate::cases::{A, B, Outcome, ask, ffa, to};
use crate::ensure;
use crate::test_sp::{BUSY, GIC_TAKEN, GIC_WAIT, REGISTER_READ};
use sp_rt::ffa as f;

/// The partition that drives a GIC, in the system that has one.
const OWNER: u16 = 0x8003;
/// Whether this is that system.
const HAS_OWNER: bool = match option_env!("BULKHEAD_SYSTEM") {
    Some(name) => matches!(name.as_bytes(), b"bench-three"),
    None => false,
};

/// Microseconds until the interrupt comes, and steps that take longer.
const MICROSECONDS: u64 = 200;
const STEPS: u64 = 200_000;

/// Registers of `sp_rt::gic`.
const CONTROL: u64 = 8;
const VALUE: u64 = 9;
const COMPARE: u64 = 10;

/// A request that is preempted at its first instruction, and its resumption, which is preempted as well: an
/// interrupt of the normal world is pending all the time.
pub fn preemption() -> Outcome {
    let least = smallest(|| {
        set_timer(0);
        let before = ticks();
        let answer = ffa(f::DIRECT_REQ_64, &[to(A), 0, BUSY, 1]);
        let took = ticks() - before;
        interrupted(&answer, A)?;
        finish(answer)?;
        Ok(took)
    })?;
    report(format_args!("preempt"), least, 1);
    set_timer(0);
    let answer = ffa(f::DIRECT_REQ_64, &[to(A), 0, BUSY, 1]);
    interrupted(&answer, A)?;
    call("resume-preempt", f::INTERRUPT, f::RUN, &[answer.x(1)])?;
    finish(answer)?;
    stop_timer();
    let_in();
    Ok(())
}

/// From the moment at which a partition's timer goes off to the first step of its handler behind the vector.
pub fn latency() -> Outcome {
    if !HAS_OWNER {
        return Ok(());
    }
    start(OWNER)?;
    late("interrupt-owner", || {
        let [came, ..] = ask(OWNER, GIC_WAIT, [VIRTUAL, LOOKS, 0, 0])?;
        ensure!(came == 1, "it did not come");
        Ok(())
    })?;
    late("interrupt-peer", || {
        ask(B, BUSY, [STEPS, 0, 0, 0])?;
        Ok(())
    })?;
    late("interrupt-normal", || {
        let until = now() + 2 * MICROSECONDS;
        while now() < until {}
        Ok(())
    })?;
    late("interrupt-idle", || {
        set_timer(2 * MICROSECONDS);
        sleep_until(now() + 2 * MICROSECONDS);
        Ok(())
    })
}

/// Has the owner's timer go off while `meanwhile` runs.
fn late(operation: &str, meanwhile: impl Fn() -> Outcome) -> Outcome {
    let least = smallest(|| {
        let [before, ..] = ask(OWNER, GIC_TAKEN, [VIRTUAL, 0, 0, 0])?;
        set_register(OWNER, VALUE, counter().1 * MICROSECONDS / 1_000_000)?;
        let [due, ..] = ask(OWNER, REGISTER_READ, [COMPARE, 0, 0, 0])?;
        set_register(OWNER, CONTROL, 1)?;
        meanwhile()?;
        let [times, when, ..] = ask(OWNER, GIC_TAKEN, [VIRTUAL, 0, 0, 0])?;
        ensure!(
            times == before + 1 && when >= due,
            "{operation}: taken {times} times, {before} before, at {when}, due at {due}"
        );
        Ok(when - due)
    })?;
    report(format_args!("{operation}"), least, 1);
    Ok(())
}
