//! A driver of a GICv3, of which one that the hypervisor emulates is enough: group 1, system registers, and each
//! context's own redistributor; and of the EL1 timers.
use core::arch::asm;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::context_index;
use crate::MAX_CONTEXTS;

/// INTID of the EL1 virtual timer.
pub const VIRTUAL_TIMER: u32 = 27;
/// INTID of the EL1 physical timer.
pub const PHYSICAL_TIMER: u32 = 30;

const GICD_CTLR: u64 = 0x0000;
const GICR_WAKER: u64 = 0x0014;
const SGI_FRAME: u64 = 0x1_0000;
const ISENABLER: u64 = 0x100;
const IPRIORITYR: u64 = 0x400;
/// From one context's redistributor to the next.
const STRIDE: u64 = 0x2_0000;
/// Bytes of the distributor's frame, and of the redistributors'.
const DISTRIBUTOR_SIZE: u64 = 0x1_0000;
/// INTIDs from here on are none.
const SPECIAL: u32 = 1020;
/// INTIDs of which arrivals are counted.
const COUNTED: usize = 256;

static DISTRIBUTOR: AtomicU64 = AtomicU64::new(0);
static REDISTRIBUTORS: AtomicU64 = AtomicU64::new(0);
/// The contexts that take their interrupts from a GIC.
static DRIVES: [AtomicBool; MAX_CONTEXTS] = [const { AtomicBool::new(false) }; MAX_CONTEXTS];
static TAKEN: [[AtomicU64; COUNTED]; MAX_CONTEXTS] =
    [const { [const { AtomicU64::new(0) }; COUNTED] }; MAX_CONTEXTS];
/// The counter when a context last took an interrupt.
static WHEN: [AtomicU64; MAX_CONTEXTS] = [const { AtomicU64::new(0) }; MAX_CONTEXTS];
/// What is done about an interrupt of a device, between its acknowledgement and its end.
static QUIET: AtomicU64 = AtomicU64::new(0);
/// Steps that are taken for each interrupt, before it is counted.
static STEPS: AtomicU64 = AtomicU64::new(0);

/// Reads a word of a frame.
#[must_use]
pub fn read(address: u64) -> u32 {
    let value: u32;
    // SAFETY: a load by one plain instruction of a register outside of Rust's memory, mapped as a device.
    unsafe {
        asm!("ldr {v:w}, [{a}]", v = out(reg) value, a = in(reg) address, options(nostack, preserves_flags));
    }
    value
}

/// Writes a word of a frame.
pub fn write(address: u64, value: u32) {
    // SAFETY: a store as in `read`; the registers that are written change interrupts, not memory.
    unsafe {
        asm!("str {v:w}, [{a}]", v = in(reg) value, a = in(reg) address, options(nostack, preserves_flags));
    }
}

macro_rules! register {
    ($read:ident, $write:ident, $name:literal) => {
        fn $read() -> u64 {
            let value: u64;
            // SAFETY: the registers that are read here change the GIC's state at most.
            unsafe { asm!(concat!("mrs {}, ", $name), out(reg) value, options(nostack, preserves_flags)) };
            value
        }
        fn $write(value: u64) {
            // SAFETY: these registers say when which interrupts come, and nothing else.
            unsafe { asm!(concat!("msr ", $name, ", {}"), "isb", in(reg) value, options(nostack, preserves_flags)) };
        }
    };
}

macro_rules! reader {
    ($read:ident, $name:literal) => {
        fn $read() -> u64 {
            let value: u64;
            // SAFETY: as in `register`.
            unsafe { asm!(concat!("mrs {}, ", $name), out(reg) value, options(nostack, preserves_flags)) };
            value
        }
    };
}

macro_rules! writer {
    ($write:ident, $name:literal) => {
        fn $write(value: u64) {
            // SAFETY: as in `register`.
            unsafe { asm!(concat!("msr ", $name, ", {}"), "isb", in(reg) value, options(nostack, preserves_flags)) };
        }
    };
}

register!(mask, set_mask, "S3_0_C4_C6_0");
register!(control, set_control, "S3_0_C12_C12_4");
register!(system_registers, set_system_registers, "S3_0_C12_C12_5");
register!(group, set_group, "S3_0_C12_C12_7");
register!(binary_point, set_binary_point, "S3_0_C12_C12_3");
register!(virtual_control, set_virtual_control, "cntv_ctl_el0");
register!(virtual_value, set_virtual_value, "cntv_tval_el0");
register!(virtual_compare, set_virtual_compare, "cntv_cval_el0");
register!(physical_control, set_physical_control, "cntp_ctl_el0");
register!(physical_value, set_physical_value, "cntp_tval_el0");
register!(physical_compare, set_physical_compare, "cntp_cval_el0");
reader!(counter, "cntvct_el0");
reader!(acknowledge, "S3_0_C12_C12_0");
reader!(highest_pending, "S3_0_C12_C12_2");
reader!(running_priority, "S3_0_C12_C11_3");
writer!(end, "S3_0_C12_C12_1");
writer!(deactivate, "S3_0_C12_C11_1");
writer!(send, "S3_0_C12_C11_5");

/// Reads the register of a number: 0 PMR, 1 CTLR, 2 SRE, 3 BPR1, 4 RPR, 5 IAR1, 6 HPPIR1, 7 IGRPEN1, of the
/// virtual timer 8 CTL, 9 TVAL, 10 CVAL, of the physical timer 11 CTL, 12 TVAL, 13 CVAL. Zero for others.
#[must_use]
pub fn read_register(number: u64) -> u64 {
    match number {
        0 => mask(),
        1 => control(),
        2 => system_registers(),
        3 => binary_point(),
        4 => running_priority(),
        5 => acknowledge(),
        6 => highest_pending(),
        7 => group(),
        8 => virtual_control(),
        9 => virtual_value(),
        10 => virtual_compare(),
        11 => physical_control(),
        12 => physical_value(),
        13 => physical_compare(),
        _ => 0,
    }
}

