//! Partitions that call partitions (DEN0077A 1.2, chapters 7, 8 and 15): the normal world calls A, which calls
//! B, which calls one that only the two may call.
use super::elsewhere::elsewhere;
use super::info::uuid;
use super::preemption::LONG;
use super::{
    A, B, Case, HIDDEN, MANAGED, MANAGED_CALLEE, MANAGED_LIMIT, NARROW, Outcome, VICTIM_1, VICTIM_2, alive,
    answer_inside, bad, clause, complete, ffa, inside, inside_bad, request_inside, right, to, wrong,
};
use crate::arch::machine::{let_in, now, set_timer, smc, stop_timer};
use crate::ensure;
use crate::test_sp::{self, forbidden};
use sp_rt::ffa::interrupt_call;
use sp_rt::ffa::{self as f, Error, Regs};

const REQUESTS: &[u32] = &[f::DIRECT_REQ_32, f::DIRECT_REQ_64, f::DIRECT_REQ2];

/// These cases.
pub const CASES: &[Case] = &[
    right(
        "partition-calls-partition",
        &[f::DIRECT_REQ_64, f::DIRECT_RESP_64],
        clause::DIRECT_REQ,
        || call_64(A, B),
    ),
    right(
        "partition-calls-partition-32",
        &[f::DIRECT_REQ_32, f::DIRECT_RESP_32],
        clause::DIRECT_REQ,
        call_32,
    ),
    right(
        "partition-calls-partition-2",
        &[f::DIRECT_REQ2, f::DIRECT_RESP2],
        clause::DIRECT_REQ2,
        call_2,
    ),
    right(
        "partition-calls-a-hidden-one",
        &[f::DIRECT_REQ_64],
        clause::DIRECT_REQ,
        || {
            call_64(A, HIDDEN)?;
            call_64(B, HIDDEN)
        },
    ),
    right(
        "call-chain-of-three",
        &[f::DIRECT_REQ2, f::DIRECT_REQ_64],
        clause::CHAIN,
        three,
    ),
    wrong("partition-calls-itself", REQUESTS, clause::DIRECT_REQ, || {
        refused(A, to(A) << 16 | to(A), Error::INVALID_PARAMETERS)
    }),
    wrong("partition-calls-nobody", REQUESTS, clause::DIRECT_REQ, || {
        for target in [0x8077_u16, 0x7fff, 0x8000] {
            refused(A, to(A) << 16 | to(target), Error::INVALID_PARAMETERS)?;
        }
        Ok(())
    }),
    // A direct request goes from the normal world to the secure one, or within that.
    wrong(
        "partition-calls-the-normal-world",
        REQUESTS,
        clause::DIRECT_REQ,
        || refused(A, to(A) << 16, Error::INVALID_PARAMETERS),
    ),
    wrong(
        "partition-calls-whom-it-may-not",
        REQUESTS,
        clause::DIRECT_REQ,
        || {
            refused(B, to(B) << 16 | to(A), Error::INVALID_PARAMETERS)?;
            refused(A, to(A) << 16 | to(MANAGED), Error::INVALID_PARAMETERS)?;
            refused(MANAGED, to(MANAGED) << 16 | to(HIDDEN), Error::INVALID_PARAMETERS)
        },
    ),
    wrong(
        "partition-calls-in-the-name-of-another",
        REQUESTS,
        clause::DIRECT_REQ,
        || {
            for source in [0, B, HIDDEN, 0x8000] {
                refused(A, to(source) << 16 | to(B), Error::INVALID_PARAMETERS)?;
            }
            alive(B)
        },
    ),
    wrong(
        "partition-calls-with-flags",
        &[f::DIRECT_REQ_32, f::DIRECT_REQ_64],
        clause::DIRECT_REQ,
        || {
            for flags in [1, 0x8000_0000, 0x8000_0004, 0x8000_0006] {
                for function in [f::DIRECT_REQ_32, f::DIRECT_REQ_64] {
                    let ids = to(A) << 16 | to(B);
                    inside_bad(A, function, &[ids, flags], Error::INVALID_PARAMETERS)?;
                }
            }
            alive(B)
        },
    ),
    wrong(
        "partition-calls-unknown-service",
        &[f::DIRECT_REQ2],
        clause::DIRECT_REQ2,
        || {
            let [a, b, c, d] = uuid(A);
            let ids = to(A) << 16 | to(B);
            let service = [a | b << 32, c | d << 32];
            for [low, high] in [service, [1, 0], [0, 1]] {
                inside_bad(A, f::DIRECT_REQ2, &[ids, low, high], Error::INVALID_PARAMETERS)?;
            }
            Ok(())
        },
    ),
    wrong(
        "partition-calls-one-that-takes-none",
        &[f::DIRECT_REQ2],
        clause::DIRECT_REQ2,
        || {
            let ids = to(A) << 16 | to(NARROW);
            inside_bad(A, f::DIRECT_REQ2, &[ids], Error::DENIED)
        },
    ),
    // The callee has no context on this core.
    wrong(
        "partition-calls-on-a-core-that-is-not-listed",
        &[f::DIRECT_REQ_64],
        clause::CONTEXTS,
        || {
            let ids = to(A) << 16 | to(NARROW);
            let request = request_inside(A, f::DIRECT_REQ_64, &[ids, 0, test_sp::ECHO]);
            let got = answer_inside(A, &elsewhere(2, &request)?)?;
            let error = got.success().err();
            ensure!(error == Some(Error::DENIED), "{:#x} {error:?}", got.x(0));
            alive(NARROW)
        },
    ),
    // Nobody calls back whom it was called by: the table has no such circle, so that one does not exist there.
    wrong("call-chain-circle", &[f::DIRECT_REQ_64], clause::CHAIN, || {
        for (callee, back) in [(B, A), (HIDDEN, A), (HIDDEN, B)] {
            let ids = to(callee) << 16 | to(back);
            let got = relayed(A, callee, f::DIRECT_REQ_64, &[ids, 0, test_sp::ECHO])?;
            let error = got.success().err();
            ensure!(
                error == Some(Error::INVALID_PARAMETERS),
                "{callee:#x} to {back:#x}: {:#x} {error:?}",
                got.x(0)
            );
        }
        alive(A)
    }),
    // Chapter 8: a callee that is preempted in a call of the normal world is no other caller's.
    wrong(
        "partition-calls-a-preempted-one",
        &[f::DIRECT_REQ_64],
        clause::CHAIN,
        preempted_callee,
    ),
    right(
        "call-chain-preempted",
        &[f::INTERRUPT, f::RUN],
        clause::INTERRUPT,
        || {
            let answer = start_chain();
            named(&answer, f::INTERRUPT, A)?;
            finish(answer)
        },
    ),
    right(
        "call-chain-resumed-elsewhere",
        &[f::INTERRUPT, f::RUN],
        clause::RUN,
        || {
            let answer = start_chain();
            named(&answer, f::INTERRUPT, A)?;
            stop_timer();
            let_in();
            let answer = elsewhere(1, &Regs::new(f::RUN, &[answer.x(1)]))?;
            finish(answer)
        },
    ),
    // Only the chain as a whole is resumed: its callee is not the normal world's to run meanwhile.
    wrong("call-chain-run-its-callee", &[f::RUN], clause::RUN, || {
        let answer = start_chain();
        named(&answer, f::INTERRUPT, A)?;
        stop_timer();
        let_in();
        let hidden = bad(f::RUN, &[to(HIDDEN) << 16], Error::INVALID_PARAMETERS);
        finish(answer)?;
        hidden
    }),
    // Chapter 8: a callee that yields gives its cycles to the partition that called it.
    right(
        "callee-yields-to-its-caller",
        &[f::YIELD, f::RUN],
        clause::YIELD,
        || {
            hold()?;
            let answer = released()?;
            ensure!(
                answer.function() == f::DIRECT_RESP2 && answer.w(4) == f::SUCCESS_32,
                "{:#x}: the callee got {:#x}",
                answer.x(0),
                answer.x(4)
            );
            alive(B)
        },
    ),
    right(
        "held-while-its-caller-waits",
        &[f::YIELD, f::RUN],
        clause::RUN,
        || {
            hold()?;
            // Its caller has answered and waits; it finds its callee where it was when it is called again.
            alive(A)?;
            call_64(A, HIDDEN)?;
            released()?;
            alive(B)
        },
    ),
    wrong("held-is-not-the-normal-worlds", &[f::RUN], clause::RUN, || {
        hold()?;
        let refused = bad(f::RUN, &[to(B) << 16], Error::DENIED);
        released()?;
        refused?;
        alive(B)
    }),
    wrong("held-is-no-other-partitions", &[f::RUN], clause::RUN, || {
        hold()?;
        // Nor of its caller's on another core.
        let refused = inside_bad(MANAGED, f::RUN, &[to(B) << 16], Error::INVALID_PARAMETERS)
            .and_then(|()| inside_bad(A, f::RUN, &[to(B) << 16 | 1], Error::DENIED));
        released()?;
        refused?;
        alive(B)
    }),
    wrong(
        "partition-runs-whom-it-does-not-hold",
        &[f::RUN],
        clause::RUN,
        || {
            for (named, error) in [
                (to(HIDDEN) << 16, Error::DENIED),
                (to(B) << 16, Error::DENIED),
                (to(A) << 16, Error::INVALID_PARAMETERS),
                (0x8077 << 16, Error::INVALID_PARAMETERS),
                (to(B) << 16 | 0x77, Error::INVALID_PARAMETERS),
            ] {
                inside_bad(A, f::RUN, &[named], error)?;
            }
            Ok(())
        },
    ),
    right("call-chain-error-answers", &[f::ERROR], clause::STATUS, || {
        let code = u64::from(Error::RETRY.0.cast_unsigned());
        let ids = to(A) << 16 | to(B);
        let request = [ids, 0, 0, test_sp::wide::ANSWER, u64::from(f::ERROR), 0, code];
        let got = inside(A, f::DIRECT_REQ2, &request)?;
        let error = got.success().err();
        ensure!(error == Some(Error::RETRY), "{:#x} {error:?}", got.x(0));
        alive(B)
    }),
    right(
        "call-chain-callee-faults",
        &[f::DIRECT_REQ_64],
        clause::CHAIN,
        || fails(VICTIM_1, test_sp::READ, 0x0e10_0000),
    ),
    right(
        "call-chain-callee-gives-up",
        &[f::DIRECT_REQ_64, f::ABORT],
        clause::CHAIN,
        || fails(VICTIM_2, test_sp::FORBIDDEN, forbidden::PANIC),
    ),
    right(
        "call-chain-managed-exit",
        &[f::DIRECT_RESP_64, f::DIRECT_RESP2],
        clause::MANAGED_EXIT,
        || {
            managed_exit(
                test_sp::AWAIT,
                [u64::from(interrupt_call::MANAGED_EXIT), u64::MAX],
            )
        },
    ),
    right(
        "call-chain-managed-exit-not-obeyed",
        &[f::INTERRUPT, f::RUN],
        clause::MANAGED_EXIT,
        || managed_exit(test_sp::BUSY, [LONG, 0]),
    ),
];

