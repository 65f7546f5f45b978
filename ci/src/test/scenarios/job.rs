//! One run of a scenario: its machine, in a folder of its own with all logs, and what came of it.

use super::file::{End, Scenario, Time};
use super::overseer::{Overseer, Seen, heard};
use super::pattern::Pattern;
use crate::build::{Firmware, NormalWorld};
use crate::paths::{make_folder, write};
use crate::run::events::{Event, Line};
use crate::run::machine::Machine;
use crate::run::session::{self, Next, Ports, Wish};
use crate::run::{linux, log};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The longest time here, beside the machine's own: a machine that counts instructions may be this many times slower.
const SLOWER: u32 = 20;
const AT_LEAST: Duration = Duration::from_secs(300);

/// A scenario that is built, and how it is to run.
pub struct Job {
    pub scenario: Scenario,
    /// What differs from the scenario's file, in words; empty where nothing does.
    pub variant: String,
    pub machine: Machine,
    pub firmware: Arc<Firmware>,
    pub flash: PathBuf,
    /// What Linux boots from; none where the boot stage runs its cases.
    pub normal: Option<Arc<NormalWorld>>,
    /// The kernel's ELF file, where it is known.
    pub kernel_symbols: Option<PathBuf>,
    /// More arguments for the kernel's command line.
    pub arguments: String,
    /// Options of `cargo xtask test` that decide how it goes, each behind a blank.
    pub options: String,
    pub seed: u64,
    pub folder: PathBuf,
}

/// What came of a run.
pub struct Verdict {
    /// Why it failed; nothing where it passed.
    pub problems: Vec<String>,
    /// What was injured, in words.
    pub injured: Vec<String>,
    /// Cases of the normal world that ended as they should.
    pub cases: usize,
    /// How long it took here, and in the machine's own time.
    pub took: Duration,
    pub guest: Duration,
}

impl Verdict {
    /// Of one that passed.
    pub fn figures(&self) -> String {
        let guest = self.guest.as_secs_f64();
        format!("{} cases, {guest:.1} s of the machine's time", self.cases)
    }
}

/// A case of the normal world.
struct Case {
    name: String,
    ok: bool,
    detail: String,
}

/// What the normal world says.
#[derive(Default)]
struct Told {
    cases: Vec<Case>,
    /// How many cases the boot stage has counted.
    counted: Option<usize>,
    /// Whether it came to its end, and whether it says that all was well.
    ended: Option<bool>,
    torn: Vec<String>,
}

impl Told {
    fn case(&mut self, name: String, ok: bool, detail: String) {
        self.cases.push(Case { name, ok, detail });
    }

    fn take(&mut self, line: Line) -> Next {
        match line {
            Line::Case(case) => self.case(case.name, case.ok, case.detail),
            Line::Cases { passed, failed } => {
                (self.counted, self.ended) = (Some(passed + failed), Some(failed == 0));
            }
            Line::Event(Event::Case {
                suite,
                tee,
                name,
                ok,
                detail,
                ..
            }) => {
                let words = [suite, tee, name].into_iter().filter(|word| !word.is_empty());
                self.case(words.collect::<Vec<_>>().join(" "), ok, detail);
            }
            Line::Event(Event::Client { tee, ok, detail }) => {
                self.case(format!("client of {tee}"), ok, detail);
            }
            Line::Event(Event::Tee { name, ok, detail, .. }) => {
                self.case(format!("{name} found"), ok, detail);
            }
            Line::Event(Event::End { ok }) => self.ended = Some(ok),
            Line::Torn(text) => self.torn.push(text),
            _ => {}
        }
        match (self.ended, self.counted) {
            (None, _) => Next::Continue,
            (Some(_), None) => Next::Finish,
            // A QEMU that counts instructions, and was stopped by its gdb stub, sometimes stays when the machine is off.
            (Some(_), Some(_)) => Next::Stop,
        }
    }

    /// What is wrong with it, where these cases have to fail.
    fn problems(&self, fails: &[Pattern]) -> Vec<String> {
        let failed = || self.cases.iter().filter(|case| !case.ok);
        let meant = |case: &Case| fails.iter().any(|pattern| pattern.is_in(&case.name));
        let mut problems: Vec<_> = failed()
            .filter(|case| !meant(case))
            .map(|case| format!("{}: {}", case.name, case.detail))
            .collect();
        let missing = fails
            .iter()
            .filter(|pattern| !failed().any(|case| pattern.is_in(&case.name)));
        problems.extend(missing.map(|pattern| format!("no case `{pattern}` failed, and one has to")));
        if self.ended == Some(false) && failed().count() == 0 {
            problems.push(
                "the normal world ended with a fault that it reported as no case; its console says which"
                    .to_owned(),
            );
        }
        if let Some(counted) = self.counted.filter(|counted| *counted != self.cases.len()) {
            problems.push(format!("{counted} cases ran, {} were reported", self.cases.len()));
        }
        let torn = self.torn.iter();
        problems.extend(torn.map(|text| format!("a report cannot be read: `{text}`")));
        problems
    }
}

