//! Files in memory that know what a power cut would leave of them.
//!
//! Lock order: the state, then files by rising id. A file's own verbs take only that file's lock.

mod image;

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use image::Change;
pub use image::{PendingChange, PendingWrite, Survival};

use super::faulty::refusal;
use super::{Map, Mode, Storage, StorageFile, StorageLock};
use crate::error::{Error, Result, StorageFailure};

const ENOENT: i32 = 2;
const EBADF: i32 = 9;
const EEXIST: i32 = 17;
const ENOTDIR: i32 = 20;
const EISDIR: i32 = 21;
const EINVAL: i32 = 22;
const EFBIG: i32 = 27;
const ENOSPC: i32 = 28;

fn describe(name: &str) -> String {
    if name.is_empty() { "memory".to_owned() } else { format!("memory/{name}") }
}

fn parent(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(directory, _)| directory)
}

/// A journal's directory in memory; a clone is another door to the same files.
///
/// The directory itself is always there. Directories cannot be renamed.
#[derive(Clone, Debug, Default)]
pub struct MemoryStorage {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    recording: bool,
    locked: bool,
    files_made: u64,
    /// All but the journal's own. They are durable as soon as they are made.
    directories: BTreeSet<String>,
    names: BTreeMap<String, Arc<Inode>>,
    /// What a power cut leaves at least; kept only while recording, like all that is below.
    durable_names: BTreeMap<String, Arc<Inode>>,
    /// Names that came (with their file) or went since their directory was synced, in order.
    unsynced_names: Vec<(String, Option<Arc<Inode>>)>,
}

/// A file apart from its name: it outlives its name while it is open.
#[derive(Debug)]
struct Inode {
    id: u64,
    body: RwLock<Body>,
}

#[derive(Clone, Debug, Default)]
struct Body {
    recording: bool,
    /// The last one it had.
    name: String,
    deleted: bool,
    bytes: Vec<u8>,
    /// `bytes` at the last sync; kept only while recording.
    synced: Vec<u8>,
    /// What leads from `synced` to `bytes`.
    unsynced: Vec<Change>,
}

fn put(into: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset.saturating_add(bytes.len());
    if into.len() < end {
        into.resize(end, 0);
    }
    if let Some(place) = into.get_mut(offset..end) {
        place.copy_from_slice(bytes);
    }
}

impl Body {
    /// Makes room before anything changes, so that a refusal leaves the file as it was.
    fn reserve(&mut self, end: Option<usize>) -> std::result::Result<(), i32> {
        let more = end.ok_or(EFBIG)?.saturating_sub(self.bytes.len());
        self.bytes.try_reserve(more).map_err(|_| ENOSPC)
    }

    fn sync(&mut self) {
        for change in self.unsynced.drain(..) {
            change.apply(&Survival::Kept, &mut self.synced);
        }
    }
}

impl State {
    fn new_file(&mut self, name: &str, bytes: Vec<u8>) -> Arc<Inode> {
        self.files_made += 1;
        let synced = if self.recording { bytes.clone() } else { Vec::new() };
        let body = Body { recording: self.recording, name: name.to_owned(), bytes, synced, ..Body::default() };
        Arc::new(Inode { id: self.files_made, body: RwLock::new(body) })
    }

    fn require_directory(&self, name: &str) -> std::result::Result<(), i32> {
        if name.is_empty() || self.directories.contains(name) {
            return Ok(());
        }
        let mut above = name;
        while !above.is_empty() && !self.names.contains_key(above) {
            above = parent(above);
        }
        Err(if above.is_empty() { ENOENT } else { ENOTDIR })
    }

    fn open(&mut self, name: &str, mode: Mode) -> std::result::Result<Arc<Inode>, i32> {
        self.require_directory(parent(name))?;
        let is_directory = name.is_empty() || self.directories.contains(name);
        match (self.names.get(name), mode) {
            (Some(file), Mode::Read | Mode::Write) => Ok(Arc::clone(file)),
            (Some(_), Mode::Create) => Err(EEXIST),
            (None, Mode::Create) if is_directory => Err(EEXIST),
            (None, Mode::Read | Mode::Write) if is_directory => Err(EISDIR),
            (None, Mode::Read | Mode::Write) => Err(ENOENT),
            (None, Mode::Create) => {
                let file = self.new_file(name, Vec::new());
                self.names.insert(name.to_owned(), Arc::clone(&file));
                if self.recording {
                    self.unsynced_names.push((name.to_owned(), Some(Arc::clone(&file))));
                }
                Ok(file)
            }
        }
    }

