//! A partition that may be made to fail from outside at any of its instructions: its callers are told, and it comes back.
use super::restart::back;
use super::{A, B, Case, Outcome, alive, ffa, isolation, to};
use crate::ensure;
use crate::test_sp;
use sp_rt::ffa::{self as f, Error};

/// These cases.
pub const CASES: &[Case] = &[isolation("a-partition-that-may-fail-is-called", calls)];

/// So many calls.
const CALLS: u64 = 300;

/// Each call is answered rightly, or its caller is told that the partition failed; the peer always answers. Not by an echo: scenarios
/// name the place that all other commands come to.
fn calls() -> Outcome {
    let mut messages = 0;
    for number in 0..CALLS {
        let mut answer = ffa(f::DIRECT_REQ_64, &[to(B), 0, test_sp::IDENTITY]);
        while matches!(answer.function(), f::INTERRUPT | f::YIELD) {
            answer = ffa(f::RUN, &[answer.x(1)]);
        }
        if answer.function() == f::DIRECT_RESP_64 {
            messages += 1;
            let [own, count] = [answer.x(4), answer.x(6)];
            ensure!(
                own == u64::from(B) && count == messages,
                "{own:#x} and {count} to call {number}"
            );
        } else {
            let told = answer.success().err();
            ensure!(told == Some(Error::ABORTED), "{told:?} to call {number}");
            back(B)?;
            messages = 0;
        }
        alive(A)?;
    }
    alive(B)
}
