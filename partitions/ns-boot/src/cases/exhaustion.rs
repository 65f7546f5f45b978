//! Who uses up all that there is of something leaves the others what they were promised (T2).
use super::elsewhere::wait_off;
use super::preemption::{LONG, finish, interrupted, start};
use super::share::{Descriptor, field};
use super::{
    A, B, Case, MANAGED, NARROW, Outcome, Why, alive, ask, complete, ffa, halves, handle_of, inside,
    inside_good, isolation, put, reclaim, to,
};
use crate::arch::machine::{Page, core_on, let_in, now, stop_timer};
use crate::ensure;
use crate::test_sp;
use core::sync::atomic::{AtomicU64, Ordering};
use sp_rt::ffa::{self as f, Error};

/// Those of a normal world, for the table `ffa`: what it does to A, B does not feel.
pub const OUTSIDE: &[Case] = &[
    isolation("exhaust-shares-of-one", shares),
    isolation("exhaust-ranges-of-one", ranges),
    isolation("exhaust-window-of-one", window),
    isolation("exhaust-requests-of-one", requests),
    isolation("exhaust-log", log),
];

/// For the table `ffa-memory`, in which A may offer pages to others: what it uses up, or the normal world does, the other one does not feel.
pub const INSIDE: &[Case] = &[
    isolation("exhaust-shares-of-a-partition", offers),
    isolation("exhaust-shares-of-the-normal-world", by_the_normal_world),
    isolation("exhaust-by-an-unfinished-offer", unfinished),
];

/// Memory of the normal world that nothing else uses: how far apart two transactions are there, and those of two partitions.
const MEMORY: u64 = 0x6800_0000;
const APART: u64 = 0x40_0000;
const FAR: u64 = SHARES as u64 * APART;
/// Transactions that each partition has room for.
const SHARES: usize = 16;
/// Pages of a window of 4 MiB.
const WINDOW: u32 = 1024;
/// Ranges of which one transaction fits what a partition has room for, and two do not.
const RANGES: u32 = 500;

/// What the normal world shares with somebody, taken back at the end.
pub struct Shares {
    receiver: u16,
    base: u64,
    handles: [u64; SHARES],
    count: usize,
}

impl Shares {
    /// None yet; `place` says which memory.
    pub fn with(receiver: u16, place: u64) -> Self {
        Self {
            receiver,
            base: MEMORY + place * FAR,
            handles: [0; SHARES],
            count: 0,
        }
    }

    /// One more of so many ranges of one page, every second page of memory; false where there is no room.
    pub fn add(&mut self, ranges: u32) -> Outcome<bool> {
        let base = self.base + (self.count as u64 % SHARES as u64) * APART;
        let descriptor = Descriptor::new(
            self.receiver,
            (0..ranges.into()).map(|n: u64| (base + n * 0x2000, 1)),
        );
        let answer = descriptor.send(4096);
        match answer.success() {
            Ok(_) => {
                self.handles[self.count] = handle_of(&answer);
                self.count += 1;
                Ok(true)
            }
            Err(Error::NO_MEMORY) => Ok(false),
            Err(error) => Err(Why::new(format_args!("{:#x}: {error:?}", answer.x(0)))),
        }
    }

    /// As many as there is room for; how many they are.
    pub fn fill(&mut self) -> Outcome<usize> {
        while self.count < SHARES && self.add(1)? {}
        Ok(self.count)
    }

    /// Takes all of them back.
    pub fn take_back(&self) -> Outcome {
        self.handles[..self.count]
            .iter()
            .try_for_each(|handle| reclaim(*handle))
    }
}

/// That a partition borrows a page of the normal world's, and gives it back.
fn serves(target: u16) -> Outcome {
    let handle = Descriptor::new(target, [(PAGE.address(), 1)].into_iter()).share()?;
    let borrowed = ask(target, test_sp::BORROW, [handle, 0, 0, 0]);
    reclaim(handle)?;
    borrowed.map(drop)
}

static PAGE: Page = Page::new();

