//! Notifications between the normal world and a partition (DEN0077A 1.2, chapter 16), and the interrupt that
//! tells the normal world of them.
use super::{A, B, Case, Outcome, ask, bad, clause, good, right, wrong};
use crate::arch::machine::{SCHEDULE_RECEIVER, came};
use crate::ensure;
use crate::test_sp;
use sp_rt::ffa::interrupt_call::NOTIFICATION_PENDING;
use sp_rt::ffa::{self as f, Error};

/// These cases, in this order: the first one makes the normal world's bitmap.
pub const CASES: &[Case] = &[
    right(
        "notification-bitmap",
        &[f::NOTIFICATION_BITMAP_CREATE, f::NOTIFICATION_BITMAP_DESTROY],
        clause::BITMAP_CREATE,
        bitmap,
    ),
    right(
        "notification-to-normal-world",
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
        "notification-to-partition",
        &[f::NOTIFICATION_BIND, f::NOTIFICATION_SET, f::NOTIFICATION_GET],
        clause::SET,
        to_partition,
    ),
    right(
        "notification-to-one-context",
        &[f::NOTIFICATION_BIND, f::NOTIFICATION_SET, f::NOTIFICATION_GET],
        clause::SET,
        to_one_context,
    ),
    wrong(
        "notification-not-bound",
        &[f::NOTIFICATION_SET, f::NOTIFICATION_BIND],
        clause::SET,
        not_bound,
    ),
    wrong(
        "notification-of-another",
        &[f::NOTIFICATION_SET, f::NOTIFICATION_GET, f::NOTIFICATION_BIND],
        clause::BIND,
        of_another,
    ),
];

/// Flags of BIND and SET: for one context, whose number stands in bits 31 to 16 of SET's.
const PER_CONTEXT: u64 = 1;
/// Flags of GET.
const FROM_PARTITIONS: u64 = 1;
const FROM_NORMAL: u64 = 2;
/// The bits that each case uses.
const TO_NORMAL: u64 = 0b101;
const TO_PARTITION: u64 = 0b1000;
const TO_CONTEXT: u64 = 0b1_0000;
const UNBOUND: u64 = 1 << 20;

fn ends(sender: u16, receiver: u16) -> u64 {
    u64::from(sender) << 16 | u64::from(receiver)
}

/// A call of a partition's; its answer has to be this one.
fn inside(target: u16, function: u32, [a, b, c]: [u64; 3], status: Option<Error>) -> Outcome {
    let [id, _, code, _] = ask(target, test_sp::CALL, [u64::from(function), a, b, c])?;
    let right = match status {
        None => id as u32 == f::SUCCESS_32,
        Some(Error(status)) => id as u32 == f::ERROR && code as u32 == status.cast_unsigned(),
    };
    ensure!(
        right,
        "{function:#x} of {target:#x}: {id:#x} {code:#x}, not {status:?}"
    );
    Ok(())
}

/// The first endpoint for which something is pending, and in how many lists.
fn pending() -> Outcome<(u64, u64)> {
    let answer = good(f::NOTIFICATION_INFO_GET_64, &[])?;
    Ok((answer.x(3) & 0xffff, answer.x(2) >> 7 & 0x1f))
}

fn nothing_pending() -> Outcome {
    bad(f::NOTIFICATION_INFO_GET_64, &[], Error::NO_DATA)
}

/// Sections 16.1 and 16.2: made once, unmade once.
fn bitmap() -> Outcome {
    good(f::NOTIFICATION_BITMAP_CREATE, &[0, 4])?;
    bad(f::NOTIFICATION_BITMAP_CREATE, &[0, 4], Error::DENIED)?;
    good(f::NOTIFICATION_BITMAP_DESTROY, &[0])?;
    bad(f::NOTIFICATION_BITMAP_DESTROY, &[0], Error::DENIED)?;
    good(f::NOTIFICATION_BITMAP_CREATE, &[0, 4])?;
    nothing_pending()
}

/// A partition's notification raises the interrupt, is listed once, and is got once.
fn to_normal() -> Outcome {
    let _ = came(SCHEDULE_RECEIVER);
    good(f::NOTIFICATION_BIND, &[ends(A, 0), 0, TO_NORMAL, 0])?;
    inside(A, f::NOTIFICATION_SET, [ends(A, 0), 0, TO_NORMAL], None)?;
    ensure!(came(SCHEDULE_RECEIVER), "no schedule-receiver interrupt");
    let (first, lists) = pending()?;
    ensure!(
        first == 0 && lists == 1,
        "{lists} lists, the first begins with {first:#x}"
    );
    nothing_pending()?;
    let got = good(f::NOTIFICATION_GET, &[0, FROM_PARTITIONS])?;
    ensure!(
        got.x(2) == TO_NORMAL && got.x(3) == 0,
        "{:#x} {:#x}",
        got.x(2),
        got.x(3)
    );
    let got = good(f::NOTIFICATION_GET, &[0, FROM_PARTITIONS])?;
    ensure!(got.x(2) == 0, "got again: {:#x}", got.x(2));
    ensure!(!came(SCHEDULE_RECEIVER), "the interrupt came again");
    Ok(())
}

