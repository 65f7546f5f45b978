//! The services that this TEE hosts: echo, keyed hash and sealed storage. Their numbers are part of their interface.
use crate::code::{BAD_PARAMETERS, BAD_STATE, CANCEL, Code, MAC_INVALID, NOT_SUPPORTED, SHORT_BUFFER};
use crate::message::Direction;
use crate::seal::{self, OVERHEAD};
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// UUID of the echo service, as written: b0b3ec40-7d3a-4f0e-9c52-1f0c8e6a7d01.
pub const ECHO: [u8; 16] = 0xb0b3ec40_7d3a_4f0e_9c52_1f0c8e6a7d01_u128.to_be_bytes();
/// UUID of the keyed-hash service: b0b3ec40-7d3a-4f0e-9c52-1f0c8e6a7d02.
pub const HASH: [u8; 16] = 0xb0b3ec40_7d3a_4f0e_9c52_1f0c8e6a7d02_u128.to_be_bytes();

/// UUID of the storage service: b0b3ec40-7d3a-4f0e-9c52-1f0c8e6a7d03.
pub const STORAGE: [u8; 16] = 0xb0b3ec40_7d3a_4f0e_9c52_1f0c8e6a7d03_u128.to_be_bytes();

/// Commands of the echo service.
pub mod echo {
    /// Parameter 0, two numbers in; parameter 1, the same ones out.
    pub const VALUE: u32 = 0;
    /// Parameter 0, memory in; parameter 1, the same bytes out.
    pub const MEMORY: u32 = 1;
    /// Parameter 0, a number of steps in (low and high half); parameter 1, the result out.
    pub const LONG: u32 = 2;
    /// Parameter 0, memory in and out: every byte becomes its complement.
    pub const INVERT: u32 = 3;
    /// Parameter 0, out: how many commands this session has had, this one included, and its number.
    pub const COUNT: u32 = 4;
}

/// Commands of the keyed-hash service.
pub mod hash {
    /// Parameter 0, a message in; parameter 1, its tag (HMAC-SHA-256) out.
    pub const TAG: u32 = 0;
    /// Parameter 0, 1 to 64 bytes in: the key of this session from now on.
    pub const SET_KEY: u32 = 1;
    /// Parameter 0, a message in; parameter 1, its tag in.
    pub const VERIFY: u32 = 2;
}

/// Commands of the storage service: the client keeps what was sealed, and nobody but this TEE can open it.
pub mod storage {
    /// Parameter 0, 1 to 1,024 bytes in; parameter 1, the same sealed, [`OVERHEAD`] bytes longer, out.
    pub const SEAL: u32 = 0;
    /// Parameter 0, what was sealed in; parameter 1, the bytes out. MAC_INVALID where another TEE sealed it,
    /// or it was changed.
    pub const OPEN: u32 = 1;
    pub use crate::seal::OVERHEAD;
}

/// Bytes of a tag.
pub const TAG: usize = 32;
/// The longest key in bytes.
const LONGEST_KEY: usize = 64;
/// Bytes that are copied at once.
const PIECE: usize = 512;
/// Steps of [`echo::LONG`] between two looks at whether it was cancelled.
const STEPS: u64 = 1 << 16;

/// A service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// The echo service.
    Echo,
    /// The keyed-hash service.
    Hash,
    /// The storage service.
    Storage,
}

impl Service {
    /// The service of this UUID.
    #[must_use]
    pub fn find(uuid: [u8; 16]) -> Option<Self> {
        match uuid {
            ECHO => Some(Self::Echo),
            HASH => Some(Self::Hash),
            STORAGE => Some(Self::Storage),
            _ => Option::None,
        }
    }
}

/// What a service keeps for a session.
#[derive(Clone)]
pub struct State {
    commands: u64,
    key: [u8; LONGEST_KEY],
    key_length: usize,
}

impl State {
    /// Of a session that was opened just now.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            commands: 0,
            key: [0; LONGEST_KEY],
            key_length: 0,
        }
    }
}

impl Default for State {
    fn default() -> Self {
        Self::new()
    }
}

/// What the TEE has that nobody else knows.
#[derive(Clone, Copy)]
pub struct Secrets {
    /// Its key; none where nobody gave it one and the core has no random numbers.
    pub key: Option<[u8; 32]>,
    /// Random numbers of the core; none where it has no source of them.
    pub random: fn() -> Option<u64>,
}

/// The clients' memory that a command was given, reached by copies only.
pub trait Buffers {
    /// Copies from memory `which`; false outside of it.
    fn read(&self, which: usize, offset: u64, to: &mut [u8]) -> bool;
    /// Copies to memory `which`; false outside of it.
    fn write(&self, which: usize, offset: u64, from: &[u8]) -> bool;
    /// Whether the command is to end.
    fn cancelled(&self) -> bool;
}

/// A parameter of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameter {
    /// None.
    None,
    /// Two numbers of 32 bits each.
    Value(Direction, u32, u32),
    /// Memory: how much may be read and written.
    Memory(Direction, u64),
}

