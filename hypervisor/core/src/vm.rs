//! Virtual machines of the normal world: what a hypervisor there asks for on their behalf.
//!
//! Their IDs stand in the table; any other is one that does not exist. The hypervisor (ID 0) vouches for them:
//! without one, whoever runs in the normal world can use any of these IDs.
//!
//! What a virtual machine has here is its pair of buffers and its notifications. It goes with FFA_RXTX_UNMAP and
//! FFA_NOTIFICATION_BITMAP_DESTROY, with the message that it was destroyed, and when the normal world starts
//! anew. Memory that it shares stays shared until the hypervisor reclaims it: a borrower may still use it.
//!
//! Locks: a machine's mailbox behind the hypervisor's and before those of partitions; see `indirect`.

use crate::api::Ports;
use crate::decode::{low_half, pair};
use crate::error::Error;
use crate::notification::Notifications;
use crate::reply::Reply;
use crate::rxtx::{Mailbox, PAGE, copy_in, word};
use crate::spmc::{Party, SECURE, Spmc};
use crate::sync::Mutex;
use crate::table::Source;
use crate::version::V1_1;

/// Bytes of an endpoint RX/TX descriptor (DEN0077A 1.2, table 13.27): the ID, two bytes that are zero, and where
/// the descriptors of RX and TX start.
const ENDPOINT: u32 = 12;
/// Bytes of a composite memory region descriptor before its ranges (DEN0140 1.2, table 1.13): pages and ranges in
/// all, eight bytes that are zero.
const COMPOSITE: u32 = 16;
/// Bytes of a range: its address, its pages, four bytes that are zero.
const RANGE: u32 = 16;

/// The state of one virtual machine.
#[derive(Debug)]
pub(crate) struct Machine {
    pub mailbox: Mutex<Mailbox>,
    pub notifications: Mutex<Notifications>,
}

impl Machine {
    pub(crate) const fn new() -> Self {
        Self {
            // Until it has buffers it speaks nothing, and nothing that is too old.
            mailbox: Mutex::new(Mailbox::new(V1_1)),
            notifications: Mutex::new(Notifications::new()),
        }
    }

    /// Takes from it all that it has.
    pub(crate) fn forget(&self) {
        self.mailbox.lock().buffers = None;
        *self.notifications.lock() = Notifications::new();
    }
}

impl<const P: usize, const C: usize, const SHARES: usize, const RANGES: usize, const VMS: usize, S: Source>
    Spmc<P, C, SHARES, RANGES, VMS, S>
{
    /// A virtual machine by its endpoint ID.
    pub(crate) fn machine_of(&self, id: u16) -> Option<(usize, &Machine)> {
        let mut all = self.table.virtual_machines.iter().zip(&self.machines);
        let index = all.position(|(vm, _)| vm.id == id)?;
        Some((index, self.machines.get(index)?))
    }

    /// A party by its endpoint ID.
    pub(crate) fn party_of(&self, id: u16) -> Option<Party> {
        match id {
            0 => Some(Party::Normal),
            1..SECURE => self.machine_of(id).map(|(index, _)| Party::Machine(index)),
            _ => self.partition_of(id).map(Party::Partition),
        }
    }

    /// Whom a caller speaks for when it names an endpoint: itself, or one of its virtual machines.
    ///
    /// # Errors
    /// INVALID_PARAMETERS: that endpoint does not exist, or is somebody else's.
    pub(crate) fn spoken_for(&self, caller: Party, endpoint: u16) -> Result<Party, Error> {
        match self.party_of(endpoint) {
            Some(party) if party == caller => Ok(party),
            Some(party @ Party::Machine(_)) if caller == Party::Normal => Ok(party),
            _ => Err(Error::InvalidParameters),
        }
    }

    /// As [`Self::spoken_for`], of a field that only a hypervisor may use: it is zero for the caller itself.
    pub(crate) fn own_or(&self, caller: Party, endpoint: u16) -> Result<Party, Error> {
        if endpoint == 0 {
            Ok(caller)
        } else if caller == Party::Normal {
            self.spoken_for(caller, endpoint)
        } else {
            Err(Error::InvalidParameters)
        }
    }

    /// FFA_RXTX_MAP as a hypervisor forwards it: all parameters are zero, and its TX buffer describes the pair
    /// of one of its virtual machines.
    ///
    /// INVALID_PARAMETERS: it has no buffers itself, the descriptor is not in order, no such virtual machine
    /// exists, the pages are not the normal world's. DENIED: that one has its buffers already, or one of the pages
    /// is lent.
    pub(crate) fn rxtx_map_forwarded<T: Ports>(&self, ports: &mut T) -> Result<Reply, Error> {
        let mut normal = self.normal.lock();
        let version = normal.version();
        let page = copy_in(&mut normal, PAGE as u32, ports)?;
        let (id, tx, rx) = described(page, version).ok_or(Error::InvalidParameters)?;
        let (index, machine) = self.machine_of(id).ok_or(Error::InvalidParameters)?;
        let mut mailbox = machine.mailbox.lock();
        let buffers = self.pair(Party::Machine(index), (tx, rx))?;
        if mailbox.buffers.is_some() {
            return Err(Error::Denied);
        }
        self.not_lent(Party::Machine(index), (tx, rx))?;
        // The SPMC hears of no version but the hypervisor's.
        mailbox.version.adopt(version);
        mailbox.buffers = Some(buffers);
        Ok(Reply::done())
    }
}

/// Whose pair an endpoint RX/TX descriptor describes, and its pages: ID, TX, RX. Before 1.1 the ranges follow at
/// once, and their numbers stand where the offsets do.
fn described(page: &[u8], version: u32) -> Option<(u16, u64, u64)> {
    let (first, second) = (word(page, 4)?, word(page, 8)?);
    let (rx, tx) = if version >= V1_1 {
        (region(page, first)?, region(page, second)?)
    } else if first == 1 && second == 1 {
        (range(page, ENDPOINT)?, range(page, ENDPOINT + RANGE)?)
    } else {
        return None;
    };
    let id = word(page, 0)?;
    (id <= u32::from(u16::MAX)).then_some((low_half(id), tx, rx))
}

/// The one page of a composite memory region descriptor. Its place is a multiple of 4 bytes: a hypervisor that
/// packs the descriptors starts the first one at 12.
fn region(page: &[u8], at: u32) -> Option<u64> {
    let field = |n: usize| word(page, (at as usize).checked_add(n)?);
    let one = field(0)? == 1 && field(4)? == 1;
    let zero = field(8)? == 0 && field(12)? == 0;
    if !one || !zero || at < ENDPOINT || !at.is_multiple_of(4) {
        return None;
    }
    range(page, at.checked_add(COMPOSITE)?)
}

/// The page of a range of one page.
fn range(page: &[u8], at: u32) -> Option<u64> {
    let field = |n: usize| word(page, (at as usize).checked_add(n)?);
    (field(8)? == 1 && field(12)? == 0).then_some(pair(field(0)?, field(4)?))
}
