//! GlobalPlatform clients that nobody changed, on every TEE: `cargo xtask test --gp`, and its page of results.

use super::linux::{self, Done, Run};
use super::tally::Tally;
use crate::paths::{Paths, write};
use crate::{build, parts};
use anyhow::Result;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// The suites in their order. `gp`, `gp-both` and `unnamed` are xtest; the others are clients of ours and from packages.
const SUITES: &str = "clients,names,applications,unnamed,tokens,gp,gp-both,killed";
/// How long each form may take. The short one takes less than 15 minutes on a machine that does nothing else.
const SHORT: Duration = Duration::from_secs(25 * 60);
const FULL: Duration = Duration::from_secs(3 * 60 * 60);

/// Runs the suites; the page goes to the system's folder, and that of the full form to the book, too.
pub fn test(paths: &Paths, full: bool, tally: &mut Tally) -> Result<()> {
    let parts = parts::provide(paths, &parts::ALL)?;
    let table = paths.root.join("configs/phone.toml");
    let built = build::build_with(paths, &parts, build::load(&table)?, &table)?;
    let start = Instant::now();
    let run = Run {
        name: "gp",
        suites: SUITES,
        arguments: if full {
            "bulkhead.gp=full"
        } else {
            "bulkhead.gp=short"
        },
        sve: true,
        limit: if full { FULL } else { SHORT },
    };
    let done = linux::boot(&built, &run, tally);
    let text = page(&done, full, start.elapsed());
    write(&built.firmware.folder.join("gp/results.md"), text.as_bytes())?;
    if full {
        write(&paths.root.join("docs/gp-results.md"), text.as_bytes())?;
    }
    Ok(())
}

/// The page of results.
fn page(done: &[Done], full: bool, took: Duration) -> String {
    let form = if full { "full" } else { "short" };
    let command = if full { " --full" } else { "" };
    let failed = done.iter().filter(|case| !case.ok).count();
    let mut text = format!(
        "# GlobalPlatform clients: results\n\n\
         Made by `cargo xtask test --gp{command}`, the {form} form: {} cases, {failed} failed, in {} on an emulated \
         machine with four cores. `gp` is xtest on one OP-TEE after the other, `gp-both` on all at the same time. \
         Times are seconds in Linux on that machine.\n\n",
        done.len(),
        minutes(took),
    );
    text += "## Suites\n\n| suite | TEE | cases | failed | time |\n|---|---|---|---|---|\n";
    for ((suite, tee), cases) in groups(done) {
        let single = || cases.iter().filter(|case| case.name != SUM);
        let bad = single().filter(|case| !case.ok).count();
        let time: u64 = single().map(|case| case.ms).sum();
        let _ = writeln!(
            text,
            "| {suite} | {tee} | {} | {bad} | {} |",
            single().count(),
            seconds(time)
        );
    }
    if failed > 0 {
        text += "\n## Failed\n\n";
        for case in done.iter().filter(|case| !case.ok) {
            let detail = case.detail.replace('|', "\\|");
            let _ = writeln!(text, "- {} {} `{}`: {detail}", case.suite, case.tee, case.name);
        }
    }
    text += "\n## Cases\n";
    for suite in order(done) {
        cases(&mut text, suite, done);
    }
    text
}

/// What `bulkhead-xtest` calls the line about all cases of a run.
const SUM: &str = "all cases";

/// The cases of a suite, a column for each TEE.
fn cases(text: &mut String, suite: &str, done: &[Done]) {
    let of: Vec<&Done> = done
        .iter()
        .filter(|case| case.suite == suite && case.name != SUM)
        .collect();
    let tees: BTreeSet<&str> = of.iter().map(|case| case.tee.as_str()).collect();
    let _ = write!(text, "\n### {suite}\n\n| case |");
    for tee in &tees {
        let _ = write!(text, " {tee} |");
    }
    let _ = write!(text, "\n|---|{}\n", "---|".repeat(tees.len()));
    let mut names: Vec<&str> = Vec::new();
    for case in &of {
        if !names.contains(&case.name.as_str()) {
            names.push(&case.name);
        }
    }
    for name in names {
        let _ = write!(text, "| {name} |");
        for tee in &tees {
            match of.iter().find(|case| case.name == name && case.tee == **tee) {
                Some(case) if case.ok => {
                    let _ = write!(text, " {} |", seconds(case.ms));
                }
                Some(_) => *text += " **failed** |",
                None => *text += " |",
            }
        }
        text.push('\n');
    }
}

/// The suites as they came.
fn order(done: &[Done]) -> Vec<&str> {
    let mut suites: Vec<&str> = Vec::new();
    for case in done {
        if !suites.contains(&case.suite.as_str()) {
            suites.push(&case.suite);
        }
    }
    suites
}

/// The cases of each suite and TEE.
fn groups(done: &[Done]) -> BTreeMap<(&str, &str), Vec<&Done>> {
    let mut groups: BTreeMap<_, Vec<&Done>> = BTreeMap::new();
    for case in done {
        groups
            .entry((case.suite.as_str(), case.tee.as_str()))
            .or_default()
            .push(case);
    }
    groups
}

fn seconds(ms: u64) -> String {
    format!("{}.{}", ms / 1000, ms % 1000 / 100)
}

fn minutes(time: Duration) -> String {
    let seconds = time.as_secs();
    format!("{} min {} s", seconds / 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(suite: &str, tee: &str, name: &str, ok: bool, ms: u64) -> Done {
        Done {
            suite: suite.into(),
            tee: tee.into(),
            name: name.into(),
            ok,
            ms,
            detail: if ok { String::new() } else { "it is | wrong".into() },
        }
    }

    #[test]
    fn the_page_has_every_case_and_names_what_failed() {
        let done = [
            case("tokens", "vendor-b", "a token is made", true, 90),
            case("gp", "vendor-a", "regression_1001", true, 1250),
            case("gp", "vendor-a", SUM, true, 9000),
            case("gp", "vendor-b", "regression_1001", false, 2000),
            case("gp", "vendor-b", "regression_1002", true, 40),
        ];
        let page = page(&done, true, Duration::from_secs(61));
        for text in [
            "`cargo xtask test --gp --full`",
            "5 cases, 1 failed, in 1 min 1 s",
            "| gp | vendor-a | 1 | 0 | 1.2 |",
            "| gp | vendor-b | 2 | 1 | 2.0 |",
            "- gp vendor-b `regression_1001`: it is \\| wrong",
            "| case | vendor-a | vendor-b |\n|---|---|---|\n| regression_1001 | 1.2 | **failed** |\n| regression_1002 | | 0.0 |",
            "### tokens\n\n| case | vendor-b |",
        ] {
            assert!(page.contains(text), "{text:?} is not in:\n{page}");
        }
    }

    #[test]
    fn a_page_without_failures_has_no_list_of_them() {
        let page = page(&[case("gp", "a", "b", true, 1)], false, Duration::from_secs(1));
        assert!(!page.contains("## Failed") && page.contains("the short form"));
    }
}