/// Two that have nothing of the normal world's but what these cases give them: what others were given for good takes room for ever.
const ONE: u16 = NARROW;
const OTHER: u16 = MANAGED;

fn shares() -> Outcome {
    let (mut of_one, mut of_other) = (Shares::with(ONE, 0), Shares::with(OTHER, 1));
    of_one.fill()?;
    let more = Descriptor::new(ONE, [(PAGE.address(), 1)].into_iter()).send(4096);
    of_other.fill()?;
    of_one.take_back()?;
    of_other.take_back()?;
    ensure!(
        more.success().err() == Some(Error::NO_MEMORY),
        "one more: {:#x}",
        more.x(0)
    );
    ensure!(
        (of_one.count, of_other.count) == (SHARES, SHARES),
        "room for {} and {}",
        of_one.count,
        of_other.count
    );
    Ok(())
}

fn ranges() -> Outcome {
    let (mut of_one, mut of_other) = (Shares::with(ONE, 0), Shares::with(OTHER, 1));
    let first = of_one.add(RANGES)?;
    let second = of_one.add(RANGES)?;
    let others = of_other.add(RANGES)?;
    of_one.take_back()?;
    of_other.take_back()?;
    ensure!(
        first && !second && others,
        "the first: {first}, the second: {second}; another one's: {others}"
    );
    Ok(())
}

fn window() -> Outcome {
    let all = Descriptor::new(ONE, [(MEMORY, WINDOW)].into_iter()).share()?;
    let retrieved = ask(ONE, test_sp::RETRIEVE, [all, 0, 0, 0]);
    let more = serves(ONE);
    let other = serves(OTHER);
    ask(ONE, test_sp::RELINQUISH, [all, 0, 0, 0])?;
    reclaim(all)?;
    retrieved?;
    ensure!(more.is_err(), "the window has more room than it has");
    other?;
    serves(ONE)
}

/// A context that does not answer has requests wait for it, as many as there is room for; another partition's requests have their own
/// room, and in the end each has its answer.
fn requests() -> Outcome {
    let busy = start(A, LONG / 10, 2_000);
    interrupted(&busy, A)?;
    stop_timer();
    let_in();
    let mut parked = [0; 64];
    let mut count = 0;
    let echo = |target: u16, n: u64| ffa(f::DIRECT_REQ_64, &[to(target), 0, test_sp::ECHO, n, !n, 3, 4]);
    let full = loop {
        let answer = echo(A, count as u64);
        if answer.function() != f::INTERRUPT || count == parked.len() {
            break answer;
        }
        parked[count] = answer.x(1);
        count += 1;
    };
    let other = start(B, LONG / 10, 2_000);
    stop_timer();
    let_in();
    let waits = echo(B, 7);
    let right = finish(other).and_then(|_| answered(waits.x(1), 7));
    finish(busy)?;
    for (n, name) in parked[..count].iter().enumerate() {
        answered(*name, n as u64)?;
    }
    let refused = full.success().err() == Some(Error::BUSY);
    ensure!(refused, "{count} wait, and then {:#x}", full.x(0));
    right
}

/// That a request which waits under this name is answered with its own words.
fn answered(name: u64, n: u64) -> Outcome {
    let (answer, _) = complete(ffa(f::RUN, &[name]));
    ensure!(
        answer.function() == f::DIRECT_RESP_64 && answer.0[4..8] == [n, !n, 3, 4],
        "{:#x} {:x?} instead of {n}",
        answer.x(0),
        &answer.0[4..8]
    );
    Ok(())
}

static FLOODS: AtomicU64 = AtomicU64::new(0);
const FLOOD: u64 = 1;

