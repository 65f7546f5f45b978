//! What a partition is given of secrets: its key and its random numbers, both its own.
//!
//! HKDF with SHA-256 (RFC 5869) turns the board's root secret, the partition's name and its image's digest
//! into a key and a seed. Another partition has another name, another image another digest, and a partition
//! whose image is not the table's never runs: neither can obtain them. Random numbers mix the seed with the
//! core's own (FEAT_RNG), so that no two partitions see numbers that have anything in common.

use bulkhead_core::derive;
use bulkhead_core::signature::Signer;
use bulkhead_core::table::{Partition, RootSecret};
use spin::{Mutex, Once};

use crate::arch::random;
use crate::table::{PARTITIONS, QUOTES, TABLE};

/// Made when the partition first asks: most never do.
static SECRETS: [Mutex<Option<Secrets>>; PARTITIONS] = [const { Mutex::new(None) }; PARTITIONS];

/// The machine's own key, where somebody may have it sign.
static SIGNER: Once<Option<Signer>> = Once::new();

struct Secrets {
    key: [u8; 32],
    seed: [u8; 32],
    /// How often it has asked for random numbers.
    asked: u64,
}

/// A partition's key as four little-endian words; zeros where the board has no root secret, which the table
/// does not allow.
pub fn key(partition: usize) -> [u64; 4] {
    words(&of(partition, |secrets| secrets.key).unwrap_or_default())
}

/// 192 random bits for a partition; none where the board has no root secret or the core no random numbers.
pub fn random(partition: usize) -> Option<[u64; 3]> {
    let mut noise = [0; 32];
    for word in noise.as_chunks_mut::<8>().0 {
        *word = random::word()?.to_le_bytes();
    }
    let (seed, count) = of(partition, |secrets| {
        let count = secrets.asked;
        secrets.asked = count.wrapping_add(1);
        (secrets.seed, count)
    })?;
    let bytes = derive::expand(&seed, &[b"random", &count.to_le_bytes(), &noise]);
    Some(words(&bytes))
}

/// Signs with the machine's own key, which is made from the root secret alone. None where the table has nobody who may
/// have that, or the board no root secret.
pub fn sign(text: &[u8]) -> Option<[u8; 64]> {
    if !QUOTES {
        return None;
    }
    SIGNER.get()?.as_ref().map(|signer| signer.sign(text))
}

/// Makes the machine's own key, before any partition runs: later it would be half of the time that a signature takes.
pub fn prepare() {
    if let RootSecret::Test(root) = TABLE.board.root_secret
        && QUOTES
    {
        SIGNER.call_once(|| Signer::new(&derive::quote_seed(root)));
    }
}

/// The first words of these bytes.
fn words<const N: usize>(bytes: &[u8; 32]) -> [u64; N] {
    let mut words = [0; N];
    for (to, from) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *to = u64::from_le_bytes(*from);
    }
    words
}

/// Uses a partition's secrets.
fn of<T>(partition: usize, with: impl FnOnce(&mut Secrets) -> T) -> Option<T> {
    let RootSecret::Test(root) = TABLE.board.root_secret else {
        return None;
    };
    let entry = TABLE.partitions.get(partition)?;
    let mut secrets = SECRETS.get(partition)?.lock();
    Some(with(secrets.get_or_insert_with(|| made(root, entry))))
}

fn made(root: &[u8; 32], partition: &Partition) -> Secrets {
    let all = derive::root(root);
    // Names have no zero byte and all that stands behind them has 32: no two partitions give the same text. Whom a vendor's
    // signature lets in is known by the vendor: an update has the key of what it replaces.
    let (key, seed, who) = match &partition.image.signed {
        Some(signed) => (&b"signed key"[..], &b"signed seed"[..], &signed.key),
        None => (&b"key"[..], &b"seed"[..], &partition.image.sha256),
    };
    let of = |purpose: &[u8]| derive::expand(&all, &[purpose, partition.name.as_bytes(), &[0], who]);
    Secrets {
        key: of(key),
        seed: of(seed),
        asked: 0,
    }
}
