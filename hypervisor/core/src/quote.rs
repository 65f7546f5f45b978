//! A quote: what was measured at the start, signed for a verifier outside who gives a nonce (docs/measured.md).
//!
//! The measurements are events in a fixed order: the hypervisor's own code and constants, the table, then each partition's
//! image in the order of their IDs, and behind one that its vendor signs the package's slot and version. They go into one register as a TPM's PCR takes them (TPM 2.0 part 1, 17.2), so that the
//! log of them can be in the TCG's form and lie with whom nobody trusts: a log that gives another value is not this one's.

use crate::api::{Ports, Regs};
use crate::digest::Digest;
use crate::reply::Reply;
use crate::service::done;
use crate::spmc::Spmc;
use crate::table::Source;

/// Stands first in all that is signed: the key signs nothing that begins otherwise.
pub const DOMAIN: [u8; 16] = *b"bulkhead quote 1";

/// Bytes of a digest, of a nonce, and of half of a signature.
const BYTES: usize = 32;
/// Bytes of what is signed: [`DOMAIN`], the nonce, the register.
pub const TEXT: usize = DOMAIN.len() + 2 * BYTES;

/// Results of SMCCC (DEN0028E, return codes).
const SUCCESS: u64 = 0;
const INVALID_PARAMETER: u64 = (-3_i64).cast_unsigned();

/// A register that only takes what is put behind all that it has taken before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Register([u8; BYTES]);

impl Register {
    /// One that has taken nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self([0; BYTES])
    }

    /// Takes an event's digest: SHA-256 of the value before and the digest.
    #[must_use]
    pub fn extend(self, digest: &[u8; BYTES]) -> Self {
        let mut hash = Digest::new();
        hash.update(&self.0);
        hash.update(digest);
        Self(hash.end())
    }

    /// Its value.
    #[must_use]
    pub const fn value(&self) -> &[u8; BYTES] {
        &self.0
    }
}

/// Which package of a partition runs that its vendor has signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// 0 for the first slot, 1 for the second.
    pub slot: u32,
    /// The version that its vendor gave it.
    pub version: u32,
}

impl Taken {
    /// That no package is.
    pub const NONE: Self = Self {
        slot: u32::MAX,
        version: 0,
    };
}

/// Bytes of [`tagged`].
pub const TAGGED: usize = 16;
/// Which kind of tagged event it is.
pub const TAG: [u8; 4] = *b"BHPK";

/// What is measured of a package beside its image: a tagged event of the TCG's (PC Client Platform Firmware Profile,
/// TCG_PCClientTaggedEvent), which has its ID, the length of what is behind it, and there the slot and the version.
#[must_use]
pub fn tagged(taken: Taken) -> [u8; TAGGED] {
    let mut event = [0; TAGGED];
    let length = 8_u32;
    let words = [
        TAG,
        length.to_le_bytes(),
        taken.slot.to_le_bytes(),
        taken.version.to_le_bytes(),
    ];
    for (to, from) in event.as_chunks_mut::<4>().0.iter_mut().zip(words) {
        *to = from;
    }
    event
}

/// SHA-256 of that.
#[must_use]
pub fn package(taken: Option<Taken>) -> [u8; BYTES] {
    let mut hash = Digest::new();
    hash.update(&tagged(taken.unwrap_or(Taken::NONE)));
    hash.end()
}

/// A signature that was made for a partition, with its nonce. What is signed is the same from the start on, so that nothing
/// makes it old.
#[derive(Clone, Copy, Debug)]
pub struct Signed {
    /// One more than the partition's index; 0: there is none yet.
    owner: usize,
    nonce: [u8; BYTES],
    signature: [u8; 2 * BYTES],
}

impl Signed {
    /// None.
    pub(crate) const NONE: Self = Self {
        owner: 0,
        nonce: [0; BYTES],
        signature: [0; 2 * BYTES],
    };

    pub(crate) const fn new(partition: usize, nonce: [u8; BYTES], signature: [u8; 2 * BYTES]) -> Self {
        Self {
            owner: partition.saturating_add(1),
            nonce,
            signature,
        }
    }

