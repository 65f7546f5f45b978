//! Lines that come too often: they cost their owner its part of a core, and nobody else.

use std::vec::Vec;

use super::machine::{Machine, run, x};
use super::table::{A, B, C, GIC, GICD, GICR, RESTARTS, TABLE};
use crate::api::{Action, Event, Fault, Note, Place, SystemRegister, Trapped};
use crate::function as f;
use crate::table::{Core, Table};

const MSG_WAIT: u64 = f::MSG_WAIT as u64;
const RESUME: u64 = f::NORMAL_WORLD_RESUME as u64;
const IAR1: SystemRegister = SystemRegister::new(3, 0, 12, 12, 0);
const EOIR1: SystemRegister = SystemRegister::new(3, 0, 12, 12, 1);
const PMR: SystemRegister = SystemRegister::new(3, 0, 4, 6, 0);
const IGRPEN1: SystemRegister = SystemRegister::new(3, 0, 12, 12, 7);
const CNTV_CTL: SystemRegister = SystemRegister::new(3, 3, 14, 3, 1);
const CNTV_CVAL: SystemRegister = SystemRegister::new(3, 3, 14, 3, 2);

/// B's line, which comes on core 1.
const LINE: u32 = 40;
const HOME: Core = 1;
/// What one context has of a core before it rests, and what a core has of it: the ratio is that of the tables
/// here, of three partitions on each core (two on core 1 of `TABLE`).
const FREE: u64 = 1_000;

fn access(m: &mut Machine, core: Core, place: Place, write: Option<u64>) -> Action {
    let fault = Fault {
        syndrome: 1,
        address: 2,
        ipa: 3,
        pc: 4,
    };
    m.step(
        core,
        Event::Trapped(Trapped {
            place,
            write,
            target: 5,
            fault,
        }),
    )
}

fn set(m: &mut Machine, core: Core, register: SystemRegister, value: u64) {
    access(m, core, Place::Register(register), Some(value));
}

fn set_word(m: &mut Machine, core: Core, address: u64, value: u64) {
    access(m, core, Place::Memory { address, size: 4 }, Some(value));
}

/// B takes its line, on its core; by calls in `TABLE`, by a GIC in `GIC`.
fn ready(table: &'static Table) -> Machine {
    let mut m = Machine::of(table).start();
    m.enter(HOME, B);
    if std::ptr::eq(table, &GIC) {
        set_word(&mut m, HOME, GICD, 2);
        set(&mut m, HOME, PMR, 0xf0);
        set(&mut m, HOME, IGRPEN1, 1);
        set_word(&mut m, HOME, GICD + 0x104, 1 << (LINE - 32));
        set_word(&mut m, HOME, GICR + 0x3_0100, 1 << 3 | 1 << 27);
    } else {
        m.hvc(HOME, &[0xff03, LINE.into(), 1, 0]);
    }
    m.respond(HOME, B);
    m
}

/// Its owner, which runs on a core, takes it and ends it.
fn deal_with(m: &mut Machine, core: Core) {
    if std::ptr::eq(m.spmc.table, &GIC) {
        access(m, core, Place::Register(IAR1), None);
        set(m, core, EOIR1, LINE.into());
    } else {
        assert_eq!(m.hvc(core, &[0xff04]), LINE.into());
        assert_eq!(m.hvc(core, &[0xff08, LINE.into(), LINE.into()]), 0);
    }
}

/// What a storm came to.
#[derive(Default)]
struct Toll {
    /// Microseconds that its handler had, and how often it was entered.
    handler: u64,
    entered: u64,
    /// How often the core was taken from the normal world.
    taken: u64,
    /// Microseconds between the handler's turns, at most.
    longest: u64,
}

