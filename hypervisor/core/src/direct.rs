//! Direct messages: the hot path. No lock is taken on it.

use crate::api::{Action, Cause, Context, Next, Ports, Regs, Turn};
use crate::budget;
use crate::callee::{Callee, DIRECT, DIRECT2};
use crate::chain::Parts;
use crate::compartment::Compartment;
use crate::context::{Kind, State, Task, VM_CREATED, VM_DESTROYED};
use crate::cpu::{Cpu, Mode};
use crate::decode::{Direct, Form, Head, low, low_half, trim};
use crate::error::Error;
use crate::function;
use crate::life::Life;
use crate::names;
use crate::reply::Reply;
use crate::spmc::{Here, SECURE, Spmc, lists};
use crate::sync::Ordering;
use crate::table::{Core, Partition, Source};

/// Flag (w2) of a message that is the framework's.
const FRAMEWORK: u32 = 1 << 31;

/// Partition properties: it wants to hear of virtual machines that are created, and destroyed.
pub(crate) const HEARS_OF_CREATED: u32 = 1 << 6;
pub(crate) const HEARS_OF_DESTROYED: u32 = 1 << 7;

impl<const P: usize, const C: usize, const SHARES: usize, const RANGES: usize, const VMS: usize, S: Source>
    Spmc<P, C, SHARES, RANGES, VMS, S>
{
    /// FFA_MSG_SEND_DIRECT_REQ and _REQ2 of the normal world (DEN0077A 1.2, sections 15.2 and 15.4).
    #[inline(always)]
    pub(crate) fn direct_request<T: Ports>(
        &self,
        core: Core,
        cpu: &Cpu,
        form: Form,
        regs: &mut Regs,
        ports: &mut T,
    ) -> Next {
        let head = Head::of(form, regs);
        let kind = if form == Form::Extended {
            Kind::Extended
        } else {
            Kind::Plain
        };
        let delivered = self.admit(core, head, regs).ok().and_then(|callee| {
            let goes_on = names::goes_on(callee.partition, form, regs);
            if goes_on && names::is_stale(callee.compartment, regs) {
                return None;
            }
            let turn = self.deliver(core, cpu, &callee, (head.source, kind), ports)?;
            keep_repeated(callee.partition, callee.compartment, regs, || {
                Direct::of(form, regs)
            });
            if goes_on {
                names::give(regs);
            }
            Some(turn)
        });
        let Some(turn) = delivered else {
            return self.undelivered(core, cpu, form, regs, ports);
        };
        trim(form, regs);
        if form == Form::Extended {
            Next::Enter(turn)
        } else {
            Next::EnterShort(turn)
        }
    }

    /// A direct request that cannot be delivered as it is: from the SPMD, one of the framework's, to a partition that
    /// is busy, or one with an error.
    #[cold]
    #[inline(never)]
    fn undelivered<T: Ports>(
        &self,
        core: Core,
        cpu: &Cpu,
        form: Form,
        regs: &mut Regs,
        ports: &mut T,
    ) -> Next {
        let mut direct = Direct::of(form, regs);
        let head = direct.head;
        cpu.keep(regs);
        if head.target == self.table.spmc_id && head.source == crate::power::SPMD {
            return self.spmd_message(core, cpu, regs, ports);
        }
        let admitted = if head.flags == 0 {
            self.admit(core, head, regs)
        } else {
            self.admit_framework(core, head, regs)
        };
        if let Ok(callee) = &admitted
            && head.flags == 0
            && names::goes_on(callee.partition, form, regs)
        {
            if names::is_stale(callee.compartment, regs) {
                Reply::error(Error::Aborted).put(regs);
                return Next::Back;
            }
            names::give(&mut direct.regs);
        }
        let reply = match admitted {
            Ok(callee) => match self.deliver(core, cpu, &callee, (head.source, Kind::of(head)), ports) {
                Some(turn) => {
                    keep_repeated(callee.partition, callee.compartment, regs, || direct);
                    *regs = direct.regs;
                    return Next::Enter(turn);
                }
                None => self.park(core, callee.index, &direct, ports),
            },
            Err(error) => self.refused(core, &direct, error, ports),
        };
        reply.put(regs);
        Next::Back
    }

    /// The answer to a request that is not admitted: one to a partition that is being restarted waits for that.
    #[cold]
    #[inline(never)]
    fn refused<T: Ports>(&self, core: Core, request: &Direct, error: Error, ports: &mut T) -> Reply {
        if error == Error::Aborted
            && request.head.flags == 0
            && let Ok(callee) = self.addressee(request.head, &request.regs)
            && (lists(callee.partition, core) || callee.partition.forwards)
            && !names::goes_on(callee.partition, request.head.form, &request.regs)
            && self.comes_back(callee.compartment, ports)
        {
            return self.park(core, callee.index, request, ports);
        }
        Reply::error(error)
    }

    /// Whether a request that is no framework message may reach its target from this core; the target.
    #[inline]
    fn admit(&self, core: Core, request: Head, regs: &Regs) -> Result<Callee<'_, C>, Error> {
        if request.source >= SECURE || request.flags != 0 {
            // The SPMD lets none of the first through; nobody out there speaks for a partition.
            return Err(Error::InvalidParameters);
        }
        let callee = self.addressee(request, regs)?;
        callee.open_from(core)?;
        Ok(callee)
    }

    /// Whom a request is for that is no framework message, if its source may send it and it is taken there.
    ///
    /// # Errors
    /// INVALID_PARAMETERS: nobody whom the source may send such a message has that ID, or offers that
    /// service. DENIED: the target takes no messages of this kind (DEN0077A 1.2, sections 15.2 and 15.4).
    #[inline]
    pub(crate) fn addressee(&self, request: Head, regs: &Regs) -> Result<Callee<'_, C>, Error> {
        let extended = request.form == Form::Extended;
        let kind = if extended { DIRECT2 } else { DIRECT };
        let callee = self.callable(request.target, request.source, kind)?;
        if extended && !serves(callee.partition, regs) {
            return Err(Error::InvalidParameters);
        }
        Ok(callee)
    }

    /// As [`Self::admit`], of a framework message: those of a hypervisor about one of its virtual machines
    /// (DEN0077A 1.2, section 18.3), for a partition that lists it and asked to hear of that; others are the
    /// SPMC's to send. What a destroyed machine had here is gone before the first partition hears of it.
    fn admit_framework(&self, core: Core, request: Head, regs: &Regs) -> Result<Callee<'_, C>, Error> {
        let needed = match request.flags {
            VM_CREATED => HEARS_OF_CREATED,
            VM_DESTROYED => HEARS_OF_DESTROYED,
            _ => return Err(Error::InvalidParameters),
        };
        let machine = self.machine_of(low_half(low(regs.0[5])));
        let (Some((_, machine)), 0) = (machine, request.source) else {
            return Err(Error::InvalidParameters);
        };
        let (callee, _) = self.known(request.target, request.source)?;
        if callee.partition.properties & needed == 0 {
            return Err(Error::InvalidParameters);
        }
        callee.open_from(core)?;
        if request.flags == VM_DESTROYED {
            machine.forget();
        }
        Ok(callee)
    }

    /// Enters the context that is at home here with a request; none when it does not wait.
    #[inline(always)]
    pub(crate) fn deliver<T: Ports>(
        &self,
        core: Core,
        cpu: &Cpu,
        callee: &Callee<'_, C>,
        (source, kind): (u16, Kind),
        ports: &mut T,
    ) -> Option<Turn> {
        let seat = callee.compartment.seats.get(usize::from(core))?;
        let here = Self::wake(
            core,
            cpu,
            (callee.index, (callee.partition, callee.compartment, seat)),
            Task::Request { source, kind },
        )?;
        let deadline = budget::begin(here.partition, here.seat, ports);
        Some(self.turn(&here, deadline))
    }

    /// Makes the context that is at home here, and waits, this core's own with something to do; none when it
    /// does not wait.
    #[inline(always)]
    pub(crate) fn wake<'a>(
        core: Core,
        cpu: &'a Cpu,
        (index, parts): (usize, Parts<'a, C>),
        task: Task,
    ) -> Option<Here<'a, C>> {
        let seat = parts.2;
        if !seat.change(State::Waiting, State::Running(core)) {
            return None;
        }
        seat.set_task(task);
        let context = Context {
            partition: index,
            home: core,
        };
        Some(Here::occupy(core, cpu, context, parts))
    }

    /// Parks a request whose context is busy (preempted, or resumed on another core), or on another core.
    #[cold]
    #[inline(never)]
    fn park<T: Ports>(&self, core: Core, index: usize, request: &Direct, ports: &mut T) -> Reply {
        let Some((partition, compartment, seat)) = self.seat(index, core) else {
            return Reply::error(Error::InvalidParameters);
        };
        let carried = !lists(partition, core);
        let reachable = if compartment.stopped() {
            self.comes_back(compartment, ports)
        } else if compartment.life.get() == Life::Starting || compartment.is_new(seat) {
            true
        } else if carried {
            self.reachable(index)
        } else {
            // It never got so far: the partition registered no entry for it, or its start failed.
            seat.state() != State::Off
        };
        if !reachable {
            return Reply::error(if compartment.stopped() {
                Error::Aborted
            } else {
                Error::Denied
            });
        }
        let mut tickets = compartment.tickets.lock();
        let Some(number) = tickets.park(request, carried, ports.now()) else {
            return Reply::error(Error::Busy);
        };
        if carried && let Some(ticket) = tickets.get(number) {
            self.call_a_core(index, ticket, ports);
        }
        Reply::interrupt(partition.id, number)
    }

    /// A partition with its seat on a core.
    pub(crate) fn seat(
        &self,
        index: usize,
        core: Core,
    ) -> Option<(&'static Partition, &Compartment<C>, &crate::context::Seat)> {
        let partition = self.table.partitions.get(index)?;
        let compartment = self.compartments.get(index)?;
        Some((partition, compartment, compartment.seats.get(usize::from(core))?))
    }

    /// FFA_MSG_SEND_DIRECT_RESP and _RESP2 (DEN0077A 1.2, sections 15.3 and 15.5). An answer that is
    /// refused leaves the request unanswered, and the context running.
    ///
    /// # Errors
    /// INVALID_PARAMETERS: IDs or flags that are not the request's. DENIED: there is no request, or the
    /// answer is of another kind (section 7.4).
    pub(crate) fn direct_response<T: Ports>(
        &self,
        here: &Here<'_, C>,
        form: Form,
        regs: &mut Regs,
        ports: &mut T,
    ) -> Next {
        if let Err(error) = check_response(here, Head::of(form, regs)) {
            return self.reply(here, &Reply::error(error), regs);
        }
        answer(form, regs);
        let task = here.seat.task();
        finish(here, ports);
        match task {
            Task::Request { source, .. } if task.caller().is_some() => {
                self.respond_to_caller(here, source, form, regs, ports)
            }
            _ => {
                names::show(here.partition, here.compartment, form, regs);
                let reply = Reply::of_response(form, regs);
                Next::Other(self.hand_over(here, State::Waiting, task, &reply, ports))
            }
        }
    }

    /// As [`Self::direct_response`] where nothing is to be done but to hand a plain answer to the normal world; none
    /// where there is more.
    #[inline(always)]
    pub(crate) fn plain_response<T: Ports>(
        &self,
        here: &Here<'_, C>,
        form: Form,
        regs: &mut Regs,
        ports: &mut T,
    ) -> Option<Next> {
        let head = Head::of(form, regs);
        let kind = if form == Form::Extended {
            Kind::Extended
        } else {
            Kind::Plain
        };
        let answered = Task::Request {
            source: head.target,
            kind,
        };
        let plain = head.flags == 0
            && head.target < SECURE
            && head.source == here.partition.id
            && here.seat.is_at(answered)
            && here.cpu.only_serves()
            && here.seat.pending.load(Ordering::Acquire) == 0
            && !here.seat.pressed();
        if !plain {
            return None;
        }
        free(here, ports);
        here.cpu.set_current(None);
        answer(form, regs);
        names::show(here.partition, here.compartment, form, regs);
        Some(if form == Form::Extended {
            Next::Leave
        } else {
            Next::LeaveShort
        })
    }

    /// Hands the outcome of what a context did to its caller; the context waits.
    pub(crate) fn complete<T: Ports>(&self, here: &Here<'_, C>, reply: &Reply, ports: &mut T) -> Action {
        let task = here.seat.task();
        finish(here, ports);
        self.hand_over(here, State::Waiting, task, reply, ports)
    }

    /// FFA_SUCCESS as the end of a request that gets no response (DEN0077A 1.2, sections 15.2 and 15.4).
    ///
    /// # Errors
    /// DENIED: there is no request, or it is the framework's. INVALID_PARAMETERS: a register is not zero.
    pub(crate) fn end_request<T: Ports>(&self, here: &Here<'_, C>, call: &Regs, ports: &mut T) -> Action {
        let error = match here.seat.task() {
            Task::Request { kind, .. } | Task::Forwarded { kind, .. } | Task::Orphan { kind, .. }
                if matches!(kind, Kind::Plain | Kind::Extended) =>
            {
                if call.0.iter().take(8).skip(1).all(|register| *register == 0) {
                    return self.complete(here, &Reply::done(), ports);
                }
                Error::InvalidParameters
            }
            _ => Error::Denied,
        };
        self.answer(here, &Reply::error(error), call)
    }

    /// FFA_ERROR as the answer to a request, or as the end of a start (DEN0077A 1.2, sections 8.5 and 12.2).
    pub(crate) fn answer_error<T: Ports>(
        &self,
        here: &Here<'_, C>,
        code: u32,
        call: &Regs,
        ports: &mut T,
    ) -> Action {
        if matches!(here.cpu.mode(), Mode::Boot | Mode::CoreOn) && here.seat.task() == Task::Cycles {
            return self.fail(here, Cause::StartFailed, ports);
        }
        if here.seat.task() == Task::Start {
            return self.fail(here, Cause::StartFailed, ports);
        }
        if matches!(here.seat.task(), Task::Cycles | Task::Interrupt) {
            return self.answer(here, &Reply::error(Error::Denied), call);
        }
        self.complete(here, &Reply::words(function::ERROR, &[0, code]), ports)
    }
}

