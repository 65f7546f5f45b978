//! The failures of a run: its file of them, and what is shown while it goes on.

use super::{Programs, Records};
use crate::run::decoder::Record;
use anyhow::{Context, Result};
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// What is known of failures, as they come: in a file of the run's folder, and shown.
pub struct Failures<'a> {
    records: Records<'a>,
    file: File,
}

impl<'a> Failures<'a> {
    /// A run's, whose logs go to this folder.
    pub fn new(programs: &'a Programs, folder: &Path) -> Result<Self> {
        let file = File::create(folder.join("failures.log")).context("failures cannot be written")?;
        Ok(Self {
            records: Records::new(programs),
            file,
        })
    }

    /// Takes a line of the log; the whole failure is shown where it was the last line of one.
    pub fn take(&mut self, record: &Record, show: bool) {
        let Some(failure) = self.records.take(record.level(), record.message()) else {
            return;
        };
        let _ = writeln!(self.file, "{} {failure}", record.time());
        if show {
            eprintln!("{}", failure.trim_end());
        }
    }
}
