//! The redistributors' registers (IHI0069, sections 12.10 and 12.11): one frame pair for each context, in the
//! order of their numbers.

use super::distributor::{GICV3, PIDR2};
use super::{End, SHARED, Vgic, field};
use crate::table::{Core, Partition};

/// Bytes of a context's two frames.
pub(super) const SIZE: u64 = 0x2_0000;
/// Where the second one starts, with SGIs and PPIs.
const SGI_FRAME: u64 = 0x1_0000;

const TYPER: u64 = 0x0008;
const WAKER: u64 = 0x0014;
const LAST: u64 = 1 << 4;
const PROCESSOR_SLEEP: u32 = 1 << 1;
const CHILDREN_ASLEEP: u32 = 1 << 2;

/// The context whose frames hold this offset from the first ones, its number, and the offset in its own.
fn context(partition: &Partition, offset: u64) -> Option<(Core, u64, u64)> {
    let number = offset / SIZE;
    let home = partition.homes().nth(usize::try_from(number).ok()?)?;
    Some((home, number, offset % SIZE))
}

fn private(intid: u32) -> bool {
    intid < SHARED
}

impl<const C: usize> Vgic<C> {
    /// Reads `size` bytes of the redistributors.
    pub(super) fn read_redistributor(&mut self, partition: &Partition, offset: u64, size: u64) -> u64 {
        let Some((home, number, offset)) = context(partition, offset) else {
            return 0;
        };
        match (offset, size) {
            (TYPER, 8) => type_of(partition, number),
            (TYPER, 4) => type_of(partition, number) & 0xffff_ffff,
            (0xc, 4) => type_of(partition, number) >> 32,
            (WAKER, 4) => match self.private.get(usize::from(home)) {
                Some(private) if private.asleep => (PROCESSOR_SLEEP | CHILDREN_ASLEEP).into(),
                _ => 0,
            },
            (PIDR2, 4) => GICV3.into(),
            (0x1_0400..0x1_0420, 1) | (SGI_FRAME.., 4) => field::at(offset - SGI_FRAME)
                .map_or(0, |at| self.read_field(partition, home, at, private))
                .into(),
            _ => 0,
        }
    }

    /// Writes `size` bytes of the redistributors.
    pub(super) fn write_redistributor(
        &mut self,
        partition: &Partition,
        (offset, size): (u64, u64),
        value: u64,
        end: End<'_>,
    ) {
        let Some((home, _, offset)) = context(partition, offset) else {
            return;
        };
        let word = value as u32;
        match (offset, size) {
            (WAKER, 4) => {
                if let Some(private) = self.private.get_mut(usize::from(home)) {
                    private.asleep = word & PROCESSOR_SLEEP != 0;
                }
            }
            (0x1_0400..0x1_0420, 1) => {
                if let Some(at) = field::at(offset - SGI_FRAME) {
                    self.write_one(partition, home, at, word, end);
                }
            }
            (SGI_FRAME.., 4) => {
                if let Some(at) = field::at(offset - SGI_FRAME) {
                    self.write_field(partition, home, at, word, private, end);
                }
            }
            _ => {}
        }
    }
}

/// GICR_TYPER: affinity and number are the context's number.
fn type_of(partition: &Partition, number: u64) -> u64 {
    let last = u64::from(partition.contexts()) == number.saturating_add(1);
    number << 32 | number << 8 | if last { LAST } else { 0 }
}
