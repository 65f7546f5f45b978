//! What is done to a TEE, by the debug port, while one of its cores runs it.

use super::attack::{self, Attack};
use super::code;
use super::dice::Dice;
use super::site::Site;
use crate::run::gdb::{self, Gdb, Stub};
use anyhow::Result;
use bulkhead_configs::{Partition, System};
use serde::Deserialize;
use std::ops::Range;
use std::thread;
use std::time::{Duration, Instant};

/// The exception levels of trusted applications and of a TEE's kernel.
pub const APPLICATION: u8 = 0;
pub const KERNEL: u8 = 1;
/// All exceptions masked, in PSTATE.
const ALL_MASKED: u64 = 0x3c0;
/// The address in TTBR0_EL1: what is beside it is an ASID and a hint.
pub const TABLE: u64 = 0xffff_ffff_fffe;
/// How long code that goes on may take until it does, and an application's until it has ended.
const PARKS: Duration = Duration::from_secs(2);
const FALLS: Duration = Duration::from_millis(150);

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Injury {
    /// The next instruction becomes one that traps to the hypervisor: a read of PMCR_EL0.
    ForbiddenInstruction,
    /// The next instruction becomes a branch to itself, with all exceptions masked.
    EndlessLoop,
    /// It goes on somewhere else.
    ProgramCounter,
    /// Its stack is somewhere else.
    StackPointer,
    /// x0 to x30 are something else.
    Registers,
    /// What is on its stack is something else.
    StackContents,
    /// The 256 bytes of code around it are others.
    Code,
    /// One bit of these is another.
    CodeBit,
    /// The first entries of its translation table lead nowhere.
    PageTable,
    /// Bits of entries of its translation table are others.
    PageTableBits,
    /// Bytes of its data are others, here and there: variables, heap, stacks, tables.
    Data,
    /// It attacks the others.
    Attack,
}

/// What may be done to a kernel: attacks and data more often than the rest.
const TO_KERNELS: [Injury; 16] = [
    Injury::ForbiddenInstruction,
    Injury::EndlessLoop,
    Injury::ProgramCounter,
    Injury::StackPointer,
    Injury::Registers,
    Injury::StackContents,
    Injury::Code,
    Injury::CodeBit,
    Injury::PageTable,
    Injury::PageTableBits,
    Injury::Data,
    Injury::Data,
    Injury::Attack,
    Injury::Attack,
    Injury::Attack,
    Injury::Attack,
];
/// What may be done to an application.
const TO_APPLICATIONS: [Injury; 9] = [
    Injury::ForbiddenInstruction,
    Injury::EndlessLoop,
    Injury::ProgramCounter,
    Injury::StackPointer,
    Injury::Registers,
    Injury::StackContents,
    Injury::Code,
    Injury::CodeBit,
    Injury::Attack,
];

/// What the next one is to be, at an exception level.
pub fn choose(level: u8, dice: &mut Dice) -> Injury {
    let all: &[Injury] = if level == KERNEL {
        &TO_KERNELS
    } else {
        &TO_APPLICATIONS
    };
    *dice.one(all).unwrap_or(&Injury::ForbiddenInstruction)
}

/// A TEE, and what is known of it.
pub struct Victim<'a> {
    pub system: &'a System,
    pub partition: &'a Partition,
    /// Where its writable data is.
    pub data: &'a [Range<u64>],
}

/// An attack that was put into a TEE.
pub struct Planted {
    /// What x27 has where it is this one.
    pub token: u64,
    /// What it does.
    pub names: Vec<String>,
    /// Whether it was taken away again, and the TEE went on as if nothing had been.
    pub taken_away: bool,
    /// Whether an application was let through.
    pub through: bool,
}

/// Injures the core that was looked at last. The attack, where it was one that had room.
pub fn injure(
    mut gdb: Gdb<'_>,
    stub: &Stub,
    victim: &Victim<'_>,
    site: &Site,
    injury: Injury,
    dice: &mut Dice,
) -> Result<Option<Planted>> {
    let pc = site.pc;
    match injury {
        Injury::ForbiddenInstruction => gdb.write(pc, &code::FORBIDDEN.to_le_bytes())?,
        Injury::EndlessLoop => {
            let state = gdb.register(gdb::PSTATE)?;
            gdb.set_register(gdb::PSTATE, &((state | ALL_MASKED) as u32).to_le_bytes())?;
            gdb.write(pc, &code::BRANCH_TO_ITSELF.to_le_bytes())?;
        }
        Injury::ProgramCounter => {
            gdb.set_register(gdb::PC, &(dice.next() & 0xffff_fffc).to_le_bytes())?;
        }
        Injury::StackPointer => {
            gdb.set_register(gdb::SP, &(dice.next() & 0xffff_fff0).to_le_bytes())?;
        }
        Injury::Registers => {
            for register in 0..gdb::SP {
                gdb.set_register(register, &dice.next().to_le_bytes())?;
            }
        }
        Injury::StackContents => {
            let bytes = dice.bytes::<256>();
            let stack = gdb.register(gdb::SP)?;
            // One that is empty, or nearly so, has nothing there: what is next on it then.
            let is_there = gdb.read(stack, bytes.len())?.is_some();
            let place = if is_there {
                stack
            } else {
                stack - bytes.len() as u64
            };
            gdb.write(place, &bytes)?;
        }
        Injury::Code => gdb.write(pc & !0xff, &dice.bytes::<256>())?,
        Injury::CodeBit => flip(&mut gdb, (pc & !0xff) + dice.below(256), dice)?,
        Injury::PageTable => {
            let table = gdb.system_register("TTBR0_EL1")? & TABLE;
            gdb.write(table, &[0; 32])?;
        }
        Injury::PageTableBits => {
            let table = gdb.system_register("TTBR0_EL1")? & TABLE;
            for _ in 0..8 {
                flip(&mut gdb, table + dice.below(512), dice)?;
            }
        }
        Injury::Data => {
            for _ in 0..32 {
                if let Some(part) = dice.one(victim.data) {
                    let place = part.start + dice.below(part.end - part.start);
                    flip(&mut gdb, place, dice)?;
                }
            }
        }
        Injury::Attack => return plant(gdb, stub, victim, site, dice),
    }
    Ok(None)
}

