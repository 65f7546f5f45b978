//! What cores share. Under `cfg(loom)` the same names try every order in which cores can meet (`tests/orders.rs`).

#[cfg(not(loom))]
pub(crate) use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};
#[cfg(not(loom))]
pub(crate) use spin::Mutex;

#[cfg(loom)]
pub(crate) use modelled::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Mutex, Ordering, fence};

/// loom's counterparts. Its own cannot be made in constants: each here is made at its first use, which has to be before
/// another thread starts. To show it is to use it.
#[cfg(loom)]
mod modelled {
    use core::fmt::{Debug, Formatter, Result};
    use core::ops::{Deref, DerefMut};
    pub(crate) use loom::sync::atomic::{Ordering, fence};
    use std::sync::OnceLock;

    macro_rules! atomic {
        ($name:ident, $value:ty) => {
            /// As in `core`.
            pub(crate) struct $name($value, OnceLock<loom::sync::atomic::$name>);

            impl Debug for $name {
                fn fmt(&self, f: &mut Formatter<'_>) -> Result {
                    self.load(Ordering::Relaxed).fmt(f)
                }
            }

            impl $name {
                pub(crate) const fn new(value: $value) -> Self {
                    Self(value, OnceLock::new())
                }
            }

            impl Deref for $name {
                type Target = loom::sync::atomic::$name;
                fn deref(&self) -> &Self::Target {
                    self.1
                        .get_or_init(|| loom::sync::atomic::$name::new(self.0))
                }
            }
        };
    }

    atomic!(AtomicBool, bool);
    atomic!(AtomicU32, u32);
    atomic!(AtomicU64, u64);
    atomic!(AtomicUsize, usize);

    /// As `spin`'s: loom's lock says who has it, and so `spin`'s behind it is always free.
    pub(crate) struct Mutex<T> {
        order: OnceLock<loom::sync::Mutex<()>>,
        data: spin::Mutex<T>,
    }

    impl<T: Debug> Debug for Mutex<T> {
        fn fmt(&self, f: &mut Formatter<'_>) -> Result {
            (*self.lock()).fmt(f)
        }
    }

    /// What a lock gives out.
    #[derive(Debug)]
    pub(crate) struct Guard<'a, T> {
        data: spin::MutexGuard<'a, T>,
        _order: loom::sync::MutexGuard<'a, ()>,
    }

    impl<T> Mutex<T> {
        pub(crate) const fn new(data: T) -> Self {
            Self {
                order: OnceLock::new(),
                data: spin::Mutex::new(data),
            }
        }

        fn order(&self) -> &loom::sync::Mutex<()> {
            self.order.get_or_init(|| loom::sync::Mutex::new(()))
        }

        pub(crate) fn lock(&self) -> Guard<'_, T> {
            let order = self.order().lock().expect("no thread dies with a lock");
            self.guard(order)
        }

        pub(crate) fn try_lock(&self) -> Option<Guard<'_, T>> {
            let order = self.order().try_lock().ok()?;
            Some(self.guard(order))
        }

        fn guard<'a>(&'a self, order: loom::sync::MutexGuard<'a, ()>) -> Guard<'a, T> {
            Guard {
                data: self.data.try_lock().expect("loom's lock keeps it free"),
                _order: order,
            }
        }
    }

    impl<T> Deref for Guard<'_, T> {
        type Target = T;
        fn deref(&self) -> &T {
            &self.data
        }
    }

    impl<T> DerefMut for Guard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            &mut self.data
        }
    }
}
