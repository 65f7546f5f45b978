//! One core's way between the worlds and the partitions: what differs is switched, nothing else.

use aarch64_cpu::registers::{ESR_EL2, Readable as _, VMPIDR_EL2, Writeable as _};
use bulkhead_core::api::{Conduit, Context, Deadline, Entry, Event, Regs, Turn};
use bulkhead_core::sure::Sure as _;
use bulkhead_core::table::Core as CoreIndex;

use super::cell::Owned;
use super::context::State;
use super::exit::{self, Exit};
use super::{cpu, gic, smc, stage2, timer, vectors};
use crate::table::{CORES, PARTITIONS, TABLE};

/// Why there is something of a context.
const OF_THE_TABLE: &str = "the policy names contexts of the table";
/// Why one is loaded.
const LOADED: &str = "a context is loaded before it runs, and makes calls while it is loaded";

static CONTEXTS: [[Owned<State>; CORES]; PARTITIONS] =
    [const { [const { Owned::new(State::new()) }; CORES] }; PARTITIONS];

/// FFA_INTERRUPT, by which the SPMD tells of a secure interrupt (DEN0077A 1.2, section 14.4).
const FFA_INTERRUPT: u64 = 0x8400_0062;

/// Why the core came back. Small: what goes through here does so with every call.
#[derive(Clone, Copy)]
pub enum Left {
    /// The normal world makes a call.
    Normal,
    /// The context that runs makes a call by SMC.
    Smc,
    /// The context that runs makes a call by HVC.
    Hvc,
    /// Anything else: [`Core::event`].
    Event,
}

/// Where a context's x0 to x17 are when it is entered.
#[derive(Clone, Copy)]
pub enum Given {
    /// In its own place.
    Own,
    /// Where the normal world's call had them.
    Normal,
    /// There, x0 to x7 alone; the others are zero.
    Short,
}

/// A context whose registers a core holds, and where they are kept: looked up once.
#[derive(Clone, Copy)]
struct Loaded {
    context: Context,
    place: &'static Owned<State>,
}

impl Loaded {
    /// Its registers.
    #[inline(always)]
    fn state(self) -> &'static mut State {
        registers(self.place)
    }
}

