//! Puts the index of a sealed segment into files, beside the writer: nothing of it is an authority, so nothing waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use parking_lot::{Condvar, Mutex};

use crate::cache::{self, CacheFile, CacheWriter, Made};
use crate::catalog::{self, Cache, HEADS_DIRECTORY, IndexEntry, RunEntry};
use crate::error::{Error, Result};
use crate::heads::HeadWriter;
use crate::index::runs::{HeadEntry, Merge, Run, Source};
use crate::index::{Index, Part, Runs, Sealed, Span, Tail, content};
use crate::storage::{Storage, missing_is_none, remove_if_there};

/// Makes index files, one segment after the other.
#[derive(Debug)]
pub(crate) struct Indexer {
    /// Locked while an entry is written and synced.
    pub heads: Arc<Mutex<HeadWriter>>,
    /// Held by whoever makes files: one at a time.
    making: Mutex<()>,
    /// Whether a segment was sealed since the last look.
    due: AtomicBool,
    state: Mutex<State>,
    /// Signalled when there is work, or when it is to end.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: bool,
    stopping: bool,
    thread: Option<JoinHandle<()>>,
    failed: Option<Error>,
}

impl Indexer {
    pub fn new(heads: Arc<Mutex<HeadWriter>>) -> Self {
        Self {
            heads,
            making: Mutex::new(()),
            due: AtomicBool::new(false),
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// A segment was sealed.
    pub fn set_due(&self) {
        self.due.store(true, Ordering::Release);
    }

    /// Whether a segment was sealed since this was asked.
    pub fn take_due(&self) -> bool {
        self.due.load(Ordering::Relaxed) && self.due.swap(false, Ordering::AcqRel)
    }

    /// Why the last file could not be made; its events stay in memory until it can.
    pub fn failure(&self) -> Option<Error> {
        self.state.lock().failed.clone()
    }

    /// Hands the work to the thread, which `spawn` makes if there is none.
    pub fn wake(&self, spawn: impl FnOnce() -> Option<JoinHandle<()>>) -> bool {
        let mut state = self.state.lock();
        if state.stopping {
            return false;
        }
        state.waiting = true;
        if state.thread.is_none() {
            state.thread = spawn();
        }
        self.changed.notify_all();
        state.thread.is_some()
    }

    /// The body of the thread.
    pub fn serve(&self, index: &Index) {
        let mut state = self.state.lock();
        loop {
            if state.waiting {
                state.waiting = false;
                drop(state);
                self.catch_up(index);
                state = self.state.lock();
            } else if state.stopping {
                return;
            } else {
                self.changed.wait(&mut state);
            }
        }
    }

    /// Ends the thread when it has done what is waiting.
    pub fn stop(&self) {
        let thread = {
            let mut state = self.state.lock();
            state.stopping = true;
            self.changed.notify_all();
            state.thread.take()
        };
        if let Some(thread) = thread {
            // It panics nowhere; and if it did, the next open makes the files.
            let _ = thread.join();
        }
    }

    /// In a forked child, where the thread does not exist.
    pub fn forget_thread(&self) {
        if let Some(mut state) = self.state.try_lock() {
            std::mem::forget(state.thread.take());
        }
    }

    /// Puts every part that is in no file yet into one. A failure is kept, and the parts stay in memory.
    pub fn catch_up(&self, index: &Index) {
        let _making = self.making.lock();
        self.state.lock().failed = None;
        let work = || {
            while let Some(part) = index.first_collected() {
                part.collected().map_or(Ok(()), |tail| self.seal(index, tail))?;
            }
            self.extend_runs(index)
        };
        // Kept for whoever asks: nobody waits for this.
        let _ = self.keep_failure(work());
    }

    /// Writes the index of the tail, whose segment is not sealed: so that the next open need not read it. After a failure that open reads more.
    pub fn save_tail(&self, index: &Index) {
        let _making = self.making.lock();
        let tail = index.with_tail(|tail| tail.clone());
        let _ = self.keep_failure(self.seal(index, &tail));
    }

    /// Indexes a segment again whose file has other metadata keys.
    pub fn reindex(&self, index: &Index, tail: &Tail) -> Result<()> {
        let _making = self.making.lock();
        self.keep_failure(self.seal(index, tail))
    }

    /// Keeps a failure for `failure`. What the disk refuses is for the next open to make, and no error.
    fn keep_failure(&self, outcome: Result<()>) -> Result<()> {
        let Err(error) = outcome else { return Ok(()) };
        self.state.lock().failed = Some(error.clone());
        if matches!(error, Error::Storage(_)) { Ok(()) } else { Err(error) }
    }

    fn seal(&self, index: &Index, tail: &Tail) -> Result<()> {
        let home = index.home();
        let storage = home.storage.as_ref();
        let span = tail.span();
        let keys = tail.keys();
        // Asking it maps its file, which is about to be replaced.
        let base = index.base_of(tail);
        let base = base.as_ref().and_then(|base| base.sealed());
        let made_from = match base {
            Some(base) => base.with(|layout| content(Some(layout), tail, &keys, None))?,
            None => {
                content(None, tail, &keys, None).ok_or(Error::EventNotFound { reference: span.first.to_string() })?
            }
        };
        let before = base.map(Sealed::entry);
        let steering = before.map_or(&[][..], |entry| &entry.steering).iter().chain(tail.steering());
        let count = before.map_or(0, |entry| entry.span.count) + span.count;
        let mut entry = IndexEntry {
            span: Span { first: span.segment, count, ..span },
            made: Made { bytes: 0, digest: [0; 32] },
            steering: steering.copied().collect(),
            opened: tail.opened().or_else(|| before.and_then(|entry| entry.opened)),
            keys,
        };
        let path = catalog::index_path(span.segment);
        cache::write(
            storage,
            &path,
            &home.journal_id,
            |writer| writer.write(&made_from),
            |made| {
                entry.made = made;
                self.heads.lock().append_cache(&Cache::Index(entry.clone()))
            },
        )?;
        index.replace(Arc::new(Sealed::new(Arc::clone(home), entry)));
        Ok(())
    }

    /// Makes the runs of entity heads anew. For whoever found one damaged.
    pub fn remake_runs(&self, index: &Index) -> Result<()> {
        let _making = self.making.lock();
        index.set_runs(Runs::default());
        self.extend_runs(index)
    }

    /// Has the runs reach as far as the sealed segments.
    pub fn complete_runs(&self, index: &Index) -> Result<()> {
        let _making = self.making.lock();
        self.keep_failure(self.extend_runs(index))
    }

    fn extend_runs(&self, index: &Index) -> Result<()> {
        let tail_segment = index.tail_span().segment;
        let mut made = false;
        for part in index.parts_from(index.runs().end()) {
            let span = part.span();
            let Some(sealed) = part.sealed().filter(|_| span.segment != tail_segment) else { break };
            let heads = sealed.heads()?;
            let runs = match self.merge(index, &heads, span.next()) {
                Err(Error::IndexDamaged { .. }) => {
                    // Nothing is lost: what the runs knew is in the indexes of the segments.
                    index.set_runs(Runs::default());
                    return self.extend_runs(index);
                }
                other => other?,
            };
            index.set_runs(runs);
            made = true;
        }
        if made {
            remove_stray(index.home().storage.as_ref(), &index.runs())?;
        }
        Ok(())
    }

    /// The runs with one more, which takes in those before it that are not much larger: so there are few, and each entry is written few times.
    fn merge(&self, index: &Index, heads: &Vec<HeadEntry>, end: u64) -> Result<Runs> {
        let home = index.home();
        let storage = home.storage.as_ref();
        let mut runs = index.runs();
        let (mut entities, mut kept) = (heads.len(), runs.runs.len());
        while let Some(last) =
            kept.checked_sub(1).and_then(|at| runs.runs.get(at)).filter(|run| run.len() <= 2 * entities)
        {
            entities += last.len();
            kept -= 1;
        }
        let taken = runs.runs.split_off(kept);
        let mut entry = RunEntry { first: runs.end(), end, made: Made { bytes: 0, digest: [0; 32] } };
        let sources = taken.iter().map(|run| run.as_ref() as &dyn Source).chain([heads as &dyn Source]);
        storage.create_directory(HEADS_DIRECTORY)?;
        let path = entry.path();
        cache::write(
            storage,
            &path,
            &home.journal_id,
            |writer| write_merged(Merge::new(sources), writer),
            |made| {
                entry.made = made;
                self.heads.lock().append_cache(&Cache::Run(entry.clone()))
            },
        )?;
        let map = home.storage.map(&path)?;
        let run = CacheFile::of_map(map, &home.journal_id, &entry.made).and_then(|file| Run::new(entry, file));
        runs.runs.push(Arc::new(run.ok_or_else(|| Error::IndexDamaged { file: storage.describe(&path) })?));
        Ok(runs)
    }
}

fn write_merged(mut merge: Merge<'_>, writer: &mut CacheWriter<'_>) -> Result<()> {
    let damaged = || Error::IndexDamaged { file: HEADS_DIRECTORY.to_owned() };
    while let Some(entry) = merge.advance().ok_or_else(damaged)? {
        writer.write(&entry.encode())?;
    }
    Ok(())
}

/// Maps the runs that tile the events from 0 on, as the entries tell; `None` if a file is missing or not what it should be.
pub(crate) fn find_runs(index: &Index, caches: &[Cache]) -> Option<Runs> {
    let home = index.home();
    let entries: Vec<&RunEntry> = caches.iter().filter_map(Cache::run).collect();
    let Some(last) = entries.last() else { return Some(Runs::default()) };
    let (mut runs, mut end) = (Vec::new(), last.end);
    while end > 0 {
        let entry = *entries.iter().rev().find(|entry| entry.end == end)?;
        let map = home.storage.map(&entry.path()).ok()?;
        let file = CacheFile::of_map(map, &home.journal_id, &entry.made)?;
        runs.push(Arc::new(Run::new(entry.clone(), file)?));
        if entry.first >= end {
            return None;
        }
        end = entry.first;
    }
    runs.reverse();
    Some(Runs { runs })
}

/// Removes files from `heads/` that no run needs any more.
fn remove_stray(storage: &dyn Storage, runs: &Runs) -> Result<()> {
    for name in missing_is_none(storage.list(HEADS_DIRECTORY))?.unwrap_or_default() {
        if !runs.runs.iter().any(|run| run.entry.name() == name) {
            remove_if_there(storage, &format!("{HEADS_DIRECTORY}/{name}"))?;
        }
    }
    Ok(())
}
