//! `cargo xtask bench`: the instructions that calls cost, counted by QEMU, beside the targets.
//!
//! The machine is QEMU's with `-icount shift=0,sleep=off`, without SVE, with one core that runs; the normal
//! world is the boot stage at EL2, the partitions are the test partition. The same build gives the same figures.

mod figures;
mod table;

use crate::build;
use crate::cli::BenchArgs;
use crate::parts::{self, Part};
use crate::paths::{Paths, write};
use crate::progress::step;
use crate::run::events::Line;
use crate::run::machine::Machine;
use crate::run::session::{self, Next, Ports, Wish};
use anyhow::{Result, bail};
use figures::Figures;
use std::path::Path;
use std::time::Duration;

/// The time that all measurements of one system may take.
const LIMIT: Duration = Duration::from_secs(240);

/// The system of the figures, and the one that shows what more partitions cost.
const SYSTEMS: [&str; 2] = ["one", "eight"];

/// Measures and shows the figures; true where every operation could be measured.
pub fn bench(paths: &Paths, args: &BenchArgs) -> Result<bool> {
    let parts = parts::provide(paths, &[Part::Tfa])?;
    let mut all = Vec::new();
    for name in SYSTEMS {
        let table = paths.root.join(format!("configs/bench/{name}.toml"));
        let system = build::load(&table)?;
        let firmware = build::build_bench(paths, &parts, system, &table)?;
        let figures = step(
            &format!("counting instructions on {}", firmware.system.name),
            || measure(&firmware),
        )?;
        all.push(figures);
    }
    let [one, eight] = &all[..] else {
        bail!("one of the systems was not measured; this is a fault of xtask")
    };
    println!("\n{}", table::text(one, eight));
    if let Some(file) = &args.csv {
        write(file, table::csv(one, eight).as_bytes())?;
    }
    let failures: Vec<_> = all.iter().flat_map(|figures| &figures.failures).collect();
    for failure in &failures {
        eprintln!("not measured: {failure}");
    }
    Ok(failures.is_empty())
}

/// Runs the measurements of one system.
fn measure(firmware: &build::Firmware) -> Result<Figures> {
    let folder = firmware.folder.join("bench");
    let ports = Ports::open()?;
    let names = ports.names();
    let machine = Machine::counting(&firmware.system);
    let command = machine.command(&firmware.flash, [&names[0], &names[1]]);
    let wish = wish(&firmware.hypervisor, &folder);
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
    Ok(figures)
}

fn wish<'a>(elf: &'a Path, folder: &'a Path) -> Wish<'a> {
    Wish {
        elf,
        folder,
        limit: LIMIT,
        show_log: false,
        show_console: false,
    }
}
