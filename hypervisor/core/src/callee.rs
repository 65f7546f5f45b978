//! Whom a call names: the one look-up behind direct requests, FFA_RUN and all that the table's policy decides.

use crate::compartment::Compartment;
use crate::error::Error;
use crate::spmc::{Party, SECURE, Spmc, lists};
use crate::table::{Caller, Core, Messages, Partition, Source};

/// A kind of message, and the partition property that says who takes it (DEN0077A 1.2, table 6.2).
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    pub messages: Messages,
    pub property: u32,
}

pub(crate) const DIRECT: Kind = Kind {
    messages: Messages::DIRECT,
    property: 1 << 0,
};
pub(crate) const INDIRECT: Kind = Kind {
    messages: Messages::INDIRECT,
    property: 1 << 2,
};
pub(crate) const NOTIFICATIONS: Kind = Kind {
    messages: Messages::NOTIFICATIONS,
    property: 1 << 3,
};
pub(crate) const DIRECT2: Kind = Kind {
    messages: Messages::DIRECT2,
    property: 1 << 9,
};

impl Kind {
    /// Whether a partition takes this kind at all.
    pub(crate) fn taken_by(self, partition: &Partition) -> bool {
        partition.properties & self.property != 0
    }
}

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

    /// Whether a call of the normal world on a core can reach it, there or on another core.
    ///
    /// # Errors
    /// As `open_on`.
    pub(crate) fn open_from(&self, core: Core) -> Result<(), Error> {
        match self.open_on(core) {
            Err(Error::Denied) if self.partition.forwards => Ok(()),
            result => result,
        }
    }
}

impl<const P: usize, const C: usize, const SHARES: usize, const RANGES: usize, const VMS: usize, S: Source>
    Spmc<P, C, SHARES, RANGES, VMS, S>
{
    /// The partition of an endpoint ID.
    ///
    /// # Errors
    /// INVALID_PARAMETERS: there is none.
    #[inline]
    pub(crate) fn callee(&self, id: u16) -> Result<Callee<'_, C>, Error> {
        let (index, partition) = self.find(id).ok_or(Error::InvalidParameters)?;
        Ok(Callee {
            index,
            partition,
            compartment: self.compartments.get(index).ok_or(Error::InvalidParameters)?,
        })
    }

    /// The partition that an endpoint may deal with.
    ///
    /// # Errors
    /// INVALID_PARAMETERS: there is none, or it does not list that endpoint; nobody can tell which.
    #[inline]
    pub(crate) fn known(&self, target: u16, source: u16) -> Result<(Callee<'_, C>, &'static Caller), Error> {
        let callee = self.callee(target)?;
        let caller = callee.partition.caller(source).ok_or(Error::InvalidParameters)?;
        Ok((callee, caller))
    }

    /// The partition that an endpoint may send a kind of message.
    ///
    /// # Errors
    /// INVALID_PARAMETERS: there is none, or it does not take that from there; nobody can tell which. DENIED: it
    /// takes that from nobody.
    #[inline]
    pub(crate) fn callable(&self, target: u16, source: u16, kind: Kind) -> Result<Callee<'_, C>, Error> {
        let (callee, caller) = self.known(target, source)?;
        if !kind.taken_by(callee.partition) {
            Err(Error::Denied)
        } else if !caller.messages.has(kind.messages) {
            Err(Error::InvalidParameters)
        } else {
            Ok(callee)
        }
    }

    /// Whom one endpoint sends a kind of message when it names another. The table says what partitions take; an
    /// endpoint of the normal world hears from each partition that lists it.
    ///
    /// # Errors
    /// INVALID_PARAMETERS: there is no such endpoint, or none that may be sent that from there; nobody can tell
    /// which. DENIED: it takes that from nobody.
    pub(crate) fn link(&self, sender: u16, receiver: u16, kind: Kind) -> Result<Party, Error> {
        if receiver >= SECURE {
            return Ok(Party::Partition(self.callable(receiver, sender, kind)?.index));
        }
        self.known(sender, receiver)?;
        self.party_of(receiver).ok_or(Error::InvalidParameters)
    }
}
