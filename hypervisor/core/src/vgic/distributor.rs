//! The distributor's registers (IHI0069, section 12.9). What is not there reads as zero and ignores writes, as do
//! accesses of a size that a register does not take.

use super::{End, SHARED, SPECIAL, Vgic, field, number};
use crate::table::Partition;

/// Bytes of the frame.
pub(super) const SIZE: u64 = 0x1_0000;

const CTLR: u64 = 0x0000;
const TYPER: u64 = 0x0004;
const IROUTER: u64 = 0x6000;
const IROUTER_END: u64 = IROUTER + 8 * SPECIAL as u64;
/// GICD_PIDR2, and GICR_PIDR2 in its frame.
pub(super) const PIDR2: u64 = 0xffe8;
/// It says: the registers of a GICv3.
pub(super) const GICV3: u32 = 0x3b;

const ENABLE_GROUP_1: u32 = 1 << 1;
/// Affinity routing is on, and there is a single Security state: both for good.
const FIXED: u32 = 1 << 4 | 1 << 6;
/// Ten bits of INTID, and no "1 of N" routing.
const TYPE: u32 = 9 << 19 | 1 << 25;

impl<const C: usize> Vgic<C> {
    /// Reads `size` bytes of the distributor, as any context.
    pub(super) fn read_distributor(&mut self, partition: &Partition, offset: u64, size: u64) -> u64 {
        match (offset, size) {
            (0x400..0x800, 1) => self.distributor_word(partition, offset).into(),
            (IROUTER..IROUTER_END, 8) => route(partition, offset),
            (IROUTER..IROUTER_END, 4) => route(partition, offset & !7) >> (offset % 8 * 8) & 0xffff_ffff,
            (_, 4) => self.distributor_word(partition, offset).into(),
            _ => 0,
        }
    }

    fn distributor_word(&mut self, partition: &Partition, offset: u64) -> u32 {
        match offset {
            CTLR => FIXED | if self.enabled { ENABLE_GROUP_1 } else { 0 },
            TYPER => TYPE | lines(partition),
            PIDR2 => GICV3,
            _ => field::at(offset).map_or(0, |at| self.read_field(partition, 0, at, shared)),
        }
    }

    /// Writes `size` bytes of the distributor, as any context.
    pub(super) fn write_distributor(
        &mut self,
        partition: &Partition,
        (offset, size): (u64, u64),
        value: u64,
        end: End<'_>,
    ) {
        let word = value as u32;
        match (offset, size) {
            (CTLR, 4) => self.enabled = word & ENABLE_GROUP_1 != 0,
            (0x400..0x800, 1) => {
                if let Some(at) = field::at(offset).filter(|(_, intid)| shared(*intid)) {
                    self.write_one(partition, 0, at, word, end);
                }
            }
            (_, 4) => {
                if let Some(at) = field::at(offset) {
                    self.write_field(partition, 0, at, word, shared, end);
                }
            }
            _ => {}
        }
    }
}

/// With affinity routing, private interrupts are the redistributors'.
fn shared(intid: u32) -> bool {
    (SHARED..SPECIAL).contains(&intid)
}

/// GICD_TYPER.ITLinesNumber: the 32s of interrupts up to the partition's last one, less one.
fn lines(partition: &Partition) -> u32 {
    let last = partition.interrupts.iter().map(|i| i.intid).max();
    last.unwrap_or(0).min(SPECIAL) / 32
}

/// GICD_IROUTER<n>: the context to which an interrupt of the partition's goes.
fn route(partition: &Partition, offset: u64) -> u64 {
    let intid = offset.saturating_sub(IROUTER) / 8;
    let own = u32::try_from(intid).ok().filter(|intid| shared(*intid));
    own.and_then(|intid| partition.place(intid))
        .and_then(|place| partition.interrupts.get(place))
        .map_or(0, |interrupt| number(partition, interrupt.core))
}
