//! Buffers that another core changes while the hypervisor reads them (M3): what is checked is what is used, so each call is taken as one or the
//! other of what stood there, or refused; and whoever lent memory so has it back.
use super::discovery::{RX, TX};
use super::elsewhere::wait_off;
use super::share::{Descriptor, field, relinquishment};
use super::{
    A, B, Case, Outcome, alive, ask, ffa, good, halves, handle_of, inside, inside_good, isolation, look, put,
    reclaim, send, taken,
};
use crate::arch::machine::{Page, core_on, now, pause};
use crate::ensure;
use crate::test_sp;
use core::cell::Cell;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use sp_rt::ffa::{self as f, Error};

/// Those of a normal world, for the table `ffa`.
pub const OUTSIDE: &[Case] = &[
    isolation("fragments-while-they-change", fragments),
    isolation("message-while-it-changes", message),
    isolation("hypervisor-retrieves-while-it-changes", hypervisor_retrieves),
];

/// Those of partitions, for the table `ffa-memory`: one context makes the call, another one changes the TX buffer of both.
pub const INSIDE: &[Case] = &[
    isolation("partition-shares-while-it-changes", shares),
    isolation("partition-retrieves-while-it-changes", retrieves),
    isolation("partition-relinquishes-while-it-changes", relinquishes),
];

/// A third one, with which A may share.
const C: u16 = 0x8003;
/// How often each call has to be taken, and refused, before it is enough; and how long that may take, in microseconds.
const ENOUGH: [u32; 2] = [4, 2];
const LIMIT: u64 = 8_000_000;
static PAGES: [Page; 2] = [const { Page::new() }; 2];

/// Who changes a word (0: the normal world itself), where, and the two values that it has in turn.
static WHO: AtomicU64 = AtomicU64::new(0);
static PLACE: AtomicU64 = AtomicU64::new(0);
static VALUES: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];
/// What core 1 is to do, and whether it changes the word at the moment.
static ORDER: AtomicU64 = AtomicU64::new(REST);
static CHANGES: AtomicBool = AtomicBool::new(false);
const REST: u64 = 0;
const CHANGE: u64 = 1;
const END: u64 = 2;
/// Microseconds for which it has changed the word before the call comes.
const BEFORE: u64 = 50;

/// What changes: the 8 bytes at `at` of the TX buffer of `who`.
struct Change {
    who: u16,
    at: usize,
    values: [u64; 2],
}

/// Core 1 changes a word, rests, and ends, as it is told.
fn change(_core: usize) {
    let who = WHO.load(Ordering::Acquire) as u16;
    let place = PLACE.load(Ordering::Acquire);
    let mut values = [0, 1].map(|n: usize| VALUES[n].load(Ordering::Acquire));
    loop {
        match ORDER.load(Ordering::Acquire) {
            END => return,
            REST => {
                CHANGES.store(false, Ordering::Release);
                pause();
            }
            _ => {
                CHANGES.store(true, Ordering::Release);
                if who == 0 {
                    for value in values {
                        TX.write(place as usize / 8, value);
                    }
                } else {
                    send(who, test_sp::FLIP, [place, values[0], values[1], 2000]);
                }
                // Either stands there between two turns.
                values.swap(0, 1);
            }
        }
    }
}

/// Has core 1 change the word, or rest; once it does.
fn order(what: u64) {
    ORDER.store(what, Ordering::Release);
    while CHANGES.load(Ordering::Acquire) != (what == CHANGE) {
        pause();
    }
    if what == CHANGE {
        let until = now() + BEFORE;
        while now() < until {}
    }
}

/// Makes a call while a word changes, again and again, until it was taken (true) and refused as often as is enough. What is before and
/// behind each call is done while nothing changes.
fn meanwhile(
    wrong: &Change,
    mut before: impl FnMut() -> Outcome,
    mut call: impl FnMut() -> Outcome<f::Regs>,
    mut behind: impl FnMut(&f::Regs) -> Outcome<bool>,
) -> Outcome {
    let place = match wrong.who {
        0 => 0,
        who => ask(who, test_sp::PLACES, [0; 4])?[0],
    };
    WHO.store(u64::from(wrong.who), Ordering::Release);
    PLACE.store(place + wrong.at as u64, Ordering::Release);
    for (to, value) in VALUES.iter().zip(wrong.values) {
        to.store(value, Ordering::Release);
    }
    ORDER.store(REST, Ordering::Release);
    ensure!(core_on(1, change), "core 1 does not start");
    let mut counts = [0; 2];
    let deadline = now() + LIMIT;
    let mut result = Ok(());
    while result.is_ok() && counts.iter().zip(ENOUGH).any(|(n, enough)| *n < enough) && now() < deadline {
        let mut round = || {
            before()?;
            order(CHANGE);
            let answer = call();
            order(REST);
            behind(&answer?)
        };
        match round() {
            Ok(taken) => counts[usize::from(!taken)] += 1,
            Err(why) => result = Err(why),
        }
    }
    ORDER.store(END, Ordering::Release);
    wait_off(1)?;
    result?;
    ensure!(
        counts[0] > 0 && counts[1] > 0,
        "{} taken, {} refused: nothing changed meanwhile",
        counts[0],
        counts[1]
    );
    Ok(())
}

