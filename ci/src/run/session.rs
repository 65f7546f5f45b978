//! One run of the machine: its consoles are followed, and it ends by itself or is ended.

use super::apart::Apart;
use super::decoder;
use super::events::{self, Line};
use super::record::{Failures, Programs};
use crate::paths::make_folder;
use anyhow::{Context, Result, bail};
use bulkhead_configs::System;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long the machine may take to go off after it said that it would.
const POWER_OFF: Duration = Duration::from_secs(20);
/// What TF-A says when it has switched the machine off, and how long QEMU has then to end by itself.
const OFF: &str = "System Power off";
const LEAVE: Duration = Duration::from_secs(2);

/// How long the hypervisor may take to its first record: in seconds that passed, and of those the machine must have
/// computed for so long, since this computer may be busy with other things. A machine that sleeps gets a minute.
const SILENCE: Duration = Duration::from_secs(15);
const COMPUTED: Duration = Duration::from_secs(10);
const ASLEEP: Duration = Duration::from_secs(60);

/// Sockets for the machine's two serial ports.
pub struct Ports {
    console: UnixListener,
    log: UnixListener,
    room: tempfile::TempDir,
}

impl Ports {
    /// Opens both.
    pub fn open() -> Result<Self> {
        let room = tempfile::Builder::new()
            .prefix("bulkhead")
            .tempdir()
            .context("no temporary folder can be made")?;
        let listen =
            |name: &str| UnixListener::bind(room.path().join(name)).context("no socket can be opened");
        Ok(Self {
            console: listen("console")?,
            log: listen("log")?,
            room,
        })
    }

    /// QEMU's names of the ports.
    pub fn names(&self) -> [String; 2] {
        ["console", "log"].map(|name| format!("unix:{}", self.room.path().join(name).display()))
    }
}

/// What is wanted of a run.
pub struct Wish<'a> {
    /// The hypervisor, for its log.
    pub elf: &'a Path,
    /// The partitions' programs, for the records of their failures.
    pub programs: &'a Programs,
    /// Where that leaves the machine.
    pub log: Log,
    /// Where the logs go.
    pub folder: &'a Path,
    /// The time that the run may take.
    pub limit: Duration,
    /// The longest time in which the normal world may say nothing.
    pub quiet: Duration,
    /// Whether the log is shown as it comes: the hypervisor's own records from `info` on.
    pub show_log: bool,
    /// Whether all of the log and the consoles are shown, the TEEs' and the normal world's.
    pub show_console: bool,
}

/// Where the hypervisor's log leaves the machine.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Log {
    /// By the second port.
    Own,
    /// By the first one, among the normal world's text. The second is a partition's.
    Shared,
    /// Nowhere. The second port is a partition's.
    None,
}

impl Log {
    /// Where a system has it.
    pub fn of(system: &System) -> Self {
        match system.board.log() {
            None => Self::None,
            Some((_, true)) => Self::Shared,
            Some((_, false)) => Self::Own,
        }
    }
}

/// What comes out of the machine.
enum Said {
    /// A line of the normal world's console.
    Console(String),
    /// A record of the hypervisor: it runs.
    Record,
    /// The hypervisor's last words.
    Fatal(String),
}

/// The hypervisor has stopped the machine.
#[derive(Debug)]
pub struct Stopped {
    message: String,
    log: PathBuf,
}

impl std::error::Error for Stopped {}

impl std::fmt::Display for Stopped {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            to,
            "the hypervisor stopped: {}; see {}",
            self.message,
            self.log.display()
        )
    }
}

/// What the caller does with a line.
#[derive(PartialEq, Eq)]
pub enum Next {
    /// Go on.
    Continue,
    /// All is known: the machine should go off by itself now.
    Finish,
    /// All is known: end the machine.
    Stop,
}

