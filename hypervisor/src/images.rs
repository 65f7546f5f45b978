//! Measures the images that the boot loader left, and puts each in its place with what it is told at its start;
//! and does so again from the store of pristine packages where a partition is restarted.

use bulkhead_core::api::{Page, Restored, World};
use bulkhead_core::start;
use bulkhead_core::table::{PAYLOAD_OFFSET, Partition};
use bulkhead_core::vgic;
use sha2::{Digest, Sha256};
use spin::Mutex;

use crate::arch::{PAGE, window};
use crate::store;
use crate::table::{PARTITIONS, TABLE};

/// Why a partition cannot be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The image is not the one that the table names.
    Digest,
}

impl Refusal {
    /// A sentence for the log.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Digest => "the image's SHA-256 is not the table's",
        }
    }
}

/// Aligned, so that copies move words: behind the lock's own byte it would not be.
#[repr(align(16))]
struct Aligned([u8; PAGE]);

/// One page on its way from the package to its place.
static PAGE_BUFFER: Mutex<Aligned> = Mutex::new(Aligned([0; PAGE]));

/// Measures a partition's image where the boot loader put it, moves it to its place, and clears the
/// rest of its memory. No partition has run, and the normal world has not: nothing can change the
/// image between its measurement and its first instruction but the copy made here.
pub fn prepare(core: usize, partition: &Partition) -> Result<(), Refusal> {
    let Aligned(buffer) = &mut *PAGE_BUFFER.lock();
    if measure(core, partition, buffer) != partition.image.sha256 {
        return Err(Refusal::Digest);
    }
    place(core, partition, buffer);
    clear_rest(core, partition);
    hand_over(core, partition);
    Ok(())
}

/// A restart under way.
struct Restart {
    /// Where the image starts in the store.
    payload: u64,
    /// Its first pages.
    hash: Sha256,
}

/// Those of all partitions.
static RESTARTS: Mutex<[Option<Restart>; PARTITIONS]> = Mutex::new([const { None }; PARTITIONS]);

/// Copies a page of a partition's image from the store to its place, and measures what it has copied: as
/// `Ports::restore` says.
pub fn restore(core: usize, partition: usize, page: u32) -> Restored {
    let Some(entry) = TABLE.partitions.get(partition) else {
        return Restored::Refused;
    };
    let taken = RESTARTS.lock().get_mut(partition).and_then(Option::take);
    let restart = match page {
        0 => store::find(core, &entry.image.package_uuid).map(|package| Restart {
            payload: package.saturating_add(PAYLOAD_OFFSET),
            hash: Sha256::new(),
        }),
        _ => taken,
    };
    let Some(mut restart) = restart else {
        return Restored::Refused;
    };
    let Some((offset, used)) = pages(entry.image.size).nth(page as usize) else {
        return Restored::Refused;
    };
    let Aligned(buffer) = &mut *PAGE_BUFFER.lock();
    store::read(core, restart.payload.saturating_add(offset), &mut buffer[..used]);
    restart.hash.update(&buffer[..used]);
    buffer[used..].fill(0);
    replace(entry, buffer);
    let place = secure(entry.image.load + offset);
    window::write(core, place, 0, &buffer[..]);
    window::publish(core, place);
    if offset + (used as u64) < entry.image.size {
        if let Some(kept) = RESTARTS.lock().get_mut(partition) {
            *kept = Some(restart);
        }
        return Restored::More;
    }
    if restart.hash.finalize()[..] != entry.image.sha256 {
        return Restored::Refused;
    }
    hand_over(core, entry);
    Restored::Whole
}

/// Where the board does not trap them, puts hypervisor calls in the place of a partition's accesses to the GIC's CPU
/// interface in a page of its image that was measured; how many.
fn replace(partition: &Partition, page: &mut [u8; PAGE]) -> usize {
    if partition.vgic && !TABLE.board.interface_traps {
        vgic::rewrite(page)
    } else {
        0
    }
}

fn secure(address: u64) -> Page {
    Page {
        world: World::Secure,
        address,
    }
}

/// Pages of the image and the bytes used in each.
fn pages(size: u64) -> impl Iterator<Item = (u64, usize)> {
    (0..size.div_ceil(PAGE as u64)).map(move |n| {
        let offset = n * PAGE as u64;
        (offset, (size - offset).min(PAGE as u64) as usize)
    })
}

fn measure(core: usize, partition: &Partition, buffer: &mut [u8; PAGE]) -> [u8; 32] {
    let payload = partition.image.package.base + PAYLOAD_OFFSET;
    let mut hash = Sha256::new();
    for (offset, used) in pages(partition.image.size) {
        window::read(core, secure(payload + offset), 0, &mut buffer[..used]);
        hash.update(&buffer[..used]);
    }
    hash.finalize().into()
}

fn place(core: usize, partition: &Partition, buffer: &mut [u8; PAGE]) {
    let image = &partition.image;
    let mut replaced = 0;
    for (offset, used) in pages(image.size) {
        window::read(
            core,
            secure(image.package.base + PAYLOAD_OFFSET + offset),
            0,
            &mut buffer[..used],
        );
        buffer[used..].fill(0);
        replaced += replace(partition, buffer);
        window::write(core, secure(image.load + offset), 0, &buffer[..]);
        window::publish(core, secure(image.load + offset));
    }
    if replaced > 0 {
        defmt::info!(
            "{=str}: {=usize} accesses to the GIC's CPU interface replaced by hypervisor calls",
            partition.name,
            replaced
        );
    }
}

/// Clears every page of the partition's memory but the image's.
fn clear_rest(core: usize, partition: &Partition) {
    let load = partition.image.load;
    let end = load + partition.image.size.next_multiple_of(PAGE as u64);
    for region in partition.memory {
        for address in (region.range.base..region.range.end()).step_by(PAGE) {
            if !(load..end).contains(&address) {
                window::clear(core, secure(address));
            }
        }
    }
}

/// Writes the boot information and the manifest (DEN0077A 1.2, section 5.4).
fn hand_over(core: usize, partition: &Partition) {
    let manifest = start::manifest_address(partition);
    for (n, part) in partition.manifest.chunks(PAGE).enumerate() {
        let page = secure(manifest + (n * PAGE) as u64);
        window::write(core, page, 0, part);
        window::publish(core, page);
    }
    let page = secure(start::boot_information_address(partition));
    window::write(core, page, 0, &start::boot_information(partition));
    window::publish(core, page);
}
