//! One event as it lies in a frame: the permanent header, then what may one day be erased (FORMAT.md section 5).

use crate::error::{Error, Result};
use crate::hash::{Hash, Input, event_hash};
use crate::limits::{PAYLOAD_BYTES_MAX, PRIVATE_BYTES_MAX};
use crate::value::{self, Decoder, Token};
use crate::wire::{Reader, put_bytes};

const PAYLOAD_PRESENT: u8 = 1;

/// Appends what follows the header.
pub fn encode_tail(out: &mut Vec<u8>, salt: &[u8; 16], private: &[u8], payload: &[u8]) {
    out.push(PAYLOAD_PRESENT);
    out.extend_from_slice(salt);
    put_bytes(out, private);
    put_bytes(out, payload);
}

/// What follows the header in a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Erasable<'a> {
    /// Salt, and private metadata behind its length: what the commitment covers before the payload.
    pub opening: &'a [u8],
    /// Hides the payload behind its commitment.
    pub salt: [u8; 16],
    /// Erasable metadata: empty, or a value that is a map.
    pub private: &'a [u8],
    /// The payload as stored.
    pub payload: &'a [u8],
}

impl<'a> Erasable<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self> {
        if reader.byte()? != PAYLOAD_PRESENT {
            return Err(reader.error("unknown record flags"));
        }
        let opening_from = reader.position();
        let salt = reader.array()?;
        let private = reader.bytes()?;
        let opening = reader.since(opening_from);
        let payload = reader.bytes()?;
        if private.len() > PRIVATE_BYTES_MAX || payload.len() > PAYLOAD_BYTES_MAX {
            return Err(reader.error("a payload larger than it may be"));
        }
        Ok(Self { opening, salt, private, payload })
    }

    /// Reads exactly these.
    pub fn decode(bytes: &'a [u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes, "record");
        let erasable = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(erasable)
    }
}

/// The parts of a record; all borrow from its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// The encoded header.
    pub header: &'a [u8],
    /// What follows it.
    pub erasable: Erasable<'a>,
}

impl<'a> Record<'a> {
    /// Reads the next record.
    pub fn read(reader: &mut Reader<'a>) -> Result<Self> {
        Ok(Self { header: reader.bytes()?, erasable: Erasable::read(reader)? })
    }

    /// Reads exactly one record.
    pub fn decode(bytes: &'a [u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes, "record");
        let record = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(record)
    }

    /// The hash of the event.
    #[must_use]
    pub fn event_hash(&self) -> Hash {
        event_hash(self.header)
    }

    /// What is hashed to check it: for the hash of the event, and for the commitment to salt, private metadata and payload.
    #[must_use]
    pub fn inputs(&self) -> [Input<'a>; 2] {
        [Input::event(self.header), Input::payload(self.erasable.opening, self.erasable.payload)]
    }

    /// Whether the payload is canonical, if it is a value.
    pub fn check_payload(&self) -> Result<()> {
        value::validate(self.erasable.payload)
    }

    /// Whether the private metadata are canonical.
    pub fn check_private(&self) -> Result<()> {
        let private = self.erasable.private;
        if private.is_empty() {
            return Ok(());
        }
        value::validate(private)?;
        if matches!(Decoder::new(private).next(), Ok(Token::Map(_))) {
            return Ok(());
        }
        Err(Error::InvalidEncoding { what: "record", offset: 0, reason: "private metadata that is not a map" })
    }
}
