//! The reference: a map from each page to the transaction that holds it, a map from each secure page to who
//! gave it to whom, and rules as FF-A lists them.
//!
//! For each call it gathers every error that the rules allow, in no order, from the same bytes; the
//! ledger must refuse with one of them, or succeed where there is none. Then all states are compared.

use super::*;
use std::collections::BTreeSet;

type Errors = BTreeSet<i32>;

/// Adds an error where a rule is broken.
fn rule(errors: &mut Errors, broken: bool, error: Error) {
    if broken {
        errors.insert(error.code().cast_signed());
    }
}

/// What the ledger answered is what the rules allow; true: it succeeded.
fn agree<T: core::fmt::Debug>(errors: &Errors, got: &Result<T, Error>) -> bool {
    match got {
        Ok(_) => assert!(errors.is_empty(), "{got:?}, but it had to be one of {errors:?}"),
        Err(error) => {
            let code = error.code().cast_signed();
            assert!(
                errors.contains(&code),
                "{got:?}, but it had to be one of {errors:?}"
            );
        }
    }
    got.is_ok()
}

pub struct Borrower {
    pub partition: usize,
    write: bool,
    pub value: [u8; 16],
    /// First slot (none is used of secure memory) and right to write, while retrieved.
    held: Option<(u64, bool)>,
    clear_after: bool,
    /// It has or has had the memory.
    known: bool,
}

pub struct Transaction {
    pub sender: u16,
    pub kind: Kind,
    pub attributes: u16,
    pub tag: u64,
    clear: bool,
    cleared: bool,
    /// In the sender's order.
    pub pages: Vec<u64>,
    /// The same as ranges: those that follow each other in one fragment are one.
    runs: Vec<(u64, u32)>,
    expected: u64,
    pub missing: usize,
    offset: u32,
    ranges: usize,
    pub borrowers: Vec<Borrower>,
    /// Whether its sender was denied it.
    wanted: bool,
}

impl Transaction {
    fn is_held(&self) -> bool {
        self.borrowers.iter().any(|borrower| borrower.held.is_some())
    }

    pub fn whole(&self) -> bool {
        self.missing == 0
    }

    /// Index of the partition that sent it.
    fn lender(&self) -> Option<usize> {
        TABLE.partitions.iter().position(|entry| entry.id == self.sender)
    }
}

#[derive(Default)]
pub struct Model {
    /// Page to the transaction that holds it.
    owner: BTreeMap<u64, u64>,
    /// Secure page to its giver and its owner, where it is not at home.
    pub given: BTreeMap<u64, (u16, usize)>,
    pub live: BTreeMap<u64, Transaction>,
    ever: BTreeSet<u64>,
    /// Pages that the call at hand has to clear.
    clears: Vec<u64>,
}

struct Fixed {
    sender: u16,
    attributes: u16,
    flags: u32,
    handle: u64,
    tag: u64,
    end: usize,
    entries: Vec<(Entry, usize)>,
}

fn number(bytes: &[u8], at: usize, size: usize) -> Option<u64> {
    let field = bytes.get(at..at.checked_add(size)?)?;
    Some(
        field
            .iter()
            .rev()
            .fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
    )
}

/// Reads the part that lenders and borrowers have in common; `None`: malformed.
fn decode(version: u32, bytes: &[u8]) -> Option<Fixed> {
    let at = |at, size| number(bytes, at, size);
    let (size, start) = if version == V1_0 {
        (at(24, 4)? == 0).then_some((16, 32))?
    } else {
        (at(36, 4)? == 0 && at(40, 8)? == 0).then_some((at(24, 4)?, at(32, 4)?))?
    };
    let sizes: &[u64] = if version >= V1_2 { &[16, 32] } else { &[16] };
    let count = at(28, 4)?;
    let fits = start + count * size <= bytes.len() as u64;
    if !sizes.contains(&size) || start % 16 != 0 || (version != V1_0 && start < 48) || count == 0 || !fits {
        return None;
    }
    let mut entries = Vec::new();
    for entry in 0..count {
        let here = (start + entry * size) as usize;
        (at(here + size as usize - 8, 8)? == 0).then_some(())?;
        let value = if size == 32 {
            field(bytes, here + 8)
        } else {
            [0; 16]
        };
        let (permissions, flags) = (bytes[here + 2], bytes[here + 3]);
        let entry = Entry {
            id: at(here, 2)? as u16,
            permissions,
            flags,
            value,
        };
        entries.push((entry, at(here + 4, 4)? as usize));
    }
    Some(Fixed {
        sender: at(0, 2)? as u16,
        attributes: at(2, 2)? as u16,
        flags: at(4, 4)? as u32,
        handle: at(8, 8)?,
        tag: at(16, 8)?,
        end: (start + count * size) as usize,
        entries,
    })
}

