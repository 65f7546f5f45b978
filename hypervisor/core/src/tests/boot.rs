//! Start of the system and of cores; messages of the SPMD.

use super::machine::{Machine, code, regs, run, succeeded, x};
use super::table::{A, B, TABLE, memory};
use crate::api::{Action, Cause, Context, Deadline, Entry, Event, Failure, Fault, Note, Regs};
use crate::error::Error;
use crate::function as f;
use crate::start;
use crate::table::{BOOT_INFO_OFFSET, MANIFEST_OFFSET};

const WAIT: [u64; 1] = [f::MSG_WAIT as u64];

fn fault() -> Event {
    Event::Fault(Fault {
        syndrome: 1,
        address: 2,
        ipa: 3,
        pc: 4,
    })
}

#[test]
fn partitions_start_in_the_order_of_the_table() {
    let mut m = Machine::new();
    let mut order = std::vec::Vec::new();
    let mut action = m.step(0, Event::Boot);
    while let Action::Run(run) = action {
        order.push(run.context.partition);
        let partition = &TABLE.partitions[run.context.partition];
        let x0 = partition.memory[0].range.base + BOOT_INFO_OFFSET;
        assert_eq!(
            run.entry,
            Entry::Start {
                pc: partition.image.entry,
                x0
            }
        );
        assert_eq!(run.deadline, Deadline::Micros(5_000_000));
        assert!(run.hold_normal);
        action = m.call(0, &WAIT);
    }
    assert_eq!(order, [1, 0, 2]);
    assert_eq!(regs(action), Regs::new(&[u64::from(f::MSG_WAIT)]));
    let started = |partition| Note::Started { partition };
    let ready = |partition| Note::Ready { partition };
    assert_eq!(
        m.ports.notes,
        [started(1), ready(1), started(0), ready(0), started(2), ready(2)]
    );
}

#[test]
fn a_partition_that_cannot_start_does_not_keep_the_others() {
    for (event, cause) in [
        (Event::Deadline, Cause::StartTimeout),
        (
            Event::Call(
                crate::api::Conduit::Smc,
                Regs::new(&[u64::from(f::ERROR), 0, 0xffff_fffd]),
            ),
            Cause::StartFailed,
        ),
    ] {
        let mut m = Machine::new();
        assert_eq!(run(m.step(0, Event::Boot)).context.partition, 1);
        assert_eq!(run(m.step(0, event)).context.partition, 0);
        let context = Context {
            partition: 1,
            home: 0,
        };
        let failure = Failure {
            context,
            core: 0,
            cause,
        };
        assert_eq!(m.ports.notes[1], Note::Failed(failure));
        m.call(0, &WAIT);
        m.call(0, &WAIT);
        m.refused(0, &super::machine::request(B), Error::Aborted);
        assert!(matches!(m.normal(0, &super::machine::request(A)), Action::Run(_)));
    }
}

#[test]
fn a_fault_during_the_start_stops_it() {
    let mut m = Machine::new();
    m.step(0, Event::Boot);
    assert_eq!(run(m.step(0, fault())).context.partition, 0);
    assert!(matches!(
        m.ports.notes[1],
        Note::Failed(Failure {
            cause: Cause::Fault(_),
            ..
        })
    ));
}

#[test]
fn a_wrong_image_is_never_entered() {
    let mut m = Machine::new();
    m.spmc.stop_image(1);
    assert_eq!(run(m.step(0, Event::Boot)).context.partition, 0);
    m.call(0, &WAIT);
    m.call(0, &WAIT);
    m.refused(0, &super::machine::request(B), Error::Aborted);
}

#[test]
fn a_start_is_not_preempted() {
    let mut m = Machine::new();
    m.step(0, Event::Boot);
    let again = run(m.step(0, Event::NormalInterrupt));
    assert_eq!(
        (again.entry, again.deadline, again.hold_normal),
        (Entry::Resume, Deadline::Keep, true)
    );
}

