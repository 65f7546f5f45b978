//! A client of QEMU's monitor (QMP): how far the machine's own time is, and the machine's end.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long QEMU may take to answer.
const ANSWER: Duration = Duration::from_secs(20);
/// How QEMU's statistics begin the line of how far the machine's time is behind the computer's.
const BEHIND: &str = "Host - Guest clock";

/// The monitor of a machine.
pub struct Monitor {
    lines: BufReader<UnixStream>,
    begun: Instant,
}

impl Monitor {
    /// Waits until a machine that was just started opens this socket.
    pub fn of(socket: &Path) -> Result<Self> {
        let begun = Instant::now();
        let stream = loop {
            match UnixStream::connect(socket) {
                Ok(stream) => break stream,
                Err(_) if begun.elapsed() < ANSWER => std::thread::sleep(Duration::from_millis(5)),
                Err(error) => return Err(error).context("the machine opens no monitor"),
            }
        };
        stream.set_read_timeout(Some(ANSWER))?;
        let mut monitor = Self {
            lines: BufReader::new(stream),
            begun,
        };
        monitor.read()?;
        monitor.ask("qmp_capabilities")?;
        Ok(monitor)
    }

    /// How long the machine's own time has passed: that of this computer, but where it counts instructions.
    pub fn time(&mut self) -> Result<Duration> {
        let host = self.begun.elapsed();
        let answer = self.ask("x-query-jit")?;
        let text = answer["human-readable-text"].as_str().unwrap_or_default();
        Ok(guest(host, text))
    }

    /// Somebody else starts the machine now.
    pub fn begins(&mut self) {
        self.begun = Instant::now();
    }

    /// Starts a machine that waits for it.
    pub fn start(&mut self) -> Result<()> {
        self.begins();
        self.ask("cont").map(drop)
    }

    /// Ends the machine.
    pub fn end(&mut self) -> Result<()> {
        self.ask("quit").map(drop)
    }

    fn ask(&mut self, command: &str) -> Result<Value> {
        let line = json!({ "execute": command });
        writeln!(self.lines.get_mut(), "{line}").context("the machine's monitor is gone")?;
        loop {
            let mut answer = self.read()?;
            if answer.get("return").is_some() {
                return Ok(answer["return"].take());
            }
            if let Some(error) = answer.get("error") {
                bail!("QEMU refuses `{command}`: {error}");
            }
            // What else comes are events.
        }
    }

    fn read(&mut self) -> Result<Value> {
        let mut line = String::new();
        let length = self
            .lines
            .read_line(&mut line)
            .context("the machine's monitor says nothing")?;
        if length == 0 {
            bail!("the machine has ended");
        }
        serde_json::from_str(&line).context("the machine's monitor speaks no JSON")
    }
}

/// The machine's time at a moment, by QEMU's statistics: behind this computer's, or before it.
fn guest(host: Duration, statistics: &str) -> Duration {
    let behind = statistics.lines().find_map(|line| {
        let words = line.strip_prefix(BEHIND)?;
        words.trim().strip_suffix("ms")?.trim().parse::<i64>().ok()
    });
    let difference = Duration::from_millis(behind.unwrap_or_default().unsigned_abs());
    if behind.unwrap_or_default() < 0 {
        host + difference
    } else {
        host.saturating_sub(difference)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn the_machine_s_time_is_read() {
        let (host, ms) = (Duration::from_secs(10), Duration::from_millis);
        assert_eq!(
            guest(host, "TB count 5\nHost - Guest clock  2560 ms\nMax NA"),
            ms(7440)
        );
        assert_eq!(guest(host, "Host - Guest clock  -90000 ms"), ms(100_000));
        assert_eq!(guest(host, "nothing counts instructions"), host);
        assert_eq!(guest(host, "Host - Guest clock  99999 ms"), ms(0));
    }

    #[test]
    fn events_between_question_and_answer_are_passed_over() {
        let room = tempfile::tempdir().unwrap();
        let socket = room.path().join("monitor");
        let listener = UnixListener::bind(&socket).unwrap();
        let qemu = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut lines = BufReader::new(stream);
            let mut line = String::new();
            writeln!(lines.get_mut(), "{{\"QMP\":{{}}}}").unwrap();
            lines.read_line(&mut line).unwrap();
            writeln!(lines.get_mut(), "{{\"return\":{{}}}}").unwrap();
            lines.read_line(&mut line).unwrap();
            let answer = "{\"event\":\"RESUME\"}\n{\"error\":{\"class\":\"GenericError\",\"desc\":\"no\"}}";
            writeln!(lines.get_mut(), "{answer}").unwrap();
            line
        });
        let mut monitor = Monitor::of(&socket).unwrap();
        let said = monitor.start().unwrap_err().to_string();
        assert!(said.contains("`cont`") && said.contains("\"no\""), "{said}");
        assert!(qemu.join().unwrap().contains("qmp_capabilities"));
    }
}
