//! Paravirtual interrupts: a partition learns of its interrupts by hypercalls, not by a GIC.
//!
//! Each context has up to 64 virtual interrupts as bits of three words: the virtual INTIDs 0 to 15
//! at their own number, and the partition's physical interrupts behind them in the table's order.
//! The calls are those of OP-TEE's `hfic` driver; x0 is the result.

use crate::api::{Context, Note, Ports, Regs};
use crate::compartment::Compartment;
use crate::context::Seat;
use crate::decode::low;
use crate::function as f;
use crate::spmc::{Here, Spmc, lists};
use crate::storm;
use crate::sync::Ordering;
use crate::table::{Core, Partition, Preemption, Source};
use crate::vgic::{self, PHYSICAL_TIMER, VIRTUAL_TIMER};

/// Virtual INTID that asks for a managed exit (DEN0077A 1.2, section 9.3.1).
pub(crate) const MANAGED_EXIT: u32 = 4;
/// Virtual INTID that tells of pending notifications (DEN0077A 1.2, section 10.4.1).
pub(crate) const NOTIFICATION_PENDING: u32 = 5;

/// The bit of `NOTIFICATION_PENDING`.
pub(crate) const NOTIFICATION_BIT: u64 = bit(NOTIFICATION_PENDING);

/// First bit of the physical interrupts.
pub(crate) const PHYSICAL: u32 = 16;
/// The EL1 timers: what they are by a GIC, the INTID by these calls, and its bit. The physical one, which OP-TEE uses,
/// has the INTID of `hfic`.
const TIMERS: [(u32, u32, u32); 2] = [(VIRTUAL_TIMER, VIRTUAL_TIMER, 14), (PHYSICAL_TIMER, 3, 3)];
/// What a failed call, and GET with nothing pending, return: 32 bits of ones.
const NOTHING: u64 = 0xffff_ffff;

pub use crate::table::MAX_INTERRUPTS;

const fn bit(number: u32) -> u64 {
    match 1u64.checked_shl(number) {
        Some(bit) => bit,
        None => 0,
    }
}

/// The bit of an interrupt, where the partition has it.
fn bit_of(partition: &Partition, intid: u32) -> Option<u64> {
    if intid == MANAGED_EXIT || intid == NOTIFICATION_PENDING {
        return Some(bit(intid));
    }
    if let Some((_, _, number)) = TIMERS.iter().find(|(_, called, _)| *called == intid) {
        return Some(bit(*number));
    }
    let place = partition.place(intid)?;
    Some(bit(PHYSICAL.saturating_add(place as u32)))
}

/// The INTID of a bit.
fn intid_of(partition: &Partition, number: u32) -> Option<u32> {
    let timer = TIMERS.iter().find(|(_, _, bit)| *bit == number);
    match number.checked_sub(PHYSICAL) {
        None => Some(timer.map_or(number, |(_, called, _)| *called)),
        Some(place) => partition.interrupts.get(place as usize).map(|i| i.intid),
    }
}

/// Answers a paravirtual call; none where it is no such call.
pub(crate) fn call<T: Ports, const C: usize>(here: &Here<'_, C>, regs: &Regs, ports: &mut T) -> Option<u64> {
    let [x0, x1, x2, x3, ..] = regs.0;
    let (intid, second, third) = (low(x1), low(x2), low(x3));
    let done = match low(x0) {
        f::INTERRUPT_ENABLE => enable(here, intid, second, third),
        f::INTERRUPT_GET => return Some(get(here)),
        f::INTERRUPT_DEACTIVATE => deactivate(here, intid, second, ports),
        f::INTERRUPT_RECONFIGURE => reconfigure(here, intid, second, third),
        _ => return None,
    };
    Some(if done.is_some() { 0 } else { NOTHING })
}

fn set(word: &crate::sync::AtomicU64, bit: u64, value: bool) {
    if value {
        word.fetch_or(bit, Ordering::Relaxed);
    } else {
        word.fetch_and(!bit, Ordering::Relaxed);
    }
}

/// ENABLE(intid, 0 or 1, 0: IRQ, 1: FIQ).
fn enable<const C: usize>(here: &Here<'_, C>, intid: u32, on: u32, kind: u32) -> Option<()> {
    let bit = bit_of(here.partition, intid)?;
    if on > 1 || kind > 1 {
        return None;
    }
    set(&here.seat.fiq, bit, kind == 1);
    set(&here.seat.enabled, bit, on == 1);
    Some(())
}

