//! The book: its links lead somewhere, and each of its commands is run, here page by page as a reader types it, or by the
//! test that `ci/book.toml` names.

mod commands;
mod compare;
mod links;
mod page;
mod play;
mod registry;
mod tables;

use super::tally::Tally;
use crate::cli::{Cli, TestArgs};
use crate::paths::Paths;
use anyhow::Result;
use clap::Parser;
use clap::error::ErrorKind::MissingRequiredArgument;
use commands::{Command, Step};
use page::Page;
use registry::{Entry, Way};
use std::path::Path;

/// Where pages are, beside the README of the repository.
const FOLDERS: [&str; 2] = ["docs", "boards"];

/// Stands for a page: the commands that are in no block, in the order of the registry.
const IN_TEXT: &str = "in-text.md";

/// Runs the book's commands; those of some pages alone where `--suites` names them.
pub fn test(paths: &Paths, args: &TestArgs, tally: &mut Tally) -> Result<()> {
    let pages = pages(&paths.root);
    let faults = faults(&paths.root, &pages);
    tally.note(
        "the book's links, blocks and commands",
        faults.is_empty(),
        &faults.join("; "),
    );
    let mut readings = readings(&pages, &registry::read(&paths.root));
    if let Some(names) = &args.suites {
        readings.retain(|reading| {
            names
                .split(',')
                .any(|name| reading.page.ends_with(&format!("{name}.md")))
        });
    }
    play::all(paths, &readings, tally)
}

/// What a reader does on one page.
struct Reading<'a> {
    page: &'a str,
    steps: Vec<Step>,
}

/// All pages of the book, and the repository's README.
fn pages(root: &Path) -> Vec<Page> {
    let mut paths = vec!["README.md".to_owned()];
    for folder in FOLDERS {
        collect(root, folder, &mut paths);
    }
    paths.sort();
    let read = |path: String| {
        let text = std::fs::read_to_string(root.join(&path)).unwrap_or_default();
        Page::read(&path, &text)
    };
    paths.into_iter().map(read).collect()
}

fn collect(root: &Path, folder: &str, paths: &mut Vec<String>) {
    let entries = std::fs::read_dir(root.join(folder))
        .into_iter()
        .flatten()
        .flatten();
    for entry in entries {
        let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            collect(root, &path, paths);
        } else if path.ends_with(".md") {
            paths.push(path);
        }
    }
}

/// What the reader of each page does, in the form that the registry says, and without what it leaves to others; at the
/// end what only the text of pages mentions.
fn readings<'a>(pages: &'a [Page], registry: &[Entry]) -> Vec<Reading<'a>> {
    let own = |page: &'a Page| Reading {
        page: &page.path,
        steps: (commands::steps(page).0.into_iter())
            .flat_map(|step| formed(step, registry))
            .collect(),
    };
    let mut readings: Vec<_> = pages.iter().map(own).collect();
    let mentioned = (1..).zip(registry).filter(|(_, entry)| !in_block(pages, entry));
    readings.push(Reading {
        page: IN_TEXT,
        steps: mentioned
            .flat_map(|(line, entry)| formed(Step::Type(Command::plain(line, &entry.command)), registry))
            .collect(),
    });
    readings.retain(|reading| !reading.steps.is_empty());
    readings
}

/// A step in the form that the registry says, with what is done before it.
fn formed(step: Step, registry: &[Entry]) -> Vec<Step> {
    let Step::Type(command) = step else {
        return vec![step];
    };
    let entry = registry.iter().find(|entry| entry.command == command.text);
    match entry.map_or(
        Way::Typed {
            before: None,
            text: &command.text,
        },
        Entry::way,
    ) {
        Way::Left => Vec::new(),
        Way::Typed { before, text } => {
            let text = text.to_owned();
            let before = before.map(|text| Step::Prepare {
                line: command.line,
                text: text.to_owned(),
            });
            before
                .into_iter()
                .chain([Step::Type(Command { text, ..command })])
                .collect()
        }
    }
}

