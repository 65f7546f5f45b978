//! The machine for the cases: stage 1, further cores, the timer's interrupt, calls.
use core::arch::{asm, global_asm};
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU64, Ordering};
use sp_rt::ffa::Regs;

/// Cores of the machine.
pub const CORES: usize = 4;
/// Bytes of a further core's stack.
const STACK: usize = 64 * 1024;
/// INTID of the EL2 physical timer.
const TIMER: u64 = 26;
/// INTID of the schedule-receiver interrupt, an SGI.
pub const SCHEDULE_RECEIVER: u64 = 8;
/// Redistributor of the first core, the distance to the next one, and its page of private interrupts.
const REDISTRIBUTOR: u64 = 0x080a_0000;
const REDISTRIBUTOR_STRIDE: u64 = 0x2_0000;
const PRIVATE: u64 = 0x1_0000;
const DISTRIBUTOR: u64 = 0x0800_0000;

#[repr(C, align(4096))]
struct Stack(UnsafeCell<[u8; STACK]>);
// SAFETY: used as stack memory by one core; never borrowed by Rust code.
unsafe impl Sync for Stack {}

#[unsafe(link_section = ".stacks")]
static STACKS: [Stack; CORES] = [const { Stack(UnsafeCell::new([0; STACK])) }; CORES];

global_asm!(
    include_str!("machine.S"),
    stacks = sym STACKS,
    stack_size = const STACK,
    further = sym further,
    fatal = sym fatal,
    interrupt = sym interrupt,
);

unsafe extern "C" {
    fn ns_further_entry();
    static ns_vectors: u8;
}

/// One level of 1 GiB blocks: devices below 1 GiB, memory above.
#[repr(C, align(4096))]
struct Table([u64; 512]);

static TABLE: Table = Table({
    // Access flag, inner shareable; attribute 0 is memory, 1 is devices (never executed).
    const MEMORY: u64 = 0x701;
    const DEVICE: u64 = 0x705 | 1 << 54;
    let mut entries = [0; 512];
    entries[0] = DEVICE;
    entries[1] = 0x4000_0000 | MEMORY;
    entries[2] = 0x8000_0000 | MEMORY;
    entries
});

static WORK: [AtomicU64; CORES] = [const { AtomicU64::new(0) }; CORES];
static INTERRUPTS: [AtomicU64; CORES] = [const { AtomicU64::new(0) }; CORES];
/// Bit n: INTID n came.
static CAME: [AtomicU64; CORES] = [const { AtomicU64::new(0) }; CORES];

/// Turns on stage 1 and sets the vectors, on each core.
pub fn start_core() {
    let vectors = (&raw const ns_vectors).addr();
    let table = (&raw const TABLE).addr();
    // SAFETY: everything is mapped onto itself; the vectors are those of machine.S.
    unsafe {
        asm!(
            "msr tpidr_el2, xzr",
            "msr vbar_el2, {vectors}",
            "msr mair_el2, {mair}",
            "msr tcr_el2, {tcr}",
            "msr ttbr0_el2, {table}",
            "isb",
            "tlbi alle2",
            "ic iallu",
            "dsb sy",
            "isb",
            "msr sctlr_el2, {sctlr}",
            "isb",
            vectors = in(reg) vectors,
            mair = in(reg) 0x04ff_u64,
            tcr = in(reg) 25_u64 | 1 << 8 | 1 << 10 | 3 << 12 | 2 << 16 | 1 << 23 | 1 << 31,
            table = in(reg) table,
            sctlr = in(reg) 0x30c5_0830_u64 | 1 | 1 << 2 | 1 << 12,
        );
    }
    start_interrupts();
}

/// Sets up the interrupt controller for the interrupts of this core, routed to EL2.
fn start_interrupts() {
    let private = REDISTRIBUTOR + core_index() as u64 * REDISTRIBUTOR_STRIDE + PRIVATE;
    super::write_device(private + 0x100, 1 << TIMER | 1 << SCHEDULE_RECEIVER);
    super::write_device(DISTRIBUTOR, super::read_device(DISTRIBUTOR) | 0b1_0010);
    // SAFETY: HCR_EL2.IMO and .RW; the CPU interface lets all priorities through, group 1.
    unsafe {
        asm!(
            "mrs {t}, hcr_el2",
            "orr {t}, {t}, #(1 << 4)",
            "orr {t}, {t}, #(1 << 31)",
            "msr hcr_el2, {t}",
            "mov {t}, #0xff",
            "msr S3_0_C4_C6_0, {t}",
            "mov {t}, #1",
            "msr S3_0_C12_C12_7, {t}",
            "isb",
            t = out(reg) _,
        );
    }
}

