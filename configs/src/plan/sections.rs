//! The plan's tables.

use super::Section;
use super::left::{left, none_if_empty, remarks};
use crate::board::Owner;
use crate::draft::{Action, KINDS, MESSAGES, POWER, word};
use crate::model::{Caller, NORMAL_WORLD_ID, OnFailure, Partition, Preemption, System};
use crate::units::{PAGE, show_duration, show_range, show_size};

/// Marks in the matrices.
const YES: &str = "●";
const OWN: &str = "◆";
const NO: &str = "·";

/// All tables but the one of memory, in the order in which they are shown.
pub fn sections(system: &System) -> Vec<Section> {
    let mut sections = vec![cores(system), calls(system), memory(system)];
    sections.extend(machines(system));
    sections.extend([policies(system), devices(system), interrupts(system)]);
    let mut rest = Section::new("Left", &["what", "how much"]);
    rest.rows
        .extend(left(system).into_iter().map(|(what, much)| vec![what, much]));
    sections.push(rest);
    let mut notes = Section::new("Remarks", &["about the system and its board"]);
    notes
        .rows
        .extend(remarks(system).into_iter().map(|remark| vec![remark]));
    sections.push(notes);
    if !system.not_built.is_empty() {
        let mut missing = Section::new("Not built yet", &["rule", "what"]);
        let wishes = system.not_built.iter();
        missing
            .rows
            .extend(wishes.map(|wish| vec![wish.rule.code().to_owned(), wish.title.clone()]));
        sections.push(missing);
    }
    sections
}

/// Cores against partitions.
fn cores(system: &System) -> Section {
    let mut section = Section::new("Cores", &["partition"]);
    let names = system.board.cores.iter().map(|core| match &core.cluster {
        Some(cluster) => format!("{} ({cluster})", core.name),
        None => core.name.clone(),
    });
    section.head.extend(names);
    section.head.push("contexts".to_owned());
    let all = 0..system.board.cores.len();
    let dedicated = |core: usize| {
        let mut owners = system.partitions.iter().filter(|partition| partition.dedicated);
        owners.any(|partition| partition.cores.contains(&core))
    };
    let mut normal = vec!["normal world".to_owned()];
    normal.extend(
        all.clone()
            .map(|core| if dedicated(core) { NO } else { YES }.to_owned()),
    );
    normal.push(String::new());
    section.rows.push(normal);
    for partition in &system.partitions {
        let mark = if partition.dedicated { OWN } else { YES };
        let mut row = vec![partition.name.clone()];
        row.extend(
            all.clone()
                .map(|core| if partition.cores.contains(&core) { mark } else { NO }.to_owned()),
        );
        let kind = match (partition.dedicated, partition.forward) {
            (true, _) => ", dedicated",
            (false, true) => ", calls forwarded",
            (false, false) => "",
        };
        let power: Vec<&str> = (partition.power.iter())
            .map(|message| word(POWER, *message))
            .collect();
        let told = match power.as_slice() {
            [] => String::new(),
            some => format!(", told of {}", some.join(", ")),
        };
        row.push(format!("{}{kind}{told}", partition.contexts()));
        section.rows.push(row);
    }
    section
}

/// Who may call whom.
fn calls(system: &System) -> Section {
    let mut section = Section::new("Calls: rows may call columns", &["caller"]);
    section
        .head
        .extend(system.partitions.iter().map(|partition| partition.name.clone()));
    for (id, name) in endpoints(system) {
        let mut row = vec![name.to_owned()];
        row.extend(system.partitions.iter().map(|callee| {
            if callee.id == id {
                return String::new();
            }
            callee
                .caller(id)
                .map_or_else(|| NO.to_owned(), |caller| sends(callee, caller))
        }));
        section.rows.push(row);
    }
    let mut takes = vec!["takes".to_owned()];
    takes.extend(system.partitions.iter().map(|partition| {
        let kinds: Vec<&str> = partition
            .receives
            .iter()
            .map(|message| word(MESSAGES, *message))
            .collect();
        kinds.join(", ")
    }));
    section.rows.push(takes);
    section
}

