//! Is this the machine that the table was compiled for? The firmware's device tree has to agree.
//!
//! The tree is read once, before the normal world runs; nothing in it is used but for the comparison.

use bulkhead_core::api::{Page, World};
use bulkhead_core::tree::{self, Tree};
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
    is(compatible(tree), Mismatch::Compatible)?;
    is(cores(tree), Mismatch::Cores)?;
    is(interrupt_controller(tree), Mismatch::InterruptController)?;
    is(memory(tree), Mismatch::Memory)?;
    is(
        TABLE.board.log.base().is_none_or(|base| has_uart(tree, base)),
        Mismatch::LogUart,
    )
}

fn load(core: usize, bytes: &mut [u8; LARGEST]) -> Option<Tree<'_>> {
    let mut page = Page {
        world: World::Normal,
        address: TABLE.board.device_tree,
    };
    let mut header = [0; tree::HEADER];
    window::read(core, page, 0, &mut header);
    let bytes = bytes.get_mut(..tree::length(&header)?)?;
    for part in bytes.chunks_mut(PAGE) {
        window::read(core, page, 0, part);
        page.address = page.address.saturating_add(PAGE as u64);
    }
    Tree::new(bytes)
}

fn compatible(tree: Tree<'_>) -> bool {
    let root = tree.nodes().next();
    root.is_some_and(|root| root.is_compatible(TABLE.board.compatible))
}

fn cores(tree: Tree<'_>) -> bool {
    let mut missing = TABLE.board.cores.len();
    for cpu in tree.nodes().filter(|node| node.name.starts_with(b"cpu@")) {
        let id = cpu.reg().next().map(|(id, _)| id);
        let known = id.is_some_and(|id| TABLE.board.cores.contains(&id));
        match missing.checked_sub(1).filter(|_| known) {
            Some(less) => missing = less,
            None => return false,
        }
    }
    missing == 0
}

fn interrupt_controller(tree: Tree<'_>) -> bool {
    let controller = tree.nodes().find(|node| node.is_compatible("arm,gic-v3"));
    let mut frames = controller.into_iter().flat_map(|node| node.reg());
    let mut at = |address: u64| frames.next().is_some_and(|(base, _)| base == address);
    at(TABLE.board.gicd) && at(TABLE.board.gicr)
}

/// Whether all memory is there that the normal world may name in a call: a copy from or to a hole would
/// be a fault of the hypervisor's.
fn memory(tree: Tree<'_>) -> bool {
    let ranges = || {
        let nodes = tree.nodes().filter(|node| node.name.starts_with(b"memory@"));
        nodes.flat_map(|node| node.reg())
    };
    TABLE.board.normal.iter().all(|range| {
        ranges().any(|(base, size)| base <= range.base && range.end() <= base.saturating_add(size))
    })
}

fn has_uart(tree: Tree<'_>, base: u64) -> bool {
    tree.nodes()
        .filter(|node| node.is_compatible("arm,pl011"))
        .any(|node| node.reg().next().is_some_and(|(found, _)| found == base))
}
