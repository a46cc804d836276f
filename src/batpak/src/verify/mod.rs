//! Verification: of a whole journal from its files, and of a receipt with or without one.

pub mod evidence;
mod indexes;
mod journal;
pub mod proof;
mod reading;
pub mod receipt;
mod standing;

pub use journal::{Against, journal};

use crate::create::{Found, find};
use crate::error::{Error, Result};
use crate::fork::refuse_unfinished;
use crate::storage::Storage;
use crate::verification::Verification;

/// Checks the journal in a directory; a directory that holds none is an error, not a finding.
pub fn directory(storage: &dyn Storage, against: Against<'_>, interrupted: &dyn Fn() -> bool) -> Result<Verification> {
    refuse_unfinished(storage)?;
    if find(storage)? == Found::Nothing {
        return Err(Error::NotAJournal { path: storage.describe(""), reason: "there is no journal here".to_owned() });
    }
    journal(storage, against, interrupted)
}