/// The four parameters of a command. What goes out is left in them.
pub type Parameters = [Parameter; 4];

use Direction::{In, InOut, Out};
use Parameter::{Memory, None, Value};

/// Runs a command.
///
/// # Errors
/// The code that the client gets.
pub fn invoke(
    service: Service,
    command: u32,
    session: u32,
    parameters: &mut Parameters,
    buffers: &impl Buffers,
    state: &mut State,
    secrets: &Secrets,
) -> Result<(), Code> {
    state.commands += 1;
    let own_key = secrets.key.as_ref();
    match (service, command) {
        (Service::Echo, echo::VALUE) => value(parameters),
        (Service::Echo, echo::MEMORY) => memory(parameters, buffers),
        (Service::Echo, echo::LONG) => long(parameters, buffers),
        (Service::Echo, echo::INVERT) => invert(parameters, buffers),
        (Service::Echo, echo::COUNT) => count(parameters, state, session),
        (Service::Hash, hash::TAG) => tag(parameters, buffers, state, own_key),
        (Service::Hash, hash::SET_KEY) => set_key(parameters, buffers, state),
        (Service::Hash, hash::VERIFY) => verify(parameters, buffers, state, own_key),
        (Service::Storage, storage::SEAL) => sealed(parameters, buffers, secrets),
        (Service::Storage, storage::OPEN) => opened(parameters, buffers, own_key),
        _ => Err(NOT_SUPPORTED),
    }
}

fn sealed(parameters: &mut Parameters, buffers: &impl Buffers, secrets: &Secrets) -> Result<(), Code> {
    let [Memory(In, input), Memory(Out, output), None, None] = parameters else {
        return Err(BAD_PARAMETERS);
    };
    let mut object = object(*input, 1, seal::LONGEST)?;
    let needed = *input + OVERHEAD;
    let room = core::mem::replace(output, needed);
    if room < needed {
        return Err(SHORT_BUFFER);
    }
    let (data, whole) = (*input as usize, needed as usize);
    let bytes = object.get_mut(..whole).ok_or(BAD_PARAMETERS)?;
    good(
        buffers.read(
            0,
            0,
            bytes
                .get_mut(seal::NONCE..seal::NONCE + data)
                .ok_or(BAD_PARAMETERS)?,
        ),
    )?;
    seal::seal(secrets.key.as_ref().ok_or(BAD_STATE)?, secrets.random, bytes)?;
    good(buffers.write(1, 0, bytes))
}

fn opened(
    parameters: &mut Parameters,
    buffers: &impl Buffers,
    own_key: Option<&[u8; 32]>,
) -> Result<(), Code> {
    let [Memory(In, input), Memory(Out, output), None, None] = parameters else {
        return Err(BAD_PARAMETERS);
    };
    let mut object = object(*input, OVERHEAD + 1, seal::LONGEST + OVERHEAD)?;
    let needed = *input - OVERHEAD;
    let room = core::mem::replace(output, needed);
    if room < needed {
        return Err(SHORT_BUFFER);
    }
    let bytes = object.get_mut(..*input as usize).ok_or(BAD_PARAMETERS)?;
    good(buffers.read(0, 0, bytes))?;
    let data = seal::open(own_key.ok_or(BAD_STATE)?, bytes)?;
    good(buffers.write(1, 0, data))
}

/// Room for an object whose length has to lie within these bounds.
fn object(length: u64, least: u64, most: u64) -> Result<[u8; seal::ROOM], Code> {
    if (least..=most).contains(&length) {
        Ok([0; seal::ROOM])
    } else {
        Err(BAD_PARAMETERS)
    }
}

fn value(parameters: &mut Parameters) -> Result<(), Code> {
    let [Value(In, a, b), Value(Out, x, y), None, None] = parameters else {
        return Err(BAD_PARAMETERS);
    };
    (*x, *y) = (*a, *b);
    Ok(())
}

fn memory(parameters: &mut Parameters, buffers: &impl Buffers) -> Result<(), Code> {
    let [Memory(In, input), Memory(Out, output), None, None] = parameters else {
        return Err(BAD_PARAMETERS);
    };
    let room = core::mem::replace(output, *input);
    if room < *input {
        return Err(SHORT_BUFFER);
    }
    pieces(buffers, 0, *input, |at, piece| good(buffers.write(1, at, piece)))
}

fn invert(parameters: &mut Parameters, buffers: &impl Buffers) -> Result<(), Code> {
    let [Memory(InOut, size), None, None, None] = parameters else {
        return Err(BAD_PARAMETERS);
    };
    pieces(buffers, 0, *size, |at, piece| {
        for byte in &mut *piece {
            *byte = !*byte;
        }
        good(buffers.write(0, at, piece))
    })
}