/// Makes the registers of a response those of the answer, but for those that a short one does not carry.
#[inline]
fn answer(form: Form, regs: &mut Regs) {
    trim(form, regs);
    if form == Form::Extended {
        // Reserved in a response.
        regs.0[2] = 0;
        regs.0[3] = 0;
    }
}

/// A context is done with its task.
#[inline]
fn finish<T: Ports, const C: usize>(here: &Here<'_, C>, ports: &mut T) {
    if here.seat.pressed() {
        here.compartment.counters.finished();
    }
    free(here, ports);
}

/// As [`finish`], where no interrupt of the normal world waits.
#[inline(always)]
fn free<T: Ports, const C: usize>(here: &Here<'_, C>, ports: &mut T) {
    here.seat.set_task(Task::Cycles);
    budget::end(here.partition, here.seat, ports);
}

/// Keeps a request for its target's next instance, if it begins as the one that the table has given to each.
#[inline]
pub(crate) fn keep_repeated<const C: usize>(
    partition: &Partition,
    compartment: &Compartment<C>,
    regs: &Regs,
    request: impl FnOnce() -> Direct,
) {
    if partition.repeats == Some(low(regs.0[3])) {
        keep(compartment, request());
    }
}

/// Only in these forms is w3 a word of it.
#[cold]
#[inline(never)]
fn keep<const C: usize>(compartment: &Compartment<C>, request: Direct) {
    if request.head.form != Form::Extended && request.head.flags == 0 {
        *compartment.repeated.lock() = Some(request);
    }
}

/// Whether a request for the service in x2 and x3 is for this partition.
fn serves(partition: &Partition, regs: &Regs) -> bool {
    let wanted = [regs.0[2], regs.0[3]];
    wanted == [0; 2] || partition.uuids.iter().any(|uuid| uuid.words() == wanted)
}

#[inline]
fn check_response<const C: usize>(here: &Here<'_, C>, response: Head) -> Result<(), Error> {
    let (Task::Request { source, kind } | Task::Forwarded { source, kind } | Task::Orphan { source, kind }) =
        here.seat.task()
    else {
        return Err(Error::Denied);
    };
    if response.source != here.partition.id || response.target != source {
        return Err(Error::InvalidParameters);
    }
    let flags = match response.form {
        Form::Extended => None,
        Form::Short32 | Form::Short64 => Some(response.flags),
    };
    if flags == kind.response_flags() {
        return Ok(());
    }
    // A response of another kind than the request answers nothing; one of its kind has wrong flags.
    let is_framework = |flags: u32| flags & FRAMEWORK != 0;
    if flags.map(is_framework) == kind.response_flags().map(is_framework) {
        Err(Error::InvalidParameters)
    } else {
        Err(Error::Denied)
    }
}
