//! Calls a TEE from several threads for a time, while the threads are moved between cores, in calls too.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bulkhead_client::options::{Kind, Options};
use bulkhead_client::report::Line;
use rustix::thread::{CpuSet, Pid, gettid, sched_getaffinity, sched_getcpu, sched_setaffinity};

use crate::services;
use crate::teec::Context;

/// How long a call may go on after the end before it counts as lost.
const GRACE: Duration = Duration::from_secs(60);

/// What the threads have come to.
#[derive(Default)]
struct Tally {
    calls: AtomicU64,
    wrong: AtomicU64,
    /// Calls that ended on another core than they began on.
    migrations: AtomicU64,
    running: AtomicU64,
    stop: AtomicBool,
    first_fault: Mutex<Option<String>>,
}

impl Tally {
    fn fault(&self, why: String) {
        self.wrong.fetch_add(1, Ordering::Relaxed);
        if let Ok(mut first) = self.first_fault.lock() {
            first.get_or_insert(why);
        }
    }
}

/// Loads the TEE, prints what came of it, and tells whether all is right.
pub fn run(options: &Options) -> bool {
    let tally: &'static Tally = Box::leak(Box::default());
    let ids: &'static [AtomicI32] = Box::leak((0..options.threads).map(|_| AtomicI32::new(0)).collect());
    tally.running.store(ids.len() as u64, Ordering::SeqCst);
    let start = Instant::now();
    for id in ids {
        let (tee, kind) = (options.tee.clone(), options.kind);
        std::thread::spawn(move || worker(&tee, kind, id, tally));
    }
    let moves = mover(ids, start + Duration::from_secs(options.seconds), tally);
    tally.stop.store(true, Ordering::SeqCst);
    let limit = Instant::now() + GRACE;
    while tally.running.load(Ordering::SeqCst) != 0 && Instant::now() < limit {
        std::thread::sleep(Duration::from_millis(20));
    }
    report(options, tally, moves)
}

fn report(options: &Options, tally: &Tally, moves: u64) -> bool {
    let count = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
    let (calls, wrong, lost) = (count(&tally.calls), count(&tally.wrong), count(&tally.running));
    let detail = tally
        .first_fault
        .lock()
        .ok()
        .and_then(|mut first| first.take())
        .unwrap_or_default();
    let ok = calls > 0 && wrong == 0 && lost == 0;
    let line = Line::new("load").text("tee", &options.tee).truth("ok", ok);
    let line = line
        .number("threads", options.threads as u64)
        .number("seconds", options.seconds);
    let line = line
        .number("calls", calls)
        .number("lost", lost)
        .number("wrong", wrong);
    line.number("migrations", count(&tally.migrations))
        .number("moves", moves)
        .text("detail", &detail)
        .print();
    ok
}

/// Calls until told to stop.
fn worker(tee: &str, kind: Kind, id: &AtomicI32, tally: &Tally) {
    id.store(gettid().as_raw_nonzero().get(), Ordering::SeqCst);
    if let Err(why) = calls(tee, kind, tally) {
        tally.fault(why);
    }
    id.store(0, Ordering::SeqCst);
    tally.running.fetch_sub(1, Ordering::SeqCst);
}

fn calls(tee: &str, kind: Kind, tally: &Tally) -> Result<(), String> {
    let context = Context::new(tee).map_err(|error| error.to_string())?;
    let mut caller = services::caller(&context, kind)?;
    // At least one call, however long the session took to open.
    loop {
        let before = sched_getcpu();
        let outcome = caller.call();
        if sched_getcpu() != before {
            tally.migrations.fetch_add(1, Ordering::Relaxed);
        }
        tally.calls.fetch_add(1, Ordering::Relaxed);
        if let Err(why) = outcome {
            tally.fault(why);
        }
        if tally.stop.load(Ordering::Relaxed) {
            return Ok(());
        }
    }
}

/// Moves a random thread to a random core every now and then, or sets it free. Returns how often it did.
fn mover(ids: &[AtomicI32], end: Instant, tally: &Tally) -> u64 {
    let all = sched_getaffinity(None).unwrap_or_default();
    let cores: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|core| all.is_set(*core)).collect();
    let mut moves = 0;
    while Instant::now() < end && tally.running.load(Ordering::SeqCst) != 0 {
        std::thread::sleep(Duration::from_micros(fastrand::u64(300..3000)));
        let thread = fastrand::choice(ids).and_then(|id| Pid::from_raw(id.load(Ordering::SeqCst)));
        let (Some(thread), Some(core)) = (thread, fastrand::choice(&cores)) else {
            continue;
        };
        let mut place = CpuSet::new();
        place.set(*core);
        let place = if fastrand::u8(..4) == 0 { &all } else { &place };
        // A core that is off, or a thread that has just ended, is no fault: it is not moved then.
        moves += u64::from(sched_setaffinity(Some(thread), place).is_ok());
    }
    moves
}
