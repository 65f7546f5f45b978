//! Drivers of a device that the partition owns: the second UART (a PL011) or the secure GPIO (a PL061), each by its
//! interrupt, as FFA_INTERRUPT brings it; whoever makes hypervisor calls and whoever drives a GIC.
use crate::{arch, clock};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use sp_rt::ffa::interrupt_call::{DEACTIVATE, ENABLE, GET, NONE};
use sp_rt::{gic, hypercall};

/// Registers of the UART, and their bits.
const DATA: u64 = 0x00;
const FLAGS: u64 = 0x18;
const LINE_CONTROL: u64 = 0x2c;
const CONTROL: u64 = 0x30;
const MASK: u64 = 0x38;
const MASKED_STATUS: u64 = 0x40;
const CLEAR: u64 = 0x44;
const RECEIVE_EMPTY: u64 = 1 << 4;
const RECEIVE: u64 = 1 << 4;
const TRANSMIT: u64 = 1 << 5;
const TIMEOUT: u64 = 1 << 6;
const EIGHT_BITS: u64 = 0b11 << 5;
const ON: u64 = 1 | 1 << 8 | 1 << 9;
const LOOP: u64 = 1 << 7;

/// Most bytes that it keeps.
const QUEUE: u32 = 32;

/// Registers of the GPIO, and the pin that is used: on QEMU nothing is connected to it (the first two turn the machine off).
const PIN: u64 = 1 << 4;
const PIN_DATA: u64 = PIN << 2;
const DIRECTION: u64 = 0x400;
const SENSE: u64 = 0x404;
const BOTH_EDGES: u64 = 0x408;
const EVENT: u64 = 0x40c;
const ENABLED: u64 = 0x410;
const PIN_CLEAR: u64 = 0x41c;

/// What the partition drives: nothing, the UART or the GPIO.
const UART: u64 = 1;
const GPIO: u64 = 2;
const LINE: u64 = 3;
static KIND: AtomicU64 = AtomicU64::new(0);
static BASE: AtomicU64 = AtomicU64::new(0);
static INTID: AtomicU64 = AtomicU64::new(0);
static VGIC: AtomicBool = AtomicBool::new(false);
/// Interrupts that it took, and those for which its device had nothing.
static TAKEN: AtomicU64 = AtomicU64::new(0);
static EMPTY: AtomicU64 = AtomicU64::new(0);
/// It leaves its device as it is, so that the line stays as it is.
static STORM: AtomicBool = AtomicBool::new(false);
/// What it is to say, has said and heard, and heard wrongly; whether its own words come back.
static TOTAL: AtomicU64 = AtomicU64::new(0);
static SENT: AtomicU64 = AtomicU64::new(0);
static HEARD: AtomicU64 = AtomicU64::new(0);
static WRONG: AtomicU64 = AtomicU64::new(0);
static LOOPS: AtomicBool = AtomicBool::new(false);

fn read(register: u64) -> u64 {
    arch::access(BASE.load(Ordering::Relaxed) + register, 4, None)
}

fn write(register: u64, value: u64) {
    arch::access(BASE.load(Ordering::Relaxed) + register, 4, Some(value));
}

/// Takes the interrupt of a device; by the GIC of the context that calls, or by hypervisor calls.
fn own(kind: u64, base: u64, intid: u64, vgic: bool) {
    BASE.store(base, Ordering::Relaxed);
    INTID.store(intid, Ordering::Relaxed);
    VGIC.store(vgic, Ordering::Relaxed);
    STORM.store(false, Ordering::Relaxed);
    for counter in [&TAKEN, &EMPTY, &TOTAL, &SENT, &HEARD, &WRONG] {
        counter.store(0, Ordering::Relaxed);
    }
    KIND.store(kind, Ordering::Release);
    if vgic {
        gic::enable(intid as u32, 0x80);
    } else {
        let _ = hypercall(ENABLE, intid, 1, 0);
    }
}

