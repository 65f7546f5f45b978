//! Who owns a thread's stack: a state for each, changed atomically.
use core::sync::atomic::{AtomicU8, AtomicU64, Ordering};

const FREE: u8 = 0;
const RUNNING: u8 = 1;
const SUSPENDED: u8 = 2;

/// The states of `N` threads. A thread that runs belongs to the core that runs it; one that is
/// suspended has left its place on its stack, and any core may take it.
pub struct Slots<const N: usize> {
    states: [AtomicU8; N],
    places: [AtomicU64; N],
    owners: [AtomicU64; N],
}

impl<const N: usize> Slots<N> {
    /// All free.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            states: [const { AtomicU8::new(FREE) }; N],
            places: [const { AtomicU64::new(0) }; N],
            owners: [const { AtomicU64::new(0) }; N],
        }
    }

    /// Takes a free thread of the first `limit` for `owner`; `None` if all are in use.
    pub fn take(&self, limit: usize, owner: u64) -> Option<usize> {
        let limit = limit.min(N);
        let slot = self.states[..limit]
            .iter()
            .position(|state| change(state, FREE, RUNNING))?;
        self.owners[slot].store(owner, Ordering::Relaxed);
        Some(slot)
    }

    /// Takes up a suspended thread of `owner` and gives the place at which it left its state.
    ///
    /// `None` if there is no such thread, or it is free or running, or another owner's.
    pub fn take_up(&self, slot: usize, owner: u64) -> Option<u64> {
        let state = self.states.get(slot)?;
        if !change(state, SUSPENDED, RUNNING) {
            return None;
        }
        if self.owners[slot].load(Ordering::Relaxed) != owner {
            state.store(SUSPENDED, Ordering::Release);
            return None;
        }
        Some(self.places[slot].load(Ordering::Relaxed))
    }

    /// Marks a running thread as suspended. The caller runs it and has left it.
    pub fn suspend(&self, slot: usize, place: u64) {
        self.places[slot].store(place, Ordering::Relaxed);
        self.states[slot].store(SUSPENDED, Ordering::Release);
    }

    /// Marks a running thread as free. The caller ran it, and it has ended.
    pub fn free(&self, slot: usize) {
        self.states[slot].store(FREE, Ordering::Release);
    }
}

impl<const N: usize> Default for Slots<N> {
    fn default() -> Self {
        Self::new()
    }
}

fn change(state: &AtomicU8, from: u8, to: u8) -> bool {
    state
        .compare_exchange(from, to, Ordering::Acquire, Ordering::Relaxed)
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_has_one_user_at_a_time() {
        let slots = Slots::<2>::new();
        assert_eq!(slots.take(2, 0), Some(0));
        assert_eq!(slots.take(2, 0), Some(1));
        assert_eq!(slots.take(2, 0), None);
        assert_eq!(slots.take_up(0, 0), None, "it runs");
        slots.suspend(0, 77);
        assert_eq!(slots.take(2, 0), None, "a suspended thread is not free");
        assert_eq!(slots.take_up(0, 5), None, "it is another's");
        assert_eq!(slots.take_up(0, 0), Some(77));
        assert_eq!(slots.take_up(0, 0), None, "it runs already");
        slots.free(0);
        assert_eq!(slots.take_up(0, 0), None, "it is free");
        assert_eq!(slots.take_up(99, 0), None, "there is none");
        assert_eq!(slots.take(1, 0), Some(0));
    }

    #[test]
    fn many_takers_never_share_a_thread() {
        let slots = Slots::<4>::new();
        let users = [const { AtomicU8::new(0) }; 4];
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..20_000 {
                        let Some(slot) = slots.take(3, 1) else { continue };
                        assert_eq!(users[slot].fetch_add(1, Ordering::SeqCst), 0);
                        users[slot].fetch_sub(1, Ordering::SeqCst);
                        slots.free(slot);
                    }
                });
            }
        });
    }
}
