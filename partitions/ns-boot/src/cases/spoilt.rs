//! A system in whose flash one package was changed (B2): its partition never runs, the others do.
use super::{A, B, Case, Outcome, VICTIM, alive, bad, ffa, good, isolation, to};
use crate::arch::machine::{core_is_off, core_on, now};
use crate::ensure;
use crate::test_sp;
use sp_rt::ffa::{self as f, Error};

/// These cases; the table's partition `spoilt` is [`VICTIM`].
pub const CASES: &[Case] = &[
    isolation("spoilt-package-does-not-run", does_not_run),
    isolation("spoilt-package-others-run", others_run),
    isolation("spoilt-package-on-another-core", on_another_core),
];

fn does_not_run() -> Outcome {
    bad(
        f::DIRECT_REQ_64,
        &[to(VICTIM), 0, test_sp::ECHO, 1, 2, 3, 4],
        Error::ABORTED,
    )?;
    bad(f::RUN, &[to(VICTIM) << 16], Error::ABORTED)
}

fn others_run() -> Outcome {
    alive(A)?;
    alive(B)?;
    // Of version 1.2: the count needs no buffers since 1.1.
    let _ = ffa(f::VERSION, &[u64::from(f::VERSION_1_2)]);
    let count = good(f::PARTITION_INFO_GET, &[0, 0, 0, 0, 1])?.x(2);
    ensure!(count == 2, "{count} partitions are listed");
    Ok(())
}

/// Nor do its other contexts run when their cores come up.
fn on_another_core() -> Outcome {
    ensure!(core_on(1, call), "core 1 does not start");
    let deadline = now() + 5_000_000;
    while !core_is_off(1) {
        ensure!(now() < deadline, "core 1 does not go off");
    }
    does_not_run()?;
    others_run()
}

fn call(_core: usize) {
    let _ = ffa(f::DIRECT_REQ_64, &[to(VICTIM), 0, test_sp::ECHO]);
}
