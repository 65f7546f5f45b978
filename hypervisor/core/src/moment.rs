//! A value of the counter that many may read and set, or never.

use crate::sync::{AtomicU64, Ordering};

/// Never, as a value of the counter.
pub const NEVER: u64 = u64::MAX;

/// A value of the counter; [`NEVER`] at first. It is kept as its complement: what never comes is zeros, which take no
/// room in an image.
#[derive(Debug)]
pub struct Moment(AtomicU64);

impl Moment {
    /// Never.
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicU64::new(!NEVER))
    }

    /// When it is.
    #[inline]
    pub fn get(&self) -> u64 {
        !self.0.load(Ordering::Acquire)
    }

    /// It is at this value.
    #[inline]
    pub fn set(&self, at: u64) {
        self.0.store(!at, Ordering::Release);
    }

    /// It is at this value, or already at an earlier one.
    pub fn advance(&self, at: u64) {
        self.0.fetch_max(!at, Ordering::AcqRel);
    }

    /// It is at this value; when it was before.
    pub fn replace(&self, at: u64) -> u64 {
        !self.0.swap(!at, Ordering::AcqRel)
    }
}

impl Default for Moment {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::{Moment, NEVER};

    #[test]
    fn the_earlier_one_counts() {
        let moment = Moment::new();
        assert_eq!(moment.get(), NEVER);
        moment.advance(9);
        moment.advance(11);
        assert_eq!(moment.get(), 9);
        assert_eq!(moment.replace(20), 9);
        moment.set(NEVER);
        assert_eq!(moment.get(), NEVER);
        moment.advance(0);
        assert_eq!(moment.get(), 0);
    }
}
