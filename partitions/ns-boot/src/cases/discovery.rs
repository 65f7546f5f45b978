//! Discovery and set-up (DEN0077A 1.2, chapter 13).
use super::{Case, NARROW, Outcome, VISIBLE, bad, clause, ffa, good, right, wrong};
use crate::arch::machine::Page;
use crate::ensure;
use sp_rt::ffa::{self as f, Error};

/// The normal world's TX and RX buffers, mapped by `rxtx_map` for all later cases.
pub static TX: Page = Page::new();
/// See [`TX`].
pub static RX: Page = Page::new();

/// In this order: the later ones, and the memory cases, need the buffers.
pub const CASES: &[Case] = &[
    right("version", &[f::VERSION], clause::VERSION, version),
    wrong(
        "version-nonsense",
        &[f::VERSION],
        clause::VERSION,
        version_nonsense,
    ),
    right("features", &[f::FEATURES], clause::FEATURES, features),
    wrong(
        "features-unknown",
        &[f::FEATURES],
        clause::FEATURES,
        features_unknown,
    ),
    right("id-get", &[f::ID_GET], clause::ID_GET, id_get),
    right("spm-id-get", &[f::SPM_ID_GET], clause::SPM_ID_GET, spm_id_get),
    wrong("unknown-functions", &[], clause::STATUS, unknown_functions),
    wrong(
        "calls-of-partitions-only",
        &[
            f::MSG_WAIT,
            f::SECONDARY_EP_REGISTER_64,
            f::DIRECT_RESP_64,
            f::MEM_RETRIEVE_RESP,
        ],
        clause::STATUS,
        partitions_only,
    ),
    right(
        "info-count",
        &[f::PARTITION_INFO_GET],
        clause::INFO_GET,
        info_count,
    ),
    wrong("rxtx-wrong", &[f::RXTX_MAP_64], clause::RXTX_MAP, rxtx_wrong),
    right(
        "rxtx-map",
        &[f::RXTX_MAP_64, f::RXTX_UNMAP],
        clause::RXTX_MAP,
        rxtx_map,
    ),
    wrong(
        "rx-release-unowned",
        &[f::RX_RELEASE],
        clause::RX_RELEASE,
        rx_release_unowned,
    ),
    right(
        "info-list",
        &[f::PARTITION_INFO_GET, f::RX_RELEASE],
        clause::INFO_GET,
        info_list,
    ),
    wrong(
        "info-unknown-uuid",
        &[f::PARTITION_INFO_GET],
        clause::INFO_GET,
        info_unknown_uuid,
    ),
    right(
        "info-regs",
        &[f::PARTITION_INFO_GET_REGS],
        clause::INFO_GET_REGS,
        info_regs,
    ),
];

/// Section 13.2: a compatible version is answered with the callee's own, 1.2.
fn version() -> Outcome {
    let answer = ffa(f::VERSION, &[u64::from(f::VERSION_1_2)]).w(0);
    ensure!(answer == f::VERSION_1_2, "{answer:#x}");
    Ok(())
}

/// Section 13.2: bit 31 of the input must be zero, else NOT_SUPPORTED.
fn version_nonsense() -> Outcome {
    let answer = ffa(f::VERSION, &[0x8001_0002]).w(0).cast_signed();
    ensure!(answer == -1, "{answer:#x}");
    Ok(())
}

/// Section 13.3: implemented functions and features are reported.
fn features() -> Outcome {
    for function in [
        f::VERSION,
        f::RXTX_MAP_64,
        f::MEM_SHARE,
        f::DIRECT_REQ_64,
        f::DIRECT_REQ2,
        f::RUN,
    ] {
        good(f::FEATURES, &[u64::from(function)])?;
    }
    // Feature 2: the schedule-receiver interrupt.
    let sgi = good(f::FEATURES, &[2])?.w(2);
    ensure!(sgi == 8, "schedule-receiver interrupt {sgi}");
    Ok(())
}

/// Section 13.3: NOT_SUPPORTED for what is not there.
fn features_unknown() -> Outcome {
    for id in [0x8400_00ef, 0xc400_00ef, 0x77, 0x8600_0000_u64] {
        bad(f::FEATURES, &[id], Error::NOT_SUPPORTED)?;
    }
    Ok(())
}

/// Section 13.10: the normal world without a hypervisor is 0.
fn id_get() -> Outcome {
    let id = good(f::ID_GET, &[])?.w(2);
    ensure!(id == 0, "{id:#x}");
    Ok(())
}

/// Section 13.11: the SPMC is 0x8000.
fn spm_id_get() -> Outcome {
    let id = good(f::SPM_ID_GET, &[])?.w(2);
    ensure!(id == 0x8000, "{id:#x}");
    Ok(())
}

