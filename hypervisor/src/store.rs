//! The store of pristine packages: a FIP (TF-A's firmware image package) in memory that no partition can write.
//!
//! What is found here is believed only so far as the digest of the image allows: all that is read from it are
//! offsets, and none leads out of the store.

use bulkhead_core::api::{Page, World};
use bulkhead_core::table::{Range, Uuid};
use spin::{Mutex, MutexGuard};

use crate::arch::{PAGE, window};
use crate::table::TABLE;

/// First word of a FIP (TF-A `include/tools_share/firmware_image_package.h`).
const NAME: u32 = 0xaa64_0001;
/// Bytes of its header: name, serial number, flags.
const HEADER: u64 = 16;
/// Bytes of an entry: UUID, offset from the FIP's start, size, flags; eight bytes each but for the first.
const ENTRY: u64 = 40;
/// Entries that are looked at.
const ENTRIES: u64 = 64;
/// Where a FIP may start: on such a boundary of the store.
const STEP: u64 = 0x1_0000;

/// Flash that is written cannot be read: who has this does either.
static FLASH: Mutex<()> = Mutex::new(());

/// Has the flash to itself until it is dropped.
pub fn lock() -> MutexGuard<'static, ()> {
    FLASH.lock()
}

/// Where the package of a UUID starts.
pub fn find(core: usize, uuid: &Uuid) -> Option<u64> {
    TABLE
        .board
        .store
        .iter()
        .find_map(|store| in_store(core, store, uuid))
}

fn in_store(core: usize, store: &Range, uuid: &Uuid) -> Option<u64> {
    let starts = (store.base..store.end()).step_by(STEP as usize);
    let fip = starts.into_iter().find(|at| {
        let mut name = [0; 4];
        read(core, *at, &mut name);
        u32::from_le_bytes(name) == NAME
    })?;
    for n in 0..ENTRIES {
        let mut entry = [0; ENTRY as usize];
        read(core, fip.checked_add(HEADER + n * ENTRY)?, &mut entry);
        let (name, rest) = entry.split_first_chunk::<16>()?;
        let (offset, rest) = rest.split_first_chunk()?;
        let (size, _) = rest.split_first_chunk()?;
        if *name == [0; 16] {
            // The last one.
            return None;
        }
        if *name == uuid.0 {
            let package = fip.checked_add(u64::from_le_bytes(*offset))?;
            return store
                .contains(package, u64::from_le_bytes(*size))
                .then_some(package);
        }
    }
    None
}

/// Copies from the store; what lies outside of it reads as zeros.
pub fn read(core: usize, mut address: u64, into: &mut [u8]) {
    let mut rest = into;
    while !rest.is_empty() {
        let offset = (address % PAGE as u64) as usize;
        let length = rest.len().min(PAGE - offset);
        let (part, behind) = rest.split_at_mut(length);
        if TABLE
            .board
            .store
            .iter()
            .any(|store| store.contains(address, length as u64))
        {
            let page = Page {
                world: World::Secure,
                address: address - offset as u64,
            };
            let _nobody_writes = lock();
            window::read(core, page, offset, part);
        } else {
            part.fill(0);
        }
        address = address.saturating_add(length as u64);
        rest = behind;
    }
}
