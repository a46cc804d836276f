//! What to look for, and what a part offers to find it by.

use super::part::{Field, Part, Span, Wanted};
use super::set::Set;
use crate::error::Result;
use crate::header::Header;

/// What to look for: every condition that is given must hold.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Exactly this entity.
    pub entity: Option<String>,
    /// This entity, and those below it: its name, then `:` and anything.
    pub entity_prefix: Option<String>,
    /// Exactly this scope.
    pub scope: Option<String>,
    /// Exactly this kind.
    pub kind: Option<u16>,
    /// Any kind of this category, 0 to 15.
    pub category: Option<u8>,
    /// Exactly this correlation id.
    pub correlation: Option<[u8; 16]>,
    /// Exactly this causation id.
    pub causation: Option<[u8; 16]>,
    /// Metadata with each of these pairs.
    pub metadata: Vec<(String, String)>,
    /// Only later sequences.
    pub after: Option<u64>,
    /// Only sequences up to this one.
    pub until: Option<u64>,
    /// Only events at or after this time, in microseconds since 1970.
    pub since_us: Option<u64>,
    /// Only events before this time, in microseconds since 1970.
    pub before_us: Option<u64>,
    /// Newest first.
    pub reverse: bool,
    /// At most so many.
    pub limit: Option<u64>,
    /// Also the journal's own events.
    pub system: bool,
}

/// Kinds of one category, as terms.
fn category(number: u8) -> Wanted {
    let from = vec![number << 4, 0];
    let before = number.checked_add(1).filter(|next| *next < 16).map_or(vec![0xFF; 3], |next| vec![next << 4, 0]);
    Wanted::Between(from, before)
}

impl Query {
    /// The conditions that an index can answer, those first that leave fewest as a rule.
    fn conditions(&self) -> Vec<(Field, Vec<Wanted>)> {
        let exactly = |bytes: &[u8]| vec![Wanted::Exactly(bytes.to_vec())];
        let mut conditions = Vec::new();
        conditions.extend(self.entity.as_ref().map(|name| (Field::Entity, exactly(name.as_bytes()))));
        conditions.extend(self.causation.map(|id| (Field::Causation, exactly(&id))));
        conditions.extend(self.correlation.map(|id| (Field::Correlation, exactly(&id))));
        for (key, value) in &self.metadata {
            conditions.push((Field::Metadata(key.clone()), exactly(value.as_bytes())));
        }
        conditions.extend(self.entity_prefix.as_ref().map(|prefix| {
            // ';' is the byte after ':'.
            let below = Wanted::Between(format!("{prefix}:").into_bytes(), format!("{prefix};").into_bytes());
            (Field::Entity, vec![Wanted::Exactly(prefix.clone().into_bytes()), below])
        }));
        conditions.extend(self.scope.as_ref().map(|name| (Field::Scope, exactly(name.as_bytes()))));
        conditions.extend(self.kind.map(|kind| (Field::Kind, exactly(&kind.to_be_bytes()))));
        conditions.extend(self.category.map(|number| (Field::Kind, vec![category(number)])));
        conditions
    }

    /// Whether an event is one that was looked for, its place and time aside.
    #[must_use]
    pub fn admits(&self, event: &Header<'_>) -> bool {
        let below = |prefix: &String| {
            let rest = event.entity.strip_prefix(prefix.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
        };
        let has = |(key, value): &(String, String)| event.metadata.contains(&(key.as_str(), value.as_str()));
        self.entity.as_ref().is_none_or(|wanted| wanted == event.entity)
            && self.entity_prefix.as_ref().is_none_or(below)
            && self.scope.as_ref().is_none_or(|wanted| wanted == event.scope)
            && self.kind.is_none_or(|wanted| wanted == event.kind.code())
            && self.category.is_none_or(|wanted| wanted == event.kind.category())
            && self.correlation.is_none_or(|wanted| Some(wanted) == event.correlation_id)
            && self.causation.is_none_or(|wanted| Some(wanted) == event.causation_id)
            && (self.system || event.kind.category() != 0)
            && self.metadata.iter().all(has)
    }
}

/// Which events of a part may match.
#[derive(Clone, Debug)]
pub struct Plan {
    span: Span,
    /// The smallest set that holds every match; `None` for all events.
    candidates: Option<Set>,
    /// Other sets that hold every match.
    checks: Vec<Set>,
    /// A set that holds no match.
    excluded: Option<Set>,
}

impl Plan {
    /// Asks a part.
    pub fn new(part: &dyn Part, query: &Query) -> Result<Self> {
        let span = part.span();
        let mut sets = Vec::new();
        for (field, wanted) in query.conditions() {
            // What is not indexed here is asked of the event itself.
            let Some(set) = part.find(&field, &wanted)? else { continue };
            let nothing = set.is_empty();
            sets.push(set);
            if nothing {
                break;
            }
        }
        sets.sort_by_key(|set| std::cmp::Reverse(set.len()));
        let candidates = sets.pop();
        let nothing = candidates.as_ref().is_some_and(Set::is_empty);
        let excluded = if query.system || nothing { None } else { part.find(&Field::Kind, &[category(0)])? };
        Ok(Self { span, candidates, checks: sets, excluded })
    }

    /// Which events it speaks of.
    #[must_use]
    pub const fn span(&self) -> Span {
        self.span
    }

    /// The next event to look at, from `sequence` on, in this direction.
    #[must_use]
    pub fn next(&self, sequence: u64, reverse: bool) -> Option<u64> {
        let last = u64::from(self.span.count).checked_sub(1)?;
        let number = match (sequence.checked_sub(self.span.first), reverse) {
            (Some(number), true) => number.min(last),
            (Some(number), false) if number <= last => number,
            (None, false) => 0,
            _ => return None,
        };
        let number = u32::try_from(number).ok()?;
        let found = match &self.candidates {
            None => number,
            Some(set) if reverse => set.previous(number)?,
            Some(set) => set.next(number)?,
        };
        Some(self.span.first + u64::from(found))
    }

    /// Whether an event that is looked at may match, as far as the index can tell.
    #[must_use]
    pub fn admits(&self, sequence: u64) -> bool {
        let Some(number) = sequence.checked_sub(self.span.first).and_then(|number| u32::try_from(number).ok()) else {
            return false;
        };
        self.checks.iter().all(|set| set.contains(number))
            && !self.excluded.as_ref().is_some_and(|set| set.contains(number))
    }
}
