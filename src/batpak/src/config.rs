//! How a journal is opened.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::header::Promise;
use crate::key::SigningKey;
use crate::limits::{INTERVAL_MS_MAX, SEGMENT_BYTES_DEFAULT, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN};
use crate::system::check_name;

/// How a journal is opened.
#[derive(Clone, Debug)]
pub struct Config {
    /// Make a journal in a missing or empty directory.
    pub create: bool,
    /// Take no lock and change nothing.
    pub read_only: bool,
    /// Signs every frame.
    pub signing_key: Option<SigningKey>,
    /// What is promised to appends that do not say otherwise.
    pub durability: Promise,
    /// From an unsynced write to the start of its sync, at most.
    pub interval: Duration,
    /// A segment is sealed before it grows beyond this.
    pub segment_bytes: u64,
    /// Name of a new journal.
    pub name: String,
    /// Write `journal.meta` anew from event 0 if it does not fit.
    pub rebuild_meta: bool,
    /// What `opened` events say of the software.
    pub software: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            create: true,
            read_only: false,
            signing_key: None,
            durability: Promise::Interval,
            interval: Duration::from_millis(50),
            segment_bytes: SEGMENT_BYTES_DEFAULT,
            name: "batpak.local".to_owned(),
            rebuild_meta: false,
            software: concat!("batpak ", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

impl Config {
    /// Refuses what cannot work, before anything is touched.
    pub(crate) fn check(&self) -> Result<()> {
        check_name(&self.name)?;
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
        if self.read_only && (self.signing_key.is_some() || self.rebuild_meta) {
            return invalid(
                "a read-only store neither signs nor rebuilds; leave signing_key and rebuild_meta out".to_owned(),
            );
        }
        Ok(())
    }
}
