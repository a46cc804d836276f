//! Where every event is: the newest in memory, the others in index files that are mapped when they are needed.
//!
//! No value from here enters a record before it was compared with the log, and no file is an authority: see `sealed.rs`.

mod layout;
mod part;
mod query;
pub mod runs;
mod sealed;
mod set;
mod tail;

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::RwLock;

pub use layout::{Layout, content};
pub use part::{Field, Part, Place, Span, Wanted};
pub use query::{Plan, Query};
pub use sealed::{Home, Sealed};
pub use set::Set;
pub use tail::{Entry, Tail};

use crate::error::{Error, Result};
use crate::event_id::EventId;
use crate::hash::Hash;
use runs::Run;

/// Where a record lies, and what its header hashes to.
#[derive(Clone, Debug)]
pub struct Location {
    /// The event.
    pub sequence: u64,
    /// First sequence of the segment: its name.
    pub segment: u64,
    /// First byte of the record.
    pub offset: u64,
    /// Bytes of the record.
    pub length: u32,
    /// What the record must hash to.
    pub hash: Hash,
}

/// The last event of an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntityHead {
    /// Its clock.
    pub clock: u64,
    /// Its sequence.
    pub sequence: u64,
    /// Its hash.
    pub hash: Hash,
}

/// The runs of entity heads, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Runs {
    /// Each goes on where the one before ends; the first begins with event 0.
    pub runs: Vec<Arc<Run>>,
}

impl Runs {
    /// The sequence after the last event that they know.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.runs.last().map_or(0, |run| run.entry.end)
    }
}

#[derive(Debug)]
struct State {
    /// Ascending, without gaps; the tail goes on behind them. A question takes a share of the list, a change makes a new one while one is out.
    parts: Arc<Vec<Arc<dyn Part>>>,
    tail: Tail,
    runs: Runs,
}

/// The index of a journal. Locked briefly, never across I/O: what must be read from a file is asked of a part that was taken out first.
#[derive(Debug)]
pub struct Index {
    state: RwLock<State>,
    home: Arc<Home>,
}

/// A part to ask.
enum Found {
    /// Immutable.
    Part(Arc<dyn Part>),
    /// The events are in the tail, which only the lock's holder may ask.
    Tail,
}

impl State {
    fn len(&self) -> u64 {
        self.tail.span().next()
    }

    fn part_of(&self, sequence: u64) -> Option<Found> {
        if sequence >= self.tail.span().first {
            return (sequence < self.len()).then_some(Found::Tail);
        }
        let after = self.parts.partition_point(|part| part.span().first <= sequence);
        self.parts.get(after.checked_sub(1)?).map(|part| Found::Part(Arc::clone(part)))
    }
}

fn number_in(part: &dyn Part, sequence: u64) -> u32 {
    // A part holds fewer than 2^32 events, and the caller took the one that holds this.
    u32::try_from(sequence - part.span().first).unwrap_or(u32::MAX)
}

fn location_of(span: Span, number: u32, (place, hash): (Place, Hash)) -> Location {
    let Place { offset, length } = place;
    Location {
        sequence: span.first + u64::from(number),
        segment: span.segment,
        offset: u64::from(offset),
        length,
        hash,
    }
}

fn not_found(sequence: u64) -> Error {
    Error::EventNotFound { reference: sequence.to_string() }
}

impl Index {
    /// Parts without gaps, the tail that follows them, and the runs that were found.
    #[must_use]
    pub fn new(home: Arc<Home>, parts: Vec<Arc<dyn Part>>, tail: Tail, runs: Runs) -> Self {
        Self { state: RwLock::new(State { parts: Arc::new(parts), tail, runs }), home }
    }

    /// What all parts share.
    #[must_use]
    pub const fn home(&self) -> &Arc<Home> {
        &self.home
    }

    /// Index files that had to be made again since open.
    #[must_use]
    pub fn rebuilt(&self) -> u64 {
        self.home.rebuilt.load(Ordering::Relaxed)
    }

