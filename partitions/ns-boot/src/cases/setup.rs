//! Versions, features, IDs, and calls that do not exist (DEN0077A 1.2, chapters 12 and 13).
use super::discovery::remap;
use super::{
    A, Case, MANAGED, NARROW, Outcome, bad, clause, ffa, good, inside, inside_bad, inside_good, right, wrong,
};
use crate::ensure;
use sp_rt::ffa::{self as f, Error};

/// These cases.
pub const CASES: &[Case] = &[
    right("version", &[f::VERSION], clause::VERSION, || {
        version(f::VERSION_1_2)
    }),
    right("version-again", &[f::VERSION], clause::VERSION, || {
        version(f::VERSION_1_2)?;
        version(f::VERSION_1_2)
    }),
    // 13.2.2: a caller of a later minor version gets the callee's, and decides.
    right(
        "version-of-a-later-caller",
        &[f::VERSION],
        clause::VERSION,
        || {
            version(f::VERSION_1_2 + 1)?;
            version(0x0001_7fff)
        },
    ),
    right("version-of-older-callers", &[f::VERSION], clause::VERSION, older),
    right("version-of-a-partition", &[f::VERSION], clause::VERSION, || {
        let answer = inside(A, f::VERSION, &[u64::from(f::VERSION_1_2)])?.w(0);
        ensure!(answer == f::VERSION_1_2, "{answer:#x}");
        Ok(())
    }),
    wrong("version-bit-31", &[f::VERSION], clause::VERSION, || {
        no_version(0x8001_0002)
    }),
    wrong("version-major-0", &[f::VERSION], clause::VERSION, || {
        no_version(0x0000_0009)
    }),
    wrong("version-major-2", &[f::VERSION], clause::VERSION, || {
        no_version(0x0002_0000)
    }),
    // 13.2.2: a normal world that goes on goes on in the version that it spoke.
    right("version-late", &[f::VERSION], clause::VERSION, || {
        for other in [f::VERSION_1_1, f::VERSION_1_0] {
            version(other)?;
            let size = good(f::PARTITION_INFO_GET, &[])?.w(3);
            good(f::RX_RELEASE, &[])?;
            ensure!(size == 24, "descriptors of {size} bytes behind {other:#x}");
        }
        Ok(())
    }),
    wrong(
        "version-late-of-a-partition",
        &[f::VERSION],
        clause::VERSION,
        || {
            for wanted in [f::VERSION_1_1, f::VERSION_1_0, 0x8001_0002] {
                let answer = inside(A, f::VERSION, &[u64::from(wanted)])?.w(0).cast_signed();
                ensure!(answer == -1, "{wanted:#x}: {answer:#x}");
            }
            // Its descriptors are those of 1.2 still.
            let size = inside_good(A, f::PARTITION_INFO_GET, &[])?.w(3);
            inside_good(A, f::RX_RELEASE, &[])?;
            ensure!(size == 24, "descriptors of {size} bytes");
            Ok(())
        },
    ),
    right("features-of-calls", &[f::FEATURES], clause::FEATURES, || {
        each_known(None, NORMAL)
    }),
    right(
        "features-of-calls-of-a-partition",
        &[f::FEATURES],
        clause::FEATURES,
        || each_known(Some(A), PARTITION),
    ),
    right(
        "features-schedule-receiver",
        &[f::FEATURES],
        clause::FEATURES,
        || {
            let sgi = good(f::FEATURES, &[2])?.w(2);
            ensure!(sgi == 8, "interrupt {sgi}");
            Ok(())
        },
    ),
    right(
        "features-notification-pending",
        &[f::FEATURES],
        clause::FEATURES,
        || {
            let intid = inside_good(A, f::FEATURES, &[1])?.w(2);
            ensure!(
                intid == f::interrupt_call::NOTIFICATION_PENDING,
                "interrupt {intid}"
            );
            Ok(())
        },
    ),
    right("features-managed-exit", &[f::FEATURES], clause::FEATURES, || {
        let intid = inside_good(MANAGED, f::FEATURES, &[3])?.w(2);
        ensure!(intid == f::interrupt_call::MANAGED_EXIT, "interrupt {intid}");
        Ok(())
    }),
    // w2 bits 1:0: buffers of 4 KiB; bits 31:16: of one page at most.
    right("features-of-buffers", &[f::FEATURES], clause::FEATURES, || {
        for id in [f::RXTX_MAP_32, f::RXTX_MAP_64] {
            let size = good(f::FEATURES, &[u64::from(id)])?.w(2);
            ensure!(size == 1 << 16, "{id:#x}: {size:#x}");
        }
        Ok(())
    }),
    // Input and w2 bit 1: whether the NS bit is told; w2 bit 2: a hypervisor may retrieve, too.
    right("features-of-retrieval", &[f::FEATURES], clause::FEATURES, || {
        for id in [f::MEM_RETRIEVE_REQ, f::MEM_RETRIEVE_REQ_64] {
            for (input, bits) in [(0, 4), (2, 6)] {
                let answer = good(f::FEATURES, &[u64::from(id), input])?;
                ensure!(answer.w(2) == bits, "input {input}: {:#x}", answer.w(2));
            }
            let answer = inside_good(A, f::FEATURES, &[u64::from(id), 2])?;
            ensure!(answer.w(2) == 2, "of a partition: {:#x}", answer.w(2));
        }
        Ok(())
    }),
    // DEN0140 1.2, 1.10.4.1: who speaks 1.1 or later asks for the NS bit.
    wrong(
        "features-of-retrieval-without-ns",
        &[f::FEATURES],
        clause::FEATURES,
        || {
            for id in [f::MEM_RETRIEVE_REQ, f::MEM_RETRIEVE_REQ_64] {
                inside_bad(A, f::FEATURES, &[u64::from(id), 0], Error::NOT_SUPPORTED)?;
            }
            Ok(())
        },
    ),
    wrong(
        "features-of-features-with-input",
        &[f::FEATURES],
        clause::FEATURES,
        || bad(f::FEATURES, &[2, 1], Error::NOT_SUPPORTED),
    ),
    wrong("features-unknown-calls", &[f::FEATURES], clause::FEATURES, || {
        each_unknown(
            None,
            &[0x8400_00ef, 0xc400_00ef, 0x8600_0000, 0xc400_0069, 0x8400_008d],
        )
    }),
    wrong(
        "features-unknown-features",
        &[f::FEATURES],
        clause::FEATURES,
        || each_unknown(None, &[0, 4, 0x77, 0x7fff_ffff]),
    ),
    wrong(
        "features-of-another-world",
        &[f::FEATURES],
        clause::FEATURES,
        || {
            each_unknown(
                None,
                &[1, 3, f::MSG_WAIT, f::YIELD, f::MEM_RELINQUISH, f::CONSOLE_LOG_64],
            )?;
            each_unknown(Some(A), &[2, f::RX_ACQUIRE, f::NOTIFICATION_BITMAP_CREATE])
        },
    ),
    wrong(
        "features-of-another-partition",
        &[f::FEATURES],
        clause::FEATURES,
        || {
            // Preempted at once: no managed exit.
            each_unknown(Some(A), &[3])
        },
    ),
    wrong(
        "features-without-notifications",
        &[f::FEATURES],
        clause::FEATURES,
        || {
            let answer = super::ask(NARROW, crate::test_sp::CALL, [u64::from(f::FEATURES), 1, 0, 0])?;
            let refused = answer[0] as u32 == f::ERROR && answer[2] as i32 == Error::NOT_SUPPORTED.0;
            ensure!(refused, "{:#x} {:#x}", answer[0], answer[2]);
            Ok(())
        },
    ),
    right("id-get", &[f::ID_GET], clause::ID_GET, || {
        let id = good(f::ID_GET, &[])?.w(2);
        ensure!(id == 0, "{id:#x}");
        Ok(())
    }),
    right("id-get-of-a-partition", &[f::ID_GET], clause::ID_GET, || {
        for target in [A, MANAGED] {
            let id = inside_good(target, f::ID_GET, &[])?.w(2);
            ensure!(id == u32::from(target), "{target:#x}: {id:#x}");
        }
        Ok(())
    }),
    right("spm-id-get", &[f::SPM_ID_GET], clause::SPM_ID_GET, || {
        let id = good(f::SPM_ID_GET, &[])?.w(2);
        ensure!(id == 0x8000, "{id:#x}");
        Ok(())
    }),
    right(
        "spm-id-get-of-a-partition",
        &[f::SPM_ID_GET],
        clause::SPM_ID_GET,
        || {
            let id = inside_good(A, f::SPM_ID_GET, &[])?.w(2);
            ensure!(id == 0x8000, "{id:#x}");
            Ok(())
        },
    ),
    wrong(
        "unknown-calls",
        &[0x8400_00ef, 0xc400_00ef],
        clause::STATUS,
        || each_refused(&[0x8400_00ef, 0xc400_00ef, 0x8400_009f, 0x8400_0061]),
    ),
    wrong(
        "unknown-forms",
        &[f::ID_GET | SMC64, f::RUN | SMC64],
        clause::STATUS,
        || {
            each_refused(&[
                f::ID_GET | SMC64,
                f::FEATURES | SMC64,
                f::RUN | SMC64,
                f::MEM_RECLAIM | SMC64,
                f::MSG_SEND2 | SMC64,
                f::DIRECT_REQ2 & !SMC64,
                f::PARTITION_INFO_GET_REGS & !SMC64,
            ])
        },
    ),
    wrong(
        "unknown-calls-of-a-partition",
        &[0x8400_00ef, 0xc400_00ef],
        clause::STATUS,
        || {
            for id in [
                0x8400_00ef,
                0xc400_00ef,
                f::ID_GET | SMC64,
                f::DIRECT_REQ2 & !SMC64,
                0x8400_007c,
            ] {
                inside_bad(A, id, &[1, 2, 3], Error::NOT_SUPPORTED)?;
            }
            Ok(())
        },
    ),
    wrong(
        "partitions-calls-of-the-normal-world",
        &[f::MSG_WAIT, f::YIELD, f::MEM_RELINQUISH],
        clause::STATUS,
        || {
            for id in [
                f::MSG_WAIT,
                f::YIELD,
                f::INTERRUPT,
                f::DIRECT_RESP_32,
                f::DIRECT_RESP_64,
                f::DIRECT_RESP2,
                f::MEM_RETRIEVE_RESP,
                f::MEM_RELINQUISH,
            ] {
                let answer = ffa(id, &[u64::from(A) << 16, 0, 0, 0]);
                ensure!(answer.success().is_err(), "{id:#x}: {:#x}", answer.x(0));
            }
            Ok(())
        },
    ),
    wrong(
        "set-up-of-partitions-by-the-normal-world",
        &[
            f::SECONDARY_EP_REGISTER_32,
            f::SECONDARY_EP_REGISTER_64,
            f::CONSOLE_LOG_32,
            f::CONSOLE_LOG_64,
        ],
        clause::STATUS,
        || {
            each_refused(&[
                f::SECONDARY_EP_REGISTER_32,
                f::SECONDARY_EP_REGISTER_64,
                f::CONSOLE_LOG_32,
                f::CONSOLE_LOG_64,
            ])
        },
    ),
    wrong(
        "normal-worlds-calls-of-a-partition",
        &[
            f::RX_ACQUIRE,
            f::NOTIFICATION_BITMAP_CREATE,
            f::NOTIFICATION_INFO_GET_64,
        ],
        clause::STATUS,
        || {
            for id in [
                f::RX_ACQUIRE,
                f::NOTIFICATION_BITMAP_CREATE,
                f::NOTIFICATION_BITMAP_DESTROY,
                f::NOTIFICATION_INFO_GET_32,
                f::NOTIFICATION_INFO_GET_64,
            ] {
                inside_bad(A, id, &[0, 4], Error::NOT_SUPPORTED)?;
            }
            Ok(())
        },
    ),
    wrong(
        "time-slicing-calls",
        &[f::MEM_OP_PAUSE, f::MEM_OP_RESUME],
        "DEN0140 4.1.3",
        || each_refused(&[f::MEM_OP_PAUSE, f::MEM_OP_RESUME]),
    ),
    wrong(
        "calls-of-s-el0",
        &[f::MEM_PERM_GET, f::MEM_PERM_SET],
        "DEN0140 2.8",
        || {
            each_refused(&[f::MEM_PERM_GET, f::MEM_PERM_SET])?;
            for id in [f::MEM_PERM_GET, f::MEM_PERM_SET] {
                inside_bad(A, id, &[0x0e20_0000, 1, 5], Error::NOT_SUPPORTED)?;
            }
            Ok(())
        },
    ),
];

