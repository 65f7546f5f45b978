//! What a partition leaves behind at each point at which it leaves the core (C2, C3): its registers are full of what nobody else has, and then
//! neither the answer's registers, nor the normal world's own, nor a neighbour's hold any of it; and it has them all again when it goes on.
use super::elsewhere::on_core;
use super::preemption::LONG;
use super::restart::back;
use super::{A, B, Case, Outcome, ask, complete, inside, isolation, to};
use crate::arch::machine::{let_in, set_timer, smc, stop_timer};
use crate::arch::state::{
    REGISTERS, call_with_full_registers, call_with_full_vectors, registers, set_registers,
};
use crate::ensure;
use crate::test_sp;
use core::sync::atomic::{AtomicU64, Ordering};
use sp_rt::ffa::{self as f, Regs};

/// For the table `cases`: points at which it goes on later.
pub const CASES: &[Case] = &[
    isolation("residue-of-an-answer", || {
        point(A, &command(A, test_sp::ECHO, 1), f::DIRECT_RESP_64)
    }),
    isolation("residue-of-an-error", || {
        let words = [to(A), 0, 0, test_sp::wide::ANSWER, u64::from(f::ERROR), 0, 9];
        point(A, &Regs::new(f::DIRECT_REQ2, &words), f::ERROR)
    }),
    isolation("residue-of-a-yield", || {
        point(A, &command(A, test_sp::CALL, u64::from(f::YIELD)), f::YIELD)
    }),
    isolation("residue-of-an-interrupt", || {
        point(A, &command(A, test_sp::BUSY, LONG / 10), f::INTERRUPT)
    }),
    isolation("residue-of-a-managed-exit-not-obeyed", || {
        point(MANAGED, &command(MANAGED, test_sp::BUSY, LONG / 2), f::INTERRUPT)
    }),
];

/// For the table `attacks-3`: points at which it ends.
pub const FAILURES: &[Case] = &[
    isolation("residue-of-a-fault", || {
        point(BACK, &command(BACK, test_sp::READ, 0x0e10_0000), f::ERROR)
    }),
    isolation("residue-of-giving-up", || {
        point(
            AGAIN,
            &command(AGAIN, test_sp::CALL, u64::from(f::ABORT)),
            f::ERROR,
        )
    }),
    isolation("residue-on-another-core", other_core),
];

/// For the table `ffa`, in which A may call B.
pub const CHAINS: &[Case] = &[isolation("residue-along-a-chain", chain)];

/// One with managed exits in the table `cases`; two that are restarted in `attacks-3`.
const MANAGED: u16 = 0x8008;
const AGAIN: u16 = 0x8008;
const BACK: u16 = 0x8007;
/// What its registers are made of, and what `BUSY` fills general and FP registers with.
const SEED: u64 = 0x0bad_cafe_0bad_cafe;
const BUSY: u64 = 0x0123_4567_89ab_cdef;
const MARK: u64 = 0x00c0_ffee_00c0_ffe0;

fn command(target: u16, what: u64, argument: u64) -> Regs {
    Regs::new(f::DIRECT_REQ_64, &[to(target), 0, what, argument])
}

/// EL1's registers of the normal world, filled with marks until they are looked at again.
struct Own {
    before: [u64; REGISTERS.len()],
    taken: [u64; REGISTERS.len()],
}

impl Own {
    fn fill() -> Self {
        let before = registers();
        set_registers(&core::array::from_fn(|n| MARK.rotate_left(n as u32) & !1));
        // Some bits cannot be set: what was taken is what has to come back.
        let taken = registers();
        Self { before, taken }
    }

    fn look(&self) -> Outcome {
        let after = registers();
        set_registers(&self.before);
        for ((name, taken), after) in REGISTERS.iter().zip(self.taken).zip(after) {
            ensure!(taken == after, "{name} was {taken:#x}, is {after:#x}");
        }
        Ok(())
    }
}

/// What else is looked at, beside what is always.
#[derive(Clone, Copy)]
enum Look {
    /// All registers of the answer.
    Answer,
    /// The normal world's general registers, which the call has to keep.
    General,
    /// Its vectors.
    Vectors,
}

/// Makes a request that ends at the point in question, once for each look.
fn point(target: u16, request: &Regs, expected: u32) -> Outcome {
    for look in [Look::Answer, Look::General, Look::Vectors] {
        // B may hold the same values of its own, from another case.
        ask(B, test_sp::CLOBBER, [0, 3, 0, 0])?;
        ask(target, test_sp::CLOBBER, [0, SEED, 0, 0])?;
        if expected == f::INTERRUPT {
            set_timer(2_000);
        }
        let own = Own::fill();
        let (answer, changed) = make(request, look);
        let own = own.look();
        stop_timer();
        let_in();
        let seen = seen_by(B);
        go_on(target, answer, expected)?;
        own?;
        seen?;
        ensure!(changed == 0, "{changed} words of its own changed");
        nothing_in(&answer)?;
    }
    Ok(())
}

