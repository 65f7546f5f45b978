//! defmt's global logger: frames on the log UART, whole ones, one core at a time.

use core::sync::atomic::{AtomicUsize, Ordering};

use super::cell::Owned;
use super::{cpu, uart};

/// Frames end up here and leave when they are complete.
struct Frames {
    encoder: defmt::Encoder,
}

static FRAMES: Owned<Frames> = Owned::new(Frames {
    encoder: defmt::Encoder::new(),
});

/// The core that is writing a frame (its index plus one), or zero.
///
/// Exceptions are masked at EL2, so a core cannot meet itself here, but in a panic inside a frame;
/// then the frame is lost and the panic's own takes its place.
static WRITER: AtomicUsize = AtomicUsize::new(0);

#[defmt::global_logger]
struct Logger;

// SAFETY: `acquire` and `release` hold `WRITER`, which one core has at a time; `write` and `flush`
// are called between them by defmt's contract.
unsafe impl defmt::Logger for Logger {
    fn acquire() {
        let me = cpu::index().saturating_add(1);
        while WRITER.load(Ordering::Relaxed) != me
            && WRITER
                .compare_exchange_weak(0, me, Ordering::Acquire, Ordering::Relaxed)
                .is_err()
        {
            core::hint::spin_loop();
        }
        // SAFETY: this core holds `WRITER`.
        unsafe { FRAMES.get() }.encoder.start_frame(uart::send);
    }

    unsafe fn flush() {}

    unsafe fn release() {
        // SAFETY: this core holds `WRITER` since `acquire`.
        unsafe { FRAMES.get() }.encoder.end_frame(uart::send);
        WRITER.store(0, Ordering::Release);
    }

    unsafe fn write(bytes: &[u8]) {
        // SAFETY: this core holds `WRITER` since `acquire`.
        unsafe { FRAMES.get() }.encoder.write(bytes, uart::send);
    }
}

defmt::timestamp!("{=u64:us}", super::timer::microseconds());
