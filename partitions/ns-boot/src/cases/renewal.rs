//! A normal world that starts anew over what the last one left (DEN0077A 1.2, sections 13.2.2 and 13.6): FFA_VERSION and
//! then FFA_RXTX_MAP over buffers that are registered.
use super::discovery::{RX, TX, prepare, remap};
use super::share::Descriptor;
use super::{
    A, Case, Outcome, alive, ask, bad, clause, complete, ffa, good, halves, reclaim, right, tell, to, wrong,
};
use crate::arch::machine::{Page, let_in, set_timer, stop_timer};
use crate::ensure;
use crate::test_sp;
use sp_rt::ffa::{self as f, Error};

const CALLS: &[u32] = &[f::VERSION, f::RXTX_MAP_64];
static PAGE: Page = Page::new();

/// These cases.
pub const CASES: &[Case] = &[
    right("anew-takes-shares-back", CALLS, clause::VERSION, || {
        let handle = one().share()?;
        ask(A, test_sp::RETRIEVE, [handle, 0, 0, 0])?;
        begin(f::VERSION_1_2)?;
        let [low, high] = halves(handle);
        bad(f::MEM_RECLAIM, &[low, high, 0], Error::INVALID_PARAMETERS)?;
        let (status, _) = tell(A, test_sp::RETRIEVE, [handle, 0, 0, 0])?;
        ensure!(status == Error::INVALID_PARAMETERS, "the old handle: {status:?}");
        // The same page can be shared again.
        let handle = one().share()?;
        ask(A, test_sp::BORROW, [handle, 0, 0, 0])?;
        reclaim(handle)
    }),
    right("anew-clears-loans", CALLS, clause::VERSION, || {
        PAGE.write(7, 0x7777);
        let handle = one().lent().share()?;
        ask(
            A,
            test_sp::RETRIEVE,
            [handle, u64::from(sp_rt::retrieve::KIND_LEND), 0, 0],
        )?;
        begin(f::VERSION_1_2)?;
        ensure!(PAGE.read(7) == 0, "{:#x} is left", PAGE.read(7));
        reclaim(one().share()?)
    }),
    right("anew-forgets-notifications", CALLS, clause::VERSION, || {
        good(f::NOTIFICATION_BITMAP_CREATE, &[0, 4])?;
        good(f::NOTIFICATION_BIND, &[to(A) << 16, 0, 1, 0])?;
        begin(f::VERSION_1_2)?;
        good(f::NOTIFICATION_BITMAP_CREATE, &[0, 2])?;
        good(f::NOTIFICATION_BIND, &[to(super::B) << 16, 0, 1, 0])?;
        good(f::NOTIFICATION_BITMAP_DESTROY, &[0]).map(drop)
    }),
    right("anew-forgets-fragments", CALLS, clause::VERSION, || {
        let two = Descriptor::new(A, [0x7100_0000, 0x7100_2000].into_iter().map(|page| (page, 1)));
        TX.fill(&two.bytes()[..112]);
        let begun = ffa(f::MEM_SHARE, &[128, 112]);
        ensure!(begun.function() == f::MEM_FRAG_RX, "{:#x}", begun.x(0));
        begin(f::VERSION_1_2)?;
        TX.fill(&two.bytes()[112..]);
        bad(
            f::MEM_FRAG_TX,
            &[begun.x(1), begun.x(2), 16],
            Error::INVALID_PARAMETERS,
        )?;
        reclaim(Descriptor::new(A, [(0x7100_0000, 1)].into_iter()).share()?)
    }),
    // What a preempted context still answers reaches nobody; it gets the time to finish from the next call.
    right(
        "anew-while-a-call-is-preempted",
        &[f::RXTX_MAP_64, f::INTERRUPT, f::RUN],
        clause::VERSION,
        || {
            set_timer(2_000);
            let old = ffa(
                f::DIRECT_REQ_64,
                &[to(A), 0, test_sp::BUSY, super::preemption::LONG / 4],
            );
            stop_timer();
            let_in();
            ensure!(old.function() == f::INTERRUPT, "{:#x}", old.x(0));
            begin(f::VERSION_1_2)?;
            let words = [2, 7, 1, 8];
            let next = ffa(f::DIRECT_REQ_64, &[to(A), 0, test_sp::ECHO, 2, 7, 1, 8]);
            let (next, _) = complete(next);
            ensure!(
                next.function() == f::DIRECT_RESP_64 && next.0[4..8] == words,
                "{:#x} {:x?}",
                next.x(0),
                &next.0[4..8]
            );
            alive(A)
        },
    ),
    right("anew-in-another-version", CALLS, clause::VERSION, || {
        begin(f::VERSION_1_1)?;
        let handle =
            Descriptor::with_receivers(f::VERSION_1_1, &[A], [(PAGE.address(), 1)].into_iter()).share()?;
        reclaim(handle)?;
        remap(f::VERSION_1_2)
    }),
    // A mere second FFA_RXTX_MAP, with a call of the old life before it.
    wrong(
        "anew-without-version",
        &[f::RXTX_MAP_64],
        clause::RXTX_MAP,
        || {
            let handle = one().share()?;
            bad(f::RXTX_MAP_64, &[TX.address(), RX.address(), 1], Error::DENIED)?;
            reclaim(handle)
        },
    ),
    wrong("anew-and-on-with-the-old", CALLS, clause::VERSION, || {
        let handle = one().share()?;
        let answer = ffa(f::VERSION, &[u64::from(f::VERSION_1_1)]).w(0);
        ensure!(answer == f::VERSION_1_2, "{answer:#x}");
        // This is the old life: its share stays, and its version.
        ask(A, test_sp::BORROW, [handle, 0, 0, 0])?;
        good(f::PARTITION_INFO_GET, &[])?;
        good(f::RX_RELEASE, &[])?;
        bad(f::RXTX_MAP_64, &[TX.address(), RX.address(), 1], Error::DENIED)?;
        reclaim(handle)
    }),
];

fn one() -> Descriptor {
    Descriptor::new(A, [(PAGE.address(), 1)].into_iter())
}

/// Starts anew in a version.
fn begin(version: u32) -> Outcome {
    if version == f::VERSION_1_2 {
        return prepare();
    }
    let answer = ffa(f::VERSION, &[u64::from(version)]).w(0);
    ensure!(answer == f::VERSION_1_2, "FFA_VERSION: {answer:#x}");
    good(f::RXTX_MAP_64, &[TX.address(), RX.address(), 1]).map(drop)
}
