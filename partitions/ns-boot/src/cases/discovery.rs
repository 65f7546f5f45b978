//! RX and TX buffers (DEN0077A 1.2, sections 13.4 to 13.7).
use super::{A, Case, Outcome, bad, clause, ffa, good, inside_bad, inside_good, right, wrong};
use crate::arch::machine::Page;
use crate::ensure;
use crate::test_sp;
use sp_rt::ffa::{self as f, Error};

/// The normal world's TX and RX buffers, mapped for all cases.
pub static TX: Page = Page::new();
/// See [`TX`].
pub static RX: Page = Page::new();
/// Pages that are no buffers.
static SPARE: Page = Page::new();

/// These cases; each leaves the buffers mapped as they were.
pub const CASES: &[Case] = &[
    right(
        "rxtx-map",
        &[f::RXTX_MAP_64, f::RXTX_UNMAP],
        clause::RXTX_MAP,
        || {
            good(f::RXTX_UNMAP, &[0])?;
            map(f::RXTX_MAP_64, TX.address(), RX.address())?;
            in_use()
        },
    ),
    // Only the low halves of the registers count.
    right(
        "rxtx-map-32",
        &[f::RXTX_MAP_32, f::RXTX_UNMAP],
        clause::RXTX_MAP,
        || {
            good(f::RXTX_UNMAP, &[0])?;
            let high = 0xffff_ffff_0000_0000;
            map(f::RXTX_MAP_32, high | TX.address(), high | RX.address())?;
            in_use()
        },
    ),
    right(
        "rxtx-map-other-pages",
        &[f::RXTX_MAP_64],
        clause::RXTX_MAP,
        || {
            good(f::RXTX_UNMAP, &[0])?;
            map(f::RXTX_MAP_64, TX.address(), SPARE.address())?;
            SPARE.write(0, 0);
            good(f::PARTITION_INFO_GET, &[])?;
            let first = SPARE.read(0) & 0xffff;
            good(f::RXTX_UNMAP, &[0])?;
            map(f::RXTX_MAP_64, TX.address(), RX.address())?;
            ensure!(first == u64::from(A), "the other page begins with {first:#x}");
            Ok(())
        },
    ),
    wrong(
        "rxtx-map-unaligned",
        &[f::RXTX_MAP_64, f::RXTX_MAP_32],
        clause::RXTX_MAP,
        || {
            let (tx, rx) = (TX.address(), RX.address());
            each_refused(&[
                [tx + 8, rx, 1],
                [tx, rx + 8, 1],
                [tx + 2048, rx, 1],
                [tx, rx + 1, 1],
            ])
        },
    ),
    wrong(
        "rxtx-map-one-page-as-both",
        &[f::RXTX_MAP_64, f::RXTX_MAP_32],
        clause::RXTX_MAP,
        || {
            let tx = TX.address();
            each_refused(&[[tx, tx, 1]])
        },
    ),
    wrong(
        "rxtx-map-of-no-page",
        &[f::RXTX_MAP_64, f::RXTX_MAP_32],
        clause::RXTX_MAP,
        || each_refused(&[[TX.address(), RX.address(), 0]]),
    ),
    // FFA_FEATURES says that buffers have one page at most.
    wrong(
        "rxtx-map-too-many-pages",
        &[f::RXTX_MAP_64, f::RXTX_MAP_32],
        clause::RXTX_MAP,
        || {
            let (tx, rx) = (TX.address(), RX.address());
            each_refused(&[[tx, rx, 2], [tx, rx, 0x3f], [tx, rx, 0x40], [tx, rx, 0xffff_ffff]])
        },
    ),
    wrong(
        "rxtx-map-secure-memory",
        &[f::RXTX_MAP_64, f::RXTX_MAP_32],
        clause::RXTX_MAP,
        || each_refused_as_either(&[0x0e00_0000, 0x0e10_0000, 0x0e20_0000, 0x0e40_0000]),
    ),
    wrong(
        "rxtx-map-a-device",
        &[f::RXTX_MAP_64, f::RXTX_MAP_32],
        clause::RXTX_MAP,
        || each_refused_as_either(&[0x0900_0000, 0x0904_0000, 0x0800_0000, 0x080a_0000]),
    ),
    wrong("rxtx-map-no-memory", &[f::RXTX_MAP_64], clause::RXTX_MAP, || {
        let (tx, rx) = (TX.address(), RX.address());
        for nowhere in [
            0xffff_ffff_f000,
            0xffff_ffff_ffff_f000,
            0x1_0000_0000_0000,
            0x3fff_f000,
        ] {
            unmapped(f::RXTX_MAP_64, [nowhere, rx, 1])?;
            unmapped(f::RXTX_MAP_64, [tx, nowhere, 1])?;
        }
        in_use()
    }),
    wrong("rxtx-map-lent-memory", &[f::RXTX_MAP_64], clause::RXTX_MAP, lent),
    wrong(
        "rxtx-map-twice",
        &[f::RXTX_MAP_64, f::RXTX_MAP_32],
        clause::RXTX_MAP,
        || {
            // A call that goes on with this life: FFA_VERSION before would be the sign of a new one.
            in_use()?;
            for function in [f::RXTX_MAP_64, f::RXTX_MAP_32] {
                bad(function, &[TX.address(), RX.address(), 1], Error::DENIED)?;
                bad(function, &[SPARE.address(), RX.address(), 1], Error::DENIED)?;
            }
            in_use()
        },
    ),
    wrong("rxtx-unmap-twice", &[f::RXTX_UNMAP], clause::RXTX_UNMAP, || {
        good(f::RXTX_UNMAP, &[0])?;
        let twice = bad(f::RXTX_UNMAP, &[0], Error::INVALID_PARAMETERS);
        map(f::RXTX_MAP_64, TX.address(), RX.address())?;
        twice
    }),
    // The field names a virtual machine whose buffers a hypervisor mapped: there is none.
    wrong(
        "rxtx-unmap-of-another",
        &[f::RXTX_UNMAP],
        clause::RXTX_UNMAP,
        || {
            for id in [A, 0x8000, 0x7fff, 0xffff] {
                bad(f::RXTX_UNMAP, &[u64::from(id) << 16], Error::INVALID_PARAMETERS)?;
            }
            in_use()
        },
    ),
    right(
        "rxtx-of-a-partition",
        &[f::RXTX_UNMAP, f::RXTX_MAP_32, f::RXTX_MAP_64],
        clause::RXTX_MAP,
        || {
            let [tx, rx, ..] = super::ask(A, test_sp::PLACES, [0; 4])?;
            for function in [f::RXTX_MAP_32, f::RXTX_MAP_64] {
                inside_good(A, f::RXTX_UNMAP, &[0])?;
                inside_good(A, function, &[tx, rx, 1])?;
            }
            inside_good(A, f::PARTITION_INFO_GET, &[])?;
            inside_good(A, f::RX_RELEASE, &[]).map(drop)
        },
    ),
    wrong(
        "rxtx-map-of-a-partition-twice",
        &[f::RXTX_MAP_64],
        clause::RXTX_MAP,
        || {
            let [tx, rx, ..] = super::ask(A, test_sp::PLACES, [0; 4])?;
            // FFA_VERSION in between is the sign of a normal world that starts anew, and of nothing else.
            super::inside(A, f::VERSION, &[u64::from(f::VERSION_1_2)])?;
            inside_bad(A, f::RXTX_MAP_64, &[tx, rx, 1], Error::DENIED)
        },
    ),
    wrong(
        "rxtx-map-of-a-partition-wrong",
        &[f::RXTX_MAP_64, f::RXTX_MAP_32],
        clause::RXTX_MAP,
        partition_maps_wrong,
    ),
    wrong(
        "rxtx-unmap-of-a-partition-twice",
        &[f::RXTX_UNMAP],
        clause::RXTX_UNMAP,
        || {
            let [tx, rx, ..] = super::ask(A, test_sp::PLACES, [0; 4])?;
            inside_bad(A, f::RXTX_UNMAP, &[0x8002 << 16], Error::INVALID_PARAMETERS)?;
            inside_good(A, f::RXTX_UNMAP, &[0])?;
            let twice = inside_bad(A, f::RXTX_UNMAP, &[0], Error::INVALID_PARAMETERS);
            inside_good(A, f::RXTX_MAP_64, &[tx, rx, 1])?;
            twice
        },
    ),
    right(
        "rx-release",
        &[f::RX_RELEASE, f::PARTITION_INFO_GET],
        clause::RX_RELEASE,
        || {
            for _ in 0..3 {
                good(f::PARTITION_INFO_GET, &[])?;
                good(f::RX_RELEASE, &[])?;
            }
            Ok(())
        },
    ),
    wrong("rx-release-unowned", &[f::RX_RELEASE], clause::RX_RELEASE, || {
        bad(f::RX_RELEASE, &[], Error::DENIED)
    }),
    wrong("rx-release-twice", &[f::RX_RELEASE], clause::RX_RELEASE, || {
        good(f::PARTITION_INFO_GET, &[])?;
        good(f::RX_RELEASE, &[])?;
        bad(f::RX_RELEASE, &[], Error::DENIED)
    }),
    wrong(
        "rx-release-of-another",
        &[f::RX_RELEASE],
        clause::RX_RELEASE,
        || {
            good(f::PARTITION_INFO_GET, &[])?;
            let mut result = Ok(());
            for id in [A, 0x8000, 0x7fff] {
                result = result.and(bad(f::RX_RELEASE, &[u64::from(id)], Error::INVALID_PARAMETERS));
            }
            good(f::RX_RELEASE, &[])?;
            result
        },
    ),
    wrong(
        "rx-release-of-a-partition-unowned",
        &[f::RX_RELEASE],
        clause::RX_RELEASE,
        || {
            inside_bad(A, f::RX_RELEASE, &[], Error::DENIED)?;
            inside_bad(A, f::RX_RELEASE, &[0x8002], Error::INVALID_PARAMETERS)
        },
    ),
    // Nothing is written to it until it is released.
    right(
        "rx-acquire",
        &[f::RX_ACQUIRE, f::RX_RELEASE],
        clause::RX_ACQUIRE,
        || {
            good(f::RX_ACQUIRE, &[0])?;
            let full = bad(f::PARTITION_INFO_GET, &[], Error::BUSY);
            good(f::RX_RELEASE, &[])?;
            full?;
            good(f::PARTITION_INFO_GET, &[])?;
            good(f::RX_RELEASE, &[]).map(drop)
        },
    ),
    wrong("rx-acquire-twice", &[f::RX_ACQUIRE], clause::RX_ACQUIRE, || {
        good(f::RX_ACQUIRE, &[0])?;
        let twice = bad(f::RX_ACQUIRE, &[0], Error::DENIED);
        good(f::RX_RELEASE, &[])?;
        twice
    }),
    wrong("rx-acquire-full", &[f::RX_ACQUIRE], clause::RX_ACQUIRE, || {
        good(f::PARTITION_INFO_GET, &[])?;
        let full = bad(f::RX_ACQUIRE, &[0], Error::DENIED);
        good(f::RX_RELEASE, &[])?;
        full
    }),
    wrong(
        "rx-acquire-of-another",
        &[f::RX_ACQUIRE],
        clause::RX_ACQUIRE,
        || {
            for id in [A, 0x8000, 0x7fff] {
                bad(f::RX_ACQUIRE, &[u64::from(id)], Error::INVALID_PARAMETERS)?;
            }
            in_use()
        },
    ),
    wrong(
        "rx-acquire-without-buffers",
        &[f::RX_ACQUIRE],
        clause::RX_ACQUIRE,
        || {
            good(f::RXTX_UNMAP, &[0])?;
            let none = ffa(f::RX_ACQUIRE, &[0]);
            map(f::RXTX_MAP_64, TX.address(), RX.address())?;
            ensure!(none.success().is_err(), "{:#x}", none.x(0));
            Ok(())
        },
    ),
];

