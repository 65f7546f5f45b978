//! Virtual GICs and EL1 timers of partitions: what they show, and that an interrupt reaches its owner whatever runs.
use super::{A, B, Case, Outcome, alive, ask, complete, ffa, isolation, to};
use crate::arch::machine::{core_is_off, core_on, counter, el1_timers, let_in, now};
use crate::ensure;
use crate::test_sp::{self, ACCESS, GIC_ENABLE, GIC_QUIET, GIC_START, GIC_TAKEN, GIC_WAIT};
use crate::test_sp::{REGISTER_READ, REGISTER_WRITE};
use core::sync::atomic::{AtomicBool, Ordering};
use sp_rt::ffa as f;
use sp_rt::ffa::Error;

/// These cases.
pub const CASES: &[Case] = &[
    isolation("gic-shows-its-own", shows_own),
    isolation("gic-hides-others", hides_others),
    isolation("gic-odd-accesses", odd_accesses),
    isolation("gic-and-hypervisor-calls", no_calls),
    isolation("gic-cpu-interface", cpu_interface),
    isolation("gic-timer-while-it-runs", || timer_runs(A, VIRTUAL)),
    isolation("gic-physical-timer-while-it-runs", || timer_runs(A, PHYSICAL)),
    isolation("gic-timer-in-the-normal-world", timer_normal),
    isolation("gic-timer-while-another-runs", timer_another),
    isolation("gic-timers-of-two", timers_of_two),
    isolation("gic-timer-while-its-core-is-off", timer_off),
    isolation("timer-by-hypervisor-call", timer_by_call),
    isolation("timers-of-the-normal-world", timers_kept),
    isolation("gic-sgi-to-itself", sgi_self),
    isolation("gic-sgi-to-a-waiting-context", sgi_waiting),
    isolation("gic-sgi-to-a-running-context", sgi_running),
    isolation("gic-device-while-it-runs", device_runs),
    isolation("gic-device-masked", device_masked),
    isolation("gic-as-sel4-starts-it", as_sel4),
    isolation("gic-pair-access-stops", || {
        stops(VICTIM_1, ACCESS, [DISTRIBUTOR, 16, 0, 0])
    }),
    isolation("gic-beyond-its-frames-stops", || {
        start(VICTIM_2)?;
        stops(VICTIM_2, ACCESS, [REDISTRIBUTORS + 4 * STRIDE, 4, 0, 0])
    }),
    isolation("gic-of-who-came-back", comes_back),
    isolation("gic-of-who-has-none-stops", || {
        stops(CALLS, ACCESS, [DISTRIBUTOR + TYPER, 4, 0, 0])
    }),
];

/// The partition that makes hypervisor calls.
const CALLS: u16 = 0x8003;
const VICTIM_1: u16 = 0x8004;
const VICTIM_2: u16 = 0x8005;

pub const DISTRIBUTOR: u64 = 0x0800_0000;
pub const REDISTRIBUTORS: u64 = 0x080a_0000;
const STRIDE: u64 = 0x2_0000;
pub const SGI_FRAME: u64 = 0x1_0000;
const TYPER: u64 = 0x4;
const ISENABLER: u64 = 0x100;
pub const ISPENDR: u64 = 0x200;
const IPRIORITYR: u64 = 0x400;
const ICFGR: u64 = 0xc00;
const IROUTER: u64 = 0x6000;
const PIDR2: u64 = 0xffe8;

pub const VIRTUAL: u64 = 27;
const PHYSICAL: u64 = 30;
/// A's device, and its interrupt.
pub const GPIO: u64 = 0x090b_0000;
pub const GPIO_SENSE: u64 = 0x404;
pub const GPIO_BOTH: u64 = 0x408;
pub const GPIO_EVENT: u64 = 0x40c;
pub const GPIO_ENABLE: u64 = 0x410;
pub const DEVICE: u64 = 32;
/// B's interrupt.
pub const SPARE: u64 = 220;

