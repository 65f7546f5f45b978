//! Memory transaction descriptors as the normal world and partitions write them.
use super::discovery::TX;
use super::{Outcome, Why, ffa, handle_of, inside, put};
use crate::ensure;
use sp_rt::ffa::{self as f, Error, Regs};

const RANGE: usize = 16;
const COMPOSITE: usize = 16;
/// The most ranges that cases share.
const MOST: usize = 600;
/// Bytes of the longest descriptor: header, four receivers, composite, ranges.
const LONGEST: usize = 48 + 4 * 32 + COMPOSITE + MOST * RANGE;

/// Where fields stand in a descriptor of 1.2 with one receiver, for cases that make them wrong.
pub mod field {
    /// Sender.
    pub const SENDER: usize = 0;
    /// Attributes.
    pub const ATTRIBUTES: usize = 2;
    /// Flags.
    pub const FLAGS: usize = 4;
    /// Handle.
    pub const HANDLE: usize = 8;
    /// Tag.
    pub const TAG: usize = 16;
    /// Size of an access descriptor.
    pub const ACCESS_SIZE: usize = 24;
    /// How many receivers.
    pub const RECEIVERS: usize = 28;
    /// Where they are described.
    pub const ACCESS_AT: usize = 32;
    /// Reserved.
    pub const RESERVED: usize = 36;
    /// The receiver.
    pub const RECEIVER: usize = 48;
    /// Its permissions.
    pub const PERMISSIONS: usize = 50;
    /// Its flags.
    pub const RECEIVER_FLAGS: usize = 51;
    /// Where the composite descriptor is.
    pub const COMPOSITE_AT: usize = 52;
    /// The implementation-defined value.
    pub const VALUE: usize = 56;
    /// Reserved.
    pub const RECEIVER_RESERVED: usize = 72;
    /// Pages.
    pub const PAGES: usize = 80;
    /// Ranges.
    pub const RANGES: usize = 84;
    /// Reserved.
    pub const COMPOSITE_RESERVED: usize = 88;
    /// Address of the first range.
    pub const ADDRESS: usize = 96;
    /// Pages of the first range.
    pub const RANGE_PAGES: usize = 104;
    /// Reserved.
    pub const RANGE_RESERVED: usize = 108;
}

/// Bytes of the header and of a receiver, by version.
fn shape(version: u32) -> (usize, usize) {
    match version {
        ..=f::VERSION_1_0 => (32, 16),
        f::VERSION_1_1 => (48, 16),
        _ => (48, 32),
    }
}

/// A descriptor and the call that takes it, right until a case changes it.
pub struct Descriptor {
    bytes: [u8; LONGEST],
    length: usize,
    function: u32,
}

impl Descriptor {
    /// Shares `ranges` (address, pages) with `receiver`, read and write, in the format of 1.2.
    pub fn new(receiver: u16, ranges: impl Iterator<Item = (u64, u32)>) -> Self {
        Self::with_receivers(f::VERSION_1_2, &[receiver], ranges)
    }

    /// The same in the format of any version and with up to four receivers.
    pub fn with_receivers(version: u32, receivers: &[u16], ranges: impl Iterator<Item = (u64, u32)>) -> Self {
        let mut d = Self::head(f::MEM_SHARE, version, receivers);
        d.put(field::ATTRIBUTES, &[0x2f]);
        let (header, stride) = shape(version);
        let composite = d.length;
        for n in 0..receivers.len() {
            d.put(header + n * stride + 4, &(composite as u32).to_le_bytes());
        }
        d.length += COMPOSITE;
        let (mut count, mut pages) = (0_u32, 0);
        for (address, size) in ranges.take(MOST) {
            d.put(d.length, &address.to_le_bytes());
            d.put(d.length + 8, &size.to_le_bytes());
            d.length += RANGE;
            count += 1;
            pages += size;
        }
        d.put(composite, &pages.to_le_bytes());
        d.put(composite + 4, &count.to_le_bytes());
        d
    }

    /// What `receiver` retrieves of `sender` under a handle, as a share: all of it, in the format of 1.2.
    pub fn retrieval(sender: u16, receiver: u16, handle: u64) -> Self {
        Self::retrieval_of(f::VERSION_1_2, sender, &[receiver], handle)
    }

