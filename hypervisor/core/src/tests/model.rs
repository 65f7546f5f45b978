//! A reference model of endpoints: who runs, who waits for whom, who is told what.
//!
//! It shares no code with what is tested, and keeps other things: not the state of each context, but the
//! list of *chains*. A chain is what one cause (a call of the normal world, cycles, an interrupt) has set
//! going: its contexts, outermost first. A context that is in no chain waits.

use std::collections::BTreeSet;
use std::vec::Vec;

use crate::table::{Core, Messages, Partition, Preemption, Table};

/// A context: partition and home.
pub type Who = (usize, Core);

/// Why a chain is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A request of the normal world.
    Request,
    /// A request of a normal world that is gone.
    Orphan,
    /// FFA_RUN of a context that waited.
    Cycles,
    /// A secure interrupt.
    Interrupt,
    /// A request of the normal world whose answer goes into its ticket.
    Forwarded,
    /// A message of the SPMC about the core.
    Power,
}

impl Cause {
    /// Whether it is a request, which has to be answered.
    fn asks(self) -> bool {
        matches!(self, Self::Request | Self::Orphan | Self::Forwarded | Self::Power)
    }
}

/// How far a parked request has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It waits for a context: of any core, if it is carried.
    Waits { carried: bool },
    /// The context of this home works on it; its caller came for it, and was told of a yield.
    Given { home: Core, asked: bool, told: bool },
    /// The first registers of the answer.
    Answered(Vec<u64>),
}

/// A parked request.
#[derive(Clone, Debug)]
pub struct Parked {
    pub name: u64,
    pub partition: usize,
    pub message: Message,
    pub stage: Stage,
    /// The core that was called for it last.
    pub called: Option<Core>,
}

/// Where a chain is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    On(Core),
    Preempted,
    Yielded,
    /// An interrupt has this core.
    Displaced(Core),
}

/// One context of a chain, and what it has to answer.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    pub partition: usize,
    /// Who asked, where a request did.
    pub source: u16,
    /// By FFA_MSG_SEND_DIRECT_REQ2.
    pub extended: bool,
    /// The flags of its answer, where that has some.
    pub flags: u32,
}

/// A context that has yielded to its caller: in no chain until that one runs it again.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    pub home: Core,
    pub by: usize,
    pub link: Link,
}

#[derive(Clone, Debug)]
pub struct Chain {
    pub home: Core,
    pub links: Vec<Link>,
    pub cause: Cause,
    pub place: Place,
    /// An interrupt of the normal world waits for it.
    pub pressed: bool,
}

impl Chain {
    pub fn inner(&self) -> usize {
        self.links.last().unwrap().partition
    }
}

/// The virtual interrupts of one context.
#[derive(Clone, Debug, Default)]
pub struct Lines {
    pub enabled: BTreeSet<u32>,
    pub pending: BTreeSet<u32>,
    pub active: BTreeSet<u32>,
}

/// What must follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// A context is entered: which, how, with a line raised, until when, whether the normal world waits.
    Run(Who, How, bool, Until, bool),
    /// The normal world gets these in its first registers, zero in the others up to x7.
    Normal(Vec<u64>),
    /// FFA_INTERRUPT for a new ticket of this partition, in this stage.
    Parked(usize, Stage),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    Resume,
    Answer(Vec<u64>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    Keep,
    None,
    Micros(u32),
}

pub const RUN: u64 = 0x8400_006d;
pub const ERROR: u64 = 0x8400_0060;
pub const SUCCESS: u64 = 0x8400_0061;
pub const INTERRUPT: u64 = 0x8400_0062;
pub const MSG_WAIT: u64 = 0x8400_006b;
pub const YIELD: u64 = 0x8400_006c;
pub const RESUME: u64 = 0x8400_007c;
pub const REQUEST: u64 = 0x8400_006f;
pub const RESPONSE: u64 = 0x8400_0070;
/// Flags of the answer to a message about a core.
pub const POWER_ANSWER: u32 = 1 << 31 | 2;

pub const INVALID: i32 = -2;
pub const BUSY: i32 = -4;
pub const DENIED: i32 = -6;
pub const ABORTED: i32 = -8;

pub fn error(code: i32) -> Vec<u64> {
    Vec::from([ERROR, 0, u64::from(code.cast_unsigned())])
}

/// A direct request or response.
#[derive(Clone, Debug)]
pub struct Message {
    pub extended: bool,
    pub source: u16,
    pub target: u16,
    /// w2: flags, where it is not `extended`.
    pub flags: u32,
    /// x0 to x7.
    pub regs: Vec<u64>,
}

pub struct Model {
    pub table: &'static Table,
    pub chains: Vec<Chain>,
    pub held: Vec<Held>,
    pub stopped: Vec<bool>,
    /// Whether one was, or a context was found for which nobody comes.
    pub mends: bool,
    /// Contexts that are no more, or never were.
    pub off: BTreeSet<Who>,
    pub lines: Vec<[Lines; 4]>,
    /// Parked requests, in the order in which they were.
    pub tickets: Vec<Parked>,
    /// Cores of which one has to be called now; none where there is none.
    pub to_call: Vec<Core>,
    /// Cores that were called and have not looked.
    pub called: [bool; 4],
    /// How many chains were cut.
    pub cuts: usize,
    /// Cores that have to be called now since a partition has failed.
    pub to_tell: Vec<Core>,
    /// Which cores work for other cores' callers, and for which partition they did last.
    pub forwarding: [bool; 4],
    pub turn: [usize; 4],
    /// Which cores are on.
    pub is_on: [bool; 4],
    /// What partitions are told of a core: which event, where in the order of their start, the message.
    pub telling: [Option<(u8, usize, Vec<u64>)>; 4],
    /// The ticket whose way a core clears.
    pub clearing: [Option<u64>; 4],
    /// Which cores deal with an interrupt.
    pub handling: [bool; 4],
    /// Contexts whose interrupt came while their core dealt with another one, or had a partition that it is not to
    /// displace.
    pub next: BTreeSet<Who>,
    /// Cores that look at those when they go to the normal world.
    pub behind: [bool; 4],
    /// Cores that have to be called now since an interrupt is for who runs there, or is next.
    pub to_look: Vec<Core>,
}

