//! A frame: what one append or one batch writes, valid as a whole or not at all (FORMAT.md section 5).
//!
//! ```text
//! frame  = body_length header_crc body_crc count_and_flags synced_through body
//! body   = [ key_id signature ] record+
//! ```

use crate::error::{Error, Result};
use crate::hash::Hash;
use crate::limits::{FRAME_BODY_BYTES_MAX, FRAME_EVENTS_MAX};
use crate::record::Record;
use crate::wire::Reader;

/// Bytes before the body.
pub const FRAME_HEADER_BYTES: usize = 24;
/// Bytes of key id and signature at the front of a signed body.
pub const SIGNATURE_BYTES: usize = 96;
const SIGNED: u32 = 1;
const COUNT_BITS: u32 = 24;

/// Key and signature of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameSignature {
    /// SHA-256 of the public key.
    pub key_id: Hash,
    /// Ed25519 over the frame's statement.
    pub signature: [u8; 64],
}

/// The fixed part of a frame, its CRC checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// Bytes after this header.
    pub body_length: u32,
    /// Over the body, seeded with the place.
    pub body_crc: u32,
    /// Number of events.
    pub count: u32,
    /// Whether key id and signature come first.
    pub signed: bool,
    /// How many events were known synced when this was written.
    pub synced_through: u64,
}

/// Where a frame stands; both CRCs are seeded with it.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The segment's random number.
    pub nonce: &'a [u8; 16],
    /// The frame's first byte in the file.
    pub offset: u64,
}

impl Place<'_> {
    fn seed(&self, body_length: u32) -> u32 {
        let mut seed = [0; 28];
        let (nonce, rest) = seed.split_at_mut(16);
        let (offset, length) = rest.split_at_mut(8);
        nonce.copy_from_slice(self.nonce);
        offset.copy_from_slice(&self.offset.to_le_bytes());
        length.copy_from_slice(&body_length.to_le_bytes());
        crc32c::crc32c(&seed)
    }

    fn body_crc(&self, body: &[u8]) -> u32 {
        crc32c::crc32c_append(self.seed(length_u32(body.len())), body)
    }

    /// Over the fields behind it: body CRC, count and flags, `synced_through`.
    fn header_crc(&self, body_length: u32, fields: &[u8]) -> u32 {
        crc32c::crc32c_append(self.seed(body_length), fields)
    }

    /// Whether these bytes were written at this place as a frame header, of whatever version.
    fn header_fits(&self, bytes: &[u8; FRAME_HEADER_BYTES]) -> bool {
        let [l0, l1, l2, l3, h0, h1, h2, h3, fields @ ..] = bytes;
        let stored = u32::from_le_bytes([*h0, *h1, *h2, *h3]);
        self.header_crc(u32::from_le_bytes([*l0, *l1, *l2, *l3]), fields) == stored
    }
}

