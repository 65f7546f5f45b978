//! Two real devices, each used by its TEE with interrupts, and lines that storm: what the others have meanwhile.
use super::{A, B, Case, Outcome, alive, ask, complete, ffa, inside, isolation, to};
use crate::arch::machine::{
    SCHEDULE_RECEIVER, came, core_index, core_is_off, core_on, now, overflow_after, pause, stop_timer,
};
use crate::arch::{probe, read_device, write_device};
use crate::ensure;
use crate::test_sp::{self, ACCESS, AWAIT, DEVICE_STATE, DEVICE_STORM, GIC_START, GPIO_FLICKER, GPIO_PULSE};
use crate::test_sp::{GPIO_START, HAMMER, TAKE_LINE, TICK, UART_START, UART_TALK};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use sp_rt::ffa::{self as f, Error};

/// These cases.
pub const CASES: &[Case] = &[
    isolation("device-uart-by-interrupts", uart_alone),
    isolation("device-uart-with-its-other-end", uart_talks),
    isolation("device-gpio-by-interrupts", gpio_pulses),
    isolation("devices-of-two-at-once", both),
    isolation("outside-resets-the-interrupt-controller", resets),
    isolation("outside-raises-an-interrupt", raises),
    isolation("outside-reads-a-device", reads),
    isolation("device-of-another-stops", touch_each_other),
    isolation("device-of-who-came-back", after_restart),
    isolation("device-of-who-failed-is-quiet", quiet),
    isolation("interrupt-that-went-away", flickers),
    isolation("private-interrupt-of-a-core", private_line),
    isolation("private-interrupt-of-another-core", private_line_elsewhere),
    isolation("storm-of-a-level", || shared_with(uart_storm, end_uart_storm)),
    isolation("storm-of-a-level-by-gic", || {
        shared_with(gpio_storm, end_gpio_storm)
    }),
    isolation("storm-of-a-timer", || shared_with(timer_storm, end_timer_storm)),
    isolation("storm-of-all-of-them", || {
        shared_with(
            || {
                uart_storm()?;
                gpio_storm()?;
                timer_storm()
            },
            || {
                end_uart_storm()?;
                end_gpio_storm()?;
                end_timer_storm()
            },
        )
    }),
    isolation("storm-of-an-owner-elsewhere", || {
        shared_with(elsewhere, end_elsewhere)
    }),
    isolation("storm-of-virtual-interrupts", || {
        shared_with(hammered, end_hammered)
    }),
    isolation("storms-are-counted", counted),
    isolation("device-after-its-storm", uart_talks),
];

/// The one with a timer, and the one with nothing.
const TIMER: u16 = 0x8003;
const PEER: u16 = 0x8004;

const DISTRIBUTOR: u64 = 0x0800_0000;
const REDISTRIBUTORS: u64 = 0x080a_0000;
const UART: u64 = 0x0904_0000;
const UART_LINE: u64 = 40;
const GPIO: u64 = 0x090b_0000;
const GPIO_LINE: u64 = 32;
const PMU_LINE: u64 = 23;
const LOOPS_BACK: u64 = 1;
const BY_GIC: u64 = 2;
/// Bytes of a talk, and edges of a pin.
const BYTES: u64 = 300;
const EDGES: u64 = 60;
/// Time in which an interrupt comes that another core takes, in milliseconds; an emulated machine may be slow.
const PATIENCE: u64 = 5_000;
const LIMIT: u64 = 20_000_000;

/// Lets interrupts in, and is the scheduler: where it is told that somebody waits for cycles, it gives them. A handler
/// that an emulated machine has taken from its core for longer than its time is one of these.
fn tend() {
    if came(SCHEDULE_RECEIVER) {
        for target in [A, B, TIMER] {
            let _ = ffa(f::RUN, &[to(target) << 16]);
        }
    }
    pause();
}

fn wait_until(limit: u64, mut what: impl FnMut() -> Outcome<bool>) -> Outcome {
    let deadline = now() + limit;
    while !what()? {
        tend();
        ensure!(now() < deadline, "it did not happen within {limit} us");
    }
    Ok(())
}

