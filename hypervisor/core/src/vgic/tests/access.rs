//! Accesses of a partition with a virtual GIC, and of others, as the dispatcher answers them.

use crate::api::{Action, Deadline, Entry, Event, Fault, Place, SystemRegister, Trapped};
use crate::context::State;
use crate::function as f;
use crate::table::Core;
use crate::tests::machine::{Machine, request, run, x};
use crate::tests::table::{A, B, C, GIC, GICD, GICR};

const IAR1: SystemRegister = SystemRegister::new(3, 0, 12, 12, 0);
const EOIR1: SystemRegister = SystemRegister::new(3, 0, 12, 12, 1);
const DIR: SystemRegister = SystemRegister::new(3, 0, 12, 11, 1);
const CTLR: SystemRegister = SystemRegister::new(3, 0, 12, 12, 4);
const IGRPEN1: SystemRegister = SystemRegister::new(3, 0, 12, 12, 7);
const PMR: SystemRegister = SystemRegister::new(3, 0, 4, 6, 0);
const SGI1R: SystemRegister = SystemRegister::new(3, 0, 12, 11, 5);
const NMIAR1: SystemRegister = SystemRegister::new(3, 0, 12, 9, 5);
const CNTV_TVAL: SystemRegister = SystemRegister::new(3, 3, 14, 3, 0);
const CNTV_CTL: SystemRegister = SystemRegister::new(3, 3, 14, 3, 1);
const CNTV_CVAL: SystemRegister = SystemRegister::new(3, 3, 14, 3, 2);
const CNTP_CTL: SystemRegister = SystemRegister::new(3, 3, 14, 2, 1);
const CNTP_CVAL: SystemRegister = SystemRegister::new(3, 3, 14, 2, 2);

const RESUME: u64 = f::NORMAL_WORLD_RESUME as u64;
const MSG_WAIT: u64 = f::MSG_WAIT as u64;
const RUN: u64 = f::RUN as u64;
/// Its own interrupts: 40 at core 1, 220 at core 0, 25 at each.
const SPI: u32 = 40;
const FAULT: Fault = Fault {
    syndrome: 1,
    address: 2,
    ipa: 3,
    pc: 4,
};

fn memory(address: u64, size: u64) -> Place {
    Place::Memory { address, size }
}

/// The partition that runs on a core accesses something.
fn access(m: &mut Machine, core: Core, place: Place, write: Option<u64>) -> Action {
    let trapped = Trapped {
        place,
        write,
        target: 5,
        fault: FAULT,
    };
    m.step(core, Event::Trapped(trapped))
}

fn read(m: &mut Machine, core: Core, place: Place) -> u64 {
    match run(access(m, core, place, None)).entry {
        Entry::Load { target: 5, value } => value,
        other => panic!("{other:?}"),
    }
}

/// The virtual IRQ behind the write.
fn write(m: &mut Machine, core: Core, place: Place, value: u64) -> bool {
    let on = run(access(m, core, place, Some(value)));
    assert_eq!(on.entry, Entry::Resume);
    on.virtual_irq
}

fn get(m: &mut Machine, core: Core, register: SystemRegister) -> u64 {
    read(m, core, Place::Register(register))
}

fn set(m: &mut Machine, core: Core, register: SystemRegister, value: u64) -> bool {
    write(m, core, Place::Register(register), value)
}

fn word(m: &mut Machine, core: Core, address: u64) -> u64 {
    read(m, core, memory(address, 4))
}

fn set_word(m: &mut Machine, core: Core, address: u64, value: u64) -> bool {
    write(m, core, memory(address, 4), value)
}

/// The partition runs on a core, with its GIC on: SGI 1, timer 27, 25, and its shared interrupts enabled.
fn driving(core: Core) -> Machine {
    let mut m = Machine::of(&GIC).start();
    drive(&mut m, core);
    m
}

fn drive(m: &mut Machine, core: Core) {
    m.enter(core, B);
    let own = GICR + u64::from(core) * 0x2_0000 + 0x1_0000;
    set_word(m, core, GICD, 2);
    set(m, core, PMR, 0xf0);
    set(m, core, IGRPEN1, 1);
    set_word(m, core, own + 0x100, 1 << 1 | 1 << 25 | 1 << 27 | 1 << 30);
    set_word(m, core, GICD + 0x104, 1 << (SPI - 32));
    set_word(m, core, GICD + 0x100 + 4 * (220 / 32), 1 << (220 % 32));
}

