//! Tests of the ledger: a table, ports that record what they are asked for, and descriptors as callers
//! write them. None of it shares code with what is tested.
extern crate std;

mod describe;
mod fields;
mod flows;
mod model;
mod random;
mod ranges;

use super::{Kind, Ledger, Progress};
use crate::api::{Access, Note, Page, Ports};
use crate::error::Error;
use crate::table::{Board, Caller, Image, Partition, Preemption, Range, Table, Uuid};
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

/// 28 ranges for A, 14 for B, 7 for C and D each.
type Small = Ledger<4, 11, 56>;

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
        },
        manifest: &[],
        memory: &[],
        cores: 1,
        devices: &[],
        interrupts: &[],
        window,
        shares,
        preemption: Preemption::AtOnce,
        callers,
        power_messages: 0,
        forwards: false,
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
        partition("a", A, pages(0x4000_0000, 32), 4, &[Caller::unlimited(0)]),
        partition(
            "b",
            B,
            pages(0x4000_3000, 16),
            3,
            &[Caller::unlimited(0), Caller::unlimited(1)],
        ),
        partition("c", C, pages(0x4000_0000, 8), 2, &[Caller::unlimited(A)]),
        partition(
            "d",
            D,
            pages(0x4000_0000, 8),
            2,
            &[Caller::unlimited(A), Caller::unlimited(0)],
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
        normal,
        gicd: 0x0800_0000,
        gicr: 0x080a_0000,
        gicr_stride: 0x2_0000,
        log_uart: 0x0904_0000,
        timer_intid: 20,
        schedule_receiver_intid: 8,
        device_tree: RAM,
    };
    let hypervisor = pages(0x0e10_0000, 256);
    Table {
        name: "test",
        board,
        hypervisor,
        spmc_id: 0x8000,
        partitions,
        virtual_machines: &[],
        boot_order: &[],
    }
}

/// Ports that keep what stands in each window, and complain where a slot is used twice or never was.
#[derive(Default)]
struct Windows {
    /// (partition, slot) to (address, access).
    mapped: BTreeMap<(usize, u32), (u64, Access)>,
    /// Addresses of cleared pages, in order.
    cleared: Vec<u64>,
    /// Those of them that somebody could see at that time.
    cleared_in_sight: Vec<u64>,
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

    fn clear(&mut self, address: u64, count: u32) {
        for page in 0..u64::from(count) {
            let page = address + page * 4096;
            self.cleared.push(page);
            if self.mapped.values().any(|(mapped, _)| *mapped == page) {
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
    fn end_interrupt(&mut self, _: u32, _: u8) {
        unreachable!("the ledger has no interrupts");
    }
    fn schedule_receiver(&mut self) {
        unreachable!("the ledger has no interrupts");
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

fn read_answer(version: u32, bytes: &[u8]) -> Answer {
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
    assert_eq!(u32_at(composite + 4), 1, "one constituent");
    assert_eq!(u64_at(composite + 8), 0);
    assert_eq!(u32_at(composite), u32_at(composite + 24), "total and count");
    assert_eq!(u32_at(composite + 28), 0);
    assert_eq!(bytes.len(), composite + 32);
    assert_eq!(u64_at(at + size - 8), 0);
    Answer {
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
        address: u64_at(composite + 16),
        pages: u32_at(composite + 24),
    }
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
        self.ledger
            .share(&TABLE, 0, kind, version, bytes.len() as u32, bytes)
    }

    /// Sends a descriptor that must be accepted whole; returns the handle.
    fn sent(&mut self, kind: Kind, descriptor: &Descriptor) -> u64 {
        match self.send(kind, descriptor.version, &descriptor.bytes()) {
            Ok(Progress::Complete(handle)) => handle,
            other => panic!("{other:?}"),
        }
    }

    fn retrieve(&mut self, receiver: usize, version: u32, bytes: &[u8]) -> Result<Answer, Error> {
        let mut out = [0xa5; 128];
        let ledger = &mut self.ledger;
        let got = ledger.retrieve(&TABLE, receiver, version, bytes, &mut out, &mut self.ports)?;
        assert_eq!(got.total, got.fragment);
        assert!(
            out[got.total as usize..].iter().all(|byte| *byte == 0xa5),
            "wrote behind the answer"
        );
        Ok(read_answer(version, &out[..got.total as usize]))
    }

    fn relinquish(&mut self, receiver: usize, handle: u64, flags: u32) -> Result<(), Error> {
        let bytes = relinquish_bytes(handle, flags, &[TABLE.partitions[receiver].id]);
        self.ledger.relinquish(&TABLE, receiver, &bytes, &mut self.ports)
    }

    fn reclaim(&mut self, handle: u64, flags: u32) -> Result<(), Error> {
        self.ledger.reclaim(0, handle, flags, &mut self.ports)
    }

    /// All that can be observed of the ledger and the windows, and that its invariants hold.
    fn state(&self) -> String {
        assert_eq!(self.ledger.check_invariants(&TABLE), Ok(()));
        let ledger = &self.ledger;
        let mut state = format!("{:?}\n", self.ports.mapped);
        for index in 0..11 {
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

/// Address of a page of the normal world.
fn page(number: u64) -> u64 {
    RAM + number * 4096
}
