//! The locks of group commit: `parking_lot`'s, or loom's where `just loom` tries every order of its threads.

#[cfg(not(loom))]
pub use parking_lot::{Condvar, Mutex};
#[cfg(not(loom))]
pub use std::thread::yield_now;

#[cfg(loom)]
pub use modelled::{Condvar, Mutex, yield_now};

/// What `commit.rs` uses of `parking_lot`, over loom.
#[cfg(loom)]
mod modelled {
    use std::ops::{Deref, DerefMut};
    use std::sync::PoisonError;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::time::Instant;

    #[derive(Debug)]
    pub struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub fn new(data: T) -> Self {
            Self(loom::sync::Mutex::new(data))
        }

        pub fn lock(&self) -> MutexGuard<'_, T> {
            MutexGuard { mutex: self, held: Some(self.held()) }
        }

        fn held(&self) -> loom::sync::MutexGuard<'_, T> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }

    /// Taken out only while its thread waits.
    #[derive(Debug)]
    pub struct MutexGuard<'a, T> {
        mutex: &'a Mutex<T>,
        held: Option<loom::sync::MutexGuard<'a, T>>,
    }

    impl<T> Deref for MutexGuard<'_, T> {
        type Target = T;

        #[expect(clippy::expect_used, reason = "only models run this")]
        fn deref(&self) -> &T {
            self.held.as_ref().expect("its thread does not wait")
        }
    }

    impl<T> DerefMut for MutexGuard<'_, T> {
        #[expect(clippy::expect_used, reason = "only models run this")]
        fn deref_mut(&mut self) -> &mut T {
            self.held.as_mut().expect("its thread does not wait")
        }
    }

    #[derive(Debug)]
    pub struct TimedOut;

    impl TimedOut {
        #[expect(clippy::unused_self, reason = "as `parking_lot` has it")]
        pub fn timed_out(&self) -> bool {
            true
        }
    }

    /// Nothing: loom lets others go first wherever a lock is taken, and after a yield it would only ever do that.
    pub fn yield_now() {}

    #[derive(Debug)]
    pub struct Condvar {
        condvar: loom::sync::Condvar,
        /// Threads that sleep. Everything here happens in the order that loom chose: one thread runs at a time.
        asleep: AtomicUsize,
    }

    impl Condvar {
        pub fn new() -> Self {
            Self { condvar: loom::sync::Condvar::new(), asleep: AtomicUsize::new(0) }
        }

        /// Returns how many were woken.
        pub fn notify_all(&self) -> usize {
            self.condvar.notify_all();
            self.asleep.swap(0, SeqCst)
        }

        pub fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
            self.asleep.fetch_add(1, SeqCst);
            guard.held = guard.held.take().map(|held| self.condvar.wait(held).unwrap_or_else(PoisonError::into_inner));
        }

        /// Time passes at any speed: before this thread has the lock again, all others may have done everything or nothing.
        #[expect(clippy::unused_self, reason = "as `parking_lot` has it")]
        pub fn wait_until<T>(&self, guard: &mut MutexGuard<'_, T>, _: Instant) -> TimedOut {
            drop(guard.held.take());
            guard.held = Some(guard.mutex.held());
            TimedOut
        }
    }
}
