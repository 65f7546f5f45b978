//! Stage 1 tables of a partition: 4 KiB granule, 39-bit addresses, identity mapping, W^X.
//!
//! Pure: it fills tables in memory and never touches the machine. `base` is the address of the
//! pool itself, which the table descriptors need.

/// Bytes of a page.
pub const PAGE: u64 = 4096;
/// Bytes that an entry of the middle level covers.
pub const BLOCK: u64 = 2 << 20;

const VALID: u64 = 1;
const TABLE: u64 = 0b11;
const PAGE_ENTRY: u64 = 0b11;
const BLOCK_ENTRY: u64 = 0b01;
const ADDRESS: u64 = 0x0000_ffff_ffff_f000;

/// Access flag, inner shareable, normal memory (MAIR index 0).
const COMMON: u64 = (1 << 10) | (3 << 8);
const READ_ONLY: u64 = 1 << 7;
const NON_SECURE: u64 = 1 << 5;
/// Never executed at EL0 (UXN) and at EL1 (PXN).
const NEVER_EL0: u64 = 1 << 54;
const NEVER_EL1: u64 = 1 << 53;
/// Device-nGnRE (MAIR index 1).
const DEVICE: u64 = 1 << 2;

/// What a mapping allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Secure, read and execute.
    Code,
    /// Secure, read.
    ReadOnly,
    /// Secure, read and write.
    Data,
    /// Non-secure, read and write.
    Borrowed,
    /// Secure device registers, read and write.
    Device,
}

impl Access {
    const fn bits(self) -> u64 {
        match self {
            Self::Code => COMMON | READ_ONLY | NEVER_EL0,
            Self::ReadOnly => COMMON | READ_ONLY | NEVER_EL0 | NEVER_EL1,
            Self::Data => COMMON | NEVER_EL0 | NEVER_EL1,
            Self::Borrowed => COMMON | NON_SECURE | NEVER_EL0 | NEVER_EL1,
            Self::Device => COMMON | DEVICE | NEVER_EL0 | NEVER_EL1,
        }
    }
}

/// Why a range cannot be mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapError {
    /// Not a multiple of 4 KiB, or behind the end of the address space.
    Range,
    /// Something is mapped there already.
    Mapped,
    /// The pool has no table left.
    NoTable,
}

/// A pool of `N` tables; the first one is the root (level 1).
#[repr(C, align(4096))]
pub struct Tables<const N: usize> {
    entries: [[u64; 512]; N],
    /// Tables in use besides the root (so that an empty address space is all zeros).
    used: usize,
}

impl<const N: usize> Tables<N> {
    /// An empty address space.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            entries: [[0; 512]; N],
            used: 0,
        }
    }

    /// Maps `[start, start + size)` onto itself. Blocks of 2 MiB are used where they fit.
    ///
    /// # Errors
    /// [`MapError`]; parts of the range may then be mapped.
    pub fn map(&mut self, base: u64, start: u64, size: u64, access: Access) -> Result<(), MapError> {
        let end = start.checked_add(size).ok_or(MapError::Range)?;
        if !start.is_multiple_of(PAGE) || !size.is_multiple_of(PAGE) || end > 1 << 39 {
            return Err(MapError::Range);
        }
        let mut at = start;
        while at < end {
            at += if at.is_multiple_of(BLOCK) && end - at >= BLOCK {
                self.set(base, at, 2, at | access.bits() | BLOCK_ENTRY)?;
                BLOCK
            } else {
                self.set(base, at, 3, at | access.bits() | PAGE_ENTRY)?;
                PAGE
            };
        }
        Ok(())
    }

    /// Writes the entry for `at` on `level` (2 or 3).
    fn set(&mut self, base: u64, at: u64, level: u32, entry: u64) -> Result<(), MapError> {
        let mut table = 0;
        for upper in 1..level {
            table = self.next(base, table, index(at, upper))?;
        }
        let slot = &mut self.entries[table][index(at, level)];
        if *slot & VALID != 0 {
            return Err(MapError::Mapped);
        }
        *slot = entry;
        Ok(())
    }

    /// The table behind an entry, made if there is none.
    fn next(&mut self, base: u64, table: usize, index: usize) -> Result<usize, MapError> {
        let entry = self.entries[table][index];
        if entry & VALID == 0 {
            let new = self.used + 1;
            if new >= N {
                return Err(MapError::NoTable);
            }
            self.used = new;
            self.entries[table][index] = (base + new as u64 * PAGE) | TABLE;
            return Ok(new);
        }
        if entry & 0b11 != TABLE {
            return Err(MapError::Mapped);
        }
        usize::try_from(((entry & ADDRESS) - base) / PAGE).map_err(|_| MapError::Range)
    }

    /// The final entry for an address, as the machine would find it.
    #[must_use]
    pub fn lookup(&self, base: u64, at: u64) -> Option<u64> {
        let mut table = 0_usize;
        for level in 1..=3 {
            let entry = *self.entries.get(table)?.get(index(at, level))?;
            if entry & VALID == 0 {
                return None;
            }
            if level == 3 || entry & 0b11 == BLOCK_ENTRY {
                return Some(entry);
            }
            table = usize::try_from(((entry & ADDRESS) - base) / PAGE).ok()?;
        }
        None
    }
}

