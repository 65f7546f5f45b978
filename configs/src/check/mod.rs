//! The rules, applied to a draft as a whole.

use std::path::Path;

use crate::board::Board;
use crate::draft::Draft;
use crate::reader::Faults;

/// Finds everything that is wrong with a draft.
pub fn draft(_table: &Path, _draft: &Draft, _board: Option<&Board>, _faults: &mut Faults) {}
