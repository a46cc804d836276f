//! What the writer's lock owns: the active segment, the last stamp, and how a segment is sealed.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::clock::Hlc;
use crate::error::Result;
use crate::event_id::EventId;
use crate::heads::{Head, HeadWriter, Reason};
use crate::merkle::Tree;
use crate::segment::{self, SEGMENT_HEADER_BYTES, SegmentHeader};
use crate::signer::Signer;
use crate::storage::{Storage, StorageFile, write_whole};

/// Space written ahead of the log when every append is synced: a file that does not grow syncs faster.
pub const AHEAD_BYTES: u64 = 1024 * 1024;

/// The segment that is appended to.
#[derive(Debug)]
pub struct Active {
    /// Its name.
    pub first_sequence: u64,
    /// Seeds its CRCs.
    pub nonce: [u8; 16],
    /// Open for writing.
    pub file: Arc<dyn StorageFile>,
    /// Where the next frame goes.
    pub end: u64,
    /// Bytes in the file: more than `end` if space was written ahead.
    pub allocated: u64,
}

impl Active {
    /// A new, empty, durable segment.
    pub fn create(storage: &dyn Storage, journal_id: [u8; 16], nonce: [u8; 16], first_sequence: u64) -> Result<Self> {
        let header = SegmentHeader { journal_id, nonce, first_sequence };
        let file = write_whole(storage, &segment::path(first_sequence), &header.encode())?;
        let end = SEGMENT_HEADER_BYTES as u64;
        Ok(Self { first_sequence, nonce, file, end, allocated: end })
    }

    /// Appends a frame; on an error the file ends where it ended before, or the error says that it may not.
    pub fn write(&mut self, frame: &[u8], ahead: bool) -> Result<()> {
        let end = self.end + frame.len() as u64;
        // Space ahead is only for speed: where the disk has none, the frame may still fit.
        if ahead && end > self.allocated && self.write_ahead(end).is_err() {
            self.roll_back()?;
        }
        self.file.write_at(frame, self.end)?;
        self.end = end;
        self.allocated = self.allocated.max(end);
        Ok(())
    }

    fn write_ahead(&mut self, from: u64) -> Result<()> {
        let zeros = vec![0; usize::try_from(AHEAD_BYTES).unwrap_or(0)];
        self.file.write_at(&zeros, from)?;
        self.allocated = from + AHEAD_BYTES;
        Ok(())
    }

    /// Undoes a write that failed.
    pub fn roll_back(&mut self) -> Result<()> {
        self.file.truncate(self.end)?;
        self.allocated = self.end;
        Ok(())
    }

    /// Cuts off space written ahead and makes the segment durable.
    pub fn finish(&mut self) -> Result<()> {
        if self.allocated > self.end {
            self.file.truncate(self.end)?;
            self.allocated = self.end;
        }
        self.file.sync()
    }
}

/// Everything that only the holder of the writer's lock may touch.
#[derive(Debug)]
pub struct Writer {
    /// The segment that is appended to.
    pub active: Active,
    /// Sequence of the next event.
    pub next_sequence: u64,
    /// The last event's.
    pub last_hlc: Hlc,
    /// The last event's.
    pub last_id: Option<EventId>,
    /// Heads go here.
    pub heads: Arc<Mutex<HeadWriter>>,
    /// Signs every frame, if the journal is signed.
    pub signer: Option<Signer>,
    /// Whether whoever writes waits for its turn: the signer is elsewhere, or one is asked that will be the next.
    pub takes_turns: bool,
    /// Size that the last head covers.
    pub last_head_size: u64,
    /// Where frames are built; kept for its memory.
    pub buffer: Vec<u8>,
}

impl Writer {
    /// Has every frame signed by it from now on.
    pub fn sign_with(&mut self, signer: Option<Signer>) {
        self.takes_turns = signer.as_ref().is_some_and(Signer::is_elsewhere);
        self.signer = signer;
    }

    /// States where the log ends. Everything before must be synced.
    pub fn write_head(&mut self, reason: Reason, tree: &Tree, last_event_hash: [u8; 32]) -> Result<()> {
        let head = Head {
            reason,
            root: tree.root(),
            tree: tree.clone(),
            last_event_hash,
            segment_first_sequence: self.active.first_sequence,
            segment_length: self.active.end,
        };
        self.heads.lock().append(&head)?;
        self.last_head_size = tree.size();
        Ok(())
    }
}
