//! Two different calls at once, from two cores, on one thing (C4): whatever came first, both are answered as the specification has it for one of the
//! two orders, and nothing is left over.
use super::discovery::{RX, TX};
use super::elsewhere::{Place, beside, meet, wait_off};
use super::share::{Descriptor, relinquishment};
use super::{
    A, B, Case, Outcome, Why, alive, ask, ffa, good, halves, handle_of, inside, inside_bad, inside_good,
    isolation, put, reclaim, to,
};
use crate::arch::machine::{Page, let_in};
use crate::ensure;
use crate::test_sp;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use sp_rt::ffa::{self as f, Error, Regs};

/// These cases.
pub const CASES: &[Case] = &[
    isolation("two-cores-relinquish", collide::<Relinquish>),
    isolation(
        "two-cores-relinquish-and-reclaim",
        collide::<RelinquishAndReclaim>,
    ),
    isolation("two-cores-share-and-unmap", collide::<ShareAndUnmap>),
    isolation("two-cores-send-messages", collide::<Messages>),
    isolation("two-cores-set-and-get", collide::<SetAndGet>),
    isolation("two-cores-set-and-unbind", collide::<SetAndUnbind>),
    isolation("two-cores-share-and-start-anew", collide::<ShareAndAnew>),
];

const ROUNDS: u64 = 20;
static PAGE: Page = Page::new();
static HANDLE: AtomicU64 = AtomicU64::new(0);
static GO: AtomicBool = AtomicBool::new(false);
static ANSWER: Place = Place::new();

/// What two cores do at once.
trait Pair {
    /// What core 0 does before, alone.
    fn before() -> Outcome;
    /// The call of a core; its answer, or that of the partition's call.
    fn call(core: usize) -> Regs;
    /// That both answers fit one order, and what is left is put away; alone again.
    fn behind(answers: [Regs; 2]) -> Outcome;
}

fn collide<P: Pair>() -> Outcome {
    beside(1, second::<P>)?;
    let mut result = Ok(());
    for round in 0..ROUNDS {
        if result.is_ok() {
            result = P::before();
        }
        let go = result.is_ok();
        GO.store(go, Ordering::Release);
        meet(2 * round);
        let first = if go { P::call(0) } else { Regs::default() };
        meet(2 * round + 1);
        if go {
            result = P::behind([first, ANSWER.get()]);
        }
    }
    wait_off(1)?;
    result?;
    alive(A)?;
    alive(B)
}

fn second<P: Pair>(_core: usize) {
    for round in 0..ROUNDS {
        meet(2 * round);
        if GO.load(Ordering::Acquire) {
            ANSWER.set(&P::call(1));
        }
        meet(2 * round + 1);
    }
}

/// Whether it was taken; if not, with one of these errors.
fn taken(answer: &Regs, errors: &[Error]) -> Outcome<bool> {
    match answer.success() {
        Ok(_) => Ok(true),
        Err(error) if errors.contains(&error) => Ok(false),
        Err(error) => Err(Why::new(format_args!("{:#x}: {error:?}", answer.x(0)))),
    }
}

fn handle() -> u64 {
    HANDLE.load(Ordering::Acquire)
}

fn one() -> Descriptor {
    Descriptor::new(A, [(PAGE.address(), 1)].into_iter())
}

fn take_back() -> Regs {
    let [low, high] = halves(handle());
    ffa(f::MEM_RECLAIM, &[low, high, 0])
}

/// A page that A has retrieved, and is about to give back.
fn borrowed() -> Outcome {
    HANDLE.store(one().share()?, Ordering::Release);
    ask(A, test_sp::RETRIEVE, [handle(), 0, 0, 0])?;
    put(A, &relinquishment(handle(), 0, &[A]))
}

fn inside_or_nothing(function: u32, arguments: &[u64]) -> Regs {
    inside(A, function, arguments).unwrap_or_default()
}

/// Both of A's contexts give the same share back: one does.
struct Relinquish;
impl Pair for Relinquish {
    fn before() -> Outcome {
        borrowed()
    }

    fn call(_core: usize) -> Regs {
        inside_or_nothing(f::MEM_RELINQUISH, &[])
    }

    fn behind(answers: [Regs; 2]) -> Outcome {
        let [a, b] = answers;
        let both = [taken(&a, &[Error::DENIED])?, taken(&b, &[Error::DENIED])?];
        ensure!(both[0] != both[1], "both, or neither: {both:?}");
        reclaim(handle())
    }
}

/// A gives it back while its owner takes it back: the owner has it, now or at its next try.
struct RelinquishAndReclaim;
impl Pair for RelinquishAndReclaim {
    fn before() -> Outcome {
        borrowed()
    }

    fn call(core: usize) -> Regs {
        match core {
            0 => take_back(),
            _ => inside_or_nothing(f::MEM_RELINQUISH, &[]),
        }
    }

    fn behind([owner, borrower]: [Regs; 2]) -> Outcome {
        taken(&borrower, &[])?;
        let had = taken(&owner, &[Error::DENIED])?;
        let again = taken(&take_back(), &[Error::INVALID_PARAMETERS])?;
        ensure!(had != again, "at once: {had}; afterwards: {again}");
        Ok(())
    }
}

/// The buffer from which something is shared is taken away.
struct ShareAndUnmap;
impl Pair for ShareAndUnmap {
    fn before() -> Outcome {
        TX.fill(one().bytes());
        Ok(())
    }

