//! The TEE as a whole: runs requests on shared memory, sessions and services.
use crate::asker::Asker;
use crate::code::{self, BAD_PARAMETERS, Code, ITEM_NOT_FOUND, OUT_OF_MEMORY, Origin, SUCCESS};
use crate::message::{self, Command, Direction, HEADER, Header, LONGEST, MAX_FOR_SERVICE, Marked, PARAMETER};
use crate::notify::Notifications;
use crate::request::{Answer, Request};
use crate::services::{self, Buffers, Given, Identity, Parameter, Parameters, Service};
use crate::sessions::Sessions;
use crate::shares::{Held, Shares};
use sp_rt::Locked;
use sp_rt::ffa::Error;
use sp_rt::retrieve::{self, Mailbox, Range, Sink};

/// The window in which shared memory appears. Both calls copy; false outside of the window.
pub trait Memory {
    /// Copies from shared memory.
    fn read(&self, address: u64, to: &mut [u8]) -> bool;
    /// Copies to shared memory.
    fn write(&self, address: u64, from: &[u8]) -> bool;
}

/// What a TEE keeps about its clients; large, so it stands in a static.
pub struct Tables {
    shares: Locked<Shares>,
    sessions: Locked<Sessions>,
}

impl Tables {
    /// No shares, no sessions.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            shares: Locked::new(Shares::new()),
            sessions: Locked::new(Sessions::new()),
        }
    }
}

impl Default for Tables {
    fn default() -> Self {
        Self::new()
    }
}

/// A TEE. Any number of contexts call it at once.
///
/// Locks are held for a bounded time and never while a service runs; `mailbox` is taken before
/// `shares`, never after.
pub struct Tee<B: Mailbox, M: Memory> {
    own: u16,
    given: Given,
    memory: M,
    mailbox: Locked<B>,
    shares: &'static Locked<Shares>,
    sessions: &'static Locked<Sessions>,
    notifications: Notifications,
    asker: Asker,
}

/// What a failed call reports.
type Failure = (Code, Origin);

const fn here(code: Code) -> Failure {
    (code, Origin::Tee)
}

/// Another command runs in the session: the message is left as it was, and the driver brings it again when a call of
/// its has ended. So the commands of a session run one after the other, as with OP-TEE.
const LATER: Failure = here(code::BUSY);

/// Memory of a parameter, in use for the time of a call.
struct Place {
    held: Held,
    offset: u64,
    size: u64,
}

/// The parameters of a call, as the service sees them, with the memory behind them.
struct Prepared {
    parameters: Parameters,
    places: [Option<Place>; MAX_FOR_SERVICE],
}

impl<B: Mailbox, M: Memory> Tee<B, M> {
    /// A TEE of endpoint ID `own`. Its key never leaves it; without a key, the hash service wants one
    /// from its client, and nothing can be stored.
    pub const fn new(own: u16, given: Given, mailbox: B, memory: M, tables: &'static Tables) -> Self {
        Self {
            own,
            given,
            memory,
            mailbox: Locked::new(mailbox),
            shares: &tables.shares,
            sessions: &tables.sessions,
            notifications: Notifications::new(),
            asker: Asker::new(),
        }
    }

    /// Its own endpoint ID.
    pub const fn own(&self) -> u16 {
        self.own
    }

    /// Answers a request of `sender` that takes no thread; `None` for the ones that do.
    pub fn immediate(&self, sender: u16, request: Request) -> Option<Answer> {
        Some(match request {
            Request::ApiVersion => Answer::ApiVersion,
            Request::OsVersion => Answer::OsVersion,
            Request::Capabilities => Answer::Capabilities,
            Request::Unregister { handle } => self.unregister(sender, handle),
            Request::EnableNotifications { number } => {
                let enabled = self.notifications.enable(sender, number);
                Answer::Notifications(enabled.err().unwrap_or(SUCCESS))
            }
            Request::UnknownCall => Answer::Denied,
            Request::Unknown => Answer::Unknown,
            Request::Call { .. } | Request::Resume { .. } => return None,
        })
    }

    /// Answers a request of `sender` to its end, for a TEE that has no threads to leave and resume.
    pub fn at_once(&self, sender: u16, request: Request) -> Answer {
        self.immediate(sender, request).unwrap_or_else(|| match request {
            Request::Call { handle, offset } => Answer::Done(self.call(sender, handle, offset)),
            _ => Answer::Unknown,
        })
    }

