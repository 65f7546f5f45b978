//! The machine that QEMU plays, and how it is started.

use crate::build::{NormalWorld, normal_addresses};
use crate::parts::host::QEMU;
use crate::tool::Tool;
use anyhow::{Context, Result};
use bulkhead_configs::System;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What differs between runs of the same board.
#[derive(Clone)]
pub struct Machine {
    emulator: PathBuf,
    cores: usize,
    sve: bool,
    counts: bool,
    steps: bool,
    keeps: bool,
}

impl Machine {
    /// The machine of a system's board. SME is off: it is not supported yet.
    pub fn of(system: &System, sve: bool) -> Self {
        Self {
            emulator: QEMU.into(),
            cores: system.board.cores.len(),
            sve,
            counts: false,
            steps: false,
            keeps: false,
        }
    }

    /// The machine on which time is the number of instructions: a run is the same each time.
    pub fn counting(self) -> Self {
        Self { counts: true, ..self }
    }

    /// The same with another QEMU.
    pub fn of_emulator(self, emulator: &Path) -> Self {
        Self {
            emulator: emulator.to_path_buf(),
            ..self
        }
    }

    /// The same with so many cores.
    pub fn with_cores(self, cores: usize) -> Self {
        Self { cores, ..self }
    }

    /// The same with each instruction by itself: QEMU's execution log then names every one.
    pub fn stepping(self) -> Self {
        Self {
            counts: true,
            steps: true,
            ..self
        }
    }

    /// The machine that writes what it changes in its flash to the file, which has all 64 MiB.
    pub fn keeping(self) -> Self {
        Self { keeps: true, ..self }
    }

    /// QEMU's arguments for the bare machine.
    fn arguments(&self, extra: &str) -> Vec<String> {
        let sve = if self.sve { "on" } else { "off" };
        [
            "-M".to_owned(),
            format!("virt,secure=on,virtualization=on,gic-version=3{extra}"),
            "-cpu".to_owned(),
            format!("max,pauth-impdef=on,sve={sve},sme=off"),
            "-accel".to_owned(),
            // Counting needs one thread: the cores take turns.
            match (self.counts, self.steps) {
                (_, true) => "tcg,thread=single,one-insn-per-tb=on",
                (true, false) => "tcg,thread=single",
                (false, false) => "tcg,thread=multi",
            }
            .to_owned(),
            "-smp".to_owned(),
            self.cores.to_string(),
            "-m".to_owned(),
            "2G".to_owned(),
        ]
        .into_iter()
        .chain(["-display", "none", "-nic", "none", "-no-reboot", "-nodefaults"].map(str::to_owned))
        .collect()
    }

    /// Writes the machine's own device tree.
    pub fn dump_tree(&self, flash: &Path, out: &Path) -> Result<()> {
        let tool = Tool::new(&self.emulator)
            .args(self.arguments(&format!(",dumpdtb={}", out.display())))
            .arg("-bios")
            .arg(flash);
        tool.output("taking the machine's device tree").map(drop)
    }

    /// The command that boots `flash`, with both serial ports as `ports` says.
    pub fn command(&self, flash: &Path, ports: [&str; 2]) -> Command {
        // It must not outlive this process, however that ends.
        let mut tool = Tool::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(&self.emulator);
        tool = tool.args(self.arguments(""));
        tool = if self.keeps {
            let file = flash.display();
            tool.arg("-drive")
                .arg(format!("if=pflash,unit=0,format=raw,file={file}"))
        } else {
            tool.arg("-bios").arg(flash)
        };
        if self.counts {
            // Without `sleep=off` the time that the machine idles would count.
            tool = tool.args(["-icount", "shift=0,sleep=off"]);
        }
        for port in ports {
            tool = tool.args(["-serial", port]);
        }
        tool.command()
    }
}

/// Adds Linux and its device tree to a machine's command.
pub fn add_linux(command: &mut Command, normal: &NormalWorld, tree: &Path) -> Result<()> {
    let [kernel, initrd] = normal_addresses();
    for (file, address) in [(&normal.kernel, kernel), (&normal.initrd, initrd)] {
        let file = file.to_str().context("the workspace's path must be UTF-8")?;
        command
            .arg("-device")
            .arg(format!("loader,file={file},addr={address:#x},force-raw=on"));
    }
    command.arg("-dtb").arg(tree);
    Ok(())
}
