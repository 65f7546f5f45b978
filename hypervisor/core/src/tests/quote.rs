//! What is signed for a verifier outside, and that nobody else has anything signed.

use super::machine::{Machine, mark, regs};
use super::table::{A, B, PACKAGES, TABLE};
use crate::api::{Conduit, Event, Regs};
use crate::digest::Digest;
use crate::function as f;
use crate::quote::{Register, Signed, Taken, text};

const NOT_SUPPORTED: u64 = u64::MAX;
const INVALID_PARAMETER: u64 = (-3_i64).cast_unsigned();

fn ask(m: &mut Machine, first: &[u64]) -> Regs {
    let mut regs = Regs::new(&[u64::from(f::QUOTE)]);
    for (n, to) in regs.0.iter_mut().enumerate().skip(8) {
        *to = mark(n);
    }
    for (to, from) in regs.0[1..].iter_mut().zip(first) {
        *to = *from;
    }
    let before = m.state();
    let answer = super::machine::regs(m.step(0, Event::Call(Conduit::Smc, regs)));
    assert_eq!(before, m.state(), "{first:x?} changed something");
    assert!((8..18).all(|n| answer.0[n] == mark(n)));
    answer
}

#[test]
fn both_halves_are_of_what_was_measured_with_the_nonce() {
    let mut m = Machine::started();
    m.enter(0, A);
    let mut nonce = [0; 32];
    (nonce[0], nonce[8], nonce[16], nonce[31]) = (1, 2, 3, 4);
    let words = [1, 2, 3, 4 << 56];
    let signature: [u8; 64] = core::array::from_fn(|n| n as u8);
    for half in [0, 1] {
        let answer = ask(&mut m, &[half as u64, words[0], words[1], words[2], words[3]]);
        assert_eq!(answer.0[0], 0);
        let bytes: [u8; 32] = core::array::from_fn(|n| answer.0[1 + n / 8].to_le_bytes()[n % 8]);
        assert_eq!(bytes, signature[32 * half..][..32]);
    }
    let register = Register::new()
        .extend(&[0xee; 32])
        .extend(&TABLE.digest)
        .extend(&[1; 32])
        .extend(&[2; 32])
        .extend(&[3; 32]);
    // Once for both halves, and for the same nonce again; another one takes its place.
    assert_eq!(m.ports.signed, [text(&nonce, &register)]);
    ask(&mut m, &[0, 1, 2, 3, 4 << 56]);
    assert_eq!(m.ports.signed.len(), 1);
    ask(&mut m, &[1, 2, 2, 3, 4 << 56]);
    ask(&mut m, &[0, 1, 2, 3, 4 << 56]);
    assert_eq!(m.ports.signed.len(), 3);
    assert_eq!(m.ports.signed[2], text(&nonce, &register));
}

#[test]
fn what_vendors_signed_is_measured_with_its_slot_and_version() {
    let mut m = Machine::of(&PACKAGES).start();
    let taken = Taken { slot: 1, version: 3 };
    m.ports.taken.insert(1, taken);
    m.enter(0, A);
    ask(&mut m, &[0, 7]);
    let tagged = [b'B', b'H', b'P', b'K', 8, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0];
    let none = [
        b'B', b'H', b'P', b'K', 8, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0,
    ];
    let digest = |event: &[u8]| {
        let mut hash = Digest::new();
        hash.update(event);
        hash.end()
    };
    let register = Register::new()
        .extend(&[0xee; 32])
        .extend(&PACKAGES.digest)
        .extend(&[1; 32])
        .extend(&[2; 32])
        .extend(&digest(&tagged))
        .extend(&[3; 32])
        .extend(&digest(&none));
    let mut nonce = [0; 32];
    nonce[0] = 7;
    assert_eq!(m.ports.signed, [text(&nonce, &register)]);
}

#[test]
fn what_was_signed_for_one_is_signed_again_for_another() {
    let (nonce, signature) = ([7; 32], [8; 64]);
    let signed = Signed::new(1, nonce, signature);
    assert_eq!(signed.of(1, &nonce), Some(signature));
    assert_eq!(signed.of(0, &nonce), None);
    assert_eq!(signed.of(1, &[6; 32]), None);
    assert_eq!(Signed::NONE.of(0, &[0; 32]), None);
}

#[test]
fn nothing_is_signed_for_a_wrong_call() {
    let mut m = Machine::started();
    m.enter(0, A);
    for first in [
        [2, 0, 0, 0, 0, 0, 0],
        [u64::MAX, 0, 0, 0, 0, 0, 0],
        [0, 1, 2, 3, 4, 1, 0],
        [1, 1, 2, 3, 4, 0, 1],
    ] {
        let answer = ask(&mut m, &first);
        assert_eq!(answer.0[0], INVALID_PARAMETER);
        assert_eq!(answer.0[1..8], first);
    }
    assert!(m.ports.signed.is_empty());
}

#[test]
fn only_a_partition_that_quotes_has_it() {
    let mut m = Machine::started();
    m.enter(0, B);
    assert_eq!(ask(&mut m, &[0, 7]).0[..3], [NOT_SUPPORTED, 0, 7]);
    m.respond(0, B);
    let answer = regs(m.normal(0, &[u64::from(f::QUOTE), 0, 7]));
    assert_eq!(answer.0[..3], [NOT_SUPPORTED, 0, 7]);
    assert!(m.ports.signed.is_empty());
}