/// GET: the pending, enabled interrupt of the lowest bit; it is pending no more.
fn get<const C: usize>(here: &Here<'_, C>) -> u64 {
    let ready = here.seat.pending.load(Ordering::Acquire) & here.seat.enabled.load(Ordering::Relaxed);
    if ready == 0 {
        return NOTHING;
    }
    let number = ready.trailing_zeros();
    set(&here.seat.pending, bit(number), false);
    intid_of(here.partition, number).map_or(NOTHING, u64::from)
}

/// DEACTIVATE(intid, intid): the partition has dealt with it.
fn deactivate<T: Ports, const C: usize>(
    here: &Here<'_, C>,
    intid: u32,
    again: u32,
    ports: &mut T,
) -> Option<()> {
    let bit = bit_of(here.partition, intid)?;
    if intid != again {
        return None;
    }
    // Only the virtual ones and those that came: nothing else is there to be deactivated.
    if here.seat.active.fetch_and(!bit, Ordering::AcqRel) & bit != 0 {
        // Where it came: this context may have been resumed on another core since.
        let came = (intid, home_of(here, intid));
        storm::end_line(here.partition, here.compartment, came, ports);
    }
    Some(())
}

/// The core on which an interrupt of this context comes: its home, as `pend_physical` has it.
fn home_of<const C: usize>(here: &Here<'_, C>, intid: u32) -> Core {
    let shared = here
        .partition
        .interrupts
        .iter()
        .find(|i| i.intid == intid && intid >= 32);
    shared.map_or(here.context.home, |interrupt| interrupt.core)
}

/// RECONFIGURE(intid, what, value): only what = 2 (status: 0 off, 1 on) is served; the target core
/// and the security state of an interrupt are the table's.
fn reconfigure<const C: usize>(here: &Here<'_, C>, intid: u32, what: u32, value: u32) -> Option<()> {
    let bit = bit_of(here.partition, intid)?;
    if what != 2 || value > 1 {
        return None;
    }
    set(&here.seat.enabled, bit, value == 1);
    Some(())
}

/// The virtual interrupt lines of a context: IRQ, FIQ.
pub(crate) fn lines(seat: &Seat) -> (bool, bool) {
    let pending = seat.pending.load(Ordering::Acquire);
    if pending == 0 {
        return (false, false);
    }
    let ready = pending & seat.enabled.load(Ordering::Relaxed);
    let fiq = seat.fiq.load(Ordering::Relaxed);
    (ready & !fiq != 0, ready & fiq != 0)
}

/// Makes the interrupt of pending notifications pending; whether it was not.
pub(crate) fn pend_notification(seat: &Seat) -> bool {
    seat.pending.fetch_or(NOTIFICATION_BIT, Ordering::AcqRel) & NOTIFICATION_BIT == 0
}

/// Whether a context has interrupts that are more than a message to who runs it: one that asks for a managed exit, or
/// tells of notifications, has nobody enter it.
pub(crate) fn has_untaken<const C: usize>(here: &Here<'_, C>) -> bool {
    let pending = here.seat.pending.load(Ordering::Acquire);
    if pending == 0 {
        return false;
    }
    if here.partition.vgic {
        let vgic = here.compartment.vgic.lock();
        return vgic.has_untaken(here.partition, here.context.home);
    }
    let messages = bit(MANAGED_EXIT) | NOTIFICATION_BIT;
    pending & here.seat.enabled.load(Ordering::Relaxed) & !messages != 0
}

/// Makes a timer's interrupt pending, or not, as its line is high.
pub(crate) fn set_line(seat: &Seat, timer: u32, high: bool) {
    if let Some((_, _, number)) = TIMERS.iter().find(|(intid, _, _)| *intid == timer) {
        set(&seat.pending, bit(*number), high);
    }
}

/// The virtual interrupts that a context has when it is entered for the first time: a managed exit
/// is signalled as FIQ until the partition asks for it as IRQ.
pub(crate) fn reset(seat: &Seat, partition: &Partition) {
    let managed = matches!(partition.preemption, Preemption::ManagedExit { .. });
    let enabled = if managed { bit(MANAGED_EXIT) } else { 0 };
    seat.enabled.store(enabled, Ordering::Relaxed);
    seat.fiq.store(enabled, Ordering::Relaxed);
}

