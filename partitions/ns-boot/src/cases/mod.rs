//! The bare-metal cases: what each one checks, and of which rule, stands at it.
//!
//! Each prints `@case <name> pass|fail <detail>`; the last line is `@cases <passed> <failed>`.
mod attacks;
mod calls;
mod cores;
pub mod discovery;
mod lend;
mod managed;
mod memory;
mod messages;
mod notifications;
mod preemption;
pub mod share;
mod spoilt;
mod state;
mod why;

use crate::arch::{self, machine};
use crate::uart;
pub use calls::*;
pub use why::{Outcome, Why};

/// The partition that most cases call.
pub const A: u16 = 0x8001;
/// A second one.
pub const B: u16 = 0x8002;
/// The first of those that cases may stop for good.
pub const VICTIM: u16 = 0x8003;
/// The one that is told before it is preempted, and how many microseconds it then has.
pub const MANAGED: u16 = 0x8008;
/// See [`MANAGED`].
pub const MANAGED_LIMIT: u64 = 10_000;
/// How many partitions there are.
pub const PARTITIONS: u64 = 8;

/// A case: its name, and what it does.
pub type Case = (&'static str, fn() -> Outcome);

/// The cases for the table that this was built for.
fn groups() -> &'static [&'static [Case]] {
    match option_env!("BULKHEAD_SYSTEM") {
        Some("attacks") => &[attacks::INSTRUCTIONS],
        Some("attacks-2") => &[attacks::MORE_INSTRUCTIONS],
        Some("attacks-3") => &[attacks::MORE_REGISTERS],
        Some("spoilt") => &[spoilt::CASES],
        _ => &[
            discovery::CASES,
            messages::CASES,
            memory::CASES,
            lend::CASES,
            notifications::CASES,
            state::CASES,
            preemption::CASES,
            managed::CASES,
            cores::CASES,
            attacks::CASES,
        ],
    }
}

/// Runs all cases on the boot core and powers off.
pub fn run() -> ! {
    machine::start_core();
    let (mut passed, mut failed) = (0, 0);
    for (name, case) in groups().iter().flat_map(|group| group.iter()) {
        let began = machine::now();
        match case() {
            Ok(()) => {
                passed += 1;
                uart::line(format_args!("@case {name} pass {} us", machine::now() - began));
            }
            Err(why) => {
                failed += 1;
                uart::line(format_args!("@case {name} fail {}", why.text()));
            }
        }
    }
    uart::line(format_args!("@cases {passed} {failed}"));
    arch::power_off()
}
