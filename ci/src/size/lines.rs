//! The hypervisor's source by room: lines, and what is unsafe in it.

use crate::paths::read;
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Folders whose source is in no image.
const APART: [&str; 6] = [
    "tests",
    "fuzz",
    "target",
    "benches",
    "examples",
    "proptest-regressions",
];

/// What source there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// Lines of Rust that are neither blank, comment, nor tests.
    pub rust: usize,
    /// Lines of assembly in files of their own.
    pub assembly: usize,
    /// Blocks, functions and implementations that are unsafe.
    pub unsafes: usize,
}

impl Lines {
    fn add(&mut self, other: Self) {
        self.rust += other.rust;
        self.assembly += other.assembly;
        self.unsafes += other.unsafes;
    }
}

/// The source files below a folder, each by its path from there.
pub fn files(folder: &Path) -> Result<BTreeMap<String, Lines>> {
    let mut files = BTreeMap::new();
    collect(folder, folder, &mut files)?;
    Ok(files)
}

/// The sum of all of them.
pub fn sum<'a>(files: impl IntoIterator<Item = &'a Lines>) -> Lines {
    files.into_iter().fold(Lines::default(), |mut sum, lines| {
        sum.add(*lines);
        sum
    })
}

/// The room that a file is in: its folder.
pub fn room(file: &str) -> &str {
    file.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn collect(root: &Path, folder: &Path, files: &mut BTreeMap<String, Lines>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))? {
        let (name, path) = entry.map(|entry| (entry.file_name(), entry.path()))?;
        let name = name.to_string_lossy();
        if path.is_dir() {
            if !APART.contains(&&*name) {
                collect(root, &path, files)?;
            }
            continue;
        }
        let text = || read(&path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let lines = if name.ends_with(".rs") && name != "build.rs" && name != "tests.rs" {
            of_rust(&text()?)
        } else if name.ends_with(".S") || name.ends_with(".s") {
            Lines {
                assembly: code(&text()?).count(),
                ..Lines::default()
            }
        } else {
            continue;
        };
        let file = path.strip_prefix(root).unwrap_or(&path).display().to_string();
        files.insert(file, lines);
    }
    Ok(())
}

fn of_rust(text: &str) -> Lines {
    // A module of tests stands last in a file.
    let tests = text.find("#[cfg(test)]\nmod").unwrap_or(text.len());
    let is_unsafe = |line: &&str| {
        let mut words = line
            .match_indices("unsafe ")
            .map(|(at, word)| &line[at + word.len()..]);
        words.any(|rest| {
            ["{", "fn ", "impl", "extern"]
                .iter()
                .any(|what| rest.starts_with(what))
        })
    };
    Lines {
        rust: code(&text[..tests]).count(),
        assembly: 0,
        unsafes: code(&text[..tests]).filter(is_unsafe).count(),
    }
}

/// Lines that are neither blank nor comment.
fn code(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().map(str::trim);
    lines.filter(|line| !line.is_empty() && !line.starts_with("//"))
}

#[cfg(test)]
mod tests {
    use super::{Lines, of_rust, room};

    #[test]
    fn only_source_is_counted() {
        let text =
            "//! Doc.\n\nfn one() {}\n// why\nfn two() {}\n#[cfg(test)]\nmod tests {\n    fn three() {}\n}\n";
        assert_eq!(of_rust(text).rust, 2);
        assert_eq!(
            of_rust("a\n#[cfg(test)]\nfn helper() {}\n").rust,
            3,
            "only modules are left out"
        );
    }

    #[test]
    fn what_is_unsafe_is_counted() {
        let text = "// unsafe {\nunsafe { one() };\nlet a = unsafe { two() };\nunsafe impl Send for A {}\nlet unsafely = 1;\n";
        assert_eq!(
            of_rust(text),
            Lines {
                rust: 4,
                assembly: 0,
                unsafes: 3
            }
        );
    }

    #[test]
    fn a_room_is_a_folder() {
        assert_eq!(room("core/src/memory/pool.rs"), "core/src/memory");
        assert_eq!(room("main.rs"), "");
    }
}
