//! Calls on other cores, and the same call on several cores at once.
use super::Outcome;
use crate::arch::machine::{core_is_off, core_on, now, smc};
use crate::ensure;
use core::sync::atomic::{AtomicU64, Ordering};
use sp_rt::ffa::Regs;

/// Registers that one core leaves for another.
pub struct Place([AtomicU64; 18]);

impl Place {
    /// Zeros.
    pub const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; 18])
    }

    /// Leaves them.
    pub fn set(&self, regs: &Regs) {
        for (to, from) in self.0.iter().zip(regs.0) {
            to.store(from, Ordering::Release);
        }
    }

    /// Takes them.
    pub fn get(&self) -> Regs {
        Regs(core::array::from_fn(|n| self.0[n].load(Ordering::Acquire)))
    }
}

static REQUEST: Place = Place::new();
static ANSWER: Place = Place::new();
/// Cores that wait at the start of something that several do at once.
static READY: AtomicU64 = AtomicU64::new(0);

/// Starts a core, and waits until it has done its work and is off again.
pub fn on_core(core: usize, work: fn(usize)) -> Outcome {
    ensure!(core_on(core, work), "core {core} does not start");
    wait_off(core)
}

/// Waits until a core is off.
pub fn wait_off(core: usize) -> Outcome {
    let deadline = now() + 10_000_000;
    while !core_is_off(core) {
        ensure!(now() < deadline, "core {core} does not go off");
    }
    Ok(())
}

/// Makes a call on another core; its answer.
pub fn elsewhere(core: usize, request: &Regs) -> Outcome<Regs> {
    REQUEST.set(request);
    on_core(core, |_| ANSWER.set(&smc(&REQUEST.get())))?;
    Ok(ANSWER.get())
}

/// Waits for the other one of two cores: behind it both go on at the same time.
pub fn meet(round: u64) {
    READY.fetch_add(1, Ordering::AcqRel);
    while READY.load(Ordering::Acquire) < 2 * (round + 1) {
        core::hint::spin_loop();
    }
}

/// Starts another core for rounds that begin with [`meet`].
pub fn beside(other: usize, work: fn(usize)) -> Outcome {
    READY.store(0, Ordering::Release);
    ensure!(core_on(other, work), "core {other} does not start");
    Ok(())
}

/// Does some work on this core and on another one at once; each round of it begins with [`meet`].
pub fn both(other: usize, work: fn(usize)) -> Outcome {
    beside(other, work)?;
    work(0);
    wait_off(other)
}
