//! Ed25519 (RFC 8032), once in the image: what is signed, and what is checked, goes through here. An image of a table in
//! which nothing is signed has none of it.

use ed25519_compact::{KeyPair, PublicKey, Seed, Signature};

/// Bytes of a key.
pub const KEY: usize = 32;
/// Bytes of a signature.
pub const SIGNATURE: usize = 64;

/// Who signs: a private key with its public one, which takes as long to make as a signature.
pub struct Signer(KeyPair);

impl Signer {
    /// The one that a seed stands for; none where it is all zeros, which nobody means.
    #[inline(never)]
    #[must_use]
    pub fn new(seed: &[u8; KEY]) -> Option<Self> {
        pair(seed).map(Self)
    }

    /// Signs a text. The time that it takes says nothing about the key.
    #[inline(never)]
    #[must_use]
    pub fn sign(&self, text: &[u8]) -> [u8; SIGNATURE] {
        // Without noise: the same text has the same signature.
        *self.0.sk.sign(text, None)
    }
}

/// Signs a text with the private key that this seed stands for; none where the seed is all zeros.
#[must_use]
pub fn sign(seed: &[u8; KEY], text: &[u8]) -> Option<[u8; SIGNATURE]> {
    Signer::new(seed).map(|signer| signer.sign(text))
}

/// The public key to a seed; none where the seed is all zeros.
#[must_use]
pub fn public(seed: &[u8; KEY]) -> Option<[u8; KEY]> {
    Some(*pair(seed)?.pk)
}

fn pair(seed: &[u8; KEY]) -> Option<KeyPair> {
    KeyPair::try_from_seed(Seed::new(*seed)).ok()
}

/// Whether a signature is of this text by this public key. Keys of small order, and signatures in another form than the
/// one that signing gives, are refused.
#[inline(never)]
#[must_use]
pub fn is_good(key: &[u8; KEY], text: &[u8], signature: &[u8; SIGNATURE]) -> bool {
    PublicKey::new(*key)
        .verify(text, &Signature::new(*signature))
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::{is_good, public, sign};
    use proptest::prelude::*;
    use std::vec::Vec;

    fn bytes<const N: usize>(hex: &str) -> [u8; N] {
        let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        core::array::from_fn(|n| digit(2 * n))
    }

    #[test]
    fn it_is_as_the_rfc_has_it() {
        // RFC 8032, 7.1, tests 1 and 2.
        for (seed, key, text, signature) in [
            (
                "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
                "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
                &[][..],
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
            ),
            (
                "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
                "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
                &[0x72][..],
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
            ),
        ] {
            assert_eq!(public(&bytes(seed)), Some(bytes(key)));
            assert_eq!(sign(&bytes(seed), text), Some(bytes(signature)));
            assert!(is_good(&bytes(key), text, &bytes(signature)));
        }
    }

    #[test]
    fn a_key_of_small_order_signs_nothing() {
        // The neutral element, for which R = S*B - 0 holds with any text.
        let mut neutral = [0; 32];
        neutral[0] = 1;
        let mut signature = [0; 64];
        signature[0] = 1;
        assert!(!is_good(&neutral, b"any", &signature));
        assert!(!is_good(&[0; 32], b"any", &[0; 64]));
        assert!(!is_good(&[0xff; 32], b"any", &signature));
    }

    #[test]
    fn a_signature_has_one_form() {
        // S plus the order of the group satisfies the same equation (RFC 8032, 5.1.7, wants S below it).
        let order: [u8; 32] = bytes("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
        let (seed, text) = ([5; 32], b"text");
        let mut signature = sign(&seed, text).unwrap();
        let mut carry = 0;
        for (byte, more) in signature[32..].iter_mut().zip(order) {
            let sum = u16::from(*byte) + u16::from(more) + carry;
            *byte = sum as u8;
            carry = sum >> 8;
        }
        assert!(!is_good(&public(&seed).unwrap(), text, &signature));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_changed_is_refused(
            seed in any::<[u8; 32]>().prop_filter("zero", |seed| *seed != [0; 32]),
            text in prop::collection::vec(any::<u8>(), 1..200),
            at in any::<prop::sample::Index>(),
            bit in 0u8..8,
        ) {
            let (key, signature) = (public(&seed).unwrap(), sign(&seed, &text).unwrap());
            prop_assert!(is_good(&key, &text, &signature));
            let changed = |bytes: &[u8]| -> Vec<u8> {
                let mut bytes = bytes.to_vec();
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << bit;
                bytes
            };
            prop_assert!(!is_good(&key, &changed(&text), &signature));
            prop_assert!(!is_good(&key, &text, &changed(&signature).try_into().unwrap()));
            prop_assert!(!is_good(&changed(&key).try_into().unwrap(), &text, &signature));
        }
    }
}
