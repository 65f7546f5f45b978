//! Reads transaction and relinquish descriptors, and writes the descriptor that answers a retrieve.

use super::share::Kind;
use crate::api::Access;
use crate::error::Error;

/// FF-A 1.0 as FFA_VERSION encodes it.
pub const V1_0: u32 = 0x1_0000;
/// FF-A 1.2.
pub const V1_2: u32 = 0x1_0002;

/// Bytes of a composite memory region descriptor's header (DEN0140 1.2, table 1.13).
pub const COMPOSITE: usize = 16;
/// Bytes of the largest answer to a retrieve.
const LARGEST_ANSWER: usize = 48 + 32 + COMPOSITE + 16;

/// Clear before the memory can be used (share, lend, donate, retrieve), or before it is given back
/// (relinquish, reclaim).
pub const FLAG_CLEAR: u32 = 1 << 0;
/// The call may be done in slices.
pub const FLAG_SLICES: u32 = 1 << 1;
/// Retrieve: clear when the borrower gives the memory back.
pub const FLAG_CLEAR_AFTER: u32 = 1 << 2;
/// Retrieve: where the kind of transaction stands (bits 4:3).
pub const KIND_SHIFT: u32 = 3;
/// Retrieve: bits 8:5 hold an alignment, two to the power of it in pages.
pub const FLAG_ALIGN: u32 = 1 << 9;
/// Where the alignment stands.
pub const ALIGN_SHIFT: u32 = 5;
/// Retrieve: the borrowers beside the caller are not listed.
pub const FLAG_ALONE: u32 = 1 << 10;

/// Little-endian fields of a descriptor; a field outside the bytes is INVALID_PARAMETERS.
#[derive(Clone, Copy, Debug)]
pub struct Bytes<'a>(pub &'a [u8]);

impl Bytes<'_> {
    fn array<const N: usize>(self, at: usize) -> Result<[u8; N], Error> {
        let field = at.checked_add(N).and_then(|end| self.0.get(at..end));
        field
            .and_then(|field| field.try_into().ok())
            .ok_or(Error::InvalidParameters)
    }

    /// A byte.
    pub fn u8(self, at: usize) -> Result<u8, Error> {
        Ok(self.array::<1>(at)?[0])
    }

    /// Two bytes.
    pub fn u16(self, at: usize) -> Result<u16, Error> {
        Ok(u16::from_le_bytes(self.array(at)?))
    }

    /// Four bytes.
    pub fn u32(self, at: usize) -> Result<u32, Error> {
        Ok(u32::from_le_bytes(self.array(at)?))
    }

    /// Eight bytes.
    pub fn u64(self, at: usize) -> Result<u64, Error> {
        Ok(u64::from_le_bytes(self.array(at)?))
    }
}

fn must_be_zero(value: u64) -> Result<(), Error> {
    if value == 0 {
        Ok(())
    } else {
        Err(Error::InvalidParameters)
    }
}

