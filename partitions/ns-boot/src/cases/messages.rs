//! Direct messages of the normal world (DEN0077A 1.2, chapters 7 and 15), and calls of partitions.
use super::elsewhere::elsewhere;
use super::info::uuid;
use super::{
    A, B, Case, HIDDEN, MANAGED, NARROW, Outcome, alive, answer_inside, ask, bad, clause, complete, ffa,
    inside, inside_bad, inside_good, request_answer, request_inside, right, to, wrong,
};
use crate::arch::machine::smc;
use crate::ensure;
use crate::test_sp;
use sp_rt::ffa::{self as f, Error, Regs};

const REQUESTS: &[u32] = &[f::DIRECT_REQ_32, f::DIRECT_REQ_64, f::DIRECT_REQ2];

/// These cases.
pub const CASES: &[Case] = &[
    right(
        "direct-64",
        &[f::DIRECT_REQ_64, f::DIRECT_RESP_64],
        clause::DIRECT_REQ,
        direct_64,
    ),
    right(
        "direct-32",
        &[f::DIRECT_REQ_32, f::DIRECT_RESP_32],
        clause::DIRECT_REQ,
        direct_32,
    ),
    right(
        "direct-2",
        &[f::DIRECT_REQ2, f::DIRECT_RESP2],
        clause::DIRECT_REQ2,
        || direct_2([0; 2]),
    ),
    right(
        "direct-2-to-a-service",
        &[f::DIRECT_REQ2],
        clause::DIRECT_REQ2,
        || {
            let [a, b, c, d] = uuid(A);
            direct_2([a | b << 32, c | d << 32])
        },
    ),
    right(
        "direct-identity",
        &[f::DIRECT_REQ_64],
        clause::DIRECT_REQ,
        identity,
    ),
    right(
        "direct-to-two-cores",
        &[f::DIRECT_REQ_64],
        clause::CONTEXTS,
        || {
            let request = Regs::new(f::DIRECT_REQ_64, &[to(NARROW), 0, test_sp::IDENTITY]);
            let answer = elsewhere(1, &request)?;
            ensure!(
                answer.function() == f::DIRECT_RESP_64 && answer.x(5) == 1,
                "{:#x}, context {}",
                answer.x(0),
                answer.x(5)
            );
            Ok(())
        },
    ),
    wrong(
        "direct-on-a-core-that-is-not-listed",
        &[f::DIRECT_REQ_32, f::DIRECT_REQ_64],
        clause::CONTEXTS,
        || {
            for function in [f::DIRECT_REQ_64, f::DIRECT_REQ_32] {
                let answer = elsewhere(2, &Regs::new(function, &[to(NARROW), 0, test_sp::ECHO]))?;
                let error = answer.success().err();
                ensure!(error == Some(Error::DENIED), "{:#x} {error:?}", answer.x(0));
            }
            alive(NARROW)
        },
    ),
    wrong("direct-to-nobody", REQUESTS, clause::DIRECT_REQ, || {
        each_form_refused(&[0x8077, 0x8009, 0xffff, 0x7fff, 1])
    }),
    wrong("direct-to-the-spmc", REQUESTS, clause::DIRECT_REQ, || {
        each_form_refused(&[0x8000])
    }),
    wrong("direct-to-oneself", REQUESTS, clause::DIRECT_REQ, || {
        each_form_refused(&[0])
    }),
    // Policy: the same answer as for nobody.
    wrong(
        "direct-to-whom-one-may-not-call",
        REQUESTS,
        clause::DIRECT_REQ,
        || each_form_refused(&[HIDDEN]),
    ),
    // B3: nobody speaks for another.
    wrong("direct-from-a-partition", REQUESTS, clause::DIRECT_REQ, || {
        from(&[B, A, 0x8000, 0xffff])
    }),
    wrong("direct-from-an-unlisted-vm", REQUESTS, clause::DIRECT_REQ, || {
        from(&[0x1234, 0x7fff])
    }),
    wrong(
        "direct-reserved-flags",
        &[f::DIRECT_REQ_32, f::DIRECT_REQ_64],
        clause::DIRECT_REQ,
        || flags(&[1, 2, 0x80, 0x4000_0000]),
    ),
    // 18.2: power messages come from the SPMD, versions as well; 18.3: a hypervisor's go to who wants them.
    wrong(
        "direct-framework-messages",
        &[f::DIRECT_REQ_32, f::DIRECT_REQ_64],
        "18.3",
        || {
            flags(&[
                0x8000_0000,
                0x8000_0002,
                0x8000_0004,
                0x8000_0006,
                0x8000_0008,
                0xffff_ffff,
            ])
        },
    ),
    wrong(
        "direct-2-unknown-service",
        &[f::DIRECT_REQ2],
        clause::DIRECT_REQ2,
        || {
            let [a, b, c, d] = uuid(B);
            for [low, high] in [[1, 2], [a | b << 32, c | d << 32], [u64::MAX; 2]] {
                bad(f::DIRECT_REQ2, &[to(A), low, high, 1], Error::INVALID_PARAMETERS)?;
            }
            alive(A)
        },
    ),
    wrong(
        "direct-2-not-taken",
        &[f::DIRECT_REQ2],
        clause::DIRECT_REQ2,
        || {
            bad(f::DIRECT_REQ2, &[to(NARROW), 0, 0, 1], Error::DENIED)?;
            alive(NARROW)
        },
    ),
    right("run-waiting", &[f::RUN, f::MSG_WAIT], clause::RUN, || {
        for target in [A, MANAGED] {
            let answer = ffa(f::RUN, &[to(target) << 16]);
            ensure!(
                answer.function() == f::MSG_WAIT,
                "{target:#x}: {:#x} {:#x}",
                answer.x(0),
                answer.x(2)
            );
        }
        alive(A)
    }),
    wrong("run-nobody", &[f::RUN], clause::RUN, || {
        run_refused(&[0x8077_0000, 0x8000_0000, 0x0000_0000, 0x7fff_0000])
    }),
    wrong("run-no-context", &[f::RUN], clause::RUN, || {
        run_refused(&[0x8001_0004, 0x8001_3fff, 0x8004_0002])
    }),
    // 14.3: a vCPU that waits is pinned to its core.
    wrong("run-of-another-core", &[f::RUN], clause::RUN, || {
        for context in 1..4 {
            bad(f::RUN, &[to(A) << 16 | context], Error::DENIED)?;
        }
        alive(A)
    }),
    wrong("run-on-a-core-that-is-not-listed", &[f::RUN], clause::RUN, || {
        let answer = elsewhere(2, &Regs::new(f::RUN, &[to(NARROW) << 16]))?;
        let error = answer.success().err();
        ensure!(error == Some(Error::DENIED), "{:#x} {error:?}", answer.x(0));
        alive(NARROW)
    }),
    // A number that no request has: those of parked ones lie above all vCPUs.
    wrong("run-no-parked-request", &[f::RUN], clause::RUN, || {
        run_refused(&[0x8001_4000, 0x8001_4010, 0x8001_ffff])
    }),
    wrong("run-whom-one-may-not-call", &[f::RUN], clause::RUN, || {
        run_refused(&[u64::from(HIDDEN) << 16])
    }),
    right("yield-in-a-call", &[f::YIELD, f::RUN], clause::YIELD, yields),
    wrong(
        "response-to-another",
        &[f::DIRECT_RESP_64, f::DIRECT_RESP_32],
        clause::DIRECT_RESP,
        || {
            for function in [f::DIRECT_RESP_64, f::DIRECT_RESP_32] {
                for receiver in [B, A, 7, 0x8000] {
                    let ids = to(A) << 16 | to(receiver);
                    inside_bad(A, function, &[ids, 0, 0], Error::INVALID_PARAMETERS)?;
                }
            }
            Ok(())
        },
    ),
    wrong(
        "response-from-another",
        &[f::DIRECT_RESP_64, f::DIRECT_RESP_32],
        clause::DIRECT_RESP,
        || {
            for function in [f::DIRECT_RESP_64, f::DIRECT_RESP_32] {
                for sender in [B, 0, 0x8000] {
                    inside_bad(A, function, &[to(sender) << 16, 0, 0], Error::INVALID_PARAMETERS)?;
                }
            }
            Ok(())
        },
    ),
    // w2 of a response says whether it is a framework message: the request was none.
    wrong(
        "response-flags",
        &[f::DIRECT_RESP_64, f::DIRECT_RESP_32],
        clause::DIRECT_RESP,
        || {
            let ids = to(A) << 16;
            for (flags, expected) in [
                (1, Error::INVALID_PARAMETERS),
                (0x8000_0000, Error::DENIED),
                (0x8000_0005, Error::DENIED),
            ] {
                for function in [f::DIRECT_RESP_64, f::DIRECT_RESP_32] {
                    let call = [u64::from(function), ids, flags, 0];
                    let [id, _, code, _] = ask(A, test_sp::CALL, call)?;
                    let refused = id as u32 == f::ERROR && code as i32 == expected.0;
                    ensure!(refused, "{flags:#x}: {id:#x} {code:#x}");
                }
            }
            Ok(())
        },
    ),
    wrong(
        "response-of-another-kind",
        &[f::DIRECT_RESP_64, f::DIRECT_RESP_32, f::DIRECT_RESP2],
        clause::DIRECT_RESP2,
        || {
            let ids = to(A) << 16;
            // To FFA_MSG_SEND_DIRECT_REQ2 with the other pair, and the other way round.
            inside_bad(A, f::DIRECT_RESP_64, &[ids], Error::DENIED)?;
            inside_bad(A, f::DIRECT_RESP_32, &[ids], Error::DENIED)?;
            let call = [u64::from(f::DIRECT_RESP2), ids, 0, 0];
            let [id, _, code, _] = ask(A, test_sp::CALL, call)?;
            let refused = id as u32 == f::ERROR && code as i32 == Error::DENIED.0;
            ensure!(refused, "{id:#x} {code:#x}");
            Ok(())
        },
    ),
    wrong(
        "response-2-to-another",
        &[f::DIRECT_RESP2],
        clause::DIRECT_RESP2,
        || {
            for ids in [to(B) << 16, to(A) << 16 | to(B), to(A) << 16 | 7] {
                inside_bad(A, f::DIRECT_RESP2, &[ids], Error::INVALID_PARAMETERS)?;
            }
            Ok(())
        },
    ),
    // A request has to be answered first.
    wrong("wait-in-a-call", &[f::MSG_WAIT], clause::MSG_WAIT, || {
        inside_bad(A, f::MSG_WAIT, &[], Error::DENIED)?;
        inside_bad(A, f::MSG_WAIT, &[0, 1], Error::DENIED)
    }),
    right("error-answers-a-call", &[f::ERROR], clause::STATUS, || {
        for status in [Error::RETRY, Error::BUSY] {
            let code = u64::from(status.0.cast_unsigned());
            let answer = smc(&request_answer(A, f::ERROR, &[0, code]));
            let got = answer.success().err();
            ensure!(got == Some(status), "{:#x} {got:?}", answer.x(0));
            alive(A)?;
        }
        Ok(())
    }),
    right(
        "console-log",
        &[f::CONSOLE_LOG_32, f::CONSOLE_LOG_64],
        clause::CONSOLE_LOG,
        || {
            const TEXT: u64 = u64::from_le_bytes(*b"a case.\n");
            inside_good(A, f::CONSOLE_LOG_32, &[4, TEXT & 0xffff_ffff])?;
            inside_good(A, f::CONSOLE_LOG_64, &[8, TEXT])?;
            inside_good(A, f::CONSOLE_LOG_64, &[16, TEXT, TEXT]).map(drop)
        },
    ),
    wrong(
        "console-log-lengths",
        &[f::CONSOLE_LOG_32, f::CONSOLE_LOG_64],
        clause::CONSOLE_LOG,
        || {
            for (function, length) in [
                (f::CONSOLE_LOG_32, 0),
                (f::CONSOLE_LOG_32, 25),
                (f::CONSOLE_LOG_32, u64::MAX),
                (f::CONSOLE_LOG_64, 0),
                (f::CONSOLE_LOG_64, 129),
                (f::CONSOLE_LOG_64, 0xffff_ffff),
            ] {
                inside_bad(A, function, &[length, 0x41], Error::INVALID_PARAMETERS)?;
            }
            Ok(())
        },
    ),
    wrong(
        "secondary-entry-late",
        &[f::SECONDARY_EP_REGISTER_32, f::SECONDARY_EP_REGISTER_64],
        clause::SECONDARY_EP,
        || {
            for function in [f::SECONDARY_EP_REGISTER_32, f::SECONDARY_EP_REGISTER_64] {
                for entry in [0x0e20_0000, 0, 3] {
                    inside_bad(A, function, &[entry], Error::DENIED)?;
                }
            }
            Ok(())
        },
    ),
    right("partition-calls-often", &[f::ID_GET], clause::ID_GET, calls_often),
    wrong("hypercalls-unknown", &[f::ID_GET], clause::STATUS, || {
        for function in [0, 0xff0a, 0xffff, 0xc600_0000, 0x8400_0002] {
            let [got, ..] = ask(A, test_sp::HYPERCALL, [function, 77, 77, 77])?;
            ensure!(got as u32 == u32::MAX, "{function:#x}: {got:#x}");
        }
        alive(A)
    }),
];

