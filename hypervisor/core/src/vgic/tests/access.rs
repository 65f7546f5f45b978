//! Accesses of a partition with a virtual GIC, and of others, as the dispatcher answers them.

use crate::api::{Action, Entry, Event, Fault, Place, SystemRegister, Trapped};
use crate::context::State;
use crate::function as f;
use crate::table::Core;
use crate::tests::machine::{Machine, request, run, x};
use crate::tests::table::{A, B, GIC, GICD, GICR};

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
    // Once, however often it changes its timers before that core has looked.
    assert_eq!((m.ports.alarm, m.ports.called.as_slice()), (None, &[1][..]));
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
    m.spmc.pend_notification(1, Some(0));
    assert!(run(m.step(0, Event::Called)).virtual_irq);
    assert_eq!(get(&mut m, 0, IAR1), 5);
}
