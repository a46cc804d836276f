//! `checkpoints`: heads of the log, appended at each seal and clean close, and what index files there are (FORMAT.md section 8).

use std::sync::Arc;

use crate::catalog::{Cache, IndexEntry, RunEntry};
use crate::error::{Error, Result};
use crate::hash::Hash;
use crate::merkle::Tree;
use crate::proof::Checkpoint;
use crate::segment::{FORMAT_VERSION, FixedFields};
use crate::storage::{Mode, Storage, StorageFile, missing_is_none, read_all, write_whole};
use crate::wire::{Reader, put_bytes, put_varint};

/// The file's name.
pub const NAME: &str = "checkpoints";
const MAGIC: [u8; 8] = *b"batpakC1";
const HEADER_BYTES: usize = 32;
const CHECKED: usize = 28;
const ENTRY_HEADER_BYTES: usize = 8;
/// Far above any entry: a head has 64 peaks and a few numbers, and a segment few events that every open must know.
const ENTRY_BYTES_MAX: usize = 1024 * 1024;
const TYPE_HEAD: u8 = 1;
const TYPE_INDEX: u8 = 2;
const TYPE_RUN: u8 = 3;
const TYPE_CHECKPOINT: u8 = 4;

/// Why a head was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The segment was sealed.
    Sealed = 1,
    /// The journal was closed.
    Closed = 2,
}

/// A statement about the log up to a size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Why it was written.
    pub reason: Reason,
    /// The tree over the events that it covers: size, peaks, and so root.
    pub tree: Tree,
    /// Its root, as it was written.
    pub root: Hash,
    /// Hash of the last of them.
    pub last_event_hash: Hash,
    /// The segment that holds it.
    pub segment_first_sequence: u64,
    /// Bytes of that segment up to its end.
    pub segment_length: u64,
}

impl Head {
    fn encode(&self) -> Vec<u8> {
        let mut body = vec![TYPE_HEAD, self.reason as u8];
        put_varint(&mut body, self.tree.size());
        body.extend_from_slice(&self.last_event_hash);
        body.extend_from_slice(&self.root);
        put_varint(&mut body, self.segment_first_sequence);
        put_varint(&mut body, self.segment_length);
        put_varint(&mut body, self.tree.peaks().len() as u64);
        self.tree.peaks().iter().for_each(|peak| body.extend_from_slice(peak));
        body
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self> {
        let reason = match reader.byte()? {
            1 => Reason::Sealed,
            2 => Reason::Closed,
            _ => return Err(reader.error("an unknown reason")),
        };
        let size = reader.varint()?;
        let last_event_hash = reader.array()?;
        let root: Hash = reader.array()?;
        let (segment_first_sequence, segment_length) = (reader.varint()?, reader.varint()?);
        let count = reader.count(32)?;
        let peaks = (0..count).map(|_| reader.array()).collect::<Result<Vec<Hash>>>()?;
        let tree = Tree::from_peaks(size, peaks).ok_or_else(|| reader.error("peaks that do not fit the size"))?;
        if size == 0 {
            return Err(reader.error("a head over nothing"));
        }
        Ok(Self { reason, tree, root, last_event_hash, segment_first_sequence, segment_length })
    }

    /// Whether the root is that of the peaks. A few hashes, so only asked where the head matters.
    #[must_use]
    pub fn has_own_root(&self) -> bool {
        self.tree.root() == self.root
    }
}

/// One entry of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Entry {
    Head(Head),
    Cache(Cache),
    Checkpoint(Checkpoint),
}

impl Entry {
    fn decode(body: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(body, "entry of checkpoints");
        let entry = match reader.byte()? {
            TYPE_HEAD => Self::Head(Head::decode(&mut reader)?),
            TYPE_INDEX => Self::Cache(Cache::Index(IndexEntry::decode(&mut reader)?)),
            TYPE_RUN => Self::Cache(Cache::Run(RunEntry::decode(&mut reader)?)),
            TYPE_CHECKPOINT => Self::Checkpoint(Checkpoint::parse(reader.text()?)?),
            _ => return Err(reader.error("an unknown type of entry")),
        };
        reader.finish()?;
        Ok(entry)
    }
}

