//! One journal, open.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Instant;

use parking_lot::Mutex;

use crate::append::Appended;
use crate::catalog::{HEADS_DIRECTORY, is_index};
use crate::clock::{Hlc, WallClock};
use crate::config::Config;
use crate::cursor::Cursor;
use crate::entropy::Entropy;
use crate::error::{Error, Result};
use crate::event_id::EventId;
use crate::hash::proposal_commitment;
use crate::header::Promise;
use crate::history;
use crate::idempotency;
use crate::index::{Field, Query, Wanted};
use crate::indexer::Indexer;
use crate::inner::{Inner, rewinds_since};
use crate::key::PublicKey;
use crate::proof::policy::Due;
use crate::proposal::Proposal;
use crate::read::{self, Event};
use crate::receipt::Stored;
use crate::report::{OpenReport, Stats};
use crate::storage::{DiskStorage, missing_is_none};
use crate::system::denied;
use crate::value::Value;
use crate::verification::Verification;
use crate::verify;

/// What an event is named by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reference {
    /// Its place in the journal.
    Sequence(u64),
    /// Its id.
    Id(EventId),
}

impl From<u64> for Reference {
    fn from(sequence: u64) -> Self {
        Self::Sequence(sequence)
    }
}

impl From<EventId> for Reference {
    fn from(id: EventId) -> Self {
        Self::Id(id)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sequence(sequence) => sequence.fmt(f),
            Self::Id(id) => f.write_str(&crate::hash::hex(id)),
        }
    }
}

/// An open journal. Any number of threads may use it at the same time.
#[derive(Debug)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
    /// Ends at close.
    pub(crate) interval_thread: Mutex<Option<JoinHandle<()>>>,
    /// Ends at close.
    pub(crate) checkpoint_thread: Mutex<Option<JoinHandle<()>>>,
}

fn read_in<T>(inner: &Inner, work: impl Fn(&Inner) -> Result<T>) -> Result<T> {
    match (work(inner), &inner.reader) {
        (Err(Error::Damaged { .. }), Some(reader)) => {
            reader.lock().refresh(inner)?;
            work(inner)
        }
        (outcome, _) => outcome,
    }
}

impl Store {
    /// Opens the journal in a directory of the disk.
    pub fn open(path: &Path, config: Config) -> Result<Self> {
        let clock = Arc::new(crate::clock::SystemClock);
        Self::open_with(Arc::new(DiskStorage::new(path)), clock, config)
    }

    /// Refuses a forked child before it touches any lock. The mark is set by the at-fork handler; a fork that went past it shows in the pid.
    pub(crate) fn own(&self) -> Result<&Inner> {
        if self.is_forked() { Err(Error::Forked) } else { Ok(&self.inner) }
    }

    /// Refuses a forked child, and a store that was closed.
    pub(crate) fn usable(&self) -> Result<&Inner> {
        self.own()?;
        if self.inner.closed.load(Ordering::Acquire) {
            return Err(Error::Closed);
        }
        Ok(&self.inner)
    }

    /// Refuses what `usable` refuses, and waits for nothing.
    pub fn check_usable(&self) -> Result<()> {
        self.usable().map(drop)
    }

    /// Marks this handle dead in a forked child and closes the child's copy of the lock. Takes no lock that a lost thread may hold.
    pub fn after_fork_in_child(&self) {
        self.inner.forked.store(true, Ordering::Release);
        if let Some(guard) = self.inner.lock.try_lock()
            && let Some(lock) = guard.as_ref()
        {
            lock.abandon_in_child();
        }
    }

    /// An empty proposal for `append`; `None` promises what the store was opened with.
    pub fn propose(&self, promise: Option<Promise>) -> Result<Proposal> {
        let inner = self.usable()?;
        if inner.commit.is_none() {
            return Err(Error::ReadOnly);
        }
        Ok(Proposal::new(inner.lineage(), promise.unwrap_or(inner.config.durability)))
    }

    /// The store's random numbers, for `Proposal::push`.
    #[must_use]
    pub fn entropy(&self) -> &Entropy {
        &self.inner.entropy
    }

    /// Writes the events of a proposal as one frame. They exist and are visible when this returns; if `always` was promised, the
    /// caller goes on to `wait_durable` before it gives the receipt away.
    pub fn append(&self, proposal: &Proposal) -> Result<Appended> {
        let inner = self.usable()?;
        if proposal.promise() == Promise::Interval && inner.config.durability != Promise::Interval {
            // Before the write: without the thread an interval would be an empty promise.
            self.start_interval_thread()?;
        }
        let appended = inner.append(proposal)?;
        self.index_what_is_due();
        self.checkpoint_what_is_due();
        Ok(appended)
    }

