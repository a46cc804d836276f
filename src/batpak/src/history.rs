//! The last event of an entity, wherever in the journal it lies.

use std::sync::atomic::Ordering;

use crate::error::{Error, Result};
use crate::index::runs::name_hash;
use crate::index::{EntityHead, Field, Wanted};
use crate::read;
use crate::segment;
use crate::store::Inner;

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
    let wanted = [Wanted::Exactly(entity.as_bytes().to_vec())];
    let name = name_hash(entity.as_bytes());
    loop {
        let runs = inner.index.runs();
        for part in inner.index.parts_from(runs.end()).iter().rev() {
            let last = part.span().count.checked_sub(1);
            let found = part.find(&Field::Entity, &wanted)?.zip(last).and_then(|(set, last)| set.previous(last));
            if let Some(number) = found {
                return Ok(Some(part.span().first + u64::from(number)));
            }
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
