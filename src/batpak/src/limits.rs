//! Every maximum, in one place. FORMAT.md section 15 names the same numbers.

use crate::error::{Error, Result};

/// Bytes of an entity or of a scope.
pub const COORDINATE_BYTES_MAX: usize = 1024;
/// Bytes of the encoded metadata field of a header.
pub const METADATA_BYTES_MAX: usize = 4096;
/// Bytes of the private metadata of an event.
pub const PRIVATE_BYTES_MAX: usize = 65_536;
/// Bytes of one payload.
pub const PAYLOAD_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Lists and maps inside one another.
pub const VALUE_DEPTH_MAX: usize = 128;
/// Bytes of the magnitude of a big integer, or of the coefficient of a decimal.
pub const MAGNITUDE_BYTES_MAX: usize = 8192;
/// Events in one frame.
pub const FRAME_EVENTS_MAX: usize = 65_536;
/// Bytes of the body of one frame.
pub const FRAME_BODY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Smallest segment size that a store accepts, in bytes.
pub const SEGMENT_BYTES_MIN: u64 = 4096;
/// Largest segment size that a store accepts, in bytes.
pub const SEGMENT_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// Segment size where none is asked for, in bytes.
pub const SEGMENT_BYTES_DEFAULT: u64 = 64 * 1024 * 1024;
/// Bytes of one encoded event header.
pub const HEADER_BYTES_MAX: usize = 8192;
/// Bytes of the name of a journal.
pub const NAME_BYTES_MAX: usize = 255;
/// So many events of a signed journal get a checkpoint by itself where no other number is asked for: an open verifies the signatures of
/// the frames behind the last one, at most one an event.
pub const SIGNED_CHECKPOINT_EVENTS: u64 = 10_000;
/// Longest interval between an unsynced write and the start of its sync, in milliseconds.
pub const INTERVAL_MS_MAX: u64 = 60_000;

// A header holds two coordinates, the metadata and about 250 bytes of other fields.
const _: () = assert!(2 * COORDINATE_BYTES_MAX + METADATA_BYTES_MAX + 512 <= HEADER_BYTES_MAX);
// The count shares its word with eight flag bits.
const _: () = assert!(FRAME_EVENTS_MAX < 1 << 24);
// A single event of maximal size fits a frame.
const _: () = assert!(HEADER_BYTES_MAX + PRIVATE_BYTES_MAX + PAYLOAD_BYTES_MAX + 256 < FRAME_BODY_BYTES_MAX);
const _: () = assert!(FRAME_BODY_BYTES_MAX < u32::MAX as usize);
// An index keeps places in a segment as 32 bits; one frame may begin just below the largest size.
const _: () = assert!(SEGMENT_BYTES_MAX + 2 * (FRAME_BODY_BYTES_MAX as u64) < u32::MAX as u64);
/// Metadata keys that a store indexes.
pub const INDEXED_KEYS_MAX: usize = 32;
/// For so many sequences an idempotency key is remembered where no other number is asked for.
pub const IDEMPOTENCY_WINDOW_DEFAULT: u64 = 1_000_000;
/// Bytes of an idempotency key, of which the header keeps a hash.
pub const KEY_BYTES_MAX: usize = 1024;
/// Bytes of the name of a cursor or a projection.
pub const KEPT_NAME_BYTES_MAX: usize = 80;
/// Bytes of what is kept under such a name.
pub const KEPT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes of what people say about a key or a lineage.
pub const REASON_BYTES_MAX: usize = 4096;

/// Refuses what people say, if it is nothing or too much.
pub(crate) fn check_reason(what: &str, said: &str) -> Result<()> {
    if said.is_empty() || said.len() > REASON_BYTES_MAX {
        let reason = format!("{what} has {} bytes; it must have 1 to {REASON_BYTES_MAX}", said.len());
        return Err(Error::InvalidInput { reason });
    }
    Ok(())
}
