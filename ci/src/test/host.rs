//! Tests and checks that need no machine but this one.

use super::tally::Tally;
use crate::paths::Paths;
use crate::progress::step;
use crate::tool::Tool;
use anyhow::{Context, Result};

/// Packages beside the default members whose tests run on the host.
const MORE: [&str; 4] = ["bulkhead-route", "bulkhead-client", "sp-rt", "bulkhead-rust-tee"];

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

/// Runs cargo's tests and counts them; a build that fails counts as one failure.
fn run(paths: &Paths, name: &str, arguments: &[&str], tally: &mut Tally) -> Result<()> {
    let output = step(name, || {
        let tool = Tool::new("cargo")
            .within(&paths.root)
            .args(["test", "--no-fail-fast"])
            .args(arguments);
        tool.command()
            .output()
            .context("`cargo` could not be started; install Rust by rustup")
    })?;
    let text = String::from_utf8_lossy(&output.stdout);
    let (passed, failed) = count(&text);
    if !output.status.success() {
        eprint!("{text}{}", String::from_utf8_lossy(&output.stderr));
    }
    tally.count(
        name,
        passed,
        if output.status.success() {
            failed
        } else {
            failed.max(1)
        },
    );
    Ok(())
}

/// Sums the result lines of test programs.
fn count(text: &str) -> (usize, usize) {
    let results = text.lines().filter_map(|line| line.strip_prefix("test result: "));
    results.fold((0, 0), |(passed, failed), line| {
        let number = |what: &str| {
            let field = line
                .split(['.', ';'])
                .find_map(|field| field.trim().strip_suffix(what));
            field
                .and_then(|number| number.trim().parse::<usize>().ok())
                .unwrap_or(0)
        };
        (passed + number(" passed"), failed + number(" failed"))
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn results_are_summed() {
        let text = "running 3 tests\ntest result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out\n\
                    test result: FAILED. 10 passed; 2 failed; 0 ignored\n";
        assert_eq!(super::count(text), (13, 2));
    }
}