    /// Number of events.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.state.read().len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The declared metadata keys, ascending.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        self.state.read().tail.keys()
    }

    /// First sequences of the segments, in order.
    #[must_use]
    pub fn segments(&self) -> Vec<u64> {
        let state = self.state.read();
        let mut segments: Vec<u64> = state.parts.iter().map(|part| part.span().segment).collect();
        segments.push(state.tail.span().segment);
        segments.dedup();
        segments
    }

    /// The segment that the tail lies in, and where it ends there.
    #[must_use]
    pub fn tail_span(&self) -> Span {
        self.state.read().tail.span()
    }

    /// Works on the tail; kept short.
    pub fn with_tail<T>(&self, work: impl FnOnce(&mut Tail) -> T) -> T {
        work(&mut self.state.write().tail)
    }

    /// The tail becomes a part, and the next one begins a segment.
    pub fn begin_segment(&self, first: u64, end: u64) {
        let mut state = self.state.write();
        let keys = state.tail.keys();
        let full = std::mem::replace(&mut state.tail, Tail::new(first, first, end, &keys));
        if full.span().count > 0 {
            Arc::make_mut(&mut state.parts).push(Arc::new(full));
        }
    }

    /// The parts whose events begin at or after a sequence, oldest first.
    #[must_use]
    pub fn parts_from(&self, first: u64) -> Vec<Arc<dyn Part>> {
        let state = self.state.read();
        let from = state.parts.partition_point(|part| part.span().first < first);
        state.parts.get(from..).unwrap_or_default().to_vec()
    }

    /// The oldest part that is in no file yet.
    #[must_use]
    pub fn first_collected(&self) -> Option<Arc<dyn Part>> {
        self.state.read().parts.iter().find(|part| part.collected().is_some()).cloned()
    }

    /// The part of a file that the events of this tail follow in their segment.
    #[must_use]
    pub fn base_of(&self, tail: &Tail) -> Option<Arc<dyn Part>> {
        let span = tail.span();
        let state = self.state.read();
        let base = state.parts.iter().rev().find(|part| part.span().segment == span.segment && part.sealed().is_some());
        base.filter(|base| base.span().next() == span.first).cloned()
    }

    /// Puts one part in the place of all that hold its events.
    pub fn replace(&self, part: Arc<dyn Part>) {
        let span = part.span();
        let mut state = self.state.write();
        let from = state.parts.partition_point(|known| known.span().first < span.first);
        let to = state.parts.partition_point(|known| known.span().first < span.next());
        Arc::make_mut(&mut state.parts).splice(from..to, [part]);
    }

    /// Takes over everything of another index of the same journal.
    pub fn take_over(&self, other: Self) {
        *self.state.write() = other.state.into_inner();
    }

    /// The runs of entity heads.
    #[must_use]
    pub fn runs(&self) -> Runs {
        self.state.read().runs.clone()
    }

    /// Replaces the runs.
    pub fn set_runs(&self, runs: Runs) {
        self.state.write().runs = runs;
    }

    /// Where an event lies.
    pub fn location(&self, sequence: u64) -> Result<Location> {
        self.ask(sequence, |part| {
            let number = number_in(part, sequence);
            Ok(location_of(part.span(), number, part.record(number)?))
        })
    }

    fn ask<T>(&self, sequence: u64, question: impl Fn(&dyn Part) -> Result<T>) -> Result<T> {
        let state = self.state.read();
        match state.part_of(sequence).ok_or_else(|| not_found(sequence))? {
            Found::Tail => question(&state.tail),
            Found::Part(part) => {
                drop(state);
                question(part.as_ref())
            }
        }
    }

    /// Where many events lie, in the order given.
    pub fn locations(&self, sequences: &[u64]) -> Result<Vec<Location>> {
        let mut locations = Vec::with_capacity(sequences.len());
        let mut rest = sequences;
        while let Some(first) = rest.first() {
            let found = self.ask(*first, |part| {
                let span = part.span();
                let here = rest.iter().take_while(|sequence| (span.first..span.next()).contains(sequence));
                let numbers: Vec<u32> = here.map(|sequence| number_in(part, *sequence)).collect();
                let records = part.records(&numbers)?;
                let located = numbers.iter().zip(records).map(|(number, record)| location_of(span, *number, record));
                Ok(located.collect::<Vec<_>>())
            })?;
            rest = rest.get(found.len()..).unwrap_or_default();
            locations.extend(found);
        }
        Ok(locations)
    }

    /// The id of an event.
    pub fn id_of(&self, sequence: u64) -> Result<EventId> {
        self.ask(sequence, |part| part.id(number_in(part, sequence)))
    }

    /// The hash of an event.
    pub fn hash_of(&self, sequence: u64) -> Result<Hash> {
        Ok(self.location(sequence)?.hash)
    }

    /// Up to `count` hashes from an event on; fewer at the end of a part, none behind the last event.
    pub fn hashes_from(&self, sequence: u64, count: usize) -> Result<Vec<Hash>> {
        if sequence >= self.len() {
            return Ok(Vec::new());
        }
        self.ask(sequence, |part| part.hashes(number_in(part, sequence), count))
    }

    /// Kept nodes of the tree by height and numbers, if they lie in one part; the events below them must exist.
    pub fn nodes(&self, height: u32, numbers: &Range<u64>) -> Result<Option<Vec<Hash>>> {
        self.ask(numbers.start << height, |part| part.nodes(height, numbers))
    }

    /// The first sequence whose id is not before this one: ids ascend with sequences.
    pub fn lower_bound(&self, id: &EventId) -> Result<u64> {
        self.ask_by_id(id, |part| Ok(part.span().first + u64::from(part.lower_bound(id)?)))
            .map(Option::unwrap_or_default)
    }

    /// Asks the part that an id belongs into; `None` if it is before all others.
    fn ask_by_id<T>(&self, id: &EventId, question: impl Fn(&dyn Part) -> Result<T>) -> Result<Option<T>> {
        let state = self.state.read();
        let tail = state.tail.span();
        if tail.count > 0 && state.tail.id(0)? <= *id {
            return question(&state.tail).map(Some);
        }
        let parts = Arc::clone(&state.parts);
        drop(state);
        // The last part whose first id is not later, by halves: each question may map a file.
        let (mut from, mut to) = (0, parts.len());
        while from < to {
            let middle = usize::midpoint(from, to);
            match parts.get(middle) {
                Some(part) if part.id(0)? <= *id => from = middle + 1,
                _ => to = middle,
            }
        }
        from.checked_sub(1).and_then(|at| parts.get(at)).map(|part| question(part.as_ref())).transpose()
    }

    /// Where the event with this id lies.
    pub fn find(&self, id: &EventId) -> Result<Option<Location>> {
        let found = self.ask_by_id(id, |part| {
            Ok(part.with_id(id)?.map(|(number, record)| location_of(part.span(), number, record)))
        });
        Ok(found?.flatten())
    }

    /// The last event from `from` on with this term.
    pub fn last_with(&self, field: &Field, term: &[u8], from: u64) -> Result<Option<u64>> {
        let wanted = [Wanted::Exactly(term.to_vec())];
        let last_in = |part: &dyn Part| -> Result<Option<u64>> {
            let span = part.span();
            let found = part.find(field, &wanted)?.zip(span.count.checked_sub(1));
            let number = found.and_then(|(set, last)| set.previous(last));
            Ok(number.map(|number| span.first + u64::from(number)))
        };
        let parts = {
            let state = self.state.read();
            if let Some(sequence) = last_in(&state.tail)? {
                return Ok((sequence >= from).then_some(sequence));
            }
            let first = state.parts.partition_point(|part| part.span().next() <= from);
            state.parts.get(first..).unwrap_or_default().to_vec()
        };
        for part in parts.iter().rev() {
            if let Some(sequence) = last_in(part.as_ref())? {
                return Ok((sequence >= from).then_some(sequence));
            }
        }
        Ok(None)
    }

    /// The last event of an entity, if it is in the tail.
    #[must_use]
    pub fn tail_head(&self, entity: &str) -> Option<EntityHead> {
        self.state.read().tail.entity_head(entity)
    }

    /// What is to be looked at for a query in the part that holds `sequence`; `None` behind the last event.
    pub fn plan(&self, query: &Query, sequence: u64) -> Result<Option<Plan>> {
        if sequence >= self.len() {
            return Ok(None);
        }
        self.ask(sequence, |part| Plan::new(part, query)).map(Some)
    }

    /// Number of distinct terms of a field, over all parts: as long as there are terms.
    pub fn distinct(&self, field: &Field) -> Result<u64> {
        let (parts, tail) = {
            let state = self.state.read();
            (Arc::clone(&state.parts), state.tail.terms(field)?)
        };
        let mut terms = std::collections::HashSet::with_capacity(tail.len());
        terms.extend(tail.iter().map(|term| runs::name_hash(term)));
        for part in parts.iter() {
            terms.extend(part.terms(field)?.iter().map(|term| runs::name_hash(term)));
        }
        Ok(terms.len() as u64)
    }

    /// Number of events with one of these terms.
    pub fn count(&self, field: &Field, wanted: &[Wanted]) -> Result<u64> {
        let (parts, tail) = {
            let state = self.state.read();
            (Arc::clone(&state.parts), state.tail.find(field, wanted)?.map_or(0, |set| set.len() as u64))
        };
        let counts = parts.iter().map(|part| Ok(part.find(field, wanted)?.map_or(0, |set| set.len() as u64)));
        Ok(counts.collect::<Result<Vec<_>>>()?.into_iter().sum::<u64>() + tail)
    }
}
