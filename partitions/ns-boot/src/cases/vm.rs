//! Virtual machines of the normal world, whose calls its hypervisor relays (DEN0077A 1.2, sections 6.1, 13.6 and 18.3):
//! here this program is that hypervisor. The table lists two; one of them is bound to a partition of its own.
use super::discovery::TX;
use super::share::{Descriptor, field};
use super::{
    A, B, Case, HIDDEN, MANAGED_CALLEE, NARROW, Outcome, ask, bad, clause, complete, ffa, good, inside,
    inside_good, put, right, to, wrong,
};
use crate::arch::machine::{Page, SCHEDULE_RECEIVER, came, let_in, smc};
use crate::ensure;
use crate::test_sp;
use sp_rt::ffa::{self as f, Error, Regs};

/// The virtual machine that may deal with B, and alone with [`MANAGED_CALLEE`]; it has two contexts.
const VM: u16 = 3;
/// The other one, which no partition lists.
const OTHER: u16 = 5;
const REQUESTS: &[u32] = &[f::DIRECT_REQ_32, f::DIRECT_REQ_64, f::DIRECT_REQ2];
const INVALID: Error = Error::INVALID_PARAMETERS;
/// Framework messages of a hypervisor, and how each is answered.
const CREATED: u64 = 0x8000_0004;
const DESTROYED: u64 = 0x8000_0006;

