//! A machine without hardware for the fuzzers: memory, windows, four cores, three partitions, two virtual machines.

use std::collections::{BTreeMap, BTreeSet};

use bulkhead_core::api::{Access, Action, Conduit, Context, Event, Note, Page, Ports, Regs, World};
use bulkhead_core::function as f;
use bulkhead_core::memory::{ranges, shares};
use bulkhead_core::quote::Taken;
use bulkhead_core::spmc::Spmc;
use bulkhead_core::table::{
    Board, Caller, Core, Image, Interrupt, Messages, OnFailure, Partition, Preemption, Range, Region, Rights,
    RootSecret, Table, Uuid, VirtualMachine,
};

/// IDs of the virtual machines.
pub const VMS: [u16; 2] = [3, 4];
/// IDs of the partitions: the normal world and virtual machine 3 call a, a both others, b c, c a; some of them
/// may not send every kind of message.
pub const IDS: [u16; 3] = [0x8001, 0x8002, 0x8005];
/// The normal world's memory.
pub const NORMAL: Range = Range {
    base: 0x4000_0000,
    size: 0x10_0000,
};

/// Base of a partition's memory.
pub const fn memory(index: usize) -> u64 {
    0x0e20_0000 + index as u64 * 0x10_0000
}

/// Where a virtual machine's TX buffer is; RX is the next page.
pub const fn buffers(vm: u16) -> u64 {
    NORMAL.base + NORMAL.size - 0x2000 * (vm as u64 - 2)
}

const fn region(index: usize) -> [Region; 1] {
    [Region {
        range: own(index),
        rights: Rights::ReadWriteExecute,
    }]
}

/// A caller that may have so many pages at a partition.
const fn upto(id: u16, pages: u32) -> Caller {
    Caller {
        pages,
        ..Caller::unlimited(id)
    }
}

static MEMORY: [[Region; 1]; 3] = [region(0), region(1), region(2)];

const fn own(index: usize) -> Range {
    Range {
        base: memory(index),
        size: 0x10_0000,
    }
}

const fn partition(name: &'static str, index: usize, cores: u64) -> Partition {
    let own = own(index);
    Partition {
        name,
        id: IDS[index],
        uuids: &[Uuid([7; 16])],
        properties: 0x7cf,
        image: Image {
            package_uuid: Uuid([1; 16]),
            package: own,
            sha256: [0; 32],
            size: 0x1000,
            load: own.base,
            entry: own.base,
            signed: None,
        },
        manifest: &[],
        memory: &MEMORY[index],
        cores,
        dedicated: false,
        devices: &[],
        interrupts: &[],
        quiesce: &[],
        window: Range {
            base: 0x4000_0000,
            size: 0x4_0000,
        },
        shares: 4,
        preemption: Preemption::ManagedExit { limit_us: 10_000 },
        callers: const { &[Caller::unlimited(0), Caller::unlimited(3)] },
        power_messages: 0,
        forwards: false,
        vgic: false,
        interrupts_queued: false,
        budget_us: 0,
        log_rate: 64 << 10,
        on_failure: OnFailure::Restart {
            limit: 1000,
            back_off_us: 1,
            within_us: 0,
            with_normal_world: false,
        },
        repeats: Some(5),
        continues: Some(6),
        key: false,
        inspects: false,
        quotes: false,
        copies: true,
    }
}

const fn sending(id: u16, messages: Messages, pages: u32) -> Caller {
    Caller { id, messages, pages }
}

static MACHINES: [VirtualMachine; 2] = [
    VirtualMachine {
        name: "large",
        id: VMS[0],
        contexts: 64,
    },
    VirtualMachine {
        name: "small",
        id: VMS[1],
        contexts: 2,
    },
];

const B: Partition = Partition {
    callers: &[
        sending(0, Messages::DIRECT.and(Messages::NOTIFICATIONS), u32::MAX),
        upto(IDS[0], 12),
    ],
    preemption: Preemption::AtOnce,
    interrupts: &[
        Interrupt {
            intid: 40,
            edge: false,
            core: 1,
        },
        Interrupt {
            intid: 25,
            edge: true,
            core: 0,
        },
    ],
    power_messages: 0b0001,
    forwards: true,
    ..partition("b", 1, 0b0011)
};

static PARTITIONS: [Partition; 3] = [
    Partition {
        callers: &[
            Caller::unlimited(0),
            Caller::unlimited(VMS[0]),
            sending(VMS[1], Messages::INDIRECT.and(Messages::NOTIFICATIONS), 0),
            upto(IDS[2], 6),
        ],
        power_messages: 0b1111,
        ..partition("a", 0, 0b1111)
    },
    B,
    Partition {
        callers: &[
            Caller::unlimited(IDS[0]),
            sending(IDS[1], Messages::DIRECT.and(Messages::DIRECT2), 3),
        ],
        ..partition("c", 2, 0b0111)
    },
];

