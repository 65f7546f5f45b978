//! A table's file, key by key.

use super::{
    ACTIONS, ALL_CORES, AT_ONCE, Caller, Client, Cores, DELIVERIES, Draft, FAILURES, Image, MESSAGES,
    Machine, OnFailure, POWER, PROFILES, Partition, Preemption, Quotas, RIGHTS, Region, Signed, Signer, TEES,
    TEST_KEY, caller, quiesce,
};
use crate::language::table as keys;
use crate::reader::{Faults, Fields, Item};
use crate::report::Diagnostic;
use crate::rule::Rule;
use crate::source::At;

/// Partitions that are looked at. No boot loader takes as many.
const MOST_PARTITIONS: usize = 128;

/// Reads the file's keys.
pub fn read(mut file: Fields<'_>, faults: &mut Faults) -> Draft {
    let mut draft = Draft::default();
    let system = file
        .required("system", faults)
        .and_then(|item| item.table(&keys::SYSTEM, faults));
    if let Some(system) = system {
        read_system(system, &mut draft, faults);
    }
    let partitions = file.optional("partition").and_then(|item| item.array(faults));
    let partitions = partitions.unwrap_or_default();
    if partitions.len() > MOST_PARTITIONS {
        let title = format!(
            "the table has {} partitions; only the first {MOST_PARTITIONS} are looked at",
            partitions.len()
        );
        let fault = Diagnostic::new(Rule::TooMany, title);
        let fault = fault.at(&partitions[MOST_PARTITIONS].span, "the first one too many");
        faults.push(fault.help("remove partitions until they fit the board"));
    }
    for item in partitions.into_iter().take(MOST_PARTITIONS) {
        if let Some(fields) = item.table(&keys::PARTITION, faults) {
            draft.partitions.push(read_partition(fields, faults));
        }
    }
    let machines = file
        .optional("virtual-machine")
        .and_then(|item| item.array(faults));
    for item in machines.into_iter().flatten() {
        if let Some(mut fields) = item.table(&keys::VIRTUAL_MACHINE, faults) {
            draft.machines.push(Machine {
                name: fields.need("name", Item::name, faults),
                id: fields.need("id", Item::integer, faults),
                contexts: fields.may("contexts", Item::integer, faults),
            });
            fields.finish(faults);
        }
    }
    file.finish(faults);
    draft
}

fn read_system(mut fields: Fields<'_>, draft: &mut Draft, faults: &mut Faults) {
    draft.name = fields.need("name", Item::name, faults);
    draft.board = fields.need("board", Item::name, faults);
    let hypervisor = fields
        .required("hypervisor", faults)
        .and_then(|item| item.table(&keys::HYPERVISOR, faults));
    if let Some(mut hypervisor) = hypervisor {
        draft.hypervisor = hypervisor.need("memory", Item::size, faults);
        draft.log = hypervisor.may("log", Item::name, faults);
        hypervisor.finish(faults);
    }
    draft.profile = fields
        .optional("profile")
        .and_then(|item| item.word(PROFILES, faults));
    draft.trusted_boot = fields.may("trusted-boot", Item::boolean, faults);
    let allow = fields.may("allow-unprotected", Item::boolean, faults);
    draft.allow_unprotected = allow.is_some_and(|allow| allow.value);
    fields.finish(faults);
}

