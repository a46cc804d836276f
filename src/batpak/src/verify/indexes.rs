//! Whether the index files are those that the log makes: collected again while the log is checked, and compared to the byte.

use crate::cache::{self, CacheFile, CacheWriter, Made};
use crate::catalog::{Caches, IndexEntry, RunEntry, index_path};
use crate::error::Result;
use crate::hash::Hash;
use crate::header::Header;
use crate::heads;
use crate::index::runs::{HeadEntry, Merge, Source};
use crate::index::{Entry, Layout, Part as _, Tail, content, heads_of};
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
    /// The segment at hand, until its index is complete.
    collected: Option<(IndexEntry, Tail)>,
    /// The last event of each entity of each segment whose index was complete, with the sequence after its last.
    heads: Vec<(u64, u64, Vec<HeadEntry>)>,
    checked: u64,
    /// Number of entries that there were.
    told: usize,
}

/// The newest entries that a reader would use.
fn newest(caches: &[Caches]) -> (Vec<IndexEntry>, Vec<RunEntry>) {
    let mut entries = std::collections::BTreeMap::new();
    for entry in caches.iter().filter_map(|caches| caches.index.clone()) {
        entries.insert(entry.span.segment, entry);
    }
    let all: Vec<&RunEntry> = caches.iter().filter_map(|caches| caches.run.as_ref()).collect();
    let mut runs = Vec::new();
    let mut end = all.last().map_or(0, |run| run.end);
    while let Some(run) = all.iter().rev().find(|run| run.end == end && run.first < end) {
        runs.push((*run).clone());
        end = run.first;
    }
    (entries.into_values().collect(), runs)
}

impl<'a> Indexes<'a> {
    pub fn new(storage: &'a dyn Storage, journal_id: [u8; 16], caches: &[Caches]) -> Self {
        let (entries, runs) = newest(caches);
        Self { storage, journal_id, entries, runs, collected: None, heads: Vec::new(), checked: 0, told: caches.len() }
    }

    /// A segment begins.
    pub fn segment(&mut self, start: u64) {
        let entry = self.entries.iter().find(|entry| entry.span.segment == start && entry.span.count > 0);
        self.collected =
            entry.map(|entry| (entry.clone(), Tail::new(start, start, SEGMENT_HEADER_BYTES as u64, &entry.keys)));
    }

    /// An event that could not be read: nothing can be said of this segment's index.
    pub fn give_up(&mut self) {
        self.collected = None;
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
        let Some((entry, tail)) = &mut self.collected else { return Ok(()) };
        tail.push(&Entry {
            offset,
            length,
            id: header.stamp.event_id,
            hash,
            entity: header.entity,
            clock: header.stamp.clock,
            scope: header.scope,
            kind: header.kind,
            correlation: header.correlation_id,
            metadata: &header.metadata,
        });
        if tail.span().count < entry.span.count {
            return Ok(());
        }
        match self.collected.take() {
            Some((entry, tail)) => self.compare(&entry, &tail, verdict),
            None => Ok(()),
        }
    }

    fn compare(&mut self, entry: &IndexEntry, tail: &Tail, verdict: &mut Verification) -> Result<()> {
        let Some(content) = content(None, tail, &entry.keys) else { return Ok(()) };
        let made = cache::made(&self.journal_id, &content)?;
        let told = entry.span == tail.span() && entry.steering == tail.steering() && entry.opened == tail.opened();
        let path = index_path(entry.span.segment);
        self.judge(made == entry.made && told, &path, &made, entry.span.segment, verdict)?;
        let heads = Layout::new(CacheFile::of_content(content)).and_then(|layout| heads_of(&layout));
        self.heads.push((entry.span.first, entry.span.next(), heads.unwrap_or_default()));
        Ok(())
    }

    /// Compares what is told of a file, and the file itself, with what the log makes.
    fn judge(&mut self, told: bool, path: &str, made: &Made, sequence: u64, verdict: &mut Verification) -> Result<()> {
        let whole = missing_is_none(self.storage.map(path))?.map(|map| {
            CacheFile::of_map(map, &self.journal_id, made).is_some_and(|file| file.get(0..file.len()).is_some())
        });
        // A writer may have replaced the file since `checkpoints` was read.
        if (!told || whole == Some(false)) && self.is_outdated() {
            return Ok(());
        }
        self.checked += 1;
        let mut find = |file: String, message: &str| {
            verdict.find(Finding {
                axis: "indexes",
                code: "index_mismatch",
                message: message.to_owned(),
                file: Some(file),
                offset: Some(0),
                sequence: Some(sequence),
            });
        };
        if !told {
            find(self.storage.describe(heads::NAME), "what it tells of an index file is not what the log makes");
        }
        // A missing file is made again; a changed one too, but somebody or something changed it.
        if whole == Some(false) {
            find(
                self.storage.describe(path),
                "the index file is not the one that the log makes; it is made again when it is used",
            );
        }
        Ok(())
    }

    /// Whether `checkpoints` tells of other files by now.
    fn is_outdated(&self) -> bool {
        let now = heads::read(self.storage, &self.journal_id);
        matches!(now, Ok(Some(now)) if now.caches.len() != self.told)
    }

    /// Compares the runs of entity heads, and settles the axis.
    pub fn finish(mut self, verdict: &mut Verification) -> Result<()> {
        for run in std::mem::take(&mut self.runs) {
            let parts = self.heads.iter().filter(|(first, next, _)| *first >= run.first && *next <= run.end);
            let sources: Vec<&(u64, u64, Vec<HeadEntry>)> = parts.collect();
            // Complete only if the segments tile it.
            let mut at = run.first;
            for (first, next, _) in &sources {
                at = if *first == at { *next } else { u64::MAX };
            }
            if at != run.end {
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
            let nothing = self.entries.is_empty();
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
