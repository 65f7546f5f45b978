//! Virtual interrupts: masking, and what happens when one is taken.
use super::{gic, hypercall};
use crate::ffa::interrupt_call::{DEACTIVATE, ENABLE, GET, MANAGED_EXIT, NONE};
use core::arch::asm;

/// Asks for the interrupt that announces a managed exit, on the context that calls.
pub fn enable_managed_exit() {
    // The hypervisor may have it on for good and refuse: either way it is on.
    let _ = hypercall(ENABLE, u64::from(MANAGED_EXIT), 1, 0);
}

/// Enables a virtual interrupt on the context that calls, as IRQ, and looks for it so many times; it
/// stays masked, and is ended. False if it did not come.
#[must_use]
pub fn wait(intid: u32, looks: u64) -> bool {
    let _ = hypercall(ENABLE, u64::from(intid), 1, 0);
    for _ in 0..looks {
        let came = hypercall(GET, 0, 0, 0) as u32;
        if came != NONE {
            let _ = hypercall(DEACTIVATE, u64::from(came), u64::from(came), 0);
        }
        if came == intid {
            return true;
        }
    }
    false
}

/// Takes all pending interrupts; true if one asked for a managed exit.
#[must_use]
pub fn take() -> bool {
    if gic::drives() {
        gic::take();
        return false;
    }
    let mut exit = false;
    loop {
        let intid = hypercall(GET, 0, 0, 0) as u32;
        if intid == NONE {
            return exit;
        }
        exit |= intid == MANAGED_EXIT;
        let _ = hypercall(DEACTIVATE, u64::from(intid), u64::from(intid), 0);
    }
}

/// The interrupted thread is left (1) for a managed exit, else goes on (0).
#[unsafe(no_mangle)]
extern "C" fn sp_rt_interrupt() -> u64 {
    u64::from(take())
}

/// Masks interrupts and gives the mask before.
pub(crate) fn mask() -> u64 {
    let before: u64;
    // SAFETY: masking is always allowed.
    unsafe { asm!("mrs {}, daif", "msr daifset, #3", out(reg) before, options(nostack, preserves_flags)) };
    before
}

/// Sets the mask to what `mask` gave.
pub(crate) fn restore(before: u64) {
    // SAFETY: only code that let interrupts in before does so again.
    unsafe { asm!("msr daif, {}", in(reg) before, options(nostack, preserves_flags)) };
}
