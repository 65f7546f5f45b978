//! Holds the rows of `conformance.rs` against the dispatcher (FFA_FEATURES of both sides), against the files
//! of tests that they name, and the conformance page against the rows.
//!
//! To write the page anew with other rows: `BLESS=1 cargo test -p bulkhead-core conformance`; with other cases:
//! `cargo xtask test --ffa --bless`.

use std::format;
use std::path::{Path, PathBuf};
use std::vec::Vec;

use super::conformance::{ROWS, Row};
use super::conformance_page::{Case, cases, faults, page};
use super::machine::{Machine, succeeded};
use super::table::A;
use crate::function as f;

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/conformance.md")
}

fn rows() -> impl Iterator<Item = &'static Row> {
    ROWS.iter().flat_map(|(_, rows)| rows.iter())
}

#[test]
fn the_rows_say_what_features_says() {
    let mut m = Machine::started();
    let features = u64::from(f::FEATURES);
    for row in rows() {
        for id in row.ids {
            let told = succeeded(m.normal(0, &[features, u64::from(*id)]));
            assert_eq!(told, row.normal, "{} {id:#x} for the normal world", row.name);
        }
    }
    m.enter(0, A);
    for row in rows() {
        for id in row.ids {
            let told = succeeded(m.call(0, &[features, u64::from(*id)]));
            assert_eq!(told, row.partition, "{} {id:#x} for a partition", row.name);
        }
    }
    // And nothing is served that has no row.
    for id in (0x60..0xf0).flat_map(|n| [0x8400_0000 | n, 0xc400_0000 | n]) {
        let known = rows().any(|row| row.partition && row.ids.contains(&id));
        assert_eq!(succeeded(m.call(0, &[features, u64::from(id)])), known, "{id:#x}");
    }
}

#[test]
fn the_tests_that_are_named_exist() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for name in rows().flat_map(|row| row.host) {
        let (file, function) = name.rsplit_once("::").expect(name);
        let path = match file.strip_prefix("memory/") {
            Some(file) => source.join("memory/tests").join(file),
            None => source.join("tests").join(file),
        };
        let text = std::fs::read_to_string(path.with_extension("rs")).expect(name);
        assert!(text.contains(&format!("fn {function}(")), "{name}");
    }
}

#[test]
fn the_page_is_what_the_rows_say() {
    let found = std::fs::read_to_string(docs()).unwrap_or_default();
    let anew = page(&cases(&found));
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(docs(), &anew).expect("docs/conformance.md can be written");
    } else {
        assert!(
            found == anew,
            "docs/conformance.md is old: BLESS=1 cargo test -p bulkhead-core conformance"
        );
    }
}

#[test]
fn cases_are_read_back_from_the_page() {
    let case = |name: &str, wrong, calls: &[u32]| Case {
        name: name.into(),
        wrong,
        clause: "DEN0140 2.3".into(),
        calls: calls.into(),
    };
    let all = [
        case("share", false, &[f::MEM_SHARE_32, f::MEM_SHARE_64]),
        case("unknown", true, &[0x8400_00ef]),
        case("none", true, &[]),
    ];
    let text = page(&all);
    assert_eq!(cases(&text), all);
    assert!(text.contains("3 cases: 1 of right calls, 2 of wrong ones."));
    assert!(text.contains("| SMC64 `0xc4000073` | `share` | – |"));
}

#[test]
fn cases_that_are_not_in_order_are_told() {
    let case = |name: &str, clause: &str, calls: Vec<u32>| Case {
        name: name.into(),
        wrong: false,
        clause: clause.into(),
        calls,
    };
    let served: Vec<u32> = rows()
        .filter(|row| row.normal || row.partition)
        .flat_map(|row| row.ids.iter().copied())
        .collect();
    let before = faults(&[case("all", "1", served.clone())]).len();
    let told = |cases: &[Case]| faults(cases).len();
    assert_eq!(told(&[case("all", "", served.clone())]), before + 1, "no clause");
    let twice = [case("all", "1", served.clone()), case("all", "1", Vec::new())];
    assert_eq!(told(&twice), before + 1, "one name twice");
    let less = served.iter().copied().filter(|id| *id != f::ID_GET).collect();
    assert_eq!(
        told(&[case("all", "1", less)]),
        before + 1,
        "a call without a case"
    );
}
