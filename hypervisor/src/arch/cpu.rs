//! One core: its block, and the traps and controls that hold while partitions run on it.

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{
    CNTHCTL_EL2, CNTVOFF_EL2, CPTR_EL2, HCR_EL2, ICC_SRE_EL2, ICH_HCR_EL2, ID_AA64MMFR0_EL1, MDCR_EL2,
    MIDR_EL1, Readable as _, TPIDR_EL2, VBAR_EL2, Writeable as _,
};

use super::cell::Owned;
use super::context::{El1, General};
use super::percore::PerCore;
use super::registers as r;
use super::{exit, fp, gic, stage2, timer, vectors};
use crate::table::CORES;

/// What a core keeps for itself. TPIDR_EL2 points at it; the vectors use its first word, and the ID registers.
#[repr(C)]
pub struct Block {
    /// The context that runs, for the vectors.
    pub current: *mut General,
    /// The core's index in the table.
    pub index: usize,
    /// The normal world's EL1 registers while a partition's are loaded. Within the reach of instructions for pairs.
    pub normal: El1,
    /// ID registers as partitions see them, by CRm and op2, for the vectors.
    pub identification: [[u64; 8]; 8],
    /// The normal world's vector registers while a partition's are loaded.
    pub normal_vectors: fp::Vectors,
}

// SAFETY: `current` points into a context that the policy made this core's own; the block itself is
// used by its core only (see `block`).
unsafe impl Send for Block {}

static BLOCKS: PerCore<Owned<Block>> = PerCore([const { Owned::new(Block::new()) }; CORES]);

impl Block {
    const fn new() -> Self {
        Self {
            current: core::ptr::null_mut(),
            index: 0,
            normal: El1::new(),
            identification: [[0; 8]; 8],
            normal_vectors: fp::Vectors::new(),
        }
    }
}

/// This core's block.
///
/// # Safety
/// The caller holds no other reference to it. (Only `guest` takes it, for the length of a call.)
pub unsafe fn block(index: usize) -> &'static mut Block {
    // SAFETY: each core passes its own index; exclusive on the core by the caller's word.
    unsafe { BLOCKS.of(index).get() }
}

/// This core's block, without a look at which core it is.
///
/// # Safety
/// As of [`block`]; `init` has run on this core.
#[inline]
pub unsafe fn own_block() -> &'static mut Block {
    let block = TPIDR_EL2.get() as usize as *mut Block;
    // SAFETY: `init` pointed TPIDR_EL2 at this core's block, which lives forever; exclusive by the caller's word.
    unsafe { &mut *block }
}

/// This core's index in the table; 0 before `init`.
pub fn index() -> usize {
    let block = TPIDR_EL2.get() as usize as *const Block;
    if block.is_null() {
        return 0;
    }
    // SAFETY: `init` pointed TPIDR_EL2 at this core's block, which lives forever; `index` is not
    // written after that.
    unsafe { (&raw const (*block).index).read() }
}

/// HCR_EL2 while a partition runs: stage 2 on, interrupts and SMC trapped, AArch64 at EL1, ID
/// registers, set/way maintenance, implementation-defined registers and error records trapped;
/// pointer-authentication keys and instructions trapped (APK, API left zero).
const HCR_GUEST: u64 = HCR_EL2::VM::SET.value
    | HCR_EL2::FMO::SET.value
    | HCR_EL2::IMO::SET.value
    | HCR_EL2::AMO::SET.value
    | HCR_EL2::RW::SET.value
    | HCR_EL2::TSC::SET.value
    | HCR_SWIO
    | HCR_PTW
    | HCR_FB
    | HCR_BSU_INNER
    | HCR_TID3
    | HCR_TIDCP
    | HCR_TACR
    | HCR_TSW
    | HCR_TLOR
    | HCR_TERR
    | HCR_TID5;
const HCR_SWIO: u64 = 1 << 1;
const HCR_PTW: u64 = 1 << 2;
/// Local invalidations of a partition reach all cores, as its contexts may: one that was preempted is
/// resumed on another core without its knowledge.
const HCR_FB: u64 = 1 << 9;
/// Its barriers reach as far.
const HCR_BSU_INNER: u64 = 1 << 10;
const HCR_TID3: u64 = 1 << 18;
const HCR_TIDCP: u64 = 1 << 20;
const HCR_TACR: u64 = 1 << 21;
const HCR_TSW: u64 = 1 << 22;
const HCR_TLOR: u64 = 1 << 35;
const HCR_TERR: u64 = 1 << 36;
const HCR_TID5: u64 = 1 << 58;
/// A virtual FIQ is pending.
const HCR_VF: u64 = 1 << 6;
/// A virtual IRQ is pending.
const HCR_VI: u64 = 1 << 7;

