//! What each kind of TEE needs of its partition.

use crate::board::Board;
use crate::draft::{Cores, Delivery, Draft, Partition, TEES, Tee};
use crate::reader::{Faults, list};
use crate::report::Diagnostic;
use crate::rule::Rule;
use crate::units::show_size;

/// The least memory with which the OP-TEE that is built here passed its own tests, in bytes: `docs/sizing.md`.
const OPTEE_LEAST: u64 = 3584 << 10;

/// TEEs that can be built here.
const RECIPES: [Tee; 4] = [Tee::Optee, Tee::Rust, Tee::Test, Tee::Sensors];

/// Checks each partition against its kind of TEE.
pub fn check(draft: &Draft, board: &Board, faults: &mut Faults) {
    for partition in &draft.partitions {
        recipe(partition, faults);
        if partition.builds(Tee::Optee) && partition.is(Tee::Optee) {
            optee(partition, faults);
        }
        for tee in [Tee::Optee, Tee::Rust] {
            if partition.builds(tee) && partition.is(tee) {
                drives_no_gic(partition, tee, faults);
            }
        }
        if partition.is(Tee::Sel4) {
            sel4(partition, board, faults);
        }
    }
}

fn recipe(partition: &Partition, faults: &mut Faults) {
    let build = partition.image.as_ref().and_then(|image| image.build.as_ref());
    let Some(build) = build.filter(|build| !RECIPES.contains(&build.value)) else {
        return;
    };
    let word = build.value.word();
    let title = format!("there is no recipe that builds `{word}`");
    let fault = Diagnostic::new(Rule::NoRecipe, title).at(&build.span, "this cannot be built here");
    let words = TEES
        .iter()
        .filter(|(_, tee)| RECIPES.contains(tee))
        .map(|(word, _)| *word);
    let words: Vec<&str> = words.collect();
    faults.push(fault.help(format!(
        "hand in an image with `file` and `sha256`; there are recipes for {}",
        list(&words)
    )));
}

fn optee(partition: &Partition, faults: &mut Faults) {
    let size = partition.memory.first().and_then(|region| region.size.as_ref());
    if let Some(size) = size.filter(|size| size.value > 0 && size.value < OPTEE_LEAST) {
        let title = format!(
            "{} are too little for the OP-TEE of {}",
            show_size(size.value),
            partition.title()
        );
        let fault = Diagnostic::new(Rule::OpteeMemory, title).at(&size.span, "its first region");
        faults.push(fault.help(format!("give it at least {}", show_size(OPTEE_LEAST))));
    }
}

/// The ones that are built here have a driver for hypervisor calls.
fn drives_no_gic(partition: &Partition, tee: Tee, faults: &mut Faults) {
    let delivery = partition.delivery.as_ref();
    if let Some(delivery) = delivery.filter(|delivery| delivery.value == Delivery::Vgic) {
        let title = format!("the {} of {} drives no GIC", tee.title(), partition.title());
        let fault = Diagnostic::new(Rule::CallsOnly, title).at(&delivery.span, "this interface");
        faults.push(fault.help("remove `interrupt-interface`"));
    }
}

fn sel4(partition: &Partition, board: &Board, faults: &mut Faults) {
    let cores = match &partition.cores {
        None => 1,
        Some(Cores::All) => board.cores.len(),
        Some(Cores::Called { cores, .. } | Cores::Dedicated(cores)) => cores.len(),
    };
    let single = partition
        .contexts
        .as_ref()
        .is_some_and(|contexts| contexts.value == 1);
    if cores > 1 && !single {
        let title = format!("the seL4 of {} has {cores} cores", partition.title());
        let fault = Diagnostic::new(Rule::Sel4Cores, title).at(&partition.cores_span, "its cores");
        faults.push(fault.help("list one core, as in `cores = { called = [\"…\"], forward = true }`"));
    }
    let delivery = partition.delivery.as_ref();
    if let Some(delivery) = delivery.filter(|delivery| delivery.value == Delivery::Paravirtual) {
        let title = format!("the seL4 of {} makes no hypervisor calls", partition.title());
        let fault = Diagnostic::new(Rule::Sel4Interrupts, title).at(&delivery.span, "this interface");
        faults.push(fault.help("remove `interrupt-interface`"));
    }
}