fn normal(sender: u16) -> bool {
    sender < 0x8000
}

fn known(sender: u16, id: u16) -> Option<usize> {
    let takes = |entry: &Partition| entry.id == id && pages_of(sender, entry).is_some_and(|pages| pages > 0);
    TABLE.partitions.iter().position(takes)
}

/// Pages that a caller may have at a partition; none: it is no caller.
fn pages_of(sender: u16, partition: &Partition) -> Option<u32> {
    let mut callers = partition.callers.iter();
    callers
        .find(|caller| caller.id == sender)
        .map(|caller| caller.pages)
}

/// A partition's quota of transactions.
fn shares(partition: usize) -> u64 {
    u64::from(TABLE.partitions[partition].shares)
}

/// The pages of a caller that has room of its own.
fn own_room(sender: u16, partition: usize) -> Option<u64> {
    let pages = pages_of(sender, &TABLE.partitions[partition])?;
    (pages != u32::MAX).then_some(u64::from(pages))
}

fn duplicates(entries: &[(Entry, usize)]) -> bool {
    entries
        .iter()
        .map(|entry| entry.0.id)
        .collect::<BTreeSet<_>>()
        .len()
        < entries.len()
}

fn judge_attributes(errors: &mut Errors, attributes: u16) {
    let kind = attributes >> 4;
    rule(errors, kind == 1, Error::Denied);
    rule(errors, kind > 2, Error::InvalidParameters);
    let cacheable = matches!(attributes >> 2 & 3, 1 | 3);
    rule(
        errors,
        kind == 2 && (!cacheable || attributes & 3 == 1),
        Error::InvalidParameters,
    );
}

impl Model {
    /// Index of the partition that owns a secure page.
    pub fn owner_of(&self, page: u64) -> Option<usize> {
        let home = home(page)?;
        Some(self.given.get(&page).map_or(home, |given| given.1))
    }

    /// The pages that do not lie at home, in runs with one giver and one owner.
    fn deeds(&self) -> Vec<(u64, u64, u16, usize)> {
        let mut runs: Vec<(u64, u64, u16, usize)> = Vec::new();
        for (page, (giver, owner)) in &self.given {
            match runs.last_mut() {
                Some(last) if last.1 == *page && (last.2, last.3) == (*giver, *owner) => last.1 += 4096,
                _ => runs.push((*page, page + 4096, *giver, *owner)),
            }
        }
        runs
    }

    /// How many more deeds there may be of this giver at this owner.
    fn deeds_left(&self, giver: u16, owner: usize) -> i64 {
        let same = |other: u16| match (own_room(giver, owner), own_room(other, owner)) {
            (Some(_), _) => other == giver,
            (None, room) => room.is_none(),
        };
        let used = self
            .deeds()
            .iter()
            .filter(|deed| deed.3 == owner && same(deed.2))
            .count() as i64;
        let room = own_room(giver, owner).unwrap_or(u64::MAX).min(shares(owner));
        room as i64 - used
    }

    /// Whether there is room for what changes when this transaction's pages get a new owner.
    fn deeds_fit(&self, transaction: &Transaction, giver: usize, owner: usize) -> bool {
        let (mut new, mut cuts) = (0, 0);
        let deeds = self.deeds();
        let cut = |first: u64, end: u64| deeds.iter().any(|deed| deed.0 < first && end < deed.1);
        let region = |page: u64| {
            let all = TABLE.partitions.iter().flat_map(|entry| entry.memory);
            all.map(|region| region.range)
                .position(|range| range.contains(page, 4096))
        };
        for (first, count) in transaction.runs.clone() {
            let end = first + u64::from(count) * 4096;
            cuts += i64::from(cut(first, end));
            let kind = |page: u64| (region(page), self.given.get(&page));
            new += (first..end)
                .step_by(4096)
                .filter(|page| *page == first || kind(*page) != kind(*page - 4096))
                .count() as i64;
        }
        let id = TABLE.partitions[giver].id;
        let others = deeds.iter().filter(|deed| deed.3 == giver);
        let uncut = others
            .map(|deed| self.deeds_left(deed.2, giver))
            .all(|left| cuts <= left);
        new <= self.deeds_left(id, owner) && (cuts == 0 || uncut)
    }

