//! What touches the machine: the only module of this crate with `unsafe`.
pub mod clock;
mod entry;
pub mod gic;
pub mod interrupts;
pub mod mailbox;
mod mmu;
pub mod threads;
pub mod window;

pub use entry::{Boot, panicked, probe};

use crate::ffa::Regs;
use core::arch::asm;

/// Makes an FF-A call by SMC and gives the answer.
///
/// The calls themselves are how a partition acts on memory that is not its own; on its own memory
/// the callee acts only through the buffers of [`mailbox`], which are given to it for good, and where a slice was
/// lent for the call and its address exposed.
#[must_use]
pub fn call(regs: &Regs) -> Regs {
    let mut r = regs.0;
    // SAFETY: an SMC changes x0 to x17 only (DEN0028E, section 2.7), all named here; what memory
    // the callee writes are the RX buffer and granted windows, which Rust code reads volatile, and slices that the
    // caller has borrowed for it and exposed.
    unsafe {
        asm!(
            "smc #0",
            inout("x0") r[0], inout("x1") r[1], inout("x2") r[2], inout("x3") r[3],
            inout("x4") r[4], inout("x5") r[5], inout("x6") r[6], inout("x7") r[7],
            inout("x8") r[8], inout("x9") r[9], inout("x10") r[10], inout("x11") r[11],
            inout("x12") r[12], inout("x13") r[13], inout("x14") r[14], inout("x15") r[15],
            inout("x16") r[16], inout("x17") r[17],
            options(nostack)
        );
    }
    Regs(r)
}

/// Makes a paravirtual interrupt call by HVC and gives x0 of the answer.
#[must_use]
pub fn hypercall(function: u32, a: u64, b: u64, c: u64) -> u64 {
    let mut x0 = u64::from(function);
    // SAFETY: the hypercalls change registers only; all that SMCCC lets them change are named.
    unsafe {
        asm!(
            "hvc #0",
            inout("x0") x0, inout("x1") a => _, inout("x2") b => _, inout("x3") c => _,
            lateout("x4") _, lateout("x5") _, lateout("x6") _, lateout("x7") _,
            lateout("x8") _, lateout("x9") _, lateout("x10") _, lateout("x11") _,
            lateout("x12") _, lateout("x13") _, lateout("x14") _, lateout("x15") _,
            lateout("x16") _, lateout("x17") _,
            options(nostack)
        );
    }
    x0
}

/// The number of the execution context that runs this (0 to [`crate::MAX_CONTEXTS`] - 1).
///
/// A thread may be on another one at its next instruction.
#[must_use]
pub fn context_index() -> usize {
    let mpidr: u64;
    // SAFETY: reading an ID register.
    unsafe { asm!("mrs {}, mpidr_el1", out(reg) mpidr, options(nomem, nostack, preserves_flags)) };
    (mpidr & 0xff) as usize
}

/// A random number of the core (FEAT_RNG), or `None` if it has none to give.
#[must_use]
pub fn random() -> Option<u64> {
    let features: u64;
    // SAFETY: reading an ID register.
    unsafe { asm!("mrs {}, id_aa64isar0_el1", out(reg) features, options(nomem, nostack, preserves_flags)) };
    if features >> 60 == 0 {
        return None;
    }
    (0..16).find_map(|_| {
        let (value, good): (u64, u64);
        // SAFETY: RNDR exists (checked above); Z is set where it had nothing to give.
        unsafe { asm!("mrs {}, s3_3_c2_c4_0", "cset {}, ne", out(reg) value, out(reg) good, options(nomem, nostack)) };
        (good == 1).then_some(value)
    })
}

/// Ends this partition: FFA_ABORT; if that is refused, by what no hypervisor can let through.
pub fn park() -> ! {
    let _ = call(&Regs::new(crate::ffa::ABORT, &[]));
    loop {
        // SAFETY: there is no such hypercall; if it comes back, nothing has changed that is used.
        unsafe { asm!("hvc #0xdead", options(nomem, nostack)) };
        // SAFETY: waiting changes nothing.
        unsafe { asm!("wfe", options(nomem, nostack, preserves_flags)) };
    }
}
