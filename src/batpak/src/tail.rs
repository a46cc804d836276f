//! Settles what a crash may leave at the end of the log, before anything is written behind it.

use crate::catalog::HEADS_DIRECTORY;
use crate::error::Result;
use crate::hash::{digest, hex};
use crate::load::Loaded;
use crate::recovery::Decision;
use crate::segment::{self, DIRECTORY, SEGMENT_HEADER_BYTES};
use crate::storage::{Mode, Storage, StorageFile, is_unfinished, missing_is_none, read_all, write_whole};
use crate::system::{Cut, Substrate};

/// Where bytes go that recovery cuts off.
pub(crate) const RECOVERED: &str = "recovered";

/// Removes what `write_whole` did not finish.
pub(crate) fn remove_leftovers(storage: &dyn Storage) -> Result<()> {
    for directory in ["", DIRECTORY, RECOVERED, HEADS_DIRECTORY] {
        for name in missing_is_none(storage.list(directory))?.unwrap_or_default() {
            if is_unfinished(&name) {
                let path = if directory.is_empty() { name } else { format!("{directory}/{name}") };
                storage.remove(&path)?;
            }
        }
    }
    Ok(())
}

/// Does what the recovery table decided about the end of the log.
pub(crate) fn settle_tail(storage: &dyn Storage, loaded: &Loaded) -> Result<Option<Cut>> {
    let last = &loaded.last;
    let cut = match last.decision {
        Decision::SetAside => {
            let digest = digest(&last.tail);
            let cut = Cut {
                first_cut_sequence: loaded.index.len(),
                segment_first_sequence: last.first_sequence,
                offset: last.end,
                bytes: last.tail.len() as u64,
                digest,
                file: tail_name(loaded.index.len(), &digest),
            };
            storage.create_directory(RECOVERED)?;
            write_whole(storage, &format!("{RECOVERED}/{}", cut.file), &last.tail)?;
            Some(cut)
        }
        Decision::CutZeros => None,
        Decision::Clean | Decision::RefuseMissing | Decision::RefuseDamaged | Decision::RefuseNewer => return Ok(None),
    };
    let file = storage.open(&segment::path(last.first_sequence), Mode::Write)?;
    file.truncate(last.end)?;
    file.sync()?;
    Ok(cut)
}

fn tail_name(first_cut_sequence: u64, digest: &[u8; 32]) -> String {
    let short: String = hex(digest).chars().take(16).collect();
    format!("{first_cut_sequence:020}-{short}.tail")
}

/// Cuts that the log does not tell of: this open's own, and one whose open crashed before it could say so.
pub(crate) fn missed_cuts(storage: &dyn Storage, substrate: &Substrate, own: Option<&Cut>) -> Result<Vec<Cut>> {
    let mut cuts = Vec::new();
    for name in missing_is_none(storage.list(RECOVERED))?.unwrap_or_default() {
        let told = substrate.cuts.iter().any(|cut| cut.file == name) || own.is_some_and(|cut| cut.file == name);
        let sequence = name.split_once('-').and_then(|(digits, _)| digits.parse().ok());
        let (false, Some(first_cut_sequence), true) = (told, sequence, name.strip_suffix(".tail").is_some()) else {
            continue;
        };
        let file = storage.open(&format!("{RECOVERED}/{name}"), Mode::Read)?;
        let bytes = read_all(file.as_ref())?;
        let digest = digest(&bytes);
        if tail_name(first_cut_sequence, &digest) != name {
            continue;
        }
        // Where it was cut is no longer known; the log ended there.
        cuts.push(Cut {
            first_cut_sequence,
            segment_first_sequence: 0,
            offset: 0,
            bytes: bytes.len() as u64,
            digest,
            file: name,
        });
    }
    cuts.extend(own.cloned());
    Ok(cuts)
}

/// Writes everything above the last synced event again, and syncs it.
pub(crate) fn rewrite_unsynced(loaded: &Loaded, file: &dyn StorageFile) -> Result<u64> {
    const CHUNK_BYTES: u64 = 1024 * 1024;
    let last = &loaded.last;
    // From the end of the last synced event, so that the next frame's own header is written again too.
    let last_synced = loaded.durable.min(loaded.index.len()).checked_sub(1);
    let synced = last_synced.map(|last_synced| loaded.index.location(last_synced)).transpose()?;
    let from = match synced {
        Some(location) if location.segment == last.first_sequence => location.offset + u64::from(location.length),
        _ => SEGMENT_HEADER_BYTES as u64,
    };
    let mut at = from;
    while at < last.end {
        let mut bytes = vec![0; usize::try_from((last.end - at).min(CHUNK_BYTES)).unwrap_or(0)];
        let filled = file.read_at(&mut bytes, at)?;
        bytes.truncate(filled);
        if bytes.is_empty() {
            break;
        }
        file.write_at(&bytes, at)?;
        at += filled as u64;
    }
    if at > from {
        file.sync()?;
    }
    Ok(at - from)
}
