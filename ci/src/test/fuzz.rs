//! The fuzz targets, for a bounded time: built with the pinned compiler and libFuzzer, begun from the kept corpus.
//!
//! `cargo fuzz` and a nightly compiler are not needed: the passes that count what code an input reaches are in every
//! rustc, and the code under test has no unsafe code that a sanitiser could find something in.

use super::tally::Tally;
use crate::build::jobs;
use crate::cli::TestArgs;
use crate::parts;
use crate::paths::{Paths, make_folder};
use crate::progress::step;
use crate::tool::Tool;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;

/// The folders with fuzz targets, each a workspace of its own, and their targets.
const FOLDERS: [(&str, &[&str]); 1] = [("hypervisor/core/fuzz", &["calls", "descriptors", "lives"])];

/// What makes rustc count the edges that an input reaches, and its comparisons.
const FLAGS: [&str; 8] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Clink-dead-code",
    "-Cdebug-assertions",
    "--cfg=fuzzing",
];

/// The longest input, in bytes: some hundred events.
const LONGEST: &str = "-max_len=2048";

/// One target, ready to run.
struct Target {
    name: &'static str,
    program: PathBuf,
    /// Inputs that are kept in the repository.
    kept: PathBuf,
    /// Inputs that runs on this machine found.
    found: PathBuf,
    /// Inputs on which it failed.
    failed: PathBuf,
    log: PathBuf,
}

/// What a run did.
#[derive(Debug, Default, PartialEq, Eq)]
struct Stats {
    runs: usize,
    /// Edges of the code that some input reached.
    edges: usize,
}

/// Fuzzes every target for `--fuzz` seconds; with `--keep` the corpus in the repository is made anew from what was found.
pub fn test(paths: &Paths, args: &TestArgs, tally: &mut Tally) -> Result<()> {
    parts::provide_cxx(paths)?;
    let mut targets = Vec::new();
    for (folder, names) in FOLDERS {
        match step(&format!("building the fuzz targets of {folder}"), || {
            build(paths, folder)
        }) {
            Ok(programs) => {
                for &name in names {
                    targets.push(Target::new(paths, folder, name, &programs)?);
                }
            }
            Err(error) => tally.note(&format!("fuzz targets of {folder}"), false, &format!("{error:#}")),
        }
    }
    let names: Vec<_> = targets.iter().map(|target| target.name).collect();
    let what = format!("fuzzing {} for {} s each", names.join(", "), args.fuzz);
    let results = step(&what, || Ok(run_all(&targets, args.fuzz)))?;
    for (target, result) in targets.iter().zip(results) {
        let kept = files(&target.kept).len();
        let (ok, detail) = match result {
            // A run that did not even get through the corpus has tested nothing.
            Ok(stats) => (
                stats.runs > kept && kept > 0,
                format!(
                    "{} inputs after {kept} kept ones, {} edges",
                    stats.runs, stats.edges
                ),
            ),
            Err(error) => (false, format!("{error:#}")),
        };
        tally.note(&format!("fuzz {}", target.name), ok, &detail);
        if ok && args.keep {
            step(&format!("keeping what fuzz {} found", target.name), || {
                target.keep()
            })?;
        }
    }
    Ok(())
}

/// Builds the targets of a folder; returns the folder with their programs.
fn build(paths: &Paths, folder: &str) -> Result<PathBuf> {
    let host = Tool::new("rustc")
        .args(["--print", "host-tuple"])
        .within(&paths.root)
        .output("asking rustc")?;
    let target = paths.root.join("target/fuzz");
    // With `--target` the flags are for the targets alone, not for build scripts.
    Tool::new("cargo")
        .within(&paths.root.join(folder))
        .args([
            "build",
            "--locked",
            "--release",
            "--target",
            host.trim(),
            "--target-dir",
        ])
        .arg(&target)
        .env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\x1f"))
        .env("CXX", "g++")
        .run("building fuzz targets", &paths.logs.join("fuzz-build.log"))?;
    Ok(target.join(host.trim()).join("release"))
}

/// Runs all targets, as many at a time as the machine has cores.
fn run_all(targets: &[Target], seconds: u32) -> Vec<Result<Stats>> {
    let next = Mutex::new(0..targets.len());
    let work = || {
        let mut done = Vec::new();
        while let Some(n) = next.lock().ok().and_then(|mut next| next.next()) {
            done.push((n, targets[n].run(seconds)));
        }
        done
    };
    let mut results: Vec<(usize, Result<Stats>)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs()).map(|_| scope.spawn(work)).collect();
        let done = workers.into_iter().filter_map(|worker| worker.join().ok());
        done.flatten().collect()
    });
    results.sort_by_key(|(n, _)| *n);
    results.into_iter().map(|(_, result)| result).collect()
}

impl Target {
    fn new(paths: &Paths, folder: &str, name: &'static str, programs: &Path) -> Result<Self> {
        let room = paths.root.join("target/fuzz");
        let target = Self {
            name,
            program: programs.join(name),
            kept: paths.root.join(folder).join("corpus").join(name),
            found: room.join("found").join(name),
            failed: room.join("failed").join(name),
            log: paths.logs.join(format!("fuzz-{name}.log")),
        };
        for folder in [&target.kept, &target.found, &target.failed] {
            make_folder(folder)?;
        }
        Ok(target)
    }

