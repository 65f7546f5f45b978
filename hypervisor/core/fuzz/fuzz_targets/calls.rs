//! Any events with any registers.
#![no_main]

use bulkhead_core::api::{Conduit, Event, Fault, Regs};
use bulkhead_core_fuzz::{IDS, Machine, Source, VMS};
use libfuzzer_sys::fuzz_target;

fn registers(source: &mut Source<'_>, id: u64) -> Regs {
    let mut regs = Regs::new(&[id]);
    for n in 1..6 {
        regs.0[n] = source.value();
    }
    regs
}

/// Function IDs: FF-A's by their number, the paravirtual calls, the hypervisor's own, anything.
fn function(source: &mut Source<'_>) -> u64 {
    let n = source.byte();
    match n {
        0..0x34 => 0x8400_0060 + u64::from(n),
        0x34..0x68 => 0xc400_0060 + u64::from(n - 0x34),
        0x68..0x80 => 0x8400_006d + u64::from(n % 4),
        0x80..0xc0 => 0x8400_006f + u64::from(n % 2),
        0xec..0xf0 => 0xc600_0001 + u64::from(n % 4),
        0xc0..0xec => [0xff03, 0xff04, 0xff08, 0xff09][usize::from(n) % 4],
        _ => source.value(),
    }
}

fuzz_target!(|data: &[u8]| {
    let mut machine = Machine::new();
    let mut source = Source(data);
    while source.more() {
        let first = source.byte();
        let core = first & 3;
        let Some(runs) = machine.runs[usize::from(core)] else {
            let event = match first >> 2 {
                0 => Event::CoreOn,
                1..4 => Event::SecureInterrupt([25, 40, 41][usize::from(first >> 2) - 1]),
                _ => {
                    let id = function(&mut source);
                    Event::Normal(registers(&mut source, id))
                }
            };
            machine.step(core, event);
            continue;
        };
        let event = match first >> 2 {
            0 => Event::Fault(Fault {
                syndrome: 0,
                address: 0,
                ipa: 0,
                pc: 0,
            }),
            1..6 => Event::NormalInterrupt,
            6..9 => Event::Deadline,
            9..14 => Event::SecureInterrupt([25, 40, 41][usize::from(first >> 2) % 3]),
            14..20 => {
                let id = function(&mut source);
                Event::Call(Conduit::Hvc, registers(&mut source, id))
            }
            20..34 => {
                // An answer to a call of anybody.
                let to = [0, VMS[0], IDS[0], IDS[1], IDS[2]][usize::from(source.byte()) % 5];
                let ends = u64::from(IDS[runs.partition]) << 16 | u64::from(to);
                Event::Call(Conduit::Smc, Regs::new(&[0x8400_0070, ends]))
            }
            34..46 => {
                let to = IDS[usize::from(source.byte()) % 3];
                let ends = u64::from(IDS[runs.partition]) << 16 | u64::from(to);
                Event::Call(Conduit::Smc, Regs::new(&[0x8400_006f, ends]))
            }
            _ => {
                let id = function(&mut source);
                Event::Call(Conduit::Smc, registers(&mut source, id))
            }
        };
        machine.step(core, event);
    }
});