/// A four-byte length, offset or count as an index. Saturates where `usize` is smaller.
pub fn index(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// The fixed part of a memory transaction descriptor (DEN0140 1.2, table 1.20; that of 1.0: table 4.17).
#[derive(Clone, Copy, Debug)]
pub struct Header {
    /// ID of the owner that sent the memory.
    pub sender: u16,
    /// Memory attributes, unchecked.
    pub attributes: u16,
    /// Flags, unchecked.
    pub flags: u32,
    /// The handle: zero from a lender.
    pub handle: u64,
    /// The lender's tag.
    pub tag: u64,
    /// How many endpoint memory access descriptors follow; at least one, and all lie in the bytes.
    pub receivers: usize,
    offset: usize,
    stride: usize,
}

/// One endpoint memory access descriptor (DEN0140 1.2, table 1.16; 1.2 added 16 bytes).
#[derive(Clone, Copy, Debug)]
pub struct Receiver {
    /// ID of the endpoint.
    pub id: u16,
    /// Permissions, unchecked.
    pub permissions: u8,
    /// Flags, unchecked.
    pub flags: u8,
    /// Where the composite descriptor is, in bytes from the start; zero: there is none.
    pub composite: u32,
    /// The implementation-defined value; `None` in the forms before 1.2.
    pub value: Option<[u8; 16]>,
}

impl Header {
    /// Reads a descriptor of an endpoint that negotiated `version`.
    pub fn parse(bytes: &[u8], version: u32) -> Result<Self, Error> {
        let field = Bytes(bytes);
        let (stride, offset) = if version <= V1_0 {
            must_be_zero(u64::from(field.u32(24)?))?;
            (16, 32)
        } else {
            must_be_zero(u64::from(field.u32(36)?) | field.u64(40)?)?;
            (index(field.u32(24)?), index(field.u32(32)?))
        };
        let known = stride == 16 || (stride == 32 && version >= V1_2);
        let placed = offset % 16 == 0 && (version <= V1_0 || offset >= 48);
        let receivers = index(field.u32(28)?);
        let header = Self {
            sender: field.u16(0)?,
            attributes: field.u16(2)?,
            flags: field.u32(4)?,
            handle: field.u64(8)?,
            tag: field.u64(16)?,
            receivers,
            offset,
            stride,
        };
        let inside = receivers
            .checked_mul(stride)
            .and_then(|size| size.checked_add(offset));
        let inside = inside.is_some_and(|end| end <= bytes.len());
        if known && placed && inside && receivers > 0 {
            Ok(header)
        } else {
            Err(Error::InvalidParameters)
        }
    }

    /// First byte behind the endpoint memory access descriptors.
    pub fn end(&self) -> usize {
        self.at(self.receivers)
    }

    /// Where the endpoint memory access descriptor of this number is; what would lie beyond the last address is in no
    /// descriptor.
    fn at(&self, number: usize) -> usize {
        self.offset.saturating_add(number.saturating_mul(self.stride))
    }

    /// The endpoint memory access descriptor of this number, its reserved fields checked.
    pub fn receiver(&self, bytes: &[u8], number: usize) -> Result<Receiver, Error> {
        let all = bytes.get(self.at(number)..).ok_or(Error::InvalidParameters)?;
        let field = Bytes(all);
        // The reserved field is the last one.
        must_be_zero(field.u64(self.stride.saturating_sub(8))?)?;
        Ok(Receiver {
            id: field.u16(0)?,
            permissions: field.u8(2)?,
            flags: field.u8(3)?,
            composite: field.u32(4)?,
            value: if self.stride == 32 {
                Some(field.array(8)?)
            } else {
                None
            },
        })
    }
}

/// The header of a composite memory region descriptor.
#[derive(Clone, Copy, Debug)]
pub struct Composite {
    /// Pages of all constituents together.
    pub pages: u32,
    /// How many constituents.
    pub constituents: u32,
}

impl Composite {
    /// Reads the header at `at`.
    pub fn parse(bytes: &[u8], at: usize) -> Result<Self, Error> {
        let field = Bytes(bytes.get(at..).ok_or(Error::InvalidParameters)?);
        must_be_zero(field.u64(8)?)?;
        Ok(Self {
            pages: field.u32(0)?,
            constituents: field.u32(4)?,
        })
    }
}

/// Reads a relinquish descriptor (DEN0140 1.2, table 2.25) that must name `endpoint` and nobody
/// else; returns the handle and the flags.
pub fn relinquish(bytes: &[u8], endpoint: u16) -> Result<(u64, u32), Error> {
    let field = Bytes(bytes);
    if field.u32(12)? != 1 || field.u16(16)? != endpoint {
        return Err(Error::InvalidParameters);
    }
    Ok((field.u64(0)?, field.u32(8)?))
}

/// What the answer to a retrieve says.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// The owner.
    pub sender: u16,
    /// The memory attributes' field.
    pub attributes: u16,
    /// Whether the memory was cleared.
    pub cleared: bool,
    /// The kind of transaction.
    pub kind: Kind,
    /// The handle.
    pub handle: u64,
    /// The owner's tag.
    pub tag: u64,
    /// Who retrieved it.
    pub receiver: u16,
    /// With which rights.
    pub access: Access,
    /// The implementation-defined value of the lender.
    pub value: [u8; 16],
    /// Where the borrower sees the memory: one range of this intermediate physical address on.
    pub address: u64,
    /// Its pages.
    pub pages: u32,
}

/// Bytes that an answer to an endpoint of this version takes.
pub fn answer_size(version: u32) -> usize {
    let (header, stride) = answer_shape(version);
    header + stride + COMPOSITE + 16
}

/// Bytes of the fixed part and of an endpoint's descriptor in what an endpoint of this version reads.
pub fn answer_shape(version: u32) -> (usize, usize) {
    match version {
        ..=V1_0 => (32, 16),
        V1_2.. => (48, 32),
        _ => (48, 16),
    }
}

impl Answer {
    /// Writes the descriptor to the start of `out`, which holds [`answer_size`] bytes at least.
    pub fn write(&self, version: u32, out: &mut [u8]) {
        let (header, stride) = answer_shape(version);
        let composite = header + stride;
        let mut bytes = [0; LARGEST_ANSWER];
        let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
        let flags = u32::from(self.cleared) | (self.kind.code() << KIND_SHIFT);
        put(0, &self.sender.to_le_bytes());
        put(2, &self.attributes.to_le_bytes());
        put(4, &flags.to_le_bytes());
        put(8, &self.handle.to_le_bytes());
        put(16, &self.tag.to_le_bytes());
        put(28, &[1]);
        if version > V1_0 {
            put(24, &[size_byte(stride)]);
            put(32, &[size_byte(header)]);
        }
        put(header, &self.receiver.to_le_bytes());
        put(header + 2, &[super::rights::granted(self.access)]);
        put(header + 4, &[size_byte(composite)]);
        if version >= V1_2 {
            put(header + 8, &self.value);
        }
        put(composite, &self.pages.to_le_bytes());
        put(composite + 4, &[1]);
        put(composite + COMPOSITE, &self.address.to_le_bytes());
        put(composite + COMPOSITE + 8, &self.pages.to_le_bytes());
        let size = answer_size(version);
        out[..size].copy_from_slice(&bytes[..size]);
    }
}

/// A size that fits a byte.
pub fn size_byte(size: usize) -> u8 {
    u8::try_from(size).unwrap_or(u8::MAX)
}
