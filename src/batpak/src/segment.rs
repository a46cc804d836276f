//! A segment file: its name and its header (FORMAT.md section 6).

use crate::error::{Error, Result};

/// The directory of the log.
pub const DIRECTORY: &str = "segments";
/// Bytes before the first frame.
pub const SEGMENT_HEADER_BYTES: usize = 64;
/// The only format version there is.
pub const FORMAT_VERSION: u16 = 1;
const MAGIC: [u8; 8] = *b"batpakL1";
const CHECKED: usize = 60;

/// Path of the segment that begins with this sequence.
#[must_use]
pub fn path(first_sequence: u64) -> String {
    format!("{DIRECTORY}/{first_sequence:020}.log")
}

/// The first sequence that a file name in `segments/` tells; `None` for a foreign name.
#[must_use]
pub fn first_sequence_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".log")?;
    (digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok())?
}

/// What a segment says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// The lineage.
    pub journal_id: [u8; 16],
    /// Seeds the CRCs of this file's frames.
    pub nonce: [u8; 16],
    /// Sequence of its first event.
    pub first_sequence: u64,
}

impl SegmentHeader {
    /// The 64 bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(SEGMENT_HEADER_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes.extend_from_slice(&[0; 2]);
        bytes.extend_from_slice(&self.journal_id);
        bytes.extend_from_slice(&self.nonce);
        bytes.extend_from_slice(&self.first_sequence.to_le_bytes());
        bytes.extend_from_slice(&[0; 8]);
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
        bytes
    }

    /// Reads the 64 bytes; `file` is for the message.
    pub fn decode(bytes: &[u8], file: &str, name_sequence: u64) -> Result<Self> {
        let damaged = |offset: u64, reason: &str| Error::Damaged {
            file: file.to_owned(),
            offset,
            sequence: Some(name_sequence),
            reason: reason.to_owned(),
        };
        let fields = FixedFields::new(bytes);
        fields.check(MAGIC, CHECKED, SEGMENT_HEADER_BYTES, file).map_err(|flaw| flaw.into_error(damaged))?;
        let header = fields.rest().and_then(|rest| {
            let (journal_id, rest) = rest.split_first_chunk::<16>()?;
            let (nonce, rest) = rest.split_first_chunk::<16>()?;
            let (first, rest) = rest.split_first_chunk::<8>()?;
            (rest.get(..8)? == [0; 8]).then_some(Self {
                journal_id: *journal_id,
                nonce: *nonce,
                first_sequence: u64::from_le_bytes(*first),
            })
        });
        let header = header.ok_or_else(|| damaged(0, "the segment header breaks the format"))?;
        if header.first_sequence != name_sequence {
            return Err(damaged(44, "the file's name and its header disagree on the first sequence"));
        }
        Ok(header)
    }
}

/// The beginning that all files of fixed size share: magic, version, flags; and a CRC near the end.
#[derive(Clone, Copy)]
pub(crate) struct FixedFields<'a> {
    bytes: &'a [u8],
}

/// What is wrong with a file of fixed size.
pub(crate) enum Flaw {
    /// A reason, with its offset.
    Damaged(u64, &'static str),
    /// Newer software.
    Version(Error),
}

impl Flaw {
    pub fn into_error(self, damaged: impl FnOnce(u64, &str) -> Error) -> Error {
        match self {
            Self::Damaged(offset, reason) => damaged(offset, reason),
            Self::Version(error) => error,
        }
    }
}

impl<'a> FixedFields<'a> {
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Checks magic, then the CRC over the first `checked` bytes, then the version: a flipped bit in the version is damage, a whole
    /// header of another version is the future.
    pub fn check(self, magic: [u8; 8], checked: usize, length: usize, file: &str) -> std::result::Result<(), Flaw> {
        if self.bytes.len() < length {
            return Err(Flaw::Damaged(self.bytes.len() as u64, "the header ends too early"));
        }
        if !self.bytes.starts_with(&magic) {
            return Err(Flaw::Damaged(0, "the first bytes are not those of such a file"));
        }
        let stored = self.bytes.get(checked..).and_then(|rest| rest.first_chunk::<4>());
        let computed = self.bytes.get(..checked).map(crc32c::crc32c);
        if stored.map(|crc| u32::from_le_bytes(*crc)) != computed {
            return Err(Flaw::Damaged(0, "the header's checksum does not fit"));
        }
        let version = self.bytes.get(8..10).and_then(|v| v.first_chunk::<2>()).map_or(0, |v| u16::from_le_bytes(*v));
        let flags = self.bytes.get(10..12);
        if version != FORMAT_VERSION || flags != Some(&[0, 0]) {
            return Err(Flaw::Version(Error::UnsupportedFormat { file: file.to_owned(), version }));
        }
        Ok(())
    }

    /// What follows magic, version and flags.
    pub fn rest(self) -> Option<&'a [u8]> {
        self.bytes.get(12..)
    }
}
