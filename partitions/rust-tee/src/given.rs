//! What the hypervisor gives a TEE beside FF-A, each by a call: its key, random numbers, what runs here, and that its
//! driver is notified.
use sp_rt::ffa::{self, Regs};

/// Makes a call, and gives the answer.
pub type Call = fn(&Regs) -> Regs;

/// Bulkhead's calls for the partition's own key (docs/secrets.md) and for what runs here (docs/inspect.md).
const PARTITION_KEY: u32 = 0xc600_0001;
const INSPECT: u32 = 0xc600_0002;
/// Bulkhead's call for a signature of what was measured (docs/measured.md).
const QUOTE: u32 = 0xc600_0005;
/// Arm's call for random numbers (DEN0098), for 64 bits of them in x3.
const TRNG_RND_64: u32 = 0xc400_0053;

/// The key that the hypervisor derived for this partition; none where the table gives it none.
#[must_use]
pub fn key(call: Call) -> Option<[u64; 4]> {
    let answer = call(&Regs::new(PARTITION_KEY, &[]));
    (answer.x(0) == 0).then(|| [1, 2, 3, 4].map(|n| answer.x(n)))
}

/// A random number; none where the machine has no source of them.
#[must_use]
pub fn random(call: Call) -> Option<u64> {
    let answer = call(&Regs::new(TRNG_RND_64, &[64]));
    (answer.x(0) == 0).then(|| answer.x(3))
}

/// The 32 bytes of a key, or as many random ones; none without either.
#[must_use]
pub fn secret(key: Option<[u64; 4]>, random: impl Fn() -> Option<u64>) -> Option<[u8; 32]> {
    let words = key.or_else(|| Some([random()?, random()?, random()?, random()?]))?;
    words.map(u64::to_le_bytes).as_flattened().try_into().ok()
}

/// x0 to x7 of the hypervisor's answer about a subject.
#[must_use]
pub fn inspect(call: Call, subject: u64, page: u64) -> [u64; 8] {
    let answer = call(&Regs::new(INSPECT, &[subject, page]));
    core::array::from_fn(|n| answer.x(n))
}

/// Half of a signature of what was measured at the start, for a nonce: x0 to x4 of the hypervisor's answer.
#[must_use]
pub fn quote(call: Call, half: u64, [a, b, c, d]: [u64; 4]) -> [u64; 5] {
    let answer = call(&Regs::new(QUOTE, &[half, a, b, c, d]));
    core::array::from_fn(|n| answer.x(n))
}

/// Sets notifications of an endpoint in the normal world, which hears of them when this call has left the core.
#[must_use]
pub fn notify(call: Call, own: u16, receiver: u16, bits: u64) -> bool {
    const DELAY_SCHEDULE: u64 = 1 << 1;
    let ids = u64::from(own) << 16 | u64::from(receiver);
    let arguments = [ids, DELAY_SCHEDULE, bits & 0xffff_ffff, bits >> 32];
    call(&Regs::new(ffa::NOTIFICATION_SET, &arguments))
        .success()
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_not_given_is_random() {
        assert_eq!(key(|_| Regs([u64::MAX; 18])), None);
        assert_eq!(random(|_| Regs([u64::MAX; 18])), None);
        let given = key(|regs| Regs::new(0, &[u64::from(regs.function()), 2, 3, 4]));
        assert_eq!(given, Some([0xc600_0001, 2, 3, 4]));
        let mut bytes = [0; 32];
        (bytes[0], bytes[8], bytes[16], bytes[24]) = (1, 2, 3, 4);
        assert_eq!(secret(Some([1, 2, 3, 4]), || None), Some(bytes));
        assert_eq!(secret(None, || Some(0x0101_0101_0101_0101)), Some([1; 32]));
        assert_eq!(secret(None, || None), None);
        let word = random(|regs| Regs::new(0, &[0, 0, regs.x(1)]));
        assert_eq!(word, Some(64));
    }

    #[test]
    fn a_notification_names_who_sets_it() {
        let set = |regs: &Regs| {
            let good = regs.0[..5] == [u64::from(ffa::NOTIFICATION_SET), 0x8003_0005, 2, 1 << 31, 1];
            Regs::new(if good { ffa::SUCCESS_32 } else { ffa::ERROR }, &[])
        };
        assert!(notify(set, 0x8003, 5, 1 << 31 | 1 << 32));
        assert!(!notify(set, 0x8003, 5, 1));
    }
}
