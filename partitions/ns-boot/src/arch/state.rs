//! The state that a call must keep: EL1 system registers, general registers, FP and SVE.
use core::arch::asm;

/// EL1's registers, which the normal world's kernel would use and EL3 does not switch here.
macro_rules! each_register {
    ($do:ident) => {
        $do!(
            "sctlr_el1",
            "cpacr_el1",
            "ttbr0_el1",
            "ttbr1_el1",
            "tcr_el1",
            "esr_el1",
            "afsr0_el1",
            "afsr1_el1",
            "far_el1",
            "mair_el1",
            "vbar_el1",
            "contextidr_el1",
            "tpidr_el1",
            "tpidr_el0",
            "tpidrro_el0",
            "amair_el1",
            "cntkctl_el1",
            "sp_el0",
            "sp_el1",
            "elr_el1",
            "spsr_el1",
            "par_el1",
            "csselr_el1",
            "mdscr_el1",
            "S3_0_C2_C1_0",
            "S3_0_C2_C1_1",
            "S3_0_C2_C1_2",
            "S3_0_C2_C1_3",
            "S3_0_C2_C2_0",
            "S3_0_C2_C2_1",
            "S3_0_C2_C2_2",
            "S3_0_C2_C2_3",
            "S3_0_C2_C3_0",
            "S3_0_C2_C3_1"
        )
    };
}

macro_rules! names {
    ($($name:literal),*) => { [$($name),*] };
}

/// Their names; the last ten are pointer-authentication keys.
pub const REGISTERS: [&str; 34] = each_register!(names);

/// Reads them all.
pub fn registers() -> [u64; REGISTERS.len()] {
    macro_rules! read_each {
        ($($name:literal),*) => {
            [$({
                let value: u64;
                // SAFETY: reading a register changes nothing.
                unsafe { asm!(concat!("mrs {}, ", $name), out(reg) value, options(nomem, nostack, preserves_flags)) };
                value
            }),*]
        };
    }
    each_register!(read_each)
}

/// Writes them all; EL2 uses none of them.
pub fn set_registers(values: &[u64; REGISTERS.len()]) {
    let mut values = values.iter().copied();
    macro_rules! write_each {
        ($($name:literal),*) => {
            $({
                let value = values.next().unwrap_or(0);
                // SAFETY: no code at EL2 depends on EL1's registers.
                unsafe { asm!(concat!("msr ", $name, ", {}"), in(reg) value, options(nomem, nostack, preserves_flags)) };
            })*
        };
    }
    each_register!(write_each);
    // SAFETY: makes the above take effect.
    unsafe { asm!("isb", options(nomem, nostack, preserves_flags)) };
}

/// Makes the SMC in `r` (x0 to x7) with x18 to x28 full of a pattern, and counts those that changed.
pub fn call_with_full_registers(r: &mut [u64; 8]) -> u64 {
    let changed: u64;
    // SAFETY: x19 and x29 are saved by hand on this stack; everything else that changes is named.
    unsafe {
        asm!(
            "stp x19, x29, [sp, #-16]!",
            "mov x18, #0x1818", "mov x19, #0x1919", "mov x20, #0x2020", "mov x21, #0x2121",
            "mov x22, #0x2222", "mov x23, #0x2323", "mov x24, #0x2424", "mov x25, #0x2525",
            "mov x26, #0x2626", "mov x27, #0x2727", "mov x28, #0x2828",
            "smc #0",
            "mov x8, #0",
            "mov x9, #0x1818", "cmp x18, x9", "cinc x8, x8, ne",
            "mov x9, #0x1919", "cmp x19, x9", "cinc x8, x8, ne",
            "mov x9, #0x2020", "cmp x20, x9", "cinc x8, x8, ne",
            "mov x9, #0x2121", "cmp x21, x9", "cinc x8, x8, ne",
            "mov x9, #0x2222", "cmp x22, x9", "cinc x8, x8, ne",
            "mov x9, #0x2323", "cmp x23, x9", "cinc x8, x8, ne",
            "mov x9, #0x2424", "cmp x24, x9", "cinc x8, x8, ne",
            "mov x9, #0x2525", "cmp x25, x9", "cinc x8, x8, ne",
            "mov x9, #0x2626", "cmp x26, x9", "cinc x8, x8, ne",
            "mov x9, #0x2727", "cmp x27, x9", "cinc x8, x8, ne",
            "mov x9, #0x2828", "cmp x28, x9", "cinc x8, x8, ne",
            "ldp x19, x29, [sp], #16",
            inout("x0") r[0], inout("x1") r[1], inout("x2") r[2], inout("x3") r[3],
            inout("x4") r[4], inout("x5") r[5], inout("x6") r[6], inout("x7") r[7],
            out("x8") changed, out("x9") _, out("x10") _, out("x11") _, out("x12") _, out("x13") _,
            out("x14") _, out("x15") _, out("x16") _, out("x17") _, out("x18") _, out("x20") _,
            out("x21") _, out("x22") _, out("x23") _, out("x24") _, out("x25") _, out("x26") _,
            out("x27") _, out("x28") _,
        );
    }
    changed
}

