//! The keyed-hash service: HMAC-SHA-256 with a key of the session, or of the TEE.
use super::Parameter::{Memory, None};
use super::{Buffers, Parameters, State, good, pieces};
use crate::code::{BAD_PARAMETERS, BAD_STATE, Code, MAC_INVALID, NOT_SUPPORTED, SHORT_BUFFER};
use crate::message::Direction::{In, Out};
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// UUID of the keyed-hash service: b0b3ec40-7d3a-4f0e-9c52-1f0c8e6a7d02.
pub const UUID: [u8; 16] = 0xb0b3ec40_7d3a_4f0e_9c52_1f0c8e6a7d02_u128.to_be_bytes();

/// Parameter 0, a message in; parameter 1, its tag (HMAC-SHA-256) out.
pub const TAG: u32 = 0;
/// Parameter 0, 1 to 64 bytes in: the key of this session from now on.
pub const SET_KEY: u32 = 1;
/// Parameter 0, a message in; parameter 1, its tag in.
pub const VERIFY: u32 = 2;

/// Bytes of a tag.
pub const TAG_BYTES: usize = 32;
/// The longest key in bytes.
pub(super) const LONGEST_KEY: usize = 64;

/// Runs a command.
pub(super) fn invoke(
    command: u32,
    parameters: &mut Parameters,
    buffers: &impl Buffers,
    state: &mut State,
    own_key: Option<&[u8; 32]>,
) -> Result<(), Code> {
    match command {
        TAG => tag(parameters, buffers, state, own_key),
        SET_KEY => set_key(parameters, buffers, state),
        VERIFY => verify(parameters, buffers, state, own_key),
        _ => Err(NOT_SUPPORTED),
    }
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
    let room = core::mem::replace(output, TAG_BYTES as u64);
    if room < TAG_BYTES as u64 {
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
    if *size != TAG_BYTES as u64 {
        return Err(MAC_INVALID);
    }
    let mut tag = [0; TAG_BYTES];
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
