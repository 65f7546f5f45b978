//! Descriptors of whole transactions, in as many fragments as it takes: what a hypervisor in the normal world
//! asks for before it reclaims (DEN0140 1.2, section 2.4.3), and what answers a partition that retrieves
//! another's memory.

use super::constituents::CONSTITUENT;
use super::descriptor::{Bytes, COMPOSITE, V1_0, answer_shape, size_byte};
use super::ledger::Ledger;
use super::rights;
use super::share::Share;
use crate::error::Error;
use crate::table::Table;

/// For whom a descriptor is: a hypervisor is told of all borrowers and what they were offered, a borrower of
/// its own grant and what it has.
#[derive(Clone, Copy)]
enum Reader {
    Hypervisor,
    Borrower(usize),
}

/// The part of a descriptor from `offset` on that fits the bytes.
struct Part<'a> {
    offset: usize,
    bytes: &'a mut [u8],
}

impl Part<'_> {
    /// Puts a field where it belongs, or as much of it as is in this part.
    fn put(&mut self, at: usize, field: &[u8]) {
        let skipped = self.offset.saturating_sub(at);
        let to = self.bytes.iter_mut().skip(at.saturating_sub(self.offset));
        for (to, byte) in to.zip(field.iter().skip(skipped)) {
            *to = *byte;
        }
    }
}

impl<const PARTITIONS: usize, const SHARES: usize, const RANGES: usize> Ledger<PARTITIONS, SHARES, RANGES> {
    /// FFA_MEM_RETRIEVE_REQ of the normal world, which negotiated `version`: the handle that a request
    /// names. Sender and handle say which transaction is meant; all else is zero, or how long the fixed
    /// part is.
    ///
    /// # Errors
    /// INVALID_PARAMETERS: the request is not in order, or there is no such transaction.
    pub fn asked(&self, version: u32, request: &[u8]) -> Result<u64, Error> {
        let field = Bytes(request);
        let (sender, handle) = (field.u16(0)?, field.u64(8)?);
        let mut zero = u64::from(field.u16(2)?) | u64::from(field.u32(4)?) | field.u64(16)?;
        zero |= u64::from(field.u32(28)?);
        if version > V1_0 {
            zero |= u64::from(field.u32(36)?) | field.u64(40)?;
        }
        let share = self.described(handle)?;
        let length = answer_shape(version).0;
        if zero != 0 || request.len() != length || self.shares[share].sender != sender {
            return Err(Error::InvalidParameters);
        }
        Ok(handle)
    }

    fn described(&self, handle: u64) -> Result<usize, Error> {
        let ours = |share: &usize| self.shares[*share].sender & 1 << 15 == 0 && self.shares[*share].whole();
        self.find(handle).filter(ours).ok_or(Error::InvalidParameters)
    }

    /// Writes the descriptor of a transaction of the normal world from `offset` on: the answer to the
    /// request above, or to FFA_MEM_FRAG_RX. Returns its length in bytes, and how many were written.
    ///
    /// # Errors
    /// INVALID_PARAMETERS: there is no such transaction, or nothing at this offset.
    pub fn describe(
        &self,
        table: &Table,
        version: u32,
        handle: u64,
        offset: usize,
        out: &mut [u8],
    ) -> Result<(u32, u32), Error> {
        let share = self.described(handle)?;
        let total = self.size(share, version, self.windows.many(self.shares[share].grants));
        let length = self.write(table, (share, Reader::Hypervisor), version, offset, out)?;
        Ok((total as u32, length))
    }

    /// Bytes of the answer to a borrower that retrieves this transaction.
    pub(super) fn answer_size(&self, share: usize, version: u32) -> usize {
        self.size(share, version, 1)
    }

    /// Writes the answer to a borrower that has retrieved this transaction from `offset` on; returns how many
    /// bytes.
    ///
    /// # Errors
    /// INVALID_PARAMETERS: there is nothing at this offset.
    pub(super) fn answer(
        &self,
        table: &Table,
        (share, grant): (usize, usize),
        version: u32,
        offset: usize,
        out: &mut [u8],
    ) -> Result<u32, Error> {
        self.write(table, (share, Reader::Borrower(grant)), version, offset, out)
    }

    /// Bytes of a transaction's descriptor that names so many borrowers.
    fn size(&self, share: usize, version: u32, borrowers: usize) -> usize {
        let (header, stride) = answer_shape(version);
        let ranges = CONSTITUENT.saturating_mul(self.shares[share].ranges.len());
        field(header, stride, borrowers)
            .saturating_add(COMPOSITE)
            .saturating_add(ranges)
    }

