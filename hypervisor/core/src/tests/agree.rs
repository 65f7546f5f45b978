//! The dispatcher beside its reference model, on random sequences of events.
//!
//! A hundred thousand events, in CI a million and more (see `amount`).

use std::collections::BTreeSet;
use std::format;
use std::string::String;
use std::vec::Vec;

use super::amount;
use super::machine::{Machine, ends, mark};
use super::model::{self, Cause, Expect, How, Message, Model, Parked, Place, Until};
use super::table::{A, B, C, CHAINS, FORWARDING, NORMAL, POLICY, POWER, QUEUES, SMALL, TABLE, VM};
use crate::api::{Action, Conduit, Deadline, Entry, Event, Fault, Regs};
use crate::function as f;
use crate::table::{Core, Table};

const EVENTS: usize = 100_000;
/// Events from one start to the next.
const LIFE: usize = 500;

/// Numbers that look random: SplitMix64.
pub(super) struct Dice(pub u64);

impl Dice {
    fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.throw() % n as u64) as usize
    }

    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

struct Pair {
    m: Machine,
    model: Model,
    dice: Dice,
    seed: u64,
    /// The last events, for who has to find out.
    trace: Vec<String>,
    /// Events after which a partition ran, and those with a chain of all three.
    entered: usize,
    deep: usize,
    /// The ticket that FFA_RUN names, and how often a core was called.
    asked_for: Option<u64>,
    calls: usize,
    /// How often a partition was told of a core.
    told: usize,
    held: usize,
    /// Cores that were called as a partition has failed, and have not looked.
    untold: BTreeSet<Core>,
}

/// Registers with marks behind those that are given.
fn marked(first: &[u64]) -> Regs {
    let mut regs = Regs::new(first);
    for n in 8..18 {
        regs.0[n] = mark(n);
    }
    regs
}

impl Pair {
    fn new(table: &'static Table, seed: u64) -> Self {
        let mut m = Machine::of(table).start();
        m.normal(0, &[f::VERSION.into(), 0x1_0002]);
        m.normal(0, &[f::RXTX_MAP_64.into(), NORMAL.base, NORMAL.base + 0x1000, 1]);
        Self {
            m,
            model: Model::new(table),
            dice: Dice(seed),
            seed,
            trace: Vec::new(),
            entered: 0,
            deep: 0,
            asked_for: None,
            calls: 0,
            told: 0,
            held: 0,
            untold: BTreeSet::new(),
        }
    }

    fn fail(&self, what: &str) -> ! {
        let from = self.trace.len().saturating_sub(40);
        panic!(
            "{what}\n{}\nrepeat with BULKHEAD_SEED={} BULKHEAD_CALLS={LIFE}",
            self.trace[from..].join("\n"),
            self.seed
        );
    }

    /// Compares what happened with what must.
    fn check(&mut self, action: Action, expect: &Expect, exact: bool) {
        self.trace.push(format!("   {action:x?}\n   {expect:x?}"));
        let same = match (&action, expect) {
            (Action::Normal(regs), Expect::Normal(wanted)) => first(regs, wanted, true) && preserved(regs),
            (Action::Normal(regs), Expect::Parked(partition, _)) => self.parked(regs, *partition),
            (Action::Run(run), Expect::Run(who, how, line, until, hold)) => {
                let how = match (run.entry, how) {
                    (Entry::Resume, How::Resume) => true,
                    (Entry::Answer(regs), How::Answer(wanted)) => {
                        first(&regs, wanted, exact) && preserved(&regs)
                    }
                    _ => false,
                };
                let until = match (run.deadline, until) {
                    (Deadline::Keep, Until::Keep) | (Deadline::None, Until::None) => true,
                    (Deadline::Micros(is), Until::Micros(wanted)) => is == *wanted,
                    _ => false,
                };
                how && until
                    && (run.context.partition, run.context.home) == *who
                    && (run.virtual_irq || run.virtual_fiq) == *line
                    && run.hold_normal == *hold
            }
            _ => false,
        };
        if !same {
            self.fail("the dispatcher does not do what the model says");
        }
        for core in core::mem::take(&mut self.model.to_look) {
            let Some(place) = self.m.ports.called.iter().position(|called| *called == core) else {
                self.fail(&format!("core {core} was not called for an interrupt"));
            };
            self.m.ports.called.remove(place);
        }
    }

