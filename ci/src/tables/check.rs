//! `check`: everything that is wrong with tables, at once.

use super::coloured;
use anyhow::Result;
use bulkhead_configs::{Report, Severity, System, board, expand, load};
use clap::ValueEnum;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Options of `check`.
#[derive(clap::Args)]
pub struct CheckArgs {
    /// The tables; `board.toml` files of boards are checked too.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Print the table with everything filled in: presets, defaults, placed memory.
    #[arg(long, conflicts_with = "format")]
    expand: bool,
    /// Print diagnostics in this form.
    #[arg(long, value_name = "FORM", default_value = "text")]
    format: Format,
    /// Say how long each check took.
    #[arg(long)]
    timing: bool,
}

/// A form of diagnostics.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people, on standard error.
    Text,
    /// For editors and CI, on standard output: one array of objects.
    Json,
}

/// Checks every table; true where none has an error.
pub fn check(args: &CheckArgs) -> Result<bool> {
    let mut good = true;
    let mut objects = Vec::new();
    for file in &args.files {
        if file.file_name().is_some_and(|name| name == "board.toml") {
            let (is_good, found) = check_board(file, args.format);
            good &= is_good;
            objects.extend(found);
            continue;
        }
        let start = Instant::now();
        let checked = load(file);
        let took = start.elapsed();
        good &= checked.is_ok();
        match args.format {
            Format::Text => show(file, &checked, args.expand),
            Format::Json => objects.extend(diagnostics(&checked)),
        }
        if args.timing {
            eprintln!(
                "{}: checked in {:.2} ms",
                file.display(),
                took.as_secs_f64() * 1000.0
            );
        }
    }
    if args.format == Format::Json {
        println!("{:#}", Value::Array(objects));
    }
    Ok(good)
}

/// Checks a board's own file, which no table need name.
fn check_board(file: &Path, format: Format) -> (bool, Vec<Value>) {
    let folder = file.parent().and_then(Path::file_name).unwrap_or_default();
    let checked = board(file, &folder.to_string_lossy());
    let objects = match &checked {
        Ok(_) => Vec::new(),
        Err(report) => objects(&report.json(Severity::Error)),
    };
    match (&checked, format) {
        (Ok(board), Format::Text) => eprintln!(
            "{}: good ({}, {}, {})",
            file.display(),
            count(board.cores.len(), "core"),
            count(board.devices.len(), "device"),
            count(board.interrupts.len(), "interrupt"),
        ),
        (Err(report), Format::Text) => {
            eprintln!("{}\n", report.show(Severity::Error, coloured()));
            eprintln!(
                "{}: {}",
                file.display(),
                count(report.diagnostics.len() + report.more, "error")
            );
        }
        (_, Format::Json) => {}
    }
    (checked.is_ok(), objects)
}

fn show(file: &Path, checked: &Result<System, Report>, expanded: bool) {
    match checked {
        Ok(system) => {
            if let Some(warnings) = system.warnings() {
                eprintln!("{}\n", warnings.show(Severity::Warning, coloured()));
            }
            if expanded {
                print!("{}", expand(system));
            }
            let partitions = system.partitions.len();
            let what = match system.not_built.len() {
                0 => "good".to_owned(),
                wishes => format!("good, but not built yet for {}", count(wishes, "reason")),
            };
            eprintln!(
                "{}: {what} ({} on {})",
                file.display(),
                count(partitions, "partition"),
                system.board.name
            );
        }
        Err(report) => {
            eprintln!("{}\n", report.show(Severity::Error, coloured()));
            eprintln!(
                "{}: {}",
                file.display(),
                count(report.diagnostics.len() + report.more, "error")
            );
        }
    }
}

fn diagnostics(checked: &Result<System, Report>) -> Vec<Value> {
    let shown = match checked {
        Ok(system) => system
            .warnings()
            .map_or_else(|| json!([]), |report| report.json(Severity::Warning)),
        Err(report) => report.json(Severity::Error),
    };
    objects(&shown)
}

fn objects(shown: &Value) -> Vec<Value> {
    shown.as_array().cloned().unwrap_or_default()
}

/// `1 error`, `2 errors`.
fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