/// Has `caller` call `callee`: its words arrive and come back, in the caller's name.
fn call_64(caller: u16, callee: u16) -> Outcome {
    let ids = to(caller) << 16 | to(callee);
    let got = inside(
        caller,
        f::DIRECT_REQ_64,
        &[ids, 0, test_sp::ECHO, 7, u64::MAX, 9, 1 << 63],
    )?;
    ensure!(
        got.function() == f::DIRECT_RESP_64 && got.w(1) == u32::from(callee) << 16 | u32::from(caller),
        "{:#x} {:#x}",
        got.x(0),
        got.x(1)
    );
    ensure!(
        got.0[2..8] == [0, 0, 7, u64::MAX, 9, 1 << 63],
        "{:x?}",
        &got.0[2..8]
    );
    ensure!(got.0[8..14] == [0; 6], "x8 to x13: {:x?}", &got.0[8..14]);
    Ok(())
}

fn call_32() -> Outcome {
    let ids = to(A) << 16 | to(B);
    let got = inside(A, f::DIRECT_REQ_32, &[ids, 0, 1, 2, 3, 4, 0xffff_ffff])?;
    ensure!(
        got.function() == f::DIRECT_RESP_32 && got.0[2..8] == [0, 1, 2, 3, 4, 0xffff_ffff],
        "{:x?}",
        &got.0[..8]
    );
    Ok(())
}

