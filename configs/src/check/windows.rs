//! Windows for borrowed memory.

use super::memory::HYPERVISOR_LEAST;
use crate::board::Board;
use crate::draft::{Draft, Partition};
use crate::footprint::{Counts, estimate};
use crate::model::Range;
use crate::preset;
use crate::reader::Faults;
use crate::report::Diagnostic;
use crate::rule::Rule;
use crate::source::Span;
use crate::units::{PAGE, show_range, show_size};

/// The hypervisor's memory for each page of a window, in bytes.
const BYTES_PER_PAGE: u64 = 8;
/// Windows are made of large stage-2 blocks, in bytes.
const STEP: u64 = 2 << 20;
/// The largest window in bytes.
const LARGEST: u64 = 512 << 20;

/// Checks each window, and all of them against the hypervisor's memory.
pub fn check(draft: &Draft, board: &Board, faults: &mut Faults) {
    let mut all: Vec<(u64, &Partition)> = Vec::new();
    for partition in &draft.partitions {
        let Some(size) = size(partition, faults) else {
            continue;
        };
        let window = Range {
            base: board.window_base,
            size,
        };
        own_memory(partition, window, faults);
        own_devices(partition, window, board, faults);
        all.push((size, partition));
    }
    means(draft, board, &all, faults);
}

/// The window's size, if it is within its limits.
fn size(partition: &Partition, faults: &mut Faults) -> Option<u64> {
    let Some(window) = &partition.window else {
        return partition.tee.as_ref().map(|tee| preset::of(tee.value).window);
    };
    let good = (STEP..=LARGEST).contains(&window.value) && window.value.is_multiple_of(STEP);
    if !good {
        let title = format!(
            "the window of {} cannot have {}",
            partition.title(),
            show_size(window.value)
        );
        let fault = Diagnostic::new(Rule::WindowSize, title).at(&window.span, "this size");
        faults.push(fault.help("use a multiple of 2 MiB from \"2MiB\" to \"512MiB\""));
    }
    good.then_some(window.value)
}

fn window_span(partition: &Partition) -> &Span {
    partition
        .window
        .as_ref()
        .map_or(partition.place(), |window| &window.span)
}

fn own_memory(partition: &Partition, window: Range, faults: &mut Faults) {
    for region in &partition.memory {
        let (Some(base), Some(size)) = (&region.base, &region.size) else {
            continue;
        };
        let end = base.value.checked_add(size.value);
        let Some(end) = end.filter(|end| *end <= 1 << 48) else {
            continue;
        };
        if base.value < window.end() && window.base < end {
            faults.push(overlap(
                partition,
                window,
                &region.span,
                &show_range(base.value, end),
            ));
        }
    }
}

fn own_devices(partition: &Partition, window: Range, board: &Board, faults: &mut Faults) {
    for name in &partition.devices {
        let device = board.devices.iter().find(|device| device.name == name.value);
        if let Some(device) = device.filter(|device| device.range.overlaps(&window)) {
            let range = show_range(device.range.base, device.range.end());
            faults.push(overlap(partition, window, &name.span, &range));
        }
    }
}

fn overlap(partition: &Partition, window: Range, span: &Span, what: &str) -> Diagnostic {
    let title = format!("the window of {} overlaps its own addresses", partition.title());
    let fault = Diagnostic::new(Rule::WindowOverlap, title).at(span, format!("this is at {what}"));
    let label = format!("the window is at {}", show_range(window.base, window.end()));
    fault
        .at(window_span(partition), label)
        .help("make the window smaller, or move what it meets")
}

/// What all partitions need of the hypervisor, against its memory.
fn means(draft: &Draft, board: &Board, windows: &[(u64, &Partition)], faults: &mut Faults) {
    let hypervisor = draft.hypervisor.as_ref();
    let Some(hypervisor) = hypervisor.filter(|size| size.value >= HYPERVISOR_LEAST) else {
        return;
    };
    let each = &draft.partitions;
    let needed = estimate(Counts {
        cores: count(board.cores.len()),
        partitions: count(each.len()),
        regions: count(each.iter().map(|partition| partition.memory.len()).sum()),
        devices: count(each.iter().map(|partition| partition.devices.len()).sum()),
        shares: each.iter().map(shares).sum(),
        windows: windows.iter().map(|(size, _)| size).sum(),
    });
    let largest = windows.iter().max_by_key(|(size, _)| *size);
    let Some((size, largest)) = largest.filter(|_| needed > hypervisor.value) else {
        return;
    };
    let title = format!("the hypervisor needs about {} for this system", show_size(needed));
    let fault = Diagnostic::new(Rule::Means, title).at(&hypervisor.span, "it has this");
    let label = format!(
        "the largest window: {} of tables",
        show_size(size / PAGE * BYTES_PER_PAGE)
    );
    let fault = fault.at(window_span(largest), label);
    faults.push(fault.help("give the hypervisor more memory, or make windows smaller"));
}

/// Shares within their limits; others are reported as such.
fn shares(partition: &Partition) -> u64 {
    match (&partition.shares, &partition.tee) {
        (Some(shares), _) => shares.value.min(256),
        (None, Some(tee)) => preset::of(tee.value).shares.into(),
        (None, None) => 0,
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