    fn call(core: usize) -> Regs {
        match core {
            0 => ffa(f::MEM_SHARE, &[112, 112]),
            _ => ffa(f::RXTX_UNMAP, &[]),
        }
    }

    fn behind([shared, unmapped]: [Regs; 2]) -> Outcome {
        taken(&unmapped, &[])?;
        good(f::RXTX_MAP_64, &[TX.address(), RX.address(), 1])?;
        if taken(&shared, &[Error::INVALID_PARAMETERS, Error::DENIED])? {
            reclaim(handle_of(&shared))?;
        }
        reclaim(one().share()?)
    }
}

/// Two messages to one: one of them is there, the other one finds the buffer full.
struct Messages;
impl Pair for Messages {
    fn before() -> Outcome {
        for (n, word) in [0, to(A) << 32 | 40, 8, 0, 0, 0x6d73_6721]
            .into_iter()
            .enumerate()
        {
            TX.write(n, word);
        }
        Ok(())
    }

    fn call(_core: usize) -> Regs {
        ffa(f::MSG_SEND2, &[])
    }

    fn behind([a, b]: [Regs; 2]) -> Outcome {
        let both = [taken(&a, &[Error::BUSY])?, taken(&b, &[Error::BUSY])?];
        ensure!(both[0] != both[1], "both, or neither: {both:?}");
        inside_good(A, f::RX_RELEASE, &[])?;
        inside_good(A, f::NOTIFICATION_GET, &[to(A), FROM_SPMC])?;
        let _ = ffa(f::NOTIFICATION_INFO_GET_64, &[]);
        let_in();
        inside_bad(A, f::RX_RELEASE, &[], Error::DENIED)
    }
}

const ONE: u64 = 1 << 4;
const FROM_VMS: u64 = 2;
const FROM_SPMC: u64 = 4;

fn bind() -> Outcome {
    inside_good(A, f::NOTIFICATION_BIND, &[to(A), 0, ONE, 0]).map(drop)
}

fn got() -> Outcome<u64> {
    Ok(inside_good(A, f::NOTIFICATION_GET, &[to(A), FROM_VMS])?.x(4))
}

/// What is set is got exactly once.
struct SetAndGet;
impl Pair for SetAndGet {
    fn before() -> Outcome {
        bind()
    }

    fn call(core: usize) -> Regs {
        match core {
            0 => ffa(f::NOTIFICATION_SET, &[to(A), 0, ONE, 0]),
            _ => inside_or_nothing(f::NOTIFICATION_GET, &[to(A), FROM_VMS]),
        }
    }

    fn behind([set, get]: [Regs; 2]) -> Outcome {
        taken(&set, &[])?;
        taken(&get, &[])?;
        let (then, afterwards) = (get.x(4), got()?);
        let _ = ffa(f::NOTIFICATION_INFO_GET_64, &[]);
        let_in();
        inside_good(A, f::NOTIFICATION_UNBIND, &[to(A), 0, ONE, 0])?;
        ensure!(
            then ^ afterwards == ONE && then & afterwards == 0,
            "got {then:#x}, and {afterwards:#x} afterwards"
        );
        Ok(())
    }
}

/// It is set and stays bound, or it is unbound and was not set.
struct SetAndUnbind;
impl Pair for SetAndUnbind {
    fn before() -> Outcome {
        bind()
    }

    fn call(core: usize) -> Regs {
        match core {
            0 => ffa(f::NOTIFICATION_SET, &[to(A), 0, ONE, 0]),
            _ => inside_or_nothing(f::NOTIFICATION_UNBIND, &[to(A), 0, ONE, 0]),
        }
    }

    fn behind([set, unbound]: [Regs; 2]) -> Outcome {
        let set = taken(&set, &[Error::DENIED])?;
        let unbound = taken(&unbound, &[Error::DENIED])?;
        let pending = got()?;
        let _ = ffa(f::NOTIFICATION_INFO_GET_64, &[]);
        let_in();
        if !unbound {
            inside_good(A, f::NOTIFICATION_UNBIND, &[to(A), 0, ONE, 0])?;
        }
        ensure!(
            set != unbound && (pending == ONE) == set,
            "set: {set}, unbound: {unbound}, pending: {pending:#x}"
        );
        Ok(())
    }
}

/// The kernel that starts anew on one core ends what the old one still does on another: nothing of that is left, or it is the new one's.
struct ShareAndAnew;
impl Pair for ShareAndAnew {
    fn before() -> Outcome {
        TX.fill(one().bytes());
        let known = ffa(f::VERSION, &[u64::from(f::VERSION_1_2)]);
        ensure!(known.w(0) == f::VERSION_1_2, "{:#x}", known.x(0));
        Ok(())
    }

    fn call(core: usize) -> Regs {
        match core {
            0 => ffa(f::RXTX_MAP_64, &[TX.address(), RX.address(), 1]),
            _ => ffa(f::MEM_SHARE, &[112, 112]),
        }
    }

    fn behind([anew, shared]: [Regs; 2]) -> Outcome {
        // Where the share came first, it was the old kernel's, and a second map of that is refused.
        let began = taken(&anew, &[Error::DENIED])?;
        let there = taken(&shared, &[Error::INVALID_PARAMETERS, Error::DENIED])?;
        ensure!(began || there, "neither was taken");
        if there {
            reclaim(handle_of(&shared))?;
        }
        reclaim(one().share()?)
    }
}
