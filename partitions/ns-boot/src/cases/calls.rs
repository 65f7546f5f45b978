//! Calls that cases make, and what they expect.
use super::{Outcome, Why};
use crate::arch::machine::{let_in, pause, smc};
use crate::ensure;
use crate::test_sp;
use sp_rt::ffa::{self, Error, Regs};

/// Makes an FF-A call.
pub fn ffa(function: u32, arguments: &[u64]) -> Regs {
    smc(&Regs::new(function, arguments))
}

/// Makes a call that has to succeed.
pub fn good(function: u32, arguments: &[u64]) -> Outcome<Regs> {
    let answer = ffa(function, arguments);
    answer
        .success()
        .map_err(|error| Why::new(format_args!("{function:#x}: {error:?} (x0 {:#x})", answer.x(0))))
}

/// Makes a call that has to fail with this status.
pub fn bad(function: u32, arguments: &[u64], expected: Error) -> Outcome {
    let answer = ffa(function, arguments);
    let right = answer.function() == ffa::ERROR && answer.w(2) == expected.0.cast_unsigned();
    ensure!(
        right,
        "{function:#x}: {:#x} {:#x} instead of {expected:?}",
        answer.x(0),
        answer.x(2)
    );
    Ok(())
}

/// IDs of a request to `target` from the normal world.
pub fn to(target: u16) -> u64 {
    u64::from(target)
}

/// Sends a command and resumes it as often as it is interrupted; the final answer, and how often.
pub fn send(target: u16, command: u64, [a, b, c, d]: [u64; 4]) -> (Regs, u64) {
    let mut answer = ffa(ffa::DIRECT_REQ_64, &[to(target), 0, command, a, b, c, d]);
    let mut times = 0;
    while matches!(answer.function(), ffa::INTERRUPT | ffa::YIELD) {
        times += 1;
        let_in();
        pause();
        answer = ffa(ffa::RUN, &[answer.x(1)]);
    }
    (answer, times)
}

/// Sends a command that has to be answered; its status and results.
pub fn tell(target: u16, command: u64, arguments: [u64; 4]) -> Outcome<(Error, [u64; 4])> {
    let (answer, _) = send(target, command, arguments);
    ensure!(
        answer.function() == ffa::DIRECT_RESP_64,
        "command {command} to {target:#x}: answer {:#x} {:#x}",
        answer.x(0),
        answer.x(2)
    );
    let status = Error(answer.x(3).cast_signed() as i32);
    Ok((status, [answer.x(4), answer.x(5), answer.x(6), answer.x(7)]))
}

/// Sends a command that has to succeed; its results.
pub fn ask(target: u16, command: u64, arguments: [u64; 4]) -> Outcome<[u64; 4]> {
    let (status, results) = tell(target, command, arguments)?;
    ensure!(status == Error(0), "command {command} to {target:#x}: {status:?}");
    Ok(results)
}

/// That a partition still answers, rightly, on this core.
pub fn alive(target: u16) -> Outcome {
    let words = [3, 1, 4, 1];
    let back = ask(target, test_sp::ECHO, words)?;
    ensure!(back == words, "{target:#x} echoes {back:?}");
    Ok(())
}
