//! The content of a segment's index file (FORMAT.md section 17.2): what it is made from, and how it is read.
//!
//! ```text
//! content   = first end count field_count  field*  name*  place{count}  id{count}  hash{count}  node*  dictionary{field_count}
//! field     = name_bytes terms blob_bytes list_bytes
//! dictionary = term_end{terms}  list_end{terms}  term*  list*
//! list      = 0 number+  |  1 bitmap
//! ```

use std::borrow::Cow;
use std::ops::Range;

use super::part::{Field, Numbered, Part as _, Place, Span, Wanted};
use super::runs::HeadEntry;
use super::set::Set;
use super::tail::Tail;
use crate::cache::CacheFile;
use crate::event_id::EventId;
use crate::hash::Hash;
use crate::merkle::{self, STEP, perfect_within};

const HEADER_BYTES: usize = 24;
const FIELD_BYTES: usize = 16;
const ID_BYTES: usize = 16;
/// So many ids are compared at once: the processor fetches them side by side, and those of a search by halves one after the other.
const IDS_AT_ONCE: usize = 64;
const LIST_SORTED: u8 = 0;
const LIST_BITMAP: u8 = 1;

/// A content, checked as it is read: whatever does not fit makes `None`, and the file is made again.
#[derive(Debug)]
pub struct Layout {
    file: CacheFile,
    /// Which events it knows.
    pub span: Span,
    /// The declared metadata keys, ascending.
    pub keys: Vec<String>,
    places: usize,
    ids: usize,
    hashes: usize,
    /// Where the kept nodes of the tree begin, those of the lowest height first.
    nodes: usize,
    dictionaries: Vec<(Field, Dictionary)>,
}

#[derive(Clone, Copy, Debug)]
struct Dictionary {
    terms: usize,
    term_ends: usize,
    list_ends: usize,
    blob: usize,
    lists: usize,
    end: usize,
}

fn u32_of(number: usize) -> [u8; 4] {
    // Counts and lengths within a segment stay below 2^32; see limits.rs.
    u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes()
}

fn encode_list(out: &mut Vec<u8>, list: &[u32], count: u32) {
    match Set::of(list, count) {
        Set::Sorted(list) => {
            out.push(LIST_SORTED);
            for number in list {
                out.extend_from_slice(&number.to_le_bytes());
            }
        }
        Set::Bits(words) => {
            out.push(LIST_BITMAP);
            for word in words {
                out.extend_from_slice(&word.to_le_bytes());
            }
        }
    }
}

fn decode_list(bytes: &[u8], count: u32) -> Option<Set> {
    let (tag, body) = bytes.split_first()?;
    match *tag {
        LIST_SORTED => {
            let numbers = body.chunks_exact(4).filter_map(|four| four.first_chunk().copied().map(u32::from_le_bytes));
            Some(Set::Sorted(numbers.collect()))
        }
        LIST_BITMAP if body.len() == (count as usize).div_ceil(64) * 8 => {
            let words = body.chunks_exact(8).filter_map(|eight| eight.first_chunk().copied().map(u64::from_le_bytes));
            Some(Set::Bits(words.collect()))
        }
        _ => None,
    }
}

/// The last number of a list, without decoding the others.
fn last_of_list(bytes: &[u8], count: u32) -> Option<u32> {
    match bytes.split_last_chunk::<4>() {
        Some((before, last)) if before.first() == Some(&LIST_SORTED) => Some(u32::from_le_bytes(*last)),
        _ => decode_list(bytes, count)?.previous(count.checked_sub(1)?),
    }
}

fn numbers_of(set: &Set) -> Vec<u32> {
    match set {
        Set::Sorted(list) => list.clone(),
        Set::Bits(_) => std::iter::successors(set.next(0), |number| set.next(number + 1)).collect(),
    }
}

