//! The roots of perfect subtrees of a journal: from the index files where one file holds all leaves below, else put together and remembered.

use std::collections::HashMap;
use std::ops::Range;

use parking_lot::Mutex;

use super::paths::Perfect;
use crate::error::{Error, Result};
use crate::hash::Hash;
use crate::index::Index;
use crate::merkle::{STEP, fold, leaf};

/// Entries kept in memory, some 80 bytes each.
const REMEMBERED_MAX: usize = 131_072;

/// Kept nodes that are in no index file: of the newest segment, and those that reach over the end of a segment.
#[derive(Debug, Default)]
pub(crate) struct Nodes {
    remembered: Mutex<HashMap<(u32, u64), Hash>>,
}

/// The tree over the events of an index. What it is asked of must be synced: such events are never replaced.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TreeOf<'a> {
    pub index: &'a Index,
    pub nodes: &'a Nodes,
}

impl TreeOf<'_> {
    fn leaves(&self, numbers: &Range<u64>) -> Result<Vec<Hash>> {
        let mut leaves = Vec::new();
        let mut at = numbers.start;
        while at < numbers.end {
            let count = usize::try_from(numbers.end - at).unwrap_or(usize::MAX);
            let hashes = self.index.hashes_from(at, count)?;
            if hashes.is_empty() {
                return Err(Error::EventNotFound { reference: at.to_string() });
            }
            at += hashes.len() as u64;
            leaves.extend(hashes.iter().map(leaf));
        }
        Ok(leaves)
    }

    /// The roots of neighbouring subtrees of a kept height, or leaves.
    fn kept(&self, height: u32, numbers: Range<u64>) -> Result<Vec<Hash>> {
        if height == 0 {
            return self.leaves(&numbers);
        }
        match self.index.nodes(height, &numbers)? {
            Some(found) => Ok(found),
            None => numbers.map(|number| self.one_kept(height, number)).collect(),
        }
    }

    fn one_kept(&self, height: u32, number: u64) -> Result<Hash> {
        if let Some(known) = self.nodes.remembered.lock().get(&(height, number)) {
            return Ok(*known);
        }
        if let Some(found) = self.index.nodes(height, &(number..number + 1))?.and_then(|found| found.first().copied()) {
            return Ok(found);
        }
        let root = fold(&self.kept(height - STEP, number << STEP..(number + 1) << STEP)?);
        let mut remembered = self.nodes.remembered.lock();
        if remembered.len() >= REMEMBERED_MAX {
            remembered.clear();
        }
        remembered.insert((height, number), root);
        Ok(root)
    }
}

impl Perfect for TreeOf<'_> {
    fn perfect(&self, height: u32, index: u64) -> Result<Hash> {
        let above = height % STEP;
        Ok(fold(&self.kept(height - above, index << above..(index + 1) << above)?))
    }
}
