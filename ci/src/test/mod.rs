//! `cargo xtask test`: every test, on the host and on QEMU, and one line at the end.

mod bare;
mod host;
mod linux;
mod tally;

use crate::cli::{Group, TestArgs};
use crate::parts;
use crate::paths::Paths;
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
    if args.wants(Group::Bare) || args.wants(Group::Linux) {
        let parts = parts::provide(paths)?;
        if args.wants(Group::Bare) {
            bare::test(paths, &parts, &mut tally)?;
        }
        if args.wants(Group::Linux) {
            linux::test(paths, &parts, args, &mut tally)?;
        }
    }
    eprintln!("{:.0} s", start.elapsed().as_secs_f64());
    Ok(tally.conclude())
}
