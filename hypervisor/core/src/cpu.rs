//! One core: which context it runs, why, and what the normal world had in the registers that no
//! answer changes. Only the core itself writes it.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::api::{Context, Regs};
use crate::context::{Kept, State};
use crate::table::Core;

/// Whom the core works for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// A call of the normal world.
    Serving,
    /// The start of the system: first contexts of the partitions.
    Boot,
    /// The start of this core: further contexts of the partitions.
    CoreOn,
    /// A secure interrupt that came while the normal world, or another partition, had the core.
    Interrupt,
}

/// How much longer than a secure interrupt's handling the core is not taken for the next one.
const REST: u64 = 4;

/// To do when the core goes to the normal world: raise the schedule-receiver interrupt.
const SCHEDULE: u32 = 1 << 0;
/// Answer FFA_INTERRUPT with the ticket: a context that its request waits for got these cycles.
const TICKET: u32 = 1 << 1;

/// A context as a number: 1 + (partition << 8 | home). Indices of partitions fit 16 bits: their IDs do.
fn pack(context: Context) -> u32 {
    1 + (((context.partition & 0xffff) as u32) << 8 | u32::from(context.home))
}

/// The context of a number; none for 0.
fn unpack(value: u32) -> Option<Context> {
    let value = value.checked_sub(1)?;
    Some(Context {
        partition: (value >> 8) as usize,
        home: (value & 0xff) as Core,
    })
}

/// What is known of one core.
#[derive(Debug)]
pub(crate) struct Cpu {
    /// 0: none; else the packed context.
    current: AtomicU32,
    /// The context that has given up the core in this step, and its next state: 0 or
    /// (packed context) << 32 | packed state.
    left: AtomicU64,
    mode: AtomicU32,
    /// Next place in `Table::boot_order` while partitions are started here.
    next: AtomicU32,
    kept: Kept,
    /// To do when the core goes to the normal world.
    chores: AtomicU32,
    /// Target information of the ticket, with `TICKET`.
    ticket: AtomicU32,
    /// The context that a secure interrupt displaced, as `current`.
    beneath: AtomicU32,
    /// When the interrupt at hand came, and until when no other displaces anybody (microseconds).
    began: AtomicU64,
    rest: AtomicU64,
}

impl Cpu {
    pub(crate) const fn new() -> Self {
        Self {
            current: AtomicU32::new(0),
            left: AtomicU64::new(0),
            mode: AtomicU32::new(0),
            next: AtomicU32::new(0),
            kept: Kept::new(),
            chores: AtomicU32::new(0),
            ticket: AtomicU32::new(0),
            beneath: AtomicU32::new(0),
            began: AtomicU64::new(0),
            rest: AtomicU64::new(0),
        }
    }

    /// The context that runs here.
    pub(crate) fn current(&self) -> Option<Context> {
        unpack(self.current.load(Ordering::Relaxed))
    }

    pub(crate) fn set_current(&self, context: Option<Context>) {
        self.current.store(context.map_or(0, pack), Ordering::Relaxed);
    }

    /// Notes that a context has given up the core, and what it is to become once the core holds
    /// none of its registers.
    pub(crate) fn set_left(&self, context: Context, to: State) {
        let value = u64::from(pack(context)) << 32 | u64::from(to.pack());
        self.left.store(value, Ordering::Relaxed);
    }

    /// The context that has given up the core, and its next state; it is noted no more.
    pub(crate) fn take_left(&self) -> Option<(Context, State)> {
        let value = self.left.load(Ordering::Relaxed);
        let context = unpack((value >> 32) as u32)?;
        self.left.store(0, Ordering::Relaxed);
        Some((context, State::unpack((value & 0xffff_ffff) as u32)))
    }

    pub(crate) fn mode(&self) -> Mode {
        match self.mode.load(Ordering::Relaxed) {
            1 => Mode::Boot,
            2 => Mode::CoreOn,
            3 => Mode::Interrupt,
            _ => Mode::Serving,
        }
    }

    /// Sets the mode, and the start of the boot order.
    pub(crate) fn set_mode(&self, mode: Mode) {
        let value = match mode {
            Mode::Serving => 0,
            Mode::Boot => 1,
            Mode::CoreOn => 2,
            Mode::Interrupt => 3,
        };
        self.mode.store(value, Ordering::Relaxed);
        self.next.store(0, Ordering::Relaxed);
    }

    /// The next place in the boot order.
    pub(crate) fn take_place(&self) -> usize {
        self.next.fetch_add(1, Ordering::Relaxed) as usize
    }

    /// Asks for the schedule-receiver interrupt at the core's way to the normal world.
    pub(crate) fn delay_schedule(&self) {
        self.chores.fetch_or(SCHEDULE, Ordering::Relaxed);
    }

    /// The next way to the normal world tells the holder of this ticket (target information) to come
    /// again.
    pub(crate) fn set_ticket(&self, target: u32) {
        self.ticket.store(target, Ordering::Relaxed);
        self.chores.fetch_or(TICKET, Ordering::Relaxed);
    }

    /// Undoes `set_ticket`.
    pub(crate) fn drop_ticket(&self) {
        self.chores.fetch_and(!TICKET, Ordering::Relaxed);
    }

    /// Whether there is something to do on the way to the normal world.
    pub(crate) fn has_chores(&self) -> bool {
        self.chores.load(Ordering::Relaxed) != 0
    }

    /// What there is to do, once: whether to raise the schedule-receiver interrupt, and a ticket.
    pub(crate) fn take_chores(&self) -> (bool, Option<u32>) {
        let chores = self.chores.swap(0, Ordering::Relaxed);
        let ticket = self.ticket.load(Ordering::Relaxed);
        (chores & SCHEDULE != 0, (chores & TICKET != 0).then_some(ticket))
    }

    /// Remembers the context that a secure interrupt displaced.
    pub(crate) fn set_beneath(&self, context: Option<Context>) {
        self.beneath.store(context.map_or(0, pack), Ordering::Relaxed);
    }

    /// The context that a secure interrupt displaced; it is remembered no more.
    pub(crate) fn take_beneath(&self) -> Option<Context> {
        unpack(self.beneath.swap(0, Ordering::Relaxed))
    }

    /// An interrupt takes the core at this moment (microseconds); false while the core has its rest.
    pub(crate) fn begin_interrupt(&self, now: u64) -> bool {
        let rested = now >= self.rest.load(Ordering::Relaxed);
        if rested {
            self.began.store(now, Ordering::Relaxed);
        }
        rested
    }

    /// The interrupt's owner gives the core back: others have it for `REST` times as long.
    pub(crate) fn end_interrupt(&self, now: u64) {
        let took = now.saturating_sub(self.began.load(Ordering::Relaxed));
        let rest = now.saturating_add(took.saturating_mul(REST));
        self.rest.store(rest, Ordering::Relaxed);
    }

    /// Remembers x8 to x17 of the normal world's call.
    pub(crate) fn keep(&self, regs: &Regs) {
        self.kept.keep(regs);
    }

    /// The normal world's x8 to x17, in their places; x0 to x7 are zero.
    pub(crate) fn kept(&self) -> Regs {
        self.kept.regs()
    }
}
