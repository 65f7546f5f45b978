//! Where a board is described.

use std::path::{Path, PathBuf};

use super::{Board, read};
use crate::reader::{self, Faults, list, nearest};
use crate::report::Diagnostic;
use crate::rule::Rule;
use crate::source::At;

/// Finds the folder `boards`: above the table, else in the repository that this crate was built from.
fn boards_folder(table: &Path) -> PathBuf {
    let table = std::path::absolute(table).unwrap_or_else(|_| table.to_owned());
    let above = table
        .ancestors()
        .map(|folder| folder.join("boards"))
        .find(|folder| folder.is_dir());
    above.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../boards"))
}

/// Reads the board that a table names. Its place in messages is where the table names it.
pub fn find(table: &Path, name: &At<String>, faults: &mut Faults) -> Option<Board> {
    let folder = boards_folder(table);
    let path = folder.join(&name.value).join("board.toml");
    let here = std::env::current_dir().unwrap_or_default();
    let path = path.strip_prefix(&here).unwrap_or(&path);
    if !path.is_file() {
        let boards = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        let mut names: Vec<String> = boards
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        let fault = Diagnostic::new(Rule::UnknownBoard, format!("there is no board `{}`", name.value));
        let fault = fault.at(&name.span, "this board has no folder");
        faults.push(match nearest(&name.value, names.iter().map(String::as_str)) {
            Some(near) => fault.help(format!("did you mean `{near}`?")),
            None => fault.help(format!("the boards are: {}", list(&names))),
        });
        return None;
    }
    let mut own = Faults::new();
    let board = reader::read_source(path, &mut own).and_then(|source| {
        let fields = reader::parse(&source, &mut own)?;
        read::board(fields, &mut own)
    });
    let good = own.is_empty();
    faults.append(&mut own);
    board.filter(|_| good)
}
