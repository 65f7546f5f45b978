//! `cargo xtask run`: builds a system, boots it and shows what became of each TEE.

pub mod apart;
pub mod decoder;
pub mod events;
pub mod gdb;
pub mod kallsyms;
pub mod linux;
pub mod log;
pub mod machine;
pub mod qmp;
pub mod record;
pub mod session;
mod shell;
mod table;

use crate::build::{self, Built};
use crate::cli::{RunArgs, Until};
use crate::paths::Paths;
use crate::progress::Stages;
use anyhow::Result;
use events::{Event, Line};
use machine::Machine;
use session::Next;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use table::Outcome;

/// The time that firmware, Linux and the clients may take.
const LIMIT: Duration = Duration::from_secs(240);

/// Builds and runs; true where every TEE's client was answered rightly.
pub fn run(paths: &Paths, args: &RunArgs) -> Result<bool> {
    let start = Instant::now();
    let last = match (args.shell, args.until) {
        (true, _) => "shell",
        (_, Some(Until::Tees)) => "boot",
        _ => "boot and clients",
    };
    let mut stages = Stages::new(build::STAGES.into_iter().chain([last]));
    let mut built = build::build(paths, &args.config.table(paths), &mut stages)?;
    built.normal = build::with_clients(paths, &built.firmware, built.normal, &args.with)?;
    stages.begin(&format!("`{}` on QEMU", built.firmware.system.name));
    let ok = if args.shell {
        shell::run(&built, args.sve())?
    } else if args.until == Some(Until::Tees) {
        until_tees(&built, args)?
    } else {
        clients(&built, args)?
    };
    if !args.shell {
        eprintln!(
            "\n{} in {:.1} s",
            if ok { "done" } else { "FAILED" },
            start.elapsed().as_secs_f64()
        );
    }
    Ok(ok)
}

/// Boots Linux, follows its clients and shows the table.
fn clients(built: &Built, args: &RunArgs) -> Result<bool> {
    let mut outcomes: BTreeMap<String, Outcome> = BTreeMap::new();
    let mut complete = false;
    let wish = linux::wish(built, "run", LIMIT, true, args.console);
    let folder = wish.folder.clone();
    let machine = Machine::of(&built.firmware.system, args.sve());
    let result = linux::boot(built, &wish, "bulkhead.mode=run", &machine, |line| {
        match line {
            Line::Event(Event::Up { kernel, cores }) => eprintln!("Linux {kernel} runs on {cores} cores"),
            Line::Event(Event::Tee {
                name,
                device,
                ok,
                detail,
            }) => {
                let outcome = outcomes.entry(name).or_default();
                outcome.device = device;
                if !ok {
                    (outcome.ok, outcome.detail) = (Some(false), detail);
                }
            }
            Line::Event(Event::Client { tee, ok, detail }) => {
                let outcome = outcomes.entry(tee).or_default();
                // A second client of the same TEE cannot mend what the first one found.
                outcome.ok = Some(outcome.ok.unwrap_or(true) && ok);
                outcome.detail = detail;
            }
            Line::Event(Event::Note { text }) => eprintln!("{text}"),
            Line::Event(Event::End { ok }) => {
                complete = ok;
                return Next::Finish;
            }
            _ => {}
        }
        Next::Continue
    });
    println!("\n{}", table::render(&built.firmware, &outcomes));
    println!(
        "logs (the TEEs' and the normal world's consoles too): {}",
        folder.display()
    );
    result?;
    let tees = built
        .firmware
        .system
        .partitions
        .iter()
        .filter(|partition| partition.client.is_some());
    let answered = tees
        .map(|tee| outcomes.get(&tee.name).and_then(|outcome| outcome.ok))
        .all(|ok| ok == Some(true));
    Ok(complete && answered)
}

/// Boots until the boot stage is about to jump to Linux: every TEE has started by then.
fn until_tees(built: &Built, args: &RunArgs) -> Result<bool> {
    let wish = linux::wish(built, "run", LIMIT, true, args.console);
    let machine = Machine::of(&built.firmware.system, args.sve());
    linux::boot(built, &wish, "bulkhead.mode=run", &machine, |line| match line {
        Line::Jump => Next::Stop,
        _ => Next::Continue,
    })?;
    let log = log::read(&wish.folder)?;
    let partitions = &built.firmware.system.partitions;
    let outcomes = partitions
        .iter()
        .map(|partition| (partition.name.clone(), start_of(&log, &partition.name)))
        .collect();
    println!("\n{}", table::render(&built.firmware, &outcomes));
    println!("logs: {}", wish.folder.display());
    Ok(outcomes.values().all(|outcome| outcome.ok == Some(true)))
}

/// Whether a partition finished its start, as the hypervisor's log says.
fn start_of(log: &log::Log, name: &str) -> Outcome {
    let ready = log.ready.contains(name);
    let detail = if ready {
        "started"
    } else {
        "it did not finish its start: see hypervisor.log"
    };
    Outcome {
        device: String::new(),
        ok: Some(ready),
        detail: detail.to_owned(),
    }
}
