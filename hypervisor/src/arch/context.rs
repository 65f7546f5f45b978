//! The register state of one execution context, and of the normal world while a partition runs.

use aarch64_cpu::registers::{
    ELR_EL1, ESR_EL1, Readable as _, SCTLR_EL1, SPSR_EL1, VBAR_EL1, Writeable as _,
};
use bulkhead_core::api::Regs;

/// General registers, in the layout that `vectors` uses.
#[repr(C)]
pub struct General {
    /// x0 to x17: those of a call.
    pub call: Regs,
    /// x18 to x30.
    rest: [u64; 13],
    /// Where the context goes on.
    pub elr: u64,
    /// Its PSTATE.
    pub spsr: u64,
}

impl General {
    /// All zero.
    pub const fn new() -> Self {
        Self {
            call: Regs([0; 18]),
            rest: [0; 13],
            elr: 0,
            spsr: 0,
        }
    }

    /// A register; 31 is the zero register.
    pub fn get(&self, number: usize) -> u64 {
        self.call
            .0
            .iter()
            .chain(&self.rest)
            .nth(number)
            .copied()
            .unwrap_or(0)
    }

    /// Sets a register; 31 is the zero register.
    pub fn set(&mut self, number: usize, value: u64) {
        let mut all = self.call.0.iter_mut().chain(&mut self.rest);
        if let Some(register) = all.nth(number) {
            *register = value;
        }
    }
}

/// Defines the EL1 state that both worlds use and EL3 does not switch: in pairs, which the core stores by one instruction.
macro_rules! el1_registers {
    ($($first:ident = $first_name:literal, $second:ident = $second_name:literal,)*) => {
        /// EL1's and EL0's system registers: one set that all partitions and the normal world share.
        #[repr(C)]
        pub struct El1 {
            $(
                #[doc = concat!("The register `", $first_name, "`.")]
                pub $first: u64,
                #[doc = concat!("The register `", $second_name, "`.")]
                pub $second: u64,
            )*
        }

        impl El1 {
            /// All zero.
            pub const fn new() -> Self {
                Self { $($first: 0, $second: 0,)* }
            }

            /// Takes the registers from the core.
            #[inline(always)]
            pub fn save(&mut self) {
                $(
                    // SAFETY: reads EL1 registers, which has no effect at EL2.
                    unsafe {
                        core::arch::asm!(
                            concat!("mrs {}, ", $first_name),
                            concat!("mrs {}, ", $second_name),
                            out(reg) self.$first,
                            out(reg) self.$second,
                            options(nomem, nostack)
                        );
                    }
                )*
            }

            /// Puts the registers into the core.
            #[inline(always)]
            pub fn load(&self) {
                $(
                    // SAFETY: writes EL1 registers: EL2 runs with its own translation and stack.
                    unsafe {
                        core::arch::asm!(
                            concat!("msr ", $first_name, ", {}"),
                            concat!("msr ", $second_name, ", {}"),
                            in(reg) self.$first,
                            in(reg) self.$second,
                            options(nomem, nostack)
                        );
                    }
                )*
            }
        }
    };
}

el1_registers! {
    sctlr = "sctlr_el1",
    cpacr = "cpacr_el1",
    ttbr0 = "ttbr0_el1",
    ttbr1 = "ttbr1_el1",
    tcr = "tcr_el1",
    mair = "mair_el1",
    amair = "amair_el1",
    vbar = "vbar_el1",
    contextidr = "contextidr_el1",
    tpidr = "tpidr_el1",
    tpidr_el0 = "tpidr_el0",
    tpidrro_el0 = "tpidrro_el0",
    sp_el0 = "sp_el0",
    sp_el1 = "sp_el1",
    elr = "elr_el1",
    spsr = "spsr_el1",
    esr = "esr_el1",
    far = "far_el1",
    afsr0 = "afsr0_el1",
    afsr1 = "afsr1_el1",
    par = "par_el1",
    cntkctl = "cntkctl_el1",
    csselr = "csselr_el1",
    // VDISR_EL2, which is what EL1 reaches under the name of DISR_EL1 while HCR_EL2.AMO is set.
    vdisr = "S3_4_C12_C1_1",
}

