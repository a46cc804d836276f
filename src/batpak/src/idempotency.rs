//! Idempotency keys: what was written under a key is not written again while the key is remembered.
//!
//! The key's hash is in the header, so it is as durable and as atomic as the event; the index finds it.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::history;
use crate::index::Field;
use crate::inner::Inner;
use crate::proposal::{Item, Proposal};
use crate::read;
use crate::receipt::Stored;

/// The events that this proposal would write a second time, in its order; `None` if all of it is new.
pub(crate) fn known(inner: &Inner, proposal: &Proposal) -> Result<Option<Vec<Stored>>> {
    let items = proposal.own_items();
    let mut events: Vec<Stored> = Vec::new();
    for (position, item) in items.iter().enumerate() {
        let Some(sequence) = written_under(inner, item)? else { continue };
        check_same(inner, proposal, item, sequence)?;
        // A batch that is retried was one frame: it is read once.
        let same = events.last().and_then(|last| last.frame.index_of(sequence).map(|_| Arc::clone(&last.frame)));
        let frame = same.map_or_else(|| history::frame(inner, sequence).map(Arc::new), Ok)?;
        let index = history::index_in(inner, &frame, sequence)?;
        events.push(Stored { frame, index });
        if events.len() <= position {
            return Err(partly(sequence));
        }
    }
    match events.last() {
        None => Ok(None),
        Some(_) if events.len() == items.len() => Ok(Some(events)),
        Some(last) => Err(partly(last.sequence())),
    }
}

/// The event that was written under an item's key, if the key is still remembered.
fn written_under(inner: &Inner, item: &Item) -> Result<Option<u64>> {
    let Some(key) = &item.key else { return Ok(None) };
    let from = inner.index.len().saturating_sub(inner.config.idempotency_window);
    inner.index.last_with(&Field::Key, key, from)
}

fn partly(sequence: u64) -> Error {
    Error::KeyConflict {
        sequence,
        reason: "other items of this batch were not written under their keys; retry a batch as it was".to_owned(),
    }
}

/// Refuses another event under the same key.
fn check_same(inner: &Inner, proposal: &Proposal, item: &Item, sequence: u64) -> Result<()> {
    let event = read::event(&inner.files, &inner.index.location(sequence)?)?;
    let erasable = proposal.erasable(item)?;
    let differs = if event.entity() != proposal.text(&item.entity) {
        "its entity is another one"
    } else if event.scope() != proposal.text(&item.scope) {
        "its scope is another one"
    } else if event.kind != item.kind {
        "its kind is another one"
    } else if event.payload_version != item.payload_version || event.encoding != item.encoding {
        "its version is another one"
    } else if event.payload() != erasable.payload || event.private() != erasable.private {
        "its payload or private metadata is another one"
    } else {
        return Ok(());
    };
    Err(Error::KeyConflict { sequence, reason: format!("{differs}; a new event needs a new key") })
}
