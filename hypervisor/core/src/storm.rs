//! What interrupts of partitions may take of others' time on a core, counted for each line.
//!
//! An interrupt that comes while its owner does not run takes the core from whoever has it. The owner's context pays
//! for that: with the time of its handler, or of a look where it cannot be entered. A context that has used up what
//! is free rests, until it has had no more than its part of the core: one in `REST` times as many as there are
//! partitions on that core, so that all of them together get a quarter at most, and none at another's cost. Until
//! then a line of its stays active at the GIC, and so quiet, also where the owner has dealt with it; its SGIs and timers
//! are kept. Then the core looks at it again: what came is late, and nothing is lost.

use crate::api::{Context, Note, Ports};
use crate::compartment::{Compartment, reported};
use crate::context::{Seat, Task};
use crate::paravirtual::{self, MAX_INTERRUPTS};
use crate::spmc::{Spmc, lists};
use crate::sync::{AtomicU32, AtomicU64, Ordering};
use crate::table::{Core, Partition, Source};

/// All partitions' interrupts together get one in so many parts of a core.
const REST: u64 = 4;
/// Time for interrupts that a context has before it rests, in microseconds: the bound of one handler.
const FREE_US: u64 = 1_000;
/// What it costs others, at least, that a core looks at an interrupt, in microseconds: two ways through EL3.
const LOOK_US: u64 = 20;

/// How often a line came, and how often it was held back. They wrap around at 2^32.
#[derive(Debug)]
struct Line {
    came: AtomicU32,
    held: AtomicU32,
}

impl Line {
    fn counts(&self) -> (u64, u64) {
        let load = |counter: &AtomicU32| u64::from(counter.load(Ordering::Relaxed));
        (load(&self.came), load(&self.held))
    }
}

/// The lines of one partition, in the table's order; behind them its own SGIs and timers as one.
#[derive(Debug)]
pub(crate) struct Lines([Line; MAX_INTERRUPTS + 1]);

impl Lines {
    pub(crate) const fn new() -> Self {
        Self(
            [const {
                Line {
                    came: AtomicU32::new(0),
                    held: AtomicU32::new(0),
                }
            }; MAX_INTERRUPTS + 1],
        )
    }

    /// How often all lines came, and how often they were held back.
    pub(crate) fn sum(&self) -> (u64, u64) {
        let all = self.0.iter().map(Line::counts);
        all.fold((0, 0), |sum, one| {
            (sum.0.saturating_add(one.0), sum.1.saturating_add(one.1))
        })
    }

    /// The same of the line at a place in the partition's table; behind the last one, of its own SGIs and timers.
    pub(crate) fn of(&self, partition: &Partition, place: usize) -> Option<(u64, u64)> {
        let lines = partition.interrupts.len().min(MAX_INTERRUPTS);
        let place = (place < lines)
            .then_some(place)
            .or((place == lines).then_some(MAX_INTERRUPTS))?;
        self.0.get(place).map(Line::counts)
    }
}

/// What one context has had of its core for interrupts that came while it did not run there.
#[derive(Debug)]
pub(crate) struct Share {
    /// When that is no more than its part (microseconds). Only the core itself writes it.
    until: AtomicU64,
    /// Lines that are held back, a bit each, in the table's order; and those of them that the owner has dealt
    /// with, to be deactivated when they are let in again.
    held: AtomicU64,
    owed: AtomicU64,
}

impl Share {
    pub(crate) const fn new() -> Self {
        Self {
            until: AtomicU64::new(0),
            held: AtomicU64::new(0),
            owed: AtomicU64::new(0),
        }
    }

    /// How long it has to rest, where it has to (microseconds).
    fn rests(&self, now: u64, weight: u64) -> Option<u64> {
        let free = now.saturating_add(FREE_US.saturating_mul(weight));
        let rest = self.until.load(Ordering::Relaxed).saturating_sub(free);
        (rest > 0).then_some(rest)
    }

    fn charge(&self, now: u64, micros: u64, weight: u64) {
        let from = self.until.load(Ordering::Relaxed).max(now);
        let until = from.saturating_add(micros.max(LOOK_US).saturating_mul(weight));
        self.until.store(until, Ordering::Relaxed);
    }

    /// The owner has dealt with a line; whether it is to stay active, since it is held back.
    fn owes(&self, bit: u64) -> bool {
        if self.held.load(Ordering::SeqCst) & bit == 0 {
            return false;
        }
        self.owed.fetch_or(bit, Ordering::SeqCst);
        // It may have been let in at that moment: one of the two ends it.
        let released = self.held.load(Ordering::SeqCst) & bit == 0;
        !(released && self.owed.fetch_and(!bit, Ordering::SeqCst) & bit != 0)
    }

    /// As if it had had nothing yet.
    #[cfg(test)]
    pub(crate) fn renew(&self) {
        self.until.store(0, Ordering::Relaxed);
    }

    /// Lets all lines in again.
    fn release<T: Ports>(&self, partition: &Partition, core: Core, ports: &mut T) {
        if self.held.swap(0, Ordering::SeqCst) == 0 {
            return;
        }
        let owed = self.owed.swap(0, Ordering::SeqCst);
        for (place, interrupt) in (0..u64::BITS).zip(partition.lines()) {
            if owed.wrapping_shr(place) & 1 == 1 {
                ports.end_interrupt(interrupt.intid, core);
            }
        }
    }
}

