//! Each kind of secure interrupt, whatever has the core when it comes: its owner has it when the table says. One table
//! of the system has its owner's interrupts signaled at once, the other one has them queued while other partitions
//! run; the cases are the same.
use super::gic::{
    DEVICE, DISTRIBUTOR, GPIO, GPIO_BOTH, GPIO_ENABLE, GPIO_EVENT, GPIO_SENSE, ISPENDR, LOOKS, READY, SGI1R,
    SPARE, VIRTUAL, gone, ready, set_register, set_timer as set_own_timer, start, taken, write,
};
use super::preemption::{finish, interrupted};
use super::queued::{AT_ONCE, MANAGED, QUEUED};
use super::{Case, Outcome, alive, ask, ffa, isolation, to};
use crate::arch::machine::{counter, let_in, now, pause, set_timer, sleep_until, stop_timer};
use crate::ensure;
use crate::test_sp::{BUSY, GIC_ENABLE, GIC_QUIET, GIC_SLOW, GIC_TAKEN, GIC_WAIT};
use core::sync::atomic::{AtomicU64, Ordering};
use sp_rt::ffa as f;

/// How an interrupt comes about, all of them on the boot core.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// A shared one, an edge, which another context of its owner sets pending.
    Edge,
    /// A device's level.
    Level,
    /// The EL1 virtual timer.
    Timer,
    /// An SGI that another context of its owner sends.
    Sgi,
}

/// What has the boot core when it comes.
#[derive(Clone, Copy)]
enum State {
    /// The normal world.
    Normal,
    /// Its owner, which waits for it.
    Itself,
    /// Its owner, which has interrupts masked.
    Masked,
    /// Another partition.
    Another(u16),
    /// Another partition, for which an interrupt of the normal world waits.
    Pressed(u16),
    /// The normal world, which has preempted another partition.
    Preempted,
}

/// A row of the matrix for each state, of one kind.
macro_rules! matrix {
    ($($name:literal $kind:expr),* $(,)?) => {
        &[$(
            isolation(concat!($name, "-in-the-normal-world"), || comes($kind, State::Normal)),
            isolation(concat!($name, "-while-its-owner-runs"), || comes($kind, State::Itself)),
            isolation(concat!($name, "-while-its-owner-runs-masked"), || comes($kind, State::Masked)),
            isolation(concat!($name, "-while-one-at-once-runs"), || comes($kind, State::Another(AT_ONCE))),
            isolation(concat!($name, "-while-one-of-managed-exits-runs"), || {
                comes($kind, State::Another(MANAGED))
            }),
            isolation(concat!($name, "-while-a-queueing-one-runs"), || comes($kind, State::Another(QUEUED))),
            isolation(concat!($name, "-behind-a-managed-exit"), || comes($kind, State::Pressed(MANAGED))),
            isolation(concat!($name, "-behind-a-queued-interrupt"), || comes($kind, State::Pressed(QUEUED))),
            isolation(concat!($name, "-while-one-is-preempted"), || comes($kind, State::Preempted)),
        )*]
    };
}

/// These cases.
pub const CASES: &[Case] = matrix! {
    "edge" Kind::Edge,
    "level" Kind::Level,
    "timer" Kind::Timer,
    "sgi" Kind::Sgi,
};

/// Owner of the interrupts.
const OWNER: u16 = 0x8001;
/// Whether they wait until other partitions leave.
fn queued() -> bool {
    option_env!("BULKHEAD_SYSTEM") == Some("interrupts-queued")
}

const SGI: u64 = 3;
/// Microseconds until the interrupt comes, and until one of the normal world does that comes before.
const DELAY: u64 = 2_000;
const EARLIER: u64 = 500;
/// Steps that take 5 ms or a little more: longer than that, and shorter than any bound of the table.
const STEPS: u64 = 2_500_000;
const PARTS: u64 = 100;
/// Microseconds in which an interrupt is dealt with that can be.
const SOON: u64 = 1_000;

/// What the second core raises.
static RAISED: AtomicU64 = AtomicU64::new(0);

impl Kind {
    const fn intid(self) -> u64 {
        match self {
            Self::Edge => SPARE,
            Self::Level => DEVICE,
            Self::Timer => VIRTUAL,
            Self::Sgi => SGI,
        }
    }

    /// Gets its owner ready for it, on the boot core.
    fn prepare(self) -> Outcome {
        start(OWNER)?;
        if self == Self::Level {
            ask(OWNER, GIC_QUIET, [GPIO + GPIO_ENABLE, 0, 0, 0])?;
            // Its pins are high: that is what it tells of when it is enabled.
            for (register, value) in [(GPIO_ENABLE, 0), (GPIO_SENSE, 1), (GPIO_BOTH, 0), (GPIO_EVENT, 1)] {
                write(OWNER, GPIO + register, 4, value)?;
            }
        }
        ask(OWNER, GIC_ENABLE, [self.intid(), 0x80, 0, 0])?;
        Ok(())
    }

