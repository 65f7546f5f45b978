//! What a hostile normal world tries with instructions of its own: each tells the exception that it was answered with.
use core::arch::asm;

/// Does one instruction that may be refused, and tells the syndrome if it was.
macro_rules! attempt {
    ($($instruction:tt)*) => {{
        let syndrome: u64;
        // SAFETY: `ns_sync` leaves out the instruction that is refused, changes TPIDR_EL2 only, and nothing else here
        // uses that register; what the instruction reaches is none of Rust's.
        unsafe {
            asm!("msr tpidr_el2, {}", "isb", in(reg) 1_u64, options(nostack, preserves_flags));
            asm!($($instruction)*, options(nostack, preserves_flags));
            asm!("dsb sy", "isb", "mrs {}, tpidr_el2", "msr tpidr_el2, xzr", out(reg) syndrome,
                options(nostack, preserves_flags));
        }
        (syndrome != 1).then_some(syndrome)
    }};
}

/// Reads 4 bytes of memory that is not this program's: the value, or the syndrome.
pub fn load(address: u64) -> Result<u32, u64> {
    let mut value = 0_u32;
    match attempt!("ldr {v:w}, [{a}]", v = inout(reg) value, a = in(reg) address) {
        None => Ok(value),
        Some(syndrome) => Err(syndrome),
    }
}

/// Writes 4 bytes of such memory: the syndrome if it was refused.
pub fn store(address: u64, value: u32) -> Option<u64> {
    attempt!("str {v:w}, [{a}]", v = in(reg) value, a = in(reg) address)
}

