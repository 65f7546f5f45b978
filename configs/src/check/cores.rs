//! Cores of partitions.

use crate::board::Board;
use crate::draft::{Draft, Partition};
use crate::reader::Faults;
use crate::report::Diagnostic;
use crate::rule::Rule;

/// Checks each partition's list of cores.
pub fn check(draft: &Draft, board: &Board, faults: &mut Faults) {
    for partition in &draft.partitions {
        check_list(partition, board, faults);
    }
}

fn check_list(partition: &Partition, board: &Board, faults: &mut Faults) {
    let Some(cores) = &partition.cores else { return };
    let span = &partition.cores_span;
    if cores.is_empty() {
        let fault = Diagnostic::new(Rule::NoCore, format!("{} has no core", partition.title()));
        faults.push(
            fault
                .at(span, "this list is empty")
                .help("list cores, or write `cores = \"all\"`"),
        );
        return;
    }
    let names = board.core_names();
    let unknown = cores.iter().filter(|core| !names.contains(&core.value.as_str()));
    faults.extend(unknown.map(|core| super::unknown(Rule::UnknownCore, "core", core, &names)));
    super::repeated(Rule::DuplicateCore, "core", cores, faults);
    let boot = names[board.boot_core];
    if !cores.iter().any(|core| core.value == boot) {
        let title = format!("{} does not have the boot core `{boot}`", partition.title());
        let fault = Diagnostic::new(Rule::BootCore, title).at(span, format!("`{boot}` is missing here"));
        faults.push(fault.help(format!("add `{boot}`")));
    }
}
