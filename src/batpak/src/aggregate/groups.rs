//! Events in groups by what they have in common.

use std::collections::HashMap;

use super::state::{State, kind_of};
use super::{Aggregate, Group, Measure, Scalar, Term};
use crate::error::{Error, Result};
use crate::header::{Encoding, Header};
use crate::read::{Checked, Depth};
use crate::value::{self, Token};
use crate::wire::put_varint;

/// What was found so far, in the order of the groups' first events.
#[derive(Debug)]
pub struct Groups<'a> {
    asked: &'a Aggregate,
    places: HashMap<Box<[u8]>, usize>,
    found: Vec<(Vec<Scalar>, State)>,
    /// What names the group of the event at hand.
    name: Vec<u8>,
}

impl<'a> Groups<'a> {
    /// None yet.
    pub fn new(asked: &'a Aggregate) -> Self {
        Self { asked, places: HashMap::new(), found: Vec::new(), name: Vec::new() }
    }

    /// How much of an event must be looked at.
    pub fn depth(&self) -> Depth {
        self.asked.depth()
    }

    /// Takes in the next event.
    pub fn take(&mut self, event: &Checked<'_>) -> Result<()> {
        let header = &event.header;
        if !self.asked.lifted.is_empty() && self.depth() == Depth::Whole {
            refuse_lifted(header, &self.asked.lifted)?;
        }
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
        self.name.clear();
        for term in &asked.by {
            self.name_part(term, event)?;
        }
        if let Some(every) = asked.every_us {
            put_varint(&mut self.name, event.header.stamp.hlc.wall_us / every);
        }
        // A question for one group only has one name, which is empty.
        let known = if self.name.is_empty() { Some(0) } else { self.places.get(self.name.as_slice()).copied() };
        let place = if let Some(place) = known.filter(|place| *place < self.found.len()) {
            place
        } else {
            let mut common = asked.by.iter().map(|term| common(term, event)).collect::<Result<Vec<_>>>()?;
            let span = |every| Scalar::Int(i128::from(event.header.stamp.hlc.wall_us / every * every));
            common.extend(asked.every_us.map(span));
            self.insert(self.name.as_slice().into(), (common, State::new(asked.measure)))
        };
        let (_, state) = self.found.get_mut(place).ok_or(Error::Closed)?;
        Ok(state)
    }

    fn insert(&mut self, name: Box<[u8]>, group: (Vec<Scalar>, State)) -> usize {
        let place = self.found.len();
        self.places.insert(name, place);
        self.found.push(group);
        place
    }

    /// Whether what was found in the events behind these can be added without another look at them.
    pub fn can_add(&self, behind: &Self) -> bool {
        behind.places.iter().all(|(name, place)| {
            let known = self.places.get(name).and_then(|place| self.found.get(*place));
            known.zip(behind.found.get(*place)).is_none_or(|((_, state), (_, behind))| state.can_add(behind))
        })
    }

    /// Adds what was found in the events behind these.
    pub fn add(&mut self, behind: Self) {
        let mut names: Vec<_> = behind.places.into_iter().collect();
        names.sort_unstable_by_key(|(_, place)| *place);
        for ((name, _), group) in names.into_iter().zip(behind.found) {
            match self.places.get(&name).and_then(|place| self.found.get_mut(*place)) {
                Some((_, state)) => state.add(self.asked.measure, group.1),
                None => drop(self.insert(name, group)),
            }
        }
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
                // To a program they are the same key.
                Scalar::Bool(found) => text(2, &i128::from(found).to_le_bytes()),
                _ => name.push(0),
            },
        }
        Ok(())
    }

    /// What the groups have in common, and their answers.
    pub fn finish(self) -> Vec<Group> {
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

/// Refuses a payload of which programs see something else than what is stored.
fn refuse_lifted(header: &Header<'_>, lifted: &HashMap<u16, u16>) -> Result<()> {
    // Version 0 is that of payloads without a class.
    let (kind, version) = (header.kind.code(), header.payload_version);
    if version == 0 || lifted.get(&kind).is_none_or(|current| version >= *current) {
        return Ok(());
    }
    let (sequence, name) = (header.stamp.sequence, header.kind);
    Err(Error::InvalidInput {
        reason: format!(
            "event {sequence} is of version {version} of {name}, which upcasters lift to a later one, and an aggregate sees what is stored; pass \
             stored=True if the stored fields are meant, or fold over the events in Python"
        ),
    })
}

/// The value of a field of a payload; `None` if there is no such field.
fn field<'a>(event: &Checked<'a>, path: &[String]) -> Result<Option<Token<'a>>> {
    if event.header.encoding == Encoding::Value { value::at(event.payload(), path) } else { Ok(None) }
}
