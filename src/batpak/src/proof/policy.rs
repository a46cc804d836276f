//! When checkpoints are made by themselves: after so many events, or so much time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::checkpoint::Checkpoint;
use crate::error::{Error, Result};
use crate::inner::Inner;
use crate::limits::SIGNED_CHECKPOINT_EVENTS;
use crate::store::Store;
use crate::waiting::spawn;

/// From a checkpoint that could not be made to the next try.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// When a checkpoint is due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// At the latest when so many events follow the last one.
    pub events: Option<u64>,
    /// At the latest when an event that it does not cover is this old.
    pub interval: Option<Duration>,
}

impl Policy {
    /// The policy of a journal that leaves it open: in a signed one the frames behind the last checkpoint stay few.
    #[must_use]
    pub const fn of_journal(self, signed: bool) -> Self {
        match self.events {
            None if signed => Self { events: Some(SIGNED_CHECKPOINT_EVENTS), ..self },
            _ => self,
        }
    }

    /// Whether there is anything to do.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.events.is_none() && self.interval.is_none()
    }
}

/// Tells a thread when to make the next checkpoint.
#[derive(Debug)]
pub(crate) struct Due {
    policy: Policy,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Number of events that there are, as far as was told.
    events: u64,
    /// Number of events that the last checkpoint covers.
    covered: u64,
    /// When the first event behind it was written.
    since: Option<Instant>,
    /// Why the last one could not be made.
    failed: Option<Error>,
    stopping: bool,
}

impl Due {
    /// Of a journal with so many events; `None` if checkpoints are made on demand only.
    pub fn after(policy: Policy, last: Option<&Checkpoint>, events: u64) -> Option<Self> {
        let covered = last.map_or(0, |last| last.size);
        let since = (events > covered).then(Instant::now);
        let state = State { events, covered, since, ..State::default() };
        (!policy.is_none()).then(|| Self { policy, state: Mutex::new(state), changed: Condvar::new() })
    }

    /// There are so many events now.
    pub fn wrote(&self, events: u64) {
        let mut state = self.state.lock();
        state.events = state.events.max(events);
        let first = state.since.is_none() && state.events > state.covered;
        if first {
            state.since = Some(Instant::now());
        }
        if first || self.is_due(&state) {
            self.changed.notify_all();
        }
    }

    /// The last checkpoint covers so many events now.
    pub fn stated(&self, covered: u64) {
        let mut state = self.state.lock();
        state.covered = state.covered.max(covered);
        state.failed = None;
        state.since = (state.events > state.covered).then(Instant::now);
    }

    fn is_due(&self, state: &State) -> bool {
        let many = self.policy.events.is_some_and(|events| state.events.saturating_sub(state.covered) >= events);
        let late = self.policy.interval.zip(state.since).is_some_and(|(interval, since)| since.elapsed() >= interval);
        many || late
    }

    /// Waits until a checkpoint is due; `false` when there will be none any more.
    pub fn wait(&self) -> bool {
        let mut state = self.state.lock();
        loop {
            if state.stopping {
                return false;
            }
            if self.is_due(&state) {
                return true;
            }
            match self.policy.interval.zip(state.since) {
                Some((interval, since)) => drop(self.changed.wait_until(&mut state, since + interval)),
                None => self.changed.wait(&mut state),
            }
        }
    }

    /// Whether one is due now, for a store without threads.
    pub fn is_now(&self) -> bool {
        self.is_due(&self.state.lock())
    }

    /// One could not be made: it is tried again after a while, unless there will be none any more.
    fn failed(&self, error: Error) -> bool {
        let mut state = self.state.lock();
        let for_good = matches!(error, Error::Poisoned { .. } | Error::Closed);
        state.failed = Some(error);
        if !for_good && !state.stopping {
            self.changed.wait_for(&mut state, RETRY_AFTER);
        }
        !for_good
    }

    /// Why the last one could not be made.
    pub fn failure(&self) -> Option<Error> {
        self.state.lock().failed.clone()
    }

    /// Ends the thread.
    pub fn stop(&self) {
        self.state.lock().stopping = true;
        self.changed.notify_all();
    }
}

/// The body of the thread.
fn serve(inner: &Inner, due: &Due) {
    while due.wait() {
        if let Err(error) = inner.checkpoint()
            && !due.failed(error)
        {
            return;
        }
    }
}

impl Store {
    /// Starts the thread that makes checkpoints by themselves, if there are to be any and threads may be.
    pub(crate) fn start_checkpoint_thread(&self) -> Result<()> {
        if self.inner.checkpoint_due.is_none() || !self.inner.config.background {
            return Ok(());
        }
        let served = Arc::clone(&self.inner);
        let body = move || {
            if let Some(due) = &served.checkpoint_due {
                serve(&served, due);
            }
        };
        *self.checkpoint_thread.lock() = Some(spawn(self.inner.storage.as_ref(), "batpak-checkpoint", body)?);
        Ok(())
    }

    /// Makes a checkpoint that is due, in a store without threads. A failure is kept, as the thread would keep it.
    pub(crate) fn checkpoint_what_is_due(&self) {
        let Some(due) = self.inner.checkpoint_due.as_ref().filter(|_| !self.inner.config.background) else { return };
        if due.is_now()
            && let Err(error) = self.inner.checkpoint()
        {
            due.state.lock().failed = Some(error);
        }
    }
}
