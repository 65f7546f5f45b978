//! Where memory without a base goes. Regions are placed one after the other in the order of the file, each at
//! the lowest free address that suits it, so that what stands further down in the file never moves them.

use crate::board::{Board, Kind};
use crate::draft::Draft;
use crate::model::Range;
use crate::reader::Faults;
use crate::report::Diagnostic;
use crate::rule::Rule;
use crate::source::At;
use crate::units::{PAGE, show_size};

/// The largest block of stage 2 with 4 KiB pages that is worth aligning for, in bytes.
const BLOCK: u64 = 2 << 20;

/// Gives a base to every region that has none. Regions with a base stay where they are.
pub fn place(draft: &mut Draft, board: &Board, faults: &mut Faults) {
    let mut taken = fixed(draft, board);
    for partition in &mut draft.partitions {
        let title = partition.title();
        for region in partition.memory.iter_mut().filter(|region| region.placed) {
            let Some(size) = region.size.as_ref().filter(|size| is_whole(size.value)) else {
                continue;
            };
            match find(size.value, board, &taken) {
                Some(range) => {
                    taken.push(range);
                    region.base = Some(At {
                        value: range.base,
                        span: size.span.clone(),
                    });
                }
                None => faults.push(no_room(&title, size, board, &taken)),
            }
        }
    }
}

/// Whether a size can be placed at all; others are reported by the rules of memory.
fn is_whole(size: u64) -> bool {
    size > 0 && size.is_multiple_of(PAGE)
}

/// What is taken before anything is placed: the hypervisor, and every region with a base.
fn fixed(draft: &Draft, board: &Board) -> Vec<Range> {
    let range = |base: u64, size: u64| base.checked_add(size).map(|_| Range { base, size });
    let hypervisor = draft.hypervisor.as_ref();
    let hypervisor = hypervisor.and_then(|size| range(board.hypervisor_load, size.value));
    let regions = draft.partitions.iter().flat_map(|partition| &partition.memory);
    let regions =
        regions.filter_map(|region| range(region.base.as_ref()?.value, region.size.as_ref()?.value));
    hypervisor.into_iter().chain(regions).collect()
}

/// The lowest free place for `size` bytes: on a boundary that serves large blocks if there is one, else on a page.
fn find(size: u64, board: &Board, taken: &[Range]) -> Option<Range> {
    lowest(size, alignment(size), board, taken).or_else(|| lowest(size, PAGE, board, taken))
}

/// Blocks of 2 MiB where there are whole ones; smaller regions lie within one block, which takes one table less.
fn alignment(size: u64) -> u64 {
    if size >= BLOCK {
        BLOCK
    } else {
        size.next_power_of_two()
    }
}

fn lowest(size: u64, align: u64, board: &Board, taken: &[Range]) -> Option<Range> {
    let mut areas: Vec<Range> = board.ranges(Kind::Secure).collect();
    areas.sort_unstable();
    areas.into_iter().find_map(|area| {
        let mut base = area.base.checked_next_multiple_of(align)?;
        loop {
            let range = Range { base, size };
            if base.checked_add(size)? > area.end() {
                return None;
            }
            match taken
                .iter()
                .filter(|other| other.overlaps(&range))
                .map(Range::end)
                .max()
            {
                None => return Some(range),
                Some(end) => base = end.checked_next_multiple_of(align)?,
            }
        }
    })
}

fn no_room(title: &str, size: &At<u64>, board: &Board, taken: &[Range]) -> Diagnostic {
    let fault = Diagnostic::new(
        Rule::NoRoom,
        format!("there is no room for {} of {title}", show_size(size.value)),
    );
    let fault = fault.at(&size.span, "this size");
    let largest = largest_hole(board, taken);
    fault.help(format!(
        "make it smaller, or free some: the largest free piece of secure memory has {}",
        show_size(largest)
    ))
}

/// The largest free piece in bytes.
fn largest_hole(board: &Board, taken: &[Range]) -> u64 {
    let mut taken = taken.to_vec();
    taken.sort_unstable();
    let mut largest = 0;
    for area in board.ranges(Kind::Secure) {
        let mut base = area.base;
        for range in taken.iter().filter(|range| range.overlaps(&area)) {
            largest = largest.max(range.base.saturating_sub(base));
            base = base.max(range.end());
        }
        largest = largest.max(area.end().saturating_sub(base));
    }
    largest
}
