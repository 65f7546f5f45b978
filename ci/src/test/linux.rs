//! Full-stack tests: stock Linux, stock clients and xtest against the TEEs.

use super::tally::Tally;
use super::truth::Truth;
use crate::build::Built;
use crate::cli::TestArgs;
use crate::run::events::{Event, Line};
use crate::run::machine::Machine;
use crate::run::session::Next;
use crate::run::{linux, log};
use crate::truth::Watch;
use anyhow::Result;
use std::path::Path;
use std::time::Duration;

/// One boot of Linux and the suites that it runs.
pub struct Run<'a> {
    /// Its name, and that of the folder of its logs.
    pub name: &'a str,
    /// The suites, with commas between them.
    pub suites: &'a str,
    /// More arguments for the kernel's command line.
    pub arguments: &'a str,
    /// Whether the machine's cores have SVE.
    pub sve: bool,
    /// Whether its time is the number of instructions: then it has no SVE.
    pub counting: bool,
    /// How long it may take.
    pub limit: Duration,
    /// How long Linux may say nothing.
    pub quiet: Duration,
}

/// What came of a run.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The cases that ended.
    pub cases: Vec<Done>,
    /// What the suites said for people.
    pub notes: Vec<String>,
    /// The figures that suites found.
    pub figures: Vec<Figure>,
}

impl Outcome {
    /// Adds that of another run.
    pub fn add(&mut self, other: Self) {
        self.cases.extend(other.cases);
        self.notes.extend(other.notes);
        self.figures.extend(other.figures);
    }
}

/// A figure that a suite of Linux found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    /// The suite.
    pub suite: String,
    /// The TEE, or `-`.
    pub tee: String,
    /// What it is, with its unit.
    pub name: String,
    /// The figure.
    pub value: String,
}

/// A case that a suite of Linux ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// The suite.
    pub suite: String,
    /// The TEE, or `-`.
    pub tee: String,
    /// The case.
    pub name: String,
    /// Whether it passed.
    pub ok: bool,
    /// How long it took, in milliseconds.
    pub ms: u64,
    /// What else there is to say.
    pub detail: String,
}

/// The boot that most suites share.
const RUN: Run<'static> = Run {
    name: "linux",
    suites: "clients,info,names,applications,xtest,xtest-both,load,hotplug,sve,rebind",
    arguments: "",
    sve: true,
    counting: false,
    limit: Duration::from_secs(25 * 60),
    quiet: Duration::from_secs(15 * 60),
};

/// Runs the suites on a built system.
pub fn test(built: &Built, args: &TestArgs, tally: &mut Tally) {
    let suites = args.suites.as_deref().unwrap_or(RUN.suites);
    let arguments = &seed(args);
    boot(
        built,
        &Run {
            suites,
            arguments,
            ..RUN
        },
        tally,
    );
}

/// The kernel's argument by which chance starts at `--seed`, or anywhere.
pub fn seed(args: &TestArgs) -> String {
    format!("bulkhead.seed={}", args.seed.unwrap_or_else(super::model::fresh))
}

/// Boots once; a run that breaks off is a failure of its own.
pub fn boot(built: &Built, run: &Run<'_>, tally: &mut Tally) -> Outcome {
    boot_with(built, run, None, tally, &mut |_| Ok(()))
}

