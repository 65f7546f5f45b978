//! Notifications of one receiver: who may set which, what is pending, what the scheduler was told
//! (DEN0077A 1.2, chapter 10).

use crate::error::Error;

/// Notifications that a receiver has of each kind of sender.
const COUNT: usize = 64;
/// Most execution contexts of a receiver.
const CONTEXTS: usize = 64;
/// First ID of a secure endpoint.
const SECURE: u16 = 0x8000;

/// Framework notification: the RX buffer is full (DEN0077A 1.2, section 10.8.1). It is the SPMC's for a message
/// of a partition, and a hypervisor's for one of a virtual machine, whoever copied it.
pub(crate) const RX_FULL: u32 = 1 << 0;

/// The numbers of the bits that are set.
fn bits(mut bitmap: u64) -> impl Iterator<Item = usize> {
    core::iter::from_fn(move || {
        let bit = bitmap.trailing_zeros() as usize;
        bitmap &= bitmap.wrapping_sub(1);
        (bit < COUNT).then_some(bit)
    })
}

/// The notifications that one kind of sender can set: partitions, or endpoints of the normal world.
#[derive(Debug)]
struct Space {
    /// The endpoint that each notification is bound to.
    bound: [Option<u16>; COUNT],
    /// Those bound as per-vCPU ones.
    per_vcpu: u64,
    /// Pending for any context.
    global: u64,
    /// Pending for each context.
    own: [u64; CONTEXTS],
}

impl Space {
    const fn new() -> Self {
        Self {
            bound: [None; COUNT],
            per_vcpu: 0,
            global: 0,
            own: [0; CONTEXTS],
        }
    }

    fn owned_by(&self, bitmap: u64, sender: u16) -> bool {
        bits(bitmap).all(|bit| self.bound.get(bit).copied().flatten() == Some(sender))
    }

    /// All that is pending for anybody.
    fn in_flight(&self) -> u64 {
        self.own.iter().fold(self.global, |all, own| all | own)
    }

    /// What is pending for one context.
    fn own(&self, vcpu: u16) -> u64 {
        self.own.get(usize::from(vcpu)).copied().unwrap_or(0)
    }

    fn put(&mut self, bitmap: u64, sender: Option<u16>) {
        for bit in bits(bitmap) {
            if let Some(bound) = self.bound.get_mut(bit) {
                *bound = sender;
            }
        }
    }

    fn bind(&mut self, sender: u16, bitmap: u64, per_vcpu: bool) -> Result<(), Error> {
        let free = bits(bitmap).all(|bit| self.bound.get(bit).copied().flatten().is_none());
        if !free {
            return Err(Error::Denied);
        }
        self.put(bitmap, Some(sender));
        if per_vcpu {
            self.per_vcpu |= bitmap;
        }
        Ok(())
    }

    fn unbind(&mut self, sender: u16, bitmap: u64) -> Result<(), Error> {
        if !self.owned_by(bitmap, sender) || self.in_flight() & bitmap != 0 {
            return Err(Error::Denied);
        }
        self.put(bitmap, None);
        self.per_vcpu &= !bitmap;
        Ok(())
    }

    fn set(&mut self, sender: u16, bitmap: u64, vcpu: Option<u16>) -> Result<(), Error> {
        if !self.owned_by(bitmap, sender) {
            return Err(Error::Denied);
        }
        let otherwise = if vcpu.is_some() {
            bitmap & !self.per_vcpu
        } else {
            bitmap & self.per_vcpu
        };
        if otherwise != 0 {
            return Err(Error::InvalidParameters);
        }
        match vcpu {
            None => self.global |= bitmap,
            Some(vcpu) => {
                if let Some(own) = self.own.get_mut(usize::from(vcpu)) {
                    *own |= bitmap;
                }
            }
        }
        Ok(())
    }

    /// Takes what is pending for a context, and for any.
    fn take(&mut self, vcpu: u16) -> u64 {
        let own = self.own.get_mut(usize::from(vcpu)).map_or(0, core::mem::take);
        core::mem::take(&mut self.global) | own
    }
}

/// The notifications of one receiver.
#[derive(Debug)]
pub(crate) struct Notifications {
    /// Execution contexts; 0: the receiver has no bitmap.
    contexts: u16,
    /// Those of partitions, and those of the normal world.
    partitions: Space,
    vms: Space,
    /// Pending ones of the SPMC and of a hypervisor, for any context.
    spmc: u32,
    hypervisor: u32,
    /// FFA_NOTIFICATION_INFO_GET reported what is pending for any context, and for each.
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
    pub spmc: u32,
    /// From a hypervisor.
    pub hypervisor: u32,
}

/// Whose notifications FFA_NOTIFICATION_GET asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub partitions: bool,
    pub vms: bool,
    pub spmc: bool,
    pub hypervisor: bool,
}

