//! The commands about partition tables, run as a person runs them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Runs `cargo xtask` with these arguments, in the repository's root, without a terminal.
fn xtask(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(args)
        .current_dir(root())
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A path for a test's file that is not there yet.
fn fresh(name: &str) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::remove_file(&path).ok();
    path.display().to_string()
}

#[test]
fn a_good_table_is_good() {
    let output = xtask(&["check", "configs/phone.toml", "configs/largest.toml"]);
    assert!(output.status.success());
    assert!(err(&output).contains("configs/phone.toml: good (3 partitions on qemu-virt)"));
}

#[test]
fn boards_are_checked_by_themselves() {
    let output = xtask(&[
        "check",
        "boards/qemu-virt/board.toml",
        "boards/fvp-base/board.toml",
        "boards/tc4/board.toml",
    ]);
    assert!(output.status.success(), "{}", err(&output));
    let bad = "configs/tests/rules/boards-of-tests/BH009-names/boards/mine/board.toml";
    let output = xtask(&["check", bad]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        err(&output).contains("error[BH009]: the core `cpu2` is described twice"),
        "{}",
        err(&output)
    );
}

#[test]
fn every_error_is_told_and_the_status_is_1() {
    let output = xtask(&["check", "configs/tests/rules/several.toml", "configs/phone.toml"]);
    assert_eq!(output.status.code(), Some(1));
    let text = err(&output);
    for code in ["BH002", "BH031", "BH010", "BH040", "BH051"] {
        assert!(text.contains(&format!("error[{code}]")), "{text}");
    }
    assert!(text.contains("several.toml:27:10"), "{text}");
    assert!(text.contains("several.toml: 5 errors"), "{text}");
}

#[test]
fn what_is_not_built_yet_is_a_warning() {
    let output = xtask(&["check", "configs/wishes.toml"]);
    assert!(output.status.success());
    assert!(err(&output).contains("warning[BH090]: partition `payment` asks for a quota of ranges"));
}

#[test]
fn editors_and_ci_get_json() {
    let output = xtask(&[
        "check",
        "--format",
        "json",
        "configs/tests/rules/BH041-twice.toml",
    ]);
    assert_eq!(output.status.code(), Some(1));
    let all: serde_json::Value = serde_json::from_str(&out(&output)).unwrap();
    assert_eq!(all[0]["code"], "BH041");
    assert_eq!(all[0]["severity"], "error");
    assert_eq!(all[0]["places"][0]["line"], 28);
    assert_eq!(all[0]["places"][0]["column"], 18);
    assert_eq!(all.as_array().unwrap().len(), 1);
    let output = xtask(&["check", "--format", "json", "configs/phone.toml"]);
    assert_eq!((output.status.code(), out(&output).trim()), (Some(0), "[]"));
}

#[test]
fn rules_are_explained() {
    let output = xtask(&["explain", "bh065"]);
    let text = out(&output);
    for part in [
        "BH065",
        "before in the table",
        "error[BH065]",
        "after in the table",
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert!(out(&xtask(&["explain"])).lines().count() >= 60);
    let output = xtask(&["explain", "BH999"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("there is no rule BH999"));
}

#[test]
fn a_new_table_passes_its_own_check() {
    let file = fresh("mine.toml");
    let output = xtask(&[
        "new",
        &file,
        "--board",
        "qemu-virt",
        "--tees",
        "optee,rust,test",
        "--cores",
        "cpu0,cpu1",
    ]);
    assert!(output.status.success(), "{}", err(&output));
    assert!(out(&output).contains("vendor-c"));
    assert!(xtask(&["check", &file]).status.success());
    let output = xtask(&["new", &file]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("is there already"));
}

#[test]
fn a_new_table_that_cannot_be_is_not_written() {
    let file = fresh("crowd.toml");
    let output = xtask(&["new", &file, "--tees", "optee,optee,optee"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("error[BH022]"), "{}", err(&output));
    assert!(!Path::new(&file).exists());
    let output = xtask(&["new", &fresh("sel4.toml"), "--tees", "sel4"]);
    assert!(err(&output).contains("name its image"), "{}", err(&output));
}

#[test]
fn a_plan_is_text_a_picture_and_a_page() {
    let text = out(&xtask(&["plan", "configs/phone.toml"]));
    assert!(text.contains("0x0e200000  6 MiB  vendor-a"), "{text}");
    let (svg, html) = (fresh("plan.svg"), fresh("plan.html"));
    let output = xtask(&["plan", "configs/wishes.toml", "--svg", &svg, "--html", &html]);
    assert!(output.status.success(), "{}", err(&output));
    assert!(std::fs::read_to_string(svg).unwrap().starts_with("<svg"));
    assert!(
        std::fs::read_to_string(html)
            .unwrap()
            .contains("<h2>Not built yet</h2>")
    );
}

#[test]
fn a_diff_shows_what_moves() {
    let file = fresh("moved.toml");
    let table = std::fs::read_to_string(root().join("configs/phone.toml")).unwrap();
    let moved = table
        .replace("0x0ee00000", "0x0ef00000")
        .replace("shares = 128", "shares = 64");
    std::fs::write(&file, moved).unwrap();
    let text = out(&xtask(&["plan", "--diff", "configs/phone.toml", &file]));
    assert!(
        text.contains(
            "~ vendor-c: memory: 0x0ee00000..0x0ef00000 (1 MiB) rwx -> 0x0ef00000..0x0f000000 (1 MiB) rwx"
        ),
        "{text}"
    );
    assert!(text.contains("~ vendor-a: shares: 128 -> 64"), "{text}");
    assert_eq!(text.lines().count(), 4, "{text}");
}

#[test]
fn an_expanded_table_is_a_table() {
    let file = fresh("expanded.toml");
    let output = xtask(&["check", "--expand", "configs/largest.toml"]);
    std::fs::write(&file, &output.stdout).unwrap();
    assert!(xtask(&["check", &file]).status.success());
    assert_eq!(
        out(&xtask(&["plan", "--diff", "configs/largest.toml", &file])),
        "nothing differs\n"
    );
}

/// Nothing is built from a table that asks for what the hypervisor does not do, and nothing is fetched first.
#[test]
fn what_is_not_built_yet_is_refused_by_a_build() {
    let output = xtask(&["build", "--config", "configs/wishes.toml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("error[BH090]"), "{}", err(&output));
}

#[test]
fn a_reader_that_leaves_is_no_fault() {
    for command in [
        "explain",
        "check configs/phone.toml 2>&1",
        "plan configs/phone.toml",
        "schema",
        "--help",
    ] {
        let line = format!(
            "{{ sleep 0.2; '{}' {command}; }} | true; exit ${{PIPESTATUS[0]}}",
            env!("CARGO_BIN_EXE_xtask")
        );
        let output = Command::new("bash")
            .args(["-c", &line])
            .current_dir(root())
            .output()
            .unwrap();
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{command}: {}",
            err(&output)
        );
    }
}
