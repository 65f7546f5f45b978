//! The symbols of a kernel, from the table that its image carries for its own messages (`kallsyms`).

use crate::parts::host::CROSS;
use crate::paths::{read, write};
use crate::tool::Tool;
use anyhow::{Context, Result};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Where an arm64 kernel is in its own address space (48 bits), unless it is told to move (`nokaslr` tells it not to).
const BASE: u64 = 0xffff_8000_8000_0000;
/// Names of which a marker says where they begin.
const MARKED: usize = 256;

/// Makes an ELF file of an image's symbols for debuggers, in `folder`.
pub fn elf(image: &Path, folder: &Path) -> Result<PathBuf> {
    let bytes = read(image)?;
    let symbols = symbols(&bytes).context(
        "the kernel's image has no table of symbols that can be read; name its vmlinux by `--own kernel.symbols=vmlinux`",
    )?;
    let [source, object, elf] = ["kernel.s", "kernel.o", "kernel.elf"].map(|name| folder.join(name));
    write(&source, assembly(&symbols, bytes.len()).as_bytes())?;
    let assembler = Tool::new(format!("{CROSS}as"))
        .arg(&source)
        .arg("-o")
        .arg(&object);
    assembler.output("assembling the kernel's symbols")?;
    let linker = Tool::new(format!("{CROSS}ld"))
        .args([
            format!("--section-start=.kernel={BASE:#x}"),
            "--entry=0".to_owned(),
            "-o".to_owned(),
        ])
        .arg(&elf)
        .arg(&object);
    linker.output("linking the kernel's symbols")?;
    Ok(elf)
}

/// The symbols as places in a section without contents.
fn assembly(symbols: &[(String, u64)], length: usize) -> String {
    let mut text = format!(
        ".section .kernel, \"ax\", %nobits\nbulkhead_base:\n.skip {}\n",
        length * 2
    );
    let plain = |name: &str| {
        name.chars()
            .all(|c| c.is_ascii_alphanumeric() || "_.".contains(c))
    };
    for (name, place) in symbols.iter().filter(|(name, _)| plain(name)) {
        let _ = writeln!(
            text,
            ".globl {name}\n.type {name}, %function\n.set {name}, bulkhead_base + {place:#x}"
        );
    }
    text
}

/// Functions and where they are behind the image's start; none where the table is not found.
fn symbols(image: &[u8]) -> Option<Vec<(String, u64)>> {
    let digits: Vec<u8> = (b'0'..=b'9').flat_map(|digit| [digit, 0]).collect();
    let places = image
        .windows(digits.len())
        .enumerate()
        .filter(|(_, window)| *window == digits);
    places
        .map(|(place, _)| place)
        .find_map(|place| table(image, place))
}

/// The table whose token for the digit zero is at a place.
fn table(image: &[u8], zero: usize) -> Option<Vec<(String, u64)>> {
    let mut start = zero;
    for _ in 0..b'0' {
        start = image
            .get(..start.checked_sub(1)?)?
            .iter()
            .rposition(|byte| *byte == 0)?
            + 1;
    }
    let mut tokens: Vec<&[u8]> = Vec::new();
    let mut next = start;
    for _ in 0..256 {
        let rest = image.get(next..)?;
        let token = rest.get(..rest.iter().position(|byte| *byte == 0)?)?;
        tokens.push(token);
        next += token.len() + 1;
    }
    // The table of where each token begins, which tells that these are tokens at all.
    let index = next.next_multiple_of(8);
    let mut place = 0;
    for (number, token) in tokens.iter().enumerate() {
        if half(image, index + 2 * number)? != place {
            return None;
        }
        place += token.len() + 1;
    }
    let offsets = index + 512;
    let (names, count) = names(image, start)?;
    let mut at = names;
    let mut all = Vec::new();
    for number in 0..count {
        let name = name(image, &mut at, &tokens)?;
        let entry = offsets + 4 * number;
        let offset = word(image, entry)?;
        // From the entry itself, or, in older kernels, from the start.
        let place = if word(image, offsets)? == 0 {
            u64::from(offset)
        } else {
            (entry as u64).wrapping_add_signed(i64::from(offset.cast_signed()))
        };
        let (kind, name) = name.split_at_checked(1)?;
        if matches!(kind, "t" | "T" | "w" | "W") {
            all.push((name.to_owned(), place));
        }
    }
    Some(all)
}

