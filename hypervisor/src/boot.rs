//! The walk of each core: set up, then events to the policy and its actions to the machine, for ever.

use core::sync::atomic::{AtomicU64, Ordering};

use bulkhead_core::api::{Action, Conduit, Event, Next, Regs};
use bulkhead_core::memory;
use bulkhead_core::spmc::Spmc;
use bulkhead_core::table::Core as CoreIndex;

use crate::arch::guest::{Core, Left};
use crate::arch::{cpu, gic, smc, stage2, start, uart};
use crate::machine::Machine;
use crate::table::{CORES, COUNTED, Compiled, PARTITIONS, TABLE, VIRTUAL_MACHINES};
use crate::{board, counters, fatal, images, log, secrets, trace};

/// Transactions and ranges of borrowed memory that the ledger can hold at once.
const SHARES: usize = memory::shares(&TABLE);
const RANGES: usize = memory::ranges(&TABLE);

/// The one policy of this image. It is all zeros at first.
pub static SPMC: Spmc<PARTITIONS, CORES, SHARES, RANGES, VIRTUAL_MACHINES, Compiled> = Spmc::new(Compiled);

/// FFA_SECONDARY_EP_REGISTER (DEN0077A 1.2, section 18.2) and its answer, both in the 64-bit form.
const FFA_SECONDARY_EP_REGISTER: u64 = 0xc400_0087;
const FFA_SUCCESS: u64 = 0xc400_0061;

/// The boot core, from the entry code.
pub extern "C" fn boot_main(index: usize) -> ! {
    uart::init();
    cpu::init(index);
    defmt::info!(
        "Bulkhead {=str} for {=str}: table {=str}",
        env!("CARGO_PKG_VERSION"),
        TABLE.board.name,
        TABLE.name
    );
    require_traps();
    if let Err(mismatch) = board::check(index) {
        defmt::error!("board mismatch: {=str}", mismatch.sentence());
        fatal::stop("this image was built for another machine");
    }
    gic::init();
    stage2::build();
    images::measure_own();
    secrets::prepare();
    for (partition, entry) in (0..PARTITIONS).zip(TABLE.partitions) {
        if let Err(reason) = images::prepare(index, partition, entry) {
            defmt::error!("{=str}: {=str}; it stays stopped", entry.name, reason.sentence());
            SPMC.stop_image(partition);
        }
    }
    let mut regs = Regs::new(&[FFA_SECONDARY_EP_REGISTER, start::secondary_entry()]);
    smc::call(&mut regs);
    if regs.0[0] & 0xffff_ffff != FFA_SUCCESS {
        fatal::stop("EL3 refused the entry for secondary cores");
    }
    serve(index, Event::Boot)
}

/// A core that came up later, from the entry code.
pub extern "C" fn core_main(index: usize) -> ! {
    cpu::init(index);
    require_traps();
    if COUNTED && all_are_up(index) {
        counters::commit(index, |partition| SPMC.takes_calls(partition));
    }
    serve(index, Event::CoreOn)
}

/// Whether each core of the board has come up with this one, which the answer is true for once.
fn all_are_up(index: usize) -> bool {
    static UP: AtomicU64 = AtomicU64::new(0);
    const ALL: u64 = (u64::MAX >> (64 - CORES)) & !(1 << TABLE.board.boot_core);
    let own = 1u64.wrapping_shl(index as u32);
    let before = UP.fetch_or(own, Ordering::AcqRel);
    before != ALL && before | own == ALL
}

/// No partition runs on a core on which it could reach the normal world's timer.
fn require_traps() {
    if !cpu::can_trap() {
        fatal::stop("this core lacks FEAT_ECV, without which partitions could use the normal world's timer");
    }
}

/// One event in, one action out. The registers of calls stay where they are.
fn serve(index: usize, first: Event) -> ! {
    let mut core = Core::new(index);
    let mut machine = Machine::new(index);
    let this = index as CoreIndex;
    let mut left = act(&mut core, this, &SPMC.step(this, first, &mut machine));
    loop {
        if trace::ON {
            trace::left(this, &mut core, left);
        }
        let next = match left {
            Left::Normal => SPMC.normal_call(this, core.call(), &mut machine),
            Left::Smc | Left::Hvc => {
                let conduit = if matches!(left, Left::Hvc) {
                    Conduit::Hvc
                } else {
                    Conduit::Smc
                };
                let (call, normal) = core.calls();
                SPMC.partition_call(this, conduit, call, normal, &mut machine)
            }
            Left::Event => {
                SPMC.keep(this, core.normal_call());
                Next::Other(SPMC.step(this, core.event(), &mut machine))
            }
        };
        if trace::ON {
            trace::goes(this, &core, &next);
        }
        left = match &next {
            Next::Back => core.go_back(),
            Next::Enter(turn) | Next::EnterShort(turn) => {
                let short = matches!(next, Next::EnterShort(_));
                let call = core.hand_over(turn.context, short);
                core.load(turn.context);
                if !short {
                    SPMC.settle(this);
                }
                core.run(turn, call)
            }
            Next::Leave | Next::LeaveShort => {
                let left = core.holds();
                core.hand_to_normal(matches!(next, Next::LeaveShort));
                core.unload();
                if let Some(context) = left {
                    SPMC.settle_waiting(context);
                }
                core.normal(None)
            }
            Next::Other(action) => act(&mut core, this, action),
        };
    }
}

/// What is no plain answer.
#[inline(never)]
fn act(core: &mut Core, this: CoreIndex, action: &Action) -> Left {
    if trace::ON {
        trace::acts(this, action);
    }
    match action {
        Action::Run(run) => {
            core.load_apart(run.context);
            SPMC.settle(this);
            core.prepare(run.context, &run.entry);
            core.run_apart(&run.turn())
        }
        Action::Normal(regs) => {
            core.unload_apart();
            SPMC.settle(this);
            core.normal_apart(regs)
        }
        Action::Halt(partition) => {
            defmt::error!("{=str} has failed", log::name(*partition));
            fatal::stop("the table says that the machine halts then");
        }
        Action::Idle => {
            core.unload_apart();
            SPMC.settle(this);
            core.idle()
        }
    }
}