/// How many calls of a context are known when it fails.
const CALLS: usize = 8;

/// The last calls of a context, for the record of its failure: x0 to x3 of each.
pub struct Calls {
    ring: [[u64; 4]; CALLS],
    count: usize,
}

impl Calls {
    /// None yet.
    pub const fn new() -> Self {
        Self {
            ring: [[0; 4]; CALLS],
            count: 0,
        }
    }

    /// Remembers the call that these registers make.
    #[inline(always)]
    pub fn push(&mut self, general: &General) {
        self.ring[self.count % CALLS].copy_from_slice(&general.call.0[..4]);
        self.count = self.count.wrapping_add(1);
    }

    /// Those that are remembered, the oldest first.
    pub fn oldest_first(&self) -> impl Iterator<Item = &[u64; 4]> {
        let known = self.count.min(CALLS);
        (self.count - known..self.count).map(|call| &self.ring[call % CALLS])
    }
}

/// One execution context.
#[repr(C, align(64))]
pub struct State {
    /// General registers; first, so that the vectors find them at the pointer itself.
    pub general: General,
    /// System registers.
    pub el1: El1,
    /// FP/SIMD registers.
    pub fp: super::fp::Simd,
    /// Its last calls.
    pub calls: Calls,
}

/// PSTATE of a context at its first instruction: EL1 with its own stack, all exceptions masked.
pub const RESET_PSTATE: u64 = 0x3c5;

impl State {
    /// A context that was never entered.
    pub const fn new() -> Self {
        Self {
            general: General::new(),
            el1: El1::new(),
            fp: super::fp::Simd::new(),
            calls: Calls::new(),
        }
    }

    /// Puts the context at its first instruction: MMU and caches off, x0 as given, all else zero.
    pub fn reset(&mut self, pc: u64, x0: u64) {
        const SCTLR_RES1: u64 = 0x30d0_0800;
        *self = Self::new();
        self.general.elr = pc;
        self.general.spsr = RESET_PSTATE;
        self.general.call.0[0] = x0;
        self.el1.sctlr = SCTLR_RES1;
    }

    /// Moves behind a trapped instruction.
    pub fn skip_instruction(&mut self) {
        self.general.elr = self.general.elr.wrapping_add(4);
    }

    /// Has the context take an Undefined Instruction exception where it is (DDI0487, exception entry): how a
    /// register or instruction that is not there looks to it. Its EL1 registers are loaded.
    pub fn inject_undefined(&mut self) {
        const SYNDROME_UNKNOWN: u64 = 1 << 25;
        const FROM_EL1_SP0: u64 = 0x4;
        const AARCH32: u64 = 1 << 4;
        let old = self.general.spsr;
        let offset = match old & 0xf {
            _ if old & AARCH32 != 0 => 0x600,
            0x0 => 0x400,
            FROM_EL1_SP0 => 0x000,
            _ => 0x200,
        };
        ESR_EL1.set(SYNDROME_UNKNOWN);
        ELR_EL1.set(self.general.elr);
        SPSR_EL1.set(old);
        self.general.elr = VBAR_EL1.get().wrapping_add(offset);
        self.general.spsr = pstate_of_exception(old, old & AARCH32 != 0);
    }
}

/// PSTATE behind an exception to EL1 (DDI0487, exception entry): the TEE's own guards (PAN, SSBS) are as
/// it has asked for, whatever its application has done.
fn pstate_of_exception(old: u64, aarch32: bool) -> u64 {
    const CONDITION_FLAGS: u64 = 0xf << 28;
    const DIT: u64 = 1 << 24;
    const PAN: u64 = 1 << 22;
    const SSBS: u64 = 1 << 12;
    const SCTLR_SPAN: u64 = 1 << 23;
    const SCTLR_DSSBS: u64 = 1 << 44;
    let sctlr = SCTLR_EL1.get();
    let kept = if aarch32 {
        CONDITION_FLAGS | PAN
    } else {
        CONDITION_FLAGS | PAN | DIT
    };
    let pan = if sctlr & SCTLR_SPAN == 0 { PAN } else { 0 };
    let ssbs = if sctlr & SCTLR_DSSBS == 0 { 0 } else { SSBS };
    RESET_PSTATE | old & kept | pan | ssbs
}
