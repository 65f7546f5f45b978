//! Where a board is described.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Board, read};
use crate::language::BOARD;
use crate::reader::{self, Faults, list, nearest};
use crate::report::Diagnostic;
use crate::rule::Rule;
use crate::source::{At, Source};

/// Finds the folder `boards`: above the table, else in the repository that this crate was built from.
fn boards_folder(table: &Path) -> PathBuf {
    let table = std::path::absolute(table).unwrap_or_else(|_| table.to_owned());
    let above = table
        .ancestors()
        .map(|folder| folder.join("boards"))
        .find(|folder| folder.is_dir());
    above.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../boards"))
}

/// Names of the boards that a table can name, in order.
#[must_use]
pub fn boards(table: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(boards_folder(table))
        .into_iter()
        .flatten()
        .flatten();
    let mut names: Vec<String> = entries
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Reads the board that a table names; `given` takes the place of its file. Its place in messages is where the table names it.
pub fn find(table: &Path, name: &At<String>, given: Option<&str>, faults: &mut Faults) -> Option<Board> {
    let folder = boards_folder(table);
    let path = folder.join(&name.value).join("board.toml");
    let here = std::env::current_dir().unwrap_or_default();
    let path = path.strip_prefix(&here).unwrap_or(&path);
    if let Some(text) = given {
        let path = "board.toml".to_owned();
        let text = text.to_owned();
        return read(&Arc::new(Source { path, text }), faults);
    }
    if !path.is_file() {
        let names = boards(table);
        let fault = Diagnostic::new(Rule::UnknownBoard, format!("there is no board `{}`", name.value));
        let fault = fault.at(&name.span, "this board has no folder");
        faults.push(match nearest(&name.value, names.iter().map(String::as_str)) {
            Some(near) => fault.help(format!("did you mean `{near}`?")),
            None => fault.help(format!("the boards are: {}", list(&names))),
        });
        return None;
    }
    read(&reader::read_source(path, faults)?, faults)
}

/// The board that a file describes, if nothing is wrong with it.
fn read(source: &Arc<Source>, faults: &mut Faults) -> Option<Board> {
    let mut own = Faults::new();
    let board = reader::parse(source, &BOARD, &mut own).and_then(|fields| read::board(fields, &mut own));
    let good = own.is_empty();
    faults.append(&mut own);
    board.filter(|_| good)
}