/// One of the normal world's is pending as a virtual interrupt until it is got.
fn to_partition() -> Outcome {
    inside(A, f::NOTIFICATION_BIND, [ends(0, A), 0, TO_PARTITION], None)?;
    good(f::NOTIFICATION_SET, &[ends(0, A), 0, TO_PARTITION, 0])?;
    ensure!(came(SCHEDULE_RECEIVER), "no schedule-receiver interrupt");
    let (first, _) = pending()?;
    ensure!(first == u64::from(A), "listed is {first:#x}");
    ensure!(told()?, "the partition gets no interrupt");
    let bits = taken_by_partition(0)?;
    ensure!(bits == TO_PARTITION, "the partition got {bits:#x}");
    let bits = taken_by_partition(0)?;
    ensure!(bits == 0, "the partition got {bits:#x} again");
    Ok(())
}

/// Whether the partition's context here has its notification-pending interrupt.
fn told() -> Outcome<bool> {
    let [came, ..] = ask(A, test_sp::AWAIT, [u64::from(NOTIFICATION_PENDING), 100, 0, 0])?;
    Ok(came == 1)
}

/// What the partition gets from the normal world for one of its contexts.
fn taken_by_partition(context: u64) -> Outcome<u64> {
    let receiver = context << 16 | u64::from(A);
    let get = [u64::from(f::NOTIFICATION_GET), receiver, FROM_NORMAL, 0];
    let [low, high, ..] = ask(A, test_sp::CALL_FAR, get)?;
    Ok(low | high << 32)
}

/// For context 1 only: context 0 neither is told nor gets it.
fn to_one_context() -> Outcome {
    inside(
        A,
        f::NOTIFICATION_BIND,
        [ends(0, A), PER_CONTEXT, TO_CONTEXT],
        None,
    )?;
    good(
        f::NOTIFICATION_SET,
        &[ends(0, A), 1 << 16 | PER_CONTEXT, TO_CONTEXT, 0],
    )?;
    ensure!(came(SCHEDULE_RECEIVER), "no schedule-receiver interrupt");
    let (first, _) = pending()?;
    ensure!(first == u64::from(A), "listed is {first:#x}");
    ensure!(!told()?, "context 0 gets the interrupt of context 1");
    let (zero, one) = (taken_by_partition(0)?, taken_by_partition(1)?);
    ensure!(zero == 0 && one == TO_CONTEXT, "0 got {zero:#x}, 1 got {one:#x}");
    Ok(())
}

/// DENIED for what the receiver did not bind to the sender; nothing is raised.
fn not_bound() -> Outcome {
    let to_a = ends(0, A);
    bad(f::NOTIFICATION_SET, &[to_a, 0, UNBOUND, 0], Error::DENIED)?;
    bad(
        f::NOTIFICATION_SET,
        &[to_a, 0, UNBOUND | TO_PARTITION, 0],
        Error::DENIED,
    )?;
    bad(
        f::NOTIFICATION_SET,
        &[ends(0, B), 0, TO_PARTITION, 0],
        Error::DENIED,
    )?;
    inside(
        A,
        f::NOTIFICATION_SET,
        [ends(A, 0), 0, UNBOUND],
        Some(Error::DENIED),
    )?;
    inside(
        B,
        f::NOTIFICATION_SET,
        [ends(B, 0), 0, TO_NORMAL],
        Some(Error::DENIED),
    )?;
    bad(
        f::NOTIFICATION_BIND,
        &[ends(B, 0), 0, TO_NORMAL, 0],
        Error::DENIED,
    )?;
    ensure!(!came(SCHEDULE_RECEIVER), "an interrupt was raised");
    nothing_pending()
}

/// B3: nobody sets, gets or binds in another one's name.
fn of_another() -> Outcome {
    let wrong = Error::INVALID_PARAMETERS;
    bad(f::NOTIFICATION_SET, &[ends(B, A), 0, TO_PARTITION, 0], wrong)?;
    bad(f::NOTIFICATION_GET, &[u64::from(A), FROM_NORMAL], wrong)?;
    bad(f::NOTIFICATION_BIND, &[ends(0, A), 0, UNBOUND, 0], wrong)?;
    inside(B, f::NOTIFICATION_SET, [ends(A, 0), 0, TO_NORMAL], Some(wrong))?;
    inside(
        B,
        f::NOTIFICATION_GET,
        [u64::from(A), FROM_NORMAL, 0],
        Some(wrong),
    )?;
    ensure!(!came(SCHEDULE_RECEIVER), "an interrupt was raised");
    Ok(())
}
