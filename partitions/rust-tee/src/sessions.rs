//! Open sessions: which service, whose, and the command that runs in each.
use crate::code::{BAD_PARAMETERS, BUSY, Code, OUT_OF_MEMORY};
use crate::services::{Identity, Service, State};

/// How many sessions are open at once.
pub const MAX_SESSIONS: usize = 32;
/// Bits of a session's number that say its place; the others count its uses, so that the number
/// of a closed session is not taken for a later one.
const PLACE_BITS: u32 = 8;

struct Session {
    id: u32,
    owner: u16,
    service: Service,
    /// The operation that runs, by the client's number.
    running: Option<u32>,
    cancelled: bool,
    /// The client closed it while a command ran: it ends with the command.
    closing: bool,
    /// What the service keeps; moved out while a command runs.
    state: State,
}

/// All sessions.
pub struct Sessions {
    open: [Option<Session>; MAX_SESSIONS],
    uses: [u32; MAX_SESSIONS],
}

impl Sessions {
    /// None open.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            open: [const { None }; MAX_SESSIONS],
            uses: [0; MAX_SESSIONS],
        }
    }

    /// Opens a session of `owner` and gives its number (never 0).
    ///
    /// # Errors
    /// OUT_OF_MEMORY if all are in use.
    pub fn open(&mut self, owner: u16, service: Service, identity: Identity) -> Result<u32, Code> {
        let place = self.open.iter().position(Option::is_none).ok_or(OUT_OF_MEMORY)?;
        self.uses[place] = self.uses[place] % ((1 << (32 - PLACE_BITS)) - 1) + 1;
        let id = self.uses[place] << PLACE_BITS | place as u32;
        self.open[place] = Some(Session {
            id,
            owner,
            service,
            running: None,
            cancelled: false,
            closing: false,
            state: State::of(identity),
        });
        Ok(id)
    }

    fn get(&mut self, owner: u16, id: u32) -> Result<&mut Session, Code> {
        let place = (id & ((1 << PLACE_BITS) - 1)) as usize;
        let session = self.open.get_mut(place).and_then(Option::as_mut);
        session
            .filter(|s| s.id == id && s.owner == owner)
            .ok_or(BAD_PARAMETERS)
    }

    /// Closes a session. One in which a command runs takes no more, and is gone when that ends: the driver in Linux
    /// forgets a session whatever it is answered.
    ///
    /// # Errors
    /// BAD_PARAMETERS if it is not this owner's, or closed already.
    pub fn close(&mut self, owner: u16, id: u32) -> Result<(), Code> {
        let session = self.live(owner, id)?;
        if session.running.is_some() {
            session.closing = true;
        } else {
            self.remove(id);
        }
        Ok(())
    }

    fn remove(&mut self, id: u32) {
        self.open[(id & ((1 << PLACE_BITS) - 1)) as usize] = None;
    }

    /// One that was not closed.
    fn live(&mut self, owner: u16, id: u32) -> Result<&mut Session, Code> {
        let session = self.get(owner, id)?;
        if session.closing {
            Err(BAD_PARAMETERS)
        } else {
            Ok(session)
        }
    }

    /// Starts a command: the session is busy until [`Self::end`].
    ///
    /// # Errors
    /// BAD_PARAMETERS if it is not this owner's, BUSY while another command runs in it.
    pub fn begin(&mut self, owner: u16, id: u32, operation: u32) -> Result<(Service, State), Code> {
        let session = self.live(owner, id)?;
        if session.running.is_some() {
            return Err(BUSY);
        }
        session.running = Some(operation);
        session.cancelled = false;
        Ok((session.service, core::mem::take(&mut session.state)))
    }

    /// Ends a command, and with it a session that was closed meanwhile.
    pub fn end(&mut self, owner: u16, id: u32, state: State) {
        if let Ok(session) = self.get(owner, id) {
            session.running = None;
            session.state = state;
            if session.closing {
                self.remove(id);
            }
        }
    }

    /// Asks the command that runs to end.
    ///
    /// # Errors
    /// BAD_PARAMETERS if the session is not this owner's. No such command is no error: it may have
    /// ended just now.
    pub fn cancel(&mut self, owner: u16, id: u32, operation: u32) -> Result<(), Code> {
        let session = self.get(owner, id)?;
        session.cancelled |= session.running == Some(operation);
        Ok(())
    }

    /// Whether the command that runs in a session is to end.
    pub fn cancelled(&mut self, owner: u16, id: u32) -> bool {
        self.get(owner, id).is_ok_and(|session| session.cancelled)
    }
}

