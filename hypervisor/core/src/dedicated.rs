//! Cores that are a partition's own: handed over once by the normal world, and never given back.
//!
//! The core comes up as every other one does, and the partition's context on it is started then, in bounded
//! time. The normal world's boot stage hands the core over with FFA_RUN of that context, on the core itself,
//! which does not return (TF-A holds locks while a core comes up, so it cannot be kept there). From then on the
//! context runs, or waits behind FFA_MSG_WAIT for an interrupt of its own or a notification; interrupts of the
//! normal world stay pending. A core whose partition was stopped waits for ever.

use crate::api::{Action, Context, Deadline, Entry, Event, Ports, Regs};
use crate::context::{State, Task};
use crate::cpu::{Cpu, Mode};
use crate::error::Error;
use crate::function;
use crate::mend::{Mended, PAUSE_US, wake_at};
use crate::paravirtual;
use crate::reply::target;
use crate::spmc::{Here, Spmc, lists};
use crate::table::{Core, Source};

impl<const P: usize, const C: usize, const SHARES: usize, const RANGES: usize, const VMS: usize, S: Source>
    Spmc<P, C, SHARES, RANGES, VMS, S>
{
    /// FFA_RUN of a context on the core that is its own: the core is the partition's.
    ///
    /// # Errors
    /// DENIED: it was never started, or the core is another one.
    pub(crate) fn hand_core_over<T: Ports>(
        &self,
        core: Core,
        cpu: &Cpu,
        context: Context,
        ports: &mut T,
    ) -> Result<Action, Error> {
        let (_, _, seat) = self
            .seat(context.partition, context.home)
            .ok_or(Error::InvalidParameters)?;
        // One that an interrupt of its own has woken before may have been too slow for the normal world: it goes on.
        let ready = matches!(seat.state(), State::Waiting | State::Preempted(_));
        if context.home != core || !ready {
            return Err(Error::Denied);
        }
        cpu.set_mode(Mode::Dedicated);
        let action = self.resume_context(core, cpu, context, ports);
        if action.is_err() {
            cpu.set_mode(Mode::Serving);
        }
        action
    }

    /// Nothing runs on a core that is a partition's own: enters its context where an interrupt waits for it, else
    /// waits for one.
    pub(crate) fn idle<T: Ports>(&self, core: Core, cpu: &Cpu, ports: &mut T) -> Action {
        self.settle(core);
        if let Some(partition) = self.halted() {
            return Action::Halt(partition);
        }
        let mut partitions = self.table.partitions.iter();
        let owner = partitions.position(|p| p.dedicated && lists(p, core));
        let entered = owner.and_then(|index| {
            self.mend_owner(core, cpu, index, ports)
                .or_else(|| self.enter_owner(core, cpu, index))
        });
        entered.unwrap_or(Action::Idle)
    }

    /// One that has failed is restarted on its own time.
    fn mend_owner<T: Ports>(&self, core: Core, cpu: &Cpu, index: usize, ports: &mut T) -> Option<Action> {
        if !self.needs_time(core, index) {
            return None;
        }
        match self.mend(core, cpu, index, ports) {
            Mended::Enter(action) => return Some(action),
            Mended::Later => ports.wake(PAUSE_US),
            Mended::Rests(until) => wake_at(until, ports),
            Mended::Gone => {}
        }
        None
    }

    fn enter_owner(&self, core: Core, cpu: &Cpu, index: usize) -> Option<Action> {
        let parts = self.seat(index, core)?;
        let (partition, compartment, seat) = parts;
        if compartment.stopped() || paravirtual::lines(seat) == (false, false) {
            return None;
        }
        let here = Self::wake(core, cpu, (index, parts), Task::Cycles)?;
        let told = u64::from(target(partition.id, Self::vcpu(partition, core)));
        let entry = Entry::Answer(Regs::new(&[u64::from(function::INTERRUPT), told]));
        Some(self.enter(&here, entry, Deadline::None))
    }

    /// An event on a core that is a partition's own and on which nothing runs.
    pub(crate) fn wake_owner<T: Ports>(&self, core: Core, cpu: &Cpu, event: Event, ports: &mut T) -> Action {
        // None of them enters anybody on such a core.
        match event {
            Event::SecureInterrupt(intid) => {
                self.pend_physical(core, intid, ports);
            }
            Event::Alarm => {
                self.alarm(core, cpu, None, ports);
            }
            Event::Called => {
                self.take_kicks(core, cpu, None, ports);
            }
            _ => {}
        }
        self.idle(core, cpu, ports)
    }

    /// A core that the normal world has.
    pub(crate) fn core_of_the_normal_world(&self) -> Option<Core> {
        let has = |cpu: &Cpu| cpu.is_on() && cpu.mode() != Mode::Dedicated;
        (0..64u8)
            .zip(&self.cpus)
            .find(|(_, cpu)| has(cpu))
            .map(|(core, _)| core)
    }

    /// Has the cores of a partition that has its own look for what is pending there.
    pub(crate) fn call_own_cores<T: Ports>(&self, index: usize, ports: &mut T) {
        let Some(partition) = self.table.partitions.get(index) else {
            return;
        };
        for (core, cpu) in (0..64u8).zip(&self.cpus) {
            if lists(partition, core) && cpu.mode() == Mode::Dedicated && cpu.call() {
                ports.call_core(core);
            }
        }
    }
}

impl<const C: usize> Here<'_, C> {
    /// Whether this is the start of the partition's first context: with the system, or where it has cores of its
    /// own with the first of them.
    pub(crate) fn starts_first(&self) -> bool {
        let lowest = self.partition.cores.trailing_zeros() == u32::from(self.context.home);
        match self.cpu.mode() {
            Mode::Boot => true,
            Mode::CoreOn => self.partition.dedicated && lowest,
            _ => false,
        }
    }
}