/// What a caller may send to a partition: a mark, unless that is less than the partition takes.
fn sends(callee: &Partition, caller: &Caller) -> String {
    if callee.takes_all_from(caller) {
        return YES.to_owned();
    }
    if caller.messages.is_empty() {
        return "finds it".to_owned();
    }
    let kinds = caller.messages.iter().map(|kind| word(KINDS, *kind));
    kinds.collect::<Vec<_>>().join(", ")
}

/// How much memory each caller may have given to each partition at any time.
fn memory(system: &System) -> Section {
    let mut section = Section::new("Memory: rows may share with columns, at most", &["lender"]);
    let names = system.partitions.iter().map(|partition| partition.name.clone());
    section.head.extend(names);
    for (id, name) in endpoints(system) {
        let mut row = vec![name.to_owned()];
        row.extend(system.partitions.iter().map(|borrower| {
            if borrower.id == id {
                return String::new();
            }
            match borrower.caller(id).map(|caller| caller.pages) {
                None | Some(Some(0)) => NO.to_owned(),
                Some(None) => format!("its window, {}", show_size(borrower.window.size)),
                Some(Some(pages)) => {
                    format!("{pages} pages, {}", show_size(u64::from(pages) * PAGE))
                }
            }
        }));
        section.rows.push(row);
    }
    section
}

/// What each virtual machine of the normal world may reach. Only a hypervisor there keeps them apart.
fn machines(system: &System) -> Option<Section> {
    if system.machines.is_empty() {
        return None;
    }
    let mut section = Section::new("Virtual machines", &["machine", "id", "contexts", "reaches"]);
    let name = |partition: &Partition| partition.name.clone();
    let mut any: Vec<String> = Vec::new();
    for machine in &system.machines {
        let callees = system.partitions.iter();
        let callees = callees.filter(|partition| partition.caller(machine.id).is_some());
        let reached: Vec<String> = callees.map(name).collect();
        any.extend(reached.iter().cloned());
        section.rows.push(vec![
            machine.name.clone(),
            format!("{:#06x}", machine.id),
            machine.contexts.to_string(),
            none_if_empty(reached.join(", ")),
        ]);
    }
    let normal =
        |partition: &&Partition| partition.caller(NORMAL_WORLD_ID).is_some() || any.contains(&partition.name);
    let reached: Vec<String> = system.partitions.iter().filter(normal).map(name).collect();
    section.rows.push(vec![
        "any software, if no hypervisor is there".to_owned(),
        "any of these".to_owned(),
        String::new(),
        none_if_empty(reached.join(", ")),
    ]);
    Some(section)
}

/// All that can call: the normal world, its virtual machines, the partitions.
fn endpoints(system: &System) -> Vec<(u16, &str)> {
    let machines = system.machines.iter();
    let machines = machines.map(|machine| (machine.id, machine.name.as_str()));
    let partitions = system.partitions.iter();
    let partitions = partitions.map(|partition| (partition.id, partition.name.as_str()));
    let normal = std::iter::once((NORMAL_WORLD_ID, "normal world"));
    normal.chain(machines).chain(partitions).collect()
}

/// What holds for each partition.
fn policies(system: &System) -> Section {
    let head = [
        "partition",
        "id",
        "tee",
        "starts",
        "borrows up to",
        "preempted",
        "its interrupts",
        "a call takes",
        "when it fails",
        "key",
        "sees",
        "clients",
    ];
    let mut section = Section::new("Partitions", &head);
    for (index, partition) in system.partitions.iter().enumerate() {
        let place = system
            .boot_order
            .iter()
            .position(|start| *start == index)
            .map_or(0, |place| place + 1);
        section.rows.push(vec![
            partition.name.clone(),
            format!("{:#06x}", partition.id),
            partition.tee.title().to_owned(),
            place.to_string(),
            format!(
                "{} in {} shares{}",
                show_size(partition.window.size),
                partition.shares,
                if partition.copies { ", copied" } else { "" }
            ),
            preempted(partition.preemption),
            preempts(partition.action),
            partition
                .budget_us
                .map_or_else(|| "any time".to_owned(), |us| show_duration(us.into())),
            fails(partition.on_failure),
            if partition.key { "its own" } else { "none" }.to_owned(),
            match (partition.inspects, partition.quotes) {
                (true, true) => "all partitions, signed",
                (true, false) => "all partitions",
                (false, true) => "itself, all signed",
                (false, false) => "itself",
            }
            .to_owned(),
            clients(partition),
        ]);
    }
    section
}