/// Leaves the core to the normal world for so many microseconds.
fn rest(micros: u64) {
    let until = now() + micros;
    while now() < until {
        tend();
    }
}

fn uart_is_heard() -> Outcome<bool> {
    let [said, heard, wrong, _] = ask(A, DEVICE_STATE, [0; 4])?;
    ensure!(wrong == 0, "{wrong} of {heard} bytes are other ones");
    Ok(said == BYTES && heard == BYTES)
}

/// I1: what it sends comes back to it, byte by byte; nobody calls it meanwhile.
fn uart_alone() -> Outcome {
    ask(A, UART_START, [UART, UART_LINE, LOOPS_BACK, 0])?;
    ask(A, UART_TALK, [BYTES, 0, 0, 0])?;
    rest(100_000);
    let [said, heard, wrong, taken] = ask(A, DEVICE_STATE, [0; 4])?;
    ensure!(
        (said, heard, wrong) == (BYTES, BYTES, 0),
        "{said} said, {heard} heard, {wrong} wrongly"
    );
    ensure!(taken >= BYTES, "{taken} interrupts for {BYTES} bytes");
    Ok(())
}

/// Where registers of the distributor with a bit, a byte and a doubleword for each interrupt begin.
const BITS: [u64; 7] = [0x080, 0x100, 0x180, 0x200, 0x280, 0x300, 0x380];
const PRIORITIES: u64 = 0x400;
const CONFIGURATIONS: u64 = 0xc00;
const NON_SECURE_ACCESS: u64 = 0xe00;
const ROUTES: u64 = 0x6000;

/// I1, I2: all registers of a partition's interrupts are nothing to the normal world: it reads zeros, and whatever it writes changes
/// neither their group, nor whether they are enabled, nor where they go. The devices work on.
fn resets() -> Outcome {
    for line in [UART_LINE, GPIO_LINE] {
        let (word, bit) = (DISTRIBUTOR + line / 32 * 4, 1 << (line % 32));
        for register in BITS {
            write_device(word + register, bit);
            let found = read_device(word + register) & bit;
            ensure!(found == 0, "{register:#x} of {line} is {found:#x}");
        }
        let two = 3 << (line % 16 * 2);
        for (at, mask) in [
            (DISTRIBUTOR + PRIORITIES + line / 4 * 4, 0xff << (line % 4 * 8)),
            (DISTRIBUTOR + CONFIGURATIONS + line / 16 * 4, two),
            (DISTRIBUTOR + NON_SECURE_ACCESS + line / 16 * 4, two),
            (DISTRIBUTOR + ROUTES + line * 8, !0),
        ] {
            write_device(at, read_device(at) | mask);
            let found = read_device(at) & mask;
            ensure!(found == 0, "{at:#x} is {found:#x}");
        }
    }
    uart_alone()?;
    gpio_pulses()
}

/// I2: setting a partition's interrupt pending raises nothing.
fn raises() -> Outcome {
    const SET_PENDING: u64 = 0x200;
    let [.., before] = ask(A, DEVICE_STATE, [0; 4])?;
    for _ in 0..100 {
        write_device(
            DISTRIBUTOR + SET_PENDING + UART_LINE / 32 * 4,
            1 << (UART_LINE % 32),
        );
    }
    rest(10_000);
    let [.., after] = ask(A, DEVICE_STATE, [0; 4])?;
    ensure!(before == after, "{} interrupts came", after - before);
    Ok(())
}

/// D1: by loads and stores of its own the normal world reaches neither device.
fn reads() -> Outcome {
    for device in [UART, GPIO] {
        for at in [0, 0x18, 0x30, 0x400, 0xfe0] {
            let read = probe::load(device + at);
            ensure!(read.is_err(), "{:#x} holds {read:x?}", device + at);
            let wrote = probe::store(device + at, 1);
            ensure!(wrote.is_some(), "{:#x} was written", device + at);
        }
    }
    uart_alone()
}

/// The runner is at the other end, and answers in capitals.
fn uart_talks() -> Outcome {
    // An answer to what came back to itself may still be on its way, and is not meant.
    ask(A, UART_START, [UART, UART_LINE, 0, 0])?;
    rest(20_000);
    ask(A, UART_START, [UART, UART_LINE, 0, 0])?;
    ask(A, UART_TALK, [BYTES, 0, 0, 0])?;
    wait_until(LIMIT, || {
        rest(20_000);
        uart_is_heard()
    })
}

