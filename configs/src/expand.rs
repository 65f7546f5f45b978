//! A table with everything in it: presets, defaults and placed memory written out, as TOML that means the same.

use std::fmt::Write;
use std::path::Path;

use crate::draft::{
    ACTIONS, AT_ONCE, DELIVERIES, FAILURES, KINDS, MESSAGES, POWER, PROFILES, RIGHTS, Signer, TEST_KEY, word,
};
use crate::model::{Caller, Client, OnFailure, Origin, Partition, Preemption, Quiesce, Region, System};

/// The table written out. What has no value (a budget, a quota, a client) is left out.
#[must_use]
pub fn expand(system: &System) -> String {
    let mut out = format!(
        "# {}, with everything filled in.\n\n[system]\n",
        system.table.display()
    );
    let mut line = |key: &str, value: &str| {
        let _ = writeln!(out, "{key} = {value}");
    };
    line("name", &quote(&system.name));
    line("board", &quote(&system.board.name));
    let log = system
        .board
        .log()
        .map_or("none", |(device, _)| device.name.as_str());
    line(
        "hypervisor",
        &format!(
            "{{ memory = {}, log = {} }}",
            size(system.hypervisor.size),
            quote(log)
        ),
    );
    line("profile", &quote(word(PROFILES, system.profile)));
    line("trusted-boot", &system.trusted_boot.to_string());
    line("allow-unprotected", &system.allow_unprotected.to_string());
    for machine in &system.machines {
        let _ = write!(
            out,
            "\n[[virtual-machine]]\nname = {}\nid = {:#06x}\ncontexts = {}\n",
            quote(&machine.name),
            machine.id,
            machine.contexts
        );
    }
    for partition in &system.partitions {
        out.push_str("\n[[partition]]\n");
        for (key, value) in keys(system, partition) {
            let _ = writeln!(out, "{key} = {value}");
        }
    }
    out
}

/// The keys of a partition with their values, in the order of the language.
pub fn keys(system: &System, partition: &Partition) -> Vec<(&'static str, String)> {
    let mut keys = vec![
        ("name", quote(&partition.name)),
        ("id", format!("{:#06x}", partition.id)),
        ("tee", quote(partition.tee.word())),
        ("image", image(system, partition)),
        ("uuid", quote(&partition.package_uuid_text())),
        ("uuids", list(partition.uuids.iter().map(uuid))),
        ("memory", memory(&partition.memory)),
        ("cores", cores(system, partition)),
        ("contexts", partition.contexts().to_string()),
        ("window", size(partition.window.size)),
        ("shares", partition.shares.to_string()),
    ];
    let quotas = [
        partition.quotas.ranges.map(|ranges| format!("ranges = {ranges}")),
        partition
            .quotas
            .log
            .map(|log| format!("log = {}", size(log.into()))),
    ];
    let quotas: Vec<String> = quotas.into_iter().flatten().collect();
    if !quotas.is_empty() {
        keys.push(("quotas", format!("{{ {} }}", quotas.join(", "))));
    }
    keys.push(("preemption", preemption(partition.preemption)));
    keys.extend(partition.budget_us.map(|budget| ("budget", duration(budget))));
    let names = |ids: &[u16]| list(ids.iter().map(|id| quote(system.endpoint_name(*id))));
    let messages = partition
        .receives
        .iter()
        .map(|message| quote(word(MESSAGES, *message)));
    let power = partition.power.iter().map(|message| quote(word(POWER, *message)));
    keys.extend([
        (
            "callers",
            list(partition.callers.iter().map(|shown| caller(system, shown))),
        ),
        ("receives", list(messages)),
        ("power-messages", list(power)),
        ("notifies", names(&partition.notifies)),
        ("s-interrupts-action", quote(word(ACTIONS, partition.action))),
        ("interrupt-interface", quote(word(DELIVERIES, partition.delivery))),
    ]);
    keys.extend(
        partition
            .boot_order
            .map(|order| ("boot-order", order.to_string())),
    );
    let devices = partition.devices.iter().map(|device| quote(&device.name));
    let interrupts = partition
        .interrupts
        .iter()
        .map(|interrupt| quote(&interrupt.name));
    keys.extend([
        ("devices", list(devices)),
        ("interrupts", list(interrupts)),
        ("quiesce", list(partition.quiesce.iter().map(quiesce))),
        ("on-failure", on_failure(partition.on_failure)),
        ("key", partition.key.to_string()),
        ("inspects", partition.inspects.to_string()),
        ("quotes", partition.quotes.to_string()),
        ("copies", partition.copies.to_string()),
    ]);
    keys.extend(partition.client.as_ref().map(|shown| ("client", client(shown))));
    keys
}

fn caller(system: &System, caller: &Caller) -> String {
    let messages = caller.messages.iter();
    let mut parts = vec![
        format!("from = {}", quote(system.endpoint_name(caller.id))),
        format!(
            "messages = {}",
            list(messages.map(|message| quote(word(KINDS, *message))))
        ),
    ];
    parts.extend(caller.pages.map(|pages| format!("pages = {pages}")));
    format!("{{ {} }}", parts.join(", "))
}

