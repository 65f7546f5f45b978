//! Threads: stacks of their own, left at a managed exit and resumed on whatever core is asked to.
use crate::{MAX_THREADS, slots::Slots};
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU64, Ordering};

/// Bytes of a thread's stack, its guard page included.
const STACK: usize = 20 * 1024;
/// Bytes of a frame: x0 to x30, ELR, SPSR, FPCR, FPSR, a gap, q0 to q31. As in entry.S.
const FRAME: usize = 36 * 8 + 32 * 16;
/// EL1 with SP_EL1, debug and SError masked, interrupts on.
const SPSR: u64 = 0x305;

#[repr(C, align(4096))]
struct Stack(UnsafeCell<[u8; STACK]>);
// SAFETY: used by the one thread that it belongs to (see `Slots`).
unsafe impl Sync for Stack {}

#[unsafe(link_section = ".stacks.threads")]
static STACKS: [Stack; MAX_THREADS] = [const { Stack(UnsafeCell::new([0; STACK])) }; MAX_THREADS];
static SLOTS: Slots<MAX_THREADS> = Slots::new();
/// What each thread began with: its work and the arguments. Whoever has the thread has these.
static BEGUN: [[AtomicU64; 5]; MAX_THREADS] = [const { [const { AtomicU64::new(0) }; 5] }; MAX_THREADS];

#[repr(C)]
struct Left {
    frame: u64,
    result: u64,
}

unsafe extern "C" {
    fn sp_rt_enter_thread(frame: u64) -> Left;
    fn sp_rt_thread_start();
}

/// The work of a thread: gets the four arguments of [`start`] and gives a result.
pub type Work = extern "C" fn(u64, u64, u64, u64) -> u64;

/// How a thread came back to its context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It ended with this result.
    Done(u64),
    /// A managed exit: go on with [`resume`] and this number.
    Left(u32),
}

/// Runs `work` in a free thread of the first `limit`, until it ends or is left. `owner` is whoever
/// may resume it. `None` if all are in use.
///
/// Called by a context, on its own stack with interrupts masked; not by a thread.
pub fn start(work: Work, arguments: [u64; 4], owner: u64, limit: usize) -> Option<Outcome> {
    let slot = SLOTS.take(limit, owner)?;
    let [a, b, c, d] = arguments;
    for (to, from) in BEGUN[slot]
        .iter()
        .zip([(work as *const ()).addr() as u64, a, b, c, d])
    {
        to.store(from, Ordering::Relaxed);
    }
    Some(run(slot, first_frame(slot)))
}

/// Writes the frame with which a thread begins what it was started for; its address.
fn first_frame(slot: usize) -> u64 {
    let top = STACKS[slot].0.get().addr() + STACK;
    let frame = top - FRAME;
    let [work, arguments @ ..] = &BEGUN[slot];
    let mut words = [0_u64; FRAME / 8];
    for (to, from) in words.iter_mut().zip(arguments) {
        *to = from.load(Ordering::Relaxed);
    }
    words[19] = work.load(Ordering::Relaxed);
    words[31] = (sp_rt_thread_start as *const ()).addr() as u64;
    words[32] = SPSR;
    // SAFETY: the top of the stack of a thread that this context alone has, and that is not running: it was just taken,
    // or has just ended.
    unsafe { core::ptr::write(frame as *mut [u64; FRAME / 8], words) };
    frame as u64
}

/// Resumes a thread that was left. `None` if there is none of this number, of this owner, in that state.
///
/// A thread that then ends with the result `again` is left as one that has not begun: the next [`resume`] has it do all of
/// its work anew. For results that say so much as "later", which only who starts a thread can be told.
pub fn resume(thread: u32, owner: u64, again: u64) -> Option<Outcome> {
    let slot = thread as usize;
    let frame = SLOTS.take_up(slot, owner)?;
    let left = enter(frame);
    if left.frame == 0 && left.result == again {
        SLOTS.suspend(slot, first_frame(slot));
        return Some(Outcome::Left(thread));
    }
    Some(came_back(slot, &left))
}

fn run(slot: usize, frame: u64) -> Outcome {
    came_back(slot, &enter(frame))
}

/// Runs a thread until it ends or is left.
fn enter(frame: u64) -> Left {
    // SAFETY: the frame of a thread that this context alone owns now, written by `first_frame` or by the
    // interrupt vector; the callee keeps what the calling convention says.
    unsafe { sp_rt_enter_thread(frame) }
}

fn came_back(slot: usize, left: &Left) -> Outcome {
    if left.frame == 0 {
        SLOTS.free(slot);
        Outcome::Done(left.result)
    } else {
        SLOTS.suspend(slot, left.frame);
        Outcome::Left(slot as u32)
    }
}

/// Ranges (start, size) of the stacks without their guard pages.
pub(super) fn stacks() -> impl Iterator<Item = (u64, u64)> {
    const PAGE: u64 = 4096;
    STACKS
        .iter()
        .map(|s| (s.0.get().addr() as u64 + PAGE, STACK as u64 - PAGE))
}
