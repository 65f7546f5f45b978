//! Partitions that fail and come back from their pristine images (R1): who is told what, and what is left of them.
use super::elsewhere::{on_core, wait_off};
use super::preemption::{LONG, interrupted_call};
use super::share::Descriptor;
use super::{
    A, B, Case, Outcome, VICTIM, alive, answer_inside, ask, bad, complete, ffa, inside_bad, isolation,
    reclaim, request_inside, to,
};
use crate::arch::machine::{Page, core_on, let_in, now, pause, set_timer, smc, stop_timer};
use crate::ensure;
use crate::test_sp::{self, forbidden};
use core::sync::atomic::{AtomicU64, Ordering};
use sp_rt::ffa::{self as f, Error};

/// These cases. `B` is restarted in most of the first ones, [`SPINS`] in others, [`VICTIM`] in one.
pub const CASES: &[Case] = &[
    isolation("restart-after-fault", after_fault),
    isolation("restart-is-pristine", pristine),
    isolation("restart-after-psci", turned_off),
    isolation("restart-keeps-what-was-shared", keeps_shares),
    isolation("restart-lets-owners-reclaim", owners_reclaim),
    isolation("restart-on-all-cores", all_cores),
    isolation("restart-ends-what-spins-elsewhere", spins_elsewhere),
    isolation("restart-waits-for-no-dead-call", stale),
    isolation("restart-takes-the-dead-out-of-a-chain", in_a_chain),
    isolation("restart-by-itself", by_itself),
    isolation("restart-of-a-core-that-went-off", core_off),
    isolation("restart-as-often-as-the-table-says", limited),
    isolation("budget-ends-what-spins", over_budget),
    isolation("budget-is-of-each-call", within_budget),
    isolation("budget-of-a-partition-s-callee", callee_over_budget),
];

/// A call to this one may take 100 ms.
const SPINS: u16 = 0x8004;
/// PSCI functions (DEN0022).
const SYSTEM_OFF: u64 = 0x8400_0008;
const SYSTEM_RESET2: u64 = 0xc400_0012;
/// How long a restart may take here, rest included, in microseconds.
const LIMIT: u64 = 3_000_000;
static PAGE: Page = Page::new();

/// Makes a partition fail; its caller is told.
fn fail(target: u16) -> Outcome {
    bad(
        f::DIRECT_REQ_64,
        &[to(target), 0, test_sp::READ, 0x0e10_0000],
        Error::ABORTED,
    )
}

/// Calls a partition until it is back, and a peer between any two calls of that.
pub fn back(target: u16) -> Outcome {
    let deadline = now() + LIMIT;
    loop {
        let mut answer = ffa(f::DIRECT_REQ_64, &[to(target), 0, test_sp::ECHO, 1, 2, 3, 4]);
        while matches!(answer.function(), f::INTERRUPT | f::YIELD) {
            let_in();
            alive(A)?;
            ensure!(now() < deadline, "it does not come back");
            answer = ffa(f::RUN, &[answer.x(1)]);
        }
        if answer.function() == f::DIRECT_RESP_64 {
            ensure!(answer.x(4) == 1 && answer.x(7) == 4, "{:#x}", answer.x(4));
            return alive(target);
        }
        // While it rests.
        let told = answer.success().err();
        ensure!(told == Some(Error::ABORTED), "{told:?}");
        ensure!(now() < deadline, "it does not come back");
        pause();
    }
}

fn after_fault() -> Outcome {
    fail(B)?;
    alive(A)?;
    back(B)
}

/// Nothing of the last instance is in its memory, and FFA_ABORT leads there as a fault does.
fn pristine() -> Outcome {
    let [_, _, pool, _] = ask(B, test_sp::PLACES, [0; 4])?;
    ask(B, test_sp::WRITE, [pool, 0x5ec2e7, 0, 0])?;
    let [.., messages, _] = ask(B, test_sp::IDENTITY, [0; 4])?;
    ensure!(messages > 2, "{messages} messages");
    bad(
        f::DIRECT_REQ_64,
        &[to(B), 0, test_sp::CALL, u64::from(f::ABORT)],
        Error::ABORTED,
    )?;
    back(B)?;
    let [_, _, again, _] = ask(B, test_sp::PLACES, [0; 4])?;
    let [left, ..] = ask(B, test_sp::READ, [pool, 0, 0, 0])?;
    let [own, context, messages, _] = ask(B, test_sp::IDENTITY, [0; 4])?;
    ensure!(again == pool && left == 0, "{again:#x}, {left:#x} is left");
    // Two commands, and this one; echoes do not count.
    ensure!(
        (own, context, messages) == (to(B), 0, 3),
        "{own:#x} {context} {messages}"
    );
    Ok(())
}

