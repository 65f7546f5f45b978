//! Direct requests and responses.

use super::machine::{Machine, code, mark, regs, request, run, x};
use super::table::{A, B, C, COMMON, OWN_B};
use crate::api::{Action, Deadline, Entry, Event, Fault, Regs};
use crate::error::Error;
use crate::function as f;

#[test]
fn a_request_enters_the_context_of_this_core() {
    let mut m = Machine::started();
    for core in 0..4 {
        let entered = m.enter(core, A);
        assert_eq!((entered.context.partition, entered.context.home), (0, core));
        assert_eq!(entered.entry, Entry::Answer(Regs::new(&request(A))));
        assert_eq!((entered.deadline, entered.hold_normal), (Deadline::None, false));
        assert_eq!((entered.virtual_irq, entered.virtual_fiq), (false, false));
    }
    let reply = regs(m.call(
        3,
        &[
            u64::from(f::DIRECT_RESP_32),
            u64::from(A) << 16,
            0,
            1,
            2,
            3,
            4,
            5,
            6,
            7,
        ],
    ));
    let wanted = [u64::from(f::DIRECT_RESP_32), u64::from(A) << 16, 0, 1, 2, 3, 4, 5];
    assert_eq!(reply.0[..8], wanted);
    for n in 8..18 {
        assert_eq!(reply.0[n], mark(n), "x8 to x17 are the caller's");
    }
}

#[test]
fn forms_carry_what_they_say() {
    let mut m = Machine::started();
    let high = 0x1234_5678_0000_0000;
    let mut call = Regs([high | 7; 18]);
    call.0[1] = high | u64::from(A);
    for (id, wide) in [(f::DIRECT_REQ_32, 0), (f::DIRECT_REQ_64, 8), (f::DIRECT_REQ2, 18)] {
        call.0[0] = high | u64::from(id);
        call.0[2] = if id == f::DIRECT_REQ2 {
            u64::from_le_bytes(*COMMON.0.first_chunk().unwrap())
        } else {
            high
        };
        call.0[3] = if id == f::DIRECT_REQ2 {
            u64::from_le_bytes(*COMMON.0.last_chunk().unwrap())
        } else {
            high | 7
        };
        let got = regs(m.step(0, Event::Normal(call)));
        assert_eq!(got.0[..2], [u64::from(id), u64::from(A)]);
        for n in 4..18 {
            let wanted = if n < wide {
                high | 7
            } else if n < 8 {
                7
            } else {
                0
            };
            assert_eq!(got.0[n], wanted, "{id:x} x{n}");
        }
        let mut answer = call;
        answer.0[0] = u64::from(id) + 1;
        answer.0[1] = u64::from(A) << 16;
        if id != f::DIRECT_REQ2 {
            answer.0[2] = 0;
        }
        let got = regs(m.step(0, Event::Call(crate::api::Conduit::Smc, answer)));
        for n in 4..18 {
            let wanted = if n < wide || n >= 8 { high | 7 } else { 7 };
            assert_eq!(got.0[n], wanted, "{id:x} x{n}");
        }
        assert_eq!(got.0[2], 0);
    }
}

#[test]
fn whom_a_caller_may_not_call_does_not_exist() {
    let mut m = Machine::started();
    for target in [0u64, 0x8000, 0x8003, 0x8004, u64::from(C), 0x8006, 0xffff, 1] {
        m.refused(
            0,
            &[u64::from(f::DIRECT_REQ_32), target],
            Error::InvalidParameters,
        );
        m.refused(0, &[u64::from(f::RUN), target << 16], Error::InvalidParameters);
    }
    // Another VM, and a forged secure sender.
    for source in [1u64, 0x7fff, u64::from(B), 0x8000] {
        let info = source << 16 | u64::from(A);
        m.refused(0, &[u64::from(f::DIRECT_REQ_32), info], Error::InvalidParameters);
    }
}

#[test]
fn only_messages_that_the_partition_takes() {
    let mut m = Machine::started();
    m.refused(0, &[u64::from(f::DIRECT_REQ2), u64::from(B)], Error::Denied);
    m.refused(
        0,
        &[u64::from(f::DIRECT_REQ_32), u64::from(A), 0x8000_0004],
        Error::InvalidParameters,
    );
    m.refused(
        0,
        &[u64::from(f::DIRECT_REQ_64), u64::from(A), 1],
        Error::InvalidParameters,
    );
    let other = OWN_B.0.first_chunk().unwrap();
    m.refused(
        0,
        &[
            u64::from(f::DIRECT_REQ2),
            u64::from(A),
            u64::from_le_bytes(*other),
        ],
        Error::InvalidParameters,
    );
}

