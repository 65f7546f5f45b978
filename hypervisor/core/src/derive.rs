//! HKDF with SHA-256 (RFC 5869), as far as one block of output goes: secrets that are made of others.

use crate::digest::Digest;

/// Bytes of a digest, and of all that is made here.
const DIGEST: usize = 32;
/// Bytes that SHA-256 takes at a time.
const BLOCK: usize = 64;

/// HMAC-SHA-256 (RFC 2104) of these parts, one behind the other.
fn authenticate<'a>(key: &[u8; DIGEST], parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; DIGEST] {
    let pad = |with: u8| {
        let mut block = [with; BLOCK];
        for (to, from) in block.iter_mut().zip(key) {
            *to ^= from;
        }
        block
    };
    let mut inner = Digest::new();
    inner.update(&pad(0x36));
    for part in parts {
        inner.update(part);
    }
    let mut outer = Digest::new();
    outer.update(&pad(0x5c));
    outer.update(&inner.end());
    outer.end()
}

/// HKDF-Extract (RFC 5869, section 2.2): a key that is made of a secret. The salt counts up to its 32nd byte.
#[must_use]
pub fn extract(salt: &[u8], secret: &[u8]) -> [u8; DIGEST] {
    let mut key = [0; DIGEST];
    for (to, from) in key.iter_mut().zip(salt) {
        *to = *from;
    }
    authenticate(&key, [secret])
}

/// The first 32 bytes of HKDF-Expand (RFC 5869, section 2.3): what such a key gives for a purpose, which is these parts, one behind
/// the other.
#[must_use]
pub fn expand(key: &[u8; DIGEST], purpose: &[&[u8]]) -> [u8; DIGEST] {
    authenticate(key, purpose.iter().copied().chain([&[1][..]]))
}

/// What all keys of a machine are made of: its root secret.
#[must_use]
pub fn root(secret: &[u8; DIGEST]) -> [u8; DIGEST] {
    extract(b"bulkhead", secret)
}

/// The seed of the key by which a machine signs what it has measured. No partition's purpose begins as this one does.
#[must_use]
pub fn quote_seed(secret: &[u8; DIGEST]) -> [u8; DIGEST] {
    expand(&root(secret), &[b"quote"])
}

#[cfg(test)]
mod tests {
    use super::{expand, extract};
    use hkdf::Hkdf;
    use proptest::prelude::*;
    use sha2::Sha256;

    #[test]
    fn it_is_as_the_rfc_has_it() {
        // RFC 5869, appendix A.1 and A.3: the first 32 bytes of what they expand.
        let salt: [u8; 13] = core::array::from_fn(|n| n as u8);
        let key = extract(&salt, &[0x0b; 22]);
        let info: [u8; 10] = core::array::from_fn(|n| 0xf0 + n as u8);
        let expected = [
            0x3c, 0xb2, 0x5f, 0x25, 0xfa, 0xac, 0xd5, 0x7a, 0x90, 0x43, 0x4f, 0x64, 0xd0, 0x36, 0x2f, 0x2a,
            0x2d, 0x2d, 0x0a, 0x90, 0xcf, 0x1a, 0x5a, 0x4c, 0x5d, 0xb0, 0x2d, 0x56, 0xec, 0xc4, 0xc5, 0xbf,
        ];
        assert_eq!(expand(&key, &[&info[..4], &info[4..]]), expected);
        let expected = [
            0x8d, 0xa4, 0xe7, 0x75, 0xa5, 0x63, 0xc1, 0x8f, 0x71, 0x5f, 0x80, 0x2a, 0x06, 0x3c, 0x5a, 0x31,
            0xb8, 0xa1, 0x1f, 0x5c, 0x5e, 0xe1, 0x87, 0x9e, 0xc3, 0x45, 0x4e, 0x5f, 0x3c, 0x73, 0x8d, 0x2d,
        ];
        assert_eq!(expand(&extract(&[], &[0x0b; 22]), &[]), expected);
    }

    proptest! {
        #[test]
        fn it_agrees_with_the_hkdf_crate(
            salt in prop::collection::vec(any::<u8>(), 0..=32),
            secret in prop::collection::vec(any::<u8>(), 0..200),
            purpose in prop::collection::vec(any::<u8>(), 0..200),
            cut in any::<prop::sample::Index>(),
        ) {
            let (first, second) = purpose.split_at(cut.index(purpose.len() + 1));
            let mut theirs = [0; 32];
            Hkdf::<Sha256>::new(Some(&salt), &secret).expand(&purpose, &mut theirs).unwrap();
            prop_assert_eq!(expand(&extract(&salt, &secret), &[first, second]), theirs);
        }
    }
}
