//! Bare-metal tests: the normal world's boot stage runs its cases against each table made for tests.

use super::spoil::spoil;
use super::tally::Tally;
use super::truth::Truth;
use super::{page, recorded, sel4, signed, vendors};
use crate::build::{self, Firmware};
use crate::cli::TestArgs;
use crate::parts::Parts;
use crate::paths::Paths;
use crate::progress::step;
use crate::run::events::{Case, Line};
use crate::run::machine::Machine;
use crate::run::session::{self, Log, Next, Ports, Wish};
use crate::truth::Watch;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The partition whose package is changed in flash, in the table of this name.
pub const SPOILT: &str = "spoilt";
/// The time that all cases of one table may take.
const LIMIT: Duration = Duration::from_secs(180);

/// The tables whose cases hold the cores to times of a millisecond: a busy host cannot keep those, so time is the
/// number of instructions there.
const COUNTED: &[&str] = &[
    "devices",
    "ffa-forwarding",
    "interrupts",
    "interrupts-queued",
    "own-core",
    "trusted",
    "vendors",
];

/// Whether a table's cases run where time is the number of instructions.
pub fn is_counted(table: &str) -> bool {
    COUNTED.contains(&table)
}

/// How the names of the tables begin whose cases are of FF-A calls, and make the conformance page.
const FFA: &str = "ffa";

/// Runs the cases of every table in `configs/cases`, of those of FF-A only, or of some; then, where all of FF-A have
/// run, compares the conformance page with them, or writes it anew (`--bless`).
pub fn test(paths: &Paths, parts: &Parts, args: &TestArgs, tally: &mut Tally) -> Result<()> {
    let (mut ran, before) = (Vec::new(), tally.failed());
    for table in wanted(paths, args)? {
        let system = build::load(&table)?;
        let mut firmware = build::build_cases(paths, parts, system, &table)?;
        if firmware
            .system
            .partitions
            .iter()
            .any(|partition| partition.name == SPOILT)
        {
            firmware.flash = spoil(&firmware, &firmware.flash, SPOILT)?;
        }
        if firmware.system.name == signed::TABLE {
            firmware.flash = signed::prepare(&firmware)?;
        }
        ran.extend(run(&firmware, tally)?);
        if firmware.system.name == signed::TABLE {
            signed::after(&firmware, tally)?;
        }
        if firmware.system.name == vendors::OF {
            let table = vendors::table(paths, &firmware)?;
            let firmware = build::build_cases(paths, parts, build::load(&table)?, &table)?;
            run(&firmware, tally)?;
            vendors::after(&firmware, tally)?;
        }
    }
    if !args.ffa && (args.tables.is_empty() || args.tables.iter().any(|table| table == sel4::NAME)) {
        let table = sel4::cases(paths, parts)?;
        let system = build::load(&table)?;
        run(&build::build_cases(paths, parts, system, &table)?, tally)?;
    }
    if tally.failed() > before || !args.tables.is_empty() {
        // A page of cases that failed, or that did not run, would say nothing.
        return Ok(());
    }
    page::check(paths, &ran, args.bless, tally)
}

/// The tables whose cases are to run.
fn wanted(paths: &Paths, args: &TestArgs) -> Result<Vec<PathBuf>> {
    let all = tables(paths)?;
    let name = |path: &Path| {
        path.file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    };
    let unknown = args
        .tables
        .iter()
        .find(|wish| *wish != sel4::NAME && !all.iter().any(|path| name(path) == **wish));
    if let Some(unknown) = unknown {
        let names = all.iter().map(|path| name(path));
        let names: Vec<_> = names.chain([sel4::NAME.to_owned()]).collect();
        bail!(
            "there are no cases for a table `{unknown}`; there are: {}",
            names.join(", ")
        );
    }
    let chosen = |path: &PathBuf| {
        let of_ffa = !args.ffa || name(path).starts_with(FFA);
        of_ffa && (args.tables.is_empty() || args.tables.contains(&name(path)))
    };
    Ok(all.into_iter().filter(chosen).collect())
}

/// The tables made for bare-metal tests.
fn tables(paths: &Paths) -> Result<Vec<PathBuf>> {
    let folder = paths.root.join("configs/cases");
    let entries = fs::read_dir(&folder)
        .with_context(|| format!("{} with the test tables is missing", folder.display()))?;
    let mut tables: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| is_table(path))
        .collect();
    tables.sort();
    Ok(tables)
}

fn is_table(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "toml")
}

/// Runs the cases of one system; a run that breaks off is a failure of its own.
fn run(firmware: &Firmware, tally: &mut Tally) -> Result<Vec<Case>> {
    let name = &firmware.system.name;
    let folder = firmware.folder.join("cases");
    let ports = Ports::open()?;
    let names = ports.names();
    let mut machine = Machine::of(&firmware.system, true);
    if is_counted(name) {
        machine = machine.counting();
    }
    if name == signed::TABLE {
        machine = machine.keeping();
    }
    let mut command = machine.command(&firmware.flash, [&names[0], &names[1]]);
    let watch = Watch::start(firmware, None)?;
    command.args(watch.arguments());
    let wish = Wish {
        elf: &firmware.hypervisor,
        programs: &firmware.programs,
        log: Log::of(&firmware.system),
        folder: &folder,
        limit: LIMIT,
        quiet: LIMIT,
        show_log: false,
        show_console: false,
    };
    let (mut seen, mut said) = (Vec::new(), 0);
    let mut truth = Truth::default();
    let result = step(&format!("bare-metal cases on {name}"), || {
        session::run(command, &ports, &wish, |line| {
            truth.begin(&watch);
            match line {
                Line::Case(case) => {
                    tally.note(&format!("{name}: {}", case.name), case.ok, &case.detail);
                    truth.look_now_and_then(&case.name, &watch);
                    seen.push(case);
                    Next::Continue
                }
                Line::Cases { passed, failed } => {
                    said = passed + failed;
                    Next::Finish
                }
                _ => Next::Continue,
            }
        })
    });
    if let Err(error) = result {
        tally.note(&format!("{name}: all cases"), false, &format!("{error:#}"));
    } else if said != seen.len() {
        // A line that another core's output broke must not pass for a case that passed.
        tally.note(
            &format!("{name}: all cases"),
            false,
            &format!("{said} cases ran, {} were reported", seen.len()),
        );
    }
    truth.note(name, watch, tally);
    if let Some(records) = recorded::check(&folder)? {
        let what = format!("{name}: each failure has its record");
        tally.note(&what, records.is_ok(), &records.err().unwrap_or_default());
    }
    Ok(seen)
}