    pub fn share(
        &mut self,
        sender: u16,
        kind: Kind,
        version: u32,
        total: u32,
        bytes: &[u8],
        got: &Result<Progress, Error>,
    ) {
        let free: Vec<u64> = self
            .live
            .iter()
            .filter(|(_, t)| t.sender == sender && t.wanted && !t.is_held())
            .map(|(h, _)| *h)
            .collect();
        free.iter().for_each(|handle| self.end(*handle));
        let mut errors = Errors::new();
        let Some((fixed, composite)) = Self::judge_offer(&mut errors, sender, kind, version, total, bytes)
        else {
            assert!(!agree(&errors, got));
            return;
        };
        if total as usize > bytes.len() {
            let stale: Vec<u64> = self
                .live
                .iter()
                .filter(|(_, t)| t.sender == sender && !t.whole())
                .map(|(h, _)| *h)
                .collect();
            stale.iter().for_each(|handle| self.end(*handle));
        }
        let borrowers = fixed.entries.iter().map(|(entry, _)| Borrower {
            partition: known(sender, entry.id).unwrap(),
            write: kind == Kind::Donate || entry.permissions == 2,
            value: entry.value,
            held: None,
            clear_after: false,
            known: false,
        });
        let transaction = Transaction {
            sender,
            kind,
            attributes: fixed.attributes,
            tag: fixed.tag,
            clear: fixed.flags & 1 != 0,
            cleared: false,
            pages: Vec::new(),
            runs: Vec::new(),
            expected: number(bytes, composite, 4).unwrap(),
            missing: number(bytes, composite + 4, 4).unwrap() as usize,
            offset: composite as u32 + 16,
            ranges: 0,
            borrowers: borrowers.collect(),
            wanted: false,
        };
        for borrower in &transaction.borrowers {
            let partition = borrower.partition;
            let full = match own_room(sender, partition) {
                None => self.common(partition).count() as u64 >= shares(partition),
                Some(own) => {
                    let live: u64 = self.theirs(sender, partition).map(|t| t.expected).sum();
                    let held = self.given.values().filter(|given| **given == (sender, partition));
                    let pages = live + held.count() as u64 + transaction.expected;
                    self.theirs(sender, partition).count() as u64 >= own.min(shares(partition)) || pages > own
                }
            };
            rule(&mut errors, full, Error::NoMemory);
        }
        self.extend(errors, transaction, &bytes[composite + 16..], None, got);
    }

    /// Rules that the first fragment can break alone.
    fn judge_offer(
        errors: &mut Errors,
        sender: u16,
        kind: Kind,
        version: u32,
        total: u32,
        bytes: &[u8],
    ) -> Option<(Fixed, usize)> {
        let invalid = Error::InvalidParameters;
        let Some(fixed) = decode(version, bytes) else {
            rule(errors, true, invalid);
            return None;
        };
        let several = fixed.entries.len() > 1;
        let flags = if kind == Kind::Share { 2 } else { 3 };
        rule(
            errors,
            bytes.len() > 4096 || bytes.len() > total as usize,
            invalid,
        );
        rule(
            errors,
            fixed.sender != sender || fixed.handle != 0 || fixed.flags & !flags != 0,
            invalid,
        );
        rule(errors, kind == Kind::Donate && several, invalid);
        rule(errors, duplicates(&fixed.entries), invalid);
        judge_attributes(errors, fixed.attributes);
        let said = fixed.attributes >> 4 != 0;
        rule(errors, said != (kind == Kind::Share || several), invalid);
        let at = fixed.entries[0].1;
        for (entry, composite) in &fixed.entries {
            let allowed: &[u8] = if kind == Kind::Donate { &[0] } else { &[1, 2] };
            rule(errors, known(sender, entry.id).is_none(), invalid);
            rule(errors, !allowed.contains(&entry.permissions), invalid);
            rule(errors, entry.flags != 0 || *composite != at, invalid);
        }
        rule(errors, at < fixed.end || at % 8 != 0, invalid);
        match (number(bytes, at + 4, 4), number(bytes, at + 8, 8)) {
            (Some(count), Some(reserved)) => {
                rule(errors, count == 0 || reserved != 0, invalid);
                rule(errors, at as u64 + 16 + count * 16 != u64::from(total), invalid);
            }
            _ => rule(errors, true, invalid),
        }
        errors.is_empty().then_some((fixed, at))
    }

