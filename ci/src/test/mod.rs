//! `cargo xtask test`: every test, on the host and on QEMU, and one line at the end.

mod again;
mod bare;
mod book;
#[cfg(test)]
mod clauses;
#[cfg(test)]
mod errors;
mod faults;
mod figures;
mod fuzz;
mod gp;
mod host;
mod junit;
mod kernels;
mod linux;
mod loom;
mod model;
mod package;
mod page;
mod rebuilt;
mod recorded;
mod scenarios;
mod sealed;
mod sel4;
mod sensors;
mod signed;
mod spoil;
mod tally;
#[cfg(test)]
mod threats;
mod truth;
mod vendors;

use crate::build::Built;
use crate::cli::{Group, TestArgs};
use crate::parts::{Part, Parts};
use crate::paths::{Paths, write};
use crate::progress::Stages;
use crate::{bench, build, coverage, parts, size};
use anyhow::Result;
pub use host::said;
pub use page::name_of_call;
use std::time::Instant;
use tally::Tally;

/// The groups by their order, and what each does.
const GROUPS: [(Group, &str, &str); 13] = [
    (Group::Host, "host", "unit and property tests on this machine"),
    (Group::Model, "model", "random calls beside the reference models"),
    // Its commands take the folder for themselves, which this process does from the next group on.
    (
        Group::Book,
        "book",
        "the commands of the book, as a reader types them",
    ),
    (
        Group::Loom,
        "loom",
        "every order in which cores can meet, in what they share",
    ),
    (
        Group::Lint,
        "lint",
        "formatting, clippy on what runs here and on bare metal, and what is left in the image",
    ),
    (
        Group::Rebuilt,
        "rebuilt",
        "what is in flash, built once more in another folder: the same bytes",
    ),
    (
        Group::Coverage,
        "coverage",
        "lines and branches of the policy that its own tests run",
    ),
    (Group::Fuzz, "fuzz", "fuzzing from the kept inputs"),
    (Group::Bare, "bare", "bare-metal cases on QEMU, table by table"),
    (
        Group::Cost,
        "cost",
        "instructions that calls take, beside those of the last release",
    ),
    (
        Group::Scenarios,
        "scenarios",
        "whole runs that files describe, side by side",
    ),
    (
        Group::Linux,
        "linux",
        "stock Linux, clients and xtest against the TEEs on QEMU",
    ),
    (
        Group::Faults,
        "faults",
        "TEEs that crash, hang and attack while Linux uses them",
    ),
];

/// Runs the tests; true where none failed.
pub fn test(paths: &Paths, args: &TestArgs) -> Result<bool> {
    if args.list {
        return scenarios::list(paths).map(|()| true);
    }
    let start = Instant::now();
    let mut tally = Tally::default();
    let wanted: Vec<_> = GROUPS.iter().filter(|(group, ..)| args.wants(*group)).collect();
    let mut stages = Stages::new(wanted.iter().map(|(_, name, _)| *name));
    if args.gp {
        tally.group("gp");
        gp::test(paths, args, &mut tally)?;
    }
    let mut parts = None;
    for (group, name, what) in wanted {
        stages.begin(what);
        tally.group(name);
        match group {
            Group::Lint => {
                host::lint(paths, &mut tally);
                bare_lint(paths, provided(paths, args, &mut parts)?, &mut tally)?;
            }
            Group::Host => host::test(paths, &mut tally)?,
            Group::Loom => loom::test(paths, &mut tally)?,
            Group::Coverage => {
                let sum = coverage::measure(paths)?.sum;
                let faults = coverage::faults(&sum);
                tally.note("coverage of the policy", faults.is_empty(), &sum.words());
            }
            Group::Rebuilt => rebuilt::test(paths, provided(paths, args, &mut parts)?, &mut tally)?,
            Group::Model => model::test(paths, args, &mut tally)?,
            Group::Book => book::test(paths, args, &mut tally)?,
            Group::Fuzz => fuzz::test(paths, args, &mut tally)?,
            Group::Bare => {
                let parts = provided(paths, args, &mut parts)?;
                bare::test(paths, parts, args, &mut tally)?;
            }
            Group::Cost => {
                let figures = bench::compare(paths, provided(paths, args, &mut parts)?)?;
                for (operation, ok, detail) in figures {
                    tally.note(&format!("cost of {operation}"), ok, &detail);
                }
            }
            Group::Scenarios if args.suites.is_some() => {}
            Group::Scenarios => {
                let parts = provided(paths, args, &mut parts)?;
                scenarios::test(paths, parts, args, &mut tally)?;
            }
            Group::Faults if args.suites.is_some() => {}
            Group::Faults => {
                let parts = provided(paths, args, &mut parts)?;
                faults::test(&phone(paths, parts)?, args, &mut tally)?;
            }
            Group::Linux => {
                let parts = provided(paths, args, &mut parts)?;
                // These have machines of their own.
                let own = [sel4::NAME, kernels::NAME];
                let named = args.suites.as_deref();
                if named.is_none_or(|suites| !own.contains(&suites)) {
                    linux::test(&phone(paths, parts)?, args, &mut tally);
                }
                if named.is_none_or(|suites| suites == kernels::NAME) {
                    kernels::test(phone(paths, parts)?, &mut tally)?;
                }
                if named.is_none_or(|suites| suites == sel4::NAME) {
                    sel4::linux(paths, parts, &mut tally)?;
                }
            }
        }
    }
    let (took, times) = (start.elapsed().as_secs_f64(), stages.times());
    eprintln!("{took:.0} s{}{times}", if times.is_empty() { "" } else { ": " });
    if let Some(file) = &args.junit {
        write(file, junit::xml(tally.cases()).as_bytes())?;
    }
    Ok(tally.conclude())
}

/// The parts that the wanted groups need, provided once.
fn provided<'a>(paths: &Paths, args: &TestArgs, parts: &'a mut Option<Parts>) -> Result<&'a Parts> {
    let any = |groups: &[Group]| groups.iter().any(|group| args.wants(*group));
    let wanted = if any(&[Group::Lint, Group::Linux, Group::Scenarios, Group::Faults]) {
        &parts::ALL[..]
    } else if any(&[Group::Rebuilt]) {
        &[Part::Tfa, Part::Optee][..]
    } else {
        &[Part::Tfa]
    };
    match parts {
        Some(parts) => Ok(parts),
        None => Ok(parts.insert(parts::provide(paths, wanted)?)),
    }
}

/// The default system, with Linux.
fn phone(paths: &Paths, parts: &Parts) -> Result<Built> {
    let table = paths.root.join("configs/phone.toml");
    build::build_with(paths, parts, build::load(&table)?, &table)
}

/// Lints of what runs on bare metal.
fn bare_lint(paths: &Paths, parts: &Parts, tally: &mut Tally) -> Result<()> {
    let built = phone(paths, parts)?;
    for (package, fault) in build::lint(paths, parts, &built) {
        let detail = fault.clone().unwrap_or_default();
        tally.note(&format!("lints of {package}"), fault.is_none(), &detail);
    }
    let faults = size::faults(paths, &built.firmware.hypervisor)?;
    let name = "each check that is left in the image has its reason, and no panic formats text";
    tally.note(name, faults.is_empty(), &faults.join("; "));
    Ok(())
}
