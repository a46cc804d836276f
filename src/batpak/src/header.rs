//! The event header (FORMAT.md section 3): permanent, and hashed to the last byte.

use std::collections::BTreeMap;

use crate::clock::Hlc;
use crate::coordinate;
use crate::error::{Error, Result};
use crate::event_id::{self, EventId};
use crate::hash::{Hash, NO_HASH};
use crate::kind::Kind;
use crate::limits::{HEADER_BYTES_MAX, METADATA_BYTES_MAX};
use crate::wire::{Reader, put_bytes, put_option_id, put_varint, put_zigzag};

/// The layout and the hash functions of this version.
pub const HEADER_VERSION: u8 = 1;

/// The milliseconds of an id have 48 bits.
const WALL_US_MAX: u64 = (1 << 48) * 1000 - 1;

/// How the payload is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Bytes, as they are.
    Raw = 0,
    /// One canonical value.
    Value = 1,
}

/// What durability the writer promised for an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    /// Synced when somebody asks.
    Manual = 0,
    /// Synced within the store's interval.
    Interval = 1,
    /// Synced before the receipt.
    Always = 2,
}

/// What the caller knows, before the lock.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// The lineage.
    pub journal_id: &'a [u8; 16],
    /// Valid by `Coordinate`.
    pub entity: &'a str,
    /// Valid by `Coordinate`.
    pub scope: &'a str,
    /// What happened.
    pub kind: Kind,
    /// Schema version of the payload.
    pub payload_version: u16,
    /// How the payload is to be read.
    pub encoding: Encoding,
    /// Free.
    pub correlation_id: Option<&'a [u8; 16]>,
    /// The event that caused this one.
    pub causation_id: Option<&'a [u8; 16]>,
    /// Hash of the caller's key.
    pub idempotency_key: Option<&'a [u8; 16]>,
    /// Pseudonymous ids only: it can never be erased.
    pub metadata: &'a BTreeMap<String, String>,
    /// See `hash::payload_commitment`.
    pub payload_commitment: &'a Hash,
    /// What durability was promised.
    pub promise: Promise,
}

/// What the writer stamps, under its lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Position in the journal.
    pub sequence: u64,
    /// Ascends with the sequence.
    pub event_id: EventId,
    /// Position in the entity's chain.
    pub clock: u64,
    /// Ascends with the sequence.
    pub hlc: Hlc,
    /// Raw wall clock minus HLC wall.
    pub skew_us: i64,
    /// Sequence and hash of the entity's previous event.
    pub previous: Option<(u64, Hash)>,
}

/// Appends the caller's fields; returns where the 16 bytes of the causation id are, if there is one.
pub fn encode_caller(out: &mut Vec<u8>, caller: &Caller<'_>) -> Result<Option<usize>> {
    out.push(HEADER_VERSION);
    out.extend_from_slice(caller.journal_id);
    put_bytes(out, caller.entity.as_bytes());
    put_bytes(out, caller.scope.as_bytes());
    put_varint(out, u64::from(caller.kind.code()));
    put_varint(out, u64::from(caller.payload_version));
    out.push(caller.encoding as u8);
    put_option_id(out, caller.correlation_id);
    let causation_at = caller.causation_id.map(|_| out.len() + 1);
    put_option_id(out, caller.causation_id);
    put_option_id(out, caller.idempotency_key);
    let metadata_from = out.len();
    put_varint(out, caller.metadata.len() as u64);
    for (key, value) in caller.metadata {
        put_bytes(out, key.as_bytes());
        put_bytes(out, value.as_bytes());
    }
    let metadata_bytes = out.len() - metadata_from;
    if metadata_bytes > METADATA_BYTES_MAX {
        return Err(Error::LimitExceeded {
            what: "metadata, in encoded bytes,",
            actual: metadata_bytes as u64,
            limit: METADATA_BYTES_MAX as u64,
        });
    }
    // Not sealed.
    out.push(0);
    out.extend_from_slice(caller.payload_commitment);
    out.push(caller.promise as u8);
    Ok(causation_at)
}

/// Appends the stamped fields.
pub fn encode_stamp(out: &mut Vec<u8>, stamp: &Stamp) {
    put_varint(out, stamp.sequence);
    out.extend_from_slice(&stamp.event_id);
    put_varint(out, stamp.clock);
    put_varint(out, stamp.hlc.wall_us);
    put_varint(out, u64::from(stamp.hlc.counter));
    put_zigzag(out, stamp.skew_us);
    match &stamp.previous {
        None => {
            out.push(0);
            out.extend_from_slice(&NO_HASH);
        }
        Some((sequence, hash)) => {
            out.push(1);
            put_varint(out, *sequence);
            out.extend_from_slice(hash);
        }
    }
}

