// Entered at its first byte with MMU and caches off. Memory outside of the image is zero.

    .section .text, "ax"
    .global _start
_start:
    b       1f
    .balign 8
    // Filled in by `sel4-image`.
header:
    .ascii  "BHseL4\0\0"
    // Offset from _start, bytes, and physical place: of the kernel, of the root task.
kernel:
    .quad   0, 0, 0
root:
    .quad   0, 0, 0
    // Virtual address of the kernel's first byte, and its entry.
kernel_virtual:
    .quad   0
kernel_entry:
    .quad   0
    // Physical end of the root task, what its physical addresses are above its virtual ones, and its entry.
root_end:
    .quad   0
root_offset:
    .quad   0
root_entry:
    .quad   0

1:  msr     daifset, #0xf
    adr     x9, _start
    adr     x10, kernel
    bl      place
    adr     x10, root
    bl      place
    adr     x10, tables

    // Level 0 and 1 of the lower half: the first GiB onto itself, for this code.
    add     x11, x10, #0x1000
    orr     x12, x11, #3
    str     x12, [x10]
    mov     x12, #0x411                 // block, normal memory (attribute 4), accessed
    str     x12, [x11]

    // Levels 0 to 2 of the upper half: the kernel, in blocks of 2 MiB, to the end of its GiB.
    adr     x13, kernel_virtual
    ldr     x13, [x13]
    add     x14, x10, #0x2000
    add     x15, x10, #0x3000
    add     x16, x10, #0x4000
    orr     x12, x15, #3
    ubfx    x17, x13, #39, #9
    str     x12, [x14, x17, lsl #3]
    orr     x12, x16, #3
    ubfx    x17, x13, #30, #9
    str     x12, [x15, x17, lsl #3]
    adr     x12, kernel
    ldr     x12, [x12, #16]
    mov     x11, #0x411
    orr     x12, x12, x11
    ubfx    x17, x13, #21, #9
    mov     x11, #0x200000
2:  str     x12, [x16, x17, lsl #3]
    add     x12, x12, x11
    add     x17, x17, #1
    cmp     x17, #512
    b.lo    2b
    dsb     sy

    // Memory attributes as the kernel numbers them: three of devices, not cached, normal, write-through.
    ldr     x11, =0x0000aaff440c0400
    msr     mair_el1, x11
    // Both halves of 48 bits, 4 KiB, walks of cached memory, ASIDs of 16 bits, addresses as the core has them.
    ldr     x11, =(16 | 16 << 16 | 1 << 8 | 1 << 10 | 3 << 12 | 1 << 24 | 1 << 26 | 3 << 28 | 2 << 30 | 1 << 36)
    mrs     x12, id_aa64mmfr0_el1
    and     x12, x12, #7
    orr     x11, x11, x12, lsl #32
    msr     tcr_el1, x11
    msr     ttbr0_el1, x10
    msr     ttbr1_el1, x14
    isb
    tlbi    vmalle1
    ic      iallu
    dsb     sy
    isb
    mrs     x11, sctlr_el1
    mov     x12, #0x1005                // M, C, I
    orr     x11, x11, x12
    msr     sctlr_el1, x11
    isb

    // The root task's physical range, how it is mapped, its entry; no device tree.
    adr     x10, root
    ldr     x0, [x10, #16]
    adr     x10, root_end
    ldp     x1, x2, [x10]
    ldr     x3, [x10, #16]
    mov     x4, #0
    mov     x5, #0
    adr     x10, kernel_entry
    ldr     x10, [x10]
    br      x10

// Copies what x10 describes to its place.
place:
    ldp     x11, x12, [x10]
    ldr     x13, [x10, #16]
    add     x11, x11, x9
    add     x12, x12, x11
3:  cmp     x11, x12
    b.hs    4f
    ldp     x14, x15, [x11], #16
    stp     x14, x15, [x13], #16
    b       3b
4:  ret

    .ltorg
    .balign 4096
tables:
    .zero   5 * 4096