/// These cases.
pub const CASES: &[Case] = &[
    right("vm-calls", REQUESTS, clause::DIRECT_REQ, || {
        for target in [B, MANAGED_CALLEE] {
            for function in REQUESTS {
                // x3 is the command in the one form, and part of the service's UUID in the other.
                let command = if *function == f::DIRECT_REQ2 {
                    0
                } else {
                    test_sp::ECHO
                };
                let answer = ffa(*function, &[to(VM) << 16 | to(target), 0, command, 1, 2, 3]);
                ensure!(
                    answer.w(1) == u32::from(target) << 16 | u32::from(VM) && answer.x(5) == 2,
                    "{function:#x} of {target:#x}: {:#x} {:#x} {:#x}",
                    answer.x(0),
                    answer.x(1),
                    answer.x(2)
                );
            }
        }
        Ok(())
    }),
    // Policy: a partition that is bound to one virtual machine is there for nobody else.
    wrong(
        "vm-bound-partition-called-by-others",
        REQUESTS,
        clause::DIRECT_REQ,
        || refused(&[0, OTHER, 4, 0x1234], MANAGED_CALLEE),
    ),
    wrong("vm-calls-whom-it-may-not", REQUESTS, clause::DIRECT_REQ, || {
        for target in [A, HIDDEN, NARROW, 0x8077] {
            refused(&[VM, OTHER], target)?;
        }
        Ok(())
    }),
    right(
        "vm-buffers",
        &[f::RXTX_MAP_64, f::RXTX_MAP_32, f::RXTX_UNMAP],
        clause::RXTX_MAP,
        || {
            for function in [f::RXTX_MAP_64, f::RXTX_MAP_32] {
                TX.fill(&pair(VM));
                good(function, &[0, 0, 0])?;
                good(f::RXTX_UNMAP, &[to(VM) << 16])?;
            }
            Ok(())
        },
    ),
    wrong(
        "vm-buffers-twice",
        &[f::RXTX_MAP_64, f::RXTX_MAP_32],
        clause::RXTX_MAP,
        || {
            with_buffers(|| {
                TX.fill(&pair(VM));
                bad(f::RXTX_MAP_64, &[0, 0, 0], Error::DENIED)?;
                bad(f::RXTX_MAP_32, &[0, 0, 0], Error::DENIED)
            })
        },
    ),
    wrong(
        "vm-buffers-of-nobody",
        &[f::RXTX_MAP_64, f::RXTX_UNMAP],
        clause::RXTX_MAP,
        || {
            for id in [0, 4, 0x7fff, A, 0x8000] {
                TX.fill(&pair(id));
                bad(f::RXTX_MAP_64, &[0, 0, 0], INVALID)?;
            }
            for id in [4, VM, 0x7fff, A] {
                bad(f::RXTX_UNMAP, &[to(id) << 16], INVALID)?;
            }
            Ok(())
        },
    ),
    // DEN0077A 1.2, table 13.27: ID, reserved, offsets of RX and TX; then pages, ranges, reserved, and a range.
    wrong(
        "vm-buffers-descriptor",
        &[f::RXTX_MAP_64],
        clause::RXTX_MAP,
        || {
            for (at, value) in [
                (2, 1),
                (4, 0),
                (4, 18),
                (5, 0xff),
                (8, 0),
                (8, 50),
                (11, 0x80),
                (16, 2),
                (16, 0),
                (20, 2),
                (20, 0),
                (24, 1),
                (31, 1),
                (32, 8),
                (40, 2),
                (40, 0),
                (44, 1),
                (48, 2),
                (52, 0),
                (63, 1),
                (64, 1),
                (72, 0),
                (76, 1),
            ] {
                let mut bytes = pair(VM);
                bytes[at] = value;
                TX.fill(&bytes);
                bad(f::RXTX_MAP_64, &[0, 0, 0], INVALID)?;
            }
            bad(f::RXTX_UNMAP, &[to(VM) << 16], INVALID)
        },
    ),
    wrong(
        "vm-buffers-of-somebody-else",
        &[f::RXTX_MAP_64],
        clause::RXTX_MAP,
        || {
            for page in [
                0x0e10_0000_u64,
                0x0e20_0000,
                0x0904_0000,
                0x0900_0000,
                0xffff_ffff_f000,
            ] {
                for at in [32, 64] {
                    let mut bytes = pair(VM);
                    bytes[at..at + 8].copy_from_slice(&page.to_le_bytes());
                    TX.fill(&bytes);
                    bad(f::RXTX_MAP_64, &[0, 0, 0], INVALID)?;
                }
            }
            Ok(())
        },
    ),
    wrong("vm-buffers-lent", &[f::RXTX_MAP_64], clause::RXTX_MAP, || {
        let handle = Descriptor::new(A, [(PAGES[0].address(), 1)].into_iter())
            .lent()
            .share()?;
        TX.fill(&pair(VM));
        let result = bad(f::RXTX_MAP_64, &[0, 0, 0], Error::DENIED);
        super::reclaim(handle)?;
        result
    }),
    right(
        "vm-acquires-rx",
        &[f::RX_ACQUIRE, f::RX_RELEASE],
        clause::RX_ACQUIRE,
        || {
            with_buffers(|| {
                good(f::RX_ACQUIRE, &[to(VM)])?;
                bad(f::RX_ACQUIRE, &[to(VM)], Error::DENIED)?;
                // The hypervisor's own is another one.
                good(f::RX_ACQUIRE, &[0])?;
                good(f::RX_RELEASE, &[0])?;
                good(f::RX_RELEASE, &[to(VM)])?;
                bad(f::RX_RELEASE, &[to(VM)], Error::DENIED)
            })
        },
    ),
    wrong(
        "vm-acquires-rx-without-buffers",
        &[f::RX_ACQUIRE, f::RX_RELEASE],
        clause::RX_ACQUIRE,
        || {
            for id in [VM, OTHER, 4] {
                bad(f::RX_ACQUIRE, &[to(id)], INVALID)?;
                bad(f::RX_RELEASE, &[to(id)], INVALID)?;
            }
            Ok(())
        },
    ),
    right("vm-writes-a-message", &[f::MSG_SEND2], clause::SEND2, || {
        with_buffers(|| {
            PAGES[0].fill(&message(VM, B));
            good(f::MSG_SEND2, &[to(VM) << 16])?;
            let words = super::look(B, 0)?;
            inside_good(B, f::RX_RELEASE, &[])?;
            inside_good(B, f::NOTIFICATION_GET, &[to(B), 0xc])?;
            forget();
            ensure!(
                words[1] >> 32 == to(VM) << 16 | to(B) && words[5] == WORD,
                "{:#x} {:#x}",
                words[1],
                words[5]
            );
            Ok(())
        })
    }),
    right("vm-reads-a-message", &[f::MSG_SEND2], clause::SEND2, || {
        with_buffers(|| {
            put(B, &message(B, VM))?;
            inside_good(B, f::MSG_SEND2, &[])?;
            let (ends, word) = (PAGES[1].read(1) >> 32, PAGES[1].read(5));
            good(f::RX_RELEASE, &[to(VM)])?;
            forget();
            ensure!(
                ends == to(B) << 16 | to(VM) && word == WORD,
                "{ends:#x} {word:#x}"
            );
            // Nothing came to the hypervisor's own.
            bad(f::RX_RELEASE, &[0], Error::DENIED)
        })
    }),
    wrong(
        "vm-writes-to-whom-it-may-not",
        &[f::MSG_SEND2],
        clause::SEND2,
        || {
            with_buffers(|| {
                for receiver in [A, HIDDEN, 0x8077, OTHER, 0] {
                    PAGES[0].fill(&message(VM, receiver));
                    bad(f::MSG_SEND2, &[to(VM) << 16], INVALID)?;
                }
                Ok(())
            })
        },
    ),
    wrong("vm-writes-for-another", &[f::MSG_SEND2], clause::SEND2, || {
        with_buffers(|| {
            for sender in [0, OTHER, A] {
                PAGES[0].fill(&message(sender, B));
                bad(f::MSG_SEND2, &[to(VM) << 16], INVALID)?;
            }
            Ok(())
        })
    }),
    right(
        "vm-is-notified",
        &[
            f::NOTIFICATION_BITMAP_CREATE,
            f::NOTIFICATION_BIND,
            f::NOTIFICATION_SET,
            f::NOTIFICATION_GET,
        ],
        clause::SET,
        notified,
    ),
    wrong(
        "vm-bitmap-for-too-many",
        &[f::NOTIFICATION_BITMAP_CREATE],
        clause::BITMAP_CREATE,
        || {
            // The table gives it two contexts.
            bad(f::NOTIFICATION_BITMAP_CREATE, &[to(VM), 3], Error::NO_MEMORY)?;
            bad(f::NOTIFICATION_BITMAP_DESTROY, &[to(VM)], Error::DENIED)
        },
    ),
    wrong(
        "vm-binds-whom-it-may-not",
        &[f::NOTIFICATION_BIND],
        clause::BIND,
        || {
            good(f::NOTIFICATION_BITMAP_CREATE, &[to(VM), 2])?;
            let mut result = Ok(());
            for sender in [A, HIDDEN, 0x8077, OTHER] {
                result = result.and(bad(
                    f::NOTIFICATION_BIND,
                    &[to(sender) << 16 | to(VM), 0, 1, 0],
                    INVALID,
                ));
            }
            good(f::NOTIFICATION_BITMAP_DESTROY, &[to(VM)])?;
            result
        },
    ),
    right(
        "vm-shares-memory",
        &[f::MEM_SHARE, f::MEM_RETRIEVE_REQ, f::MEM_RECLAIM],
        clause::SHARE,
        || {
            PAGE.write(0, WORD);
            let handle = of_vm(B).share()?;
            let got = Descriptor::retrieval(VM, B, handle).of(B)?;
            let address = super::taken(B, &got)?;
            let [value, ..] = ask(B, test_sp::READ, [address, 0, 0, 0])?;
            ask(B, test_sp::RELINQUISH, [handle, 0, 0, 0])?;
            super::reclaim(handle)?;
            ensure!(value == WORD, "{value:#x}");
            Ok(())
        },
    ),
    wrong(
        "vm-shares-with-whom-it-may-not",
        &[f::MEM_SHARE],
        clause::SHARE,
        || {
            for receiver in [A, NARROW, HIDDEN] {
                super::memory::refused("a virtual machine's", &of_vm(receiver), INVALID)?;
            }
            let other = of_vm(B).with(field::SENDER, &OTHER.to_le_bytes());
            super::memory::refused("another's", &other, INVALID)
        },
    ),
    wrong(
        "vm-share-retrieved-from-another",
        &[f::MEM_RETRIEVE_REQ],
        clause::RETRIEVE,
        || {
            let handle = of_vm(B).share()?;
            let mut result = Ok(());
            for sender in [0, OTHER, A] {
                let got = Descriptor::retrieval(sender, B, handle).of(B)?;
                let error = got.success().err();
                result = result.and_then(|()| {
                    ensure!(error == Some(INVALID), "{sender:#x}: {:#x} {error:?}", got.x(0));
                    Ok(())
                });
            }
            super::reclaim(handle)?;
            result
        },
    ),
    right(
        "vm-created-and-destroyed",
        &[f::DIRECT_REQ_32, f::DIRECT_RESP_32],
        "18.3",
        || {
            for message in [CREATED, DESTROYED] {
                let answer = ffa(f::DIRECT_REQ_32, &[to(B), message, 9, 8, to(VM)]);
                ensure!(
                    answer.function() == f::DIRECT_RESP_32 && u64::from(answer.w(2)) == message + 1,
                    "{message:#x}: {:#x} {:#x}",
                    answer.x(0),
                    answer.x(2)
                );
            }
            Ok(())
        },
    ),
    right(
        "vm-destroyed-loses-its-buffers",
        &[f::DIRECT_REQ_32, f::RXTX_MAP_64],
        "18.3",
        || {
            TX.fill(&pair(VM));
            good(f::RXTX_MAP_64, &[0, 0, 0])?;
            let answer = ffa(f::DIRECT_REQ_32, &[to(B), DESTROYED, 9, 8, to(VM)]);
            ensure!(answer.function() == f::DIRECT_RESP_32, "{:#x}", answer.x(2));
            bad(f::RXTX_UNMAP, &[to(VM) << 16], INVALID)
        },
    ),
    wrong(
        "vm-created-told-wrongly",
        &[f::DIRECT_REQ_32, f::DIRECT_REQ_64],
        "18.3",
        || {
            for function in [f::DIRECT_REQ_32, f::DIRECT_REQ_64] {
                for (ids, message, about) in [
                    // By a virtual machine, to who does not want to know, of the hypervisor, of a partition, of nobody.
                    (to(VM) << 16 | to(B), CREATED, VM),
                    (to(A), CREATED, VM),
                    (to(B), CREATED, 0),
                    (to(B), CREATED, A),
                    (to(B), DESTROYED, 4),
                    // The answers, and what is not defined.
                    (to(B), CREATED + 1, VM),
                    (to(B), DESTROYED + 1, VM),
                    (to(B), 0x8000_0010, VM),
                ] {
                    bad(function, &[ids, message, 0, 0, to(about)], INVALID)?;
                }
            }
            super::alive(B)
        },
    ),
];

