//! Stage 2 of each partition: its own memory and devices, and what it borrows of other partitions, in the
//! secure IPA space, where addresses are physical ones; and its window of the normal world's memory in the
//! non-secure one.
//!
//! Memory of a partition that others have as a caller with pages to share may change hands. It is mapped by
//! pages from the start, in its owner's tables, and has level-3 tables in theirs, which are empty at first:
//! later on only entries of level 3 change, and no table is ever made, split or given back.

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{Readable as _, VTCR_EL2, VTTBR_EL2, Writeable as _};
use bulkhead_core::api::Access;
use bulkhead_core::sure::Sure as _;
use bulkhead_core::table::{Partition, Range, Region, Rights};
use static_assertions::const_assert;

use super::PAGE;
use super::cell::Owned;
use super::registers::{self as r, VSTCR_EL2, VTCR_EL2_SECURE};
use super::stage1::Table;
use crate::table::{PARTITIONS, TABLE};

/// Bits of an intermediate physical address: a walk starts at level 1 with four entries.
const IPA_BITS: u64 = 32;
const BLOCK: u64 = 2 << 20;

/// The level-1 tables of a partition. VSTTBR_EL2 gets the address of the whole.
#[repr(C)]
struct Roots {
    secure: Table,
    window: Table,
}

static ROOTS: [Owned<Roots>; PARTITIONS] = [const {
    Owned::new(Roots {
        secure: Table::empty(),
        window: Table::empty(),
    })
}; PARTITIONS];

static LEVEL2: Owned<[Table; LEVEL2_TABLES]> = Owned::new([const { Table::empty() }; LEVEL2_TABLES]);

/// Level-2 tables that all partitions need together.
const LEVEL2_TABLES: usize = level2_before(PARTITIONS);

/// Level-2 tables of the partitions before this one: for each that of its window, which lies in one
/// gigabyte, and one for each gigabyte in which it owns something or may come to borrow something.
const fn level2_before(partition: usize) -> usize {
    let (mut n, mut total) = (0, 0);
    while n < partition {
        let p = &TABLE.partitions[n];
        let mut touched = region_gigabytes(p.memory);
        let mut d = 0;
        while d < p.devices.len() {
            touched |= p.devices[d].range.gigabytes();
            d += 1;
        }
        let mut lender = 0;
        while lender < PARTITIONS {
            if lends(lender, n) {
                touched |= region_gigabytes(TABLE.partitions[lender].memory);
            }
            lender += 1;
        }
        total += 1 + touched.count_ones() as usize;
        n += 1;
    }
    total
}

const fn region_gigabytes(memory: &[Region]) -> u64 {
    let (mut touched, mut m) = (0, 0);
    while m < memory.len() {
        touched |= memory[m].range.gigabytes();
        m += 1;
    }
    touched
}

/// Whether memory that the table gives to one partition may come to another: the borrower has it as a
/// caller with pages to share.
const fn lends(lender: usize, borrower: usize) -> bool {
    let callers = TABLE.partitions[borrower].callers;
    let mut n = 0;
    while n < callers.len() {
        if callers[n].id == TABLE.partitions[lender].id && callers[n].pages > 0 {
            return true;
        }
        n += 1;
    }
    false
}

/// Whether memory of this partition may change hands.
const fn lends_to_any(lender: usize) -> bool {
    let mut n = 0;
    while n < PARTITIONS {
        if lends(lender, n) {
            return true;
        }
        n += 1;
    }
    false
}

/// Level-3 tables that a partition's memory takes when it is mapped by pages.
const fn blocks(memory: &[Region]) -> usize {
    let (mut total, mut m) = (0, 0);
    while m < memory.len() {
        total += memory[m].range.blocks(BLOCK) as usize;
        m += 1;
    }
    total
}

static LEVEL3: Owned<[Table; LEVEL3_TABLES]> = Owned::new([const { Table::empty() }; LEVEL3_TABLES]);

/// Level-3 tables that all partitions need together.
const LEVEL3_TABLES: usize = level3_before(PARTITIONS);

/// Level-3 tables of the partitions before this one: for each its window first, then two for the
/// ends of each region, or all of it where it may change hands; one for each device; and those for what it
/// may come to borrow.
const fn level3_before(partition: usize) -> usize {
    let (mut n, mut total) = (0, 0);
    while n < partition {
        let p = &TABLE.partitions[n];
        let own = if lends_to_any(n) {
            blocks(p.memory)
        } else {
            2 * p.memory.len()
        };
        total += window_tables(p) + own + p.devices.len();
        let mut lender = 0;
        while lender < PARTITIONS {
            if lends(lender, n) {
                total += blocks(TABLE.partitions[lender].memory);
            }
            lender += 1;
        }
        n += 1;
    }
    total
}

