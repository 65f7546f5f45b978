//! Measures the images that the boot loader left, or that are in the store, and puts each in its place with what it is told at its start;
//! and does so again from the store of pristine packages where a partition is restarted.

use bulkhead_core::api::{Page, Restored, World};
use bulkhead_core::digest::Digest;
use bulkhead_core::package::{self, Claim, Demand};
use bulkhead_core::quote;
use bulkhead_core::start::{boot_information, boot_information_address, manifest_address};
use bulkhead_core::sure::Sure as _;
use bulkhead_core::table::{PAYLOAD_OFFSET, Partition, Signed, Uuid};
use bulkhead_core::vgic;
use spin::Mutex;

use crate::arch::{PAGE, stage1, window};
use crate::table::{PARTITIONS, QUOTES, SIGNED, STORED, TABLE};
use crate::{counters, store};

/// Why a partition cannot be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The image is not the one that the table names.
    Digest,
    /// No package of it is taken.
    Packages,
    /// Its package is not in the store.
    Missing,
}

impl Refusal {
    /// A sentence for the log.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Digest => "the image's SHA-256 is not the table's",
            Self::Packages => "no package of it is taken",
            Self::Missing => "the store has no package of it",
        }
    }
}

/// The image of a partition as it is started, and restarted.
#[derive(Clone, Copy)]
pub struct Taken {
    /// Where it starts in the store; 0 where the boot loader loads it, and it is found at each restart.
    payload: u64,
    /// Its bytes.
    size: u64,
    /// Their SHA-256.
    sha256: [u8; 32],
    /// The version that its vendor gives it.
    pub version: u32,
    /// In which slot it is.
    slot: u32,
}

/// Those of signed packages.
static TAKEN: Mutex<[Option<Taken>; PARTITIONS]> = Mutex::new([None; PARTITIONS]);

/// The image of a partition: the table's, or the one that was taken by its signature.
pub fn taken(index: usize, partition: &Partition) -> Option<Taken> {
    if SIGNED && partition.image.signed.is_some() {
        return *TAKEN.lock().get(index)?;
    }
    Some(Taken {
        payload: 0,
        size: partition.image.size,
        sha256: partition.image.sha256,
        version: 0,
        slot: 0,
    })
}

/// As `Ports::taken` says.
pub fn package(index: usize) -> Option<quote::Taken> {
    let taken = *TAKEN.lock().get(index)?;
    taken.map(|Taken { slot, version, .. }| quote::Taken { slot, version })
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
    let size = match &partition.image.signed {
        Some(signed) if SIGNED => take_signed(core, index, partition, signed, buffer)?,
        _ if STORED => {
            take_stored(core, index, partition, buffer)?;
            partition.image.size
        }
        _ => {
            let found = measure(core, partition, buffer);
            keep_found(index, found);
            if found != partition.image.sha256 {
                return Err(Refusal::Digest);
            }
            place(core, partition, buffer);
            partition.image.size
        }
    };
    clear_rest(core, partition, size);
    hand_over(core, partition);
    Ok(())
}

fn keep_found(index: usize, found: [u8; 32]) {
    if let Some(kept) = FOUND.lock().get_mut(index) {
        *kept = Some(found);
    }
}

/// Takes the table's image from the store to its place. What is copied is measured, and only what the table names is ever
/// entered.
fn take_stored(
    core: usize,
    index: usize,
    partition: &Partition,
    buffer: &mut [u8; PAGE],
) -> Result<(), Refusal> {
    let image = &partition.image;
    let base = store::find(core, &image.package_uuid).ok_or(Refusal::Missing)?;
    let found = copy(
        core,
        partition,
        base.saturating_add(PAYLOAD_OFFSET),
        image.size,
        buffer,
    );
    keep_found(index, found);
    if found == image.sha256 {
        Ok(())
    } else {
        Err(Refusal::Digest)
    }
}

