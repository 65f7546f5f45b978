//! The figures of the last release, and which of today's have grown since without the change log saying so.

use super::figures::{Figures, OPERATIONS};
use anyhow::{Context, Result};
use std::collections::BTreeMap;

/// The file with the figures, in the repository; `cargo xtask bench --bless` writes it at a release.
pub const FILE: &str = "docs/cost.csv";

/// The change log, in the repository.
pub const LOG: &str = "docs/changelog.md";

/// How much more than at the last release nobody has to explain, in percent.
const SLACK: u64 = 3;

/// The operation in which nothing of ours takes part.
const FIRMWARE: &str = "psci-version";

/// An operation's figures: with one partition, and with eight.
type Pair = [Option<u64>; 2];

/// The figures of a release by operation.
pub struct Reference(BTreeMap<String, Pair>);

/// A figure that grew by more than the slack.
#[derive(Debug, PartialEq, Eq)]
pub struct Growth {
    /// The operation.
    pub operation: &'static str,
    /// Then and now, in instructions.
    pub figures: [u64; 2],
    /// Whether the change log has a line about it.
    pub told: bool,
}

impl Reference {
    /// Reads the text that `bench --csv` writes.
    pub fn parse(text: &str) -> Result<Self> {
        let mut lines = text.lines();
        let head: Vec<_> = lines.next().unwrap_or_default().split(',').collect();
        let column = |name: &str| {
            let found = head.iter().position(|title| *title == name);
            found.with_context(|| {
                format!("{FILE} has no column `{name}`; `cargo xtask bench --bless` writes it anew")
            })
        };
        let columns = [column("bulkhead")?, column("bulkhead-8")?];
        let mut figures = BTreeMap::new();
        for line in lines {
            let cells: Vec<_> = line.split(',').collect();
            let figure = |column: usize| cells.get(column).and_then(|cell| cell.parse().ok());
            figures.insert(cells[0].to_owned(), columns.map(figure));
        }
        Ok(Self(figures))
    }

    /// An operation's figure with one partition.
    pub fn get(&self, operation: &str) -> Option<u64> {
        self.0.get(operation)?[0]
    }

    /// Whether today's figures were counted by the same measure: what firmware answers alone takes what it took.
    /// Another version of QEMU counts a few percent more or less for everything.
    pub fn is_of_this_machine(&self, now: &Figures) -> bool {
        match (self.get(FIRMWARE), now.get(FIRMWARE)) {
            (Some(then), Some(now)) => then.abs_diff(now) <= 1,
            _ => false,
        }
    }

    /// What grew, given the change log.
    pub fn grown(&self, now: [Option<&Figures>; 2], log: &str) -> Vec<Growth> {
        let mut all = Vec::new();
        for operation in OPERATIONS.iter().map(|operation| operation.name) {
            let then = self.0.get(operation).copied().unwrap_or_default();
            for (then, now) in then.into_iter().zip(now) {
                let now = now.and_then(|figures| figures.get(operation));
                if let (Some(then), Some(now)) = (then, now)
                    && now * 100 > then * (100 + SLACK)
                {
                    all.push(Growth {
                        operation,
                        figures: [then, now],
                        told: is_told(log, operation),
                    });
                }
            }
        }
        all
    }
}

/// Whether the newest section of the change log has a line such as ``- cost of `direct-64`, `direct-32`: …``.
fn is_told(log: &str, operation: &str) -> bool {
    let newest = log.split("\n## ").nth(1).unwrap_or_default();
    let costs = newest.lines().filter_map(|line| line.strip_prefix("- cost of "));
    let told = costs.filter_map(|line| line.split_once("`: "));
    told.filter(|(_, why)| !why.trim().is_empty())
        .flat_map(|(operations, _)| operations.split(", "))
        .any(|name| name.trim_matches('`') == operation)
}

#[cfg(test)]
mod tests {
    use super::*;

    const THEN: &str = "operation,floor,bulkhead,target,bulkhead-8,hafnium\n\
                        version,1544,1000,1700,,4068\ndirect-64,1342,2000,2000,2000,8252\n";

    fn figures(list: &[(&str, u64)]) -> Figures {
        let mut figures = Figures::default();
        for (operation, instructions) in list {
            figures.note(operation, *instructions);
        }
        figures
    }

    #[test]
    fn growth_needs_a_line_in_the_change_log() {
        let reference = Reference::parse(THEN).unwrap();
        assert_eq!(reference.get("version"), Some(1000));
        let one = figures(&[("version", 1030), ("direct-64", 2061), ("features", 9)]);
        let eight = figures(&[("version", 5000), ("direct-64", 1000)]);
        let grown = |log| reference.grown([Some(&one), Some(&eight)], log);
        let growth = |told| Growth {
            operation: "direct-64",
            figures: [2000, 2061],
            told,
        };
        assert_eq!(
            grown(""),
            [growth(false)],
            "3 % are free, what has no figure is new"
        );
        let line =
            "# Change log\n\n## Unreleased\n\n- cost of `version`, `direct-64`: one more check\n\n## 0.1.0\n";
        assert_eq!(grown(line), [growth(true)]);
        let other = line.replace("direct-64", "direct-64:half");
        assert_eq!(grown(&other), [growth(false)], "of another operation");
        let old = "# Change log\n\n## Unreleased\n\n## 0.1.0\n\n- cost of `direct-64`: one more check\n";
        assert_eq!(grown(old), [growth(false)], "of an older release");
        let empty = "# Change log\n\n## Unreleased\n\n- cost of `direct-64`: \n";
        assert_eq!(grown(empty), [growth(false)], "without a reason");
    }

    #[test]
    fn another_measure_is_told_by_what_firmware_takes() {
        let reference = Reference::parse("operation,bulkhead,bulkhead-8\npsci-version,237,237\n").unwrap();
        assert!(reference.is_of_this_machine(&figures(&[("psci-version", 238)])));
        assert!(!reference.is_of_this_machine(&figures(&[("psci-version", 230)])));
        assert!(!reference.is_of_this_machine(&figures(&[])));
    }

    #[test]
    fn a_file_without_figures_is_refused() {
        assert!(Reference::parse("operation,floor\nversion,1\n").is_err());
    }
}
