//! `cargo xtask test`: every test, on the host and on QEMU, and one line at the end.

mod bare;
mod host;
mod linux;
mod tally;

use crate::cli::{Group, TestArgs};
use crate::paths::Paths;
use crate::{build, parts};
use anyhow::Result;
use std::time::Instant;
use tally::Tally;

/// Runs the tests; true where none failed.
pub fn test(paths: &Paths, args: &TestArgs) -> Result<bool> {
    let start = Instant::now();
    let mut tally = Tally::default();
    if args.wants(Group::Lint) {
        host::lint(paths, &mut tally);
    }
    if args.wants(Group::Host) {
        host::test(paths, &mut tally)?;
    }
    if [Group::Lint, Group::Bare, Group::Linux]
        .into_iter()
        .any(|group| args.wants(group))
    {
        real(paths, args, &mut tally)?;
    }
    eprintln!("{:.0} s", start.elapsed().as_secs_f64());
    Ok(tally.conclude())
}

/// The groups that need real parts.
fn real(paths: &Paths, args: &TestArgs, tally: &mut Tally) -> Result<()> {
    let parts = parts::provide(paths)?;
    if args.wants(Group::Bare) {
        bare::test(paths, &parts, tally)?;
    }
    if args.wants(Group::Lint) || args.wants(Group::Linux) {
        let table = paths.root.join("configs/phone.toml");
        let built = build::build_with(paths, &parts, build::load(&table)?, &table)?;
        if args.wants(Group::Lint) {
            for (package, fault) in build::lint(paths, &parts, &built) {
                tally.note(
                    &format!("lints of {package}"),
                    fault.is_none(),
                    &fault.unwrap_or_default(),
                );
            }
        }
        if args.wants(Group::Linux) {
            linux::test(&built, args, tally);
        }
    }
    Ok(())
}
