//! `frontier`: how far the log was synced, rewritten after each sync (FORMAT.md section 8). Regenerable.

use crate::error::Result;
use crate::segment::{FORMAT_VERSION, FixedFields, Flaw};
use crate::storage::{Mode, Storage, StorageFile, missing_is_none, read_all};
use std::sync::Arc;

/// The file's name.
pub const NAME: &str = "frontier";
const MAGIC: [u8; 8] = *b"batpakF1";
const FRONTIER_BYTES: usize = 64;
const CHECKED: usize = 60;

/// How far the log was synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frontier {
    /// The lineage.
    pub journal_id: [u8; 16],
    /// Which writable open this is, from 1.
    pub incarnation: u64,
    /// Number of events synced.
    pub synced_through: u64,
    /// The segment that holds the end of them.
    pub segment_first_sequence: u64,
    /// The end of them in that segment.
    pub segment_offset: u64,
}

impl Frontier {
    /// The 64 bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(FRONTIER_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes.extend_from_slice(&[0; 2]);
        bytes.extend_from_slice(&self.journal_id);
        for field in [self.incarnation, self.synced_through, self.segment_first_sequence, self.segment_offset] {
            bytes.extend_from_slice(&field.to_le_bytes());
        }
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
        bytes
    }

    /// `None` for anything but a valid frontier: it can be made again, so damage costs nothing but its word.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let fields = FixedFields::new(bytes);
        if bytes.len() != FRONTIER_BYTES || fields.check(MAGIC, CHECKED, FRONTIER_BYTES, NAME).is_err() {
            return None;
        }
        let (journal_id, rest) = fields.rest()?.split_first_chunk::<16>()?;
        let mut numbers = rest.chunks_exact(8).filter_map(|n| n.first_chunk::<8>()).map(|n| u64::from_le_bytes(*n));
        Some(Self {
            journal_id: *journal_id,
            incarnation: numbers.next().filter(|incarnation| *incarnation > 0)?,
            synced_through: numbers.next()?,
            segment_first_sequence: numbers.next()?,
            segment_offset: numbers.next()?,
        })
    }
}

/// What was found in the file's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// There is no such file.
    Missing,
    /// It does not say anything that can be believed.
    Damaged,
    /// This.
    Valid(Frontier),
}

/// Reads the file.
pub fn read(storage: &dyn Storage) -> Result<Found> {
    let Some(file) = missing_is_none(storage.open(NAME, Mode::Read))? else { return Ok(Found::Missing) };
    let bytes = read_all(file.as_ref())?;
    let name = storage.describe(NAME);
    if let Err(Flaw::Version(error)) = FixedFields::new(&bytes).check(MAGIC, CHECKED, FRONTIER_BYTES, &name) {
        return Err(error);
    }
    Ok(Frontier::decode(&bytes).map_or(Found::Damaged, Found::Valid))
}

/// Opens the file for rewriting, and makes it if need be. Its content need not be durable.
pub fn open_for_writing(storage: &dyn Storage) -> Result<Arc<dyn StorageFile>> {
    let file = match missing_is_none(storage.open(NAME, Mode::Write))? {
        Some(file) => file,
        None => storage.open(NAME, Mode::Create)?,
    };
    if file.length()? > FRONTIER_BYTES as u64 {
        file.truncate(FRONTIER_BYTES as u64)?;
    }
    Ok(file)
}
