//! Bulkhead's partition tables: one TOML file is read, checked as a whole against its board, and turned
//! into every artefact that a system needs. No address, ID or UUID is typed twice.

mod board;
mod check;
mod draft;
mod emit;
mod expand;
mod footprint;
pub mod language;
mod model;
mod place;
pub mod plan;
mod preset;
mod reader;
mod report;
mod resolve;
pub mod rule;
mod source;
mod starter;
mod units;

use std::path::Path;
use std::sync::Arc;

use reader::Faults;

pub use board::boards;
pub use board::{Board, Core, Device, Firmware, Gic, Interrupt, Kind, Memory, Owner, Secret, TEST_SECRET};
pub use draft::{Action, Delivery, Failure, Message, Power, Profile, Rights, Signer, Tee};
pub use emit::signed;
pub use emit::{Artefact, Images, Story, emit, mk_args, picture, story};
pub use expand::expand;
pub use model::{
    Caller, Client, Image, Machine, OnFailure, Origin, Partition, Preemption, Quotas, Range, Region, SPMC_ID,
    Signed, System,
};
pub use report::{Diagnostic, Mark, Report, Severity};
pub use rule::Rule;
pub use source::{Source, Span};
pub use starter::{Starter, Wish, start};
pub use units::{hex, show_range, show_size};

/// Reads and checks a table.
///
/// # Errors
/// Everything that is wrong with the table, its board or the image files that it names.
pub fn load(table: &Path) -> Result<System, Report> {
    let mut faults = Vec::new();
    let source = reader::read_source(table, &mut faults);
    let system = source.and_then(|source| understand(table, &source, None, &mut faults));
    conclude(table, system, faults)
}

/// Checks a table's text as if it stood in the file `table`, which need not exist.
///
/// # Errors
/// As [`load`].
pub fn load_text(table: &Path, text: &str) -> Result<System, Report> {
    load_bytes(table, &table.display().to_string(), text.as_bytes(), None)
}

/// Checks a table's bytes as if they stood in the file `table`, which is called `shown` in messages. The text of the
/// board's file can be given too; then no file of a board is read.
///
/// # Errors
/// As [`load`].
pub fn load_bytes(table: &Path, shown: &str, bytes: &[u8], board: Option<&str>) -> Result<System, Report> {
    let mut faults = Vec::new();
    let source = reader::decode(shown, Ok(bytes.to_vec()), &mut faults);
    let system = source.and_then(|source| understand(table, &source, board, &mut faults));
    conclude(table, system, faults)
}

/// Reads the board that a table at `table` would name so.
///
/// # Errors
/// That there is no such board, or what is wrong with its description.
pub fn board(table: &Path, name: &str) -> Result<Board, Report> {
    let mut faults = Vec::new();
    let source = Arc::new(Source {
        path: "board".to_owned(),
        text: name.to_owned(),
    });
    let name = source::At {
        value: name.to_owned(),
        span: Span::new(&source, 0..name.len()),
    };
    let board = board::find(table, &name, None, &mut faults);
    match (board, Report::of(faults)) {
        (Some(board), None) => Ok(board),
        (_, Some(report)) => Err(report),
        (None, None) => Err(Report {
            diagnostics: vec![incomplete(table)],
            more: 0,
        }),
    }
}

fn understand(
    table: &Path,
    source: &Arc<Source>,
    board: Option<&str>,
    faults: &mut Faults,
) -> Option<System> {
    let mut draft = draft::read(reader::parse(source, &language::FILE, faults)?, faults);
    let mut board = draft
        .board
        .as_ref()
        .and_then(|name| board::find(table, name, board, faults));
    if let Some(board) = &mut board {
        check::choose_log(&draft, board, faults);
    }
    if let Some(board) = &board {
        place::place(&mut draft, board, faults);
    }
    check::draft(table, &draft, board.as_ref(), faults);
    if !faults.is_empty() {
        return None;
    }
    let not_built = check::not_built(&draft, board.as_ref()?);
    let doubts = check::doubts(&draft, board.as_ref()?);
    let system = resolve::system(table, &draft, board?)?;
    Some(System {
        not_built,
        doubts,
        ..system
    })
}

fn conclude(table: &Path, system: Option<System>, faults: Faults) -> Result<System, Report> {
    match (Report::of(faults), system) {
        (None, Some(system)) => Ok(system),
        (Some(report), _) => Err(report),
        (None, None) => Err(Report {
            diagnostics: vec![incomplete(table)],
            more: 0,
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
