//! The echo service: gives back what it gets, in every form that a parameter has.
use super::Parameter::{Memory, None, Value};
use super::{Buffers, Parameters, State, good, pieces};
use crate::code::{BAD_PARAMETERS, CANCEL, Code, NOT_SUPPORTED, SHORT_BUFFER};
use crate::message::Direction::{In, InOut, Out};

/// UUID of the echo service, as written: b0b3ec40-7d3a-4f0e-9c52-1f0c8e6a7d01.
pub const UUID: [u8; 16] = 0xb0b3ec40_7d3a_4f0e_9c52_1f0c8e6a7d01_u128.to_be_bytes();

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
/// Parameter 0, two numbers in and out: they change places.
pub const SWAP: u32 = 5;
/// Parameter 0, two numbers in and out: they become the lengths of parameters 1 and 3; parameter 1, memory in; parameter
/// 2, out: the same bytes; parameter 3, in and out: every byte becomes its complement.
pub const ALL: u32 = 6;
/// Parameter 0, out: the login method of this session; parameter 1, 16 bytes out: the client's UUID.
pub const IDENTITY: u32 = 7;
/// No parameters: the driver is notified.
pub const NOTIFY: u32 = 8;
/// Parameter 0, out: how often the driver called for its bottom half, and 0.
pub const HALVES: u32 = 9;

/// Steps of [`LONG`] between two looks at whether it was cancelled.
const STEPS: u64 = 1 << 16;

/// Runs a command.
pub(super) fn invoke(
    command: u32,
    session: u32,
    parameters: &mut Parameters,
    buffers: &impl Buffers,
    state: &State,
) -> Result<(), Code> {
    match command {
        VALUE => value(parameters),
        MEMORY => memory(parameters, buffers),
        LONG => long(parameters, buffers),
        INVERT => invert(parameters, buffers),
        COUNT => count(parameters, state, session),
        SWAP => swap(parameters),
        ALL => all(parameters, buffers),
        IDENTITY => identity(parameters, buffers, state),
        NOTIFY if *parameters == [None; 4] => buffers.notify(),
        NOTIFY => Err(BAD_PARAMETERS),
        HALVES => halves(parameters, buffers),
        _ => Err(NOT_SUPPORTED),
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
    copy(buffers, (0, *input), (1, output))
}

/// Copies one memory to another that is long enough; the other's length is then the first one's.
fn copy(
    buffers: &impl Buffers,
    (from, input): (usize, u64),
    (to, output): (usize, &mut u64),
) -> Result<(), Code> {
    let room = core::mem::replace(output, input);
    if room < input {
        return Err(SHORT_BUFFER);
    }
    pieces(buffers, from, input, |at, piece| {
        good(buffers.write(to, at, piece))
    })
}

fn invert(parameters: &mut Parameters, buffers: &impl Buffers) -> Result<(), Code> {
    let [Memory(InOut, size), None, None, None] = parameters else {
        return Err(BAD_PARAMETERS);
    };
    complement(buffers, 0, *size)
}

fn complement(buffers: &impl Buffers, which: usize, size: u64) -> Result<(), Code> {
    pieces(buffers, which, size, |at, piece| {
        for byte in &mut *piece {
            *byte = !*byte;
        }
        good(buffers.write(which, at, piece))
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

fn halves(parameters: &mut Parameters, buffers: &impl Buffers) -> Result<(), Code> {
    let [Value(Out, a, b), None, None, None] = parameters else {
        return Err(BAD_PARAMETERS);
    };
    (*a, *b) = (buffers.halves(), 0);
    Ok(())
}

fn count(parameters: &mut Parameters, state: &State, session: u32) -> Result<(), Code> {
    let [Value(Out, a, b), None, None, None] = parameters else {
        return Err(BAD_PARAMETERS);
    };
    (*a, *b) = (state.commands as u32, session);
    Ok(())
}

fn swap(parameters: &mut Parameters) -> Result<(), Code> {
    let [Value(InOut, a, b), None, None, None] = parameters else {
        return Err(BAD_PARAMETERS);
    };
    core::mem::swap(a, b);
    Ok(())
}

fn all(parameters: &mut Parameters, buffers: &impl Buffers) -> Result<(), Code> {
    let [
        Value(InOut, a, b),
        Memory(In, input),
        Memory(Out, output),
        Memory(InOut, changed),
    ] = parameters
    else {
        return Err(BAD_PARAMETERS);
    };
    (*a, *b) = (*input as u32, *changed as u32);
    copy(buffers, (1, *input), (2, output))?;
    complement(buffers, 3, *changed)
}

fn identity(parameters: &mut Parameters, buffers: &impl Buffers, state: &State) -> Result<(), Code> {
    let [Value(Out, login, _), Memory(Out, output), None, None] = parameters else {
        return Err(BAD_PARAMETERS);
    };
    let uuid = state.identity.uuid;
    let room = core::mem::replace(output, uuid.len() as u64);
    if room < uuid.len() as u64 {
        return Err(SHORT_BUFFER);
    }
    *login = state.identity.login;
    good(buffers.write(1, 0, &uuid))
}
