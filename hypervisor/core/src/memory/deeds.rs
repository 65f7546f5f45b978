//! Who owns a page of secure memory: the partition that the table gives it to, unless a deed says otherwise.
//!
//! A deed is a run of pages that their owner has donated. Deeds are kept in one order by address and never
//! overlap, so that each page has exactly one owner. A run counts against the room that its giver has at its
//! owner; a page that comes home needs no deed.

use super::constituents::Pages;
use super::quota::{limited, own_shares};
use super::{PAGE, share::Lender, shift};
use crate::table::{Rights, Table};

/// A run of pages that their owner got from another partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deed {
    pub(super) first: u64,
    pub(super) count: u32,
    /// ID of the partition that gave them.
    pub(super) giver: u16,
    /// Index of their owner in the table.
    pub(super) owner: u8,
}

impl Deed {
    const NONE: Self = Self {
        first: 0,
        count: 0,
        giver: 0,
        owner: 0,
    };

    pub(super) fn end(&self) -> u64 {
        self.first.saturating_add(self.count.into())
    }

    /// The part of it in `[first, end)`, if there is one.
    fn between(self, first: u64, end: u64) -> Option<Self> {
        let (first, end) = (self.first.max(first), self.end().min(end));
        let count = u32::try_from(end.checked_sub(first)?).ok()?;
        (count > 0).then_some(Self { first, count, ..self })
    }
}

/// Neighbouring pages of one region with one owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The pages.
    pub pages: Pages,
    /// Index of the partition that the table gives them to.
    pub home: usize,
    /// Index of their owner.
    pub owner: usize,
    /// What the owner may do with them: what came by a deed is never executable.
    pub rights: Rights,
}

/// All deeds, of which there are at most as many as shares.
#[derive(Debug)]
pub struct Deeds<const N: usize> {
    list: [Deed; N],
    len: u16,
}

impl<const N: usize> Deeds<N> {
    /// All is at home.
    pub const fn new() -> Self {
        Self {
            list: [Deed::NONE; N],
            len: 0,
        }
    }