/// The content for the events of `base`, if there are any, and those of `tail`, which follow them in the same segment. Whoever knows the
/// kept nodes of the tree over them (`merkle::nodes`) spares it.
#[must_use]
pub fn content(base: Option<&Layout>, tail: &Tail, keys: &[String], nodes: Option<&[Vec<Hash>]>) -> Option<Vec<u8>> {
    let span = tail.span();
    let before = base.map_or(0, |base| base.span.count);
    let count = before + span.count;
    let mut out = Vec::with_capacity(count as usize * 96);
    out.extend_from_slice(&span.segment.to_le_bytes());
    out.extend_from_slice(&span.end.to_le_bytes());
    out.extend_from_slice(&count.to_le_bytes());
    let fields: Vec<Field> = Field::all(keys).collect();
    out.extend_from_slice(&u32_of(fields.len()));
    let (mut table, mut names, mut dictionaries) = (Vec::new(), Vec::new(), Vec::new());
    for field in &fields {
        let mut lists: Vec<(Cow<'_, [u8]>, Vec<u32>)> = Vec::new();
        if let Some(base) = base {
            lists.extend(base.lists(field)?.into_iter().map(|(term, set)| (Cow::Owned(term), numbers_of(&set))));
        }
        for (term, list) in tail.sorted(field) {
            lists.push((Cow::Borrowed(term), list.iter().map(|number| before + number).collect()));
        }
        // Stable: the numbers of the base stay in front.
        lists.sort_by(|a, b| a.0.cmp(&b.0));
        lists.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            if same {
                earlier.1.append(&mut later.1);
            }
            same
        });
        let (mut term_ends, mut list_ends, mut blob, mut bytes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (term, list) in &lists {
            blob.extend_from_slice(term);
            encode_list(&mut bytes, list, count);
            term_ends.extend_from_slice(&u32_of(blob.len()));
            list_ends.extend_from_slice(&u32_of(bytes.len()));
        }
        let name = field.name();
        names.extend_from_slice(name.as_bytes());
        for number in [name.len(), lists.len(), blob.len(), bytes.len()] {
            table.extend_from_slice(&u32_of(number));
        }
        for part in [term_ends, list_ends, blob, bytes] {
            dictionaries.extend_from_slice(&part);
        }
    }
    out.extend_from_slice(&table);
    out.extend_from_slice(&names);
    columns(&mut out, base, tail, nodes)?;
    out.extend_from_slice(&dictionaries);
    Some(out)
}

fn columns(out: &mut Vec<u8>, base: Option<&Layout>, tail: &Tail, nodes: Option<&[Vec<Hash>]>) -> Option<()> {
    let copied = |from: fn(&Layout) -> usize, bytes: usize| match base {
        Some(base) => base.file.get(from(base)..from(base) + base.span.count as usize * bytes),
        None => Some(&[][..]),
    };
    let numbers = 0..tail.span().count;
    out.extend_from_slice(copied(|base| base.places, 8)?);
    for number in numbers.clone() {
        let (place, _) = tail.record(number).ok()?;
        out.extend_from_slice(&place.offset.to_le_bytes());
        out.extend_from_slice(&place.length.to_le_bytes());
    }
    out.extend_from_slice(copied(|base| base.ids, 16)?);
    for number in numbers.clone() {
        out.extend_from_slice(&tail.id(number).ok()?);
    }
    let mut hashes = base.map_or_else(|| Some(Vec::new()), |base| base.hashes(0, base.span.count as usize))?;
    hashes.extend(tail.hashes(0, numbers.len()).ok()?);
    out.extend(hashes.iter().flatten());
    match nodes {
        Some(nodes) => out.extend(nodes.iter().flatten().flatten()),
        None => out.extend(merkle::nodes(tail.span().segment, &hashes).iter().flatten().flatten()),
    }
    Some(())
}

/// The heights of the kept nodes that a segment can hold whole.
fn heights() -> impl Iterator<Item = u32> {
    (1..=32 / STEP).map(|step| step * STEP)
}

const fn length(range: Range<u64>) -> u64 {
    range.end.saturating_sub(range.start)
}

fn number_at(file: &CacheFile, at: usize) -> Option<usize> {
    file.element::<4>(at, 0).map(|bytes| u32::from_le_bytes(bytes) as usize)
}