    /// A new ticket: a number that is no context's and nobody else's.
    fn parked(&self, regs: &Regs, partition: usize) -> bool {
        let id = u64::from(self.model.table.partitions[partition].id);
        let fresh = self.model.tickets.iter().all(|t| t.name != regs.0[1]);
        regs.0[0] == model::INTERRUPT && regs.0[1] >> 16 == id && regs.0[1] & 0x8000 != 0 && fresh
    }

    fn step(&mut self, core: Core, event: Event) -> Action {
        self.trace.push(format!("core {core}: {event:x?}"));
        for seat in self.m.spmc.compartments.iter().flat_map(|c| &c.seats) {
            // What it may have of a core is not this model's.
            seat.share.renew();
        }
        self.m.step(core, event)
    }

    fn message(&mut self, request: bool, source: u16, target: u16) -> (Message, Regs) {
        let extended = self.dice.one_in(4);
        let flags = if self.dice.one_in(30) {
            1 + self.dice.below(3) as u32
        } else {
            0
        };
        let id = match (request, extended) {
            (true, true) => f::DIRECT_REQ2,
            (true, false) => self.dice.of(&[f::DIRECT_REQ_32, f::DIRECT_REQ_64]),
            (false, true) => f::DIRECT_RESP2,
            (false, false) => self.dice.of(&[f::DIRECT_RESP_32, f::DIRECT_RESP_64]),
        };
        let w2 = if extended { 0 } else { u64::from(flags) };
        let first = [
            id.into(),
            ends(source, target),
            w2,
            0,
            4,
            5,
            6,
            self.dice.throw() >> 32,
        ];
        let message = Message {
            extended,
            source,
            target,
            flags,
            regs: first.into(),
        };
        (message, marked(&first))
    }

    fn normal(&mut self, core: Core) {
        if !self.model.is_on[usize::from(core)] {
            if self.dice.one_in(4) {
                self.power(core, 3);
            }
            return;
        }
        if self.model.called[usize::from(core)] && self.dice.one_in(2) {
            return self.look(core);
        }
        match self.dice.below(100) {
            0 => self.look(core),
            1..50 => self.request(core),
            50..85 => self.run(core),
            85..94 => self.interrupt(core),
            94..97 => {
                let event = self.dice.of(&[0, 1, 2]);
                self.power(core, event);
            }
            97 => self.start_anew(core),
            _ => {
                let action = self.step(core, Event::Normal(marked(&[f::ID_GET.into()])));
                self.check(action, &Expect::Normal([model::SUCCESS].into()), true);
            }
        }
    }

    fn request(&mut self, core: Core) {
        let source = if self.dice.one_in(10) {
            self.dice.of(&[1, 2, VM, SMALL, A, C])
        } else if std::ptr::eq(self.model.table, &POLICY) {
            VM
        } else {
            0
        };
        let target = self.dice.of(&[A, A, A, A, B, C, 0x8003]);
        let (message, regs) = self.message(true, source, target);
        let action = self.step(core, Event::Normal(regs));
        let expect = self.model.request(core, &message);
        self.check(action, &expect, true);
        self.note_ticket(action, expect, message);
    }

    /// A new ticket is the model's, too; and the core that was called for one is one that it names.
    fn note_ticket(&mut self, action: Action, expect: Expect, message: Message) {
        let mut name = first_of(&action, 1);
        if let Expect::Parked(partition, stage) = expect {
            let called = None;
            self.model.tickets.push(Parked {
                name,
                partition,
                message,
                stage,
                called,
            });
        } else if let Some(run) = self.asked_for.take() {
            name = run;
        }
        let to_call = core::mem::take(&mut self.model.to_call);
        let called = core::mem::take(&mut self.m.ports.called);
        match called[..] {
            [] if to_call.is_empty() => {}
            [core] if to_call.contains(&core) => {
                self.calls += 1;
                self.model.called[usize::from(core)] = true;
                let ticket = self.model.tickets.iter_mut().find(|t| t.name == name);
                ticket.unwrap().called = Some(core);
            }
            _ => self.fail(&format!("called {called:?}, not one of {to_call:?}")),
        }
    }

