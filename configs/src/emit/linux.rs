//! What the normal world is told: routes of GlobalPlatform names, and memory that is not its own.

use std::fmt::Write;

use crate::board::Kind;
use crate::model::System;

/// Routes for the TEE client library, in TOML: a default and a list of names with endpoint IDs and kinds.
pub fn routes(system: &System) -> String {
    let mut out = format!("# Made from the table of system `{}`.\n", system.name);
    let clients = system
        .partitions
        .iter()
        .filter_map(|partition| Some((partition, partition.client.as_ref()?)));
    if let Some((_, client)) = clients.clone().find(|(_, client)| client.default) {
        let _ = writeln!(out, "default = \"{}\"", client.name);
    }
    for (partition, client) in clients {
        let kind = partition.tee.word();
        let _ = write!(
            out,
            "\n[[tee]]\nname = \"{}\"\nendpoint = {:#06x}\nkind = \"{kind}\"\n",
            client.name, partition.id
        );
    }
    out
}

/// Secure memory as `reserved-memory`, to be merged into the normal world's device tree. Boards whose secure
/// memory is outside of what their tree calls memory do not need it, and are not harmed by it.
pub fn reserved(system: &System) -> String {
    let mut out = format!(
        "// Made from the table of system `{}`.\n/dts-v1/;\n/plugin/;\n\n&{{/}} {{\n",
        system.name
    );
    out.push_str("\t#address-cells = <2>;\n\t#size-cells = <2>;\n\n\treserved-memory {\n\t\t#address-cells = <2>;\n\t\t#size-cells = <2>;\n\t\tranges;\n");
    let memory = system
        .board
        .memory
        .iter()
        .filter(|memory| matches!(memory.kind, Kind::Firmware | Kind::Secure));
    for memory in memory {
        let (base, size) = (memory.range.base, memory.range.size);
        let cells = |value: u64| format!("{:#x} {:#x}", value >> 32, value & 0xffff_ffff);
        let _ = write!(
            out,
            "\n\t\t{}@{base:x} {{\n\t\t\treg = <{} {}>;\n\t\t\tno-map;\n\t\t}};\n",
            memory.name,
            cells(base),
            cells(size)
        );
    }
    out.push_str("\t};\n};\n");
    out
}