/// x3 to x7 arrive and come back whole; nothing else comes back.
fn direct_64() -> Outcome {
    for target in [A, B] {
        let words = [0x1111_2222_3333_4444, u64::MAX, 0, 0x8000_0000_0000_0001];
        let mut request = Regs::new(f::DIRECT_REQ_64, &[to(target), 0, test_sp::ECHO]);
        request.0[4..8].copy_from_slice(&words);
        let answer = smc(&request);
        ensure!(
            answer.function() == f::DIRECT_RESP_64,
            "{:#x} {:#x}",
            answer.x(0),
            answer.x(2)
        );
        ensure!(
            answer.w(1) == u32::from(target) << 16 && answer.x(2) == 0,
            "ids {:#x}",
            answer.x(1)
        );
        ensure!(answer.0[4..8] == words, "{:x?}", &answer.0[4..8]);
    }
    Ok(())
}

/// The 32-bit form carries 32 bits of each.
fn direct_32() -> Outcome {
    let answer = ffa(f::DIRECT_REQ_32, &[to(A), 0, 1, 2, 3, 4, 0x1_ffff_ffff]);
    ensure!(
        answer.function() == f::DIRECT_RESP_32,
        "{:#x} {:#x}",
        answer.x(0),
        answer.x(2)
    );
    let words: [u32; 5] = core::array::from_fn(|n| answer.w(3 + n));
    ensure!(words == [1, 2, 3, 4, 0xffff_ffff], "{words:x?}");
    Ok(())
}

