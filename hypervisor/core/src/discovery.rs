//! Discovery: FFA_FEATURES, FFA_ID_GET, FFA_PARTITION_INFO_GET and its form without a buffer.

use crate::api::{Ports, Regs};
use crate::callee::{DIRECT, DIRECT2, INDIRECT, NOTIFICATIONS};
use crate::decode::pair;
use crate::direct::{HEARS_OF_CREATED, HEARS_OF_DESTROYED};
use crate::error::Error;
use crate::function as f;
use crate::life::Life;
use crate::paravirtual;
use crate::reply::Reply;
use crate::rxtx::Writer;
use crate::spmc::{Party, SECURE, Spmc};
use crate::table::{Caller, Messages, Partition, Preemption, Source, Uuid};
use crate::version::{V1_0, V1_1, V1_2};

/// Feature IDs (DEN0077A 1.2, section 13.3).
const NOTIFICATION_PENDING: u32 = 1;
const SCHEDULE_RECEIVER: u32 = 2;
const MANAGED_EXIT: u32 = 3;

/// Partition properties that only a hypervisor is told.
const OF_MACHINES: u32 = HEARS_OF_CREATED | HEARS_OF_DESTROYED;
/// Properties that FF-A 1.0 knows.
const PROPERTIES_1_0: u32 = 0b111;
/// Properties that FF-A 1.1 knows.
const PROPERTIES_1_1: u32 = 0x1ff;

/// Bytes of a partition information descriptor.
const DESCRIPTOR_1_0: u32 = 8;
const DESCRIPTOR: u32 = 24;
/// Its words. FFA_PARTITION_INFO_GET_REGS carries five of them in x3 to x17.
const WORDS: usize = 3;

/// Input and output of FFA_FEATURES for FFA_MEM_RETRIEVE_REQ: the NS bit (DEN0077A 1.2, section 13.3).
const RETRIEVE_NS: u32 = 1 << 1;
const HYPERVISOR_RETRIEVES: u32 = 1 << 2;

/// The UUID that is asked for, as two little-endian words: the nil UUID stands for every one.
type Wanted = [u64; 2];
const ALL: Wanted = [0; 2];

/// Functions that both sides may call.
const COMMON: &[u32] = &[
    f::ERROR,
    f::SUCCESS_32,
    f::SUCCESS_64,
    f::INTERRUPT,
    f::VERSION,
    f::FEATURES,
    f::ID_GET,
    f::SPM_ID_GET,
    f::RX_RELEASE,
    f::RXTX_UNMAP,
    f::PARTITION_INFO_GET,
    f::PARTITION_INFO_GET_REGS,
    f::NOTIFICATION_BIND,
    f::NOTIFICATION_UNBIND,
    f::NOTIFICATION_SET,
    f::NOTIFICATION_GET,
    f::MSG_SEND2,
    f::MEM_FRAG_RX,
    f::MEM_DONATE_32,
    f::MEM_DONATE_64,
    f::MEM_LEND_32,
    f::MEM_LEND_64,
    f::MEM_SHARE_32,
    f::MEM_SHARE_64,
    f::MEM_RECLAIM,
    f::MEM_FRAG_TX,
    f::DIRECT_REQ_32,
    f::DIRECT_REQ_64,
    f::DIRECT_REQ2,
    f::RUN,
];

/// Functions that only the normal world may call.
const NORMAL_ONLY: &[u32] = &[
    f::RX_ACQUIRE,
    f::NOTIFICATION_BITMAP_CREATE,
    f::NOTIFICATION_BITMAP_DESTROY,
    f::NOTIFICATION_INFO_GET_32,
    f::NOTIFICATION_INFO_GET_64,
];

/// Functions that only a partition may call.
const PARTITION_ONLY: &[u32] = &[
    f::MEM_RELINQUISH,
    f::MSG_WAIT,
    f::YIELD,
    f::DIRECT_RESP_32,
    f::DIRECT_RESP_64,
    f::DIRECT_RESP2,
    f::SECONDARY_EP_REGISTER_32,
    f::SECONDARY_EP_REGISTER_64,
    f::CONSOLE_LOG_32,
    f::CONSOLE_LOG_64,
    f::ABORT_32,
    f::ABORT_64,
];