    fn run(&mut self, core: Core) {
        let chains = self.model.chains.len();
        let tickets = self.model.tickets.len();
        let named = match self.dice.below(10) {
            0..5 if chains > 0 => {
                let chain = &self.model.chains[self.dice.below(chains)];
                let link = chain.links[self.dice.below(chain.links.len())];
                // All partitions of these tables list the lowest cores, so that rank and core agree.
                ends(self.model.table.partitions[link.partition].id, chain.home.into())
            }
            5..9 if tickets > 0 => self.model.tickets[self.dice.below(tickets)].name,
            _ => ends(
                self.dice.of(&[A, B, C, 0, 0x8003]),
                self.dice.of(&[0, 1, 2, 3, 4, 0x8011]),
            ),
        };
        let action = self.step(core, Event::Normal(marked(&[model::RUN, named])));
        let expect = self.model.run_call(core, (named >> 16) as u16, named as u16);
        self.check(action, &expect, true);
        self.asked_for = Some(named);
        let (nothing, _) = self.message(true, 0, 0);
        self.note_ticket(action, expect, nothing);
    }

    /// Something happens to a core.
    fn power(&mut self, core: Core, event: u8) {
        let (kind, first) = [(0, 0x8400_0002), (0, 0xc400_0001), (1, 0), (1, 1)][usize::from(event)];
        let mut regs = [model::REQUEST, 0xffff_8000, 1 << 31 | kind, first, 0, 0, 0, 0];
        let happens = if event == 3 {
            Event::CoreOn
        } else {
            regs[4] = self.dice.below(100) as u64;
            Event::Normal(marked(&regs))
        };
        let action = self.step(core, happens);
        let expect = self.model.power(core, event, &regs);
        self.check(action, &expect, true);
        self.told += usize::from(self.model.telling[usize::from(core)].is_some());
    }

    fn look(&mut self, core: Core) {
        let action = self.step(core, Event::Called);
        let expect = self.model.look(core);
        self.check(action, &expect, true);
    }

    fn interrupt(&mut self, core: Core) {
        let intid = self.dice.of(&[25, 25, 40, 41]);
        let action = self.step(core, Event::SecureInterrupt(intid));
        let expect = self.model.interrupt(core, intid);
        self.check(action, &expect, true);
    }

    /// A new kernel: what it does first.
    fn start_anew(&mut self, core: Core) {
        self.step(core, Event::Normal(marked(&[f::VERSION.into(), 0x1_0002])));
        let map = [f::RXTX_MAP_64.into(), NORMAL.base, NORMAL.base + 0x1000, 1];
        let action = self.step(core, Event::Normal(marked(&map)));
        self.model.start_anew();
        self.check(action, &Expect::Normal([model::SUCCESS].into()), true);
    }

    fn partition(&mut self, core: Core) {
        self.event_of_partition(core);
        self.others_are_called();
    }

    fn event_of_partition(&mut self, core: Core) {
        if self.untold.contains(&core) {
            self.untold.remove(&core);
            return self.look(core);
        }
        match self.dice.below(1000) {
            0..2 => {
                let fault = Fault {
                    syndrome: 0,
                    address: 0,
                    ipa: 0,
                    pc: 0,
                };
                let action = self.step(core, Event::Fault(fault));
                let expect = self
                    .model
                    .end_stopped(core)
                    .unwrap_or_else(|| self.model.fail(core));
                self.check(action, &expect, true);
            }
            2..60 => {
                let action = self.step(core, Event::NormalInterrupt);
                let expect = self.model.normal_interrupt(core);
                self.check(action, &expect, true);
            }
            60..100 => {
                let action = self.step(core, Event::Deadline);
                let expect = self.model.deadline(core);
                self.check(action, &expect, true);
            }
            100..160 => self.interrupt(core),
            160..180 => self.look(core),
            180..280 => self.hypercall(core),
            _ => self.call(core),
        }
    }

    fn hypercall(&mut self, core: Core) {
        let intid = self.dice.of(&[4, 4, 25, 25, 40, 5, 6]);
        let on = !self.dice.one_in(4);
        let call = self.dice.of(&[0xff03u64, 0xff04, 0xff08]);
        let regs = marked(&[
            call,
            intid.into(),
            if call == 0xff03 { on.into() } else { intid.into() },
        ]);
        let ended = self.m.ports.ended.len();
        let action = self.step(core, Event::Call(Conduit::Hvc, regs));
        if let Some(expect) = self.model.end_stopped(core) {
            return self.check(action, &expect, true);
        }
        let (result, ends) = match call {
            0xff03 => (self.model.enable(core, intid, on), false),
            0xff04 => (self.model.get(core), false),
            _ => self.model.deactivate(core, intid),
        };
        let expect = self.model.answer(core, [result].into());
        self.check(action, &expect, false);
        if self.m.ports.ended.len() - ended != usize::from(ends) {
            self.fail("an interrupt that was not active ended, or one that was did not");
        }
    }