/// Negotiates 1.2 and maps the buffers, before all cases.
pub fn prepare() -> Outcome {
    let answer = ffa(f::VERSION, &[u64::from(f::VERSION_1_2)]).w(0);
    ensure!(answer == f::VERSION_1_2, "FFA_VERSION: {answer:#x}");
    map(f::RXTX_MAP_64, TX.address(), RX.address())
}

/// Unmaps the buffers and maps them again with another version.
pub fn remap(version: u32) -> Outcome {
    good(f::RXTX_UNMAP, &[0])?;
    let answer = ffa(f::VERSION, &[u64::from(version)]).w(0);
    map(f::RXTX_MAP_64, TX.address(), RX.address())?;
    ensure!(answer == f::VERSION_1_2, "FFA_VERSION {version:#x}: {answer:#x}");
    Ok(())
}

/// Does something as a normal world of another version.
pub fn with_version<T>(version: u32, what: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
    remap(version)?;
    let result = what();
    remap(f::VERSION_1_2)?;
    result
}

fn map(function: u32, tx: u64, rx: u64) -> Outcome {
    good(function, &[tx, rx, 1]).map(drop)
}

/// The right buffers are the ones in use.
fn in_use() -> Outcome {
    RX.write(0, 0);
    good(f::PARTITION_INFO_GET, &[])?;
    let first = RX.read(0) & 0xffff;
    good(f::RX_RELEASE, &[])?;
    ensure!(first == u64::from(A), "RX begins with {first:#x}");
    Ok(())
}