    /// Gives a share back, unless a call uses it. One that never came here is not missed.
    fn unregister(&self, sender: u16, handle: u64) -> Answer {
        self.mailbox.with(
            |mailbox| match self.shares.with(|shares| shares.forget(handle, sender)) {
                Ok(true) => {
                    retrieve::relinquish(mailbox, self.own, handle);
                    Answer::Unregistered
                }
                Ok(false) => Answer::Unregistered,
                Err(_) => Answer::InUse,
            },
        )
    }

    /// Does what the message at `offset` of a share of `sender` says, and writes the answer there.
    ///
    /// Gives [`SUCCESS`] if there is a message that could be answered, whatever the answer, and [`code::BUSY`] if it has
    /// to be brought again later.
    pub fn call(&self, sender: u16, handle: u64, offset: u32) -> Code {
        let Ok(held) = self.acquire(sender, handle) else {
            return BAD_PARAMETERS;
        };
        let result = self.answer(sender, &held, u64::from(offset));
        self.shares.with(|shares| shares.release(held));
        match result {
            Ok(()) => SUCCESS,
            Err(code) => code,
        }
    }

    /// Takes a share into use, and retrieves it if it is not here yet.
    fn acquire(&self, sender: u16, handle: u64) -> Result<Held, Code> {
        if let Some(held) = self.shares.with(|shares| shares.take(handle, sender)) {
            return Ok(held);
        }
        self.mailbox.with(|mailbox| {
            // Somebody else may have brought it meanwhile.
            if let Some(held) = self.shares.with(|shares| shares.take(handle, sender)) {
                return Ok(held);
            }
            let mut incoming = Incoming {
                shares: self.shares,
                handle,
                sender,
                begun: None,
                filled: 0,
            };
            let result = retrieve::retrieve(mailbox, self.own, sender, handle, &mut incoming);
            match (result, incoming.begun) {
                (Ok(()), Some(index)) => Ok(self.shares.with(|shares| shares.ready(index))),
                (result, begun) => {
                    if let Some(index) = begun {
                        self.shares.with(|shares| shares.drop_begun(index));
                    }
                    Err(if result == Err(Error::NO_MEMORY) {
                        OUT_OF_MEMORY
                    } else {
                        BAD_PARAMETERS
                    })
                }
            }
        })
    }

    /// Reads, runs and answers a message. The copy that is read here is the only one that is used.
    fn answer(&self, sender: u16, held: &Held, offset: u64) -> Result<(), Code> {
        let mut bytes = [0; LONGEST];
        let (head, rest) = bytes.split_first_chunk_mut::<HEADER>().ok_or(BAD_PARAMETERS)?;
        if !offset.is_multiple_of(8) || !self.read(held, offset, head) {
            return Err(BAD_PARAMETERS);
        }
        let header = Header::parse(head);
        if header.parameters > message::MAX_IN_PAGE {
            return Err(BAD_PARAMETERS);
        }
        let after = offset + HEADER as u64;
        let count = header.parameters as usize;
        let parameters = match rest.get_mut(..count * PARAMETER) {
            Some(rest) => {
                if !self.read(held, after, rest) {
                    return Err(BAD_PARAMETERS);
                }
                message::parameters(rest)
            }
            None => Err(BAD_PARAMETERS),
        };
        let result = match parameters {
            Ok(parameters) => self.run(sender, &header, &parameters, held, after),
            Err(code) => Err(here(code)),
        };
        let (session, code, origin) = match result {
            Ok(session) => (session, SUCCESS, Origin::Tee),
            Err(LATER) => return Err(code::BUSY),
            Err((code, origin)) => (0, code, origin),
        };
        let opened = header.command == Command::Open;
        let written = (!opened || self.write_word(held, offset + message::SESSION_AT, session))
            && self.write_word(held, offset + message::CODE_AT, code)
            && self.write_word(held, offset + message::ORIGIN_AT, origin as u32);
        if written { Ok(()) } else { Err(BAD_PARAMETERS) }
    }

    /// Runs a message; gives the number of the session that it opened, else 0. `at` is where its
    /// parameters stand.
    fn run(
        &self,
        sender: u16,
        header: &Header,
        all: &[Marked],
        held: &Held,
        at: u64,
    ) -> Result<u32, Failure> {
        let id = header.session;
        match header.command {
            Command::Open => self.open(sender, all).map_err(here),
            Command::Invoke => self.invoke(sender, header, all, held, at).map(|()| 0),
            Command::Close if all.is_empty() => self
                .sessions
                .with(|sessions| sessions.close(sender, id))
                .map(|()| 0)
                .map_err(here),
            Command::Cancel if all.is_empty() => self
                .sessions
                .with(|sessions| sessions.cancel(sender, id, header.cancel_id))
                .map(|()| 0)
                .map_err(here),
            Command::BottomHalf if all.is_empty() => {
                self.notifications.served();
                Ok(0)
            }
            Command::StopNotifications if all.is_empty() => {
                self.notifications.disable(sender);
                Ok(0)
            }
            _ => Err(here(BAD_PARAMETERS)),
        }
    }

