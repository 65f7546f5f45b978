//! `cargo xtask size`: how big the hypervisor is, as an image and as source.

use crate::parts::host::CROSS;
use crate::paths::{Paths, read};
use crate::tool::Tool;
use crate::{build, panics};
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

/// Builds the hypervisor and shows its size.
pub fn size(paths: &Paths, table: &Path) -> Result<()> {
    let built = build::build_hypervisor(paths, table)?;
    let elf = &built.hypervisor;
    let text = Tool::new(format!("{CROSS}size"))
        .arg(elf)
        .output("measuring the hypervisor")?;
    let numbers: Vec<u64> = text
        .lines()
        .nth(1)
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    let [code, data, bss, ..] = numbers[..] else {
        anyhow::bail!("`{CROSS}size` said nothing about {}", elf.display())
    };
    println!("image: {code} bytes of code and constants, {data} of data, {bss} zeroed");
    println!(
        "in flash: {} bytes",
        read(&built.folder.join("bulkhead.bin"))?.len()
    );
    let mut lines = Lines::default();
    count(&paths.root.join("hypervisor"), &mut lines)?;
    println!(
        "source without tests, blank lines and comments: {} lines of Rust, {} of assembly",
        lines.rust, lines.assembly
    );
    let panics = panics::places(elf)?;
    let all: usize = panics.iter().map(|(_, count)| count).sum();
    println!("checks of the compiler's that are left in the image, and would end in the fatal stop: {all}");
    for (file, count) in panics {
        println!("{count:6} {file}");
    }
    Ok(())
}

/// Lines of source.
#[derive(Default)]
struct Lines {
    rust: usize,
    assembly: usize,
}

/// Counts the source below a folder.
fn count(folder: &Path, lines: &mut Lines) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))? {
        let (entry, path) = entry.map(|entry| (entry.file_name(), entry.path()))?;
        let name = entry.to_string_lossy();
        if path.is_dir() {
            if !["tests", "fuzz", "target", "benches"].contains(&&*name) {
                count(&path, lines)?;
            }
        } else if name.ends_with(".rs") && name != "build.rs" && !name.contains("test") {
            lines.rust += source(&String::from_utf8_lossy(&read(&path)?));
        } else if name.ends_with(".S") || name.ends_with(".s") {
            lines.assembly += source(&String::from_utf8_lossy(&read(&path)?));
        }
    }
    Ok(())
}

/// Lines that are neither blank, comment, nor within a module of tests, which stands last in a file.
fn source(text: &str) -> usize {
    let tests = text.find("#[cfg(test)]\nmod").unwrap_or(text.len());
    let text = text[..tests].lines().map(str::trim);
    text.filter(|line| !line.is_empty() && !line.starts_with("//"))
        .count()
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_source_is_counted() {
        let text =
            "//! Doc.\n\nfn one() {}\n// why\nfn two() {}\n#[cfg(test)]\nmod tests {\n    fn three() {}\n}\n";
        assert_eq!(super::source(text), 2);
        assert_eq!(
            super::source("a\n#[cfg(test)]\nfn helper() {}\n"),
            3,
            "only modules are left out"
        );
    }
}