/// Section 12.2: a function that does not exist is NOT_SUPPORTED.
fn unknown_functions() -> Outcome {
    for function in [0x8400_00ef, 0xc400_00ef, 0x8400_009f] {
        let answer = ffa(function, &[1, 2, 3]);
        let refused = answer.success().err() == Some(Error::NOT_SUPPORTED);
        ensure!(refused, "{function:#x}: {:#x} {:#x}", answer.x(0), answer.x(2));
    }
    Ok(())
}

/// Calls that only a partition may make are refused to the normal world.
fn partitions_only() -> Outcome {
    for function in [
        f::MSG_WAIT,
        f::SECONDARY_EP_REGISTER_64,
        f::DIRECT_RESP_64,
        f::MEM_RETRIEVE_RESP,
    ] {
        let answer = ffa(function, &[0x8001_0000, 0, 0, 0]);
        ensure!(answer.success().is_err(), "{function:#x}: {:#x}", answer.x(0));
    }
    Ok(())
}

/// Section 13.8: bit 0 of the flags asks for the count only, which needs no buffer.
fn info_count() -> Outcome {
    let count = good(f::PARTITION_INFO_GET, &[0, 0, 0, 0, 1])?.x(2);
    ensure!(count == VISIBLE.len() as u64, "{count} partitions");
    Ok(())
}

/// Section 13.6: buffers that are not aligned, not distinct, of no page, or not the caller's.
fn rxtx_wrong() -> Outcome {
    let (tx, rx) = (TX.address(), RX.address());
    let wrong = [
        [tx + 8, rx, 1],
        [tx, rx + 8, 1],
        [tx, tx, 1],
        [tx, rx, 0],
        [tx, rx, 0x40],
        [0x0e20_0000, rx, 1],
        [tx, 0x0e10_0000, 1],
        [0x0900_0000, rx, 1],
        [tx, 0xffff_ffff_f000, 1],
    ];
    for arguments in wrong {
        let answer = ffa(f::RXTX_MAP_64, &arguments);
        ensure!(answer.success().is_err(), "{arguments:x?} was taken");
    }
    Ok(())
}

/// Section 13.6: mapped once, refused a second time; unmapped and mapped again.
fn rxtx_map() -> Outcome {
    let (tx, rx) = (TX.address(), RX.address());
    good(f::RXTX_MAP_64, &[tx, rx, 1])?;
    bad(f::RXTX_MAP_64, &[tx, rx, 1], Error::DENIED)?;
    good(f::RXTX_UNMAP, &[0])?;
    bad(f::RXTX_UNMAP, &[0], Error::INVALID_PARAMETERS)?;
    good(f::RXTX_MAP_64, &[tx, rx, 1]).map(drop)
}

/// Section 13.5: DENIED where the caller does not own its RX buffer.
fn rx_release_unowned() -> Outcome {
    bad(f::RX_RELEASE, &[], Error::DENIED)
}

/// How many contexts a partition has: as many as the cores that the table gives it.
fn contexts_of(partition: u16) -> u64 {
    if partition == NARROW { 2 } else { 4 }
}

/// Section 13.8: 24-byte descriptors of all partitions, and the RX buffer is the caller's until it
/// gives it back.
fn info_list() -> Outcome {
    let answer = good(f::PARTITION_INFO_GET, &[0, 0, 0, 0, 0])?;
    ensure!(
        answer.x(2) == VISIBLE.len() as u64 && answer.x(3) == 24,
        "{} of {} bytes",
        answer.x(2),
        answer.x(3)
    );
    for (n, expected) in VISIBLE.into_iter().enumerate() {
        let word = RX.read(n * 3);
        let (id, contexts) = (word & 0xffff, word >> 16 & 0xffff);
        ensure!(
            id == u64::from(expected) && contexts == contexts_of(expected),
            "entry {n}: id {id:#x}, {contexts} contexts"
        );
    }
    bad(f::PARTITION_INFO_GET, &[0, 0, 0, 0, 0], Error::BUSY)?;
    good(f::RX_RELEASE, &[]).map(drop)
}

/// Section 13.8: INVALID_PARAMETERS for a UUID that nobody has; the buffer is not filled.
fn info_unknown_uuid() -> Outcome {
    bad(f::PARTITION_INFO_GET, &[1, 2, 3, 4, 0], Error::INVALID_PARAMETERS)?;
    rx_release_unowned()
}

/// Section 13.9: the same without buffers.
fn info_regs() -> Outcome {
    let answer = good(f::PARTITION_INFO_GET_REGS, &[0, 0, 0])?;
    let (last, size) = (answer.x(2) & 0xffff, answer.x(2) >> 48);
    ensure!(
        last == VISIBLE.len() as u64 - 1 && size == 24,
        "last index {last}, size {size}"
    );
    let first = answer.x(3) & 0xffff;
    ensure!(first == 0x8001, "first ID {first:#x}");
    bad(f::PARTITION_INFO_GET_REGS, &[0, 0, 99], Error::INVALID_PARAMETERS)
}
