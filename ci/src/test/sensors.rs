//! A core of a partition's own beside Linux: its period under load, as it comes here, and where time is the number of
//! instructions.

use super::linux::{self, Outcome, Run};
use super::tally::Tally;
use crate::build;
use crate::parts::Parts;
use crate::paths::Paths;
use anyhow::Result;
use std::time::Duration;

/// The suite.
pub const SUITE: &str = "sensors";

/// Boots the table `dedicated-core` twice, and returns the cases.
pub fn test(paths: &Paths, parts: &Parts, full: bool, tally: &mut Tally) -> Result<Outcome> {
    let table = paths.root.join("configs/dedicated-core.toml");
    let built = build::build_with(paths, parts, build::load(&table)?, &table)?;
    let form = if full { "full" } else { "short" };
    let mut outcome = Outcome::default();
    for counting in [false, true] {
        let word = if counting { "yes" } else { "no" };
        let run = Run {
            name: if counting { "sensors-counted" } else { SUITE },
            suites: SUITE,
            arguments: &format!("bulkhead.gp={form} bulkhead.counted={word}"),
            sve: !counting,
            counting,
            limit: Duration::from_secs(20 * 60),
            quiet: Duration::from_secs(10 * 60),
        };
        outcome.add(linux::boot(&built, &run, tally));
    }
    Ok(outcome)
}
