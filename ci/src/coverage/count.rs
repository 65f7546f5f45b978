//! What llvm-cov exports, counted: lines and branches by file.

use crate::paths::read;
use anyhow::{Context, Result};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// How many there are, and how many of them ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// All.
    pub all: usize,
    /// Those that ran.
    pub ran: usize,
}

impl Part {
    /// The part that ran, in percent; all of nothing.
    #[expect(clippy::cast_precision_loss, reason = "counts of lines are small")]
    pub fn percent(self) -> f64 {
        if self.all == 0 {
            100.0
        } else {
            100.0 * self.ran as f64 / self.all as f64
        }
    }
}

/// The counts of a file, or of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Lines.
    pub lines: Part,
    /// Branches: each condition has two.
    pub branches: Part,
    /// Those that are not taken because a lookup by our own index always finds something.
    pub lookups: usize,
}

impl Counts {
    /// The branches without those of [`Self::lookups`].
    pub fn reachable(&self) -> Part {
        Part {
            all: self.branches.all - self.lookups,
            ran: self.branches.ran,
        }
    }

    /// The sum as words.
    pub fn words(&self) -> String {
        format!(
            "{:.2} % of the lines, {:.2} % of the branches that can be taken, {:.2} % of all",
            self.lines.percent(),
            self.reachable().percent(),
            self.branches.percent()
        )
    }

    fn add(&mut self, other: &Self) {
        for (sum, part) in [
            (&mut self.lines, other.lines),
            (&mut self.branches, other.branches),
        ] {
            sum.all += part.all;
            sum.ran += part.ran;
        }
        self.lookups += other.lookups;
    }
}

/// What ran, by file.
pub struct Report {
    /// Each file by its path below core's source.
    pub files: BTreeMap<String, Counts>,
    /// All of them.
    pub sum: Counts,
    /// Branches that were never taken: `file:line: the condition, never true`.
    pub missed: Vec<String>,
}

#[derive(Deserialize)]
struct Export {
    data: [Data; 1],
}

#[derive(Deserialize)]
struct Data {
    files: Vec<File>,
}

#[derive(Deserialize)]
struct File {
    filename: String,
    /// First and last line and column, how often it was true, how often false, and what does not matter here.
    branches: Vec<[u64; 9]>,
    summary: Summary,
}

#[derive(Deserialize)]
struct Summary {
    lines: Lines,
}

#[derive(Deserialize)]
struct Lines {
    count: usize,
    covered: usize,
}

/// The conditions of a file by their place: how often each was true, and false, in all instances of its function.
type Conditions = BTreeMap<[u64; 4], [u64; 2]>;

impl Report {
    /// Reads what llvm-cov exported of the files below `root`.
    pub fn read(text: &str, root: &Path) -> Result<Self> {
        let export: Export = serde_json::from_str(text).context("what llvm-cov exports is not in order")?;
        let [data] = export.data;
        let mut report = Self {
            files: BTreeMap::new(),
            sum: Counts::default(),
            missed: Vec::new(),
        };
        for file in data.files {
            let Ok(name) = Path::new(&file.filename).strip_prefix(root) else {
                continue;
            };
            let name = name.display().to_string();
            let source = read(Path::new(&file.filename))?;
            let counts = report.count(&name, &file, &String::from_utf8_lossy(&source));
            report.sum.add(&counts);
            report.files.insert(name, counts);
        }
        Ok(report)
    }

    fn count(&mut self, name: &str, file: &File, source: &str) -> Counts {
        let lines = &file.summary.lines;
        let mut counts = Counts {
            lines: Part {
                all: lines.count,
                ran: lines.covered,
            },
            ..Counts::default()
        };
        let source: Vec<_> = source.lines().collect();
        for (place, taken) in conditions(&file.branches) {
            let condition = words(&source, place);
            for (times, which) in taken.into_iter().zip(["true", "false"]) {
                counts.branches.all += 1;
                if times > 0 {
                    counts.branches.ran += 1;
                } else if which == "false" && is_lookup(condition) {
                    counts.lookups += 1;
                } else {
                    self.missed
                        .push(format!("{name}:{}: {condition}, never {which}", place[0]));
                }
            }
        }
        counts
    }
}

/// Each instance of a generic function has its own counts: what one of them has taken is taken.
fn conditions(branches: &[[u64; 9]]) -> Conditions {
    let mut conditions = Conditions::new();
    for [line, column, to_line, to_column, yes, no, ..] in branches {
        let taken = conditions
            .entry([*line, *column, *to_line, *to_column])
            .or_default();
        taken[0] += yes;
        taken[1] += no;
    }
    conditions
}

/// The words of a condition; the first line of a longer one.
fn words<'a>(source: &[&'a str], [line, column, to_line, to_column]: [u64; 4]) -> &'a str {
    let text = usize::try_from(line)
        .ok()
        .and_then(|line| source.get(line.checked_sub(1)?));
    let from = usize::try_from(column).unwrap_or_default().saturating_sub(1);
    let to = if line == to_line {
        usize::try_from(to_column).ok().and_then(|to| to.checked_sub(1))
    } else {
        None
    };
    let text = text.copied().unwrap_or_default();
    text.get(from..to.unwrap_or(text.len())).unwrap_or_default()
}

/// Whether this is the pattern of a `let Some(...)`: the policy looks things up instead of indexing, as it may not panic.
fn is_lookup(condition: &str) -> bool {
    condition.starts_with("Some(") || condition.starts_with("(Some(")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "fn f() {\n    if a && b {\n    let Some(x) = list.get(at) else {\n";

    #[test]
    fn what_is_exported_is_counted() {
        let room = tempfile::tempdir().unwrap();
        let file = room.path().join("life.rs");
        std::fs::write(&file, SOURCE).unwrap();
        let text = format!(
            r#"{{"data":[{{"files":[
            {{"filename":"{}","branches":[[2,8,2,9,3,0,0,0,4],[2,13,2,14,0,3,0,0,4],[2,8,2,9,0,2,0,0,4],[3,9,3,16,1,0,0,0,4]],
              "summary":{{"lines":{{"count":8,"covered":6}}}}}},
            {{"filename":"/elsewhere/x.rs","branches":[],"summary":{{"lines":{{"count":1,"covered":0}}}}}}]}}]}}"#,
            file.display()
        );
        let report = Report::read(&text, room.path()).unwrap();
        let counts = report.files["life.rs"];
        assert_eq!((counts.lines.percent(), counts.branches.all), (75.0, 6));
        // One instance took `a` one way, another the other.
        assert_eq!((counts.branches.ran, counts.lookups), (4, 1));
        assert_eq!(counts.reachable().percent(), 80.0);
        assert_eq!(report.missed, ["life.rs:2: b, never true"]);
        assert_eq!(report.sum, counts);
    }

    #[test]
    fn what_is_too_little_is_said() {
        let part = |all, ran| Part { all, ran };
        let counts = |lines, branches, lookups| Counts {
            lines,
            branches,
            lookups,
        };
        let said = super::super::faults(&counts(part(100, 94), part(100, 95), 0));
        assert_eq!(said, ["94.00 % of the lines, and 95 % is the least"]);
        let said = super::super::faults(&counts(part(100, 95), part(100, 80), 10));
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(super::super::faults(&counts(part(100, 95), part(110, 95), 10)).is_empty());
    }

    #[test]
    fn a_condition_of_several_lines_is_its_first() {
        let source: Vec<_> = SOURCE.lines().collect();
        assert_eq!(words(&source, [2, 8, 3, 2]), "a && b {");
        assert_eq!(words(&source, [9, 1, 9, 2]), "");
    }
}
