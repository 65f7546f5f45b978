//! The same call from two cores at once: one of them gets what there is once, and the other one a specified error.
use super::discovery::{RX, TX};
use super::elsewhere::{both, meet};
use super::preemption::{LONG, start};
use super::share::Descriptor;
use super::{
    A, B, Case, Outcome, alive, ask, clause, ffa, good, halves, handle_of, reclaim, right, tell, to, wrong,
};
use crate::arch::machine::{Page, let_in, stop_timer};
use crate::ensure;
use crate::test_sp;
use core::sync::atomic::{AtomicU64, Ordering};
use sp_rt::ffa::{self as f, Error};

/// These cases.
pub const CASES: &[Case] = &[
    wrong(
        "two-cores-share-the-same-page",
        &[f::MEM_SHARE],
        clause::SHARE,
        || {
            TX.fill(one().bytes());
            race::<Share>()
        },
    ),
    wrong("two-cores-reclaim", &[f::MEM_RECLAIM], clause::RECLAIM, || {
        share_next()?;
        race::<Reclaim>()?;
        reclaim(handle())
    }),
    wrong(
        "two-cores-retrieve",
        &[f::MEM_RETRIEVE_REQ],
        clause::RETRIEVE,
        || {
            share_next()?;
            race::<Retrieve>()?;
            reclaim(handle())
        },
    ),
    // Reclaimed, or retrieved: never both.
    wrong(
        "two-cores-retrieve-and-reclaim",
        &[f::MEM_RETRIEVE_REQ, f::MEM_RECLAIM],
        clause::RECLAIM,
        || {
            share_next()?;
            race::<RetrieveOrReclaim>()?;
            reclaim(handle())
        },
    ),
    wrong(
        "two-cores-map-buffers",
        &[f::RXTX_MAP_64],
        clause::RXTX_MAP,
        || {
            good(f::RXTX_UNMAP, &[])?;
            let result = race::<Map>();
            map()?;
            result
        },
    ),
    wrong(
        "two-cores-unmap-buffers",
        &[f::RXTX_UNMAP],
        clause::RXTX_UNMAP,
        race::<Unmap>,
    ),
    wrong(
        "two-cores-acquire-rx",
        &[f::RX_ACQUIRE],
        clause::RX_ACQUIRE,
        race::<Acquire>,
    ),
    wrong(
        "two-cores-release-rx",
        &[f::RX_RELEASE],
        clause::RX_RELEASE,
        || {
            good(f::RX_ACQUIRE, &[0])?;
            let result = race::<Release>();
            good(f::RX_RELEASE, &[])?;
            result
        },
    ),
    wrong(
        "two-cores-ask-for-partitions",
        &[f::PARTITION_INFO_GET],
        clause::INFO_GET,
        race::<Info>,
    ),
    wrong(
        "two-cores-create-a-bitmap",
        &[f::NOTIFICATION_BITMAP_CREATE],
        clause::BITMAP_CREATE,
        race::<Bitmap>,
    ),
    wrong("two-cores-bind", &[f::NOTIFICATION_BIND], clause::BIND, || {
        good(f::NOTIFICATION_BITMAP_CREATE, &[0, 4])?;
        let result = race::<Bind>();
        good(f::NOTIFICATION_BITMAP_DESTROY, &[0])?;
        result
    }),
    // A context that is preempted is resumed by one.
    wrong("two-cores-resume", &[f::RUN], clause::RUN, || {
        preempt()?;
        let result = race::<Resume>();
        // The one that the last round started.
        let (answer, _) = super::complete(ffa(f::RUN, &[handle()]));
        ensure!(answer.function() == f::DIRECT_RESP_64, "{:#x}", answer.x(0));
        result.and(alive(A))
    }),
    right(
        "two-cores-call-one-partition",
        &[f::DIRECT_REQ_64],
        clause::CONTEXTS,
        || {
            race_of::<Call>(2, 0)?;
            alive(A)
        },
    ),
];

const ROUNDS: u64 = 30;
static PAGE: Page = Page::new();
/// A handle for both cores, or a context.
static HANDLE: AtomicU64 = AtomicU64::new(0);
/// How often the call was taken, refused as it has to be, and answered otherwise.
static TAKEN: AtomicU64 = AtomicU64::new(0);
static REFUSED: AtomicU64 = AtomicU64::new(0);
static STRANGE: AtomicU64 = AtomicU64::new(0);
/// The last strange answer: function and status.
static ANSWER: AtomicU64 = AtomicU64::new(0);
/// Rounds that did not end as they have to, and steps between rounds that failed.
static UNEVEN: AtomicU64 = AtomicU64::new(0);
static BROKEN: AtomicU64 = AtomicU64::new(0);
/// How often the call is taken and refused in a round.
static EXPECTED: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];

