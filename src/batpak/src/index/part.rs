//! A run of events within one segment, and what can be asked of it; in memory (`tail.rs`) or in a file (`sealed.rs`).

use std::fmt::Debug;
use std::ops::Range;

use super::runs::HeadEntry;
use super::sealed::Sealed;
use super::set::Set;
use super::tail::Tail;
use crate::error::Result;
use crate::event_id::EventId;
use crate::hash::Hash;

/// Which events a part knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First sequence of the segment: its name.
    pub segment: u64,
    /// Sequence of the first event.
    pub first: u64,
    /// How many.
    pub count: u32,
    /// Where the last of them ends in the segment.
    pub end: u64,
}

impl Span {
    /// The sequence after the last.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.first + u64::from(self.count)
    }
}

/// Where a record lies in its segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// First byte. A segment and a frame beyond its end stay below 2^32.
    pub offset: u32,
    /// Bytes.
    pub length: u32,
}

/// An event's number, where its record lies, and its hash.
pub type Numbered = (u32, (Place, Hash));

/// What events are indexed by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// Names as UTF-8.
    Entity,
    /// Names as UTF-8.
    Scope,
    /// Two bytes, big-endian.
    Kind,
    /// Sixteen bytes.
    Correlation,
    /// Sixteen bytes.
    Causation,
    /// Sixteen bytes: the hash of the caller's key.
    Key,
    /// Values of this declared metadata key, as UTF-8.
    Metadata(String),
}

impl Field {
    /// Those of every journal.
    pub const FIXED: [Self; 6] = [Self::Entity, Self::Scope, Self::Kind, Self::Correlation, Self::Causation, Self::Key];

    /// Its name in an index file.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Entity => "entity".to_owned(),
            Self::Scope => "scope".to_owned(),
            Self::Kind => "kind".to_owned(),
            Self::Correlation => "correlation_id".to_owned(),
            Self::Causation => "causation_id".to_owned(),
            Self::Key => "idempotency_key".to_owned(),
            Self::Metadata(key) => format!("metadata:{key}"),
        }
    }

    /// All fields of an index with these declared keys, in the order of the file.
    pub fn all(keys: &[String]) -> impl Iterator<Item = Self> + '_ {
        Self::FIXED.into_iter().chain(keys.iter().cloned().map(Self::Metadata))
    }
}

/// Which terms of a field are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// This one.
    Exactly(Vec<u8>),
    /// From the first on, and before the second.
    Between(Vec<u8>, Vec<u8>),
}

impl Wanted {
    /// Whether a term is wanted.
    #[must_use]
    pub fn admits(&self, term: &[u8]) -> bool {
        match self {
            Self::Exactly(wanted) => wanted == term,
            Self::Between(from, before) => from.as_slice() <= term && term < before.as_slice(),
        }
    }
}

/// Events by their number within the part, from 0.
pub trait Part: Debug + Send + Sync {
    /// Which events these are.
    fn span(&self) -> Span;

    /// Where a record lies, and the hash of its event.
    fn record(&self, number: u32) -> Result<(Place, Hash)>;

    /// The id of an event.
    fn id(&self, number: u32) -> Result<EventId>;

    /// How many ids are before this one: ids ascend with numbers.
    fn lower_bound(&self, id: &EventId) -> Result<u32>;

    /// The event with this id.
    fn with_id(&self, id: &EventId) -> Result<Option<Numbered>> {
        let number = self.lower_bound(id)?;
        if number >= self.span().count || self.id(number)? != *id {
            return Ok(None);
        }
        Ok(Some((number, self.record(number)?)))
    }

    /// Where many records lie, and the hashes of their events.
    fn records(&self, numbers: &[u32]) -> Result<Vec<(Place, Hash)>> {
        numbers.iter().map(|number| self.record(*number)).collect()
    }

    /// Up to `count` hashes from an event on.
    fn hashes(&self, number: u32, count: usize) -> Result<Vec<Hash>>;

    /// Kept nodes of the tree (see `merkle::STEP`) by height and numbers; `None` if they are not all here.
    fn nodes(&self, _height: u32, _numbers: &Range<u64>) -> Result<Option<Vec<Hash>>> {
        Ok(None)
    }

    /// The events whose field is one of the wanted terms; `None` if the field is not indexed here.
    fn find(&self, field: &Field, wanted: &[Wanted]) -> Result<Option<Set>>;

    /// The terms of a field, ascending; empty if it is not indexed here.
    fn terms(&self, field: &Field) -> Result<Vec<Vec<u8>>>;

    /// The last event of each entity, in the order of a run.
    fn heads(&self) -> Result<Vec<HeadEntry>>;

    /// The part itself, if it is still as it was collected, and in no file.
    fn collected(&self) -> Option<&Tail> {
        None
    }

    /// The part itself, if it is in a file.
    fn sealed(&self) -> Option<&Sealed> {
        None
    }
}