extern "C" fn interrupt() {
    let intid: u64;
    // SAFETY: acknowledges, stops the timer, and ends the interrupt.
    unsafe {
        asm!("mrs {}, S3_0_C12_C12_0", "dsb sy", out(reg) intid);
        asm!("msr cnthp_ctl_el2, xzr", "isb");
        if intid < 1020 {
            asm!("msr S3_0_C12_C12_1, {}", "isb", in(reg) intid);
        }
    }
    INTERRUPTS[core_index()].fetch_add(1, Ordering::Relaxed);
    if intid < 64 {
        CAME[core_index()].fetch_or(1 << intid, Ordering::Relaxed);
    }
}

extern "C" fn fatal(syndrome: u64, at: u64, address: u64) -> ! {
    crate::uart::line(format_args!(
        "@panic exception {syndrome:#x} at {at:#x}, address {address:#x}, core {}",
        core_index()
    ));
    super::power_off()
}

/// Lets pending interrupts in; how many this core has had so far.
pub fn let_in() -> u64 {
    // SAFETY: the handler keeps what it uses.
    unsafe { asm!("msr daifclr, #2", "isb", "msr daifset, #2") };
    INTERRUPTS[core_index()].load(Ordering::Relaxed)
}

/// Lets pending interrupts in; whether this one (INTID 0 to 63) came since the last question.
pub fn came(intid: u64) -> bool {
    let_in();
    let bit = 1 << (intid % 64);
    CAME[core_index()].fetch_and(!bit, Ordering::Relaxed) & bit != 0
}

/// Gives an emulated machine that runs one core at a time the hint to go on with another one.
pub fn pause() {
    // SAFETY: a hint.
    unsafe { asm!("yield", options(nomem, nostack, preserves_flags)) };
}

/// Has the timer of this core expire after so many microseconds.
pub fn set_timer(microseconds: u64) {
    let frequency: u64;
    // SAFETY: this program's own timer.
    unsafe {
        asm!("mrs {}, cntfrq_el0", out(reg) frequency);
        asm!(
            "msr cnthp_tval_el2, {t}", "msr cnthp_ctl_el2, {one}", "isb",
            t = in(reg) frequency * microseconds / 1_000_000, one = in(reg) 1_u64
        );
    }
}

/// Stops the timer of this core.
pub fn stop_timer() {
    // SAFETY: this program's own timer.
    unsafe { asm!("msr cnthp_ctl_el2, xzr", "isb") };
}

/// Has the cycle counter of this core's performance monitors overflow after so many cycles; 0: not any more, and its
/// interrupt's line falls.
pub fn overflow_after(cycles: u64) {
    const CYCLES: u64 = 1 << 31;
    const AT_EL2: u64 = 1 << 27;
    const ON: u64 = 1 | 1 << 6;
    // SAFETY: counters that nothing else here uses.
    unsafe {
        asm!("msr pmintenclr_el1, {0}", "msr pmcntenclr_el0, {0}", "msr pmovsclr_el0, {0}", "isb", in(reg) CYCLES);
        if cycles != 0 {
            asm!(
                "msr pmccfiltr_el0, {filter}", "msr pmccntr_el0, {start}", "msr pmintenset_el1, {one}",
                "msr pmcntenset_el0, {one}", "msr pmcr_el0, {on}", "isb",
                filter = in(reg) AT_EL2, start = in(reg) cycles.wrapping_neg(), one = in(reg) CYCLES, on = in(reg) ON
            );
        }
    }
}

/// Sleeps until the timer of this core, which is set, wakes it at this moment (microseconds): an emulated machine that
/// runs one core at a time runs others meanwhile, and this one then.
pub fn sleep_until(until: u64) {
    while now() < until {
        // SAFETY: interrupts are masked; the timer's, which is pending then, ends the wait.
        unsafe { asm!("wfi", options(nomem, nostack, preserves_flags)) };
    }
    stop_timer();
}

/// The counter, and its frequency in Hz.
pub fn counter() -> (u64, u64) {
    let (count, frequency): (u64, u64);
    // SAFETY: reading counters.
    unsafe { asm!("isb", "mrs {}, cntpct_el0", "mrs {}, cntfrq_el0", out(reg) count, out(reg) frequency) };
    (count, frequency)
}

/// Control and compare values of the EL1 virtual and physical timers.
pub fn el1_timers() -> [u64; 4] {
    let (a, b, c, d): (u64, u64, u64, u64);
    // SAFETY: reading registers.
    unsafe {
        asm!(
            "mrs {}, cntv_ctl_el0", "mrs {}, cntv_cval_el0", "mrs {}, cntp_ctl_el0", "mrs {}, cntp_cval_el0",
            out(reg) a, out(reg) b, out(reg) c, out(reg) d
        );
    }
    [a, b, c, d]
}

