//! FFA_VERSION: which version of FF-A a party speaks, and when that may change.
//!
//! A version that was agreed on may not change within the life of a component (DEN0077A 1.2, section 13.2.2):
//! the first call other than FFA_VERSION ends the negotiation. A partition lives as long as the system. The
//! normal world does not: a boot loader, a kernel and the kernel after it follow each other without a word. So
//!
//! - a partition's first FFA_VERSION may come late, and may be repeated; after it and any other call, another
//!   version is NOT_SUPPORTED;
//! - a normal world without buffers is answered as one that has just started;
//! - over registered buffers its FFA_VERSION is answered like that, too, but what it asks for counts only once
//!   FFA_RXTX_MAP shows that a new life began (`renewal`), or FFA_RXTX_UNMAP that there is nothing any more whose
//!   format it could change. Any other call that depends on a format goes on with the old life: it is served as
//!   the old version says, and the question is forgotten.

use crate::decode::Call;
use crate::error::Error;
use crate::reply::Reply;
use crate::rxtx::Buffers;
use crate::spmc::{Party, Spmc};
use crate::sync::Ordering;
use crate::table::Source;

/// FF-A versions: major in bits 30 to 16, minor below.
pub(crate) const V1_0: u32 = 0x0001_0000;
pub(crate) const V1_1: u32 = 0x0001_0001;
pub(crate) const V1_2: u32 = 0x0001_0002;

/// What one party has agreed on.
#[derive(Debug)]
pub(crate) struct Version {
    /// As its minor number above 1.0: a new party, which is all zeros, speaks that.
    above: u16,
    /// FFA_VERSION was called.
    negotiated: bool,
    /// And something else behind it.
    settled: bool,
    /// What a normal world with buffers asked for, as long as it may be a new one.
    asked: Option<u32>,
}

impl Version {
    pub(crate) const fn new(agreed: u32) -> Self {
        Self {
            above: (agreed & 0xffff) as u16,
            negotiated: false,
            settled: false,
            asked: None,
        }
    }

    /// The version whose formats count.
    pub(crate) fn spoken(&self) -> u32 {
        V1_0 | u32::from(self.above)
    }

    /// The version in which a question is answered that no format depends on.
    pub(crate) fn heard(&self) -> u32 {
        self.asked.unwrap_or(self.spoken())
    }

    /// Speaks a version that was agreed on elsewhere.
    pub(crate) fn adopt(&mut self, version: u32) {
        self.above = (version & 0xffff) as u16;
    }

    /// A partition asks for a version; whether it gets it, or one that it can speak as well.
    fn settle_for(&mut self, requested: u32, buffers: Option<&Buffers>) -> bool {
        let wanted = requested.min(V1_2);
        if (self.settled || buffers.is_some()) && wanted != self.spoken() {
            return requested > V1_2;
        }
        self.adopt(wanted);
        self.negotiated = true;
        true
    }

    /// The normal world asks for a version.
    fn ask(&mut self, wanted: u32, buffers: Option<&Buffers>) {
        if buffers.is_some() {
            self.asked = Some(wanted);
        } else {
            self.adopt(wanted);
        }
    }

    /// Takes what was asked for; whether anything was.
    pub(crate) fn renew(&mut self) -> bool {
        let asked = self.asked.take();
        self.adopt(asked.unwrap_or(self.spoken()));
        asked.is_some()
    }
}

impl<const P: usize, const C: usize, const SHARES: usize, const RANGES: usize, const VMS: usize, S: Source>
    Spmc<P, C, SHARES, RANGES, VMS, S>
{
    /// The version that a party gets for the one that it asks for: w0 of FFA_VERSION (DEN0077A 1.2, section 13.2).
    /// Whoever asks for a later minor version than 1.2 is told 1.2, and speaks that unless it has settled.
    pub(crate) fn negotiate(&self, party: Party, requested: u32) -> u32 {
        let refused = Error::NotSupported.code();
        if requested >> 16 != V1_2 >> 16 {
            return refused;
        }
        let Some(mailbox) = self.mailbox(party) else {
            return refused;
        };
        let mut mailbox = mailbox.lock();
        let buffers = mailbox.buffers;
        if party == Party::Normal {
            mailbox.version.ask(requested.min(V1_2), buffers.as_ref());
        } else if !mailbox.version.settle_for(requested, buffers.as_ref()) {
            return refused;
        }
        V1_2
    }

    /// FFA_VERSION; its result is no FF-A function ID.
    pub(crate) fn version(&self, party: Party, requested: u32) -> Reply {
        Reply::words(self.negotiate(party, requested), &[])
    }

    /// A party makes this call: what that says of its version. Direct messages are not asked: a context that
    /// makes one has waited before, and no format of theirs depends on a version.
    pub(crate) fn goes_on(&self, party: Party, call: &Call) {
        let asks = matches!(call, Call::Version { .. } | Call::Unknown | Call::UnknownFfa);
        // What a kernel asks before it registers its buffers.
        let looks = matches!(
            call,
            Call::Features { .. }
                | Call::IdGet
                | Call::SpmIdGet
                | Call::PartitionInfoGetRegs { .. }
                | Call::RxTxMap { .. }
                | Call::RxTxUnmap { .. }
        );
        if asks || (party == Party::Normal && looks) {
            return;
        }
        let settled = match party {
            Party::Partition(index) => self.compartments.get(index).map(|c| &c.settled),
            Party::Normal | Party::Machine(_) => None,
        };
        if settled.is_some_and(|settled| settled.load(Ordering::Relaxed)) {
            return;
        }
        if let Some(mailbox) = self.mailbox(party) {
            let mut mailbox = mailbox.lock();
            mailbox.version.settled |= mailbox.version.negotiated;
            mailbox.version.asked = None;
            if let Some(settled) = settled {
                settled.store(mailbox.version.settled, Ordering::Relaxed);
            }
        }
    }
}