const fn window_tables(partition: &Partition) -> usize {
    (partition.window.size as usize).div_ceil(BLOCK as usize)
}

/// Whether all that stage 2 maps lies where its tables reach.
const fn reachable() -> bool {
    let mut n = 0;
    while n < PARTITIONS {
        let p = &TABLE.partitions[n];
        let w = &p.window;
        if !w.base.is_multiple_of(BLOCK) || w.base >> 30 != (w.end() - 1) >> 30 || w.end() > 1 << IPA_BITS {
            return false;
        }
        let mut m = 0;
        while m < p.memory.len() {
            if p.memory[m].range.end() > 1 << IPA_BITS {
                return false;
            }
            m += 1;
        }
        let mut d = 0;
        while d < p.devices.len() {
            if p.devices[d].range.end() > 1 << IPA_BITS {
                return false;
            }
            d += 1;
        }
        n += 1;
    }
    PARTITIONS <= 254
}
const_assert!(reachable());

const VALID_TABLE: u64 = 0b11;
const VALID_BLOCK: u64 = 0b01;
const ACCESS_FLAG: u64 = 1 << 10;
const INNER_SHAREABLE: u64 = 0b11 << 8;
const READ: u64 = 0b01 << 6;
const WRITE: u64 = 0b10 << 6;
const WRITE_BACK: u64 = 0b1111 << 2;
const DEVICE: u64 = 0b0001 << 2;
const EXECUTE_NEVER: u64 = 1 << 54;

/// Attributes of secure memory.
const fn secure_memory(rights: Rights) -> u64 {
    let rights = match rights {
        Rights::ReadWriteExecute => READ | WRITE,
        Rights::ReadWrite => READ | WRITE | EXECUTE_NEVER,
        Rights::Read => READ | EXECUTE_NEVER,
    };
    ACCESS_FLAG | INNER_SHAREABLE | WRITE_BACK | rights
}

/// Builds the tables of all partitions; their windows are empty. Boot core, once.
pub fn build() {
    let all = TABLE.partitions.iter().zip(&ROOTS).zip(&PARTS);
    for (index, ((partition, roots), part)) in (0..PARTITIONS).zip(all) {
        // SAFETY: only the boot core runs, and no partition was entered: nothing else uses these.
        let (roots, level2, level3) = unsafe { (roots.get(), LEVEL2.get(), LEVEL3.get()) };
        let own = level2.get_mut(part.level2.clone()).sure(COUNTED);
        let (window_level2, level2) = own.split_first_mut().sure(COUNTED);
        let own = level3.get_mut(part.level3.clone()).sure(COUNTED);
        let (window, level3) = own.split_at_mut_checked(window_tables(partition)).sure(COUNTED);
        build_window(roots, partition, window_level2, window);
        let mut secure = Secure {
            root: &mut roots.secure,
            level2: Pool {
                tables: level2,
                used: 0,
            },
            level3: Pool {
                tables: level3,
                used: 0,
            },
        };
        for region in partition.memory {
            let largest = if lends_to_any(index) { PAGE as u64 } else { BLOCK };
            secure.map(&region.range, secure_memory(region.rights), largest);
        }
        for (lender, other) in TABLE.partitions.iter().enumerate() {
            if lends(lender, index) {
                other
                    .memory
                    .iter()
                    .for_each(|region| secure.reserve(&region.range));
            }
        }
        for device in partition.devices {
            let attributes = ACCESS_FLAG | READ | WRITE | DEVICE | EXECUTE_NEVER;
            secure.map(&device.range, attributes, BLOCK);
        }
    }
    barrier::dsb(barrier::ISH);
}

fn build_window(roots: &mut Roots, partition: &Partition, level2: &mut Table, level3: &[Table]) {
    let base = partition.window.base;
    let entries = level2.0.iter_mut().skip((base >> 21) as usize % 512);
    for (entry, table) in entries.zip(level3) {
        *entry = address(table) | VALID_TABLE;
    }
    *of_root(&mut roots.window, base) = address(level2) | VALID_TABLE;
}

/// The entry of a level-1 table that an address is behind.
fn of_root(root: &mut Table, address: u64) -> &mut u64 {
    let entry = root.0.get_mut((address >> 30) as usize);
    entry.sure("`reachable` has seen that no address is larger")
}

