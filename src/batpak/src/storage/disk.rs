//! Files in a directory of the operating system.
#![expect(clippy::disallowed_methods, reason = "this is the one module that reaches the disk")]

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Map, Mode, Storage, StorageFile, StorageLock};
use crate::error::{Error, Result, StorageFailure};

/// A journal's directory on disk.
#[derive(Clone, Debug)]
pub struct DiskStorage {
    root: PathBuf,
}

impl DiskStorage {
    /// Names the directory; touches nothing.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    fn lock_directory(&self) -> Result<Option<File>> {
        if !cfg!(unix) {
            return Ok(None);
        }
        let directory = File::open(&self.root).map_err(|error| failure("open", &self.root, &error))?;
        match directory.try_lock() {
            Ok(()) => Ok(Some(directory)),
            Err(TryLockError::WouldBlock) => Err(Error::Locked { path: self.describe(""), pid: None }),
            Err(TryLockError::Error(_)) => Ok(None),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.root.clone() } else { self.root.join(name) }
    }
}

fn failure(operation: &'static str, path: &Path, error: &io::Error) -> Error {
    Error::Storage(StorageFailure {
        operation,
        path: path.display().to_string(),
        errno: error.raw_os_error(),
        kind: error.kind(),
        message: error.to_string(),
    })
}

impl Storage for DiskStorage {
    fn list(&self, directory: &str) -> Result<Vec<String>> {
        let path = self.path(directory);
        let fail = |error: io::Error| failure("list", &path, &error);
        let mut names = Vec::new();
        for entry in fs::read_dir(&path).map_err(fail)? {
            names.push(entry.map_err(fail)?.file_name().to_string_lossy().into_owned());
        }
        names.sort_unstable();
        Ok(names)
    }

    fn open(&self, name: &str, mode: Mode) -> Result<Arc<dyn StorageFile>> {
        let path = self.path(name);
        let mut options = OpenOptions::new();
        options.read(true).write(mode != Mode::Read).create_new(mode == Mode::Create);
        let operation = if mode == Mode::Create { "create" } else { "open" };
        let file = options.open(&path).map_err(|error| failure(operation, &path, &error))?;
        let identity = position::identity(&file).map_err(|error| failure(operation, &path, &error))?.file;
        Ok(Arc::new(DiskFile { file, path, identity }))
    }

    fn lengths(&self, directory: &str) -> Result<Vec<(String, u64)>> {
        let path = self.path(directory);
        let fail = |error: io::Error| failure("list", &path, &error);
        let mut files = Vec::new();
        for entry in fs::read_dir(&path).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            // Renamed or removed since it was listed: not there.
            let metadata = match entry.metadata() {
                Ok(metadata) => metadata,
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(fail(error)),
            };
            let length = if metadata.is_file() { metadata.len() } else { 0 };
            files.push((entry.file_name().to_string_lossy().into_owned(), length));
        }
        files.sort_unstable();
        Ok(files)
    }

    fn map(&self, name: &str) -> Result<Map> {
        let path = self.path(name);
        let fail = |operation, error: &io::Error| failure(operation, &path, error);
        let file = File::open(&path).map_err(|error| fail("open", &error))?;
        super::map::map(&file).map_err(|error| fail("map", &error))
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        let (source, target) = (self.path(from), self.path(to));
        fs::rename(&source, &target).map_err(|error| failure("rename", &source, &error))?;
        self.sync_directory(parent(to))
    }

    fn remove(&self, name: &str) -> Result<()> {
        let path = self.path(name);
        fs::remove_file(&path).map_err(|error| failure("remove", &path, &error))
    }

    fn create_directory(&self, name: &str) -> Result<()> {
        let path = self.path(name);
        let above: Vec<&Path> =
            path.ancestors().skip(1).take_while(|p| !p.as_os_str().is_empty() && !p.exists()).collect();
        fs::create_dir_all(&path).map_err(|error| failure("create directory", &path, &error))?;
        // Each new directory's name lives in the one above it.
        for made in above.iter().copied().chain([path.as_path()]) {
            sync_directory_at(made.parent().unwrap_or(made))?;
        }
        Ok(())
    }

    fn sync_directory(&self, name: &str) -> Result<()> {
        sync_directory_at(&self.path(name))
    }

    fn lock(&self) -> Result<Box<dyn StorageLock>> {
        let path = self.path("LOCK");
        let fail = |operation, error: &io::Error| failure(operation, &path, error);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|error| fail("open", &error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                // Only a courtesy: the owner may be writing its number just now.
                let _ = file.read_to_string(&mut owner);
                return Err(Error::Locked { path: self.describe(""), pid: owner.trim().parse().ok() });
            }
            Err(TryLockError::Error(error)) => return Err(fail("lock", &error)),
        }
        // Whoever deletes LOCK does not open the way for a second writer: the directory itself is locked too, where that can be done.
        let directory = self.lock_directory()?;
        file.set_len(0).map_err(|error| fail("truncate", &error))?;
        file.seek(SeekFrom::Start(0)).map_err(|error| fail("write", &error))?;
        writeln!(file, "{}", std::process::id()).map_err(|error| fail("write", &error))?;
        Ok(Box::new(DiskLock {
            files: Mutex::new([Some(file), directory].into_iter().flatten().collect()),
            pid: std::process::id(),
        }))
    }

    fn files_to_keep_open(&self) -> usize {
        // Of the usual limit of 1,024, an eighth.
        usize::try_from(position::files_max() / 8).unwrap_or(usize::MAX).clamp(4, 256)
    }

    fn describe(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }
}

