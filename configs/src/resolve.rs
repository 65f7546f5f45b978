//! From a checked draft to the model: names become what they name, defaults are filled in.

use std::path::{Path, PathBuf};

use crate::board::Board;
use crate::draft::{self, Action, Cores, Draft, Message, Profile, Rights};
use crate::model::{
    Caller, Client, Image, Machine, NORMAL_WORLD_ID, OnFailure, Origin, Partition, Preemption, Quiesce,
    Quotas, Range, Region, SPMC_ID, Signed, System,
};
use crate::preset::{self, Preset};
use crate::source::At;

/// Microseconds of rest before a first restart, where the table says nothing.
const BACK_OFF_US: u32 = 100_000;
/// `OPTEE_FFA_ENABLE_ASYNC_NOTIF` of OP-TEE's protocol: its driver says it once, when it is bound.
const NOTIFY: u32 = 5;

/// Execution contexts of a virtual machine, where the table says nothing.
const MACHINE_CONTEXTS: u16 = 8;

/// Makes the model of a draft without faults. None only if a check missed something.
pub fn system(table: &Path, draft: &Draft, board: Board) -> Option<System> {
    let mut order: Vec<(u64, u64)> = Vec::new();
    let mut partitions = Vec::new();
    for (place, partition) in draft.partitions.iter().enumerate() {
        let id = partition.id.as_ref()?.value;
        // Partitions without an order of their own start last, in the order of the file.
        let behind = u64::from(u32::MAX) + u64::try_from(place).ok()?;
        order.push((
            partition.boot_order.as_ref().map_or(behind, |order| order.value),
            id,
        ));
        partitions.push(resolve(table, draft, &board, partition)?);
    }
    partitions.sort_by_key(|partition| partition.id);
    order.sort_unstable();
    let index_of = |id: u64| {
        partitions
            .iter()
            .position(|partition| u64::from(partition.id) == id)
    };
    Some(System {
        name: draft.name.as_ref()?.value.clone(),
        table: table.to_owned(),
        hypervisor: Range {
            base: board.hypervisor_load,
            size: draft.hypervisor.as_ref()?.value,
        },
        boot_order: order.iter().map(|(_, id)| index_of(*id)).collect::<Option<_>>()?,
        board,
        partitions,
        machines: machines(draft)?,
        profile: draft
            .profile
            .as_ref()
            .map_or(Profile::Development, |profile| profile.value),
        trusted_boot: draft.trusted_boot.as_ref().is_some_and(|trusted| trusted.value),
        allow_unprotected: draft.allow_unprotected,
        not_built: Vec::new(),
        doubts: Vec::new(),
    })
}

/// Virtual machines by ascending ID.
fn machines(draft: &Draft) -> Option<Vec<Machine>> {
    let each = draft.machines.iter().map(|machine| {
        Some(Machine {
            name: machine.name.as_ref()?.value.clone(),
            id: u16::try_from(machine.id.as_ref()?.value).ok()?,
            contexts: match &machine.contexts {
                Some(contexts) => u16::try_from(contexts.value).ok()?,
                None => MACHINE_CONTEXTS,
            },
        })
    });
    let mut machines = each.collect::<Option<Vec<_>>>()?;
    machines.sort_by_key(|machine| machine.id);
    Some(machines)
}

fn resolve(table: &Path, draft: &Draft, board: &Board, partition: &draft::Partition) -> Option<Partition> {
    let tee = partition.tee.as_ref()?.value;
    let preset = preset::of(tee);
    let name = partition.name.as_ref()?;
    let cores = cores(draft, board, partition)?;
    let receives = receives(partition, &preset);
    Some(Partition {
        name: name.value.clone(),
        id: u16::try_from(partition.id.as_ref()?.value).ok()?,
        tee,
        image: image(table, partition.image.as_ref()?)?,
        package_uuid: partition.uuid.as_ref()?.value,
        uuids: match &partition.uuids {
            Some(uuids) => uuids.value.iter().map(|uuid| uuid.value).collect(),
            None => preset.uuids.to_vec(),
        },
        receives: receives.clone(),
        sends: preset.sends,
        memory: regions(partition)?,
        dedicated: !partition.dedicated().is_empty(),
        forward: matches!(&partition.cores, Some(Cores::Called { forward: Some(forward), .. }) if forward.value),
        contexts: match &partition.contexts {
            Some(contexts) => usize::try_from(contexts.value).ok()?,
            None => cores.len(),
        },
        cores,
        devices: named(&partition.devices, |name| {
            board.devices.iter().find(|device| device.name == name).cloned()
        })?,
        interrupts: named(&partition.interrupts, |name| {
            board
                .interrupts
                .iter()
                .find(|interrupt| interrupt.name == name)
                .cloned()
        })?,
        quiesce: quiesce(&partition.quiesce, board)?,
        window: Range {
            base: board.window_base,
            size: partition
                .window
                .as_ref()
                .map_or(preset.window, |window| window.value),
        },
        shares: match &partition.shares {
            Some(shares) => u16::try_from(shares.value).ok()?,
            None => preset.shares,
        },
        quotas: quotas(&partition.quotas)?,
        preemption: preemption(partition, preset.preemption)?,
        budget_us: optional32(partition.budget.as_ref())?,
        action: partition
            .action
            .as_ref()
            .map_or(Action::Signaled, |action| action.value),
        delivery: partition
            .delivery
            .as_ref()
            .map_or(preset.delivery, |delivery| delivery.value),
        on_failure: on_failure(partition)?,
        key: partition.key.as_ref().is_some_and(|key| key.value),
        inspects: partition.inspects.as_ref().is_some_and(|inspects| inspects.value),
        quotes: partition.quotes.as_ref().is_some_and(|quotes| quotes.value),
        copies: partition
            .copies
            .as_ref()
            .map_or(preset.copies, |copies| copies.value),
        callers: callers(draft, partition, &receives)?,
        power: power(partition),
        notifies: ids(draft, &partition.notifies)?,
        boot_order: match &partition.boot_order {
            Some(order) => Some(u16::try_from(order.value).ok()?),
            None => None,
        },
        client: client(partition)?,
        optee_platform: board.optee_platform.clone(),
        span: name.span.clone(),
    })
}

