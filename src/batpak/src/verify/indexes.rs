//! Whether the index files are those that the log makes: collected again while the log is checked, and compared to the byte.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread::JoinHandle;

use crate::cache::{self, CacheFile, CacheWriter, Made};
use crate::catalog::{Cache, IndexEntry, RunEntry, index_path};
use crate::error::Result;
use crate::hash::Hash;
use crate::header::Header;
use crate::heads;
use crate::index::runs::{HeadEntry, Merge, Source};
use crate::index::{Entry, Part as _, Tail, content};
use crate::merkle::STEP;
use crate::segment::SEGMENT_HEADER_BYTES;
use crate::storage::{Storage, missing_is_none};
use crate::verification::{Axis, Finding, Verification};

/// Collects what the index files should hold.
pub(super) struct Indexes<'a> {
    storage: &'a dyn Storage,
    journal_id: [u8; 16],
    /// The newest entry of each segment, ascending.
    entries: Vec<IndexEntry>,
    runs: Vec<RunEntry>,
    /// The segment at hand.
    collected: Option<Collected>,
    /// What `checkpoints` tells of a complete index, and whether the rest of it is true.
    making: Option<(IndexEntry, bool, Making)>,
    /// Whether no thread is to be used.
    alone: bool,
    /// Those that were read.
    segments: BTreeSet<u64>,
    /// Whether something could not be read.
    gave_up: bool,
    /// The last event of each entity of each segment whose index was complete, with the sequence after its last.
    heads: Vec<(u64, u64, Vec<HeadEntry>)>,
    checked: u64,
    /// Number of entries that there were.
    told: usize,
}

/// A segment that is being read.
struct Collected {
    /// Until it is complete.
    entry: Option<IndexEntry>,
    /// Shared with whoever makes an index of it; events behind that are added to a copy.
    tail: Arc<Tail>,
    /// The kept nodes of the tree over its events, as `merkle::nodes` gives them.
    nodes: Vec<Vec<Hash>>,
}

/// An index file that is being made again.
enum Making {
    Here(Made),
    Elsewhere(JoinHandle<Result<Made>>),
}

impl Making {
    /// In a thread of its own, unless there is to be none or none is to be had.
    fn begin(journal_id: [u8; 16], keys: Vec<String>, collected: &Collected, alone: bool) -> Result<Self> {
        let (tail, nodes) = (Arc::clone(&collected.tail), collected.nodes.clone());
        let make = move || cache::made(&journal_id, &content(None, &tail, &keys, Some(&nodes)).unwrap_or_default());
        if alone {
            return make().map(Self::Here);
        }
        let thread = std::thread::Builder::new().name("batpak-verify-index".to_owned());
        match thread.spawn(make.clone()) {
            Ok(thread) => Ok(Self::Elsewhere(thread)),
            // No thread is to be had.
            Err(_) => make().map(Self::Here),
        }
    }

    fn made(self) -> Result<Made> {
        match self {
            Self::Here(made) => Ok(made),
            Self::Elsewhere(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
        }
    }
}

/// The newest entries that a reader would use.
fn newest(caches: &[Cache]) -> (Vec<IndexEntry>, Vec<RunEntry>) {
    let mut entries = std::collections::BTreeMap::new();
    for entry in caches.iter().filter_map(Cache::index).cloned() {
        entries.insert(entry.span.segment, entry);
    }
    let all: Vec<&RunEntry> = caches.iter().filter_map(Cache::run).collect();
    let mut runs = Vec::new();
    let mut end = all.last().map_or(0, |run| run.end);
    while let Some(run) = all.iter().rev().find(|run| run.end == end && run.first < end) {
        runs.push((*run).clone());
        end = run.first;
    }
    (entries.into_values().collect(), runs)
}

impl<'a> Indexes<'a> {
    pub fn new(storage: &'a dyn Storage, journal_id: [u8; 16], caches: &[Cache], alone: bool) -> Self {
        let (entries, runs) = newest(caches);
        Self {
            storage,
            journal_id,
            entries,
            runs,
            collected: None,
            making: None,
            alone,
            segments: BTreeSet::new(),
            gave_up: false,
            heads: Vec::new(),
            checked: 0,
            told: caches.len(),
        }
    }

    /// A segment begins.
    pub fn segment(&mut self, start: u64) {
        self.segments.insert(start);
        let entry = self.entries.iter().find(|entry| entry.span.segment == start).cloned();
        let keys = entry.as_ref().map(|entry| entry.keys.clone()).unwrap_or_default();
        let wanted = entry.is_some() || !self.runs.is_empty();
        let tail = || Tail::new(start, start, SEGMENT_HEADER_BYTES as u64, &keys);
        self.collected = wanted.then(|| Collected { tail: Arc::new(tail()), nodes: Vec::new(), entry });
    }

    /// The segment was read to its end; `sealed` if another one follows.
    pub fn segment_ends(&mut self, sealed: bool, verdict: &mut Verification) -> Result<()> {
        let Some(Collected { entry, tail, .. }) = self.collected.take() else { return Ok(()) };
        if let Some(entry) = entry {
            let told = "it tells of an index of events that are not there";
            self.find(self.storage.describe(heads::NAME), told, entry.span.first, verdict);
        }
        if sealed {
            // For the runs.
            self.heads.push((tail.span().first, tail.span().next(), tail.heads()?));
        }
        Ok(())
    }

    /// An event that could not be read: nothing can be said of this segment's index.
    pub fn give_up(&mut self) {
        self.gave_up = true;
        self.collected = None;
    }