    pub fn fragment(&mut self, sender: u16, handle: u64, bytes: &[u8], got: &Result<Progress, Error>) {
        let mut errors = Errors::new();
        let found = self
            .live
            .get(&handle)
            .is_some_and(|t| t.sender == sender && !t.whole());
        rule(&mut errors, !found, Error::InvalidParameters);
        if !found {
            assert!(!agree(&errors, got));
            return;
        }
        rule(&mut errors, bytes.is_empty(), Error::InvalidParameters);
        let transaction = self.live.remove(&handle).unwrap();
        self.owner.retain(|_, owner| *owner != handle);
        self.extend(errors, transaction, bytes, Some(handle), got);
    }

    /// Adds constituents to a transaction that is in no map now; it stays out of them on errors.
    fn extend(
        &mut self,
        mut errors: Errors,
        mut transaction: Transaction,
        bytes: &[u8],
        known: Option<u64>,
        got: &Result<Progress, Error>,
    ) {
        let invalid = Error::InvalidParameters;
        rule(&mut errors, !bytes.len().is_multiple_of(16), invalid);
        rule(&mut errors, bytes.len() > 4096, invalid);
        let mut ranges = 0;
        let mut last = None;
        for entry in bytes.chunks_exact(16) {
            let (address, count) = (number(entry, 0, 8).unwrap(), number(entry, 8, 4).unwrap());
            rule(&mut errors, !address.is_multiple_of(4096) || count == 0, invalid);
            rule(&mut errors, number(entry, 12, 4) != Some(0), invalid);
            rule(&mut errors, address.checked_add(count * 4096).is_none(), invalid);
            let end = address.saturating_add(count * 4096);
            let inside = |range: &Range| range.base <= address && end <= range.base + range.size;
            let owned = match transaction.lender() {
                None => TABLE.board.normal.iter().any(inside),
                Some(lender) => {
                    let movable = |page: u64| {
                        self.owner_of(page) == Some(lender)
                            && transaction.borrowers.iter().all(|b| places(b.partition, page))
                    };
                    (address..end).step_by(4096).take(100).all(movable)
                }
            };
            rule(&mut errors, !owned, Error::Denied);
            match transaction.runs.last_mut() {
                Some(run) if last == Some(address) => run.1 = run.1.wrapping_add(count as u32),
                _ => {
                    ranges += 1;
                    transaction.runs.push((address, count as u32));
                }
            }
            last = Some(end);
            // What is no page of the normal world's is not worth a list of its pages.
            for page in (address..end).step_by(4096).take_while(|_| owned) {
                rule(&mut errors, transaction.pages.contains(&page), invalid);
                rule(&mut errors, self.owner.contains_key(&page), Error::Denied);
                transaction.pages.push(page);
            }
        }
        for borrower in &transaction.borrowers {
            let partition = borrower.partition;
            let (used, quota): (usize, u64) = match own_room(transaction.sender, partition) {
                None => {
                    let quota = 56 * TABLE.partitions[partition].window.size / 4096 / 64;
                    (self.common(partition).map(|t| t.ranges).sum(), quota)
                }
                Some(own) => {
                    let theirs = self.theirs(transaction.sender, partition);
                    (theirs.map(|t| t.ranges).sum(), own)
                }
            };
            rule(
                &mut errors,
                used + transaction.ranges + ranges > quota as usize,
                Error::NoMemory,
            );
        }
        let count = bytes.len() / 16;
        rule(&mut errors, count > transaction.missing, invalid);
        transaction.missing = transaction.missing.saturating_sub(count);
        let arrived = transaction.pages.len() as u64;
        let wrong = arrived > transaction.expected || (transaction.whole() && arrived < transaction.expected);
        rule(&mut errors, wrong, invalid);
        if !agree(&errors, got) {
            return;
        }
        transaction.ranges += ranges;
        transaction.offset += bytes.len() as u32;
        let handle = match got.unwrap() {
            Progress::Complete(handle) => {
                assert!(transaction.whole());
                handle
            }
            Progress::More { handle, next_offset } => {
                assert!(!transaction.whole());
                assert_eq!(next_offset, transaction.offset);
                handle
            }
        };
        assert!(handle != 0 && handle >> 63 == 0);
        match known {
            Some(known) => assert_eq!(handle, known),
            None => assert!(self.ever.insert(handle), "the handle is not a new one"),
        }
        transaction
            .pages
            .iter()
            .for_each(|page| assert_eq!(self.owner.insert(*page, handle), None));
        self.live.insert(handle, transaction);
    }