/// Whether a call was taken; if not, with one of these errors.
fn tally(answer: &f::Regs, errors: &[Error]) -> Outcome<bool> {
    match answer.success() {
        Ok(_) => Ok(true),
        Err(error) if errors.contains(&error) => Ok(false),
        Err(error) => Err(super::Why::new(format_args!("{:#x}: {error:?}", answer.x(0)))),
    }
}

const REFUSALS: [Error; 3] = [Error::INVALID_PARAMETERS, Error::DENIED, Error::NO_MEMORY];

/// The second fragment has one range, of the normal world's page or of the hypervisor's.
fn fragments() -> Outcome {
    let [first, second] = [0, 1].map(|n: usize| PAGES[n].address());
    let whole = Descriptor::new(A, [(first, 1), (second, 1)].into_iter());
    let wrong = Change {
        who: 0,
        at: 0,
        values: [second, 0x0e10_0000],
    };
    let handle = Cell::new([0; 2]);
    meanwhile(
        &wrong,
        || {
            TX.fill(&whole.bytes()[..112]);
            let begun = ffa(f::MEM_SHARE, &[128, 112]);
            ensure!(begun.function() == f::MEM_FRAG_RX, "{:#x}", begun.x(0));
            handle.set([begun.x(1), begun.x(2)]);
            TX.fill(&whole.bytes()[112..]);
            Ok(())
        },
        || {
            let [low, high] = handle.get();
            Ok(ffa(f::MEM_FRAG_TX, &[low, high, 16]))
        },
        |answer| {
            if !tally(answer, &REFUSALS)? {
                return Ok(false);
            }
            let handle = handle_of(answer);
            let [_, ranges, pages, _] = ask(A, test_sp::RETRIEVE, [handle, 0, 0, 0])?;
            ask(A, test_sp::RELINQUISH, [handle, 0, 0, 0])?;
            reclaim(handle)?;
            ensure!(pages == 2, "{ranges} ranges of {pages} pages");
            Ok(true)
        },
    )?;
    // All of it is the normal world's again.
    reclaim(whole.share()?)
}

/// Its length is right, or longer than the page.
fn message() -> Outcome {
    const MARK: u64 = 0x6d65_7373_6167_6531;
    const LENGTH: u64 = 24;
    let wrong = Change {
        who: 0,
        at: 16,
        values: [LENGTH, 0xffff_ffff],
    };
    let ends = u64::from(A) << 32 | 40;
    let words = [0, ends, LENGTH, 0, 0, MARK, MARK + 1, MARK + 2];
    meanwhile(
        &wrong,
        || {
            for (n, word) in words.into_iter().enumerate() {
                TX.write(n, word);
            }
            Ok(())
        },
        || Ok(ffa(f::MSG_SEND2, &[])),
        |answer| {
            if !tally(answer, &REFUSALS)? {
                return Ok(false);
            }
            let came = look(A, 0)?;
            inside_good(A, f::RX_RELEASE, &[])?;
            ensure!(came[..8] == words, "{:x?}", &came[..8]);
            Ok(true)
        },
    )?;
    let spmc = 1 << 2;
    inside_good(A, f::NOTIFICATION_GET, &[u64::from(A), spmc])?;
    let _ = ffa(f::NOTIFICATION_INFO_GET_64, &[]);
    alive(A)
}

/// The handle is that of a share, or of none.
fn hypervisor_retrieves() -> Outcome {
    let handle = Descriptor::new(A, [(PAGES[0].address(), 1)].into_iter()).share()?;
    let wrong = Change {
        who: 0,
        at: field::HANDLE,
        values: [handle, handle ^ 1 << 40],
    };
    let mut asked = [0; 48];
    asked[field::HANDLE..field::HANDLE + 8].copy_from_slice(&handle.to_le_bytes());
    let result = meanwhile(
        &wrong,
        || {
            TX.fill(&asked);
            Ok(())
        },
        || Ok(ffa(f::MEM_RETRIEVE_REQ, &[48, 48])),
        |answer| {
            if answer.function() != f::MEM_RETRIEVE_RESP {
                return tally(answer, &REFUSALS);
            }
            let found = RX.read(field::HANDLE / 8);
            good(f::RX_RELEASE, &[])?;
            ensure!(found == handle, "{found:#x} instead of {handle:#x}");
            Ok(true)
        },
    );
    reclaim(handle)?;
    result
}

