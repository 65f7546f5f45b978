//! Partitions that fail and come back at any moment, beside a reference model of their callers.
//!
//! The model knows no states of the hypervisor: it knows each call by a number of its own (a cookie), who has made it, and
//! what he was told. No call reaches two contexts, or one that is not there any more, or whose caller is not; each has
//! one outcome, its own answer or an error, for whoever comes for it, however late; no two calls go by one name; and
//! once nobody fails any more, all partitions are back, and all calls answered. A hundred thousand events, in CI a million
//! and more (see `amount`).

use std::collections::{BTreeMap, BTreeSet};
use std::format;
use std::string::String;
use std::vec::Vec;

use super::agree::Dice;
use super::amount;
use super::machine::{FAULT, Machine, ends, request};
use super::table::{A, B, C, MORTAL, memory};
use crate::Life;
use crate::api::{Action, Deadline, Entry, Event, Note, Regs, Run};
use crate::error::Error;
use crate::function as f;
use crate::table::Core;

const EVENTS: usize = 100_000;
/// Events from one start to the next, and those behind them in which nobody fails.
const LIFE: usize = 2_000;
const PEACE: usize = 6_000;
const CORES: usize = 4;
/// Calls of the normal world that are under way at most: fewer than a partition has tickets.
const MOST: usize = 20;
const IDS: [u16; 3] = [A, B, C];

/// A call of the normal world.
#[derive(Clone, Copy, Debug)]
struct Call {
    cookie: u64,
    /// What FFA_RUN is to name; none before the first answer.
    name: Option<u64>,
}

/// What the program of a context knows.
#[derive(Clone, Copy, Debug, Default)]
struct Program {
    /// Whom it is to answer, and the cookie.
    asked: Option<(u64, u64)>,
    /// Whom it has called, and the cookie; and whether that one has yielded.
    calls: Option<(u16, u64)>,
    yielded: bool,
    /// It has been entered at its first instruction, as the first of its partition, and has not waited since.
    starts: bool,
    first: bool,
}

