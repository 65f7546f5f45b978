//! The window in which memory that was borrowed from the normal world, or from another partition, appears.
//!
//! Others change that memory at any time: nothing in it is ever borrowed as a Rust reference; it is copied in and out
//! by volatile accesses.
use super::mmu;
use crate::paging::{Access, BLOCK};

/// A mapped range of addresses that others write, too.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    base: u64,
    size: u64,
}

impl Window {
    /// Maps `[base, base + size)`, both multiples of 2 MiB.
    pub(super) fn map(base: u64, size: u64) -> Option<Self> {
        let whole = base.is_multiple_of(BLOCK) && size.is_multiple_of(BLOCK);
        (whole && mmu::map_apart(base, size, Access::Borrowed)).then_some(Self { base, size })
    }

    /// Over what is mapped already, and not Rust's.
    pub(super) const fn over(base: u64, size: u64) -> Self {
        Self { base, size }
    }

    /// Whether the range lies in the window.
    #[must_use]
    pub fn contains(&self, address: u64, length: u64) -> bool {
        let offset = address.wrapping_sub(self.base);
        address >= self.base && offset <= self.size && length <= self.size - offset
    }

    /// Copies from borrowed memory. What is not granted at the moment is not there: the access
    /// faults, and the partition ends. False, and nothing copied, outside of the window.
    #[must_use]
    pub fn read(&self, address: u64, to: &mut [u8]) -> bool {
        if !self.contains(address, to.len() as u64) {
            return false;
        }
        let mut at = address;
        let split = to.len().min(at.next_multiple_of(8).wrapping_sub(at) as usize);
        let (head, rest) = to.split_at_mut(split);
        for byte in head {
            *byte = read_volatile(at);
            at += 1;
        }
        let mut words = rest.chunks_exact_mut(8);
        for chunk in &mut words {
            chunk.copy_from_slice(&read_volatile::<u64>(at).to_ne_bytes());
            at += 8;
        }
        for byte in words.into_remainder() {
            *byte = read_volatile(at);
            at += 1;
        }
        true
    }

    /// Copies to borrowed memory; otherwise as [`Self::read`].
    #[must_use]
    pub fn write(&self, address: u64, from: &[u8]) -> bool {
        if !self.contains(address, from.len() as u64) {
            return false;
        }
        let mut at = address;
        let split = from.len().min(at.next_multiple_of(8).wrapping_sub(at) as usize);
        let (head, rest) = from.split_at(split);
        for byte in head {
            write_volatile(at, *byte);
            at += 1;
        }
        let (words, tail) = rest.as_chunks::<8>();
        for word in words {
            write_volatile(at, u64::from_ne_bytes(*word));
            at += 8;
        }
        for byte in tail {
            write_volatile(at, *byte);
            at += 1;
        }
        true
    }
}

fn read_volatile<T: Copy>(at: u64) -> T {
    // SAFETY: in the mapped window (checked by the callers), aligned; every bit pattern is a value
    // of the integers that this is used for; nothing that Rust code borrows lies there.
    unsafe { core::ptr::read_volatile(at as *const T) }
}

fn write_volatile<T: Copy>(at: u64, value: T) {
    // SAFETY: as above.
    unsafe { core::ptr::write_volatile(at as *mut T, value) }
}