/// Sets the UART up, without queues: each byte has its interrupts. What it sends may come back to itself.
pub fn start_uart(base: u64, intid: u64, loops: bool, vgic: bool) {
    own(UART, base, intid, vgic);
    LOOPS.store(loops, Ordering::Relaxed);
    write(MASK, 0);
    write(CONTROL, 0);
    write(LINE_CONTROL, EIGHT_BITS);
    // What nobody has read would keep everything else out.
    for _ in 0..QUEUE {
        if read(FLAGS) & RECEIVE_EMPTY != 0 {
            break;
        }
        read(DATA);
    }
    write(CLEAR, 0x7ff);
    write(CONTROL, ON | if loops { LOOP } else { 0 });
}

/// Begins to say so many bytes: its interrupts do the rest. With a storm, it never has the line fall.
pub fn talk(bytes: u64, storm: bool) {
    TOTAL.store(bytes, Ordering::Relaxed);
    for counter in [&SENT, &HEARD, &WRONG] {
        counter.store(0, Ordering::Relaxed);
    }
    STORM.store(storm, Ordering::Relaxed);
    write(MASK, RECEIVE | TIMEOUT | TRANSMIT);
    send();
}

fn letter(n: u64) -> u64 {
    u64::from(b'a') + n % 26
}

fn send() {
    let n = SENT.fetch_add(1, Ordering::Relaxed);
    write(DATA, letter(n));
}

/// Sets the GPIO up: its pin interrupts when it rises.
pub fn start_gpio(base: u64, intid: u64, vgic: bool) {
    own(GPIO, base, intid, vgic);
    for (register, value) in [
        (ENABLED, 0),
        (SENSE, 0),
        (BOTH_EDGES, 0),
        (EVENT, PIN),
        (PIN_CLEAR, 0xff),
        (ENABLED, PIN),
    ] {
        write(register, value);
    }
}

/// Has its pin rise: it is driven, and read as an input again.
fn rise() {
    for level in [0, PIN] {
        write(DIRECTION, PIN);
        write(PIN_DATA, level);
        write(DIRECTION, 0);
    }
}

/// Has its pin rise so often, each time when the last interrupt was taken, on whatever core that is; how often it
/// was, in so many milliseconds each.
pub fn pulse(times: u64, milliseconds: u64) -> u64 {
    (0..times)
        .take_while(|_| {
            let before = TAKEN.load(Ordering::Acquire);
            let until = clock::ticks() + clock::frequency() / 1000 * milliseconds;
            rise();
            while TAKEN.load(Ordering::Acquire) == before {
                if clock::ticks() > until {
                    return false;
                }
            }
            true
        })
        .count() as u64
}

/// Has the line go up and down at once, so often: where somebody is faster, an interrupt comes that is nothing.
pub fn flicker(times: u64) {
    for _ in 0..times {
        rise();
        write(PIN_CLEAR, PIN);
    }
}

/// From now on the line stays up, whatever is done about its interrupt; or no more.
pub fn storm(on: bool) {
    STORM.store(on, Ordering::Relaxed);
    match KIND.load(Ordering::Relaxed) {
        UART if !on => write(MASK, 0),
        GPIO if on => {
            write(SENSE, PIN);
            // Its level is what it was driven to last.
            write(DIRECTION, PIN);
            write(PIN_DATA, PIN);
            write(DIRECTION, 0);
        }
        GPIO => {
            write(SENSE, 0);
            write(PIN_CLEAR, 0xff);
        }
        _ => {}
    }
}

/// Takes an interrupt of which it can quiet nothing, on the context that calls: one at a time.
pub fn take_line(intid: u64, vgic: bool) {
    if KIND.load(Ordering::Relaxed) != LINE {
        own(LINE, 0, intid, vgic);
        STORM.store(true, Ordering::Relaxed);
    } else if vgic {
        gic::enable(intid as u32, 0x80);
    } else {
        let _ = hypercall(ENABLE, intid, 1, 0);
    }
}

/// What it said, heard, heard wrongly, and how many interrupts it took.
pub fn state() -> [u64; 4] {
    [&SENT, &HEARD, &WRONG, &TAKEN].map(|counter| counter.load(Ordering::Acquire))
}

/// How many interrupts came for which its device had nothing.
pub fn empty() -> u64 {
    EMPTY.load(Ordering::Relaxed)
}