impl Job {
    /// The scenario's name, and what differs.
    pub fn title(&self) -> String {
        match self.variant.as_str() {
            "" => self.scenario.name.clone(),
            variant => format!("{} ({variant})", self.scenario.name),
        }
    }

    /// Why a run of it failed, and what to do.
    pub fn failure(&self, verdict: &Verdict) -> String {
        format!(
            "{}; all logs are in {}; repeat with cargo xtask test --scenario {}{} --seed {}",
            verdict.problems.join("; "),
            self.folder.display(),
            self.scenario.call,
            self.options,
            self.seed
        )
    }

    /// How many cores of this computer the machine keeps busy.
    pub fn weight(&self) -> usize {
        match self.scenario.machine.time {
            Time::Counted => 1,
            Time::Free => self.firmware.system.board.cores.len(),
        }
    }

    /// The machine's command, as it waits for the monitor or a debugger.
    pub fn command(&self, ports: [&str; 2]) -> Result<Command> {
        match &self.normal {
            None => Ok(self.machine.command(&self.flash, ports)),
            Some(normal) => {
                let suites = self.scenario.normal_world.linux.join(",");
                let arguments = format!(
                    "bulkhead.mode=test bulkhead.tests={suites} bulkhead.seed={} {} {}",
                    self.seed, self.scenario.normal_world.arguments, self.arguments
                );
                let (flash, folder) = (&self.flash, &self.folder);
                linux::command_of(normal, flash, folder, &arguments, &self.machine, ports)
            }
        }
    }

    /// Runs it.
    pub fn run(&self, say: &(dyn Fn(&str) + Sync)) -> Verdict {
        let begun = Instant::now();
        let mut told = Told::default();
        let result = self.boot(&mut told, say);
        let took = begun.elapsed();
        let mut problems = Vec::new();
        let mut seen = match result {
            Ok((seen, ran)) => {
                // What the overseer has to say of a machine that it ended is the reason.
                let ended = seen.problems.is_empty();
                problems.extend(ran.err().filter(|_| ended).map(|error| format!("{error:#}")));
                seen
            }
            Err(error) => {
                problems.push(format!("{error:#}"));
                Seen::default()
            }
        };
        problems.splice(0..0, seen.problems.iter().cloned());
        problems.extend(self.judge(&told, &mut seen));
        let text: String = problems.iter().map(|problem| format!("{problem}\n")).collect();
        let _ = write(&self.folder.join("verdict.txt"), text.as_bytes());
        Verdict {
            injured: seen.rounds.iter().map(ToString::to_string).collect(),
            problems,
            cases: told.cases.len(),
            took,
            guest: seen.guest,
        }
    }

    /// Runs the machine: what was seen from outside, and how the session ended.
    fn boot(&self, told: &mut Told, say: &(dyn Fn(&str) + Sync)) -> Result<(Seen, Result<()>)> {
        if self.folder.exists() {
            std::fs::remove_dir_all(&self.folder)
                .with_context(|| format!("{} cannot be emptied", self.folder.display()))?;
        }
        make_folder(&self.folder)?;
        let ports = Ports::open()?;
        let names = ports.names();
        let room = tempfile::Builder::new().prefix("bulkhead").tempdir()?;
        let [monitor, stub] = ["monitor", "gdb"].map(|name| room.path().join(name));
        let mut command = self.command([&names[0], &names[1]])?;
        let socket = |path: &Path| format!("unix:{},server=on,wait=off", path.display());
        command.args(["-S", "-qmp", &socket(&monitor), "-gdb", &socket(&stub)]);
        write(
            &self.folder.join("command.txt"),
            format!("{}\n", words(&command)).as_bytes(),
        )?;
        let limit = self.scenario.limit.guest * SLOWER + AT_LEAST;
        let wish = Wish {
            elf: &self.firmware.hypervisor,
            programs: &self.firmware.programs,
            log: session::Log::of(&self.firmware.system),
            folder: &self.folder,
            limit,
            quiet: limit,
            show_log: false,
            show_console: false,
        };
        let over = AtomicBool::new(false);
        Ok(thread::scope(|scope| {
            let watching = scope.spawn(|| {
                let overseer = Overseer {
                    scenario: &self.scenario,
                    firmware: &self.firmware,
                    folder: &self.folder,
                    seed: self.seed,
                    monitor: &monitor,
                    stub: &stub,
                    over: &over,
                    say,
                };
                overseer.watch()
            });
            let ran = session::run(command, &ports, &wish, |line| told.take(line));
            over.store(true, Ordering::Release);
            let seen = watching.join().unwrap_or_default();
            let ran = self.ended_rightly(ran, seen.late);
            (seen, ran)
        }))
    }

