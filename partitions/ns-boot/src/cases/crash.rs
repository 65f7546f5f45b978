//! A normal world whose kernel crashes with everything outstanding that it may have, and boots again (R2): nothing of the old one is left,
//! nothing of it reaches the new one, and the TEEs serve that as they served the old one.
use super::discovery::{RX, TX, prepare};
use super::elsewhere::on_core;
use super::exhaustion::Shares;
use super::preemption::{LONG, interrupted, start};
use super::share::Descriptor;
use super::{
    A, B, Case, Outcome, alive, ask, bad, complete, ffa, good, halves, inside_good, isolation, put, reclaim,
    request_inside, tell, to,
};
use crate::arch::machine::{Page, SCHEDULE_RECEIVER, came, let_in, set_timer, smc, stop_timer};
use crate::ensure;
use crate::test_sp;
use core::sync::atomic::{AtomicU64, Ordering};
use sp_rt::ffa::{self as f, Error};
use sp_rt::retrieve::KIND_LEND;

/// These cases.
pub const CASES: &[Case] = &[
    isolation("anew-with-all-that-can-be-outstanding", everything),
    isolation("anew-with-buffers-elsewhere", elsewhere),
    isolation("anew-on-another-core", other_core),
    isolation("anew-while-a-call-has-yielded", yielded),
    isolation("anew-while-partitions-call-each-other", chain),
    isolation("anew-again-and-again", often),
];

static SHARED: Page = Page::new();
static LENT: Page = Page::new();
static NEW_TX: Page = Page::new();
static NEW_RX: Page = Page::new();

const ONE: u64 = 1 << 4;
const MARK: u64 = 0x5ec2_e700;
const FROM_VMS: u64 = 2;

fn share(page: &Page) -> Outcome<u64> {
    Descriptor::new(A, [(page.address(), 1)].into_iter()).share()
}

/// How many transactions there is room for at A: what other cases have given it for good takes some for ever.
fn room() -> Outcome<usize> {
    let mut all = Shares::with(A, 0);
    let room = all.fill();
    all.take_back()?;
    room
}

/// A message of A's to the normal world, which never looks.
fn message() -> Outcome {
    let mut bytes = [0; 48];
    for (to, word) in bytes
        .chunks_exact_mut(8)
        .zip([0, to(A) << 48 | 40, 8, 0, 0, MARK])
    {
        to.copy_from_slice(&word.to_le_bytes());
    }
    put(A, &bytes)?;
    inside_good(A, f::MSG_SEND2, &[]).map(drop)
}

/// A kernel shares, lends, is told, is written to, calls, and has begun to share more; then it crashes.
struct Old {
    shared: u64,
    lent: u64,
    begun: [u64; 2],
    preempted: u64,
    waiting: u64,
}

impl Old {
    fn crash(room: usize) -> Outcome<Self> {
        good(f::NOTIFICATION_BITMAP_CREATE, &[0, 4])?;
        good(f::NOTIFICATION_BIND, &[to(A) << 16, 0, ONE, 0])?;
        inside_good(A, f::NOTIFICATION_SET, &[to(A) << 16, 0, ONE])?;
        inside_good(A, f::NOTIFICATION_BIND, &[to(A), 0, ONE, 0])?;
        good(f::NOTIFICATION_SET, &[to(A), 0, ONE, 0])?;
        message()?;
        let shared = share(&SHARED)?;
        ask(A, test_sp::RETRIEVE, [shared, 0, 0, 0])?;
        LENT.write(7, MARK);
        let lent = Descriptor::new(A, [(LENT.address(), 1)].into_iter())
            .lent()
            .share()?;
        ask(A, test_sp::RETRIEVE, [lent, u64::from(KIND_LEND), 0, 0])?;
        let mut more = Shares::with(A, 0);
        for _ in 3..room {
            ensure!(more.add(1)?, "no room for more");
        }
        let two = Descriptor::new(A, [0x7100_0000, 0x7100_2000].into_iter().map(|page| (page, 1)));
        TX.fill(&two.bytes()[..112]);
        let begun = ffa(f::MEM_SHARE, &[128, 112]);
        ensure!(begun.function() == f::MEM_FRAG_RX, "{:#x}", begun.x(0));
        let preempted = start(B, LONG / 10, 2_000);
        interrupted(&preempted, B)?;
        stop_timer();
        let_in();
        let waiting = ffa(f::DIRECT_REQ_64, &[to(B), 0, test_sp::ECHO, MARK]);
        ensure!(waiting.function() == f::INTERRUPT, "{:#x}", waiting.x(0));
        Ok(Self {
            shared,
            lent,
            begun: [begun.x(1), begun.x(2)],
            preempted: preempted.x(1),
            waiting: waiting.x(1),
        })
    }

