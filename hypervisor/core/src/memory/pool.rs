//! Entries of fixed arrays, named by links of two bytes; an array of zeros is a valid, empty one.

use crate::sure::Sure as _;

/// The index of an entry, or none. Zero means none, so that memory full of zeros holds no links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link(u16);

impl Link {
    /// No entry.
    pub const NONE: Self = Self(0);

    /// The link to an index below 65,535; `Link::NONE` for any other.
    pub fn to(index: usize) -> Self {
        Self(u16::try_from(index.saturating_add(1)).unwrap_or(0))
    }

    /// The index, where there is one.
    pub fn index(self) -> Option<usize> {
        usize::from(self.0).checked_sub(1)
    }
}

/// An entry that a list can run through.
pub trait Node {
    /// What an entry is while nobody uses it.
    const FREE: Self;
    /// The next entry of the list that this one is in.
    fn next(&self) -> Link;
    /// Sets the next entry.
    fn set_next(&mut self, next: Link);
}

/// A fixed array of entries, of which some are in use.
#[derive(Debug)]
pub struct Pool<T, const N: usize> {
    entries: [T; N],
    /// Entries that were given back.
    free: Link,
    /// How many entries have ever been in use: those from here on are untouched.
    fresh: u16,
}

impl<T: Node + Copy, const N: usize> Pool<T, N> {
    /// A pool with nothing in use.
    pub const fn new() -> Self {
        const { assert!(N < u16::MAX as usize, "links are 16 bits wide") };
        Self {
            entries: [T::FREE; N],
            free: Link::NONE,
            fresh: 0,
        }
    }

    /// How many entries are in use: counts those that are not.
    pub fn used(&self) -> usize {
        self.list(self.free)
            .fold(self.touched(), |used, _| used.saturating_sub(1))
    }

    /// Entries from this index on have never been in use.
    pub fn touched(&self) -> usize {
        usize::from(self.fresh)
    }

    /// Takes an entry and fills it; none is left where the answer is `None`.
    pub fn take(&mut self, value: T) -> Option<usize> {
        let index = match self.free.index() {
            Some(index) => {
                self.free = self[index].next();
                index
            }
            None => {
                let index = self.touched();
                *self.entries.get_mut(index)? = value;
                self.fresh = Link::to(index).0;
                return Some(index);
            }
        };
        self[index] = value;
        Some(index)
    }

    /// Gives an entry back.
    pub fn give(&mut self, index: usize) {
        let free = self.free;
        let entry = &mut self[index];
        *entry = T::FREE;
        entry.set_next(free);
        self.free = Link::to(index);
    }

    /// The indices of a list from `first` on. The list must not change meanwhile.
    pub fn list(&self, first: Link) -> impl Iterator<Item = usize> {
        core::iter::successors(first.index(), |index| self[*index].next().index())
    }
}

impl<T, const N: usize> core::ops::Index<usize> for Pool<T, N> {
    type Output = T;
    #[inline]
    fn index(&self, index: usize) -> &T {
        let entry = self.entries.get(index);
        entry.sure("links come from `take`, and callers ask with indices of entries")
    }
}

impl<T, const N: usize> core::ops::IndexMut<usize> for Pool<T, N> {
    #[inline]
    fn index_mut(&mut self, index: usize) -> &mut T {
        let entry = self.entries.get_mut(index);
        entry.sure("as in `index`")
    }
}
