//! A second GIC, written as the words of IHI0069 have it and without a line of the first one: both are asked the
//! same, for hundreds of thousands of accesses.

use std::collections::BTreeMap;
use std::vec::Vec;

use super::Dice;
use crate::api::SystemRegister;
use crate::table::{Core, Partition};
use crate::tests::table::GIC;
use crate::vgic::Vgic;

const CORES: u8 = 4;
/// Private interrupts of a context, and the shared ones with their cores.
const PRIVATE: [u32; 8] = [0, 1, 2, 7, 15, 25, 27, 30];
const SHARED: [(u32, Core); 2] = [(40, 1), (220, 0)];

#[derive(Clone, Copy, Default)]
struct Line {
    enabled: bool,
    pending: bool,
    active: bool,
    priority: u8,
    physical: bool,
}

#[derive(Default)]
struct Cpu {
    on: bool,
    mask: u8,
    split: bool,
    running: Vec<u8>,
}

struct Model {
    on: bool,
    lines: BTreeMap<(Core, u32), Line>,
    cpus: [Cpu; CORES as usize],
    ended: Vec<(u32, Core)>,
}

impl Model {
    fn new() -> Self {
        let private = (0..CORES).flat_map(|core| PRIVATE.map(|intid| (core, intid)));
        let all = private.chain(SHARED.map(|(intid, core)| (core, intid)));
        Self {
            on: false,
            lines: all.map(|key| (key, Line::default())).collect(),
            cpus: Default::default(),
            ended: Vec::new(),
        }
    }

    /// Where an interrupt is kept that a context names.
    fn key(core: Core, intid: u32) -> (Core, u32) {
        let shared = SHARED.iter().find(|(known, _)| *known == intid);
        shared.map_or((core, intid), |(_, home)| (*home, intid))
    }

    fn next(&self, core: Core) -> Option<u32> {
        let ready = self
            .lines
            .iter()
            .filter(|((home, _), line)| *home == core && line.enabled && line.pending && !line.active);
        let first = ready.min_by_key(|((_, intid), line)| (line.priority, *intid));
        first.map(|((_, intid), _)| *intid)
    }

    fn signalled(&self, core: Core) -> Option<u32> {
        let cpu = &self.cpus[usize::from(core)];
        let intid = self.next(core).filter(|_| self.on && cpu.on)?;
        let priority = self.lines[&(core, intid)].priority;
        let preempts = cpu.running.iter().all(|running| priority < *running);
        (priority < cpu.mask && preempts).then_some(intid)
    }

    fn acknowledge(&mut self, core: Core) -> u32 {
        let Some(intid) = self.signalled(core) else {
            return 1023;
        };
        let line = self.lines.get_mut(&(core, intid)).unwrap();
        line.pending = false;
        line.active = true;
        self.cpus[usize::from(core)].running.push(line.priority);
        intid
    }

    fn deactivate(&mut self, core: Core, intid: u32) {
        let key = Self::key(core, intid);
        if let Some(line) = self.lines.get_mut(&key).filter(|line| line.active) {
            line.active = false;
            if std::mem::take(&mut line.physical) {
                self.ended.push((intid, key.0));
            }
        }
    }

    fn end(&mut self, core: Core, intid: u32) {
        let cpu = &mut self.cpus[usize::from(core)];
        // The most urgent one is the last that was taken.
        cpu.running.pop();
        if !cpu.split {
            self.deactivate(core, intid);
        }
    }

    /// Clears what is pending; a physical interrupt behind it is no longer wanted.
    fn drop_pending(&mut self, core: Core, intid: u32) {
        let key = Self::key(core, intid);
        let line = self.lines.get_mut(&key).unwrap();
        line.pending = false;
        if line.physical && !line.active {
            line.physical = false;
            self.ended.push((intid, key.0));
        }
    }

    fn enable(&mut self, core: Core, intid: u32) {
        let line = self.lines[&Self::key(core, intid)];
        let level = intid == 40;
        if level && !line.enabled && line.physical {
            self.drop_pending(core, intid);
        }
        self.lines.get_mut(&Self::key(core, intid)).unwrap().enabled = true;
    }
}

impl Dice {
    fn intid(&mut self) -> u32 {
        match self.roll(10) {
            n @ 0..8 => PRIVATE[n as usize],
            8 => 40,
            _ => 220,
        }
    }
}

const fn icc(crm: u16, op2: u16) -> SystemRegister {
    SystemRegister::new(3, 0, 12, crm, op2)
}

struct Pair {
    gic: Vgic<4>,
    partition: &'static Partition,
    model: Model,
    ended: Vec<(u32, Core)>,
}

impl Pair {
    fn set(&mut self, core: Core, register: SystemRegister, value: u64) {
        let ended = &mut self.ended;
        let end = &mut |intid, core| ended.push((intid, core));
        let known = self
            .gic
            .write_interface(self.partition, core, (register, value), end);
        assert!(known.is_some());
    }

    fn get(&mut self, core: Core, register: SystemRegister) -> u32 {
        self.gic.read_interface(self.partition, core, register).unwrap() as u32
    }

    /// Writes a bit of a register that has one for each interrupt.
    fn set_bit(&mut self, core: Core, register: u64, intid: u32) {
        let word = (register + u64::from(intid / 32) * 4, 4);
        let value = 1 << (intid % 32);
        self.write(core, intid, word, value);
    }

