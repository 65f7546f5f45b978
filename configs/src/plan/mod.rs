//! The plan of a system: what is where, who has what, who calls whom, and what is left.

mod diff;
mod html;
pub(crate) mod left;
mod sections;
mod text;

pub use diff::diff;
pub use html::html;
pub use text::text;

/// A part of the plan: a table with a heading.
struct Section {
    /// What it shows.
    title: &'static str,
    /// Headings of its columns.
    head: Vec<String>,
    /// Its rows; each has as many cells as there are columns.
    rows: Vec<Vec<String>>,
}

impl Section {
    fn new(title: &'static str, head: &[&str]) -> Self {
        Self {
            title,
            head: head.iter().map(|text| (*text).to_owned()).collect(),
            rows: Vec::new(),
        }
    }
}
