//! What is known of one partition beyond the table.

use crate::api::{Note, Ports};
use crate::console::Allowance;
use crate::context::{Seat, State};
use crate::decode::Direct;
use crate::life::{Failures, Life, Now};
use crate::mend::Mend;
use crate::notification::Notifications;
use crate::rxtx::Mailbox;
use crate::storm::Lines;
use crate::sync::{AtomicBool, AtomicU32, AtomicU64, Mutex, Ordering};
use crate::ticket::Tickets;
use crate::version::V1_0;
use crate::vgic::Vgic;

/// How often what is counted is reported: at powers of two up to this, then at its multiples.
const REPORT_EVERY: u32 = 256;

/// Whether a count is one that is reported.
pub(crate) fn reported(total: u32) -> bool {
    total.is_multiple_of(REPORT_EVERY) || (total < REPORT_EVERY && total.is_power_of_two())
}

/// Managed exits in a row that a partition may leave unfinished; then it is preempted at once.
const PATIENCE: u32 = 64;

/// Preemption figures; they wrap around at 2^32.
#[derive(Debug)]
pub(crate) struct Counters {
    total: AtomicU32,
    pub managed: AtomicU32,
    pub forced: AtomicU32,
    pub migrated: AtomicU32,
    /// Managed exits since the last one that was finished in time; no more than [`PATIENCE`].
    unfinished: AtomicU32,
}

impl Counters {
    const fn new() -> Self {
        Self {
            total: AtomicU32::new(0),
            managed: AtomicU32::new(0),
            forced: AtomicU32::new(0),
            migrated: AtomicU32::new(0),
            unfinished: AtomicU32::new(0),
        }
    }

    /// A managed exit was finished in time.
    pub(crate) fn finished(&self) {
        count(&self.managed);
        self.forgive();
    }

    /// A managed exit was not finished in time: the last one that the partition is asked for, where too many were not.
    pub(crate) fn overdue<T: Ports>(&self, partition: usize, ports: &mut T) {
        let more = |unfinished: u32| (unfinished < PATIENCE).then_some(unfinished.saturating_add(1));
        let before = self
            .unfinished
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        if before == Ok(PATIENCE - 1) {
            ports.note(Note::NoManagedExit { partition });
        }
    }

    /// Whether the partition is asked for managed exits.
    pub(crate) fn is_asked(&self) -> bool {
        self.unfinished.load(Ordering::Relaxed) < PATIENCE
    }

    /// As if all managed exits had been finished.
    pub(crate) fn forgive(&self) {
        self.unfinished.store(0, Ordering::Relaxed);
    }

    /// Counts a preemption, and reports now and then.
    pub(crate) fn preempted<T: Ports>(&self, partition: usize, ports: &mut T) {
        let total = self.total.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        if reported(total) {
            ports.note(Note::Preemptions {
                partition,
                total,
                managed: self.managed.load(Ordering::Relaxed),
                forced: self.forced.load(Ordering::Relaxed),
                migrated: self.migrated.load(Ordering::Relaxed),
            });
        }
    }
}

/// One more in a counter.
pub(crate) fn count(counter: &AtomicU32) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// The state of one partition with a seat for a context on each of `C` cores.
#[derive(Debug)]
pub(crate) struct Compartment<const C: usize> {
    pub seats: [Seat; C],
    /// It has finished its start.
    pub ready: AtomicBool,
    pub life: Now,
    /// How often it was restarted: contexts of a new instance may be entered when their core is called.
    pub restarts: AtomicU32,
    pub mend: Mutex<Mend>,
    /// How it failed last. Nothing else is locked behind it.
    pub failures: Mutex<Failures>,
    /// Entry point of its further contexts; 0: not registered.
    pub secondary_entry: AtomicU64,
    pub mailbox: Mutex<Mailbox>,
    /// What it may still log.
    pub allowance: Mutex<Allowance>,
    /// Its version will not change any more: written under the mailbox's lock, and read without, so that a call
    /// need not take it.
    pub settled: AtomicBool,
    pub tickets: Mutex<Tickets<C>>,
    /// The request that is repeated for its next instance.
    pub repeated: Mutex<Option<Direct>>,
    pub notifications: Mutex<Notifications>,
    /// Its virtual GIC and timers. Nothing else is locked behind it.
    pub vgic: Mutex<Vgic<C>>,
    pub counters: Counters,
    /// Its interrupts.
    pub lines: Lines,
}

impl<const C: usize> Compartment<C> {
    pub(crate) const fn new() -> Self {
        Self {
            seats: [const { Seat::new() }; C],
            ready: AtomicBool::new(false),
            life: Now::new(),
            restarts: AtomicU32::new(0),
            mend: Mutex::new(Mend::new()),
            failures: Mutex::new(Failures::new()),
            secondary_entry: AtomicU64::new(0),
            mailbox: Mutex::new(Mailbox::new(V1_0)),
            allowance: Mutex::new(Allowance::new()),
            settled: AtomicBool::new(false),
            tickets: Mutex::new(Tickets::new()),
            repeated: Mutex::new(None),
            notifications: Mutex::new(Notifications::new()),
            vgic: Mutex::new(Vgic::new()),
            counters: Counters::new(),
            lines: Lines::new(),
        }
    }

    /// Whether a context of a new instance has yet to be entered for the first time, and can be.
    pub(crate) fn is_new(&self, seat: &Seat) -> bool {
        self.restarts.load(Ordering::Acquire) != 0
            && seat.state() == State::Off
            && (self.life.get() == Life::Starting || self.secondary_entry.load(Ordering::Acquire) != 0)
    }

    /// Whether it was stopped, or has failed: none of its contexts is entered before it is restarted.
    pub(crate) fn stopped(&self) -> bool {
        !self.life.get().lives()
    }
}
