//! Where every event is, in memory. Rebuilt from the log at open; readers share it with the one writer.

use std::collections::{BTreeMap, HashMap};

use crate::event_id::EventId;
use crate::hash::Hash;

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

/// What the index keeps of an event.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// First byte of the record in its segment.
    pub offset: u64,
    /// Bytes of the record.
    pub length: u32,
    /// Its id.
    pub id: EventId,
    /// Its hash.
    pub hash: Hash,
    /// Whose.
    pub entity: &'a str,
    /// Where.
    pub scope: &'a str,
    /// What.
    pub kind: u16,
}

/// Names with the sequences of their events, ascending.
#[derive(Debug, Default)]
struct Names {
    numbers: HashMap<Box<str>, u32>,
    postings: Vec<Vec<u64>>,
}

impl Names {
    fn add(&mut self, name: &str, sequence: u64) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            if let Some(list) = self.postings.get_mut(*number as usize) {
                list.push(sequence);
            }
            return *number;
        }
        // Fewer names than events, and fewer events than memory.
        let number = u32::try_from(self.postings.len()).unwrap_or(u32::MAX);
        self.numbers.insert(name.into(), number);
        self.postings.push(vec![sequence]);
        number
    }

    fn find(&self, name: &str) -> Option<(u32, &[u64])> {
        let number = *self.numbers.get(name)?;
        Some((number, self.postings.get(number as usize)?))
    }
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

/// The index of a journal.
#[derive(Debug, Default)]
pub struct Index {
    /// First sequences, ascending.
    segments: Vec<u64>,
    offsets: Vec<u64>,
    lengths: Vec<u32>,
    ids: Vec<EventId>,
    hashes: Vec<Hash>,
    entity_of: Vec<u32>,
    scope_of: Vec<u32>,
    kind_of: Vec<u16>,
    entities: Names,
    scopes: Names,
    kinds: BTreeMap<u16, Vec<u64>>,
}

/// A query's filters, resolved against the index.
#[derive(Clone, Debug)]
pub struct Filter {
    entity: Option<u32>,
    scope: Option<u32>,
    kind: Option<u16>,
    system: bool,
    source: Source,
}

/// The smallest list that holds every match.
#[derive(Clone, Copy, Debug)]
enum Source {
    /// Nothing matches.
    Nothing,
    /// Every event.
    All,
    Entity(u32),
    Scope(u32),
    Kind(u16),
}

/// What to look for.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Exactly this entity.
    pub entity: Option<String>,
    /// Exactly this scope.
    pub scope: Option<String>,
    /// Exactly this kind.
    pub kind: Option<u16>,
    /// Only later sequences.
    pub after: Option<u64>,
    /// Only sequences up to this one.
    pub until: Option<u64>,
    /// At most so many.
    pub limit: Option<u64>,
    /// Also the journal's own events.
    pub system: bool,
}

impl Index {
    /// Number of events.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.offsets.len() as u64
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    /// Number of entities, the journal's own included.
    #[must_use]
    pub const fn entities(&self) -> u64 {
        self.entities.postings.len() as u64
    }

    /// Number of scopes, the journal's own included.
    #[must_use]
    pub const fn scopes(&self) -> u64 {
        self.scopes.postings.len() as u64
    }

    /// Number of kinds, the journal's own included.
    #[must_use]
    pub fn kinds(&self) -> u64 {
        self.kinds.len() as u64
    }

    /// Number of the journal's own events.
    #[must_use]
    pub fn system_events(&self) -> u64 {
        self.kinds.range(..0x1000).map(|(_, list)| list.len() as u64).sum()
    }

    /// Number of segments.
    #[must_use]
    pub const fn segments(&self) -> u64 {
        self.segments.len() as u64
    }

