//! Reads and checks the first fragment of what a lender sends, before the ledger looks at its own state.

use super::constituents::CONSTITUENT;
use super::descriptor::{self, COMPOSITE, Composite, Header};
use super::rights::{self, Attributes};
use super::share::Kind;
use super::{FRAGMENT, Sender};
use crate::error::Error;
use crate::table::{Caller, Table};

/// A first fragment whose descriptor is in order.
pub struct Offer {
    /// The fixed part.
    pub header: Header,
    /// The attributes, where the sender has to say them.
    pub attributes: Attributes,
    /// How much memory follows.
    pub composite: Composite,
    /// Where the constituents start.
    pub start: usize,
}

impl Offer {
    /// Reads a first fragment and checks all that does not depend on the ledger's state.
    pub fn parse(
        table: &Table,
        sender: &Sender<'_>,
        kind: Kind,
        total: u32,
        fragment: &[u8],
    ) -> Result<Self, Error> {
        let total = descriptor::index(total);
        let header = Header::parse(fragment, sender.version)?;
        let allowed = match kind {
            Kind::Share => descriptor::FLAG_SLICES,
            Kind::Lend | Kind::Donate => descriptor::FLAG_SLICES | descriptor::FLAG_CLEAR,
        };
        let several = header.receivers > 1;
        if fragment.len() > FRAGMENT
            || fragment.len() > total
            || header.sender != sender.id
            || header.handle != 0
            || header.flags & !allowed != 0
            || header.receivers > table.partitions.len()
            || (kind == Kind::Donate && several)
        {
            return Err(Error::InvalidParameters);
        }
        let at = Self::receivers(table, kind, &header, fragment)?;
        let attributes = Attributes::parse(header.attributes)?.offered(kind == Kind::Share || several)?;
        let composite = Composite::parse(fragment, at)?;
        let start = at + COMPOSITE;
        let size = descriptor::index(composite.constituents).checked_mul(CONSTITUENT);
        let end = size.and_then(|size| size.checked_add(start));
        if at < header.end() || at % 8 != 0 || composite.constituents == 0 || end != Some(total) {
            return Err(Error::InvalidParameters);
        }
        Ok(Self {
            header,
            attributes,
            composite,
            start,
        })
    }

    /// Checks the receivers; returns where the composite descriptor is, which they all share.
    fn receivers(table: &Table, kind: Kind, header: &Header, bytes: &[u8]) -> Result<usize, Error> {
        let mut composite = None;
        for number in 0..header.receivers {
            let receiver = header.receiver(bytes, number)?;
            rights::offered(kind, receiver.permissions)?;
            let known = find_partition(table, header.sender, receiver.id).is_some();
            let same = *composite.get_or_insert(receiver.composite) == receiver.composite;
            if !known || receiver.flags != 0 || !same {
                return Err(Error::InvalidParameters);
            }
            for earlier in 0..number {
                if header.receiver(bytes, earlier)?.id == receiver.id {
                    return Err(Error::InvalidParameters);
                }
            }
        }
        Ok(descriptor::index(composite.unwrap_or_default()))
    }
}

/// The partition with this ID, and what the table says of `sender` as its caller, if it takes memory from it.
pub fn find_partition(table: &Table, sender: u16, id: u16) -> Option<(usize, &'static Caller)> {
    let index = table.partitions.iter().position(|partition| partition.id == id)?;
    let caller = table.partitions.get(index)?.caller(sender)?;
    (caller.pages > 0).then_some((index, caller))
}
