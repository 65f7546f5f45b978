//! What is written to a partition's devices when it fails.

use crate::board::Board;
use crate::draft::{Draft, Partition, Quiesce};
use crate::reader::Faults;
use crate::report::Diagnostic;
use crate::rule::Rule;

/// Bytes of a register.
const REGISTER: u64 = 4;

/// Checks each write: a whole register of a device that the partition owns, and a value that fits.
pub fn check(draft: &Draft, board: &Board, faults: &mut Faults) {
    for partition in &draft.partitions {
        for write in &partition.quiesce {
            one(partition, write, board, faults);
        }
    }
}

fn one(partition: &Partition, write: &Quiesce, board: &Board, faults: &mut Faults) {
    let name = &write.device;
    let mut refuse = |title: String, span, help: &str| {
        let fault = Diagnostic::new(Rule::Quiesce, title).at(span, "this one");
        faults.push(fault.help(help));
    };
    if !partition.devices.iter().any(|own| own.value == name.value) {
        let title = format!("{} does not own the device `{}`", partition.title(), name.value);
        refuse(title, &name.span, "name one of its `devices`");
        return;
    }
    let Some(device) = board.devices.iter().find(|device| device.name == name.value) else {
        return;
    };
    let offset = write.offset.value;
    let end = offset.checked_add(REGISTER);
    if !offset.is_multiple_of(REGISTER) || end.is_none_or(|end| end > device.range.size) {
        let title = format!("the device `{}` has no register at {offset:#x}", name.value);
        refuse(title, &write.offset.span, "use a multiple of 4 within the device");
    }
    if write.value.value > u64::from(u32::MAX) {
        let title = format!("a register of 32 bits does not hold {:#x}", write.value.value);
        refuse(title, &write.value.span, "use a value of 32 bits");
    }
}
