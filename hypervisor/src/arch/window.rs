//! Each core's copy window: one page of someone else's memory, mapped for as long as a copy takes.
//!
//! The hypervisor keeps no standing map of memory that a partition or the normal world can write.
//! A core maps a page at its own slot, copies, and unmaps; no other core uses the slot, so that the
//! invalidation stays local.

use bulkhead_core::api::{Page, World};

use super::PAGE;
use super::cell::Owned;
use super::copy::copy_bytes;
use super::stage1::{self, Table};
use crate::table::CORES;

/// Where the windows lie in the hypervisor's address space.
pub const BASE: u64 = 0x10_0000_0000;
/// Slots between two cores' windows: the others stay unmapped as guards.
const STRIDE: usize = 4;

static SLOTS: Owned<Table> = Owned::new(Table::empty());

static_assertions::const_assert!(CORES * STRIDE <= 512);

/// The level-3 table of the windows, for `stage1::build`.
///
/// # Safety
/// Only before the MMU is on.
pub unsafe fn table() -> &'static mut Table {
    // SAFETY: passed on to the caller.
    unsafe { SLOTS.get() }
}

/// A page that is mapped in this core's window until it is dropped.
struct Mapped {
    slot: usize,
}

impl Mapped {
    fn new(core: usize, page: Page, writable: bool) -> Self {
        let address = page.address & !(PAGE as u64 - 1);
        Self::of(
            core,
            stage1::window_page(address, page.world == World::Normal, writable),
        )
    }

    fn of(core: usize, entry: u64) -> Self {
        let slot = core.saturating_mul(STRIDE);
        set(slot, entry);
        // SAFETY: makes the new entry visible to this core's walker; touches no memory of Rust's.
        unsafe { core::arch::asm!("dsb nshst", "isb", options(nostack)) };
        Self { slot }
    }

    fn pointer(&self) -> *mut u8 {
        (BASE as usize).saturating_add(self.slot.saturating_mul(PAGE)) as *mut u8
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        set(self.slot, 0);
        let page = (BASE >> 12).saturating_add(self.slot as u64);
        // SAFETY: forgets this core's translation of its own window page, which nothing uses any more.
        unsafe {
            core::arch::asm!("dsb nshst", "tlbi vae2, {}", "dsb nsh", "isb", in(reg) page, options(nostack));
        }
    }
}

fn set(slot: usize, entry: u64) {
    // SAFETY: each core writes its own slot only (`slot` is made from the core's number); the table
    // is not borrowed elsewhere after boot.
    unsafe {
        let table = (&raw mut SLOTS.get().0).cast::<u64>();
        table.add(slot).write_volatile(entry);
    }
}

/// Copies from a page; `offset + into.len()` is at most 4096, more is left alone.
pub fn read(core: usize, page: Page, offset: usize, into: &mut [u8]) {
    let length = into.len().min(PAGE.saturating_sub(offset));
    let mapped = Mapped::new(core, page, false);
    // SAFETY: the window maps the whole page readable until `mapped` is dropped, and offset and
    // length stay in it. Another party may write meanwhile: the bytes are copied once, as bytes,
    // and only the copy is looked at.
    unsafe { copy_bytes(into.as_mut_ptr(), mapped.pointer().add(offset.min(PAGE)), length) };
}

/// Copies into a page; `offset + from.len()` is at most 4096, more is left alone.
pub fn write(core: usize, page: Page, offset: usize, from: &[u8]) {
    let length = from.len().min(PAGE.saturating_sub(offset));
    let mapped = Mapped::new(core, page, true);
    // SAFETY: as in `read`, with the window mapped writable; nothing of the hypervisor's lies there.
    unsafe { copy_bytes(mapped.pointer().add(offset.min(PAGE)), from.as_ptr(), length) };
}

/// Writes a 32-bit register of a device that the table or the board names: a partition's, or the hypervisor's own.
pub fn write_register(core: usize, address: u64, value: u32) {
    let mapped = Mapped::of(core, stage1::device_page(address & !(PAGE as u64 - 1)));
    let offset = (address as usize % PAGE) & !3;
    // SAFETY: the window maps the device's page with device attributes until `mapped` is dropped, and the offset is
    // one of its words. The table's compiler has seen that the device is a partition's, or nobody's memory: nothing of
    // Rust's lies there.
    unsafe { mapped.pointer().add(offset).cast::<u32>().write_volatile(value) };
}

/// Reads a 32-bit register of a device of the hypervisor's own.
pub fn read_register(core: usize, address: u64) -> u32 {
    let mapped = Mapped::of(core, stage1::device_page(address & !(PAGE as u64 - 1)));
    let offset = (address as usize % PAGE) & !3;
    // SAFETY: as in `write_register`, and only read.
    unsafe { mapped.pointer().add(offset).cast::<u32>().read_volatile() }
}

/// Fills a page with zeros.
pub fn clear(core: usize, page: Page) {
    let mapped = Mapped::new(core, page, true);
    // SAFETY: the window maps exactly this page, writable, and nothing in Rust refers to it.
    unsafe { core::ptr::write_bytes(mapped.pointer(), 0, PAGE) };
    clean(mapped.pointer());
}

/// Cleans a page to the point of coherency and forgets stale instructions: whoever runs from it
/// starts with caches off.
pub fn publish(core: usize, page: Page) {
    let mapped = Mapped::new(core, page, true);
    clean(mapped.pointer());
    // SAFETY: invalidation of instruction caches changes no value.
    unsafe { core::arch::asm!("ic ialluis", "dsb ish", "isb", options(nostack)) };
}

fn clean(pointer: *mut u8) {
    const LINE: usize = 64;
    for offset in (0..PAGE).step_by(LINE) {
        // SAFETY: cache maintenance by address on a mapped page changes no value.
        unsafe { core::arch::asm!("dc civac, {}", in(reg) pointer.add(offset), options(nostack)) };
    }
    // SAFETY: a barrier changes no value.
    unsafe { core::arch::asm!("dsb ish", options(nostack)) };
}
