//! Notifications of one receiver: who may set which, what is pending, what the scheduler was told
//! (DEN0077A, chapter 10).

use crate::error::Error;

/// Notifications that a receiver has.
const COUNT: usize = 64;
/// Most execution contexts of a receiver.
const CONTEXTS: usize = 64;
/// First ID of a secure endpoint.
const SECURE: u16 = 0x8000;

/// Framework notification of the SPMC: the RX buffer is full (DEN0077A, table 10.8).
pub(crate) const RX_FULL: u32 = 1 << 0;

/// The notifications of one receiver.
#[derive(Debug)]
pub(crate) struct Notifications {
    /// Execution contexts; 0: the receiver has no bitmap.
    contexts: u16,
    /// The endpoint that each notification is bound to.
    bound: [Option<u16>; COUNT],
    /// Those bound as per-vCPU ones.
    per_vcpu: u64,
    /// Pending for any context.
    global: u64,
    /// Pending for each context.
    own: [u64; CONTEXTS],
    /// Pending ones of the SPMC, for any context.
    framework: u32,
    /// FFA_NOTIFICATION_INFO_GET reported `global`, and each context's.
    global_told: bool,
    own_told: [bool; CONTEXTS],
}

/// What FFA_NOTIFICATION_GET returns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    /// From partitions.
    pub partitions: u64,
    /// From VMs.
    pub vms: u64,
    /// From the SPMC.
    pub framework: u32,
}

/// Whose notifications FFA_NOTIFICATION_GET asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub partitions: bool,
    pub vms: bool,
    pub framework: bool,
}

/// The numbers of the bits that are set.
fn bits(mut bitmap: u64) -> impl Iterator<Item = usize> {
    core::iter::from_fn(move || {
        let bit = bitmap.trailing_zeros() as usize;
        bitmap &= bitmap.wrapping_sub(1);
        (bit < COUNT).then_some(bit)
    })
}

impl Notifications {
    pub(crate) const fn new() -> Self {
        Self {
            contexts: 0,
            bound: [None; COUNT],
            per_vcpu: 0,
            global: 0,
            own: [0; CONTEXTS],
            framework: 0,
            global_told: false,
            own_told: [false; CONTEXTS],
        }
    }

    /// Gives the receiver a bitmap for this many contexts, of the most that it can have.
    pub(crate) fn create(&mut self, contexts: u64, most: usize) -> Result<(), Error> {
        if contexts == 0 {
            return Err(Error::InvalidParameters);
        }
        if self.contexts != 0 {
            return Err(Error::Denied);
        }
        if contexts > most.min(CONTEXTS) as u64 {
            return Err(Error::NoMemory);
        }
        self.contexts = contexts as u16;
        Ok(())
    }

    /// Takes the bitmap away, with all that was bound; not while something is pending.
    pub(crate) fn destroy(&mut self) -> Result<(), Error> {
        if self.contexts == 0 {
            return Err(Error::InvalidParameters);
        }
        if self.pending() {
            return Err(Error::Denied);
        }
        *self = Self::new();
        Ok(())
    }

    /// Whether anything is pending.
    pub(crate) fn pending(&self) -> bool {
        self.global != 0 || self.framework != 0 || self.own.iter().any(|own| *own != 0)
    }

    /// Whether anything is pending for one context.
    pub(crate) fn pending_for(&self, vcpu: u16) -> bool {
        self.global != 0
            || self.framework != 0
            || self.own.get(usize::from(vcpu)).is_some_and(|own| *own != 0)
    }

    fn owned_by(&self, bitmap: u64, sender: u16) -> bool {
        bits(bitmap).all(|bit| self.bound.get(bit).copied().flatten() == Some(sender))
    }

    fn set_in_flight(&self) -> u64 {
        self.own.iter().fold(self.global, |all, own| all | own)
    }

    /// Binds notifications to a sender.
    pub(crate) fn bind(&mut self, sender: u16, bitmap: u64, per_vcpu: bool) -> Result<(), Error> {
        if bitmap == 0 {
            return Err(Error::InvalidParameters);
        }
        let free = bits(bitmap).all(|bit| self.bound.get(bit).copied().flatten().is_none());
        if self.contexts == 0 || !free {
            return Err(Error::Denied);
        }
        self.put(bitmap, Some(sender));
        if per_vcpu {
            self.per_vcpu |= bitmap;
        }
        Ok(())
    }

