//! The newest events, in memory: those of the segment that is written to.

use std::collections::{BTreeMap, HashMap};

use super::EntityHead;
use super::part::{Field, Part, Place, Span, Wanted};
use super::runs::HeadEntry;
use super::set::Set;
use crate::error::{Error, Result};
use crate::event_id::EventId;
use crate::hash::Hash;
use crate::kind::Kind;

/// What the index takes in of an event.
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
    /// Position in the entity's chain.
    pub clock: u64,
    /// Where.
    pub scope: &'a str,
    /// What.
    pub kind: Kind,
    /// If it has one.
    pub correlation: Option<[u8; 16]>,
    /// The event that caused it, if it names one.
    pub causation: Option<[u8; 16]>,
    /// Hash of the caller's key, if there was one.
    pub key: Option<[u8; 16]>,
    /// At least the pairs whose keys are declared.
    pub metadata: &'a [(&'a str, &'a str)],
}

/// Terms with the numbers of their events, ascending.
#[derive(Clone, Debug, Default)]
struct Terms {
    places: HashMap<Box<[u8]>, u32>,
    lists: Vec<Vec<u32>>,
    /// The last one, which as a rule is the next one, too.
    last: Option<(Box<[u8]>, usize)>,
}

impl Terms {
    /// Adds the next event; returns the place of its term.
    fn add(&mut self, term: &[u8], number: u32) -> usize {
        let known = match &self.last {
            Some((last, place)) if **last == *term => Some(*place),
            _ => self.places.get(term).map(|place| *place as usize),
        };
        if let Some(place) = known {
            if let Some(list) = self.lists.get_mut(place) {
                list.push(number);
            }
            return place;
        }
        let place = self.lists.len();
        self.places.insert(term.into(), u32::try_from(place).unwrap_or(u32::MAX));
        self.lists.push(vec![number]);
        self.last = Some((term.into(), place));
        place
    }

    fn list(&self, term: &[u8]) -> Option<&[u32]> {
        self.lists.get(*self.places.get(term)? as usize).map(Vec::as_slice)
    }

    fn find(&self, wanted: &[Wanted], count: u32) -> Set {
        if let [Wanted::Exactly(term)] = wanted {
            return Set::of(self.list(term).unwrap_or_default(), count);
        }
        let mut all = Set::none_of(count as usize);
        for (term, place) in &self.places {
            if wanted.iter().any(|wanted| wanted.admits(term))
                && let Some(list) = self.lists.get(*place as usize)
            {
                all.add_list(list);
            }
        }
        all
    }

    /// Terms and lists, terms ascending.
    fn sorted(&self) -> Vec<(&[u8], &[u32])> {
        let list = |place: u32| self.lists.get(place as usize).map_or(&[][..], Vec::as_slice);
        let mut all: Vec<_> = self.places.iter().map(|(term, place)| (&**term, list(*place))).collect();
        all.sort_unstable_by_key(|(term, _)| *term);
        all
    }
}

/// The newest events.
#[derive(Clone, Debug)]
pub struct Tail {
    span: Span,
    places: Vec<Place>,
    ids: Vec<EventId>,
    hashes: Vec<Hash>,
    fixed: [Terms; 6],
    metadata: BTreeMap<String, Terms>,
    /// Clock of the last event of each entity, by the place of its term.
    clocks: Vec<u64>,
    /// The journal's own events that every open must know.
    steering: Vec<u64>,
    /// The last `created` or `opened` event.
    opened: Option<u64>,
}

impl Tail {
    /// Nothing yet, from `first` on in this segment, behind byte `end` of it.
    #[must_use]
    pub fn new(segment: u64, first: u64, end: u64, keys: &[String]) -> Self {
        Self {
            span: Span { segment, first, count: 0, end },
            places: Vec::new(),
            ids: Vec::new(),
            hashes: Vec::new(),
            fixed: Default::default(),
            metadata: keys.iter().map(|key| (key.clone(), Terms::default())).collect(),
            clocks: Vec::new(),
            steering: Vec::new(),
            opened: None,
        }
    }

    /// Adds the next event.
    pub fn push(&mut self, entry: &Entry<'_>) {
        let number = self.span.count;
        let sequence = self.span.next();
        let offset = u32::try_from(entry.offset).unwrap_or(u32::MAX);
        self.places.push(Place { offset, length: entry.length });
        self.ids.push(entry.id);
        self.hashes.push(entry.hash);
        let [entities, scopes, kinds, correlations, causations, keys] = &mut self.fixed;
        let place = entities.add(entry.entity.as_bytes(), number);
        match self.clocks.get_mut(place) {
            Some(clock) => *clock = entry.clock,
            None => self.clocks.push(entry.clock),
        }
        scopes.add(entry.scope.as_bytes(), number);
        kinds.add(&entry.kind.code().to_be_bytes(), number);
        let ids = [(correlations, entry.correlation), (causations, entry.causation), (keys, entry.key)];
        for (terms, id) in ids {
            if let Some(id) = id {
                terms.add(&id, number);
            }
        }
        for (key, value) in entry.metadata {
            if let Some(values) = self.metadata.get_mut(*key) {
                values.add(value.as_bytes(), number);
            }
        }
        match entry.kind {
            Kind::CREATED | Kind::KEY_ADDED | Kind::KEY_REVOKED | Kind::RECOVERED | Kind::LINEAGE => {
                self.steering.push(sequence);
            }
            Kind::OPENED => self.opened = Some(sequence),
            _ => {}
        }
        self.span.count += 1;
        self.span.end = entry.offset + u64::from(entry.length);
    }

