//! Why a partition left EL1: the syndrome in words, and what registers are answered with on the spot.

use aarch64_cpu::registers::{
    ESR_EL2, FAR_EL2, HPFAR_EL2, ID_AA64DFR0_EL1, ID_AA64ISAR0_EL1, ID_AA64ISAR1_EL1, ID_AA64MMFR0_EL1,
    ID_AA64MMFR1_EL1, ID_AA64MMFR2_EL1, ID_AA64PFR0_EL1, ID_AA64PFR1_EL1, Readable as _,
};
use bulkhead_core::api::{Conduit, Fault, Place, SystemRegister, Trapped};
use bulkhead_core::vgic::rewrite::Operands;

use super::context::State;

/// A synchronous exit that is no call.
pub enum Exit {
    /// First use of FP/SIMD.
    Fp,
    /// An access that the policy may emulate; the instruction is behind.
    Trapped(Trapped),
    /// Answered here: the context goes on.
    Done,
    /// Something it must not do.
    Fault(Fault),
}

const CLASS_FP: u64 = 0x07;
const CLASS_HVC: u64 = 0x16;
const CLASS_SMC: u64 = 0x17;
const CLASS_SYSTEM_REGISTER: u64 = 0x18;
const CLASS_INSTRUCTION_ABORT: u64 = 0x20;
const CLASS_DATA_ABORT: u64 = 0x24;
const PSTATE_EL0: u64 = 0;

/// How a synchronous exit makes a call, if it is one; the instruction is behind then.
#[inline]
pub fn call(state: &mut State) -> Option<Conduit> {
    let syndrome = ESR_EL2.get();
    match (syndrome >> 26 & 0x3f, syndrome & 0xffff) {
        (CLASS_SMC, 0) => {
            state.skip_instruction();
            Some(Conduit::Smc)
        }
        (CLASS_HVC, 0) => Some(Conduit::Hvc),
        _ => None,
    }
}

/// Decodes ESR_EL2 (DDI0487, ESR_EL2) where it says of no call.
pub fn decode(state: &mut State) -> Exit {
    let syndrome = ESR_EL2.get();
    let class = syndrome >> 26 & 0x3f;
    let immediate = syndrome & 0xffff;
    match class {
        CLASS_HVC if let Some(operands) = Operands::of(immediate as u16) => {
            replaced(state, operands, syndrome)
        }
        CLASS_FP => Exit::Fp,
        CLASS_SYSTEM_REGISTER if answer_register(state, syndrome) => Exit::Done,
        CLASS_DATA_ABORT if let Some(access) = memory_access(state, syndrome) => access,
        CLASS_INSTRUCTION_ABORT | CLASS_DATA_ABORT => Exit::Fault(fault(state, syndrome)),
        // A trusted application may try what its TEE must not: that is the TEE's to handle.
        _ if state.general.spsr & 0xf == PSTATE_EL0 => {
            state.inject_undefined();
            Exit::Done
        }
        CLASS_SYSTEM_REGISTER => register_access(state, syndrome),
        _ => Exit::Fault(fault(state, syndrome)),
    }
}

/// What is known of a fault.
pub fn fault(state: &State, syndrome: u64) -> Fault {
    let address = FAR_EL2.get();
    Fault {
        syndrome,
        address,
        ipa: (HPFAR_EL2.get() & 0xfff_ffff_fff0) << 8 | address & 0xfff,
        pc: state.general.elr,
    }
}

/// A data abort of stage 2 whose syndrome says all of the access: a load or store of one register without sign
/// extension (DDI0487, ISS of a Data Abort). Of which address space it was is not asked: HPFAR_EL2.NS is the
/// wrong way round on QEMU up to 10, and nothing is emulated at addresses of a window.
fn memory_access(state: &mut State, syndrome: u64) -> Option<Exit> {
    const VALID: u64 = 1 << 24;
    const SIGN_EXTENDED: u64 = 1 << 21;
    const CACHE_OR_WALK: u64 = 1 << 8 | 1 << 7;
    const WRITES: u64 = 1 << 6;
    const NO_ADDRESS: u64 = 1 << 10;
    const TRANSLATION: u64 = 0b0001;
    let fault = fault(state, syndrome);
    let right = syndrome & VALID != 0
        && syndrome & (SIGN_EXTENDED | CACHE_OR_WALK | NO_ADDRESS) == 0
        && syndrome >> 2 & 0xf == TRANSLATION;
    if !right {
        return None;
    }
    let size = 1u64 << (syndrome >> 22 & 3);
    let target = (syndrome >> 16 & 0x1f) as u8;
    let address = fault.ipa;
    let value = state.value(target) & (u64::MAX >> (64 - 8 * size));
    state.skip_instruction();
    Some(Exit::Trapped(Trapped {
        place: Place::Memory { address, size },
        write: (syndrome & WRITES != 0).then_some(value),
        target: target.into(),
        fault,
    }))
}

