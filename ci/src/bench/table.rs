//! The figures as text and as CSV.

use super::figures::{Figures, OPERATIONS, Operation};
use super::reference::Reference;
use std::fmt::Write as _;

const HEAD: [&str; 8] = [
    "operation",
    "floor",
    "Bulkhead",
    "with 8 partitions",
    "last release",
    "Hafnium",
    "target",
    "",
];

/// The table for people.
pub fn text(one: &Figures, eight: &Figures, then: &Reference) -> String {
    let rows: Vec<[String; 8]> = OPERATIONS
        .iter()
        .map(|operation| row(operation, one, eight, then))
        .collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([HEAD[column].len()]).max().unwrap_or(0)
    };
    let widths: [usize; 8] = std::array::from_fn(width);
    let mut text = String::new();
    for row in std::iter::once(&HEAD.map(str::to_owned)).chain(&rows) {
        let _ = write!(text, "{:<1$}", row[0], widths[0]);
        for (cell, width) in row.iter().zip(widths).skip(1) {
            let _ = write!(text, "  {cell:>width$}");
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

fn row(operation: &Operation, one: &Figures, eight: &Figures, then: &Reference) -> [String; 8] {
    let [first, second] = [one, eight].map(|figures| figures.get(operation.name));
    let verdict = match (first.or(second), operation.target) {
        (Some(figure), Some(target)) if figure <= target => "met",
        (Some(_), Some(_)) => "MISSED",
        _ => "",
    };
    [
        operation.title.to_owned(),
        number(operation.floor),
        number(first),
        number(second),
        number(then.get(operation.name)),
        number(operation.hafnium),
        number(operation.target),
        verdict.to_owned(),
    ]
}

/// With a comma between thousands; nothing for nothing.
pub fn number(figure: Option<u64>) -> String {
    let digits = figure.map(|figure| figure.to_string()).unwrap_or_default();
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n != 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The same for programs: `operation,floor,bulkhead,target,bulkhead with 8 partitions,hafnium`.
pub fn csv(one: &Figures, eight: &Figures) -> String {
    let cell = |figure: Option<u64>| figure.map(|figure| figure.to_string()).unwrap_or_default();
    let mut text = "operation,floor,bulkhead,target,bulkhead-8,hafnium\n".to_owned();
    for operation in &OPERATIONS {
        let [first, second] = [one, eight].map(|figures| figures.get(operation.name));
        let cells = [
            operation.floor,
            first,
            operation.target,
            second,
            operation.hafnium,
        ]
        .map(cell);
        let _ = writeln!(text, "{},{}", operation.name, cells.join(","));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_stand_beside_their_targets() {
        let (mut one, mut eight) = (Figures::default(), Figures::default());
        one.note("version", 1650);
        eight.note("version", 1650);
        one.note("direct-64", 20_001);
        let then = Reference::parse("operation,bulkhead,bulkhead-8\nversion,1640,\n").unwrap();
        let text = text(&one, &eight, &then);
        let line = |title: &str| {
            let line = text.lines().find(|line| line.starts_with(title));
            line.unwrap_or_default()
                .split_whitespace()
                .skip(title.split(' ').count())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            line("FFA_VERSION"),
            ["1,544", "1,650", "1,650", "1,640", "4,068", "1,700", "met"]
        );
        assert_eq!(
            line("direct request, 64-bit"),
            ["1,342", "20,001", "8,252", "2,000", "MISSED"]
        );
        assert!(csv(&one, &eight).contains("\nversion,1544,1650,1700,1650,4068\n"));
    }

    #[test]
    fn operations_have_names_of_their_own() {
        let names: std::collections::BTreeSet<_> =
            OPERATIONS.iter().map(|operation| operation.name).collect();
        assert_eq!(names.len(), OPERATIONS.len());
    }
}