impl Model {
    /// All partitions wait on all their cores.
    pub fn new(table: &'static Table) -> Self {
        let lines = |p: &Partition| {
            let managed = matches!(p.preemption, Preemption::ManagedExit { .. });
            let enabled = if managed {
                BTreeSet::from([4])
            } else {
                BTreeSet::new()
            };
            core::array::from_fn(|_| Lines {
                enabled: enabled.clone(),
                ..Lines::default()
            })
        };
        let contexts = (0..table.partitions.len()).flat_map(|p| (0..4).map(move |home| (p, home)));
        Self {
            table,
            chains: Vec::new(),
            held: Vec::new(),
            stopped: std::vec![false; table.partitions.len()],
            mends: false,
            off: contexts
                .filter(|(p, home)| table.partitions[*p].cores >> home & 1 == 0)
                .collect(),
            lines: table.partitions.iter().map(lines).collect(),
            tickets: Vec::new(),
            to_call: Vec::new(),
            called: [false; 4],
            cuts: 0,
            to_tell: Vec::new(),
            forwarding: [false; 4],
            turn: [0; 4],
            is_on: [true; 4],
            telling: [const { None }; 4],
            clearing: [None; 4],
            handling: [false; 4],
            next: BTreeSet::new(),
            behind: [false; 4],
            to_look: Vec::new(),
        }
    }

    pub fn on(&self, core: Core) -> Option<usize> {
        self.chains
            .iter()
            .position(|chain| chain.place == Place::On(core))
    }

    fn of(&self, who: Who) -> Option<usize> {
        let in_it = |chain: &Chain| chain.home == who.1 && chain.links.iter().any(|l| l.partition == who.0);
        self.chains.iter().position(in_it)
    }

    fn waits(&self, who: Who) -> bool {
        !self.off.contains(&who) && self.of(who).is_none() && self.held_at(who).is_none()
    }

    pub fn held_at(&self, who: Who) -> Option<usize> {
        let it = |held: &Held| (held.link.partition, held.home) == who;
        self.held.iter().position(it)
    }

    /// A context whose holder was stopped is in a chain of its own, for nobody.
    fn let_go(&mut self, who: Who) {
        let Some(place) = self
            .held_at(who)
            .filter(|place| self.stopped[self.held[*place].by])
        else {
            return;
        };
        let held = self.held.remove(place);
        self.chains.push(Chain {
            home: held.home,
            links: Vec::from([held.link]),
            cause: Cause::Orphan,
            place: Place::Yielded,
            pressed: false,
        });
    }

    fn id(&self, partition: usize) -> u64 {
        self.table.partitions[partition].id.into()
    }

    fn named(&self, id: u16) -> Option<usize> {
        self.table.partitions.iter().position(|p| p.id == id)
    }

    fn lists(&self, partition: usize, core: Core) -> bool {
        self.table.partitions[partition].cores >> core & 1 == 1
    }

    fn target(&self, who: Who) -> u64 {
        let rank = (0..who.1).filter(|core| self.lists(who.0, *core)).count() as u64;
        self.id(who.0) << 16 | rank
    }

    fn managed_limit(&self, who: Who) -> Option<u32> {
        let enabled = self.lines[who.0][usize::from(who.1)].enabled.contains(&4);
        match self.table.partitions[who.0].preemption {
            Preemption::ManagedExit { limit_us } if enabled => Some(limit_us),
            _ => None,
        }
    }

    fn line(&self, who: Who) -> bool {
        let lines = &self.lines[who.0][usize::from(who.1)];
        lines.enabled.intersection(&lines.pending).next().is_some()
    }

    fn run(&self, chain: usize, core: Core, how: How, until: Until) -> Expect {
        let chain = &self.chains[chain];
        let who = (chain.inner(), chain.home);
        let hold = chain.pressed || self.held(core);
        Expect::Run(who, how, self.line(who), until, hold)
    }

    fn press(&mut self, chain: usize, pressed: bool) {
        let told = self.patience(chain).is_some_and(|(_, told)| told);
        let chain = &mut self.chains[chain];
        let lines = &mut self.lines[chain.inner()][usize::from(chain.home)];
        if pressed && told {
            lines.pending.insert(4);
        } else if chain.pressed {
            lines.pending.remove(&4);
        }
        chain.pressed = pressed;
    }

    /// How long an interrupt of the normal world waits for a chain, and whether the innermost context is told.
    fn patience(&self, chain: usize) -> Option<(u32, bool)> {
        let chain = &self.chains[chain];
        let queued = chain.links.iter().filter_map(|link| {
            let Preemption::Queued { limit_us } = self.table.partitions[link.partition].preemption else {
                return None;
            };
            Some(limit_us)
        });
        if let Some(least) = queued.min() {
            return Some((least, false));
        }
        chain.links.iter().rev().enumerate().find_map(|(n, link)| {
            let limit = self.managed_limit((link.partition, chain.home))?;
            Some((limit, n == 0))
        })
    }

    /// A context is entered by a call or an answer within a chain.
    fn pass(&mut self, chain: usize, core: Core, pressed: bool, answer: Vec<u64>) -> Expect {
        let goes_on = pressed && self.patience(chain).is_some();
        if goes_on {
            self.press(chain, true);
        }
        let until = if goes_on || self.held(core) {
            Until::Keep
        } else {
            Until::None
        };
        self.run(chain, core, How::Answer(answer), until)
    }

    /// The core is free: what was displaced goes on, or the normal world does.
    fn depart(&mut self, core: Core, reply: Vec<u64>) -> Expect {
        if self.telling[usize::from(core)].is_some() {
            return self.tell_next(core);
        }
        let handled = core::mem::take(&mut self.handling[usize::from(core)]);
        if handled && self.next.iter().any(|who| who.1 == core) {
            self.to_look.push(core);
        }
        let displaced = self.chains.iter().position(|c| c.place == Place::Displaced(core));
        if let Some(chain) = displaced.filter(|_| handled) {
            self.chains[chain].place = Place::On(core);
            if self.chains[chain]
                .links
                .iter()
                .any(|link| self.stopped[link.partition])
            {
                // It looks as soon as it runs.
                self.to_tell.push(core);
            }
            return self.run(chain, core, How::Resume, Until::None);
        }
        if core::mem::take(&mut self.behind[usize::from(core)]) {
            self.to_look.push(core);
        }
        if core::mem::take(&mut self.forwarding[usize::from(core)]) || handled {
            return Expect::Normal(Vec::from([RESUME]));
        }
        match self.clearing[usize::from(core)].take() {
            Some(ticket) => Expect::Normal(Vec::from([INTERRUPT, ticket])),
            None => Expect::Normal(reply),
        }
    }

