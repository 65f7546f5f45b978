//! Every order in which cores can meet, in what they share: the tests of the policy that loom runs.

use super::host::{results, said};
use super::tally::Tally;
use crate::paths::Paths;
use crate::tool::Tool;
use anyhow::Result;

/// The fewest tests that there may be.
const LEAST: usize = 10;

/// Runs them.
pub fn test(paths: &Paths, tally: &mut Tally) -> Result<()> {
    let tool = Tool::new("cargo")
        .within(&paths.root)
        .args(["test", "--package", "bulkhead-core", "--lib", "--target-dir"])
        .arg(paths.root.join("target/loom"))
        .arg("orders::")
        .env("RUSTFLAGS", "--cfg loom");
    let (good, text) = said("every order in which cores can meet", tool)?;
    let found = results(&text);
    for (test, ok) in &found {
        let name = test.rsplit("::").next().unwrap_or(test).replace('_', " ");
        tally.note(&format!("loom: {name}"), *ok, if *ok { "" } else { "see above" });
    }
    if !good || found.len() < LEAST {
        let detail = format!("{} tests ran of at least {LEAST}", found.len());
        tally.note("loom: all tests", false, &detail);
    }
    Ok(())
}