/// Whether this core has SVE that EL3 left to the normal world.
pub fn has_sve() -> bool {
    let features: u64;
    // SAFETY: reading an ID register.
    unsafe { asm!("mrs {}, id_aa64pfr0_el1", out(reg) features, options(nomem, nostack, preserves_flags)) };
    features >> 32 & 0xf != 0
}

/// The longest vector (2048 bits) times 32 registers, in words of 64 bits; then predicates and FFR.
const VECTOR_WORDS: usize = 32 * 256 / 8;
const PREDICATE_WORDS: usize = 17 * 32 / 8;

macro_rules! each_sve {
    ($vector:literal, $predicate:literal) => {
        concat!(
            $vector,
            " z0, [{v}, #0, mul vl]\n",
            $vector,
            " z1, [{v}, #1, mul vl]\n",
            $vector,
            " z2, [{v}, #2, mul vl]\n",
            $vector,
            " z3, [{v}, #3, mul vl]\n",
            $vector,
            " z4, [{v}, #4, mul vl]\n",
            $vector,
            " z5, [{v}, #5, mul vl]\n",
            $vector,
            " z6, [{v}, #6, mul vl]\n",
            $vector,
            " z7, [{v}, #7, mul vl]\n",
            $vector,
            " z8, [{v}, #8, mul vl]\n",
            $vector,
            " z9, [{v}, #9, mul vl]\n",
            $vector,
            " z10, [{v}, #10, mul vl]\n",
            $vector,
            " z11, [{v}, #11, mul vl]\n",
            $vector,
            " z12, [{v}, #12, mul vl]\n",
            $vector,
            " z13, [{v}, #13, mul vl]\n",
            $vector,
            " z14, [{v}, #14, mul vl]\n",
            $vector,
            " z15, [{v}, #15, mul vl]\n",
            $vector,
            " z16, [{v}, #16, mul vl]\n",
            $vector,
            " z17, [{v}, #17, mul vl]\n",
            $vector,
            " z18, [{v}, #18, mul vl]\n",
            $vector,
            " z19, [{v}, #19, mul vl]\n",
            $vector,
            " z20, [{v}, #20, mul vl]\n",
            $vector,
            " z21, [{v}, #21, mul vl]\n",
            $vector,
            " z22, [{v}, #22, mul vl]\n",
            $vector,
            " z23, [{v}, #23, mul vl]\n",
            $vector,
            " z24, [{v}, #24, mul vl]\n",
            $vector,
            " z25, [{v}, #25, mul vl]\n",
            $vector,
            " z26, [{v}, #26, mul vl]\n",
            $vector,
            " z27, [{v}, #27, mul vl]\n",
            $vector,
            " z28, [{v}, #28, mul vl]\n",
            $vector,
            " z29, [{v}, #29, mul vl]\n",
            $vector,
            " z30, [{v}, #30, mul vl]\n",
            $vector,
            " z31, [{v}, #31, mul vl]\n",
            $predicate,
            " p0, [{p}, #0, mul vl]\n",
            $predicate,
            " p1, [{p}, #1, mul vl]\n",
            $predicate,
            " p2, [{p}, #2, mul vl]\n",
            $predicate,
            " p3, [{p}, #3, mul vl]\n",
            $predicate,
            " p4, [{p}, #4, mul vl]\n",
            $predicate,
            " p5, [{p}, #5, mul vl]\n",
            $predicate,
            " p6, [{p}, #6, mul vl]\n",
            $predicate,
            " p7, [{p}, #7, mul vl]\n",
            $predicate,
            " p8, [{p}, #8, mul vl]\n",
            $predicate,
            " p9, [{p}, #9, mul vl]\n",
            $predicate,
            " p10, [{p}, #10, mul vl]\n",
            $predicate,
            " p11, [{p}, #11, mul vl]\n",
            $predicate,
            " p12, [{p}, #12, mul vl]\n",
            $predicate,
            " p13, [{p}, #13, mul vl]\n",
            $predicate,
            " p14, [{p}, #14, mul vl]\n",
            $predicate,
            " p15, [{p}, #15, mul vl]\n",
        )
    };
}

