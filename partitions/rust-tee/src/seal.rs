//! Sealing: what leaves the TEE for storage comes back unchanged, and to this TEE alone.
//!
//! XChaCha20-Poly1305 under the TEE's own key, with a nonce that is random for each object. A sealed object is
//! the nonce, the data and the tag. An object that is put back in an older version of itself opens: only
//! storage that cannot be replayed helps against that.
use crate::code::{BAD_STATE, Code, MAC_INVALID};
use chacha20poly1305::aead::{AeadInPlace, KeyInit};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

/// Bytes of a nonce.
pub const NONCE: usize = 24;
const TAG: usize = 16;
/// Bytes by which a sealed object is longer than its data.
pub const OVERHEAD: u64 = (NONCE + TAG) as u64;
/// Most bytes of data in an object: it has to fit a thread's stack.
pub const LONGEST: u64 = 1024;
/// Bytes of the longest sealed object.
pub const ROOM: usize = (LONGEST + OVERHEAD) as usize;

/// Bound to every object, so that no other use of the key can be taken for one.
const PURPOSE: &[u8] = b"bulkhead rust-tee storage 1";

/// Seals the data that stands behind the nonce's place in `object`, in place.
///
/// # Errors
/// BAD_STATE where the core has no random numbers.
pub fn seal(key: &[u8; 32], random: fn() -> Option<u64>, object: &mut [u8]) -> Result<(), Code> {
    let (nonce, rest) = object.split_at_mut_checked(NONCE).ok_or(BAD_STATE)?;
    let length = rest.len().checked_sub(TAG).ok_or(BAD_STATE)?;
    let (data, tag) = rest.split_at_mut(length);
    for part in nonce.as_chunks_mut::<8>().0 {
        *part = random().ok_or(BAD_STATE)?.to_le_bytes();
    }
    let cipher = XChaCha20Poly1305::new(key.into());
    let made = cipher.encrypt_in_place_detached(XNonce::from_slice(nonce), PURPOSE, data);
    tag.copy_from_slice(&made.map_err(|_| BAD_STATE)?);
    Ok(())
}

/// Opens a sealed object in place, and returns its data.
///
/// # Errors
/// MAC_INVALID where another key sealed it, or it was changed.
pub fn open<'a>(key: &[u8; 32], object: &'a mut [u8]) -> Result<&'a [u8], Code> {
    let (nonce, rest) = object.split_at_mut_checked(NONCE).ok_or(MAC_INVALID)?;
    let length = rest.len().checked_sub(TAG).ok_or(MAC_INVALID)?;
    let (data, tag) = rest.split_at_mut(length);
    let cipher = XChaCha20Poly1305::new(key.into());
    let nonce = XNonce::from_slice(nonce);
    let opened = cipher.decrypt_in_place_detached(nonce, PURPOSE, data, (&*tag).into());
    opened.map_err(|_| MAC_INVALID)?;
    Ok(data)
}
