//! The table of these tests.

use crate::table::{
    Board, Caller, Device, Image, Interrupt, Log, Messages, OnFailure, Partition, Preemption, Range, Region,
    Rights, RootSecret, Signed, Table, Uuid, VirtualMachine,
};

/// A protocol that two partitions speak.
pub const COMMON: Uuid = Uuid([
    0x48, 0x61, 0x78, 0xe0, 0xe7, 0xf8, 0x11, 0xe3, 0xbc, 0x5e, 0x00, 0x02, 0xa5, 0xd5, 0xc5, 0x1b,
]);
pub const OWN_B: Uuid = Uuid([0xb; 16]);
pub const OWN_C: Uuid = Uuid([0xc; 16]);

/// Managed exit, all cores, all properties.
pub const A: u16 = 0x8001;
/// Preempted at once, all cores, owns interrupts 40 (core 1) and 25 (each core).
pub const B: u16 = 0x8002;
/// For A only, on the boot core only; its ID leaves a gap.
pub const C: u16 = 0x8005;

/// Base of each partition's memory, of 1 MiB.
pub const fn memory(index: usize) -> u64 {
    0x0e20_0000 + index as u64 * 0x10_0000
}

/// The normal world's memory.
pub const NORMAL: Range = Range {
    base: 0x4000_0000,
    size: 0x100_0000,
};

const fn region(base: u64, size: u64, rights: Rights) -> Region {
    Region {
        range: Range { base, size },
        rights,
    }
}

static MEMORY_A: [Region; 1] = [region(memory(0), 0x10_0000, Rights::ReadWriteExecute)];
static MEMORY_B: [Region; 2] = [
    region(memory(1), 0x8_0000, Rights::ReadWriteExecute),
    region(memory(1) + 0x8_0000, 0x8_0000, Rights::ReadWrite),
];
static MEMORY_C: [Region; 1] = [region(memory(2), 0x10_0000, Rights::ReadWriteExecute)];

const fn regions(index: usize) -> &'static [Region] {
    match index {
        0 => &MEMORY_A,
        1 => &MEMORY_B,
        _ => &MEMORY_C,
    }
}

const fn partition(name: &'static str, id: u16, index: usize, cores: u64) -> Partition {
    Partition {
        name,
        id,
        uuids: &[COMMON],
        properties: 0x70b,
        dedicated: false,
        image: Image {
            package_uuid: Uuid([1; 16]),
            package: Range {
                base: memory(index) + 0x4_0000,
                size: 0x1_0000,
            },
            sha256: [0; 32],
            size: 0x1000,
            load: memory(index),
            entry: memory(index),
            signed: None,
        },
        manifest: &[0xd0, 0x0d, 0xfe, 0xed, 0, 0, 0, 8],
        memory: regions(index),
        cores,
        devices: &[],
        interrupts: &[],
        window: Range {
            base: 0x4000_0000,
            size: 0x20_0000,
        },
        shares: 4,
        preemption: Preemption::AtOnce,
        callers: const { &[Caller::unlimited(0)] },
        power_messages: 0,
        forwards: false,
        vgic: false,
        interrupts_queued: false,
        budget_us: 0,
        log_rate: 1_000,
        quiesce: &[],
        on_failure: OnFailure::Stop,
        repeats: None,
        continues: None,
        key: false,
        inspects: false,
        quotes: false,
        copies: false,
    }
}

/// A device of A's.
pub const DEVICE: Device = Device {
    name: "device",
    range: Range {
        base: 0x0904_0000,
        size: 0x1000,
    },
};

