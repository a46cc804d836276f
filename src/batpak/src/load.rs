//! Reads a journal: what its index files know is taken from them, and only the end of the log is read. Decides nothing that changes a byte.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crate::catalog::{Cache, IndexEntry, index_name, is_index};
use crate::error::{Anchor, Error, Result};
use crate::files::Files;
use crate::frontier;
use crate::header::Header;
use crate::heads::{self, Head, Heads, Reason};
use crate::index::{Home, Index, Part, Runs, Sealed, Span, Tail};
use crate::merkle::Tree;
use crate::meta;
use crate::order::Order;
use crate::proof::anchors::{anchored, changed};
use crate::proof::vouched::check_frames;
use crate::read;
use crate::recovery::{Decision, Situation, decide};
use crate::replay::{self, Replay};
use crate::scan::{Ending, Scan, written_so};
use crate::segment::{self, DIRECTORY, SEGMENT_HEADER_BYTES};
use crate::storage::{Mode, Storage, is_unfinished, missing_is_none, read_all};
use crate::system::Substrate;

/// A journal as it lies on disk.
#[derive(Debug)]
pub struct Loaded {
    /// The lineage.
    pub journal_id: [u8; 16],
    /// Where every event is.
    pub index: Index,
    /// What the next event must follow.
    pub order: Order,
    /// What the journal's own events say.
    pub substrate: Substrate,
    /// What the `checkpoints` file holds.
    pub heads: Heads,
    /// The tree up to the last head or checkpoint.
    pub tree: Tree,
    /// What the `frontier` file held.
    pub frontier: frontier::Found,
    /// Number of events known synced.
    pub durable: u64,
    /// The last segment.
    pub last: LastSegment,
    /// What is wrong with `journal.meta`, which is only a copy.
    pub meta_flaw: Option<Error>,
    /// Sealed segments whose index file is missing or has not the size that it should have.
    pub missing: Vec<u64>,
    /// Sealed segments whose index has other metadata keys than those declared.
    pub stale: Vec<u64>,
}

/// The last segment, and how it ends.
#[derive(Debug)]
pub struct LastSegment {
    /// Its name.
    pub first_sequence: u64,
    /// Seeds its CRCs.
    pub nonce: [u8; 16],
    /// The end of its last valid frame.
    pub end: u64,
    /// What is to be done about what is between the two.
    pub decision: Decision,
    /// The bytes between the two, if they are to be set aside.
    pub tail: Vec<u8>,
}

/// What lies in `segments/`.
#[derive(Clone, Debug, Default)]
struct Listed {
    /// First sequences and bytes of the segments, ascending.
    logs: Vec<(u64, u64)>,
    /// Names and bytes of index files.
    indexes: Vec<(String, u64)>,
}

/// A foreign file is an error: it may be somebody's only copy of something.
///
/// A file that is made while a directory is listed may be missing in the list although a later one is in it. So the newest segment is found
/// first: those before it were there when the list was begun, and what is newer is left out.
fn listed(storage: &dyn Storage) -> Result<Listed> {
    let names = missing_is_none(storage.list(DIRECTORY))?.unwrap_or_default();
    let newest = names.iter().filter_map(|name| segment::first_sequence_of(name)).max();
    let mut listed = Listed::default();
    for (name, bytes) in missing_is_none(storage.lengths(DIRECTORY))?.unwrap_or_default() {
        match segment::first_sequence_of(&name) {
            Some(first) if Some(first) > newest => {}
            Some(first) => listed.logs.push((first, bytes)),
            None if is_index(&name) => listed.indexes.push((name, bytes)),
            None if is_unfinished(&name) => {}
            None => {
                return Err(Error::Damaged {
                    file: storage.describe(&format!("{DIRECTORY}/{name}")),
                    offset: 0,
                    sequence: None,
                    reason: "a file that is not a segment lies among the segments; move it away".to_owned(),
                });
            }
        }
    }
    listed.logs.sort_unstable();
    Ok(listed)
}

/// The segments' first sequences, ascending.
pub fn segment_names(storage: &dyn Storage) -> Result<Vec<u64>> {
    Ok(listed(storage)?.logs.into_iter().map(|(first, _)| first).collect())
}

/// The lineage, as the first segment names it.
pub fn journal_id(storage: &dyn Storage, starts: &[u64]) -> Result<[u8; 16]> {
    let damaged = |reason: &str| Error::Damaged {
        file: storage.describe(&segment::path(0)),
        offset: 0,
        sequence: Some(0),
        reason: reason.to_owned(),
    };
    if starts.first() != Some(&0) {
        return Err(damaged("the first segment is missing"));
    }
    let file = storage.open(&segment::path(0), Mode::Read)?;
    Ok(Scan::begin(file, &storage.describe(&segment::path(0)), 0)?.header.journal_id)
}