/// Runs the machine; `on` sees each line that means something. An error where it ends before `on` says so.
pub fn run(mut command: Command, ports: &Ports, wish: &Wish, mut on: impl FnMut(Line) -> Next) -> Result<()> {
    make_folder(wish.folder)?;
    let table = decoder::table(wish.elf)?;
    let machine = Machine::start(&mut command, wish.folder)?;
    let (second, console) = (
        accept(&ports.log, &machine, wish)?,
        accept(&ports.console, &machine, wish)?,
    );
    let (frames, log) = UnixStream::pair().context("no socket can be opened")?;
    let (log, frames, answering) = match wish.log {
        Log::Own => (second, None, None),
        Log::Shared => (log, Some(frames), Some(answer(second, wish.folder)?)),
        Log::None => {
            // So that who decodes sees an end.
            drop(frames);
            (log, None, Some(answer(second, wish.folder)?))
        }
    };
    let (folder, show, all) = (wish.folder.to_path_buf(), wish.show_log, wish.show_console);
    let (sender, lines) = channel();
    let records = sender.clone();
    let programs = wish.programs.clone();
    let decoding = thread::spawn(move || {
        let mut failures = Failures::new(&programs, &folder)?;
        decoder::follow(&table, log, &folder, |record| {
            let _ = records.send(Said::Record);
            if show && (all || record.is_notable()) {
                eprintln!("{}", record.coloured());
            }
            failures.take(record, show);
            if record.is_fatal() {
                let _ = records.send(Said::Fatal(record.message().to_owned()));
            }
        })
    });
    let reading = read_console(
        console,
        wish.folder.join("console.log"),
        wish.show_console,
        frames,
        sender,
    );
    let result = watch(&lines, wish, &machine, &mut on);
    drop(machine);
    join(reading)?;
    join(decoding)?;
    answering.map_or(Ok(()), join)?;
    result
}

/// How long a partition may take to read what it is answered; one that does not read is answered no more.
const READS: Duration = Duration::from_secs(1);

/// Starts a thread that is at the other end of a partition's port: it keeps what comes, and answers each byte, letters
/// as capitals.
fn answer(mut stream: UnixStream, folder: &Path) -> Result<JoinHandle<Result<()>>> {
    let path = folder.join("partition.log");
    let mut file = File::create(&path).with_context(|| format!("{} cannot be written", path.display()))?;
    stream.set_write_timeout(Some(READS))?;
    Ok(thread::spawn(move || {
        let (mut buffer, mut reads) = ([0; 256], true);
        while let Ok(count @ 1..) = stream.read(&mut buffer) {
            file.write_all(&buffer[..count])?;
            buffer.make_ascii_uppercase();
            reads = reads && stream.write_all(&buffer[..count]).is_ok();
        }
        Ok(())
    }))
}

/// Follows the lines until `on` knows enough.
fn watch(
    lines: &Receiver<Said>,
    wish: &Wish,
    machine: &Machine,
    on: &mut dyn FnMut(Line) -> Next,
) -> Result<()> {
    let start = Instant::now();
    let console = wish.folder.join("console.log");
    let mut heard = wish.log == Log::None;
    let (mut last, mut said) = (start, String::new());
    loop {
        let left = wish.limit.saturating_sub(start.elapsed());
        let left = left.min(wish.quiet.saturating_sub(last.elapsed()));
        let wait = if heard {
            left
        } else {
            left.min(Duration::from_secs(1))
        };
        match lines.recv_timeout(wait) {
            Ok(Said::Record) => heard = true,
            Ok(Said::Fatal(message)) => bail!(Stopped {
                message,
                log: wish.folder.join("hypervisor.log"),
            }),
            Ok(Said::Console(line)) => {
                (last, said) = (Instant::now(), line);
                match events::read(&said) {
                    Line::Panic => bail!("the normal world's kernel panicked; see {}", console.display()),
                    line => match on(line) {
                        Next::Continue => {}
                        Next::Stop => return Ok(()),
                        Next::Finish => return wait_for_end(lines, &console),
                    },
                }
            }
            Err(RecvTimeoutError::Timeout) if start.elapsed() < wish.limit => {
                if last.elapsed() >= wish.quiet {
                    bail!(hang(wish, &said));
                }
                if !heard && is_silent(start.elapsed(), machine.computed()) {
                    bail!(silence(wish.folder));
                }
            }
            Err(RecvTimeoutError::Timeout) => bail!(
                "the run was ended after {} s without its last line; the last was `{}`; see {} and hypervisor.log beside \
                 it, and run fewer suites at a time with --suites",
                wish.limit.as_secs(),
                said.trim(),
                console.display()
            ),
            Err(RecvTimeoutError::Disconnected) => bail!(
                "the machine stopped before the run was complete; see {} and hypervisor.log beside it",
                console.display()
            ),
        }
    }
}

