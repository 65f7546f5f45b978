//! The window as a copy, for a partition whose page tables cannot name the normal world's memory (docs/sel4.md).
//!
//! Such a partition retrieves memory as every other one does. The address in its window that it is told is good for two
//! calls only: one copies from there to memory of its own, one the other way. A call is one page at most on either side,
//! so it takes a bounded time. It goes through the ledger, under its lock: what is relinquished, reclaimed, taken from
//! a partition that fails, or lent on, cannot be reached by it any more when the call returns that took it away.

use crate::api::{Access, Page, Ports, Regs, World};
use crate::decode::low;
use crate::function as f;
use crate::reply::Reply;
use crate::rxtx::PAGE;
use crate::service::done;
use crate::spmc::Spmc;
use crate::table::Source;

/// Results of SMCCC (DEN0028E, return codes).
const SUCCESS: u64 = 0;
const INVALID_PARAMETER: u64 = (-3_i64).cast_unsigned();

/// Registers behind the parameters that have to be zero: x4 to x7.
const RESERVED: usize = 4;

impl<const P: usize, const C: usize, const SHARES: usize, const RANGES: usize, const VMS: usize, S: Source>
    Spmc<P, C, SHARES, RANGES, VMS, S>
{
    /// WINDOW_READ and WINDOW_WRITE: x1 is an address of the partition's own memory, x2 one in its window, x3 how many
    /// bytes, 1 to 4096, which end in the page in which they begin, on both sides. x0 is 0, or INVALID_PARAMETER (-3),
    /// and nothing is copied: where that does not hold, x4 to x7 are not zero, the partition does not own the memory or
    /// takes part in a transaction with it, nothing is retrieved there, or it may not be written.
    pub(crate) fn copy_window<T: Ports>(&self, partition: usize, regs: &Regs, ports: &mut T) -> Reply {
        let copied = self.try_copy(partition, regs, ports);
        done(regs, &[copied.map_or(INVALID_PARAMETER, |()| SUCCESS)])
    }

    fn try_copy<T: Ports>(&self, partition: usize, regs: &Regs, ports: &mut T) -> Option<()> {
        let [id, own, lent, length, reserved @ ..] = regs.0;
        let (own_offset, lent_offset) = (own % PAGE, lent % PAGE);
        let room = PAGE - own_offset.max(lent_offset);
        let zero = reserved.iter().take(RESERVED).all(|word| *word == 0);
        if !zero || length == 0 || length > room {
            return None;
        }
        let own = own - own_offset;
        let mut mailbox = self.compartments.get(partition)?.mailbox.lock();
        let staged = mailbox.staging.get_mut(..length as usize)?;
        let ledger = self.ledger.lock();
        if !ledger.owns(self.table.table(), partition, own) || ledger.overlaps(own, 1) {
            return None;
        }
        let (behind, access) = ledger.behind(self.table.table(), partition, lent)?;
        let page = |world, address| Page { world, address };
        let own = (page(World::Secure, own), own_offset as usize);
        let lent = (page(World::Normal, behind), lent_offset as usize);
        let (from, to) = match access {
            _ if low(id) == f::WINDOW_READ => (lent, own),
            Access::ReadWrite => (own, lent),
            Access::Read => return None,
        };
        ports.read(from.0, from.1, staged);
        ports.write(to.0, to.1, staged);
        Some(())
    }
}
