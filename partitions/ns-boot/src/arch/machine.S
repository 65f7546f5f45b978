// Entry of the further cores, and the exception vectors at EL2.

    .section .text, "ax"
    .global ns_further_entry
// x0 = number of the core, from CPU_ON's context argument.
ns_further_entry:
    msr     daifset, #0xf
    msr     cptr_el2, xzr
    isb
    adrp    x1, {stacks}
    add     x1, x1, :lo12:{stacks}
    mov     x2, #{stack_size}
    add     x3, x0, #1
    madd    x1, x3, x2, x1
    mov     sp, x1
    bl      {further}
1:  wfe
    b       1b

    .macro vector target
    .balign 0x80
    b       \target
    .endm

    .balign 0x800
    .global ns_vectors
ns_vectors:
    vector  ns_fatal
    vector  ns_fatal
    vector  ns_fatal
    vector  ns_fatal
    vector  ns_sync
    vector  ns_irq
    vector  ns_fatal
    vector  ns_fatal
    vector  ns_fatal
    vector  ns_fatal
    vector  ns_fatal
    vector  ns_fatal
    vector  ns_fatal
    vector  ns_fatal
    vector  ns_fatal
    vector  ns_fatal

// An exception that a probe waits for (see `arch/probe.rs`): TPIDR_EL2 is 1 then, and gets the syndrome, which is never that.
ns_sync:
    stp     x0, x1, [sp, #-16]!
    mrs     x0, tpidr_el2
    cmp     x0, #1
    b.ne    1f
    mrs     x0, esr_el2
    msr     tpidr_el2, x0
    mrs     x0, elr_el2
    add     x0, x0, #4
    msr     elr_el2, x0
    ldp     x0, x1, [sp], #16
    eret
1:  ldp     x0, x1, [sp], #16

ns_fatal:
    mrs     x0, esr_el2
    mrs     x1, elr_el2
    mrs     x2, far_el2
    bl      {fatal}
    b       .

// Only let in where the code waits for one (see `let_in`): what a call may change is lost there anyway.
ns_irq:
    sub     sp, sp, #176
    stp     x0, x1, [sp, #0]
    stp     x2, x3, [sp, #16]
    stp     x4, x5, [sp, #32]
    stp     x6, x7, [sp, #48]
    stp     x8, x9, [sp, #64]
    stp     x10, x11, [sp, #80]
    stp     x12, x13, [sp, #96]
    stp     x14, x15, [sp, #112]
    stp     x16, x17, [sp, #128]
    stp     x18, x30, [sp, #144]
    bl      {interrupt}
    ldp     x0, x1, [sp, #0]
    ldp     x2, x3, [sp, #16]
    ldp     x4, x5, [sp, #32]
    ldp     x6, x7, [sp, #48]
    ldp     x8, x9, [sp, #64]
    ldp     x10, x11, [sp, #80]
    ldp     x12, x13, [sp, #96]
    ldp     x14, x15, [sp, #112]
    ldp     x16, x17, [sp, #128]
    ldp     x18, x30, [sp, #144]
    add     sp, sp, #176
    eret
