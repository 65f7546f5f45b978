//! Faults while Linux runs: `cargo xtask test --faults`.
//!
//! A suite of Linux says when it is ready for one. Then the machine is stopped by QEMU's gdb stub at moments that a
//! seed chooses, until a core runs the TEE that is meant, in its kernel or in one of its applications, and its registers, its
//! stack, its data, its tables or its code are changed, so that it crashes, hangs, attacks the others or does whatever
//! comes of it. The suite sees what its client is told, that the TEE comes back, and what its peers' clients noticed.

mod attack;
mod code;
mod dice;
mod injury;
mod round;
mod site;
mod summary;

use super::linux::{self, Run};
use super::tally::Tally;
use crate::build::{Built, Firmware};
use crate::cli::TestArgs;
use crate::run::events::Event;
use crate::run::gdb::{Gdb, Stub};
use crate::run::{log, record};
use anyhow::{Context, Result};
use bulkhead_configs::{Partition, Tee};
pub use dice::Dice;
use injury::Victim;
pub use injury::{APPLICATION, Injury, KERNEL, choose};
use round::End;
pub use round::Round;
pub use site::{Site, find, look};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The suite.
const NAME: &str = "faults";
/// What the suite says before the name of a TEE: that it is to be injured, and that it is to be ended for certain.
const INJURE: &str = "inject ";
const FINISH: &str = "finish ";
/// How its cases end that say what became of a TEE: its client was told, and a new one is served.
const TOLD: &str = ": its client is told";
const BACK: &str = ": it is back in service";
/// Faults of the short form and of the full one.
const ROUNDS: [u32; 2] = [20, 200];
/// The time that they may take, xtest behind them included.
const LIMITS: [Duration; 2] = [Duration::from_secs(15 * 60), Duration::from_secs(40 * 60)];

/// Boots Linux with the suite, and injects what it asks for.
pub fn test(built: &Built, args: &TestArgs, tally: &mut Tally) -> Result<()> {
    let room = tempfile::Builder::new().prefix("bulkhead").tempdir()?;
    let socket = room.path().join("gdb");
    let seed = args.seed.unwrap_or_else(|| u64::from(std::process::id()));
    eprintln!("       seed {seed}");
    let rounds = ROUNDS[usize::from(args.full)];
    let run = Run {
        name: NAME,
        suites: NAME,
        arguments: &format!("bulkhead.faults={rounds} bulkhead.seed={seed}"),
        sve: true,
        counting: false,
        limit: LIMITS[usize::from(args.full)],
        quiet: Duration::from_secs(5 * 60),
    };
    let mut campaign = Campaign {
        built,
        stub: Stub::at(&socket),
        folder: built.firmware.folder.join(NAME),
        seed,
        rounds: Vec::new(),
        failures: 0,
        problems: Vec::new(),
    };
    let start = Instant::now();
    linux::boot_with(built, &run, Some(&socket), tally, &mut |event| {
        campaign.take(event)
    });
    campaign.look()?;
    let repeat = format!(
        "repeat with cargo xtask test --faults{} --seed {seed}",
        if args.full { " --full" } else { "" }
    );
    let number = campaign.rounds.len();
    tally.note(
        "faults: every one was injected",
        number >= rounds as usize,
        &format!(
            "{number} of {rounds}, in {} s; {repeat}",
            start.elapsed().as_secs()
        ),
    );
    tally.note(
        "faults: no attack got through, and nobody failed whose turn it was not",
        campaign.problems.is_empty(),
        &campaign.problems.join("; "),
    );
    let open = campaign.rounds.iter().filter(|round| !round.is_over()).count();
    let back_after = log::read(&campaign.folder)?.back_after;
    let lines = summary::lines(&campaign.rounds, &back_after);
    tally.note(
        "faults: each round had its end",
        open == 0 && number > 0,
        &format!("{open} had none; {}", lines.join("; ")),
    );
    lines.iter().for_each(|line| eprintln!("       {line}"));
    Ok(())
}

