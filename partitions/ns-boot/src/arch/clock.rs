//! Measuring calls in ticks of the counter. Under QEMU's `-icount` a tick is a fixed number of
//! instructions, and nothing but instructions moves it. The test partition uses this file, too.
use core::arch::asm;
use sp_rt::ffa::Regs;

/// The counter.
#[must_use]
pub fn ticks() -> u64 {
    let count: u64;
    // SAFETY: reading a counter; the barriers keep it between its neighbours.
    unsafe { asm!("isb", "mrs {}, cntpct_el0", "isb", out(reg) count, options(nostack)) };
    count
}

/// Ticks in a second.
#[must_use]
pub fn frequency() -> u64 {
    let frequency: u64;
    // SAFETY: reading a register.
    unsafe { asm!("mrs {}, cntfrq_el0", out(reg) frequency, options(nomem, nostack, preserves_flags)) };
    frequency
}

macro_rules! repeat {
    ($instruction:literal, $regs:ident, $rounds:ident) => {{
        let mut r = [0_u64; 18];
        let before = ticks();
        // SAFETY: the call changes x0 to x17 only, all named as lost; it is loaded anew each time
        // from `regs`, which it does not write. Memory that calls write is reached by `Page` only.
        unsafe {
            asm!(
                "1:",
                "ldp x0, x1, [x20, #0]", "ldp x2, x3, [x20, #16]", "ldp x4, x5, [x20, #32]",
                "ldp x6, x7, [x20, #48]", "ldp x8, x9, [x20, #64]", "ldp x10, x11, [x20, #80]",
                "ldp x12, x13, [x20, #96]", "ldp x14, x15, [x20, #112]", "ldp x16, x17, [x20, #128]",
                $instruction,
                "subs x21, x21, #1",
                "b.ne 1b",
                in("x20") $regs.0.as_ptr(), inout("x21") $rounds => _,
                lateout("x0") r[0], lateout("x1") r[1], lateout("x2") r[2], lateout("x3") r[3],
                lateout("x4") r[4], lateout("x5") r[5], lateout("x6") r[6], lateout("x7") r[7],
                lateout("x8") r[8], lateout("x9") r[9], lateout("x10") r[10], lateout("x11") r[11],
                lateout("x12") r[12], lateout("x13") r[13], lateout("x14") r[14], lateout("x15") r[15],
                lateout("x16") r[16], lateout("x17") r[17],
            );
        }
        (ticks() - before, Regs(r))
    }};
}

/// Makes the same call so many times (at least once): the ticks of all of them without those of the
/// loop around them, and the last answer.
#[must_use]
pub fn repeat(regs: &Regs, rounds: u64) -> (u64, Regs) {
    let (empty, _) = repeat!("nop", regs, rounds);
    let (whole, answer) = repeat!("smc #0", regs, rounds);
    (whole.saturating_sub(empty), answer)
}