/// The GPIO's owner on this core.
fn start_gpio() -> Outcome {
    ask(B, GIC_START, [DISTRIBUTOR, REDISTRIBUTORS, 0, 0])?;
    ask(B, GPIO_START, [GPIO, GPIO_LINE, BY_GIC, 0])?;
    Ok(())
}

/// How many edges another core's context saw to be taken; none yet: `u64::MAX`.
static PULSED: AtomicU64 = AtomicU64::new(u64::MAX);

fn pulse(_core: usize) {
    let pulsed = ask(B, GPIO_PULSE, [EDGES, PATIENCE, 0, 0]);
    PULSED.store(pulsed.map_or(0, |[count, ..]| count), Ordering::Release);
}

fn is_pulsed() -> Outcome<bool> {
    Ok(PULSED.load(Ordering::Acquire) != u64::MAX && core_is_off(1))
}

/// Has the pin rise on core 1; the interrupts are this core's.
fn start_pulses() -> Outcome {
    start_gpio()?;
    PULSED.store(u64::MAX, Ordering::Release);
    ensure!(core_on(1, pulse), "core 1 does not start");
    Ok(())
}

fn pulses_came() -> Outcome {
    let pulsed = PULSED.load(Ordering::Acquire);
    ensure!(pulsed == EDGES, "{pulsed} of {EDGES} edges came");
    let [.., taken] = ask(B, DEVICE_STATE, [0; 4])?;
    ensure!(taken >= EDGES, "{taken} interrupts for {EDGES} edges");
    Ok(())
}

/// I1: edges, raised from another core, while the normal world runs.
fn gpio_pulses() -> Outcome {
    start_pulses()?;
    wait_until(LIMIT, is_pulsed)?;
    pulses_came()
}

/// I1: both at once, and a third one is called all the time.
fn both() -> Outcome {
    ask(A, UART_START, [UART, UART_LINE, 0, 0])?;
    start_pulses()?;
    ask(A, UART_TALK, [BYTES, 0, 0, 0])?;
    wait_until(LIMIT, || {
        for _ in 0..100 {
            alive(PEER)?;
        }
        Ok(is_pulsed()? && uart_is_heard()?)
    })?;
    pulses_came()
}

/// D1: each of the two is stopped when it touches the other's device, and nobody else.
fn touch_each_other() -> Outcome {
    for (who, other, place) in [(A, B, GPIO), (B, A, UART)] {
        let answer = ffa(f::DIRECT_REQ_64, &[to(who), 0, ACCESS, place, 4, 0, 0]);
        let told = answer.success().err();
        ensure!(told == Some(Error::ABORTED), "{who:#x}: {:#x}", answer.x(0));
        alive(PEER)?;
        // It was stopped itself before, and is on its way back.
        wait_until(LIMIT, || Ok(alive(other).is_ok()))?;
    }
    wait_until(LIMIT, || Ok(alive(B).is_ok()))
}

/// R1: both drive their devices as before.
fn after_restart() -> Outcome {
    both()
}

/// D1, R1: the registers that the table says are written when the owner fails, before anybody drives the device again.
fn quiet() -> Outcome {
    const DIRECTION: u64 = GPIO + 0x400;
    const ENABLED: u64 = GPIO + 0x410;
    const WORD: u64 = 4;
    for register in [DIRECTION, ENABLED] {
        ask(B, ACCESS, [register, WORD, 1, 0x80])?;
        let [value, ..] = ask(B, ACCESS, [register, WORD, 0, 0])?;
        ensure!(value == 0x80, "{register:#x} holds {value:#x}");
    }
    let answer = ffa(f::DIRECT_REQ_64, &[to(B), 0, test_sp::CALL, u64::from(f::ABORT)]);
    let told = answer.success().err();
    ensure!(told == Some(Error::ABORTED), "{:#x}", answer.x(0));
    wait_until(LIMIT, || Ok(alive(B).is_ok()))?;
    for register in [DIRECTION, ENABLED] {
        let [value, ..] = ask(B, ACCESS, [register, WORD, 0, 0])?;
        ensure!(value == 0, "{register:#x} holds {value:#x} still");
    }
    Ok(())
}

