//! Indirect messages (DEN0077A 1.2, sections 7.3, 10.8 and 15.1): either way and among partitions, each field of the
//! header wrong once, and what becomes of RX.
use super::discovery::{RX, TX, with_version};
use super::info::uuid;
use super::notifications::with_bitmap;
use super::{
    A, B, Case, HIDDEN, MANAGED, NARROW, Outcome, ask, bad, clause, complete, ffa, good, inside, inside_bad,
    inside_good, look, put, right, to, wrong,
};
use crate::arch::machine::{SCHEDULE_RECEIVER, came};
use crate::ensure;
use crate::test_sp;
use sp_rt::ffa::{self as f, Error};

const SEND: &[u32] = &[f::MSG_SEND2];
const INVALID: Error = Error::INVALID_PARAMETERS;
/// Flags of FFA_NOTIFICATION_GET: those of the SPMC (w6), and of the hypervisor (w7): for what comes from the
/// normal world.
const FROM_SPMC: u64 = 0xc;
/// A message.
const WORDS: [u64; 3] = [
    0x1122_3344_5566_7788,
    0x99aa_bbcc_ddee_ff00,
    0x0123_4567_89ab_cdef,
];

/// These cases.
pub const CASES: &[Case] = &[
    right("message-to-a-partition", SEND, clause::SEND2, || {
        send(&Message::new(0, A))?;
        arrived(A, &look(A, 0)?, 0)?;
        inside_good(A, f::RX_RELEASE, &[])?;
        forget(A)
    }),
    right("message-to-a-service", SEND, clause::SEND2, || {
        let [a, b, c, d] = uuid(B);
        let message = Message {
            uuid: [a | b << 32, c | d << 32],
            ..Message::new(0, B)
        };
        send(&message)?;
        let words = look(B, 0)?;
        inside_good(B, f::RX_RELEASE, &[])?;
        forget(B)?;
        ensure!(words[3..5] == message.uuid, "the UUID is {:x?}", &words[3..5]);
        Ok(())
    }),
    right("message-to-the-normal-world", SEND, clause::SEND2, to_normal),
    right("message-among-partitions", SEND, clause::SEND2, || {
        let message = Message::new(A, HIDDEN);
        put(A, &message.bytes())?;
        inside_good(A, f::MSG_SEND2, &[])?;
        // The normal world cannot look into the hidden one: A asks it to give the buffer back.
        let ids = to(A) << 16 | to(HIDDEN);
        let request = [ids, 0, 0, test_sp::wide::LOOK, 0];
        let got = inside(A, f::DIRECT_REQ2, &request)?;
        let release = [ids, 0, 0, test_sp::wide::CALL, u64::from(f::RX_RELEASE)];
        let released = inside(A, f::DIRECT_REQ2, &release)?;
        let take = [
            ids,
            0,
            0,
            test_sp::wide::CALL,
            u64::from(f::NOTIFICATION_GET),
            to(HIDDEN),
            FROM_SPMC,
        ];
        let taken = inside(A, f::DIRECT_REQ2, &take)?;
        ensure!(
            released.w(4) == f::SUCCESS_32 && taken.x(10) == 1,
            "released: {:#x}, told: {:#x}",
            released.x(4),
            taken.x(10)
        );
        let words: [u64; 10] = core::array::from_fn(|n| got.x(4 + n));
        ensure!(
            words[1] >> 32 == ids && words[5..8] == WORDS,
            "{:x?} {:x?}",
            &words[1..2],
            &words[5..8]
        );
        Ok(())
    }),
    right("message-in-the-header-of-1.1", SEND, "18.5", || {
        // 20 bytes without a UUID: the receiver of 1.2 reads 40.
        with_version(f::VERSION_1_1, || {
            TX.fill(&[0; 64]);
            TX.write(1, 24 | to(A) << 32);
            TX.write(2, 24);
            for (n, word) in WORDS.iter().enumerate() {
                TX.write(3 + n, *word);
            }
            good(f::MSG_SEND2, &[])?;
            arrived(A, &look(A, 0)?, 0)?;
            inside_good(A, f::RX_RELEASE, &[])?;
            forget(A)
        })
    }),
    right(
        "message-is-told",
        &[f::MSG_SEND2, f::NOTIFICATION_GET],
        "10.8",
        || {
            let _ = came(SCHEDULE_RECEIVER);
            send(&Message::new(0, A))?;
            ensure!(came(SCHEDULE_RECEIVER), "no schedule-receiver interrupt");
            let once = inside_good(A, f::NOTIFICATION_GET, &[to(A), FROM_SPMC])?.x(7);
            let again = inside_good(A, f::NOTIFICATION_GET, &[to(A), FROM_SPMC])?.x(7);
            inside_good(A, f::RX_RELEASE, &[])?;
            forget(A)?;
            ensure!(once == 1 && again == 0, "told {once:#x}, then {again:#x}");
            Ok(())
        },
    ),
    // 14.1: FFA_MSG_WAIT gives RX back unless bit 0 of w2 retains it.
    right(
        "wait-releases-rx",
        &[f::MSG_WAIT, f::MSG_SEND2],
        clause::MSG_WAIT,
        || {
            send(&Message::new(0, A))?;
            let (answer, _) = complete(ffa(f::RUN, &[to(A) << 16]));
            ensure!(answer.function() == f::MSG_WAIT, "{:#x}", answer.x(0));
            inside_bad(A, f::RX_RELEASE, &[], Error::DENIED)?;
            forget(A)
        },
    ),
    right(
        "wait-retains-rx",
        &[f::MSG_WAIT, f::MSG_SEND2],
        clause::MSG_WAIT,
        || {
            ask(A, test_sp::WAIT_FLAGS, [1, 0, 0, 0])?;
            send(&Message::new(0, A))?;
            let (answer, _) = complete(ffa(f::RUN, &[to(A) << 16]));
            ask(A, test_sp::WAIT_FLAGS, [0; 4])?;
            let kept = inside(A, f::RX_RELEASE, &[])?;
            forget(A)?;
            ensure!(
                answer.function() == f::MSG_WAIT && kept.success().is_ok(),
                "{:#x}, then {:#x}",
                answer.x(0),
                kept.x(2)
            );
            Ok(())
        },
    ),
    wrong("message-to-a-full-buffer", SEND, clause::SEND2, || {
        send(&Message::new(0, A))?;
        let other = Message {
            length: 8,
            ..Message::new(0, A)
        };
        TX.fill(&other.bytes());
        let busy = bad(f::MSG_SEND2, &[], Error::BUSY);
        arrived(A, &look(A, 0)?, 0)?;
        inside_good(A, f::RX_RELEASE, &[])?;
        forget(A)?;
        busy
    }),
    wrong("message-reserved-flags", SEND, clause::SEND2, || {
        TX.fill(&Message::new(0, A).bytes());
        for flags in [1, 4, 0x8000_0000] {
            bad(f::MSG_SEND2, &[0, flags], INVALID)?;
        }
        nothing_came(A)
    }),
    wrong("message-from-another", SEND, clause::SEND2, || {
        for sender in [A, B, 0x8000, 0x7fff] {
            refused(&Message::new(sender, A), INVALID)?;
        }
        // w1 names a virtual machine for which a hypervisor sends: as in the header.
        TX.fill(&Message::new(0, A).bytes());
        for sender in [A, B, 0x8000, 0x7fff] {
            bad(f::MSG_SEND2, &[to(sender) << 16], INVALID)?;
        }
        nothing_came(A)
    }),
    wrong("message-to-nobody", SEND, clause::SEND2, || {
        for receiver in [0x8077, 0x8000, 0x7fff, 0xffff] {
            refused(&Message::new(0, receiver), INVALID)?;
        }
        Ok(())
    }),
    wrong("message-to-oneself", SEND, clause::SEND2, || {
        refused(&Message::new(0, 0), INVALID)
    }),
    wrong("message-to-whom-one-may-not-write", SEND, clause::SEND2, || {
        refused(&Message::new(0, HIDDEN), INVALID)?;
        partition_refused(B, &Message::new(B, A), INVALID)
    }),
    wrong("message-to-one-that-takes-none", SEND, clause::SEND2, || {
        for receiver in [MANAGED, NARROW] {
            refused(&Message::new(0, receiver), Error::DENIED)?;
        }
        Ok(())
    }),
    wrong("message-header-reserved", SEND, clause::SEND2, || {
        for at in [0, 3, 4, 7, 20, 23] {
            byte(at, 0x80)?;
        }
        nothing_came(A)
    }),
    wrong("message-offset", SEND, clause::SEND2, || {
        // Within the header, and behind the page.
        for offset in [0_u32, 8, 20, 39, 4096 - 23, 4096, 0x7fff_ffff, u32::MAX] {
            let mut bytes = Message::new(0, A).bytes();
            bytes[8..12].copy_from_slice(&offset.to_le_bytes());
            TX.fill(&bytes);
            bad(f::MSG_SEND2, &[], INVALID)?;
        }
        nothing_came(A)
    }),
    wrong("message-length", SEND, clause::SEND2, || {
        for length in [0_u32, 4096 - 39, 4097, 0x7fff_ffff, u32::MAX, u32::MAX - 39] {
            let mut bytes = Message::new(0, A).bytes();
            bytes[16..20].copy_from_slice(&length.to_le_bytes());
            TX.fill(&bytes);
            bad(f::MSG_SEND2, &[], INVALID)?;
        }
        nothing_came(A)
    }),
    wrong("message-to-an-unknown-service", SEND, clause::SEND2, || {
        let [a, b, c, d] = uuid(B);
        for uuid in [[1, 0], [0, 1], [a | b << 32, c | d << 32]] {
            refused(
                &Message {
                    uuid,
                    ..Message::new(0, A)
                },
                INVALID,
            )?;
        }
        nothing_came(A)
    }),
    wrong("message-without-buffers", SEND, clause::SEND2, || {
        TX.fill(&Message::new(0, A).bytes());
        good(f::RXTX_UNMAP, &[])?;
        let answer = ffa(f::MSG_SEND2, &[]);
        good(f::RXTX_MAP_64, &[TX.address(), RX.address(), 1])?;
        ensure!(answer.success().is_err(), "{:#x}", answer.x(0));
        nothing_came(A)
    }),
    wrong("message-to-one-without-buffers", SEND, clause::SEND2, || {
        let [tx, rx, ..] = ask(A, test_sp::PLACES, [0; 4])?;
        inside_good(A, f::RXTX_UNMAP, &[])?;
        let result = refused(&Message::new(0, A), Error::DENIED);
        inside_good(A, f::RXTX_MAP_64, &[tx, rx, 1])?;
        result
    }),
    // 1.0 has no indirect messages.
    wrong("message-of-1.0", SEND, clause::SEND2, || {
        with_version(f::VERSION_1_0, || {
            refused(&Message::new(0, A), Error::NOT_SUPPORTED)
        })?;
        nothing_came(A)
    }),
    wrong("message-of-a-partition-from-another", SEND, clause::SEND2, || {
        for sender in [B, HIDDEN, 0, 0x8000] {
            partition_refused(A, &Message::new(sender, HIDDEN), INVALID)?;
        }
        Ok(())
    }),
    wrong("message-of-a-partition-to-nobody", SEND, clause::SEND2, || {
        for receiver in [A, MANAGED, 0x8077, 0x8000, 0x7fff] {
            partition_refused(A, &Message::new(A, receiver), INVALID)?;
        }
        Ok(())
    }),
    // Whoever takes none sends none.
    wrong("message-of-one-that-takes-none", SEND, clause::SEND2, || {
        partition_refused(MANAGED, &Message::new(MANAGED, 0), Error::DENIED)
    }),
];

