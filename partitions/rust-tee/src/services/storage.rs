//! The storage service: the client keeps what was sealed, and nobody but this TEE can open it.
use super::Parameter::{Memory, None};
use super::{Buffers, Given, Parameters, good};
use crate::code::{BAD_PARAMETERS, BAD_STATE, Code, NOT_SUPPORTED, SHORT_BUFFER};
use crate::message::Direction::{In, Out};
use crate::seal;
pub use crate::seal::OVERHEAD;

/// UUID of the storage service: b0b3ec40-7d3a-4f0e-9c52-1f0c8e6a7d03.
pub const UUID: [u8; 16] = 0xb0b3ec40_7d3a_4f0e_9c52_1f0c8e6a7d03_u128.to_be_bytes();

/// Parameter 0, 1 to 1,024 bytes in; parameter 1, the same sealed, [`OVERHEAD`] bytes longer, out.
pub const SEAL: u32 = 0;
/// Parameter 0, what was sealed in; parameter 1, the bytes out. MAC_INVALID where another TEE sealed it,
/// or it was changed.
pub const OPEN: u32 = 1;

/// Runs a command.
pub(super) fn invoke(
    command: u32,
    parameters: &mut Parameters,
    buffers: &impl Buffers,
    given: &Given,
) -> Result<(), Code> {
    match command {
        SEAL => sealed(parameters, buffers, given),
        OPEN => opened(parameters, buffers, given.key.as_ref()),
        _ => Err(NOT_SUPPORTED),
    }
}

fn sealed(parameters: &mut Parameters, buffers: &impl Buffers, given: &Given) -> Result<(), Code> {
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
    seal::seal(given.key.as_ref().ok_or(BAD_STATE)?, given.random, bytes)?;
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
