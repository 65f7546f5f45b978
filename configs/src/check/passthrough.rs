//! What comes with a device: its neighbours in the page, its interrupts, its accesses to memory.

use crate::board::{Board, Device};
use crate::draft::{Draft, Partition};
use crate::reader::Faults;
use crate::report::Diagnostic;
use crate::rule::Rule;
use crate::source::At;

/// Checks what partitions get with what they claim.
pub fn check(draft: &Draft, board: &Board, faults: &mut Faults) {
    for partition in &draft.partitions {
        for name in &partition.devices {
            if let Some(device) = board.devices.iter().find(|device| device.name == name.value) {
                accesses(partition, name, device, board, faults);
                neighbours(draft, partition, name, device, board, faults);
            }
        }
    }
    interrupts(draft, board, faults);
}

/// A device that reads and writes memory by itself.
fn accesses(partition: &Partition, name: &At<String>, device: &Device, board: &Board, faults: &mut Faults) {
    let why = match (device.dma, board.smmu) {
        (false, _) => return,
        (true, None) => "the board has no SMMU that checks it",
        (true, Some(_)) if device.streams.is_empty() => "the board names no stream IDs of it",
        (true, Some(_)) => return,
    };
    let title = format!(
        "the device `{}` can reach memory that is not of {}",
        name.value,
        partition.title()
    );
    let fault = Diagnostic::new(Rule::Dma, title).at(&name.span, why);
    faults.push(fault.help("remove it from this list"));
}

/// Other devices in the same pages that the partition does not have.
fn neighbours(
    draft: &Draft,
    partition: &Partition,
    name: &At<String>,
    device: &Device,
    board: &Board,
    faults: &mut Faults,
) {
    let others = board.devices.iter().filter(|other| other.name != device.name);
    // Claims by two partitions are reported as such.
    let claims = || draft.partitions.iter().flat_map(|each| &each.devices);
    let claimed = |other: &Device| claims().any(|claim| claim.value == other.name);
    for other in others.filter(|other| other.range.overlaps(&device.range) && !claimed(other)) {
        let title = format!("the device `{}` shares a page with `{}`", name.value, other.name);
        let fault = Diagnostic::new(Rule::SharedPage, title)
            .at(&name.span, format!("{} gets both", partition.title()));
        faults.push(fault.help(format!("remove it from this list, or list `{}` too", other.name)));
    }
}

/// Interrupts of a device that another partition has.
fn interrupts(draft: &Draft, board: &Board, faults: &mut Faults) {
    for partition in &draft.partitions {
        for name in &partition.interrupts {
            let device = board
                .devices
                .iter()
                .find(|device| device.interrupts.contains(&name.value));
            let Some(device) = device else { continue };
            let others = draft
                .partitions
                .iter()
                .filter(|other| !std::ptr::eq(*other, partition));
            let owner = others.into_iter().find_map(|other| {
                let claim = other.devices.iter().find(|own| own.value == device.name)?;
                Some((other, claim))
            });
            if let Some((owner, claim)) = owner {
                let title = format!(
                    "the interrupt `{}` belongs to the device `{}` of {}",
                    name.value,
                    device.name,
                    owner.title()
                );
                let fault = Diagnostic::new(Rule::DeviceInterrupt, title)
                    .at(&name.span, format!("claimed by {}", partition.title()))
                    .at(&claim.span, "the device is here");
                faults.push(fault.help("leave both to one partition"));
            }
        }
    }
}