const WORD: u64 = 0x0bad_5eed_0bad_5eed;
static PAGE: Page = Page::new();
/// The machine's TX and RX.
static PAGES: [Page; 2] = [const { Page::new() }; 2];

/// INVALID_PARAMETERS for each source in each form.
fn refused(sources: &[u16], target: u16) -> Outcome {
    for source in sources {
        for function in REQUESTS {
            bad(*function, &[to(*source) << 16 | to(target), 0, 0, 1], INVALID)?;
        }
    }
    Ok(())
}

/// The endpoint RX/TX descriptor of a virtual machine, with both composite descriptors behind it.
fn pair(id: u16) -> [u8; 80] {
    let mut bytes = [0; 80];
    bytes[..2].copy_from_slice(&id.to_le_bytes());
    bytes[4] = 16;
    bytes[8] = 48;
    for (at, page) in [(16, &PAGES[1]), (48, &PAGES[0])] {
        bytes[at] = 1;
        bytes[at + 4] = 1;
        bytes[at + 16..at + 24].copy_from_slice(&page.address().to_le_bytes());
        bytes[at + 24] = 1;
    }
    bytes
}

/// Something while the machine has buffers.
fn with_buffers(what: impl FnOnce() -> Outcome) -> Outcome {
    TX.fill(&pair(VM));
    good(f::RXTX_MAP_64, &[0, 0, 0])?;
    let result = what();
    good(f::RXTX_UNMAP, &[to(VM) << 16])?;
    result
}

