//! `bulkhead-load latency`: how late Linux's timers are while the TEEs work. On every core a thread of real-time priority
//! sleeps until a moment and sees how long after it it runs, with nothing else there, beside a program that computes, and
//! beside clients that call each TEE, or have a mebibyte hashed there, on the same core.

use std::time::Instant;

use rustix::thread::{CpuSet, sched_getaffinity};

use crate::clients::{Crowd, Task};
use crate::others::Busy;
use crate::say;
use crate::timer;
use bulkhead_client::tees::{self, Tee};

/// How late timers were, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Late {
    half: u64,
    rare: u64,
    most: u64,
}

impl Late {
    /// From all that were measured: the median, what one in a thousand exceeds, the most.
    fn of(mut all: Vec<u64>) -> Option<Late> {
        all.sort_unstable();
        Some(Late {
            half: *all.get(all.len() / 2)?,
            rare: *all.get(all.len() * 999 / 1000)?,
            most: *all.last()?,
        })
    }
}

/// What is wanted.
pub struct Wish {
    /// Timers for each core.
    pub samples: usize,
    /// How late a timer may be beside a TEE, in nanoseconds; none where time is not worth a check.
    pub bound: Option<u64>,
    /// Where chance starts.
    pub seed: u64,
}

impl Wish {
    /// The name of the suite: a bound is for a machine on which time is the number of instructions.
    fn suite(&self) -> &'static str {
        if self.bound.is_some() {
            "latency, counted"
        } else {
            "latency"
        }
    }

    /// Reads the command line behind the word: samples, bound or `-`, seed.
    pub fn parse(words: &[String]) -> Option<Wish> {
        let [samples, bound, seed] = words else {
            return None;
        };
        Some(Wish {
            samples: samples
                .parse()
                .ok()
                .filter(|samples| (1000..=1_000_000).contains(samples))?,
            bound: match bound.as_str() {
                "-" => None,
                bound => Some(bound.parse().ok()?),
            },
            seed: seed.parse().ok()?,
        })
    }
}

/// Measures, and tells.
pub fn run(wish: &Wish) -> Result<bool, String> {
    let tees = tees::tees()?;
    let all = sched_getaffinity(None).map_err(|error| error.to_string())?;
    let cores: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|core| all.is_set(*core)).collect();
    say::figure(
        wish.suite(),
        "-",
        "cores, each with its timers and its load",
        cores.len(),
    );
    say::figure(
        wish.suite(),
        "-",
        "timers in each row",
        wish.samples * cores.len(),
    );
    measure("-", "nothing else", wish, &cores)?;
    let busy = Busy::start(&cores)?;
    let linux = measure("-", "a program that computes", wish, &cores)?;
    busy.end();
    let mut ok = true;
    for tee in &tees {
        for task in [Task::Call, Task::Large] {
            ok &= beside(tee, task, wish, &cores, linux)?;
        }
    }
    Ok(ok)
}

/// Measures beside clients of a TEE.
fn beside(tee: &Tee, task: Task, wish: &Wish, cores: &[usize], linux: Late) -> Result<bool, String> {
    let (name, cores) = match task {
        Task::Call => ("calls of all kinds", cores),
        // A TEE's quota need not hold as many mebibytes, page by page, as there are cores.
        Task::Large => ("1 MiB hashed", cores.get(..1).unwrap_or(cores)),
    };
    let start = Instant::now();
    let crowd = Crowd::pinned(tee, task, cores, wish.seed)?;
    let begin = Instant::now();
    let late = measure(&tee.name, name, wish, cores)?;
    let ratio = late.rare * 100 / linux.rare.max(1);
    say::figure(
        wish.suite(),
        &tee.name,
        &format!("{name}: 99.9 %, hundredths of that beside a program that computes"),
        ratio,
    );
    crowd.end();
    let time = begin.elapsed();
    let calls = match crowd.outcome(tee) {
        // Each client had made its first call before.
        Ok(sum) => sum.right.saturating_sub(cores.len() as u64),
        Err(why) => return Ok(say::case(wish.suite(), &tee.name, name, false, start, &why)),
    };
    // So long one call took, with all that interrupted it.
    let each = (time.as_nanos() as u64 * cores.len() as u64)
        .checked_div(calls)
        .unwrap_or(0);
    say::figure(
        wish.suite(),
        &tee.name,
        &format!("{name}: one call, us"),
        each / 1000,
    );
    let (ok, wanted) = right(task, late, each, wish.bound);
    let detail = format!("{late:?} ns; {calls} calls of {each} ns; {wanted}");
    Ok(say::case(
        wish.suite(),
        &tee.name,
        &format!("timers beside {name}"),
        ok && calls > 0,
        start,
        &detail,
    ))
}

