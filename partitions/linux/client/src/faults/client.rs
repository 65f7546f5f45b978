//! A client of a TEE that may fail under it: a process that calls without a pause, and ends when something is wrong, and a
//! thread that tells of it, and starts another one then.

use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Write};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bulkhead_client::options::Kind;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::services;
use crate::signals;
use crate::teec::Context;

/// How long it waits before it tries again.
const PAUSE: Duration = Duration::from_millis(10);

/// What a client tells.
pub struct News {
    /// Its TEE, by its place in the list.
    pub tee: usize,
    /// When that was.
    pub at: Instant,
    /// What it tells.
    pub what: What,
}

/// What happened to a client.
pub enum What {
    /// It has a place, and the first answer there was right.
    Served,
    /// A call, or the opening of a place, had an error or a wrong answer.
    Failed(String),
}

/// What it calls in a place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Calls of all kinds, by chance.
    Mixed,
    /// A mebibyte hashed, again and again: its TEE is in its kernel for most of that.
    Large,
}

/// What it shares with who watches it.
#[derive(Default)]
struct Shared {
    right: AtomicU64,
    large: AtomicBool,
    over: AtomicBool,
    /// The process that has the place; none: 0. Whether it was asked to leave it.
    process: AtomicI32,
    leaves: AtomicBool,
}

/// A client. A TEE has one: stock Linux has no way to tell the others that wait for a mutex of its kernel, in Linux, that
/// it ended.
pub struct Client {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

/// Held while a process begins: no other one has its end of the pipe then.
static BEGINS: Mutex<()> = Mutex::new(());
/// What a process writes: it is served, one more right answer, what was wrong, and that it ends.
const SERVED: u8 = b's';
const RIGHT: u8 = b'r';
const FAILED: u8 = b'f';
const ENDED: u8 = b'e';

/// What a client needs to begin.
pub struct Place {
    /// The TEE's name.
    pub name: String,
    /// The TEE's kind.
    pub kind: Kind,
    /// Where chance starts.
    pub seed: u64,
}

impl Client {
    /// Starts that of the TEE with this place in the list.
    pub fn start(tee: usize, place: Place, news: Sender<News>) -> Client {
        let shared = Arc::new(Shared::default());
        let thread = std::thread::spawn({
            let shared = shared.clone();
            let tell = move |what| {
                let at = Instant::now();
                // Nobody hears it at the end.
                let _ = news.send(News { tee, at, what });
            };
            move || live(&shared, &place, &tell)
        });
        Client { shared, thread }
    }

    /// What it is to call: it leaves a place where it calls something else behind the call that it is in.
    pub fn want(&self, work: Work) {
        let large = work == Work::Large;
        if self.shared.large.swap(large, Ordering::SeqCst) != large {
            self.shared.leave();
        }
    }

    /// Calls that had their right answers.
    pub fn right(&self) -> u64 {
        self.shared.right.load(Ordering::SeqCst)
    }