/// PSCI's ends of a machine are those of the partition that calls them, by SMC as by FFA_ABORT, and of nothing else.
fn turned_off() -> Outcome {
    for function in [SYSTEM_OFF, SYSTEM_RESET2] {
        bad(
            f::DIRECT_REQ_64,
            &[to(SPINS), 0, test_sp::CALL, function],
            Error::ABORTED,
        )?;
        alive(A)?;
        back(SPINS)?;
    }
    Ok(())
}

/// What the normal world has shared stays valid: the next instance retrieves it as the last one did.
fn keeps_shares() -> Outcome {
    let handle = shared()?;
    ask(B, test_sp::RETRIEVE, [handle, 0, 0, 0])?;
    fail(B)?;
    back(B)?;
    let [.., pages, _] = ask(B, test_sp::RETRIEVE, [handle, 0, 0, 0])?;
    ensure!(pages == 1, "{pages} pages");
    ask(B, test_sp::RELINQUISH, [handle, 0, 0, 0])?;
    reclaim(handle)
}

fn owners_reclaim() -> Outcome {
    let handle = shared()?;
    ask(B, test_sp::RETRIEVE, [handle, 0, 0, 0])?;
    fail(B)?;
    reclaim(handle)?;
    back(B)
}

fn shared() -> Outcome<u64> {
    Descriptor::new(B, [(PAGE.address(), 1)].into_iter()).share()
}

static DONE: AtomicU64 = AtomicU64::new(0);

/// Contexts start anew each on its own core.
fn all_cores() -> Outcome {
    fail(B)?;
    back(B)?;
    for core in 1..4 {
        DONE.store(0, Ordering::Release);
        on_core(core, |core| {
            let (answer, _) = complete(ffa(f::DIRECT_REQ_64, &[to(B), 0, test_sp::IDENTITY]));
            let right = answer.function() == f::DIRECT_RESP_64 && answer.x(5) == core as u64;
            DONE.store(u64::from(right) + 1, Ordering::Release);
        })?;
        ensure!(DONE.load(Ordering::Acquire) == 2, "core {core} got no answer");
    }
    Ok(())
}

/// T1: who waits on another core for a context that spins is told at once.
fn spins_elsewhere() -> Outcome {
    DONE.store(0, Ordering::Release);
    let spin = |_| {
        DONE.store(1, Ordering::Release);
        let answer = ffa(f::DIRECT_REQ_64, &[to(B), 0, test_sp::FORBIDDEN, forbidden::HANG]);
        let told = answer.success().err() == Some(Error::ABORTED);
        DONE.store(2 + u64::from(told), Ordering::Release);
    };
    ensure!(core_on(1, spin), "core 1 does not start");
    let begun = now();
    while DONE.load(Ordering::Acquire) == 0 || now() < begun + 50_000 {
        ensure!(now() < begun + LIMIT, "core 1 does not start");
    }
    ensure!(DONE.load(Ordering::Acquire) == 1, "it does not spin");
    let failed = now();
    fail(B)?;
    while DONE.load(Ordering::Acquire) == 1 {
        ensure!(now() < failed + 1_000_000, "core 1 is not told");
    }
    let told = DONE.load(Ordering::Acquire);
    wait_off(1)?;
    ensure!(told == 3, "core 1 is told something else");
    back(B)
}

/// A call that died while it was preempted is told so when its caller comes, once, and reaches no later instance: which
/// is there meanwhile, and works for others on the same core.
fn stale() -> Outcome {
    let name = interrupted_call(B, test_sp::BUSY, [LONG, 0, 0, 0])?;
    fail_elsewhere(B)?;
    back(B)?;
    let again = interrupted_call(B, test_sp::BUSY, [LONG / 10, 0, 0, 0])?;
    ensure!(again != name, "two calls have one name");
    bad(f::RUN, &[name], Error::ABORTED)?;
    let (answer, _) = complete(ffa(f::RUN, &[again]));
    let right = answer.function() == f::DIRECT_RESP_64 && answer.x(4) == 0;
    ensure!(right, "{:#x} {:#x}", answer.x(0), answer.x(4));
    alive(B)
}

