//! Is this the machine that the table was compiled for? The firmware's device tree has to agree.
//!
//! The tree is read once, before the normal world runs; nothing in it is used but for the comparison.

use bulkhead_core::api::{Page, World};
use fdt::Fdt;
use spin::Mutex;

use crate::arch::{PAGE, window};
use crate::table::TABLE;

/// Largest device tree that is looked at, in bytes.
const LARGEST: usize = 64 * 1024;

/// Aligned, so that copies move words: behind the lock's own byte it would not be.
#[repr(align(16))]
struct Aligned([u8; LARGEST]);

static TREE: Mutex<Aligned> = Mutex::new(Aligned([0; LARGEST]));

/// Why the machine is not the table's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// No device tree where the board says, or one that is too large.
    Tree,
    /// Another kind of machine.
    Compatible,
    /// Other cores.
    Cores,
    /// Another interrupt controller, or elsewhere.
    InterruptController,
    /// Less memory.
    Memory,
    /// No UART for the log.
    LogUart,
}

impl Mismatch {
    /// A sentence for the log.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Tree => "no readable device tree is where the board file says",
            Self::Compatible => "the machine's `compatible` is not the board file's",
            Self::Cores => "the machine's cores are not the board file's",
            Self::InterruptController => "the machine's GICv3 is not where the board file says",
            Self::Memory => "the machine has less memory than the board file gives to the normal world",
            Self::LogUart => "the log's UART is not in the machine's device tree",
        }
    }
}

/// Compares the machine with the board that the table names.
pub fn check(core: usize) -> Result<(), Mismatch> {
    let Aligned(bytes) = &mut *TREE.lock();
    let tree = load(core, bytes).ok_or(Mismatch::Tree)?;
    let is = |right: bool, mismatch| if right { Ok(()) } else { Err(mismatch) };
    is(compatible(&tree), Mismatch::Compatible)?;
    is(cores(&tree), Mismatch::Cores)?;
    is(interrupt_controller(&tree), Mismatch::InterruptController)?;
    is(memory(&tree), Mismatch::Memory)?;
    is(
        TABLE.board.log.base().is_none_or(|base| has_uart(&tree, base)),
        Mismatch::LogUart,
    )
}

fn load(core: usize, bytes: &mut [u8; LARGEST]) -> Option<Fdt<'_>> {
    let page = |n: usize| Page {
        world: World::Normal,
        address: TABLE.board.device_tree + (n * PAGE) as u64,
    };
    let mut header = [0; 8];
    window::read(core, page(0), 0, &mut header);
    let size = u32::from_be_bytes([header[4], header[5], header[6], header[7]]) as usize;
    let bytes = bytes.get_mut(..size)?;
    for (n, part) in bytes.chunks_mut(PAGE).enumerate() {
        window::read(core, page(n), 0, part);
    }
    Fdt::new(bytes).ok()
}

fn compatible(tree: &Fdt<'_>) -> bool {
    tree.all_nodes()
        .next()
        .and_then(|root| root.compatible())
        .is_some_and(|list| list.all().any(|name| name == TABLE.board.compatible))
}

fn cores(tree: &Fdt<'_>) -> bool {
    let mut found = 0;
    // Not `Fdt::cpus`: it looks for `/cpus` by path, which `fdt` 0.1.5 does not find in a tree whose
    // first node has no `@`, as TF-A's `psci` has none, and panics.
    for cpu in tree.all_nodes().filter(|node| node.name.starts_with("cpu@")) {
        let id = cpu.property("reg").and_then(|reg| reg.as_usize());
        if !id.is_some_and(|id| TABLE.board.cores.contains(&(id as u64))) {
            return false;
        }
        found += 1;
    }
    found == TABLE.board.cores.len()
}

fn interrupt_controller(tree: &Fdt<'_>) -> bool {
    let Some(mut frames) = tree.find_compatible(&["arm,gic-v3"]).and_then(|node| node.reg()) else {
        return false;
    };
    let mut at = |address: u64| {
        frames
            .next()
            .is_some_and(|frame| frame.starting_address as usize as u64 == address)
    };
    at(TABLE.board.gicd) && at(TABLE.board.gicr)
}

/// Whether all memory is there that the normal world may name in a call: a copy from or to a hole would
/// be a fault of the hypervisor's.
fn memory(tree: &Fdt<'_>) -> bool {
    let nodes = || tree.all_nodes().filter(|node| node.name.starts_with("memory@"));
    TABLE.board.normal.iter().all(|range| {
        nodes().filter_map(|node| node.reg()).flatten().any(|frame| {
            let base = frame.starting_address as usize as u64;
            let end = base.saturating_add(frame.size.unwrap_or(0) as u64);
            base <= range.base && range.end() <= end
        })
    })
}

fn has_uart(tree: &Fdt<'_>, base: u64) -> bool {
    tree.all_nodes()
        .filter(|node| {
            node.compatible()
                .is_some_and(|list| list.all().any(|name| name == "arm,pl011"))
        })
        .filter_map(|node| node.reg()?.next())
        .any(|frame| frame.starting_address as usize as u64 == base)
}
