//! The normal world's serial line: UART 0, a PL011 that firmware has set up.
use crate::arch;
use core::fmt::{Arguments, Write};

/// Its registers on QEMU virt.
const BASE: u64 = 0x0900_0000;
const DATA: u64 = BASE;
const FLAGS: u64 = BASE + 0x18;
/// The transmit queue is full.
const FULL: u32 = 1 << 5;

struct Uart;

impl Write for Uart {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        for byte in text.bytes() {
            if byte == b'\n' {
                put(b'\r');
            }
            put(byte);
        }
        Ok(())
    }
}

fn put(byte: u8) {
    while arch::read_device(FLAGS) & FULL != 0 {}
    arch::write_device(DATA, u32::from(byte));
}

/// Writes one line.
pub fn line(text: Arguments<'_>) {
    let _ = Uart.write_fmt(text);
    let _ = Uart.write_str("\n");
}
