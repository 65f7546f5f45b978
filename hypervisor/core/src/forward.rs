//! Requests that are worked at on another core than their caller's.
//!
//! A partition that does not list every core, and whose table entry asks for forwarding, takes requests
//! from all of them: one from a core that it does not list is parked, and a core that it lists is called by
//! an SGI of the hypervisor's own. There the normal world is interrupted, as for a secure interrupt, and
//! the partition runs on that core's time, preempted as the table says; the core takes no other such request
//! before the normal world has had it for as long as this one took. The caller comes with FFA_RUN until the
//! answer is in its ticket. A context that was preempted goes on when its caller comes again: on any core
//! that its partition lists.

use crate::api::{Action, Context, Entry, Ports};
use crate::budget;
use crate::callee::Callee;
use crate::chain::HELD_US;
use crate::context::{Kind, State, Task};
use crate::cpu::{Cpu, Mode};
use crate::direct::keep_repeated;
use crate::error::Error;
use crate::function;
use crate::reply::{Reply, target};
use crate::spmc::{Spmc, lists};
use crate::sync::Ordering;
use crate::table::{Core, Source};
use crate::ticket::{Stage, Ticket};
use crate::version::V1_2;

/// How long a caller is told to come again at once, in microseconds: after that a driver of FF-A 1.2 is
/// told FFA_YIELD, on which Linux sleeps for a millisecond. Older drivers do not take it as an answer.
pub(crate) const PATIENCE_US: u64 = 1_000;