const BOARD: Board = Board {
    name: "none",
    compatible: "none",
    device_tree: 0x4000_0000,
    cores: &[0, 1, 2, 3],
    boot_core: 0,
    secure: &[Range {
        base: 0x0e10_0000,
        size: 0xf0_0000,
    }],
    store: &[],
    counters: None,
    normal: &[NORMAL],
    gicd: 0,
    gicr: 0,
    gicr_stride: 0,
    log: bulkhead_core::table::Log::None,
    timer_intid: 20,
    interface_traps: true,
    schedule_receiver_intid: 8,
    root_secret: RootSecret::None,
};

/// The table.
pub static TABLE: Table = table();

const fn table() -> Table {
    Table {
        name: "fuzz",
        digest: [0xd1; 32],
        board: BOARD,
        hypervisor: Range {
            base: 0x0e10_0000,
            size: 0x10_0000,
        },
        spmc_id: 0x8000,
        partitions: &PARTITIONS,
        virtual_machines: &MACHINES,
        boot_order: &[1, 0, 2],
    }
}

/// Where the board of [`DRIVES`] has its distributor and redistributors.
pub const GICD: u64 = 0x0800_0000;
/// See [`GICD`].
pub const GICR: u64 = 0x080a_0000;

/// The same, but b drives a virtual GIC.
pub static DRIVES: Table = Table {
    board: Board {
        gicd: GICD,
        gicr: GICR,
        gicr_stride: 0x2_0000,
        ..BOARD
    },
    partitions: &[
        partition("a", 0, 0b1111),
        Partition { vgic: true, ..B },
        partition("c", 2, 0b0111),
    ],
    ..table()
};

/// Memory, and what stands in the partitions' windows: partition and slot to address.
#[derive(Default)]
pub struct Memory {
    pages: BTreeMap<(bool, u64), Box<[u8; 4096]>>,
    windows: BTreeMap<(usize, u32), u64>,
    /// Secure pages whose reach has changed for a partition, and whether it reaches them now.
    reach: BTreeMap<(usize, u64), bool>,
    /// Each look at the time takes a microsecond.
    pub time: u64,
    /// Where somebody keeps account of them: interrupts that came on a core and were not ended since.
    pub lines: Option<BTreeSet<(u32, Core)>>,
}

impl Memory {
    /// A page's bytes. Only memory that is somebody's may be touched.
    pub fn page(&mut self, page: Page) -> &mut [u8; 4096] {
        let secure = page.world == World::Secure;
        let ours = if secure {
            (0..3).any(|index| own(index).contains(page.address, 4096))
        } else {
            NORMAL.contains(page.address, 4096)
        };
        assert!(ours && page.address % 4096 == 0, "the policy touches {page:x?}");
        self.pages
            .entry((secure, page.address))
            .or_insert_with(|| Box::new([0; 4096]))
    }
}

impl Ports for Memory {
    fn read(&mut self, page: Page, offset: usize, into: &mut [u8]) {
        let end = offset + into.len();
        into.copy_from_slice(&self.page(page)[offset..end]);
    }
    fn write(&mut self, page: Page, offset: usize, from: &[u8]) {
        self.page(page)[offset..offset + from.len()].copy_from_slice(from);
    }
    fn map_window(&mut self, partition: usize, slot: u32, address: u64, count: u32, _: Access) {
        assert!(
            NORMAL.contains(address, u64::from(count) * 4096),
            "mapped memory of somebody else"
        );
        assert!(slot + count <= 64, "mapped outside the window");
        for n in 0..count {
            let before = self
                .windows
                .insert((partition, slot + n), address + u64::from(n) * 4096);
            assert!(before.is_none(), "mapped over what is mapped");
        }
    }
    fn unmap_window(&mut self, partition: usize, slot: u32, count: u32) {
        for n in 0..count {
            assert!(
                self.windows.remove(&(partition, slot + n)).is_some(),
                "unmapped what is not mapped"
            );
        }
    }
    fn set_secure(&mut self, partition: usize, address: u64, count: u32, rights: Option<Rights>) {
        for n in 0..u64::from(count) {
            let page = address + n * 4096;
            let home = (0..3).find(|index| own(*index).contains(page, 4096));
            let lends = |home: &usize| {
                let takes = |caller: &Caller| caller.id == IDS[*home] && caller.pages > 0;
                *home == partition || TABLE.partitions[partition].callers.iter().any(takes)
            };
            assert!(home.as_ref().is_some_and(lends), "there is no table for {page:x}");
            // What is not said here is as at the start: its owner's.
            let before = self.reach.insert((partition, page), rights.is_some());
            let before = before.unwrap_or(home == Some(partition));
            assert_ne!(before, rights.is_some(), "mapped or unmapped twice: {page:x}");
        }
    }
    fn clear(&mut self, world: World, address: u64, count: u32) {
        let size = u64::from(count) * 4096;
        let ours = match world {
            World::Normal => NORMAL.contains(address, size),
            World::Secure => (0..count).all(|n| {
                let page = address + u64::from(n) * 4096;
                (0..3).any(|index| own(index).contains(page, 4096))
            }),
        };
        assert!(ours, "cleared memory of somebody else");
    }
    fn quiesce(&mut self, _: usize) {}