    fn call(&mut self, core: Core) {
        let chain = &self.model.chains[self.model.on(core).unwrap()];
        let link = *chain.links.last().unwrap();
        let own = self.model.table.partitions[link.partition].id;
        let (asked, source) = (
            chain.links.len() > 1 || matches!(chain.cause, Cause::Request | Cause::Forwarded | Cause::Power),
            link.source,
        );
        let kind = self.dice.below(100);
        let honest = !self.dice.one_in(12);
        let (event, message) = match kind {
            0..35 => {
                let from = if honest { own } else { self.dice.of(&[A, B, C, 0]) };
                let to = self.dice.of(&[A, B, C, B, C, 0, 0x8003]);
                self.message(true, from, to)
            }
            35..75 => {
                let from = if honest { own } else { self.dice.of(&[A, B, C, 0]) };
                let to = if honest {
                    source
                } else {
                    self.dice.of(&[A, B, C, 0])
                };
                let (mut message, mut regs) = self.message(false, from, to);
                if asked && honest && link.flags != 0 {
                    (message, regs) = respelt(message, regs, false);
                    (message.flags, regs.0[2]) = (link.flags, link.flags.into());
                    message.regs[2] = link.flags.into();
                } else if asked && honest && message.extended != link.extended {
                    (message, regs) = respelt(message, regs, link.extended);
                }
                (message, regs)
            }
            _ => {
                let id = match kind {
                    75..80 => model::MSG_WAIT,
                    80..88 => model::RUN,
                    88..94 => model::YIELD,
                    94..96 => model::ERROR,
                    96 => model::SUCCESS,
                    97 if self.dice.one_in(16) => f::ABORT_32.into(),
                    _ => f::ID_GET.into(),
                };
                let holds = |held: &&model::Held| held.by == link.partition && held.home == chain.home;
                let callee = self.model.held.iter().find(holds).filter(|_| honest);
                let callee = callee.map(|held| self.model.table.partitions[held.link.partition].id);
                let named = callee.unwrap_or_else(|| self.dice.of(&[A, B, C, 0x8003]));
                let named = ends(named, chain.home.into());
                self.held += usize::from(id == model::RUN && callee.is_some());
                let well = [model::YIELD, model::SUCCESS].contains(&id) && !self.dice.one_in(4);
                let regs = [
                    id,
                    if id == model::RUN { named } else { 0 },
                    if well { 0 } else { 0xffff_fff9 },
                ];
                let message = Message {
                    extended: false,
                    source: own,
                    target: 0,
                    flags: 0,
                    regs: regs.into(),
                };
                (message, marked(&regs))
            }
        };
        let (message, regs) = (event, message);
        let action = self.step(core, Event::Call(Conduit::Smc, regs));
        let expect = self.model.end_stopped(core);
        let expect = expect.unwrap_or_else(|| match (kind, message.regs[0]) {
            (0..35, _) => self.model.call(core, &message),
            (35..75, _) => self.model.respond(core, &message),
            (_, model::MSG_WAIT) => self.model.wait(core),
            (_, model::YIELD) => self.model.give_up(core, &message.regs),
            (_, model::RUN) => {
                let named = message.regs[1];
                self.model.run_callee(core, (named >> 16) as u16, named as u16)
            }
            (_, model::SUCCESS) => self.model.end_request(core, &message.regs),
            (_, model::ERROR) => self.model.finish_with_error(core, message.regs[2]),
            (_, id) if id == u64::from(f::ABORT_32) => self.model.fail(core),
            _ => self.model.answer(core, [model::SUCCESS, 0, own.into()].into()),
        });
        self.check(action, &expect, true);
    }

    /// All other cores were called where a partition has failed, and none where none has.
    fn others_are_called(&mut self) {
        let called = core::mem::take(&mut self.m.ports.called);
        self.untold.extend(&called);
        if called != core::mem::take(&mut self.model.to_tell) {
            self.fail(&format!("called {called:?}"));
        }
    }

