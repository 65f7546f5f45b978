//! Scenarios: whole runs of a machine that files describe (`ci/scenarios/*.toml`), as many at a time as this computer has
//! cores for, each in a folder of its own.

mod brought;
mod browser;
mod debug;
mod file;
mod html;
mod implied;
mod job;
mod matrix;
mod overseer;
mod own;
mod pattern;
mod prepare;
mod timeline;

use super::tally::Tally;
use crate::build;
use crate::cli::TestArgs;
use crate::parts::Parts;
use crate::paths::{Paths, write};
use crate::progress::Lanes;
use anyhow::{Context, Result, bail};
use file::{Scenario, nearest};
use job::{Job, Verdict};
use matrix::Count;
pub use own::Own;
use prepare::{Builder, Variant};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::slice;
use std::sync::{Condvar, Mutex};
use std::thread;

/// Stands for all scenarios, where names are asked for.
const ALL: &str = "all";

/// The scenario that is debugged, and those whose report is looked at: one of cases, and one with Linux.
const DEBUGGED: &str = "crash";
const REPORTED: [&str; 2] = ["crash", "rust-crash"];

/// Lists the scenarios.
pub fn list(paths: &Paths) -> Result<()> {
    let scenarios = all(paths)?;
    let width = scenarios
        .iter()
        .map(|scenario| scenario.name.len())
        .max()
        .unwrap_or_default();
    for scenario in &scenarios {
        let always = if scenario.always { "*" } else { " " };
        println!("{always} {:width$}  {}", scenario.name, scenario.about);
    }
    println!(
        "\n* is run by a plain `cargo xtask test`; any by `cargo xtask test --scenario NAME`, all by `--scenario all`\n\n\
         without a file of their own, the bare-metal cases of a table and the suites of Linux:\n{}",
        implied::list(paths)?
    );
    Ok(())
}

/// Runs the scenarios that are asked for, or those that a plain `cargo xtask test` runs.
pub fn test(paths: &Paths, parts: &Parts, args: &TestArgs, tally: &mut Tally) -> Result<()> {
    let own = Own::read(&args.own)?;
    let seed = args.seed.unwrap_or_else(super::model::fresh);
    let mut builder = Builder::new(paths, parts, &own, args.html.is_some());
    let scenarios = chosen(paths, &args.scenario)?;
    if args.gdb {
        let [scenario] = scenarios.as_slice() else {
            bail!("--gdb is for one scenario; name it by --scenario");
        };
        let folder = folder(paths, &scenario.name).join("debug");
        let mut job = builder.job(scenario, &Variant::default(), seed, folder)?;
        // Where its symbols say that it is.
        "nokaslr".clone_into(&mut job.arguments);
        let ok = debug::debug(paths, &job)?;
        tally.note(&format!("{} under the debugger", scenario.name), ok, "");
        return Ok(());
    }
    let emulators = if args.matrix {
        matrix::emulators(&args.qemu)?
    } else {
        Vec::new()
    };
    let mut jobs = Vec::new();
    for scenario in &scenarios {
        let variants = if args.matrix {
            matrix::variants(scenario, &emulators, &own)
        } else {
            vec![Variant::default()]
        };
        for variant in &variants {
            for time in 1..=args.times {
                let mut folder = folder(paths, &scenario.name);
                if args.matrix {
                    folder.push(variant.name.replace(' ', "_"));
                }
                if args.times > 1 {
                    folder.push(time.to_string());
                }
                let mut job = builder.job(scenario, variant, seed, folder)?;
                job.options = options(args);
                jobs.push(job);
            }
        }
    }
    eprintln!("       seed {seed}");
    if args.matrix {
        eprintln!("       {}", matrix::introduction(&emulators, jobs.len()));
    }
    let verdicts = run(&jobs);
    let mut flaky = 0;
    let times = args.times as usize;
    for (jobs, verdicts) in jobs.chunks(times).zip(verdicts.chunks(times)) {
        flaky += usize::from(note(jobs, verdicts, tally));
    }
    if times > 1 {
        eprintln!("       {flaky} flaky: passed sometimes, and sometimes not");
    }
    match &args.html {
        Some(file) => {
            write(file, html::page(&jobs, &verdicts)?.as_bytes())?;
            eprintln!("       the report is in {}", file.display());
            Ok(())
        }
        None if args.scenario.is_empty() => {
            brought::test(paths, parts, tally)?;
            debugged(paths, parts, tally)?;
            report(paths, parts, tally)
        }
        None => Ok(()),
    }
}

/// What else `cargo xtask test` was given that decides how a scenario goes, for whoever repeats it.
fn options(args: &TestArgs) -> String {
    let own = args.own.iter().map(|value| format!(" --own {value}"));
    let qemu = args.qemu.iter().map(|path| format!(" --qemu {}", path.display()));
    let flags = [
        (args.matrix, " --matrix".to_owned()),
        (args.times > 1, format!(" --times {}", args.times)),
    ];
    let flags = flags
        .into_iter()
        .filter(|(given, _)| *given)
        .map(|(_, text)| text);
    own.chain(flags).chain(qemu).collect()
}

