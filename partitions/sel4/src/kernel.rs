//! The kernel's interface, as far as a task needs it that makes SMCs: one system call, one capability.
use core::arch::{asm, global_asm};

/// Registers of an SMC that the capability carries.
pub const REGISTERS: usize = 8;
/// System call number of a call: send, and wait for the answer.
const CALL: i64 = -1;
/// Slot of the SMC capability among those that a root task starts with.
const SMC_CAPABILITY: u64 = 15;
/// Place of the IPC buffer's address in the boot information, in words.
const IPC_BUFFER: usize = 4;

// The kernel enters with the boot information's address in x0, and without a stack.
global_asm!(
    r#"
    .section .text.entry, "ax"
    .global _start
_start:
    adrp    x1, stack
    add     x1, x1, :lo12:stack
    add     x1, x1, #16384
    mov     sp, x1
    b       {entry}

    .section .bss.stack, "aw", @nobits
    .balign 16
stack:
    .zero   16384
"#,
    entry = sym entry,
);

extern "C" fn entry(boot_info: *const u64) -> ! {
    // SAFETY: the kernel passes the address of its boot information, which is mapped and stays so; the IPC buffer
    // is a page of words of this task's own.
    let buffer = unsafe { boot_info.add(IPC_BUFFER).read() };
    crate::service::serve(&mut Smc { buffer, label: None })
}

/// The SMC capability.
pub struct Smc {
    /// Address of the IPC buffer.
    buffer: u64,
    /// Number of the invocation.
    label: Option<u64>,
}

impl Smc {
    /// Makes an SMC with these registers, and gives what they are behind it. None where the kernel was built
    /// without it.
    pub fn call(&mut self, registers: [u64; REGISTERS]) -> Option<[u64; REGISTERS]> {
        // The number depends on what the kernel was built with, and another one is refused without effect.
        const MOST: u64 = 128;
        if let Some(label) = self.label {
            return self.invoke(label, registers);
        }
        (1..MOST).find_map(|label| {
            let answer = self.invoke(label, registers)?;
            self.label = Some(label);
            Some(answer)
        })
    }

    fn invoke(&mut self, label: u64, registers: [u64; REGISTERS]) -> Option<[u64; REGISTERS]> {
        let message = |n: usize| (self.buffer as usize + 8 * (1 + n)) as *mut u64;
        let [mut m0, mut m1, mut m2, mut m3, ..] = registers;
        let mut info = label << 12 | REGISTERS as u64;
        for (n, value) in registers.iter().enumerate().skip(4) {
            // SAFETY: message registers 4 to 7 are within the IPC buffer, which only this code uses.
            unsafe { message(n).write_volatile(*value) };
        }
        // SAFETY: a system call that changes the registers named here and the IPC buffer; the SMC that it makes
        // acts on memory only as far as a partition gives it, and this task gives none.
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
        let mut answer = [m0, m1, m2, m3, 0, 0, 0, 0];
        for (n, value) in answer.iter_mut().enumerate().skip(4) {
            // SAFETY: as above.
            *value = unsafe { message(n).read_volatile() };
        }
        (info >> 12 == 0).then_some(answer)
    }
}