/// Numbers of registers, as `sp_rt::gic` has them.
const PMR: u64 = 0;
const CTLR: u64 = 1;
const RPR: u64 = 4;
const IAR: u64 = 5;
const HPPIR: u64 = 6;
const EOIR: u64 = 14;
const DIR: u64 = 15;
pub const SGI1R: u64 = 16;

/// How often what depends on time is tried.
const TRIES: u32 = 8;
/// Microseconds in which an interrupt comes by itself.
const WITHOUT_CALLS: u64 = 50_000;
/// Looks in a loop that take some hundred milliseconds, if nothing comes.
pub const LOOKS: u64 = 20_000_000;
/// Microseconds in which an interrupt has to come; an emulated machine may be slow.
const LIMIT: u64 = 5_000_000;

fn read(target: u16, address: u64, size: u64) -> Outcome<u64> {
    let [value, syndrome, ..] = ask(target, ACCESS, [address, size, 0, 0])?;
    ensure!(
        syndrome == 0,
        "reading {size} bytes at {address:#x}: {syndrome:#x}"
    );
    Ok(value)
}

pub fn write(target: u16, address: u64, size: u64, value: u64) -> Outcome {
    let [_, syndrome, ..] = ask(target, ACCESS, [address, size, 1, value])?;
    ensure!(
        syndrome == 0,
        "writing {size} bytes at {address:#x}: {syndrome:#x}"
    );
    Ok(())
}

fn register(target: u16, number: u64) -> Outcome<u64> {
    Ok(ask(target, REGISTER_READ, [number, 0, 0, 0])?[0])
}

pub fn set_register(target: u16, number: u64, value: u64) -> Outcome {
    ask(target, REGISTER_WRITE, [number, value, 0, 0])?;
    Ok(())
}

/// Starts the GIC of this core's context, with both timers and three SGIs enabled.
pub fn start(target: u16) -> Outcome {
    ask(target, GIC_START, [DISTRIBUTOR, REDISTRIBUTORS, 0, 0])?;
    for (intid, priority) in [(VIRTUAL, 0x80), (PHYSICAL, 0x90), (3, 0xa0), (4, 0x40), (5, 0xa8)] {
        ask(target, GIC_ENABLE, [intid, priority, 0, 0])?;
    }
    Ok(())
}

pub fn taken(target: u16, context: u64, intid: u64) -> Outcome<u64> {
    Ok(ask(target, GIC_TAKEN, [intid, context, 0, 0])?[0])
}

/// Sets a timer of the context on this core, in microseconds from now.
pub fn set_timer(target: u16, timer: u64, micros: u64) -> Outcome {
    let (control, value) = if timer == VIRTUAL { (8, 9) } else { (11, 12) };
    set_register(target, value, counter().1 * micros / 1_000_000)?;
    set_register(target, control, 1)
}

/// Waits in the normal world until this core's context has taken an interrupt once more than before, without
/// calling its partition meanwhile; the counter's value before the first call. One that is late gets cycles.
fn comes(target: u16, intid: u64, before: u64) -> Outcome<u64> {
    let began = now();
    while now() < began + WITHOUT_CALLS {
        let_in();
    }
    let called = counter().0;
    while taken(target, 0, intid)? == before {
        ensure!(now() < began + LIMIT, "interrupt {intid} did not come");
        let answer = ffa(f::RUN, &[to(target) << 16]);
        ensure!(answer.function() == f::MSG_WAIT, "{:#x}", answer.x(0));
    }
    Ok(called)
}

