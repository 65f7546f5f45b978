//! Stage 1: fills the tables of the image, the boot information and the window, and turns it on.
use crate::bootinfo::Manifest;
use crate::paging::{Access, PAGE, Tables};
use core::arch::asm;
use core::cell::UnsafeCell;

/// Enough for an image across three 2 MiB blocks, the boot information, a window and devices.
const TABLES: usize = 12;
/// The most bytes that a manifest may have.
const MANIFEST_MAX: u64 = 64 * 1024;

struct Shared(UnsafeCell<Tables<TABLES>>);
// SAFETY: changed by the first context only, before any other one runs (see `with_tables`).
unsafe impl Sync for Shared {}

static TABLES_OF_IMAGE: Shared = Shared(UnsafeCell::new(Tables::new()));

/// Addresses of the image's parts.
pub(super) struct Image {
    pub code: u64,
    pub read_only: u64,
    pub data: u64,
    pub data_end: u64,
    pub end: u64,
}

/// Gives the tables and their address. Only the first context calls this, before it registers
/// the entry of the others.
fn with_tables<R>(f: impl FnOnce(&mut Tables<TABLES>, u64) -> R) -> R {
    let tables = TABLES_OF_IMAGE.0.get();
    // SAFETY: one context runs, not re-entered: no other reference exists. The machine reads the
    // tables too, which a `&mut` does not forbid: entries change from invalid to valid only.
    let result = f(unsafe { &mut *tables }, tables.addr() as u64);
    // SAFETY: barriers change nothing; they make the new entries visible to the walker.
    unsafe { asm!("dsb ishst", "isb", options(nostack, preserves_flags)) };
    result
}

fn add(start: u64, size: u64, access: Access) -> bool {
    with_tables(|tables, base| tables.map(base, start, size, access)).is_ok()
}

/// Fills the tables for the image and the page of the boot information. MMU off.
pub(super) fn build(boot_info: u64) -> bool {
    let image = super::entry::image();
    let page = boot_info & !(PAGE - 1);
    add(image.code, image.read_only - image.code, Access::Code)
        && add(image.read_only, image.data - image.read_only, Access::ReadOnly)
        && add(image.data, image.data_end - image.data, Access::Data)
        && super::entry::stacks().all(|(start, size)| add(start, size, Access::Data))
        && super::threads::stacks().all(|(start, size)| add(start, size, Access::Data))
        && (page >= image.end || page < image.code)
        && boot_info.is_multiple_of(8)
        && add(page, PAGE, Access::ReadOnly)
}

/// The boot information up to the end of its page.
pub(super) fn boot_page(boot_info: u64) -> &'static [u8] {
    let length = PAGE - boot_info % PAGE;
    // SAFETY: `build` mapped that page read-only; nobody writes it while the partition runs.
    unsafe { core::slice::from_raw_parts(boot_info as *const u8, length as usize) }
}

/// Maps the manifest read-only, if it does not lie in the boot information's page already.
pub(super) fn map_manifest(boot_info: u64, manifest: Manifest) -> Option<&'static [u8]> {
    let size = u64::from(manifest.size);
    let image = super::entry::image();
    let end = manifest.address.checked_add(size)?;
    if size > MANIFEST_MAX || (manifest.address < image.end && end > image.code) {
        return None;
    }
    let mapped = boot_info & !(PAGE - 1);
    let mut page = manifest.address & !(PAGE - 1);
    while page < end {
        if page != mapped && !add(page, PAGE, Access::ReadOnly) {
            return None;
        }
        page += PAGE;
    }
    // SAFETY: mapped read-only just now, outside of the image; nobody writes it.
    Some(unsafe { core::slice::from_raw_parts(manifest.address as *const u8, size as usize) })
}

/// Maps a range that does not touch the image. Only the first context calls this, at its start.
pub(super) fn map_apart(base: u64, size: u64, access: Access) -> bool {
    let image = super::entry::image();
    let apart = base
        .checked_add(size)
        .is_some_and(|end| end <= image.code || base >= image.end);
    apart && add(base, size, access)
}

/// Sets the exception vectors and the pointer to the context's data.
pub(super) fn set_vectors(context: u64) {
    unsafe extern "C" {
        static sp_rt_vectors: u8;
    }
    let vectors = (&raw const sp_rt_vectors).addr() as u64;
    // SAFETY: the vectors of entry.S, and the data that they expect.
    unsafe { asm!("msr vbar_el1, {}", "msr tpidr_el1, {}", "isb", in(reg) vectors, in(reg) context) };
}

/// Turns on stage 1 with the tables, caches and W^X. The image is mapped where it runs.
pub(super) fn enable() {
    // Attribute 0: normal memory, write-back, allocating; attribute 1: Device-nGnRE.
    const MAIR: u64 = 0x04ff;
    // 39-bit addresses (T0SZ 25), 4 KiB granule, write-back walks, inner shareable, TTBR1 off.
    const TCR: u64 = 25 | (1 << 8) | (1 << 10) | (3 << 12) | (1 << 23);
    // The bits that are 1 where a feature is missing, then M, C, SA, I, WXN.
    const SCTLR: u64 = 0x30d0_0800 | 1 | (1 << 2) | (1 << 3) | (1 << 12) | (1 << 19);
    let root = TABLES_OF_IMAGE.0.get().addr() as u64;
    let features: u64;
    // SAFETY: reading an ID register.
    unsafe { asm!("mrs {}, id_aa64mmfr0_el1", out(reg) features, options(nomem, nostack, preserves_flags)) };
    // The size of physical addresses; 48 bits at the most with this granule.
    let tcr = TCR | ((features & 0xf).min(5) << 32);
    // SAFETY: the tables map the running code, its data and stacks onto themselves, so the next
    // instruction is found; stale translations of whoever ran before are dropped first.
    unsafe {
        asm!(
            "dsb sy",
            "msr mair_el1, {mair}",
            "msr tcr_el1, {tcr}",
            "msr ttbr0_el1, {root}",
            "msr ttbr1_el1, xzr",
            "isb",
            "tlbi vmalle1",
            "ic iallu",
            "dsb nsh",
            "isb",
            "msr sctlr_el1, {sctlr}",
            "isb",
            mair = in(reg) MAIR,
            tcr = in(reg) tcr,
            root = in(reg) root,
            sctlr = in(reg) SCTLR,
            options(nostack)
        );
    }
}
