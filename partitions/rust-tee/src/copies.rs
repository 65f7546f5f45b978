//! Shared memory behind a window that the hypervisor copies (docs/sel4.md): for a TEE whose page tables cannot name the
//! normal world's memory, as seL4's.
use crate::given::Call;
use crate::tee::Memory;
use sp_rt::ffa::Regs;

/// Bulkhead's calls: from the window to memory of the caller's own, and the other way. x1 is an address of its own, x2
/// one in the window, x3 how many bytes, which end in the page in which they begin, on both sides.
const WINDOW_READ: u32 = 0xc600_0003;
const WINDOW_WRITE: u32 = 0xc600_0004;

const PAGE: u64 = 4096;

/// The window, by copies.
pub struct Copies {
    call: Call,
    above: u64,
}

impl Copies {
    /// By this call; physical addresses of this program are `above` its own, by wrapping addition.
    #[must_use]
    pub const fn new(call: Call, above: u64) -> Self {
        Self { call, above }
    }

    /// Copies page by page; false where one is refused.
    fn all(&self, function: u32, own: usize, lent: u64, length: usize) -> bool {
        let own = (own as u64).wrapping_add(self.above);
        let (mut done, length) = (0, length as u64);
        while done < length {
            let (from, to) = (own.wrapping_add(done), lent.wrapping_add(done));
            let room = PAGE - (from % PAGE).max(to % PAGE);
            let now = room.min(length - done);
            if (self.call)(&Regs::new(function, &[from, to, now])).x(0) != 0 {
                return false;
            }
            done += now;
        }
        true
    }
}

impl Memory for Copies {
    // The addresses are exposed, so that whoever is called may use the memory behind them.
    fn read(&self, address: u64, to: &mut [u8]) -> bool {
        let own = to.as_mut_ptr().expose_provenance();
        self.all(WINDOW_READ, own, address, to.len())
    }

    fn write(&self, address: u64, from: &[u8]) -> bool {
        let own = from.as_ptr().expose_provenance();
        self.all(WINDOW_WRITE, own, address, from.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    const ABOVE: u64 = 0x7000_0000_0000_0000;
    const WINDOW: u64 = 0x8000_0000;
    /// What was asked for: function, own address, address in the window, bytes.
    static CALLS: Mutex<Vec<[u64; 4]>> = Mutex::new(Vec::new());

    /// Refuses what is behind the third page of the window.
    fn hypervisor(regs: &Regs) -> Regs {
        CALLS.lock().unwrap().push([0, 1, 2, 3].map(|n| regs.x(n)));
        assert_eq!(regs.0[4..], [0; 14]);
        let end = regs.x(2) + regs.x(3);
        let good = end <= WINDOW + 3 * PAGE;
        Regs::new(if good { 0 } else { (-3_i32).cast_unsigned() }, &[])
    }

    /// The calls follow each other without a gap, each in one page on both sides; and they are as many as needed.
    fn follow(function: u32, own: u64, at: u64, length: u64) {
        let calls = core::mem::take(&mut *CALLS.lock().unwrap());
        let mut done = 0;
        for [id, from, to, bytes] in &calls {
            assert_eq!(*id, u64::from(function));
            assert_eq!([*from, *to], [ABOVE + own + done, at + done]);
            assert!(*bytes > 0 && from % PAGE + bytes <= PAGE && to % PAGE + bytes <= PAGE);
            done += bytes;
        }
        assert_eq!(done, length);
        let pages = |start: u64| length.div_ceil(PAGE) + u64::from(!start.is_multiple_of(PAGE));
        assert!(
            calls.len() as u64 <= pages(own) + pages(at),
            "{} calls",
            calls.len()
        );
    }

    #[test]
    fn copies_stay_in_their_pages_and_end_where_one_is_refused() {
        let copies = Copies::new(hypervisor, ABOVE);
        let mut bytes = vec![0; 3 * 4096];
        let own = bytes.as_ptr() as u64;
        for (at, length) in [(0, 0), (0, 1), (1, 4096), (4095, 2), (100, 9000), (0, 3 * 4096)] {
            let address = WINDOW + at;
            assert!(copies.write(address, &bytes[..length]));
            follow(WINDOW_WRITE, own, address, length as u64);
            assert!(copies.read(address, &mut bytes[..length]));
            follow(WINDOW_READ, own, address, length as u64);
        }
        assert!(!copies.read(WINDOW + 3 * PAGE - 8, &mut bytes[..16]));
        assert!(!copies.write(WINDOW + 3 * PAGE, &bytes[..1]));
    }
}
