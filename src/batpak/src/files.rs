//! Segments open for reading: those read last, however many there are.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::error::Result;
use crate::segment;
use crate::storage::{Mode, Storage, StorageFile};

/// The segments read last.
#[derive(Debug)]
pub struct Files {
    storage: Arc<dyn Storage>,
    most: usize,
    /// Held while a file is looked up or opened, never while it is read.
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    /// By first sequence; each with the number of its last use.
    segments: HashMap<u64, (Arc<dyn StorageFile>, u64)>,
    uses: u64,
}

impl Open {
    fn keep(&mut self, first_sequence: u64, file: Arc<dyn StorageFile>, most: usize) {
        self.uses += 1;
        self.segments.insert(first_sequence, (file, self.uses));
        if self.segments.len() > most {
            let oldest = self.segments.iter().min_by_key(|(_, (_, used))| *used).map(|(segment, _)| *segment);
            oldest.and_then(|oldest| self.segments.remove(&oldest));
        }
    }
}

impl Files {
    /// None is open yet.
    #[must_use]
    pub fn new(storage: Arc<dyn Storage>) -> Self {
        Self { most: storage.files_to_keep_open(), storage, open: Mutex::default() }
    }

    /// Where the files are.
    #[must_use]
    pub fn storage(&self) -> &dyn Storage {
        self.storage.as_ref()
    }

    /// Takes in a segment that is open already: the one that is written to.
    pub fn keep(&self, first_sequence: u64, file: Arc<dyn StorageFile>) {
        self.open.lock().keep(first_sequence, file, self.most);
    }

    /// The segment of this name.
    pub fn segment(&self, first_sequence: u64) -> Result<Arc<dyn StorageFile>> {
        let mut open = self.open.lock();
        let use_number = open.uses + 1;
        open.uses = use_number;
        if let Some((file, used)) = open.segments.get_mut(&first_sequence) {
            *used = use_number;
            return Ok(Arc::clone(file));
        }
        let file = self.storage.open(&segment::path(first_sequence), Mode::Read)?;
        open.keep(first_sequence, Arc::clone(&file), self.most);
        Ok(file)
    }

    /// Closes them all, but those being read just now.
    pub fn close(&self) {
        self.open.lock().segments.clear();
    }
}
