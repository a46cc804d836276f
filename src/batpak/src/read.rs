//! Reads events from the log. What is given out was checked against its hash: a flipped bit is an error, never wrong data.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::files::Files;
use crate::hash::{Hash, Input, hash_all};
use crate::header::{Encoding, Header, Promise, Stamp};
use crate::index::Location;
use crate::kind::Kind;
use crate::record::Record;
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
    pub fn from_record(bytes: Vec<u8>) -> Result<Self> {
        let record = Record::decode(&bytes)?;
        let mut inputs = record.inputs();
        hash_all(&mut inputs);
        let [event, payload] = inputs;
        let parts = Checked::new(&bytes, record, event.hash, Some(payload.hash))?.parts();
        Ok(Self { record: bytes.into(), ..parts })
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

/// How much of an event is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// The header; the payload is neither hashed nor given out.
    Header,
    /// All of it.
    Whole,
}

/// A record that was checked, before anything of it is copied.
#[derive(Debug)]
pub struct Checked<'a> {
    bytes: &'a [u8],
    record: Record<'a>,
    /// What its header says.
    pub header: Header<'a>,
    event_hash: Hash,
}

impl<'a> Checked<'a> {
    /// Checks a record with these hashes: of its header, and of what follows that if it is looked at.
    #[inline]
    fn new(bytes: &'a [u8], record: Record<'a>, event_hash: Hash, commitment: Option<Hash>) -> Result<Self> {
        let header = Header::decode(record.header)?;
        if commitment.is_some_and(|commitment| commitment != header.payload_commitment) {
            let (offset, reason) = (record.header.len(), "the payload does not fit the header's commitment");
            return Err(Error::InvalidEncoding { what: "record", offset, reason });
        }
        Ok(Self { bytes, record, header, event_hash })
    }

    /// The payload as stored, if it was looked at.
    #[must_use]
    pub const fn payload(&self) -> &'a [u8] {
        self.record.erasable.payload
    }

    /// The event by itself; all of it must have been looked at.
    #[must_use]
    pub fn event(self) -> Event {
        Event { record: self.bytes.into(), ..self.parts() }
    }

    /// The event, still without its record.
    fn parts(&self) -> Event {
        let Self { bytes, record, header, event_hash } = self;
        Event {
            header: range_in(bytes, record.header),
            entity: range_in(bytes, header.entity.as_bytes()),
            scope: range_in(bytes, header.scope.as_bytes()),
            private: range_in(bytes, record.erasable.private),
            payload: range_in(bytes, record.erasable.payload),
            event_hash: *event_hash,
            journal_id: header.journal_id,
            kind: header.kind,
            payload_version: header.payload_version,
            encoding: header.encoding,
            correlation_id: header.correlation_id,
            causation_id: header.causation_id,
            promise: header.promise,
            payload_commitment: header.payload_commitment,
            salt: record.erasable.salt,
            stamp: header.stamp,
            record: Box::default(),
        }
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

/// Whether it is the event that its index speaks of.
#[inline]
fn expected(storage: &dyn Storage, location: &Location, event_hash: &Hash, stamp: &Stamp) -> Result<()> {
    if *event_hash != location.hash {
        return Err(damaged(storage, location, "the event changed on disk since the journal was opened"));
    }
    if stamp.sequence != location.sequence {
        return Err(damaged(storage, location, "another event lies where its index says that this one does"));
    }
    Ok(())
}

/// Checks records, each in its place in `bytes`, against the index, and has each taken, in their order. All are hashed together: many are hashed
/// faster than one.
fn check(
    storage: &dyn Storage,
    locations: &[Location],
    (bytes, places): (&[u8], &[Range<usize>]),
    depth: Depth,
    mut take: impl FnMut(Checked<'_>) -> Result<()>,
) -> Result<()> {
    let mut records = Vec::with_capacity(locations.len());
    for (location, place) in locations.iter().zip(places) {
        let own = bytes.get(place.clone()).unwrap_or_default();
        let record = Record::decode(own).map_err(|error| damaged(storage, location, &error.to_string()))?;
        records.push((own, record));
    }
    let mut inputs: Vec<Input<'_>> = match depth {
        Depth::Header => records.iter().map(|(_, record)| Input::event(record.header)).collect(),
        Depth::Whole => records.iter().flat_map(|(_, record)| record.inputs()).collect(),
    };
    hash_all(&mut inputs);
    let mut hashes = inputs.iter().map(|input| input.hash);
    for (location, (own, record)) in locations.iter().zip(records) {
        let event_hash = hashes.next().unwrap_or_default();
        let commitment = if depth == Depth::Whole { hashes.next() } else { None };
        let checked = Checked::new(own, record, event_hash, commitment)
            .map_err(|error| damaged(storage, location, &error.to_string()))?;
        expected(storage, location, &event_hash, &checked.header.stamp)?;
        take(checked)?;
    }
    Ok(())
}

/// One event, from the segment that it is in.
fn event_in(storage: &dyn Storage, file: &dyn StorageFile, location: &Location) -> Result<Event> {
    // What is not there stays zero, and is no record.
    let mut bytes = vec![0; location.length as usize];
    file.read_at(&mut bytes, location.offset)?;
    let event = Event::from_record(bytes).map_err(|error| damaged(storage, location, &error.to_string()))?;
    expected(storage, location, &event.event_hash, &event.stamp)?;
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

/// Has many events taken, in the order given; neighbours on disk are read together.
pub fn visit(
    files: &Files,
    locations: &[Location],
    depth: Depth,
    take: impl FnMut(Checked<'_>) -> Result<()>,
) -> Result<()> {
    let mut bytes = Vec::with_capacity(locations.iter().map(|location| location.length as usize).sum());
    let mut places = Vec::with_capacity(locations.len());
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
        let from = bytes.len();
        for location in run {
            let at = from + usize::try_from(location.offset - first.offset).unwrap_or(usize::MAX);
            places.push(at..at + location.length as usize);
        }
        // What is not there stays zero, and is no record.
        bytes.resize(from + usize::try_from(end - first.offset).unwrap_or(0), 0);
        files.segment(first.segment)?.read_at(bytes.get_mut(from..).unwrap_or_default(), first.offset)?;
    }
    check(files.storage(), locations, (&bytes, &places), depth, take)
}
