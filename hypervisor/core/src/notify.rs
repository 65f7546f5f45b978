//! Notification calls (DEN0077A 1.2, chapters 10 and 16).

use crate::api::{Context, Ports};
use crate::callee::NOTIFICATIONS;
use crate::cpu::{Cpu, Mode};
use crate::decode::{Call, high_half, low};
use crate::error::Error;
use crate::function;
use crate::id_list::IdList;
use crate::notification::{Notifications, Wanted};
use crate::paravirtual;
use crate::reply::Reply;
use crate::spmc::{Party, Spmc, lists};
use crate::sync::{Mutex, Ordering};
use crate::table::Source;

/// Flags of BIND and SET: the notification is for one vCPU.
const PER_VCPU: u32 = 1 << 0;
/// Flag of SET: raise the schedule-receiver interrupt only when the sender gives up the core.
const DELAY_SCHEDULE: u32 = 1 << 1;
/// Flags of GET: from partitions, from VMs, from the SPMC, from a hypervisor.
const FROM_PARTITIONS: u32 = 1 << 0;
const FROM_VMS: u32 = 1 << 1;
const FROM_SPMC: u32 = 1 << 2;
const FROM_HYPERVISOR: u32 = 1 << 3;
const GET_FLAGS: u32 = 0xf;

