//! Any storage, with failures at chosen calls.

use std::io::ErrorKind;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::faults::{Effect, Fault, Faults};
use super::{Map, Mode, Storage, StorageFile, StorageLock};
use crate::error::{Error, Result, StorageFailure};

/// What Linux says with this number, on every platform: a caller cannot tell a simulated refusal from a real one.
pub(super) fn refusal(operation: &'static str, path: String, errno: i32) -> Error {
    let (kind, text) = match errno {
        2 => (ErrorKind::NotFound, "No such file or directory"),
        Fault::EIO => (ErrorKind::Other, "Input/output error"),
        9 => (ErrorKind::Other, "Bad file descriptor"),
        Fault::EACCES => (ErrorKind::PermissionDenied, "Permission denied"),
        17 => (ErrorKind::AlreadyExists, "File exists"),
        20 => (ErrorKind::NotADirectory, "Not a directory"),
        21 => (ErrorKind::IsADirectory, "Is a directory"),
        22 => (ErrorKind::InvalidInput, "Invalid argument"),
        27 => (ErrorKind::FileTooLarge, "File too large"),
        Fault::ENOSPC => (ErrorKind::StorageFull, "No space left on device"),
        Fault::EROFS => (ErrorKind::ReadOnlyFilesystem, "Read-only file system"),
        Fault::EDQUOT => (ErrorKind::QuotaExceeded, "Disk quota exceeded"),
        _ => (ErrorKind::Other, "Refused"),
    };
    let message = format!("{text} (os error {errno})");
    Error::Storage(StorageFailure { operation, path, errno: Some(errno), kind, message })
}

/// Another storage that fails on cue. Every verb of it and of its files counts as one call, except `length` and `describe`;
/// so does taking the lock, but not giving it back. A clone counts on with the same script.
#[derive(Clone, Debug)]
pub struct FaultyStorage {
    inner: Arc<dyn Storage>,
    faults: Faults,
    /// Of files that are open.
    names: Arc<Mutex<Vec<Weak<Name>>>>,
}

/// What a file is called now: an open file follows its rename.
type Name = Mutex<Arc<str>>;

impl FaultyStorage {
    /// With a script of its own, which may be empty. If two faults hit a call, the first decides.
    #[must_use]
    pub fn new(inner: Arc<dyn Storage>, faults: impl IntoIterator<Item = Fault>) -> Self {
        Self::scripted(inner, Faults::new(faults))
    }

    /// With a script that others may follow too.
    #[must_use]
    pub fn scripted(inner: Arc<dyn Storage>, faults: Faults) -> Self {
        Self { inner, faults, names: Arc::default() }
    }

    /// A disk that takes `bytes` more bytes; see [`Faults::limit_space`].
    #[must_use]
    pub fn full_after(inner: Arc<dyn Storage>, bytes: usize) -> Self {
        let storage = Self::new(inner, []);
        storage.faults.limit_space(bytes);
        storage
    }

    /// Adds a fault; for one about all calls that counts from now, say `calls() + 1`.
    pub fn arm(&self, fault: Fault) {
        self.faults.arm(fault);
    }

    /// Ends all faults, and gives the disk space again.
    pub fn heal(&self) {
        self.faults.heal();
    }

    /// How many calls were made.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.faults.calls()
    }

    /// The first call that a fault hit; see [`Faults::hit`].
    #[must_use]
    pub fn hit(&self) -> Option<String> {
        self.faults.hit()
    }

    fn door(&self, name: &str) -> Door {
        let path = self.inner.describe(name);
        Door { path, name: Arc::new(Mutex::new(name.into())), faults: self.faults.clone() }
    }

    /// Lets the name of a file that is open now follow renames.
    fn follow(&self, door: &Door) {
        let mut names = self.names.lock();
        names.retain(|name| name.strong_count() > 0);
        names.push(Arc::downgrade(&door.name));
    }

    fn renamed(&self, from: &str, to: &str) {
        for name in self.names.lock().iter().filter_map(Weak::upgrade) {
            let mut name = name.lock();
            if &**name == from {
                *name = to.into();
            }
        }
    }
}

/// Where the calls about one name pass.
#[derive(Debug)]
struct Door {
    name: Arc<Name>,
    path: String,
    faults: Faults,
}

impl Door {
    /// Counts a call, and says what becomes of it. `size` is how many bytes it wants to write.
    fn count(&self, operation: &'static str, size: usize) -> Option<(Effect, Error)> {
        let name = Arc::clone(&self.name.lock());
        let (effect, errno) = self.faults.count(operation, &name, size)?;
        Some((effect, refusal(operation, self.path.clone(), errno)))
    }

    fn pass<T>(&self, operation: &'static str, action: impl FnOnce() -> Result<T>) -> Result<T> {
        match self.count(operation, 0) {
            None => action(),
            Some((Effect::FailsAfter, error)) => action().and(Err(error)),
            Some((Effect::Fails | Effect::ShortWrite(_), error)) => Err(error),
        }
    }
}

impl Storage for FaultyStorage {
    fn list(&self, directory: &str) -> Result<Vec<String>> {
        self.door(directory).pass("list", || self.inner.list(directory))
    }

    fn open(&self, name: &str, mode: Mode) -> Result<Arc<dyn StorageFile>> {
        let door = self.door(name);
        let operation = if mode == Mode::Create { "create" } else { "open" };
        let inner = door.pass(operation, || self.inner.open(name, mode))?;
        self.follow(&door);
        Ok(Arc::new(FaultyFile { inner, door }))
    }

    fn lengths(&self, directory: &str) -> Result<Vec<(String, u64)>> {
        self.door(directory).pass("list", || self.inner.lengths(directory))
    }

    fn map(&self, name: &str) -> Result<Map> {
        self.door(name).pass("map", || self.inner.map(name))
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.door(from).pass("rename", || self.inner.rename(from, to).map(|()| self.renamed(from, to)))
    }

    fn remove(&self, name: &str) -> Result<()> {
        self.door(name).pass("remove", || self.inner.remove(name))
    }

    fn create_directory(&self, name: &str) -> Result<()> {
        self.door(name).pass("create directory", || self.inner.create_directory(name))
    }

    fn sync_directory(&self, name: &str) -> Result<()> {
        self.door(name).pass("sync", || self.inner.sync_directory(name))
    }

    fn lock(&self) -> Result<Box<dyn StorageLock>> {
        self.door("LOCK").pass("lock", || self.inner.lock())
    }

    fn describe(&self, name: &str) -> String {
        self.inner.describe(name)
    }
}

#[derive(Debug)]
struct FaultyFile {
    inner: Arc<dyn StorageFile>,
    door: Door,
}

impl StorageFile for FaultyFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        self.door.pass("read", || self.inner.read_at(buffer, offset))
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<()> {
        let (written, error) = match self.door.count("write", bytes.len()) {
            None => return self.inner.write_at(bytes, offset),
            Some((Effect::Fails, error)) => return Err(error),
            Some((Effect::FailsAfter, error)) => (bytes.len(), error),
            Some((Effect::ShortWrite(limit), error)) => (limit.min(bytes.len()), error),
        };
        self.inner.write_at(bytes.get(..written).unwrap_or(bytes), offset).and(Err(error))
    }

    fn sync(&self) -> Result<()> {
        self.door.pass("sync", || self.inner.sync())
    }

    fn truncate(&self, length: u64) -> Result<()> {
        self.door.pass("truncate", || self.inner.truncate(length))
    }

    fn length(&self) -> Result<u64> {
        self.inner.length()
    }
}
