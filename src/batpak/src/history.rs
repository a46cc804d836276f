//! What the writer must know of events that it wrote long ago: the last one of an entity, and the receipt of any.

use std::sync::atomic::Ordering;

use crate::error::{Error, Result};
use crate::index::runs::name_hash;
use crate::index::{EntityHead, Field, Index, Location};
use crate::inner::Inner;
use crate::read;
use crate::receipt::Committed;
use crate::scan::Scan;
use crate::segment::{self, SEGMENT_HEADER_BYTES};

/// What the next event of an entity chains to. Whatever an index file says is compared with the log before it is believed.
pub(crate) fn entity_head(inner: &Inner, entity: &str) -> Result<Option<EntityHead>> {
    if let Some(head) = inner.index.tail_head(entity) {
        return Ok(Some(head));
    }
    let Some(sequence) = last_sequence(inner, entity)? else { return Ok(None) };
    let location = inner.index.location(sequence)?;
    let event = read::event(&inner.files, &location)?;
    if event.entity() != entity || event.stamp.sequence != sequence {
        return Err(Error::Damaged {
            file: inner.storage.describe(&segment::path(location.segment)),
            offset: location.offset,
            sequence: Some(sequence),
            reason: "an index names this event as the last one of another entity; delete the folder heads and the files *.idx, \
                     which are made again"
                .to_owned(),
        });
    }
    Ok(Some(EntityHead { clock: event.stamp.clock, sequence, hash: event.event_hash }))
}

fn last_sequence(inner: &Inner, entity: &str) -> Result<Option<u64>> {
    let name = name_hash(entity.as_bytes());
    loop {
        let runs = inner.index.runs();
        let recent = inner.index.last_with(&Field::Entity, entity.as_bytes(), runs.end())?;
        if recent.is_some() {
            return Ok(recent);
        }
        let mut found = Some(None);
        for run in runs.runs.iter().rev() {
            found = run.find(&name);
            if found != Some(None) {
                break;
            }
        }
        match (found, &inner.indexer) {
            (Some(found), _) => return Ok(found),
            // A block of a file does not fit its digest: the runs are made anew, and asked again.
            (None, Some(indexer)) => {
                indexer.remake_runs(&inner.index)?;
                inner.index.home().rebuilt.fetch_add(1, Ordering::Relaxed);
            }
            (None, None) => return Err(Error::ReadOnly),
        }
    }
}

/// The frame that an event was written in, as its receipt needs it: read from the log, never signed again.
pub(crate) fn frame(inner: &Inner, sequence: u64) -> Result<Committed> {
    let (first, frame_at) = frame_of(&inner.index, sequence)?;
    let path = segment::path(first.segment);
    let name = inner.storage.describe(&path);
    let mut scan = Scan::begin(inner.files.segment(first.segment)?, &name, first.segment)?;
    scan.resume_at(frame_at);
    let found = scan.next_frame()?.map(|frame| Committed::of_frame(first.sequence, &frame));
    found.and_then(Result::ok).ok_or_else(|| changed(inner, &first))
}

/// The place of an event in its frame, if it is the event that the index knows.
pub(crate) fn index_in(inner: &Inner, frame: &Committed, sequence: u64) -> Result<usize> {
    let location = inner.index.location(sequence)?;
    let index = frame.index_of(sequence).filter(|index| frame.hashes.get(*index) == Some(&location.hash));
    index.ok_or_else(|| changed(inner, &location))
}

fn changed(inner: &Inner, location: &Location) -> Error {
    Error::Damaged {
        file: inner.storage.describe(&segment::path(location.segment)),
        offset: location.offset,
        sequence: Some(location.sequence),
        reason: "the frame changed on disk since it was written".to_owned(),
    }
}

/// The first event of the frame that holds this one, and the frame's own first byte: records of a frame adjoin, and between two
/// frames lies the header of the second.
pub(crate) fn frame_of(index: &Index, sequence: u64) -> Result<(Location, u64)> {
    let mut first = index.location(sequence)?;
    while first.sequence > first.segment {
        let before = index.location(first.sequence - 1)?;
        let end = before.offset + u64::from(before.length);
        if end != first.offset {
            return Ok((first, end));
        }
        first = before;
    }
    Ok((first, SEGMENT_HEADER_BYTES as u64))
}