fn crc(journal_id: &[u8; 16], offset: usize, body: &[u8]) -> u32 {
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes();
    let seed = crc32c::crc32c_append(crc32c::crc32c(journal_id), &(offset as u64).to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c_append(seed, &length), body)
}

/// The entry at `offset`, if one was written there.
fn entry<'a>(bytes: &'a [u8], offset: usize, journal_id: &[u8; 16]) -> Option<&'a [u8]> {
    let (length, rest) = bytes.get(offset..)?.split_first_chunk::<4>()?;
    let (stored, rest) = rest.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*length) as usize;
    if length == 0 || length > ENTRY_BYTES_MAX {
        return None;
    }
    let body = rest.get(..length)?;
    (crc(journal_id, offset, body) == u32::from_le_bytes(*stored)).then_some(body)
}

/// What the file holds.
#[derive(Clone, Debug, Default)]
pub struct Heads {
    /// In the order in which they were written, with their offsets.
    pub heads: Vec<(u64, Head)>,
    /// In the order in which they were made, with their offsets.
    pub checkpoints: Vec<(u64, Checkpoint)>,
    /// What index files there are, in the order in which they came to be.
    pub caches: Vec<Cache>,
    /// Where the next entry belongs.
    pub end: u64,
    /// Bytes of a torn last entry behind it.
    pub torn_bytes: u64,
}

/// An entry of the file that speaks of the log.
#[derive(Clone, Copy, Debug)]
pub enum Said<'a> {
    /// At a seal or a close.
    Head(&'a Head),
    /// For others.
    Checkpoint(&'a Checkpoint),
}

impl Said<'_> {
    /// Number of events that it covers.
    #[must_use]
    pub fn size(&self) -> u64 {
        match self {
            Self::Head(head) => head.tree.size(),
            Self::Checkpoint(checkpoint) => checkpoint.size,
        }
    }
}

impl Heads {
    /// Numbers of events that something in the file covers.
    pub fn sizes(&self) -> impl Iterator<Item = u64> {
        let checkpoints = self.checkpoints.iter().map(|(_, checkpoint)| checkpoint.size);
        self.heads.iter().map(|(_, head)| head.tree.size()).chain(checkpoints)
    }

    /// Heads and checkpoints in the order in which they were written.
    #[must_use]
    pub fn in_order(&self) -> Vec<Said<'_>> {
        let heads = self.heads.iter().map(|(offset, head)| (*offset, Said::Head(head)));
        let checkpoints = self.checkpoints.iter().map(|(offset, checkpoint)| (*offset, Said::Checkpoint(checkpoint)));
        let mut all: Vec<_> = heads.chain(checkpoints).collect();
        all.sort_by_key(|(offset, _)| *offset);
        all.into_iter().map(|(_, said)| said).collect()
    }

    /// Number of events that the last checkpoint covers.
    #[must_use]
    pub fn stated(&self) -> u64 {
        self.checkpoints.last().map_or(0, |(_, last)| last.size)
    }
}

