//! What firmware reads: the SPMC's manifest (TOS_FW_CONFIG) and the list of packages (TB_FW_CONFIG).

use crate::model::{SPMC_ID, System};

use super::place::Placed;
use super::tree::{Node, Value, cell, flatten};

/// The FF-A version that the SPMC has: 1.2, the newest that TF-A 2.12 takes.
const VERSION: (u32, u32) = (1, 2);

/// The manifest that EL3's dispatcher reads. It lets secondary cores be entered only between load address
/// and load address + binary size.
pub fn core_manifest(system: &System) -> Vec<u8> {
    // The hypervisor's memory ends below 4 GiB like all packages (BH019), so its size has 32 bits.
    let size = u32::try_from(system.hypervisor.size).unwrap_or(u32::MAX);
    let attribute = vec![
        ("spmc_id", cell(u32::from(SPMC_ID))),
        ("maj_ver", cell(VERSION.0)),
        ("min_ver", cell(VERSION.1)),
        ("exec_state", cell(0)),
        ("load_address", Value::Long(system.hypervisor.base)),
        ("entrypoint", Value::Long(system.hypervisor.base)),
        ("binary_size", cell(size)),
    ];
    let mut root = Node::new("", vec![("compatible", Value::Text("arm,ffa-core-manifest-1.0"))]);
    root.children.push(Node::new("attribute", attribute));
    flatten(&root)
}

/// The list from which BL2 loads packages out of the FIP.
pub fn packages(system: &System, placed: &[Placed<'_>]) -> Vec<u8> {
    let uuids: Vec<String> = system
        .partitions
        .iter()
        .map(|partition| partition.package_uuid_text())
        .collect();
    let mut list = Node::new("secure-partitions", vec![("compatible", Value::Text("arm,sp"))]);
    // What the hypervisor takes itself stays in the store until then.
    let all = placed.iter().zip(&uuids);
    for (placed, uuid) in all.filter(|(placed, _)| !system.takes_itself(placed.partition)) {
        // BH019 keeps packages below 4 GiB.
        let load = u32::try_from(placed.range.base).unwrap_or(u32::MAX);
        let properties = vec![("uuid", Value::Text(uuid)), ("load-address", cell(load))];
        list.children.push(Node::new(&placed.partition.name, properties));
    }
    let mut root = Node::new("", vec![("compatible", Value::Text("arm,tb_fw"))]);
    root.children.push(list);
    flatten(&root)
}