/// Whether a hypervisor that was not heard in this time will not be heard any more.
fn is_silent(passed: Duration, computed: Duration) -> bool {
    passed >= SILENCE && (computed >= COMPUTED || passed >= ASLEEP)
}

/// What to say then, and to do.
fn silence(folder: &Path) -> String {
    format!(
        "the hypervisor said nothing for {} s: the firmware did not start it, or it stopped before its first record; \
         see console.log (the firmware's words) and qemu.log in {}; run `cargo xtask check` on the table, and where \
         target/parts/tfa or flash.bin was changed by hand, remove it and run this again",
        SILENCE.as_secs(),
        folder.display()
    )
}

/// What to say of a normal world that says nothing any more, and to do.
fn hang(wish: &Wish, said: &str) -> String {
    format!(
        "the normal world said nothing for {} s; the last was `{}`. It hangs, or this computer is very busy: see which \
         partition ran last in {}, and run the suite alone with --suites",
        wish.quiet.as_secs(),
        said.trim(),
        wish.folder.join("hypervisor.log").display()
    )
}

/// Waits until the machine has gone off. A QEMU that its gdb stub has stopped before sometimes stays behind what firmware
/// says last.
fn wait_for_end(lines: &Receiver<Said>, console: &Path) -> Result<()> {
    let mut deadline = Instant::now() + POWER_OFF;
    let mut off = false;
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Said::Console(line)) if line.contains(OFF) => {
                (off, deadline) = (true, Instant::now() + LEAVE);
            }
            Ok(_) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
            Err(RecvTimeoutError::Timeout) if off => return Ok(()),
            Err(RecvTimeoutError::Timeout) => bail!(
                "the machine did not go off within {} s of its last line; see {}",
                POWER_OFF.as_secs(),
                console.display()
            ),
        }
    }
}

/// Starts a thread that reads the console, keeps all of its text, and sends each line. Where the log's frames are
/// among it, they go on to their decoder.
fn read_console(
    mut stream: UnixStream,
    path: PathBuf,
    show: bool,
    mut frames: Option<UnixStream>,
    sender: Sender<Said>,
) -> JoinHandle<Result<()>> {
    thread::spawn(move || {
        let mut file =
            File::create(&path).with_context(|| format!("{} cannot be written", path.display()))?;
        let (mut apart, mut buffer, mut rest) = (Apart::default(), [0; 4096], Vec::new());
        loop {
            let count = stream.read(&mut buffer).unwrap_or(0);
            let mut text = buffer[..count].to_vec();
            if let Some(frames) = &mut frames {
                let (own, log) = apart.take(&text);
                text = own;
                frames.write_all(&log)?;
            }
            file.write_all(&text)?;
            rest.extend(text);
            // At the end, what has no end of line is a line, too.
            while let Some(end) = rest
                .iter()
                .position(|byte| *byte == b'\n')
                .map(|at| at + 1)
                .or_else(|| (count == 0 && !rest.is_empty()).then_some(rest.len()))
            {
                let line: Vec<u8> = rest.drain(..end).collect();
                let text = String::from_utf8_lossy(&line);
                if show {
                    println!("{}", text.trim_end());
                }
                let _ = sender.send(Said::Console(text.into_owned()));
            }
            if count == 0 {
                return Ok(());
            }
        }
    })
}

/// Waits for a thread; its error is the run's.
fn join(thread: JoinHandle<Result<()>>) -> Result<()> {
    match thread.join() {
        Ok(result) => result,
        Err(_) => bail!("a thread that follows the machine's consoles died; this is a fault of xtask"),
    }
}

/// A running QEMU, ended when it is dropped.
pub struct Machine {
    child: std::cell::RefCell<Child>,
}

impl Machine {
    /// Starts it; what QEMU itself says goes to a log.
    fn start(command: &mut Command, folder: &Path) -> Result<Self> {
        let said = File::create(folder.join("qemu.log")).context("qemu.log cannot be written")?;
        let child = command
            .stdin(Stdio::null())
            .stdout(said.try_clone()?)
            .stderr(said)
            .spawn();
        Ok(Self {
            child: child.context("QEMU could not be started")?.into(),
        })
    }

