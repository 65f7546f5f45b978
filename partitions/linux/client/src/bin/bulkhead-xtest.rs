//! `bulkhead-xtest SUITE TEE PART SECONDS LOG PROGRAM ARGUMENTS…`: runs the suite PART of `xtest` on a terminal, so that
//! its lines come when it writes them, and prints a line for `xtask` as each case ends, with how long it took. All that
//! `xtest` says goes to the file LOG. One that says nothing for SECONDS is killed, and the case that ran has failed. Exit
//! status 0 only if `xtest` ran to its end and every case passed.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use bulkhead_client::report::Line;
use bulkhead_client::transcript::{News, Transcript};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// How long a killed `xtest` may take to be gone. One that waits for a TEE which never answers cannot be ended at all.
const GONE: Duration = Duration::from_secs(5);

/// Where the results belong.
struct Run<'a> {
    suite: &'a str,
    tee: &'a str,
    part: &'a str,
    patience: Duration,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let run = match arguments.as_slice() {
        [suite, tee, part, seconds, log, command @ ..] => seconds.parse().ok().map(|seconds| {
            let patience = Duration::from_secs(seconds);
            let run = Run {
                suite,
                tee,
                part,
                patience,
            };
            (run, log, command)
        }),
        _ => None,
    };
    let Some((run, log, command)) = run else {
        eprintln!("usage: bulkhead-xtest SUITE TEE PART SECONDS LOG PROGRAM ARGUMENTS...");
        return ExitCode::FAILURE;
    };
    match run.follow(log, command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            run.case("xtest runs", false, Instant::now(), &why.to_string());
            ExitCode::FAILURE
        }
    }
}

impl Run<'_> {
    fn follow(&self, log: &str, command: &[String]) -> std::io::Result<bool> {
        let begin = Instant::now();
        let mut log = File::create(log)?;
        let (mut child, lines) = start(command)?;
        let (mut transcript, mut start) = (Transcript::default(), Instant::now());
        let hangs = loop {
            let line = match lines.recv_timeout(self.patience) {
                Ok(line) => line,
                Err(RecvTimeoutError::Disconnected) => break false,
                Err(RecvTimeoutError::Timeout) => break true,
            };
            writeln!(log, "{line}")?;
            match transcript.line(&line) {
                Some(News::Began) => start = Instant::now(),
                Some(News::Ended { name, ok, detail }) => self.case(&name, ok, start, &detail),
                None => {}
            }
        };
        let status = if hangs {
            let _ = child.kill();
            gone(&mut child)?
        } else {
            Some(child.wait()?)
        };
        let why = self.why(hangs, status);
        if let Some(name) = transcript.current() {
            self.case(name, false, start, &format!("it did not end: {why}"));
        }
        let (cases, failed) = transcript.seen;
        let ok =
            !hangs && status.is_some_and(|status| status.success()) && transcript.is_whole() && failed == 0;
        let name = format!("all cases of {}", self.part);
        self.case(
            &name,
            ok,
            begin,
            &format!("{cases} cases, {failed} failed; {why}"),
        );
        Ok(ok)
    }

    /// How the program ended.
    fn why(&self, hangs: bool, status: Option<ExitStatus>) -> String {
        match (hangs, status) {
            (false, status) => status.map(|status| status.to_string()).unwrap_or_default(),
            (true, Some(_)) => format!(
                "xtest said nothing for {} s and was killed",
                self.patience.as_secs()
            ),
            (true, None) => format!(
                "xtest said nothing for {} s and cannot be killed: its TEE does not answer, see hypervisor.log",
                self.patience.as_secs()
            ),
        }
    }

    fn case(&self, name: &str, ok: bool, start: Instant, detail: &str) {
        Line::new("case")
            .text("suite", self.suite)
            .text("tee", self.tee)
            .text("name", name)
            .truth("ok", ok)
            .number("ms", start.elapsed().as_millis() as u64)
            .text("detail", detail)
            .print();
    }
}

/// Starts the program on a terminal of its own; its lines come until it has closed that.
fn start(command: &[String]) -> std::io::Result<(Child, Receiver<String>)> {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let name = ptsname(&master, Vec::new())?;
    let terminal = File::from(rustix::fs::open(
        name.as_c_str(),
        OFlags::RDWR | OFlags::NOCTTY,
        Mode::empty(),
    )?);
    let program = command.first().ok_or(std::io::ErrorKind::InvalidInput)?;
    let child = {
        let mut command_line = Command::new(program);
        command_line.args(&command[1..]).stdin(Stdio::null());
        command_line.stdout(terminal.try_clone()?).stderr(terminal);
        command_line.spawn()?
        // Our own ends of the terminal close here: it is at its end when the program's are closed.
    };
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        // The terminal's end reads as an error.
        for line in BufReader::new(File::from(master))
            .split(b'\n')
            .map_while(Result::ok)
        {
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    Ok((child, lines))
}

/// Waits a moment for the end of a child that was killed.
fn gone(child: &mut Child) -> std::io::Result<Option<ExitStatus>> {
    let start = Instant::now();
    loop {
        let status = child.try_wait()?;
        if status.is_some() || start.elapsed() > GONE {
            return Ok(status);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
