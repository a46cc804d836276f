//! One event as it lies in a frame: the permanent header, then what may one day be erased (FORMAT.md section 5).

use crate::error::{Error, Result};
use crate::hash::{Hash, event_hash, payload_commitment};
use crate::header::{Encoding, Header};
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
        let salt = reader.array()?;
        let private = reader.bytes()?;
        let payload = reader.bytes()?;
        if private.len() > PRIVATE_BYTES_MAX || payload.len() > PAYLOAD_BYTES_MAX {
            return Err(reader.error("a payload larger than it may be"));
        }
        Ok(Self { salt, private, payload })
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
    /// Hides the payload behind its commitment.
    pub salt: [u8; 16],
    /// Erasable metadata: empty, or a value that is a map.
    pub private: &'a [u8],
    /// The payload as stored.
    pub payload: &'a [u8],
}

impl<'a> Record<'a> {
    /// Reads the next record.
    pub fn read(reader: &mut Reader<'a>) -> Result<Self> {
        let header = reader.bytes()?;
        let Erasable { salt, private, payload } = Erasable::read(reader)?;
        Ok(Self { header, salt, private, payload })
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

    /// Whether salt, private metadata and payload are those that the header commits to.
    #[must_use]
    pub fn fits(&self, header: &Header<'_>) -> bool {
        payload_commitment(&self.salt, self.private, self.payload) == header.payload_commitment
    }

    /// Whether payload and private metadata are canonical.
    pub fn check_values(&self, header: &Header<'_>) -> Result<()> {
        if header.encoding == Encoding::Value {
            value::validate(self.payload)?;
        }
        if !self.private.is_empty() {
            value::validate(self.private)?;
            if !matches!(Decoder::new(self.private).next(), Ok(Token::Map(_))) {
                let reason = "private metadata that is not a map";
                return Err(Error::InvalidEncoding { what: "record", offset: 0, reason });
            }
        }
        Ok(())
    }
}
