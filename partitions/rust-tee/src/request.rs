//! Direct messages of Linux's OP-TEE driver over FF-A: what w3 to w7 ask for, and the answers.

use crate::code::{self, Code};
use sp_rt::ffa::Regs;

/// Protocol version that is answered: 1.0.
const API_VERSION: (u32, u32) = (1, 0);
/// The revision that this TEE reports of itself.
const OS_VERSION: (u32, u32) = (0, 1);
/// Parameters for which a client leaves room behind its message, for requests to the normal world.
/// This TEE makes none; drivers expect OP-TEE's number.
const RPC_PARAMETERS: u32 = 4;
/// The message may stand at an offset in its memory.
const CAPABILITY_OFFSET: u32 = 1 << 0;
/// The TEE may notify.
const CAPABILITY_NOTIFICATIONS: u32 = 1 << 1;
/// Bit of w3 that marks calls that may be left and resumed.
const YIELDING: u32 = 1 << 31;
/// FF-A's DENIED and BUSY as the driver expects them in w3.
const FFA_BUSY: u32 = -4_i32 as u32;
const FFA_DENIED: u32 = -6_i32 as u32;

/// What a direct message asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// The version of this protocol.
    ApiVersion,
    /// The revision of the trusted OS.
    OsVersion,
    /// What this TEE can do.
    Capabilities,
    /// The client is about to take this memory back.
    Unregister {
        /// FF-A handle of the memory.
        handle: u64,
    },
    /// The client can take notifications.
    EnableNotifications {
        /// The one that asks for a bottom half.
        number: u32,
    },
    /// Do what the message in this memory says.
    Call {
        /// FF-A handle of the memory.
        handle: u64,
        /// Where in it the message starts, in bytes.
        offset: u32,
    },
    /// Go on with a call that was left.
    Resume {
        /// The thread that was named when it was left.
        thread: u32,
    },
    /// A call of a kind that does not exist.
    UnknownCall,
    /// Anything else.
    Unknown,
}

impl Request {
    /// Reads w3 to w7 of a direct request.
    #[must_use]
    pub fn of(request: &Regs) -> Self {
        Self::decode([3, 4, 5, 6, 7].map(|n| request.w(n)))
    }

    /// Reads w3 to w7 of a message.
    #[must_use]
    pub fn decode(w: [u32; 5]) -> Self {
        let handle = u64::from(w[1]) | u64::from(w[2]) << 32;
        match w[0] {
            0 => Self::ApiVersion,
            1 => Self::OsVersion,
            2 => Self::Capabilities,
            3 => Self::Unregister { handle },
            5 => Self::EnableNotifications { number: w[1] },
            YIELDING => Self::Call { handle, offset: w[3] },
            0x8000_0001 => Self::Resume { thread: w[4] },
            other if other & YIELDING != 0 => Self::UnknownCall,
            _ => Self::Unknown,
        }
    }
}

/// What is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To [`Request::ApiVersion`].
    ApiVersion,
    /// To [`Request::OsVersion`].
    OsVersion,
    /// To [`Request::Capabilities`].
    Capabilities,
    /// The memory is not used any more.
    Unregistered,
    /// The memory is in use.
    InUse,
    /// To [`Request::EnableNotifications`]: a code.
    Notifications(Code),
    /// The call is done; the code says whether its message could be used at all.
    Done(Code),
    /// The call was left for an interrupt of the normal world; resume it with this number.
    Left(u32),
    /// All threads are in use: the driver waits and tries again.
    NoThread,
    /// No such call.
    Denied,
    /// Nothing that is known.
    Unknown,
}

impl Answer {
    /// The direct response, by this function, to a direct request.
    #[must_use]
    pub fn to(self, function: u32, request: &Regs) -> Regs {
        let ids = u64::from(request.destination()) << 16 | u64::from(request.source());
        let [a, b, c, d, e] = self.encode().map(u64::from);
        Regs::new(function, &[ids, 0, a, b, c, d, e])
    }

    /// w3 to w7 of the response.
    #[must_use]
    pub fn encode(self) -> [u32; 5] {
        match self {
            Self::ApiVersion => [API_VERSION.0, API_VERSION.1, 0, 0, 0],
            Self::OsVersion => [OS_VERSION.0, OS_VERSION.1, 0, 0, 0],
            Self::Capabilities => [
                0,
                RPC_PARAMETERS,
                CAPABILITY_OFFSET | CAPABILITY_NOTIFICATIONS,
                0,
                0,
            ],
            Self::Unregistered => [0; 5],
            Self::InUse => [FFA_BUSY, 0, 0, 0, 0],
            Self::Notifications(code) | Self::Done(code) => [code, 0, 0, 0, 0],
            Self::Left(thread) => [0, 2, 0, 0, thread],
            Self::NoThread => [code::BUSY, 0, 0, 0, 0],
            Self::Denied => [FFA_DENIED, 0, 0, 0, 0],
            Self::Unknown => [code::BAD_PARAMETERS, 0, 0, 0, 0],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_driver_probes() {
        assert_eq!(Request::decode([0, 0, 0, 0, 0]), Request::ApiVersion);
        assert_eq!(Answer::ApiVersion.encode()[..2], [1, 0]);
        assert_eq!(Request::decode([2, 0, 0, 0, 0]), Request::Capabilities);
        assert_eq!(Answer::Capabilities.encode(), [0, 4, 3, 0, 0]);
    }

    #[test]
    fn calls() {
        let call = Request::decode([0x8000_0000, 0x11, 0x22, 224, 9]);
        assert_eq!(
            call,
            Request::Call {
                handle: 0x22_0000_0011,
                offset: 224
            }
        );
        assert_eq!(
            Request::decode([0x8000_0001, 0, 0, 0, 7]),
            Request::Resume { thread: 7 }
        );
        assert_eq!(Answer::Left(7).encode(), [0, 2, 0, 0, 7]);
        assert_eq!(Answer::NoThread.encode()[0], 0xFFFF_000D);
    }

    #[test]
    fn nonsense_is_told_apart() {
        assert_eq!(Request::decode([0x8000_0002, 0, 0, 0, 0]), Request::UnknownCall);
        for w3 in [4, 6, 8, 9, 0x7fff_ffff] {
            assert_eq!(Request::decode([w3, 0, 0, 0, 0]), Request::Unknown);
        }
    }
}
