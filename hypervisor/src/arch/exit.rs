//! Why a partition left EL1: the syndrome in words, and the registers that are answered on the spot.

use aarch64_cpu::registers::{
    ESR_EL2, FAR_EL2, HPFAR_EL2, ID_AA64DFR0_EL1, ID_AA64ISAR0_EL1, ID_AA64ISAR1_EL1, ID_AA64MMFR0_EL1,
    ID_AA64MMFR1_EL1, ID_AA64MMFR2_EL1, ID_AA64PFR0_EL1, ID_AA64PFR1_EL1, Readable as _,
};
use bulkhead_core::api::Fault;

use super::context::State;

/// A synchronous exit.
pub enum Exit {
    /// SMC #0; the instruction is behind.
    Smc,
    /// HVC #0.
    Hvc,
    /// First use of FP/SIMD.
    Fp,
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

/// Decodes ESR_EL2 (DDI0487, ESR_EL2).
pub fn decode(state: &mut State) -> Exit {
    let syndrome = ESR_EL2.get();
    let class = syndrome >> 26 & 0x3f;
    let immediate = syndrome & 0xffff;
    match class {
        CLASS_SMC if immediate == 0 => {
            state.skip_instruction();
            Exit::Smc
        }
        CLASS_HVC if immediate == 0 => Exit::Hvc,
        CLASS_FP => Exit::Fp,
        CLASS_SYSTEM_REGISTER if answer_register(state, syndrome) => Exit::Done,
        CLASS_INSTRUCTION_ABORT | CLASS_DATA_ABORT => Exit::Fault(fault(state, syndrome)),
        // A trusted application may try what its TEE must not: that is the TEE's to handle.
        _ if state.general.spsr & 0xf == PSTATE_EL0 => {
            state.inject_undefined();
            Exit::Done
        }
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

/// A register's place: op0, op1, CRn, CRm, op2.
type Place = (u64, u64, u64, u64, u64);

fn answer_register(state: &mut State, syndrome: u64) -> bool {
    let iss = syndrome & 0x1ff_ffff;
    let place = (
        iss >> 20 & 3,
        iss >> 14 & 7,
        iss >> 10 & 0xf,
        iss >> 1 & 0xf,
        iss >> 17 & 7,
    );
    let target = (iss >> 5 & 0x1f) as usize;
    let reads = iss & 1 == 1;
    const ACTLR_EL1: Place = (3, 0, 1, 0, 1);
    match place {
        ACTLR_EL1 if reads => state.answer(target, 0),
        ACTLR_EL1 => {}
        (3, 0, 0, 1..=7, _) if reads => state.answer(target, identification(place)),
        _ => return false,
    }
    state.skip_instruction();
    true
}

/// ID registers as a partition sees them: what is trapped or not switched is not there. AArch32's
/// read as zero, as do those that are not known here (DDI0487, ID registers).
fn identification(place: Place) -> u64 {
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
    match (place.3, place.4) {
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
    fn answer(&mut self, target: usize, value: u64) {
        if let Some(register) = self.general.x.get_mut(target) {
            *register = value;
        }
    }
}
