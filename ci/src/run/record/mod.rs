//! Failures of partitions for people: the hypervisor's records, put together from its log and decoded.
//!
//! `hypervisor/src/record.rs` writes them: lines of the hypervisor's own, which a partition's console cannot forge.

mod calls;
mod data;
mod failures;
mod fault;
mod symbols;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

pub use calls::words as call_words;
pub use data::writable;
pub use failures::Failures;
pub use symbols::Symbols;

/// What stands between a partition's name and a part of its record.
const MARK: &str = ": record ";
/// General registers in a line.
const COLUMNS: usize = 4;

/// The programs of partitions, by name.
pub type Programs = BTreeMap<String, Program>;

/// A partition's program.
#[derive(Clone)]
pub struct Program {
    /// The ELF file with its symbols.
    pub file: PathBuf,
    /// Where its image is loaded, for one that can run anywhere.
    pub load: u64,
}

/// The records of one run.
struct Records<'a> {
    programs: &'a Programs,
    open: BTreeMap<String, Record>,
}

/// One record, as far as it has come.
#[derive(Default)]
struct Record {
    /// The failure in one line.
    title: String,
    pc: u64,
    pstate: u64,
    general: Vec<u64>,
    el1: String,
    fault: Option<fault::Fault>,
    calls: Vec<Vec<u64>>,
}

impl<'a> Records<'a> {
    /// None yet, of these programs.
    fn new(programs: &'a Programs) -> Self {
        Self {
            programs,
            open: BTreeMap::new(),
        }
    }

    /// Takes a line of the hypervisor's own; the whole record for people where it was the last line of one.
    fn take(&mut self, level: &str, message: &str) -> Option<String> {
        match level {
            "error" => {
                if let Some((name, what)) = message.split_once(": ") {
                    self.open.entry(name.to_owned()).or_default().title = what.to_owned();
                }
                None
            }
            "debug" => {
                let (name, part) = message.split_once(MARK)?;
                if part == "ends" {
                    let symbols = Symbols::of(self.programs.get(name));
                    return Some(self.open.remove(name)?.render(name, &symbols));
                }
                self.open.get_mut(name)?.take(part)
            }
            _ => None,
        }
    }
}

impl Record {
    /// Takes one part; never the whole.
    fn take(&mut self, part: &str) -> Option<String> {
        let (what, rest) = part.split_once(' ')?;
        match what {
            "pc" => {
                let (pc, pstate) = rest.split_once(" pstate ")?;
                (self.pc, self.pstate) = (number(pc)?, number(pstate)?);
            }
            "x" => self.general = numbers(rest)?,
            "el1" => rest.clone_into(&mut self.el1),
            "fault" => self.fault = fault::Fault::read(rest),
            "call" => self.calls.push(numbers(rest)?),
            _ => {}
        }
        None
    }

    fn render(&self, name: &str, symbols: &Symbols) -> String {
        let mut text = format!("{name}: {}\n", self.title);
        let mut line = |what: &str, words: &str| {
            let _ = writeln!(text, "  {what:8} {words}");
        };
        let place = |address: u64| format!("{address:#x} {}", symbols.place(address));
        line("pc", place(self.pc).trim_end());
        if let Some(link) = self.general.get(30).filter(|link| **link != 0) {
            line("lr", place(*link).trim_end());
        }
        line("pstate", &fault::pstate(self.pstate));
        if let Some(fault) = &self.fault {
            for (what, words) in fault.words() {
                line(what, &words);
            }
        }
        for (row, registers) in self.general.chunks(COLUMNS).enumerate() {
            let first = row * COLUMNS;
            let values: Vec<_> = registers.iter().map(|value| format!("{value:16x}")).collect();
            line(&format!("x{first}"), &values.join("  "));
        }
        line("EL1", &self.el1);
        for (number, call) in self.calls.iter().enumerate() {
            line(if number == 0 { "calls" } else { "" }, &calls::words(call));
        }
        text
    }
}

/// A number as the log has it.
fn number(word: &str) -> Option<u64> {
    u64::from_str_radix(word.trim().strip_prefix("0x")?, 16).ok()
}

/// A list of numbers as the log has it.
fn numbers(list: &str) -> Option<Vec<u64>> {
    let inner = list.trim().strip_prefix('[')?.strip_suffix(']')?;
    inner.split(',').map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &[(&str, &str)] = &[
        (
            "error",
            "test-b: failed on core 0 by a load: syndrome 0x93c08006 pc 0xe3074cc address 0xe100000 ipa 0xe100000",
        ),
        ("debug", "test-b: record pc 0xe3074cc pstate 0x800003c5"),
        ("debug", "test-b: record x [0x0, 0x8002, 0x2]"),
        ("debug", "test-b: record el1 sp_el0 0x0 sp_el1 0xe341960"),
        (
            "debug",
            "test-b: record fault syndrome 0x93c08006 address 0xe100000 ipa 0xe100000 secure [0xe187003, 0x0, 0x0] window [0x0, 0x0, 0x0]",
        ),
        ("debug", "test-b: record call [0x84000069, 0x0, 0x0, 0x0]"),
        ("debug", "test-b: record call [0x8400006b, 0x0, 0x0, 0x0]"),
    ];

    fn taken(lines: &[(&str, &str)]) -> Option<String> {
        let programs = Programs::new();
        let mut records = Records::new(&programs);
        for (level, message) in lines {
            assert_eq!(records.take(level, message), None, "{message}");
        }
        records.take("debug", "test-b: record ends")
    }

    #[test]
    fn a_record_is_put_together() {
        let text = taken(LINES).unwrap();
        let wanted = "\
test-b: failed on core 0 by a load: syndrome 0x93c08006 pc 0xe3074cc address 0xe100000 ipa 0xe100000
  pc       0xe3074cc
  pstate   0x800003c5: EL1 with its own stack; masked: debug SError IRQ FIQ
  fault    data abort of a lower Exception level: a load of 8 bytes; translation fault at level 2
  address  0xe100000, intermediate 0xe100000
  secure   level 1: a table; level 2: nothing
  window   level 1: nothing
  x0                      0              8002                 2
  EL1      sp_el0 0x0 sp_el1 0xe341960
  calls    FFA_ID_GET 0x0 0x0 0x0
           FFA_MSG_WAIT 0x0 0x0 0x0
";
        assert_eq!(text, wanted);
    }

    #[test]
    fn damaged_lines_harm_nothing() {
        assert_eq!(taken(&[]), None, "an end without a record");
        for n in 1..LINES.len() {
            let (_, message) = LINES[n];
            for cut in 0..message.len() {
                let mut lines = LINES.to_vec();
                lines[n].1 = &message[..cut];
                assert!(taken(&lines).is_some(), "{}", lines[n].1);
            }
        }
        // A partition's own lines have no level.
        assert_eq!(taken(&[("", "test-b: record pc 0x1 pstate 0x2")]), None);
    }
}
