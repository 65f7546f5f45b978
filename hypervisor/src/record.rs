//! The black box: what is known of a failure, as lines of the log that `cargo xtask run` puts together.
//!
//! A partition's own lines in the log stand behind its name and a bar, so none of them can pass for one of these.

use bulkhead_core::api::{Cause, Failure, Fault};

use crate::arch::{guest, stage2};
use crate::log::name;

/// What a partition did, in words, by the exception class of ESR_EL2 (DDI0487, ESR_EL2).
fn what(syndrome: u64) -> &'static str {
    const WRITE: u64 = 1 << 6;
    match syndrome >> 26 & 0x3f {
        0x00 => "an undefined instruction or a system error",
        0x01 => "waiting for an interrupt or event",
        0x07 | 0x19 | 0x1d => "a vector or matrix instruction",
        0x09 => "pointer authentication",
        0x18 => "a trapped system register or cache instruction",
        0x20 | 0x21 => "fetching an instruction",
        0x24 | 0x25 if syndrome & WRITE != 0 => "a store",
        0x24 | 0x25 => "a load",
        0x2f => "a system error",
        _ => "a trapped exception",
    }
}

/// Logs why a partition has failed, and what it left on the core on which that was.
pub fn keep(failure: &Failure) {
    say(failure);
    let Failure { context, cause, .. } = *failure;
    let name = name(context.partition);
    let state = guest::left(context);
    let pc = match cause {
        // The register is behind the instruction where that might have been emulated.
        Cause::Fault(fault) => fault.pc,
        _ => state.general.elr,
    };
    defmt::debug!(
        "{=str}: record pc {=u64:#x} pstate {=u64:#x}",
        name,
        pc,
        state.general.spsr
    );
    let x: [u64; 31] = core::array::from_fn(|number| state.general.get(number));
    defmt::debug!("{=str}: record x {=[?]:#x}", name, x.as_slice());
    let el1 = &state.el1;
    defmt::debug!(
        "{=str}: record el1 sp_el0 {=u64:#x} sp_el1 {=u64:#x} elr {=u64:#x} spsr {=u64:#x} esr {=u64:#x} far {=u64:#x} vbar {=u64:#x} sctlr {=u64:#x} tcr {=u64:#x} ttbr0 {=u64:#x} ttbr1 {=u64:#x}",
        name,
        el1.sp_el0,
        el1.sp_el1,
        el1.elr,
        el1.spsr,
        el1.esr,
        el1.far,
        el1.vbar,
        el1.sctlr,
        el1.tcr,
        el1.ttbr0,
        el1.ttbr1
    );
    if let Cause::Fault(fault) = cause {
        let [secure, window] = stage2::walk(context.partition, fault.ipa);
        defmt::debug!(
            "{=str}: record fault syndrome {=u64:#x} address {=u64:#x} ipa {=u64:#x} secure {=[?]:#x} window {=[?]:#x}",
            name,
            fault.syndrome,
            fault.address,
            fault.ipa,
            secure.as_slice(),
            window.as_slice()
        );
    }
    for call in state.calls.oldest_first() {
        defmt::debug!("{=str}: record call {=[?]:#x}", name, call.as_slice());
    }
    defmt::debug!("{=str}: record ends", name);
}

/// The failure in one line.
fn say(failure: &Failure) {
    let Failure { context, core, cause } = *failure;
    let name = name(context.partition);
    match cause {
        Cause::Fault(fault) => say_fault(name, core, &fault),
        Cause::Aborted(code) => {
            defmt::error!(
                "{=str}: gave itself up on core {=u8} with code {=u32:#x}",
                name,
                core,
                code
            );
        }
        Cause::TurnedOff(function) => {
            defmt::error!(
                "{=str}: turned itself off on core {=u8} by PSCI {=u32:#x}",
                name,
                core,
                function
            );
        }
        Cause::OverBudget => {
            defmt::error!(
                "{=str}: failed on core {=u8}: a call took longer than its budget",
                name,
                core
            );
        }
        Cause::StartTimeout => defmt::error!("{=str}: did not start in time on core {=u8}", name, core),
        Cause::StartFailed => defmt::error!("{=str}: failed to start on core {=u8}", name, core),
    }
}

fn say_fault(name: &str, core: u8, fault: &Fault) {
    defmt::error!(
        "{=str}: failed on core {=u8} by {=str}: syndrome {=u64:#x} pc {=u64:#x} address {=u64:#x} ipa {=u64:#x}",
        name,
        core,
        what(fault.syndrome),
        fault.syndrome,
        fault.pc,
        fault.address,
        fault.ipa
    );
}
