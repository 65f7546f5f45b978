//! One core: which context it runs, why, and what the normal world had in the registers that no
//! answer changes. Only the core itself writes it, but for the mark that another one has called it.

use crate::api::{Context, Regs};
use crate::context::{Kept, State};
use crate::power::Power;
use crate::sync::{AtomicBool, AtomicU32, AtomicU64, Ordering};
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
    /// A request from a core that its partition does not list, while the normal world had this one.
    Forward,
    /// Partitions that hear of what happens to the core.
    Power,
    /// A partition whose own the core is.
    Dedicated,
}

impl Mode {
    /// Whether a call of the normal world is worked at: its interrupts take the core back as the table says.
    pub(crate) fn serves(self) -> bool {
        matches!(self, Self::Serving | Self::Forward)
    }
}

/// To do when the core goes to the normal world: raise the schedule-receiver interrupt.
const SCHEDULE: u32 = 1 << 0;
/// Answer FFA_INTERRUPT with the ticket: a context that its request waits for got these cycles.
const TICKET: u32 = 1 << 1;
/// Look for interrupts that were queued while a partition had the core.
const LOOK: u32 = 1 << 2;

/// A context as a number: 1 + (partition << 8 | home). Indices of partitions fit 16 bits: their IDs do.
#[inline]
fn pack(context: Context) -> u32 {
    1 + (((context.partition & 0xffff) as u32) << 8 | u32::from(context.home))
}

/// The context of a number; none for 0.
#[inline]
fn unpack(value: u32) -> Option<Context> {
    let value = value.checked_sub(1)?;
    Some(Context {
        partition: (value >> 8) as usize,
        home: (value & 0xff) as Core,
    })
}

fn pack_mode(mode: Mode) -> u32 {
    match mode {
        Mode::Serving => 0,
        Mode::Forward => 1,
        Mode::Boot => 2,
        Mode::CoreOn => 3,
        Mode::Interrupt => 4,
        Mode::Power => 5,
        Mode::Dedicated => 6,
    }
}

fn unpack_mode(value: u32) -> Mode {
    match value {
        1 => Mode::Forward,
        2 => Mode::Boot,
        3 => Mode::CoreOn,
        4 => Mode::Interrupt,
        5 => Mode::Power,
        6 => Mode::Dedicated,
        _ => Mode::Serving,
    }
}

/// What there is to do on the way to the normal world.
pub(crate) struct Chores {
    /// Raise the schedule-receiver interrupt.
    pub schedule: bool,
    /// Call this core: an interrupt was queued.
    pub look: bool,
    /// Answer FFA_INTERRUPT with this target information.
    pub ticket: Option<u32>,
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
    /// Whether `kept` is of the normal world's last call; else its registers are where it made it.
    is_kept: AtomicBool,
    /// To do when the core goes to the normal world.
    chores: AtomicU32,
    /// Target information of the ticket, with `TICKET`.
    ticket: AtomicU32,
    /// The context that a secure interrupt displaced, as `current`.
    beneath: AtomicU32,
    /// Whom the core works for again when the interrupt is dealt with, as `mode`.
    beneath_mode: AtomicU32,
    /// When the interrupt at hand came (microseconds), and whose it is, as `current`.
    began: AtomicU64,
    handler: AtomicU32,
    /// When the request of another core came that is at hand, and until when the core takes no other
    /// (microseconds).
    forward_began: AtomicU64,
    forward_rest: AtomicU64,
    /// The partition that had one last.
    turn: AtomicU32,
    /// What happens to the core, while partitions are told, and the message's x0 to x7.
    event: AtomicU32,
    message: [AtomicU64; 8],
    /// Whether the core is on, as far as the SPMD has told.
    on: AtomicBool,
    /// Another core has called this one, and it has not looked yet.
    called: AtomicBool,
}

