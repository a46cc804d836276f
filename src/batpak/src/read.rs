//! Reads events from the log. What is given out was checked against its hash: a flipped bit is an error, never wrong data.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::files::Files;
use crate::hash::{Hash, Input, NO_HASH, hash_all};
use crate::header::{Encoding, Header, Promise, Stamp};
use crate::index::Location;
use crate::kind::Kind;
use crate::record::{Erasable, Record};
use crate::segment;
use crate::storage::{Mode, Storage, StorageFile};

/// Events that lie closer together than this are read in one go.
const GAP_BYTES_MAX: u64 = 4096;
/// And at most so many bytes.
const RUN_BYTES_MAX: u64 = 1024 * 1024;

/// An event with all that is stored of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    record: Box<[u8]>,
    header: Range<usize>,
    entity: Range<usize>,
    scope: Range<usize>,
    opening: Range<usize>,
    private: Range<usize>,
    payload: Range<usize>,
    /// Hash of the header.
    pub event_hash: Hash,
    /// The lineage.
    pub journal_id: [u8; 16],
    /// What.
    pub kind: Kind,
    /// Schema version of the payload.
    pub payload_version: u16,
    /// How the payload is to be read.
    pub encoding: Encoding,
    /// Free.
    pub correlation_id: Option<[u8; 16]>,
    /// What caused it.
    pub causation_id: Option<[u8; 16]>,
    /// What durability was promised.
    pub promise: Promise,
    /// What the header says of the payload.
    pub payload_commitment: Hash,
    /// Hides the payload behind its commitment.
    pub salt: [u8; 16],
    /// The writer's part.
    pub stamp: Stamp,
}

/// Where a part of the record lies in it.
fn range_in(whole: &[u8], part: &[u8]) -> Range<usize> {
    let from = part.as_ptr().addr().wrapping_sub(whole.as_ptr().addr());
    from..from + part.len()
}

impl Event {
    /// Takes a record apart, and checks that the header commits to its payload.
    pub fn from_record(bytes: Box<[u8]>) -> Result<Self> {
        let mut event = Self::unchecked(bytes)?;
        check(std::slice::from_mut(&mut event)).map_err(|(_, error)| error)?;
        Ok(event)
    }

    /// Takes a record apart. Nothing was hashed yet: `check` does that.
    fn unchecked(bytes: Box<[u8]>) -> Result<Self> {
        let record = Record::decode(&bytes)?;
        let header = Header::decode(record.header)?;
        let Erasable { opening, salt, private, payload } = record.erasable;
        Ok(Self {
            header: range_in(&bytes, record.header),
            entity: range_in(&bytes, header.entity.as_bytes()),
            scope: range_in(&bytes, header.scope.as_bytes()),
            opening: range_in(&bytes, opening),
            private: range_in(&bytes, private),
            payload: range_in(&bytes, payload),
            event_hash: NO_HASH,
            journal_id: header.journal_id,
            kind: header.kind,
            payload_version: header.payload_version,
            encoding: header.encoding,
            correlation_id: header.correlation_id,
            causation_id: header.causation_id,
            promise: header.promise,
            payload_commitment: header.payload_commitment,
            salt,
            stamp: header.stamp,
            record: bytes,
        })
    }

    fn inputs(&self) -> [Input<'_>; 2] {
        [Input::event(self.header()), Input::payload(self.part(&self.opening), self.payload())]
    }

    fn part(&self, range: &Range<usize>) -> &[u8] {
        self.record.get(range.clone()).unwrap_or_default()
    }

    /// The whole record.
    #[must_use]
    pub const fn record(&self) -> &[u8] {
        &self.record
    }

    /// The encoded header.
    #[must_use]
    pub fn header(&self) -> &[u8] {
        self.part(&self.header)
    }

    /// Whose.
    #[must_use]
    pub fn entity(&self) -> &str {
        std::str::from_utf8(self.part(&self.entity)).unwrap_or_default()
    }

    /// Where.
    #[must_use]
    pub fn scope(&self) -> &str {
        std::str::from_utf8(self.part(&self.scope)).unwrap_or_default()
    }

    /// Erasable metadata: empty, or a value that is a map.
    #[must_use]
    pub fn private(&self) -> &[u8] {
        self.part(&self.private)
    }

    /// The payload as stored.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.part(&self.payload)
    }

    /// The permanent metadata, keys ascending.
    pub fn metadata(&self) -> Result<Vec<(String, String)>> {
        let header = Header::decode(self.header())?;
        Ok(header.metadata.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
    }
}