    pub fn retrieve(
        &mut self,
        receiver: usize,
        version: u32,
        bytes: &[u8],
        got: &Result<(Answer, Pages), Error>,
    ) {
        let mut errors = Errors::new();
        let found = decode(version, bytes).and_then(|fixed| {
            let transaction = self.live.get(&fixed.handle).filter(|t| t.whole())?;
            let place = transaction
                .borrowers
                .iter()
                .position(|borrower| borrower.partition == receiver)?;
            Some((fixed, transaction, place))
        });
        let Some((fixed, transaction, place)) = found else {
            rule(&mut errors, true, Error::InvalidParameters);
            assert!(!agree(&errors, got));
            return;
        };
        let borrower = &transaction.borrowers[place];
        let id = TABLE.partitions[receiver].id;
        Self::judge_request(&mut errors, transaction, id, &fixed, bytes.len());
        rule(&mut errors, borrower.held.is_some(), Error::Denied);
        rule(
            &mut errors,
            borrower.known && fixed.flags & 1 != 0,
            Error::InvalidParameters,
        );
        let own = fixed
            .entries
            .iter()
            .find(|(entry, _)| entry.id == id)
            .map_or(0, |own| own.0.permissions);
        let write = if own & 3 == 0 {
            borrower.write
        } else {
            own & 3 == 2
        };
        rule(&mut errors, write && !borrower.write, Error::Denied);
        rule(&mut errors, fixed.flags & 4 != 0 && !write, Error::Denied);
        let align = if fixed.flags & 1 << 9 == 0 {
            1
        } else {
            1 << (fixed.flags >> 5 & 15)
        };
        let slot = match transaction.lender() {
            None => self.gap(receiver, transaction.pages.len() as u64, align),
            Some(lender) => {
                let aligned = |run: &(u64, u32)| (run.0 / 4096).is_multiple_of(align);
                rule(&mut errors, !transaction.runs.iter().all(aligned), Error::Denied);
                let full = transaction.kind == Kind::Donate && !self.deeds_fit(transaction, lender, receiver);
                (!full).then_some(0)
            }
        };
        rule(&mut errors, slot.is_none(), Error::NoMemory);
        if !agree(&errors, got) {
            return;
        }
        let transaction = self.live.get_mut(&fixed.handle).unwrap();
        if transaction.clear && !transaction.cleared {
            self.clears.extend(&transaction.pages);
            transaction.cleared = true;
        }
        let borrower = &mut transaction.borrowers[place];
        borrower.held = Some((slot.unwrap(), write));
        borrower.known = true;
        borrower.clear_after = fixed.flags & 4 != 0;
        let attributes = match (fixed.attributes & 0x3f, transaction.attributes) {
            (asked, given) if asked >> 4 == 0 => {
                if given >> 4 == 0 {
                    0x2f
                } else {
                    given
                }
            }
            (asked, _) => asked,
        };
        let expected = Answer {
            sender: transaction.sender,
            attributes: if version == V1_0 || !normal(transaction.sender) {
                attributes
            } else {
                attributes | 0x40
            },
            flags: transaction.kind.code() << 3 | u32::from(transaction.cleared),
            handle: fixed.handle,
            tag: transaction.tag,
            receiver: id,
            permissions: if write { 6 } else { 5 },
            value: if version >= V1_2 { borrower.value } else { [0; 16] },
            address: match transaction.lender() {
                None => TABLE.partitions[receiver].window.base + slot.unwrap() * 4096,
                Some(_) => transaction.pages[0],
            },
            pages: transaction.pages.len() as u32,
        };
        let ranges = match transaction.lender() {
            None => Vec::from([(expected.address, expected.pages)]),
            Some(_) => transaction.runs.clone(),
        };
        assert_eq!(got.as_ref().unwrap(), &(expected, ranges));
        if transaction.kind == Kind::Donate && transaction.lender().is_some() {
            let (giver, pages) = (transaction.sender, transaction.pages.clone());
            for page in pages {
                self.given.insert(page, (giver, receiver));
                if home(page) == Some(receiver) {
                    self.given.remove(&page);
                }
            }
            self.end(fixed.handle);
        }
    }