    /// Opens a session. The services here do not look at parameters of the opening.
    fn open(&self, sender: u16, all: &[Marked]) -> Result<u32, Code> {
        use message::Parameter::Value;
        let [
            Marked {
                meta: true,
                parameter: Value(Direction::In, uuid),
            },
            Marked {
                meta: true,
                parameter: Value(Direction::In, client),
            },
            rest @ ..,
        ] = all
        else {
            return Err(BAD_PARAMETERS);
        };
        if rest.len() > MAX_FOR_SERVICE || rest.iter().any(|p| p.meta) {
            return Err(BAD_PARAMETERS);
        }
        let service = Service::find(message::uuid(*uuid)).ok_or(ITEM_NOT_FOUND)?;
        let identity = Identity {
            login: client[2] as u32,
            uuid: message::uuid(*client),
        };
        self.sessions
            .with(|sessions| sessions.open(sender, service, identity))
    }

    fn invoke(
        &self,
        sender: u16,
        header: &Header,
        all: &[Marked],
        held: &Held,
        at: u64,
    ) -> Result<(), Failure> {
        let mut prepared = self.prepare(sender, all).map_err(here)?;
        let result = self.invoke_prepared(sender, header, &mut prepared);
        let written = result == Err(LATER) || self.write_back(all, &prepared.parameters, held, at);
        for place in prepared.places.into_iter().flatten() {
            self.shares.with(|shares| shares.release(place.held));
        }
        result?;
        if written {
            Ok(())
        } else {
            Err(here(BAD_PARAMETERS))
        }
    }

    fn invoke_prepared(&self, sender: u16, header: &Header, prepared: &mut Prepared) -> Result<(), Failure> {
        let id = header.session;
        let (service, mut state) = self
            .sessions
            .with(|sessions| sessions.begin(sender, id, header.cancel_id))
            .map_err(here)?;
        let buffers = Reach {
            tee: self,
            places: &prepared.places,
            sender,
            session: id,
        };
        let parameters = &mut prepared.parameters;
        let result = services::invoke(
            service,
            header.function,
            id,
            parameters,
            &buffers,
            &mut state,
            &self.given,
        );
        self.sessions.with(|sessions| sessions.end(sender, id, state));
        result.map_err(|code| (code, Origin::Service))
    }

    /// Takes the memory of all parameters into use and checks that they lie in it.
    fn prepare(&self, sender: u16, all: &[Marked]) -> Result<Prepared, Code> {
        let mut prepared = Prepared {
            parameters: [Parameter::None; 4],
            places: [const { None }; 4],
        };
        let result = self.prepare_each(sender, all, &mut prepared);
        if result.is_err() {
            for place in prepared.places.iter_mut().filter_map(Option::take) {
                self.shares.with(|shares| shares.release(place.held));
            }
        }
        result.map(|()| prepared)
    }

    fn prepare_each(&self, sender: u16, all: &[Marked], prepared: &mut Prepared) -> Result<(), Code> {
        if all.len() > MAX_FOR_SERVICE || all.iter().any(|p| p.meta) {
            return Err(BAD_PARAMETERS);
        }
        for (n, marked) in all.iter().enumerate() {
            prepared.parameters[n] = match marked.parameter {
                message::Parameter::None => Parameter::None,
                message::Parameter::Value(direction, [a, b, _]) => {
                    Parameter::Value(direction, a as u32, b as u32)
                }
                message::Parameter::Memory(direction, place) => {
                    if let Some(handle) = place.handle {
                        let held = self.acquire(sender, handle)?;
                        let length = self.shares.with(|shares| shares.length(&held));
                        let end = place.offset.checked_add(place.size);
                        let inside = end.is_some_and(|end| end <= length);
                        prepared.places[n] = Some(Place {
                            held,
                            offset: place.offset,
                            size: place.size,
                        });
                        if !inside {
                            return Err(BAD_PARAMETERS);
                        }
                        Parameter::Memory(direction, place.size)
                    } else if place.size == 0 {
                        // A reference to nothing: nothing can be read or written, an output that is
                        // needed is too short.
                        Parameter::Memory(direction, 0)
                    } else {
                        return Err(BAD_PARAMETERS);
                    }
                }
            };
        }
        Ok(())
    }