impl Cpu {
    pub(crate) const fn new() -> Self {
        Self {
            current: AtomicU32::new(0),
            left: AtomicU64::new(0),
            mode: AtomicU32::new(0),
            next: AtomicU32::new(0),
            kept: Kept::new(),
            is_kept: AtomicBool::new(false),
            chores: AtomicU32::new(0),
            ticket: AtomicU32::new(0),
            beneath: AtomicU32::new(0),
            beneath_mode: AtomicU32::new(0),
            began: AtomicU64::new(0),
            handler: AtomicU32::new(0),
            forward_began: AtomicU64::new(0),
            forward_rest: AtomicU64::new(0),
            turn: AtomicU32::new(0),
            event: AtomicU32::new(0),
            message: [const { AtomicU64::new(0) }; 8],
            on: AtomicBool::new(false),
            called: AtomicBool::new(false),
        }
    }

    /// The context that runs here.
    #[inline]
    pub(crate) fn current(&self) -> Option<Context> {
        unpack(self.current.load(Ordering::Relaxed))
    }

    #[inline]
    pub(crate) fn set_current(&self, context: Option<Context>) {
        self.current.store(context.map_or(0, pack), Ordering::Relaxed);
    }

    /// Notes that a context has given up the core, and what it is to become once the core holds
    /// none of its registers.
    #[inline]
    pub(crate) fn set_left(&self, context: Context, to: State) {
        let value = u64::from(pack(context)) << 32 | u64::from(to.pack());
        self.left.store(value, Ordering::Relaxed);
    }

    /// The context that has given up the core, and its next state; it is noted no more.
    #[inline]
    pub(crate) fn take_left(&self) -> Option<(Context, State)> {
        let value = self.left.load(Ordering::Relaxed);
        let context = unpack((value >> 32) as u32)?;
        self.left.store(0, Ordering::Relaxed);
        Some((context, State::unpack((value & 0xffff_ffff) as u32)))
    }

    #[inline]
    pub(crate) fn mode(&self) -> Mode {
        unpack_mode(self.mode.load(Ordering::Relaxed))
    }

    /// Whether it works at a call of the normal world, and has nothing to do when that is done.
    #[inline]
    pub(crate) fn only_serves(&self) -> bool {
        self.mode.load(Ordering::Relaxed) == pack_mode(Mode::Serving) && !self.has_chores()
    }

