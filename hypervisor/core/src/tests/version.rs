//! FFA_VERSION: again, late, and by a kernel after another.

use super::machine::{Machine, regs, succeeded, x};
use super::table::{A, B, NORMAL, memory};
use crate::error::Error;
use crate::function as f;

const VERSION: u64 = f::VERSION as u64;
const MAP: u64 = f::RXTX_MAP_64 as u64;
const ID: u64 = f::ID_GET as u64;
const FEATURES: u64 = f::FEATURES as u64;
const INFO: u64 = f::PARTITION_INFO_GET as u64;
const INFO_REGS: u64 = f::PARTITION_INFO_GET_REGS as u64;
const RELEASE: u64 = f::RX_RELEASE as u64;
const REFUSED: u64 = 0xffff_ffff;
const NEWEST: u64 = 0x1_0002;
const ALL: [u64; 3] = [0x1_0000, 0x1_0001, 0x1_0002];
const TX: u64 = NORMAL.base;

fn spoken(m: &Machine, partition: usize) -> u32 {
    m.spmc.compartments[partition].mailbox.lock().version()
}

#[test]
fn a_partition_negotiates_until_it_calls_something_else() {
    for first in ALL {
        for second in ALL {
            let mut m = Machine::started();
            m.enter(0, A);
            // What it called before was in the oldest version, which asks for nothing of its formats.
            assert!(succeeded(m.call(0, &[ID])));
            assert_eq!(x(m.call(0, &[VERSION, second]), 0), NEWEST);
            assert_eq!(x(m.call(0, &[VERSION, first]), 0), NEWEST);
            assert_eq!(u64::from(spoken(&m, 0)), first);
            // What does not exist is no call.
            assert!(!succeeded(m.call(0, &[0x8400_00ef])));
            assert_eq!(x(m.call(0, &[VERSION, first]), 0), NEWEST);
            assert!(succeeded(m.call(0, &[ID])));
            let before = m.state();
            let again = x(m.call(0, &[VERSION, second]), 0);
            assert_eq!(again, if first == second { NEWEST } else { REFUSED });
            assert_eq!(before, m.state());
            // Waiting for the next request changes nothing.
            m.respond(0, A);
            m.enter(1, A);
            assert_eq!(x(m.call(1, &[VERSION, second]), 0), again);
        }
    }
}

#[test]
fn a_later_version_is_answered_with_the_newest() {
    let mut m = Machine::started();
    m.enter(0, A);
    assert_eq!(x(m.call(0, &[VERSION, 0x1_0003]), 0), NEWEST);
    assert_eq!(spoken(&m, 0), 0x1_0002);
    m.call(0, &[VERSION, 0x1_0001]);
    m.call(0, &[ID]);
    assert_eq!(x(m.call(0, &[VERSION, 0x1_0003]), 0), NEWEST);
    assert_eq!(spoken(&m, 0), 0x1_0001, "it has settled");
    m.normal(1, &[VERSION, 0x1_ffff]);
    assert_eq!(m.spmc.normal.lock().version(), 0x1_0002);
}

#[test]
fn a_partition_that_waits_has_settled() {
    let mut m = Machine::started();
    m.normal(0, &[f::RUN.into(), u64::from(A) << 16]);
    assert_eq!(x(m.call(0, &[VERSION, 0x1_0001]), 0), NEWEST);
    m.call(0, &[f::MSG_WAIT.into()]);
    m.enter(0, A);
    assert_eq!(x(m.call(0, &[VERSION, 0x1_0002]), 0), REFUSED);
    assert_eq!(spoken(&m, 0), 0x1_0001);
}

#[test]
fn each_has_its_own() {
    let mut m = Machine::started();
    m.normal(0, &[VERSION, 0x1_0001]);
    m.enter(0, A);
    m.call(0, &[VERSION, 0x1_0002]);
    m.enter(1, B);
    assert_eq!([0, 1, 2].map(|p| spoken(&m, p)), [0x1_0002, 0x1_0000, 0x1_0000]);
    assert_eq!(m.spmc.normal.lock().version(), 0x1_0001);
}

/// A normal world that speaks a version, with buffers.
fn kernel(version: u64) -> Machine {
    let mut m = Machine::started();
    assert_eq!(x(m.normal(0, &[VERSION, version]), 0), NEWEST);
    assert!(succeeded(m.normal(0, &[MAP, TX, TX + 0x1000, 1])));
    m
}

/// How long its partition information descriptors are.
fn size(m: &mut Machine) -> u64 {
    let told = m.normal(0, &[INFO]);
    assert!(succeeded(told), "{told:x?}");
    m.normal(0, &[RELEASE]);
    x(told, 3)
}