/// How a journal is read.
#[derive(Clone, Debug)]
pub struct Loading {
    /// How the last segment is opened, and whether index files may be written.
    pub mode: Mode,
    /// The declared metadata keys, ascending; `None` for those of the newest index.
    pub keys: Option<Vec<String>>,
}

/// Reads a journal.
pub fn load(storage: &Arc<dyn Storage>, loading: &Loading) -> Result<Loaded> {
    let disk = storage.as_ref();
    // What promises how far the log reaches is read before the log: beside a running writer the log can only be further on.
    let journal_id = journal_id(disk, &segment_names(disk)?)?;
    let frontier = frontier::read(disk)?;
    let heads = read_heads(disk, &journal_id)?;
    let listed = listed(disk)?;
    // And what index files there are is read after the list: a segment that was sealed since may have one already.
    let caches = if loading.mode == Mode::Read { read_heads(disk, &journal_id)?.caches } else { heads.caches.clone() };
    let synced = match frontier {
        frontier::Found::Valid(frontier) if frontier.journal_id == journal_id => frontier.synced_through,
        _ => 0,
    };
    let home = Home {
        storage: Arc::clone(storage),
        journal_id,
        writes: loading.mode != Mode::Read,
        rebuilt: AtomicU64::new(0),
    };
    let newest_keys = caches.iter().rev().find_map(Cache::index).map(|entry| entry.keys.clone());
    let mut loader = Loader {
        home: Arc::new(home),
        mode: loading.mode,
        keys: loading.keys.clone().or(newest_keys).unwrap_or_default(),
        promised: heads.sizes().fold(synced, u64::max),
        parts: Vec::new(),
        steering: Vec::new(),
        opened: None,
        missing: Vec::new(),
        stale: Vec::new(),
    };
    let Some(((last, last_bytes), sealed)) = listed.logs.split_last() else {
        return Err(Error::NotAJournal { path: disk.describe(""), reason: "it has no segment".to_owned() });
    };
    for (position, (start, bytes)) in sealed.iter().enumerate() {
        let next = sealed.get(position + 1).map_or(*last, |(next, _)| *next);
        let span = Span { segment: *start, first: *start, count: 0, end: *bytes };
        loader.sealed(span, next, &heads, &caches, &listed)?;
    }
    let (replay, last) = loader.last(*last, *last_bytes, &caches, &listed, &heads)?;
    let Loader { home, promised, parts, steering, opened, missing, stale, .. } = loader;
    let opened = replay.tail.opened().or(opened);
    let steering: Vec<u64> = steering.iter().chain(replay.tail.steering()).copied().collect();
    let index = Index::new(home, parts, replay.tail, Runs::default());
    let substrate = substrate(storage, &journal_id, &index, &steering, opened)?;
    check_heads(disk, &index, &heads)?;
    let tree = anchored(disk, &index, &heads, &substrate)?;
    if loading.mode != Mode::Read {
        check_frames(disk, &index, &substrate, heads.stated())?;
    }
    let meta_flaw = check_meta(disk, &index).err();
    let frontier = match frontier {
        frontier::Found::Valid(found) if found.journal_id != journal_id => frontier::Found::Damaged,
        other => other,
    };
    let heads = Heads { caches, ..heads };
    let order = replay.order;
    let durable = promised;
    Ok(Loaded { journal_id, index, order, substrate, heads, tree, frontier, durable, last, meta_flaw, missing, stale })
}

fn read_heads(storage: &dyn Storage, journal_id: &[u8; 16]) -> Result<Heads> {
    heads::read(storage, journal_id)?.ok_or_else(|| Error::Damaged {
        file: storage.describe(heads::NAME),
        offset: 0,
        sequence: None,
        reason: "the file is missing".to_owned(),
    })
}

struct Loader {
    home: Arc<Home>,
    mode: Mode,
    keys: Vec<String>,
    /// Number of events that something says were synced.
    promised: u64,
    parts: Vec<Arc<dyn Part>>,
    steering: Vec<u64>,
    opened: Option<u64>,
    missing: Vec<u64>,
    stale: Vec<u64>,
}

/// The newest entry about the index of a segment.
fn entry_of(caches: &[Cache], segment: u64) -> Option<&IndexEntry> {
    caches.iter().rev().filter_map(Cache::index).find(|entry| entry.span.segment == segment)
}

impl Loader {
    fn damaged(&self, segment: u64, offset: u64, sequence: u64, reason: &str) -> Error {
        Error::Damaged {
            file: self.home.storage.describe(&segment::path(segment)),
            offset,
            sequence: Some(sequence),
            reason: reason.to_owned(),
        }
    }

