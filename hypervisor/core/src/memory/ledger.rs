//! The calls of lenders: share, lend, donate, their fragments, and reclaim.

use super::constituents::{self, CONSTITUENT, Pages};
use super::deeds::Deeds;
use super::descriptor::{self, Header};
use super::offer::{Offer, find_partition};
use super::pool::{Node as _, Pool};
use super::quota::limited;
use super::ranges::Ranges;
use super::rights;
use super::share::{Kind, Share};
use super::window::{Grant, Windows};
use super::{FRAGMENT, PAGE, Sender};
use crate::api::{Ports, World};
use crate::error::Error;
use crate::table::{Partition, Table};

/// All memory that is lent or has changed hands, and to whom.
///
/// `PARTITIONS` is the number of the table's partitions; `SHARES` and `RANGES` are what [`super::shares`] and
/// [`super::ranges`] say. What counts against one quota takes nothing of another. An empty ledger is all zeros.
#[derive(Debug)]
pub struct Ledger<const PARTITIONS: usize, const SHARES: usize, const RANGES: usize> {
    pub(super) shares: Pool<Share, SHARES>,
    pub(super) ranges: Ranges<RANGES>,
    pub(super) windows: Windows<PARTITIONS, SHARES>,
    pub(super) deeds: Deeds<SHARES>,
    /// Transactions so far: makes each handle a new one.
    generation: u64,
    /// Those whose owner was denied them: what few shares there are is looked for only then.
    pub(super) wanted: u16,
}

/// How far the transmission of a descriptor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// All has arrived; this is the handle.
    Complete(u64),
    /// More fragments are due.
    More {
        /// The handle that the next fragment names.
        handle: u64,
        /// Bytes of the descriptor that have arrived.
        next_offset: u32,
    },
}

