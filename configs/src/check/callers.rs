//! Who may deal with whom: that callers exist, what they may send, and how much memory they may share.

use crate::draft::{Caller, Draft, KINDS, Message, Partition, word};
use crate::preset;
use crate::reader::{Faults, list, nearest};
use crate::report::Diagnostic;
use crate::rule::Rule;
use crate::units::{PAGE, show_size};

use super::messages::{taken, takes};

/// Name of the caller that is no partition.
pub const NORMAL_WORLD: &str = "normal-world";

/// Checks every entry of every list of callers.
pub fn check(draft: &Draft, faults: &mut Faults) {
    let known = known(draft);
    for partition in &draft.partitions {
        let callers = partition.callers.as_deref().unwrap_or_default();
        let names: Vec<_> = callers.iter().map(|caller| caller.from.clone()).collect();
        super::repeated(Rule::BadCaller, "caller", &names, faults);
        for caller in callers {
            let before = faults.len();
            exists(partition, caller, &known, faults);
            if faults.len() == before {
                messages(draft, partition, caller, faults);
                pages(draft, partition, caller, faults);
            }
        }
    }
}

/// Whether a caller may send a partition messages of this kind.
pub fn may_send(caller: &Caller, partition: &Partition, kind: Message) -> bool {
    let listed = caller.messages.as_ref();
    takes(partition, kind)
        && listed.is_none_or(|listed| listed.value.iter().any(|listed| listed.value == kind))
}

/// Names of all that can be callers.
fn known(draft: &Draft) -> Vec<&str> {
    let partitions = draft.partitions.iter().filter_map(|other| other.name.as_ref());
    let machines = draft.machines.iter().filter_map(|machine| machine.name.as_ref());
    let names = partitions.chain(machines).map(|name| name.value.as_str());
    std::iter::once(NORMAL_WORLD).chain(names).collect()
}

fn exists(partition: &Partition, caller: &Caller, known: &[&str], faults: &mut Faults) {
    let name = &caller.from;
    if partition.is_called(&name.value) {
        let title = format!("{} is its own caller", partition.title());
        let fault = Diagnostic::new(Rule::BadCaller, title).at(&name.span, "this is its own name");
        faults.push(fault.help("remove it from this list"));
    } else if !known.contains(&name.value.as_str()) {
        let title = format!("there is no caller `{}`", name.value);
        let fault = Diagnostic::new(Rule::UnknownCaller, title).at(&name.span, "this name is not known");
        faults.push(match nearest(&name.value, known.iter().copied()) {
            Some(near) => fault.help(format!("did you mean `{near}`?")),
            None => fault.help(format!("callers can be: {}", list(known))),
        });
    }
}

/// The kinds of message that a caller is allowed are among those that the partition takes, and are some.
fn messages(draft: &Draft, partition: &Partition, caller: &Caller, faults: &mut Faults) {
    let Some(listed) = &caller.messages else { return };
    let name = &caller.from.value;
    for kind in listed.value.iter().filter(|kind| !takes(partition, kind.value)) {
        let shown = word(KINDS, kind.value);
        let title = format!(
            "`{name}` may send \"{shown}\", but {} does not take it",
            partition.title()
        );
        let fault = Diagnostic::new(Rule::CallerMessages, title).at(&kind.span, "this never arrives");
        let (span, label) = taken(partition);
        let fault = fault.at(span, label);
        faults.push(fault.help(format!(
            "add \"{shown}\" to its `receives`, or remove it from `messages`"
        )));
    }
    let shares = caller.pages.as_ref().is_some_and(|pages| pages.value > 0);
    let tells = name == NORMAL_WORLD && for_machines(draft, partition);
    if listed.value.is_empty() && !shares && !tells {
        let title = format!("`{name}` may send nothing to {}", partition.title());
        let fault = Diagnostic::new(Rule::CallerMessages, title).at(&listed.span, "no kind of message");
        faults.push(fault.help(format!(
            "remove `{name}` from `callers`, list what it may send, or write the `pages` that it may share"
        )));
    }
}

/// Whether the normal world's hypervisor has something to do with a partition that it may send nothing: it tells it of
/// virtual machines, or finds it for those that call it.
fn for_machines(draft: &Draft, partition: &Partition) -> bool {
    let told = [Message::VmCreated, Message::VmDestroyed];
    told.into_iter().any(|kind| takes(partition, kind)) || called_by_machine(draft, partition)
}

/// Whether a virtual machine is among the callers.
pub fn called_by_machine(draft: &Draft, partition: &Partition) -> bool {
    let mut callers = partition.callers.iter().flatten();
    callers.any(|caller| caller.from.value != NORMAL_WORLD && draft.is_normal(&caller.from.value))
}

/// The normal world's memory has to fit the window; a partition can share no more than it has.
fn pages(draft: &Draft, partition: &Partition, caller: &Caller, faults: &mut Faults) {
    let Some(pages) = &caller.pages else { return };
    let name = &caller.from.value;
    let (limit, span, label) = if let Some(lender) = draft.partition(name) {
        let sizes = lender.memory.iter().filter_map(|region| region.size.as_ref());
        let size = sizes.fold(0, |sum: u64, size| sum.saturating_add(size.value));
        let span = lender.memory_span.as_ref().unwrap_or(lender.place());
        (size, span, format!("all memory of `{name}`: {}", show_size(size)))
    } else {
        let preset = partition.tee.as_ref().map(|tee| preset::of(tee.value).window);
        let Some(size) = partition.window.as_ref().map(|window| window.value).or(preset) else {
            return;
        };
        let span = partition
            .window
            .as_ref()
            .map_or(partition.place(), |window| &window.span);
        (size, span, format!("its window holds {}", show_size(size)))
    };
    let limit = limit / PAGE;
    if pages.value > limit {
        let title = format!(
            "`{name}` may share {} pages with {}, and the most is {limit}",
            pages.value,
            partition.title()
        );
        let fault = Diagnostic::new(Rule::CallerPages, title).at(&pages.span, "pages of 4 KiB");
        faults.push(fault.at(span, label).help(format!("write at most {limit}")));
    }
}