    /// Whether the file of an index is there, as large as it should be.
    fn is_there(entry: &IndexEntry, listed: &Listed) -> bool {
        let name = index_name(entry.span.segment);
        listed.indexes.binary_search(&(name, entry.made.bytes)).is_ok()
    }

    /// Takes in a sealed segment without reading it, if its index is known.
    fn sealed(&mut self, span: Span, next: u64, heads: &Heads, caches: &[Cache], listed: &Listed) -> Result<()> {
        let start = span.first;
        let count = next.checked_sub(start).and_then(|count| u32::try_from(count).ok()).filter(|count| *count > 0);
        let count = count.ok_or_else(|| self.damaged(next, 0, start, "the segment's name cannot be"))?;
        let mut span = Span { count, ..span };
        let sealed_as = heads.heads.iter().rev().find(|(_, head)| head.tree.size() == next).map(|(_, head)| head);
        if sealed_as.is_none_or(|head| head.segment_length != span.end) {
            // A writer beside this one may have sealed it while the folder was listed.
            span.end = self.home.storage.open(&segment::path(start), Mode::Read)?.length()?;
        }
        if let Some(head) = sealed_as.filter(|head| head.segment_length != span.end) {
            let offset = head.segment_length.min(span.end);
            return Err(self.damaged(start, offset, start, "the segment has not the length that it was sealed with"));
        }
        self.promised = self.promised.max(next);
        match entry_of(caches, start) {
            Some(entry) if entry.span == span => {
                self.steering.extend_from_slice(&entry.steering);
                self.opened = entry.opened.or(self.opened);
                let home = Arc::clone(&self.home);
                if entry.keys != self.keys && self.mode != Mode::Read {
                    self.stale.push(start);
                } else if !Self::is_there(entry, listed) {
                    self.missing.push(start);
                }
                self.parts.push(Arc::new(Sealed::new(home, entry.clone())));
            }
            _ => {
                let tail = replay::segment(self.home.storage.as_ref(), &span, &self.keys)?;
                self.steering.extend_from_slice(tail.steering());
                self.opened = tail.opened().or(self.opened);
                self.missing.push(start);
                self.parts.push(Arc::new(tail));
            }
        }
        Ok(())
    }

    /// Reads the last segment, but for what an index of it knows that was written at a clean close.
    fn last(
        &mut self,
        start: u64,
        bytes: u64,
        caches: &[Cache],
        listed: &Listed,
        heads: &Heads,
    ) -> Result<(Replay, LastSegment)> {
        let path = segment::path(start);
        let storage = Arc::clone(&self.home.storage);
        let name = storage.describe(&path);
        let mut scan = Scan::begin(storage.open(&path, self.mode)?, &name, start)?;
        if scan.header.journal_id != self.home.journal_id {
            return Err(self.damaged(start, 12, start, "the segment belongs to another journal"));
        }
        let known = entry_of(caches, start);
        let known = known.filter(|entry| {
            let usable = entry.span.count > 0 && entry.span.end <= bytes && entry.keys == self.keys;
            usable && Self::is_there(entry, listed)
        });
        let (mut first, mut end) = (start, SEGMENT_HEADER_BYTES as u64);
        if let Some(entry) = known {
            (first, end) = (entry.span.next(), entry.span.end);
            self.steering.extend_from_slice(&entry.steering);
            self.opened = entry.opened.or(self.opened);
            self.parts.push(Arc::new(Sealed::new(Arc::clone(&self.home), entry.clone())));
            scan.resume_at(end);
        }
        let order = self.order_before(first)?;
        let mut replay = Replay::new(Tail::new(start, first, end, &self.keys), order);
        let ending = loop {
            while let Some(frame) = scan.next_frame()? {
                replay.frame(&frame, &name)?;
            }
            let ending = scan.ending()?;
            if ending != Ending::Other {
                break ending;
            }
            let behind = scan.synced_behind_damage()?;
            // A writer beside this one may have finished the frame since: then a later one is no sign of damage.
            if behind > replay.order.next_sequence && scan.reread()? {
                continue;
            }
            self.promised = self.promised.max(behind);
            break ending;
        };
        self.promised = self.promised.max(replay.synced);
        let sequence = replay.order.next_sequence;
        let decision = decide(Situation { last: true, below_promise: sequence < self.promised, ending });
        if decision == Decision::RefuseMissing
            && let Some((_, checkpoint)) = heads.checkpoints.last().filter(|(_, last)| last.size > sequence)
        {
            return Err(changed(Anchor::Checkpoint, checkpoint, (sequence, None)));
        }
        let reason = match decision {
            Decision::RefuseMissing => "events end here that are known to have been synced further on",
            Decision::RefuseNewer => "a newer version of batpak wrote what follows; upgrade batpak",
            Decision::RefuseDamaged => "bytes that were synced are damaged or were changed",
            Decision::Clean | Decision::CutZeros | Decision::SetAside => {
                let tail = if decision == Decision::SetAside { scan.tail()? } else { Vec::new() };
                let nonce = scan.header.nonce;
                return Ok((replay, LastSegment { first_sequence: start, nonce, end: scan.offset(), decision, tail }));
            }
        };
        Err(self.damaged(start, scan.offset(), sequence, reason))
    }

