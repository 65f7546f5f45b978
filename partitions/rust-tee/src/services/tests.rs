//! The services against memory of the host.
use super::Parameter::{Memory, None, Value};
use super::storage::OVERHEAD;
use super::*;
use crate::code::{BAD_STATE, ITEM_NOT_FOUND, MAC_INVALID, NOT_SUPPORTED, SHORT_BUFFER};
use crate::message::Direction::{In, InOut, Out};
use std::cell::{Cell, RefCell};

/// What the hypervisor says to a call that it does not know.
const UNKNOWN: u64 = u64::MAX;

struct Host {
    memory: RefCell<[Vec<u8>; 2]>,
    cancel_after: Cell<u32>,
}

impl Host {
    fn new(first: &[u8], second: usize) -> Self {
        Self {
            memory: RefCell::new([first.to_vec(), vec![0; second]]),
            cancel_after: Cell::new(u32::MAX),
        }
    }
}

impl Buffers for Host {
    fn read(&self, which: usize, offset: u64, to: &mut [u8]) -> bool {
        let memory = self.memory.borrow();
        let from = memory[which]
            .get(offset as usize..)
            .and_then(|m| m.get(..to.len()));
        from.map(|from| to.copy_from_slice(from)).is_some()
    }

    fn write(&self, which: usize, offset: u64, from: &[u8]) -> bool {
        let mut memory = self.memory.borrow_mut();
        let to = memory[which]
            .get_mut(offset as usize..)
            .and_then(|m| m.get_mut(..from.len()));
        to.map(|to| to.copy_from_slice(from)).is_some()
    }

    fn cancelled(&self) -> bool {
        let left = self.cancel_after.get();
        self.cancel_after.set(left.saturating_sub(1));
        left == 0
    }

    fn notify(&self) -> Result<(), Code> {
        Err(BAD_STATE)
    }

    fn halves(&self) -> u32 {
        3
    }

    fn record(&self) -> Result<[u8; sensors::page::BYTES], Code> {
        Ok([6; sensors::page::BYTES])
    }
}

fn given(key: u8) -> Given {
    Given {
        key: Some([key; 32]),
        random: || Some(0x1234_5678_9abc_def0),
        inspect: |_, _| [UNKNOWN; 8],
        quote: |_, _| [UNKNOWN; 5],
        notify: |_, _| false,
        means: Option::None,
    }
}

fn run(
    service: Service,
    command: u32,
    p: &mut Parameters,
    host: &Host,
    state: &mut State,
) -> Result<(), Code> {
    invoke(service, command, 0x105, p, host, state, &given(7))
}

#[test]
fn echoes() {
    let host = Host::new(&[5; 1300], 1400);
    let mut state = State::new();
    let mut p = [Value(In, 1, 2), Value(Out, 0, 0), None, None];
    assert_eq!(run(Service::Echo, echo::VALUE, &mut p, &host, &mut state), Ok(()));
    assert_eq!(p[1], Value(Out, 1, 2));
    let mut p = [Memory(In, 1300), Memory(Out, 1400), None, None];
    assert_eq!(
        run(Service::Echo, echo::MEMORY, &mut p, &host, &mut state),
        Ok(())
    );
    assert_eq!(p[1], Memory(Out, 1300));
    assert_eq!(host.memory.borrow()[1], [vec![5; 1300], vec![0; 100]].concat());
    let mut p = [Memory(In, 1300), Memory(Out, 1299), None, None];
    assert_eq!(
        run(Service::Echo, echo::MEMORY, &mut p, &host, &mut state),
        Err(SHORT_BUFFER)
    );
    assert_eq!(p[1], Memory(Out, 1300));
    let mut p = [Memory(InOut, 1300), None, None, None];
    assert_eq!(
        run(Service::Echo, echo::INVERT, &mut p, &host, &mut state),
        Ok(())
    );
    assert_eq!(host.memory.borrow()[0], vec![250; 1300]);
    let mut p = [Value(Out, 0, 0), None, None, None];
    assert_eq!(run(Service::Echo, echo::COUNT, &mut p, &host, &mut state), Ok(()));
    assert_eq!(p[0], Value(Out, 5, 0x105));
}

