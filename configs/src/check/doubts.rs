//! What is allowed and hardly meant: nobody is refused for it, and `check` warns.

use crate::board::Board;
use crate::draft::{Caller, Cores, Draft, Message, Partition};
use crate::report::Diagnostic;
use crate::rule::Rule;
use crate::source::At;

use super::callers::{NORMAL_WORLD, called_by_machine, may_send};
use super::cores::normal_cores;

/// What is doubtful in a draft without faults.
pub fn doubts(draft: &Draft, board: &Board) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for partition in &draft.partitions {
        if let Some(Cores::Called { cores, forward }) = &partition.cores {
            out.extend(from_partitions(draft, partition, cores, board));
            let forwards = forward.as_ref().is_some_and(|forward| forward.value);
            if !forwards {
                out.extend(from_normal_world(draft, partition, cores, board));
            }
        }
        out.extend(uncalled(partition));
        out.extend(hidden(draft, partition));
    }
    out.extend(idle_machines(draft));
    out
}

/// Whether a caller sends a partition requests, for which it lends it its core.
fn calls(caller: &Caller, partition: &Partition) -> bool {
    let direct = [Message::Direct, Message::Direct2];
    direct.into_iter().any(|kind| may_send(caller, partition, kind))
}

/// Names of `all` that are not listed.
fn missing<'a>(all: Vec<&'a str>, listed: &[At<String>]) -> Vec<&'a str> {
    let is_listed = |name: &str| listed.iter().any(|core| core.value == name);
    all.into_iter().filter(|name| !is_listed(name)).collect()
}

/// A partition calls from each of its cores, on the callee's context there: its calls are not forwarded.
fn from_partitions(
    draft: &Draft,
    partition: &Partition,
    cores: &[At<String>],
    board: &Board,
) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for entry in partition
        .callers
        .iter()
        .flatten()
        .filter(|entry| calls(entry, partition))
    {
        let Some(caller) = draft.partition(&entry.from.value) else {
            continue;
        };
        let own = match &caller.cores {
            Some(Cores::All) => normal_cores(draft, board),
            Some(Cores::Called { cores, .. }) => cores.iter().map(|core| core.value.as_str()).collect(),
            Some(Cores::Dedicated(_)) | None => continue,
        };
        let missing = missing(own, cores);
        if !missing.is_empty() {
            let title = format!(
                "{} cannot call {} from `{}`",
                caller.title(),
                partition.title(),
                missing.join("`, `")
            );
            let fault = Diagnostic::new(Rule::CallerCores, title)
                .at(&partition.cores_span, "the callee's cores")
                .at(&caller.cores_span, "the caller's cores");
            out.push(
                fault.help("give the callee these cores too, or the caller only cores that the callee has"),
            );
        }
    }
    out
}

/// Stock Linux calls from any core. For its clients that is an error (BH044).
fn from_normal_world(
    draft: &Draft,
    partition: &Partition,
    cores: &[At<String>],
    board: &Board,
) -> Option<Diagnostic> {
    let callers = partition.callers.as_ref();
    let called = callers.is_none_or(|callers| {
        let mut normal = callers
            .iter()
            .filter(|caller| draft.is_normal(&caller.from.value));
        normal.any(|caller| calls(caller, partition))
    });
    let missing = missing(normal_cores(draft, board), cores);
    if !called || missing.is_empty() || partition.client.is_some() {
        return None;
    }
    let title = format!(
        "the normal world cannot call {} from `{}`",
        partition.title(),
        missing.join("`, `")
    );
    let fault = Diagnostic::new(Rule::CallerCores, title).at(&partition.cores_span, "these are its cores");
    Some(fault.help(forward(cores)))
}

fn forward(cores: &[At<String>]) -> String {
    let names: Vec<String> = cores.iter().map(|core| format!("\"{}\"", core.value)).collect();
    format!(
        "write `cores = {{ called = [{}], forward = true }}`, or `cores = \"all\"`",
        names.join(", ")
    )
}

/// Nobody lends a core to a partition without callers, so it never runs again once it has started.
fn uncalled(partition: &Partition) -> Option<Diagnostic> {
    let callers = partition.callers.as_ref().filter(|callers| callers.is_empty());
    if callers.is_none() || !partition.dedicated().is_empty() {
        return None;
    }
    let title = format!("nobody may call {}", partition.title());
    let fault =
        Diagnostic::new(Rule::Unreached, title).at(partition.place(), "it starts, and never runs again");
    Some(fault.help("name its callers"))
}

/// A hypervisor finds partitions for its machines, and finds those only that have it as a caller.
fn hidden(draft: &Draft, partition: &Partition) -> Option<Diagnostic> {
    let callers = partition.callers.as_ref()?;
    let mut names = callers.iter().map(|caller| &caller.from);
    let found = names.any(|name| name.value == NORMAL_WORLD);
    let machine = callers.iter().find(|caller| draft.is_normal(&caller.from.value));
    let machine = machine.filter(|_| !found && called_by_machine(draft, partition))?;
    let title = format!(
        "no hypervisor can find {} for its virtual machines",
        partition.title()
    );
    let fault = Diagnostic::new(Rule::Hidden, title).at(&machine.from.span, "this one has to know its ID");
    Some(fault.help("add `{ from = \"normal-world\", messages = [], pages = 0 }` to its `callers`"))
}

/// A virtual machine that no list of callers names reaches nothing.
fn idle_machines(draft: &Draft) -> Vec<Diagnostic> {
    let callers = draft
        .partitions
        .iter()
        .flat_map(|partition| partition.callers.iter().flatten());
    let named: Vec<&str> = callers.map(|caller| caller.from.value.as_str()).collect();
    let names = draft.machines.iter().filter_map(|machine| machine.name.as_ref());
    let idle = names.filter(|name| !named.contains(&name.value.as_str()));
    idle.map(|name| {
        let title = format!("the virtual machine `{}` reaches no partition", name.value);
        let fault = Diagnostic::new(Rule::Unreached, title).at(&name.span, "no `callers` name it");
        fault.help(format!(
            "add \"{}\" to the `callers` of a partition, or remove it",
            name.value
        ))
    })
    .collect()
}
