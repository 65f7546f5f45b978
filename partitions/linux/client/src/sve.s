// Vector state of a thread: loaded, kept over something, and stored again.
//
// State in memory: z0-z31 (VL bytes each), p0-p15 (VL/8 bytes each), FFR (VL/8 bytes).
// x0 state to load, x1 where to store it, the rest as each function says. d8-d15 are the caller's.
.arch armv8.2-a+sve

.macro bulkhead_vectors op, base
.irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    \op z\n, [\base, #\n, mul vl]
.endr
.endm

.macro bulkhead_predicates op, base
.irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
    \op p\n, [\base, #\n, mul vl]
.endr
.endm

// Predicates follow 32 vectors, which is 256 predicates' lengths.
.macro bulkhead_load state
    bulkhead_vectors ldr, \state
    addvl \state, \state, #31
    addvl \state, \state, #1
    ldr p0, [\state, #16, mul vl]
    wrffr p0.b
    bulkhead_predicates ldr, \state
.endm

.macro bulkhead_store state
    bulkhead_vectors str, \state
    addvl \state, \state, #31
    addvl \state, \state, #1
    bulkhead_predicates str, \state
    rdffr p0.b
    str p0, [\state, #16, mul vl]
.endm

.macro bulkhead_enter
    stp d8, d9, [sp, #-64]!
    stp d10, d11, [sp, #16]
    stp d12, d13, [sp, #32]
    stp d14, d15, [sp, #48]
.endm

.macro bulkhead_leave
    ldp d14, d15, [sp, #48]
    ldp d12, d13, [sp, #32]
    ldp d10, d11, [sp, #16]
    ldp d8, d9, [sp], #64
    ret
.endm

// Keeps the state over x2 turns of an empty loop.
.globl bulkhead_sve_spin
.type bulkhead_sve_spin, %function
bulkhead_sve_spin:
    bulkhead_enter
    bulkhead_load x0
1:  subs x2, x2, #1
    b.ne 1b
    bulkhead_store x1
    bulkhead_leave

// Keeps the state over the system call ioctl(x2, x3, x4) and returns its result.
.globl bulkhead_sve_ioctl
.type bulkhead_sve_ioctl, %function
bulkhead_sve_ioctl:
    bulkhead_enter
    bulkhead_load x0
    mov x9, x1
    mov x0, x2
    mov x1, x3
    mov x2, x4
    mov x8, #29
    svc #0
    bulkhead_store x9
    bulkhead_leave
