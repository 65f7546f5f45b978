//! `cargo xtask size`: how big the hypervisor is, as an image and as source, and what in it has to be trusted.

mod checks;
mod crates;
mod lines;

use crate::build;
use crate::build::Core;
use crate::parts::host::CROSS;
use crate::paths::{Paths, read};
use crate::tool::Tool;
use anyhow::Result;
use std::collections::BTreeMap;
use std::path::Path;

/// How many of the largest functions and statics are shown.
const LARGEST: usize = 24;
/// Most bytes of data that have a value at first: all else starts as zeros, which take no room in flash.
const MOST_DATA: u64 = 4096;

/// Builds the hypervisor and shows its size.
pub fn size(paths: &Paths, table: &Path) -> Result<()> {
    let built = build::build_hypervisor(paths, table)?;
    image(&built)?;
    source(paths)?;
    dependencies(paths)?;
    remaining(paths, &built.hypervisor)
}

/// What is wrong with an image: a sentence each. Checks without a reason, formatting of panics, zeros in flash.
pub fn faults(paths: &Paths, elf: &Path) -> Result<Vec<String>> {
    let mut faults = checks::faults(&checks::find(elf)?, &checks::reasons(paths)?);
    let data = Sections::of(elf)?.data;
    if data > MOST_DATA {
        faults.push(format!(
            "{data} bytes of data are in flash: let them start as zeros, as hypervisor/core has it"
        ));
    }
    Ok(faults)
}

/// Bytes of an image.
struct Sections {
    code: u64,
    data: u64,
    zeroed: u64,
}

impl Sections {
    fn of(elf: &Path) -> Result<Self> {
        let text = Tool::new(format!("{CROSS}size"))
            .arg(elf)
            .output("measuring the hypervisor")?;
        let numbers = text.lines().nth(1).unwrap_or_default().split_whitespace();
        let numbers: Vec<u64> = numbers.filter_map(|word| word.parse().ok()).collect();
        let [code, data, zeroed, ..] = numbers[..] else {
            anyhow::bail!("`{CROSS}size` said nothing about {}", elf.display())
        };
        Ok(Self { code, data, zeroed })
    }
}

fn image(built: &Core) -> Result<()> {
    let elf = &built.hypervisor;
    let Sections { code, data, zeroed } = Sections::of(elf)?;
    println!("image: {code} bytes of code and constants, {data} of data, {zeroed} zeroed");
    println!(
        "in flash: {} bytes; in RAM: {} bytes",
        read(&built.folder.join("bulkhead.bin"))?.len(),
        code + data + zeroed
    );
    let symbols = Tool::new(format!("{CROSS}nm"))
        .args(["--demangle", "--print-size", "--size-sort", "--reverse-sort"])
        .arg(elf)
        .output("reading the hypervisor's symbols")?;
    let symbols: Vec<_> = symbols.lines().filter_map(symbol).collect();
    for (what, kinds) in [("functions", "tT"), ("memory", "bBdD")] {
        println!("largest {what}:");
        let largest = symbols.iter().filter(|(_, kind, _)| kinds.contains(*kind));
        for (size, _, name) in largest.take(LARGEST) {
            println!("{size:8} {name}");
        }
    }
    Ok(())
}

/// A symbol's size, kind and name.
fn symbol(line: &str) -> Option<(u64, char, &str)> {
    let mut words = line.splitn(4, ' ');
    let (_, size, kind, name) = (words.next()?, words.next()?, words.next()?, words.next()?);
    Some((u64::from_str_radix(size, 16).ok()?, kind.chars().next()?, name))
}

fn source(paths: &Paths) -> Result<()> {
    let files = lines::files(&paths.root.join("hypervisor"))?;
    let all = lines::sum(files.values());
    println!(
        "source without tests, blank lines and comments: {} lines of Rust, {} of assembly in files of its own; by room:",
        all.rust, all.assembly
    );
    let mut rooms = BTreeMap::new();
    for (file, lines) in &files {
        *rooms.entry(lines::room(file)).or_insert(0) += lines.rust + lines.assembly;
    }
    for (room, lines) in rooms {
        println!("{lines:6} {room}");
    }
    println!(
        "unsafe blocks, functions and implementations: {}; each block has its SAFETY comment, or clippy refuses it",
        all.unsafes
    );
    for (file, lines) in files.iter().filter(|(_, lines)| lines.unsafes > 0) {
        println!("{:6} {file}", lines.unsafes);
    }
    Ok(())
}

fn dependencies(paths: &Paths) -> Result<()> {
    let linked = crates::linked(paths)?;
    println!(
        "dependencies in the image: {}; lines of their source, and unsafe blocks, functions and implementations in it (most of it is not linked):",
        linked.len()
    );
    for (name, lines) in linked {
        println!("{:6} {:6} {name}", lines.rust + lines.assembly, lines.unsafes);
    }
    Ok(())
}

fn remaining(paths: &Paths, elf: &Path) -> Result<()> {
    let found = checks::find(elf)?;
    let all: usize = found.checks.values().sum();
    println!("checks of the compiler's that are left in the image, and would end in the fatal stop: {all}");
    for (check, count) in &found.checks {
        println!("{count:6} {} ({})", check.place, check.kind);
    }
    println!(
        "calls of the fatal stop where an invariant of our own does not hold: {}",
        found.sure
    );
    println!("functions that format panics: {}", found.formatting.len());
    for fault in faults(paths, elf)? {
        println!("not in order: {fault}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_symbol_is_read() {
        let line = "000000000e100000 0000000000000110 t bulkhead::arch::stage2::Pool<'_>::behind";
        let expected = (0x110, 't', "bulkhead::arch::stage2::Pool<'_>::behind");
        assert_eq!(super::symbol(line), Some(expected));
        assert_eq!(super::symbol("000000000e100000 t without_size"), None);
    }
}