/// What preempts it, in words.
pub fn preempted(preemption: Preemption) -> String {
    match preemption {
        Preemption::AtOnce => "at once".to_owned(),
        Preemption::ManagedExit { limit_us } => format!("managed exit {}", show_duration(limit_us.into())),
        Preemption::Queued { limit_us } => format!("queued {}", show_duration(limit_us.into())),
    }
}

/// What its own interrupts do to other partitions, in words.
fn preempts(action: Action) -> String {
    match action {
        Action::Signaled => "at once",
        Action::Queued => "when others leave",
    }
    .to_owned()
}

fn fails(policy: OnFailure) -> String {
    match policy {
        OnFailure::Word(failure) => word(crate::draft::FAILURES, failure).to_owned(),
        OnFailure::Restart {
            limit,
            back_off_us,
            within_us,
            with_normal_world,
            rebind,
            ..
        } => {
            let within =
                within_us.map_or_else(String::new, |us| format!(" within {}", show_duration(us.into())));
            let with = if with_normal_world {
                "; and with the normal world"
            } else {
                ""
            };
            format!(
                "restart {limit} times{within}, rest {}{with}{}",
                show_duration(back_off_us.into()),
                if rebind {
                    "; Linux binds its driver anew"
                } else {
                    ""
                }
            )
        }
    }
}

fn clients(partition: &Partition) -> String {
    let Some(client) = &partition.client else {
        return "none".to_owned();
    };
    let mut text = client.name.clone();
    if client.default {
        text += " (default)";
    }
    if !client.applications.is_empty() {
        let count = client.applications.len();
        text += &format!(", {count} application{}", if count == 1 { "" } else { "s" });
    }
    text
}

fn devices(system: &System) -> Section {
    let mut section = Section::new("Devices", &["device", "registers", "owner", "DMA"]);
    for device in &system.board.devices {
        let owner = system.partitions.iter();
        let mut owner = owner.filter(|partition| partition.devices.iter().any(|own| own.name == device.name));
        section.rows.push(vec![
            device.name.clone(),
            show_range(device.range.base, device.range.end()),
            owner
                .next()
                .map_or_else(|| board_owner(device.owner), |partition| partition.name.clone()),
            match (device.dma, system.board.smmu) {
                (false, _) => "no".to_owned(),
                (true, Some(_)) => format!("yes, streams {:?}", device.streams),
                (true, None) => "YES, and nothing checks it".to_owned(),
            },
        ]);
    }
    section
}

fn interrupts(system: &System) -> Section {
    let mut section = Section::new("Interrupts", &["interrupt", "INTID", "trigger", "owner"]);
    for interrupt in &system.board.interrupts {
        let owner = system.partitions.iter();
        let mut owner =
            owner.filter(|partition| partition.interrupts.iter().any(|own| own.name == interrupt.name));
        section.rows.push(vec![
            interrupt.name.clone(),
            interrupt.intid.to_string(),
            if interrupt.edge { "edge" } else { "level" }.to_owned(),
            owner.next().map_or_else(
                || board_owner(interrupt.owner),
                |partition| partition.name.clone(),
            ),
        ]);
    }
    section
}

fn board_owner(owner: Owner) -> String {
    match owner {
        Owner::Free => "-",
        Owner::Hypervisor => "Bulkhead",
        Owner::NormalWorld => "normal world",
    }
    .to_owned()
}
