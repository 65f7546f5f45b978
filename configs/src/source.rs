//! Files that were read, and places in them.

use std::ops::Range;
use std::sync::Arc;

/// A file that a diagnostic can point into.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// The path as the user gave it.
    pub path: String,
    /// The whole text.
    pub text: String,
}

/// A place in a file, in bytes.
#[derive(Clone, Debug)]
pub struct Span {
    /// The file.
    pub source: Arc<Source>,
    /// The bytes of it; always within the text.
    pub bytes: Range<usize>,
}

impl Span {
    /// A place in `source`, cut to the text and to its first line, so that a caret fits under it.
    #[must_use]
    pub fn new(source: &Arc<Source>, bytes: Range<usize>) -> Self {
        let text = &source.text;
        let start = floor(text, bytes.start);
        let end = floor(text, bytes.end).max(start);
        let line_end = text[start..end].find('\n').map_or(end, |at| start + at);
        Self {
            source: Arc::clone(source),
            bytes: start..line_end,
        }
    }
}

/// The nearest character boundary at or below `at`.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// A value and the place where it was written.
#[derive(Clone, Debug)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub span: Span,
}