/// Writes the register of a number, as [`read_register`] has them, and 14 EOIR1, 15 DIR, 16 SGI1R. Nothing for
/// others.
pub fn write_register(number: u64, value: u64) {
    match number {
        0 => set_mask(value),
        1 => set_control(value),
        2 => set_system_registers(value),
        3 => set_binary_point(value),
        7 => set_group(value),
        8 => set_virtual_control(value),
        9 => set_virtual_value(value),
        10 => set_virtual_compare(value),
        11 => set_physical_control(value),
        12 => set_physical_value(value),
        13 => set_physical_compare(value),
        14 => end(value),
        15 => deactivate(value),
        16 => send(value),
        _ => {}
    }
}

/// Starts the GIC for the context that calls: from now on it takes its interrupts from there.
pub fn start(distributor: u64, redistributors: u64) {
    const ENABLE_GROUP_1: u32 = 1 << 1;
    const LEAST_PRIORITY: u64 = 0xf0;
    let context = context_index();
    set_system_registers(1);
    write(distributor + GICD_CTLR, ENABLE_GROUP_1);
    let own = redistributors + context as u64 * STRIDE;
    write(own + GICR_WAKER, 0);
    while read(own + GICR_WAKER) != 0 {}
    set_mask(LEAST_PRIORITY);
    set_control(0);
    set_group(1);
    attach(distributor, redistributors);
}

/// The context that calls takes its interrupts from this GIC from now on, which it has started.
pub fn attach(distributor: u64, redistributors: u64) {
    DISTRIBUTOR.store(distributor, Ordering::Relaxed);
    REDISTRIBUTORS.store(redistributors, Ordering::Relaxed);
    DRIVES[context_index()].store(true, Ordering::Relaxed);
}

/// Bytes of the distributor's frame and of all redistributors' frames.
#[must_use]
pub fn sizes() -> (u64, u64) {
    (DISTRIBUTOR_SIZE, STRIDE * MAX_CONTEXTS as u64)
}

/// The frame that has an interrupt's registers.
fn frame(intid: u32) -> u64 {
    if intid < 32 {
        REDISTRIBUTORS.load(Ordering::Relaxed) + context_index() as u64 * STRIDE + SGI_FRAME
    } else {
        DISTRIBUTOR.load(Ordering::Relaxed)
    }
}

/// Enables an interrupt, at this priority.
pub fn enable(intid: u32, priority: u8) {
    let frame = frame(intid);
    let place = frame + IPRIORITYR + u64::from(intid & !3);
    let shift = intid % 4 * 8;
    write(
        place,
        read(place) & !(0xff << shift) | u32::from(priority) << shift,
    );
    write(frame + ISENABLER + u64::from(intid / 32) * 4, 1 << (intid % 32));
}

/// Names the register of a device that is set to zero whenever an interrupt of a device comes, so that its line
/// falls; 0: none.
pub fn quiet(register: u64) {
    QUIET.store(register, Ordering::Relaxed);
}

/// Has each interrupt take so many steps (a nanosecond or more each) until it is counted.
pub fn slow(steps: u64) {
    STEPS.store(steps, Ordering::Relaxed);
}

/// How often a context has taken an interrupt.
#[must_use]
pub fn taken(context: usize, intid: u32) -> u64 {
    let counts = TAKEN.get(context);
    let count = counts.and_then(|counts| counts.get(intid as usize));
    count.map_or(0, |count| count.load(Ordering::Relaxed))
}

/// The counter's value when a context last took an interrupt; 0 if it never did.
#[must_use]
pub fn when(context: usize) -> u64 {
    WHEN.get(context).map_or(0, |when| when.load(Ordering::Relaxed))
}

/// Whether the context that calls takes its interrupts from a GIC.
pub(super) fn drives() -> bool {
    DRIVES[context_index()].load(Ordering::Relaxed)
}

/// Takes all pending interrupts.
pub(super) fn take() {
    let came = counter();
    loop {
        let intid = acknowledge() as u32;
        if intid >= SPECIAL {
            return;
        }
        match intid {
            VIRTUAL_TIMER => set_virtual_control(0),
            PHYSICAL_TIMER => set_physical_control(0),
            32.. => match QUIET.load(Ordering::Relaxed) {
                0 => {}
                register => write(register, 0),
            },
            _ => {}
        }
        for step in 0..STEPS.load(Ordering::Relaxed) {
            core::hint::black_box(step);
        }
        if let Some(count) = TAKEN[context_index()].get(intid as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        WHEN[context_index()].store(came, Ordering::Relaxed);
        end(u64::from(intid));
    }
}

/// Lets interrupts in until one has been taken, or for so many looks; whether it was.
#[must_use]
pub fn wait(intid: u32, looks: u64) -> bool {
    let context = context_index();
    let before = taken(context, intid);
    // SAFETY: the vectors keep all registers, and what runs in them is no more than `take`.
    unsafe { asm!("msr daifclr, #2", options(nostack, preserves_flags)) };
    let came = (0..looks).any(|_| taken(context, intid) != before);
    // SAFETY: masking is always allowed.
    unsafe { asm!("msr daifset, #2", options(nostack, preserves_flags)) };
    came
}
