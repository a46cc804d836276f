//! What an open found and did, and figures about an open store.

use serde::Serialize;

use crate::system::Cut;

/// How an open went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OpenReport {
    /// `created`, `clean`, `recovered` or `read_only`.
    pub path_taken: &'static str,
    /// Events found, before this open wrote its own.
    pub events: u64,
    /// Of these, known synced before.
    pub durable_events: u64,
    /// Segments found.
    pub segments: u64,
    /// Bytes of the unsynced tail that were set aside, or that a read-only open passed over.
    pub tail_bytes: u64,
    /// The sequence that the first of them would have had.
    pub first_cut_sequence: Option<u64>,
    /// Where in `recovered/` they are.
    pub recovered_file: Option<String>,
    /// Bytes after the last synced event that were written and synced again.
    pub rewritten_bytes: u64,
    /// Bytes of a torn last entry of `checkpoints`.
    pub torn_head_bytes: u64,
    /// How far the clock of the last event found was ahead of the wall clock: more than 0 if the wall clock went back since.
    pub clock_ahead_us: u64,
    /// Whether the `frontier` file was missing or damaged.
    pub frontier_rebuilt: bool,
    /// Whether `journal.meta` was written anew.
    pub meta_rebuilt: bool,
    /// Sealed segments whose index file was missing, or lacked declared metadata keys; a writable open made it again.
    pub indexes_rebuilt: u64,
    /// Which writable open of the journal this is, from 1; 0 for read-only ones.
    pub incarnation: u64,
    /// How long it took.
    pub elapsed_us: u64,
}

impl OpenReport {
    /// What a writable open had to do first.
    pub(crate) fn took(&mut self, cut: Option<&Cut>, created: bool) {
        if let Some(cut) = cut {
            self.path_taken = "recovered";
            self.recovered_file = Some(cut.file.clone());
        } else if created {
            self.path_taken = "created";
        }
    }
}

/// Figures about an open store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// All events.
    pub events: u64,
    /// The journal's own among them.
    pub system_events: u64,
    /// Known synced.
    pub durable_events: u64,
    /// Distinct entities.
    pub entities: u64,
    /// Distinct scopes.
    pub scopes: u64,
    /// Distinct kinds.
    pub kinds: u64,
    /// How far the clock of the last event is ahead of the wall clock: more than 0 after the wall clock went back.
    pub clock_ahead_us: u64,
    /// Segment files.
    pub segments: u64,
    /// Bytes in them.
    pub log_bytes: u64,
    /// Bytes of files that can be made again from them.
    pub index_bytes: u64,
    /// Index files that turned out damaged since open, and were made again.
    pub indexes_rebuilt: u64,
    /// Why the last index file could not be written; its events stay in memory until one can.
    pub index_failure: Option<String>,
    /// Why the last checkpoint that was due could not be made.
    pub checkpoint_failure: Option<String>,
    /// Whether frames are signed.
    pub signed: bool,
    /// Whether the store was opened read-only.
    pub read_only: bool,
}