    /// The deeds by ascending address.
    pub fn all(&self) -> &[Deed] {
        self.list.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// Pages that a partition owns by deeds of this giver.
    pub fn pages(&self, giver: u16, owner: usize) -> u64 {
        let theirs = |deed: &&Deed| deed.giver == giver && usize::from(deed.owner) == owner;
        let counts = self.all().iter().filter(theirs).map(|deed| u64::from(deed.count));
        counts.fold(0, u64::saturating_add)
    }

    /// The longest part from page `first` on that ends at `end` at the latest; none where no partition's
    /// memory starts there.
    fn part(&self, table: &Table, first: u64, end: u64) -> Option<Part> {
        let address = first.checked_mul(PAGE)?;
        let (home, region) = table
            .partitions
            .iter()
            .enumerate()
            .find_map(|(home, partition)| {
                let region = partition
                    .memory
                    .iter()
                    .find(|region| region.range.contains(address, PAGE))?;
                Some((home, region))
            })?;
        let mut end = end.min(region.range.end() / PAGE);
        let mut owner = home;
        let place = self.all().partition_point(|deed| deed.end() <= first);
        match self.all().get(place) {
            Some(deed) if deed.first <= first => {
                owner = usize::from(deed.owner);
                end = end.min(deed.end());
            }
            Some(deed) => end = end.min(deed.first),
            None => {}
        }
        let count = u32::try_from(end.checked_sub(first)?)
            .ok()
            .filter(|count| *count > 0)?;
        let rights = if owner == home {
            region.rights
        } else {
            Rights::ReadWrite
        };
        Some(Part {
            pages: Pages { first, count },
            home,
            owner,
            rights,
        })
    }

    /// The parts of a run of pages in order, up to the first page that is in no partition's memory.
    pub fn parts<'a>(&'a self, table: &'a Table, pages: Pages) -> impl Iterator<Item = Part> + 'a {
        let mut at = pages.first;
        core::iter::from_fn(move || {
            let part = self.part(table, at, pages.end())?;
            at = part.pages.end();
            Some(part)
        })
    }

    /// Whether a partition owns all of these pages, and `reached` says of each part's home that the
    /// borrowers can be given it.
    pub fn own(&self, table: &Table, owner: usize, pages: Pages, reached: impl Fn(usize) -> bool) -> bool {
        let mut at = pages.first;
        for part in self.parts(table, pages) {
            if part.owner != owner || !reached(part.home) {
                return false;
            }
            at = part.pages.end();
        }
        at == pages.end()
    }

    /// Deeds that may count against the same room as one from `giver` to `owner`, and those that do.
    pub(super) fn room(&self, table: &Table, giver: u16, owner: usize) -> (usize, usize) {
        let Some(partition) = table.partitions.get(owner) else {
            return (0, 0);
        };
        let mine = |deed: &&Deed| usize::from(deed.owner) == owner;
        let deeds = self.all().iter().filter(mine);
        match partition.caller(giver) {
            None => (0, 0),
            Some(caller) if limited(caller) => {
                let used = many(deeds.filter(|deed| deed.giver == giver));
                (own_shares(caller, partition), used)
            }
            Some(_) => {
                let common = |deed: &&Deed| {
                    partition
                        .caller(deed.giver)
                        .is_some_and(|caller| !limited(caller))
                };
                (usize::from(partition.shares), many(deeds.filter(common)))
            }
        }
    }

    /// Whether [`Self::give`] has room for all of these ranges, which `giver` owns: for the new deeds, and
    /// for those by which it has the pages and of which a middle part would go.
    pub fn fit<I: Iterator<Item = Pages>>(
        &self,
        table: &Table,
        giver: Lender,
        owner: usize,
        ranges: impl Fn() -> I,
    ) -> bool {
        let new = many(ranges().flat_map(|pages| self.parts(table, pages)));
        let inside = |pages: &Pages| {
            let cut = |deed: &Deed| deed.first < pages.first && pages.end() < deed.end();
            self.all().iter().any(cut)
        };
        let cuts = many(ranges().filter(inside));
        let (room, used) = self.room(table, giver.id, owner);
        let uncut = |deed: &Deed| {
            let (room, used) = self.room(table, deed.giver, giver.index);
            usize::from(deed.owner) != giver.index || used.saturating_add(cuts) <= room
        };
        used.saturating_add(new) <= room && (cuts == 0 || self.all().iter().all(uncut))
    }

    /// Makes `owner` the owner of pages that `giver` owns. [`Self::fit`] has said that there is room.
    pub fn give(&mut self, table: &Table, giver: u16, owner: usize, pages: Pages) {
        let mut at = pages.first;
        while let Some(part) = self.part(table, at, pages.end()) {
            at = part.pages.end();
            self.cut(part.pages);
            if part.home != owner {
                self.insert(Deed {
                    first: part.pages.first,
                    count: part.pages.count,
                    giver,
                    owner: owner as u8,
                });
            }
        }
    }

    /// Some memory that a partition owns by a deed, or that is its by the table and another's by a deed.
    pub fn of_either(&self, table: &Table, partition: usize) -> Option<Part> {
        self.all().iter().find_map(|deed| {
            let pages = Pages {
                first: deed.first,
                count: deed.count,
            };
            let mut parts = self.parts(table, pages);
            parts.find(|part| part.owner == partition || part.home == partition)
        })
    }

    /// Takes pages out of the deed that holds them all, or none of them.
    pub fn cut(&mut self, pages: Pages) {
        let place = self.all().partition_point(|deed| deed.end() <= pages.first);
        let Some(deed) = self.all().get(place).filter(|deed| deed.first < pages.end()) else {
            return;
        };
        let (below, above) = (deed.between(0, pages.first), deed.between(pages.end(), u64::MAX));
        self.remove(place);
        above.into_iter().chain(below).for_each(|deed| self.insert(deed));
    }

    fn remove(&mut self, place: usize) {
        let live = self.list.get_mut(..usize::from(self.len));
        let behind = live.and_then(|live| live.get_mut(place..));
        if let Some(behind) = behind {
            shift::down(behind);
            self.len = self.len.saturating_sub(1);
        }
    }

    /// Adds a deed that overlaps no other, joined with neighbours that say the same.
    fn insert(&mut self, mut deed: Deed) {
        let same = |other: &Deed| other.giver == deed.giver && other.owner == deed.owner;
        let mut place = self.all().partition_point(|other| other.end() <= deed.first);
        if let Some(above) = self
            .all()
            .get(place)
            .filter(|above| above.first == deed.end() && same(above))
            && let Some(count) = deed.count.checked_add(above.count)
        {
            deed.count = count;
            self.remove(place);
        }
        let below = place.checked_sub(1).and_then(|below| self.all().get(below));
        if let Some(below) = below.filter(|below| below.end() == deed.first && same(below))
            && let Some(count) = deed.count.checked_add(below.count)
        {
            (deed.first, deed.count) = (below.first, count);
            place = place.saturating_sub(1);
            self.remove(place);
        }
        let len = self.len.saturating_add(1);
        let live = self.list.get_mut(..usize::from(len));
        if let Some(behind) = live.and_then(|live| live.get_mut(place..)) {
            shift::up(behind, 1);
            if let Some(first) = behind.first_mut() {
                *first = deed;
            }
            self.len = len;
        }
    }
}

/// How many there are; a deed or part is no smaller than a page, of which there are fewer than `usize` can count.
fn many<T>(items: impl Iterator<Item = T>) -> usize {
    items.fold(0, |many, _| many.saturating_add(1))
}
