//! A core that is a partition's own: handed over, reached by notifications, never given back (DEN0077A 1.2, section
//! 14.3 for FFA_RUN).
use super::notifications::with_bitmap;
use super::{Case, Outcome, alive, ask, bad, ffa, good, isolation, send, to};
use crate::arch::machine::{core_is_off, core_on, now, pause, smc};
use crate::ensure;
use crate::test_sp::{self, wish};
use core::sync::atomic::{AtomicU64, Ordering};
use sp_rt::ffa::{self as f, Error, Regs};

/// The partition, and the core that is its own.
const OWN: u16 = 0x8010;
const CORE: usize = 3;
/// The one that has the other cores.
const WORKER: u16 = 0x8001;

/// What the core has come to: that it hands itself over, and what FFA_RUN answered if it ever came back.
static HANDED: AtomicU64 = AtomicU64::new(0);
static CAME_BACK: AtomicU64 = AtomicU64::new(0);
/// Whether the other cores go on working, and how often they were answered wrongly.
static WORK: AtomicU64 = AtomicU64::new(0);
static WRONG: AtomicU64 = AtomicU64::new(0);

/// These cases. Those of FFA_RUN on a core that is no partition's own are among the ones of FF-A.
pub const CASES: &[Case] = &[
    isolation("own-core-is-not-run-while-it-is-off", || {
        bad(f::RUN, &[to(OWN) << 16], Error::DENIED)
    }),
    isolation("own-core-takes-no-requests", || {
        bad(f::DIRECT_REQ_64, &[to(OWN)], Error::DENIED)
    }),
    isolation("own-core-is-handed-over", hand_over),
    isolation("own-core-never-comes-back", never_back),
    isolation("own-core-hears-notifications", || {
        with_bitmap(|| asked(wish::ECHO, 2_000_000))
    }),
    isolation("own-core-is-not-scheduled", || {
        with_bitmap(|| {
            asked(wish::ECHO, 2_000_000)?;
            let told = ffa(f::NOTIFICATION_INFO_GET_64, &[]);
            let named = told
                .success()
                .is_ok_and(|told| (3..18).any(|n| told.x(n) & 0xffff == to(OWN)));
            ensure!(!named, "the normal world is to give it cycles");
            Ok(())
        })
    }),
    isolation("own-core-keeps-its-period-under-load", || {
        with_bitmap(|| keeps_its_period([work, work]))
    }),
    // One storm at a time: where the cores take turns, two of them stop each other at locks for whole turns.
    isolation("own-core-keeps-its-period-in-a-storm-of-the-normal-world", || {
        with_bitmap(|| keeps_its_period([storm_of_the_normal_world, work]))
    }),
    isolation("own-core-keeps-its-period-in-a-storm-of-a-peer", || {
        with_bitmap(|| keeps_its_period([work, storm_of_a_peer]))
    }),
    isolation("own-core-is-restarted-on-itself", || with_bitmap(restarted)),
    isolation("own-core-still-answers", || {
        with_bitmap(|| asked(wish::ECHO, 2_000_000))?;
        alive(WORKER)
    }),
];

fn hand_over() -> Outcome {
    let started = core_on(CORE, |_| {
        HANDED.store(1, Ordering::Release);
        let answer = ffa(f::RUN, &[to(OWN) << 16]);
        CAME_BACK.store(answer.x(0) | 1, Ordering::Release);
    });
    ensure!(started, "the core does not start");
    wait_until(10_000_000, || HANDED.load(Ordering::Acquire) == 1)?;
    wait(5_000);
    let back = CAME_BACK.load(Ordering::Acquire);
    ensure!(back == 0, "it came back with {back:#x}");
    Ok(())
}

/// Neither FFA_RUN nor PSCI gives the normal world the core, or the partition another one; and the system is not suspended,
/// which firmware that offers it denies while another core is on (DEN0022, SYSTEM_SUSPEND).
fn never_back() -> Outcome {
    const CPU_ON: u32 = 0xc400_0003;
    const SYSTEM_SUSPEND: u32 = 0xc400_000e;
    const NOT_SUPPORTED: u64 = -1_i64 as u64;
    const DENIED: u64 = -3_i64 as u64;
    const ALREADY_ON: u64 = -4_i64 as u64;
    bad(f::RUN, &[to(OWN) << 16], Error::DENIED)?;
    let on = smc(&Regs::new(CPU_ON, &[CORE as u64, 0x6000_0000, 0])).x(0);
    ensure!(on == ALREADY_ON, "CPU_ON: {on:#x}");
    let suspended = smc(&Regs::new(SYSTEM_SUSPEND, &[0x6000_0000, 0])).x(0);
    ensure!(
        [DENIED, NOT_SUPPORTED].contains(&suspended),
        "SYSTEM_SUSPEND: {suspended:#x}"
    );
    let back = CAME_BACK.load(Ordering::Acquire);
    ensure!(!core_is_off(CORE) && back == 0, "{back:#x}");
    Ok(())
}

