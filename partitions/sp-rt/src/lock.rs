//! A lock that is held with interrupts masked, so that who holds it is not left in the middle.
#[cfg(all(feature = "image", target_os = "none"))]
use crate::arch::interrupts::{mask, restore};
use spin::mutex::SpinMutex;

// On the host there is nothing to mask.
#[cfg(not(all(feature = "image", target_os = "none")))]
use host::{mask, restore};
#[cfg(not(all(feature = "image", target_os = "none")))]
mod host {
    pub fn mask() -> u64 {
        0
    }
    pub fn restore(_before: u64) {}
}

/// Runs `f` with interrupts masked. Keep it short: a managed exit waits for its end.
pub fn masked<R>(f: impl FnOnce() -> R) -> R {
    let before = mask();
    let result = f();
    restore(before);
    result
}

/// A value that one context or thread uses at a time, with interrupts masked meanwhile.
pub struct Locked<T>(SpinMutex<T>);

impl<T> Locked<T> {
    /// Not in use.
    pub const fn new(value: T) -> Self {
        Self(SpinMutex::new(value))
    }

    /// Waits until nobody uses the value and calls `f` with it.
    pub fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        masked(|| f(&mut self.0.lock()))
    }
}
