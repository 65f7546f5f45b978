//! Ports that record, and a shell that enters nothing.

use std::boxed::Box;
use std::collections::BTreeMap;
use std::format;
use std::string::String;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::vec::Vec;

use super::table::{RESTARTS, TABLE};
use crate::Life;
use crate::api::{
    Access, Action, Conduit, Context, Deadline, Entry, Event, Fault, Note, Page, Ports, Regs, Restored, Run,
    World,
};
use crate::context::State;
use crate::error::Error;
use crate::function as f;
use crate::quote::Taken;
use crate::spmc::Spmc;
use crate::table::{Core, Rights, Table};

/// The dispatcher that is tested.
pub type Subject = Spmc<3, 4, 12, 64, 2>;

/// Memory and records.
#[derive(Default)]
pub struct Recorder {
    pub pages: BTreeMap<(bool, u64), Box<[u8]>>,
    pub notes: Vec<Note>,
    pub console: Vec<(usize, Vec<u8>)>,
    /// Partitions whose devices were quiesced.
    pub quiesced: Vec<usize>,
    pub ended: Vec<(u32, Core)>,
    pub disabled: Vec<(u32, Core)>,
    pub scheduled: usize,
    /// Pages of images that were put back, how many an image has, how long each takes (microseconds), and
    /// whether it is another image.
    pub restored: Vec<(usize, u32)>,
    pub image: u32,
    pub slow: u64,
    pub spoilt: bool,
    /// What was signed.
    pub signed: Vec<Vec<u8>>,
    /// Which package of a partition was taken.
    pub taken: BTreeMap<usize, Taken>,
    /// When the core is to be woken, in microseconds from when that was asked for.
    pub wake: Option<u32>,
    /// Where, the last time.
    pub scheduled_on: Option<Core>,
    /// Cores that were called.
    pub called: Vec<Core>,
    pub now: u64,
    pub counter: u64,
    /// What was set last, on whichever core.
    pub alarm: Option<u64>,
    /// What was read is overwritten at once, and counted in `read`.
    pub spoils: bool,
    pub read: usize,
    /// What there is of random bits.
    pub random: Option<[u64; 3]>,
    pub cleared: Vec<(u64, u32)>,
    /// Set when part of a window is taken away; the normal world's memory must not be touched from then on.
    pub taken_away: Option<Arc<AtomicBool>>,
    pub mapped: Vec<(usize, u32, u64, u32)>,
    /// Secure pages whose reach was changed for a partition, and how.
    pub reach: BTreeMap<(usize, u64), Option<Rights>>,
}

impl Recorder {
    fn page(&mut self, page: Page) -> &mut [u8] {
        assert_eq!(page.address % 4096, 0);
        if let Some(gone) = self.taken_away.as_ref().filter(|_| page.world == World::Normal) {
            assert!(!gone.load(Ordering::SeqCst), "{page:x?} is no longer lent");
        }
        let key = (page.world == World::Secure, page.address);
        self.pages.entry(key).or_insert_with(|| std::vec![0; 4096].into())
    }
}

impl Ports for Recorder {
    fn read(&mut self, page: Page, offset: usize, into: &mut [u8]) {
        let end = offset + into.len();
        into.copy_from_slice(&self.page(page)[offset..end]);
        if self.spoils {
            // Whoever shares the page was faster.
            self.page(page)[offset..end].fill(0xff);
            self.read += into.len();
        }
    }

    fn write(&mut self, page: Page, offset: usize, from: &[u8]) {
        self.page(page)[offset..offset + from.len()].copy_from_slice(from);
    }

    fn map_window(&mut self, partition: usize, slot: u32, address: u64, count: u32, _: Access) {
        self.mapped.push((partition, slot, address, count));
    }

    fn unmap_window(&mut self, partition: usize, slot: u32, count: u32) {
        if let Some(gone) = &self.taken_away {
            gone.store(true, Ordering::SeqCst);
        }
        self.mapped
            .retain(|m| !(m.0 == partition && m.1 >= slot && m.1 < slot + count));
    }

    fn set_secure(&mut self, partition: usize, address: u64, count: u32, rights: Option<Rights>) {
        for n in 0..u64::from(count) {
            let page = (partition, address + n * 4096);
            self.reach.insert(page, rights);
        }
    }

    fn clear(&mut self, _: World, address: u64, count: u32) {
        self.cleared.push((address, count));
    }

    fn restore(&mut self, partition: usize, page: u32) -> Restored {
        self.restored.push((partition, page));
        self.now += self.slow;
        match page + 1 {
            pages if pages < self.image => Restored::More,
            _ if self.spoilt => Restored::Refused,
            _ => Restored::Whole,
        }
    }

    fn quiesce(&mut self, partition: usize) {
        self.quiesced.push(partition);
    }

    fn end_interrupt(&mut self, intid: u32, core: Core) {
        self.ended.push((intid, core));
    }

