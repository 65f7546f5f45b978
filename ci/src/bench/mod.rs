//! `cargo xtask bench`: the instructions that calls cost, counted by QEMU, beside the targets.
//!
//! The machine is QEMU's with `-icount shift=0,sleep=off`, without SVE, with one core that runs; the normal
//! world is the boot stage at EL2, the partitions are the test partition. The same build gives the same figures.

mod figures;
mod reference;
mod table;

use crate::build;
use crate::cli::BenchArgs;
use crate::parts::{self, Part, Parts};
use crate::paths::{Paths, read, write};
use crate::progress::step;
use crate::run::events::Line;
use crate::run::log;
use crate::run::machine::Machine;
use crate::run::session::{self, Log, Next, Ports, Wish};
use anyhow::{Result, bail};
use figures::Figures;
use reference::{Growth, Reference};
use std::path::Path;
use std::time::Duration;

/// The time that all measurements of one system may take.
const LIMIT: Duration = Duration::from_secs(240);

/// The system of the figures, and the one that shows what more partitions cost.
const SYSTEMS: [&str; 2] = ["one", "eight"];

/// Said where another QEMU than that of the last release's figures measures.
const OTHER_MEASURE: &str =
    "not compared with the last release: this QEMU counts otherwise, as what firmware answers alone shows";

/// Measures and shows the figures; true where every operation could be measured, and none grew untold.
pub fn bench(paths: &Paths, args: &BenchArgs) -> Result<bool> {
    let parts = parts::provide(paths, &[Part::Tfa])?;
    let [one, eight] = SYSTEMS;
    let (one, eight) = (system(paths, &parts, one)?, system(paths, &parts, eight)?);
    let stored = paths.root.join(reference::FILE);
    let csv = table::csv(&one, &eight);
    if args.bless {
        write(&stored, csv.as_bytes())?;
    }
    let then = last_release(paths)?;
    println!("\n{}", table::text(&one, &eight, &then));
    if let Some(file) = &args.csv {
        write(file, csv.as_bytes())?;
    }
    let failures: Vec<_> = one.failures.iter().chain(&eight.failures).collect();
    for failure in &failures {
        eprintln!("not measured: {failure}");
    }
    if !then.is_of_this_machine(&one) {
        eprintln!("{OTHER_MEASURE}");
        return Ok(failures.is_empty());
    }
    let grown = then.grown([Some(&one), Some(&eight)], &change_log(paths)?);
    for growth in &grown {
        eprintln!("{}", words(growth));
    }
    Ok(failures.is_empty() && grown.iter().all(|growth| growth.told))
}

/// Measures the system with one partition and compares it with the last release: each operation, whether all is
/// well, and what there is to say.
pub fn compare(paths: &Paths, parts: &Parts) -> Result<Vec<(String, bool, String)>> {
    let figures = system(paths, parts, SYSTEMS[0])?;
    let then = last_release(paths)?;
    if figures.failures.is_empty() && !then.is_of_this_machine(&figures) {
        return Ok(vec![(
            "every operation".to_owned(),
            true,
            OTHER_MEASURE.to_owned(),
        )]);
    }
    let grown = then.grown([Some(&figures), None], &change_log(paths)?);
    let mut all: Vec<_> = figures
        .failures
        .iter()
        .map(|failure| ("every operation".to_owned(), false, failure.clone()))
        .collect();
    for (operation, instructions) in figures.all() {
        let growth = grown.iter().find(|growth| growth.operation == operation);
        let ok = growth.is_none_or(|growth| growth.told);
        let detail = growth.map_or_else(|| format!("{instructions} instructions"), words);
        all.push((operation.to_owned(), ok, detail));
    }
    Ok(all)
}

/// A growth as a sentence, with what to do about it.
fn words(growth: &Growth) -> String {
    let [then, now] = growth.figures;
    let more = (now - then) * 1000 / then;
    let told = if growth.told {
        format!("as {} says", reference::LOG)
    } else {
        format!(
            "save it, or say why in the newest section of {}: - cost of `{}`: REASON",
            reference::LOG,
            growth.operation
        )
    };
    format!(
        "{} takes {now} instructions, {then} at the last release, {}.{} % more: {told}",
        growth.operation,
        more / 10,
        more % 10
    )
}

fn last_release(paths: &Paths) -> Result<Reference> {
    let bytes = read(&paths.root.join(reference::FILE))?;
    Reference::parse(&String::from_utf8_lossy(&bytes))
}

fn change_log(paths: &Paths) -> Result<String> {
    let bytes = read(&paths.root.join(reference::LOG))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Builds and measures one of the systems.
fn system(paths: &Paths, parts: &Parts, name: &str) -> Result<Figures> {
    let table = paths.root.join(format!("configs/bench/{name}.toml"));
    let system = build::load(&table)?;
    let firmware = build::build_bench(paths, parts, system, &table)?;
    let what = format!("counting instructions on {}", firmware.system.name);
    step(&what, || measure(&firmware))
}

/// Runs the measurements of one system.
fn measure(firmware: &build::Firmware) -> Result<Figures> {
    let folder = firmware.folder.join("bench");
    let ports = Ports::open()?;
    let names = ports.names();
    let machine = Machine::of(&firmware.system, false).counting();
    let command = machine.command(&firmware.flash, [&names[0], &names[1]]);
    let wish = wish(firmware, &folder);
    let mut figures = Figures::default();
    let mut said = 0;
    session::run(command, &ports, &wish, |line| match line {
        Line::Bench {
            operation,
            instructions,
        } => {
            figures.note(&operation, instructions);
            Next::Continue
        }
        Line::BenchFailed(why) => {
            figures.failures.push(why);
            Next::Continue
        }
        Line::Benches(count) => {
            said = count;
            Next::Finish
        }
        _ => Next::Continue,
    })?;
    if said != figures.len() {
        bail!(
            "{said} operations were measured and {} were reported; see {}",
            figures.len(),
            folder.join("console.log").display()
        );
    }
    note_slices(&mut figures, &log::read(&folder)?);
    Ok(figures)
}

/// What the log says of restarts. An instruction is a nanosecond here.
fn note_slices(figures: &mut Figures, log: &log::Log) {
    const INSTRUCTIONS: u64 = 1_000;
    if let Some(longest) = log.restored.iter().map(|[_, longest]| *longest).max() {
        figures.note(figures::LONGEST_SLICE, longest * INSTRUCTIONS);
    }
}

fn wish<'a>(firmware: &'a build::Firmware, folder: &'a Path) -> Wish<'a> {
    Wish {
        elf: &firmware.hypervisor,
        programs: &firmware.programs,
        log: Log::of(&firmware.system),
        folder,
        limit: LIMIT,
        quiet: LIMIT,
        show_log: false,
        show_console: false,
    }
}
