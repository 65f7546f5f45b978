//! Notifications between the normal world and partitions (DEN0077A 1.2, chapters 10 and 16), and the interrupts that
//! tell of them.
use super::{
    A, B, Case, HIDDEN, MANAGED, NARROW, Outcome, ask, bad, clause, ffa, good, inside_bad, inside_good,
    right, to, wrong,
};
use crate::arch::machine::{SCHEDULE_RECEIVER, came, let_in};
use crate::ensure;
use crate::test_sp;
use sp_rt::ffa::interrupt_call::NOTIFICATION_PENDING;
use sp_rt::ffa::{self as f, Error};

const BIND: &[u32] = &[f::NOTIFICATION_BIND];
const UNBIND: &[u32] = &[f::NOTIFICATION_UNBIND];
const SET: &[u32] = &[f::NOTIFICATION_SET];
const GET: &[u32] = &[f::NOTIFICATION_GET];
const INFO: &[u32] = &[f::NOTIFICATION_INFO_GET_64, f::NOTIFICATION_INFO_GET_32];
const INVALID: Error = Error::INVALID_PARAMETERS;

/// These cases; each begins and ends without a bitmap of the normal world and with nothing bound.
pub const CASES: &[Case] = &[
    right(
        "notification-bitmap",
        &[f::NOTIFICATION_BITMAP_CREATE, f::NOTIFICATION_BITMAP_DESTROY],
        clause::BITMAP_CREATE,
        || {
            for contexts in [1, 4] {
                good(f::NOTIFICATION_BITMAP_CREATE, &[0, contexts])?;
                good(f::NOTIFICATION_BITMAP_DESTROY, &[0])?;
            }
            Ok(())
        },
    ),
    wrong(
        "notification-bitmap-twice",
        &[f::NOTIFICATION_BITMAP_CREATE],
        clause::BITMAP_CREATE,
        || with_bitmap(|| bad(f::NOTIFICATION_BITMAP_CREATE, &[0, 4], Error::DENIED)),
    ),
    wrong(
        "notification-bitmap-for-no-context",
        &[f::NOTIFICATION_BITMAP_CREATE],
        clause::BITMAP_CREATE,
        || bad(f::NOTIFICATION_BITMAP_CREATE, &[0, 0], INVALID),
    ),
    wrong(
        "notification-bitmap-for-too-many",
        &[f::NOTIFICATION_BITMAP_CREATE],
        clause::BITMAP_CREATE,
        || {
            for contexts in [65, 0x1_0000, 0xffff_ffff] {
                let answer = ffa(f::NOTIFICATION_BITMAP_CREATE, &[0, contexts]);
                let error = answer.success().err();
                let right = matches!(error, Some(Error::NO_MEMORY | Error::INVALID_PARAMETERS));
                ensure!(right, "{contexts}: {:#x} {error:?}", answer.x(0));
            }
            bad(f::NOTIFICATION_BITMAP_DESTROY, &[0], Error::DENIED)
        },
    ),
    wrong(
        "notification-bitmap-of-another",
        &[f::NOTIFICATION_BITMAP_CREATE],
        clause::BITMAP_CREATE,
        || {
            for id in [A, 0x8000, 0x7fff, 0xffff] {
                bad(f::NOTIFICATION_BITMAP_CREATE, &[to(id), 1], INVALID)?;
            }
            Ok(())
        },
    ),
    wrong(
        "notification-bitmap-destroyed-twice",
        &[f::NOTIFICATION_BITMAP_DESTROY],
        clause::BITMAP_DESTROY,
        || {
            with_bitmap(|| Ok(()))?;
            bad(f::NOTIFICATION_BITMAP_DESTROY, &[0], Error::DENIED)?;
            for id in [A, 0x8000, 0x7fff] {
                bad(f::NOTIFICATION_BITMAP_DESTROY, &[to(id)], INVALID)?;
            }
            Ok(())
        },
    ),
    wrong(
        "notification-bitmap-destroyed-in-use",
        &[f::NOTIFICATION_BITMAP_DESTROY],
        clause::BITMAP_DESTROY,
        || {
            bound(A, 0, 0, ONE, || {
                inside_good(A, f::NOTIFICATION_SET, &[ends(A, 0), 0, ONE])?;
                let early = bad(f::NOTIFICATION_BITMAP_DESTROY, &[0], Error::DENIED);
                good(f::NOTIFICATION_GET, &[0, FROM_PARTITIONS])?;
                early
            })
        },
    ),
    right(
        "notification-to-the-normal-world",
        &[
            f::NOTIFICATION_BIND,
            f::NOTIFICATION_SET,
            f::NOTIFICATION_INFO_GET_64,
            f::NOTIFICATION_GET,
        ],
        clause::SET,
        to_normal,
    ),
    right(
        "notification-to-a-partition",
        &[f::NOTIFICATION_BIND, f::NOTIFICATION_SET, f::NOTIFICATION_GET],
        clause::SET,
        to_partition,
    ),
    right(
        "notification-among-partitions",
        &[f::NOTIFICATION_BIND, f::NOTIFICATION_SET, f::NOTIFICATION_GET],
        clause::SET,
        || {
            bound(A, B, 0, ONE, || {
                inside_good(A, f::NOTIFICATION_SET, &[ends(A, B), 0, ONE])?;
                let got = inside_good(B, f::NOTIFICATION_GET, &[to(B), FROM_PARTITIONS])?;
                ensure!(
                    got.x(2) == ONE && got.x(3) == 0,
                    "{:#x} {:#x}",
                    got.x(2),
                    got.x(3)
                );
                Ok(())
            })
        },
    ),
    right(
        "notification-to-one-context",
        &[f::NOTIFICATION_BIND, f::NOTIFICATION_SET, f::NOTIFICATION_GET],
        clause::SET,
        to_one_context,
    ),
    right(
        "notification-to-a-context-of-the-normal-world",
        &[
            f::NOTIFICATION_SET,
            f::NOTIFICATION_GET,
            f::NOTIFICATION_INFO_GET_32,
        ],
        clause::SET,
        || {
            bound(A, 0, PER_CONTEXT, ONE, || {
                inside_good(A, f::NOTIFICATION_SET, &[ends(A, 0), 2 << 16 | PER_CONTEXT, ONE])?;
                let info = good(f::NOTIFICATION_INFO_GET_32, &[])?;
                // One list, of ID 0 and context 2.
                let (lists, ids) = (info.x(2) >> 7 & 0x1f, info.w(3));
                let zero = good(f::NOTIFICATION_GET, &[0, FROM_PARTITIONS])?.x(2);
                let two = good(f::NOTIFICATION_GET, &[2 << 16, FROM_PARTITIONS])?.x(2);
                ensure!(lists == 1 && ids == 2 << 16, "{lists} lists, {ids:#x}");
                ensure!(zero == 0 && two == ONE, "0 got {zero:#x}, 2 got {two:#x}");
                Ok(())
            })
        },
    ),
    right(
        "notification-upper-half",
        &[f::NOTIFICATION_BIND, f::NOTIFICATION_SET, f::NOTIFICATION_GET],
        clause::BIND,
        || {
            bound(A, 0, 0, 1 << 63, || {
                inside_good(A, f::NOTIFICATION_SET, &[ends(A, 0), 0, 0, 1 << 31])?;
                let got = good(f::NOTIFICATION_GET, &[0, FROM_PARTITIONS])?;
                ensure!(
                    got.x(2) == 0 && got.x(3) == 1 << 31,
                    "{:#x} {:#x}",
                    got.x(2),
                    got.x(3)
                );
                Ok(())
            })
        },
    ),
    // 16.5.1: the interrupt waits until the sender has left the core.
    right("notification-delayed-interrupt", SET, "16.5.1", || {
        bound(A, 0, 0, ONE, || {
            let before = let_in();
            let request = super::request_inside(A, f::NOTIFICATION_SET, &[ends(A, 0), DELAY, ONE]);
            let answer = crate::arch::machine::smc(&request);
            // The answer is there at once: no interrupt came while the partition ran.
            let got = super::answer_inside(A, &answer)?;
            ensure!(got.success().is_ok(), "{:#x} {:#x}", got.x(0), got.x(2));
            ensure!(let_in() > before, "no schedule-receiver interrupt");
            good(f::NOTIFICATION_GET, &[0, FROM_PARTITIONS]).map(drop)
        })
    }),
    right(
        "notification-unbound-and-bound-anew",
        &[f::NOTIFICATION_BIND, f::NOTIFICATION_UNBIND],
        clause::UNBIND,
        || {
            with_bitmap(|| {
                for sender in [A, B, A] {
                    good(f::NOTIFICATION_BIND, &[ends(sender, 0), 0, ONE, 0])?;
                    good(f::NOTIFICATION_UNBIND, &[ends(sender, 0), 0, ONE, 0])?;
                }
                Ok(())
            })
        },
    ),
    right("notification-get-by-sender", GET, clause::GET, || {
        // Each flag takes its own kind of sender only.
        bound(A, 0, 0, ONE, || {
            inside_good(A, f::NOTIFICATION_SET, &[ends(A, 0), 0, ONE])?;
            for other in [2, 4, 8] {
                let got = good(f::NOTIFICATION_GET, &[0, other])?;
                ensure!(got.0[2..8] == [0; 6], "flag {other} got {:x?}", &got.0[2..8]);
            }
            let got = good(f::NOTIFICATION_GET, &[0, 0xf])?;
            ensure!(got.x(2) == ONE, "{:#x}", got.x(2));
            Ok(())
        })
    }),
    right("notification-info-of-many", INFO, clause::INFO_GET_N, || {
        with_bitmap(|| {
            good(f::NOTIFICATION_BIND, &[ends(A, 0), 0, ONE, 0])?;
            for target in [A, B] {
                inside_good(target, f::NOTIFICATION_BIND, &[ends(0, target), 0, ONE])?;
                good(f::NOTIFICATION_SET, &[ends(0, target), 0, ONE, 0])?;
            }
            inside_good(A, f::NOTIFICATION_SET, &[ends(A, 0), 0, ONE])?;
            let info = good(f::NOTIFICATION_INFO_GET_64, &[])?;
            let (lists, ids) = (info.x(2) >> 7 & 0x1f, info.x(3));
            for target in [A, B] {
                inside_good(target, f::NOTIFICATION_GET, &[to(target), FROM_VMS])?;
                inside_good(target, f::NOTIFICATION_UNBIND, &[ends(0, target), 0, ONE])?;
            }
            good(f::NOTIFICATION_GET, &[0, FROM_PARTITIONS])?;
            let expected = u64::from(A) << 16 | u64::from(B) << 32;
            ensure!(lists == 3 && ids == expected, "{lists} lists: {ids:#x}");
            Ok(())
        })
    }),
    wrong("notification-info-of-nothing", INFO, clause::INFO_GET_N, || {
        for function in [f::NOTIFICATION_INFO_GET_64, f::NOTIFICATION_INFO_GET_32] {
            bad(function, &[], Error::NO_DATA)?;
        }
        Ok(())
    }),
    wrong("notification-bound-without-bitmap", BIND, clause::BIND, || {
        bad(f::NOTIFICATION_BIND, &[ends(A, 0), 0, ONE, 0], Error::DENIED)
    }),
    wrong("notification-bound-twice", BIND, clause::BIND, || {
        bound(A, 0, 0, ONE, || {
            for sender in [A, B] {
                bad(f::NOTIFICATION_BIND, &[ends(sender, 0), 0, ONE, 0], Error::DENIED)?;
                // With one that is free: neither is bound.
                bad(
                    f::NOTIFICATION_BIND,
                    &[ends(sender, 0), 0, ONE | 2, 0],
                    Error::DENIED,
                )?;
            }
            inside_bad(A, f::NOTIFICATION_SET, &[ends(A, 0), 0, 2], Error::DENIED)
        })
    }),
    wrong("notification-bound-nothing", BIND, clause::BIND, || {
        with_bitmap(|| bad(f::NOTIFICATION_BIND, &[ends(A, 0), 0, 0, 0], INVALID))
    }),
    wrong("notification-bound-reserved-flags", BIND, clause::BIND, || {
        with_bitmap(|| {
            for flags in [2, 4, 0x8000_0000] {
                bad(f::NOTIFICATION_BIND, &[ends(A, 0), flags, ONE, 0], INVALID)?;
            }
            Ok(())
        })
    }),
    // B3: the receiver binds, and nobody else for it.
    wrong("notification-bound-for-another", BIND, clause::BIND, || {
        with_bitmap(|| {
            bad(f::NOTIFICATION_BIND, &[ends(0, A), 0, ONE, 0], INVALID)?;
            bad(f::NOTIFICATION_BIND, &[ends(A, B), 0, ONE, 0], INVALID)?;
            bad(f::NOTIFICATION_BIND, &[ends(A, 0x7fff), 0, ONE, 0], INVALID)?;
            inside_bad(A, f::NOTIFICATION_BIND, &[ends(0, B), 0, ONE], INVALID)?;
            inside_bad(A, f::NOTIFICATION_BIND, &[ends(A, 0), 0, ONE], INVALID)
        })
    }),
    wrong("notification-bound-to-nobody", BIND, clause::BIND, || {
        with_bitmap(|| {
            for sender in [0, 0x8077, 0x8000, HIDDEN] {
                bad(f::NOTIFICATION_BIND, &[ends(sender, 0), 0, ONE, 0], INVALID)?;
            }
            for sender in [A, 0x8077, MANAGED] {
                inside_bad(A, f::NOTIFICATION_BIND, &[ends(sender, A), 0, ONE], INVALID)?;
            }
            Ok(())
        })
    }),
    wrong("notification-unbound-unknown", UNBIND, clause::UNBIND, || {
        bound(A, 0, 0, ONE, || {
            // Not bound, bound to another, some of both, none.
            bad(f::NOTIFICATION_UNBIND, &[ends(A, 0), 0, 2, 0], Error::DENIED)?;
            bad(f::NOTIFICATION_UNBIND, &[ends(B, 0), 0, ONE, 0], Error::DENIED)?;
            bad(
                f::NOTIFICATION_UNBIND,
                &[ends(A, 0), 0, ONE | 2, 0],
                Error::DENIED,
            )?;
            bad(f::NOTIFICATION_UNBIND, &[ends(A, 0), 0, 0, 0], INVALID)
        })
    }),
    wrong("notification-unbound-pending", UNBIND, clause::UNBIND, || {
        bound(A, 0, 0, ONE, || {
            inside_good(A, f::NOTIFICATION_SET, &[ends(A, 0), 0, ONE])?;
            let early = bad(f::NOTIFICATION_UNBIND, &[ends(A, 0), 0, ONE, 0], Error::DENIED);
            good(f::NOTIFICATION_GET, &[0, FROM_PARTITIONS])?;
            early
        })
    }),
    wrong("notification-unbound-for-another", UNBIND, clause::UNBIND, || {
        bound(0, A, 0, ONE, || {
            bad(f::NOTIFICATION_UNBIND, &[ends(0, A), 0, ONE, 0], INVALID)?;
            inside_bad(B, f::NOTIFICATION_UNBIND, &[ends(0, A), 0, ONE], INVALID)
        })
    }),
    wrong("notification-set-unbound", SET, clause::SET, || {
        bound(0, A, 0, ONE, || {
            for bits in [2, ONE | 2] {
                bad(f::NOTIFICATION_SET, &[ends(0, A), 0, bits, 0], Error::DENIED)?;
            }
            bad(f::NOTIFICATION_SET, &[ends(0, B), 0, ONE, 0], Error::DENIED)?;
            nothing_told()
        })
    }),
    wrong("notification-set-of-another-sender", SET, clause::SET, || {
        bound(A, 0, 0, ONE, || {
            inside_bad(B, f::NOTIFICATION_SET, &[ends(B, 0), 0, ONE], Error::DENIED)?;
            inside_bad(B, f::NOTIFICATION_SET, &[ends(A, 0), 0, ONE], INVALID)?;
            bad(f::NOTIFICATION_SET, &[ends(A, 0), 0, ONE, 0], INVALID)?;
            nothing_told()
        })
    }),
    wrong("notification-set-nothing", SET, clause::SET, || {
        bound(0, A, 0, ONE, || {
            bad(f::NOTIFICATION_SET, &[ends(0, A), 0, 0, 0], INVALID)
        })
    }),
    wrong("notification-set-reserved-flags", SET, clause::SET, || {
        bound(0, A, 0, ONE, || {
            for flags in [4, 0x8000, 1 << 16] {
                bad(f::NOTIFICATION_SET, &[ends(0, A), flags, ONE, 0], INVALID)?;
            }
            nothing_told()
        })
    }),
    // As it was bound: for a context, or for all.
    wrong("notification-set-otherwise-than-bound", SET, clause::SET, || {
        bound(0, A, 0, ONE, || {
            bad(f::NOTIFICATION_SET, &[ends(0, A), PER_CONTEXT, ONE, 0], INVALID)
        })?;
        bound(0, A, PER_CONTEXT, ONE, || {
            bad(f::NOTIFICATION_SET, &[ends(0, A), 0, ONE, 0], INVALID)
        })
    }),
    wrong("notification-set-for-no-context", SET, clause::SET, || {
        bound(0, A, PER_CONTEXT, ONE, || {
            for context in [4, 64, 0xffff] {
                let flags = context << 16 | PER_CONTEXT;
                bad(f::NOTIFICATION_SET, &[ends(0, A), flags, ONE, 0], INVALID)?;
            }
            nothing_told()
        })
    }),
    wrong("notification-set-to-nobody", SET, clause::SET, || {
        for receiver in [0, 0x8077, 0x8000, HIDDEN, 0x7fff] {
            bad(f::NOTIFICATION_SET, &[ends(0, receiver), 0, ONE, 0], INVALID)?;
        }
        for receiver in [A, 0x8077, MANAGED] {
            inside_bad(A, f::NOTIFICATION_SET, &[ends(A, receiver), 0, ONE], INVALID)?;
        }
        Ok(())
    }),
    wrong(
        "notification-set-to-one-that-takes-none",
        SET,
        clause::SET,
        || {
            let answer = ffa(f::NOTIFICATION_SET, &[ends(0, NARROW), 0, ONE, 0]);
            let error = answer.success().err();
            let right = matches!(error, Some(Error::DENIED | Error::INVALID_PARAMETERS));
            ensure!(right, "{:#x} {error:?}", answer.x(0));
            Ok(())
        },
    ),
    wrong("notification-get-of-another", GET, clause::GET, || {
        with_bitmap(|| {
            for receiver in [A, 0x8000, 0x7fff] {
                bad(f::NOTIFICATION_GET, &[to(receiver), 0xf], INVALID)?;
            }
            for receiver in [B, 0, 0x8000] {
                inside_bad(A, f::NOTIFICATION_GET, &[to(receiver), 0xf], INVALID)?;
            }
            Ok(())
        })
    }),
    wrong("notification-get-for-no-context", GET, clause::GET, || {
        with_bitmap(|| {
            for context in [4, 0xffff] {
                bad(f::NOTIFICATION_GET, &[context << 16, 1], INVALID)?;
                inside_bad(A, f::NOTIFICATION_GET, &[context << 16 | to(A), 1], INVALID)?;
            }
            Ok(())
        })
    }),
    wrong("notification-get-reserved-flags", GET, clause::GET, || {
        with_bitmap(|| {
            for flags in [0x10, 0x8000_0000] {
                bad(f::NOTIFICATION_GET, &[0, flags], INVALID)?;
                inside_bad(A, f::NOTIFICATION_GET, &[to(A), flags], INVALID)?;
            }
            Ok(())
        })
    }),
    wrong("notification-get-without-bitmap", GET, clause::GET, || {
        let answer = ffa(f::NOTIFICATION_GET, &[0, 1]);
        ensure!(answer.success().is_err(), "{:#x}", answer.x(0));
        Ok(())
    }),
];