/// Stops a machine under the debugger, where a partition comes to one of its functions.
fn debugged(paths: &Paths, parts: &Parts, tally: &mut Tally) -> Result<()> {
    let own = Own::default();
    let mut builder = Builder::new(paths, parts, &own, false);
    let scenario = chosen(paths, &[DEBUGGED.to_owned()])?.remove(0);
    let job = builder.job(&scenario, &Variant::default(), 1, folder(paths, "debugged"))?;
    let said = debug::ask(
        paths,
        &job,
        "break-in test-b image::respond\ncontinue\nwho\nbacktrace 3\n",
    )?;
    let wanted = [" test-b test_sp::image::respond", " test_sp::image::serve ("];
    let missing: Vec<_> = wanted.into_iter().filter(|text| !said.contains(text)).collect();
    let name = "a scenario under the debugger stops in the partition that is meant";
    let detail = match missing.as_slice() {
        [] => String::new(),
        missing => format!("gdb does not say `{}`, but: {said}", missing.join("`, `")),
    };
    tally.note(name, missing.is_empty(), &detail);
    Ok(())
}

/// Makes the report of some scenarios, and looks at it in a browser.
fn report(paths: &Paths, parts: &Parts, tally: &mut Tally) -> Result<()> {
    let own = Own::default();
    let mut builder = Builder::new(paths, parts, &own, true);
    let room = folder(paths, "report");
    let mut jobs = Vec::new();
    for scenario in chosen(paths, &REPORTED.map(str::to_owned))? {
        let folder = room.join(&scenario.name);
        jobs.push(builder.job(&scenario, &Variant::default(), 1, folder)?);
    }
    let verdicts = run(&jobs);
    for (job, verdict) in jobs.iter().zip(&verdicts) {
        note(slice::from_ref(job), slice::from_ref(verdict), tally);
    }
    let file = room.join("report.html");
    write(&file, html::page(&jobs, &verdicts)?.as_bytes())?;
    let seen = browser::look(paths, &file, jobs.len());
    let detail = match &seen {
        Ok(seen) => seen.clone(),
        Err(error) => format!("{error:#}"),
    };
    tally.note(
        "the report of scenarios is drawn in a browser",
        seen.is_ok(),
        &detail,
    );
    Ok(())
}

/// Where the logs of a scenario go.
fn folder(paths: &Paths, name: &str) -> PathBuf {
    // QEMU takes a colon in a path for the end of it.
    let name = name.replace(':', "-");
    paths.systems.with_file_name("scenarios").join(name)
}

/// Notes what came of the runs of one scenario; whether it is flaky.
fn note(jobs: &[Job], verdicts: &[Verdict], tally: &mut Tally) -> bool {
    let failed = verdicts.iter().position(|verdict| !verdict.problems.is_empty());
    let count = Count::of(verdicts);
    let shown = failed.unwrap_or_default();
    let (Some(job), Some(verdict)) = (jobs.get(shown), verdicts.get(shown)) else {
        return false;
    };
    let said = match failed {
        None => verdict.figures(),
        Some(_) => job.failure(verdict),
    };
    let detail = count.words() + &said;
    let ms = verdicts
        .iter()
        .map(|verdict| verdict.took.as_millis() as u64)
        .sum();
    tally.note_timed(&job.title(), failed.is_none(), &detail, ms);
    count.is_flaky()
}

/// All scenarios of the repository, by name.
fn all(paths: &Paths) -> Result<Vec<Scenario>> {
    let folder = paths.root.join("ci/scenarios");
    let entries = std::fs::read_dir(&folder).with_context(|| format!("{} is missing", folder.display()))?;
    let mut files: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| is_file_of_one(path))
        .collect();
    files.sort();
    files.iter().map(|path| file::read(path)).collect()
}

fn is_file_of_one(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "toml")
}

/// Those with these names, or in these files; without any, those that a plain run has.
fn chosen(paths: &Paths, wanted: &[String]) -> Result<Vec<Scenario>> {
    let all = all(paths)?;
    if wanted.is_empty() {
        return Ok(all.into_iter().filter(|scenario| scenario.always).collect());
    }
    if wanted.iter().any(|name| name == ALL) {
        return Ok(all);
    }
    let one = |name: &String| {
        if is_file_of_one(Path::new(name)) {
            let call = name.clone();
            return file::read(Path::new(name)).map(|scenario| Scenario { call, ..scenario });
        }
        let file = all.iter().find(|scenario| scenario.name == *name).cloned();
        match file.map_or_else(|| implied::named(paths, name), |scenario| Ok(Some(scenario)))? {
            Some(scenario) => Ok(scenario),
            None => {
                let names = || all.iter().map(|scenario| scenario.name.as_str());
                let near = nearest(name, names()).map(|near| format!("; did you mean `{near}`?"));
                bail!(
                    "there is no scenario `{name}`{}; there are {}; one of your own is given by its file, NAME.toml",
                    near.unwrap_or_default(),
                    names().collect::<Vec<_>>().join(", ")
                )
            }
        }
    };
    wanted.iter().map(one).collect()
}

