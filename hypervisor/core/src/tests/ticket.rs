//! Requests to busy contexts: parked, never refused.

use super::machine::{Machine, code, regs, request, run, x};
use super::table::{A, B};
use crate::api::{Action, Entry, Event, Regs};
use crate::error::Error;
use crate::function as f;
use crate::ticket::TICKETS;

/// B's context of core 1, preempted.
fn busy() -> Machine {
    let mut m = Machine::started();
    m.enter(1, B);
    m.step(1, Event::NormalInterrupt);
    m
}

/// A request to it, parked; what FFA_RUN needs.
fn park(m: &mut Machine, payload: u64) -> u64 {
    let reply = regs(m.normal(1, &[u64::from(f::DIRECT_REQ_32), u64::from(B), 0, payload]));
    assert_eq!(reply.0[0], u64::from(f::INTERRUPT));
    assert_eq!(reply.0[1] >> 16, u64::from(B));
    reply.0[1]
}

#[test]
fn a_parked_request_is_delivered_when_the_context_is_free() {
    let mut m = busy();
    let ticket = park(&mut m, 42);
    assert!(ticket & 0xffff >= 4, "no real context");
    let again = regs(m.normal(1, &[u64::from(f::RUN), ticket]));
    assert_eq!(again.0[..2], [u64::from(f::INTERRUPT), ticket]);
    m.normal(1, &[u64::from(f::RUN), u64::from(B) << 16 | 1]);
    assert_eq!(x(m.respond(1, B), 0), u64::from(f::DIRECT_RESP_32));
    let delivered = run(m.normal(1, &[u64::from(f::RUN), ticket]));
    let wanted = Regs::new(&[u64::from(f::DIRECT_REQ_32), u64::from(B), 0, 42]);
    let mut got = regs(Action::Run(delivered));
    got.0[4..].fill(0);
    assert_eq!((got, delivered.context.home), (wanted, 1));
    assert_eq!(x(m.respond(1, B), 0), u64::from(f::DIRECT_RESP_32));
    m.refused(1, &[u64::from(f::RUN), ticket], Error::InvalidParameters);
}

#[test]
fn its_caller_may_have_moved() {
    let mut m = busy();
    let ticket = park(&mut m, 1);
    let delivered = run(m.normal(3, &[u64::from(f::RUN), ticket]));
    assert_eq!(delivered.context.home, 3, "the context of the core that runs it");
    assert!(matches!(delivered.entry, Entry::Answer(_)));
}

#[test]
fn a_full_pool_is_busy_and_drains() {
    let mut m = busy();
    let tickets: std::vec::Vec<u64> = (0..4 * TICKETS as u64).map(|n| park(&mut m, n)).collect();
    m.refused(1, &request(B), Error::Busy);
    assert!(
        matches!(m.normal(1, &request(A)), Action::Run(_)),
        "others have their own"
    );
    m.respond(1, A);
    for (n, ticket) in tickets.iter().enumerate() {
        let got = regs(m.normal(2, &[u64::from(f::RUN), *ticket]));
        assert_eq!(got.0[3], n as u64);
        m.respond(2, B);
    }
    park(&mut m, 5);
}

#[test]
fn a_number_that_was_used_up_names_nothing_later() {
    let mut m = busy();
    let old = park(&mut m, 1);
    m.normal(2, &[u64::from(f::RUN), old]);
    m.respond(2, B);
    let new = park(&mut m, 2);
    assert_ne!(old, new);
    m.refused(2, &[u64::from(f::RUN), old], Error::InvalidParameters);
    // Nor a ticket of another partition.
    m.refused(
        2,
        &[u64::from(f::RUN), u64::from(A) << 16 | new & 0xffff],
        Error::InvalidParameters,
    );
}

#[test]
fn tickets_of_a_stopped_partition_are_aborted() {
    let mut m = busy();
    let ticket = park(&mut m, 1);
    m.spmc.stop_image(1);
    let run = [u64::from(f::RUN), ticket];
    assert_eq!(code(m.normal(1, &run)), Some(Error::Aborted.code()));
    // It is told once.
    assert_eq!(m.spmc.check_invariants(), Ok(()));
    m.refused(1, &run, Error::Aborted);
}
