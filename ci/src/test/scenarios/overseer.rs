//! Who looks after a machine while a scenario runs: injures partitions when they are to be, and ends the machine when its
//! time is over.

use super::file::{End, Inject, Scenario};
use super::pattern::Heard;
use crate::build::Firmware;
use crate::run::gdb::{Gdb, Stub};
use crate::run::qmp::Monitor;
use crate::run::record::Symbols;
use crate::test::faults::{self, APPLICATION, Dice, KERNEL, Round, Site};
use anyhow::{Context, Result};
use bulkhead_configs::{Partition, Tee};
use std::cell::{Cell, RefCell};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How often the logs and the machine's time are looked at.
const LOOK: Duration = Duration::from_millis(50);
const CLOCK: Duration = Duration::from_millis(250);
/// The longest time from the machine's end until the run knows of it.
const GONE: Duration = Duration::from_secs(1);

/// What is looked after.
pub struct Overseer<'a> {
    pub scenario: &'a Scenario,
    pub firmware: &'a Firmware,
    /// Where the machine's logs are.
    pub folder: &'a Path,
    pub seed: u64,
    /// Sockets of the machine's monitor and of its gdb stub.
    pub monitor: &'a Path,
    pub stub: &'a Path,
    /// Whether the run is over.
    pub over: &'a AtomicBool,
    /// Takes a line on what is done.
    pub say: &'a dyn Fn(&str),
}

/// What came of it.
#[derive(Default)]
pub struct Seen {
    /// How long the machine ran, in its own time.
    pub guest: Duration,
    /// What was injured.
    pub rounds: Vec<Round>,
    /// Whether its time was over, and it was ended.
    pub late: bool,
    /// Why the machine was ended, or what could not be injured.
    pub problems: Vec<String>,
}

