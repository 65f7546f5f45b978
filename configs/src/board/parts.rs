//! What a board has several of: cores, memory, devices, interrupts.

use super::consistent::{aligned, wrong};
use super::{Core, Device, Interrupt, KINDS, Memory, OWNERS, Owner, TRIGGERS};
use crate::language::Table;
use crate::model::Range;
use crate::reader::{Faults, Fields, Item};
use crate::source::At;

/// Something named, and where.
pub struct Named<T> {
    /// The name.
    pub name: At<String>,
    /// What has it.
    pub item: T,
}

pub fn read_core(fields: &mut Fields<'_>, name: &str, faults: &mut Faults) -> Option<Core> {
    let cluster = fields.may("cluster", Item::name, faults);
    let mpidr = fields.need("mpidr", Item::integer, faults)?;
    if mpidr.value & !0xff_00ff_ffff != 0 {
        faults.push(wrong(
            "MPIDR_EL1 has affinity in bits 0-23 and 32-39 only",
            &mpidr.span,
            "this number",
        ));
    }
    Some(Core {
        name: name.to_owned(),
        mpidr: mpidr.value,
        cluster: cluster.map(|name| name.value),
    })
}

pub fn read_memory(fields: &mut Fields<'_>, name: &str, faults: &mut Faults) -> Option<Memory> {
    let range = read_range(fields, faults);
    let kind = fields
        .required("kind", faults)
        .and_then(|item| item.word(KINDS, faults));
    let protected_by = fields.may("protected-by", Item::string, faults);
    Some(Memory {
        name: name.to_owned(),
        range: range?,
        kind: kind?.value,
        protected_by: protected_by.map(|text| text.value),
    })
}

pub fn read_device(fields: &mut Fields<'_>, name: &str, faults: &mut Faults) -> Option<Device> {
    let range = read_range(fields, faults);
    let owner = read_owner(fields, faults);
    let interrupts = fields
        .optional("interrupts")
        .and_then(|item| item.strings(faults))
        .unwrap_or_default();
    let dma = fields.may("dma", Item::boolean, faults);
    let streams = fields
        .optional("streams")
        .and_then(|item| item.array(faults))
        .unwrap_or_default();
    let streams = streams.iter().filter_map(|item| item.integer32(faults));
    Some(Device {
        name: name.to_owned(),
        range: range?,
        owner,
        interrupts: interrupts.into_iter().map(|name| name.value).collect(),
        dma: dma.is_some_and(|dma| dma.value),
        streams: streams.map(|stream| stream.value).collect(),
    })
}

pub fn read_interrupt(fields: &mut Fields<'_>, name: &str, faults: &mut Faults) -> Option<Interrupt> {
    let intid = fields.need("intid", Item::integer32, faults);
    let trigger = fields.required("trigger", faults);
    let edge = trigger.and_then(|item| item.word(TRIGGERS, faults));
    let owner = read_owner(fields, faults);
    let intid = intid?;
    if intid.value > 1019 {
        faults.push(wrong(
            "a GICv3 interrupt has a number from 0 to 1019",
            &intid.span,
            "this number",
        ));
    }
    Some(Interrupt {
        name: name.to_owned(),
        intid: intid.value,
        edge: edge?.value,
        owner,
    })
}

pub fn read_owner(fields: &mut Fields<'_>, faults: &mut Faults) -> Owner {
    let owner = fields
        .optional("owner")
        .and_then(|item| item.word(OWNERS, faults));
    owner.map_or(Owner::Free, |owner| owner.value)
}

pub fn read_range(fields: &mut Fields<'_>, faults: &mut Faults) -> Option<Range> {
    let base = fields.need("base", Item::integer, faults);
    let size = fields.need("size", Item::size, faults);
    let (base, size) = (base?, size?);
    let range = Range {
        base: aligned(&base, faults)?,
        size: aligned(&size, faults)?,
    };
    let end = range.base.checked_add(range.size);
    if range.size == 0 || end.is_none_or(|end| end > 1 << 48) {
        faults.push(wrong(
            "the range is empty or ends above 2^48",
            &base.span,
            "it starts here",
        ));
        return None;
    }
    Some(range)
}

/// The named tables of an array of tables, with their own fields read by `read`.
pub fn read_list<T>(
    file: &mut Fields<'_>,
    key: &'static str,
    language: &'static Table,
    faults: &mut Faults,
    read: fn(&mut Fields<'_>, &str, &mut Faults) -> Option<T>,
) -> Vec<Named<T>> {
    let items = file
        .required(key, faults)
        .and_then(|item| item.array(faults))
        .unwrap_or_default();
    let mut out = Vec::new();
    for item in items {
        let Some(mut fields) = item.table(language, faults) else {
            continue;
        };
        let name = fields.need("name", Item::name, faults);
        let item = read(&mut fields, name.as_ref().map_or("", |name| &name.value), faults);
        fields.finish(faults);
        out.extend(name.zip(item).map(|(name, item)| Named { name, item }));
    }
    out
}

/// Takes the names off.
pub fn items<T>(all: Vec<Named<T>>) -> Vec<T> {
    all.into_iter().map(|named| named.item).collect()
}
