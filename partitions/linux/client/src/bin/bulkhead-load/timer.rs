//! How late timers are: a thread of real-time priority on each core sleeps until a moment, and sees when it runs.

use fastrand::Rng;
use rustix::thread::{ClockId, clock_nanosleep_absolute};
use rustix::time::{Timespec, clock_gettime};

use crate::clients::pin_this;

/// From one timer to the next, in nanoseconds: at random, so that it does not fall in step with the kernel's tick.
const PERIOD: std::ops::Range<u64> = 300_000..700_000;
/// SCHED_FIFO priority, above what the kernel gives threads of interrupts (50).
const PRIORITY: i32 = 80;
const SECOND: u64 = 1_000_000_000;

/// The word by which this program does nothing but let timers go off.
pub const BEAT: &str = "beat";

/// Has a timer go off on each core every so many microseconds, until it is killed.
pub fn beat(micros: u64) -> Result<bool, String> {
    if micros == 0 {
        return Err("usage: bulkhead-load beat MICROSECONDS".into());
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores)
            .map(|core| scope.spawn(move || beat_on(core, micros * 1000)))
            .collect();
        let ended = threads.into_iter().map(|thread| thread.join());
        ended
            .map(|ended| ended.map_err(|_| "a thread of timers died".to_owned())?)
            .collect::<Result<Vec<()>, _>>()
    })
    .map(|_| true)
}

fn beat_on(core: usize, nanos: u64) -> Result<(), String> {
    pin_this(core)?;
    real_time()?;
    loop {
        sleep_until(now() + nanos)?;
    }
}

/// Takes `samples` timers on each of these cores at the same time: how late each was, in nanoseconds.
pub fn late(cores: &[usize], samples: usize, seed: u64) -> Result<Vec<u64>, String> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = cores
            .iter()
            .map(|core| scope.spawn(|| on_core(*core, samples, Rng::with_seed(seed ^ *core as u64))))
            .collect();
        let mut all = Vec::new();
        for thread in threads {
            all.extend(thread.join().map_err(|_| "a thread of timers died")??);
        }
        Ok(all)
    })
}

fn on_core(core: usize, samples: usize, mut chance: Rng) -> Result<Vec<u64>, String> {
    pin_this(core)?;
    real_time()?;
    // All memory is there before the first timer.
    let mut late = vec![0; samples];
    for late in &mut late {
        let due = now() + chance.u64(PERIOD);
        sleep_until(due)?;
        *late = now().saturating_sub(due);
    }
    Ok(late)
}

fn sleep_until(due: u64) -> Result<(), String> {
    let moment = Timespec {
        tv_sec: (due / SECOND) as i64,
        tv_nsec: (due % SECOND) as i64,
    };
    clock_nanosleep_absolute(ClockId::Monotonic, &moment).map_err(|error| error.to_string())
}

fn now() -> u64 {
    let now = clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec as u64 * SECOND + now.tv_nsec as u64
}

/// Gives this thread its priority.
fn real_time() -> Result<(), String> {
    let parameter = libc::sched_param {
        sched_priority: PRIORITY,
    };
    // SAFETY: the parameter is whole, and 0 is this thread.
    if unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const parameter) } != 0 {
        return Err("the real-time priority was refused".into());
    }
    Ok(())
}
