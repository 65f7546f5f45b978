//! The rules, applied to a draft as a whole. Each module looks at one side of the table and reports all that
//! it finds; what is missing was reported when it was read, and is skipped here.

mod callers;
mod clients;
mod cores;
mod devices;
mod doubts;
mod failure;
mod framework;
mod identity;
mod images;
mod limits;
mod log;
mod means;
mod memory;
mod messages;
mod needs;
mod not_built;
mod passthrough;
mod production;
mod quiesce;
mod regions;
mod signed;
mod timer;
mod trusted;
mod windows;

use std::path::Path;

use crate::board::Board;
use crate::draft::{Draft, Partition};
use crate::reader::{Faults, list, nearest};
use crate::report::Diagnostic;
use crate::rule::Rule;
use crate::source::At;

pub use devices::can_be_owned;
pub use doubts::doubts;
pub use log::choose as choose_log;
pub use not_built::not_built;

/// Finds everything that is wrong with a draft. Without a board, what needs one is left out.
pub fn draft(table: &Path, draft: &Draft, board: Option<&Board>, faults: &mut Faults) {
    identity::check(draft, board, faults);
    clients::check(draft, faults);
    callers::check(draft, faults);
    messages::check(draft, faults);
    framework::check(draft, faults);
    limits::check(draft, faults);
    images::check(table, draft, faults);
    regions::check(draft, faults);
    signed::check(table, draft, board, faults);
    if let Some(board) = board {
        memory::check(draft, board, faults);
        windows::check(draft, board, faults);
        means::check(draft, board, faults);
        cores::check(draft, board, faults);
        devices::check(draft, board, faults);
        passthrough::check(draft, board, faults);
        quiesce::check(draft, board, faults);
        failure::check(draft, board, faults);
        timer::check(draft, board, faults);
        needs::check(draft, board, faults);
        production::check(draft, board, faults);
        trusted::check(draft, board, faults);
    }
}

/// Every pair of partitions, each once, the earlier one first.
fn pairs(draft: &Draft) -> impl Iterator<Item = (&Partition, &Partition)> {
    let all = &draft.partitions;
    all.iter()
        .enumerate()
        .flat_map(|(index, second)| all[..index].iter().map(move |first| (first, second)))
}

/// A name that the board does not have.
fn unknown(rule: Rule, what: &str, name: &At<String>, known: &[&str]) -> Diagnostic {
    let fault = Diagnostic::new(rule, format!("the board has no {what} `{}`", name.value));
    let fault = fault.at(&name.span, "this name is not known");
    match nearest(&name.value, known.iter().copied()) {
        Some(near) => fault.help(format!("did you mean `{near}`?")),
        None => fault.help(format!("the board's {what}s are: {}", list(known))),
    }
}

/// Reports names that stand twice in one list.
fn repeated(rule: Rule, what: &str, names: &[At<String>], faults: &mut Faults) {
    for (index, name) in names.iter().enumerate() {
        if let Some(first) = names[..index].iter().find(|first| first.value == name.value) {
            let fault = Diagnostic::new(rule, format!("the {what} `{}` is listed twice", name.value));
            let fault = fault.at(&name.span, "again here").at(&first.span, "first here");
            faults.push(fault.help("remove one of the two"));
        }
    }
}
