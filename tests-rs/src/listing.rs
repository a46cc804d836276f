//! A storage whose listings take time, as a directory's do: what is made meanwhile is in them or not, and not in any order.

use std::fmt;
use std::sync::Arc;

use batpak_core::error::Result;
use batpak_core::storage::{Map, MemoryStorage, Mode, Storage, StorageFile, StorageLock};

use crate::journal::is_log;

/// While a directory is listed, something else goes on; of the segments that it makes, all but the first are found.
#[derive(Clone)]
pub struct ListingStorage {
    inner: MemoryStorage,
    meanwhile: Arc<dyn Fn() + Send + Sync>,
}

impl ListingStorage {
    /// In front of what `meanwhile` writes to.
    #[must_use]
    pub fn new(inner: MemoryStorage, meanwhile: impl Fn() + Send + Sync + 'static) -> Self {
        Self { inner, meanwhile: Arc::new(meanwhile) }
    }

    fn listed<T>(
        &self,
        directory: &str,
        list: impl Fn() -> Result<Vec<T>>,
        name: impl Fn(&T) -> &str,
    ) -> Result<Vec<T>> {
        let before = self.inner.list(directory)?;
        (self.meanwhile)();
        let mut listed = list()?;
        let is_new = |each: &T| is_log(name(each)) && before.iter().all(|known| known != name(each));
        if let Some(missed) = listed.iter().position(is_new) {
            listed.remove(missed);
        }
        Ok(listed)
    }
}

impl fmt::Debug for ListingStorage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ListingStorage").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl Storage for ListingStorage {
    fn list(&self, directory: &str) -> Result<Vec<String>> {
        self.listed(directory, || self.inner.list(directory), |name| name)
    }

    fn lengths(&self, directory: &str) -> Result<Vec<(String, u64)>> {
        self.listed(directory, || self.inner.lengths(directory), |(name, _)| name)
    }

    fn open(&self, name: &str, mode: Mode) -> Result<Arc<dyn StorageFile>> {
        self.inner.open(name, mode)
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
        self.inner.sync_directory(name)
    }

    fn lock(&self) -> Result<Box<dyn StorageLock>> {
        self.inner.lock()
    }

    fn describe(&self, name: &str) -> String {
        self.inner.describe(name)
    }
}
