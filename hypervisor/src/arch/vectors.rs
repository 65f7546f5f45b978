//! EL2's exception vectors: out of a partition into the caller of `enter`, or a fatal stop.

use bulkhead_core::api::Regs;
use core::arch::global_asm;

use super::context::General;
use super::cpu;

/// Which vector a partition left by.
pub const SYNCHRONOUS: u64 = 0;
/// A physical IRQ: a secure group 1 interrupt.
pub const IRQ: u64 = 1;
/// A physical FIQ: an interrupt of the normal world (or group 0).
pub const FIQ: u64 = 2;
/// A system error.
pub const SERROR: u64 = 3;

// `enter(general, call)` keeps the hypervisor's callee-saved registers on its own stack, notes the
// stack's address and the context in the core's block, and leaves to EL1. The vectors store the
// context's registers and return from `enter` with the vector's number. The context gets x0 to x17 from `call`; by
// `enter_guest_short` it gets x0 to x7, and finds zero in x8 to x17.
global_asm!(
    r#"
    .section .text, "ax"
    .macro  begin_entry
    stp     x19, x20, [sp, #-96]!
    stp     x21, x22, [sp, #16]
    stp     x23, x24, [sp, #32]
    stp     x25, x26, [sp, #48]
    stp     x27, x28, [sp, #64]
    stp     x29, x30, [sp, #80]
    mrs     x2, tpidr_el2
    str     x0, [x2]
    ldp     x3, x4, [x0, #{elr}]
    msr     elr_el2, x3
    msr     spsr_el2, x4
    ldp     x18, x19, [x0, #144]
    ldp     x20, x21, [x0, #160]
    ldp     x22, x23, [x0, #176]
    ldp     x24, x25, [x0, #192]
    ldp     x26, x27, [x0, #208]
    ldp     x28, x29, [x0, #224]
    ldr     x30, [x0, #240]
    ldp     x2, x3, [x1, #16]
    ldp     x4, x5, [x1, #32]
    ldp     x6, x7, [x1, #48]
    .endm

    .global enter_guest
enter_guest:
    begin_entry
    ldp     x8, x9, [x1, #64]
    ldp     x10, x11, [x1, #80]
    ldp     x12, x13, [x1, #96]
    ldp     x14, x15, [x1, #112]
    ldp     x16, x17, [x1, #128]
    ldp     x0, x1, [x1]
    eret
    dsb     nsh
    isb

    .global enter_guest_short
enter_guest_short:
    begin_entry
    mov     x8, xzr
    mov     x9, xzr
    mov     x10, xzr
    mov     x11, xzr
    mov     x12, xzr
    mov     x13, xzr
    mov     x14, xzr
    mov     x15, xzr
    mov     x16, xzr
    mov     x17, xzr
    ldp     x0, x1, [x1]
    eret
    dsb     nsh
    isb

    .macro  leave number
    .balign 128
    stp     x0, x1, [sp, #-16]!
    .ifeq   \number - {sync}
    // Classes with this bit are no calls; the one that comes often is answered without leaving.
    mrs     x0, esr_el2
    tbnz    w0, #29, answer_identification
    .endif
    mov     x0, #\number
    b       guest_left
    .endm

    .macro  fatal number
    .balign 128
    mov     x0, #\number
    b       fatal_exception
    .endm

    .section .text.vectors, "ax"
    .balign 2048
    .global el2_vectors
el2_vectors:
    fatal 0
    fatal 1
    fatal 2
    fatal 3
    fatal 4
    fatal 5
    fatal 6
    fatal 7
    leave {sync}
    leave {irq}
    leave {fiq}
    leave {serror}
    fatal 12
    fatal 13
    fatal 14
    fatal 15

// A trapped read of an ID register (DDI0487, ISS of a trapped MRS: op0 3, op1 0, CRn 0, CRm 1 to 7) is answered by
// the core's list, and the context goes on behind it: OP-TEE makes one for each page that it maps. x0 is the
// syndrome; x0 and x1 of the context are on the stack.
answer_identification:
    stp     x2, x3, [sp, #-16]!
    mov     w1, #0xfc11
    movk    w1, #0xfff1, lsl #16
    and     w1, w0, w1
    mov     w2, #0x0001
    movk    w2, #0x6230, lsl #16
    cmp     w1, w2
    b.ne    2f
    tst     w0, #0xe
    b.eq    2f
    ubfx    x1, x0, #1, #3
    ubfx    x2, x0, #17, #3
    add     x1, x2, x1, lsl #3
    mrs     x2, tpidr_el2
    add     x2, x2, #{ids}
    ldr     x1, [x2, x1, lsl #3]
    mrs     x2, elr_el2
    add     x2, x2, #4
    msr     elr_el2, x2
    // By the target's number; x0 to x3 are on the stack.
    ubfx    x0, x0, #5, #5
    adr     x2, 3f
    add     x2, x2, x0, lsl #3
    br      x2
3:
    .irp    at, 16, 24, 0, 8
    str     x1, [sp, #\at]
    b       4f
    .endr
    .irp    n, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30
    mov     x\n, x1
    b       4f
    .endr
    nop
4:
    ldp     x2, x3, [sp], #16
    ldp     x0, x1, [sp], #16
    eret
    dsb     nsh
    isb
2:
    ldp     x2, x3, [sp], #16
    mov     x0, #{sync}
    b       guest_left

guest_left:
    mrs     x1, tpidr_el2
    ldr     x1, [x1]
    stp     x2, x3, [x1, #16]
    ldp     x2, x3, [sp], #16
    stp     x2, x3, [x1]
    stp     x4, x5, [x1, #32]
    stp     x6, x7, [x1, #48]
    stp     x8, x9, [x1, #64]
    stp     x10, x11, [x1, #80]
    stp     x12, x13, [x1, #96]
    stp     x14, x15, [x1, #112]
    stp     x16, x17, [x1, #128]
    stp     x18, x19, [x1, #144]
    stp     x20, x21, [x1, #160]
    stp     x22, x23, [x1, #176]
    stp     x24, x25, [x1, #192]
    stp     x26, x27, [x1, #208]
    stp     x28, x29, [x1, #224]
    str     x30, [x1, #240]
    mrs     x2, elr_el2
    mrs     x3, spsr_el2
    stp     x2, x3, [x1, #{elr}]
    // A system error that the context has caused and that is still on its way is its own, and is
    // taken here: later it would hit whoever runs next, or panic EL3, which finds it masked at EL2.
    hint    #16
    mrs     x2, S3_0_C12_C1_1
    tbz     x2, #31, 1f
    msr     S3_0_C12_C1_1, xzr
    mov     x0, #{serror}
1:
    ldp     x21, x22, [sp, #16]
    ldp     x23, x24, [sp, #32]
    ldp     x25, x26, [sp, #48]
    ldp     x27, x28, [sp, #64]
    ldp     x29, x30, [sp, #80]
    ldp     x19, x20, [sp], #96
    ret

// A fault of the hypervisor itself: say what is known and stop. The stack is used from its top again,
// as the fault may be that it was full.
fatal_exception:
    mov     x19, x0
    bl      find_core
    bl      set_stack
    mov     x0, x19
    mrs     x1, esr_el2
    mrs     x2, elr_el2
    mrs     x3, far_el2
    b       {fatal}
"#,
    elr = const core::mem::offset_of!(General, elr),
    ids = const core::mem::offset_of!(cpu::Block, identification),
    sync = const SYNCHRONOUS,
    irq = const IRQ,
    fiq = const FIQ,
    serror = const SERROR,
    fatal = sym crate::fatal::exception,
);

unsafe extern "C" {
    static el2_vectors: u8;
    fn enter_guest(general: *mut General, call: *const Regs) -> u64;
    fn enter_guest_short(general: *mut General, call: *const Regs) -> u64;
}

/// The vector table's address.
pub fn base() -> u64 {
    (&raw const el2_vectors) as usize as u64
}

/// Enters EL1 with these registers until something happens; they then hold its state. x0 to x17 are those of `call`, where
/// it is given. Returns the vector's number; that of a system error also where one came with another exit.
#[inline]
pub fn enter(general: &mut General, call: Option<&Regs>) -> u64 {
    let call = call.map_or(&raw const general.call, core::ptr::from_ref);
    // SAFETY: `general` outlives the call, and `call` is read before EL1 is entered. TPIDR_EL2 points at this core's block
    // (`cpu::init`), whose first word says to the vectors where `general` is; nothing else uses that word, nor refers to
    // the block while this core is in EL1. EL1 reaches memory through stage 2 only, which never maps the
    // hypervisor's.
    unsafe { enter_guest(general, call) }
}

/// As [`enter`], with x0 to x7 of `call`, and zero in x8 to x17.
#[inline]
pub fn enter_short(general: &mut General, call: &Regs) -> u64 {
    // SAFETY: as in `enter`; of `call` less is read.
    unsafe { enter_guest_short(general, call) }
}
