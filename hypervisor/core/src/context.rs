//! One execution context: who owns it, and what it has to answer.
//!
//! A context changes hands by one atomic exchange of its state; whoever moved it to `Running` owns
//! the rest of it until it moves it on. No lock is taken.

use crate::api::Regs;
use crate::decode::{Form, Head};
use crate::moment::Moment;
use crate::power::POWER_ANSWER;
use crate::spmc::SECURE;
use crate::storm::Share;
use crate::sync::{AtomicBool, AtomicU32, AtomicU64, Ordering};
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
    /// It waits for the answer of a partition that it called: that answer resumes it, and nothing else.
    Blocked,
    /// A secure interrupt of another partition took this core from it; the end of its handling gives
    /// it back.
    Displaced(Core),
}

impl State {
    #[inline]
    pub(crate) const fn pack(self) -> u32 {
        match self {
            Self::Off => 0,
            Self::Waiting => 1,
            Self::Running(core) => 2 | (core as u32) << 8,
            Self::Preempted(core) => 3 | (core as u32) << 8,
            Self::Yielded(core) => 4 | (core as u32) << 8,
            Self::Blocked => 5,
            Self::Displaced(core) => 6 | (core as u32) << 8,
        }
    }

    #[inline]
    pub(crate) const fn unpack(value: u32) -> Self {
        let core = (value >> 8 & 0xff) as Core;
        match value & 0xff {
            1 => Self::Waiting,
            2 => Self::Running(core),
            3 => Self::Preempted(core),
            4 => Self::Yielded(core),
            5 => Self::Blocked,
            6 => Self::Displaced(core),
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
        /// The sender. A partition's context of the same number is the one that is blocked on it.
        source: u16,
        /// Which kind of response answers it.
        kind: Kind,
    },
    /// A direct request whose sender is gone: a normal world that has started anew. What it answers
    /// reaches nobody.
    Orphan {
        /// The sender that was.
        source: u16,
        /// Which kind of response ends it.
        kind: Kind,
    },
    /// Nothing: it was entered for a secure interrupt of its own.
    Interrupt,
    /// Nothing: it is a context of a new instance, and was entered for the first time.
    Start,
    /// A direct request of the normal world whose response goes into its ticket.
    Forwarded {
        /// The sender.
        source: u16,
        /// Which kind of response answers it.
        kind: Kind,
    },
}

/// What a direct request is, and so what its response has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// FFA_MSG_SEND_DIRECT_REQ with a message of the sender.
    Plain,
    /// FFA_MSG_SEND_DIRECT_REQ2.
    Extended,
    /// A framework message: a virtual machine was created.
    VmCreated,
    /// A framework message: a virtual machine is gone.
    VmDestroyed,
    /// A framework message of the SPMC: something happens to the core.
    Power,
}

impl Kind {
    /// The kind of a request.
    pub(crate) fn of(request: Head) -> Self {
        match (request.form, request.flags) {
            (Form::Extended, _) => Self::Extended,
            (_, VM_CREATED) => Self::VmCreated,
            (_, VM_DESTROYED) => Self::VmDestroyed,
            _ => Self::Plain,
        }
    }

    /// The flags (w2) of the response; none where w2 is no flags.
    pub(crate) const fn response_flags(self) -> Option<u32> {
        match self {
            Self::Plain => Some(0),
            Self::Extended => None,
            Self::VmCreated => Some(VM_CREATED | 1),
            Self::VmDestroyed => Some(VM_DESTROYED | 1),
            Self::Power => Some(POWER_ANSWER),
        }
    }
}

/// Flags of framework messages by which a hypervisor tells of its virtual machines (DEN0077A 1.2, section
/// 18.3); each response has the next number.
pub(crate) const VM_CREATED: u32 = 1 << 31 | 4;
pub(crate) const VM_DESTROYED: u32 = 1 << 31 | 6;

