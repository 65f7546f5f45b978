//! Writes the page.

use super::{Attack, NONE, Normal, Partition, Property, Side, attacks, properties, test_of};
use std::fmt::Write;

const TEXT: &str = include_str!("page.md");
const PROPERTIES: &str = "<!-- properties -->\n";
const ATTACKS: &str = "<!-- attacks -->\n";

/// The whole page.
pub fn page() -> String {
    let properties: String = properties::ROWS.iter().map(property).collect();
    let attacks: String = attacks::ROWS.iter().map(attack).collect();
    TEXT.replace(PROPERTIES, &properties).replace(ATTACKS, &attacks)
}

fn who(side: Side) -> &'static str {
    match side {
        Side::Normal => "normal world",
        Side::Partition => "partition",
        Side::Table => "table",
        Side::Image => "image",
        Side::All => "all sides",
    }
}

/// A row of the table of properties has a line for each side.
fn property(row: &Property) -> String {
    let mut tests = String::new();
    for (side, of) in row.tests {
        let joint = if tests.is_empty() { "" } else { "<br>" };
        let _ = write!(tests, "{joint}*{}*: {}", who(*side), list(of));
    }
    format!("| {} | {} | {tests} | {} |\n", row.id, row.says, row.missing)
}

fn attack(row: &Attack) -> String {
    format!(
        "| {} | {} | {} |\n",
        row.what,
        list(row.normal),
        list(row.partition)
    )
}

/// Tests with their remarks.
fn list(tests: &'static [&'static str]) -> String {
    let texts = tests.iter().map(|entry| {
        let (test, remark) = test_of(entry);
        match (test, remark) {
            (NONE, why) => why.to_owned(),
            (test, "") => code(test),
            (test, remark) => format!("{} ({remark})", code(test)),
        }
    });
    texts.collect::<Vec<_>>().join(", ")
}

/// A case is code; of any other test, what stands behind the word that says which kind it is.
fn code(test: &str) -> String {
    match test.split_once(' ') {
        None => format!("`{test}`"),
        Some((kind, name)) => format!("{kind} `{name}`"),
    }
}

#[test]
fn the_sides_that_attacks_come_from_are_those_of_the_table() {
    assert!(TEXT.contains(&format!("| attack | {} | {} |", who(Normal), who(Partition))));
    assert!(TEXT.contains(PROPERTIES) && TEXT.contains(ATTACKS));
}