fn image(table: &Path, image: &draft::Image) -> Option<Image> {
    let origin = match (&image.build, &image.file) {
        (Some(tee), None) => Origin::Build(tee.value),
        (None, Some(file)) => Origin::File(beside(table, &file.value)),
        _ => return None,
    };
    let sha256 = image.sha256.as_ref().map(|digest| digest.value);
    Some(Image {
        origin,
        sha256,
        signed: image.signed.as_ref().and_then(signed),
        symbols: image
            .symbols
            .as_ref()
            .map(|symbols| beside(table, &symbols.value)),
        entry: image.entry.as_ref().map_or(0, |entry| entry.value),
        settings: image
            .settings
            .iter()
            .map(|setting| setting.value.clone())
            .collect(),
        span: image.span.clone(),
    })
}

fn signed(signed: &draft::Signed) -> Option<Signed> {
    let number = |number: &Option<At<u64>>, default| number.as_ref().map_or(default, |number| number.value);
    Some(Signed {
        by: signed.by.as_ref()?.value,
        slots: u8::try_from(number(&signed.slots, 1)).ok()?,
        version: u32::try_from(number(&signed.version, 0)).ok()?,
        counted: signed.counted.as_ref().is_some_and(|counted| counted.value),
    })
}

/// A path in a table is relative to the table's folder.
pub fn beside(table: &Path, file: &str) -> PathBuf {
    table.parent().unwrap_or(Path::new("")).join(file)
}

/// Every region; the first one may be executed where nothing is said, the others may not.
fn regions(partition: &draft::Partition) -> Option<Vec<Region>> {
    let regions = partition.memory.iter().enumerate().map(|(index, region)| {
        let default = if index == 0 {
            Rights::All
        } else {
            Rights::ReadWrite
        };
        Some(Region {
            range: Range {
                base: region.base.as_ref()?.value,
                size: region.size.as_ref()?.value,
            },
            rights: region.rights.as_ref().map_or(default, |rights| rights.value),
            placed: region.placed,
        })
    });
    regions
        .collect::<Option<Vec<_>>>()
        .filter(|regions| !regions.is_empty())
}

/// Indices of the partition's cores, ascending. `all` are those that no partition has for itself.
fn cores(draft: &Draft, board: &Board, partition: &draft::Partition) -> Option<Vec<usize>> {
    let index = |name: &str| board.cores.iter().position(|core| core.name == name);
    let mut cores = match partition.cores.as_ref()? {
        Cores::All => {
            let all = draft.partitions.iter().flat_map(draft::Partition::dedicated);
            let dedicated: Vec<_> = all.filter_map(|core| index(&core.value)).collect();
            let free = (0..board.cores.len()).filter(|core| !dedicated.contains(core));
            free.collect()
        }
        Cores::Called { cores, .. } | Cores::Dedicated(cores) => named(cores, index)?,
    };
    cores.sort_unstable();
    Some(cores)
}

/// The kinds of message in the order of the language, each once.
fn receives(partition: &draft::Partition, preset: &Preset) -> Vec<draft::Message> {
    let chosen: Vec<_> = match &partition.receives {
        Some(list) => list.value.iter().map(|message| message.value).collect(),
        None => preset.receives.to_vec(),
    };
    let all = draft::MESSAGES.iter().map(|(_, message)| *message);
    all.filter(|message| chosen.contains(message)).collect()
}

/// The power messages in the order of the language, each once.
fn power(partition: &draft::Partition) -> Vec<draft::Power> {
    let chosen = partition.power.iter().flat_map(|list| &list.value);
    let chosen: Vec<_> = chosen.map(|message| message.value).collect();
    let all = draft::POWER.iter().map(|(_, message)| *message);
    all.filter(|message| chosen.contains(message)).collect()
}

