//! One execution context: who owns it, and what it has to answer.
//!
//! A context changes hands by one atomic exchange of its state; whoever moved it to `Running` owns
//! the rest of it until it moves it on. No lock is taken.

use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use crate::decode::Form;
use crate::table::Core;

/// What a context is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Never entered.
    Off,
    /// Behind FFA_MSG_WAIT or an answer: a new call can enter it.
    Waiting,
    /// It owns this core, and this core owns it.
    Running(Core),
    /// A normal-world interrupt took this core from it; FFA_RUN resumes it.
    Preempted(Core),
    /// It gave this core up with FFA_YIELD; FFA_RUN resumes it.
    Yielded(Core),
}

impl State {
    pub(crate) const fn pack(self) -> u32 {
        match self {
            Self::Off => 0,
            Self::Waiting => 1,
            Self::Running(core) => 2 | (core as u32) << 8,
            Self::Preempted(core) => 3 | (core as u32) << 8,
            Self::Yielded(core) => 4 | (core as u32) << 8,
        }
    }

    pub(crate) const fn unpack(value: u32) -> Self {
        let core = (value >> 8 & 0xff) as Core;
        match value & 0xff {
            1 => Self::Waiting,
            2 => Self::Running(core),
            3 => Self::Preempted(core),
            4 => Self::Yielded(core),
            _ => Self::Off,
        }
    }
}

/// Why a context runs, that is: what has to become of its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Nothing: it was started, or given cycles by FFA_RUN.
    Cycles,
    /// A direct request of this endpoint waits for its response.
    Request {
        /// The sender.
        source: u16,
        /// Whether it was FFA_MSG_SEND_DIRECT_REQ2.
        extended: bool,
    },
}

impl Task {
    /// The task that a request makes.
    pub(crate) fn request(source: u16, form: Form) -> Self {
        Self::Request {
            source,
            extended: form == Form::Extended,
        }
    }

    const fn pack(self) -> u32 {
        match self {
            Self::Cycles => 0,
            Self::Request { source, extended } => 1 | (extended as u32) << 1 | (source as u32) << 16,
        }
    }

    const fn unpack(value: u32) -> Self {
        if value & 1 == 0 {
            return Self::Cycles;
        }
        Self::Request {
            source: (value >> 16) as u16,
            extended: value & 2 != 0,
        }
    }
}

/// The shared state of one context.
#[derive(Debug)]
pub(crate) struct Seat {
    state: AtomicU32,
    task: AtomicU32,
    managed: AtomicBool,
    /// Virtual interrupts: a bit each, see `paravirtual`.
    pub enabled: AtomicU64,
    /// Those pending.
    pub pending: AtomicU64,
    /// Physical ones that came and were not dealt with yet.
    pub active: AtomicU64,
    /// Those signalled as virtual FIQ, not IRQ.
    pub fiq: AtomicU64,
}

impl Seat {
    pub(crate) const fn new() -> Self {
        Self {
            state: AtomicU32::new(State::Off.pack()),
            task: AtomicU32::new(Task::Cycles.pack()),
            managed: AtomicBool::new(false),
            enabled: AtomicU64::new(0),
            pending: AtomicU64::new(0),
            active: AtomicU64::new(0),
            fiq: AtomicU64::new(0),
        }
    }

    pub(crate) fn state(&self) -> State {
        State::unpack(self.state.load(Ordering::Acquire))
    }

    /// Moves it from one state to another; false if it was not in the first. All that its last
    /// owner did is seen by the next one.
    pub(crate) fn change(&self, from: State, to: State) -> bool {
        self.state
            .compare_exchange(from.pack(), to.pack(), Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }

    /// Moves it on from `Running`; for its owner only.
    pub(crate) fn leave(&self, to: State) {
        self.state.store(to.pack(), Ordering::Release);
    }

    pub(crate) fn task(&self) -> Task {
        Task::unpack(self.task.load(Ordering::Relaxed))
    }

    pub(crate) fn set_task(&self, task: Task) {
        self.task.store(task.pack(), Ordering::Relaxed);
    }

    /// Whether a managed exit is under way.
    pub(crate) fn managed(&self) -> bool {
        self.managed.load(Ordering::Relaxed)
    }

    pub(crate) fn set_managed(&self, managed: bool) {
        self.managed.store(managed, Ordering::Relaxed);
    }
}
