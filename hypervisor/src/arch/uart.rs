//! The PL011 that carries the log (Arm DDI0183): bytes out, nothing in.

use tock_registers::interfaces::{Readable, Writeable};
use tock_registers::registers::{ReadOnly, ReadWrite};
use tock_registers::{register_bitfields, register_structs};

use crate::table::TABLE;

register_bitfields! { u32,
    FR [ TXFF OFFSET(5) NUMBITS(1) [] ],
    LCR_H [ FEN OFFSET(4) NUMBITS(1) [], WLEN OFFSET(5) NUMBITS(2) [ Bits8 = 0b11 ] ],
    CR [ UARTEN OFFSET(0) NUMBITS(1) [], TXE OFFSET(8) NUMBITS(1) [] ]
}

register_structs! {
    /// The registers that are used.
    Pl011 {
        (0x000 => data: ReadWrite<u32>),
        (0x004 => _reserved0),
        (0x018 => flags: ReadOnly<u32, FR::Register>),
        (0x01c => _reserved1),
        (0x02c => line: ReadWrite<u32, LCR_H::Register>),
        (0x030 => control: ReadWrite<u32, CR::Register>),
        (0x034 => @END),
    }
}

fn device() -> &'static Pl011 {
    // SAFETY: the board's log UART, mapped as a device by `stage1`, never unmapped, and used through
    // this shared reference with volatile accesses only.
    unsafe { &*(TABLE.board.log_uart as usize as *const Pl011) }
}

/// Turns the transmitter on.
pub fn init() {
    let uart = device();
    uart.line.write(LCR_H::FEN::SET + LCR_H::WLEN::Bits8);
    uart.control.write(CR::UARTEN::SET + CR::TXE::SET);
}

/// Sends bytes. A device that does not take a byte in time loses it: the log may not stop the ship.
pub fn send(bytes: &[u8]) {
    const PATIENCE: u32 = 100_000;
    let uart = device();
    for byte in bytes {
        for _ in 0..PATIENCE {
            if !uart.flags.is_set(FR::TXFF) {
                uart.data.set(u32::from(*byte));
                break;
            }
        }
    }
}
