//! `journal.meta`: the format version and a copy of event 0 (FORMAT.md section 8).

use crate::error::{Error, Result};
use crate::segment::FORMAT_VERSION;

/// The file's name.
pub const NAME: &str = "journal.meta";
const MAGIC: [u8; 8] = *b"batpakM1";

/// The bytes of the file.
#[must_use]
pub fn encode(record: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(record.len() + 20);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
    bytes.extend_from_slice(&[0; 2]);
    // A record of event 0 is a few hundred bytes.
    bytes.extend_from_slice(&u32::try_from(record.len()).unwrap_or(u32::MAX).to_le_bytes());
    bytes.extend_from_slice(record);
    bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
    bytes
}

/// The record inside.
pub fn decode<'a>(bytes: &'a [u8], file: &str) -> Result<&'a [u8]> {
    let damaged = |offset: usize, reason: &str| Error::Damaged {
        file: file.to_owned(),
        offset: offset as u64,
        sequence: Some(0),
        reason: format!("{reason}; open with rebuild_meta=True to write it anew from event 0"),
    };
    let (body, crc) = bytes.split_last_chunk::<4>().ok_or_else(|| damaged(bytes.len(), "the file ends too early"))?;
    if crc32c::crc32c(body) != u32::from_le_bytes(*crc) {
        return Err(damaged(0, "the checksum does not fit"));
    }
    let rest = body.strip_prefix(&MAGIC).ok_or_else(|| damaged(0, "the first bytes are not those of such a file"))?;
    let (version, rest) = rest.split_first_chunk::<2>().ok_or_else(|| damaged(8, "the file ends too early"))?;
    let (flags, rest) = rest.split_first_chunk::<2>().ok_or_else(|| damaged(10, "the file ends too early"))?;
    let version = u16::from_le_bytes(*version);
    if version != FORMAT_VERSION || *flags != [0, 0] {
        return Err(Error::UnsupportedFormat { file: file.to_owned(), version });
    }
    let (length, record) = rest.split_first_chunk::<4>().ok_or_else(|| damaged(12, "the file ends too early"))?;
    if u32::from_le_bytes(*length) as usize != record.len() {
        return Err(damaged(12, "the length does not fit"));
    }
    Ok(record)
}