    /// The chain leaves its core, to go on later.
    fn leave(&mut self, core: Core, place: Place, id: u64) -> Expect {
        let chain = self.on(core).unwrap();
        self.press(chain, false);
        self.chains[chain].place = place;
        let outer = (self.chains[chain].links[0].partition, self.chains[chain].home);
        let reply = Vec::from([id, self.target(outer)]);
        self.depart(core, reply)
    }

    /// The innermost context is done, with this outcome; one that was stopped is no more.
    fn finish(&mut self, core: Core, reply: Vec<u64>) -> Expect {
        let chain = self.on(core).unwrap();
        let pressed = self.chains[chain].pressed;
        self.press(chain, false);
        self.unwind(core, chain, reply, pressed)
    }

    /// The innermost context of a chain is done: its caller goes on, or the next one that lives.
    fn unwind(&mut self, core: Core, chain: usize, mut reply: Vec<u64>, pressed: bool) -> Expect {
        let outermost = self.chains[chain].links[0].partition;
        let failed = loop {
            let home = self.chains[chain].home;
            let done = self.chains[chain].links.pop().unwrap();
            let failed = self.stopped[done.partition];
            if failed {
                self.off.insert((done.partition, home));
            } else {
                self.look_behind(core, (done.partition, home));
            }
            let Some(caller) = self.chains[chain].links.last() else {
                break failed;
            };
            if !self.stopped[caller.partition] {
                return self.pass(chain, core, pressed, reply);
            }
            reply = error(ABORTED);
        };
        let gone = self.chains.remove(chain);
        if gone.cause == Cause::Forwarded {
            self.ticket_of((outermost, gone.home)).stage = Stage::Answered(reply);
            reply = Vec::from([MSG_WAIT]);
        } else if gone.cause == Cause::Orphan && !failed {
            reply = Vec::from([MSG_WAIT]);
        }
        self.depart(core, reply)
    }

    // The normal world.

    /// A request, delivered or refused.
    pub fn request(&mut self, core: Core, message: &Message) -> Expect {
        match self.admit(core, message) {
            Err(code) => Expect::Normal(error(code)),
            Ok(target) if self.waits((target, core)) => self.deliver(core, target, message),
            Ok(target) if self.lists(target, core) && self.off.contains(&(target, core)) => {
                Expect::Normal(error(DENIED))
            }
            Ok(target) if !self.lists(target, core) && !self.reachable(target) => {
                Expect::Normal(error(DENIED))
            }
            Ok(target) if self.full(target) => Expect::Normal(error(BUSY)),
            Ok(target) => {
                let carried = !self.lists(target, core);
                if carried {
                    self.summon(|model, core| model.waits((target, core)) || model.late((target, core)));
                }
                Expect::Parked(target, Stage::Waits { carried })
            }
        }
    }

    fn full(&self, partition: usize) -> bool {
        self.tickets.iter().filter(|t| t.partition == partition).count() == 32
    }

    /// Whether any core could take a request to a partition in the end.
    fn reachable(&self, partition: usize) -> bool {
        (0..4).any(|core| {
            self.is_on[usize::from(core)]
                && self.lists(partition, core)
                && !self.off.contains(&(partition, core))
        })
    }

    /// One of the cores that the normal world has and that are able to has to be called.
    fn summon(&mut self, able: impl Fn(&Self, Core) -> bool) {
        let free = |core: &Core| {
            let at = usize::from(*core);
            self.is_on[at] && !self.called[at] && self.on(*core).is_none()
        };
        self.to_call = (0..4).filter(|core| free(core) && able(self, *core)).collect();
    }

    /// The ticket of the request that a context works on.
    fn ticket_of(&mut self, who: Who) -> &mut Parked {
        let given = |t: &&mut Parked| {
            t.partition == who.0 && matches!(t.stage, Stage::Given { home, .. } if home == who.1)
        };
        self.tickets.iter_mut().find(given).unwrap()
    }

    fn admit(&self, core: Core, message: &Message) -> Result<usize, i32> {
        let target = self.allowed(message)?;
        if self.stopped[target] {
            return Err(ABORTED);
        }
        if !self.lists(target, core) && !self.table.partitions[target].forwards {
            return Err(DENIED);
        }
        Ok(target)
    }

    fn allowed(&self, message: &Message) -> Result<usize, i32> {
        if message.source >= 0x8000 || (!message.extended && message.flags != 0) {
            return Err(INVALID);
        }
        self.listed(message)
    }

    /// Whether the table lets a message through, and to whom.
    fn listed(&self, message: &Message) -> Result<usize, i32> {
        let target = self.named(message.target).ok_or(INVALID)?;
        let partition = &self.table.partitions[target];
        let caller = partition.caller(message.source).ok_or(INVALID)?;
        let (bit, kind) = if message.extended {
            (9, Messages::DIRECT2)
        } else {
            (0, Messages::DIRECT)
        };
        if partition.properties >> bit & 1 == 0 {
            return Err(DENIED);
        }
        caller.messages.has(kind).then_some(target).ok_or(INVALID)
    }

    fn deliver(&mut self, core: Core, target: usize, message: &Message) -> Expect {
        self.chains.push(Chain {
            home: core,
            links: Vec::from([Link {
                partition: target,
                source: message.source,
                extended: message.extended,
                flags: 0,
            }]),
            cause: Cause::Request,
            place: Place::On(core),
            pressed: false,
        });
        let chain = self.chains.len() - 1;
        self.run(chain, core, How::Answer(message.regs.clone()), Until::None)
    }

    /// FFA_RUN.
    pub fn run_call(&mut self, core: Core, id: u16, vcpu: u16) -> Expect {
        self.try_run(core, id, vcpu)
            .unwrap_or_else(|code| Expect::Normal(error(code)))
    }

