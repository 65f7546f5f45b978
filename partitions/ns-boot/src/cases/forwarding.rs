//! Calls from cores that a partition does not list, and what it hears of its cores (DEN0077A 1.2, sections 4.7 and
//! 18.2).
use super::preemption::{LONG, finish, interrupted, start};
use super::{Case, Outcome, alive, ask, clause, ffa, right, send, to};
use crate::arch::machine::{CORES, core_is_off, core_on, let_in, now, pause, set_timer, stop_timer};
use crate::ensure;
use crate::test_sp;
use core::sync::atomic::{AtomicU64, Ordering};
use sp_rt::ffa as f;
use sp_rt::ffa::interrupt_call::MANAGED_EXIT;

/// These cases.
pub const CASES: &[Case] = &[
    right(
        "call-from-a-core-not-listed",
        &[f::DIRECT_REQ_64, f::INTERRUPT, f::RUN],
        clause::CONTEXTS,
        from_elsewhere,
    ),
    right(
        "call-in-each-form-from-a-core-not-listed",
        &[f::DIRECT_REQ_32, f::DIRECT_REQ2, f::RUN],
        clause::CONTEXTS,
        each_form,
    ),
    right(
        "calls-from-all-cores-at-once-to-two",
        &[f::DIRECT_REQ_64, f::RUN],
        clause::CONTEXTS,
        all_call,
    ),
    right(
        "calls-while-listed-cores-are-busy",
        &[f::DIRECT_REQ_64, f::RUN],
        clause::CONTEXTS,
        while_busy,
    ),
    right(
        "long-call-from-a-core-not-listed",
        &[f::DIRECT_REQ_64, f::INTERRUPT, f::RUN],
        clause::INTERRUPT,
        long_call,
    ),
    right(
        "managed-exit-on-another-core",
        &[f::DIRECT_REQ_64, f::RUN],
        clause::MANAGED_EXIT,
        managed,
    ),
    right(
        "resume-on-a-core-not-listed",
        &[f::INTERRUPT, f::RUN],
        clause::RUN,
        resume_elsewhere,
    ),
    right("core-off-is-told", &[f::DIRECT_REQ_32], clause::POWER, off_and_on),
    right(
        "core-off-is-told-in-time",
        &[f::DIRECT_REQ_32],
        clause::POWER,
        hangs,
    ),
];

/// The partitions of the table: see there.
const CARRIED: u16 = 0x8001;
const MANAGED: u16 = 0x8002;
const LISTENER: u16 = 0x8003;

/// What the cores have seen: a result for each, and how often they had to come again.
static RESULT: [AtomicU64; CORES] = [const { AtomicU64::new(0) }; CORES];
static AGAIN: [AtomicU64; CORES] = [const { AtomicU64::new(0) }; CORES];
/// What a core needs for its work.
static NEEDED: AtomicU64 = AtomicU64::new(0);

fn result(core: usize) -> u64 {
    RESULT[core].load(Ordering::Acquire)
}

/// Has cores do something.
fn begin(cores: &[usize], work: fn(usize)) -> Outcome {
    for core in cores {
        RESULT[*core].store(0, Ordering::Release);
        ensure!(core_on(*core, work), "core {core} does not start");
    }
    Ok(())
}

/// Lets this core's interrupts in, and does nothing else, until the others are off.
fn wait(cores: &[usize]) -> Outcome {
    let deadline = now() + 60_000_000;
    for core in cores {
        while !core_is_off(*core) {
            let_in();
            pause();
            ensure!(now() < deadline, "core {core} is not done");
        }
    }
    Ok(())
}

fn have(cores: &[usize], work: fn(usize)) -> Outcome {
    begin(cores, work)?;
    wait(cores)
}

/// A call from cores 2 and 3 is answered by a context of core 0, and its caller had to come again.
fn from_elsewhere() -> Outcome {
    for core in [2, 3] {
        have(&[core], |core| {
            let (answer, times) = send(CARRIED, test_sp::IDENTITY, [0; 4]);
            let right = answer.function() == f::DIRECT_RESP_64 && answer.x(4) == u64::from(CARRIED);
            AGAIN[core].store(times, Ordering::Release);
            RESULT[core].store(u64::from(right) | answer.x(5) << 8, Ordering::Release);
        })?;
        let (result, again) = (result(core), AGAIN[core].load(Ordering::Acquire));
        ensure!(
            result == 1 && again > 0,
            "core {core}: {result:#x}, {again} times"
        );
    }
    alive(CARRIED)
}

