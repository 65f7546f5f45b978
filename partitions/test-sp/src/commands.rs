//! What the bare-metal cases and the test partition say to each other.
//!
//! A case sends FFA_MSG_SEND_DIRECT_REQ, 64-bit form, with a command in x3 and arguments in x4 to
//! x7; the partition answers with a status in x3 (0, or an FF-A status) and results in x4 to x7. What
//! needs more registers comes by FFA_MSG_SEND_DIRECT_REQ2 (see [`wide`]).

/// Answers x4 to x7 as they came.
pub const ECHO: u64 = 1;
/// Answers its ID (x4), its context (x5) and how many messages the context has had (x6).
pub const IDENTITY: u64 = 2;
/// Retrieves the memory with the handle in x4, with the flags in the low half of x5 (0: those of a share), from
/// the sender in bits 47 to 32 of it (0: who sends the command); answers its
/// first address (x4), the numbers of ranges (x5) and pages (x6), and the sum of all ranges'
/// addresses (x7).
pub const RETRIEVE: u64 = 3;
/// Gives the share with the handle in x4 back.
pub const RELINQUISH: u64 = 4;
/// Reads 8 bytes at the address in x4: the value in x4, the syndrome in x5 (0 if it worked).
pub const READ: u64 = 5;
/// Writes x5 to the address in x4: the syndrome in x5 (0 if it worked).
pub const WRITE: u64 = 6;
/// Looks for the value in x4 in all FP registers and, with what this command makes from it, in system registers: how many hold it (x4 and
/// x5). Then fills all of them with values made from x5.
pub const CLOBBER: u64 = 7;
/// Answers how many system registers no longer hold what the last [`CLOBBER`] of this context put
/// there (x4).
pub const CHECK: u64 = 8;
/// Fills general and FP registers, counts x4 down to zero, in x5 parts if that is not zero, and answers how many
/// registers changed meanwhile (x4), and the counter's value then (x5).
pub const BUSY: u64 = 9;
/// Does the thing numbered in x4 (see [`forbidden`]) with the argument in x5: the syndrome in x5
/// (0 if it was let through) and what it got in x4.
pub const FORBIDDEN: u64 = 10;
/// Makes the FF-A call in x4 with the arguments x5 to x7: x0 to x3 of the answer in x4 to x7.
pub const CALL: u64 = 11;
/// Makes the HVC in x4 with the arguments x5 to x7: x0 of the answer in x4.
pub const HYPERCALL: u64 = 12;
/// Retrieves the share with the handle in x4 and gives it back, without a look at its ranges.
pub const BORROW: u64 = 13;
/// Makes the FF-A call in x4 with the arguments x5 to x7 [`ROUNDS`] times: the ticks of all (x4), x0 and
/// x2 of the last answer (x5 and x6).
pub const TIME: u64 = 14;
/// See [`TIME`].
pub const ROUNDS: u64 = 64;
/// Enables the virtual interrupt x4 and waits for it, for x5 looks at most, without letting it in:
/// whether it came (x4).
pub const AWAIT: u64 = 15;
/// Answers the addresses of its TX buffer (x4), its RX buffer (x5) and of pages that nothing else uses
/// (x6), and how many these are (x7).
pub const PLACES: u64 = 16;
/// Gives FFA_MSG_WAIT the flags in x4 from now on.
pub const WAIT_FLAGS: u64 = 17;

/// Answers what the context in x5 was told last of its core: the type (x4: 0 a PSCI function, 1 warm boot) with its
/// value (x5), how often (x6), and how many of these it has answered (x7). It answers the next one after x4
/// steps.
pub const POWER: u64 = 18;

