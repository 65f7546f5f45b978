//! The life of a partition, from its first start over its failures to its end.

use crate::api::Cause;
use crate::sync::{AtomicU32, Ordering, fence};
use crate::table::Core;

/// How far a partition is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It is there: it was started, or waits for the start of the system.
    Running,
    /// It has failed: none of its contexts is entered. It rests, until it may be restarted.
    Failed,
    /// Its memory is cleared, and its image put back and measured.
    Restoring,
    /// Its new instance has been entered, and is not ready yet.
    Starting,
    /// It has failed for good, or its image is not the one that the table names.
    Stopped,
}

impl Life {
    const fn pack(self) -> u32 {
        match self {
            Self::Running => 0,
            Self::Failed => 1,
            Self::Restoring => 2,
            Self::Starting => 3,
            Self::Stopped => 4,
        }
    }

    const fn unpack(value: u32) -> Self {
        match value {
            0 => Self::Running,
            1 => Self::Failed,
            2 => Self::Restoring,
            3 => Self::Starting,
            _ => Self::Stopped,
        }
    }

    /// Whether its contexts may be entered.
    #[must_use]
    pub const fn lives(self) -> bool {
        matches!(self, Self::Running | Self::Starting)
    }
}

/// What is remembered of a partition's failures, for who inspects (docs/inspect.md, page 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failures {
    /// How often it has failed; it stays at the highest number.
    pub count: u32,
    /// Why, the last time: 0 where it never has. Numbers are never used for anything else.
    pub cause: u8,
    /// The core that it had.
    pub core: Core,
    /// When (microseconds since the counter started).
    pub when: u64,
    /// ESR_EL2 of a fault, the code of FFA_ABORT, or the function of PSCI.
    pub detail: u64,
}

impl Failures {
    pub(crate) const fn new() -> Self {
        Self {
            count: 0,
            cause: 0,
            core: 0,
            when: 0,
            detail: 0,
        }
    }

    /// One more, on a core, at a moment (microseconds).
    pub(crate) fn note(&mut self, cause: &Cause, core: Core, when: u64) {
        let (cause, detail) = match *cause {
            Cause::Fault(fault) => (1, fault.syndrome),
            Cause::Aborted(code) => (2, u64::from(code)),
            Cause::TurnedOff(function) => (7, u64::from(function)),
            Cause::OverBudget => (3, 0),
            Cause::StartTimeout => (4, 0),
            Cause::StartFailed => (5, 0),
        };
        *self = Self {
            count: self.count.saturating_add(1),
            cause,
            core,
            when,
            detail,
        };
    }

    /// Its image was not the one that the table names: in the boot loader's memory, or later in the store.
    pub(crate) fn refuse_image(&mut self, core: Core, when: u64) {
        *self = Self {
            count: self.count.saturating_add(1),
            cause: 6,
            core,
            when,
            detail: 0,
        };
    }
}

/// The life of one partition as all cores see it.
#[derive(Debug)]
pub(crate) struct Now(AtomicU32);

impl Now {
    pub(crate) const fn new() -> Self {
        Self(AtomicU32::new(Life::Running.pack()))
    }

    #[inline]
    pub(crate) fn get(&self) -> Life {
        Life::unpack(self.0.load(Ordering::Acquire))
    }

    /// Moves on from one of the states in which contexts may be entered; false where it is in none: another
    /// core was faster. What is read of contexts afterwards is newer than that: one that was made a core's own
    /// without being seen by then finds the new state (`confirmed`).
    pub(crate) fn end(&self, to: Life) -> bool {
        let ended = [Life::Running, Life::Starting]
            .iter()
            .any(|from| self.change(*from, to));
        fence(Ordering::SeqCst);
        ended
    }

    pub(crate) fn change(&self, from: Life, to: Life) -> bool {
        self.0
            .compare_exchange(from.pack(), to.pack(), Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }

    pub(crate) fn set(&self, life: Life) {
        self.0.store(life.pack(), Ordering::Release);
    }

    /// Whether it still lives, asked by who has just made a context that was off a core's own.
    pub(crate) fn confirmed(&self) -> bool {
        fence(Ordering::SeqCst);
        self.get().lives()
    }
}
