//! Tickets: legal requests whose answer cannot be had at once.
//!
//! Stock Linux takes every FFA_ERROR as final, but goes on after FFA_INTERRUPT with FFA_RUN. A request
//! to a busy context, or from a core that its partition does not list, is therefore parked. Its caller
//! is told FFA_INTERRUPT with a number of no real execution context, and FFA_RUN with this number gets
//! the answer in the end: by delivering the request where the caller is by then, or by fetching what a
//! context on another core has answered. FFA_RUN names no sender, so a ticket is bound to the normal
//! world as a whole; its generation keeps a number that was used up from naming a later request.

use crate::decode::Direct;
use crate::reply::Reply;
use crate::table::Core;

/// Requests that can be parked for one partition, for each core of the board. A core has one call of the
/// normal world in flight; the others are those of threads that were taken off it between two calls.
pub(crate) const TICKETS: usize = 8;

/// Set in a vCPU number that names a ticket: no partition has so many contexts.
const MARK: u16 = 0x8000;

/// How far a ticket's request has come. None of them is zero: no ticket is, and zeros take no room in an image.
#[derive(Clone, Copy, Debug)]
#[repr(u16)]
pub(crate) enum Stage {
    /// It waits for a context.
    Waits {
        /// What is asked.
        request: Direct,
        /// Another core may take it: its caller is on one that the partition does not list.
        carried: bool,
    } = 1,
    /// The context that is at home on this core works on it.
    Given {
        /// The context's home.
        home: Core,
        /// The caller has come for it since the context lost its core: it may have another one.
        asked: bool,
        /// The caller knows that the context has yielded.
        told: bool,
    },
    /// The answer, until it is fetched.
    Answered(Reply),
}

/// One parked request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket {
    number: u16,
    /// Its place among all of the partition's.
    order: u64,
    /// When it was parked (microseconds).
    pub since: u64,
    /// The core that was told of it last.
    pub called: Option<Core>,
    pub stage: Stage,
}

impl Ticket {
    /// The context of this home works on it.
    pub(crate) fn begin(&mut self, home: Core) {
        self.stage = Stage::Given {
            home,
            asked: false,
            told: false,
        };
    }

    /// Its caller has come for it while the context had lost its core: and wants it to go on, or was told
    /// that it has yielded.
    pub(crate) fn ask(&mut self, home: Core, asked: bool) {
        self.stage = Stage::Given {
            home,
            asked,
            told: true,
        };
    }

    /// The home of the context that works on it.
    pub(crate) fn home(&self) -> Option<Core> {
        match self.stage {
            Stage::Given { home, .. } => Some(home),
            _ => None,
        }
    }
}

/// The parked requests of one partition on a board of `C` cores.
#[derive(Debug)]
pub(crate) struct Tickets<const C: usize> {
    parked: [[Option<Ticket>; TICKETS]; C],
    next: u64,
}

impl<const C: usize> Tickets<C> {
    /// Bits of a number that say its place.
    const PLACE: u32 = usize::BITS - C.saturating_mul(TICKETS).saturating_sub(1).leading_zeros();

    pub(crate) const fn new() -> Self {
        Self {
            parked: [[None; TICKETS]; C],
            next: 0,
        }
    }

    /// Whether a vCPU number names a ticket.
    pub(crate) fn names(vcpu: u16) -> bool {
        vcpu & MARK != 0
    }

    fn add(&mut self, stage: Stage, now: u64) -> Option<u16> {
        let (place, free) = self
            .parked
            .as_flattened_mut()
            .iter_mut()
            .enumerate()
            .find(|(_, slot)| slot.is_none())?;
        self.next = self.next.wrapping_add(1);
        let number = MARK | ((self.next << Self::PLACE | place as u64) & u64::from(!MARK)) as u16;
        *free = Some(Ticket {
            number,
            order: self.next,
            since: now,
            called: None,
            stage,
        });
        Some(number)
    }

    /// Parks a request and returns its number; none when the pool is full.
    pub(crate) fn park(&mut self, request: &Direct, carried: bool, now: u64) -> Option<u16> {
        let request = *request;
        self.add(Stage::Waits { request, carried }, now)
    }

    /// A number for what a context works on already; none when the pool is full.
    pub(crate) fn adopt(&mut self, home: Core, now: u64) -> Option<u16> {
        let stage = Stage::Given {
            home,
            asked: true,
            told: true,
        };
        self.add(stage, now)
    }

    /// The ticket of a number.
    pub(crate) fn get(&mut self, number: u16) -> Option<&mut Ticket> {
        self.all().find(|ticket| ticket.number == number)
    }

    /// All of them.
    pub(crate) fn all(&mut self) -> impl Iterator<Item = &mut Ticket> {
        self.parked.as_flattened_mut().iter_mut().flatten()
    }

    /// The one that was parked first of those in which something is found, and what.
    pub(crate) fn oldest<T>(&mut self, find: impl Fn(&Ticket) -> Option<T>) -> Option<(&mut Ticket, T)> {
        self.all()
            .filter_map(|ticket| find(ticket).map(|found| (ticket, found)))
            .min_by_key(|(ticket, _)| ticket.order)
    }

    /// Keeps the answer of the context of this home for who asked.
    pub(crate) fn answer(&mut self, home: Core, reply: &Reply) {
        if let Some(ticket) = self.all().find(|ticket| ticket.home() == Some(home)) {
            ticket.stage = Stage::Answered(*reply);
        }
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.parked = [[None; TICKETS]; C];
    }

    /// Frees a number.
    pub(crate) fn free(&mut self, number: u16) {
        for slot in self.parked.as_flattened_mut() {
            if slot.is_some_and(|ticket| ticket.number == number) {
                *slot = None;
            }
        }
    }
}
