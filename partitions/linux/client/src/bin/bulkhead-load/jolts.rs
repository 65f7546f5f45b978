//! Moves clients between cores and sends them signals, at random moments: in calls, too.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::{SUITE, say};

/// How often.
#[derive(Default)]
pub struct Jolts {
    moves: u64,
    signals: u64,
}

/// Jolts the processes until told to stop.
pub fn run(processes: &[Pid], seed: u64, stop: &AtomicBool) -> Jolts {
    let mut chance = Rng::with_seed(seed ^ 0x6a6f_6c74);
    let all = sched_getaffinity(None).unwrap_or_default();
    let cores: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|core| all.is_set(*core)).collect();
    let mut jolts = Jolts::default();
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_micros(chance.u64(300..4000)));
        let (Some(process), Some(core)) = (chance.choice(processes), chance.choice(&cores)) else {
            break;
        };
        let mut place = CpuSet::new();
        place.set(*core);
        // One time in four it may go where it likes. A core that is off is refused, and a client that has ended, too.
        let place = if chance.u8(..4) == 0 { &all } else { &place };
        jolts.moves += u64::from(sched_setaffinity(Some(*process), place).is_ok());
        if chance.u8(..4) == 0 {
            jolts.signals += u64::from(kill_process(*process, Signal::USR1).is_ok());
        }
    }
    jolts
}

/// Tells of it.
pub fn report(jolts: &Jolts, start: Instant) -> bool {
    say::figure(SUITE, "-", "clients moved between cores, times", jolts.moves);
    say::figure(
        SUITE,
        "-",
        "SIGUSR1 sent, beside each client's SIGALRM",
        jolts.signals,
    );
    let detail = format!("{} moves, {} signals", jolts.moves, jolts.signals);
    let ok = jolts.moves > 0 && jolts.signals > 0;
    say::case(SUITE, "-", "clients are moved and signalled", ok, start, &detail)
}