/// Where the names begin, and how many there are: before the markers, which are before the tokens.
fn names(image: &[u8], tokens: usize) -> Option<(usize, usize)> {
    let mut last = tokens.checked_sub(4)?;
    // What fills up to the tokens.
    while word(image, last)? == 0 {
        last = last.checked_sub(4)?;
    }
    let mut first = last;
    while word(image, first)? != 0 {
        first = first.checked_sub(4)?;
    }
    let markers = (last - first) / 4 + 1;
    let behind = word(image, last)? as usize;
    let end = first.checked_sub(behind)?;
    let second = word(image, first + 4)? as usize;
    // Before the names stands their number, and what fills up to them.
    let starts = (0..MARKED * 64).filter_map(|rest| end.checked_sub(rest));
    starts.filter(|start| start.is_multiple_of(4)).find_map(|start| {
        let numbers = [start.checked_sub(4)?, start.checked_sub(8)?].map(|at| word(image, at));
        let mut counts = numbers.into_iter().flatten().map(|count| count as usize);
        let count = counts.find(|count| count.div_ceil(MARKED) == markers)?;
        let mut at = start;
        for _ in 0..MARKED {
            at += length(image, &mut at.clone())?;
        }
        (at == start + second).then_some((start, count))
    })
}

/// How long the next name is with its length, which is passed.
fn length(image: &[u8], at: &mut usize) -> Option<usize> {
    let from = *at;
    let mut length = usize::from(*image.get(*at)?);
    *at += 1;
    if length & 0x80 != 0 {
        length = length & 0x7f | usize::from(*image.get(*at)?) << 7;
        *at += 1;
    }
    Some(length + *at - from)
}

/// The next name: its length, and its tokens.
fn name(image: &[u8], at: &mut usize, tokens: &[&[u8]]) -> Option<String> {
    let from = *at;
    let end = from + length(image, at)?;
    let parts = image.get(*at..end)?;
    *at = end;
    let bytes: Vec<u8> = parts
        .iter()
        .flat_map(|part| tokens.get(usize::from(*part)).copied().unwrap_or_default())
        .copied()
        .collect();
    String::from_utf8(bytes).ok()
}

fn half(image: &[u8], at: usize) -> Option<usize> {
    let bytes = image.get(at..)?.first_chunk()?;
    Some(usize::from(u16::from_le_bytes(*bytes)))
}

fn word(image: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*image.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An image with a table of 600 functions, each 16 bytes behind the one before.
    fn image() -> Vec<u8> {
        let mut image = vec![0x55_u8; 4096];
        image.extend(600_u32.to_le_bytes());
        image.extend([0; 4]);
        let (mut names, mut markers) = (Vec::new(), Vec::<u8>::new());
        for number in 0..600_u32 {
            if number % 256 == 0 {
                markers.extend(u32::try_from(names.len()).unwrap().to_le_bytes());
            }
            let name = format!("Tf{number}");
            names.push(u8::try_from(name.len()).unwrap());
            names.extend(name.bytes());
        }
        names.resize(names.len().next_multiple_of(8), 0);
        image.extend(names);
        image.extend(markers);
        image.resize(image.len().next_multiple_of(8), 0);
        let (mut tokens, mut index) = (Vec::new(), Vec::new());
        for byte in 0..=255_u8 {
            index.extend(u16::try_from(tokens.len()).unwrap().to_le_bytes());
            if byte.is_ascii_alphanumeric() {
                tokens.push(byte);
            }
            tokens.push(0);
        }
        tokens.resize(tokens.len().next_multiple_of(8), 0);
        image.extend(tokens);
        image.extend(index);
        for number in 0..600_u32 {
            let entry = u32::try_from(image.len()).unwrap();
            image.extend((number * 16).wrapping_sub(entry).to_le_bytes());
        }
        image
    }

    #[test]
    fn functions_are_found_in_an_image() {
        let all = symbols(&image()).unwrap();
        assert_eq!(all.len(), 600);
        assert_eq!((all[0].0.as_str(), all[0].1), ("f0", 0));
        assert_eq!((all[599].0.as_str(), all[599].1), ("f599", 599 * 16));
        assert!(assembly(&all, 64).contains(".set f599, bulkhead_base + 0x2570"));
    }

    #[test]
    fn a_damaged_table_is_none() {
        let whole = image();
        for cut in (0..whole.len()).step_by(97) {
            assert!(symbols(&whole[..cut]).is_none(), "{cut}");
        }
    }
}
