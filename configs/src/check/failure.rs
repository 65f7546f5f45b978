//! What happens when a partition fails, and the key that it is given.

use crate::board::{Board, Secret};
use crate::draft::{Draft, OnFailure, Partition};
use crate::reader::Faults;
use crate::report::Diagnostic;
use crate::rule::Rule;
use crate::source::At;
use crate::units::show_duration;

/// How often a partition may be restarted.
const RESTARTS: std::ops::RangeInclusive<u64> = 1..=1000;
/// The time within which failures are counted together, in microseconds.
const WITHIN: std::ops::RangeInclusive<u64> = 1_000_000..=3_600_000_000;
/// The rest before the first restart in microseconds.
const BACK_OFFS: std::ops::RangeInclusive<u64> = 1_000..=60_000_000;

/// Checks each partition's failure policy and key.
pub fn check(draft: &Draft, board: &Board, faults: &mut Faults) {
    for partition in &draft.partitions {
        restart(partition, board, faults);
        rebind(partition, draft, faults);
        key(partition, board, faults);
    }
}

fn restart(partition: &Partition, board: &Board, faults: &mut Faults) {
    let Some(OnFailure::Restart {
        span,
        limit,
        back_off,
        within,
        repeats,
        ..
    }) = &partition.on_failure
    else {
        return;
    };
    if let Some(limit) = limit.as_ref().filter(|limit| !RESTARTS.contains(&limit.value)) {
        let title = format!("{} cannot be restarted {} times", partition.title(), limit.value);
        let fault = Diagnostic::new(Rule::Restart, title).at(&limit.span, "this number");
        faults.push(fault.help("use a number from 1 to 1000, or `on-failure = \"stop\"`"));
    }
    if let Some(rest) = back_off.as_ref().filter(|rest| !BACK_OFFS.contains(&rest.value)) {
        let title = format!(
            "{} cannot rest for {}",
            partition.title(),
            show_duration(rest.value)
        );
        let fault = Diagnostic::new(Rule::Restart, title).at(&rest.span, "this duration");
        faults.push(fault.help("use a duration from \"1ms\" to \"60s\""));
    }
    if let Some(within) = within.as_ref().filter(|within| !WITHIN.contains(&within.value)) {
        let title = format!(
            "{} cannot count its failures within {}",
            partition.title(),
            show_duration(within.value)
        );
        let fault = Diagnostic::new(Rule::Restart, title).at(&within.span, "this duration");
        faults.push(fault.help("use a duration from \"1s\" to \"3600s\""));
    }
    let wide = |word: &&At<u64>| u32::try_from(word.value).is_err();
    if let Some(word) = repeats.as_ref().filter(wide) {
        let title = format!(
            "no request to {} begins with {:#x}",
            partition.title(),
            word.value
        );
        let fault = Diagnostic::new(Rule::Restart, title).at(&word.span, "this word");
        faults.push(fault.help("use the request's w3, a number below 0x100000000"));
    }
    if !board.has_store() {
        let title = format!("{} has no pristine image to restart from", partition.title());
        let label = format!("the board `{}` has no memory of the kind `store`", board.name);
        let fault = Diagnostic::new(Rule::RestartStore, title).at(span, label);
        faults.push(fault.help("write `on-failure = \"stop\"`, or describe the board's store"));
    }
}

/// Linux learns of a restart by a TEE that it has clients of, and that may ask.
fn rebind(partition: &Partition, draft: &Draft, faults: &mut Faults) {
    let Some(OnFailure::Restart { rebind, .. }) = &partition.on_failure else {
        return;
    };
    let Some(rebind) = rebind.as_ref().filter(|rebind| rebind.value) else {
        return;
    };
    let asks = |other: &Partition| {
        other.client.is_some() && other.inspects.as_ref().is_some_and(|inspects| inspects.value)
    };
    let (label, help) = if partition.client.is_none() {
        (
            "Linux has no driver of it",
            "give it a `client`, or remove `rebind`",
        )
    } else if !draft.partitions.iter().any(asks) {
        (
            "nobody here tells Linux of its restarts",
            "write `inspects = true` for a partition with a `client`, or remove `rebind`",
        )
    } else {
        return;
    };
    let title = format!("{} cannot have its driver bound anew", partition.title());
    faults.push(
        Diagnostic::new(Rule::Restart, title)
            .at(&rebind.span, label)
            .help(help),
    );
}

fn key(partition: &Partition, board: &Board, faults: &mut Faults) {
    if board.secret != Secret::None {
        return;
    }
    let wishes = [
        (&partition.key, "cannot be given a key", "remove `key`"),
        (
            &partition.quotes,
            "cannot have anything signed",
            "remove `quotes`",
        ),
    ];
    for (wish, what, help) in wishes {
        let Some(wish) = wish.as_ref().filter(|wish| wish.value) else {
            continue;
        };
        let title = format!("{} {what}", partition.title());
        let label = format!("the board `{}` has no root secret", board.name);
        let fault = Diagnostic::new(Rule::KeySecret, title).at(&wish.span, label);
        faults.push(fault.help(help));
    }
}
