//! What the normal world is told: routes of GlobalPlatform names, devices and services by those names, and memory that
//! is not its own.

use std::fmt::Write;

use crate::board::Kind;
use crate::draft::Tee;
use crate::model::{OnFailure, Partition, System};
use crate::units::hex;

use super::place::Placed;

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
        if rebinds(partition) {
            out.push_str("rebind = true\n");
        }
        if !client.applications.is_empty() {
            out.push_str("applications = [\n");
            for uuid in &client.applications {
                let _ = writeln!(out, "    \"{}\",", uuid::Uuid::from_bytes(*uuid));
            }
            out.push_str("]\n");
        }
    }
    out
}

/// What is to be found running, in TOML: what `bulkhead-info --expect` compares with the hypervisor's own view.
pub fn reference(system: &System, placed: &[Placed<'_>], digest: &[u8; 32]) -> String {
    let mut out = format!(
        "# Made from the table of system `{name}`: what `bulkhead-info --expect` compares with what runs.\n\
         hypervisor = \"{version}\"\ntable = \"{name}\"\nboard = \"{board}\"\nsha256 = \"{digest}\"\n",
        name = system.name,
        version = env!("CARGO_PKG_VERSION"),
        board = system.board.name,
        digest = hex(digest),
    );
    for placed in placed {
        let partition = placed.partition;
        let _ = write!(
            out,
            "\n[[partition]]\nname = \"{}\"\nid = {:#06x}\nsha256 = \"{}\"\n",
            partition.name,
            partition.id,
            hex(&placed.sha256)
        );
    }
    out
}

/// Rules for udev: each TEE's devices get links by the name that clients use, and an OP-TEE's device its supplicant.
///
/// A rule cannot know which device is whose; the drop-in's `bulkhead-tees` finds out.
pub fn rules(system: &System) -> String {
    let mut out = format!(
        "# Made from the table of system `{}`. To be installed in /usr/lib/udev/rules.d.\n\
         SUBSYSTEM!=\"tee\", GOTO=\"bulkhead_tees_end\"\n\
         ACTION==\"remove\", GOTO=\"bulkhead_tees_end\"\n\
         PROGRAM!=\"/usr/bin/bulkhead-tees --of %k\", GOTO=\"bulkhead_tees_end\"\n",
        system.name
    );
    for partition in &system.partitions {
        let Some(client) = &partition.client else { continue };
        let name = &client.name;
        let _ = write!(
            out,
            "\nRESULT==\"{name}\", KERNEL==\"tee[0-9]*\", SYMLINK+=\"tee-by-name/{name}\", TAG+=\"systemd\"\n\
             RESULT==\"{name}\", KERNEL==\"teepriv[0-9]*\", SYMLINK+=\"tee-by-name/{name}.supplicant\", TAG+=\"systemd\""
        );
        if partition.tee == Tee::Optee {
            let _ = write!(
                out,
                ", ENV{{SYSTEMD_WANTS}}+=\"bulkhead-supplicant@{name}.service\""
            );
        }
        out.push('\n');
    }
    out.push_str("\nLABEL=\"bulkhead_tees_end\"\n");
    out
}

/// A template of a systemd service: the supplicant of one OP-TEE, with secure storage of its own.
pub fn supplicant(system: &System) -> String {
    format!(
        "# Made from the table of system `{}`. To be installed in /usr/lib/systemd/system.\n\
         # The instance is a TEE's name; the udev rules start it with the TEE's device.\n\
         [Unit]\n\
         Description=Supplicant of the TEE %i\n\
         ConditionPathExists=/dev/tee-by-name/%i.supplicant\n\
         # The distribution's own takes the first device that it finds.\n\
         Conflicts=tee-supplicant.service\n\
         \n\
         [Service]\n\
         ExecStart=/usr/sbin/tee-supplicant --fs-parent-path=/var/lib/tee/%i /dev/tee-by-name/%i.supplicant\n\
         StateDirectory=tee/%i\n\
         StateDirectoryMode=0700\n\
         Restart=on-failure\n\
         RestartSec=1s\n\
         NoNewPrivileges=yes\n\
         ProtectHome=yes\n\
         ProtectSystem=strict\n",
        system.name
    )
}

/// Whether Linux's driver of a TEE is bound anew behind its restarts.
fn rebinds(partition: &Partition) -> bool {
    matches!(partition.on_failure, OnFailure::Restart { rebind: true, .. })
}

/// A systemd service that binds drivers anew; none where no TEE wants that.
pub fn rebind(system: &System) -> Option<String> {
    system.partitions.iter().any(rebinds).then(|| {
        format!(
            "# Made from the table of system `{}`. To be installed in /usr/lib/systemd/system.\n\
             [Unit]\n\
             Description=Drivers of restarted TEEs are bound anew\n\
             \n\
             [Service]\n\
             # The rules of udev start the supplicant again, with the TEE's new device.\n\
             ExecStart=/usr/bin/bulkhead-rebind --stop \"systemctl stop bulkhead-supplicant@{{}}.service\"\n\
             Restart=on-failure\n\
             RestartSec=1s\n\
             \n\
             [Install]\n\
             WantedBy=multi-user.target\n",
            system.name
        )
    })
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
