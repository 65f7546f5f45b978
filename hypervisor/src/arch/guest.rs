//! One core's way between the worlds and the partitions: what differs is switched, nothing else.

use aarch64_cpu::registers::{ESR_EL2, Readable as _, VMPIDR_EL2, Writeable as _};
use bulkhead_core::api::{Conduit, Context, Deadline, Entry, Event, Regs, Run};
use bulkhead_core::sure::Sure as _;
use bulkhead_core::table::Core as CoreIndex;

use super::cell::Owned;
use super::context::State;
use super::exit::{self, Exit};
use super::{cpu, gic, smc, stage2, timer, vectors};
use crate::table::{CORES, PARTITIONS, TABLE};

/// Why there is something of a context.
const OF_THE_TABLE: &str = "the policy names contexts of the table";

static CONTEXTS: [[Owned<State>; CORES]; PARTITIONS] =
    [const { [const { Owned::new(State::new()) }; CORES] }; PARTITIONS];

/// FFA_INTERRUPT, by which the SPMD tells of a secure interrupt (DEN0077A 1.2, section 14.4).
const FFA_INTERRUPT: u64 = 0x8400_0062;

/// This core, and whose registers it holds. `None` is the normal world.
pub struct Core {
    index: usize,
    loaded: Option<Context>,
    vectors_of: Option<Context>,
    /// The home of the context of each partition that was here last.
    last: [Option<CoreIndex>; PARTITIONS],
    /// The normal world's interrupt priority mask while the core is not its own.
    mask: u64,
    timer_runs: bool,
}

impl Core {
    /// The core with this index, entered from EL3 with the normal world's registers in it.
    pub const fn new(index: usize) -> Self {
        Self {
            index,
            loaded: None,
            vectors_of: None,
            last: [None; PARTITIONS],
            mask: 0,
            timer_runs: false,
        }
    }

    /// Makes a context's registers the core's; the registers that were there before are saved.
    #[inline]
    pub fn load(&mut self, run: &Run) {
        if self.loaded != Some(run.context) {
            self.load_other(run.context);
        }
    }

    /// Enters the context that `load` has loaded and comes back with what happened.
    #[inline]
    pub fn run(&mut self, run: &Run) -> Event {
        let state = state(run.context);
        gic::set_mask(if run.hold_normal {
            gic::HOLD_NORMAL
        } else {
            self.mask
        });
        self.set_deadline(run.deadline);
        match run.entry {
            Entry::Resume => {}
            Entry::Answer(regs) => state.general.x[..18].copy_from_slice(&regs.0),
            Entry::Load { target, value } => state.answer(target, value),
            Entry::Start { pc, x0 } => {
                state.reset(pc, x0);
                state.el1.load();
                self.forget_vectors(run.context, state);
            }
        }
        cpu::set_virtual_lines(run.virtual_irq, run.virtual_fiq);
        loop {
            let vector = vectors::enter(&mut state.general, self.index);
            if let Some(event) = self.event(vector, run.context, state) {
                return event;
            }
        }
    }

    /// Gives all registers back to the normal world.
    #[inline]
    pub fn unload(&mut self) {
        self.unload_vectors();
        if self.loaded.is_some() {
            self.save_el1();
            // SAFETY: this core's block; nothing else on this core refers to it now.
            unsafe { cpu::block(self.index) }.normal.load();
            self.loaded = None;
            gic::restore(self.mask);
        }
    }

    /// Hands the core, which `unload` has cleared, to the normal world and comes back with its next call.
    #[inline]
    pub fn normal(&mut self, regs: &Regs) -> Event {
        self.set_deadline(Deadline::None);
        let call = smc::call(regs);
        if call.0[0] & 0xffff_ffff == FFA_INTERRUPT
            && let Some(intid) = gic::acknowledge()
        {
            return self.interrupt(intid);
        }
        Event::Normal(call)
    }

    /// Waits on the core, which `unload` has cleared, for a secure interrupt.
    pub fn idle(&mut self) -> Event {
        self.set_deadline(Deadline::None);
        let mask = gic::mask();
        gic::set_mask(gic::HOLD_NORMAL);
        loop {
            cpu::wait_for_interrupt();
            if let Some(event) = self.secure_interrupt() {
                gic::set_mask(mask);
                return event;
            }
        }
    }

    /// What an exit means; `None` where the context goes on.
    fn event(&mut self, vector: u64, context: Context, state: &mut State) -> Option<Event> {
        match vector {
            vectors::SYNCHRONOUS => match exit::decode(state) {
                Exit::Smc => Some(Event::Call(Conduit::Smc, arguments(state))),
                Exit::Hvc => Some(Event::Call(Conduit::Hvc, arguments(state))),
                Exit::Fault(fault) => Some(Event::Fault(fault)),
                Exit::Trapped(access) => Some(Event::Trapped(access)),
                Exit::Fp => {
                    self.load_vectors(context, state);
                    None
                }
                Exit::Done => None,
            },
            vectors::IRQ => self.secure_interrupt(),
            // Something that no mask holds (group 0, a non-maskable one) must not outrun the deadline.
            vectors::FIQ if self.timer_runs && timer::expired(self.index) => {
                self.set_deadline(Deadline::None);
                Some(Event::Deadline)
            }
            vectors::FIQ => Some(Event::NormalInterrupt),
            _ => Some(Event::Fault(exit::fault(state, ESR_EL2.get()))),
        }
    }