/// Reads the file; a missing one is damage unless nothing was ever promised, which the caller knows.
pub fn read(storage: &dyn Storage, journal_id: &[u8; 16]) -> Result<Option<Heads>> {
    let Some(file) = missing_is_none(storage.open(NAME, Mode::Read))? else { return Ok(None) };
    let bytes = read_all(file.as_ref())?;
    let damaged = |offset: u64, reason: &str| Error::Damaged {
        file: storage.describe(NAME),
        offset,
        sequence: None,
        reason: reason.to_owned(),
    };
    let fields = FixedFields::new(&bytes);
    fields.check(MAGIC, CHECKED, HEADER_BYTES, &storage.describe(NAME)).map_err(|flaw| flaw.into_error(damaged))?;
    if fields.rest().and_then(|rest| rest.first_chunk::<16>()) != Some(journal_id) {
        return Err(damaged(12, "the file belongs to another journal"));
    }
    let (mut heads, mut checkpoints, mut caches) = (Vec::new(), Vec::new(), Vec::new());
    let mut offset = HEADER_BYTES;
    while let Some(body) = entry(&bytes, offset, journal_id) {
        match Entry::decode(body).map_err(|error| damaged(offset as u64, &error.to_string()))? {
            Entry::Head(head) => heads.push((offset as u64, head)),
            Entry::Checkpoint(checkpoint) => checkpoints.push((offset as u64, checkpoint)),
            Entry::Cache(found) => caches.push(found),
        }
        offset += ENTRY_HEADER_BYTES + body.len();
    }
    // A crash tears the last entry only: a whole one behind the flaw means that it was no crash.
    if (offset + 1..bytes.len()).any(|later| entry(&bytes, later, journal_id).is_some()) {
        return Err(damaged(offset as u64, "an entry is damaged, and whole ones follow it"));
    }
    Ok(Some(Heads { heads, checkpoints, caches, end: offset as u64, torn_bytes: (bytes.len() - offset) as u64 }))
}

/// Makes the file, empty.
pub fn create(storage: &dyn Storage, journal_id: &[u8; 16]) -> Result<Arc<dyn StorageFile>> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
    bytes.extend_from_slice(&[0; 2]);
    bytes.extend_from_slice(journal_id);
    bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
    write_whole(storage, NAME, &bytes)
}

/// Appends heads.
#[derive(Debug)]
pub struct HeadWriter {
    file: Arc<dyn StorageFile>,
    journal_id: [u8; 16],
    end: u64,
}

impl HeadWriter {
    /// Goes on at `end`; a torn entry behind it is cut off.
    pub fn new(file: Arc<dyn StorageFile>, journal_id: [u8; 16], end: u64) -> Result<Self> {
        let end = end.max(HEADER_BYTES as u64);
        if file.length()? > end {
            file.truncate(end)?;
        }
        Ok(Self { file, journal_id, end })
    }

    /// Writes and syncs a head. What it covers must be synced already.
    pub fn append(&mut self, head: &Head) -> Result<()> {
        self.append_body(&head.encode())
    }

    /// Writes and syncs the one or the other.
    pub fn append_said(&mut self, said: &Said<'_>) -> Result<()> {
        match said {
            Said::Head(head) => self.append(head),
            Said::Checkpoint(checkpoint) => self.append_checkpoint(checkpoint),
        }
    }

    /// Writes and syncs a checkpoint. What it covers must be synced already.
    pub fn append_checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        let mut body = vec![TYPE_CHECKPOINT];
        put_bytes(&mut body, checkpoint.note.encode().as_bytes());
        self.append_body(&body)
    }

    /// Writes and syncs which index file came to be. It may be lost in a crash, and is made again then.
    pub fn append_cache(&mut self, cache: &Cache) -> Result<()> {
        let mut body = Vec::new();
        match cache {
            Cache::Index(index) => {
                body.push(TYPE_INDEX);
                index.encode(&mut body);
            }
            Cache::Run(run) => {
                body.push(TYPE_RUN);
                run.encode(&mut body);
            }
        }
        self.append_body(&body)
    }

    fn append_body(&mut self, body: &[u8]) -> Result<()> {
        let offset = usize::try_from(self.end).unwrap_or(usize::MAX);
        let mut bytes = u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes().to_vec();
        bytes.extend_from_slice(&crc(&self.journal_id, offset, body).to_le_bytes());
        bytes.extend_from_slice(body);
        self.file.write_at(&bytes, self.end)?;
        self.file.sync()?;
        self.end += bytes.len() as u64;
        Ok(())
    }
}
