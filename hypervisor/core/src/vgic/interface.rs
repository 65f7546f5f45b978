//! A context's CPU interface: the ICC registers of group 1 (IHI0069, section 12.2). Those of group 0 are there and
//! have nothing in them.

use super::{End, SGIS, SPECIAL, SPURIOUS, Vgic, bit};
use crate::api::SystemRegister;
use crate::table::{Core, Partition};

const fn icc(crm: u16, op2: u16) -> SystemRegister {
    SystemRegister::new(3, 0, 12, crm, op2)
}

const PMR: SystemRegister = SystemRegister::new(3, 0, 4, 6, 0);
const IAR0: SystemRegister = icc(8, 0);
const EOIR0: SystemRegister = icc(8, 1);
const HPPIR0: SystemRegister = icc(8, 2);
const BPR0: SystemRegister = icc(8, 3);
const AP0R0: SystemRegister = icc(8, 4);
const AP1R0: SystemRegister = icc(9, 0);
const DIR: SystemRegister = icc(11, 1);
const RPR: SystemRegister = icc(11, 3);
const SGI1R: SystemRegister = icc(11, 5);
const ASGI1R: SystemRegister = icc(11, 6);
const SGI0R: SystemRegister = icc(11, 7);
const IAR1: SystemRegister = icc(12, 0);
const EOIR1: SystemRegister = icc(12, 1);
const HPPIR1: SystemRegister = icc(12, 2);
const BPR1: SystemRegister = icc(12, 3);
const CTLR: SystemRegister = icc(12, 4);
const SRE: SystemRegister = icc(12, 5);
const IGRPEN0: SystemRegister = icc(12, 6);
const IGRPEN1: SystemRegister = icc(12, 7);

/// ICC_CTLR_EL1: five bits of priority, affinity 3, SGIs to numbers beyond 15.
const CTLR_FIXED: u64 = 4 << 8 | 1 << 15 | 1 << 18;
const CTLR_SPLIT_END: u64 = 1 << 1;
/// ICC_SRE_EL1: system registers, and no bypass, for good.
const SRE_FIXED: u64 = 0b111;
/// The least binary points with five bits of priority.
const MIN_BINARY_0: u8 = 2;
const MIN_BINARY_1: u8 = 3;
/// The running priority where nothing is active.
const IDLE: u8 = 0xff;

/// The CPU interface of one context.
#[derive(Debug)]
pub(super) struct Interface {
    enabled: bool,
    /// Only what is more urgent than this is signalled.
    mask: u8,
    /// How far ICC_BPR1_EL1 is above its least value: bits of priority below it do not preempt.
    coarser: u8,
    /// End of interrupt drops the priority only.
    split: bool,
    /// ICC_AP1R0_EL1: priorities at which something is active, a bit each.
    active: u32,
}

impl Interface {
    pub(super) const fn new() -> Self {
        Self {
            enabled: false,
            mask: 0,
            coarser: 0,
            split: false,
            active: 0,
        }
    }

    /// ICC_BPR1_EL1.
    fn binary(&self) -> u8 {
        self.coarser.saturating_add(MIN_BINARY_1)
    }

    /// The part of a priority that preempts.
    fn group(&self, priority: u8) -> u8 {
        priority & 0xffu8.checked_shl(self.binary().into()).unwrap_or(0)
    }

    fn running(&self) -> u8 {
        match self.active.trailing_zeros() {
            32 => IDLE,
            level => (level << 3) as u8,
        }
    }

    /// Whether an interrupt of this priority is signalled.
    pub(super) fn takes(&self, priority: u8) -> bool {
        self.enabled && priority < self.mask && self.group(priority) < self.running()
    }

    fn begin(&mut self, priority: u8) {
        self.active |= bit(u32::from(self.group(priority)) >> 3);
    }

    /// Drops the running priority.
    fn end(&mut self) {
        self.active &= self.active.wrapping_sub(1);
    }

    fn control(&self) -> u64 {
        CTLR_FIXED | if self.split { CTLR_SPLIT_END } else { 0 }
    }
}