#[test]
fn further_contexts_start_on_their_core_once() {
    let mut m = Machine::new();
    m.step(0, Event::Boot);
    // b registers no entry, a does, c has one context only.
    m.call(0, &WAIT);
    let entry = memory(0) + 0x80;
    assert!(succeeded(
        m.call(0, &[u64::from(f::SECONDARY_EP_REGISTER_64), entry])
    ));
    m.call(0, &WAIT);
    m.partition_refused(
        0,
        &[u64::from(f::SECONDARY_EP_REGISTER_64), memory(2)],
        Error::NotSupported,
    );
    m.call(0, &WAIT);
    let first = run(m.step(2, Event::CoreOn));
    assert_eq!((first.context.partition, first.context.home), (0, 2));
    assert_eq!(first.entry, Entry::Start { pc: entry, x0: 0 });
    assert_eq!(x(m.call(2, &WAIT), 0), u64::from(f::MSG_WAIT));
    // The core goes off, and comes again: the context kept its state.
    let off = [u64::from(f::DIRECT_REQ_32), 0xffff_8000, 0x8000_0000, 0x8400_0002];
    assert_eq!(x(m.normal(2, &off), 3), 0);
    assert_eq!(x(m.step(2, Event::CoreOn), 0), u64::from(f::MSG_WAIT));
    assert!(matches!(m.normal(2, &super::machine::request(A)), Action::Run(_)));
    // b has no context there.
    m.respond(2, A);
    m.refused(2, &super::machine::request(B), Error::Denied);
}

#[test]
fn the_secondary_entry_is_checked() {
    let mut m = Machine::new();
    m.step(0, Event::Boot);
    let id = u64::from(f::SECONDARY_EP_REGISTER_64);
    for wrong in [
        0,
        memory(0),
        memory(1) + 2,
        memory(1) + 0x8_0000,
        memory(1) + 0x10_0000,
        u64::MAX - 3,
    ] {
        m.partition_refused(0, &[id, wrong], Error::InvalidParameters);
    }
    assert!(succeeded(m.call(0, &[id, memory(1) + 0x7_fffc])));
    // Not after the start, and not by another context.
    let mut m = Machine::started();
    m.enter(0, A);
    m.partition_refused(0, &[id, memory(0)], Error::Denied);
}

#[test]
fn calls_that_need_a_caller_are_refused_during_the_start() {
    let mut m = Machine::new();
    m.step(0, Event::Boot);
    m.partition_refused(0, &[u64::from(f::YIELD)], Error::Denied);
    m.partition_refused(
        0,
        &[u64::from(f::DIRECT_RESP_32), u64::from(B) << 16],
        Error::Denied,
    );
}

#[test]
fn the_spmd_is_answered() {
    let mut m = Machine::started();
    let to_spmc = [u64::from(f::DIRECT_REQ_32), 0xffff_8000];
    let message = |kind: u64, value| [to_spmc[0], to_spmc[1], 0x8000_0000 | kind, value];
    let response = |kind: u64, value| {
        [
            u64::from(f::DIRECT_RESP_32),
            0x8000_ffff,
            0x8000_0000 | kind,
            value,
        ]
    };
    assert_eq!(regs(m.normal(1, &message(0, 0x8400_0002))).0[..4], response(2, 0));
    assert_eq!(
        regs(m.normal(1, &message(0, 0x8400_0003))).0[..4],
        response(2, 0xffff_ffff)
    );
    assert_eq!(
        regs(m.normal(1, &message(8, 0x1_0001))).0[..4],
        response(9, 0x1_0002)
    );
    assert_eq!(m.spmc.normal.lock().version(), 0x1_0001);
    assert_eq!(
        regs(m.normal(1, &message(8, 0x2_0000))).0[..4],
        response(9, 0xffff_ffff)
    );
    m.refused(1, &message(4, 0), Error::InvalidParameters);
    // What the SPMD forwards beside its own messages never has this sender: nobody else is answered.
    m.refused(
        1,
        &[to_spmc[0], 0x8000, 0x8000_0000, 0x8400_0002],
        Error::InvalidParameters,
    );
    assert_eq!(
        code(m.normal(1, &[to_spmc[0], 0xffff_8001, 0x8000_0000])),
        Some(Error::InvalidParameters.code())
    );
}

#[test]
fn boot_information_names_the_manifest() {
    let partition = &TABLE.partitions[0];
    let blob = start::boot_information(partition);
    let word = |at: usize| u32::from_le_bytes(blob[at..at + 4].try_into().unwrap());
    assert_eq!(
        [word(0), word(4), word(8), word(12), word(16), word(20)],
        [0xffa, 0x1_0001, 64, 32, 1, 32]
    );
    assert_eq!(&blob[24..32], &[0; 8]);
    assert_eq!(&blob[32..48], b"manifest\0\0\0\0\0\0\0\0");
    assert_eq!(word(48), 0);
    assert_eq!(word(52), 8);
    let contents = u64::from_le_bytes(blob[56..].try_into().unwrap());
    assert_eq!(contents, memory(0) + MANIFEST_OFFSET);
    assert_eq!(start::manifest_address(partition), contents);
}
