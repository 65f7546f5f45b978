//! Packages with their vendors' signatures: made here with a key that everybody knows, or opened.

use bulkhead_core::package::{self as block, Claim, Demand, LENGTH, OFFSET, Refusal};
use bulkhead_core::signature;
use bulkhead_core::table::{Signed, Uuid};
use sha2::{Digest, Sha256};

use super::package::{PAYLOAD_OFFSET, pack};

/// Why a file is not taken as a package.
#[derive(Debug, PartialEq, Eq)]
pub enum Unsigned {
    /// It is none, or cut off.
    NoPackage,
    /// Its block is refused.
    Refused(Refusal),
    /// Its image is not the signed one.
    Digest,
}

/// What is in a signed package.
#[derive(Debug)]
pub struct Opened<'a> {
    /// What was signed.
    pub claim: Claim,
    /// The image.
    pub image: &'a [u8],
}

/// The seed of the key that everybody knows, for a partition: another for each.
#[must_use]
pub fn test_seed(partition: &str) -> [u8; 32] {
    Sha256::digest(format!("a test key of Bulkhead, public: {partition}")).into()
}

/// The public key to a seed that is not all zeros.
#[must_use]
pub fn public(seed: &[u8; 32]) -> [u8; 32] {
    signature::public(seed).unwrap_or([0; 32])
}

/// The UUID of a package's second slot, made from that of its first.
#[must_use]
pub fn second_slot(uuid: &[u8; 16]) -> [u8; 16] {
    let mut hash = Sha256::new();
    hash.update(b"second slot of a package of Bulkhead");
    hash.update(uuid);
    let mut second: [u8; 16] = hash.finalize().first_chunk().copied().unwrap_or_default();
    // A UUID of a form of its own (RFC 9562, version 8).
    second[6] = second[6] & 0x0f | 0x80;
    second[8] = second[8] & 0x3f | 0x80;
    second
}

/// A package of an image, signed for a UUID. None where the seed is all zeros.
#[must_use]
pub fn sign(
    manifest: &[u8],
    image: &[u8],
    uuid: &[u8; 16],
    version: u32,
    seed: &[u8; 32],
) -> Option<Vec<u8>> {
    let claim = Claim {
        version,
        size: u64::try_from(image.len()).ok()?,
        sha256: Sha256::digest(image).into(),
    };
    let block = block::block(&claim, &Uuid(*uuid), seed)?;
    let mut package = pack(manifest, image);
    let place = usize::try_from(OFFSET).ok()?;
    package.get_mut(place..place + LENGTH)?.copy_from_slice(&block);
    Some(package)
}

/// Opens a package that was signed with this key for this UUID, of whatever size and version.
///
/// # Errors
/// Why it is not taken.
pub fn open<'a>(package: &'a [u8], key: &[u8; 32], uuid: &[u8; 16]) -> Result<Opened<'a>, Unsigned> {
    let place = usize::try_from(OFFSET).map_err(|_| Unsigned::NoPackage)?;
    let block = package.get(place..).and_then(<[u8]>::first_chunk);
    let block = block
        .filter(|_| package.starts_with(b"SPKG"))
        .ok_or(Unsigned::NoPackage)?;
    let signed = Signed {
        key: *key,
        second: None,
        counted: false,
    };
    let demand = Demand {
        uuid: &Uuid(*uuid),
        signed: &signed,
        room: u64::MAX,
        entry: 0,
        counter: 0,
    };
    let claim = block::claim(block, &demand).map_err(Unsigned::Refused)?;
    let size = usize::try_from(claim.size).map_err(|_| Unsigned::NoPackage)?;
    let image = package
        .get(PAYLOAD_OFFSET as usize..)
        .and_then(|rest| rest.get(..size));
    let image = image.ok_or(Unsigned::NoPackage)?;
    if <[u8; 32]>::from(Sha256::digest(image)) != claim.sha256 {
        return Err(Unsigned::Digest);
    }
    Ok(Opened { claim, image })
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: [u8; 16] = [5; 16];

    #[test]
    fn a_package_is_opened_with_its_key_alone() {
        let seed = test_seed("vendor-a");
        let package = sign(b"manifest", b"an image", &UUID, 7, &seed).unwrap();
        let opened = open(&package, &public(&seed), &UUID).unwrap();
        assert_eq!((opened.image, opened.claim.version), (&b"an image"[..], 7));
        let refused = |package: &[u8], key: &[u8; 32], uuid: &[u8; 16]| open(package, key, uuid).unwrap_err();
        let other = public(&test_seed("vendor-b"));
        assert_eq!(
            refused(&package, &other, &UUID),
            Unsigned::Refused(Refusal::Signature)
        );
        assert_eq!(
            refused(&package, &public(&seed), &[6; 16]),
            Unsigned::Refused(Refusal::Other)
        );
        assert_eq!(
            refused(&package[..0x4004], &public(&seed), &UUID),
            Unsigned::NoPackage
        );
        assert_eq!(refused(b"SPKG", &public(&seed), &UUID), Unsigned::NoPackage);
        let plain = pack(b"manifest", b"an image");
        assert_eq!(
            refused(&plain, &public(&seed), &UUID),
            Unsigned::Refused(Refusal::Unsigned)
        );
        let mut changed = package;
        changed[0x4000] ^= 1;
        assert_eq!(refused(&changed, &public(&seed), &UUID), Unsigned::Digest);
    }

    #[test]
    fn a_second_slot_has_a_uuid_of_its_own() {
        assert_ne!(second_slot(&UUID), UUID);
        assert_ne!(second_slot(&UUID), second_slot(&[6; 16]));
    }
}
