//! The RX and TX buffers of a program that runs at other addresses than its physical ones.
use core::cell::UnsafeCell;
use rust_tee::given::Call;
use sp_rt::ffa::{self, Error, Regs};
use sp_rt::retrieve::Mailbox;

const SIZE: usize = 4096;

#[repr(C, align(4096))]
struct Buffer(UnsafeCell<[u8; SIZE]>);
// SAFETY: touched by the one `Buffers` only, by volatile accesses.
unsafe impl Sync for Buffer {}

static RX: Buffer = Buffer(UnsafeCell::new([0; SIZE]));
static TX: Buffer = Buffer(UnsafeCell::new([0; SIZE]));

/// The buffers, and how calls are made that use them.
pub struct Buffers(Call);

impl Buffers {
    /// Makes the buffers known (FFA_RXTX_MAP), which the SPMC does once: there is one `Buffers`. Physical addresses are
    /// `above` this program's own.
    ///
    /// # Errors
    /// What the call answered.
    pub fn map(call: Call, above: u64) -> Result<Self, Error> {
        let [tx, rx] = [&TX, &RX].map(|buffer| (buffer.0.get().addr() as u64).wrapping_add(above));
        call(&Regs::new(ffa::RXTX_MAP_64, &[tx, rx, 1])).success()?;
        Ok(Self(call))
    }
}

impl Mailbox for Buffers {
    fn send(&mut self, bytes: &[u8]) {
        let tx = TX.0.get().cast::<u8>();
        for (n, byte) in bytes.iter().take(SIZE).enumerate() {
            // SAFETY: within the buffer; volatile, since the callee reads it.
            unsafe { tx.add(n).write_volatile(*byte) };
        }
    }

    fn receive(&mut self, offset: usize, to: &mut [u8]) {
        let rx = RX.0.get().cast::<u8>();
        for (n, byte) in (offset..SIZE).zip(to) {
            // SAFETY: within the buffer; volatile, since the callee writes it.
            *byte = unsafe { rx.add(n).read_volatile() };
        }
    }

    fn call(&mut self, regs: &Regs) -> Regs {
        (self.0)(regs)
    }
}
