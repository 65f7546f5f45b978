//! Up to 32 interrupts, a bit each.

/// Bits of a priority that are kept: 32 levels.
const PRIORITY_BITS: u8 = 0xf8;

/// Interrupts of one context or of all: what the partition says of them, and what came.
#[derive(Debug)]
pub(super) struct Bank {
    pub enabled: u32,
    /// What came, or was set pending.
    pub pending: u32,
    pub active: u32,
    /// Lines that are high: pending for as long as they are.
    pub level: u32,
    /// Those behind which a physical interrupt is active.
    pub behind: u32,
    priority: [u8; 32],
}

impl Bank {
    pub(super) const fn new() -> Self {
        Self {
            enabled: 0,
            pending: 0,
            active: 0,
            level: 0,
            behind: 0,
            priority: [0; 32],
        }
    }

    /// Those that can be taken.
    pub(super) fn ready(&self) -> u32 {
        (self.pending | self.level) & self.enabled & !self.active
    }

    /// The most urgent of these that can be taken, and its priority; of two that are equal, the lower number.
    pub(super) fn best(&self, of: u32) -> Option<(u32, u8)> {
        let mut ready = self.ready() & of;
        let mut best: Option<(u8, u32)> = None;
        while ready != 0 {
            let bit = ready.trailing_zeros();
            ready &= ready.wrapping_sub(1);
            let candidate = (self.priority(bit), bit);
            if best.is_none_or(|best| candidate < best) {
                best = Some(candidate);
            }
        }
        best.map(|(priority, bit)| (bit, priority))
    }

    pub(super) fn priority(&self, number: u32) -> u8 {
        self.priority.get(number as usize).copied().unwrap_or(0)
    }

    pub(super) fn set_priority(&mut self, number: u32, priority: u8) {
        if let Some(place) = self.priority.get_mut(number as usize) {
            *place = priority & PRIORITY_BITS;
        }
    }

    pub(super) fn set_pending(&mut self, bits: u32, pending: bool) {
        if pending {
            self.pending |= bits;
        } else {
            self.pending &= !bits;
        }
    }

    /// Raises or lowers a line.
    pub(super) fn set_level(&mut self, bits: u32, high: bool) {
        if high {
            self.level |= bits;
        } else {
            self.level &= !bits;
        }
    }
}
