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
use crate::signer::{Signer, StoreNumber};
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
    /// The first lineage, which every file names; events carry `lineage()`.
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
    /// Which store of this process it is.
    pub number: StoreNumber,
    /// Held while a frame is staged, signed elsewhere and written; before the writer's lock.
    pub turn: Mutex<()>,
    /// Held while what cursors and projections keep is replaced.
    pub keeping: Mutex<()>,
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
    /// Size of the last checkpoint that was seen or made here.
    pub stated: AtomicU64,
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
        self.number.refuse_while_signing()?;
        let parts = self.parts()?;
        let mut guard = self.writer.lock();
        let writer = guard.as_mut().ok_or(Error::Closed)?;
        let appended = if writer.takes_turns {
            drop(guard);
            self.append_in_turn(&parts, proposal)?
        } else {
            let appended = append::append(&parts, writer, proposal)?;
            drop(guard);
            appended
        };
        self.told(&appended);
        Ok(appended)
    }

    /// The same with a signer that may take long: frames take turns, and while one is signed the writer's lock is free.
    fn append_in_turn(&self, parts: &Parts<'_>, proposal: &Proposal) -> Result<Appended> {
        let _turn = self.turn.lock();
        let signer = self.with_writer(|writer| Ok(writer.signer.clone()))?;
        self.append_signed_by(parts, signer.as_ref(), proposal)
    }

    /// Writes a proposal, signed by this signer, as is everything after it. The turn is the caller's: while a signer elsewhere is
    /// asked, nobody writes.
    pub(crate) fn append_signed_by(
        &self,
        parts: &Parts<'_>,
        signer: Option<&Signer>,
        proposal: &Proposal,
    ) -> Result<Appended> {
        let mut guard = self.writer.lock();
        let mut writer = guard.as_mut().ok_or(Error::Closed)?;
        if let Some(events) = append::known(parts, proposal)? {
            return Ok(Appended::Known(events));
        }
        let mut buffer = Vec::new();
        let mut staged = append::stage(parts, writer, proposal, signer.is_some(), &mut buffer)?;
        match signer {
            None => {}
            Some(signer) if !signer.is_elsewhere() => staged.sign(signer)?,
            Some(signer) => {
                writer.takes_turns = true;
                drop(guard);
                let asking = self.number.asking();
                let outcome = staged.sign(signer);
                drop(asking);
                guard = self.writer.lock();
                writer = guard.as_mut().ok_or(Error::Closed)?;
                writer.takes_turns = writer.signer.as_ref().is_some_and(Signer::is_elsewhere);
                outcome?;
                parts.commit.check()?;
            }
        }
        let committed = append::put(parts, writer, proposal, staged, &mut buffer)?;
        writer.sign_with(signer.cloned());
        Ok(Appended::Written(committed))
    }

    /// Does something with the writer.
    pub(crate) fn with_writer<T>(&self, work: impl FnOnce(&mut Writer) -> Result<T>) -> Result<T> {
        work(self.writer.lock().as_mut().ok_or(Error::Closed)?)
    }

    /// Whoever waits for events, or counts them, hears of these.
    pub(crate) fn told(&self, appended: &Appended) {
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
    }

    /// What the next event carries in the place of the journal's id.
    pub(crate) fn lineage(&self) -> [u8; 16] {
        self.substrate.read().lineage()
    }

    /// What this journal's checkpoints are named.
    pub(crate) fn origin(&self) -> String {
        origin(&self.name, &self.lineage())
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
