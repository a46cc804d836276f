//! A copy of a journal that goes on by itself.

use std::sync::Arc;

use crate::config::Config;
use crate::create::{Found, find};
use crate::error::{Error, Result};
use crate::heads::{self, HeadWriter, Heads};
use crate::load::{Loaded, Loading, load};
use crate::meta;
use crate::open::check_key;
use crate::segment;
use crate::storage::{Mode, Storage, StorageFile, missing_is_none, read_all, write_whole};
use crate::tail::RECOVERED;

/// Bytes copied at a time.
const CHUNK_BYTES: u64 = 1024 * 1024;
/// Until the copy says that it is another lineage, it is not to be opened as the journal that it was copied from.
pub(crate) const UNFINISHED: &str = "fork.unfinished";

/// A copy that stopped halfway is no journal, whatever of one is there already.
pub(crate) fn refuse_unfinished(storage: &dyn Storage) -> Result<()> {
    if missing_is_none(storage.open(UNFINISHED, Mode::Read))?.is_none() {
        return Ok(());
    }
    let reason = "a fork was begun here and not finished; remove the directory, and fork again".to_owned();
    Err(Error::NotAJournal { path: storage.describe(""), reason })
}

/// Copies what is synced of a journal, which may be open for writing meanwhile, to an empty place. The copy is whole once `journal.meta` is
/// there, which comes last. It still is the same lineage: it is to be opened with this configuration, which begins another.
pub fn copy(source: &Arc<dyn Storage>, target: &dyn Storage, config: &Config) -> Result<()> {
    refuse_unfinished(source.as_ref())?;
    if find(source.as_ref())? == Found::Nothing {
        let reason = "there is no journal here".to_owned();
        return Err(Error::NotAJournal { path: source.describe(""), reason });
    }
    if missing_is_none(target.list(""))?.is_some_and(|names| !names.is_empty()) {
        let reason = format!("{} is not empty; a fork needs a directory of its own", target.describe(""));
        return Err(Error::InvalidInput { reason });
    }
    let mut config = config.clone();
    config.check()?;
    let loaded = load(source, &Loading { mode: Mode::Read, keys: None })?;
    // A segment that was sealed meanwhile has its head by now.
    let heads = heads::read(source.as_ref(), &loaded.journal_id)?.unwrap_or_default();
    check_key(&config, &loaded.substrate, false)?;
    let (size, last) = synced_end(source.as_ref(), &loaded)?;
    target.create_directory("")?;
    write_whole(target, UNFINISHED, b"")?;
    target.create_directory(segment::DIRECTORY)?;
    for start in loaded.index.segments().into_iter().filter(|start| *start < size || *start == 0) {
        let end = (start == last.0).then_some(last.1);
        copy_file(source.as_ref(), target, &segment::path(start), end)?;
    }
    copy_heads(target, &loaded.journal_id, &heads, size)?;
    for cut in &loaded.substrate.cuts {
        target.create_directory(RECOVERED)?;
        copy_file(source.as_ref(), target, &format!("{RECOVERED}/{}", cut.file), None)?;
    }
    let meta = source.open(meta::NAME, Mode::Read)?;
    write_whole(target, meta::NAME, &read_all(meta.as_ref())?)?;
    Ok(())
}

/// How many events are synced up to the end of a frame, and where in which segment that is.
fn synced_end(source: &dyn Storage, loaded: &Loaded) -> Result<(u64, (u64, u64))> {
    let size = loaded.durable.min(loaded.index.len());
    let location = loaded.index.location(size.checked_sub(1).ok_or_else(|| Error::NotAJournal {
        path: source.describe(""),
        reason: "the journal has no synced event yet".to_owned(),
    })?)?;
    Ok((size, (location.segment, location.offset + u64::from(location.length))))
}

fn copy_file(source: &dyn Storage, target: &dyn Storage, name: &str, end: Option<u64>) -> Result<()> {
    let from = source.open(name, Mode::Read)?;
    let to = target.open(name, Mode::Create)?;
    let end = end.map_or_else(|| from.length(), Ok)?;
    let mut at = 0;
    while at < end {
        let mut bytes = vec![0; usize::try_from((end - at).min(CHUNK_BYTES)).unwrap_or(0)];
        if from.read_at(&mut bytes, at)? < bytes.len() {
            return Err(short(source, name, at));
        }
        to.write_at(&bytes, at)?;
        at += bytes.len() as u64;
    }
    to.sync()?;
    target.sync_directory(name.rsplit_once('/').map_or("", |(directory, _)| directory))
}

fn short(source: &dyn Storage, name: &str, at: u64) -> Error {
    Error::Damaged {
        file: source.describe(name),
        offset: at,
        sequence: None,
        reason: "the file became shorter while it was copied".to_owned(),
    }
}

/// Heads and checkpoints that speak of what was copied. What tells of regenerable files is left out: they are made again.
fn copy_heads(target: &dyn Storage, journal_id: &[u8; 16], found: &Heads, size: u64) -> Result<()> {
    let file: Arc<dyn StorageFile> = heads::create(target, journal_id)?;
    let mut writer = HeadWriter::new(file, *journal_id, 0)?;
    found.in_order().iter().filter(|said| said.size() <= size).try_for_each(|said| writer.append_said(said))
}