/// Fills all SVE registers (or, without SVE, all FP registers), makes the SMC in `r`, and counts the
/// words that changed. Also gives the length of a vector in bytes.
pub fn call_with_full_vectors(r: &mut [u64; 8]) -> (u64, u64) {
    if has_sve() { sve(r) } else { (fp(r), 16) }
}

fn sve(r: &mut [u64; 8]) -> (u64, u64) {
    let mut vectors = [0_u64; VECTOR_WORDS];
    let mut predicates = [0_u64; PREDICATE_WORDS];
    let mut length = 0_u64;
    // SAFETY: CPTR_EL2 traps nothing; the longest vectors are chosen.
    unsafe {
        asm!(".arch_extension sve", "msr S3_4_C1_C2_0, {}", "isb", "rdvl {}, #1", in(reg) 0xf_u64, lateout(reg) length);
    }
    let words = length as usize / 8;
    for (n, word) in vectors.iter_mut().enumerate() {
        *word = 0x0101_0101_0101_0101_u64.wrapping_mul(n as u64 + 1);
    }
    for (n, word) in predicates.iter_mut().enumerate() {
        *word = 0x8421_1248_8421_1248_u64.rotate_left(n as u32);
    }
    // The FFR has to be monotonic: its lowest bits, from a pattern of `whilelo`.
    let (expected, expected_predicates) = (vectors, predicates);
    let mut ffr = [0_u64; 8];
    let mut ffr_before = [0_u64; 8];
    // SAFETY: loads and stores lie in the arrays, which have room for the longest vectors; all
    // registers are named as lost.
    unsafe {
        asm!(
            ".arch_extension sve",
            "whilelo p0.b, xzr, {three}",
            "wrffr p0.b",
            "str p0, [{before}]",
            each_sve!("ldr", "ldr"),
            "smc #0",
            each_sve!("str", "str"),
            "rdffr p0.b",
            "str p0, [{ffr}]",
            v = in(reg) vectors.as_mut_ptr(),
            p = in(reg) predicates.as_mut_ptr(),
            ffr = in(reg) ffr.as_mut_ptr(),
            before = in(reg) ffr_before.as_mut_ptr(),
            three = in(reg) 3_u64,
            inout("x0") r[0], inout("x1") r[1], inout("x2") r[2], inout("x3") r[3],
            inout("x4") r[4], inout("x5") r[5], inout("x6") r[6], inout("x7") r[7],
            out("x8") _, out("x9") _, out("x10") _, out("x11") _, out("x12") _, out("x13") _,
            out("x14") _, out("x15") _, out("x16") _, out("x17") _,
            out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _, out("v7") _,
            out("v8") _, out("v9") _, out("v10") _, out("v11") _, out("v12") _, out("v13") _, out("v14") _, out("v15") _,
            out("v16") _, out("v17") _, out("v18") _, out("v19") _, out("v20") _, out("v21") _, out("v22") _, out("v23") _,
            out("v24") _, out("v25") _, out("v26") _, out("v27") _, out("v28") _, out("v29") _, out("v30") _, out("v31") _,
            out("p0") _, out("p1") _, out("p2") _, out("p3") _, out("p4") _, out("p5") _, out("p6") _, out("p7") _,
            out("p8") _, out("p9") _, out("p10") _, out("p11") _, out("p12") _, out("p13") _, out("p14") _, out("p15") _,
            out("ffr") _,
        );
    }
    let control: u64;
    // SAFETY: reading a register.
    unsafe { asm!("mrs {}, S3_4_C1_C2_0", out(reg) control) };
    let changed = differing(&vectors[..32 * words], &expected[..32 * words])
        + differing(&predicates[..2 * words], &expected_predicates[..2 * words])
        + differing(&ffr, &ffr_before)
        + u64::from(control & 0xf != 0xf);
    (changed, length)
}

