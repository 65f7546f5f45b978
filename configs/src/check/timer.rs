//! What only the secure EL2 timer can promise, on a board that has none.

use crate::board::Board;
use crate::draft::{Delivery, Draft, OnFailure, Partition, Preemption, Tee};
use crate::model;
use crate::preset;
use crate::reader::Faults;
use crate::report::Diagnostic;
use crate::rule::Rule;
use crate::source::Span;

/// Refuses what needs the timer, where there is none.
pub fn check(draft: &Draft, board: &Board, faults: &mut Faults) {
    if board.timer_intid.is_some() {
        return;
    }
    for partition in &draft.partitions {
        let wishes = [preemption(partition), delivery(partition)];
        for (what, span, instead) in wishes.into_iter().flatten().chain(others(partition)) {
            let title = format!("{} cannot have {what}", partition.title());
            let label = format!("the board `{}` has no secure EL2 timer", board.name);
            let fault = Diagnostic::new(Rule::Timer, title).at(span, label);
            faults.push(fault.help(instead));
        }
    }
}

/// What is asked for, where it stands, and what to do.
type Wish<'a> = (&'static str, &'a Span, &'static str);

const AT_ONCE: &str = "write `preemption = \"at-once\"`";
const REMOVE: &str = "remove it";

fn preemption(partition: &Partition) -> Option<Wish<'_>> {
    match &partition.preemption {
        Some(Preemption::ManagedExit(limit)) => Some(("a time for its managed exit", &limit.span, AT_ONCE)),
        Some(Preemption::Queued(limit)) => Some(("a time for which interrupts wait", &limit.span, AT_ONCE)),
        Some(Preemption::AtOnce) => None,
        None => {
            let tee = partition.tee.as_ref()?;
            let own = preset::of(tee.value).preemption;
            let what = "the managed exit that its kind of TEE has by itself";
            matches!(own, model::Preemption::ManagedExit { .. }).then_some((what, &tee.span, AT_ONCE))
        }
    }
}

fn delivery(partition: &Partition) -> Option<Wish<'_>> {
    const WHAT: &str = "the timers of a virtual GIC";
    const CALLS: &str = "write `interrupt-interface = \"hypervisor-calls\"`";
    match &partition.delivery {
        Some(delivery) => (delivery.value == Delivery::Vgic).then_some((WHAT, &delivery.span, CALLS)),
        None => {
            let tee = partition.tee.as_ref().filter(|tee| tee.value == Tee::Sel4)?;
            Some((WHAT, &tee.span, "choose another board: seL4 needs its timer"))
        }
    }
}

fn others(partition: &Partition) -> Vec<Wish<'_>> {
    let budget = partition.budget.as_ref();
    let mut out: Vec<Wish<'_>> = budget
        .map(|budget| ("a budget", &budget.span, REMOVE))
        .into_iter()
        .collect();
    let dedicated = partition.dedicated().first();
    let calls = "list its cores as `called`";
    out.extend(dedicated.map(|core| ("a core of its own, with a time for anything", &core.span, calls)));
    if let Some(OnFailure::Restart { span, .. }) = &partition.on_failure {
        out.push(("a rest before its restart", span, "write `on-failure = \"stop\"`"));
    }
    out
}