    /// Rules for a retrieve that do not depend on what the borrower holds.
    fn judge_request(errors: &mut Errors, transaction: &Transaction, id: u16, fixed: &Fixed, length: usize) {
        let (kind, invalid, denied) = (transaction.kind, Error::InvalidParameters, Error::Denied);
        let flags = fixed.flags;
        let alone = flags & 1 << 10 != 0;
        let count = if alone { 1 } else { transaction.borrowers.len() };
        rule(
            errors,
            fixed.sender != transaction.sender || fixed.tag != transaction.tag,
            invalid,
        );
        rule(
            errors,
            fixed.end != length || fixed.entries.len() != count,
            invalid,
        );
        rule(errors, duplicates(&fixed.entries), invalid);
        rule(
            errors,
            !fixed.entries.iter().any(|(entry, _)| entry.id == id),
            invalid,
        );
        for (entry, composite) in &fixed.entries {
            let named = transaction
                .borrowers
                .iter()
                .find(|b| TABLE.partitions[b.partition].id == entry.id);
            let long = fixed.entries.len() * 32 == fixed.end - 48;
            let same = named.is_some_and(|named| named.value == entry.value || !long);
            rule(errors, !same || *composite != 0, invalid);
            rule(errors, entry.flags != u8::from(entry.id != id), invalid);
            let (data, code, rest) = (
                entry.permissions & 3,
                entry.permissions >> 2 & 3,
                entry.permissions >> 4,
            );
            rule(errors, data == 3 || code == 3 || rest != 0, invalid);
            let shared = kind == Kind::Share || transaction.borrowers.len() > 1;
            let own = entry.id == id;
            rule(errors, own && shared && code != 0, invalid);
            rule(errors, own && !shared && code == 2, denied);
        }
        judge_attributes(errors, fixed.attributes);
        let (asked, given) = (fixed.attributes, transaction.attributes);
        if asked >> 4 == 2 && given >> 4 == 2 {
            rule(errors, asked & 3 != given & 3, denied);
            rule(errors, asked & 8 > given & 8, denied);
        }
        rule(errors, flags >> 11 != 0, invalid);
        rule(errors, flags & 1 << 9 == 0 && flags >> 5 & 15 != 0, invalid);
        rule(
            errors,
            flags >> 3 & 3 != 0 && flags >> 3 & 3 != kind.code(),
            invalid,
        );
        rule(errors, kind == Kind::Share && flags & 5 != 0, invalid);
        rule(errors, kind == Kind::Donate && flags & 4 != 0, invalid);
        rule(errors, flags & 1 != 0 && !transaction.clear, denied);
    }

