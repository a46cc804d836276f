//! A file that can be made again (FORMAT.md section 17.1): mapped, and checked block by block as it is read.
//!
//! ```text
//! cache file = content  block_digest*  trailer
//! ```
//!
//! The digest of table and trailer stands in `checkpoints`, so a file that anybody changed is not believed, whatever it says of itself.

use std::cell::Cell;
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::Result;
use crate::hash::{Hash, digest};
use crate::segment::FORMAT_VERSION;
use crate::storage::{self, Chunks, Map, Storage};

/// Bytes that one digest covers.
pub const BLOCK_BYTES: usize = 65_536;
const DIGEST_BYTES: usize = 32;
const TRAILER_BYTES: usize = 32;
const MAGIC: [u8; 8] = *b"batpakX1";

fn trailer(journal_id: &[u8; 16], content: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(TRAILER_BYTES);
    bytes.extend_from_slice(&MAGIC);
    // A trailer has 32 bytes: 8 of magic, 16 of journal id, 8 of version and length.
    bytes.extend_from_slice(journal_id);
    bytes.extend_from_slice(&(content << 16 | u64::from(FORMAT_VERSION)).to_le_bytes());
    bytes
}

/// Appends to a cache file that is being made.
pub struct CacheWriter<'a> {
    chunks: Option<&'a mut Chunks>,
    buffer: Vec<u8>,
    digests: Vec<u8>,
    content: u64,
    written: u64,
}

impl fmt::Debug for CacheWriter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheWriter").field("content", &self.content).finish_non_exhaustive()
    }
}

impl<'a> CacheWriter<'a> {
    /// `None` only computes the digest.
    const fn new(chunks: Option<&'a mut Chunks>) -> Self {
        Self { chunks, buffer: Vec::new(), digests: Vec::new(), content: 0, written: 0 }
    }

    /// What the file would be with this content.
    pub fn digest(journal_id: &[u8; 16], content: impl FnOnce(&mut CacheWriter<'_>) -> Result<()>) -> Result<Made> {
        let mut writer = CacheWriter::new(None);
        content(&mut writer)?;
        writer.finish(journal_id)
    }

    /// Appends content.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.buffer.extend_from_slice(bytes);
        self.content += bytes.len() as u64;
        let whole = self.buffer.len() - self.buffer.len() % BLOCK_BYTES;
        self.flush(whole)
    }

    fn flush(&mut self, count: usize) -> Result<()> {
        let Some(ready) = self.buffer.get(..count).filter(|ready| !ready.is_empty()) else { return Ok(()) };
        for block in ready.chunks(BLOCK_BYTES) {
            self.digests.extend_from_slice(&digest(block));
        }
        if let Some(chunks) = &mut self.chunks {
            chunks.write(ready)?;
        }
        self.written += count as u64;
        self.buffer.drain(..count);
        Ok(())
    }

    fn finish(mut self, journal_id: &[u8; 16]) -> Result<Made> {
        self.flush(self.buffer.len())?;
        let mut end = std::mem::take(&mut self.digests);
        end.extend_from_slice(&trailer(journal_id, self.content));
        if let Some(chunks) = &mut self.chunks {
            chunks.write(&end)?;
        }
        Ok(Made { bytes: self.written + end.len() as u64, digest: digest(&end) })
    }
}

/// What identifies a cache file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Made {
    /// Bytes of the whole file.
    pub bytes: u64,
    /// Of its table and trailer.
    pub digest: Hash,
}

/// Makes a cache file, has `tell` record what it is, and puts it in place.
pub fn write(
    storage: &dyn Storage,
    name: &str,
    journal_id: &[u8; 16],
    content: impl FnOnce(&mut CacheWriter<'_>) -> Result<()>,
    tell: impl FnOnce(Made) -> Result<()>,
) -> Result<Made> {
    let made = Cell::new(Made { bytes: 0, digest: [0; 32] });
    let chunks = |chunks: &mut Chunks| {
        let mut writer = CacheWriter::new(Some(chunks));
        content(&mut writer)?;
        made.set(writer.finish(journal_id)?);
        Ok(())
    };
    storage::replace(storage, name, chunks, || tell(made.get()))?;
    Ok(made.get())
}

/// What the file would be.
pub fn made(journal_id: &[u8; 16], content: &[u8]) -> Result<Made> {
    CacheWriter::digest(journal_id, |writer| writer.write(content))
}

/// A cache file as it is read.
pub struct CacheFile {
    map: Map,
    content: usize,
    /// Whether the content needs no check: it was made in this process.
    own: bool,
    /// One bit for each block that was found to fit its digest.
    checked: Vec<AtomicU64>,
}

impl fmt::Debug for CacheFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheFile").field("content", &self.content).field("own", &self.own).finish_non_exhaustive()
    }
}

impl CacheFile {
    /// Content that was made just now and is in no file.
    #[must_use]
    pub fn of_content(content: Vec<u8>) -> Self {
        Self { content: content.len(), map: std::sync::Arc::new(content), own: true, checked: Vec::new() }
    }

    /// A mapped file; `None` unless table and trailer are those that were promised.
    #[must_use]
    pub fn of_map(map: Map, journal_id: &[u8; 16], promised: &Made) -> Option<Self> {
        let bytes = (*map).as_ref();
        let content_field = bytes.get(bytes.len().checked_sub(8)?..)?.first_chunk::<8>()?;
        let content = u64::from_le_bytes(*content_field) >> 16;
        let content_bytes = usize::try_from(content).ok()?;
        let end = bytes.get(content_bytes..)?;
        let blocks = content_bytes.div_ceil(BLOCK_BYTES);
        let fits = bytes.len() as u64 == promised.bytes
            && end.len() == blocks * DIGEST_BYTES + TRAILER_BYTES
            && digest(end) == promised.digest
            && end.ends_with(&trailer(journal_id, content));
        let checked = (0..blocks.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        fits.then_some(Self { content: content_bytes, map, own: false, checked })
    }

    /// Bytes of content.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.content
    }

    /// Whether there is no content.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.content == 0
    }

    /// A part of the content; `None` if a block of it does not fit its digest, or the range does not lie in the content.
    #[must_use]
    pub fn get(&self, range: Range<usize>) -> Option<&[u8]> {
        if range.end > self.content || range.start >= range.end {
            return (range.start == range.end && range.end <= self.content).then_some(&[]);
        }
        let bytes = (*self.map).as_ref();
        if !self.own {
            for block in range.start / BLOCK_BYTES..=(range.end - 1) / BLOCK_BYTES {
                let (word, bit) = (self.checked.get(block / 64)?, 1 << (block % 64));
                if word.load(Ordering::Relaxed) & bit == 0 {
                    let from = block * BLOCK_BYTES;
                    let block_bytes = bytes.get(from..self.content.min(from + BLOCK_BYTES))?;
                    let table = self.content + block * DIGEST_BYTES;
                    if bytes.get(table..table + DIGEST_BYTES)? != digest(block_bytes) {
                        return None;
                    }
                    word.fetch_or(bit, Ordering::Relaxed);
                }
            }
        }
        bytes.get(range)
    }

    /// Fixed-size part `index` of an array at `from`.
    #[must_use]
    pub fn element<const N: usize>(&self, from: usize, index: usize) -> Option<[u8; N]> {
        let at = from + index * N;
        self.get(at..at + N)?.first_chunk().copied()
    }
}