fn address(table: &Table) -> u64 {
    core::ptr::from_ref(table) as usize as u64
}

/// Tables of one level that a partition may use, and how many it uses.
struct Pool<'a> {
    tables: &'a mut [Table],
    used: usize,
}

impl Pool<'_> {
    /// The table that an entry leads to; the next free one where it leads nowhere yet.
    fn behind(&mut self, entry: &mut u64) -> &mut Table {
        let base = self.tables.as_ptr() as usize as u64;
        let index = if *entry == 0 {
            let free = self.used;
            *entry = base.saturating_add(free.saturating_mul(PAGE) as u64) | VALID_TABLE;
            self.used = free.saturating_add(1);
            free
        } else {
            (*entry & 0xffff_ffff_f000).saturating_sub(base) as usize / PAGE
        };
        self.tables.get_mut(index).sure(COUNTED)
    }
}

/// The secure side of one partition while it is built.
struct Secure<'a> {
    root: &'a mut Table,
    level2: Pool<'a>,
    level3: Pool<'a>,
}

impl Secure<'_> {
    /// Makes the tables for pages of this range, and maps nothing.
    fn reserve(&mut self, range: &Range) {
        let mut at = range.base & !(BLOCK - 1);
        while at < range.end() {
            let level2 = self.level2.behind(of_root(self.root, at));
            self.level3.behind(&mut level2.0[(at >> 21) as usize % 512]);
            at += BLOCK;
        }
    }

    /// Maps where it is, by 2 MiB blocks where they fit and are no larger than `largest`.
    fn map(&mut self, range: &Range, attributes: u64, largest: u64) {
        let (mut at, to) = (range.base, range.end());
        while at < to {
            let level2 = self.level2.behind(of_root(self.root, at));
            let entry = &mut level2.0[(at >> 21) as usize % 512];
            if largest == BLOCK && at.is_multiple_of(BLOCK) && to - at >= BLOCK {
                *entry = at | attributes | VALID_BLOCK;
                at += BLOCK;
            } else {
                let level3 = self.level3.behind(entry);
                level3.0[(at >> 12) as usize % 512] = at | attributes | VALID_TABLE;
                at += PAGE as u64;
            }
        }
    }
}

/// Sets up this core's stage-2 controls (DDI0487, VSTCR_EL2 and VTCR_EL2): both roots and all tables are in
/// secure memory; the non-secure IPA space leads to non-secure memory only.
pub fn init_core() {
    const RES1: u64 = 1 << 31;
    let common = VTCR_EL2::PS::PA_40B_1TB
        + VTCR_EL2::TG0::Granule4KB
        + VTCR_EL2::SH0::Inner
        + VTCR_EL2::ORGN0::NormalWBRAWA
        + VTCR_EL2::IRGN0::NormalWBRAWA
        + VTCR_EL2::SL0.val(1)
        + VTCR_EL2::T0SZ.val(64 - IPA_BITS);
    let secure = VTCR_EL2_SECURE::NSA::SET + VTCR_EL2_SECURE::NSW::CLEAR;
    VTCR_EL2.set(common.value | secure.value | RES1);
}

/// Makes a partition's tables the ones in use on this core; the next entry to EL1 synchronises.
///
/// VSTCR_EL2 is written with them each time: EL3 does not keep it, and firmware may suspend a core
/// with loss of its state without a word to the SPMC.
#[inline(always)]
pub fn activate(partition: usize) {
    let vstcr = VSTCR_EL2::RES1::SET
        + VSTCR_EL2::SA::CLEAR
        + VSTCR_EL2::SW::CLEAR
        + VSTCR_EL2::TG0.val(0)
        + VSTCR_EL2::SL0.val(1)
        + VSTCR_EL2::T0SZ.val(64 - IPA_BITS);
    let roots = ROOTS
        .get(partition)
        .sure("the policy names partitions of the table")
        .address();
    VTTBR_EL2.set(window_root(roots) | (partition as u64).wrapping_add(1) << 48);
    r::vsttbr_el2::write(roots);
    r::vstcr_el2::write(vstcr.value);
}

/// The address of the level-1 table of a window, by that of both.
const fn window_root(roots: u64) -> u64 {
    roots.wrapping_add(core::mem::offset_of!(Roots, window) as u64)
}

/// Forgets what this core holds for the active partition: translations and instructions of another
/// of its contexts, which may have its own stage-1 tables under the same ASIDs, or of the same one
/// from before it ran elsewhere.
pub fn forget_local() {
    // SAFETY: invalidation changes no memory.
    unsafe {
        core::arch::asm!(
            "isb",
            "tlbi vmalle1",
            "ic iallu",
            "dsb nsh",
            "isb",
            options(nostack)
        );
    };
}

