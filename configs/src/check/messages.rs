//! Who calls whom, how calls are preempted, and in which order partitions start.

use crate::draft::{Draft, Partition, Preemption};
use crate::reader::{Faults, list, nearest};
use crate::report::Diagnostic;
use crate::rule::Rule;

/// Name of the caller that is no partition.
const NORMAL_WORLD: &str = "normal-world";
/// Bounds of a managed exit in microseconds.
const EXIT_LIMITS: std::ops::RangeInclusive<u64> = 1..=1_000_000;
/// Bounds of the number of shares.
const SHARES: std::ops::RangeInclusive<u64> = 1..=256;

/// Checks messages and what belongs to them.
pub fn check(draft: &Draft, faults: &mut Faults) {
    for partition in &draft.partitions {
        callers(draft, partition, faults);
        preemption(partition, faults);
        shares(partition, faults);
        order_range(partition, faults);
    }
    for (first, second) in super::pairs(draft) {
        order(first, second, faults);
    }
}

fn callers(draft: &Draft, partition: &Partition, faults: &mut Faults) {
    let Some(callers) = &partition.callers else { return };
    let own = partition.name.as_ref().map(|name| name.value.as_str());
    let partitions = draft.partitions.iter().filter_map(|other| other.name.as_ref());
    let mut known = vec![NORMAL_WORLD];
    known.extend(partitions.map(|name| name.value.as_str()));
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

fn preemption(partition: &Partition, faults: &mut Faults) {
    let Some(Preemption::ManagedExit(limit)) = &partition.preemption else {
        return;
    };
    if !EXIT_LIMITS.contains(&limit.value) {
        let title = format!(
            "{} cannot have {} us for a managed exit",
            partition.title(),
            limit.value
        );
        let fault = Diagnostic::new(Rule::ManagedExit, title).at(&limit.span, "this bound");
        faults.push(fault.help("use a bound from \"1us\" to \"1s\", or `preemption = \"at-once\"`"));
    }
}

fn shares(partition: &Partition, faults: &mut Faults) {
    let Some(shares) = partition
        .shares
        .as_ref()
        .filter(|shares| !SHARES.contains(&shares.value))
    else {
        return;
    };
    let title = format!("{} cannot hold {} shares", partition.title(), shares.value);
    let fault = Diagnostic::new(Rule::Shares, title).at(&shares.span, "this number");
    faults.push(fault.help("use a number from 1 to 256"));
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
