//! Calls to EL3: the SPMD hears of us by SMC, and answers with the next call of the normal world.

use bulkhead_core::api::Regs;

/// Hands x0 to x17 to EL3 and takes what comes back (DEN0028E, section 2.7; FF-A 1.2 uses
/// all eighteen).
#[inline(always)]
pub fn call(regs: &mut Regs) {
    let x = &mut regs.0;
    // SAFETY: EL3 is trusted; it returns to the next instruction with x0 to x17 replaced and keeps
    // the rest. Memory that partitions or the normal world write meanwhile is never borrowed here.
    unsafe {
        core::arch::asm!(
            "smc #0",
            inout("x0") x[0], inout("x1") x[1], inout("x2") x[2], inout("x3") x[3],
            inout("x4") x[4], inout("x5") x[5], inout("x6") x[6], inout("x7") x[7],
            inout("x8") x[8], inout("x9") x[9], inout("x10") x[10], inout("x11") x[11],
            inout("x12") x[12], inout("x13") x[13], inout("x14") x[14], inout("x15") x[15],
            inout("x16") x[16], inout("x17") x[17],
            options(nostack)
        );
    }
}
