//! FFA_CONSOLE_LOG.

use super::machine::{Machine, succeeded};
use super::table::{A, B};
use crate::api::{Conduit, Event, Note, Regs};
use crate::console::TOLD;
use crate::error::Error;
use crate::function as f;

fn letters(first: u32, length: u64) -> Regs {
    let mut regs = Regs::new(&[u64::from(first), length]);
    let mut letter = b'a';
    let width = if first == f::CONSOLE_LOG_64 { 8 } else { 4 };
    for value in regs.0.iter_mut().skip(2) {
        let mut bytes = [0; 8];
        for byte in &mut bytes[..width] {
            *byte = letter;
            letter = if letter == b'z' { b'a' } else { letter + 1 };
        }
        *value = u64::from_le_bytes(bytes);
    }
    regs
}

#[test]
fn lengths_depend_on_form_and_version() {
    for (version, id, most) in [
        (0x1_0000u64, f::CONSOLE_LOG_32, 24u64),
        (0x1_0001, f::CONSOLE_LOG_64, 48),
        (0x1_0002, f::CONSOLE_LOG_32, 24),
        (0x1_0002, f::CONSOLE_LOG_64, 128),
    ] {
        let mut m = Machine::started();
        m.enter(0, A);
        m.call(0, &[u64::from(f::VERSION), version]);
        for length in [1, most] {
            assert!(succeeded(
                m.step(0, Event::Call(Conduit::Smc, letters(id, length)))
            ));
            let (partition, text) = m.ports.console.pop().unwrap();
            assert_eq!(partition, 0);
            let wanted: std::vec::Vec<u8> = (b'a'..=b'z').cycle().take(length as usize).collect();
            assert_eq!(text, wanted);
        }
        for length in [0, most + 1, 129, 0xffff_ffff] {
            let mut first = letters(id, length).0;
            first[1] |= 1 << 40;
            m.partition_refused(0, &first, Error::InvalidParameters);
        }
        assert!(m.ports.console.is_empty());
    }
}

#[test]
fn reserved_bits_of_the_length_are_not_looked_at() {
    // w1[31:8] is SBZ: 5 characters, and then none.
    let mut m = Machine::started();
    m.enter(0, A);
    m.call(0, &[u64::from(f::VERSION), 0x1_0002]);
    assert!(succeeded(m.step(
        0,
        Event::Call(Conduit::Smc, letters(f::CONSOLE_LOG_32, 0xffff_ff05))
    )));
    assert_eq!(m.ports.console.pop().unwrap().1, b"abcde");
    m.partition_refused(0, &letters(f::CONSOLE_LOG_64, 0x100).0, Error::InvalidParameters);
    assert!(m.ports.console.is_empty());
}

/// The table's rate, in bytes per second.
const RATE: usize = 1_000;
const LINE: usize = 20;

#[test]
fn a_flood_is_cut_to_the_quota_and_told() {
    let mut m = Machine::started();
    m.enter(0, A);
    m.enter(1, B);
    m.call(0, &[u64::from(f::VERSION), 0x1_0002]);
    let line = Event::Call(Conduit::Smc, letters(f::CONSOLE_LOG_32, LINE as u64));
    // A second's worth at once, and no more, however often it is tried.
    for _ in 0..10 * RATE / LINE {
        assert!(succeeded(m.step(0, line)));
    }
    assert_eq!(m.ports.console.len(), RATE / LINE);
    assert!(
        !m.ports
            .notes
            .iter()
            .any(|note| matches!(note, Note::Dropped { .. }))
    );
    // Its peer has its own.
    assert!(succeeded(m.step(1, line)));
    assert_eq!(m.ports.console.last().unwrap().0, 1);
    // A tenth of a second later there is room for a tenth of it, with the line that tells what is missing.
    m.ports.now += 100_000;
    m.ports.console.clear();
    for _ in 0..RATE / LINE {
        assert!(succeeded(m.step(0, line)));
    }
    assert_eq!(m.ports.console.len(), (RATE / 10 - TOLD as usize) / LINE);
    let partition = 0;
    let bytes = (9 * RATE) as u64;
    let dropped = Note::Dropped { partition, bytes };
    assert_eq!(m.ports.notes.iter().filter(|note| **note == dropped).count(), 1);
    // However long it is silent, it saves no more than a second's worth.
    m.ports.now += 3_600_000_000;
    m.ports.console.clear();
    for _ in 0..10 * RATE / LINE {
        m.step(0, line);
    }
    assert_eq!(m.ports.console.len(), (RATE - TOLD as usize) / LINE);
}

/// One that logs a little more than it may, a character at a time, has the hypervisor itself write no more about it than it may write.
#[test]
fn what_is_told_of_a_flood_is_on_its_account() {
    const SECONDS: usize = 10;
    let mut m = Machine::started();
    m.enter(0, A);
    m.call(0, &[u64::from(f::VERSION), 0x1_0002]);
    let one = Event::Call(Conduit::Smc, letters(f::CONSOLE_LOG_32, 1));
    for _ in 0..SECONDS * RATE {
        m.ports.now += 1_000_000 / RATE as u64;
        for _ in 0..2 {
            assert!(succeeded(m.step(0, one)));
        }
    }
    let told = m
        .ports
        .notes
        .iter()
        .filter(|note| matches!(note, Note::Dropped { .. }))
        .count();
    assert!(told > 0, "nobody was told");
    let written = m.ports.console.len() + told * TOLD as usize;
    assert!(written <= (SECONDS + 1) * RATE, "{written} bytes, {told} lines");
}
