//! The only door to the disk.
//!
//! Names are relative to the journal's directory and use `/`. Every verb says what holds when it returns.

mod disk;
mod faults;
mod faulty;
mod map;
mod memory;

use std::fmt::Debug;
use std::sync::Arc;

pub use disk::DiskStorage;
pub use faults::{Call, Effect, Fault, Faults, OPERATIONS};
pub use faulty::FaultyStorage;
pub use memory::{Chance, MemoryStorage, PendingChange, PendingWrite, Survival};

use crate::error::Result;

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// An existing file, for reading.
    Read,
    /// An existing file, for reading and writing.
    Write,
    /// A new file, for reading and writing; a file of that name is an error.
    Create,
}

/// One journal's directory.
pub trait Storage: Send + Sync + Debug {
    /// The names in a directory (`""` is the journal's own), sorted. A missing directory is `NotFound`.
    fn list(&self, directory: &str) -> Result<Vec<String>>;

    /// Opens a file. Nothing about it is durable yet: a new file's name is durable after `sync_directory`.
    fn open(&self, name: &str, mode: Mode) -> Result<Arc<dyn StorageFile>>;

    /// The names in a directory as `list` gives them, each with the bytes of its file; a directory has none.
    fn lengths(&self, directory: &str) -> Result<Vec<(String, u64)>>;

    /// Maps a file for reading. Only files that are replaced and never changed in place are mapped.
    fn map(&self, name: &str) -> Result<Map>;

    /// Puts `from` in the place of `to`, at once for every observer; the names are durable when it returns.
    fn rename(&self, from: &str, to: &str) -> Result<()>;

    /// Removes a file; durable after `sync_directory`.
    fn remove(&self, name: &str) -> Result<()>;

    /// Makes a directory, and what leads to it, unless it is there; durable when it returns.
    fn create_directory(&self, name: &str) -> Result<()>;

    /// Makes the names in a directory durable.
    fn sync_directory(&self, name: &str) -> Result<()>;

    /// Takes the one writer's lock (`LOCK`), or says who holds it.
    fn lock(&self) -> Result<Box<dyn StorageLock>>;

    /// How many files may be kept open for reading: most of what a process may open is not ours.
    fn files_to_keep_open(&self) -> usize {
        16
    }

    /// What a message calls this file (`""` is the directory).
    fn describe(&self, name: &str) -> String;
}

/// One open file. Any thread may call any verb at any time.
pub trait StorageFile: Send + Sync + Debug {
    /// Fills `buffer` from `offset` on; returns fewer bytes only at the end of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize>;

    /// Writes all bytes at `offset`: other processes see them when it returns, a power cut may lose them. After an error any
    /// part may have been written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<()>;

    /// Makes content and length durable. After an error nothing is known about what was written since the last success. A file
    /// that was deleted in the meantime is `NotFound`.
    fn sync(&self) -> Result<()>;

    /// Cuts the file to `length`; durable after `sync`.
    fn truncate(&self, length: u64) -> Result<()>;

    /// Bytes in the file.
    fn length(&self) -> Result<u64>;
}

/// The bytes of a mapped file.
pub type Map = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// The writer's lock; dropping it gives it back.
pub trait StorageLock: Send + Sync + Debug {
    /// In a forked child: closes the child's copy, so that the parent's death frees the lock. Never unlocks the parent.
    fn abandon_in_child(&self);
}

/// Reads a whole file; for the small ones.
pub fn read_all(file: &dyn StorageFile) -> Result<Vec<u8>> {
    let length = usize::try_from(file.length()?).unwrap_or(usize::MAX);
    let mut bytes = vec![0; length];
    let filled = file.read_at(&mut bytes, 0)?;
    bytes.truncate(filled);
    Ok(bytes)
}

/// Writes a complete file under a temporary name and puts it in place: after a crash it is there whole or not at all.
pub fn write_whole(storage: &dyn Storage, name: &str, bytes: &[u8]) -> Result<Arc<dyn StorageFile>> {
    let temporary = format!("{name}.tmp");
    remove_if_there(storage, &temporary)?;
    let file = storage.open(&temporary, Mode::Create)?;
    file.write_at(bytes, 0)?;
    file.sync()?;
    storage.rename(&temporary, name)?;
    Ok(file)
}

/// Writes a complete file piece by piece, and has `tell` record it before it is put in place: whoever finds the record finds the file that it
/// speaks of, or none.
pub fn replace(
    storage: &dyn Storage,
    name: &str,
    chunks: impl FnOnce(&mut Chunks) -> Result<()>,
    tell: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let temporary = format!("{name}.tmp");
    remove_if_there(storage, &temporary)?;
    let mut chunks_of = Chunks { file: storage.open(&temporary, Mode::Create)?, end: 0 };
    chunks(&mut chunks_of)?;
    chunks_of.file.sync()?;
    if missing_is_none(storage.remove(name))?.is_some() {
        // Else a power cut could bring the old file back beside the new record.
        storage.sync_directory(name.rsplit_once('/').map_or("", |(directory, _)| directory))?;
    }
    tell()?;
    storage.rename(&temporary, name)
}

/// Appends to a new file.
#[derive(Debug)]
pub struct Chunks {
    file: Arc<dyn StorageFile>,
    end: u64,
}

impl Chunks {
    /// Appends.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_at(bytes, self.end)?;
        self.end += bytes.len() as u64;
        Ok(())
    }
}

/// Whether a name is that of a file which `write_whole` did not finish.
#[must_use]
pub fn is_unfinished(name: &str) -> bool {
    name.strip_suffix(".tmp").is_some()
}

/// Removes a file that may be missing.
pub fn remove_if_there(storage: &dyn Storage, name: &str) -> Result<()> {
    missing_is_none(storage.remove(name)).map(|_| ())
}

/// Turns "there is no such file" into `None`.
pub fn missing_is_none<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(crate::Error::Storage(failure)) if failure.kind == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