fn kept_by(m: &Machine, core: Core) -> State {
    m.spmc.compartments[1].seats[usize::from(core)].state()
}

#[test]
fn a_physical_interrupt_is_taken_and_ended_once() {
    let mut m = driving(1);
    assert!(run(m.step(1, Event::SecureInterrupt(SPI))).virtual_irq);
    assert_eq!(get(&mut m, 1, IAR1), SPI.into());
    assert_eq!(get(&mut m, 1, IAR1), 1023);
    assert!(m.ports.ended.is_empty());
    assert!(!set(&mut m, 1, EOIR1, SPI.into()));
    assert_eq!(m.ports.ended, [(SPI, 1)]);
    set(&mut m, 1, EOIR1, SPI.into());
    set_word(&mut m, 1, GICD + 0x384, u64::MAX);
    assert_eq!(m.ports.ended.len(), 1);
}

#[test]
fn a_private_one_ends_where_it_came() {
    let mut m = driving(2);
    m.step(2, Event::SecureInterrupt(25));
    set(&mut m, 2, CTLR, 2);
    assert_eq!(get(&mut m, 2, IAR1), 25);
    set(&mut m, 2, EOIR1, 25);
    assert!(m.ports.ended.is_empty());
    set(&mut m, 2, DIR, 25);
    assert_eq!(m.ports.ended, [(25, 2)]);
}

#[test]
fn its_owner_is_entered_from_the_normal_world_and_from_another() {
    let mut m = driving(1);
    m.respond(1, B);
    let entered = run(m.step(1, Event::SecureInterrupt(SPI)));
    assert!(entered.context.partition == 1 && entered.virtual_irq && entered.hold_normal);
    get(&mut m, 1, IAR1);
    set(&mut m, 1, EOIR1, SPI.into());
    assert_eq!(x(m.call(1, &[MSG_WAIT]), 0), RESUME);
    m.enter(1, A);
    assert_eq!(run(m.step(1, Event::SecureInterrupt(25))).context.partition, 1);
    assert_eq!(run(m.call(1, &[MSG_WAIT])).context.partition, 0);
}

#[test]
fn a_level_that_was_masked_is_asked_again() {
    let mut m = driving(1);
    set_word(&mut m, 1, GICD + 0x184, 1 << (SPI - 32));
    assert!(!run(m.step(1, Event::SecureInterrupt(SPI))).virtual_irq);
    assert_eq!(word(&mut m, 1, GICD + 0x204), 1 << (SPI - 32));
    // Its line has fallen meanwhile, perhaps: the physical one is ended, and comes again if not.
    assert!(!set_word(&mut m, 1, GICD + 0x104, 1 << (SPI - 32)));
    assert_eq!(m.ports.ended, [(SPI, 1)]);
    assert!(run(m.step(1, Event::SecureInterrupt(SPI))).virtual_irq);
}

#[test]
fn an_edge_that_was_masked_is_kept() {
    let mut m = driving(0);
    let bit = 1 << (220 % 32);
    set_word(&mut m, 0, GICD + 0x180 + 4 * (220 / 32), bit);
    assert!(!run(m.step(0, Event::SecureInterrupt(220))).virtual_irq);
    assert!(set_word(&mut m, 0, GICD + 0x100 + 4 * (220 / 32), bit));
    assert_eq!(get(&mut m, 0, IAR1), 220);
    // What is cleared before it is taken is ended.
    set(&mut m, 0, EOIR1, 220);
    m.step(0, Event::SecureInterrupt(220));
    assert!(!set_word(&mut m, 0, GICD + 0x280 + 4 * (220 / 32), bit));
    assert_eq!(m.ports.ended, [(220, 0), (220, 0)]);
}