    fn end_interrupt(&mut self, intid: u32, core: Core) {
        assert!(core < 4);
        if let Some(lines) = &mut self.lines {
            assert!(
                lines.remove(&(intid, core)),
                "{intid} is ended, and did not come on {core}"
            );
        }
    }

    fn disable_interrupt(&mut self, _: u32, core: Core) {
        assert!(core < 4);
    }
    fn now(&mut self) -> u64 {
        self.time += 1;
        self.time
    }
    fn schedule_receiver(&mut self, _: Option<bulkhead_core::table::Core>) {}
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
        self.now()
    }
    fn set_alarm(&mut self, _: Option<u64>) {}
    fn wake(&mut self, _: u32) {}

    fn restore(&mut self, _: usize, _: u32) -> bulkhead_core::api::Restored {
        bulkhead_core::api::Restored::Whole
    }

    fn call_core(&mut self, core: Core) {
        assert!(core < 4);
    }
    fn console(&mut self, _: usize, bytes: &[u8]) {
        assert!((1..=128).contains(&bytes.len()));
    }
    fn note(&mut self, _: Note) {}
}

/// Fewer ranges than a real ledger has, so that they run out: 128 in common, and those of callers with limits.
const RANGES: usize = ranges(&TABLE) - 4096 + 128;

/// A started machine.
pub struct Machine {
    spmc: Box<Spmc<3, 4, { shares(&TABLE) }, RANGES, 2>>,
    /// Its memory.
    pub memory: Memory,
    /// What runs on each core.
    pub runs: [Option<Context>; 4],
    /// The context or ticket that FFA_INTERRUPT or FFA_YIELD has named last.
    pub named: u64,
}

impl Default for Machine {
    fn default() -> Self {
        Self::new()
    }
}

impl Machine {
    /// All partitions wait on all their cores.
    pub fn new() -> Self {
        Self::of(&TABLE)
    }

    /// The same of one of the tables here.
    pub fn of(table: &'static Table) -> Self {
        let mut machine = Self {
            spmc: Box::new(Spmc::new(table)),
            memory: Memory::default(),
            runs: [None; 4],
            named: 0,
        };
        machine.step(0, Event::Boot);
        while let Some(context) = machine.runs[0] {
            let entry = memory(context.partition);
            machine.partition(0, &[f::SECONDARY_EP_REGISTER_64.into(), entry]);
            machine.partition(0, &[f::MSG_WAIT.into()]);
        }
        for core in 1..4 {
            machine.step(core, Event::CoreOn);
            while machine.runs[usize::from(core)].is_some() {
                machine.partition(core, &[f::MSG_WAIT.into()]);
            }
        }
        machine
    }

    /// All have buffers: TX first, then RX, in the first pages of the normal world's and each
    /// partition's memory; the normal world has a bitmap, and its virtual machines have both, too.
    pub fn ready(version: u64) -> Self {
        let mut machine = Self::new();
        machine.normal(0, &[f::VERSION.into(), version]);
        machine.normal(0, &[f::RXTX_MAP_64.into(), NORMAL.base, NORMAL.base + 0x1000, 1]);
        machine.normal(0, &[f::NOTIFICATION_BITMAP_CREATE.into(), 0, 4]);
        for vm in VMS {
            machine.register(vm, version);
            machine.normal(0, &[f::RXTX_MAP_64.into(), 0, 0, 0]);
            machine.normal(0, &[f::NOTIFICATION_BITMAP_CREATE.into(), vm.into(), 2]);
        }
        machine.normal(0, &[f::DIRECT_REQ_32.into(), IDS[0].into()]);
        machine.set_up(0, version);
        for index in 1..3 {
            let ends = u64::from(IDS[0]) << 16 | u64::from(IDS[index]);
            machine.partition(0, &[f::DIRECT_REQ_32.into(), ends]);
            machine.set_up(index, version);
            machine.partition(
                0,
                &[
                    f::DIRECT_RESP_32.into(),
                    ends.rotate_left(16) & 0xffff_0000 | u64::from(IDS[0]),
                ],
            );
        }
        assert!(machine.runs[0].is_some());
        machine.partition(0, &[f::DIRECT_RESP_32.into(), u64::from(IDS[0]) << 16]);
        assert!(machine.runs[0].is_none());
        machine
    }

