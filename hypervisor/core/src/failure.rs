//! What a partition's failure does: to its contexts on all cores, to who waits for it, to what it had.
//!
//! A partition fails by what it does (a fault), by FFA_ABORT, by a start that fails or takes too long. The core
//! on which that happens ends the context there, tells its caller ABORTED, and calls all other cores: each
//! ends the contexts of the failed partition that it runs, and cuts the chains that such a context waits in. A
//! context that was preempted or has yielded ends when its caller comes with FFA_RUN, which is told then, or with
//! the restart (`ghost`).

use crate::api::{Action, Cause, Context, Event, Ports};
use crate::context::{State, Task};
use crate::cpu::{Cpu, Mode};
use crate::error::Error;
use crate::life::Life;
use crate::reply::Reply;
use crate::spmc::{Here, SECURE, Spmc};
use crate::sync::Ordering;
use crate::table::{Core, OnFailure, Source};

/// How long the normal world has a core between two turns of a context whose caller is gone, in microseconds.
const ORPHANS_US: u32 = 1_000;

impl<const P: usize, const C: usize, const SHARES: usize, const RANGES: usize, const VMS: usize, S: Source>
    Spmc<P, C, SHARES, RANGES, VMS, S>
{
    /// How far a partition is in its life; none where the table has no such partition.
    #[must_use]
    pub fn life(&self, partition: usize) -> Option<Life> {
        Some(self.compartments.get(partition)?.life.get())
    }

    /// An event of a context whose partition has failed on another core.
    pub(crate) fn end_stopped<T: Ports>(&self, here: &Here<'_, C>, event: Event, ports: &mut T) -> Action {
        if let Event::SecureInterrupt(intid) = event
            && let Some(owner) = self.pend_physical(here.core, intid, ports)
        {
            self.tell_late(owner, ports);
        }
        if event == Event::Called {
            // Interrupts of others that the core was called for: when it is entered.
            self.look_soon(here.core, None, ports);
        }
        self.end_context(here, ports)
    }

    /// Ends the partition that runs here, as a whole; its caller gets ABORTED.
    pub(crate) fn fail<T: Ports>(&self, here: &Here<'_, C>, cause: Cause, ports: &mut T) -> Action {
        if self.end_life(here, cause, ports) {
            self.mends.store(true, Ordering::SeqCst);
            if here.partition.on_failure == OnFailure::Halt {
                self.halt
                    .store(here.context.partition.saturating_add(1), Ordering::SeqCst);
            }
            self.call_others(here.core, ports);
        }
        self.end_context(here, ports)
    }

    /// Ends the context that runs here, whose partition has failed; its caller gets ABORTED.
    pub(crate) fn end_context<T: Ports>(&self, here: &Here<'_, C>, ports: &mut T) -> Action {
        if let Some(partition) = self.halted() {
            return Action::Halt(partition);
        }
        // Also when another core ended it: this one may have borrowed something since.
        self.ledger.lock().release(here.context.partition, ports);
        let task = here.seat.task();
        here.seat.set_task(Task::Cycles);
        self.hand_over(here, State::Off, task, &Reply::error(Error::Aborted), ports)
    }

    /// The partition for which the machine halts.
    pub(crate) fn halted(&self) -> Option<usize> {
        self.halt
            .load(Ordering::SeqCst)
            .checked_sub(1)
            .filter(|partition| *partition < P)
    }

    /// Has all other cores look at what has failed. A core that is about to enter a context takes the call as
    /// soon as it has.
    fn call_others<T: Ports>(&self, this: Core, ports: &mut T) {
        for (core, cpu) in (0..64u8).zip(&self.cpus) {
            if core != this && cpu.is_on() {
                ports.call_core(core);
            }
        }
    }

    /// The callee of the outermost caller, in the chain of a context, whose partition has failed.
    pub(crate) fn dead_caller(&self, mut context: Context) -> Option<Context> {
        if !self.mends.load(Ordering::SeqCst) {
            return None;
        }
        let mut found = None;
        for _ in 0..P {
            let (_, _, seat) = self.seat(context.partition, context.home)?;
            let Some(caller) = seat.task().caller().and_then(|id| self.partition_of(id)) else {
                break;
            };
            if self.compartments.get(caller).is_some_and(|c| c.stopped()) {
                found = Some(context);
            }
            context.partition = caller;
        }
        found
    }

    /// Another core has called this one, where a context runs whose partition lives: a caller of its may have
    /// failed. Then the context stays where it is, and the caller's caller goes on.
    pub(crate) fn cut<T: Ports>(&self, here: &Here<'_, C>, ports: &mut T) -> Option<Action> {
        let callee = self.dead_caller(here.context)?;
        let (_, _, seat) = self.seat(callee.partition, callee.home)?;
        let source = seat.task().caller()?;
        // Its answer is for nobody: it goes on when this core is woken, or when somebody needs the context.
        seat.abandon();
        ports.wake(ORPHANS_US);
        let reply = Reply::error(Error::Aborted);
        Some(self.return_to_caller(here, State::Preempted(here.core), source, &reply, ports))
    }

    /// The time has come for a context whose caller is gone, a partition or a kernel: it goes on on this core, its home,
    /// as if the normal world had asked for it from another one.
    pub(crate) fn finish_orphan<T: Ports>(&self, core: Core, cpu: &Cpu, ports: &mut T) -> Option<Action> {
        if !self.mends.load(Ordering::SeqCst) || cpu.mode() != Mode::Serving {
            return None;
        }
        (0..P).find_map(|partition| {
            let homes = (0..64u8).zip(&self.cpus).map(|(home, _)| home);
            homes
                .map(|home| Context { partition, home })
                .find_map(|context| self.finish(core, cpu, context, ports))
        })
    }

    /// Lets a context that works for nobody go on: one of this core, or one that a new instance is told something in
    /// that it has to know, which may have begun on any core.
    fn finish<T: Ports>(&self, core: Core, cpu: &Cpu, outer: Context, ports: &mut T) -> Option<Action> {
        let (_, compartment, seat) = self.seat(outer.partition, outer.home)?;
        let Task::Orphan { source, .. } = seat.task() else {
            return None;
        };
        if outer.home != core && (source >= SECURE || compartment.repeated.lock().is_none()) {
            return None;
        }
        let inner = self.innermost(outer);
        let (_, _, seat) = self.seat(inner.partition, inner.home)?;
        if !matches!(seat.state(), State::Preempted(_) | State::Yielded(_)) {
            return None;
        }
        cpu.begin_forward(outer.partition, ports.now());
        let action = self.resume_context(core, cpu, inner, ports);
        if action.is_err() {
            cpu.set_mode(Mode::Serving);
        }
        // Until it is done.
        ports.wake(ORPHANS_US);
        action.ok()
    }

    /// The caller of a context of a partition that has failed has come for its answer, with a ticket or without:
    /// the context ends where it was preempted, or has yielded. Returns whether it is over.
    pub(crate) fn end_waiting(&self, partition: usize, home: Core, ticket: bool) -> bool {
        let Some((_, _, seat)) = self.seat(partition, home) else {
            return true;
        };
        let was = seat.state();
        let asked = match seat.task() {
            Task::Forwarded { .. } => ticket,
            // One that a partition called ends when the whole chain is resumed.
            Task::Request { source, .. } => source < SECURE,
            Task::Orphan { .. } | Task::Cycles | Task::Interrupt | Task::Start => true,
        };
        if asked && matches!(was, State::Preempted(_) | State::Yielded(_)) && seat.change(was, State::Off) {
            seat.set_task(Task::Cycles);
        }
        seat.state() == State::Off
    }
}