/// A partition waits for another one, in a call that the normal world does not resume: what it waited for is restarted
/// all the same, and it goes on with ABORTED.
fn in_a_chain() -> Outcome {
    let request = [to(A) << 16 | to(SPINS), 0, test_sp::BUSY, LONG];
    set_timer(2_000);
    let left = smc(&request_inside(A, f::DIRECT_REQ_64, &request));
    stop_timer();
    let_in();
    ensure!(left.function() == f::INTERRUPT, "{:#x}", left.x(0));
    fail_elsewhere(SPINS)?;
    // A waits on this core still.
    let begun = now();
    while now() < begun + LIMIT / 3 {
        pause();
    }
    alive_at_once(SPINS)?;
    let (answer, _) = complete(ffa(f::RUN, &[left.x(1)]));
    let told = answer_inside(A, &answer)?.success().err();
    ensure!(told == Some(Error::ABORTED), "{told:?}");
    alive(A)
}

/// A partition fails on core 1, which goes off then.
fn fail_elsewhere(target: u16) -> Outcome {
    DONE.store(u64::from(target), Ordering::Release);
    on_core(1, |_| {
        let told = fail(DONE.load(Ordering::Acquire) as u16).is_ok();
        DONE.store(u64::from(told), Ordering::Release);
    })?;
    ensure!(DONE.load(Ordering::Acquire) == 1, "core 1 is told something else");
    Ok(())
}

/// The core that was to restart it is off: another one does.
fn core_off() -> Outcome {
    fail_elsewhere(SPINS)?;
    left_alone()?;
    alive_at_once(SPINS)
}

/// Nobody calls what has failed, for as long as a restart may take.
fn left_alone() -> Outcome {
    let begun = now();
    while now() < begun + LIMIT / 3 {
        alive(A)?;
        pause();
    }
    Ok(())
}

/// A partition is there: it answers without a wait.
fn alive_at_once(target: u16) -> Outcome {
    let first = ffa(f::DIRECT_REQ_64, &[to(target), 0, test_sp::ECHO]);
    let right = first.function() == f::DIRECT_RESP_64;
    ensure!(right, "{:#x} {:#x}", first.x(0), first.x(2));
    Ok(())
}

/// Nobody calls it: it is back all the same, on the time of the secure timer.
fn by_itself() -> Outcome {
    fail(B)?;
    left_alone()?;
    alive_at_once(B)
}

/// T1: one that spins with everything masked, on a core that no interrupt of the normal world disturbs, and one that
/// does so while the normal world resumes it again and again.
fn over_budget() -> Outcome {
    for interrupted in [false, true] {
        let begun = now();
        if interrupted {
            set_timer(1_000);
        }
        let hang = [to(SPINS), 0, test_sp::FORBIDDEN, forbidden::HANG];
        let mut answer = ffa(f::DIRECT_REQ_64, &hang);
        while answer.function() == f::INTERRUPT {
            let_in();
            alive(A)?;
            set_timer(1_000);
            answer = ffa(f::RUN, &[answer.x(1)]);
        }
        stop_timer();
        let_in();
        let told = answer.success().err();
        ensure!(told == Some(Error::ABORTED), "{told:?} {:#x}", answer.x(0));
        ensure!(now() - begun >= 100_000, "it had {} us", now() - begun);
        back(SPINS)?;
    }
    Ok(())
}

/// T1: the same of a partition that another one calls, which goes on with ABORTED.
fn callee_over_budget() -> Outcome {
    let begun = now();
    let hang = [to(A) << 16 | to(SPINS), 0, test_sp::FORBIDDEN, forbidden::HANG];
    inside_bad(A, f::DIRECT_REQ_64, &hang, Error::ABORTED)?;
    let took = now() - begun;
    ensure!((100_000..1_000_000).contains(&took), "it had {took} us");
    alive(A)?;
    back(SPINS)
}

fn within_budget() -> Outcome {
    let begun = now();
    while now() < begun + 300_000 {
        alive(SPINS)?;
    }
    Ok(())
}

fn limited() -> Outcome {
    for _ in 0..2 {
        fail(VICTIM)?;
        back(VICTIM)?;
    }
    fail(VICTIM)?;
    let begun = now();
    while now() < begun + 200_000 {
        bad(f::DIRECT_REQ_64, &[to(VICTIM), 0, test_sp::ECHO], Error::ABORTED)?;
    }
    alive(A)?;
    alive(B)
}