/// A message of one word with its header of 1.2.
fn message(sender: u16, receiver: u16) -> [u8; 48] {
    let mut bytes = [0; 48];
    let ends = u32::from(sender) << 16 | u32::from(receiver);
    bytes[8] = 40;
    bytes[12..16].copy_from_slice(&ends.to_le_bytes());
    bytes[16] = 8;
    bytes[40..].copy_from_slice(&WORD.to_le_bytes());
    bytes
}

/// Takes what was told of a message.
fn forget() {
    let _ = ffa(f::NOTIFICATION_INFO_GET_64, &[]);
    let_in();
    let _ = came(SCHEDULE_RECEIVER);
}

fn of_vm(receiver: u16) -> Descriptor {
    Descriptor::new(receiver, [(PAGE.address(), 1)].into_iter()).with(field::SENDER, &VM.to_le_bytes())
}

/// A partition notifies one context of the machine: that one's hypervisor gets it, and nobody else does.
fn notified() -> Outcome {
    good(f::NOTIFICATION_BITMAP_CREATE, &[to(VM), 2])?;
    good(f::NOTIFICATION_BIND, &[to(B) << 16 | to(VM), 1, 4, 0])?;
    let ends = to(B) << 16 | to(VM);
    let set = inside(B, f::NOTIFICATION_SET, &[ends, 1 << 16 | 1, 4])?;
    let info = good(f::NOTIFICATION_INFO_GET_64, &[])?;
    let zero = good(f::NOTIFICATION_GET, &[to(VM), 1])?.x(2);
    let one = good(f::NOTIFICATION_GET, &[1 << 16 | to(VM), 1])?.x(2);
    good(f::NOTIFICATION_UNBIND, &[ends, 0, 4, 0])?;
    good(f::NOTIFICATION_BITMAP_DESTROY, &[to(VM)])?;
    forget();
    ensure!(
        set.success().is_ok(),
        "B sets it: {:#x} {:#x}",
        set.x(0),
        set.x(2)
    );
    ensure!(info.x(3) == to(VM) | 1 << 16, "listed is {:#x}", info.x(3));
    ensure!(zero == 0 && one == 4, "context 0 got {zero:#x}, 1 got {one:#x}");
    // The machine notifies B.
    let ends = to(VM) << 16 | to(B);
    inside_good(B, f::NOTIFICATION_BIND, &[ends, 0, 8])?;
    good(f::NOTIFICATION_SET, &[ends, 0, 8, 0])?;
    let got = inside_good(B, f::NOTIFICATION_GET, &[to(B), 2])?.x(4);
    inside_good(B, f::NOTIFICATION_UNBIND, &[ends, 0, 8])?;
    forget();
    ensure!(got == 8, "B got {got:#x}");
    Ok(())
}

/// A word of the partition that is bound to the machine, which calls it.
pub fn alive_for_vm(target: u16) -> Outcome {
    let request = Regs::new(
        f::DIRECT_REQ_64,
        &[to(VM) << 16 | to(target), 0, test_sp::ECHO, 3, 1],
    );
    let (answer, _) = complete(smc(&request));
    ensure!(
        answer.function() == f::DIRECT_RESP_64 && answer.0[4..6] == [3, 1],
        "{target:#x}: {:#x} {:#x}",
        answer.x(0),
        answer.x(2)
    );
    Ok(())
}