    /// A machine that the hypervisor stops, or that firmware does not let go on, is what some scenarios are about.
    fn ended_rightly(&self, ran: Result<()>, late: bool) -> Result<()> {
        let stopped = |error: &anyhow::Error| error.is::<session::Stopped>();
        match (self.scenario.ends, ran) {
            (End::Stopped, Err(error)) if stopped(&error) => Ok(()),
            (End::Stopped, Ok(())) => anyhow::bail!("the hypervisor did not stop the machine"),
            (End::Refused, Err(error)) if late && !stopped(&error) => Ok(()),
            (End::Refused, Ok(())) => anyhow::bail!("firmware did not refuse what is in flash"),
            (_, ran) => ran,
        }
    }

    /// What is wrong with what was told, logged and seen.
    fn judge(&self, told: &Told, seen: &mut Seen) -> Vec<String> {
        let scenario = &self.scenario;
        let mut problems = told.problems(&scenario.fails);
        if scenario.ends == End::Done && told.cases.is_empty() {
            problems.push("the normal world reported no case".to_owned());
        }
        if seen.rounds.len() < scenario.inject.len() {
            let (done, wanted) = (seen.rounds.len(), scenario.inject.len());
            problems.push(format!("{done} of {wanted} injuries were done"));
        }
        let heard = heard(&self.folder);
        if scenario.ends == End::Refused && !(told.cases.is_empty() && heard.hypervisor.is_empty()) {
            problems.push("firmware ran what it has to refuse".to_owned());
        }
        for failure in log::parse(&heard.hypervisor).failures {
            let rounds = seen
                .rounds
                .iter_mut()
                .filter(|round| round.partition == failure.partition);
            problems.extend(rounds.filter_map(|round| round.judge(&failure.registers)));
        }
        problems.extend(heard.problems(&scenario.expect, &scenario.never));
        problems
    }
}

/// A command as a shell takes it.
pub fn words(command: &Command) -> String {
    let plain = |text: &str| {
        let free = |c: char| c.is_ascii_alphanumeric() || "-_./=,:+@".contains(c);
        text.chars().all(free) && !text.is_empty()
    };
    let all = std::iter::once(command.get_program()).chain(command.get_args());
    let quoted = all.map(|word| match word.to_string_lossy() {
        word if plain(&word) => word.into_owned(),
        word => format!("'{}'", word.replace('\'', "'\\''")),
    });
    quoted.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::events;

    /// What is wrong with what a normal world writes, where these cases have to fail.
    fn problems(console: &str, fails: &[&str]) -> String {
        let mut told = Told::default();
        for line in console.lines() {
            told.take(events::read(line));
        }
        let fails: Vec<Pattern> = fails.iter().map(|text| Pattern::new(text)).collect();
        told.problems(&fails).join("; ")
    }

    #[test]
    fn what_the_normal_world_says_is_judged() {
        let good = "@bulkhead {\"event\":\"case\",\"suite\":\"mine\",\"name\":\"it works\",\"ok\":true}\n";
        let bad = good.replace("true", "false,\"detail\":\"why\"");
        let end = |ok| format!("@bulkhead {{\"event\":\"end\",\"ok\":{ok}}}\n");
        assert_eq!(problems(&(good.to_owned() + &end(true)), &[]), "");
        assert_eq!(problems(&(bad.clone() + &end(false)), &[]), "mine it works: why");
        assert_eq!(problems(&(bad + &end(false)), &["mine it"]), "");
        let said = problems(&(good.to_owned() + &end(true)), &["mine it"]);
        assert!(said.starts_with("no case `mine it` failed"), "{said}");
        let said = problems(&(good.to_owned() + &end(false)), &[]);
        assert!(said.contains("a fault that it reported as no case"), "{said}");
        let said = problems("@bulkhead {\"event\":\n", &[]);
        assert!(said.starts_with("a report cannot be read"), "{said}");
        let said = problems("@case pass; a; right; 1; 84000063; x\n@cases 1 1\n", &[]);
        assert!(said.ends_with("2 cases ran, 1 were reported"), "{said}");
    }
}
