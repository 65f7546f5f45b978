//! The secure EL2 physical timer: deadlines of contexts, and the log's clock.

use aarch64_cpu::registers::{CNTFRQ_EL0, CNTPCT_EL0, Readable as _};

use super::registers as r;

/// Microseconds since the counter started.
pub fn microseconds() -> u64 {
    let frequency = CNTFRQ_EL0.get().max(1);
    let count = CNTPCT_EL0.get();
    let (seconds, rest) = (count / frequency, count % frequency);
    seconds
        .saturating_mul(1_000_000)
        .saturating_add(rest.saturating_mul(1_000_000) / frequency)
}

/// Raises the timer's interrupt in this many microseconds.
pub fn set(micros: u32) {
    let ticks = u64::from(micros).saturating_mul(CNTFRQ_EL0.get()) / 1_000_000;
    r::cnthps_cval_el2::write(CNTPCT_EL0.get().saturating_add(ticks));
    r::cnthps_ctl_el2::write(1);
}

/// Whether the time that was set has passed.
pub fn expired() -> bool {
    const STATUS: u64 = 1 << 2;
    r::cnthps_ctl_el2::read() & STATUS != 0
}

/// Stops the timer.
pub fn stop() {
    r::cnthps_ctl_el2::write(0);
}