/// x4 to x17 arrive and come back.
fn direct_2([low, high]: [u64; 2]) -> Outcome {
    let mut request = Regs::new(f::DIRECT_REQ2, &[to(A), low, high]);
    for (n, word) in request.0.iter_mut().enumerate().skip(4) {
        *word = 0x0101_0101_0101_0101 * n as u64;
    }
    let answer = smc(&request);
    ensure!(
        answer.function() == f::DIRECT_RESP2,
        "{:#x} {:#x}",
        answer.x(0),
        answer.x(2)
    );
    ensure!(
        answer.w(1) == u32::from(A) << 16 && answer.x(2) == 0 && answer.x(3) == 0,
        "x1 to x3: {:x?}",
        &answer.0[1..4]
    );
    ensure!(answer.0[4..] == request.0[4..], "{:x?}", &answer.0[4..8]);
    Ok(())
}

/// INVALID_PARAMETERS in each form.
fn each_form_refused(targets: &[u16]) -> Outcome {
    for target in targets {
        for function in REQUESTS {
            bad(
                *function,
                &[to(*target), 0, 0, test_sp::ECHO],
                Error::INVALID_PARAMETERS,
            )?;
        }
    }
    Ok(())
}

/// Requests in the name of another; the SPMD refuses some of them itself, with another status.
fn from(sources: &[u16]) -> Outcome {
    for source in sources {
        for function in REQUESTS {
            let answer = ffa(*function, &[to(*source) << 16 | to(A), 0, 0, test_sp::ECHO]);
            ensure!(
                answer.function() == f::ERROR,
                "{source:#x} was believed: {:#x}",
                answer.x(0)
            );
        }
    }
    alive(A)
}

