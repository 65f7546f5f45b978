//! How long a call may take, of the normal world or of a partition: the time on cores that its context has, until it
//! answers.
//!
//! What counts is the time from each entry of the context until it gives the core up, or calls another partition.
//! The deadline is the core's own timer's (CNTHPS), so that a context that masks everything, on a core that no
//! interrupt of the normal world disturbs, ends in time as well. A managed exit has its own deadline meanwhile; one that
//! is not finished counts.

use crate::api::{Action, Cause, Deadline, Ports};
use crate::context::Seat;
use crate::spmc::{Here, Spmc};
use crate::sync::Ordering;
use crate::table::{Partition, Source};

/// The deadline of a context that is entered with a call.
#[inline]
pub(crate) fn begin<T: Ports>(partition: &Partition, seat: &Seat, ports: &mut T) -> Deadline {
    if partition.budget_us == 0 {
        return Deadline::None;
    }
    seat.used.store(0, Ordering::Relaxed);
    go_on(partition, seat, ports)
}

/// The deadline of a context that goes on with it.
#[inline]
pub(crate) fn go_on<T: Ports>(partition: &Partition, seat: &Seat, ports: &mut T) -> Deadline {
    if partition.budget_us == 0 {
        return Deadline::None;
    }
    seat.entered.store(ports.now().max(1), Ordering::Relaxed);
    let left = u64::from(partition.budget_us).saturating_sub(seat.used.load(Ordering::Relaxed));
    Deadline::Micros(u32::try_from(left.max(1)).unwrap_or(u32::MAX))
}

/// The deadline of a context that a partition calls, or has go on with its call, where the chain has this one: that of
/// an interrupt that waits for the chain goes on, and ends first.
pub(crate) fn begin_called<T: Ports>(
    partition: &Partition,
    seat: &Seat,
    (deadline, new): (Deadline, bool),
    ports: &mut T,
) -> Deadline {
    if partition.budget_us == 0 {
        return deadline;
    }
    if new {
        seat.used.store(0, Ordering::Relaxed);
    }
    let own = go_on(partition, seat, ports);
    if deadline == Deadline::None { own } else { deadline }
}

/// In `Seat::entered`: the context waits for a partition that it has called, whose time is its own.
const PAUSED: u64 = u64::MAX;

/// A context is done with its call.
#[inline]
pub(crate) fn end<T: Ports>(partition: &Partition, seat: &Seat, ports: &mut T) {
    if partition.budget_us != 0 {
        // One that it has exceeded with its last step is answered, and seen in `longest`.
        charge(partition, seat, ports);
    }
}

/// A context is about to call another partition.
#[inline]
pub(crate) fn pause<T: Ports>(partition: &Partition, seat: &Seat, ports: &mut T) {
    if partition.budget_us != 0 && seat.entered.load(Ordering::Relaxed) != 0 {
        charge(partition, seat, ports);
        seat.entered.store(PAUSED, Ordering::Relaxed);
    }
}

/// A context goes on behind the call of another partition: the deadline that it has, where it had this one.
#[inline]
pub(crate) fn unpause<T: Ports>(
    partition: &Partition,
    seat: &Seat,
    deadline: Deadline,
    ports: &mut T,
) -> Deadline {
    if partition.budget_us == 0 || seat.entered.load(Ordering::Relaxed) != PAUSED {
        return deadline;
    }
    begin_called(partition, seat, (deadline, false), ports)
}

/// A context gives up its core with a call that it has not answered; whether that has taken more than it may.
fn charge<T: Ports>(partition: &Partition, seat: &Seat, ports: &mut T) -> bool {
    let entered = seat.entered.swap(0, Ordering::Relaxed);
    if partition.budget_us == 0 || entered == 0 || entered == PAUSED {
        return false;
    }
    let took = ports.now().saturating_sub(entered);
    let used = seat.used.fetch_add(took, Ordering::Relaxed).saturating_add(took);
    seat.longest.fetch_max(used, Ordering::Relaxed);
    used >= u64::from(partition.budget_us)
}

impl<const P: usize, const C: usize, const SHARES: usize, const RANGES: usize, const VMS: usize, S: Source>
    Spmc<P, C, SHARES, RANGES, VMS, S>
{
    /// The context that runs here has had another partition go on, or could not.
    pub(crate) fn called_on<T: Ports>(&self, here: &Here<'_, C>, action: Action, ports: &mut T) -> Action {
        if let Action::Run(run) = &action
            && run.context == here.context
        {
            unpause(here.partition, here.seat, run.deadline, ports);
        }
        action
    }

    /// The context that runs here is about to lose its core: fails its partition where the budget is used up.
    pub(crate) fn over_budget<T: Ports>(&self, here: &Here<'_, C>, ports: &mut T) -> Option<Action> {
        if !charge(here.partition, here.seat, ports) {
            return None;
        }
        Some(self.fail(here, Cause::OverBudget, ports))
    }
}