fn call_2() -> Outcome {
    let ids = to(A) << 16 | to(B);
    let [a, b, c, d] = uuid(B);
    for [low, high] in [[0, 0], [a | b << 32, c | d << 32]] {
        let mut words = [ids, low, high, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        for (n, word) in words.iter_mut().enumerate().skip(3) {
            *word = 0x1111_1111_1111_1111 * n as u64;
        }
        let got = inside(A, f::DIRECT_REQ2, &words)?;
        ensure!(
            got.function() == f::DIRECT_RESP2 && got.0[2..4] == [0, 0] && got.0[4..13] == words[3..],
            "{:x?}",
            &got.0[..8]
        );
    }
    Ok(())
}

/// Has `caller` ask `callee` to make a call; what that was answered with (x0 to x9).
fn relayed(caller: u16, callee: u16, function: u32, arguments: &[u64]) -> Outcome<Regs> {
    let ids = to(caller) << 16 | to(callee);
    let mut all = [0; 12];
    all[0] = ids;
    all[3] = test_sp::wide::CALL;
    all[4] = u64::from(function);
    for (to, from) in all[5..].iter_mut().zip(arguments) {
        *to = *from;
    }
    let got = inside(caller, f::DIRECT_REQ2, &all)?;
    ensure!(
        got.function() == f::DIRECT_RESP2,
        "{callee:#x} answers {:#x} {:#x}",
        got.x(0),
        got.x(2)
    );
    Ok(Regs::new(got.w(4), &got.0[5..14]))
}

/// The normal world calls A, A calls B, B calls the hidden one: each answer reaches who waits for it.
fn three() -> Outcome {
    let ids = to(B) << 16 | to(HIDDEN);
    let got = relayed(A, B, f::DIRECT_REQ_64, &[ids, 0, test_sp::IDENTITY])?;
    ensure!(
        got.function() == f::DIRECT_RESP_64 && got.w(1) == u32::from(HIDDEN) << 16 | u32::from(B),
        "{:#x} {:#x}",
        got.x(0),
        got.x(1)
    );
    ensure!(
        got.x(4) == u64::from(HIDDEN) && got.x(5) == 0,
        "{:#x}, context {}",
        got.x(4),
        got.x(5)
    );
    Ok(())
}

/// In each form.
fn refused(caller: u16, ids: u64, expected: Error) -> Outcome {
    for function in REQUESTS {
        inside_bad(caller, *function, &[ids, 0, 0, test_sp::ECHO], expected)?;
    }
    Ok(())
}

/// A call of the normal world to A, which calls B for long, and which the timer interrupts.
fn start_chain() -> Regs {
    let ids = to(A) << 16 | to(B);
    set_timer(2_000);
    smc(&request_inside(
        A,
        f::DIRECT_REQ_64,
        &[ids, 0, test_sp::BUSY, LONG / 4],
    ))
}

/// That an answer names the outermost of the chain.
fn named(answer: &Regs, function: u32, who: u16) -> Outcome {
    ensure!(
        answer.function() == function && answer.w(1) == u32::from(who) << 16,
        "{:#x} {:#x} {:#x}",
        answer.x(0),
        answer.x(1),
        answer.x(2)
    );
    Ok(())
}

/// A calls B, which yields to it: A holds B from then on.
fn hold() -> Outcome {
    let ids = to(A) << 16 | to(B);
    let request = [ids, 0, 0, test_sp::wide::CALL, u64::from(f::YIELD)];
    named(&inside(A, f::DIRECT_REQ2, &request)?, f::YIELD, B)
}

/// A runs B again, which answers; what A got.
fn released() -> Outcome<Regs> {
    inside(A, f::RUN, &[to(B) << 16])
}

/// Resumes a chain until it is answered: nothing of it changed.
fn finish(answer: Regs) -> Outcome {
    stop_timer();
    let (answer, _) = complete(answer);
    let got = answer_inside(A, &answer)?;
    ensure!(
        got.function() == f::DIRECT_RESP_64 && got.x(4) == 0,
        "{:#x}: {} of the callee's registers changed",
        got.x(0),
        got.x(4)
    );
    alive(A)?;
    alive(B)
}

fn preempted_callee() -> Outcome {
    set_timer(2_000);
    let answer = ffa(f::DIRECT_REQ_64, &[to(B), 0, test_sp::BUSY, LONG / 4]);
    stop_timer();
    let_in();
    named(&answer, f::INTERRUPT, B)?;
    let busy = inside_bad(
        A,
        f::DIRECT_REQ_64,
        &[to(A) << 16 | to(B), 0, test_sp::ECHO],
        Error::BUSY,
    );
    let (answer, _) = complete(answer);
    ensure!(
        answer.function() == f::DIRECT_RESP_64 && answer.x(4) == 0,
        "{:#x} {:#x}",
        answer.x(0),
        answer.x(4)
    );
    busy?;
    alive(B)
}

/// A callee that stops is ABORTED for its caller, at once and later, and nothing else happens to that.
fn fails(victim: u16, command: u64, argument: u64) -> Outcome {
    let ids = to(A) << 16 | to(victim);
    for _ in 0..2 {
        let got = inside(A, f::DIRECT_REQ_64, &[ids, 0, command, argument])?;
        let error = got.success().err();
        ensure!(
            error == Some(Error::ABORTED),
            "{:#x} {error:?} {:#x}",
            got.x(0),
            got.x(5)
        );
    }
    bad(f::DIRECT_REQ_64, &[to(victim), 0, test_sp::ECHO], Error::ABORTED)?;
    bad(f::RUN, &[to(victim) << 16], Error::ABORTED)?;
    alive(A)?;
    alive(B)
}

/// The callee is told of the interrupt, or loses its core at the bound: one bound for the whole chain.
fn managed_exit(command: u64, [a, b]: [u64; 2]) -> Outcome {
    let ids = to(MANAGED) << 16 | to(MANAGED_CALLEE);
    let obeys = command == test_sp::AWAIT;
    let began = now();
    set_timer(1_000);
    let answer = smc(&request_inside(
        MANAGED,
        f::DIRECT_REQ_64,
        &[ids, 0, command, a, b],
    ));
    let took = now() - began;
    stop_timer();
    let_in();
    if obeys {
        let got = answer_inside(MANAGED, &answer)?;
        ensure!(
            got.function() == f::DIRECT_RESP_64 && got.x(4) == 1,
            "after {took} us: {:#x} {}",
            got.x(0),
            got.x(4)
        );
    } else {
        named(&answer, f::INTERRUPT, MANAGED)?;
        ensure!(took >= MANAGED_LIMIT, "{took} us: before the bound");
        let (answer, _) = complete(answer);
        let got = answer_inside(MANAGED, &answer)?;
        ensure!(
            got.function() == f::DIRECT_RESP_64 && got.x(4) == 0,
            "{:#x}: {} registers changed",
            got.x(0),
            got.x(4)
        );
    }
    alive(MANAGED)?;
    super::vm::alive_for_vm(MANAGED_CALLEE)
}
