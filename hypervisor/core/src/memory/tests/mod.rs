//! Tests of the ledger: a table, ports that record what they are asked for, and descriptors as callers
//! write them. None of it shares code with what is tested.
extern crate std;

mod between;
mod describe;
mod fields;
mod flows;
mod model;
mod random;
mod ranges;

use super::{Kind, Ledger, Progress, Sender};
use crate::api::{Access, Note, Page, Ports, World};
use crate::error::Error;
use crate::quote::Taken;
use crate::table::{
    Board, Caller, Image, OnFailure, Partition, Preemption, Range, Region, Rights, RootSecret, Table, Uuid,
};
use std::collections::BTreeMap;
use std::format;
use std::string::String;
use std::vec::Vec;

const V1_0: u32 = 0x1_0000;
const V1_1: u32 = 0x1_0001;
const V1_2: u32 = 0x1_0002;

/// Base of the normal world's memory in the table of these tests: 64 pages, a hole of 16, 64 pages.
const RAM: u64 = 0x4000_0000;
const RAM_PAGES: u64 = 64;
const HOLE_PAGES: u64 = 16;

const A: u16 = 0x8001;
const B: u16 = 0x8002;
/// Takes no calls from the normal world.
const C: u16 = 0x8003;
const D: u16 = 0x8004;

/// Of the common ranges 28 are for A, 14 for B, 7 for C and D each; 13 transactions and 27 ranges are for the
/// callers that have limits.
type Small = Ledger<4, 24, 83>;

/// Where the memory of a partition starts: each has a region of 16 pages, executable, and one of 8, which is not.
const fn own(index: u64) -> u64 {
    0x0e20_0000 + index * 0x2_0000
}

const fn regions(index: u64) -> [Region; 2] {
    [
        Region {
            range: pages(own(index), 16),
            rights: Rights::ReadWriteExecute,
        },
        Region {
            range: pages(own(index) + 0x1_0000, 8),
            rights: Rights::ReadWrite,
        },
    ]
}

static MEMORY: [[Region; 2]; 4] = [regions(0), regions(1), regions(2), regions(3)];

const fn upto(id: u16, pages: u32) -> Caller {
    Caller {
        pages,
        ..Caller::unlimited(id)
    }
}

const fn partition(
    name: &'static str,
    id: u16,
    window: Range,
    shares: u16,
    callers: &'static [Caller],
) -> Partition {
    let nowhere = Range {
        base: 0x0e20_0000,
        size: 0x10_0000,
    };
    Partition {
        name,
        id,
        uuids: &[],
        properties: 0,
        image: Image {
            package_uuid: Uuid([0; 16]),
            package: nowhere,
            sha256: [0; 32],
            size: 0,
            load: nowhere.base,
            entry: nowhere.base,
            signed: None,
        },
        manifest: &[],
        memory: &MEMORY[(id - A) as usize],
        cores: 1,
        dedicated: false,
        devices: &[],
        interrupts: &[],
        quiesce: &[],
        window,
        shares,
        preemption: Preemption::AtOnce,
        callers,
        power_messages: 0,
        forwards: false,
        vgic: false,
        interrupts_queued: false,
        budget_us: 0,
        log_rate: 64 << 10,
        on_failure: OnFailure::Stop,
        repeats: None,
        continues: None,
        key: false,
        inspects: false,
        quotes: false,
        copies: false,
    }
}

const fn pages(base: u64, count: u64) -> Range {
    Range {
        base,
        size: count * 4096,
    }
}

static TABLE: Table = table(
    &[
        pages(RAM, RAM_PAGES),
        pages(RAM + (RAM_PAGES + HOLE_PAGES) * 4096, RAM_PAGES),
    ],
    &[
        partition(
            "a",
            A,
            pages(0x4000_0000, 32),
            4,
            &[Caller::unlimited(0), upto(B, 6), upto(C, 5)],
        ),
        partition(
            "b",
            B,
            pages(0x4000_3000, 16),
            3,
            &[Caller::unlimited(0), Caller::unlimited(1), upto(A, 10)],
        ),
        partition(
            "c",
            C,
            pages(0x4000_0000, 8),
            2,
            &[Caller::unlimited(A), upto(B, 6)],
        ),
        partition(
            "d",
            D,
            pages(0x4000_0000, 8),
            2,
            &[Caller::unlimited(0), Caller::unlimited(A), upto(B, 0)],
        ),
    ],
);