/// The first of a partition's own pages that nothing else uses.
fn pages(partition: u16) -> Outcome<u64> {
    Ok(ask(partition, test_sp::PLACES, [0; 4])?[2])
}

fn share(receiver: u16, page: u64) -> Descriptor {
    Descriptor::new(receiver, [(page, 1)].into_iter()).with(field::SENDER, &A.to_le_bytes())
}

fn offered(receiver: u16, page: u64) -> Outcome<u64> {
    let answer = share(receiver, page).of(A)?;
    ensure!(answer.success().is_ok(), "{:#x} {:#x}", answer.x(0), answer.x(2));
    Ok(handle_of(&answer))
}

fn take_back(handle: u64) -> Outcome {
    let [low, high] = halves(handle);
    inside_good(A, f::MEM_RECLAIM, &[low, high, 0]).map(drop)
}

fn retrieved(borrower: u16, handle: u64) -> Outcome<u64> {
    let flags = 1 << 3 | u64::from(A) << 32;
    Ok(ask(borrower, test_sp::RETRIEVE, [handle, flags, 0, 0])?[0])
}

/// The page is A's own, or the hypervisor's, its neighbour's; or there are more of them than A has.
fn shares() -> Outcome {
    let (own, others) = (pages(A)?, pages(B)?);
    let one = 1 | 1 << 32;
    for (at, good, bad) in [
        (field::ADDRESS, own, 0x0e10_0000),
        (field::ADDRESS, own, others),
        (field::PAGES, one, one | 0x00ff_0000),
    ] {
        let wrong = Change {
            who: A,
            at,
            values: [good, bad],
        };
        let right = share(B, own);
        meanwhile(
            &wrong,
            || put(A, right.bytes()),
            || inside(A, f::MEM_SHARE, &[112, 112]),
            |answer| {
                if !tally(answer, &REFUSALS)? {
                    return Ok(false);
                }
                let handle = handle_of(answer);
                let address = retrieved(B, handle)?;
                ask(B, test_sp::RELINQUISH, [handle, 0, 0, 0])?;
                take_back(handle)?;
                ensure!(address == own, "B has {address:#x}");
                Ok(true)
            },
        )?;
    }
    take_back(offered(B, own)?)
}

/// The handle is B's, or that of what A shares with another one.
fn retrieves() -> Outcome {
    let own = pages(A)?;
    let (mine, theirs) = (offered(B, own)?, offered(C, own + 4096)?);
    let wrong = Change {
        who: B,
        at: field::HANDLE,
        values: [mine, theirs],
    };
    let right = Descriptor::retrieval(A, B, mine);
    let length = right.bytes().len() as u64;
    let result = meanwhile(
        &wrong,
        || put(B, right.bytes()),
        || inside(B, f::MEM_RETRIEVE_REQ, &[length, length]),
        |answer| {
            if answer.function() != f::MEM_RETRIEVE_RESP {
                return tally(answer, &REFUSALS);
            }
            let address = taken(B, answer)?;
            ask(B, test_sp::RELINQUISH, [mine, 0, 0, 0])?;
            ensure!(address == own, "B has {address:#x}");
            Ok(true)
        },
    );
    take_back(mine)?;
    take_back(theirs)?;
    result
}

/// The handle is one or the other of two that B has retrieved: it gives back exactly one. One of them counts as taken, the other as refused.
fn relinquishes() -> Outcome {
    let own = pages(A)?;
    let handles = [offered(B, own)?, offered(B, own + 4096)?];
    let both = Change {
        who: B,
        at: 0,
        values: handles,
    };
    let gives = |handle: u64| {
        put(B, &relinquishment(handle, 0, &[B]))?;
        inside(B, f::MEM_RELINQUISH, &[])
    };
    let result = meanwhile(
        &both,
        || {
            for handle in handles {
                retrieved(B, handle)?;
            }
            put(B, &relinquishment(handles[0], 0, &[B]))
        },
        || inside(B, f::MEM_RELINQUISH, &[]),
        |answer| {
            tally(answer, &[])?;
            let [first, second] = [gives(handles[0])?, gives(handles[1])?];
            let kept = [first, second].map(|answer| answer.success().is_ok());
            ensure!(kept[0] != kept[1], "kept: {kept:?}");
            Ok(kept[1])
        },
    );
    for handle in handles {
        take_back(handle)?;
    }
    result
}