impl<const PARTITIONS: usize, const SHARES: usize, const RANGES: usize> Ledger<PARTITIONS, SHARES, RANGES> {
    /// Nothing lent.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            shares: Pool::new(),
            ranges: Ranges::new(),
            windows: Windows::new(),
            deeds: Deeds::new(),
            generation: 0,
            wanted: 0,
        }
    }

    /// FFA_MEM_SHARE, FFA_MEM_LEND and FFA_MEM_DONATE (DEN0140 1.2, sections 2.1 to 2.3):
    /// `fragment` is the first fragment of a descriptor of `total` bytes, as `sender` wrote it. A new
    /// transmission in fragments ends the sender's unfinished one. What a partition lends or donates is out
    /// of its reach as soon as all of the descriptor has arrived. What the sender was denied with FFA_MEM_RECLAIM, and
    /// nobody has any more, is reclaimed first: a driver asks once (Linux's does), and would lose its place for good.
    ///
    /// # Errors
    /// INVALID_PARAMETERS: the descriptor is not in order, or names a receiver that does not exist or
    /// does not take memory from this sender. DENIED: the sender does not own the memory, has lent it
    /// already, or has its buffers there; it is device memory; or a receiver cannot be given it. NO_MEMORY: a
    /// quota of pages, shares or ranges is used up.
    pub fn share(
        &mut self,
        table: &Table,
        sender: &Sender<'_>,
        kind: Kind,
        total: u32,
        fragment: &[u8],
        ports: &mut impl Ports,
    ) -> Result<Progress, Error> {
        if self.wanted != 0 {
            self.reclaim_wanted(table, sender.id, ports);
        }
        let offer = Offer::parse(table, sender, kind, total, fragment)?;
        if descriptor::index(total) > fragment.len() {
            self.abandon_unfinished(sender.id);
        }
        let share = self.open(table, kind, &offer, fragment)?;
        self.shares[share].offset = offset(offer.start);
        let constituents = fragment.get(offer.start..).unwrap_or_default();
        self.extend(table, sender, share, constituents, ports)
    }

    /// FFA_MEM_FRAG_TX (DEN0140 1.2, section 4.1.2): the next fragment of an unfinished transmission.
    ///
    /// # Errors
    /// INVALID_PARAMETERS: there is no such transmission of this sender. Any other error ends the
    /// transmission: INVALID_PARAMETERS, DENIED or NO_MEMORY as for [`Self::share`].
    pub fn fragment_tx(
        &mut self,
        table: &Table,
        sender: &Sender<'_>,
        handle: u64,
        fragment: &[u8],
        ports: &mut impl Ports,
    ) -> Result<Progress, Error> {
        let share = self
            .find(handle)
            .filter(|share| self.shares[*share].sender == sender.id);
        let share = share
            .filter(|share| !self.shares[*share].whole())
            .ok_or(Error::InvalidParameters)?;
        if fragment.is_empty() {
            self.close(share);
            return Err(Error::InvalidParameters);
        }
        self.extend(table, sender, share, fragment, ports)
    }

    /// FFA_MEM_RECLAIM (DEN0140 1.2, section 2.7): the sender gets its memory back, cleared where
    /// the flags say so. It may give up an unfinished transmission in this way. A donation between partitions
    /// is no more as soon as it was retrieved.
    ///
    /// # Errors
    /// INVALID_PARAMETERS: reserved flags, or no such transaction of this sender. DENIED: a receiver
    /// still has the memory, or owns it now.
    pub fn reclaim(
        &mut self,
        table: &Table,
        sender: u16,
        handle: u64,
        flags: u32,
        ports: &mut impl Ports,
    ) -> Result<(), Error> {
        let share = self
            .find(handle)
            .filter(|share| self.shares[*share].sender == sender);
        let share = share.ok_or(Error::InvalidParameters)?;
        if flags & !(descriptor::FLAG_CLEAR | descriptor::FLAG_SLICES) != 0 {
            return Err(Error::InvalidParameters);
        }
        if self.is_held(share) {
            self.want(share);
            return Err(Error::Denied);
        }
        if flags & descriptor::FLAG_CLEAR != 0 && self.shares[share].whole() {
            self.clear(share, ports);
        }
        self.give_back(table, share, ports);
        self.close(share);
        Ok(())
    }

    /// Whether a borrower has a transaction's memory, or owns it now.
    fn is_held(&self, share: usize) -> bool {
        let mut grants = self.windows.of(self.shares[share].grants);
        grants.any(|grant| self.windows.get(grant).retrieved)
    }

    /// Its owner has asked for a transaction's memory, and was denied it.
    fn want(&mut self, share: usize) {
        let share = &mut self.shares[share];
        if !share.wanted {
            share.wanted = true;
            self.wanted = self.wanted.saturating_add(1);
        }
    }

    /// Gives a sender what it was denied, and nobody has any more.
    #[cold]
    fn reclaim_wanted(&mut self, table: &Table, sender: u16, ports: &mut impl Ports) {
        for index in 0..SHARES {
            let share = &self.shares[index];
            if share.wanted && share.sender == sender && !self.is_held(index) {
                self.give_back(table, index, ports);
                self.close(index);
            }
        }
    }

    /// Ends all transactions of the normal world, as if it had reclaimed them after all borrowers had given
    /// them back: for one that starts anew. What was lent is cleared: a borrower may have had it to
    /// itself. What a borrower owns by now stays its own.
    pub fn forget_normal(&mut self, ports: &mut impl Ports) {
        for index in 0..SHARES {
            let share = self.shares[index];
            if share.handle == 0 || share.sender & 1 << 15 != 0 {
                continue;
            }
            let mut held = false;
            for partition in 0..PARTITIONS {
                let grant = self.windows.find(share.grants, partition);
                if let Some(grant) = grant.filter(|grant| self.windows.get(*grant).retrieved) {
                    held = true;
                    if share.kind != Kind::Donate {
                        self.unmap(partition, index, grant, ports);
                    }
                }
            }
            if held && share.kind == Kind::Donate {
                continue;
            }
            if held && share.kind == Kind::Lend {
                self.clear(index, ports);
            }
            self.close(index);
        }
    }

    /// Who sent the transaction with this handle.
    #[must_use]
    pub fn sender(&self, handle: u64) -> Option<u16> {
        self.find(handle).map(|share| self.shares[share].sender)
    }

    /// Whether any of these pages is part of a live transaction.
    #[must_use]
    pub fn overlaps(&self, address: u64, count: u32) -> bool {
        count > 0
            && self.ranges.overlaps(constituents::Pages {
                first: address / PAGE,
                count,
            })
    }

    /// Whether a partition owns the page at this address, lent or not.
    #[must_use]
    pub fn owns(&self, table: &Table, partition: usize, address: u64) -> bool {
        let page = Pages {
            first: address / PAGE,
            count: 1,
        };
        self.deeds.own(table, partition, page, |_| true)
    }

    /// The transaction with this handle.
    pub(super) fn find(&self, handle: u64) -> Option<usize> {
        let share = usize::from(handle as u16);
        (handle != 0 && share < SHARES && self.shares[share].handle == handle).then_some(share)
    }

    /// Clears the memory of a transaction.
    pub(super) fn clear(&self, share: usize, ports: &mut impl Ports) {
        let share = &self.shares[share];
        let world = share.lender().map_or(World::Normal, |_| World::Secure);
        for pages in self.ranges.list(&share.ranges) {
            ports.clear(world, pages.address(), pages.count);
        }
    }

    /// Makes a transaction and its grants, without ranges yet.
    fn open(&mut self, table: &Table, kind: Kind, offer: &Offer, bytes: &[u8]) -> Result<usize, Error> {
        let Offer {
            header,
            composite,
            attributes,
            ..
        } = offer;
        let share = self.shares.take(Share {
            tag: header.tag,
            sender: header.sender,
            from: lender(table, header.sender),
            kind,
            attributes: *attributes,
            clear: header.flags & descriptor::FLAG_CLEAR != 0,
            pages: composite.pages,
            missing: composite.constituents,
            several: header.receivers > 1,
            ..Share::FREE
        });
        let share = share.ok_or(Error::NoMemory)?;
        self.generation = self.generation.wrapping_add(1);
        self.shares[share].handle = (self.generation << 16 | share as u64) & !(1 << 63);
        for number in 0..header.receivers {
            if let Err(error) = self.grant(table, share, header, number, bytes) {
                self.close(share);
                return Err(error);
            }
        }
        Ok(share)
    }

    fn grant(
        &mut self,
        table: &Table,
        share: usize,
        header: &Header,
        number: usize,
        bytes: &[u8],
    ) -> Result<(), Error> {
        let receiver = header.receiver(bytes, number)?;
        let found = find_partition(table, header.sender, receiver.id);
        let (partition, caller) = found.ok_or(Error::InvalidParameters)?;
        if partition >= PARTITIONS {
            return Err(Error::InvalidParameters);
        }
        if !self.fits(table, caller, partition, self.shares[share].pages) {
            return Err(Error::NoMemory);
        }
        if self.windows.borrower(partition).quota == 0 {
            let quota = Self::range_quota(table, partition);
            self.windows.set_quota(partition, quota);
        }
        let offered = rights::offered(self.shares[share].kind, receiver.permissions)?;
        let value = receiver.value.unwrap_or_default();
        let grant = Grant::new(share as u16, partition as u8, limited(caller), offered, value);
        let first = &mut self.shares[share].grants;
        if self.windows.grant(first, grant) {
            Ok(())
        } else {
            Err(Error::NoMemory)
        }
    }

    /// Adds constituents to an unfinished transaction; any error ends it.
    fn extend(
        &mut self,
        table: &Table,
        sender: &Sender<'_>,
        share: usize,
        bytes: &[u8],
        ports: &mut impl Ports,
    ) -> Result<Progress, Error> {
        let progress = self.try_extend(table, sender, share, bytes);
        match progress {
            Ok(Progress::Complete(_)) => self.take_away(share, ports),
            Ok(Progress::More { .. }) => {}
            Err(_) => self.close(share),
        }
        progress
    }

    fn try_extend(
        &mut self,
        table: &Table,
        sender: &Sender<'_>,
        index: usize,
        bytes: &[u8],
    ) -> Result<Progress, Error> {
        let share = self.shares[index];
        let count = u32::try_from(bytes.len() / CONSTITUENT).map_err(|_| Error::InvalidParameters)?;
        let missing = share.missing.checked_sub(count).ok_or(Error::InvalidParameters)?;
        if !bytes.len().is_multiple_of(CONSTITUENT) || bytes.len() > FRAGMENT {
            return Err(Error::InvalidParameters);
        }
        let room = self.room(table, share.sender, share.grants);
        let Self {
            shares,
            ranges,
            windows,
            deeds,
            ..
        } = self;
        let reached = |home: usize| {
            windows
                .of(share.grants)
                .all(|grant| reaches(table, windows.get(grant), home))
        };
        let lender = share.lender();
        let owned = |pages: Pages| {
            let size = u64::from(pages.count).saturating_mul(PAGE);
            let whole = match lender {
                None => (table.board.normal.iter()).any(|range| range.contains(pages.address(), size)),
                Some(lender) => deeds.own(table, lender.index, pages, reached),
            };
            whole && !sender.holds(pages.first, pages.end())
        };
        let fragment = constituents::read(bytes, owned);
        let added = ranges.add(&mut shares[index].ranges, index as u16, room, fragment)?;
        windows.charge(share.grants, added.ranges);
        let arrived = share.arrived.saturating_add(added.pages);
        let expected = u64::from(share.pages);
        if arrived > expected || (missing == 0 && arrived < expected) {
            return Err(Error::InvalidParameters);
        }
        let next_offset = share.offset.saturating_add(offset(bytes.len()));
        let share = &mut shares[index];
        (share.arrived, share.missing, share.offset) = (arrived, missing, next_offset);
        let handle = share.handle;
        Ok(if missing == 0 {
            Progress::Complete(handle)
        } else {
            Progress::More { handle, next_offset }
        })
    }

    /// Puts what a partition has lent or donated out of its own reach.
    fn take_away(&self, index: usize, ports: &mut impl Ports) {
        let share = &self.shares[index];
        if let Some(lender) = share.lender().filter(|_| share.kind != Kind::Share) {
            for pages in self.ranges.list(&share.ranges) {
                ports.set_secure(lender.index, pages.address(), pages.count, None);
            }
        }
    }

    /// Gives a partition what it had lent or donated, with the rights of an owner.
    pub(super) fn give_back(&self, table: &Table, index: usize, ports: &mut impl Ports) {
        let share = &self.shares[index];
        if let Some(lender) = share
            .lender()
            .filter(|_| share.kind != Kind::Share && share.whole())
        {
            self.enter(table, share, lender.index, ports);
        }
    }

    /// Lets the owner of a transaction's memory reach it.
    pub(super) fn enter(&self, table: &Table, share: &Share, owner: usize, ports: &mut impl Ports) {
        for pages in self.ranges.list(&share.ranges) {
            for part in self.deeds.parts(table, pages) {
                ports.set_secure(owner, part.pages.address(), part.pages.count, Some(part.rights));
            }
        }
    }

    /// Ends a transaction that nobody has retrieved.
    pub(super) fn close(&mut self, index: usize) {
        let share = &mut self.shares[index];
        if share.wanted {
            self.wanted = self.wanted.saturating_sub(1);
        }
        self.windows.revoke(&mut share.grants, share.ranges.len());
        self.ranges.remove(&mut share.ranges);
        self.shares.give(index);
    }

    pub(super) fn abandon_unfinished(&mut self, sender: u16) {
        for index in 0..SHARES {
            let share = &self.shares[index];
            if share.handle != 0 && share.sender == sender && !share.whole() {
                self.close(index);
            }
        }
    }
}

impl<const PARTITIONS: usize, const SHARES: usize, const RANGES: usize> Default
    for Ledger<PARTITIONS, SHARES, RANGES>
{
    fn default() -> Self {
        Self::new()
    }
}

/// The index of a partition that sends memory and one more; zero for the normal world, whatever its ID.
fn lender(table: &Table, sender: u16) -> u8 {
    if sender & 1 << 15 == 0 {
        return 0;
    }
    let index = table
        .partitions
        .iter()
        .position(|partition| partition.id == sender);
    index.map_or(0, |index| (index as u8).saturating_add(1))
}

/// Whether a borrower's tables have places for secure memory that the table gives to the partition `home`.
fn reaches(table: &Table, grant: &Grant, home: usize) -> bool {
    let receiver = usize::from(grant.partition);
    let caller = |home: &Partition| table.partitions.get(receiver).and_then(|p| p.caller(home.id));
    receiver == home
        || table
            .partitions
            .get(home)
            .and_then(caller)
            .is_some_and(|caller| caller.pages > 0)
}

/// A length within a fragment as an offset.
fn offset(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