/// CPTR_EL2 with everything trapped: FP/SIMD, SVE, SME, trace, activity monitors; bits that are
/// reserved as one are set.
const CPTR_ALL: u64 = 0x2ff | 1 << 13 | CPTR_TZ | CPTR_TFP | CPTR_TSM | CPTR_TTA | CPTR_TAM;
const CPTR_TZ: u64 = 1 << 8;
const CPTR_TFP: u64 = 1 << 10;
const CPTR_TSM: u64 = 1 << 12;
const CPTR_TTA: u64 = 1 << 20;
const CPTR_TAM: u64 = 1 << 30;

/// Sets this core up: nothing is assumed of the state in which it was entered.
pub fn init(index: usize) {
    // SAFETY: this core's own block, before anything else uses it.
    let own = unsafe { block(index) };
    own.index = index;
    for (crm, registers) in own.identification.iter_mut().enumerate() {
        for (op2, register) in registers.iter_mut().enumerate() {
            *register = exit::identification(crm, op2);
        }
    }
    TPIDR_EL2.set(BLOCKS.of(index).address());
    VBAR_EL2.set(vectors::base());
    HCR_EL2.set(HCR_GUEST);
    trap_fp();
    MDCR_EL2.write(
        MDCR_EL2::TDE::SET
            + MDCR_EL2::TDCC::SET
            + MDCR_EL2::TDA::SET
            + MDCR_EL2::TDOSA::SET
            + MDCR_EL2::TDRA::SET
            + MDCR_EL2::TPM::SET
            + MDCR_EL2::TPMCR::SET
            + MDCR_EL2::TTRF::SET
            + MDCR_EL2::TPMS::SET
            + MDCR_EL2::E2PB.val(0)
            + MDCR_EL2::E2TB.val(0),
    );
    CNTHCTL_EL2.set(CNTHCTL_GUEST);
    CNTVOFF_EL2.set(0);
    r::hstr_el2::write(0);
    r::vpidr_el2::write(MIDR_EL1.get());
    ICC_SRE_EL2.set(SRE_EL2);
    barrier::isb(barrier::SY);
    ICH_HCR_EL2.set(ICH_TRAP_ALL);
    r::ich_vmcr_el2::write(0);
    stage2::init_core();
    gic::init_core(index);
    timer::init_core(index);
    barrier::isb(barrier::SY);
}

/// The physical counter may be read; the physical timer and, where FEAT_ECV is there, the virtual
/// timer are trapped: their registers are the normal world's.
const CNTHCTL_GUEST: u64 = 1 | 1 << 13;
/// SRE, DFB, DIB; Enable left zero, so that ICC_SRE_EL1 is trapped.
const SRE_EL2: u64 = 0b0111;
/// TC, TALL0, TALL1, TSEI, TDIR: every access of a partition to the CPU interface is trapped. En is
/// left zero: the list registers, which EL3 does not switch, may hold a normal world's interrupts.
const ICH_TRAP_ALL: u64 = 1 << 10 | 1 << 11 | 1 << 12 | 1 << 13 | 1 << 14;

/// Whether all can be trapped on this core that is neither switched nor harmless: the virtual timer
/// needs FEAT_ECV.
pub fn can_trap() -> bool {
    ID_AA64MMFR0_EL1.get() >> 60 != 0
}

/// FP/SIMD of a partition traps until its registers are loaded.
pub fn trap_fp() {
    CPTR_EL2.set(CPTR_ALL);
}

/// FP/SIMD is the running partition's own.
pub fn allow_fp() {
    CPTR_EL2.set(CPTR_ALL & !CPTR_TFP);
}

/// The hypervisor itself moves vector registers.
pub fn allow_vectors() {
    CPTR_EL2.set(CPTR_ALL & !(CPTR_TFP | CPTR_TZ));
    barrier::isb(barrier::SY);
}

/// Waits until an interrupt is pending, masked or not.
pub fn wait_for_interrupt() {
    barrier::dsb(barrier::SY);
    aarch64_cpu::asm::wfi();
}

/// Sets the virtual IRQ and FIQ lines of the context that runs next.
#[inline(always)]
pub fn set_virtual_lines(irq: bool, fiq: bool) {
    let irq = if irq { HCR_VI } else { 0 };
    let fiq = if fiq { HCR_VF } else { 0 };
    HCR_EL2.set(HCR_GUEST | irq | fiq);
}