    /// Has it come in a while.
    fn begin(self) -> Outcome {
        if self == Self::Timer {
            return set_own_timer(OWNER, VIRTUAL, DELAY);
        }
        RAISED.store(self.intid(), Ordering::Release);
        ready(1, raise)
    }

    fn end(self) -> Outcome {
        if self == Self::Timer { Ok(()) } else { gone(1) }
    }
}

/// The second core: another context of the owner raises the interrupt.
fn raise(_: usize) {
    if start(OWNER).is_err() {
        return;
    }
    let until = now() + DELAY;
    set_timer(DELAY);
    READY.store(true, Ordering::Release);
    sleep_until(until);
    let _ = match RAISED.load(Ordering::Acquire) {
        SPARE => write(
            OWNER,
            DISTRIBUTOR + ISPENDR + 4 * (SPARE / 32),
            4,
            1 << (SPARE % 32),
        ),
        DEVICE => write(OWNER, GPIO + GPIO_ENABLE, 4, 1),
        _ => set_register(OWNER, SGI1R, SGI << 24 | 1),
    };
}

fn wait(micros: u64) {
    let until = now() + micros;
    while now() < until {
        pause();
    }
}

/// From when on its owner may have an interrupt, and when it must have had it, as values of the counter.
struct Window {
    from: u64,
    until: u64,
}

/// Has an interrupt come in a state; it is taken once, when it should be, without a call to its owner.
fn comes(kind: Kind, state: State) -> Outcome {
    kind.prepare()?;
    let before = taken(OWNER, 0, kind.intid())?;
    kind.begin()?;
    let window = run_through(kind, state);
    stop_timer();
    wait(SOON);
    let called = counter().0;
    kind.end()?;
    let window = window?;
    let [times, when, ..] = ask(OWNER, GIC_TAKEN, [kind.intid(), 0, 0, 0])?;
    ensure!(
        times == before + 1,
        "it was taken {times} times, and {before} before"
    );
    let (from, until) = (window.from, window.until.min(called));
    ensure!(
        (from..until).contains(&when),
        "it was taken at {when}, not from {from} to {until}"
    );
    alive(OWNER)
}

fn run_through(kind: Kind, state: State) -> Outcome<Window> {
    let began = counter().0;
    let window = |from, until| Ok(Window { from, until });
    match state {
        State::Normal => {
            wait(DELAY + SOON);
            window(began, u64::MAX)
        }
        State::Itself => {
            let [came, ..] = ask(OWNER, GIC_WAIT, [kind.intid(), LOOKS, 0, 0])?;
            ensure!(came == 1, "it did not come");
            window(began, counter().0)
        }
        State::Masked => {
            let end = busy(OWNER)?;
            window(end, u64::MAX)
        }
        State::Another(other) => {
            let end = busy(other)?;
            if queued() {
                window(end, u64::MAX)
            } else {
                window(began, end)
            }
        }
        State::Pressed(other) => {
            let before = let_in();
            set_timer(EARLIER);
            let end = busy(other)?;
            ensure!(let_in() > before, "no interrupt behind the call");
            window(end, u64::MAX)
        }
        State::Preempted => {
            let answer = super::preemption::start(AT_ONCE, STEPS, EARLIER);
            interrupted(&answer, AT_ONCE)?;
            stop_timer();
            let_in();
            wait(DELAY + SOON);
            let resumed = counter().0;
            let changed = finish(answer)?;
            ensure!(changed == 0, "{changed} of its registers changed");
            window(began, resumed)
        }
    }
}

/// A partition is busy for a while, and notices nothing; the counter's value at its end.
fn busy(target: u16) -> Outcome<u64> {
    let answer = ffa(f::DIRECT_REQ_64, &[to(target), 0, BUSY, STEPS, PARTS]);
    ensure!(
        answer.function() == f::DIRECT_RESP_64,
        "{:#x} {:#x} {:#x}",
        answer.x(0),
        answer.x(1),
        answer.x(2)
    );
    ensure!(answer.x(4) == 0, "{} of its registers changed", answer.x(4));
    Ok(answer.x(5))
}

/// A handler that does not end in its time.
pub const LATE: &[Case] = &[isolation("a-handler-that-is-late-goes-on", late)];

