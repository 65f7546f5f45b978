//! `bulkhead-xtest` on programs that talk as `xtest` does: one that ends, one that hangs, and one that breaks off.

use std::process::Command;
use std::time::{Duration, Instant};

/// What it prints, and whether it says that all went well.
fn run(seconds: &str, script: &str) -> (String, bool) {
    let log = std::env::temp_dir().join(format!("bulkhead-xtest-{}-{}", std::process::id(), script.len()));
    let output = Command::new(env!("CARGO_BIN_EXE_bulkhead-xtest"))
        .args(["gp", "vendor-a", "regression", seconds])
        .arg(&log)
        .args(["sh", "-c", script])
        .output()
        .expect("it can be started");
    let _ = std::fs::remove_file(log);
    (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        output.status.success(),
    )
}

#[test]
fn each_case_and_the_sum_are_told() {
    let (said, ok) = run(
        "20",
        "echo '* regression_1001 Core self tests'; echo '  regression_1001 OK'; echo '1 test cases of which 0 failed'",
    );
    assert!(ok, "{said}");
    assert!(said.contains(r#""name":"regression_1001","ok":true"#), "{said}");
    assert!(
        said.contains(r#""name":"all cases of regression","ok":true"#),
        "{said}"
    );
    assert!(said.contains("1 cases, 0 failed; exit status: 0"), "{said}");
}

#[test]
fn one_that_hangs_is_killed_and_its_case_named() {
    let start = Instant::now();
    let (said, ok) = run(
        "1",
        "echo '* regression_1001 Core self tests'; echo '  regression_1001 OK'; echo '* regression_1002 x'; exec sleep 60",
    );
    assert!(start.elapsed() < Duration::from_secs(30), "it was not killed");
    assert!(!ok, "{said}");
    assert!(said.contains(r#""name":"regression_1002","ok":false"#), "{said}");
    assert!(
        said.contains("did not end: xtest said nothing for 1 s and was killed"),
        "{said}"
    );
    assert!(
        said.contains(r#""name":"all cases of regression","ok":false"#),
        "{said}"
    );
}

#[test]
fn one_that_breaks_off_has_failed() {
    let (said, ok) = run("20", "echo '* regression_1001 x'; echo '  regression_1001 OK'");
    assert!(!ok, "{said}");
    assert!(
        said.contains(r#""name":"all cases of regression","ok":false"#),
        "{said}"
    );
    let (said, ok) = run("20", "echo '* regression_1001 x'; exit 3");
    assert!(!ok && said.contains("it did not end: exit status: 3"), "{said}");
}