/// A decoded header; names borrow from the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// The lineage.
    pub journal_id: [u8; 16],
    /// Whose event.
    pub entity: &'a str,
    /// Where.
    pub scope: &'a str,
    /// What.
    pub kind: Kind,
    /// Schema version of the payload.
    pub payload_version: u16,
    /// How the payload is to be read.
    pub encoding: Encoding,
    /// Free.
    pub correlation_id: Option<[u8; 16]>,
    /// The event that caused this one.
    pub causation_id: Option<[u8; 16]>,
    /// Hash of the caller's key.
    pub idempotency_key: Option<[u8; 16]>,
    /// Keys and values, ascending.
    pub metadata: Vec<(&'a str, &'a str)>,
    /// Hash that the payload must fit.
    pub payload_commitment: Hash,
    /// What durability was promised.
    pub promise: Promise,
    /// The writer's part.
    pub stamp: Stamp,
}

impl<'a> Header<'a> {
    /// Reads exactly one header.
    #[inline]
    pub fn decode(bytes: &'a [u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes, "event header");
        if bytes.len() > HEADER_BYTES_MAX {
            return Err(reader.error("longer than a header may be"));
        }
        if reader.byte()? != HEADER_VERSION {
            return Err(reader.error("an unknown header version"));
        }
        let journal_id = reader.array()?;
        let (entity, scope) = (name(&mut reader)?, name(&mut reader)?);
        let kind = Kind::from_code(sixteen_bits(&mut reader)?);
        let payload_version = sixteen_bits(&mut reader)?;
        let encoding = match reader.byte()? {
            0 => Encoding::Raw,
            1 => Encoding::Value,
            _ => return Err(reader.error("an unknown payload encoding")),
        };
        let correlation_id = reader.option_id()?;
        let causation_id = reader.option_id()?;
        let idempotency_key = reader.option_id()?;
        let metadata = metadata(&mut reader)?;
        if reader.option()? {
            return Err(reader.error("a sealed payload, which this version cannot read"));
        }
        let payload_commitment = reader.array()?;
        let promise = match reader.byte()? {
            0 => Promise::Manual,
            1 => Promise::Interval,
            2 => Promise::Always,
            _ => return Err(reader.error("an unknown promise")),
        };
        let stamp = stamp(&mut reader)?;
        reader.finish()?;
        Ok(Self {
            journal_id,
            entity,
            scope,
            kind,
            payload_version,
            encoding,
            correlation_id,
            causation_id,
            idempotency_key,
            metadata,
            payload_commitment,
            promise,
            stamp,
        })
    }
}

#[inline]
fn name<'a>(reader: &mut Reader<'a>) -> Result<&'a str> {
    let name = reader.text()?;
    if coordinate::flaw(name).is_some() { Err(reader.error("a coordinate that breaks the rules")) } else { Ok(name) }
}

#[inline]
fn sixteen_bits(reader: &mut Reader<'_>) -> Result<u16> {
    let value = reader.varint_at_most(u64::from(u16::MAX))?;
    u16::try_from(value).map_err(|_| reader.error("a number out of range"))
}

#[inline]
fn metadata<'a>(reader: &mut Reader<'a>) -> Result<Vec<(&'a str, &'a str)>> {
    let from = reader.position();
    let count = reader.count(2)?;
    let mut pairs: Vec<(&str, &str)> = Vec::with_capacity(count);
    for _ in 0..count {
        let (key, value) = (reader.text()?, reader.text()?);
        if pairs.last().is_some_and(|(last, _)| *last >= key) {
            return Err(reader.error("metadata keys that do not ascend"));
        }
        pairs.push((key, value));
    }
    if reader.position() - from > METADATA_BYTES_MAX {
        return Err(reader.error("metadata longer than it may be"));
    }
    Ok(pairs)
}

#[inline]
fn stamp(reader: &mut Reader<'_>) -> Result<Stamp> {
    let sequence = reader.varint()?;
    let event_id = reader.array()?;
    if event_id::parts(&event_id).is_none() {
        return Err(reader.error("an event id that is not a UUIDv7"));
    }
    let clock = reader.varint()?;
    let wall_us = reader.varint_at_most(WALL_US_MAX)?;
    let counter = reader.varint_at_most(u64::from(u32::MAX))?;
    let counter = u32::try_from(counter).map_err(|_| reader.error("a number out of range"))?;
    let skew_us = reader.zigzag()?;
    let previous_sequence = if reader.option()? { Some(reader.varint()?) } else { None };
    let previous_hash: Hash = reader.array()?;
    if previous_sequence.is_none() != (clock == 0) || (clock == 0) != (previous_hash == NO_HASH) {
        return Err(reader.error("a link to a previous event that does not fit the clock"));
    }
    Ok(Stamp {
        sequence,
        event_id,
        clock,
        hlc: Hlc { wall_us, counter },
        skew_us,
        previous: previous_sequence.map(|sequence| (sequence, previous_hash)),
    })
}
