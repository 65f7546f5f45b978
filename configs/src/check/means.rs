//! What all partitions need of the hypervisor, against its memory.

use super::memory::HYPERVISOR_LEAST;
use super::windows::good_size;
use crate::board::Board;
use crate::draft::{Caller, Draft, Partition};
use crate::footprint::{Needs, estimate, sharing};
use crate::model::Range;
use crate::preset;
use crate::reader::Faults;
use crate::report::Diagnostic;
use crate::rule::Rule;
use crate::units::{PAGE, show_size};

/// The hypervisor's memory for each page of a window, in bytes.
const BYTES_PER_PAGE: u64 = 8;
/// The most shares of a partition; what is more is reported as such.
const MOST_SHARES: u64 = 256;

/// Checks that the hypervisor's memory is enough. Values out of their bounds are reported as such, and do not count.
pub fn check(draft: &Draft, board: &Board, faults: &mut Faults) {
    let hypervisor = draft.hypervisor.as_ref();
    let Some(hypervisor) = hypervisor.filter(|size| size.value >= HYPERVISOR_LEAST) else {
        return;
    };
    let needs: Vec<Needs> = draft
        .partitions
        .iter()
        .map(|partition| needs(draft, partition))
        .collect();
    let needed = estimate(board.cores.len(), draft.machines.len(), &needs);
    if needed <= hypervisor.value {
        return;
    }
    let title = format!("the hypervisor needs about {} for this system", show_size(needed));
    let mut fault = Diagnostic::new(Rule::Means, title).at(&hypervisor.span, "it has this");
    let largest = draft.partitions.iter().max_by_key(|partition| window(partition));
    if let Some(partition) = largest {
        let tables = window(partition) / PAGE * BYTES_PER_PAGE;
        let span = partition
            .window
            .as_ref()
            .map_or(partition.place(), |window| &window.span);
        fault = fault.at(
            span,
            format!("the largest window: {} of tables", show_size(tables)),
        );
    }
    let most = (0..needs.len()).max_by_key(|place| sharing(&needs, *place));
    let most = most.filter(|place| sharing(&needs, *place) > 0);
    if let Some((place, partition)) = most.and_then(|place| Some((place, draft.partitions.get(place)?))) {
        let label = format!(
            "what it may share with partitions: {} of tables",
            show_size(sharing(&needs, place))
        );
        fault = fault.at(partition.place(), label);
    }
    let more = format!("give the hypervisor at least {}", show_size(needed));
    faults.push(fault.help(if most.is_some() {
        format!("{more}, make windows smaller, or let fewer or smaller partitions share (`pages`)")
    } else {
        format!("{more}, or make windows smaller")
    }));
}

fn needs(draft: &Draft, partition: &Partition) -> Needs {
    let memory = partition.memory.iter().filter_map(|region| {
        let (base, size) = (region.base.as_ref()?.value, region.size.as_ref()?.value);
        let end = base.checked_add(size)?;
        (end <= 1 << 48).then_some(Range { base, size })
    });
    let callers = || partition.callers.iter().flatten();
    let lends = |caller: &&Caller| caller.pages.as_ref().is_some_and(|pages| pages.value > 0);
    let place = |caller: &Caller| {
        let name = &caller.from.value;
        draft.partitions.iter().position(|other| other.is_called(name))
    };
    let shares = partition.shares.as_ref().map(|shares| shares.value);
    let preset = partition
        .tee
        .as_ref()
        .map(|tee| preset::of(tee.value).shares.into());
    Needs {
        memory: memory.collect(),
        devices: u64::try_from(partition.devices.len()).unwrap_or(u64::MAX),
        window: window(partition),
        shares: shares.or(preset).unwrap_or(0).min(MOST_SHARES),
        limits: callers()
            .filter_map(|caller| Some(caller.pages.as_ref()?.value))
            .collect(),
        lenders: callers().filter(lends).filter_map(place).collect(),
    }
}

fn window(partition: &Partition) -> u64 {
    let preset = partition.tee.as_ref().map(|tee| preset::of(tee.value).window);
    let window = partition.window.as_ref().map(|window| window.value);
    let size = window.or(preset).unwrap_or(0);
    if good_size(size) { size } else { 0 }
}
