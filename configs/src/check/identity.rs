//! Names, IDs and UUIDs.

use crate::board::Board;
use crate::draft::{Draft, Partition};
use crate::reader::Faults;
use crate::report::Diagnostic;
use crate::rule::Rule;
use crate::source::At;

/// Names that stand for something else.
const RESERVED: &[&str] = &["normal-world", "hypervisor", "firmware"];

/// IDs that partitions may have.
const IDS: std::ops::RangeInclusive<u64> = 0x8001..=0x80ff;

/// IDs that virtual machines may have.
const MACHINES: std::ops::RangeInclusive<u64> = 0x0001..=0x7fff;

/// Checks who is who.
pub fn check(draft: &Draft, board: Option<&Board>, faults: &mut Faults) {
    count(draft, board, faults);
    for partition in &draft.partitions {
        alone(partition, faults);
    }
    for (first, second) in super::pairs(draft) {
        together(first, second, faults);
    }
    machines(draft, faults);
}

fn count(draft: &Draft, board: Option<&Board>, faults: &mut Faults) {
    if draft.partitions.is_empty() {
        let fault = Diagnostic::new(Rule::NoPartition, "the table has no partition");
        let fault = match &draft.name {
            Some(name) => fault.at(&name.span, "this system is empty"),
            None => fault,
        };
        faults.push(fault.help("add a `[[partition]]`"));
    }
    let Some(limit) = board.map(|board| board.firmware.packages) else {
        return;
    };
    if let Some(extra) = draft.partitions.get(limit) {
        let count = draft.partitions.len();
        let title = format!("the table has {count} partitions; the board's boot loader takes {limit}");
        let fault = Diagnostic::new(Rule::TooMany, title).at(extra.place(), "the first one too many");
        faults.push(fault.help("remove partitions until they fit"));
    }
}

fn alone(partition: &Partition, faults: &mut Faults) {
    if let Some(name) = partition
        .name
        .as_ref()
        .filter(|name| RESERVED.contains(&name.value.as_str()))
    {
        let title = format!("a partition cannot be called `{}`", name.value);
        let fault =
            Diagnostic::new(Rule::DuplicateName, title).at(&name.span, "this name means something else");
        faults.push(fault.help("use another name"));
    }
    if let Some(id) = partition.id.as_ref().filter(|id| !IDS.contains(&id.value)) {
        let title = format!("{:#x} is not an ID for a secure partition", id.value);
        let fault = Diagnostic::new(Rule::IdRange, title).at(&id.span, "this ID");
        faults.push(fault.help("use an ID from 0x8001 to 0x80ff"));
    }
    if let Some(uuid) = partition.uuid.as_ref().filter(|uuid| uuid.value == [0; 16]) {
        let fault = Diagnostic::new(Rule::NilUuid, format!("the UUID of {} is nil", partition.title()));
        faults.push(fault.at(&uuid.span, "this UUID").help("make one with `uuidgen`"));
    }
}

/// Virtual machines: their names are callers' names like those of partitions.
fn machines(draft: &Draft, faults: &mut Faults) {
    for (index, machine) in draft.machines.iter().enumerate() {
        if let Some(name) = machine
            .name
            .as_ref()
            .filter(|name| RESERVED.contains(&name.value.as_str()))
        {
            let title = format!("a virtual machine cannot be called `{}`", name.value);
            let fault =
                Diagnostic::new(Rule::DuplicateName, title).at(&name.span, "this name means something else");
            faults.push(fault.help("use another name"));
        }
        if let Some(id) = machine.id.as_ref().filter(|id| !MACHINES.contains(&id.value)) {
            let title = format!("{:#x} is not an ID for a virtual machine", id.value);
            let fault = Diagnostic::new(Rule::IdRange, title).at(&id.span, "this ID");
            faults.push(fault.help("use an ID from 0x0001 to 0x7fff"));
        }
        let name = |value: &String| format!("two callers are called `{value}`");
        let names = draft.partitions.iter().map(|partition| &partition.name);
        let names = names.chain(draft.machines[..index].iter().map(|other| &other.name));
        for other in names {
            let help = "give one of them another name";
            same(Rule::DuplicateName, other, &machine.name, name, help, faults);
        }
        let id = |value: &u64| format!("two virtual machines have the ID {value:#06x}");
        for other in &draft.machines[..index] {
            let help = "give one of them another ID";
            same(Rule::DuplicateId, &other.id, &machine.id, id, help, faults);
        }
    }
}

fn together(first: &Partition, second: &Partition, faults: &mut Faults) {
    let name = |value: &String| format!("two partitions are called `{value}`");
    same(
        Rule::DuplicateName,
        &first.name,
        &second.name,
        name,
        "give one of them another name",
        faults,
    );
    let id = |value: &u64| format!("two partitions have the ID {value:#06x}");
    same(
        Rule::DuplicateId,
        &first.id,
        &second.id,
        id,
        "give one of them another ID",
        faults,
    );
    let uuid = |value: &[u8; 16]| format!("two packages have the UUID {}", uuid::Uuid::from_bytes(*value));
    same(
        Rule::DuplicateUuid,
        &first.uuid,
        &second.uuid,
        uuid,
        "make a new one with `uuidgen`",
        faults,
    );
    if let (Some(first), Some(second)) = (&first.client, &second.client) {
        let name = |value: &String| format!("two TEEs are called `{value}` by clients");
        same(
            Rule::DuplicateClient,
            &first.name,
            &second.name,
            name,
            "give one of them another name",
            faults,
        );
        let is_default = |default: &Option<At<bool>>| default.clone().filter(|default| default.value);
        let (first, second) = (is_default(&first.default), is_default(&second.default));
        let title = |_: &bool| "two TEEs are the default".to_owned();
        same(
            Rule::TwoDefaults,
            &first,
            &second,
            title,
            "keep `default = true` at one of them",
            faults,
        );
    }
}

/// Reports two values that are the same and must not be.
fn same<T: PartialEq>(
    rule: Rule,
    first: &Option<At<T>>,
    second: &Option<At<T>>,
    title: impl Fn(&T) -> String,
    help: &str,
    faults: &mut Faults,
) {
    if let (Some(first), Some(second)) = (first, second)
        && first.value == second.value
    {
        let fault = Diagnostic::new(rule, title(&second.value));
        faults.push(
            fault
                .at(&second.span, "again here")
                .at(&first.span, "first here")
                .help(help),
        );
    }
}
