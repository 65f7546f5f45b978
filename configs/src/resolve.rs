//! From a checked draft to the model: names become what they name, defaults are filled in.

use std::path::{Path, PathBuf};

use crate::board::Board;
use crate::draft::{self, Draft};
use crate::model::{Client, Image, NORMAL_WORLD_ID, Origin, Partition, Preemption, Range, Region, System};
use crate::preset;

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
    })
}

fn resolve(table: &Path, draft: &Draft, board: &Board, partition: &draft::Partition) -> Option<Partition> {
    let tee = partition.tee.as_ref()?.value;
    let preset = preset::of(tee);
    let name = partition.name.as_ref()?;
    Some(Partition {
        name: name.value.clone(),
        id: u16::try_from(partition.id.as_ref()?.value).ok()?,
        tee,
        image: image(table, partition.image.as_ref()?)?,
        package_uuid: partition.uuid.as_ref()?.value,
        uuids: preset.uuids.to_vec(),
        properties: preset.properties,
        messaging: preset.messaging,
        notifications: preset.notifications,
        memory: partition.memory.iter().map(region).collect::<Option<_>>()?,
        cores: cores(board, partition)?,
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
        preemption: preemption(partition, preset.preemption)?,
        callers: callers(draft, partition)?,
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
        span: image.span.clone(),
    })
}

/// A path in a table is relative to the table's folder.
pub fn beside(table: &Path, file: &str) -> PathBuf {
    table.parent().unwrap_or(Path::new("")).join(file)
}

fn region(region: &draft::Region) -> Option<Region> {
    let range = Range {
        base: region.base.as_ref()?.value,
        size: region.size.as_ref()?.value,
    };
    Some(Region {
        range,
        execute: region.execute,
    })
}

fn cores(board: &Board, partition: &draft::Partition) -> Option<Vec<usize>> {
    let Some(names) = &partition.cores else {
        return Some((0..board.cores.len()).collect());
    };
    let mut cores = named(names, |name| {
        board.cores.iter().position(|core| core.name == name)
    })?;
    cores.sort_unstable();
    Some(cores)
}

fn named<T>(names: &[crate::source::At<String>], find: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    names.iter().map(|name| find(&name.value)).collect()
}

fn preemption(partition: &draft::Partition, default: Preemption) -> Option<Preemption> {
    Some(match &partition.preemption {
        None => default,
        Some(draft::Preemption::AtOnce) => Preemption::AtOnce,
        Some(draft::Preemption::ManagedExit(limit)) => Preemption::ManagedExit {
            limit_us: u32::try_from(limit.value).ok()?,
        },
    })
}

/// Without a list, only the normal world calls.
fn callers(draft: &Draft, partition: &draft::Partition) -> Option<Vec<u16>> {
    let Some(names) = &partition.callers else {
        return Some(vec![NORMAL_WORLD_ID]);
    };
    let mut ids = named(names, |name| {
        if name == "normal-world" {
            return Some(NORMAL_WORLD_ID);
        }
        let other = draft
            .partitions
            .iter()
            .find(|other| other.name.as_ref().is_some_and(|own| own.value == name))?;
        u16::try_from(other.id.as_ref()?.value).ok()
    })?;
    ids.sort_unstable();
    Some(ids)
}

fn client(partition: &draft::Partition) -> Option<Option<Client>> {
    let Some(client) = &partition.client else {
        return Some(None);
    };
    let default = client.default.as_ref().is_some_and(|default| default.value);
    Some(Some(Client {
        name: client.name.as_ref()?.value.clone(),
        default,
    }))
}
