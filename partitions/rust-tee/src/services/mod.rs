//! The services that this TEE hosts: echo, keyed hash, sealed storage, what runs here, and the period of sensors. Their numbers are part of
//! their interface.
use crate::asker::Means;
use crate::code::{BAD_PARAMETERS, CANCEL, Code};
use crate::message::Direction;
use crate::notify::Send;

pub mod echo;
pub mod hash;
pub mod inspect;
pub mod period;
pub mod storage;
#[cfg(test)]
mod tests;

/// Bytes that are copied at once: few copies where each is a call, and room left on a stack of 16 KiB.
const PIECE: usize = 2048;

/// A service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// The echo service.
    Echo,
    /// The keyed-hash service.
    Hash,
    /// The storage service.
    Storage,
    /// The service that tells what runs here.
    Inspect,
    /// The service that tells how well a period is kept.
    Period,
}

impl Service {
    /// The service of this UUID.
    #[must_use]
    pub fn find(uuid: [u8; 16]) -> Option<Self> {
        match uuid {
            echo::UUID => Some(Self::Echo),
            hash::UUID => Some(Self::Hash),
            storage::UUID => Some(Self::Storage),
            inspect::UUID => Some(Self::Inspect),
            period::UUID => Some(Self::Period),
            _ => Option::None,
        }
    }
}

/// Who opened a session, as the driver in Linux says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The login method (GPD_SPE_007, section 4.4.4; those of the normal world's kernel are from 0x80000000 on).
    pub login: u32,
    /// What the driver made of the user or group, as written; nil for a public login.
    pub uuid: [u8; 16],
}

impl Identity {
    /// Nobody in particular.
    pub const PUBLIC: Self = Self {
        login: 0,
        uuid: [0; 16],
    };
}

/// What a service keeps for a session.
#[derive(Clone)]
pub struct State {
    identity: Identity,
    commands: u64,
    key: [u8; hash::LONGEST_KEY],
    key_length: usize,
}

impl State {
    /// Of a session that nobody in particular opened just now.
    #[must_use]
    pub const fn new() -> Self {
        Self::of(Identity::PUBLIC)
    }

    /// Of a session that somebody opened just now.
    #[must_use]
    pub const fn of(identity: Identity) -> Self {
        Self {
            identity,
            commands: 0,
            key: [0; hash::LONGEST_KEY],
            key_length: 0,
        }
    }
}

impl Default for State {
    fn default() -> Self {
        Self::new()
    }
}

/// What the hypervisor gives this TEE.
#[derive(Clone, Copy)]
pub struct Given {
    /// Its key; none where nobody gave it one and the core has no random numbers.
    pub key: Option<[u8; 32]>,
    /// Random numbers of the core; none where it has no source of them.
    pub random: fn() -> Option<u64>,
    /// Asks the hypervisor for a page about a subject (docs/inspect.md): x0 to x7 of its answer.
    pub inspect: fn(subject: u64, page: u64) -> [u64; 8],
    /// Asks the hypervisor for half of a signature for a nonce (docs/measured.md): x0 to x4 of its answer.
    pub quote: fn(half: u64, nonce: [u64; 4]) -> [u64; 5],
    /// Sets notifications of a receiver.
    pub notify: Send,
    /// What asking the partition of sensors takes; none for a TEE that cannot.
    pub means: Option<Means>,
}

/// What a command reaches outside of itself: the clients' memory that it was given, by copies only, and the driver.
pub trait Buffers {
    /// Copies from memory `which`; false outside of it.
    fn read(&self, which: usize, offset: u64, to: &mut [u8]) -> bool;
    /// Copies to memory `which`; false outside of it.
    fn write(&self, which: usize, offset: u64, from: &[u8]) -> bool;
    /// Whether the command is to end.
    fn cancelled(&self) -> bool;
    /// Notifies the driver.
    ///
    /// # Errors
    /// BAD_STATE where no driver wants that, or it was refused.
    fn notify(&self) -> Result<(), Code>;
    /// How often the driver called for its bottom half.
    fn halves(&self) -> u32;
    /// Asks the partition of sensors for its record.
    ///
    /// # Errors
    /// Those of [`crate::asker::Asker::ask`].
    fn record(&self) -> Result<[u8; sensors::page::BYTES], Code>;
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
    given: &Given,
) -> Result<(), Code> {
    state.commands += 1;
    match service {
        Service::Echo => echo::invoke(command, session, parameters, buffers, state),
        Service::Hash => hash::invoke(command, parameters, buffers, state, given.key.as_ref()),
        Service::Storage => storage::invoke(command, parameters, buffers, given),
        Service::Inspect => inspect::invoke(command, parameters, buffers, given),
        Service::Period => period::invoke(command, parameters, buffers),
    }
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