    /// All contexts are where the model has them.
    fn agree(&self) {
        for (p, compartment) in self.m.spmc.compartments.iter().enumerate() {
            assert_eq!(compartment.stopped(), self.model.stopped[p]);
            for (home, seat) in (0u8..).zip(&compartment.seats) {
                let place = self.model.chains.iter().find_map(|chain| {
                    let at = chain
                        .links
                        .iter()
                        .position(|l| l.partition == p && chain.home == home)?;
                    Some((at + 1 == chain.links.len(), chain.place))
                });
                let held = self.model.held_at((p, home)).map(|_| (true, Place::Yielded));
                let place = place.or(held);
                use crate::context::State;
                let same = match (seat.state(), place) {
                    (State::Off, None) => self.model.off.contains(&(p, home)),
                    (State::Waiting, None) => !self.model.off.contains(&(p, home)),
                    (State::Blocked, Some((false, _))) => true,
                    (State::Running(core), Some((true, Place::On(on))))
                    | (State::Displaced(core), Some((true, Place::Displaced(on)))) => core == on,
                    (State::Preempted(_), Some((true, Place::Preempted)))
                    | (State::Yielded(_), Some((true, Place::Yielded))) => true,
                    _ => false,
                };
                if !same {
                    self.fail(&format!(
                        "partition {p}, home {home}: {:?}, not {place:?}",
                        seat.state()
                    ));
                }
            }
        }
    }

    fn live(&mut self) {
        for n in 0..LIFE {
            let core = self.dice.below(4) as Core;
            match self.model.on(core) {
                None => self.normal(core),
                Some(_) => self.partition(core),
            }
            self.entered += usize::from(self.model.on(core).is_some());
            self.deep += usize::from(self.model.chains.iter().any(|chain| chain.links.len() == 3));
            if n % 8 == 0 {
                self.agree();
                assert_eq!(self.m.spmc.check_invariants(), Ok(()));
            }
        }
        self.agree();
    }
}

/// The same message in the other form.
fn respelt(mut message: Message, mut regs: Regs, extended: bool) -> (Message, Regs) {
    let id = if extended {
        f::DIRECT_RESP2
    } else {
        f::DIRECT_RESP_64
    };
    message.extended = extended;
    (message.flags, message.regs[0], message.regs[2]) = (0, id.into(), 0);
    (regs.0[0], regs.0[2]) = (id.into(), 0);
    (message, regs)
}

/// A register that an action hands to the normal world.
fn first_of(action: &Action, n: usize) -> u64 {
    match action {
        Action::Normal(regs) => regs.0[n],
        Action::Run(_) | Action::Halt(_) | Action::Idle => 0,
    }
}

/// Whether registers begin with these values, and are zero from there to x7.
fn first(regs: &Regs, wanted: &[u64], exact: bool) -> bool {
    regs.0[..wanted.len()] == *wanted && (!exact || regs.0[wanted.len()..8].iter().all(|x| *x == 0))
}

/// Nothing of anybody else stands in x8 to x17.
fn preserved(regs: &Regs) -> bool {
    (8..18).all(|n| regs.0[n] == 0 || regs.0[n] == mark(n))
}

#[test]
fn with_the_model_of_endpoints() {
    let (mut entered, mut deep, mut calls, mut told, mut held, mut cuts) = (0, 0, 0, 0, 0, 0);
    let lives = amount::calls(EVENTS).div_ceil(LIFE);
    for life in 0..lives as u64 {
        let seed = amount::seed().wrapping_add(life);
        let table = [
            &TABLE,
            &CHAINS,
            &POLICY,
            &FORWARDING,
            &CHAINS,
            &FORWARDING,
            &POWER,
            &QUEUES,
        ][seed as usize % 8];
        let mut pair = Pair::new(table, seed);
        pair.live();
        entered += pair.entered;
        deep += pair.deep;
        calls += pair.calls;
        told += pair.told;
        held += pair.held;
        cuts += pair.model.cuts;
    }
    // The dice throw what matters: partitions run, also three of them in a chain, also for other cores, and
    // hear of their own.
    let events = lives * LIFE;
    if events >= EVENTS {
        assert!(
            entered > events / 3
                && deep > events / 80
                && calls > events / 200
                && told > events / 2000
                && held > events / 1000,
            "{entered} {deep} {calls} {told} {held}"
        );
        assert!(cuts > events / 20_000, "{cuts} chains were cut");
    }
}
