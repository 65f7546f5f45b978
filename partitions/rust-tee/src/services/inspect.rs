//! What runs on this machine: hands a page of the hypervisor's own view to a client, as it is.
//!
//! The hypervisor answers only a partition that its table lets inspect; a client learns what that partition may know.
use super::Parameter::{Memory, None, Value};
use super::{Buffers, Given, Parameters, good};
use crate::code::{BAD_PARAMETERS, Code, ITEM_NOT_FOUND, NOT_SUPPORTED, SHORT_BUFFER};
use crate::message::Direction::{In, Out};

/// UUID of the service: b0b3ec40-7d3a-4f0e-9c52-1f0c8e6a7d04.
pub const UUID: [u8; 16] = 0xb0b3ec40_7d3a_4f0e_9c52_1f0c8e6a7d04_u128.to_be_bytes();

/// Parameter 0, a subject and a page in; parameter 1, the page's seven little-endian numbers of 64 bits out.
/// NOT_SUPPORTED where the hypervisor does not answer this TEE, ITEM_NOT_FOUND where there is no such page.
pub const PAGE: u32 = 0;

/// Parameter 0, a verifier's nonce of 32 bytes in; parameter 1, the signature of 64 bytes out. NOT_SUPPORTED where the
/// hypervisor signs nothing for this TEE.
pub const QUOTE: u32 = 1;

/// Bytes of a nonce, and of a signature.
pub const NONCE_BYTES: usize = 32;
/// See [`NONCE_BYTES`].
pub const SIGNATURE_BYTES: usize = 64;

/// Bytes of a page.
pub const PAGE_BYTES: usize = 56;

/// What the hypervisor says in x0 of a page, and in x0 of a call that it does not know.
const FOUND: u64 = 0;
const UNKNOWN: u64 = (-1_i64).cast_unsigned();

/// Runs a command.
pub(super) fn invoke(
    command: u32,
    parameters: &mut Parameters,
    buffers: &impl Buffers,
    given: &Given,
) -> Result<(), Code> {
    match command {
        PAGE => page(parameters, buffers, given),
        QUOTE => quote(parameters, buffers, given),
        _ => Err(NOT_SUPPORTED),
    }
}

fn page(parameters: &mut Parameters, buffers: &impl Buffers, given: &Given) -> Result<(), Code> {
    let [Value(In, subject, page), Memory(Out, output), None, None] = parameters else {
        return Err(BAD_PARAMETERS);
    };
    let room = core::mem::replace(output, PAGE_BYTES as u64);
    if room < PAGE_BYTES as u64 {
        return Err(SHORT_BUFFER);
    }
    let [status, words @ ..] = (given.inspect)(u64::from(*subject), u64::from(*page));
    match status {
        FOUND => good(buffers.write(1, 0, words.map(u64::to_le_bytes).as_flattened())),
        UNKNOWN => Err(NOT_SUPPORTED),
        _ => Err(ITEM_NOT_FOUND),
    }
}

fn quote(parameters: &mut Parameters, buffers: &impl Buffers, given: &Given) -> Result<(), Code> {
    let [Memory(In, length), Memory(Out, output), None, None] = parameters else {
        return Err(BAD_PARAMETERS);
    };
    if *length != NONCE_BYTES as u64 {
        return Err(BAD_PARAMETERS);
    }
    let room = core::mem::replace(output, SIGNATURE_BYTES as u64);
    if room < SIGNATURE_BYTES as u64 {
        return Err(SHORT_BUFFER);
    }
    // Once: both halves have to be for one nonce, whatever the client does to it meanwhile.
    let mut nonce = [0; NONCE_BYTES];
    good(buffers.read(0, 0, &mut nonce))?;
    let mut words = [0; NONCE_BYTES / 8];
    for (to, from) in words.iter_mut().zip(nonce.as_chunks::<8>().0) {
        *to = u64::from_le_bytes(*from);
    }
    for half in 0..2 {
        let [status, words @ ..] = (given.quote)(half, words);
        if status != FOUND {
            return Err(NOT_SUPPORTED);
        }
        let at = half * NONCE_BYTES as u64;
        good(buffers.write(1, at, words.map(u64::to_le_bytes).as_flattened()))?;
    }
    Ok(())
}
