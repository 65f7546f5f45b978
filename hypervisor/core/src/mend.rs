//! How a partition that has failed comes back: from its pristine image, measured again, with all of its memory
//! cleared and all of its contexts at their first entry.
//!
//! It rests first, as the table says; who calls it meanwhile is told ABORTED. Then calls of the normal world are
//! parked, and the restart goes on in slices: on the time of these calls, each FFA_RUN a slice, and on that of
//! the alarm, on the core on which the partition failed. One core at a time works at it. Its first context
//! starts as a call that the normal world may interrupt; the others start on their own cores afterwards,
//! each when its core is called or has a call for it.

use crate::api::{Action, Cause, Context, Deadline, Entry, Failure, Note, Ports, Restored, World};
use crate::budget;
use crate::compartment::Compartment;
use crate::context::{Kind, Seat, State, Task};
use crate::cpu::{Cpu, Mode};
use crate::interrupt::limit_us;
use crate::life::Life;
use crate::memory::PAGE;
use crate::moment::NEVER;
use crate::paravirtual;
use crate::power::START_LIMIT_US;
use crate::spmc::{Here, Party, Spmc, lists};
use crate::start;
use crate::storm;
use crate::sync::{Ordering, fence};
use crate::table::{Core, OnFailure, Partition, Source};
use crate::version::V1_0;

/// The longest slice in microseconds; shorter where the partition has less time for an interrupt.
const SLICE_US: u64 = 1_000;
/// How long the normal world has the core between two slices that the alarm began, in microseconds.
pub(crate) const PAUSE_US: u32 = 1_000;
/// Pages that are cleared between two looks at the time.
const CLEARED: u64 = 8;

/// What is next in a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Its contexts end, and what it had goes.
    Ends,
    /// This page of this region of its memory is cleared.
    Clears { region: usize, page: u64 },
    /// This page of its image is put back.
    Restores { page: u32 },
}

/// The restarts of one partition.
#[derive(Debug)]
pub(crate) struct Mend {
    stage: Stage,
    /// How many there were.
    restarts: u32,
    /// When it failed, and until when it rests (microseconds).
    failed: u64,
    due: u64,
    /// Slices of this one, and the time they took together (microseconds).
    slices: u32,
    spent: u64,
    /// The longest of them (microseconds).
    longest: u64,
    /// Until when its first context has to be ready (microseconds).
    limit: u64,
}

impl Mend {
    pub(crate) const fn new() -> Self {
        Self {
            stage: Stage::Ends,
            restarts: 0,
            failed: 0,
            due: 0,
            slices: 0,
            spent: 0,
            longest: 0,
            limit: 0,
        }
    }
}

/// How far a restart is.
pub(crate) enum Mended {
    /// There is none: the partition is stopped for good.
    Gone,
    /// It begins at this moment (microseconds).
    Rests(u64),
    /// It goes on, here later or on another core.
    Later,
    /// A context of the partition is entered here.
    Enter(Action),
}

/// Ends the life of the partition that runs here; false where another core has done that.
fn ends<T: Ports, const C: usize>(here: &Here<'_, C>, to: Life, cause: Cause, ports: &mut T) -> bool {
    let ended = here.compartment.life.end(to);
    if ended {
        ports.quiesce(here.context.partition);
        let now = ports.now();
        here.compartment.failures.lock().note(&cause, here.core, now);
        ports.note(Note::Failed(Failure {
            context: here.context,
            core: here.core,
            cause,
        }));
    }
    ended
}

