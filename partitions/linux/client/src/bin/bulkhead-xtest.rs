//! `bulkhead-xtest SUITE TEE LOG PROGRAM ARGUMENTS…`: runs `xtest` on a terminal, so that its lines come when it writes
//! them, and prints a line for `xtask` as each case ends, with how long it took. All that `xtest` says goes to the file
//! LOG. Exit status 0 only if `xtest` ran to its end and every case passed.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use bulkhead_client::report::Line;
use bulkhead_client::transcript::{News, Transcript};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [suite, tee, log, command @ ..] = arguments.as_slice() else {
        eprintln!("usage: bulkhead-xtest SUITE TEE LOG PROGRAM ARGUMENTS...");
        return ExitCode::FAILURE;
    };
    match run(suite, tee, log, command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            case(suite, tee, "xtest runs", false, Instant::now(), &why.to_string());
            ExitCode::FAILURE
        }
    }
}

fn run(suite: &str, tee: &str, log: &str, command: &[String]) -> std::io::Result<bool> {
    let begin = Instant::now();
    let mut log = File::create(log)?;
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
    let mut child = {
        let mut command_line = Command::new(program);
        command_line.args(&command[1..]).stdin(Stdio::null());
        command_line.stdout(terminal.try_clone()?).stderr(terminal);
        command_line.spawn()?
        // Our own ends of the terminal close here: it is at its end when the program's are closed.
    };
    let (mut transcript, mut start) = (Transcript::default(), Instant::now());
    // The terminal's end reads as an error.
    for line in BufReader::new(File::from(master))
        .split(b'\n')
        .map_while(Result::ok)
    {
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end();
        writeln!(log, "{line}")?;
        match transcript.line(line) {
            Some(News::Began) => start = Instant::now(),
            Some(News::Ended { name, ok, detail }) => case(suite, tee, &name, ok, start, &detail),
            None => {}
        }
    }
    let status = child.wait()?;
    if let Some(name) = transcript.current() {
        case(suite, tee, name, false, start, "it did not end");
    }
    let (cases, failed) = transcript.seen;
    let ok = status.success() && transcript.is_whole() && failed == 0;
    let detail = format!("{cases} cases, {failed} failed; {status}");
    case(suite, tee, "all cases", ok, begin, &detail);
    Ok(ok)
}

fn case(suite: &str, tee: &str, name: &str, ok: bool, start: Instant, detail: &str) {
    Line::new("case")
        .text("suite", suite)
        .text("tee", tee)
        .text("name", name)
        .truth("ok", ok)
        .number("ms", start.elapsed().as_millis() as u64)
        .text("detail", detail)
        .print();
}
