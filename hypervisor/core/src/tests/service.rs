//! Calls that are not FF-A: SMCCC's own, random numbers, a partition's key.

use super::machine::{Machine, mark, regs, x};
use super::table::{A, B};
use crate::api::{Conduit, Event, Regs};
use crate::function as f;

const MINUS_ONE: u64 = u64::MAX;

/// A call of the partition on core 0 with marks in all registers behind the first ones.
fn call(m: &mut Machine, first: &[u64]) -> Regs {
    let mut regs = Regs::new(first);
    for n in first.len()..18 {
        regs.0[n] = mark(n);
    }
    let before = m.state();
    let answer = super::machine::regs(m.step(0, Event::Call(Conduit::Smc, regs)));
    assert_eq!(before, m.state(), "{first:x?}");
    answer
}

/// What is no result stays as it was.
fn kept(answer: &Regs, from: usize) {
    for n in from..18 {
        assert_eq!(answer.0[n], mark(n), "x{n}");
    }
}

#[test]
fn a_key_is_its_partitions_own() {
    let mut m = Machine::started();
    m.enter(0, A);
    let answer = call(&mut m, &[u64::from(f::PARTITION_KEY)]);
    assert_eq!(answer.0[..5], [0, 1 << 32, 2 << 32, 3 << 32, 4 << 32]);
    kept(&answer, 5);
    m.respond(0, A);
    // B is given none, and no parameter names another's.
    m.enter(0, B);
    for parameter in [0, 1, u64::from(A)] {
        let answer = call(&mut m, &[u64::from(f::PARTITION_KEY), parameter]);
        assert_eq!(answer.0[..2], [u64::MAX, parameter]);
        kept(&answer, 2);
    }
}

#[test]
fn the_normal_world_has_no_key() {
    let mut m = Machine::started();
    for id in [f::PARTITION_KEY, f::TRNG_RND_64, f::TRNG_VERSION] {
        assert_eq!(x(m.normal(0, &[u64::from(id), 64]), 0), u64::MAX);
    }
    assert_eq!(regs(m.normal(0, &[u64::from(f::PARTITION_KEY)])).0[1..8], [0; 7]);
}

#[test]
fn random_bits_fill_registers_from_the_last() {
    let mut m = Machine::started();
    m.ports.random = Some([
        0xaaaa_aaaa_1111_1111,
        0xbbbb_bbbb_2222_2222,
        0xcccc_cccc_3333_3333,
    ]);
    m.enter(0, A);
    let [a, b, c] = m.ports.random.unwrap();
    for (id, bits, expected) in [
        (f::TRNG_RND_64, 192, [c, b, a]),
        (f::TRNG_RND_64, 191, [c & u64::MAX >> 1, b, a]),
        (f::TRNG_RND_64, 128, [0, b, a]),
        (f::TRNG_RND_64, 65, [0, b & 1, a]),
        (f::TRNG_RND_64, 64, [0, 0, a]),
        (f::TRNG_RND_64, 1, [0, 0, 1]),
        (f::TRNG_RND_32, 96, [0x3333_3333, 0x2222_2222, 0x1111_1111]),
        (f::TRNG_RND_32, 33, [0, 0, 0x1111_1111]),
        (f::TRNG_RND_32, 8, [0, 0, 0x11]),
    ] {
        let answer = call(&mut m, &[u64::from(id), bits]);
        assert_eq!(answer.0[0], 0, "{bits} bits");
        assert_eq!(answer.0[1..4], expected, "{bits} bits");
        kept(&answer, 4);
    }
}

#[test]
fn random_bits_that_cannot_be() {
    let mut m = Machine::started();
    m.enter(0, A);
    for (id, bits, status) in [
        (f::TRNG_RND_64, 0, -2_i64),
        (f::TRNG_RND_64, 193, -2),
        (f::TRNG_RND_64, 1 << 32 | 64, -2),
        (f::TRNG_RND_32, 97, -2),
        (f::TRNG_RND_64, 64, -3),
        (f::TRNG_RND_32, 32, -3),
    ] {
        let answer = call(&mut m, &[u64::from(id), bits]);
        assert_eq!(answer.0[..4], [status.cast_unsigned(), 0, 0, 0], "{bits} bits");
        kept(&answer, 4);
    }
}

#[test]
fn what_is_there_can_be_asked_for() {
    let mut m = Machine::started();
    m.enter(0, A);
    for (call_id, parameter, expected) in [
        (f::SMCCC_VERSION, 0, 0x1_0001),
        (f::SMCCC_ARCH_FEATURES, f::SMCCC_VERSION, 0),
        (f::SMCCC_ARCH_FEATURES, 0x8000_8000, MINUS_ONE),
        (f::TRNG_VERSION, 0, 0x1_0000),
        (f::TRNG_FEATURES, f::TRNG_RND_64, 0),
        (f::TRNG_FEATURES, f::PARTITION_KEY, MINUS_ONE),
        (0x8600_ff01, 0, MINUS_ONE),
        (0x8400_0000, 0, MINUS_ONE),
    ] {
        let answer = call(&mut m, &[u64::from(call_id), u64::from(parameter)]);
        assert_eq!(answer.0[..2], [expected, u64::from(parameter)], "{call_id:#x}");
        kept(&answer, 2);
    }
    let uuid = call(&mut m, &[u64::from(f::TRNG_GET_UUID)]);
    assert_eq!(uuid.0[..4], [0xd4c1_b0a6, 0x58e3_4f27, 0x9d0c_7b1e, 0x83a5_2f61]);
}
