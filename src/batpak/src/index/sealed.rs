//! The index of a segment in its file: mapped when it is first asked, and made again from the log if it does not hold what was promised.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::RwLock;

use super::layout::{self, Layout};
use super::part::{Field, Numbered, Part, Place, Span, Wanted};
use super::runs::HeadEntry;
use super::set::Set;
use crate::cache::{self, CacheFile};
use crate::catalog::{IndexEntry, index_path};
use crate::error::{Error, Result};
use crate::event_id::EventId;
use crate::hash::Hash;
use crate::replay;
use crate::segment;
use crate::storage::Storage;

/// What the parts of one journal share.
#[derive(Debug)]
pub struct Home {
    /// Where the files are.
    pub storage: Arc<dyn Storage>,
    /// The lineage.
    pub journal_id: [u8; 16],
    /// Whether files may be written.
    pub writes: bool,
    /// Index files that had to be made again since open.
    pub rebuilt: AtomicU64,
}

/// The index of one segment, or of its first events.
#[derive(Debug)]
pub struct Sealed {
    home: Arc<Home>,
    /// What `checkpoints` says of it.
    entry: IndexEntry,
    /// Locked while the file is mapped or made again.
    layout: RwLock<Option<Arc<Layout>>>,
    /// The id of the first event, once it was asked: what a search for an id asks of one part after the other.
    first_id: OnceLock<EventId>,
}

impl Sealed {
    /// Touches nothing yet.
    #[must_use]
    pub const fn new(home: Arc<Home>, entry: IndexEntry) -> Self {
        Self { home, entry, layout: RwLock::new(None), first_id: OnceLock::new() }
    }

    /// What `checkpoints` says of it.
    #[must_use]
    pub const fn entry(&self) -> &IndexEntry {
        &self.entry
    }

    /// Asks the content; a part of it that does not fit its digest has everything made again.
    pub fn with<T>(&self, ask: impl Fn(&Layout) -> Option<T>) -> Result<T> {
        let known = self.layout.read().clone();
        let layout = known.map_or_else(|| self.map(), Ok)?;
        if let Some(answer) = ask(&layout) {
            return Ok(answer);
        }
        let layout = self.rebuild(Some(&layout))?;
        ask(&layout).ok_or_else(|| self.damaged("the log does not hold what its index must know"))
    }

    fn damaged(&self, reason: &str) -> Error {
        Error::Damaged {
            file: self.home.storage.describe(&segment::path(self.entry.span.segment)),
            offset: self.entry.span.end,
            sequence: Some(self.entry.span.first),
            reason: reason.to_owned(),
        }
    }

    fn map(&self) -> Result<Arc<Layout>> {
        let mut slot = self.layout.write();
        if let Some(layout) = &*slot {
            return Ok(Arc::clone(layout));
        }
        if let Ok(map) = self.home.storage.map(&index_path(self.entry.span.segment))
            && let Some(layout) = CacheFile::of_map(map, &self.home.journal_id, &self.entry.made).and_then(Layout::new)
            && layout.span == self.entry.span
            && layout.keys == self.entry.keys
        {
            let layout = Arc::new(layout);
            *slot = Some(Arc::clone(&layout));
            return Ok(layout);
        }
        drop(slot);
        self.rebuild(None)
    }

    /// Makes the content again from the log, unless another thread has just replaced the one that was `bad`.
    fn rebuild(&self, bad: Option<&Arc<Layout>>) -> Result<Arc<Layout>> {
        let mut slot = self.layout.write();
        if let Some(layout) = &*slot
            && bad.is_none_or(|bad| !Arc::ptr_eq(bad, layout))
        {
            return Ok(Arc::clone(layout));
        }
        let tail = replay::segment(self.home.storage.as_ref(), &self.entry.span, &self.entry.keys)?;
        let content = layout::content(None, &tail, &self.entry.keys, None);
        let content = content.ok_or_else(|| self.damaged("the log does not hold what its index must know"))?;
        if cache::made(&self.home.journal_id, &content)? != self.entry.made {
            return Err(self.damaged("the log is not the one that was indexed when the segment was sealed"));
        }
        if self.home.writes {
            // A refusal costs the next open the same work again, and nothing else.
            let _ = cache::write(
                self.home.storage.as_ref(),
                &index_path(self.entry.span.segment),
                &self.home.journal_id,
                |writer| writer.write(&content),
                // What it is stands in `checkpoints` already.
                |_| Ok(()),
            );
        }
        let layout = Layout::new(CacheFile::of_content(content));
        let layout = Arc::new(layout.ok_or_else(|| self.damaged("the log does not fit an index"))?);
        *slot = Some(Arc::clone(&layout));
        self.home.rebuilt.fetch_add(1, Ordering::Relaxed);
        Ok(layout)
    }

    fn event<T>(&self, number: u32, ask: impl Fn(&Layout) -> Option<T>) -> Result<T> {
        if number >= self.entry.span.count {
            let sequence = self.entry.span.first + u64::from(number);
            return Err(Error::EventNotFound { reference: sequence.to_string() });
        }
        self.with(ask)
    }
}

impl Part for Sealed {
    fn span(&self) -> Span {
        self.entry.span
    }

    fn sealed(&self) -> Option<&Sealed> {
        Some(self)
    }

    fn record(&self, number: u32) -> Result<(Place, Hash)> {
        self.event(number, |layout| layout.record(number))
    }

    fn id(&self, number: u32) -> Result<EventId> {
        if let (0, Some(id)) = (number, self.first_id.get()) {
            return Ok(*id);
        }
        let id = self.event(number, |layout| layout.id(number))?;
        Ok(if number == 0 { *self.first_id.get_or_init(|| id) } else { id })
    }

    fn lower_bound(&self, id: &EventId) -> Result<u32> {
        self.with(|layout| layout.lower_bound_of_id(id))
    }

    fn with_id(&self, id: &EventId) -> Result<Option<Numbered>> {
        self.with(|layout| layout.with_id(id))
    }

    fn records(&self, numbers: &[u32]) -> Result<Vec<(Place, Hash)>> {
        let last = numbers.iter().max().copied().unwrap_or_default();
        self.event(last, |layout| numbers.iter().map(|number| layout.record(*number)).collect())
    }

    fn hashes(&self, number: u32, count: usize) -> Result<Vec<Hash>> {
        self.event(number, |layout| layout.hashes(number, count))
    }

    fn nodes(&self, height: u32, numbers: &Range<u64>) -> Result<Option<Vec<Hash>>> {
        self.with(|layout| {
            let here = layout.has_nodes(height, numbers);
            if here { layout.nodes(height, numbers).map(Some) } else { Some(None) }
        })
    }

    fn find(&self, field: &Field, wanted: &[Wanted]) -> Result<Option<Set>> {
        self.with(|layout| if layout.has(field) { layout.find(field, wanted).map(Some) } else { Some(None) })
    }

    fn terms(&self, field: &Field) -> Result<Vec<Vec<u8>>> {
        self.with(|layout| layout.terms(field))
    }

    fn heads(&self) -> Result<Vec<HeadEntry>> {
        self.with(Layout::heads)
    }
}
