//! What passes between the policy and the machine: events in, actions out, and the ports it may use.

use crate::quote::Taken;
use crate::table::{Core, Rights};

/// The registers x0 to x17 of a call or an answer (DEN0028E, section 2.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Regs(pub [u64; 18]);

impl Regs {
    /// Registers whose first values are given; the others are zero.
    #[must_use]
    pub fn new(first: &[u64]) -> Self {
        let mut regs = [0; 18];
        for (to, from) in regs.iter_mut().zip(first) {
            *to = *from;
        }
        Self(regs)
    }
}

/// One execution context: the partition's index in the table, and the core it is at home on.
///
/// The context's number (its vCPU ID in FF-A) is the rank of `home` in the partition's core mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    /// Index into `Table::partitions`.
    pub partition: usize,
    /// The core on which new calls enter it.
    pub home: Core,
}

/// How a partition made a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conduit {
    /// SMC #0.
    Smc,
    /// HVC #0: the paravirtual interrupt calls, and FF-A as well.
    Hvc,
}

/// What a partition did that it must not, as the vector saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// ESR_EL2.
    pub syndrome: u64,
    /// FAR_EL2.
    pub address: u64,
    /// Intermediate physical address, where the syndrome is a stage-2 abort.
    pub ipa: u64,
    /// ELR_EL2.
    pub pc: u64,
}

/// A system register, by its encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SystemRegister(u16);

impl SystemRegister {
    /// The one with this encoding; each part is cut to its bits.
    #[must_use]
    pub const fn new(op0: u16, op1: u16, crn: u16, crm: u16, op2: u16) -> Self {
        Self((op0 & 3) << 14 | (op1 & 7) << 11 | (crn & 15) << 7 | (crm & 15) << 3 | op2 & 7)
    }

    /// op0, op1, CRn, CRm and op2.
    #[must_use]
    pub const fn parts(self) -> (u16, u16, u16, u16, u16) {
        let Self(all) = self;
        (all >> 14, all >> 11 & 7, all >> 7 & 15, all >> 3 & 15, all & 7)
    }
}

/// What a partition accessed that is not there by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A system register.
    Register(SystemRegister),
    /// An intermediate physical address that stage 2 does not map.
    Memory {
        /// The address.
        address: u64,
        /// Bytes of the access: 1, 2, 4 or 8.
        size: u64,
    },
}

/// An access of a partition to what stage 2 or a trap keeps from it. The instruction is behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trapped {
    /// What was accessed.
    pub place: Place,
    /// What it writes; none where it reads.
    pub write: Option<u64>,
    /// Number of the general register that gets what is read; 31 is the zero register.
    pub target: u64,
    /// What it is if nothing is emulated there.
    pub fault: Fault,
}

/// What happened on a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The hypervisor is ready on the boot core: start the partitions in the table's order.
    Boot,
    /// This core came up (again); the context registers hold nothing of value.
    CoreOn,
    /// A call that the SPMD forwarded, or a message of the SPMD itself.
    Normal(Regs),
    /// The partition that runs here made a call.
    Call(Conduit, Regs),
    /// An interrupt of the normal world is pending while a partition runs here.
    NormalInterrupt,
    /// A secure interrupt was acknowledged here (not the deadline timer's), while a partition ran
    /// or behind the SPMD's FFA_INTERRUPT. It stays active until `Ports::end_interrupt`.
    SecureInterrupt(u32),
    /// Another core has called this one by `Ports::call_core`: while a partition ran, or behind the
    /// SPMD's FFA_INTERRUPT; or the time of `Ports::wake` has come, while the normal world has the core. It is dealt with already, and may come without need.
    Called,
    /// The deadline of the context that runs here has passed.
    Deadline,
    /// The time of [`Ports::set_alarm`] has come, while a partition ran, or behind the SPMD's FFA_INTERRUPT.
    Alarm,
    /// The partition that runs here accessed what may be emulated for it.
    Trapped(Trapped),
    /// The partition that runs here did what it must not.
    Fault(Fault),
}

