//! The answers that a right TEE gives, computed here from nothing but public definitions.

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

/// SHA-256 of a message.
pub fn sha256(message: &[u8]) -> [u8; 32] {
    Sha256::digest(message).into()
}

/// HMAC-SHA-256 of a message with a key of any length.
pub fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message);
    mac.finalize().into_bytes().into()
}

const MULTIPLIER: u64 = 6_364_136_223_846_793_005;
const INCREMENT: u64 = 1_442_695_040_888_963_407;

/// The Rust TEE's LONG command: 1, `n` times replaced by itself times a multiplier plus an increment (mod 2^64).
///
/// Computed in about log2(n) steps, by squaring the affine map, so that checking costs the client no time.
pub fn long(n: u64) -> u64 {
    let (mut scale, mut offset) = (1_u64, 0_u64);
    let (mut base_scale, mut base_offset) = (MULTIPLIER, INCREMENT);
    let mut rest = n;
    while rest != 0 {
        if rest & 1 == 1 {
            offset = base_scale.wrapping_mul(offset).wrapping_add(base_offset);
            scale = base_scale.wrapping_mul(scale);
        }
        base_offset = base_scale.wrapping_mul(base_offset).wrapping_add(base_offset);
        base_scale = base_scale.wrapping_mul(base_scale);
        rest >>= 1;
    }
    scale.wrapping_add(offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn sha256_of_abc_is_the_standard_s() {
        // FIPS 180-2, appendix B.1.
        assert_eq!(
            hex(&sha256(b"abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn hmac_is_rfc_4231_s() {
        // RFC 4231, test case 2.
        let tag = hmac_sha256(b"Jefe", b"what do ya want for nothing?");
        assert_eq!(
            hex(&tag),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn long_is_the_loop_s_result() {
        let mut x = 1_u64;
        for n in 0..1000 {
            assert_eq!(long(n), x, "after {n} rounds");
            x = x.wrapping_mul(MULTIPLIER).wrapping_add(INCREMENT);
        }
    }
}