/// INVALID_PARAMETERS for each value of w2.
fn flags(values: &[u64]) -> Outcome {
    for value in values {
        for function in [f::DIRECT_REQ_32, f::DIRECT_REQ_64] {
            bad(
                function,
                &[to(A), *value, test_sp::ECHO],
                Error::INVALID_PARAMETERS,
            )?;
        }
    }
    alive(A)
}

/// B3, C1: each partition is the one that the ID names, on the context of this core.
fn identity() -> Outcome {
    for target in [A, B, NARROW, MANAGED] {
        let [id, context, ..] = ask(target, test_sp::IDENTITY, [0; 4])?;
        ensure!(
            id == u64::from(target) && context == 0,
            "{target:#x} is {id:#x}, context {context}"
        );
    }
    Ok(())
}

/// FFA_ERROR for each; nobody has run.
fn run_refused(targets: &[u64]) -> Outcome {
    for target in targets {
        bad(f::RUN, &[*target], Error::INVALID_PARAMETERS)?;
    }
    alive(A)
}

/// A partition that yields in a call is resumed with FFA_RUN, and the call goes on.
fn yields() -> Outcome {
    let answer = smc(&request_inside(A, f::YIELD, &[]));
    ensure!(
        answer.function() == f::YIELD,
        "{:#x} {:#x}",
        answer.x(0),
        answer.x(2)
    );
    ensure!(
        answer.w(1) == u32::from(A) << 16,
        "who yielded: {:#x}",
        answer.x(1)
    );
    let (answer, times) = complete(answer);
    let got = answer_inside(A, &answer)?;
    ensure!(times == 1, "resumed {times} times");
    ensure!(
        got.function() == f::SUCCESS_32,
        "the partition got {:#x}",
        got.x(0)
    );
    Ok(())
}

/// Calls in a row are answered alike; a partition may read the counter meanwhile.
fn calls_often() -> Outcome {
    let [ticks, answer, id, _] = ask(A, test_sp::TIME, [u64::from(f::ID_GET), 0, 0, 0])?;
    ensure!(
        answer as u32 == f::SUCCESS_32 && id == u64::from(A),
        "{answer:#x} {id:#x}"
    );
    ensure!(
        ticks >= test_sp::ROUNDS,
        "{ticks} ticks for {} calls",
        test_sp::ROUNDS
    );
    let own = inside(A, f::ID_GET, &[])?.w(2);
    ensure!(own == u32::from(A), "{own:#x}");
    Ok(())
}
