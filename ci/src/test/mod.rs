//! `cargo xtask test`: every test, on the host and on QEMU, and one line at the end.

mod bare;
mod fuzz;
mod gp;
mod host;
mod junit;
mod linux;
mod model;
mod page;
mod tally;

use crate::cli::{Group, TestArgs};
use crate::parts::Parts;
use crate::paths::{Paths, write};
use crate::{build, parts};
use anyhow::Result;
use std::time::Instant;
use tally::Tally;

/// Runs the tests; true where none failed.
pub fn test(paths: &Paths, args: &TestArgs) -> Result<bool> {
    let start = Instant::now();
    let mut tally = Tally::default();
    if args.wants(Group::Lint) {
        tally.group("lint");
        host::lint(paths, &mut tally);
    }
    if args.wants(Group::Host) {
        tally.group("host");
        host::test(paths, &mut tally)?;
    }
    if args.wants(Group::Model) {
        tally.group("model");
        model::test(paths, args, &mut tally)?;
    }
    let real = [Group::Lint, Group::Bare, Group::Linux];
    let parts = if real.into_iter().any(|group| args.wants(group)) {
        Some(parts::provide(paths)?)
    } else {
        None
    };
    if args.wants(Group::Fuzz) {
        tally.group("fuzz");
        fuzz::test(paths, args, &mut tally)?;
    }
    if args.gp {
        tally.group("gp");
        gp::test(paths, args.full, &mut tally)?;
    }
    if let Some(parts) = parts {
        on_machine(paths, &parts, args, &mut tally)?;
    }
    eprintln!("{:.0} s", start.elapsed().as_secs_f64());
    if let Some(file) = &args.junit {
        write(file, junit::xml(tally.cases()).as_bytes())?;
    }
    Ok(tally.conclude())
}

/// The groups that need real parts.
fn on_machine(paths: &Paths, parts: &Parts, args: &TestArgs, tally: &mut Tally) -> Result<()> {
    if args.wants(Group::Bare) {
        tally.group("bare");
        bare::test(paths, parts, args.ffa, args.bless, tally)?;
    }
    if !args.wants(Group::Lint) && !args.wants(Group::Linux) {
        return Ok(());
    }
    let table = paths.root.join("configs/phone.toml");
    let built = build::build_with(paths, parts, build::load(&table)?, &table)?;
    if args.wants(Group::Lint) {
        tally.group("lint");
        for (package, fault) in build::lint(paths, parts, &built) {
            tally.note(
                &format!("lints of {package}"),
                fault.is_none(),
                &fault.unwrap_or_default(),
            );
        }
    }
    if args.wants(Group::Linux) {
        tally.group("linux");
        linux::test(&built, args, tally);
    }
    Ok(())
}