#[test]
fn the_next_kernel_may_speak_another_one() {
    for old in ALL {
        for new in ALL {
            let mut m = kernel(old);
            assert!(succeeded(
                m.normal(0, &[f::NOTIFICATION_BITMAP_CREATE.into(), 0, 4])
            ));
            assert_eq!(x(m.normal(0, &[VERSION, new]), 0), NEWEST);
            // What it asks before it registers its buffers is answered in its version.
            assert!(succeeded(m.normal(0, &[ID])));
            assert!(succeeded(m.normal(0, &[f::SPM_ID_GET.into()])));
            let buffers = x(m.normal(0, &[FEATURES, MAP]), 2);
            assert_eq!(buffers, if new == 0x1_0002 { 1 << 16 } else { 0 });
            let told = regs(m.normal(0, &[INFO_REGS]));
            let properties = if new == 0x1_0002 { 0x70b } else { 0x10b };
            assert_eq!(told.0[3] >> 32, properties);
            assert_eq!(u64::from(m.spmc.normal.lock().version()), old);
            assert!(succeeded(m.normal(0, &[MAP, TX, TX + 0x1000, 1])));
            assert_eq!(u64::from(m.spmc.normal.lock().version()), new);
            assert_eq!(size(&mut m), if new == 0x1_0000 { 0 } else { 24 });
            // Nothing of the old one is left.
            let create = [f::NOTIFICATION_BITMAP_CREATE.into(), 0, 4];
            assert!(succeeded(m.normal(0, &create)));
            m.refused(0, &[MAP, TX, TX + 0x1000, 1], Error::Denied);
        }
    }
}

#[test]
fn the_last_one_asked_for_counts() {
    let mut m = kernel(0x1_0001);
    for version in [0x1_0000, 0x1_0002, 0x2_0000, 0x8001_0000] {
        m.normal(0, &[VERSION, version]);
    }
    assert!(succeeded(m.normal(0, &[MAP, TX, TX + 0x1000, 1])));
    assert_eq!(m.spmc.normal.lock().version(), 0x1_0002);
}

#[test]
fn a_kernel_that_goes_on_speaks_what_it_spoke() {
    for call in [
        [INFO, 0, 0, 0],
        [RELEASE, 0, 0, 0],
        [f::RX_ACQUIRE.into(), 0, 0, 0],
        [f::MSG_SEND2.into(), 0, 0, 0],
        [f::MEM_SHARE_64.into(), 112, 112, 0],
        [f::MEM_RECLAIM.into(), 1, 0, 0],
        [f::NOTIFICATION_GET.into(), 0, 1, 0],
        [MAP, 0, 0, 0],
    ] {
        let mut m = kernel(0x1_0001);
        m.normal(0, &[VERSION, 0x1_0000]);
        m.normal(0, &call);
        let life = m.spmc.normal.lock().version();
        m.normal(0, &[RELEASE]);
        let map = m.normal(0, &[MAP, TX, TX + 0x1000, 1]);
        assert_eq!(
            (life, x(map, 2) as u32),
            (0x1_0001, Error::Denied.code()),
            "{call:x?}"
        );
        assert_eq!(size(&mut m), 24);
    }
    // Messages do not say: they are in no buffer.
    let mut m = kernel(0x1_0001);
    m.normal(0, &[VERSION, 0x1_0000]);
    m.enter(1, A);
    m.respond(1, A);
    assert!(succeeded(m.normal(0, &[MAP, TX, TX + 0x1000, 1])));
    assert_eq!(m.spmc.normal.lock().version(), 0x1_0000);
}

#[test]
fn without_buffers_any_version_will_do() {
    let mut m = kernel(0x1_0001);
    m.normal(0, &[VERSION, 0x1_0000]);
    assert!(succeeded(m.normal(0, &[f::RXTX_UNMAP.into()])));
    assert_eq!(m.spmc.normal.lock().version(), 0x1_0000, "its last word");
    m.normal(0, &[VERSION, 0x1_0002]);
    assert!(succeeded(m.normal(0, &[MAP, TX, TX + 0x1000, 1])));
    assert_eq!(m.spmc.normal.lock().version(), 0x1_0002);
    // A partition's life does not end with its buffers.
    m.enter(0, A);
    m.call(0, &[VERSION, 0x1_0001]);
    m.call(0, &[MAP, memory(0), memory(0) + 0x1000, 1]);
    assert!(succeeded(m.call(0, &[f::RXTX_UNMAP.into()])));
    assert_eq!(x(m.call(0, &[VERSION, 0x1_0002]), 0), REFUSED);
}

#[test]
fn the_spmd_asks_for_the_normal_world() {
    let mut m = kernel(0x1_0001);
    let ask = [
        f::DIRECT_REQ_32.into(),
        u64::from(0xffff_8000u32),
        0x8000_0008,
        0x1_0000,
    ];
    let told = m.normal(0, &ask);
    assert_eq!((x(told, 2), x(told, 3)), (0x8000_0009, NEWEST));
    assert!(succeeded(m.normal(0, &[MAP, TX, TX + 0x1000, 1])));
    assert_eq!(m.spmc.normal.lock().version(), 0x1_0000);
}
