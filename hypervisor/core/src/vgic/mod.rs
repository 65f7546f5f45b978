//! A virtual GICv3 (Arm IHI0069) for a partition that drives one, and EL1 timers for every partition: state,
//! and what each register reads as and does. It shows the partition's own interrupts and nothing else.
//!
//! The partition sees a GIC with a single Security state (GICD_CTLR.DS is one): all its interrupts are in group
//! 1 and come as IRQs; what the physical GIC has behind them is the hypervisor's. Each context has its own CPU
//! interface and redistributor, at the place of its number. Enable, pending, active and priority are the
//! partition's; trigger and route of an interrupt are the table's.
//!
//! A physical interrupt stays active, and so quiet, from its arrival until the partition deactivates it.

mod bank;
mod distributor;
mod field;
mod interface;
pub(crate) mod policy;
mod redistributor;
pub mod rewrite;
#[cfg(test)]
mod tests;
mod timer;

use crate::paravirtual::MAX_INTERRUPTS;
use crate::table::{Core, Partition};
use bank::Bank;
use interface::Interface;
use timer::Timer;

pub use rewrite::rewrite;
pub(crate) use timer::{PHYSICAL_TIMER, VIRTUAL_TIMER};

/// INTIDs below are private to a context.
const SHARED: u32 = 32;
/// INTIDs below are software-generated (SGIs).
const SGIS: u32 = 16;
/// INTIDs from here on are special.
const SPECIAL: u32 = 1020;
/// What an acknowledgement says where there is nothing.
const SPURIOUS: u32 = 1023;
/// Virtual INTID of pending notifications: an SGI's.
const NOTIFICATION: u32 = crate::paravirtual::NOTIFICATION_PENDING;
/// Virtual INTID that asks for a managed exit: an SGI's, too.
const MANAGED_EXIT: u32 = crate::paravirtual::MANAGED_EXIT;
/// Banks of shared interrupts.
const BANKS: usize = MAX_INTERRUPTS.div_ceil(32);

/// A single bit of a word; zero beyond it.
const fn bit(number: u32) -> u32 {
    match 1u32.checked_shl(number) {
        Some(bit) => bit,
        None => 0,
    }
}

/// What one execution context has of its own.
#[derive(Debug)]
struct Private {
    bank: Bank,
    interface: Interface,
    /// GICR_WAKER.ProcessorSleep.
    asleep: bool,
    virtual_timer: Timer,
    physical_timer: Timer,
}

impl Private {
    const fn new() -> Self {
        Self {
            bank: Bank::new(),
            interface: Interface::new(),
            asleep: false,
            virtual_timer: Timer::new(),
            physical_timer: Timer::new(),
        }
    }
}

/// A partition's virtual GIC and timers, with room for a context at home on each of `C` cores.
#[derive(Debug)]
pub(crate) struct Vgic<const C: usize> {
    /// GICD_CTLR.EnableGrp1.
    enabled: bool,
    /// Shared interrupts, in the table's order.
    shared: [Bank; BANKS],
    private: [Private; C],
}

/// Has a physical interrupt deactivated that came on this core.
type End<'a> = &'a mut dyn FnMut(u32, Core);

impl<const C: usize> Vgic<C> {
    pub(crate) const fn new() -> Self {
        Self {
            enabled: false,
            shared: [const { Bank::new() }; BANKS],
            private: [const { Private::new() }; C],
        }
    }

    /// As before the partition's first instruction: physical interrupts that it has not dealt with are ended.
    pub(crate) fn reset(&mut self, partition: &Partition, end: End<'_>) {
        for home in partition.homes() {
            for (intid, core) in own(partition, home) {
                if let Some((bank, bit)) = self.find(partition, home, intid)
                    && bank.behind & bit != 0
                {
                    end(intid, core);
                }
            }
        }
        *self = Self::new();
    }

    /// A context is entered for the first time: what is its own is as after a reset, but for what came
    /// already.
    pub(crate) fn reset_context(&mut self, home: Core) {
        if let Some(private) = self.private.get_mut(usize::from(home)) {
            let (pending, behind) = (private.bank.pending, private.bank.behind);
            *private = Private::new();
            private.bank.pending = pending & behind;
            private.bank.behind = behind;
        }
    }

    /// The bank and bit of an interrupt of the partition's own, as a context at home there sees it.
    fn find(&mut self, partition: &Partition, home: Core, intid: u32) -> Option<(&mut Bank, u32)> {
        if intid < SHARED {
            let private = self.private.get_mut(usize::from(home))?;
            return has_private(partition, intid).then_some((&mut private.bank, bit(intid)));
        }
        let place = partition.place(intid)?;
        let bank = self.shared.get_mut(place / 32)?;
        Some((bank, bit((place % 32) as u32)))
    }

    /// A physical interrupt came.
    pub(crate) fn pend_physical(&mut self, partition: &Partition, home: Core, intid: u32) {
        if let Some((bank, bit)) = self.find(partition, home, intid) {
            bank.pending |= bit;
            bank.behind |= bit;
        }
    }

