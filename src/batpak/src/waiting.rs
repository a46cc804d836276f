//! How far events have come, and waiting for it.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::error::{Error, Result, StorageFailure};
use crate::marks::{self, MarkName, Marks};
use crate::storage::Storage;
use crate::store::Store;

/// A reader that waits for another process's writes looks for them this often.
const READER_LOOKS_EVERY: Duration = Duration::from_millis(10);

/// Starts a thread of a store.
pub(crate) fn spawn(storage: &dyn Storage, name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(body).map_err(|error| {
        Error::Storage(StorageFailure {
            operation: "start a thread of",
            path: storage.describe(""),
            errno: error.raw_os_error(),
            kind: error.kind(),
            message: error.to_string(),
        })
    })
}

impl Store {
    /// Starts the thread that syncs at intervals, unless it runs.
    pub(crate) fn start_interval_thread(&self) -> Result<()> {
        let mut thread = self.interval_thread.lock();
        if thread.is_some() || self.is_closed() {
            return Ok(());
        }
        let served = Arc::clone(&self.inner);
        let interval = self.inner.config.interval;
        let body = move || {
            if let Some(commit) = &served.commit {
                commit.serve_interval(interval, || drop(served.tree.catch_up(&served.index)));
            }
        };
        *thread = Some(spawn(self.inner.storage.as_ref(), "batpak-interval", body)?);
        Ok(())
    }

    /// Waits until so many events are durable, syncing if nobody else does. `false` after `timeout`.
    pub fn wait_durable(&self, events: u64, timeout: Option<Duration>) -> Result<bool> {
        // Closing makes everything durable: whoever waits for an event that exists learns that, and not that the store was closed.
        let inner = self.own()?;
        let commit = inner.commit.as_ref().ok_or(Error::ReadOnly)?;
        // Nothing would ever make an event durable that does not exist.
        if events > inner.index.len() {
            return Err(Error::EventNotFound { reference: (events - 1).to_string() });
        }
        commit.wait(events, timeout)
    }

    /// How far events have come.
    pub fn marks(&self) -> Result<Marks> {
        self.as_it_stands(marks::marks)
    }

    /// Waits until so many events have reached a mark, and has them synced if that is what it takes. `false` after `timeout`.
    /// A read-only store looks for what was written since.
    pub fn wait_for(&self, mark: MarkName, events: u64, timeout: Option<Duration>) -> Result<bool> {
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        let inner = self.usable()?;
        let Some(commit) = &inner.commit else { return self.wait_as_reader(mark, events, deadline) };
        // What does not exist yet is somebody else's to write.
        let exists = || inner.index.len() >= events;
        if !inner.watch.wait_until(deadline, || exists() || self.is_closed()) {
            return Ok(false);
        }
        if !exists() {
            return Err(Error::Closed);
        }
        if mark != MarkName::Durable && !(mark == MarkName::Visible && inner.config.durable_only) {
            return Ok(true);
        }
        let Some(deadline) = deadline else { return commit.wait(events, None) };
        // Who leads a sync is held by the disk; who has no more than so much time lets another thread lead.
        self.start_interval_thread()?;
        commit.wait_served(events, deadline)
    }

    fn wait_as_reader(&self, mark: MarkName, events: u64, deadline: Option<Instant>) -> Result<bool> {
        loop {
            self.refresh()?;
            let inner = self.usable()?;
            let reached = match mark {
                MarkName::Accepted | MarkName::Written => inner.index.len(),
                MarkName::Durable => inner.durable(),
                MarkName::Visible => inner.visible(),
            };
            if reached >= events {
                return Ok(true);
            }
            let left =
                deadline.map_or(READER_LOOKS_EVERY, |deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Ok(false);
            }
            std::thread::sleep(left.min(READER_LOOKS_EVERY));
        }
    }
}