#[test]
fn long_ones_end_early_when_cancelled() {
    let host = Host::new(&[], 0);
    let mut p = [Value(In, 3, 0), Value(Out, 0, 0), None, None];
    assert_eq!(
        run(Service::Echo, echo::LONG, &mut p, &host, &mut State::new()),
        Ok(())
    );
    let step = |x: u64| {
        x.wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407)
    };
    let expected = step(step(step(1)));
    assert_eq!(p[1], Value(Out, expected as u32, (expected >> 32) as u32));
    host.cancel_after.set(2);
    p[0] = Value(In, 0, 1);
    assert_eq!(
        run(Service::Echo, echo::LONG, &mut p, &host, &mut State::new()),
        Err(CANCEL)
    );
}

/// RFC 4231, test case 2.
#[test]
fn tags_are_those_of_the_rfc() {
    let key = Host::new(b"Jefe", 0);
    let message = b"what do ya want for nothing?";
    let host = Host::new(message, 40);
    let mut state = State::new();
    let mut p = [Memory(In, 4), None, None, None];
    assert_eq!(
        run(Service::Hash, hash::SET_KEY, &mut p, &key, &mut state),
        Ok(())
    );
    let mut p = [Memory(In, message.len() as u64), Memory(Out, 40), None, None];
    assert_eq!(run(Service::Hash, hash::TAG, &mut p, &host, &mut state), Ok(()));
    assert_eq!(p[1], Memory(Out, 32));
    let tag = host.memory.borrow()[1][..32].to_vec();
    assert_eq!(tag[..4], [0x5b, 0xdc, 0xc1, 0x46]);
    assert_eq!(tag[28..], [0x64, 0xec, 0x38, 0x43]);
    let mut p = [Memory(In, message.len() as u64), Memory(In, 32), None, None];
    assert_eq!(
        run(Service::Hash, hash::VERIFY, &mut p, &host, &mut state),
        Ok(())
    );
    host.memory.borrow_mut()[1][31] ^= 1;
    assert_eq!(
        run(Service::Hash, hash::VERIFY, &mut p, &host, &mut state),
        Err(MAC_INVALID)
    );
    // With the TEE's own key the tag is another one.
    assert_eq!(
        run(Service::Hash, hash::VERIFY, &mut p, &host, &mut State::new()),
        Err(MAC_INVALID)
    );
}

#[test]
fn without_random_numbers_there_is_no_own_key() {
    let host = Host::new(b"x", 32);
    let mut p = [Memory(In, 1), Memory(Out, 32), None, None];
    let result = invoke(
        Service::Hash,
        hash::TAG,
        1,
        &mut p,
        &host,
        &mut State::new(),
        &Given {
            key: Option::None,
            random: || Option::None,
            ..given(1)
        },
    );
    assert_eq!(result, Err(BAD_STATE));
}

#[test]
fn wrong_parameters_and_commands() {
    let host = Host::new(&[0; 65], 32);
    let mut state = State::new();
    for length in [0, 65, u64::MAX] {
        let mut p = [Memory(In, length), None, None, None];
        assert_eq!(
            run(Service::Hash, hash::SET_KEY, &mut p, &host, &mut state),
            Err(BAD_PARAMETERS)
        );
    }
    let mut p = [Memory(In, 65), Memory(Out, 31), None, None];
    assert_eq!(
        run(Service::Hash, hash::TAG, &mut p, &host, &mut state),
        Err(SHORT_BUFFER)
    );
    for service in [Service::Echo, Service::Hash, Service::Storage, Service::Inspect] {
        for command in 0..12 {
            let mut p = [None; 4];
            assert!(run(service, command, &mut p, &host, &mut state).is_err());
            let mut p = [Value(InOut, 0, 0), Memory(InOut, 0), None, Value(In, 0, 0)];
            assert!(run(service, command, &mut p, &host, &mut state).is_err());
        }
    }
}

