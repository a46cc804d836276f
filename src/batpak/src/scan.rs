//! Walks the frames of one segment from front to back, and finds out how it ends.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::frame::{FRAME_HEADER_BYTES, FrameHeader, Place};
use crate::segment::{SEGMENT_HEADER_BYTES, SegmentHeader};
use crate::storage::StorageFile;

const CHUNK_BYTES: usize = 1024 * 1024;

/// What stands behind the last valid frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// The end of the file.
    EndOfFile,
    /// Zero bytes only: space written ahead.
    Zeros,
    /// A frame that a newer version wrote.
    Newer,
    /// Anything else.
    Other,
}

/// A valid frame.
#[derive(Debug)]
pub struct Frame<'a> {
    /// Its first byte in the file.
    pub offset: u64,
    /// The fixed part.
    pub header: FrameHeader,
    /// The body; its CRC fits.
    pub body: &'a [u8],
}

/// A segment being read. The length is that of the moment when the scan began.
#[derive(Debug)]
pub struct Scan {
    file: Arc<dyn StorageFile>,
    /// What the segment says of itself.
    pub header: SegmentHeader,
    length: u64,
    offset: u64,
    buffer: Vec<u8>,
    buffer_at: u64,
}

impl Scan {
    /// Checks the segment's header. `name` is for messages.
    pub fn begin(file: Arc<dyn StorageFile>, name: &str, first_sequence: u64) -> Result<Self> {
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        let filled = file.read_at(&mut bytes, 0)?;
        let header = SegmentHeader::decode(bytes.get(..filled).unwrap_or_default(), name, first_sequence)?;
        let length = file.length()?;
        Ok(Self { file, header, length, offset: SEGMENT_HEADER_BYTES as u64, buffer: Vec::new(), buffer_at: 0 })
    }

    /// Where the next frame begins, or where the last one ended.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// Bytes in the file.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// Goes on at the end of a frame that is known.
    pub fn resume_at(&mut self, offset: u64) {
        self.offset = offset;
    }

    /// Looks at the file again as it is now; returns whether there is a next frame.
    pub fn reread(&mut self) -> Result<bool> {
        self.buffer.clear();
        self.length = self.file.length()?;
        Ok(self.valid_at(self.offset)?.is_some())
    }

    /// Makes `count` bytes from `offset` on available; `None` if the file ends before.
    fn window(&mut self, offset: u64, count: usize) -> Result<Option<&[u8]>> {
        if offset.saturating_add(count as u64) > self.length {
            return Ok(None);
        }
        let have = self.buffer_at <= offset && offset + count as u64 <= self.buffer_at + self.buffer.len() as u64;
        if !have {
            let left = usize::try_from(self.length - offset).unwrap_or(usize::MAX);
            self.buffer.resize(count.max(CHUNK_BYTES).min(left), 0);
            let filled = self.file.read_at(&mut self.buffer, offset)?;
            self.buffer.truncate(filled);
            self.buffer_at = offset;
        }
        let start = usize::try_from(offset - self.buffer_at).unwrap_or(usize::MAX);
        // A file that shrank under us ends early.
        Ok(self.buffer.get(start..).and_then(|rest| rest.get(..count)))
    }

    fn header_at(&mut self, offset: u64) -> Result<Option<FrameHeader>> {
        let nonce = self.header.nonce;
        let bytes = self.window(offset, FRAME_HEADER_BYTES)?.and_then(|bytes| bytes.first_chunk());
        Ok(bytes.and_then(|bytes| FrameHeader::decode(bytes, Place { nonce: &nonce, offset })))
    }

    fn valid_at(&mut self, offset: u64) -> Result<Option<FrameHeader>> {
        let nonce = self.header.nonce;
        let Some(header) = self.header_at(offset)? else { return Ok(None) };
        let body = self.window(offset + FRAME_HEADER_BYTES as u64, header.body_length as usize)?;
        Ok(body.filter(|body| header.body_fits(body, Place { nonce: &nonce, offset })).map(|_| header))
    }

    /// The next frame, or `None` at the first byte that is not one.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>> {
        let offset = self.offset;
        let Some(header) = self.valid_at(offset)? else { return Ok(None) };
        self.offset = offset + header.frame_length();
        let body = self.window(offset + FRAME_HEADER_BYTES as u64, header.body_length as usize)?;
        Ok(body.map(|body| Frame { offset, header, body }))
    }

    /// What stands behind the last frame, once `next_frame` gave `None`.
    pub fn ending(&mut self) -> Result<Ending> {
        if self.offset >= self.length {
            return Ok(Ending::EndOfFile);
        }
        let (mut at, nonce) = (self.offset, self.header.nonce);
        let place = Place { nonce: &nonce, offset: at };
        let bytes = self.window(at, FRAME_HEADER_BYTES)?.and_then(|bytes| bytes.first_chunk());
        if bytes.is_some_and(|bytes| FrameHeader::is_newer(bytes, place)) {
            return Ok(Ending::Newer);
        }
        while at < self.length {
            let count = usize::try_from(self.length - at).unwrap_or(usize::MAX).min(CHUNK_BYTES);
            match self.window(at, count)? {
                Some(bytes) if bytes.iter().all(|byte| *byte == 0) => at += count as u64,
                Some(_) => return Ok(Ending::Other),
                None => break,
            }
        }
        Ok(Ending::Zeros)
    }

    /// The highest `synced_through` of valid frames behind the first bad byte: pages reach the disk in any order, so there may be some.
    pub fn synced_behind_damage(&mut self) -> Result<u64> {
        let (mut at, mut highest) = (self.offset + 1, 0);
        while at + (FRAME_HEADER_BYTES as u64) < self.length {
            if let Some(header) = self.valid_at(at)? {
                highest = highest.max(header.synced_through);
                at += header.frame_length();
            } else {
                at += 1;
            }
        }
        Ok(highest)
    }

    /// The bytes behind the last frame.
    pub fn tail(&self) -> Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(self.length.saturating_sub(self.offset)).unwrap_or(usize::MAX)];
        let filled = self.file.read_at(&mut bytes, self.offset)?;
        bytes.truncate(filled);
        Ok(bytes)
    }

    /// The file, to go on with.
    #[must_use]
    pub fn into_file(self) -> Arc<dyn StorageFile> {
        self.file
    }
}

/// The error for bytes that carry a valid checksum and still break the format: nobody's crash wrote them.
#[must_use]
pub fn written_so(file: String, offset: u64, sequence: u64, error: &Error) -> Error {
    Error::Damaged { file, offset, sequence: Some(sequence), reason: format!("the checksum fits, and yet: {error}") }
}
