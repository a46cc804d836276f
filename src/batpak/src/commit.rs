//! Group commit: one sync for all who wait, and the frontier of what is durable.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::frontier::Frontier;
use crate::storage::StorageFile;
use crate::sync::{Condvar, Mutex, yield_now};

#[cfg(loom)]
#[cfg(test)]
mod model;

/// How far the log was written, and where that is.
#[derive(Clone, Debug)]
pub struct Written {
    /// Number of events.
    pub events: u64,
    /// The segment that holds the last of them.
    pub file: Arc<dyn StorageFile>,
    /// That segment's first sequence.
    pub segment_first_sequence: u64,
    /// The end of the last event in it.
    pub offset: u64,
}

#[derive(Debug)]
struct State {
    written: Written,
    /// Number of events known synced.
    durable: u64,
    /// Whether somebody is syncing just now.
    syncing: bool,
    /// How many threads slept until the last sync ended.
    woken: usize,
    /// When the oldest unsynced write happened that the interval must serve.
    oldest: Option<Instant>,
    /// Whether somebody waits for a sync that the interval thread is to do now.
    asked: bool,
    /// The failure that ended writing.
    failed: Option<Error>,
    /// Whether the interval thread is to end.
    stopping: bool,
}

/// Shared by the writer, those who wait, and the interval thread.
#[derive(Debug)]
pub struct Commit {
    state: Mutex<State>,
    /// Signalled when `durable` or `failed` changes: for those who wait.
    changed: Condvar,
    /// Signalled when `oldest`, `failed` or `stopping` changes: for the interval thread, which sleeps through everybody else's syncs.
    due: Condvar,
    frontier_file: Arc<dyn StorageFile>,
    journal_id: [u8; 16],
    incarnation: u64,
}

