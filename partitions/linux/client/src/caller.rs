//! One client under load: it calls its TEE again and again, compares every answer, and handles signals meanwhile.
//! At its start, after its first call, once a second, and at its end, it prints its account for `bulkhead-load`.

use std::io::Write;
use std::time::{Duration, Instant};

use bulkhead_client::account::Account;
use bulkhead_client::options::Options;
use rustix::thread::sched_getcpu;

use crate::services;
use crate::signals;
use crate::teec::Context;

/// How often the account is printed.
const PERIOD: Duration = Duration::from_secs(1);
/// Microseconds from one SIGALRM to the next: most calls last less, a few last longer.
const ALARM: std::ops::Range<u32> = 15_000..40_000;

/// Calls for the time that is asked for, and tells whether every answer was right.
pub fn run(options: &Options) -> bool {
    finish(|account| calls(options, account))
}

/// Hashes the same mebibyte again and again, for the time that is asked for, and compares.
pub fn run_large(options: &Options) -> bool {
    finish(|account| large(options, account))
}

fn finish(work: impl FnOnce(&mut Account) -> Result<(), String>) -> bool {
    let mut account = Account::default();
    let outcome = work(&mut account);
    if let Err(why) = &outcome {
        say(&format!("fault {why}"));
    }
    say(&format!("end {}", account.line()));
    outcome.is_ok() && account.wrong == 0 && account.right > 0
}

fn calls(options: &Options, account: &mut Account) -> Result<(), String> {
    fastrand::seed(options.seed);
    accept(account)?;
    signals::alarm(fastrand::u32(ALARM))?;
    let context = Context::new(&options.tee).map_err(|error| error.to_string())?;
    let mut caller = services::caller(&context, options.kind)?;
    account.kinds = caller
        .kinds()
        .iter()
        .map(|kind| ((*kind).to_owned(), 0))
        .collect();
    repeat(options, account, |account| {
        let kind = fastrand::usize(..account.kinds.len());
        one(account, kind, || caller.call(kind));
    });
    Ok(())
}

/// Takes signals from here on, before the first call of the library, and says so.
fn accept(account: &Account) -> Result<(), String> {
    signals::accept()?;
    say(&format!("so-far {}", account.line()));
    Ok(())
}

fn large(options: &Options, account: &mut Account) -> Result<(), String> {
    accept(account)?;
    let context = Context::new(&options.tee).map_err(|error| error.to_string())?;
    let mut hash = services::large(&context, options.kind)?;
    account.kinds = vec![("1 MiB hashed".to_owned(), 0)];
    repeat(options, account, |account| one(account, 0, &mut hash));
    Ok(())
}

/// Calls at least once, however long the session took to open, until the time is over or SIGTERM came.
fn repeat(options: &Options, account: &mut Account, mut call: impl FnMut(&mut Account)) {
    let mut next = Instant::now();
    let end = next + Duration::from_secs(options.seconds);
    loop {
        call(account);
        let now = Instant::now();
        if now >= end || signals::stopped() {
            return;
        }
        if now >= next {
            next = now + PERIOD;
            say(&format!("so-far {}", account.line()));
        }
    }
}

/// Makes one call of a kind, and counts.
fn one(account: &mut Account, kind: usize, call: impl FnOnce() -> Result<(), String>) {
    let (core, signals) = (sched_getcpu(), signals::handled());
    account.begun += 1;
    let outcome = call();
    account.migrations += u64::from(sched_getcpu() != core);
    account.signals = signals::handled();
    account.interrupted += u64::from(account.signals != signals);
    match outcome {
        Ok(()) => {
            account.right += 1;
            account.kinds[kind].1 += 1;
        }
        Err(why) => {
            account.wrong += 1;
            say(&format!("fault {}: {why}", account.kinds[kind].0));
        }
    }
}

/// A line in one write.
fn say(line: &str) {
    let _ = std::io::stdout().lock().write_all(format!("{line}\n").as_bytes());
}
