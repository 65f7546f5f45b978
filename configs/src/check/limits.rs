//! Numbers within their limits, and sums within what the hypervisor has.

use std::ops::RangeInclusive;

use crate::draft::{Draft, Partition, Preemption, Quotas};
use crate::model;
use crate::preset;
use crate::reader::Faults;
use crate::report::Diagnostic;
use crate::rule::Rule;
use crate::source::At;
use crate::units::{show_duration, show_size};

/// Bounds of preemption in microseconds.
const EXIT_LIMITS: RangeInclusive<u64> = 1..=1_000_000;
/// Bounds of the number of shares.
const SHARES: RangeInclusive<u64> = 1..=256;
/// Bounds of a budget in microseconds.
const BUDGETS: RangeInclusive<u64> = 1_000..=60_000_000;
/// Bounds of the number of ranges.
const RANGES: RangeInclusive<u64> = 1..=65_536;
/// Bounds of the log in bytes a second.
const LOGS: RangeInclusive<u64> = 64..=1 << 20;
/// Ranges that the hypervisor keeps for all partitions together.
const ALL_RANGES: u64 = 4096;

/// Checks limits and sums.
pub fn check(draft: &Draft, faults: &mut Faults) {
    for partition in &draft.partitions {
        preemption(partition, faults);
        shares(partition, faults);
        budget(partition, faults);
        quotas(partition, &partition.quotas, faults);
    }
    sums(draft, faults);
}

fn preemption(partition: &Partition, faults: &mut Faults) {
    let Some(Preemption::ManagedExit(limit) | Preemption::Queued(limit)) = &partition.preemption else {
        return;
    };
    if !EXIT_LIMITS.contains(&limit.value) {
        let how = match &partition.preemption {
            Some(Preemption::Queued(_)) => "to queue interrupts",
            _ => "for a managed exit",
        };
        let title = format!(
            "{} cannot have {} {how}",
            partition.title(),
            show_duration(limit.value)
        );
        let fault = Diagnostic::new(Rule::ManagedExit, title).at(&limit.span, "this bound");
        faults.push(fault.help("use a bound from \"1us\" to \"1s\", or `preemption = \"at-once\"`"));
    }
}

fn shares(partition: &Partition, faults: &mut Faults) {
    let shares = partition.shares.as_ref();
    let Some(shares) = shares.filter(|shares| !SHARES.contains(&shares.value)) else {
        return;
    };
    let title = format!("{} cannot hold {} shares", partition.title(), shares.value);
    let fault = Diagnostic::new(Rule::Shares, title).at(&shares.span, "this number");
    faults.push(fault.help("use a number from 1 to 256"));
}

fn budget(partition: &Partition, faults: &mut Faults) {
    let Some(budget) = &partition.budget else { return };
    let shown = show_duration(budget.value);
    if !BUDGETS.contains(&budget.value) {
        let title = format!("{} cannot have {shown} for a call", partition.title());
        let fault = Diagnostic::new(Rule::Budget, title).at(&budget.span, "this budget");
        faults.push(fault.help("use a budget from \"1ms\" to \"60s\""));
        return;
    }
    let bound = bound(partition);
    if bound >= budget.value {
        let title = format!(
            "{} can be preempted for longer than a call may take",
            partition.title()
        );
        let label = format!("a call gets {shown}, to leave it has {}", show_duration(bound));
        let fault = Diagnostic::new(Rule::Budget, title).at(&budget.span, label);
        faults.push(fault.help(format!("give it more than {}", show_duration(bound))));
    }
}

/// Microseconds that it may take to leave when it is preempted, by the table or by its preset.
fn bound(partition: &Partition) -> u64 {
    match (&partition.preemption, &partition.tee) {
        (Some(Preemption::ManagedExit(limit) | Preemption::Queued(limit)), _) => limit.value,
        (Some(Preemption::AtOnce), _) | (None, None) => 0,
        (None, Some(tee)) => match preset::of(tee.value).preemption {
            model::Preemption::AtOnce => 0,
            model::Preemption::ManagedExit { limit_us } | model::Preemption::Queued { limit_us } => {
                u64::from(limit_us)
            }
        },
    }
}

fn quotas(partition: &Partition, quotas: &Quotas, faults: &mut Faults) {
    let mut check = |value: &Option<At<u64>>, good: RangeInclusive<u64>, what: &str, help: &str| {
        let Some(value) = value.as_ref().filter(|value| !good.contains(&value.value)) else {
            return;
        };
        let title = format!("{} cannot have {what}", partition.title());
        let fault = Diagnostic::new(Rule::Quotas, title).at(&value.span, "this number");
        faults.push(fault.help(help));
    };
    let ranges = quotas.ranges.as_ref().map_or(0, |ranges| ranges.value);
    check(
        &quotas.ranges,
        RANGES,
        &format!("{ranges} ranges"),
        "use a number from 1 to 65536",
    );
    let log = quotas.log.as_ref().map_or(0, |log| log.value);
    let what = format!("{} of log in a second", show_size(log));
    check(&quotas.log, LOGS, &what, "use a size from \"64B\" to \"1MiB\"");
}

/// The ranges of all partitions against those that the hypervisor keeps.
fn sums(draft: &Draft, faults: &mut Faults) {
    let with_ranges = draft
        .partitions
        .iter()
        .filter_map(|partition| partition.quotas.ranges.as_ref());
    let with_ranges: Vec<_> = with_ranges
        .filter(|ranges| RANGES.contains(&ranges.value))
        .collect();
    let sum: u64 = with_ranges.iter().map(|ranges| ranges.value).sum();
    if let Some(largest) = with_ranges
        .iter()
        .max_by_key(|ranges| ranges.value)
        .filter(|_| sum > ALL_RANGES)
    {
        let title = format!("all partitions together have {sum} ranges; the hypervisor keeps {ALL_RANGES}");
        let fault = Diagnostic::new(Rule::QuotaSum, title).at(&largest.span, "the largest quota");
        faults.push(fault.help("make quotas smaller"));
    }
}
