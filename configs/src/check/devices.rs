//! Devices and interrupts of partitions.

use crate::board::{Board, Device, Interrupt, Owner};
use crate::draft::{Draft, Partition};
use crate::reader::Faults;
use crate::report::Diagnostic;
use crate::rule::Rule;
use crate::source::At;

/// INTIDs of peripheral interrupts, private ones of each core and shared ones.
const PERIPHERAL: std::ops::RangeInclusive<u32> = 16..=1019;

/// Private ones that are nobody's: those of the timers, of which one serves both worlds or the hypervisor, and the
/// GIC's own (DEN0094, the private interrupts of a base system).
const RESERVED: [u32; 8] = [19, 20, 25, 26, 27, 28, 29, 30];

/// Whether a partition can own the interrupt with this INTID, where nobody else has it.
#[must_use]
pub fn can_be_owned(intid: u32) -> bool {
    PERIPHERAL.contains(&intid) && !RESERVED.contains(&intid)
}

/// A device or interrupt that was claimed.
struct Claim<'a, T> {
    partition: &'a Partition,
    name: &'a At<String>,
    item: &'a T,
}

/// Checks what partitions claim of the board.
pub fn check(draft: &Draft, board: &Board, faults: &mut Faults) {
    let devices = claimed_devices(draft, board, faults);
    for claim in &devices {
        taken(Rule::DeviceOwner, "device", claim.name, claim.item.owner, faults);
    }
    let same = |first: &Device, second: &Device| first.range.overlaps(&second.range);
    twice(Rule::DeviceOwner, "device", &devices, same, faults);

    let interrupts = claimed_interrupts(draft, board, faults);
    for claim in &interrupts {
        taken(
            Rule::InterruptOwner,
            "interrupt",
            claim.name,
            claim.item.owner,
            faults,
        );
        kind(claim, faults);
    }
    let same = |first: &Interrupt, second: &Interrupt| first.intid == second.intid;
    twice(Rule::InterruptOwner, "interrupt", &interrupts, same, faults);
}

fn claimed_devices<'a>(draft: &'a Draft, board: &'a Board, faults: &mut Faults) -> Vec<Claim<'a, Device>> {
    let known: Vec<&str> = board.devices.iter().map(|device| device.name.as_str()).collect();
    let mut out = Vec::new();
    for (partition, name) in draft
        .partitions
        .iter()
        .flat_map(|each| each.devices.iter().map(move |name| (each, name)))
    {
        match board.devices.iter().find(|device| device.name == name.value) {
            Some(item) => out.push(Claim {
                partition,
                name,
                item,
            }),
            None => faults.push(super::unknown(Rule::UnknownDevice, "device", name, &known)),
        }
    }
    out
}

fn claimed_interrupts<'a>(
    draft: &'a Draft,
    board: &'a Board,
    faults: &mut Faults,
) -> Vec<Claim<'a, Interrupt>> {
    let known: Vec<&str> = board
        .interrupts
        .iter()
        .map(|interrupt| interrupt.name.as_str())
        .collect();
    let mut out = Vec::new();
    let claims = draft
        .partitions
        .iter()
        .flat_map(|each| each.interrupts.iter().map(move |name| (each, name)));
    for (partition, name) in claims {
        match board
            .interrupts
            .iter()
            .find(|interrupt| interrupt.name == name.value)
        {
            Some(item) => out.push(Claim {
                partition,
                name,
                item,
            }),
            None => faults.push(super::unknown(Rule::UnknownInterrupt, "interrupt", name, &known)),
        }
    }
    out
}

/// The board gives some things to others.
fn taken(rule: Rule, what: &str, name: &At<String>, owner: Owner, faults: &mut Faults) {
    let owner = match owner {
        Owner::Free => return,
        Owner::Hypervisor => "the hypervisor",
        Owner::NormalWorld => "the normal world",
    };
    let fault = Diagnostic::new(rule, format!("the {what} `{}` belongs to {owner}", name.value));
    faults.push(
        fault
            .at(&name.span, format!("the board gives it to {owner}"))
            .help("remove it from this list"),
    );
}

fn twice<T>(
    rule: Rule,
    what: &str,
    claims: &[Claim<'_, T>],
    same: impl Fn(&T, &T) -> bool,
    faults: &mut Faults,
) {
    for (index, second) in claims.iter().enumerate() {
        let Some(first) = claims[..index].iter().find(|first| same(first.item, second.item)) else {
            continue;
        };
        let title = if first.name.value == second.name.value {
            format!("the {what} `{}` is claimed twice", second.name.value)
        } else {
            format!(
                "the {what}s `{}` and `{}` share a page and are claimed twice",
                first.name.value, second.name.value
            )
        };
        let label = |claim: &Claim<'_, T>| format!("claimed by {}", claim.partition.title());
        let fault = Diagnostic::new(rule, title).at(&second.name.span, label(second));
        faults.push(
            fault
                .at(&first.name.span, label(first))
                .help("leave it to one of the two"),
        );
    }
}

fn kind(claim: &Claim<'_, Interrupt>, faults: &mut Faults) {
    let intid = claim.item.intid;
    if claim.item.owner != Owner::Free || can_be_owned(intid) {
        return;
    }
    let title = format!("the interrupt `{}` cannot go to a partition", claim.name.value);
    let label = match intid {
        0..16 => format!("its INTID is {intid}: software sends it from core to core"),
        16..32 => format!("its INTID is {intid}: a timer's or the GIC's own, of which each core has one"),
        _ => format!("its INTID is {intid}: no peripheral has it"),
    };
    let fault = Diagnostic::new(Rule::InterruptKind, title).at(&claim.name.span, label);
    faults.push(fault.help("remove it from this list"));
}