    /// The root of a perfect subtree of the tree, which begins with this event and is complete with the next `event`.
    pub fn node(&mut self, first: u64, height: u32, root: &Hash) {
        let Some(Collected { tail, nodes, .. }) = &mut self.collected else { return };
        if !height.is_multiple_of(STEP) || first < tail.span().segment {
            return;
        }
        let level = (height / STEP - 1) as usize;
        if nodes.len() <= level {
            nodes.resize(level + 1, Vec::new());
        }
        nodes.iter_mut().skip(level).take(1).for_each(|level| level.push(*root));
    }

    /// The next event.
    pub fn event(
        &mut self,
        header: &Header<'_>,
        hash: Hash,
        offset: u64,
        length: u32,
        verdict: &mut Verification,
    ) -> Result<()> {
        let Some(collected) = &mut self.collected else { return Ok(()) };
        let Collected { entry, tail, .. } = collected;
        Arc::make_mut(tail).push(&Entry {
            offset,
            length,
            id: header.stamp.event_id,
            hash,
            entity: header.entity,
            clock: header.stamp.clock,
            scope: header.scope,
            kind: header.kind,
            correlation: header.correlation_id,
            causation: header.causation_id,
            key: header.idempotency_key,
            metadata: &header.metadata,
        });
        let complete = entry.take_if(|entry| tail.span().count >= entry.span.count);
        let Some(entry) = complete else { return Ok(()) };
        let told = entry.span == tail.span() && entry.steering == tail.steering() && entry.opened == tail.opened();
        let making = Making::begin(self.journal_id, entry.keys.clone(), collected, self.alone)?;
        self.judge_made(verdict)?;
        self.making = Some((entry, told, making));
        Ok(())
    }

    /// Judges the index that is being made again, if one is.
    fn judge_made(&mut self, verdict: &mut Verification) -> Result<()> {
        let Some((entry, told, making)) = self.making.take() else { return Ok(()) };
        let made = making.made()?;
        self.judge(made == entry.made && told, &index_path(entry.span.segment), &made, entry.span.segment, verdict)
    }

    fn find(&self, file: String, message: &str, sequence: u64, verdict: &mut Verification) {
        // A writer may have told of other files since `checkpoints` was read.
        if !self.is_outdated() {
            verdict.find(Finding {
                axis: "indexes",
                code: "index_mismatch",
                message: message.to_owned(),
                file: Some(file),
                offset: Some(0),
                sequence: Some(sequence),
            });
        }
    }

    /// Compares what is told of a file, and the file itself, with what the log makes.
    fn judge(&mut self, told: bool, path: &str, made: &Made, sequence: u64, verdict: &mut Verification) -> Result<()> {
        let whole = missing_is_none(self.storage.map(path))?.map(|map| {
            CacheFile::of_map(map, &self.journal_id, made).is_some_and(|file| file.get(0..file.len()).is_some())
        });
        self.checked += 1;
        if !told {
            let message = "what it tells of an index file is not what the log makes";
            self.find(self.storage.describe(heads::NAME), message, sequence, verdict);
        }
        // A missing file is made again; a changed one too, but somebody or something changed it.
        if whole == Some(false) {
            let message = "the index file is not the one that the log makes; it is made again when it is used";
            self.find(self.storage.describe(path), message, sequence, verdict);
        }
        Ok(())
    }

    /// Whether `checkpoints` tells of other files by now.
    fn is_outdated(&self) -> bool {
        let now = heads::read(self.storage, &self.journal_id);
        matches!(now, Ok(Some(now)) if now.caches.len() != self.told)
    }

    /// Compares the runs of entity heads, and settles the axis.
    pub fn finish(mut self, limit: u64, verdict: &mut Verification) -> Result<()> {
        self.judge_made(verdict)?;
        for entry in self.entries.iter().filter(|entry| entry.span.first < limit) {
            if !self.segments.contains(&entry.span.segment) && !self.gave_up {
                let told = "it tells of an index of a segment that is not there";
                self.find(self.storage.describe(heads::NAME), told, entry.span.first, verdict);
            }
        }
        for run in std::mem::take(&mut self.runs) {
            let parts = self.heads.iter().filter(|(first, next, _)| *first >= run.first && *next <= run.end);
            let sources: Vec<&(u64, u64, Vec<HeadEntry>)> = parts.collect();
            // The segments must tile it, unless one of them could not be read.
            let mut at = run.first;
            for (first, next, _) in &sources {
                at = if *first == at { *next } else { u64::MAX };
            }
            if at != run.end {
                if !self.gave_up && run.end < limit {
                    let told = "it tells of a run of entity heads that is not of whole sealed segments";
                    self.find(self.storage.describe(heads::NAME), told, run.first, verdict);
                }
                continue;
            }
            let mut merge = Merge::new(sources.iter().map(|(_, _, heads)| heads as &dyn Source));
            let made = CacheWriter::digest(&self.journal_id, |writer| {
                while let Some(Some(entry)) = merge.advance() {
                    writer.write(&entry.encode())?;
                }
                Ok(())
            })?;
            self.judge(made == run.made, &run.path(), &made, run.first, verdict)?;
        }
        if verdict.axes.indexes != Axis::Failed {
            let nothing = self.entries.is_empty() && self.told == 0;
            let complete = self.checked >= self.entries.len() as u64;
            verdict.axes.indexes = match (nothing, complete) {
                (true, _) => Axis::Absent,
                (false, true) => Axis::Passed,
                (false, false) => Axis::NotChecked,
            };
        }
        Ok(())
    }
}
