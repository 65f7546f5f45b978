//! A table's file, key by key.

use super::{Client, Draft, Image, Partition, Preemption, Region, TEES};
use crate::reader::{Faults, Fields, Item};
use crate::source::At;

/// Reads the file's keys.
pub fn read(mut file: Fields<'_>, faults: &mut Faults) -> Draft {
    let mut draft = Draft::default();
    let system = file
        .required("system", faults)
        .and_then(|item| item.table("`[system]`", faults));
    if let Some(system) = system {
        read_system(system, &mut draft, faults);
    }
    let partitions = file.optional("partition").and_then(|item| item.array(faults));
    for item in partitions.into_iter().flatten() {
        if let Some(fields) = item.table("a partition", faults) {
            draft.partitions.push(read_partition(fields, faults));
        }
    }
    file.finish(faults);
    draft
}

fn read_system(mut fields: Fields<'_>, draft: &mut Draft, faults: &mut Faults) {
    draft.name = fields.required("name", faults).and_then(|item| item.name(faults));
    draft.board = fields
        .required("board", faults)
        .and_then(|item| item.name(faults));
    let hypervisor = fields
        .required("hypervisor", faults)
        .and_then(|item| item.table("`hypervisor`", faults));
    if let Some(mut hypervisor) = hypervisor {
        draft.hypervisor = hypervisor
            .required("memory", faults)
            .and_then(|item| item.size(faults));
        hypervisor.finish(faults);
    }
    fields.finish(faults);
}

fn read_partition(mut fields: Fields<'_>, faults: &mut Faults) -> Partition {
    let span = fields.span.clone();
    let name = fields.required("name", faults).and_then(|item| item.name(faults));
    if let Some(name) = &name {
        fields.call(format!("partition `{}`", name.value));
    }
    let cores = fields.required("cores", faults);
    let partition = Partition {
        name,
        id: fields
            .required("id", faults)
            .and_then(|item| item.integer(faults)),
        tee: fields
            .required("tee", faults)
            .and_then(|item| item.word(TEES, faults)),
        image: fields
            .required("image", faults)
            .and_then(|item| read_image(item, faults)),
        uuid: fields.required("uuid", faults).and_then(|item| item.uuid(faults)),
        memory: fields
            .required("memory", faults)
            .map_or_else(Vec::new, |item| read_memory(item, faults)),
        cores_span: cores
            .as_ref()
            .map_or_else(|| span.clone(), |item| item.span.clone()),
        cores: cores.and_then(|item| read_cores(item, faults)),
        window: fields.optional("window").and_then(|item| item.size(faults)),
        shares: fields.optional("shares").and_then(|item| item.integer(faults)),
        preemption: fields
            .optional("preemption")
            .and_then(|item| read_preemption(item, faults)),
        callers: fields.optional("callers").and_then(|item| item.strings(faults)),
        boot_order: fields
            .optional("boot-order")
            .and_then(|item| item.integer(faults)),
        devices: fields
            .optional("devices")
            .and_then(|item| item.strings(faults))
            .unwrap_or_default(),
        interrupts: fields
            .optional("interrupts")
            .and_then(|item| item.strings(faults))
            .unwrap_or_default(),
        client: fields
            .optional("client")
            .and_then(|item| read_client(item, faults)),
        span,
    };
    fields.finish(faults);
    partition
}

fn read_image(item: Item<'_>, faults: &mut Faults) -> Option<Image> {
    let mut fields = item.table("`image`", faults)?;
    let digest = fields.optional("sha256");
    let image = Image {
        span: fields.span.clone(),
        build: fields.optional("build").and_then(|item| item.word(TEES, faults)),
        file: fields.optional("file").and_then(|item| item.string(faults)),
        has_digest: digest.is_some(),
        sha256: digest.and_then(|item| item.digest(faults)),
    };
    fields.finish(faults);
    Some(image)
}

/// `{ base, size }`, or an array of such.
fn read_memory(item: Item<'_>, faults: &mut Faults) -> Vec<Region> {
    if item.is_table() {
        return read_region(item, faults).into_iter().collect();
    }
    let items = item.array(faults).unwrap_or_default();
    items
        .into_iter()
        .filter_map(|item| read_region(item, faults))
        .collect()
}

fn read_region(item: Item<'_>, faults: &mut Faults) -> Option<Region> {
    let mut fields = item.table("`memory`", faults)?;
    let rights = fields
        .optional("rights")
        .and_then(|item| item.word(&[("rw", false), ("rwx", true)], faults));
    let region = Region {
        span: fields.span.clone(),
        base: fields
            .required("base", faults)
            .and_then(|item| item.integer(faults)),
        size: fields.required("size", faults).and_then(|item| item.size(faults)),
        execute: rights.is_none_or(|rights| rights.value),
    };
    fields.finish(faults);
    Some(region)
}

/// `"all"` or a list of names.
fn read_cores(item: Item<'_>, faults: &mut Faults) -> Option<Vec<At<String>>> {
    if item.text().is_some() {
        item.word(&[("all", ())], faults);
        return None;
    }
    item.strings(faults)
}

/// `"at-once"` or `{ managed-exit = … }`.
fn read_preemption(item: Item<'_>, faults: &mut Faults) -> Option<Preemption> {
    if !item.is_table() {
        let before = faults.len();
        let word = item.word(&[("at-once", ())], faults);
        let example = "write \"at-once\" or { managed-exit = \"10ms\" }";
        faults[before..]
            .iter_mut()
            .for_each(|fault| fault.help = Some(example.to_owned()));
        word?;
        return Some(Preemption::AtOnce);
    }
    let mut fields = item.table("`preemption`", faults)?;
    let limit = fields
        .required("managed-exit", faults)
        .and_then(|item| item.duration(faults));
    fields.finish(faults);
    limit.map(Preemption::ManagedExit)
}

fn read_client(item: Item<'_>, faults: &mut Faults) -> Option<Client> {
    let mut fields = item.table("`client`", faults)?;
    let client = Client {
        name: fields.required("name", faults).and_then(|item| item.name(faults)),
        default: fields.optional("default").and_then(|item| item.boolean(faults)),
    };
    fields.finish(faults);
    Some(client)
}
