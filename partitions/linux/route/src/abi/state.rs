//! The process's contexts and memory, behind one lock that is held for lookups only, never for a call of the library.

use std::cell::UnsafeCell;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use super::layout::{Context, Memory};
use crate::registry::Registry;

/// A context of the stock library at another TEE than the client's. Its place in memory is used again after the
/// client's context is finalised, and never given back: sessions that a faulty client still has point there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(pub *mut Context);

/// Memory of a client as the stock library registered it with one TEE.
#[derive(Clone, Copy)]
pub struct Registered(pub *mut Memory);

// SAFETY: the address of memory on the heap, which the lock or the API's rules for clients guard.
unsafe impl Send for Place {}
// SAFETY: the address of memory on the heap, which the lock or the API's rules for clients guard.
unsafe impl Send for Registered {}

/// What is known.
pub struct State {
    pub registry: Registry<Place, Registered>,
    /// Places whose contexts were closed.
    spare: Vec<Place>,
}

static STATE: Mutex<State> = Mutex::new(State {
    registry: Registry::new(),
    spare: Vec::new(),
});

impl State {
    /// Keeps a context where it stays.
    pub fn place(&mut self, context: Context) -> Place {
        let Some(place) = self.spare.pop() else {
            return Place(Box::into_raw(Box::new(context)));
        };
        // SAFETY: the place came from a box that was never given back, and no live context uses it.
        unsafe { place.0.write(context) };
        place
    }

    /// Takes a place back whose context is closed.
    pub fn give_back(&mut self, place: Place) {
        self.spare.push(place);
    }
}

/// Locks the state.
pub fn lock() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The lock while the process forks: the child gets the state whole, and may lock it.
struct Held(UnsafeCell<Option<MutexGuard<'static, State>>>);

// SAFETY: only the thread that holds the lock of the state touches the cell.
unsafe impl Sync for Held {}

static HELD: Held = Held(UnsafeCell::new(None));

extern "C" fn before_fork() {
    let guard = lock();
    // SAFETY: this thread holds the lock.
    unsafe { *HELD.0.get() = Some(guard) };
}

extern "C" fn after_fork() {
    // SAFETY: this thread (in the child: its copy) holds the lock, taken before the fork. The guard leaves the cell
    // before it unlocks.
    let guard = unsafe { (*HELD.0.get()).take() };
    drop(guard);
}

/// Sees to it that forks find the state unlocked.
pub fn survive_forks() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the functions live as long as the process: the library is never unloaded before it ends.
        // Without memory for them, a fork is as it would be without them.
        unsafe { libc::pthread_atfork(Some(before_fork), Some(after_fork), Some(after_fork)) };
    });
}
