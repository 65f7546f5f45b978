//! Partitions that fail and come back from their pristine images (R1): who is told what, and what is left of them.
use super::elsewhere::{on_core, wait_off};
use super::preemption::{LONG, start};
use super::share::Descriptor;
use super::{A, B, Case, Outcome, VICTIM, alive, ask, bad, complete, ffa, isolation, reclaim, to};
use crate::arch::machine::{Page, core_on, let_in, now, pause, set_timer, stop_timer};
use crate::ensure;
use crate::test_sp::{self, forbidden};
use core::sync::atomic::{AtomicU64, Ordering};
use sp_rt::ffa::{self as f, Error};

/// These cases. `B` is restarted in each of the first ones, [`VICTIM`] in the last one.
pub const CASES: &[Case] = &[
    isolation("restart-after-fault", after_fault),
    isolation("restart-is-pristine", pristine),
    isolation("restart-keeps-what-was-shared", keeps_shares),
    isolation("restart-lets-owners-reclaim", owners_reclaim),
    isolation("restart-on-all-cores", all_cores),
    isolation("restart-ends-what-spins-elsewhere", spins_elsewhere),
    isolation("restart-after-every-dead-call-is-told", stale),
    isolation("restart-by-itself", by_itself),
    isolation("restart-as-often-as-the-table-says", limited),
    isolation("budget-ends-what-spins", over_budget),
    isolation("budget-is-of-each-call", within_budget),
];

/// A call to this one may take 100 ms.
const SPINS: u16 = 0x8004;
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

/// A call that died while it was preempted is told so, once, and reaches no later instance.
fn stale() -> Outcome {
    let old = start(B, LONG, 2_000);
    stop_timer();
    let_in();
    ensure!(old.function() == f::INTERRUPT, "{:#x}", old.x(0));
    let name = old.x(1);
    on_core(1, |_| {
        let told = fail(B).is_ok();
        DONE.store(u64::from(told), Ordering::Release);
    })?;
    ensure!(DONE.load(Ordering::Acquire) == 1, "core 1 is told something else");
    // The restart waits for this.
    let begun = now();
    while now() < begun + 20_000 {
        pause();
    }
    bad(f::RUN, &[name], Error::ABORTED)?;
    back(B)?;
    alive(B)
}

/// Nobody calls it: it is back all the same, on the time of the secure timer.
fn by_itself() -> Outcome {
    fail(B)?;
    let begun = now();
    while now() < begun + LIMIT / 3 {
        alive(A)?;
        pause();
    }
    let first = ffa(f::DIRECT_REQ_64, &[to(B), 0, test_sp::ECHO]);
    ensure!(
        first.function() == f::DIRECT_RESP_64,
        "{:#x} {:#x}",
        first.x(0),
        first.x(2)
    );
    Ok(())
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
