//! The hypervisor's static table as Rust source: const data that asserts its own invariants.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::board::{Board, Kind, Secret, TEST_SECRET};
use crate::draft::{Action, Delivery, Failure, Message, Rights, Tee};
use crate::model::{Caller, LOG_RATE, OnFailure, Partition, Preemption, Range, SPMC_ID, System};

use super::place::Placed;

/// `OPTEE_FFA_YIELDING_CALL_RESUME` of OP-TEE's protocol: its driver has done what a thread waited for.
const RESUME: u32 = 0x8000_0001;

/// Asserts about `TABLE`, the same for every system.
const ASSERTIONS: &str = include_str!("assertions.rs");

/// The source of `table.rs`, and the digest of the system that it describes: SHA-256 of the value of its `TABLE` without
/// the digest itself. It covers all that the hypervisor knows, and not where the table's file lies.
pub fn table(system: &System, placed: &[Placed<'_>]) -> (String, [u8; 32]) {
    let mut out = format!(
        "// Made by bulkhead-configs from {}. Do not edit: edit the table.\n\n",
        system.table.display()
    );
    constant(
        &mut out,
        "Cores of the board.",
        "CORES: usize",
        &system.board.cores.len().to_string(),
    );
    constant(
        &mut out,
        "Partitions of the table.",
        "PARTITIONS: usize",
        &system.partitions.len().to_string(),
    );
    constant(
        &mut out,
        "Shares of all partitions together.",
        "SHARES: usize",
        &system.shares().to_string(),
    );
    constant(
        &mut out,
        "Virtual machines of the normal world.",
        "VIRTUAL_MACHINES: usize",
        &system.machines.len().to_string(),
    );
    let pages = system.window_pages().to_string();
    constant(
        &mut out,
        "4 KiB pages of all windows together.",
        "WINDOW_PAGES: usize",
        &pages,
    );
    let quotes = system.partitions.iter().any(|partition| partition.quotes);
    constant(
        &mut out,
        "Whether a partition may have the measurements of the start signed.",
        "QUOTES: bool",
        &quotes.to_string(),
    );
    let signed = || {
        system
            .partitions
            .iter()
            .filter_map(|partition| partition.image.signed)
    };
    constant(
        &mut out,
        "Whether a package is signed by its vendor.",
        "SIGNED: bool",
        &signed().next().is_some().to_string(),
    );
    constant(
        &mut out,
        "Whether packages are read from the store, and none is left by the boot loader.",
        "STORED: bool",
        &system.trusted_boot.to_string(),
    );
    constant(
        &mut out,
        "Whether versions are counted.",
        "COUNTED: bool",
        &signed().any(|signed| signed.counted).to_string(),
    );
    let partitions: String = placed.iter().map(|placed| partition(system, placed)).collect();
    let machines: Vec<String> = (system.machines.iter())
        .map(|machine| {
            format!(
                "VirtualMachine {{ name: {:?}, id: {:#06x}, contexts: {} }}",
                machine.name, machine.id, machine.contexts
            )
        })
        .collect();
    let order: Vec<String> = system.boot_order.iter().map(ToString::to_string).collect();
    let fields = format!(
        "board: {board},\n        \
         hypervisor: {hypervisor},\n        spmc_id: {SPMC_ID:#06x},\n        partitions: &[{partitions}\n        ],\n        \
         virtual_machines: &[{machines}],\n        \
         boot_order: &[{order}],",
        board = board(&system.board),
        hypervisor = range(system.hypervisor),
        machines = machines.join(", "),
        order = order.join(", "),
    );
    let named = format!("name: {:?},\n        {fields}", system.name);
    let digest: [u8; 32] = Sha256::digest(&named).into();
    let _ = write!(
        out,
        "\n/// The system `{name}`.\npub static TABLE: bulkhead_core::table::Table = {{\n    \
         use bulkhead_core::table::*;\n    Table {{\n        digest: {digest},\n        {named}\n    }}\n}};\n\n{ASSERTIONS}",
        name = system.name,
        digest = bytes(&digest),
    );
    (out, digest)
}

fn constant(out: &mut String, doc: &str, name: &str, value: &str) {
    let _ = writeln!(out, "/// {doc}\npub const {name} = {value};");
}

fn range(range: Range) -> String {
    format!("Range {{ base: {:#x}, size: {:#x} }}", range.base, range.size)
}

fn ranges(all: impl Iterator<Item = Range>) -> String {
    format!("&[{}]", all.map(range).collect::<Vec<_>>().join(", "))
}

fn bytes(bytes: &[u8]) -> String {
    let mut out = String::from("[");
    for (index, byte) in bytes.iter().enumerate() {
        out.push_str(if index % 20 == 0 {
            "\n                    "
        } else {
            " "
        });
        let _ = write!(out, "{byte:#04x},");
    }
    out.push_str("\n                ]");
    out
}

fn uuid(uuid: &[u8; 16]) -> String {
    let bytes: Vec<String> = uuid.iter().map(|byte| format!("{byte:#04x}")).collect();
    format!("Uuid([{}])", bytes.join(", "))
}

fn board(board: &Board) -> String {
    let cores: Vec<String> = board
        .cores
        .iter()
        .map(|core| format!("{:#x}", core.mpidr))
        .collect();
    format!(
        "Board {{\n            name: {:?},\n            compatible: {:?},\n            device_tree: {:#x},\n            cores: &[{}],\n            \
         boot_core: {},\n            secure: {},\n            store: {},\n            counters: {},\n            normal: {},\n            gicd: {:#x},\n            \
         gicr: {:#x},\n            gicr_stride: {:#x},\n            interface_traps: {},\n            log: {},\n            timer_intid: {},\n            \
         root_secret: {},\n            schedule_receiver_intid: {},\n        }}",
        board.name,
        board.compatible,
        board.device_tree,
        cores.join(", "),
        board.boot_core,
        ranges(board.ranges(Kind::Secure)),
        ranges(board.ranges(Kind::Store)),
        board.counters().map_or_else(
            || "None".to_owned(),
            |counters| format!("Some({})", range(counters))
        ),
        ranges(board.ranges(Kind::Normal)),
        board.gic.distributor,
        board.gic.redistributor,
        board.gic.stride,
        board.gic.interface_traps,
        log(board),
        // Nothing is built for a board without one (BH090).
        board.timer_intid.unwrap_or(0),
        root_secret(board.secret),
        board.schedule_receiver,
    )
}

fn log(board: &Board) -> String {
    match board.log() {
        None => "Log::None".to_owned(),
        Some((device, false)) => format!("Log::Own({:#x})", device.range.base),
        Some((device, true)) => format!("Log::Shared({:#x})", device.range.base),
    }
}

/// Where partitions' keys come from. A table that needs a secret of the hardware's is not built (BH090).
fn root_secret(secret: Secret) -> String {
    match secret {
        Secret::Test => format!("RootSecret::Test(b{TEST_SECRET:?})"),
        Secret::None | Secret::Hardware => "RootSecret::None".to_owned(),
    }
}

/// What happens when a partition fails.
fn on_failure(policy: OnFailure) -> String {
    match policy {
        OnFailure::Word(Failure::Stop) => "OnFailure::Stop".to_owned(),
        OnFailure::Word(Failure::Halt) => "OnFailure::Halt".to_owned(),
        OnFailure::Restart {
            limit,
            back_off_us,
            within_us,
            with_normal_world,
            ..
        } => {
            let within = within_us.unwrap_or(0);
            format!(
                "OnFailure::Restart {{ limit: {limit}, back_off_us: {back_off_us}, within_us: {within}, \
                 with_normal_world: {with_normal_world} }}"
            )
        }
    }
}

/// The request that its next instance is given again.
fn repeats(policy: OnFailure) -> String {
    match policy {
        OnFailure::Restart {
            repeats: Some(word), ..
        } => format!("Some({word:#x})"),
        _ => "None".to_owned(),
    }
}

/// The request by which its driver goes on with an earlier one, where a new instance may follow.
fn continues(partition: &Partition) -> String {
    match (partition.tee, partition.on_failure) {
        (Tee::Optee, OnFailure::Restart { .. }) => format!("Some({RESUME:#x})"),
        _ => "None".to_owned(),
    }
}

fn partition(system: &System, placed: &Placed<'_>) -> String {
    let partition = placed.partition;
    let uuids: Vec<String> = partition.uuids.iter().map(uuid).collect();
    let callers: Vec<String> = (partition.callers.iter())
        .map(|shown| caller(partition, shown))
        .collect();
    let mask = partition.cores.iter().fold(0u64, |mask, core| mask | 1 << core);
    let fields = [
        ("name", format!("{:?}", partition.name)),
        ("id", format!("{:#06x}", partition.id)),
        ("uuids", format!("&[{}]", uuids.join(", "))),
        ("properties", format!("{:#x}", partition.properties())),
        ("image", image(system, placed)),
        ("manifest", format!("&{}", bytes(&placed.manifest))),
        ("memory", memory(partition)),
        ("cores", format!("{mask:#x}")),
        ("dedicated", partition.dedicated.to_string()),
        ("devices", devices(partition)),
        ("interrupts", interrupts(partition)),
        ("quiesce", quiesce(partition)),
        ("window", range(partition.window)),
        ("shares", partition.shares.to_string()),
        ("preemption", preemption(partition)),
        ("callers", format!("&[{}]", callers.join(", "))),
        ("power_messages", format!("{:#x}", partition.power_bits())),
        ("key", partition.key.to_string()),
        ("inspects", partition.inspects.to_string()),
        ("quotes", partition.quotes.to_string()),
        ("copies", partition.copies.to_string()),
        ("forwards", partition.forward.to_string()),
        ("vgic", (partition.delivery == Delivery::Vgic).to_string()),
        (
            "interrupts_queued",
            (partition.action == Action::Queued).to_string(),
        ),
        ("budget_us", partition.budget_us.unwrap_or(0).to_string()),
        ("log_rate", partition.quotas.log.unwrap_or(LOG_RATE).to_string()),
        ("on_failure", on_failure(partition.on_failure)),
        ("repeats", repeats(partition.on_failure)),
        ("continues", continues(partition)),
    ];
    let lines: String = fields
        .iter()
        .map(|(key, value)| format!("                {key}: {value},\n"))
        .collect();
    let who: Vec<&str> = partition
        .callers
        .iter()
        .map(|caller| system.endpoint_name(caller.id))
        .collect();
    format!(
        "\n            // Called by {}.\n            Partition {{\n{lines}            }},",
        who.join(", ")
    )
}

fn image(system: &System, placed: &Placed<'_>) -> String {
    let partition = placed.partition;
    let nothing = "Range { base: 0, size: 0 }".to_owned();
    if let (Some(key), Some(signed)) = (partition.signing_key(), partition.image.signed) {
        let second = partition.second_slot().map(|second| uuid(&second));
        return format!(
            "Image {{\n                    package_uuid: {},\n                    package: {nothing},\n                    \
             sha256: [0; 32],\n                    size: {:#x},\n                    load: {:#x},\n                    \
             entry: {:#x},\n                    signed: Some(Signed {{ key: {}, second: {}, counted: {} }}),\n                }}",
            uuid(&partition.package_uuid),
            placed.range.size,
            partition.load(),
            partition.entry(),
            bytes(&key),
            second.map_or_else(|| "None".to_owned(), |second| format!("Some({second})")),
            signed.counted,
        );
    }
    format!(
        "Image {{\n                    package_uuid: {},\n                    package: {},\n                    \
         sha256: {},\n                    size: {:#x},\n                    load: {:#x},\n                    \
         entry: {:#x},\n                    signed: None,\n                }}",
        uuid(&partition.package_uuid),
        if system.trusted_boot {
            nothing
        } else {
            range(placed.range)
        },
        bytes(&placed.sha256),
        placed.size,
        partition.load(),
        partition.entry(),
    )
}

/// What a partition takes at all stands in its properties, so a caller that may send all of that is not limited.
fn caller(partition: &Partition, caller: &Caller) -> String {
    let all = partition.takes_all_from(caller);
    if all && caller.pages.is_none() {
        return format!("Caller::unlimited({:#06x})", caller.id);
    }
    let names = [
        (Message::Direct, "Messages::DIRECT"),
        (Message::Direct2, "Messages::DIRECT2"),
        (Message::Indirect, "Messages::INDIRECT"),
        (Message::Notifications, "Messages::NOTIFICATIONS"),
    ];
    let messages = if all {
        "Messages::ALL".to_owned()
    } else {
        let kinds = names.iter().filter(|(kind, _)| caller.messages.contains(kind));
        let kinds = kinds.map(|(_, name)| (*name).to_owned());
        let all = kinds.reduce(|all, kind| format!("{all}.and({kind})"));
        all.unwrap_or_else(|| "Messages::NONE".to_owned())
    };
    format!(
        "Caller {{ id: {:#06x}, messages: {messages}, pages: {} }}",
        caller.id,
        caller.pages.unwrap_or(u32::MAX)
    )
}

fn memory(partition: &Partition) -> String {
    let regions = partition.memory.iter().map(|region| {
        // `Rights` that the hypervisor does not know are refused before anything is emitted (BH090).
        let rights = match region.rights {
            Rights::All | Rights::ReadExecute => "ReadWriteExecute",
            Rights::ReadWrite | Rights::Read => "ReadWrite",
        };
        format!(
            "Region {{ range: {}, rights: Rights::{rights} }}",
            range(region.range)
        )
    });
    format!("&[{}]", regions.collect::<Vec<_>>().join(", "))
}

fn devices(partition: &Partition) -> String {
    let devices = partition.devices.iter();
    let devices = devices.map(|device| {
        format!(
            "Device {{ name: {:?}, range: {} }}",
            device.name,
            range(device.range)
        )
    });
    format!("&[{}]", devices.collect::<Vec<_>>().join(", "))
}

fn quiesce(partition: &Partition) -> String {
    let writes = partition.quiesce.iter().map(|write| {
        format!(
            "RegisterWrite {{ address: {:#x}, value: {:#x} }}",
            write.address, write.value
        )
    });
    format!("&[{}]", writes.collect::<Vec<_>>().join(", "))
}

/// A shared interrupt goes to the first of the partition's cores.
fn interrupts(partition: &Partition) -> String {
    let core = partition.cores[0];
    let interrupts = partition.interrupts.iter();
    let interrupts = interrupts.map(|interrupt| {
        format!(
            "Interrupt {{ intid: {}, edge: {}, core: {core} }}",
            interrupt.intid, interrupt.edge
        )
    });
    format!("&[{}]", interrupts.collect::<Vec<_>>().join(", "))
}

fn preemption(partition: &Partition) -> String {
    match partition.preemption {
        Preemption::AtOnce => "Preemption::AtOnce".to_owned(),
        Preemption::Queued { limit_us } => format!("Preemption::Queued {{ limit_us: {limit_us} }}"),
        Preemption::ManagedExit { limit_us } => format!("Preemption::ManagedExit {{ limit_us: {limit_us} }}"),
    }
}