impl Notifications {
    pub(crate) const fn new() -> Self {
        Self {
            contexts: 0,
            partitions: Space::new(),
            vms: Space::new(),
            spmc: 0,
            hypervisor: 0,
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

    /// Takes the bitmap away, with all that was bound; not while something is pending, nor where there is none.
    pub(crate) fn destroy(&mut self) -> Result<(), Error> {
        if self.contexts == 0 || self.pending() {
            return Err(Error::Denied);
        }
        *self = Self::new();
        Ok(())
    }

    /// Takes the bitmap away, with all that was bound and is pending.
    pub(crate) fn forget(&mut self) {
        *self = Self::new();
    }

    fn spaces(&self) -> [&Space; 2] {
        [&self.partitions, &self.vms]
    }

    /// The notifications that a sender can set.
    fn space(&mut self, sender: u16) -> &mut Space {
        if sender >= SECURE {
            &mut self.partitions
        } else {
            &mut self.vms
        }
    }

    /// Whether anything is pending for any context.
    fn global(&self) -> bool {
        self.spmc | self.hypervisor != 0 || self.spaces().iter().any(|space| space.global != 0)
    }

    /// Whether anything is pending.
    pub(crate) fn pending(&self) -> bool {
        self.global() || self.spaces().iter().any(|space| space.in_flight() != 0)
    }

    /// Whether anything is pending for one context.
    pub(crate) fn pending_for(&self, vcpu: u16) -> bool {
        self.global() || self.spaces().iter().any(|space| space.own(vcpu) != 0)
    }

    /// Binds notifications to a sender.
    pub(crate) fn bind(&mut self, sender: u16, bitmap: u64, per_vcpu: bool) -> Result<(), Error> {
        self.usable(bitmap)?;
        self.space(sender).bind(sender, bitmap, per_vcpu)
    }

    /// Undoes `bind`; not while one of them is pending.
    pub(crate) fn unbind(&mut self, sender: u16, bitmap: u64) -> Result<(), Error> {
        self.usable(bitmap)?;
        self.space(sender).unbind(sender, bitmap)
    }

    fn usable(&self, bitmap: u64) -> Result<(), Error> {
        if bitmap == 0 {
            Err(Error::InvalidParameters)
        } else if self.contexts == 0 {
            Err(Error::Denied)
        } else {
            Ok(())
        }
    }

    /// Makes notifications pending: for one context, or for any.
    pub(crate) fn set(&mut self, sender: u16, bitmap: u64, vcpu: Option<u16>) -> Result<(), Error> {
        if vcpu.is_some_and(|vcpu| vcpu >= self.contexts) {
            return Err(Error::InvalidParameters);
        }
        self.usable(bitmap)?;
        self.space(sender).set(sender, bitmap, vcpu)?;
        match vcpu {
            None => self.global_told = false,
            Some(vcpu) => {
                if let Some(told) = self.own_told.get_mut(usize::from(vcpu)) {
                    *told = false;
                }
            }
        }
        Ok(())
    }

    /// A message of this sender fills the receiver's buffer; it hears of it where it has a bitmap.
    pub(crate) fn rx_full(&mut self, sender: u16) {
        if self.contexts == 0 {
            return;
        }
        if sender >= SECURE {
            self.spmc |= RX_FULL;
        } else {
            self.hypervisor |= RX_FULL;
        }
        self.global_told = false;
    }

    /// Takes what is pending for one context from the kinds of senders that are asked for.
    pub(crate) fn take(&mut self, vcpu: u16, wanted: Wanted) -> Result<Taken, Error> {
        if vcpu >= self.contexts {
            return Err(Error::InvalidParameters);
        }
        let mut taken = Taken::default();
        if wanted.partitions {
            taken.partitions = self.partitions.take(vcpu);
        }
        if wanted.vms {
            taken.vms = self.vms.take(vcpu);
        }
        if wanted.spmc {
            taken.spmc = core::mem::take(&mut self.spmc);
        }
        if wanted.hypervisor {
            taken.hypervisor = core::mem::take(&mut self.hypervisor);
        }
        Ok(taken)
    }

    /// Tells what is pending and was not told yet: first `None` for any context, then each context.
    /// The list's consumer says whether it had room for it.
    pub(crate) fn tell(&mut self, mut room: impl FnMut(Option<u16>) -> bool) -> bool {
        if self.global() && !self.global_told {
            if !room(None) {
                return false;
            }
            self.global_told = true;
        }
        for (vcpu, told) in (0..self.contexts).zip(&mut self.own_told) {
            let own = self.partitions.own(vcpu) | self.vms.own(vcpu);
            if own != 0 && !*told {
                if !room(Some(vcpu)) {
                    return false;
                }
                *told = true;
            }
        }
        true
    }
}
