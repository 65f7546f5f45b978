//! VERSION, FEATURES, ID_GET, PARTITION_INFO_GET and its form without a buffer.

use super::machine::{Machine, mark, regs, succeeded, x};
use super::table::{A, B, C, COMMON, NORMAL, OWN_B, OWN_C};
use crate::error::Error;
use crate::function as f;
use crate::table::Uuid;

const TX: u64 = NORMAL.base;
const RX: u64 = NORMAL.base + 0x1000;

fn words(uuid: Uuid) -> [u64; 4] {
    let (words, _) = uuid.0.as_chunks::<4>();
    [0, 1, 2, 3].map(|n| u64::from(u32::from_le_bytes(words[n])))
}

fn info_get(uuid: [u64; 4], flags: u64) -> [u64; 6] {
    [
        u64::from(f::PARTITION_INFO_GET),
        uuid[0],
        uuid[1],
        uuid[2],
        uuid[3],
        flags,
    ]
}

fn mapped(version: u64) -> Machine {
    let mut m = Machine::started();
    m.normal(0, &[u64::from(f::VERSION), version]);
    assert!(succeeded(m.normal(0, &[u64::from(f::RXTX_MAP_64), TX, RX, 1])));
    m
}

#[test]
fn versions_are_negotiated_until_buffers_are_registered() {
    let mut m = Machine::started();
    m.enter(0, A);
    let version = u64::from(f::VERSION);
    assert_eq!(x(m.call(0, &[version, 0x1_0000]), 0), 0x1_0002);
    assert_eq!(x(m.call(0, &[version, 0x1_0003]), 0), 0x1_0002);
    assert_eq!(m.spmc.compartments[0].mailbox.lock().version(), 0x1_0002);
    for wrong in [0, 0xffff, 0x2_0000, 0x8001_0002, 0xffff_ffff] {
        let before = m.state();
        assert_eq!(x(m.call(0, &[version, wrong]), 0), 0xffff_ffff);
        assert_eq!(before, m.state());
    }
    let own = super::table::memory(0);
    assert!(succeeded(
        m.call(0, &[u64::from(f::RXTX_MAP_64), own, own + 0x1000, 1])
    ));
    assert_eq!(x(m.call(0, &[version, 0x1_0001]), 0), 0xffff_ffff);
    assert_eq!(x(m.call(0, &[version, 0x1_0002]), 0), 0x1_0002);
}

#[test]
fn ids() {
    let mut m = Machine::started();
    assert_eq!(x(m.normal(0, &[u64::from(f::ID_GET)]), 2), 0);
    assert_eq!(x(m.normal(0, &[u64::from(f::SPM_ID_GET)]), 2), 0x8000);
    m.enter(1, B);
    assert_eq!(x(m.call(1, &[u64::from(f::ID_GET)]), 2), u64::from(B));
    assert_eq!(x(m.call(1, &[u64::from(f::SPM_ID_GET)]), 2), 0x8000);
}

#[test]
fn features_depend_on_the_caller() {
    let mut m = Machine::started();
    let features = u64::from(f::FEATURES);
    let both = [
        f::VERSION,
        f::PARTITION_INFO_GET_REGS,
        f::NOTIFICATION_SET,
        f::RX_RELEASE,
        f::ERROR,
        f::MEM_RETRIEVE_REQ_32,
        f::MEM_FRAG_RX,
        f::MEM_SHARE_64,
        f::MEM_RECLAIM,
        f::DIRECT_REQ_32,
        f::DIRECT_REQ2,
        f::RUN,
    ];
    let normal = [f::RX_ACQUIRE];
    let own = [
        f::MSG_WAIT,
        f::CONSOLE_LOG_64,
        f::SECONDARY_EP_REGISTER_64,
        f::DIRECT_RESP_64,
        f::YIELD,
    ];
    for id in both.into_iter().chain(normal) {
        assert!(succeeded(m.normal(0, &[features, u64::from(id)])), "{id:x}");
    }
    for id in own
        .into_iter()
        .chain([0x8400_006a, 0x8400_0088, 0x8400_0001, 1, 3, 4, 0, 0x7fff_ffff])
    {
        m.refused(0, &[features, u64::from(id)], Error::NotSupported);
    }
    // The schedule-receiver interrupt is the normal world's, the others are partitions'.
    assert_eq!(x(m.normal(0, &[features, 2]), 2), 8);
    m.enter(0, A);
    for id in both.into_iter().chain(own) {
        assert!(succeeded(m.call(0, &[features, u64::from(id)])), "{id:x}");
    }
    for id in normal.into_iter().chain([2, 0x8400_0088]) {
        m.partition_refused(0, &[features, u64::from(id)], Error::NotSupported);
    }
    assert_eq!(x(m.call(0, &[features, 1]), 2), 5);
    assert_eq!(x(m.call(0, &[features, 3]), 2), 4);
    // b does no managed exit and takes no notifications.
    m.enter(1, B);
    m.partition_refused(1, &[features, 1], Error::NotSupported);
    m.partition_refused(1, &[features, 3], Error::NotSupported);
}

