//! Anything that a partition may do to its virtual GIC, on all cores, between all that may happen to it: nothing
//! panics, the states of contexts hold together, and each line is as the GIC says.

use core::sync::atomic::Ordering;
use std::vec::Vec;

use super::Dice;
use crate::api::{Action, Event, Fault, Place, SystemRegister, Trapped};
use crate::function as f;
use crate::table::Core;
use crate::tests::amount;
use crate::tests::machine::{Machine, request};
use crate::tests::table::{A, B, GIC, GICD, GICR};

impl Dice {
    /// A value: few bits, all, or any.
    fn value(&mut self) -> u64 {
        match self.roll(4) {
            0 => 1 << self.roll(64),
            1 => u64::MAX,
            2 => self.roll(1024),
            _ => self.roll(1 << 55),
        }
    }

    /// Something that is there to be read, or written; now and then anything.
    fn place(&mut self, writes: bool) -> Place {
        // CRm and op2 of registers of the CPU interface.
        const READ: [(u16, u16); 10] = [
            (8, 0),
            (8, 2),
            (9, 0),
            (11, 3),
            (12, 0),
            (12, 0),
            (12, 2),
            (12, 3),
            (12, 4),
            (12, 7),
        ];
        const WRITTEN: [(u16, u16); 10] = [
            (8, 1),
            (9, 0),
            (11, 1),
            (11, 5),
            (11, 5),
            (12, 1),
            (12, 1),
            (12, 3),
            (12, 4),
            (12, 7),
        ];
        let size = 1 << self.roll(4);
        let list = if writes { WRITTEN } else { READ };
        match self.roll(32) {
            0 => Place::Register(SystemRegister::new(
                3,
                self.roll(4) as u16,
                12,
                self.roll(16) as u16,
                self.roll(8) as u16,
            )),
            1..14 => {
                let (crm, op2) = list[self.roll(10) as usize];
                Place::Register(SystemRegister::new(3, 0, 12, crm, op2))
            }
            14..17 => {
                let (crm, op2) = (2 + self.roll(2) as u16, self.roll(3) as u16);
                Place::Register(SystemRegister::new(3, 3, 14, crm, op2))
            }
            17 => Place::Register(SystemRegister::new(3, 0, 4, 6, 0)),
            18..25 => Place::Memory {
                address: GICD + self.roll(0x1000) * size,
                size,
            },
            _ => Place::Memory {
                address: GICR + self.roll(4) * 0x2_0000 + 0x1_0000 + self.roll(0x400) * size,
                size,
            },
        }
    }
}

/// What happens next on a core on which a partition runs, or none.
fn event(dice: &mut Dice, runs: bool) -> Event {
    match dice.roll(12) {
        0 => Event::SecureInterrupt([25, 40, 220, 99][dice.roll(4) as usize]),
        1 => Event::Alarm,
        2 => Event::Called,
        3 if runs => Event::NormalInterrupt,
        4 if runs => Event::Deadline,
        _ => {
            let write = (dice.roll(3) != 0).then(|| dice.value());
            Event::Trapped(Trapped {
                place: dice.place(write.is_some()),
                write,
                target: dice.roll(32),
                fault: Fault {
                    syndrome: 0,
                    address: 0,
                    ipa: 0,
                    pc: 0,
                },
            })
        }
    }
}

/// Each line is what the virtual GIC says, unless the partition was stopped.
fn compare(m: &Machine) {
    let (partition, compartment) = (&GIC.partitions[1], &m.spmc.compartments[1]);
    if compartment.stopped() {
        return;
    }
    let vgic = compartment.vgic.lock();
    for (home, seat) in (0u8..).zip(&compartment.seats) {
        let shown = seat.pending.load(Ordering::Relaxed);
        assert_eq!(shown, u64::from(vgic.line(partition, home)), "core {home}");
    }
}

#[test]
fn nothing_breaks() {
    const LIFE: usize = 200;
    let lives = amount::calls(60_000).div_ceil(LIFE);
    let mut entered = 0;
    for life in 0..lives {
        let seed = amount::seed().wrapping_add(life as u64 + 1);
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let mut m = Machine::of(&GIC).start();
        let mut runs = Vec::from([false; 4]);
        for _ in 0..LIFE {
            let core = dice.roll(4) as Core;
            let at = usize::from(core);
            m.ports.now += dice.roll(2_000);
            m.ports.counter += dice.roll(1 << 20);
            let action = match (runs[at], dice.roll(6)) {
                (true, 0) => m.call(core, &[f::MSG_WAIT.into()]),
                (true, 1) => m.respond(core, if dice.roll(4) == 0 { A } else { B }),
                (false, 0..3) => m.normal(core, &request(if dice.roll(4) == 0 { A } else { B })),
                (false, 3) => m.normal(core, &[f::RUN.into(), u64::from(B) << 16 | dice.roll(4)]),
                (running, _) => {
                    let next = event(&mut dice, running);
                    m.step(core, next)
                }
            };
            runs[at] = matches!(action, Action::Run(_));
            entered += usize::from(runs[at]);
            assert_eq!(
                m.spmc.check_invariants(),
                Ok(()),
                "repeat with BULKHEAD_SEED={seed}"
            );
            compare(&m);
        }
    }
    assert!(entered > lives * 20, "only {entered} entries");
}