/// Seals with one key and opens with another one, or what became of it.
fn through(data: &[u8], change: impl Fn(&mut Vec<u8>), key: u8) -> Result<Vec<u8>, Code> {
    let host = Host::new(data, data.len() + 40);
    let mut p = [
        Memory(In, data.len() as u64),
        Memory(Out, data.len() as u64 + OVERHEAD),
        None,
        None,
    ];
    run(Service::Storage, storage::SEAL, &mut p, &host, &mut State::new())?;
    let mut stored = host.memory.borrow()[1].clone();
    assert!(
        !stored
            .windows(data.len().min(8))
            .any(|part| part == &data[..data.len().min(8)])
    );
    change(&mut stored);
    let host = Host::new(&stored, 2000);
    let mut p = [Memory(In, stored.len() as u64), Memory(Out, 2000), None, None];
    let mut state = State::new();
    invoke(
        Service::Storage,
        storage::OPEN,
        1,
        &mut p,
        &host,
        &mut state,
        &given(key),
    )?;
    let Memory(Out, length) = p[1] else { panic!() };
    Ok(host.memory.borrow()[1][..length as usize].to_vec())
}

#[test]
fn what_was_sealed_is_opened_by_the_same_tee_alone() {
    let data: Vec<u8> = (0..=255).cycle().take(1024).collect();
    for length in [8, 100, 1024] {
        assert_eq!(through(&data[..length], |_| (), 7), Ok(data[..length].to_vec()));
        assert_eq!(through(&data[..length], |_| (), 8), Err(MAC_INVALID));
    }
    for place in [0, 23, 24, 123, 124, 139] {
        assert_eq!(
            through(&data[..100], |stored| stored[place] ^= 0x80, 7),
            Err(MAC_INVALID),
            "byte {place}"
        );
    }
    assert_eq!(
        through(&data[..100], |stored| stored.truncate(139), 7),
        Err(MAC_INVALID)
    );
}

#[test]
fn objects_that_cannot_be_sealed_or_opened() {
    let host = Host::new(&[1; 2000], 2000);
    let mut state = State::new();
    for (command, length, room, code) in [
        (storage::SEAL, 0, 2000, BAD_PARAMETERS),
        (storage::SEAL, 1025, 2000, BAD_PARAMETERS),
        (storage::SEAL, u64::MAX, 2000, BAD_PARAMETERS),
        (storage::SEAL, 10, 49, SHORT_BUFFER),
        (storage::OPEN, 40, 2000, BAD_PARAMETERS),
        (storage::OPEN, 1065, 2000, BAD_PARAMETERS),
        (storage::OPEN, 50, 9, SHORT_BUFFER),
        (storage::OPEN, 50, 10, MAC_INVALID),
    ] {
        let mut p = [Memory(In, length), Memory(Out, room), None, None];
        let before = host.memory.borrow()[1].clone();
        let result = run(Service::Storage, command, &mut p, &host, &mut state);
        assert_eq!(result, Err(code), "{command} {length} {room}");
        assert_eq!(host.memory.borrow()[1], before);
    }
    for (given, code) in [
        (
            Given {
                key: Option::None,
                ..given(1)
            },
            BAD_STATE,
        ),
        (
            Given {
                random: || Option::None,
                ..given(1)
            },
            BAD_STATE,
        ),
    ] {
        let mut p = [Memory(In, 10), Memory(Out, 2000), None, None];
        let seal = storage::SEAL;
        let result = invoke(Service::Storage, seal, 1, &mut p, &host, &mut state, &given);
        assert_eq!(result, Err(code));
    }
}

/// A hypervisor that knows one subject with two pages.
fn inspecting(subject: u64, page: u64) -> [u64; 8] {
    match (subject, page) {
        (0, 0) => [0, 0x1_0000, 2, 3, 4, 5, 6, u64::MAX],
        (0, 1) => [0; 8],
        _ => [(-3_i64).cast_unsigned(); 8],
    }
}