/// What two cores do at once.
trait Race {
    /// The call of a core: whether it was taken (true) or refused as it has to be; none: neither.
    fn call(core: usize) -> Option<bool>;
    /// What core 0 does behind each round, alone.
    fn between() -> Outcome;
}

/// One of the two is taken in each round, the other one refused.
fn race<R: Race>() -> Outcome {
    race_of::<R>(1, 1)
}

/// So many of the two are taken and refused in each round.
fn race_of<R: Race>(taken: u64, refused: u64) -> Outcome {
    for count in [&TAKEN, &REFUSED, &STRANGE, &ANSWER, &UNEVEN, &BROKEN] {
        count.store(0, Ordering::Release);
    }
    EXPECTED[0].store(taken, Ordering::Release);
    EXPECTED[1].store(refused, Ordering::Release);
    both(1, rounds::<R>)?;
    let [strange, uneven, broken, answer] =
        [&STRANGE, &UNEVEN, &BROKEN, &ANSWER].map(|count| count.load(Ordering::Acquire));
    ensure!(
        strange == 0 && uneven == 0 && broken == 0,
        "{strange} strange answers (the last {:#x} {:#x}), {uneven} rounds uneven, {broken} steps broken",
        answer >> 32,
        answer & 0xffff_ffff
    );
    Ok(())
}

fn rounds<R: Race>(core: usize) {
    for round in 0..ROUNDS {
        meet(2 * round);
        let count = match R::call(core) {
            Some(true) => &TAKEN,
            Some(false) => &REFUSED,
            None => &STRANGE,
        };
        count.fetch_add(1, Ordering::AcqRel);
        meet(2 * round + 1);
        if core == 0 {
            let even = [&TAKEN, &REFUSED]
                .into_iter()
                .zip(&EXPECTED)
                .all(|(count, each)| {
                    count.load(Ordering::Acquire) == (round + 1) * each.load(Ordering::Acquire)
                });
            UNEVEN.fetch_add(u64::from(!even), Ordering::AcqRel);
            BROKEN.fetch_add(u64::from(R::between().is_err()), Ordering::AcqRel);
        }
    }
}

/// Whether an answer is success (true) or the one error that it may be (false).
fn tally(answer: &f::Regs, expected: Error) -> Option<bool> {
    match answer.success() {
        Ok(_) => Some(true),
        Err(error) if error == expected => Some(false),
        Err(_) => {
            let word = u64::from(answer.function()) << 32 | u64::from(answer.w(2));
            ANSWER.store(word, Ordering::Release);
            None
        }
    }
}

fn handle() -> u64 {
    HANDLE.load(Ordering::Acquire)
}

fn one() -> Descriptor {
    Descriptor::new(A, [(PAGE.address(), 1)].into_iter())
}

/// Shares the page; its handle is for both cores.
fn share_next() -> Outcome {
    HANDLE.store(one().share()?, Ordering::Release);
    Ok(())
}

fn take_back() -> f::Regs {
    let [low, high] = halves(handle());
    ffa(f::MEM_RECLAIM, &[low, high, 0])
}

/// Has A retrieve on this core; `refused` is how it may be refused.
fn retrieve(refused: Error) -> Option<bool> {
    match tell(A, test_sp::RETRIEVE, [handle(), 0, 0, 0]) {
        Ok((Error(0), _)) => Some(true),
        Ok((error, _)) if error == refused => Some(false),
        _ => None,
    }
}

fn map() -> Outcome {
    good(f::RXTX_MAP_64, &[TX.address(), RX.address(), 1]).map(drop)
}

/// Both share what stands in TX.
struct Share;
impl Race for Share {
    fn call(_core: usize) -> Option<bool> {
        let answer = ffa(f::MEM_SHARE, &[112, 112]);
        if answer.success().is_ok() {
            HANDLE.store(handle_of(&answer), Ordering::Release);
        }
        tally(&answer, Error::DENIED)
    }

    fn between() -> Outcome {
        reclaim(handle())
    }
}

struct Reclaim;
impl Race for Reclaim {
    fn call(_core: usize) -> Option<bool> {
        tally(&take_back(), Error::INVALID_PARAMETERS)
    }

    fn between() -> Outcome {
        share_next()
    }
}