const fn table(normal: &'static [Range], partitions: &'static [Partition]) -> Table {
    let board = Board {
        name: "test",
        compatible: "test",
        cores: &[0],
        boot_core: 0,
        secure: &[Range {
            base: 0x0e10_0000,
            size: 0x10_0000,
        }],
        store: &[],
        counters: None,
        normal,
        gicd: 0x0800_0000,
        gicr: 0x080a_0000,
        gicr_stride: 0x2_0000,
        log: crate::table::Log::Own(0x0904_0000),
        timer_intid: 20,
        interface_traps: true,
        schedule_receiver_intid: 8,
        root_secret: RootSecret::None,
        device_tree: RAM,
    };
    let hypervisor = pages(0x0e10_0000, 256);
    Table {
        name: "test",
        digest: [0xd1; 32],
        board,
        hypervisor,
        spmc_id: 0x8000,
        partitions,
        virtual_machines: &[],
        boot_order: &[],
    }
}

/// The partition that the table gives a page of secure memory to.
fn home(page: u64) -> Option<usize> {
    let inside = |partition: &Partition| {
        partition
            .memory
            .iter()
            .any(|region| region.range.contains(page, 4096))
    };
    TABLE.partitions.iter().position(inside)
}

/// Whether a partition's tables have a place for a page of secure memory: its own, or a lender's.
fn places(partition: usize, page: u64) -> bool {
    let home = home(page).unwrap();
    let callers = TABLE.partitions[partition].callers;
    let lends = |caller: &Caller| caller.id == TABLE.partitions[home].id && caller.pages > 0;
    home == partition || callers.iter().any(lends)
}

/// Ports that keep who reaches what, and complain where a slot is used twice or never was.
struct Windows {
    /// (partition, address) to rights, of secure pages.
    reach: BTreeMap<(usize, u64), Rights>,
    /// (partition, slot) to (address, access).
    mapped: BTreeMap<(usize, u32), (u64, Access)>,
    /// Addresses of cleared pages, in order.
    cleared: Vec<u64>,
    /// Those of them that somebody could see at that time.
    cleared_in_sight: Vec<u64>,
}

impl Default for Windows {
    /// Each partition reaches its own memory.
    fn default() -> Self {
        let mut reach = BTreeMap::new();
        for (index, partition) in TABLE.partitions.iter().enumerate() {
            for region in partition.memory {
                for page in (region.range.base..region.range.end()).step_by(4096) {
                    reach.insert((index, page), region.rights);
                }
            }
        }
        Self {
            reach,
            mapped: BTreeMap::new(),
            cleared: Vec::new(),
            cleared_in_sight: Vec::new(),
        }
    }
}

impl Ports for Windows {
    fn map_window(&mut self, partition: usize, slot: u32, address: u64, count: u32, access: Access) {
        assert!(count > 0);
        for page in 0..count {
            let page_address = address + u64::from(page) * 4096;
            let before = self
                .mapped
                .insert((partition, slot + page), (page_address, access));
            assert_eq!(
                before,
                None,
                "slot {} of partition {partition} is mapped twice",
                slot + page
            );
        }
    }

    fn unmap_window(&mut self, partition: usize, slot: u32, count: u32) {
        assert!(count > 0);
        for page in 0..count {
            let before = self.mapped.remove(&(partition, slot + page));
            assert!(
                before.is_some(),
                "slot {} of partition {partition} is not mapped",
                slot + page
            );
        }
    }

    fn set_secure(&mut self, partition: usize, address: u64, count: u32, rights: Option<Rights>) {
        assert!(count > 0 && address.is_multiple_of(4096));
        for page in 0..u64::from(count) {
            let page = (partition, address + page * 4096);
            let before = match rights {
                Some(rights) => self.reach.insert(page, rights),
                None => self.reach.remove(&page),
            };
            assert_ne!(
                before.is_some(),
                rights.is_some(),
                "{page:x?}: {before:?}, then {rights:?}"
            );
            assert!(
                places(page.0, page.1),
                "partition {} has no table for {:x}",
                page.0,
                page.1
            );
        }
    }