fn differing(a: &[u64], b: &[u64]) -> u64 {
    a.iter().zip(b).filter(|(a, b)| a != b).count() as u64
}

fn fp(r: &mut [u64; 8]) -> u64 {
    let mut after = [0_u64; 64];
    let value = 0x0123_4567_89ab_cdef_u64;
    // SAFETY: 512 bytes are stored in the array; all registers are named as lost.
    unsafe {
        asm!(
            "dup v0.2d, {value}",
            "mov v1.16b, v0.16b", "mov v2.16b, v0.16b", "mov v3.16b, v0.16b", "mov v4.16b, v0.16b",
            "mov v5.16b, v0.16b", "mov v6.16b, v0.16b", "mov v7.16b, v0.16b", "mov v8.16b, v0.16b",
            "mov v9.16b, v0.16b", "mov v10.16b, v0.16b", "mov v11.16b, v0.16b", "mov v12.16b, v0.16b",
            "mov v13.16b, v0.16b", "mov v14.16b, v0.16b", "mov v15.16b, v0.16b", "mov v16.16b, v0.16b",
            "mov v17.16b, v0.16b", "mov v18.16b, v0.16b", "mov v19.16b, v0.16b", "mov v20.16b, v0.16b",
            "mov v21.16b, v0.16b", "mov v22.16b, v0.16b", "mov v23.16b, v0.16b", "mov v24.16b, v0.16b",
            "mov v25.16b, v0.16b", "mov v26.16b, v0.16b", "mov v27.16b, v0.16b", "mov v28.16b, v0.16b",
            "mov v29.16b, v0.16b", "mov v30.16b, v0.16b", "mov v31.16b, v0.16b",
            "smc #0",
            "stp q0, q1, [{a}, #0]", "stp q2, q3, [{a}, #32]", "stp q4, q5, [{a}, #64]", "stp q6, q7, [{a}, #96]",
            "stp q8, q9, [{a}, #128]", "stp q10, q11, [{a}, #160]", "stp q12, q13, [{a}, #192]",
            "stp q14, q15, [{a}, #224]", "stp q16, q17, [{a}, #256]", "stp q18, q19, [{a}, #288]",
            "stp q20, q21, [{a}, #320]", "stp q22, q23, [{a}, #352]", "stp q24, q25, [{a}, #384]",
            "stp q26, q27, [{a}, #416]", "stp q28, q29, [{a}, #448]", "stp q30, q31, [{a}, #480]",
            value = in(reg) value,
            a = in(reg) after.as_mut_ptr(),
            inout("x0") r[0], inout("x1") r[1], inout("x2") r[2], inout("x3") r[3],
            inout("x4") r[4], inout("x5") r[5], inout("x6") r[6], inout("x7") r[7],
            out("x8") _, out("x9") _, out("x10") _, out("x11") _, out("x12") _, out("x13") _,
            out("x14") _, out("x15") _, out("x16") _, out("x17") _,
            out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _, out("v7") _,
            out("v8") _, out("v9") _, out("v10") _, out("v11") _, out("v12") _, out("v13") _, out("v14") _, out("v15") _,
            out("v16") _, out("v17") _, out("v18") _, out("v19") _, out("v20") _, out("v21") _, out("v22") _, out("v23") _,
            out("v24") _, out("v25") _, out("v26") _, out("v27") _, out("v28") _, out("v29") _, out("v30") _, out("v31") _,
        );
    }
    after.iter().filter(|word| **word != value).count() as u64
}
