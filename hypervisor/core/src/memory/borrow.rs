//! The calls of borrowers: retrieve and relinquish; and what ends all that a partition borrowed.

use super::PAGE;
use super::descriptor::{self, Answer, Header};
use super::ledger::Ledger;
use super::rights::{self, Attributes};
use super::share::{Kind, Share};
use super::window::Grant;
use crate::api::{Access, Ports};
use crate::error::Error;
use crate::table::{Partition, Table};

/// The answer to a retrieve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retrieved {
    /// Bytes of the whole descriptor.
    pub total: u32,
    /// Bytes of it that were written: always all.
    pub fragment: u32,
}

/// What a retrieve asks for, checked against what was offered.
struct Wanted {
    access: Access,
    attributes: Attributes,
    clear_after: bool,
    /// In pages.
    align: u64,
}

impl<const PARTITIONS: usize, const SHARES: usize, const RANGES: usize> Ledger<PARTITIONS, SHARES, RANGES> {
    /// FFA_MEM_RETRIEVE_REQ (DEN0077A 1.1, section 16.4) of the partition with index `receiver`, which
    /// negotiated `version`: maps the memory as one run of its window, and writes the descriptor of the
    /// answer to the start of `out`.
    ///
    /// # Errors
    /// INVALID_PARAMETERS: the descriptor is not in order, does not match what the owner sent, or names
    /// a transaction that this partition is no part of. DENIED: it is retrieved already, or more is asked
    /// for than was offered. NO_MEMORY: the window has no run that is long enough, or `out` is too short.
    pub fn retrieve(
        &mut self,
        table: &Table,
        receiver: usize,
        version: u32,
        request: &[u8],
        out: &mut [u8],
        ports: &mut impl Ports,
    ) -> Result<Retrieved, Error> {
        let header = Header::parse(request, version)?;
        let (index, grant) = self.granted(receiver, header.handle)?;
        let partition = table.partitions.get(receiver).ok_or(Error::InvalidParameters)?;
        let wanted = self.wanted(table, partition, index, grant, &header, request)?;
        let share = self.shares[index];
        if self.windows.get(grant).retrieved() {
            return Err(Error::Denied);
        }
        let size = descriptor::answer_size(version);
        let gap = self
            .windows
            .gap(receiver, partition.window, share.pages, wanted.align);
        let gap = gap.filter(|_| out.len() >= size).ok_or(Error::NoMemory)?;
        if share.clear && !share.cleared {
            self.clear(index, ports);
            self.shares[index].cleared = true;
        }
        self.windows
            .retrieve(grant, gap, wanted.access, wanted.clear_after);
        let mut slot = gap.slots.first;
        for pages in self.ranges.list(&share.ranges) {
            ports.map_window(receiver, slot, pages.address(), pages.count, wanted.access);
            slot += pages.count;
        }
        let answer = Answer {
            sender: share.sender,
            attributes: wanted.attributes.field(version),
            cleared: self.shares[index].cleared,
            kind: share.kind,
            handle: share.handle,
            tag: share.tag,
            receiver: partition.id,
            access: wanted.access,
            value: self.windows.get(grant).value,
            address: partition.window.base + u64::from(gap.slots.first) * PAGE,
            pages: share.pages,
        };
        answer.write(version, out);
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        Ok(Retrieved {
            total: size,
            fragment: size,
        })
    }

    /// FFA_MEM_FRAG_RX (DEN0077A 1.1, section 16.9) of a borrower. An answer to a retrieve names one
    /// range and fits its first fragment, so there never is another one to ask for.
    ///
    /// # Errors
    /// INVALID_PARAMETERS, always.
    pub fn fragment_rx(
        &mut self,
        _table: &Table,
        _receiver: usize,
        _handle: u64,
        _offset: u32,
        _out: &mut [u8],
    ) -> Result<u32, Error> {
        Err(Error::InvalidParameters)
    }

    /// FFA_MEM_RELINQUISH (DEN0077A 1.1, section 16.6) of the partition with index `receiver`: takes the
    /// memory out of its window, and clears it where the partition asked for that now or earlier.
    ///
    /// # Errors
    /// INVALID_PARAMETERS: the descriptor is not in order, names other endpoints, or a transaction that
    /// this partition is no part of. DENIED: it has not retrieved the memory, owns it by now, or wants
    /// memory cleared that it may only read.
    pub fn relinquish(
        &mut self,
        table: &Table,
        receiver: usize,
        request: &[u8],
        ports: &mut impl Ports,
    ) -> Result<(), Error> {
        let partition = table.partitions.get(receiver).ok_or(Error::InvalidParameters)?;
        let (handle, flags) = descriptor::relinquish(request, partition.id)?;
        let (index, grant) = self.granted(receiver, handle)?;
        let kind = self.shares[index].kind;
        let clear = flags & descriptor::FLAG_CLEAR != 0;
        let reserved = flags & !(descriptor::FLAG_CLEAR | descriptor::FLAG_SLICES) != 0;
        if reserved || (clear && kind == Kind::Share) {
            return Err(Error::InvalidParameters);
        }
        let Grant {
            access, clear_after, ..
        } = *self.windows.get(grant);
        let read_only = access == Access::Read;
        if !self.windows.get(grant).retrieved() || kind == Kind::Donate || (clear && read_only) {
            return Err(Error::Denied);
        }
        self.unmap(receiver, grant, ports);
        if clear || clear_after {
            self.clear(index, ports);
        }
        Ok(())
    }

