//! A partition does anything to its virtual GIC and its timers on all its cores, while its interrupts come, it is
//! called, preempted, and goes on elsewhere.
#![no_main]

use std::collections::BTreeSet;

use bulkhead_core::api::{Event, Fault, Place, SystemRegister, Trapped};
use bulkhead_core::function as f;
use bulkhead_core_fuzz::{DRIVES, GICD, GICR, IDS, Machine, Source};
use libfuzzer_sys::fuzz_target;

const FAULT: Fault = Fault {
    syndrome: 0,
    address: 0,
    ipa: 0,
    pc: 0,
};

/// CRm and op2 of registers of the CPU interface: those of group 1, and what acknowledges and ends.
const INTERFACE: [(u16, u16); 16] = [
    (8, 0),
    (8, 1),
    (8, 2),
    (9, 0),
    (11, 1),
    (11, 3),
    (11, 5),
    (11, 6),
    (12, 0),
    (12, 0),
    (12, 1),
    (12, 2),
    (12, 3),
    (12, 4),
    (12, 5),
    (12, 7),
];

/// Frames that one may reach for, the last of them beyond what the partition has.
const FRAMES: [u64; 6] = [
    GICD,
    GICR,
    GICR + 0x1_0000,
    GICR + 0x2_0000,
    GICR + 0x3_0000,
    GICR + 0x4_0000,
];

/// Interrupts that come: its own, another's number, nobody's.
const LINES: [u32; 4] = [40, 25, 25, 99];

fn place(source: &mut Source<'_>) -> Place {
    let kind = source.byte();
    let detail = source.byte();
    match kind % 8 {
        0 => {
            let (crm, op2) = (u16::from(detail >> 4 & 1) + 2, u16::from(detail % 3));
            Place::Register(SystemRegister::new(3, 3, 14, crm, op2))
        }
        1 => Place::Register(SystemRegister::new(3, 0, 4, 6, 0)),
        2 => Place::Register(SystemRegister::new(
            3,
            0,
            12,
            u16::from(detail & 15),
            u16::from(detail >> 4 & 7),
        )),
        3 | 4 => {
            let (crm, op2) = INTERFACE[usize::from(detail) % INTERFACE.len()];
            Place::Register(SystemRegister::new(3, 0, 12, crm, op2))
        }
        _ => {
            let size = 1 << (kind >> 3 & 3);
            // Words of the fields that are there, or any.
            let offset = match kind >> 5 {
                0..5 => u64::from(detail & 0x7f) * 8,
                5 => 0xc00 + u64::from(detail) * 4,
                6 => 0x6000 + u64::from(detail) * 8,
                _ => u64::from(detail) << 8 | u64::from(source.byte()),
            };
            let frame = FRAMES[usize::from(source.byte()) % FRAMES.len()];
            Place::Memory {
                address: frame + offset,
                size,
            }
        }
    }
}

fn value(source: &mut Source<'_>) -> u64 {
    let (kind, byte) = (source.byte(), source.byte());
    match kind & 3 {
        0 => 1 << (byte & 63),
        1 => u64::MAX,
        2 => u64::from(byte),
        _ => u64::from(byte) << 24 | u64::from(kind),
    }
}

fuzz_target!(|data: &[u8]| {
    let mut source = Source(data);
    let mut machine = Machine::of(&DRIVES);
    machine.memory.lines = Some(BTreeSet::new());
    while source.more() {
        let choice = source.byte();
        let core = choice & 3;
        machine.memory.time += u64::from(source.byte()) << 4;
        let runs = machine.runs[usize::from(core)];
        let b = u64::from(IDS[1]);
        match (choice >> 2 & 15, runs) {
            (0, _) => {
                let intid = LINES[usize::from(choice >> 6)];
                // The shared one is routed to core 1.
                let core = if intid == 40 { 1 } else { core };
                // One that was not ended is active, and does not come.
                if let Some(lines) = &mut machine.memory.lines
                    && lines.insert((intid, core))
                {
                    machine.step(core, Event::SecureInterrupt(intid));
                }
            }
            (1, _) => drop(machine.step(core, Event::Alarm)),
            (2, _) => drop(machine.step(core, Event::Called)),
            (3, Some(_)) => drop(machine.step(core, Event::NormalInterrupt)),
            (4, Some(_)) => drop(machine.step(core, Event::Deadline)),
            (5, None) => drop(machine.step(core, Event::CoreOn)),
            (5, Some(_)) => drop(machine.partition(core, &[f::MSG_WAIT.into()])),
            (6, Some(context)) => {
                let own = u64::from(IDS[context.partition]);
                machine.partition(core, &[f::DIRECT_RESP_32.into(), own << 16]);
            }
            (7, None) => drop(machine.normal(core, &[f::RUN.into(), b << 16 | u64::from(choice >> 6)])),
            (8, None) => drop(machine.normal(core, &[f::RUN.into(), machine.named])),
            (_, None) => drop(machine.normal(core, &[f::DIRECT_REQ_32.into(), b])),
            (9, Some(_)) if choice >> 6 == 3 => drop(machine.step(core, Event::Fault(FAULT))),
            (_, Some(_)) => {
                let place = place(&mut source);
                let write = (choice >> 6 != 0).then(|| value(&mut source));
                let trapped = Trapped {
                    place,
                    write,
                    target: u64::from(choice & 31),
                    fault: FAULT,
                };
                machine.step(core, Event::Trapped(trapped));
            }
        }
    }
});
