//! Calls of partitions that are not FF-A: SMCCC's own, random numbers, and the partition's key.
//!
//! Random numbers come by Arm's TRNG firmware interface (DEN0098 1.0), for which TEEs have drivers. The key
//! comes by a call in the range of a vendor's hypervisor services (DEN0028E). Both are the calling
//! partition's own by construction: no parameter names another one.

use crate::api::{Ports, Regs};
use crate::decode::low;
use crate::function as f;
use crate::reply::Reply;
use crate::spmc::Here;

/// Version 1.1 of SMCCC.
const SMCCC_1_1: u64 = 0x1_0001;
/// Version 1.0 of the TRNG firmware interface.
const TRNG_1_0: u64 = 0x1_0000;
/// Names this source of random numbers: d4c1b0a6-58e3-4f27-9d0c-7b1e83a52f61, in w0 to w3.
const TRNG_UUID: [u64; 4] = [0xd4c1_b0a6, 0x58e3_4f27, 0x9d0c_7b1e, 0x83a5_2f61];

/// Results of SMCCC and DEN0098: negative numbers, in x0 whole so that w0 has them too.
const NOT_SUPPORTED: u64 = (-1_i64).cast_unsigned();
const INVALID_PARAMETERS: u64 = (-2_i64).cast_unsigned();
const NO_ENTROPY: u64 = (-3_i64).cast_unsigned();

/// Answers a call that is not FF-A's. Registers that are no result stay as they are.
pub(crate) fn call<T: Ports, const C: usize>(here: &Here<'_, C>, regs: &Regs, ports: &mut T) -> Reply {
    let [x0, x1, ..] = regs.0;
    let (id, asked) = (low(x0), low(x1));
    match id {
        f::SMCCC_VERSION => done(regs, &[SMCCC_1_1]),
        f::SMCCC_ARCH_FEATURES if [f::SMCCC_VERSION, f::SMCCC_ARCH_FEATURES].contains(&asked) => {
            done(regs, &[0])
        }
        f::TRNG_VERSION => done(regs, &[TRNG_1_0]),
        f::TRNG_FEATURES if f::TRNG.contains(&asked) => done(regs, &[0]),
        f::TRNG_GET_UUID => done(regs, &TRNG_UUID),
        f::TRNG_RND_32 => random(here, u64::from(asked), 32, regs, ports),
        f::TRNG_RND_64 => random(here, x1, 64, regs, ports),
        f::PARTITION_KEY if here.partition.key => {
            let [a, b, c, d] = ports.key(here.context.partition);
            done(regs, &[0, a, b, c, d])
        }
        _ => done(regs, &[NOT_SUPPORTED]),
    }
}

/// TRNG_RND: up to three registers of random bits; the last one has the lowest bits.
fn random<T: Ports, const C: usize>(
    here: &Here<'_, C>,
    bits: u64,
    width: u64,
    regs: &Regs,
    ports: &mut T,
) -> Reply {
    let failed = |error| done(regs, &[error, 0, 0, 0]);
    if bits == 0 || bits > 3 * width {
        return failed(INVALID_PARAMETERS);
    }
    let Some(words) = ports.random(here.context.partition) else {
        return failed(NO_ENTROPY);
    };
    let mut answer = [0; 4];
    let mut left = bits;
    for (to, word) in answer.iter_mut().rev().zip(words) {
        let used = left.min(width);
        let unused = 64 - used;
        // All 64 bits go where none is used.
        *to = word.checked_shl(unused as u32).map_or(0, |word| word >> unused);
        left -= used;
    }
    done(regs, &answer)
}

/// The call's registers with these results in the first of them.
pub(crate) fn done(regs: &Regs, results: &[u64]) -> Reply {
    let mut out = *regs;
    for (to, from) in out.0.iter_mut().zip(results) {
        *to = *from;
    }
    Reply::Wide(out)
}
