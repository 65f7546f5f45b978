//! The ports that the policy may use, on the real machine.

use bulkhead_core::api::{Access, Note, Page, Ports, Restored, World};
use bulkhead_core::quote::Taken;
use bulkhead_core::table::{Core as CoreIndex, Rights};

use crate::arch::{PAGE, gic, stage2, timer, window};
use crate::table::TABLE;
use crate::{console, images, log, secrets};

/// The machine as one core reaches it.
pub struct Machine {
    core: usize,
}

impl Machine {
    /// For the core with this index.
    pub const fn new(core: usize) -> Self {
        Self { core }
    }
}

impl Ports for Machine {
    fn read(&mut self, page: Page, offset: usize, into: &mut [u8]) {
        window::read(self.core, page, offset, into);
    }

    fn write(&mut self, page: Page, offset: usize, from: &[u8]) {
        window::write(self.core, page, offset, from);
    }

    fn map_window(&mut self, partition: usize, slot: u32, address: u64, count: u32, access: Access) {
        stage2::map_window(partition, slot, address, count, access);
    }

    fn unmap_window(&mut self, partition: usize, slot: u32, count: u32) {
        stage2::unmap_window(partition, slot, count);
    }

    fn set_secure(&mut self, partition: usize, address: u64, count: u32, rights: Option<Rights>) {
        match rights {
            Some(rights) => stage2::map_secure(partition, address, count, rights),
            None => stage2::unmap_secure(partition, address, count),
        }
    }

    fn clear(&mut self, world: World, address: u64, count: u32) {
        let mut address = address;
        for _ in 0..count {
            window::clear(self.core, Page { world, address });
            address = address.saturating_add(PAGE as u64);
        }
    }

    fn now(&mut self) -> u64 {
        timer::microseconds()
    }

    fn counter(&mut self) -> u64 {
        timer::counter()
    }

    fn set_alarm(&mut self, at: Option<u64>) {
        timer::set_alarm(self.core, at);
    }

    fn schedule_receiver(&mut self, core: Option<CoreIndex>) {
        gic::schedule_receiver(core.map_or(self.core, usize::from));
    }

    fn call_core(&mut self, core: CoreIndex) {
        gic::call(usize::from(core));
    }

    fn restore(&mut self, partition: usize, page: u32) -> Restored {
        images::restore(self.core, partition, page)
    }

    fn quiesce(&mut self, partition: usize) {
        for write in TABLE.partitions.get(partition).map_or(&[][..], |p| p.quiesce) {
            window::write_register(self.core, write.address, write.value);
        }
    }

    fn end_interrupt(&mut self, intid: u32, core: CoreIndex) {
        gic::deactivate(intid, usize::from(core));
    }

    fn disable_interrupt(&mut self, intid: u32, core: CoreIndex) {
        gic::disable(intid, usize::from(core));
    }

    fn key(&mut self, partition: usize) -> [u64; 4] {
        secrets::key(partition)
    }

    fn measured(&mut self, partition: Option<usize>) -> Option<[u8; 32]> {
        images::measured(partition)
    }

    fn taken(&mut self, partition: usize) -> Option<Taken> {
        images::package(partition)
    }

    fn sign(&mut self, text: &[u8]) -> Option<[u8; 64]> {
        secrets::sign(text)
    }

    fn random(&mut self, partition: usize) -> Option<[u64; 3]> {
        secrets::random(partition)
    }

    fn wake(&mut self, micros: u32) {
        timer::wake(self.core, micros);
    }

    fn console(&mut self, partition: usize, bytes: &[u8]) {
        console::write(partition, bytes);
    }

    fn note(&mut self, note: Note) {
        log::note(note);
    }
}