struct World {
    m: Machine,
    dice: Dice,
    seed: u64,
    trace: Vec<String>,
    cookies: u64,
    /// Cookies whose callers wait for them, and those that a context has seen.
    live: BTreeSet<u64>,
    seen: BTreeSet<u64>,
    /// What each core's thread is in, and calls that others come for: soon, or some day.
    on: [Option<Call>; CORES],
    open: Vec<Call>,
    late: Vec<Call>,
    programs: BTreeMap<(usize, Core), Program>,
    /// Cores that were called, and when they are woken, and when the deadline of who runs passes.
    called: BTreeSet<Core>,
    wakes: [Option<u64>; CORES],
    deadlines: [Option<u64>; CORES],
    failing: bool,
    told: BTreeMap<&'static str, usize>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut m = Machine::of(&MORTAL).start();
        m.ports.image = 3;
        m.ports.slow = 400;
        Self {
            m,
            dice: Dice(seed),
            seed,
            trace: Vec::new(),
            cookies: 1,
            live: BTreeSet::new(),
            seen: BTreeSet::new(),
            on: [None; CORES],
            open: Vec::new(),
            late: Vec::new(),
            programs: BTreeMap::new(),
            called: BTreeSet::new(),
            wakes: [None; CORES],
            deadlines: [None; CORES],
            failing: true,
            told: BTreeMap::new(),
        }
    }

    fn wrong(&self, what: &str) -> ! {
        let from = self.trace.len().saturating_sub(60);
        panic!(
            "{what}\n{}\nrepeat with BULKHEAD_SEED={} BULKHEAD_CALLS={LIFE}",
            self.trace[from..].join("\n"),
            self.seed
        );
    }

    fn count(&mut self, what: &'static str) {
        *self.told.entry(what).or_default() += 1;
    }

    fn step(&mut self, core: Core, event: Event) {
        self.trace
            .push(format!("core {core} at {}: {event:x?}", self.m.ports.now));
        let action = self.m.step(core, event);
        self.trace.push(format!("   {action:x?}"));
        self.called.extend(self.m.ports.called.drain(..));
        if let Some(micros) = self.m.ports.wake.take() {
            let at = self.m.ports.now + u64::from(micros);
            let wake = &mut self.wakes[usize::from(core)];
            *wake = Some(wake.map_or(at, |before| before.min(at)));
        }
        match action {
            Action::Run(run) => self.enters(core, &run),
            Action::Normal(regs) => self.tells(core, &regs),
            _ => self.wrong("a core is lost"),
        }
    }

    /// A context is entered.
    fn enters(&mut self, core: Core, run: &Run) {
        let until = &mut self.deadlines[usize::from(core)];
        match run.deadline {
            Deadline::Keep => {}
            Deadline::None => *until = None,
            Deadline::Micros(micros) => *until = Some(self.m.ports.now + u64::from(micros)),
        }
        let who = (run.context.partition, run.context.home);
        let mut program = self.programs.get(&who).copied().unwrap_or_default();
        match run.entry {
            Entry::Start { x0, .. } => {
                if let Some((_, cookie)) = program.calls {
                    self.live.remove(&cookie);
                }
                program = Program {
                    starts: true,
                    first: x0 != 0,
                    ..Program::default()
                };
                self.count("starts");
            }
            Entry::Answer(regs) => self.hears(&mut program, &regs),
            Entry::Resume if program.calls.is_some() && !program.yielded => {
                self.wrong("its callee has not answered");
            }
            Entry::Resume | Entry::Load { .. } => {}
        }
        self.programs.insert(who, program);
    }

    /// A context goes on with these registers.
    fn hears(&mut self, program: &mut Program, regs: &Regs) {
        match regs.0[0] as u32 {
            f::DIRECT_REQ_32 => {
                let cookie = regs.0[7];
                if program.asked.is_some() || program.starts {
                    self.wrong("a request for a context that does not wait");
                }
                if !self.live.contains(&cookie) || !self.seen.insert(cookie) {
                    self.wrong("a request of nobody, or one for the second time");
                }
                program.asked = Some((regs.0[1], cookie));
            }
            f::DIRECT_RESP_32 => {
                let Some((_, cookie)) = program.calls.take() else {
                    self.wrong("an answer to nothing");
                };
                program.yielded = false;
                self.live.remove(&cookie);
                if regs.0[7] != cookie {
                    self.wrong("another's answer");
                }
                self.count("answers inside");
            }
            f::ERROR => {
                if let Some((_, cookie)) = program.calls.take() {
                    self.live.remove(&cookie);
                    self.count("errors inside");
                }
                program.yielded = false;
            }
            f::YIELD => program.yielded = true,
            _ => {}
        }
    }

    /// The normal world has a core again.
    fn tells(&mut self, core: Core, regs: &Regs) {
        self.deadlines[usize::from(core)] = None;
        let id = regs.0[0] as u32;
        let Some(mut call) = self.on[usize::from(core)].take() else {
            if id != f::NORMAL_WORLD_RESUME {
                self.wrong("an answer to nobody's call");
            }
            return;
        };
        match id {
            f::INTERRUPT | f::YIELD => {
                call.name = Some(regs.0[1]);
                if self
                    .open
                    .iter()
                    .chain(&self.late)
                    .any(|other| other.name == call.name)
                {
                    self.wrong("two calls by one name");
                }
                if self.failing && self.dice.one_in(20) {
                    self.count("late ones");
                    self.late.push(call);
                } else {
                    self.open.push(call);
                }
                return;
            }
            f::DIRECT_RESP_32 if regs.0[7] == call.cookie => self.count("answers"),
            f::ERROR if regs.0[2] as u32 == Error::Aborted.code() => self.count("aborted ones"),
            _ => self.wrong("neither its answer nor ABORTED"),
        }
        self.live.remove(&call.cookie);
    }

    /// A call of the normal world, or FFA_RUN for one that is under way.
    fn thread(&mut self, core: Core) {
        let come = !self.late.is_empty() && (self.dice.one_in(40) || !self.failing);
        let resume = !self.open.is_empty() && self.dice.below(3) != 0;
        let from = if come { &mut self.late } else { &mut self.open };
        if come || resume {
            let call = from.swap_remove(self.dice.below(from.len()));
            self.on[usize::from(core)] = Some(call);
            let name = call.name.unwrap_or_default();
            return self.step(core, Event::Normal(Regs::new(&[f::RUN.into(), name])));
        }
        if self.open.len() + self.late.len() >= MOST || !self.failing {
            return;
        }
        let mut regs = request(self.dice.of(&IDS));
        regs[7] = self.cookie();
        self.on[usize::from(core)] = Some(Call {
            cookie: regs[7],
            name: None,
        });
        self.step(core, Event::Normal(Regs::new(&regs)));
    }

    fn cookie(&mut self) -> u64 {
        self.cookies += 1;
        self.live.insert(self.cookies);
        self.cookies
    }

    /// The program on a core does something.
    fn program(&mut self, core: Core, who: (usize, Core)) {
        let id = IDS[who.0];
        let mut program = self.programs.get(&who).copied().unwrap_or_default();
        let first: [u64; 8] = match self.dice.below(100) {
            0 if self.failing => {
                self.count("faults");
                return self.step(core, FAULT);
            }
            1 if self.failing => [f::ABORT_32.into(), 0, 7, 0, 0, 0, 0, 0],
            _ if program.starts && program.first => {
                program.first = false;
                let entry = memory(who.0) + 0x100;
                [f::SECONDARY_EP_REGISTER_64.into(), entry, 0, 0, 0, 0, 0, 0]
            }
            _ if program.starts => {
                program.starts = false;
                [f::MSG_WAIT.into(), 0, 0, 0, 0, 0, 0, 0]
            }
            2..40 if program.calls.is_none() && self.failing => {
                let target = self.dice.of(&IDS);
                let cookie = self.cookie();
                (program.calls, program.yielded) = (Some((target, cookie)), false);
                [f::DIRECT_REQ_32.into(), ends(id, target), 0, 0, 0, 0, 0, cookie]
            }
            2..60
                if let Some((callee, _)) = program.calls
                    && program.yielded =>
            {
                [f::RUN.into(), ends(callee, who.1.into()), 0, 0, 0, 0, 0, 0]
            }
            60..70 => [f::YIELD.into(), 0, 0, 0, 0, 0, 0, 0],
            _ if let Some((ids, cookie)) = program.asked => {
                program.asked = None;
                // Whom it has called and let go again is no more its own.
                if let Some((_, cookie)) = program.calls.take() {
                    self.live.remove(&cookie);
                }
                [
                    f::DIRECT_RESP_32.into(),
                    ids >> 16 & 0xffff | (ids & 0xffff) << 16,
                    0,
                    0,
                    0,
                    0,
                    0,
                    cookie,
                ]
            }
            _ => [f::ID_GET.into(), 0, 0, 0, 0, 0, 0, 0],
        };
        self.programs.insert(who, program);
        self.step(core, Event::Call(crate::api::Conduit::Smc, Regs::new(&first)));
    }

    fn event(&mut self) {
        // In peace there is time for what has to wait for a second.
        let most = if self.failing { 300 } else { 2_000 };
        self.m.ports.now += self.dice.below(most) as u64;
        let core = self.dice.below(CORES) as Core;
        let at = usize::from(core);
        let now = self.m.ports.now;
        let due = |time: Option<u64>| time.is_some_and(|time| time <= now);
        let running = self.m.spmc.cpus[at].current();
        if self.called.contains(&core) && self.dice.one_in(2) {
            self.called.remove(&core);
            return self.step(core, Event::Called);
        }
        if running.is_some() && due(self.deadlines[at]) {
            self.deadlines[at] = None;
            return self.step(core, Event::Deadline);
        }
        if due(self.wakes[at]) {
            self.wakes[at] = None;
            return self.step(core, Event::Called);
        }
        match running {
            None => self.thread(core),
            Some(_) if self.dice.one_in(8) => self.step(core, Event::NormalInterrupt),
            Some(context) => self.program(core, (context.partition, context.home)),
        }
    }

    fn live(&mut self) {
        for n in 0..LIFE {
            self.event();
            if n % 16 == 0
                && let Err(why) = self.m.spmc.check_invariants()
            {
                self.wrong(why);
            }
        }
        self.failing = false;
        for _ in 0..PEACE {
            self.event();
        }
        let waits = self
            .on
            .iter()
            .flatten()
            .chain(&self.open)
            .chain(&self.late)
            .count();
        if waits != 0 {
            for (n, c) in self.m.spmc.compartments.iter().enumerate() {
                for (home, seat) in c.seats.iter().enumerate() {
                    self.trace.push(format!(
                        "{n} {home}: {:?} {:?} program {:?}",
                        seat.state(),
                        seat.task(),
                        self.programs.get(&(n, home as Core))
                    ));
                }
                self.trace
                    .push(format!("{n}: {:?} {:?}", c.life.get(), c.tickets.lock()));
            }
            self.wrong("a call has no end");
        }
        for partition in 0..IDS.len() {
            if self.m.spmc.life(partition) != Some(Life::Running) {
                self.wrong("a partition is not back");
            }
        }
        let restarted = |note: &&Note| matches!(note, Note::Restarted { .. });
        let restarts = self.m.ports.notes.iter().filter(restarted).count();
        *self.told.entry("restarts").or_default() += restarts;
    }
}

#[test]
fn with_the_model_of_callers() {
    let lives = amount::calls(EVENTS).div_ceil(LIFE + PEACE);
    let mut told: BTreeMap<&'static str, usize> = BTreeMap::new();
    for life in 0..lives as u64 {
        let mut world = World::new(amount::seed().wrapping_add(life));
        world.live();
        for (what, count) in world.told {
            *told.entry(what).or_default() += count;
        }
    }
    if lives * (LIFE + PEACE) >= EVENTS {
        for what in [
            "answers",
            "aborted ones",
            "restarts",
            "late ones",
            "answers inside",
            "errors inside",
        ] {
            let count = told.get(what).copied().unwrap_or_default();
            assert!(count > lives, "{what}: {told:?}");
        }
    }
}
