//! Folds that need no program: how many, the first, the last, the sum and the extremes of what matches a query, in groups and over time. Each event is
//! checked against its hash as in every other read; nothing of it is copied.

use std::cmp::Ordering;
use std::collections::HashMap;

use crate::cursor::Cursor;
use crate::error::{Error, Result};
use crate::header::{Encoding, Header};
use crate::read::{Checked, Depth};
use crate::store::Store;
use crate::value::{Decoder, Token};
use crate::wire::put_varint;

/// Events between two questions whether to stop.
const PAGE_EVENTS: usize = 512;

/// What is asked of the events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// How many there are; with a field, how many have it.
    Count,
    /// The sum of a field.
    Sum,
    /// The smallest value of a field.
    Min,
    /// The largest value of a field.
    Max,
    /// The first event; with a field, the first that has it.
    First,
    /// The last event; with a field, the last that has it.
    Last,
}

/// What events are grouped by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Term {
    /// Whose they are.
    Entity,
    /// Where they happened.
    Scope,
    /// What they are.
    Kind,
    /// What a key of their metadata says.
    Metadata(String),
    /// What a field of their payload says.
    Payload(Vec<String>),
}

/// A question about the events that match a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aggregate {
    /// What is asked.
    pub measure: Measure,
    /// Keys that lead to a field of the payload, each in the map that the one before leads to. Events without it do not count.
    pub field: Option<Vec<String>>,
    /// A group for each combination of these.
    pub by: Vec<Term>,
    /// A group for each so many microseconds since 1970.
    pub every_us: Option<u64>,
}

impl Aggregate {
    /// Whether payloads must be looked at.
    fn depth(&self) -> Depth {
        let by_payload = self.by.iter().any(|term| matches!(term, Term::Payload(_)));
        if self.field.is_some() || by_payload { Depth::Whole } else { Depth::Header }
    }
}

/// A value that a group has in common, or that was found.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    /// Nothing, or no such field.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer. A sum of 2^64 of 64 bits fits.
    Int(i128),
    /// A float.
    Float(f64),
    /// Text.
    Text(String),
    /// The sequence of an event.
    Event(u64),
}

/// What a group has in common, and what was found in it.
pub type Group = (Vec<Scalar>, Scalar);

impl Store {
    /// Answers a question about the events that a cursor of this store still has to give: one group for all of them if none is asked for, and groups in
    /// the order of their first events otherwise. Without an event there is no group.
    pub fn aggregate(
        &self,
        cursor: &mut Cursor,
        asked: &Aggregate,
        interrupted: &dyn Fn() -> bool,
    ) -> Result<Vec<Group>> {
        let mut groups = Groups::new(asked);
        while !cursor.is_done() {
            if interrupted() {
                return Err(Error::Interrupted);
            }
            let inner = self.usable()?;
            let taken = cursor.visit(inner, PAGE_EVENTS, asked.depth(), |checked| groups.take(&checked));
            if let (Err(Error::Damaged { .. }), Some(reader)) = (&taken, &inner.reader) {
                // Recovery may have cut what this reader had seen; that is said instead.
                reader.lock().refresh(inner)?;
            }
            taken?;
        }
        Ok(groups.finish())
    }
}

struct Groups<'a> {
    asked: &'a Aggregate,
    places: HashMap<Box<[u8]>, usize>,
    found: Vec<(Vec<Scalar>, State)>,
    /// What names the group of the event at hand.
    name: Vec<u8>,
}

impl<'a> Groups<'a> {
    fn new(asked: &'a Aggregate) -> Self {
        Self { asked, places: HashMap::new(), found: Vec::new(), name: Vec::new() }
    }

    fn take(&mut self, event: &Checked<'_>) -> Result<()> {
        let header = &event.header;
        let found = match &self.asked.field {
            None => None,
            Some(path) => match field(event, path)? {
                None | Some(Token::Null) => return Ok(()),
                found => found,
            },
        };
        let asked = self.asked;
        let state = self.group(event)?;
        state.take(asked.measure, header.stamp.sequence, found).map_err(|kind| {
            let path = asked.field.as_ref().map(|path| path.join(".")).unwrap_or_default();
            let verb = match asked.measure {
                Measure::Sum => "a sum takes integers of 64 bits and floats",
                _ => "the smallest and the largest are found among numbers of 64 bits, or among texts",
            };
            let sequence = header.stamp.sequence;
            Error::InvalidInput {
                reason: format!("field {path} of event {sequence} is {kind}, and {verb}; fold over the events in Python for anything else"),
            }
        })
    }