/// The partition has dealt with a line that came on this core, where one of its contexts is at home: it is
/// deactivated, at once or when it is let in again.
pub(crate) fn end_line<T: Ports, const C: usize>(
    partition: &Partition,
    compartment: &Compartment<C>,
    (intid, core): (u32, Core),
    ports: &mut T,
) {
    let place = partition.place(intid);
    let seat = compartment.seats.get(usize::from(core));
    let owes = place
        .zip(seat)
        .is_some_and(|(place, seat)| seat.share.owes(1 << (place & 63)));
    if !owes {
        ports.end_interrupt(intid, core);
    }
}

/// The instance is gone that has used the core, and dealt with lines that were held back.
pub(crate) fn forget<T: Ports>(partition: &Partition, home: Core, seat: &Seat, ports: &mut T) {
    seat.share.release(partition, home, ports);
}

impl<const P: usize, const C: usize, const SHARES: usize, const RANGES: usize, const VMS: usize, S: Source>
    Spmc<P, C, SHARES, RANGES, VMS, S>
{
    /// Counts a line that came.
    pub(crate) fn count_line(&self, index: usize, partition: &Partition, intid: u32) {
        let lines = self.compartments.get(index).map(|compartment| &compartment.lines);
        let place = partition.place(intid);
        if let Some(line) = lines.zip(place).and_then(|(lines, place)| lines.0.get(place)) {
            line.came.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How much longer than it has had the core a context on it rests.
    fn weight(&self, core: Core) -> u64 {
        let here = self.table.partitions.iter().filter(|p| lists(p, core));
        here.fold(0, |weight, _| REST.saturating_add(weight))
    }

    /// A context has had its home for an interrupt, for so many microseconds.
    pub(crate) fn charge(&self, context: Context, now: u64, micros: u64) {
        if let Some((_, _, seat)) = self.seat(context.partition, context.home) {
            seat.share.charge(now, micros, self.weight(context.home));
        }
    }

    /// Whether what came for a context, which does not run on its home, is held back: then its core looks again
    /// when the context has rested. Without a line it is an SGI or a timer.
    pub(crate) fn holds_back<T: Ports>(&self, owner: Context, intid: Option<u32>, ports: &mut T) -> bool {
        if !self.rests(owner, ports) {
            return false;
        }
        if let Some(partition) = self.table.partitions.get(owner.partition) {
            let place = intid.and_then(|intid| partition.place(intid));
            self.hold(owner, place.map_or(0, |place| 1 << (place & 63)), ports);
        }
        true
    }

    /// Counts these lines of a context as held back, and lets none of them in before it has rested; none: one of its
    /// SGIs or timers.
    fn hold<T: Ports>(&self, owner: Context, lines: u64, ports: &mut T) {
        let Some((partition, compartment, seat)) = self.seat(owner.partition, owner.home) else {
            return;
        };
        seat.share.held.fetch_or(lines, Ordering::SeqCst);
        let places = (0..MAX_INTERRUPTS).filter(|place| lines.wrapping_shr(*place as u32) & 1 == 1);
        let others = (lines == 0).then_some(MAX_INTERRUPTS);
        for place in places.chain(others) {
            let Some(line) = compartment.lines.0.get(place) else {
                continue;
            };
            let held = line.held.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
            if reported(held) {
                ports.note(Note::Storm {
                    partition: owner.partition,
                    intid: partition.interrupts.get(place).map(|interrupt| interrupt.intid),
                    held,
                });
            }
        }
    }

    /// Whether a context has to rest: its core is woken when it has. One that has rested has its lines let in
    /// again.
    pub(crate) fn rests<T: Ports>(&self, context: Context, ports: &mut T) -> bool {
        let Some((partition, _, seat)) = self.seat(context.partition, context.home) else {
            return false;
        };
        let Some(rest) = seat.share.rests(ports.now(), self.weight(context.home)) else {
            seat.share.release(partition, context.home, ports);
            return false;
        };
        seat.kicked.store(true, Ordering::Release);
        ports.wake(u32::try_from(rest).unwrap_or(u32::MAX));
        true
    }

    /// Has this core look at contexts that are at home there and are to be looked at: at once, or when they have
    /// rested. One of them may just have left the core.
    pub(crate) fn look_soon<T: Ports>(&self, core: Core, left: Option<Context>, ports: &mut T) {
        let mut now = false;
        for (partition, compartment) in self.compartments.iter().enumerate() {
            let seat = compartment.seats.get(usize::from(core));
            if seat.is_some_and(|seat| seat.kicked.load(Ordering::Acquire)) {
                let context = Context {
                    partition,
                    home: core,
                };
                let rests = self.rests(context, ports);
                // One that is not done goes on when it has rested: no line of its is held back for that.
                let late = seat.is_some_and(|seat| seat.task() == Task::Interrupt);
                if rests && left == Some(context) && !late {
                    // What it leaves behind is held back with it.
                    self.hold(context, self.active_lines(context), ports);
                }
                now |= !rests;
            }
        }
        if now {
            ports.call_core(core);
        }
    }

    /// A context's lines that came and were not dealt with.
    fn active_lines(&self, context: Context) -> u64 {
        let Some((partition, compartment, seat)) = self.seat(context.partition, context.home) else {
            return 0;
        };
        if partition.vgic {
            compartment.vgic.lock().active_lines(partition, context.home)
        } else {
            seat.active.load(Ordering::Acquire) >> paravirtual::PHYSICAL
        }
    }
}
