//! `cargo xtask bench --linux`: what calls of a stock client cost from Linux, with Bulkhead and without any hypervisor.
//!
//! The same kernel, library, OP-TEE and TF-A, side by side: once the OP-TEE is a partition, and once it is its own
//! partition manager at S-EL1. Linux has one core, and time is the number of instructions of the whole machine.

use super::table::number;
use crate::build::{self, Built};
use crate::parts;
use crate::paths::{Paths, write};
use crate::progress::step;
use crate::run::events::{Event, Line};
use crate::run::linux;
use crate::run::machine::Machine;
use crate::run::session::{Log, Next};
use anyhow::{Result, bail};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

/// Where the table of the measured system is.
const TABLE: &str = "configs/bench/linux.toml";
/// The page of the book with the figures.
pub const PAGE: &str = "docs/cost-linux.md";
/// One run may take so long, and Linux say nothing for so long.
const LIMIT: Duration = Duration::from_secs(15 * 60);
/// What Linux is told: one core, always at the same addresses.
const ARGUMENTS: &str = "maxcpus=1 nokaslr bulkhead.mode=test bulkhead.tests=cost";

/// An operation: the suite's name of it, in words, and the figures of the reference: without a hypervisor, behind
/// Hafnium of July 2026, and what Bulkhead is to stay below. 0 where there is none.
struct Operation {
    name: &'static str,
    title: &'static str,
    reference: [u64; 3],
}

const fn operation(name: &'static str, title: &'static str, reference: [u64; 3]) -> Operation {
    Operation {
        name,
        title,
        reference,
    }
}

const OPERATIONS: [Operation; 8] = [
    operation("invoke", "invoke, no parameters", [57_033, 63_805, 58_500]),
    operation(
        "invoke-registered-1m",
        "invoke, registered memory, 1 MiB",
        [115_557, 177_151, 120_000],
    ),
    operation(
        "invoke-temporary-4k",
        "invoke, temporary memory, 4 KiB",
        [84_799, 1_047_294, 95_000],
    ),
    operation(
        "invoke-temporary-64k",
        "invoke, temporary memory, 64 KiB",
        [99_895, 1_231_215, 115_000],
    ),
    operation(
        "register-4k",
        "register and release 4 KiB",
        [27_587, 454_484, 33_000],
    ),
    operation(
        "session",
        "open and close a session, user TA",
        [115_822, 129_270, 118_500],
    ),
    operation("hash-1m", "hash 1 MiB of registered memory", [0; 3]),
    operation("xtest", "eight cases of xtest", [0; 3]),
];

/// The most that the fixed cases of xtest may take beside those without a hypervisor, in percent.
const XTEST: u64 = 103;

/// The figures of one run by operation, in instructions, or in nanoseconds where time runs by itself.
type Figures = BTreeMap<String, u64>;

/// Whose calls are measured.
#[derive(Clone, Copy)]
struct Side<'a> {
    built: &'a Built,
    /// What the run's folder is called.
    name: &'a str,
    /// In words.
    title: &'a str,
    log: Log,
}

/// Measures both sides, shows them beside each other, and writes the page where `bless` says so.
pub fn bench(paths: &Paths, bless: bool) -> Result<bool> {
    let parts = parts::provide(paths, &parts::ALL)?;
    let table = paths.root.join(TABLE);
    let built = build::build_with(paths, &parts, build::load(&table)?, &table)?;
    let alone = build::build_alone(paths, &parts, &built)?;
    let sides = [
        Side {
            built: &alone,
            name: "alone",
            title: "without a hypervisor",
            log: Log::None,
        },
        Side {
            built: &built,
            name: "with",
            title: "with Bulkhead",
            log: Log::of(&built.firmware.system),
        },
    ];
    let [without, with] = both(&sides, true)?;
    let [fast, slow] = both(&sides, false)?;
    let rows: Vec<_> = OPERATIONS
        .iter()
        .map(|operation| row(operation, &without, &with))
        .collect();
    let text = format!("{}\n{}", markdown(&rows), wall(&fast, &slow));
    println!("\n{text}");
    if bless {
        write(&paths.root.join(PAGE), page(&text, &without, &with).as_bytes())?;
    }
    Ok(true)
}

/// Measures both sides on machines on which time is the number of instructions, or runs by itself.
fn both(sides: &[Side<'_>; 2], counts: bool) -> Result<[Figures; 2]> {
    let one = |side: &Side<'_>| {
        let how = if counts {
            "counting instructions of"
        } else {
            "timing"
        };
        step(&format!("{how} Linux's calls {}", side.title), || {
            measure(side, counts)
        })
    };
    Ok([one(&sides[0])?, one(&sides[1])?])
}

/// Boots Linux, and collects the figures.
fn measure(side: &Side<'_>, counts: bool) -> Result<Figures> {
    let built = side.built;
    let folder = format!("cost-{}{}", side.name, if counts { "" } else { "-timed" });
    let mut wish = linux::wish(built, &folder, LIMIT, false, false);
    wish.log = side.log;
    let mut machine = Machine::of(&built.firmware.system, false);
    if counts {
        machine = machine.counting();
    }
    let (mut figures, mut notes) = (Figures::new(), Vec::new());
    linux::boot(built, &wish, ARGUMENTS, &machine, |line| {
        match line {
            Line::Event(Event::Figure { name, value, .. }) => {
                figures.extend(value.parse().map(|value| (name, value)));
            }
            Line::Event(Event::Note { text }) => notes.push(text),
            Line::Event(Event::Tee {
                ok: false, detail, ..
            }) => notes.push(detail),
            Line::Event(Event::End { .. }) => return Next::Finish,
            _ => {}
        }
        Next::Continue
    })?;
    if let Some(lack) = OPERATIONS
        .iter()
        .find(|operation| !figures.contains_key(operation.name))
    {
        bail!(
            "`{}` was not measured: {}; see console.log in {}",
            lack.title,
            notes.join("; "),
            wish.folder.display()
        );
    }
    Ok(figures)
}

