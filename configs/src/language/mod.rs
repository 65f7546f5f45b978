//! The language as data: which tables there are, which keys each one has, and what a value looks like.
//!
//! The reader takes keys by these descriptions, and the schema for editors and the reference are made from
//! them, so that none of the three can know a key that another one does not.

pub(crate) mod board;
mod reference;
mod schema;
pub(crate) mod table;

pub use board::BOARD;
pub use reference::reference;
pub use schema::schema;
pub use table::FILE;

/// A TOML table of the language.
#[derive(Debug)]
pub struct Table {
    /// What it is called in messages, as in "`[system]`".
    pub title: &'static str,
    /// What it says, in a sentence.
    pub doc: &'static str,
    /// Its keys.
    pub keys: &'static [Key],
}

/// A key of a table.
#[derive(Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What its value looks like.
    pub form: Form,
    /// What it says, in a sentence.
    pub doc: &'static str,
    /// What holds without it; `None` where it has to be there.
    pub default: Option<&'static str>,
}

/// What a value looks like.
#[derive(Debug)]
pub enum Form {
    /// 1 to 31 of the characters a to z, 0 to 9 and `-`, starting with a letter.
    Name,
    /// Any string.
    Text,
    /// An integer within these bounds, both inclusive.
    Integer(u64, u64),
    /// An integer of at most 64 bits that is an address.
    Address,
    /// A number with B, KiB, MiB or GiB, or an integer in bytes.
    Size,
    /// A number with us, ms or s.
    Duration,
    /// A UUID in its canonical form.
    Uuid,
    /// 64 hexadecimal digits.
    Digest,
    /// True or false.
    Flag,
    /// One of a few words.
    Words(fn() -> Vec<&'static str>),
    /// An array of such values.
    Each(&'static Form),
    /// A table.
    Table(&'static Table),
    /// One of several forms.
    Any(&'static [Form]),
}

impl Key {
    const fn required(name: &'static str, form: Form, doc: &'static str) -> Self {
        Self {
            name,
            form,
            doc,
            default: None,
        }
    }

    const fn optional(name: &'static str, form: Form, default: &'static str, doc: &'static str) -> Self {
        Self {
            name,
            form,
            doc,
            default: Some(default),
        }
    }
}

impl Table {
    /// Names of all keys.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        self.keys.iter().map(|key| key.name).collect()
    }
}

/// The words of a list of words with their meanings.
pub(crate) fn words<T>(list: &[(&'static str, T)]) -> Vec<&'static str> {
    list.iter().map(|(word, _)| *word).collect()
}