/// Microseconds since some start.
pub fn now() -> u64 {
    let (count, frequency): (u64, u64);
    // SAFETY: reading counters.
    unsafe { asm!("isb", "mrs {}, cntpct_el0", "mrs {}, cntfrq_el0", out(reg) count, out(reg) frequency) };
    (u128::from(count) * 1_000_000 / u128::from(frequency)) as u64
}

/// Ticks of `2 * rounds` instructions.
#[cfg(feature = "bench")]
pub fn known_loop(rounds: u64) -> u64 {
    let before = super::clock::ticks();
    // SAFETY: counts a register down.
    unsafe { asm!("1: subs {n}, {n}, #1", "b.ne 1b", n = inout(reg) rounds => _, options(nomem, nostack)) };
    super::clock::ticks() - before
}

/// The number of this core.
pub fn core_index() -> usize {
    let mpidr: u64;
    // SAFETY: reading an ID register.
    unsafe { asm!("mrs {}, mpidr_el1", out(reg) mpidr, options(nomem, nostack, preserves_flags)) };
    (mpidr & 0xff) as usize
}

/// Makes a call by SMC.
#[must_use]
pub fn smc(regs: &Regs) -> Regs {
    let mut r = regs.0;
    // SAFETY: an SMC changes x0 to x17 only; memory that it writes is reached by `Page` only.
    unsafe {
        asm!(
            "smc #0",
            inout("x0") r[0], inout("x1") r[1], inout("x2") r[2], inout("x3") r[3],
            inout("x4") r[4], inout("x5") r[5], inout("x6") r[6], inout("x7") r[7],
            inout("x8") r[8], inout("x9") r[9], inout("x10") r[10], inout("x11") r[11],
            inout("x12") r[12], inout("x13") r[13], inout("x14") r[14], inout("x15") r[15],
            inout("x16") r[16], inout("x17") r[17],
        );
    }
    Regs(r)
}

/// Starts a further core, which calls `work` and goes off when that returns. False if refused.
pub fn core_on(core: usize, work: fn(usize)) -> bool {
    const CPU_ON: u32 = 0xC400_0003;
    WORK[core].store((work as *const ()).addr() as u64, Ordering::Release);
    let entry = (ns_further_entry as *const ()).addr() as u64;
    smc(&Regs::new(CPU_ON, &[core as u64, entry, core as u64])).x(0) == 0
}

/// Whether a core is off (AFFINITY_INFO).
pub fn core_is_off(core: usize) -> bool {
    const AFFINITY_INFO: u32 = 0xC400_0004;
    smc(&Regs::new(AFFINITY_INFO, &[core as u64, 0])).x(0) == 1
}

extern "C" fn further(core: usize) -> ! {
    const CPU_OFF: u32 = 0x8400_0002;
    start_core();
    let work = WORK[core].load(Ordering::Acquire) as *const ();
    // SAFETY: `core_on` stored a function of this type.
    let work = unsafe { core::mem::transmute::<*const (), fn(usize)>(work) };
    work(core);
    let _ = smc(&Regs::new(CPU_OFF, &[]));
    panic!("core {core} did not go off");
}

/// A page that others may read and write: reached by volatile accesses only.
#[repr(C, align(4096))]
pub struct Page(UnsafeCell<[u64; 512]>);
// SAFETY: volatile accesses of whole words only.
unsafe impl Sync for Page {}

impl Page {
    /// All zeros.
    pub const fn new() -> Self {
        Self(UnsafeCell::new([0; 512]))
    }

    /// Its address.
    pub fn address(&self) -> u64 {
        self.0.get().addr() as u64
    }

    /// Word `n` (0 to 511).
    pub fn read(&self, n: usize) -> u64 {
        // SAFETY: within the page.
        unsafe { self.0.get().cast::<u64>().add(n % 512).read_volatile() }
    }

    /// Changes word `n` (0 to 511).
    pub fn write(&self, n: usize, value: u64) {
        // SAFETY: within the page.
        unsafe { self.0.get().cast::<u64>().add(n % 512).write_volatile(value) };
    }

    /// Puts bytes at its start, the rest of the last word zero.
    pub fn fill(&self, bytes: &[u8]) {
        for (n, part) in bytes.chunks(8).enumerate() {
            let mut word = [0; 8];
            word[..part.len()].copy_from_slice(part);
            self.write(n, u64::from_le_bytes(word));
        }
    }
}