/// Forgets all virtual interrupts of a context whose instance is gone.
pub(crate) fn forget(seat: &Seat) {
    seat.enabled.store(0, Ordering::Relaxed);
    seat.fiq.store(0, Ordering::Relaxed);
    seat.pending.store(0, Ordering::Relaxed);
    seat.late.store(false, Ordering::Relaxed);
    seat.entered.store(0, Ordering::Relaxed);
    seat.set_pressed(false);
}

/// Deactivates the physical interrupts that came and that the last instance of this context did not deal with.
pub(crate) fn end_active<T: Ports>(partition: &Partition, home: Core, seat: &Seat, ports: &mut T) {
    let active = seat.active.swap(0, Ordering::AcqRel);
    for interrupt in partition.interrupts.iter().take(MAX_INTERRUPTS) {
        if bit_of(partition, interrupt.intid).is_some_and(|bit| active & bit != 0) {
            let core = if interrupt.intid < 32 {
                home
            } else {
                interrupt.core
            };
            ports.end_interrupt(interrupt.intid, core);
        }
    }
}

/// Whether a context takes part in managed exits: it may have disabled the interrupt that asks for them.
pub(crate) fn takes_part<const C: usize>(
    partition: &Partition,
    compartment: &Compartment<C>,
    home: Core,
    seat: &Seat,
) -> bool {
    if partition.vgic {
        return compartment.vgic.lock().takes_part(home);
    }
    seat.enabled.load(Ordering::Relaxed) & bit(MANAGED_EXIT) != 0
}

/// Asks the context that runs here for a managed exit, or no more.
pub(crate) fn set_managed_exit<const C: usize>(here: &Here<'_, C>, asked: bool) {
    if here.partition.vgic {
        vgic::policy::show_managed_exit(here.partition, here.compartment, here.context.home, asked);
    } else {
        set(&here.seat.pending, bit(MANAGED_EXIT), asked);
    }
}

/// No interrupt of the normal world waits for the context that runs here any more: a managed exit that may be under
/// way is over.
#[inline]
pub(crate) fn end_wait<const C: usize>(here: &Here<'_, C>) {
    if here.seat.pressed() {
        set_managed_exit(here, false);
        here.seat.set_pressed(false);
    }
}

impl<const P: usize, const C: usize, const SHARES: usize, const RANGES: usize, const VMS: usize, S: Source>
    Spmc<P, C, SHARES, RANGES, VMS, S>
{
    /// Makes a physical interrupt that came on a core pending at its owner: a private one (PPI) at
    /// the context that is at home there, a shared one (SPI) at that of the table's core. It stays
    /// active until the owner deactivates it. Returns the context, where it can deal with it.
    pub(crate) fn pend_physical<T: Ports>(&self, core: Core, intid: u32, ports: &mut T) -> Option<Context> {
        let all = self.table.partitions.iter().zip(&self.compartments);
        for (index, (partition, compartment)) in (0..P).zip(all) {
            let Some(interrupt) = partition.interrupts.iter().find(|i| i.intid == intid) else {
                continue;
            };
            let home = if intid < 32 { core } else { interrupt.core };
            if !lists(partition, home) {
                // A private one of a core that its owner does not have.
                continue;
            }
            if let Some(seat) = compartment.seats.get(usize::from(home))
                && let Some(bit) = bit_of(partition, intid)
            {
                self.count_line(index, partition, intid);
                // One whose owner has failed stays active, and so cannot come again before that is restarted.
                if compartment.stopped() {
                    seat.active.fetch_or(bit, Ordering::AcqRel);
                    return None;
                }
                if partition.vgic {
                    Self::show_physical(partition, compartment, home, intid);
                } else {
                    seat.active.fetch_or(bit, Ordering::AcqRel);
                    seat.pending.fetch_or(bit, Ordering::Release);
                }
                return Some(Context {
                    partition: index,
                    home,
                });
            }
        }
        ports.note(Note::UnownedInterrupt { intid });
        ports.disable_interrupt(intid, core);
        ports.end_interrupt(intid, core);
        None
    }
}
