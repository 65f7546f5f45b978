//! Typed access to parsed TOML: every value keeps its place, and every fault is collected.

mod item;

use std::path::Path;
use std::sync::Arc;

use toml::de::DeTable;

use crate::language::Table;
use crate::report::Diagnostic;
use crate::rule::Rule;
use crate::source::{Source, Span};

pub use item::Item;

/// The largest table that is read, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// What is wrong so far.
pub type Faults = Vec<Diagnostic>;

/// Reads a file as text, or says why that cannot be.
pub fn read_source(path: &Path, faults: &mut Faults) -> Option<Arc<Source>> {
    let bytes = match std::fs::metadata(path).map(|meta| meta.len()) {
        Ok(length) if length > MAX_BYTES => Err(format!("it has {length} bytes")),
        Ok(_) => std::fs::read(path).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    decode(&path.display().to_string(), bytes, faults)
}

/// The text of a file that was read, or not.
pub fn decode(shown: &str, bytes: Result<Vec<u8>, String>, faults: &mut Faults) -> Option<Arc<Source>> {
    let limit = usize::try_from(MAX_BYTES).unwrap_or(usize::MAX);
    let bytes = bytes.and_then(|bytes| {
        if bytes.len() > limit {
            return Err(format!("it has {} bytes", bytes.len()));
        }
        String::from_utf8(bytes).map_err(|error| error.to_string())
    });
    match bytes {
        Ok(text) => Some(Arc::new(Source {
            path: shown.to_owned(),
            text,
        })),
        Err(why) => {
            let title = format!("cannot read `{shown}`: {why}");
            faults.push(
                Diagnostic::new(Rule::Unreadable, title)
                    .help("give the path of a UTF-8 file of at most 1 MiB"),
            );
            None
        }
    }
}

/// Parses a file's text into its top table.
pub fn parse<'i>(source: &'i Arc<Source>, what: &'static Table, faults: &mut Faults) -> Option<Fields<'i>> {
    let (table, errors) = DeTable::parse_recoverable(&source.text);
    for error in &errors {
        let span = Span::new(source, error.span().unwrap_or(0..0));
        let title = format!(
            "the table is not TOML: {}",
            error.message().lines().next().unwrap_or_default()
        );
        faults.push(Diagnostic::new(Rule::Syntax, title).at(&span, "here"));
    }
    let start = Span::new(source, 0..0);
    errors
        .is_empty()
        .then(|| Fields::new(source, what, start, table.into_inner()))
}

/// A TOML table whose keys are taken one by one; what is left at the end is unknown.
pub struct Fields<'i> {
    what: String,
    /// Where the table starts.
    pub span: Span,
    left: Vec<(String, Span, Item<'i>)>,
    language: &'static Table,
    /// The keys that were asked for, to find those that nobody reads.
    asked: Vec<&'static str>,
}

impl<'i> Fields<'i> {
    fn new(source: &'i Arc<Source>, language: &'static Table, span: Span, table: DeTable<'i>) -> Self {
        let left = table.into_iter().map(|(key, value)| {
            let place = Span::new(source, key.span());
            let name = key.into_inner().into_owned();
            let item = Item::new(source, &name, value);
            (name, place, item)
        });
        Self {
            what: language.title.to_owned(),
            span,
            left: left.collect(),
            language,
            asked: Vec::new(),
        }
    }

    /// Names the table in messages, as in "partition `vendor-a`".
    pub fn call(&mut self, what: String) {
        self.what = what;
    }

    /// Whether a key is there.
    pub fn has(&self, key: &str) -> bool {
        self.left.iter().any(|(name, ..)| name == key)
    }

    /// Takes a key that need not be there.
    pub fn optional(&mut self, key: &'static str) -> Option<Item<'i>> {
        debug_assert!(
            self.language.keys.iter().any(|known| known.name == key),
            "the language has no key `{key}` in {}",
            self.language.title
        );
        self.asked.push(key);
        let at = self.left.iter().position(|(name, ..)| name == key)?;
        let item = self.left.remove(at).2;
        let known = self.language.keys.iter().find(|known| known.name == key);
        Some(match known {
            Some(known) => item.of_form(&known.form),
            None => item,
        })
    }

    /// Takes a key that must be there.
    pub fn required(&mut self, key: &'static str, faults: &mut Faults) -> Option<Item<'i>> {
        let item = self.optional(key);
        if item.is_none() {
            let title = format!("{} has no `{key}`", self.what);
            let fault = Diagnostic::new(Rule::MissingKey, title);
            let fault = fault.at(&self.span, format!("`{key}` is missing here"));
            let known = self.language.keys.iter().find(|known| known.name == key);
            let says = known.map_or("", |known| known.doc).trim_end_matches('.');
            faults.push(fault.help(format!("add `{key} = …`: {says}")));
        }
        item
    }

    /// Takes and reads a key that must be there.
    pub fn need<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Item<'i>, &mut Faults) -> Option<T>,
        faults: &mut Faults,
    ) -> Option<T> {
        let item = self.required(key, faults)?;
        read(&item, faults)
    }

    /// Takes and reads a key that need not be there.
    pub fn may<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Item<'i>, &mut Faults) -> Option<T>,
        faults: &mut Faults,
    ) -> Option<T> {
        let item = self.optional(key)?;
        read(&item, faults)
    }

    /// Refuses whatever was not taken.
    pub fn finish(self, faults: &mut Faults) {
        let known = self.language.names();
        debug_assert!(
            known.iter().all(|key| self.asked.contains(key)),
            "a key of {} is never read",
            self.language.title
        );
        for (name, span, _) in &self.left {
            let fault = Diagnostic::new(Rule::UnknownKey, format!("{} has no key `{name}`", self.what));
            let fault = fault.at(span, "this key is not known");
            faults.push(match nearest(name, known.iter().copied()) {
                Some(near) => fault.help(format!("did you mean `{near}`?")),
                None => fault.help(format!("the keys are: {}", list(&known))),
            });
        }
    }
}

/// The one name near enough to `word` to be meant; none if there are several.
pub fn nearest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // Words of the language and names are in small letters, with dashes.
    let word = word.to_ascii_lowercase().replace('_', "-");
    let scored = names.map(|name| (strsim::osa_distance(&word, name), name));
    let mut near: Vec<_> = scored
        .filter(|(distance, name)| *distance <= name.len().max(3) / 3)
        .collect();
    near.sort_unstable();
    match near.as_slice() {
        [(_, name)] => Some(name),
        [(best, name), (next, _), ..] if best < next => Some(name),
        _ => None,
    }
}

/// Names for a help text, quoted and separated by commas.
pub fn list<S: AsRef<str>>(names: &[S]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{}`", name.as_ref())).collect();
    if quoted.is_empty() {
        "(none)".to_owned()
    } else {
        quoted.join(", ")
    }
}