    /// Names, and first sequences, of the segments, in order.
    pub fn segment_starts(&self) -> impl Iterator<Item = u64> + '_ {
        self.segments.iter().copied()
    }

    /// The next events lie in this segment.
    pub fn add_segment(&mut self, first_sequence: u64) {
        self.segments.push(first_sequence);
    }

    /// Adds the next event.
    pub fn push(&mut self, entry: &Entry<'_>) {
        let sequence = self.len();
        self.offsets.push(entry.offset);
        self.lengths.push(entry.length);
        self.ids.push(entry.id);
        self.hashes.push(entry.hash);
        self.entity_of.push(self.entities.add(entry.entity, sequence));
        self.scope_of.push(self.scopes.add(entry.scope, sequence));
        self.kind_of.push(entry.kind);
        self.kinds.entry(entry.kind).or_default().push(sequence);
    }

    /// Where an event lies.
    #[must_use]
    pub fn location(&self, sequence: u64) -> Option<Location> {
        let at = usize::try_from(sequence).ok()?;
        let after = self.segments.partition_point(|first| *first <= sequence);
        let segment = *self.segments.get(after.checked_sub(1)?)?;
        Some(Location {
            sequence,
            segment,
            offset: *self.offsets.get(at)?,
            length: *self.lengths.get(at)?,
            hash: *self.hashes.get(at)?,
        })
    }

    /// The sequence of an id: ids ascend with sequences.
    #[must_use]
    pub fn sequence_of(&self, id: &EventId) -> Option<u64> {
        self.ids.binary_search(id).ok().map(|at| at as u64)
    }

    /// The id of a sequence.
    #[must_use]
    pub fn id_of(&self, sequence: u64) -> Option<EventId> {
        self.ids.get(usize::try_from(sequence).ok()?).copied()
    }

    /// The hash of a sequence.
    #[must_use]
    pub fn hash_of(&self, sequence: u64) -> Option<Hash> {
        self.hashes.get(usize::try_from(sequence).ok()?).copied()
    }

    /// Up to `count` hashes from a sequence on.
    #[must_use]
    pub fn hashes_from(&self, sequence: u64, count: usize) -> Vec<Hash> {
        let from = usize::try_from(sequence).unwrap_or(usize::MAX);
        self.hashes.iter().skip(from).take(count).copied().collect()
    }

    /// The last event of an entity.
    #[must_use]
    pub fn entity_head(&self, entity: &str) -> Option<EntityHead> {
        let (_, postings) = self.entities.find(entity)?;
        let sequence = *postings.last()?;
        Some(EntityHead { clock: postings.len() as u64 - 1, sequence, hash: self.hash_of(sequence)? })
    }

    /// All sequences of a kind.
    #[must_use]
    pub fn of_kind(&self, kind: u16) -> &[u64] {
        self.kinds.get(&kind).map_or(&[], Vec::as_slice)
    }

    /// Resolves a query's names, once.
    #[must_use]
    pub fn filter(&self, query: &Query) -> Filter {
        let entity = query.entity.as_deref().map(|name| self.entities.find(name));
        let scope = query.scope.as_deref().map(|name| self.scopes.find(name));
        let kind = query.kind.map(|kind| (kind, self.of_kind(kind)));
        let candidates = [
            entity.map(|found| found.map_or((0, Source::Nothing), |(n, list)| (list.len(), Source::Entity(n)))),
            scope.map(|found| found.map_or((0, Source::Nothing), |(n, list)| (list.len(), Source::Scope(n)))),
            kind.map(|(n, list)| (list.len(), Source::Kind(n))),
        ];
        let smallest = candidates.into_iter().flatten().min_by_key(|(length, _)| *length);
        Filter {
            entity: entity.flatten().map(|(number, _)| number),
            scope: scope.flatten().map(|(number, _)| number),
            kind: query.kind,
            system: query.system,
            source: smallest.map_or(Source::All, |(_, source)| source),
        }
    }

    fn matches(&self, filter: &Filter, sequence: u64) -> bool {
        let at = usize::try_from(sequence).unwrap_or(usize::MAX);
        let kind = self.kind_of.get(at).copied();
        filter.entity.is_none_or(|entity| self.entity_of.get(at) == Some(&entity))
            && filter.scope.is_none_or(|scope| self.scope_of.get(at) == Some(&scope))
            && filter.kind.is_none_or(|wanted| kind == Some(wanted))
            && (filter.system || kind.is_some_and(|kind| kind >> 12 != 0))
    }

    /// Up to `count` locations of matches in `from..until`, ascending; then where to go on, and how many events were looked at.
    #[must_use]
    pub fn page(&self, filter: &Filter, from: u64, until: u64, count: usize) -> Page {
        /// An unlucky filter gives the lock back after so many events.
        const EXAMINED_MAX: u64 = 65_536;
        /// And a page is read into memory as a whole: it ends with the event that exceeds this.
        const PAGE_BYTES_MAX: u64 = 4 * 1024 * 1024;
        let until = until.min(self.len());
        let list = match filter.source {
            Source::Nothing => Some(&[][..]),
            Source::All => None,
            Source::Entity(number) => self.entities.postings.get(number as usize).map(Vec::as_slice),
            Source::Scope(number) => self.scopes.postings.get(number as usize).map(Vec::as_slice),
            Source::Kind(kind) => Some(self.of_kind(kind)),
        };
        let mut page = Page { locations: Vec::with_capacity(count.min(256)), next: from, examined: 0 };
        let mut page_bytes = 0;
        let mut take = |sequence: u64| {
            if page.locations.len() >= count || page.examined >= EXAMINED_MAX || page_bytes >= PAGE_BYTES_MAX {
                return false;
            }
            page.examined += 1;
            page.next = sequence + 1;
            if self.matches(filter, sequence) {
                let location = self.location(sequence);
                page_bytes += location.as_ref().map_or(0, |location| u64::from(location.length));
                page.locations.extend(location);
            }
            true
        };
        let complete = match list {
            None => (from..until).all(&mut take),
            Some(list) => {
                let begin = list.partition_point(|sequence| *sequence < from);
                list.iter().skip(begin).copied().take_while(|sequence| *sequence < until).all(&mut take)
            }
        };
        if complete {
            page.next = until.max(from);
        }
        page
    }
}

/// A part of a query's answer.
#[derive(Clone, Debug)]
pub struct Page {
    /// Matches, ascending.
    pub locations: Vec<Location>,
    /// The first sequence that was not looked at.
    pub next: u64,
    /// Events looked at.
    pub examined: u64,
}
