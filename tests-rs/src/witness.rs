//! Remembers what a store was asked and what it answered, and holds a journal found later against it.

use std::sync::Arc;

use batpak_core::error::{Error, Result};
use batpak_core::hash::{Hash, hex};
use batpak_core::header::Promise;
use batpak_core::read::Event;
use batpak_core::storage::{MemoryStorage, Storage};
use batpak_core::{Config, Store};

use crate::clock::TestClock;
use crate::journal::{config, content, events, files, is_log, verify, write};

/// What happened to a journal between writing and looking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The process died: nothing that `append` returned for may be lost.
    ProcessKill,
    /// The power went: nothing that was called durable may be lost.
    PowerCut,
}

/// One frame that a store was asked to write.
#[derive(Clone, Debug)]
struct Attempt {
    payloads: Vec<Vec<u8>>,
    /// First sequence and hashes, once `append` returned.
    written: Option<(u64, Vec<Hash>)>,
    durable: bool,
}

/// The memory of one journal's writer.
#[derive(Clone, Debug, Default)]
pub struct Witness {
    attempts: Vec<Attempt>,
    asked: usize,
    journal_id: Option<[u8; 16]>,
    /// Signs the journal.
    pub signed: bool,
}

impl Witness {
    /// Of a journal that is signed.
    #[must_use]
    pub fn signed() -> Self {
        Self { signed: true, ..Self::default() }
    }

    /// How the journal is opened.
    #[must_use]
    pub fn config(&self) -> Config {
        if self.signed { crate::journal::signed() } else { config() }
    }

    /// Opens the journal, and remembers its lineage.
    ///
    /// # Panics
    ///
    /// If it is another journal than before.
    pub fn open(&mut self, storage: Arc<dyn Storage>, clock: &Arc<TestClock>) -> Result<Store> {
        let store = Store::open_with(storage, Arc::clone(clock) as _, self.config())?;
        assert!(self.journal_id.is_none_or(|id| id == store.journal_id()), "the journal was replaced by another");
        self.journal_id = Some(store.journal_id());
        Ok(store)
    }

