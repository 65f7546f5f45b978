//! The dispatcher: one event in, one action out.

use crate::api::{Action, Cause, Conduit, Context, Deadline, Entry, Event, Next, Ports, Regs, Turn};
use crate::budget;
use crate::compartment::Compartment;
use crate::context::{Seat, State};
use crate::cpu::{Cpu, Mode};
use crate::decode::{Call, Form, decode, low};
use crate::error::Error;
use crate::function;
use crate::inspect::Stage;
use crate::life::Life;
use crate::memory::Ledger;
use crate::notification::Notifications;
use crate::paravirtual;
use crate::quote::Signed;
use crate::reply::Reply;
use crate::rxtx::Mailbox;
use crate::service;
use crate::sync::{AtomicBool, AtomicUsize, Mutex, Ordering};
use crate::table::{Core, Partition, Source, Table};
use crate::version::V1_0;
use crate::vm::Machine;

/// The SPMC for a table of `P` partitions on `C` cores and `VMS` virtual machines, with room for `SHARES` shares of memory that
/// are made of `RANGES` ranges together.
///
/// A new one is all zeros (`cargo xtask size` shows it): it takes no room in an image. `S` says which the table is.
///
/// All cores call [`Spmc::step`] at once. Nothing in it waits for a partition or the normal world.
pub struct Spmc<
    const P: usize,
    const C: usize,
    const SHARES: usize,
    const RANGES: usize,
    const VMS: usize,
    S = &'static Table,
> {
    pub(crate) table: S,
    pub(crate) compartments: [Compartment<C>; P],
    pub(crate) cpus: [Cpu; C],
    /// What the normal world has negotiated and registered.
    pub(crate) normal: Mutex<Mailbox>,
    pub(crate) normal_notifications: Mutex<Notifications>,
    /// What its virtual machines have, in the table's order.
    pub(crate) machines: [Machine; VMS],
    /// Who has lent which memory to whom. Taken behind a mailbox's lock, never before one.
    pub(crate) ledger: Mutex<Ledger<P, SHARES, RANGES>>,
    /// Whether any partition has failed yet, or a context has been found for which nobody comes: cores that are called
    /// have to look for such.
    pub(crate) mends: AtomicBool,
    /// One more than the index of the partition for whose failure the machine halts; 0: none.
    pub(crate) halt: AtomicUsize,
    /// The last signature that a partition has had made, for its second call.
    pub(crate) signed: Mutex<Signed>,
}

/// FFA_NORMAL_WORLD_RESUME: the normal world goes on where an interrupt took the core from it.
pub(crate) const RESUME: Regs = {
    let mut regs = [0; 18];
    regs[0] = function::NORMAL_WORLD_RESUME as u64;
    Regs(regs)
};

/// First endpoint ID of the secure world; those below are the normal world's.
pub(crate) const SECURE: u16 = 0x8000;

/// A party to a call: the normal world's operating system or hypervisor, one of its virtual machines or a
/// partition (their indices in the table). A virtual machine calls nobody: its hypervisor does that for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Party {
    Normal,
    Machine(usize),
    Partition(usize),
}

/// The context that runs on a core, with all that belongs to it.
pub(crate) struct Here<'a, const C: usize> {
    pub core: Core,
    pub cpu: &'a Cpu,
    pub context: Context,
    pub partition: &'static Partition,
    pub compartment: &'a Compartment<C>,
    pub seat: &'a Seat,
}

impl<'a, const C: usize> Here<'a, C> {
    /// Whether the partition's version will not change any more.
    fn settled(&self) -> bool {
        self.compartment.settled.load(Ordering::Relaxed)
    }