/// Whether a command stands in a block of a page.
fn in_block(pages: &[Page], entry: &Entry) -> bool {
    let steps = pages.iter().flat_map(|page| commands::steps(page).0);
    steps
        .filter_map(|step| match step {
            Step::Type(command) => Some(command.text),
            _ => None,
        })
        .any(|text| text == entry.command)
}

/// All that is wrong with the book as it stands.
fn faults(root: &Path, pages: &[Page]) -> Vec<String> {
    let registry = registry::read(root);
    let mut faults = links::faults(root, pages);
    for page in pages {
        faults.extend(commands::steps(page).1);
        faults.extend(tables::faults(root, page));
    }
    faults.extend(registry.iter().filter_map(|entry| entry.fault(root)));
    faults.extend(unknown(pages, &registry));
    faults.extend(stale(pages, &registry));
    faults
}

/// Every command of the book, with its place, and whether it stands in a block.
fn typed(pages: &[Page]) -> Vec<(String, String, bool)> {
    let mut all = Vec::new();
    for page in pages {
        for step in commands::steps(page).0 {
            if let Step::Type(command) = step {
                all.push((format!("{}:{}", page.path, command.line), command.text, true));
            }
        }
        for (line, text) in commands::mentioned(page) {
            all.push((format!("{}:{line}", page.path), text, false));
        }
    }
    all
}

/// Commands that the tool does not know, and those of the text that nobody runs.
fn unknown(pages: &[Page], registry: &[Entry]) -> Vec<String> {
    let mut run: Vec<String> = readings(pages, registry)
        .iter()
        .flat_map(|reading| &reading.steps)
        .filter_map(|step| match step {
            Step::Type(command) => Some(std::iter::once(&command.text).chain(&command.typed).cloned()),
            Step::Change { .. } | Step::Prepare { .. } => None,
        })
        .flatten()
        .collect();
    run.extend(
        registry
            .iter()
            .filter(|entry| entry.is_run())
            .map(|entry| entry.command.clone()),
    );
    let mut faults = Vec::new();
    for (place, text, _) in typed(pages) {
        if let Err(why) = parsed(&text) {
            faults.push(format!("{place}: `{text}`: {why}"));
        }
        let known = registry.iter().any(|entry| entry.command == text)
            || is_part_of_all(&text)
            || run.iter().any(|command| commands::says(command, &text));
        if !known {
            faults.push(format!(
                "{place}: nothing runs `{text}`: put it in a block of sh or console, or name its test in ci/book.toml"
            ));
        }
    }
    faults
}

/// Whether `cargo xtask test` itself does this as a part: a group, or the bare-metal cases of tables that exist.
fn is_part_of_all(text: &str) -> bool {
    let Some(("--only" | "--tables", names)) = text
        .strip_prefix("cargo xtask test ")
        .and_then(|rest| rest.split_once(' '))
    else {
        return false;
    };
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    names.split(',').all(|name| {
        super::GROUPS.iter().any(|(_, group, _)| *group == name)
            || root.join(format!("configs/cases/{name}.toml")).exists()
    })
}

/// Entries of the registry that the book does not need.
fn stale(pages: &[Page], registry: &[Entry]) -> Vec<String> {
    let all = typed(pages);
    let used = |entry: &&Entry| {
        all.iter().any(|(_, text, block)| {
            if *block {
                *text == entry.command
            } else {
                commands::says(&entry.command, text)
            }
        })
    };
    let unused = registry.iter().filter(|entry| !used(entry));
    unused
        .map(|entry| format!("ci/book.toml: the book has no `{}`", entry.command))
        .collect()
}