#[test]
fn what_is_not_its_own_reads_as_zero() {
    let mut m = driving(0);
    for place in (0..0x1_0000).step_by(4) {
        let known = match place {
            0 | 4 | 0xffe8 => true,
            0x80..0x400 => matches!((place - 0x80) / 4 % 32, 1 | 6),
            0x400..0x800 => matches!((place - 0x400) / 4, 10 | 55),
            0xc00..0xd00 => matches!((place - 0xc00) / 4, 2 | 13),
            0x6000..0x7fe0 => matches!((place - 0x6000) / 8, 40),
            _ => false,
        };
        if !known {
            set_word(&mut m, 0, GICD + place, u64::MAX);
            assert_eq!(word(&mut m, 0, GICD + place), 0, "{place:#x}");
        }
        for size in [1, 2, 8] {
            if place.is_multiple_of(size) && !(0x400..0x800).contains(&place) && place < 0x6000 {
                write(&mut m, 0, memory(GICD + place, size), u64::MAX);
                assert_eq!(read(&mut m, 0, memory(GICD + place, size)), 0, "{place:#x}");
            }
        }
    }
    assert_eq!(read(&mut m, 0, memory(GICD + 0x6000 + 8 * 40, 8)), 1);
    assert_eq!(
        word(&mut m, 0, GICD + 0x104),
        1 << 8,
        "none of another's was enabled"
    );
}

#[test]
fn an_access_to_nothing_is_a_fault() {
    let beyond = [
        memory(GICD + 0x1_0000, 4),
        memory(GICD - 4, 4),
        memory(GICR + 4 * 0x2_0000, 4),
        memory(GICD + 2, 4),
        memory(GICR + 4, 8),
        memory(u64::MAX, 1),
        Place::Register(NMIAR1),
        Place::Register(SystemRegister::new(3, 0, 1, 0, 0)),
    ];
    for place in beyond {
        for value in [None, Some(7)] {
            let mut m = driving(0);
            let after = access(&mut m, 0, place, value);
            assert!(matches!(after, Action::Normal(_)), "{place:x?}: {after:?}");
            assert_eq!(kept_by(&m, 0), State::Off, "{place:x?}");
        }
    }
    // A register that is only written, and one that is only read.
    for (register, value) in [(EOIR1, None), (IAR1, Some(1)), (SGI1R, None)] {
        let mut m = driving(0);
        let after = access(&mut m, 0, Place::Register(register), value);
        assert!(matches!(after, Action::Normal(_)));
    }
}

#[test]
fn maintenance_by_set_and_way_does_nothing() {
    for crm in [6, 10, 14] {
        let place = Place::Register(SystemRegister::new(1, 0, 7, crm, 2));
        let mut m = driving(0);
        write(&mut m, 0, place, 0x1234);
        // It is nobody's who makes hypervisor calls.
        m.respond(0, B);
        m.enter(0, A);
        assert!(matches!(access(&mut m, 0, place, Some(0)), Action::Normal(_)));
    }
}

#[test]
fn who_has_no_gic_gets_a_fault() {
    for place in [memory(GICD, 4), memory(GICR, 4), Place::Register(PMR)] {
        let mut m = Machine::of(&GIC).start();
        m.enter(0, A);
        assert!(matches!(access(&mut m, 0, place, None), Action::Normal(_)));
    }
}

#[test]
fn an_sgi_reaches_contexts_of_the_partition_alone() {
    let mut m = driving(0);
    m.respond(0, B);
    drive(&mut m, 1);
    m.enter(0, B);
    // To itself: it has it at once.
    assert!(set(&mut m, 0, SGI1R, 1 << 24 | 1));
    assert_eq!(get(&mut m, 0, IAR1), 1);
    set(&mut m, 0, EOIR1, 1);
    // To one that runs: its core is called, and it goes on with its line up.
    assert!(!set(&mut m, 0, SGI1R, 1 << 24 | 0b10));
    assert_eq!(m.ports.called, [1]);
    assert!(run(m.step(1, Event::Called)).virtual_irq);
    assert_eq!(get(&mut m, 1, IAR1), 1);
    set(&mut m, 1, EOIR1, 1);
    // To one that waits: it is entered.
    m.respond(1, B);
    set(&mut m, 0, SGI1R, 1 << 24 | 1 << 40);
    assert_eq!(m.ports.called[1..], [1]);
    assert_eq!(run(m.step(1, Event::Called)).context.partition, 1);
    assert_eq!(get(&mut m, 1, IAR1), 1);
    set(&mut m, 1, EOIR1, 1);
    assert_eq!(x(m.call(1, &[MSG_WAIT]), 0), RESUME);
    // To numbers and affinities that it does not have.
    for value in [0xfff0, 1 << 16 | 1, 1 << 32 | 1, 1 << 48 | 1, 1 << 44 | 1] {
        assert!(!set(&mut m, 0, SGI1R, 2 << 24 | value), "{value:#x}");
    }
    assert_eq!(m.ports.called.len(), 2);
}

