//! What touches the machine: the only module of this crate with `unsafe`.
use crate::commands::forbidden;
use core::arch::{asm, global_asm};

/// Reads 8 bytes of memory that is none of Rust's.
pub fn read(address: u64) -> u64 {
    let mut value = 0_u64;
    // SAFETY: a single load, which the caller expects to fail, of memory outside of the image.
    unsafe {
        asm!("ldr {v}, [{a}]", v = inout(reg) value, a = in(reg) address, options(nostack, preserves_flags));
    };
    value
}

/// Writes 8 bytes of memory that is none of Rust's.
pub fn write(address: u64, value: u64) {
    // SAFETY: a single store, which the caller expects to fail, outside of the image.
    unsafe {
        asm!("str {v}, [{a}]", v = in(reg) value, a = in(reg) address, options(nostack, preserves_flags));
    };
}

/// Reads 1, 2, 4 or 8 bytes of memory that is none of Rust's, or writes them.
pub fn access(address: u64, size: u64, write: Option<u64>) -> u64 {
    let mut value = write.unwrap_or(0);
    macro_rules! one {
        ($load:literal, $store:literal) => {
            // SAFETY: a single load or store outside of the image, as in `read` and `write`.
            unsafe {
                match write {
                    Some(_) => asm!($store, v = in(reg) value, a = in(reg) address, options(nostack, preserves_flags)),
                    None => asm!($load, v = inout(reg) value, a = in(reg) address, options(nostack, preserves_flags)),
                }
            }
        };
    }
    match size {
        1 => one!("ldrb {v:w}, [{a}]", "strb {v:w}, [{a}]"),
        2 => one!("ldrh {v:w}, [{a}]", "strh {v:w}, [{a}]"),
        4 => one!("ldr {v:w}, [{a}]", "str {v:w}, [{a}]"),
        // Two registers: no syndrome says what they are.
        16 => one!("ldp {v}, xzr, [{a}]", "stp {v}, xzr, [{a}]"),
        _ => one!("ldr {v}, [{a}]", "str {v}, [{a}]"),
    }
    value
}

/// Writes one value and another one in turn to 8 bytes, so many times each, as fast as possible.
pub fn flip(address: u64, values: [u64; 2], times: u64) {
    for _ in 0..times {
        for value in values {
            write(address, value);
        }
    }
}

/// System registers that nothing here needs, so that they can be filled with anything.
macro_rules! each_register {
    ($do:ident) => {
        $do!(
            "tpidr_el0",
            "tpidrro_el0",
            "contextidr_el1",
            "ttbr1_el1",
            "par_el1",
            "afsr0_el1",
            "afsr1_el1",
            "far_el1",
            "esr_el1",
            "elr_el1",
            "sp_el0",
            "amair_el1",
            "cntkctl_el1",
            "csselr_el1"
        )
    };
}

/// How many there are.
pub const REGISTERS: usize = 14;