/// Flags of BIND and SET: for one context, whose number stands in bits 31 to 16 of SET's.
const PER_CONTEXT: u64 = 1;
/// Flag of SET: the schedule-receiver interrupt can wait.
const DELAY: u64 = 2;
/// Flags of GET.
const FROM_PARTITIONS: u64 = 1;
const FROM_VMS: u64 = 2;
/// A notification.
const ONE: u64 = 1 << 4;

fn ends(sender: u16, receiver: u16) -> u64 {
    u64::from(sender) << 16 | u64::from(receiver)
}

/// Something while the normal world has a bitmap for four contexts.
pub fn with_bitmap(what: impl FnOnce() -> Outcome) -> Outcome {
    good(f::NOTIFICATION_BITMAP_CREATE, &[0, 4])?;
    let result = what();
    // What a case that failed left pending would keep the bitmap.
    for context in 0..4 {
        let _ = ffa(f::NOTIFICATION_GET, &[context << 16, 7]);
    }
    let _ = ffa(f::NOTIFICATION_INFO_GET_64, &[]);
    let_in();
    let _ = came(SCHEDULE_RECEIVER);
    good(f::NOTIFICATION_BITMAP_DESTROY, &[0])?;
    result
}

/// A call of an endpoint's, the normal world (0) among them.
fn call(caller: u16, function: u32, arguments: &[u64]) -> Outcome {
    if caller == 0 {
        good(function, arguments).map(drop)
    } else {
        inside_good(caller, function, arguments).map(drop)
    }
}