/// Steps of a linear congruential generator, so many that a caller can interrupt them.
fn long(parameters: &mut Parameters, buffers: &impl Buffers) -> Result<(), Code> {
    let [Value(In, low, high), Value(Out, x, y), None, None] = parameters else {
        return Err(BAD_PARAMETERS);
    };
    let mut left = u64::from(*high) << 32 | u64::from(*low);
    let mut result = 1_u64;
    while left != 0 {
        let now = left.min(STEPS);
        for _ in 0..now {
            result = result
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
        }
        left -= now;
        if buffers.cancelled() {
            return Err(CANCEL);
        }
    }
    (*x, *y) = (result as u32, (result >> 32) as u32);
    Ok(())
}

fn count(parameters: &mut Parameters, state: &State, session: u32) -> Result<(), Code> {
    let [Value(Out, a, b), None, None, None] = parameters else {
        return Err(BAD_PARAMETERS);
    };
    (*a, *b) = (state.commands as u32, session);
    Ok(())
}

fn tag(
    parameters: &mut Parameters,
    buffers: &impl Buffers,
    state: &State,
    own_key: Option<&[u8; 32]>,
) -> Result<(), Code> {
    let [Memory(In, input), Memory(Out, output), None, None] = parameters else {
        return Err(BAD_PARAMETERS);
    };
    let room = core::mem::replace(output, TAG as u64);
    if room < TAG as u64 {
        return Err(SHORT_BUFFER);
    }
    let tag = authenticate(*input, buffers, state, own_key)?
        .finalize()
        .into_bytes();
    good(buffers.write(1, 0, &tag))
}

fn verify(
    parameters: &Parameters,
    buffers: &impl Buffers,
    state: &State,
    own_key: Option<&[u8; 32]>,
) -> Result<(), Code> {
    let [Memory(In, input), Memory(In, size), None, None] = parameters else {
        return Err(BAD_PARAMETERS);
    };
    if *size != TAG as u64 {
        return Err(MAC_INVALID);
    }
    let mut tag = [0; TAG];
    good(buffers.read(1, 0, &mut tag))?;
    authenticate(*input, buffers, state, own_key)?
        .verify_slice(&tag)
        .map_err(|_| MAC_INVALID)
}

fn set_key(parameters: &Parameters, buffers: &impl Buffers, state: &mut State) -> Result<(), Code> {
    let [Memory(In, size), None, None, None] = parameters else {
        return Err(BAD_PARAMETERS);
    };
    let length = usize::try_from(*size).map_err(|_| BAD_PARAMETERS)?;
    let key = state
        .key
        .get_mut(..length)
        .filter(|key| !key.is_empty())
        .ok_or(BAD_PARAMETERS)?;
    good(buffers.read(0, 0, key))?;
    state.key_length = length;
    Ok(())
}

fn authenticate(
    size: u64,
    buffers: &impl Buffers,
    state: &State,
    own_key: Option<&[u8; 32]>,
) -> Result<Hmac<Sha256>, Code> {
    let key = match (state.key_length, own_key) {
        (0, Some(own)) => &own[..],
        // No key that is a secret: this core has no random numbers.
        (0, Option::None) => return Err(BAD_STATE),
        (length, _) => &state.key[..length],
    };
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| BAD_STATE)?;
    pieces(buffers, 0, size, |_, piece| {
        mac.update(piece);
        Ok(())
    })?;
    Ok(mac)
}

/// Copies memory piece by piece, each byte once, and passes the pieces on with their offsets.
fn pieces(
    buffers: &impl Buffers,
    which: usize,
    size: u64,
    mut each: impl FnMut(u64, &mut [u8]) -> Result<(), Code>,
) -> Result<(), Code> {
    let mut piece = [0; PIECE];
    let mut at = 0;
    while at < size {
        let length = (size - at).min(PIECE as u64);
        let part = &mut piece[..length as usize];
        good(buffers.read(which, at, part))?;
        each(at, part)?;
        if buffers.cancelled() {
            return Err(CANCEL);
        }
        at += length;
    }
    Ok(())
}

fn good(copied: bool) -> Result<(), Code> {
    if copied { Ok(()) } else { Err(BAD_PARAMETERS) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::{Cell, RefCell};

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
    }

    fn secrets(key: u8) -> Secrets {
        Secrets {
            key: Some([key; 32]),
            random: || Some(0x1234_5678_9abc_def0),
        }
    }

    fn run(
        service: Service,
        command: u32,
        p: &mut Parameters,
        host: &Host,
        state: &mut State,
    ) -> Result<(), Code> {
        invoke(service, command, 0x105, p, host, state, &secrets(7))
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
            &Secrets {
                key: Option::None,
                random: || Option::None,
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
        for service in [Service::Echo, Service::Hash, Service::Storage] {
            for command in 0..8 {
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
            &secrets(key),
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
        for (secrets, code) in [
            (
                Secrets {
                    key: Option::None,
                    ..secrets(1)
                },
                BAD_STATE,
            ),
            (
                Secrets {
                    random: || Option::None,
                    ..secrets(1)
                },
                BAD_STATE,
            ),
        ] {
            let mut p = [Memory(In, 10), Memory(Out, 2000), None, None];
            let seal = storage::SEAL;
            let result = invoke(Service::Storage, seal, 1, &mut p, &host, &mut state, &secrets);
            assert_eq!(result, Err(code));
        }
    }
}
