//! Where a program keeps what it writes, by its ELF file.

use super::Program;
use object::{Object, ObjectKind, ObjectSection, SectionFlags, elf};
use std::ops::Range;

/// The addresses of a program's writable sections; none where there is no such file, or it has none.
pub fn writable(program: Option<&Program>) -> Vec<Range<u64>> {
    let read = |program: &Program| Some((std::fs::read(&program.file).ok()?, program.load));
    program
        .and_then(read)
        .and_then(|(bytes, load)| sections(&bytes, load))
        .unwrap_or_default()
}

fn sections(bytes: &[u8], load: u64) -> Option<Vec<Range<u64>>> {
    const DATA: u64 = elf::SHF_WRITE as u64 | elf::SHF_ALLOC as u64;
    let file = object::File::parse(bytes).ok()?;
    let moved = if file.kind() == ObjectKind::Dynamic {
        load
    } else {
        0
    };
    let sections = file.sections().filter(|section| {
        matches!(section.flags(), SectionFlags::Elf { sh_flags } if sh_flags & DATA == DATA)
            && section.size() > 0
    });
    let ranges = sections.filter_map(|section| {
        let start = section.address().checked_add(moved)?;
        Some(start..start.checked_add(section.size())?)
    });
    Some(ranges.collect())
}

#[cfg(test)]
mod tests {
    use super::{Program, writable};
    use std::sync::atomic::{AtomicU64, Ordering};

    static WRITTEN: AtomicU64 = AtomicU64::new(7);

    #[test]
    fn variables_are_in_it_and_code_is_not() {
        WRITTEN.fetch_add(1, Ordering::Relaxed);
        let file = std::env::current_exe().unwrap();
        let ranges = writable(Some(&Program {
            file: file.clone(),
            load: 0,
        }));
        let symbols = std::fs::read(&file).unwrap();
        let parsed = object::File::parse(symbols.as_slice()).unwrap();
        let address = |part: &str| {
            use object::{Object, ObjectSymbol};
            let mut all = parsed.symbols();
            let found = all.find(|symbol| symbol.name().is_ok_and(|name| name.contains(part)));
            found.map(|symbol| symbol.address()).unwrap()
        };
        let within = |address: u64| ranges.iter().any(|range| range.contains(&address));
        assert!(within(address("7WRITTEN")), "{ranges:x?}");
        assert!(!within(address("variables_are_in_it")), "{ranges:x?}");
        assert_eq!(writable(None), []);
    }
}