impl<const P: usize, const C: usize, const SHARES: usize, const RANGES: usize, const VMS: usize, S: Source>
    Spmc<P, C, SHARES, RANGES, VMS, S>
{
    /// Ends the life of the partition that runs here as the table says; false where another core has done that.
    pub(crate) fn end_life<T: Ports>(&self, here: &Here<'_, C>, cause: Cause, ports: &mut T) -> bool {
        let life = &here.compartment.life;
        let OnFailure::Restart {
            limit,
            back_off_us,
            within_us,
            ..
        } = here.partition.on_failure
        else {
            return ends(here, Life::Stopped, cause, ports);
        };
        if !life.get().lives() {
            return false;
        }
        // Nobody holds it for longer while the partition lives.
        let mut mend = here.compartment.mend.lock();
        let partition = here.context.partition;
        let now = ports.now();
        if within_us != 0 && now.saturating_sub(mend.failed) > u64::from(within_us) {
            mend.restarts = 0;
        }
        if mend.restarts >= limit {
            let ended = ends(here, Life::Stopped, cause, ports);
            if ended {
                ports.note(Note::GivenUp { partition });
            }
            return ended;
        }
        let factor = 1u64.checked_shl(mend.restarts).unwrap_or(u64::MAX);
        let rest = u64::from(back_off_us).saturating_mul(factor);
        if !ends(here, Life::Failed, cause, ports) {
            return false;
        }
        *mend = Mend {
            restarts: mend.restarts.saturating_add(1),
            failed: now,
            due: now.saturating_add(rest),
            ..Mend::new()
        };
        ports.note(Note::Rests {
            partition,
            micros: rest,
        });
        ports.wake(u32::try_from(rest).unwrap_or(u32::MAX));
        true
    }

    /// The normal world has started anew. A partition that the table restarts with it is, as often as that happens and
    /// without a rest: calls are kept until it is back. One that has failed needs to rest no longer.
    pub(crate) fn restart_with_normal_world<T: Ports>(&self, ports: &mut T) {
        let mut any = false;
        let all = self.table.partitions.iter().zip(&self.compartments);
        for (index, (partition, compartment)) in (0..P).zip(all) {
            let with = |policy| {
                matches!(
                    policy,
                    OnFailure::Restart {
                        with_normal_world: true,
                        ..
                    }
                )
            };
            // One that is being restarted has nothing of the old kernel's, nor is it locked to for long.
            let Some(mut mend) = compartment.mend.try_lock().filter(|_| with(partition.on_failure)) else {
                continue;
            };
            let now = ports.now();
            if compartment.life.change(Life::Running, Life::Failed) {
                fence(Ordering::SeqCst);
                ports.quiesce(index);
                ports.note(Note::Renewed { partition: index });
                *mend = Mend {
                    restarts: mend.restarts,
                    failed: now,
                    due: now,
                    ..Mend::new()
                };
                any = true;
            } else if compartment.life.get() == Life::Failed {
                mend.due = now;
                any = true;
            }
        }
        if any {
            self.mends.store(true, Ordering::SeqCst);
            for (core, cpu) in (0..64u8).zip(&self.cpus) {
                if cpu.is_on() {
                    ports.call_core(core);
                }
            }
            ports.wake(PAUSE_US);
        }
    }

    /// Whether a call of the normal world to a partition that has failed is kept until it is back.
    pub(crate) fn comes_back<T: Ports>(&self, compartment: &Compartment<C>, ports: &mut T) -> bool {
        match compartment.life.get() {
            Life::Stopped => false,
            Life::Failed => {
                let due = compartment.mend.try_lock().map(|mend| mend.due);
                due.is_some_and(|due| due <= ports.now())
            }
            Life::Restoring | Life::Starting | Life::Running => true,
        }
    }

    /// Gives a partition that has failed the time of this core that somebody has for it.
    pub(crate) fn mend<T: Ports>(&self, core: Core, cpu: &Cpu, index: usize, ports: &mut T) -> Mended {
        let Some((partition, compartment, _)) = self.seat(index, core) else {
            return Mended::Gone;
        };
        match compartment.life.get() {
            Life::Stopped => return Mended::Gone,
            Life::Failed | Life::Restoring => {
                let Some(mut mend) = compartment.mend.try_lock() else {
                    return Mended::Later;
                };
                let begun = ports.now();
                if begun < mend.due {
                    return Mended::Rests(mend.due);
                }
                let ready = self.slice(core, (index, partition, compartment), &mut mend, ports);
                mend.slices = mend.slices.saturating_add(1);
                let took = ports.now().saturating_sub(begun);
                mend.spent = mend.spent.saturating_add(took);
                mend.longest = mend.longest.max(took);
                match ready {
                    None => return Mended::Later,
                    Some(false) => {
                        compartment.life.set(Life::Stopped);
                        let now = ports.now();
                        compartment.failures.lock().refuse_image(core, now);
                        ports.note(Note::NotRestored { partition: index });
                        return Mended::Gone;
                    }
                    Some(true) => self.revive(index, partition, compartment, &mut mend, ports),
                }
            }
            Life::Starting | Life::Running => {}
        }
        self.start_one(core, cpu, index, ports)
            .map_or(Mended::Later, Mended::Enter)
    }

    /// One slice; says in the end whether the image is the one that the table names.
    fn slice<T: Ports>(
        &self,
        core: Core,
        (index, partition, compartment): (usize, &Partition, &Compartment<C>),
        mend: &mut Mend,
        ports: &mut T,
    ) -> Option<bool> {
        let mut now = ports.now();
        let until = now.saturating_add(SLICE_US.min(u64::from(limit_us(partition))));
        loop {
            match mend.stage {
                Stage::Ends => {
                    if !self.all_ended(core, index, ports) {
                        return None;
                    }
                    compartment.life.set(Life::Restoring);
                    // Another core may have run a context of its for a moment longer.
                    ports.quiesce(index);
                    self.forget_instance(index, compartment, ports);
                    mend.stage = Stage::Clears { region: 0, page: 0 };
                }
                Stage::Clears { region, page } => mend.stage = clear_some(partition, region, page, ports),
                Stage::Restores { page } => match ports.restore(index, page) {
                    Restored::More => {
                        mend.stage = Stage::Restores {
                            page: page.saturating_add(1),
                        }
                    }
                    Restored::Whole => return Some(true),
                    Restored::Refused => return Some(false),
                },
            }
            let before = core::mem::replace(&mut now, ports.now());
            // The next step may take as long as this one, and has to end in time.
            if now.saturating_add(now.saturating_sub(before)) > until {
                return None;
            }
        }
    }

    /// Whether all contexts of a partition that has failed are over. Those that run nowhere end here.
    fn all_ended<T: Ports>(&self, core: Core, index: usize, ports: &mut T) -> bool {
        let homes = (0..64u8).zip(&self.cpus).map(|(home, _)| home);
        homes.fold(true, |ended, home| {
            let context = Context {
                partition: index,
                home,
            };
            self.lay(core, context, ports) && ended
        })
    }

    /// Forgets all that the last instance had. What the normal world and other partitions have offered it stays
    /// for the next one, and so do notifications that others have bound to it.
    fn forget_instance<T: Ports>(&self, index: usize, compartment: &Compartment<C>, ports: &mut T) {
        {
            let mut mailbox = compartment.mailbox.lock();
            mailbox.renew(V1_0);
            compartment.settled.store(false, Ordering::Release);
        }
        self.ledger.lock().renew(self.table.table(), index, ports);
        for other in (0..P).filter(|other| *other != index) {
            // What one of them had been given by it is gone.
            let party = Party::Partition(other);
            let Some(mailbox) = self.mailbox(party) else {
                continue;
            };
            let mut mailbox = mailbox.lock();
            if mailbox
                .buffers
                .is_some_and(|b| self.not_lent(party, (b.tx.address, b.rx.address)).is_err())
            {
                mailbox.buffers = None;
            }
        }
        let homes = (0..64u8).zip(&self.cpus).map(|(home, _)| home);
        for (partition, home) in (0..P).flat_map(|other| homes.clone().map(move |home| (other, home))) {
            // What it called, and what yielded to it, is not its successor's.
            self.take_held(home, Context { partition, home }, 0);
        }
        compartment.notifications.lock().forget();
        compartment.secondary_entry.store(0, Ordering::Release);
    }

    /// The image is in its place: contexts of the new instance may be entered.
    fn revive<T: Ports>(
        &self,
        index: usize,
        partition: &Partition,
        compartment: &Compartment<C>,
        mend: &mut Mend,
        ports: &mut T,
    ) {
        for seat in &compartment.seats {
            paravirtual::forget(seat);
            seat.alarm.set(NEVER);
            seat.kicked.store(false, Ordering::Release);
            seat.bereft.store(false, Ordering::Relaxed);
        }
        compartment.counters.forgive();
        let now = ports.now();
        mend.limit = now.saturating_add(u64::from(START_LIMIT_US));
        mend.stage = Stage::Ends;
        self.give_bitmap(index);
        compartment.restarts.fetch_add(1, Ordering::AcqRel);
        compartment.tickets.lock().end_stale(partition);
        compartment.life.set(Life::Starting);
        ports.note(Note::Restored {
            partition: index,
            slices: mend.slices,
            micros: mend.spent,
            longest: mend.longest,
            since: now.saturating_sub(mend.failed),
        });
        for (home, seat) in (0..64u8).zip(&compartment.seats) {
            // From here on they count for the new instance.
            storm::forget(partition, home, seat, ports);
            paravirtual::end_active(partition, home, seat, ports);
        }
    }

    /// Enters a context of a new instance that has not finished its start, if one can be entered on this core:
    /// the first one, or this core's own.
    fn start_one<T: Ports>(&self, core: Core, cpu: &Cpu, index: usize, ports: &mut T) -> Option<Action> {
        let (partition, compartment, _) = self.seat(index, core)?;
        if compartment.life.get() == Life::Running {
            let entry = compartment.secondary_entry.load(Ordering::Acquire);
            let own = Context {
                partition: index,
                home: core,
            };
            let new = (entry != 0).then(|| self.start_at(core, cpu, own, (entry, 0), ports));
            return (new.flatten()).or_else(|| self.go_on_starting(core, cpu, own, ports));
        }
        if !lists(partition, core) {
            self.call_listed(partition, ports);
            return None;
        }
        let first = Context {
            partition: index,
            home: self.first_home(partition),
        };
        let entry = (partition.image.entry, start::boot_information_address(partition));
        self.start_at(core, cpu, first, entry, ports)
            .or_else(|| self.go_on_starting(core, cpu, first, ports))
    }

    /// Enters a context that is off at its first instruction.
    fn start_at<T: Ports>(
        &self,
        core: Core,
        cpu: &Cpu,
        context: Context,
        entry: (u64, u64),
        ports: &mut T,
    ) -> Option<Action> {
        let (partition, compartment, _) = self.seat(context.partition, context.home)?;
        if !lists(partition, core) || !lists(partition, context.home) {
            return None;
        }
        let first = compartment.life.get() == Life::Starting;
        self.enter_at((core, cpu), context, entry, (Task::Start, first), ports)
    }

    /// Goes on with a start that the normal world has interrupted, for what is left of its time.
    pub(crate) fn go_on_starting<T: Ports>(
        &self,
        core: Core,
        cpu: &Cpu,
        context: Context,
        ports: &mut T,
    ) -> Option<Action> {
        let (_, compartment, seat) = self.seat(context.partition, context.home)?;
        if seat.task() != Task::Start {
            return None;
        }
        let inner = self.innermost(context);
        let (_, _, seat) = self.seat(inner.partition, inner.home)?;
        if !matches!(seat.state(), State::Preempted(_) | State::Yielded(_)) {
            return None;
        }
        let limit = compartment.mend.lock().limit;
        let mut action = self.resume_context(core, cpu, inner, ports).ok()?;
        if let Action::Run(run) = &mut action
            && run.deadline == Deadline::None
        {
            let left = limit.saturating_sub(ports.now()).max(1);
            run.deadline = Deadline::Micros(u32::try_from(left).unwrap_or(START_LIMIT_US));
        }
        Some(action)
    }

    /// A context of a new instance is ready. Behind the first one, the others start on their cores.
    pub(crate) fn started<T: Ports>(&self, here: &Here<'_, C>, ports: &mut T) {
        let compartment = here.compartment;
        if !compartment.life.change(Life::Starting, Life::Running) {
            return;
        }
        let failed = compartment.mend.lock().failed;
        let since = ports.now().saturating_sub(failed);
        ports.note(Note::Restarted {
            partition: here.context.partition,
            since,
        });
        for (core, cpu) in (0..64u8).zip(&self.cpus) {
            if lists(here.partition, core) && core != here.context.home && cpu.is_on() {
                ports.call_core(core);
            }
        }
    }

    /// The first context of a new instance is ready. Before anybody calls it, it is given the request that the last one
    /// had and that is not made again; nobody waits for its answer.
    pub(crate) fn repeat<T: Ports>(&self, here: &Here<'_, C>, ports: &mut T) -> Option<Action> {
        let request = (*here.compartment.repeated.lock())?;
        if here.compartment.life.get() != Life::Starting {
            return None;
        }
        here.seat.set_task(Task::Orphan {
            source: request.head.source,
            kind: Kind::of(request.head),
        });
        self.started(here, ports);
        // Should the normal world take the core, it goes on when that is woken.
        ports.wake(PAUSE_US);
        let deadline = budget::begin(here.partition, here.seat, ports);
        Some(self.enter(here, Entry::Answer(request.regs), deadline))
    }

    /// Where a partition's first context is at home.
    fn first_home(&self, partition: &Partition) -> Core {
        if partition.dedicated {
            partition.cores.trailing_zeros() as Core
        } else {
            self.table.board.boot_core
        }
    }

    fn call_listed<T: Ports>(&self, partition: &Partition, ports: &mut T) {
        let on = |(core, cpu): &(Core, &Cpu)| lists(partition, *core) && cpu.is_on();
        if let Some((core, _)) = (0..64u8).zip(&self.cpus).find(on) {
            ports.call_core(core);
        }
    }

    /// This core, which the normal world has, was called, or its alarm has come: gives a turn to a partition that
    /// is to be restarted, or starts a context of one that was.
    pub(crate) fn mend_some<T: Ports>(&self, core: Core, cpu: &Cpu, ports: &mut T) -> Option<Action> {
        if !self.mends.load(Ordering::SeqCst) || cpu.mode() != Mode::Serving {
            return None;
        }
        // Who had a turn last comes last.
        let first = cpu.turn().min(P);
        for index in (first..P).chain(0..first) {
            // Who has cores of its own is restarted on them.
            let elsewhere = |p: &Partition| p.dedicated && !lists(p, core);
            if self.table.partitions.get(index).is_none_or(elsewhere) || !self.needs_time(core, index) {
                continue;
            }
            cpu.begin_forward(index, ports.now());
            match self.mend(core, cpu, index, ports) {
                Mended::Enter(action) => {
                    ports.wake(PAUSE_US);
                    return Some(action);
                }
                Mended::Later => ports.wake(PAUSE_US),
                Mended::Rests(until) => {
                    wake_at(until, ports);
                    cpu.set_mode(Mode::Serving);
                    continue;
                }
                Mended::Gone => {}
            }
            cpu.set_mode(Mode::Serving);
            return None;
        }
        None
    }

    /// This core was woken while a context ran: it looks again as soon as the normal world has it, however short
    /// that may be, since there may be something to do for it.
    pub(crate) fn remember_restarts(&self, cpu: &Cpu) {
        if self.mends.load(Ordering::SeqCst) {
            cpu.look_behind();
        }
    }

    /// This core goes off, and wakes nobody any more: a partition that is to be restarted has the time of another
    /// one.
    pub(crate) fn pass_restarts_on<T: Ports>(&self, core: Core, ports: &mut T) {
        if !self.mends.load(Ordering::SeqCst) || !(0..P).any(|index| self.needs_time(core, index)) {
            return;
        }
        if let Some(other) = self.core_of_the_normal_world() {
            ports.call_core(other);
        }
    }

    /// This core is back; none other may have been on meanwhile.
    pub(crate) fn take_restarts_up<T: Ports>(&self, ports: &mut T) {
        if self.mends.load(Ordering::SeqCst) {
            ports.wake(PAUSE_US);
        }
    }

    /// Whether a partition could use this core's time for its restart.
    pub(crate) fn needs_time(&self, core: Core, index: usize) -> bool {
        let Some((partition, compartment, seat)) = self.seat(index, core) else {
            return false;
        };
        match compartment.life.get() {
            Life::Failed | Life::Restoring | Life::Starting => true,
            Life::Stopped => false,
            Life::Running => lists(partition, core) && (compartment.is_new(seat) || is_starting(seat)),
        }
    }
}

/// Whether a context of a new instance has not finished its start.
pub(crate) fn is_starting(seat: &Seat) -> bool {
    seat.task() == Task::Start && !matches!(seat.state(), State::Waiting | State::Off)
}

/// Has this core woken at a moment (microseconds).
pub(crate) fn wake_at<T: Ports>(until: u64, ports: &mut T) {
    let left = until.saturating_sub(ports.now());
    ports.wake(u32::try_from(left).unwrap_or(u32::MAX));
}

/// Clears some pages of a partition's memory; what is next then.
fn clear_some<T: Ports>(partition: &Partition, region: usize, page: u64, ports: &mut T) -> Stage {
    let Some(range) = partition.memory.get(region).map(|region| region.range) else {
        return Stage::Restores { page: 0 };
    };
    let left = (range.size / PAGE).saturating_sub(page);
    let count = left.min(CLEARED);
    let next = page.saturating_add(count);
    let address = range.base.saturating_add(page.saturating_mul(PAGE));
    ports.clear(World::Secure, address, count as u32);
    if count == left {
        Stage::Clears {
            region: region.saturating_add(1),
            page: 0,
        }
    } else {
        Stage::Clears { region, page: next }
    }
}
