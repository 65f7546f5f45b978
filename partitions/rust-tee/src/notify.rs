//! Notifications to a driver in the normal world: it names one, and this TEE sets that one when it wants to be called
//! without anybody waiting for an answer. The call that follows is the driver's "bottom half".
use crate::code::{BAD_PARAMETERS, BAD_STATE, Code};
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Sets a notification: the receiver's endpoint ID, and the bit of it. False where that was refused.
pub type Send = fn(u16, u64) -> bool;

/// No driver has named a notification.
const NOBODY: u64 = u64::MAX;
/// An endpoint has so many.
const NUMBERS: u32 = 64;

/// The driver that named a notification, and what came of it.
pub struct Notifications {
    /// Endpoint ID and number, or [`NOBODY`].
    named: AtomicU64,
    halves: AtomicU32,
}

impl Default for Notifications {
    fn default() -> Self {
        Self::new()
    }
}

impl Notifications {
    /// Nobody is told yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            named: AtomicU64::new(NOBODY),
            halves: AtomicU32::new(0),
        }
    }

    /// A driver names its notification.
    ///
    /// # Errors
    /// BAD_PARAMETERS for a number that no notification has.
    pub fn enable(&self, driver: u16, number: u32) -> Result<(), Code> {
        if number >= NUMBERS {
            return Err(BAD_PARAMETERS);
        }
        let named = u64::from(driver) << 32 | u64::from(number);
        self.named.store(named, Ordering::Release);
        Ok(())
    }

    /// The driver wants none any more; one that never named any changes nothing.
    pub fn disable(&self, driver: u16) {
        let named = self.named.load(Ordering::Acquire);
        if named >> 32 == u64::from(driver) {
            self.named.store(NOBODY, Ordering::Release);
        }
    }

    /// Sets the driver's notification.
    ///
    /// # Errors
    /// BAD_STATE where no driver named one, or it was refused.
    pub fn notify(&self, send: Send) -> Result<(), Code> {
        let named = self.named.load(Ordering::Acquire);
        if named == NOBODY {
            return Err(BAD_STATE);
        }
        let sent = send((named >> 32) as u16, 1 << (named & 63));
        if sent { Ok(()) } else { Err(BAD_STATE) }
    }

    /// The driver called for its bottom half.
    pub fn served(&self) {
        self.halves.fetch_add(1, Ordering::Relaxed);
    }

    /// How often it did.
    pub fn halves(&self) -> u32 {
        self.halves.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_driver_s_own_notification_is_set() {
        let notifications = Notifications::new();
        let notify = || notifications.notify(|receiver, bit| (receiver, bit) == (5, 1 << 63));
        assert_eq!(notify(), Err(BAD_STATE), "nobody named one");
        assert_eq!(notifications.enable(5, 64), Err(BAD_PARAMETERS));
        assert_eq!(notify(), Err(BAD_STATE), "a wrong number changes nothing");
        assert_eq!(notifications.enable(5, 63), Ok(()));
        assert_eq!(notify(), Ok(()));
        notifications.disable(4);
        assert_eq!(notify(), Ok(()), "another driver's end is not this one's");
        notifications.disable(5);
        assert_eq!(notify(), Err(BAD_STATE));
    }

    #[test]
    fn a_refusal_is_told() {
        let notifications = Notifications::new();
        assert_eq!(notifications.enable(0, 0), Ok(()));
        assert_eq!(notifications.notify(|_, _| false), Err(BAD_STATE));
    }
}
