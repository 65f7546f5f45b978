//! Tickets: legal requests that came while the context they are for was busy.
//!
//! Stock Linux takes every FFA_ERROR as final, but goes on after FFA_INTERRUPT with FFA_RUN. A request
//! to a busy context is therefore parked, its caller is told FFA_INTERRUPT with a number of no real
//! execution context, and FFA_RUN with this number delivers it once the context is free. FFA_RUN
//! names no sender, so a ticket is bound to the normal world as a whole; its generation keeps a
//! number that was used up from naming a later request.

use crate::decode::Direct;

/// Requests that can be parked for one partition.
pub(crate) const TICKETS: usize = 16;

/// Set in a vCPU number that names a ticket: no partition has so many contexts.
const MARK: u16 = 0x4000;

/// The parked requests of one partition.
#[derive(Debug)]
pub(crate) struct Tickets {
    parked: [Option<(u16, Direct)>; TICKETS],
    generation: u16,
}

impl Tickets {
    pub(crate) const fn new() -> Self {
        Self {
            parked: [None; TICKETS],
            generation: 0,
        }
    }

    /// Whether a vCPU number names a ticket.
    pub(crate) fn names(vcpu: u16) -> bool {
        vcpu & MARK != 0
    }

    /// Parks a request and returns its number; none when the pool is full.
    pub(crate) fn park(&mut self, request: &Direct) -> Option<u16> {
        let (place, free) = self
            .parked
            .iter_mut()
            .enumerate()
            .find(|(_, slot)| slot.is_none())?;
        self.generation = self.generation.wrapping_add(1) & 0x3ff;
        let number = MARK | self.generation << 4 | place as u16;
        *free = Some((number, *request));
        Some(number)
    }

    /// The request of a number, left where it is.
    pub(crate) fn look(&self, number: u16) -> Option<Direct> {
        let slot = self.parked.get(usize::from(number & 0xf))?;
        slot.filter(|(own, _)| *own == number).map(|(_, request)| request)
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.parked = [None; TICKETS];
    }

    /// Frees a number.
    pub(crate) fn free(&mut self, number: u16) {
        if self.look(number).is_some()
            && let Some(slot) = self.parked.get_mut(usize::from(number & 0xf))
        {
            *slot = None;
        }
    }
}
