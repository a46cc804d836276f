//! A storage whose syncs say that they happened and did nothing, as a disk does that forgets its cache when the power goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use batpak_core::error::Result;
use batpak_core::storage::{Map, MemoryStorage, Mode, Storage, StorageFile, StorageLock};

/// Honest until it is told to lie. A rename takes place all the same, as one that a file system's own journal keeps; what is in the file does not.
#[derive(Clone, Debug)]
pub struct LyingStorage {
    inner: MemoryStorage,
    lies: Arc<AtomicBool>,
}

impl LyingStorage {
    /// In front of a recording storage.
    #[must_use]
    pub fn new(inner: MemoryStorage) -> Self {
        Self { inner, lies: Arc::default() }
    }

    /// From now on no sync does anything, also of files that are open.
    pub fn lie(&self) {
        self.lies.store(true, Ordering::SeqCst);
    }

    fn file(&self, inner: Arc<dyn StorageFile>) -> Arc<dyn StorageFile> {
        Arc::new(LyingFile { inner, lies: Arc::clone(&self.lies) })
    }
}

impl Storage for LyingStorage {
    fn list(&self, directory: &str) -> Result<Vec<String>> {
        self.inner.list(directory)
    }

    fn open(&self, name: &str, mode: Mode) -> Result<Arc<dyn StorageFile>> {
        self.inner.open(name, mode).map(|file| self.file(file))
    }

    fn lengths(&self, directory: &str) -> Result<Vec<(String, u64)>> {
        self.inner.lengths(directory)
    }

    fn map(&self, name: &str) -> Result<Map> {
        self.inner.map(name)
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.inner.rename(from, to)
    }

    fn remove(&self, name: &str) -> Result<()> {
        self.inner.remove(name)
    }

    fn create_directory(&self, name: &str) -> Result<()> {
        self.inner.create_directory(name)
    }

    fn sync_directory(&self, name: &str) -> Result<()> {
        if self.lies.load(Ordering::SeqCst) { Ok(()) } else { self.inner.sync_directory(name) }
    }

    fn lock(&self) -> Result<Box<dyn StorageLock>> {
        self.inner.lock()
    }

    fn describe(&self, name: &str) -> String {
        self.inner.describe(name)
    }
}

#[derive(Debug)]
struct LyingFile {
    inner: Arc<dyn StorageFile>,
    lies: Arc<AtomicBool>,
}

impl StorageFile for LyingFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        self.inner.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<()> {
        self.inner.write_at(bytes, offset)
    }

    fn sync(&self) -> Result<()> {
        if self.lies.load(Ordering::SeqCst) { Ok(()) } else { self.inner.sync() }
    }

    fn truncate(&self, length: u64) -> Result<()> {
        self.inner.truncate(length)
    }

    fn length(&self) -> Result<u64> {
        self.inner.length()
    }
}