    /// The same in the format of any version, with all receivers named: those behind the first are others.
    pub fn retrieval_of(version: u32, sender: u16, receivers: &[u16], handle: u64) -> Self {
        let mut d = Self::head(f::MEM_RETRIEVE_REQ, version, receivers);
        let (header, stride) = shape(version);
        for n in 1..receivers.len() {
            // Not retrieved for them.
            d.put(header + n * stride + 3, &[1]);
        }
        d.put(field::SENDER, &sender.to_le_bytes());
        d.put(field::ATTRIBUTES, &[0x2f]);
        d.put(field::FLAGS, &[1 << 3]);
        d.put(field::HANDLE, &handle.to_le_bytes());
        d
    }

    /// Header and receivers.
    fn head(function: u32, version: u32, receivers: &[u16]) -> Self {
        let (header, stride) = shape(version);
        let mut d = Self {
            bytes: [0; LONGEST],
            length: header + stride * receivers.len(),
            function,
        };
        if version > f::VERSION_1_0 {
            d.put(field::ACCESS_SIZE, &[stride as u8]);
            d.put(field::ACCESS_AT, &[header as u8]);
        }
        d.put(field::RECEIVERS, &[receivers.len() as u8]);
        for (n, receiver) in receivers.iter().enumerate() {
            d.put(header + n * stride, &receiver.to_le_bytes());
            d.put(header + n * stride + 2, &[2]);
        }
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

    /// The same by another function.
    pub fn by(mut self, function: u32) -> Self {
        self.function = function;
        self
    }

    /// The same to be lent, for which a lender leaves the attributes to the borrower.
    pub fn lent(self) -> Self {
        self.by(f::MEM_LEND).with(field::ATTRIBUTES, &[0])
    }

    /// The same of 1.2 to be donated: attributes and permissions are the receiver's.
    pub fn donated(self) -> Self {
        self.by(f::MEM_DONATE)
            .with(field::ATTRIBUTES, &[0])
            .with(field::PERMISSIONS, &[0])
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// Shares or lends, in fragments of at most `fragment` bytes; the last answer.
    pub fn send(&self, fragment: usize) -> Regs {
        let all = self.bytes();
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
            Ok(_) => Ok(handle_of(&answer)),
            Err(error) => Err(Why::new(format_args!(
                "{:#x}: {error:?} (x0 {:#x})",
                self.function,
                answer.x(0)
            ))),
        }
    }

    /// Has a partition make the call with this descriptor in its own TX buffer; the answer. A lender sends in
    /// its own name unless a case says otherwise.
    pub fn of(&self, partition: u16) -> Outcome<Regs> {
        put(partition, self.bytes())?;
        let retrieves = matches!(self.function, f::MEM_RETRIEVE_REQ | f::MEM_RETRIEVE_REQ_64);
        if !retrieves && self.bytes[..2] == [0; 2] {
            let mut first = [0; 96];
            first.copy_from_slice(&self.bytes[..96]);
            first[..2].copy_from_slice(&partition.to_le_bytes());
            put(partition, &first)?;
        }
        let length = self.length as u64;
        inside(partition, self.function, &[length, length])
    }
}

/// That a partition's call with this descriptor fails with this status.
pub fn refused(partition: u16, descriptor: &Descriptor, expected: Error) -> Outcome {
    let got = descriptor.of(partition)?;
    let error = got.success().err();
    ensure!(
        got.function() == f::ERROR && error == Some(expected),
        "{:#x} {error:?}, not {expected:?}",
        got.x(0)
    );
    Ok(())
}

/// A relinquish descriptor.
pub fn relinquishment(handle: u64, flags: u32, endpoints: &[u16]) -> [u8; 24] {
    let mut bytes = [0; 24];
    bytes[..8].copy_from_slice(&handle.to_le_bytes());
    bytes[8..12].copy_from_slice(&flags.to_le_bytes());
    bytes[12] = endpoints.len() as u8;
    for (to, id) in bytes[16..].chunks_exact_mut(2).zip(endpoints) {
        to.copy_from_slice(&id.to_le_bytes());
    }
    bytes
}