/// How long the cases of xtest take where time runs by itself.
fn wall(without: &Figures, with: &Figures) -> String {
    let [alone, here] = [without, with].map(|figures| figures["xtest"] / 1_000_000);
    format!(
        "The eight cases of xtest where time runs by itself, one behind the other on the same host: {} ms without a hypervisor, {} ms with \
         Bulkhead: {} to 1. QEMU forgets its translations at each change of a stage-2 root; hardware does not. What else the host \
         does shows, too: 1.57 and 1.09 were two runs of one day on a busy one.\n",
        number(Some(alone)),
        number(Some(here)),
        ratio(here, alone)
    )
}

/// With three digits behind the point.
fn ratio(here: u64, alone: u64) -> String {
    let permille = here * 1000 / alone.max(1);
    format!("{}.{:03}", permille / 1000, permille % 1000)
}

/// What an operation is to stay below; all, where nothing was asked for.
fn target(operation: &Operation, without: &Figures) -> u64 {
    match (operation.name, operation.reference) {
        ("xtest", _) => without["xtest"] * XTEST / 100,
        (_, [.., 0]) => u64::MAX,
        (_, [.., target]) => target,
    }
}

/// A row: the operation, without, with, the ratio, the target and whether it is met, and the reference's figures.
fn row(operation: &Operation, without: &Figures, with: &Figures) -> [String; 8] {
    let [alone, here] = [without, with].map(|figures| figures[operation.name]);
    let [then, hafnium, _] = operation.reference;
    let target = target(operation, without);
    let known = |figure| number(Some(figure).filter(|figure| ![0, u64::MAX].contains(figure)));
    let verdict = match target {
        u64::MAX => "",
        target if here <= target => "met",
        _ => "MISSED",
    };
    [
        operation.title.to_owned(),
        known(alone),
        known(here),
        ratio(here, alone),
        known(target),
        verdict.to_owned(),
        known(then),
        known(hafnium),
    ]
}

const HEAD: [&str; 8] = [
    "call from Linux",
    "without a hypervisor",
    "with Bulkhead",
    "ratio",
    "target",
    "",
    "reference without",
    "reference Hafnium",
];

/// The rows as a table that can be read as it is.
fn markdown(rows: &[[String; 8]]) -> String {
    let head = HEAD.map(str::to_owned);
    let rule: [String; 8] = std::array::from_fn(|_| String::new());
    let widths: [usize; 8] = std::array::from_fn(|column| {
        let cells = std::iter::once(&head).chain(rows);
        cells.map(|row| row[column].chars().count()).max().unwrap_or(0)
    });
    let mut text = String::new();
    for (n, row) in [&head, &rule].into_iter().chain(rows).enumerate() {
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            let _ = match (n, column) {
                (1, 0) => write!(text, "|{}", "-".repeat(width + 2)),
                (1, _) => write!(text, "|{}:", "-".repeat(width + 1)),
                (_, 0) => write!(text, "| {cell:<width$} "),
                _ => write!(text, "| {cell:>width$} "),
            };
        }
        text += "|\n";
    }
    text
}

/// The page of the book.
fn page(text: &str, without: &Figures, with: &Figures) -> String {
    let mut page = format!("{INTRODUCTION}\n{text}");
    let missed = |operation: &&Operation| target(operation, without) < with[operation.name];
    for operation in OPERATIONS.iter().filter(missed) {
        let reason = REASONS.iter().find(|(name, _)| *name == operation.name);
        let reason = reason.map_or("It is not known yet why.", |(_, reason)| reason);
        let _ = write!(page, "\n## Missed: {}\n\n{reason}\n", operation.title);
    }
    page
}

/// Why a target is missed, and what would have to be given up for it.
const REASONS: &[(&str, &str)] = &[
    (
        "invoke-registered-1m",
        "The side without a hypervisor is at the target itself. OP-TEE maps the mebibyte into the application at each call, page by page, and \
         asks ID_AA64PFR1_EL1 for each page whether the processor has guarded pages (`mattr_to_desc` in its `core_mmu_lpae.c`): 256 reads. \
         Each is trapped, and answered by the vectors in 31 instructions; it was 137 where the whole context was saved first. No call is \
         made for memory that is registered. To save them, the partition would have to see the real ID registers (`HCR_EL2.TID3`), and with \
         them what it must not use: SVE, and pointer authentication with the normal world's keys.",
    ),
    (
        "session",
        "The side without a hypervisor is above the target, too: the reference's application was another one, and opening a session of \
         `ta_sims` costs more. What Bulkhead adds is in the ratio.",
    ),
];

const INTRODUCTION: &str = "# What calls cost from Linux

`cargo xtask bench --linux --bless` makes this page: instructions of the whole machine, the median of 101 calls. Debian's kernel
(`nokaslr`), its libteec, one core, one OP-TEE and a trusted application that does nothing (`ta_sims` of OP-TEE's test suite, which stays
loaded), on QEMU with `-icount shift=0,sleep=off`. Without a hypervisor the same OP-TEE is its own partition manager at S-EL1, beside the
same TF-A; both sides are measured in one run. Memory begins at a page's start, temporary memory is one of 16 buffers in turn, and the
mebibyte is in one piece. The reference figures are of another machine, TF-A and application: the two columns beside each other are what
to compare.
";