    /// How long it has computed: the processor time of all its threads. Nothing where that cannot be told.
    fn computed(&self) -> Duration {
        let path = format!("/proc/{}/stat", self.child.borrow().id());
        processor_time(&std::fs::read_to_string(path).unwrap_or_default()).unwrap_or_default()
    }

    /// Whether it has ended.
    fn ended(&self) -> bool {
        !matches!(self.child.borrow_mut().try_wait(), Ok(None))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let child = self.child.get_mut();
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// Waits until QEMU has connected a port.
fn accept(listener: &UnixListener, machine: &Machine, wish: &Wish) -> Result<UnixStream> {
    listener.set_nonblocking(true)?;
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false)?;
                return Ok(stream);
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock && !machine.ended() => {
                thread::sleep(Duration::from_millis(10));
            }
            Err(_) => {
                let said = std::fs::read_to_string(wish.folder.join("qemu.log")).unwrap_or_default();
                bail!(
                    "QEMU did not start: {}",
                    said.lines().last().unwrap_or("it gave no reason")
                );
            }
        }
    }
}

/// The processor time in the text of `/proc/PID/stat`: fields 14 and 15, in hundredths of a second.
fn processor_time(stat: &str) -> Option<Duration> {
    // The second field is the program's name, which may hold blanks.
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut times = fields.split(' ').skip(11);
    let mut time = || times.next()?.parse::<u64>().ok();
    Some(Duration::from_millis((time()? + time()?) * 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_computer_is_no_silent_hypervisor() {
        let seconds = Duration::from_secs;
        assert!(is_silent(seconds(15), seconds(14)));
        assert!(!is_silent(seconds(14), seconds(14)), "too early");
        assert!(!is_silent(seconds(40), seconds(3)), "it had no time to compute");
        assert!(is_silent(seconds(60), seconds(0)), "it sleeps");
    }

    #[test]
    fn a_normal_world_that_says_nothing_any_more_is_told_with_its_last_words() {
        let room = tempfile::tempdir().unwrap();
        let wish = Wish {
            elf: Path::new("none"),
            programs: &Programs::new(),
            log: Log::Own,
            folder: room.path(),
            limit: Duration::from_secs(60),
            quiet: Duration::from_millis(1500),
            show_log: false,
            show_console: false,
        };
        let machine = Machine::start(Command::new("sleep").arg("60"), room.path()).unwrap();
        let (sender, lines) = channel();
        let talk = thread::spawn(move || {
            sender.send(Said::Record).unwrap();
            // Each line starts the time anew: together they take longer than it, and each by far less, as computers may be busy.
            for line in ["one\r\n", "two\r\n", "three\r\n"] {
                thread::sleep(Duration::from_millis(600));
                sender.send(Said::Console(line.into())).unwrap();
            }
            // What the hypervisor says does not count.
            thread::sleep(Duration::from_millis(1000));
            sender.send(Said::Record).unwrap();
            thread::sleep(Duration::from_millis(2000));
            drop(sender);
        });
        let mut seen = 0;
        let result = watch(&lines, &wish, &machine, &mut |_| {
            seen += 1;
            Next::Continue
        });
        talk.join().unwrap();
        let said = result.unwrap_err().to_string();
        assert_eq!(seen, 3, "{said}");
        assert!(
            said.contains("said nothing for") && said.contains("`three`"),
            "{said}"
        );
    }

    #[test]
    fn a_machine_that_firmware_has_switched_off_is_off() {
        let (sender, lines) = channel();
        let say = |text: &str| sender.send(Said::Console(text.into())).unwrap();
        say("[    5.3] reboot: Power down");
        say("ERROR:   QEMU System Power off: with GPIO.");
        let begun = Instant::now();
        assert!(wait_for_end(&lines, Path::new("console.log")).is_ok());
        assert!(begun.elapsed() >= LEAVE, "QEMU has its time to end");
        drop(sender);
    }

    #[test]
    fn processor_time_is_read() {
        let stat = "21 (a) b) S 1 21 21 0 -1 4194560 5 0 0 0 150 50 0 0 20 0";
        assert_eq!(processor_time(stat), Some(Duration::from_secs(2)));
        let own = std::fs::read_to_string("/proc/self/stat").unwrap();
        assert!(processor_time(&own).is_some());
        assert_eq!(processor_time("nothing"), None);
    }
}