    fn disable_interrupt(&mut self, intid: u32, core: Core) {
        self.disabled.push((intid, core));
    }

    fn now(&mut self) -> u64 {
        self.now
    }

    fn schedule_receiver(&mut self, core: Option<Core>) {
        self.scheduled += 1;
        self.scheduled_on = core;
    }

    fn key(&mut self, partition: usize) -> [u64; 4] {
        [1, 2, 3, 4].map(|word| word << 32 | partition as u64)
    }

    fn measured(&mut self, partition: Option<usize>) -> Option<[u8; 32]> {
        Some(partition.map_or([0xee; 32], |partition| [partition as u8 + 1; 32]))
    }

    fn taken(&mut self, partition: usize) -> Option<Taken> {
        self.taken.get(&partition).copied()
    }

    fn sign(&mut self, text: &[u8]) -> Option<[u8; 64]> {
        self.signed.push(text.to_vec());
        Some(core::array::from_fn(|n| n as u8))
    }

    fn random(&mut self, _: usize) -> Option<[u64; 3]> {
        self.random
    }

    fn counter(&mut self) -> u64 {
        self.counter
    }

    fn set_alarm(&mut self, at: Option<u64>) {
        self.alarm = at;
    }

    fn call_core(&mut self, core: Core) {
        self.called.push(core);
    }

    fn wake(&mut self, micros: u32) {
        self.wake = Some(self.wake.map_or(micros, |before| before.min(micros)));
    }

    fn console(&mut self, partition: usize, bytes: &[u8]) {
        self.console.push((partition, bytes.to_vec()));
    }

    fn note(&mut self, note: Note) {
        self.notes.push(note);
    }
}

/// A machine.
pub struct Machine {
    pub spmc: Box<Subject>,
    pub ports: Recorder,
}

impl Machine {
    /// Before the start.
    pub fn new() -> Self {
        Self::of(&TABLE)
    }

    /// Of another table with as many partitions.
    pub fn of(table: &'static Table) -> Self {
        Self {
            spmc: Box::new(Spmc::new(table)),
            ports: Recorder::default(),
        }
    }

    /// All partitions wait on all their cores.
    pub fn started() -> Self {
        Self::new().start()
    }

    /// Starts all partitions on all their cores.
    pub fn start(mut self) -> Self {
        let machine = &mut self;
        let mut action = machine.step(0, Event::Boot);
        while let Action::Run(run) = action {
            let entry = super::table::memory(run.context.partition) + 0x100;
            assert_eq!(
                x(
                    machine.call(0, &[u64::from(f::SECONDARY_EP_REGISTER_64), entry]),
                    0
                ) >> 32,
                0
            );
            action = machine.call(0, &[u64::from(f::MSG_WAIT)]);
        }
        for core in 1..4 {
            let mut action = machine.step(core, Event::CoreOn);
            while let Action::Run(_) = action {
                action = machine.call(core, &[u64::from(f::MSG_WAIT)]);
            }
        }
        machine.ports = Recorder::default();
        self
    }

    pub fn step(&mut self, core: Core, event: Event) -> Action {
        let caller = self.spmc.cpus[usize::from(core)].current();
        let action = self.spmc.step(core, event, &mut self.ports);
        is_in_the_catalogue(caller, &event, &action);
        // The shell saves what the core holds of a context that left, and says so.
        self.spmc.settle(core);
        action
    }

    /// A call of the normal world, with marks in x8 to x17.
    pub fn normal(&mut self, core: Core, first: &[u64]) -> Action {
        let mut regs = Regs::new(first);
        for n in first.len().max(8)..18 {
            regs.0[n] = mark(n);
        }
        self.step(core, Event::Normal(regs))
    }

    /// A call of the partition that runs on a core.
    pub fn call(&mut self, core: Core, first: &[u64]) -> Action {
        self.step(core, Event::Call(Conduit::Smc, Regs::new(first)))
    }

    /// A paravirtual call; its result.
    pub fn hvc(&mut self, core: Core, first: &[u64]) -> u64 {
        x(self.step(core, Event::Call(Conduit::Hvc, Regs::new(first))), 0)
    }

    /// A direct request to a partition, which runs then.
    pub fn enter(&mut self, core: Core, id: u16) -> Run {
        run(self.normal(core, &request(id)))
    }

    /// The partition on a core answers the normal world.
    pub fn respond(&mut self, core: Core, id: u16) -> Action {
        self.call(core, &[u64::from(f::DIRECT_RESP_32), u64::from(id) << 16, 0, 7])
    }

    /// The normal world has an interrupt on a core, and nobody leaves for it.
    pub fn preempt(&mut self, core: Core) -> Action {
        match self.step(core, Event::NormalInterrupt) {
            Action::Run(run) if matches!(run.deadline, Deadline::Micros(_)) => {
                self.step(core, Event::Deadline)
            }
            left => left,
        }
    }