    fn rename(&mut self, from: &str, to: &str) -> std::result::Result<(), i32> {
        self.require_directory(parent(from))?;
        self.require_directory(parent(to))?;
        if to.is_empty() || self.directories.contains(to) || self.directories.contains(from) {
            return Err(EISDIR);
        }
        let file = self.names.remove(from).ok_or(ENOENT)?;
        to.clone_into(&mut file.body.write().name);
        if let Some(replaced) = self.names.insert(to.to_owned(), Arc::clone(&file)) {
            replaced.body.write().deleted = true;
        }
        if self.recording {
            self.sync_directory(parent(to));
            self.unsynced_names.retain(|(name, _)| name != from);
            self.durable_names.remove(from);
            self.durable_names.insert(to.to_owned(), file);
        }
        Ok(())
    }

    fn remove(&mut self, name: &str) -> std::result::Result<(), i32> {
        self.require_directory(parent(name))?;
        if name.is_empty() || self.directories.contains(name) {
            return Err(EISDIR);
        }
        self.names.remove(name).ok_or(ENOENT)?.body.write().deleted = true;
        if self.recording {
            self.unsynced_names.push((name.to_owned(), None));
        }
        Ok(())
    }

    fn create_directory(&mut self, name: &str) -> std::result::Result<(), i32> {
        if self.names.contains_key(name) {
            return Err(EEXIST);
        }
        match self.require_directory(name) {
            Err(ENOENT) => {
                let ends = name.match_indices('/').map(|(end, _)| end).chain([name.len()]);
                self.directories.extend(ends.filter_map(|end| name.get(..end)).map(str::to_owned));
                Ok(())
            }
            other => other,
        }
    }

    fn change_durable_name(&mut self, name: String, file: Option<Arc<Inode>>) {
        match file {
            Some(file) => self.durable_names.insert(name, file),
            None => self.durable_names.remove(&name),
        };
    }

    fn sync_directory(&mut self, directory: &str) {
        for (name, file) in std::mem::take(&mut self.unsynced_names) {
            if parent(&name) == directory {
                self.change_durable_name(name, file);
            } else {
                self.unsynced_names.push((name, file));
            }
        }
    }
}

impl MemoryStorage {
    /// An empty directory that remembers only what is in it now.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty directory that also remembers what is not durable yet, for [`crash_image`](Self::crash_image).
    #[must_use]
    pub fn recording() -> Self {
        Self::of(State { recording: true, ..State::default() })
    }

    /// Whether it was made by [`recording`](Self::recording), or is an image of one that was.
    #[must_use]
    pub fn is_recording(&self) -> bool {
        self.state.lock().recording
    }

    /// A directory with these files and the directories in their names; everything is durable.
    #[must_use]
    pub fn import(files: BTreeMap<String, Vec<u8>>) -> Self {
        let mut state = State::default();
        for (name, bytes) in files {
            let above = name.match_indices('/').filter_map(|(end, _)| name.get(..end));
            state.directories.extend(above.map(str::to_owned));
            let file = state.new_file(&name, bytes);
            state.names.insert(name, file);
        }
        Self::of(state)
    }

    /// Every file's content as it is seen now. Directories without files are not in it.
    #[must_use]
    pub fn export(&self) -> BTreeMap<String, Vec<u8>> {
        // A copy, because one moment needs all locks at once.
        let copy = self.state.lock().copy();
        copy.names.into_iter().map(|(name, file)| (name, file.body.read().bytes.clone())).collect()
    }

    /// What a new process finds after this one was killed now: all that was written, still as little durable, and no lock.
    #[must_use]
    pub fn process_kill_image(&self) -> Self {
        Self::of(self.state.lock().copy())
    }

    /// What a power cut now could lose, in the order in which [`crash_image`](Self::crash_image) asks. Empty without recording.
    #[must_use]
    pub fn pending(&self) -> Vec<PendingWrite> {
        let mut all = Vec::new();
        let mut copy = self.state.lock().copy();
        copy.cut_power(|pending| {
            all.push(pending.clone());
            Survival::Lost
        });
        all
    }

    /// What a power cut now could leave: all that is durable, and of the rest what `choose` keeps. The image is unlocked,
    /// shares nothing with this storage, and everything in it is durable.
    ///
    /// Without recording everything counts as durable, and `choose` is never asked.
    #[must_use]
    pub fn crash_image(&self, choose: impl FnMut(&PendingWrite) -> Survival) -> Self {
        // The lock is free again before foreign code runs.
        let image = self.process_kill_image();
        image.state.lock().cut_power(choose);
        image
    }

    fn of(state: State) -> Self {
        Self { state: Arc::new(Mutex::new(state)) }
    }
}

impl Storage for MemoryStorage {
    fn list(&self, directory: &str) -> Result<Vec<String>> {
        let state = self.state.lock();
        state.require_directory(directory).map_err(|errno| refusal("list", describe(directory), errno))?;
        let all = state.names.keys().chain(&state.directories).filter(|name| parent(name) == directory);
        let mut names: Vec<String> = all.map(|name| name.rsplit('/').next().unwrap_or(name).to_owned()).collect();
        names.sort_unstable();
        Ok(names)
    }

