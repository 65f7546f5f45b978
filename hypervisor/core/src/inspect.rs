//! What runs here, for tools: a partition that the table lets inspect reads the hypervisor's own view of the system.
//!
//! One call, answered in registers (docs/inspect.md): x1 is a subject, 0 the system and from 1 on the partitions in the
//! order of their IDs; x2 is a page of what there is to know about it. For any other partition, and for the
//! normal world, the call does not exist: by default nobody learns about its peers. Nothing can be changed by it.

use crate::api::{Ports, Regs};
use crate::compartment::Compartment;
use crate::life::Life;
use crate::memory::Usage;
use crate::quote::{Taken, package};
use crate::reply::Reply;
use crate::service::done;
use crate::spmc::Spmc;
use crate::sync::Ordering;
use crate::table::{Partition, Source};
use crate::version::V1_2;

/// The version of this call: major in bits 31:16, minor in bits 15:0. A minor version adds pages, and states.
const INSPECT_1_5: u64 = 0x1_0005;

/// The hypervisor's own version, as its package states it: major, minor and patch, 16 bits each.
const HYPERVISOR: u64 = number(env!("CARGO_PKG_VERSION_MAJOR")) << 32
    | number(env!("CARGO_PKG_VERSION_MINOR")) << 16
    | number(env!("CARGO_PKG_VERSION_PATCH"));

/// Results of SMCCC (DEN0028E, return codes).
const SUCCESS: u64 = 0;
const INVALID_PARAMETER: u64 = (-3_i64).cast_unsigned();

/// Registers of a page: x1 to x7.
const WORDS: usize = 7;
/// Bytes of a digest or a name: x1 to x4.
const BYTES: usize = 32;

/// The page of a partition's first line; each has the next one, and behind them its own SGIs and timers together.
const LINES: u64 = 16;

/// What a partition is doing as a whole. Numbers are never used for anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Stage {
    /// It was not entered yet.
    Waiting = 0,
    /// It was entered, and has not finished its start.
    Starting = 1,
    /// It takes calls.
    Running = 2,
    /// It was stopped, or its image is not the table's: none of its contexts is entered.
    Stopped = 3,
    /// It has failed, and is on its way back.
    Restarting = 4,
    /// It was restarted, and has failed more often than the table allows.
    GivenUp = 5,
}

impl<const P: usize, const C: usize, const SHARES: usize, const RANGES: usize, const VMS: usize, S: Source>
    Spmc<P, C, SHARES, RANGES, VMS, S>
{
    /// A page of what is known about a subject. INVALID_PARAMETER (-3, alone) where there is none such, or where
    /// x3 to x7 are not zero.
    pub(crate) fn inspect<T: Ports>(&self, regs: &Regs, ports: &mut T) -> Reply {
        let [_, subject, page, reserved @ ..] = regs.0;
        let zero = reserved.iter().take(WORDS - 2).all(|word| *word == 0);
        let found = zero.then(|| self.page(subject, page, ports)).flatten();
        match found {
            Some([a, b, c, d, e, f, g]) => done(regs, &[SUCCESS, a, b, c, d, e, f, g]),
            None => done(regs, &[INVALID_PARAMETER]),
        }
    }

    fn page<T: Ports>(&self, subject: u64, page: u64, ports: &mut T) -> Option<[u64; WORDS]> {
        let Some(index) = subject.checked_sub(1) else {
            return self.system_page(page, ports);
        };
        let index = usize::try_from(index).ok()?;
        let partition = self.table.partitions.get(index)?;
        let compartment = self.compartments.get(index)?;
        match page {
            0 => Some(figures(partition, compartment, &self.ledger.lock().usage(index))),
            1 if partition.image.signed.is_some() => Some(bytes(&ports.measured(Some(index))?)),
            1 => Some(bytes(&partition.image.sha256)),
            2 => Some(bytes(partition.name.as_bytes())),
            3 => {
                let (came, held) = compartment.lines.sum();
                Some([came, held, partition.interrupts.len() as u64, 0, 0, 0, 0])
            }
            4 => {
                let last = *compartment.failures.lock();
                let first = u64::from(last.cause) | u64::from(last.core) << 16 | u64::from(last.count) << 32;
                Some([first, last.when, ports.now(), last.detail, 0, 0, 0])
            }
            5 => {
                let longest = compartment.longest_call();
                Some([partition.budget_us.into(), longest, 0, 0, 0, 0, 0])
            }
            6 => Some(bytes(&ports.measured(Some(index))?)),
            7 if partition.image.signed.is_some() => {
                let taken = ports.taken(index);
                let Taken { slot, version } = taken.unwrap_or(Taken::NONE);
                let [a, b, c, d, ..] = bytes(&package(taken));
                Some([slot.into(), version.into(), a, b, c, d, 0])
            }
            LINES.. => {
                let place = usize::try_from(page - LINES).ok()?;
                let (came, held) = compartment.lines.of(partition, place)?;
                let intid = partition.interrupts.get(place).map_or(0, |i| u64::from(i.intid));
                Some([intid, came, held, 0, 0, 0, 0])
            }
            _ => None,
        }
    }

    fn system_page<T: Ports>(&self, page: u64, ports: &mut T) -> Option<[u64; WORDS]> {
        match page {
            0 => {
                let all = self.ledger.lock().total();
                let partitions = self.table.partitions.len() as u64;
                let (shares, pages) = (u64::from(all.shares), all.pages);
                Some([
                    INSPECT_1_5,
                    partitions,
                    HYPERVISOR,
                    u64::from(V1_2),
                    shares,
                    pages,
                    0,
                ])
            }
            1 => Some(bytes(&self.table.digest)),
            2 => Some(bytes(self.table.name.as_bytes())),
            3 => Some(bytes(self.table.board.name.as_bytes())),
            4 => Some(bytes(&ports.measured(None)?)),
            _ => None,
        }
    }
}

