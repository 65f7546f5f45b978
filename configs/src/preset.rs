//! What is always the same for a kind of TEE.

use crate::draft::{Delivery, Message, Tee};
use crate::model::Preemption;

/// The UUID of OP-TEE's message protocol, which the Linux driver binds to:
/// 486178e0-e7f8-11e3-bc5e-0002a5d5c51b.
pub const OPTEE_PROTOCOL: [u8; 16] = [
    0x48, 0x61, 0x78, 0xe0, 0xe7, 0xf8, 0x11, 0xe3, 0xbc, 0x5e, 0x00, 0x02, 0xa5, 0xd5, 0xc5, 0x1b,
];

/// The UUID of the test partition's protocol: 5f1d4a8e-6d0c-4b52-9c3e-8a1b7e2f9d40.
pub const TEST_PROTOCOL: [u8; 16] = [
    0x5f, 0x1d, 0x4a, 0x8e, 0x6d, 0x0c, 0x4b, 0x52, 0x9c, 0x3e, 0x8a, 0x1b, 0x7e, 0x2f, 0x9d, 0x40,
];

/// The UUID by which the partition of sensors is found: 8c1f2a4e-90b7-4d65-a3c8-5e6f17d2b094.
pub const SENSORS_PROTOCOL: [u8; 16] = [
    0x8c, 0x1f, 0x2a, 0x4e, 0x90, 0xb7, 0x4d, 0x65, 0xa3, 0xc8, 0x5e, 0x6f, 0x17, 0xd2, 0xb0, 0x94,
];

/// Defaults of a kind of TEE.
pub struct Preset {
    /// Protocol UUIDs that discovery reports; none where the table has to name them.
    pub uuids: &'static [[u8; 16]],
    /// The messages that it takes.
    pub receives: &'static [Message],
    /// Whether its manifest says that it sends direct requests.
    pub sends: bool,
    /// Window in bytes.
    pub window: u64,
    /// Shares.
    pub shares: u16,
    /// What preempts it.
    pub preemption: Preemption,
    /// How interrupts reach it.
    pub delivery: Delivery,
    /// Whether it has memory copied that it cannot map.
    pub copies: bool,
}

/// The preset of `tee`.
#[must_use]
pub const fn of(tee: Tee) -> Preset {
    let preset = Preset {
        uuids: &[OPTEE_PROTOCOL],
        receives: &[Message::Direct, Message::Notifications],
        sends: true,
        window: 32 << 20,
        shares: 128,
        preemption: Preemption::ManagedExit { limit_us: 10_000 },
        delivery: Delivery::Paravirtual,
        copies: false,
    };
    let other = Preset {
        uuids: &[],
        receives: &[Message::Direct],
        sends: false,
        window: 8 << 20,
        shares: 16,
        preemption: Preemption::AtOnce,
        ..preset
    };
    match tee {
        Tee::Optee => preset,
        Tee::Rust => Preset {
            receives: &[Message::Direct],
            sends: false,
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
        Tee::Sensors => Preset {
            uuids: &[SENSORS_PROTOCOL],
            receives: &[Message::Indirect, Message::Notifications],
            window: 2 << 20,
            ..other
        },
        Tee::Sel4 => Preset {
            delivery: Delivery::Vgic,
            copies: true,
            ..other
        },
        Tee::Other => other,
    }
}
