//! A system that TF-A's trusted boot has started: what was not loaded by firmware runs, is measured, and is restarted.
use super::restart::back;
use super::{A, B, Case, Outcome, VICTIM, alive, bad, inside, isolation, to};
use crate::arch::machine::now;
use crate::ensure;
use crate::test_sp;
use sp_rt::ffa::{self as f, Error};

/// These cases. The hypervisor has read each of the three packages itself; that of [`VICTIM`] is signed.
pub const CASES: &[Case] = &[
    isolation("trusted-packages-run", run),
    isolation("trusted-measured-as-found", measured),
    isolation("trusted-restart-from-the-store", restart),
    isolation("trusted-quote-in-a-slice", quote),
    isolation("trusted-quote-signs-once", quote_again),
];

const INSPECT: u32 = 0xc600_0002;
const QUOTE: u32 = 0xc600_0005;
/// Microseconds that the hypervisor may go on without a look at interrupts: as a slice of a restart. Here an instruction
/// takes a nanosecond.
const SLICE: u64 = 1000;
/// And for what it has kept.
const KEPT: u64 = 50;

fn run() -> Outcome {
    [A, B, VICTIM].into_iter().try_for_each(alive)
}

/// All run one and the same image, as it was found.
fn measured() -> Outcome {
    let image = |subject: u64| inside(A, INSPECT, &[subject, 6]);
    let own = image(1)?;
    ensure!(own.0[1..5] != [0; 4], "nothing was measured");
    for subject in [2, 3] {
        let found = image(subject)?;
        ensure!(
            found.0[1..5] == own.0[1..5],
            "subject {subject}: {:x?}",
            &found.0[1..5]
        );
    }
    Ok(())
}

/// Asks for half of a signature; how long that took.
fn half(half: u64, nonce: u64) -> Outcome<u64> {
    let before = now();
    let answer = inside(A, QUOTE, &[half, nonce, 2, 3, 4])?;
    let took = now() - before;
    ensure!(answer.w(0) == 0, "half {half}: {:#x}", answer.w(0));
    Ok(took)
}

fn quote() -> Outcome {
    let took = half(0, 1)?;
    ensure!(took < SLICE, "{took} us");
    Ok(())
}

/// The second half of what [`quote`] has asked for.
fn quote_again() -> Outcome {
    let took = half(1, 1)?;
    ensure!(took < KEPT, "{took} us");
    let took = half(1, 2)?;
    ensure!(took > KEPT, "another nonce takes {took} us");
    Ok(())
}

fn restart() -> Outcome {
    bad(
        f::DIRECT_REQ_64,
        &[to(B), 0, test_sp::READ, 0x0e10_0000],
        Error::ABORTED,
    )?;
    back(B)
}