    /// Has it end behind the call that it is in; whether it has.
    pub fn end(self, limit: Instant) -> bool {
        self.shared.over.store(true, Ordering::SeqCst);
        self.shared.leave();
        while !self.thread.is_finished() {
            if Instant::now() > limit {
                return false;
            }
            std::thread::sleep(PAUSE);
        }
        self.thread.join().is_ok()
    }
}

impl Shared {
    fn work(&self) -> Work {
        if self.large.load(Ordering::SeqCst) {
            Work::Large
        } else {
            Work::Mixed
        }
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// Has the process that has the place leave it behind its call.
    fn leave(&self) {
        self.leaves.store(true, Ordering::SeqCst);
        let process = Pid::from_raw(self.process.load(Ordering::SeqCst));
        if let Some(process) = process {
            // One that has just ended is waited for yet.
            let _ = kill_process(process, Signal::TERM);
        }
    }
}

fn live(shared: &Shared, place: &Place, tell: &dyn Fn(What)) {
    fastrand::seed(place.seed);
    let cores = cores();
    while !shared.is_over() {
        // One core after the other, as chance has it: on which a TEE runs depends on who calls it.
        let mut core = CpuSet::new();
        core.set(cores[fastrand::usize(..cores.len())]);
        let outcome = sched_setaffinity(None, &core)
            .map_err(|error| error.to_string())
            .and_then(|()| watch(shared, place, tell));
        if let Err(why) = outcome {
            tell(What::Failed(why));
            std::thread::sleep(PAUSE);
        }
    }
}

/// A place of a process of its own, to its end: its memory is as a client's that has just begun, since a page that is in
/// one buffer cannot be in another one.
fn watch(shared: &Shared, place: &Place, tell: &dyn Fn(What)) -> Result<(), String> {
    shared.leaves.store(false, Ordering::SeqCst);
    let (work, seed) = (shared.work(), fastrand::u64(..));
    let (child, reader) = begin(|writer| stay(work, place, seed, writer))?;
    shared
        .process
        .store(child.as_raw_nonzero().get(), Ordering::SeqCst);
    if shared.work() != work || shared.is_over() {
        shared.leave();
    }
    let mut outcome = None;
    for line in BufReader::new(reader).split(b'\n').map_while(Result::ok) {
        match line.split_first() {
            Some((&SERVED, _)) => tell(What::Served),
            Some((&RIGHT, _)) => drop(shared.right.fetch_add(1, Ordering::SeqCst)),
            Some((&FAILED, why)) => outcome = Some(Err(String::from_utf8_lossy(why).into_owned())),
            Some((&ENDED, _)) => outcome = Some(Ok(())),
            _ => {}
        }
        if let Some((&(FAILED | ENDED), _)) = line.split_first() {
            break;
        }
    }
    // One that was asked to leave before it could take the signal has died of it.
    let left = || shared.leaves.load(Ordering::SeqCst);
    let outcome = outcome.unwrap_or_else(|| if left() { Ok(()) } else { Err("it died".to_owned()) });
    if let Err(why) = outcome {
        tell(What::Failed(why));
    }
    shared.process.store(0, Ordering::SeqCst);
    waitpid(Some(child), WaitOptions::empty()).map_err(|error| error.to_string())?;
    Ok(())
}

/// Starts a process that does `work`, and ends; who reads what that writes.
fn begin(work: impl FnOnce(&mut PipeWriter)) -> Result<(Pid, PipeReader), String> {
    let _alone = BEGINS.lock().unwrap_or_else(PoisonError::into_inner);
    let (reader, mut writer) = std::io::pipe().map_err(|error| error.to_string())?;
    // SAFETY: the child has this thread alone; it uses the allocator, which is whole after a fork, and its own pipe, and
    // takes no lock that another thread may have held.
    let child = unsafe { libc::fork() };
    if child == 0 {
        work(&mut writer);
        // SAFETY: ends the child without its parent's exit handlers.
        unsafe { libc::_exit(0) };
    }
    let child = Pid::from_raw(child).ok_or("no process could be started")?;
    Ok((child, reader))
}

/// What the process does: takes a place, and calls until it is to leave, or something is wrong.
fn stay(work: Work, place: &Place, seed: u64, writer: &mut PipeWriter) {
    fastrand::seed(seed);
    let mut say = |what: u8, why: &str| {
        let mut line = vec![what];
        line.extend(why.bytes());
        line.push(b'\n');
        // Who does not listen does not miss it.
        let _ = writer.write_all(&line);
    };
    match calls(work, place, &mut say) {
        Ok(()) => say(ENDED, ""),
        Err(why) => say(FAILED, &why),
    }
}

fn calls(work: Work, place: &Place, say: &mut dyn FnMut(u8, &str)) -> Result<(), String> {
    signals::accept()?;
    let context = Context::new(&place.name).map_err(|error| error.to_string())?;
    let mut call: Box<dyn FnMut() -> Result<(), String> + '_> = match work {
        Work::Large => services::large(&context, place.kind)?,
        Work::Mixed => {
            let mut caller = services::caller(&context, place.kind)?;
            let kinds = caller.kinds();
            Box::new(move || {
                let kind = fastrand::usize(..kinds.len());
                caller.call(kind).map_err(|why| format!("{}: {why}", kinds[kind]))
            })
        }
    };
    call()?;
    say(SERVED, "");
    while !signals::stopped() {
        call()?;
        say(RIGHT, "");
    }
    Ok(())
}

/// The cores of this machine; the first one where they cannot be told.
fn cores() -> Vec<usize> {
    let all = sched_getaffinity(None).unwrap_or_else(|_| CpuSet::new());
    let cores: Vec<_> = (0..CpuSet::MAX_CPU).filter(|core| all.is_set(*core)).collect();
    if cores.is_empty() { vec![0] } else { cores }
}
