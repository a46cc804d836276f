//! A receipt: evidence of what was accepted, portable and without a store (FORMAT.md section 11).

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::frame::{FrameSignature, decode_body};
use crate::hash::{Hash, event_hash};
use crate::header::{Header, Stamp};
use crate::limits::FRAME_EVENTS_MAX;
use crate::merkle;
use crate::scan::Frame;
use crate::wire::{Reader, put_bytes, put_varint};

const RECEIPT_VERSION: u8 = 1;
/// A frame of 65,536 events is 16 levels high.
const PATH_MAX: usize = 16;
const _: () = assert!(FRAME_EVENTS_MAX == 1 << PATH_MAX);

/// A frame that was written, as its receipts need it: headers and hashes, no payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The lineage.
    pub journal_id: [u8; 16],
    /// Sequence of the first event.
    pub first_sequence: u64,
    /// The encoded headers, one after another.
    pub(crate) headers: Vec<u8>,
    /// Where each header ends in `headers`.
    pub(crate) ends: Vec<usize>,
    /// Event hashes, in order.
    pub hashes: Vec<Hash>,
    /// What the writer stamped, in order.
    pub stamps: Vec<Stamp>,
    /// If the journal is signed.
    pub signature: Option<FrameSignature>,
}

impl Committed {
    /// A frame as it lies in the log.
    pub(crate) fn of_frame(first_sequence: u64, frame: &Frame<'_>) -> Result<Self> {
        let body = decode_body(&frame.header, frame.body)?;
        let mut committed = Self {
            journal_id: [0; 16],
            first_sequence,
            headers: Vec::new(),
            ends: Vec::new(),
            hashes: Vec::new(),
            stamps: Vec::new(),
            signature: body.signature,
        };
        for (_, _, record) in &body.records {
            let header = Header::decode(record.header)?;
            // One lineage for all of them: that of another begins with a frame of its own.
            committed.journal_id = header.journal_id;
            committed.stamps.push(header.stamp);
            committed.hashes.push(record.event_hash());
            committed.headers.extend_from_slice(record.header);
            committed.ends.push(committed.headers.len());
        }
        Ok(committed)
    }

    /// The place of an event among these, if it is one of them.
    #[must_use]
    pub fn index_of(&self, sequence: u64) -> Option<usize> {
        let index = usize::try_from(sequence.checked_sub(self.first_sequence)?).ok()?;
        (self.stamps.get(index)?.sequence == sequence).then_some(index)
    }

    /// Number of events.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Never true: a frame holds at least one event.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    fn header(&self, index: usize) -> Option<&[u8]> {
        let from = if index == 0 { 0 } else { *self.ends.get(index - 1)? };
        self.headers.get(from..*self.ends.get(index)?)
    }

    /// The decoded header of the event at `index`.
    pub(crate) fn fields(&self, index: usize) -> Option<Header<'_>> {
        Header::decode(self.header(index)?).ok()
    }

    /// The receipt of the event at `index`, complete with its path.
    #[must_use]
    pub fn receipt(&self, index: usize) -> Option<Receipt> {
        Some(Receipt {
            header: self.header(index)?.to_vec(),
            first_sequence: self.first_sequence,
            count: u32::try_from(self.len()).ok()?,
            path: merkle::path(&self.hashes, index),
            signature: self.signature,
        })
    }
}

/// One event of a frame that is in the log: its receipt is made when it is asked for.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The frame.
    pub frame: Arc<Committed>,
    /// The event's place in it.
    pub index: usize,
}

impl Stored {
    /// The event's sequence.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.frame.first_sequence + self.index as u64
    }

    /// Its receipt, complete with its path.
    #[must_use]
    pub fn receipt(&self) -> Option<Receipt> {
        self.frame.receipt(self.index)
    }
}

/// What `to_bytes` carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The encoded event header.
    pub header: Vec<u8>,
    /// Of the frame.
    pub first_sequence: u64,
    /// Events in the frame.
    pub count: u32,
    /// Audit path in the frame, from the leaf up.
    pub path: Vec<Hash>,
    /// Of the frame.
    pub signature: Option<FrameSignature>,
}

impl Receipt {
    /// The portable bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.header.len() + 128);
        out.push(RECEIPT_VERSION);
        put_bytes(&mut out, &self.header);
        put_varint(&mut out, self.first_sequence);
        put_varint(&mut out, u64::from(self.count));
        put_varint(&mut out, self.path.len() as u64);
        self.path.iter().for_each(|hash| out.extend_from_slice(hash));
        match &self.signature {
            None => out.push(0),
            Some(signature) => {
                out.push(1);
                out.extend_from_slice(&signature.key_id);
                out.extend_from_slice(&signature.signature);
            }
        }
        out
    }

    /// Reads portable bytes; every field in range, the path of the right length.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        Self::read(bytes).map_err(|error| Error::InvalidReceipt { reason: error.to_string() })
    }

    fn read(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes, "receipt");
        if reader.byte()? != RECEIPT_VERSION {
            return Err(reader.error("an unknown receipt version"));
        }
        let header = reader.bytes()?.to_vec();
        let first_sequence = reader.varint()?;
        let count = reader.varint_at_most(FRAME_EVENTS_MAX as u64)?;
        let count = u32::try_from(count).map_err(|_| reader.error("a number out of range"))?;
        let length = reader.count(32)?;
        if length > PATH_MAX {
            return Err(reader.error("a path longer than a frame is high"));
        }
        let path = (0..length).map(|_| reader.array()).collect::<Result<Vec<Hash>>>()?;
        let signature = if reader.option()? {
            Some(FrameSignature { key_id: reader.array()?, signature: reader.array()? })
        } else {
            None
        };
        reader.finish()?;
        let receipt = Self { header, first_sequence, count, path, signature };
        let stamp = receipt.fields()?.stamp;
        receipt.root(stamp.sequence).ok_or_else(|| reader.error("a path that does not fit its place in the frame"))?;
        Ok(receipt)
    }

    /// The decoded header.
    pub fn fields(&self) -> Result<Header<'_>> {
        Header::decode(&self.header)
    }

    /// The event's sequence.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        // A receipt whose header cannot be read is none: see `read`.
        self.fields().map_or(self.first_sequence, |fields| fields.stamp.sequence)
    }

    /// The hash of the event.
    #[must_use]
    pub fn event_hash(&self) -> Hash {
        event_hash(&self.header)
    }

    /// The frame's root that header and path lead to.
    #[must_use]
    pub fn root(&self, sequence: u64) -> Option<Hash> {
        let index = sequence.checked_sub(self.first_sequence)?;
        merkle::root_from_path(&self.event_hash(), index, u64::from(self.count), &self.path)
    }
}
