//! What `checkpoints` says of the files that can be made again (FORMAT.md section 17.4): which there are, and what they must hold.

use crate::cache::Made;
use crate::error::Result;
use crate::index::Span;
use crate::limits::INDEXED_KEYS_MAX;
use crate::segment;
use crate::wire::{Reader, put_bytes, put_varint};

/// The directory of the runs of entity heads.
pub const HEADS_DIRECTORY: &str = "heads";

/// The index of a segment, as far as it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// Which events it knows; they begin with the segment.
    pub span: Span,
    /// Size and digest of the file.
    pub made: Made,
    /// The declared metadata keys, ascending.
    pub keys: Vec<String>,
    /// Sequences of the journal's own events among them that every open must know, but `opened`.
    pub steering: Vec<u64>,
    /// Sequence of the last `opened` event among them.
    pub opened: Option<u64>,
}

/// A run of entity heads: the last event of each entity among these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunEntry {
    /// Sequence of the first event.
    pub first: u64,
    /// The sequence after the last.
    pub end: u64,
    /// Size and digest of the file.
    pub made: Made,
}

/// A file that came to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cache {
    /// A segment was indexed.
    Index(IndexEntry),
    /// Entity heads were merged.
    Run(RunEntry),
}

/// Path of the index of the segment that begins with this sequence.
#[must_use]
pub fn index_path(first: u64) -> String {
    format!("{}/{}", segment::DIRECTORY, index_name(first))
}

/// Its name within `segments/`.
#[must_use]
pub fn index_name(first: u64) -> String {
    format!("{first:020}.idx")
}

/// Whether a name in `segments/` is that of an index.
#[must_use]
pub fn is_index(name: &str) -> bool {
    name.strip_suffix(".idx").is_some_and(|digits| digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_digit()))
}

impl RunEntry {
    /// Its name within `heads/`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{:020}-{:020}.run", self.first, self.end)
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{HEADS_DIRECTORY}/{}", self.name())
    }
}

fn put_made(out: &mut Vec<u8>, made: &Made) {
    put_varint(out, made.bytes);
    out.extend_from_slice(&made.digest);
}

fn read_made(reader: &mut Reader<'_>) -> Result<Made> {
    Ok(Made { bytes: reader.varint()?, digest: reader.array()? })
}

impl Cache {
    /// The index that this tells of.
    #[must_use]
    pub const fn index(&self) -> Option<&IndexEntry> {
        match self {
            Self::Index(index) => Some(index),
            Self::Run(_) => None,
        }
    }

    /// The run that this tells of.
    #[must_use]
    pub const fn run(&self) -> Option<&RunEntry> {
        match self {
            Self::Run(run) => Some(run),
            Self::Index(_) => None,
        }
    }
}

impl IndexEntry {
    /// Appends the body of the entry, without its type.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, self.span.first);
        put_varint(out, u64::from(self.span.count));
        put_varint(out, self.span.end);
        put_made(out, &self.made);
        put_varint(out, self.keys.len() as u64);
        self.keys.iter().for_each(|key| put_bytes(out, key.as_bytes()));
        put_varint(out, self.steering.len() as u64);
        self.steering.iter().for_each(|sequence| put_varint(out, *sequence));
        out.push(u8::from(self.opened.is_some()));
        self.opened.iter().for_each(|sequence| put_varint(out, *sequence));
    }

    /// Reads the body of the entry, behind its type.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self> {
        let first = reader.varint()?;
        let count = reader.varint_at_most(u64::from(u32::MAX))?;
        let count = u32::try_from(count).map_err(|_| reader.error("a number out of range"))?;
        let span = Span { segment: first, first, count, end: reader.varint()? };
        let made = read_made(reader)?;
        let key_count = reader.count(1)?;
        if key_count > INDEXED_KEYS_MAX {
            return Err(reader.error("more declared keys than there may be"));
        }
        let keys = (0..key_count).map(|_| reader.text().map(str::to_owned)).collect::<Result<Vec<_>>>()?;
        let steering_count = reader.count(1)?;
        let steering = (0..steering_count).map(|_| reader.varint()).collect::<Result<Vec<_>>>()?;
        let opened = if reader.option()? { Some(reader.varint()?) } else { None };
        Ok(Self { span, made, keys, steering, opened })
    }
}

impl RunEntry {
    /// Appends the body of the entry, without its type.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, self.first);
        put_varint(out, self.end);
        put_made(out, &self.made);
    }

    /// Reads the body of the entry, behind its type.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self> {
        Ok(Self { first: reader.varint()?, end: reader.varint()?, made: read_made(reader)? })
    }
}