    /// None of its handles and names is anything to the new kernel, or to a partition.
    fn is_gone(&self) -> Outcome {
        for handle in [self.shared, self.lent] {
            let [low, high] = halves(handle);
            bad(f::MEM_RECLAIM, &[low, high, 0], Error::INVALID_PARAMETERS)?;
            let (status, _) = tell(A, test_sp::RETRIEVE, [handle, 0, 0, 0])?;
            ensure!(status == Error::INVALID_PARAMETERS, "{handle:#x}: {status:?}");
        }
        ensure!(LENT.read(7) == 0, "{:#x} is left of the loan", LENT.read(7));
        let [low, high] = self.begun;
        bad(f::MEM_FRAG_TX, &[low, high, 16], Error::INVALID_PARAMETERS)?;
        let stale = ffa(f::RUN, &[self.waiting]);
        ensure!(stale.function() == f::ERROR, "the old request: {:#x}", stale.x(0));
        Ok(())
    }
}

fn everything() -> Outcome {
    let room = room()?;
    let old = Old::crash(room)?;
    let _ = came(SCHEDULE_RECEIVER);
    prepare()?;
    let gone = old.is_gone();
    // Its buffer is empty, it is told of nothing, and it has notifications of its own.
    good(f::PARTITION_INFO_GET, &[])?;
    good(f::RX_RELEASE, &[])?;
    good(f::NOTIFICATION_BITMAP_CREATE, &[0, 2])?;
    let told = good(f::NOTIFICATION_GET, &[0, 7])?;
    good(f::NOTIFICATION_BIND, &[to(B) << 16, 0, ONE, 0])?;
    good(f::NOTIFICATION_UNBIND, &[to(B) << 16, 0, ONE, 0])?;
    good(f::NOTIFICATION_BITMAP_DESTROY, &[0])?;
    // What A has bound is A's; it puts it away.
    inside_good(A, f::NOTIFICATION_GET, &[to(A), FROM_VMS])?;
    inside_good(A, f::NOTIFICATION_UNBIND, &[to(A), 0, ONE, 0])?;
    let _ = ffa(f::NOTIFICATION_INFO_GET_64, &[]);
    let_in();
    // There is room for as many shares as ever, and each TEE answers the new kernel and nobody else.
    let left = self::room()?;
    let answer = ffa(f::DIRECT_REQ_64, &[to(B), 0, test_sp::ECHO, 2, 7, 1, 8]);
    let (answer, _) = complete(answer);
    ensure!(
        answer.function() == f::DIRECT_RESP_64 && answer.0[4..8] == [2, 7, 1, 8],
        "{:#x} {:x?}",
        answer.x(0),
        &answer.0[4..8]
    );
    let again = ffa(f::RUN, &[old.preempted]);
    ensure!(again.function() != f::DIRECT_RESP_64, "the old call is answered");
    gone?;
    ensure!(left == room, "room for {left} instead of {room}");
    let bits = told.0[2..8].iter().fold(0, |all, word| all | word);
    ensure!(bits == 0, "told {bits:#x}");
    alive(A)?;
    alive(B)
}