    fn clear(&mut self, world: World, address: u64, count: u32) {
        for page in 0..u64::from(count) {
            let page = address + page * 4096;
            assert_eq!(
                world == World::Secure,
                home(page).is_some(),
                "the wrong world's {page:x}"
            );
            self.cleared.push(page);
            let seen = self.mapped.values().any(|(mapped, _)| *mapped == page);
            if seen || self.reach.keys().any(|(_, reached)| *reached == page) {
                self.cleared_in_sight.push(page);
            }
        }
    }

    fn read(&mut self, _: Page, _: usize, _: &mut [u8]) {
        unreachable!("the ledger reads no memory");
    }
    fn write(&mut self, _: Page, _: usize, _: &[u8]) {
        unreachable!("the ledger writes no memory");
    }
    fn now(&mut self) -> u64 {
        0
    }
    fn quiesce(&mut self, _: usize) {}

    fn end_interrupt(&mut self, _: u32, _: u8) {
        unreachable!("the ledger has no interrupts");
    }

    fn disable_interrupt(&mut self, _: u32, _: u8) {
        unreachable!("the ledger has no interrupts");
    }
    fn schedule_receiver(&mut self, _: Option<crate::table::Core>) {
        unreachable!("the ledger has no interrupts");
    }
    fn key(&mut self, _: usize) -> [u64; 4] {
        [0; 4]
    }

    fn measured(&mut self, _: Option<usize>) -> Option<[u8; 32]> {
        None
    }

    fn taken(&mut self, _: usize) -> Option<Taken> {
        None
    }

    fn sign(&mut self, _: &[u8]) -> Option<[u8; 64]> {
        None
    }

    fn random(&mut self, _: usize) -> Option<[u64; 3]> {
        None
    }

    fn counter(&mut self) -> u64 {
        unreachable!("the ledger has no timers");
    }
    fn set_alarm(&mut self, _: Option<u64>) {
        unreachable!("the ledger has no timers");
    }
    fn wake(&mut self, _: u32) {}

    fn restore(&mut self, _: usize, _: u32) -> crate::api::Restored {
        crate::api::Restored::Whole
    }

    fn call_core(&mut self, _: crate::table::Core) {
        unreachable!("the ledger has no cores");
    }
    fn console(&mut self, _: usize, _: &[u8]) {
        unreachable!("the ledger has no console");
    }
    fn note(&mut self, _: Note) {
        unreachable!("the ledger logs nothing");
    }
}

/// An endpoint memory access descriptor.
#[derive(Clone, Debug)]
struct Entry {
    id: u16,
    permissions: u8,
    flags: u8,
    value: [u8; 16],
}

impl Entry {
    fn new(id: u16, permissions: u8) -> Self {
        Self {
            id,
            permissions,
            flags: 0,
            value: [0; 16],
        }
    }
}

/// A memory transaction descriptor of a lender or a borrower.
#[derive(Clone, Debug)]
struct Descriptor {
    version: u32,
    sender: u16,
    attributes: u16,
    flags: u32,
    handle: u64,
    tag: u64,
    entries: Vec<Entry>,
    /// Address and pages; none in a retrieve.
    ranges: Vec<(u64, u32)>,
}

impl Descriptor {
    /// What stock Linux sends: normal write-back memory of endpoint 0.
    fn share(version: u32, to: &[u16], ranges: &[(u64, u32)]) -> Self {
        let entries = to.iter().map(|id| Entry::new(*id, 2)).collect();
        let ranges = ranges.to_vec();
        Self {
            version,
            sender: 0,
            attributes: 0x2f,
            flags: 0,
            handle: 0,
            tag: 0,
            entries,
            ranges,
        }
    }

    /// Lending to one borrower: the lender says nothing of attributes.
    fn lend(version: u32, to: u16, ranges: &[(u64, u32)]) -> Self {
        Self {
            attributes: 0,
            ..Self::share(version, &[to], ranges)
        }
    }

    /// What OP-TEE sends to retrieve a share.
    fn retrieve(version: u32, id: u16, handle: u64) -> Self {
        Self {
            flags: 1 << 3,
            handle,
            ..Self::share(version, &[id], &[])
        }
    }

