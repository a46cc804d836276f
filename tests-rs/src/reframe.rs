//! Takes segments apart and puts them together again with every checksum right, for tests that forge.

use batpak_core::frame::{self, FRAME_HEADER_BYTES, FrameHeader, FrameSignature, Place, decode_body};
use batpak_core::header::{Header, Stamp, encode_stamp};
use batpak_core::record::Record;
use batpak_core::segment::{SEGMENT_HEADER_BYTES, SegmentHeader};
use batpak_core::wire::{Reader, put_bytes};

/// A frame as it lies in a segment, free to be changed.
#[derive(Clone, Debug)]
pub struct Forged {
    /// Its first byte in the file it came from.
    pub offset: usize,
    /// What it says was synced.
    pub synced_through: u64,
    /// Its signature.
    pub signature: Option<FrameSignature>,
    /// Encoded header and what follows it, record by record.
    pub records: Vec<(Vec<u8>, Vec<u8>)>,
}

/// The frames of a segment.
///
/// # Panics
///
/// If it is not whole.
#[must_use]
pub fn take_apart(bytes: &[u8], first_sequence: u64) -> (SegmentHeader, Vec<Forged>) {
    let header = SegmentHeader::decode(bytes, "segment", first_sequence).expect("a segment");
    let mut frames = Vec::new();
    let mut at = SEGMENT_HEADER_BYTES;
    while at < bytes.len() {
        let place = Place { nonce: &header.nonce, offset: at as u64 };
        let fixed = bytes[at..].first_chunk::<FRAME_HEADER_BYTES>().expect("a frame header");
        let fixed = FrameHeader::decode(fixed, place).expect("a frame");
        let end = at + FRAME_HEADER_BYTES + fixed.body_length as usize;
        let body = decode_body(&fixed, &bytes[at + FRAME_HEADER_BYTES..end]).expect("a body");
        let records = body.records.iter().map(|(from, length, record)| {
            let whole = &bytes[at + usize::try_from(*from).expect("small")..][..*length as usize];
            let mut reader = Reader::new(whole, "record");
            reader.bytes().expect("a header");
            (record.header.to_vec(), whole[reader.position()..].to_vec())
        });
        frames.push(Forged {
            offset: at,
            synced_through: fixed.synced_through,
            signature: body.signature,
            records: records.collect(),
        });
        at = end;
    }
    (header, frames)
}

/// A segment of these frames, one behind the other, every checksum right.
///
/// # Panics
///
/// If a frame is too large.
#[must_use]
pub fn put_together(header: &SegmentHeader, frames: &[Forged]) -> Vec<u8> {
    let mut bytes = header.encode();
    for forged in frames {
        let mut out = Vec::new();
        frame::begin(&mut out, forged.signature.is_some());
        for (header, tail) in &forged.records {
            put_bytes(&mut out, header);
            out.extend_from_slice(tail);
        }
        let place = Place { nonce: &header.nonce, offset: bytes.len() as u64 };
        frame::seal(&mut out, forged.records.len(), forged.signature.as_ref(), forged.synced_through, place)
            .expect("it fits");
        bytes.extend_from_slice(&out);
    }
    bytes
}

/// The same header with another stamp.
///
/// # Panics
///
/// If the bytes are no header.
#[must_use]
pub fn restamp(header: &[u8], change: impl FnOnce(&mut Stamp)) -> Vec<u8> {
    let mut stamp = Header::decode(header).expect("a header").stamp;
    let mut old = Vec::new();
    encode_stamp(&mut old, &stamp);
    change(&mut stamp);
    let mut forged = header[..header.len() - old.len()].to_vec();
    encode_stamp(&mut forged, &stamp);
    forged
}

/// What follows the header, for a record with another payload.
#[must_use]
pub fn tail(record: &Record<'_>, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    batpak_core::record::encode_tail(&mut out, &record.erasable.salt, record.erasable.private, payload);
    out
}
