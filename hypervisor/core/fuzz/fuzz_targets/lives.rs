//! Set-up, notifications, messages, stops, cores that go and come back, calls that other cores take, normal worlds
//! that start anew.
#![no_main]

use bulkhead_core::api::{Event, Fault, Page, World};
use bulkhead_core::function as f;
use bulkhead_core_fuzz::{IDS, Machine, NORMAL, Source, VMS, buffers, memory};
use libfuzzer_sys::fuzz_target;

const FAULT: Event = Event::Fault(Fault {
    syndrome: 0,
    address: 0,
    ipa: 0,
    pc: 0,
});

fuzz_target!(|data: &[u8]| {
    let mut source = Source(data);
    let mut machine = if source.byte() & 1 == 0 {
        Machine::new()
    } else {
        Machine::ready(0x1_0002)
    };
    while source.more() {
        let choice = source.byte();
        let core = choice & 3;
        let runs = machine.runs[usize::from(core)];
        let other = source.byte();
        // In the normal world the hypervisor calls, mostly for one of its virtual machines.
        let (own, base) = match runs {
            Some(c) => (IDS[c.partition], memory(c.partition)),
            None => [
                (0, NORMAL.base),
                (VMS[0], buffers(VMS[0])),
                (VMS[1], buffers(VMS[1])),
            ][usize::from(other >> 6) % 3],
        };
        // The field of calls that a hypervisor makes for others.
        let for_whom = if runs.is_some() { 0 } else { u64::from(own) };
        let all = [0, 1, VMS[0], VMS[1], IDS[0], IDS[1], IDS[2], own];
        let one = u64::from(all[usize::from(other) % 8]);
        let ends = [u64::from(own) << 16 | one, one << 16 | u64::from(own)][usize::from(other >> 3) % 2];
        let bits = 1u64 << (source.byte() % 8);
        let flags = [0, 1, 2, 3, 1 << 16 | 1, 3 << 16 | 1, 0xf, 0x10][usize::from(other >> 4) % 8];
        let pages = [base, base + 0x1000, base + 0x2000, 0x0e10_0000];
        match (choice >> 2, runs) {
            (0, None) => {
                machine.step(core, Event::CoreOn);
            }
            (0, Some(_)) if other < 16 => {
                machine.step(core, FAULT);
            }
            (1, Some(_)) => {
                machine.step(core, Event::NormalInterrupt);
            }
            (2, _) => {
                machine.step(core, Event::SecureInterrupt([25, 40][usize::from(other) % 2]));
            }
            (3, Some(_)) => {
                machine.step(core, Event::Deadline);
            }
            (37, None) => {
                // A virtual machine was created, or destroyed.
                let message = 0x8000_0004 | u64::from(other & 2);
                let call = [f::DIRECT_REQ_32.into(), IDS[0].into(), message, 0, 0, own.into()];
                machine.call(core, &call);
            }
            (60, None) => {
                let (kind, first) =
                    [(0, 0x8400_0002), (0, 0x8400_0001), (1, 1), (0, 0)][usize::from(other) % 4];
                machine.normal(
                    core,
                    &[f::DIRECT_REQ_32.into(), 0xffff_8000, 1 << 31 | kind, first],
                );
            }
            (61, _) => {
                machine.step(core, Event::Called);
            }
            (n, _) => {
                let world = if runs.is_some() {
                    World::Secure
                } else {
                    World::Normal
                };
                let words = [0, 0, 40, ends, 1 + u64::from(other), 0];
                let tx = machine.memory.page(Page { world, address: base });
                for (to, word) in tx.chunks_exact_mut(4).zip(words) {
                    to.copy_from_slice(&(word as u32).to_le_bytes());
                }
                tx[24..40].fill(0);
                let place = usize::from(other) % 4;
                if for_whom != 0 && n == 5 {
                    machine.register(own, 0x1_0002);
                }
                let call: [u64; 5] = match n {
                    4 => [
                        f::VERSION.into(),
                        [0x1_0000, 0x1_0001, 0x1_0002, 0x2_0000][place],
                        0,
                        0,
                        0,
                    ],
                    5 if for_whom != 0 => [f::RXTX_MAP_64.into(), 0, 0, 0, 0],
                    5 | 6 => [f::RXTX_MAP_64.into(), pages[place], pages[place ^ 1], 1, 0],
                    7 => [f::RXTX_UNMAP.into(), for_whom << 16, 0, 0, 0],
                    8 => [f::NOTIFICATION_BITMAP_CREATE.into(), for_whom, bits, 0, 0],
                    9 => [f::NOTIFICATION_BITMAP_DESTROY.into(), for_whom, 0, 0, 0],
                    10..15 => [f::NOTIFICATION_BIND.into(), ends, flags & 1, bits, 0],
                    15..17 => [f::NOTIFICATION_UNBIND.into(), ends, 0, bits, 0],
                    17..23 => [f::NOTIFICATION_SET.into(), ends, flags, bits, 0],
                    23..27 => [
                        f::NOTIFICATION_GET.into(),
                        u64::from(other & 3) << 16 | u64::from(own),
                        flags,
                        0,
                        0,
                    ],
                    27 => [f::NOTIFICATION_INFO_GET_32.into(), 0, 0, 0, 0],
                    28 => [f::NOTIFICATION_INFO_GET_64.into(), 0, 0, 0, 0],
                    29..34 => [f::MSG_SEND2.into(), for_whom << 16, flags & 2, 0, 0],
                    34 => [f::RX_RELEASE.into(), for_whom, 0, 0, 0],
                    35 => [f::RX_ACQUIRE.into(), for_whom, 0, 0, 0],
                    36 => [f::PARTITION_INFO_GET.into(), 0, 0, 0, 0],
                    37..46 => [f::DIRECT_REQ_32.into(), u64::from(own) << 16 | one, 0, 0, 0],
                    46..54 => [f::DIRECT_RESP_32.into(), u64::from(own) << 16 | one, 0, 0, 0],
                    54..56 => [f::RUN.into(), machine.named, 0, 0, 0],
                    56..58 => [f::RUN.into(), one << 16 | u64::from(other & 3), 0, 0, 0],
                    58 => [f::YIELD.into(), 0, 0, 0, 0],
                    59 if other < 8 => [f::ABORT_32.into(), 0, 0, 0, 0],
                    _ => [f::MSG_WAIT.into(), 0, u64::from(other & 1), 0, 0],
                };
                machine.call(core, &call);
            }
        }
    }
});
