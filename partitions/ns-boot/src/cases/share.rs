//! Memory transaction descriptors of FF-A 1.2 as the normal world writes them.
use super::discovery::TX;
use super::{Outcome, Why, ffa};
use sp_rt::ffa::{self as f, Regs};

/// Bytes of the transaction descriptor with one receiver, of the composite's head, of a range.
const ACCESS_AT: usize = 48;
const ACCESS: usize = 32;
const COMPOSITE_AT: usize = ACCESS_AT + ACCESS;
const RANGES_AT: usize = COMPOSITE_AT + 16;
const RANGE: usize = 16;
/// The most ranges that cases share.
const MOST: usize = 600;

/// A descriptor, right until a case changes it.
pub struct Descriptor {
    bytes: [u8; RANGES_AT + MOST * RANGE],
    length: usize,
    function: u32,
}

/// Where fields stand, for cases that make them wrong: (offset, bytes).
pub mod field {
    /// Sender.
    pub const SENDER: usize = 0;
    /// Attributes.
    pub const ATTRIBUTES: usize = 2;
    /// Flags.
    pub const FLAGS: usize = 4;
    /// Handle.
    pub const HANDLE: usize = 8;
    /// Size of an access descriptor.
    pub const ACCESS_SIZE: usize = 24;
    /// How many receivers.
    pub const RECEIVERS: usize = 28;
    /// Where they are described.
    pub const ACCESS_AT: usize = 32;
    /// The receiver.
    pub const RECEIVER: usize = 48;
    /// Its permissions.
    pub const PERMISSIONS: usize = 50;
    /// Where the composite descriptor is.
    pub const COMPOSITE_AT: usize = 52;
    /// Pages.
    pub const PAGES: usize = 80;
    /// Ranges.
    pub const RANGES: usize = 84;
    /// Address of the first range.
    pub const ADDRESS: usize = 96;
    /// Pages of the first range.
    pub const RANGE_PAGES: usize = 104;
}

impl Descriptor {
    /// Shares `ranges` (address, pages) with `receiver`, read and write.
    pub fn new(receiver: u16, ranges: impl Iterator<Item = (u64, u32)>) -> Self {
        let mut d = Self {
            bytes: [0; RANGES_AT + MOST * RANGE],
            length: RANGES_AT,
            function: f::MEM_SHARE,
        };
        let (mut count, mut pages) = (0_u32, 0);
        for (address, size) in ranges.take(MOST) {
            d.put(d.length, &address.to_le_bytes());
            d.put(d.length + 8, &size.to_le_bytes());
            d.length += RANGE;
            count += 1;
            pages += size;
        }
        d.put(field::ATTRIBUTES, &[0x2f]);
        d.put(field::ACCESS_SIZE, &[ACCESS as u8]);
        d.put(field::RECEIVERS, &[1]);
        d.put(field::ACCESS_AT, &[ACCESS_AT as u8]);
        d.put(field::RECEIVER, &receiver.to_le_bytes());
        d.put(field::PERMISSIONS, &[2]);
        d.put(field::COMPOSITE_AT, &[COMPOSITE_AT as u8]);
        d.put(field::PAGES, &pages.to_le_bytes());
        d.put(field::RANGES, &count.to_le_bytes());
        d
    }

    /// Puts bytes somewhere.
    pub fn put(&mut self, at: usize, bytes: &[u8]) {
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// The same with other bytes somewhere.
    pub fn with(mut self, at: usize, bytes: &[u8]) -> Self {
        self.put(at, bytes);
        self
    }

    /// The same to be lent, for which a lender leaves the attributes to the borrower.
    pub fn lent(mut self) -> Self {
        self.function = f::MEM_LEND;
        self.with(field::ATTRIBUTES, &[0])
    }

    /// Shares or lends, in fragments of at most `fragment` bytes; the last answer.
    pub fn send(&self, fragment: usize) -> Regs {
        let all = &self.bytes[..self.length];
        let first = all.len().min(fragment);
        TX.fill(&all[..first]);
        let mut answer = ffa(self.function, &[all.len() as u64, first as u64]);
        let mut sent = first;
        while answer.function() == f::MEM_FRAG_RX && answer.w(3) as usize == sent && sent < all.len() {
            let part = &all[sent..all.len().min(sent + fragment)];
            TX.fill(part);
            answer = ffa(f::MEM_FRAG_TX, &[answer.x(1), answer.x(2), part.len() as u64]);
            sent += part.len();
        }
        answer
    }

    /// Shares; the handle.
    pub fn share(&self) -> Outcome<u64> {
        let answer = self.send(4096);
        match answer.success() {
            Ok(_) => Ok(u64::from(answer.w(2)) | u64::from(answer.w(3)) << 32),
            Err(error) => Err(Why::new(format_args!("share: {error:?} (x0 {:#x})", answer.x(0)))),
        }
    }
}
