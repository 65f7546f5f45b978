//! Descriptors and messages in buffers, and the calls about them.
#![no_main]

use bulkhead_core::api::{Action, Entry, Page, Run, World};
use bulkhead_core::function as f;
use bulkhead_core_fuzz::{IDS, Machine, NORMAL, Source, memory};
use libfuzzer_sys::fuzz_target;

/// A descriptor with a few receivers and ranges, in the form of a version, some bytes changed: of `sender`,
/// whose memory starts at `base`, or a request for what it has sent.
fn descriptor(source: &mut Source<'_>, version: u64, handle: u64, sender: u16, base: u64) -> Vec<u8> {
    let (header, stride) = match version {
        0x1_0000 => (32, 16),
        0x1_0001 => (48, 16),
        _ => (48, 32),
    };
    let shape = source.byte();
    let receivers = 1 + usize::from(shape >> 6) % 3;
    let composite = header + receivers * stride;
    let ranges = if handle == 0 {
        1 + usize::from(shape & 3)
    } else {
        0
    };
    let mut bytes = vec![
        0;
        if handle == 0 {
            composite + 16 + 16 * ranges
        } else {
            composite
        }
    ];
    bytes[..2].copy_from_slice(&sender.to_le_bytes());
    bytes[2] = if shape & 4 == 0 { 0x2f } else { 0 };
    bytes[8..16].copy_from_slice(&handle.to_le_bytes());
    bytes[28] = receivers as u8;
    if version != 0x1_0000 {
        bytes[24] = stride as u8;
        bytes[32] = header as u8;
    }
    for n in 0..receivers {
        let at = header + n * stride;
        bytes[at..at + 2].copy_from_slice(&IDS[(n + usize::from(shape >> 4 & 3)) % 3].to_le_bytes());
        bytes[at + 2] = [2, 2, 1, 0][usize::from(shape >> 2 & 3)];
        bytes[at + 4] = if handle == 0 { composite as u8 } else { 0 };
    }
    let mut pages = 0;
    for n in 0..ranges {
        let at = composite + 16 + 16 * n;
        let (place, count) = (u64::from(source.byte()), 1 + source.byte() % 4);
        bytes[at..at + 8].copy_from_slice(&(base + 0x2000 + place * 0x1000).to_le_bytes());
        bytes[at + 8] = count;
        pages += count;
    }
    if handle == 0 {
        (bytes[composite], bytes[composite + 4]) = (pages, ranges as u8);
    }
    for _ in 0..source.byte() % 4 {
        let at = usize::from(source.byte()) % bytes.len();
        bytes[at] = source.byte();
    }
    bytes
}

fuzz_target!(|data: &[u8]| {
    let mut source = Source(data);
    let version = [0x1_0000, 0x1_0001, 0x1_0002][usize::from(source.byte()) % 3];
    let mut machine = Machine::ready(version);
    // Handles, and who sent them.
    let mut handles = vec![(0u64, 0u16)];
    while source.more() {
        let choice = source.byte();
        let core = choice & 3;
        let (handle, sender) = handles[usize::from(source.byte()) % handles.len()];
        let (low, high) = (handle & 0xffff_ffff, handle >> 32);
        let here = machine.runs[usize::from(core)].map(|context| context.partition);
        let (own, base, world) = match here {
            None => (0, NORMAL.base, World::Normal),
            Some(index) => (IDS[index], memory(index), World::Secure),
        };
        let tx = Page { world, address: base };
        let retrieve = here.is_some() && choice < 12 << 3;
        let bytes = if retrieve {
            descriptor(&mut source, version, handle, sender, base)
        } else {
            descriptor(&mut source, version, 0, own, base)
        };
        let length = bytes.len() as u64;
        let part = if choice & 4 == 0 {
            length
        } else {
            length - 16.min(length)
        };
        let kind = [f::MEM_SHARE_32, f::MEM_LEND_64, f::MEM_DONATE_32][usize::from(choice >> 3) % 3];
        let other = IDS[usize::from(choice >> 3) % 3];
        let call: [u64; 4] = match (choice >> 3, here) {
            (0..12, None) | (18..23, Some(_)) => [kind.into(), length, part, 0],
            (12..15, None) | (23, Some(_)) => [f::MEM_FRAG_TX.into(), low, high, length - part],
            (15..20, None) | (24..26, Some(_)) => [f::MEM_RECLAIM.into(), low, high, u64::from(choice & 1)],
            (20..26, None) | (26..29, Some(_)) => [
                f::DIRECT_REQ_32.into(),
                u64::from(own) << 16 | u64::from(other),
                0,
                0,
            ],
            (_, None) | (17, Some(_)) => [f::MSG_SEND2.into(), 0, 0, 0],
            (0..8, Some(_)) => [f::MEM_RETRIEVE_REQ_32.into(), length, length, 0],
            (8..12, Some(_)) => [f::MEM_RELINQUISH.into(), 0, 0, 0],
            (12..15, Some(_)) => [f::RX_RELEASE.into(), 0, 0, 0],
            (15..17, Some(_)) => [f::MEM_FRAG_RX.into(), low, high, u64::from(choice & 4) << 4],
            (_, Some(_)) => [f::MSG_WAIT.into(), 0, 0, 0],
        };
        let mut bytes = bytes;
        if call[0] == u64::from(f::MEM_RELINQUISH) {
            bytes[..8].copy_from_slice(&handle.to_le_bytes());
            bytes[8..16].copy_from_slice(&[choice & 1, 0, 0, 0, 1, 0, 0, 0]);
            bytes[16..18].copy_from_slice(&own.to_le_bytes());
        }
        machine.memory.page(tx)[..bytes.len()].copy_from_slice(&bytes);
        if choice == 0xff {
            // The part that was not sent yet comes first.
            machine.memory.page(tx).copy_within(part as usize..4096, 0);
        }
        let action = machine.call(core, &call);
        let answer = match action {
            Action::Normal(regs) => Some(regs),
            Action::Run(Run {
                entry: Entry::Answer(regs),
                ..
            }) => Some(regs),
            Action::Run(_) | Action::Halt(_) | Action::Idle => None,
        };
        if let Some(regs) = answer {
            match regs.0[0] as u32 {
                f::SUCCESS_32 if regs.0[2] != 0 => handles.push((regs.0[3] << 32 | regs.0[2], own)),
                f::MEM_FRAG_RX => handles.push((regs.0[2] << 32 | regs.0[1], own)),
                _ => {}
            }
        }
        if let Some(context) = machine.runs[usize::from(core)].filter(|_| choice & 0x44 == 0x44) {
            // Back to whoever asked, so that it sends more.
            let own = u64::from(IDS[context.partition]) << 16;
            for asked in [0, IDS[0], IDS[1], IDS[2]] {
                machine.partition(core, &[f::DIRECT_RESP_32.into(), own | u64::from(asked)]);
                if machine.runs[usize::from(core)] != Some(context) {
                    break;
                }
            }
        }
    }
});
