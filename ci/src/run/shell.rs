//! `cargo xtask run --shell`: the terminal is the normal world's console. Without a terminal, what stands on standard
//! input is typed there, and at its end the shell is left.

use super::decoder;
use super::events::{self, Event, Line};
use super::linux;
use super::machine::Machine;
use super::session::Log;
use crate::build::Built;
use anyhow::{Context, Result, bail};
use bulkhead_configs::{System, Tee};
use std::io::{IsTerminal, Read, Write};
use std::os::unix::net::UnixListener;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

/// The time that Linux may take until its shell is there, where nobody watches.
const LIMIT: Duration = Duration::from_secs(240);

/// How often the end of input is typed again, while the shell is not left yet: a command may take it for its own.
const AGAIN: Duration = Duration::from_secs(2);

/// The key of a terminal's end of input.
const END: &[u8] = b"\x04";

/// Gives a shell in Linux until it powers off; true where QEMU ended well.
pub fn run(built: &Built, sve: bool) -> Result<bool> {
    if Log::of(&built.firmware.system) == Log::Shared {
        bail!(
            "the hypervisor's log is on this table's console: take `log` out of its `hypervisor` for a shell"
        );
    }
    let folder = built.firmware.folder.join("run");
    let room = tempfile::tempdir().context("no temporary folder can be made")?;
    let socket = room.path().join("log");
    let listener = UnixListener::bind(&socket).context("no socket can be opened")?;
    let log = format!("unix:{}", socket.display());
    let terminal = std::io::stdin().is_terminal();
    let console = if terminal { "mon:stdio" } else { "stdio" };
    let machine = Machine::of(&built.firmware.system, sve);
    let mut command = linux::command(built, &folder, "bulkhead.mode=shell", &machine, [console, &log])?;
    let table = decoder::table(&built.firmware.hypervisor)?;
    let records = folder.join("hypervisor.log");
    eprintln!(
        "the hypervisor's log, decoded, is in {}; end with `exit`, or Ctrl-A X\ntry: {}",
        records.display(),
        tries(&built.firmware.system)
    );
    let following = folder.clone();
    thread::spawn(move || {
        let (stream, _) = listener.accept()?;
        decoder::follow(&table, stream, &following, |_| {})
    });
    if terminal {
        let mut machine = start(command.stdin(Stdio::inherit()))?;
        return ended(&mut machine);
    }
    let mut machine = start(command.stdin(Stdio::piped()).stdout(Stdio::piped()))?;
    let result = feed(&mut machine);
    if result.is_err() {
        let _ = machine.kill();
    }
    let ended = ended(&mut machine);
    result?;
    ended
}

/// What may be typed there first: xtest asks an OP-TEE, the last where there are several.
fn tries(system: &System) -> String {
    let optees = system
        .partitions
        .iter()
        .filter(|partition| partition.tee == Tee::Optee);
    let client = optees
        .filter_map(|partition| partition.client.as_ref())
        .next_back();
    let xtest = client.map(|client| format!(", or xtest -d {} -t regression 1004", client.name));
    format!("bulkhead-tees{}", xtest.unwrap_or_default())
}

fn start(command: &mut Command) -> Result<Child> {
    command.spawn().context("QEMU could not be started")
}

fn ended(machine: &mut Child) -> Result<bool> {
    Ok(machine.wait().context("QEMU was lost")?.success())
}

/// Types standard input into the shell when it is there, and then leaves it.
fn feed(machine: &mut Child) -> Result<()> {
    let (Some(mut keys), Some(console)) = (machine.stdin.take(), machine.stdout.take()) else {
        bail!("QEMU has no console; this is a fault of xtask");
    };
    let (says, up) = channel();
    let showing = thread::spawn(move || show(console, &says));
    if up.recv_timeout(LIMIT).is_err() {
        bail!("Linux gave no shell within {} s", LIMIT.as_secs());
    }
    // Where the machine goes off meanwhile, what is left to type is for nobody.
    if std::io::copy(&mut std::io::stdin(), &mut keys).is_ok() {
        leave(&mut keys, &up);
    }
    let _ = showing.join();
    Ok(())
}

/// Leaves the shell; `open` is closed where the machine is off.
fn leave(keys: &mut ChildStdin, open: &Receiver<()>) {
    use std::sync::mpsc::RecvTimeoutError::Timeout;
    let mut next = b"\nexit\n".as_slice();
    while keys.write_all(next).and_then(|()| keys.flush()).is_ok() && open.recv_timeout(AGAIN) == Err(Timeout)
    {
        next = END;
    }
}

/// Shows the console, and says when the shell is there.
fn show(mut console: ChildStdout, says: &Sender<()>) {
    let (mut buffer, mut line) = ([0; 4096], Vec::new());
    while let Ok(count @ 1..) = console.read(&mut buffer) {
        print!("{}", String::from_utf8_lossy(&buffer[..count]));
        let _ = std::io::stdout().flush();
        for byte in &buffer[..count] {
            line.push(*byte);
            if *byte == b'\n' {
                if is_up(&String::from_utf8_lossy(&line)) {
                    let _ = says.send(());
                }
                line.clear();
            }
        }
    }
}

/// Whether a line says that the shell is there.
fn is_up(line: &str) -> bool {
    matches!(events::read(line), Line::Event(Event::Note { text }) if text.starts_with("a shell "))
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_may_be_tried_is_there() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs");
        let said = |name: &str| super::tries(&bulkhead_configs::load(&root.join(name)).unwrap());
        assert_eq!(
            said("phone.toml"),
            "bulkhead-tees, or xtest -d vendor-b -t regression 1004"
        );
        assert_eq!(said("two-rust.toml"), "bulkhead-tees");
    }

    #[test]
    fn the_shell_is_told_from_other_notes() {
        assert!(super::is_up(
            "@bulkhead {\"event\":\"note\",\"text\":\"a shell on this machine; exit ends it\"}\r\n"
        ));
        assert!(!super::is_up(
            "@bulkhead {\"event\":\"note\",\"text\":\"one of many\"}\r\n"
        ));
        assert!(!super::is_up("a shell on this machine\r\n"));
    }
}
