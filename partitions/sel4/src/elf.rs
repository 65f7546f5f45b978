//! Reads what the image is made of (ELF64, little-endian, AArch64), and puts it together.
use std::fs;

/// Bytes of a page.
const PAGE: u64 = 4096;
/// Where the loader's header starts, and what it starts with.
const HEADER: usize = 8;
const MARK: &[u8; 8] = b"BHseL4\0\0";
/// Behind this, where it stands in a root task, goes what its physical addresses are above its own.
const ROOT_MARK: &[u8; 8] = b"BHroot\0\0";
/// The most that a program here may take: more is a mistake, or hostile.
const MOST: u64 = 64 << 20;

/// A program as it lies in memory.
#[derive(Debug, PartialEq, Eq)]
pub struct Program {
    /// Virtual and physical address of its first byte.
    pub address: u64,
    pub physical: u64,
    pub entry: u64,
    /// What it is loaded with, and how much memory it takes with what is zero.
    pub bytes: Vec<u8>,
    pub size: u64,
}

fn number(bytes: &[u8], at: u64, size: usize) -> Option<u64> {
    let start = usize::try_from(at).ok()?;
    let field = bytes.get(start..start.checked_add(size)?)?;
    let mut word = [0; 8];
    word[..size].copy_from_slice(field);
    Some(u64::from_le_bytes(word))
}

/// A segment that is loaded.
struct Segment {
    offset: u64,
    address: u64,
    physical: u64,
    loaded: u64,
    size: u64,
}

/// Reads a program's loaded segments as one piece.
pub fn read(file: &[u8]) -> Option<Program> {
    const LOAD: u64 = 1;
    const AARCH64: u64 = 183;
    if file.get(..6)? != b"\x7fELF\x02\x01" || number(file, 18, 2)? != AARCH64 {
        return None;
    }
    let (table, step, count) = (number(file, 32, 8)?, number(file, 54, 2)?, number(file, 56, 2)?);
    let mut segments = Vec::new();
    for n in 0..count {
        let at = table.checked_add(n * step)?;
        let segment = Segment {
            offset: number(file, at.checked_add(8)?, 8)?,
            address: number(file, at.checked_add(16)?, 8)?,
            physical: number(file, at.checked_add(24)?, 8)?,
            loaded: number(file, at.checked_add(32)?, 8)?,
            size: number(file, at.checked_add(40)?, 8)?,
        };
        if number(file, at, 4)? == LOAD && segment.size > 0 {
            segments.push(segment);
        }
    }
    let first = segments.iter().min_by_key(|segment| segment.address)?;
    let (address, physical) = (first.address & !(PAGE - 1), first.physical & !(PAGE - 1));
    let mut program = Program {
        address,
        physical,
        entry: number(file, 24, 8)?,
        bytes: Vec::new(),
        size: 0,
    };
    for segment in &segments {
        let place = segment.address.checked_sub(address)?;
        if segment.loaded > segment.size || place.checked_add(segment.size)? > MOST {
            return None;
        }
        program.size = program.size.max(place + segment.size);
        let (start, loaded) = (
            usize::try_from(segment.offset).ok()?,
            usize::try_from(segment.loaded).ok()?,
        );
        let bytes = file.get(start..start.checked_add(loaded)?)?;
        let place = usize::try_from(place).ok()?;
        let end = program.bytes.len().max(place + loaded);
        program.bytes.resize(end, 0);
        program.bytes[place..place + loaded].copy_from_slice(bytes);
    }
    (program.entry.checked_sub(address)? < program.size).then_some(program)
}

/// The image: the loader with its header filled in, the kernel, the root task. The root task lies behind the kernel.
pub fn image(loader: &Program, kernel: &Program, root: &Program) -> Option<Vec<u8>> {
    const BLOCK: u64 = 2 << 20;
    const HALF: u64 = 1 << 63;
    let header = loader.bytes.get(HEADER..HEADER + 8)?;
    let aligned = kernel.physical.is_multiple_of(BLOCK) && kernel.address.is_multiple_of(BLOCK);
    if header != MARK || loader.entry != loader.address || !aligned || kernel.address < HALF {
        return None;
    }
    let root_place = (kernel.physical + kernel.size).next_multiple_of(PAGE);
    let root_end = root_place + root.size.next_multiple_of(PAGE);
    let mut out = loader.bytes.clone();
    let mut append = |bytes: &[u8]| {
        out.resize(out.len().next_multiple_of(PAGE as usize), 0);
        let offset = out.len() as u64;
        out.extend(bytes);
        out.resize(out.len().next_multiple_of(16), 0);
        [offset, out.len() as u64 - offset]
    };
    let above = root_place.wrapping_sub(root.address);
    let (kernel_part, root_part) = (append(&kernel.bytes), append(&told(&root.bytes, above)?));
    let ([kernel_at, kernel_size], [root_at, root_size]) = (kernel_part, root_part);
    let words = [
        kernel_at,
        kernel_size,
        kernel.physical,
        root_at,
        root_size,
        root_place,
        kernel.address,
        kernel.entry,
        root_end,
        above,
        root.entry,
    ];
    for (n, word) in words.iter().enumerate() {
        let at = HEADER + 8 + 8 * n;
        out[at..at + 8].copy_from_slice(&word.to_le_bytes());
    }
    Some(out)
}

