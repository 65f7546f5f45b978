//! Writes the conformance page of the book, `docs/conformance.md`: of the rows of all calls, and of the cases
//! as they ran on QEMU. `cargo xtask` includes this file, too.

use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use super::conformance::{ROWS, Row};
use super::function::{SMC64, SUCCESS_32, SUCCESS_64};

/// A case that ran on QEMU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    pub name: String,
    /// Whether it is of calls that are refused.
    pub wrong: bool,
    /// The section that it checks.
    pub clause: String,
    /// Function IDs of the calls that it checks.
    pub calls: Vec<u32>,
}

/// Forms that are served and that no case calls, and why.
const WITHOUT_CASE: &[(u32, &str)] = &[
    (
        SUCCESS_32,
        "it is an answer: each case of a right call checks it.",
    ),
    (
        SUCCESS_64,
        "it is an answer: each case of a right call in that form checks it.",
    ),
];

const HEAD: &str = "# Conformance

What of FF-A 1.2 Bulkhead serves, call by call and form by form, and what shows it. This page is made from the cases
of the last `cargo xtask test --ffa --bless`, and from the rows in `hypervisor/core/src/tests/conformance.rs`, which
tests hold against what FFA_FEATURES answers. Sections are those of DEN0077A 1.2 where no other document is named.

A *case* runs on QEMU (`partitions/ns-boot/src/cases`): a bare-metal normal world and S-EL1 test partitions behind real
firmware. A *right* call is one that the specification allows; a *wrong* one has to be refused with the specified error
and to change nothing. *Host tests* are in `hypervisor/core/src/tests` (`memory/`: `hypervisor/core/src/memory/tests`).
";

/// How the list of cases begins, from which they are read back.
const LIST: &str = "| case | calls | clause | checks |\n|---|---|---|---|\n";

fn rows() -> impl Iterator<Item = &'static Row> {
    ROWS.iter().flat_map(|(_, rows)| rows.iter())
}

/// A function ID with its form.
fn form(id: u32) -> String {
    let form = if id & SMC64 == 0 { "SMC32" } else { "SMC64" };
    format!("{form} `{id:#x}`")
}

/// The call that a function ID belongs to; unknown ones are named by their number.
fn name(id: u32) -> &'static str {
    rows()
        .find(|row| row.ids.contains(&id))
        .map_or("unknown", |row| row.name)
}

fn code(names: impl Iterator<Item = impl AsRef<str>>) -> String {
    let names: Vec<String> = names.map(|name| format!("`{}`", name.as_ref())).collect();
    if names.is_empty() {
        "–".into()
    } else {
        names.join(", ")
    }
}

fn called(id: u32, cases: &[Case]) -> bool {
    cases.iter().any(|case| case.calls.contains(&id))
}

/// Why no case makes this call.
fn excuse(id: u32) -> Option<&'static str> {
    let entry = WITHOUT_CASE.iter().find(|(other, _)| *other == id);
    entry.map(|(_, why)| *why)
}

/// The page for the cases that ran.
pub fn page(cases: &[Case]) -> String {
    let mut text = String::from(HEAD);
    text += &summary(cases);
    for (title, rows) in ROWS {
        text += &format!("\n## {title}\n");
        for row in *rows {
            text += &section(row, cases);
        }
    }
    text += &format!("\n## All cases\n\n{LIST}");
    for case in cases {
        let calls: Vec<String> = case
            .calls
            .iter()
            .map(|id| format!("{} `{id:#x}`", name(*id)))
            .collect();
        let kind = if case.wrong { "wrong" } else { "right" };
        text += &format!(
            "| {} | {} | {} | {kind} |\n",
            case.name,
            calls.join(", "),
            case.clause
        );
    }
    text
}

fn summary(cases: &[Case]) -> String {
    let wrong = cases.iter().filter(|case| case.wrong).count();
    let mut text = format!(
        "\n## In short\n\n{} cases: {} of right calls, {wrong} of wrong ones.\n",
        cases.len(),
        cases.len() - wrong
    );
    let nobody = rows().filter(|row| !row.normal && !row.partition);
    let nobody: Vec<String> = nobody.map(|row| format!("{} ({})", row.name, row.what)).collect();
    text += &format!("\nNot supported: {}\n", nobody.join("; "));
    let served = rows().filter(|row| row.normal || row.partition);
    let served = served.flat_map(|row| row.ids.iter().copied());
    let uncalled: Vec<u32> = served.filter(|id| !called(*id, cases)).collect();
    if uncalled.is_empty() {
        text += "\nEvery form that is served has a case.\n";
    } else {
        text += "\nServed, but called by no case:\n\n";
        for id in uncalled {
            let why = excuse(id).unwrap_or("nobody has written one.");
            text += &format!("- {}, {}: {why}\n", name(id), form(id));
        }
    }
    text
}

fn section(row: &Row, cases: &[Case]) -> String {
    let who = match (row.normal, row.partition) {
        (true, true) => "Normal world and partitions.",
        (true, false) => "Normal world.",
        (false, true) => "Partitions.",
        (false, false) => "Not supported.",
    };
    let clause = row.clause;
    let mut text = format!("\n### {}\n\nSection {clause}. {who} {}\n\n", row.name, row.what);
    text += "| form | right calls | wrong calls |\n|---|---|---|\n";
    for id in row.ids {
        let of = |wrong: bool| {
            let of = cases
                .iter()
                .filter(move |case| case.wrong == wrong && case.calls.contains(id));
            code(of.map(|case| &case.name))
        };
        text += &format!("| {} | {} | {} |\n", form(*id), of(false), of(true));
    }
    text += &format!("\nHost tests: {}.\n", code(row.host.iter()));
    text
}

/// The cases that a page lists.
pub fn cases(page: &str) -> Vec<Case> {
    let list = page.split_once(LIST).map_or("", |(_, list)| list);
    list.lines().filter_map(case).collect()
}

fn case(line: &str) -> Option<Case> {
    let fields: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
    let [name, calls, clause, kind] = fields.try_into().ok()?;
    let ids = calls
        .split("`0x")
        .skip(1)
        .filter_map(|rest| rest.split('`').next());
    Some(Case {
        name: name.to_string(),
        wrong: kind == "wrong",
        clause: clause.to_string(),
        calls: ids.filter_map(|id| u32::from_str_radix(id, 16).ok()).collect(),
    })
}

/// What is wrong with the cases: forms that are served and called by none of them, without a reason; reasons
/// for forms that are called; names that are given twice; cases that name no clause.
pub fn faults(cases: &[Case]) -> Vec<String> {
    let mut faults = Vec::new();
    for row in rows().filter(|row| row.normal || row.partition) {
        for id in row.ids {
            if called(*id, cases) == excuse(*id).is_some() {
                let what = if called(*id, cases) {
                    "a case and a reason for none"
                } else {
                    "neither a case nor a reason"
                };
                faults.push(format!("{} {} has {what}", row.name, form(*id)));
            }
        }
    }
    for (n, case) in cases.iter().enumerate() {
        if cases.iter().take(n).any(|other| other.name == case.name) {
            faults.push(format!("two cases are called {}", case.name));
        }
        if case.clause.is_empty() {
            faults.push(format!("{} names no clause", case.name));
        }
    }
    faults
}
