//! `cargo xtask bench`: the instructions that calls cost, counted by QEMU, beside the targets.
//!
//! The machine is QEMU's with `-icount shift=0,sleep=off`, without SVE, with one core that runs; the normal
//! world is the boot stage at EL2, the partitions are the test partition. The same build gives the same figures.

mod figures;
mod linux;
mod page;
mod plot;
mod profile;
mod reference;
mod table;
mod trace;

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

/// The system of the figures; those for what one partition is not enough for; and the one that shows what more
/// partitions cost.
const ONE: &str = "one";
const THREE: &str = "three";
const EIGHT: &str = "eight";

/// The system with two partitions, and that with one core.
const TWO: &str = "two";
const ONE_CORE: &str = "one-core";

/// The direct path, which must not know how many partitions, cores and shares there are.
const DIRECT: [&str; 3] = ["direct-64", "direct-32", "direct-2"];

/// How much a constant of the compiled table may make, in instructions: where a table has one partition, the compiler
/// knows which one is meant.
const CONSTANT: u64 = 16;

/// Said where another QEMU than that of the last release's figures measures.
const OTHER_MEASURE: &str =
    "not compared with the last release: this QEMU counts otherwise, as what firmware answers alone shows";

/// Measures and shows the figures; true where every operation could be measured, and none grew untold.
pub fn bench(paths: &Paths, args: &BenchArgs) -> Result<bool> {
    if args.linux {
        return linux::bench(paths, args.bless);
    }
    let parts = parts::provide(paths, &[Part::Tfa])?;
    if let Some(operation) = &args.profile {
        return profile_one(paths, &parts, operation);
    }
    let mut one = system(paths, &parts, ONE)?;
    let (three, eight) = (system(paths, &parts, THREE)?, system(paths, &parts, EIGHT)?);
    let (two, one_core) = (system(paths, &parts, TWO)?, system(paths, &parts, ONE_CORE)?);
    let scales = Scales {
        partitions: vec![("2", &two), ("3", &three), ("8", &eight)],
        cores: vec![("1", &one_core)],
    };
    let text = growth_text(&one, &scales);
    let flat = is_flat(&one, &[&one_core]) && is_flat(&two, &[&three, &eight]);
    one.complete(&three);
    for (count, name) in [(1, ONE), (2, TWO), (3, THREE)] {
        note_start(paths, &parts, name, count, &mut one)?;
    }
    let then = last_release(paths)?;
    let csv = table::csv(&one, &eight);
    println!("\n{}\n{text}", table::text(&one, &eight, &then));
    if let Some(file) = &args.csv {
        write(file, csv.as_bytes())?;
    }
    if let Some(file) = &args.plot {
        write(file, plot::svg(&one, &then).as_bytes())?;
    }
    if args.bless {
        let profiles = profiles(paths, &parts, &[ONE, THREE])?;
        write(&paths.root.join(reference::FILE), csv.as_bytes())?;
        write(&paths.root.join(page::PLOT), plot::svg(&one, &then).as_bytes())?;
        let book = page::text(&one, &eight, &then, &text, &profiles);
        write(&paths.root.join(page::FILE), book.as_bytes())?;
    }
    let failures: Vec<_> = one.failures.iter().chain(&eight.failures).collect();
    for failure in &failures {
        eprintln!("not measured: {failure}");
    }
    if !flat {
        eprintln!("the direct path knows how much there is: see the growth");
    }
    if !then.is_of_this_machine(&one) {
        eprintln!("{OTHER_MEASURE}");
        return Ok(failures.is_empty() && flat);
    }
    let grown = then.grown([Some(&one), Some(&eight)], &change_log(paths)?);
    for growth in &grown {
        eprintln!("{}", words(growth));
    }
    Ok(failures.is_empty() && flat && grown.iter().all(|growth| growth.told))
}

/// What was measured on systems of other sizes.
struct Scales<'a> {
    partitions: Vec<(&'a str, &'a Figures)>,
    cores: Vec<(&'a str, &'a Figures)>,
}

/// How the direct path's cost grows, as a table.
fn growth_text(one: &Figures, scales: &Scales<'_>) -> String {
    let mut text = format!("{:<22}", "growth");
    for operation in DIRECT {
        text.push_str(&format!("  {operation:>10}"));
    }
    text.push('\n');
    let partitions = scales
        .partitions
        .iter()
        .map(|(count, figures)| (format!("{count} partitions, 4 cores"), *figures));
    let cores = scales
        .cores
        .iter()
        .map(|(count, figures)| (format!("1 partition, {count} core"), *figures));
    let all = [("1 partition, 4 cores".to_owned(), one)].into_iter();
    for (what, figures) in all.chain(partitions).chain(cores) {
        text.push_str(&format!("{what:<22}"));
        for operation in DIRECT {
            text.push_str(&format!("  {:>10}", table::number(figures.get(operation))));
        }
        text.push('\n');
    }
    let beside = table::number(one.get("direct-64:shares"));
    text.push_str(&format!("{:<22}  {beside:>10}\n", "15 live shares"));
    text
}

