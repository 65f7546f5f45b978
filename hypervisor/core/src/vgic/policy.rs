//! Accesses that are emulated, and how what they change reaches contexts: those that run, those that wait, and
//! those of other cores.

use crate::sync::Ordering;

use super::timer::{self, Lines, PHYSICAL_TIMER, VIRTUAL_TIMER};
use super::{Vgic, distributor, redistributor};
use crate::api::{Action, Cause, Context, Deadline, Entry, Place, Ports, SystemRegister, Trapped};
use crate::compartment::Compartment;
use crate::context::State;
use crate::cpu::{Cpu, Mode};
use crate::moment::NEVER;
use crate::paravirtual;
use crate::spmc::{Here, RESUME, Spmc};
use crate::storm;
use crate::table::{Core, Partition, Source};

/// Cache maintenance by set and way (DC ISW, CSW, CISW). A kernel that takes the machine for its own does so when it
/// starts. It has no effect: nothing of a partition's is written past its caches, and they are not its own alone.
const SET_WAY_I: SystemRegister = SystemRegister::new(1, 0, 7, 6, 2);
const SET_WAY_C: SystemRegister = SystemRegister::new(1, 0, 7, 10, 2);
const SET_WAY_CI: SystemRegister = SystemRegister::new(1, 0, 7, 14, 2);

/// The registers of the virtual GIC that an address is in, and the offset there.
enum Frame {
    Distributor(u64),
    Redistributor(u64),
}

