//! What a good table asks for and the hypervisor does not do yet. The table is checked and drawn; nothing is
//! built from it, so that nobody takes a key without effect for a promise. What is built leaves this list.

use crate::board::{Board, Secret};
use crate::draft::{Cores, Draft, Partition, Rights};
use crate::model::Range;
use crate::report::Diagnostic;
use crate::rule::Rule;
use crate::source::Span;
use crate::units::show_range;

/// What stage 2 reaches: its tables for own memory and devices cover the first 4 GiB.
const REACH_END: u64 = 1 << 32;
/// A large block of stage 2, in bytes. Each device has one table, which covers one block.
const BLOCK: u64 = 2 << 20;

/// What the hypervisor does not do yet, in a draft without faults.
pub fn not_built(draft: &Draft, board: &Board) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    out.extend(own_reach(draft, board));
    out.extend(without_timer(draft, board));
    for partition in &draft.partitions {
        let wishes = [cores(partition), calls(partition), trust(partition, board)];
        for (what, span) in wishes.into_iter().flatten() {
            let title = format!(
                "{} asks for {what}, which the hypervisor does not do yet",
                partition.title()
            );
            let fault = Diagnostic::new(Rule::NotBuilt, title).at(span, "this is not built yet");
            out.push(fault.help("remove it to build this table"));
        }
        out.extend(memory_reach(partition));
        out.extend(devices(partition, board));
    }
    out
}

/// Starts have their time, and every partition has EL1 timers: nothing is built for a board that can promise neither.
fn without_timer(draft: &Draft, board: &Board) -> Option<Diagnostic> {
    let name = draft.board.as_ref().filter(|_| board.timer_intid.is_none())?;
    let title = "the hypervisor is not built for a board without a secure EL2 timer";
    let label = "it has no `timer` in its `[hypervisor]`";
    let fault = Diagnostic::new(Rule::NotBuilt, title.to_owned()).at(&name.span, label);
    Some(fault.help("choose another board to build this table"))
}

/// A wish and where it stands.
type Wish<'a> = (&'static str, &'a Span);

fn cores(partition: &Partition) -> Vec<Wish<'_>> {
    let mut out = Vec::new();
    let count = match &partition.cores {
        Some(Cores::Dedicated(cores) | Cores::Called { cores, .. }) => Some(cores.len()),
        _ => None,
    };
    let travels = partition
        .contexts
        .as_ref()
        .filter(|contexts| contexts.value == 1 && count != Some(1));
    out.extend(travels.map(|contexts| ("a context that travels", &contexts.span)));
    out
}

fn calls(partition: &Partition) -> Vec<Wish<'_>> {
    let mut out = Vec::new();
    out.extend(
        partition
            .quotas
            .ranges
            .as_ref()
            .map(|quota| ("a quota of ranges", &quota.span)),
    );
    out
}

fn trust<'a>(partition: &'a Partition, board: &Board) -> Vec<Wish<'a>> {
    let mut out = Vec::new();
    let key = partition
        .key
        .as_ref()
        .filter(|key| key.value && board.secret == Secret::Hardware);
    out.extend(key.map(|key| ("a key from a secret of the hardware's", &key.span)));
    let quotes = partition.quotes.as_ref();
    let quotes = quotes.filter(|quotes| quotes.value && board.secret == Secret::Hardware);
    out.extend(quotes.map(|quotes| ("signatures by a secret of the hardware's", &quotes.span)));
    let rights = partition
        .memory
        .iter()
        .filter_map(|region| region.rights.as_ref());
    let narrow = rights.filter(|rights| matches!(rights.value, Rights::Read | Rights::ReadExecute));
    out.extend(narrow.map(|rights| ("memory that it cannot write", &rights.span)));
    out
}

fn own_reach(draft: &Draft, board: &Board) -> Option<Diagnostic> {
    let size = draft.hypervisor.as_ref()?;
    let range = Range {
        base: board.hypervisor_load,
        size: size.value,
    };
    reach("the hypervisor", range, &size.span)
}

fn memory_reach(partition: &Partition) -> Vec<Diagnostic> {
    let regions = partition.memory.iter().filter_map(|region| {
        let range = Range {
            base: region.base.as_ref()?.value,
            size: region.size.as_ref()?.value,
        };
        reach(&partition.title(), range, &region.span)
    });
    regions.collect()
}

fn reach(owner: &str, range: Range, span: &Span) -> Option<Diagnostic> {
    (range.end() > REACH_END).then(|| {
        let title = format!("memory of {owner} is out of reach");
        let fault = Diagnostic::new(Rule::Reach, title).at(span, "it ends above 4 GiB");
        fault.help("use memory below 0x1_0000_0000")
    })
}

fn devices(partition: &Partition, board: &Board) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for name in &partition.devices {
        let Some(device) = board.devices.iter().find(|device| device.name == name.value) else {
            continue;
        };
        let range = device.range;
        if range.end() > REACH_END || range.base / BLOCK != (range.end() - 1) / BLOCK {
            let title = format!("the device `{}` is out of reach", name.value);
            let label = format!("it is at {}", show_range(range.base, range.end()));
            let fault = Diagnostic::new(Rule::DeviceReach, title).at(&name.span, label);
            out.push(fault.help("remove it from this list"));
        }
        if device.dma {
            let title = format!(
                "the device `{}` needs the SMMU, which the hypervisor does not program yet",
                name.value
            );
            let fault = Diagnostic::new(Rule::NotBuilt, title).at(&name.span, "this is not built yet");
            out.push(fault.help("remove it to build this table"));
        }
    }
    out
}
