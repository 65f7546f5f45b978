//! What calls cost: each operation's instructions, seen by the normal world at EL2 unless said.
//!
//! Each prints `@bench <operation> <instructions>`, and the last line is `@benches <count>`. The figures
//! mean something under QEMU's `-icount` only (`cargo xtask bench`).
mod interrupts;
mod memory;
mod partition;
mod restart;

use crate::arch::{self, clock, machine};
use crate::cases::discovery::{RX, TX};
use crate::cases::{A, Outcome, good};
use crate::{ensure, test_sp, uart};
use core::sync::atomic::{AtomicU64, Ordering};
use sp_rt::ffa::{self as f, Regs};

/// How often an operation is measured; the smallest result counts, so that a switch between QEMU's
/// emulated cores, which costs instructions of another core, does not.
const TIMES: u64 = 5;
/// How often a call is made within one measurement.
const ROUNDS: u64 = 64;
/// Passes of the loop by which a tick is found.
const KNOWN: u64 = 1 << 20;

/// Instructions in 2^20 ticks, and how many results there are.
static RATIO: AtomicU64 = AtomicU64::new(0);
static RESULTS: AtomicU64 = AtomicU64::new(0);

/// Measures everything and powers off.
pub fn run() -> ! {
    machine::start_core();
    let known = smallest(|| Ok(machine::known_loop(KNOWN)));
    RATIO.store(
        known.map_or(0, |ticks| ((2 * KNOWN) << 20) / ticks.max(1)),
        Ordering::Relaxed,
    );
    for bench in [
        calls,
        memory::beside_shares,
        memory::shares,
        partition::calls,
        interrupts::preemption,
        interrupts::latency,
        restart::restarts,
    ] {
        if let Err(why) = bench() {
            uart::line(format_args!("@bench-failed {}", why.text()));
        }
    }
    uart::line(format_args!("@benches {}", RESULTS.load(Ordering::Relaxed)));
    arch::power_off()
}

/// The smallest of several results.
fn smallest(mut measure: impl FnMut() -> Outcome<u64>) -> Outcome<u64> {
    let mut least = u64::MAX;
    for _ in 0..TIMES {
        least = least.min(measure()?);
    }
    Ok(least)
}

/// Measures a direct request that the partition answers with its own words.
fn direct(operation: &str) -> Outcome {
    let echo = [u64::from(A), 0, test_sp::ECHO, 1, 2, 3, 4];
    call(operation, f::DIRECT_RESP_64, f::DIRECT_REQ_64, &echo)
}

/// Reports what took `ticks` for `rounds` of it.
///
/// Not inlined: `cargo xtask bench --profile` takes its place in QEMU's log as the end of a measurement.
#[inline(never)]
fn report(operation: core::fmt::Arguments<'_>, ticks: u64, rounds: u64) {
    let instructions = (u128::from(ticks) * u128::from(RATIO.load(Ordering::Relaxed))) >> 20;
    let each = (instructions + u128::from(rounds) / 2) / u128::from(rounds);
    RESULTS.fetch_add(1, Ordering::Relaxed);
    uart::line(format_args!("@bench {operation} {each}"));
}

/// Measures one call; its answers have to begin with `expected`.
fn call(operation: &str, expected: u32, function: u32, arguments: &[u64]) -> Outcome {
    let regs = Regs::new(function, arguments);
    let ticks = smallest(|| {
        let (ticks, answer) = clock::repeat(&regs, ROUNDS);
        ensure!(
            answer.function() == expected,
            "{operation}: {:#x} {:#x}",
            answer.x(0),
            answer.x(2)
        );
        Ok(ticks)
    })?;
    report(format_args!("{operation}"), ticks, ROUNDS);
    Ok(())
}

/// Calls that the firmware or the hypervisor answers, and echoes.
fn calls() -> Outcome {
    const PSCI_VERSION: u32 = 0x8400_0000;
    const PSCI_1_1: u32 = 0x0001_0001;
    call("psci-version", PSCI_1_1, PSCI_VERSION, &[])?;
    call(
        "features",
        f::SUCCESS_32,
        f::FEATURES,
        &[u64::from(f::RXTX_MAP_64)],
    )?;
    call(
        "version",
        f::VERSION_1_2,
        f::VERSION,
        &[u64::from(f::VERSION_1_2)],
    )?;
    call("id-get", f::SUCCESS_32, f::ID_GET, &[])?;
    call(
        "info-get-regs",
        f::SUCCESS_64,
        f::PARTITION_INFO_GET_REGS,
        &[0, 0, 0],
    )?;
    good(f::RXTX_MAP_64, &[TX.address(), RX.address(), 1])?;
    let to = u64::from(A);
    direct("direct-64")?;
    call(
        "direct-32",
        f::DIRECT_RESP_32,
        f::DIRECT_REQ_32,
        &[to, 0, 1, 2, 3, 4, 5],
    )?;
    call(
        "direct-2",
        f::DIRECT_RESP2,
        f::DIRECT_REQ2,
        &[to, 0, 0, 1, 2, 3, 4],
    )
}
