//! The life of a partition, from its first start over its failures to its end.

use core::sync::atomic::{AtomicU32, Ordering, fence};

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