/// Takes what is pending, where the partition drives a device: all of it, or of what has no end a single one.
pub fn serve() -> bool {
    const SPURIOUS: u64 = 1020;
    let kind = KIND.load(Ordering::Acquire);
    if kind == 0 {
        return false;
    }
    let vgic = VGIC.load(Ordering::Relaxed);
    loop {
        let intid = if vgic {
            gic::read_register(5)
        } else {
            hypercall(GET, 0, 0, 0)
        };
        if intid as u32 == NONE || (vgic && intid >= SPURIOUS) {
            return true;
        }
        if intid == INTID.load(Ordering::Relaxed) {
            if !STORM.load(Ordering::Relaxed) && !deal_with(kind) {
                EMPTY.fetch_add(1, Ordering::Relaxed);
            }
            if kind == LINE {
                // Where it came: a bit for each context.
                SENT.fetch_or(1 << sp_rt::context_index(), Ordering::Relaxed);
            }
            TAKEN.fetch_add(1, Ordering::Release);
        } else if intid == u64::from(gic::VIRTUAL_TIMER) {
            next_tick();
        }
        if vgic {
            gic::write_register(14, intid);
        } else {
            let _ = hypercall(DEACTIVATE, intid, intid, 0);
        }
        if STORM.load(Ordering::Relaxed) || intid == u64::from(gic::VIRTUAL_TIMER) {
            return true;
        }
    }
}

/// Does what the device wants; false where it wants nothing.
fn deal_with(kind: u64) -> bool {
    if kind == GPIO {
        // Cleared in any case: a second edge may have come meanwhile.
        let came = read(MASKED_GPIO) != 0;
        write(PIN_CLEAR, PIN);
        return came;
    }
    let status = read(MASKED_STATUS);
    if status & (RECEIVE | TIMEOUT) != 0 {
        // First, so that a byte that comes meanwhile has an interrupt of its own.
        write(CLEAR, RECEIVE | TIMEOUT);
        while read(FLAGS) & RECEIVE_EMPTY == 0 {
            hear(read(DATA) & 0xff);
        }
    }
    if status & TRANSMIT != 0 {
        write(CLEAR, TRANSMIT);
        if SENT.load(Ordering::Relaxed) < TOTAL.load(Ordering::Relaxed) {
            send();
        } else {
            write(MASK, RECEIVE | TIMEOUT);
        }
    }
    status != 0
}

/// GPIOMIS.
const MASKED_GPIO: u64 = 0x418;

/// Another end answers in capitals.
fn hear(byte: u64) {
    let n = HEARD.fetch_add(1, Ordering::Relaxed);
    let other = if LOOPS.load(Ordering::Relaxed) { 0 } else { 0x20 };
    if byte != letter(n) - other {
        WRONG.fetch_add(1, Ordering::Relaxed);
    }
}

/// Ticks from one timer's interrupt to the next; 0: none.
static PERIOD: AtomicU64 = AtomicU64::new(0);
static TICKS: AtomicU64 = AtomicU64::new(0);

/// Has the virtual timer of this context go off again and again, so many ticks behind each time; 0: no more.
pub fn tick(period: u64, vgic: bool) {
    const KIND_OF_NOTHING: u64 = 4;
    const CONTROL_OF_TIMER: u64 = 8;
    VGIC.store(vgic, Ordering::Relaxed);
    PERIOD.store(period, Ordering::Relaxed);
    if KIND.load(Ordering::Relaxed) == 0 {
        KIND.store(KIND_OF_NOTHING, Ordering::Relaxed);
    }
    if vgic {
        gic::enable(gic::VIRTUAL_TIMER, 0x80);
    } else {
        let _ = hypercall(ENABLE, u64::from(gic::VIRTUAL_TIMER), 1, 0);
    }
    gic::write_register(VALUE_OF_TIMER, period);
    gic::write_register(CONTROL_OF_TIMER, u64::from(period != 0));
}

/// CNTV_TVAL_EL0, as `gic` numbers it.
const VALUE_OF_TIMER: u64 = 9;

fn next_tick() {
    TICKS.fetch_add(1, Ordering::Relaxed);
    gic::write_register(VALUE_OF_TIMER, PERIOD.load(Ordering::Relaxed));
}

/// How often its timer went off.
pub fn ticks() -> u64 {
    TICKS.load(Ordering::Relaxed)
}