/// The normal world has core 1 for so long (microseconds), while a line of B's is raised whenever it is not active; its
/// handler takes so long each time.
fn storm(m: &mut Machine, time: u64, handler: u64) -> Toll {
    let mut toll = Toll::default();
    let (mut active, mut last) = (false, 0);
    while m.ports.now < time {
        let action = if active {
            // Nothing else happens: the core is woken when that was asked for.
            let Some(wake) = m.ports.wake.take() else {
                panic!("held back, and nobody looks again");
            };
            m.ports.now += u64::from(wake);
            m.step(HOME, Event::Called)
        } else {
            active = true;
            m.step(HOME, Event::SecureInterrupt(LINE))
        };
        toll.taken += 1;
        if let Action::Run(entered) = action {
            assert_eq!((entered.context.partition, entered.context.home), (1, HOME));
            toll.longest = toll.longest.max(m.ports.now - last);
            deal_with(m, HOME);
            m.ports.now += handler;
            last = m.ports.now;
            (toll.handler, toll.entered) = (toll.handler + handler, toll.entered + 1);
            assert_eq!(x(m.call(HOME, &[MSG_WAIT]), 0), RESUME);
        }
        if m.ports.ended.pop().is_some() {
            active = false;
        }
    }
    toll
}

#[test]
fn a_storm_has_its_part_of_the_core_and_no_more() {
    // Two partitions on core 1 of one table, three of the other.
    for (table, parts) in [(&TABLE, 8), (&GIC, 12)] {
        for handler in [1, 20, 150, 1_000] {
            let mut m = ready(table);
            let time = 1_000_000;
            let toll = storm(&mut m, time, handler);
            let most = time / parts + FREE + 2 * handler;
            assert!(toll.handler <= most, "{handler}: {} of {most}", toll.handler);
            // It loses nothing but rate: short handlers pay for the way to them, too.
            let least = time / parts * handler / handler.max(20) * 9 / 10;
            assert!(toll.handler >= least, "{handler}: {} of {least}", toll.handler);
            assert!(
                toll.longest <= (handler.max(20) + 1) * parts,
                "{handler}: {}",
                toll.longest
            );
            assert!(toll.taken <= 2 * toll.entered + 1, "{handler}: {}", toll.taken);
            assert_eq!(m.ports.scheduled, 0);
            let storms = m
                .ports
                .notes
                .iter()
                .filter(|note| matches!(note, Note::Storm { .. }));
            let lines = m.ports.notes.len() as u64;
            assert!(storms.count() as u64 == lines && lines >= 3 && lines <= 10 + toll.entered / 256);
            let (came, held) = m.spmc.compartments[1].lines.sum();
            assert!(
                came >= toll.entered && came <= toll.entered + 1,
                "{came} of {}",
                toll.entered
            );
            assert!(held > 0 && held <= came, "{held} of {came}");
        }
    }
}

#[test]
fn what_comes_seldom_is_never_held_back() {
    let mut m = ready(&TABLE);
    for n in 0..1_000 {
        m.ports.now = n * 1_000;
        let entered = run(m.step(HOME, Event::SecureInterrupt(LINE)));
        assert_eq!(entered.context.partition, 1);
        deal_with(&mut m, HOME);
        m.ports.now += 100;
        m.call(HOME, &[MSG_WAIT]);
    }
    assert_eq!(m.spmc.compartments[1].lines.sum(), (1_000, 0));
    assert!(m.ports.notes.is_empty() && m.ports.ended.len() == 1_000);
}

/// The timer of the first partition, which makes hypervisor calls, is to go off at 5,000.
fn set_timer(m: &mut Machine) {
    m.enter(HOME, A);
    m.hvc(HOME, &[0xff03, 27, 1, 0]);
    set(m, HOME, CNTV_CVAL, 5_000);
    set(m, HOME, CNTV_CTL, 1);
    m.respond(HOME, A);
}

#[test]
fn anothers_interrupt_is_not_late_for_it() {
    let mut m = ready(&GIC);
    set_timer(&mut m);
    storm(&mut m, 50_000, 1_000);
    // The storm's owner rests now, or would have to behind the next one.
    m.step(HOME, Event::SecureInterrupt(LINE));
    m.ports.counter = 5_000;
    let entered = run(m.step(HOME, Event::Alarm));
    assert_eq!(entered.context.partition, 0, "its timer is at once");
}

