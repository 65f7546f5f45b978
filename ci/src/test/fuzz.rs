//! The fuzz targets, for a bounded time: built with the pinned compiler and libFuzzer, begun from the kept corpus.
//!
//! `cargo fuzz` and a nightly compiler are not needed: the passes that count what code an input reaches are in every
//! rustc, and the code under test has no unsafe code that a sanitiser could find something in.

use super::tally::Tally;
use crate::build::jobs;
use crate::cli::TestArgs;
use crate::parts;
use crate::paths::{Paths, make_folder, read, write};
use crate::progress::step;
use crate::tool::Tool;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;

/// A folder with fuzz targets, a workspace of its own.
struct Folder {
    /// Where it is in the repository.
    path: &'static str,
    /// Each target, and the files of the repository that it begins with; its own corpus where none are named.
    targets: &'static [(&'static str, &'static [&'static str])],
    /// libFuzzer's options: the longest input in bytes, and words that inputs are made of.
    options: &'static [&'static str],
    /// Its targets run for one part in so many of the time that is asked for.
    part: u32,
}

const FOLDERS: [Folder; 2] = [
    Folder {
        path: "hypervisor/core/fuzz",
        targets: &[
            ("calls", &[]),
            ("descriptors", &[]),
            ("lives", &[]),
            ("vgic", &[]),
        ],
        options: &["-max_len=2048"],
        part: 1,
    },
    Folder {
        path: "configs/fuzz",
        targets: &[
            ("table", &["configs", "configs/tests/rules"]),
            ("board", &["boards/fvp-base", "boards/qemu-virt", "boards/tc4"]),
        ],
        options: &["-max_len=8192", "-dict=words.dict"],
        part: 2,
    },
];

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

/// One target, ready to run.
struct Target {
    name: &'static str,
    program: PathBuf,
    /// The folder that its options are about.
    home: PathBuf,
    options: &'static [&'static str],
    part: u32,
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
    for folder in FOLDERS {
        let what = format!("building the fuzz targets of {}", folder.path);
        match step(&what, || build(paths, folder.path)) {
            Ok(programs) => {
                for target in folder.targets {
                    targets.push(Target::new(paths, &folder, target, &programs)?);
                }
            }
            Err(error) => tally.note(
                &format!("fuzz targets of {}", folder.path),
                false,
                &format!("{error:#}"),
            ),
        }
    }
    let names: Vec<_> = targets.iter().map(|target| target.name).collect();
    let what = format!("fuzzing {} for up to {} s each", names.join(", "), args.fuzz);
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
        if ok && args.keep && target.owns_corpus() {
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
    fn new(
        paths: &Paths,
        folder: &Folder,
        (name, begin): &(&'static str, &[&str]),
        programs: &Path,
    ) -> Result<Self> {
        let (room, home) = (paths.root.join("target/fuzz"), paths.root.join(folder.path));
        let kept = if begin.is_empty() {
            home.join("corpus").join(name)
        } else {
            room.join("begin").join(name)
        };
        let target = Self {
            name,
            program: programs.join(name),
            home,
            options: folder.options,
            part: folder.part,
            kept,
            found: room.join("found").join(name),
            failed: room.join("failed").join(name),
            log: paths.logs.join(format!("fuzz-{name}.log")),
        };
        for folder in [&target.kept, &target.found, &target.failed] {
            make_folder(folder)?;
        }
        for folder in *begin {
            let tables = files(&paths.root.join(folder)).into_iter();
            for table in tables.filter(|file| file.extension().is_some_and(|end| end == "toml")) {
                let name = table
                    .strip_prefix(&paths.root)
                    .unwrap_or(&table)
                    .to_string_lossy();
                write(&target.kept.join(name.replace('/', "-")), &read(&table)?)?;
            }
        }
        Ok(target)
    }

    /// Whether what it begins with is there for fuzzing alone.
    fn owns_corpus(&self) -> bool {
        self.kept.starts_with(&self.home)
    }

    /// Runs it: first what is kept, then what comes of it. An input on which it fails is the error.
    fn run(&self, seconds: u32) -> Result<Stats> {
        let log = fs::File::create(&self.log)?;
        let status = Tool::new(&self.program)
            .arg(&self.found)
            .arg(&self.kept)
            .arg(format!("-max_total_time={}", (seconds / self.part).max(1)))
            .args(self.options)
            .args(["-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1"])
            .arg(format!("-artifact_prefix={}/", self.failed.display()))
            .env("RUST_BACKTRACE", "0")
            .within(&self.home)
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
            .args(["-set_cover_merge=1", "-use_counters=0", "-use_cmp=0"])
            .args(self.options)
            .within(&self.home)
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