/// A GICv3 with a single Security state, the context's own redistributor in its place, and its own interrupts.
fn shows_own() -> Outcome {
    start(A)?;
    ensure!(read(A, DISTRIBUTOR + PIDR2, 4)? == 0x3b, "not a GICv3");
    let lines = read(A, DISTRIBUTOR + TYPER, 4)? & 0x1f;
    ensure!(lines == 1, "32 times {lines} interrupts");
    for context in 0..4 {
        let kind = read(A, REDISTRIBUTORS + context * STRIDE + 8, 8)?;
        let last = u64::from(context == 3) << 4;
        ensure!(
            kind == context << 32 | context << 8 | last,
            "context {context}: {kind:#x}"
        );
    }
    ensure!(read(A, DISTRIBUTOR + IROUTER + 8 * DEVICE, 8)? == 0, "its route");
    write(A, DISTRIBUTOR + IROUTER + 8 * DEVICE, 8, 3)?;
    ensure!(
        read(A, DISTRIBUTOR + IROUTER + 8 * DEVICE, 8)? == 0,
        "its route changed"
    );
    write(A, DISTRIBUTOR + IPRIORITYR + DEVICE, 1, 0xff)?;
    let priority = read(A, DISTRIBUTOR + IPRIORITYR + DEVICE, 1)?;
    ensure!(priority == 0xf8, "priority {priority:#x}");
    ensure!(read(A, DISTRIBUTOR + ICFGR + 8, 4)? == 0, "its device is a level");
    let own = read(A, REDISTRIBUTORS + SGI_FRAME + 0x80, 4)?;
    ensure!(own == 0x4800_ffff, "private interrupts {own:#x}");
    Ok(())
}

/// I2: what is another's, or nobody's, reads as zero and takes no write.
fn hides_others() -> Outcome {
    start(A)?;
    for target in [A, B] {
        for word in 0..32 {
            let own = (target == A && word == DEVICE / 32) || (target == B && word == SPARE / 32);
            let mask = match (own, target) {
                (false, _) => 0,
                (true, A) => 1 << (DEVICE % 32),
                (true, _) => 1 << (SPARE % 32),
            };
            for register in [ISENABLER, ISPENDR] {
                let place = DISTRIBUTOR + register + 4 * word;
                write(target, place, 4, 0xffff_ffff)?;
                let seen = read(target, place, 4)?;
                ensure!(seen == mask, "{target:#x} at {place:#x}: {seen:#x}");
                write(target, place + 0x80, 4, 0xffff_ffff)?;
                ensure!(read(target, place, 4)? == 0, "{target:#x} at {place:#x}");
            }
        }
    }
    alive(A)?;
    alive(B)
}

/// Sizes that a register does not take, and registers that are not there.
fn odd_accesses() -> Outcome {
    for offset in (0..0x1_0000).step_by(0xf4).map(|offset| offset & !7) {
        for size in [1, 2, 4, 8] {
            for base in [DISTRIBUTOR, REDISTRIBUTORS, REDISTRIBUTORS + SGI_FRAME] {
                write(B, base + offset, size, u64::MAX)?;
                read(B, base + offset, size)?;
            }
        }
    }
    ensure!(read(B, DISTRIBUTOR + TYPER, 2)? == 0, "half of GICD_TYPER");
    alive(B)?;
    // Asleep, and with everything pending: as it was.
    write(B, REDISTRIBUTORS + 0x14, 4, 0)?;
    for clear in [0x180, 0x280, 0x380] {
        write(B, REDISTRIBUTORS + SGI_FRAME + clear, 4, 0xffff_ffff)?;
        write(B, DISTRIBUTOR + clear + 4 * (SPARE / 32), 4, 0xffff_ffff)?;
    }
    alive(B)
}

/// The hypervisor calls for interrupts are not for who drives a GIC.
fn no_calls() -> Outcome {
    for call in [0xff03, 0xff04, 0xff08, 0xff09] {
        let [x0, ..] = ask(A, test_sp::HYPERCALL, [call, 4, 1, 0])?;
        ensure!(x0 as u32 == u32::MAX, "{call:#x}: {x0:#x}");
    }
    Ok(())
}

/// Writes a register, and acknowledges in the same call: behind it, what can be taken would be.
fn acknowledge_behind(target: u16, number: u64, value: u64) -> Outcome<u64> {
    Ok(ask(target, REGISTER_WRITE, [number, value, IAR + 1, 0])?[0])
}

