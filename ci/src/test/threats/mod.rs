//! The threat model of the book, `docs/threats.md`: made of its text (`page.md`) and of the rows beside it, which name a test for each
//! property and each attack. A test that is named has to exist, and each property is tried from each side that may break it.
mod attacks;
mod names;
mod page;
mod properties;

use std::fs;
use std::path::Path;

/// Who tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    /// A hostile normal world.
    Normal,
    /// A hostile partition.
    Partition,
    /// A table that says something else, or that is wrong.
    Table,
    /// Another image in the place of the right one.
    Image,
    /// Models, fuzzers and host tests, which try all sides.
    All,
}

use Side::{All, Image, Normal, Partition, Table};

/// A property, and what tries to break it.
struct Property {
    /// Its letter and number.
    id: &'static str,
    /// What has to hold.
    says: &'static str,
    /// From which sides it has to be tried.
    from: &'static [Side],
    /// By which tests it is, each with a remark behind a `:` if it needs one.
    tests: &'static [(Side, &'static [&'static str])],
    /// What is missing.
    missing: &'static str,
}

/// An attack, and the tests of it from a normal world and from a partition: or why there are none.
struct Attack {
    what: &'static str,
    normal: &'static [&'static str],
    partition: &'static [&'static str],
}

/// An entry of an attack that nobody tries from this side: why stands behind it, as a remark.
const NONE: &str = "none";

/// The root of the repository.
fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// All tests that the rows name, each without its remark.
fn named() -> impl Iterator<Item = &'static str> {
    let of_properties = properties::ROWS
        .iter()
        .flat_map(|row| row.tests.iter().flat_map(|(_, tests)| tests.iter()));
    let of_attacks = attacks::ROWS
        .iter()
        .flat_map(|row| row.normal.iter().chain(row.partition));
    let all = of_properties.chain(of_attacks).map(|entry| test_of(entry).0);
    all.filter(|test| *test != NONE)
}

/// A test and the remark on it.
fn test_of(entry: &'static str) -> (&'static str, &'static str) {
    entry.split_once(": ").unwrap_or((entry, ""))
}

/// Whether a name is what a pattern says, in which a `*` is any text.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((before, behind)) => name.strip_prefix(before).is_some_and(|rest| {
            (0..=rest.len()).any(|at| rest.is_char_boundary(at) && fits(behind, &rest[at..]))
        }),
    }
}

#[test]
fn patterns_fit_names() {
    for (pattern, name, right) in [
        ("a-b", "a-b", true),
        ("a-b", "a-bc", false),
        ("a-*", "a-bc", true),
        ("*-c", "a-b-c", true),
        ("a-*-c", "a-b-c", true),
        ("a-*-d", "a-b-c", false),
        ("a*", "b-a", false),
    ] {
        assert_eq!(fits(pattern, name), right, "{pattern} and {name}");
    }
}

/// No test is named that does not exist: a case by its name or by a pattern, any other one by what runs it.
#[test]
fn each_test_that_is_named_exists() {
    let cases = names::cases(root());
    assert!(cases.len() > 500, "{} cases found", cases.len());
    let missing: Vec<_> = named()
        .filter(|test| !names::exists(root(), &cases, test))
        .collect();
    assert!(missing.is_empty(), "no such tests: {missing:#?}");
}

/// A test of isolation is there for a property: the rows say for which.
#[test]
fn each_case_of_isolation_is_of_a_property() {
    let named: Vec<_> = named().collect();
    let forgotten: Vec<_> = names::isolation(root())
        .into_iter()
        .filter(|case| !named.iter().any(|pattern| fits(pattern, case)))
        .collect();
    assert!(
        forgotten.is_empty(),
        "ci/src/test/threats/properties.rs names these cases nowhere: {forgotten:#?}"
    );
}

#[test]
fn each_property_is_tried_from_each_side() {
    for row in properties::ROWS {
        for side in row.from {
            let tried = row
                .tests
                .iter()
                .any(|(other, tests)| other == side && !tests.is_empty());
            assert!(tried, "{} is not tried from the side {side:?}", row.id);
        }
    }
    let ids: Vec<_> = properties::ROWS.iter().map(|row| row.id).collect();
    assert_eq!(
        ids,
        [
            "B1", "B2", "B3", "C1", "C2", "C3", "C4", "M1", "M2", "M3", "M4", "I1", "I2", "D1", "T1", "T2",
            "R1", "R2", "K1", "A1"
        ]
    );
}

/// `BLESS=1 cargo test -p xtask threats` writes it anew.
#[test]
fn the_page_is_what_the_rows_say() {
    let path = root().join("docs/threats.md");
    let page = page::page();
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, &page).expect("docs/ can be written to");
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == page,
        "docs/threats.md is not what the rows say: `BLESS=1 cargo test -p xtask threats` writes it anew"
    );
}