/// Steps of a handler that takes several turns, and microseconds that it may need with all its rests.
const MANY: u64 = 1_000_000;
const AT_LAST: u64 = 3_000_000;
/// What the handler's other core saw: how often the interrupt had been taken, and when it was taken once more.
static BEFORE: AtomicU64 = AtomicU64::new(0);
static SEEN: AtomicU64 = AtomicU64::new(0);

/// T1: it goes on though the normal world gives it no cycles: another context of its partition may wait for it.
fn late() -> Outcome {
    start(OWNER)?;
    ask(OWNER, GIC_ENABLE, [VIRTUAL, 0x80, 0, 0])?;
    BEFORE.store(taken(OWNER, 0, VIRTUAL)?, Ordering::Release);
    SEEN.store(0, Ordering::Release);
    ready(1, watch)?;
    ask(OWNER, GIC_SLOW, [MANY, 0, 0, 0])?;
    set_own_timer(OWNER, VIRTUAL, DELAY)?;
    let began = now();
    while SEEN.load(Ordering::Acquire) == 0 && now() < began + AT_LAST {
        wait(SOON);
    }
    let seen = SEEN.load(Ordering::Acquire);
    gone(1)?;
    ask(OWNER, GIC_SLOW, [0; 4])?;
    ensure!(seen != 0, "it did not go on");
    ensure!(seen - began > DELAY + SOON, "it was done in {} us", seen - began);
    alive(OWNER)
}

/// The second core: another context of the owner waits for the handler.
fn watch(_: usize) {
    let ready = start(OWNER).is_ok();
    READY.store(ready, Ordering::Release);
    let until = now() + AT_LAST;
    while now() < until {
        if taken(OWNER, 0, VIRTUAL).is_ok_and(|times| times > BEFORE.load(Ordering::Acquire)) {
            return SEEN.store(now(), Ordering::Release);
        }
        pause();
    }
}

/// Managed exits of a partition with a virtual GIC.
pub const MANAGED_BY_GIC: &[Case] = &[
    isolation("gic-managed-exit", obeyed),
    isolation("gic-managed-exit-not-obeyed", ignored),
    isolation("gic-managed-exit-disabled", disabled),
    isolation("gic-managed-exit-is-told", || {
        let intid = super::inside_good(GIC_MANAGED, f::FEATURES, &[3])?.w(2);
        ensure!(u64::from(intid) == EXIT, "interrupt {intid}");
        Ok(())
    }),
];

/// One with a virtual GIC, the microseconds that it has, and the interrupt that tells it.
const GIC_MANAGED: u16 = 0x8005;
const GIC_MANAGED_LIMIT: u64 = 20_000;
const EXIT: u64 = 4;

/// It takes the interrupt, and answers.
fn obeyed() -> Outcome {
    start(GIC_MANAGED)?;
    let before = let_in();
    let began = now();
    set_timer(DELAY);
    let answer = ffa(f::DIRECT_REQ_64, &[to(GIC_MANAGED), 0, GIC_WAIT, EXIT, LOOKS]);
    let took = now() - began;
    ensure!(
        answer.function() == f::DIRECT_RESP_64 && answer.x(4) == 1,
        "after {took} us: {:#x} {:#x}",
        answer.x(0),
        answer.x(4)
    );
    ensure!(took < DELAY + SOON, "after {took} us");
    ensure!(let_in() > before, "no interrupt behind the call");
    stop_timer();
    alive(GIC_MANAGED)
}

/// T1: one that does not leave loses the core at its bound, not before, and goes on unharmed; what it did not take is gone.
fn ignored() -> Outcome {
    start(GIC_MANAGED)?;
    let exits = taken(GIC_MANAGED, 0, EXIT)?;
    preempted_after(GIC_MANAGED_LIMIT)?;
    let after = taken(GIC_MANAGED, 0, EXIT)?;
    ensure!(after == exits, "it was told afterwards");
    Ok(())
}

/// One that does not want to know is preempted at once.
fn disabled() -> Outcome {
    start(GIC_MANAGED)?;
    let mask = super::gic::REDISTRIBUTORS + super::gic::SGI_FRAME + 0x180;
    write(GIC_MANAGED, mask, 4, 1 << EXIT)?;
    preempted_after(0)
}

fn preempted_after(limit: u64) -> Outcome {
    let began = now();
    let answer = super::preemption::start(GIC_MANAGED, super::preemption::LONG, DELAY);
    let took = now() - began;
    interrupted(&answer, GIC_MANAGED)?;
    let bound = DELAY + limit..DELAY + limit + SOON;
    ensure!(bound.contains(&took), "{took} us, with a bound of {limit} us");
    let changed = finish(answer)?;
    ensure!(changed == 0, "{changed} of the partition's registers changed");
    let_in();
    alive(GIC_MANAGED)
}
