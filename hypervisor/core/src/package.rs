//! What a vendor signs of its package: the block behind the package's header (docs/signed.md), and when it is believed.

use crate::signature::{self, SIGNATURE};
use crate::table::{Signed, Uuid};

/// Where the block starts: bytes from the package's base. TF-A's header ends before it, and the manifest starts behind it.
pub const OFFSET: u64 = 0x40;
/// Bytes of it: what is signed, and the signature.
pub const LENGTH: usize = TEXT + SIGNATURE;
/// How it begins. What is signed for another purpose begins otherwise.
pub const MAGIC: [u8; 8] = *b"BHSIGNED";
/// Bytes that are signed: magic, version (32 bits), zero (32), the image's size (64), the package's UUID, the image's SHA-256.
const TEXT: usize = 72;

/// What a vendor says of an image, its signature checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Its version; an update has a higher one.
    pub version: u32,
    /// Its bytes.
    pub size: u64,
    /// Their SHA-256.
    pub sha256: [u8; 32],
}

/// Why a package is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is none in the store.
    Missing,
    /// It has no block that is signed.
    Unsigned,
    /// The signature is not by the table's key.
    Signature,
    /// It is signed for another partition's package.
    Other,
    /// Its image is larger than the room for it, or ends before its entry.
    Size,
    /// Its version is below this one, to which the counter was raised.
    Old(u32),
    /// The image is not the one that was signed.
    Digest,
}

impl Refusal {
    /// A sentence for the log.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Missing => "there is no package in the store",
            Self::Unsigned => "the package is not signed",
            Self::Signature => "the package's signature is not by the table's key",
            Self::Other => "the package is signed for another partition",
            Self::Size => "the image does not fit its partition",
            Self::Old(_) => "the package's version is below its counter",
            Self::Digest => "the image's SHA-256 is not the signed one",
        }
    }
}

/// What is asked of a package.
#[derive(Clone, Copy, Debug)]
pub struct Demand<'a> {
    /// The UUID that it is signed for.
    pub uuid: &'a Uuid,
    /// The key, among what the table says.
    pub signed: &'a Signed,
    /// The most bytes that the image may have, and where it is entered in them.
    pub room: u64,
    /// See `room`.
    pub entry: u64,
    /// The lowest version that is taken.
    pub counter: u32,
}

/// Reads a package's block. Nothing in it is looked at before its signature is good, but that it is one.
///
/// # Errors
/// Why it is not taken.
pub fn claim(block: &[u8; LENGTH], demand: &Demand<'_>) -> Result<Claim, Refusal> {
    let Some((text, signature)) = split(block) else {
        return Err(Refusal::Unsigned);
    };
    let (magic, rest) = take::<8>(text).ok_or(Refusal::Unsigned)?;
    if magic != MAGIC {
        return Err(Refusal::Unsigned);
    }
    if !signature::is_good(&demand.signed.key, text, signature) {
        return Err(Refusal::Signature);
    }
    let fields = (|| {
        let (version, rest) = take::<4>(rest)?;
        let (zero, rest) = take::<4>(rest)?;
        let (size, rest) = take::<8>(rest)?;
        let (uuid, rest) = take::<16>(rest)?;
        let (sha256, _) = take::<32>(rest)?;
        let (version, size) = (u32::from_le_bytes(version), u64::from_le_bytes(size));
        (zero == [0; 4]).then_some((
            Claim {
                version,
                size,
                sha256,
            },
            uuid,
        ))
    })();
    let (claim, uuid) = fields.ok_or(Refusal::Unsigned)?;
    if uuid != demand.uuid.0 {
        return Err(Refusal::Other);
    }
    if claim.size > demand.room || claim.size <= demand.entry {
        return Err(Refusal::Size);
    }
    if claim.version < demand.counter {
        return Err(Refusal::Old(claim.version));
    }
    Ok(claim)
}

/// A block for an image, signed with this seed; none where the seed is all zeros. For who makes packages.
#[must_use]
pub fn block(claim: &Claim, uuid: &Uuid, seed: &[u8; signature::KEY]) -> Option<[u8; LENGTH]> {
    let mut block = [0; LENGTH];
    let fields = [
        &MAGIC[..],
        &claim.version.to_le_bytes(),
        &[0; 4],
        &claim.size.to_le_bytes(),
        &uuid.0,
        &claim.sha256,
    ];
    for (to, from) in block.iter_mut().zip(fields.into_iter().flatten()) {
        *to = *from;
    }
    let (text, _) = split(&block)?;
    let signature = signature::sign(seed, text)?;
    for (to, from) in block.iter_mut().skip(TEXT).zip(signature) {
        *to = from;
    }
    Some(block)
}

