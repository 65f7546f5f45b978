//! Four cores at once: requests that are preempted, carried to other cores and parked, partitions that
//! call partitions meanwhile, cores that work for others' callers. Nothing is lost, mixed up, or on two cores.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::vec::Vec;

use super::machine::{Machine, Recorder, Subject};
use super::table::{A, B, C, CHAINS, FORWARDING};
use crate::api::{Action, Conduit, Context, Entry, Event, Regs};
use crate::function as f;
use crate::table::Core;

/// Requests that each core makes; fewer where most of them wait for another core.
const REQUESTS: u64 = 50_000;
const FORWARDED: u64 = 5_000;

/// What a context is working at, and whether a core has it.
#[derive(Default)]
struct Work {
    taken: AtomicBool,
    payload: AtomicU64,
    /// Who asked.
    source: AtomicU64,
    /// The callee that has yielded to it; 0: none.
    held: AtomicU64,
}

/// What all cores see.
struct Shared<'a> {
    spmc: &'a Subject,
    work: [[Work; 4]; 3],
    /// Whom the normal world calls, and whether those call others.
    called: &'static [u16],
    chains: bool,
    /// Requests that each core makes.
    requests: u64,
    /// Clients that wait to be resumed: what FFA_RUN needs, and what they asked.
    waiting: Mutex<Vec<(u64, u64)>>,
    answered: AtomicUsize,
    /// Cores that were called.
    calls: [AtomicBool; 4],
}

/// One core with its client and the partitions that it runs.
struct Cores<'a, 'b> {
    shared: &'b Shared<'a>,
    core: Core,
    ports: Recorder,
    random: u64,
}

impl Cores<'_, '_> {
    fn random(&mut self, below: u64) -> u64 {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % below
    }

    fn step(&mut self, event: Event) -> Action {
        let action = self.shared.spmc.step(self.core, event, &mut self.ports);
        for core in self.ports.called.drain(..) {
            self.shared.calls[usize::from(core)].store(true, Ordering::Release);
        }
        action
    }

    /// What a call of another core interrupts the normal world for.
    fn look(&mut self) {
        if self.shared.calls[usize::from(self.core)].swap(false, Ordering::Acquire) {
            let regs = self.drive(Event::Called);
            assert_eq!(regs, Regs::new(&[f::NORMAL_WORLD_RESUME.into()]));
        }
    }

    /// A call of the normal world, and all that follows until it returns.
    fn call(&mut self, first: &[u64]) -> Regs {
        self.drive(Event::Normal(Regs::new(first)))
    }

    fn drive(&mut self, event: Event) -> Regs {
        let mut action = self.step(event);
        let mut runs: Option<Context> = None;
        loop {
            let run = match action {
                Action::Normal(regs) => {
                    if let Some(context) = runs {
                        self.work(context).taken.store(false, Ordering::Release);
                    }
                    self.shared.spmc.settle(self.core);
                    return regs;
                }
                Action::Run(run) => run,
                Action::Halt(partition) => panic!("halted for {partition}"),
                Action::Idle => panic!("no core is a partition's own"),
            };
            let work = self.work(run.context);
            if runs != Some(run.context) {
                if let Some(caller) = runs {
                    // The shell saves its registers, and then says so.
                    self.work(caller).taken.store(false, Ordering::Release);
                    self.shared.spmc.settle(self.core);
                }
                assert!(
                    !work.taken.swap(true, Ordering::AcqRel),
                    "{:?} is on two cores",
                    run.context
                );
                runs = Some(run.context);
            }
            if let Entry::Answer(regs) = run.entry {
                if regs.0[0] == u64::from(f::DIRECT_REQ_64) {
                    work.payload.store(regs.0[3], Ordering::Relaxed);
                    work.source.store(regs.0[1] >> 16, Ordering::Relaxed);
                } else if regs.0[0] == u64::from(f::YIELD) {
                    work.held.store(regs.0[1], Ordering::Relaxed);
                } else if regs.0[0] == u64::from(f::DIRECT_RESP_64) {
                    assert_eq!(
                        regs.0[3],
                        !work.payload.load(Ordering::Relaxed),
                        "somebody else's answer"
                    );
                }
            }
            let payload = work.payload.load(Ordering::Relaxed);
            let id = u64::from([A, B, C][run.context.partition]);
            let source = work.source.load(Ordering::Relaxed);
            // The normal world gets back what it sent, a partition its complement.
            let result = if source == 0 { payload } else { payload ^ u64::MAX };
            let next = [B, C].get(run.context.partition).filter(|_| self.shared.chains);
            let held = work.held.load(Ordering::Relaxed);
            action = match self.random(8) {
                0 | 1 => self.step(Event::NormalInterrupt),
                2 => self.step(Event::Deadline),
                3 => self.step(Event::Call(Conduit::Smc, Regs::new(&[u64::from(f::YIELD)]))),
                4 => self.step(Event::Call(Conduit::Smc, Regs::new(&[u64::from(f::ID_GET)]))),
                5 if next.is_some() && held == 0 => {
                    let ends = id << 16 | next.map_or(0, |to| u64::from(*to));
                    let call = [u64::from(f::DIRECT_REQ_64), ends, 0, payload];
                    self.step(Event::Call(Conduit::Smc, Regs::new(&call)))
                }
                5.. if held != 0 => {
                    // Its callee has yielded: that one has to answer first.
                    self.work(run.context).held.store(0, Ordering::Relaxed);
                    self.step(Event::Call(Conduit::Smc, Regs::new(&[u64::from(f::RUN), held])))
                }
                _ => {
                    let answer = [u64::from(f::DIRECT_RESP_64), id << 16 | source, 0, result];
                    self.step(Event::Call(Conduit::Smc, Regs::new(&answer)))
                }
            };
        }
    }