    /// Undoes `bind`; not while one of them is pending.
    pub(crate) fn unbind(&mut self, sender: u16, bitmap: u64) -> Result<(), Error> {
        if bitmap == 0 {
            return Err(Error::InvalidParameters);
        }
        if self.contexts == 0 || !self.owned_by(bitmap, sender) || self.set_in_flight() & bitmap != 0 {
            return Err(Error::Denied);
        }
        self.put(bitmap, None);
        self.per_vcpu &= !bitmap;
        Ok(())
    }

    fn put(&mut self, bitmap: u64, sender: Option<u16>) {
        for bit in bits(bitmap) {
            if let Some(bound) = self.bound.get_mut(bit) {
                *bound = sender;
            }
        }
    }

    /// Makes notifications pending: for one context, or for any.
    pub(crate) fn set(&mut self, sender: u16, bitmap: u64, vcpu: Option<u16>) -> Result<(), Error> {
        if bitmap == 0 || vcpu.is_some_and(|vcpu| vcpu >= self.contexts) {
            return Err(Error::InvalidParameters);
        }
        if self.contexts == 0 || !self.owned_by(bitmap, sender) {
            return Err(Error::Denied);
        }
        let as_bound = if vcpu.is_some() {
            bitmap & !self.per_vcpu
        } else {
            bitmap & self.per_vcpu
        };
        if as_bound != 0 {
            return Err(Error::InvalidParameters);
        }
        match vcpu {
            None => {
                self.global |= bitmap;
                self.global_told = false;
            }
            Some(vcpu) => {
                if let Some(own) = self.own.get_mut(usize::from(vcpu)) {
                    *own |= bitmap;
                }
                if let Some(told) = self.own_told.get_mut(usize::from(vcpu)) {
                    *told = false;
                }
            }
        }
        Ok(())
    }

    /// Makes notifications of the SPMC pending, where the receiver has a bitmap.
    pub(crate) fn set_framework(&mut self, bitmap: u32) {
        if self.contexts != 0 {
            self.framework |= bitmap;
            self.global_told = false;
        }
    }

    /// Takes what is pending for one context from the kinds of senders that are asked for.
    pub(crate) fn take(&mut self, vcpu: u16, wanted: Wanted) -> Result<Taken, Error> {
        if vcpu >= self.contexts {
            return Err(Error::InvalidParameters);
        }
        let from = |secure: bool| {
            self.bound
                .iter()
                .enumerate()
                .fold(0u64, |mask, (bit, bound)| match bound {
                    Some(id) if (*id >= SECURE) == secure => mask | 1 << bit,
                    _ => mask,
                })
        };
        let secure = if wanted.partitions { from(true) } else { 0 };
        let normal = if wanted.vms { from(false) } else { 0 };
        let own = self
            .own
            .get_mut(usize::from(vcpu))
            .ok_or(Error::InvalidParameters)?;
        let all = self.global | *own;
        self.global &= !(secure | normal);
        *own &= !(secure | normal);
        let framework = if wanted.framework {
            core::mem::take(&mut self.framework)
        } else {
            0
        };
        Ok(Taken {
            framework,
            partitions: all & secure,
            vms: all & normal,
        })
    }

    /// Tells what is pending and was not told yet: first `None` for any context, then each context.
    /// The list's consumer says whether it had room for it.
    pub(crate) fn tell(&mut self, mut room: impl FnMut(Option<u16>) -> bool) -> bool {
        if (self.global != 0 || self.framework != 0) && !self.global_told {
            if !room(None) {
                return false;
            }
            self.global_told = true;
        }
        for ((vcpu, own), told) in (0u16..).zip(&self.own).zip(&mut self.own_told) {
            if *own != 0 && !*told {
                if !room(Some(vcpu)) {
                    return false;
                }
                *told = true;
            }
        }
        true
    }
}
