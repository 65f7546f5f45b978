//! Calls that died with their partition and for which nobody has come: what is left of them when it is restarted.
//!
//! A restart waits for nobody. A context that was preempted, or has yielded, ends where it is, and one that waits for a
//! partition that it has called is taken out of the chain: the callee finishes for nobody, and the caller, where it
//! is a partition, goes on with ABORTED when its own caller resumes it. A call of the normal world leaves a *ghost*
//! at its context: the next FFA_RUN under the context's name is its caller's, and is told ABORTED, once. FFA_RUN says
//! no more than the name; so until then, what the new instance's context is called for goes under the number of a
//! ticket where it loses its core, and no caller can take another's answer.

use crate::api::{Context, Ports};
use crate::compartment::Compartment;
use crate::context::{Seat, State, Task};
use crate::error::Error;
use crate::reply::{Reply, target};
use crate::spmc::{Here, SECURE, Spmc};
use crate::sync::Ordering;
use crate::table::{Core, Source};

impl Seat {
    /// Whether the caller of a call that died comes now; once.
    pub(crate) fn take_ghost(&self) -> bool {
        self.ghost.load(Ordering::Acquire) && self.ghost.swap(false, Ordering::AcqRel)
    }
}

impl<const P: usize, const C: usize, const SHARES: usize, const RANGES: usize, const VMS: usize, S: Source>
    Spmc<P, C, SHARES, RANGES, VMS, S>
{
    /// Ends a context of a partition that has failed, where it runs nowhere; whether it is over. `core` is the
    /// one that says so.
    pub(crate) fn lay(&self, core: Core, context: Context, ports: &mut impl Ports) -> bool {
        let Some((_, _, seat)) = self.seat(context.partition, context.home) else {
            return true;
        };
        let was = seat.state();
        match was {
            State::Off => return true,
            State::Waiting => {
                if seat.change(was, State::Off) {
                    seat.set_task(Task::Cycles);
                }
            }
            State::Preempted(_) | State::Yielded(_) => {
                if seat.change(was, State::Running(core)) {
                    if matches!(was, State::Yielded(_)) && seat.task().caller().is_some() {
                        // Who holds it does not wait for it.
                        self.end_at(context, ports);
                    } else {
                        self.end_from(context, ports);
                    }
                }
            }
            State::Blocked => self.cut_out(core, context, ports),
            State::Running(_) | State::Displaced(_) => {}
        }
        seat.state() == State::Off
    }

    /// A context of a partition that has failed is no more. For its owner, or the owner of the chain that it waits in.
    fn end_at<T: Ports>(&self, context: Context, ports: &mut T) {
        self.ledger.lock().release(context.partition, ports);
        if let Some((_, _, seat)) = self.seat(context.partition, context.home) {
            seat.set_task(Task::Cycles);
            seat.leave(State::Off);
        }
    }

    /// Takes a context that waits for its callee out of the chain, where nobody works at that.
    fn cut_out<T: Ports>(&self, core: Core, context: Context, ports: &mut T) {
        let inner = self.innermost(context);
        let (Some((_, _, seat)), Some((_, _, owned))) = (
            self.seat(context.partition, context.home),
            self.seat(inner.partition, inner.home),
        ) else {
            return;
        };
        let was = owned.state();
        if inner == context || !matches!(was, State::Preempted(_)) || !owned.change(was, State::Running(core))
        {
            return;
        }
        // Whoever owns the innermost context owns the chain; it may have been another one a moment ago.
        let mut callee = inner;
        while let Some(caller) = self.caller_of(callee).filter(|caller| *caller != context) {
            callee = caller;
        }
        if self.caller_of(callee) == Some(context) && seat.state() == State::Blocked {
            if let Some((_, _, called)) = self.seat(callee.partition, callee.home) {
                called.abandon();
            }
            if self
                .cpus
                .get(usize::from(context.home))
                .is_some_and(|cpu| cpu.is_on())
            {
                // There it goes on.
                ports.call_core(context.home);
            }
            self.end_from(context, ports);
        }
        owned.leave(was);
    }

    /// The context that is blocked on this one.
    fn caller_of(&self, context: Context) -> Option<Context> {
        let (_, _, seat) = self.seat(context.partition, context.home)?;
        let partition = self.partition_of(seat.task().caller()?)?;
        Some(Context { partition, ..context })
    }

    /// Ends a context, and its callers as far as they have failed, too; who called all these is told when it comes.
    fn end_from<T: Ports>(&self, context: Context, ports: &mut T) {
        let failed = |context: &Context| {
            let compartment = self.compartments.get(context.partition);
            compartment.is_some_and(Compartment::stopped)
        };
        let above = |context: Context| self.caller_of(context).filter(failed);
        // The chain is as long as there are partitions at most.
        let outermost = (0..P).fold(context, |last, _| above(last).unwrap_or(last));
        // Nobody finds a caller that waits for nobody.
        self.tell_absent(outermost);
        let mut next = Some(context);
        while let Some(context) = next {
            next = if context == outermost {
                None
            } else {
                above(context)
            };
            self.end_at(context, ports);
        }
    }

    /// Keeps for the caller of a context that ends what it is told when it comes.
    fn tell_absent(&self, context: Context) {
        let Some((_, _, seat)) = self.seat(context.partition, context.home) else {
            return;
        };
        match seat.task() {
            Task::Request { source, .. } if source < SECURE => seat.ghost.store(true, Ordering::Release),
            Task::Forwarded { .. } => self.keep_answer(context, &Reply::error(Error::Aborted)),
            _ => {
                let caller = self.caller_of(context);
                let caller = caller.and_then(|caller| self.seat(caller.partition, caller.home));
                if let Some((_, _, caller)) = caller {
                    caller.bereft.store(true, Ordering::Relaxed);
                    caller.leave(State::Preempted(context.home));
                }
            }
        }
    }

    /// Tells the normal world that its call has lost the core, and under which name it is resumed.
    pub(crate) fn suspended<T: Ports>(&self, here: &Here<'_, C>, id: u32, ports: &mut T) -> Reply {
        let outermost = self.outermost(here.context);
        let Some((partition, compartment, seat)) = self.seat(outermost.partition, outermost.home) else {
            return Reply::error(Error::Aborted);
        };
        let mut name = Self::vcpu(partition, outermost.home);
        if seat.ghost.load(Ordering::Acquire) && matches!(seat.task(), Task::Request { .. }) {
            let mut tickets = compartment.tickets.lock();
            match tickets.adopt(outermost.home, ports.now()) {
                Some(number) if seat.forward() => name = number,
                Some(number) => tickets.free(number),
                // The normal world has parked more than it has cores to come with: this one is lost to it.
                None => {
                    seat.orphan();
                    return Reply::error(Error::Aborted);
                }
            }
        }
        Reply::words(id, &[target(partition.id, name)])
    }
}
