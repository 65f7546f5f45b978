//! What a party negotiates and registers: its FF-A version and its RX/TX buffers.

use crate::api::{Page, Ports, World};
use crate::error::Error;
use crate::reply::Reply;
use crate::spmc::{Party, Spmc};
use crate::table::Range;

/// FF-A versions: major in bits 30 to 16, minor below.
pub(crate) const V1_0: u32 = 0x0001_0000;
pub(crate) const V1_1: u32 = 0x0001_0001;
pub(crate) const V1_2: u32 = 0x0001_0002;

/// Flag of FFA_MSG_WAIT: the RX buffer stays with the caller (DEN0077A, section 14.1).
pub(crate) const RETAIN_RX: u32 = 1;

/// Size of a buffer, of a page, and of what is copied at once.
pub(crate) const PAGE: u64 = 4096;

/// Most bytes that the ledger answers to a retrieve: one range, and the borrowers' descriptors.
const ANSWER: usize = 1024;

/// A pair of registered buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Buffers {
    /// Where the party reads.
    pub rx: Page,
    /// Where the party writes.
    pub tx: Page,
    /// The party owns `rx`: it has something to read, or has not said that it was read.
    pub rx_full: bool,
}

/// The state of one party.
#[derive(Debug)]
pub(crate) struct Mailbox {
    version: u32,
    /// FFA_VERSION was called since buffers were registered.
    renewed: bool,
    pub buffers: Option<Buffers>,
    /// What was copied from TX: the stack has no room for it.
    pub staging: [u8; PAGE as usize],
    /// What goes to RX behind a retrieve.
    pub answer: [u8; ANSWER],
}

impl Mailbox {
    pub(crate) const fn new() -> Self {
        Self {
            version: V1_0,
            renewed: false,
            buffers: None,
            staging: [0; PAGE as usize],
            answer: [0; ANSWER],
        }
    }

    /// The version that the party speaks.
    pub(crate) fn version(&self) -> u32 {
        self.version
    }

    /// The buffers, where the RX buffer can be written.
    pub(crate) fn writable(&mut self) -> Result<&mut Buffers, Error> {
        // A caller without buffers is as one whose buffer is never free.
        let buffers = self.buffers.as_mut().ok_or(Error::Busy)?;
        if buffers.rx_full {
            Err(Error::Busy)
        } else {
            Ok(buffers)
        }
    }
}

/// A place in an RX buffer that is filled bit by bit.
pub(crate) struct Writer<'a, T> {
    page: Page,
    at: usize,
    ports: &'a mut T,
}

impl<'a, T: Ports> Writer<'a, T> {
    pub(crate) fn new(page: Page, ports: &'a mut T) -> Self {
        Self { page, at: 0, ports }
    }

    /// Appends bytes; false when the page is full.
    pub(crate) fn put(&mut self, bytes: &[u8]) -> bool {
        let Some(end) = self
            .at
            .checked_add(bytes.len())
            .filter(|end| *end <= PAGE as usize)
        else {
            return false;
        };
        self.ports.write(self.page, self.at, bytes);
        self.at = end;
        true
    }
}

/// Copies the first bytes of TX into the mailbox, once.
pub(crate) fn copy_in<'a, T: Ports>(
    mailbox: &'a mut Mailbox,
    length: u32,
    ports: &mut T,
) -> Result<&'a [u8], Error> {
    let tx = mailbox.buffers.as_ref().ok_or(Error::InvalidParameters)?.tx;
    if u64::from(length) > PAGE {
        return Err(Error::InvalidParameters);
    }
    let into = mailbox
        .staging
        .get_mut(..length as usize)
        .ok_or(Error::InvalidParameters)?;
    ports.read(tx, 0, into);
    Ok(into)
}