/// How a context is entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// From reset: at `pc`, MMU off, x0 as given, all else zero.
    Start {
        /// Address of the first instruction.
        pc: u64,
        /// Value of x0.
        x0: u64,
    },
    /// Where it was interrupted, with the registers that it had.
    Resume,
    /// Behind its call, with x0 to x17 as given.
    Answer(Regs),
    /// As `Resume`, with one register changed: an access that was emulated has read it.
    Load {
        /// Number of the general register; 31 is the zero register. A word, as are the others here: copies move
        /// words.
        target: u64,
        /// Its value.
        value: u64,
    },
}

/// Until when a context may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deadline {
    /// As before: a deadline that was set goes on, else there is none.
    Keep,
    /// No deadline.
    None,
    /// This many microseconds from now.
    Micros(u32),
}

/// Enter a context on this core. The policy has made it this core's own before it says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Which one.
    pub context: Context,
    /// How.
    pub entry: Entry,
    /// Whether a virtual IRQ is pending for it.
    pub virtual_irq: bool,
    /// Whether a virtual FIQ is pending for it (a managed exit that is not signalled as IRQ).
    pub virtual_fiq: bool,
    /// Until when.
    pub deadline: Deadline,
    /// Interrupts of the normal world stay pending while it runs: one is queued, or a managed exit is under way.
    pub hold_normal: bool,
}

/// A context's turn on this core: all that a [`Run`] says but how it is entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Whose.
    pub context: Context,
    /// As in [`Run`].
    pub virtual_irq: bool,
    /// As in [`Run`].
    pub virtual_fiq: bool,
    /// As in [`Run`].
    pub deadline: Deadline,
    /// As in [`Run`].
    pub hold_normal: bool,
}

impl Turn {
    /// With how it is entered.
    #[must_use]
    pub const fn by(self, entry: Entry) -> Run {
        let Self {
            context,
            virtual_irq,
            virtual_fiq,
            deadline,
            hold_normal,
        } = self;
        Run {
            context,
            entry,
            virtual_irq,
            virtual_fiq,
            deadline,
            hold_normal,
        }
    }
}

impl Run {
    /// Without how it is entered.
    #[must_use]
    pub const fn turn(&self) -> Turn {
        Turn {
            context: self.context,
            virtual_irq: self.virtual_irq,
            virtual_fiq: self.virtual_fiq,
            deadline: self.deadline,
            hold_normal: self.hold_normal,
        }
    }
}

/// What follows a call whose registers are changed where they lie: an [`Action`] without copies of them. With a number of its
/// own for each, not those of the action's: each call is told what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Next {
    /// The caller goes on with the answer that its registers hold by now, and nothing else has changed for it.
    Back,
    /// The registers are for this context, which may be the caller.
    Enter(Turn),
    /// x0 to x7 of the normal world's call are for this context, which finds zero in x8 to x17. Where the normal world
    /// has these they stay as they are until its next call.
    EnterShort(Turn),
    /// The registers of a partition's call are for the normal world, which gets the core; the context waits from
    /// `settle_waiting` on.
    Leave,
    /// As `Leave`, of x0 to x7: the normal world has in x8 to x17 what it called with.
    LeaveShort,
    /// The registers do not count any more.
    Other(Action),
}

/// What the shell does next on this core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Enter a context; the next event comes from it.
    Run(Run),
    /// Hand these registers to the SPMD, and with it the core to the normal world; the next event
    /// is its next call.
    Normal(Regs),
    /// Nothing more runs on this core, nor on any other: a partition has failed without which the machine is not
    /// to go on (an index in the table).
    Halt(usize),
    /// Wait on this core, which is a partition's own, for a secure interrupt: the next event is
    /// [`Event::SecureInterrupt`] or [`Event::Called`].
    Idle,
}

/// Who owns a page that the policy copies from or to. None of them is zero: where there may be none, that is, and zeros
/// take no room in an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum World {
    /// Secure physical address space.
    Secure = 1,
    /// Non-secure physical address space.
    Normal,
}

