//! What of the board nobody has, and what holds for the whole system.

use crate::board::{Kind, Owner, Secret};
use crate::check;
use crate::emit::picture::memory::pieces;
use crate::model::System;
use crate::units::{PAGE, show_size};

/// What nobody should overlook where virtual machines are callers.
pub const WITHOUT_HYPERVISOR: &str = "only a hypervisor in the normal world tells its virtual machines apart: without \
     one, any software there can use the ID of any of them";

/// Bytes of secure memory that are free, and the largest piece of them.
pub fn free(system: &System) -> (u64, u64) {
    let free = pieces(system).into_iter().filter(|piece| piece.is_free());
    free.fold((0, 0), |(sum, largest), piece| {
        (sum + piece.range.size, largest.max(piece.range.size))
    })
}

/// What is left, in pairs of what and how much.
pub fn left(system: &System) -> Vec<(String, String)> {
    let (sum, largest) = free(system);
    let mut memory = show_size(sum);
    if largest < sum {
        memory += &format!(", at most {} in one piece", show_size(largest));
    }
    let firmware = &system.board.firmware;
    let packages = firmware.packages.saturating_sub(system.partitions.len());
    vec![
        ("secure memory".to_owned(), memory),
        (
            "packages".to_owned(),
            format!("{packages} of {}", firmware.packages),
        ),
        (
            "hypervisor's memory, about".to_owned(),
            format!(
                "{} of {}",
                show_size(system.hypervisor.size.saturating_sub(system.footprint())),
                show_size(system.hypervisor.size)
            ),
        ),
        ("devices".to_owned(), none_if_empty(devices(system))),
        ("interrupts".to_owned(), none_if_empty(interrupts(system))),
    ]
}

/// Devices that a partition could still claim.
pub fn devices(system: &System) -> String {
    let claimed = |name: &str| {
        let mut all = system.partitions.iter().flat_map(|partition| &partition.devices);
        all.any(|device| device.name == name)
    };
    let free = system
        .board
        .devices
        .iter()
        .filter(|device| device.owner == Owner::Free);
    let names: Vec<&str> = free
        .map(|device| device.name.as_str())
        .filter(|name| !claimed(name))
        .collect();
    names.join(", ")
}

/// Interrupts that a partition could still claim.
pub fn interrupts(system: &System) -> String {
    let claimed = |name: &str| {
        let mut all = system
            .partitions
            .iter()
            .flat_map(|partition| &partition.interrupts);
        all.any(|interrupt| interrupt.name == name)
    };
    let free = system.board.interrupts.iter();
    let free =
        free.filter(|interrupt| interrupt.owner == Owner::Free && check::can_be_owned(interrupt.intid));
    let names: Vec<&str> = free
        .map(|interrupt| interrupt.name.as_str())
        .filter(|name| !claimed(name))
        .collect();
    names.join(", ")
}

/// A word where there is nothing to show.
pub fn none_if_empty(text: String) -> String {
    if text.is_empty() { "none".to_owned() } else { text }
}

/// What a reader has to know about the system and its board before he trusts the plan.
pub fn remarks(system: &System) -> Vec<String> {
    let board = &system.board;
    let mut out: Vec<String> = system.doubts.iter().map(|doubt| doubt.title.clone()).collect();
    for memory in board.memory.iter().filter(|memory| memory.kind == Kind::Secure) {
        out.push(match &memory.protected_by {
            Some(what) => format!("{} is protected by {what}", memory.name),
            None => format!("{} is NOT PROTECTED from the normal world's devices", memory.name),
        });
    }
    out.push(match board.smmu {
        Some(base) => format!(
            "the SMMU at {base:#010x} is not programmed by the hypervisor: a partition can have no device that reads or writes \
             memory by itself (DMA), and firmware has to keep the normal world's out of secure memory"
        ),
        None => "no SMMU for secure streams: nothing could stop a device that reads or writes memory by itself (DMA), so no \
                 partition can have one"
            .to_owned(),
    });
    if board.timer_intid.is_none() {
        out.push(
            "no secure EL2 timer: nothing ends what takes too long, and EL1 timers of partitions do not go off; \
             nothing is built for this board"
                .to_owned(),
        );
    }
    out.push(match board.secret {
        Secret::None => "no root secret: no partition can have a key of its own".to_owned(),
        Secret::Test => {
            "the root secret is a test value that everybody can read: keys protect nothing".to_owned()
        }
        Secret::Hardware => "the root secret is the hardware's".to_owned(),
    });
    if !board.has_store() {
        out.push("no store of pristine images: no partition can be restarted".to_owned());
    }
    if !system.machines.is_empty() {
        out.push(WITHOUT_HYPERVISOR.to_owned());
    }
    out
}

/// Whole pages for a size of less than 2^44 bytes, for drawing to scale.
pub fn pages(bytes: u64) -> u32 {
    u32::try_from(bytes / PAGE).unwrap_or(u32::MAX)
}