#[test]
fn a_timer_comes_when_it_is_due() {
    let mut m = driving(1);
    m.ports.counter = 1_000;
    assert!(!set(&mut m, 1, CNTV_TVAL, 500));
    assert_eq!(m.ports.alarm, None);
    set(&mut m, 1, CNTV_CTL, 1);
    assert_eq!(m.ports.alarm, Some(1_500));
    assert_eq!(get(&mut m, 1, CNTV_CTL), 1, "it is not due yet");
    assert_eq!(get(&mut m, 1, CNTV_CVAL), 1_500);
    set(&mut m, 1, CNTP_CVAL, 1_200);
    set(&mut m, 1, CNTP_CTL, 1);
    assert_eq!(m.ports.alarm, Some(1_200));
    m.respond(1, B);
    m.ports.counter = 1_300;
    let entered = run(m.step(1, Event::Alarm));
    assert!(entered.context.partition == 1 && entered.virtual_irq);
    assert_eq!((get(&mut m, 1, IAR1), m.ports.alarm), (30, Some(1_500)));
    assert_eq!(get(&mut m, 1, CNTP_CTL), 0b101);
    // The line stays up until the timer is stopped or set anew.
    assert!(set(&mut m, 1, EOIR1, 30));
    assert!(!set(&mut m, 1, CNTP_CTL, 0b11));
    assert_eq!(x(m.call(1, &[MSG_WAIT]), 0), RESUME);
    // One that is stopped does not come.
    m.enter(1, B);
    set(&mut m, 1, CNTV_CTL, 0);
    assert_eq!(m.ports.alarm, None);
    m.ports.counter = 2_000;
    assert!(!run(m.step(1, Event::Alarm)).virtual_irq);
    // One that is set to the past comes at once.
    set(&mut m, 1, CNTV_TVAL, u64::from(-5i32 as u32));
    assert!(set(&mut m, 1, CNTV_CTL, 1));
    assert_eq!(get(&mut m, 1, CNTV_TVAL), 0xffff_fffb);
}

#[test]
fn a_timer_of_who_is_busy_is_told_to_the_scheduler() {
    let mut m = driving(1);
    set(&mut m, 1, CNTV_TVAL, 500);
    set(&mut m, 1, CNTV_CTL, 1);
    m.step(1, Event::NormalInterrupt);
    m.ports.counter = 1_000;
    assert_eq!(x(m.step(1, Event::Alarm), 0), RESUME);
    assert_eq!(m.ports.scheduled, 1);
    assert!(run(m.normal(1, &[RUN, u64::from(B) << 16 | 1])).virtual_irq);
}

#[test]
fn a_timer_of_one_that_moved_calls_its_core() {
    let mut m = driving(1);
    m.step(1, Event::NormalInterrupt);
    m.normal(2, &[RUN, u64::from(B) << 16 | 1]);
    set(&mut m, 2, CNTV_TVAL, 500);
    assert!(!set(&mut m, 2, CNTV_CTL, 1));
    // Once, however often it changes its timers before that core has looked. It goes off here, too.
    assert_eq!((m.ports.alarm, m.ports.called.as_slice()), (Some(500), &[1][..]));
    assert_eq!(x(m.step(1, Event::Called), 0), RESUME);
    assert_eq!(m.ports.alarm, Some(500));
    m.ports.counter = 600;
    assert_eq!(x(m.step(1, Event::Alarm), 0), RESUME);
    assert_eq!(m.ports.called, [1, 2]);
    assert!(run(m.step(2, Event::Called)).virtual_irq);
}

