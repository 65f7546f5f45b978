//! Call chains: partitions that call partitions, by direct messages (DEN0077A 1.2, sections 8.3, 9.2.4 and 15.2).
//!
//! All contexts of a chain have the same number: a context calls the one that is at home on the same
//! core. The caller is *blocked*, and only the answer resumes it; a context that is part of a chain does
//! not wait, so a chain cannot close to a circle: that call is DENIED. Towards the normal
//! world a chain is one: it is preempted and resumed as a whole, under the name of its outermost context.
//! A callee that yields leaves the chain: it is *held* by its caller, which goes on, and runs it again with FFA_RUN.

use crate::api::{Action, Context, Deadline, Entry, Next, Ports, Regs, Turn};
use crate::budget;
use crate::callee::Callee;
use crate::compartment::Compartment;
use crate::context::{Kind, Seat, State, Task};
use crate::cpu::{Cpu, Mode};
use crate::decode::{Form, Head, trim};
use crate::error::Error;
use crate::function;
use crate::paravirtual;
use crate::power::START_LIMIT_US;
use crate::reply::Reply;
use crate::spmc::{Here, Spmc};
use crate::sync::Ordering;
use crate::table::{Core, Partition, Source};

impl<const P: usize, const C: usize, const SHARES: usize, const RANGES: usize, const VMS: usize, S: Source>
    Spmc<P, C, SHARES, RANGES, VMS, S>
{
    /// FFA_MSG_SEND_DIRECT_REQ and _REQ2 of a partition: enters the callee, or answers the caller.
    #[inline(never)]
    pub(crate) fn call_partition<T: Ports>(
        &self,
        here: &Here<'_, C>,
        form: Form,
        regs: &mut Regs,
        ports: &mut T,
    ) -> Next {
        let head = Head::of(form, regs);
        budget::pause(here.partition, here.seat, ports);
        // Who is told of its core works for the SPMC (DEN0077A 1.2, section 18.2.4).
        let admitted = match here.cpu.mode() {
            Mode::Power => Err(Error::Denied),
            _ => self.admit_partition(here, head, regs),
        };
        match admitted.and_then(|index| self.enter_callee(here, index, (head, regs), ports)) {
            Ok(turn) => Next::Enter(turn),
            Err(error) => {
                budget::unpause(here.partition, here.seat, Deadline::Keep, ports);
                self.reply(here, &Reply::error(error), regs)
            }
        }
    }

    /// Whether a partition may send this request; the index of the callee.
    #[inline]
    fn admit_partition(&self, here: &Here<'_, C>, request: Head, regs: &Regs) -> Result<usize, Error> {
        let own = request.source == here.partition.id && request.target != request.source;
        if !own || request.flags != 0 {
            return Err(Error::InvalidParameters);
        }
        let callee = self.addressee(request, regs)?;
        callee.open_on(here.context.home)?;
        Ok(callee.index)
    }

    #[inline]
    fn enter_callee<T: Ports>(
        &self,
        here: &Here<'_, C>,
        index: usize,
        (request, regs): (Head, &mut Regs),
        ports: &mut T,
    ) -> Result<Turn, Error> {
        let home = here.context.home;
        let (partition, compartment, seat) = self.seat(index, home).ok_or(Error::InvalidParameters)?;
        if !seat.change(State::Waiting, State::Running(here.core)) {
            // Never started, or one that waits for this very call; else busy with another one.
            let off = seat.state() == State::Off && !compartment.is_new(seat);
            if off || self.waits_for(here.context, index) {
                return Err(Error::Denied);
            }
            let callee = Context {
                partition: index,
                home,
            };
            self.free_callee(here, callee, ports);
            return Err(Error::Busy);
        }
        seat.set_task(Task::Request {
            source: request.source,
            kind: Kind::of(request),
        });
        if request.form == Form::Extended {
            here.seat.kept.keep(regs);
        } else {
            here.seat.kept.take(regs);
        }
        trim(request.form, regs);
        let callee = (index, (partition, compartment, seat));
        Ok(self.block_on(here, callee, true, ports))
    }

    /// A partition that runs here is told that a context is busy: where nobody will resume it, or another partition has
    /// held it for too long, it goes on as soon as the core is free, and waits then.
    #[cold]
    #[inline(never)]
    fn free_callee<T: Ports>(&self, here: &Here<'_, C>, callee: Context, ports: &mut T) {
        let Some((_, _, seat)) = self.seat(callee.partition, callee.home) else {
            return;
        };
        let since = seat.yielded.load(Ordering::Relaxed);
        self.take_held(here.core, callee, ports.now().saturating_sub(since));
        let outermost = self.outermost(callee);
        let outer = self.seat(outermost.partition, outermost.home);
        if outer.is_some_and(|(_, _, seat)| matches!(seat.task(), Task::Orphan { .. })) {
            self.mends.store(true, Ordering::SeqCst);
            here.cpu.look_behind();
        }
    }

    /// Enters a context that is the core's own by now; who runs here waits for it.
    #[inline]
    fn block_on<T: Ports>(
        &self,
        here: &Here<'_, C>,
        callee: (usize, Parts<'_, C>),
        new: bool,
        ports: &mut T,
    ) -> Turn {
        let (partition, parts) = callee;
        let pressed = here.seat.pressed();
        paravirtual::end_wait(here);
        here.seat.leave(State::Blocked);
        let context = Context {
            partition,
            home: here.context.home,
        };
        let callee = Here::occupy(here.core, here.cpu, context, parts);
        let deadline = self.chain_deadline(&callee, pressed);
        let deadline = budget::begin_called(callee.partition, callee.seat, (deadline, new), ports);
        self.turn(&callee, deadline)
    }

    /// FFA_RUN of a partition (DEN0077A 1.2, section 14.3): a callee of its own that yielded goes on.
    pub(crate) fn run_callee<T: Ports>(
        &self,
        here: &Here<'_, C>,
        (endpoint, vcpu): (u16, u16),
        call: &Regs,
        ports: &mut T,
    ) -> Action {
        let admitted = match here.cpu.mode() {
            Mode::Power => Err(Error::Denied),
            _ => self.known(endpoint, here.partition.id),
        };
        admitted
            .and_then(|(callee, _)| self.resume_callee(here, &callee, (vcpu, call), ports))
            .unwrap_or_else(|error| self.answer(here, &Reply::error(error), call))
    }

    fn resume_callee<T: Ports>(
        &self,
        here: &Here<'_, C>,
        callee: &Callee<'_, C>,
        (vcpu, call): (u16, &Regs),
        ports: &mut T,
    ) -> Result<Action, Error> {
        let home = Self::home(callee.partition, vcpu).ok_or(Error::InvalidParameters)?;
        if home != here.context.home {
            return Err(Error::Denied);
        }
        callee.open_on(home)?;
        let parts = self.seat(callee.index, home).ok_or(Error::InvalidParameters)?;
        let (own, seat) = (Some(here.partition.id), parts.2);
        let was = seat.state();
        if !matches!(was, State::Yielded(_)) || seat.task().caller() != own {
            let denied = matches!(was, State::Off | State::Waiting | State::Blocked);
            return Err(if denied { Error::Denied } else { Error::Busy });
        }
        if !seat.change(was, State::Running(here.core)) {
            return Err(Error::Busy);
        }
        if seat.task().caller() != own {
            // It was taken from its caller at that moment.
            seat.leave(was);
            return Err(Error::Denied);
        }
        let entry = Entry::Answer(Reply::done().over(&seat.kept.regs()));
        here.seat.kept.keep(call);
        let turn = self.block_on(here, (callee.index, parts), false, ports);
        Ok(Action::Run(turn.by(entry)))
    }

    /// Takes a context that has yielded from the partition that holds it, where that one is no more, or a request
    /// has waited too long for the context (microseconds). What it answers then reaches nobody.
    pub(crate) fn take_held(&self, core: Core, context: Context, waited: u64) {
        let Some((_, _, seat)) = self.seat(context.partition, context.home) else {
            return;
        };
        let was = seat.state();
        let holder = match was {
            State::Yielded(_) => seat.task().caller().and_then(|id| self.callee(id).ok()),
            _ => None,
        };
        // Only who owns a context gives it another task.
        if holder.is_some_and(|holder| waited >= HELD_US || holder.compartment.stopped())
            && seat.change(was, State::Running(core))
        {
            seat.abandon();
            seat.leave(was);
        }
    }

    /// Whether a partition's context is a caller of this one, or a caller's caller.
    fn waits_for(&self, mut context: Context, index: usize) -> bool {
        for _ in 0..P {
            let caller = self
                .seat(context.partition, context.home)
                .and_then(|(_, _, seat)| self.partition_of(seat.task().caller()?));
            match caller {
                Some(partition) if partition == index => return true,
                Some(partition) => context.partition = partition,
                None => return false,
            }
        }
        false
    }

    /// Hands the outcome of a task to who asked for it. `to` is what the context becomes.
    pub(crate) fn hand_over<T: Ports>(
        &self,
        here: &Here<'_, C>,
        to: State,
        task: Task,
        reply: &Reply,
        ports: &mut T,
    ) -> Action {
        match task {
            Task::Request { source, .. } if task.caller().is_some() => {
                self.return_to_caller(here, to, source, reply, ports)
            }
            Task::Forwarded { .. } => {
                self.keep_answer(here.context, reply);
                self.leave(here, to, &Reply::words(function::MSG_WAIT, &[]), ports)
            }
            // That it failed is for whoever gave it the cycles.
            Task::Orphan { .. } if to == State::Waiting => {
                self.leave(here, to, &Reply::words(function::MSG_WAIT, &[]), ports)
            }
            _ => self.leave(here, to, reply, ports),
        }
    }

    /// Hands the response in the registers to the partition that called this one.
    #[inline]
    pub(crate) fn respond_to_caller<T: Ports>(
        &self,
        here: &Here<'_, C>,
        source: u16,
        form: Form,
        regs: &mut Regs,
        ports: &mut T,
    ) -> Next {
        let pressed = self.give_up(here, State::Waiting, ports);
        let caller = self.partition_of(source);
        if let Some((seat, turn)) =
            caller.and_then(|index| self.resume_caller(here, index, (pressed, false), ports))
        {
            if form != Form::Extended {
                seat.kept.put(regs);
            }
            return Next::Enter(turn);
        }
        let reply = Reply::of_response(form, regs);
        Next::Other(self.unwind(here, State::Waiting, source, (&reply, pressed), ports))
    }

    /// The context that runs here gives the core up to its caller; whether an interrupt of the normal world waits.
    fn give_up<T: Ports>(&self, here: &Here<'_, C>, to: State, ports: &mut T) -> bool {
        let pressed = here.seat.pressed();
        paravirtual::end_wait(here);
        if to == State::Waiting {
            self.look_behind(here, ports);
        }
        here.cpu.set_left(here.context, to);
        pressed
    }

    /// Makes the partition that is blocked on the context which runs here the core's own again; none where it is no more.
    #[inline]
    fn resume_caller<T: Ports>(
        &self,
        here: &Here<'_, C>,
        index: usize,
        (pressed, aborted): (bool, bool),
        ports: &mut T,
    ) -> Option<(&Seat, Turn)> {
        let (cpu, home) = (here.cpu, here.context.home);
        let (partition, compartment, seat) = self.seat(index, home)?;
        if compartment.stopped() || !seat.change(State::Blocked, State::Running(here.core)) {
            return None;
        }
        let context = Context {
            partition: index,
            home,
        };
        let caller = Here::occupy(here.core, cpu, context, (partition, compartment, seat));
        let deadline = if aborted && matches!(cpu.mode(), Mode::Boot | Mode::CoreOn) {
            // The deadline of the start may be what ended the callee: the caller has its own.
            Deadline::Micros(START_LIMIT_US)
        } else {
            self.chain_deadline(&caller, pressed)
        };
        let deadline = budget::unpause(partition, seat, deadline, ports);
        Some((seat, self.turn(&caller, deadline)))
    }

    /// Goes on in the partition that called this one.
    pub(crate) fn return_to_caller<T: Ports>(
        &self,
        here: &Here<'_, C>,
        to: State,
        source: u16,
        reply: &Reply,
        ports: &mut T,
    ) -> Action {
        let pressed = self.give_up(here, to, ports);
        self.unwind(here, to, source, (reply, pressed), ports)
    }

    /// Goes on in the partition that called the one that has given the core up. A caller that was stopped meanwhile is
    /// no more: its own caller is told so, and so on.
    fn unwind<T: Ports>(
        &self,
        here: &Here<'_, C>,
        to: State,
        mut source: u16,
        (reply, pressed): (&Reply, bool),
        ports: &mut T,
    ) -> Action {
        let (cpu, home) = (here.cpu, here.context.home);
        let mut reply = *reply;
        let mut aborted = to == State::Off;
        while let Some((index, (_, _, seat))) = self
            .partition_of(source)
            .and_then(|index| Some((index, self.seat(index, home)?)))
        {
            let task = seat.task();
            if let Some((seat, turn)) = self.resume_caller(here, index, (pressed, aborted), ports) {
                return Action::Run(turn.by(Entry::Answer(reply.over(&seat.kept.regs()))));
            }
            reply = Reply::error(Error::Aborted);
            if seat.state() != State::Blocked {
                // Nobody else moves a blocked context on: this cannot be.
                break;
            }
            self.ledger.lock().release(index, ports);
            seat.set_task(Task::Cycles);
            seat.leave(State::Off);
            aborted = true;
            match task {
                // Each turn ends one context: the loop is as long as the chain.
                Task::Request { source: above, .. } if task.caller().is_some() => source = above,
                Task::Forwarded { .. } => {
                    self.keep_answer(
                        Context {
                            partition: index,
                            home,
                        },
                        &reply,
                    );
                    reply = Reply::words(function::MSG_WAIT, &[]);
                    break;
                }
                _ => break,
            }
        }
        cpu.set_current(None);
        self.depart(here.core, cpu, &reply, ports)
    }

    /// The outermost context of the chain that one is part of: the one that the normal world called.
    pub(crate) fn outermost(&self, mut context: Context) -> Context {
        for _ in 0..P {
            let caller = self
                .seat(context.partition, context.home)
                .filter(|(_, _, seat)| !matches!(seat.state(), State::Yielded(_)))
                .and_then(|(_, _, seat)| self.partition_of(seat.task().caller()?));
            match caller {
                Some(partition) => context.partition = partition,
                None => break,
            }
        }
        context
    }

    /// The innermost context of the chain that one is part of: the one that runs, or can be resumed.
    pub(crate) fn innermost(&self, mut context: Context) -> Context {
        let home = context.home;
        let state = |context: Context| {
            self.seat(context.partition, home)
                .map(|(_, _, seat)| seat.state())
        };
        for _ in 0..P {
            if state(context) != Some(State::Blocked) {
                break;
            }
            let id = self.table.partitions.get(context.partition).map(|p| p.id);
            let callee = (0..P).find(|index| {
                self.seat(*index, home).is_some_and(|(_, _, seat)| {
                    // One that has yielded is held, not waited for.
                    seat.task().caller() == id && id.is_some() && !matches!(seat.state(), State::Yielded(_))
                })
            });
            match callee {
                Some(partition) => context.partition = partition,
                None => break,
            }
        }
        context
    }

    /// Lets a context go on that keeps a ticket's request waiting (for so many microseconds) and that nobody will
    /// resume: it works for a normal world that is gone or for a partition that does not run it, or on an interrupt
    /// that took too long.
    pub(crate) fn clear_way<T: Ports>(
        &self,
        cpu: &Cpu,
        blocker: Context,
        (ticket, waited): (u32, u64),
        ports: &mut T,
    ) -> Option<Action> {
        self.take_held(blocker.home, blocker, waited);
        let outermost = self.outermost(blocker);
        let (_, _, seat) = self.seat(outermost.partition, outermost.home)?;
        if !matches!(seat.task(), Task::Orphan { .. } | Task::Interrupt) {
            return None;
        }
        let resumed = self.innermost(blocker);
        let seat = self.seat(resumed.partition, resumed.home)?.2;
        if !matches!(seat.state(), State::Preempted(_) | State::Yielded(_)) {
            return None;
        }
        cpu.set_ticket(ticket);
        let action = self.resume_context(blocker.home, cpu, resumed, ports);
        if action.is_err() {
            // Another core was faster.
            cpu.drop_ticket();
        }
        action.ok()
    }
}

/// How long a request waits for a context that has yielded to another partition, or how long that one does not run it
/// while a third one calls it, before it is taken from that one (microseconds).
pub(crate) const HELD_US: u64 = 1_000_000;

/// What belongs to one context.
pub(crate) type Parts<'a, const C: usize> = (&'static Partition, &'a Compartment<C>, &'a Seat);
