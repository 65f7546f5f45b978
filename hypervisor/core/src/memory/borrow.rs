//! The calls of borrowers: retrieve and relinquish; and what ends all that a partition borrowed.

use super::PAGE;
use super::descriptor::{self, Answer, Header};
use super::ledger::Ledger;
use super::rights::{self, Attributes};
use super::share::{Kind, Lender, Share};
use super::window::{Asked, Grant};
use crate::api::{Access, Ports};
use crate::error::Error;
use crate::table::{Partition, Rights, Table};

/// The answer to a retrieve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retrieved {
    /// Bytes of the whole descriptor.
    pub total: u32,
    /// Bytes of it that were written: the others are for [`Ledger::fragment_rx`].
    pub fragment: u32,
}

/// What a retrieve asks for, checked against what was offered.
struct Wanted {
    asked: Asked,
    /// In pages.
    align: u64,
}

impl<const PARTITIONS: usize, const SHARES: usize, const RANGES: usize> Ledger<PARTITIONS, SHARES, RANGES> {
    /// FFA_MEM_RETRIEVE_REQ (DEN0140 1.2, section 2.4) of the partition with index `receiver`, which
    /// negotiated `version`: `buffer` starts with the request of `length` bytes, and with the answer
    /// afterwards, or as much of it as fits. The normal world's memory is mapped as one run of the partition's
    /// window; another partition's keeps its addresses, and belongs to this one if it was donated.
    ///
    /// # Errors
    /// INVALID_PARAMETERS: the descriptor is not in order, does not match what the owner sent, names a
    /// transaction that this partition is no part of, or asks that memory is cleared first that this partition
    /// has had before. DENIED: it is retrieved already, more is asked
    /// for than was offered, or addresses that stay are not aligned so. NO_MEMORY: the window has no run that
    /// is long enough, the buffer is too short, or there is no room for who owns what.
    pub fn retrieve(
        &mut self,
        table: &Table,
        receiver: usize,
        version: u32,
        buffer: &mut [u8],
        length: usize,
        ports: &mut impl Ports,
    ) -> Result<Retrieved, Error> {
        let request = buffer.get(..length).ok_or(Error::InvalidParameters)?;
        let header = Header::parse(request, version)?;
        let (index, grant) = self.granted(receiver, header.handle)?;
        let partition = table.partitions.get(receiver).ok_or(Error::InvalidParameters)?;
        let wanted = self.wanted(table, partition, index, grant, &header, request)?;
        if self.windows.get(grant).retrieved {
            return Err(Error::Denied);
        }
        match self.shares[index].lender() {
            None => self.put_in_window(
                partition,
                (receiver, version),
                (index, grant),
                &wanted,
                buffer,
                ports,
            ),
            Some(lender) => {
                let total = self.answer_size(index, version);
                self.may_move(table, (lender, receiver), index, wanted.align)?;
                if self.shares[index].kind == Kind::Donate && total > buffer.len() {
                    return Err(Error::NoMemory);
                }
                self.put_in_reach(table, receiver, (index, grant), &wanted.asked, ports);
                let fragment = self.answer(table, (index, grant), version, 0, buffer)?;
                if self.shares[index].kind == Kind::Donate {
                    self.close(index);
                }
                Ok(Retrieved {
                    total: total as u32,
                    fragment,
                })
            }
        }
    }

    /// Maps memory of the normal world in a window, and writes the answer.
    fn put_in_window(
        &mut self,
        partition: &Partition,
        (receiver, version): (usize, u32),
        (index, grant): (usize, usize),
        wanted: &Wanted,
        out: &mut [u8],
        ports: &mut impl Ports,
    ) -> Result<Retrieved, Error> {
        let share = self.shares[index];
        let Wanted { asked, align } = wanted;
        let size = descriptor::answer_size(version);
        let gap = self.windows.gap(receiver, partition.window, share.pages, *align);
        let gap = gap.filter(|_| out.len() >= size).ok_or(Error::NoMemory)?;
        self.clear_first(index, ports);
        self.windows.retrieve(grant, gap, asked);
        let mut slot = gap.slots.first;
        for pages in self.ranges.list(&share.ranges) {
            ports.map_window(receiver, slot, pages.address(), pages.count, asked.access);
            slot = slot.saturating_add(pages.count);
        }
        let answer = Answer {
            sender: share.sender,
            attributes: asked.attributes.field(version, true),
            cleared: self.shares[index].cleared,
            kind: share.kind,
            handle: share.handle,
            tag: share.tag,
            receiver: partition.id,
            access: asked.access,
            value: self.windows.get(grant).value,
            address: partition
                .window
                .base
                .saturating_add(u64::from(gap.slots.first).saturating_mul(PAGE)),
            pages: share.pages,
        };
        answer.write(version, out);
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        Ok(Retrieved {
            total: size,
            fragment: size,
        })
    }

    /// Whether a partition's memory can go to this receiver as it is asked for.
    fn may_move(
        &self,
        table: &Table,
        (lender, receiver): (Lender, usize),
        index: usize,
        align: u64,
    ) -> Result<(), Error> {
        let share = &self.shares[index];
        let ranges = || self.ranges.list(&share.ranges);
        if !ranges().all(|pages| pages.first.is_multiple_of(align)) {
            return Err(Error::Denied);
        }
        if share.kind == Kind::Donate && !self.deeds.fit(table, lender, receiver, ranges) {
            return Err(Error::NoMemory);
        }
        Ok(())
    }

