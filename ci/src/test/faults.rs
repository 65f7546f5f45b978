//! Faults from outside while Linux runs: `cargo xtask test --faults`.
//!
//! A suite of Linux says when it is ready for one. Then the machine is stopped by QEMU's gdb stub at moments that a
//! seed chooses, until a core is in the kernel of the TEE that is meant, and its registers, its stack or its code are
//! changed, so that it crashes, hangs or does whatever comes of it. The suite sees what its clients are told, that the TEE comes back, and what its peers'
//! clients noticed.

use super::linux::{self, Run};
use super::tally::Tally;
use crate::build::Built;
use crate::cli::TestArgs;
use crate::run::gdb::{self, Gdb};
use crate::run::log;
use anyhow::{Context, Result, bail};
use bulkhead_configs::{Partition, System};
use std::path::Path;
use std::thread;
use std::time::Duration;

/// What the suite says, before the name of a TEE.
const WISH: &str = "inject ";
/// The exception level of a TEE's kernel. Linux has EL2 here, and its programs EL0.
const KERNEL: u8 = 1;
/// How often the machine is stopped before that is given up.
const TRIES: u32 = 2000;
/// Faults of the short form and of the full one.
const ROUNDS: [u32; 2] = [20, 200];
/// The time that they may take, xtest behind them included.
const LIMITS: [Duration; 2] = [Duration::from_secs(20 * 60), Duration::from_secs(90 * 60)];

/// What is done to a core that runs a TEE's kernel.
#[derive(Clone, Copy, Debug)]
enum Injury {
    /// The next instruction becomes one that traps to the hypervisor: a read of PMCR_EL0.
    ForbiddenInstruction,
    /// The next instruction becomes a branch to itself, with all exceptions masked.
    EndlessLoop,
    /// It goes on somewhere else.
    ProgramCounter,
    /// Its stack is somewhere else.
    StackPointer,
    /// What is on its stack is something else.
    StackContents,
    /// The 256 bytes of code around it are others.
    Code,
    /// The first entries of its translation table lead nowhere.
    PageTable,
}

const INJURIES: [Injury; 7] = [
    Injury::ForbiddenInstruction,
    Injury::EndlessLoop,
    Injury::ProgramCounter,
    Injury::StackPointer,
    Injury::StackContents,
    Injury::Code,
    Injury::PageTable,
];

/// Numbers that look like chance, from a seed.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 ^ self.0 >> 33
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.next() as u8)
    }
}

/// Boots Linux with the suite, and injects what it asks for.
pub fn test(built: &Built, args: &TestArgs, tally: &mut Tally) -> Result<()> {
    let room = tempfile::Builder::new().prefix("bulkhead").tempdir()?;
    let stub = room.path().join("gdb");
    let seed = args.seed.unwrap_or_else(|| u64::from(std::process::id()));
    eprintln!("       seed {seed}");
    let run = Run {
        name: "faults",
        suites: "faults",
        arguments: &format!("bulkhead.faults={}", ROUNDS[usize::from(args.full)]),
        sve: true,
        counting: false,
        limit: LIMITS[usize::from(args.full)],
        quiet: Duration::from_secs(6 * 60),
    };
    let mut injected = 0;
    let system = &built.firmware.system;
    let outcome = linux::boot_with(built, &run, Some(&stub), tally, &mut |text| {
        let Some(name) = text.strip_prefix(WISH) else {
            return Ok(());
        };
        // Each has its own, however often the machine had to be stopped for those before it.
        let mut dice = Dice(seed.wrapping_add(injected as u64));
        let (injury, address) = inject(&stub, named(system, name)?, &mut dice)?;
        injected += 1;
        eprintln!("       {injected}: {name} at {address:#x}: {injury:?}");
        Ok(())
    });
    let asked = outcome.notes.iter().filter(|note| note.starts_with(WISH)).count();
    tally.note(
        "faults: every one was injected",
        injected > 0 && injected == asked,
        &format!("{injected} of {asked}; repeat with --seed {seed}"),
    );
    let mut times = log::read(&built.firmware.folder.join(run.name))?.back_after;
    times.sort_unstable();
    if let (Some(median), Some(longest)) = (times.get(times.len() / 2), times.last()) {
        eprintln!(
            "       from a failure until its TEE is ready again: {median} us (median), {longest} us (longest) of {}",
            times.len()
        );
    }
    Ok(())
}

fn named<'a>(system: &'a System, name: &str) -> Result<&'a Partition> {
    let found = system.partitions.iter().find(|partition| partition.name == name);
    found.with_context(|| format!("the suite asks for a fault in `{name}`, which the table does not have"))
}

/// Injures a core that is in a TEE's kernel: how, and where it was.
fn inject(stub: &Path, partition: &Partition, dice: &mut Dice) -> Result<(Injury, u64)> {
    let memory = partition.memory.first().context("a partition has memory")?.range;
    let injury = INJURIES[dice.next() as usize % INJURIES.len()];
    let mut when = Dice(dice.next());
    for _ in 0..TRIES {
        thread::sleep(Duration::from_micros(500 + when.next() % 9_500));
        let mut gdb = Gdb::stop(stub)?;
        for core in gdb.cores()? {
            let (pc, level) = gdb.place(&core)?;
            // The kernels of these TEEs run where they are in memory.
            if level == KERNEL && (memory.base..memory.end()).contains(&pc) {
                injure(&mut gdb, injury, pc, dice)?;
                return Ok((injury, pc));
            }
        }
    }
    bail!("no core was in the kernel of {} in {TRIES} looks", partition.name)
}

fn injure(gdb: &mut Gdb, injury: Injury, pc: u64, dice: &mut Dice) -> Result<()> {
    const READ_COUNTER: u32 = 0xd53b_9c00;
    const BRANCH_TO_ITSELF: u32 = 0x1400_0000;
    const ALL_MASKED: u64 = 0x3c0;
    /// The address in TTBR0_EL1: what is beside it is an ASID and a hint.
    const TABLE: u64 = 0xffff_ffff_fffe;
    match injury {
        Injury::ForbiddenInstruction => gdb.write(pc, &READ_COUNTER.to_le_bytes()),
        Injury::EndlessLoop => {
            let state = gdb.register(gdb::PSTATE)?;
            gdb.set_register(gdb::PSTATE, &((state | ALL_MASKED) as u32).to_le_bytes())?;
            gdb.write(pc, &BRANCH_TO_ITSELF.to_le_bytes())
        }
        Injury::ProgramCounter => gdb.set_register(gdb::PC, &(dice.next() & 0xffff_fffc).to_le_bytes()),
        Injury::StackPointer => gdb.set_register(gdb::SP, &(dice.next() & 0xffff_fff0).to_le_bytes()),
        Injury::StackContents => {
            let stack = gdb.register(gdb::SP)?;
            gdb.write(stack, &dice.bytes::<256>())
        }
        Injury::PageTable => {
            let table = gdb.system_register("TTBR0_EL1")? & TABLE;
            gdb.write(table, &[0; 32])
        }
        Injury::Code => gdb.write(pc & !0xff, &dice.bytes::<256>()),
    }
}
