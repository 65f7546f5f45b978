//! One entry of `callers`: a name, or a table that says what the caller may do.

use super::{KINDS, Message};
use crate::language::table as keys;
use crate::reader::{Faults, Item};
use crate::source::At;

/// One entry of `callers`.
#[derive(Debug)]
pub struct Caller {
    /// `from`, or the entry itself where that is a name.
    pub from: At<String>,
    /// `messages`, and where they stand.
    pub messages: Option<At<Vec<At<Message>>>>,
    /// `pages`
    pub pages: Option<At<u64>>,
}

/// Reads one entry; none if it does not say whom it is about.
pub fn read(item: Item<'_>, faults: &mut Faults) -> Option<Caller> {
    if !item.is_table() {
        let from = item.string(faults)?;
        return Some(Caller {
            from,
            messages: None,
            pages: None,
        });
    }
    let mut fields = item.table(&keys::CALLER, faults)?;
    let from = fields.need("from", Item::string, faults);
    let messages = fields
        .optional("messages")
        .and_then(|item| item.each(faults, |item, faults| item.word(KINDS, faults)));
    let pages = fields.may("pages", Item::integer, faults);
    fields.finish(faults);
    Some(Caller {
        from: from?,
        messages,
        pages,
    })
}