    /// What a proposal would write a second time, as `append` gives it; `None` if it is new. For whoever must know
    /// before the gates are asked.
    pub fn known(&self, proposal: &Proposal) -> Result<Option<Vec<Stored>>> {
        idempotency::known(self.usable()?, proposal)
    }

    /// Writes that gates refused a proposal, with what they said; of the proposal itself only a commitment to its opening is kept.
    pub fn deny(&self, proposal: &Proposal, opening: &[u8], verdicts: Value) -> Result<Appended> {
        let inner = self.usable()?;
        let concerns = proposal.coordinate(0).map(|(entity, scope)| (entity.to_owned(), scope.to_owned()));
        let concerns = concerns.ok_or_else(|| Error::InvalidInput { reason: "an empty proposal".to_owned() })?;
        let mut denial = Proposal::new(inner.lineage(), proposal.promise());
        denied(&proposal_commitment(opening), proposal.own_len(), verdicts, concerns)
            .propose(&mut denial, &inner.entropy)?;
        self.append(&denial)
    }

    /// Has the indexes of sealed segments made, by a thread or, if the store is to have none, here and now.
    pub(crate) fn index_what_is_due(&self) {
        let Some(indexer) = &self.inner.indexer else { return };
        if !indexer.take_due() {
            return;
        }
        let spawn = || {
            let served = Arc::clone(&self.inner);
            let body = move || {
                if let Some(indexer) = &served.indexer {
                    indexer.serve(&served.index);
                }
            };
            std::thread::Builder::new().name("batpak-index".to_owned()).spawn(body).ok()
        };
        if !self.inner.config.background || !indexer.wake(spawn) {
            indexer.catch_up(&self.inner.index);
        }
    }

    /// Has a read-only store see what was written since; a writer sees everything anyway. Returns the number of events that are visible.
    pub fn refresh(&self) -> Result<u64> {
        let inner = self.usable()?;
        if let Some(reader) = &inner.reader {
            reader.lock().refresh(inner)?;
        }
        Ok(inner.visible())
    }

    /// Reads, this thread's own writes included.
    fn reading<T>(&self, work: impl Fn(&Inner) -> Result<T>) -> Result<T> {
        let inner = self.usable()?;
        inner.settle_own()?;
        read_in(inner, work)
    }

    /// Reads; if bytes are not what they were, a read-only store looks whether recovery cut them, and says so.
    pub(crate) fn as_it_stands<T>(&self, work: impl Fn(&Inner) -> Result<T>) -> Result<T> {
        read_in(self.usable()?, work)
    }

    /// Number of events.
    pub fn events(&self) -> Result<u64> {
        let inner = self.usable()?;
        inner.settle_own()?;
        Ok(inner.visible())
    }

    /// Number of events written, whether readers of this store see them yet or not.
    pub fn written(&self) -> Result<u64> {
        Ok(self.usable()?.index.len())
    }

    /// Number of events known synced.
    pub fn durable(&self) -> Result<u64> {
        Ok(self.usable()?.durable())
    }

    /// The lineage that the next event is written in.
    #[must_use]
    pub fn journal_id(&self) -> [u8; 16] {
        self.inner.lineage()
    }

    /// One event's receipt, as it was when it was written.
    pub fn receipt_of(&self, sequence: u64) -> Result<Stored> {
        let frame = Arc::new(history::frame(self.usable()?, sequence)?);
        let index = history::index_in(&self.inner, &frame, sequence)?;
        Ok(Stored { frame, index })
    }

    /// The journal's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The key that the journal's next events must be signed by, if it has one.
    #[must_use]
    pub fn public_key(&self) -> Option<PublicKey> {
        self.inner.substrate.read().key().cloned()
    }

