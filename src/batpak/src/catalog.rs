//! What `checkpoints` says of the files that can be made again (FORMAT.md section 17.3): which there are, and what they must hold.

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

/// Files that came to be together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caches {
    /// If a segment was indexed.
    pub index: Option<IndexEntry>,
    /// If entity heads were merged.
    pub run: Option<RunEntry>,
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

impl Caches {
    /// Appends the body of the entry, without its type.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.index.is_some()));
        if let Some(index) = &self.index {
            put_varint(out, index.span.first);
            put_varint(out, u64::from(index.span.count));
            put_varint(out, index.span.end);
            put_made(out, &index.made);
            put_varint(out, index.keys.len() as u64);
            index.keys.iter().for_each(|key| put_bytes(out, key.as_bytes()));
            put_varint(out, index.steering.len() as u64);
            index.steering.iter().for_each(|sequence| put_varint(out, *sequence));
            out.push(u8::from(index.opened.is_some()));
            index.opened.iter().for_each(|sequence| put_varint(out, *sequence));
        }
        out.push(u8::from(self.run.is_some()));
        if let Some(run) = &self.run {
            put_varint(out, run.first);
            put_varint(out, run.end);
            put_made(out, &run.made);
        }
    }

    /// Reads the body of the entry, behind its type.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self> {
        let index = if reader.option()? { Some(read_index(reader)?) } else { None };
        let run = if reader.option()? {
            Some(RunEntry { first: reader.varint()?, end: reader.varint()?, made: read_made(reader)? })
        } else {
            None
        };
        Ok(Self { index, run })
    }
}

fn read_index(reader: &mut Reader<'_>) -> Result<IndexEntry> {
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
    Ok(IndexEntry { span, made, keys, steering, opened })
}