    /// A context that has just become a core's own.
    #[inline]
    pub(crate) fn occupy(
        core: Core,
        cpu: &'a Cpu,
        context: Context,
        (partition, compartment, seat): (&'static Partition, &'a Compartment<C>, &'a Seat),
    ) -> Self {
        cpu.set_current(Some(context));
        Self {
            core,
            cpu,
            context,
            partition,
            compartment,
            seat,
        }
    }
}

impl<const P: usize, const C: usize, const SHARES: usize, const RANGES: usize, const VMS: usize, S: Source>
    Spmc<P, C, SHARES, RANGES, VMS, S>
{
    /// The SPMC before [`Event::Boot`].
    #[must_use]
    pub const fn new(table: S) -> Self {
        Self {
            table,
            compartments: [const { Compartment::new() }; P],
            cpus: [const { Cpu::new() }; C],
            normal: Mutex::new(Mailbox::new(V1_0)),
            normal_notifications: Mutex::new(Notifications::new()),
            machines: [const { Machine::new() }; VMS],
            ledger: Mutex::new(Ledger::new()),
            mends: AtomicBool::new(false),
            halt: AtomicUsize::new(0),
            signed: Mutex::new(Signed::NONE),
        }
    }

    /// Says before [`Event::Boot`] that a partition's image is not the one that the table names:
    /// none of its contexts will be entered, and calls to it are answered with ABORTED.
    pub fn stop_image(&self, partition: usize) {
        if let Some(compartment) = self.compartments.get(partition) {
            compartment.life.set(Life::Stopped);
            compartment
                .failures
                .lock()
                .refuse_image(self.table.board.boot_core, 0);
        }
    }

    /// Whether a partition has started, and takes calls.
    pub fn takes_calls(&self, partition: usize) -> bool {
        let compartment = self.compartments.get(partition);
        compartment.is_some_and(|compartment| compartment.stage() == Stage::Running)
    }

    /// Lets other cores have the context that the last step took from this core. The shell calls it
    /// when the core holds none of that context's registers any more; until then the context is
    /// still this core's, so that nobody can resume it from registers that are not saved yet.
    #[inline]
    pub fn settle(&self, core: Core) {
        let left = self.cpus.get(usize::from(core)).and_then(Cpu::take_left);
        if let Some((context, to)) = left
            && let Some(compartment) = self.compartments.get(context.partition)
            && let Some(seat) = compartment.seats.get(usize::from(context.home))
        {
            seat.leave(to);
        }
    }

    /// As [`Self::settle`], behind [`Next::Leave`] and [`Next::LeaveShort`]: the context that has left waits for what comes
    /// next.
    #[inline]
    pub fn settle_waiting(&self, context: Context) {
        if let Some(compartment) = self.compartments.get(context.partition)
            && let Some(seat) = compartment.seats.get(usize::from(context.home))
        {
            seat.leave(State::Waiting);
        }
    }

    /// Decides what follows an event on a core.
    pub fn step<T: Ports>(&self, core: Core, event: Event, ports: &mut T) -> Action {
        let Some(cpu) = self.cpus.get(usize::from(core)) else {
            // The shell numbers cores by the table; a core beyond it has nothing to run.
            return Action::Normal(Reply::error(Error::NotSupported).over(&Regs([0; 18])));
        };
        self.settle(core);
        match event {
            Event::Normal(mut regs) => {
                let called = regs;
                let next = self.normal_call(core, &mut regs, ports);
                cpu.keep_late(&called);
                return match next {
                    Next::Back | Next::Leave | Next::LeaveShort => Action::Normal(regs),
                    Next::Enter(turn) => Action::Run(turn.by(Entry::Answer(regs))),
                    Next::EnterShort(turn) => Action::Run(turn.by(Entry::Answer(first_eight(&regs)))),
                    Next::Other(action) => action,
                };
            }
            Event::Boot => return self.start_all(core, cpu, Mode::Boot, ports),
            Event::CoreOn => return self.start_all(core, cpu, Mode::CoreOn, ports),
            Event::Called => cpu.answer_call(),
            _ => {}
        }
        let Some(here) = self.here(core, cpu) else {
            return self.no_context(core, cpu, event, ports);
        };
        if here.compartment.stopped() {
            return self.end_stopped(&here, event, ports);
        }
        match event {
            Event::Call(conduit, mut regs) => {
                let normal = cpu.kept();
                let next = self.partition_call(core, conduit, &mut regs, &normal, ports);
                match next {
                    Next::Back => self.enter(&here, Entry::Answer(regs), Deadline::Keep),
                    Next::Enter(turn) | Next::EnterShort(turn) => Action::Run(turn.by(Entry::Answer(regs))),
                    Next::Leave | Next::LeaveShort => {
                        if next == Next::LeaveShort {
                            cpu.put_kept(&mut regs);
                        }
                        cpu.set_left(here.context, State::Waiting);
                        Action::Normal(regs)
                    }
                    Next::Other(action) => action,
                }
            }
            Event::NormalInterrupt => self.normal_interrupt(&here, ports),
            Event::SecureInterrupt(intid) => self.secure_interrupt(core, cpu, Some(&here), intid, ports),
            Event::Deadline => self.deadline(&here, ports),
            Event::Fault(fault) => self.fail(&here, Cause::Fault(fault), ports),
            Event::Trapped(trapped) => self.trapped(&here, &trapped, ports),
            Event::Alarm => self.alarm(core, cpu, Some(&here), ports),
            Event::Called => self.called(&here, ports),
            Event::Normal(_) | Event::Boot | Event::CoreOn => self.resume(&here),
        }
    }

    /// An event of a partition where none runs: only an interrupt can be meant.
    fn no_context<T: Ports>(&self, core: Core, cpu: &Cpu, event: Event, ports: &mut T) -> Action {
        if cpu.mode() == Mode::Dedicated {
            return self.wake_owner(core, cpu, event, ports);
        }
        let action = match event {
            Event::SecureInterrupt(intid) => {
                return self.secure_interrupt(core, cpu, None, intid, ports);
            }
            Event::Alarm => return self.alarm(core, cpu, None, ports),
            Event::Called => match self.halted() {
                Some(partition) => return Action::Halt(partition),
                None => self
                    .take_kicks_first(core, cpu, ports)
                    .or_else(|| self.finish_orphan(core, cpu, ports))
                    .or_else(|| self.mend_some(core, cpu, ports))
                    .or_else(|| self.take_forwarded(core, cpu, ports)),
            },
            _ => None,
        };
        action.unwrap_or(Action::Normal(RESUME))
    }

    /// As `take_kicks`, where nothing runs: a restart that the core was woken for has its time behind the handler.
    fn take_kicks_first<T: Ports>(&self, core: Core, cpu: &Cpu, ports: &mut T) -> Option<Action> {
        let entered = self.take_kicks(core, cpu, None, ports);
        if entered.is_some() {
            self.remember_restarts(cpu);
        }
        entered
    }

    /// Another core has called this one while a context ran.
    fn called<T: Ports>(&self, here: &Here<'_, C>, ports: &mut T) -> Action {
        match self.halted() {
            Some(partition) => Action::Halt(partition),
            None => {
                if here.cpu.mode() != Mode::Dedicated {
                    self.remember_restarts(here.cpu);
                }
                let entered = self.cut(here, ports);
                if entered.is_some() {
                    // Interrupts that the core was called for: when it is entered.
                    self.look_soon(here.core, None, ports);
                }
                let entered = entered.or_else(|| self.take_kicks(here.core, here.cpu, Some(here), ports));
                entered.unwrap_or_else(|| self.resume(here))
            }
        }
    }

    #[inline]
    fn here<'a>(&'a self, core: Core, cpu: &'a Cpu) -> Option<Here<'a, C>> {
        let context = cpu.current()?;
        let partition = self.table.partitions.get(context.partition)?;
        let compartment = self.compartments.get(context.partition)?;
        let seat = compartment.seats.get(usize::from(context.home))?;
        Some(Here {
            core,
            cpu,
            context,
            partition,
            compartment,
            seat,
        })
    }

    /// As [`Event::Normal`], with the registers where they lie. [`Self::settle`] was called since the last step.
    #[inline(never)]
    pub fn normal_call<T: Ports>(&self, core: Core, regs: &mut Regs, ports: &mut T) -> Next {
        let Some(cpu) = self.cpus.get(usize::from(core)) else {
            return Next::Other(self.step(core, Event::Normal(*regs), ports));
        };
        cpu.begin_call();
        match Form::of_request(regs) {
            Some(form) => self.direct_request(core, cpu, form, regs, ports),
            None => self.other_normal_call(core, cpu, regs, ports),
        }
    }

    /// The core goes on with what is no call, behind a call of the normal world that may have been made in `normal` and
    /// not be answered yet: to be called before [`Self::step`] where [`Self::normal_call`] was.
    pub fn keep(&self, core: Core, normal: &Regs) {
        if let Some(cpu) = self.cpus.get(usize::from(core)) {
            cpu.keep_late(normal);
        }
    }

    /// As [`Event::Call`], with the registers where they lie, and those of the normal world's last call where that was
    /// made. [`Self::settle`] was called since the last step.
    #[inline(never)]
    pub fn partition_call<T: Ports>(
        &self,
        core: Core,
        conduit: Conduit,
        regs: &mut Regs,
        normal: &Regs,
        ports: &mut T,
    ) -> Next {
        let cpu = self.cpus.get(usize::from(core));
        if let Some(here) = cpu.and_then(|cpu| self.here(core, cpu))
            && !here.compartment.stopped()
        {
            match Form::of_response(regs) {
                Some(form) => {
                    if let Some(next) = self.plain_response(&here, form, regs, ports) {
                        return next;
                    }
                }
                // Nothing that is shown to the context when it is entered can have changed.
                None if low(regs.0[0]) == function::ID_GET && here.settled() => {
                    self.id_get(Party::Partition(here.context.partition)).put(regs);
                    return Next::Back;
                }
                None => {}
            }
        }
        self.keep(core, normal);
        self.other_partition_call(core, conduit, regs, ports)
    }

    #[inline(never)]
    fn other_partition_call<T: Ports>(
        &self,
        core: Core,
        conduit: Conduit,
        regs: &mut Regs,
        ports: &mut T,
    ) -> Next {
        let here = self
            .cpus
            .get(usize::from(core))
            .and_then(|cpu| self.here(core, cpu));
        match here {
            Some(here) if !here.compartment.stopped() => self.partition_call_of(&here, conduit, regs, ports),
            _ => Next::Other(self.step(core, Event::Call(conduit, *regs), ports)),
        }
    }

    #[inline(never)]
    fn other_normal_call<T: Ports>(&self, core: Core, cpu: &Cpu, regs: &mut Regs, ports: &mut T) -> Next {
        let call = &decode(regs);
        match call {
            Call::Run { endpoint, vcpu } => {
                cpu.keep(regs);
                Next::Other(self.run(core, cpu, *endpoint, *vcpu, ports))
            }
            // From the SPMD: a secure interrupt that is no longer there.
            Call::Interrupt => Next::Other(Action::Normal(RESUME)),
            _ => {
                self.goes_on(Party::Normal, call);
                Reply::put_result(&self.common_call(cpu, Party::Normal, call, ports), regs);
                Next::Back
            }
        }
    }

    #[inline]
    fn partition_call_of<T: Ports>(
        &self,
        here: &Here<'_, C>,
        conduit: Conduit,
        regs: &mut Regs,
        ports: &mut T,
    ) -> Next {
        if conduit == Conduit::Hvc
            && !here.partition.vgic
            && let Some(result) = paravirtual::call(here, regs, ports)
        {
            regs.0[0] = result;
            return Next::Enter(self.turn(here, Deadline::Keep));
        }
        let party = Party::Partition(here.context.partition);
        if let Some(form) = Form::of_response(regs) {
            return self.direct_response(here, form, regs, ports);
        }
        if let Some(form) = Form::of_request(regs) {
            return self.call_partition(here, form, regs, ports);
        }
        let call = match decode(regs) {
            Call::Abort { code } => return Next::Other(self.fail(here, Cause::Aborted(code), ports)),
            Call::PowerOff { function } => {
                return Next::Other(self.fail(here, Cause::TurnedOff(function), ports));
            }
            Call::Yield => return Next::Other(self.yield_core(here, regs, ports)),
            Call::Run { endpoint, vcpu } => {
                budget::pause(here.partition, here.seat, ports);
                let action = self.run_callee(here, (endpoint, vcpu), regs, ports);
                return Next::Other(self.called_on(here, action, ports));
            }
            Call::Error { code } => return Next::Other(self.answer_error(here, code, regs, ports)),
            Call::Success => return Next::Other(self.end_request(here, regs, ports)),
            call => call,
        };
        self.goes_on(party, &call);
        let reply = match call {
            Call::Unknown if here.partition.inspects && low(regs.0[0]) == function::INSPECT => {
                Ok(self.inspect(regs, ports))
            }
            Call::Unknown if here.partition.copies && function::WINDOW.contains(&low(regs.0[0])) => {
                Ok(self.copy_window(here.context.partition, regs, ports))
            }
            Call::Unknown if here.partition.quotes && low(regs.0[0]) == function::QUOTE => {
                Ok(self.quote(here.context.partition, regs, ports))
            }
            Call::Unknown => Ok(service::call(here, regs, ports)),
            Call::MsgWait { flags } => return Next::Other(self.msg_wait(here, flags, regs, ports)),
            Call::ConsoleLog { wide, length } => Ok(self.console(here, wide, length, regs, ports)),
            Call::SecondaryEntry { address } => Ok(self.secondary_entry(here, address)),
            call => self.common_call(here.cpu, party, &call, ports),
        };
        Reply::put_result(&reply, regs);
        Next::Enter(self.turn(here, Deadline::Keep))
    }

    /// Calls that are answered at once.
    fn common_call<T: Ports>(
        &self,
        cpu: &Cpu,
        party: Party,
        call: &Call,
        ports: &mut T,
    ) -> Result<Reply, Error> {
        match *call {
            Call::Version { requested } => Ok(self.version(party, requested)),
            Call::Features { id, input } => self.features(party, id, input),
            Call::IdGet => Ok(self.id_get(party)),
            Call::SpmIdGet => Ok(Reply::success(u32::from(self.table.spmc_id), 0)),
            Call::RxTxMap { tx, rx, pages } => self.rxtx_map(party, (tx, rx), pages, ports),
            Call::RxTxUnmap { endpoint } => self.rxtx_unmap(party, endpoint),
            Call::RxRelease { endpoint } => self.rx_release(party, endpoint),
            Call::PartitionInfoGet { uuid, flags } => self.partition_info_get(party, uuid, flags, ports),
            Call::PartitionInfoGetRegs { uuid, start, tag } => {
                self.partition_info_get_regs(party, uuid, start, tag)
            }
            Call::RxAcquire { endpoint } => self.rx_acquire(party, endpoint),
            Call::Memory { .. }
            | Call::Relinquish
            | Call::Reclaim { .. }
            | Call::FragmentRx { .. }
            | Call::FragmentTx { .. } => self.memory_call(party, call, ports),
            Call::Send { sender, flags } => self.send(cpu, party, sender, flags, ports),
            Call::Unknown => Ok(Reply::Unknown),
            _ => self.notification_call(cpu, party, call, ports),
        }
    }

    /// Index of an endpoint's partition.
    pub(crate) fn partition_of(&self, id: u16) -> Option<usize> {
        self.find(id).map(|(index, _)| index)
    }

    /// An endpoint's partition, and its index.
    #[inline]
    pub(crate) fn find(&self, id: u16) -> Option<(usize, &'static Partition)> {
        // IDs are mostly given without gaps: look there first, whatever the number of partitions.
        let guess = usize::from(id.checked_sub(0x8001)?);
        let partitions = self.table.partitions;
        match partitions.get(guess) {
            Some(partition) if partition.id == id => Some((guess, partition)),
            _ => self.find_elsewhere(id),
        }
    }

    #[cold]
    fn find_elsewhere(&self, id: u16) -> Option<(usize, &'static Partition)> {
        self.table.partitions.iter().enumerate().find(|(_, p)| p.id == id)
    }

    /// The mailbox of a party.
    pub(crate) fn mailbox(&self, party: Party) -> Option<&Mutex<Mailbox>> {
        match party {
            Party::Normal => Some(&self.normal),
            Party::Machine(index) => self.machines.get(index).map(|m| &m.mailbox),
            Party::Partition(index) => self.compartments.get(index).map(|c| &c.mailbox),
        }
    }

    /// A party's endpoint ID.
    pub(crate) fn id_of(&self, party: Party) -> u16 {
        match party {
            Party::Normal => 0,
            Party::Machine(index) => self.table.virtual_machines.get(index).map_or(0, |vm| vm.id),
            Party::Partition(index) => self.table.partitions.get(index).map_or(0, |p| p.id),
        }
    }

    /// Enters the context that runs here.
    pub(crate) fn enter(&self, here: &Here<'_, C>, entry: Entry, deadline: Deadline) -> Action {
        Action::Run(self.turn(here, deadline).by(entry))
    }

    /// The turn of the context that runs here.
    #[inline]
    pub(crate) fn turn(&self, here: &Here<'_, C>, deadline: Deadline) -> Turn {
        let (virtual_irq, virtual_fiq) = paravirtual::lines(here.seat);
        Turn {
            context: here.context,
            virtual_irq,
            virtual_fiq,
            deadline,
            hold_normal: !here.cpu.mode().serves() || here.seat.pressed(),
        }
    }

    /// Goes on where the context was interrupted.
    pub(crate) fn resume(&self, here: &Here<'_, C>) -> Action {
        self.enter(here, Entry::Resume, Deadline::Keep)
    }

    /// Answers a call of the context that runs here.
    pub(crate) fn answer(&self, here: &Here<'_, C>, reply: &Reply, call: &Regs) -> Action {
        self.enter(here, Entry::Answer(reply.over(call)), Deadline::Keep)
    }

    /// Answers a call of the context that runs here where its registers lie.
    #[inline]
    pub(crate) fn reply(&self, here: &Here<'_, C>, reply: &Reply, regs: &mut Regs) -> Next {
        reply.put(regs);
        Next::Enter(self.turn(here, Deadline::Keep))
    }

    /// Takes the core from the context that runs here, and answers the normal world's call; while
    /// partitions are started, goes on with the next one.
    pub(crate) fn leave<T: Ports>(
        &self,
        here: &Here<'_, C>,
        to: State,
        reply: &Reply,
        ports: &mut T,
    ) -> Action {
        self.vacate(here, to, ports);
        self.depart(here.core, here.cpu, reply, ports)
    }

    /// Takes the core from the context that runs here.
    #[inline]
    pub(crate) fn vacate<T: Ports>(&self, here: &Here<'_, C>, to: State, ports: &mut T) {
        paravirtual::end_wait(here);
        if to == State::Waiting {
            self.look_behind(here, ports);
        }
        here.cpu.set_current(None);
        here.cpu.set_left(here.context, to);
    }

    /// What follows on a core that no context runs on any more.
    pub(crate) fn depart<T: Ports>(&self, core: Core, cpu: &Cpu, reply: &Reply, ports: &mut T) -> Action {
        match cpu.mode() {
            Mode::Serving if cpu.has_chores() => self.depart_with_chores(core, cpu, reply, ports),
            Mode::Serving => Action::Normal(reply.over(&cpu.kept())),
            Mode::Interrupt => self
                .end_interrupt(core, cpu, ports)
                .unwrap_or_else(|| self.depart_with_chores(core, cpu, &Reply::Wide(RESUME), ports)),
            Mode::Power => self.tell_next(core, cpu, ports),
            Mode::Dedicated => self.idle(core, cpu, ports),
            Mode::Forward => {
                cpu.end_forward(ports.now());
                self.depart_with_chores(core, cpu, &Reply::Wide(RESUME), ports)
            }
            mode => self.start_next(core, cpu, mode, ports),
        }
    }

    #[cold]
    pub(crate) fn depart_with_chores<T: Ports>(
        &self,
        core: Core,
        cpu: &Cpu,
        reply: &Reply,
        ports: &mut T,
    ) -> Action {
        let chores = cpu.take_chores();
        if chores.schedule {
            ports.schedule_receiver(None);
        }
        if chores.look {
            // It takes the core from the normal world as every secure interrupt does.
            ports.call_core(core);
        }
        let again = chores
            .ticket
            .map(|target| Reply::words(function::INTERRUPT, &[target]));
        Action::Normal(again.unwrap_or(*reply).over(&cpu.kept()))
    }

    /// The rank of a core among those that a partition lists: the number of its context there.
    pub(crate) fn vcpu(partition: &Partition, home: Core) -> u16 {
        let below = 1u64
            .checked_shl(u32::from(home))
            .map_or(u64::MAX, |bit| bit.wrapping_sub(1));
        (partition.cores & below).count_ones() as u16
    }

    /// The core at which a partition's context of this number is at home.
    pub(crate) fn home(partition: &Partition, vcpu: u16) -> Option<Core> {
        (0..64)
            .filter(|core| lists(partition, *core))
            .nth(usize::from(vcpu))
    }
}

/// x0 to x7 of a call; all else zero.
fn first_eight(regs: &Regs) -> Regs {
    let mut first = Regs([0; 18]);
    for (to, from) in first.0.iter_mut().zip(&regs.0).take(8) {
        *to = *from;
    }
    first
}

/// Whether a partition has a context on a core.
pub(crate) fn lists(partition: &Partition, core: Core) -> bool {
    partition
        .cores
        .checked_shr(u32::from(core))
        .is_some_and(|mask| mask & 1 == 1)
}
