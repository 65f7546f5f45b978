//! The ranges of pages of all live transactions: a list for each, and one order of all by address.
//!
//! The order is what proves that no page is in two transactions. A fragment enters it at once: its
//! ranges are sorted, each is looked up by bisection, and one pass makes room for all of them.

use super::constituents::{BATCH, Pages};
use super::pool::{Link, Node, Pool};
use super::shift;
use crate::error::Error;
use crate::sure::Sure as _;
use core::cell::Cell;

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
                for spot in self.batch.iter().take(self.new.into()) {
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
        let (mut list, mut total) = (List::EMPTY, 0u64);
        let mut last: Option<usize> = None;
        let mut spots = batch.iter_mut().take(room);
        for pages in fragment {
            let pages = pages?;
            total = total.saturating_add(pages.count.into());
            if last.is_some_and(|last| pool[last].join(pages)) {
                continue;
            }
            let spot = spots.next().ok_or(Error::NoMemory)?;
            let entry = pool.take(Entry::new(pages, share)).ok_or(Error::NoMemory)?;
            *spot = Spot {
                first: pages.first,
                entry: narrow(entry),
                place: 0,
            };
            *new = new.saturating_add(1);
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
            list.len = list.len.saturating_add(tail.len);
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
        let order = live(order, *ordered);
        let batch = batch.get_mut(..usize::from(*new));
        let batch = batch.sure("`collect` counts those that it has put there");
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
                let behind = order.get(place..).unwrap_or_default();
                let passed = behind.partition_point(|at| pool[usize::from(*at)].first < new.first);
                place = place.saturating_add(passed);
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
        self.ordered = self.ordered.saturating_add(self.new);
        let order = self.order.get_mut(..usize::from(self.ordered)).sure(EACH_ONCE);
        let mut left = usize::from(self.new);
        for spot in self.batch.iter().take(left).rev() {
            let place = usize::from(spot.place);
            if place < end {
                let moved = order.get_mut(place..end.saturating_add(left));
                shift::up(moved.sure(EACH_ONCE), left);
                end = place;
            }
            left = left.saturating_sub(1);
            *order.get_mut(place.saturating_add(left)).sure(EACH_ONCE) = spot.entry;
        }
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
            let behind = self.order.get_mut(place..usize::from(self.ordered));
            shift::down(behind.sure(EACH_ONCE));
            self.ordered = self.ordered.checked_sub(1).sure(EACH_ONCE);
        }
    }

    fn remove_pass(&mut self, list: &List) {
        let Some(share) = list.first.index().map(|first| self.pool[first].share) else {
            return;
        };
        let order = Cell::from_mut(&mut self.order[..]).as_slice_of_cells();
        let (mut to, mut kept) = (order.iter(), 0u16);
        for entry in order.iter().take(self.ordered.into()) {
            if self.pool[usize::from(entry.get())].share != share
                && let Some(to) = to.next()
            {
                to.set(entry.get());
                kept = kept.saturating_add(1);
            }
        }
        self.ordered = kept;
    }

    /// The first place in the order whose range starts at or behind this page.
    fn place_of(&self, page: u64) -> usize {
        let order = live(&self.order, self.ordered);
        order.partition_point(|entry| self.pool[usize::from(*entry)].first < page)
    }

    /// The ranges of a list, in the sender's order.
    pub fn list(&self, list: &List) -> impl Iterator<Item = Pages> {
        self.pool.list(list.first).map(|entry| self.pool[entry].pages())
    }

    /// All ranges by ascending address, each with the transaction that it is part of.
    pub fn by_address(&self) -> impl Iterator<Item = (Pages, usize)> {
        live(&self.order, self.ordered)
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
        let last = place.checked_sub(1).and_then(|before| self.order.get(before));
        let last = last.map(|entry| &self.pool[usize::from(*entry)]);
        last.is_some_and(|last| last.end() > pages.first)
    }
}

/// Why the order is long enough.
const EACH_ONCE: &str = "each entry that is in use is in the order once, and that has a place for each";

/// The part of the order that is valid.
fn live(order: &[u16], ordered: u16) -> &[u16] {
    order.get(..usize::from(ordered)).sure(EACH_ONCE)
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
            let Some(spot) = batch.get(start).copied() else {
                break;
            };
            let mut place = start;
            while let Some(below) = place.checked_sub(gap)
                && let Some(other) = batch.get(below).copied()
                && other.first > spot.first
            {
                set(batch, place, other);
                place = below;
            }
            set(batch, place, spot);
        }
    }
}

fn set(batch: &mut [Spot], place: usize, spot: Spot) {
    if let Some(to) = batch.get_mut(place) {
        *to = spot;
    }
}
