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

impl Span {
    /// Line and column of its first character, both from 1.
    #[must_use]
    pub fn start(&self) -> (usize, usize) {
        self.place(self.bytes.start)
    }

    /// Line and column behind its last character.
    #[must_use]
    pub fn end(&self) -> (usize, usize) {
        self.place(self.bytes.end)
    }

    fn place(&self, at: usize) -> (usize, usize) {
        let before = &self.source.text[..at];
        let line = before.rfind('\n').map_or(0, |newline| newline + 1);
        let lines = before.bytes().filter(|byte| *byte == b'\n').count();
        (lines + 1, before[line..].chars().count() + 1)
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

impl<T> At<T> {
    /// Another value of the same place.
    pub fn with<U>(&self, value: U) -> At<U> {
        At {
            value,
            span: self.span.clone(),
        }
    }
}