/// Starts the GIC of the context, with its distributor at x4 and its redistributors from x5 on.
pub const GIC_START: u64 = 40;
/// Enables the interrupt x4 at the priority x5.
pub const GIC_ENABLE: u64 = 41;
/// Answers how often (x4) the context x5 has taken the interrupt x4, and the counter's value when it last took one
/// (x5).
pub const GIC_TAKEN: u64 = 42;
/// Lets interrupts in until the interrupt x4 was taken, for x5 looks at most: whether it was (x4).
pub const GIC_WAIT: u64 = 43;
/// Accesses x5 bytes at the address x4: reads, or writes x7 where x6 is 1. The value in x4, the syndrome in x5 (0 if
/// it worked).
pub const ACCESS: u64 = 44;
/// Reads the register x4 of `sp_rt::gic`: its value in x4.
pub const REGISTER_READ: u64 = 45;
/// Writes x5 to the register x4 of `sp_rt::gic`, and reads the one before x6, where that is not zero: its value in x4.
pub const REGISTER_WRITE: u64 = 46;
/// From now on, an interrupt of a device has the device's register at x4 set to zero.
pub const GIC_QUIET: u64 = 47;
/// From now on, each interrupt takes x4 steps before it is counted.
pub const GIC_SLOW: u64 = 58;

/// Sets up the UART at x4 with the interrupt x5; what it sends comes back to itself where x6 has bit 0; by a GIC where
/// it has bit 1.
pub const UART_START: u64 = 48;
/// Says x4 bytes on it, by interrupts, and hears as many; where x5 is 1 it never has the line fall.
pub const UART_TALK: u64 = 49;
/// Sets up the GPIO at x4 with the interrupt x5; by a GIC where x6 has bit 1.
pub const GPIO_START: u64 = 50;
/// Has a pin of it rise x4 times, each time when the last interrupt was taken, in x5 ms: how often it was (x4).
pub const GPIO_PULSE: u64 = 51;
/// Has its line go up and down at once, x4 times.
pub const GPIO_FLICKER: u64 = 52;
/// Has the line of its device stay up from now on (x4: 1), or no more (0).
pub const DEVICE_STORM: u64 = 53;
/// Answers what it said (x4), heard (x5), heard wrongly (x6), and how many interrupts of its device it took (x7).
pub const DEVICE_STATE: u64 = 54;
/// Has the virtual timer of this context go off x4 ticks behind the last time, for ever (0: no more); by a GIC where
/// x5 has bit 1. How often it went off so far (x4), and interrupts of its device that were nothing (x5).
pub const TICK: u64 = 55;
/// Takes the interrupt x4 on this context, of which it can quiet nothing; by a GIC where x6 has bit 1. What it says is
/// then where it came, a bit for each context.
pub const TAKE_LINE: u64 = 57;
/// Writes x6 to the words at x4 and x5 in turn, x7 times each.
pub const HAMMER: u64 = 56;

/// Writes x5 and x6 in turn to the 8 bytes at x4, x7 times each: what stands there changes under whoever reads it meanwhile.
pub const FLIP: u64 = 70;
/// From the next FFA_RUN of this context on that finds it waiting, makes the FF-A call in x4 with the arguments x5 to x7 in the place of
/// FFA_MSG_WAIT, once. With x4 zero: x0 to x3 of what that was answered with.
pub const LATER: u64 = 71;
/// Reads ID_AA64PFR0_EL1 into each general register: its value (x4), and how many registers were wrong then (x5).
pub const IDENTIFY: u64 = 72;

/// Commands in x4 of FFA_MSG_SEND_DIRECT_REQ2; a request with any other value there is answered with its
/// own x4 to x17.
pub mod wide {
    /// Makes the FF-A call whose x0 to x12 stand in x5 to x17; x0 to x13 of its answer in x4 to x17.
    pub const CALL: u64 = 0x7e57_0001;
    /// Writes x6 to x17 to the TX buffer, from byte x5 on.
    pub const PUT: u64 = 0x7e57_0002;
    /// Answers x4 to x17 from the RX buffer, from byte x5 on.
    pub const LOOK: u64 = 0x7e57_0003;
    /// Answers with x5 to x17 as x0 to x12.
    pub const ANSWER: u64 = 0x7e57_0004;
}