/// Makes one bit of a byte another, where there is memory.
fn flip(gdb: &mut Gdb<'_>, place: u64, dice: &mut Dice) -> Result<()> {
    match gdb.read(place, 1)?.as_deref() {
        Some([byte]) => gdb.write(place, &[byte ^ 1 << dice.below(8)]),
        _ => Ok(()),
    }
}

/// Ends a TEE for certain: at the next exception that its kernel takes, if not at once. One whose tables lead nowhere
/// any more cannot be reached, and its budget ends it.
pub fn finish(mut gdb: Gdb<'_>, site: &Site) -> Result<()> {
    /// The vectors are 16, so far from each other.
    const VECTORS: u64 = 16;
    const EACH: u64 = 0x80;
    // VBAR_EL1, as QEMU calls it.
    let vectors = gdb.system_register("VBAR")?;
    let kernel = (site.level == KERNEL).then_some(site.pc);
    let places = (0..VECTORS).map(|vector| vectors + vector * EACH).chain(kernel);
    for place in places {
        if gdb.read(place, 4)?.is_some() {
            gdb.write(place, &code::FORBIDDEN.to_le_bytes())?;
        }
    }
    Ok(())
}

/// What a core had before an attack was put under it.
struct Before {
    registers: Vec<u64>,
    state: u64,
    code: Vec<u8>,
}

fn plant(
    mut gdb: Gdb<'_>,
    stub: &Stub,
    victim: &Victim<'_>,
    site: &Site,
    dice: &mut Dice,
) -> Result<Option<Planted>> {
    let token = dice.next() | 1;
    let attack = if site.level == KERNEL {
        attack::by_kernel(victim.system, victim.partition, site.pc, dice)
    } else {
        attack::by_application(victim.system, site.pc, dice)
    };
    let Some(covered) = gdb.read(site.pc, attack.code.len())? else {
        // The program ends too soon for it.
        gdb.write(site.pc, &code::FORBIDDEN.to_le_bytes())?;
        return Ok(None);
    };
    let before = Before {
        registers: (0..gdb::SP)
            .map(|register| gdb.register(register))
            .collect::<Result<_>>()?,
        state: gdb.register(gdb::PSTATE)?,
        code: covered,
    };
    gdb.set_register(attack::TOKEN, &token.to_le_bytes())?;
    gdb.write(site.pc, &attack.code)?;
    drop(gdb);
    let mut planted = Planted {
        token,
        names: attack.names.clone(),
        taken_away: false,
        through: false,
    };
    let wait = match (site.level, attack.goes_on) {
        (KERNEL, false) => return Ok(Some(planted)),
        (KERNEL, true) => PARKS,
        _ => FALLS,
    };
    let start = Instant::now();
    while start.elapsed() < wait {
        thread::sleep(Duration::from_millis(2));
        if let Some(gdb) = parked(stub, &attack, token)? {
            planted.through = !attack.goes_on;
            if attack.goes_on {
                take_away(gdb, site, &before)?;
                planted.taken_away = true;
            }
            break;
        }
    }
    Ok(Some(planted))
}

/// The machine, stopped, with a look at the core that has come to the attack's end.
fn parked<'a>(stub: &'a Stub, attack: &Attack, token: u64) -> Result<Option<Gdb<'a>>> {
    let mut gdb = stub.stop()?;
    for core in gdb.cores()? {
        let (pc, _) = gdb.place(&core)?;
        if pc == attack.park && gdb.register(attack::TOKEN)? == token {
            return Ok(Some(gdb));
        }
    }
    Ok(None)
}

/// Gives a core back what it had.
fn take_away(mut gdb: Gdb<'_>, site: &Site, before: &Before) -> Result<()> {
    gdb.write(site.pc, &before.code)?;
    for (register, value) in before.registers.iter().enumerate() {
        gdb.set_register(register, &value.to_le_bytes())?;
    }
    gdb.set_register(gdb::PSTATE, &(before.state as u32).to_le_bytes())?;
    gdb.set_register(gdb::PC, &site.pc.to_le_bytes())
}
