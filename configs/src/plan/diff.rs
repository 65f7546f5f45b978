//! What a change of a table moves.

use std::fmt::Write;

use crate::expand;
use crate::model::System;
use crate::units::{show_range, show_size};

/// What is true of one owner: its keys with their values.
struct Facts<'a> {
    owner: &'a str,
    values: Vec<(&'static str, String)>,
}

/// What differs from `old` to `new`, one line for each; empty if nothing does.
#[must_use]
pub fn diff(old: &System, new: &System) -> String {
    let (old, new) = (facts(old), facts(new));
    let mut out = String::new();
    for before in &old {
        match new.iter().find(|after| after.owner == before.owner) {
            Some(after) => changes(&mut out, before, after),
            None => {
                let _ = writeln!(out, "- {}: gone, with {}", before.owner, value(before, "memory"));
            }
        }
    }
    for after in new
        .iter()
        .filter(|after| !old.iter().any(|before| before.owner == after.owner))
    {
        let _ = writeln!(out, "+ {}: new, with {}", after.owner, value(after, "memory"));
    }
    out
}

fn changes(out: &mut String, before: &Facts<'_>, after: &Facts<'_>) {
    let keys = before.values.iter().chain(&after.values).map(|(key, _)| *key);
    let mut seen: Vec<&str> = Vec::new();
    for key in keys {
        if seen.contains(&key) {
            continue;
        }
        seen.push(key);
        let (old, new) = (value(before, key), value(after, key));
        if old != new {
            let _ = writeln!(out, "~ {}: {key}: {old} -> {new}", before.owner);
        }
    }
}

fn value<'a>(facts: &'a Facts<'_>, key: &str) -> &'a str {
    let found = facts.values.iter().find(|(known, _)| *known == key);
    found.map_or("none", |(_, value)| value)
}

fn facts(system: &System) -> Vec<Facts<'_>> {
    let range = |base: u64, end: u64, size: u64| format!("{} ({})", show_range(base, end), show_size(size));
    let own = system.hypervisor;
    let machines = system.machines.iter();
    let machines: Vec<String> = machines
        .map(|machine| format!("{} {:#06x}", machine.name, machine.id))
        .collect();
    let mut all = vec![Facts {
        owner: "the system",
        values: vec![
            ("board", system.board.name.clone()),
            ("hypervisor", range(own.base, own.end(), own.size)),
            ("virtual machines", machines.join(", ")),
            ("trusted-boot", system.trusted_boot.to_string()),
            ("allow-unprotected", system.allow_unprotected.to_string()),
        ],
    }];
    for (index, partition) in system.partitions.iter().enumerate() {
        let mut values = expand::keys(system, partition);
        let regions: Vec<String> = (partition.memory.iter())
            .map(|region| {
                let (range_, rights) = (
                    region.range,
                    crate::draft::word(crate::draft::RIGHTS, region.rights),
                );
                format!("{} {rights}", range(range_.base, range_.end(), range_.size))
            })
            .collect();
        for (key, value) in &mut values {
            if *key == "memory" {
                *value = regions.join(", ");
            }
        }
        let place = system
            .boot_order
            .iter()
            .position(|start| *start == index)
            .map_or(0, |place| place + 1);
        values.push(("place in the order of starts", place.to_string()));
        values.retain(|(key, _)| !["name", "boot-order"].contains(key));
        all.push(Facts {
            owner: &partition.name,
            values,
        });
    }
    all
}