    fn try_run(&mut self, core: Core, id: u16, vcpu: u16) -> Result<Expect, i32> {
        let named = self.named(id).ok_or(INVALID)?;
        let homes: Vec<Core> = (0..4).filter(|core| self.lists(named, *core)).collect();
        let home = homes.get(usize::from(vcpu)).copied();
        let chain = home.and_then(|home| self.of((named, home)));
        let outer = |c: &Chain| c.links[0].partition == named;
        let overdue =
            chain.is_some_and(|c| self.chains[c].cause == Cause::Interrupt && outer(&self.chains[c]));
        if self.table.partitions[named]
            .callers
            .iter()
            .all(|c| c.id >= 0x8000)
            && !overdue
        {
            return Err(INVALID);
        }
        let ticket = u64::from(id) << 16 | u64::from(vcpu);
        let place = self.tickets.iter().position(|t| t.name == ticket);
        if let Some(at) = place
            && let Stage::Answered(answer) = self.tickets[at].stage.clone()
        {
            self.tickets.remove(at);
            return Ok(Expect::Normal(answer));
        }
        let chain = match place.map(|at| &self.tickets[at].stage) {
            Some(Stage::Given { home, .. }) => self.of((named, *home)),
            Some(_) => None,
            None => chain,
        };
        let blocked = chain.is_some_and(|c| self.chains[c].inner() != named);
        if self.stopped[named] && !blocked {
            return self.tell_dead(chain, place, ticket);
        }
        if !self.lists(named, core) && !self.table.partitions[named].forwards {
            return Err(DENIED);
        }
        if vcpu & 0x8000 != 0 {
            return self.run_ticket(core, named, place.ok_or(INVALID)?);
        }
        let home = home.ok_or(INVALID)?;
        self.let_go((named, home));
        if self.held_at((named, home)).is_some() {
            return Err(DENIED);
        }
        match self.of((named, home)) {
            Some(chain) if !self.lists(self.chains[chain].inner(), core) || !self.lists(named, core) => {
                self.adopt(core, chain, (named, home))
            }
            Some(chain) => self.resume(core, chain),
            None if self.off.contains(&(named, home)) || home != core => Err(DENIED),
            None => {
                let answer = Vec::from([RUN, self.target((named, home))]);
                let message = Message {
                    extended: false,
                    source: 0,
                    target: id,
                    flags: 0,
                    regs: answer,
                };
                let expect = self.deliver(core, named, &message);
                self.chains.last_mut().unwrap().cause = Cause::Cycles;
                Ok(expect)
            }
        }
    }

    /// FFA_RUN names what a partition worked on that has failed.
    fn tell_dead(&mut self, chain: Option<usize>, place: Option<usize>, ticket: u64) -> Result<Expect, i32> {
        let given = place.is_some_and(|at| matches!(self.tickets[at].stage, Stage::Given { .. }));
        if let Some(chain) = chain
            && self.chains[chain].links.len() == 1
            && self.chains[chain].cause != Cause::Power
            && (self.chains[chain].cause == Cause::Forwarded) == given
        {
            if self.still(chain) {
                let gone = self.chains.remove(chain);
                self.off.insert((gone.links[0].partition, gone.home));
            } else if given {
                return Ok(Expect::Normal(Vec::from([INTERRUPT, ticket])));
            }
        }
        if let Some(at) = place {
            self.tickets.remove(at);
        }
        Err(ABORTED)
    }

    /// Whether a caller in the chain on a core has failed: then what it called is left where it is, and the
    /// caller's caller is told.
    pub fn cut(&mut self, core: Core) -> Option<Expect> {
        let chain = self.on(core)?;
        let dead = (self.chains[chain].links.iter()).position(|link| self.stopped[link.partition])?;
        if dead + 1 == self.chains[chain].links.len() {
            return None;
        }
        self.cuts += 1;
        let pressed = self.chains[chain].pressed;
        self.press(chain, false);
        let inner = self.chains[chain].links.split_off(dead + 1);
        let home = self.chains[chain].home;
        self.chains.push(Chain {
            home,
            links: inner,
            cause: Cause::Orphan,
            place: Place::Preempted,
            pressed: false,
        });
        self.chains[chain].pressed = pressed;
        Some(self.unwind(core, chain, error(ABORTED), pressed))
    }

    fn resume(&mut self, core: Core, chain: usize) -> Result<Expect, i32> {
        let inner = self.chains[chain].inner();
        let how = match self.chains[chain].place {
            Place::On(_) | Place::Displaced(_) => return Err(BUSY),
            Place::Preempted => How::Resume,
            Place::Yielded => How::Answer(Vec::from([SUCCESS])),
        };
        self.chains[chain].place = Place::On(core);
        if self.stopped[inner] {
            return Ok(self.finish(core, error(ABORTED)));
        }
        if let Some(expect) = self.cut(core) {
            return Ok(expect);
        }
        Ok(self.run(chain, core, how, Until::None))
    }

    /// FFA_RUN of a chain on a core where it cannot run.
    fn adopt(&mut self, core: Core, chain: usize, named: Who) -> Result<Expect, i32> {
        if !self.still(chain) {
            return Err(BUSY);
        }
        let outer = &self.chains[chain].links[0];
        let asked = self.chains[chain].cause == Cause::Request || outer.partition != named.0;
        if !asked && !self.lists(named.0, core) {
            return Err(DENIED);
        }
        let name = Vec::from([INTERRUPT, self.target(named)]);
        if self.chains[chain].cause != Cause::Request || outer.partition != named.0 || self.full(named.0) {
            return Ok(Expect::Normal(name));
        }
        self.chains[chain].cause = Cause::Forwarded;
        let inner = self.chains[chain].inner();
        self.summon(|model, core| model.lists(inner, core));
        let stage = Stage::Given {
            home: named.1,
            asked: true,
            told: true,
        };
        Ok(Expect::Parked(named.0, stage))
    }

    /// Whether a chain waits for a core.
    fn still(&self, chain: usize) -> bool {
        matches!(self.chains[chain].place, Place::Preempted | Place::Yielded)
    }

