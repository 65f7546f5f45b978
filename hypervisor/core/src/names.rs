//! Names of a partition's unfinished work, which no later instance takes for its own.
//!
//! A TEE may answer a request before it is done: OP-TEE does, where its thread was interrupted or needs something of its driver.
//! The answer names that work (w7), and the driver goes on with it by a request of its own, which begins with a certain
//! word (the table's `continues`) and has the name in w7. A new instance gives the same names anew. So a driver that comes
//! late with a name of the last one would go on with another caller's work, and each would have the other's answer. What
//! the normal world sees of a name has therefore, above its 16 bits, how often the partition has been restarted.

use crate::api::Regs;
use crate::compartment::Compartment;
use crate::decode::{Form, low};
use crate::error::Error;
use crate::reply::Reply;
use crate::sync::Ordering;
use crate::table::Partition;
use crate::ticket::{Stage, Tickets};

/// Where a name ends.
const SHIFT: u32 = 16;

/// Whether a request goes on with earlier work of its target. In extended messages w3 is no word of it.
#[inline]
pub(crate) fn goes_on(partition: &Partition, form: Form, regs: &Regs) -> bool {
    partition.continues == Some(low(regs.0[3])) && form != Form::Extended
}

/// Whether it names work of an instance that is no more.
pub(crate) fn is_stale<const C: usize>(compartment: &Compartment<C>, regs: &Regs) -> bool {
    low(regs.0[7]) >> SHIFT != times(compartment)
}

/// Makes the name in a request the one that the partition gave.
pub(crate) fn give(regs: &mut Regs) {
    regs.0[7] &= (1 << SHIFT) - 1;
}

/// Makes the name in an answer the one that the normal world is to come with. Answers with a w3 that is not zero are
/// errors of the partition's own, and those with a w4 of zero are done.
#[inline]
pub(crate) fn show<const C: usize>(
    partition: &Partition,
    compartment: &Compartment<C>,
    form: Form,
    regs: &mut Regs,
) {
    if partition.continues.is_none() || form == Form::Extended {
        return;
    }
    let unfinished = low(regs.0[3]) == 0 && low(regs.0[4]) != 0;
    let times = times(compartment);
    if unfinished && times != 0 && low(regs.0[7]) >> SHIFT == 0 {
        regs.0[7] |= u64::from(times) << SHIFT;
    }
}

/// How often it has been restarted, as far as that fits above a name.
fn times<const C: usize>(compartment: &Compartment<C>) -> u32 {
    compartment.restarts.load(Ordering::Acquire) & ((1 << SHIFT) - 1)
}

impl<const C: usize> Tickets<C> {
    /// A new instance begins: what is parked and goes on with work of the last one is told ABORTED.
    pub(crate) fn end_stale(&mut self, partition: &Partition) {
        for ticket in self.all() {
            if let Stage::Waits { request, .. } = ticket.stage
                && goes_on(partition, request.head.form, &request.regs)
            {
                ticket.stage = Stage::Answered(Reply::error(Error::Aborted));
            }
        }
    }
}