/// A logs as much as it can on another core; B's calls and lines go on meanwhile, each in a bounded time.
fn log() -> Outcome {
    const LINE: u64 = u64::from_le_bytes(*b"flooded\n");
    FLOODS.store(FLOOD, Ordering::Release);
    let flood = |_| {
        while FLOODS.load(Ordering::Acquire) == FLOOD {
            let words: [u64; 13] = core::array::from_fn(|n| if n == 0 { 96 } else { LINE });
            let _ = inside(A, f::CONSOLE_LOG_64, &words[..12]);
        }
    };
    ensure!(core_on(1, flood), "core 1 does not start");
    let mut slowest = 0;
    let mut result = Ok(());
    for _ in 0..200 {
        let began = now();
        let said = inside_good(B, f::CONSOLE_LOG_32, &[2, 0x0a42]);
        result = result.and(said.map(drop)).and(alive(B));
        slowest = slowest.max(now() - began);
    }
    FLOODS.store(0, Ordering::Release);
    wait_off(1)?;
    ensure!(slowest < 10_000_000, "B waited for {slowest} us");
    result
}

/// A third one, at which the table lets A have eight pages.
const C: u16 = 0x8003;
const OF_A: usize = 8;

/// The first of A's own pages that nothing else uses.
fn pages() -> Outcome<u64> {
    Ok(ask(A, test_sp::PLACES, [0; 4])?[2])
}

/// A offers one more of its pages; the answer.
fn offer(receiver: u16, page: u64) -> Outcome<f::Regs> {
    Descriptor::new(receiver, [(page, 1)].into_iter()).of(A)
}

fn offers_all() -> Outcome<[u64; OF_A]> {
    let base = pages()?;
    let mut handles = [0; OF_A];
    for (n, handle) in handles.iter_mut().enumerate() {
        let answer = offer(C, base + n as u64 * 4096)?;
        ensure!(
            answer.success().is_ok(),
            "{n}: {:#x} {:#x}",
            answer.x(0),
            answer.x(2)
        );
        *handle = handle_of(&answer);
    }
    Ok(handles)
}

fn take_back(handles: &[u64]) -> Outcome {
    for handle in handles {
        let [low, high] = halves(*handle);
        inside_good(A, f::MEM_RECLAIM, &[low, high, 0])?;
    }
    Ok(())
}

fn offers() -> Outcome {
    let handles = offers_all()?;
    let more = offer(C, pages()? + OF_A as u64 * 4096)?;
    let mut own = Shares::with(C, 0);
    let filled = own.fill();
    own.take_back()?;
    let other = offer(B, pages()? + OF_A as u64 * 4096)?;
    take_back(&handles)?;
    take_back(&[handle_of(&other)])?;
    let refused = more.success().err() == Some(Error::NO_MEMORY);
    ensure!(refused, "a ninth page: {:#x}", more.x(0));
    let filled = filled?;
    ensure!(filled == SHARES, "room for {filled}");
    Ok(())
}

fn by_the_normal_world() -> Outcome {
    let mut own = Shares::with(C, 0);
    own.fill()?;
    let handles = offers_all();
    own.take_back()?;
    let handles = handles?;
    let flags = 1 << 3 | u64::from(A) << 32;
    let borrowed = ask(C, test_sp::RETRIEVE, [handles[0], flags, 0, 0]);
    ask(C, test_sp::RELINQUISH, [handles[0], 0, 0, 0])?;
    take_back(&handles)?;
    borrowed.map(drop)
}

/// A begins to offer something and leaves it there: others share meanwhile.
fn unfinished() -> Outcome {
    let base = pages()?;
    let two =
        Descriptor::new(B, [(base, 1), (base + 0x2000, 1)].into_iter()).with(field::SENDER, &A.to_le_bytes());
    put(A, &two.bytes()[..112])?;
    let begun = inside(A, f::MEM_SHARE, &[128, 112])?;
    ensure!(begun.function() == f::MEM_FRAG_RX, "{:#x}", begun.x(0));
    serves(B)?;
    serves(A)?;
    let mut own = Shares::with(B, 0);
    let filled = own.fill();
    own.take_back()?;
    let filled = filled?;
    ensure!(filled == SHARES, "room for {filled}");
    put(A, &two.bytes()[112..])?;
    let ended = inside(A, f::MEM_FRAG_TX, &[begun.x(1), begun.x(2), 16])?;
    ensure!(ended.success().is_ok(), "{:#x} {:#x}", ended.x(0), ended.x(2));
    take_back(&[handle_of(&ended)])
}