/// Bodies are at most `FRAME_BODY_BYTES_MAX`, which fits.
fn length_u32(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

impl FrameHeader {
    fn count_and_flags(&self) -> u32 {
        self.count | if self.signed { SIGNED << COUNT_BITS } else { 0 }
    }

    /// Bytes of the whole frame.
    #[must_use]
    pub const fn frame_length(&self) -> u64 {
        FRAME_HEADER_BYTES as u64 + self.body_length as u64
    }

    /// Whether these 24 bytes were written at this place as a frame header that this version cannot know: an unfinished write never looks so.
    #[must_use]
    pub fn is_newer(bytes: &[u8; FRAME_HEADER_BYTES], place: Place<'_>) -> bool {
        // Zeros, written ahead, are no frame.
        bytes.iter().take(4).any(|byte| *byte != 0) && place.header_fits(bytes) && Self::decode(bytes, place).is_none()
    }

    /// Reads 24 bytes; `None` unless they are a frame header written at this place.
    #[must_use]
    pub fn decode(bytes: &[u8; FRAME_HEADER_BYTES], place: Place<'_>) -> Option<Self> {
        let [l0, l1, l2, l3, _, _, _, _, b0, b1, b2, b3, c0, c1, c2, c3, synced @ ..] = *bytes;
        let body_length = u32::from_le_bytes([l0, l1, l2, l3]);
        let count_and_flags = u32::from_le_bytes([c0, c1, c2, c3]);
        let count = count_and_flags & ((1 << COUNT_BITS) - 1);
        let flags = count_and_flags >> COUNT_BITS;
        if body_length == 0 || body_length as usize > FRAME_BODY_BYTES_MAX {
            return None;
        }
        if count == 0 || count as usize > FRAME_EVENTS_MAX || flags & !SIGNED != 0 {
            return None;
        }
        let header = Self {
            body_length,
            body_crc: u32::from_le_bytes([b0, b1, b2, b3]),
            count,
            signed: flags & SIGNED != 0,
            synced_through: u64::from_le_bytes(synced),
        };
        place.header_fits(bytes).then_some(header)
    }

    /// Whether these are the bytes that were written after this header at this place.
    #[must_use]
    pub fn body_fits(&self, body: &[u8], place: Place<'_>) -> bool {
        body.len() == self.body_length as usize && place.body_crc(body) == self.body_crc
    }
}

/// Starts a frame in an empty buffer: room for the header, and for a signature if there will be one.
pub fn begin(out: &mut Vec<u8>, signed: bool) {
    out.clear();
    out.resize(FRAME_HEADER_BYTES + if signed { SIGNATURE_BYTES } else { 0 }, 0);
}

/// Completes a frame begun with `begin`, whose records were appended since.
pub fn seal(
    out: &mut [u8],
    count: usize,
    signature: Option<&FrameSignature>,
    synced_through: u64,
    place: Place<'_>,
) -> Result<()> {
    let too_large = |actual: usize| Error::LimitExceeded {
        what: "the batch, in encoded bytes,",
        actual: actual as u64,
        limit: FRAME_BODY_BYTES_MAX as u64,
    };
    let whole = out.len();
    let (head, body) = out.split_at_mut_checked(FRAME_HEADER_BYTES).ok_or_else(|| too_large(whole))?;
    if body.len() > FRAME_BODY_BYTES_MAX {
        return Err(too_large(body.len()));
    }
    if let (Some(signature), Some((room, _))) = (signature, body.split_at_mut_checked(SIGNATURE_BYTES)) {
        let (key_id, bytes) = room.split_at_mut(32);
        key_id.copy_from_slice(&signature.key_id);
        bytes.copy_from_slice(&signature.signature);
    }
    let header = FrameHeader {
        body_length: length_u32(body.len()),
        body_crc: place.body_crc(body),
        count: length_u32(count),
        signed: signature.is_some(),
        synced_through,
    };
    let mut fields = [0; 16];
    let (crc, rest) = fields.split_at_mut(4);
    let (count, synced) = rest.split_at_mut(4);
    crc.copy_from_slice(&header.body_crc.to_le_bytes());
    count.copy_from_slice(&header.count_and_flags().to_le_bytes());
    synced.copy_from_slice(&header.synced_through.to_le_bytes());
    let (length, rest) = head.split_at_mut(4);
    let (header_crc, behind) = rest.split_at_mut(4);
    length.copy_from_slice(&header.body_length.to_le_bytes());
    header_crc.copy_from_slice(&place.header_crc(header.body_length, &fields).to_le_bytes());
    behind.copy_from_slice(&fields);
    Ok(())
}

/// A frame's body, taken apart.
#[derive(Clone, Debug)]
pub struct Body<'a> {
    /// Present in signed frames.
    pub signature: Option<FrameSignature>,
    /// Each record with its offset from the frame's first byte and its length.
    pub records: Vec<(u64, u32, Record<'a>)>,
}

/// Takes a body apart whose CRC was checked. An error here is not a torn write: somebody wrote it so.
pub fn decode_body<'a>(header: &FrameHeader, body: &'a [u8]) -> Result<Body<'a>> {
    let mut reader = Reader::new(body, "frame");
    let signature =
        if header.signed { Some(FrameSignature { key_id: reader.array()?, signature: reader.array()? }) } else { None };
    let mut records = Vec::with_capacity(header.count as usize);
    for _ in 0..header.count {
        let from = reader.position();
        let record = Record::read(&mut reader)?;
        records.push(((FRAME_HEADER_BYTES + from) as u64, length_u32(reader.position() - from), record));
    }
    reader.finish()?;
    Ok(Body { signature, records })
}