/// Why there are tables enough.
const COUNTED: &str = "the tables are counted when the image is built, by the rule by which they are taken";

/// A partition's tables among those of all.
struct Part {
    level2: core::ops::Range<usize>,
    /// Those of its window first.
    level3: core::ops::Range<usize>,
}

/// Each partition's tables: counted when the image is built, as each page asks for them.
static PARTS: [Part; PARTITIONS] = {
    let (mut all, mut n) = (
        [const {
            Part {
                level2: 0..0,
                level3: 0..0,
            }
        }; PARTITIONS],
        0,
    );
    while n < PARTITIONS {
        all[n].level2 = level2_before(n)..level2_before(n + 1);
        all[n].level3 = level3_before(n)..level3_before(n + 1);
        n += 1;
    }
    all
};

/// The level-3 entries of a run of slots in a partition's window, which lie behind each other: where the first is, and
/// how many of the `count` are in the window.
fn window_entries(partition: usize, slot: u32, count: u32) -> Option<(*mut u64, usize)> {
    let p = TABLE.partitions.get(partition)?;
    let behind = (p.window.size / PAGE as u64).checked_sub(u64::from(slot))?;
    let count = behind.min(u64::from(count)) as usize;
    let base = LEVEL3.address() as usize as *mut u64;
    // The check above keeps the run inside the partition's own window tables.
    let first = PARTS
        .get(partition)?
        .level3
        .start
        .checked_mul(512)?
        .checked_add(slot as usize)?;
    Some((base.wrapping_add(first), count))
}

/// Maps pages of normal-world memory into a partition's window. The ledger's lock is held.
pub fn map_window(partition: usize, slot: u32, address: u64, count: u32, access: Access) {
    let rights = match access {
        Access::Read => READ,
        Access::ReadWrite => READ | WRITE,
    };
    let attributes = ACCESS_FLAG | INNER_SHAREABLE | WRITE_BACK | EXECUTE_NEVER | rights | VALID_TABLE;
    let Some((entries, count)) = window_entries(partition, slot, count) else {
        return;
    };
    let mut page = address & !(PAGE as u64 - 1);
    for n in 0..count {
        // SAFETY: `window_entries` gives places in the window's own tables, which are written under
        // the ledger's lock only, and read by the walker as single words.
        unsafe { entries.wrapping_add(n).write_volatile(page | attributes) };
        page = page.saturating_add(PAGE as u64);
    }
    barrier::dsb(barrier::ISHST);
}

/// What the walk of an address finds in a partition's tables, level 1 to 3: in the secure space, and in that of its
/// window. The walk ends, with zeros behind, at an entry that leads to no table.
pub fn walk(partition: usize, ipa: u64) -> [[u64; 3]; 2] {
    let root = ROOTS.get(partition).map_or(0, Owned::address);
    if root == 0 || ipa >> IPA_BITS != 0 {
        return [[0; 3]; 2];
    }
    [root, window_root(root)].map(|level1| {
        let mut found = [0; 3];
        let mut place = Some(entry_of(level1, ipa >> 30));
        for (level, entry) in (1..=3).zip(&mut found) {
            let Some(at) = place else { break };
            *entry = read_entry(at);
            place = match level {
                1 => next(LEVEL2.address(), LEVEL2_TABLES, *entry).map(|table| entry_of(table, ipa >> 21)),
                2 => next(LEVEL3.address(), LEVEL3_TABLES, *entry).map(|table| entry_of(table, ipa >> 12)),
                _ => None,
            };
        }
        found
    })
}

/// The level-3 entry of a page in a partition's secure tables; none where they have no place for it.
fn secure_entry(partition: usize, address: u64) -> Option<*mut u64> {
    let root = ROOTS.get(partition)?.address();
    if address >> IPA_BITS != 0 {
        return None;
    }
    let level1 = entry_of(root, address >> 30);
    let level2 = entry_of(below(LEVEL2.address(), LEVEL2_TABLES, level1)?, address >> 21);
    let level3 = entry_of(below(LEVEL3.address(), LEVEL3_TABLES, level2)?, address >> 12);
    Some(level3 as usize as *mut u64)
}

/// Where an entry of a table is.
const fn entry_of(table: u64, number: u64) -> u64 {
    table | (number % 512) << 3
}

