//! A real seL4 beside two test partitions: it answers by registers, from each core, with its timer running.
use super::{A, B, Case, Outcome, alive, ask, isolation, tell};
use crate::arch::machine::{CORES, core_is_off, core_on, let_in, now};
use crate::ensure;
use crate::test_sp;
use core::sync::atomic::{AtomicU64, Ordering};
use sp_rt::ffa::Error;

/// These cases.
pub const CASES: &[Case] = &[
    isolation("sel4-answers", answers),
    isolation("sel4-knows-who-it-is", identity),
    isolation("sel4-refuses-what-it-does-not-know", unknown),
    isolation("sel4-answers-between-others", between),
    isolation("sel4-after-its-ticks", ticks),
    isolation("sel4-from-each-core", from_each_core),
];

/// Its endpoint.
const SEL4: u16 = 0x8003;
/// Microseconds in which a few of its kernel's ticks come.
const TICKS: u64 = 500_000;

fn answers() -> Outcome {
    for round in 0..1_000 {
        let words = [round, !round, round << 32, 7];
        let back = ask(SEL4, test_sp::ECHO, words)?;
        ensure!(back == words, "round {round}: {back:x?}");
    }
    Ok(())
}

fn identity() -> Outcome {
    let [id, context, messages, _] = ask(SEL4, test_sp::IDENTITY, [0; 4])?;
    ensure!(
        id == u64::from(SEL4) && context == 0 && messages > 0,
        "{id:#x} {context} {messages}"
    );
    Ok(())
}

fn unknown() -> Outcome {
    let (status, _) = tell(SEL4, 0xbad, [0; 4])?;
    ensure!(status == Error::NOT_SUPPORTED, "{status:?}");
    Ok(())
}

fn between() -> Outcome {
    for _ in 0..100 {
        alive(A)?;
        alive(SEL4)?;
        alive(B)?;
    }
    Ok(())
}

/// Its kernel's timer interrupts the normal world, and both go on.
fn ticks() -> Outcome {
    let began = now();
    while now() < began + TICKS {
        let_in();
    }
    alive(SEL4)?;
    answers()
}

static RIGHT: AtomicU64 = AtomicU64::new(0);

/// It has one core; calls from the others are carried there.
fn from_each_core() -> Outcome {
    RIGHT.store(0, Ordering::Release);
    for core in 1..CORES {
        let call = |_| {
            if alive(SEL4).is_ok() {
                RIGHT.fetch_add(1, Ordering::AcqRel);
            }
        };
        ensure!(core_on(core, call), "core {core} does not start");
        let deadline = now() + 10_000_000;
        while !core_is_off(core) {
            let_in();
            ensure!(now() < deadline, "core {core} has no answer");
        }
    }
    let right = RIGHT.load(Ordering::Acquire);
    ensure!(right == CORES as u64 - 1, "{right} right answers");
    Ok(())
}