/// Runs jobs, as many at a time as there are cores for; the verdicts are in their order.
fn run(jobs: &[Job]) -> Vec<Verdict> {
    let cores = build::jobs();
    let lanes = Lanes::new(jobs.len());
    let waiting: Mutex<VecDeque<usize>> = Mutex::new((0..jobs.len()).collect());
    let free = (Mutex::new(cores), Condvar::new());
    let verdicts: Mutex<Vec<Option<Verdict>>> = Mutex::new(jobs.iter().map(|_| None).collect());
    thread::scope(|scope| {
        for _ in 0..cores.min(jobs.len()) {
            scope.spawn(|| {
                while let Some((number, job, held)) = take(jobs, &waiting, &free, cores) {
                    let lane = lanes.begin(&job.title());
                    let verdict = job.run(&|line| lane.say(line));
                    lane.end(verdict.problems.is_empty());
                    give(&free, held);
                    if let Ok(mut verdicts) = verdicts.lock() {
                        verdicts[number] = Some(verdict);
                    }
                }
            });
        }
    });
    verdicts
        .into_inner()
        .unwrap_or_default()
        .into_iter()
        .flatten()
        .collect()
}

/// The next job, once the cores that its machine keeps busy are free; those that it holds.
fn take<'a>(
    jobs: &'a [Job],
    waiting: &Mutex<VecDeque<usize>>,
    free: &(Mutex<usize>, Condvar),
    cores: usize,
) -> Option<(usize, &'a Job, usize)> {
    // In order: a machine that wants many cores is not overtaken for ever by those that want one.
    let mut waiting = waiting.lock().ok()?;
    let number = waiting.pop_front()?;
    let job = jobs.get(number)?;
    let wanted = job.weight().clamp(1, cores);
    let (count, changed) = free;
    let mut count = changed
        .wait_while(count.lock().ok()?, |count| *count < wanted)
        .ok()?;
    *count -= wanted;
    Some((number, job, wanted))
}

fn give((count, changed): &(Mutex<usize>, Condvar), held: usize) {
    if let Ok(mut count) = count.lock() {
        *count += held;
    }
    changed.notify_all();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_scenarios_of_the_repository_are_well_formed() {
        let paths = Paths::find().unwrap();
        let scenarios = all(&paths).unwrap();
        assert!(scenarios.len() >= 6);
        for scenario in &scenarios {
            assert!(scenario.table.is_file(), "{}", scenario.name);
            assert!(
                scenario.about.len() < 100 && !scenario.about.ends_with('.'),
                "{}",
                scenario.about
            );
        }
        assert!(
            chosen(&paths, &[])
                .unwrap()
                .iter()
                .all(|scenario| scenario.always)
        );
        assert_eq!(chosen(&paths, &[ALL.to_owned()]).unwrap().len(), scenarios.len());
    }

    #[test]
    fn a_failure_is_repeated_as_it_was_run() {
        use crate::cli::Cli;
        use clap::Parser;
        let parsed = |text: &str| Cli::try_parse_from(text.split(' ')).unwrap().test_args().unwrap();
        for text in [
            "",
            " --own kernel=Image --own tf-a=../tf-a",
            " --own a=x --matrix --times 3 --qemu /q/qemu-system-aarch64",
        ] {
            assert_eq!(options(&parsed(&format!("xtask test --scenario a{text}"))), text);
        }
        let room = tempfile::tempdir().unwrap();
        let path = room.path().join("mine.toml");
        let text = "about = \"x\"\ntable = \"t.toml\"\nlimit = { guest = \"1s\" }\nnormal-world = { cases = true }\n";
        std::fs::write(&path, text).unwrap();
        let path = path.display().to_string();
        let paths = Paths::find().unwrap();
        let mine = chosen(&paths, slice::from_ref(&path)).unwrap().remove(0);
        assert_eq!((mine.name.as_str(), mine.call), ("mine", path));
    }

    #[test]
    fn a_name_that_nobody_has_is_told_with_what_may_be_meant() {
        let paths = Paths::find().unwrap();
        let said = chosen(&paths, &["wrong-bord".to_owned()])
            .unwrap_err()
            .to_string();
        assert!(
            said.contains("did you mean `wrong-board`?") && said.contains("NAME.toml"),
            "{said}"
        );
        let said = format!("{:#}", chosen(&paths, &["no/such.toml".to_owned()]).unwrap_err());
        assert!(said.contains("no/such.toml cannot be read"), "{said}");
    }
}
