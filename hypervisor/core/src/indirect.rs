//! Indirect messages: FFA_MSG_SEND2 copies a message from the sender's TX buffer to the receiver's RX
//! buffer, whose owner learns of it by a framework notification (DEN0077A 1.2, sections 7.3, 10.8.1 and 15.1).

use crate::api::Ports;
use crate::callee::INDIRECT;
use crate::cpu::Cpu;
use crate::decode::{high_half, low_half};
use crate::error::Error;
use crate::reply::Reply;
use crate::rxtx::{Mailbox, PAGE, Writer, copy_in, word};
use crate::spmc::{Party, Spmc};
use crate::table::Source;
use crate::version::{V1_1, V1_2};

/// Flag of FFA_MSG_SEND2: raise the schedule-receiver interrupt only when the sender gives up the core.
const DELAY_SCHEDULE: u32 = 1 << 1;
/// Bytes of a message's header before FF-A 1.2, and with the service UUID that 1.2 added.
const HEADER_1_1: usize = 20;
const HEADER: usize = 40;

/// The header of a message, checked against the page that it is in.
struct Header {
    sender: u16,
    receiver: u16,
    uuid: [u8; 16],
    /// Where the message is, and its length, in bytes.
    start: usize,
    length: usize,
}

impl Header {
    fn parse(page: &[u8], version: u32) -> Result<Self, Error> {
        let size = if version >= V1_2 { HEADER } else { HEADER_1_1 };
        let field = |at| word(page, at).ok_or(Error::InvalidParameters);
        let (offset, ends, length) = (field(8)? as usize, field(12)?, field(16)? as usize);
        let inside = offset >= size && offset.checked_add(length).is_some_and(|end| end <= page.len());
        let reserved = field(0)? != 0 || field(4)? != 0 || (version >= V1_2 && field(20)? != 0);
        if !inside || length == 0 || reserved {
            return Err(Error::InvalidParameters);
        }
        let mut uuid = [0; 16];
        if version >= V1_2 {
            uuid.copy_from_slice(page.get(24..HEADER).ok_or(Error::InvalidParameters)?);
        }
        Ok(Self {
            sender: high_half(ends),
            receiver: low_half(ends),
            uuid,
            start: offset,
            length,
        })
    }

    /// The header as a receiver of this version reads it, and its size: the message follows at once.
    fn delivered(&self, version: u32) -> ([u8; HEADER], usize) {
        let size = if version >= V1_2 { HEADER } else { HEADER_1_1 };
        let mut bytes = [0; HEADER];
        let ends = u32::from(self.sender) << 16 | u32::from(self.receiver);
        for (at, value) in [(8, size as u32), (12, ends), (16, self.length as u32)] {
            for (to, from) in bytes.iter_mut().skip(at).zip(value.to_le_bytes()) {
                *to = from;
            }
        }
        for (to, from) in bytes.iter_mut().skip(24).zip(self.uuid) {
            *to = from;
        }
        (bytes, size)
    }
}