/// Priorities, the mask, the running priority, and both ways of ending an interrupt.
fn cpu_interface() -> Outcome {
    start(A)?;
    set_register(A, PMR, 0)?;
    set_register(A, SGI1R, 3 << 24 | 1)?;
    set_register(A, SGI1R, 4 << 24 | 1)?;
    ensure!(register(A, HPPIR)? == 4, "the more urgent one is not the first");
    set_register(A, PMR, 0x40)?;
    ensure!(register(A, IAR)? == 1023, "one that is masked was taken");
    ensure!(acknowledge_behind(A, PMR, 0xf0)? == 4, "the first");
    ensure!(register(A, RPR)? == 0x40, "its priority");
    ensure!(register(A, IAR)? == 1023, "a less urgent one preempts");
    set_register(A, CTLR, 2)?;
    ensure!(acknowledge_behind(A, EOIR, 4)? == 3, "the second");
    set_register(A, DIR, 4)?;
    set_register(A, EOIR, 3)?;
    ensure!(register(A, RPR)? == 0xff, "its priority is not dropped");
    let active = REDISTRIBUTORS + SGI_FRAME + 0x300;
    ensure!(read(A, active, 4)? == 1 << 3, "it is not active");
    set_register(A, DIR, 3)?;
    ensure!(read(A, active, 4)? == 0, "it is still active");
    set_register(A, CTLR, 0)
}

fn timer_runs(target: u16, timer: u64) -> Outcome {
    start(target)?;
    let before = taken(target, 0, timer)?;
    set_timer(target, timer, 2_000)?;
    let [came, ..] = ask(target, GIC_WAIT, [timer, LOOKS, 0, 0])?;
    // It may have been as early as the call that waits for it.
    let after = taken(target, 0, timer)?;
    ensure!(
        came == 1 || after == before + 1,
        "interrupt {timer} did not come: {after} after {before}"
    );
    Ok(())
}

/// I1: while the normal world runs, its owner is entered at once. On a busy host the timer may go off while its
/// owner still runs, with interrupts masked: then the next try shows it.
fn timer_normal() -> Outcome {
    start(A)?;
    for _ in 0..TRIES {
        let before = taken(A, 0, VIRTUAL)?;
        set_timer(A, VIRTUAL, WITHOUT_CALLS / 2)?;
        let called = comes(A, VIRTUAL, before)?;
        let [_, when, ..] = ask(A, GIC_TAKEN, [VIRTUAL, 0, 0, 0])?;
        if when < called {
            return Ok(());
        }
    }
    ensure!(false, "it was late {TRIES} times");
    Ok(())
}

/// I1: while another partition runs. See `timer_normal` for the tries.
fn timer_another() -> Outcome {
    start(A)?;
    for _ in 0..TRIES {
        let before = taken(A, 0, VIRTUAL)?;
        set_timer(A, VIRTUAL, WITHOUT_CALLS / 2)?;
        let changed = ask(CALLS, test_sp::BUSY, [super::preemption::LONG, 0, 0, 0])?[0];
        let ended = counter().0;
        ensure!(changed == 0, "{changed} registers of the other one changed");
        let [count, when, ..] = ask(A, GIC_TAKEN, [VIRTUAL, 0, 0, 0])?;
        if count == before + 1 && when < ended {
            return Ok(());
        }
        comes(A, VIRTUAL, before)?;
    }
    ensure!(false, "it was late {TRIES} times");
    Ok(())
}

/// C3: each has its own.
fn timers_of_two() -> Outcome {
    start(A)?;
    start(B)?;
    let before = [taken(A, 0, VIRTUAL)?, taken(B, 0, VIRTUAL)?];
    set_timer(A, VIRTUAL, 8_000)?;
    set_timer(B, VIRTUAL, 4_000)?;
    comes(A, VIRTUAL, before[0])?;
    comes(B, VIRTUAL, before[1])?;
    let after = [taken(A, 0, VIRTUAL)?, taken(B, 0, VIRTUAL)?];
    ensure!(
        after == before.map(|count| count + 1),
        "{after:?} after {before:?}"
    );
    Ok(())
}

