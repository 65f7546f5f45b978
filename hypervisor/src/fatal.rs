//! The end: a fault of the hypervisor or a machine it was not built for. A record, and nothing more runs here.

use core::panic::PanicInfo;

/// An exception at EL2: the hypervisor itself went wrong, or the machine did.
pub extern "C" fn exception(vector: u64, syndrome: u64, pc: u64, address: u64) -> ! {
    defmt::error!(
        "fatal exception at EL2: vector {=u64} syndrome {=u64:#x} pc {=u64:#x} address {=u64:#x}",
        vector,
        syndrome,
        pc,
        address
    );
    halt()
}

/// Stops with a reason.
pub fn stop(reason: &'static str) -> ! {
    defmt::error!("fatal: {=str}", reason);
    halt()
}

fn halt() -> ! {
    loop {
        aarch64_cpu::asm::wfe();
    }
}

#[panic_handler]
fn panic(info: &PanicInfo) -> ! {
    let (file, line) = info.location().map_or(("?", 0), |l| (l.file(), l.line()));
    defmt::error!("fatal: panic at {=str}:{=u32}", file, line);
    halt()
}