/// Something while a notification of `sender` is bound by `receiver`.
fn bound(sender: u16, receiver: u16, flags: u64, bits: u64, what: impl FnOnce() -> Outcome) -> Outcome {
    with_bitmap(|| {
        let halves = [bits & 0xffff_ffff, bits >> 32];
        let bind = [ends(sender, receiver), flags, halves[0], halves[1]];
        call(receiver, f::NOTIFICATION_BIND, &bind)?;
        let result = what();
        if receiver != 0 {
            for context in 0..4 {
                let get = [context << 16 | to(receiver), 3];
                inside_good(receiver, f::NOTIFICATION_GET, &get)?;
            }
        }
        let undone = [ends(sender, receiver), 0, halves[0], halves[1]];
        result.and(call(receiver, f::NOTIFICATION_UNBIND, &undone))
    })
}

/// No interrupt was raised, nobody is listed.
fn nothing_told() -> Outcome {
    ensure!(!came(SCHEDULE_RECEIVER), "an interrupt was raised");
    bad(f::NOTIFICATION_INFO_GET_64, &[], Error::NO_DATA)
}

/// The first endpoint for which something is pending, and in how many lists.
fn pending() -> Outcome<(u64, u64)> {
    let answer = good(f::NOTIFICATION_INFO_GET_64, &[])?;
    Ok((answer.x(3) & 0xffff, answer.x(2) >> 7 & 0x1f))
}

