//! A reader beside the writer: takes in what was written since, and notices when recovery cut what it had seen. It writes nothing.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::catalog::Cache;
use crate::error::{Error, Result};
use crate::frontier;
use crate::heads;
use crate::index::{Index, Sealed, Tail};
use crate::inner::Inner;
use crate::load::{Loaded, Loading, load};
use crate::order::Order;
use crate::read;
use crate::replay::Replay;
use crate::scan::Scan;
use crate::segment::{self, SEGMENT_HEADER_BYTES};
use crate::storage::{Mode, missing_is_none};

/// How far a reader has come.
#[derive(Debug)]
pub(crate) struct Reader {
    /// What the next event must follow.
    order: Order,
}

impl Reader {
    pub fn new(loaded: &Loaded) -> Self {
        Self { order: loaded.order.clone() }
    }

    /// Takes in what is there now.
    pub fn refresh(&mut self, inner: &Inner) -> Result<()> {
        if let frontier::Found::Valid(frontier) = frontier::read(inner.storage.as_ref())?
            && frontier.journal_id == inner.journal_id
        {
            inner.durable_seen.fetch_max(frontier.synced_through, Ordering::AcqRel);
        }
        if !last_stands(inner)? {
            return self.rewind(inner);
        }
        loop {
            let (read, stands) = self.extend(inner)?;
            if !stands {
                return self.rewind(inner);
            }
            if read {
                continue;
            }
            // The next segment is named after the next event. It exists only once this one is complete, so this one is read once more.
            let next = inner.index.len();
            let empty = inner.index.tail_span().segment == next;
            if empty || missing_is_none(inner.storage.open(&segment::path(next), Mode::Read))?.is_none() {
                break;
            }
            let (read, stands) = self.extend(inner)?;
            if !stands {
                return self.rewind(inner);
            }
            if !read {
                // It was synced before its successor was begun.
                inner.durable_seen.fetch_max(next, Ordering::AcqRel);
                inner.index.begin_segment(next, SEGMENT_HEADER_BYTES as u64);
            }
        }
        adopt_indexes(inner)
    }

    /// Reads the frames behind the last one; returns whether there were any, and whether what came before them still stands.
    fn extend(&mut self, inner: &Inner) -> Result<(bool, bool)> {
        let known = inner.index.tail_span();
        let path = segment::path(known.segment);
        let name = inner.storage.describe(&path);
        let Some(file) = missing_is_none(inner.storage.open(&path, Mode::Read))? else { return Ok((false, false)) };
        // A frame begins with its length; zeros are space that was written ahead.
        let mut length = [0; 4];
        if file.read_at(&mut length, known.end)? < length.len() || length == [0; 4] {
            return Ok((false, true));
        }
        let mut scan = Scan::begin(file, &name, known.segment)?;
        scan.resume_at(known.end);
        // Collected apart: it is published only once it is known that nothing before it was replaced meanwhile.
        let fresh = Tail::new(known.segment, known.next(), known.end, &inner.index.keys());
        let mut replay = Replay::new(fresh, self.order.clone());
        let outcome = loop {
            match scan.next_frame()? {
                Some(frame) => {
                    if let Err(error) = replay.frame(&frame, &name) {
                        break Err(error);
                    }
                }
                None => break Ok(()),
            }
        };
        if !last_stands(inner)? {
            return Ok((false, false));
        }
        outcome?;
        inner.durable_seen.fetch_max(replay.synced, Ordering::AcqRel);
        if replay.order.next_sequence == self.order.next_sequence {
            return Ok((false, true));
        }
        self.order = replay.order;
        let (steering, opened) = (replay.tail.steering().to_vec(), replay.tail.opened());
        inner.index.with_tail(|tail| tail.absorb(&replay.tail));
        for sequence in steering.into_iter().chain(opened) {
            let event = read::event(&inner.files, &inner.index.location(sequence)?)?;
            inner.substrate.write().accept(&event.journal_id, event.kind, sequence, event.payload())?;
        }
        Ok((true, true))
    }

    /// Reads the journal anew, and says how much of what was seen still stands.
    fn rewind(&mut self, inner: &Inner) -> Result<()> {
        let keys = Some(inner.index.keys());
        let loaded = load(&inner.storage, &Loading { mode: Mode::Read, keys })?;
        let from = inner.visible();
        let (mut same, mut differs) = (0, from.min(loaded.index.len()));
        // Whatever follows a replaced event was replaced too.
        while same < differs {
            let middle = u64::midpoint(same, differs);
            if inner.index.hash_of(middle)? == loaded.index.hash_of(middle)? {
                same = middle + 1;
            } else {
                differs = middle;
            }
        }
        self.order = loaded.order.clone();
        inner.files.close();
        *inner.substrate.write() = loaded.substrate;
        inner.durable_seen.store(loaded.durable, Ordering::Release);
        inner.index.take_over(loaded.index);
        if same < from {
            inner.rewinds.lock().push(same);
            return Err(Error::Rewound { from, to: same });
        }
        Ok(())
    }
}

/// Whether the last event that was seen still lies where it was. Events in sealed segments cannot go.
fn last_stands(inner: &Inner) -> Result<bool> {
    let span = inner.index.tail_span();
    if span.count == 0 {
        return Ok(true);
    }
    let location = inner.index.location(span.next() - 1)?;
    match missing_is_none(read::event_at(inner.storage.as_ref(), &location)) {
        Ok(found) => Ok(found.is_some()),
        Err(Error::Damaged { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Takes the writer's index files in the place of what is in memory.
fn adopt_indexes(inner: &Inner) -> Result<()> {
    let index: &Index = &inner.index;
    let Some(part) = index.first_collected() else { return Ok(()) };
    let path = crate::catalog::index_path(part.span().segment);
    if missing_is_none(inner.storage.open(&path, Mode::Read))?.is_none() {
        return Ok(());
    }
    let Some(heads) = heads::read(inner.storage.as_ref(), &inner.journal_id)? else { return Ok(()) };
    while let Some(part) = index.first_collected() {
        let span = part.span();
        let mut entries = heads.caches.iter().rev().filter_map(Cache::index);
        let entry = entries.find(|entry| entry.span.segment == span.segment && entry.span.next() == span.next());
        let Some(entry) = entry else { break };
        index.replace(Arc::new(Sealed::new(Arc::clone(index.home()), entry.clone())));
    }
    Ok(())
}