impl Task {
    /// The partition that waits for the answer, or holds the context, where one does.
    pub(crate) const fn caller(self) -> Option<u16> {
        match self {
            Self::Request { source, kind } if source >= SECURE && !matches!(kind, Kind::Power) => {
                Some(source)
            }
            _ => None,
        }
    }

    #[inline]
    const fn pack(self) -> u32 {
        match self {
            Self::Cycles => 0,
            Self::Request { source, kind } => 1 | (kind as u32) << 8 | (source as u32) << 16,
            Self::Orphan { source, kind } => 2 | (kind as u32) << 8 | (source as u32) << 16,
            Self::Interrupt => 3,
            Self::Start => 5,
            Self::Forwarded { source, kind } => 4 | (kind as u32) << 8 | (source as u32) << 16,
        }
    }

    #[inline]
    const fn unpack(value: u32) -> Self {
        let source = (value >> 16) as u16;
        let kind = match value >> 8 & 0xff {
            0 => Kind::Plain,
            1 => Kind::Extended,
            2 => Kind::VmCreated,
            3 => Kind::VmDestroyed,
            _ => Kind::Power,
        };
        match value & 0xff {
            1 => Self::Request { source, kind },
            2 => Self::Orphan { source, kind },
            3 => Self::Interrupt,
            5 => Self::Start,
            4 => Self::Forwarded { source, kind },
            _ => Self::Cycles,
        }
    }
}

/// The registers x8 to x17.
const KEPT: usize = 10;

/// The registers x8 to x17 of a call whose answer does not change them.
#[derive(Debug)]
pub(crate) struct Kept([AtomicU64; KEPT]);

impl Kept {
    pub(crate) const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; KEPT])
    }

    /// Remembers those of a call.
    #[inline]
    pub(crate) fn keep(&self, regs: &Regs) {
        for (to, from) in self.0.iter().zip(regs.0.iter().skip(8)) {
            to.store(*from, Ordering::Relaxed);
        }
    }

    /// Takes them out of the registers of a call: they are zero then.
    #[inline]
    pub(crate) fn take(&self, regs: &mut Regs) {
        for (to, from) in self.0.iter().zip(regs.0.iter_mut().skip(8)) {
            to.store(*from, Ordering::Relaxed);
            *from = 0;
        }
    }

    /// Puts them in their places.
    #[inline]
    pub(crate) fn put(&self, regs: &mut Regs) {
        for (to, from) in regs.0.iter_mut().skip(8).zip(&self.0) {
            *to = from.load(Ordering::Relaxed);
        }
    }

    /// In their places; x0 to x7 are zero.
    pub(crate) fn regs(&self) -> Regs {
        let mut regs = Regs([0; 18]);
        self.put(&mut regs);
        regs
    }
}

/// The shared state of one context.
#[derive(Debug)]
pub(crate) struct Seat {
    state: AtomicU32,
    task: AtomicU32,
    pressed: AtomicBool,
    /// When the context got its core for the call of the normal world that it works on, where that has a budget
    /// (microseconds; 0: it has not), and the time that it had before that.
    pub entered: AtomicU64,
    pub used: AtomicU64,
    /// The longest that it had for one such call so far.
    pub longest: AtomicU64,
    /// When it last yielded to the partition that called it (microseconds).
    pub yielded: AtomicU64,
    /// A call of the normal world died here, and its caller has not come for it (`ghost`).
    pub ghost: AtomicBool,
    /// It waited for a partition that is no more: it goes on with ABORTED. For its owner.
    pub bereft: AtomicBool,
    /// What the context had in x8 to x17 when it made a call that is answered later.
    pub kept: Kept,
    /// Virtual interrupts: a bit each, see `paravirtual`.
    pub enabled: AtomicU64,
    /// Those pending.
    pub pending: AtomicU64,
    /// Physical ones that came and were not dealt with yet.
    pub active: AtomicU64,
    /// Whether a physical interrupt waits for this context that the normal world's scheduler was not
    /// told of yet.
    pub late: AtomicBool,
    /// Those signalled as virtual FIQ, not IRQ.
    pub fiq: AtomicU64,
    /// When its next timer goes off.
    pub alarm: Moment,
    /// Its core is to look at it: it was called, or will be woken. An interrupt may be pending.
    pub kicked: AtomicBool,
    /// What it has had of its home for interrupts.
    pub share: Share,
}

