//! The core's random numbers (FEAT_RNG).

use aarch64_cpu::registers::{ID_AA64ISAR0_EL1, Readable as _};

/// How often RNDR is asked before it counts as broken (DDI0487, RNDR: it may fail now and then).
const TRIES: usize = 8;

/// A random word; none where the core has no FEAT_RNG, or its source fails.
pub fn word() -> Option<u64> {
    if ID_AA64ISAR0_EL1.get() >> 60 == 0 {
        return None;
    }
    (0..TRIES).find_map(|_| read())
}

fn read() -> Option<u64> {
    let (value, good): (u64, u64);
    // SAFETY: reading RNDR changes the flags alone, which asm! gives back to nobody; the core has it.
    unsafe {
        core::arch::asm!("mrs {}, S3_3_C2_C4_0", "cset {}, ne", out(reg) value, out(reg) good, options(nomem, nostack));
    }
    (good == 1).then_some(value)
}