    fn run_ticket(&mut self, core: Core, target: usize, place: usize) -> Result<Expect, i32> {
        let listed = self.lists(target, core);
        let name = self.tickets[place].name;
        let again = Expect::Normal(Vec::from([INTERRUPT, name]));
        match self.tickets[place].stage {
            Stage::Waits { .. } if listed && self.waits((target, core)) => {
                let parked = self.tickets.remove(place);
                Ok(self.deliver(core, target, &parked.message))
            }
            Stage::Waits { .. } if listed => {
                self.let_go((target, core));
                let Some(chain) = self.of((target, core)) else {
                    return Ok(again);
                };
                let abandoned = matches!(self.chains[chain].cause, Cause::Orphan | Cause::Interrupt);
                if !abandoned || !self.still(chain) || !self.lists(self.chains[chain].inner(), core) {
                    return Ok(again);
                }
                self.clearing[usize::from(core)] = Some(name);
                self.resume(core, chain)
            }
            Stage::Waits { .. } if !self.reachable(target) => {
                self.tickets.remove(place);
                Err(DENIED)
            }
            Stage::Waits { .. } => {
                self.tickets[place].stage = Stage::Waits { carried: true };
                self.summon_for(place, |model, core| {
                    let could = model.waits((target, core)) || model.late((target, core));
                    model.lists(target, core) && could
                });
                Ok(again)
            }
            Stage::Given { home, told, .. } => self.go_on(core, place, (target, home), told, again),
            Stage::Answered(_) => unreachable!("it was handed out"),
        }
    }

    /// Whether a context is late with an interrupt, and could go on with it on its core.
    fn late(&self, who: Who) -> bool {
        self.of(who).is_some_and(|chain| {
            let on = &self.chains[chain];
            let own = on.cause == Cause::Interrupt && on.links[0].partition == who.0;
            own && self.still(chain) && self.lists(on.inner(), who.1)
        })
    }

    fn go_on(
        &mut self,
        core: Core,
        place: usize,
        who: Who,
        told: bool,
        again: Expect,
    ) -> Result<Expect, i32> {
        let (home, name) = (who.1, self.tickets[place].name);
        let chain = self.of(who).unwrap();
        if !self.still(chain) {
            return Ok(again);
        }
        if self.chains[chain].place == Place::Yielded && !told {
            let (asked, told) = (false, true);
            self.tickets[place].stage = Stage::Given { home, asked, told };
            return Ok(Expect::Normal(Vec::from([YIELD, name])));
        }
        let inner = self.chains[chain].inner();
        if self.lists(inner, core) {
            let (asked, told) = (false, false);
            self.tickets[place].stage = Stage::Given { home, asked, told };
            self.clearing[usize::from(core)] = Some(name);
            return self.resume(core, chain);
        }
        let (asked, told) = (true, true);
        self.tickets[place].stage = Stage::Given { home, asked, told };
        self.summon_for(place, |model, core| model.lists(inner, core));
        Ok(again)
    }

    /// As `summon`, unless a core that was called for this ticket has not looked yet.
    fn summon_for(&mut self, place: usize, able: impl Fn(&Self, Core) -> bool) {
        let under_way = self.tickets[place].called;
        if under_way.is_none_or(|core| !self.called[usize::from(core)]) {
            self.summon(able);
        }
    }

    /// A core was called, and looks.
    pub fn look(&mut self, core: Core) -> Expect {
        self.called[usize::from(core)] = false;
        if let Some(chain) = self.on(core) {
            let stopped = self.stopped[self.chains[chain].inner()];
            let waits = self.next.iter().any(|who| who.1 == core);
            let ended = if stopped {
                Some(self.finish(core, error(ABORTED)))
            } else {
                // There may be more to do for it behind that.
                self.behind[usize::from(core)] |= self.mends;
                self.cut(core)
            };
            if let Some(expect) = ended {
                if waits {
                    // For those it looks as soon as it runs.
                    self.to_look.push(core);
                }
                return expect;
            }
            return match self.take_next(core) {
                Some(expect) => expect,
                None => self.run(chain, core, How::Resume, Until::Keep),
            };
        }
        if let Some(expect) = self.take_next(core) {
            self.behind[usize::from(core)] |= self.mends;
            return expect;
        }
        if let Some(expect) = self.finish_orphan(core) {
            return expect;
        }
        if self.is_on[usize::from(core)] {
            let count = self.table.partitions.len();
            let first = self.turn[usize::from(core)] + 1;
            for partition in (first..count).chain(0..first.min(count)) {
                if let Some(expect) = self.take(core, partition) {
                    self.turn[usize::from(core)] = partition;
                    return expect;
                }
            }
        }
        Expect::Normal(Vec::from([RESUME]))
    }

    /// A context that works for a partition which has failed, or for the SPMC too long, gets the core.
    fn finish_orphan(&mut self, core: Core) -> Option<Expect> {
        if !self.mends {
            return None;
        }
        let orphan = |chain: &&Chain| {
            let still = matches!(chain.place, Place::Preempted | Place::Yielded);
            still && chain.cause == Cause::Orphan && chain.home == core
        };
        let first = self
            .chains
            .iter()
            .filter(orphan)
            .map(|chain| chain.links[0].partition)
            .min()?;
        let chain = self.of((first, core))?;
        self.forwarding[usize::from(core)] = true;
        self.turn[usize::from(core)] = first;
        self.resume(core, chain).ok()
    }

    fn take(&mut self, core: Core, partition: usize) -> Option<Expect> {
        let begun = |t: &Parked| match t.stage {
            Stage::Given {
                home, asked: true, ..
            } if t.partition == partition => {
                let chain = self.of((partition, home))?;
                let can = self.still(chain) && self.lists(self.chains[chain].inner(), core);
                can.then_some((chain, home))
            }
            _ => None,
        };
        let found = self.tickets.iter().enumerate();
        let found = found.filter_map(|(place, t)| Some((place, begun(t)?))).next();
        if let Some((place, (chain, home))) = found {
            let (asked, told) = (false, false);
            self.tickets[place].stage = Stage::Given { home, asked, told };
            self.forwarding[usize::from(core)] = true;
            return self.resume(core, chain).ok();
        }
        if self.stopped[partition] || !self.lists(partition, core) {
            return None;
        }
        let waits = |t: &Parked| t.partition == partition && t.stage == Stage::Waits { carried: true };
        let place = self.tickets.iter().position(waits)?;
        if self.late((partition, core)) {
            self.forwarding[usize::from(core)] = true;
            let chain = self.of((partition, core)).unwrap();
            return self.resume(core, chain).ok();
        }
        if !self.waits((partition, core)) {
            return None;
        }
        let (home, asked, told) = (core, false, false);
        self.tickets[place].stage = Stage::Given { home, asked, told };
        self.forwarding[usize::from(core)] = true;
        let message = self.tickets[place].message.clone();
        let expect = self.deliver(core, partition, &message);
        self.chains.last_mut().unwrap().cause = Cause::Forwarded;
        Some(expect)
    }