static FLICKERED: AtomicBool = AtomicBool::new(false);

/// Lines that fall before, or while, the core looks: whoever has it goes on.
fn flickers() -> Outcome {
    start_gpio()?;
    FLICKERED.store(false, Ordering::Release);
    let started = core_on(1, |_| {
        let done = ask(B, GPIO_FLICKER, [2_000, 0, 0, 0]).is_ok();
        FLICKERED.store(done, Ordering::Release);
    });
    ensure!(started, "core 1 does not start");
    wait_until(LIMIT, || {
        alive(PEER)?;
        Ok(core_is_off(1))
    })?;
    ensure!(FLICKERED.load(Ordering::Acquire), "its owner was not answered");
    gpio_pulses()
}

/// I1: a private interrupt (PPI) comes to its owner's context of this core: here the overflow of the performance
/// monitors' counter, which the normal world programs.
fn private_line() -> Outcome {
    const CYCLES: u64 = 1_000_000;
    let bit = 1 << core_index();
    ask(TIMER, GIC_START, [DISTRIBUTOR, REDISTRIBUTORS, 0, 0])?;
    ask(TIMER, TAKE_LINE, [PMU_LINE, 0, BY_GIC, 0])?;
    let [_, _, _, before] = ask(TIMER, DEVICE_STATE, [0; 4])?;
    overflow_after(CYCLES);
    rest(100_000);
    // Nobody but the normal world can have the line fall.
    overflow_after(0);
    rest(50_000);
    let [places, _, _, after] = ask(TIMER, DEVICE_STATE, [0; 4])?;
    ensure!(after > before, "it did not come");
    ensure!(
        places & bit != 0 && places & !(bit | 1) == 0,
        "it came to {places:#b}"
    );
    rest(50_000);
    let [.., later] = ask(TIMER, DEVICE_STATE, [0; 4])?;
    ensure!(later == after, "it comes though its line has fallen");
    Ok(())
}

/// Whether it came on another core, too.
static ELSEWHERE: AtomicBool = AtomicBool::new(false);

fn private_line_elsewhere() -> Outcome {
    ELSEWHERE.store(false, Ordering::Release);
    let started = core_on(1, |_| ELSEWHERE.store(private_line().is_ok(), Ordering::Release));
    ensure!(started, "core 1 does not start");
    wait_until(LIMIT, || Ok(core_is_off(1)))?;
    ensure!(
        ELSEWHERE.load(Ordering::Acquire),
        "it did not come on core 1, or elsewhere"
    );
    Ok(())
}

/// How far this core comes in a time: calls of the peer that were answered, and turns of the normal world.
fn progress() -> Outcome<[u64; 2]> {
    const TIME: u64 = 60_000;
    let (mut calls, mut turns) = (0, 0);
    let until = now() + TIME;
    while now() < until {
        alive(PEER)?;
        tend();
        calls += 1;
    }
    let until = now() + TIME;
    while now() < until {
        tend();
        turns += 1;
    }
    Ok([calls, turns])
}

/// I2, T1: while something storms, the normal world and the peer have their part of the core. All who storm
/// together may have a quarter; the ways to them cost time, too, of which an emulated machine needs more.
fn shared_with(storm: impl Fn() -> Outcome, end: impl Fn() -> Outcome) -> Outcome {
    const TRIES: u32 = 4;
    let mut seen = [[0; 2]; 2];
    for _ in 0..TRIES {
        let before = progress()?;
        storm()?;
        let meanwhile = progress();
        end()?;
        let meanwhile = meanwhile?;
        seen = [before, meanwhile];
        // On a busy host one of the two may have had less of it.
        if before
            .iter()
            .zip(&meanwhile)
            .all(|(before, meanwhile)| meanwhile * 2 >= *before)
        {
            return Ok(());
        }
    }
    ensure!(
        false,
        "calls and turns {:?} before, {:?} meanwhile",
        seen[0],
        seen[1]
    );
    Ok(())
}

