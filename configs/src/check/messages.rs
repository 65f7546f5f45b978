//! Who calls whom, who notifies whom, and in which order partitions start.

use crate::draft::{Caller, Draft, MESSAGES, Message, Partition, word};
use crate::preset;
use crate::reader::{Faults, list, nearest};
use crate::report::Diagnostic;
use crate::rule::Rule;
use crate::source::Span;

use super::callers::may_send;

/// Checks messages and what belongs to them.
pub fn check(draft: &Draft, faults: &mut Faults) {
    for partition in &draft.partitions {
        notifies(draft, partition, faults);
        order_range(partition, faults);
    }
    for (first, second) in super::pairs(draft) {
        order(first, second, faults);
    }
    circles(draft, faults);
}

/// Whether a partition takes a kind of message, by its list or by its preset.
pub fn takes(partition: &Partition, message: Message) -> bool {
    match (&partition.receives, &partition.tee) {
        (Some(list), _) => list.value.iter().any(|taken| taken.value == message),
        (None, Some(tee)) => preset::of(tee.value).receives.contains(&message),
        (None, None) => true,
    }
}

/// Where it is said what a partition takes, and how.
pub fn taken(partition: &Partition) -> (&Span, String) {
    match (&partition.receives, &partition.tee) {
        (None, Some(tee)) => {
            let preset = preset::of(tee.value).receives;
            let words: Vec<&str> = preset.iter().map(|kind| word(MESSAGES, *kind)).collect();
            (&tee.span, format!("such a TEE takes {}", list(&words)))
        }
        (Some(list), _) => (&list.span, "what it takes".to_owned()),
        (None, None) => (partition.place(), "what it takes".to_owned()),
    }
}

/// Each receiver of notifications takes them, from this partition.
fn notifies(draft: &Draft, partition: &Partition, faults: &mut Faults) {
    let own = partition.name.as_ref().map_or("", |name| &name.value);
    super::repeated(Rule::Receiver, "receiver", &partition.notifies, faults);
    for receiver in &partition.notifies {
        let Some(other) = draft.partition(&receiver.value) else {
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
        let mut callers = other.callers.iter().flatten();
        let entry = callers.find(|caller| caller.from.value == own);
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
        } else if let Some(entry) = entry {
            if may_send(entry, other, Message::Notifications) {
                continue;
            }
            (
                format!(
                    "{} takes no notifications from {}",
                    other.title(),
                    partition.title()
                ),
                format!("add \"notifications\" to the `messages` of `{own}` there"),
            )
        } else {
            (
                format!("{} takes nothing from {}", other.title(), partition.title()),
                format!("add `{own}` to its `callers`"),
            )
        };
        let fault = Diagnostic::new(Rule::Receiver, title).at(&receiver.span, "this notification is lost");
        faults.push(fault.at(other.place(), "the receiver").help(help));
    }
}

/// Refuses each circle of callers once, at the partition of it that stands first in the file.
fn circles(draft: &Draft, faults: &mut Faults) {
    let index = |name: &str| draft.partitions.iter().position(|other| other.is_called(name));
    let callers: Vec<Vec<usize>> = (draft.partitions.iter())
        .map(|partition| {
            let callers = partition.callers.iter().flatten();
            let callers = callers.filter(|caller| waits(caller, partition));
            callers.filter_map(|caller| index(&caller.from.value)).collect()
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
        faults.push(fault.help(
            "remove one of them from the other's `callers`, or leave its direct messages out there: \
             `{ from = \"…\", messages = [\"notifications\"] }`",
        ));
    }
}

/// Whether a caller waits for the partition's answers, as who sends direct requests does.
fn waits(caller: &Caller, partition: &Partition) -> bool {
    let direct = [Message::Direct, Message::Direct2];
    direct.into_iter().any(|kind| may_send(caller, partition, kind))
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