    /// The physical interrupts of a context's that came and were not dealt with, a bit each in the table's order.
    pub(crate) fn active_lines(&mut self, partition: &Partition, home: Core) -> u64 {
        let mut lines = 0;
        for (place, interrupt) in (0..u64::BITS).zip(partition.lines()) {
            let own = interrupt.intid < SHARED || interrupt.core == home;
            if own
                && let Some((bank, bit)) = self.find(partition, home, interrupt.intid)
                && bank.behind & bit != 0
            {
                lines |= 1u64.wrapping_shl(place);
            }
        }
        lines
    }

    /// Sets or takes back the interrupt that tells of notifications.
    pub(crate) fn set_notification(&mut self, home: Core, pending: bool) {
        if let Some(private) = self.private.get_mut(usize::from(home)) {
            private.bank.set_pending(bit(NOTIFICATION), pending);
        }
    }

    /// Sets or takes back the interrupt that asks for a managed exit.
    pub(crate) fn set_managed_exit(&mut self, home: Core, pending: bool) {
        if let Some(private) = self.private.get_mut(usize::from(home)) {
            private.bank.set_pending(bit(MANAGED_EXIT), pending);
        }
    }

    /// Whether a context has that interrupt enabled.
    pub(crate) fn takes_part(&self, home: Core) -> bool {
        let private = self.private.get(usize::from(home));
        private.is_some_and(|private| private.bank.enabled & bit(MANAGED_EXIT) != 0)
    }

    /// The context has dealt with an interrupt.
    fn deactivate(&mut self, partition: &Partition, home: Core, intid: u32, end: End<'_>) {
        if let Some((bank, bit)) = self.find(partition, home, intid)
            && bank.active & bit != 0
        {
            bank.active &= !bit;
            if bank.behind & bit != 0 {
                bank.behind &= !bit;
                end(intid, core_of(partition, home, intid));
            }
        }
    }

    /// The interrupt that a context is to take next, and its priority: the most urgent one, and among those of
    /// one priority the one of the lowest number.
    fn next(&self, partition: &Partition, home: Core) -> Option<(u32, u8)> {
        let private = self.private.get(usize::from(home))?;
        let mut best = private.bank.best(!0).map(|(bit, priority)| (priority, bit));
        for (number, bank) in self.shared.iter().enumerate() {
            let mut ready = bank.ready();
            while ready != 0 {
                let place = ready.trailing_zeros();
                ready &= ready.wrapping_sub(1);
                let Some(interrupt) = partition.interrupts.get(number * 32 + place as usize) else {
                    break;
                };
                let candidate = (bank.priority(place), interrupt.intid);
                if interrupt.core == home && best.is_none_or(|best| candidate < best) {
                    best = Some(candidate);
                }
            }
        }
        best.map(|(priority, intid)| (intid, priority))
    }

    /// What a context would acknowledge at this moment.
    fn deliverable(&self, partition: &Partition, home: Core) -> Option<(u32, u8)> {
        let private = self.private.get(usize::from(home))?;
        if !self.enabled || private.asleep {
            return None;
        }
        self.next(partition, home)
            .filter(|(_, priority)| private.interface.takes(*priority))
    }

    /// Whether what a context would acknowledge is more than a message to who runs it.
    pub(crate) fn has_untaken(&self, partition: &Partition, home: Core) -> bool {
        let next = self.deliverable(partition, home);
        next.is_some_and(|(intid, _)| ![NOTIFICATION, MANAGED_EXIT].contains(&intid))
    }

    /// Whether a context's virtual IRQ is asserted.
    pub(crate) fn line(&self, partition: &Partition, home: Core) -> bool {
        self.deliverable(partition, home).is_some()
    }
}

/// Whether a context of the partition has this private interrupt: SGIs, the EL1 timers', and those of the table.
fn has_private(partition: &Partition, intid: u32) -> bool {
    intid < SGIS
        || matches!(intid, VIRTUAL_TIMER | PHYSICAL_TIMER)
        || (intid < SHARED && partition.place(intid).is_some())
}

/// The core on which an interrupt of a context comes.
fn core_of(partition: &Partition, home: Core, intid: u32) -> Core {
    let own = partition.interrupts.iter().find(|i| i.intid == intid);
    own.filter(|_| intid >= SHARED).map_or(home, |i| i.core)
}

/// The physical interrupts that come to a context at home there, and the core on which they come.
fn own(partition: &Partition, home: Core) -> impl Iterator<Item = (u32, Core)> {
    partition
        .interrupts
        .iter()
        .filter(move |i| i.intid < SHARED || i.core == home)
        .map(move |i| (i.intid, home))
}

/// The number of the context at home on a core.
fn number(partition: &Partition, home: Core) -> u64 {
    let below = 1u64.wrapping_shl(home.into()).wrapping_sub(1);
    (partition.cores & below).count_ones().into()
}
