//! A system of signed packages, some of which were changed in flash (B2): which partitions run, and from which package. What the
//! hypervisor says of each, and the counters behind the run, are looked at by the tests on the host.
use super::elsewhere::on_core;
use super::restart::back;
use super::{A, B, Case, Outcome, VICTIM, alive, ask, bad, inside, isolation, to};
use crate::ensure;
use crate::test_sp;
use sp_rt::ffa::{self as f, Error};

/// These cases. `B` has its second slot's package, [`VICTIM`] too, and the others have none that is taken.
pub const CASES: &[Case] = &[
    isolation("signed-packages-run", run),
    isolation("signed-refused-packages-do-not-run", refused),
    isolation("signed-measured-as-found", measured),
    isolation("signed-key-is-of-its-own", key),
    isolation("signed-restart-from-its-slot", restart),
    isolation("signed-counted-with-all-cores", all_cores),
];

/// Those whose packages are refused: forged, swapped, old.
const REFUSED: [u16; 3] = [0x8004, 0x8005, 0x8006];
const INSPECT: u32 = 0xc600_0002;
const INVALID_PARAMETER: u32 = (-3_i32).cast_unsigned();
const KEY: u64 = 0xc600_0001;
const RUNNING: u64 = 2;
const STOPPED: u64 = 3;

fn run() -> Outcome {
    [A, B, VICTIM].into_iter().try_for_each(alive)
}

fn refused() -> Outcome {
    for partition in REFUSED {
        bad(
            f::DIRECT_REQ_64,
            &[to(partition), 0, test_sp::ECHO, 1, 2, 3, 4],
            Error::ABORTED,
        )?;
        bad(f::RUN, &[to(partition) << 16], Error::ABORTED)?;
    }
    Ok(())
}

/// All run one and the same image: who is signed has no digest in the table, and is measured as it was found.
fn measured() -> Outcome {
    let page = |subject: u64, page: u64| inside(A, INSPECT, &[subject, page]);
    let own = page(1, 1)?;
    for (subject, id) in (1..).zip([A, B, VICTIM]) {
        let [_, first, ..] = page(subject, 0)?.0;
        ensure!(first == u64::from(id) | RUNNING << 16, "{first:#x}");
        let image = page(subject, 1)?;
        ensure!(
            image.0[1..5] == own.0[1..5],
            "subject {subject}: {:x?}",
            &image.0[1..5]
        );
    }
    for (subject, id) in (4..).zip(REFUSED) {
        let [_, first, ..] = page(subject, 0)?.0;
        ensure!(first == u64::from(id) | STOPPED << 16, "{first:#x}");
    }
    // Slots and versions; one that is not signed has no such page.
    const NONE: [u64; 2] = [0xffff_ffff, 0];
    for (subject, wanted) in [(2, [1, 3]), (3, [1, 1]), (4, NONE), (5, NONE), (6, NONE)] {
        let [status, taken @ ..] = page(subject, 7)?.0;
        ensure!(
            status == 0 && taken[..2] == wanted,
            "subject {subject}: {:x?}",
            &taken[..2]
        );
    }
    let unsigned = page(1, 7)?.w(0);
    ensure!(unsigned == INVALID_PARAMETER, "{unsigned:#x}");
    Ok(())
}

fn key() -> Outcome {
    let of = |partition: u16| ask(partition, test_sp::CALL, [KEY, 0, 0, 0]);
    let ([status, a @ ..], [signed, b @ ..]) = (of(A)?, of(B)?);
    ensure!(status == 0 && signed == 0, "{status:#x} {signed:#x}");
    ensure!(
        b != [0; 3] && a.iter().all(|word| !b.contains(word)),
        "{a:x?} {b:x?}"
    );
    Ok(())
}

fn restart() -> Outcome {
    let before = ask(B, test_sp::CALL, [KEY, 0, 0, 0])?;
    bad(
        f::DIRECT_REQ_64,
        &[to(B), 0, test_sp::READ, 0x0e10_0000],
        Error::ABORTED,
    )?;
    back(B)?;
    let after = ask(B, test_sp::CALL, [KEY, 0, 0, 0])?;
    ensure!(before == after, "{before:x?} {after:x?}");
    Ok(())
}

/// Counters are raised when the last core comes up: nobody executes from the flash then.
fn all_cores() -> Outcome {
    for core in 1..4 {
        on_core(core, |_| ())?;
    }
    run()
}