impl<const P: usize, const C: usize, const SHARES: usize, const RANGES: usize, const VMS: usize, S: Source>
    Spmc<P, C, SHARES, RANGES, VMS, S>
{
    /// A partition accessed what it does not have, or what is emulated for it.
    #[cold]
    #[inline(never)]
    pub(crate) fn trapped<T: Ports>(&self, here: &Here<'_, C>, trapped: &Trapped, ports: &mut T) -> Action {
        let value = match trapped.place {
            Place::Register(register) if timer::is_timer(register) => {
                self.access_timer(here, register, trapped.write, ports)
            }
            Place::Register(SET_WAY_I | SET_WAY_C | SET_WAY_CI) if here.partition.vgic => trapped.write,
            place if here.partition.vgic => self.access_gic(here, place, trapped.write, ports),
            _ => None,
        };
        let Some(value) = value else {
            return self.fail(here, Cause::Fault(trapped.fault), ports);
        };
        let entry = match trapped.write {
            Some(_) => Entry::Resume,
            None => Entry::Load {
                target: trapped.target,
                value,
            },
        };
        self.enter(here, entry, Deadline::Keep)
    }

    /// An access to the virtual GIC; none where there is no such register.
    fn access_gic<T: Ports>(
        &self,
        here: &Here<'_, C>,
        place: Place,
        write: Option<u64>,
        ports: &mut T,
    ) -> Option<u64> {
        let (partition, home) = (here.partition, here.context.home);
        let mut vgic = here.compartment.vgic.lock();
        let end = &mut |intid, core| storm::end_line(partition, here.compartment, (intid, core), ports);
        let value = match (place, write) {
            (Place::Register(register), None) => vgic.read_interface(partition, home, register)?,
            (Place::Register(register), Some(value)) => {
                vgic.write_interface(partition, home, (register, value), end)?;
                0
            }
            (Place::Memory { address, size }, write) => {
                match (self.frame(partition, address, size)?, write) {
                    (Frame::Distributor(offset), None) => vgic.read_distributor(partition, offset, size),
                    (Frame::Redistributor(offset), None) => vgic.read_redistributor(partition, offset, size),
                    (Frame::Distributor(offset), Some(value)) => {
                        vgic.write_distributor(partition, (offset, size), value, end);
                        0
                    }
                    (Frame::Redistributor(offset), Some(value)) => {
                        vgic.write_redistributor(partition, (offset, size), value, end);
                        0
                    }
                }
            }
        };
        let risen = publish(partition, here.compartment, &vgic);
        drop(vgic);
        self.kick(here.context, risen, ports);
        Some(value)
    }

    /// The frame of an address: the board's distributor, and redistributors one behind the other from where the
    /// board's are. Nothing where an access is not aligned to its size.
    fn frame(&self, partition: &Partition, address: u64, size: u64) -> Option<Frame> {
        let board = &self.table.board;
        let frames = redistributor::SIZE.saturating_mul(partition.contexts().into());
        if !address.is_multiple_of(size.max(1)) {
            return None;
        }
        let within = |base: u64, size: u64| address.checked_sub(base).filter(|offset| *offset < size);
        within(board.gicd, distributor::SIZE)
            .map(Frame::Distributor)
            .or_else(|| within(board.gicr, frames).map(Frame::Redistributor))
    }

    /// An access to a timer register; none where there is no such register.
    fn access_timer<T: Ports>(
        &self,
        here: &Here<'_, C>,
        register: SystemRegister,
        write: Option<u64>,
        ports: &mut T,
    ) -> Option<u64> {
        let home = here.context.home;
        let now = ports.counter();
        let mut vgic = here.compartment.vgic.lock();
        let Some(value) = write else {
            return vgic.read_timer(home, register, now);
        };
        vgic.write_timer(home, register, value, now)?;
        let due = apply_timers(here.partition, here.compartment, &mut vgic, home, now);
        drop(vgic);
        here.seat.alarm.set(due);
        self.set_alarm(here.core, ports);
        // It may have left this core by then.
        if here.core != home && !here.seat.kicked.swap(true, Ordering::AcqRel) {
            ports.call_core(home);
        }
        Some(0)
    }

    /// The context that is about to run here is away from its home, which may be off: its timers go off here.
    pub(crate) fn bring_timers<T: Ports>(&self, here: &Here<'_, C>, ports: &mut T) {
        if here.context.home != here.core && here.seat.alarm.get() != NEVER {
            let now = ports.counter();
            self.look_at_timers(here.context, now);
            self.set_alarm(here.core, ports);
        }
    }

    /// Brings a context's timers up to date; false where the time of none has come.
    fn look_at_timers(&self, context: Context, now: u64) -> bool {
        let Context { partition, home } = context;
        let Some((partition, compartment, seat)) = self.seat(partition, home) else {
            return false;
        };
        let come = seat.alarm.get() <= now;
        if come {
            let due = apply_timers(partition, compartment, &mut compartment.vgic.lock(), home, now);
            seat.alarm.set(due);
        }
        come
    }

    /// Has the core's timer go off for the first of the contexts that are at home there, or run there.
    pub(crate) fn set_alarm<T: Ports>(&self, core: Core, ports: &mut T) {
        let seats = self.compartments.iter().filter(|c| !c.stopped());
        let seats = seats.filter_map(|compartment| compartment.seats.get(usize::from(core)));
        let guest = self.cpus.get(usize::from(core)).and_then(Cpu::current);
        let guest = guest.and_then(|context| Some(self.seat(context.partition, context.home)?.2));
        let alarms = seats.chain(guest).map(|seat| seat.alarm.get());
        let first = alarms.min();
        ports.set_alarm(first.filter(|first| *first != NEVER));
    }

    /// The time of a context's timer has come, of one that is at home on this core. Whoever is to have it and
    /// waits is entered, as for a physical interrupt.
    #[cold]
    #[inline(never)]
    pub(crate) fn alarm<T: Ports>(
        &self,
        core: Core,
        cpu: &Cpu,
        here: Option<&Here<'_, C>>,
        ports: &mut T,
    ) -> Action {
        let now = ports.counter();
        let mut entered = None;
        if let Some(guest) = here.filter(|here| here.context.home != core) {
            self.look_at_timers(guest.context, now);
        }
        for (partition, compartment) in (0..P).zip(&self.compartments) {
            let owner = Context {
                partition,
                home: core,
            };
            if compartment.stopped() || !self.look_at_timers(owner, now) {
                continue;
            }
            let signalled = self.signal(core, cpu, here, (owner, None), ports);
            entered = entered.or(signalled);
        }
        self.set_alarm(core, ports);
        entered.unwrap_or_else(|| match here {
            Some(here) => self.resume(here),
            None => Action::Normal(RESUME),
        })
    }

    /// Another core has called this one: what it made pending at contexts that are at home here.
    pub(crate) fn take_kicks<T: Ports>(
        &self,
        core: Core,
        cpu: &Cpu,
        here: Option<&Here<'_, C>>,
        ports: &mut T,
    ) -> Option<Action> {
        let mut entered = None;
        let mut timers = false;
        for partition in 0..P {
            let Some((_, _, seat)) = self.seat(partition, core) else {
                continue;
            };
            timers |= seat.alarm.get() != NEVER;
            let owner = Context {
                partition,
                home: core,
            };
            if seat.kicked.swap(false, Ordering::AcqRel) && !self.rests(owner, ports) {
                let signalled = self.signal_now(core, cpu, here, owner, ports);
                entered = entered.or(signalled);
            }
        }
        if timers {
            self.set_alarm(core, ports);
        }
        entered
    }

    /// Something may be pending at a context that is at home on this core, since this line came, or one of its
    /// SGIs or timers: it is entered if it waits, and told if it runs on another core.
    pub(crate) fn signal<T: Ports>(
        &self,
        core: Core,
        cpu: &Cpu,
        here: Option<&Here<'_, C>>,
        (owner, intid): (Context, Option<u32>),
        ports: &mut T,
    ) -> Option<Action> {
        if owner.home != core {
            // No interrupt is routed so.
            self.tell_late(owner, ports);
            return None;
        }
        // What comes while its owner runs costs nobody else.
        let runs = here.is_some_and(|here| here.context == owner);
        if runs || (cpu.mode() != Mode::Dedicated && self.holds_back(owner, intid, ports)) {
            return None;
        }
        self.signal_now(core, cpu, here, owner, ports)
    }

    /// As `signal`, of one that has not to rest.
    fn signal_now<T: Ports>(
        &self,
        core: Core,
        cpu: &Cpu,
        here: Option<&Here<'_, C>>,
        owner: Context,
        ports: &mut T,
    ) -> Option<Action> {
        if here.is_some_and(|here| here.context == owner) || cpu.mode() == Mode::Dedicated {
            // Whose own the core is looks before it waits.
            return None;
        }
        if let Some(late) = self.overdue_at(owner.partition, core) {
            return self.resume_handler(core, cpu, (owner, late), ports);
        }
        let (partition, compartment, seat) = self.seat(owner.partition, owner.home)?;
        let wanted = paravirtual::lines(seat) != (false, false) && !compartment.stopped();
        let queued = here.is_some_and(|here| partition.interrupts_queued || here.seat.pressed());
        if wanted
            && cpu.mode().serves()
            && !queued
            && let Some(action) = self.enter_handler(core, cpu, here, owner, ports)
        {
            return Some(action);
        }
        self.charge(owner, ports.now(), 0);
        match seat.state() {
            _ if !wanted => {}
            State::Running(other) if other != core => ports.call_core(other),
            // A handler has the core, perhaps one that was entered a moment ago: this one is next.
            State::Waiting if cpu.mode() == Mode::Interrupt => seat.kicked.store(true, Ordering::Release),
            // As soon as who runs has left.
            State::Waiting if cpu.mode().serves() && queued => {
                seat.kicked.store(true, Ordering::Release);
                cpu.look_behind();
            }
            State::Displaced(_) => {}
            _ => self.tell_late(owner, ports),
        }
        None
    }

    /// A context is about to wait with an interrupt that it has not taken: it came behind its last look. Its home
    /// looks at it, as at one that came a moment later.
    #[inline]
    pub(crate) fn look_behind<T: Ports>(&self, here: &Here<'_, C>, ports: &mut T) {
        if here.seat.pending.load(Ordering::Acquire) != 0 {
            self.look_at_untaken(here, ports);
        }
    }

    #[cold]
    fn look_at_untaken<T: Ports>(&self, here: &Here<'_, C>, ports: &mut T) {
        let (mode, home) = (here.cpu.mode(), here.context.home);
        if !paravirtual::has_untaken(here) || mode == Mode::Dedicated {
            return;
        }
        if here.core != home {
            self.tell_late(here.context, ports);
        } else if !here.seat.kicked.swap(true, Ordering::AcqRel) && mode != Mode::Interrupt {
            ports.call_core(home);
        }
    }

    /// Tells the other contexts of a partition whose lines went up: those that run, and those that wait on a core
    /// that is on.
    fn kick<T: Ports>(&self, from: Context, risen: u64, ports: &mut T) {
        for home in (0..64u8).filter(|home| risen.wrapping_shr((*home).into()) & 1 == 1 && *home != from.home)
        {
            let Some((_, _, seat)) = self.seat(from.partition, home) else {
                continue;
            };
            match seat.state() {
                State::Running(core) => ports.call_core(core),
                // Once until it has looked, so that nobody is disturbed by more than that.
                State::Waiting
                    if self.cpus.get(usize::from(home)).is_some_and(Cpu::is_on)
                        && !seat.kicked.swap(true, Ordering::AcqRel) =>
                {
                    ports.call_core(home);
                }
                _ => {}
            }
        }
    }

    /// Sets a context's interrupt of pending notifications, or takes it back; whether its line went up.
    pub(crate) fn show_notification(
        partition: &Partition,
        compartment: &Compartment<C>,
        home: Core,
        pending: bool,
    ) -> bool {
        let mut vgic = compartment.vgic.lock();
        vgic.set_notification(home, pending);
        publish(partition, compartment, &vgic) >> (home & 63) & 1 == 1
    }

    /// A context's line went up, which nobody is entered for: it is told if it runs.
    pub(crate) fn nudge<T: Ports>(&self, context: Context, ports: &mut T) {
        if let Some((_, _, seat)) = self.seat(context.partition, context.home)
            && let State::Running(core) = seat.state()
        {
            ports.call_core(core);
        }
    }

    /// A physical interrupt of a partition with a virtual GIC came.
    pub(crate) fn show_physical(partition: &Partition, compartment: &Compartment<C>, home: Core, intid: u32) {
        let mut vgic = compartment.vgic.lock();
        vgic.pend_physical(partition, home, intid);
        publish(partition, compartment, &vgic);
    }

    /// A context starts; with the first one the partition does.
    pub(crate) fn reset_vgic<T: Ports>(
        partition: &Partition,
        compartment: &Compartment<C>,
        (home, first): (Core, bool),
        ports: &mut T,
    ) {
        let mut vgic = compartment.vgic.lock();
        if first && partition.vgic {
            vgic.reset(partition, &mut |intid, core| ports.end_interrupt(intid, core));
        }
        vgic.reset_context(home);
        if let Some(seat) = compartment.seats.get(usize::from(home)) {
            seat.alarm.set(NEVER);
            if partition.vgic {
                // The one line, which the virtual GIC raises and lowers.
                seat.enabled.store(1, Ordering::Relaxed);
                seat.fiq.store(0, Ordering::Relaxed);
                publish(partition, compartment, &vgic);
            }
        }
    }
}