/// A partition's notification raises the interrupt, is listed once, and is got once.
fn to_normal() -> Outcome {
    bound(A, 0, 0, ONE, || {
        let _ = came(SCHEDULE_RECEIVER);
        inside_good(A, f::NOTIFICATION_SET, &[ends(A, 0), 0, ONE])?;
        ensure!(came(SCHEDULE_RECEIVER), "no schedule-receiver interrupt");
        let (first, lists) = pending()?;
        ensure!(
            first == 0 && lists == 1,
            "{lists} lists, the first begins with {first:#x}"
        );
        bad(f::NOTIFICATION_INFO_GET_64, &[], Error::NO_DATA)?;
        for expected in [ONE, 0] {
            let got = good(f::NOTIFICATION_GET, &[0, FROM_PARTITIONS])?;
            ensure!(
                got.x(2) == expected && got.x(3) == 0,
                "{:#x} {:#x}, not {expected:#x}",
                got.x(2),
                got.x(3)
            );
        }
        ensure!(!came(SCHEDULE_RECEIVER), "the interrupt came again");
        Ok(())
    })
}

/// One of the normal world's is pending as a virtual interrupt until it is got.
fn to_partition() -> Outcome {
    bound(0, A, 0, ONE, || {
        let _ = came(SCHEDULE_RECEIVER);
        good(f::NOTIFICATION_SET, &[ends(0, A), 0, ONE, 0])?;
        ensure!(came(SCHEDULE_RECEIVER), "no schedule-receiver interrupt");
        let (first, _) = pending()?;
        ensure!(first == u64::from(A), "listed is {first:#x}");
        ensure!(told()?, "the partition gets no interrupt");
        for expected in [ONE, 0] {
            let bits = taken_by_partition(0)?;
            ensure!(bits == expected, "the partition got {bits:#x}, not {expected:#x}");
        }
        Ok(())
    })
}

