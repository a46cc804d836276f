//! Any storage, with failures at chosen calls.

use std::io::ErrorKind;
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Map, Mode, Storage, StorageFile, StorageLock};
use crate::error::{Error, Result, StorageFailure};

/// What Linux says with this number, on every platform: a caller cannot tell a simulated refusal from a real one.
pub(super) fn refusal(operation: &'static str, path: String, errno: i32) -> Error {
    let (kind, text) = match errno {
        2 => (ErrorKind::NotFound, "No such file or directory"),
        Fault::EIO => (ErrorKind::Other, "Input/output error"),
        9 => (ErrorKind::Other, "Bad file descriptor"),
        17 => (ErrorKind::AlreadyExists, "File exists"),
        20 => (ErrorKind::NotADirectory, "Not a directory"),
        21 => (ErrorKind::IsADirectory, "Is a directory"),
        22 => (ErrorKind::InvalidInput, "Invalid argument"),
        27 => (ErrorKind::FileTooLarge, "File too large"),
        Fault::ENOSPC => (ErrorKind::StorageFull, "No space left on device"),
        _ => (ErrorKind::Other, "Refused"),
    };
    let message = format!("{text} (os error {errno})");
    Error::Storage(StorageFailure { operation, path, errno: Some(errno), kind, message })
}

/// What becomes of a call that a fault hits. All of them report an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing happens.
    Fails,
    /// It happens all the same.
    FailsAfter,
    /// A write writes only this many bytes; any other call fails.
    ShortWrite(usize),
}

/// One failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which call, counted from 1.
    pub call: u64,
    /// What becomes of it.
    pub effect: Effect,
    /// The operating system's number in the error: [`Fault::EIO`], [`Fault::ENOSPC`] or another one of Linux.
    pub errno: i32,
    /// Whether every later call shares its fate.
    pub forever: bool,
}

impl Fault {
    /// The number of "Input/output error".
    pub const EIO: i32 = 5;
    /// The number of "No space left on device".
    pub const ENOSPC: i32 = 28;

    /// Hits this call alone, with `EIO`.
    #[must_use]
    pub fn once(call: u64, effect: Effect) -> Self {
        Self { call, effect, errno: Self::EIO, forever: false }
    }

    /// Hits this call and all later ones, with `EIO`.
    #[must_use]
    pub fn forever(call: u64, effect: Effect) -> Self {
        Self { forever: true, ..Self::once(call, effect) }
    }

    /// The same with another number.
    #[must_use]
    pub fn with_errno(self, errno: i32) -> Self {
        Self { errno, ..self }
    }

    fn hits(&self, call: u64) -> bool {
        if self.forever { self.call <= call } else { self.call == call }
    }
}

/// Another storage that fails on cue. Every verb of it and of its files counts as one call, except `length` and `describe`;
/// so does taking the lock, but not giving it back. A clone counts on with the same script.
#[derive(Clone, Debug)]
pub struct FaultyStorage {
    inner: Arc<dyn Storage>,
    script: Arc<Mutex<Script>>,
}

#[derive(Debug, Default)]
struct Script {
    calls: u64,
    faults: Vec<Fault>,
    /// Bytes that writes may still write, if that is limited.
    space: Option<usize>,
    hit: Option<String>,
}

impl FaultyStorage {
    /// With a script, which may be empty. If two faults hit a call, the first decides.
    #[must_use]
    pub fn new(inner: Arc<dyn Storage>, faults: impl IntoIterator<Item = Fault>) -> Self {
        let script = Script { faults: faults.into_iter().collect(), ..Script::default() };
        Self { inner, script: Arc::new(Mutex::new(script)) }
    }

    /// A disk that takes `bytes` more bytes: the write that needs more writes what fits and fails with `ENOSPC`, as does every
    /// later one. Nothing frees space again.
    #[must_use]
    pub fn full_after(inner: Arc<dyn Storage>, bytes: usize) -> Self {
        let storage = Self::new(inner, []);
        storage.script.lock().space = Some(bytes);
        storage
    }

    /// Adds a fault; for one that counts from now, say `calls() + 1`.
    pub fn arm(&self, fault: Fault) {
        self.script.lock().faults.push(fault);
    }

    /// Ends all faults, and gives the disk space again.
    pub fn heal(&self) {
        let mut script = self.script.lock();
        script.faults.clear();
        script.space = None;
    }

    /// How many calls were made.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.script.lock().calls
    }

    /// The first call that a fault hit, like `7: sync segments/00000000000000000000.log`; `None` while none was.
    #[must_use]
    pub fn hit(&self) -> Option<String> {
        self.script.lock().hit.clone()
    }

    fn door(&self, name: &str) -> Door {
        Door { path: self.inner.describe(name), name: name.to_owned(), script: Arc::clone(&self.script) }
    }
}

/// Where the calls about one name pass.
#[derive(Debug)]
struct Door {
    name: String,
    path: String,
    script: Arc<Mutex<Script>>,
}

impl Door {
    /// Counts a call, and says what becomes of it. `size` is how many bytes it wants to write.
    fn count(&self, operation: &'static str, size: usize) -> Option<(Effect, Error)> {
        let mut script = self.script.lock();
        script.calls += 1;
        let call = script.calls;
        let fault = script.faults.iter().find(|fault| fault.hits(call)).map(|fault| (fault.effect, fault.errno));
        let wanted = match fault {
            None | Some((Effect::FailsAfter, _)) => size,
            Some((Effect::ShortWrite(bytes), _)) => size.min(bytes),
            Some((Effect::Fails, _)) => 0,
        };
        let fits = script.space.unwrap_or(usize::MAX).min(wanted);
        script.space = script.space.map(|space| space - fits);
        let (effect, errno) = if fits < wanted { (Effect::ShortWrite(fits), Fault::ENOSPC) } else { fault? };
        script.hit.get_or_insert_with(|| format!("{call}: {operation} {}", self.name).trim_end().to_owned());
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
        Ok(Arc::new(FaultyFile { inner, door }))
    }

    fn lengths(&self, directory: &str) -> Result<Vec<(String, u64)>> {
        self.door(directory).pass("list", || self.inner.lengths(directory))
    }

    fn map(&self, name: &str) -> Result<Map> {
        self.door(name).pass("map", || self.inner.map(name))
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.door(from).pass("rename", || self.inner.rename(from, to))
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
