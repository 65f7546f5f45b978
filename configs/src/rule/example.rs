//! What breaks each rule, and its good neighbour: for `explain`, for the book, and for the tests.

use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::Rule;
use crate::emit::{Images, emit};
use crate::report::{Report, Severity};

/// The good table that examples change.
const TABLE: &str = include_str!("../../tests/rules/good.toml");
/// The board that examples change.
const BOARD: &str = include_str!("../../../boards/qemu-virt/board.toml");
/// All examples.
const EXAMPLES: &str = include_str!("examples.toml");
/// Where examples stand, so that the files that they name are found.
const PLACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/rules/table.toml");
/// The folder of [`PLACE`], which messages do not tell: it is another one on each machine.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/rules/");

/// Texts that are replaced by others.
type Changes = Vec<(String, String)>;

/// An example of a rule.
#[derive(Debug, Default)]
pub struct Example {
    /// What stands in the bad one.
    pub before: String,
    /// What stands in its good neighbour.
    pub after: String,
    /// Whether that is in the board's file.
    pub of_board: bool,
    line: String,
    whole: bool,
    latin1: bool,
    setup: Changes,
    after_setup: Changes,
    board: Changes,
    images: Option<Images>,
    images_after: Option<Images>,
}

/// A rule's example with what is said about it.
#[derive(Debug)]
pub struct Explained {
    /// The example.
    pub example: Example,
    /// What is said about the bad one.
    pub message: String,
    /// What is said about the good one; empty as long as the rules are right.
    pub neighbour: String,
}

impl Example {
    /// The example of a rule.
    #[must_use]
    pub fn of(rule: Rule) -> Option<Self> {
        let file = DeTable::parse(EXAMPLES).ok()?.into_inner();
        let DeValue::Table(table) = file.get(rule.code())?.get_ref() else {
            return None;
        };
        let text = |key: &str| match table.get(key).map(toml::Spanned::get_ref) {
            Some(DeValue::String(text)) => text.trim_start_matches('\n').to_owned(),
            _ => String::new(),
        };
        let flag = |key: &str| {
            matches!(
                table.get(key).map(toml::Spanned::get_ref),
                Some(DeValue::Boolean(true))
            )
        };
        Some(Self {
            before: text("before"),
            after: text("after"),
            of_board: text("of") == "board",
            line: text("line"),
            whole: flag("whole"),
            latin1: flag("latin1"),
            setup: changes(table, "setup"),
            after_setup: changes(table, "after-setup"),
            board: changes(table, "board"),
            images: images(table, "images"),
            images_after: images(table, "images-after"),
        })
    }

    /// Sizes of the images that are handed in for the bad one, where some are.
    #[must_use]
    pub fn images(&self) -> Vec<(&str, usize)> {
        let images = self.images.iter().flatten();
        images.map(|(name, image)| (name.as_str(), image.len())).collect()
    }

    /// Whether the two differ in their images alone.
    #[must_use]
    pub fn is_about_images(&self) -> bool {
        self.before == self.after
    }

    fn report(
        &self,
        text: &str,
        images: Option<&Images>,
        setup: &[&Changes],
        latin1: bool,
    ) -> Option<(Report, Severity)> {
        let change = |base: &str, changes: &Changes| {
            changes
                .iter()
                .fold(base.to_owned(), |text, (from, to)| text.replacen(from, to, 1))
        };
        let set_up = setup
            .iter()
            .fold(TABLE.to_owned(), |text, changes| change(&text, changes));
        let board = change(BOARD, &self.board);
        let (table, board) = match (self.whole, self.of_board) {
            (true, _) => (text.to_owned(), board),
            (false, true) => (set_up, board.replacen(&self.line, text, 1)),
            (false, false) => (set_up.replacen(&self.line, text, 1), board),
        };
        let bytes = if latin1 {
            // The example has no character above U+00FF.
            table
                .chars()
                .map(|character| u32::from(character).to_le_bytes()[0])
                .collect()
        } else {
            table.into_bytes()
        };
        let board = (self.of_board || !self.board.is_empty()).then_some(board.as_str());
        let system = match crate::load_bytes(Path::new(PLACE), "table.toml", &bytes, board) {
            Ok(system) => system,
            Err(report) => return Some((report, Severity::Error)),
        };
        let refused = images.and_then(|images| emit(&system, images).err());
        refused.map(|report| (report, Severity::Error)).or_else(|| {
            // What is not built yet is an error where it is built, and not what these examples are about.
            let doubts = Report::of(system.doubts.clone())?;
            Some((doubts, Severity::Warning))
        })
    }

    /// What is said about the bad one.
    #[must_use]
    pub fn fault(&self) -> Option<(Report, Severity)> {
        self.report(&self.before, self.images.as_ref(), &[&self.setup], self.latin1)
    }

    /// What is said about its good neighbour: nothing, as long as the rules are right.
    #[must_use]
    pub fn neighbour(&self) -> Option<(Report, Severity)> {
        let images = self.images_after.as_ref().or(self.images.as_ref());
        self.report(&self.after, images, &[&self.setup, &self.after_setup], false)
    }
}

/// The example of a rule with what is said about it.
#[must_use]
pub fn explain(rule: Rule) -> Option<Explained> {
    let example = Example::of(rule)?;
    let show = |said: Option<(Report, Severity)>| {
        said.map_or_else(String::new, |(report, severity)| {
            format!("{}\n", report.show(severity, false)).replace(FOLDER, "")
        })
    };
    Some(Explained {
        message: show(example.fault()),
        neighbour: show(example.neighbour()),
        example,
    })
}

fn changes(table: &DeTable<'_>, key: &str) -> Changes {
    let Some(DeValue::Array(pairs)) = table.get(key).map(toml::Spanned::get_ref) else {
        return Changes::new();
    };
    let text = |value: &DeValue<'_>| match value {
        DeValue::String(text) => text.trim_start_matches('\n').to_owned(),
        _ => String::new(),
    };
    let pairs = pairs.iter().filter_map(|pair| match pair.get_ref() {
        DeValue::Array(pair) => Some((text(pair.first()?.get_ref()), text(pair.get(1)?.get_ref()))),
        _ => None,
    });
    pairs.collect()
}

/// Images of zeros, by name.
fn images(table: &DeTable<'_>, key: &str) -> Option<Images> {
    let DeValue::Table(sizes) = table.get(key)?.get_ref() else {
        return None;
    };
    let images = sizes.iter().map(|(name, size)| {
        let size = match size.get_ref() {
            DeValue::Integer(size) => size.as_str().parse().unwrap_or(0),
            _ => 0,
        };
        (name.get_ref().to_string(), vec![0; size])
    });
    Some(images.collect())
}
