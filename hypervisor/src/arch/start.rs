//! First instructions on each core, and the stacks: from EL3's entry to Rust with the MMU on.

use core::arch::global_asm;

use crate::table::{CORES, TABLE};

/// Bytes of stack a core; below each lies an unmapped page.
pub const STACK_SIZE: usize = 16 * 1024;
/// Distance between two cores' stacks.
pub const STACK_STRIDE: usize = STACK_SIZE + super::PAGE;

/// The stacks with their guard pages, in the order of the cores.
#[repr(C, align(4096))]
struct Stacks([[u8; STACK_STRIDE]; CORES]);

#[unsafe(link_section = ".stacks")]
#[unsafe(no_mangle)]
static mut STACKS: Stacks = Stacks([[0; STACK_STRIDE]; CORES]);

/// MPIDR affinities in the order of the cores, for the entry code, which has no stack yet.
#[unsafe(no_mangle)]
static CORE_AFFINITIES: [u64; CORES] = affinities();

const fn affinities() -> [u64; CORES] {
    assert!(TABLE.board.cores.len() == CORES);
    let mut list = [0; CORES];
    let mut n = 0;
    while n < CORES {
        list[n] = TABLE.board.cores[n];
        n += 1;
    }
    list
}

// The entry of the boot core and of every core that comes up later. Nothing is
// assumed of the state but EL2, secure, MMU off: all that matters is written here or in `cpu`.
global_asm!(
    r#"
    .section .text.start, "ax"
    .global _start
_start:
    msr     daifset, #0xf
    bl      find_core
    mov     x21, x0
    adrp    x1, __bss_start
    add     x1, x1, :lo12:__bss_start
    adrp    x2, __bss_end
    add     x2, x2, :lo12:__bss_end
1:  cmp     x1, x2
    b.hs    2f
    stp     xzr, xzr, [x1], #16
    b       1b
2:  mov     x0, x21
    bl      set_stack
    bl      {build_tables}
    bl      drop_lines
    bl      mmu_on
    mov     x0, x21
    b       {boot_main}

    .global _secondary
_secondary:
    msr     daifset, #0xf
    bl      find_core
    mov     x21, x0
    bl      set_stack
    bl      mmu_on
    mov     x0, x21
    b       {core_main}

// x0 := this core's index in the table. A core that the table does not name stops here.
    .global find_core
find_core:
    mrs     x1, mpidr_el1
    and     x2, x1, #0xffffff
    lsr     x1, x1, #32
    and     x1, x1, #0xff
    orr     x1, x2, x1, lsl #32
    adrp    x2, CORE_AFFINITIES
    add     x2, x2, :lo12:CORE_AFFINITIES
    mov     x0, #0
1:  ldr     x3, [x2, x0, lsl #3]
    cmp     x3, x1
    b.eq    2f
    add     x0, x0, #1
    cmp     x0, #{cores}
    b.lo    1b
3:  wfe
    b       3b
2:  ret

// What was written so far went past the caches: lines of it that firmware has left there are stale.
drop_lines:
    mrs     x3, ctr_el0
    ubfx    x3, x3, #16, #4
    mov     x4, #4
    lsl     x3, x4, x3
    adrp    x1, __bss_start
    add     x1, x1, :lo12:__bss_start
    adrp    x2, __end
    add     x2, x2, :lo12:__end
1:  dc      ivac, x1
    add     x1, x1, x3
    cmp     x1, x2
    b.lo    1b
    dsb     sy
    ret

// sp := the top of core x0's stack.
    .global set_stack
set_stack:
    msr     spsel, #1
    adrp    x1, STACKS
    add     x1, x1, :lo12:STACKS
    mov     x2, #{stride}
    madd    x1, x0, x2, x1
    add     x1, x1, x2
    mov     sp, x1
    ret

// Turns on the MMU and caches with the tables that `build_tables` made. What the core's TLBs hold of
// EL2 and of partitions is from before it was off, or from nowhere.
mmu_on:
    msr     hcr_el2, xzr
    isb
    adrp    x0, STAGE1_SETUP
    add     x0, x0, :lo12:STAGE1_SETUP
    ldp     x1, x2, [x0]
    ldp     x3, x4, [x0, #16]
    msr     mair_el2, x1
    msr     tcr_el2, x2
    msr     ttbr0_el2, x3
    isb
    tlbi    alle2
    tlbi    alle1
    ic      iallu
    dsb     nsh
    isb
    msr     sctlr_el2, x4
    isb
    ret
"#,
    build_tables = sym super::stage1::build,
    boot_main = sym crate::boot::boot_main,
    core_main = sym crate::boot::core_main,
    cores = const CORES,
    stride = const STACK_STRIDE,
);

unsafe extern "C" {
    fn _secondary();
}

/// Address of the entry of the cores that come up later.
#[must_use]
pub fn secondary_entry() -> u64 {
    _secondary as *const () as usize as u64
}