/// A message with its header of 1.2.
struct Message {
    sender: u16,
    receiver: u16,
    uuid: [u64; 2],
    length: u32,
}

impl Message {
    fn new(sender: u16, receiver: u16) -> Self {
        Self {
            sender,
            receiver,
            uuid: [0; 2],
            length: 24,
        }
    }

    fn bytes(&self) -> [u8; 64] {
        let mut bytes = [0; 64];
        let ends = u32::from(self.sender) << 16 | u32::from(self.receiver);
        bytes[8..12].copy_from_slice(&40_u32.to_le_bytes());
        bytes[12..16].copy_from_slice(&ends.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.length.to_le_bytes());
        let words = self.uuid.iter().chain(&WORDS);
        for (to, word) in bytes[24..].chunks_exact_mut(8).zip(words) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }
}

fn send(message: &Message) -> Outcome {
    TX.fill(&message.bytes());
    good(f::MSG_SEND2, &[]).map(drop)
}

fn refused(message: &Message, expected: Error) -> Outcome {
    TX.fill(&message.bytes());
    bad(f::MSG_SEND2, &[], expected)
}

fn partition_refused(sender: u16, message: &Message, expected: Error) -> Outcome {
    put(sender, &message.bytes())?;
    inside_bad(sender, f::MSG_SEND2, &[], expected)
}