    fn work(&self, context: Context) -> &Work {
        &self.shared.work[context.partition][usize::from(context.home)]
    }

    /// What a client does with what its call returned.
    fn returned(&mut self, regs: &Regs, payload: u64) {
        let id = (regs.0[0] & 0xffff_ffff) as u32;
        if id == f::DIRECT_RESP_64 {
            assert_eq!(regs.0[3], payload, "somebody else's answer");
            self.shared.answered.fetch_add(1, Ordering::Relaxed);
        } else {
            assert!(
                matches!(id, f::INTERRUPT | f::YIELD),
                "a legal call was refused: {regs:x?}"
            );
            self.shared.waiting.lock().unwrap().push((regs.0[1], payload));
        }
    }

    fn resume_one(&mut self) -> bool {
        self.look();
        // Any waiting client, as the scheduler likes.
        let pick = self.random(1 << 20) as usize;
        let client = {
            let mut waiting = self.shared.waiting.lock().unwrap();
            if waiting.is_empty() {
                return false;
            }
            let place = pick % waiting.len();
            waiting.swap_remove(place)
        };
        let regs = self.call(&[u64::from(f::RUN), client.0]);
        self.returned(&regs, client.1);
        true
    }

    fn live(&mut self) {
        for n in 0..self.shared.requests {
            self.look();
            // As many clients as there are threads in a busy system, fewer than there are tickets.
            while self.shared.waiting.lock().unwrap().len() > 8 {
                self.resume_one();
            }
            let id = self.shared.called[self.random(self.shared.called.len() as u64) as usize];
            let payload = u64::from(self.core) << 32 | n;
            let regs = self.call(&[u64::from(f::DIRECT_REQ_64), u64::from(id), 0, payload]);
            self.returned(&regs, payload);
        }
        while self.shared.answered.load(Ordering::Relaxed) < 4 * self.shared.requests as usize {
            if !self.resume_one() {
                std::thread::yield_now();
            }
        }
    }
}

#[test]
fn nothing_is_lost_on_four_cores() {
    nothing_is_lost(&Machine::started(), &[A, B], false, REQUESTS);
}

#[test]
fn nothing_is_lost_in_chains() {
    nothing_is_lost(&Machine::of(&CHAINS).start(), &[A], true, REQUESTS);
}

#[test]
fn nothing_is_lost_where_cores_work_for_others() {
    nothing_is_lost(&Machine::of(&FORWARDING).start(), &[A, B], true, FORWARDED);
}

fn nothing_is_lost(machine: &Machine, called: &'static [u16], chains: bool, requests: u64) {
    let shared = Shared {
        spmc: &machine.spmc,
        called,
        chains,
        requests,
        work: Default::default(),
        waiting: Mutex::new(Vec::new()),
        answered: AtomicUsize::new(0),
        calls: Default::default(),
    };
    std::thread::scope(|scope| {
        for core in 0..4 {
            let shared = &shared;
            scope.spawn(move || {
                let random = 0x9e37_79b9_7f4a_7c15u64.wrapping_mul(u64::from(core) + 1);
                Cores {
                    shared,
                    core,
                    ports: Recorder::default(),
                    random,
                }
                .live();
            });
        }
    });
    assert_eq!(shared.answered.load(Ordering::Relaxed), 4 * requests as usize);
    let moved = |p: usize| {
        machine.spmc.compartments[p]
            .counters
            .migrated
            .load(Ordering::Relaxed)
    };
    assert!(moved(0) > 0 && moved(1) > 0);
    assert_eq!(machine.spmc.check_invariants(), Ok(()));
}