    fn write(
        &self,
        table: &Table,
        (index, reader): (usize, Reader),
        version: u32,
        offset: usize,
        out: &mut [u8],
    ) -> Result<u32, Error> {
        let share = &self.shares[index];
        let borrowers = self.told(share, reader);
        let total = self.size(index, version, borrowers);
        if offset >= total || !offset.is_multiple_of(CONSTITUENT) {
            return Err(Error::InvalidParameters);
        }
        let bytes = match out.split_at_mut_checked(total.saturating_sub(offset)) {
            Some((rest, _)) => rest,
            None => out,
        };
        let length = bytes.len();
        bytes.fill(0);
        let mut part = Part { offset, bytes };
        let (header, stride) = answer_shape(version);
        let composite = field(header, stride, borrowers);
        self.fixed(share, reader, version, &mut part);
        for (number, grant) in (0..borrowers).zip(self.read_by(share, reader)) {
            let at = field(header, stride, number);
            part.put(at.saturating_add(4), &(composite as u32).to_le_bytes());
            self.borrower(table, (grant, reader), (at, stride), &mut part);
        }
        part.put(composite, &share.pages.to_le_bytes());
        part.put(
            composite.saturating_add(4),
            &(share.ranges.len() as u32).to_le_bytes(),
        );
        let list = composite.saturating_add(COMPOSITE);
        let first = offset.saturating_sub(list) / CONSTITUENT;
        let ranges = (first..usize::MAX).zip(self.ranges.list(&share.ranges).skip(first));
        for (number, pages) in ranges.take((length / CONSTITUENT).saturating_add(1)) {
            let at = field(list, CONSTITUENT, number);
            part.put(at, &pages.address().to_le_bytes());
            part.put(at.saturating_add(8), &pages.count.to_le_bytes());
        }
        Ok(length as u32)
    }

    /// How many borrowers a reader is told of: it is one of them itself, if it is no hypervisor.
    fn told(&self, share: &Share, reader: Reader) -> usize {
        match reader {
            Reader::Hypervisor => self.windows.many(share.grants),
            Reader::Borrower(_) => 1,
        }
    }

    /// The grants that a reader is told of.
    fn read_by(&self, share: &Share, reader: Reader) -> impl Iterator<Item = usize> {
        let told = move |grant: &usize| match reader {
            Reader::Hypervisor => true,
            Reader::Borrower(own) => *grant == own,
        };
        self.windows.of(share.grants).filter(told)
    }

    fn fixed(&self, share: &Share, reader: Reader, version: u32, part: &mut Part<'_>) {
        let (header, stride) = answer_shape(version);
        let receivers = self.told(share, reader) as u32;
        let flags = u32::from(share.cleared) | share.kind.code() << 3;
        let attributes = match reader {
            Reader::Hypervisor => share.attributes,
            Reader::Borrower(own) => self.windows.get(own).attributes,
        };
        let attributes = attributes.field(version, share.lender().is_none());
        part.put(0, &share.sender.to_le_bytes());
        part.put(2, &attributes.to_le_bytes());
        part.put(4, &flags.to_le_bytes());
        part.put(8, &share.handle.to_le_bytes());
        part.put(16, &share.tag.to_le_bytes());
        part.put(28, &receivers.to_le_bytes());
        if version > V1_0 {
            part.put(24, &[size_byte(stride)]);
            part.put(32, &[size_byte(header)]);
        }
    }

    fn borrower(
        &self,
        table: &Table,
        (grant, reader): (usize, Reader),
        (at, stride): (usize, usize),
        part: &mut Part<'_>,
    ) {
        let grant = self.windows.get(grant);
        let id = table
            .partitions
            .get(usize::from(grant.partition))
            .map_or(0, |p| p.id);
        let permissions = match reader {
            Reader::Hypervisor => rights::given(grant.offered),
            Reader::Borrower(_) => rights::granted(grant.access),
        };
        part.put(at, &id.to_le_bytes());
        part.put(at.saturating_add(2), &[permissions]);
        if stride == 32 {
            part.put(at.saturating_add(8), &grant.value);
        }
    }
}

/// Where the entry of this number is in a list that begins at `first`; what would lie beyond the last address is in no
/// descriptor.
fn field(first: usize, stride: usize, number: usize) -> usize {
    first.saturating_add(stride.saturating_mul(number))
}
