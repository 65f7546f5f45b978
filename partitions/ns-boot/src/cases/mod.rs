//! The bare-metal cases: what each one checks, and of which rule, stands at it.
//!
//! Each reports itself in one line ([`Case::report`]); the last line is `@cases <passed> <failed>`.
mod attacks;
mod between;
mod borrow;
mod calls;
mod case;
mod chains;
mod changing;
mod clause;
mod collisions;
mod copies;
mod cores;
mod crash;
mod devices;
pub mod discovery;
mod driver;
mod elsewhere;
mod exhaustion;
mod fields;
mod forwarding;
pub mod gic;
mod indirect;
mod info;
mod injured;
mod inspect;
mod interrupts;
mod lend;
mod managed;
mod memory;
mod messages;
mod notifications;
mod outside;
mod own;
pub mod preemption;
mod queued;
mod races;
mod renewal;
mod residue;
mod restart;
mod secrets;
mod sel4;
mod setup;
pub mod share;
mod signed;
mod spoilt;
mod state;
mod trusted;
mod vm;
mod why;

use crate::arch::{self, machine};
use crate::uart;
pub use calls::*;
pub use case::{Case, isolation, right, wrong};
pub use why::{Outcome, Why};

/// The partition that most cases call.
pub const A: u16 = 0x8001;
/// A second one.
pub const B: u16 = 0x8002;
/// The first of those that cases may stop for good, in the tables of isolation.
pub const VICTIM: u16 = 0x8003;

/// One that only [`A`] and [`B`] may call: the normal world does not see it.
pub const HIDDEN: u16 = 0x8003;
/// One that has cores 0 and 1 only, and takes direct requests only.
pub const NARROW: u16 = 0x8004;
/// The one that is told before it is preempted, and how many microseconds it then has.
pub const MANAGED: u16 = 0x8005;
/// See [`MANAGED`].
pub const MANAGED_LIMIT: u64 = 10_000;
/// As [`MANAGED`]; only that one and a virtual machine may call it.
pub const MANAGED_CALLEE: u16 = 0x8006;
/// Those that a case may stop for good, each only one.
pub const VICTIM_1: u16 = 0x8007;
/// See [`VICTIM_1`].
pub const VICTIM_2: u16 = 0x8008;
/// Those of the table `ffa` that the normal world may call, in order.
pub const VISIBLE: [u16; 6] = [0x8001, 0x8002, 0x8004, 0x8005, 0x8007, 0x8008];

/// The cases for the table that this was built for.
fn groups() -> &'static [&'static [Case]] {
    match option_env!("BULKHEAD_SYSTEM") {
        Some("attacks") => &[attacks::INSTRUCTIONS],
        Some("attacks-2") => &[attacks::MORE_INSTRUCTIONS],
        Some("attacks-3") => &[attacks::MORE_REGISTERS, residue::FAILURES],
        Some("ffa-forwarding") => &[forwarding::CASES],
        Some("injured") => &[injured::CASES],
        Some("restarts") => &[restart::CASES],
        Some("driver") => &[driver::CASES],
        Some("spoilt") => &[spoilt::CASES, inspect::SPOILT],
        Some("signed") => &[signed::CASES],
        Some("trusted" | "vendors") => &[trusted::CASES],
        Some("vgic") => &[gic::CASES],
        Some("sel4") => &[sel4::CASES],
        Some("devices") => &[devices::CASES],
        Some("interrupts" | "interrupts-queued") => &[
            queued::CASES,
            interrupts::CASES,
            interrupts::LATE,
            interrupts::MANAGED_BY_GIC,
        ],
        Some("own-core") => &[own::CASES],
        Some("ffa") => &[
            setup::CASES,
            discovery::CASES,
            info::CASES,
            messages::CASES,
            chains::CASES,
            vm::CASES,
            indirect::CASES,
            memory::CASES,
            fields::CASES,
            borrow::CASES,
            lend::CASES,
            notifications::CASES,
            preemption::CASES,
            managed::CASES,
            cores::CASES,
            races::CASES,
            collisions::CASES,
            exhaustion::OUTSIDE,
            changing::OUTSIDE,
            residue::CHAINS,
            renewal::CASES,
            crash::CASES,
        ],
        Some("ffa-memory") => &[changing::INSIDE, exhaustion::INSIDE, between::CASES],
        _ => &[
            state::CASES,
            residue::CASES,
            secrets::CASES,
            inspect::CASES,
            copies::CASES,
            outside::CASES,
            attacks::CASES,
        ],
    }
}

/// Runs all cases on the boot core and powers off.
pub fn run() -> ! {
    machine::start_core();
    if let Err(why) = discovery::prepare() {
        uart::line(format_args!("@panic {}", why.text()));
        arch::power_off();
    }
    let (mut passed, mut failed) = (0, 0);
    for case in groups().iter().flat_map(|group| group.iter()) {
        let began = machine::now();
        match (case.run)() {
            Ok(()) => {
                passed += 1;
                case.report(true, format_args!("{} us", machine::now() - began));
            }
            Err(why) => {
                failed += 1;
                case.report(false, format_args!("{}", why.text()));
            }
        }
    }
    uart::line(format_args!("@cases {passed} {failed}"));
    arch::power_off()
}
