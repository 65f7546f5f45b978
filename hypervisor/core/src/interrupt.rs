//! Secure interrupts that come while their owner does not run (DEN0077A 1.2, sections 9.2 and 9.3).
//!
//! A context that waits on the core where its interrupt came is entered at once with FFA_INTERRUPT,
//! whether the normal world or another partition had the core, and has a bounded time until its
//! FFA_MSG_WAIT; then whoever had the core goes on, for four times as long as that took at least: a storm
//! of interrupts gets a fifth of a core, and no more. Where that cannot be (the context is busy, another
//! interrupt is being dealt with), the interrupt stays pending at it, and the normal world's scheduler is
//! told by the schedule-receiver interrupt and FFA_NOTIFICATION_INFO_GET.

use core::sync::atomic::Ordering;

use crate::api::{Action, Context, Deadline, Entry, Ports, Regs};
use crate::context::{State, Task};
use crate::cpu::Cpu;
use crate::function;
use crate::paravirtual;
use crate::reply::{Reply, target};
use crate::spmc::{Here, RESUME, Spmc};
use crate::table::{Core, Partition, Preemption};

/// Time that a partition without managed exit has for one interrupt, in microseconds.
const LIMIT_US: u32 = 1_000;

/// Time that a partition has for one interrupt, in microseconds: as long as for a managed exit.
pub(crate) fn limit_us(partition: &Partition) -> u32 {
    match partition.preemption {
        Preemption::ManagedExit { limit_us } => limit_us,
        Preemption::AtOnce => LIMIT_US,
    }
}

impl<const P: usize, const C: usize, const SHARES: usize, const RANGES: usize, const VMS: usize>
    Spmc<P, C, SHARES, RANGES, VMS>
{
    /// A secure interrupt came on this core, while `here` ran or the normal world.
    pub(crate) fn secure_interrupt<T: Ports>(
        &self,
        core: Core,
        cpu: &Cpu,
        here: Option<&Here<'_, C>>,
        intid: u32,
        ports: &mut T,
    ) -> Action {
        let owner = self.pend_physical(core, intid, ports);
        let others = owner.filter(|owner| here.is_none_or(|here| here.context != *owner));
        if let Some(owner) = others
            && cpu.mode().serves()
        {
            if let Some(action) = self.enter_handler(core, cpu, here, owner, ports) {
                return action;
            }
            self.tell_late(owner, ports);
        }
        match here {
            Some(here) => self.resume(here),
            None => Action::Normal(RESUME),
        }
    }

    /// Enters a context for an interrupt of its own, if it can be.
    pub(crate) fn enter_handler<T: Ports>(
        &self,
        core: Core,
        cpu: &Cpu,
        here: Option<&Here<'_, C>>,
        owner: Context,
        ports: &mut T,
    ) -> Option<Action> {
        let (partition, compartment, seat) = self.seat(owner.partition, owner.home)?;
        // A managed exit that is under way has the core's one deadline.
        let managed = here.is_some_and(|here| here.seat.managed());
        let wanted = paravirtual::lines(seat) != (false, false);
        if owner.home != core || managed || !wanted || compartment.stopped() {
            return None;
        }
        if seat.state() != State::Waiting || !cpu.begin_interrupt(ports.now()) {
            return None;
        }
        if !seat.change(State::Waiting, State::Running(core)) {
            return None;
        }
        seat.set_task(Task::Interrupt);
        if let Some(here) = here {
            here.seat.leave(State::Displaced(core));
        }
        cpu.displace(here.map(|here| here.context));
        let handler = Here::occupy(core, cpu, owner, (partition, compartment, seat));
        let told = u64::from(target(partition.id, Self::vcpu(partition, owner.home)));
        let entry = Entry::Answer(Regs::new(&[u64::from(function::INTERRUPT), told]));
        Some(self.enter(&handler, entry, Deadline::Micros(limit_us(partition))))
    }

    /// Has the normal world's scheduler told that a context waits for cycles.
    pub(crate) fn tell_late<T: Ports>(&self, context: Context, ports: &mut T) {
        if let Some((_, _, seat)) = self.seat(context.partition, context.home) {
            seat.late.store(true, Ordering::Release);
            ports.schedule_receiver(None);
        }
    }

    /// The time for an interrupt is over: the context stays where it is, until somebody gives it cycles.
    pub(crate) fn interrupt_timeout<T: Ports>(&self, here: &Here<'_, C>, ports: &mut T) -> Action {
        self.tell_late(self.outermost(here.context), ports);
        self.leave(here, State::Preempted(here.core), &Reply::done(), ports)
    }

    /// Gives the core back to whom an interrupt took it from.
    pub(crate) fn end_interrupt<T: Ports>(&self, core: Core, cpu: &Cpu, ports: &mut T) -> Option<Action> {
        let beneath = cpu.restore();
        cpu.end_interrupt(ports.now());
        let context = beneath?;
        let (partition, compartment, seat) = self.seat(context.partition, context.home)?;
        if !seat.change(State::Displaced(core), State::Running(core)) {
            return None;
        }
        let here = Here::occupy(core, cpu, context, (partition, compartment, seat));
        if compartment.stopped() || self.dead_caller(context).is_some() {
            // It, or who called it, has failed on another core meanwhile: this core looks as soon as it is entered.
            ports.call_core(core);
        }
        Some(self.enter(&here, Entry::Resume, Deadline::None))
    }
}