#[test]
fn features_have_input_properties() {
    let mut m = Machine::started();
    let retrieve = [u64::from(f::FEATURES), u64::from(f::MEM_RETRIEVE_REQ_64)];
    // A hypervisor may retrieve; whether memory is non-secure it is told if it asks.
    for (input, told) in [(0, 4), (2, 6), (1, 4)] {
        let w2 = x(m.normal(0, &[retrieve[0], retrieve[1], input]), 2);
        assert_eq!(w2, told);
    }
    m.enter(0, A);
    assert!(succeeded(m.call(0, &retrieve)), "1.0 knows of no such bit");
    assert_eq!(x(m.call(0, &[u64::from(f::VERSION), 0x1_0001]), 0), 0x1_0002);
    m.partition_refused(0, &retrieve, Error::NotSupported);
    assert_eq!(x(m.call(0, &[retrieve[0], retrieve[1], 2]), 2), 2);
    // Features have none.
    for id in [1, 3] {
        assert!(succeeded(m.call(0, &[retrieve[0], id])));
        m.partition_refused(0, &[retrieve[0], id, 1], Error::NotSupported);
    }
}

#[test]
fn the_size_of_buffers_is_told_from_1_2_on() {
    let mut m = Machine::started();
    let ask = [u64::from(f::FEATURES), u64::from(f::RXTX_MAP_64)];
    assert_eq!(x(m.normal(0, &ask), 2), 0);
    m.normal(0, &[u64::from(f::VERSION), 0x1_0002]);
    assert_eq!((x(m.normal(0, &ask), 2), x(m.normal(0, &ask), 3)), (1 << 16, 0));
}

#[test]
fn information_in_the_formats_of_two_versions() {
    for (version, size) in [(0x1_0000, 8usize), (0x1_0001, 24), (0x1_0002, 24)] {
        let mut m = mapped(version);
        let action = m.normal(0, &info_get([0; 4], 0));
        // a, and b with each of its two protocols; c is not for the normal world.
        let told = if version == 0x1_0000 { 0 } else { size as u64 };
        assert_eq!((succeeded(action), x(action, 2), x(action, 3)), (true, 3, told));
        let page = &m.ports.pages[&(false, RX)];
        let entry = |n: usize| &page[n * size..(n + 1) * size];
        assert_eq!(entry(0)[..4], [0x01, 0x80, 4, 0]);
        let properties = [0x3u32, 0x10b, 0x70b][version as usize & 0xf];
        assert_eq!(entry(0)[4..8], properties.to_le_bytes());
        if size == 24 {
            assert_eq!(entry(1)[8..], COMMON.0);
            assert_eq!(entry(2)[8..], OWN_B.0);
        }
        assert_eq!(page[3 * size..3 * size + 8], [0; 8]);
    }
}

#[test]
fn a_full_buffer_is_not_overwritten() {
    let mut m = mapped(0x1_0002);
    m.normal(0, &info_get([0; 4], 0));
    m.refused(0, &info_get([0; 4], 0), Error::Busy);
    assert!(
        succeeded(m.normal(0, &info_get([0; 4], 1))),
        "a count needs no buffer"
    );
    assert!(succeeded(m.normal(0, &[u64::from(f::RX_RELEASE)])));
    assert!(succeeded(m.normal(0, &info_get([0; 4], 0))));
}

#[test]
fn one_protocol_is_asked_for() {
    let mut m = mapped(0x1_0001);
    let action = m.normal(0, &info_get(words(OWN_B), 0));
    assert_eq!(x(action, 2), 1);
    let page = &m.ports.pages[&(false, RX)];
    assert_eq!(page[..4], [0x02, 0x80, 4, 0]);
    assert_eq!(page[8..24], [0; 16], "the UUID was given");
    assert_eq!(x(m.normal(0, &info_get(words(COMMON), 1)), 2), 2);
    m.refused(0, &info_get(words(OWN_C), 1), Error::InvalidParameters);
    m.refused(0, &info_get(words(Uuid([9; 16])), 1), Error::InvalidParameters);
    m.refused(0, &info_get([0; 4], 2), Error::InvalidParameters);
}

#[test]
fn without_buffers_only_the_count_is_told() {
    let mut m = Machine::started();
    m.normal(0, &[u64::from(f::VERSION), 0x1_0002]);
    m.refused(0, &info_get([0; 4], 0), Error::Busy);
    assert_eq!(x(m.normal(0, &info_get([0; 4], 1)), 2), 3);
}

