//! What a party registers: its RX/TX buffers.

use crate::api::{Page, Ports, World};
use crate::error::Error;
use crate::reply::Reply;
use crate::spmc::{Party, Spmc};
use crate::table::{Range, Source};
use crate::version::Version;

/// Flag of FFA_MSG_WAIT: the RX buffer stays with the caller (DEN0077A 1.2, section 14.1).
pub(crate) const RETAIN_RX: u32 = 1;

/// The field of FFA_RXTX_MAP that counts pages: w3[5:0].
const PAGES: u32 = 0x3f;

/// Size of a buffer, of a page, and of what is copied at once.
pub(crate) const PAGE: u64 = 4096;

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
    pub version: Version,
    pub buffers: Option<Buffers>,
    /// What was copied from TX, or goes to RX: the stack has no room for it.
    pub staging: [u8; PAGE as usize],
}

impl Mailbox {
    /// Nothing is registered, and this version is spoken until another one is agreed on.
    pub(crate) const fn new(version: u32) -> Self {
        Self {
            version: Version::new(version),
            buffers: None,
            staging: [0; PAGE as usize],
        }
    }

    /// As in the beginning.
    pub(crate) fn renew(&mut self, version: u32) {
        (self.version, self.buffers) = (Version::new(version), None);
        self.staging.fill(0);
    }

    /// The version that the party speaks.
    pub(crate) fn version(&self) -> u32 {
        self.version.spoken()
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

/// A 32-bit field of what was copied.
pub(crate) fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let field = bytes.get(at..at.checked_add(4)?)?;
    field.try_into().ok().map(u32::from_le_bytes)
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

impl<const P: usize, const C: usize, const SHARES: usize, const RANGES: usize, const VMS: usize, S: Source>
    Spmc<P, C, SHARES, RANGES, VMS, S>
{
    /// FFA_RXTX_MAP (DEN0077A 1.2, section 13.6): one page each.
    pub(crate) fn rxtx_map<T: Ports>(
        &self,
        party: Party,
        (tx, rx): (u64, u64),
        pages: u32,
        ports: &mut T,
    ) -> Result<Reply, Error> {
        // The other bits are not looked at.
        let pages = pages & PAGES;
        if party == Party::Normal && (tx, rx, pages) == (0, 0, 0) {
            return self.rxtx_map_forwarded(ports);
        }
        if pages != 1 {
            return Err(Error::InvalidParameters);
        }
        let buffers = self.pair(party, (tx, rx))?;
        let mut mailbox = self.mailbox(party).ok_or(Error::InvalidParameters)?.lock();
        if mailbox.buffers.is_some() {
            if party != Party::Normal || !mailbox.version.renew() {
                return Err(Error::Denied);
            }
            self.start_anew(ports);
            mailbox.buffers = None;
        }
        self.not_lent(party, (tx, rx))?;
        mailbox.buffers = Some(buffers);
        Ok(Reply::done())
    }

    /// A pair of buffers, TX and RX, in a party's own memory.
    pub(crate) fn pair(&self, party: Party, (tx, rx): (u64, u64)) -> Result<Buffers, Error> {
        let own = |address: u64| address.is_multiple_of(PAGE) && self.owns_page(party, address);
        if tx == rx || !own(tx) || !own(rx) {
            return Err(Error::InvalidParameters);
        }
        let world = match party {
            Party::Normal | Party::Machine(_) => World::Normal,
            Party::Partition(_) => World::Secure,
        };
        let page = |address| Page { world, address };
        Ok(Buffers {
            rx: page(rx),
            tx: page(tx),
            rx_full: false,
        })
    }

    /// Whether a party has both pages of a pair for itself: what was lent, or given away meanwhile, is not its to
    /// have written by the hypervisor.
    pub(crate) fn not_lent(&self, party: Party, (tx, rx): (u64, u64)) -> Result<(), Error> {
        let ledger = self.ledger.lock();
        let kept = |page| match party {
            Party::Normal | Party::Machine(_) => true,
            Party::Partition(index) => ledger.owns(self.table.table(), index, page),
        };
        if ledger.overlaps(tx, 1) || ledger.overlaps(rx, 1) || !kept(tx) || !kept(rx) {
            Err(Error::Denied)
        } else {
            Ok(())
        }
    }

    /// Whether a page is a party's own memory.
    pub(crate) fn owns_page(&self, party: Party, address: u64) -> bool {
        let within = |range: &Range| range.contains(address, PAGE);
        match party {
            Party::Normal | Party::Machine(_) => self.table.board.normal.iter().any(within),
            Party::Partition(index) => self.ledger.lock().owns(self.table.table(), index, address),
        }
    }

    /// FFA_RXTX_UNMAP (DEN0077A 1.2, section 13.7).
    pub(crate) fn rxtx_unmap(&self, party: Party, endpoint: u16) -> Result<Reply, Error> {
        let owner = self.own_or(party, endpoint)?;
        let mut mailbox = self.mailbox(owner).ok_or(Error::InvalidParameters)?.lock();
        mailbox.buffers.take().ok_or(Error::InvalidParameters)?;
        mailbox.version.renew();
        Ok(Reply::done())
    }

    /// FFA_RX_RELEASE (DEN0077A 1.2, section 13.5).
    pub(crate) fn rx_release(&self, party: Party, endpoint: u16) -> Result<Reply, Error> {
        let owner = self.own_or(party, endpoint)?;
        let mut mailbox = self.mailbox(owner).ok_or(Error::InvalidParameters)?.lock();
        match mailbox.buffers.as_mut() {
            Some(buffers) if buffers.rx_full => {
                buffers.rx_full = false;
                Ok(Reply::done())
            }
            None if matches!(owner, Party::Machine(_)) => Err(Error::InvalidParameters),
            _ => Err(Error::Denied),
        }
    }

    /// FFA_RX_ACQUIRE (DEN0077A 1.2, section 13.4): a hypervisor takes the RX buffer of one of its virtual machines,
    /// or its own, so that nothing is written to it here until FFA_RX_RELEASE.
    pub(crate) fn rx_acquire(&self, party: Party, endpoint: u16) -> Result<Reply, Error> {
        if party != Party::Normal {
            return Err(Error::NotSupported);
        }
        let owner = self.own_or(party, endpoint)?;
        let mut mailbox = self.mailbox(owner).ok_or(Error::InvalidParameters)?.lock();
        let buffers = mailbox.buffers.as_mut().ok_or(Error::InvalidParameters)?;
        if buffers.rx_full {
            return Err(Error::Denied);
        }
        buffers.rx_full = true;
        Ok(Reply::done())
    }
}