#[test]
fn one_that_comes_while_another_is_dealt_with_is_next() {
    let mut m = ready(&GIC);
    set_timer(&mut m);
    run(m.step(HOME, Event::SecureInterrupt(LINE)));
    m.ports.counter = 5_000;
    let on = run(m.step(HOME, Event::Alarm));
    assert_eq!(on.context.partition, 1, "they do not nest");
    deal_with(&mut m, HOME);
    assert_eq!(x(m.call(HOME, &[MSG_WAIT]), 0), RESUME);
    assert_eq!((m.ports.called.as_slice(), m.ports.scheduled), (&[HOME][..], 0));
    assert_eq!(run(m.step(HOME, Event::Called)).context.partition, 0);
    assert_eq!(m.hvc(HOME, &[0xff04]), 27);
    assert_eq!(x(m.call(HOME, &[MSG_WAIT]), 0), RESUME);
    assert_eq!(m.ports.called, [HOME], "there is no more");
}

/// It came behind its owner's last look, in a call and in a handler.
#[test]
fn one_that_its_owner_leaves_behind_comes_at_once() {
    for (table, id) in [(&TABLE, B), (&GIC, B)] {
        let mut m = ready(table);
        m.enter(HOME, B);
        m.step(HOME, Event::SecureInterrupt(LINE));
        assert_eq!(x(m.respond(HOME, id), 0), u64::from(f::DIRECT_RESP_32));
        assert_eq!(m.ports.called, [HOME]);
        assert_eq!(run(m.step(HOME, Event::Called)).context.partition, 1);
        deal_with(&mut m, HOME);
        m.step(HOME, Event::SecureInterrupt(LINE));
        assert_eq!(x(m.call(HOME, &[MSG_WAIT]), 0), RESUME);
        assert_eq!(m.ports.called, [HOME; 2]);
        assert_eq!(run(m.step(HOME, Event::Called)).context.partition, 1);
        deal_with(&mut m, HOME);
        assert_eq!(x(m.call(HOME, &[MSG_WAIT]), 0), RESUME);
        assert_eq!((m.ports.called.len(), m.ports.scheduled), (2, 0));
    }
}

/// One that never takes what it has enabled has its part of the core, too.
#[test]
fn an_owner_that_ignores_its_line_storms_nobody() {
    let mut m = ready(&TABLE);
    m.step(HOME, Event::SecureInterrupt(LINE));
    let mut entered = 1;
    while m.ports.now < 1_000_000 {
        assert_eq!(x(m.call(HOME, &[MSG_WAIT]), 0), RESUME);
        loop {
            let called = m.ports.called.pop().is_some();
            match m.ports.wake.take() {
                Some(wake) => m.ports.now += u64::from(wake),
                None => assert!(called, "nobody looks again"),
            }
            if let Action::Run(_) = m.step(HOME, Event::Called) {
                break;
            }
        }
        entered += 1;
    }
    // Each time is counted as 20 us of an eighth.
    assert!(entered <= 1_000_000 / 160 + FREE / 20 + 2, "{entered}");
}

#[test]
fn its_owners_own_time_is_its_own() {
    let mut m = ready(&TABLE);
    m.enter(HOME, B);
    for _ in 0..1_000 {
        assert_eq!(
            run(m.step(HOME, Event::SecureInterrupt(LINE))).context.partition,
            1
        );
        deal_with(&mut m, HOME);
    }
    assert_eq!((m.ports.ended.len(), m.ports.wake), (1_000, None));
    assert_eq!(m.spmc.compartments[1].lines.sum(), (1_000, 0));
}

/// A context that was resumed on another core ends its line there again and again, and each time it comes at home.
#[test]
fn an_owner_elsewhere_cannot_storm_its_home() {
    for table in [&TABLE, &GIC] {
        let mut m = ready(table);
        m.enter(HOME, B);
        m.step(HOME, Event::NormalInterrupt);
        run(m.normal(2, &[f::RUN.into(), u64::from(B) << 16 | 1]));
        let mut came = 0;
        for _ in 0..1_000 {
            assert_eq!(x(m.step(HOME, Event::SecureInterrupt(LINE)), 0), RESUME);
            came += 1;
            deal_with(&mut m, 2);
            if m.ports.ended.pop().is_none() {
                break;
            }
        }
        // Each of them is 20 us.
        assert_eq!(came, FREE / 20 + 2);
        m.ports.now += u64::from(m.ports.wake.take().unwrap());
        assert_eq!(x(m.step(HOME, Event::Called), 0), RESUME);
        assert_eq!(m.ports.ended, [(LINE, HOME)], "it is let in again");
    }
}

