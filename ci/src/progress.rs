//! Progress for people: what is being done and how long it took.

use anyhow::Result;
use console::style;
use indicatif::{ProgressBar, ProgressStyle};
use std::time::{Duration, Instant};

/// Runs one step: shows what it does while it runs, and how long it took.
pub fn step<T>(what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    let terminal = console::user_attended_stderr();
    let spinner = if terminal {
        ProgressBar::new_spinner()
    } else {
        ProgressBar::hidden()
    };
    if terminal {
        if let Ok(look) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
            spinner.set_style(look);
        }
        spinner.set_message(what.to_owned());
        spinner.enable_steady_tick(Duration::from_millis(200));
    } else {
        eprintln!("  .. {what}");
    }
    let result = work();
    spinner.finish_and_clear();
    let mark = if result.is_ok() {
        style("ok").green()
    } else {
        style("!!").red()
    }
    .for_stderr();
    eprintln!("  {mark} {what} ({:.1} s)", start.elapsed().as_secs_f64());
    result
}

/// Says something that the reader should know, such as a newer version taken.
pub fn note(text: &str) {
    eprintln!("  {} {text}", style("--").yellow().for_stderr());
}