    /// Sets the mode, and the start of the boot order.
    pub(crate) fn set_mode(&self, mode: Mode) {
        self.mode.store(pack_mode(mode), Ordering::Relaxed);
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

    /// Asks for a look at contexts whose interrupts were queued, behind the core's way to the normal world.
    pub(crate) fn look_behind(&self) {
        self.chores.fetch_or(LOOK, Ordering::Relaxed);
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
    #[inline]
    pub(crate) fn has_chores(&self) -> bool {
        self.chores.load(Ordering::Relaxed) != 0
    }

    /// What there is to do, once.
    pub(crate) fn take_chores(&self) -> Chores {
        let chores = self.chores.swap(0, Ordering::Relaxed);
        let ticket = self.ticket.load(Ordering::Relaxed);
        Chores {
            schedule: chores & SCHEDULE != 0,
            look: chores & LOOK != 0,
            ticket: (chores & TICKET != 0).then_some(ticket),
        }
    }

    /// A secure interrupt is dealt with, and has displaced this context.
    pub(crate) fn displace(&self, context: Option<Context>) {
        self.beneath.store(context.map_or(0, pack), Ordering::Relaxed);
        let beneath = self.mode.load(Ordering::Relaxed);
        self.beneath_mode.store(beneath, Ordering::Relaxed);
        self.set_mode(Mode::Interrupt);
    }

    /// The context that a secure interrupt displaced, with the mode that it was in.
    pub(crate) fn restore(&self) -> Option<Context> {
        self.set_mode(unpack_mode(self.beneath_mode.load(Ordering::Relaxed)));
        unpack(self.beneath.swap(0, Ordering::Relaxed))
    }

    /// An interrupt of a context's takes the core at this moment (microseconds).
    pub(crate) fn begin_interrupt(&self, owner: Context, now: u64) {
        self.handler.store(pack(owner), Ordering::Relaxed);
        self.began.store(now, Ordering::Relaxed);
    }

    /// Whose interrupt gives the core back, and how long it had it (microseconds).
    pub(crate) fn end_interrupt(&self, now: u64) -> Option<(Context, u64)> {
        let owner = unpack(self.handler.swap(0, Ordering::Relaxed))?;
        Some((owner, now.saturating_sub(self.began.load(Ordering::Relaxed))))
    }

    /// Remembers what partitions are told of the core.
    pub(crate) fn set_message(&self, event: Power, regs: &Regs) {
        self.event.store(event as u32, Ordering::Relaxed);
        for (to, from) in self.message.iter().zip(&regs.0) {
            to.store(*from, Ordering::Relaxed);
        }
    }

    /// What partitions are told.
    pub(crate) fn message(&self) -> (Power, Regs) {
        let event = match self.event.load(Ordering::Relaxed) {
            0 => Power::Off,
            1 => Power::Suspend,
            2 => Power::Resume,
            _ => Power::On,
        };
        let mut regs = Regs([0; 18]);
        for (to, from) in regs.0.iter_mut().zip(&self.message) {
            *to = from.load(Ordering::Relaxed);
        }
        (event, regs)
    }

    /// The core came up, or goes off. A call to it that it did not look at is void.
    pub(crate) fn set_on(&self, on: bool) {
        self.called.store(false, Ordering::Relaxed);
        self.on.store(on, Ordering::Release);
    }

    /// Whether the core is on.
    pub(crate) fn is_on(&self) -> bool {
        self.on.load(Ordering::Acquire)
    }

    /// Marks that another core calls this one; false where one has already.
    pub(crate) fn call(&self) -> bool {
        !self.called.swap(true, Ordering::AcqRel)
    }

    /// Whether another core has called this one, and it has yet to look. One that went off at that moment
    /// will not.
    pub(crate) fn is_called(&self) -> bool {
        self.called.load(Ordering::Acquire) && self.is_on()
    }

    /// It looks now.
    pub(crate) fn answer_call(&self) {
        self.called.store(false, Ordering::Release);
    }

    /// Whether the core can take another core's request at this moment (microseconds): the normal world
    /// has it, and has had it for as long as the last one took. Other cores ask this, too: for them it is
    /// a guess.
    pub(crate) fn takes_forwarded(&self, now: u64) -> bool {
        self.is_on() && self.current().is_none() && now >= self.forward_rest.load(Ordering::Relaxed)
    }

    /// A request of another core to this partition takes the core at this moment (microseconds).
    pub(crate) fn begin_forward(&self, partition: usize, now: u64) {
        self.turn.store((partition & 0xffff) as u32, Ordering::Relaxed);
        self.forward_began.store(now, Ordering::Relaxed);
        self.set_mode(Mode::Forward);
    }

    /// The partition whose turn it is to have such a request: the one behind the last that had.
    pub(crate) fn turn(&self) -> usize {
        self.turn.load(Ordering::Relaxed) as usize + 1
    }

    /// It gives the core back: the normal world has it for as long.
    pub(crate) fn end_forward(&self, now: u64) {
        let took = now.saturating_sub(self.forward_began.load(Ordering::Relaxed));
        self.forward_rest
            .store(now.saturating_add(took), Ordering::Relaxed);
        self.set_mode(Mode::Serving);
    }

    /// The normal world makes a call, whose x8 to x17 stay where they are for now.
    #[inline]
    pub(crate) fn begin_call(&self) {
        self.is_kept.store(false, Ordering::Relaxed);
    }

    /// Remembers x8 to x17 of the normal world's call.
    #[inline]
    pub(crate) fn keep(&self, regs: &Regs) {
        self.kept.keep(regs);
        self.is_kept.store(true, Ordering::Relaxed);
    }

    /// Remembers them where nobody has yet.
    #[inline]
    pub(crate) fn keep_late(&self, regs: &Regs) {
        if !self.is_kept.load(Ordering::Relaxed) {
            self.keep(regs);
        }
    }

    /// Puts the normal world's x8 to x17 in their places.
    pub(crate) fn put_kept(&self, regs: &mut Regs) {
        self.kept.put(regs);
    }

    /// The normal world's x8 to x17, in their places; x0 to x7 are zero.
    pub(crate) fn kept(&self) -> Regs {
        self.kept.regs()
    }
}
