//! Memory calls: descriptors go from TX into the hypervisor's memory once, and from there to the
//! ledger (DEN0140 1.2, chapter 2).
//!
//! Locks: the caller's mailbox, then the ledger. What happens under the ledger's lock is bounded by
//! the length of one fragment and by the ranges and pages of one share.

use crate::api::Ports;
use crate::decode::{Call, Transaction, low};
use crate::error::Error;
use crate::function;
use crate::memory::{Kind, Progress, Sender};
use crate::reply::Reply;
use crate::rxtx::{Buffers, Mailbox, copy_in};
use crate::spmc::{Party, SECURE, Spmc};
use crate::table::Source;

/// Bytes of a relinquish descriptor for one endpoint: handle, flags, count, the endpoint.
const RELINQUISH: usize = 18;

/// A memory transaction that begins: FFA_MEM_SHARE, LEND, DONATE or RETRIEVE_REQ.
struct Request {
    kind: Transaction,
    /// Length of the whole descriptor in bytes.
    total: u32,
    /// Length of what stands in TX.
    fragment: u32,
}

impl<const P: usize, const C: usize, const SHARES: usize, const RANGES: usize, const VMS: usize, S: Source>
    Spmc<P, C, SHARES, RANGES, VMS, S>
{
    /// The memory calls.
    pub(crate) fn memory_call<T: Ports>(
        &self,
        party: Party,
        call: &Call,
        ports: &mut T,
    ) -> Result<Reply, Error> {
        match *call {
            Call::Memory {
                kind,
                total,
                fragment,
                address,
                pages,
            } => self.begin_memory(
                party,
                &Request {
                    kind,
                    total,
                    fragment,
                },
                (address, pages),
                ports,
            ),
            Call::Relinquish => self.relinquish(party, ports),
            Call::Reclaim { handle, flags } => self.reclaim(party, handle, flags, ports),
            Call::FragmentRx {
                handle,
                offset,
                endpoint,
            } => self.fragment_rx(party, handle, offset, endpoint, ports),
            Call::FragmentTx {
                handle,
                length,
                endpoint,
            } => self.fragment_tx(party, handle, length, endpoint, ports),
            _ => Err(Error::NotSupported),
        }
    }

    /// A transaction whose descriptor stands in TX; other buffers are not supported, so the
    /// parameters that would name one must be zero.
    fn begin_memory<T: Ports>(
        &self,
        party: Party,
        request: &Request,
        buffer: (u64, u32),
        ports: &mut T,
    ) -> Result<Reply, Error> {
        if buffer != (0, 0) || request.fragment > request.total {
            return Err(Error::InvalidParameters);
        }
        let kind = match request.kind {
            Transaction::Share => Kind::Share,
            Transaction::Lend => Kind::Lend,
            Transaction::Donate => Kind::Donate,
            Transaction::Retrieve => return self.retrieve(party, request, ports),
        };
        let mut mailbox = self.mailbox(party).ok_or(Error::InvalidParameters)?.lock();
        let (version, buffers) = (mailbox.version(), places(mailbox.buffers));
        let machines = self.machine_buffers(party);
        let fragment = copy_in(&mut mailbox, request.fragment, ports)?;
        let sender = Sender {
            id: self.sender(party, fragment)?,
            version,
            buffers,
            machines: &machines,
        };
        let mut ledger = self.ledger.lock();
        let progress = ledger.share(self.table.table(), &sender, kind, request.total, fragment, ports)?;
        Ok(told(sender.id, progress))
    }

    /// FFA_MEM_FRAG_TX: more of a descriptor.
    fn fragment_tx<T: Ports>(
        &self,
        party: Party,
        handle: u64,
        length: u32,
        endpoint: u32,
        ports: &mut T,
    ) -> Result<Reply, Error> {
        let id = self.sender_of(party, handle);
        named(id, endpoint)?;
        let mut mailbox = self.mailbox(party).ok_or(Error::InvalidParameters)?.lock();
        let machines = self.machine_buffers(party);
        let sender = Sender {
            id,
            version: mailbox.version(),
            buffers: places(mailbox.buffers),
            machines: &machines,
        };
        let fragment = copy_in(&mut mailbox, length, ports)?;
        let mut ledger = self.ledger.lock();
        let progress = ledger.fragment_tx(self.table.table(), &sender, handle, fragment, ports)?;
        Ok(told(id, progress))
    }

    /// FFA_MEM_RETRIEVE_REQ of a partition; its answer goes into RX.
    fn retrieve<T: Ports>(&self, party: Party, request: &Request, ports: &mut T) -> Result<Reply, Error> {
        if request.fragment != request.total {
            return Err(Error::InvalidParameters);
        }
        let Party::Partition(receiver) = party else {
            return self.describe(request, ports);
        };
        let mut mailbox = self.mailbox(party).ok_or(Error::InvalidParameters)?.lock();
        let version = mailbox.version();
        // Asked before: what is retrieved cannot be put back.
        mailbox.writable()?;
        copy_in(&mut mailbox, request.fragment, ports)?;
        let length = request.fragment as usize;
        let retrieved = self.ledger.lock().retrieve(
            self.table.table(),
            receiver,
            version,
            &mut mailbox.staging,
            length,
            ports,
        )?;
        hand_over(&mut mailbox, retrieved.fragment, ports)?;
        Ok(Reply::words(
            function::MEM_RETRIEVE_RESP,
            &[retrieved.total, retrieved.fragment],
        ))
    }

    /// FFA_MEM_RETRIEVE_REQ of a hypervisor in the normal world, which wants to know what a handle means
    /// before it reclaims it. Nothing changes by it.
    fn describe<T: Ports>(&self, request: &Request, ports: &mut T) -> Result<Reply, Error> {
        let mut mailbox = self.normal.lock();
        let version = mailbox.version();
        mailbox.writable()?;
        let asked = copy_in(&mut mailbox, request.fragment, ports)?;
        let handle = self.ledger.lock().asked(version, asked)?;
        let (total, fragment) = self.fill(&mut mailbox, handle, 0, ports)?;
        Ok(Reply::words(function::MEM_RETRIEVE_RESP, &[total, fragment]))
    }

    /// Writes the part of a transaction's descriptor from `offset` on into the normal world's RX buffer.
    fn fill<T: Ports>(
        &self,
        mailbox: &mut Mailbox,
        handle: u64,
        offset: u32,
        ports: &mut T,
    ) -> Result<(u32, u32), Error> {
        let version = mailbox.version();
        mailbox.writable()?;
        let ledger = self.ledger.lock();
        let (total, length) = ledger.describe(
            self.table.table(),
            version,
            handle,
            offset as usize,
            &mut mailbox.staging,
        )?;
        hand_over(mailbox, length, ports)?;
        Ok((total, length))
    }

    /// FFA_MEM_FRAG_RX: the rest of a retrieve's answer.
    fn fragment_rx<T: Ports>(
        &self,
        party: Party,
        handle: u64,
        offset: u32,
        endpoint: u32,
        ports: &mut T,
    ) -> Result<Reply, Error> {
        let Party::Partition(receiver) = party else {
            named(self.sender_of(party, handle), endpoint)?;
            let (_, length) = self.fill(&mut self.normal.lock(), handle, offset, ports)?;
            let words = [low(handle), low(handle >> 32), length, endpoint];
            return Ok(Reply::words(function::MEM_FRAG_TX, &words));
        };
        named(self.id_of(party), endpoint)?;
        let mut mailbox = self.mailbox(party).ok_or(Error::InvalidParameters)?.lock();
        mailbox.writable()?;
        let reader = (receiver, mailbox.version());
        let into = &mut mailbox.staging;
        let length =
            self.ledger
                .lock()
                .fragment_rx(self.table.table(), reader, handle, offset as usize, into)?;
        hand_over(&mut mailbox, length, ports)?;
        Ok(Reply::words(
            function::MEM_FRAG_TX,
            &[low(handle), low(handle >> 32), length],
        ))
    }

    /// FFA_MEM_RELINQUISH of a partition.
    fn relinquish<T: Ports>(&self, party: Party, ports: &mut T) -> Result<Reply, Error> {
        let Party::Partition(receiver) = party else {
            return Err(Error::NotSupported);
        };
        let mut mailbox = self.mailbox(party).ok_or(Error::InvalidParameters)?.lock();
        let request = copy_in(&mut mailbox, RELINQUISH as u32, ports)?;
        self.ledger
            .lock()
            .relinquish(self.table.table(), receiver, request, ports)?;
        Ok(Reply::done())
    }

    /// FFA_MEM_RECLAIM.
    fn reclaim<T: Ports>(
        &self,
        party: Party,
        handle: u64,
        flags: u32,
        ports: &mut T,
    ) -> Result<Reply, Error> {
        let sender = self.sender_of(party, handle);
        let mut ledger = self.ledger.lock();
        ledger.reclaim(self.table.table(), sender, handle, flags, ports)?;
        Ok(Reply::done())
    }

    /// Who sends memory by a descriptor: a hypervisor in the normal world sends for its virtual machines.
    fn sender(&self, party: Party, descriptor: &[u8]) -> Result<u16, Error> {
        let named = descriptor.first_chunk().map(|id| u16::from_le_bytes(*id));
        let id = named.ok_or(Error::InvalidParameters)?;
        self.spoken_for(party, id)?;
        Ok(id)
    }

    /// The buffers of the machines that a caller speaks for. No others can be registered while the caller's
    /// mailbox is locked.
    fn machine_buffers(&self, party: Party) -> [Option<[u64; 2]>; VMS] {
        core::array::from_fn(|index| {
            let machine = self.machines.get(index).filter(|_| party == Party::Normal)?;
            places(machine.mailbox.lock().buffers)
        })
    }

    /// Who goes on with a transaction: a hypervisor in the normal world does so for the virtual machine
    /// that began it.
    fn sender_of(&self, party: Party, handle: u64) -> u16 {
        match (party, self.ledger.lock().sender(handle)) {
            (Party::Normal, Some(id)) if id < SECURE => id,
            _ => self.id_of(party),
        }
    }
}