    fn write(&mut self, core: Core, intid: u32, (offset, size): (u64, u64), value: u64) {
        let ended = &mut self.ended;
        let end = &mut |intid, core| ended.push((intid, core));
        if intid < 32 {
            let frame = u64::from(core) * 0x2_0000 + 0x1_0000;
            self.gic
                .write_redistributor(self.partition, (frame + offset, size), value, end);
        } else {
            self.gic
                .write_distributor(self.partition, (offset, size), value, end);
        }
    }

    fn read(&mut self, core: Core, intid: u32, register: u64) -> bool {
        let offset = register + u64::from(intid / 32) * 4;
        let word = if intid < 32 {
            let frame = u64::from(core) * 0x2_0000 + 0x1_0000;
            self.gic.read_redistributor(self.partition, frame + offset, 4)
        } else {
            self.gic.read_distributor(self.partition, offset, 4)
        };
        word >> (intid % 32) & 1 == 1
    }

    fn turn(&mut self, dice: &mut Dice) {
        let core = dice.roll(u64::from(CORES)) as Core;
        let cpu = usize::from(core);
        let intid = dice.intid();
        let key = Model::key(core, intid);
        match dice.roll(18) {
            0 if matches!(intid, 25 | 40 | 220) && !self.model.lines[&key].physical => {
                self.gic.pend_physical(self.partition, key.0, intid);
                let line = self.model.lines.get_mut(&key).unwrap();
                (line.pending, line.physical) = (true, true);
            }
            0 | 1 => {
                let (sgi, targets) = (PRIVATE[dice.roll(5) as usize], dice.roll(16));
                self.set(core, icc(11, 5), u64::from(sgi) << 24 | targets);
                for target in (0..CORES).filter(|target| targets >> target & 1 == 1) {
                    self.model.lines.get_mut(&(target, sgi)).unwrap().pending = true;
                }
            }
            2 | 3 => {
                self.set_bit(core, 0x100, intid);
                self.model.enable(core, intid);
            }
            4 => {
                self.set_bit(core, 0x180, intid);
                self.model.lines.get_mut(&key).unwrap().enabled = false;
            }
            5 => {
                self.set_bit(core, 0x200, intid);
                self.model.lines.get_mut(&key).unwrap().pending = true;
            }
            6 => {
                self.set_bit(core, 0x280, intid);
                self.model.drop_pending(core, intid);
            }
            7 => {
                self.set_bit(core, 0x380, intid);
                self.model.deactivate(core, intid);
            }
            8 | 9 => {
                let priority = (dice.roll(32) << 3) as u8;
                self.write(core, intid, (0x400 + u64::from(intid), 1), priority.into());
                // What is active keeps the priority with which it was taken.
                self.model.lines.get_mut(&key).unwrap().priority = priority;
            }
            10 => {
                let mask = (dice.roll(32) << 3) as u8;
                self.set(core, SystemRegister::new(3, 0, 4, 6, 0), mask.into());
                self.model.cpus[cpu].mask = mask;
            }
            11 => {
                let on = dice.roll(8) != 0;
                self.set(core, icc(12, 7), on.into());
                self.model.cpus[cpu].on = on;
            }
            12 => {
                let on = dice.roll(8) != 0;
                self.write(core, 32, (0, 4), u64::from(on) << 1);
                self.model.on = on;
            }
            13 => {
                let split = dice.roll(2) == 1;
                self.set(core, icc(12, 4), u64::from(split) << 1);
                self.model.cpus[cpu].split = split;
            }
            14 | 15 => assert_eq!(self.get(core, icc(12, 0)), self.model.acknowledge(core)),
            16 => {
                self.set(core, icc(12, 1), intid.into());
                self.model.end(core, intid);
            }
            _ => {
                if self.model.cpus[cpu].split {
                    self.model.deactivate(core, intid);
                }
                self.set(core, icc(11, 1), intid.into());
            }
        }
    }

    fn compare(&mut self, dice: &mut Dice) {
        assert_eq!(self.ended, self.model.ended);
        for core in 0..CORES {
            let line = self.model.signalled(core);
            assert_eq!(self.gic.line(self.partition, core), line.is_some());
            let running = self.model.cpus[usize::from(core)].running.last();
            let expected = running.map_or(0xff, |priority| u32::from(*priority));
            assert_eq!(self.get(core, icc(11, 3)), expected);
        }
        let (core, intid) = (dice.roll(u64::from(CORES)) as Core, dice.intid());
        let line = self.model.lines[&Model::key(core, intid)];
        assert_eq!(self.read(core, intid, 0x100), line.enabled);
        assert_eq!(self.read(core, intid, 0x280), line.pending);
        assert_eq!(self.read(core, intid, 0x300), line.active);
    }
}

#[test]
fn both_say_the_same() {
    for seed in 1..=40 {
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
        let mut pair = Pair {
            gic: Vgic::new(),
            partition: &GIC.partitions[1],
            model: Model::new(),
            ended: Vec::new(),
        };
        for _ in 0..10_000 {
            pair.turn(&mut dice);
            pair.compare(&mut dice);
        }
        assert!(!pair.ended.is_empty());
        // A partition that starts anew leaves nothing active behind it.
        let held = pair.model.lines.values().filter(|line| line.physical).count();
        let mut ended = 0;
        pair.gic.reset(pair.partition, &mut |_, _| ended += 1);
        assert_eq!(ended, held);
    }
}
