//! Measures the images that the boot loader left, and puts each in its place with what it is told at its start;
//! and does so again from the store of pristine packages where a partition is restarted.

use bulkhead_core::api::{Page, Restored, World};
use bulkhead_core::digest::Digest;
use bulkhead_core::start::{boot_information, boot_information_address, manifest_address};
use bulkhead_core::sure::Sure as _;
use bulkhead_core::table::{PAYLOAD_OFFSET, Partition};
use bulkhead_core::vgic;
use spin::Mutex;

use crate::arch::{PAGE, stage1, window};
use crate::store;
use crate::table::{PARTITIONS, QUOTES, TABLE};

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

/// What was measured at the start: of the hypervisor itself, where somebody may have it signed, and of each partition.
static OWN: Mutex<Option<[u8; 32]>> = Mutex::new(None);
static FOUND: Mutex<[Option<[u8; 32]>; PARTITIONS]> = Mutex::new([None; PARTITIONS]);

/// Measures the hypervisor's own code and constants, the table among them, where the table has somebody whom that is told.
pub fn measure_own() {
    if QUOTES {
        let mut hash = Digest::new();
        hash.update(stage1::constants());
        *OWN.lock() = Some(hash.end());
    }
}

/// As `Ports::measured` says.
pub fn measured(partition: Option<usize>) -> Option<[u8; 32]> {
    match partition {
        None => *OWN.lock(),
        Some(partition) => *FOUND.lock().get(partition)?,
    }
}

/// Measures a partition's image where the boot loader put it, moves it to its place, and clears the
/// rest of its memory. No partition has run, and the normal world has not: nothing can change the
/// image between its measurement and its first instruction but the copy made here.
pub fn prepare(core: usize, index: usize, partition: &Partition) -> Result<(), Refusal> {
    let Aligned(buffer) = &mut *PAGE_BUFFER.lock();
    let found = measure(core, partition, buffer);
    if let Some(kept) = FOUND.lock().get_mut(index) {
        *kept = Some(found);
    }
    if found != partition.image.sha256 {
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
    hash: Digest,
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
            hash: Digest::new(),
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
    let (bytes, rest) = split(buffer, used);
    store::read(core, restart.payload.saturating_add(offset), bytes);
    restart.hash.update(bytes);
    rest.fill(0);
    replace(entry, buffer);
    let place = secure(entry.image.load.saturating_add(offset));
    window::write(core, place, 0, &buffer[..]);
    window::publish(core, place);
    if offset.saturating_add(used as u64) < entry.image.size {
        if let Some(kept) = RESTARTS.lock().get_mut(partition) {
            *kept = Some(restart);
        }
        return Restored::More;
    }
    if restart.hash.end() != entry.image.sha256 {
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
        let offset = n.saturating_mul(PAGE as u64);
        (offset, size.saturating_sub(offset).min(PAGE as u64) as usize)
    })
}

/// What of a page is used, and the rest.
fn split(page: &mut [u8; PAGE], used: usize) -> (&mut [u8], &mut [u8]) {
    page.split_at_mut_checked(used)
        .sure("`pages` cuts an image into no more than pages")
}

fn measure(core: usize, partition: &Partition, buffer: &mut [u8; PAGE]) -> [u8; 32] {
    let payload = partition.image.package.base.saturating_add(PAYLOAD_OFFSET);
    let mut hash = Digest::new();
    for (offset, used) in pages(partition.image.size) {
        let (bytes, _) = split(buffer, used);
        window::read(core, secure(payload.saturating_add(offset)), 0, bytes);
        hash.update(bytes);
    }
    hash.end()
}

fn place(core: usize, partition: &Partition, buffer: &mut [u8; PAGE]) {
    let image = &partition.image;
    let payload = image.package.base.saturating_add(PAYLOAD_OFFSET);
    let mut replaced = 0usize;
    for (offset, used) in pages(image.size) {
        let (bytes, rest) = split(buffer, used);
        window::read(core, secure(payload.saturating_add(offset)), 0, bytes);
        rest.fill(0);
        replaced = replaced.saturating_add(replace(partition, buffer));
        let place = secure(image.load.saturating_add(offset));
        window::write(core, place, 0, &buffer[..]);
        window::publish(core, place);
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
    let pages = partition.image.size.div_ceil(PAGE as u64);
    let end = load.saturating_add(pages.saturating_mul(PAGE as u64));
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
    let mut address = manifest_address(partition);
    for part in partition.manifest.chunks(PAGE) {
        let page = secure(address);
        address = address.saturating_add(PAGE as u64);
        window::write(core, page, 0, part);
        window::publish(core, page);
    }
    let page = secure(boot_information_address(partition));
    window::write(core, page, 0, &boot_information(partition));
    window::publish(core, page);
}