/// Its buffers are other pages: those of the old one are memory as any other.
fn elsewhere() -> Outcome {
    let old = share(&SHARED)?;
    let answer = ffa(f::VERSION, &[u64::from(f::VERSION_1_2)]).w(0);
    ensure!(answer == f::VERSION_1_2, "{answer:#x}");
    good(f::RXTX_MAP_64, &[NEW_TX.address(), NEW_RX.address(), 1])?;
    RX.write(0, MARK);
    NEW_RX.write(0, 0);
    good(f::PARTITION_INFO_GET, &[])?;
    let (left, written) = (RX.read(0), NEW_RX.read(0));
    good(f::RX_RELEASE, &[])?;
    let both = Descriptor::new(A, [(TX.address(), 1), (RX.address(), 1)].into_iter());
    NEW_TX.fill(both.bytes());
    let length = both.bytes().len() as u64;
    let shared = ffa(f::MEM_SHARE, &[length, length]);
    let shared = shared.success().map(|answer| super::handle_of(&answer));
    if let Ok(handle) = shared {
        reclaim(handle)?;
    }
    prepare()?;
    ensure!(
        left == MARK && written != 0,
        "the old buffer holds {left:#x}, the new one {written:#x}"
    );
    ensure!(
        shared.is_ok(),
        "the old buffers cannot be shared: {:?}",
        shared.err()
    );
    let [low, high] = halves(old);
    bad(f::MEM_RECLAIM, &[low, high, 0], Error::INVALID_PARAMETERS)
}

static DONE: AtomicU64 = AtomicU64::new(0);

/// It boots on another core than the old one had a call under way on.
fn other_core() -> Outcome {
    let old = start(A, LONG / 10, 2_000);
    interrupted(&old, A)?;
    stop_timer();
    let_in();
    share(&SHARED)?;
    on_core(1, |_| {
        let right = prepare().is_ok() && alive(A).is_ok() && alive(B).is_ok();
        let right = right && share(&SHARED).and_then(reclaim).is_ok();
        DONE.store(u64::from(right), Ordering::Release);
    })?;
    ensure!(DONE.load(Ordering::Acquire) == 1, "it does not work on core 1");
    next_call(A)
}

/// The first call of the new kernel to a context that still works for the old one has its own answer.
fn next_call(target: u16) -> Outcome {
    let (answer, _) = complete(ffa(f::DIRECT_REQ_64, &[to(target), 0, test_sp::ECHO, 3, 1, 4, 2]));
    ensure!(
        answer.function() == f::DIRECT_RESP_64 && answer.0[4..8] == [3, 1, 4, 2],
        "{:#x} {:x?}",
        answer.x(0),
        &answer.0[4..8]
    );
    alive(target)
}

fn yielded() -> Outcome {
    let old = ffa(f::DIRECT_REQ_64, &[to(A), 0, test_sp::CALL, u64::from(f::YIELD)]);
    ensure!(old.function() == f::YIELD, "{:#x}", old.x(0));
    prepare()?;
    next_call(A)
}

/// A waits for B, which was preempted: both serve the new kernel, A when it has B's answer.
fn chain() -> Outcome {
    set_timer(2_000);
    let words = [to(A) << 16 | to(B), 0, test_sp::BUSY, LONG / 10];
    let old = smc(&request_inside(A, f::DIRECT_REQ_64, &words));
    stop_timer();
    let_in();
    interrupted(&old, A)?;
    prepare()?;
    next_call(A)?;
    next_call(B)
}

/// What is outstanding at each of many crashes adds up to nothing.
fn often() -> Outcome {
    let room = room()?;
    for _ in 0..40 {
        let handle = share(&SHARED)?;
        ask(A, test_sp::RETRIEVE, [handle, 0, 0, 0])?;
        good(f::NOTIFICATION_BITMAP_CREATE, &[0, 4])?;
        good(f::NOTIFICATION_BIND, &[to(A) << 16, 0, ONE, 0])?;
        prepare()?;
    }
    let left = self::room()?;
    ensure!(left == room, "room for {left} instead of {room}");
    alive(A)
}
