//! The dispatcher and the ledger beside their reference models: as many random calls as CI is to try, anew each time.

use super::host::{results, said};
use super::tally::Tally;
use crate::cli::TestArgs;
use crate::paths::Paths;
use crate::tool::Tool;
use anyhow::Result;
use std::time::{SystemTime, UNIX_EPOCH};

/// The tests that compare with a model, and what the model is of.
const MODELS: [(&str, &str); 4] = [
    (
        "tests::agree::with_the_model_of_endpoints",
        "endpoints, contexts and call chains",
    ),
    (
        "tests::lives::with_the_model_of_callers",
        "callers of partitions that fail and come back",
    ),
    (
        "tests::agree_parties::with_the_model_of_parties",
        "buffers, messages, notifications and pages",
    ),
    (
        "memory::tests::random::agrees_with_the_reference",
        "who owns each page, descriptor by descriptor",
    ),
];

/// Tries each model with `--calls` random calls from `--seed`, or from a seed of now.
pub fn test(paths: &Paths, args: &TestArgs, tally: &mut Tally) -> Result<()> {
    let seed = args.seed.unwrap_or_else(fresh);
    let calls = args.calls;
    let what = format!("{calls} random calls with each reference model, from seed {seed}");
    let tool = Tool::new("cargo")
        .within(&paths.root)
        .args(["test", "--lib", "--no-fail-fast", "--", "--exact"])
        .args(MODELS.map(|(test, _)| test))
        .env("BULKHEAD_CALLS", calls.to_string())
        .env("BULKHEAD_SEED", seed.to_string());
    let (_, text) = said(&what, tool)?;
    let found = results(&text);
    for (test, title) in MODELS {
        let ok = found.iter().any(|(name, ok)| name == test && *ok);
        let detail = if ok {
            format!("{calls} calls agree, seed {seed}")
        } else if found.iter().any(|(name, _)| name == test) {
            format!("see above; `cargo xtask test --only model --calls {calls} --seed {seed}` repeats it")
        } else {
            format!("no test `{test}` ran")
        };
        tally.note(&format!("model of {title}"), ok, &detail);
    }
    Ok(())
}

/// A seed that no run had before.
pub fn fresh() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // Short enough to be typed again.
    now.as_millis() as u64 % 1_000_000_000
}