fn optional32(number: Option<&At<u64>>) -> Option<Option<u32>> {
    match number {
        Some(number) => u32::try_from(number.value).ok().map(Some),
        None => Some(None),
    }
}

fn quotas(quotas: &draft::Quotas) -> Option<Quotas> {
    Some(Quotas {
        ranges: optional32(quotas.ranges.as_ref())?,
        log: optional32(quotas.log.as_ref())?,
    })
}

fn quiesce(writes: &[draft::Quiesce], board: &Board) -> Option<Vec<Quiesce>> {
    let resolved = writes.iter().map(|write| {
        let mut devices = board.devices.iter();
        let device = devices.find(|device| device.name == write.device.value)?;
        Some(Quiesce {
            device: device.name.clone(),
            offset: write.offset.value,
            address: device.range.base.checked_add(write.offset.value)?,
            value: u32::try_from(write.value.value).ok()?,
        })
    });
    resolved.collect()
}

fn on_failure(partition: &draft::Partition) -> Option<OnFailure> {
    Some(match &partition.on_failure {
        None => OnFailure::Word(draft::Failure::Stop),
        Some(draft::OnFailure::Word(word)) => OnFailure::Word(word.value),
        Some(draft::OnFailure::Restart {
            limit,
            back_off,
            within,
            with_normal_world,
            repeats,
            rebind,
            ..
        }) => OnFailure::Restart {
            limit: u32::try_from(limit.as_ref()?.value).ok()?,
            back_off_us: optional32(back_off.as_ref())?.unwrap_or(BACK_OFF_US),
            within_us: optional32(within.as_ref())?,
            with_normal_world: with_normal_world.as_ref().is_some_and(|with| with.value),
            repeats: optional32(repeats.as_ref())?.or(partition.is(draft::Tee::Optee).then_some(NOTIFY)),
            rebind: rebind.as_ref().is_some_and(|rebind| rebind.value),
        },
    })
}

fn named<T>(names: &[At<String>], find: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    names.iter().map(|name| find(&name.value)).collect()
}

fn preemption(partition: &draft::Partition, default: Preemption) -> Option<Preemption> {
    let bound = |limit: &At<u64>| u32::try_from(limit.value).ok();
    Some(match &partition.preemption {
        None => default,
        Some(draft::Preemption::AtOnce) => Preemption::AtOnce,
        Some(draft::Preemption::ManagedExit(limit)) => Preemption::ManagedExit {
            limit_us: bound(limit)?,
        },
        Some(draft::Preemption::Queued(limit)) => Preemption::Queued {
            limit_us: bound(limit)?,
        },
    })
}

/// Without a list, only the normal world calls.
fn callers(draft: &Draft, partition: &draft::Partition, taken: &[Message]) -> Option<Vec<Caller>> {
    let kinds = draft::KINDS.iter().map(|(_, kind)| *kind);
    let kinds: Vec<Message> = kinds.filter(|kind| taken.contains(kind)).collect();
    let Some(callers) = &partition.callers else {
        return Some(vec![Caller {
            id: NORMAL_WORLD_ID,
            messages: kinds,
            pages: None,
        }]);
    };
    let callers = callers.iter().map(|caller| {
        let id = id(draft, &caller.from.value)?;
        let may = |kind: &&Message| {
            let list = caller.messages.as_ref();
            list.is_none_or(|list| list.value.iter().any(|own| own.value == **kind))
        };
        Some(Caller {
            id,
            messages: kinds.iter().filter(may).copied().collect(),
            pages: match &caller.pages {
                Some(pages) => Some(u32::try_from(pages.value).ok()?),
                None => (id > SPMC_ID).then_some(0),
            },
        })
    });
    let mut callers = callers.collect::<Option<Vec<_>>>()?;
    callers.sort_by_key(|caller| caller.id);
    Some(callers)
}

/// IDs of endpoints, ascending.
fn ids(draft: &Draft, names: &[At<String>]) -> Option<Vec<u16>> {
    let mut ids = named(names, |name| id(draft, name))?;
    ids.sort_unstable();
    Some(ids)
}

/// The ID of the endpoint with this name.
fn id(draft: &Draft, name: &str) -> Option<u16> {
    if name == "normal-world" {
        return Some(NORMAL_WORLD_ID);
    }
    let partitions = draft.partitions.iter().map(|other| (&other.name, &other.id));
    let machines = draft.machines.iter().map(|other| (&other.name, &other.id));
    let mut all = partitions.chain(machines);
    let (_, id) = all.find(|(own, _)| own.as_ref().is_some_and(|own| own.value == name))?;
    u16::try_from(id.as_ref()?.value).ok()
}

fn client(partition: &draft::Partition) -> Option<Option<Client>> {
    let Some(client) = &partition.client else {
        return Some(None);
    };
    let default = client.default.as_ref().is_some_and(|default| default.value);
    let applications = client.applications.iter();
    Some(Some(Client {
        name: client.name.as_ref()?.value.clone(),
        default,
        applications: applications.map(|uuid| uuid.value).collect(),
    }))
}
