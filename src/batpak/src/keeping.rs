//! Small files beside the log: how far a cursor has come, what a projection has made so far (FORMAT.md section 20). Each is a value under a name, there
//! as a whole or not at all. What it means is its owner's business; that it is what was written, and of this journal, is checked here.

use crate::error::{Error, Result};
use crate::hash::digest;
use crate::inner::Inner;
use crate::limits::{KEPT_BYTES_MAX, KEPT_NAME_BYTES_MAX};
use crate::segment::FORMAT_VERSION;
use crate::storage::{Mode, missing_is_none, read_all, write_whole};
use crate::store::Store;

const MAGIC: [u8; 8] = *b"batpakK1";
/// Magic, version, flags, journal id.
const FRONT_BYTES: usize = 28;
const DIGEST_BYTES: usize = 32;
const FILE_BYTES_MAX: u64 = (FRONT_BYTES + KEPT_BYTES_MAX + DIGEST_BYTES) as u64;

/// Where such files lie, by what they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// How far readers have come. An authority: nothing else knows it.
    Cursors,
    /// What projections have made. A cache: it can be made again.
    Projections,
}

impl Room {
    /// The directory.
    #[must_use]
    pub const fn directory(self) -> &'static str {
        match self {
            Self::Cursors => "cursors",
            Self::Projections => "projections",
        }
    }

    const fn suffix(self) -> &'static str {
        match self {
            Self::Cursors => ".cursor",
            Self::Projections => ".projection",
        }
    }

    /// The file of a name. Whatever is not a lower-case letter, a digit, `-` or `_` is written as `%` and two digits: names differ on every file
    /// system that tells these apart.
    fn file(self, name: &str) -> Result<String> {
        use std::fmt::Write as _;
        if name.is_empty() || name.len() > KEPT_NAME_BYTES_MAX {
            let reason = format!("a name has {} bytes; it must have 1 to {KEPT_NAME_BYTES_MAX}", name.len());
            return Err(Error::InvalidInput { reason });
        }
        let mut file = format!("{}/", self.directory());
        for byte in name.bytes() {
            if byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_') {
                file.push(char::from(byte));
            } else {
                // Writing to a String cannot fail.
                let _ = write!(file, "%{byte:02x}");
            }
        }
        Ok(file + self.suffix())
    }

    /// The name whose file this is.
    fn name_of(self, file: &str) -> Option<String> {
        let mut rest = file.strip_suffix(self.suffix())?.bytes();
        let mut name = Vec::new();
        while let Some(byte) = rest.next() {
            name.push(match byte {
                b'%' => {
                    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                    digit(rest.next()?)? << 4 | digit(rest.next()?)?
                }
                byte => byte,
            });
        }
        let name = String::from_utf8(name).ok()?;
        self.file(&name)
            .is_ok_and(|again| again.strip_prefix(self.directory()) == Some(&format!("/{file}")))
            .then_some(name)
    }
}

impl Store {
    /// Puts `content` in the place of what was kept under this name; durable when it returns. The last of several who do that at the same time
    /// is the one whose content stays.
    pub fn keep(&self, room: Room, name: &str, content: &[u8]) -> Result<()> {
        let inner = self.writable()?;
        let file = room.file(name)?;
        if content.len() > KEPT_BYTES_MAX {
            return Err(Error::LimitExceeded {
                what: "what is kept under a name, in bytes,",
                actual: content.len() as u64,
                limit: KEPT_BYTES_MAX as u64,
            });
        }
        let mut bytes = Vec::with_capacity(FRONT_BYTES + content.len() + DIGEST_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes.extend_from_slice(&[0; 2]);
        bytes.extend_from_slice(&inner.journal_id);
        bytes.extend_from_slice(content);
        bytes.extend_from_slice(&digest(&bytes));
        // Two at once would share the temporary file.
        let _one = inner.keeping.lock();
        inner.storage.create_directory(room.directory())?;
        write_whole(inner.storage.as_ref(), &file, &bytes).map(|_| ())
    }

    /// What is kept under this name.
    pub fn kept(&self, room: Room, name: &str) -> Result<Option<Vec<u8>>> {
        let inner = self.usable()?;
        let file = room.file(name)?;
        let Some(opened) = missing_is_none(inner.storage.open(&file, Mode::Read))? else { return Ok(None) };
        let length = opened.length()?;
        if length > FILE_BYTES_MAX {
            // Not read: nobody has room for a file that was lengthened to any size.
            return Err(Error::Damaged {
                file: inner.storage.describe(&file),
                offset: FILE_BYTES_MAX,
                sequence: None,
                reason: format!("the file has {length} bytes, more than any such file"),
            });
        }
        let bytes = read_all(opened.as_ref())?;
        content(&bytes, &inner.journal_id, &inner.storage.describe(&file)).map(|content| Some(content.to_vec()))
    }

    /// Removes what is kept under this name, and says whether there was something.
    pub fn forget(&self, room: Room, name: &str) -> Result<bool> {
        let inner = self.writable()?;
        let _one = inner.keeping.lock();
        let found = missing_is_none(inner.storage.remove(&room.file(name)?))?.is_some();
        if found {
            inner.storage.sync_directory(room.directory())?;
        }
        Ok(found)
    }

    /// The names under which something is kept, ascending.
    pub fn names_kept(&self, room: Room) -> Result<Vec<String>> {
        let files = missing_is_none(self.usable()?.storage.list(room.directory()))?.unwrap_or_default();
        let mut names: Vec<String> = files.iter().filter_map(|file| room.name_of(file)).collect();
        names.sort_unstable();
        Ok(names)
    }

    fn writable(&self) -> Result<&Inner> {
        let inner = self.usable()?;
        if inner.commit.is_none() { Err(Error::ReadOnly) } else { Ok(inner) }
    }
}

/// The content of such a file.
fn content<'a>(bytes: &'a [u8], journal_id: &[u8; 16], file: &str) -> Result<&'a [u8]> {
    let damaged = |offset: usize, reason: &str| Error::Damaged {
        file: file.to_owned(),
        offset: offset as u64,
        sequence: None,
        reason: reason.to_owned(),
    };
    let short = || damaged(bytes.len(), "the file ends too early");
    let (body, found) = bytes.split_last_chunk::<DIGEST_BYTES>().ok_or_else(short)?;
    if digest(body) != *found {
        return Err(damaged(0, "the file is damaged or was changed"));
    }
    let rest = body.strip_prefix(&MAGIC).ok_or_else(|| damaged(0, "the first bytes are not those of such a file"))?;
    let (version, rest) = rest.split_first_chunk::<2>().ok_or_else(short)?;
    let (flags, rest) = rest.split_first_chunk::<2>().ok_or_else(short)?;
    let version = u16::from_le_bytes(*version);
    if version != FORMAT_VERSION || *flags != [0, 0] {
        return Err(Error::UnsupportedFormat { file: file.to_owned(), version });
    }
    let (found, content) = rest.split_first_chunk::<16>().ok_or_else(short)?;
    if found == journal_id { Ok(content) } else { Err(damaged(12, "it is of another journal")) }
}