fn on_core(core: usize, work: fn(usize)) -> Outcome {
    ensure!(core_on(core, work), "core {core} does not start");
    gone(core)
}

pub fn gone(core: usize) -> Outcome {
    let deadline = now() + LIMIT;
    while !core_is_off(core) {
        ensure!(now() < deadline, "core {core} does not go off");
    }
    Ok(())
}

fn set_and_leave(_: usize) {
    let _ = start(A).and_then(|()| set_timer(A, VIRTUAL, 40_000));
}

/// What came while its core was off is there when it comes back.
fn timer_off() -> Outcome {
    start(A)?;
    let before = taken(A, 1, VIRTUAL)?;
    on_core(1, set_and_leave)?;
    let deadline = now() + 80_000;
    while now() < deadline {}
    ensure!(taken(A, 1, VIRTUAL)? == before, "it came without a core");
    on_core(1, |_| {
        let deadline = now() + WITHOUT_CALLS;
        while now() < deadline {}
        // If it went off before its core did, while its context ran, it is there at the next run.
        // The scheduler may have been told of it, by an interrupt that would preempt that run at once.
        let_in();
        let _ = complete(ffa(f::RUN, &[to(A) << 16 | 1]));
    })?;
    let after = taken(A, 1, VIRTUAL)?;
    ensure!(after == before + 1, "{after} after {before}");
    Ok(())
}

/// A partition that makes hypervisor calls has timers, too.
fn timer_by_call() -> Outcome {
    // By the calls, the physical timer has the INTID that OP-TEE enables for it.
    for (timer, intid) in [(VIRTUAL, VIRTUAL), (PHYSICAL, 3)] {
        set_timer(CALLS, timer, 2_000)?;
        let [came, ..] = ask(CALLS, test_sp::AWAIT, [intid, LOOKS, 0, 0])?;
        ensure!(came == 1, "interrupt {timer} did not come");
        set_register(CALLS, if timer == VIRTUAL { 8 } else { 11 }, 0)?;
        let [again, ..] = ask(CALLS, test_sp::AWAIT, [intid, 100, 0, 0])?;
        ensure!(again == 0, "interrupt {timer} came again");
    }
    Ok(())
}

/// C3: the EL1 timers of the normal world are its own.
fn timers_kept() -> Outcome {
    let before = el1_timers();
    for number in 8..14 {
        set_register(A, number, 0x1234_5676)?;
    }
    let seen = register(A, 10)?;
    let after = el1_timers();
    for number in [8, 11] {
        set_register(A, number, 0)?;
    }
    ensure!(seen == 0x1234_5676, "its own compare value is {seen:#x}");
    ensure!(before == after, "{before:x?} became {after:x?}");
    Ok(())
}

fn sgi_self() -> Outcome {
    start(A)?;
    let before = taken(A, 0, 3)?;
    set_register(A, SGI1R, 3 << 24 | 1)?;
    let [came, ..] = ask(A, GIC_WAIT, [3, LOOKS, 0, 0])?;
    ensure!(came == 1 || taken(A, 0, 3)? == before + 1, "it did not come");
    Ok(())
}

/// The context of a further core is ready.
pub static READY: AtomicBool = AtomicBool::new(false);

/// Starts the context of a further core, and goes on there with this.
pub fn ready(core: usize, work: fn(usize)) -> Outcome {
    READY.store(false, Ordering::Release);
    ensure!(core_on(core, work), "core {core} does not start");
    let deadline = now() + LIMIT;
    while !READY.load(Ordering::Acquire) {
        ensure!(now() < deadline, "core {core} is not ready");
    }
    Ok(())
}

fn start_and_stay(_: usize) {
    if start(A).is_ok() {
        READY.store(true, Ordering::Release);
        let deadline = now() + 2 * WITHOUT_CALLS;
        while now() < deadline {
            let_in();
        }
        // If the core was left alone after another interrupt, it is there at the next run.
        let _ = complete(ffa(f::RUN, &[to(A) << 16 | 1]));
    }
}