#[test]
fn a_page_of_the_hypervisors_is_handed_on() {
    let host = Host::new(&[], 60);
    let knowing = Given {
        inspect: inspecting,
        ..given(1)
    };
    let ask = |subject, page, room, given: &Given| {
        let mut p = [Value(In, subject, page), Memory(Out, room), None, None];
        let (service, mut state) = (Service::Inspect, State::new());
        let result = invoke(service, inspect::PAGE, 1, &mut p, &host, &mut state, given);
        (result, p[1])
    };
    for (subject, page, room, code) in [
        (0, 0, 55, SHORT_BUFFER),
        (0, 2, 56, ITEM_NOT_FOUND),
        (1, 0, 56, ITEM_NOT_FOUND),
    ] {
        assert_eq!(ask(subject, page, room, &knowing), (Err(code), Memory(Out, 56)));
    }
    assert_eq!(ask(0, 0, 56, &given(1)), (Err(NOT_SUPPORTED), Memory(Out, 56)));
    assert_eq!(host.memory.borrow()[1], [0; 60], "a refusal writes nothing");
    assert_eq!(ask(0, 0, 60, &knowing), (Ok(()), Memory(Out, 56)));
    let expected: Vec<u8> = [0x1_0000, 2, 3, 4, 5, 6, u64::MAX]
        .iter()
        .flat_map(|n: &u64| n.to_le_bytes())
        .collect();
    assert_eq!(host.memory.borrow()[1], [expected, vec![0; 4]].concat());
}

#[test]
fn a_signature_is_handed_on_in_one_piece() {
    let nonce: Vec<u8> = (0..32).collect();
    let signing = Given {
        quote: |half, [a, .., d]| [0, half, a, d, 7],
        ..given(1)
    };
    let ask = |host: &Host, length, room, given: &Given| {
        let mut p = [Memory(In, length), Memory(Out, room), None, None];
        let (service, mut state) = (Service::Inspect, State::new());
        let result = invoke(service, inspect::QUOTE, 1, &mut p, host, &mut state, given);
        (result, p[1])
    };
    let host = Host::new(&nonce, 70);
    for (length, room, code) in [(31, 70, BAD_PARAMETERS), (33, 70, BAD_PARAMETERS)] {
        assert_eq!(ask(&host, length, room, &signing), (Err(code), Memory(Out, room)));
    }
    assert_eq!(ask(&host, 32, 63, &signing), (Err(SHORT_BUFFER), Memory(Out, 64)));
    assert_eq!(
        ask(&host, 32, 70, &given(1)),
        (Err(NOT_SUPPORTED), Memory(Out, 64))
    );
    assert_eq!(host.memory.borrow()[1], [0; 70], "a refusal writes nothing");
    assert_eq!(ask(&host, 32, 70, &signing), (Ok(()), Memory(Out, 64)));
    let (first, last) = (0x0706_0504_0302_0100, 0x1f1e_1d1c_1b1a_1918);
    let expected: Vec<u8> = [0, first, last, 7, 1, first, last, 7]
        .iter()
        .flat_map(|n: &u64| n.to_le_bytes())
        .collect();
    assert_eq!(host.memory.borrow()[1], [expected, vec![0; 6]].concat());
}

