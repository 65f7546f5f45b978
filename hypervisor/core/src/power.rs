//! Start of the system and of its cores, and what the SPMD says about them.
//!
//! A context that was started keeps its state while its core is off: all of it lies in the
//! hypervisor's memory. A core that comes up again therefore starts only contexts that were never
//! entered.

use core::sync::atomic::Ordering;

use crate::api::{Action, Context, Deadline, Entry, Note, Ports, Regs};
use crate::context::{State, Task};
use crate::cpu::{Cpu, Mode};
use crate::decode::{Direct, low};
use crate::error::Error;
use crate::function;
use crate::paravirtual;
use crate::reply::{Reply, target};
use crate::spmc::{Here, Party, Spmc, lists};
use crate::start;
use crate::table::{Core, Rights};

/// Endpoint ID under which the SPMD sends its messages. It lets no message of the normal world
/// through that has a secure sender.
pub(crate) const SPMD: u16 = 0xffff;

/// Framework message bit of w2 (DEN0077A, section 18.2).
const FRAMEWORK: u32 = 1 << 31;
/// Message types of w2[7:0]: power management request and response; the version of the normal world.
const POWER_REQUEST: u32 = 0;
const POWER_RESPONSE: u32 = 2;
const VERSION_REQUEST: u32 = 8;
const VERSION_RESPONSE: u32 = 9;
/// PSCI CPU_OFF, and PSCI's success.
const PSCI_CPU_OFF: u32 = 0x8400_0002;
const PSCI_SUCCESS: u32 = 0;
const PSCI_NOT_SUPPORTED: u32 = 0xffff_ffff;

/// Time that one context has from its entry to its first FFA_MSG_WAIT.
pub(crate) const START_LIMIT_US: u32 = 5_000_000;

impl<const P: usize, const C: usize, const SHARES: usize, const RANGES: usize, const VMS: usize>
    Spmc<P, C, SHARES, RANGES, VMS>
{
    /// Starts contexts on this core one after the other, in the table's order.
    pub(crate) fn start_all<T: Ports>(&self, core: Core, cpu: &Cpu, mode: Mode, ports: &mut T) -> Action {
        cpu.set_mode(mode);
        cpu.set_current(None);
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
        let (partition, compartment, seat) = self.seat(index, core)?;
        let (pc, x0) = if mode == Mode::Boot {
            (partition.image.entry, start::boot_information_address(partition))
        } else {
            (compartment.secondary_entry.load(Ordering::Acquire), 0)
        };
        if pc == 0 || compartment.stopped() || !lists(partition, core) {
            return None;
        }
        if !seat.change(State::Off, State::Running(core)) {
            return None;
        }
        if mode == Mode::Boot {
            ports.note(Note::Started { partition: index });
            self.give_bitmap(index);
        }
        paravirtual::reset(seat, partition);
        seat.set_task(Task::Cycles);
        let context = Context {
            partition: index,
            home: core,
        };
        let here = Here::occupy(core, cpu, context, (partition, compartment, seat));
        Some(self.enter(&here, Entry::Start { pc, x0 }, Deadline::Micros(START_LIMIT_US)))
    }

    /// FFA_SECONDARY_EP_REGISTER (DEN0077A, section 18.2.1): from the first context, before its
    /// first FFA_MSG_WAIT, with an address in its own executable memory.
    pub(crate) fn secondary_entry(&self, here: &Here<'_, C>, address: u64) -> Reply {
        if here.partition.cores.count_ones() < 2 {
            return Reply::error(Error::NotSupported);
        }
        if here.cpu.mode() != Mode::Boot || here.seat.task() != Task::Cycles {
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
    pub(crate) fn spmd_message(&self, request: &Direct) -> Reply {
        let [_, _, w2, w3, ..] = request.regs.0.map(low);
        let (kind, value) = if w2 == FRAMEWORK | POWER_REQUEST {
            (
                POWER_RESPONSE,
                if w3 == PSCI_CPU_OFF {
                    PSCI_SUCCESS
                } else {
                    PSCI_NOT_SUPPORTED
                },
            )
        } else if w2 == FRAMEWORK | VERSION_REQUEST {
            (VERSION_RESPONSE, self.negotiate(Party::Normal, w3))
        } else {
            return Reply::error(Error::InvalidParameters);
        };
        let info = target(self.table.spmc_id, SPMD);
        Reply::words(function::DIRECT_RESP_32, &[info, FRAMEWORK | kind, value])
    }
}
