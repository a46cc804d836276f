//! What a caller wants to write: checked, encoded and committed to, before any lock is taken.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use crate::coordinate::Coordinate;
use crate::entropy::Entropy;
use crate::error::{Error, Result};
use crate::hash::payload_commitment;
use crate::header::{Caller, Encoding, Promise, encode_caller};
use crate::kind::Kind;
use crate::limits::{FRAME_BODY_BYTES_MAX, FRAME_EVENTS_MAX, PAYLOAD_BYTES_MAX, PRIVATE_BYTES_MAX};
use crate::record::{Erasable, encode_tail};
use crate::system::bypassed;
use crate::wire::put_bytes;

/// What caused an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Causation {
    /// An event id, or any 16 bytes.
    Id([u8; 16]),
    /// An earlier item of the same batch.
    Item(usize),
}

/// What must be so of an entity for its next event to be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expect {
    /// Anything.
    #[default]
    Any,
    /// It has no event yet.
    New,
    /// Its last event has this clock.
    Clock(u64),
}

impl Expect {
    /// Whether an entity whose last event has this clock is as it must be.
    #[must_use]
    pub fn holds(self, last: Option<u64>) -> bool {
        match self {
            Self::Any => true,
            Self::New => last.is_none(),
            Self::Clock(clock) => last == Some(clock),
        }
    }
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
    /// Writes it once only: a second event with this key is not written.
    pub key: Option<&'a [u8]>,
    /// What must be so of the entity.
    pub expect: Expect,
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
    /// As the caller gave it; that of an item of the batch is known once it is stamped.
    pub causation: Option<Causation>,
    /// Hash of the caller's key.
    pub key: Option<[u8; 16]>,
    /// What must be so of the entity.
    pub expect: Expect,
    pub payload_version: u16,
    pub encoding: Encoding,
    /// The caller's part of the header.
    pub caller: Range<usize>,
    /// What follows the header in the record.
    pub tail: Range<usize>,
    /// Where the causation id belongs, if it names an item of the batch.
    pub causation_at: Option<usize>,
}

/// Events that will be one frame.
#[derive(Clone, Debug)]
pub struct Proposal {
    pub(crate) bytes: Vec<u8>,
    pub(crate) items: Vec<Item>,
    pub(crate) promise: Promise,
    /// How many of the journal's own events come first.
    pub(crate) leading: usize,
    /// Hashes of the keys so far.
    keys: HashSet<[u8; 16]>,
    journal_id: [u8; 16],
}

impl Proposal {
    /// An empty proposal for this journal.
    #[must_use]
    pub fn new(journal_id: [u8; 16], promise: Promise) -> Self {
        Self { bytes: Vec::new(), items: Vec::new(), promise, leading: 0, keys: HashSet::new(), journal_id }
    }

    /// The lineage that its events are written in.
    #[must_use]
    pub const fn journal_id(&self) -> &[u8; 16] {
        &self.journal_id
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
        let position = self.items.len() - self.leading;
        let causation_id = match event.causation {
            None => None,
            Some(Causation::Id(id)) => Some(id),
            Some(Causation::Item(item)) if item < position => Some([0; 16]),
            Some(Causation::Item(item)) => {
                return Err(Error::InvalidInput {
                    reason: format!(
                        "item {position} of the batch names item {item} as its cause; only an earlier item can be one"
                    ),
                });
            }
        };
        let key = event.key.map(crate::hash::key_hash);
        if key.is_some_and(|key| self.keys.contains(&key)) {
            return Err(Error::InvalidInput {
                reason: format!("item {position} of the batch has the key of an earlier one; each needs its own"),
            });
        }
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
            idempotency_key: key.as_ref(),
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
        self.keys.extend(key);
        self.items.push(Item {
            scope: scope_from..scope_from + caller.scope.len(),
            entity,
            kind: event.kind,
            correlation: event.correlation_id,
            caller: caller_from..tail_from,
            tail: tail_from..whole,
            causation: event.causation,
            causation_at: causation_at.filter(|_| matches!(event.causation, Some(Causation::Item(_)))),
            key,
            expect: event.expect,
            payload_version: event.payload_version,
            encoding: event.encoding,
        });
        Ok(())
    }

    /// Has it said first, in the same frame, that the events are written past these gates. Said once, however often it is asked for.
    pub fn bypass(&mut self, approver: &str, reason: &str, gates: &[String], entropy: &Entropy) -> Result<()> {
        if self.leading == 0 {
            bypassed(approver, reason, gates).propose(self, entropy)?;
            self.items.rotate_right(1);
            self.leading = 1;
        }
        Ok(())
    }

    /// All that the caller proposed, behind a salt: who has it can show what a denial's commitment stands for, and nobody can guess it.
    pub fn opening(&self, entropy: &Entropy) -> Result<Vec<u8>> {
        let mut opening = entropy.sixteen()?.to_vec();
        for item in self.own_items() {
            put_bytes(&mut opening, self.bytes.get(item.caller.clone()).unwrap_or_default());
            put_bytes(&mut opening, self.bytes.get(item.tail.clone()).unwrap_or_default());
        }
        Ok(opening)
    }

    /// Number of events that the caller proposed.
    #[must_use]
    pub fn own_len(&self) -> usize {
        self.own_items().len()
    }

    /// Entity and scope of an event that the caller proposed.
    #[must_use]
    pub fn coordinate(&self, position: usize) -> Option<(&str, &str)> {
        let item = self.own_items().get(position)?;
        Some((self.text(&item.entity), self.text(&item.scope)))
    }

    /// Kind, version and encoding of an event that the caller proposed.
    #[must_use]
    pub fn kind(&self, position: usize) -> Option<(Kind, u16, Encoding)> {
        self.own_items().get(position).map(|item| (item.kind, item.payload_version, item.encoding))
    }

    /// How many of the journal's own events come before those of the caller.
    #[must_use]
    pub const fn leading(&self) -> usize {
        self.leading
    }

    /// Payload and private metadata of an event that the caller proposed, as they would be stored.
    pub fn content(&self, position: usize) -> Result<(&[u8], &[u8])> {
        let item = self
            .own_items()
            .get(position)
            .ok_or_else(|| Error::InvalidInput { reason: format!("the proposal has no event {position}") })?;
        self.erasable(item).map(|erasable| (erasable.payload, erasable.private))
    }

    /// The items that the caller proposed.
    pub(crate) fn own_items(&self) -> &[Item] {
        self.items.get(self.leading..).unwrap_or_default()
    }

    /// The parts of an item that follow its header: salt, private metadata, payload.
    pub(crate) fn erasable(&self, item: &Item) -> Result<Erasable<'_>> {
        Erasable::decode(self.bytes.get(item.tail.clone()).unwrap_or_default())
    }

    pub(crate) fn text(&self, range: &Range<usize>) -> &str {
        // It was a &str when it was copied here.
        self.bytes.get(range.clone()).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}
