//! Reads constituent memory region descriptors, and checks that the sender owns what they name.

use super::descriptor::Bytes;
use super::{FRAGMENT, PAGE};
use crate::error::Error;

/// Bytes of a constituent (DEN0140 1.2, table 1.14).
pub const CONSTITUENT: usize = 16;
/// The most constituents that one fragment can hold.
pub const BATCH: usize = FRAGMENT / CONSTITUENT;

/// A run of pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pages {
    /// Number of the first page: its address divided by 4096.
    pub first: u64,
    /// How many; at least one.
    pub count: u32,
}

impl Pages {
    /// Reads a constituent. An address that is not a page's, a count of zero, an end behind the last
    /// address, or a reserved field that is not zero: INVALID_PARAMETERS.
    fn parse(entry: &[u8; CONSTITUENT]) -> Result<Self, Error> {
        let field = Bytes(entry);
        let (address, count, reserved) = (field.u64(0)?, field.u32(8)?, field.u32(12)?);
        let end = u64::from(count).saturating_mul(PAGE).checked_add(address);
        if address % PAGE == 0 && count > 0 && reserved == 0 && end.is_some() {
            Ok(Self {
                first: address / PAGE,
                count,
            })
        } else {
            Err(Error::InvalidParameters)
        }
    }

    /// The first page behind. None lies behind the last address.
    pub fn end(self) -> u64 {
        self.first.saturating_add(self.count.into())
    }

    /// All but this many of the first ones.
    pub fn after(self, count: u32) -> Self {
        Self {
            first: self.first.saturating_add(count.into()),
            count: self.count.saturating_sub(count),
        }
    }

    /// The first address: the page's number is one divided by 4096.
    pub fn address(self) -> u64 {
        self.first << PAGE.trailing_zeros()
    }
}

/// Reads the constituents of one fragment, in order. `owned` says whether a run is all its sender's to
/// offer: DENIED where it is not.
pub fn read<'a>(
    bytes: &'a [u8],
    owned: impl Fn(Pages) -> bool + 'a,
) -> impl Iterator<Item = Result<Pages, Error>> + 'a {
    bytes.as_chunks().0.iter().map(move |entry| {
        let pages = Pages::parse(entry)?;
        if owned(pages) {
            Ok(pages)
        } else {
            Err(Error::Denied)
        }
    })
}