/// Injures the core that was looked at last, which runs a partition there.
pub fn once(
    gdb: Gdb<'_>,
    stub: &Stub,
    firmware: &Firmware,
    partition: &Partition,
    site: &Site,
    injury: Injury,
    dice: &mut Dice,
) -> Result<Round> {
    let data = record::writable(firmware.programs.get(&partition.name));
    let victim = Victim {
        system: &firmware.system,
        partition,
        data: &data,
    };
    let planted = injury::injure(gdb, stub, &victim, site, injury, dice)?;
    Ok(Round::new(&partition.name, injury, site, planted))
}

struct Campaign<'a> {
    built: &'a Built,
    stub: Stub,
    folder: PathBuf,
    seed: u64,
    rounds: Vec<Round>,
    /// Failures of the hypervisor's log that were looked at.
    failures: usize,
    problems: Vec<String>,
}

impl Campaign<'_> {
    /// Does what the suite asks for, and notes what it tells.
    fn take(&mut self, event: &Event) -> Result<()> {
        match event {
            Event::Note { text } => {
                if let Some(name) = text.strip_prefix(INJURE) {
                    return self.inject(name);
                }
                if let Some(name) = text.strip_prefix(FINISH) {
                    return self.finish(name);
                }
            }
            Event::Case { suite, name, ok, .. } if suite == NAME => {
                let now = Instant::now();
                if let Some(round) = self.rounds.last_mut().filter(|_| *ok) {
                    if name.ends_with(TOLD) {
                        round.told = Some(now);
                    }
                    if name.ends_with(BACK) {
                        round.back = Some(now);
                        return self.look();
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn inject(&mut self, name: &str) -> Result<()> {
        self.look()?;
        // Each has its own, however often the machine had to be stopped for those before it.
        let mut dice = Dice::new(self.seed.wrapping_add(self.rounds.len() as u64));
        let (built, partition) = (self.built, self.named(name)?);
        let has_applications = partition.tee == Tee::Optee;
        let level = if has_applications && dice.below(2) == 0 {
            APPLICATION
        } else {
            KERNEL
        };
        let (gdb, site) = site::find(&self.stub, partition, level, &mut Dice::new(dice.next()))?;
        let injury = injury::choose(site.level, &mut dice);
        let number = self.rounds.len() + 1;
        let round = once(
            gdb,
            &self.stub,
            &built.firmware,
            partition,
            &site,
            injury,
            &mut dice,
        )?;
        eprintln!("       {number}: {round}");
        self.problems.extend(round.through());
        self.rounds.push(round);
        Ok(())
    }

    fn finish(&mut self, name: &str) -> Result<()> {
        self.look()?;
        let mut dice = Dice::new(self.seed.wrapping_sub(self.rounds.len() as u64));
        let (gdb, site) = site::find(&self.stub, self.named(name)?, KERNEL, &mut dice)?;
        injury::finish(gdb, &site)?;
        if let Some(round) = self.rounds.last_mut() {
            round.end.get_or_insert(End::WentOn);
            round.finished = Some(Instant::now());
        }
        Ok(())
    }

    fn named(&self, name: &str) -> Result<&'_ Partition> {
        let found = self.built.firmware.system.partition(name);
        found
            .with_context(|| format!("the suite asks for a fault in `{name}`, which the table does not have"))
    }

    /// Looks at the failures that the hypervisor has logged since the last look.
    fn look(&mut self) -> Result<()> {
        let failures = log::read(&self.folder)?.failures;
        let Some(round) = self.rounds.last_mut() else {
            return Ok(());
        };
        for failure in failures.iter().skip(self.failures) {
            if failure.partition == round.partition {
                round.end.get_or_insert(End::of(&failure.why));
            } else {
                let why = &failure.why;
                self.problems.push(format!("{}: {why}", failure.partition));
            }
            self.problems.extend(round.judge(&failure.registers));
        }
        self.failures = failures.len();
        Ok(())
    }
}
