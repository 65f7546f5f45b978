//! Start of the system and of its cores, and what the SPMD says about them.
//!
//! A context that was started keeps its state while its core is off: all of it lies in the
//! hypervisor's memory. A core that comes up again therefore starts only contexts that were never
//! entered.
//!
//! Partitions that the table lists for it hear of power events by framework messages (DEN0077A 1.2,
//! section 18.2.4), one after the other in the order of their start, before the SPMD is answered. Each has
//! as long as for an interrupt; one that takes longer is left where it is, and its answer reaches nobody.
//! One that is busy is not told.

use crate::api::{Action, Context, Deadline, Entry, Next, Note, Ports, Regs};
use crate::context::{Kind, State, Task};
use crate::cpu::{Cpu, Mode};
use crate::decode::{Direct, Form, low};
use crate::error::Error;
use crate::function;
use crate::interrupt::limit_us;
use crate::life::Life;
use crate::paravirtual;
use crate::reply::{Reply, target};
use crate::spmc::{Here, Party, Spmc, lists};
use crate::start;
use crate::sync::Ordering;
use crate::table::{Core, Rights, Source};

/// Endpoint ID under which the SPMD sends its messages. It lets no message of the normal world
/// through that has a secure sender.
pub(crate) const SPMD: u16 = 0xffff;

/// Framework message bit of w2 (DEN0077A 1.2, section 15.2).
const FRAMEWORK: u32 = 1 << 31;
/// Message types of w2[7:0]: PSCI function, warm boot, and the response to either; the version of the
/// normal world.
const POWER_REQUEST: u32 = 0;
const WARM_BOOT: u32 = 1;
const POWER_RESPONSE: u32 = 2;
const VERSION_REQUEST: u32 = 8;
const VERSION_RESPONSE: u32 = 9;
/// Flags of the response to a power message.
pub(crate) const POWER_ANSWER: u32 = FRAMEWORK | POWER_RESPONSE;
/// Warm boot type: the core has left a low-power state in which it kept nothing that matters here.
const FROM_LOW_POWER: u64 = 1;
/// PSCI functions, and PSCI's success.
const PSCI_CPU_OFF: u32 = 0x8400_0002;
const PSCI_CPU_SUSPEND_32: u32 = 0x8400_0001;
const PSCI_CPU_SUSPEND_64: u32 = 0xc400_0001;
const PSCI_SUCCESS: u32 = 0;
const PSCI_NOT_SUPPORTED: u32 = 0xffff_ffff;

/// Time that one context has from its entry to its first FFA_MSG_WAIT.
pub(crate) const START_LIMIT_US: u32 = 5_000_000;

/// What happens to a core, as the bits of `Partition::power_messages` number it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Power {
    /// It goes off.
    Off = 0,
    /// It is suspended.
    Suspend = 1,
    /// It is back from a suspension.
    Resume = 2,
    /// It came up, and some contexts of it were started in an earlier life.
    On = 3,
}