/// A context raises and lowers another one's line by its GIC.
#[test]
fn virtual_interrupts_cannot_storm_another_core() {
    let mut m = ready(&GIC);
    m.enter(2, B);
    let (pend, clear) = (GICR + 0x3_0200, GICR + 0x3_0280);
    let mut looks = 0;
    for _ in 0..1_000 {
        set_word(&mut m, 2, pend, 1 << 3);
        set_word(&mut m, 2, clear, 1 << 3);
        for core in core::mem::take(&mut m.ports.called) {
            assert_eq!(core, HOME);
            assert_eq!(x(m.step(HOME, Event::Called), 0), RESUME);
            looks += 1;
        }
    }
    assert_eq!(looks, FREE / 20 + 2);
    // The last one counts, when it has rested.
    set_word(&mut m, 2, pend, 1 << 3);
    assert!(m.ports.called.is_empty());
    m.ports.now += u64::from(m.ports.wake.take().unwrap());
    assert_eq!(run(m.step(HOME, Event::Called)).context.partition, 1);
}

/// A core that went off before it looked, looks when it comes back.
#[test]
fn a_core_that_was_called_looks_when_it_comes_back() {
    let mut m = ready(&GIC);
    m.enter(2, B);
    set_word(&mut m, 2, GICR + 0x3_0200, 1 << 3);
    assert_eq!(core::mem::take(&mut m.ports.called), [HOME]);
    m.normal(
        HOME,
        &[f::DIRECT_REQ_32.into(), 0xffff_8000, 1 << 31, 0x8400_0002],
    );
    m.step(HOME, Event::CoreOn);
    assert_eq!(m.ports.called, [HOME]);
    assert_eq!(run(m.step(HOME, Event::Called)).context.partition, 1);
}

/// A timer that is always over again, set by its handler.
#[test]
fn timers_cannot_storm_their_core() {
    let mut m = ready(&GIC);
    m.enter(HOME, B);
    set(&mut m, HOME, CNTV_CVAL, 1);
    set(&mut m, HOME, CNTV_CTL, 1);
    m.respond(HOME, B);
    let mut handler = 0;
    while m.ports.now < 1_000_000 {
        m.ports.counter = m.ports.counter.max(m.ports.alarm.unwrap_or(0));
        let event = match m.ports.wake.take() {
            Some(wake) => {
                m.ports.now += u64::from(wake);
                Event::Called
            }
            None => Event::Alarm,
        };
        if let Action::Run(entered) = m.step(HOME, event) {
            assert_eq!(entered.context.partition, 1);
            access(&mut m, HOME, Place::Register(IAR1), None);
            let next = m.ports.counter + 1;
            set(&mut m, HOME, CNTV_CVAL, next);
            set(&mut m, HOME, EOIR1, 27);
            m.ports.now += 100;
            handler += 100;
            m.call(HOME, &[MSG_WAIT]);
        }
    }
    assert!(
        (75_000..=1_000_000 / 12 + FREE + 200).contains(&handler),
        "{handler}"
    );
    assert_eq!(m.spmc.compartments[1].lines.sum().0, 0, "no line came");
    let own = |note: &Note| matches!(note, Note::Storm { intid: None, .. });
    assert!(m.ports.notes.iter().any(own));
}

/// A line that was held back, and dealt with, comes to the next instance.
#[test]
fn a_restart_lets_lines_in() {
    let mut m = Machine::of(&RESTARTS).start();
    m.enter(HOME, A);
    m.hvc(HOME, &[0xff03, LINE.into(), 1, 0]);
    m.step(HOME, Event::NormalInterrupt);
    m.step(HOME, Event::Deadline);
    run(m.normal(2, &[f::RUN.into(), u64::from(A) << 16 | 1]));
    loop {
        m.step(HOME, Event::SecureInterrupt(LINE));
        deal_with(&mut m, 2);
        if m.ports.ended.pop().is_none() {
            break;
        }
    }
    m.ports.image = 1;
    m.step(2, super::machine::FAULT);
    assert!(m.ports.ended.is_empty());
    for _ in 0..100 {
        m.ports.now += 1_000;
        m.step(0, Event::Called);
    }
    assert_eq!(m.ports.ended, [(LINE, HOME)]);
}

