//! FF-A error codes (DEN0077A 1.2, table 12.2).

/// Why a call was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The call, or the form of it, does not exist here.
    NotSupported,
    /// A parameter is wrong.
    InvalidParameters,
    /// No room is left for what was asked.
    NoMemory,
    /// What was asked for is in use.
    Busy,
    /// The caller may not ask for this, or not now.
    Denied,
    /// Nothing was changed; the same call may succeed later.
    Retry,
    /// What was asked for was given up, or its provider has stopped.
    Aborted,
    /// There is nothing to return.
    NoData,
}

impl Error {
    /// The code as it stands in w2 of FFA_ERROR: 32 bits, two's complement.
    #[must_use]
    pub const fn code(self) -> u32 {
        let value: i32 = match self {
            Self::NotSupported => -1,
            Self::InvalidParameters => -2,
            Self::NoMemory => -3,
            Self::Busy => -4,
            Self::Denied => -6,
            Self::Retry => -7,
            Self::Aborted => -8,
            Self::NoData => -9,
        };
        value.cast_unsigned()
    }
}
