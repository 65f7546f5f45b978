//! Direct messages (DEN0077A 1.2, chapter 15).
use super::{A, B, Case, MANAGED, Outcome, alive, ask, bad, clause, ffa, right, to, wrong};
use crate::ensure;
use crate::test_sp;
use sp_rt::ffa::{self as f, Error};

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
        direct_2,
    ),
    wrong(
        "direct-to-nobody",
        &[f::DIRECT_REQ_64],
        clause::DIRECT_REQ,
        to_nobody,
    ),
    wrong(
        "direct-from-another",
        &[f::DIRECT_REQ_64],
        clause::DIRECT_REQ,
        from_another,
    ),
    wrong("direct-flags", &[f::DIRECT_REQ_64], clause::DIRECT_REQ, flags),
    right(
        "direct-identity",
        &[f::DIRECT_REQ_64],
        clause::DIRECT_REQ,
        identity,
    ),
    wrong("run-nothing", &[f::RUN], clause::RUN, run_nothing),
    right("run-waiting", &[f::RUN, f::MSG_WAIT], clause::RUN, run_waiting),
    wrong(
        "partition-calls-partition",
        &[f::DIRECT_REQ_64],
        clause::DIRECT_REQ,
        partition_calls_partition,
    ),
    wrong(
        "partition-answers-another",
        &[f::DIRECT_RESP_64],
        clause::DIRECT_RESP,
        partition_answers_another,
    ),
    right(
        "partition-waits-in-call",
        &[f::YIELD, f::RUN],
        clause::YIELD,
        partition_yields,
    ),
    wrong(
        "partition-wrong-calls",
        &[
            f::CONSOLE_LOG_64,
            f::SECONDARY_EP_REGISTER_64,
            f::RUN,
            f::RXTX_MAP_64,
        ],
        clause::STATUS,
        partition_wrong_calls,
    ),
    right(
        "partition-calls-often",
        &[f::ID_GET],
        clause::ID_GET,
        partition_calls_often,
    ),
];