impl Layout {
    /// Finds the parts of a content; `None` if they do not fill it.
    #[must_use]
    pub fn new(file: CacheFile) -> Option<Self> {
        let segment = u64::from_le_bytes(file.element(0, 0)?);
        let end = u64::from_le_bytes(file.element(8, 0)?);
        let count = u32::from_le_bytes(file.element(16, 0)?);
        let fields = number_at(&file, 20)?;
        let names_from = fields.checked_mul(FIELD_BYTES)?.checked_add(HEADER_BYTES)?;
        let table: Vec<[usize; 4]> = (0..fields)
            .map(|field| {
                let at = HEADER_BYTES + field * FIELD_BYTES;
                let numbers = [0, 4, 8, 12].map(|offset| number_at(&file, at + offset));
                Some([numbers[0]?, numbers[1]?, numbers[2]?, numbers[3]?])
            })
            .collect::<Option<_>>()?;
        let places = names_from.checked_add(table.iter().map(|[name, ..]| name).sum())?;
        let ids = places.checked_add(count as usize * 8)?;
        let hashes = ids.checked_add(count as usize * ID_BYTES)?;
        let nodes = hashes.checked_add(count as usize * 32)?;
        let next = segment.checked_add(u64::from(count))?;
        let kept: u64 = heights().map(|height| perfect_within(height, segment, next)).map(length).sum();
        let kept_bytes = usize::try_from(kept).ok()?.checked_mul(32)?;
        let (mut at, mut name_at) = (nodes.checked_add(kept_bytes)?, names_from);
        let (mut dictionaries, mut keys) = (Vec::with_capacity(fields), Vec::new());
        for (position, [name_bytes, terms, blob_bytes, list_bytes]) in table.into_iter().enumerate() {
            let name = std::str::from_utf8(file.get(name_at..name_at + name_bytes)?).ok()?;
            let field = match (Field::FIXED.get(position), name.strip_prefix("metadata:")) {
                (Some(field), _) if field.name() == name => field.clone(),
                (None, Some(key)) if keys.last().is_none_or(|last: &String| last.as_str() < key) => {
                    keys.push(key.to_owned());
                    Field::Metadata(key.to_owned())
                }
                _ => return None,
            };
            name_at += name_bytes;
            let list_ends = at.checked_add(terms * 4)?;
            let blob = list_ends.checked_add(terms * 4)?;
            let lists = blob.checked_add(blob_bytes)?;
            let end = lists.checked_add(list_bytes)?;
            dictionaries.push((field, Dictionary { terms, term_ends: at, list_ends, blob, lists, end }));
            at = end;
        }
        let span = Span { segment, first: segment, count, end };
        (at == file.len()).then_some(Self { file, span, keys, places, ids, hashes, nodes, dictionaries })
    }

    /// Where a record lies, and the hash of its event.
    #[must_use]
    pub fn record(&self, number: u32) -> Option<(Place, Hash)> {
        let [o0, o1, o2, o3, l0, l1, l2, l3] = self.file.element(self.places, number as usize)?;
        let place =
            Place { offset: u32::from_le_bytes([o0, o1, o2, o3]), length: u32::from_le_bytes([l0, l1, l2, l3]) };
        Some((place, self.file.element(self.hashes, number as usize)?))
    }

    /// The id of an event.
    #[must_use]
    pub fn id(&self, number: u32) -> Option<EventId> {
        self.file.element(self.ids, number as usize)
    }

    /// How many ids are before this one.
    #[must_use]
    pub fn lower_bound_of_id(&self, id: &EventId) -> Option<u32> {
        let wanted = u128::from_be_bytes(*id);
        let (mut from, mut to) = (0, self.span.count as usize);
        while to - from > IDS_AT_ONCE {
            let middle = usize::midpoint(from, to);
            if u128::from_be_bytes(self.file.element(self.ids, middle)?) < wanted {
                from = middle + 1;
            } else {
                to = middle;
            }
        }
        let last = self.file.get(self.ids + from * ID_BYTES..self.ids + to * ID_BYTES)?;
        let before: usize =
            last.as_chunks().0.iter().map(|known| usize::from(u128::from_be_bytes(*known) < wanted)).sum();
        u32::try_from(from + before).ok()
    }

    /// The event with this id; the inner `None` if there is none.
    #[must_use]
    pub fn with_id(&self, id: &EventId) -> Option<Option<Numbered>> {
        let number = self.lower_bound_of_id(id)?;
        if number >= self.span.count || self.id(number)? != *id {
            return Some(None);
        }
        self.record(number).map(|record| Some((number, record)))
    }

    /// Up to `count` hashes from an event on.
    #[must_use]
    pub fn hashes(&self, number: u32, count: usize) -> Option<Vec<Hash>> {
        let count = count.min((self.span.count as usize).saturating_sub(number as usize));
        let from = self.hashes + number as usize * 32;
        let bytes = self.file.get(from..from + count * 32)?;
        Some(bytes.chunks_exact(32).filter_map(|hash| hash.first_chunk().copied()).collect())
    }

    /// Whether the kept nodes of a height with these numbers are here.
    #[must_use]
    pub fn has_nodes(&self, height: u32, wanted: &Range<u64>) -> bool {
        let here = perfect_within(height, self.span.first, self.span.next());
        here.start <= wanted.start && wanted.end <= here.end
    }

    /// Kept nodes of a height, which are here.
    #[must_use]
    pub fn nodes(&self, height: u32, wanted: &Range<u64>) -> Option<Vec<Hash>> {
        let within = |height| perfect_within(height, self.span.first, self.span.next());
        let lower: u64 = heights().take_while(|lower| *lower < height).map(within).map(length).sum();
        let at = lower + wanted.start.checked_sub(within(height).start)?;
        let from = self.nodes + usize::try_from(at).ok()? * 32;
        let bytes = self.file.get(from..from + usize::try_from(length(wanted.clone())).ok()? * 32)?;
        Some(bytes.chunks_exact(32).filter_map(|hash| hash.first_chunk().copied()).collect())
    }

