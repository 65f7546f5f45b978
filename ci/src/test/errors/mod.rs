//! The error catalogue of the book, `docs/errors.md`: FF-A's errors call by call, what the hypervisor's log says and what to
//! do then, and the sentences of `cargo xtask`. The messages are read from the sources; one without a row is refused.
//!
//! `BLESS=1 cargo test -p xtask errors` writes the page anew.

#[path = "../../../../hypervisor/core/src/tests/errors.rs"]
#[allow(dead_code)] // The tests of the core ask more of it.
mod calls;
mod rows;
mod sources;

use super::page::conformance;
use bulkhead_core::function;
use std::fmt::Write;
use std::path::Path;

const HEAD: &str = "# Error catalogue

What the hypervisor, its log and the tool say when something is refused or fails, why, and what to do. This page is made from the
sources by `BLESS=1 cargo test -p xtask errors`; a message that is not here fails that test, and so does an error with which any test
of the dispatcher sees a call answered. What `cargo xtask check` says of tables has [a page for each rule](rules.md).

- [Errors of FF-A calls](#errors-of-ff-a-calls)
- [The hypervisor's log](#the-hypervisors-log)
- [Failures of partitions, and their records](#failures-of-partitions-and-their-records)
- [The hypervisor stops](#the-hypervisor-stops)
- [The tool](#the-tool)
";

const CALLS: &str = "
## Errors of FF-A calls

An error is the answer FFA_ERROR with the code in w2, and changes nothing. FFA_VERSION answers NOT_SUPPORTED in w0. Stock Linux takes
every error as final.

| w2 | error | says |
|---|---|---|
";

const LOG: &str = "
## The hypervisor's log

Lines of `hypervisor.log` and of the terminal of `cargo xtask run`; NAME is a partition's.

| level | line | means | to do |
|---|---|---|---|
";

const FAULTS: &str = "
## Failures of partitions, and their records

`failed on core … by` one of these:

| by | means | to do |
|---|---|---|
";

const RECORD: &str = "
Each failure has a record in the run's `failures.log`, and on the terminal of `cargo xtask run`; registers x0 to x30 are in it, too.

| line | says |
|---|---|
";

const FATAL: &str = "
## The hypervisor stops

It says `fatal:` and why, and no core goes on: what follows would not be safe.

| line | means | to do |
|---|---|---|
";

const TOOL: &str = "
## The tool

`cargo xtask` ends with `error:` and a sentence, and a `because` for each cause below it; each says itself what to do. `…` stands for a
name, a number or a path.

| in | sentences |
|---|---|
";

/// The whole page.
fn page(root: &Path) -> String {
    let mut text = HEAD.to_owned() + CALLS;
    for (number, name, says) in calls::CODES {
        let _ = writeln!(text, "| {number} | {name} | {says} |");
    }
    text += "\n| call | error | when |\n|---|---|---|\n";
    for row in calls::ROWS {
        let _ = writeln!(text, "| {} | {} | {} |", row.calls.join(", "), row.code, row.when);
    }
    text += LOG;
    for row in rows::LOG {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} |",
            row.level,
            row.line(),
            row.means,
            row.todo
        );
    }
    text += FAULTS;
    for (by, means, todo) in rows::FAULTS {
        let _ = writeln!(text, "| {by} | {means} | {todo} |");
    }
    text += RECORD;
    for (line, says) in rows::RECORD_LINES {
        let _ = writeln!(text, "| `{line}` | {says} |");
    }
    text += FATAL;
    for row in rows::FATAL {
        let _ = writeln!(text, "| {} | {} | {} |", row.line(), row.means, row.todo);
    }
    text += TOOL;
    for (file, sentences) in sources::tool(root) {
        let list: Vec<_> = sentences.iter().map(|text| format!("\"{text}\"")).collect();
        let _ = writeln!(text, "| `{file}` | {} |", list.join("<br>"));
    }
    text
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

#[test]
fn every_line_of_the_log_has_a_row_and_every_row_its_line() {
    let said = sources::log(root());
    let known: Vec<_> = rows::LOG.iter().chain(rows::FATAL).collect();
    for (level, line) in &said {
        let row = known.iter().find(|row| row.says == line);
        let row = row
            .unwrap_or_else(|| panic!("ci/src/test/errors/rows.rs has no row for the hypervisor's `{line}`"));
        assert_eq!(row.level, level, "{line}");
    }
    for row in known {
        assert!(
            said.iter().any(|(_, line)| line == row.says),
            "nothing says `{}`",
            row.says
        );
    }
}

#[test]
fn every_kind_of_fault_and_every_line_of_a_record_has_a_row() {
    let sorted = |mut list: Vec<String>| {
        list.sort();
        list
    };
    let known = rows::FAULTS.iter().map(|(by, ..)| (*by).to_owned()).collect();
    assert_eq!(sorted(known), sorted(sources::faults(root())));
    let known = rows::RECORD_LINES
        .iter()
        .map(|(line, _)| (*line).to_owned())
        .collect();
    assert_eq!(sorted(known), sorted(sources::record_lines(root())));
}

#[test]
fn the_page_is_what_the_sources_say() {
    let path = root().join("docs/errors.md");
    let page = page(root());
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    assert!(
        std::fs::read_to_string(path).unwrap_or_default() == page,
        "docs/errors.md does not say what the sources say: `BLESS=1 cargo test -p xtask errors` writes it anew"
    );
}