    /// The normal world has started anew.
    pub fn start_anew(&mut self) {
        self.tickets.clear();
        for chain in &mut self.chains {
            let waits = matches!(chain.place, Place::Preempted | Place::Yielded);
            if chain.cause == Cause::Forwarded || chain.cause == Cause::Request && waits {
                chain.cause = Cause::Orphan;
            }
        }
    }

    // Power.

    /// Whether the normal world waits until a core is done with what it works at.
    fn held(&self, core: Core) -> bool {
        self.handling[usize::from(core)] || self.telling[usize::from(core)].is_some()
    }

    /// The SPMD says what happens to a core (0: off, 1: suspended, 2: back), or it came up (3).
    pub fn power(&mut self, core: Core, event: u8, message: &[u64]) -> Expect {
        let at = usize::from(core);
        if event == 0 || event == 3 {
            self.is_on[at] = event == 3;
            self.called[at] = false;
        }
        if event == 3 && self.next.iter().any(|who| who.1 == core) {
            self.to_look.push(core);
        }
        self.telling[at] = Some((event, 0, message.to_vec()));
        self.tell_next(core)
    }

    fn tell_next(&mut self, core: Core) -> Expect {
        let at = usize::from(core);
        let (event, place, message) = self.telling[at].take().unwrap();
        let order = self.table.boot_order.iter().enumerate().skip(place);
        let told = order
            .map(|(place, index)| (place, usize::from(*index)))
            .find(|(_, index)| {
                let wanted = self.table.partitions[*index].power_messages >> event & 1 == 1;
                wanted && !self.stopped[*index] && self.lists(*index, core) && self.waits((*index, core))
            });
        let Some((place, partition)) = told else {
            return Expect::Normal(match event {
                3 => Vec::from([MSG_WAIT]),
                _ => Vec::from([RESPONSE, 0x8000_ffff, POWER_ANSWER.into(), 0]),
            });
        };
        let mut regs = message.clone();
        regs[1] = 0x8000_0000 | self.id(partition);
        self.telling[at] = Some((event, place + 1, message));
        self.chains.push(Chain {
            home: core,
            links: Vec::from([Link {
                partition,
                source: 0x8000,
                extended: false,
                flags: POWER_ANSWER,
            }]),
            cause: Cause::Power,
            place: Place::On(core),
            pressed: false,
        });
        let limit = self.limit(partition);
        self.run(
            self.chains.len() - 1,
            core,
            How::Answer(regs),
            Until::Micros(limit),
        )
    }

    /// The time that a partition has for what nobody asked it to do.
    fn limit(&self, partition: usize) -> u32 {
        match self.table.partitions[partition].preemption {
            Preemption::ManagedExit { limit_us } | Preemption::Queued { limit_us } => limit_us,
            Preemption::AtOnce => 1_000,
        }
    }

    // Interrupts.

    /// A secure interrupt came on a core.
    pub fn interrupt(&mut self, core: Core, intid: u32) -> Expect {
        let here = self.on(core);
        let owner = self.pend(core, intid);
        if let Some(chain) = here
            && self.stopped[self.chains[chain].inner()]
        {
            return self.finish(core, error(ABORTED));
        }
        if let Some(owner) = owner
            && let Some(expect) = self.signal(core, owner)
        {
            return expect;
        }
        match here {
            Some(chain) => self.run(chain, core, How::Resume, Until::Keep),
            None => Expect::Normal(Vec::from([RESUME])),
        }
    }

    /// An interrupt may be pending at a context at home on this core.
    fn signal(&mut self, core: Core, owner: Who) -> Option<Expect> {
        let here = self.on(core);
        let runs = here.map(|c| (self.chains[c].inner(), self.chains[c].home));
        let pressed = here.is_some_and(|c| self.chains[c].pressed);
        if Some(owner) == runs || owner.1 != core || self.stopped[owner.0] {
            return None;
        }
        if self.late(owner) {
            return self.handle_late(core, here, owner);
        }
        if !self.line(owner) {
            return None;
        }
        let queued = here.is_some() && (pressed || self.table.partitions[owner.0].interrupts_queued);
        if self.waits(owner) && self.handling[usize::from(core)] {
            self.next.insert(owner);
        } else if self.waits(owner) && queued && !self.held(core) {
            self.next.insert(owner);
            self.behind[usize::from(core)] = true;
        } else if self.waits(owner) && !self.held(core) {
            return Some(self.handle(core, here, owner));
        }
        let chain = self.of(owner).map(|chain| &self.chains[chain]);
        if let Some(chain) = chain.filter(|chain| chain.inner() == owner.0)
            && let Place::On(other) = chain.place
            && other != core
        {
            self.to_look.push(other);
        }
        None
    }

    /// A context that was late with an interrupt goes on with it where nothing else runs, or later.
    fn handle_late(&mut self, core: Core, here: Option<usize>, owner: Who) -> Option<Expect> {
        if here.is_some() {
            self.next.insert(owner);
            return None;
        }
        self.handling[usize::from(core)] = true;
        let chain = self.of(owner).unwrap();
        let limit = self.limit(owner.0);
        match self.resume(core, chain) {
            Ok(Expect::Run(who, how, line, _, hold)) => {
                Some(Expect::Run(who, how, line, Until::Micros(limit), hold))
            }
            other => other.ok(),
        }
    }

    /// A context waits: its core looks at interrupts that it has not taken.
    fn look_behind(&mut self, core: Core, who: Who) {
        let lines = &self.lines[who.0][usize::from(who.1)];
        let mut untaken = lines.enabled.intersection(&lines.pending);
        let untaken = untaken.any(|intid| ![4, 5].contains(intid));
        if untaken && who.1 == core && self.next.insert(who) && !self.handling[usize::from(core)] {
            self.to_look.push(core);
        }
    }