/// Whether timers came in time, and what that is. A long call is interrupted: nobody waits for its end.
fn right(task: Task, late: Late, each: u64, bound: Option<u64>) -> (bool, String) {
    let (bounded, mut wanted) = match bound {
        Some(bound) => (late.most <= bound, format!("at most {bound} ns")),
        None => (true, "no bound, as time is this computer's".to_owned()),
    };
    match task {
        Task::Call => (bounded, wanted),
        Task::Large => {
            // Had they to wait for the call's end, half of them would wait for half of it.
            let (late, limit, which) = match bound {
                Some(_) => (late.rare, each / 2, "99.9 % within half"),
                // There a few are as late as this computer has other things to do.
                None => (late.half, each / 4, "half of them within a quarter"),
            };
            wanted += &format!(", and {which} of a call");
            (bounded && late < limit, wanted)
        }
    }
}

fn measure(tee: &str, beside: &str, wish: &Wish, cores: &[usize]) -> Result<Late, String> {
    let all = timer::late(cores, wish.samples, wish.seed)?;
    let late = Late::of(all).ok_or("nothing was measured")?;
    let Late { half, rare, most } = late;
    let value = format!("{half} / {rare} / {most}");
    say::figure(
        wish.suite(),
        tee,
        &format!("timers beside {beside}: half / 99.9 % / most, ns late"),
        value,
    );
    Ok(late)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATE: Late = Late {
        half: 5,
        rare: 400,
        most: 900,
    };

    #[test]
    fn what_was_measured_is_summed_up() {
        let late = Late::of((1..=2000).rev().collect());
        let wanted = Late {
            half: 1001,
            rare: 1999,
            most: 2000,
        };
        assert_eq!(late, Some(wanted));
        assert_eq!(Late::of(Vec::new()), None);
    }

    #[test]
    fn a_bound_is_for_the_latest() {
        assert!(right(Task::Call, LATE, 10, Some(900)).0);
        assert!(!right(Task::Call, LATE, 10, Some(899)).0);
        assert!(right(Task::Call, LATE, 10, None).0);
    }

    #[test]
    fn nobody_waits_for_the_end_of_a_long_call() {
        assert!(right(Task::Large, LATE, 4 * LATE.half + 4, None).0);
        assert!(!right(Task::Large, LATE, 4 * LATE.half, None).0);
        assert!(right(Task::Large, LATE, 2 * LATE.rare + 2, Some(900)).0);
        assert!(!right(Task::Large, LATE, 2 * LATE.rare, Some(900)).0);
    }

    #[test]
    fn wishes_are_read() {
        let parse = |line: &str| Wish::parse(&line.split(' ').map(String::from).collect::<Vec<_>>());
        let wish = parse("2000 150000 7").expect("good");
        assert_eq!((wish.samples, wish.bound, wish.seed), (2000, Some(150_000), 7));
        assert_eq!(parse("2000 - 7").expect("good").bound, None);
        for line in ["10 - 7", "2000 x 7", "2000 -", "2000 - 7 8"] {
            assert!(parse(line).is_none(), "{line}");
        }
    }
}
