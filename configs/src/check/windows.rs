//! Windows for borrowed memory.

use crate::board::Board;
use crate::draft::{Draft, Partition};
use crate::model::Range;
use crate::preset;
use crate::reader::Faults;
use crate::report::Diagnostic;
use crate::rule::Rule;
use crate::source::Span;
use crate::units::{show_range, show_size};

/// Windows are made of large stage-2 blocks, in bytes.
const STEP: u64 = 2 << 20;
/// The largest window in bytes.
const LARGEST: u64 = 512 << 20;

/// Checks each window.
pub fn check(draft: &Draft, board: &Board, faults: &mut Faults) {
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
    }
}

/// The window's size, if it is within its limits.
fn size(partition: &Partition, faults: &mut Faults) -> Option<u64> {
    let Some(window) = &partition.window else {
        return partition.tee.as_ref().map(|tee| preset::of(tee.value).window);
    };
    let good = good_size(window.value);
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

/// Whether a window can have so many bytes.
pub fn good_size(bytes: u64) -> bool {
    (STEP..=LARGEST).contains(&bytes) && bytes.is_multiple_of(STEP)
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