    /// Those whose interrupts were next on this core: the first that can be is entered.
    fn take_next(&mut self, core: Core) -> Option<Expect> {
        let mut entered = None;
        for partition in 0..self.table.partitions.len() {
            if self.next.remove(&(partition, core)) {
                let signalled = self.signal(core, (partition, core));
                entered = entered.or(signalled);
            }
        }
        entered
    }

    fn pend(&mut self, core: Core, intid: u32) -> Option<Who> {
        let owns = |p: &Partition| p.interrupts.iter().any(|i| i.intid == intid);
        let partition = self.table.partitions.iter().position(owns)?;
        let listed = self.table.partitions[partition].interrupts;
        let listed = listed.iter().find(|i| i.intid == intid).unwrap();
        let home = if intid < 32 { core } else { listed.core };
        if self.stopped[partition] {
            return None;
        }
        let lines = &mut self.lines[partition][usize::from(home)];
        lines.pending.insert(intid);
        lines.active.insert(intid);
        Some((partition, home))
    }

    fn handle(&mut self, core: Core, here: Option<usize>, owner: Who) -> Expect {
        if let Some(chain) = here {
            self.chains[chain].place = Place::Displaced(core);
        }
        self.handling[usize::from(core)] = true;
        let answer = Vec::from([INTERRUPT, self.target(owner)]);
        self.chains.push(Chain {
            home: core,
            links: Vec::from([Link {
                partition: owner.0,
                source: 0,
                extended: false,
                flags: 0,
            }]),
            cause: Cause::Interrupt,
            place: Place::On(core),
            pressed: false,
        });
        let limit = self.limit(owner.0);
        let chain = self.chains.len() - 1;
        self.run(chain, core, How::Answer(answer), Until::Micros(limit))
    }

    /// An interrupt of the normal world.
    pub fn normal_interrupt(&mut self, core: Core) -> Expect {
        let chain = self.on(core).unwrap();
        if self.stopped[self.chains[chain].inner()] {
            return self.finish(core, error(ABORTED));
        }
        if self.held(core) || self.chains[chain].pressed {
            return self.run(chain, core, How::Resume, Until::Keep);
        }
        match self.patience(chain) {
            Some((limit, _)) => {
                self.press(chain, true);
                self.run(chain, core, How::Resume, Until::Micros(limit))
            }
            None => self.leave(core, Place::Preempted, INTERRUPT),
        }
    }

    /// The deadline passed.
    pub fn deadline(&mut self, core: Core) -> Expect {
        let chain = self.on(core).unwrap();
        if self.stopped[self.chains[chain].inner()] {
            return self.finish(core, error(ABORTED));
        }
        if self.telling[usize::from(core)].is_some() {
            self.chains[chain].cause = Cause::Orphan;
        }
        if self.handling[usize::from(core)] {
            self.next.insert((self.chains[chain].links[0].partition, core));
        }
        if self.held(core) || self.chains[chain].pressed {
            return self.leave(core, Place::Preempted, INTERRUPT);
        }
        self.run(chain, core, How::Resume, Until::None)
    }

    // Partitions.

    /// The partition on a core was stopped for what it did, or gave itself up.
    pub fn fail(&mut self, core: Core) -> Expect {
        let chain = self.on(core).unwrap();
        let partition = self.chains[chain].inner();
        self.stopped[partition] = true;
        self.mends = true;
        self.to_tell = (0..4)
            .filter(|other| *other != core && self.is_on[usize::from(*other)])
            .collect();
        self.finish(core, error(ABORTED))
    }

    /// The answer to a call that the partition on a core made: it goes on.
    pub fn answer(&self, core: Core, answer: Vec<u64>) -> Expect {
        self.run(self.on(core).unwrap(), core, How::Answer(answer), Until::Keep)
    }

    /// Any call of a partition that was stopped from another core.
    pub fn end_stopped(&mut self, core: Core) -> Option<Expect> {
        let chain = self.on(core).unwrap();
        let stopped = self.stopped[self.chains[chain].inner()];
        stopped.then(|| self.finish(core, error(ABORTED)))
    }

    /// A partition calls another.
    pub fn call(&mut self, core: Core, message: &Message) -> Expect {
        self.try_call(core, message)
            .unwrap_or_else(|code| self.answer(core, error(code)))
    }

    fn try_call(&mut self, core: Core, message: &Message) -> Result<Expect, i32> {
        let chain = self.on(core).unwrap();
        if self.telling[usize::from(core)].is_some() {
            return Err(DENIED);
        }
        let (caller, home) = (self.chains[chain].inner(), self.chains[chain].home);
        if u64::from(message.source) != self.id(caller) || message.target == message.source {
            return Err(INVALID);
        }
        if !message.extended && message.flags != 0 {
            return Err(INVALID);
        }
        let target = self.listed(message)?;
        if self.stopped[target] {
            return Err(ABORTED);
        }
        if !self.lists(target, home) || self.off.contains(&(target, home)) {
            return Err(DENIED);
        }
        if self.chains[chain]
            .links
            .iter()
            .any(|link| link.partition == target)
        {
            return Err(DENIED);
        }
        if !self.waits((target, home)) {
            self.free_callee(core, (target, home));
            return Err(BUSY);
        }
        let pressed = self.chains[chain].pressed;
        self.press(chain, false);
        self.chains[chain].links.push(Link {
            partition: target,
            source: message.source,
            extended: message.extended,
            flags: 0,
        });
        Ok(self.pass(chain, core, pressed, message.regs.clone()))
    }

    /// A partition calls one that is busy: where that works for nobody, this core has it go on.
    fn free_callee(&mut self, core: Core, who: Who) {
        self.let_go(who);
        if self
            .of(who)
            .is_some_and(|chain| self.chains[chain].cause == Cause::Orphan)
        {
            self.mends = true;
            self.behind[usize::from(core)] = true;
        }
    }

    /// A partition answers.
    pub fn respond(&mut self, core: Core, message: &Message) -> Expect {
        let chain = &self.chains[self.on(core).unwrap()];
        let link = *chain.links.last().unwrap();
        let asked = chain.links.len() > 1 || chain.cause.asks();
        if !asked {
            return self.answer(core, error(DENIED));
        }
        if u64::from(message.source) != self.id(link.partition) || message.target != link.source {
            return self.answer(core, error(INVALID));
        }
        let other_kind = !message.extended && (message.flags ^ link.flags) >> 31 != 0;
        if message.extended != link.extended || other_kind {
            return self.answer(core, error(DENIED));
        }
        if !message.extended && message.flags != link.flags {
            return self.answer(core, error(INVALID));
        }
        self.finish(core, message.regs.clone())
    }

