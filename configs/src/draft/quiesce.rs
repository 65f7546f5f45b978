//! One entry of `quiesce`: a write to a register of a device.

use crate::language::table as keys;
use crate::reader::{Faults, Item};
use crate::source::At;

/// One entry of `quiesce`.
#[derive(Debug)]
pub struct Quiesce {
    /// `device`
    pub device: At<String>,
    /// `offset` in bytes
    pub offset: At<u64>,
    /// `value`
    pub value: At<u64>,
}

/// Reads one entry; none if something of it is missing.
pub fn read(item: Item<'_>, faults: &mut Faults) -> Option<Quiesce> {
    let mut fields = item.table(&keys::QUIESCE, faults)?;
    let device = fields.need("device", Item::string, faults);
    let offset = fields.need("offset", Item::integer, faults);
    let value = fields.need("value", Item::integer, faults);
    fields.finish(faults);
    Some(Quiesce {
        device: device?,
        offset: offset?,
        value: value?,
    })
}
