// Entry of each context, exception vectors, and the switch between a context and its threads.
//
// A context (one for each core) runs on its own stack with interrupts masked. A thread runs on a
// stack of its own with interrupts on. What a thread is, when it does not run, is a frame on its
// stack; the layout here and in threads.rs is the same.

    .equ FRAME_ELR, 31 * 8
    .equ FRAME_SPSR, 32 * 8
    .equ FRAME_FPCR, 33 * 8
    .equ FRAME_FPSR, 34 * 8
    .equ FRAME_Q, 36 * 8
    .equ FRAME_SIZE, 36 * 8 + 32 * 16

    .equ CONTEXT_SP, 0              // Context::stack_pointer
    .equ CONTEXT_EMERGENCY, 8       // Context::emergency_stack
    .equ CONTEXT_PROBE, 16          // Context::probe
    .equ CONTEXT_SYNDROME, 24       // Context::syndrome

// First context: x0 = address of the boot information, MMU off, anything else unknown.
    .section .text.entry, "ax"
    .global _start
_start:
    msr     daifset, #0xf
    mov     x19, x0
    adrp    x1, __image_start
    add     x1, x1, :lo12:__image_start
    // The image is linked at 0: add its place to every address in it.
    adrp    x2, __rela_start
    add     x2, x2, :lo12:__rela_start
    adrp    x3, __rela_end
    add     x3, x3, :lo12:__rela_end
1:  cmp     x2, x3
    b.hs    2f
    ldp     x4, x5, [x2], #16
    ldr     x6, [x2], #8
    cmp     w5, #1027               // R_AARCH64_RELATIVE
    b.ne    1b
    add     x6, x6, x1
    str     x6, [x4, x1]
    b       1b
2:  adrp    x2, __bss_start
    add     x2, x2, :lo12:__bss_start
    adrp    x3, __bss_end
    add     x3, x3, :lo12:__bss_end
3:  cmp     x2, x3
    b.hs    4f
    stp     xzr, xzr, [x2], #16
    b       3b
4:  bl      context_stack
    mov     x0, x19
    bl      sp_rt_first_context
    b       park

// A further context, or a context whose core came back: MMU off, anything else unknown.
    .global sp_rt_further_entry
sp_rt_further_entry:
    msr     daifset, #0xf
    bl      context_stack
    bl      sp_rt_further_context
    b       park

// Gives this context its stack and the FP registers; x0 to x3 are lost.
context_stack:
    mov     x0, #3 << 20            // CPACR_EL1.FPEN: FP and SIMD do not trap
    msr     cpacr_el1, x0
    isb
    mrs     x0, mpidr_el1
    and     x0, x0, #0xff
    cmp     x0, #{contexts}
    b.hs    park
    adrp    x1, {context_stacks}
    add     x1, x1, :lo12:{context_stacks}
    mov     x2, #{context_stack_size}
    add     x0, x0, #1
    madd    x1, x0, x2, x1
    mov     sp, x1
    ret

park:
    wfe
    b       park

    .macro vector target
    .balign 0x80
    b       \target
    .endm

    .section .text.vectors, "ax"
    .balign 0x800
    .global sp_rt_vectors
sp_rt_vectors:
    vector  fatal                   // from EL1 with SP_EL0: never used
    vector  fatal
    vector  fatal
    vector  fatal
    vector  synchronous             // from EL1 with SP_EL1
    vector  interrupt
    vector  interrupt
    vector  fatal
    vector  fatal                   // from EL0: never used
    vector  fatal
    vector  fatal
    vector  fatal
    vector  fatal
    vector  fatal
    vector  fatal
    vector  fatal

