//! Packages as the boot loader takes them: header, manifest and image in one file (TF-A's `SPKG`, version 2).

use crate::units::PAGE;

/// Where the manifest starts in a package.
const MANIFEST_OFFSET: u32 = 0x1000;
/// Where the image starts in a package; `bulkhead_core::table::PAYLOAD_OFFSET`.
pub const PAYLOAD_OFFSET: u32 = 0x4000;
/// The room for a manifest, in a package and in a partition's memory.
pub const MANIFEST_ROOM: usize = (PAYLOAD_OFFSET - MANIFEST_OFFSET) as usize;

/// The bytes of a package with an image of `image` bytes, whole pages. None above 64 bits.
pub fn length(image: u64) -> Option<u64> {
    image
        .checked_add(u64::from(PAYLOAD_OFFSET))?
        .checked_next_multiple_of(PAGE)
}

/// Packs a manifest of at most [`MANIFEST_ROOM`] bytes and an image of less than 4 GiB.
pub fn pack(manifest: &[u8], image: &[u8]) -> Vec<u8> {
    let size = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let header = [2, MANIFEST_OFFSET, size(manifest), PAYLOAD_OFFSET, size(image)];
    let mut package = b"SPKG".to_vec();
    package.extend(header.iter().flat_map(|word| word.to_le_bytes()));
    package.resize(MANIFEST_OFFSET as usize, 0);
    package.extend_from_slice(manifest);
    package.resize(PAYLOAD_OFFSET as usize, 0);
    package.extend_from_slice(image);
    package.resize(package.len().next_multiple_of(PAGE as usize), 0);
    package
}