struct Retrieve;
impl Race for Retrieve {
    fn call(_core: usize) -> Option<bool> {
        retrieve(Error::DENIED)
    }

    fn between() -> Outcome {
        ask(A, test_sp::RELINQUISH, [handle(), 0, 0, 0]).map(drop)
    }
}

struct RetrieveOrReclaim;
impl Race for RetrieveOrReclaim {
    fn call(core: usize) -> Option<bool> {
        if core == 0 {
            tally(&take_back(), Error::DENIED)
        } else {
            retrieve(Error::INVALID_PARAMETERS)
        }
    }

    fn between() -> Outcome {
        ask(A, test_sp::RELINQUISH, [handle(), 0, 0, 0])?;
        let _ = take_back();
        share_next()
    }
}

struct Map;
impl Race for Map {
    fn call(_core: usize) -> Option<bool> {
        tally(
            &ffa(f::RXTX_MAP_64, &[TX.address(), RX.address(), 1]),
            Error::DENIED,
        )
    }

    fn between() -> Outcome {
        good(f::RXTX_UNMAP, &[]).map(drop)
    }
}

struct Unmap;
impl Race for Unmap {
    fn call(_core: usize) -> Option<bool> {
        tally(&ffa(f::RXTX_UNMAP, &[]), Error::INVALID_PARAMETERS)
    }

    fn between() -> Outcome {
        map()
    }
}

struct Acquire;
impl Race for Acquire {
    fn call(_core: usize) -> Option<bool> {
        tally(&ffa(f::RX_ACQUIRE, &[0]), Error::DENIED)
    }

    fn between() -> Outcome {
        good(f::RX_RELEASE, &[]).map(drop)
    }
}

struct Release;
impl Race for Release {
    fn call(_core: usize) -> Option<bool> {
        tally(&ffa(f::RX_RELEASE, &[]), Error::DENIED)
    }

    fn between() -> Outcome {
        good(f::RX_ACQUIRE, &[0]).map(drop)
    }
}

struct Info;
impl Race for Info {
    fn call(_core: usize) -> Option<bool> {
        tally(&ffa(f::PARTITION_INFO_GET, &[]), Error::BUSY)
    }

    fn between() -> Outcome {
        good(f::RX_RELEASE, &[]).map(drop)
    }
}

struct Bitmap;
impl Race for Bitmap {
    fn call(_core: usize) -> Option<bool> {
        tally(&ffa(f::NOTIFICATION_BITMAP_CREATE, &[0, 4]), Error::DENIED)
    }

    fn between() -> Outcome {
        good(f::NOTIFICATION_BITMAP_DESTROY, &[0]).map(drop)
    }
}

/// Each core for another sender.
struct Bind;
impl Race for Bind {
    fn call(core: usize) -> Option<bool> {
        let sender = if core == 0 { A } else { B };
        tally(
            &ffa(f::NOTIFICATION_BIND, &[to(sender) << 16, 0, 1, 0]),
            Error::DENIED,
        )
    }

    fn between() -> Outcome {
        let undone = [A, B].map(|sender| ffa(f::NOTIFICATION_UNBIND, &[to(sender) << 16, 0, 1, 0]));
        let count = undone.iter().filter(|answer| answer.success().is_ok()).count();
        ensure!(count == 1, "{count} senders have it");
        Ok(())
    }
}

/// A call that is preempted; its context is for both cores.
fn preempt() -> Outcome {
    let answer = start(A, LONG / 10, 200);
    stop_timer();
    let_in();
    ensure!(answer.function() == f::INTERRUPT, "{:#x}", answer.x(0));
    HANDLE.store(answer.x(1), Ordering::Release);
    Ok(())
}

struct Resume;
impl Race for Resume {
    fn call(_core: usize) -> Option<bool> {
        let answer = ffa(f::RUN, &[handle()]);
        match answer.function() {
            f::DIRECT_RESP_64 if answer.x(4) == 0 => Some(true),
            // It waits again already, on its own core; on another one that is DENIED.
            f::MSG_WAIT => Some(false),
            _ => tally(&answer, Error::BUSY).or_else(|| tally(&answer, Error::DENIED)),
        }
    }

    fn between() -> Outcome {
        preempt()
    }
}

/// Each core reaches the context of its own.
struct Call;
impl Race for Call {
    fn call(core: usize) -> Option<bool> {
        let answer = ask(A, test_sp::IDENTITY, [0; 4]).ok()?;
        (answer[0] == u64::from(A) && answer[1] == core as u64).then_some(true)
    }

    fn between() -> Outcome {
        Ok(())
    }
}
