//! What a failure costs: until its caller knows, until the partition answers again, and the restart.
use super::{TIMES, report};
use crate::arch::clock;
use crate::cases::{A, Outcome, ffa, to};
use crate::{ensure, test_sp};
use sp_rt::ffa::{self as f, Error, Regs};

/// The partition reads the hypervisor's memory, and is called from then on until it answers. The smallest of several
/// results counts: it rests longer each time.
pub fn restarts() -> Outcome {
    let mut least = [u64::MAX; 3];
    for _ in 0..TIMES {
        for (least, ticks) in least.iter_mut().zip(once()?) {
            *least = ticks.min(*least);
        }
    }
    for (operation, ticks) in ["failure-told", "failure-good-call", "restart"]
        .into_iter()
        .zip(least)
    {
        report(format_args!("{operation}"), ticks, 1);
    }
    Ok(())
}

/// One failure: the ticks until its caller is told, until the first good answer, and those of them from the first
/// call that was kept.
fn once() -> Outcome<[u64; 3]> {
    let begun = clock::ticks();
    let told = ffa(f::DIRECT_REQ_64, &[to(A), 0, test_sp::READ, 0x0e10_0000]);
    let known = clock::ticks();
    ensure!(aborted(&told), "{:#x} {:#x}", told.x(0), told.x(2));
    let mut answer = echo();
    while aborted(&answer) {
        answer = echo();
    }
    let kept = clock::ticks();
    while matches!(answer.function(), f::INTERRUPT | f::YIELD) {
        answer = ffa(f::RUN, &[answer.x(1)]);
    }
    let done = clock::ticks();
    ensure!(
        answer.function() == f::DIRECT_RESP_64,
        "{:#x} {:#x}",
        answer.x(0),
        answer.x(2)
    );
    Ok([known - begun, done - begun, done - kept])
}

fn echo() -> Regs {
    ffa(f::DIRECT_REQ_64, &[to(A), 0, test_sp::ECHO])
}

fn aborted(answer: &Regs) -> bool {
    answer.success().err() == Some(Error::ABORTED)
}