#[test]
fn only_the_one_who_was_asked_answers_and_only_to_the_one_who_asked() {
    let mut m = Machine::started();
    m.enter(0, A);
    let id = u64::from(f::DIRECT_RESP_32);
    let (a, b) = (u64::from(A) << 16, u64::from(B) << 16);
    for wrong in [
        [id, b, 0],
        [id, 0, 0],
        [id, a | 1, 0],
        [id, a | u64::from(B), 0],
        [id, a, 1],
        [u64::from(f::DIRECT_RESP2), a | 1, 0],
    ] {
        m.partition_refused(0, &wrong, Error::InvalidParameters);
    }
    // Of another kind: the framework's, or extended.
    for wrong in [[id, a, 0x8000_0000], [u64::from(f::DIRECT_RESP2), a, 0]] {
        m.partition_refused(0, &wrong, Error::Denied);
    }
    m.partition_refused(0, &[u64::from(f::MSG_WAIT)], Error::Denied);
    assert_eq!(x(m.respond(0, A), 0), id);
    // Without a request there is nothing to answer.
    m.normal(0, &[u64::from(f::RUN), a]);
    m.partition_refused(0, &[id, a, 0], Error::Denied);
}

#[test]
fn an_error_is_an_answer() {
    let mut m = Machine::started();
    m.enter(0, A);
    let action = m.call(0, &[u64::from(f::ERROR), 99, 0xffff_fffd, 99]);
    assert!(matches!(action, Action::Normal(_)));
    assert_eq!(code(action), Some(Error::NoMemory.code()));
    assert_eq!((x(action, 1), x(action, 3)), (0, 0));
    assert!(matches!(m.normal(0, &request(A)), Action::Run(_)));
}

#[test]
fn a_request_can_end_without_a_response() {
    let mut m = Machine::started();
    m.enter(0, A);
    let success = u64::from(f::SUCCESS_32);
    m.partition_refused(0, &[success, 0, 7], Error::InvalidParameters);
    assert_eq!(regs(m.call(0, &[success])).0[..8], [success, 0, 0, 0, 0, 0, 0, 0]);
    assert!(matches!(m.normal(0, &request(A)), Action::Run(_)));
}

#[test]
fn a_fault_stops_the_partition_and_nobody_else() {
    let mut m = Machine::started();
    m.enter(0, A);
    m.enter(1, A);
    m.enter(2, B);
    let fault = Event::Fault(Fault {
        syndrome: 1,
        address: 2,
        ipa: 3,
        pc: 4,
    });
    assert_eq!(code(m.step(0, fault)), Some(Error::Aborted.code()));
    m.refused(0, &request(A), Error::Aborted);
    m.refused(3, &[u64::from(f::RUN), u64::from(A) << 16], Error::Aborted);
    // Its context on core 1 ends at its next event, whatever that is.
    let action = m.respond(1, A);
    assert_eq!(code(action), Some(Error::Aborted.code()));
    assert!(matches!(action, Action::Normal(_)));
    assert_eq!(m.ports.notes.len(), 1);
    assert_eq!(x(m.respond(2, B), 0), u64::from(f::DIRECT_RESP_32));
    // Nobody sees it any more.
    assert_eq!(x(m.normal(0, &[u64::from(f::VERSION), 0x1_0001]), 0), 0x1_0002);
    assert_eq!(
        x(m.normal(0, &[u64::from(f::PARTITION_INFO_GET), 0, 0, 0, 0, 1]), 2),
        2
    );
}

#[test]
fn partitions_share_a_core_one_after_the_other() {
    let mut m = Machine::started();
    m.enter(0, A);
    m.respond(0, A);
    assert_eq!(m.enter(0, B).context.partition, 1);
    assert_eq!(run(m.call(0, &[u64::from(f::ID_GET)])).context.partition, 1);
    m.partition_refused(
        0,
        &[u64::from(f::DIRECT_RESP_32), u64::from(A) << 16],
        Error::InvalidParameters,
    );
}
