//! The live ledger of the hypervisor, read out of its memory by its debug information.

use super::layout::{Layout, Place};
use super::view::Memory;
use anyhow::{Result, bail};

/// Where the policy's state is.
const SPMC: &str = "bulkhead::boot::SPMC";
/// Its ledger, within the lock.
const LOCKED: &str = "ledger.inner.lock.v.value";
const LEDGER: &str = "ledger.inner.data.value";

/// What is lent, and what has another owner.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// The live transactions.
    pub shares: Vec<Share>,
    /// The memory that was donated.
    pub deeds: Vec<Deed>,
}

/// A transaction.
#[derive(Clone, Debug)]
pub struct Share {
    /// Its handle.
    pub handle: u64,
    /// Its owner's index in the table; none: the normal world.
    pub lender: Option<usize>,
    /// Whether its owner has it no more: it was lent or donated, and not shared.
    pub taken: bool,
    /// Whether all of it has been described.
    pub whole: bool,
    /// Runs of pages, the first page and how many.
    pub ranges: Vec<(u64, u64)>,
    /// Who has it now.
    pub borrowers: Vec<Borrower>,
}

/// A partition that has retrieved memory.
#[derive(Clone, Debug)]
pub struct Borrower {
    /// Its index in the table.
    pub partition: usize,
    /// Whether it may write.
    pub write: bool,
    /// The first page of its window in which the memory is, and how many; none of a partition's memory.
    pub slots: (u64, u64),
}

/// Pages that have another owner than the table says.
#[derive(Clone, Debug)]
pub struct Deed {
    /// The first page and how many.
    pub pages: (u64, u64),
    /// Index of the owner.
    pub owner: usize,
}

/// A reader of the ledger's fields.
struct Reader<'a, M> {
    layout: &'a Layout,
    memory: &'a mut M,
}

/// The ledger as it is; none while a core changes it.
///
/// # Errors
/// It cannot be read, or its lists lead nowhere.
pub fn read(layout: &Layout, memory: &mut impl Memory) -> Result<Option<Ledger>> {
    let spmc = layout.find(SPMC)?;
    let mut reader = Reader { layout, memory };
    if reader.number(spmc, LOCKED)? != 0 {
        return Ok(None);
    }
    let ledger = layout.field(spmc, LEDGER)?;
    Ok(Some(Ledger {
        shares: reader.shares(ledger)?,
        deeds: reader.deeds(ledger)?,
    }))
}

impl<M: Memory> Reader<'_, M> {
    fn number(&mut self, place: Place, path: &str) -> Result<u64> {
        let place = self.layout.field(place, path)?;
        self.memory.value(self.layout, place)
    }

    fn name(&mut self, place: Place, path: &str) -> Result<&str> {
        let value = self.number(place, path)?;
        self.layout.name(self.layout.field(place, path)?, value)
    }

    fn item(&self, place: Place, path: &str, index: u64) -> Result<Place> {
        self.layout.item(self.layout.field(place, path)?, index)
    }

    fn shares(&mut self, ledger: Place) -> Result<Vec<Share>> {
        let mut shares = Vec::new();
        for index in 0..self.number(ledger, "shares.fresh")? {
            let share = self.item(ledger, "shares.entries", index)?;
            let handle = self.number(share, "handle")?;
            if handle == 0 {
                continue;
            }
            shares.push(Share {
                handle,
                lender: (self.number(share, "from")? as usize).checked_sub(1),
                taken: self.name(share, "kind")? != "Share",
                whole: self.number(share, "missing")? == 0,
                ranges: self.ranges(ledger, share)?,
                borrowers: self.borrowers(ledger, share)?,
            });
        }
        Ok(shares)
    }

    fn ranges(&mut self, ledger: Place, share: Place) -> Result<Vec<(u64, u64)>> {
        let mut ranges = Vec::new();
        let first = self.number(share, "ranges.first.__0")?;
        for entry in self.list(ledger, "ranges.pool.entries", first)? {
            ranges.push((self.number(entry, "first")?, self.number(entry, "count")?));
        }
        Ok(ranges)
    }

    fn borrowers(&mut self, ledger: Place, share: Place) -> Result<Vec<Borrower>> {
        let mut borrowers = Vec::new();
        let first = self.number(share, "grants.__0")?;
        for grant in self.list(ledger, "windows.pool.entries", first)? {
            if self.number(grant, "retrieved")? != 0 {
                borrowers.push(Borrower {
                    partition: self.number(grant, "partition")? as usize,
                    write: self.name(grant, "access")? == "ReadWrite",
                    slots: (
                        self.number(grant, "slots.first")?,
                        self.number(grant, "slots.count")?,
                    ),
                });
            }
        }
        Ok(borrowers)
    }

    /// The entries of a list that starts at a link: zero is none, any other number the index and one more.
    fn list(&mut self, ledger: Place, entries: &str, first: u64) -> Result<Vec<Place>> {
        let entries = self.layout.field(ledger, entries)?;
        let (mut list, mut link) = (Vec::new(), first);
        while let Some(index) = link.checked_sub(1) {
            let entry = self.layout.item(entries, index)?;
            list.push(entry);
            if list.len() as u64 > self.layout.length(entries)? {
                bail!("a list of the ledger has no end");
            }
            link = self.number(entry, "next.__0")?;
        }
        Ok(list)
    }

    fn deeds(&mut self, ledger: Place) -> Result<Vec<Deed>> {
        let mut deeds = Vec::new();
        for index in 0..self.number(ledger, "deeds.len")? {
            let deed = self.item(ledger, "deeds.list", index)?;
            deeds.push(Deed {
                pages: (self.number(deed, "first")?, self.number(deed, "count")?),
                owner: self.number(deed, "owner")? as usize,
            });
        }
        Ok(deeds)
    }
}
