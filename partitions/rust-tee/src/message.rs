//! The message of a call: a header and parameters in shared memory, read from a copy.
//!
//! Layout (little-endian): eight words `cmd func session cancel_id pad ret ret_origin num_params`,
//! then `num_params` parameters of 32 bytes: `attr` and three 64-bit numbers.
use crate::code::{BAD_PARAMETERS, Code};
use heapless::Vec;

/// Bytes of the header.
pub const HEADER: usize = 32;
/// Bytes of a parameter.
pub const PARAMETER: usize = 32;
/// The most parameters a message may have and still be answered.
pub const MAX_IN_PAGE: u32 = 127;
/// Parameters for a service.
pub const MAX_FOR_SERVICE: usize = 4;
/// Parameters for this TEE itself, which come first when a session is opened.
pub const META: usize = 2;
/// The most parameters that are understood.
pub const MAX: usize = MAX_FOR_SERVICE + META;
/// Bytes of the longest message that is read as a whole.
pub const LONGEST: usize = HEADER + MAX * PARAMETER;
/// Where the header holds the session, the code, the origin.
pub const SESSION_AT: u64 = 8;
/// See [`SESSION_AT`].
pub const CODE_AT: u64 = 20;
/// See [`SESSION_AT`].
pub const ORIGIN_AT: u64 = 24;

/// The handle that stands for no memory.
const NO_MEMORY: u64 = u64::MAX;
const ATTRIBUTE_META: u64 = 1 << 8;
const PAGE: u16 = 4096;

/// What a message asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Opens a session.
    Open,
    /// Invokes a command in a session.
    Invoke,
    /// Closes a session.
    Close,
    /// Cancels the command that runs in a session.
    Cancel,
    /// The driver was notified, and gives the TEE time.
    BottomHalf,
    /// The driver takes no notifications any more.
    StopNotifications,
    /// Nothing that is known.
    Unknown,
}

/// The fixed part of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What is asked for.
    pub command: Command,
    /// The service's command.
    pub function: u32,
    /// The session.
    pub session: u32,
    /// The client's number of this operation.
    pub cancel_id: u32,
    /// How many parameters follow.
    pub parameters: u32,
}

/// Which way a parameter goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client.
    In,
    /// To the client.
    Out,
    /// Both.
    InOut,
}

/// A place in shared memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// FF-A handle; `None` for a reference to nothing.
    pub handle: Option<u64>,
    /// First byte, counted from the start of the memory.
    pub offset: u64,
    /// Length in bytes.
    pub size: u64,
}

/// A parameter as the message has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameter {
    /// None.
    None,
    /// Three numbers (the third one is used by the TEE itself only).
    Value(Direction, [u64; 3]),
    /// Memory.
    Memory(Direction, Place),
}

/// A parameter and whether it is for the TEE itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marked {
    /// For the TEE itself, not for the service.
    pub meta: bool,
    /// What it is.
    pub parameter: Parameter,
}

fn word(bytes: &[u8], at: usize) -> u32 {
    let (_, rest) = bytes.split_at(at);
    rest.first_chunk().map_or(0, |word| u32::from_le_bytes(*word))
}

fn long(bytes: &[u8], at: usize) -> u64 {
    let (_, rest) = bytes.split_at(at);
    rest.first_chunk().map_or(0, |long| u64::from_le_bytes(*long))
}

impl Header {
    /// Reads the header.
    #[must_use]
    pub fn parse(bytes: &[u8; HEADER]) -> Self {
        let command = match word(bytes, 0) {
            0 => Command::Open,
            1 => Command::Invoke,
            2 => Command::Close,
            3 => Command::Cancel,
            6 => Command::BottomHalf,
            7 => Command::StopNotifications,
            _ => Command::Unknown,
        };
        Self {
            command,
            function: word(bytes, 4),
            session: word(bytes, 8),
            cancel_id: word(bytes, 12),
            parameters: word(bytes, 28),
        }
    }
}

impl Marked {
    /// Reads a parameter.
    ///
    /// # Errors
    /// BAD_PARAMETERS for a type or a flag that FF-A does not use, or a place that is none.
    pub fn parse(bytes: &[u8; PARAMETER]) -> Result<Self, Code> {
        let attributes = long(bytes, 0);
        if attributes & !(0xff | ATTRIBUTE_META) != 0 {
            return Err(BAD_PARAMETERS);
        }
        let kind = attributes & 0xff;
        let direction = match kind & 3 {
            1 => Direction::In,
            2 => Direction::Out,
            _ => Direction::InOut,
        };
        let parameter = match kind {
            0 => Parameter::None,
            1..=3 => Parameter::Value(direction, [long(bytes, 8), long(bytes, 16), long(bytes, 24)]),
            5..=7 => Parameter::Memory(direction, Place::parse(bytes)?),
            _ => return Err(BAD_PARAMETERS),
        };
        Ok(Self {
            meta: attributes & ATTRIBUTE_META != 0,
            parameter,
        })
    }
}

