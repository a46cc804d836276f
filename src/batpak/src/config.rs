//! How a journal is opened.

use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::hash::Hash;
use crate::header::Promise;
use crate::limits::{
    IDEMPOTENCY_WINDOW_DEFAULT, INDEXED_KEYS_MAX, INTERVAL_MS_MAX, METADATA_BYTES_MAX, SEGMENT_BYTES_DEFAULT,
    SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN, check_reason,
};
use crate::proof::Policy;
use crate::signer::Signer;
use crate::storage::Storage;
use crate::system::{Cause, check_name};

/// Has the history go on as another one from this open on, and says so in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Departure {
    /// Why.
    pub cause: Cause,
    /// Who has it so.
    pub actor: String,
    /// And why.
    pub reason: String,
    /// Size and root of the history that is given up, if they are known; a pin that knows more of it decides.
    pub abandoned: Option<(u64, Hash)>,
}

/// How a journal is opened.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "they are options that a user gives by name")]
pub struct Config {
    /// Make a journal in a missing or empty directory.
    pub create: bool,
    /// Take no lock and change nothing.
    pub read_only: bool,
    /// Signs every frame and checkpoint.
    pub signer: Option<Signer>,
    /// Whether a journal that was written without a key may get this one as its first.
    pub adopt_key: bool,
    /// Whether a new lineage begins with this open.
    pub departure: Option<Departure>,
    /// What is promised to appends that do not say otherwise.
    pub durability: Promise,
    /// From an unsynced write to the start of its sync, at most.
    pub interval: Duration,
    /// A segment is sealed before it grows beyond this.
    pub segment_bytes: u64,
    /// Name of a new journal.
    pub name: String,
    /// Metadata keys that are indexed from now on, in any order; `None` for those of the newest index.
    pub index_metadata: Option<Vec<String>>,
    /// Of a read-only store: whether only events are shown that are known synced.
    pub durable_only: bool,
    /// For so many sequences, an event that was written under an idempotency key is not written again.
    pub idempotency_window: u64,
    /// Bytes of the last segment that a clean close may leave unindexed, for the next open to read.
    pub unindexed_bytes: u64,
    /// Whether a thread makes the index of a sealed segment; if not, the append that sealed it does.
    pub background: bool,
    /// Write `journal.meta` anew from event 0 if it does not fit.
    pub rebuild_meta: bool,
    /// Where the highest checkpoint that was seen of each journal is remembered.
    pub pins: Option<Arc<dyn Storage>>,
    /// When checkpoints are made besides those on demand and at a close.
    pub checkpoints: Policy,
    /// What `opened` events say of the software.
    pub software: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            create: true,
            read_only: false,
            signer: None,
            adopt_key: false,
            departure: None,
            durability: Promise::Interval,
            interval: Duration::from_millis(50),
            segment_bytes: SEGMENT_BYTES_DEFAULT,
            name: "batpak.local".to_owned(),
            index_metadata: None,
            durable_only: false,
            idempotency_window: IDEMPOTENCY_WINDOW_DEFAULT,
            unindexed_bytes: 1024 * 1024,
            background: true,
            rebuild_meta: false,
            pins: None,
            checkpoints: Policy::default(),
            software: concat!("batpak ", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

impl Config {
    /// Refuses what cannot work, before anything is touched.
    pub(crate) fn check(&mut self) -> Result<()> {
        if let Some(keys) = &mut self.index_metadata {
            keys.sort_unstable();
            keys.dedup();
        }
        check_name(&self.name)?;
        if let Some(Departure { actor, reason, .. }) = &self.departure {
            check_reason("actor", actor)?;
            check_reason("reason", reason)?;
        }
        let invalid = |reason: String| Err(Error::InvalidInput { reason });
        if !(SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&self.segment_bytes) {
            return invalid(format!(
                "segment_bytes is {}; it must be {SEGMENT_BYTES_MIN} to {SEGMENT_BYTES_MAX}",
                self.segment_bytes
            ));
        }
        let interval_ms = self.interval.as_millis();
        if !(1..=u128::from(INTERVAL_MS_MAX)).contains(&interval_ms) {
            return invalid(format!("interval_ms is {interval_ms}; it must be 1 to {INTERVAL_MS_MAX}"));
        }
        if let Some(keys) = &self.index_metadata {
            if keys.len() > INDEXED_KEYS_MAX {
                return invalid(format!("index_metadata names {} keys; it may name {INDEXED_KEYS_MAX}", keys.len()));
            }
            if keys.iter().any(|key| key.is_empty() || key.len() > METADATA_BYTES_MAX) {
                return invalid(format!("each key of index_metadata must have 1 to {METADATA_BYTES_MAX} bytes"));
            }
        }
        if self.checkpoints.events == Some(0) || self.checkpoints.interval == Some(Duration::ZERO) {
            return invalid("a checkpoint after nothing is none; let it be after 1 event or 1 ms at least".to_owned());
        }
        if self.read_only && !self.checkpoints.is_none() {
            return invalid("a read-only store makes no checkpoints".to_owned());
        }
        if self.read_only && (self.signer.is_some() || self.rebuild_meta) {
            return invalid(
                "a read-only store neither signs nor rebuilds; leave signing_key and rebuild_meta out".to_owned(),
            );
        }
        Ok(())
    }
}