    pub fn relinquish(&mut self, receiver: usize, bytes: &[u8], got: &Result<(), Error>) {
        let mut errors = Errors::new();
        let handle = number(bytes, 0, 8).unwrap_or(0);
        let flags = number(bytes, 8, 4).unwrap_or(0);
        let id = u64::from(TABLE.partitions[receiver].id);
        let alone = number(bytes, 12, 4) == Some(1) && number(bytes, 16, 2) == Some(id);
        rule(&mut errors, !alone || flags & !3 != 0, Error::InvalidParameters);
        let transaction = self.live.get_mut(&handle).filter(|t| t.whole());
        let found = transaction.and_then(|t| {
            let place = t
                .borrowers
                .iter()
                .position(|borrower| borrower.partition == receiver)?;
            Some((t.kind, t.pages.clone(), &mut t.borrowers[place]))
        });
        rule(&mut errors, found.is_none(), Error::InvalidParameters);
        let Some((kind, pages, borrower)) = found else {
            assert!(!agree(&errors, got));
            return;
        };
        let clear = flags & 1 != 0;
        rule(
            &mut errors,
            clear && kind == Kind::Share,
            Error::InvalidParameters,
        );
        rule(
            &mut errors,
            kind == Kind::Donate || borrower.held.is_none(),
            Error::Denied,
        );
        rule(
            &mut errors,
            clear && matches!(borrower.held, Some((_, false))),
            Error::Denied,
        );
        if agree(&errors, got) {
            borrower.held = None;
            if clear || borrower.clear_after {
                self.clears.extend(pages);
            }
        }
    }

    pub fn reclaim(&mut self, sender: u16, handle: u64, flags: u32, got: &Result<(), Error>) {
        let mut errors = Errors::new();
        let transaction = self.live.get(&handle).filter(|t| t.sender == sender);
        rule(
            &mut errors,
            transaction.is_none() || flags & !3 != 0,
            Error::InvalidParameters,
        );
        let held = transaction.is_some_and(Transaction::is_held);
        rule(&mut errors, held, Error::Denied);
        if agree(&errors, got) {
            let transaction = transaction.unwrap();
            if flags & 1 != 0 && transaction.whole() {
                self.clears.extend(&transaction.pages);
            }
            self.end(handle);
        } else if *got == Err(Error::Denied) {
            self.live.get_mut(&handle).unwrap().wanted = true;
        }
    }

    pub fn release(&mut self, partition: usize) {
        let id = TABLE.partitions[partition].id;
        let unfinished = |transaction: &Transaction| transaction.sender == id && !transaction.whole();
        let ends: Vec<u64> = self
            .live
            .iter()
            .filter(|live| unfinished(live.1))
            .map(|live| *live.0)
            .collect();
        ends.iter().for_each(|handle| self.end(*handle));
        let mut held = Vec::new();
        for (handle, transaction) in &mut self.live {
            for borrower in transaction
                .borrowers
                .iter_mut()
                .filter(|borrower| borrower.partition == partition)
            {
                if let Some((slot, _)) = borrower.held.take()
                    && (borrower.clear_after || transaction.kind == Kind::Donate)
                {
                    // Secure memory follows, in the order of the ledger's entries.
                    let secure = transaction.sender & 1 << 15 != 0;
                    let place = if secure { *handle & 0xffff } else { slot };
                    held.push((secure, place, transaction.pages.clone()));
                }
            }
        }
        held.sort();
        held.iter().for_each(|held| self.clears.extend(&held.2));
    }

    /// A partition starts anew.
    pub fn renew(&mut self, partition: usize) {
        self.release(partition);
        let its = |page: &u64| home(*page) == Some(partition);
        let ends: Vec<u64> = (self.live.iter())
            .filter(|(_, t)| {
                t.lender()
                    .is_some_and(|lender| lender == partition || t.pages.iter().any(its))
            })
            .map(|(handle, _)| *handle)
            .collect();
        ends.iter().for_each(|handle| self.end(*handle));
        let borrowers = self.live.values_mut().flat_map(|t| t.borrowers.iter_mut());
        for borrower in borrowers.filter(|borrower| borrower.partition == partition) {
            borrower.known = false;
        }
        let undone: Vec<u64> = (self.given.iter())
            .filter(|(page, (_, owner))| *owner == partition || its(page))
            .map(|(page, _)| *page)
            .collect();
        for page in undone {
            self.given.remove(&page);
            self.clears.push(page);
        }
    }

    fn end(&mut self, handle: u64) {
        self.live.remove(&handle);
        self.owner.retain(|_, owner| *owner != handle);
    }

    /// Transactions that name a partition.
    fn of(&self, partition: usize) -> impl Iterator<Item = &Transaction> {
        self.live
            .values()
            .filter(move |t| t.borrowers.iter().any(|borrower| borrower.partition == partition))
    }