/// Asks a context for a managed exit, or no more.
#[cold]
pub(crate) fn show_managed_exit<const C: usize>(
    partition: &Partition,
    compartment: &Compartment<C>,
    home: Core,
    asked: bool,
) {
    let mut vgic = compartment.vgic.lock();
    vgic.set_managed_exit(home, asked);
    publish(partition, compartment, &vgic);
}

/// Brings the lines of all contexts up to date, each the one bit of its seat; those that went up.
fn publish<const C: usize>(partition: &Partition, compartment: &Compartment<C>, vgic: &Vgic<C>) -> u64 {
    let mut risen = 0;
    for home in partition.homes() {
        let Some(seat) = compartment.seats.get(usize::from(home)) else {
            break;
        };
        let line = vgic.line(partition, home);
        let before = seat.pending.swap(u64::from(line), Ordering::AcqRel);
        if line && before == 0 {
            risen |= 1 << (home & 63);
        }
    }
    risen
}

/// Brings the timers' lines of a context up to date; when the next one is due.
fn apply_timers<const C: usize>(
    partition: &Partition,
    compartment: &Compartment<C>,
    vgic: &mut Vgic<C>,
    home: Core,
    now: u64,
) -> u64 {
    let lines = vgic.update_timers(home, now);
    if partition.vgic {
        publish(partition, compartment, vgic);
    } else if let Some(seat) = compartment.seats.get(usize::from(home)) {
        let Lines {
            virtual_timer,
            physical_timer,
            ..
        } = lines;
        paravirtual::set_line(seat, VIRTUAL_TIMER, virtual_timer);
        paravirtual::set_line(seat, PHYSICAL_TIMER, physical_timer);
    }
    lines.due.unwrap_or(NEVER)
}