    /// Everything that a refused call must leave alone.
    pub fn state(&self) -> String {
        let mut text = String::new();
        for c in &self.spmc.compartments {
            let mailbox = c.mailbox.lock();
            text += &format!("{:?} {} {:?}", c.seats, c.stopped(), c.secondary_entry);
            text += &format!("{:x} {:?}", mailbox.version(), mailbox.buffers);
            text += &format!("{:?} {:?}\n", c.tickets.lock(), c.notifications.lock());
        }
        for machine in &self.spmc.machines {
            let mailbox = machine.mailbox.lock();
            text += &format!("{:x} {:?}", mailbox.version(), mailbox.buffers);
            text += &format!("{:?}\n", machine.notifications.lock());
        }
        let mailbox = self.spmc.normal.lock();
        text += &format!("{:x} {:?}", mailbox.version(), mailbox.buffers);
        text += &format!(
            "{:?} {:?} {:?}",
            self.spmc.normal_notifications.lock(),
            self.ports.mapped,
            self.ports.reach
        );
        text
    }

    /// A call of the normal world is refused so, and changes nothing.
    pub fn refused(&mut self, core: Core, first: &[u64], error: Error) {
        let before = self.state();
        let action = self.normal(core, first);
        assert_eq!(code(action), Some(error.code()), "{first:x?}: {action:x?}");
        assert!(matches!(action, Action::Normal(_)));
        assert_eq!(before, self.state(), "{first:x?}");
    }

    /// A call of a partition is refused so, and changes nothing; it goes on.
    pub fn partition_refused(&mut self, core: Core, first: &[u64], error: Error) {
        let before = self.state();
        let action = self.call(core, first);
        assert_eq!(code(action), Some(error.code()), "{first:x?}: {action:x?}");
        assert!(matches!(action, Action::Run(_)));
        assert_eq!(before, self.state(), "{first:x?}");
    }
}

/// A machine whose partitions restart, each from an image of three pages.
pub fn restarts() -> Machine {
    let mut m = Machine::of(&RESTARTS).start();
    m.ports.image = 3;
    m
}

/// How far a partition is in its life.
pub fn life(m: &Machine, partition: usize) -> Life {
    m.spmc.life(partition).unwrap()
}

/// What a context of a partition does.
pub fn state(m: &Machine, partition: usize, home: usize) -> State {
    m.spmc.compartments[partition].seats[home].state()
}

/// What stands in a register that nobody uses.
pub fn mark(n: usize) -> u64 {
    0x5a5a_0000_0000_0000 + n as u64
}

/// Two endpoint IDs in one register: sender or target, and receiver or context.
pub fn ends(from: u16, to: u16) -> u64 {
    u64::from(from) << 16 | u64::from(to)
}

/// Something that a partition must not do.
pub const FAULT: Event = Event::Fault(Fault {
    syndrome: 1,
    address: 2,
    ipa: 3,
    pc: 4,
});

/// Registers of a direct request from the normal world.
pub fn request(id: u16) -> [u64; 8] {
    [u64::from(f::DIRECT_REQ_32), u64::from(id), 0, 3, 4, 5, 6, 7]
}

/// The registers that an action hands over.
pub fn regs(action: Action) -> Regs {
    match action {
        Action::Normal(regs) => regs,
        Action::Run(Run {
            entry: Entry::Answer(regs),
            ..
        }) => regs,
        Action::Run(_) | Action::Halt(_) | Action::Idle => panic!("no registers: {action:?}"),
    }
}

/// One of them.
pub fn x(action: Action, n: usize) -> u64 {
    regs(action).0[n]
}

/// The code of FFA_ERROR.
pub fn code(action: Action) -> Option<u32> {
    let regs = regs(action);
    (regs.0[0] == u64::from(f::ERROR)).then_some(regs.0[2] as u32)
}

/// The run that an action is.
pub fn run(action: Action) -> Run {
    match action {
        Action::Run(run) => run,
        other => panic!("no run: {other:x?}"),
    }
}

/// Whether an action is FFA_SUCCESS.
pub fn succeeded(action: Action) -> bool {
    matches!(x(action, 0) as u32, f::SUCCESS_32 | f::SUCCESS_64)
}

/// An error with which a call is answered at once is in the book's catalogue.
fn is_in_the_catalogue(caller: Option<Context>, event: &Event, action: &Action) {
    let (call, answer) = match (event, action) {
        (Event::Normal(call), Action::Normal(answer)) => (call, *answer),
        (Event::Call(Conduit::Smc, call), Action::Run(run)) if caller == Some(run.context) => match run.entry
        {
            Entry::Answer(answer) => (call, answer),
            _ => return,
        },
        _ => return,
    };
    let [id, function, error] = [call.0[0], answer.0[0], answer.0[2]].map(|register| register as u32);
    if function == f::ERROR {
        assert!(super::errors::has(id, error), "{id:#x} {}", error.cast_signed());
    }
}
