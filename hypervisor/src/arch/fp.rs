//! FP/SIMD of partitions, switched on first use, and the normal world's whole vector state kept.
//!
//! A partition's write to a V register clears the rest of the Z register under it (DDI0487, the SIMD and
//! floating-point registers), so that the normal world's SVE state has to be kept whole, with its
//! predicates.

use core::arch::global_asm;

use aarch64_cpu::registers::{ID_AA64PFR0_EL1, Readable as _};

use super::registers as r;

/// FP/SIMD registers of a partition.
#[repr(C, align(16))]
pub struct Simd {
    v: [u128; 32],
    fpcr: u64,
    fpsr: u64,
}

impl Simd {
    /// All zero.
    pub const fn new() -> Self {
        Self {
            v: [0; 32],
            fpcr: 0,
            fpsr: 0,
        }
    }

    /// Takes the registers from the core.
    pub fn save(&mut self) {
        // SAFETY: stores 528 bytes to `self`, whose layout the assembly uses; FP is not trapped here
        // (`cpu::allow_fp` or `allow_vectors` went before).
        unsafe { simd_save(self) }
    }

    /// Puts the registers into the core.
    pub fn load(&self) {
        // SAFETY: loads 528 bytes from `self`; the hypervisor itself is built without FP.
        unsafe { simd_load(self) }
    }
}

/// Longest vector of the architecture in bytes.
const LONGEST: usize = 256;

/// The vector state of the normal world: SVE where the core has it, else FP/SIMD.
#[repr(C, align(16))]
pub struct Vectors {
    z: [u8; 32 * LONGEST],
    p: [u8; 16 * LONGEST / 8],
    ffr: [u8; LONGEST / 8],
    fpcr: u64,
    fpsr: u64,
    zcr_el2: u64,
}

impl Vectors {
    /// All zero.
    pub const fn new() -> Self {
        Self {
            z: [0; 32 * LONGEST],
            p: [0; 16 * LONGEST / 8],
            ffr: [0; LONGEST / 8],
            fpcr: 0,
            fpsr: 0,
            zcr_el2: 0,
        }
    }

    /// Takes the state from the core, at the longest vector that EL3 allows.
    pub fn save(&mut self) {
        if has_sve() {
            self.zcr_el2 = r::zcr_el2::read();
            r::zcr_el2::write(0xf);
            // SAFETY: the areas hold the longest vectors; SVE is not trapped at EL2 here
            // (`cpu::allow_vectors` went before).
            unsafe {
                sve_save(
                    &raw mut self.z,
                    &raw mut self.p,
                    &raw mut self.ffr,
                    &raw mut self.fpcr,
                );
            }
        } else {
            // SAFETY: `z` is larger than 32 V registers and 16-byte aligned.
            unsafe { v_save(&raw mut self.z, &raw mut self.fpcr) }
        }
    }

    /// Puts the state back.
    pub fn load(&self) {
        if has_sve() {
            r::zcr_el2::write(0xf);
            // SAFETY: reads what `save` wrote, at the same length.
            unsafe {
                sve_load(
                    &raw const self.z,
                    &raw const self.p,
                    &raw const self.ffr,
                    &raw const self.fpcr,
                );
            }
            r::zcr_el2::write(self.zcr_el2);
        } else {
            // SAFETY: reads what `save` wrote.
            unsafe { v_load(&raw const self.z, &raw const self.fpcr) }
        }
    }
}

/// Whether the core has SVE.
pub fn has_sve() -> bool {
    ID_AA64PFR0_EL1.get() >> 32 & 0xf != 0
}

unsafe extern "C" {
    fn simd_save(to: *mut Simd);
    fn simd_load(from: *const Simd);
    fn v_save(v: *mut [u8; 32 * LONGEST], fpcr: *mut u64);
    fn v_load(v: *const [u8; 32 * LONGEST], fpcr: *const u64);
    fn sve_save(
        z: *mut [u8; 32 * LONGEST],
        p: *mut [u8; 16 * LONGEST / 8],
        ffr: *mut [u8; LONGEST / 8],
        fpcr: *mut u64,
    );
    fn sve_load(
        z: *const [u8; 32 * LONGEST],
        p: *const [u8; 16 * LONGEST / 8],
        ffr: *const [u8; LONGEST / 8],
        fpcr: *const u64,
    );
}

// `simd_*` take V registers, FPCR, FPSR in one block; `v_*` and `sve_*` take FPCR, FPSR apart.
global_asm!(
    r#"
    .arch armv8.2-a+sve
    .section .text, "ax"

    .macro  each_v op, base
    \op     q0, q1, [\base]
    \op     q2, q3, [\base, #32]
    \op     q4, q5, [\base, #64]
    \op     q6, q7, [\base, #96]
    \op     q8, q9, [\base, #128]
    \op     q10, q11, [\base, #160]
    \op     q12, q13, [\base, #192]
    \op     q14, q15, [\base, #224]
    \op     q16, q17, [\base, #256]
    \op     q18, q19, [\base, #288]
    \op     q20, q21, [\base, #320]
    \op     q22, q23, [\base, #352]
    \op     q24, q25, [\base, #384]
    \op     q26, q27, [\base, #416]
    \op     q28, q29, [\base, #448]
    \op     q30, q31, [\base, #480]
    .endm

    .macro  each_z op, base
    .irp    n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    \op     z\n, [\base, #\n, mul vl]
    .endr
    .endm

    .macro  each_p op, base
    .irp    n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
    \op     p\n, [\base, #\n, mul vl]
    .endr
    .endm

    .macro  status_save base
    mrs     x4, fpcr
    mrs     x5, fpsr
    stp     x4, x5, [\base]
    .endm

    .macro  status_load base
    ldp     x4, x5, [\base]
    msr     fpcr, x4
    msr     fpsr, x5
    .endm

simd_save:
    each_v  stp, x0
    add     x1, x0, #512
    status_save x1
    ret
simd_load:
    each_v  ldp, x0
    add     x1, x0, #512
    status_load x1
    ret
v_save:
    each_v  stp, x0
    status_save x1
    ret
v_load:
    each_v  ldp, x0
    status_load x1
    ret
sve_save:
    each_z  str, x0
    each_p  str, x1
    rdffr   p0.b
    str     p0, [x2]
    ldr     p0, [x1]
    status_save x3
    ret
sve_load:
    each_z  ldr, x0
    ldr     p0, [x2]
    wrffr   p0.b
    each_p  ldr, x1
    status_load x3
    ret
"#
);