/// A wish is answered by the same notification within so many microseconds. With the normal world's bitmap.
fn asked(wish: u64, limit: u64) -> Outcome {
    let ends = to(OWN) << 16;
    good(f::NOTIFICATION_BIND, &[ends, 0, wish::ALL | wish::LATE])?;
    let result = good(f::NOTIFICATION_SET, &[to(OWN), 0, wish]).and_then(|_| answered(wish, limit));
    good(f::NOTIFICATION_UNBIND, &[ends, 0, wish::ALL | wish::LATE])?;
    result
}

fn answered(wish: u64, limit: u64) -> Outcome {
    const FROM_PARTITIONS: u64 = 1;
    let mut got = 0;
    wait_until(limit, || {
        got = ffa(f::NOTIFICATION_GET, &[0, FROM_PARTITIONS]).x(2);
        got != 0
    })?;
    ensure!(got == wish, "{got:#x} instead of {wish:#x}");
    Ok(())
}

/// One that gives up comes back on its core, which the normal world does not get meanwhile.
fn restarted() -> Outcome {
    good(f::NOTIFICATION_SET, &[to(OWN), 0, wish::FAIL])?;
    let mut before = 0;
    wait_until(10_000_000, || {
        let set = ffa(f::NOTIFICATION_SET, &[to(OWN), 0, wish::ECHO]);
        before += u64::from(set.success().is_err());
        before > 0 && asked(wish::ECHO, 100_000).is_ok()
    })?;
    let back = CAME_BACK.load(Ordering::Acquire);
    ensure!(back == 0, "the normal world has it with {back:#x}");
    alive(WORKER)
}

/// The period is kept, none of it later than its half, while two other cores work.
fn keeps_its_period(work: [fn(usize); 2]) -> Outcome {
    WORK.store(1, Ordering::Release);
    WRONG.store(0, Ordering::Release);
    for (core, work) in (1..).zip(work) {
        ensure!(core_on(core, work), "core {core} does not start");
    }
    let result = asked(wish::PERIOD, 60_000_000);
    WORK.store(0, Ordering::Release);
    wait_until(10_000_000, || core_is_off(1) && core_is_off(2))?;
    let wrong = WRONG.load(Ordering::Acquire);
    ensure!(wrong == 0, "{wrong} wrong answers to the other cores");
    result
}

/// The normal world notifies the partition as often as it can.
fn storm_of_the_normal_world(_core: usize) {
    while WORK.load(Ordering::Acquire) == 1 {
        let set = ffa(f::NOTIFICATION_SET, &[to(OWN), 0, wish::NOISE]);
        WRONG.fetch_add(u64::from(set.success().is_err()), Ordering::AcqRel);
        pause();
    }
}

/// The other partition does, again and again in each call of it.
fn storm_of_a_peer(_core: usize) {
    while WORK.load(Ordering::Acquire) == 1 {
        let ends = to(WORKER) << 16 | to(OWN);
        let words = [u64::from(f::NOTIFICATION_SET), ends, 0, wish::NOISE];
        let set = ask(WORKER, test_sp::TIME, words);
        let good = set.is_ok_and(|words| words[1] as u32 == f::SUCCESS_32);
        WRONG.fetch_add(u64::from(!good), Ordering::AcqRel);
        pause();
    }
}

/// The normal world and the other partition work without a pause.
fn work(core: usize) {
    let mut n = 0;
    while WORK.load(Ordering::Acquire) == 1 {
        let words = [core as u64, n, 3, !n];
        let (answer, _) = send(WORKER, test_sp::ECHO, words);
        let good = answer.function() == f::DIRECT_RESP_64 && answer.0[4..8] == words;
        WRONG.fetch_add(u64::from(!good), Ordering::AcqRel);
        n += 1;
        // Where the cores take turns, one that works on keeps the others from theirs.
        pause();
    }
}

fn wait(microseconds: u64) {
    let until = now() + microseconds;
    while now() < until {
        pause();
    }
}

fn wait_until(limit: u64, mut what: impl FnMut() -> bool) -> Outcome {
    let deadline = now() + limit;
    while !what() {
        pause();
        ensure!(now() < deadline, "it did not happen within {limit} us");
    }
    Ok(())
}
