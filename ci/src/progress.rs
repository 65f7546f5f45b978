//! Progress for people: what is being done and how long it took.

use anyhow::Result;
use console::style;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// The stages of a command: all are named at its start, and each with its number when it begins.
pub struct Stages {
    names: Vec<&'static str>,
    begun: Vec<Instant>,
}

impl Stages {
    /// Names them.
    pub fn new(names: impl IntoIterator<Item = &'static str>) -> Self {
        let names: Vec<_> = names.into_iter().collect();
        if names.len() > 1 {
            eprintln!("{} stages: {}", names.len(), names.join(", "));
        }
        let begun = Vec::new();
        Self { names, begun }
    }

    /// Begins the next one; `what` says more about it.
    pub fn begin(&mut self, what: &str) {
        eprintln!("{}", style(self.title(what)).bold().for_stderr());
        self.begun.push(Instant::now());
    }

    /// How long each took that has begun, the last one until now.
    pub fn times(&self) -> String {
        let ends = self.begun.iter().skip(1).copied().chain([Instant::now()]);
        let times = self.names.iter().zip(&self.begun).zip(ends);
        let times = times.map(|((name, begin), end)| {
            let took = end.saturating_duration_since(*begin);
            format!("{name} {:.0} s", took.as_secs_f64())
        });
        times.collect::<Vec<_>>().join(", ")
    }

    fn title(&self, what: &str) -> String {
        let number = self.begun.len();
        let name = self.names.get(number).copied().unwrap_or_default();
        format!("[{}/{}] {name}: {what}", number + 1, self.names.len())
    }
}

/// How often a step says that it goes on: on a terminal in place, else as a line.
const TICK: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(30)];

/// The log of the tool that runs now.
static LOG: Mutex<Option<PathBuf>> = Mutex::new(None);

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
        if let Ok(look) = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}") {
            spinner.set_style(look);
        }
        spinner.set_message(what.to_owned());
        spinner.enable_steady_tick(Duration::from_millis(200));
    } else {
        eprintln!("  .. {what}");
    }
    let (running, ended) = channel::<()>();
    let shown = &spinner;
    let result = thread::scope(|scope| {
        scope.spawn(move || {
            let tick = TICK[usize::from(!terminal)];
            while ended.recv_timeout(tick) == Err(RecvTimeoutError::Timeout) {
                let now = match last_line() {
                    Some(line) => format!("{what}: {line}"),
                    None => what.to_owned(),
                };
                shown.set_message(now.clone());
                if !terminal {
                    eprintln!("  .. {now} ({} s so far)", start.elapsed().as_secs());
                }
            }
        });
        let result = work();
        drop(running);
        result
    });
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

/// Work that goes on side by side: on a terminal each part has a line while it runs; elsewhere it says when it begins and
/// ends.
pub struct Lanes {
    bars: MultiProgress,
    all: usize,
    begun: Mutex<usize>,
    terminal: bool,
}

/// One part of such work.
pub struct Lane<'a> {
    lanes: &'a Lanes,
    bar: ProgressBar,
    title: String,
    begun: Instant,
}

impl Lanes {
    /// For so many parts.
    pub fn new(all: usize) -> Self {
        Self {
            bars: MultiProgress::new(),
            all,
            begun: Mutex::new(0),
            terminal: console::user_attended_stderr(),
        }
    }

    /// A part begins.
    pub fn begin(&self, name: &str) -> Lane<'_> {
        let number = self.begun.lock().map_or(0, |mut begun| {
            *begun += 1;
            *begun
        });
        let title = format!("{number}/{} {name}", self.all);
        let bar = self.bars.add(ProgressBar::new_spinner());
        if let Ok(look) = ProgressStyle::with_template("{spinner} {prefix}: {wide_msg} {elapsed}") {
            bar.set_style(look);
        }
        bar.set_prefix(title.clone());
        let lane = Lane {
            lanes: self,
            bar,
            title,
            begun: Instant::now(),
        };
        if self.terminal {
            lane.bar.enable_steady_tick(Duration::from_millis(200));
        } else {
            lane.line("..", "begins");
        }
        lane
    }
}

impl Lane<'_> {
    /// Says what it does now.
    pub fn say(&self, what: &str) {
        self.bar.set_message(what.to_owned());
        if !self.lanes.terminal {
            self.line("..", what);
        }
    }

    /// It ends.
    pub fn end(self, ok: bool) {
        self.bar.finish_and_clear();
        let mark = if ok {
            style("ok").green()
        } else {
            style("!!").red()
        };
        let took = format!("{:.1} s", self.begun.elapsed().as_secs_f64());
        self.line(&mark.for_stderr().to_string(), &took);
    }

    /// A line above those of what goes on.
    fn line(&self, mark: &str, what: &str) {
        self.lanes
            .bars
            .suspend(|| eprintln!("  {mark} {}: {what}", self.title));
    }
}

/// Does some work whose tool writes to `log`: the step that it belongs to shows the last line there.
pub fn with_log<T>(log: &Path, work: impl FnOnce() -> T) -> T {
    let set = |to: Option<PathBuf>| {
        if let Ok(mut current) = LOG.lock() {
            *current = to;
        }
    };
    set(Some(log.to_owned()));
    let result = work();
    set(None);
    result
}

/// What the running tool wrote last.
fn last_line() -> Option<String> {
    let path = LOG.lock().ok()?.clone()?;
    let mut file = File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(1024))).ok()?;
    let mut end = Vec::new();
    file.read_to_end(&mut end).ok()?;
    let text = String::from_utf8_lossy(&end);
    let line = text.lines().rev().map(str::trim).find(|line| !line.is_empty())?;
    let plain = console::strip_ansi_codes(line);
    Some(
        plain
            .chars()
            .filter(|character| !character.is_control())
            .take(100)
            .collect(),
    )
}

/// Says something that the reader should know, such as a newer version taken.
pub fn note(text: &str) {
    eprintln!("  {} {text}", style("--").yellow().for_stderr());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_of_a_log_is_shown() {
        let room = tempfile::tempdir().unwrap();
        let log = room.path().join("log");
        std::fs::write(&log, "one\n\u{1b}[1mtwo\u{1b}[0m\r\n\n").unwrap();
        assert_eq!(with_log(&log, last_line).as_deref(), Some("two"));
        assert_eq!(last_line(), None);
    }

    #[test]
    fn stages_are_numbered() {
        let mut stages = Stages::new(["parts", "boot"]);
        assert_eq!(stages.title("downloads"), "[1/2] parts: downloads");
        stages.begin("downloads");
        assert_eq!(stages.title("QEMU"), "[2/2] boot: QEMU");
        assert_eq!(stages.times(), "parts 0 s");
    }
}