    /// Transactions of a sender that name a partition.
    fn theirs(&self, sender: u16, partition: usize) -> impl Iterator<Item = &Transaction> {
        self.of(partition).filter(move |t| t.sender == sender)
    }

    /// Transactions that name a partition, of senders without room of their own there.
    fn common(&self, partition: usize) -> impl Iterator<Item = &Transaction> {
        self.of(partition)
            .filter(move |t| own_room(t.sender, partition).is_none())
    }

    /// Who reaches which secure page, and how.
    fn reach(&self) -> BTreeMap<(usize, u64), Rights> {
        let mut reach = BTreeMap::new();
        for (index, partition) in TABLE.partitions.iter().enumerate() {
            for region in partition.memory {
                for page in (region.range.base..region.range.end()).step_by(4096) {
                    let (owner, rights) = match self.given.get(&page) {
                        Some((_, owner)) => (*owner, Rights::ReadWrite),
                        None => (index, region.rights),
                    };
                    let holder = self.owner.get(&page).map(|handle| &self.live[handle]);
                    if holder.is_none_or(|t| t.kind == Kind::Share || !t.whole()) {
                        assert_eq!(reach.insert((owner, page), rights), None);
                    }
                }
            }
        }
        for transaction in self.live.values().filter(|t| t.lender().is_some()) {
            for borrower in &transaction.borrowers {
                let Some((_, write)) = borrower.held else {
                    continue;
                };
                let rights = if write { Rights::ReadWrite } else { Rights::Read };
                for page in &transaction.pages {
                    assert_eq!(reach.insert((borrower.partition, *page), rights), None);
                }
            }
        }
        reach
    }

    /// What stands in all windows.
    fn windows(&self) -> BTreeMap<(usize, u32), (u64, Access)> {
        let mut mapped = BTreeMap::new();
        for transaction in self.live.values().filter(|t| t.lender().is_none()) {
            for borrower in &transaction.borrowers {
                let Some((slot, write)) = borrower.held else {
                    continue;
                };
                let access = if write { Access::ReadWrite } else { Access::Read };
                for (number, page) in transaction.pages.iter().enumerate() {
                    let slot = slot as u32 + number as u32;
                    assert_eq!(mapped.insert((borrower.partition, slot), (*page, access)), None);
                }
            }
        }
        mapped
    }

    fn gap(&self, partition: usize, count: u64, align: u64) -> Option<u64> {
        let window = TABLE.partitions[partition].window;
        let taken = self.windows();
        let free = |slot: u64| !taken.contains_key(&(partition, slot as u32));
        let fits = |first: &u64| {
            (window.base / 4096 + first).is_multiple_of(align) && (*first..first + count).all(free)
        };
        (0..(window.size / 4096 + 1).saturating_sub(count)).find(fits)
    }

    /// All that can be seen of the ledger and the ports is as it is here.
    pub fn compare(&mut self, bench: &mut Bench) {
        assert_eq!(bench.ledger.check_invariants(&TABLE), Ok(()));
        let mut owner = BTreeMap::new();
        for (pages, share) in bench.ledger.ranges.by_address() {
            for page in pages.first..pages.end() {
                let before = owner.insert(page * 4096, bench.ledger.shares[share].handle);
                assert_eq!(before, None, "page {page:x} is in two transactions");
            }
        }
        assert_eq!(owner, self.owner, "who holds which page");
        assert_eq!(bench.ports.mapped, self.windows(), "what stands in the windows");
        for (index, partition) in TABLE.partitions.iter().enumerate() {
            for slot in 0..=(partition.window.size / 4096) as u32 {
                let address = partition.window.base + u64::from(slot) * 4096 + 0x123;
                let behind = bench.ledger.behind(&TABLE, index, address);
                let mapped = bench.ports.mapped.get(&(index, slot)).copied();
                assert_eq!(behind, mapped, "what a copy reaches at {address:x}");
            }
        }
        assert_eq!(bench.ports.reach, self.reach(), "who reaches which secure page");
        assert_eq!(bench.ports.cleared, self.clears, "what was cleared");
        bench.ports.cleared.clear();
        self.clears.clear();
    }
}