    fn entry_size(&self) -> usize {
        if self.version >= V1_2 { 32 } else { 16 }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let header = if self.version == V1_0 { 32 } else { 48 };
        let composite = header + self.entries.len() * self.entry_size();
        out.extend(self.sender.to_le_bytes());
        out.extend(self.attributes.to_le_bytes());
        out.extend(self.flags.to_le_bytes());
        out.extend(self.handle.to_le_bytes());
        out.extend(self.tag.to_le_bytes());
        let size = if self.version == V1_0 {
            0
        } else {
            self.entry_size()
        };
        out.extend((size as u32).to_le_bytes());
        out.extend((self.entries.len() as u32).to_le_bytes());
        if self.version != V1_0 {
            out.extend(48_u32.to_le_bytes());
            out.extend([0; 12]);
        }
        for entry in &self.entries {
            out.extend(entry.id.to_le_bytes());
            out.extend([entry.permissions, entry.flags]);
            let at = if self.ranges.is_empty() { 0 } else { composite };
            out.extend((at as u32).to_le_bytes());
            if self.version >= V1_2 {
                out.extend(entry.value);
            }
            out.extend([0; 8]);
        }
        if !self.ranges.is_empty() {
            let pages: u32 = self.ranges.iter().fold(0, |sum, range| sum.wrapping_add(range.1));
            out.extend(pages.to_le_bytes());
            out.extend((self.ranges.len() as u32).to_le_bytes());
            out.extend([0; 8]);
        }
        for (address, count) in &self.ranges {
            out.extend(address.to_le_bytes());
            out.extend(count.to_le_bytes());
            out.extend([0; 4]);
        }
        out
    }
}

fn relinquish_bytes(handle: u64, flags: u32, ids: &[u16]) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(handle.to_le_bytes());
    out.extend(flags.to_le_bytes());
    out.extend((ids.len() as u32).to_le_bytes());
    ids.iter().for_each(|id| out.extend(id.to_le_bytes()));
    out
}

/// Ranges as a descriptor names them: address and pages.
type Pages = Vec<(u64, u32)>;

/// The answer to a retrieve, as its reader sees it.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    sender: u16,
    attributes: u16,
    flags: u32,
    handle: u64,
    tag: u64,
    receiver: u16,
    permissions: u8,
    value: [u8; 16],
    address: u64,
    pages: u32,
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().unwrap()
}

/// An answer, and its ranges; its address and pages are those of all of them.
fn read_answer(version: u32, bytes: &[u8]) -> (Answer, Pages) {
    let u32_at = |at| u32::from_le_bytes(field(bytes, at));
    let u64_at = |at| u64::from_le_bytes(field(bytes, at));
    let (at, size) = if version == V1_0 {
        (32, 16)
    } else {
        (u32_at(32) as usize, u32_at(24) as usize)
    };
    assert_eq!(u32_at(28), 1, "one receiver");
    assert_eq!(size, if version >= V1_2 { 32 } else { 16 });
    let composite = u32_at(at + 4) as usize;
    let count = u32_at(composite + 4) as usize;
    assert_eq!(u64_at(composite + 8), 0);
    assert_eq!(bytes.len(), composite + 16 + 16 * count);
    assert_eq!(u64_at(at + size - 8), 0);
    let ranges: Vec<_> = (0..count)
        .map(|number| {
            let at = composite + 16 + 16 * number;
            assert_eq!(u32_at(at + 12), 0);
            (u64_at(at), u32_at(at + 8))
        })
        .collect();
    let pages = ranges.iter().map(|range| range.1).sum();
    assert_eq!(u32_at(composite), pages, "total and count");
    let answer = Answer {
        sender: u16::from_le_bytes(field(bytes, 0)),
        attributes: u16::from_le_bytes(field(bytes, 2)),
        flags: u32_at(4),
        handle: u64_at(8),
        tag: u64_at(16),
        receiver: u16::from_le_bytes(field(bytes, at)),
        permissions: bytes[at + 2],
        value: if version >= V1_2 {
            field(bytes, at + 8)
        } else {
            [0; 16]
        },
        address: ranges[0].0,
        pages,
    };
    (answer, ranges)
}

/// A ledger, its ports, and the calls that most tests make.
struct Bench {
    ledger: Small,
    ports: Windows,
}

impl Bench {
    fn new() -> Self {
        Self {
            ledger: Small::new(),
            ports: Windows::default(),
        }
    }

    fn send(&mut self, kind: Kind, version: u32, bytes: &[u8]) -> Result<Progress, Error> {
        self.send_as(&by(0, version), kind, bytes)
    }

    /// Sends a whole descriptor.
    fn send_as(&mut self, sender: &Sender<'_>, kind: Kind, bytes: &[u8]) -> Result<Progress, Error> {
        let total = bytes.len() as u32;
        self.share(sender, kind, total, bytes)
    }