fn parent(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(directory, _)| directory)
}

/// `fsync` of a directory; file systems without it (and Windows) make names durable by other means.
fn sync_directory_at(path: &Path) -> Result<()> {
    if cfg!(unix) {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let directory = File::open(path).map_err(|error| failure("open", path, &error))?;
        directory.sync_all().map_err(|error| failure("sync", path, &error))?;
    }
    Ok(())
}

#[derive(Debug)]
struct DiskFile {
    file: File,
    path: PathBuf,
    /// Device and number of the file that was opened.
    identity: (u64, u64),
}

/// Which file a descriptor means, and how many names it has.
struct Identity {
    file: (u64, u64),
    links: u64,
}

impl StorageFile for DiskFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match position::read(&self.file, rest, offset + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(failure("read", &self.path, &error)),
            }
        }
        Ok(filled)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<()> {
        let mut written = 0;
        while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
            match position::write(&self.file, rest, offset + written as u64) {
                Ok(0) => return Err(failure("write", &self.path, &ErrorKind::WriteZero.into())),
                Ok(count) => written += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(failure("write", &self.path, &error)),
            }
        }
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(|error| failure("sync", &self.path, &error))?;
        // A deleted file takes bytes and syncs without a murmur, and keeps nothing; and a program that closes descriptors which are not its
        // own gives ours to another file.
        let now = position::identity(&self.file).map_err(|error| failure("sync", &self.path, &error))?;
        let message = if now.links == 0 {
            "the file was deleted while it was open"
        } else if now.file != self.identity {
            "the descriptor was closed by another part of this program, and belongs to another file now"
        } else {
            return Ok(());
        };
        Err(Error::Storage(StorageFailure {
            operation: "sync",
            path: self.path.display().to_string(),
            errno: None,
            kind: ErrorKind::NotFound,
            message: message.to_owned(),
        }))
    }

    fn truncate(&self, length: u64) -> Result<()> {
        self.file.set_len(length).map_err(|error| failure("truncate", &self.path, &error))
    }

    fn length(&self) -> Result<u64> {
        Ok(self.file.metadata().map_err(|error| failure("read", &self.path, &error))?.len())
    }
}

#[cfg(unix)]
mod position {
    use std::fs::File;
    use std::io;
    use std::os::unix::fs::FileExt;

    use super::Identity;

    pub fn read(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        file.read_at(buffer, offset)
    }

    pub fn write(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
        file.write_at(bytes, offset)
    }

    /// Asks for nothing but number and links: a question for the times makes the next write and sync slower by a third.
    #[cfg(target_os = "linux")]
    pub fn identity(file: &File) -> io::Result<Identity> {
        use rustix::fs::{AtFlags, StatxFlags, statx};
        let found = statx(file, c"", AtFlags::EMPTY_PATH, StatxFlags::INO | StatxFlags::NLINK)?;
        let device = u64::from(found.stx_dev_major) << 32 | u64::from(found.stx_dev_minor);
        Ok(Identity { file: (device, found.stx_ino), links: u64::from(found.stx_nlink) })
    }

    #[cfg(not(target_os = "linux"))]
    pub fn identity(file: &File) -> io::Result<Identity> {
        use std::os::unix::fs::MetadataExt;
        let metadata = file.metadata()?;
        Ok(Identity { file: (metadata.dev(), metadata.ino()), links: metadata.nlink() })
    }

    /// How many files this process may have open.
    #[cfg(target_os = "linux")]
    pub fn files_max() -> u64 {
        use rustix::process::{Resource, getrlimit};
        getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
    }

    /// The least that such systems begin with.
    #[cfg(not(target_os = "linux"))]
    pub const fn files_max() -> u64 {
        256
    }
}

#[cfg(windows)]
mod position {
    use std::fs::File;
    use std::io;
    use std::os::windows::fs::FileExt;

    use super::Identity;

    pub fn read(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        file.seek_read(buffer, offset)
    }

    pub fn write(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
        file.seek_write(bytes, offset)
    }

    // An open file cannot be deleted here, and descriptors are not small numbers that a program guesses.
    pub fn identity(_file: &File) -> io::Result<Identity> {
        Ok(Identity { file: (0, 0), links: 1 })
    }

    /// Far above what is kept open.
    pub const fn files_max() -> u64 {
        u64::MAX
    }
}

#[derive(Debug)]
struct DiskLock {
    /// LOCK and the directory.
    files: Mutex<Vec<File>>,
    /// Of the process that holds it.
    pid: u32,
}

impl Drop for DiskLock {
    fn drop(&mut self) {
        // A forked child shares the lock with its parent, and must not unlock it; closing its copy is all it may do.
        if std::process::id() != self.pid {
            return;
        }
        // Closing alone would leave the lock with a child that is between fork and exec.
        for file in self.files.get_mut().drain(..) {
            // Nothing can be done about a failure; closing frees the lock as well.
            let _ = file.unlock();
        }
    }
}

impl StorageLock for DiskLock {
    fn abandon_in_child(&self) {
        // Held only in this function, so another thread cannot have been inside it at the fork.
        if let Some(mut files) = self.files.try_lock() {
            files.clear();
        }
    }
}