    /// What the first event that is read must follow.
    fn order_before(&self, first: u64) -> Result<Order> {
        let Some(last) = first.checked_sub(1) else { return Ok(Order::new(0, Some(self.home.journal_id))) };
        let parts =
            Index::new(Arc::clone(&self.home), self.parts.clone(), Tail::new(first, first, 0, &[]), Runs::default());
        let event = read::event_at(self.home.storage.as_ref(), &parts.location(last)?)?;
        Ok(Order::after(&Header::decode(event.header())?))
    }
}

/// Reads the journal's own events that steer it.
pub(crate) fn substrate(
    storage: &Arc<dyn Storage>,
    journal_id: &[u8; 16],
    index: &Index,
    steering: &[u64],
    opened: Option<u64>,
) -> Result<Substrate> {
    let mut substrate = Substrate { journal_id: *journal_id, ..Substrate::default() };
    let files = Files::new(Arc::clone(storage));
    let mut accept = |sequence: u64| {
        let location = index.location(sequence)?;
        let event = read::event(&files, &location)?;
        substrate.accept(&event.journal_id, event.kind, sequence, event.payload()).map_err(|error| {
            written_so(storage.describe(&segment::path(location.segment)), location.offset, sequence, &error)
        })
    };
    for sequence in steering {
        accept(*sequence)?;
    }
    opened.map_or(Ok(()), accept)?;
    if steering.is_empty() && !index.is_empty() {
        let reason = "the first event is not `created`";
        let error = Error::InvalidEncoding { what: "journal", offset: 0, reason };
        return Err(written_so(storage.describe(&segment::path(0)), SEGMENT_HEADER_BYTES as u64, 0, &error));
    }
    Ok(substrate)
}

/// Whether the heads fit the log that they speak of: the last one, and those about events that were read just now. The others
/// were written when their segment was sealed, whose length was compared; `verify` checks them all.
fn check_heads(storage: &dyn Storage, index: &Index, heads: &Heads) -> Result<()> {
    let read_from = index.tail_span().first;
    let count = heads.heads.len();
    for (position, (offset, head)) in heads.heads.iter().enumerate() {
        if head.tree.size() > read_from || position + 1 == count {
            check_head(storage, index, *offset, head)?;
        }
    }
    Ok(())
}

/// Whether a head fits the log that it speaks of.
fn check_head(storage: &dyn Storage, index: &Index, offset: u64, head: &Head) -> Result<()> {
    let last = head.tree.size() - 1;
    let fits = last < index.len() && {
        let location = index.location(last)?;
        location.hash == head.last_event_hash
            && location.segment == head.segment_first_sequence
            && location.offset + u64::from(location.length) == head.segment_length
            && head.has_own_root()
    };
    if fits {
        return Ok(());
    }
    Err(Error::Damaged {
        file: storage.describe(heads::NAME),
        offset,
        sequence: Some(last),
        reason: "this head does not fit the log: one of the two was changed".to_owned(),
    })
}

/// Whether `journal.meta` is the copy of event 0 that it should be.
fn check_meta(storage: &dyn Storage, index: &Index) -> Result<()> {
    let damaged = |reason: &str| Error::Damaged {
        file: storage.describe(meta::NAME),
        offset: 0,
        sequence: Some(0),
        reason: format!("{reason}; open with rebuild_meta=True to write it anew from event 0"),
    };
    let file = missing_is_none(storage.open(meta::NAME, Mode::Read))?.ok_or_else(|| damaged("the file is missing"))?;
    let bytes = read_all(file.as_ref())?;
    let copy = meta::decode(&bytes, &storage.describe(meta::NAME))?;
    let original = if index.is_empty() { None } else { Some(read::event_at(storage, &index.location(0)?)?) };
    if original.as_ref().map(read::Event::record) == Some(copy) {
        Ok(())
    } else {
        Err(damaged("it is not a copy of event 0"))
    }
}

/// Whether the last segment was sealed, and its successor never begun.
pub(crate) fn ends_sealed(loaded: &Loaded) -> bool {
    loaded.heads.heads.last().is_some_and(|(_, head)| {
        head.reason == Reason::Sealed
            && head.segment_first_sequence == loaded.last.first_sequence
            && head.tree.size() == loaded.index.len()
    })
}