/// FFA_MSG_SEND_DIRECT_REQ in the 32-bit form, and FFA_MSG_SEND_DIRECT_REQ2 with all its registers.
fn each_form() -> Outcome {
    have(&[3], |core| {
        let mut answer = ffa(f::DIRECT_REQ_32, &[to(CARRIED), 0, 3, 4, 5, 6, 7]);
        while matches!(answer.function(), f::INTERRUPT | f::YIELD) {
            pause();
            answer = ffa(f::RUN, &[answer.x(1)]);
        }
        let short = answer.function() == f::DIRECT_RESP_32 && answer.0[3..8] == [3, 4, 5, 6, 7];
        AGAIN[core].store(answer.x(0) << 32 | u64::from(answer.w(2)), Ordering::Release);
        let words: [u64; 17] = core::array::from_fn(|n| if n == 0 { to(CARRIED) } else { n as u64 });
        let mut words = words;
        words[1..3].fill(0);
        let mut answer = ffa(f::DIRECT_REQ2, &words);
        while matches!(answer.function(), f::INTERRUPT | f::YIELD) {
            pause();
            answer = ffa(f::RUN, &[answer.x(1)]);
        }
        let long = answer.function() == f::DIRECT_RESP2 && answer.0[4..] == words[3..];
        RESULT[core].store(u64::from(short) | u64::from(long) << 1, Ordering::Release);
    })?;
    ensure!(
        result(3) == 3,
        "{:#x}, the short one {:#x}",
        result(3),
        AGAIN[3].load(Ordering::Acquire)
    );
    Ok(())
}

/// Calls of a core to both partitions; the wrong answers.
fn call_many(core: usize) {
    for n in 0..20 {
        for target in [CARRIED, MANAGED] {
            let words = [core as u64, n, u64::from(target), !n];
            let (answer, _) = send(target, test_sp::ECHO, words);
            let good = answer.function() == f::DIRECT_RESP_64 && answer.0[4..8] == words;
            RESULT[core].fetch_add(u64::from(!good), Ordering::AcqRel);
        }
    }
}

/// C1, C4: all cores at once, also those that the partitions list.
fn all_call() -> Outcome {
    RESULT[0].store(0, Ordering::Release);
    begin(&[1, 2, 3], call_many)?;
    call_many(0);
    wait(&[1, 2, 3])?;
    for core in 0..CORES {
        ensure!(result(core) == 0, "core {core}: {} wrong answers", result(core));
    }
    Ok(())
}

/// Stays on, for others' calls too, until core 2 is done.
fn stay(core: usize) {
    call_many(core);
    while !core_is_off(2) {
        let_in();
        pause();
    }
}

/// The context of core 0 is preempted in the middle of a call, and core 0 calls the other partition again and
/// again, while core 2 calls both.
fn while_busy() -> Outcome {
    let answer = start(CARRIED, LONG, 2_000);
    interrupted(&answer, CARRIED)?;
    stop_timer();
    begin(&[2], call_many)?;
    begin(&[1], stay)?;
    let deadline = now() + 60_000_000;
    while !(core_is_off(1) && core_is_off(2)) {
        let_in();
        pause();
        alive(MANAGED)?;
        ensure!(now() < deadline, "cores are not done");
    }
    let changed = finish(answer)?;
    ensure!(changed == 0, "{changed} registers changed");
    let wrong = result(1) + result(2);
    ensure!(wrong == 0, "{wrong} wrong answers");
    Ok(())
}

fn call_long(core: usize) {
    let (answer, times) = send(CARRIED, test_sp::BUSY, [LONG, 0, 0, 0]);
    AGAIN[core].store(times, Ordering::Release);
    let wrong = answer.function() != f::DIRECT_RESP_64;
    RESULT[core].store(u64::from(wrong) << 32 | answer.x(4), Ordering::Release);
}

/// T1: the core that works at it takes its own interrupts in between, and the answer is right. Its registers are
/// those that the normal world left in them. (An emulated machine's timer is late itself, on a busy host often.)
fn long_call() -> Outcome {
    begin(&[3], call_long)?;
    let (mut late, mut ticks, deadline) = (0, 0, now() + 60_000_000);
    while !core_is_off(3) {
        let (began, before) = (now(), let_in());
        set_timer(1_000);
        while let_in() == before {
            pause();
            ensure!(now() < deadline, "no interrupt, or core 3 is not done");
        }
        ticks += 1;
        late += u32::from(now() - began > 20_000);
    }
    stop_timer();
    let result = result(3);
    ensure!(result == 0, "{result:#x} registers changed");
    ensure!(
        ticks > 5 && late * 2 <= ticks,
        "{late} of {ticks} interrupts came late"
    );
    Ok(())
}