/// I1: an SGI to a context that waits while the normal world has its core.
fn sgi_waiting() -> Outcome {
    start(A)?;
    let before = taken(A, 1, 5)?;
    ready(1, start_and_stay)?;
    set_register(A, SGI1R, 5 << 24 | 1 << 1)?;
    gone(1)?;
    let after = taken(A, 1, 5)?;
    ensure!(after == before + 1, "{after} after {before}");
    Ok(())
}

fn start_and_wait(_: usize) {
    if start(A).is_ok() {
        READY.store(true, Ordering::Release);
        let _ = ask(A, GIC_WAIT, [5, LOOKS, 0, 0]);
    }
}

/// I1: an SGI to a context that runs, by number and to all others. On a busy host that context may have ended its looks
/// before this core sends: then the next try shows it.
fn sgi_running() -> Outcome {
    start(A)?;
    for target in [1 << 2, 1 << 40] {
        let mut tries = 0;
        while !sgi_taken(target)? {
            tries += 1;
            ensure!(tries < TRIES, "it did not come {TRIES} times");
        }
    }
    Ok(())
}

/// Whether a context that runs on the third core takes an SGI, once.
fn sgi_taken(target: u64) -> Outcome<bool> {
    let before = taken(A, 2, 5)?;
    ready(2, start_and_wait)?;
    let began = now();
    while now() < began + WITHOUT_CALLS {}
    set_register(A, SGI1R, 5 << 24 | target)?;
    gone(2)?;
    let after = taken(A, 2, 5)?;
    ensure!(after <= before + 1, "{after} after {before}");
    Ok(after > before)
}

/// Has the device raise its line: its pins are high, and it says so as long as it is asked.
fn raise() -> Outcome {
    ask(A, GIC_QUIET, [GPIO + GPIO_ENABLE, 0, 0, 0])?;
    write(A, GPIO + GPIO_SENSE, 4, 1)?;
    write(A, GPIO + GPIO_BOTH, 4, 0)?;
    for event in [0, 1] {
        write(A, GPIO + GPIO_EVENT, 4, event)?;
        write(A, GPIO + GPIO_ENABLE, 4, 1)?;
    }
    Ok(())
}

/// I1: a device's line, which its owner lowers; the next one comes, too.
fn device_runs() -> Outcome {
    start(A)?;
    let before = taken(A, 0, DEVICE)?;
    ask(A, GIC_ENABLE, [DEVICE, 0x80, 0, 0])?;
    for round in 1..=5 {
        raise()?;
        let [came, ..] = ask(A, GIC_WAIT, [DEVICE, 1_000, 0, 0])?;
        let after = taken(A, 0, DEVICE)?;
        ensure!(after > before, "round {round}: it did not come ({came})");
    }
    alive(B)
}

/// What is masked comes when it is unmasked, and not before.
fn device_masked() -> Outcome {
    start(A)?;
    let mask = DISTRIBUTOR + 0x180 + 4 * (DEVICE / 32);
    write(A, mask, 4, 1 << (DEVICE % 32))?;
    let before = taken(A, 0, DEVICE)?;
    raise()?;
    let [came, ..] = ask(A, GIC_WAIT, [DEVICE, 100_000, 0, 0])?;
    ensure!(came == 0, "it came while it was masked");
    ask(A, GIC_ENABLE, [DEVICE, 0x80, 0, 0])?;
    let _ = ask(A, GIC_WAIT, [DEVICE, 1_000_000, 0, 0])?;
    let after = taken(A, 0, DEVICE)?;
    ensure!(after == before + 1, "{after} after {before}");
    Ok(())
}

