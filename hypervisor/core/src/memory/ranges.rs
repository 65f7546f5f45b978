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
    first: u64,
    count: u32,
    next: Link,
    share: u16,
}

impl Entry {
    fn pages(&self) -> Pages {
        Pages {
            first: self.first,
            count: self.count,
        }
    }

    fn new(pages: Pages, share: u16) -> Self {
        Self {
            first: pages.first,
            count: pages.count,
            next: Link::NONE,
            share,
        }
    }

    fn end(&self) -> u64 {
        self.pages().end()
    }

    /// Takes in `pages` too, where they follow directly.
    fn join(&mut self, pages: Pages) -> bool {
        match self.count.checked_add(pages.count) {
            Some(count) if self.end() == pages.first => {
                self.count = count;
                true
            }
            _ => false,
        }
    }
}

impl Node for Entry {
    const FREE: Self = Self {
        first: 0,
        count: 0,
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
    /// Its first page.
    first: u64,
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
        let batch = [Spot {
            first: 0,
            entry: 0,
            place: 0,
        }; BATCH];
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
        let done = self.collect(share, room.min(BATCH), fragment);
        match done.and_then(|tail| self.place().map(|()| tail)) {
            Ok((tail, pages)) => {
                self.insert();
                self.append(list, tail);
                Ok(Added {
                    ranges: tail.len(),
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

    /// Takes an entry for each range into the batch and a list of its own; counts the pages.
    fn collect(
        &mut self,
        share: u16,
        room: usize,
        fragment: impl Iterator<Item = Result<Pages, Error>>,
    ) -> Result<(List, u64), Error> {
        let Self { pool, batch, new, .. } = self;
        let (mut list, mut total) = (List::EMPTY, 0);
        let mut last: Option<usize> = None;
        for pages in fragment {
            let pages = pages?;
            total += u64::from(pages.count);
            if last.is_some_and(|last| pool[last].join(pages)) {
                continue;
            }
            let spot = batch[..room].get_mut(usize::from(*new)).ok_or(Error::NoMemory)?;
            let entry = pool.take(Entry::new(pages, share)).ok_or(Error::NoMemory)?;
            *spot = Spot {
                first: pages.first,
                entry: narrow(entry),
                place: 0,
            };
            *new += 1;
            match last {
                Some(last) => pool[last].next = Link::to(entry),
                None => list.first = Link::to(entry),
            }
            last = Some(entry);
        }
        list.last = last.map_or(Link::NONE, Link::to);
        list.len = *new;
        Ok((list, total))
    }

    /// Puts `tail` behind `list`.
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
        sort(batch);
        let neighbour = |place: Option<usize>| {
            place
                .and_then(|place| order.get(place))
                .map(|at| pool[usize::from(*at)])
        };
        let (mut place, mut below, mut above) = (0, None, neighbour(Some(0)));
        let mut end = 0;
        for spot in batch {
            let new = pool[usize::from(spot.entry)];
            if new.first < end {
                return Err(Error::InvalidParameters);
            }
            end = new.end();
            // Most ranges lie between the same two neighbours as the one before.
            if above.is_some_and(|above| above.first < end) {
                place += order[place..].partition_point(|at| pool[usize::from(*at)].first < new.first);
                (below, above) = (neighbour(place.checked_sub(1)), neighbour(Some(place)));
            }
            let below = below.filter(|below: &Entry| below.end() > new.first);
            if let Some(other) = below.or(above.filter(|above| above.first < end)) {
                return Err(if other.share == new.share {
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
        for (number, spot) in self.batch[..usize::from(self.new)].iter().enumerate().rev() {
            let place = usize::from(spot.place);
            if place < end {
                self.order.copy_within(place..end, place + number + 1);
                end = place;
            }
            self.order[place + number] = spot.entry;
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
            let place = self.place_of(self.pool[entry].first);
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
        order.partition_point(|entry| self.pool[usize::from(*entry)].first < page)
    }

    /// The ranges of a list, in the sender's order.
    pub fn list(&self, list: &List) -> impl Iterator<Item = Pages> {
        self.pool.list(list.first).map(|entry| self.pool[entry].pages())
    }

    /// All ranges by ascending address, each with the transaction that it is part of.
    pub fn by_address(&self) -> impl Iterator<Item = (Pages, usize)> {
        let order = &self.order[..usize::from(self.ordered)];
        order
            .iter()
            .map(|entry| &self.pool[usize::from(*entry)])
            .map(|entry| (entry.pages(), usize::from(entry.share)))
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
        last.is_some_and(|last| last.end() > pages.first)
    }
}

fn narrow(index: usize) -> u16 {
    u16::try_from(index).unwrap_or(u16::MAX)
}

/// Sorts a batch in place by address. Shell's sort: what is sorted already costs one look at each, and
/// it needs no stack, which a recursive sort would take more of than a core here has to spare.
fn sort(batch: &mut [Spot]) {
    /// Ciura's gaps, up to half a batch.
    const GAPS: [usize; 6] = [132, 57, 23, 10, 4, 1];
    if batch.is_sorted_by_key(|spot| spot.first) {
        return;
    }
    for gap in GAPS {
        for start in gap..batch.len() {
            let spot = batch[start];
            let mut at = start;
            while at >= gap && batch[at - gap].first > spot.first {
                batch[at] = batch[at - gap];
                at -= gap;
            }
            batch[at] = spot;
        }
    }
}
