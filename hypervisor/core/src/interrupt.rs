//! Secure interrupts that come while their owner does not run (DEN0077A 1.2, sections 9.2 and 9.3).
//!
//! A context that waits on the core where its interrupt came is entered at once with FFA_INTERRUPT,
//! whether the normal world or another partition had the core, and has a bounded time until its
//! FFA_MSG_WAIT; then whoever had the core goes on. One that needs longer, and may hold what others of its partition
//! wait for, goes on in the same way as soon as the normal world has the core again. Interrupts do not nest: one that
//! comes meanwhile is dealt with behind it. One whose context has had more than its part of the core is held back (`storm`). Where a context
//! is busy, the interrupt stays pending at it, and the normal world's scheduler is told by the schedule-receiver
//! interrupt and FFA_NOTIFICATION_INFO_GET.

use crate::api::{Action, Context, Deadline, Entry, Ports, Regs, Run};
use crate::budget;
use crate::context::{State, Task};
use crate::cpu::{Cpu, Mode};
use crate::function;
use crate::reply::{Reply, target};
use crate::spmc::{Here, RESUME, Spmc};
use crate::sync::Ordering;
use crate::table::{Core, Partition, Preemption, Source};

/// Time that a partition without managed exit has for one interrupt, in microseconds.
const LIMIT_US: u32 = 1_000;

/// Time that a partition has for one interrupt, in microseconds: as long as for a managed exit.
pub(crate) fn limit_us(partition: &Partition) -> u32 {
    match partition.preemption {
        Preemption::ManagedExit { limit_us } | Preemption::Queued { limit_us } => limit_us,
        Preemption::AtOnce => LIMIT_US,
    }
}

impl<const P: usize, const C: usize, const SHARES: usize, const RANGES: usize, const VMS: usize, S: Source>
    Spmc<P, C, SHARES, RANGES, VMS, S>
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
        let entered = owner.and_then(|owner| self.signal(core, cpu, here, (owner, Some(intid)), ports));
        entered.unwrap_or_else(|| match here {
            Some(here) => self.resume(here),
            None => Action::Normal(RESUME),
        })
    }

    /// Enters a context for an interrupt of its own that it is to have on this core, its home, if it waits.
    pub(crate) fn enter_handler<T: Ports>(
        &self,
        core: Core,
        cpu: &Cpu,
        here: Option<&Here<'_, C>>,
        owner: Context,
        ports: &mut T,
    ) -> Option<Action> {
        let (partition, compartment, seat) = self.seat(owner.partition, owner.home)?;
        if !seat.change(State::Waiting, State::Running(core)) {
            return None;
        }
        cpu.begin_interrupt(owner, ports.now());
        seat.set_task(Task::Interrupt);
        if let Some(here) = here {
            // The handler's time is none of the call's.
            budget::pause(here.partition, here.seat, ports);
            here.seat.leave(State::Displaced(core));
        }
        cpu.displace(here.map(|here| here.context));
        let handler = Here::occupy(core, cpu, owner, (partition, compartment, seat));
        let told = u64::from(target(partition.id, Self::vcpu(partition, owner.home)));
        let entry = Entry::Answer(Regs::new(&[u64::from(function::INTERRUPT), told]));
        // No table gives a budget that is shorter than its first turn.
        let _ = budget::begin(partition, seat, ports);
        Some(self.enter(&handler, entry, Deadline::Micros(limit_us(partition))))
    }

    /// As `enter_handler`, of one whose time was over before it was done: it goes on where that was, if the normal
    /// world has the core, and else as soon as it has.
    pub(crate) fn resume_handler<T: Ports>(
        &self,
        core: Core,
        cpu: &Cpu,
        (owner, late): (Context, Context),
        ports: &mut T,
    ) -> Option<Action> {
        let (partition, compartment, seat) = self.seat(owner.partition, owner.home)?;
        if compartment.stopped() {
            return None;
        }
        if cpu.mode() != Mode::Serving || cpu.current().is_some() {
            seat.kicked.store(true, Ordering::Release);
            ports.wake(LIMIT_US);
            return None;
        }
        cpu.begin_interrupt(owner, ports.now());
        cpu.displace(None);
        match self.resume_context(core, cpu, late, ports) {
            Ok(Action::Run(run)) => {
                let deadline = Deadline::Micros(limit_us(partition));
                Some(Action::Run(Run { deadline, ..run }))
            }
            Ok(action) => Some(action),
            Err(_) => {
                // Another core was faster.
                let _ = (cpu.restore(), cpu.end_interrupt(ports.now()));
                None
            }
        }
    }

    /// Has the normal world's scheduler told that a context waits for cycles.
    pub(crate) fn tell_late<T: Ports>(&self, context: Context, ports: &mut T) {
        if let Some((_, _, seat)) = self.seat(context.partition, context.home) {
            seat.late.store(true, Ordering::Release);
            ports.schedule_receiver(None);
        }
    }

    /// The time for an interrupt is over: the context stays where it is, until somebody gives it cycles, or its core
    /// has time for it again. One that has used up the budget of a call has failed.
    pub(crate) fn interrupt_timeout<T: Ports>(&self, here: &Here<'_, C>, ports: &mut T) -> Action {
        if let Some(action) = self.over_budget(here, ports) {
            return action;
        }
        let owner = self.outermost(here.context);
        self.tell_late(owner, ports);
        if let Some((_, _, seat)) = self.seat(owner.partition, owner.home) {
            seat.kicked.store(true, Ordering::Release);
        }
        self.leave(here, State::Preempted(here.core), &Reply::done(), ports)
    }

    /// Gives the core back to whom an interrupt took it from.
    pub(crate) fn end_interrupt<T: Ports>(&self, core: Core, cpu: &Cpu, ports: &mut T) -> Option<Action> {
        let beneath = cpu.restore();
        let now = ports.now();
        let ended = cpu.end_interrupt(now);
        if let Some((owner, took)) = ended
            && let Some(partition) = self.table.partitions.get(owner.partition)
        {
            // It had no more than its time; what an emulated machine did meanwhile is not its own.
            self.charge(owner, now, took.min(u64::from(limit_us(partition))));
        }
        // Others' interrupts may have come meanwhile.
        self.look_soon(core, ended.map(|(owner, _)| owner), ports);
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
        let deadline = budget::unpause(partition, seat, Deadline::None, ports);
        Some(self.enter(&here, Entry::Resume, deadline))
    }
}
