//! The RX and TX buffers of the partition, one page each, shared by all its contexts.
//!
//! Who has the [`Mailbox`] may use them; it is kept behind a lock by the partition.
use super::{call, window::Window};
use crate::ffa::{self, Error, Regs};
use crate::retrieve;
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

/// Bytes of a buffer.
pub const SIZE: usize = 4096;

#[repr(C, align(4096))]
struct Buffer(UnsafeCell<[u8; SIZE]>);
// SAFETY: touched through the one `Mailbox` only, by volatile accesses.
unsafe impl Sync for Buffer {}

static RX: Buffer = Buffer(UnsafeCell::new([0; SIZE]));
static TX: Buffer = Buffer(UnsafeCell::new([0; SIZE]));
static GIVEN: AtomicBool = AtomicBool::new(false);

/// Pages that Rust code neither reads nor writes: for others, who reach them by their address.
#[repr(C, align(4096))]
pub struct Pages<const COUNT: usize>(UnsafeCell<[[u8; SIZE]; COUNT]>);
// SAFETY: never borrowed; only the address is given away.
unsafe impl<const COUNT: usize> Sync for Pages<COUNT> {}

impl<const COUNT: usize> Pages<COUNT> {
    /// Cleared pages.
    #[must_use]
    pub const fn new() -> Self {
        Self(UnsafeCell::new([[0; SIZE]; COUNT]))
    }

    /// Where they start.
    #[must_use]
    pub fn address(&self) -> u64 {
        self.0.get().addr() as u64
    }

    /// Access to them by copies, for pages that are shared.
    #[must_use]
    pub fn window(&self) -> Window {
        Window::over(self.address(), (COUNT * SIZE) as u64)
    }
}

impl<const COUNT: usize> Default for Pages<COUNT> {
    fn default() -> Self {
        Self::new()
    }
}

/// The right to use the buffers; there is one.
pub struct Mailbox(());

impl Mailbox {
    /// Makes the buffers known (FFA_RXTX_MAP).
    ///
    /// # Errors
    /// What the call answered; DENIED if there is a `Mailbox` already.
    pub fn map() -> Result<Self, Error> {
        if GIVEN.swap(true, Ordering::AcqRel) {
            return Err(Error::DENIED);
        }
        let [tx, rx] = Self::addresses();
        call(&Regs::new(ffa::RXTX_MAP_64, &[tx, rx, 1])).success()?;
        Ok(Self(()))
    }

    /// Where TX and RX are.
    #[must_use]
    pub fn addresses() -> [u64; 2] {
        [&TX, &RX].map(|buffer| buffer.0.get().addr() as u64)
    }

    /// Writes to the TX buffer from byte `at` on, as far as it goes.
    pub fn send_at(&mut self, at: usize, bytes: &[u8]) {
        let tx = TX.0.get().cast::<u8>();
        for (n, byte) in (at..SIZE).zip(bytes) {
            // SAFETY: within the buffer; volatile, since the callee reads it.
            unsafe { tx.add(n).write_volatile(*byte) };
        }
    }

    /// Gives the RX buffer back to its producer (FFA_RX_RELEASE).
    ///
    /// # Errors
    /// DENIED if it was not this partition's.
    pub fn release(&mut self) -> Result<(), Error> {
        call(&Regs::new(ffa::RX_RELEASE, &[])).success().map(drop)
    }
}

impl retrieve::Mailbox for Mailbox {
    fn send(&mut self, bytes: &[u8]) {
        self.send_at(0, bytes);
    }

    fn receive(&mut self, offset: usize, to: &mut [u8]) {
        let rx = RX.0.get().cast::<u8>();
        for (n, byte) in (offset..SIZE).zip(to) {
            // SAFETY: within the buffer; volatile, since the callee writes it.
            *byte = unsafe { rx.add(n).read_volatile() };
        }
    }

    fn call(&mut self, regs: &Regs) -> Regs {
        call(regs)
    }
}