    /// Whether it was opened for looking only.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.inner.commit.is_none()
    }

    /// How the open went.
    #[must_use]
    pub fn report(&self) -> &OpenReport {
        &self.inner.report
    }

    /// Whether this is a forked child's copy.
    #[must_use]
    pub fn is_forked(&self) -> bool {
        self.inner.forked.load(Ordering::Acquire) || std::process::id() != self.inner.pid
    }

    /// Whether `close` was called.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.inner.closed.load(Ordering::Acquire)
    }

    /// One event.
    pub fn get(&self, reference: impl Into<Reference>) -> Result<Event> {
        let reference = reference.into();
        self.reading(|inner| {
            let not_found = || Error::EventNotFound { reference: reference.to_string() };
            let location = match reference {
                Reference::Sequence(sequence) if sequence >= inner.visible() => return Err(not_found()),
                Reference::Sequence(sequence) => inner.index.location(sequence)?,
                Reference::Id(id) => {
                    let found = inner.index.find(&id)?.filter(|location| location.sequence < inner.visible());
                    found.ok_or_else(not_found)?
                }
            };
            read::event(&inner.files, &location)
        })
    }

    /// Begins to go through the events that match.
    pub fn query(&self, query: &Query) -> Result<Cursor> {
        self.reading(|inner| Cursor::begin(inner, query.clone()))
    }

    /// The next matches of a cursor of this store, at most `count`.
    pub fn page(&self, cursor: &mut Cursor, count: usize) -> Result<Vec<Event>> {
        let inner = self.usable()?;
        match (cursor.page(inner, count), &inner.reader) {
            (Err(Error::Damaged { .. }), Some(reader)) => {
                match reader.lock().refresh(inner) {
                    // The cursor knows whether that concerns it.
                    Ok(()) | Err(Error::Rewound { .. }) => {}
                    Err(error) => return Err(error),
                }
                cursor.page(inner, count)
            }
            (outcome, _) => outcome,
        }
    }

    /// How often recovery cut what this reader had seen; and, of the events seen before the first `known` times were over, how many
    /// still stand, if it happened since.
    #[must_use]
    pub fn rewinds(&self, known: usize) -> (usize, Option<u64>) {
        rewinds_since(&self.inner, known)
    }

    /// The event that this one chains to, checked against the hash in the chain.
    pub fn previous(&self, event: &Event) -> Result<Option<Event>> {
        let Some((sequence, hash)) = event.stamp.previous else { return Ok(None) };
        let previous = self.get(sequence)?;
        if previous.event_hash != hash {
            let location = self.usable()?.index.location(event.stamp.sequence)?;
            return Err(Error::Damaged {
                file: self.inner.storage.describe(&crate::segment::path(location.segment)),
                offset: location.offset,
                sequence: Some(event.stamp.sequence),
                reason: "the event does not chain to the previous event of its entity".to_owned(),
            });
        }
        Ok(Some(previous))
    }

    /// Checks the whole journal as it lies on disk, up to what is published now. `interrupted` is asked every few milliseconds.
    pub fn verify(&self, interrupted: &dyn Fn() -> bool) -> Result<Verification> {
        let inner = self.usable()?;
        let events = inner.index.len();
        let against = verify::Against {
            limit: Some(events),
            pins: inner.config.pins.as_deref(),
            alone: !inner.config.background,
            ..Default::default()
        };
        verify::journal(inner.storage.as_ref(), against, interrupted)
    }

    /// Checks a receipt against this journal.
    pub fn verify_receipt(
        &self,
        receipt: &crate::receipt::Receipt,
        public_key: Option<&PublicKey>,
    ) -> Result<Verification> {
        verify::receipt::in_journal(self.usable()?, receipt, public_key)
    }

    /// Figures about the store.
    pub fn stats(&self) -> Result<Stats> {
        let inner = self.usable()?;
        let durable_events = self.durable()?;
        let segments = inner.index.segments();
        let mut log_bytes = 0;
        for start in &segments {
            log_bytes += inner.files.segment(*start)?.length()?;
        }
        let files = |directory| Ok::<_, Error>(missing_is_none(inner.storage.lengths(directory))?.unwrap_or_default());
        let indexes = files(crate::segment::DIRECTORY)?.into_iter().filter(|(name, _)| is_index(name));
        let index_bytes = indexes.chain(files(HEADS_DIRECTORY)?).map(|(_, bytes)| bytes).sum();
        let index = &inner.index;
        Ok(Stats {
            events: inner.visible(),
            system_events: index.count(&Field::Kind, &[Wanted::Between(vec![0, 0], vec![0x10, 0])])?,
            durable_events,
            entities: index.distinct(&Field::Entity)?,
            scopes: index.distinct(&Field::Scope)?,
            kinds: index.distinct(&Field::Kind)?,
            clock_ahead_us: self.marks()?.written.map_or(0, |last| clock_ahead_us(last.hlc, inner.clock.as_ref())),
            segments: segments.len() as u64,
            log_bytes,
            index_bytes,
            indexes_rebuilt: index.rebuilt(),
            index_failure: inner.indexer.as_ref().and_then(Indexer::failure).map(|error| error.to_string()),
            checkpoint_failure: inner.checkpoint_due.as_ref().and_then(Due::failure).map(|error| error.to_string()),
            signed: inner.substrate.read().key().is_some(),
            read_only: inner.commit.is_none(),
        })
    }
}

/// How far a moment is ahead of the wall clock.
pub(crate) fn clock_ahead_us(hlc: Hlc, clock: &dyn WallClock) -> u64 {
    hlc.wall_us.saturating_sub(clock.now_us())
}

/// Milliseconds since `begun`, for reports.
pub(crate) fn elapsed_us(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX)
}