/// Makes a call: its answer, and how many words of the normal world's registers changed.
fn make(request: &Regs, look: Look) -> (Regs, u64) {
    let mut words = [0; 8];
    words.copy_from_slice(&request.0[..8]);
    let changed = match look {
        Look::Answer => return (smc(request), 0),
        Look::General => call_with_full_registers(&mut words),
        Look::Vectors => call_with_full_vectors(&mut words).0,
    };
    let mut answer = Regs::default();
    answer.0[..8].copy_from_slice(&words);
    (answer, changed)
}

/// That no register of an answer holds what the partition had.
fn nothing_in(answer: &Regs) -> Outcome {
    for (n, word) in answer.0.iter().enumerate() {
        ensure!(*word != BUSY && *word != SEED, "x{n} is {word:#x}");
    }
    Ok(())
}

/// That a partition finds nothing of it in its own registers.
fn seen_by(other: u16) -> Outcome {
    for looked_for in [SEED, BUSY] {
        let [vectors, registers, ..] = ask(other, test_sp::CLOBBER, [looked_for, 3, 0, 0])?;
        ensure!(
            vectors == 0 && registers == 0,
            "{other:#x} sees {vectors} FP and {registers} system registers"
        );
    }
    Ok(())
}

/// It goes on to its end with its registers as they were; or it is another instance, which finds none of them.
fn go_on(target: u16, answer: Regs, expected: u32) -> Outcome {
    ensure!(
        answer.function() == expected,
        "{:#x} {:#x} {:#x}",
        answer.x(0),
        answer.x(1),
        answer.x(2)
    );
    let (last, _) = complete(answer);
    let failed = last.success().err() == Some(f::Error::ABORTED);
    if failed {
        back(target)?;
        return seen_by(target);
    }
    let [changed, ..] = ask(target, test_sp::CHECK, [0; 4])?;
    ensure!(changed == 0, "its own registers changed");
    Ok(())
}

static SEEN: AtomicU64 = AtomicU64::new(0);

/// A context of another core has its registers full when its partition fails: that of the next instance there finds none of it.
fn other_core() -> Outcome {
    on_core(1, |_| {
        let filled = ask(BACK, test_sp::CLOBBER, [0, SEED, 0, 0]);
        SEEN.store(u64::from(filled.is_err()), Ordering::Release);
    })?;
    ensure!(SEEN.load(Ordering::Acquire) == 0, "it does not answer on core 1");
    let answer = smc(&command(BACK, test_sp::READ, 0x0e10_0000));
    ensure!(answer.function() == f::ERROR, "{:#x}", answer.x(0));
    back(BACK)?;
    on_core(1, |_| {
        let seen = ask(BACK, test_sp::CLOBBER, [SEED, 3, 0, 0]);
        SEEN.store(seen.map_or(99, |words| words[0] + words[1]), Ordering::Release);
    })?;
    let seen = SEEN.load(Ordering::Acquire);
    ensure!(seen == 0, "{seen} registers are left");
    Ok(())
}

/// A callee finds nothing of its caller's, nor the caller of its callee's; both keep their own.
fn chain() -> Outcome {
    ask(A, test_sp::CLOBBER, [0, SEED, 0, 0])?;
    ask(B, test_sp::CLOBBER, [0, 3, 0, 0])?;
    let ids = to(A) << 16 | to(B);
    let look = [ids, 0, test_sp::CLOBBER, SEED, !SEED];
    let answer = inside(A, f::DIRECT_REQ_64, &look)?;
    ensure!(
        answer.function() == f::DIRECT_RESP_64 && answer.x(4) == 0 && answer.x(5) == 0,
        "{:#x}: the callee sees {} FP and {} system registers",
        answer.x(0),
        answer.x(4),
        answer.x(5)
    );
    for who in [A, B] {
        let [changed, ..] = ask(who, test_sp::CHECK, [0; 4])?;
        ensure!(changed == 0, "{who:#x} finds other values");
    }
    let [vectors, registers, ..] = ask(A, test_sp::CLOBBER, [!SEED, 5, 0, 0])?;
    ensure!(
        vectors == 0 && registers == 0,
        "the caller sees {vectors} FP and {registers} system registers"
    );
    Ok(())
}
