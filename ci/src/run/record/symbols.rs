//! The names of places in a program, by its ELF file.

use super::Program;
use anyhow::{Result, bail};
use object::{Object, ObjectKind, ObjectSymbol, SymbolKind};

/// A program's functions, by address.
pub struct Symbols(Vec<Function>);

struct Function {
    start: u64,
    end: u64,
    name: String,
}

impl Symbols {
    /// Those of a file; none where there is no such file, or it has none.
    pub fn of(program: Option<&Program>) -> Self {
        let read = |program: &Program| Self::read(&std::fs::read(&program.file).ok()?, program.load);
        program.and_then(read).unwrap_or(Self(Vec::new()))
    }

    fn read(bytes: &[u8], load: u64) -> Option<Self> {
        let file = object::File::parse(bytes).ok()?;
        let moved = moved(&file, load);
        let functions = file.symbols().filter(|symbol| symbol.kind() == SymbolKind::Text);
        let named = functions.filter_map(|symbol| {
            let start = symbol.address().checked_add(moved)?;
            Some(Function {
                start,
                end: start.checked_add(symbol.size())?,
                name: format!("{:#}", rustc_demangle::demangle(symbol.name().ok()?)),
            })
        });
        Some(Self(named.collect()))
    }

    /// Where a function begins, by its name or the end of it (`image::echo_64`).
    ///
    /// # Errors
    /// There is none, or several.
    pub fn start(&self, name: &str) -> Result<u64> {
        let is_meant = |function: &&Function| {
            let rest = function.name.strip_suffix(name);
            rest.is_some_and(|rest| rest.is_empty() || rest.ends_with("::"))
        };
        let mut starts: Vec<_> = self
            .0
            .iter()
            .filter(is_meant)
            .map(|function| function.start)
            .collect();
        starts.sort_unstable();
        starts.dedup();
        match starts[..] {
            [start] => Ok(start),
            [] => bail!("the program has no function `{name}`; `nm -C` lists those that it has"),
            _ => bail!(
                "the program has {} functions `{name}`; write more of its path",
                starts.len()
            ),
        }
    }

    /// The function at an address and how far in it that is; nothing where there is none.
    pub fn place(&self, address: u64) -> String {
        let within = |function: &&Function| (function.start..function.end).contains(&address);
        self.0.iter().find(within).map_or_else(String::new, |function| {
            format!("{}+{:#x}", function.name, address - function.start)
        })
    }
}

/// How far a program's addresses are from those in its file: one that can run anywhere is moved to where it is loaded.
fn moved(file: &object::File<'_>, load: u64) -> u64 {
    match file.kind() {
        ObjectKind::Dynamic => load,
        _ => 0,
    }
}

impl Program {
    /// How far its addresses are from those in its file.
    pub fn offset(&self) -> u64 {
        let bytes = std::fs::read(&self.file).unwrap_or_default();
        object::File::parse(bytes.as_slice()).map_or(0, |file| moved(&file, self.load))
    }
}

#[cfg(test)]
mod tests {
    use super::{Program, Symbols};

    #[test]
    fn places_are_named() {
        let own = std::env::current_exe().unwrap();
        let symbols = Symbols::of(Some(&Program {
            file: own,
            load: 0x1_0000_0000,
        }));
        let this = symbols
            .0
            .iter()
            .find(|function| function.name.ends_with("places_are_named"));
        let this = this.expect("this test is a function of this program");
        assert!(symbols.place(this.start + 4).ends_with("places_are_named+0x4"));
        assert_eq!(
            symbols.start("symbols::tests::places_are_named").unwrap(),
            this.start
        );
        assert!(
            symbols.start("laces_are_named").is_err(),
            "a part of a name is none"
        );
        assert!(
            symbols
                .start("fmt")
                .unwrap_err()
                .to_string()
                .contains("write more of its path")
        );
        assert_eq!(symbols.place(u64::MAX), "");
        assert_eq!(
            Symbols::read(b"\x7fELF, and nothing behind it", 0).map(|_| ()),
            None
        );
        assert_eq!(Symbols::of(None).place(0), "");
    }
}
