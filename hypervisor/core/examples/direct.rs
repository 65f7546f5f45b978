//! Makes direct requests and their answers, for counting what a pair costs in the policy:
//! `valgrind --tool=callgrind target/release/examples/direct 100000`; the share of `Spmc::step`.

use std::hint::black_box;

use bulkhead_core::api::{Access, Action, Conduit, Event, Note, Page, Ports, Regs, World};
use bulkhead_core::function as f;
use bulkhead_core::quote::Taken;
use bulkhead_core::spmc::Spmc;
use bulkhead_core::table::{
    Board, Caller, Core, Image, OnFailure, Partition, Preemption, Range, Region, Rights, RootSecret, Table,
    Uuid,
};

const ID: u64 = 0x8001;
const NORMAL: Range = Range {
    base: 0x4000_0000,
    size: 0x100_0000,
};
const SECURE: Range = Range {
    base: 0x0e10_0000,
    size: 0xf0_0000,
};

static TABLE: Table = Table {
    name: "one",
    digest: [0xd1; 32],
    board: Board {
        name: "none",
        compatible: "none",
        device_tree: 0,
        cores: &[0],
        boot_core: 0,
        secure: &[SECURE],
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
    },
    hypervisor: SECURE,
    spmc_id: 0x8000,
    partitions: &[Partition {
        name: "a",
        id: ID as u16,
        uuids: &[Uuid([1; 16])],
        properties: 0x101,
        image: Image {
            package_uuid: Uuid([1; 16]),
            package: SECURE,
            sha256: [0; 32],
            size: 0x1000,
            load: 0x0e20_4000,
            entry: 0x0e20_4000,
            signed: None,
        },
        manifest: &[],
        memory: &[Region {
            range: Range {
                base: 0x0e20_0000,
                size: 0x10_0000,
            },
            rights: Rights::ReadWriteExecute,
        }],
        cores: 1,
        dedicated: false,
        devices: &[],
        interrupts: &[],
        quiesce: &[],
        window: Range {
            base: 0x4000_0000,
            size: 0x20_0000,
        },
        shares: 4,
        preemption: Preemption::ManagedExit { limit_us: 10_000 },
        callers: &[Caller::unlimited(0)],
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
    }],
    virtual_machines: &[],
    boot_order: &[0],
};

/// A machine that is not there.
struct Nothing;

impl Ports for Nothing {
    fn read(&mut self, _: Page, _: usize, _: &mut [u8]) {}
    fn write(&mut self, _: Page, _: usize, _: &[u8]) {}
    fn map_window(&mut self, _: usize, _: u32, _: u64, _: u32, _: Access) {}
    fn unmap_window(&mut self, _: usize, _: u32, _: u32) {}
    fn set_secure(&mut self, _: usize, _: u64, _: u32, _: Option<Rights>) {}
    fn clear(&mut self, _: World, _: u64, _: u32) {}
    fn quiesce(&mut self, _: usize) {}

    fn end_interrupt(&mut self, _: u32, _: Core) {}
    fn disable_interrupt(&mut self, _: u32, _: Core) {}
    fn now(&mut self) -> u64 {
        0
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
        0
    }
    fn set_alarm(&mut self, _: Option<u64>) {}
    fn wake(&mut self, _: u32) {}

    fn restore(&mut self, _: usize, _: u32) -> bulkhead_core::api::Restored {
        bulkhead_core::api::Restored::Whole
    }

    fn call_core(&mut self, _: Core) {}
    fn console(&mut self, _: usize, _: &[u8]) {}
    fn note(&mut self, _: Note) {}
}

static SPMC: Spmc<1, 1, 4, 64, 0> = Spmc::new(&TABLE);

#[inline(never)]
fn step(core: Core, event: Event) -> Action {
    let action = SPMC.step(core, event, &mut Nothing);
    SPMC.settle(core);
    action
}

fn main() {
    let pairs: u64 = std::env::args()
        .nth(1)
        .map_or(1, |n| n.parse().expect("a number of pairs"));
    step(0, Event::Boot);
    step(0, Event::Call(Conduit::Smc, Regs::new(&[u64::from(f::MSG_WAIT)])));
    let request = Regs::new(&[u64::from(f::DIRECT_REQ_64), ID, 0, 1, 2, 3, 4, 5]);
    let response = Regs::new(&[u64::from(f::DIRECT_RESP_64), ID << 16, 0, 1, 2, 3, 4, 5]);
    for _ in 0..pairs {
        black_box(step(0, Event::Normal(black_box(request))));
        black_box(step(0, Event::Call(Conduit::Smc, black_box(response))));
    }
}