/// Where a pair of buffers is.
fn places(buffers: Option<Buffers>) -> Option<[u64; 2]> {
    buffers.map(|buffers| [buffers.rx.address, buffers.tx.address])
}

/// Writes the start of what is staged into the RX buffer, which is its owner's then.
fn hand_over<T: Ports>(mailbox: &mut Mailbox, length: u32, ports: &mut T) -> Result<(), Error> {
    let rx = mailbox.writable()?.rx;
    ports.write(rx, 0, mailbox.staging.get(..length as usize).unwrap_or_default());
    mailbox.writable()?.rx_full = true;
    Ok(())
}

/// What the sender of a descriptor is told.
fn told(sender: u16, progress: Progress) -> Reply {
    match progress {
        Progress::Complete(handle) => Reply::success(low(handle), low(handle >> 32)),
        Progress::More { handle, next_offset } => {
            // The sender's ID is for a hypervisor that relays the call; zero for the normal world.
            let words = [
                low(handle),
                low(handle >> 32),
                next_offset,
                u32::from(sender) << 16,
            ];
            Reply::words(function::MEM_FRAG_RX, &words)
        }
    }
}

/// Endpoint field of fragment calls (bits 31 to 16): zero, or the caller itself.
fn named(caller: u16, endpoint: u32) -> Result<(), Error> {
    if endpoint == 0 || endpoint == u32::from(caller) << 16 {
        Ok(())
    } else {
        Err(Error::InvalidParameters)
    }
}
