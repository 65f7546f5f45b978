//! What the plan says of who may reach whom, as a reviewer reads it.

use std::path::Path;

use bulkhead_configs::{load, load_bytes, picture, plan};

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

/// Without the secure EL2 timer no time is promised: each key that would be is refused, and what is left is said and
/// not built.
#[test]
fn a_board_without_its_timer_promises_no_time() {
    let board = std::fs::read_to_string("../boards/qemu-virt/board.toml").unwrap();
    let timer = "timer = \"secure-el2-timer\"\n";
    assert!(board.contains(timer));
    let board = board.replace(timer, "");
    let with = |cores: &str, preemption: &str, more: &str| {
        let table = format!(
            "[system]\nname = \"x\"\nboard = \"qemu-virt\"\nhypervisor = {{ memory = \"1MiB\" }}\n[[partition]]\nname = \"alpha\"\n\
             id = 0x8001\ntee = \"test\"\nimage = {{ build = \"test\" }}\nuuid = \"7e05d3f8-92ab-4176-b0c4-2d6f19ea8c35\"\n\
             memory = \"1MiB\"\ncores = {cores}\ncallers = [\"normal-world\"]\npreemption = {preemption}\n{more}\n"
        );
        load_bytes(
            Path::new("tests/x.toml"),
            "table.toml",
            table.as_bytes(),
            Some(&board),
        )
    };
    let (all, at_once) = ("\"all\"", "\"at-once\"");
    let system = with(all, at_once, "").unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(
        system
            .not_built
            .iter()
            .map(|one| one.title.as_str())
            .collect::<Vec<_>>(),
        ["the hypervisor is not built for a board without a secure EL2 timer"]
    );
    let text = plan::text(&system);
    assert!(text.contains("EL1 timers of partitions do not go off"), "{text}");
    assert!(
        text.contains("nothing could stop a device that reads or writes memory by itself"),
        "{text}"
    );
    for (cores, preemption, more) in [
        (all, "{ managed-exit = \"1ms\" }", ""),
        (all, "{ queued = \"1ms\" }", ""),
        (all, at_once, "budget = \"1s\""),
        (all, at_once, "interrupt-interface = \"vgic\""),
        (all, at_once, "on-failure = { restart = 1 }"),
        (
            "{ dedicated = [\"cpu3\"] }",
            at_once,
            "receives = [\"notifications\"]",
        ),
    ] {
        let report = with(cores, preemption, more).expect_err(more).to_string();
        assert!(report.contains("BH112"), "{more}: {report}");
    }
}
