//! Where memory is, whose it is, and that nothing has two owners.

use crate::board::{Board, Kind, Memory};
use crate::draft::{Draft, Partition, Region};
use crate::model::Range;
use crate::reader::Faults;
use crate::report::Diagnostic;
use crate::rule::Rule;
use crate::source::{At, Span};
use crate::units::{PAGE, show_range, show_size};

/// The hypervisor's least memory, in bytes: less would not do for any system.
pub const HYPERVISOR_LEAST: u64 = 512 << 10;

/// Ends of addresses: 48 bits.
const ADDRESS_END: u64 = 1 << 48;

/// A range with its owner.
struct Owned<'a> {
    owner: String,
    range: Range,
    span: &'a Span,
}

/// Checks all memory.
pub fn check(draft: &Draft, board: &Board, faults: &mut Faults) {
    let mut owned: Vec<Owned<'_>> = hypervisor(draft, board, faults).into_iter().collect();
    for partition in &draft.partitions {
        let regions = partition.memory.iter();
        owned.extend(regions.filter_map(|region| self::region(draft, partition, region, board, faults)));
    }
    for (index, second) in owned.iter().enumerate() {
        for first in owned[..index]
            .iter()
            .filter(|first| first.range.overlaps(&second.range))
        {
            faults.push(overlap(first, second));
        }
    }
}

fn overlap(first: &Owned<'_>, second: &Owned<'_>) -> Diagnostic {
    let shared = show_range(
        first.range.base.max(second.range.base),
        first.range.end().min(second.range.end()),
    );
    let title = if first.owner == second.owner {
        format!("memory of {} overlaps itself in {shared}", second.owner)
    } else {
        format!(
            "memory of {} overlaps memory of {} in {shared}",
            second.owner, first.owner
        )
    };
    let label = |owned: &Owned<'_>| {
        format!(
            "{} has {}",
            owned.owner,
            show_range(owned.range.base, owned.range.end())
        )
    };
    let fault = Diagnostic::new(Rule::Overlap, title)
        .at(second.span, label(second))
        .at(first.span, label(first));
    fault.help("move or shrink one of the two")
}

/// The hypervisor's memory, if it is usable for further checks.
fn hypervisor<'a>(draft: &'a Draft, board: &Board, faults: &mut Faults) -> Option<Owned<'a>> {
    let size = draft.hypervisor.as_ref()?;
    let whole = aligned(size, "the hypervisor's memory", faults);
    let fault = |title: String| Diagnostic::new(Rule::HypervisorMemory, title).at(&size.span, "this size");
    if size.value < HYPERVISOR_LEAST {
        let title = format!("{} are too little for the hypervisor", show_size(size.value));
        faults.push(fault(title).help(format!("give it at least {}", show_size(HYPERVISOR_LEAST))));
        return None;
    }
    let base = board.hypervisor_load;
    let Some(memory) = secure(board).find(|memory| base >= memory.base && base < memory.end()) else {
        faults.push(fault(format!(
            "firmware loads the hypervisor to {base:#x}, which is not secure memory"
        )));
        return None;
    };
    let left = memory.end() - base;
    if size.value > left {
        let title = format!(
            "{} are more than the secure memory above {base:#010x}",
            show_size(size.value)
        );
        faults.push(fault(title).help(format!("there are {}", show_size(left))));
        return None;
    }
    let range = Range {
        base,
        size: size.value,
    };
    whole.then(|| Owned {
        owner: "the hypervisor".to_owned(),
        range,
        span: &size.span,
    })
}

/// A region, if it is usable for further checks.
fn region<'a>(
    draft: &Draft,
    partition: &Partition,
    region: &'a Region,
    board: &Board,
    faults: &mut Faults,
) -> Option<Owned<'a>> {
    let (base, size) = (region.base.as_ref()?, region.size.as_ref()?);
    let whole = aligned(base, "a region's base", faults) & aligned(size, "a region's size", faults);
    if size.value == 0 {
        let title = format!("a region of {} is empty", partition.title());
        faults.push(
            Diagnostic::new(Rule::EmptyRange, title)
                .at(&size.span, "no byte")
                .help("give it a size"),
        );
        return None;
    }
    if base
        .value
        .checked_add(size.value)
        .is_none_or(|end| end > ADDRESS_END)
    {
        let title = format!("a region of {} ends above 2^48", partition.title());
        let fault = Diagnostic::new(Rule::AddressOverflow, title).at(&region.span, "base and size together");
        faults.push(fault.help(format!("secure memory is {}", show_secure(board))));
        return None;
    }
    let range = Range {
        base: base.value,
        size: size.value,
    };
    match secure_memory(range, board) {
        None => faults.push(outside(partition, range, &region.span, board)),
        Some(memory) if memory.protected_by.is_none() && !draft.allow_unprotected => {
            faults.push(unprotected(partition, memory, &region.span));
        }
        Some(_) => {}
    }
    whole.then(|| Owned {
        owner: partition.title(),
        range,
        span: &region.span,
    })
}

fn outside(partition: &Partition, range: Range, span: &Span, board: &Board) -> Diagnostic {
    let title = format!("memory of {} is outside secure memory", partition.title());
    let other = board
        .memory
        .iter()
        .find(|memory| memory.kind != Kind::Secure && memory.range.overlaps(&range));
    let shown = show_range(range.base, range.end());
    let label = match other {
        Some(memory) if memory.kind == Kind::Firmware => {
            format!("{shown} meets firmware's memory `{}`", memory.name)
        }
        Some(memory) if memory.kind == Kind::Store => {
            format!("{shown} meets the store of pristine images `{}`", memory.name)
        }
        Some(memory) if memory.kind == Kind::Counters => {
            format!("{shown} meets the counters of versions `{}`", memory.name)
        }
        Some(memory) => format!("{shown} meets the normal world's memory `{}`", memory.name),
        None => format!("{shown} does not lie within it"),
    };
    let fault = Diagnostic::new(Rule::OutsideSecure, title).at(span, label);
    fault.help(format!("secure memory is {}", show_secure(board)))
}

fn unprotected(partition: &Partition, memory: &Memory, span: &Span) -> Diagnostic {
    let title = format!("memory of {} is not protected by the hardware", partition.title());
    let fault = Diagnostic::new(Rule::Unprotected, title).at(
        span,
        format!("nothing keeps the normal world out of `{}`", memory.name),
    );
    fault.help("use memory that the board protects, or write `allow-unprotected = true` in `[system]`")
}

/// The secure memory that holds a range.
fn secure_memory(range: Range, board: &Board) -> Option<&Memory> {
    let mut memory = board.memory.iter();
    memory.find(|memory| memory.kind == Kind::Secure && memory.range.contains(&range))
}

fn aligned(value: &At<u64>, what: &str, faults: &mut Faults) -> bool {
    let whole = value.value.is_multiple_of(PAGE);
    if !whole {
        let title = format!("{what} is not a multiple of 4 KiB");
        let fault =
            Diagnostic::new(Rule::Alignment, title).at(&value.span, format!("this is {:#x}", value.value));
        let below = value.value - value.value % PAGE;
        faults.push(fault.help(match below.checked_add(PAGE) {
            Some(above) => format!("the nearest are {below:#x} and {above:#x}"),
            None => format!("the nearest is {below:#x}"),
        }));
    }
    whole
}

fn secure(board: &Board) -> impl Iterator<Item = Range> {
    board.ranges(Kind::Secure)
}

fn show_secure(board: &Board) -> String {
    secure(board)
        .map(|range| show_range(range.base, range.end()))
        .collect::<Vec<_>>()
        .join(", ")
}
