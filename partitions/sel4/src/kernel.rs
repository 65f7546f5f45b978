//! The kernel's interface, as far as a task needs it that makes SMCs: one system call, one capability.
use core::arch::{asm, global_asm};
use core::sync::atomic::{AtomicU64, Ordering};
use sp_rt::ffa::Regs;

/// Registers of an SMC that the capability carries.
const REGISTERS: usize = 8;
/// System call number of a call: send, and wait for the answer.
const CALL: i64 = -1;
/// Slot of the SMC capability among those that a root task starts with.
const SMC_CAPABILITY: u64 = 15;
/// Place of the IPC buffer's address in the boot information, in words.
const IPC_BUFFER: usize = 4;
/// The number of the capability's invocation depends on what the kernel was built with. Another one is refused without
/// effect, and all are below this one.
const LABELS: u64 = 128;

// The kernel enters with the boot information's address in x0, and without a stack.
global_asm!(
    r#"
    .section .text.entry, "ax"
    .global _start
_start:
    adrp    x1, stack
    add     x1, x1, :lo12:stack
    add     x1, x1, #32768
    mov     sp, x1
    b       {entry}

    .section .bss.stack, "aw", @nobits
    .balign 16
stack:
    .zero   32768
"#,
    entry = sym entry,
);

/// What `sel4-image` tells the root task: it fills in the number behind the mark.
#[repr(C, align(8))]
struct Place {
    mark: [u8; 8],
    above: AtomicU64,
}

/// What physical addresses are above the program's own.
static PLACE: Place = Place {
    mark: *b"BHroot\0\0",
    above: AtomicU64::new(0),
};
/// Address of the IPC buffer.
static BUFFER: AtomicU64 = AtomicU64::new(0);
/// Number of the invocation; 0: not known yet.
static LABEL: AtomicU64 = AtomicU64::new(0);

extern "C" fn entry(boot_info: *const u64) -> ! {
    // SAFETY: the kernel passes the address of its boot information, which is mapped and stays so; the IPC buffer
    // is a page of words of this task's own.
    let buffer = unsafe { boot_info.add(IPC_BUFFER).read() };
    BUFFER.store(buffer, Ordering::Relaxed);
    core::hint::black_box(&PLACE.mark);
    bulkhead_sel4::service::serve(call, PLACE.above.load(Ordering::Relaxed))
}

/// Makes an SMC with x0 to x7 as they are in `regs`, and gives what they are behind it. NOT_SUPPORTED where the kernel was
/// built without it. This task has one thread.
fn call(regs: &Regs) -> Regs {
    let label = LABEL.load(Ordering::Relaxed);
    let labels = if label == 0 { 1..LABELS } else { label..label + 1 };
    let answer = labels.into_iter().find_map(|label| {
        let answer = invoke(label, regs)?;
        LABEL.store(label, Ordering::Relaxed);
        Some(answer)
    });
    answer.unwrap_or(Regs([u64::MAX; 18]))
}

fn invoke(label: u64, regs: &Regs) -> Option<Regs> {
    let buffer = BUFFER.load(Ordering::Relaxed) as usize;
    let message = |n: usize| (buffer + 8 * (1 + n)) as *mut u64;
    let [mut m0, mut m1, mut m2, mut m3, ..] = regs.0;
    let mut info = label << 12 | REGISTERS as u64;
    for n in 4..REGISTERS {
        // SAFETY: message registers 4 to 7 are within the IPC buffer, which only this code uses.
        unsafe { message(n).write_volatile(regs.x(n)) };
    }
    // SAFETY: a system call that changes the registers named here and the IPC buffer; the SMC that it makes acts on memory
    // of this task in buffers that are read volatile, and where Rust code has lent a slice and exposed its address.
    unsafe {
        asm!(
            "svc #0",
            in("x7") CALL,
            inout("x0") SMC_CAPABILITY => _,
            inout("x1") info,
            inout("x2") m0,
            inout("x3") m1,
            inout("x4") m2,
            inout("x5") m3,
            lateout("x6") _,
            options(nostack)
        );
    }
    let mut answer = Regs::default();
    answer.0[..4].copy_from_slice(&[m0, m1, m2, m3]);
    for n in 4..REGISTERS {
        // SAFETY: as above.
        answer.0[n] = unsafe { message(n).read_volatile() };
    }
    (info >> 12 == 0).then_some(answer)
}