/// Whether the direct path costs the same on these systems as on the first, and beside shares that are alive.
fn is_flat(first: &Figures, others: &[&Figures]) -> bool {
    let same =
        |a: Option<u64>, b: Option<u64>| matches!((a, b), (Some(a), Some(b)) if a.abs_diff(b) <= CONSTANT);
    let all = others.iter().chain([&first]);
    DIRECT.iter().all(|operation| {
        others
            .iter()
            .all(|other| same(first.get(operation), other.get(operation)))
    }) && all
        .into_iter()
        .all(|figures| same(figures.get("direct-64"), figures.get("direct-64:shares")))
}

/// Notes what the start with so many partitions takes at S-EL2.
fn note_start(paths: &Paths, parts: &Parts, name: &str, count: usize, figures: &mut Figures) -> Result<()> {
    let firmware = firmware(paths, parts, name)?;
    let start = step("counting the instructions of the start", || {
        profile::start(&firmware)
    })?;
    let hash = start.of("sha2::");
    figures.note(&format!("boot-{count}"), start.total() - hash);
    if count == 1 {
        figures.note("boot-1:hash", hash);
    }
    Ok(())
}

/// What the operations of these systems are spent on.
fn profiles(paths: &Paths, parts: &Parts, names: &[&str]) -> Result<Profiles> {
    let mut all = Profiles::new();
    for name in names {
        let firmware = firmware(paths, parts, name)?;
        let found = step(&format!("logging the instructions of {name}"), || {
            profile::operations(&firmware)
        })?;
        for (operation, profile) in found {
            all.entry(operation).or_insert(profile);
        }
    }
    Ok(all)
}

/// Profiles by operation.
pub type Profiles = std::collections::BTreeMap<String, profile::Profile>;

/// Shows what one operation is spent on.
fn profile_one(paths: &Paths, parts: &Parts, operation: &str) -> Result<bool> {
    if operation == "boot" {
        let firmware = firmware(paths, parts, ONE)?;
        print!("{}", profile::start(&firmware)?.text());
        return Ok(true);
    }
    let mut known = Profiles::new();
    for name in [ONE, THREE] {
        known.extend(profiles(paths, parts, &[name])?);
        if let Some(profile) = known.get(operation) {
            print!("{}", profile.text());
            return Ok(true);
        }
    }
    let known: Vec<_> = known.keys().map(String::as_str).collect();
    bail!(
        "there is no profile of {operation}: it is no operation, or each of its rounds goes another way; there are boot, {}",
        known.join(", ")
    );
}

/// Measures the systems and compares them with the last release: each operation, whether all is
/// well, and what there is to say.
pub fn compare(paths: &Paths, parts: &Parts) -> Result<Vec<(String, bool, String)>> {
    let mut figures = system(paths, parts, ONE)?;
    let (three, eight) = (system(paths, parts, THREE)?, system(paths, parts, EIGHT)?);
    let flat = is_flat(&three, &[&eight]);
    let scales = Scales {
        partitions: vec![("3", &three), ("8", &eight)],
        cores: Vec::new(),
    };
    let growth = (
        "the direct path does not grow".to_owned(),
        flat,
        growth_text(&figures, &scales).replace('\n', "; "),
    );
    figures.complete(&three);
    let then = last_release(paths)?;
    if figures.failures.is_empty() && !then.is_of_this_machine(&figures) {
        let whole = ("every operation".to_owned(), true, OTHER_MEASURE.to_owned());
        return Ok(vec![whole, growth]);
    }
    let grown = then.grown([Some(&figures), None], &change_log(paths)?);
    let mut all: Vec<_> = figures
        .failures
        .iter()
        .map(|failure| ("every operation".to_owned(), false, failure.clone()))
        .chain([growth])
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

/// Builds one of the systems.
fn firmware(paths: &Paths, parts: &Parts, name: &str) -> Result<build::Firmware> {
    let table = paths.root.join(format!("configs/bench/{name}.toml"));
    let system = build::load(&table)?;
    build::build_bench(paths, parts, system, &table)
}

/// Builds and measures one of the systems.
fn system(paths: &Paths, parts: &Parts, name: &str) -> Result<Figures> {
    let firmware = firmware(paths, parts, name)?;
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
