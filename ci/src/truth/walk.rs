//! A walk of stage-2 translation tables as hardware does it (DDI0487, VMSAv8-64, 4 KiB granule). It shares nothing
//! with the code that makes them.

use super::view::Memory;
use anyhow::{Result, bail};
use std::collections::BTreeMap;

/// Bytes in a page.
pub const PAGE: u64 = 4096;

/// What a partition may do with a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights {
    /// It may read it.
    pub read: bool,
    /// It may write it.
    pub write: bool,
    /// It may run it, at EL1 and EL0.
    pub execute: bool,
}

impl std::fmt::Display for Rights {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let letter = |there: bool, letter: char| if there { letter } else { '-' };
        write!(
            f,
            "{}{}{}",
            letter(self.read, 'r'),
            letter(self.write, 'w'),
            letter(self.execute, 'x')
        )
    }
}

/// What a page is mapped as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Normal memory, write-back, inner shareable.
    Normal,
    /// Device memory, nGnRE.
    Device,
}

/// What is mapped at a page of intermediate physical addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// The physical page.
    pub output: u64,
    /// The rights.
    pub rights: Rights,
    /// The kind.
    pub kind: Kind,
    /// Where the entry is that says so.
    pub entry: u64,
}

/// All that is mapped, by page.
pub type Mappings = BTreeMap<u64, Leaf>;

/// How a walk starts, as VTCR_EL2 or VSTCR_EL2 say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Regime {
    /// Bits of an intermediate physical address.
    pub bits: u32,
    /// The level of the first table.
    pub level: u32,
}

impl Regime {
    /// That of a value of VTCR_EL2 or VSTCR_EL2 (DDI0487, fields T0SZ, SL0 and TG0).
    ///
    /// # Errors
    /// Another granule than 4 KiB, or a level that goes with none of these sizes.
    pub fn of(vtcr: u64) -> Result<Self> {
        let bits = 64 - (vtcr & 0x3f) as u32;
        let granule = vtcr >> 14 & 0b11;
        let level = match vtcr >> 6 & 0b11 {
            level @ 0..=2 => 2 - level as u32,
            _ => bail!("the walk of {vtcr:#x} starts at level 3, which this walker does not know"),
        };
        // Sixteen tables at most lie behind each other at the first level.
        let resolved = 12 + 9 * (3 - level);
        if granule != 0 || !(resolved..=resolved + 13).contains(&bits) {
            bail!("{vtcr:#x} says {bits} bits from level {level} with granule {granule}");
        }
        Ok(Self { bits, level })
    }

    /// The lowest bit of the index into a table of a level.
    fn shift(level: u32) -> u32 {
        12 + 9 * (3 - level)
    }
}

/// All that the tables behind a root map. What hardware would not take, or this hypervisor never writes, is an error.
///
/// # Errors
/// The tables cannot be read, or an entry has bits that mean nothing good.
pub fn walk(memory: &mut impl Memory, root: u64, regime: Regime) -> Result<Mappings> {
    let mut found = Mappings::new();
    let entries = 1 << (regime.bits - Regime::shift(regime.level));
    table(memory, (root, entries), regime.level, 0, &mut found)?;
    Ok(found)
}

fn table(
    memory: &mut impl Memory,
    (base, entries): (u64, u64),
    level: u32,
    ipa: u64,
    found: &mut Mappings,
) -> Result<()> {
    const VALID: u64 = 1 << 0;
    const TABLE_OR_PAGE: u64 = 1 << 1;
    const ADDRESS: u64 = 0x0000_ffff_ffff_f000;
    if !base.is_multiple_of(PAGE) {
        bail!("a table of level {level} is at {base:#x}");
    }
    let shift = Regime::shift(level);
    for index in 0..entries {
        let place = base + index * 8;
        let entry = memory.number(place, 8)?;
        let at = ipa | index << shift;
        match (entry & VALID != 0, entry & TABLE_OR_PAGE != 0, level) {
            (false, ..) => {
                if entry != 0 {
                    bail!("the entry of {at:#x} at level {level} is not valid, and {entry:#x}");
                }
            }
            (_, true, 0..=2) => {
                if entry & !ADDRESS != VALID | TABLE_OR_PAGE {
                    bail!("the table of {at:#x} at level {level} has other bits: {entry:#x}");
                }
                table(memory, (entry & ADDRESS, 512), level + 1, at, found)?;
            }
            (_, true, 3) | (_, false, 1 | 2) => {
                let address = entry & ADDRESS;
                if !address.is_multiple_of(1 << shift) {
                    bail!("the block of {at:#x} at level {level} leads to {address:#x}");
                }
                let (rights, kind) = attributes(entry & !ADDRESS, at)?;
                for offset in (0..1 << shift).step_by(PAGE as usize) {
                    let leaf = Leaf {
                        output: address + offset,
                        rights,
                        kind,
                        entry: place,
                    };
                    found.insert(at + offset, leaf);
                }
            }
            _ => bail!("the entry of {at:#x} at level {level} is reserved: {entry:#x}"),
        }
    }
    Ok(())
}