    /// The signature, where it is this partition's for this nonce: whoever else asks learns nothing from how long it takes.
    pub(crate) fn of(&self, partition: usize, nonce: &[u8; BYTES]) -> Option<[u8; 2 * BYTES]> {
        let own = self.owner == partition.saturating_add(1) && self.nonce == *nonce;
        own.then_some(self.signature)
    }
}

/// What is signed for a nonce.
#[must_use]
pub fn text(nonce: &[u8; BYTES], register: &Register) -> [u8; TEXT] {
    let mut text = [0; TEXT];
    let parts = DOMAIN.iter().chain(nonce).chain(register.value());
    for (to, from) in text.iter_mut().zip(parts) {
        *to = *from;
    }
    text
}

impl<const P: usize, const C: usize, const SHARES: usize, const RANGES: usize, const VMS: usize, S: Source>
    Spmc<P, C, SHARES, RANGES, VMS, S>
{
    /// x1: which half of the signature, 0 or 1; x2 to x5: the nonce; x6 and x7: zero. Both halves of a nonce are of the same
    /// signature, since Ed25519 has no chance in it. It is made once for both, unless another partition's came between.
    pub(crate) fn quote<T: Ports>(&self, partition: usize, regs: &Regs, ports: &mut T) -> Reply {
        let [_, half, n0, n1, n2, n3, 0, 0, ..] = regs.0 else {
            return done(regs, &[INVALID_PARAMETER]);
        };
        if half > 1 {
            return done(regs, &[INVALID_PARAMETER]);
        }
        let mut nonce = [0; BYTES];
        for (to, from) in nonce.as_chunks_mut::<8>().0.iter_mut().zip([n0, n1, n2, n3]) {
            *to = from.to_le_bytes();
        }
        let kept = self.signed.lock().of(partition, &nonce);
        let signature = kept.unwrap_or_else(|| {
            let register = self.register(ports);
            let signature = ports.sign(&text(&nonce, &register)).unwrap_or([0; 2 * BYTES]);
            *self.signed.lock() = Signed::new(partition, nonce, signature);
            signature
        });
        let mut words = signature
            .as_chunks::<8>()
            .0
            .iter()
            .map(|word| u64::from_le_bytes(*word));
        let mut next = || words.next().unwrap_or(0);
        let halves = [(); 2].map(|()| [next(), next(), next(), next()]);
        let [a, b, c, d] = if half == 0 { halves[0] } else { halves[1] };
        done(regs, &[SUCCESS, a, b, c, d])
    }

    /// All that was measured at the start, in one value.
    fn register<T: Ports>(&self, ports: &mut T) -> Register {
        let own = ports.measured(None).unwrap_or_default();
        let mut register = Register::new().extend(&own).extend(&self.table.digest);
        for (index, partition) in self.table.partitions.iter().enumerate() {
            let found = ports.measured(Some(index)).unwrap_or_default();
            register = register.extend(&found);
            if partition.image.signed.is_some() {
                register = register.extend(&package(ports.taken(index)));
            }
        }
        register
    }
}

#[cfg(test)]
mod tests {
    use super::{Register, TEXT, text};
    use crate::digest::Digest;

    #[test]
    fn a_register_takes_what_comes_behind_what_it_took() {
        let (a, b) = ([1; 32], [2; 32]);
        let once = Register::new().extend(&a);
        let mut hash = Digest::new();
        hash.update(&[0; 32]);
        hash.update(&a);
        assert_eq!(*once.value(), hash.end());
        let orders = [once.extend(&b), Register::new().extend(&b).extend(&a), once];
        for (place, one) in orders.iter().enumerate() {
            assert!(orders[..place].iter().all(|other| other != one));
        }
    }

    #[test]
    fn what_is_signed_has_its_purpose_the_nonce_and_the_register() {
        let register = Register::new().extend(&[3; 32]);
        let text = text(&[7; 32], &register);
        assert_eq!(TEXT, 80);
        assert_eq!(text[..16], *b"bulkhead quote 1");
        assert_eq!(text[16..48], [7; 32]);
        assert_eq!(text[48..], *register.value());
    }
}