impl<const P: usize, const C: usize, const SHARES: usize, const RANGES: usize, const VMS: usize, S: Source>
    Spmc<P, C, SHARES, RANGES, VMS, S>
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
    pub(crate) fn notifications(&self, party: Party) -> Option<&Mutex<Notifications>> {
        match party {
            Party::Normal => Some(&self.normal_notifications),
            Party::Machine(index) => self.machines.get(index).map(|m| &m.notifications),
            Party::Partition(index) => self.compartments.get(index).map(|c| &c.notifications),
        }
    }

    /// Gives a partition its bitmap, if it takes notifications: the SPMC does that, not a call.
    pub(crate) fn give_bitmap(&self, index: usize) {
        if let Some(partition) = self.table.partitions.get(index)
            && let Some(compartment) = self.compartments.get(index)
            && NOTIFICATIONS.taken_by(partition)
        {
            let contexts = partition.cores.count_ones();
            // It has none before its only start, and no more contexts than the table has cores.
            let _ = compartment.notifications.lock().create(u64::from(contexts), C);
        }
    }

    /// FFA_NOTIFICATION_BITMAP_CREATE, for the normal world's operating system or one of its virtual machines,
    /// with no more contexts than cores, or than the table gives the machine.
    fn bitmap_create(&self, party: Party, vm: u16, contexts: u64) -> Result<Reply, Error> {
        let receiver = self.receiver_out_there(party, vm)?;
        let most = match receiver {
            Party::Machine(index) => self
                .table
                .virtual_machines
                .get(index)
                .map_or(0, |vm| vm.contexts.into()),
            Party::Normal | Party::Partition(_) => C,
        };
        let notifications = self.notifications(receiver).ok_or(Error::InvalidParameters)?;
        notifications.lock().create(contexts, most)?;
        Ok(Reply::done())
    }

    /// FFA_NOTIFICATION_BITMAP_DESTROY.
    fn bitmap_destroy(&self, party: Party, vm: u16) -> Result<Reply, Error> {
        let receiver = self.receiver_out_there(party, vm)?;
        let notifications = self.notifications(receiver).ok_or(Error::InvalidParameters)?;
        notifications.lock().destroy()?;
        Ok(Reply::done())
    }

    /// Whose bitmap is made or destroyed: partitions have theirs from the SPMC.
    fn receiver_out_there(&self, party: Party, vm: u16) -> Result<Party, Error> {
        if party == Party::Normal {
            self.spoken_for(party, vm)
        } else {
            Err(Error::NotSupported)
        }
    }

    /// FFA_NOTIFICATION_BIND: the receiver lets a sender set some of its notifications.
    fn bind(&self, party: Party, ends: (u16, u16), flags: u32, bitmap: u64) -> Result<Reply, Error> {
        if flags & !PER_VCPU != 0 {
            return Err(Error::InvalidParameters);
        }
        let notifications = self.receivers(party, ends)?;
        notifications.lock().bind(ends.0, bitmap, flags & PER_VCPU != 0)?;
        Ok(Reply::done())
    }

    /// FFA_NOTIFICATION_UNBIND.
    fn unbind(&self, party: Party, ends: (u16, u16), bitmap: u64) -> Result<Reply, Error> {
        let notifications = self.receivers(party, ends)?;
        notifications.lock().unbind(ends.0, bitmap)?;
        Ok(Reply::done())
    }

    /// The notifications of the receiver for whom a party binds: itself or one of its virtual machines, where the
    /// sender may notify it.
    fn receivers(
        &self,
        party: Party,
        (sender, receiver): (u16, u16),
    ) -> Result<&Mutex<Notifications>, Error> {
        self.spoken_for(party, receiver)?;
        let receiver = self.link(sender, receiver, NOTIFICATIONS)?;
        self.notifications(receiver).ok_or(Error::InvalidParameters)
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
        let delay = flags & DELAY_SCHEDULE != 0;
        // Only who has a core of the normal world can give it up.
        let delays_itself = delay && party == Party::Normal;
        if unknown || delays_itself || (vcpu.is_none() && high_half(flags) != 0) {
            return Err(Error::InvalidParameters);
        }
        self.spoken_for(party, sender)?;
        let to = self.link(sender, receiver, NOTIFICATIONS)?;
        let notifications = self.notifications(to).ok_or(Error::InvalidParameters)?;
        notifications.lock().set(sender, bitmap, vcpu)?;
        self.wake_receiver(cpu, to, vcpu, delay, ports);
        Ok(Reply::done())
    }

    /// Has whoever gives a receiver cycles look: the cores that are its own, else the normal world's scheduler, at
    /// once or when the partition that runs here leaves.
    pub(crate) fn wake_receiver<T: Ports>(
        &self,
        cpu: &Cpu,
        receiver: Party,
        vcpu: Option<u16>,
        delay: bool,
        ports: &mut T,
    ) {
        if let Party::Partition(index) = receiver {
            let news = self.pend_notification(index, vcpu, ports);
            if self.table.partitions.get(index).is_some_and(|p| p.dedicated) {
                // One that has it before its eyes is not disturbed: whoever floods it has no more of its core than
                // each look of it takes.
                if news {
                    self.call_own_cores(index, ports);
                }
                return;
            }
        }
        self.schedule(cpu, delay, ports);
    }

    fn schedule<T: Ports>(&self, cpu: &Cpu, delay: bool, ports: &mut T) {
        if delay {
            cpu.delay_schedule();
        } else {
            // A core that is a partition's own takes no interrupts of the normal world.
            let own = cpu.mode() == Mode::Dedicated;
            ports.schedule_receiver(own.then(|| self.core_of_the_normal_world()).flatten());
        }
    }

    /// Makes the notification-pending interrupt pending: at one context, or at all. Those that run, but on cores of
    /// their own, are told at once. Whether a context did not have it pending; one with a virtual GIC counts as such.
    pub(crate) fn pend_notification<T: Ports>(&self, index: usize, vcpu: Option<u16>, ports: &mut T) -> bool {
        let Some(partition) = self.table.partitions.get(index) else {
            return false;
        };
        let Some(compartment) = self.compartments.get(index) else {
            return false;
        };
        let mut news = false;
        for (home, seat) in (0..64u8).zip(&compartment.seats) {
            let named = vcpu.is_none_or(|vcpu| vcpu == Self::vcpu(partition, home));
            if lists(partition, home) && named {
                let risen = if partition.vgic {
                    news = true;
                    Self::show_notification(partition, compartment, home, true)
                } else {
                    paravirtual::pend_notification(seat)
                };
                news |= risen;
                if risen && !partition.dedicated {
                    let partition = index;
                    self.nudge(Context { partition, home }, ports);
                }
            }
        }
        news
    }

    /// FFA_NOTIFICATION_GET: the caller takes what is pending for one of its contexts, or for one of its virtual
    /// machine's. What virtual machines and hypervisors send to those the hypervisor keeps itself.
    fn take_notifications(&self, party: Party, vcpu: u16, receiver: u16, flags: u32) -> Result<Reply, Error> {
        let receiver = self.spoken_for(party, receiver)?;
        let kept = match receiver {
            Party::Machine(_) => FROM_VMS | FROM_HYPERVISOR,
            Party::Normal | Party::Partition(_) => 0,
        };
        if flags & (!GET_FLAGS | kept) != 0 {
            return Err(Error::InvalidParameters);
        }
        let notifications = self.notifications(receiver).ok_or(Error::InvalidParameters)?;
        let mut notifications = notifications.lock();
        let taken = notifications.take(
            vcpu,
            Wanted {
                partitions: flags & FROM_PARTITIONS != 0,
                vms: flags & FROM_VMS != 0,
                spmc: flags & FROM_SPMC != 0,
                hypervisor: flags & FROM_HYPERVISOR != 0,
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
            taken.spmc,
            taken.hypervisor,
        ];
        Ok(Reply::words(function::SUCCESS_32, &words))
    }

    /// Takes the notification-pending interrupt from contexts for which nothing is pending.
    fn clear_notification(&self, index: usize, notifications: &Notifications) {
        let Some(partition) = self.table.partitions.get(index) else {
            return;
        };
        let Some(compartment) = self.compartments.get(index) else {
            return;
        };
        for (home, seat) in (0..64u8).zip(&compartment.seats) {
            if notifications.pending_for(Self::vcpu(partition, home)) {
                continue;
            }
            if partition.vgic {
                Self::show_notification(partition, compartment, home, false);
            } else {
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
        for (vm, machine) in self.table.virtual_machines.iter().zip(&self.machines) {
            all = all && machine.notifications.lock().tell(|vcpu| list.put(vm.id, vcpu));
        }
        for (partition, compartment) in self.table.partitions.iter().zip(&self.compartments) {
            if partition.dedicated {
                continue;
            }
            all = all
                && compartment
                    .notifications
                    .lock()
                    .tell(|vcpu| list.put(partition.id, vcpu));
            for (home, seat) in (0..64u8).zip(&compartment.seats) {
                if all && seat.late.load(Ordering::Acquire) {
                    all = list.put(partition.id, Some(Self::vcpu(partition, home)));
                    seat.late.store(!all, Ordering::Release);
                }
            }
        }
        list.reply(!all).ok_or(Error::NoData)
    }
}