/// Reads 8 bytes at the address in x4 again and again, x5 times: how often they were another value than the first
/// time (x4).
pub const WATCH: u64 = 32;
/// The things that a partition must not do.
pub mod forbidden {
    /// Cleans and invalidates a line by set and way.
    pub const SET_WAY: u64 = 0;
    /// An SMC to firmware: the function in x5.
    pub const FIRMWARE: u64 = 1;
    /// Writes MDSCR_EL1 (debug).
    pub const DEBUG: u64 = 2;
    /// Writes DBGBVR0_EL1 (debug).
    pub const BREAKPOINT: u64 = 3;
    /// Writes PMCR_EL0 (counters).
    pub const COUNTERS: u64 = 4;
    /// Writes ACTLR_EL1.
    pub const AUXILIARY: u64 = 5;
    /// Reads an unallocated system register (S3_0_C15_C0_0).
    pub const UNKNOWN_REGISTER: u64 = 6;
    /// Writes ICC_SGI1R_EL1: sends an SGI to others.
    pub const SGI: u64 = 7;
    /// Writes ICC_PMR_EL1.
    pub const PRIORITY: u64 = 8;
    /// Writes OSLAR_EL1.
    pub const OS_LOCK: u64 = 9;
    /// Writes TRFCR_EL1 (trace).
    pub const TRACE: u64 = 10;
    /// Executes an undefined instruction, expecting nothing: the partition's own fault.
    pub const OWN_FAULT: u64 = 11;
    /// Never comes back.
    pub const HANG: u64 = 12;
    /// Waits for an interrupt (WFI) for ever.
    pub const SLEEP: u64 = 13;
    /// Panics.
    pub const PANIC: u64 = 14;
    /// An SVE instruction.
    pub const SVE: u64 = 15;
    /// Writes APIAKeyLo_EL1 (pointer authentication).
    pub const KEYS: u64 = 16;
    /// Writes CNTPS_CTL_EL1: the timer of EL3.
    pub const SECURE_TIMER: u64 = 19;
    /// Reads ERRIDR_EL1 (error records).
    pub const ERROR_RECORDS: u64 = 20;
    /// Writes AMCR_EL0 (activity monitors).
    pub const ACTIVITY: u64 = 21;
    /// Writes LORC_EL1 (limited ordering regions).
    pub const ORDERING: u64 = 22;
    /// Turns pointer authentication on and signs a pointer with the key that is there.
    pub const SIGN: u64 = 23;
    /// Reads APIAKeyLo_EL1.
    pub const READ_KEYS: u64 = 24;
    /// Reads PMCCNTR_EL0 (the cycle counter).
    pub const READ_CYCLES: u64 = 25;
    /// Reads DBGWCR0_EL1 (a watchpoint of the normal world's).
    pub const READ_WATCHPOINT: u64 = 26;
    /// Reads HCR_EL2, VSTTBR_EL2, and SCR_EL3.
    pub const READ_HCR: u64 = 27;
    /// See [`READ_HCR`].
    pub const READ_VSTTBR: u64 = 28;
    /// See [`READ_HCR`].
    pub const READ_SCR: u64 = 29;
    /// Writes VTTBR_EL2.
    pub const WRITE_VTTBR: u64 = 30;
    /// Writes PMSCR_EL1 (statistical profiling).
    pub const PROFILING: u64 = 31;
    /// Writes TRBLIMITR_EL1 (trace buffer).
    pub const TRACE_BUFFER: u64 = 32;
}

/// What notifications ask of a partition that takes no requests, as bits.
#[allow(dead_code)] // Each side uses some.
pub mod wish {
    /// The first ID of partitions that take wishes.
    pub const FIRST_ID: u64 = 0x8010;
    /// To be answered with the same bit.
    pub const ECHO: u64 = 1 << 0;
    /// To keep a period of a millisecond a thousand times; answered with the same bit.
    pub const PERIOD: u64 = 1 << 1;
    /// The answer to that where the period was not kept.
    pub const LATE: u64 = 1 << 2;
    /// To be heard, and nothing else; the partition that works beside this one may send it, too.
    pub const NOISE: u64 = 1 << 3;
    /// To give up (FFA_ABORT).
    pub const FAIL: u64 = 1 << 4;
    /// All that the normal world may send.
    pub const ALL: u64 = ECHO | PERIOD | NOISE | FAIL;
}
