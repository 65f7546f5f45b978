//! RXTX_MAP, RXTX_UNMAP, RX_RELEASE, RX_ACQUIRE.

use super::machine::{Machine, succeeded};
use super::table::{A, B, NORMAL, memory};
use crate::error::Error;
use crate::function as f;

const MAP: u64 = f::RXTX_MAP_64 as u64;
const MAP_32: u64 = f::RXTX_MAP_32 as u64;
const UNMAP: u64 = f::RXTX_UNMAP as u64;
const RELEASE: u64 = f::RX_RELEASE as u64;
const ACQUIRE: u64 = f::RX_ACQUIRE as u64;

#[test]
fn buffers_have_to_be_pages_of_the_caller() {
    let mut m = Machine::started();
    let (base, end) = (NORMAL.base, NORMAL.base + NORMAL.size);
    for (tx, rx, pages) in [
        (base, base, 1),
        (base + 8, base + 0x1000, 1),
        (base, base + 0x1800, 1),
        (base, end, 1),
        (base - 0x1000, base, 1),
        (base, memory(0), 1),
        (0x0e10_0000, base, 1),
        (0x0900_0000, base, 1),
        (base, !0xfff, 1),
        (base, base + 0x1000, 0),
        (base, base + 0x2000, 2),
        (base, base + 0x1000, 0xffff_ffff),
    ] {
        m.refused(0, &[MAP, tx, rx, pages], Error::InvalidParameters);
    }
    // Bits that mean nothing are not looked at.
    assert!(succeeded(m.normal(0, &[MAP, base, end - 0x1000, 0xffff_ffc1])));
    m.refused(0, &[MAP, base, base + 0x1000, 1], Error::Denied);
}

#[test]
fn only_low_halves_count_in_the_32_bit_form() {
    let mut m = Machine::started();
    let high = 0xdead_beef_0000_0000;
    assert!(succeeded(m.normal(
        0,
        &[
            MAP_32,
            high | NORMAL.base,
            high | (NORMAL.base + 0x1000),
            high | 1
        ]
    )));
    let buffers = m.spmc.normal.lock().buffers.unwrap();
    assert_eq!(
        (buffers.tx.address, buffers.rx.address),
        (NORMAL.base, NORMAL.base + 0x1000)
    );
}

#[test]
fn a_partitions_buffers_are_in_its_own_memory() {
    let mut m = Machine::started();
    m.enter(2, A);
    for (tx, rx) in [
        (memory(0), memory(1)),
        (NORMAL.base, memory(0)),
        (memory(0), 0x0e10_0000),
        (memory(0), memory(0) + 0x10_0000),
    ] {
        m.partition_refused(2, &[MAP, tx, rx, 1], Error::InvalidParameters);
    }
    assert!(succeeded(m.call(2, &[MAP, memory(0), memory(0) + 0x1000, 1])));
    m.partition_refused(2, &[MAP, memory(0), memory(0) + 0x1000, 1], Error::Denied);
    assert!(m.spmc.compartments[1].mailbox.lock().buffers.is_none());
}

#[test]
fn unmapped_once() {
    let mut m = Machine::started();
    m.refused(0, &[UNMAP], Error::InvalidParameters);
    m.normal(0, &[MAP, NORMAL.base, NORMAL.base + 0x1000, 1]);
    m.refused(0, &[UNMAP, 1 << 16], Error::InvalidParameters);
    assert!(succeeded(m.normal(1, &[UNMAP])));
    m.refused(0, &[UNMAP], Error::InvalidParameters);
    m.enter(0, A);
    m.call(0, &[MAP, memory(0), memory(0) + 0x1000, 1]);
    m.partition_refused(0, &[UNMAP, u64::from(B) << 16], Error::InvalidParameters);
    // Nobody speaks for others there, so that the field is zero.
    m.partition_refused(0, &[UNMAP, u64::from(A) << 16], Error::InvalidParameters);
    m.partition_refused(0, &[RELEASE, u64::from(A)], Error::InvalidParameters);
    assert!(succeeded(m.call(0, &[UNMAP])));
}

#[test]
fn a_buffer_that_is_not_full_cannot_be_released() {
    let mut m = Machine::started();
    m.refused(0, &[RELEASE], Error::Denied);
    m.normal(0, &[MAP, NORMAL.base, NORMAL.base + 0x1000, 1]);
    m.refused(0, &[RELEASE], Error::Denied);
    m.refused(0, &[RELEASE, 5], Error::InvalidParameters);
}

#[test]
fn an_acquired_buffer_is_not_written() {
    let mut m = Machine::started();
    m.refused(0, &[ACQUIRE], Error::InvalidParameters);
    m.normal(0, &[MAP, NORMAL.base, NORMAL.base + 0x1000, 1]);
    m.refused(0, &[ACQUIRE, 1], Error::InvalidParameters);
    assert!(succeeded(m.normal(0, &[ACQUIRE])));
    m.refused(0, &[ACQUIRE], Error::Denied);
    m.refused(0, &[u64::from(f::PARTITION_INFO_GET)], Error::Busy);
    assert!(succeeded(m.normal(0, &[RELEASE])));
    assert!(succeeded(m.normal(0, &[u64::from(f::PARTITION_INFO_GET)])));
    m.enter(0, A);
    m.partition_refused(0, &[ACQUIRE], Error::NotSupported);
}

#[test]
fn waiting_releases_the_buffer_unless_it_is_told_not_to() {
    // The flag came with 1.2.
    for (version, flags, full) in [(2, 0u64, false), (2, 1, true), (1, 1, false), (0, 1, false)] {
        let mut m = Machine::started();
        m.enter(0, A);
        m.call(0, &[u64::from(f::VERSION), 0x1_0000 | version]);
        m.call(0, &[MAP, memory(0), memory(0) + 0x1000, 1]);
        assert!(succeeded(m.call(0, &[u64::from(f::PARTITION_INFO_GET)])));
        m.respond(0, A);
        m.normal(0, &[u64::from(f::RUN), u64::from(A) << 16]);
        m.call(0, &[u64::from(f::MSG_WAIT), 0, flags]);
        assert_eq!(
            m.spmc.compartments[0].mailbox.lock().buffers.unwrap().rx_full,
            full
        );
    }
}
