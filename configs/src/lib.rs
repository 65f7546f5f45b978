//! Bulkhead's partition tables: one TOML file is read, checked as a whole against its board, and turned
//! into every artefact that a system needs. No address, ID or UUID is typed twice.

mod board;
mod check;
mod draft;
mod emit;
mod model;
mod preset;
mod reader;
mod report;
mod resolve;
mod rule;
mod source;
mod units;

use std::path::Path;
use std::sync::Arc;

use reader::Faults;

pub use board::{Board, Core, Device, Firmware, Gic, Interrupt, Kind, Memory, Owner};
pub use draft::Tee;
pub use emit::{Artefact, Images, emit, mk_args, picture};
pub use model::{Client, Image, Origin, Partition, Preemption, Range, Region, SPMC_ID, System};
pub use report::{Diagnostic, Mark, Report};
pub use rule::Rule;
pub use source::{Source, Span};
pub use units::{hex, show_range, show_size};

/// Reads and checks a table.
///
/// # Errors
/// Everything that is wrong with the table, its board or the image files that it names.
pub fn load(table: &Path) -> Result<System, Report> {
    let mut faults = Vec::new();
    let source = reader::read_source(table, &mut faults);
    let system = source.and_then(|source| understand(table, &source, &mut faults));
    conclude(table, system, faults)
}

/// Checks a table's text as if it stood in the file `table`, which need not exist.
///
/// # Errors
/// As [`load`].
pub fn load_text(table: &Path, text: &str) -> Result<System, Report> {
    let mut faults = Vec::new();
    let source = Arc::new(Source {
        path: table.display().to_string(),
        text: text.to_owned(),
    });
    let system = understand(table, &source, &mut faults);
    conclude(table, system, faults)
}

fn understand(table: &Path, source: &Arc<Source>, faults: &mut Faults) -> Option<System> {
    let draft = draft::read(reader::parse(source, faults)?, faults);
    let board = draft
        .board
        .as_ref()
        .and_then(|name| board::find(table, name, faults));
    check::draft(table, &draft, board.as_ref(), faults);
    faults
        .is_empty()
        .then(|| resolve::system(table, &draft, board?))
        .flatten()
}

fn conclude(table: &Path, system: Option<System>, faults: Faults) -> Result<System, Report> {
    match (Report::of(faults), system) {
        (None, Some(system)) => Ok(system),
        (Some(report), _) => Err(report),
        (None, None) => Err(Report {
            diagnostics: vec![incomplete(table)],
        }),
    }
}

/// A table that neither can be used nor has a fault would be a gap in the rules; it is still refused.
fn incomplete(table: &Path) -> Diagnostic {
    let title = format!(
        "`{}` cannot be turned into a system, and no rule says why",
        table.display()
    );
    Diagnostic::new(Rule::Syntax, title).help("please report this table as a bug")
}