impl Overseer<'_> {
    /// Starts the machine, which waits for it, and stays until the run is over.
    pub fn watch(&self) -> Seen {
        let mut seen = Seen::default();
        if let Err(error) = self.attend(&mut seen)
            && !self.over.load(Ordering::Acquire)
        {
            seen.problems.push(format!("{error:#}"));
        }
        seen
    }

    fn attend(&self, seen: &mut Seen) -> Result<()> {
        let stub = Stub::at(self.stub);
        let clock = Clock::new(Monitor::of(self.monitor)?, self);
        let inject = &self.scenario.inject;
        // An instruction that the machine comes to from its start on is watched before that.
        let at_start =
            |inject: &Inject| inject.at.is_some() && inject.after.is_none() && inject.delay.is_zero();
        if inject.first().is_some_and(at_start) {
            clock.monitor.borrow_mut().begins();
        } else {
            clock.monitor.borrow_mut().start()?;
        }
        for (number, inject) in inject.iter().enumerate() {
            if !self.wait_for(inject, &clock) {
                break;
            }
            let mut dice = Dice::new(self.seed.wrapping_add(number as u64));
            match self.inject(inject, &stub, &clock, &mut dice) {
                Ok(Some(round)) => {
                    (self.say)(&format!("injured {round}"));
                    seen.problems.extend(round.through());
                    seen.rounds.push(round);
                }
                Ok(None) => break,
                Err(_) if self.is_over_soon() => {
                    let name = &inject.partition;
                    seen.problems
                        .push(format!("the machine went off before {name} was injured"));
                    break;
                }
                Err(error) => {
                    seen.problems
                        .push(format!("injecting into {}: {error:#}", inject.partition));
                    // What goes on without it shows nothing.
                    let _ = clock.monitor.borrow_mut().end();
                    return Ok(());
                }
            }
        }
        while clock.goes_on() {
            thread::sleep(LOOK);
        }
        seen.guest = clock.last.get();
        seen.late = clock.late.get();
        if seen.late && self.scenario.ends != End::Refused {
            let limit = self.scenario.limit.guest;
            seen.problems.push(format!(
                "the machine was ended after {:.1} s of its time; `limit.guest` is {:.1} s",
                seen.guest.as_secs_f64(),
                limit.as_secs_f64()
            ));
        }
        Ok(())
    }

    /// Whether the run ends by itself: then its debugger and its monitor are gone a moment earlier.
    fn is_over_soon(&self) -> bool {
        let since = Instant::now();
        while !self.over.load(Ordering::Acquire) {
            if since.elapsed() > GONE {
                return false;
            }
            thread::sleep(LOOK);
        }
        true
    }

    /// Waits until an injury is due; false where the run ends before.
    fn wait_for(&self, inject: &Inject, clock: &Clock<'_>) -> bool {
        if let Some(after) = &inject.after {
            while !heard(self.folder).has(after) {
                thread::sleep(LOOK);
                if !clock.goes_on() {
                    return false;
                }
            }
        }
        let due = clock.last.get() + inject.delay;
        while !inject.delay.is_zero() && clock.last.get() < due {
            thread::sleep(LOOK.min(inject.delay));
            if !clock.goes_on() {
                return false;
            }
        }
        true
    }

    /// Injures a partition; none where the run ends before it comes to that.
    fn inject(
        &self,
        inject: &Inject,
        stub: &Stub,
        clock: &Clock<'_>,
        dice: &mut Dice,
    ) -> Result<Option<Round>> {
        let partition = self.firmware.system.partition(&inject.partition);
        let partition = partition.context("the table has no such partition")?;
        let found = match &inject.at {
            Some(function) => self.arrive(function, inject.hit, partition, stub, clock)?,
            None => {
                let anywhere = inject.injury.is_none() && partition.tee == Tee::Optee && dice.below(2) == 0;
                let level = if anywhere { APPLICATION } else { KERNEL };
                Some(faults::find(stub, partition, level, &mut Dice::new(dice.next()))?)
            }
        };
        let Some((gdb, site)) = found else {
            return Ok(None);
        };
        let injury = inject.injury.unwrap_or_else(|| faults::choose(site.level, dice));
        faults::once(gdb, stub, self.firmware, partition, &site, injury, dice).map(Some)
    }

    /// Lets the machine go on until a core of a partition comes to a function.
    fn arrive<'a>(
        &self,
        function: &str,
        hit: u32,
        partition: &Partition,
        stub: &'a Stub,
        clock: &Clock<'_>,
    ) -> Result<Option<(Gdb<'a>, Site)>> {
        let program = self.firmware.programs.get(&partition.name);
        let program = program.with_context(|| {
            format!(
                "the program of {} is not known; name it in the table by `image.symbols`",
                partition.name
            )
        })?;
        let address = Symbols::of(Some(program)).start(function)?;
        let mut gdb = stub.stop()?;
        let mut left = hit;
        while let Some(core) = gdb.run_while(address, &|| clock.goes_on())? {
            // Programs of the normal world may have something at the same address.
            let site = faults::look(&mut gdb, partition, core.clone())?;
            left -= u32::from(site.is_some());
            match site {
                Some(site) if left == 0 => return Ok(Some((gdb, site))),
                _ => gdb.step(&core)?,
            }
        }
        Ok(None)
    }
}

/// The machine's time.
struct Clock<'a> {
    monitor: RefCell<Monitor>,
    overseer: &'a Overseer<'a>,
    looked: Cell<Instant>,
    last: Cell<Duration>,
    late: Cell<bool>,
}

impl<'a> Clock<'a> {
    fn new(monitor: Monitor, overseer: &'a Overseer<'a>) -> Self {
        Self {
            monitor: RefCell::new(monitor),
            overseer,
            looked: Cell::new(Instant::now()),
            last: Cell::default(),
            late: Cell::default(),
        }
    }

    /// Whether the run goes on; a machine whose time is over is ended.
    fn goes_on(&self) -> bool {
        if self.late.get() || self.overseer.over.load(Ordering::Acquire) {
            return false;
        }
        if self.looked.get().elapsed() < CLOCK {
            return true;
        }
        self.looked.set(Instant::now());
        let mut monitor = self.monitor.borrow_mut();
        let Ok(now) = monitor.time() else {
            // The machine has gone off; what is left of the run is others'.
            return !self.overseer.over.load(Ordering::Acquire);
        };
        self.last.set(now);
        if now > self.overseer.scenario.limit.guest {
            self.late.set(true);
            let _ = monitor.end();
            return false;
        }
        true
    }
}

/// What the logs in a folder have so far.
pub fn heard(folder: &Path) -> Heard {
    let text = |name: &str| {
        let bytes = std::fs::read(folder.join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    Heard {
        hypervisor: text("hypervisor.log"),
        console: text("console.log"),
    }
}