/// Takes the package with the highest version of those that the vendor signed for this partition, from the store to its
/// place; the image's size. What is copied is measured, and only what was signed is ever entered.
fn take_signed(
    core: usize,
    index: usize,
    partition: &Partition,
    signed: &Signed,
    buffer: &mut [u8; PAGE],
) -> Result<u64, Refusal> {
    let counter = if signed.counted {
        counters::value(core, &partition.image.package_uuid)
    } else {
        0
    };
    let demand = Demand {
        uuid: &partition.image.package_uuid,
        signed,
        room: partition.image.size,
        entry: partition.image.entry.saturating_sub(partition.image.load),
        counter,
    };
    let uuids = [Some(&partition.image.package_uuid), signed.second.as_ref()];
    let slots = uuids.map(|uuid| uuid.map(|uuid| look(core, uuid, &demand)));
    for (slot, found) in slots.iter().enumerate() {
        if let Some(Err(refusal)) = found {
            say(partition, slot, *refusal, counter);
        }
    }
    let good = |slot: usize| slots.get(slot).copied().flatten().and_then(Result::ok);
    let claims = [good(0), good(1)].map(|found| found.map(|(_, claim)| claim));
    for slot in package::order(claims[0].as_ref(), claims[1].as_ref()) {
        let Some((payload, claim)) = good(slot) else {
            continue;
        };
        let found = copy(core, partition, payload, claim.size, buffer);
        keep_found(index, found);
        if found != claim.sha256 {
            say(partition, slot, package::Refusal::Digest, counter);
            continue;
        }
        defmt::info!(
            "{=str}: slot {=str}, version {=u32}",
            partition.name,
            name(slot),
            claim.version
        );
        if let Some(kept) = TAKEN.lock().get_mut(index) {
            *kept = Some(Taken {
                payload,
                size: claim.size,
                sha256: claim.sha256,
                version: claim.version,
                slot: slot as u32,
            });
        }
        return Ok(claim.size);
    }
    Err(Refusal::Packages)
}

/// What a slot has: where its image starts, and what is signed of it.
fn look(core: usize, uuid: &Uuid, demand: &Demand<'_>) -> Result<(u64, Claim), package::Refusal> {
    let base = store::find(core, uuid).ok_or(package::Refusal::Missing)?;
    let mut block = [0; package::LENGTH];
    store::read(core, base.saturating_add(package::OFFSET), &mut block);
    let claim = package::claim(&block, demand)?;
    Ok((base.saturating_add(PAYLOAD_OFFSET), claim))
}

/// Copies an image from the store to its place; the SHA-256 of what was copied.
fn copy(core: usize, partition: &Partition, payload: u64, size: u64, buffer: &mut [u8; PAGE]) -> [u8; 32] {
    let mut hash = Digest::new();
    for (offset, used) in pages(size) {
        let (bytes, rest) = split(buffer, used);
        store::read(core, payload.saturating_add(offset), bytes);
        hash.update(bytes);
        rest.fill(0);
        replace(partition, buffer);
        let place = secure(partition.image.load.saturating_add(offset));
        window::write(core, place, 0, &buffer[..]);
        window::publish(core, place);
    }
    hash.end()
}

const fn name(slot: usize) -> &'static str {
    if slot == 0 { "a" } else { "b" }
}

fn say(partition: &Partition, slot: usize, refusal: package::Refusal, counter: u32) {
    let (owner, slot) = (partition.name, name(slot));
    match refusal {
        package::Refusal::Old(version) => defmt::error!(
            "{=str}: slot {=str} is refused: version {=u32} is below its counter, {=u32}",
            owner,
            slot,
            version,
            counter
        ),
        _ => defmt::error!(
            "{=str}: slot {=str} is refused: {=str}",
            owner,
            slot,
            refusal.sentence()
        ),
    }
}

/// A restart under way.
struct Restart {
    /// Where the image starts in the store.
    payload: u64,
    /// The image that it has to be.
    image: Taken,
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
    let under_way = RESTARTS.lock().get_mut(partition).and_then(Option::take);
    let restart = match page {
        0 => begin(core, partition, entry),
        _ => under_way,
    };
    let Some(mut restart) = restart else {
        return Restored::Refused;
    };
    let Some((offset, used)) = pages(restart.image.size).nth(page as usize) else {
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
    if offset.saturating_add(used as u64) < restart.image.size {
        if let Some(kept) = RESTARTS.lock().get_mut(partition) {
            *kept = Some(restart);
        }
        return Restored::More;
    }
    if restart.hash.end() != restart.image.sha256 {
        return Restored::Refused;
    }
    hand_over(core, entry);
    Restored::Whole
}

/// A restart's first step: where its image lies. The slot is the one that was started.
fn begin(core: usize, index: usize, partition: &Partition) -> Option<Restart> {
    let image = taken(index, partition)?;
    let payload = match image.payload {
        payload @ 1.. => payload,
        0 => store::find(core, &partition.image.package_uuid)?.saturating_add(PAYLOAD_OFFSET),
    };
    Some(Restart {
        payload,
        image,
        hash: Digest::new(),
    })
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
fn clear_rest(core: usize, partition: &Partition, size: u64) {
    let load = partition.image.load;
    let pages = size.div_ceil(PAGE as u64);
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