impl<const P: usize, const C: usize, const SHARES: usize, const RANGES: usize, const VMS: usize, S: Source>
    Spmc<P, C, SHARES, RANGES, VMS, S>
{
    /// Whether a partition has a context that was started on a core that is on.
    pub(crate) fn reachable(&self, index: usize) -> bool {
        (0..64u8).zip(&self.cpus).any(|(core, cpu)| {
            cpu.is_on()
                && self
                    .seat(index, core)
                    .is_some_and(|(partition, _, seat)| lists(partition, core) && seat.state() != State::Off)
        })
    }

    /// Calls a core that could take a ticket's request now, or go on with it. Where there is none, the
    /// caller's next FFA_RUN looks again.
    pub(crate) fn call_a_core<T: Ports>(&self, index: usize, ticket: &mut Ticket, ports: &mut T) {
        let under_way = ticket.called.and_then(|core| self.cpus.get(usize::from(core)));
        if under_way.is_some_and(Cpu::is_called) {
            return;
        }
        let now = ports.now();
        let able = |core: Core| match ticket.stage {
            Stage::Waits { .. } => {
                let waits = self.seat(index, core).is_some_and(|(partition, _, seat)| {
                    lists(partition, core) && seat.state() == State::Waiting
                });
                waits || self.overdue_at(index, core).is_some()
            }
            Stage::Given { home, .. } => self.stopped_at(index, home, core).is_some(),
            Stage::Answered(_) => false,
        };
        let first = usize::from(ticket.home().unwrap_or(0));
        let cores = || (0..64u8).zip(&self.cpus);
        let cores = cores().skip(first).chain(cores().take(first));
        for (core, cpu) in cores {
            if cpu.takes_forwarded(now) && able(core) && cpu.call() {
                ticket.called = Some(core);
                ports.call_core(core);
                return;
            }
        }
    }

    /// Where what the context of this home works on was preempted, or has yielded, if that can go on on a
    /// core.
    fn stopped_at(&self, index: usize, home: Core, core: Core) -> Option<Context> {
        let outermost = Context {
            partition: index,
            home,
        };
        let inner = self.innermost(outermost);
        let (partition, _, seat) = self.seat(inner.partition, home)?;
        let stopped = matches!(seat.state(), State::Preempted(_) | State::Yielded(_));
        (stopped && lists(partition, core)).then_some(inner)
    }

    /// This core, which the normal world has, was called: enters a context with another core's request, or
    /// one that goes on.
    pub(crate) fn take_forwarded<T: Ports>(&self, core: Core, cpu: &Cpu, ports: &mut T) -> Option<Action> {
        if cpu.mode() != Mode::Serving || !cpu.takes_forwarded(ports.now()) {
            return None;
        }
        // Who was served last comes last.
        let first = cpu.turn().min(P);
        (first..P).chain(0..first).find_map(|index| {
            let action = self.go_on_here(core, cpu, index, ports);
            action.or_else(|| self.take_request(core, cpu, index, ports))
        })
    }

    fn go_on_here<T: Ports>(&self, core: Core, cpu: &Cpu, index: usize, ports: &mut T) -> Option<Action> {
        let compartment = self.compartments.get(index)?;
        let inner = {
            let mut tickets = compartment.tickets.lock();
            let (ticket, (home, inner)) = tickets.oldest(|ticket| match ticket.stage {
                Stage::Given {
                    home, asked: true, ..
                } => Some((home, self.stopped_at(index, home, core)?)),
                _ => None,
            })?;
            ticket.begin(home);
            inner
        };
        cpu.begin_forward(index, ports.now());
        let action = self.resume_context(core, cpu, inner, ports);
        if action.is_err() {
            // Another core was faster.
            cpu.set_mode(Mode::Serving);
        }
        action.ok()
    }

    fn take_request<T: Ports>(&self, core: Core, cpu: &Cpu, index: usize, ports: &mut T) -> Option<Action> {
        let parts = self.seat(index, core)?;
        let (partition, compartment, _) = parts;
        if !lists(partition, core) || compartment.stopped() {
            return None;
        }
        let mut tickets = compartment.tickets.lock();
        let (ticket, request) = tickets.oldest(|ticket| match ticket.stage {
            Stage::Waits {
                request,
                carried: true,
            } => Some(request),
            _ => None,
        })?;
        if let Some(overdue) = self.overdue_at(index, core) {
            // What it runs into now may go into a ticket.
            drop(tickets);
            cpu.begin_forward(index, ports.now());
            return self.finish_overdue(core, cpu, overdue, ports);
        }
        let task = Task::Forwarded {
            source: request.head.source,
            kind: Kind::of(request.head),
        };
        let here = Self::wake(core, cpu, (index, parts), task)?;
        ticket.begin(core);
        keep_repeated(partition, compartment, &request.regs, || request);
        cpu.begin_forward(index, ports.now());
        let deadline = budget::begin(partition, here.seat, ports);
        Some(self.enter(&here, Entry::Answer(request.regs), deadline))
    }

    /// Where a secure interrupt goes on with which the context at home on a core has not finished in time.
    pub(crate) fn overdue_at(&self, index: usize, core: Core) -> Option<Context> {
        let (_, _, seat) = self.seat(index, core)?;
        if seat.task() != Task::Interrupt {
            return None;
        }
        self.stopped_at(index, core, core)
    }

    /// Gives it cycles, as those of the request that waits for it.
    fn finish_overdue<T: Ports>(
        &self,
        core: Core,
        cpu: &Cpu,
        overdue: Context,
        ports: &mut T,
    ) -> Option<Action> {
        let action = self.resume_context(core, cpu, overdue, ports);
        if action.is_err() {
            // Another core was faster.
            cpu.set_mode(Mode::Serving);
        }
        action.ok()
    }

    /// FFA_RUN of a ticket that waits, on a core that the partition does not list.
    pub(crate) fn carry<T: Ports>(
        &self,
        callee: &Callee<'_, C>,
        number: u16,
        ports: &mut T,
    ) -> Option<Action> {
        let mut tickets = callee.compartment.tickets.lock();
        let ticket = tickets.get(number)?;
        if let Stage::Waits { carried, .. } = &mut ticket.stage {
            *carried = true;
            self.call_a_core(callee.index, ticket, ports);
            let waited = ports.now().saturating_sub(ticket.since);
            if waited >= HELD_US {
                self.free_held(callee.index, waited, ports);
            }
        }
        None
    }

    /// A request has waited for so long (microseconds) for any context of a partition: those that others hold go on for
    /// nobody, each on its core.
    #[cold]
    #[inline(never)]
    fn free_held<T: Ports>(&self, index: usize, waited: u64, ports: &mut T) {
        for (home, cpu) in (0u8..).zip(&self.cpus) {
            let context = Context {
                partition: index,
                home,
            };
            self.take_held(home, context, waited);
            let Some((_, _, seat)) = self.seat(index, home) else {
                continue;
            };
            let orphan = matches!(seat.task(), Task::Orphan { .. });
            if orphan && matches!(seat.state(), State::Yielded(_)) && cpu.is_on() {
                self.mends.store(true, Ordering::SeqCst);
                ports.call_core(home);
            }
        }
    }

    /// FFA_RUN of a ticket that a context works on: goes on with it, here or on another core; none where
    /// the caller has to come again.
    pub(crate) fn go_on<T: Ports>(
        &self,
        core: Core,
        cpu: &Cpu,
        callee: &Callee<'_, C>,
        number: u16,
        ports: &mut T,
    ) -> Option<Action> {
        let name = target(callee.partition.id, number);
        let inner = {
            let mut tickets = callee.compartment.tickets.lock();
            let ticket = tickets.get(number)?;
            let Stage::Given { home, told, .. } = ticket.stage else {
                return None;
            };
            let outermost = Context {
                partition: callee.index,
                home,
            };
            let inner = self.innermost(outermost);
            let (partition, _, seat) = self.seat(inner.partition, home)?;
            match seat.state() {
                State::Yielded(_) if !told => {
                    ticket.ask(home, false);
                    let reply = Reply::words(function::YIELD, &[name]);
                    return Some(Action::Normal(reply.over(&cpu.kept())));
                }
                State::Preempted(_) | State::Yielded(_) => {}
                _ => return None,
            }
            if !lists(partition, core) {
                ticket.ask(home, true);
                self.call_a_core(callee.index, ticket, ports);
                return None;
            }
            ticket.begin(home);
            inner
        };
        // Its answer goes into the ticket, and the caller comes for it.
        cpu.set_ticket(name);
        let action = self.resume_context(core, cpu, inner, ports);
        if action.is_err() {
            // Another core was faster.
            cpu.drop_ticket();
        }
        action.ok()
    }

    /// FFA_RUN of a context that was preempted or has yielded, on a core where it, or the one that it waits
    /// for, cannot run: its request gets a ticket, and a core that can is called.
    ///
    /// # Errors
    /// As for a context on a core that its partition lists; DENIED also where it works for nobody.
    pub(crate) fn adopt<T: Ports>(
        &self,
        core: Core,
        cpu: &Cpu,
        named: Context,
        ports: &mut T,
    ) -> Result<Action, Error> {
        let (partition, compartment, seat) = self
            .seat(named.partition, named.home)
            .ok_or(Error::InvalidParameters)?;
        let inner = self.innermost(named);
        let there = self.seat(inner.partition, inner.home);
        match there.map(|(_, _, seat)| (seat.state(), seat.task().caller())) {
            Some((State::Preempted(_), _) | (State::Yielded(_), None)) => {}
            Some((State::Running(_) | State::Displaced(_) | State::Blocked, _)) => return Err(Error::Busy),
            _ => return Err(Error::Denied),
        }
        let mut number = Self::vcpu(partition, named.home);
        let mut tickets = compartment.tickets.lock();
        if !matches!(seat.task(), Task::Request { .. }) && !lists(partition, core) {
            return Err(Error::Denied);
        }
        // A full pool does no harm: the context keeps its name, and the caller comes again.
        if matches!(seat.task(), Task::Request { .. })
            && let Some(new) = tickets.adopt(named.home, ports.now())
        {
            if seat.forward() {
                number = new;
                if let Some(ticket) = tickets.get(new) {
                    self.call_a_core(named.partition, ticket, ports);
                }
            } else {
                // It goes on on another core, or is called by a partition.
                tickets.free(new);
            }
        }
        let reply = Reply::interrupt(partition.id, number);
        Ok(Action::Normal(reply.over(&cpu.kept())))
    }

    /// Keeps the outcome of a forwarded request for its caller.
    #[cold]
    #[inline(never)]
    pub(crate) fn keep_answer(&self, context: Context, reply: &Reply) {
        if let Some(compartment) = self.compartments.get(context.partition) {
            compartment.tickets.lock().answer(context.home, reply);
        }
    }

    /// The answer to a caller that has to come again with this target information, and has waited for this
    /// long (microseconds).
    pub(crate) fn again(&self, name: u32, waited: u64) -> Reply {
        let sleeps = waited >= PATIENCE_US && self.normal.lock().version() >= V1_2;
        let id = if sleeps {
            function::YIELD
        } else {
            function::INTERRUPT
        };
        Reply::words(id, &[name])
    }
}
