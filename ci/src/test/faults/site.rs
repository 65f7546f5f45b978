//! Where a TEE runs at this moment: on which core, at which exception level, and at which instruction.

use super::dice::Dice;
use super::injury::{APPLICATION, KERNEL, TABLE};
use crate::run::gdb::{Gdb, Stub};
use anyhow::{Result, bail};
use bulkhead_configs::Partition;
use std::thread;
use std::time::{Duration, Instant};

/// How long an exception level is waited for before any will do, and how long it is looked at all.
const LEVEL: Duration = Duration::from_millis(700);
const LIMIT: Duration = Duration::from_secs(60);

/// SCR_EL3.NS
const NORMAL_WORLD: u64 = 1;

/// Where a TEE runs.
#[derive(Debug)]
pub struct Site {
    /// The core, as the debug port names it.
    pub core: String,
    /// The program counter.
    pub pc: u64,
    /// The exception level.
    pub level: u8,
}

/// Stops the machine at moments that chance chooses, until a core runs the partition at this level, or at any where it
/// hardly ever runs at this one.
pub fn find<'a>(
    stub: &'a Stub,
    partition: &Partition,
    level: u8,
    when: &mut Dice,
) -> Result<(Gdb<'a>, Site)> {
    let start = Instant::now();
    while start.elapsed() < LIMIT {
        thread::sleep(Duration::from_micros(500 + when.below(7_500)));
        let mut gdb = stub.stop()?;
        let mut cores = gdb.cores()?;
        let first = when.below(cores.len() as u64) as usize;
        cores.rotate_left(first);
        for core in cores {
            if let Some(site) = look(&mut gdb, partition, core)?
                && (site.level == level || start.elapsed() > LEVEL)
            {
                return Ok((gdb, site));
            }
        }
    }
    bail!("no core ran {} in {} s", partition.name, LIMIT.as_secs())
}

/// Where a core runs the partition, if it does.
pub fn look(gdb: &mut Gdb<'_>, partition: &Partition, core: String) -> Result<Option<Site>> {
    let (pc, level) = gdb.place(&core)?;
    let own = |address: u64| {
        let mut memory = partition.memory.iter();
        memory.any(|region| (region.range.base..region.range.end()).contains(&address))
    };
    let runs = match level {
        // The kernels of these TEEs run where they are in memory. Linux is elsewhere, and has EL2 here.
        KERNEL => own(pc),
        // Programs of Linux run in the other world.
        APPLICATION => {
            gdb.system_register("SCR_EL3")? & NORMAL_WORLD == 0
                && own(gdb.system_register("TTBR0_EL1")? & TABLE)
        }
        _ => false,
    };
    Ok(runs.then_some(Site { core, pc, level }))
}
