//! What the plan says of who may reach whom, as a reviewer reads it.

use std::path::Path;

use bulkhead_configs::{load, picture, plan};

fn text(table: &str) -> String {
    plan::text(&load(Path::new(table)).unwrap_or_else(|report| panic!("{report}")))
}

/// The rows of a section, each with single spaces.
fn section(text: &str, title: &str) -> Vec<String> {
    let lines = text.lines().skip_while(|line| *line != title).skip(1);
    let lines = lines.take_while(|line| !line.is_empty());
    lines
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}

#[test]
fn who_may_send_what_to_whom_and_share_how_much() {
    let text = text("tests/callers.toml");
    assert_eq!(
        section(&text, "Calls: rows may call columns"),
        [
            "caller keys user",
            "normal world finds it ●",
            "android · ·",
            "wallet direct ·",
            "keys ·",
            "user ●",
            "takes direct, direct2 direct, indirect, vm-created, vm-destroyed",
        ]
    );
    assert_eq!(
        section(&text, "Memory: rows may share with columns, at most"),
        [
            "lender keys user",
            "normal world · its window, 8 MiB",
            "android · ·",
            "wallet 512 pages, 2 MiB ·",
            "keys ·",
            "user 16 pages, 64 KiB",
        ]
    );
}

/// Without a hypervisor in the normal world its virtual machines are names only: whoever reads the plan is told.
#[test]
fn what_virtual_machines_reach_with_and_without_a_hypervisor() {
    let said = "any software there can use the ID of any of them";
    let with = text("tests/callers.toml");
    assert_eq!(
        section(&with, "Virtual machines"),
        [
            "machine id contexts reaches",
            "android 0x0001 8 none",
            "wallet 0x0002 64 keys",
            "any software, if no hypervisor is there any of these keys, user",
        ]
    );
    assert!(with.contains(said));
    let system = load(Path::new("tests/callers.toml")).unwrap_or_else(|report| panic!("{report}"));
    assert!(plan::html(&system).contains(said));
    assert!(picture(&system).contains("told apart by a hypervisor"));
    let without = text("phone.toml");
    assert!(!without.contains(said) && section(&without, "Virtual machines").is_empty());
}

#[test]
fn a_change_of_a_caller_s_limits_is_shown() {
    let table = Path::new("tests/callers.toml");
    let source = std::fs::read_to_string(table).unwrap();
    let changed = source.replacen("pages = 16 ", "pages = 17 ", 1);
    assert_ne!(source, changed);
    let after = bulkhead_configs::load_text(table, &changed).unwrap_or_else(|report| panic!("{report}"));
    let before = load(table).unwrap_or_else(|report| panic!("{report}"));
    let diff = plan::diff(&before, &after);
    assert!(
        diff.starts_with("~ keys: callers: ") && diff.lines().count() == 1,
        "{diff}"
    );
}