    /// The group of an event.
    fn group(&mut self, event: &Checked<'_>) -> Result<&mut State> {
        let asked = self.asked;
        let place = if asked.by.is_empty() && asked.every_us.is_none() {
            0
        } else {
            self.name.clear();
            for term in &asked.by {
                self.name_part(term, event)?;
            }
            if let Some(every) = asked.every_us {
                put_varint(&mut self.name, event.header.stamp.hlc.wall_us / every);
            }
            let known = self.places.get(self.name.as_slice()).copied();
            known.unwrap_or_else(|| {
                self.places.insert(self.name.as_slice().into(), self.found.len());
                self.found.len()
            })
        };
        if place == self.found.len() {
            let mut common = asked.by.iter().map(|term| common(term, event)).collect::<Result<Vec<_>>>()?;
            let bucket = |every| Scalar::Int(i128::from(event.header.stamp.hlc.wall_us / every * every));
            common.extend(asked.every_us.map(bucket));
            self.found.push((common, State::new(asked.measure)));
        }
        let (_, state) = self.found.get_mut(place).ok_or(Error::Closed)?;
        Ok(state)
    }

    /// Adds what an event has for one term: a byte for what it is, and the bytes.
    fn name_part(&mut self, term: &Term, event: &Checked<'_>) -> Result<()> {
        let name = &mut self.name;
        let mut text = |tag: u8, bytes: &[u8]| {
            name.push(tag);
            put_varint(name, bytes.len() as u64);
            name.extend_from_slice(bytes);
        };
        let header = &event.header;
        match term {
            Term::Entity => text(1, header.entity.as_bytes()),
            Term::Scope => text(1, header.scope.as_bytes()),
            Term::Kind => name.extend_from_slice(&header.kind.code().to_le_bytes()),
            Term::Metadata(_) | Term::Payload(_) => match common(term, event)? {
                Scalar::Text(found) => text(1, found.as_bytes()),
                Scalar::Int(found) => text(2, &found.to_le_bytes()),
                Scalar::Bool(found) => name.push(3 + u8::from(found)),
                _ => name.push(0),
            },
        }
        Ok(())
    }

    fn finish(self) -> Vec<Group> {
        self.found.into_iter().map(|(common, state)| (common, state.finish())).collect()
    }
}

/// What an event has for one term.
fn common(term: &Term, event: &Checked<'_>) -> Result<Scalar> {
    let header: &Header<'_> = &event.header;
    let text = |text: &str| Scalar::Text(text.to_owned());
    Ok(match term {
        Term::Entity => text(header.entity),
        Term::Scope => text(header.scope),
        Term::Kind => Scalar::Int(i128::from(header.kind.code())),
        Term::Metadata(key) => {
            let found = header.metadata.iter().find(|(other, _)| other == key);
            found.map_or(Scalar::Null, |(_, value)| text(value))
        }
        Term::Payload(path) => match field(event, path)? {
            None | Some(Token::Null) => Scalar::Null,
            Some(Token::Bool(found)) => Scalar::Bool(found),
            Some(Token::Int(found)) => Scalar::Int(i128::from(found)),
            Some(Token::Text(found)) => text(found),
            Some(other) => {
                let (path, sequence, kind) = (path.join("."), header.stamp.sequence, kind_of(&other));
                let reason = format!(
                    "field {path} of event {sequence} is {kind}, and groups are made by texts, integers of 64 bits and booleans; group in \
                     Python by anything else"
                );
                return Err(Error::InvalidInput { reason });
            }
        },
    })
}

/// The value of a field of a payload; `None` if there is no such field.
fn field<'a>(event: &Checked<'a>, path: &[String]) -> Result<Option<Token<'a>>> {
    if event.header.encoding != Encoding::Value {
        return Ok(None);
    }
    let mut decoder = Decoder::new(event.payload());
    let mut token = decoder.next()?;
    'path: for wanted in path {
        let Token::Map(pairs) = token else { return Ok(None) };
        for _ in 0..pairs {
            let key = decoder.key()?;
            let value = decoder.next()?;
            match key.cmp(wanted) {
                Ordering::Less => skip(&mut decoder, value)?,
                Ordering::Equal => {
                    token = value;
                    continue 'path;
                }
                // Keys ascend.
                Ordering::Greater => return Ok(None),
            }
        }
        return Ok(None);
    }
    Ok(Some(token))
}

/// Passes over what a value holds; values are not deeper than the decoder lets them be.
fn skip(decoder: &mut Decoder<'_>, token: Token<'_>) -> Result<()> {
    match token {
        Token::List(values) => {
            for _ in 0..values {
                let value = decoder.next()?;
                skip(decoder, value)?;
            }
        }
        Token::Map(pairs) => {
            for _ in 0..pairs {
                decoder.key()?;
                let value = decoder.next()?;
                skip(decoder, value)?;
            }
        }
        _ => {}
    }
    Ok(())
}

