//! Whether a log still is what was said of it: by the heads, by its last checkpoint, and by a pin kept elsewhere.

use super::checkpoint::Checkpoint;
use super::nodes::{Nodes, TreeOf};
use super::paths;
use crate::error::{Anchor, Error, Result};
use crate::heads::{Heads, NAME};
use crate::index::Index;
use crate::key::frame_statement;
use crate::merkle::Tree;
use crate::receipt::Committed;
use crate::storage::Storage;
use crate::system::Substrate;

/// Hashes taken out of the index at a time.
const BLOCK_EVENTS: usize = 4096;

/// The tree of the first `size` events: from the last head before, with the hashes behind it.
fn tree_at(index: &Index, heads: &Heads, size: u64) -> Result<Tree> {
    let before = heads.heads.iter().rev().map(|(_, head)| &head.tree).find(|tree| tree.size() <= size);
    let mut tree = before.cloned().unwrap_or_default();
    while tree.size() < size {
        let hashes = index
            .hashes_from(tree.size(), BLOCK_EVENTS.min(usize::try_from(size - tree.size()).unwrap_or(usize::MAX)))?;
        if hashes.is_empty() {
            break;
        }
        for hash in &hashes {
            tree.push(hash);
        }
    }
    Ok(tree)
}

/// What is wrong if the log does not go on from a checkpoint.
pub(crate) fn changed(anchor: Anchor, said: &Checkpoint, log: (u64, Option<crate::hash::Hash>)) -> Error {
    Error::HistoryChanged { anchor, size: said.size, root: said.root, log_size: log.0, log_root: log.1 }
}

/// Refuses a log that does not go on from a checkpoint; returns its tree up to there.
pub(crate) fn goes_on_from(index: &Index, heads: &Heads, said: &Checkpoint, anchor: Anchor) -> Result<Tree> {
    if said.size > index.len() {
        return Err(changed(anchor, said, (index.len(), None)));
    }
    let tree = tree_at(index, heads, said.size)?;
    let root = tree.root();
    if root == said.root { Ok(tree) } else { Err(changed(anchor, said, (index.len(), Some(root)))) }
}

/// Checks the last checkpoint, and that the last head goes on from it; returns the tree up to the later of the two.
pub(crate) fn anchored(storage: &dyn Storage, index: &Index, heads: &Heads, substrate: &Substrate) -> Result<Tree> {
    let last_head = heads.heads.last();
    let Some((offset, last)) = heads.checkpoints.last() else {
        return Ok(last_head.map(|(_, head)| head.tree.clone()).unwrap_or_default());
    };
    let damaged = |offset: u64, reason: &str| Error::Damaged {
        file: storage.describe(NAME),
        offset,
        sequence: last.size.checked_sub(1),
        reason: reason.to_owned(),
    };
    if last.origin != substrate.origin_at(last.size) {
        return Err(damaged(*offset, "the checkpoint is of another journal"));
    }
    let mut tree = goes_on_from(index, heads, last, Anchor::Checkpoint)?;
    if let Some(flaw) = signature_flaw(last, substrate) {
        return Err(damaged(*offset, flaw));
    }
    if let Some((offset, head)) = last_head.filter(|(_, head)| head.tree.size() > tree.size()) {
        let nodes = Nodes::default();
        paths::extend(&TreeOf { index, nodes: &nodes }, &mut tree, head.tree.size())?;
        if tree != head.tree {
            return Err(damaged(
                *offset,
                "this head does not go on from the last checkpoint: one of the two was changed",
            ));
        }
    }
    Ok(tree)
}

/// What is wrong with a checkpoint's signatures, if the journal had a key when it was made.
pub(crate) fn signature_flaw(checkpoint: &Checkpoint, substrate: &Substrate) -> Option<&'static str> {
    let key = substrate.key_at(checkpoint.size.checked_sub(1)?)?;
    match checkpoint.note.is_signed_by(&checkpoint.origin, key) {
        Some(true) => None,
        Some(false) => Some("the signature of the checkpoint is not valid"),
        None => Some("the checkpoint is not signed by the journal's key"),
    }
}

/// What is wrong with a frame's signature, if the journal had a key when it was written.
pub(crate) fn flaw_of_frame(frame: &Committed, substrate: &Substrate) -> Option<&'static str> {
    let last = (frame.first_sequence + frame.len() as u64).saturating_sub(1);
    let key = substrate.key_at(last)?;
    let Some(signature) = &frame.signature else {
        return Some("the frame must be signed, and is not: somebody else wrote it");
    };
    let statement = frame_statement(&frame.journal_id, frame.first_sequence, &frame.hashes);
    let valid = signature.key_id == key.key_id() && key.verifies(&statement, &signature.signature);
    (!valid).then_some(
        "the signature of the frame is not valid: somebody changed it, or wrote it without the journal's key",
    )
}
