//! What is true between any two events, where no core is in one: for tests and fuzzers.

use crate::api::Context;
use crate::context::{State, Task};
use crate::spmc::{Party, Spmc};
use crate::table::Source;

impl<const P: usize, const C: usize, const SHARES: usize, const RANGES: usize, const VMS: usize, S: Source>
    Spmc<P, C, SHARES, RANGES, VMS, S>
{
    /// Checks what is true between any two events, where no core is in one: for tests and fuzzers.
    ///
    /// # Errors
    /// A sentence that says what does not hold.
    pub fn check_invariants(&self) -> Result<(), &'static str> {
        self.ledger.lock().check_invariants(self.table.table())?;
        let normal = core::iter::once(Party::Normal).chain((0..VMS).map(Party::Machine));
        for party in normal.chain((0..P).map(Party::Partition)) {
            let buffers = self.mailbox(party).and_then(|mailbox| mailbox.lock().buffers);
            if buffers.is_some_and(|b| self.not_lent(party, (b.tx.address, b.rx.address)).is_err()) {
                return Err("a registered buffer is lent");
            }
        }
        for (partition, compartment) in self.compartments.iter().enumerate() {
            for (home, seat) in (0..64u8).zip(&compartment.seats) {
                let here = Some(Context { partition, home });
                let owner = match seat.state() {
                    State::Running(core) => self.cpus.get(usize::from(core)),
                    _ => None,
                };
                let runs = self.cpus.iter().filter(|cpu| cpu.current() == here).count();
                if runs != usize::from(owner.is_some()) || owner.is_some_and(|cpu| cpu.current() != here) {
                    return Err("a context is not on the core that it says");
                }
                let mut tickets = compartment.tickets.lock();
                let given = tickets.all().filter(|ticket| ticket.home() == Some(home)).count();
                if given != usize::from(matches!(seat.task(), Task::Forwarded { .. })) {
                    return Err("a ticket and the context that works on it do not know each other");
                }
            }
        }
        Ok(())
    }
}