/// The core was woken for a restart, too: that has its turn behind the handler.
#[test]
fn a_storm_does_not_keep_others_from_their_restart() {
    let mut m = Machine::of(&RESTARTS).start();
    m.enter(HOME, A);
    m.hvc(HOME, &[0xff03, LINE.into(), 1, 0]);
    m.respond(HOME, A);
    m.enter(HOME, C);
    m.step(HOME, super::machine::FAULT);
    m.spmc.compartments[0].seats[usize::from(HOME)]
        .kicked
        .store(true, std::sync::atomic::Ordering::Relaxed);
    m.spmc.compartments[0].seats[usize::from(HOME)]
        .pending
        .store(1 << 16, std::sync::atomic::Ordering::Relaxed);
    m.ports.called.clear();
    assert_eq!(run(m.step(HOME, Event::Called)).context.partition, 0);
    m.spmc.compartments[0].seats[usize::from(HOME)]
        .pending
        .store(0, std::sync::atomic::Ordering::Relaxed);
    m.spmc.compartments[0].seats[usize::from(HOME)]
        .kicked
        .store(false, std::sync::atomic::Ordering::Relaxed);
    m.call(HOME, &[f::MSG_WAIT.into()]);
    assert_eq!(m.ports.called, [HOME]);
}

#[test]
fn one_without_an_owner_comes_once() {
    let mut m = ready(&TABLE);
    assert_eq!(x(m.step(2, Event::SecureInterrupt(99)), 0), RESUME);
    assert_eq!(m.ports.disabled, [(99, 2)]);
    assert_eq!(m.ports.ended, [(99, 2)]);
    assert_eq!(m.ports.notes, [Note::UnownedInterrupt { intid: 99 }]);
    m.enter(2, A);
    assert_eq!(run(m.step(2, Event::SecureInterrupt(99))).context.partition, 0);
}

/// The SPMD tells of an interrupt, and when the core looks there is none.
#[test]
fn one_that_went_away_changes_nothing() {
    let mut m = ready(&TABLE);
    let before = m.state();
    for core in 0..4 {
        assert_eq!(x(m.normal(core, &[f::INTERRUPT.into()]), 0), RESUME);
    }
    assert_eq!(before, m.state());
    assert!(m.ports.notes.is_empty() && m.ports.called.is_empty());
}

#[test]
fn what_a_handler_leaves_behind_is_held_back_with_it() {
    for table in [&TABLE, &GIC] {
        let mut m = ready(table);
        run(m.step(HOME, Event::SecureInterrupt(LINE)));
        // It deals with nothing, in all the time that is free, and is entered for that again.
        m.ports.now += FREE;
        assert_eq!(x(m.call(HOME, &[MSG_WAIT]), 0), RESUME);
        assert_eq!(run(m.step(HOME, Event::Called)).context.partition, 1);
        assert_eq!(storms(&m), []);
        m.ports.now += FREE;
        assert_eq!(x(m.call(HOME, &[MSG_WAIT]), 0), RESUME);
        assert_eq!(storms(&m), [Some(LINE)]);
        // Another's return to the normal world changes nothing.
        m.enter(HOME, A);
        m.respond(HOME, A);
        assert_eq!(x(m.step(HOME, Event::Called), 0), RESUME);
        m.ports.now += u64::from(m.ports.wake.take().expect("it is let in again"));
        assert_eq!(run(m.step(HOME, Event::Called)).context.partition, 1);
    }
}

/// What was reported as held back.
fn storms(m: &Machine) -> Vec<Option<u32>> {
    let notes = m.ports.notes.iter();
    notes
        .filter_map(|note| match note {
            Note::Storm { intid, .. } => Some(*intid),
            _ => None,
        })
        .collect()
}