impl Place {
    fn parse(bytes: &[u8; PARAMETER]) -> Result<Self, Code> {
        let internal = (word(bytes, 12) >> 16) as u16;
        let high = u64::from(word(bytes, 12) & 0xffff);
        let offset = high << 32 | u64::from(word(bytes, 8));
        let (size, handle) = (long(bytes, 16), long(bytes, 24));
        if handle == NO_MEMORY {
            return Ok(Self {
                handle: None,
                offset: 0,
                size,
            });
        }
        if internal >= PAGE {
            return Err(BAD_PARAMETERS);
        }
        Ok(Self {
            handle: Some(handle),
            offset: offset + u64::from(internal),
            size,
        })
    }
}

/// Reads all parameters, at most [`MAX`].
///
/// # Errors
/// BAD_PARAMETERS where one is wrong, there are too many, or one for the TEE follows one that is not.
pub fn parameters(bytes: &[u8]) -> Result<Vec<Marked, MAX>, Code> {
    let mut all = Vec::new();
    for chunk in bytes.as_chunks::<PARAMETER>().0 {
        let marked = Marked::parse(chunk)?;
        let late = marked.meta && all.last().is_some_and(|before: &Marked| !before.meta);
        if late || all.push(marked).is_err() {
            return Err(BAD_PARAMETERS);
        }
    }
    Ok(all)
}

/// The 16 bytes of a UUID, in the order in which it is written, from two numbers of a parameter.
#[must_use]
pub fn uuid(value: [u64; 3]) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&value[0].to_le_bytes());
    bytes[8..].copy_from_slice(&value[1].to_le_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(attributes: u64, a: u64, b: u64, c: u64) -> [u8; PARAMETER] {
        let mut bytes = [0; PARAMETER];
        for (n, value) in [attributes, a, b, c].into_iter().enumerate() {
            bytes[n * 8..][..8].copy_from_slice(&value.to_le_bytes());
        }
        bytes
    }

    #[test]
    fn memory_has_a_split_offset() {
        // offs_low 0x1000, offs_high 2, internal_offs 0x30
        let bytes = parameter(5, 0x0030_0002_0000_1000, 64, 7);
        let place = Place {
            handle: Some(7),
            offset: 0x2_0000_1030,
            size: 64,
        };
        let expected = Marked {
            meta: false,
            parameter: Parameter::Memory(Direction::In, place),
        };
        assert_eq!(Marked::parse(&bytes), Ok(expected));
    }

    #[test]
    fn wrong_parameters_are_refused() {
        // Types between and behind the known ones, temporary memory, unknown flags, an internal
        // offset of a page.
        for attributes in [4, 8, 9, 10, 11, 12, 0xff, 1 << 9, 1 | 1 << 16, 1 | 1 << 63] {
            assert_eq!(
                Marked::parse(&parameter(attributes, 0, 0, 0)),
                Err(BAD_PARAMETERS),
                "{attributes:#x}"
            );
        }
        assert_eq!(
            Marked::parse(&parameter(6, 0x1000 << 48, 0, 7)),
            Err(BAD_PARAMETERS)
        );
    }

    #[test]
    fn parameters_for_the_tee_come_first() {
        let meta = parameter(0x101, 1, 2, 3);
        let plain = parameter(1, 1, 2, 3);
        assert_eq!(
            parameters(&[meta, meta, plain].concat()).map(|all| all.len()),
            Ok(3)
        );
        assert_eq!(parameters(&[meta, plain, meta].concat()), Err(BAD_PARAMETERS));
        assert_eq!(parameters(&[plain; 7].concat()), Err(BAD_PARAMETERS));
    }

    #[test]
    fn nothing_is_a_place_too() {
        let place = Place {
            handle: None,
            offset: 0,
            size: 5,
        };
        let expected = Marked {
            meta: false,
            parameter: Parameter::Memory(Direction::Out, place),
        };
        assert_eq!(Marked::parse(&parameter(6, u64::MAX, 5, u64::MAX)), Ok(expected));
    }
}
