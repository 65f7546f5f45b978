//! Reads and checks the first fragment of what a lender sends, before the ledger looks at its own state.

use super::FRAGMENT;
use super::constituents::CONSTITUENT;
use super::descriptor::{self, COMPOSITE, Composite, Header};
use super::rights::{self, Attributes};
use super::share::Kind;
use crate::error::Error;
use crate::table::Table;

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
        sender: u16,
        kind: Kind,
        version: u32,
        total: u32,
        fragment: &[u8],
    ) -> Result<Self, Error> {
        let total = descriptor::index(total);
        let header = Header::parse(fragment, version)?;
        let allowed = match kind {
            Kind::Share => descriptor::FLAG_SLICES,
            Kind::Lend | Kind::Donate => descriptor::FLAG_SLICES | descriptor::FLAG_CLEAR,
        };
        let several = header.receivers > 1;
        if fragment.len() > FRAGMENT
            || fragment.len() > total
            || header.sender != sender
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
        let first = header.receiver(bytes, 0)?;
        for number in 0..header.receivers {
            let receiver = header.receiver(bytes, number)?;
            rights::offered(kind, receiver.permissions)?;
            let known = find_partition(table, header.sender, receiver.id).is_some();
            if !known || receiver.flags != 0 || receiver.composite != first.composite {
                return Err(Error::InvalidParameters);
            }
            for earlier in 0..number {
                if header.receiver(bytes, earlier)?.id == receiver.id {
                    return Err(Error::InvalidParameters);
                }
            }
        }
        Ok(descriptor::index(first.composite))
    }
}

/// The partition with this ID, if it takes calls from `sender`.
pub fn find_partition(table: &Table, sender: u16, id: u16) -> Option<usize> {
    table
        .partitions
        .iter()
        .position(|partition| partition.id == id && partition.caller(sender).is_some())
}
