//! The hypervisor's place for the linker.

use crate::model::System;

/// Symbols for the linker script.
pub fn memory(system: &System) -> String {
    format!(
        "/* Made from the table of system `{}`. */\nHYPERVISOR_BASE = {:#x};\nHYPERVISOR_SIZE = {:#x};\n",
        system.name, system.hypervisor.base, system.hypervisor.size
    )
}
