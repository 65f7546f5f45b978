//! A secure partition's package, as TF-A's sptool makes it.

use std::ops::Range;

/// Where the image is: the header says its offset and size in bytes 16 to 23. None where it is no package, or cut off.
pub fn image(package: &[u8]) -> Option<Range<usize>> {
    let word = |at: usize| Some(u32::from_le_bytes(*package.get(at..)?.first_chunk()?) as usize);
    let from = word(16)?;
    let end = from.checked_add(word(20)?)?;
    (package.starts_with(b"SPKG") && end <= package.len()).then_some(from..end)
}