    fn share(
        &mut self,
        sender: &Sender<'_>,
        kind: Kind,
        total: u32,
        bytes: &[u8],
    ) -> Result<Progress, Error> {
        let ports = &mut self.ports;
        self.ledger.share(&TABLE, sender, kind, total, bytes, ports)
    }

    fn fragment(&mut self, sender: u16, handle: u64, bytes: &[u8]) -> Result<Progress, Error> {
        let (sender, ports) = (by(sender, V1_1), &mut self.ports);
        self.ledger.fragment_tx(&TABLE, &sender, handle, bytes, ports)
    }

    /// Sends a descriptor that must be accepted whole; returns the handle.
    fn sent(&mut self, kind: Kind, descriptor: &Descriptor) -> u64 {
        match self.send(kind, descriptor.version, &descriptor.bytes()) {
            Ok(Progress::Complete(handle)) => handle,
            other => panic!("{other:?}"),
        }
    }

    fn retrieve(&mut self, receiver: usize, version: u32, bytes: &[u8]) -> Result<Answer, Error> {
        let (answer, ranges) = self.retrieve_all(receiver, version, bytes)?;
        let first = ranges[0];
        assert_eq!(ranges.len(), 1, "one constituent");
        Ok(Answer {
            address: first.0,
            pages: first.1,
            ..answer
        })
    }

    /// A retrieve whose answer may name several ranges, all of which fit the buffer.
    fn retrieve_all(
        &mut self,
        receiver: usize,
        version: u32,
        bytes: &[u8],
    ) -> Result<(Answer, Pages), Error> {
        let mut buffer = [0xa5; 4096];
        buffer[..bytes.len()].copy_from_slice(bytes);
        let (ledger, ports) = (&mut self.ledger, &mut self.ports);
        let got = ledger.retrieve(&TABLE, receiver, version, &mut buffer, bytes.len(), ports)?;
        assert_eq!(got.total, got.fragment);
        let behind = bytes.len().max(got.total as usize);
        assert!(
            buffer[behind..].iter().all(|byte| *byte == 0xa5),
            "wrote behind the answer"
        );
        Ok(read_answer(version, &buffer[..got.total as usize]))
    }

    fn relinquish(&mut self, receiver: usize, handle: u64, flags: u32) -> Result<(), Error> {
        let bytes = relinquish_bytes(handle, flags, &[TABLE.partitions[receiver].id]);
        self.ledger.relinquish(&TABLE, receiver, &bytes, &mut self.ports)
    }

    fn reclaim(&mut self, handle: u64, flags: u32) -> Result<(), Error> {
        self.reclaim_as(0, handle, flags)
    }

    fn reclaim_as(&mut self, sender: u16, handle: u64, flags: u32) -> Result<(), Error> {
        let ports = &mut self.ports;
        self.ledger.reclaim(&TABLE, sender, handle, flags, ports)
    }

    /// All that can be observed of the ledger and the windows, and that its invariants hold.
    fn state(&self) -> String {
        assert_eq!(self.ledger.check_invariants(&TABLE), Ok(()));
        let ledger = &self.ledger;
        let mut state = format!("{:?}\n{:?}\n", self.ports.mapped, self.ports.reach);
        state += &format!("{:?}\n", ledger.deeds.all());
        for index in 0..ledger.shares.touched() {
            let share = &ledger.shares[index];
            if share.handle != 0 {
                let ranges: Vec<_> = ledger.ranges.list(&share.ranges).collect();
                let grants: Vec<_> = ledger
                    .windows
                    .of(share.grants)
                    .map(|grant| ledger.windows.get(grant))
                    .collect();
                let core = (
                    share.handle,
                    share.tag,
                    share.sender,
                    share.kind,
                    share.attributes,
                    share.cleared,
                );
                let rest = (
                    share.clear,
                    share.pages,
                    share.arrived,
                    share.missing,
                    share.offset,
                );
                state += &format!("{core:?} {rest:?} {ranges:?} {grants:?}\n");
            }
        }
        state
    }
}

/// A sender without buffers.
fn by(id: u16, version: u32) -> Sender<'static> {
    Sender {
        id,
        version,
        buffers: None,
        machines: &[],
    }
}

/// Address of a page of the normal world.
fn page(number: u64) -> u64 {
    RAM + number * 4096
}
