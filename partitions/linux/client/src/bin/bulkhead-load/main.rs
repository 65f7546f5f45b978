//! `bulkhead-load`: many clients call every TEE, and Linux does all that may disturb them: cores go off and on, threads
//! migrate, signals come, and other programs want the cores and the memory. At the end every call must have had its
//! right answer, nothing may have grown, and TEEs of one kind must have had a fair share.
//!
//! `bulkhead-load latency` measures instead how late Linux's timers are while the TEEs work.
//!
//! `bulkhead-load beat` has a timer on each core go off all the time: where cores take turns, none is then longer.
//!
//! It prints lines for `xtask`. The exit status is 0 only if all was right.

mod clients;
mod fair;
mod growth;
mod jolts;
mod latency;
mod ledger;
mod options;
mod others;
mod plugs;
mod say;
mod timer;

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bulkhead_client::lent;
use bulkhead_client::tees::{self, Tee};
use clients::Crowd;
use fair::Shares;
use growth::Growth;
use options::Options;
use others::Others;

/// How long all clients call before anything is measured.
const SETTLE: Duration = Duration::from_secs(4);
/// How often it says how far it is.
const PROGRESS: Duration = Duration::from_secs(10);

/// The name of the suite.
const SUITE: &str = "load";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words[..] {
        [others::WORD, seed] => {
            others::work(seed.parse().unwrap_or(0));
            Ok(true)
        }
        [others::BUSY] => others::be_busy(),
        [timer::BEAT, micros] => timer::beat(micros.parse().unwrap_or(0)),
        ["latency", ..] => match latency::Wish::parse(&arguments[1..]) {
            Some(wish) => latency::run(&wish),
            None => Err("usage: bulkhead-load latency SAMPLES BOUND|- SEED".into()),
        },
        _ => Options::parse(arguments).and_then(|options| run(&options)),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            say::case(
                SUITE,
                "-",
                "the program runs to its end",
                false,
                Instant::now(),
                &why,
            );
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<bool, String> {
    let tees = tees::tees()?;
    say::note(&format!(
        "load: {} clients for each of {} TEEs, {} s; --seed {seed} repeats what chance did",
        options.clients,
        tees.len(),
        options.seconds,
        seed = options.seed
    ));
    settle(&tees, options)?;
    let (growth, lent, start) = (Growth::begin(&tees)?, lent::lent(&tees)?, Instant::now());
    let crowd = Crowd::start(&tees, options.clients, options.seed)?;
    let others = Others::start(options.seed)?;
    let stop = AtomicBool::new(false);
    let (shares, jolts, plugs) = std::thread::scope(|scope| {
        let jolts = scope.spawn(|| jolts::run(&crowd.processes(), options.seed, &stop));
        let opened = crowd.await_answers();
        let shares = Shares::begin(&crowd, &tees);
        let end = Instant::now() + Duration::from_secs(options.seconds);
        let plugs = scope.spawn(move || plugs::run(options.plugs, end, options.seed));
        if opened.is_ok() {
            watch(&crowd, &tees, end);
        }
        let shares = shares.end(&crowd);
        stop.store(true, Ordering::SeqCst);
        (opened.map(|()| shares), jolts.join(), plugs.join())
    });
    crowd.end();
    let died = |_| "a thread of this program died".to_owned();
    let (jolts, plugs, others) = (jolts.map_err(died)?, plugs.map_err(died)?, others.end()?);
    let mut ok = clients::report(&crowd, &tees, start);
    ok &= shares?.report(start);
    ok &= plugs::report(&plugs, options.plugs, start);
    ok &= jolts::report(&jolts, start);
    ok &= others::report(others, start);
    drop(crowd);
    ok &= growth.report(&tees)?;
    Ok(ledger::report(&tees, &lent, start)? && ok)
}

/// Has as many clients call for a while: what Linux and the TEEs keep for later calls has its size then.
fn settle(tees: &[Tee], options: &Options) -> Result<(), String> {
    let crowd = Crowd::start(tees, options.clients, options.seed)?;
    crowd.await_answers()?;
    std::thread::sleep(SETTLE);
    crowd.end();
    tees.iter().try_for_each(|tee| crowd.outcome(tee).map(drop))
}

/// Says how far it is, until the end.
fn watch(crowd: &Crowd, tees: &[Tee], end: Instant) {
    let start = Instant::now();
    while Instant::now() < end {
        std::thread::sleep(PROGRESS.min(end.saturating_duration_since(Instant::now())));
        let calls = tees
            .iter()
            .map(|tee| format!("{} {}", tee.name, crowd.sum(tee).right));
        let calls: Vec<String> = calls.collect();
        let seconds = start.elapsed().as_secs();
        say::progress(&format!("load, {seconds} s: calls {}", calls.join(", ")));
    }
}
