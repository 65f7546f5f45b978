//! The reference: a map from each page to the transaction that holds it, and rules as FF-A lists them.
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
    /// First slot and right to write, while retrieved.
    held: Option<(u64, bool)>,
    clear_after: bool,
}

pub struct Transaction {
    pub sender: u16,
    pub kind: Kind,
    pub attributes: u16,
    pub tag: u64,
    clear: bool,
    cleared: bool,
    /// In the sender's order.
    pages: Vec<u64>,
    expected: u64,
    pub missing: usize,
    offset: u32,
    ranges: usize,
    pub borrowers: Vec<Borrower>,
}

impl Transaction {
    pub fn whole(&self) -> bool {
        self.missing == 0
    }
}

#[derive(Default)]
pub struct Model {
    owner: BTreeMap<u64, u64>,
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
    TABLE
        .partitions
        .iter()
        .position(|entry| entry.id == id && entry.caller(sender).is_some())
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
    pub fn share(
        &mut self,
        sender: u16,
        kind: Kind,
        version: u32,
        total: u32,
        bytes: &[u8],
        got: &Result<Progress, Error>,
    ) {
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
        });
        let transaction = Transaction {
            sender,
            kind,
            attributes: fixed.attributes,
            tag: fixed.tag,
            clear: fixed.flags & 1 != 0,
            cleared: false,
            pages: Vec::new(),
            expected: number(bytes, composite, 4).unwrap(),
            missing: number(bytes, composite + 4, 4).unwrap() as usize,
            offset: composite as u32 + 16,
            ranges: 0,
            borrowers: borrowers.collect(),
        };
        for borrower in &transaction.borrowers {
            let used = self.of(borrower.partition).count();
            let full = used >= usize::from(TABLE.partitions[borrower.partition].shares);
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
            let owned = normal(transaction.sender) && TABLE.board.normal.iter().any(inside);
            rule(&mut errors, !owned, Error::Denied);
            if last != Some(address) {
                ranges += 1;
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
            let used: usize = self.of(borrower.partition).map(|t| t.ranges).sum();
            let quota = 56 * TABLE.partitions[borrower.partition].window.size / 4096 / 64;
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

    pub fn retrieve(&mut self, receiver: usize, version: u32, bytes: &[u8], got: &Result<Answer, Error>) {
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
        let slot = self.gap(receiver, transaction.pages.len() as u64, align);
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
            attributes: if version == V1_0 {
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
            address: TABLE.partitions[receiver].window.base + slot.unwrap() * 4096,
            pages: transaction.pages.len() as u32,
        };
        assert_eq!(got.as_ref().unwrap(), &expected);
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
        let held = transaction.is_some_and(|t| t.borrowers.iter().any(|borrower| borrower.held.is_some()));
        rule(&mut errors, held, Error::Denied);
        if agree(&errors, got) {
            let transaction = transaction.unwrap();
            if flags & 1 != 0 && transaction.whole() {
                self.clears.extend(&transaction.pages);
            }
            self.end(handle);
        }
    }

    pub fn release(&mut self, partition: usize) {
        let mut held = Vec::new();
        for transaction in self.live.values_mut() {
            for borrower in transaction
                .borrowers
                .iter_mut()
                .filter(|borrower| borrower.partition == partition)
            {
                if let Some((slot, _)) = borrower.held.take()
                    && (borrower.clear_after || transaction.kind == Kind::Donate)
                {
                    held.push((slot, transaction.pages.clone()));
                }
            }
        }
        held.sort();
        held.iter().for_each(|(_, pages)| self.clears.extend(pages));
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

    /// What stands in all windows.
    fn windows(&self) -> BTreeMap<(usize, u32), (u64, Access)> {
        let mut mapped = BTreeMap::new();
        for transaction in self.live.values() {
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
        assert_eq!(bench.ports.cleared, self.clears, "what was cleared");
        bench.ports.cleared.clear();
        self.clears.clear();
    }
}