impl Default for Sessions {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOBODY: Identity = Identity::PUBLIC;

    #[test]
    fn numbers_of_closed_sessions_are_dead() {
        let mut sessions = Sessions::new();
        let first = sessions.open(0, Service::Echo, NOBODY).unwrap();
        assert_ne!(first, 0);
        sessions.close(0, first).unwrap();
        let second = sessions.open(0, Service::Hash, NOBODY).unwrap();
        assert_ne!(first, second);
        assert_eq!(sessions.close(0, first), Err(BAD_PARAMETERS));
        assert!(sessions.begin(0, first, 0).is_err());
        assert!(sessions.begin(0, second, 0).is_ok());
    }

    #[test]
    fn a_session_is_its_owners() {
        let mut sessions = Sessions::new();
        let id = sessions.open(3, Service::Echo, NOBODY).unwrap();
        assert!(sessions.begin(4, id, 0).is_err());
        assert_eq!(sessions.cancel(4, id, 0), Err(BAD_PARAMETERS));
        assert_eq!(sessions.close(4, id), Err(BAD_PARAMETERS));
        for wrong in [0, id + 1, id ^ 0x100, u32::MAX] {
            assert_eq!(sessions.close(3, wrong), Err(BAD_PARAMETERS));
        }
    }

    #[test]
    fn one_command_at_a_time_and_it_alone_is_cancelled() {
        let mut sessions = Sessions::new();
        let id = sessions.open(0, Service::Echo, NOBODY).unwrap();
        sessions.cancel(0, id, 5).unwrap();
        let (_, state) = sessions.begin(0, id, 5).unwrap();
        assert!(!sessions.cancelled(0, id), "cancelled before it began");
        assert!(matches!(sessions.begin(0, id, 6), Err(BUSY)));
        sessions.cancel(0, id, 6).unwrap();
        assert!(!sessions.cancelled(0, id), "that was another operation");
        sessions.cancel(0, id, 5).unwrap();
        assert!(sessions.cancelled(0, id));
        sessions.end(0, id, state);
        assert!(sessions.begin(0, id, 5).is_ok());
        assert!(!sessions.cancelled(0, id));
    }

    #[test]
    fn one_that_is_closed_in_its_command_ends_with_it() {
        let mut sessions = Sessions::new();
        let id = sessions.open(0, Service::Echo, NOBODY).unwrap();
        let (_, state) = sessions.begin(0, id, 5).unwrap();
        assert_eq!(sessions.close(0, id), Ok(()));
        assert_eq!(sessions.close(0, id), Err(BAD_PARAMETERS));
        assert!(matches!(sessions.begin(0, id, 6), Err(BAD_PARAMETERS)));
        sessions.cancel(0, id, 5).unwrap();
        assert!(
            sessions.cancelled(0, id),
            "who waits for the command may still cancel it"
        );
        let others: Vec<u32> = (1..MAX_SESSIONS)
            .map(|_| sessions.open(0, Service::Echo, NOBODY).unwrap())
            .collect();
        assert!(!others.contains(&id));
        assert_eq!(sessions.open(0, Service::Echo, NOBODY), Err(OUT_OF_MEMORY));
        sessions.end(0, id, state);
        assert_eq!(sessions.cancel(0, id, 5), Err(BAD_PARAMETERS));
        assert!(sessions.open(0, Service::Echo, NOBODY).is_ok());
    }

    #[test]
    fn they_are_counted() {
        let mut sessions = Sessions::new();
        let ids: Vec<u32> = (0..MAX_SESSIONS)
            .map(|_| sessions.open(0, Service::Echo, NOBODY).unwrap())
            .collect();
        assert_eq!(sessions.open(0, Service::Echo, NOBODY), Err(OUT_OF_MEMORY));
        sessions.close(0, ids[7]).unwrap();
        assert!(sessions.open(0, Service::Echo, NOBODY).is_ok());
    }
}
