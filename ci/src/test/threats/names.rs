//! The names of tests, as they stand in the sources.

use std::fs;
use std::path::{Path, PathBuf};

/// The names of all bare-metal cases.
pub fn cases(root: &Path) -> Vec<String> {
    sources(root)
        .iter()
        .flat_map(|text| names(text, &["right", "wrong", "isolation"]))
        .collect()
}

/// The names of those of isolation.
pub fn isolation(root: &Path) -> Vec<String> {
    sources(root)
        .iter()
        .flat_map(|text| names(text, &["isolation"]))
        .collect()
}

fn sources(root: &Path) -> Vec<String> {
    let folder = root.join("partitions/ns-boot/src/cases");
    let entries = fs::read_dir(folder).expect("the cases are there");
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    let read = |path: &PathBuf| fs::read_to_string(path).expect("a source is text");
    paths.iter().map(read).collect()
}

/// The names that stand first in the parentheses behind one of these words; what a macro makes of `concat!($name, "-x")`
/// is a name for each `"name" Kind::` that the macro is given.
fn names(text: &str, words: &[&str]) -> Vec<String> {
    let kinds: Vec<_> = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix('"')?.split_once("\" Kind::"))
        .map(|(kind, _)| kind)
        .collect();
    let mut found = Vec::new();
    for word in words {
        for (at, _) in text.match_indices(&format!("{word}(")) {
            let within = text[at + word.len() + 1..].trim_start();
            if let Some(name) = within.strip_prefix('"').and_then(|rest| rest.split('"').next()) {
                found.push(name.to_owned());
            } else if let Some(rest) = within.strip_prefix("concat!($name, \"") {
                let end = rest.split('"').next().unwrap_or_default();
                found.extend(kinds.iter().map(|kind| format!("{kind}{end}")));
            }
        }
    }
    found
}

/// Whether there is such a test: `core tests/boot.rs`, `scenario crash`, `rule BH071`, `linux names`, `fuzz calls`, or a case.
pub fn exists(root: &Path, cases: &[String], test: &str) -> bool {
    let there = |path: String| root.join(path).exists();
    match test.split_once(' ') {
        None => cases.iter().any(|case| super::fits(test, case)),
        Some(("core", file)) => there(format!("hypervisor/core/src/{file}")),
        Some(("scenario", name)) => there(format!("ci/scenarios/{name}.toml")),
        Some(("rule", number)) => there(format!("docs/rules/{number}.md")),
        Some(("fuzz", target)) => there(format!("hypervisor/core/fuzz/fuzz_targets/{target}.rs")),
        Some(("linux", suite)) => {
            there(format!(
                "partitions/linux/initramfs/root/usr/lib/bulkhead/suites/{suite}.sh"
            )) || there(format!("ci/src/test/{suite}.rs"))
                || there(format!("ci/src/test/{suite}"))
        }
        Some(_) => false,
    }
}

#[test]
fn names_are_found() {
    let text = "
        right(\"a\", f), wrong(\n   \"b-c\",\n x), isolation(\"d\", || e(\"no\")),
        isolation(concat!($name, \"-x\"), g),
        \"edge\" Kind::Edge,
        \"sgi\" Kind::Sgi,
    ";
    assert_eq!(names(text, &["right", "wrong"]), ["a", "b-c"]);
    assert_eq!(names(text, &["isolation"]), ["d", "edge-x", "sgi-x"]);
}