fn read_partition(mut fields: Fields<'_>, faults: &mut Faults) -> Partition {
    let span = fields.span.clone();
    let name = fields.need("name", Item::name, faults);
    if let Some(name) = &name {
        fields.call(format!("partition `{}`", name.value));
    }
    let cores = fields.required("cores", faults);
    let memory = fields.required("memory", faults);
    let partition = Partition {
        name,
        id: fields.need("id", Item::integer, faults),
        tee: fields
            .required("tee", faults)
            .and_then(|item| item.word(TEES, faults)),
        image: fields
            .required("image", faults)
            .and_then(|item| read_image(item, faults)),
        uuid: fields.need("uuid", Item::uuid, faults),
        uuids: fields
            .optional("uuids")
            .and_then(|item| item.each(faults, |item, faults| item.uuid(faults))),
        memory_span: memory.as_ref().map(|item| item.span.clone()),
        memory: memory.map_or_else(Vec::new, |item| read_memory(item, faults)),
        cores_span: cores
            .as_ref()
            .map_or_else(|| span.clone(), |item| item.span.clone()),
        cores: cores.and_then(|item| read_cores(item, faults)),
        contexts: fields.may("contexts", Item::integer, faults),
        window: fields.may("window", Item::size, faults),
        shares: fields.may("shares", Item::integer, faults),
        quotas: fields
            .optional("quotas")
            .map_or_else(Quotas::default, |item| read_quotas(item, faults)),
        preemption: fields
            .optional("preemption")
            .and_then(|item| read_preemption(item, faults)),
        budget: fields.may("budget", Item::duration, faults),
        callers: fields
            .optional("callers")
            .and_then(|item| read_callers(item, faults)),
        receives: fields
            .optional("receives")
            .and_then(|item| item.each(faults, |item, faults| item.word(MESSAGES, faults))),
        power: fields
            .optional("power-messages")
            .and_then(|item| item.each(faults, |item, faults| item.word(POWER, faults))),
        notifies: names(&mut fields, "notifies", faults),
        action: fields
            .optional("s-interrupts-action")
            .and_then(|item| item.word(ACTIONS, faults)),
        delivery: fields
            .optional("interrupt-interface")
            .and_then(|item| item.word(DELIVERIES, faults)),
        boot_order: fields.may("boot-order", Item::integer, faults),
        devices: names(&mut fields, "devices", faults),
        interrupts: names(&mut fields, "interrupts", faults),
        quiesce: fields
            .optional("quiesce")
            .and_then(|item| item.array(faults))
            .unwrap_or_default()
            .into_iter()
            .filter_map(|item| quiesce::read(item, faults))
            .collect(),
        on_failure: fields
            .optional("on-failure")
            .and_then(|item| read_failure(item, faults)),
        key: fields.may("key", Item::boolean, faults),
        inspects: fields.may("inspects", Item::boolean, faults),
        quotes: fields.may("quotes", Item::boolean, faults),
        copies: fields.may("copies", Item::boolean, faults),
        client: fields
            .optional("client")
            .and_then(|item| read_client(item, faults)),
        span,
    };
    fields.finish(faults);
    partition
}

fn names(fields: &mut Fields<'_>, key: &'static str, faults: &mut Faults) -> Vec<At<String>> {
    fields
        .optional(key)
        .and_then(|item| item.strings(faults))
        .unwrap_or_default()
}

/// Entries that say whom they are about; the others were reported.
fn read_callers(item: Item<'_>, faults: &mut Faults) -> Option<Vec<Caller>> {
    let items = item.array(faults)?;
    Some(
        items
            .into_iter()
            .filter_map(|item| caller::read(item, faults))
            .collect(),
    )
}

fn read_image(item: Item<'_>, faults: &mut Faults) -> Option<Image> {
    let mut fields = item.table(&keys::IMAGE, faults)?;
    let digest = fields.optional("sha256");
    let image = Image {
        span: fields.span.clone(),
        build: fields.optional("build").and_then(|item| item.word(TEES, faults)),
        file: fields.may("file", Item::string, faults),
        has_digest: digest.is_some(),
        sha256: digest.and_then(|item| item.digest(faults)),
        signed: fields
            .optional("signed")
            .and_then(|item| read_signed(item, faults)),
        symbols: fields.may("symbols", Item::string, faults),
        entry: fields.may("entry", Item::size, faults),
        settings: fields
            .optional("settings")
            .and_then(|item| item.strings(faults))
            .unwrap_or_default(),
    };
    fields.finish(faults);
    Some(image)
}

fn read_signed(item: Item<'_>, faults: &mut Faults) -> Option<Signed> {
    let mut fields = item.table(&keys::SIGNED, faults)?;
    let by = fields.required("by", faults).and_then(|item| {
        if item.text() == Some(TEST_KEY) {
            return item.string(faults).map(|text| text.with(Signer::Test));
        }
        let key = item.digest(faults)?;
        let value = Signer::Key(key.value);
        Some(key.with(value))
    });
    let signed = Signed {
        span: fields.span.clone(),
        by,
        slots: fields.may("slots", Item::integer, faults),
        version: fields.may("version", Item::integer, faults),
        counted: fields.may("counted", Item::boolean, faults),
    };
    fields.finish(faults);
    Some(signed)
}

/// A size, `{ base, size, rights }`, or an array of such.
fn read_memory(item: Item<'_>, faults: &mut Faults) -> Vec<Region> {
    if item.is_table() {
        return read_region(item, faults).into_iter().collect();
    }
    if item.text().is_some() {
        return vec![Region {
            span: item.span.clone(),
            base: None,
            placed: true,
            size: item.size(faults),
            rights: None,
        }];
    }
    let items = item.array(faults).unwrap_or_default();
    items
        .into_iter()
        .filter_map(|item| read_region(item, faults))
        .collect()
}

