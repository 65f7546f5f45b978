//! Bad tables with their exact messages, several for a rule where it has several faces. What each rule has in any
//! case, an example with its good neighbour, is tested in `book.rs`. `BLESS=1 cargo test -p bulkhead-configs` writes the
//! messages anew; what changed is then for a person to read.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use bulkhead_configs::{Images, Rule, Severity, emit, load};

/// Every table below a folder; boards' own files are not tables.
fn tables(folder: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            out.extend(tables(&entry));
        } else if entry.extension().is_some_and(|extension| extension == "toml")
            && !entry.ends_with("board.toml")
        {
            out.push(entry);
        }
    }
    out.sort();
    out
}

/// The images that a table's first line asks for, as in `# images: alpha=100 beta=8` (bytes, all zero).
fn images(table: &Path) -> Option<Images> {
    let text = fs::read_to_string(table).ok()?;
    let line = text.lines().next()?.strip_prefix("# images: ")?;
    let pairs = line.split(' ').map(|pair| pair.split_once('=').unwrap());
    Some(
        pairs
            .map(|(name, size)| (name.to_owned(), vec![0; size.parse().unwrap()]))
            .collect(),
    )
}

/// What is said of a table; empty for a good one.
fn message(table: &Path) -> String {
    let system = match load(table) {
        Ok(system) => system,
        Err(report) => return report.to_string(),
    };
    match images(table).map(|images| emit(&system, &images)) {
        Some(Err(report)) => report.to_string(),
        _ => system.warnings().map_or_else(String::new, |report| {
            format!("{}\n", report.show(Severity::Warning, false))
        }),
    }
}

#[test]
fn each_table_has_exactly_its_message() {
    let bless = std::env::var_os("BLESS").is_some();
    let mut wrong = Vec::new();
    for table in tables(Path::new("tests/rules")) {
        let expected = table.with_extension("txt");
        let message = message(&table);
        if bless {
            fs::write(&expected, &message).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != message {
            wrong.push(format!("{}:\n{message}", table.display()));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} tables have another message than the one pinned:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// The code stands in the name of the table (or of its folder), and in the message.
#[test]
fn tables_are_named_after_the_rule_that_they_break() {
    let tables = tables(Path::new("tests/rules"));
    let mut covered = BTreeSet::new();
    for table in &tables {
        let shown = table.display().to_string();
        let codes = Rule::ALL.iter().filter(|rule| shown.contains(rule.code()));
        for rule in codes {
            let message = message(table);
            assert!(
                ["error", "warning"]
                    .iter()
                    .any(|how| message.contains(&format!("{how}[{}]", rule.code()))),
                "{shown} says:\n{message}"
            );
            covered.insert(rule.code());
        }
    }
    assert!(
        covered.len() >= 50,
        "only {} rules have a table of their own",
        covered.len()
    );
}

#[test]
fn good_tables_are_accepted() {
    assert_eq!(message(Path::new("tests/rules/good.toml")), "");
    assert_eq!(message(Path::new("phone.toml")), "");
}

#[test]
fn codes_are_unique() {
    let codes: BTreeSet<_> = Rule::ALL.iter().map(|rule| rule.code()).collect();
    assert_eq!(codes.len(), Rule::ALL.len());
}
