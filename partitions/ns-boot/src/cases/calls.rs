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
    complete(ffa(ffa::DIRECT_REQ_64, &[to(target), 0, command, a, b, c, d]))
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

/// Resumes a call as often as it is interrupted or yields; the final answer, and how often.
pub fn complete(mut answer: Regs) -> (Regs, u64) {
    let mut times = 0;
    while matches!(answer.function(), ffa::INTERRUPT | ffa::YIELD) {
        times += 1;
        let_in();
        pause();
        answer = ffa(ffa::RUN, &[answer.x(1)]);
    }
    (answer, times)
}

/// The request that has a partition make an FF-A call with up to twelve arguments.
pub fn request_inside(target: u16, function: u32, arguments: &[u64]) -> Regs {
    request_wide(target, test_sp::wide::CALL, function, arguments)
}

/// The request that has a partition answer so.
pub fn request_answer(target: u16, function: u32, arguments: &[u64]) -> Regs {
    request_wide(target, test_sp::wide::ANSWER, function, arguments)
}

fn request_wide(target: u16, command: u64, function: u32, arguments: &[u64]) -> Regs {
    let mut request = Regs::new(
        ffa::DIRECT_REQ2,
        &[to(target), 0, 0, command, u64::from(function)],
    );
    for (to, from) in request.0[6..].iter_mut().zip(arguments) {
        *to = *from;
    }
    request
}

/// What the partition's call was answered with, x0 to x13, out of its answer.
pub fn answer_inside(target: u16, answer: &Regs) -> Outcome<Regs> {
    ensure!(
        answer.function() == ffa::DIRECT_RESP2,
        "{target:#x} answers {:#x} {:#x} {:#x}",
        answer.x(0),
        answer.x(1),
        answer.x(2)
    );
    Ok(Regs::new(answer.w(4), &answer.0[5..]))
}

/// Has a partition make an FF-A call with up to twelve arguments; x0 to x13 of the answer.
pub fn inside(target: u16, function: u32, arguments: &[u64]) -> Outcome<Regs> {
    let (answer, _) = complete(smc(&request_inside(target, function, arguments)));
    answer_inside(target, &answer)
}

/// Has a partition make a call that has to succeed.
pub fn inside_good(target: u16, function: u32, arguments: &[u64]) -> Outcome<Regs> {
    let answer = inside(target, function, arguments)?;
    answer.success().map_err(|error| {
        Why::new(format_args!(
            "{function:#x} of {target:#x}: {error:?} (x0 {:#x})",
            answer.x(0)
        ))
    })
}

/// Has a partition make a call that has to fail with this status.
pub fn inside_bad(target: u16, function: u32, arguments: &[u64], expected: Error) -> Outcome {
    let answer = inside(target, function, arguments)?;
    let right = answer.function() == ffa::ERROR && answer.w(2) == expected.0.cast_unsigned();
    ensure!(
        right,
        "{function:#x} of {target:#x}: {:#x} {:#x} instead of {expected:?}",
        answer.x(0),
        answer.x(2)
    );
    Ok(())
}

/// Writes the start of a partition's TX buffer.
pub fn put(target: u16, bytes: &[u8]) -> Outcome {
    const PART: usize = 96;
    for (n, part) in bytes.chunks(PART).enumerate() {
        let mut request = Regs::new(
            ffa::DIRECT_REQ2,
            &[to(target), 0, 0, test_sp::wide::PUT, (n * PART) as u64],
        );
        for (to, word) in request.0[6..].iter_mut().zip(part.chunks(8)) {
            let mut whole = [0; 8];
            whole[..word.len()].copy_from_slice(word);
            *to = u64::from_le_bytes(whole);
        }
        let (answer, _) = complete(smc(&request));
        ensure!(
            answer.function() == ffa::DIRECT_RESP2,
            "PUT of {target:#x}: {:#x}",
            answer.x(0)
        );
    }
    Ok(())
}

/// Words of a partition's RX buffer from byte `at` on.
pub fn look(target: u16, at: u64) -> Outcome<[u64; 14]> {
    let request = Regs::new(ffa::DIRECT_REQ2, &[to(target), 0, 0, test_sp::wide::LOOK, at]);
    let (answer, _) = complete(smc(&request));
    ensure!(
        answer.function() == ffa::DIRECT_RESP2,
        "LOOK of {target:#x}: {:#x}",
        answer.x(0)
    );
    let mut words = [0; 14];
    words.copy_from_slice(&answer.0[4..]);
    Ok(words)
}

/// A handle as the first two arguments of a call.
pub fn halves(handle: u64) -> [u64; 2] {
    [handle & 0xffff_ffff, handle >> 32]
}

/// Takes shared memory back.
pub fn reclaim(handle: u64) -> Outcome {
    let [low, high] = halves(handle);
    good(ffa::MEM_RECLAIM, &[low, high, 0]).map(drop)
}

/// The handle in an answer.
pub fn handle_of(answer: &Regs) -> u64 {
    u64::from(answer.w(2)) | u64::from(answer.w(3)) << 32
}

/// Where a partition sees what it has just retrieved: out of the answer's range; its RX buffer is free again.
pub fn taken(borrower: u16, answer: &Regs) -> Outcome<u64> {
    ensure!(
        answer.function() == ffa::MEM_RETRIEVE_RESP,
        "{borrower:#x} retrieves: {:#x} {:#x}",
        answer.x(0),
        answer.x(2)
    );
    // The range is the last 16 bytes.
    let [address, ..] = look(borrower, answer.x(1).saturating_sub(16))?;
    inside_good(borrower, ffa::RX_RELEASE, &[])?;
    Ok(address)
}

/// Has a partition give back what it has retrieved, if it has.
pub fn give_back(borrower: u16, handle: u64, answer: &Regs) -> Outcome {
    if answer.function() == ffa::MEM_RETRIEVE_RESP {
        inside_good(borrower, ffa::RX_RELEASE, &[])?;
        ask(borrower, test_sp::RELINQUISH, [handle, 0, 0, 0])?;
    }
    Ok(())
}