fn read_region(item: Item<'_>, faults: &mut Faults) -> Option<Region> {
    let mut fields = item.table(&keys::MEMORY, faults)?;
    let region = Region {
        span: fields.span.clone(),
        placed: !fields.has("base"),
        base: fields.may("base", Item::integer, faults),
        size: fields.need("size", Item::size, faults),
        rights: fields
            .optional("rights")
            .and_then(|item| item.word(RIGHTS, faults)),
    };
    fields.finish(faults);
    Some(region)
}

/// `"all"`, a list of names, or a table that says the kind.
fn read_cores(item: Item<'_>, faults: &mut Faults) -> Option<Cores> {
    if item.text().is_some() {
        return item.word(ALL_CORES, faults).map(|_| Cores::All);
    }
    if !item.is_table() {
        let cores = item.strings(faults)?;
        return Some(Cores::Called { cores, forward: None });
    }
    let mut fields = item.table(&keys::CORES, faults)?;
    let span = fields.span.clone();
    let called = fields.optional("called");
    let dedicated = fields.optional("dedicated");
    let forward = fields.may("forward", Item::boolean, faults);
    fields.finish(faults);
    match (called, dedicated) {
        (Some(called), None) => Some(Cores::Called {
            cores: called.strings(faults)?,
            forward,
        }),
        (None, Some(dedicated)) => Some(Cores::Dedicated(dedicated.strings(faults)?)),
        _ => {
            faults.push(super::either(&span, "`cores`", "`called`", "`dedicated`"));
            None
        }
    }
}

fn read_quotas(item: Item<'_>, faults: &mut Faults) -> Quotas {
    let Some(mut fields) = item.table(&keys::QUOTAS, faults) else {
        return Quotas::default();
    };
    let quotas = Quotas {
        ranges: fields.may("ranges", Item::integer, faults),
        log: fields.may("log", Item::size, faults),
    };
    fields.finish(faults);
    quotas
}

/// `"at-once"`, `{ managed-exit = … }` or `{ queued = … }`.
fn read_preemption(item: Item<'_>, faults: &mut Faults) -> Option<Preemption> {
    if !item.is_table() {
        let before = faults.len();
        let word = item.word(AT_ONCE, faults);
        let example = "write \"at-once\" or { managed-exit = \"10ms\" }";
        faults[before..]
            .iter_mut()
            .for_each(|fault| fault.help = Some(example.to_owned()));
        word?;
        return Some(Preemption::AtOnce);
    }
    let mut fields = item.table(&keys::PREEMPTION, faults)?;
    let span = fields.span.clone();
    let managed = fields.optional("managed-exit");
    let queued = fields.optional("queued");
    fields.finish(faults);
    match (managed, queued) {
        (Some(managed), None) => managed.duration(faults).map(Preemption::ManagedExit),
        (None, Some(queued)) => queued.duration(faults).map(Preemption::Queued),
        _ => {
            faults.push(super::either(&span, "`preemption`", "`managed-exit`", "`queued`"));
            None
        }
    }
}

/// `"stop"`, `"halt"` or `{ restart = … }`.
fn read_failure(item: Item<'_>, faults: &mut Faults) -> Option<OnFailure> {
    if !item.is_table() {
        return item.word(FAILURES, faults).map(OnFailure::Word);
    }
    let mut fields = item.table(&keys::RESTART, faults)?;
    let failure = OnFailure::Restart {
        span: fields.span.clone(),
        limit: fields.need("restart", Item::integer, faults),
        back_off: fields.may("back-off", Item::duration, faults),
        within: fields.may("within", Item::duration, faults),
        with_normal_world: fields.may("with-normal-world", Item::boolean, faults),
        repeats: fields.may("repeats", Item::integer, faults),
        rebind: fields.may("rebind", Item::boolean, faults),
    };
    fields.finish(faults);
    Some(failure)
}

fn read_client(item: Item<'_>, faults: &mut Faults) -> Option<Client> {
    let mut fields = item.table(&keys::CLIENT, faults)?;
    let applications = fields.optional("applications");
    let client = Client {
        span: fields.span.clone(),
        name: fields.need("name", Item::name, faults),
        default: fields.may("default", Item::boolean, faults),
        applications: applications
            .and_then(|item| item.each(faults, |item, faults| item.uuid(faults)))
            .map_or_else(Vec::new, |list| list.value),
    };
    fields.finish(faults);
    Some(client)
}