    /// Runs it: first what is kept, then what comes of it. An input on which it fails is the error.
    fn run(&self, seconds: u32) -> Result<Stats> {
        let log = fs::File::create(&self.log)?;
        let status = Tool::new(&self.program)
            .arg(&self.found)
            .arg(&self.kept)
            .arg(format!("-max_total_time={seconds}"))
            .args([
                LONGEST,
                "-timeout=10",
                "-rss_limit_mb=2048",
                "-print_final_stats=1",
            ])
            .arg(format!("-artifact_prefix={}/", self.failed.display()))
            .env("RUST_BACKTRACE", "0")
            .command()
            .stdout(log.try_clone()?)
            .stderr(log)
            .status()
            .with_context(|| format!("{} could not be started", self.program.display()))?;
        let said = fs::read(&self.log)?;
        let said = String::from_utf8_lossy(&said);
        if status.success() {
            return Ok(stats(&said));
        }
        match input(&said) {
            Some(input) => bail!(
                "{}; `{} {input}` repeats it",
                reason(&said),
                self.program.display()
            ),
            None => bail!("it ended with {status}; see {}", self.log.display()),
        }
    }

    /// Puts the fewest inputs that reach every edge that any of them reaches into the repository.
    fn keep(&self) -> Result<()> {
        let room = tempfile::tempdir().context("no temporary folder can be made")?;
        Tool::new(&self.program)
            .args(["-set_cover_merge=1", "-use_counters=0", "-use_cmp=0", LONGEST])
            .arg(room.path())
            .args([&self.kept, &self.found])
            .run("choosing inputs", &self.log.with_extension("keep.log"))?;
        let chosen = files(room.path());
        if chosen.is_empty() {
            bail!(
                "no input was chosen; see {}",
                self.log.with_extension("keep.log").display()
            );
        }
        for old in files(&self.kept) {
            fs::remove_file(&old).with_context(|| format!("{} cannot be removed", old.display()))?;
        }
        for new in chosen {
            let name = new.file_name().context("an input has no name")?;
            fs::copy(&new, self.kept.join(name))
                .with_context(|| format!("{} cannot be kept", new.display()))?;
        }
        Ok(())
    }
}

/// The files in a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
        .collect()
}

/// What libFuzzer says at its end.
fn stats(said: &str) -> Stats {
    let runs = said
        .lines()
        .find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    let edges = said.lines().rev().find_map(|line| line.split_once(" cov: "));
    let first = |text: &str| {
        text.split_whitespace()
            .next()
            .and_then(|number| number.parse().ok())
    };
    Stats {
        runs: runs.and_then(first).unwrap_or(0),
        edges: edges.and_then(|(_, rest)| first(rest)).unwrap_or(0),
    }
}

/// The file with the input on which a target failed.
fn input(said: &str) -> Option<&str> {
    said.lines()
        .find_map(|line| line.split_once("Test unit written to "))
        .map(|(_, path)| path.trim())
}

/// Why it failed: the panic's place and words, else libFuzzer's own.
fn reason(said: &str) -> String {
    let mut lines = said.lines().skip_while(|line| !line.contains(" panicked at "));
    if let Some(place) = lines.next() {
        let place = place
            .split_once(" panicked at ")
            .map_or(place, |(_, place)| place);
        let words = lines.next().unwrap_or_default();
        return format!("panicked at {place} {words}");
    }
    let error = said
        .lines()
        .find_map(|line| line.split_once("ERROR: libFuzzer: "));
    error.map_or("it failed", |(_, error)| error).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "#65\tINITED cov: 1209 ft: 4088 corp: 63/17Kb\n#70\tNEW    cov: 1210 ft: 4090 corp: 64/17Kb\n\
                        Done 25562 runs in 9 second(s)\nstat::number_of_executed_units: 25562\n";
    const BAD: &str = "INFO: Seed: 5\n\nthread '<unnamed>' (7) panicked at src/lib.rs:7:5:\nowner of two pages\nnote: run\n\
                       ==7== ERROR: libFuzzer: deadly signal\nartifact_prefix='f/'; Test unit written to f/crash-01\n";

    #[test]
    fn what_was_tried_is_read() {
        assert_eq!(
            stats(GOOD),
            Stats {
                runs: 25562,
                edges: 1210
            }
        );
        assert_eq!(stats("nothing"), Stats::default());
    }

    #[test]
    fn a_failure_names_its_input_and_reason() {
        assert_eq!(input(BAD), Some("f/crash-01"));
        assert_eq!(input(GOOD), None);
        assert_eq!(reason(BAD), "panicked at src/lib.rs:7:5: owner of two pages");
        assert_eq!(
            reason("==1== ERROR: libFuzzer: timeout after 10 seconds\n"),
            "timeout after 10 seconds"
        );
    }
}
