//! Calls that a partition makes, measured by itself; and notifications.
use super::{call, report, smallest};
use crate::arch::machine::Page;
use crate::cases::share::Descriptor;
use crate::cases::{A, B, Outcome, ask, good, reclaim};
use crate::{ensure, test_sp};
use sp_rt::ffa as f;

/// All of them.
pub fn calls() -> Outcome {
    inside("partition-id-get", f::SUCCESS_32, [u64::from(f::ID_GET), 0, 0, 0])?;
    notifications()?;
    copies()?;
    if good(f::PARTITION_INFO_GET, &[0, 0, 0, 0, 1])?.x(2) > 1 {
        let ids = u64::from(A) << 16 | u64::from(B);
        let request = [u64::from(f::DIRECT_REQ_64), ids, 0, test_sp::ECHO];
        inside("partition-to-partition", f::DIRECT_RESP_64, request)?;
    }
    Ok(())
}

/// A call of the partition's.
fn inside(operation: &str, expected: u32, what: [u64; 4]) -> Outcome {
    let ticks = smallest(|| {
        let [ticks, answer, detail, _] = ask(A, test_sp::TIME, what)?;
        ensure!(answer as u32 == expected, "{operation}: {answer:#x} {detail:#x}");
        Ok(ticks)
    })?;
    report(format_args!("{operation}"), ticks, test_sp::ROUNDS);
    Ok(())
}

/// A page, and a few bytes, of what the normal world shares, copied to the partition's own memory.
fn copies() -> Outcome {
    const WINDOW_READ: u64 = 0xc600_0003;
    static PAGE: Page = Page::new();
    let handle = Descriptor::new(A, [(PAGE.address(), 1)].into_iter()).share()?;
    let [window, ..] = ask(A, test_sp::RETRIEVE, [handle, 0, 0, 0])?;
    let [_, _, own, _] = ask(A, test_sp::PLACES, [0; 4])?;
    inside("window-copy-4096", 0, [WINDOW_READ, own, window, 4096])?;
    inside("window-copy-64", 0, [WINDOW_READ, own, window, 64])?;
    ask(A, test_sp::RELINQUISH, [handle, 0, 0, 0])?;
    reclaim(handle)
}

/// One global notification in each direction, set again and again, and one of the normal world's got.
fn notifications() -> Outcome {
    const MINE: u64 = 1;
    const ITS: u64 = 2;
    let (normal, its) = (u64::from(A) << 16, u64::from(A));
    good(f::NOTIFICATION_BITMAP_CREATE, &[0, 4])?;
    good(f::NOTIFICATION_BIND, &[normal, 0, MINE, 0])?;
    ask(A, test_sp::CALL, [u64::from(f::NOTIFICATION_BIND), its, 0, ITS])?;
    // Delayed: without the interrupt, which nobody takes here.
    const DELAY: u64 = 2;
    let set = [u64::from(f::NOTIFICATION_SET), normal, DELAY, MINE];
    inside("partition-notification-set", f::SUCCESS_32, set)?;
    call(
        "notification-set",
        f::SUCCESS_32,
        f::NOTIFICATION_SET,
        &[its, 0, ITS, 0],
    )?;
    call("notification-get", f::SUCCESS_32, f::NOTIFICATION_GET, &[0, 1])?;
    call(
        "notification-info-get",
        f::ERROR,
        f::NOTIFICATION_INFO_GET_64,
        &[],
    )
}
