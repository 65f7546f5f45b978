//! The hypervisor's own translation: W^X, guard pages, devices, and no standing view of anyone's memory.

use aarch64_cpu::registers::{MAIR_EL2, SCTLR_EL2, TCR_EL2};
use bulkhead_core::sure::Sure as _;
use static_assertions::const_assert;

use super::cell::Owned;
use super::{PAGE, start, window};
use crate::table::{CORES, TABLE};

/// A table of 512 descriptors.
#[repr(C, align(4096))]
pub struct Table(pub [u64; 512]);

impl Table {
    /// A table that maps nothing.
    pub const fn empty() -> Self {
        Self([0; 512])
    }
}

/// What `mmu_on` loads: MAIR_EL2, TCR_EL2, TTBR0_EL2, SCTLR_EL2, in this order.
#[repr(C)]
struct Setup([u64; 4]);

#[unsafe(no_mangle)]
static STAGE1_SETUP: Owned<Setup> = Owned::new(Setup([0; 4]));

/// Bits of a virtual address. With 4 KiB pages a walk of 39 bits starts at level 1.
const VA_BITS: u64 = 39;

static LEVEL1: Owned<Table> = Owned::new(Table::empty());
/// One level-2 table a gigabyte of the identity map.
static LEVEL2: Owned<[Table; GIGABYTES]> = Owned::new([const { Table::empty() }; GIGABYTES]);
/// Level-3 tables for the 2 MiB blocks that hold the image or devices.
static LEVEL3: Owned<[Table; BLOCKS]> = Owned::new([const { Table::empty() }; BLOCKS]);
static WINDOW_LEVEL2: Owned<Table> = Owned::new(Table::empty());

/// Gigabytes that the identity map covers: the board's devices and the hypervisor lie in them.
const GIGABYTES: usize = 4;
const REACH: u64 = (GIGABYTES as u64) << 30;

/// How many 2 MiB blocks the identity map may touch: image, distributor, redistributors, UART.
const BLOCKS: usize = touched(TABLE.hypervisor.size)
    + touched(0x1_0000)
    + touched(TABLE.board.gicr_stride * (CORES as u64))
    + touched(PAGE as u64);

/// The most 2 MiB blocks that a range of this size touches.
const fn touched(size: u64) -> usize {
    size.div_ceil(2 << 20) as usize + 1
}

const VALID: u64 = 0b11;
const ACCESS_FLAG: u64 = 1 << 10;
const INNER_SHAREABLE: u64 = 0b11 << 8;
const READ_ONLY: u64 = 0b10 << 6;
const EL2_RES1: u64 = 1 << 6;
const NON_SECURE: u64 = 1 << 5;
const EXECUTE_NEVER: u64 = 1 << 54;
const NORMAL_MEMORY: u64 = 1 << 2;

/// What a page of the hypervisor is for.
#[derive(Clone, Copy)]
enum Kind {
    Code,
    Constants,
    Data,
    Device,
}

impl Kind {
    const fn attributes(self) -> u64 {
        let base = VALID | ACCESS_FLAG | EL2_RES1;
        match self {
            Self::Code => base | NORMAL_MEMORY | INNER_SHAREABLE | READ_ONLY,
            Self::Constants => base | NORMAL_MEMORY | INNER_SHAREABLE | READ_ONLY | EXECUTE_NEVER,
            Self::Data => base | NORMAL_MEMORY | INNER_SHAREABLE | EXECUTE_NEVER,
            Self::Device => base | EXECUTE_NEVER,
        }
    }
}

/// The descriptor of a page in a core's copy window (see `window`).
pub const fn window_page(address: u64, non_secure: bool, writable: bool) -> u64 {
    let world = if non_secure { NON_SECURE } else { 0 };
    let kind = if writable { Kind::Data } else { Kind::Constants };
    address | kind.attributes() | world
}

/// The descriptor of a page of a device, in the same place.
pub const fn device_page(address: u64) -> u64 {
    address | Kind::Device.attributes()
}

unsafe extern "C" {
    static __image_start: u8;
    static __text_end: u8;
    static __constants_end: u8;
    static __rodata_end: u8;
    static __bss_end: u8;
    static __stacks_start: u8;
}

/// The hypervisor's code and constants, the table among them, as the linker laid them out.
pub fn constants() -> &'static [u8] {
    let base = &raw const __image_start;
    let length = (&raw const __constants_end as usize).saturating_sub(base as usize);
    // SAFETY: the symbols are the first byte of the code and the byte behind the last constant. All pages between them are
    // mapped read-only for as long as the MMU is on, so that nothing can write what this names.
    unsafe { core::slice::from_raw_parts(base, length) }
}

/// Address of a linker symbol.
macro_rules! symbol {
    ($name:ident) => {
        (&raw const $name) as usize as u64
    };
}

// What the hypervisor itself reaches lies in the identity map; the copy windows lie above it.
const_assert!(TABLE.hypervisor.end() <= REACH && REACH <= window::BASE);
const_assert!(TABLE.board.gicd < REACH);
const_assert!(match TABLE.board.log.base() {
    Some(base) => base < REACH,
    None => true,
});
const_assert!(TABLE.board.gicr + TABLE.board.gicr_stride * (CORES as u64) <= REACH);

