//! What a call must keep and must not show (C2, C3).
use super::preemption::{LONG, finish, interrupted};
use super::{A, B, Case, Outcome, ask, isolation};
use crate::arch::machine::set_timer;
use crate::arch::state::{
    REGISTERS, call_with_full_registers, call_with_full_vectors, registers, set_registers,
};
use crate::ensure;
use crate::test_sp;
use sp_rt::ffa::{self, Regs};

/// These cases.
pub const CASES: &[Case] = &[
    isolation("general-registers", general),
    isolation("el1-registers", el1_registers),
    isolation("vector-registers", vectors),
    isolation("vector-registers-when-preempted", vectors_when_preempted),
    isolation("registers-not-shown", not_shown),
    isolation("partitions-keep-theirs", partitions_keep_theirs),
    isolation("partitions-see-nothing", partitions_see_nothing),
];

const MARK: u64 = 0x00c0_ffee_00c0_ffe0;

fn request(target: u16, command: u64, a: u64, b: u64) -> [u64; 8] {
    [
        u64::from(ffa::DIRECT_REQ_64),
        u64::from(target),
        0,
        command,
        a,
        b,
        0,
        0,
    ]
}

fn answered(r: &[u64; 8]) -> Outcome {
    ensure!(r[0] == u64::from(ffa::DIRECT_RESP_64), "{:#x} {:#x}", r[0], r[2]);
    Ok(())
}

/// C2: x18 to x28 come back (DEN0028E, section 2.7).
fn general() -> Outcome {
    let mut r = request(A, test_sp::CLOBBER, MARK, 0x77);
    let changed = call_with_full_registers(&mut r);
    answered(&r)?;
    ensure!(changed == 0, "{changed} registers changed");
    Ok(())
}

/// C2: EL1's registers come back, keys included, whatever the partition put into its own.
fn el1_registers() -> Outcome {
    let before = registers();
    let mut values = [0; REGISTERS.len()];
    for (n, value) in values.iter_mut().enumerate() {
        *value = MARK.rotate_left(n as u32) & !1;
    }
    set_registers(&values);
    // Some bits cannot be set: what was taken is what has to come back.
    let taken = registers();
    let mut r = request(A, test_sp::CLOBBER, MARK, 0x99);
    let _ = call_with_full_registers(&mut r);
    let after = registers();
    set_registers(&before);
    answered(&r)?;
    for ((name, taken), after) in REGISTERS.iter().zip(taken).zip(after) {
        ensure!(taken == after, "{name} was {taken:#x}, is {after:#x}");
    }
    Ok(())
}

/// C2: the whole vector state comes back (with SVE: Z, P, FFR, ZCR), of all lengths.
fn vectors() -> Outcome {
    for seed in 0..3 {
        let mut r = request(A, test_sp::CLOBBER, MARK, seed);
        let (changed, length) = call_with_full_vectors(&mut r);
        answered(&r)?;
        ensure!(changed == 0, "{changed} words changed, vectors of {length} bytes");
    }
    Ok(())
}

/// C2, C3: the same in the middle of a call: nothing of a partition that was preempted with all its FP
/// registers full is left in the normal world's, nor the other way round.
fn vectors_when_preempted() -> Outcome {
    set_timer(2_000);
    let mut r = request(A, test_sp::BUSY, LONG, 0);
    let (changed, length) = call_with_full_vectors(&mut r);
    let mut answer = Regs::default();
    answer.0[..8].copy_from_slice(&r);
    interrupted(&answer, A)?;
    let lost = finish(answer)?;
    ensure!(changed == 0, "{changed} words changed, vectors of {length} bytes");
    ensure!(lost == 0, "{lost} of the partition's registers changed");
    Ok(())
}

/// C3: a partition finds nothing of the caller's in its FP and system registers.
fn not_shown() -> Outcome {
    let before = registers();
    let mut values = [MARK; REGISTERS.len()];
    // MMU, caches and alignment checks of EL1 stay off.
    values[0] = before[0];
    set_registers(&values);
    let mark = 0x0101_0101_0101_0101_u64;
    let mut r = request(A, test_sp::CLOBBER, mark, 1);
    let _ = call_with_full_vectors(&mut r);
    let [vectors, ..] = [r[4]];
    let mut s = request(A, test_sp::CLOBBER, MARK, 1);
    let _ = call_with_full_vectors(&mut s);
    set_registers(&before);
    answered(&r)?;
    answered(&s)?;
    ensure!(vectors == 0, "{vectors} FP registers hold the caller's value");
    ensure!(s[5] == 0, "{} system registers hold the caller's value", s[5]);
    Ok(())
}

/// C3: a partition's system registers are its own: neither the normal world nor another one
/// changes them between two calls.
fn partitions_keep_theirs() -> Outcome {
    ask(A, test_sp::CLOBBER, [0, 0x1111, 0, 0])?;
    ask(B, test_sp::CLOBBER, [0, 0x2222, 0, 0])?;
    let before = registers();
    let mut values = [MARK; REGISTERS.len()];
    values[0] = before[0];
    set_registers(&values);
    let found = [ask(A, test_sp::CHECK, [0; 4]), ask(B, test_sp::CHECK, [0; 4])];
    set_registers(&before);
    for (found, who) in found.into_iter().zip([A, B]) {
        let [changed, ..] = found?;
        ensure!(changed == 0, "{who:#x} finds other values");
    }
    Ok(())
}

/// C3: a partition finds nothing of another one's.
fn partitions_see_nothing() -> Outcome {
    const SEED: u64 = 0x0bad_cafe_0bad_cafe;
    ask(A, test_sp::CLOBBER, [0, SEED, 0, 0])?;
    let [vectors, registers, ..] = ask(B, test_sp::CLOBBER, [SEED, 1, 0, 0])?;
    ensure!(
        vectors == 0 && registers == 0,
        "{vectors} FP and {registers} system registers"
    );
    Ok(())
}