#[test]
fn a_partition_sees_itself_and_whom_it_may_call() {
    let mut m = Machine::started();
    m.enter(0, A);
    m.call(0, &[u64::from(f::VERSION), 0x1_0002]);
    assert_eq!(x(m.call(0, &info_get([0; 4], 1)), 2), 2);
    let reply = regs(m.call(0, &[u64::from(f::PARTITION_INFO_GET_REGS)]));
    assert_eq!(reply.0[3] & 0xffff, u64::from(A));
    assert_eq!(reply.0[6] & 0xffff, u64::from(C));
    m.enter(1, B);
    m.call(1, &[u64::from(f::VERSION), 0x1_0002]);
    assert_eq!(x(m.call(1, &info_get([0; 4], 1)), 2), 2, "its own two protocols");
}

#[test]
fn information_in_registers() {
    let mut m = Machine::started();
    m.normal(0, &[u64::from(f::VERSION), 0x1_0002]);
    let id = u64::from(f::PARTITION_INFO_GET_REGS);
    let reply = regs(m.normal(0, &[id, 0, 0, 0]));
    assert_eq!(reply.0[0], u64::from(f::SUCCESS_64));
    assert_eq!(reply.0[2], 2 | 2 << 16 | 24 << 48);
    assert_eq!(reply.0[3], u64::from(A) | 4 << 16 | 0x70b << 32);
    assert_eq!(reply.0[4].to_le_bytes(), COMMON.0[..8]);
    assert_eq!(reply.0[5].to_le_bytes(), COMMON.0[8..]);
    assert_eq!(reply.0[12..], [0; 6]);
    // From a start on; and one protocol.
    let reply = regs(m.normal(0, &[id, 0, 0, 2]));
    assert_eq!(reply.0[2], 2 | 2 << 16 | 24 << 48);
    assert_eq!(reply.0[3], u64::from(B) | 4 << 16 | 0x101 << 32);
    let wanted = OWN_B.0.as_chunks::<8>().0;
    let reply = regs(m.normal(
        0,
        &[
            id,
            u64::from_le_bytes(wanted[0]),
            u64::from_le_bytes(wanted[1]),
            0,
        ],
    ));
    assert_eq!((reply.0[2], reply.0[4], reply.0[5]), (24 << 48, 0, 0));
    m.refused(0, &[id, 0, 0, 3], Error::InvalidParameters);
    m.refused(0, &[id, 0, 0, 0x1_0000], Error::InvalidParameters);
    m.refused(0, &[id, 0, 0, 0x1_0001], Error::Retry);
    m.refused(0, &[id, 1, 0, 0], Error::InvalidParameters);
}

#[test]
fn what_is_no_result_is_preserved() {
    let mut m = Machine::started();
    let reply = regs(m.normal(0, &[u64::from(f::ID_GET)]));
    for n in 8..18 {
        assert_eq!(reply.0[n], mark(n));
    }
    assert_eq!(reply.0[3..8], [0; 5]);
}

#[test]
fn what_does_not_exist_is_not_supported() {
    let mut m = Machine::started();
    for id in [
        0x8400_006a,
        0x8400_006e,
        0x8400_008c,
        0x8400_0088,
        0x8400_0089,
        0x8400_00ef,
        0xc400_0063,
    ] {
        m.refused(0, &[id], Error::NotSupported);
    }
    // Replies and partitions' calls are no calls of the normal world.
    for id in [
        f::SUCCESS_32,
        f::ERROR,
        f::YIELD,
        f::MSG_WAIT,
        f::DIRECT_RESP_32,
        f::CONSOLE_LOG_32,
    ] {
        m.refused(0, &[u64::from(id)], Error::NotSupported);
    }
    m.enter(0, A);
    for id in [f::MEM_FRAG_TX ^ 0x4000_0000, f::INTERRUPT, 0x8400_008c] {
        m.partition_refused(0, &[u64::from(id)], Error::NotSupported);
    }
    // PSCI and vendors' calls never reach EL3.
    for id in [
        0x8400_0000,
        0x8400_0003,
        0xc400_0003,
        0x8200_0001,
        0,
        0xff03,
        0xffff_ffff,
    ] {
        let reply = regs(m.call(0, &[id, 11, 12, 13, 14]));
        assert_eq!(reply.0[..5], [u64::MAX, 11, 12, 13, 14], "{id:x}");
    }
}

#[test]
fn the_sve_hint_is_no_part_of_the_number() {
    let mut m = Machine::started();
    assert!(succeeded(m.normal(0, &[u64::from(f::ID_GET | 1 << 16)])));
    let mut request = super::machine::request(A);
    request[0] |= 1 << 16;
    assert_eq!(x(m.normal(0, &request), 0), u64::from(f::DIRECT_REQ_32));
}

#[test]
fn a_caller_of_1_0_has_no_flag_that_asks_for_the_number_alone() {
    let mut m = mapped(0x1_0000);
    let all = info_get([0; 4], 1);
    let told = regs(m.normal(0, &all));
    assert_eq!((told.0[0], told.0[2]), (u64::from(f::SUCCESS_32), 3));
    // The buffer is full: the descriptors are there.
    m.refused(0, &all, Error::Busy);
}
