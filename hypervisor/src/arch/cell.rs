//! Memory that one core owns at a time by a rule outside Rust's types: each use names the rule.

use core::cell::UnsafeCell;

/// A value that is shared by name and used by one core at a time.
#[repr(transparent)]
pub struct Owned<T>(UnsafeCell<T>);

// SAFETY: `Owned` hands out its value only through the unsafe `get`, whose caller vouches that no
// other core uses it meanwhile; the values themselves are plain data that may move between cores.
unsafe impl<T: Send> Sync for Owned<T> {}

impl<T> Owned<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// The value.
    ///
    /// # Safety
    /// Nothing else may use it during the life of the returned reference.
    #[inline(always)]
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn get(&self) -> &mut T {
        // SAFETY: the caller vouches for exclusive use.
        unsafe { &mut *self.0.get() }
    }

    /// Where it lies; what is done through the pointer follows the same rule as `get`.
    pub const fn pointer(&self) -> *mut T {
        self.0.get()
    }

    /// Where it lies, as a number.
    pub fn address(&self) -> u64 {
        self.pointer() as usize as u64
    }
}
