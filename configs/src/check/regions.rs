//! Regions of a partition, without the board: how many, what may be done with them, what the first one holds.

use crate::draft::{Draft, Partition, Region, Rights};
use crate::model::IMAGE_OFFSET;
use crate::reader::Faults;
use crate::report::Diagnostic;
use crate::rule::Rule;
use crate::units::{PAGE, show_size};

/// The most regions that a partition can have.
const MOST: usize = 8;

/// The least first region: boot information and manifest, one page of image, and its package, in bytes.
const HOME_LEAST: u64 = 2 * IMAGE_OFFSET + 2 * PAGE;

/// Checks each partition's regions.
pub fn check(draft: &Draft, faults: &mut Faults) {
    for partition in &draft.partitions {
        count(partition, faults);
        if let Some(first) = partition.memory.first() {
            executable(partition, first, faults);
            holds_image(partition, first, faults);
        }
        for region in partition.memory.iter().skip(1) {
            not_both(partition, region, faults);
        }
    }
}

fn count(partition: &Partition, faults: &mut Faults) {
    let Some(span) = &partition.memory_span else {
        return;
    };
    let count = partition.memory.len();
    // A list whose regions are all ill-formed was reported when it was read.
    let is_empty_list = count == 0
        && span.source.text[span.bytes.clone()]
            .trim_matches(['[', ']', ' ', '\n'])
            .is_empty();
    if is_empty_list || count > MOST {
        let title = format!("{} has {count} regions of memory", partition.title());
        let fault = Diagnostic::new(Rule::Regions, title).at(span, "this list");
        faults.push(fault.help(format!("give it 1 to {MOST} regions")));
    }
}

fn executable(partition: &Partition, region: &Region, faults: &mut Faults) {
    let rights = region.rights.as_ref();
    let Some(rights) = rights.filter(|rights| matches!(rights.value, Rights::Read | Rights::ReadWrite))
    else {
        return;
    };
    let title = format!("the first region of {} cannot be executed", partition.title());
    let fault = Diagnostic::new(Rule::FirstRegion, title).at(&rights.span, "these rights");
    faults.push(fault.help("remove `rights` here, or put another region first"));
}

fn holds_image(partition: &Partition, region: &Region, faults: &mut Faults) {
    let size = region.size.as_ref();
    let Some(size) = size.filter(|size| size.value > 0 && size.value < HOME_LEAST) else {
        return;
    };
    let title = format!(
        "the first region of {} is too small for any image",
        partition.title()
    );
    let fault = Diagnostic::new(Rule::ImageFit, title).at(&size.span, show_size(size.value));
    faults.push(fault.help(format!("it needs at least {}", show_size(HOME_LEAST))));
}

fn not_both(partition: &Partition, region: &Region, faults: &mut Faults) {
    let rights = region.rights.as_ref();
    let Some(rights) = rights.filter(|rights| rights.value == Rights::All) else {
        return;
    };
    let title = format!("{} can write and execute a second region", partition.title());
    let fault = Diagnostic::new(Rule::WriteExecute, title).at(&rights.span, "these rights");
    faults.push(fault.help("write `rights = \"rw\"`; code belongs into the first region"));
}