/// What seL4's kernel does to its caches, its GIC and its timer when it starts, in the same order, and how it takes an
/// interrupt. (A real one runs in the cases of `SEL4_IMAGE`.)
fn as_sel4() -> Outcome {
    const ALL: u64 = 0xffff_ffff;
    const PRIORITIES: u64 = 0x8080_8080;
    let [_, syndrome, ..] = ask(
        VICTIM_1,
        test_sp::FORBIDDEN,
        [test_sp::forbidden::SET_WAY, 0, 0, 0],
    )?;
    ensure!(syndrome == 0, "{syndrome:#x}");
    write(VICTIM_1, DISTRIBUTOR, 4, 0)?;
    let lines = 32 * (read(VICTIM_1, DISTRIBUTOR + TYPER, 4)? & 0x1f) + 32;
    ensure!(lines == 32, "{lines} lines");
    for word in 2..lines / 16 {
        write(VICTIM_1, DISTRIBUTOR + ICFGR + 4 * word, 4, 0)?;
    }
    for word in 8..lines / 4 {
        write(VICTIM_1, DISTRIBUTOR + IPRIORITYR + 4 * word, 4, PRIORITIES)?;
    }
    for register in [0x180, 0x280, 0x80] {
        for word in 1..lines / 32 {
            write(VICTIM_1, DISTRIBUTOR + register + 4 * word, 4, ALL)?;
        }
    }
    write(VICTIM_1, DISTRIBUTOR, 4, 0x13)?;
    ensure!(read(VICTIM_1, DISTRIBUTOR, 4)? >> 31 == 0, "a write is pending");
    for line in 32..lines {
        write(VICTIM_1, DISTRIBUTOR + IROUTER + 8 * line, 8, 0)?;
    }
    ensure!(
        read(VICTIM_1, REDISTRIBUTORS + 8, 8)? >> 32 == 0,
        "its redistributor"
    );
    ensure!(read(VICTIM_1, REDISTRIBUTORS + 0x14, 4)? == 0, "it is asleep");
    let private = REDISTRIBUTORS + SGI_FRAME;
    write(VICTIM_1, private + 0x380, 4, ALL)?;
    for word in 0..8 {
        write(VICTIM_1, private + IPRIORITYR + 4 * word, 4, PRIORITIES)?;
    }
    for (register, value) in [(0x180, 0xffff_0000), (0x100, 0xffff), (0x80, ALL), (0xc04, 0)] {
        write(VICTIM_1, private + register, 4, value)?;
    }
    // ICC_SRE_EL1, BPR1, PMR, CTLR, IGRPEN1.
    for (number, value) in [(2, 7), (3, 0), (PMR, 0xf0), (CTLR, 0), (7, 1)] {
        set_register(VICTIM_1, number, value)?;
    }
    set_timer(VICTIM_1, VIRTUAL, 1_000)?;
    write(VICTIM_1, private + 0x100, 4, 1 << VIRTUAL)?;
    let began = now();
    while register(VICTIM_1, HPPIR)? == 1023 {
        ensure!(now() < began + LIMIT, "its tick does not come");
    }
    ensure!(register(VICTIM_1, IAR)? == VIRTUAL, "its tick is not what came");
    set_timer(VICTIM_1, VIRTUAL, 1_000_000)?;
    set_register(VICTIM_1, EOIR, VIRTUAL)?;
    ensure!(register(VICTIM_1, IAR)? == 1023, "it came twice");
    set_register(VICTIM_1, 8, 0)
}

/// A partition that was restarted finds its GIC and its timers as after a reset, and drives them.
fn comes_back() -> Outcome {
    let deadline = now() + LIMIT;
    while alive(VICTIM_2).is_err() {
        let_in();
        ensure!(now() < deadline, "it does not come back");
    }
    ensure!(read(VICTIM_2, DISTRIBUTOR, 4)? == 0x50, "its distributor is on");
    ensure!(register(VICTIM_2, PMR)? == 0, "its mask is set");
    timer_runs(VICTIM_2, VIRTUAL)
}

/// That a command stops its partition, and nobody else.
fn stops(target: u16, command: u64, [a, b, c, d]: [u64; 4]) -> Outcome {
    let answer = ffa(f::DIRECT_REQ_64, &[to(target), 0, command, a, b, c, d]);
    let told = answer.success().err();
    ensure!(
        told == Some(Error::ABORTED),
        "{:#x} {:#x}",
        answer.x(0),
        answer.x(2)
    );
    alive(A)?;
    alive(B)
}