/// A right message with another byte in its header is refused.
fn byte(at: usize, value: u8) -> Outcome {
    let mut bytes = Message::new(0, A).bytes();
    bytes[at] ^= value;
    TX.fill(&bytes);
    bad(f::MSG_SEND2, &[], INVALID)
}

/// That RX words are the message, in the header of 1.2.
fn arrived(receiver: u16, words: &[u64; 14], sender: u16) -> Outcome {
    let ends = to(sender) << 16 | to(receiver);
    ensure!(
        words[0] == 0 && words[1] == 40 | ends << 32 && words[2] == 24,
        "the header is {:x?}",
        &words[..3]
    );
    ensure!(words[5..8] == WORDS, "the message is {:x?}", &words[5..8]);
    Ok(())
}

/// Nothing is in a partition's RX buffer, nor was it told so.
fn nothing_came(receiver: u16) -> Outcome {
    inside_bad(receiver, f::RX_RELEASE, &[], Error::DENIED)?;
    let got = inside_good(receiver, f::NOTIFICATION_GET, &[to(receiver), FROM_SPMC])?;
    let told = got.x(6) | got.x(7);
    ensure!(told == 0, "{receiver:#x} was told {told:#x}");
    Ok(())
}

/// Takes the framework notification, and the interrupts that came with it.
fn forget(receiver: u16) -> Outcome {
    inside_good(receiver, f::NOTIFICATION_GET, &[to(receiver), FROM_SPMC])?;
    let _ = ffa(f::NOTIFICATION_INFO_GET_64, &[]);
    let _ = came(SCHEDULE_RECEIVER);
    Ok(())
}

/// A partition's message is in the normal world's RX buffer, and told by the framework notification.
fn to_normal() -> Outcome {
    with_bitmap(|| {
        let _ = came(SCHEDULE_RECEIVER);
        put(A, &Message::new(A, 0).bytes())?;
        inside_good(A, f::MSG_SEND2, &[])?;
        ensure!(came(SCHEDULE_RECEIVER), "no schedule-receiver interrupt");
        let words: [u64; 14] = core::array::from_fn(|n| RX.read(n));
        good(f::RX_RELEASE, &[])?;
        let told = good(f::NOTIFICATION_GET, &[0, FROM_SPMC])?.x(6);
        let _ = ffa(f::NOTIFICATION_INFO_GET_64, &[]);
        ensure!(told == 1, "told {told:#x}");
        ensure!(
            words[1] == 40 | to(A) << 48 && words[2] == 24 && words[5..8] == WORDS,
            "{:x?} {:x?}",
            &words[..3],
            &words[5..8]
        );
        Ok(())
    })
}