fn split(block: &[u8; LENGTH]) -> Option<(&[u8], &[u8; SIGNATURE])> {
    let (text, signature) = block.split_at_checked(TEXT)?;
    Some((text, signature.first_chunk()?))
}

fn take<const N: usize>(bytes: &[u8]) -> Option<([u8; N], &[u8])> {
    bytes.split_first_chunk().map(|(first, rest)| (*first, rest))
}

/// In which order two slots are tried: the higher version first, the first slot where they are the same. None is tried twice.
#[must_use]
pub fn order(first: Option<&Claim>, second: Option<&Claim>) -> [usize; 2] {
    match (first, second) {
        (Some(first), Some(second)) if second.version > first.version => [1, 0],
        _ => [0, 1],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: [u8; 32] = [1; 32];
    const UUID: Uuid = Uuid([2; 16]);
    const CLAIM: Claim = Claim {
        version: 7,
        size: 4096,
        sha256: [3; 32],
    };

    fn demanded(block: &[u8; LENGTH], change: impl FnOnce(&mut Demand<'_>)) -> Result<Claim, Refusal> {
        let signed = Signed {
            key: signature::public(&SEED).unwrap(),
            second: None,
            counted: true,
        };
        let mut demand = Demand {
            uuid: &UUID,
            signed: &signed,
            room: 4096,
            entry: 0,
            counter: 7,
        };
        change(&mut demand);
        claim(block, &demand)
    }

    #[test]
    fn what_its_vendor_signed_is_taken() {
        let block = block(&CLAIM, &UUID, &SEED).unwrap();
        assert_eq!(demanded(&block, |_| ()), Ok(CLAIM));
        assert_eq!(super::block(&CLAIM, &UUID, &[0; 32]), None);
    }

    #[test]
    fn whatever_bit_is_changed_it_is_refused() {
        let good = block(&CLAIM, &UUID, &SEED).unwrap();
        for bit in 0..LENGTH * 8 {
            let mut wrong = good;
            wrong[bit / 8] ^= 1 << (bit % 8);
            let why = if bit < 64 {
                Refusal::Unsigned
            } else {
                Refusal::Signature
            };
            assert_eq!(demanded(&wrong, |_| ()), Err(why), "bit {bit}");
        }
        assert_eq!(demanded(&[0; LENGTH], |_| ()), Err(Refusal::Unsigned));
        let other = block(&CLAIM, &UUID, &[9; 32]).unwrap();
        assert_eq!(demanded(&other, |_| ()), Err(Refusal::Signature));
    }

    #[test]
    fn what_is_signed_and_not_for_here_is_refused() {
        let block = block(&CLAIM, &UUID, &SEED).unwrap();
        let other = Uuid([4; 16]);
        assert_eq!(demanded(&block, |demand| demand.room = 4095), Err(Refusal::Size));
        assert_eq!(demanded(&block, |demand| demand.entry = 4096), Err(Refusal::Size));
        assert_eq!(
            demanded(&block, |demand| demand.counter = 8),
            Err(Refusal::Old(7))
        );
        assert_eq!(demanded(&block, |demand| demand.counter = 6), Ok(CLAIM));
        let signed = Signed {
            key: signature::public(&SEED).unwrap(),
            second: None,
            counted: true,
        };
        let demand = Demand {
            uuid: &other,
            signed: &signed,
            room: 4096,
            entry: 0,
            counter: 0,
        };
        assert_eq!(claim(&block, &demand), Err(Refusal::Other));
    }

    #[test]
    fn the_higher_version_comes_first() {
        let newer = Claim { version: 8, ..CLAIM };
        assert_eq!(order(Some(&CLAIM), Some(&newer)), [1, 0]);
        assert_eq!(order(Some(&newer), Some(&CLAIM)), [0, 1]);
        assert_eq!(order(Some(&CLAIM), Some(&CLAIM)), [0, 1]);
        assert_eq!(order(None, Some(&CLAIM)), [0, 1]);
    }
}