/// Whether this tool knows a command of its own, with something in each place that the reader fills.
fn parsed(text: &str) -> Result<(), String> {
    let words: Vec<_> = commands::words(text).collect();
    if words.get(..2) != Some(&["cargo", "xtask"]) || words.len() < 3 {
        return Ok(());
    }
    let own = words
        .iter()
        .skip(2)
        .take_while(|word| ![">", "|", "&&"].contains(word));
    let filled = own.map(|word| {
        let word = word.trim_matches(|letter| "…[]'\"".contains(letter));
        if commands::is_placeholder(word) { "7" } else { word }
    });
    let typed = std::iter::once("xtask").chain(filled);
    let parsed = Cli::try_parse_from(typed);
    match parsed {
        // Text may name a command without what it is to work on.
        Err(error) if error.kind() == MissingRequiredArgument && words.len() == 3 => Ok(()),
        Err(error) => Err(error.to_string().lines().next().unwrap_or_default().to_owned()),
        Ok(_) => Ok(()),
    }
}

/// The root of the repository.
#[cfg(test)]
fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

#[test]
fn the_book_hangs_together_and_every_command_of_it_is_run() {
    let faults = faults(root(), &pages(root()));
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn commands_that_nobody_knows_or_runs_are_told() {
    let page = Page::read(
        "docs/x.md",
        "```sh\ncargo xtask run --shall\n```\n`cargo xtask size`, `cargo xtask run`\n",
    );
    let faults = unknown(&[page], &[]);
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(faults[0].starts_with("docs/x.md:2: `cargo xtask run --shall`: error: unexpected argument"));
    assert!(faults[1].starts_with("docs/x.md:4: nothing runs `cargo xtask size`"));
}

#[test]
fn commands_are_typed_in_the_form_of_the_registry() {
    let text = "[[command]]\ncommand = 'a b'\nbefore = 'make'\n[[command]]\ncommand = 'c d'\nnot = 'why'\n\
                [[command]]\ncommand = 'cargo e f g'\ninstead = 'cargo e f'\n";
    let room = tempfile::tempdir().unwrap();
    std::fs::create_dir(room.path().join("ci")).unwrap();
    std::fs::write(room.path().join("ci/book.toml"), text).unwrap();
    let pages = [Page::read("p.md", "```console\n$ h\n$ a b\nout\n$ c d\n```\n")];
    let readings = readings(&pages, &registry::read(room.path()));
    let plain = |line, text| Step::Type(Command::plain(line, text));
    let shown = vec!["out".to_owned()];
    let a = Command {
        shown,
        ..Command::plain(3, "a b")
    };
    let make = Step::Prepare {
        line: 3,
        text: "make".to_owned(),
    };
    assert_eq!(readings[0].steps, [plain(2, "h"), make, Step::Type(a)]);
    assert_eq!((readings[1].page, readings.len()), (IN_TEXT, 2));
    assert_eq!(readings[1].steps, [plain(3, "cargo e f")]);
}

#[test]
fn parts_of_all_tests_are_known() {
    for part in ["--only lint", "--only host,model", "--tables ffa-memory,vgic"] {
        assert!(is_part_of_all(&format!("cargo xtask test {part}")), "{part}");
    }
    for other in [
        "--only all",
        "--tables ffa-money",
        "--gp",
        "--only linux --suites clients",
    ] {
        assert!(!is_part_of_all(&format!("cargo xtask test {other}")), "{other}");
    }
}

#[test]
fn entries_that_nobody_needs_are_told() {
    let text = "[[command]]\ncommand = \"cargo xtask size\"\nby = \"group lint\"\n";
    let room = tempfile::tempdir().unwrap();
    std::fs::create_dir(room.path().join("ci")).unwrap();
    std::fs::write(room.path().join("ci/book.toml"), text).unwrap();
    let registry = registry::read(room.path());
    let with = |text| stale(&[Page::read("p.md", text)], &registry);
    assert_eq!(with("`cargo xtask size`"), Vec::<String>::new());
    assert_eq!(
        with("`cargo xtask run`"),
        ["ci/book.toml: the book has no `cargo xtask size`"]
    );
}
