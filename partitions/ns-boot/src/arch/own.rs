//! Cores that are a partition's own: each is started, and hands itself over with FFA_RUN, before Linux runs. Linux is
//! not told of them.
use crate::tree;
use core::arch::{asm, global_asm};
use core::fmt::Write;
use core::sync::atomic::{AtomicU64, Ordering};

/// PSCI's CPU_ON, in the 64-bit form.
const CPU_ON: u64 = 0xc400_0003;
/// The longest time that a core may take, in seconds: a partition has five to start on it.
const LIMIT: u64 = 6;

/// The cores of the table, as xtask hands them over: `index:affinity:target information` of FFA_RUN (DEN0077A 1.2,
/// section 14.3), with commas between them.
const CORES: &str = match option_env!("BULKHEAD_OWN_CORES") {
    Some(cores) => cores,
    None => "",
};

/// One of them.
struct Own {
    index: u64,
    affinity: u64,
    target: u64,
}

impl Own {
    fn read(text: &str) -> Option<Self> {
        let mut numbers = text.split(':').map(|number| number.parse().ok());
        let mut next = || numbers.next().flatten();
        Some(Self {
            index: next()?,
            affinity: next()?,
            target: next()?,
        })
    }
}

/// Whether the core at hand is about to hand itself over.
static HANDED: AtomicU64 = AtomicU64::new(0);

global_asm!(
    ".section .text, \"ax\"",
    // x0 = target information, from CPU_ON's context argument. The MMU is off, as on the boot core.
    "ns_own_core:",
    "msr daifset, #0xf",
    "adrp x1, {handed}",
    "add x1, x1, :lo12:{handed}",
    "mov x2, #1",
    "stlr x2, [x1]",
    "mov x1, x0",
    "movz w0, #0x6d",
    "movk w0, #0x8400, lsl #16",
    "mov x2, xzr",
    "mov x3, xzr",
    "mov x4, xzr",
    "mov x5, xzr",
    "mov x6, xzr",
    "mov x7, xzr",
    "smc #0",
    // It comes back with an error only.
    "1: wfe",
    "b 1b",
    handed = sym HANDED,
);

unsafe extern "C" {
    fn ns_own_core();
}

/// Hands over all of them, in order, and takes them out of Linux's device tree; names those that do not start.
pub fn hand_over() {
    for text in CORES.split(',').filter(|text| !text.is_empty()) {
        let own = Own::read(text);
        if !own.as_ref().is_some_and(|own| start(own.affinity, own.target)) {
            crate::uart::line(format_args!("@core {text} was not handed over"));
        }
        if let Some(own) = own {
            hide(&own);
        }
    }
}

/// Linux is not told of a core: not of its node, and not of its place in the map of cores.
fn hide(own: &Own) {
    let mut names = [Name::default(), Name::default()];
    let written = write!(names[0], "cpu@{:x}", own.affinity).and(write!(names[1], "core{}", own.index));
    let size = super::read_device(super::DEVICE_TREE + 4).swap_bytes() as usize;
    // SAFETY: firmware left the tree there, in memory of the normal world that nobody else uses now; its header says
    // how long it is, and it is no longer than the space before the kernel.
    let tree = unsafe { core::slice::from_raw_parts_mut(super::DEVICE_TREE as *mut u8, size.min(TREE)) };
    for name in names.iter().filter(|_| written.is_ok()) {
        tree::hide(tree, name.text());
    }
}

/// The longest device tree, in bytes: 2 MiB (Linux, `Documentation/arch/arm64/booting.rst`).
const TREE: usize = 2 << 20;

/// A node's name.
#[derive(Default)]
struct Name {
    bytes: [u8; 24],
    length: usize,
}

impl Name {
    fn text(&self) -> &str {
        let bytes = self.bytes.get(..self.length).unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl Write for Name {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        let end = self.length + text.len();
        let place = self.bytes.get_mut(self.length..end).ok_or(core::fmt::Error)?;
        place.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

fn start(affinity: u64, target: u64) -> bool {
    HANDED.store(0, Ordering::Release);
    let entry = (ns_own_core as *const ()).addr() as u64;
    let mut answer = CPU_ON;
    // SAFETY: PSCI starts another core in `ns_own_core`, which uses no stack and writes `HANDED` only; an SMC changes x0
    // to x17 here (DEN0028E, section 2.6).
    unsafe {
        asm!(
            "smc #0",
            inout("x0") answer, in("x1") affinity, in("x2") entry, in("x3") target,
            clobber_abi("C"),
        );
    }
    let (began, frequency) = counter();
    while answer == 0 && HANDED.load(Ordering::Acquire) == 0 {
        if counter().0 - began > LIMIT * frequency {
            return false;
        }
    }
    answer == 0
}

/// The counter, and its frequency in Hz.
fn counter() -> (u64, u64) {
    let (count, frequency): (u64, u64);
    // SAFETY: reading counters.
    unsafe { asm!("isb", "mrs {}, cntpct_el0", "mrs {}, cntfrq_el0", out(reg) count, out(reg) frequency) };
    (count, frequency)
}
