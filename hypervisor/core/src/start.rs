//! The start-up area of a partition, and its FF-A boot information (DEN0077A 1.2, section 5.4).
//!
//! Both lie below the image in the first region: one page of boot information, then the manifest.
//! The partition is entered with the address of the boot information in x0.

use crate::table::{BOOT_INFO_OFFSET, MANIFEST_OFFSET, Partition};

/// Signature of the boot information header.
const SIGNATURE: u32 = 0x0ffa;
/// Version of its layout: FF-A 1.1.
const VERSION: u32 = 0x0001_0001;
/// Sizes of the header and of a descriptor in bytes.
const HEADER: u32 = 32;
const DESCRIPTOR: u32 = 32;

/// Bytes of the boot information: the header and one descriptor.
pub const BOOT_INFORMATION: usize = 64;

/// Where a partition's boot information goes.
#[must_use]
pub fn boot_information_address(partition: &Partition) -> u64 {
    base(partition).saturating_add(BOOT_INFO_OFFSET)
}

/// Where a partition's manifest goes.
#[must_use]
pub fn manifest_address(partition: &Partition) -> u64 {
    base(partition).saturating_add(MANIFEST_OFFSET)
}

fn base(partition: &Partition) -> u64 {
    partition.memory.first().map_or(0, |region| region.range.base)
}

/// The boot information of a partition: one descriptor, of its manifest (a flattened device tree),
/// by address.
#[must_use]
pub fn boot_information(partition: &Partition) -> [u8; BOOT_INFORMATION] {
    let mut blob = [0; BOOT_INFORMATION];
    let mut put = |at: usize, bytes: &[u8]| {
        for (to, from) in blob.iter_mut().skip(at).zip(bytes) {
            *to = *from;
        }
    };
    put(0, &SIGNATURE.to_le_bytes());
    put(4, &VERSION.to_le_bytes());
    put(8, &(HEADER + DESCRIPTOR).to_le_bytes());
    put(12, &DESCRIPTOR.to_le_bytes());
    put(16, &1u32.to_le_bytes());
    put(20, &HEADER.to_le_bytes());
    // The descriptor: name (16 bytes), type (0: standard, FDT), flags (0: name is a string, contents
    // is an address), size, contents.
    put(32, b"manifest");
    let size = partition.manifest.len() as u32;
    put(52, &size.to_le_bytes());
    put(56, &manifest_address(partition).to_le_bytes());
    blob
}
