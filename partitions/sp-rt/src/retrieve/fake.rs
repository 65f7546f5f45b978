//! A stand-in for the SPMC in tests on the host: memory that is shared, in fragments of any length.

use super::{ACCESS, Mailbox, Range, TRANSACTION, request};
use crate::ffa::{self, Regs};
use std::collections::BTreeMap;
use std::vec::Vec;
use std::{assert, assert_eq, panic, vec};

/// A stand-in for the SPMC in tests: what it shares, in fragments of `fragment` bytes.
pub struct Spmc {
    /// What is shared, by handle.
    pub shared: BTreeMap<u64, Vec<Range>>,
    /// What is retrieved now.
    pub retrieved: Vec<u64>,
    /// Bytes of a description that it passes at once.
    pub fragment: usize,
    tx: Vec<u8>,
    pub(super) rx: Vec<u8>,
    description: Vec<u8>,
    pub(super) rx_full: bool,
}

impl Spmc {
    /// One that shares nothing.
    #[must_use]
    pub fn new(fragment: usize) -> Self {
        Self {
            shared: BTreeMap::new(),
            retrieved: Vec::new(),
            fragment,
            tx: Vec::new(),
            rx: vec![0; 4096],
            description: Vec::new(),
            rx_full: false,
        }
    }

    fn describe(ranges: &[Range]) -> Vec<u8> {
        let mut bytes = request(0x8003, 0, 0, super::KIND_SHARE).to_vec();
        let composite = (TRANSACTION + ACCESS) as u32;
        bytes[TRANSACTION + 4..TRANSACTION + 8].copy_from_slice(&composite.to_le_bytes());
        let pages: u32 = ranges.iter().map(|r| r.pages).sum();
        bytes.extend(pages.to_le_bytes());
        bytes.extend((ranges.len() as u32).to_le_bytes());
        bytes.extend([0; 8]);
        for range in ranges {
            bytes.extend(range.address.to_le_bytes());
            bytes.extend(range.pages.to_le_bytes());
            bytes.extend([0; 4]);
        }
        bytes
    }

    fn pass(&mut self, from: usize) -> usize {
        assert!(!self.rx_full, "the RX buffer was not released");
        let part = self.description[from..]
            .chunks(self.fragment)
            .next()
            .unwrap()
            .to_vec();
        self.rx[..part.len()].copy_from_slice(&part);
        self.rx_full = true;
        part.len()
    }
}

impl Mailbox for Spmc {
    fn send(&mut self, bytes: &[u8]) {
        self.tx = bytes.to_vec();
    }

    fn receive(&mut self, offset: usize, to: &mut [u8]) {
        assert!(self.rx_full);
        to.copy_from_slice(&self.rx[offset..offset + to.len()]);
    }

    fn call(&mut self, regs: &Regs) -> Regs {
        match regs.function() {
            ffa::MEM_RETRIEVE_REQ => {
                assert_eq!(regs.w(1) as usize, self.tx.len());
                let handle = u64::from_le_bytes(self.tx[8..16].try_into().unwrap());
                let Some(ranges) = self
                    .shared
                    .get(&handle)
                    .filter(|_| !self.retrieved.contains(&handle))
                else {
                    return Regs::error(ffa::Error::INVALID_PARAMETERS);
                };
                self.description = Self::describe(ranges);
                self.retrieved.push(handle);
                let length = self.pass(0) as u64;
                Regs::new(ffa::MEM_RETRIEVE_RESP, &[self.description.len() as u64, length])
            }
            ffa::MEM_FRAG_RX => {
                let length = self.pass(regs.w(3) as usize) as u64;
                Regs::new(ffa::MEM_FRAG_TX, &[regs.x(1), regs.x(2), length])
            }
            ffa::MEM_RELINQUISH => {
                let handle = u64::from_le_bytes(self.tx[..8].try_into().unwrap());
                let held = self
                    .retrieved
                    .iter()
                    .position(|h| *h == handle)
                    .expect("not held");
                self.retrieved.remove(held);
                Regs::new(ffa::SUCCESS_32, &[])
            }
            ffa::RX_RELEASE => {
                assert!(self.rx_full);
                self.rx_full = false;
                Regs::new(ffa::SUCCESS_32, &[])
            }
            other => panic!("unexpected call {other:#x}"),
        }
    }
}
