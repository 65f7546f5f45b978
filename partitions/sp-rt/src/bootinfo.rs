//! Boot information (DEN0077A 1.2, section 5.4) and what a partition needs of its manifest.

/// Signature of the header.
const SIGNATURE: u32 = 0x0FFA;
/// Length of the header in bytes.
const HEADER: usize = 32;
/// Length of the part of a descriptor that is used, in bytes.
const DESCRIPTOR: usize = 32;
/// Value of the type field for a flattened device tree, of the standard types.
const TYPE_FDT: u8 = 0;

/// Where the manifest lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Address of the first byte.
    pub address: u64,
    /// Length in bytes.
    pub size: u32,
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_le_bytes(
        bytes.get(offset..offset.checked_add(4)?)?.try_into().ok()?,
    ))
}

fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    Some(u64::from_le_bytes(
        bytes.get(offset..offset.checked_add(8)?)?.try_into().ok()?,
    ))
}

/// Finds the manifest in the boot information at the start of `bytes`.
///
/// `None` where the header is not that of version 1.1 or 1.2, or no descriptor of type FDT, by
/// address, is in it.
#[must_use]
pub fn manifest(bytes: &[u8]) -> Option<Manifest> {
    if u32_at(bytes, 0)? != SIGNATURE || u32_at(bytes, 4)? >> 16 != 1 {
        return None;
    }
    let size = u32_at(bytes, 12)? as usize;
    let count = u32_at(bytes, 16)? as usize;
    let first = u32_at(bytes, 20)? as usize;
    if size < DESCRIPTOR || first < HEADER {
        return None;
    }
    (0..count.min(16)).find_map(|n| {
        let at = first.checked_add(n.checked_mul(size)?)?;
        let flags = u32_at(bytes, at + 16)? >> 16;
        let by_address = (flags >> 2) & 0b11 == 0;
        (*bytes.get(at + 16)? == TYPE_FDT && by_address).then_some(Manifest {
            address: u64_at(bytes, at + 24)?,
            size: u32_at(bytes, at + 20)?,
        })
    })
}

/// Base and size in bytes of the non-secure window that the manifest names: the property
/// `bulkhead,window` of the root, two 64-bit numbers. `None` where there is none.
#[must_use]
pub fn window(manifest: &[u8]) -> Option<(u64, u64)> {
    let tree = fdt::Fdt::new(manifest).ok()?;
    let value = tree.find_node("/")?.property("bulkhead,window")?.value;
    let base = u64::from_be_bytes(value.get(..8)?.try_into().ok()?);
    let size = u64::from_be_bytes(value.get(8..16)?.try_into().ok()?);
    (size != 0).then_some((base, size))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob() -> Vec<u8> {
        let mut b = Vec::new();
        for word in [0x0FFA_u32, 0x0001_0001, 64, 32, 1, 32, 0, 0] {
            b.extend(word.to_le_bytes());
        }
        b.extend([0; 16]);
        b.extend([TYPE_FDT, 0, 0, 0]);
        b.extend(0x300_u32.to_le_bytes());
        b.extend(0x0eef_f000_u64.to_le_bytes());
        b
    }

    #[test]
    fn finds_the_manifest() {
        assert_eq!(
            manifest(&blob()),
            Some(Manifest {
                address: 0x0eef_f000,
                size: 0x300
            })
        );
    }

    #[test]
    fn refuses_what_is_not_boot_information() {
        let good = blob();
        let cases = [
            (0, 0xFF),
            (4 + 2, 2),
            (12, 8),
            (16, 0),
            (20, 0),
            (32 + 16, 1),
            (32 + 16 + 2, 4),
        ];
        for (offset, value) in cases {
            let mut bad = good.clone();
            bad[offset] = value;
            assert_eq!(manifest(&bad), None, "byte {offset} = {value}");
        }
        for length in 0..good.len() {
            assert_eq!(manifest(&good[..length]), None, "length {length}");
        }
    }

    #[test]
    fn no_window_in_what_is_no_tree() {
        assert_eq!(window(&[0; 64]), None);
    }
}
