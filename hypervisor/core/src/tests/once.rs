//! What stands in a shared buffer is read once: one that changes behind every read cannot get past a check.

use super::machine::{Machine, regs, succeeded};
use super::table::{A, C, CHAINS, NORMAL, VM, memory};
use crate::api::{Page, Ports, World};
use crate::function as f;

const TX: u64 = NORMAL.base;
const LENT: u64 = NORMAL.base + 0x8000;

fn put(m: &mut Machine, secure: bool, bytes: &[u8]) {
    let page = if secure {
        Page {
            world: World::Secure,
            address: memory(0),
        }
    } else {
        Page {
            world: World::Normal,
            address: TX,
        }
    };
    m.ports.write(page, 0, bytes);
    m.ports.read = 0;
}

/// Buffers of the normal world and of A, which runs on core 0, all in FF-A 1.1.
fn ready() -> Machine {
    let mut m = Machine::of(&CHAINS).start();
    m.normal(1, &[f::VERSION.into(), 0x1_0001]);
    m.normal(1, &[f::RXTX_MAP_64.into(), TX, TX + 0x1000, 1]);
    m.enter(0, A);
    m.call(0, &[f::VERSION.into(), 0x1_0001]);
    m.call(0, &[f::RXTX_MAP_64.into(), memory(0), memory(0) + 0x1000, 1]);
    m.ports.spoils = true;
    m
}

fn descriptor(handle: u64) -> std::vec::Vec<u8> {
    let mut bytes = std::vec![0u8; 112];
    bytes[2] = 0x2f;
    bytes[4] = if handle == 0 { 0 } else { 1 << 3 };
    bytes[8..16].copy_from_slice(&handle.to_le_bytes());
    (bytes[24], bytes[28], bytes[32]) = (16, 1, 48);
    bytes[48..50].copy_from_slice(&A.to_le_bytes());
    bytes[50] = 2;
    if handle == 0 {
        (bytes[52], bytes[64], bytes[68]) = (64, 2, 2);
        for (at, address) in [(80, LENT), (96, LENT + 0x2000)] {
            bytes[at..at + 8].copy_from_slice(&address.to_le_bytes());
            bytes[at + 8] = 1;
        }
    } else {
        bytes.truncate(64);
    }
    bytes
}

#[test]
fn descriptors() {
    let mut m = ready();
    put(&mut m, false, &descriptor(0)[..96]);
    let first = regs(m.normal(1, &[f::MEM_SHARE_64.into(), 112, 96]));
    assert_eq!((first.0[0], m.ports.read), (f::MEM_FRAG_RX.into(), 96));
    put(&mut m, false, &descriptor(0)[96..]);
    let second = regs(m.normal(1, &[f::MEM_FRAG_TX.into(), first.0[1], first.0[2], 16]));
    assert_eq!((second.0[0], m.ports.read), (f::SUCCESS_32.into(), 16));
    let handle = second.0[3] << 32 | second.0[2];
    put(&mut m, true, &descriptor(handle));
    let got = regs(m.call(0, &[f::MEM_RETRIEVE_REQ_64.into(), 64, 64]));
    assert_eq!((got.0[0], m.ports.read), (f::MEM_RETRIEVE_RESP.into(), 64));
    let places: std::vec::Vec<u64> = m.ports.mapped.iter().map(|run| run.2).collect();
    assert_eq!(places, [LENT, LENT + 0x2000]);
    let mut done = [0; 18];
    done[..8].copy_from_slice(&handle.to_le_bytes());
    done[12] = 1;
    done[16..].copy_from_slice(&A.to_le_bytes());
    put(&mut m, true, &done);
    assert!(succeeded(m.call(0, &[f::MEM_RELINQUISH.into()])));
    assert_eq!(m.ports.read, 18);
    let mut ask = [0; 48];
    ask[8..16].copy_from_slice(&handle.to_le_bytes());
    put(&mut m, false, &ask);
    let told = regs(m.normal(1, &[f::MEM_RETRIEVE_REQ_64.into(), 48, 48]));
    assert_eq!((told.0[0], m.ports.read), (f::MEM_RETRIEVE_RESP.into(), 48));
}

#[test]
fn messages() {
    let mut m = ready();
    let ends = u32::from(A);
    let mut bytes = [0; 24];
    for (to, word) in bytes.chunks_exact_mut(4).zip([0, 0, 20, ends, 4, 0x6f6c_6c65]) {
        to.copy_from_slice(&u32::to_le_bytes(word));
    }
    put(&mut m, false, &bytes);
    assert!(succeeded(m.normal(1, &[f::MSG_SEND2.into(), 0, 0])));
    assert_eq!(m.ports.read, 4096, "the page, once");
    let received = &m.ports.pages[&(true, memory(0) + 0x1000)];
    assert_eq!(received[..24], bytes);
    // Another partition's buffers are not there: nothing more is read for that.
    put(&mut m, true, &bytes);
    let to_c = u32::from(A) << 16 | u32::from(C);
    m.ports.write(
        Page {
            world: World::Secure,
            address: memory(0),
        },
        12,
        &to_c.to_le_bytes(),
    );
    assert!(!succeeded(m.call(0, &[f::MSG_SEND2.into(), 0, 0])));
    assert_eq!(m.ports.read, 4096);
}

#[test]
fn what_a_hypervisor_says_of_its_machines() {
    const BUFFERS: u64 = NORMAL.base + 0x4000;
    let mut m = ready();
    let mut words = [0u32; 20];
    (words[0], words[1], words[2]) = (VM.into(), 16, 48);
    for (at, address) in [(4, BUFFERS + 0x1000), (12, BUFFERS)] {
        (words[at], words[at + 1], words[at + 6]) = (1, 1, 1);
        words[at + 4] = address as u32;
    }
    let pair: std::vec::Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    put(&mut m, false, &pair);
    assert!(succeeded(m.normal(1, &[f::RXTX_MAP_64.into(), 0, 0, 0])));
    assert_eq!(m.ports.read, 4096, "the page, once");
    let mut bytes = [0; 24];
    let ends = u32::from(VM) << 16 | u32::from(A);
    for (to, word) in bytes.chunks_exact_mut(4).zip([0, 0, 20, ends, 4, 0x6f6c_6c65]) {
        to.copy_from_slice(&u32::to_le_bytes(word));
    }
    let tx = Page {
        world: World::Normal,
        address: BUFFERS,
    };
    m.ports.write(tx, 0, &bytes);
    m.ports.read = 0;
    assert!(succeeded(
        m.normal(1, &[f::MSG_SEND2.into(), u64::from(VM) << 16, 0])
    ));
    assert_eq!(m.ports.read, 4096);
    assert_eq!(m.ports.pages[&(true, memory(0) + 0x1000)][..24], bytes);
}