static PARTITIONS: [Partition; 3] = [
    Partition {
        preemption: Preemption::ManagedExit { limit_us: 10_000 },
        key: true,
        inspects: true,
        quotes: true,
        copies: true,
        devices: const { &[DEVICE] },
        ..partition("a", A, 0, 0b1111)
    },
    Partition {
        uuids: &[COMMON, OWN_B],
        properties: 0x101,
        interrupts: &INTERRUPTS,
        ..partition("b", B, 1, 0b1111)
    },
    Partition {
        uuids: &[OWN_C],
        callers: &[Caller::unlimited(A)],
        ..partition("c", C, 2, 0b0001)
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
    log: Log::None,
    timer_intid: 20,
    interface_traps: true,
    schedule_receiver_intid: 8,
    root_secret: RootSecret::None,
};

/// Where the board of `GIC` has its distributor and redistributors.
pub const GICD: u64 = 0x0800_0000;
pub const GICR: u64 = 0x080a_0000;

/// b drives a virtual GIC, with interrupts 40 (core 1), 220 (core 0) and 25 (each core); a and c make calls.
pub static GIC: Table = Table {
    name: "gic",
    board: Board {
        gicd: GICD,
        gicr: GICR,
        gicr_stride: 0x2_0000,
        ..BOARD
    },
    partitions: &DRIVES,
    hypervisor: TABLE.hypervisor,
    spmc_id: 0x8000,
    virtual_machines: &[],
    boot_order: &[1, 0, 2],
    digest: [0xd1; 32],
};

static DRIVES: [Partition; 3] = [
    partition("a", A, 0, 0b1111),
    Partition {
        vgic: true,
        interrupts: &SHOWN,
        ..partition("b", B, 1, 0b1111)
    },
    Partition {
        vgic: true,
        preemption: Preemption::ManagedExit { limit_us: 10_000 },
        ..partition("c", C, 2, 0b1111)
    },
];

static SHOWN: [Interrupt; 3] = [
    INTERRUPTS[0],
    Interrupt {
        intid: 220,
        edge: true,
        core: 0,
    },
    INTERRUPTS[1],
];

const INTERRUPTS: [Interrupt; 2] = [
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
];

/// Four cores, three partitions; b starts first.
pub static TABLE: Table = Table {
    name: "test",
    digest: [0xd1; 32],
    board: BOARD,
    hypervisor: Range {
        base: 0x0e10_0000,
        size: 0x10_0000,
    },
    spmc_id: 0x8000,
    partitions: &PARTITIONS,
    virtual_machines: &[],
    boot_order: &[1, 0, 2],
};

/// Partitions that call each other in a circle: the normal world a, a both others, b c, c a.
pub static CHAINS: Table = Table {
    name: "chains",
    digest: [0xd1; 32],
    partitions: &CALLERS,
    board: BOARD,
    hypervisor: TABLE.hypervisor,
    spmc_id: 0x8000,
    virtual_machines: &MACHINES,
    boot_order: &[1, 0, 2],
};

/// Partitions that interrupts of the normal world wait for: a is told of them, b and c are not, and c for the shortest
/// time. Those of b wait for the others. The normal world calls all, a the others, b c, c a.
pub static QUEUES: Table = Table {
    name: "queues",
    digest: [0xd1; 32],
    partitions: &QUEUED,
    board: BOARD,
    hypervisor: TABLE.hypervisor,
    spmc_id: 0x8000,
    virtual_machines: &[],
    boot_order: &[1, 0, 2],
};

static QUEUED: [Partition; 3] = [
    Partition {
        preemption: Preemption::ManagedExit { limit_us: 10_000 },
        callers: &[Caller::unlimited(0), Caller::unlimited(C)],
        ..partition("a", A, 0, 0b1111)
    },
    Partition {
        preemption: Preemption::Queued { limit_us: 3_000 },
        interrupts: &INTERRUPTS,
        interrupts_queued: true,
        callers: &[Caller::unlimited(0), Caller::unlimited(A)],
        ..partition("b", B, 1, 0b1111)
    },
    Partition {
        preemption: Preemption::Queued { limit_us: 2_000 },
        callers: &[Caller::unlimited(0), Caller::unlimited(A), Caller::unlimited(B)],
        ..partition("c", C, 2, 0b0111)
    },
];

/// Partitions that do not list every core: a and b ask for forwarding, c does not. Any may call those behind
/// it, and the normal world all.
pub static FORWARDING: Table = Table {
    name: "forwarding",
    digest: [0xd1; 32],
    partitions: &LISTED,
    board: BOARD,
    hypervisor: TABLE.hypervisor,
    spmc_id: 0x8000,
    virtual_machines: &[],
    boot_order: &[1, 0, 2],
};

/// Partitions of which each may call each other one: b on two cores, with interrupts of its own, forwarding and
/// power messages.
pub static RUNTIME: Table = Table {
    name: "runtime",
    digest: [0xd1; 32],
    partitions: &ALL,
    board: BOARD,
    hypervisor: TABLE.hypervisor,
    spmc_id: 0x8000,
    virtual_machines: &[],
    boot_order: &[1, 0, 2],
};

const EVERYBODY: &[Caller] = &[
    Caller::unlimited(0),
    Caller::unlimited(A),
    Caller::unlimited(B),
    Caller::unlimited(C),
];

static ALL: [Partition; 3] = [
    Partition {
        callers: EVERYBODY,
        ..partition("a", A, 0, 0b1111)
    },
    Partition {
        callers: EVERYBODY,
        interrupts: &INTERRUPTS,
        power_messages: 0b0001,
        forwards: true,
        ..partition("b", B, 1, 0b0011)
    },
    Partition {
        callers: EVERYBODY,
        ..partition("c", C, 2, 0b1111)
    },
];

/// A called partition on three cores, and one whose own the others are, with an interrupt on each: a may notify it,
/// as the normal world may.
pub static OWN_CORES: Table = Table {
    name: "own-cores",
    partitions: &OWNERS,
    board: BOARD,
    hypervisor: TABLE.hypervisor,
    spmc_id: 0x8000,
    virtual_machines: &[],
    digest: TABLE.digest,
    boot_order: &[0, 1],
};

/// As `TABLE`, but that the packages of b and c are signed by their vendors.
pub static PACKAGES: Table = Table {
    name: "packages",
    partitions: &[
        Partition {
            inspects: true,
            quotes: true,
            ..partition("a", A, 0, 0b1111)
        },
        signed("b", B, 1),
        signed("c", C, 2),
    ],
    board: BOARD,
    hypervisor: TABLE.hypervisor,
    spmc_id: 0x8000,
    virtual_machines: &MACHINES,
    digest: TABLE.digest,
    boot_order: &[0, 1, 2],
};

const fn signed(name: &'static str, id: u16, index: usize) -> Partition {
    let partition = partition(name, id, index, 0b1111);
    Partition {
        image: Image {
            signed: Some(Signed {
                key: [3; 32],
                second: None,
                counted: false,
            }),
            ..partition.image
        },
        ..partition
    }
}

/// As `OWN_CORES`, but that the one with its own cores has one, and is restarted when it fails.
pub static MENDED: Table = Table {
    name: "mended",
    partitions: &OWNER_IS_MENDED,
    board: BOARD,
    hypervisor: TABLE.hypervisor,
    spmc_id: 0x8000,
    virtual_machines: &[],
    digest: TABLE.digest,
    boot_order: &[0, 1],
};

static OWNER_IS_MENDED: [Partition; 2] = [
    partition("a", A, 0, 0b0011),
    Partition {
        dedicated: true,
        on_failure: OnFailure::Restart {
            limit: 3,
            back_off_us: BACK_OFF,
            within_us: 0,
            with_normal_world: false,
        },
        ..partition("b", B, 1, 0b0100)
    },
];

static OWNERS: [Partition; 2] = [
    Partition {
        callers: &[Caller::unlimited(0), Caller::unlimited(B)],
        ..partition("a", A, 0, 0b0011)
    },
    Partition {
        dedicated: true,
        callers: &[Caller::unlimited(0), Caller::unlimited(A)],
        interrupts: &[Interrupt {
            intid: 25,
            edge: false,
            core: 2,
        }],
        ..partition("b", B, 1, 0b1100)
    },
];

/// Partitions that hear of power events: a of all but the return from a suspension, b of cores that go off
/// and of that return, c of none. Otherwise as in `CHAINS`, but that the normal world calls all.
pub static POWER: Table = Table {
    name: "power",
    digest: [0xd1; 32],
    partitions: &TOLD,
    board: BOARD,
    hypervisor: TABLE.hypervisor,
    spmc_id: 0x8000,
    virtual_machines: &[],
    boot_order: &[1, 0, 2],
};

static TOLD: [Partition; 3] = [
    Partition {
        preemption: Preemption::ManagedExit { limit_us: 10_000 },
        power_messages: 0b1011,
        ..partition("a", A, 0, 0b1111)
    },
    Partition {
        interrupts: &INTERRUPTS,
        callers: &[Caller::unlimited(0), Caller::unlimited(A)],
        power_messages: 0b0101,
        ..partition("b", B, 1, 0b1111)
    },
    Partition {
        callers: &[Caller::unlimited(0), Caller::unlimited(A), Caller::unlimited(B)],
        ..partition("c", C, 2, 0b0111)
    },
];

static LISTED: [Partition; 3] = [
    Partition {
        preemption: Preemption::ManagedExit { limit_us: 10_000 },
        repeats: Some(REPEATED),
        forwards: true,
        ..partition("a", A, 0, 0b0011)
    },
    Partition {
        interrupts: &INTERRUPTS,
        callers: &[Caller::unlimited(0), Caller::unlimited(A)],
        forwards: true,
        ..partition("b", B, 1, 0b0111)
    },
    Partition {
        callers: &[Caller::unlimited(0), Caller::unlimited(A), Caller::unlimited(B)],
        ..partition("c", C, 2, 0b0011)
    },
];

/// Partitions that are restarted: a twice, c often. A failure of b halts the machine. The normal world calls all, a
/// both others and b c; a and c take each other's memory.
pub static RESTARTS: Table = Table {
    name: "restarts",
    digest: [0xd1; 32],
    partitions: &FAILING,
    board: BOARD,
    hypervisor: TABLE.hypervisor,
    spmc_id: 0x8000,
    virtual_machines: &[],
    boot_order: &[1, 0, 2],
};

/// As [`RESTARTS`], and all come back for ever.
pub static MORTAL: Table = Table {
    name: "mortal",
    digest: [0xd1; 32],
    partitions: &DYING,
    board: BOARD,
    hypervisor: TABLE.hypervisor,
    spmc_id: 0x8000,
    virtual_machines: &[],
    boot_order: &[1, 0, 2],
};

static DYING: [Partition; 3] = {
    const OFTEN: OnFailure = OnFailure::Restart {
        limit: u32::MAX,
        back_off_us: BACK_OFF,
        within_us: 1,
        with_normal_world: false,
    };
    failing([OFTEN; 3])
};

/// A and c are restarted with the normal world, each after a failure, too; b goes on, and all of them may be called by a.
pub static RENEWED: Table = Table {
    name: "renewed",
    partitions: &WITH_NORMAL_WORLD,
    board: BOARD,
    hypervisor: TABLE.hypervisor,
    spmc_id: 0x8000,
    virtual_machines: &[],
    digest: TABLE.digest,
    boot_order: &[0, 1, 2],
};

/// How a request begins that c's next instance is given again.
pub const REPEATED: u32 = 0x5e7;
/// How one begins that goes on with what c has not finished.
pub const CONTINUED: u32 = 0x5e8;

const WITH: OnFailure = OnFailure::Restart {
    limit: 1,
    back_off_us: BACK_OFF,
    within_us: 0,
    with_normal_world: true,
};

static WITH_NORMAL_WORLD: [Partition; 3] = [
    Partition {
        on_failure: WITH,
        ..partition("a", A, 0, 0b1111)
    },
    Partition {
        callers: &[Caller::unlimited(0), Caller::unlimited(A)],
        ..partition("b", B, 1, 0b1111)
    },
    Partition {
        callers: &[Caller::unlimited(0), Caller::unlimited(A)],
        on_failure: WITH,
        repeats: Some(REPEATED),
        continues: Some(CONTINUED),
        ..partition("c", C, 2, 0b1111)
    },
];

/// The time that a call of the normal world may take at a and c, in microseconds.
pub const BUDGET: u32 = 50_000;

/// How long a and c rest before their first restart, in microseconds.
pub const BACK_OFF: u32 = 5_000;
/// Failures of the first partition of [`RESTARTS`] that are further apart count by themselves, in microseconds.
pub const WITHIN: u32 = 60_000_000;

static FAILING: [Partition; 3] = failing([
    OnFailure::Restart {
        limit: 2,
        back_off_us: BACK_OFF,
        within_us: WITHIN,
        with_normal_world: false,
    },
    OnFailure::Halt,
    OnFailure::Restart {
        limit: 1000,
        back_off_us: BACK_OFF,
        within_us: 0,
        with_normal_world: false,
    },
]);

const fn failing([a, b, c]: [OnFailure; 3]) -> [Partition; 3] {
    [
        Partition {
            properties: 0x7cf,
            preemption: Preemption::ManagedExit { limit_us: 10_000 },
            interrupts: &INTERRUPTS,
            callers: const { &[Caller::unlimited(0), caller(C, Messages::NOTIFICATIONS, 64)] },
            budget_us: BUDGET,
            on_failure: a,
            ..partition("a", A, 0, 0b1111)
        },
        Partition {
            callers: const { &[Caller::unlimited(0), Caller::unlimited(A)] },
            on_failure: b,
            ..partition("b", B, 1, 0b1111)
        },
        Partition {
            properties: 0x7cf,
            callers: const { &[Caller::unlimited(0), Caller::unlimited(A), Caller::unlimited(B)] },
            forwards: true,
            budget_us: BUDGET,
            on_failure: c,
            ..partition("c", C, 2, 0b0011)
        },
    ]
}

static CALLERS: [Partition; 3] = [
    Partition {
        preemption: Preemption::ManagedExit { limit_us: 10_000 },
        properties: 0x7cf,
        callers: &[Caller::unlimited(0), Caller::unlimited(3), Caller::unlimited(C)],
        ..partition("a", A, 0, 0b1111)
    },
    Partition {
        interrupts: &INTERRUPTS,
        callers: &[Caller::unlimited(A)],
        ..partition("b", B, 1, 0b1111)
    },
    Partition {
        preemption: Preemption::ManagedExit { limit_us: 20_000 },
        properties: 0x70f,
        callers: &[Caller::unlimited(A), Caller::unlimited(B)],
        ..partition("c", C, 2, 0b0111)
    },
];

/// A virtual machine with as many contexts as there can be.
pub const VM: u16 = 3;
/// Another one, with two.
pub const SMALL: u16 = 4;

static MACHINES: [VirtualMachine; 2] = [
    VirtualMachine {
        name: "payment",
        id: VM,
        contexts: 64,
    },
    VirtualMachine {
        name: "small",
        id: SMALL,
        contexts: 2,
    },
];

/// Callers that may not send everything: virtual machine 3 calls a, a b, b c.
pub static POLICY: Table = Table {
    name: "policy",
    digest: [0xd1; 32],
    partitions: &LIMITED,
    board: BOARD,
    hypervisor: TABLE.hypervisor,
    spmc_id: 0x8000,
    virtual_machines: &MACHINES,
    boot_order: &[1, 0, 2],
};

const fn caller(id: u16, messages: Messages, pages: u32) -> Caller {
    Caller { id, messages, pages }
}

/// a takes all; b takes neither notifications nor direct messages of 1.2; c all, and hears of machines that are
/// created, but not destroyed.
static LIMITED: [Partition; 3] = [
    Partition {
        preemption: Preemption::ManagedExit { limit_us: 10_000 },
        properties: 0x7cf,
        callers: &[
            caller(0, Messages::NONE, u32::MAX),
            caller(VM, Messages::DIRECT.and(Messages::NOTIFICATIONS), 16),
            caller(SMALL, Messages::INDIRECT.and(Messages::NOTIFICATIONS), 0),
            caller(C, Messages::DIRECT2, 0),
        ],
        ..partition("a", A, 0, 0b1111)
    },
    Partition {
        interrupts: &INTERRUPTS,
        properties: 0x5c7,
        callers: &[
            caller(0, Messages::INDIRECT, 0),
            caller(VM, Messages::ALL, 0),
            caller(A, Messages::DIRECT, 8),
        ],
        ..partition("b", B, 1, 0b1111)
    },
    Partition {
        preemption: Preemption::ManagedExit { limit_us: 20_000 },
        properties: 0x74f,
        callers: &[
            caller(0, Messages::NONE, 0),
            caller(A, Messages::NOTIFICATIONS, 8),
            caller(B, Messages::DIRECT.and(Messages::INDIRECT), 0),
        ],
        ..partition("c", C, 2, 0b0111)
    },
];