/// Section 15.2: x3 to x7 arrive and come back whole; nothing else comes back.
fn direct_64() -> Outcome {
    for target in [A, B] {
        let words = [0x1111_2222_3333_4444, u64::MAX, 0, 0x8000_0000_0000_0001];
        let answer = ffa(
            f::DIRECT_REQ_64,
            &[
                to(target),
                0,
                test_sp::ECHO,
                words[0],
                words[1],
                words[2],
                words[3],
            ],
        );
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

/// Section 15.2: the 32-bit form carries 32 bits of each.
fn direct_32() -> Outcome {
    let answer = ffa(f::DIRECT_REQ_32, &[to(A), 0, 1, 2, 3, 4, 0xffff_ffff]);
    ensure!(
        answer.function() == f::DIRECT_RESP_32,
        "{:#x} {:#x}",
        answer.x(0),
        answer.x(2)
    );
    ensure!(
        answer.0[3..8] == [1, 2, 3, 4, 0xffff_ffff],
        "{:x?}",
        &answer.0[3..8]
    );
    Ok(())
}

/// Section 15.4: x4 to x17 arrive and come back.
fn direct_2() -> Outcome {
    let mut arguments = [0; 17];
    arguments[0] = to(A);
    for (n, word) in arguments.iter_mut().enumerate().skip(3) {
        *word = 0x0101_0101_0101_0101 * n as u64;
    }
    let answer = ffa(f::DIRECT_REQ2, &arguments);
    ensure!(
        answer.function() == f::DIRECT_RESP2,
        "{:#x} {:#x}",
        answer.x(0),
        answer.x(2)
    );
    ensure!(answer.0[4..18] == arguments[3..17], "{:x?}", &answer.0[4..8]);
    Ok(())
}

/// Section 15.2: INVALID_PARAMETERS for a receiver that does not exist, or is the SPMC or oneself.
fn to_nobody() -> Outcome {
    for target in [0x8077, 0x8000, 0x7fff, 1, 0] {
        bad(f::DIRECT_REQ_64, &[to(target), 0, 1], Error::INVALID_PARAMETERS)?;
    }
    Ok(())
}

/// B3: nobody speaks for another: a sender that is not the caller.
fn from_another() -> Outcome {
    for source in [0x8002_u64, 0x8001, 0x8000, 0xffff] {
        let answer = ffa(f::DIRECT_REQ_64, &[source << 16 | to(A), 0, test_sp::ECHO]);
        ensure!(answer.success().is_err(), "{source:#x} was believed");
    }
    alive(A)
}

/// Section 15.2: w2 must be zero in a partition message; framework messages come from the framework.
fn flags() -> Outcome {
    for w2 in [1, 0x8000_0000_u64, 0x8000_0008] {
        let answer = ffa(f::DIRECT_REQ_64, &[to(A), w2, test_sp::ECHO]);
        ensure!(
            answer.success().is_err() && answer.function() == f::ERROR,
            "{w2:#x}: {:#x}",
            answer.x(0)
        );
    }
    alive(A)
}

/// B3, C1: each partition is the one that the ID names, on the context of this core.
fn identity() -> Outcome {
    for target in [A, B] {
        let [id, context, ..] = ask(target, test_sp::IDENTITY, [0; 4])?;
        ensure!(
            id == u64::from(target) && context == 0,
            "{target:#x} is {id:#x}, context {context}"
        );
    }
    Ok(())
}

/// Section 14.3: FFA_RUN of a context that does not exist.
fn run_nothing() -> Outcome {
    for which in [
        0x8077_0000,
        0x8001_0004,
        0x8001_ffff,
        0x0000_0000,
        0x8000_0000_u64,
    ] {
        let answer = ffa(f::RUN, &[which]);
        ensure!(answer.function() == f::ERROR, "{which:#x}: {:#x}", answer.x(0));
    }
    alive(A)
}

/// Section 14.3: FFA_RUN of a context that waits lets it wait again; of one of another core is refused.
fn run_waiting() -> Outcome {
    let answer = ffa(f::RUN, &[u64::from(A) << 16]);
    ensure!(
        answer.function() == f::MSG_WAIT,
        "{:#x} {:#x}",
        answer.x(0),
        answer.x(2)
    );
    let answer = ffa(f::RUN, &[u64::from(A) << 16 | 1]);
    ensure!(
        answer.function() == f::ERROR,
        "context 1 ran on core 0: {:#x}",
        answer.x(0)
    );
    alive(A)
}

/// C1: a partition may call only those that the table lets it call.
fn partition_calls_partition() -> Outcome {
    let ids = u64::from(A) << 16 | to(MANAGED);
    let answer = ask(
        A,
        test_sp::CALL,
        [u64::from(f::DIRECT_REQ_64), ids, 0, test_sp::ECHO],
    )?;
    ensure!(answer[0] as u32 == f::ERROR, "{:#x}", answer[0]);
    alive(MANAGED)
}

/// B3: a partition answers its own caller and nobody else's.
fn partition_answers_another() -> Outcome {
    for ids in [
        u64::from(B) << 16,
        u64::from(A) << 16 | to(B),
        u64::from(A) << 16 | 7,
    ] {
        let answer = ask(A, test_sp::CALL, [u64::from(f::DIRECT_RESP_64), ids, 0, 0])?;
        ensure!(answer[0] as u32 == f::ERROR, "{ids:#x}: {:#x}", answer[0]);
    }
    Ok(())
}

/// Section 14.2: a partition that yields in a call is resumed with FFA_RUN, and the call goes on.
fn partition_yields() -> Outcome {
    let words = [test_sp::CALL, u64::from(f::YIELD), 0, 0, 0];
    let answer = ffa(f::DIRECT_REQ_64, &[to(A), 0, words[0], words[1]]);
    ensure!(
        answer.function() == f::YIELD,
        "{:#x} {:#x}",
        answer.x(0),
        answer.x(2)
    );
    ensure!(
        answer.w(1) >> 16 == u32::from(A),
        "who yielded: {:#x}",
        answer.x(1)
    );
    let answer = ffa(f::RUN, &[answer.x(1)]);
    ensure!(
        answer.function() == f::DIRECT_RESP_64,
        "{:#x} {:#x}",
        answer.x(0),
        answer.x(2)
    );
    let got = answer.x(4) as u32;
    ensure!(got == f::SUCCESS_32, "the partition got {got:#x}");
    Ok(())
}

/// Calls in a row are answered alike; a partition may read the counter meanwhile.
fn partition_calls_often() -> Outcome {
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
    Ok(())
}

/// A wrong call of a partition stops nothing but itself.
fn partition_wrong_calls() -> Outcome {
    let wrong = [
        (f::MEM_RECLAIM, [1, 0, 0]),
        (f::MEM_RELINQUISH, [0, 0, 0]),
        (f::MEM_RETRIEVE_REQ, [4096, 4096, 0]),
        (f::MEM_RETRIEVE_REQ, [u64::MAX, u64::MAX, 0]),
        (f::MEM_SHARE, [0x1000, 0xffff, 0]),
        (f::RXTX_MAP_64, [0x0e10_0000, 0x0e30_0000, 1]),
        (f::RUN, [0x8002_0000, 0, 0]),
        (f::RX_RELEASE, [0, 0, 0]),
        (f::CONSOLE_LOG_64, [u64::MAX, 0, 0]),
        (f::CONSOLE_LOG_64, [0, 0, 0]),
        (f::SECONDARY_EP_REGISTER_64, [3, 0, 0]),
        (0x8400_00ef, [0, 0, 0]),
        (0xc400_0099, [0, 0, 0]),
        (0x8400_007c, [0, 0, 0]),
    ];
    for (function, [b, c, d]) in wrong {
        let answer = ask(A, test_sp::CALL, [u64::from(function), b, c, d])?;
        let refused = answer[0] as u32 == f::ERROR || answer[0] as u32 == u32::MAX;
        ensure!(refused, "{function:#x} was answered with {:#x}", answer[0]);
    }
    for function in [0, 0xff03, 0xff04, 0xff08, 0xff09, 0xff0a, 0xc600_0000_u64] {
        let _ = ask(A, test_sp::HYPERCALL, [function, 77, 77, 77])?;
    }
    alive(A)?;
    alive(B)
}
