//! Return codes and origins of the GlobalPlatform TEE Client API (GPD_SPE_007, section 4.4).

/// A return code; 0 is success.
pub type Code = u32;

/// It worked.
pub const SUCCESS: Code = 0;
/// Not allowed.
pub const ACCESS_DENIED: Code = 0xFFFF_0001;
/// The command was cancelled.
pub const CANCEL: Code = 0xFFFF_0002;
/// A parameter is wrong.
pub const BAD_PARAMETERS: Code = 0xFFFF_0006;
/// Not in this state.
pub const BAD_STATE: Code = 0xFFFF_0007;
/// There is no such thing.
pub const ITEM_NOT_FOUND: Code = 0xFFFF_0008;
/// There is no such command.
pub const NOT_SUPPORTED: Code = 0xFFFF_000A;
/// Nothing left to serve this with.
pub const OUT_OF_MEMORY: Code = 0xFFFF_000C;
/// In use; the driver waits on this one when it says that no thread is free.
pub const BUSY: Code = 0xFFFF_000D;
/// The output does not fit; its size says what is needed.
pub const SHORT_BUFFER: Code = 0xFFFF_0010;
/// It did not happen in time: TEE_ERROR_TIMEOUT of the internal API.
pub const TIMEOUT: Code = 0xFFFF_3001;
/// Who was asked has stopped.
pub const TARGET_DEAD: Code = 0xFFFF_3024;
/// The tag does not match.
pub const MAC_INVALID: Code = 0xFFFF_3071;

/// Who a return code comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Origin {
    /// The trusted OS.
    Tee = 3,
    /// The service.
    Service = 4,
}
