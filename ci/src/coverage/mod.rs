//! `cargo xtask coverage`: which lines and branches of the policy its own tests run.

mod count;
mod tools;

use crate::paths::{Paths, make_folder};
use crate::progress::step;
use crate::test::said;
use crate::tool::Tool;
use anyhow::{Context, Result};
use count::{Counts, Report};
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};
use tools::Tools;

/// The least part of all lines, in percent.
pub const LINES: f64 = 95.0;
/// The least part of all branches whose other side something can reach, in percent.
pub const BRANCHES: f64 = 94.5;
/// Rust in which branches are counted is nightly's, or this compiler told that it is.
const FLAGS: &str = "-Cinstrument-coverage -Zcoverage-options=branch";
/// Source that is none of the policy's: tests, dependencies, Rust's own library, what only tests and fuzzers call.
const APART: &str = "/tests/|/tests\\.rs$|/registry/|/rustc/|/library/|core/src/sync\\.rs$|/invariants\\.rs$";

/// Measures and shows it; false where it is too little.
pub fn coverage(paths: &Paths, branches: bool) -> Result<bool> {
    let report = measure(paths)?;
    println!(
        "{:32} {:>6} {:>9} {:>9} {:>9}",
        "file", "lines", "", "branches", ""
    );
    for (file, counts) in &report.files {
        show(file, counts);
    }
    show("all", &report.sum);
    println!(
        "of the branches that are not taken, {} are the other side of a look into a list by an index of our own, which finds something",
        report.sum.lookups
    );
    if branches {
        println!("branches that are never taken:");
        for missed in &report.missed {
            println!("{missed}");
        }
    }
    let faults = faults(&report.sum);
    for fault in &faults {
        println!("not enough: {fault}");
    }
    Ok(faults.is_empty())
}

fn show(name: &str, counts: &Counts) {
    let part = |of: usize, value: f64| {
        if of == 0 {
            "-".to_owned()
        } else {
            format!("{value:.1} %")
        }
    };
    println!(
        "{name:32} {:6} {:>9} {:9} {:>9}",
        counts.lines.all,
        part(counts.lines.all, counts.lines.percent()),
        counts.branches.all,
        part(counts.branches.all, counts.branches.percent())
    );
}

/// In what it is too little: a sentence each.
pub fn faults(sum: &Counts) -> Vec<String> {
    let reachable = sum.reachable();
    let parts = [
        (sum.lines.percent(), LINES, "lines"),
        (reachable.percent(), BRANCHES, "branches that can be taken"),
    ];
    parts
        .iter()
        .filter(|(value, least, _)| value < least)
        .map(|(value, least, what)| format!("{value:.2} % of the {what}, and {least} % is the least"))
        .collect()
}

/// Runs core's tests as a program that counts.
pub fn measure(paths: &Paths) -> Result<Report> {
    let tools = tools::provide(paths)?;
    let folder = paths.root.join("target/coverage");
    let program = build(paths, &folder)?;
    let profiles = folder.join("profiles");
    if profiles.exists() {
        fs::remove_dir_all(&profiles).context("old counts cannot be removed")?;
    }
    make_folder(&profiles)?;
    step("core's tests, counting", || {
        Tool::new(&program)
            .within(&paths.root.join("hypervisor/core"))
            .arg("--quiet")
            .env("LLVM_PROFILE_FILE", profiles.join("core-%p.profraw"))
            .run("core's tests, counting", &paths.logs.join("coverage.log"))
    })?;
    report(paths, &tools, &program, &profiles)
}

/// Builds core's tests so that they count; returns the program.
fn build(paths: &Paths, folder: &Path) -> Result<PathBuf> {
    #[derive(Deserialize)]
    struct Message {
        executable: Option<PathBuf>,
    }
    let tool = Tool::new("cargo")
        .within(&paths.root)
        .args(["test", "--package", "bulkhead-core", "--lib", "--no-run"])
        .args(["--message-format=json-render-diagnostics", "--target-dir"])
        .arg(folder)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", FLAGS);
    let (good, text) = said("building core's tests so that they count", tool)?;
    let built = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok());
    let program = built.filter_map(|message| message.executable).next_back();
    program
        .filter(|_| good)
        .context("core's tests cannot be built so that they count; see above")
}

/// What the counts say.
fn report(paths: &Paths, tools: &Tools, program: &Path, profiles: &Path) -> Result<Report> {
    let merged = profiles.join("all.profdata");
    tools
        .profdata()
        .args(["merge", "-sparse", "-o"])
        .arg(&merged)
        .arg(profiles)
        .output("adding up the counts")?;
    let text = tools
        .cov()
        .arg("export")
        .arg(program)
        .arg(format!("-instr-profile={}", merged.display()))
        .arg(format!("-ignore-filename-regex={APART}"))
        .output("reading the counts")?;
    Report::read(&text, &paths.root.join("hypervisor/core/src"))
}