    /// Writes into the hypervisor's TX buffer which buffers a virtual machine has.
    pub fn register(&mut self, vm: u16, version: u64) {
        let tx = buffers(vm);
        let mut words = [0u32; 20];
        let ranges = if version == 0x1_0000 {
            words[..3].copy_from_slice(&[vm.into(), 1, 1]);
            [3, 7]
        } else {
            words[..3].copy_from_slice(&[vm.into(), 16, 48]);
            for at in [4, 12] {
                (words[at], words[at + 1]) = (1, 1);
            }
            [8, 16]
        };
        for (at, address) in ranges.into_iter().zip([tx + 0x1000, tx]) {
            (words[at], words[at + 2]) = (address as u32, 1);
        }
        let page = self.memory.page(Page {
            world: World::Normal,
            address: NORMAL.base,
        });
        for (to, word) in page.chunks_exact_mut(4).zip(words) {
            to.copy_from_slice(&word.to_le_bytes());
        }
    }

    fn set_up(&mut self, index: usize, version: u64) {
        assert_eq!(self.runs[0].map(|c| c.partition), Some(index));
        self.partition(0, &[f::VERSION.into(), version]);
        self.partition(
            0,
            &[f::RXTX_MAP_64.into(), memory(index), memory(index) + 0x1000, 1],
        );
    }

    /// One event, and what is always true behind it.
    pub fn step(&mut self, core: Core, event: Event) -> Action {
        let action = self.spmc.step(core, event, &mut self.memory);
        self.spmc.settle(core);
        self.runs[usize::from(core)] = match action {
            Action::Run(run) => Some(run.context),
            Action::Idle => None,
            Action::Normal(regs) => {
                if [f::INTERRUPT.into(), f::YIELD.into()].contains(&regs.0[0]) {
                    self.named = regs.0[1];
                }
                None
            }
            Action::Halt(partition) => panic!("halted for {partition}"),
        };
        for (n, one) in self.runs.iter().enumerate() {
            let twice = one.is_some() && self.runs[n + 1..].contains(one);
            assert!(!twice, "{one:?} runs on two cores");
        }
        if let Err(broken) = self.spmc.check_invariants() {
            panic!("{broken}");
        }
        action
    }

    /// A call of the normal world.
    pub fn normal(&mut self, core: Core, regs: &[u64]) -> Action {
        self.step(core, Event::Normal(Regs::new(regs)))
    }

    /// A call of the partition that runs on a core.
    pub fn partition(&mut self, core: Core, regs: &[u64]) -> Action {
        self.step(core, Event::Call(Conduit::Smc, Regs::new(regs)))
    }

    /// A call of whoever has a core.
    pub fn call(&mut self, core: Core, regs: &[u64]) -> Action {
        match self.runs[usize::from(core)] {
            None => self.normal(core, regs),
            Some(_) => self.partition(core, regs),
        }
    }
}

/// Reads a fuzzer's bytes one by one; behind the last one are zeros.
pub struct Source<'a>(pub &'a [u8]);

impl Source<'_> {
    /// Whether bytes are left.
    pub fn more(&self) -> bool {
        !self.0.is_empty()
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    /// The next value: one of those that matter, or any.
    pub fn value(&mut self) -> u64 {
        const KNOWN: [u64; 32] = [
            0,
            1,
            2,
            3,
            4,
            5,
            8,
            16,
            18,
            25,
            40,
            64,
            80,
            // What the SPMD and the SPMC tell each other.
            0xffff_8000,
            112,
            128,
            4096,
            4097,
            0x1_0000,
            0x1_0001,
            0x1_0002,
            0x8000_0000,
            0x8000_0004,
            0x8000_0006,
            0xffff_ffff,
            u64::MAX,
            NORMAL.base,
            NORMAL.base + 0x1000,
            NORMAL.base + 0x8000,
            memory(0),
            memory(1),
            memory(1) + 0x1000,
        ];
        const ENDS: [u64; 8] = [0, 1, 3, 4, 0x8001, 0x8002, 0x8005, 0x8000];
        match self.byte() {
            n @ 0..0x60 => KNOWN[usize::from(n) % 32],
            n @ 0x60..0xa0 => ENDS[usize::from(n) / 8 % 8] << 16 | ENDS[usize::from(n) % 8],
            // An execution context, or a ticket.
            n @ 0xa0..0xc0 => ENDS[usize::from(n) / 4 % 8] << 16 | u64::from(n % 4),
            n @ 0xc0..0xe0 => {
                0x4000 | ENDS[4 + usize::from(n) % 3] << 16 | u64::from(self.byte()) << 4 | u64::from(n & 7)
            }
            n => (0..n & 7).fold(u64::from(self.byte()), |value, _| {
                value << 8 | u64::from(self.byte())
            }),
        }
    }
}
