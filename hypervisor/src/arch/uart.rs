//! The PL011 that carries the log (Arm DDI0183): bytes out, nothing in.

use tock_registers::interfaces::{Readable, Writeable};
use tock_registers::registers::{ReadOnly, ReadWrite};
use tock_registers::{register_bitfields, register_structs};

use bulkhead_core::table::Log;

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

/// Where half bytes of frames are among the bytes of a UART that others share: text has none of these.
const HIGH: u8 = 0x80;
const LOW: u8 = 0x90;

fn device() -> Option<&'static Pl011> {
    // SAFETY: the board's log UART, mapped as a device by `stage1`, never unmapped, and used through
    // this shared reference with volatile accesses only.
    TABLE
        .board
        .log
        .base()
        .map(|base| unsafe { &*(base as usize as *const Pl011) })
}

/// Turns the transmitter on. One that is shared was set up by firmware, and stays as it is.
pub fn init() {
    if let (Log::Own(_), Some(uart)) = (TABLE.board.log, device()) {
        uart.line.write(LCR_H::FEN::SET + LCR_H::WLEN::Bits8);
        uart.control.write(CR::UARTEN::SET + CR::TXE::SET);
    }
}

/// Sends bytes of frames. Where others write to the same device at the same time, each is sent as two halves that
/// can be told from text, so that it does not matter what comes between them.
pub fn send(bytes: &[u8]) {
    let Some(uart) = device() else {
        return;
    };
    for byte in bytes {
        if matches!(TABLE.board.log, Log::Shared(_)) {
            send_one(uart, HIGH | byte >> 4);
            send_one(uart, LOW | byte & 0xf);
        } else {
            send_one(uart, *byte);
        }
    }
}

/// Sends a byte. A device that does not take it in time loses it: the log may not stop the ship.
fn send_one(uart: &Pl011, byte: u8) {
    const PATIENCE: u32 = 100_000;
    for _ in 0..PATIENCE {
        if !uart.flags.is_set(FR::TXFF) {
            uart.data.set(byte.into());
            return;
        }
    }
}