/// This core, and whose registers it holds. `None` is the normal world.
pub struct Core {
    index: usize,
    loaded: Option<Loaded>,
    vectors_of: Option<Context>,
    /// The home of the context of each partition that was here last.
    last: [Option<CoreIndex>; PARTITIONS],
    /// The normal world's interrupt priority mask while the core is not its own.
    mask: u64,
    timer_runs: bool,
    /// The normal world's x0 to x17 while the core is not its own.
    normal: Regs,
    /// The last event that was no call.
    event: Event,
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
            normal: Regs([0; 18]),
            event: Event::Boot,
        }
    }

    /// What happened.
    pub fn event(&self) -> Event {
        self.event
    }

    /// The context whose registers the core holds; none: the normal world's.
    pub fn holds(&self) -> Option<Context> {
        self.loaded.map(|loaded| loaded.context)
    }

    /// The registers of the call that was made last: the loaded context's, or the normal world's.
    #[inline]
    pub fn call(&mut self) -> &mut Regs {
        match self.loaded {
            Some(loaded) => &mut loaded.state().general.call,
            None => &mut self.normal,
        }
    }

    /// The registers of the loaded context's call, and those of the normal world's last one.
    #[inline]
    pub fn calls(&mut self) -> (&mut Regs, &Regs) {
        let loaded = self.loaded.sure(LOADED);
        (&mut loaded.state().general.call, &self.normal)
    }

    /// Those of the normal world's last call, as far as it is not answered.
    pub fn normal_call(&self) -> &Regs {
        &self.normal
    }

    /// Gives a context x0 to x17 of the call that was made last, or the normal world's x0 to x7. Those of another context
    /// are copied: once it is settled, its home core may enter it anew.
    #[inline(always)]
    pub fn hand_over(&self, to: Context, short: bool) -> Given {
        match self.loaded {
            None if short => return Given::Short,
            None => return Given::Normal,
            Some(from) if from.context != to => {
                copy(&from.state().general.call, &mut state(to).general.call);
            }
            Some(_) => {}
        }
        Given::Own
    }

    /// Gives them to the normal world, or x0 to x7 of them.
    #[inline(always)]
    pub fn hand_to_normal(&mut self, short: bool) {
        if let Some(from) = self.loaded {
            let from = &from.state().general.call;
            copy_first(from, &mut self.normal);
            if !short {
                copy_last(from, &mut self.normal);
            }
        }
    }

    /// Makes a context's registers the core's; the registers that were there before are saved.
    #[inline(always)]
    pub fn load(&mut self, context: Context) {
        if self.holds() != Some(context) {
            self.load_other(context);
        }
    }

    /// Prepares the context that `load` has loaded.
    pub fn prepare(&mut self, context: Context, entry: &Entry) {
        let state = state(context);
        match entry {
            Entry::Resume => {}
            Entry::Answer(regs) => state.general.call = *regs,
            Entry::Load { target, value } => state.answer(*target, *value),
            Entry::Start { pc, x0 } => {
                state.reset(*pc, *x0);
                state.el1.load();
                self.forget_vectors(context, state);
            }
        }
    }

    /// Enters the context that `load` has loaded and comes back with what happened.
    #[inline(always)]
    pub fn run(&mut self, turn: &Turn, call: Given) -> Left {
        gic::set_mask(if turn.hold_normal {
            gic::HOLD_NORMAL
        } else {
            self.mask
        });
        self.set_deadline(turn.deadline);
        cpu::set_virtual_lines(turn.virtual_irq, turn.virtual_fiq);
        let loaded = self.loaded.sure(LOADED);
        let state = loaded.state();
        let vector = match call {
            Given::Own => vectors::enter(&mut state.general, None),
            Given::Normal => vectors::enter(&mut state.general, Some(&self.normal)),
            Given::Short => vectors::enter_short(&mut state.general, &self.normal),
        };
        self.came_back(vector, loaded.context, state)
    }

    /// As `load`, off the direct path: one copy of it is enough there.
    #[inline(never)]
    pub fn load_apart(&mut self, context: Context) {
        self.load(context);
    }

    /// As `unload`, off the direct path.
    #[inline(never)]
    pub fn unload_apart(&mut self) {
        self.unload();
    }

    /// As `run`, off the direct path, of a context that has its registers.
    #[inline(never)]
    pub fn run_apart(&mut self, turn: &Turn) -> Left {
        self.run(turn, Given::Own)
    }

    /// As `normal`, off the direct path.
    #[inline(never)]
    pub fn normal_apart(&mut self, answer: &Regs) -> Left {
        self.normal(Some(answer))
    }

    /// Goes back to who made a call that was answered where its registers lie.
    #[inline(always)]
    pub fn go_back(&mut self) -> Left {
        let Some(loaded) = self.loaded else {
            return self.normal(None);
        };
        let state = loaded.state();
        let vector = vectors::enter(&mut state.general, None);
        self.came_back(vector, loaded.context, state)
    }

    /// What there is to do for a context that has left; it goes on where that is nothing.
    #[inline(always)]
    fn came_back(&mut self, mut vector: u64, context: Context, state: &mut State) -> Left {
        loop {
            if let Some(left) = self.left(vector, context, state) {
                return left;
            }
            vector = vectors::enter(&mut state.general, None);
        }
    }

    /// Gives all registers back to the normal world.
    #[inline(always)]
    pub fn unload(&mut self) {
        self.unload_vectors();
        if let Some(loaded) = self.loaded {
            loaded.state().el1.save();
            // SAFETY: a `Core` is made behind `init`; nothing else on this core refers to its block now.
            unsafe { cpu::own_block() }.normal.load();
            self.loaded = None;
            gic::restore(self.mask);
        }
    }

    /// Hands the core, which `unload` has cleared, to the normal world and comes back with its next call. `answer`
    /// replaces what it was given.
    #[inline(always)]
    pub fn normal(&mut self, answer: Option<&Regs>) -> Left {
        self.set_deadline(Deadline::None);
        if let Some(answer) = answer {
            self.normal = *answer;
        }
        smc::call(&mut self.normal);
        if self.normal.0[0] & 0xffff_ffff == FFA_INTERRUPT
            && let Some(intid) = gic::acknowledge()
        {
            self.event = self.interrupt(intid);
            return Left::Event;
        }
        Left::Normal
    }

    /// Waits on the core, which `unload` has cleared, for a secure interrupt.
    pub fn idle(&mut self) -> Left {
        self.set_deadline(Deadline::None);
        let mask = gic::mask();
        gic::set_mask(gic::HOLD_NORMAL);
        loop {
            cpu::wait_for_interrupt();
            if let Some(event) = self.secure_interrupt() {
                gic::set_mask(mask);
                self.event = event;
                return Left::Event;
            }
        }
    }

    /// What an exit means; `None` where the context goes on.
    #[inline(always)]
    fn left(&mut self, vector: u64, context: Context, state: &mut State) -> Option<Left> {
        if vector == vectors::SYNCHRONOUS
            && let Some(conduit) = exit::call(state)
        {
            state.calls.push(&state.general);
            return Some(match conduit {
                Conduit::Smc => Left::Smc,
                Conduit::Hvc => Left::Hvc,
            });
        }
        self.event = self.what_happened(vector, context, state)?;
        Some(Left::Event)
    }

    /// What an exit means that is no call; `None` where the context goes on.
    #[inline(never)]
    fn what_happened(&mut self, vector: u64, context: Context, state: &mut State) -> Option<Event> {
        match vector {
            vectors::SYNCHRONOUS => match exit::decode(state) {
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
    #[inline(always)]
    fn load_other(&mut self, context: Context) {
        self.unload_vectors();
        if let Some(old) = self.loaded {
            gic::restore(self.mask);
            old.state().el1.save();
        } else {
            self.mask = gic::mask();
            // SAFETY: as in `unload`.
            unsafe { cpu::own_block() }.normal.save();
        }
        let place = place(context);
        registers(place).el1.load();
        let affinities = AFFINITIES.get(context.partition).sure(OF_THE_TABLE);
        VMPIDR_EL2.set(*affinities.get(usize::from(context.home)).sure(OF_THE_TABLE));
        stage2::activate(context.partition);
        let last = self.last.get_mut(context.partition).sure(OF_THE_TABLE);
        if *last != Some(context.home) {
            *last = Some(context.home);
            stage2::forget_local();
        }
        self.loaded = Some(Loaded { context, place });
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
    #[inline]
    fn unload_vectors(&mut self) {
        if self.vectors_of.is_some() {
            self.unload_some_vectors();
        }
    }

    fn unload_some_vectors(&mut self) {
        cpu::allow_vectors();
        self.save_vectors();
        // SAFETY: as in `unload`.
        unsafe { cpu::own_block() }.normal_vectors.load();
        self.vectors_of = None;
        cpu::trap_fp();
    }

    fn save_vectors(&self) {
        match self.vectors_of {
            Some(context) => state(context).fp.save(),
            // SAFETY: as in `unload`.
            None => unsafe { cpu::own_block() }.normal_vectors.save(),
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

/// Copies the registers of a call from one place to another.
#[inline(always)]
fn copy(from: &Regs, to: &mut Regs) {
    copy_first(from, to);
    copy_last(from, to);
}

/// Of them x0 to x7.
#[inline(always)]
fn copy_first(from: &Regs, to: &mut Regs) {
    // By four: the compiler calls `memcpy` for more.
    if let ([a, b, ..], [to_a, to_b, ..]) = (from.0.as_chunks::<4>().0, to.0.as_chunks_mut::<4>().0) {
        (*to_a, *to_b) = (*a, *b);
    }
}

/// Of them x8 to x17.
#[inline(always)]
fn copy_last(from: &Regs, to: &mut Regs) {
    let ((from, rest), (to, to_rest)) = (from.0.as_chunks::<4>(), to.0.as_chunks_mut::<4>());
    if let ([.., c, d], [.., to_c, to_d]) = (from, to) {
        (*to_c, *to_d) = (*c, *d);
    }
    if let ([a, b], [to_a, to_b]) = (rest, to_rest) {
        (*to_a, *to_b) = (*a, *b);
    }
}

/// The registers of the context that this core has left last and still holds, for the record of its failure.
pub fn left(context: Context) -> &'static State {
    let state = state(context);
    state.el1.save();
    state
}

/// Where a context's registers are kept.
fn place(context: Context) -> &'static Owned<State> {
    let of = CONTEXTS.get(context.partition);
    of.and_then(|of| of.get(usize::from(context.home)))
        .sure(OF_THE_TABLE)
}

/// A context's registers.
fn state(context: Context) -> &'static mut State {
    registers(place(context))
}

/// The registers of the context that are kept there.
#[inline(always)]
#[allow(clippy::mut_from_ref)]
fn registers(place: &'static Owned<State>) -> &'static mut State {
    // SAFETY: the policy gives a context to one core at a time, by an atomic change of its state, and
    // takes it back only after that core's next event; within the core the references that come from
    // here do not overlap (`save_el1` and `save_vectors` take another context than the one entered).
    unsafe { place.get() }
}

/// MPIDR_EL1 as each context reads it: its number, as FF-A wants it (DEN0077A 1.2, section 4.7).
static AFFINITIES: [[u64; CORES]; PARTITIONS] = {
    const RES1: u64 = 1 << 31;
    let mut all = [[RES1; CORES]; PARTITIONS];
    let mut partition = 0;
    while partition < PARTITIONS {
        let mut home = 0;
        while home < CORES {
            let below = TABLE.partitions[partition].cores & ((1 << home) - 1);
            all[partition][home] |= below.count_ones() as u64;
            home += 1;
        }
        partition += 1;
    }
    all
};