    /// Takes in the events of another tail, which follow these.
    pub fn absorb(&mut self, other: &Self) {
        let before = self.span.count;
        self.places.extend_from_slice(&other.places);
        self.ids.extend_from_slice(&other.ids);
        self.hashes.extend_from_slice(&other.hashes);
        let shifted = |terms: &mut Terms, (term, list): (&[u8], &[u32])| {
            let places = list.iter().map(|number| terms.add(term, before + number));
            places.last()
        };
        for (field, terms) in Field::FIXED.iter().zip(&mut self.fixed) {
            for pair in other.sorted(field) {
                let place = shifted(terms, pair);
                let clock = other.clock_of(pair.0);
                if let (Field::Entity, Some(place), Some(clock)) = (field, place, clock) {
                    match self.clocks.get_mut(place) {
                        Some(known) => *known = clock,
                        None => self.clocks.push(clock),
                    }
                }
            }
        }
        for (key, terms) in &mut self.metadata {
            for pair in other.sorted(&Field::Metadata(key.clone())) {
                shifted(terms, pair);
            }
        }
        self.steering.extend_from_slice(&other.steering);
        self.opened = other.opened.or(self.opened);
        self.span.count += other.span.count;
        self.span.end = other.span.end;
    }

    fn clock_of(&self, entity: &[u8]) -> Option<u64> {
        let [entities, ..] = &self.fixed;
        self.clocks.get(*entities.places.get(entity)? as usize).copied()
    }

    /// The last event of an entity, if it is among these.
    #[must_use]
    pub fn entity_head(&self, entity: &str) -> Option<EntityHead> {
        let [entities, ..] = &self.fixed;
        let place = *entities.places.get(entity.as_bytes())? as usize;
        let number = *entities.lists.get(place)?.last()?;
        Some(EntityHead {
            clock: *self.clocks.get(place)?,
            sequence: self.span.first + u64::from(number),
            hash: *self.hashes.get(number as usize)?,
        })
    }

    /// Sequences of the journal's own events that every open must know, but `opened`.
    #[must_use]
    pub fn steering(&self) -> &[u64] {
        &self.steering
    }

    /// Sequence of the last `opened` event.
    #[must_use]
    pub const fn opened(&self) -> Option<u64> {
        self.opened
    }

    /// The declared metadata keys, ascending.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        self.metadata.keys().cloned().collect()
    }

    /// Whether any metadata key is declared.
    #[must_use]
    pub fn has_keys(&self) -> bool {
        !self.metadata.is_empty()
    }

    /// Terms of a field with their lists, terms ascending.
    #[must_use]
    pub fn sorted(&self, field: &Field) -> Vec<(&[u8], &[u32])> {
        self.of(field).map_or_else(Vec::new, Terms::sorted)
    }

    fn of(&self, field: &Field) -> Option<&Terms> {
        let [entities, scopes, kinds, correlations, causations, keys] = &self.fixed;
        match field {
            Field::Entity => Some(entities),
            Field::Scope => Some(scopes),
            Field::Kind => Some(kinds),
            Field::Correlation => Some(correlations),
            Field::Causation => Some(causations),
            Field::Key => Some(keys),
            Field::Metadata(key) => self.metadata.get(key),
        }
    }

    fn event<T: Copy>(&self, column: &[T], number: u32) -> Result<T> {
        let sequence = self.span.first + u64::from(number);
        column.get(number as usize).copied().ok_or_else(|| Error::EventNotFound { reference: sequence.to_string() })
    }
}

impl Part for Tail {
    fn span(&self) -> Span {
        self.span
    }

    fn record(&self, number: u32) -> Result<(Place, Hash)> {
        Ok((self.event(&self.places, number)?, self.event(&self.hashes, number)?))
    }

    fn id(&self, number: u32) -> Result<EventId> {
        self.event(&self.ids, number)
    }

    fn lower_bound(&self, id: &EventId) -> Result<u32> {
        // Counted in 32 bits, like the events.
        Ok(u32::try_from(self.ids.partition_point(|known| known < id)).unwrap_or(u32::MAX))
    }

    fn hashes(&self, number: u32, count: usize) -> Result<Vec<Hash>> {
        Ok(self.hashes.iter().skip(number as usize).take(count).copied().collect())
    }

    fn find(&self, field: &Field, wanted: &[Wanted]) -> Result<Option<Set>> {
        Ok(self.of(field).map(|terms| terms.find(wanted, self.span.count)))
    }

    fn terms(&self, field: &Field) -> Result<Vec<Vec<u8>>> {
        Ok(self.sorted(field).into_iter().map(|(term, _)| term.to_vec()).collect())
    }

    fn heads(&self) -> Result<Vec<HeadEntry>> {
        let [entities, ..] = &self.fixed;
        let heads = entities.places.iter().filter_map(|(term, place)| {
            let last = entities.lists.get(*place as usize)?.last()?;
            Some(HeadEntry::new(term, self.span.first + u64::from(*last)))
        });
        Ok(HeadEntry::sorted(heads))
    }

    fn collected(&self) -> Option<&Tail> {
        Some(self)
    }
}
