//! Cores of partitions.

use crate::board::Board;
use crate::draft::{Action, Cores, Draft, Partition};
use crate::reader::Faults;
use crate::report::Diagnostic;
use crate::rule::Rule;
use crate::source::At;

/// Checks each partition's cores, and all of them together.
pub fn check(draft: &Draft, board: &Board, faults: &mut Faults) {
    for partition in &draft.partitions {
        let before = faults.len();
        match &partition.cores {
            None => continue,
            Some(Cores::All) => {}
            Some(Cores::Called { cores, forward }) => {
                list(partition, cores, board, faults);
                if faults.len() == before {
                    called(draft, partition, cores, forward.as_ref(), board, faults);
                }
            }
            Some(Cores::Dedicated(cores)) => {
                list(partition, cores, board, faults);
                dedicated(partition, cores, board, faults);
            }
        }
        if faults.len() == before {
            contexts(draft, partition, board, faults);
        }
    }
    for (first, second) in super::pairs(draft) {
        shared(first, second, faults);
    }
}

/// The names in a list.
fn list(partition: &Partition, cores: &[At<String>], board: &Board, faults: &mut Faults) {
    if cores.is_empty() {
        let fault = Diagnostic::new(Rule::NoCore, format!("{} has no core", partition.title()));
        faults.push(
            fault
                .at(&partition.cores_span, "this list is empty")
                .help("list cores, or write `cores = \"all\"`"),
        );
        return;
    }
    let names = board.core_names();
    let unknown = cores.iter().filter(|core| !names.contains(&core.value.as_str()));
    faults.extend(unknown.map(|core| super::unknown(Rule::UnknownCore, "core", core, &names)));
    super::repeated(Rule::DuplicateCore, "core", cores, faults);
    let boot = names[board.boot_core];
    let is_dedicated = !partition.dedicated().is_empty();
    if !is_dedicated && !cores.iter().any(|core| core.value == boot) {
        let title = format!("{} does not have the boot core `{boot}`", partition.title());
        let fault = Diagnostic::new(Rule::BootCore, title)
            .at(&partition.cores_span, format!("`{boot}` is missing here"));
        faults.push(fault.help(format!("add `{boot}`")));
    }
}

/// A called partition of Linux's clients has every core that the normal world has, or forwards.
fn called(
    draft: &Draft,
    partition: &Partition,
    cores: &[At<String>],
    forward: Option<&At<bool>>,
    board: &Board,
    faults: &mut Faults,
) {
    let listed = |name: &str| cores.iter().any(|core| core.value == name);
    let missing: Vec<&str> = normal_cores(draft, board)
        .into_iter()
        .filter(|name| !listed(name))
        .collect();
    let forwards = forward.is_some_and(|forward| forward.value);
    if let Some(forward) = forward.filter(|forward| forward.value && missing.is_empty()) {
        let title = format!("{} forwards calls but lists every core", partition.title());
        let fault =
            Diagnostic::new(Rule::Forward, title).at(&forward.span, "no call comes from another core");
        faults.push(fault.help("remove `forward`"));
    }
    if let Some(client) = partition
        .client
        .as_ref()
        .filter(|_| !missing.is_empty() && !forwards)
    {
        let title = format!(
            "{} cannot be called from `{}`",
            partition.title(),
            missing.join("`, `")
        );
        let fault = Diagnostic::new(Rule::CallableEverywhere, title)
            .at(&partition.cores_span, "these are its cores")
            .at(&client.span, "Linux's clients call it");
        faults.push(fault.help("write `cores = \"all\"`, or { called = […], forward = true }"));
    }
}

/// Names of the cores that no partition has for itself.
pub fn normal_cores<'a>(draft: &Draft, board: &'a Board) -> Vec<&'a str> {
    let dedicated = |name: &str| {
        let mut all = draft.partitions.iter().flat_map(Partition::dedicated);
        all.any(|core| core.value == name)
    };
    let names = board.core_names().into_iter();
    names.filter(|name| !dedicated(name)).collect()
}

fn dedicated(partition: &Partition, cores: &[At<String>], board: &Board, faults: &mut Faults) {
    let boot = board.core_names()[board.boot_core];
    if let Some(core) = cores.iter().find(|core| core.value == boot) {
        let title = format!("{} cannot have the boot core for itself", partition.title());
        let fault = Diagnostic::new(Rule::DedicatedBoot, title).at(&core.span, "firmware starts here");
        faults.push(fault.help("choose another core"));
    }
    if let Some(action) = partition
        .action
        .as_ref()
        .filter(|action| action.value == Action::Queued)
    {
        let title = format!("{} queues its interrupts behind nobody", partition.title());
        let fault = Diagnostic::new(Rule::InterruptsAction, title)
            .at(&action.span, "this action")
            .at(&partition.cores_span, "no other partition has these cores");
        faults.push(fault.help("remove `s-interrupts-action`"));
    }
}

/// One context for each core, or a single one.
fn contexts(draft: &Draft, partition: &Partition, board: &Board, faults: &mut Faults) {
    let Some(contexts) = &partition.contexts else {
        return;
    };
    let cores = match &partition.cores {
        Some(Cores::Called { cores, .. } | Cores::Dedicated(cores)) => cores.len(),
        _ => normal_cores(draft, board).len(),
    };
    let good = contexts.value == 1 || u64::try_from(cores).is_ok_and(|cores| cores == contexts.value);
    if !good {
        let title = format!(
            "{} has {} contexts on {cores} cores",
            partition.title(),
            contexts.value
        );
        let fault = Diagnostic::new(Rule::Contexts, title)
            .at(&contexts.span, "this number")
            .at(&partition.cores_span, format!("{cores} cores"));
        faults.push(fault.help(format!("remove `contexts`, or write {cores}")));
    }
}

/// A core that one of the two has for itself and the other one lists.
fn shared(first: &Partition, second: &Partition, faults: &mut Faults) {
    let cores = |partition: &Partition| match &partition.cores {
        Some(Cores::Called { cores, .. } | Cores::Dedicated(cores)) => cores.clone(),
        _ => Vec::new(),
    };
    let (dedicated, other) = match (first.dedicated().is_empty(), second.dedicated().is_empty()) {
        (true, true) => return,
        (false, _) => (first, second),
        (true, false) => (second, first),
    };
    for core in cores(other) {
        let Some(own) = dedicated.dedicated().iter().find(|own| own.value == core.value) else {
            continue;
        };
        let title = format!("the core `{}` belongs to {} alone", core.value, dedicated.title());
        let fault = Diagnostic::new(Rule::DedicatedCore, title)
            .at(&core.span, format!("{} lists it too", other.title()))
            .at(&own.span, "it is dedicated here");
        faults.push(fault.help("leave the core to one of the two"));
    }
}
