//! Notification calls (DEN0077A, chapter 17 of 1.2).

use core::sync::atomic::Ordering;

use spin::Mutex;

use crate::api::Ports;
use crate::cpu::Cpu;
use crate::decode::{Call, high_half, low};
use crate::discovery::TAKES_NOTIFICATIONS;
use crate::error::Error;
use crate::function;
use crate::id_list::IdList;
use crate::notification::{Notifications, Wanted};
use crate::paravirtual;
use crate::reply::Reply;
use crate::spmc::{Party, Spmc, lists};

/// Flags of BIND and SET: the notification is for one vCPU.
const PER_VCPU: u32 = 1 << 0;
/// Flag of SET: raise the schedule-receiver interrupt only when the sender gives up the core.
const DELAY_SCHEDULE: u32 = 1 << 1;
/// Flags of GET: from partitions, from VMs, from the SPMC, from a hypervisor.
const FROM_PARTITIONS: u32 = 1 << 0;
const FROM_VMS: u32 = 1 << 1;
const FROM_SPMC: u32 = 1 << 2;
const GET_FLAGS: u32 = 0xf;

impl<const P: usize, const C: usize, const SHARES: usize, const RANGES: usize, const VMS: usize>
    Spmc<P, C, SHARES, RANGES, VMS>
{
    /// The notification calls; any other call is not supported.
    pub(crate) fn notification_call<T: Ports>(
        &self,
        cpu: &Cpu,
        party: Party,
        call: &Call,
        ports: &mut T,
    ) -> Result<Reply, Error> {
        match *call {
            Call::NotificationBitmapCreate { vm, vcpus } => self.bitmap_create(party, vm, vcpus),
            Call::NotificationBitmapDestroy { vm } => self.bitmap_destroy(party, vm),
            Call::NotificationBind {
                sender,
                receiver,
                flags,
                bitmap,
            } => self.bind(party, (sender, receiver), flags, bitmap),
            Call::NotificationUnbind {
                sender,
                receiver,
                bitmap,
            } => self.unbind(party, (sender, receiver), bitmap),
            Call::NotificationSet {
                sender,
                receiver,
                flags,
                bitmap,
            } => self.notify(cpu, party, (sender, receiver), flags, bitmap, ports),
            Call::NotificationGet {
                vcpu,
                receiver,
                flags,
            } => self.take_notifications(party, vcpu, receiver, flags),
            Call::NotificationInfoGet { wide } => self.notification_info(party, wide),
            _ => Err(Error::NotSupported),
        }
    }

    /// The notifications of a party.
    pub(crate) fn notifications(&self, party: Party) -> Option<&Mutex<Notifications<C>>> {
        match party {
            Party::Normal => Some(&self.normal_notifications),
            Party::Partition(index) => self.compartments.get(index).map(|c| &c.notifications),
        }
    }

    /// A party by its endpoint ID; of the normal world's, only the operating system's is served.
    fn party_of(&self, id: u16) -> Option<Party> {
        if id == 0 {
            Some(Party::Normal)
        } else {
            self.partition_of(id).map(Party::Partition)
        }
    }

    /// Gives a partition its bitmap, if it takes notifications: the SPMC does that, not a call.
    pub(crate) fn give_bitmap(&self, index: usize) {
        if let Some(partition) = self.table.partitions.get(index)
            && let Some(compartment) = self.compartments.get(index)
            && partition.properties & TAKES_NOTIFICATIONS != 0
        {
            // It has none before its only start, and no more contexts than the table has cores.
            let _ = compartment
                .notifications
                .lock()
                .create(u64::from(partition.cores.count_ones()));
        }
    }

    /// FFA_NOTIFICATION_BITMAP_CREATE, for the normal world's operating system.
    fn bitmap_create(&self, party: Party, vm: u16, contexts: u64) -> Result<Reply, Error> {
        self.for_normal(party, vm)?;
        self.normal_notifications.lock().create(contexts)?;
        Ok(Reply::done())
    }

    /// FFA_NOTIFICATION_BITMAP_DESTROY.
    fn bitmap_destroy(&self, party: Party, vm: u16) -> Result<Reply, Error> {
        self.for_normal(party, vm)?;
        self.normal_notifications.lock().destroy()?;
        Ok(Reply::done())
    }

    fn for_normal(&self, party: Party, vm: u16) -> Result<(), Error> {
        match (party, vm) {
            (Party::Normal, 0) => Ok(()),
            (Party::Normal, _) => Err(Error::InvalidParameters),
            (Party::Partition(_), _) => Err(Error::NotSupported),
        }
    }

    /// Checks the two endpoints of BIND, UNBIND and SET: the caller is one of them, the other one
    /// is somebody it may deal with.
    fn pair(&self, caller: u16, sender: u16, receiver: u16) -> Result<Party, Error> {
        let other = if sender == caller { receiver } else { sender };
        let party = self.party_of(receiver).ok_or(Error::InvalidParameters)?;
        if sender == receiver || !(self.knows(caller, other) || self.knows(other, caller)) {
            return Err(Error::InvalidParameters);
        }
        Ok(party)
    }

    /// Whether one endpoint may call another: only those notify each other.
    fn knows(&self, caller: u16, target: u16) -> bool {
        self.partition_of(target)
            .and_then(|index| self.table.partitions.get(index))
            .is_some_and(|partition| partition.caller(caller).is_some())
    }

    /// FFA_NOTIFICATION_BIND: the receiver lets a sender set some of its notifications.
    fn bind(&self, party: Party, ends: (u16, u16), flags: u32, bitmap: u64) -> Result<Reply, Error> {
        let (sender, receiver) = ends;
        if receiver != self.id_of(party) || flags & !PER_VCPU != 0 {
            return Err(Error::InvalidParameters);
        }
        self.pair(receiver, sender, receiver)?;
        let notifications = self.notifications(party).ok_or(Error::InvalidParameters)?;
        notifications.lock().bind(sender, bitmap, flags & PER_VCPU != 0)?;
        Ok(Reply::done())
    }

    /// FFA_NOTIFICATION_UNBIND.
    fn unbind(&self, party: Party, ends: (u16, u16), bitmap: u64) -> Result<Reply, Error> {
        let (sender, receiver) = ends;
        if receiver != self.id_of(party) {
            return Err(Error::InvalidParameters);
        }
        self.pair(receiver, sender, receiver)?;
        let notifications = self.notifications(party).ok_or(Error::InvalidParameters)?;
        notifications.lock().unbind(sender, bitmap)?;
        Ok(Reply::done())
    }

    /// FFA_NOTIFICATION_SET: the receiver's scheduler is told by the schedule-receiver interrupt, a
    /// partition in addition by its notification-pending interrupt.
    fn notify<T: Ports>(
        &self,
        cpu: &Cpu,
        party: Party,
        ends: (u16, u16),
        flags: u32,
        bitmap: u64,
        ports: &mut T,
    ) -> Result<Reply, Error> {
        let (sender, receiver) = ends;
        let vcpu = (flags & PER_VCPU != 0).then_some(high_half(flags));
        let unknown = flags & 0xffff & !(PER_VCPU | DELAY_SCHEDULE) != 0;
        if sender != self.id_of(party) || unknown || (vcpu.is_none() && high_half(flags) != 0) {
            return Err(Error::InvalidParameters);
        }
        let to = self.pair(sender, sender, receiver)?;
        let notifications = self.notifications(to).ok_or(Error::InvalidParameters)?;
        notifications.lock().set(sender, bitmap, vcpu)?;
        if let Party::Partition(index) = to {
            self.pend_notification(index, vcpu);
        }
        self.schedule(cpu, party, flags & DELAY_SCHEDULE != 0, ports);
        Ok(Reply::done())
    }

    /// Has the normal world's scheduler look: at once, or when the partition that runs here leaves.
    pub(crate) fn schedule<T: Ports>(&self, cpu: &Cpu, party: Party, delay: bool, ports: &mut T) {
        if delay && party != Party::Normal {
            cpu.delay_schedule();
        } else {
            ports.schedule_receiver();
        }
    }

    /// Makes the notification-pending interrupt pending: at one context, or at all.
    pub(crate) fn pend_notification(&self, index: usize, vcpu: Option<u16>) {
        let Some(partition) = self.table.partitions.get(index) else {
            return;
        };
        let Some(compartment) = self.compartments.get(index) else {
            return;
        };
        for (home, seat) in (0u8..).zip(&compartment.seats) {
            let named = vcpu.is_none_or(|vcpu| vcpu == Self::vcpu(partition, home));
            if lists(partition, home) && named {
                seat.pending
                    .fetch_or(paravirtual::NOTIFICATION_BIT, Ordering::Release);
            }
        }
    }

    /// FFA_NOTIFICATION_GET: the caller takes what is pending for one of its contexts.
    fn take_notifications(&self, party: Party, vcpu: u16, receiver: u16, flags: u32) -> Result<Reply, Error> {
        if receiver != self.id_of(party) || flags & !GET_FLAGS != 0 {
            return Err(Error::InvalidParameters);
        }
        let notifications = self.notifications(party).ok_or(Error::InvalidParameters)?;
        let mut notifications = notifications.lock();
        let taken = notifications.take(
            vcpu,
            Wanted {
                partitions: flags & FROM_PARTITIONS != 0,
                vms: flags & FROM_VMS != 0,
                framework: flags & FROM_SPMC != 0,
            },
        )?;
        if let Party::Partition(index) = party {
            self.clear_notification(index, &notifications);
        }
        let words = [
            0,
            low(taken.partitions),
            low(taken.partitions >> 32),
            low(taken.vms),
            low(taken.vms >> 32),
            taken.framework,
            // Those of a hypervisor are its own to set.
            0,
        ];
        Ok(Reply::words(function::SUCCESS_32, &words))
    }

    /// Takes the notification-pending interrupt from contexts for which nothing is pending.
    fn clear_notification(&self, index: usize, notifications: &Notifications<C>) {
        let Some(partition) = self.table.partitions.get(index) else {
            return;
        };
        let Some(compartment) = self.compartments.get(index) else {
            return;
        };
        for (home, seat) in (0u8..).zip(&compartment.seats) {
            if !notifications.pending_for(Self::vcpu(partition, home)) {
                seat.pending
                    .fetch_and(!paravirtual::NOTIFICATION_BIT, Ordering::Release);
            }
        }
    }

    /// FFA_NOTIFICATION_INFO_GET: tells the normal world's scheduler who has something pending.
    fn notification_info(&self, party: Party, wide: bool) -> Result<Reply, Error> {
        if party != Party::Normal {
            return Err(Error::NotSupported);
        }
        let mut list = IdList::new(wide);
        let mut all = self.normal_notifications.lock().tell(|vcpu| list.put(0, vcpu));
        for (partition, compartment) in self.table.partitions.iter().zip(&self.compartments) {
            all = all
                && compartment
                    .notifications
                    .lock()
                    .tell(|vcpu| list.put(partition.id, vcpu));
            for (home, seat) in (0u8..).zip(&compartment.seats) {
                if all && seat.late.load(Ordering::Acquire) {
                    all = list.put(partition.id, Some(Self::vcpu(partition, home)));
                    seat.late.store(!all, Ordering::Release);
                }
            }
        }
        list.reply(!all).ok_or(Error::NoData)
    }
}