impl<const P: usize, const C: usize, const SHARES: usize, const RANGES: usize, const VMS: usize>
    Spmc<P, C, SHARES, RANGES, VMS>
{
    /// The version that a party gets for the one that it asks for: w0 of FFA_VERSION (DEN0077A,
    /// section 13.2). Once buffers are registered their formats are settled.
    pub(crate) fn negotiate(&self, party: Party, requested: u32) -> u32 {
        let refused = Error::NotSupported.code();
        if requested >> 16 != V1_2 >> 16 {
            return refused;
        }
        let Some(mailbox) = self.mailbox(party) else {
            return refused;
        };
        let mut mailbox = mailbox.lock();
        let agreed = requested.min(V1_2);
        if mailbox.buffers.is_some() && mailbox.version != agreed {
            return refused;
        }
        mailbox.version = agreed;
        mailbox.renewed = true;
        V1_2
    }

    /// FFA_VERSION; its result is no FF-A function ID.
    pub(crate) fn version(&self, party: Party, requested: u32) -> Reply {
        Reply::words(self.negotiate(party, requested), &[])
    }

    /// FFA_RXTX_MAP (DEN0077A, section 13.6): one page each.
    pub(crate) fn rxtx_map<T: Ports>(
        &self,
        party: Party,
        (tx, rx): (u64, u64),
        pages: u32,
        ports: &mut T,
    ) -> Result<Reply, Error> {
        if pages != 1 || tx == rx || !tx.is_multiple_of(PAGE) || !rx.is_multiple_of(PAGE) {
            return Err(Error::InvalidParameters);
        }
        let world = if party == Party::Normal {
            World::Normal
        } else {
            World::Secure
        };
        if !self.owns_page(party, tx) || !self.owns_page(party, rx) {
            return Err(Error::InvalidParameters);
        }
        let mut mailbox = self.mailbox(party).ok_or(Error::InvalidParameters)?.lock();
        if mailbox.buffers.is_some() {
            if party != Party::Normal || !mailbox.renewed {
                return Err(Error::Denied);
            }
            self.start_anew(ports);
            mailbox.buffers = None;
        }
        if party == Party::Normal {
            // What was lent is not the lender's to have written by the hypervisor.
            let ledger = self.ledger.lock();
            if ledger.overlaps(tx, 1) || ledger.overlaps(rx, 1) {
                return Err(Error::Denied);
            }
        }
        mailbox.renewed = false;
        let page = |address| Page { world, address };
        mailbox.buffers = Some(Buffers {
            rx: page(rx),
            tx: page(tx),
            rx_full: false,
        });
        Ok(Reply::done())
    }

    /// Whether a page is a party's own memory by the table.
    pub(crate) fn owns_page(&self, party: Party, address: u64) -> bool {
        let within = |range: &Range| range.contains(address, PAGE);
        match party {
            Party::Normal => self.table.board.normal.iter().any(within),
            Party::Partition(index) => self
                .table
                .partitions
                .get(index)
                .is_some_and(|p| p.memory.iter().any(|region| within(&region.range))),
        }
    }

    /// FFA_RXTX_UNMAP (DEN0077A, section 13.7).
    pub(crate) fn rxtx_unmap(&self, party: Party, endpoint: u16) -> Result<Reply, Error> {
        self.own_or_zero(party, endpoint)?;
        let mut mailbox = self.mailbox(party).ok_or(Error::InvalidParameters)?.lock();
        mailbox
            .buffers
            .take()
            .map(|_| Reply::done())
            .ok_or(Error::InvalidParameters)
    }

    /// FFA_RX_RELEASE (DEN0077A, section 13.4).
    pub(crate) fn rx_release(&self, party: Party, endpoint: u16) -> Result<Reply, Error> {
        self.own_or_zero(party, endpoint)?;
        let mut mailbox = self.mailbox(party).ok_or(Error::InvalidParameters)?.lock();
        match mailbox.buffers.as_mut() {
            Some(buffers) if buffers.rx_full => {
                buffers.rx_full = false;
                Ok(Reply::done())
            }
            _ => Err(Error::Denied),
        }
    }

    /// FFA_RX_ACQUIRE (DEN0077A, section 13.5): the normal world takes its own RX buffer, so that
    /// nothing is written to it until FFA_RX_RELEASE.
    pub(crate) fn rx_acquire(&self, party: Party, endpoint: u16) -> Result<Reply, Error> {
        if party != Party::Normal {
            return Err(Error::NotSupported);
        }
        self.own_or_zero(party, endpoint)?;
        let mut mailbox = self.normal.lock();
        let buffers = mailbox.buffers.as_mut().ok_or(Error::InvalidParameters)?;
        if buffers.rx_full {
            return Err(Error::Denied);
        }
        buffers.rx_full = true;
        Ok(Reply::done())
    }

    /// An endpoint field that is only used by a hypervisor for its VMs: zero, or the caller itself.
    fn own_or_zero(&self, party: Party, endpoint: u16) -> Result<(), Error> {
        if endpoint == 0 || endpoint == self.id_of(party) {
            Ok(())
        } else {
            Err(Error::InvalidParameters)
        }
    }
}
