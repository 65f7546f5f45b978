//! The conformance page of the book: made of the cases as they ran and of the rows that the tests of the
//! hypervisor's core hold against its dispatcher.

use super::tally::Tally;
use crate::paths::{Paths, read, write};
use crate::run::events::{Case, CaseKind};
use anyhow::Result;
use bulkhead_core::function;

#[path = "../../../hypervisor/core/src/tests/conformance.rs"]
#[allow(dead_code)] // The tests of the core look at more of a row.
pub mod conformance;
#[path = "../../../hypervisor/core/src/tests/conformance_page.rs"]
#[allow(dead_code)] // The tests of the core read cases back from a page.
mod conformance_page;

/// The name of a call of FF-A, by its function ID.
pub fn name_of_call(id: u32) -> Option<&'static str> {
    let mut rows = conformance::ROWS.iter().flat_map(|(_, rows)| rows.iter());
    rows.find(|row| row.ids.contains(&id)).map(|row| row.name)
}

/// Compares the page with the cases that ran, or writes it anew.
pub fn check(paths: &Paths, ran: &[Case], bless: bool, tally: &mut Tally) -> Result<()> {
    let cases: Vec<_> = ran.iter().filter_map(of_ffa).collect();
    for fault in conformance_page::faults(&cases) {
        tally.note("the cases of FF-A", false, &fault);
    }
    let path = paths.root.join("docs/conformance.md");
    let page = conformance_page::page(&cases);
    if bless {
        write(&path, page.as_bytes())?;
    }
    let same = read(&path).is_ok_and(|found| found == page.as_bytes());
    let detail = if same {
        ""
    } else {
        "docs/conformance.md does not list the cases that ran: `cargo xtask test --ffa --bless` writes it anew"
    };
    tally.note("the conformance page", same, detail);
    Ok(())
}

/// A case of FF-A; none for one of isolation.
fn of_ffa(case: &Case) -> Option<conformance_page::Case> {
    let wrong = match case.kind {
        CaseKind::Right => false,
        CaseKind::Wrong => true,
        CaseKind::Isolation => return None,
    };
    Some(conformance_page::Case {
        name: case.name.clone(),
        wrong,
        clause: case.clause.clone(),
        calls: case.calls.clone(),
    })
}
