//! Pins: the highest checkpoint that was ever seen of each journal, remembered in a directory that whoever can change the journal cannot.

use std::sync::Arc;

use super::anchors::goes_on_from;
use super::checkpoint::Checkpoint;
use super::note::NOTE_BYTES_MAX;
use crate::error::{Anchor, Error, Result};
use crate::heads::Heads;
use crate::index::Index;
use crate::storage::{Mode, Storage, missing_is_none, read_all, write_whole};

/// A directory of pins, one file for each journal.
#[derive(Debug)]
pub(crate) struct Pin {
    storage: Arc<dyn Storage>,
    name: String,
    seen: Option<Checkpoint>,
}

fn name_of(journal_id: &[u8; 16]) -> String {
    format!("{}.checkpoint", crate::hash::hex(journal_id))
}

fn damaged(storage: &dyn Storage, journal_id: &[u8; 16], reason: &str) -> Error {
    Error::Damaged {
        file: storage.describe(&name_of(journal_id)),
        offset: 0,
        sequence: None,
        reason: format!("the pin cannot be read: {reason}"),
    }
}

/// The pin of a journal, if there is one.
pub(crate) fn read(storage: &dyn Storage, journal_id: &[u8; 16]) -> Result<Option<Checkpoint>> {
    let damaged = |reason: &str| damaged(storage, journal_id, reason);
    let Some(file) = missing_is_none(storage.open(&name_of(journal_id), Mode::Read))? else { return Ok(None) };
    if file.length()? > NOTE_BYTES_MAX as u64 {
        return Err(damaged("it is too long"));
    }
    let text = String::from_utf8(read_all(file.as_ref())?).map_err(|_| damaged("it is not text"))?;
    Checkpoint::parse(&text).map(Some).map_err(|error| damaged(&error.to_string()))
}

impl Pin {
    /// Reads the pin of a journal, if there is one.
    pub fn open(storage: Arc<dyn Storage>, journal_id: &[u8; 16], origin: &str) -> Result<Self> {
        let seen = read(storage.as_ref(), journal_id)?;
        if seen.as_ref().is_some_and(|seen| seen.origin != origin) {
            return Err(damaged(storage.as_ref(), journal_id, "it names another journal"));
        }
        Ok(Self { storage, name: name_of(journal_id), seen })
    }

    /// Refuses a log that is shorter than what was seen, or another one.
    pub fn check(&self, index: &Index, heads: &Heads) -> Result<()> {
        self.seen.as_ref().map_or(Ok(()), |seen| goes_on_from(index, heads, seen, Anchor::Pin).map(drop))
    }

    /// Remembers a checkpoint, which goes on from what was seen, unless a higher one is known.
    pub fn see(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        if self.seen.as_ref().is_some_and(|seen| seen.size >= checkpoint.size) {
            return Ok(());
        }
        self.storage.create_directory("")?;
        write_whole(self.storage.as_ref(), &self.name, checkpoint.note.encode().as_bytes())?;
        self.seen = Some(checkpoint.clone());
        Ok(())
    }
}
