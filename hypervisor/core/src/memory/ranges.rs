//! The ranges of pages of all live transactions: a list for each, and one order of all by address.
//!
//! The order is what proves that no page is in two transactions. A fragment enters it at once: its
//! ranges are sorted, each is looked up by bisection, and one pass makes room for all of them.

use super::constituents::{BATCH, Pages};
use super::pool::{Link, Node, Pool};
use crate::error::Error;

/// One range, and the transaction that it is part of.
#[derive(Clone, Copy, Debug)]
struct Entry {
    pages: Pages,
    next: Link,
    share: u16,
}

impl Node for Entry {
    const FREE: Self = Self {
        pages: Pages { first: 0, count: 0 },
        next: Link::NONE,
        share: 0,
    };
    fn next(&self) -> Link {
        self.next
    }
    fn set_next(&mut self, next: Link) {
        self.next = next;
    }
}

/// The ranges of one transaction in the order in which its sender named them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct List {
    first: Link,
    last: Link,
    len: u16,
}

impl List {
    /// No ranges.
    pub const EMPTY: Self = Self {
        first: Link::NONE,
        last: Link::NONE,
        len: 0,
    };

    /// How many ranges.
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }
}

/// A new range and its place in the order as it was before.
#[derive(Clone, Copy, Debug)]
struct Spot {
    entry: u16,
    place: u16,
}

/// What [`Ranges::add`] added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Added {
    /// Ranges: neighbours are joined, so there may be fewer than constituents.
    pub ranges: usize,
    /// Pages.
    pub pages: u64,
}

/// All ranges.
#[derive(Debug)]
pub struct Ranges<const N: usize> {
    pool: Pool<Entry, N>,
    /// Indices into `pool` by ascending address; the first `ordered` are valid.
    order: [u16; N],
    ordered: u16,
    /// The ranges of the fragment at hand.
    batch: [Spot; BATCH],
    /// How many they are.
    new: u16,
}

impl<const N: usize> Ranges<N> {
    /// No ranges at all.
    pub const fn new() -> Self {
        let batch = [Spot { entry: 0, place: 0 }; BATCH];
        Self {
            pool: Pool::new(),
            order: [0; N],
            ordered: 0,
            batch,
            new: 0,
        }
    }

    /// Adds the ranges of one fragment to the list of transaction `share`, or none of them: at most
    /// `room` ranges, which no live transaction may overlap.
    ///
    /// # Errors
    /// The first one that `fragment` yields; NO_MEMORY without room; INVALID_PARAMETERS where the
    /// transaction overlaps itself, DENIED where it overlaps another.
    pub fn add(
        &mut self,
        list: &mut List,
        share: u16,
        room: usize,
        fragment: impl Iterator<Item = Result<Pages, Error>>,
    ) -> Result<Added, Error> {
        self.new = 0;
        let mut tail = List::EMPTY;
        let done = self.collect(&mut tail, share, room.min(BATCH), fragment);
        match done.and_then(|pages| self.place().map(|()| pages)) {
            Ok(pages) => {
                self.insert();
                self.append(list, tail);
                Ok(Added {
                    ranges: usize::from(self.new),
                    pages,
                })
            }
            Err(error) => {
                for spot in &self.batch[..usize::from(self.new)] {
                    self.pool.give(usize::from(spot.entry));
                }
                Err(error)
            }
        }
    }

    /// Takes an entry for each range into the batch and the list `tail`; counts the pages.
    fn collect(
        &mut self,
        tail: &mut List,
        share: u16,
        room: usize,
        fragment: impl Iterator<Item = Result<Pages, Error>>,
    ) -> Result<u64, Error> {
        let mut total = 0;
        for pages in fragment {
            let pages = pages?;
            total += u64::from(pages.count);
            if self.join(tail.last, pages) {
                continue;
            }
            if usize::from(self.new) >= room {
                return Err(Error::NoMemory);
            }
            let entry = self
                .pool
                .take(Entry {
                    pages,
                    next: Link::NONE,
                    share,
                })
                .ok_or(Error::NoMemory)?;
            self.batch[usize::from(self.new)] = Spot {
                entry: narrow(entry),
                place: 0,
            };
            self.new += 1;
            let link = Link::to(entry);
            self.append(
                tail,
                List {
                    first: link,
                    last: link,
                    len: 1,
                },
            );
        }
        Ok(total)
    }

    /// Makes the last range longer where `pages` follow it directly.
    fn join(&mut self, last: Link, pages: Pages) -> bool {
        let Some(last) = last.index() else { return false };
        let before = &mut self.pool[last].pages;
        match before.count.checked_add(pages.count) {
            Some(count) if before.end() == pages.first => {
                before.count = count;
                true
            }
            _ => false,
        }
    }