impl<const C: usize> Vgic<C> {
    /// Reads a register of a context's CPU interface; none where there is no such one that can be read.
    pub(super) fn read_interface(
        &mut self,
        partition: &Partition,
        home: Core,
        register: SystemRegister,
    ) -> Option<u64> {
        match register {
            IAR1 => return Some(self.acknowledge(partition, home).into()),
            HPPIR1 => {
                let next = self.next(partition, home).filter(|_| self.enabled);
                return Some(next.map_or(SPURIOUS, |(intid, _)| intid).into());
            }
            _ => {}
        }
        let interface = &self.private.get(usize::from(home))?.interface;
        Some(match register {
            PMR => interface.mask.into(),
            BPR1 => interface.binary().into(),
            RPR => interface.running().into(),
            CTLR => interface.control(),
            SRE => SRE_FIXED,
            IGRPEN1 => interface.enabled.into(),
            AP1R0 => interface.active.into(),
            BPR0 => MIN_BINARY_0.into(),
            IAR0 | HPPIR0 => SPURIOUS.into(),
            AP0R0 | IGRPEN0 => 0,
            _ => return None,
        })
    }

    /// Writes a register of a context's CPU interface; none where there is no such one that can be written.
    pub(super) fn write_interface(
        &mut self,
        partition: &Partition,
        home: Core,
        (register, value): (SystemRegister, u64),
        end: End<'_>,
    ) -> Option<()> {
        let interface = &mut self.private.get_mut(usize::from(home))?.interface;
        let intid = (value & 0xff_ffff) as u32;
        match register {
            PMR => interface.mask = (value & 0xf8) as u8,
            BPR1 => interface.coarser = ((value & 7) as u8).saturating_sub(MIN_BINARY_1),
            CTLR => interface.split = value & CTLR_SPLIT_END != 0,
            IGRPEN1 => interface.enabled = value & 1 != 0,
            AP1R0 => interface.active = value as u32,
            EOIR1 if intid < SPECIAL => {
                interface.end();
                if !interface.split {
                    self.deactivate(partition, home, intid, end);
                }
            }
            DIR if intid < SPECIAL && interface.split => self.deactivate(partition, home, intid, end),
            SGI1R => self.send(partition, home, value),
            // Nothing is in group 0, and nothing in another Security state.
            EOIR1 | DIR | EOIR0 | SRE | BPR0 | AP0R0 | IGRPEN0 | ASGI1R | SGI0R => {}
            _ => return None,
        }
        Some(())
    }

    fn acknowledge(&mut self, partition: &Partition, home: Core) -> u32 {
        let Some((intid, priority)) = self.deliverable(partition, home) else {
            return SPURIOUS;
        };
        if let Some((bank, bit)) = self.find(partition, home, intid) {
            bank.active |= bit;
            bank.pending &= !bit;
        }
        if let Some(private) = self.private.get_mut(usize::from(home)) {
            private.interface.begin(priority);
        }
        intid
    }

    /// ICC_SGI1R_EL1: an SGI to contexts of the partition, by their numbers or to all others.
    fn send(&mut self, partition: &Partition, from: Core, value: u64) {
        const ALL_OTHERS: u64 = 1 << 40;
        const AFFINITY_1_TO_3: u64 = 0xff << 48 | 0xff << 32 | 0xff << 16;
        let intid = (value >> 24 & 0xf) as u32;
        debug_assert!(intid < SGIS);
        let first = (value >> 44 & 0xf) * 16;
        for (number, home) in (0..64u64).zip(partition.homes()) {
            let listed = number
                .checked_sub(first)
                .is_some_and(|n| n < 16 && value >> n & 1 == 1 && value & AFFINITY_1_TO_3 == 0);
            let meant = if value & ALL_OTHERS == 0 {
                listed
            } else {
                home != from
            };
            if meant && let Some(private) = self.private.get_mut(usize::from(home)) {
                private.bank.set_pending(bit(intid), true);
            }
        }
    }
}