impl Seat {
    pub(crate) const fn new() -> Self {
        Self {
            state: AtomicU32::new(State::Off.pack()),
            task: AtomicU32::new(Task::Cycles.pack()),
            pressed: AtomicBool::new(false),
            entered: AtomicU64::new(0),
            used: AtomicU64::new(0),
            longest: AtomicU64::new(0),
            yielded: AtomicU64::new(0),
            ghost: AtomicBool::new(false),
            bereft: AtomicBool::new(false),
            kept: Kept::new(),
            enabled: AtomicU64::new(0),
            pending: AtomicU64::new(0),
            active: AtomicU64::new(0),
            late: AtomicBool::new(false),
            fiq: AtomicU64::new(0),
            alarm: Moment::new(),
            kicked: AtomicBool::new(false),
            share: Share::new(),
        }
    }

    pub(crate) fn state(&self) -> State {
        State::unpack(self.state.load(Ordering::Acquire))
    }

    /// Moves it from one state to another; false if it was not in the first. All that its last
    /// owner did is seen by the next one.
    #[inline]
    pub(crate) fn change(&self, from: State, to: State) -> bool {
        self.state
            .compare_exchange(from.pack(), to.pack(), Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }

    /// Moves it on from `Running`; for its owner only.
    #[inline]
    pub(crate) fn leave(&self, to: State) {
        self.state.store(to.pack(), Ordering::Release);
    }

    /// Whether this is what it is doing.
    #[inline]
    pub(crate) fn is_at(&self, task: Task) -> bool {
        self.task.load(Ordering::Relaxed) == task.pack()
    }

    #[inline]
    pub(crate) fn task(&self) -> Task {
        Task::unpack(self.task.load(Ordering::Relaxed))
    }

    #[inline]
    pub(crate) fn set_task(&self, task: Task) {
        self.task.store(task.pack(), Ordering::Relaxed);
    }

    /// Makes a request of the normal world one that nobody waits for.
    pub(crate) fn orphan(&self) {
        self.retask(|task| match task {
            Task::Request { source, kind } if source < SECURE => Some(Task::Orphan { source, kind }),
            Task::Forwarded { source, kind } => Some(Task::Orphan { source, kind }),
            _ => None,
        });
    }

    /// Makes a request of a partition one that nobody waits for; for the context's owner only.
    pub(crate) fn abandon(&self) {
        if let task @ Task::Request { source, kind } = self.task()
            && task.caller().is_some()
        {
            self.set_task(Task::Orphan { source, kind });
        }
    }

    /// Makes a request of the normal world one whose answer goes into its ticket; false where it is none.
    pub(crate) fn forward(&self) -> bool {
        self.retask(|task| match task {
            Task::Request { source, kind } if source < SECURE => Some(Task::Forwarded { source, kind }),
            _ => None,
        })
    }

    /// Gives a context that does not run another task. One that was resumed meanwhile may have a new one by
    /// now: that stays.
    fn retask(&self, change: impl Fn(Task) -> Option<Task>) -> bool {
        let packed = self.task.load(Ordering::Relaxed);
        change(Task::unpack(packed)).is_some_and(|task| {
            self.task
                .compare_exchange(packed, task.pack(), Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        })
    }

    /// Whether an interrupt of the normal world waits for it: queued, or behind a managed exit.
    #[inline]
    pub(crate) fn pressed(&self) -> bool {
        self.pressed.load(Ordering::Relaxed)
    }

    pub(crate) fn set_pressed(&self, pressed: bool) {
        self.pressed.store(pressed, Ordering::Relaxed);
    }
}
