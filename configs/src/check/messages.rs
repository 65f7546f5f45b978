//! Who calls whom, who notifies whom, and in which order partitions start.

use crate::draft::{Draft, Message, Partition};
use crate::preset;
use crate::reader::{Faults, list, nearest};
use crate::report::Diagnostic;
use crate::rule::Rule;

/// Name of the caller that is no partition.
const NORMAL_WORLD: &str = "normal-world";

/// Checks messages and what belongs to them.
pub fn check(draft: &Draft, faults: &mut Faults) {
    for partition in &draft.partitions {
        callers(draft, partition, faults);
        notifies(draft, partition, faults);
        order_range(partition, faults);
    }
    for (first, second) in super::pairs(draft) {
        order(first, second, faults);
    }
    circles(draft, faults);
}

fn callers(draft: &Draft, partition: &Partition, faults: &mut Faults) {
    let Some(callers) = &partition.callers else { return };
    let own = partition.name.as_ref().map(|name| name.value.as_str());
    let partitions = draft.partitions.iter().filter_map(|other| other.name.as_ref());
    let mut known = vec![NORMAL_WORLD];
    known.extend(partitions.map(|name| name.value.as_str()));
    let machines = draft.machines.iter().filter_map(|machine| machine.name.as_ref());
    known.extend(machines.map(|name| name.value.as_str()));
    for caller in callers {
        if Some(caller.value.as_str()) == own {
            let title = format!("{} is its own caller", partition.title());
            let fault = Diagnostic::new(Rule::BadCaller, title).at(&caller.span, "this is its own name");
            faults.push(fault.help("remove it from this list"));
        } else if !known.contains(&caller.value.as_str()) {
            let fault = Diagnostic::new(
                Rule::UnknownCaller,
                format!("there is no caller `{}`", caller.value),
            );
            let fault = fault.at(&caller.span, "this name is not known");
            faults.push(match nearest(&caller.value, known.iter().copied()) {
                Some(near) => fault.help(format!("did you mean `{near}`?")),
                None => fault.help(format!("callers can be: {}", list(&known))),
            });
        }
    }
    super::repeated(Rule::BadCaller, "caller", callers, faults);
}

/// Whether a partition takes a kind of message, by its list or by its preset.
pub fn takes(partition: &Partition, message: Message) -> bool {
    match (&partition.receives, &partition.tee) {
        (Some(list), _) => list.value.iter().any(|taken| taken.value == message),
        (None, Some(tee)) => preset::of(tee.value).receives.contains(&message),
        (None, None) => true,
    }
}

/// Each receiver of notifications takes them, from this partition.
fn notifies(draft: &Draft, partition: &Partition, faults: &mut Faults) {
    let own = partition.name.as_ref().map_or("", |name| &name.value);
    super::repeated(Rule::Receiver, "receiver", &partition.notifies, faults);
    for receiver in &partition.notifies {
        let named = |other: &&Partition| {
            other
                .name
                .as_ref()
                .is_some_and(|name| name.value == receiver.value)
        };
        let Some(other) = draft.partitions.iter().find(named) else {
            let names: Vec<&str> = (draft.partitions.iter())
                .filter_map(|other| other.name.as_ref())
                .map(|name| name.value.as_str())
                .collect();
            let title = format!("there is no partition `{}` to notify", receiver.value);
            let fault = Diagnostic::new(Rule::Receiver, title).at(&receiver.span, "this name is not known");
            faults.push(match nearest(&receiver.value, names.iter().copied()) {
                Some(near) => fault.help(format!("did you mean `{near}`?")),
                None => fault.help(format!("the partitions are: {}", list(&names))),
            });
            continue;
        };
        let lists_it = other.callers.iter().flatten().any(|caller| caller.value == own);
        let (title, help) = if std::ptr::eq(other, partition) {
            (
                format!("{} notifies itself", partition.title()),
                "remove it from this list".to_owned(),
            )
        } else if !takes(other, Message::Notifications) {
            (
                format!("{} takes no notifications", other.title()),
                "add \"notifications\" to its `receives`".to_owned(),
            )
        } else if !lists_it {
            (
                format!("{} takes nothing from {}", other.title(), partition.title()),
                format!("add `{own}` to its `callers`"),
            )
        } else {
            continue;
        };
        let fault = Diagnostic::new(Rule::Receiver, title).at(&receiver.span, "this notification is lost");
        faults.push(fault.at(other.place(), "the receiver").help(help));
    }
}

/// Refuses each circle of callers once, at the partition of it that stands first in the file.
fn circles(draft: &Draft, faults: &mut Faults) {
    let name = |partition: &Partition| partition.name.as_ref().map(|name| name.value.clone());
    let index = |caller: &str| {
        draft
            .partitions
            .iter()
            .position(|other| name(other).as_deref() == Some(caller))
    };
    let callers: Vec<Vec<usize>> = (draft.partitions.iter())
        .map(|partition| {
            partition
                .callers
                .iter()
                .flatten()
                .filter_map(|caller| index(&caller.value))
                .collect()
        })
        .collect();
    for start in 0..callers.len() {
        let Some(path) = circle(&callers, start) else {
            continue;
        };
        let first = &draft.partitions[start];
        let names: Vec<String> = path.iter().map(|at| draft.partitions[*at].title()).collect();
        let title = format!("{} can come to wait for itself", first.title());
        let fault = Diagnostic::new(Rule::CallCycle, title);
        // The path leads from callee to caller; calls go the other way.
        let mut fault = fault.at(first.place(), format!("called by {}", names[1 % names.len()]));
        for (place, at) in path.iter().enumerate().skip(1) {
            let caller = &names[(place + 1) % names.len()];
            fault = fault.at(draft.partitions[*at].place(), format!("called by {caller}"));
        }
        faults.push(fault.help("remove one of them from the other's `callers`"));
    }
}

/// The shortest circle through `start` in which no partition stands before it in the file; of length 2 or more.
fn circle(callers: &[Vec<usize>], start: usize) -> Option<Vec<usize>> {
    let mut from: Vec<Option<usize>> = vec![None; callers.len()];
    let mut queue = std::collections::VecDeque::from([start]);
    while let Some(at) = queue.pop_front() {
        for &next in &callers[at] {
            if next == start && at != start {
                let mut path = vec![at];
                while let Some(before) = from[*path.last()?] {
                    path.push(before);
                }
                path.reverse();
                return Some(path);
            }
            if next > start && from[next].is_none() {
                from[next] = Some(at);
                queue.push_back(next);
            }
        }
    }
    None
}

fn order_range(partition: &Partition, faults: &mut Faults) {
    let order = partition
        .boot_order
        .as_ref()
        .filter(|order| order.value > u64::from(u16::MAX));
    if let Some(order) = order {
        let title = format!("{} cannot start as number {}", partition.title(), order.value);
        let fault = Diagnostic::new(Rule::BootOrder, title).at(&order.span, "this number");
        faults.push(fault.help("use a number from 0 to 65535"));
    }
}

fn order(first: &Partition, second: &Partition, faults: &mut Faults) {
    let (Some(one), Some(two)) = (&first.boot_order, &second.boot_order) else {
        return;
    };
    if one.value == two.value {
        let title = format!("{} and {} start at the same time", first.title(), second.title());
        let fault = Diagnostic::new(Rule::BootOrder, title)
            .at(&two.span, "again here")
            .at(&one.span, "first here");
        faults.push(fault.help("give one of them another number"));
    }
}