fn image(system: &System, partition: &Partition) -> String {
    let image = &partition.image;
    let mut parts = vec![match &image.origin {
        Origin::Build(tee) => format!("build = {}", quote(tee.word())),
        Origin::File(path) => format!("file = {}", beside(system, path)),
    }];
    parts.extend(
        image
            .sha256
            .map(|digest| format!("sha256 = {}", quote(&crate::units::hex(&digest)))),
    );
    if let Some(signed) = image.signed {
        let by = match signed.by {
            Signer::Test => TEST_KEY.to_owned(),
            Signer::Key(key) => crate::units::hex(&key),
        };
        let version = match image.origin {
            Origin::Build(_) => format!(", version = {}", signed.version),
            Origin::File(_) => String::new(),
        };
        parts.push(format!(
            "signed = {{ by = {}, slots = {}{version}, counted = {} }}",
            quote(&by),
            signed.slots,
            signed.counted
        ));
    }
    let symbols = image.symbols.as_ref();
    parts.extend(symbols.map(|path| format!("symbols = {}", beside(system, path))));
    parts.push(format!("entry = {}", image.entry));
    if !image.settings.is_empty() {
        parts.push(format!(
            "settings = {}",
            list(image.settings.iter().map(|setting| quote(setting)))
        ));
    }
    format!("{{ {} }}", parts.join(", "))
}

/// A path, relative to the table where that is above it.
fn beside(system: &System, path: &Path) -> String {
    let folder = system.table.parent();
    let within = folder.and_then(|folder| path.strip_prefix(folder).ok());
    quote(&within.unwrap_or(path).display().to_string())
}

fn memory(regions: &[Region]) -> String {
    let regions = regions.iter().map(|region| {
        let placed = if region.placed { " # placed" } else { "" };
        format!(
            "    {{ base = {:#010x}, size = {}, rights = {} }},{placed}\n",
            region.range.base,
            size(region.range.size),
            quote(word(RIGHTS, region.rights))
        )
    });
    format!("[\n{}]", regions.collect::<String>())
}

fn cores(system: &System, partition: &Partition) -> String {
    let names = partition
        .cores
        .iter()
        .map(|core| quote(&system.board.cores[*core].name));
    let names = list(names);
    match (partition.dedicated, partition.forward) {
        (true, _) => format!("{{ dedicated = {names} }}"),
        (false, true) => format!("{{ called = {names}, forward = true }}"),
        (false, false) => names,
    }
}

fn preemption(preemption: Preemption) -> String {
    match preemption {
        Preemption::AtOnce => quote(AT_ONCE[0].0),
        Preemption::ManagedExit { limit_us } => format!("{{ managed-exit = {} }}", duration(limit_us)),
        Preemption::Queued { limit_us } => format!("{{ queued = {} }}", duration(limit_us)),
    }
}

fn quiesce(write: &Quiesce) -> String {
    let Quiesce {
        device,
        offset,
        value,
        ..
    } = write;
    format!(
        "{{ device = {}, offset = {offset:#x}, value = {value:#x} }}",
        quote(device)
    )
}

fn on_failure(policy: OnFailure) -> String {
    match policy {
        OnFailure::Word(failure) => quote(word(FAILURES, failure)),
        OnFailure::Restart {
            limit,
            back_off_us,
            within_us,
            with_normal_world,
            repeats,
            rebind,
        } => {
            let within = within_us.map_or_else(String::new, |us| format!(", within = {}", duration(us)));
            let repeats = repeats.map_or_else(String::new, |word| format!(", repeats = {word:#x}"));
            format!(
                "{{ restart = {limit}, back-off = {}{within}, with-normal-world = {with_normal_world}{repeats}, rebind = {rebind} }}",
                duration(back_off_us)
            )
        }
    }
}

fn client(client: &Client) -> String {
    let mut parts = vec![
        format!("name = {}", quote(&client.name)),
        format!("default = {}", client.default),
    ];
    if !client.applications.is_empty() {
        parts.push(format!(
            "applications = {}",
            list(client.applications.iter().map(uuid))
        ));
    }
    format!("{{ {} }}", parts.join(", "))
}

fn uuid(bytes: &[u8; 16]) -> String {
    quote(&uuid::Uuid::from_bytes(*bytes).to_string())
}

/// A basic string. Names and words need no escapes; paths may.
fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            control if control.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

/// A size in the largest unit that divides it.
fn size(bytes: u64) -> String {
    let units = [("GiB", 1u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];
    let fitting = units
        .iter()
        .find(|(_, factor)| bytes >= *factor && bytes.is_multiple_of(*factor));
    fitting.map_or_else(
        || quote("0B"),
        |(unit, factor)| quote(&format!("{}{unit}", bytes / factor)),
    )
}

fn duration(us: u32) -> String {
    quote(&crate::units::show_duration(us.into()).replace(' ', ""))
}