    fn open(&self, name: &str, mode: Mode) -> Result<Arc<dyn StorageFile>> {
        let operation = if mode == Mode::Create { "create" } else { "open" };
        let inode = self.state.lock().open(name, mode).map_err(|errno| refusal(operation, describe(name), errno))?;
        Ok(Arc::new(MemoryFile { inode, name: name.to_owned(), writable: mode != Mode::Read }))
    }

    fn lengths(&self, directory: &str) -> Result<Vec<(String, u64)>> {
        let names = self.list(directory)?;
        let state = self.state.lock();
        let length = |name: &String| {
            let path = if directory.is_empty() { name.clone() } else { format!("{directory}/{name}") };
            state.names.get(&path).map_or(0, |inode| inode.body.read().bytes.len() as u64)
        };
        Ok(names.into_iter().map(|name| (length(&name), name)).map(|(length, name)| (name, length)).collect())
    }

    fn map(&self, name: &str) -> Result<Map> {
        let inode = self.state.lock().open(name, Mode::Read).map_err(|errno| refusal("open", describe(name), errno))?;
        let bytes = inode.body.read().bytes.clone();
        Ok(Arc::new(bytes))
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.state.lock().rename(from, to).map_err(|errno| refusal("rename", describe(from), errno))
    }

    fn remove(&self, name: &str) -> Result<()> {
        self.state.lock().remove(name).map_err(|errno| refusal("remove", describe(name), errno))
    }

    fn create_directory(&self, name: &str) -> Result<()> {
        let mut state = self.state.lock();
        state.create_directory(name).map_err(|errno| refusal("create directory", describe(name), errno))
    }

    fn sync_directory(&self, name: &str) -> Result<()> {
        let mut state = self.state.lock();
        state.require_directory(name).map_err(|errno| refusal("open", describe(name), errno))?;
        state.sync_directory(name);
        Ok(())
    }

    fn lock(&self) -> Result<Box<dyn StorageLock>> {
        let mut state = self.state.lock();
        let pid = std::process::id();
        if state.locked {
            return Err(Error::Locked { path: self.describe(""), pid: Some(pid) });
        }
        // After a crash the text means nothing, so it is durable at once and never asks for a crash image of its own.
        let file = state.new_file("LOCK", format!("{pid}\n").into_bytes());
        state.names.insert("LOCK".to_owned(), Arc::clone(&file));
        state.durable_names.insert("LOCK".to_owned(), file);
        state.locked = true;
        Ok(Box::new(MemoryLock { state: Arc::clone(&self.state) }))
    }

    fn describe(&self, name: &str) -> String {
        describe(name)
    }
}

#[derive(Debug)]
struct MemoryFile {
    inode: Arc<Inode>,
    name: String,
    writable: bool,
}

impl MemoryFile {
    fn refusal(&self, operation: &'static str, errno: i32) -> Error {
        refusal(operation, describe(&self.name), errno)
    }
}

impl StorageFile for MemoryFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        let body = self.inode.body.read();
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = body.bytes.get(start..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        if !self.writable {
            return Err(self.refusal("write", EBADF));
        }
        let mut body = self.inode.body.write();
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        body.reserve(offset.checked_add(bytes.len())).map_err(|errno| self.refusal("write", errno))?;
        put(&mut body.bytes, offset, bytes);
        if body.recording {
            body.unsynced.push(Change::Write { offset, bytes: bytes.into() });
        }
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        let mut body = self.inode.body.write();
        body.sync();
        if !body.deleted {
            return Ok(());
        }
        let message = "the file was deleted while it was open".to_owned();
        let path = describe(&self.name);
        Err(Error::Storage(StorageFailure { operation: "sync", path, errno: None, kind: ErrorKind::NotFound, message }))
    }

    fn truncate(&self, length: u64) -> Result<()> {
        if !self.writable {
            return Err(self.refusal("truncate", EINVAL));
        }
        let mut body = self.inode.body.write();
        let length = usize::try_from(length).map_err(|_| self.refusal("truncate", EFBIG))?;
        body.reserve(Some(length)).map_err(|errno| self.refusal("truncate", errno))?;
        body.bytes.resize(length, 0);
        if body.recording {
            body.unsynced.push(Change::Truncate { length });
        }
        Ok(())
    }

    fn length(&self) -> Result<u64> {
        Ok(self.inode.body.read().bytes.len() as u64)
    }
}

#[derive(Debug)]
struct MemoryLock {
    state: Arc<Mutex<State>>,
}

impl StorageLock for MemoryLock {
    /// A fork copies all of it, so the parent's lock is untouched anyway.
    fn abandon_in_child(&self) {}
}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        self.state.lock().locked = false;
    }
}
