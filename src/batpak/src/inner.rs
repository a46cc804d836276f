//! What every part of an open store shares.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::ThreadId;

use parking_lot::{Mutex, RwLock};

use crate::append::{self, Appended, Parts};
use crate::clock::WallClock;
use crate::commit::Commit;
use crate::config::Config;
use crate::entropy::Entropy;
use crate::error::{Error, Result};
use crate::files::Files;
use crate::index::Index;
use crate::indexer::Indexer;
use crate::proof::checkpoint::origin;
use crate::proof::nodes::Nodes;
use crate::proof::notary::Notary;
use crate::proof::policy::Due;
use crate::proposal::Proposal;
use crate::refresh::Reader;
use crate::report::OpenReport;
use crate::storage::{Storage, StorageLock};
use crate::system::Substrate;
use crate::tree::SharedTree;
use crate::watch::Watch;
use crate::writer::Writer;

/// So many threads' writes are remembered before those are forgotten that are synced.
const UNSETTLED_MAX: usize = 256;

/// What every part of an open store shares.
#[derive(Debug)]
pub(crate) struct Inner {
    pub storage: Arc<dyn Storage>,
    /// Segments open for reading.
    pub files: Files,
    pub clock: Arc<dyn WallClock>,
    pub config: Config,
    pub journal_id: [u8; 16],
    pub entropy: Entropy,
    /// From event 0.
    pub name: String,
    /// What the journal's own events say; open and a reader's refresh add to them.
    pub substrate: RwLock<Substrate>,
    /// Readers and the writer; locks itself.
    pub index: Index,
    pub tree: SharedTree,
    /// Of the tree, for proofs.
    pub nodes: Nodes,
    /// `None` in read-only stores.
    pub notary: Option<Notary>,
    /// `None` if checkpoints are made on demand only.
    pub checkpoint_due: Option<Due>,
    /// `None` once closed, and in read-only stores.
    pub writer: Mutex<Option<Writer>>,
    /// `None` in read-only stores.
    pub commit: Option<Commit>,
    /// `None` in read-only stores.
    pub indexer: Option<Indexer>,
    /// In read-only stores: locked while one thread refreshes.
    pub reader: Option<Mutex<Reader>>,
    /// In read-only stores: how many events still stood after each rewind since open.
    pub rewinds: Mutex<Vec<u64>>,
    /// In read-only stores: number of events that were seen to be synced.
    pub durable_seen: AtomicU64,
    /// Given back at close.
    pub lock: Mutex<Option<Box<dyn StorageLock>>>,
    /// Told when more events were written.
    pub watch: Watch,
    /// Where only durable events are shown: for each thread that wrote and did not read since, how many events there were then.
    pub unsettled: Mutex<HashMap<ThreadId, u64>>,
    pub closed: AtomicBool,
    pub forked: AtomicBool,
    /// Of the process that opened it.
    pub pid: u32,
    pub report: OpenReport,
}

impl Inner {
    pub(crate) fn parts(&self) -> Result<Parts<'_>> {
        Ok(Parts {
            storage: self.storage.as_ref(),
            clock: self.clock.as_ref(),
            entropy: &self.entropy,
            files: &self.files,
            index: &self.index,
            inner: self,
            tree: &self.tree,
            commit: self.commit.as_ref().ok_or(Error::ReadOnly)?,
            journal_id: self.journal_id,
            segment_bytes: self.config.segment_bytes,
        })
    }

    /// Writes a proposal.
    pub(crate) fn append(&self, proposal: &Proposal) -> Result<Appended> {
        let parts = self.parts()?;
        let mut guard = self.writer.lock();
        let writer = guard.as_mut().ok_or(Error::Closed)?;
        let appended = append::append(&parts, writer, proposal)?;
        drop(guard);
        self.watch.tell();
        if let Some(due) = &self.checkpoint_due {
            due.wrote(appended.events());
        }
        if self.config.durable_only {
            let mut unsettled = self.unsettled.lock();
            if unsettled.len() >= UNSETTLED_MAX {
                // Threads that ended, as a rule; what is synced needs no wait.
                let durable = self.durable();
                unsettled.retain(|_, events| *events > durable);
            }
            unsettled.insert(std::thread::current().id(), appended.events());
        }
        Ok(appended)
    }

    /// What this journal's checkpoints are named.
    pub(crate) fn origin(&self) -> String {
        origin(&self.name, &self.journal_id)
    }

    /// Number of events that readers may see.
    pub(crate) fn visible(&self) -> u64 {
        if self.config.durable_only { self.durable() } else { self.index.len() }
    }

    /// Number of events known synced.
    pub(crate) fn durable(&self) -> u64 {
        match &self.commit {
            Some(commit) => commit.durable(),
            None => self.durable_seen.load(Ordering::Acquire).min(self.index.len()),
        }
    }

    /// Where only durable events are shown, a thread that reads sees its own all the same: they are synced first.
    pub(crate) fn settle_own(&self) -> Result<()> {
        let Some(commit) = self.commit.as_ref().filter(|_| self.config.durable_only) else { return Ok(()) };
        let own = self.unsettled.lock().remove(&std::thread::current().id());
        match own.map(|events| commit.wait(events, None)) {
            // Reads go on after a failure; what was not synced stays out of sight.
            None | Some(Ok(_) | Err(Error::Poisoned { .. })) => Ok(()),
            Some(Err(error)) => Err(error),
        }
    }
}

/// See `Store::rewinds`.
pub(crate) fn rewinds_since(inner: &Inner, known: usize) -> (usize, Option<u64>) {
    let rewinds = inner.rewinds.lock();
    (rewinds.len(), rewinds.iter().skip(known).min().copied())
}
