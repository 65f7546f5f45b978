//! Secure memory of a machine that is stopped.

use super::layout::{Layout, Place};
use crate::run::gdb::{Gdb, PSTATE, Stub};
use anyhow::{Context, Result};
use std::collections::HashMap;

/// What one question to the stub brings: its answers have 4,096 characters at most.
const CHUNK: u64 = 1024;
/// PSTATE of EL3 with its own stack, all masked. What EL3 reaches is the firmware's and all secure memory, each byte
/// where it is, whatever world the core was in.
const EL3: u32 = 0x3cd;

/// Memory that can be read in pieces.
pub trait Memory {
    /// The bytes from an address on.
    ///
    /// # Errors
    /// They cannot be read.
    fn read(&mut self, address: u64, bytes: &mut [u8]) -> Result<()>;

    /// A number of up to eight bytes, the lowest first.
    ///
    /// # Errors
    /// It cannot be read.
    fn number(&mut self, address: u64, size: u64) -> Result<u64> {
        let mut bytes = [0; 8];
        let part = bytes.get_mut(..usize::try_from(size)?);
        self.read(address, part.context("a number of more than eight bytes")?)?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// What is at a place, as a number.
    ///
    /// # Errors
    /// It cannot be read.
    fn value(&mut self, layout: &Layout, place: Place) -> Result<u64> {
        self.number(place.address, layout.size(place)?)
    }
}

/// A machine that is stopped, seen from EL3; it goes on when this is dropped.
pub struct View<'a> {
    gdb: Gdb<'a>,
    /// PSTATE of the core through which it is seen, to be put back.
    state: u32,
    chunks: HashMap<u64, Vec<u8>>,
}

impl<'a> View<'a> {
    /// Stops the machine.
    ///
    /// # Errors
    /// Its gdb stub does not answer.
    pub fn stop(stub: &'a Stub) -> Result<Self> {
        let mut gdb = stub.stop()?;
        let core = gdb.cores()?.swap_remove(0);
        gdb.place(&core)?;
        let state = gdb.register(PSTATE)? as u32;
        gdb.set_register(PSTATE, &EL3.to_le_bytes())?;
        Ok(Self {
            gdb,
            state,
            chunks: HashMap::new(),
        })
    }

    /// Writes a word: only to show that a wrong one is found.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&mut self, address: u64, word: u64) -> Result<()> {
        self.chunks.remove(&(address / CHUNK));
        self.gdb.write(address, &word.to_le_bytes())
    }
}

impl Memory for View<'_> {
    fn read(&mut self, address: u64, bytes: &mut [u8]) -> Result<()> {
        for (at, byte) in (address..).zip(bytes) {
            let chunk = at / CHUNK;
            if !self.chunks.contains_key(&chunk) {
                let read = self.gdb.read(chunk * CHUNK, CHUNK as usize)?;
                let read = read.filter(|read| read.len() as u64 == CHUNK);
                let read = read.with_context(|| format!("{at:#x} cannot be read from EL3"))?;
                self.chunks.insert(chunk, read);
            }
            *byte = self.chunks[&chunk][(at % CHUNK) as usize];
        }
        Ok(())
    }
}

impl Drop for View<'_> {
    fn drop(&mut self) {
        // A machine that has ended needs it no more.
        let _ = self.gdb.set_register(PSTATE, &self.state.to_le_bytes());
    }
}