fn figures<const C: usize>(
    partition: &Partition,
    compartment: &Compartment<C>,
    usage: &Usage,
) -> [u64; WORDS] {
    let id = u64::from(partition.id);
    let stage = compartment.stage() as u64;
    let restarts = u64::from(compartment.restarts.load(Ordering::Acquire));
    [
        id | stage << 16 | restarts << 32,
        partition.cores,
        u64::from(usage.shares),
        usage.pages,
        usage.retrieved,
        u64::from(usage.sent),
        0,
    ]
}

impl<const C: usize> Compartment<C> {
    /// How long its longest call took (microseconds; 0 without a budget).
    pub(crate) fn longest_call(&self) -> u64 {
        let times = self.seats.iter().map(|seat| seat.longest.load(Ordering::Relaxed));
        times.max().unwrap_or(0)
    }

    /// What the partition is doing.
    pub(crate) fn stage(&self) -> Stage {
        use crate::context::State;
        match self.life.get() {
            Life::Failed | Life::Restoring => return Stage::Restarting,
            Life::Starting => return Stage::Starting,
            Life::Stopped if self.restarts.load(Ordering::Acquire) != 0 => return Stage::GivenUp,
            Life::Stopped => return Stage::Stopped,
            Life::Running => {}
        }
        if self.ready.load(Ordering::Acquire) {
            Stage::Running
        } else if self.seats.iter().all(|seat| seat.state() == State::Off) {
            Stage::Waiting
        } else {
            Stage::Starting
        }
    }
}

/// Up to 32 bytes in x1 to x4, each register in little-endian order, zero behind them.
fn bytes(bytes: &[u8]) -> [u64; WORDS] {
    let mut whole = [0; BYTES];
    for (to, from) in whole.iter_mut().zip(bytes) {
        *to = *from;
    }
    let mut words = [0; WORDS];
    for (to, from) in words.iter_mut().zip(whole.as_chunks::<8>().0) {
        *to = u64::from_le_bytes(*from);
    }
    words
}

/// A decimal number of a package's version.
pub(crate) const fn number(text: &str) -> u64 {
    let bytes = text.as_bytes();
    let (mut value, mut at) = (0, 0);
    while at < bytes.len() {
        value = value * 10 + (bytes[at] - b'0') as u64;
        at += 1;
    }
    value
}