    /// Takes all that a partition has retrieved out of its window, as if it had relinquished it: for a
    /// partition that was stopped. Owners can then reclaim. What had been donated is cleared and can be
    /// reclaimed too.
    pub fn release(&mut self, partition: usize, ports: &mut impl Ports) {
        if partition >= PARTITIONS {
            return;
        }
        while let Some(grant) = self.windows.lowest(partition) {
            let Grant {
                share, clear_after, ..
            } = *self.windows.get(grant);
            let share = usize::from(share);
            self.unmap(partition, grant, ports);
            if clear_after || self.shares[share].kind == Kind::Donate {
                self.clear(share, ports);
            }
        }
    }

    pub(super) fn unmap(&mut self, partition: usize, grant: usize, ports: &mut impl Ports) {
        let slots = self.windows.relinquish(grant);
        ports.unmap_window(partition, slots.first, slots.count);
    }

    /// The finished transaction with this handle and its grant to this partition.
    fn granted(&self, receiver: usize, handle: u64) -> Result<(usize, usize), Error> {
        let share = self.find(handle).filter(|share| self.shares[*share].whole());
        let grant = share.and_then(|share| {
            let grant = self.windows.find(self.shares[share].grants, receiver)?;
            Some((share, grant))
        });
        grant.ok_or(Error::InvalidParameters)
    }

    fn wanted(
        &self,
        table: &Table,
        partition: &Partition,
        index: usize,
        grant: usize,
        header: &Header,
        request: &[u8],
    ) -> Result<Wanted, Error> {
        let share = &self.shares[index];
        let alone = header.flags & descriptor::FLAG_ALONE != 0;
        let borrowers = if alone {
            1
        } else {
            self.windows.of(share.grants).count()
        };
        if header.sender != share.sender
            || header.tag != share.tag
            || header.end() != request.len()
            || header.receivers != borrowers
        {
            return Err(Error::InvalidParameters);
        }
        check_flags(share, header.flags)?;
        let permissions = self.receivers(table, partition.id, share, header, request)?;
        let offered = self.windows.get(grant).offered;
        let attributes = Attributes::parse(header.attributes)?;
        let access = rights::requested(offered, share.held_by_several(), permissions)?;
        let attributes = share.attributes.narrowed(attributes)?;
        let clear_first = header.flags & descriptor::FLAG_CLEAR != 0;
        let clear_after = header.flags & descriptor::FLAG_CLEAR_AFTER != 0;
        if (clear_first && !share.clear) || (clear_after && access == Access::Read) {
            return Err(Error::Denied);
        }
        Ok(Wanted {
            access,
            attributes,
            clear_after,
            align: alignment(header.flags),
        })
    }

    /// Checks that the receivers are those that the owner named, each once, with their values; returns
    /// the permissions that the caller, `id`, asks for.
    fn receivers(
        &self,
        table: &Table,
        id: u16,
        share: &Share,
        header: &Header,
        request: &[u8],
    ) -> Result<u8, Error> {
        let mut permissions = None;
        for number in 0..header.receivers {
            let receiver = header.receiver(request, number)?;
            rights::well_formed(receiver.permissions)?;
            let named = table
                .partitions
                .iter()
                .position(|partition| partition.id == receiver.id);
            let grant = named.and_then(|named| self.windows.find(share.grants, named));
            let grant = self.windows.get(grant.ok_or(Error::InvalidParameters)?);
            let same = receiver.value.is_none_or(|value| value == grant.value);
            // Bit 0 says of the other borrowers that the memory is not retrieved for them.
            let bystander = receiver.id != id;
            if !same || receiver.composite != 0 || receiver.flags != u8::from(bystander) {
                return Err(Error::InvalidParameters);
            }
            for earlier in 0..number {
                if header.receiver(request, earlier)?.id == receiver.id {
                    return Err(Error::InvalidParameters);
                }
            }
            if !bystander {
                permissions = Some(receiver.permissions);
            }
        }
        permissions.ok_or(Error::InvalidParameters)
    }
}

/// Checks the flags of a retrieve (DEN0077A 1.1, table 10.22) as far as they alone can be wrong.
fn check_flags(share: &Share, flags: u32) -> Result<(), Error> {
    let kind = flags >> descriptor::KIND_SHIFT & 0b11;
    let align = flags >> descriptor::ALIGN_SHIFT & 0b1111;
    let clear = flags & (descriptor::FLAG_CLEAR | descriptor::FLAG_CLEAR_AFTER) != 0;
    let clear_after = flags & descriptor::FLAG_CLEAR_AFTER != 0;
    let wrong = (kind != 0 && kind != share.kind.code())
        || (flags & descriptor::FLAG_ALIGN == 0 && align != 0)
        || (clear && share.kind == Kind::Share)
        || (clear_after && share.kind == Kind::Donate)
        || flags >= descriptor::FLAG_ALONE << 1;
    if wrong {
        Err(Error::InvalidParameters)
    } else {
        Ok(())
    }
}

/// The alignment that a retrieve's flags ask for, in pages.
fn alignment(flags: u32) -> u64 {
    if flags & descriptor::FLAG_ALIGN == 0 {
        1
    } else {
        1 << (flags >> descriptor::ALIGN_SHIFT & 0b1111)
    }
}