impl<const P: usize, const C: usize, const SHARES: usize, const RANGES: usize, const VMS: usize, S: Source>
    Spmc<P, C, SHARES, RANGES, VMS, S>
{
    /// FFA_ID_GET (DEN0077A 1.2, section 13.10).
    pub(crate) fn id_get(&self, party: Party) -> Reply {
        Reply::success(u32::from(self.id_of(party)), 0)
    }

    /// FFA_FEATURES (DEN0077A 1.2, section 13.3): function IDs and feature IDs.
    pub(crate) fn features(&self, party: Party, id: u32, input: u32) -> Result<Reply, Error> {
        match id {
            f::RXTX_MAP_32 | f::RXTX_MAP_64 => {
                // w2[1:0]: buffers of 4 KiB or more, so aligned; w2[31:16], from 1.2 on: at most one page.
                let version = self.mailbox(party).map_or(V1_0, |m| m.lock().version.heard());
                Ok(Reply::success(if version >= V1_2 { 1 << 16 } else { 0 }, 0))
            }
            f::MEM_RETRIEVE_REQ_32 | f::MEM_RETRIEVE_REQ_64 => {
                // w3[7:0] = 0: a receiver retrieves a share once at a time.
                self.retrieve_features(party, input)
                    .map(|w2| Reply::success(w2, 0))
            }
            _ if id & 1 << 31 == 0 && input != 0 => Err(Error::NotSupported),
            _ if id & 1 << 31 == 0 => self.feature(party, id),
            _ if COMMON.contains(&id) => Ok(Reply::done()),
            _ if party == Party::Normal && NORMAL_ONLY.contains(&id) => Ok(Reply::done()),
            _ if party != Party::Normal && PARTITION_ONLY.contains(&id) => Ok(Reply::done()),
            _ => Err(Error::NotSupported),
        }
    }

    /// w2 of FFA_FEATURES for FFA_MEM_RETRIEVE_REQ: whether what is retrieved is non-secure is reported, which a
    /// partition asks for since 1.1 and has to; a hypervisor may retrieve, too (DEN0140 1.2, section 1.10.4.1).
    fn retrieve_features(&self, party: Party, input: u32) -> Result<u32, Error> {
        if party == Party::Normal {
            return Ok(input & RETRIEVE_NS | HYPERVISOR_RETRIEVES);
        }
        let version = self.mailbox(party).map_or(V1_0, |m| m.lock().version.heard());
        if version >= V1_1 && input & RETRIEVE_NS == 0 {
            return Err(Error::NotSupported);
        }
        Ok(input & RETRIEVE_NS)
    }

    fn feature(&self, party: Party, id: u32) -> Result<Reply, Error> {
        let partition = match party {
            Party::Normal | Party::Machine(_) => None,
            Party::Partition(index) => self.table.partitions.get(index),
        };
        let intid = match (id, partition) {
            (SCHEDULE_RECEIVER, None) => self.table.board.schedule_receiver_intid,
            (NOTIFICATION_PENDING, Some(p)) if NOTIFICATIONS.taken_by(p) => paravirtual::NOTIFICATION_PENDING,
            (MANAGED_EXIT, Some(p)) if matches!(p.preemption, Preemption::ManagedExit { .. }) => {
                paravirtual::MANAGED_EXIT
            }
            _ => return Err(Error::NotSupported),
        };
        Ok(Reply::success(intid, 0))
    }

    /// The properties of a partition as a party sees them: what it may use. None of a partition that it may
    /// not deal with.
    ///
    /// What the normal world sees is what a hypervisor there tells its virtual machines, too, and neither call
    /// says for whom it is made: so it sees what any of its endpoints may use, of partitions that list ID 0.
    /// Only a hypervisor hears that a partition wants to know of virtual machines (DEN0077A 1.2, table 6.2).
    fn properties(&self, party: Party, partition: &'static Partition) -> Option<u32> {
        let id = self.id_of(party);
        if partition.id == id {
            return Some(partition.properties & !OF_MACHINES);
        }
        partition.caller(id)?;
        let relays = party == Party::Normal;
        let alike = |caller: &&Caller| caller.id == id || (relays && caller.id < SECURE);
        let (messages, pages) = partition
            .callers
            .iter()
            .filter(alike)
            .fold((Messages::NONE, 0), |(messages, pages), caller| {
                (messages.and(caller.messages), caller.pages.max(pages))
            });
        let told = relays && partition.properties & OF_MACHINES != 0;
        if messages == Messages::NONE && pages == 0 && !told {
            return None;
        }
        let hidden = [DIRECT, DIRECT2, INDIRECT, NOTIFICATIONS]
            .iter()
            .filter(|kind| !messages.has(kind.messages))
            .fold(if relays { 0 } else { OF_MACHINES }, |bits, kind| {
                bits | kind.property
            });
        Some(partition.properties & !hidden)
    }

    /// Shows the partitions that a party can see with their properties, an entry for each protocol; where a UUID is
    /// asked for, those that report it. `on` says whether to go on.
    fn show(
        &self,
        party: Party,
        wanted: Wanted,
        mut on: impl FnMut(&'static Partition, u32, Wanted) -> bool,
    ) -> bool {
        for (partition, compartment) in self.table.partitions.iter().zip(&self.compartments) {
            if compartment.life.get() == Life::Stopped {
                continue;
            }
            let Some(properties) = self.properties(party, partition) else {
                continue;
            };
            for uuid in partition.uuids.iter().map(Uuid::words) {
                // Who asks for one knows it.
                let told = if wanted == ALL { uuid } else { ALL };
                if (wanted == ALL || wanted == uuid) && !on(partition, properties, told) {
                    return false;
                }
            }
        }
        true
    }

    /// How many entries that are.
    fn count(&self, party: Party, wanted: Wanted) -> u32 {
        let mut count = 0_u32;
        self.show(party, wanted, |_, _, _| {
            count = count.saturating_add(1);
            true
        });
        count
    }

    /// FFA_PARTITION_INFO_GET (DEN0077A 1.2, section 13.8), with descriptors of the caller's version.
    pub(crate) fn partition_info_get<T: Ports>(
        &self,
        party: Party,
        uuid: [u32; 4],
        flags: u32,
        ports: &mut T,
    ) -> Result<Reply, Error> {
        let [a, b, c, d] = uuid;
        let wanted = [pair(a, b), pair(c, d)];
        if flags > 1 {
            return Err(Error::InvalidParameters);
        }
        let count = self.count(party, wanted);
        if count == 0 {
            return Err(Error::InvalidParameters);
        }
        let mut mailbox = self.mailbox(party).ok_or(Error::InvalidParameters)?.lock();
        let version = mailbox.version();
        if flags == 1 && version > V1_0 {
            return Ok(Reply::success(count, 0));
        }
        let buffers = mailbox.writable()?;
        let mut writer = Writer::new(buffers.rx, ports);
        let size = if version == V1_0 {
            DESCRIPTOR_1_0
        } else {
            DESCRIPTOR
        };
        let whole = self.show(party, wanted, |partition, properties, uuid| {
            let words = descriptor(partition, properties, uuid, version).map(u64::to_le_bytes);
            writer.put(words.as_flattened().get(..size as usize).unwrap_or_default())
        });
        if !whole {
            return Err(Error::NoMemory);
        }
        buffers.rx_full = true;
        Ok(Reply::success(
            count,
            if version == V1_0 { 0 } else { DESCRIPTOR },
        ))
    }

    /// FFA_PARTITION_INFO_GET_REGS (DEN0077A 1.2, section 13.9): up to five descriptors from `start` on.
    pub(crate) fn partition_info_get_regs(
        &self,
        party: Party,
        wanted: Wanted,
        start: u16,
        tag: u16,
    ) -> Result<Reply, Error> {
        // The list does not change while the system runs but by a partition's end: one tag will do.
        let start = usize::from(start);
        if start != 0 && tag != 0 {
            // Nobody was told that one.
            return Err(Error::Retry);
        }
        if tag != 0 {
            return Err(Error::InvalidParameters);
        }
        let version = self
            .mailbox(party)
            .map_or(V1_2, |m| m.lock().version.heard())
            .max(V1_1);
        let mut regs = Regs([0; 18]);
        regs.0[0] = u64::from(f::SUCCESS_64);
        let (slots, _) = regs.0.get_mut(3..).unwrap_or_default().as_chunks_mut::<WORDS>();
        let mut count = 0_usize;
        self.show(party, wanted, |partition, properties, uuid| {
            let place = count.checked_sub(start);
            if let Some(slot) = place.and_then(|place| slots.get_mut(place)) {
                *slot = descriptor(partition, properties, uuid, version);
            }
            count = count.saturating_add(1);
            true
        });
        if start >= count {
            return Err(Error::InvalidParameters);
        }
        let current = start.saturating_add(slots.len()).min(count).saturating_sub(1);
        let last = count.saturating_sub(1) as u64;
        regs.0[2] = last | (current as u64) << 16 | u64::from(DESCRIPTOR) << 48;
        Ok(Reply::Wide(regs))
    }
}

/// A partition information descriptor (DEN0077A 1.2, tables 6.1 and 6.2), as little-endian words.
#[inline]
fn descriptor(partition: &Partition, properties: u32, [low, high]: Wanted, version: u32) -> [u64; WORDS] {
    let mask = match version {
        V1_0 => PROPERTIES_1_0,
        V1_1 => PROPERTIES_1_1,
        _ => u32::MAX,
    };
    let ids = u64::from(partition.id) | u64::from(partition.contexts()) << 16;
    [ids | u64::from(properties & mask) << 32, low, high]
}