    /// Writes a frame of `count` events with payloads of `bytes` bytes, and waits if durability was promised.
    pub fn append(&mut self, store: &Store, promise: Promise, count: usize, bytes: usize) -> Result<()> {
        let number = self.asked;
        self.asked += 1;
        let payload = |item: usize| {
            let mut payload = format!("attempt {number} item {item} of {count} ").into_bytes();
            let fill = u8::try_from(number % 251 + 1).unwrap_or(1);
            payload.resize(payload.len().max(bytes), fill);
            payload
        };
        let payloads: Vec<Vec<u8>> = (0..count).map(payload).collect();
        self.attempts.push(Attempt { payloads: payloads.clone(), written: None, durable: false });
        let slices: Vec<&[u8]> = payloads.iter().map(Vec::as_slice).collect();
        let committed = write(store, promise, &format!("entity:{}", number % 3), &slices)?;
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.written = Some((committed.first_sequence, committed.hashes.clone()));
        }
        if promise == Promise::Always {
            self.sync(store)?;
        }
        Ok(())
    }

    /// Waits until everything is durable.
    ///
    /// # Panics
    ///
    /// If the wait ends without an answer.
    pub fn sync(&mut self, store: &Store) -> Result<()> {
        assert!(store.wait_durable(store.events()?, None)?, "a wait without a limit came back without an answer");
        self.all_durable();
        Ok(())
    }

    /// Closes, which makes everything durable.
    pub fn close(&mut self, store: &Store) -> Result<()> {
        store.close()?;
        self.all_durable();
        Ok(())
    }

    fn all_durable(&mut self) {
        self.attempts.iter_mut().filter(|attempt| attempt.written.is_some()).for_each(|attempt| attempt.durable = true);
    }

    /// Holds what a store finds against what is remembered: all that must be there is there, with the same hash at the same sequence; what
    /// is there was asked for, in that order, and in whole frames; behind the first thing lost nothing else is there.
    ///
    /// # Panics
    ///
    /// If not.
    pub fn compare(&self, store: &Store, fate: Fate, context: &str) {
        self.compare_events(&events(store, false).unwrap_or_else(|error| panic!("{context}: {error}")), fate, context);
    }

    fn compare_events(&self, found: &[Event], fate: Fate, context: &str) {
        let mut rest = found;
        let mut lost = None;
        for (number, attempt) in self.attempts.iter().enumerate() {
            let there = rest.first().is_some_and(|event| event.payload() == attempt.payloads[0]);
            if !there {
                let must = attempt.durable || (fate == Fate::ProcessKill && attempt.written.is_some());
                assert!(!must, "{context}: attempt {number} is lost; {} events are there", found.len());
                if attempt.written.is_some() {
                    lost.get_or_insert(number);
                }
                continue;
            }
            assert_eq!(lost, None, "{context}: an earlier attempt is lost, and attempt {number} is there");
            assert!(rest.len() >= attempt.payloads.len(), "{context}: of attempt {number} only a part is there");
            let (frame, after) = rest.split_at(attempt.payloads.len());
            for (position, (event, payload)) in frame.iter().zip(&attempt.payloads).enumerate() {
                assert!(event.payload() == payload, "{context}: attempt {number} item {position} has another payload");
                if let Some((first, hashes)) = &attempt.written {
                    assert_eq!(event.stamp.sequence, first + position as u64, "{context}: attempt {number}");
                    assert_eq!(hex(&event.event_hash), hex(&hashes[position]), "{context}: attempt {number}");
                }
            }
            rest = after;
        }
        assert!(rest.is_empty(), "{context}: {} events are there that nobody wrote", rest.len());
    }

    /// Forgets what a crash took, and from now on calls durable what it left: a store does so when it opens.
    pub fn settle(&mut self, store: &Store) -> Result<()> {
        let found = events(store, false)?;
        self.compare_events(&found, Fate::PowerCut, "what the crash left");
        self.attempts.retain(|attempt| found.iter().any(|event| event.payload() == attempt.payloads[0]));
        self.all_durable();
        Ok(())
    }

    /// Opens what was left, compares, verifies, goes on writing, closes, and opens again.
    ///
    /// # Panics
    ///
    /// If anything is not as it must be.
    pub fn check(&self, left: &MemoryStorage, fate: Fate, context: &str) {
        let fail = |step: &str, error: Error| -> ! { panic!("{context}: {step}: {error}") };
        let clock = TestClock::at(crate::clock::START_US + 3_600_000_000);
        let before = files(left);
        let read_only = Config { read_only: true, signing_key: None, ..self.config() };
        match Store::open_with(Arc::new(left.clone()), Arc::clone(&clock) as _, read_only) {
            Ok(store) => self.compare(&store, fate, &format!("{context}: read-only")),
            Err(Error::NotAJournal { .. }) if self.journal_id.is_none() => {}
            Err(error) => fail("read-only open", error),
        }
        assert!(files(left) == before, "{context}: a read-only open changed something");
        let mut later = self.clone();
        let store = later.open(Arc::new(left.clone()), &clock).unwrap_or_else(|error| fail("open", error));
        self.compare(&store, fate, context);
        set_aside_is_kept(left, &before, &store, context);
        accepted(&store, context);
        // What is there now stays, whatever was promised for it.
        let first = store.events().unwrap_or_else(|error| fail("events", error));
        write(&store, Promise::Interval, "entity:0", &[b"after"]).unwrap_or_else(|error| fail("append", error));
        later.sync(&store).unwrap_or_else(|error| fail("sync", error));
        let known = events(&store, true).unwrap_or_else(|error| fail("read", error));
        store.close().unwrap_or_else(|error| fail("close", error));
        let store = later.open(Arc::new(left.clone()), &clock).unwrap_or_else(|error| fail("second open", error));
        let report = store.report();
        assert_eq!(report.path_taken, "clean", "{context}: {report:?}");
        assert_eq!(
            (report.tail_bytes, report.torn_head_bytes, report.rewritten_bytes),
            (0, 0, 0),
            "{context}: {report:?}"
        );
        assert_eq!(report.events, first + 1, "{context}");
        let again = events(&store, true).unwrap_or_else(|error| fail("second read", error));
        assert!(
            again.starts_with(&known) && again.len() == known.len() + 1,
            "{context}: a close and an open changed events"
        );
        accepted(&store, &format!("{context}: second open"));
    }
}

/// What a recovery cut off lies in `recovered/`, byte for byte.
fn set_aside_is_kept(
    left: &MemoryStorage,
    before: &std::collections::BTreeMap<String, Vec<u8>>,
    store: &Store,
    context: &str,
) {
    let report = store.report();
    if let Some(file) = &report.recovered_file {
        let kept = content(left, &format!("recovered/{file}"));
        let last = before.keys().rfind(|name| is_log(name)).expect("a segment was there");
        assert!(before[last].ends_with(&kept), "{context}: the bytes set aside are not those that were cut");
        assert_eq!(kept.len() as u64, report.tail_bytes, "{context}");
        assert!(!kept.is_empty(), "{context}: nothing was set aside");
    }
}

/// The verdict holds nothing against the journal.
fn accepted(store: &Store, context: &str) {
    let verdict = verify(store).unwrap_or_else(|error| panic!("{context}: verify: {error}"));
    assert!(verdict.ok() && verdict.findings.is_empty(), "{context}: {verdict:?}");
}
