//! A normal world that starts anew: a kernel that crashed, or was replaced, without giving back what it
//! had.
//!
//! FF-A has no call that says so. Its sign here is FFA_VERSION (which a driver calls once, before all else)
//! followed by FFA_RXTX_MAP while buffers are still registered: within one life of a kernel that is an
//! error that no kernel makes, and it was DENIED; a mere second FFA_RXTX_MAP still is, and a mere second
//! FFA_VERSION changes nothing (DEN0077A 1.2, sections 13.2 and 13.6). The new one may speak another version than
//! the last one did (`version`).

use crate::api::{Context, Ports};
use crate::context::{State, Task};
use crate::notification::Notifications;
use crate::spmc::Spmc;
use crate::sync::Ordering;
use crate::table::Source;

impl<const P: usize, const C: usize, const SHARES: usize, const RANGES: usize, const VMS: usize, S: Source>
    Spmc<P, C, SHARES, RANGES, VMS, S>
{
    /// Takes from the partitions what the normal world's last life left behind: its shares and loans
    /// (loans are cleared), its notification bitmap, its parked requests, and all that its virtual machines had.
    /// A request that a preempted or yielded context still works on is answered to nobody; the context gets the
    /// time to finish from the next one that wants it. A TEE may have threads and sessions of the old kernel's that it
    /// knows alone: those that the table restarts with the normal world are. The caller holds the normal world's mailbox.
    pub(crate) fn start_anew<T: Ports>(&self, ports: &mut T) {
        self.ledger.lock().forget_normal(ports);
        *self.normal_notifications.lock() = Notifications::new();
        for machine in &self.machines {
            machine.forget();
        }
        for (partition, compartment) in self.compartments.iter().enumerate() {
            compartment.tickets.lock().clear();
            *compartment.repeated.lock() = None;
            for (home, seat) in (0..64u8).zip(&compartment.seats) {
                // Who would have come for it is gone.
                seat.ghost.store(false, Ordering::Release);
                // One that runs has a core of the normal world waiting for it, which is no past life, or a ticket.
                let resumed = self.innermost(Context { partition, home });
                let state = self
                    .seat(resumed.partition, home)
                    .map(|(_, _, seat)| seat.state());
                let waits = matches!(state, Some(State::Preempted(_) | State::Yielded(_)));
                if waits || matches!(seat.task(), Task::Forwarded { .. }) {
                    seat.orphan();
                }
            }
        }
        self.restart_with_normal_world(ports);
    }
}