impl<const P: usize, const C: usize, const SHARES: usize, const RANGES: usize, const VMS: usize, S: Source>
    Spmc<P, C, SHARES, RANGES, VMS, S>
{
    /// FFA_MSG_SEND2 (DEN0077A 1.2, section 15.1). The message is copied once, then looked at. One of a virtual
    /// machine is in that machine's TX buffer; the hypervisor that forwards it names the sender.
    ///
    /// INVALID_PARAMETERS: no buffers, a header that is not in order, another sender than the caller (or whom it
    /// speaks for), a receiver that does not exist or may not be reached from there. DENIED: one of them takes no
    /// indirect messages, or the receiver has no buffers. BUSY: its buffer is full. NO_MEMORY: the message
    /// does not fit into it. ABORTED: it was stopped.
    pub(crate) fn send<T: Ports>(
        &self,
        cpu: &Cpu,
        party: Party,
        sender: u16,
        flags: u32,
        ports: &mut T,
    ) -> Result<Reply, Error> {
        let allowed = if party == Party::Normal { 0 } else { DELAY_SCHEDULE };
        if flags & !allowed != 0 {
            return Err(Error::InvalidParameters);
        }
        let sender = self.own_or(party, sender)?;
        let own = self.mailbox(sender).ok_or(Error::InvalidParameters)?;
        let (version, receiver) = {
            let mut own = own.lock();
            let version = own.version();
            if version < V1_1 {
                return Err(Error::NotSupported);
            }
            let header = Header::parse(copy_in(&mut own, PAGE as u32, ports)?, version)?;
            (version, self.receiver(sender, &header)?)
        };
        let other = self.mailbox(receiver).ok_or(Error::InvalidParameters)?;
        // Two senders may be each other's receivers: locks in one order.
        let (mut from, mut to);
        if order(sender) < order(receiver) {
            from = own.lock();
            to = other.lock();
        } else {
            to = other.lock();
            from = own.lock();
        }
        // The copy that was checked is still there, unless the caller's other cores sent too.
        let header = Header::parse(&from.staging, version).map_err(|_| Error::Retry)?;
        if self.receiver(sender, &header) != Ok(receiver) {
            return Err(Error::Retry);
        }
        deliver(&header, &mut from, &mut to, ports)?;
        drop((from, to));
        self.tell_of_message(
            cpu,
            self.id_of(sender),
            receiver,
            flags & DELAY_SCHEDULE != 0,
            ports,
        );
        Ok(Reply::done())
    }

    /// Whom a message is for, if its sender may send it.
    fn receiver(&self, sender: Party, header: &Header) -> Result<Party, Error> {
        if header.sender != self.id_of(sender) {
            return Err(Error::InvalidParameters);
        }
        let receiver = self.link(header.sender, header.receiver, INDIRECT)?;
        // Who cannot receive them cannot send them either; of a virtual machine its hypervisor knows.
        if let Party::Partition(index) = sender
            && !self
                .table
                .partitions
                .get(index)
                .is_some_and(|p| INDIRECT.taken_by(p))
        {
            return Err(Error::Denied);
        }
        if let Party::Partition(index) = receiver {
            let partition = self.table.partitions.get(index).ok_or(Error::InvalidParameters)?;
            if header.uuid != [0; 16] && !partition.uuids.iter().any(|uuid| uuid.0 == header.uuid) {
                return Err(Error::InvalidParameters);
            }
            if self.compartments.get(index).is_none_or(|c| c.stopped()) {
                return Err(Error::Aborted);
            }
        }
        Ok(receiver)
    }

    /// The receiver's framework notification, and what makes it look.
    fn tell_of_message<T: Ports>(&self, cpu: &Cpu, sender: u16, receiver: Party, delay: bool, ports: &mut T) {
        if let Some(notifications) = self.notifications(receiver) {
            notifications.lock().rx_full(sender);
        }
        self.wake_receiver(cpu, receiver, None, delay, ports);
    }
}

/// Copies a message to its receiver's RX buffer.
fn deliver<T: Ports>(
    header: &Header,
    from: &mut Mailbox,
    to: &mut Mailbox,
    ports: &mut T,
) -> Result<(), Error> {
    let version = to.version();
    if to.buffers.is_none() || version < V1_1 {
        return Err(Error::Denied);
    }
    let buffers = to.writable()?;
    let (bytes, size) = header.delivered(version);
    if size.saturating_add(header.length) > PAGE as usize {
        return Err(Error::NoMemory);
    }
    let message = from.staging.get(header.start..);
    let message = message.and_then(|message| message.get(..header.length));
    let mut writer = Writer::new(buffers.rx, ports);
    writer.put(bytes.get(..size).unwrap_or_default());
    writer.put(message.unwrap_or_default());
    buffers.rx_full = true;
    Ok(())
}

/// The order in which mailboxes are locked: the normal world's, its virtual machines', the partitions'.
fn order(party: Party) -> (u8, usize) {
    match party {
        Party::Normal => (0, 0),
        Party::Machine(index) => (1, index),
        Party::Partition(index) => (2, index),
    }
}