/// A partition that is told of the core's interrupt leaves by its answer, which its caller gets.
fn managed() -> Outcome {
    begin(&[3], |core| {
        // It looks for a while only: a call that comes where core 0 has its timer off, between two interrupts,
        // is not told of any.
        let arguments = [u64::from(MANAGED_EXIT), 200_000, 0, 0];
        let right = (0..20).any(|_| {
            let (answer, _) = send(MANAGED, test_sp::AWAIT, arguments);
            answer.function() == f::DIRECT_RESP_64 && answer.x(4) == 1
        });
        RESULT[core].store(u64::from(right), Ordering::Release);
    })?;
    let deadline = now() + 60_000_000;
    while !core_is_off(3) {
        let before = let_in();
        set_timer(1_000);
        while let_in() == before && !core_is_off(3) {
            pause();
            ensure!(now() < deadline, "core 3 is not done");
        }
    }
    stop_timer();
    ensure!(result(3) == 1, "not told");
    alive(MANAGED)
}

/// A call that began on a listed core goes on though its caller has moved to one that is not.
fn resume_elsewhere() -> Outcome {
    let answer = start(CARRIED, LONG, 2_000);
    interrupted(&answer, CARRIED)?;
    stop_timer();
    let_in();
    NEEDED.store(answer.x(1), Ordering::Release);
    have(&[2], |core| {
        let mut answer = ffa(f::RUN, &[NEEDED.load(Ordering::Acquire)]);
        while matches!(answer.function(), f::INTERRUPT | f::YIELD) {
            pause();
            answer = ffa(f::RUN, &[answer.x(1)]);
        }
        let wrong = answer.function() != f::DIRECT_RESP_64;
        AGAIN[core].store(answer.x(0) << 32 | u64::from(answer.w(2)), Ordering::Release);
        RESULT[core].store(u64::from(wrong) << 32 | answer.x(4), Ordering::Release);
    })?;
    ensure!(
        result(2) == 0,
        "{:#x} registers changed, the answer {:#x}",
        result(2),
        AGAIN[2].load(Ordering::Acquire)
    );
    alive(CARRIED)
}

/// What the listener's context of a core was told last, and what it will do next time.
fn told(core: usize, steps: u64) -> Outcome<[u64; 4]> {
    ask(LISTENER, test_sp::POWER, [steps, core as u64, 0, 0])
}

fn nothing(_core: usize) {}

/// A core that goes off, and comes back: the context that is pinned to it hears of both.
fn off_and_on() -> Outcome {
    have(&[3], nothing)?;
    let first = told(3, 0)?;
    ensure!(first[..2] == [0, 0x8400_0002], "off: {first:x?}");
    have(&[3], |core| {
        if let Ok([kind, value, times, _]) = told(core, 0) {
            RESULT[core].store(times << 16 | kind << 8 | value, Ordering::Release);
        }
    })?;
    let on = first[2] + 1;
    ensure!(result(3) == on << 16 | 1 << 8 | 1, "on: {:#x}", result(3));
    let last = told(3, 0)?;
    ensure!(last == [0, 0x8400_0002, on + 1, on + 1], "off: {last:x?}");
    Ok(())
}

/// T1: a core is not kept on by a partition that takes its time; what it does then reaches nobody, and it is as
/// good as before.
fn hangs() -> Outcome {
    have(&[2], nothing)?;
    let [_, _, times, answered] = told(2, LONG)?;
    ensure!(times == answered, "{answered} of {times} answered");
    have(&[2], nothing)?;
    // It was told that the core is back, which took so long that it lost the core; and not that it went off then.
    let [kind, _, more, answered] = told(2, 0)?;
    ensure!(
        kind == 1 && more == times + 1 && answered == times,
        "type {kind}, {more} times, {answered} answered"
    );
    have(&[2], |core| {
        let (answer, _) = send(LISTENER, test_sp::ECHO, [1, 2, 3, 4]);
        let good = answer.function() == f::DIRECT_RESP_64 && answer.0[4..8] == [1, 2, 3, 4];
        RESULT[core].store(u64::from(good), Ordering::Release);
    })?;
    ensure!(result(2) == 1, "it does not answer any more");
    let [_, _, times, answered] = told(2, 0)?;
    ensure!(times == answered, "{answered} of {times} answered");
    Ok(())
}
