//! Tells a journal from an empty directory, and makes one of the other.

use crate::entropy;
use crate::error::{Error, Result};
use crate::frontier;
use crate::heads;
use crate::inner::Inner;
use crate::meta;
use crate::read;
use crate::scan::{Ending, Scan};
use crate::segment::{self, DIRECTORY, first_sequence_of};
use crate::storage::{Mode, Storage, is_unfinished, missing_is_none, remove_if_there, write_whole};
use crate::writer::Active;

/// Far above the frame of event 0: a name, an id, a key, a signature.
const FIRST_FRAME_BYTES_MAX: u64 = 4096;

/// What a directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing, or what a crash leaves of a journal that was never handed to anybody.
    Nothing,
    /// A journal.
    Journal,
}

/// Tells a journal from an empty directory, and both from somebody else's.
pub(crate) fn find(storage: &dyn Storage) -> Result<Found> {
    let Some(names) = missing_is_none(storage.list(""))? else { return Ok(Found::Nothing) };
    let own = |name: &String| {
        ["LOCK", DIRECTORY, heads::NAME, frontier::NAME].contains(&name.as_str()) || is_unfinished(name)
    };
    let segments = missing_is_none(storage.list(DIRECTORY))?.unwrap_or_default();
    let logs = segments.iter().filter(|name| first_sequence_of(name).is_some()).count();
    // The frontier is written before the first open returns, so without it nobody was ever told of an event. `journal.meta` comes last
    // but one, so without both there is at most event 0. The file of the frontier is made, empty, before either.
    let frontier_bytes =
        missing_is_none(storage.open(frontier::NAME, Mode::Read))?.map_or(Ok(0), |file| file.length())?;
    let promised = frontier_bytes > 0 || names.iter().any(|name| name == meta::NAME);
    if promised || logs > 1 {
        return Ok(Found::Journal);
    }
    if logs == 1 {
        let only_beginning = segments.iter().all(|name| first_sequence_of(name) == Some(0) || is_unfinished(name));
        let heads_bytes =
            missing_is_none(storage.open(heads::NAME, Mode::Read))?.map_or(Ok(0), |file| file.length())?;
        let unfinished = only_beginning && heads_bytes <= 32 && names.iter().all(own) && holds_no_user_event(storage)?;
        return Ok(if unfinished { Found::Nothing } else { Found::Journal });
    }
    let foreign = segments.iter().any(|name| !is_unfinished(name));
    if foreign || !names.iter().all(own) {
        return Err(Error::NotAJournal {
            path: storage.describe(""),
            reason: "the directory is not empty, and what is in it is not a journal; choose another".to_owned(),
        });
    }
    Ok(Found::Nothing)
}

/// Whether the only segment is still what `create` makes: at most one frame long.
fn holds_no_user_event(storage: &dyn Storage) -> Result<bool> {
    let file = storage.open(&segment::path(0), Mode::Read)?;
    let Ok(mut scan) = Scan::begin(file, &storage.describe(&segment::path(0)), 0) else {
        return Ok(false);
    };
    let mut frames = 0;
    while scan.next_frame()?.is_some() {
        frames += 1;
    }
    // Event 0 torn, or whole and nothing behind it; anything else is not what a crash leaves, and is looked at, not discarded.
    let torn_bytes = scan.length() - scan.offset();
    Ok(match frames {
        0 => torn_bytes <= FIRST_FRAME_BYTES_MAX,
        1 => scan.ending()? != Ending::Other,
        _ => false,
    })
}

/// Makes the files of an empty journal. Interrupted anywhere, it can begin anew.
pub(crate) fn create(storage: &dyn Storage) -> Result<()> {
    storage.create_directory(DIRECTORY)?;
    remove_if_there(storage, &segment::path(0))?;
    let mut journal_id = [0; 16];
    entropy::fill(&mut journal_id)?;
    let mut nonce = [0; 16];
    entropy::fill(&mut nonce)?;
    // A crash here: the next open finds no log, and begins anew.
    heads::create(storage, &journal_id)?;
    Active::create(storage, journal_id, nonce, 0)?;
    Ok(())
}

/// The last steps of creation: the copy of event 0 first, the frontier last; see `find`.
pub(crate) fn finish_creation(inner: &Inner) -> Result<()> {
    if inner.index.is_empty() {
        return Ok(());
    }
    let location = inner.index.location(0)?;
    if let Some(writer) = inner.writer.lock().as_ref() {
        writer.active.file.sync()?;
    }
    let event = read::event_at(inner.storage.as_ref(), &location)?;
    write_whole(inner.storage.as_ref(), meta::NAME, &meta::encode(event.record())).map(drop)
}
