//! Whom a call names: the one look-up behind direct requests, FFA_RUN and all that the table's policy decides.

use crate::compartment::Compartment;
use crate::error::Error;
use crate::spmc::{Spmc, lists};
use crate::table::{Core, Messages, Partition};

/// A partition that a call names, with all that belongs to it.
#[derive(Clone, Copy)]
pub(crate) struct Callee<'a, const C: usize> {
    /// Its index in the table.
    pub index: usize,
    pub partition: &'static Partition,
    pub compartment: &'a Compartment<C>,
}

impl<const C: usize> Callee<'_, C> {
    /// Whether it can be entered on a core.
    ///
    /// # Errors
    /// ABORTED: it was stopped. DENIED: it has no context there.
    pub(crate) fn open_on(&self, core: Core) -> Result<(), Error> {
        if self.compartment.stopped() {
            Err(Error::Aborted)
        } else if lists(self.partition, core) {
            Ok(())
        } else {
            Err(Error::Denied)
        }
    }
}

impl<const P: usize, const C: usize, const SHARES: usize, const RANGES: usize, const VMS: usize>
    Spmc<P, C, SHARES, RANGES, VMS>
{
    /// The partition of an endpoint ID.
    ///
    /// # Errors
    /// INVALID_PARAMETERS: there is none.
    pub(crate) fn callee(&self, id: u16) -> Result<Callee<'_, C>, Error> {
        let index = self.partition_of(id).ok_or(Error::InvalidParameters)?;
        Ok(Callee {
            index,
            partition: self.table.partitions.get(index).ok_or(Error::InvalidParameters)?,
            compartment: self.compartments.get(index).ok_or(Error::InvalidParameters)?,
        })
    }

    /// The partition that an endpoint may send messages of these kinds.
    ///
    /// # Errors
    /// INVALID_PARAMETERS: there is none, or it does not take them from there; nobody can tell which.
    pub(crate) fn callable(
        &self,
        target: u16,
        source: u16,
        messages: Messages,
    ) -> Result<Callee<'_, C>, Error> {
        let callee = self.callee(target)?;
        if callee.partition.takes_from(source, messages) {
            Ok(callee)
        } else {
            Err(Error::InvalidParameters)
        }
    }
}