impl Commit {
    /// Begins with `durable` of the written events known synced.
    #[must_use]
    pub fn new(
        frontier_file: Arc<dyn StorageFile>,
        journal_id: [u8; 16],
        incarnation: u64,
        written: Written,
        durable: u64,
    ) -> Self {
        let state = State {
            written,
            durable,
            syncing: false,
            woken: 0,
            oldest: None,
            asked: false,
            failed: None,
            stopping: false,
        };
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
            due: Condvar::new(),
            frontier_file,
            journal_id,
            incarnation,
        }
    }

    /// Number of events known synced.
    #[must_use]
    pub fn durable(&self) -> u64 {
        self.state.lock().durable
    }

    /// The failure that ended writing, as an error to give.
    pub fn check(&self) -> Result<()> {
        self.state.lock().failed.as_ref().map_or(Ok(()), |cause| Err(poisoned(cause)))
    }

    /// The failure itself.
    pub fn cause(&self) -> Option<Error> {
        self.state.lock().failed.clone()
    }

    /// Ends writing for good.
    pub fn poison(&self, cause: Error) {
        self.fail(&mut self.state.lock(), cause);
    }

    fn fail(&self, state: &mut State, cause: Error) {
        state.failed.get_or_insert(cause);
        self.changed.notify_all();
        self.due.notify_all();
    }

    /// Runs the writer's own sync while nobody else syncs: the operating system tells of a failed sync once, and one that runs
    /// beside it would succeed, and be believed.
    pub fn alone(&self, sync: impl FnOnce() -> Result<()>) -> Result<()> {
        let mut state = self.state.lock();
        while state.syncing {
            self.changed.wait(&mut state);
        }
        if let Some(cause) = &state.failed {
            return Err(poisoned(cause));
        }
        state.syncing = true;
        drop(state);
        let outcome = sync();
        let mut state = self.state.lock();
        state.syncing = false;
        match &outcome {
            Ok(()) => {
                self.changed.notify_all();
            }
            Err(cause) => self.fail(&mut state, cause.clone()),
        }
        drop(state);
        outcome
    }

    /// The writer has written this far; `interval` if the interval thread must see to it.
    pub fn wrote(&self, written: Written, interval: bool) {
        let mut state = self.state.lock();
        state.written = written;
        if interval && state.oldest.is_none() {
            state.oldest = Some(Instant::now());
            self.due.notify_all();
        }
    }

    /// The writer has synced everything itself and goes on in another file.
    pub fn rotated(&self, written: Written) -> Result<()> {
        self.write_frontier(&written)?;
        let mut state = self.state.lock();
        let events = written.events;
        state.written = written;
        state.oldest = None;
        self.advance(&mut state, events);
        Ok(())
    }

    /// Everything up to `events` is durable. Called after a sync, never before it.
    fn advance(&self, state: &mut State, events: u64) {
        state.durable = state.durable.max(events);
        state.woken = self.changed.notify_all();
    }

    fn write_frontier(&self, written: &Written) -> Result<()> {
        let frontier = Frontier {
            journal_id: self.journal_id,
            incarnation: self.incarnation,
            synced_through: written.events,
            segment_first_sequence: written.segment_first_sequence,
            segment_offset: written.offset,
        };
        self.frontier_file.write_at(&frontier.encode(), 0)
    }

    /// Returns once `events` are durable, leading a sync for everybody or waiting for the one under way. `false` after `timeout`.
    pub fn wait(&self, events: u64, timeout: Option<Duration>) -> Result<bool> {
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        let mut state = self.state.lock();
        loop {
            // What is durable is durable, whatever failed later.
            if state.durable >= events {
                return Ok(true);
            }
            if let Some(cause) = &state.failed {
                return Err(poisoned(cause));
            }
            if !state.syncing {
                state.syncing = true;
                if state.woken > 0 {
                    // Those whom the last sync woke are about to write again: who has the processor first can be served too.
                    drop(state);
                    yield_now();
                    state = self.state.lock();
                }
                // This sync serves every write so far; a later one starts its own interval.
                state.oldest = None;
                let goal = state.written.clone();
                drop(state);
                // A crash here: the events may be lost; nobody was told otherwise.
                let outcome = goal.file.sync().and_then(|()| self.write_frontier(&goal));
                state = self.state.lock();
                state.syncing = false;
                match outcome {
                    Ok(()) => self.advance(&mut state, goal.events),
                    Err(cause) => self.fail(&mut state, cause),
                }
                continue;
            }
            match deadline {
                None => self.changed.wait(&mut state),
                Some(deadline) => {
                    if self.changed.wait_until(&mut state, deadline).timed_out() && state.durable < events {
                        return state.failed.as_ref().map_or(Ok(false), |cause| Err(poisoned(cause)));
                    }
                }
            }
        }
    }

    /// Has the interval thread, which must run, sync now, and waits until `events` are durable. `false` at the deadline, however long the
    /// sync takes.
    pub fn wait_served(&self, events: u64, deadline: Instant) -> Result<bool> {
        let mut state = self.state.lock();
        loop {
            if state.durable >= events {
                return Ok(true);
            }
            if let Some(cause) = &state.failed {
                return Err(poisoned(cause));
            }
            state.asked = true;
            self.due.notify_all();
            if self.changed.wait_until(&mut state, deadline).timed_out() {
                return Ok(state.durable >= events);
            }
        }
    }

    /// The body of the interval thread: a sync starts at most `interval` after the oldest unsynced write. `after_sync` runs after each.
    pub fn serve_interval(&self, interval: Duration, after_sync: impl Fn()) {
        let mut state = self.state.lock();
        loop {
            if state.stopping || state.failed.is_some() {
                return;
            }
            match state.oldest {
                None if !state.asked => self.due.wait(&mut state),
                Some(oldest) if !state.asked && oldest.elapsed() < interval => {
                    self.due.wait_until(&mut state, oldest + interval);
                }
                _ => {
                    state.asked = false;
                    let goal = state.written.events;
                    drop(state);
                    // A failure is kept in the state and given to every later write.
                    let _ = self.wait(goal, None);
                    after_sync();
                    state = self.state.lock();
                }
            }
        }
    }

    /// Ends the interval thread.
    pub fn stop(&self) {
        self.state.lock().stopping = true;
        self.due.notify_all();
    }
}

fn poisoned(cause: &Error) -> Error {
    Error::Poisoned { reason: cause.to_string() }
}
