//! A partition's own manifest (FF-A manifest binding 1.0), which the boot information hands to it.

use crate::draft::{Action, Message, Tee};
use crate::model::{Partition, Preemption, System};

use super::tree::{Node, Value, cell, flatten, uuid_cells};

/// The FF-A version that partitions are given: 1.2, major in bits 31:16.
const FFA_VERSION: u32 = 0x0001_0002;
/// `exception-level` of S-EL1.
const S_EL1: u32 = 2;
/// `attributes` of a device region: read and write.
const READ_WRITE: u32 = 0b11;

/// An action upon interrupts: they wait.
const QUEUED: u32 = 0;

/// The manifest's bytes. `mem-size` is OP-TEE's own: with `load-address` it tells it its secure memory.
pub fn manifest(system: &System, partition: &Partition) -> Vec<u8> {
    let home = partition.home();
    let position = system
        .boot_order
        .iter()
        .position(|index| system.partitions[*index].id == partition.id);
    let mut properties = vec![
        ("compatible", Value::Text("arm,ffa-manifest-1.0")),
        ("description", Value::Text(&partition.name)),
        ("ffa-version", cell(FFA_VERSION)),
        (
            "uuid",
            Value::Cells(partition.uuids.iter().flat_map(uuid_cells).collect()),
        ),
        ("id", cell(u32::from(partition.id))),
        ("execution-ctx-count", cell(small(partition.contexts()))),
        ("exception-level", cell(S_EL1)),
        ("execution-state", cell(0)),
        ("load-address", Value::Long(home.base)),
        ("mem-size", Value::Long(home.size)),
        (
            "entrypoint-offset",
            cell(u32::try_from(partition.entry() - home.base).unwrap_or(u32::MAX)),
        ),
        ("xlat-granule", cell(0)),
        ("boot-order", cell(small(position.unwrap_or(0)))),
        ("messaging-method", cell(messaging(partition))),
        ("ns-interrupts-action", cell(interrupts_action(partition))),
    ];
    // OP-TEE takes the normal world's interrupts, and so its managed exit, as virtual FIQs.
    if matches!(partition.preemption, Preemption::ManagedExit { .. }) && partition.tee != Tee::Optee {
        properties.push(("managed-exit-virq", Value::Flag));
    }
    // The other partitions' interrupts, as the table says it of each of them.
    let mut others = system
        .partitions
        .iter()
        .filter(|other| other.id != partition.id)
        .peekable();
    if others.peek().is_some() && others.all(|other| other.action == Action::Queued) {
        properties.push(("other-s-interrupts-action", cell(QUEUED)));
    }
    // Ours: its own ones.
    if partition.action == Action::Queued {
        properties.push(("bulkhead,s-interrupts-action", cell(QUEUED)));
    }
    // Ours: where borrowed memory appears; partitions that map it as a whole want to know.
    let window = &partition.window;
    properties.push(("bulkhead,window", Value::Longs(vec![window.base, window.size])));
    if partition.takes(Message::Notifications) {
        properties.push(("notification-support", Value::Flag));
    }
    if partition.power_bits() != 0 {
        properties.push(("power-management-messages", cell(partition.power_bits())));
    }
    if availability(partition) != 0 {
        properties.push(("vm-availability-messages", cell(availability(partition))));
    }
    let mut root = Node::new("", properties);
    root.children.extend(devices(partition));
    flatten(&root)
}

/// The manifest's messaging method: bit 0 takes direct requests, bit 1 sends them, bit 2 takes and sends indirect
/// messages, bit 9 takes the second kind of direct requests.
fn messaging(partition: &Partition) -> u32 {
    let takes = |message, bit: u32| u32::from(partition.takes(message)) << bit;
    takes(Message::Direct, 0)
        | u32::from(partition.sends) << 1
        | takes(Message::Indirect, 2)
        | takes(Message::Direct2, 9)
}

/// What it wants to know of virtual machines: bit 0 those that were created, bit 1 those that were destroyed.
fn availability(partition: &Partition) -> u32 {
    u32::from(partition.takes(Message::VmCreated)) | u32::from(partition.takes(Message::VmDestroyed)) << 1
}

/// 0: the interrupt is queued; 1: managed exit; 2: the partition is preempted.
fn interrupts_action(partition: &Partition) -> u32 {
    match partition.preemption {
        Preemption::Queued { .. } => QUEUED,
        Preemption::ManagedExit { .. } => 1,
        Preemption::AtOnce => 2,
    }
}

fn devices(partition: &Partition) -> Option<Node<'_>> {
    let regions = partition.devices.iter().map(|device| {
        let properties = vec![
            ("base-address", Value::Long(device.range.base)),
            (
                "pages-count",
                cell(u32::try_from(device.range.pages()).unwrap_or(u32::MAX)),
            ),
            ("attributes", cell(READ_WRITE)),
        ];
        Node::new(&device.name, properties)
    });
    let compatible = ("compatible", Value::Text("arm,ffa-manifest-device-regions"));
    let mut node = Node::new("device-regions", vec![compatible]);
    node.children.extend(regions);
    (!node.children.is_empty()).then_some(node)
}

/// Numbers that the rules keep far below 32 bits.
fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
