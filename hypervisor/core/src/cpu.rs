//! One core: which context it runs, why, and what the normal world had in the registers that no
//! answer changes. Only the core itself writes it.

use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use crate::api::{Context, Regs};
use crate::context::State;
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
}

/// The registers x8 to x17.
const KEPT: usize = 10;

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
    kept: [AtomicU64; KEPT],
    /// The schedule-receiver interrupt is to be raised when the core goes to the normal world.
    schedule: AtomicBool,
}

impl Cpu {
    pub(crate) const fn new() -> Self {
        Self {
            current: AtomicU32::new(0),
            left: AtomicU64::new(0),
            mode: AtomicU32::new(0),
            next: AtomicU32::new(0),
            kept: [const { AtomicU64::new(0) }; KEPT],
            schedule: AtomicBool::new(false),
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
            _ => Mode::Serving,
        }
    }

    /// Sets the mode, and the start of the boot order.
    pub(crate) fn set_mode(&self, mode: Mode) {
        let value = match mode {
            Mode::Serving => 0,
            Mode::Boot => 1,
            Mode::CoreOn => 2,
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
        self.schedule.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked for; it is no more.
    pub(crate) fn take_schedule(&self) -> bool {
        self.schedule.load(Ordering::Relaxed) && self.schedule.swap(false, Ordering::Relaxed)
    }

    /// Remembers x8 to x17 of the normal world's call.
    pub(crate) fn keep(&self, regs: &Regs) {
        for (to, from) in self.kept.iter().zip(regs.0.iter().skip(8)) {
            to.store(*from, Ordering::Relaxed);
        }
    }

    /// The normal world's x8 to x17, in their places; x0 to x7 are zero.
    pub(crate) fn kept(&self) -> Regs {
        let mut regs = Regs([0; 18]);
        for (to, from) in regs.0.iter_mut().skip(8).zip(&self.kept) {
            *to = from.load(Ordering::Relaxed);
        }
        regs
    }
}
