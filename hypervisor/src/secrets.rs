//! What a partition is given of secrets: its key and its random numbers, both its own.
//!
//! HKDF with SHA-256 (RFC 5869) turns the board's root secret, the partition's name and its image's digest
//! into a key and a seed. Another partition has another name, another image another digest, and a partition
//! whose image is not the table's never runs: neither can obtain them. Random numbers mix the seed with the
//! core's own (FEAT_RNG), so that no two partitions see numbers that have anything in common.

use core::sync::atomic::{AtomicU64, Ordering};

use bulkhead_core::table::{Partition, RootSecret};
use hkdf::Hkdf;
use sha2::Sha256;
use spin::Once;

use crate::arch::random;
use crate::table::{PARTITIONS, TABLE};

/// Made when the partition first asks: most never do.
static SECRETS: [Once<Secrets>; PARTITIONS] = [const { Once::new() }; PARTITIONS];

struct Secrets {
    key: [u8; 32],
    seed: [u8; 32],
    asked: AtomicU64,
}

/// A partition's key as four little-endian words; zeros where the board has no root secret, which the table
/// does not allow.
pub fn key(partition: usize) -> [u64; 4] {
    let mut words = [0; 4];
    if let Some(secrets) = of(partition) {
        for (to, from) in words.iter_mut().zip(secrets.key.as_chunks::<8>().0) {
            *to = u64::from_le_bytes(*from);
        }
    }
    words
}

/// 192 random bits for a partition; none where the board has no root secret or the core no random numbers.
pub fn random(partition: usize) -> Option<[u64; 3]> {
    let secrets = of(partition)?;
    let mut noise = [0; 32];
    for word in noise.as_chunks_mut::<8>().0 {
        *word = random::word()?.to_le_bytes();
    }
    let count = secrets.asked.fetch_add(1, Ordering::Relaxed).to_le_bytes();
    let mut bytes = [0; 24];
    let from = Hkdf::<Sha256>::from_prk(&secrets.seed).ok()?;
    from.expand_multi_info(&[b"random", &count, &noise], &mut bytes)
        .ok()?;
    let mut words = [0; 3];
    for (to, from) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *to = u64::from_le_bytes(*from);
    }
    Some(words)
}

fn of(partition: usize) -> Option<&'static Secrets> {
    let RootSecret::Test(root) = TABLE.board.root_secret else {
        return None;
    };
    let entry = TABLE.partitions.get(partition)?;
    SECRETS
        .get(partition)?
        .try_call_once(|| derive(root, entry).ok_or(()))
        .ok()
}

fn derive(root: &[u8; 32], partition: &Partition) -> Option<Secrets> {
    let all = Hkdf::<Sha256>::new(Some(b"bulkhead"), root);
    let of = |purpose: &[u8]| {
        let mut bytes = [0; 32];
        // Names have no zero byte and the digest's length is fixed: no two partitions give the same text.
        let info = [purpose, partition.name.as_bytes(), &[0], &partition.image.sha256];
        all.expand_multi_info(&info, &mut bytes).ok().map(|()| bytes)
    };
    Some(Secrets {
        key: of(b"key")?,
        seed: of(b"seed")?,
        asked: AtomicU64::new(0),
    })
}