    /// Writes what goes out: two numbers, or a size.
    fn write_back(&self, all: &[Marked], parameters: &Parameters, held: &Held, at: u64) -> bool {
        (0..all.len()).all(|n| {
            let at = at + (n * PARAMETER) as u64;
            match parameters[n] {
                Parameter::Value(Direction::Out | Direction::InOut, a, b) => {
                    let mut bytes = [0; 16];
                    bytes[..8].copy_from_slice(&u64::from(a).to_le_bytes());
                    bytes[8..].copy_from_slice(&u64::from(b).to_le_bytes());
                    self.write(held, at + 8, &bytes)
                }
                Parameter::Memory(Direction::Out | Direction::InOut, size) => {
                    self.write(held, at + 16, &size.to_le_bytes())
                }
                _ => true,
            }
        })
    }

    fn write_word(&self, held: &Held, offset: u64, word: u32) -> bool {
        self.write(held, offset, &word.to_le_bytes())
    }

    fn read(&self, held: &Held, offset: u64, mut to: &mut [u8]) -> bool {
        let mut at = offset;
        while !to.is_empty() {
            let Some((address, length)) = self.shares.with(|shares| shares.locate(held, at)) else {
                return false;
            };
            let now = length.min(to.len() as u64);
            let (part, rest) = to.split_at_mut(now as usize);
            if !self.memory.read(address, part) {
                return false;
            }
            at += now;
            to = rest;
        }
        true
    }

    fn write(&self, held: &Held, offset: u64, mut from: &[u8]) -> bool {
        let mut at = offset;
        while !from.is_empty() {
            let Some((address, length)) = self.shares.with(|shares| shares.locate(held, at)) else {
                return false;
            };
            let now = length.min(from.len() as u64);
            let (part, rest) = from.split_at(now as usize);
            if !self.memory.write(address, part) {
                return false;
            }
            at += now;
            from = rest;
        }
        true
    }
}

/// What a service reaches of the clients' memory.
struct Reach<'a, B: Mailbox, M: Memory> {
    tee: &'a Tee<B, M>,
    places: &'a [Option<Place>; MAX_FOR_SERVICE],
    sender: u16,
    session: u32,
}

impl<B: Mailbox, M: Memory> Reach<'_, B, M> {
    /// The place `which`, if `length` bytes from `offset` on lie in it.
    fn place(&self, which: usize, offset: u64, length: usize) -> Option<&Place> {
        let place = self.places.get(which)?.as_ref()?;
        (offset.checked_add(length as u64)? <= place.size).then_some(place)
    }
}

impl<B: Mailbox, M: Memory> Buffers for Reach<'_, B, M> {
    fn read(&self, which: usize, offset: u64, to: &mut [u8]) -> bool {
        let place = self.place(which, offset, to.len());
        place.is_some_and(|place| self.tee.read(&place.held, place.offset + offset, to))
    }

    fn write(&self, which: usize, offset: u64, from: &[u8]) -> bool {
        let place = self.place(which, offset, from.len());
        place.is_some_and(|place| self.tee.write(&place.held, place.offset + offset, from))
    }

    fn cancelled(&self) -> bool {
        self.tee
            .sessions
            .with(|sessions| sessions.cancelled(self.sender, self.session))
    }

    fn notify(&self) -> Result<(), Code> {
        self.tee.notifications.notify(self.tee.given.notify)
    }

    fn halves(&self) -> u32 {
        self.tee.notifications.halves()
    }

    fn record(&self) -> Result<[u8; sensors::page::BYTES], Code> {
        let tee = self.tee;
        let means = tee.given.means.as_ref().ok_or(ITEM_NOT_FOUND)?;
        tee.asker.ask(&tee.mailbox, tee.own, means, || self.cancelled())
    }
}

/// A share on its way into the table.
struct Incoming<'a> {
    shares: &'a Locked<Shares>,
    handle: u64,
    sender: u16,
    begun: Option<usize>,
    filled: usize,
}

impl Sink for Incoming<'_> {
    fn begin(&mut self, ranges: usize) -> Result<(), Error> {
        let begun = self
            .shares
            .with(|shares| shares.begin(self.handle, self.sender, ranges));
        self.begun = Some(begun.map_err(|_| Error::NO_MEMORY)?);
        Ok(())
    }

    fn range(&mut self, range: Range) -> Result<(), Error> {
        let index = self.begun.ok_or(Error::INVALID_PARAMETERS)?;
        let filled = self.shares.with(|shares| shares.fill(index, self.filled, range));
        self.filled += 1;
        filled.map_err(|_| Error::INVALID_PARAMETERS)
    }
}

// The driver waits when it gets this code, and only then.
const _: () = assert!(code::BUSY == 0xFFFF_000D);

#[cfg(test)]
mod tests;
