//! QEMU's execution log of a run: each instruction that the hypervisor executes, and where the normal world's
//! measurements begin and end.

use super::LIMIT;
use crate::build::Firmware;
use crate::paths::{make_folder, read};
use crate::run::machine::Machine;
use anyhow::{Context, Result};
use object::{Object, ObjectSection, ObjectSymbol, SectionKind};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Instant;

/// Instructions at which the hypervisor gives a core away: ERET, SMC #0.
const LEAVES: [u32; 2] = [0xd69f_03e0, 0xd400_0003];

/// The measurement's end in the boot stage: it is called with each result.
const REPORT: &str = "ns_boot::bench::report";

/// Something that the log says.
pub enum Step {
    /// The hypervisor executes the instruction at this address.
    Inside(u64),
    /// The normal world starts.
    Normal,
    /// The next result is reported.
    Report,
}

/// A program's code: what is where.
pub struct Code {
    /// Where its functions begin, in words.
    names: BTreeMap<u64, String>,
    /// Its instructions.
    sections: Vec<(u64, Vec<u8>)>,
    entry: u64,
}

impl Code {
    /// Reads an ELF file.
    pub fn of(path: &std::path::Path) -> Result<Self> {
        let bytes = read(path)?;
        let file =
            object::File::parse(&*bytes).with_context(|| format!("{} is no program", path.display()))?;
        let text = |section: &object::Section<'_, '_>| section.kind() == SectionKind::Text;
        let mut sections = Vec::new();
        for section in file.sections().filter(text) {
            sections.push((section.address(), section.data()?.to_vec()));
        }
        let mut names = BTreeMap::new();
        for symbol in file.symbols() {
            let name = symbol.name().unwrap_or_default();
            let inside = sections
                .iter()
                .any(|(start, bytes)| (*start..start + bytes.len() as u64).contains(&symbol.address()));
            // `$x` and `$d` mark code and data.
            if inside && !name.is_empty() && !name.starts_with('$') {
                names.insert(symbol.address(), format!("{:#}", rustc_demangle::demangle(name)));
            }
        }
        Ok(Self {
            names,
            sections,
            entry: file.entry(),
        })
    }

    /// The function that an address is in.
    pub fn function(&self, address: u64) -> &str {
        let below = self.names.range(..=address).next_back();
        below.map_or("", |(_, name)| name)
    }

    /// Whether the instruction there gives the core away.
    pub fn leaves(&self, address: u64) -> bool {
        let word = self.sections.iter().find_map(|(start, bytes)| {
            let offset = usize::try_from(address.checked_sub(*start)?).ok()?;
            bytes.get(offset..offset + 4)?.try_into().ok()
        });
        word.is_some_and(|word| LEAVES.contains(&u32::from_le_bytes(word)))
    }

    fn range(&self) -> String {
        let first = self.sections.iter().map(|(start, _)| *start).min().unwrap_or(0);
        let last = self
            .sections
            .iter()
            .map(|(start, bytes)| start + bytes.len() as u64)
            .max();
        format!("{first:#x}..{:#x}", last.unwrap_or(first).saturating_sub(1))
    }

    fn place_of(&self, function: &str) -> Option<u64> {
        let found = self.names.iter().find(|(_, name)| *name == function);
        found.map(|(address, _)| *address)
    }
}

/// The machine, ended when nobody looks any more.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs the measurements of a system one instruction at a time; `on` sees each step and says whether to go on.
/// Returns where the console's text is.
pub fn follow(firmware: &Firmware, code: &Code, mut on: impl FnMut(Step) -> bool) -> Result<PathBuf> {
    let folder = firmware.folder.join("bench");
    make_folder(&folder)?;
    let console = folder.join("trace.log");
    let normal = Code::of(&firmware.folder.join("ns-bench.elf"))?;
    let report = normal
        .place_of(REPORT)
        .with_context(|| format!("the boot stage has no {REPORT}"))?;
    let entry = normal.entry;
    let mut command = Machine::of(&firmware.system, false)
        .stepping()
        .command(&firmware.flash, [&format!("file:{}", console.display()), "null"]);
    command
        .args(["-d", "exec,nochain", "-dfilter"])
        .arg(format!("{},{entry:#x}+4,{report:#x}+4", code.range()));
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut running = Running(child.context("QEMU does not start")?);
    let log = running.0.stderr.take().context("QEMU has no log")?;
    let (mut log, mut line, since) = (BufReader::with_capacity(1 << 20, log), Vec::new(), Instant::now());
    while log.read_until(b'\n', &mut line)? != 0 && since.elapsed() < LIMIT {
        let step = match address(&line) {
            Some(address) if address == entry => Some(Step::Normal),
            Some(address) if address == report => Some(Step::Report),
            address => address.map(Step::Inside),
        };
        line.clear();
        if !step.is_none_or(&mut on) {
            break;
        }
    }
    Ok(console)
}

/// The address in a line of the log: `Trace 0: 0x7f… [cs_base/pc/flags/cflags] …`.
fn address(line: &[u8]) -> Option<u64> {
    let open = line.iter().position(|byte| *byte == b'[')?;
    let mut fields = line.get(open + 1..)?.split(|byte| *byte == b'/');
    let address = std::str::from_utf8(fields.nth(1)?).ok()?;
    u64::from_str_radix(address, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_from_the_log() {
        let line = b"Trace 0: 0x7f3a14 [0000000000000000/000000000e100c00/00000000/ff000201] el2_vectors\n";
        assert_eq!(address(line), Some(0x0e10_0c00));
        assert_eq!(address(b"qemu-system-aarch64: a word of QEMU's\n"), None);
    }
}