/// A 4 KiB page of physical memory that a check has allowed to be copied from or to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Its address space.
    pub world: World,
    /// Its address, 4 KiB-aligned.
    pub address: u64,
}

/// What a borrower may do with a borrowed page. Execution is never granted across worlds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Loads only.
    Read,
    /// Loads and stores.
    ReadWrite,
}

/// What became of a page of an image that was put back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restored {
    /// It is in its place, and there are more.
    More,
    /// It was the last one; all together are what the table names, and the partition can be entered.
    Whole,
    /// There is no such image, or it is not the one that the table names.
    Refused,
}

/// Why a partition has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It did what it must not.
    Fault(Fault),
    /// It gave itself up with FFA_ABORT and this code (w2).
    Aborted(u32),
    /// It turned itself off or reset itself, as if the machine were its own, by this function of PSCI (DEN0022).
    TurnedOff(u32),
    /// A call of the normal world has taken longer than its budget.
    OverBudget,
    /// It did not finish its start in time.
    StartTimeout,
    /// It reported that it cannot start.
    StartFailed,
}

/// How a partition has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The context that did, or did not, what it should.
    pub context: Context,
    /// The core that it had.
    pub core: Core,
    /// Why.
    pub cause: Cause,
}

/// Something worth a line in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// A partition was entered for the first time.
    Started {
        /// Index in the table.
        partition: usize,
    },
    /// A partition has finished its start and waits for messages.
    Ready {
        /// Index in the table.
        partition: usize,
    },
    /// A partition has failed: once for each of its lives, on the core on which that was, which has the context's
    /// registers still.
    Failed(Failure),
    /// A partition did not answer a power message in time.
    PowerTimeout {
        /// Index in the table.
        partition: usize,
    },
    /// A partition that has failed is restarted after a rest.
    Rests {
        /// Index in the table.
        partition: usize,
        /// How long it rests.
        micros: u64,
    },
    /// The normal world has started anew, and this partition does with it.
    Renewed {
        /// Index in the table.
        partition: usize,
    },
    /// A partition has failed more often than it is restarted.
    GivenUp {
        /// Index in the table.
        partition: usize,
    },
    /// The image that a partition should be restarted from is not the one that the table names.
    NotRestored {
        /// Index in the table.
        partition: usize,
    },
    /// A partition's memory is cleared, and its image in place and measured.
    Restored {
        /// Index in the table.
        partition: usize,
        /// In so many slices.
        slices: u32,
        /// Which took so long together.
        micros: u64,
        /// And the longest of them so long (microseconds).
        longest: u64,
        /// Microseconds since it failed.
        since: u64,
    },
    /// The first context of a partition's new instance waits for messages.
    Restarted {
        /// Index in the table.
        partition: usize,
        /// Microseconds since it failed.
        since: u64,
    },
    /// An interrupt of a partition took more of others' time than its part, and is held back for a while.
    Storm {
        /// Index in the table.
        partition: usize,
        /// Its number; none: one of the partition's own SGIs or timers.
        intid: Option<u32>,
        /// How often it was held back.
        held: u32,
    },
    /// A partition has left so many managed exits in a row unfinished that it is preempted at once from now on.
    NoManagedExit {
        /// Index in the table.
        partition: usize,
    },
    /// A partition has logged more than it may; the rest was dropped.
    Dropped {
        /// Index in the table.
        partition: usize,
        /// So much of it.
        bytes: u64,
    },
    /// A secure interrupt came that no partition owns; it was disabled.
    UnownedInterrupt {
        /// Its number.
        intid: u32,
    },
    /// Preemption figures of one partition, every so often.
    Preemptions {
        /// Index in the table.
        partition: usize,
        /// Interrupts of the normal world that came while it ran.
        total: u32,
        /// Those for which it left by itself in time: told of them (managed exit), or not (queued).
        managed: u32,
        /// Those after which the context was left where it was.
        forced: u32,
        /// Contexts resumed on another core than the one they were preempted on.
        migrated: u32,
    },
}