impl<const P: usize, const C: usize, const SHARES: usize, const RANGES: usize, const VMS: usize, S: Source>
    Spmc<P, C, SHARES, RANGES, VMS, S>
{
    /// Starts contexts on this core one after the other, in the table's order.
    pub(crate) fn start_all<T: Ports>(&self, core: Core, cpu: &Cpu, mode: Mode, ports: &mut T) -> Action {
        cpu.set_on(true);
        cpu.set_mode(mode);
        cpu.set_current(None);
        if mode == Mode::CoreOn {
            self.set_alarm(core, ports);
            // Whoever called it while it went off will not call it again before it has looked.
            self.look_soon(core, None, ports);
            self.take_restarts_up(ports);
            // Contexts that are entered for the first time have no earlier life to be told of.
            let message = [
                u64::from(function::DIRECT_REQ_32),
                0,
                u64::from(FRAMEWORK | WARM_BOOT),
                FROM_LOW_POWER,
            ];
            return self.tell_all(core, cpu, Power::On, &Regs::new(&message), ports);
        }
        self.start_next(core, cpu, mode, ports)
    }

    /// Starts the next one; behind the last one the core goes to the normal world.
    pub(crate) fn start_next<T: Ports>(&self, core: Core, cpu: &Cpu, mode: Mode, ports: &mut T) -> Action {
        // At most as many turns as the boot order has places.
        while let Some(index) = self.table.boot_order.get(cpu.take_place()) {
            if let Some(action) = self.start(core, cpu, mode, usize::from(*index), ports) {
                return action;
            }
        }
        cpu.set_mode(Mode::Serving);
        Action::Normal(Regs::new(&[u64::from(function::MSG_WAIT)]))
    }

    fn start<T: Ports>(
        &self,
        core: Core,
        cpu: &Cpu,
        mode: Mode,
        index: usize,
        ports: &mut T,
    ) -> Option<Action> {
        let (partition, compartment, _) = self.seat(index, core)?;
        // A partition that has cores of its own starts with the first of them that comes up.
        let first = mode == Mode::Boot || (partition.dedicated && Self::vcpu(partition, core) == 0);
        let (pc, x0) = if first {
            (partition.image.entry, start::boot_information_address(partition))
        } else {
            (compartment.secondary_entry.load(Ordering::Acquire), 0)
        };
        if pc == 0 || compartment.stopped() || !lists(partition, core) {
            return None;
        }
        let context = Context {
            partition: index,
            home: core,
        };
        let action = self.enter_at((core, cpu), context, (pc, x0), (Task::Cycles, first), ports)?;
        if first {
            ports.note(Note::Started { partition: index });
            self.give_bitmap(index);
        }
        Some(action)
    }

    /// Enters a context that is off at its first instruction, as this task; the first of its partition brings the
    /// virtual GIC to its reset, too.
    pub(crate) fn enter_at<T: Ports>(
        &self,
        (core, cpu): (Core, &Cpu),
        context: Context,
        (pc, x0): (u64, u64),
        (task, first): (Task, bool),
        ports: &mut T,
    ) -> Option<Action> {
        let (partition, compartment, seat) = self.seat(context.partition, context.home)?;
        if !seat.change(State::Off, State::Running(core)) {
            return None;
        }
        if !compartment.life.confirmed() {
            // It has failed on another core at this moment.
            seat.leave(State::Off);
            return None;
        }
        paravirtual::reset(seat, partition);
        Self::reset_vgic(partition, compartment, (context.home, first), ports);
        seat.set_task(task);
        let here = Here::occupy(core, cpu, context, (partition, compartment, seat));
        Some(self.enter(&here, Entry::Start { pc, x0 }, Deadline::Micros(START_LIMIT_US)))
    }

    /// FFA_SECONDARY_EP_REGISTER (DEN0077A 1.2, section 18.2.2): from the first context, before its
    /// first FFA_MSG_WAIT, with an address in its own executable memory.
    pub(crate) fn secondary_entry(&self, here: &Here<'_, C>, address: u64) -> Reply {
        if here.partition.cores.count_ones() < 2 {
            return Reply::error(Error::NotSupported);
        }
        let first = match here.seat.task() {
            Task::Cycles => here.starts_first(),
            Task::Start => here.compartment.life.get() == Life::Starting,
            _ => false,
        };
        if !first {
            return Reply::error(Error::Denied);
        }
        let own = here
            .partition
            .memory
            .iter()
            .any(|r| r.rights == Rights::ReadWriteExecute && r.range.contains(address, 4));
        if !own || !address.is_multiple_of(4) {
            return Reply::error(Error::InvalidParameters);
        }
        here.compartment.secondary_entry.store(address, Ordering::Release);
        Reply::done()
    }

    /// A message of the SPMD to the SPMC (TF-A `services/std_svc/spmd`): the answer goes back as a
    /// direct response.
    #[cold]
    #[inline(never)]
    pub(crate) fn spmd_message<T: Ports>(
        &self,
        core: Core,
        cpu: &Cpu,
        regs: &mut Regs,
        ports: &mut T,
    ) -> Next {
        let [_, _, w2, w3, ..] = regs.0;
        let (w2, w3) = (low(w2), low(w3));
        let event = match (w2.checked_sub(FRAMEWORK), w3) {
            (Some(POWER_REQUEST), PSCI_CPU_OFF) => Power::Off,
            (Some(POWER_REQUEST), PSCI_CPU_SUSPEND_32 | PSCI_CPU_SUSPEND_64) => Power::Suspend,
            (Some(WARM_BOOT), _) => Power::Resume,
            (Some(POWER_REQUEST), _) => {
                self.answer_spmd(POWER_RESPONSE, PSCI_NOT_SUPPORTED).put(regs);
                return Next::Back;
            }
            (Some(VERSION_REQUEST), _) => {
                let version = self.negotiate(Party::Normal, w3);
                self.answer_spmd(VERSION_RESPONSE, version).put(regs);
                return Next::Back;
            }
            _ => {
                Reply::error(Error::InvalidParameters).put(regs);
                return Next::Back;
            }
        };
        if event == Power::Off {
            cpu.set_on(false);
            self.pass_restarts_on(core, ports);
        }
        Next::Other(self.tell_all(core, cpu, event, &Direct::of(Form::Short32, regs).regs, ports))
    }

    fn answer_spmd(&self, kind: u32, value: u32) -> Reply {
        let info = target(self.table.spmc_id, SPMD);
        Reply::words(function::DIRECT_RESP_32, &[info, FRAMEWORK | kind, value])
    }

    /// Tells partitions of what happens to this core, one after the other.
    fn tell_all<T: Ports>(
        &self,
        core: Core,
        cpu: &Cpu,
        event: Power,
        message: &Regs,
        ports: &mut T,
    ) -> Action {
        cpu.set_message(event, message);
        cpu.set_mode(Mode::Power);
        self.tell_next(core, cpu, ports)
    }

    /// Tells the next one. Behind the last one the SPMD has its answer: always that it may go on, as no
    /// partition may keep a core (and TF-A panics at any other).
    pub(crate) fn tell_next<T: Ports>(&self, core: Core, cpu: &Cpu, ports: &mut T) -> Action {
        let (event, message) = cpu.message();
        // At most as many turns as the boot order has places.
        while let Some(index) = self.table.boot_order.get(cpu.take_place()) {
            if let Some(action) = self.tell(core, cpu, usize::from(*index), event, &message) {
                return action;
            }
        }
        if event == Power::On {
            cpu.set_mode(Mode::CoreOn);
            return self.start_next(core, cpu, Mode::CoreOn, ports);
        }
        cpu.set_mode(Mode::Serving);
        Action::Normal(self.answer_spmd(POWER_RESPONSE, PSCI_SUCCESS).over(&cpu.kept()))
    }

    fn tell(&self, core: Core, cpu: &Cpu, index: usize, event: Power, message: &Regs) -> Option<Action> {
        let parts = self.seat(index, core)?;
        let (partition, compartment, _) = parts;
        let wanted = partition.power_messages >> event as u32 & 1 == 1;
        if !wanted || compartment.stopped() || !lists(partition, core) {
            return None;
        }
        let task = Task::Request {
            source: self.table.spmc_id,
            kind: Kind::Power,
        };
        let here = Self::wake(core, cpu, (index, parts), task)?;
        let mut regs = *message;
        regs.0[1] = u64::from(target(self.table.spmc_id, partition.id));
        let deadline = Deadline::Micros(limit_us(partition));
        Some(self.enter(&here, Entry::Answer(regs), deadline))
    }

    /// The time for a power message is over: the core goes its way, and the context goes on when somebody
    /// else needs it.
    pub(crate) fn power_timeout<T: Ports>(&self, here: &Here<'_, C>, ports: &mut T) -> Action {
        let told = self.outermost(here.context);
        ports.note(Note::PowerTimeout {
            partition: told.partition,
        });
        if let Some((_, _, seat)) = self.seat(told.partition, told.home) {
            seat.set_task(Task::Orphan {
                source: self.table.spmc_id,
                kind: Kind::Power,
            });
        }
        self.leave(here, State::Preempted(here.core), &Reply::done(), ports)
    }
}