const fn kind_of(token: &Token<'_>) -> &'static str {
    match token {
        Token::Null => "null",
        Token::Bool(_) => "a bool",
        Token::Int(_) => "an int",
        Token::BigInt { .. } => "an int beyond 64 bits",
        Token::Float(_) => "a float",
        Token::Text(_) => "a text",
        Token::Bytes(_) => "bytes",
        Token::List(_) => "a list",
        Token::Map(_) => "a map",
        Token::DateTime(_) => "a datetime",
        Token::Date(_) => "a date",
        Token::Time(_) => "a time",
        Token::Duration(_) => "a duration",
        Token::Decimal { .. } => "a decimal",
        Token::Uuid(_) => "a UUID",
    }
}

#[derive(Debug)]
enum State {
    Count(u64),
    Sum { ints: i128, floats: Option<Floats> },
    Extreme(Option<Scalar>),
    Event(Option<u64>),
}

/// A sum of floats that does not forget the small ones beside the large (Neumaier 1974).
#[derive(Clone, Copy, Debug, Default)]
struct Floats {
    sum: f64,
    lost: f64,
}

impl Floats {
    fn add(&mut self, value: f64) {
        let sum = self.sum + value;
        self.lost += if self.sum.abs() >= value.abs() { (self.sum - sum) + value } else { (value - sum) + self.sum };
        self.sum = sum;
    }
}

impl State {
    const fn new(measure: Measure) -> Self {
        match measure {
            Measure::Count => Self::Count(0),
            Measure::Sum => Self::Sum { ints: 0, floats: None },
            Measure::Min | Measure::Max => Self::Extreme(None),
            Measure::First | Measure::Last => Self::Event(None),
        }
    }

    /// Takes in an event; an error says what its field is that it cannot be taken.
    fn take(
        &mut self,
        measure: Measure,
        sequence: u64,
        found: Option<Token<'_>>,
    ) -> std::result::Result<(), &'static str> {
        match (self, found) {
            (Self::Count(count), _) => *count += 1,
            (Self::Sum { ints, .. }, Some(Token::Int(value))) => *ints += i128::from(value),
            (Self::Sum { floats, .. }, Some(Token::Float(value))) => floats.get_or_insert_default().add(value),
            (Self::Extreme(known), Some(Token::Int(value))) => extreme(known, Scalar::Int(i128::from(value)), measure)?,
            (Self::Extreme(known), Some(Token::Float(value))) => extreme(known, Scalar::Float(value), measure)?,
            (Self::Extreme(known), Some(Token::Text(value))) => {
                extreme(known, Scalar::Text(value.to_owned()), measure)?;
            }
            (Self::Event(known), _) if measure == Measure::Last || known.is_none() => *known = Some(sequence),
            (Self::Event(_), _) => {}
            (_, found) => return Err(found.as_ref().map_or("missing", kind_of)),
        }
        Ok(())
    }

    fn finish(self) -> Scalar {
        match self {
            Self::Count(count) => Scalar::Int(i128::from(count)),
            Self::Sum { ints, floats: None } => Scalar::Int(ints),
            #[expect(clippy::cast_precision_loss, reason = "a sum with a float in it is a float")]
            Self::Sum { ints, floats: Some(mut floats) } => {
                floats.add(ints as f64);
                // What was lost of an infinite sum is no number.
                Scalar::Float(if floats.lost.is_finite() { floats.sum + floats.lost } else { floats.sum })
            }
            Self::Extreme(known) => known.unwrap_or(Scalar::Null),
            Self::Event(known) => known.map_or(Scalar::Null, Scalar::Event),
        }
    }
}

/// Keeps the smaller or the larger; what is no number is neither.
fn extreme(known: &mut Option<Scalar>, value: Scalar, measure: Measure) -> std::result::Result<(), &'static str> {
    if matches!(value, Scalar::Float(float) if float.is_nan()) {
        return Ok(());
    }
    let better = match known {
        None => true,
        Some(known) => {
            let order =
                compare(&value, known).ok_or(if matches!(value, Scalar::Text(_)) { "a text" } else { "a number" })?;
            order == if measure == Measure::Min { Ordering::Less } else { Ordering::Greater }
        }
    };
    if better {
        *known = Some(value);
    }
    Ok(())
}

/// The order of two values of a kind, numbers by their value.
fn compare(one: &Scalar, other: &Scalar) -> Option<Ordering> {
    match (one, other) {
        (Scalar::Int(one), Scalar::Int(other)) => Some(one.cmp(other)),
        (Scalar::Float(one), Scalar::Float(other)) => one.partial_cmp(other),
        (Scalar::Int(one), Scalar::Float(other)) => Some(int_with_float(*one, *other)),
        (Scalar::Float(one), Scalar::Int(other)) => Some(int_with_float(*other, *one).reverse()),
        (Scalar::Text(one), Scalar::Text(other)) => Some(one.cmp(other)),
        _ => None,
    }
}

/// The order of an integer of 64 bits and a float, without rounding either.
#[expect(clippy::cast_possible_truncation, reason = "the float is between -2^65 and 2^65 there, and whole")]
fn int_with_float(int: i128, float: f64) -> Ordering {
    const BEYOND: f64 = 36_893_488_147_419_103_232.0;
    if float >= BEYOND {
        Ordering::Less
    } else if float <= -BEYOND {
        Ordering::Greater
    } else {
        let whole = float.trunc();
        int.cmp(&(whole as i128)).then_with(|| 0.0_f64.total_cmp(&((float - whole) + 0.0)))
    }
}
