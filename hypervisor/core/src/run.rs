//! How a context loses its core and gets one again: FFA_RUN, FFA_MSG_WAIT, FFA_YIELD, preemption.
//!
//! A context that is preempted without a managed exit stays where it is until the normal world
//! resumes it with FFA_RUN. If its client dies in between, nobody does, and calls on its home core
//! are parked until the normal world starts anew.

use crate::api::{Action, Context, Deadline, Entry, Note, Ports, Regs};
use crate::budget;
use crate::callee::Callee;
use crate::compartment::count;
use crate::context::{Kind, State, Task};
use crate::cpu::{Cpu, Mode};
use crate::decode::low;
use crate::direct::keep_repeated;
use crate::error::Error;
use crate::function;
use crate::life::Life;
use crate::mend::{Mended, is_starting};
use crate::reply::{Reply, target};
use crate::rxtx::RETAIN_RX;
use crate::spmc::{Here, Party, SECURE, Spmc, lists};
use crate::sync::Ordering;
use crate::table::{Core, Source};
use crate::ticket::{Stage, Ticket, Tickets};
use crate::version::V1_2;

impl<const P: usize, const C: usize, const SHARES: usize, const RANGES: usize, const VMS: usize, S: Source>
    Spmc<P, C, SHARES, RANGES, VMS, S>
{
    /// FFA_RUN of the normal world (DEN0077A 1.2, section 14.3).
    pub(crate) fn run<T: Ports>(
        &self,
        core: Core,
        cpu: &Cpu,
        endpoint: u16,
        vcpu: u16,
        ports: &mut T,
    ) -> Action {
        let outcome = if Tickets::<C>::names(vcpu) {
            self.run_ticket(core, cpu, endpoint, vcpu, ports)
        } else {
            self.run_context(core, cpu, endpoint, vcpu, ports)
        };
        outcome.unwrap_or_else(|error| Action::Normal(Reply::error(error).over(&cpu.kept())))
    }

    /// Whether a context has not finished with an interrupt in time: whoever has cycles may give them.
    fn overdue(&self, partition: usize, vcpu: u16) -> bool {
        let home = self
            .table
            .partitions
            .get(partition)
            .and_then(|p| Self::home(p, vcpu));
        home.and_then(|home| self.seat(partition, home))
            .is_some_and(|(_, _, seat)| seat.task() == Task::Interrupt)
    }

    /// The partition that FFA_RUN names, where the normal world may name it.
    fn runnable(&self, endpoint: u16, vcpu: u16) -> Result<Callee<'_, C>, Error> {
        let callee = self.callee(endpoint)?;
        let normal = callee.partition.callers.iter().any(|caller| caller.id < SECURE);
        // Whoever has a core that is a partition's own may hand it over.
        if !normal && !callee.partition.dedicated && !self.overdue(callee.index, vcpu) {
            return Err(Error::InvalidParameters);
        }
        Ok(callee)
    }

    /// Whether the context of a partition at this home, or what it works on, can be reached from a core.
    fn open_from(&self, callee: &Callee<'_, C>, core: Core, home: Option<Core>) -> Result<(), Error> {
        let named = home.and_then(|home| self.seat(callee.index, home));
        if named.is_none_or(|(_, _, seat)| seat.state() != State::Blocked) {
            return callee.open_from(core);
        }
        // Whether it was stopped does not matter: whom a blocked context called is still to be ended.
        if lists(callee.partition, core) || callee.partition.forwards {
            Ok(())
        } else {
            Err(Error::Denied)
        }
    }

    fn run_ticket<T: Ports>(
        &self,
        core: Core,
        cpu: &Cpu,
        endpoint: u16,
        number: u16,
        ports: &mut T,
    ) -> Result<Action, Error> {
        let callee = self.runnable(endpoint, number)?;
        // Held until the request is with its context: two cores with one number deliver it once.
        let mut tickets = callee.compartment.tickets.lock();
        let ticket = tickets.get(number).map(|ticket| *ticket);
        let home = ticket.and_then(|ticket| ticket.home());
        if let Some(Ticket {
            stage: Stage::Waits { .. },
            since,
            ..
        }) = ticket
            && self.is_mended(core, &callee)
        {
            drop(tickets);
            return self.run_mend(core, cpu, &callee, (number, since), ports);
        }
        let ticket = match ticket {
            Some(Ticket {
                stage: Stage::Answered(reply),
                ..
            }) => {
                tickets.free(number);
                return Ok(Action::Normal(reply.over(&cpu.kept())));
            }
            ticket => {
                if let Err(error) = self.open_from(&callee, core, home) {
                    if ticket.is_some() && error == Error::Aborted {
                        if home.is_some_and(|home| !self.end_waiting(callee.index, home, true)) {
                            let again = self.again(target(endpoint, number), 0);
                            return Ok(Action::Normal(again.over(&cpu.kept())));
                        }
                        tickets.free(number);
                    }
                    return Err(error);
                }
                ticket.ok_or(Error::InvalidParameters)?
            }
        };
        let listed = lists(callee.partition, core);
        match ticket.stage {
            Stage::Waits { request, .. } if listed => {
                if let Some(turn) = self.deliver(
                    core,
                    cpu,
                    &callee,
                    (request.head.source, Kind::of(request.head)),
                    ports,
                ) {
                    tickets.free(number);
                    keep_repeated(callee.partition, callee.compartment, &request.regs, || request);
                    return Ok(Action::Run(turn.by(Entry::Answer(request.regs))));
                }
            }
            Stage::Waits { .. } if !self.reachable(callee.index) => {
                tickets.free(number);
                return Err(Error::Denied);
            }
            _ => {}
        }
        let name = target(endpoint, number);
        // What follows may end a context, whose answer goes into a ticket.
        drop(tickets);
        let action = match ticket.stage {
            Stage::Waits { .. } if listed => {
                let blocker = Context {
                    partition: callee.index,
                    home: core,
                };
                let waited = ports.now().saturating_sub(ticket.since);
                self.clear_way(cpu, blocker, (name, waited), ports)
            }
            Stage::Waits { .. } => self.carry(&callee, number, ports),
            _ => self.go_on(core, cpu, &callee, number, ports),
        };
        Ok(action.unwrap_or_else(|| {
            let reply = self.again(name, ports.now().saturating_sub(ticket.since));
            Action::Normal(reply.over(&cpu.kept()))
        }))
    }

    /// Whether a request waits for more than a context that is busy: its partition is being restarted, or its
    /// context there has not been entered since.
    fn is_mended(&self, core: Core, callee: &Callee<'_, C>) -> bool {
        let compartment = callee.compartment;
        match compartment.life.get() {
            Life::Failed | Life::Restoring | Life::Starting => true,
            Life::Stopped => false,
            Life::Running => {
                let seat = compartment.seats.get(usize::from(core));
                lists(callee.partition, core)
                    && seat.is_some_and(|seat| compartment.is_new(seat) || is_starting(seat))
            }
        }
    }

    /// FFA_RUN of a ticket whose partition is being restarted: the caller's time is used for that.
    #[cold]
    #[inline(never)]
    fn run_mend<T: Ports>(
        &self,
        core: Core,
        cpu: &Cpu,
        callee: &Callee<'_, C>,
        (number, since): (u16, u64),
        ports: &mut T,
    ) -> Result<Action, Error> {
        let name = target(callee.partition.id, number);
        cpu.set_ticket(name);
        match self.mend(core, cpu, callee.index, ports) {
            Mended::Enter(action) => Ok(action),
            Mended::Later => {
                cpu.drop_ticket();
                let reply = self.again(name, ports.now().saturating_sub(since));
                Ok(Action::Normal(reply.over(&cpu.kept())))
            }
            Mended::Gone | Mended::Rests(_) => {
                cpu.drop_ticket();
                callee.compartment.tickets.lock().free(number);
                Err(Error::Aborted)
            }
        }
    }

    fn run_context<T: Ports>(
        &self,
        core: Core,
        cpu: &Cpu,
        endpoint: u16,
        vcpu: u16,
        ports: &mut T,
    ) -> Result<Action, Error> {
        let callee = self.runnable(endpoint, vcpu)?;
        let home = Self::home(callee.partition, vcpu);
        let named = home.and_then(|home| self.seat(callee.index, home));
        if named.is_some_and(|(_, _, seat)| seat.take_ghost()) {
            return Err(Error::Aborted);
        }
        if let Err(error) = self.open_from(&callee, core, home) {
            let ended = home.filter(|_| error == Error::Aborted).map(|home| Context {
                partition: callee.index,
                home,
            });
            if ended.is_some_and(|ended| {
                !self.end_waiting(ended.partition, ended.home, false) && self.is_being_mended(ended)
            }) {
                // Told now, it would leave a ghost that nobody comes for.
                let reply = Reply::interrupt(callee.partition.id, vcpu);
                return Ok(Action::Normal(reply.over(&cpu.kept())));
            }
            return Err(error);
        }
        let home = home.ok_or(Error::InvalidParameters)?;
        let named = Context {
            partition: callee.index,
            home,
        };
        if callee.partition.dedicated {
            return self.hand_core_over(core, cpu, named, ports);
        }
        self.take_held(core, named, 0);
        // A chain is resumed where it was preempted.
        let resumed = self.innermost(named);
        let there = self.table.partitions.get(resumed.partition);
        if there.is_some_and(|there| !lists(there, core)) || !lists(callee.partition, core) {
            // The caller of all has moved to a core that the callee, or its callee's callee, does not list.
            return self.adopt(core, cpu, named, ports);
        }
        let outcome = self.resume_context(core, cpu, resumed, ports);
        if outcome.is_err() && self.is_being_mended(named) {
            let reply = Reply::interrupt(callee.partition.id, vcpu);
            return Ok(Action::Normal(reply.over(&cpu.kept())));
        }
        outcome
    }

    /// Whether a core that restarts a partition has what this context works on for a moment: whoever comes for it comes
    /// again.
    fn is_being_mended(&self, named: Context) -> bool {
        let resumed = self.innermost(named);
        let Some((_, _, seat)) = self.seat(resumed.partition, resumed.home) else {
            return false;
        };
        match seat.state() {
            State::Running(on) => {
                let cpu = self.cpus.get(usize::from(on));
                cpu.is_some_and(|cpu| cpu.current() != Some(resumed))
            }
            _ => false,
        }
    }

    /// Resumes a context on this core, or gives it cycles where it waits.
    pub(crate) fn resume_context<T: Ports>(
        &self,
        core: Core,
        cpu: &Cpu,
        context: Context,
        ports: &mut T,
    ) -> Result<Action, Error> {
        let Context {
            partition: index,
            home,
        } = context;
        let (partition, compartment, seat) = self.seat(index, home).ok_or(Error::InvalidParameters)?;
        let was = seat.state();
        let entry = match was {
            _ if !lists(partition, core) => return Err(Error::Denied),
            State::Off => return Err(Error::Denied),
            State::Running(_) | State::Displaced(_) | State::Blocked => return Err(Error::Busy),
            // Whoever called it runs it again.
            State::Yielded(_) if seat.task().caller().is_some() => return Err(Error::Denied),
            // Cycles for a context that waits; it is pinned to its core.
            State::Waiting if home != core => return Err(Error::Denied),
            State::Waiting => Entry::Answer(Regs::new(&[
                u64::from(function::RUN),
                u64::from(target(partition.id, Self::vcpu(partition, home))),
            ])),
            State::Preempted(_) if seat.bereft.load(Ordering::Relaxed) => {
                Entry::Answer(Reply::error(Error::Aborted).over(&seat.kept.regs()))
            }
            State::Preempted(_) => Entry::Resume,
            State::Yielded(_) => Entry::Answer(Reply::done().over(&seat.kept.regs())),
        };
        if !seat.change(was, State::Running(core)) {
            return Err(Error::Busy);
        }
        if matches!(was, State::Yielded(_)) && seat.task().caller().is_some() {
            // It was run, and yielded again, at that moment.
            seat.leave(was);
            return Err(Error::Busy);
        }
        if let State::Preempted(from) | State::Yielded(from) = was
            && from != core
        {
            count(&compartment.counters.migrated);
        }
        let here = Here::occupy(core, cpu, context, (partition, compartment, seat));
        seat.bereft.store(false, Ordering::Relaxed);
        if compartment.stopped() {
            // From another core, while its caller was blocked on it: that one is told.
            return Ok(self.end_context(&here, ports));
        }
        if let Some(action) = self.cut(&here, ports) {
            return Ok(action);
        }
        self.bring_timers(&here, ports);
        let deadline = match seat.task() {
            Task::Request { .. } | Task::Forwarded { .. } | Task::Orphan { .. } | Task::Interrupt => {
                budget::go_on(partition, seat, ports)
            }
            _ => Deadline::None,
        };
        Ok(self.enter(&here, entry, deadline))
    }

    /// FFA_MSG_WAIT (DEN0077A 1.2, section 14.1): the end of a start, or of cycles that FFA_RUN gave. A
    /// request has to be answered first. The flags mean nothing to who speaks an older version.
    pub(crate) fn msg_wait<T: Ports>(
        &self,
        here: &Here<'_, C>,
        flags: u32,
        call: &Regs,
        ports: &mut T,
    ) -> Action {
        if !matches!(here.seat.task(), Task::Cycles | Task::Interrupt | Task::Start) {
            return self.answer(here, &Reply::error(Error::Denied), call);
        }
        let retains = flags & RETAIN_RX != 0 && here.compartment.mailbox.lock().version() >= V1_2;
        if !retains {
            // Releasing a buffer that is not full is no error here.
            let _ = self.rx_release(Party::Partition(here.context.partition), 0);
        }
        if here.starts_first() {
            here.compartment.ready.store(true, Ordering::Release);
            ports.note(Note::Ready {
                partition: here.context.partition,
            });
        }
        let starts = here.seat.task() == Task::Start;
        if starts && let Some(action) = self.repeat(here, ports) {
            return action;
        }
        let action = self.complete(here, &Reply::words(function::MSG_WAIT, &[]), ports);
        if starts {
            self.started(here, ports);
        }
        action
    }

    /// FFA_YIELD (DEN0077A 1.2, section 14.2), to the partition that called, else to the normal world; not during a
    /// start, or when it is told of the core. Who works on a secure interrupt has nobody to yield to, and goes on at
    /// once.
    pub(crate) fn yield_core<T: Ports>(&self, here: &Here<'_, C>, call: &Regs, ports: &mut T) -> Action {
        let [_, w1, w2, w3, ..] = call.0.map(low);
        let task = here.seat.task();
        let reply = match here.cpu.mode() {
            // What a partition says there must be zero.
            _ if (w1, w2, w3) != (0, 0, 0) => Some(Reply::error(Error::InvalidParameters)),
            _ if task.caller().is_some() => None,
            _ if here.seat.task() == Task::Start => Some(Reply::error(Error::Denied)),
            Mode::Serving | Mode::Forward => None,
            Mode::Interrupt | Mode::Dedicated => Some(Reply::done()),
            Mode::Boot | Mode::CoreOn | Mode::Power => Some(Reply::error(Error::Denied)),
        };
        if let Some(reply) = reply {
            return self.answer(here, &reply, call);
        }
        if here.seat.pressed() {
            here.compartment.counters.finished();
        }
        here.seat.kept.keep(call);
        let to = State::Yielded(here.core);
        if let Some(action) = self.over_budget(here, ports) {
            return action;
        }
        if task.caller().is_some() {
            here.seat.yielded.store(ports.now(), Ordering::Relaxed);
            let own = target(here.partition.id, Self::vcpu(here.partition, here.context.home));
            let reply = Reply::words(function::YIELD, &[own]);
            return self.hand_over(here, to, task, &reply, ports);
        }
        let reply = self.suspended(here, function::YIELD, ports);
        self.leave(here, to, &reply, ports)
    }
}