    fn secure_interrupt(&mut self) -> Option<Event> {
        let intid = gic::acknowledge()?;
        if intid == TABLE.board.timer_intid && self.timer_runs && timer::expired(self.index) {
            self.set_deadline(Deadline::None);
            gic::deactivate(intid, self.index);
            return Some(Event::Deadline);
        }
        Some(self.interrupt(intid))
    }

    /// What a secure interrupt means that is not a deadline.
    fn interrupt(&self, intid: u32) -> Event {
        if intid == TABLE.board.timer_intid {
            // An alarm that is due, too, comes again at once.
            let woken = timer::end_wake(self.index);
            if !woken {
                timer::end_alarm(self.index);
            }
            gic::deactivate(intid, self.index);
            return if woken { Event::Called } else { Event::Alarm };
        }
        if intid == gic::CALL {
            gic::deactivate(intid, self.index);
            return Event::Called;
        }
        Event::SecureInterrupt(intid)
    }

    /// Another context takes the core, or the first one since the normal world had it. The vector
    /// registers go back to the normal world: a context that is not loaded has nothing on the core.
    fn load_other(&mut self, context: Context) {
        if self.loaded.is_none() {
            self.mask = gic::mask();
        } else {
            gic::restore(self.mask);
        }
        self.unload_vectors();
        self.save_el1();
        state(context).el1.load();
        VMPIDR_EL2.set(virtual_affinity(context));
        stage2::activate(context.partition);
        let last = self.last.get_mut(context.partition).sure(OF_THE_TABLE);
        if *last != Some(context.home) {
            *last = Some(context.home);
            stage2::forget_local();
        }
        self.loaded = Some(context);
    }

    #[inline]
    fn save_el1(&self) {
        match self.loaded {
            Some(context) => state(context).el1.save(),
            // SAFETY: as in `unload`.
            None => unsafe { cpu::block(self.index) }.normal.save(),
        }
    }

    /// Makes a context's FP/SIMD registers the core's, at its first use since it was loaded.
    fn load_vectors(&mut self, context: Context, new: &State) {
        cpu::allow_vectors();
        self.save_vectors();
        new.fp.load();
        self.vectors_of = Some(context);
        cpu::allow_fp();
    }

    /// Gives the vector registers back to the normal world.
    fn unload_vectors(&mut self) {
        if self.vectors_of.is_none() {
            return;
        }
        cpu::allow_vectors();
        self.save_vectors();
        // SAFETY: as in `unload`.
        unsafe { cpu::block(self.index) }.normal_vectors.load();
        self.vectors_of = None;
        cpu::trap_fp();
    }

    fn save_vectors(&self) {
        match self.vectors_of {
            Some(context) => state(context).fp.save(),
            // SAFETY: as in `unload`.
            None => unsafe { cpu::block(self.index) }.normal_vectors.save(),
        }
    }

    /// A context that starts anew does not see the registers that it left.
    fn forget_vectors(&mut self, context: Context, new: &State) {
        if self.vectors_of == Some(context) {
            cpu::allow_vectors();
            new.fp.load();
            cpu::allow_fp();
        }
    }

    #[inline]
    fn set_deadline(&mut self, deadline: Deadline) {
        match deadline {
            Deadline::Keep => {}
            Deadline::Micros(micros) => {
                timer::set(self.index, micros);
                self.timer_runs = true;
            }
            Deadline::None => {
                if self.timer_runs {
                    timer::stop(self.index);
                    self.timer_runs = false;
                }
            }
        }
    }
}

fn arguments(state: &mut State) -> Regs {
    state.calls.push(&state.general);
    let mut regs = [0; 18];
    regs.copy_from_slice(&state.general.x[..18]);
    Regs(regs)
}

/// The registers of the context that this core has left last and still holds, for the record of its failure.
pub fn left(context: Context) -> &'static State {
    let state = state(context);
    state.el1.save();
    state
}

/// A context's registers.
fn state(context: Context) -> &'static mut State {
    let of = CONTEXTS.get(context.partition);
    let state = of
        .and_then(|of| of.get(usize::from(context.home)))
        .sure(OF_THE_TABLE);
    // SAFETY: the policy gives a context to one core at a time, by an atomic change of its state, and
    // takes it back only after that core's next event; within the core the references that come from
    // here do not overlap (`save_el1` and `save_vectors` take another context than the one entered).
    unsafe { state.get() }
}

/// MPIDR_EL1 as a context reads it: its number, as FF-A wants it (DEN0077A 1.2, section 4.7).
fn virtual_affinity(context: Context) -> u64 {
    const RES1: u64 = 1 << 31;
    let cores = TABLE.partitions.get(context.partition).map_or(0, |p| p.cores);
    let below = 1u64.wrapping_shl(context.home.into()).wrapping_sub(1);
    RES1 | u64::from((cores & below).count_ones())
}
