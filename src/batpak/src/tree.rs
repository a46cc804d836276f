//! The Merkle tree of the journal, advanced from published hashes outside the writer's lock.

use parking_lot::Mutex;

use crate::error::Result;
use crate::index::Index;
use crate::merkle::Tree;

/// Hashes copied out of the index at a time, so that its lock is held briefly.
const BLOCK_EVENTS: usize = 4096;

/// The right edge of the tree, shared by those who advance it and those who need it.
#[derive(Debug)]
pub(crate) struct SharedTree {
    /// Never locked while the index is.
    tree: Mutex<Tree>,
}

impl SharedTree {
    pub const fn new(tree: Tree) -> Self {
        Self { tree: Mutex::new(tree) }
    }

    /// Takes in every published event; returns the tree.
    pub fn catch_up(&self, index: &Index) -> Result<Tree> {
        let mut tree = self.tree.lock();
        loop {
            let hashes = index.hashes_from(tree.size(), BLOCK_EVENTS)?;
            if hashes.is_empty() {
                return Ok(tree.clone());
            }
            for hash in &hashes {
                tree.push(hash);
            }
        }
    }
}