/// An access to a system register that is trapped.
fn register_access(state: &mut State, syndrome: u64) -> Exit {
    let (op0, op1, crn, crm, op2) = encoding(syndrome);
    let operands = Operands {
        register: SystemRegister::new(op0 as u16, op1 as u16, crn as u16, crm as u16, op2 as u16),
        reads: syndrome & 1 == 1,
        target: (syndrome >> 5 & 0x1f) as u8,
    };
    let access = replaced(state, operands, syndrome);
    state.skip_instruction();
    access
}

/// An access for which a hypervisor call stands, which is behind.
fn replaced(state: &State, operands: Operands, syndrome: u64) -> Exit {
    Exit::Trapped(Trapped {
        place: Place::Register(operands.register),
        write: (!operands.reads).then(|| state.value(operands.target)),
        target: operands.target.into(),
        fault: fault(state, syndrome),
    })
}

/// A register's encoding: op0, op1, CRn, CRm, op2.
type Encoding = (u64, u64, u64, u64, u64);

/// The register of a trapped access (DDI0487, ISS of a trapped MSR, MRS).
fn encoding(syndrome: u64) -> Encoding {
    let iss = syndrome & 0x1ff_ffff;
    (
        iss >> 20 & 3,
        iss >> 14 & 7,
        iss >> 10 & 0xf,
        iss >> 1 & 0xf,
        iss >> 17 & 7,
    )
}

fn answer_register(state: &mut State, syndrome: u64) -> bool {
    let place = encoding(syndrome);
    let target = syndrome >> 5 & 0x1f;
    let reads = syndrome & 1 == 1;
    const ACTLR_EL1: Encoding = (3, 0, 1, 0, 1);
    match place {
        ACTLR_EL1 if reads => state.answer(target, 0),
        ACTLR_EL1 => {}
        _ => return false,
    }
    state.skip_instruction();
    true
}

/// The ID register with op0 3, op1 0, CRn 0 and these CRm and op2 as a partition sees it: what is trapped or not switched
/// is not there. AArch32's read as zero, as do those that are not known here (DDI0487, ID registers).
pub fn identification(crm: usize, op2: usize) -> u64 {
    const PFR0: u64 = 0x000f_0000_00ff_0000;
    const PFR0_AARCH64_ONLY: u64 = 0x11;
    const PFR0_CSV2: u64 = 0xf << 56;
    /// FEAT_CSV2 without SCXTNUM_EL0 and SCXTNUM_EL1, which are trapped.
    const PFR0_CSV2_PLAIN: u64 = 0x1 << 56;
    const PFR1: u64 = 0xff;
    const DFR0: u64 = 0xf0f0_f00f;
    /// Without pointer authentication and 64-byte accesses.
    const ISAR1: u64 = !0xf000_0000_ff00_0ff0;
    const MMFR0: u64 = 0x00ff_ffff_ffff_ffff;
    const MMFR1: u64 = 0x0000_0000_f0f0_f0ff;
    const MMFR2: u64 = 0x0fff_ffff_00ff_ffff;
    match (crm, op2) {
        (4, 0) => {
            let real = ID_AA64PFR0_EL1.get();
            let csv2 = (real & PFR0_CSV2).min(PFR0_CSV2_PLAIN);
            real & PFR0 | csv2 | PFR0_AARCH64_ONLY
        }
        (4, 1) => ID_AA64PFR1_EL1.get() & PFR1,
        (5, 0) => ID_AA64DFR0_EL1.get() & DFR0,
        (6, 0) => ID_AA64ISAR0_EL1.get(),
        (6, 1) => ID_AA64ISAR1_EL1.get() & ISAR1,
        (7, 0) => ID_AA64MMFR0_EL1.get() & MMFR0,
        (7, 1) => ID_AA64MMFR1_EL1.get() & MMFR1,
        (7, 2) => ID_AA64MMFR2_EL1.get() & MMFR2,
        _ => 0,
    }
}

impl State {
    /// Puts the answer of a trapped read into its target register; 31 is the zero register.
    pub fn answer(&mut self, target: u64, value: u64) {
        self.general.set(target as usize, value);
    }

    /// What a trapped write writes; 31 is the zero register.
    fn value(&self, source: u8) -> u64 {
        self.general.get(usize::from(source))
    }
}
