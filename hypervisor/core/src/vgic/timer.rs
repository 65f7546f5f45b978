//! The EL1 timers as a context sees them. The registers are single ones that both worlds use: a partition's
//! accesses are trapped, and what it asks for is kept here (DDI0487, the Generic Timer in AArch64 state).

use super::Vgic;
use crate::api::SystemRegister;
use crate::table::Core;

/// INTID of the virtual timer.
pub(crate) const VIRTUAL_TIMER: u32 = 27;
/// INTID of the physical timer.
pub(crate) const PHYSICAL_TIMER: u32 = 30;

const PHYSICAL: u16 = 2;
const VIRTUAL: u16 = 3;
const VALUE: u16 = 0;
const CONTROL: u16 = 1;
const COMPARE: u16 = 2;

const ENABLE: u64 = 1 << 0;
const MASKED: u64 = 1 << 1;
const STATUS: u64 = 1 << 2;

/// One timer.
#[derive(Debug)]
pub(super) struct Timer {
    control: u64,
    compare: u64,
}

impl Timer {
    pub(super) const fn new() -> Self {
        Self {
            control: 0,
            compare: 0,
        }
    }

    /// Whether its line is high when the counter is at this value.
    fn asserted(&self, now: u64) -> bool {
        self.control & (ENABLE | MASKED) == ENABLE && now >= self.compare
    }

    /// When its line goes high, where it will.
    fn due(&self, now: u64) -> Option<u64> {
        let runs = self.control & (ENABLE | MASKED) == ENABLE && now < self.compare;
        runs.then_some(self.compare)
    }

    fn read(&self, register: u16, now: u64) -> Option<u64> {
        Some(match register {
            VALUE => self.compare.wrapping_sub(now) & 0xffff_ffff,
            CONTROL if self.control & ENABLE != 0 && now >= self.compare => self.control | STATUS,
            CONTROL => self.control,
            COMPARE => self.compare,
            _ => return None,
        })
    }

    fn write(&mut self, register: u16, value: u64, now: u64) -> Option<()> {
        match register {
            // A signed number of 32 bits.
            VALUE => self.compare = now.wrapping_add_signed(i64::from(value as u32 as i32)),
            CONTROL => self.control = value & (ENABLE | MASKED),
            COMPARE => self.compare = value,
            _ => return None,
        }
        Some(())
    }
}

/// The timers' lines of a context, and when the next one goes high.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lines {
    /// The virtual timer's.
    pub virtual_timer: bool,
    /// The physical timer's.
    pub physical_timer: bool,
    /// The counter's value at which the next one goes high; none: not by itself.
    pub due: Option<u64>,
}

/// Whether a register is one of the timers'.
pub(super) fn is_timer(register: SystemRegister) -> bool {
    let (op0, op1, crn, crm, op2) = register.parts();
    (op0, op1, crn) == (3, 3, 14) && matches!(crm, PHYSICAL | VIRTUAL) && op2 <= COMPARE
}

impl<const C: usize> Vgic<C> {
    fn timer(&mut self, home: Core, register: SystemRegister) -> Option<(&mut Timer, u16)> {
        let (_, _, _, crm, op2) = register.parts();
        let private = self.private.get_mut(usize::from(home))?;
        match crm {
            PHYSICAL => Some((&mut private.physical_timer, op2)),
            VIRTUAL => Some((&mut private.virtual_timer, op2)),
            _ => None,
        }
    }

    /// Reads a timer register of a context.
    pub(super) fn read_timer(&mut self, home: Core, register: SystemRegister, now: u64) -> Option<u64> {
        let (timer, register) = self.timer(home, register)?;
        timer.read(register, now)
    }

    /// Writes a timer register of a context.
    pub(super) fn write_timer(
        &mut self,
        home: Core,
        register: SystemRegister,
        value: u64,
        now: u64,
    ) -> Option<()> {
        let (timer, register) = self.timer(home, register)?;
        timer.write(register, value, now)
    }

    /// Brings the timers' lines of a context up to date.
    pub(super) fn update_timers(&mut self, home: Core, now: u64) -> Lines {
        let Some(private) = self.private.get_mut(usize::from(home)) else {
            return Lines {
                virtual_timer: false,
                physical_timer: false,
                due: None,
            };
        };
        let lines = Lines {
            virtual_timer: private.virtual_timer.asserted(now),
            physical_timer: private.physical_timer.asserted(now),
            due: [&private.virtual_timer, &private.physical_timer]
                .into_iter()
                .filter_map(|timer| timer.due(now))
                .min(),
        };
        private
            .bank
            .set_level(super::bit(VIRTUAL_TIMER), lines.virtual_timer);
        private
            .bank
            .set_level(super::bit(PHYSICAL_TIMER), lines.physical_timer);
        lines
    }
}