/// Whether the partition's context here has its notification-pending interrupt.
fn told() -> Outcome<bool> {
    let [came, ..] = ask(A, test_sp::AWAIT, [u64::from(NOTIFICATION_PENDING), 100, 0, 0])?;
    Ok(came == 1)
}

/// What the partition gets from the normal world for one of its contexts.
fn taken_by_partition(context: u64) -> Outcome<u64> {
    let receiver = context << 16 | u64::from(A);
    let got = inside_good(A, f::NOTIFICATION_GET, &[receiver, FROM_VMS])?;
    Ok(got.x(4) | got.x(5) << 32)
}

/// For context 1 only: context 0 neither is told nor gets it.
fn to_one_context() -> Outcome {
    bound(0, A, PER_CONTEXT, ONE, || {
        let _ = came(SCHEDULE_RECEIVER);
        good(f::NOTIFICATION_SET, &[ends(0, A), 1 << 16 | PER_CONTEXT, ONE, 0])?;
        ensure!(came(SCHEDULE_RECEIVER), "no schedule-receiver interrupt");
        let (first, _) = pending()?;
        ensure!(first == u64::from(A), "listed is {first:#x}");
        ensure!(!told()?, "context 0 gets the interrupt of context 1");
        let (zero, one) = (taken_by_partition(0)?, taken_by_partition(1)?);
        ensure!(zero == 0 && one == ONE, "0 got {zero:#x}, 1 got {one:#x}");
        Ok(())
    })
}
