//! What the next checkpoint would vouch for: every frame since the last one must be signed, or somebody else's events would get the owner's word.

use super::anchors::flaw_of_frame;
use crate::error::{Error, Result};
use crate::history::frame_of;
use crate::index::Index;
use crate::receipt::Committed;
use crate::scan::Scan;
use crate::segment;
use crate::storage::{Mode, Storage};
use crate::system::Substrate;

/// Refuses a log in which a frame behind the first `from` events is not signed by the key that the journal had then.
pub(crate) fn check_frames(storage: &dyn Storage, index: &Index, substrate: &Substrate, from: u64) -> Result<()> {
    let Some(first_key) = substrate.keys.first() else { return Ok(()) };
    let (mut next, events) = (from.max(first_key.from), index.len());
    while next < events {
        let (first, frame_at) = frame_of(index, next)?;
        let path = segment::path(first.segment);
        let name = storage.describe(&path);
        let damaged = |offset, sequence, reason: &str| Error::Damaged {
            file: name.clone(),
            offset,
            sequence: Some(sequence),
            reason: reason.to_owned(),
        };
        let mut scan = Scan::begin(storage.open(&path, Mode::Read)?, &name, first.segment)?;
        scan.resume_at(frame_at);
        next = first.sequence;
        while next < events
            && let Some(frame) = scan.next_frame()?
        {
            let committed = Committed::of_frame(next, &frame)?;
            if let Some(flaw) = flaw_of_frame(&committed, substrate) {
                return Err(damaged(frame.offset, next, flaw));
            }
            next += committed.len() as u64;
        }
        if next == first.sequence {
            return Err(damaged(frame_at, next, "the frame changed on disk since it was written"));
        }
    }
    Ok(())
}
