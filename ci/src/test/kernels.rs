//! Kernels of the normal world that follow each other without a word: replaced by kexec, and crashed, while clients use
//! every TEE.

use super::linux::{self, Run};
use super::tally::Tally;
use crate::build::{self, Built};
use anyhow::Result;
use std::time::Duration;

/// Its suite, which starts anew in each kernel and ends in the last.
pub const NAME: &str = "kernels";

const RUN: Run<'static> = Run {
    name: "linux-kernels",
    suites: NAME,
    arguments: "retain_initrd",
    sve: true,
    counting: false,
    limit: Duration::from_secs(12 * 60),
    quiet: Duration::from_secs(4 * 60),
};

/// Boots Linux with its kernel as a file, and runs the suite.
pub fn test(mut built: Built, tally: &mut Tally) -> Result<()> {
    built.normal = build::with_kernel(&built.firmware, &built.normal)?;
    linux::boot(&built, &RUN, tally);
    Ok(())
}
