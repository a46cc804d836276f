//! What a caller wants to write: checked, encoded and committed to, before any lock is taken.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::coordinate::Coordinate;
use crate::entropy::Entropy;
use crate::error::{Error, Result};
use crate::hash::payload_commitment;
use crate::header::{Caller, Encoding, Promise, encode_caller};
use crate::kind::Kind;
use crate::limits::{FRAME_BODY_BYTES_MAX, FRAME_EVENTS_MAX, PAYLOAD_BYTES_MAX, PRIVATE_BYTES_MAX};
use crate::record::encode_tail;

/// What caused an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Causation {
    /// An event id, or any 16 bytes.
    Id([u8; 16]),
    /// An earlier item of the same batch.
    Item(usize),
}

/// One event to be.
#[derive(Clone, Copy, Debug)]
pub struct NewEvent<'a> {
    /// Where it belongs.
    pub coordinate: &'a Coordinate,
    /// What it is.
    pub kind: Kind,
    /// Schema version of the payload; 0 for untyped ones.
    pub payload_version: u16,
    /// How the payload is to be read.
    pub encoding: Encoding,
    /// The payload as it will be stored.
    pub payload: &'a [u8],
    /// Free.
    pub correlation_id: Option<[u8; 16]>,
    /// What caused it.
    pub causation: Option<Causation>,
    /// Permanent; pseudonymous ids only.
    pub metadata: &'a BTreeMap<String, String>,
    /// Erasable: empty, or a canonical map.
    pub private: &'a [u8],
}

/// One item of a proposal; all ranges are in `Proposal::bytes`.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub entity: Range<usize>,
    pub scope: Range<usize>,
    pub kind: Kind,
    pub correlation: Option<[u8; 16]>,
    /// The caller's part of the header.
    pub caller: Range<usize>,
    /// What follows the header in the record.
    pub tail: Range<usize>,
    /// Where the causation id belongs, and the item that it names.
    pub causation: Option<(usize, usize)>,
}

/// Events that will be one frame.
#[derive(Clone, Debug)]
pub struct Proposal {
    pub(crate) bytes: Vec<u8>,
    pub(crate) items: Vec<Item>,
    pub(crate) promise: Promise,
    journal_id: [u8; 16],
}

impl Proposal {
    /// An empty proposal for this journal.
    #[must_use]
    pub const fn new(journal_id: [u8; 16], promise: Promise) -> Self {
        Self { bytes: Vec::new(), items: Vec::new(), promise, journal_id }
    }

    /// Number of events.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// What durability is promised.
    #[must_use]
    pub const fn promise(&self) -> Promise {
        self.promise
    }

    /// Adds a user's event, or refuses it.
    pub fn push(&mut self, event: &NewEvent<'_>, entropy: &Entropy) -> Result<()> {
        event.kind.check_user()?;
        self.push_any(event, entropy)
    }

    /// Adds any event, the journal's own included.
    pub(crate) fn push_any(&mut self, event: &NewEvent<'_>, entropy: &Entropy) -> Result<()> {
        let limit = |what, actual: usize, limit: usize| {
            if actual > limit {
                Err(Error::LimitExceeded { what, actual: actual as u64, limit: limit as u64 })
            } else {
                Ok(())
            }
        };
        limit("the payload, in bytes,", event.payload.len(), PAYLOAD_BYTES_MAX)?;
        limit("the private metadata, in encoded bytes,", event.private.len(), PRIVATE_BYTES_MAX)?;
        limit("the number of events in a batch", self.items.len() + 1, FRAME_EVENTS_MAX)?;
        let (causation_id, item) = match event.causation {
            None => (None, None),
            Some(Causation::Id(id)) => (Some(id), None),
            Some(Causation::Item(item)) if item < self.items.len() => (Some([0; 16]), Some(item)),
            Some(Causation::Item(item)) => {
                return Err(Error::InvalidInput {
                    reason: format!(
                        "item {} of the batch names item {item} as its cause; only an earlier item can be one",
                        self.items.len()
                    ),
                });
            }
        };
        let salt = entropy.sixteen()?;
        let commitment = payload_commitment(&salt, event.private, event.payload);
        let caller_from = self.bytes.len();
        let caller = Caller {
            journal_id: &self.journal_id,
            entity: event.coordinate.entity(),
            scope: event.coordinate.scope(),
            kind: event.kind,
            payload_version: event.payload_version,
            encoding: event.encoding,
            correlation_id: event.correlation_id.as_ref(),
            causation_id: causation_id.as_ref(),
            metadata: event.metadata,
            payload_commitment: &commitment,
            promise: self.promise,
        };
        let causation_at = match encode_caller(&mut self.bytes, &caller) {
            Ok(at) => at,
            Err(error) => {
                self.bytes.truncate(caller_from);
                return Err(error);
            }
        };
        let tail_from = self.bytes.len();
        encode_tail(&mut self.bytes, &salt, event.private, event.payload);
        let whole = self.bytes.len();
        if let Err(error) = limit("the batch, in encoded bytes,", whole, FRAME_BODY_BYTES_MAX) {
            self.bytes.truncate(caller_from);
            return Err(error);
        }
        // Version, journal id, then each name behind its length.
        let prefix = |length: usize| if length < 128 { 1 } else { 2 };
        let entity_from = caller_from + 17 + prefix(caller.entity.len());
        let entity = entity_from..entity_from + caller.entity.len();
        let scope_from = entity.end + prefix(caller.scope.len());
        self.items.push(Item {
            scope: scope_from..scope_from + caller.scope.len(),
            entity,
            kind: event.kind,
            correlation: event.correlation_id,
            caller: caller_from..tail_from,
            tail: tail_from..whole,
            causation: causation_at.zip(item),
        });
        Ok(())
    }

    pub(crate) fn text(&self, range: &Range<usize>) -> &str {
        // It was a &str when it was copied here.
        self.bytes.get(range.clone()).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}