#[test]
fn all_four_parameters_at_once() {
    let memory = |lengths: [usize; 4]| Four(RefCell::new(lengths.map(|length| vec![7; length])));
    let host = memory([0, 1000, 1200, 600]);
    let mut p = [
        Value(InOut, 1, 2),
        Memory(In, 1000),
        Memory(Out, 1200),
        Memory(InOut, 600),
    ];
    let ask = |p: &mut Parameters, host: &Four| {
        invoke(Service::Echo, echo::ALL, 1, p, host, &mut State::new(), &given(1))
    };
    assert_eq!(ask(&mut p, &host), Ok(()));
    assert_eq!(
        p,
        [
            Value(InOut, 1000, 600),
            Memory(In, 1000),
            Memory(Out, 1000),
            Memory(InOut, 600)
        ]
    );
    assert_eq!(host.0.borrow()[2], vec![7; 1200]);
    assert_eq!(host.0.borrow()[3], vec![!7; 600]);
    let host = memory([0, 1000, 999, 600]);
    let mut p = [
        Value(InOut, 1, 2),
        Memory(In, 1000),
        Memory(Out, 999),
        Memory(InOut, 600),
    ];
    assert_eq!(ask(&mut p, &host), Err(SHORT_BUFFER));
    assert_eq!(p[2], Memory(Out, 1000));
    assert_eq!(
        host.0.borrow()[3],
        vec![7; 600],
        "nothing is changed where the output does not fit"
    );
}

/// Four memories of a host.
struct Four(RefCell<[Vec<u8>; 4]>);

impl Buffers for Four {
    fn read(&self, which: usize, offset: u64, to: &mut [u8]) -> bool {
        let memory = self.0.borrow();
        let from = memory[which]
            .get(offset as usize..)
            .and_then(|m| m.get(..to.len()));
        from.map(|from| to.copy_from_slice(from)).is_some()
    }

    fn write(&self, which: usize, offset: u64, from: &[u8]) -> bool {
        let mut memory = self.0.borrow_mut();
        let to = memory[which]
            .get_mut(offset as usize..)
            .and_then(|m| m.get_mut(..from.len()));
        to.map(|to| to.copy_from_slice(from)).is_some()
    }

    fn cancelled(&self) -> bool {
        false
    }

    fn notify(&self) -> Result<(), Code> {
        Err(BAD_STATE)
    }

    fn halves(&self) -> u32 {
        3
    }

    fn record(&self) -> Result<[u8; sensors::page::BYTES], Code> {
        Err(BAD_STATE)
    }
}

#[test]
fn the_driver_is_notified_without_parameters_only() {
    let host = Host::new(&[], 0);
    let mut state = State::new();
    let mut run = |command, p: &mut Parameters| run(Service::Echo, command, p, &host, &mut state);
    assert_eq!(
        run(echo::NOTIFY, &mut [None; 4]),
        Err(BAD_STATE),
        "as the driver's side says"
    );
    let one = [Value(In, 1, 2), None, None, None];
    assert_eq!(run(echo::NOTIFY, &mut one.clone()), Err(BAD_PARAMETERS));
    assert_eq!(run(echo::HALVES, &mut one.clone()), Err(BAD_PARAMETERS));
    let mut p = [Value(Out, 7, 7), None, None, None];
    assert_eq!(run(echo::HALVES, &mut p), Ok(()));
    assert_eq!(p[0], Value(Out, 3, 0));
}

#[test]
fn the_record_of_a_period_goes_to_the_client_as_it_is() {
    const BYTES: u64 = sensors::page::BYTES as u64;
    let host = Host::new(&[0; 700], 0);
    let mut state = State::new();
    let mut run = |command, p: &mut Parameters| run(Service::Period, command, p, &host, &mut state);
    let mut short = [Memory(Out, BYTES - 1), None, None, None];
    assert_eq!(run(period::RECORD, &mut short), Err(SHORT_BUFFER));
    assert_eq!(short[0], Memory(Out, BYTES), "what is needed");
    let mut whole = [Memory(Out, 700), None, None, None];
    assert_eq!(run(period::RECORD, &mut whole), Ok(()));
    assert_eq!(whole[0], Memory(Out, BYTES));
    assert_eq!(host.memory.borrow()[0][..BYTES as usize], [6; BYTES as usize]);
    assert_eq!(run(period::RECORD, &mut [None; 4]), Err(BAD_PARAMETERS));
    assert_eq!(run(period::RECORD + 1, &mut whole), Err(NOT_SUPPORTED));
}