/// Reads them all.
pub fn registers() -> [u64; REGISTERS] {
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

/// What [`fill_registers`] writes to each of them.
pub fn filling(seed: u64) -> [u64; REGISTERS] {
    let mut value = seed;
    core::array::from_fn(|_| {
        value = value.rotate_left(5) ^ 0x5a5a_1234_0000_ffff;
        value
    })
}

/// Writes to each of them a value made from `seed`.
pub fn fill_registers(seed: u64) {
    let mut values = filling(seed).into_iter();
    macro_rules! write_each {
        ($($name:literal),*) => {
            $({
                let value = values.next().unwrap_or(0);
                // SAFETY: no code here uses the register, see above.
                unsafe { asm!(concat!("msr ", $name, ", {}"), in(reg) value, options(nomem, nostack, preserves_flags)) };
            })*
        };
    }
    each_register!(write_each);
    // SAFETY: makes the above take effect.
    unsafe { asm!("isb", options(nomem, nostack, preserves_flags)) };
}

macro_rules! each_vector {
    ($($before:literal,)* ; $make:ident) => {
        concat!(
            $make!("0", "0"),
            $make!("1", "16"),
            $make!("2", "32"),
            $make!("3", "48"),
            $make!("4", "64"),
            $make!("5", "80"),
            $make!("6", "96"),
            $make!("7", "112"),
            $make!("8", "128"),
            $make!("9", "144"),
            $make!("10", "160"),
            $make!("11", "176"),
            $make!("12", "192"),
            $make!("13", "208"),
            $make!("14", "224"),
            $make!("15", "240"),
            $make!("16", "256"),
            $make!("17", "272"),
            $make!("18", "288"),
            $make!("19", "304"),
            $make!("20", "320"),
            $make!("21", "336"),
            $make!("22", "352"),
            $make!("23", "368"),
            $make!("24", "384"),
            $make!("25", "400"),
            $make!("26", "416"),
            $make!("27", "432"),
            $make!("28", "448"),
            $make!("29", "464"),
            $make!("30", "480"),
            $make!("31", "496")
        )
    };
}

macro_rules! store {
    ($n:literal, $at:literal) => {
        concat!("str q", $n, ", [{to}, #", $at, "]\n")
    };
}

macro_rules! fill {
    ($n:literal, $at:literal) => {
        concat!("dup v", $n, ".2d, {value}\n")
    };
}

/// The FP registers as they are, as pairs of numbers.
pub fn vectors() -> [u64; 64] {
    let mut all = [0_u64; 64];
    // SAFETY: 512 bytes are stored, all in `all`.
    unsafe { asm!(each_vector!(; store), to = in(reg) all.as_mut_ptr(), options(nostack, preserves_flags)) };
    all
}

/// Fills the FP registers, FPCR's rounding mode and FPSR's flags.
pub fn fill_vectors(value: u64) {
    // SAFETY: all registers are named as lost; FPCR is set back to what Rust code expects.
    unsafe {
        asm!(
            each_vector!(; fill),
            "msr fpsr, {flags}",
            value = in(reg) value,
            flags = in(reg) 0x1f_u64,
            out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _, out("v7") _,
            out("v8") _, out("v9") _, out("v10") _, out("v11") _, out("v12") _, out("v13") _, out("v14") _, out("v15") _,
            out("v16") _, out("v17") _, out("v18") _, out("v19") _, out("v20") _, out("v21") _, out("v22") _, out("v23") _,
            out("v24") _, out("v25") _, out("v26") _, out("v27") _, out("v28") _, out("v29") _, out("v30") _, out("v31") _,
            options(nomem, nostack)
        );
    }
}

/// Gives an emulated machine that runs one core at a time the hint to go on with another one.
pub fn pause() {
    // SAFETY: a hint.
    unsafe { asm!("yield", options(nomem, nostack, preserves_flags)) };
}

/// Fills the FP registers and a few general ones, counts down, and counts those that changed.
pub fn busy(count: u64) -> u64 {
    let mut all = [0_u64; 64];
    let value = 0x0123_4567_89ab_cdef_u64;
    let (a, b, c): (u64, u64, u64);
    // SAFETY: 512 bytes are stored in `all`; all changed registers are named.
    unsafe {
        asm!(
            each_vector!(; fill),
            "mov {a}, {value}",
            "mov {b}, {value}",
            "mov {c}, {value}",
            "1: subs {count}, {count}, #1",
            "b.hi 1b",
            each_vector!(; store),
            value = in(reg) value,
            to = in(reg) all.as_mut_ptr(),
            count = inout(reg) count => _,
            a = out(reg) a,
            b = out(reg) b,
            c = out(reg) c,
            out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _, out("v7") _,
            out("v8") _, out("v9") _, out("v10") _, out("v11") _, out("v12") _, out("v13") _, out("v14") _, out("v15") _,
            out("v16") _, out("v17") _, out("v18") _, out("v19") _, out("v20") _, out("v21") _, out("v22") _, out("v23") _,
            out("v24") _, out("v25") _, out("v26") _, out("v27") _, out("v28") _, out("v29") _, out("v30") _, out("v31") _,
            options(nostack)
        );
    }
    let changed = all.iter().chain(&[a, b, c]).filter(|v| **v != value).count();
    changed as u64
}

/// Does what a partition must not do, in one instruction where that is possible.
pub fn forbidden(what: u64, argument: u64) -> u64 {
    macro_rules! attempt {
        ($instruction:literal, $value:ident) => {
            asm!($instruction, inout(reg) $value, options(nostack, preserves_flags))
        };
    }
    let mut value = argument;
    // SAFETY: what these instructions would change, if they were let through, is nothing that the
    // code here relies on: that is what the case then reports as a failure.
    unsafe {
        match what {
            forbidden::SET_WAY => attempt!("dc cisw, {}", value),
            forbidden::DEBUG => attempt!("msr mdscr_el1, {}", value),
            forbidden::BREAKPOINT => attempt!("msr dbgbvr0_el1, {}", value),
            forbidden::COUNTERS => attempt!("msr pmcr_el0, {}", value),
            forbidden::AUXILIARY => attempt!("msr actlr_el1, {}", value),
            forbidden::UNKNOWN_REGISTER => attempt!("mrs {}, S3_0_C15_C0_0", value),
            forbidden::SGI => attempt!("msr S3_0_C12_C11_5, {}", value),
            forbidden::PRIORITY => attempt!("msr S3_0_C4_C6_0, {}", value),
            forbidden::KEYS => attempt!("msr S3_0_C2_C1_0, {}", value),
            forbidden::OS_LOCK => attempt!("msr oslar_el1, {}", value),
            forbidden::TRACE => attempt!("msr S3_0_C1_C2_1, {}", value),
            forbidden::SECURE_TIMER => attempt!("msr cntps_ctl_el1, {}", value),
            forbidden::ERROR_RECORDS => attempt!("mrs {}, S3_0_C5_C3_0", value),
            forbidden::ACTIVITY => attempt!("msr S3_3_C13_C2_0, {}", value),
            forbidden::ORDERING => attempt!("msr S3_0_C10_C4_3, {}", value),
            // SCTLR_EL1.EnIA, then a signature of a pointer: 0 if it was made; SCTLR is put back.
            forbidden::SIGN => asm!(
                "mrs {old}, sctlr_el1",
                "orr {new}, {old}, #(1 << 31)",
                "msr sctlr_el1, {new}",
                "isb",
                ".inst 0xdac103e0", // paciza x0
                "msr sctlr_el1, {old}",
                "isb",
                old = out(reg) _, new = out(reg) _, inout("x0") value, options(nostack, preserves_flags)
            ),
            forbidden::READ_KEYS => attempt!("mrs {}, S3_0_C2_C1_0", value),
            forbidden::READ_CYCLES => attempt!("mrs {}, pmccntr_el0", value),
            forbidden::READ_WATCHPOINT => attempt!("mrs {}, dbgwcr0_el1", value),
            forbidden::READ_HCR => attempt!("mrs {}, hcr_el2", value),
            forbidden::READ_VSTTBR => attempt!("mrs {}, S3_4_C2_C6_0", value),
            forbidden::READ_SCR => attempt!("mrs {}, S3_6_C1_C1_0", value),
            forbidden::WRITE_VTTBR => attempt!("msr vttbr_el2, {}", value),
            forbidden::PROFILING => attempt!("msr S3_0_C9_C9_0, {}", value),
            forbidden::TRACE_BUFFER => attempt!("msr S3_0_C9_C11_0, {}", value),
            // cntd x0
            forbidden::SVE => {
                asm!(".inst 0x04e0e3e0", lateout("x0") value, options(nostack, preserves_flags));
            }
            forbidden::HANG => loop {
                asm!("nop", options(nomem, nostack, preserves_flags));
            },
            forbidden::SLEEP => loop {
                asm!("wfi", options(nomem, nostack, preserves_flags));
            },
            _ => asm!("udf #0", options(nostack, preserves_flags)),
        }
    }
    value
}

// `identify(into, number)` fills x0 to x30, reads ID_AA64PFR0_EL1 into the one with this number, and stores all of them in
// `into`. x17 finds the way to the instruction; what it holds is the last word.
global_asm!(
    r#"
    .section .text, "ax"
    .global identify
identify:
    stp     x19, x20, [sp, #-96]!
    stp     x21, x22, [sp, #16]
    stp     x23, x24, [sp, #32]
    stp     x25, x26, [sp, #48]
    stp     x27, x28, [sp, #64]
    stp     x29, x30, [sp, #80]
    sub     sp, sp, #272
    str     x0, [sp, #256]
    adr     x17, 1f
    add     x17, x17, x1, lsl #3
    str     x17, [sp, #248]
    .irp    n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30
    mov     x\n, #0x5a00 + \n
    .endr
    br      x17
1:
    .irp    n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30
    mrs     x\n, id_aa64pfr0_el1
    b       2f
    .endr
2:
    .irp    n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30
    str     x\n, [sp, #8 * \n]
    .endr
    ldr     x0, [sp, #256]
    mov     x1, xzr
3:
    ldr     x2, [sp, x1]
    str     x2, [x0, x1]
    add     x1, x1, #8
    cmp     x1, #256
    b.ne    3b
    add     sp, sp, #272
    ldp     x21, x22, [sp, #16]
    ldp     x23, x24, [sp, #32]
    ldp     x25, x26, [sp, #48]
    ldp     x27, x28, [sp, #64]
    ldp     x29, x30, [sp, #80]
    ldp     x19, x20, [sp], #96
    ret
"#
);

unsafe extern "C" {
    fn identify(into: *mut u64, number: usize);
}

/// ID_AA64PFR0_EL1, read into each general register; and how many registers were then not what they had to be.
pub fn identification() -> [u64; 2] {
    let value: u64;
    // SAFETY: reading an ID register changes nothing; into the zero register not even that.
    unsafe {
        asm!("mrs xzr, id_aa64pfr0_el1", "mrs {}, id_aa64pfr0_el1", out(reg) value, options(nomem, nostack, preserves_flags));
    }
    let mut wrong = 0;
    for number in 0..31 {
        let mut all = [0_u64; 32];
        // SAFETY: it is a function by the rules of C that writes 32 words; the number is one of a register.
        unsafe { identify(all.as_mut_ptr(), number) };
        let [registers @ .., way] = all;
        wrong += (0..)
            .zip(registers)
            .filter(|(n, register)| {
                let wanted = match *n {
                    n if n == number => value,
                    17 => way,
                    n => 0x5a00 + n as u64,
                };
                *register != wanted
            })
            .count() as u64;
    }
    [value, wrong]
}
