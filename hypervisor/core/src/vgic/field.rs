//! Registers of one bit, two or a byte for each interrupt, which the distributor and the redistributors have at
//! the same offsets (IHI0069, sections 12.9 and 12.11).

use super::{End, Vgic, bit, core_of};
use crate::table::{Core, Partition};

/// What such a register holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Group,
    SetEnable,
    ClearEnable,
    SetPending,
    ClearPending,
    SetActive,
    ClearActive,
    Priority,
    Trigger,
}

/// The field at an offset, and the first interrupt there. The offset is that of a word, or of a byte of
/// priorities.
pub(super) fn at(offset: u64) -> Option<(Field, u32)> {
    let offset = u32::try_from(offset).ok()?;
    let (field, base) = match offset {
        0x080..0x100 => (Field::Group, 0x080),
        0x100..0x180 => (Field::SetEnable, 0x100),
        0x180..0x200 => (Field::ClearEnable, 0x180),
        0x200..0x280 => (Field::SetPending, 0x200),
        0x280..0x300 => (Field::ClearPending, 0x280),
        0x300..0x380 => (Field::SetActive, 0x300),
        0x380..0x400 => (Field::ClearActive, 0x380),
        0x400..0x800 => return Some((Field::Priority, offset - 0x400)),
        0xc00..0xd00 => return Some((Field::Trigger, ((offset - 0xc00) / 4).saturating_mul(16))),
        _ => return None,
    };
    Some((field, ((offset - base) / 4).saturating_mul(32)))
}

/// Bits of a register that an interrupt of a field has, and the interrupts of a word.
const fn width(field: Field) -> (u32, u32) {
    match field {
        Field::Priority => (8, 4),
        Field::Trigger => (2, 16),
        _ => (1, 32),
    }
}

impl<const C: usize> Vgic<C> {
    /// Reads a word of interrupts from `first` on, those that the frame has.
    pub(super) fn read_field(
        &mut self,
        partition: &Partition,
        home: Core,
        (field, first): (Field, u32),
        has: impl Fn(u32) -> bool,
    ) -> u32 {
        let (width, count) = width(field);
        let (mut word, mut place) = (0, 0u32);
        for n in 0..count {
            let intid = first.saturating_add(n);
            if has(intid) {
                let part = self.read_one(partition, home, field, intid);
                word |= part.checked_shl(place).unwrap_or(0);
            }
            place = place.saturating_add(width);
        }
        word
    }

    fn read_one(&mut self, partition: &Partition, home: Core, field: Field, intid: u32) -> u32 {
        let Some((bank, bit)) = self.find(partition, home, intid) else {
            return 0;
        };
        let word = match field {
            Field::Group => return 1,
            Field::Priority => return u32::from(bank.priority(bit.trailing_zeros())),
            Field::Trigger => return u32::from(is_edge(partition, intid)) << 1,
            Field::SetEnable | Field::ClearEnable => bank.enabled,
            Field::SetPending | Field::ClearPending => bank.pending | bank.level,
            Field::SetActive | Field::ClearActive => bank.active,
        };
        u32::from(word & bit != 0)
    }

    /// Writes a word of interrupts from `first` on, those that the frame has.
    pub(super) fn write_field(
        &mut self,
        partition: &Partition,
        home: Core,
        (field, first): (Field, u32),
        value: u32,
        has: impl Fn(u32) -> bool,
        end: End<'_>,
    ) {
        let (width, count) = width(field);
        let mut rest = value;
        for n in 0..count {
            let intid = first.saturating_add(n);
            let part = rest & (bit(width).wrapping_sub(1));
            rest = rest.checked_shr(width).unwrap_or(0);
            if has(intid) && (part != 0 || field == Field::Priority) {
                self.write_one(partition, home, (field, intid), part, end);
            }
        }
    }

    /// Writes what one interrupt has in a field: a byte of priority, or a one of anything else.
    pub(super) fn write_one(
        &mut self,
        partition: &Partition,
        home: Core,
        (field, intid): (Field, u32),
        value: u32,
        end: End<'_>,
    ) {
        let edge = is_edge(partition, intid);
        let core = core_of(partition, home, intid);
        if field == Field::ClearActive {
            return self.deactivate(partition, home, intid, end);
        }
        let Some((bank, bit)) = self.find(partition, home, intid) else {
            return;
        };
        let mut drop_pending = false;
        match field {
            Field::Priority => bank.set_priority(bit.trailing_zeros(), value as u8),
            Field::SetEnable => {
                // What a level's line was before it was unmasked says nothing: it is asked again.
                drop_pending = !edge && bank.enabled & bit == 0 && bank.behind & bit != 0;
                bank.enabled |= bit;
            }
            Field::ClearEnable => bank.enabled &= !bit,
            Field::SetPending => bank.pending |= bit,
            Field::ClearPending => drop_pending = true,
            Field::SetActive => bank.active |= bit,
            // The table's, and the view's.
            Field::Trigger | Field::Group | Field::ClearActive => {}
        }
        if drop_pending {
            bank.pending &= !bit;
            if bank.behind & !bank.active & bit != 0 {
                bank.behind &= !bit;
                end(intid, core);
            }
        }
    }
}

/// Whether an interrupt is an edge: SGIs are, timers are not, others are as the table says.
fn is_edge(partition: &Partition, intid: u32) -> bool {
    let own = partition
        .place(intid)
        .and_then(|place| partition.interrupts.get(place));
    own.map_or(intid < super::SGIS, |interrupt| interrupt.edge)
}
