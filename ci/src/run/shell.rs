//! `cargo xtask run --shell`: the terminal is the normal world's console.

use super::decoder;
use super::linux;
use crate::build::Built;
use anyhow::{Context, Result};
use std::os::unix::net::UnixListener;
use std::thread;

/// Gives a shell in Linux until it powers off; true where QEMU ended well.
pub fn run(built: &Built, sve: bool) -> Result<bool> {
    let folder = built.firmware.folder.join("run");
    let room = tempfile::tempdir().context("no temporary folder can be made")?;
    let socket = room.path().join("log");
    let listener = UnixListener::bind(&socket).context("no socket can be opened")?;
    let log = format!("unix:{}", socket.display());
    let mut command = linux::command(built, &folder, "bulkhead.mode=shell", sve, ["mon:stdio", &log])?;
    let table = decoder::table(&built.firmware.hypervisor)?;
    let records = folder.join("hypervisor.log");
    eprintln!(
        "the hypervisor's log, decoded, is in {}; end with `exit`, or Ctrl-A X\n\
         try: bulkhead-tees, or xtest -d vendor-b -t regression 1004",
        records.display()
    );
    let mut machine = command
        .stdin(std::process::Stdio::inherit())
        .spawn()
        .context("QEMU could not be started")?;
    let following = folder.clone();
    thread::spawn(move || {
        let (stream, _) = listener.accept()?;
        decoder::follow(&table, stream, &following, |_| {})
    });
    Ok(machine.wait().context("QEMU was lost")?.success())
}
