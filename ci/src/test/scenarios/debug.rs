//! A scenario under a debugger: its machine waits, and gdb knows the symbols of everything in it.

use super::job::{Job, words};
use crate::parts::host;
use crate::paths::{Paths, make_folder, write};
use crate::run::{decoder, kallsyms};
use anyhow::{Context, Result, bail};
use std::fmt::Write as _;
use std::io::IsTerminal;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// Debuggers for arm64, and Debian's packages of them.
const DEBUGGERS: [(&str, &str); 3] = [
    ("gdb-multiarch", "gdb-multiarch"),
    ("aarch64-none-elf-gdb", "gdb-arm-none-eabi"),
    ("aarch64-linux-gnu-gdb", "gdb"),
];
/// The commands by partition, for gdb's own Python.
const COMMANDS: &str = include_str!("debug.py");

/// Starts the machine, which waits, and a debugger: on a terminal, how it is started is said, and elsewhere it takes
/// its commands from standard input. True where the debugger ended well.
pub fn debug(paths: &Paths, job: &Job) -> Result<bool> {
    let terminal = std::io::stdin().is_terminal();
    let mut session = Session::start(paths, job, terminal)?;
    eprintln!(
        "`{}` waits for a debugger; its consoles go to {}",
        job.title(),
        job.folder.display()
    );
    if terminal {
        let command = words(&session.debugger);
        eprintln!("in another terminal: {command}\nCtrl-C here ends the machine");
        return Ok(session.machine.0.wait().context("QEMU was lost")?.success());
    }
    let status = session
        .debugger
        .status()
        .context("the debugger could not be started")?;
    Ok(status.success())
}

/// What the debugger says to these commands.
pub fn ask(paths: &Paths, job: &Job, commands: &str) -> Result<String> {
    let mut session = Session::start(paths, job, false)?;
    let script = job.folder.join("commands.gdb");
    write(&script, commands.as_bytes())?;
    let debugger = session.debugger.arg("-batch").arg("-x").arg(&script);
    let output = debugger
        .stdin(Stdio::null())
        .output()
        .context("the debugger could not be started")?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A machine that waits, and its debugger.
struct Session {
    debugger: Command,
    machine: Machine,
    /// The folder of its sockets.
    _room: TempDir,
}

impl Session {
    fn start(paths: &Paths, job: &Job, show: bool) -> Result<Self> {
        let debugger = host::provide_program(paths, &DEBUGGERS)?;
        make_folder(&job.folder)?;
        let room = tempfile::Builder::new().prefix("bulkhead").tempdir()?;
        let [stub, log] = ["gdb", "log"].map(|name| room.path().join(name));
        let listener = UnixListener::bind(&log).context("no socket can be opened")?;
        let console = job.folder.join("console.log");
        let ports = [
            format!("file:{}", console.display()),
            format!("unix:{}", log.display()),
        ];
        let mut command = job.command([&ports[0], &ports[1]])?;
        command.args([
            "-S",
            "-gdb",
            &format!("unix:{},server=on,wait=off", stub.display()),
        ]);
        let script = job.folder.join("debug.gdb");
        write(&script, text(job, &stub)?.as_bytes())?;
        write(&job.folder.join("debug.py"), COMMANDS.as_bytes())?;
        let table = decoder::table(&job.firmware.hypervisor)?;
        let folder = job.folder.clone();
        let mut machine = Machine(command.spawn().context("QEMU could not be started")?);
        thread::spawn(move || {
            let (stream, _) = listener.accept()?;
            decoder::follow(&table, stream, &folder, |record| {
                if show && record.is_notable() {
                    eprintln!("{}", record.coloured());
                }
            })
        });
        while !stub.exists() {
            if let Some(status) = machine.0.try_wait().context("QEMU was lost")? {
                bail!("QEMU ended with {status} before it waited for a debugger; its words are above");
            }
            thread::sleep(Duration::from_millis(10));
        }
        let mut debugger = Command::new(debugger);
        debugger.args(["-q", "-nx", "-x"]).arg(&script);
        Ok(Self {
            debugger,
            machine,
            _room: room,
        })
    }
}

/// A machine, ended with this.
struct Machine(Child);

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// gdb's script: symbols where their programs are, the machine, and the commands by partition.
fn text(job: &Job, stub: &Path) -> Result<String> {
    let firmware = &job.firmware;
    let mut text = format!(
        "# gdb-multiarch -x this: `{}` under the debugger.\nset pagination off\nset confirm off\nset architecture aarch64\n",
        job.title()
    );
    // Quoted: gdb takes a path with blanks in it for several words.
    let mut symbols = |file: &Path, load: u64| {
        let _ = writeln!(text, "add-symbol-file \"{}\" -o {load:#x}", file.display());
    };
    symbols(&firmware.hypervisor, 0);
    for program in firmware.programs.values() {
        symbols(&program.file, program.offset());
    }
    let kernel = match (&job.kernel_symbols, &job.normal) {
        (Some(vmlinux), _) => Some(vmlinux.clone()),
        (None, Some(normal)) => Some(kallsyms::elf(&normal.kernel, &job.folder)?),
        (None, None) => None,
    };
    if let Some(kernel) = kernel {
        symbols(&kernel, 0);
    }
    let _ = writeln!(text, "target remote {}", stub.display());
    text += "python\npartitions = {}\n";
    for partition in &firmware.system.partitions {
        let memory: Vec<_> = partition
            .memory
            .iter()
            .map(|region| format!("({:#x}, {:#x})", region.range.base, region.range.end()))
            .collect();
        let entry = partition.load() + partition.image.entry;
        let _ = writeln!(
            text,
            "partitions['{}'] = ({entry:#x}, [{}])",
            partition.name,
            memory.join(", ")
        );
    }
    let commands = job.folder.join("debug.py");
    let _ = write!(text, "end\nsource {}\nwho\n", commands.display());
    Ok(text)
}