#[test]
fn a_partition_with_hypervisor_calls_has_timers() {
    let mut m = Machine::of(&GIC).start();
    m.enter(0, A);
    m.hvc(0, &[0xff03, 27, 1, 0]);
    set(&mut m, 0, CNTV_CVAL, 100);
    set(&mut m, 0, CNTV_CTL, 1);
    m.ports.counter = 100;
    assert!(run(m.step(0, Event::Alarm)).virtual_irq);
    assert_eq!((m.hvc(0, &[0xff04]), m.hvc(0, &[0xff08, 27, 27])), (27, 0));
    assert!(m.ports.ended.is_empty());
    assert_eq!(m.hvc(0, &[0xff04]), 0xffff_ffff);
    // The physical one has the INTID that OP-TEE's driver knows; its line stays up until it is set anew.
    set(&mut m, 0, CNTV_CTL, 0);
    assert_eq!(m.hvc(0, &[0xff03, 30, 1, 0]), 0xffff_ffff);
    assert_eq!(m.hvc(0, &[0xff03, 3, 1, 0]), 0);
    set(&mut m, 0, CNTP_CVAL, 300);
    set(&mut m, 0, CNTP_CTL, 1);
    m.respond(0, A);
    m.ports.counter = 300;
    let entered = run(m.step(0, Event::Alarm));
    assert!(entered.context.partition == 0 && entered.virtual_irq);
    assert_eq!(m.hvc(0, &[0xff04]), 3);
    assert!(!set(&mut m, 0, CNTP_CVAL, 500));
    assert_eq!(m.hvc(0, &[0xff08, 3, 3]), 0);
    assert_eq!(m.ports.alarm, Some(500));
}

#[test]
fn hypervisor_calls_for_interrupts_are_not_for_it() {
    let mut m = driving(0);
    for call in [0xff03, 0xff04, 0xff08, 0xff09] {
        assert_eq!(m.hvc(0, &[call, 40, 40, 1]) as u32, u32::MAX, "{call:#x}");
    }
    assert_eq!(
        m.spmc.compartments[1].seats[0]
            .enabled
            .load(core::sync::atomic::Ordering::Relaxed),
        1
    );
}

#[test]
fn one_that_was_stopped_is_quiet() {
    let mut m = driving(0);
    set(&mut m, 0, CNTV_CVAL, 100);
    set(&mut m, 0, CNTV_CTL, 1);
    access(&mut m, 0, memory(0, 4), None);
    m.ports.counter = 200;
    assert_eq!(x(m.step(0, Event::Alarm), 0), RESUME);
    assert_eq!((m.ports.alarm, m.ports.scheduled), (None, 0));
    assert!(matches!(m.normal(0, &request(B)), Action::Normal(_)));
}

#[test]
fn it_is_told_of_notifications_by_an_interrupt() {
    let mut m = driving(0);
    set_word(&mut m, 0, GICR + 0x1_0100, 1 << 5);
    m.spmc.pend_notification(1, Some(0), &mut m.ports);
    assert!(run(m.step(0, Event::Called)).virtual_irq);
    assert_eq!(get(&mut m, 0, IAR1), 5);
}

/// The core goes off.
fn off(m: &mut Machine, core: Core) {
    let goes = [f::DIRECT_REQ_32.into(), 0xffff_8000, 1 << 31, 0x8400_0002];
    m.normal(core, &goes);
}

#[test]
fn a_timer_of_one_whose_home_is_off_goes_off_where_it_runs() {
    let name = u64::from(B) << 16 | 1;
    let mut m = driving(1);
    set(&mut m, 1, CNTV_TVAL, 500);
    set(&mut m, 1, CNTV_CTL, 1);
    m.step(1, Event::NormalInterrupt);
    off(&mut m, 1);
    m.ports.alarm = None;
    // Not due yet: the core where it goes on has its alarm from then on.
    assert!(!run(m.normal(2, &[RUN, name])).virtual_irq);
    assert_eq!(m.ports.alarm, Some(500));
    m.ports.counter = 500;
    assert!(run(m.step(2, Event::Alarm)).virtual_irq);
    assert_eq!(get(&mut m, 2, IAR1), 27);
    set(&mut m, 2, CNTV_TVAL, 500);
    assert_eq!(m.ports.alarm, Some(1_000), "and when it is set there, too");
    set(&mut m, 2, EOIR1, 27);
    // It leaves, and the time comes while it runs nowhere: at its next run.
    m.step(2, Event::NormalInterrupt);
    m.ports.counter = 1_000;
    assert_eq!(x(m.step(2, Event::Alarm), 0), RESUME, "what was set is void");
    assert_eq!(m.ports.alarm, None);
    assert!(run(m.normal(3, &[RUN, name])).virtual_irq);
    assert_eq!((get(&mut m, 3, IAR1), m.ports.scheduled), (27, 0));
}