fn damaged(storage: &dyn Storage, location: &Location, reason: &str) -> Error {
    Error::Damaged {
        file: storage.describe(&segment::path(location.segment)),
        offset: location.offset,
        sequence: Some(location.sequence),
        reason: reason.to_owned(),
    }
}

/// Hashes events, and checks that their headers commit to their payloads. An error says which of them it is about.
fn check(events: &mut [Event]) -> std::result::Result<(), (usize, Error)> {
    let mut inputs: Vec<[Input<'_>; 2]> = events.iter().map(Event::inputs).collect();
    hash_all(inputs.as_flattened_mut());
    let hashes: Vec<[Hash; 2]> = inputs.iter().map(|[event, payload]| [event.hash, payload.hash]).collect();
    for (number, (event, [event_hash, commitment])) in events.iter_mut().zip(hashes).enumerate() {
        event.event_hash = event_hash;
        if commitment != event.payload_commitment {
            let (offset, reason) = (event.header.end, "the payload does not fit the header's commitment");
            return Err((number, Error::InvalidEncoding { what: "record", offset, reason }));
        }
    }
    Ok(())
}

/// Takes the record of an event apart.
fn taken_apart(storage: &dyn Storage, location: &Location, bytes: Box<[u8]>) -> Result<Event> {
    Event::unchecked(bytes).map_err(|error| damaged(storage, location, &error.to_string()))
}

/// Checks events against the index.
fn checked(storage: &dyn Storage, locations: &[Location], events: &mut [Event]) -> Result<()> {
    check(events).map_err(|(number, error)| match locations.get(number) {
        Some(location) => damaged(storage, location, &error.to_string()),
        None => error,
    })?;
    for (event, location) in events.iter().zip(locations) {
        if event.event_hash != location.hash {
            return Err(damaged(storage, location, "the event changed on disk since the journal was opened"));
        }
        if event.stamp.sequence != location.sequence {
            return Err(damaged(storage, location, "another event lies where its index says that this one does"));
        }
    }
    Ok(())
}

/// One event, from the segment that it is in. Nothing was hashed yet.
fn unchecked_in(storage: &dyn Storage, file: &dyn StorageFile, location: &Location) -> Result<Event> {
    let mut bytes = vec![0; location.length as usize];
    let filled = file.read_at(&mut bytes, location.offset)?;
    bytes.truncate(filled);
    taken_apart(storage, location, bytes.into())
}

fn event_in(storage: &dyn Storage, file: &dyn StorageFile, location: &Location) -> Result<Event> {
    let mut event = [unchecked_in(storage, file, location)?];
    checked(storage, std::slice::from_ref(location), &mut event)?;
    let [event] = event;
    Ok(event)
}

/// One event, whose segment need not be open for reading yet.
pub fn event_at(storage: &dyn Storage, location: &Location) -> Result<Event> {
    event_in(storage, storage.open(&segment::path(location.segment), Mode::Read)?.as_ref(), location)
}

/// One event.
pub fn event(files: &Files, location: &Location) -> Result<Event> {
    event_in(files.storage(), files.segment(location.segment)?.as_ref(), location)
}

/// Many events, in the order given; neighbours on disk are read together.
pub fn events(files: &Files, locations: &[Location]) -> Result<Vec<Event>> {
    let mut events = Vec::with_capacity(locations.len());
    let mut rest = locations;
    while let Some(first) = rest.first() {
        let mut end = first.offset + u64::from(first.length);
        let near = |end: &mut u64, location: &Location| {
            let location_end = location.offset + u64::from(location.length);
            let joins = location.segment == first.segment
                && location.offset >= *end
                && location.offset - *end <= GAP_BYTES_MAX
                && location_end - first.offset <= RUN_BYTES_MAX;
            if joins {
                *end = location_end;
            }
            joins
        };
        let more = rest.iter().skip(1).take_while(|location| near(&mut end, location)).count();
        let (run, after) = rest.split_at(more + 1);
        rest = after;
        if more == 0 {
            events.push(unchecked_in(files.storage(), files.segment(first.segment)?.as_ref(), first)?);
            continue;
        }
        let mut bytes = vec![0; usize::try_from(end - first.offset).unwrap_or(0)];
        let filled = files.segment(first.segment)?.read_at(&mut bytes, first.offset)?;
        bytes.truncate(filled);
        for location in run {
            let from = usize::try_from(location.offset - first.offset).unwrap_or(usize::MAX);
            let record = bytes.get(from..).and_then(|rest| rest.get(..location.length as usize)).unwrap_or_default();
            events.push(taken_apart(files.storage(), location, record.into())?);
        }
    }
    checked(files.storage(), locations, &mut events)?;
    Ok(events)
}
