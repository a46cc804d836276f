//! Segments open for reading: a few at a time, however many there are.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::error::Result;
use crate::segment;
use crate::storage::{Mode, Storage, StorageFile};

/// A process may have 1,024 files open, and most of them are not ours.
const OPEN_MAX: usize = 16;

/// The segments read last, most recent first.
#[derive(Debug)]
pub struct Files {
    storage: Arc<dyn Storage>,
    /// Held while a file is looked up or opened, never while it is read.
    open: Mutex<VecDeque<(u64, Arc<dyn StorageFile>)>>,
}

impl Files {
    /// None is open yet.
    #[must_use]
    pub fn new(storage: Arc<dyn Storage>) -> Self {
        Self { storage, open: Mutex::default() }
    }

    /// Where the files are.
    #[must_use]
    pub fn storage(&self) -> &dyn Storage {
        self.storage.as_ref()
    }

    /// Takes in a segment that is open already: the one that is written to.
    pub fn keep(&self, first_sequence: u64, file: Arc<dyn StorageFile>) {
        put_first(&mut self.open.lock(), first_sequence, file);
    }

    /// The segment of this name.
    pub fn segment(&self, first_sequence: u64) -> Result<Arc<dyn StorageFile>> {
        let mut open = self.open.lock();
        let known = open.iter().position(|(known, _)| *known == first_sequence).and_then(|at| open.remove(at));
        let file = match known {
            Some((_, file)) => file,
            None => self.storage.open(&segment::path(first_sequence), Mode::Read)?,
        };
        put_first(&mut open, first_sequence, Arc::clone(&file));
        Ok(file)
    }

    /// Closes them all, but those being read just now.
    pub fn close(&self) {
        self.open.lock().clear();
    }
}

fn put_first(open: &mut VecDeque<(u64, Arc<dyn StorageFile>)>, first_sequence: u64, file: Arc<dyn StorageFile>) {
    open.push_front((first_sequence, file));
    open.truncate(OPEN_MAX);
}