#[test]
fn what_becomes_deliverable_while_it_runs_is_signalled_at_once() {
    let own = GICR + 0x2_0000 + 0x1_0000;
    let sgi = 1 << 24 | 1 << 1;
    // Each thing that can keep an interrupt back, and what lets it in.
    type Step = fn(&mut Machine) -> bool;
    let gates: [(Step, Step); 6] = [
        (|m| set(m, 1, PMR, 0), |m| set(m, 1, PMR, 0xf0)),
        (|m| set(m, 1, IGRPEN1, 0), |m| set(m, 1, IGRPEN1, 1)),
        (|m| set_word(m, 1, GICD, 0), |m| set_word(m, 1, GICD, 2)),
        (
            |m| set_word(m, 1, GICR + 0x2_0014, 2),
            |m| set_word(m, 1, GICR + 0x2_0014, 0),
        ),
        (
            |m| set_word(m, 1, GICR + 0x3_0180, u64::MAX),
            |m| set_word(m, 1, GICR + 0x3_0100, 1 << 1 | 1 << 25),
        ),
        (
            |m| set_word(m, 1, GICR + 0x3_0400, 0xf8f8_f8f8) | set_word(m, 1, GICR + 0x3_0418, 0xf8f8_f8f8),
            |m| set_word(m, 1, GICR + 0x3_0400, 0) | set_word(m, 1, GICR + 0x3_0418, 0),
        ),
    ];
    for (n, (close, open)) in gates.into_iter().enumerate() {
        // Raised by itself, and by its device.
        for device in [false, true] {
            let mut m = driving(1);
            assert!(!close(&mut m), "{n}");
            let raised = if device {
                run(m.step(1, Event::SecureInterrupt(25))).virtual_irq
            } else {
                set(&mut m, 1, SGI1R, sgi) | set_word(&mut m, 1, own + 0x200, 1 << 1)
            };
            assert!(!raised, "{n} {device}: it came while it was kept back");
            assert!(open(&mut m), "{n} {device}: it did not come at once");
            let intid = get(&mut m, 1, IAR1);
            assert_eq!(intid, if device { 25 } else { 1 }, "{n}");
        }
    }
    // Behind one that is more urgent, and at the end of that.
    let mut m = driving(1);
    set_word(&mut m, 1, own + 0x400, 0x8000);
    assert!(set(&mut m, 1, SGI1R, sgi));
    assert_eq!(get(&mut m, 1, IAR1), 1);
    assert!(!set(&mut m, 1, SGI1R, sgi));
    assert!(set(&mut m, 1, EOIR1, 1));
}

#[test]
fn so_is_what_another_context_lets_in() {
    // 220 is core 0's, where its context runs with all kept back, and then with one line masked.
    let mut m = driving(0);
    drive(&mut m, 2);
    let line = 1 << (220 % 32);
    let at = 4 * (220 / 32);
    for (close, open) in [(GICD, GICD), (GICD + 0x180 + at, GICD + 0x100 + at)] {
        assert!(!set_word(&mut m, 2, close, if close == open { 0 } else { line }));
        assert!(!set_word(&mut m, 2, GICD + 0x200 + at, line));
        assert!(m.ports.called.is_empty());
        set_word(&mut m, 2, open, if close == open { 2 } else { line });
        assert_eq!(core::mem::take(&mut m.ports.called), [0]);
        assert!(run(m.step(0, Event::Called)).virtual_irq);
        assert_eq!(get(&mut m, 0, IAR1), 220);
        assert!(!set(&mut m, 0, EOIR1, 220));
    }
    // A notification for one that runs, too, once until it has taken it.
    set_word(&mut m, 0, GICR + 0x1_0100, 1 << 5);
    for called in [&[0][..], &[]] {
        m.spmc.pend_notification(1, Some(0), &mut m.ports);
        assert_eq!(core::mem::take(&mut m.ports.called), called);
    }
    assert!(run(m.step(0, Event::Called)).virtual_irq);
    assert_eq!(get(&mut m, 0, IAR1), 5);
}

/// C, which takes part in managed exits, runs on a core with SGI 4 enabled.
fn exits(core: Core) -> Machine {
    let mut m = Machine::of(&GIC).start();
    m.enter(core, C);
    set_word(&mut m, core, GICD, 2);
    set(&mut m, core, PMR, 0xf0);
    set(&mut m, core, IGRPEN1, 1);
    let own = GICR + u64::from(core) * 0x2_0000 + 0x1_0000;
    set_word(&mut m, core, own + 0x100, 1 << 4);
    m
}