/// INVALID_PARAMETERS while no buffers are mapped, where nothing else can be the reason.
fn unmapped(function: u32, arguments: [u64; 3]) -> Outcome {
    good(f::RXTX_UNMAP, &[0])?;
    let result = bad(function, &arguments, Error::INVALID_PARAMETERS);
    if result.is_err() {
        let _ = ffa(f::RXTX_UNMAP, &[0]);
    }
    map(f::RXTX_MAP_64, TX.address(), RX.address())?;
    result
}

fn each_refused(wrong: &[[u64; 3]]) -> Outcome {
    for arguments in wrong {
        unmapped(f::RXTX_MAP_64, *arguments)?;
        unmapped(f::RXTX_MAP_32, *arguments)?;
    }
    in_use()
}

/// Neither as TX nor as RX.
fn each_refused_as_either(wrong: &[u64]) -> Outcome {
    for page in wrong {
        each_refused(&[[*page, RX.address(), 1], [TX.address(), *page, 1]])?;
    }
    Ok(())
}

/// A page that is lent is not the lender's to have written by the SPMC: DENIED.
fn lent() -> Outcome {
    let loan = super::share::Descriptor::new(A, [(SPARE.address(), 1)].into_iter()).lent();
    let handle = loan.share()?;
    good(f::RXTX_UNMAP, &[0])?;
    let as_rx = bad(f::RXTX_MAP_64, &[TX.address(), SPARE.address(), 1], Error::DENIED);
    let as_tx = bad(f::RXTX_MAP_64, &[SPARE.address(), RX.address(), 1], Error::DENIED);
    map(f::RXTX_MAP_64, TX.address(), RX.address())?;
    super::reclaim(handle)?;
    as_rx.and(as_tx)
}

/// A partition's buffers are pages of its own memory.
fn partition_maps_wrong() -> Outcome {
    let [tx, rx, ..] = super::ask(A, test_sp::PLACES, [0; 4])?;
    inside_good(A, f::RXTX_UNMAP, &[0])?;
    let mut result = Ok(());
    for arguments in [
        [tx + 8, rx, 1],
        [tx, rx + 8, 1],
        [tx, tx, 1],
        [tx, rx, 0],
        [tx, rx, 2],
        [SPARE.address(), rx, 1],
        [tx, SPARE.address(), 1],
        [0x0e00_0000, rx, 1],
        [tx, 0x0e10_0000, 1],
        [tx, 0x0e30_0000, 1],
        [0x0904_0000, rx, 1],
        [tx, 0x0e2f_f000 + 0x1000, 1],
    ] {
        for function in [f::RXTX_MAP_64, f::RXTX_MAP_32] {
            let refused = inside_bad(A, function, &arguments, Error::INVALID_PARAMETERS);
            if refused.is_err() {
                super::inside(A, f::RXTX_UNMAP, &[0])?;
            }
            result = result.and(refused);
        }
    }
    inside_good(A, f::RXTX_MAP_64, &[tx, rx, 1])?;
    result
}
