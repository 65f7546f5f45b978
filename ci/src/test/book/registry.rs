//! `ci/book.toml`: commands of the book that the book's own run leaves to other tests, those that it types in another form,
//! and those that no test runs, with the reason.

use serde::Deserialize;
use std::path::Path;

/// A command that the book's run does not simply type where it stands.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The command, as it stands in the book.
    pub command: String,
    /// What runs it: `book`, `ci`, `group NAME`, `suite NAME`, or `test FILE NAME`.
    by: Option<String>,
    /// What the book's run types before it: it makes the files that a reader brings.
    pub before: Option<String>,
    /// What the book's run types in its place: the same in a form that takes less time.
    pub instead: Option<String>,
    /// Why no test of each run of the CI does.
    not: Option<String>,
}

/// What the book's run does with a command.
#[derive(Debug, PartialEq, Eq)]
pub enum Way<'a> {
    /// Nothing: another test has it, or none.
    Left,
    /// Types this, maybe after another command.
    Typed {
        /// What is typed first.
        before: Option<&'a str>,
        /// What is typed then.
        text: &'a str,
    },
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
        let known = match (self.by.as_deref(), self.not.as_deref(), self.instead.as_deref()) {
            (None, Some(why), None) => !why.is_empty() && self.before.is_none(),
            (None, None, Some(instead)) => {
                program(instead) == program(&self.command) && *instead != self.command
            }
            (None | Some("book"), None, None) => self.by.is_some() || self.before.is_some(),
            (Some(by), None, None) if self.before.is_none() => self.names_what_exists(by, root),
            _ => false,
        };
        (!known).then(|| {
            format!(
                "ci/book.toml: nothing runs `{}` as it says, or no reason is there",
                self.command
            )
        })
    }

    /// Whether there is the test that `by` names.
    fn names_what_exists(&self, by: &str, root: &Path) -> bool {
        let there = |path: &str| root.join(path).exists();
        let holds = |path: &str, text: &str| {
            std::fs::read_to_string(root.join(path)).is_ok_and(|contents| contents.contains(text))
        };
        match by.split(' ').collect::<Vec<_>>()[..] {
            ["ci"] => holds(".ci/run", &format!("exec {}\n", self.command)),
            ["group", name] => super::super::GROUPS.iter().any(|(_, group, _)| *group == name),
            ["suite", name] => {
                there(&format!(
                    "partitions/linux/initramfs/root/usr/lib/bulkhead/suites/{name}.sh"
                )) || there(&format!("ci/src/test/{name}.rs"))
            }
            ["test", file, name] => holds(file, &format!("fn {name}(")),
            _ => false,
        }
    }

    /// Whether a test runs it.
    pub fn is_run(&self) -> bool {
        self.not.is_none()
    }

    /// What the book's run does with it.
    pub fn way(&self) -> Way<'_> {
        let typed = self.before.is_some() || self.instead.is_some() || self.by.as_deref() == Some("book");
        if !typed {
            return Way::Left;
        }
        Way::Typed {
            before: self.before.as_deref(),
            text: self.instead.as_deref().unwrap_or(&self.command),
        }
    }
}

/// The program of a command, with the word behind it: what another form of the command has, too.
fn program(command: &str) -> Vec<&str> {
    super::commands::words(command).take(3).collect()
}

#[cfg(test)]
fn entry(text: &str) -> Entry {
    toml::from_str(text).unwrap()
}

#[test]
fn an_entry_names_what_exists() {
    let root = super::root();
    let fault = |text: &str| entry(text).fault(root);
    let by = |command: &str, by: &str| fault(&format!("command = '{command}'\nby = '{by}'"));
    for (command, name) in [
        ("cargo xtask test", "ci"),
        ("x", "book"),
        ("x", "group lint"),
        ("x", "suite names"),
        ("x", "suite sealed"),
        ("x", "test ci/tests/tables.rs rules_are_explained"),
    ] {
        assert_eq!(by(command, name), None, "{name}");
    }
    for name in [
        "ci",
        "group linter",
        "suite nobody",
        "test ci/tests/tables.rs rules",
        "somebody",
    ] {
        assert!(by("cargo xtask run", name).is_some(), "{name}");
    }
    for good in [
        "command = 'x'\nnot = 'it takes an hour'",
        "command = 'x'\nbefore = 'y'",
        "command = 'x'\nbefore = 'y'\nby = 'book'",
        "command = 'a b c d'\ninstead = 'a b c e'",
        "command = 'a b c d'\ninstead = 'a b c e'\nbefore = 'y'",
    ] {
        assert_eq!(fault(good), None, "{good}");
    }
    for bad in [
        "command = 'x'",
        "command = 'x'\nby = 'ci'\nnot = 'why'",
        "command = 'x'\nby = 'group lint'\nbefore = 'y'",
        "command = 'x'\nbefore = 'y'\nnot = 'why'",
        "command = 'x'\ninstead = 'x'",
        "command = 'a b c'\ninstead = 'a b d'",
        "command = 'a b c'\ninstead = 'a b c d'\nby = 'group lint'",
    ] {
        assert!(fault(bad).is_some(), "{bad}");
    }
}

#[test]
fn the_way_of_an_entry() {
    let typed = |before, text| Way::Typed { before, text };
    for (text, way) in [
        ("command = 'x'\nnot = 'why'", Way::Left),
        ("command = 'x'\nby = 'group lint'", Way::Left),
        ("command = 'x'\nby = 'book'", typed(None, "x")),
        ("command = 'x'\nbefore = 'y'", typed(Some("y"), "x")),
        ("command = 'x'\ninstead = 'z'", typed(None, "z")),
    ] {
        assert_eq!(entry(text).way(), way, "{text}");
    }
}