#[test]
fn a_managed_exit_is_an_sgi_of_its_own_redistributor() {
    let mut m = exits(1);
    // FFA_FEATURES names it.
    let told = m.call(1, &[f::FEATURES.into(), 3]);
    assert_eq!((x(told, 0), x(told, 2)), (f::SUCCESS_32.into(), 4));
    let told = run(m.step(1, Event::NormalInterrupt));
    assert_eq!(told.deadline, Deadline::Micros(10_000));
    assert!(told.hold_normal && told.virtual_irq && !told.virtual_fiq);
    assert_eq!(word(&mut m, 1, GICR + 0x3_0200), 1 << 4);
    assert_eq!(word(&mut m, 1, GICR + 0x1_0200), 0, "another context's");
    // It takes it, and goes on for a while; then it answers.
    assert_eq!(get(&mut m, 1, IAR1), 4);
    let on = run(access(&mut m, 1, Place::Register(EOIR1), Some(4)));
    assert!(on.hold_normal && !on.virtual_irq && on.deadline == Deadline::Keep);
    assert_eq!(x(m.respond(1, C), 0), f::DIRECT_RESP_32.into());
    assert!(m.ports.ended.is_empty(), "nothing physical was behind it");
    assert!(!m.enter(1, C).virtual_irq);
}

#[test]
fn one_that_is_not_taken_in_time_is_taken_back() {
    let mut m = exits(1);
    m.step(1, Event::NormalInterrupt);
    assert_eq!(x(m.step(1, Event::Deadline), 0), f::INTERRUPT.into());
    let on = run(m.normal(1, &[RUN, u64::from(C) << 16 | 1]));
    assert!(!on.virtual_irq && !on.hold_normal);
    assert_eq!(get(&mut m, 1, IAR1), 1023);
    // Masked, it waits for the same time; disabled, there is none.
    set(&mut m, 1, PMR, 0);
    let on = run(m.step(1, Event::NormalInterrupt));
    assert!(!on.virtual_irq && on.hold_normal);
    assert!(set(&mut m, 1, PMR, 0xf0), "unmasked in time");
    m.respond(1, C);
    m.enter(1, C);
    set_word(&mut m, 1, GICR + 0x3_0180, 1 << 4);
    assert_eq!(x(m.step(1, Event::NormalInterrupt), 0), f::INTERRUPT.into());
}

#[test]
fn what_was_raised_while_it_ran_masked_is_next() {
    let mut m = driving(1);
    assert!(set(&mut m, 1, SGI1R, 1 << 24 | 1 << 1));
    m.ports.called.clear();
    assert_eq!(x(m.respond(1, B), 0), f::DIRECT_RESP_32.into());
    assert_eq!(core::mem::take(&mut m.ports.called), [1]);
    assert!(run(m.step(1, Event::Called)).virtual_irq);
    assert_eq!(get(&mut m, 1, IAR1), 1);
    set(&mut m, 1, EOIR1, 1);
    m.call(1, &[MSG_WAIT]);
    // What its priority mask keeps back is not.
    m.enter(1, B);
    set(&mut m, 1, PMR, 0);
    set(&mut m, 1, SGI1R, 1 << 24 | 1 << 1);
    m.respond(1, B);
    assert!(m.ports.called.is_empty());
}

#[test]
fn what_it_is_can_be_read() {
    let mut m = Machine::of(&GIC).start();
    m.enter(1, B);
    set_word(&mut m, 1, GICD, 0);
    assert_eq!(word(&mut m, 1, GICD) & 2, 0);
    set_word(&mut m, 1, GICD, 2);
    assert_eq!(word(&mut m, 1, GICD) & 2, 2);
    for (number, last) in [(0u64, 0u64), (3, 1 << 4)] {
        let frame = GICR + number * 0x2_0000;
        let kind = number << 32 | number << 8 | last;
        assert_eq!(read(&mut m, 1, memory(frame + 8, 8)), kind);
        assert_eq!(word(&mut m, 1, frame + 8), kind & 0xffff_ffff);
        assert_eq!(word(&mut m, 1, frame + 0xc), kind >> 32);
        assert_eq!(word(&mut m, 1, frame + 0xffe8), 0x3b);
        // ProcessorSleep, and ChildrenAsleep with it.
        for (asleep, seen) in [(2, 6), (0, 0)] {
            set_word(&mut m, 1, frame + 0x14, asleep);
            assert_eq!(word(&mut m, 1, frame + 0x14), seen);
        }
    }
}
