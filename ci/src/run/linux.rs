//! Booting a system with Linux as its normal world.

use super::events::Line;
use super::machine::{self, Machine};
use super::record::Programs;
use super::session::{self, Log, Next, Ports, Wish};
use crate::build::{self, Built, NormalWorld};
use anyhow::Result;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The kernel's arguments that every run has.
const COMMON: &str = "console=ttyAMA0 quiet rdinit=/init panic=-1";

/// What is wanted of a run of Linux.
pub struct LinuxWish {
    /// Where its logs go.
    pub folder: PathBuf,
    /// The longest time in which it may say nothing; that of the whole run where nobody changes it.
    pub quiet: Duration,
    /// A socket for the machine's gdb stub.
    pub stub: Option<PathBuf>,
    /// More of QEMU's arguments.
    pub more: Vec<String>,
    /// Where the hypervisor's log leaves the machine.
    pub log: Log,
    elf: PathBuf,
    programs: Programs,
    limit: Duration,
    show_log: bool,
    show_console: bool,
}

/// A run whose logs go to the folder `name` of the system.
pub fn wish(built: &Built, name: &str, limit: Duration, show_log: bool, show_console: bool) -> LinuxWish {
    let (folder, elf) = (
        built.firmware.folder.join(name),
        built.firmware.hypervisor.clone(),
    );
    LinuxWish {
        folder,
        quiet: limit,
        stub: None,
        more: Vec::new(),
        log: Log::of(&built.firmware.system),
        elf,
        programs: built.firmware.programs.clone(),
        limit,
        show_log,
        show_console,
    }
}

/// The machine's command with Linux, and its serial ports.
pub fn command(
    built: &Built,
    folder: &Path,
    arguments: &str,
    machine: &Machine,
    ports: [&str; 2],
) -> Result<Command> {
    let (normal, flash) = (&built.normal, &built.firmware.flash);
    command_of(normal, flash, folder, arguments, machine, ports)
}

/// As [`command`], with this flash.
pub fn command_of(
    normal: &NormalWorld,
    flash: &Path,
    folder: &Path,
    arguments: &str,
    machine: &Machine,
    ports: [&str; 2],
) -> Result<Command> {
    crate::paths::make_folder(folder)?;
    let tree = folder.join("linux.dtb");
    build::tree(machine, normal, flash, &format!("{COMMON} {arguments}"), &tree)?;
    let mut command = machine.command(flash, ports);
    machine::add_linux(&mut command, normal, &tree)?;
    Ok(command)
}

/// Boots Linux on this machine with these arguments and follows it.
pub fn boot(
    built: &Built,
    wish: &LinuxWish,
    arguments: &str,
    machine: &Machine,
    on: impl FnMut(Line) -> Next,
) -> Result<()> {
    let ports = Ports::open()?;
    let names = ports.names();
    let mut command = command(built, &wish.folder, arguments, machine, [&names[0], &names[1]])?;
    command.args(&wish.more);
    if let Some(stub) = &wish.stub {
        command
            .arg("-gdb")
            .arg(format!("unix:{},server=on,wait=off", stub.display()));
    }
    let wish = Wish {
        elf: &wish.elf,
        programs: &wish.programs,
        log: wish.log,
        folder: &wish.folder,
        limit: wish.limit,
        quiet: wish.quiet,
        show_log: wish.show_log,
        show_console: wish.show_console,
    };
    session::run(command, &ports, &wish, on)
}