// An exception by an instruction. Where one was expected, step over it; else there is no way on.
synchronous:
    stp     x0, x1, [sp, #-16]!
    mrs     x0, tpidr_el1
    ldr     x1, [x0, #CONTEXT_PROBE]
    cbz     x1, fatal
    mrs     x1, esr_el1
    str     x1, [x0, #CONTEXT_SYNDROME]
    mrs     x1, elr_el1
    add     x1, x1, #4
    msr     elr_el1, x1
    ldp     x0, x1, [sp], #16
    eret

// An exception that nothing here can mend. The stack may be the reason: take another one.
fatal:
    mrs     x3, tpidr_el1
    mov     x4, sp
    ldr     x5, [x3, #CONTEXT_EMERGENCY]
    mov     sp, x5
    mrs     x0, esr_el1
    mrs     x1, elr_el1
    mrs     x2, far_el1
    mov     x3, x30
    bl      sp_rt_fatal
    b       park

    .macro pairs op
    \op     x0, x1, [sp, #0]
    \op     x2, x3, [sp, #16]
    \op     x4, x5, [sp, #32]
    \op     x6, x7, [sp, #48]
    \op     x8, x9, [sp, #64]
    \op     x10, x11, [sp, #80]
    \op     x12, x13, [sp, #96]
    \op     x14, x15, [sp, #112]
    \op     x16, x17, [sp, #128]
    \op     x18, x19, [sp, #144]
    \op     x20, x21, [sp, #160]
    \op     x22, x23, [sp, #176]
    \op     x24, x25, [sp, #192]
    \op     x26, x27, [sp, #208]
    \op     x28, x29, [sp, #224]
    .endm

    .macro vectors op
    \op     q0, q1, [sp, #FRAME_Q + 0]
    \op     q2, q3, [sp, #FRAME_Q + 32]
    \op     q4, q5, [sp, #FRAME_Q + 64]
    \op     q6, q7, [sp, #FRAME_Q + 96]
    \op     q8, q9, [sp, #FRAME_Q + 128]
    \op     q10, q11, [sp, #FRAME_Q + 160]
    \op     q12, q13, [sp, #FRAME_Q + 192]
    \op     q14, q15, [sp, #FRAME_Q + 224]
    \op     q16, q17, [sp, #FRAME_Q + 256]
    \op     q18, q19, [sp, #FRAME_Q + 288]
    \op     q20, q21, [sp, #FRAME_Q + 320]
    \op     q22, q23, [sp, #FRAME_Q + 352]
    \op     q24, q25, [sp, #FRAME_Q + 384]
    \op     q26, q27, [sp, #FRAME_Q + 416]
    \op     q28, q29, [sp, #FRAME_Q + 448]
    \op     q30, q31, [sp, #FRAME_Q + 480]
    .endm

    .macro callee_saved op
    \op     x19, x20, [sp, #0]
    \op     x21, x22, [sp, #16]
    \op     x23, x24, [sp, #32]
    \op     x25, x26, [sp, #48]
    \op     x27, x28, [sp, #64]
    \op     x29, x30, [sp, #80]
    \op     d8, d9, [sp, #96]
    \op     d10, d11, [sp, #112]
    \op     d12, d13, [sp, #128]
    \op     d14, d15, [sp, #144]
    .endm

// A virtual interrupt, which only a thread lets in.
interrupt:
    sub     sp, sp, #FRAME_SIZE
    pairs   stp
    mrs     x0, elr_el1
    stp     x30, x0, [sp, #FRAME_ELR - 8]
    mrs     x1, spsr_el1
    mrs     x2, fpcr
    mrs     x3, fpsr
    stp     x1, x2, [sp, #FRAME_SPSR]
    str     x3, [sp, #FRAME_FPSR]
    vectors stp
    bl      sp_rt_interrupt
    cbz     x0, resume
    // Leave the thread: its frame's address is what the context gets.
    mov     x0, sp
    mov     x1, #0
    b       to_context

// Ends the calling thread with the result in x0.
    .global sp_rt_thread_exit
sp_rt_thread_exit:
    msr     daifset, #0xf
    mov     x1, x0
    mov     x0, #0
to_context:
    mrs     x2, tpidr_el1
    ldr     x3, [x2, #CONTEXT_SP]
    mov     sp, x3
    callee_saved ldp
    add     sp, sp, #160
    ret

// Runs the thread whose frame is at x0, until it ends (x0 = 0, x1 = result) or is left (x0 = frame).
    .global sp_rt_enter_thread
sp_rt_enter_thread:
    sub     sp, sp, #160
    callee_saved stp
    mrs     x2, tpidr_el1
    mov     x3, sp
    str     x3, [x2, #CONTEXT_SP]
    mov     sp, x0
resume:
    vectors ldp
    ldr     x3, [sp, #FRAME_FPSR]
    ldp     x1, x2, [sp, #FRAME_SPSR]
    ldp     x30, x0, [sp, #FRAME_ELR - 8]
    msr     fpsr, x3
    msr     fpcr, x2
    msr     spsr_el1, x1
    msr     elr_el1, x0
    pairs   ldp
    add     sp, sp, #FRAME_SIZE
    eret

// First instruction of a new thread: x0 to x3 are its arguments, x19 its function.
    .global sp_rt_thread_start
sp_rt_thread_start:
    blr     x19
    b       sp_rt_thread_exit