/// What the policy may ask of the machine while it decides. The shell implements it; tests do too.
pub trait Ports {
    /// Copies from a page into `into`, starting at `offset`; `offset + into.len()` is at most 4096.
    fn read(&mut self, page: Page, offset: usize, into: &mut [u8]);
    /// Copies `from` into a page at `offset`; `offset + from.len()` is at most 4096.
    fn write(&mut self, page: Page, offset: usize, from: &[u8]);
    /// Maps `count` pages of normal-world memory from `address` on at page `slot` of the
    /// partition's window. The slots were free.
    fn map_window(&mut self, partition: usize, slot: u32, address: u64, count: u32, access: Access);
    /// Unmaps `count` slots of the window from `slot` on, and returns when no core can use them.
    fn unmap_window(&mut self, partition: usize, slot: u32, count: u32);
    /// Lets a partition reach `count` pages of secure memory from `address` on with these rights, or not at
    /// all, and returns when no core can use what was taken. It could reach none of them before where it gets
    /// rights. The pages are a partition's by the table: this one's, or one's that is a caller of it with
    /// pages to share.
    fn set_secure(&mut self, partition: usize, address: u64, count: u32, rights: Option<Rights>);
    /// Clears `count` pages of this world's memory from `address` on.
    fn clear(&mut self, world: World, address: u64, count: u32);
    /// Puts page `page` of a partition's pristine image in its place and measures it; page 0 begins a new
    /// measurement, and the others follow in order. Behind the last one the partition's boot information and
    /// manifest are written.
    fn restore(&mut self, partition: usize, page: u32) -> Restored;
    /// Writes what the table says to the registers of a partition's devices ([`crate::table::Partition::quiesce`]).
    fn quiesce(&mut self, partition: usize);
    /// The owner of a secure interrupt has dealt with it: deactivate it. `core` is the one on which it
    /// came; for a private interrupt (PPI) that need not be the one that says so.
    fn end_interrupt(&mut self, intid: u32, core: Core);
    /// A secure interrupt has no owner: it does not come to this core any more, or where it is shared to none.
    fn disable_interrupt(&mut self, intid: u32, core: Core);
    /// Microseconds since some moment before the start; never goes back, and all cores have the same.
    fn now(&mut self) -> u64;
    /// The counter that partitions read as CNTPCT_EL0 and CNTVCT_EL0.
    fn counter(&mut self) -> u64;
    /// Has [`Event::Alarm`] happen on this core when the counter has this value, or not at all. An alarm that
    /// was set before is forgotten.
    fn set_alarm(&mut self, at: Option<u64>);
    /// Raises the schedule-receiver interrupt in the normal world, on a core; none: on this one.
    fn schedule_receiver(&mut self, core: Option<Core>);
    /// A partition's own key, 32 bytes as four little-endian words. The table says that it has one.
    fn key(&mut self, partition: usize) -> [u64; 4];
    /// SHA-256 of a partition's image as it was found at the start, the table's or not; none: of the hypervisor's own code
    /// and constants. None where it was not measured.
    fn measured(&mut self, partition: Option<usize>) -> Option<[u8; 32]>;
    /// Which package of a partition was taken by its vendor's signature; none where no package of it was.
    fn taken(&mut self, partition: usize) -> Option<Taken>;
    /// Signs a text with the machine's own key, by Ed25519 (RFC 8032). None where the table lets nobody have that.
    fn sign(&mut self, text: &[u8]) -> Option<[u8; 64]>;
    /// Random bits for a partition, different at each call and from every other's; none where the machine
    /// has no source of them, or it fails.
    fn random(&mut self, partition: usize) -> Option<[u64; 3]>;
    /// Has [`Event::Called`] happen on a core, which may be this one. Nobody but the hypervisor can.
    fn call_core(&mut self, core: Core);
    /// Has [`Event::Called`] happen on this core in so many microseconds, or later: as soon as the normal world
    /// has it. A time that was asked for before, and is later, is forgotten.
    fn wake(&mut self, micros: u32);
    /// A partition's console output, 1 to 128 bytes.
    fn console(&mut self, partition: usize, bytes: &[u8]);
    /// A line for the log.
    fn note(&mut self, note: Note);
}
