//! OP-TEEs that crash under Linux and come back, with their drivers bound as they were, and bound anew.

use super::linux::{self, Outcome, Run};
use super::tally::Tally;
use crate::build::Built;
use crate::run::events::Event;
use crate::run::gdb::Stub;
use anyhow::{Context, Result, bail};
use bulkhead_configs::System;
use std::thread;
use std::time::Duration;

/// Its suite.
pub const SUITE: &str = "again";
/// What the suite says, before the name of a TEE.
const WISH: &str = "crash ";
/// The exception level of a TEE's kernel.
const KERNEL: u8 = 1;
/// How often the machine is stopped before that is given up.
const TRIES: u32 = 2000;
/// A read of PMCR_EL0, which traps to the hypervisor.
const FORBIDDEN: u32 = 0xd53b_9c00;

const RUN: Run<'static> = Run {
    name: "gp-again",
    suites: SUITE,
    arguments: "",
    sve: true,
    counting: false,
    limit: Duration::from_secs(10 * 60),
    quiet: Duration::from_secs(4 * 60),
};

/// Boots the system of notifications with the suite, and crashes what it names.
pub fn test(built: &Built, tally: &mut Tally) -> Result<Outcome> {
    let room = tempfile::Builder::new().prefix("bulkhead").tempdir()?;
    let path = room.path().join("gdb");
    let stub = Stub::at(&path);
    let system = &built.firmware.system;
    Ok(linux::boot_with(
        built,
        &RUN,
        Some(&path),
        tally,
        &mut |event| match event {
            Event::Note { text } => match text.strip_prefix(WISH) {
                Some(name) => crash(&stub, system, name),
                None => Ok(()),
            },
            _ => Ok(()),
        },
    ))
}

/// Has a core that is in a TEE's kernel do what it must not.
fn crash(stub: &Stub, system: &System, name: &str) -> Result<()> {
    let partition = system.partitions.iter().find(|partition| partition.name == name);
    let partition = partition.with_context(|| format!("the table has no `{name}`"))?;
    let memory = partition.memory.first().context("a partition has memory")?.range;
    for turn in 0..TRIES {
        thread::sleep(Duration::from_millis(1 + u64::from(turn % 8)));
        let mut gdb = stub.stop()?;
        for core in gdb.cores()? {
            let (pc, level) = gdb.place(&core)?;
            if level == KERNEL && (memory.base..memory.end()).contains(&pc) {
                return gdb.write(pc, &FORBIDDEN.to_le_bytes());
            }
        }
    }
    bail!("no core was in the kernel of {name} in {TRIES} looks")
}