/// The table that the entry at `place` leads to, if it is one of these `count` tables.
fn below(tables: u64, count: usize, place: u64) -> Option<u64> {
    next(tables, count, read_entry(place))
}

/// An entry of a table.
fn read_entry(place: u64) -> u64 {
    // SAFETY: `secure_entry` and `walk` give places in a partition's root or in one of the tables below it, which Rust
    // has no reference to after boot, and whose entries are written as single words then.
    unsafe { (place as usize as *const u64).read_volatile() }
}

/// The table that an entry leads to, if it is one of these `count` tables.
fn next(tables: u64, count: usize, entry: u64) -> Option<u64> {
    let table = entry & 0xffff_ffff_f000;
    let inside = table
        .checked_sub(tables)
        .is_some_and(|at| at / (PAGE as u64) < count as u64);
    (entry & VALID_TABLE == VALID_TABLE && inside).then_some(table)
}

fn set_secure(partition: usize, address: u64, count: u32, attributes: Option<u64>) {
    let mut page = address & !(PAGE as u64 - 1);
    for _ in 0..count {
        if let Some(entry) = secure_entry(partition, page) {
            let value = attributes.map_or(0, |attributes| page | attributes | VALID_TABLE);
            // SAFETY: `secure_entry` gives places in level-3 tables, which are written under the ledger's
            // lock only after boot, and read by the walker as single words.
            unsafe { entry.write_volatile(value) };
        }
        page = page.saturating_add(PAGE as u64);
    }
    barrier::dsb(barrier::ISHST);
}

/// Lets a partition reach pages of secure memory, its own or another's, which it did not reach before. No
/// core holds a translation of what was not mapped, so that nothing has to be forgotten. The ledger's lock is
/// held.
pub fn map_secure(partition: usize, address: u64, count: u32, rights: Rights) {
    set_secure(partition, address, count, Some(secure_memory(rights)));
}

/// Takes pages of secure memory out of a partition's reach, and returns when no core holds a translation of
/// them. The ledger's lock is held.
pub fn unmap_secure(partition: usize, address: u64, count: u32) {
    set_secure(partition, address, count, None);
    if partition < PARTITIONS {
        forget(partition, address, count, 0);
    }
}

/// Unmaps pages of a window, and returns when no core holds a translation of them.
pub fn unmap_window(partition: usize, slot: u32, count: u32) {
    let Some(p) = TABLE.partitions.get(partition) else {
        return;
    };
    let Some((entries, inside)) = window_entries(partition, slot, count) else {
        return;
    };
    for n in 0..inside {
        // SAFETY: as in `map_window`.
        unsafe { entries.wrapping_add(n).write_volatile(0) };
    }
    barrier::dsb(barrier::ISHST);
    let ipa = p.window.base.saturating_add(u64::from(slot) * PAGE as u64);
    forget(partition, ipa, count, NON_SECURE_IPA);
}

/// In the operand of an invalidation by IPA: the address is in the non-secure space (DDI0487,
/// TLBI IPAS2E1IS). Without it the secure one is meant, as the hypervisor runs in secure state.
const NON_SECURE_IPA: u64 = 1 << 63;

/// Forgets what all cores hold of pages that were unmapped from a partition, in the space that is said.
fn forget(partition: usize, ipa: u64, count: u32, space: u64) {
    let roots = (VTTBR_EL2.get(), r::vsttbr_el2::read());
    activate(partition);
    barrier::isb(barrier::SY);
    invalidate(ipa, count, space);
    VTTBR_EL2.set(roots.0);
    r::vsttbr_el2::write(roots.1);
    barrier::isb(barrier::SY);
}

/// Forgets translations of an IPA space for the VMID in VTTBR_EL2, on all cores: by address while that is
/// few, else all of the VMID's, which are those of both spaces.
fn invalidate(ipa: u64, count: u32, space: u64) {
    const FEW: u32 = 16;
    if count > FEW {
        // SAFETY: invalidation changes no memory.
        unsafe { core::arch::asm!("tlbi vmalls12e1is", "dsb ish", "isb", options(nostack)) };
        return;
    }
    for n in 0..u64::from(count) {
        let operand = (ipa >> 12).saturating_add(n) | space;
        // SAFETY: as above.
        unsafe { core::arch::asm!("tlbi ipas2e1is, {}", in(reg) operand, options(nostack)) };
    }
    // SAFETY: as above; what stage 1 and 2 made together goes too (DDI0487, TLB maintenance instructions).
    unsafe { core::arch::asm!("dsb ish", "tlbi vmalle1is", "dsb ish", "isb", options(nostack)) };
}