impl<const N: usize> Default for Tables<N> {
    fn default() -> Self {
        Self::new()
    }
}

const fn index(at: u64, level: u32) -> usize {
    ((at >> (12 + 9 * (3 - level))) & 0x1ff) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: u64 = 0x0ee2_0000;

    #[test]
    fn nothing_is_both_writable_and_executable() {
        for access in [
            Access::Code,
            Access::ReadOnly,
            Access::Data,
            Access::Borrowed,
            Access::Device,
        ] {
            let bits = access.bits();
            assert!(bits & READ_ONLY != 0 || bits & NEVER_EL1 != 0, "{access:?}");
            assert!(bits & NEVER_EL0 != 0, "{access:?}");
        }
    }

    #[test]
    fn maps_pages_and_blocks_where_they_belong() {
        let mut t = Tables::<8>::new();
        t.map(BASE, 0x0ee0_0000, 0x3000, Access::Code).unwrap();
        t.map(BASE, 0x0ee0_4000, 0x1000, Access::Data).unwrap();
        t.map(BASE, 0x4000_0000, 0x80_0000, Access::Borrowed).unwrap();
        assert_eq!(
            t.lookup(BASE, 0x0ee0_2fff).map(|e| e & ADDRESS),
            Some(0x0ee0_2000)
        );
        assert_eq!(t.lookup(BASE, 0x0ee0_3000), None, "a guard page");
        let data = t.lookup(BASE, 0x0ee0_4000).unwrap();
        assert_eq!(data & (NEVER_EL1 | READ_ONLY | NON_SECURE), NEVER_EL1);
        let borrowed = t.lookup(BASE, 0x407f_f000).unwrap();
        assert_eq!(borrowed & ADDRESS, 0x4060_0000);
        assert_ne!(borrowed & NON_SECURE, 0);
        assert_eq!(t.lookup(BASE, 0x4080_0000), None);
    }

    #[test]
    fn says_what_is_wrong() {
        let mut t = Tables::<3>::new();
        t.map(BASE, 0, PAGE, Access::Data).unwrap();
        assert_eq!(t.map(BASE, 0, PAGE, Access::Code), Err(MapError::Mapped));
        assert_eq!(t.map(BASE, 0x10, PAGE, Access::Data), Err(MapError::Range));
        assert_eq!(t.map(BASE, 1 << 39, PAGE, Access::Data), Err(MapError::Range));
        assert_eq!(
            t.map(BASE, u64::MAX - PAGE + 1, PAGE, Access::Data),
            Err(MapError::Range)
        );
        assert_eq!(
            t.map(BASE, 0x4000_0000, PAGE, Access::Data),
            Err(MapError::NoTable)
        );
    }
}
