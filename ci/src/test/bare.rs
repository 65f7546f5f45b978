//! Bare-metal tests: the normal world's boot stage runs its cases against each table made for tests.

use super::tally::Tally;
use crate::build::{self, Firmware};
use crate::parts::Parts;
use crate::paths::Paths;
use crate::progress::step;
use crate::run::events::Line;
use crate::run::machine::Machine;
use crate::run::session::{self, Next, Ports, Wish};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The time that all cases of one table may take.
const LIMIT: Duration = Duration::from_secs(180);

/// Runs the cases of every table in `configs/tests`.
pub fn test(paths: &Paths, parts: &Parts, tally: &mut Tally) -> Result<()> {
    for table in tables(paths)? {
        let system = build::load(&table)?;
        let firmware = build::build_cases(paths, parts, system, &table)?;
        run(&firmware, tally)?;
    }
    Ok(())
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
fn run(firmware: &Firmware, tally: &mut Tally) -> Result<()> {
    let name = &firmware.system.name;
    let folder = firmware.folder.join("cases");
    let ports = Ports::open()?;
    let names = ports.names();
    let command = Machine::of(&firmware.system, true).command(&firmware.flash, [&names[0], &names[1]]);
    let wish = Wish {
        elf: &firmware.hypervisor,
        folder: &folder,
        limit: LIMIT,
        show_log: false,
        show_console: false,
    };
    let (mut seen, mut said) = (0, 0);
    let result = step(&format!("bare-metal cases on {name}"), || {
        session::run(command, &ports, &wish, |line| match line {
            Line::Case {
                name: case,
                ok,
                detail,
            } => {
                seen += 1;
                tally.note(&format!("{name}: {case}"), ok, &detail);
                Next::Continue
            }
            Line::Cases { passed, failed } => {
                said = passed + failed;
                Next::Finish
            }
            _ => Next::Continue,
        })
    });
    if let Err(error) = result {
        tally.note(&format!("{name}: all cases"), false, &format!("{error:#}"));
    } else if said != seen {
        // A line that another core's output broke must not pass for a case that passed.
        tally.note(
            &format!("{name}: all cases"),
            false,
            &format!("{said} cases ran, {seen} were reported"),
        );
    }
    Ok(())
}
