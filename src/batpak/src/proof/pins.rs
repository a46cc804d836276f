//! Pins: the highest checkpoint that was ever seen of each journal, remembered in a directory that whoever can change the journal cannot.

use std::sync::Arc;

use super::anchors::{changed, goes_on_from};
use super::checkpoint::{Checkpoint, origin};
use super::note::NOTE_BYTES_MAX;
use crate::error::{Anchor, Error, Result};
use crate::heads::Heads;
use crate::index::Index;
use crate::storage::{Mode, Storage, missing_is_none, read_all, write_whole};
use crate::system::{Lineage, Substrate};

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

/// The pin of a lineage, if there is one, by the right name.
fn named(storage: &dyn Storage, lineage: &[u8; 16], name: &str) -> Result<Option<Checkpoint>> {
    let seen = read(storage, lineage)?;
    if seen.as_ref().is_some_and(|seen| seen.origin != origin(name, lineage)) {
        return Err(damaged(storage, lineage, "it names another journal"));
    }
    Ok(seen)
}

/// Whether there is a pin of any of these lineages.
pub(crate) fn sees_any<'a>(storage: &dyn Storage, lineages: impl IntoIterator<Item = &'a Lineage>) -> Result<bool> {
    for lineage in lineages {
        if read(storage, &lineage.journal_id)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Pin {
    /// Reads the pin of the lineage that a journal is in, if there is one. A log that is shorter than what was seen of it or of a lineage before,
    /// or another one, is an error. What a journal itself says of another lineage does not change that: whoever may write to the pins has them
    /// see it.
    pub fn open(storage: Arc<dyn Storage>, substrate: &Substrate, index: &Index, heads: &Heads) -> Result<Self> {
        let disk = storage.as_ref();
        for (place, end) in substrate.lineages.iter().enumerate() {
            let Some(seen) = named(disk, &end.parent_id, &substrate.name)? else { continue };
            if seen.size <= end.from {
                goes_on_from(index, heads, &seen, Anchor::Pin)?;
            } else if !sees_any(disk, substrate.lineages.iter().skip(place))? {
                return Err(changed(Anchor::Pin, &seen, (end.from, None)));
            }
        }
        let lineage = substrate.lineage();
        let seen = named(disk, &lineage, &substrate.name)?;
        if let Some(seen) = &seen {
            goes_on_from(index, heads, seen, Anchor::Pin)?;
        }
        Ok(Self { storage, name: name_of(&lineage), seen })
    }

    /// The pin of a lineage that begins now.
    pub fn of_new(storage: Arc<dyn Storage>, lineage: &[u8; 16]) -> Self {
        Self { storage, name: name_of(lineage), seen: None }
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