    /// FFA_MSG_WAIT.
    pub fn wait(&mut self, core: Core) -> Expect {
        let chain = &self.chains[self.on(core).unwrap()];
        if chain.links.len() > 1 || chain.cause.asks() {
            return self.answer(core, error(DENIED));
        }
        self.finish(core, Vec::from([MSG_WAIT]))
    }

    /// FFA_SUCCESS: the request gets no response.
    pub fn end_request(&mut self, core: Core, regs: &[u64]) -> Expect {
        let chain = &self.chains[self.on(core).unwrap()];
        let framework = chain.links.last().unwrap().flags != 0;
        if framework || !(chain.links.len() > 1 || chain.cause.asks()) {
            return self.answer(core, error(DENIED));
        }
        if regs[1..].iter().any(|register| *register != 0) {
            return self.answer(core, error(INVALID));
        }
        self.finish(core, Vec::from([SUCCESS]))
    }

    /// FFA_ERROR as an answer.
    pub fn finish_with_error(&mut self, core: Core, code: u64) -> Expect {
        let chain = &self.chains[self.on(core).unwrap()];
        if chain.links.len() == 1 && !chain.cause.asks() {
            return self.answer(core, error(DENIED));
        }
        self.finish(core, Vec::from([ERROR, 0, code]))
    }

    /// FFA_YIELD.
    pub fn give_up(&mut self, core: Core, regs: &[u64]) -> Expect {
        if regs[1..].iter().any(|register| *register != 0) {
            return self.answer(core, error(INVALID));
        }
        if self.chains[self.on(core).unwrap()].links.len() > 1 {
            return self.yield_to_caller(core);
        }
        if self.handling[usize::from(core)] {
            return self.answer(core, Vec::from([SUCCESS]));
        }
        if self.held(core) {
            return self.answer(core, error(DENIED));
        }
        self.leave(core, Place::Yielded, YIELD)
    }

    /// FFA_YIELD of a partition that another one called.
    fn yield_to_caller(&mut self, core: Core) -> Expect {
        let chain = self.on(core).unwrap();
        let (home, pressed) = (self.chains[chain].home, self.chains[chain].pressed);
        self.press(chain, false);
        let link = self.chains[chain].links.pop().unwrap();
        let by = self.chains[chain].inner();
        self.held.push(Held { home, by, link });
        if self.stopped[by] {
            return self.finish(core, error(ABORTED));
        }
        let told = Vec::from([YIELD, self.target((link.partition, home))]);
        self.pass(chain, core, pressed, told)
    }

    /// FFA_RUN of a partition.
    pub fn run_callee(&mut self, core: Core, id: u16, vcpu: u16) -> Expect {
        self.try_run_callee(core, id, vcpu)
            .unwrap_or_else(|code| self.answer(core, error(code)))
    }

    fn try_run_callee(&mut self, core: Core, id: u16, vcpu: u16) -> Result<Expect, i32> {
        let chain = self.on(core).unwrap();
        if self.telling[usize::from(core)].is_some() {
            return Err(DENIED);
        }
        let (own, home) = (self.chains[chain].inner(), self.chains[chain].home);
        let target = self.named(id).ok_or(INVALID)?;
        let listed = self.table.partitions[target].callers.iter();
        if !listed.map(|c| u64::from(c.id)).any(|id| id == self.id(own)) {
            return Err(INVALID);
        }
        let homes: Vec<Core> = (0..4).filter(|core| self.lists(target, *core)).collect();
        if *homes.get(usize::from(vcpu)).ok_or(INVALID)? != home {
            return Err(DENIED);
        }
        if self.stopped[target] {
            return Err(ABORTED);
        }
        let who = (target, home);
        let Some(place) = self.held_at(who).filter(|place| self.held[*place].by == own) else {
            let above = self.of(who).is_some_and(|c| self.chains[c].inner() != target);
            let denied = self.waits(who) || self.off.contains(&who) || above;
            return Err(if denied { DENIED } else { BUSY });
        };
        let pressed = self.chains[chain].pressed;
        self.press(chain, false);
        let held = self.held.remove(place);
        self.chains[chain].links.push(held.link);
        Ok(self.pass(chain, core, pressed, Vec::from([SUCCESS])))
    }

    /// HVC 0xff03 with kind IRQ: the result.
    pub fn enable(&mut self, core: Core, intid: u32, on: bool) -> u64 {
        let Some(lines) = self.owned(core, intid) else {
            return 0xffff_ffff;
        };
        if on {
            lines.enabled.insert(intid);
        } else {
            lines.enabled.remove(&intid);
        }
        0
    }

    /// HVC 0xff04: the result. The order is the virtual ones', then the table's.
    pub fn get(&mut self, core: Core) -> u64 {
        let chain = &self.chains[self.on(core).unwrap()];
        let partition = &self.table.partitions[chain.inner()];
        let lines = &mut self.lines[chain.inner()][usize::from(chain.home)];
        let order = [4, 5]
            .into_iter()
            .chain(partition.interrupts.iter().map(|i| i.intid));
        let ready = |intid: &u32| lines.enabled.contains(intid) && lines.pending.contains(intid);
        let Some(first) = order.into_iter().find(ready) else {
            return 0xffff_ffff;
        };
        lines.pending.remove(&first);
        first.into()
    }

    /// HVC 0xff08: the result, and whether the physical interrupt ends.
    pub fn deactivate(&mut self, core: Core, intid: u32) -> (u64, bool) {
        match self.owned(core, intid) {
            Some(lines) => (0, lines.active.remove(&intid)),
            None => (0xffff_ffff, false),
        }
    }

    fn owned(&mut self, core: Core, intid: u32) -> Option<&mut Lines> {
        let chain = &self.chains[self.on(core).unwrap()];
        let partition = &self.table.partitions[chain.inner()];
        let owned = intid == 4 || intid == 5 || partition.interrupts.iter().any(|i| i.intid == intid);
        owned.then(|| &mut self.lines[chain.inner()][usize::from(chain.home)])
    }
}
