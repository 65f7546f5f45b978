//! What runs at S-EL1: what a kernel does at its start and at each tick, and the root task's service above it.
use core::sync::atomic::{AtomicU64, Ordering};
use sp_rt::ffa::Regs;
use sp_rt::gic::{self, VIRTUAL_TIMER};
use sp_rt::paging::Access;
use sp_rt::{Boot, MAX_THREADS, log, park, threads};

sp_rt::entry!(first, further);

/// The board's distributor, and the one redistributor of one context.
const DISTRIBUTOR: u64 = 0x0800_0000;
const REDISTRIBUTOR: u64 = 0x080a_0000;
const SIZES: [u64; 2] = [0x1_0000, 0x2_0000];
/// Registers of an SMC that seL4's capability carries.
const REGISTERS: usize = 8;
/// Counts of the timer between two ticks: 100 ms on QEMU.
const TICK: u64 = 6_250_000;

fn first(boot: &mut Boot) -> ! {
    log!("a stand-in for seL4");
    if !boot.map(DISTRIBUTOR, SIZES[0], Access::Device) || !boot.map(REDISTRIBUTOR, SIZES[1], Access::Device)
    {
        park();
    }
    start_gic();
    tick();
    // With interrupts on, as a task has them.
    let _ = threads::start(work, [0; 4], 0, MAX_THREADS);
    park()
}

/// There is one context, whose core does not go off.
fn further(_: usize) -> ! {
    park()
}

extern "C" fn work(_: u64, _: u64, _: u64, _: u64) -> u64 {
    bulkhead_sel4::service::serve(call, 0)
}

/// An SMC with x0 to x7.
fn call(regs: &Regs) -> Regs {
    static SEEN: AtomicU64 = AtomicU64::new(0);
    let mut eight = Regs::default();
    eight.0[..REGISTERS].copy_from_slice(&regs.0[..REGISTERS]);
    let mut answer = sp_rt::call(&eight);
    answer.0[REGISTERS..].fill(0);
    let ticks = gic::taken(0, VIRTUAL_TIMER);
    if SEEN.swap(ticks, Ordering::Relaxed) != ticks {
        tick();
    }
    answer
}

/// The next tick.
fn tick() {
    const VALUE: u64 = 9;
    const CONTROL: u64 = 8;
    gic::write_register(VALUE, TICK);
    gic::write_register(CONTROL, 1);
}

/// The distributor's registers, the redistributor's, the CPU interface's, in the order in which seL4's kernel has them.
fn start_gic() {
    const ALL: u32 = u32::MAX;
    const PRIORITIES: u32 = 0x8080_8080;
    const CTLR: u64 = DISTRIBUTOR;
    const TYPER: u64 = DISTRIBUTOR + 0x4;
    const PRIVATE: u64 = REDISTRIBUTOR + 0x1_0000;
    const WAKER: u64 = REDISTRIBUTOR + 0x14;
    gic::write(CTLR, 0);
    let lines = 32 * u64::from(gic::read(TYPER) & 0x1f) + 32;
    for word in 2..lines / 16 {
        gic::write(DISTRIBUTOR + 0xc00 + 4 * word, 0);
    }
    for word in 8..lines / 4 {
        gic::write(DISTRIBUTOR + 0x400 + 4 * word, PRIORITIES);
    }
    for register in [0x180, 0x280, 0x80] {
        for word in 1..lines / 32 {
            gic::write(DISTRIBUTOR + register + 4 * word, ALL);
        }
    }
    gic::write(CTLR, 0x13);
    while gic::read(CTLR) >> 31 != 0 {}
    while gic::read(WAKER) != 0 {}
    gic::write(PRIVATE + 0x380, ALL);
    for word in 0..8 {
        gic::write(PRIVATE + 0x400 + 4 * word, PRIORITIES);
    }
    for (register, value) in [(0x180, 0xffff_0000), (0x100, 0xffff), (0x80, ALL), (0xc04, 0)] {
        gic::write(PRIVATE + register, value);
    }
    // SRE, BPR1, PMR, CTLR, IGRPEN1.
    for (number, value) in [(2, 7), (3, 0), (0, 0xf0), (1, 0), (7, 1)] {
        gic::write_register(number, value);
    }
    gic::attach(DISTRIBUTOR, REDISTRIBUTOR);
    gic::write(PRIVATE + 0x100, 1 << VIRTUAL_TIMER);
}
