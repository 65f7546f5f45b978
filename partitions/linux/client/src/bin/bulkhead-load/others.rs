//! Another program's share of the machine: threads that compute, and threads that fill, check and give back memory.
//! It is a process of its own, so that all that it had is given back at its end.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use rustix::process::Pid;

use crate::clients::pin;
use crate::{SUITE, say};

/// Threads that compute for half of the time.
const COMPUTING: u64 = 4;
/// Threads that fill memory.
const FILLING: u64 = 2;
/// How much at a time, in bytes.
const BLOCK: std::ops::Range<usize> = 1 << 20..24 << 20;

/// The word by which this program is started as that process.
pub const WORD: &str = "others";

/// The process, at work.
pub struct Others {
    child: Child,
    /// It works until this is closed.
    input: Option<ChildStdin>,
}

impl Others {
    /// Starts it.
    pub fn start(seed: u64) -> Result<Others, String> {
        let mut child = Command::new("/proc/self/exe")
            .args([WORD, &seed.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("the other load could not be started: {error}"))?;
        let input = child.stdin.take();
        Ok(Others { child, input })
    }

    /// Ends it: how many turns of computing, MiB filled and blocks spoilt it says.
    pub fn end(mut self) -> Result<[u64; 3], String> {
        drop(self.input.take());
        let output = self.child.wait_with_output().map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(&output.stdout);
        let counts: Option<Vec<u64>> = text.split_whitespace().map(|word| word.parse().ok()).collect();
        let counts = counts.and_then(|counts| counts.try_into().ok());
        counts.ok_or(format!(
            "the other load ended with {} and said `{text}`",
            output.status
        ))
    }
}

/// Processes that compute without a pause, one on each core.
pub struct Busy {
    children: Vec<Child>,
}

/// The word by which this program is started as one of them.
pub const BUSY: &str = "busy";

impl Busy {
    /// Starts them.
    pub fn start(cores: &[usize]) -> Result<Busy, String> {
        let mut busy = Busy { children: Vec::new() };
        for core in cores {
            let child = Command::new("/proc/self/exe").arg(BUSY).spawn();
            let child = child.map_err(|error| format!("a busy program could not be started: {error}"))?;
            let process = Pid::from_child(&child);
            busy.children.push(child);
            pin(process, *core)?;
        }
        Ok(busy)
    }

    /// Ends them.
    pub fn end(self) {}
}

impl Drop for Busy {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Computes for ever.
pub fn be_busy() -> ! {
    let mut value = 1;
    loop {
        value = turn(value);
    }
}

/// About a microsecond of work.
fn turn(mut value: u64) -> u64 {
    for _ in 0..1000 {
        value = std::hint::black_box(value.wrapping_mul(6_364_136_223_846_793_005).rotate_left(7));
    }
    value
}

/// Works until the end of standard input, and prints what it has done.
pub fn work(seed: u64) {
    let (stop, counts) = (AtomicBool::new(false), <[AtomicU64; 3]>::default());
    std::thread::scope(|scope| {
        for number in 0..COMPUTING {
            let chance = Rng::with_seed(seed ^ (0x6370 + number));
            scope.spawn(|| compute(chance, &stop, &counts[0]));
        }
        for number in 0..FILLING {
            let chance = Rng::with_seed(seed ^ (0x6d65_6d00 + number));
            scope.spawn(|| fill(chance, &stop, &counts[1], &counts[2]));
        }
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        stop.store(true, Ordering::SeqCst);
    });
    let counts = counts.map(|count| count.into_inner().to_string());
    let _ = writeln!(std::io::stdout(), "{}", counts.join(" "));
}

fn compute(mut chance: Rng, stop: &AtomicBool, turns: &AtomicU64) {
    let mut value = chance.u64(..);
    while !stop.load(Ordering::Relaxed) {
        let time = Duration::from_millis(chance.u64(1..20));
        let end = Instant::now() + time;
        while Instant::now() < end {
            value = turn(value);
        }
        turns.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(time);
    }
}

fn fill(mut chance: Rng, stop: &AtomicBool, filled: &AtomicU64, wrong: &AtomicU64) {
    while !stop.load(Ordering::Relaxed) {
        let (length, value) = (chance.usize(BLOCK), chance.u8(1..));
        let mut block = vec![0_u8; length];
        for page in block.chunks_mut(4096) {
            page[0] = value;
        }
        std::thread::sleep(Duration::from_millis(chance.u64(10..60)));
        let whole = block.chunks(4096).all(|page| page[0] == value);
        wrong.fetch_add(u64::from(!whole), Ordering::Relaxed);
        filled.fetch_add((length >> 20) as u64, Ordering::Relaxed);
    }
}

/// Tells of what it has done.
pub fn report([turns, filled, wrong]: [u64; 3], start: Instant) -> bool {
    say::figure(SUITE, "-", "memory filled by another program, MiB", filled);
    let detail = format!("{turns} turns of computing, {filled} MiB filled, {wrong} blocks spoilt");
    let ok = turns > 0 && filled > 0 && wrong == 0;
    say::case(
        SUITE,
        "-",
        "another program computes and fills memory",
        ok,
        start,
        &detail,
    )
}