/// Builds the tables and the registers' values. Runs on the boot core with the MMU off.
pub extern "C" fn build() {
    // SAFETY: only the boot core runs, once, before any other use of the tables.
    let (l1, l2, l3, setup) = unsafe { (LEVEL1.get(), LEVEL2.get(), LEVEL3.get(), STAGE1_SETUP.get()) };
    // SAFETY: as above.
    let (wl2, wl3) = unsafe { (WINDOW_LEVEL2.get(), window::table()) };
    let mut map = IdentityMap {
        level2: l2,
        level3: l3,
        used: 0,
    };
    map.image();
    map.devices();
    for (entry, table) in l1.0.iter_mut().zip(map.level2.iter()) {
        *entry = core::ptr::from_ref(table) as usize as u64 | VALID;
    }
    l1.0[(window::BASE >> 30) as usize] = WINDOW_LEVEL2.address() | VALID;
    wl2.0[0] = core::ptr::from_mut(wl3) as usize as u64 | VALID;
    *setup = Setup([mair(), tcr(), LEVEL1.address(), sctlr()]);
}

fn mair() -> u64 {
    (MAIR_EL2::Attr0_Device::nonGathering_nonReordering_noEarlyWriteAck
        + MAIR_EL2::Attr1_Normal_Outer::WriteBack_NonTransient_ReadWriteAlloc
        + MAIR_EL2::Attr1_Normal_Inner::WriteBack_NonTransient_ReadWriteAlloc)
        .value
}

fn tcr() -> u64 {
    const RES1: u64 = 1 << 31 | 1 << 23;
    (TCR_EL2::PS::Bits_40
        + TCR_EL2::TG0::KiB_4
        + TCR_EL2::SH0::Inner
        + TCR_EL2::ORGN0::WriteBack_ReadAlloc_WriteAlloc_Cacheable
        + TCR_EL2::IRGN0::WriteBack_ReadAlloc_WriteAlloc_Cacheable
        + TCR_EL2::T0SZ.val(64 - VA_BITS))
    .value
        | RES1
}

fn sctlr() -> u64 {
    const RES1: u64 = 0x30c5_0830;
    const WXN: u64 = 1 << 19;
    const STACK_ALIGNMENT: u64 = 1 << 3;
    (SCTLR_EL2::M::Enable + SCTLR_EL2::C::Cacheable + SCTLR_EL2::I::Cacheable).value
        | RES1
        | WXN
        | STACK_ALIGNMENT
}

/// The first gigabytes, mapped where they are, page by page.
struct IdentityMap<'a> {
    level2: &'a mut [Table; GIGABYTES],
    level3: &'a mut [Table; BLOCKS],
    used: usize,
}

impl IdentityMap<'_> {
    fn image(&mut self) {
        let (text, rodata, bss) = (symbol!(__text_end), symbol!(__rodata_end), symbol!(__bss_end));
        self.map(symbol!(__image_start), text, Kind::Code);
        self.map(text, rodata, Kind::Constants);
        self.map(rodata, bss, Kind::Data);
        let stacks = symbol!(__stacks_start);
        for core in 0..CORES {
            let guard = stacks.saturating_add(core.saturating_mul(start::STACK_STRIDE) as u64);
            self.map(
                guard.saturating_add(PAGE as u64),
                guard.saturating_add(start::STACK_STRIDE as u64),
                Kind::Data,
            );
        }
    }

    fn devices(&mut self) {
        const FRAME: u64 = 0x1_0000;
        let board = &TABLE.board;
        self.map(board.gicd, board.gicd + FRAME, Kind::Device);
        for core in 0..CORES as u64 {
            let frame = board.gicr + core * board.gicr_stride;
            self.map(frame, frame + 2 * FRAME, Kind::Device);
        }
        if let Some(log) = board.log.base() {
            self.map(log, log + PAGE as u64, Kind::Device);
        }
    }

    fn map(&mut self, from: u64, to: u64, kind: Kind) {
        let mut address = from;
        while address < to {
            let table = self.level3(address);
            table.0[(address >> 12) as usize % 512] = address | kind.attributes();
            address += PAGE as u64;
        }
    }

    /// The level-3 table of an address: found, or the next free one.
    fn level3(&mut self, address: u64) -> &mut Table {
        let block = (address >> 21) as usize % 512;
        let table = self.level2.get_mut((address >> 30) as usize);
        let entry = &mut table.sure("all that is mapped here lies below `REACH`").0[block];
        let base = core::ptr::from_ref(self.level3) as usize as u64;
        let index = if *entry == 0 {
            let free = self.used;
            *entry = base.saturating_add(free.saturating_mul(PAGE) as u64) | VALID;
            self.used = free.saturating_add(1);
            free
        } else {
            (*entry & !0xfff).saturating_sub(base) as usize / PAGE
        };
        let table = self.level3.get_mut(index);
        table.sure("`BLOCKS` counts all that are needed")
    }
}