/// As `boot`, with a socket for the machine's gdb stub; `on_event` sees what the suites say, before it is noted.
pub fn boot_with(
    built: &Built,
    run: &Run<'_>,
    stub: Option<&Path>,
    tally: &mut Tally,
    on_event: &mut dyn FnMut(&Event) -> Result<()>,
) -> Outcome {
    let suites = run.suites;
    eprintln!("  .. {}: {suites}", run.name);
    let mut wish = linux::wish(built, run.name, run.limit, false, false);
    wish.quiet = run.quiet;
    let mut ended = None;
    let before = tally.failed();
    let arguments = format!("bulkhead.mode=test bulkhead.tests={suites} {}", run.arguments);
    let mut outcome = Outcome::default();
    let machine = Machine::of(&built.firmware.system, run.sve);
    let machine = if run.counting { machine.counting() } else { machine };
    wish.stub = stub.map(Path::to_path_buf);
    let watch = match Watch::start(&built.firmware, stub) {
        Ok(watch) => watch,
        Err(error) => {
            tally.note(
                &format!("{}: stage 2 is watched", run.name),
                false,
                &format!("{error:#}"),
            );
            return outcome;
        }
    };
    wish.more = watch.arguments().to_vec();
    let mut truth = Truth::default();
    let result = linux::boot(built, &wish, &arguments, &machine, |line| {
        if let Line::Event(event) = &line
            && let Err(error) = on_event(event)
        {
            tally.note(
                &format!("{}: {}", run.name, run.suites),
                false,
                &format!("{error:#}"),
            );
        }
        truth.begin(&watch);
        if let Line::Event(Event::Case { name, .. }) = &line
            && !timed(suites)
        {
            truth.look_now_and_then(name, &watch);
        }
        match line {
            Line::Event(event) => note(run.name, event, &mut ended, &mut outcome, tally),
            // What it reported is lost, so it cannot count as passed.
            Line::Torn(text) => tally.note(
                &format!("{}: a report can be read", run.name),
                false,
                &format!(
                    "`{text}`; see console.log in {}, and run it again",
                    wish.folder.display()
                ),
            ),
            _ => {}
        }
        if ended.is_some() {
            Next::Finish
        } else {
            Next::Continue
        }
    });
    truth.note(run.name, watch, tally);
    if suites
        .split(',')
        .any(|suite| suite == "load" || suite == "latency")
    {
        preemptions(built, &wish.folder, run.name, tally);
    }
    // Failures that Linux itself counted are here already, one by one; one that was not is a failure of its own.
    let told = ended == Some(true) || tally.failed() > before;
    let ok = result.is_ok() && ended.is_some() && told;
    tally.note(
        &format!("{}: ran to its end", run.name),
        ok,
        &result.err().map(|error| format!("{error:#}")).unwrap_or_default(),
    );
    outcome
}

/// Whether one of the suites takes times, which a look would make longer.
fn timed(suites: &str) -> bool {
    suites
        .split(',')
        .any(|suite| ["latency", "sensors"].contains(&suite))
}

/// Notes how often each TEE was preempted: under load, one that never was has not been tested.
fn preemptions(built: &Built, folder: &Path, run: &str, tally: &mut Tally) {
    let figures = log::read(folder).map(|log| log.preemptions).unwrap_or_default();
    for partition in &built.firmware.system.partitions {
        let seen = figures.get(&partition.name).copied().unwrap_or_default();
        tally.note(
            &format!("{run}: {} was preempted", partition.name),
            seen.total > 0,
            &format!(
                "{} times, {} by managed exit, {} left where it was, {} went on with another core",
                seen.total, seen.managed, seen.forced, seen.migrated
            ),
        );
    }
}

/// Notes what one report says.
fn note(run: &str, event: Event, ended: &mut Option<bool>, outcome: &mut Outcome, tally: &mut Tally) {
    match event {
        Event::Tee {
            name,
            device,
            ok,
            detail,
        } => tally.note(&format!("{run}: {name} found as {device}"), ok, &detail),
        Event::Client { tee, ok, detail } => tally.note(&format!("{run}: client of {tee}"), ok, &detail),
        Event::Case {
            suite,
            tee,
            name,
            ok,
            ms,
            detail,
        } => {
            tally.note_timed(&format!("{run}: {suite} {tee} {name}"), ok, &detail, ms);
            outcome.cases.push(Done {
                suite,
                tee,
                name,
                ok,
                ms,
                detail,
            });
        }
        Event::Figure {
            suite,
            tee,
            name,
            value,
        } => outcome.figures.push(Figure {
            suite,
            tee,
            name,
            value,
        }),
        Event::Progress { text } => eprintln!("       {text}"),
        Event::Note { text } => {
            eprintln!("       {text}");
            outcome.notes.push(text);
        }
        Event::End { ok } => *ended = Some(ok),
        Event::Up { .. } | Event::Other => {}
    }
}
