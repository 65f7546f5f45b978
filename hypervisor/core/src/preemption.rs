//! What interrupts of the normal world do to who runs, and to the chain of calls that it is part of (DEN0077A 1.2,
//! section 9.3.1).
//!
//! The table says it of each partition: the core goes back at once, behind a managed exit, or the interrupt is
//! queued. Of a chain the least permissive action of all in it holds: one that is queued for a caller is not
//! signalled while its callee runs, and a callee that takes no part in a managed exit goes on until its answer
//! brings the first caller that does. Whatever holds, the interrupt waits no longer than the limit that it found:
//! that limit is the chain's, whoever of it runs meanwhile.

use crate::api::{Action, Cause, Deadline, Entry, Ports};
use crate::compartment::count;
use crate::context::{State, Task};
use crate::cpu::Mode;
use crate::function;
use crate::paravirtual;
use crate::spmc::{Here, Spmc};
use crate::table::{Preemption, Source};

/// What an interrupt of the normal world does to the chain of a context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Response {
    /// It is preempted.
    AtOnce,
    /// The context is told, and has this long to leave (microseconds).
    ManagedExit(u32),
    /// The interrupt stays pending for this long at most (microseconds).
    Waits(u32),
}

impl<const P: usize, const C: usize, const SHARES: usize, const RANGES: usize, const VMS: usize, S: Source>
    Spmc<P, C, SHARES, RANGES, VMS, S>
{
    /// An interrupt of the normal world came while a partition ran.
    pub(crate) fn normal_interrupt<T: Ports>(&self, here: &Here<'_, C>, ports: &mut T) -> Action {
        // A start has no normal world to go back to, and one that waits already has its limit.
        if !here.cpu.mode().serves() || here.seat.pressed() {
            return self.resume(here);
        }
        here.compartment.counters.preempted(here.context.partition, ports);
        match self.press(here) {
            Some(limit_us) => self.enter(here, Entry::Resume, Deadline::Micros(limit_us)),
            None => self.preempt(here, ports),
        }
    }

    /// An interrupt of the normal world waits for the context that runs here, which is told of it where it takes
    /// part in managed exits; how long it does (microseconds), or none where it does not wait.
    fn press(&self, here: &Here<'_, C>) -> Option<u32> {
        let limit_us = match self.response(here) {
            Response::AtOnce => return None,
            Response::ManagedExit(limit_us) => {
                paravirtual::set_managed_exit(here, true);
                limit_us
            }
            Response::Waits(limit_us) => limit_us,
        };
        here.seat.set_pressed(true);
        Some(limit_us)
    }

    /// What the table says of the chain that runs here: the least permissive action of all its partitions, and the
    /// shortest time for which one of them has interrupts queued.
    fn response(&self, here: &Here<'_, C>) -> Response {
        let mut queued: Option<u32> = None;
        let mut managed: Option<Response> = None;
        let mut context = here.context;
        // Each turn is one context of the chain, from the innermost on.
        for _ in 0..P {
            let Some((partition, compartment, seat)) = self.seat(context.partition, context.home) else {
                break;
            };
            match partition.preemption {
                // The normal world may always interrupt a start that is late.
                _ if seat.task() == Task::Start => {}
                Preemption::Queued { limit_us } => {
                    queued = Some(queued.map_or(limit_us, |least| least.min(limit_us)));
                }
                Preemption::ManagedExit { limit_us }
                    if managed.is_none()
                        && compartment.counters.is_asked()
                        && paravirtual::takes_part(partition, compartment, context.home, seat) =>
                {
                    managed = Some(if context == here.context {
                        Response::ManagedExit(limit_us)
                    } else {
                        Response::Waits(limit_us)
                    });
                }
                Preemption::ManagedExit { .. } | Preemption::AtOnce => {}
            }
            match seat.task().caller().and_then(|id| self.partition_of(id)) {
                Some(caller) => context.partition = caller,
                None => break,
            }
        }
        queued.map_or(managed.unwrap_or(Response::AtOnce), Response::Waits)
    }

    /// The time that a context has which is entered by a call or an answer within a chain. A normal-world
    /// interrupt that waits for the chain goes on waiting, under the deadline that is set, where what is left of
    /// the chain lets it; else it preempts at once.
    pub(crate) fn chain_deadline(&self, here: &Here<'_, C>, pressed: bool) -> Deadline {
        match here.cpu.mode() {
            mode if !mode.serves() => Deadline::Keep,
            _ if pressed && self.press(here).is_some() => Deadline::Keep,
            _ => Deadline::None,
        }
    }

    /// Leaves the context where it is, and answers FFA_INTERRUPT.
    fn preempt<T: Ports>(&self, here: &Here<'_, C>, ports: &mut T) -> Action {
        count(&here.compartment.counters.forced);
        if let Some(action) = self.over_budget(here, ports) {
            return action;
        }
        let reply = self.suspended(here, function::INTERRUPT, ports);
        self.leave(here, State::Preempted(here.core), &reply, ports)
    }

    /// The deadline passed: of a start, of an interrupt of the normal world that waits, or of a budget.
    pub(crate) fn deadline<T: Ports>(&self, here: &Here<'_, C>, ports: &mut T) -> Action {
        match here.cpu.mode() {
            _ if here.seat.task() == Task::Start => {
                return self.fail(here, Cause::StartTimeout, ports);
            }
            Mode::Serving | Mode::Forward | Mode::Dedicated => {}
            Mode::Interrupt => return self.interrupt_timeout(here, ports),
            Mode::Power => return self.power_timeout(here, ports),
            Mode::Boot | Mode::CoreOn => {
                return self.fail(here, Cause::StartTimeout, ports);
            }
        }
        if here.seat.pressed() {
            if let Response::ManagedExit(_) = self.response(here) {
                here.compartment.counters.overdue(here.context.partition, ports);
            }
            return self.preempt(here, ports);
        }
        if let Some(action) = self.over_budget(here, ports) {
            return action;
        }
        self.enter(here, Entry::Resume, Deadline::None)
    }
}
