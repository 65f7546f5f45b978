//! Who has each core, and why it comes back: records for timelines, at the level `trace`.
//!
//! An ordinary image has none of this. `cargo xtask test --html` builds another one.

use bulkhead_core::api::{Action, Context, Event, Next};
use bulkhead_core::table::Core as CoreIndex;

use crate::arch::guest::{Core, Left};
use crate::log::name;

/// Whether this image has these records.
pub const ON: bool = cfg!(traces);

/// A core is back from whoever had it.
pub fn left(this: CoreIndex, core: &mut Core, left: Left) {
    match left {
        Left::Normal | Left::Smc | Left::Hvc => {
            let call = &core.call().0;
            defmt::trace!(
                "core {=u8} call {=u64:#x} {=u64:#x} {=u64:#x}",
                this,
                call[0],
                call[1],
                call[2]
            );
        }
        Left::Event => event(this, core.event()),
    }
}

fn event(this: CoreIndex, event: Event) {
    match event {
        Event::SecureInterrupt(intid) => defmt::trace!("core {=u8} interrupt {=u32}", this, intid),
        Event::NormalInterrupt => defmt::trace!("core {=u8} interrupt of the normal world", this),
        Event::Deadline | Event::Alarm => defmt::trace!("core {=u8} timer", this),
        Event::Called => defmt::trace!("core {=u8} called by another core", this),
        Event::Fault(_) | Event::Trapped(_) => defmt::trace!("core {=u8} fault", this),
        Event::Boot | Event::CoreOn | Event::Normal(_) | Event::Call(..) => {}
    }
}

/// A core goes to whoever has it next.
pub fn goes(this: CoreIndex, core: &Core, next: &Next) {
    match next {
        Next::Back => match core.holds() {
            Some(context) => runs(this, context),
            None => normal(this),
        },
        Next::Enter(turn) | Next::EnterShort(turn) => runs(this, turn.context),
        Next::Leave | Next::LeaveShort => normal(this),
        // It tells itself.
        Next::Other(_) => {}
    }
}

/// As [`goes`], of what is no plain answer.
pub fn acts(this: CoreIndex, action: &Action) {
    match action {
        Action::Run(run) => runs(this, run.context),
        Action::Normal(_) => normal(this),
        Action::Halt(_) | Action::Idle => defmt::trace!("core {=u8} idle", this),
    }
}

fn runs(this: CoreIndex, context: Context) {
    defmt::trace!(
        "core {=u8} runs {=u8} of {=str}",
        this,
        context.home,
        name(context.partition)
    );
}

fn normal(this: CoreIndex) {
    defmt::trace!("core {=u8} runs the normal world", this);
}
