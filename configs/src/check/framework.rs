//! What the framework itself sends to partitions: word of cores' power, and of virtual machines.

use crate::draft::{Cores, Draft, MESSAGES, Machine, Message, Partition, Tee, word};
use crate::reader::Faults;
use crate::report::Diagnostic;
use crate::rule::Rule;
use crate::source::At;

use super::messages::takes;

/// Bounds of a virtual machine's contexts.
const CONTEXTS: std::ops::RangeInclusive<u64> = 1..=64;

/// Checks virtual machines' contexts, and who is told of what.
pub fn check(draft: &Draft, faults: &mut Faults) {
    draft
        .machines
        .iter()
        .for_each(|machine| contexts(machine, faults));
    for partition in &draft.partitions {
        let machines = machines(partition);
        if let Some(first) = machines.first() {
            can_hear(draft, partition, first, faults);
        }
        power(partition, faults);
        knows(partition, &machines, faults);
    }
}

fn contexts(machine: &Machine, faults: &mut Faults) {
    let contexts = machine.contexts.as_ref();
    let Some(contexts) = contexts.filter(|contexts| !CONTEXTS.contains(&contexts.value)) else {
        return;
    };
    let name = machine.name.as_ref().map_or("", |name| &name.value);
    let title = format!(
        "the virtual machine `{name}` cannot have {} contexts",
        contexts.value
    );
    let fault = Diagnostic::new(Rule::MachineContexts, title).at(&contexts.span, "this number");
    faults.push(fault.help("use a number from 1 to 64"));
}

/// What a partition wants to hear of virtual machines.
fn machines(partition: &Partition) -> Vec<&At<Message>> {
    let listed = partition.receives.iter().flat_map(|list| &list.value);
    let about = [Message::VmCreated, Message::VmDestroyed];
    listed.filter(|kind| about.contains(&kind.value)).collect()
}

/// There are virtual machines, and their hypervisor reaches the partition.
fn can_hear(draft: &Draft, partition: &Partition, kind: &At<Message>, faults: &mut Faults) {
    let callers = partition.callers.as_ref();
    let from_normal = callers.is_none_or(|callers| {
        let mut names = callers.iter().map(|caller| caller.from.value.as_str());
        names.any(|name| name == "normal-world")
    });
    let (why, help) = if draft.machines.is_empty() {
        (
            "there is none",
            "add a `[[virtual-machine]]`, or remove this word",
        )
    } else if !takes(partition, Message::Direct) {
        (
            "it takes no direct requests, which would tell it",
            "add \"direct\" to its `receives`",
        )
    } else if !from_normal {
        (
            "their hypervisor, `normal-world`, is none of its callers",
            "add `{ from = \"normal-world\", messages = [], pages = 0 }` to its `callers`",
        )
    } else {
        return;
    };
    let title = format!("{} is to hear of virtual machines, but {why}", partition.title());
    let fault = Diagnostic::new(Rule::MachineMessages, title);
    let label = format!("\"{}\" never arrives", word(MESSAGES, kind.value));
    faults.push(fault.at(&kind.span, label).help(help));
}

/// A message about a core goes to the context that is pinned to it.
fn power(partition: &Partition, faults: &mut Faults) {
    let Some(list) = partition.power.as_ref().filter(|list| !list.value.is_empty()) else {
        return;
    };
    let travels = partition.contexts.as_ref().filter(|contexts| {
        let several = match &partition.cores {
            Some(Cores::Called { cores, .. } | Cores::Dedicated(cores)) => cores.len() > 1,
            Some(Cores::All) => true,
            None => false,
        };
        contexts.value == 1 && several
    });
    let (title, span, label) = match (&partition.cores, travels) {
        (Some(Cores::Dedicated(_)), _) => (
            "has cores of its own, whose power never changes",
            &partition.cores_span,
            "its cores are dedicated",
        ),
        (_, Some(contexts)) => (
            "has a context that is at home on no core",
            &contexts.span,
            "its one context travels",
        ),
        _ => return,
    };
    let title = format!("{} {title}", partition.title());
    let fault = Diagnostic::new(Rule::PowerMessages, title).at(&list.span, "these messages never arrive");
    faults.push(fault.at(span, label).help("remove `power-messages`"));
}

/// The OP-TEE and the Rust TEE that are built here answer all of these messages with an error.
fn knows(partition: &Partition, machines: &[&At<Message>], faults: &mut Faults) {
    let built = [Tee::Optee, Tee::Rust]
        .into_iter()
        .find(|tee| partition.builds(*tee));
    let Some(tee) = built else { return };
    let power = partition.power.iter().flat_map(|list| &list.value);
    let wanted = power
        .map(|message| &message.span)
        .chain(machines.iter().map(|message| &message.span));
    if let Some(span) = wanted.min_by_key(|span| span.bytes.start) {
        let title = format!(
            "the {} of {} does not understand messages of this kind",
            tee.title(),
            partition.title()
        );
        let fault = Diagnostic::new(Rule::FrameworkMessages, title).at(span, "it answers this with an error");
        faults.push(fault.help("remove it, or hand in an image that understands such messages"));
    }
}