/// A root task that knows where it lies, if it wants to: if its mark stands in it, which it does once at most.
fn told(root: &[u8], above: u64) -> Option<Vec<u8>> {
    let mut root = root.to_vec();
    let mut marks = root.chunks_mut(8).skip_while(|word| word != ROOT_MARK);
    if marks.next().is_some() {
        marks.next()?.copy_from_slice(&above.to_le_bytes());
        if marks.any(|word| word == ROOT_MARK) {
            return None;
        }
    }
    Some(root)
}

/// Reads the three programs and writes the image.
pub fn combine(programs: [&str; 3], to: &str) -> Result<(), String> {
    let program = |path: &str| {
        let file = fs::read(path).map_err(|why| format!("{path}: {why}"))?;
        read(&file).ok_or_else(|| format!("{path} is no program for AArch64 that could be loaded"))
    };
    let [loader, kernel, root] = programs;
    let (loader, kernel, root) = (program(loader)?, program(kernel)?, program(root)?);
    let bytes = image(&loader, &kernel, &root).ok_or(
        "the kernel does not lie in the upper half at a multiple of 2 MiB, or the first is not the loader",
    )?;
    fs::write(to, &bytes).map_err(|why| format!("{to}: {why}"))?;
    let end = (kernel.physical + kernel.size).next_multiple_of(PAGE) + root.size.next_multiple_of(PAGE);
    println!("kernel and root task at {:#x} to {end:#x}", kernel.physical);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Program, image, read, told};

    fn elf(segments: &[(u64, u64, &[u8], u64)], entry: u64) -> Vec<u8> {
        let mut file = vec![0; 64];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        file[18] = 183;
        file[24..32].copy_from_slice(&entry.to_le_bytes());
        file[32] = 64;
        file[54] = 56;
        file[56] = segments.len() as u8;
        let mut at = 64 + 56 * segments.len() as u64;
        for (address, physical, bytes, size) in segments {
            let words = [5 << 32 | 1, at, *address, *physical, bytes.len() as u64, *size, 1];
            file.extend(words.iter().flat_map(|word| word.to_le_bytes()));
            at += bytes.len() as u64;
        }
        for (_, _, bytes, _) in segments {
            file.extend(*bytes);
        }
        file
    }

    fn kernel() -> Vec<u8> {
        let code: &[u8] = &[1; 16];
        elf(
            &[
                (0xffff_ffff_c000_0000, 0xea0_0000, code, 16),
                (0xffff_ffff_c000_1000, 0xea0_1000, &[2; 8], 0x3000),
            ],
            0xffff_ffff_c000_0004,
        )
    }

    #[test]
    fn segments_become_one_piece() {
        let kernel = read(&kernel()).unwrap();
        assert_eq!((kernel.bytes.len(), kernel.size), (0x1008, 0x4000));
        assert_eq!(
            (kernel.bytes[15], kernel.bytes[16], kernel.bytes[0x1000]),
            (1, 0, 2)
        );
        assert_eq!(kernel.physical, 0xea0_0000);
    }

    #[test]
    fn what_is_cut_off_is_refused() {
        let whole = kernel();
        for length in 0..whole.len() {
            assert_eq!(read(&whole[..length]), None, "{length}");
        }
    }

    #[test]
    fn sizes_that_lie_are_refused() {
        for at in (64 + 8..64 + 56).step_by(8) {
            let mut file = kernel();
            file[at..at + 8].fill(0xff);
            // An alignment, or a physical address, that nobody looks at here.
            let harmless = matches!(at - 64, 24 | 48);
            assert_eq!(read(&file).is_some(), harmless, "{}", at - 64);
        }
    }

    #[test]
    fn a_root_task_is_told_where_it_lies() {
        let marked = [&[7; 8][..], b"BHroot\0\0", &[0; 16]].concat();
        let known = told(&marked, 0x1122_3344_5566_7788).unwrap();
        assert_eq!(known[16..24], 0x1122_3344_5566_7788_u64.to_le_bytes());
        assert_eq!([&known[..16], &known[24..]], [&marked[..16], &marked[24..]]);
        // One that does not ask is left alone; a mark without a place, or two, is a mistake.
        let shifted = [&[7; 4][..], &marked].concat();
        assert_eq!(told(&shifted, 1), Some(shifted.clone()));
        assert_eq!(told(&marked[..16], 1), None);
        assert_eq!(told(&[&marked[..], &marked].concat(), 1), None);
    }

    #[test]
    fn the_header_says_what_is_where() {
        let mut start = vec![0; 0x200];
        start[8..16].copy_from_slice(b"BHseL4\0\0");
        let loader = Program {
            address: 0,
            physical: 0,
            entry: 0,
            size: 0x200,
            bytes: start,
        };
        let root = read(&elf(&[(0x40_0000, 0, &[3; 5], 0x1001)], 0x40_0000)).unwrap();
        let kernel = read(&kernel()).unwrap();
        let made = image(&loader, &kernel, &root).unwrap();
        let word = |n: usize| u64::from_le_bytes(made[16 + 8 * n..24 + 8 * n].try_into().unwrap());
        assert_eq!([word(0), word(1), word(2)], [0x1000, 0x1010, 0xea0_0000]);
        assert_eq!([word(3), word(4), word(5)], [0x3000, 16, 0xea0_4000]);
        assert_eq!([word(6), word(7)], [0xffff_ffff_c000_0000, 0xffff_ffff_c000_0004]);
        assert_eq!([word(8), word(9), word(10)], [0xea0_6000, 0xe60_4000, 0x40_0000]);
        assert_eq!(made[0x3000..0x3006], [3, 3, 3, 3, 3, 0]);
        assert_eq!(image(&kernel, &kernel, &root), None);
    }
}