/// The rights and the kind of memory of a block or page (DDI0487, stage 2 attribute fields).
fn attributes(bits: u64, at: u64) -> Result<(Rights, Kind)> {
    const ACCESS_FLAG: u64 = 1 << 10;
    let field = |low: u32, mask: u64| bits >> low & mask;
    let (memory, access, shareable) = (field(2, 0xf), field(6, 0b11), field(8, 0b11));
    let known = 0b11 | 0xf << 2 | 0b11 << 6 | 0b11 << 8 | ACCESS_FLAG | 0b11 << 53;
    if bits & !known != 0 || bits & ACCESS_FLAG == 0 {
        bail!("what is mapped at {at:#x} has attributes {bits:#x}");
    }
    let execute = match field(53, 0b11) {
        0b00 => true,
        0b10 => false,
        _ => bail!("what is mapped at {at:#x} may be run at one of EL1 and EL0: {bits:#x}"),
    };
    let rights = Rights {
        read: access & 0b01 != 0,
        write: access & 0b10 != 0,
        execute,
    };
    let kind = match (memory, shareable) {
        (0b1111, 0b11) => Kind::Normal,
        (0b0001, _) => Kind::Device,
        _ => bail!("what is mapped at {at:#x} is memory of attributes {memory:#x}, shareability {shareable}"),
    };
    Ok((rights, kind))
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use std::collections::HashMap;

    /// Words by their addresses; all others are zero.
    #[derive(Default)]
    pub struct Words(pub HashMap<u64, u64>);

    impl Memory for Words {
        fn read(&mut self, address: u64, bytes: &mut [u8]) -> Result<()> {
            for (at, byte) in (address..).zip(bytes) {
                let word = self.0.get(&(at & !7)).copied().unwrap_or(0);
                *byte = word.to_le_bytes()[(at & 7) as usize];
            }
            Ok(())
        }
    }

    const REGIME: Regime = Regime { bits: 32, level: 1 };
    const XN: u64 = 1 << 54;

    fn tables(entries: &[(u64, u64)]) -> Result<Mappings> {
        walk(&mut Words(entries.iter().copied().collect()), 0x1000, REGIME)
    }

    #[test]
    fn registers_say_how_a_walk_starts() {
        // T0SZ 32, SL0 1, 4 KiB, and bits that are not of the walk.
        assert_eq!(Regime::of(0x8002_3560 | 1 << 31).unwrap(), REGIME);
        assert_eq!(Regime::of(16 | 2 << 6).unwrap(), Regime { bits: 48, level: 0 });
        assert!(Regime::of(32 | 1 << 6 | 1 << 14).is_err(), "64 KiB");
        assert!(Regime::of(32 | 3 << 6).is_err());
        assert!(Regime::of(16).is_err(), "48 bits from level 2");
    }

    #[test]
    fn blocks_and_pages_are_found() {
        let found = tables(&[
            (0x1000, 0x2003),
            (0x2008, 0x20_0000 | XN | 0x7fd),
            (0x2010, 0x3003),
            (0x3ff8, 0x5000 | 0x77f),
            (0x1018, 0xc000_0000 | XN | 0x4c5),
        ])
        .unwrap();
        let rwx = |read, write, execute| Rights { read, write, execute };
        assert_eq!(found.len(), 512 + 1 + 512 * 512);
        let block = found[&0x3f_f000];
        assert_eq!(
            (block.output, block.rights, block.kind),
            (0x3f_f000, rwx(true, true, false), Kind::Normal)
        );
        let page = found[&0x5f_f000];
        assert_eq!((page.output, page.rights.to_string().as_str()), (0x5000, "r-x"));
        assert_eq!(page.entry, 0x3ff8);
        let device = found[&0xffff_f000];
        assert_eq!((device.output, device.kind), (0xffff_f000, Kind::Device));
    }

    #[test]
    fn what_nobody_writes_is_refused() {
        let page = |entry: u64| tables(&[(0x1000, 0x2003), (0x2000, 0x3003), (0x3000, entry)]);
        assert!(page(0x5000 | XN | 0x7ff).is_ok());
        for (entry, what) in [
            (0x5000 | XN | 0x7fd, "reserved at level 3"),
            (0x5000 | XN | 0x3ff, "no access flag"),
            (0x5000 | 1 << 53 | 0x7ff, "run at one level alone"),
            (0x5000 | XN | 1 << 52 | 0x7ff, "contiguous"),
            (0x5000 | XN | 0x7df, "write-through"),
            (0x5000 | XN | 0x4ff, "not shareable"),
            (0x5000, "not valid, not zero"),
        ] {
            assert!(page(entry).is_err(), "{what}");
        }
        assert!(
            tables(&[(0x1000, 0x2003 | 1 << 59)]).is_err(),
            "bits in a table's entry"
        );
        assert!(
            tables(&[(0x1000, 0x2000_0000 | XN | 0x7fd)]).is_err(),
            "a block off its size"
        );
    }
}
