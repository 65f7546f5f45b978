//! Tests and checks that need no machine but this one.

use super::tally::Tally;
use crate::paths::Paths;
use crate::progress::step;
use crate::tool::Tool;
use anyhow::{Context, Result};

/// Packages beside the default members whose tests run on the host.
const MORE: [&str; 6] = [
    "bulkhead-route",
    "bulkhead-client",
    "sp-rt",
    "bulkhead-rust-tee",
    "bulkhead-sensors",
    "bulkhead-sel4",
];

/// Formatting and lints of what builds on the host.
pub fn lint(paths: &Paths, tally: &mut Tally) {
    let checks: [(&str, &[&str]); 2] = [
        ("formatting (cargo fmt)", &["fmt", "--all", "--check"]),
        (
            "lints (cargo clippy)",
            &["clippy", "--all-targets", "--", "-D", "warnings"],
        ),
    ];
    for (name, arguments) in checks {
        let log = paths.logs.join("lint.log");
        let result = step(name, || {
            Tool::new("cargo")
                .within(&paths.root)
                .args(arguments)
                .run(name, &log)
        });
        tally.note(
            name,
            result.is_ok(),
            &result.err().map(|error| error.to_string()).unwrap_or_default(),
        );
    }
}

/// Unit and property tests.
pub fn test(paths: &Paths, tally: &mut Tally) -> Result<()> {
    run(paths, "host tests", &[], tally)?;
    for package in MORE {
        run(
            paths,
            &format!("host tests of {package}"),
            &["--package", package],
            tally,
        )?;
    }
    Ok(())
}

/// Runs a tool of cargo's as a step of this name: whether it ended well, and what it wrote, which is shown where
/// it did not.
pub fn said(name: &str, tool: Tool) -> Result<(bool, String)> {
    let output = step(name, || {
        tool.command()
            .output()
            .context("`cargo` could not be started; install Rust by rustup")
    })?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        eprint!("{text}{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok((output.status.success(), text))
}

/// Runs cargo's tests and counts them; a build that fails counts as one failure.
fn run(paths: &Paths, name: &str, arguments: &[&str], tally: &mut Tally) -> Result<()> {
    let tool = Tool::new("cargo")
        .within(&paths.root)
        .args(["test", "--no-fail-fast"])
        .args(arguments);
    let (good, text) = said(name, tool)?;
    let mut results = results(&text);
    if !good && results.iter().all(|(_, ok)| *ok) {
        results.push(("cargo test".to_owned(), false));
    }
    tally.count(name, &results);
    Ok(())
}

/// What test programs say about each of their tests: its name, and whether it passed. A result that cannot be laid to
/// a name, since other output broke its line, is counted by the program's own sum, under the sum's name.
pub fn results(text: &str) -> Vec<(String, bool)> {
    let mut all = Vec::new();
    let mut program: Vec<(String, bool)> = Vec::new();
    for line in text.lines() {
        if let Some(sum) = line.strip_prefix("test result: ") {
            for (what, ok) in [(" passed", true), (" failed", false)] {
                let named = program.iter().filter(|result| result.1 == ok).count();
                let unnamed = number(sum, what).saturating_sub(named);
                program.extend((0..unnamed).map(|n| (format!("unnamed {n}"), ok)));
            }
            all.append(&mut program);
        } else if let Some((name, result)) = line
            .strip_prefix("test ")
            .and_then(|line| line.rsplit_once(" ... "))
            && let Some(ok) = [("ok", true), ("FAILED", false)]
                .iter()
                .find_map(|(word, ok)| (*word == result).then_some(*ok))
        {
            program.push((name.to_owned(), ok));
        }
    }
    // A program that died has no sum; what it said before still counts.
    all.append(&mut program);
    all
}

/// The number before a word of a test program's sum.
fn number(sum: &str, what: &str) -> usize {
    let field = sum
        .split(['.', ';'])
        .find_map(|field| field.trim().strip_suffix(what));
    field.and_then(|number| number.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn results_are_named_and_summed() {
        let text = "running 3 tests\ntest a::b ... ok\ntest c - should panic ... ok\ntest d ... ignored\n\
                    test e ... noise\nok\ntest result: ok. 3 passed; 0 failed; 1 ignored; 0 measured\n\
                    test f ... FAILED\ntest result: FAILED. 0 passed; 1 failed; 0 ignored\ntest g ... ok\n";
        let named = |name: &str, ok| (name.to_owned(), ok);
        assert_eq!(
            super::results(text),
            [
                named("a::b", true),
                named("c - should panic", true),
                named("unnamed 0", true),
                named("f", false),
                named("g", true),
            ]
        );
    }
}
