//! What touches the machine: the only module of this crate with `unsafe`.
#[cfg(feature = "bench")]
pub mod clock;
#[cfg(feature = "cases")]
pub mod machine;
#[cfg(not(feature = "cases"))]
pub mod own;
#[cfg(feature = "cases")]
pub mod probe;
#[cfg(feature = "cases")]
pub mod state;

use core::arch::{asm, global_asm};
use core::cell::UnsafeCell;

/// Where the Linux image and its device tree stand.
#[cfg(not(feature = "cases"))]
const KERNEL: u64 = 0x4200_0000;
#[cfg(not(feature = "cases"))]
const DEVICE_TREE: u64 = 0x4000_0000;
/// PSCI's SYSTEM_OFF.
const SYSTEM_OFF: u64 = 0x8400_0008;
/// Bytes of the boot core's stack.
const STACK: usize = 512 * 1024;

#[repr(C, align(4096))]
struct Stack(UnsafeCell<[u8; STACK]>);
// SAFETY: used as stack memory by one core; never borrowed by Rust code.
unsafe impl Sync for Stack {}

#[unsafe(link_section = ".stacks")]
static BOOT_STACK: Stack = Stack(UnsafeCell::new([0; STACK]));

global_asm!(
    ".section .text.entry, \"ax\"",
    ".global _start",
    "_start:",
    "msr daifset, #0xf",
    "msr cptr_el2, xzr",
    "isb",
    "adrp x0, __bss_start",
    "add x0, x0, :lo12:__bss_start",
    "adrp x1, __bss_end",
    "add x1, x1, :lo12:__bss_end",
    "1: cmp x0, x1",
    "b.hs 2f",
    "stp xzr, xzr, [x0], #16",
    "b 1b",
    "2: adrp x0, {stack}",
    "add x0, x0, :lo12:{stack}",
    "add sp, x0, #{size}",
    "bl {boot}",
    stack = sym BOOT_STACK,
    size = const STACK,
    boot = sym entered,
);

extern "C" fn entered() -> ! {
    crate::boot()
}

/// Reads a device register of 32 bits.
pub fn read_device(address: u64) -> u32 {
    // SAFETY: the callers name registers of the machine's devices, which hold nothing of Rust's.
    unsafe { core::ptr::read_volatile(address as *const u32) }
}

/// Writes a device register of 32 bits.
pub fn write_device(address: u64, value: u32) {
    // SAFETY: as above.
    unsafe { core::ptr::write_volatile(address as *mut u32, value) };
}

/// Enters Linux as its boot protocol says: x0 = device tree, MMU off, interrupts masked.
#[cfg(not(feature = "cases"))]
pub fn start_linux() -> ! {
    // SAFETY: nothing of this program is used after the jump.
    unsafe {
        asm!(
            "mov x1, xzr", "mov x2, xzr", "mov x3, xzr",
            "ic iallu", "dsb sy", "isb",
            "br {kernel}",
            kernel = in(reg) KERNEL,
            in("x0") DEVICE_TREE,
            options(noreturn)
        )
    }
}

/// Ends the machine.
pub fn power_off() -> ! {
    // SAFETY: the call does not return; if it did, waiting changes nothing.
    unsafe { asm!("smc #0", "1: wfe", "b 1b", in("x0") SYSTEM_OFF, options(noreturn)) }
}