const SMC64: u32 = 1 << 30;

/// Calls of the normal world, and of partitions, that are served.
const NORMAL: &[u32] = &[
    f::ERROR,
    f::SUCCESS_32,
    f::SUCCESS_64,
    f::VERSION,
    f::RX_ACQUIRE,
    f::RX_RELEASE,
    f::RXTX_MAP_32,
    f::RXTX_MAP_64,
    f::RXTX_UNMAP,
    f::PARTITION_INFO_GET,
    f::PARTITION_INFO_GET_REGS,
    f::RUN,
    f::DIRECT_REQ_32,
    f::DIRECT_REQ_64,
    f::DIRECT_REQ2,
    f::MSG_SEND2,
    f::MEM_SHARE,
    f::MEM_SHARE_64,
    f::MEM_LEND,
    f::MEM_LEND_64,
    f::MEM_DONATE,
    f::MEM_DONATE_64,
    f::MEM_RETRIEVE_REQ,
    f::MEM_RECLAIM,
    f::MEM_FRAG_TX,
    f::MEM_FRAG_RX,
    f::NOTIFICATION_BITMAP_CREATE,
    f::NOTIFICATION_INFO_GET_32,
    f::NOTIFICATION_INFO_GET_64,
];
const PARTITION: &[u32] = &[
    f::VERSION,
    f::RUN,
    f::MSG_WAIT,
    f::YIELD,
    f::DIRECT_REQ2,
    f::DIRECT_RESP_32,
    f::DIRECT_RESP_64,
    f::DIRECT_RESP2,
    f::MEM_RELINQUISH,
    f::SECONDARY_EP_REGISTER_64,
    f::CONSOLE_LOG_32,
    f::CONSOLE_LOG_64,
    f::NOTIFICATION_BIND,
    f::NOTIFICATION_GET,
];