    /// Lets a borrower reach another partition's memory.
    fn put_in_reach(
        &mut self,
        table: &Table,
        receiver: usize,
        (index, grant): (usize, usize),
        asked: &Asked,
        ports: &mut impl Ports,
    ) {
        self.clear_first(index, ports);
        self.windows.hold(grant, asked);
        let share = self.shares[index];
        if let Some(lender) = share.lender().filter(|_| share.kind == Kind::Donate) {
            for pages in self.ranges.list(&share.ranges) {
                self.deeds.give(table, lender.id, receiver, pages);
            }
            return self.enter(table, &share, receiver, ports);
        }
        let rights = match asked.access {
            Access::Read => Rights::Read,
            Access::ReadWrite => Rights::ReadWrite,
        };
        for pages in self.ranges.list(&share.ranges) {
            ports.set_secure(receiver, pages.address(), pages.count, Some(rights));
        }
    }

    fn clear_first(&mut self, index: usize, ports: &mut impl Ports) {
        let share = &self.shares[index];
        if share.clear && !share.cleared {
            self.clear(index, ports);
            self.shares[index].cleared = true;
        }
    }

    /// FFA_MEM_FRAG_RX (DEN0140 1.2, section 4.1.2) of the partition with index `receiver`: the answer to its
    /// retrieve from `offset` on, as much as fits; returns how many bytes. An answer that names memory of the
    /// normal world has one range and fits its first fragment.
    ///
    /// # Errors
    /// INVALID_PARAMETERS: it has retrieved nothing of another partition's by this handle, or there is nothing
    /// at this offset.
    pub fn fragment_rx(
        &mut self,
        table: &Table,
        (receiver, version): (usize, u32),
        handle: u64,
        offset: usize,
        out: &mut [u8],
    ) -> Result<u32, Error> {
        let (index, grant) = self.granted(receiver, handle)?;
        if !self.windows.get(grant).retrieved || self.shares[index].lender().is_none() {
            return Err(Error::InvalidParameters);
        }
        self.answer(table, (index, grant), version, offset, out)
    }

    /// The page of the normal world's that a partition reaches at an address in its window, and what it may do with it.
    #[must_use]
    pub fn behind(&self, table: &Table, partition: usize, address: u64) -> Option<(u64, Access)> {
        let window = table.partitions.get(partition)?.window;
        let slot = u32::try_from(address.checked_sub(window.base)? / PAGE).ok()?;
        let (grant, mut left) = self.windows.retrieved(partition).find_map(|index| {
            let grant = self.windows.get(index);
            let within = slot.checked_sub(grant.slots.first)?;
            (within < grant.slots.count).then_some((grant, within))
        })?;
        for pages in self.ranges.list(&self.shares[usize::from(grant.share)].ranges) {
            match left.checked_sub(pages.count) {
                Some(beyond) => left = beyond,
                None => return Some((pages.after(left).address(), grant.access)),
            }
        }
        None
    }

    /// FFA_MEM_RELINQUISH (DEN0140 1.2, section 2.6) of the partition with index `receiver`: takes the
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
        if !self.windows.get(grant).retrieved || kind == Kind::Donate || (clear && read_only) {
            return Err(Error::Denied);
        }
        self.unmap(receiver, index, grant, ports);
        if clear || clear_after {
            self.clear(index, ports);
        }
        Ok(())
    }

    /// Takes all that a partition has retrieved from it, as if it had relinquished it, and ends its unfinished
    /// transmission: for a partition that was stopped. Owners can then reclaim. What the normal world had
    /// donated is cleared and can be reclaimed too; what other partitions had donated stays its own.
    pub fn release(&mut self, partition: usize, ports: &mut impl Ports) {
        if partition >= PARTITIONS {
            return;
        }
        while let Some(grant) = self.windows.lowest(partition) {
            let share = usize::from(self.windows.get(grant).share);
            self.release_one(partition, share, grant, ports);
        }
        for index in 0..self.shares.touched() {
            let share = &self.shares[index];
            let Some(lender) = share.lender().filter(|_| share.handle != 0) else {
                continue;
            };
            let grant = self.windows.find(share.grants, partition);
            if let Some(grant) = grant.filter(|grant| self.windows.get(*grant).retrieved) {
                self.release_one(partition, index, grant, ports);
            } else if lender.index == partition && !share.whole() {
                self.close(index);
            }
        }
    }

    fn release_one(&mut self, partition: usize, share: usize, grant: usize, ports: &mut impl Ports) {
        let clear_after = self.windows.get(grant).clear_after;
        self.unmap(partition, share, grant, ports);
        if clear_after || self.shares[share].kind == Kind::Donate {
            self.clear(share, ports);
        }
    }

    /// Takes a transaction's memory out of a borrower's reach.
    pub(super) fn unmap(&mut self, partition: usize, share: usize, grant: usize, ports: &mut impl Ports) {
        let slots = self.windows.relinquish(grant);
        let share = &self.shares[share];
        if share.lender().is_none() {
            return ports.unmap_window(partition, slots.first, slots.count);
        }
        for pages in self.ranges.list(&share.ranges) {
            ports.set_secure(partition, pages.address(), pages.count, None);
        }
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
        let borrowers = if alone { 1 } else { self.windows.many(share.grants) };
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
        if clear_first && self.windows.get(grant).known {
            // What it has seen it can only have cleared when it gives it back.
            return Err(Error::InvalidParameters);
        }
        let clear_after = header.flags & descriptor::FLAG_CLEAR_AFTER != 0;
        if (clear_first && !share.clear) || (clear_after && access == Access::Read) {
            return Err(Error::Denied);
        }
        Ok(Wanted {
            asked: Asked {
                access,
                attributes,
                clear_after,
            },
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

/// Checks the flags of a retrieve (DEN0140 1.2, table 1.22) as far as they alone can be wrong.
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