/// Registers of S-EL2 and of EL3, each with its name: the exception that a read was answered with, if any.
pub fn secure_registers() -> [(&'static str, Option<u64>); 8] {
    macro_rules! read_each {
        ($($name:literal $register:literal),*) => {
            [$({
                let mut value = 0_u64;
                let refused = attempt!(concat!("mrs {}, ", $register), inout(reg) value);
                let _ = value;
                ($name, refused)
            }),*]
        };
    }
    read_each!(
        "VSTTBR_EL2" "S3_4_C2_C6_0",
        "VSTCR_EL2" "S3_4_C2_C6_2",
        "CNTHPS_CTL_EL2" "S3_4_C14_C5_1",
        "CNTHVS_CTL_EL2" "S3_4_C14_C4_1",
        "CNTPS_CTL_EL1" "S3_7_C14_C2_1",
        "SCR_EL3" "S3_6_C1_C1_0",
        "MDCR_EL3" "S3_6_C1_C3_1",
        "ICC_IGRPEN1_EL3" "S3_6_C12_C12_7"
    )
}

/// Cleans and invalidates every line of the first two levels of cache, by set and way.
pub fn clean_by_set_way() -> Option<u64> {
    let mut refused = None;
    for level in 0..2_u64 {
        for way in 0..4_u64 {
            for set in 0..256_u64 {
                let operand = way << 30 | set << 6 | level << 1;
                refused = refused.or(attempt!("dc cisw, {}", in(reg) operand));
            }
        }
    }
    refused
}

/// Has this core's first watchpoint look for accesses to an address, in every state of the core that a normal world
/// may name and in those that it may not; none: no more.
pub fn watch(address: Option<u64>) {
    // E; PAC = EL1 and EL0, with HMC and SSC those of both worlds; LSC: loads and stores; BAS: all bytes.
    const ALL: u64 = 1 | 3 << 1 | 3 << 3 | 0xff << 5 | 1 << 13;
    const ENABLE: u64 = 1 << 15 | 1 << 13;
    let (control, enable) = match address {
        Some(_) => (ALL, ENABLE),
        None => (0, 0),
    };
    // SAFETY: debug registers that nothing else here uses; this program does not touch the address meanwhile.
    unsafe {
        asm!(
            "msr oslar_el1, xzr",
            "msr dbgwvr0_el1, {address}",
            "msr dbgwcr0_el1, {control}",
            "msr mdscr_el1, {enable}",
            "isb",
            address = in(reg) address.unwrap_or(0), control = in(reg) control, enable = in(reg) enable,
            options(nomem, nostack, preserves_flags)
        );
    }
}

/// Reads 8 bytes of this program's own where the watchpoint looks: the exception that comes of it.
pub fn watched_load(address: u64) -> Option<u64> {
    // MDCR_EL2.TDE: debug exceptions come to EL2, from EL2, too, while PSTATE.D is clear.
    const TO_EL2: u64 = 1 << 8;
    let before: u64;
    // SAFETY: what is changed is put back below; debug exceptions meanwhile are this watchpoint's.
    unsafe {
        asm!("mrs {}, mdcr_el2", out(reg) before, options(nomem, nostack, preserves_flags));
        asm!("msr mdcr_el2, {}", "isb", "msr daifclr, #8", in(reg) before | TO_EL2, options(nomem, nostack));
    }
    let mut value = 0_u64;
    let seen = attempt!("ldr {v}, [{a}]", v = inout(reg) value, a = in(reg) address);
    let _ = value;
    // SAFETY: as above.
    unsafe { asm!("msr daifset, #8", "msr mdcr_el2, {}", "isb", in(reg) before, options(nomem, nostack)) };
    seen
}

/// Has an event counter of this core's performance monitors count cycles at every exception level and in every state
/// that it can name, from zero.
pub fn count_cycles() {
    // CPU_CYCLES; NSH: at EL2; P = NSK = 0 and U = NSU = 0: at EL1 and EL0 of both worlds; SH: at secure EL2, too.
    const CYCLES: u64 = 0x11 | 1 << 27;
    // SAFETY: counters that nothing else here uses at that time.
    unsafe {
        asm!(
            "msr pmselr_el0, xzr", "isb",
            "msr pmxevtyper_el0, {cycles}", "msr pmevcntr0_el0, xzr",
            "msr pmcntenset_el0, {one}", "msr pmcr_el0, {one}", "isb",
            cycles = in(reg) CYCLES, one = in(reg) 1_u64, options(nomem, nostack, preserves_flags)
        );
    }
}

/// What it has counted.
pub fn counted_cycles() -> u64 {
    let count;
    // SAFETY: reading a counter.
    unsafe { asm!("isb", "mrs {}, pmevcntr0_el0", out(reg) count, options(nomem, nostack, preserves_flags)) };
    count
}

/// Registers of EL2 that say what EL1 may do and sees, each with what a hostile hypervisor sets in it: traps of all kinds, other
/// identities, another time, other tables, a pending interrupt. None of these is for EL2 itself, and the routing of its interrupts stays.
macro_rules! each_of_el1 {
    ($do:ident) => {
        $do!(
            // VF, VI, VSE, FB, TWI, TWE, TID1 to TID3, TIDCP, TACR, TSW, TPCP, TPU, TTLB, TVM, TRVM.
            "hcr_el2" 0x47f7_63c0,
            // TTA, TAM, TCPAC.
            "cptr_el2" 0xc010_0000,
            // TPMCR, TPM, TDE, TDA, TDOSA, TDRA, TPMS, TTRF.
            "mdcr_el2" 0x0008_4f60,
            "hstr_el2" 0x0000_bfef,
            // HFGRTR, HFGWTR, HFGITR, HDFGRTR, HDFGWTR.
            "S3_4_C1_C1_4" 0x0000_7fff_ffff_ffff,
            "S3_4_C1_C1_5" 0x0000_7fff_ffff_ffff,
            "S3_4_C1_C1_6" 0x0000_7fff_ffff_ffff,
            "S3_4_C3_C1_4" 0x0000_7fff_ffff_ffff,
            "S3_4_C3_C1_5" 0x0000_7fff_ffff_ffff,
            // ICH_LR0: INTID 27 pending in group 1; ICH_VMCR: groups on, all priorities; ICH_HCR: on, all traps.
            "S3_4_C12_C12_0" 0x5000_0000_0000_001b,
            "S3_4_C12_C11_7" 0xff00_0003,
            "S3_4_C12_C11_0" 0x0000_3c01,
            "vpidr_el2" 0x0dea_d000,
            "vmpidr_el2" 0x0000_0303,
            "cntvoff_el2" 0x7000_0000_0000,
            "vttbr_el2" 0x00aa_0000_7100_0000,
            "vtcr_el2" 0x8000_3f5f,
        )
    };
}

/// How many these are.
pub const TRAPS: usize = 17;

/// Sets all of them; what was in them before.
pub fn set_traps() -> [u64; TRAPS] {
    macro_rules! set_each {
        ($($name:literal $value:literal,)*) => {
            [$({
                let before: u64;
                // SAFETY: what is set is for EL1, where nothing of this program runs.
                unsafe {
                    asm!(concat!("mrs {b}, ", $name), "orr {v}, {v}, {b}", concat!("msr ", $name, ", {v}"),
                        b = out(reg) before, v = inout(reg) $value as u64 => _, options(nomem, nostack));
                }
                before
            }),*]
        };
    }
    let before = each_of_el1!(set_each);
    // SAFETY: makes the above take effect.
    unsafe { asm!("isb", options(nomem, nostack)) };
    before
}

/// Puts all of them back.
pub fn put_back(before: &[u64; TRAPS]) {
    let mut before = before.iter().copied();
    macro_rules! set_each {
        ($($name:literal $value:literal,)*) => {
            $({
                let value = before.next().unwrap_or(0);
                // SAFETY: as it was.
                unsafe { asm!(concat!("msr ", $name, ", {}"), in(reg) value, options(nomem, nostack)) };
            })*
        };
    }
    each_of_el1!(set_each);
    // SAFETY: makes the above take effect.
    unsafe { asm!("isb", options(nomem, nostack)) };
}
