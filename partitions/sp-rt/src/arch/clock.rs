//! The counter, and an alarm by the EL1 physical timer. The hypervisor keeps both for each context.
use core::arch::asm;

/// The virtual INTID of the alarm, for the hypervisor's interrupt calls.
pub const ALARM: u32 = 3;

/// The counter.
#[must_use]
pub fn ticks() -> u64 {
    let count: u64;
    // SAFETY: reading a counter; the barriers keep it between its neighbours.
    unsafe { asm!("isb", "mrs {}, cntpct_el0", "isb", out(reg) count, options(nostack, preserves_flags)) };
    count
}

/// Ticks in a second.
#[must_use]
pub fn frequency() -> u64 {
    let frequency: u64;
    // SAFETY: reading a register that nothing changes.
    unsafe { asm!("mrs {}, cntfrq_el0", out(reg) frequency, options(nomem, nostack, preserves_flags)) };
    frequency
}

/// Sets the alarm of the context that calls: its interrupt is pending from this tick on.
pub fn alarm(at: u64) {
    // SAFETY: the timer's registers say when its interrupt comes, and nothing else.
    unsafe {
        asm!(
            "msr cntp_cval_el0, {at}",
            "msr cntp_ctl_el0, {on}",
            "isb",
            at = in(reg) at,
            on = in(reg) 1_u64,
            options(nostack, preserves_flags)
        );
    }
}
