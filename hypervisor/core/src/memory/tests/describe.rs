//! What a hypervisor is told about a transaction, whole and in parts.

use std::vec::Vec;

use super::*;
use crate::memory::Kind;

fn described(bench: &Bench, version: u32, handle: u64) -> Vec<u8> {
    let mut out = std::vec![0xee; 4096];
    let told = bench.ledger.describe(&TABLE, version, handle, 0, &mut out);
    let (total, length) = told.unwrap();
    assert_eq!(total, length);
    assert!(out[total as usize..].iter().all(|byte| *byte == 0xee));
    out.truncate(total as usize);
    out
}

#[test]
fn it_is_what_was_sent() {
    for version in [V1_0, V1_1, V1_2] {
        let mut bench = Bench::new();
        let mut sent = Descriptor::share(version, &[A, B], &[(page(8), 2), (page(12), 1)]);
        sent.tag = 0x1234_5678_9abc_def0;
        let handle = bench.sent(Kind::Share, &sent);
        let mut got = described(&bench, version, handle);
        let mut bytes = sent.bytes();
        assert_eq!(got.len(), bytes.len());
        // Shared, non-secure from 1.1 on, under this handle; the borrowers may stand in any order.
        assert_eq!(got[4], 1 << 3);
        assert_eq!(got[8..16], handle.to_le_bytes());
        assert_eq!(got[2] & 1 << 6 != 0, version > V1_0);
        got[2] &= !(1 << 6);
        for at in [4, 8, 9, 10, 11, 12, 13, 14, 15] {
            (got[at], bytes[at]) = (0, 0);
        }
        let (header, stride) = if version == V1_0 {
            (32, 16)
        } else {
            (48, if version == V1_1 { 16 } else { 32 })
        };
        let sort = |bytes: &mut Vec<u8>| {
            let (first, second) = bytes[header..header + 2 * stride].split_at(stride);
            let (first, second) = (first.to_vec(), second.to_vec());
            if first > second {
                bytes[header..header + stride].copy_from_slice(&second);
                bytes[header + stride..header + 2 * stride].copy_from_slice(&first);
            }
        };
        sort(&mut got);
        sort(&mut bytes);
        assert_eq!(got, bytes, "{version:x}");
    }
}

#[test]
fn parts_are_parts_of_the_whole() {
    let mut bench = Bench::new();
    let ranges: Vec<(u64, u32)> = (0..12).map(|n| (page(n * 2), 1)).collect();
    let handle = bench.sent(Kind::Share, &Descriptor::share(V1_2, &[A], &ranges));
    let whole = described(&bench, V1_2, handle);
    for offset in (0..whole.len()).step_by(16) {
        for length in [1, 15, 16, 17, 64, 100, 4096] {
            let mut out = std::vec![0xee; length];
            let told = bench.ledger.describe(&TABLE, V1_2, handle, offset, &mut out);
            let end = whole.len().min(offset + length);
            assert_eq!(told, Ok((whole.len() as u32, (end - offset) as u32)));
            assert_eq!(out[..end - offset], whole[offset..end]);
        }
    }
}

#[test]
fn nothing_is_told_of_what_is_not_there() {
    let mut bench = Bench::new();
    let handle = bench.sent(Kind::Lend, &Descriptor::share(V1_1, &[A, B], &[(page(8), 2)]));
    for wrong in [0, handle + 1, handle ^ 1 << 16, u64::MAX] {
        let told = bench.ledger.describe(&TABLE, V1_1, wrong, 0, &mut [0; 64]);
        assert_eq!(told, Err(Error::InvalidParameters));
    }
    assert!(
        bench
            .ledger
            .describe(&TABLE, V1_1, handle, 0, &mut [0; 64])
            .is_ok()
    );
    assert_eq!(bench.reclaim(handle, 0), Ok(()));
    let told = bench.ledger.describe(&TABLE, V1_1, handle, 0, &mut [0; 64]);
    assert_eq!(told, Err(Error::InvalidParameters));
}