fn uart_storm() -> Outcome {
    ask(A, UART_START, [UART, UART_LINE, LOOPS_BACK, 0])?;
    ask(A, UART_TALK, [1, 1, 0, 0])?;
    Ok(())
}

fn end_uart_storm() -> Outcome {
    ask(A, DEVICE_STORM, [0; 4])?;
    Ok(())
}

fn gpio_storm() -> Outcome {
    start_gpio()?;
    ask(B, DEVICE_STORM, [1, 0, 0, 0])?;
    Ok(())
}

fn end_gpio_storm() -> Outcome {
    ask(B, DEVICE_STORM, [0; 4])?;
    Ok(())
}

/// Its timer goes off as soon as it was set, for ever.
fn timer_storm() -> Outcome {
    ask(TIMER, GIC_START, [DISTRIBUTOR, REDISTRIBUTORS, 0, 0])?;
    ask(TIMER, TICK, [1, BY_GIC, 0, 0])?;
    Ok(())
}

fn end_timer_storm() -> Outcome {
    ask(TIMER, TICK, [0, BY_GIC, 0, 0])?;
    Ok(())
}

/// The call that goes on on core 1, and whether it is to end.
static MOVED: AtomicU64 = AtomicU64::new(0);

/// The owner's context of this core goes on on core 1, where it ends its line as fast as it can.
fn elsewhere() -> Outcome {
    uart_storm()?;
    // It waits for what does not come, and takes everything else.
    let answer = crate::cases::preemption::interrupted_call(A, AWAIT, [5, 30_000, 0, 0])?;
    MOVED.store(answer, Ordering::Release);
    let started = core_on(1, |_| {
        let _ = complete(ffa(f::RUN, &[MOVED.load(Ordering::Acquire)]));
    });
    ensure!(started, "core 1 does not start");
    Ok(())
}

fn end_elsewhere() -> Outcome {
    wait_until(LIMIT, || Ok(core_is_off(1)))?;
    stop_timer();
    end_uart_storm()
}

/// A context on core 1 has interrupts of this core's context come and go.
fn hammered() -> Outcome {
    start_gpio()?;
    let started = core_on(1, |_| {
        let pend = REDISTRIBUTORS + 0x1_0200;
        let _ = ask(B, HAMMER, [pend, pend + 0x80, 1 << 3, 3_000]);
    });
    ensure!(started, "core 1 does not start");
    // SGI 3 of context 0 is enabled.
    ask(B, test_sp::GIC_ENABLE, [3, 0x80, 0, 0])?;
    Ok(())
}

fn end_hammered() -> Outcome {
    wait_until(LIMIT, || Ok(core_is_off(1)))?;
    alive(B)
}

/// The hypervisor has counted what came and what it held back, of each line.
fn counted() -> Outcome {
    const INSPECT: u32 = 0xc600_0002;
    const ALL: u64 = 3;
    const LINES: u64 = 16;
    for (subject, line) in [(1, UART_LINE), (2, GPIO_LINE)] {
        let all = inside(PEER, INSPECT, &[subject, ALL])?;
        let one = inside(PEER, INSPECT, &[subject, LINES])?;
        let [intid, came, held] = [1, 2, 3].map(|n| one.x(n));
        ensure!(
            intid == line && came > held && held > 0,
            "{line}: {intid} {came} {held}"
        );
        ensure!(
            all.x(1) == came && all.x(2) >= held,
            "{line}: {} {}",
            all.x(1),
            all.x(2)
        );
    }
    let private = inside(PEER, INSPECT, &[3, LINES])?;
    ensure!(
        private.x(1) == PMU_LINE && private.x(2) > 0,
        "{:#x} {}",
        private.x(1),
        private.x(2)
    );
    let timer = inside(PEER, INSPECT, &[3, LINES + 1])?;
    ensure!(timer.x(1) == 0 && timer.x(3) > 0, "timer: {}", timer.x(3));
    let peer = inside(PEER, INSPECT, &[4, ALL])?;
    ensure!(
        peer.x(1) == 0 && peer.x(2) == 0,
        "the peer's: {} {}",
        peer.x(1),
        peer.x(2)
    );
    Ok(())
}
