//! Lets threads wait until more events are visible, at no cost while nobody waits.

use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

/// Told of by the writer, waited for by anybody.
#[derive(Debug, Default)]
pub struct Watch {
    waiting: AtomicUsize,
    lock: Mutex<()>,
    changed: Condvar,
}

impl Watch {
    /// Something changed: what `holds` of a waiter asks is to be asked again.
    pub fn tell(&self) {
        // The waiter counts itself before it asks: either it sees the change, or it is seen here.
        fence(Ordering::SeqCst);
        if self.waiting.load(Ordering::Relaxed) > 0 {
            drop(self.lock.lock());
            self.changed.notify_all();
        }
    }

    /// Waits until `holds`, or until `deadline`; returns whether it holds.
    pub fn wait_until(&self, deadline: Option<Instant>, holds: impl Fn() -> bool) -> bool {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        let mut guard = self.lock.lock();
        let mut in_time = true;
        while in_time && !holds() {
            match deadline {
                None => self.changed.wait(&mut guard),
                Some(deadline) => in_time = !self.changed.wait_until(&mut guard, deadline).timed_out(),
            }
        }
        drop(guard);
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        in_time || holds()
    }
}
