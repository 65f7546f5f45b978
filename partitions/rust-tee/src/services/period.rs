//! How well the partition of sensors keeps its period: asks it for a client.
use super::Parameter::{Memory, None};
use super::{Buffers, Parameters, good};
use crate::code::{BAD_PARAMETERS, Code, NOT_SUPPORTED, SHORT_BUFFER};
use crate::message::Direction::Out;
use sensors::page::BYTES;

/// UUID of the service: b0b3ec40-7d3a-4f0e-9c52-1f0c8e6a7d05.
pub const UUID: [u8; 16] = 0xb0b3ec40_7d3a_4f0e_9c52_1f0c8e6a7d05_u128.to_be_bytes();

/// Parameter 0, memory out: the record, little-endian numbers of 64 bits as `sensors::record` has them. Errors are those
/// of [`crate::asker::Asker::ask`].
pub const RECORD: u32 = 0;

/// Runs a command.
pub(super) fn invoke(command: u32, parameters: &mut Parameters, buffers: &impl Buffers) -> Result<(), Code> {
    match command {
        RECORD => record(parameters, buffers),
        _ => Err(NOT_SUPPORTED),
    }
}

fn record(parameters: &mut Parameters, buffers: &impl Buffers) -> Result<(), Code> {
    let [Memory(Out, output), None, None, None] = parameters else {
        return Err(BAD_PARAMETERS);
    };
    let room = core::mem::replace(output, BYTES as u64);
    if room < BYTES as u64 {
        return Err(SHORT_BUFFER);
    }
    good(buffers.write(0, 0, &buffers.record()?))
}