fn version(wanted: u32) -> Outcome {
    let answer = ffa(f::VERSION, &[u64::from(wanted)]).w(0);
    ensure!(answer == f::VERSION_1_2, "{wanted:#x}: {answer:#x}");
    Ok(())
}

/// 1.0 and 1.1 are compatible; the answer is the callee's own version, whoever asks.
fn older() -> Outcome {
    for wanted in [f::VERSION_1_0, f::VERSION_1_1] {
        remap(wanted)?;
        let result = version(wanted);
        remap(f::VERSION_1_2)?;
        result?;
    }
    Ok(())
}

/// NOT_SUPPORTED; descriptors are of 1.2 as before.
fn no_version(wanted: u64) -> Outcome {
    let answer = ffa(f::VERSION, &[wanted]).w(0).cast_signed();
    ensure!(answer == -1, "{wanted:#x}: {answer:#x}");
    let size = good(f::PARTITION_INFO_GET, &[])?.w(3);
    good(f::RX_RELEASE, &[])?;
    ensure!(size == 24, "descriptors of {size} bytes behind it");
    Ok(())
}

fn asked(of: Option<u16>, id: u32) -> Outcome<f::Regs> {
    match of {
        None => Ok(ffa(f::FEATURES, &[u64::from(id)])),
        Some(target) => inside(target, f::FEATURES, &[u64::from(id)]),
    }
}

fn each_known(of: Option<u16>, ids: &[u32]) -> Outcome {
    for id in ids {
        let answer = asked(of, *id)?;
        ensure!(answer.success().is_ok(), "{id:#x}: {:#x}", answer.x(2));
    }
    Ok(())
}

fn each_unknown(of: Option<u16>, ids: &[u32]) -> Outcome {
    for id in ids {
        let answer = asked(of, *id)?;
        let error = answer.success().err();
        ensure!(error == Some(Error::NOT_SUPPORTED), "{id:#x}: {error:?}");
    }
    Ok(())
}

/// NOT_SUPPORTED, as FFA_ERROR or as SMCCC says it.
fn each_refused(ids: &[u32]) -> Outcome {
    for id in ids {
        let answer = ffa(*id, &[1, 2, 3]);
        let error = answer.success().err();
        ensure!(
            error == Some(Error::NOT_SUPPORTED),
            "{id:#x}: {:#x} {:#x}",
            answer.x(0),
            answer.x(2)
        );
    }
    bad(f::FEATURES, &[0], Error::NOT_SUPPORTED)
}