    fn append(&mut self, list: &mut List, tail: List) {
        match list.last.index() {
            Some(last) => self.pool[last].next = tail.first,
            None => list.first = tail.first,
        }
        if tail.len > 0 {
            list.last = tail.last;
            list.len += tail.len;
        }
    }

    /// Sorts the batch and finds each range's place in the order; fails where two ranges overlap.
    fn place(&mut self) -> Result<(), Error> {
        let Self {
            pool,
            order,
            ordered,
            batch,
            new,
        } = self;
        let (order, batch) = (&order[..usize::from(*ordered)], &mut batch[..usize::from(*new)]);
        batch.sort_unstable_by_key(|spot| pool[usize::from(spot.entry)].pages.first);
        let mut place = 0;
        let mut end = 0;
        for spot in batch {
            let Entry { pages, share, .. } = pool[usize::from(spot.entry)];
            if pages.first < end {
                return Err(Error::InvalidParameters);
            }
            end = pages.end();
            let entry = |place: usize| order.get(place).map(|entry| &pool[usize::from(*entry)]);
            if entry(place).is_some_and(|next| next.pages.first < end) {
                place +=
                    order[place..].partition_point(|at| pool[usize::from(*at)].pages.first < pages.first);
            }
            let before = place
                .checked_sub(1)
                .and_then(entry)
                .filter(|before| before.pages.end() > pages.first);
            let behind = entry(place).filter(|behind| behind.pages.first < end);
            if let Some(other) = before.or(behind) {
                return Err(if other.share == share {
                    Error::InvalidParameters
                } else {
                    Error::Denied
                });
            }
            spot.place = narrow(place);
        }
        Ok(())
    }

    /// Puts the batch into the order: what lies behind the last new range moves first, and farthest.
    fn insert(&mut self) {
        let mut end = usize::from(self.ordered);
        for number in (0..usize::from(self.new)).rev() {
            let Spot { entry, place } = self.batch[number];
            let place = usize::from(place);
            self.order.copy_within(place..end, place + number + 1);
            self.order[place + number] = entry;
            end = place;
        }
        self.ordered += self.new;
    }

    /// Removes all ranges of a list.
    pub fn remove(&mut self, list: &mut List) {
        /// Above this share of the order, one pass over it is cheaper than bisection for each range.
        const PASS: usize = 16;
        if list.len() * PASS < usize::from(self.ordered) {
            self.remove_each(list);
        } else {
            self.remove_pass(list);
        }
        let mut next = list.first;
        while let Some(entry) = next.index() {
            next = self.pool[entry].next;
            self.pool.give(entry);
        }
        *list = List::EMPTY;
    }

    fn remove_each(&mut self, list: &List) {
        let mut next = list.first;
        while let Some(entry) = next.index() {
            next = self.pool[entry].next;
            let place = self.place_of(self.pool[entry].pages.first);
            self.order
                .copy_within(place + 1..usize::from(self.ordered), place);
            self.ordered -= 1;
        }
    }

    fn remove_pass(&mut self, list: &List) {
        let Some(share) = list.first.index().map(|first| self.pool[first].share) else {
            return;
        };
        let mut kept = 0;
        for place in 0..usize::from(self.ordered) {
            let entry = self.order[place];
            if self.pool[usize::from(entry)].share != share {
                self.order[kept] = entry;
                kept += 1;
            }
        }
        self.ordered = narrow(kept);
    }

    /// The first place in the order whose range starts at or behind this page.
    fn place_of(&self, page: u64) -> usize {
        let order = &self.order[..usize::from(self.ordered)];
        order.partition_point(|entry| self.pool[usize::from(*entry)].pages.first < page)
    }

    /// The ranges of a list, in the sender's order.
    pub fn list(&self, list: &List) -> impl Iterator<Item = Pages> {
        self.pool.list(list.first).map(|entry| self.pool[entry].pages)
    }

    /// All ranges by ascending address, each with the transaction that it is part of.
    pub fn by_address(&self) -> impl Iterator<Item = (Pages, usize)> {
        let order = &self.order[..usize::from(self.ordered)];
        order
            .iter()
            .map(|entry| &self.pool[usize::from(*entry)])
            .map(|entry| (entry.pages, usize::from(entry.share)))
    }

    /// How many ranges there are.
    pub fn used(&self) -> usize {
        self.pool.used()
    }

    /// Whether a page of these is in a live transaction.
    pub fn overlaps(&self, pages: Pages) -> bool {
        let place = self.place_of(pages.end());
        let last = place
            .checked_sub(1)
            .map(|before| &self.pool[usize::from(self.order[before])]);
        last.is_some_and(|last| last.pages.end() > pages.first)
    }
}

fn narrow(index: usize) -> u16 {
    u16::try_from(index).unwrap_or(u16::MAX)
}
