//! `ci/book.toml`: commands of the book that the book's own run leaves to other tests, and those that no test runs, with
//! the reason.

use serde::Deserialize;
use std::path::Path;

/// A command that the book's run leaves out.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The command, as it stands in the book.
    pub command: String,
    /// What runs it: `ci`, `group NAME`, `suite NAME`, or `test FILE NAME`.
    by: Option<String>,
    /// Why no test of each run of the CI does.
    not: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Registry {
    command: Vec<Entry>,
}

/// Reads the registry.
pub fn read(root: &Path) -> Vec<Entry> {
    let text = std::fs::read_to_string(root.join("ci/book.toml")).unwrap_or_default();
    toml::from_str::<Registry>(&text).map_or_else(
        |error| panic!("ci/book.toml: {error}"),
        |registry| registry.command,
    )
}

impl Entry {
    /// What is wrong with an entry, if anything: what it names has to exist.
    pub fn fault(&self, root: &Path) -> Option<String> {
        let there = |path: &str| root.join(path).exists();
        let holds = |path: &str, text: &str| {
            std::fs::read_to_string(root.join(path)).is_ok_and(|contents| contents.contains(text))
        };
        let known = match (self.by.as_deref(), self.not.as_deref()) {
            (None, Some(why)) => !why.is_empty(),
            (Some("ci"), None) => holds(".ci/run", &format!("exec {}\n", self.command)),
            (Some(by), None) => match by.split(' ').collect::<Vec<_>>()[..] {
                ["group", name] => super::super::GROUPS.iter().any(|(_, group, _)| *group == name),
                ["suite", name] => {
                    there(&format!(
                        "partitions/linux/initramfs/root/usr/lib/bulkhead/suites/{name}.sh"
                    )) || there(&format!("ci/src/test/{name}.rs"))
                }
                ["test", file, name] => holds(file, &format!("fn {name}(")),
                _ => false,
            },
            _ => false,
        };
        (!known).then(|| {
            format!(
                "ci/book.toml: nothing runs `{}` as it says, or no reason is there",
                self.command
            )
        })
    }

    /// Whether a test runs it.
    pub fn is_run(&self) -> bool {
        self.by.is_some()
    }
}

#[test]
fn an_entry_names_what_exists() {
    let root = super::root();
    let entry = |command: &str, by: Option<&str>, not: Option<&str>| Entry {
        command: command.to_owned(),
        by: by.map(str::to_owned),
        not: not.map(str::to_owned),
    };
    for (command, by) in [
        ("cargo xtask test", "ci"),
        ("x", "group lint"),
        ("x", "suite names"),
        ("x", "suite sealed"),
        ("x", "test ci/tests/tables.rs rules_are_explained"),
    ] {
        assert_eq!(entry(command, Some(by), None).fault(root), None, "{by}");
    }
    for by in [
        "ci",
        "group linter",
        "suite nobody",
        "test ci/tests/tables.rs rules",
        "somebody",
    ] {
        assert!(
            entry("cargo xtask run", Some(by), None).fault(root).is_some(),
            "{by}"
        );
    }
    assert_eq!(entry("x", None, Some("it takes an hour")).fault(root), None);
    assert!(entry("x", None, None).fault(root).is_some());
    assert!(entry("x", Some("ci"), Some("why")).fault(root).is_some());
}
