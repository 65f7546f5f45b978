//! What is always the same for a kind of TEE.

use crate::draft::Tee;
use crate::model::Preemption;

/// Receives direct requests (DEN0077A, table 13.39, bit 0).
const RECEIVE_DIRECT: u32 = 1 << 0;
/// Receives notifications (bit 3).
const NOTIFICATIONS: u32 = 1 << 3;
/// Runs in AArch64 state (bit 8).
const AARCH64: u32 = 1 << 8;

/// Manifest's messaging method: receives direct requests and may send them.
const DIRECT_BOTH: u32 = 0b11;
/// Manifest's messaging method: receives direct requests.
const DIRECT_RECEIVE: u32 = 0b01;

/// The UUID of OP-TEE's message protocol, which the Linux driver binds to:
/// 486178e0-e7f8-11e3-bc5e-0002a5d5c51b.
pub const OPTEE_PROTOCOL: [u8; 16] = [
    0x48, 0x61, 0x78, 0xe0, 0xe7, 0xf8, 0x11, 0xe3, 0xbc, 0x5e, 0x00, 0x02, 0xa5, 0xd5, 0xc5, 0x1b,
];

/// The UUID of the test partition's protocol: 5f1d4a8e-6d0c-4b52-9c3e-8a1b7e2f9d40.
pub const TEST_PROTOCOL: [u8; 16] = [
    0x5f, 0x1d, 0x4a, 0x8e, 0x6d, 0x0c, 0x4b, 0x52, 0x9c, 0x3e, 0x8a, 0x1b, 0x7e, 0x2f, 0x9d, 0x40,
];

/// Defaults of a kind of TEE.
pub struct Preset {
    /// Protocol UUIDs that discovery reports.
    pub uuids: &'static [[u8; 16]],
    /// Properties that discovery reports to the normal world.
    pub properties: u32,
    /// The manifest's messaging method.
    pub messaging: u32,
    /// Whether it receives notifications.
    pub notifications: bool,
    /// Window in bytes.
    pub window: u64,
    /// Shares.
    pub shares: u16,
    /// What preempts it.
    pub preemption: Preemption,
}

/// The preset of `tee`.
#[must_use]
pub const fn of(tee: Tee) -> Preset {
    let preset = Preset {
        uuids: &[OPTEE_PROTOCOL],
        properties: RECEIVE_DIRECT | NOTIFICATIONS | AARCH64,
        messaging: DIRECT_BOTH,
        notifications: true,
        window: 32 << 20,
        shares: 128,
        preemption: Preemption::ManagedExit { limit_us: 10_000 },
    };
    match tee {
        Tee::Optee => preset,
        Tee::Rust => Preset {
            properties: RECEIVE_DIRECT | AARCH64,
            messaging: DIRECT_RECEIVE,
            notifications: false,
            window: 8 << 20,
            ..preset
        },
        Tee::Test => Preset {
            uuids: &[TEST_PROTOCOL],
            window: 8 << 20,
            shares: 16,
            preemption: Preemption::AtOnce,
            ..preset
        },
    }
}
