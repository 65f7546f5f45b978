//! The secure EL2 physical timer: a deadline, an alarm and a call of its own for each core, and the log's clock.

use aarch64_cpu::registers::{CNTFRQ_EL0, CNTPCT_EL0, Readable as _};
use bulkhead_core::moment::{Moment, NEVER};

use super::percore::PerCore;
use super::registers as r;
use crate::table::CORES;

/// What a core's one timer is set for. Only the core itself uses it.
struct Due {
    deadline: Moment,
    alarm: Moment,
    wake: Moment,
}

static DUE: PerCore<Due> = PerCore(
    [const {
        Due {
            deadline: Moment::new(),
            alarm: Moment::new(),
            wake: Moment::new(),
        }
    }; CORES],
);

/// The counter.
pub fn counter() -> u64 {
    CNTPCT_EL0.get()
}

/// Microseconds since the counter started.
pub fn microseconds() -> u64 {
    let frequency = CNTFRQ_EL0.get().max(1);
    let count = CNTPCT_EL0.get();
    let (seconds, rest) = (count / frequency, count % frequency);
    seconds
        .saturating_mul(1_000_000)
        .saturating_add(rest.saturating_mul(1_000_000) / frequency)
}

/// The core with this index came up: its timer knows nothing of what it was set for.
pub fn init_core(index: usize) {
    DUE.of(index).deadline.set(NEVER);
    program(index);
}

/// Sets the deadline of the core with this index: the timer's interrupt comes in this many microseconds.
pub fn set(index: usize, micros: u32) {
    DUE.of(index).deadline.set(after(micros));
    program(index);
}

/// The counter in this many microseconds.
fn after(micros: u32) -> u64 {
    let ticks = u64::from(micros).saturating_mul(CNTFRQ_EL0.get()) / 1_000_000;
    counter().saturating_add(ticks)
}

/// Has the core called in this many microseconds at the latest.
pub fn wake(index: usize, micros: u32) {
    DUE.of(index).wake.advance(after(micros));
    program(index);
}

/// Whether it is time for that; then it is over.
pub fn end_wake(index: usize) -> bool {
    let wake = &DUE.of(index).wake;
    let due = counter() >= wake.get();
    if due {
        wake.set(NEVER);
        program(index);
    }
    due
}

/// Whether the core's deadline has passed.
pub fn expired(index: usize) -> bool {
    counter() >= DUE.of(index).deadline.get()
}

/// The core has no deadline any more.
pub fn stop(index: usize) {
    DUE.of(index).deadline.set(NEVER);
    program(index);
}

/// Sets the core's alarm: the timer's interrupt comes when the counter has this value.
pub fn set_alarm(index: usize, at: Option<u64>) {
    let at = at.unwrap_or(NEVER);
    if DUE.of(index).alarm.replace(at) != at {
        program(index);
    }
}

/// The core has no alarm any more.
pub fn end_alarm(index: usize) {
    set_alarm(index, None);
}

fn program(index: usize) {
    let due = DUE.of(index);
    let first = due.deadline.get().min(due.alarm.get()).min(due.wake.get());
    if first == NEVER {
        r::cnthps_ctl_el2::write(0);
    } else {
        r::cnthps_cval_el2::write(first);
        r::cnthps_ctl_el2::write(1);
    }
}