    fn dictionary(&self, field: &Field) -> Option<&Dictionary> {
        self.dictionaries.iter().find(|(known, _)| known == field).map(|(_, dictionary)| dictionary)
    }

    /// Whether a field is indexed here.
    #[must_use]
    pub fn has(&self, field: &Field) -> bool {
        self.dictionary(field).is_some()
    }

    /// Start and end of part `place` of a run of byte strings whose ends are listed at `ends`.
    fn bounds(&self, ends: usize, from: usize, limit: usize, place: usize) -> Option<std::ops::Range<usize>> {
        let start = if place == 0 { 0 } else { number_at(&self.file, ends + (place - 1) * 4)? };
        let end = number_at(&self.file, ends + place * 4)?;
        (start <= end && from + end <= limit).then_some(from + start..from + end)
    }

    fn term(&self, dictionary: &Dictionary, place: usize) -> Option<&[u8]> {
        let Dictionary { term_ends, blob, lists, .. } = *dictionary;
        self.file.get(self.bounds(term_ends, blob, lists, place)?)
    }

    fn list_bytes(&self, dictionary: &Dictionary, place: usize) -> Option<&[u8]> {
        let Dictionary { list_ends, lists, end, .. } = *dictionary;
        self.file.get(self.bounds(list_ends, lists, end, place)?)
    }

    fn list(&self, dictionary: &Dictionary, place: usize) -> Option<Set> {
        decode_list(self.list_bytes(dictionary, place)?, self.span.count)
    }

    /// Number of terms before `term`.
    fn lower_bound(&self, dictionary: &Dictionary, term: &[u8]) -> Option<usize> {
        let (mut from, mut to) = (0, dictionary.terms);
        while from < to {
            let middle = usize::midpoint(from, to);
            if self.term(dictionary, middle)? < term {
                from = middle + 1;
            } else {
                to = middle;
            }
        }
        Some(from)
    }

    /// The events whose field, which is indexed here, is one of the wanted terms.
    #[must_use]
    pub fn find(&self, field: &Field, wanted: &[Wanted]) -> Option<Set> {
        let dictionary = self.dictionary(field)?;
        let mut places = Vec::new();
        for wanted in wanted {
            match wanted {
                Wanted::Exactly(term) => {
                    let place = self.lower_bound(dictionary, term)?;
                    let there = place < dictionary.terms && self.term(dictionary, place)? == term.as_slice();
                    places.extend(there.then_some(place));
                }
                Wanted::Between(from, before) => {
                    places.extend(self.lower_bound(dictionary, from)?..self.lower_bound(dictionary, before)?);
                }
            }
        }
        match places.as_slice() {
            [] => Some(Set::Sorted(Vec::new())),
            [place] => self.list(dictionary, *place),
            _ => {
                let mut all = Set::none_of(self.span.count as usize);
                for place in places {
                    all.add(&self.list(dictionary, place)?);
                }
                Some(all)
            }
        }
    }

    /// The terms of a field, ascending; none if it is not indexed here.
    #[must_use]
    pub fn terms(&self, field: &Field) -> Option<Vec<Vec<u8>>> {
        let Some(dictionary) = self.dictionary(field) else { return Some(Vec::new()) };
        (0..dictionary.terms).map(|place| self.term(dictionary, place).map(<[u8]>::to_vec)).collect()
    }

    /// Terms of a field with their events, terms ascending; none if it is not indexed here.
    #[must_use]
    pub fn lists(&self, field: &Field) -> Option<Vec<(Vec<u8>, Set)>> {
        let Some(dictionary) = self.dictionary(field) else { return Some(Vec::new()) };
        let at = |place| Some((self.term(dictionary, place)?.to_vec(), self.list(dictionary, place)?));
        (0..dictionary.terms).map(at).collect()
    }

    /// The last event of each entity, in the order of a run.
    #[must_use]
    pub fn heads(&self) -> Option<Vec<HeadEntry>> {
        let dictionary = self.dictionary(&Field::Entity)?;
        let head = |place| {
            let last = last_of_list(self.list_bytes(dictionary, place)?, self.span.count)?;
            Some(HeadEntry::new(self.term(dictionary, place)?, self.span.first + u64::from(last)))
        };
        let heads: Vec<HeadEntry> = (0..dictionary.terms).map(head).collect::<Option<_>>()?;
        Some(HeadEntry::sorted(heads.into_iter()))
    }
}
